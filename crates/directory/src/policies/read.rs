//! The published policies, and the one that is in force.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tact_domain::Time;
use tact_domain::control::{Policies, Published};
use tact_service::{App, Caller, Path, Permission, Problem};
use utoipa::ToSchema;

/// Every policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AllPolicies {
    /// In the order of publication, without their texts.
    policies: Vec<Policy>,
}

/// A published policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Policy {
    version: String,
    /// The SHA-256 of the text, in hexadecimal.
    sha256: String,
    /// When it takes effect.
    effective_from: DateTime<Utc>,
    /// When it was published.
    recorded_at: DateTime<Utc>,
    /// Whether decisions are made by it now.
    in_force: bool,
    /// The text, as it was published; in the list it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// See all policies
#[utoipa::path(
    get, path = "/v1/policies", tag = "directory",
    responses((status = 200, description = "What was asked for", body = AllPolicies), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn all(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<AllPolicies>, Problem> {
    let (policies, now) = read(&app, &caller).await?;
    let policies = policies.all().iter().map(|published| Policy { text: None, ..shown(&policies, published, now) }).collect();
    Ok(Json(AllPolicies { policies }))
}

/// See the policy in force
#[utoipa::path(
    get, path = "/v1/policies/in-force", tag = "directory",
    responses((status = 200, description = "What was asked for", body = Policy), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn in_force(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Policy>, Problem> {
    let (policies, now) = read(&app, &caller).await?;
    match policies.in_force(now) {
        Some(published) => Ok(Json(shown(&policies, published, now))),
        None => {
            let first = policies.first_effect().map(|at| format!("; the first takes effect at {at}"));
            Err(Problem::not_found(format!("no policy is in force{}", first.unwrap_or_else(|| "; publish one".to_owned()))))
        }
    }
}

/// See a policy
#[utoipa::path(
    get, path = "/v1/policies/{version}", tag = "directory",
    params(("version" = String, Path)),
    responses((status = 200, description = "What was asked for", body = Policy), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(version): Path<String>,
) -> Result<Json<Policy>, Problem> {
    let (policies, now) = read(&app, &caller).await?;
    policies.version(&version).map(|published| Json(shown(&policies, published, now))).ok_or_else(|| {
        let known = policies.all().iter().map(|published| published.event.version.as_str());
        let near = tact_domain::nearest_word(&version, known);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let said: String = version.chars().take(80).collect();
        Problem::not_found(format!("no policy of the version `{said}` was published{hint}"))
    })
}

async fn read(app: &App, caller: &Caller) -> Result<(Arc<Policies>, Time), Problem> {
    caller.may(Permission::SeeDirectory)?;
    app.control.refresh().await?;
    Ok((app.control.policies(), app.clock.now()))
}

fn shown(policies: &Policies, published: &Published, now: Time) -> Policy {
    let in_force = policies.in_force(now).is_some_and(|current| current.event.version == published.event.version);
    Policy {
        version: published.event.version.to_string(),
        sha256: published.event.sha256.clone(),
        effective_from: published.effective_from(),
        recorded_at: published.recorded_at,
        in_force,
        text: Some(published.event.text.clone()),
    }
}
