//! Every decision made again, from the events before it, the policy that it names and the time zone as it recorded it: it must come out the
//! same to the last byte. And no decision was made by a clock that was behind, or by a policy that was no longer in force.

use std::collections::BTreeMap;

use chrono::Duration;
use smol_str::SmolStr;
use tact_domain::patient::events::Event;
use tact_domain::patient::{State, asked, evolve};
use tact_domain::{Recorded, Time};
use tact_event_log::Position;
use uuid::Uuid;

use super::log::{History, PublishedAt};
use crate::report::Report;
use crate::world::Aftermath;

pub(super) fn check(history: &History, aftermath: &Aftermath, report: &mut Report) {
    let mut states: BTreeMap<Uuid, State> = BTreeMap::new();
    for (position, patient, recorded) in &history.events {
        let state = states.entry(*patient).or_default();
        if let Some(asked) = asked(&recorded.event) {
            let version = asked.policy;
            match &recorded.event {
                Event::Refused(e) => {
                    report.figures.refusals += 1;
                    for reason in &e.reasons {
                        *report.codes.entry(reason.code.to_string()).or_default() += 1;
                    }
                }
                _ => report.figures.permits += 1,
            }
            report.figures.decided_again += 1;
            let now = recorded.envelope.recorded_at;
            let published = history.policies.iter().find(|p| p.recorded.event.version == *version && p.position < *position);
            let Some(published) = published else {
                report.find(
                    "again",
                    format!("the decision at {position} names policy {version}, which was not published before it"),
                );
                return;
            };
            let again = match asked.again(state, &published.policy, now) {
                Ok(again) => again,
                Err(unknown) => {
                    report.find("again", format!("the decision at {position}: {unknown}"));
                    return;
                }
            };
            if again != recorded.event {
                let [was, is] = [&recorded.event, &again].map(|e| serde_json::to_string(e).unwrap_or_default());
                report.find("again", format!("the decision at {position} comes out differently:\n  was {was}\n  is  {is}"));
            }
            if recorded.envelope.time != now {
                report.find(
                    "again",
                    format!("the decision at {position} is dated {}, but was recorded at {now}", recorded.envelope.time),
                );
            }
            circumstances(history, aftermath, *position, recorded, version, state.last_recorded_at, report);
        }
        evolve(state, recorded);
    }
}

fn circumstances(
    history: &History,
    aftermath: &Aftermath,
    position: Position,
    recorded: &Recorded,
    version: &SmolStr,
    last: Option<Time>,
    report: &mut Report,
) {
    let Some(sent) = aftermath.sent.get(&recorded.envelope.id) else { return };
    if last.is_some_and(|last| sent.clock + Duration::seconds(5) < last) {
        report.find(
            "clock",
            format!(
                "the decision at {position} was made by a clock at {}, behind the patient's last event at {last:?}",
                sent.clock
            ),
        );
    }
    // Where clocks are right within what they may differ by, and no publication was under way for longer than a reading of the policies
    // allows for, the policy in force is the one that decides.
    let known_in_time = |published: &PublishedAt| {
        let envelope = &published.recorded.envelope;
        aftermath.sent.get(&envelope.id).is_some_and(|s| s.steady && s.landed - envelope.recorded_at <= Duration::seconds(5))
    };
    if !sent.steady || !history.policies.iter().all(known_in_time) {
        return;
    }
    let now = recorded.envelope.recorded_at;
    let in_effect = history.policies.iter().filter(|p| p.effective_from() <= now);
    let due = in_effect.max_by_key(|p| (p.effective_from(), p.position));
    if let Some(due) = due.filter(|due| due.recorded.event.version != *version) {
        report.find(
            "policy",
            format!(
                "the decision at {position}, recorded at {now}, was made by policy {version}, but {} has been in force since {}",
                due.recorded.event.version,
                due.effective_from(),
            ),
        );
    }
}
