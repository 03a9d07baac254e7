//! Recorded calls that fit nobody or several people: a person says whose each of them was, or that it was nobody's.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::{Branch, Purpose};
use tact_personal::calls::{Call, CallCount};
use tact_service::app::database;
use tact_service::{Answer, App, Caller, Path, Permission, Problem, Query, Write};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::matching::{Known, Matched, take_as};

/// Whose.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// The branch.
    #[param(value_type = String)]
    branch: Branch,
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// At most so many, 1 to 200; 50 if absent.
    limit: Option<u32>,
}

/// A call that a person is to look at.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallInReview)]
pub(crate) struct One {
    /// Its id here.
    call: Uuid,
    /// How the exchange calls it.
    #[schema(example = "cdr-1772442000-17")]
    record: String,
    /// `outbound` or `inbound`.
    direction: String,
    /// The other side's number, for callers who may see who a patient is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "+74950000000")]
    number: Option<String>,
    begun_at: DateTime<Utc>,
    seconds: i64,
    /// How it ended, in the exchange's word.
    #[schema(example = "answered")]
    disposition: String,
    /// `nobody` has the number, or `several` people have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "nobody")]
    reason: Option<String>,
}

/// A page of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallsInReview {
    calls: Vec<One>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11")]
    next: Option<Uuid>,
}

/// Show recorded calls of which it is not known whose they were
#[utoipa::path(
    get, path = "/v1/call-records/review", tag = "dispatch",
    params(Wanted),
    responses((status = 200, description = "What was asked for", body = CallsInReview), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<CallsInReview>, Problem> {
    caller.may(Permission::SeePerson)?;
    caller.at(&wanted.branch)?;
    app.branch("branch", &wanted.branch).await?;
    let limit = wanted.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not between 1 and 200")));
    }
    let found = app.personal.calls_in_review(wanted.branch.as_str(), wanted.after.unwrap_or_default(), limit).await;
    let found = found.map_err(database)?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id);
    let one = |call: Call| {
        let Call { id, record, direction, number, begun_at, seconds, disposition, reason, .. } = call;
        One { call: id, record, direction, number, begun_at, seconds, disposition, reason }
    };
    Ok(Json(CallsInReview { calls: found.into_iter().map(one).collect(), next }))
}

/// Whose call it was; without a patient: nobody's.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resolution {
    /// Whose call it was; absent: nobody's who is a patient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patient: Option<Uuid>,
    /// What it was for, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "appointment_reminder")]
    purpose: Option<Purpose>,
}

/// What is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Resolved {
    call: Uuid,
    /// `matched` or `closed`.
    #[schema(example = "matched")]
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<Uuid>,
    /// The contact that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<Uuid>,
}

/// Say whose a recorded call was
///
/// It is recorded as a contact of that patient, at its own time. Its number is kept no longer.
#[utoipa::path(
    post, path = "/v1/call-records/{branch}/{call}/resolution", tag = "dispatch",
    params(("branch" = String, Path), ("call" = Uuid, Path, description = "The call, as the list names it."), ("Idempotency-Key" = String, Header)),
    request_body = Resolution,
    responses((status = 200, description = "What was asked for", body = Resolved), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn resolve(
    State(app): State<Arc<App>>,
    Path((branch, id)): Path<(Branch, Uuid)>,
    write: Write<Resolution>,
) -> Result<Answer<Resolved>, Problem> {
    write.caller.may(Permission::Contact)?;
    write.caller.at(&branch)?;
    app.branch("branch", &branch).await?;
    let call = app.personal.call(id).await.map_err(database)?.filter(|call| call.branch == branch.as_str());
    let Some(call) = call else { return Err(Problem::not_found(format!("branch `{branch}` has no recorded call {id}"))) };
    let Resolution { patient, purpose } = &write.body;
    if call.state != "review" {
        // The same word again is no mistake.
        let same = match patient {
            Some(_) => call.state == "matched" && call.patient == *patient,
            None => call.state == "closed",
        };
        let state = if call.state == "matched" { "matched" } else { "closed" };
        return match same {
            true => answered(&app, Resolved { call: id, state, patient: call.patient, contact: call.contact }).await,
            false => Err(Problem::conflict("it is said already whose call this was")),
        };
    }
    let Some(patient) = patient else {
        app.personal.resolve_call(id, "closed", None, None).await.map_err(database)?;
        return answered(&app, Resolved { call: id, state: "closed", patient: None, contact: None }).await;
    };
    let known = Known {
        id,
        fingerprint: call.command.cast_unsigned(),
        actor: write.caller.actor(),
        branch: &branch,
        direction: call.direction.parse().map_err(Problem::hidden)?,
        number: call.number.as_deref().unwrap_or_default(),
        begun_at: call.begun_at,
        disposition: call.disposition.parse().map_err(Problem::hidden)?,
        permit: None,
        patient: Some(*patient),
        purpose: purpose.as_ref(),
    };
    match take_as(&app, &known, *patient).await? {
        Matched::Contact(patient, contact) => {
            app.personal.resolve_call(id, "matched", Some(patient), Some(contact)).await.map_err(database)?;
            answered(&app, Resolved { call: id, state: "matched", patient: Some(patient), contact: Some(contact) }).await
        }
        Matched::Nobody | Matched::Several => {
            Err(Problem::not_found("no patient has this id; register the patient first").with("field", "patient"))
        }
    }
}

async fn answered(app: &App, resolved: Resolved) -> Result<Answer<Resolved>, Problem> {
    let position = app.transactor.log().head().await?;
    Ok(Answer(resolved, position, true))
}

/// The counts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallFigures {
    /// How many calls stand alike: by branch, direction, state and reason.
    #[schema(value_type = Vec<Object>)]
    calls: Vec<CallCount>,
}

/// Count recorded calls
///
/// Those in `review` are not known to be anybody's; of the caller's branches.
#[utoipa::path(
    get, path = "/v1/call-records/figures", tag = "dispatch",
    responses((status = 200, description = "What was asked for", body = CallFigures), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn figures(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<CallFigures>, Problem> {
    caller.may(Permission::SeeFigures)?;
    let mut calls = app.personal.call_counts().await.map_err(database)?;
    calls.retain(|count| count.branch.parse().is_ok_and(|branch| caller.covers(&branch)));
    Ok(Json(CallFigures { calls }))
}
