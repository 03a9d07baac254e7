//! What is derived from the log, derived twice: once from the beginning in one go, and once with every patient put away as stored text and taken
//! out again at places that the seed says, as a projector does between batches and after a crash. Both must say the same.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tact_domain::patient::{State, agenda, evolve, quota};
use tact_domain::{Zone, policy::PurposeRule};
use uuid::Uuid;

use super::log::History;
use crate::report::Report;
use crate::world::short;

pub(super) fn check(history: &History, seed: u64, report: &mut Report) {
    let mut rng = SmallRng::seed_from_u64(seed ^ 0x726f_7773_0000_0000);
    let mut fresh: BTreeMap<Uuid, State> = BTreeMap::new();
    let mut kept: BTreeMap<Uuid, State> = BTreeMap::new();
    let rate = rng.random_range(0.0..0.1);
    let mut last = None;
    for (position, patient, recorded) in &history.events {
        evolve(fresh.entry(*patient).or_default(), recorded);
        let state = kept.entry(*patient).or_default();
        evolve(state, recorded);
        last = last.max(Some(recorded.envelope.recorded_at));
        if rng.random_bool(rate) {
            match serde_json::to_string(state).and_then(|text| serde_json::from_str(&text)) {
                Ok(read) => *state = read,
                Err(error) => {
                    report.find("rows", format!("the state of {} at {position} cannot be put away: {error}", short(*patient)))
                }
            }
        }
    }
    let (Some(published), Some(now)) = (history.policies.last(), last) else { return };
    let policy = &published.policy;
    for (patient, state) in &fresh {
        let Some(other) = kept.get(patient) else { continue };
        if state != other {
            report.find("rows", format!("the state of {} differs once it was put away and taken out again", short(*patient)));
        }
        let home = state.home_branch.as_ref().and_then(|home| history.branches.get(home)).copied();
        let zone = || Zone::new(state.zone().or(home).unwrap_or(chrono_tz::Tz::UTC));
        let (due, again) = (agenda(state, policy, &zone()), agenda(other, policy, &zone()));
        report.figures.rows += due.len() as u64;
        if due != again {
            report.find("rows", format!("what {} is owed differs: {due:?} and {again:?}", short(*patient)));
        }
        for (purpose, rule) in &policy.purposes {
            let PurposeRule::Allowed(_) = rule else { continue };
            let [one, two] = [state, other].map(|state| quota(state, policy, purpose, None, now, &zone()));
            report.figures.rows += one.len() as u64;
            if one != two {
                report.find("rows", format!("the quotas of {} for {purpose} differ", short(*patient)));
            }
        }
    }
}
