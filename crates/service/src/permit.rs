//! The decision on a permit, as every service that grants one makes it, and the last look before a machine uses one.
//!
//! It must never grant anything by policies that may be out of date, or by a clock that is behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tact_domain::Code;
use tact_domain::patient::admit::{admit, admit_ask, admit_reason};
use tact_domain::patient::events::{Event, Started};
use tact_domain::patient::{Ask, Decision, State, Untrue, decide};
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

/// What a last look came to.
#[derive(Debug)]
pub enum Begun {
    /// The contact has begun with this very call: whoever gets this may make it, once, and nobody else ever may.
    Now(Done),
    /// It had begun before. Whether it was made, only whoever was to make it can say.
    Before(Done),
    /// The right to it is gone, and why as far as a decision made now would say; nothing was recorded.
    Gone(Vec<Code>),
}

/// Begins a contact under a permit, after a last look at whether it would be granted still: the permit must be live, and a decision made at
/// this moment, by the policy in force and by everything that was recorded, must come out the same.
///
/// # Errors
/// [`Failure`]: it is not known yet whether it may begin. Nothing was recorded, unless it is in doubt.
pub async fn begin(
    transactor: &Transactor,
    control: &Control,
    patient: Uuid,
    command: &Command,
    started: &Started,
) -> Result<Begun, Failure> {
    for _ in 0..READINGS {
        control.ready_to_decide().await?;
        let outdated = AtomicBool::new(false);
        let codes = Mutex::new(Vec::new());
        let done = transactor
            .transact(patient, command, |state, moment| last_look(control, state, moment, started, &outdated, &codes))
            .await;
        if outdated.into_inner() {
            continue;
        }
        return match done {
            Ok(done) if done.repeated => Ok(Begun::Before(done)),
            Ok(done) => Ok(Begun::Now(done)),
            Err(Failure::Untrue(_)) => Ok(Begun::Gone(codes.into_inner().unwrap_or_else(PoisonError::into_inner))),
            Err(failure) => Err(failure),
        };
    }
    Err(Failure::NoPolicy("the log answers too slowly to know the policies in force".to_owned()))
}

fn last_look(
    control: &Control,
    state: &State,
    moment: Moment,
    started: &Started,
    outdated: &AtomicBool,
    codes: &Mutex<Vec<Code>>,
) -> Result<Event, Failure> {
    let event = Event::Started(started.clone());
    admit(state, &event, moment.now, moment.now)?;
    moment.fit_for_permits()?;
    let Some(policies) = control.decidable_at(moment.clock) else {
        outdated.store(true, Ordering::Relaxed);
        return Err(Failure::NoPolicy("the policies were read too long ago".to_owned()));
    };
    let policy = &in_force(&policies, moment.now)?.policy;
    let Some(permit) = state.permit(started.permit) else { return Ok(event) };
    let ask = Ask {
        permit: permit.id,
        purpose: permit.purpose.clone(),
        channel: permit.channel,
        branch: permit.branch.clone(),
        about: permit.occasion.as_ref().map(|used| used.about),
        reason: None,
    };
    // As if it had not been granted: else it would stand in its own way.
    let mut without = state.clone();
    without.permits.retain(|other| other.id != started.permit);
    match decide(&without, policy, &ask, moment.now, &control.zone(state)) {
        Decision::Permitted(_) => Ok(event),
        Decision::Refused(refused) => {
            *codes.lock().unwrap_or_else(PoisonError::into_inner) = refused.reasons.iter().map(|reason| reason.code).collect();
            let problem = "it would not be granted any more".to_owned();
            Err(Untrue::Field { field: "permit", problem }.into())
        }
    }
}
