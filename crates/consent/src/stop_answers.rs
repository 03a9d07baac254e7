//! Somebody says whose a stop was. It is recorded as theirs, and the number is no longer quiet for its sake.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::number::{NumberEvent, NumberStopAnswered};
use tact_domain::patient::Untrue;
use tact_service::app::database;
use tact_service::fields::{self, MAX_LIST};
use tact_service::{Answer, App, Path, Permission, Problem, Write};
use utoipa::ToSchema;
use uuid::Uuid;

/// Whose it was.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    /// The patients, one or more: those who have the number now. If nobody can say, name them all (P14).
    patients: Vec<Uuid>,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StopAnswered)]
pub(crate) struct Answered {
    /// The stop.
    stop: Uuid,
    /// Those in whose streams it stands now.
    patients: Vec<Uuid>,
    /// Where the answer stands in the log; opaque.
    position: String,
    /// Whether it was there already: the same command, asked again.
    repeated: bool,
}

/// Say whose a stop was
#[utoipa::path(
    post, path = "/v1/numbers/stops/{stop}/answer", tag = "consent",
    params(("stop" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Whose,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Answered), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn answer(
    State(app): State<Arc<App>>,
    Path(stop): Path<Uuid>,
    write: Write<Whose>,
) -> Result<Answer<Answered>, Problem> {
    write.caller.may(Permission::Consent)?;
    let patients = &write.body.patients;
    if patients.is_empty() || patients.len() > MAX_LIST {
        return Err(Problem::field("patients", format!("name those whose stop it was, 1 to {MAX_LIST}")));
    }
    fields::distinct("patients", patients)?;
    let unknown = || Problem::not_found("no stop that is open has this id");
    let number = app.personal.number_of_stop(stop).await.map_err(database)?.ok_or_else(unknown)?;
    let known = app.numbers.number(number).await?;
    let mut command = write.command(number, None, None);
    command.event = write.id("answer");
    if let Some(open) = known.number.stops.iter().find(|open| open.asked.stop == stop) {
        let people = app.people_with(number).await?;
        if let Some(stranger) = patients.iter().find(|patient| !people.contains_key(patient)) {
            let problem = format!("{stranger} is not one of those who have the number now; look at the stop again");
            return Err(Problem::field("patients", problem));
        }
        let event = app.meant_by_stop(open.asked.purpose.as_ref()).await?;
        for patient in patients {
            let mut own = write.command(*patient, Some(open.time), None);
            own.cause = Some(stop);
            app.transactor.record(*patient, &own, &event).await?;
        }
    }
    let answered = NumberEvent::StopAnswered(NumberStopAnswered { stop, patients: patients.clone() });
    let still_open = |number: &tact_domain::number::Number| {
        let open = number.stops.iter().any(|open| open.asked.stop == stop);
        let problem = "this stop has been answered already".to_owned();
        if open { Ok(()) } else { Err(Untrue::Field { field: "stop", problem }.into()) }
    };
    let (position, repeated) = app.numbers.record(number, &command, &answered, still_open).await?;
    app.personal.forget_stop(stop).await.map_err(database)?;
    Ok(Answer(Answered { stop, patients: patients.clone(), position: position.to_string(), repeated }, position, repeated))
}
