//! What follows from an event by itself, on another patient's stream: a recommendation is credited, a merge goes its way.
//!
//! A service that follows the log carries these out, with event ids derived from the event that set them off, so that being told twice
//! does nothing twice. Each step is taken from what the streams say then, and may find that there is nothing left to do.

use uuid::Uuid;

use super::events::*;
use super::state::{Standing, State};
use crate::Time;
use crate::envelope::Recorded;

/// Something to be done because of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaction {
    /// The stream to append to.
    pub target: Uuid,
    /// The stream whose state is needed as well; the one of the event that set it off.
    pub source: Uuid,
    step: Step,
    /// The time that the new event will carry.
    pub time: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Credit,
    Close,
    Absorb,
    Part,
}

/// What an event sets off, if anything. `state` is that of the event's own stream, behind the event.
pub fn reaction(recorded: &Recorded, patient: Uuid, state: &State) -> Option<Reaction> {
    let (target, step) = match &recorded.event {
        Event::Registered(e) => (e.recommended_by?, Step::Credit),
        Event::Absorbing(e) => (e.from, Step::Close),
        Event::Merged(e) => (e.into, Step::Absorb),
        Event::Separated(e) if e.from != patient => (e.from, Step::Part),
        Event::Separated(_) => (state.parted_from?, Step::Part),
        _ => return None,
    };
    Some(Reaction { target, source: patient, step, time: recorded.envelope.time })
}

/// What is to be appended for a reaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// This event, to the target's stream.
    Append(Event),
    /// This event, to the source's stream: the target cannot take part, so what was begun is undone; or is closed already, and it is done.
    AppendToSource(Event),
    /// Nothing: it is done already, or has become void.
    Nothing,
}

/// What is still to be done about a patient whose own stream says that it was merged into `survivor`: to bring the facts there or, if the merge
/// was undone meanwhile, to open the stream again.
pub fn pending(patient: Uuid, survivor: Uuid, merged_at: Time) -> Reaction {
    Reaction { target: survivor, source: patient, step: Step::Absorb, time: merged_at }
}

impl Reaction {
    /// The same for whoever the target goes on as, if it was merged: what is to be recorded of it is recorded there.
    #[must_use]
    pub fn redirected(self, target: &State) -> Option<Self> {
        match (self.step, target.standing) {
            (Step::Credit, Standing::Merged { into, .. }) if into != self.target => Some(Self { target: into, ..self }),
            _ => None,
        }
    }

    /// What to append, given both streams as they are now.
    pub fn outcome(&self, target: &State, source: &State) -> Outcome {
        match self.step {
            Step::Credit => {
                let known = target.recommendations.iter().any(|r| r.recommended == self.source);
                if known || target.standing == Standing::Unknown || self.target == self.source {
                    return Outcome::Nothing;
                }
                Outcome::Append(Event::Credited(Credited { recommended: self.source }))
            }
            Step::Close => {
                if source.absorbing != Some(self.target) {
                    return Outcome::Nothing;
                }
                match target.standing {
                    // Closed by an earlier merge that was undone before it was done: what had to bring the facts has passed.
                    Standing::Merged { into, .. } if into == self.source => Outcome::AppendToSource(Event::Absorbed(Absorbed {
                        from: self.target,
                        facts: Box::new(everything(target)),
                    })),
                    Standing::Open | Standing::Died if target.absorbing.is_none() => {
                        Outcome::Append(Event::Merged(Merged { into: self.source }))
                    }
                    _ => Outcome::AppendToSource(Event::Separated(Separated { from: self.target, facts: None })),
                }
            }
            Step::Absorb => {
                let Standing::Merged { into, .. } = source.standing else { return Outcome::Nothing };
                if into != self.target || target.absorbed.iter().any(|a| a.from == self.source) {
                    return Outcome::Nothing;
                }
                // Undone since it was begun, or the survivor is gone: what was closed too late opens again.
                let undone = target.absorbing != Some(self.source) && target.parted.iter().any(|p| p.from == self.source);
                if undone || target.standing == Standing::Erased {
                    let facts = Some(Box::new(target.parted_facts(self.source)));
                    return Outcome::AppendToSource(Event::Separated(Separated { from: self.source, facts }));
                }
                Outcome::Append(Event::Absorbed(Absorbed { from: self.source, facts: Box::new(everything(source)) }))
            }
            Step::Part => {
                if matches!(target.standing, Standing::Merged { into, .. } if into == self.source) {
                    // Taken in once more since, or about to be: the later word holds.
                    if source.holds(self.target) {
                        return Outcome::Nothing;
                    }
                    let facts = source.parted_facts(self.target);
                    return Outcome::Append(Event::Separated(Separated { from: self.target, facts: Some(Box::new(facts)) }));
                }
                // Whoever was merged in turn has handed on what it knew: nothing is recorded there any more, and counts stay with both.
                let merged = matches!(target.standing, Standing::Merged { .. });
                if !merged && target.absorbed.iter().any(|a| a.from == self.source) {
                    return Outcome::Append(Event::Separated(Separated { from: self.source, facts: None }));
                }
                Outcome::Nothing
            }
        }
    }
}

fn everything(state: &State) -> Carried {
    Carried {
        contacts: state.contacts.clone(),
        permits: state.permits.clone(),
        grants: state.grants.clone(),
        withdrawals: state.withdrawals.clone(),
        appointments: state.appointments.clone(),
        requests: state.requests.clone(),
        announcements: state.announcements.clone(),
        referrals: state.referrals.clone(),
        recommendations: state.recommendations.clone(),
        feedback: state.feedback.clone(),
        new_details: state.new_details.clone(),
        preferences: state.preferences.clone(),
        deceased: state.deceased,
    }
}

impl State {
    /// What stays with both when a merge is undone: every contact, withdrawal and wish that held while they were one, and a death; and what
    /// became of the other's own appointments and referrals meanwhile. Of a merge that was never done, only what was recorded since it began,
    /// since that may have been meant for either.
    pub fn parted_facts(&self, from: Uuid) -> Carried {
        let parted = self.parted.iter().rfind(|p| p.from == from);
        let (contacts, withdrawals) = parted.map_or((0, 0), |p| (p.contacts_before, p.withdrawals_before));
        Carried {
            appointments: parted.map(|p| p.appointments.clone()).unwrap_or_default(),
            referrals: parted.map(|p| p.referrals.clone()).unwrap_or_default(),
            deceased: parted.is_some_and(|p| p.deceased),
            contacts: self.contacts.get(contacts..).unwrap_or_default().to_vec(),
            withdrawals: self.withdrawals.get(withdrawals..).unwrap_or_default().to_vec(),
            preferences: self.preferences.clone(),
            ..Carried::default()
        }
    }
}
