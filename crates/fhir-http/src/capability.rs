//! What this server can do, as FHIR says it. It must never say of a route what the route does not do.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Value, json};
use tact_dossier::SERVED;
use tact_service::{App, Caller, Permission, Problem};

use crate::create::TAKEN;
use crate::form::answer;
use crate::search::{OF_OTHERS, OF_PATIENTS};

/// Say what this server can do
#[utoipa::path(
    get, path = "/fhir/R4/metadata", tag = "fhir",
    responses((status = 200, description = "A CapabilityStatement", body = Object, content_type = "application/fhir+json"), (status = "4XX", description = "OperationOutcome")),
)]
pub(crate) async fn metadata(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Permission::SeeDirectory)?;
    Ok(answer(StatusCode::OK, &statement(&app.clock.now().to_rfc3339())))
}

fn statement(date: &str) -> Value {
    let mut types: Vec<&str> = SERVED.iter().chain(TAKEN).copied().collect();
    types.sort_unstable();
    types.dedup();
    let resources: Vec<Value> = types.into_iter().map(resource).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Tact", "version": env!("CARGO_PKG_VERSION")},
        "implementation": {"description": "Patient relations that keep to the stated contact policy"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{
            "mode": "server",
            "documentation": "Ids that come in are the sender's own, named by `source` or by the token; ids that go out are this server's. The same version of a \
                resource again adds nothing, a newer one leads to what has changed, an older one changes nothing. Entries of a transaction stand for themselves, as in a batch. \
                Unknown search parameters are refused.",
            "security": {"description": "Bearer tokens with roles and branches"},
            "resource": resources,
            "interaction": [{"code": "batch"}],
            "operation": [{
                "name": "import",
                "definition": "urn:tact:fhir:operation:import",
                "documentation": "POST /fhir/R4/$import with application/fhir+ndjson: one resource on each line",
            }],
        }],
    })
}

fn resource(kind: &str) -> Value {
    let mut interactions = Vec::new();
    if TAKEN.contains(&kind) {
        interactions.extend(["create", "update"]);
    }
    let mut resource = json!({"type": kind, "versioning": "no-version"});
    if TAKEN.contains(&kind) {
        resource["updateCreate"] = json!(true);
    }
    if SERVED.contains(&kind) {
        interactions.extend(["read", "search-type"]);
        let parameters = if kind == "Patient" { OF_PATIENTS } else { OF_OTHERS };
        let parameter = |name: &&str| {
            let kind = match *name {
                "patient" => "reference",
                "date" => "date",
                _ => "token",
            };
            json!({"name": name, "type": kind})
        };
        resource["searchParam"] = parameters.iter().map(parameter).collect();
        if kind != "Patient" {
            resource["documentation"] = json!("Searches need `patient`.");
        }
    }
    resource["interaction"] = interactions.into_iter().map(|code| json!({"code": code})).collect();
    resource
}
