//! The decision on a permit, as every service that grants one makes it.
//!
//! It must never grant anything by policies that may be out of date, or by a clock that is behind.

use tact_domain::patient::admit::{admit_ask, admit_reason};
use tact_domain::patient::events::Event;
use tact_domain::patient::{Ask, Decision, decide};
use uuid::Uuid;

use crate::control::{Control, in_force};
use crate::transact::{Command, Done, Failure, Moment, Transactor};

/// Asks for a permit. The decision is recorded, whichever it is: the event is `contact.permitted` or `contact.refused`.
///
/// # Errors
/// [`Failure`]: nothing could be decided, and nothing was recorded unless it is in doubt.
pub async fn ask(transactor: &Transactor, control: &Control, patient: Uuid, command: &Command, ask: &Ask) -> Result<Done, Failure> {
    let policies = control.ready_to_decide().await?;
    transactor
        .transact(patient, command, |state, moment: Moment| {
            admit_ask(state)?;
            moment.fit_for_permits()?;
            control.vouch(moment.clock)?;
            let policy = &in_force(&policies, moment.now)?.policy;
            admit_reason(policy, ask)?;
            Ok(match decide(state, policy, ask, moment.now, &control.zone(state)) {
                Decision::Permitted(permitted) => Event::Permitted(permitted),
                Decision::Refused(refused) => Event::Refused(refused),
            })
        })
        .await
}
