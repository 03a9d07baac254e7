//! What an event changes. Any event that was ever recorded is accepted; what it cannot mean, it does not change.

use uuid::Uuid;

use super::events::*;
use super::occasion;
use super::state::*;
use crate::Time;
use crate::envelope::Recorded;
use crate::values::*;

/// The state after one more event.
pub fn evolve(state: &mut State, recorded: &Recorded) {
    let time = recorded.envelope.time;
    let subject = &recorded.envelope.subject;
    state.last_recorded_at = state.last_recorded_at.max(Some(recorded.envelope.recorded_at));
    apply(state, &recorded.event, time, subject);
    end_permits(state, time);
}

fn apply(state: &mut State, event: &Event, time: Time, subject: &str) {
    match event {
        Event::Registered(e) => {
            state.standing = Standing::Open;
            state.home_branch = Some(e.home_branch.clone());
            state.time_zone = e.time_zone.clone();
            state.language = e.language.clone();
            state.guardian = e.guardian;
        }
        Event::ProfileChanged(e) => profile(state, e, time),
        Event::Merged(e) => state.standing = Standing::Merged { into: e.into, at: time },
        Event::Absorbing(e) => {
            state.absorbing = Some(e.from);
            state.absorbing_from = (state.contacts.len(), state.withdrawals.len());
        }
        Event::Absorbed(e) => absorb(state, e, time, subject),
        Event::Separated(e) => separate(state, e, time, subject),
        Event::Died(_) => {
            state.deceased = true;
            state.died_at = Some(state.died_at.map_or(time, |at| at.min(time)));
            if state.standing == Standing::Open {
                state.standing = Standing::Died;
            }
        }
        Event::Restored(_) => {
            state.deceased = false;
            state.died_at = None;
            if state.standing == Standing::Died {
                state.standing = Standing::Open;
            }
        }
        Event::Erased(_) => {
            state.standing = Standing::Erased;
            // A merge into somebody erased comes to nothing: the other stays, or opens again.
            state.absorbing = None;
        }
        Event::ConsentGranted(e) => state.grants.push(Grant {
            purpose: e.purpose.clone(),
            channels: e.channels.clone(),
            time,
            expires_at: e.expires_at,
            document: e.evidence.document,
        }),
        Event::ConsentWithdrawn(e) => {
            end_permits_on_consent(state, e, time);
            let (purpose, channels) = (e.purpose.clone(), e.channels.clone());
            state.withdrawals.push(Withdrawal { purpose, channels, time });
        }
        Event::PreferenceSet(e) => preference(state, e, time),
        Event::Booked(e) => state.appointments.push(Appointment {
            id: e.appointment,
            branch: e.branch.clone(),
            kind: e.kind,
            starts_at: e.starts_at,
            clinician: e.clinician,
            since: time,
            status: AppointmentStatus::Booked,
            clinic_change: None,
        }),
        Event::Rescheduled(e) => reschedule(state, e, time),
        Event::Cancelled(e) => cancel(state, e, time),
        Event::Completed(e) => {
            if let Some(appointment) = appointment(state, e.appointment) {
                appointment.status = AppointmentStatus::Completed(time);
                appointment.clinic_change = None;
            }
        }
        // Whoever was not told of a change may still come at the old time: that word stays owed.
        Event::Missed(e) => {
            if let Some(appointment) = appointment(state, e.appointment) {
                appointment.status = AppointmentStatus::Missed(time);
            }
        }
        Event::Requested(e) => {
            state.requests.push(Request { id: e.request, channel: e.channel, time, window: e.window, answered_at: None });
            answer_requests(state);
        }
        Event::Announced(e) => {
            state.announcements.push(Announcement { purpose: e.purpose.clone(), window: e.window, about: e.about, time });
        }
        Event::Permitted(e) => state.permits.push(Permit {
            id: e.permit,
            purpose: e.purpose.clone(),
            channel: e.channel,
            branch: e.branch.clone(),
            granted_at: time,
            expires_at: e.expires_at,
            occasion: e.basis.occasion.clone(),
            consent: e.basis.consent.clone(),
            overrides: e.basis.overrides.clone(),
            quiet_lifted: e.basis.quiet_lifted,
            offset: e.zone.offset,
            fate: Fate::Open,
        }),
        Event::Refused(_) => {}
        Event::Released(e) => {
            if let Some(permit) = state.permits.iter_mut().find(|p| p.id == e.permit && p.fate == Fate::Open) {
                permit.fate = Fate::Ended(time);
            }
        }
        Event::Started(e) => {
            if let Some(permit) = state.permits.iter_mut().find(|p| p.id == e.permit && p.fate == Fate::Open) {
                permit.fate = Fate::Started { at: time, contact: e.contact, ended: None };
            }
        }
        Event::Made(e) => made(state, e, time),
        Event::Corrected(e) => corrected(state, e),
        Event::Credited(e) => {
            if state.recommendations.iter().all(|r| r.recommended != e.recommended) {
                state.recommendations.push(Recommendation { recommended: e.recommended, time });
            }
        }
        Event::ReferralOpened(e) => state.referrals.push(Referral {
            id: e.referral,
            need: e.need.clone(),
            opened_at: time,
            arranged: None,
            closed_at: None,
        }),
        Event::ReferralArranged(e) => {
            if let Some(referral) = state.referrals.iter_mut().find(|r| r.id == e.referral) {
                referral.arranged = Some((e.provider, time));
            }
        }
        Event::ReferralClosed(e) => {
            if let Some(referral) = state.referrals.iter_mut().find(|r| r.id == e.referral) {
                referral.closed_at.get_or_insert(time);
            }
        }
        Event::FeedbackGiven(_) => state.feedback.push(time),
    }
}

fn profile(state: &mut State, e: &ProfileChanged, time: Time) {
    if let Some(branch) = &e.home_branch {
        state.home_branch = Some(branch.clone());
    }
    if let Some(zone) = &e.time_zone {
        state.time_zone = zone.clone();
    }
    if let Some(language) = &e.language {
        state.language = Some(language.clone());
    }
    if let Some(guardian) = e.guardian {
        state.guardian = Some(guardian);
    }
    if let Some(channels) = &e.channels {
        state.new_details.push(NewDetails { channels: channels.clone(), time });
    }
}

/// The latest wish by its time holds, however late it is recorded.
fn preference(state: &mut State, e: &PreferenceSet, time: Time) {
    fn newer<T>(slot: &mut Option<(T, Time)>, value: Option<T>, time: Time) -> bool {
        match value {
            Some(value) if slot.as_ref().is_none_or(|(_, since)| *since <= time) => {
                *slot = Some((value, time));
                true
            }
            _ => false,
        }
    }
    newer(&mut state.preferences.reach, e.reach, time);
    newer(&mut state.preferences.preferred_channel, e.preferred_channel, time);
    if newer(&mut state.preferences.quiet_hours, e.quiet_hours, time) {
        state.preferences.absorbed_quiet_hours.retain(|(_, since)| *since > time);
        if let Some(hours) = e.quiet_hours {
            cut_at_quiet_hours(state, hours, time);
        }
    }
    if e.reach == Some(Reach::PatientInitiated) {
        let wish_holds = matches!(state.preferences.reach, Some((Reach::PatientInitiated, _)));
        end_where(state, time, |p| wish_holds && !p.overrides(Override::PatientInitiatedOnly));
    }
}

/// Quiet hours that the patient sets end the permits that they now cover, and others no later than when they begin. Local time is taken by the
/// offset that the permit's own decision used, so that this comes out the same with any time zone database.
fn cut_at_quiet_hours(state: &mut State, hours: DailyHours, time: Time) {
    for permit in &mut state.permits {
        let lifted = permit.quiet_lifted.filter(|w| w.contains(time.max(permit.granted_at)));
        let from = lifted.map_or(time.max(permit.granted_at), |w| w.until);
        if permit.fate != Fate::Open
            || permit.expires_at <= from
            || !permit.channel.uses_number()
            || permit.overrides(Override::QuietHours)
        {
            continue;
        }
        let offset = chrono::Duration::seconds(permit.offset.into());
        let local = (from + offset).naive_utc();
        if hours.contains(local.time()) {
            match lifted {
                Some(_) => permit.expires_at = from,
                None => permit.fate = Fate::Ended(from),
            }
            continue;
        }
        let today = local.date().and_time(hours.from).and_utc() - offset;
        let begins = if today > from { today } else { today + chrono::Duration::days(1) };
        permit.expires_at = permit.expires_at.min(begins);
    }
}

fn appointment(state: &mut State, id: Uuid) -> Option<&mut Appointment> {
    state.appointments.iter_mut().find(|a| a.id == id)
}

fn reschedule(state: &mut State, e: &Rescheduled, time: Time) {
    let Some(appointment) = appointment(state, e.appointment) else { return };
    // A move that is written down late does not undo a newer one.
    if time < appointment.since.max(appointment.clinic_change.map_or(Time::MIN_UTC, |change| change.at)) {
        return;
    }
    let old = appointment.starts_at;
    let was_upcoming = appointment.status == AppointmentStatus::Booked && old > time;
    if e.starts_at != old || appointment.status != AppointmentStatus::Booked {
        appointment.since = time;
    }
    let branch_moves = e.branch.as_ref().is_some_and(|b| *b != appointment.branch);
    let clinician_moves = e.clinician.is_some() && e.clinician != appointment.clinician;
    appointment.starts_at = e.starts_at;
    appointment.status = AppointmentStatus::Booked;
    if let Some(branch) = &e.branch {
        appointment.branch = branch.clone();
    }
    if e.clinician.is_some() {
        appointment.clinician = e.clinician;
    }
    let moved = e.starts_at != old || branch_moves || clinician_moves;
    appointment.clinic_change = match e.by {
        ChangedBy::Patient => None,
        ChangedBy::Clinic if was_upcoming && moved => Some(ClinicChange { at: time, owed_until: old.max(e.starts_at) }),
        ChangedBy::Clinic => appointment.clinic_change,
    };
}

fn cancel(state: &mut State, e: &Cancelled, time: Time) {
    let Some(appointment) = appointment(state, e.appointment) else { return };
    let was_upcoming = appointment.status == AppointmentStatus::Booked && appointment.starts_at > time;
    appointment.status = AppointmentStatus::Cancelled(time);
    appointment.clinic_change = match e.by {
        ChangedBy::Clinic if was_upcoming => Some(ClinicChange { at: time, owed_until: appointment.starts_at }),
        _ => None,
    };
}

fn made(state: &mut State, e: &Made, time: Time) {
    let mut contact = Contact {
        id: e.contact,
        time,
        direction: e.direction,
        purpose: e.purpose.clone(),
        channel: e.channel,
        branch: e.branch.clone(),
        outcome: e.outcome,
        about: e.about,
        permit: None,
        // What began under a permit is known to be made under it.
        claimed: claimed(&state.permits, e),
        breach: false,
    };
    if e.direction == Direction::Outbound {
        contact.breach = !uses_permit(&mut contact, &mut state.permits);
    }
    for request in state.requests.iter_mut().filter(|r| answers(&contact, r, |request, call| request <= call)) {
        request.answered_at.get_or_insert(time);
    }
    state.contacts.push(contact);
}

/// A contact keeps its time, its permit and its occasion: only how it ended is known better. What was decided before stays as it was decided.
fn corrected(state: &mut State, e: &Corrected) {
    let Some(contact) = state.contacts.iter_mut().find(|c| c.id == e.contact) else { return };
    let before = std::mem::replace(&mut contact.outcome, e.outcome);
    let contact = contact.clone();
    match (before.is_reached(), e.outcome.is_reached()) {
        (false, true) => {
            for request in state.requests.iter_mut().filter(|r| answers(&contact, r, |request, call| request <= call)) {
                request.answered_at.get_or_insert(contact.time);
            }
        }
        // What it had answered is open again, unless another contact answers it.
        (true, false) => {
            for request in state.requests.iter_mut().filter(|r| r.answered_at == Some(contact.time)) {
                request.answered_at = None;
            }
            answer_requests(state);
        }
        _ => {}
    }
}

/// Whether a contact answers a request: one about it that reached the patient, or a call of theirs behind it. A call that we missed answers
/// nothing.
fn answers(contact: &Contact, request: &Request, behind: impl Fn(Time, Time) -> bool) -> bool {
    contact.outcome.is_reached()
        && match contact.direction {
            Direction::Inbound => behind(request.time, contact.time),
            Direction::Outbound => contact.about == Some(request.id),
        }
}

/// Requests that are written down late, or come with a merge, may be answered already. A call of the same moment is the one in which the
/// patient asked.
fn answer_requests(state: &mut State) {
    for request in state.requests.iter_mut().filter(|r| r.answered_at.is_none()) {
        let answering = state.contacts.iter().filter(|c| answers(c, request, |request, call| request < call));
        request.answered_at = answering.map(|c| c.time).min();
    }
}

/// Lets an outbound contact use the permit that it names, if that was live for its purpose, channel and occasion; whether it did.
fn uses_permit(contact: &mut Contact, permits: &mut [Permit]) -> bool {
    let Some(claimed) = contact.claimed else { return false };
    let (purpose, channel, about) = (&contact.purpose, contact.channel, contact.about);
    let permit = permits.iter_mut().find(|p| p.id == claimed && fits(p, purpose, channel, about, contact.time));
    let Some(permit) = permit else { return false };
    permit.fate = Fate::Used { contact: contact.id };
    contact.permit = contact.claimed.take();
    contact.about = contact.about.or(permit.occasion.as_ref().map(|o| o.about));
    true
}

/// Whether a permit was live at a moment for a contact of this purpose, channel and occasion.
fn fits(permit: &Permit, purpose: &Purpose, channel: Channel, about: Option<Uuid>, time: Time) -> bool {
    permit.purpose == *purpose
        && permit.channel == channel
        && about.is_none_or(|about| permit.occasion.as_ref().is_none_or(|o| o.about == about))
        && permit.was_live(time)
}

/// The permit that a contact is made under by its own word, or because it began under it.
fn claimed(permits: &[Permit], made: &Made) -> Option<Uuid> {
    let began = |p: &&Permit| matches!(p.fate, Fate::Started { contact, .. } if contact == made.contact);
    made.permit.or_else(|| permits.iter().find(began).map(|p| p.id))
}

impl State {
    /// The permit that a contact of this `time` uses once it is recorded: the one it names or began under, if that was live for its purpose,
    /// channel and occasion. `None`: it is a breach, or the patient's own.
    pub fn permit_for(&self, made: &Made, time: Time) -> Option<&Permit> {
        let claimed = claimed(&self.permits, made).filter(|_| made.direction == Direction::Outbound)?;
        self.permits.iter().find(|p| p.id == claimed && fits(p, &made.purpose, made.channel, made.about, time))
    }
}

fn absorb(state: &mut State, e: &Absorbed, time: Time, subject: &str) {
    let facts = &e.facts;
    let ids = facts.appointments.iter().map(|a| a.id);
    let ids = ids.chain(facts.requests.iter().map(|r| r.id)).chain(facts.referrals.iter().map(|r| r.id));
    let ids = ids.chain(facts.recommendations.iter().map(|r| r.recommended));
    state.absorbed.push(AbsorbedPatient {
        from: e.from,
        time,
        facts: ids.collect(),
        documents: facts.grants.iter().map(|g| g.document).collect(),
        announcements: facts.announcements.clone(),
        permits: facts.permits.iter().map(|p| p.id).collect(),
        // Once both are one, so are their counts and refusals, and these stay with both.
        contacts_before: 0,
        withdrawals_before: 0,
        appointments: Vec::new(),
        referrals: Vec::new(),
        deceased: false,
    });
    take_in(state, facts);
    // Nobody recommends the network to themselves.
    state.recommendations.retain(|r| r.recommended.to_string() != subject);
    if state.absorbing == Some(e.from) {
        state.absorbing = None;
    }
}

/// Adds another stream's facts to this one's, each once; of wishes, the stricter holds.
fn take_in(state: &mut State, facts: &Carried) {
    fn add<T: Clone>(own: &mut Vec<T>, new: &[T], same: impl Fn(&T, &T) -> bool) {
        for fact in new {
            if !own.iter().any(|known| same(known, fact)) {
                own.push(fact.clone());
            }
        }
    }
    add(&mut state.contacts, &facts.contacts, |a, b| a.id == b.id);
    add(&mut state.permits, &facts.permits, |a, b| a.id == b.id);
    // The outcome of what began on one stream may have been recorded on the other.
    for contact in &facts.contacts {
        if let Some(permit) = state.permits.iter_mut().find(|p| Some(p.id) == contact.permit) {
            permit.fate = Fate::Used { contact: contact.id };
        }
    }
    add(&mut state.grants, &facts.grants, |a, b| a == b);
    add(&mut state.withdrawals, &facts.withdrawals, |a, b| a == b);
    add(&mut state.appointments, &facts.appointments, |a, b| a.id == b.id);
    add(&mut state.requests, &facts.requests, |a, b| a.id == b.id);
    add(&mut state.announcements, &facts.announcements, |a, b| a == b);
    add(&mut state.referrals, &facts.referrals, |a, b| a.id == b.id);
    add(&mut state.recommendations, &facts.recommendations, |a, b| a.recommended == b.recommended);
    add(&mut state.feedback, &facts.feedback, |a, b| a == b);
    add(&mut state.new_details, &facts.new_details, |a, b| a == b);
    // A contact and the permit that it was made under may have come on different ways.
    for contact in state.contacts.iter_mut().filter(|c| c.direction == Direction::Outbound) {
        if contact.breach {
            contact.breach = !uses_permit(contact, &mut state.permits);
        } else if let Some(permit) = state.permits.iter_mut().find(|p| Some(p.id) == contact.permit) {
            permit.fate = Fate::Used { contact: contact.id };
        }
    }
    answer_requests(state);
    if facts.deceased {
        state.deceased = true;
        if state.standing == Standing::Open {
            state.standing = Standing::Died;
        }
    }
    let (own, new) = (&mut state.preferences, &facts.preferences);
    let strict = |reach: &Option<(Reach, Time)>| matches!(reach, Some((Reach::PatientInitiated, _)));
    if own.reach.is_none() || (strict(&new.reach) && !strict(&own.reach)) {
        own.reach = new.reach;
    }
    if own.preferred_channel.is_none() {
        own.preferred_channel = new.preferred_channel;
    }
    let hours = new.quiet_hours.iter().chain(&new.absorbed_quiet_hours);
    for hours in hours.copied().collect::<Vec<_>>() {
        if own.quiet_hours.is_none() {
            own.quiet_hours = Some(hours);
        } else if own.quiet_hours != Some(hours) && !own.absorbed_quiet_hours.contains(&hours) {
            own.absorbed_quiet_hours.push(hours);
        }
    }
}

fn separate(state: &mut State, e: &Separated, time: Time, subject: &str) {
    if let Some(facts) = &e.facts {
        // What was cancelled, moved or closed while both were one stays so: nobody is reminded of what was called off.
        for known in &mut state.appointments {
            if let Some(later) = facts.appointments.iter().find(|a| a.id == known.id) {
                known.clone_from(later);
            }
        }
        for known in &mut state.referrals {
            if let Some(later) = facts.referrals.iter().find(|r| r.id == known.id) {
                known.clone_from(later);
            }
        }
        take_in(state, facts);
    }
    if let Standing::Merged { into, .. } = state.standing
        && (e.from.to_string() == subject || e.from == into)
    {
        state.standing = if state.deceased { Standing::Died } else { Standing::Open };
        state.parted_from = Some(into);
        if !state.merged_before.contains(&into) {
            state.merged_before.push(into);
        }
    }
    if state.absorbing == Some(e.from) {
        state.absorbing = None;
        // Nothing of theirs had come yet, and nothing may come any more.
        let (contacts_before, withdrawals_before) = state.absorbing_from;
        state.parted.push(AbsorbedPatient {
            from: e.from,
            time,
            facts: Vec::new(),
            documents: Vec::new(),
            announcements: Vec::new(),
            permits: Vec::new(),
            contacts_before,
            withdrawals_before,
            appointments: Vec::new(),
            referrals: Vec::new(),
            deceased: state.deceased,
        });
    }
    if let Some(at) = state.absorbed.iter().position(|a| a.from == e.from) {
        let mut gone = state.absorbed.remove(at);
        gone.appointments = state.appointments.iter().filter(|a| gone.facts.contains(&a.id)).cloned().collect();
        gone.referrals = state.referrals.iter().filter(|r| gone.facts.contains(&r.id)).cloned().collect();
        gone.deceased = state.deceased;
        state.appointments.retain(|a| !gone.facts.contains(&a.id));
        state.requests.retain(|r| !gone.facts.contains(&r.id));
        state.referrals.retain(|r| !gone.facts.contains(&r.id));
        state.recommendations.retain(|r| !gone.facts.contains(&r.recommended));
        state.grants.retain(|g| !gone.documents.contains(&g.document));
        state.announcements.retain(|a| !gone.announcements.contains(a));
        // What began under them ends on the other stream; the contacts that were made count on both.
        state.permits.retain(|p| matches!(p.fate, Fate::Used { .. }) || !gone.permits.contains(&p.id));
        state.parted.push(gone);
    }
}

fn end_permits_on_consent(state: &mut State, e: &ConsentWithdrawn, time: Time) {
    end_where(state, time, |p| {
        // A word from before the grant was given takes nothing from it.
        p.consent.as_ref().is_some_and(|consent| consent.granted_at <= time)
            && e.purpose.as_ref().is_none_or(|purpose| *purpose == p.purpose)
            && e.channels.as_ref().is_none_or(|channels| channels.contains(&p.channel))
    });
}

/// Ends the permits from which this event took what allowed them: a closed stream, or an occasion that is no longer what it was.
fn end_permits(state: &mut State, time: Time) {
    if !state.permits.iter().any(|p| matches!(p.fate, Fate::Open | Fate::Started { ended: None, .. })) {
        return;
    }
    let closed = !state.is_open();
    let lost: Vec<Uuid> = state
        .permits
        .iter()
        .filter(|p| {
            // A fact entered late must not be held against what was booked ahead back then.
            let at = time.max(p.granted_at);
            closed || p.occasion.as_ref().is_some_and(|used| !occasion::still_holds(state, used, at))
        })
        .map(|p| p.id)
        .collect();
    if !lost.is_empty() {
        end_where(state, time, |p| lost.contains(&p.id));
    }
}

fn end_where(state: &mut State, time: Time, lost: impl Fn(&Permit) -> bool) {
    for permit in &mut state.permits {
        permit.fate = match permit.fate {
            Fate::Open if permit.expires_at > time && lost(permit) => Fate::Ended(time),
            Fate::Started { at, contact, ended: None } if lost(permit) => Fate::Started { at, contact, ended: Some(time) },
            fate => fate,
        };
    }
}
