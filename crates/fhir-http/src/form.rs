//! The form of what comes and goes: media types, bodies, OperationOutcomes.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tact_fhir::{Issue, operation_outcome};
use tact_intake::fhir::{Account, Fate, Outcome};
use tact_service::Problem;
use tact_service::app::POSITION;

/// The media type of FHIR as JSON.
pub(crate) const FHIR: &str = "application/fhir+json";
/// The largest body that is one document, in bytes: 16 MiB.
pub(crate) const MOST: usize = 16 << 20;
/// The largest problem that is turned into an OperationOutcome: they are small.
const PROBLEM: usize = 1 << 20;

/// Whether the body is FHIR as JSON, of R4.
pub(crate) fn content(headers: &HeaderMap, wanted: &[&str]) -> Result<(), Problem> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = said.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    if !wanted.iter().any(|wanted| kind.eq_ignore_ascii_case(wanted)) {
        let way_out = if kind.contains("xml") { "FHIR is taken as JSON only" } else { "send FHIR as JSON" };
        let shown: String = said.chars().take(80).collect();
        return Err(Problem::unsupported(format!(
            "the body is `{shown}`; {way_out}, with the header `Content-Type: {}`",
            wanted[0]
        )));
    }
    for part in parts {
        if let Some((name, version)) = part.split_once('=')
            && name.trim().eq_ignore_ascii_case("fhirVersion")
        {
            let version = version.trim().trim_matches('"');
            if version != "4.0" && version != "4.0.1" {
                let shown: String = version.chars().take(20).collect();
                return Err(Problem::unsupported(format!("the body is of FHIR `{shown}`; this server speaks 4.0 (R4)")));
            }
        }
    }
    Ok(())
}

/// An answer of FHIR.
pub(crate) fn answer(status: StatusCode, resource: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(FHIR))], resource.to_string()).into_response()
}

/// The status of what has become of a resource.
pub(crate) fn status(outcome: &Outcome) -> StatusCode {
    match outcome.fate {
        Fate::Recorded => StatusCode::CREATED,
        Fate::There | Fate::Older | Fate::Nothing => StatusCode::OK,
        Fate::Later => StatusCode::UNPROCESSABLE_ENTITY,
        Fate::Refused => match outcome.issues.iter().find(|issue| issue.severity == tact_fhir::Severity::Error) {
            Some(Issue { code: "structure", .. }) => StatusCode::BAD_REQUEST,
            Some(Issue { code: "forbidden", .. }) => StatusCode::FORBIDDEN,
            Some(Issue { code: "too-long", .. }) => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        },
    }
}

/// What is said of a resource.
pub(crate) fn said(outcome: &Outcome) -> Value {
    let mut said = operation_outcome(&outcome.issues);
    if outcome.fate == Fate::Later {
        said["issue"] = json!([{
            "severity": "error", "code": "business-rule", "expression": [outcome.kind.as_str()],
            "diagnostics": "is later than the clock; only what has happened is recorded, so send it again then",
        }]);
    }
    said
}

/// Where on this server it is.
pub(crate) fn location(outcome: &Outcome) -> Option<String> {
    let (patient, thing) = (outcome.patient?, outcome.thing?);
    match outcome.kind.as_str() {
        "Patient" => Some(format!("Patient/{patient}")),
        // What is served of a visit is named by another id, which follows from the appointment.
        "Appointment" | "Consent" => Some(format!("{}/{}", outcome.kind, tact_dossier::served_id(patient, thing))),
        _ => None,
    }
}

/// The answer to one resource.
pub(crate) fn single(account: &Account) -> Response {
    let Some(outcome) = account.outcomes.first() else {
        return Problem::malformed("the body holds no resource").into_response();
    };
    let mut response = answer(status(outcome), &said(outcome));
    if let Some(at) = location(outcome)
        && let Ok(value) = HeaderValue::from_str(&format!("/fhir/R4/{at}"))
    {
        response.headers_mut().insert(header::LOCATION, value);
    }
    positioned(response, account)
}

/// Adds the position of what was recorded.
pub(crate) fn positioned(mut response: Response, account: &Account) -> Response {
    if let Some(position) = account.position
        && let Ok(value) = HeaderValue::from_str(&position.to_string())
    {
        response.headers_mut().insert(POSITION, value);
    }
    response
}

/// Turns problems on the routes of FHIR into OperationOutcomes: what a caller of FHIR understands.
pub async fn outcomes(request: Request, next: Next) -> Response {
    let is_fhir = request.uri().path().starts_with("/fhir/");
    let response = next.run(request).await;
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json");
    if !is_fhir || !is_problem {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem: Value = match to_bytes(body, PROBLEM).await {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(_) => Value::Null,
    };
    let code = match parts.status.as_u16() {
        400 => "invalid",
        401 => "login",
        403 => "forbidden",
        404 => "not-found",
        405 | 415 => "not-supported",
        409 => "conflict",
        413 => "too-long",
        422 => "business-rule",
        503 | 507 => "transient",
        _ => "exception",
    };
    let kind = problem["type"].as_str().and_then(|urn| urn.strip_prefix("urn:tact:problem:")).unwrap_or("internal");
    let mut issue = json!({
        "severity": "error",
        "code": code,
        "details": {"coding": [{"system": "urn:tact:problem", "code": kind}]},
        "diagnostics": problem["detail"].as_str().unwrap_or("it did not work"),
    });
    if let Some(field) = problem["field"].as_str() {
        issue["expression"] = json!([field]);
    }
    let said = json!({"resourceType": "OperationOutcome", "issue": [issue]});
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(FHIR));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(said.to_string()))
}
