//! Records for one patient, or only looks at what would come of it.

use smol_str::ToSmolStr;
use tact_domain::patient::{Event, State, Untrue, admit, evolve};
use tact_domain::{Envelope, Recorded, Time};
use tact_event_log::{LogError, Position};
use tact_service::transact::{Command, Failure};
use uuid::Uuid;

use crate::Stores;

/// How often an append whose fate is not known is asked for again.
const ATTEMPTS: usize = 5;

/// What has become of a fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    /// Recorded now.
    Recorded,
    /// Recorded before.
    There,
    /// It cannot be true; why.
    Refused(String),
}

/// Records for one patient, or only looks at what would come of it.
#[derive(Debug)]
pub struct Hand<'a> {
    stores: Stores<'a>,
    patient: Uuid,
    clock: Time,
    /// In a dry run: the patient as they would be by now.
    pretended: Option<Box<State>>,
    /// Where the last event stands that this hand has recorded or found.
    pub position: Option<Position>,
}

impl<'a> Hand<'a> {
    /// A hand that records.
    pub fn new(stores: Stores<'a>, patient: Uuid, clock: Time) -> Self {
        Self { stores, patient, clock, pretended: None, position: None }
    }

    /// A hand that records nothing, and begins with this state.
    pub fn pretending(stores: Stores<'a>, patient: Uuid, clock: Time, state: State) -> Self {
        Self { stores, patient, clock, pretended: Some(Box::new(state)), position: None }
    }

    /// In a dry run: the patient as they would be by now.
    pub fn pretended(&self) -> Option<&State> {
        self.pretended.as_deref()
    }

    /// Records a fact, unless it cannot be true.
    ///
    /// # Errors
    /// Whatever keeps the log from it, asked several times: asking again with the same id is safe.
    pub async fn record(&mut self, command: &Command, event: Event) -> Result<Became, Failure> {
        if let Some(state) = &mut self.pretended {
            return Ok(pretend(state, self.patient, command, event, self.clock));
        }
        let mut attempt = 1;
        loop {
            match self.stores.transactor.record(self.patient, command, &event).await {
                Ok(done) => {
                    self.position = self.position.max(Some(done.position));
                    return Ok(if done.repeated { Became::There } else { Became::Recorded });
                }
                Err(Failure::Untrue(untrue)) => return Ok(Became::Refused(untrue.to_string())),
                Err(failure @ Failure::SetAside { .. }) => return Ok(Became::Refused(failure.to_string())),
                Err(Failure::Log(LogError::InDoubt(_)) | Failure::Busy) if attempt < ATTEMPTS => attempt += 1,
                Err(failure) => return Err(failure),
            }
        }
    }
}

/// What recording would do: the checks of the transact loop, on a copy of what is known.
fn pretend(state: &mut State, patient: Uuid, command: &Command, event: Event, clock: Time) -> Became {
    let now = state.last_recorded_at.map_or(clock, |last| last.max(clock));
    let time = command.time.unwrap_or(now);
    match admit(state, &event, time, now) {
        // What belongs to a survivor is checked when it is recorded there.
        Err(Untrue::MergedInto(_)) => return Became::Recorded,
        Err(untrue) => return Became::Refused(untrue.to_string()),
        Ok(()) => {}
    }
    let envelope = Envelope {
        id: command.event,
        network: Default::default(),
        subject: patient.to_smolstr(),
        time,
        recorded_at: now,
        actor: command.actor.clone(),
        branch: command.branch.clone(),
        sequence: 0,
        cause: None,
        command: None,
        previous: Default::default(),
    };
    evolve(state, &Recorded { envelope, event });
    Became::Recorded
}
