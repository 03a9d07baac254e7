//! What an event sets off on another patient's stream, carried out once however often it is told.

use tact_domain::patient::events::Event;
use tact_domain::patient::reaction::{Outcome, reaction};
use tact_domain::{Actor, Recorded};
use uuid::Uuid;

use crate::ids::IdKey;
use crate::transact::{Command, Done, Failure, Transactor};

/// Carries out what `recorded`, an event in the stream of `patient`, sets off; `None` if that is nothing, or done, or has become void.
///
/// # Errors
/// [`Failure`]: tell it again later. [`Failure::SetAside`]: a stream that takes part cannot be read; nothing is done until a person has looked.
pub async fn react(transactor: &Transactor, keys: &IdKey, recorded: &Recorded, patient: Uuid) -> Result<Option<Done>, Failure> {
    let own = transactor.patient_now(patient).await?;
    let Some(mut reaction) = reaction(recorded, patient, &own.state) else { return Ok(None) };
    // A stream that cannot be read takes part in nothing; the others go on.
    let source = transactor.patient_now(reaction.source).await?;
    let mut target = transactor.patient_now(reaction.target).await?;
    while let Some(redirected) = reaction.redirected(&target.state) {
        reaction = redirected;
        target = transactor.patient_now(reaction.target).await?;
    }
    for (id, read) in [(reaction.source, &source), (reaction.target, &target)] {
        if let Some(reason) = read.set_aside() {
            return Err(Failure::SetAside { patient: id, reason: reason.clone() });
        }
    }
    let (patient, event) = match reaction.outcome(&target.state, &source.state) {
        Outcome::Nothing => return Ok(None),
        Outcome::Append(event) => (reaction.target, event),
        Outcome::Undo(event) => (reaction.source, event),
    };
    let cause = recorded.envelope.id;
    let command = command(keys, cause, patient, &event, Some(reaction.time));
    match transactor.record(patient, &command, &event).await {
        Ok(done) => Ok(Some(done)),
        // It has become void since it was looked at: another reaction or a person was faster.
        Err(Failure::Untrue(untrue)) => {
            tracing::info!(%patient, %untrue, "a reaction has become void");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// The command by which the reactor appends an event: its id follows from what set it off, so that being told twice does nothing twice.
pub fn command(keys: &IdKey, cause: Uuid, patient: Uuid, event: &Event, time: Option<tact_domain::Time>) -> Command {
    let id = keys.derive(&[b"reactor", cause.as_bytes(), patient.as_bytes(), event.kind().as_bytes()]);
    Command { event: id, fingerprint: None, time, actor: Actor::System("reactor".into()), branch: None, cause: Some(cause) }
}
