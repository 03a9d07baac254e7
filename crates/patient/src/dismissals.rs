//! Two patients are two, however alike they are. No event says so: it changes nothing about whom the network may contact.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_personal::likeness::Dismissed;
use tact_service::app::database;
use tact_service::{App, Permission, Problem, Write};
use utoipa::ToSchema;
use uuid::Uuid;

/// Which two.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotOne {
    /// Two patients.
    #[schema(min_items = 2, max_items = 2, example = json!(["0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a20", "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a21"]))]
    patients: Vec<Uuid>,
}

/// What is noted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dismissal {
    /// The two; of those who were merged, the survivors.
    #[schema(min_items = 2, max_items = 2, example = json!(["0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a20", "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a21"]))]
    patients: Vec<Uuid>,
    /// When it was first said.
    dismissed_at: DateTime<Utc>,
}

/// Say that two patients are two
///
/// They are not proposed as duplicates again. It stays until somebody merges them all the same, or one of them is erased.
#[utoipa::path(
    post, path = "/v1/duplicates/dismissals", tag = "patient",
    params(("Idempotency-Key" = String, Header)),
    request_body = NotOne,
    responses((status = 201, description = "Noted; 200 if it was there already", body = Dismissal), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn dismiss(State(app): State<Arc<App>>, write: Write<NotOne>) -> Result<(StatusCode, Json<Dismissal>), Problem> {
    write.caller.may(Permission::Merge)?;
    let &[one, other] = write.body.patients.as_slice() else {
        return Err(Problem::field("patients", format!("it has {} entries; name two patients", write.body.patients.len())));
    };
    let mut patients = Vec::with_capacity(2);
    for patient in [one, other] {
        let (survivor, _) = app.known_patient(patient).await.map_err(|problem| problem.with("field", "patients"))?;
        patients.push(survivor);
    }
    if patients[0] == patients[1] {
        return Err(Problem::field(
            "patients",
            "both are one patient already; undo the merge with `/separation` if they are not",
        ));
    }
    let now = app.clock.now();
    let noted = app.personal.dismiss((patients[0], patients[1]), write.caller.actor_id(), now).await.map_err(database)?;
    match noted {
        Dismissed::Now => Ok((StatusCode::CREATED, Json(Dismissal { patients, dismissed_at: now }))),
        Dismissed::Before(at) => Ok((StatusCode::OK, Json(Dismissal { patients, dismissed_at: at }))),
        Dismissed::Gone => Err(Problem::conflict("one of them was erased; nothing is kept of them, so nobody is like them")),
    }
}
