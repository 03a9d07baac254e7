//! For whoever must check what was done to patients, without who they are: find a case, read it, take the file with its proofs, and the one
//! command that verifies it without trusting us. And what the network itself found against its policy.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use smol_str::SmolStr;
use tact_domain::disclosure::ExportPurpose;
use tact_words::{Language, Word};
use uuid::Uuid;

use crate::Console;
use crate::api::{Sent, query, request, written};
use crate::failure::{Failure, Problem};
use crate::form::{Form, key, said};
use crate::layout::{Layout, Part};
use crate::pages::{rendered, rendered_as};
use crate::person::Person;
use crate::when::Wall;
use crate::words::{self, Say, Told};

/// Who may read a case without who it is about, and take the file.
const CHECKERS: &[&str] = &["regulator", "network_manager"];

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/regulator", get(page))
        .route("/regulator/cases/{patient}", get(case))
        .route("/regulator/cases/{patient}/export", post(export))
        .route("/regulator/keys", get(keys))
}

#[derive(Deserialize)]
struct Wanted {
    case: Option<String>,
    after: Option<String>,
}

#[derive(Deserialize)]
struct Findings {
    findings: Vec<Finding>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Finding {
    kind: String,
    patient: Uuid,
    purpose: SmolStr,
    channel: SmolStr,
    branch: SmolStr,
    time: DateTime<Utc>,
}

struct Line {
    patient: Uuid,
    when: String,
    what: &'static str,
    contact: String,
    branch: String,
}

#[derive(Template)]
#[template(path = "regulator.html")]
struct Page {
    layout: Layout,
    case: String,
    unknown: bool,
    lines: Vec<Line>,
    next: Option<String>,
}

async fn page(person: Person, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let case = said(wanted.case.as_deref()).unwrap_or_default().to_owned();
    let mut unknown = false;
    if !case.is_empty() {
        match find(&person, &case).await? {
            Some(patient) => return Ok(Redirect::to(&format!("/regulator/cases/{patient}")).into_response()),
            None => unknown = true,
        }
    }
    let layout = Layout::of(&person, Part::Regulator, Say::NavRegulator.word(person.language)).await?;
    let mut pairs = vec![("limit", "50")];
    pairs.extend(wanted.after.as_deref().map(|after| ("after", after)));
    let found: Findings = person.get(&query("/v1/audit/findings", &pairs)).await?;
    let language = person.language;
    let lines = found.findings.into_iter().map(|finding| {
        let branch = layout.branch(&finding.branch);
        let wall = Wall::new(language, branch.map_or("UTC", |branch| &branch.time_zone), DateTime::UNIX_EPOCH);
        let contact = format!("{}, {}", words::purpose(language, &finding.purpose), words::channel(language, &finding.channel));
        Line {
            patient: finding.patient,
            when: wall.moment(finding.time),
            what: found_word(&finding.kind).word(language),
            contact,
            branch: layout.name_of(&finding.branch),
        }
    });
    let lines: Vec<Line> = lines.collect();
    let next = found.next.map(|after| query("/regulator", &[("after", &after)]));
    let status = unknown.then_some(StatusCode::NOT_FOUND);
    rendered_as(language, &Page { layout, case, unknown, lines, next }, status)
}

/// What was found, in words.
pub(crate) fn found_word(kind: &str) -> Say {
    match kind {
        "no_permit" => Say::FoundNoPermit,
        "purpose_forbidden" => Say::FoundForbidden,
        "limit_exceeded" => Say::FoundLimit,
        "overall_limit_exceeded" => Say::FoundOverallLimit,
        "no_consent" => Say::FoundNoConsent,
        "outside_announcement" => Say::FoundAnnouncement,
        _ => Say::FoundOther,
    }
}

/// The patient of a case: an id of a patient, or of a contact.
async fn find(person: &Person, case: &str) -> Result<Option<Uuid>, Failure> {
    #[derive(Deserialize)]
    struct Evidence {
        patient: Uuid,
    }
    let Ok(id) = case.parse::<Uuid>() else { return Ok(None) };
    if person.find::<serde_json::Value>(&format!("/v1/patients/{id}/history?limit=1")).await?.is_some() {
        return Ok(Some(id));
    }
    let found: Option<Evidence> = person.find(&format!("/v1/contacts/{id}/evidence")).await?;
    Ok(found.map(|evidence| evidence.patient))
}

#[derive(Deserialize)]
struct History {
    events: Vec<Step>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct Step {
    #[serde(rename = "type")]
    kind: String,
    time: DateTime<Utc>,
    branch: Option<SmolStr>,
    data: serde_json::Value,
    policy: Option<String>,
    breach: Option<bool>,
}

struct Entry {
    when: String,
    machine: String,
    told: Told,
    place: String,
    policy: String,
    breach: bool,
}

#[derive(Template)]
#[template(path = "case.html")]
struct Case {
    layout: Layout,
    id: Uuid,
    key: String,
    entries: Vec<Entry>,
    more: bool,
    grounds: Vec<(&'static str, &'static str)>,
}

async fn case(person: Person, Path(id): Path<Uuid>) -> Result<Response, Failure> {
    // A desk reads the same on the patient's page, with names; the file is not for it.
    if !person.is(CHECKERS) {
        return Err(Failure::Problem(Problem::forbidden()));
    }
    let language = person.language;
    let layout = Layout::of(&person, Part::Regulator, Say::CaseTitle.word(language)).await?;
    let named = |code: &str| layout.name_of(code);
    let history: History = person.get(&format!("/v1/patients/{id}/history?limit=1000")).await?;
    let zone = history.events.first().and_then(|step| step.data["time_zone"].as_str()).unwrap_or("UTC").to_owned();
    let wall = Wall::new(language, &zone, DateTime::UNIX_EPOCH);
    let entries = history.events.iter().map(|step| Entry {
        when: wall.moment(step.time),
        machine: wall.machine(step.time),
        told: words::told(&wall, &step.kind, &step.data, &named),
        place: step.branch.as_deref().map(&named).unwrap_or_default(),
        policy: step.policy.clone().unwrap_or_default(),
        breach: step.breach == Some(true),
    });
    let entries = entries.collect();
    let grounds = ExportPurpose::ALL.iter().map(|purpose| (purpose.as_str(), purpose.word(language))).collect();
    rendered(language, &Case { layout, id, key: key(), entries, more: history.next.is_some(), grounds })
}

#[derive(Deserialize)]
struct Export {
    key: String,
    purpose: String,
    format: String,
}

/// The file, as the API hands it out.
async fn export(person: Person, Path(id): Path<Uuid>, Form(form): Form<Export>) -> Result<Response, Failure> {
    let language = if person.language == Language::Russian { "ru" } else { "en" };
    let body = written(&json!({"purpose": form.purpose, "format": form.format, "language": language}))?;
    let path = format!("/v1/patients/{id}/history-exports");
    let asked = request(Method::POST, &path, Some(&person.token), Some(Sent { key: &form.key, body: &body }))?;
    let (parts, body) = person.console.api.send(asked).await?.into_parts();
    if !parts.status.is_success() {
        let bytes = axum::body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
        return Err(Failure::Problem(Problem::read(parts.status, &bytes)));
    }
    let mut response = Response::new(Body::new(body));
    let keep: [HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_DISPOSITION];
    for name in keep {
        if let Some(value) = parts.headers.get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    Ok(response)
}

/// The network's public keys, as the file that the command on the page names. They are for whoever can read a case; anybody has them from the API.
async fn keys(person: Person) -> Result<Response, Failure> {
    if !person.is(CHECKERS) {
        return Err(Failure::Problem(Problem::forbidden()));
    }
    let keys = person.console.api.ask(Method::GET, "/keys", Some(&person.token), None).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"network.keys\""),
    ];
    Ok((headers, keys).into_response())
}
