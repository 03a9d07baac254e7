//! What would be allowed now. Looking records nothing; only asking does.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use tact_domain::patient::{Ask, Decision, OnNumber};
use tact_domain::{Branch, Channel, Purpose};
use tact_service::control::in_force;
use tact_service::permit::would_be;
use tact_service::transact::Failure;
use tact_service::{App, Caller, Path, Permission, Problem, Query};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::permits::Answered;

/// What would be asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct WouldAsk {
    /// Why the patient would be contacted.
    #[param(value_type = String)]
    purpose: Purpose,
    /// How.
    #[param(value_type = String)]
    channel: Channel,
    /// The branch that would make the contact.
    #[param(value_type = String)]
    branch: Branch,
    /// The occasion; absent: the nearest.
    about: Option<Uuid>,
}

/// See whether a permit would be granted now
///
/// Records nothing and promises nothing.
#[utoipa::path(
    get, path = "/v1/patients/{patient}/permits/preview", tag = "contact",
    params(("patient" = Uuid, Path), WouldAsk),
    responses((status = 200, description = "What was asked for", body = Answered), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn preview(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
    Query(query): Query<WouldAsk>,
) -> Result<axum::Json<Answered>, Problem> {
    caller.may(Permission::Contact)?;
    caller.at(&query.branch)?;
    app.branch("branch", &query.branch).await?;
    let policies = app.control.ready_to_decide().await?;
    let known = app.transactor.patient_now(patient).await?;
    if let Some(reason) = known.set_aside() {
        return Err(Failure::SetAside { patient, reason: reason.clone() }.into());
    }
    tact_domain::patient::admit::admit_ask(&known.state)?;
    let clock = app.clock.now();
    let now = known.state.last_recorded_at.map_or(clock, |last| last.max(clock));
    let policy = &in_force(&policies, now)?.policy;
    let ask = Ask {
        permit: Uuid::nil(),
        purpose: query.purpose,
        channel: query.channel,
        branch: query.branch,
        about: query.about,
        reason: None,
        number: OnNumber::NotAsked,
    };
    let sight = app.numbers.look(&app.transactor, patient, known.position).await?;
    let zone = || app.control.zone(&known.state);
    let mut answer = match would_be(&sight, &known.state, policy, &ask, None, now, zone) {
        Decision::Permitted(permitted) => Answered::yes(permitted, None)?,
        Decision::Refused(refused) => Answered::no(refused, None, &caller),
    };
    answer.permit = None;
    Ok(axum::Json(answer))
}
