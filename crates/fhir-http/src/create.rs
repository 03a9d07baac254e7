//! One resource comes in.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use tact_fhir::{Place, Read, read_line};
use tact_service::request::whole_body;
use tact_service::{App, Caller, Path, Permission, Problem};

use crate::form::{FHIR, MOST, content, single};
use crate::sender::{Senders, take_in};

/// Take in a resource
///
/// The sender's id must be in it, or an identifier: the same again adds nothing.
#[utoipa::path(
    post, path = "/fhir/R4/{type}", tag = "fhir",
    params(("type" = String, Path, description = "The resource's type", example = "Patient"), ("source" = Option<String>, Query, description = "Whose ids and codes these are", example = "his")),
    request_body(content = Object, content_type = "application/fhir+json", description = "A resource of FHIR R4"),
    responses((status = 200, description = "It was there already, or nothing of it is kept: an OperationOutcome", body = Object, content_type = "application/fhir+json"), (status = 201, description = "Recorded: an OperationOutcome", body = Object, content_type = "application/fhir+json"), (status = "4XX", description = "OperationOutcome")),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(senders): Extension<Arc<Senders>>,
    caller: Caller,
    Path(kind): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    one(&app, &senders, &caller, &kind, None, request).await
}

/// Takes in one resource, which must be of the type and id of its address.
pub(crate) async fn one(
    app: &App,
    senders: &Senders,
    caller: &Caller,
    kind: &str,
    id: Option<&str>,
    request: Request,
) -> Result<Response, Problem> {
    caller.may(Permission::Register)?;
    if !TAKEN.contains(&kind) {
        let shown: String = kind.chars().take(40).collect();
        return Err(Problem::not_found(format!("`{shown}` is not taken; taken are {}", TAKEN.join(", "))).with("field", "type"));
    }
    let (parts, body) = request.into_parts();
    let mapping = senders.of(caller, &parts)?;
    content(&parts.headers, &[FHIR, "application/json"])?;
    let bytes = whole_body(body, MOST).await?;
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let read = read_line(bytes, &Place::default(), mapping);
    if let Read::Resource(resource) = &read {
        if resource.kind != kind {
            return Err(Problem::malformed(format!("the body is of type `{}`, the address of `{kind}`", resource.kind))
                .with("field", "resourceType"));
        }
        if id.is_some_and(|id| resource.id != id) {
            return Err(
                Problem::malformed("the id in the body is another than in the address; R4 wants them alike").with("field", "id")
            );
        }
    }
    Ok(single(&take_in(app, caller, mapping, vec![read]).await?))
}

/// The types that are taken.
pub(crate) const TAKEN: &[&str] = &["Patient", "Appointment", "Encounter", "Procedure", "Consent", "CommunicationRequest"];
