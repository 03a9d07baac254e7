//! One resource comes in, under the sender's id.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use tact_service::{App, Caller, Path, Problem};

use crate::create::one;
use crate::sender::Senders;

/// Take in a resource under its id
///
/// The id is the sender's own, which must stand in the resource too. A newer version leads to what has changed; an older one changes nothing.
#[utoipa::path(
    put, path = "/fhir/R4/{type}/{id}", tag = "fhir",
    params(("type" = String, Path, description = "The resource's type", example = "Patient"), ("id" = String, Path, description = "The sender's id of it", example = "17-204"), ("source" = Option<String>, Query, description = "Whose ids and codes these are", example = "his")),
    request_body(content = Object, content_type = "application/fhir+json", description = "A resource of FHIR R4"),
    responses((status = 200, description = "It was there already, or nothing of it is kept: an OperationOutcome", body = Object, content_type = "application/fhir+json"), (status = 201, description = "Recorded: an OperationOutcome", body = Object, content_type = "application/fhir+json"), (status = "4XX", description = "OperationOutcome")),
)]
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    Extension(senders): Extension<Arc<Senders>>,
    caller: Caller,
    Path((kind, id)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    one(&app, &senders, &caller, &kind, Some(&id), request).await
}
