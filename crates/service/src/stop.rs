//! A stop that came from a telephone number: whose it can be, what it means for them, and quiet on the number until that is known.
//!
//! While it is open, nobody's permit on the number lives and none is granted, but for what a patient who only wants to call gets as well.

use std::collections::{BTreeMap, BTreeSet};

use tact_domain::Purpose;
use tact_domain::number::{NumberEvent, NumberStopAsked};
use tact_domain::patient::events::{ConsentWithdrawn, Event, Override, PermitRef, PreferenceSet};
use tact_domain::patient::state::{Fate, Standing};
use tact_domain::patient::{State, Untrue};
use tact_domain::policy::{Basis, Policy};
use tact_domain::{Reach, Time};
use tact_event_log::Position;
use uuid::Uuid;

use crate::app::App;
use crate::control::in_force;
use crate::transact::{Command, Failure};

/// How many patients in a row are followed from one who was merged to the next.
const MERGES: usize = 16;

impl App {
    /// The people who have a number and may be contacted, the survivor for those who were merged, with their home branches. One whose stream
    /// cannot be read is among them: the stop may be theirs.
    ///
    /// # Errors
    /// [`Failure`] if the personal data or the log cannot be read.
    pub async fn people_with(&self, number: Uuid) -> Result<BTreeMap<Uuid, Option<tact_domain::Branch>>, Failure> {
        let mut people = BTreeMap::new();
        for holder in self.personal.by_number(number).await? {
            let mut id = holder;
            for _ in 0..MERGES {
                let known = self.transactor.patient_now(id).await?;
                match known.state.standing {
                    Standing::Merged { into, .. } => id = into,
                    Standing::Open => {
                        people.insert(id, known.state.home_branch.clone());
                        break;
                    }
                    _ if known.set_aside().is_some() => {
                        people.insert(id, known.state.home_branch.clone());
                        break;
                    }
                    _ => break,
                }
            }
        }
        Ok(people)
    }

    /// What a stop means for the person from whom it came: the withdrawal of the consent that the purpose rests on, if it does; else that only
    /// they call (P4, P14). Whoever says "stop" to one thing is not asked whether they meant the rest.
    ///
    /// # Errors
    /// [`Failure`] if the policies cannot be read.
    pub async fn meant_by_stop(&self, purpose: Option<&Purpose>) -> Result<Event, Failure> {
        let policies = self.control.ready_to_decide().await?;
        let policy = &in_force(&policies, self.clock.now())?.policy;
        let consented = purpose.filter(|p| policy.rule(p).is_some_and(|rule| rule.basis == Basis::Consent));
        Ok(match consented {
            Some(purpose) => Event::ConsentWithdrawn(ConsentWithdrawn { purpose: Some(purpose.clone()), channels: None }),
            None => Event::PreferenceSet(PreferenceSet {
                reach: Some(Reach::PatientInitiated),
                quiet_hours: None,
                preferred_channel: None,
            }),
        })
    }

    /// Records that a stop came from a number of several people, and ends every permit on it that the stop may concern, those included that
    /// are being granted at this moment. Done again, it goes on where it was broken off.
    ///
    /// # Errors
    /// [`Failure`] if it is not certain that the number is quiet now; asking again makes it so.
    pub async fn ask_whose(&self, number: Uuid, command: &Command, asked: NumberStopAsked) -> Result<(Position, bool), Failure> {
        let stop = asked.stop;
        // Noted first: what is asked must be found by those who can answer.
        self.personal.note_stop(stop, number, self.clock.now()).await?;
        let recorded = self.numbers.record(number, command, &NumberEvent::StopAsked(asked), |_| Ok(())).await?;
        let policies = self.control.ready_to_decide().await?;
        let policy = &in_force(&policies, self.clock.now())?.policy;
        for (patient, permit) in self.endangered(number, policy).await? {
            let release = Command {
                event: self.keys.derive(&[b"stop", stop.as_bytes(), permit.as_bytes()]),
                fingerprint: None,
                time: None,
                actor: command.actor.clone(),
                branch: None,
                cause: Some(stop),
            };
            // A permit that has not come yet meets this event, and with it the stop.
            let done = self.transactor.transact(patient, &release, |state, moment| ends(state, permit, moment.now)).await;
            match done {
                Ok(_) | Err(Failure::Untrue(_)) => {}
                Err(Failure::SetAside { .. }) => tracing::warn!("a stop could not end the permits of a patient who is set aside"),
                Err(failure) => return Err(failure),
            }
        }
        Ok(recorded)
    }

    /// The permits on a number that live or may be coming, but for what overrides a patient's wish.
    async fn endangered(&self, number: Uuid, policy: &Policy) -> Result<BTreeSet<(Uuid, Uuid)>, Failure> {
        let lifted = |purpose: &Purpose| policy.rule(purpose).is_some_and(|r| r.overrides(Override::PatientInitiatedOnly));
        let known = self.numbers.number(number).await?;
        let now = self.clock.now();
        let mut found = BTreeSet::new();
        for r in known.number.reservations.iter().filter(|r| !lifted(&r.purpose)) {
            let coming = now < r.lapses_at + tact_domain::patient::admit::CLOCK_TOLERANCE;
            let state = &self.transactor.patient_now(r.patient).await?.state;
            if state.permit(r.permit).map_or(coming, |p| p.fate == Fate::Open && p.is_live(now)) {
                found.insert((r.patient, r.permit));
            }
        }
        for holder in self.people_with(number).await?.into_keys() {
            let state = &self.transactor.patient_now(holder).await?.state;
            let live = state.permits.iter().filter(|p| p.fate == Fate::Open && p.is_live(now));
            let endangered = live.filter(|p| p.channel.uses_number() && !p.overrides(Override::PatientInitiatedOnly));
            found.extend(endangered.map(|p| (holder, p.id)));
        }
        Ok(found)
    }
}

/// Takes a permit back, or what would become one.
fn ends(state: &State, permit: Uuid, now: Time) -> Result<Event, Failure> {
    match state.permit(permit) {
        Some(known) if known.fate != Fate::Open || !known.is_live(now) => {
            Err(Untrue::Field { field: "permit", problem: "is not live".to_owned() }.into())
        }
        _ => Ok(Event::Released(PermitRef { permit })),
    }
}
