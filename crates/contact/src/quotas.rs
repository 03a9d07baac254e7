//! Call quotas: how much of each limit is used, what is left, and when one comes back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::Override;
use tact_domain::patient::{QuotaLine, Untrue, quota, state::Standing};
use tact_domain::{Branch, Purpose};
use tact_read_models::quotas::{self, QuotaRow};
use tact_service::app::database;
use tact_service::control::in_force;
use tact_service::request::at_least;
use tact_service::transact::Failure;
use tact_service::{App, Caller, Path, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which quotas.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Only this purpose; absent: all that the policy allows.
    #[param(value_type = Option<String>)]
    purpose: Option<Purpose>,
    /// The occasion for limits per occasion; absent: the nearest that is not over.
    about: Option<Uuid>,
}

/// The limits of one purpose.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PurposeQuota {
    #[schema(value_type = String)]
    purpose: Purpose,
    #[schema(value_type = Vec<Object>)]
    limits: Vec<QuotaLine>,
}

/// A patient's quotas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Quotas {
    patient: Uuid,
    /// The moment at which they were counted.
    now: DateTime<Utc>,
    /// The version of the policy.
    policy: String,
    /// Up to which position of the log they are true.
    position: String,
    quotas: Vec<PurposeQuota>,
}

/// Show a patient's quotas
#[utoipa::path(
    get, path = "/v1/patients/{patient}/quotas", tag = "contact",
    params(("patient" = Uuid, Path), Wanted),
    responses((status = 200, description = "What was asked for", body = Quotas), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_patient(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Quotas>, Problem> {
    caller.may(Permission::SeeHistory)?;
    if let Some(purpose) = &wanted.purpose {
        app.known_purpose(purpose).await?;
    }
    let policies = app.control.ready_to_decide().await?;
    let known = app.transactor.patient_now(patient).await?;
    if let Some(reason) = known.set_aside() {
        return Err(Failure::SetAside { patient, reason: reason.clone() }.into());
    }
    if known.state.standing == Standing::Unknown {
        return Err(Untrue::UnknownPatient.into());
    }
    let clock = app.clock.now();
    let now = known.state.last_recorded_at.map_or(clock, |last| last.max(clock));
    let published = in_force(&policies, now)?;
    let policy = &published.policy;
    let zone = app.control.zone(&known.state);
    let purposes = policy.purposes.keys().filter(|p| wanted.purpose.as_ref().is_none_or(|wanted| wanted == *p));
    let mut shown = Vec::new();
    for purpose in purposes {
        let mut limits = quota(&known.state, policy, purpose, wanted.about, now, &zone);
        for item in limits.iter_mut().flat_map(|line| &mut line.counted) {
            if item.branch.as_ref().is_some_and(|branch| !caller.covers(branch)) {
                (item.branch, item.contact, item.permit) = (None, None, None);
            }
        }
        if !limits.is_empty() {
            shown.push(PurposeQuota { purpose: purpose.clone(), limits });
        }
    }
    Ok(Json(Quotas {
        patient,
        now,
        policy: published.event.version.to_string(),
        position: known.position.to_string(),
        quotas: shown,
    }))
}

/// Whose quotas.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exhausted {
    /// Patients of this home branch.
    #[param(value_type = String)]
    branch: Branch,
    /// For this purpose.
    #[param(value_type = String)]
    purpose: Purpose,
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// At most so many rows, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// A position that the list must have come to.
    at_least: Option<String>,
}

/// Who may not be contacted for a purpose, and until when.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExhaustedQuotas {
    /// The moment at which they were looked at.
    now: DateTime<Utc>,
    /// Up to which position of the log the list is true.
    position: String,
    /// The exhausted limits, by patient.
    #[schema(value_type = Vec<Object>)]
    quotas: Vec<QuotaRow>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Uuid>,
}

/// Show whose quotas are exhausted
#[utoipa::path(
    get, path = "/v1/quotas", tag = "contact",
    params(Exhausted),
    responses((status = 200, description = "What was asked for", body = ExhaustedQuotas), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn exhausted(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(wanted): Query<Exhausted>,
    headers: HeaderMap,
) -> Result<Json<ExhaustedQuotas>, Problem> {
    caller.may(Permission::SeeWorklist)?;
    caller.at(&wanted.branch)?;
    app.branch("branch", &wanted.branch).await?;
    app.known_purpose(&wanted.purpose).await?;
    let limit = wanted.limit.unwrap_or(100);
    if !(1..=500).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not between 1 and 500")));
    }
    app.caught_up(at_least(wanted.at_least.as_deref(), &headers)?).await?;
    let checkpoint = app.read.checkpoint().await.map_err(database)?;
    let policies = app.control.ready_to_decide().await?;
    let now = app.clock.now();
    let rule = in_force(&policies, now)?.policy.rule(&wanted.purpose).cloned();
    let overall = rule.is_some_and(|rule| !rule.overrides(Override::OverallLimits));
    let after = wanted.after.unwrap_or(Uuid::nil());
    let mut rows = quotas::exhausted(&app.read.db(), &wanted.branch, &wanted.purpose, overall, now, after, limit + 1)
        .await
        .map_err(database)?;
    let mut next = None;
    if rows.len() > limit as usize {
        // A page ends between two patients, unless one patient fills it.
        let last = rows[rows.len() - 1].patient;
        rows.truncate(limit as usize);
        if rows[0].patient != last {
            rows.retain(|row| row.patient != last);
        }
        next = rows.last().map(|row| row.patient);
    }
    Ok(Json(ExhaustedQuotas { now, position: checkpoint.position.to_string(), quotas: rows, next }))
}
