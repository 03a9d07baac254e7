//! A recorded decision made again: from the events before it, the policy that it names, what the patient's number said to it, and the zone as
//! it recorded them. It must come out the same to the last byte, however many years later.

use smol_str::SmolStr;
use uuid::Uuid;

use super::decide::{Ask, Decision, OnNumber, UnknownRules, decide_by};
use super::events::Event;
use super::state::State;
use crate::policy::Policy;
use crate::{Time, Zone, ZoneUsed};

/// What a recorded decision was asked, and by what it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked<'a> {
    /// What was asked. The id of a permit that was refused, and the id of the reason's text, are not recorded; nothing depends on them.
    pub ask: Ask,
    /// The version of the policy.
    pub policy: &'a SmolStr,
    /// The version of the rules.
    pub rules: u16,
    /// The zone, as far as it was used.
    pub zone: &'a ZoneUsed,
}

/// What was asked, if the event is a decision.
pub fn asked(event: &Event) -> Option<Asked<'_>> {
    match event {
        Event::Permitted(e) => {
            let (purpose, branch) = (e.purpose.clone(), e.branch.clone());
            let number = e.basis.reservation.map_or(OnNumber::NotAsked, OnNumber::Reserved);
            let ask = Ask { permit: e.permit, purpose, channel: e.channel, branch, about: e.about, reason: e.reason, number };
            Some(Asked { ask, policy: &e.policy, rules: e.rules, zone: &e.zone })
        }
        Event::Refused(e) => {
            let (purpose, branch) = (e.purpose.clone(), e.branch.clone());
            let number = OnNumber::of(&e.reasons);
            let ask =
                Ask { permit: Uuid::nil(), purpose, channel: e.channel, branch, about: e.asked_about, reason: None, number };
            Some(Asked { ask, policy: &e.policy, rules: e.rules, zone: &e.zone })
        }
        _ => None,
    }
}

impl Asked<'_> {
    /// Decides again. `state` is what the events before led to, `policy` the one that the decision names, `now` when it was recorded.
    ///
    /// # Errors
    /// [`UnknownRules`] if this version of Tact does not know the rules by which it was made.
    pub fn again(&self, state: &State, policy: &Policy, now: Time) -> Result<Event, UnknownRules> {
        decide_by(self.rules, state, policy, &self.ask, now, &Zone::recorded(self.zone)).map(|decision| match decision {
            Decision::Permitted(e) => Event::Permitted(e),
            Decision::Refused(e) => Event::Refused(e),
        })
    }
}
