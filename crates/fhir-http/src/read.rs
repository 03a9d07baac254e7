//! One resource goes out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use tact_dossier::{SERVED, patient_of};
use tact_service::{App, Caller, Path, Permission, Problem, Query};

use crate::form::answer;
use crate::told::told;

/// The forms that are served, as `_format` may name them.
pub(crate) const JSON: &[&str] = &["json", "application/json", "application/fhir+json"];

/// In which form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    #[serde(rename = "_format")]
    format: Option<String>,
}

/// Read a resource
///
/// Under the id that this server gave it, which is not the sender's. A patient's name and numbers are there for roles that may see them.
#[utoipa::path(
    get, path = "/fhir/R4/{type}/{id}", tag = "fhir",
    params(("type" = String, Path, description = "The resource's type", example = "Patient"), ("id" = String, Path, description = "The id on this server", example = "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a10"), ("_format" = Option<String>, Query, description = "`json`; nothing else is served", example = "json")),
    responses((status = 200, description = "The resource", body = Object, content_type = "application/fhir+json"), (status = "4XX", description = "OperationOutcome")),
)]
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((kind, id)): Path<(String, String)>,
    form: Query<Form>,
) -> Result<Response, Problem> {
    caller.may(Permission::SeeHistory)?;
    served_type(&kind)?;
    if form.0.format.is_some_and(|form| !JSON.contains(&form.as_str())) {
        return Err(Problem::malformed("query: `_format`: only `json` is served").with("field", "_format"));
    }
    let nobody = || Problem::not_found(format!("there is no {kind} of this id")).with("field", "id");
    let patient = patient_of(&id).ok_or_else(nobody)?;
    let all = match told(&app, &caller, patient).await {
        Ok(all) => all,
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => return Err(nobody()),
        Err(problem) => return Err(problem),
    };
    // The end of the id is the thing's own: after a merge it goes on under the survivor's.
    let own = |one: &str| one == id || (id.len() == 64 && one.len() == 64 && one.is_ascii() && one[32..] == id[32..]);
    let found = all.into_iter().find(|one| one.kind == kind && own(&one.id)).ok_or_else(nobody)?;
    Ok(answer(StatusCode::OK, &found.resource))
}

/// Whether a type is served.
pub(crate) fn served_type(kind: &str) -> Result<(), Problem> {
    if SERVED.contains(&kind) {
        return Ok(());
    }
    let shown: String = kind.chars().take(40).collect();
    Err(Problem::not_found(format!("`{shown}` is not served; served are {}", SERVED.join(", "))).with("field", "type"))
}
