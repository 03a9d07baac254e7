//! Whom a wish means that came from a number: the one who has it, or one of several, which must be asked.

use tact_domain::number::NumberStopAsked;
use tact_service::App;
use tact_service::transact::{Command, Failure};
use uuid::Uuid;

use crate::store::Dispatch;

/// Whom a wish to stop means, in answer to a message.
pub(crate) enum Meant {
    /// These: one person, as far as is known, under the ids that they go by.
    One(Vec<Uuid>),
    /// One of several people who have this number.
    Several(Uuid),
}

/// Whom a wish to stop means that answers a contact. What did not go to a number means the patient.
pub(crate) async fn meant(app: &App, dispatch: &Dispatch) -> Result<Meant, Failure> {
    let shared = match dispatch.channel.uses_number() {
        true => app.personal.who_shares(dispatch.patient).await?,
        false => None,
    };
    let Some(shared) = shared else { return Ok(Meant::One(vec![dispatch.patient])) };
    let people = app.people_with(shared.number).await?;
    if people.len() > 1 {
        return Ok(Meant::Several(shared.number));
    }
    // Whoever has died or was merged is sent nothing any more; their stream says so all the same.
    let mut one = vec![dispatch.patient];
    one.extend(people.into_keys().filter(|person| *person != dispatch.patient));
    Ok(Meant::One(one))
}

/// Asks whose a stop was that answered a contact. Nobody on the number is contacted until that is answered.
pub(crate) async fn ask_whose(app: &App, dispatch: &Dispatch, number: Uuid, command: &Command) -> Result<(), Failure> {
    let asked = NumberStopAsked { stop: command.event, channel: dispatch.channel, purpose: Some(dispatch.purpose.clone()) };
    app.ask_whose(number, command, asked).await.map(drop)
}
