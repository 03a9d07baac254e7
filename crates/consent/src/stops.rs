//! A stop came from a telephone number: from a gateway, an exchange, or over the desk. If one person has the number it is theirs; if several
//! do, it is asked whose it was, and until that is answered the number is quiet.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::number::NumberStopAsked;
use tact_domain::{Channel, Purpose};
use tact_service::{Answer, App, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

/// The stop.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    /// When it came, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// The number from which it came.
    phone: String,
    /// On which channel: `phone`, `auto_call`, `sms` or `messenger`.
    #[schema(value_type = String, example = "sms")]
    channel: Channel,
    /// What it answered; absent: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "promotion")]
    purpose: Option<Purpose>,
}

impl std::fmt::Debug for Stop {
    /// Without the number: this text may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stop").field("channel", &self.channel).field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StopHeard)]
pub(crate) struct Heard {
    /// `recorded`: it was the wish of the one who has the number. `open`: several have it, and somebody must say whose it was.
    #[schema(example = "recorded")]
    result: &'static str,
    /// If it is open: the stop, to be answered under `/v1/numbers/stops/{stop}/answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<Uuid>,
    /// If it was recorded: what.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    receipt: Option<Receipt>,
}

/// Record a stop from a number
///
/// With a purpose that rests on consent it withdraws that consent; any other means that only the patient calls from now on. While it is open
/// whose it was, nobody who has the number is contacted on it, but for what such a wish does not cover.
#[utoipa::path(
    post, path = "/v1/numbers/stops", tag = "consent",
    params(("Idempotency-Key" = String, Header)),
    request_body = Stop,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Heard), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn stop(State(app): State<Arc<App>>, write: Write<Stop>) -> Result<Answer<Heard>, Problem> {
    write.caller.may(Permission::Consent)?;
    let body = &write.body;
    if !body.channel.uses_number() {
        let problem = format!("`{}` does not come from a number; write `phone`, `auto_call`, `sms` or `messenger`", body.channel);
        return Err(Problem::field("channel", problem));
    }
    if let Some(purpose) = &body.purpose {
        app.published_purpose(purpose).await?;
    }
    if body.time.is_some_and(|time| time > app.clock.now() + tact_domain::patient::admit::CLOCK_TOLERANCE) {
        return Err(Problem::field("time", "lies in the future; record what has happened"));
    }
    let Some(numbering) = app.personal.numbering() else {
        return Err(Problem::hidden("the store of personal data does not know numbers"));
    };
    let short = body.phone.chars().count() <= 40;
    let Some(number) = numbering.fingerprint(&body.phone).filter(|_| short) else {
        return Err(Problem::field("phone", "is not a telephone number; write 5 to 15 digits, with the country's code"));
    };
    let people = app.people_with(number).await?;
    let event = app.meant_by_stop(body.purpose.as_ref()).await?;
    // Asked again when others have the number as well, it is still whose it was.
    let mut alone = (people.len() == 1).then(|| people.keys().next().copied()).flatten();
    for person in people.keys() {
        if app.transactor.carried_out(*person, &write.command(*person, body.time, None)).await?.is_some() {
            alone = Some(*person);
        }
    }
    if let Some(person) = alone {
        let done = app.transactor.record(person, &write.command(person, body.time, None), &event).await?;
        return Ok(Answer(Heard { result: "recorded", stop: None, receipt: Some((&done).into()) }, done.position, done.repeated));
    }
    if people.is_empty() {
        return Err(
            Problem::not_found("nobody who may be contacted has this number; there is nothing to stop").with("field", "phone")
        );
    }
    let mut command = write.command(number, body.time, None);
    command.event = write.id("stop");
    let asked = NumberStopAsked { stop: command.event, channel: body.channel, purpose: body.purpose.clone() };
    let (position, repeated) = app.ask_whose(number, &command, asked).await?;
    Ok(Answer(Heard { result: "open", stop: Some(command.event), receipt: None }, position, repeated))
}
