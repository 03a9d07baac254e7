//! From events to rows: one event of one patient at a time, pure. What follows from the state as a whole is [`derive`](crate::derive)'s.

use std::collections::BTreeSet;

use chrono::Datelike;
use tact_domain::envelope::hash;
use tact_domain::patient::events::{Event, FeedbackGiven, Made, PreferenceSet};
use tact_domain::patient::state::{Standing, State};
use tact_domain::{Branch, Code, Direction, Reach, Recorded, Time, to_millis};
use tact_event_log::Stored;
use tact_read_models::audit::WishRow;
use tact_read_models::contacts::{ContactCount, ContactRow, PermitCount, RefusalCount};
use tact_read_models::feedback::{FeedbackRow, ThemeRow};
use tact_read_models::history::HistoryRow;
use tact_read_models::month;
use tact_read_models::patient_months::{NETWORK, PatientMonth};
use tact_read_models::patients::{PatientRow, standing_word};
use tact_read_models::set_aside::SetAsideRow;
use uuid::Uuid;

use crate::cache::Patient;
use crate::network::Network;
use crate::rows::Rows;

/// Applies one event of a patient's stream. Of the network it asks only what the log says up to this event.
pub(crate) fn fold(rows: &mut Rows, patient: &mut Patient, id: Uuid, stored: &Stored, network: &Network) {
    let sequence = patient.version + 1;
    let position = stored.position.to_stored().cast_signed();
    let mut history = HistoryRow {
        patient: id,
        position,
        sequence: sequence.cast_signed(),
        event: stored.id,
        kind: None,
        time: None,
        recorded_at: None,
        actor: None,
        branch: None,
        body: text(&stored.bytes),
    };
    let read = Recorded::<Event>::read_at(&stored.bytes, &id.to_string(), sequence, &patient.last_hash);
    match read {
        Ok(recorded) => {
            let envelope = &recorded.envelope;
            history.kind = Some(recorded.event.kind().to_owned());
            history.time = Some(to_millis(envelope.time));
            history.recorded_at = Some(to_millis(envelope.recorded_at));
            history.actor = Some(envelope.actor.to_string());
            history.branch = envelope.branch.as_ref().map(|b| b.as_str().to_owned());
            if !patient.set_aside {
                let was_referrer = recommended_by_then(&patient.state, envelope.time);
                let before = reach(&patient.state);
                patient.trail.evolve(&mut patient.state, &recorded);
                let before_tact = network.is_before_tact(envelope.time, stored.position);
                happened(rows, patient, id, position, &recorded, was_referrer, before_tact);
                wish(rows, patient, id, position, &recorded, network, before);
            }
        }
        Err(unreadable) if !patient.set_aside => {
            patient.set_aside = true;
            rows.set_aside.push(SetAsideRow {
                stream: id.to_string(),
                position,
                sequence: sequence.cast_signed(),
                reason: unreadable.to_string(),
                since: patient.state.last_recorded_at.map(to_millis),
            });
        }
        Err(_) => {}
    }
    rows.history.push(history);
    patient.version = sequence;
    patient.position = stored.position.to_stored();
    patient.last_hash = hash(&stored.bytes);
}

/// What a database takes as text: UTF-8 without NUL, which no message of ours holds.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.contains(&0) => text.to_owned(),
        _ => String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}"),
    }
}

fn reach(state: &State) -> Reach {
    state.preferences.reach.map_or(Reach::Normal, |(reach, _)| reach)
}

fn recommended_by_then(state: &State, time: Time) -> bool {
    state.recommendations.iter().any(|r| r.time <= time)
}

/// The rows of what happened, each written once; of a contact, only how it ended is known better later.
fn happened(
    rows: &mut Rows,
    patient: &mut Patient,
    id: Uuid,
    position: i64,
    recorded: &Recorded,
    was_referrer: bool,
    before_tact: bool,
) {
    let time = recorded.envelope.time;
    match &recorded.event {
        Event::Registered(_) => patient.registered_at = patient.registered_at.or(Some(time)),
        Event::Made(made) => {
            let row = contact(&patient.state, id, position, recorded, made, before_tact);
            let key = (made.branch.as_str(), month(time), made.purpose.as_str(), made.channel, made.direction, made.outcome);
            rows.count_contact(key, &row);
            rows.contacts.push(row);
            if made.direction == Direction::Outbound {
                in_month(rows, &patient.state, made, time);
            }
        }
        Event::Corrected(e) => rows.corrections.push((e.contact, e.outcome)),
        Event::Permitted(e) => rows.count_permit(e.branch.as_str(), month(time), e.purpose.as_str(), true),
        Event::Refused(e) => {
            rows.count_permit(e.branch.as_str(), month(time), e.purpose.as_str(), false);
            // Two limits may be reached at once: that is one refusal for one reason.
            let codes: BTreeSet<Code> = e.reasons.iter().map(|reason| reason.code).collect();
            for code in codes {
                rows.count_refusal(e.branch.as_str(), month(time), e.purpose.as_str(), code);
            }
        }
        Event::FeedbackGiven(given) => feedback(rows, id, position, time, given, was_referrer),
        _ => {}
    }
}

/// Counts an outbound contact in its month, and its patient where it is the first that is known of that month: at its branch, and anywhere.
fn in_month(rows: &mut Rows, state: &State, made: &Made, time: Time) {
    let same_month = |other: Time| (other.year(), other.month()) == (time.year(), time.month());
    let others = || {
        let outbound = state.contacts.iter().filter(|c| c.direction == Direction::Outbound && c.id != made.contact);
        outbound.filter(|c| same_month(c.time))
    };
    let month = month(time);
    let at_branch = others().all(|c| c.branch != made.branch);
    rows.count_month(made.branch.as_str(), &month, [1, i64::from(at_branch), 0]);
    rows.count_month(NETWORK, &month, [1, i64::from(others().next().is_none()), 0]);
}

/// "Don't call me, I'll call you" (P4). `before`: how the patient wished to be reached until then.
fn wish(rows: &mut Rows, patient: &Patient, id: Uuid, position: i64, recorded: &Recorded, network: &Network, before: Reach) {
    let Recorded { envelope, event } = recorded;
    if !matches!(event, Event::PreferenceSet(PreferenceSet { reach: Some(Reach::PatientInitiated), .. })) {
        return;
    }
    let branch = envelope.branch.as_ref().or(patient.state.home_branch.as_ref());
    // Who says it again, and of whom a later wish is known already, does not turn to it.
    if before != Reach::PatientInitiated && reach(&patient.state) == Reach::PatientInitiated {
        let month = month(envelope.time);
        for place in branch.map(Branch::as_str).into_iter().chain([NETWORK]) {
            rows.count_month(place, &month, [0, 0, 1]);
        }
    }
    rows.wishes.push(WishRow {
        position,
        wish: envelope.id,
        patient: id,
        time: to_millis(envelope.time),
        recorded_at: to_millis(envelope.recorded_at),
        month: envelope.time.with_timezone(&network.zone(&patient.state)).format("%Y-%m").to_string(),
        branch: branch.map_or(String::new(), |branch| branch.as_str().to_owned()),
        actor: envelope.actor.to_string(),
    });
}

fn contact(state: &State, patient: Uuid, position: i64, recorded: &Recorded, made: &Made, before_tact: bool) -> ContactRow {
    let time = recorded.envelope.time;
    // `evolve` has just put it at the end.
    let known = state.contacts.last().filter(|c| c.id == made.contact);
    let about = known.map_or(made.about, |c| c.about);
    let outbound = made.direction == Direction::Outbound;
    let announced = outbound
        && state
            .announcements
            .iter()
            .any(|a| a.purpose == made.purpose && a.window.contains(time) && a.about.is_none_or(|wanted| about == Some(wanted)));
    let before_tact = outbound && before_tact;
    ContactRow {
        position,
        contact: made.contact,
        patient,
        time: to_millis(time),
        recorded_at: to_millis(recorded.envelope.recorded_at),
        direction: made.direction.as_str().to_owned(),
        purpose: made.purpose.as_str().to_owned(),
        channel: made.channel.as_str().to_owned(),
        branch: made.branch.as_str().to_owned(),
        outcome: made.outcome.as_str().to_owned(),
        about,
        permit: known.and_then(|c| c.permit),
        note: made.note,
        actor: recorded.envelope.actor.to_string(),
        announced,
        before_tact,
        breach: known.is_some_and(|c| c.breach) && !before_tact,
    }
}

fn feedback(rows: &mut Rows, patient: Uuid, position: i64, given_at: Time, given: &FeedbackGiven, of_referrer: bool) {
    let month = month(given_at);
    let branch = given.branch.as_str();
    let list = |themes: &Option<Vec<tact_domain::Theme>>| {
        serde_json::to_string(themes.as_deref().unwrap_or_default()).expect("theme codes are plain text")
    };
    for (strength, themes) in [(true, &given.strengths), (false, &given.weaknesses)] {
        let mut themes: Vec<&str> = themes.iter().flatten().map(|theme| theme.as_str()).collect();
        themes.sort_unstable();
        themes.dedup();
        rows.themes.extend(themes.into_iter().map(|theme| ThemeRow {
            position,
            theme: theme.to_owned(),
            strength,
            branch: branch.to_owned(),
            clinician: given.clinician,
            month: month.clone(),
            of_referrer,
        }));
    }
    rows.feedback.push(FeedbackRow {
        position,
        feedback: given.feedback,
        patient,
        branch: branch.to_owned(),
        clinician: given.clinician,
        score: u8::from(given.score).into(),
        strengths: list(&given.strengths),
        weaknesses: list(&given.weaknesses),
        words: given.text,
        given_at: to_millis(given_at),
        month,
        of_referrer,
    });
}

/// The row from which the projector goes on, and questions are answered.
pub(crate) fn patient_row(id: Uuid, patient: &Patient) -> PatientRow {
    let state = &patient.state;
    let merged_into = match state.standing {
        Standing::Merged { into, .. } => Some(into),
        _ => None,
    };
    PatientRow {
        patient: id,
        home_branch: state.home_branch.as_ref().map(|b| b.as_str().to_owned()),
        standing: standing_word(&state.standing).to_owned(),
        merged_into,
        reach: state.preferences.reach.map(|(reach, _)| reach.as_str().to_owned()),
        registered_at: patient.registered_at.map(to_millis),
        version: patient.version.cast_signed(),
        position: patient.position.cast_signed(),
        last_hash: patient.last_hash.to_vec(),
        state: serde_json::to_string(state).expect("a state has string keys and finite numbers only"),
        trail: serde_json::to_string(&patient.trail).expect("a trail has string keys and no numbers"),
    }
}

/// A count to be added to the one that is there.
pub(crate) fn contact_count(key: crate::rows::ContactKey, counts: [i64; 4]) -> ContactCount {
    let (branch, month, purpose, channel, direction, outcome) = key;
    let [made, announced, breaches, before_tact] = counts;
    ContactCount {
        branch,
        month,
        purpose,
        channel: channel.as_str().to_owned(),
        direction: direction.as_str().to_owned(),
        outcome: outcome.as_str().to_owned(),
        made,
        announced,
        breaches,
        before_tact,
    }
}

/// A count to be added to the one that is there.
pub(crate) fn refusal_count(
    (branch, month, purpose, code): (String, String, String, &'static str),
    refused: i64,
) -> RefusalCount {
    RefusalCount { branch, month, purpose, code: code.to_owned(), refused }
}

/// A count to be added to the one that is there.
pub(crate) fn patient_month((branch, month): crate::rows::MonthKey, [contacts, patients, turned]: [i64; 3]) -> PatientMonth {
    PatientMonth { branch, month, contacts, patients, turned }
}

/// A count to be added to the one that is there.
pub(crate) fn permit_count((branch, month, purpose): (String, String, String), [granted, refused]: [i64; 2]) -> PermitCount {
    PermitCount { branch, month, purpose, granted, refused }
}
