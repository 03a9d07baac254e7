//! The decision on a permit, as every service that grants one makes it.
//!
//! It must never grant anything by policies that may be out of date, or by a clock that is behind.

use std::sync::atomic::{AtomicBool, Ordering};

use tact_domain::patient::admit::{admit_ask, admit_reason};
use tact_domain::patient::events::Event;
use tact_domain::patient::{Ask, Decision, State, decide};
use uuid::Uuid;

use crate::control::{Control, in_force};
use crate::transact::{Command, Done, Failure, Moment, Transactor};

/// How often the policies are read again for one command, because it waited longer than a reading is good for.
const READINGS: usize = 5;

/// Asks for a permit. The decision is recorded, whichever it is: the event is `contact.permitted` or `contact.refused`.
///
/// # Errors
/// [`Failure`]: nothing could be decided, and nothing was recorded unless it is in doubt.
pub async fn ask(
    transactor: &Transactor,
    control: &Control,
    patient: Uuid,
    command: &Command,
    ask: &Ask,
) -> Result<Done, Failure> {
    for _ in 0..READINGS {
        control.ready_to_decide().await?;
        let outdated = AtomicBool::new(false);
        let done = transactor.transact(patient, command, |state, moment| decided(control, state, moment, ask, &outdated)).await;
        if !outdated.into_inner() {
            return done;
        }
    }
    Err(Failure::NoPolicy("the log answers too slowly to know the policies in force".to_owned()))
}

fn decided(control: &Control, state: &State, moment: Moment, ask: &Ask, outdated: &AtomicBool) -> Result<Event, Failure> {
    admit_ask(state)?;
    moment.fit_for_permits()?;
    let Some(policies) = control.decidable_at(moment.clock) else {
        outdated.store(true, Ordering::Relaxed);
        return Err(Failure::NoPolicy("the policies were read too long ago".to_owned()));
    };
    let policy = &in_force(&policies, moment.now)?.policy;
    admit_reason(policy, ask)?;
    Ok(match decide(state, policy, ask, moment.now, &control.zone(state)) {
        Decision::Permitted(permitted) => Event::Permitted(permitted),
        Decision::Refused(refused) => Event::Refused(refused),
    })
}
