//! A Bundle comes in: every entry by itself, and each is answered.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tact_fhir::{Place, Read, read_document};
use tact_service::request::whole_body;
use tact_service::{App, Caller, Permission, Problem};

use crate::form::{FHIR, MOST, answer, content, location, positioned, said, single, status};
use crate::sender::{Senders, take_in};

/// Take in a Bundle
///
/// Of type `batch`, `transaction`, `collection` or `searchset`. Entries stand for themselves, in a transaction too: what is refused does not keep the
/// rest from going in, and the answer is a `batch-response` with an OperationOutcome for each.
#[utoipa::path(
    post, path = "/fhir/R4", tag = "fhir",
    params(("source" = Option<String>, Query, description = "Whose ids and codes these are: the `system` of one of the server's mappings; absent: the name of the program's token", example = "his")),
    request_body(content = Object, content_type = "application/fhir+json", description = "A Bundle of FHIR R4, at most 16 MiB"),
    responses((status = 200, description = "What has become of each entry: a Bundle", body = Object, content_type = "application/fhir+json"), (status = "4XX", description = "OperationOutcome")),
)]
pub(crate) async fn batch(
    State(app): State<Arc<App>>,
    Extension(senders): Extension<Arc<Senders>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.may(Permission::Register)?;
    let (parts, body) = request.into_parts();
    let mapping = senders.of(&caller, &parts)?;
    content(&parts.headers, &[FHIR, "application/json"])?;
    let bytes = whole_body(body, MOST).await?;
    let entries = read_document(&bytes, &Place::default(), mapping);
    if entries.bundle.is_none()
        && let Some(Read::Resource(resource)) = entries.read.first()
    {
        return Err(Problem::malformed(format!(
            "the body is of type `{}`; here a Bundle is taken, and a single resource at /fhir/R4/{}",
            resource.kind, resource.kind
        ))
        .with("field", "resourceType"));
    }
    let account = take_in(&app, &caller, mapping, entries.read).await?;
    if entries.bundle.is_none()
        || (account.outcomes.len() == 1
            && account.outcomes[0].issues.iter().any(|issue| issue.place.entry.is_none() && issue.kind == "Bundle"))
    {
        // What is no Bundle, or cannot be read as one, has one answer.
        return Ok(single(&account));
    }
    let entry = |outcome| {
        let mut response = json!({"status": status(outcome).to_string(), "outcome": said(outcome)});
        if let Some(at) = location(outcome) {
            response["location"] = json!(at);
        }
        json!({"response": response})
    };
    let answered: Vec<Value> = account.outcomes.iter().map(entry).collect();
    let mut bundle = json!({"resourceType": "Bundle", "type": "batch-response"});
    // R4 has no empty lists.
    if !answered.is_empty() {
        bundle["entry"] = json!(answered);
    }
    Ok(positioned(answer(StatusCode::OK, &bundle), &account))
}
