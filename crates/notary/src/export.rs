//! A history is handed out: to whom, on what ground, with what proofs. That it was is recorded before the first byte goes out.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tact_domain::disclosure::{ExportFormat, ExportPurpose, HistoryExported};
use tact_domain::{Time, to_millis};
use tact_dossier::Language;
use tact_evidence::checkpoint::LogCheckpoint;
use tact_evidence::file::{History, VERSION};
use tact_evidence::note::Note;
use tact_ledger::keys;
use tact_service::app::{POSITION, database};
use tact_service::{App, Path, Permission, Problem, Write};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::collect::collect;
use crate::told::told;

/// What is to be handed out, and on what ground.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    /// On what ground: `patient_request`, `complaint`, `inspection`, `court` or `internal_review`.
    #[schema(value_type = String)]
    purpose: ExportPurpose,
    /// In which form: `tact`, which `tact history verify` checks, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    format: Option<ExportFormat>,
    /// The language of the form `html`: `en` or `ru`. English if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    language: Option<Language>,
    /// What is asked about begins here. Earlier events are handed out too: decisions rest on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
    /// Events recorded at or after this moment are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
    /// Whether personal data goes with it. Only for callers who may see who a patient is, and not for an internal review.
    #[serde(default)]
    personal: bool,
    /// Checkpoints of logs that the asker has kept: the history then proves that it continues them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<String>,
}

/// The most kept checkpoints in one request.
const MAX_KEPT: usize = 16;

/// Hand out a history
///
/// Everything that happened to one patient, with the policies, the proofs and a signature. An id that nobody has can be asked for too:
/// the history then proves that there is no such patient. That it was handed out is recorded.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/history-exports", tag = "notary",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Export,
    responses(
        (status = 200, description = "The history in the form that was asked for: lines of JSON as docs/EVIDENCE.md describes them, a FHIR R4 Bundle, or a page", content((String = "application/x-ndjson"), (String = "application/fhir+json"), (String = "text/html"))),
        (status = "4XX", description = "RFC 9457 problem")
    ),
)]
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Export>,
) -> Result<Response, Problem> {
    let (caller, asked) = (&write.caller, &write.body);
    caller.may(Permission::ExportHistory)?;
    if !caller.covers_all() {
        return Err(Problem::forbidden(
            "a history holds what every branch did; it takes a caller whose scope is the whole network",
        ));
    }
    let format = asked.format.unwrap_or(ExportFormat::Tact);
    let person = if asked.personal { Some(person(&app, &write, patient).await?) } else { None };
    let kept = kept(&asked.kept)?;
    let (from, until) = (asked.from.map(to_millis), asked.until.map(to_millis));
    let signing = app.signing_key_file.as_ref().ok_or_else(|| Problem::unavailable("this process has no key to sign with"))?;
    let key = keys::read(signing, &app.network).map_err(Problem::hidden)?;
    let collected = collect(&app, patient, until, &kept).await?;
    let exported = HistoryExported {
        patient,
        format,
        purpose: asked.purpose,
        personal: asked.personal,
        events: collected.events(),
        from,
        until,
    };
    let noted = app.control.record_export(&write.control_command(), exported).await?;
    let history = History {
        version: VERSION,
        network: app.network.to_string(),
        patient,
        from,
        until,
        made_at: made_at(&app).await?,
        made_for: caller.actor().to_string(),
        purpose: asked.purpose,
        made_by: concat!("tact ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    let language = asked.language.unwrap_or(Language::English);
    let (bytes, kind, ending) = match format {
        ExportFormat::Tact => (collected.write(history, person, &key).map_err(Problem::hidden)?, NDJSON, "jsonl"),
        ExportFormat::Fhir => {
            let told = told(&app, &collected, patient, person.as_ref()).await?;
            (told.fhir(&app, &history, language).to_string().into_bytes(), FHIR, "fhir.json")
        }
        ExportFormat::Html => {
            let told = told(&app, &collected, patient, person.as_ref()).await?;
            (told.page(&app, &history, language)?.into_bytes(), HTML, "html")
        }
    };
    let mut response = (StatusCode::OK, bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(name) = HeaderValue::from_str(&format!("attachment; filename=\"history-{patient}.{ending}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    if let Ok(position) = HeaderValue::from_str(&noted.position.to_string()) {
        headers.insert(POSITION, position);
    }
    Ok(response)
}

const NDJSON: &str = "application/x-ndjson";
const FHIR: &str = "application/fhir+json";
const HTML: &str = "text/html; charset=utf-8";

/// Now, or when the key began to hold, if this clock is behind the one by which it was made.
async fn made_at(app: &App) -> Result<Time, Problem> {
    let holds_from = app.ledger.keys().await.map_err(database)?.last().and_then(|(key, _)| key.from);
    let now = to_millis(app.clock.now());
    Ok(holds_from.map_or(now, |from| from.max(now)))
}

/// What is known of the person, if the caller may see it on this ground.
async fn person(app: &App, write: &Write<Export>, patient: Uuid) -> Result<serde_json::Map<String, Value>, Problem> {
    write.caller.may(Permission::SeePerson)?;
    if write.body.purpose == ExportPurpose::InternalReview {
        return Err(Problem::field(
            "personal",
            "an internal review needs no personal data; leave it out, or name the ground on which it is needed",
        ));
    }
    let details = app.personal.person(patient).await.map_err(database)?;
    match details.map(|person| serde_json::to_value(person.details)).transpose().map_err(Problem::hidden)? {
        Some(Value::Object(fields)) => Ok(fields.into_iter().filter(|(_, value)| !value.is_null()).collect()),
        _ => Ok(serde_json::Map::new()),
    }
}

/// The logs and sizes of the checkpoints that the asker has kept.
fn kept(notes: &[String]) -> Result<Vec<(String, u64)>, Problem> {
    if notes.len() > MAX_KEPT {
        return Err(Problem::field("kept", format!("names {} checkpoints, at most {MAX_KEPT} are looked at", notes.len())));
    }
    let read = |note: &String| {
        let note = Note::parse(note).map_err(|error| error.to_string())?;
        LogCheckpoint::read(note.text).map_err(|error| error.to_string()).map(|stated| (stated.log.to_string(), stated.size))
    };
    notes.iter().map(|note| read(note).map_err(|error| Problem::field("kept", error))).collect()
}
