//! Many resources come in, one on each line, read as they come.

use std::sync::Arc;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::BodyExt;
use serde_json::json;
use tact_fhir::{LONGEST_LINE, Mapping, Place, Read, operation_outcome, read_line};
use tact_intake::fhir::{Account, Fate};
use tact_service::{App, Caller, Permission, Problem};

use crate::form::{answer, content, positioned};
use crate::sender::{Senders, take_in};

/// The largest body of lines, in bytes: 256 MiB. Lines are let go of once they are read.
const MOST_LINES: usize = 256 << 20;
/// How many refusals are named in an answer.
const NAMED: usize = 1000;

/// Take in newline-delimited resources
///
/// One resource on each line, at most 4 MiB. All of them are read before anything is recorded, so that their order does not matter. The answer names
/// the first 1000 lines that were refused, and how many of each type came to what.
#[utoipa::path(
    post, path = "/fhir/R4/$import", tag = "fhir",
    params(("source" = Option<String>, Query, description = "Whose ids and codes these are", example = "his")),
    request_body(content = String, content_type = "application/fhir+ndjson", description = "Resources of FHIR R4, one on each line, at most 256 MiB"),
    responses((status = 200, description = "What has become of them: an OperationOutcome", body = Object, content_type = "application/fhir+json"), (status = "4XX", description = "OperationOutcome")),
)]
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    Extension(senders): Extension<Arc<Senders>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.may(Permission::Register)?;
    let (parts, body) = request.into_parts();
    let mapping = senders.of(&caller, &parts)?;
    content(&parts.headers, &["application/fhir+ndjson", "application/ndjson", "application/x-ndjson"])?;
    let read = lines(body, mapping).await?;
    let account = take_in(&app, &caller, mapping, read).await?;
    Ok(positioned(answer(StatusCode::OK, &told(&account)), &account))
}

async fn lines(mut body: Body, mapping: &Mapping) -> Result<Vec<Read>, Problem> {
    let (mut read, mut line, mut size, mut number) = (Vec::new(), Vec::new(), 0usize, 0u64);
    let mut take = |line: &mut Vec<u8>, number: &mut u64| {
        *number += 1;
        let bytes = if *number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { &line[..] };
        let bytes = bytes.trim_ascii();
        if !bytes.is_empty() {
            read.push(read_line(bytes, &Place { line: Some(*number), ..Place::default() }, mapping));
        }
        line.clear();
    };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::malformed(format!("the body could not be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size > MOST_LINES {
            return Err(Problem::too_large(format!(
                "the body has more than {MOST_LINES} bytes; send it in parts, patients first"
            )));
        }
        let mut rest = &data[..];
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            extend(&mut line, &rest[..end]);
            take(&mut line, &mut number);
            rest = &rest[end + 1..];
        }
        extend(&mut line, rest);
    }
    if !line.is_empty() {
        take(&mut line, &mut number);
    }
    Ok(read)
}

/// Of a line that is too long only so much that it is refused.
fn extend(line: &mut Vec<u8>, more: &[u8]) {
    let room = (LONGEST_LINE + 1).saturating_sub(line.len());
    line.extend_from_slice(&more[..more.len().min(room)]);
}

fn told(account: &Account) -> serde_json::Value {
    let all = account.refusals().count();
    let mut said = operation_outcome(account.refusals().take(NAMED));
    let Some(issues) = said["issue"].as_array_mut() else { return said };
    if all == 0 {
        issues.clear();
    }
    let mut add = |words: String| issues.push(json!({"severity": "information", "code": "informational", "diagnostics": words}));
    if all > NAMED {
        add(format!("{} more were refused or left out", all - NAMED));
    }
    for (kind, counts) in account.counts() {
        let words = ["recorded", "there already", "older", "later than the clock", "not used", "refused"];
        let counts: Vec<String> =
            Fate::ALL.iter().zip(words).map(|(fate, word)| format!("{} {word}", counts[*fate as usize])).collect();
        add(format!("{kind}: {}", counts.join(", ")));
    }
    if issues.is_empty() {
        issues.push(json!({"severity": "information", "code": "informational", "diagnostics": "no line held a resource"}));
    }
    said
}
