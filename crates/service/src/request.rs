//! How a request is read: who asks, under which key, with what body. Nothing gets past here that is not of the form it must have.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, Method, header, request::Parts};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tact_domain::{Branch, Time, to_millis};
use uuid::Uuid;

use crate::access::Caller;
use crate::app::App;
use crate::problem::Problem;
use crate::transact::Command;

/// The largest body of a request, in bytes: 256 KiB. The largest command is far smaller.
pub const MAX_BODY: usize = 256 * 1024;

/// How much of a body that is too large is read all the same, and thrown away, in bytes: a client that is cut off while it writes never reads why.
const MAX_SWALLOWED: usize = 64 * MAX_BODY;

/// How long a client may take to send a body.
const BODY_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// A command: who asks for it, under which `Idempotency-Key`, and what it says.
#[derive(Debug)]
pub struct Write<T> {
    /// Who asks.
    pub caller: Caller,
    /// What is asked for.
    pub body: T,
    key: String,
    fingerprint: u64,
    app: Arc<App>,
}

impl<T> Write<T> {
    /// The id of something that this command creates, the same whenever it is asked again.
    pub fn id(&self, what: &str) -> Uuid {
        self.app.keys.derive(&[self.caller.identity().as_bytes(), self.key.as_bytes(), what.as_bytes()])
    }

    /// The particulars of this command on a patient's stream.
    ///
    /// The event's id depends on the stream as well, so that one key used on two patients makes two events and not one in two places.
    pub fn command(&self, patient: Uuid, time: Option<Time>, branch: Option<&Branch>) -> Command {
        let identity = self.caller.identity();
        let event = self.app.keys.derive(&[identity.as_bytes(), self.key.as_bytes(), b"event", patient.as_bytes()]);
        Command {
            event,
            fingerprint: Some(self.fingerprint),
            time: time.map(to_millis),
            actor: self.caller.actor(),
            branch: branch.cloned(),
            cause: None,
        }
    }

    /// The particulars of this command outside the patients' streams.
    pub fn control_command(&self) -> Command {
        self.command(Uuid::nil(), None, None)
    }

    /// A keyed fingerprint of the command, to tell a repetition from another one.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

impl<T: DeserializeOwned + Serialize + Send> FromRequest<Arc<App>> for Write<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let caller = Caller::from_request_parts(&mut parts, app).await?;
        let key = idempotency_key(&parts.headers)?;
        json_content(&parts)?;
        let bytes = read(body).await?;
        let body: T = parse(&bytes)?;
        // The command as understood, not as spelled: another order of fields is not another command.
        let canonical = serde_json::to_vec(&body).map_err(Problem::hidden)?;
        let identity = caller.identity();
        let fingerprint = app.keys.fingerprint(&[
            identity.as_bytes(),
            parts.method.as_str().as_bytes(),
            parts.uri.path().as_bytes(),
            &canonical,
        ]);
        Ok(Self { caller, body, key, fingerprint, app: app.clone() })
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Err(Problem::malformed(
            "the header `Idempotency-Key` is missing; send a new one with every command, and the same one when you ask again",
        )
        .with("field", "Idempotency-Key"));
    };
    let key = key.to_str().unwrap_or_default();
    if key.is_empty() || key.len() > 200 || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Problem::malformed("the header `Idempotency-Key` must be 1 to 200 visible ASCII characters, such as a UUID")
            .with("field", "Idempotency-Key"));
    }
    Ok(key.to_owned())
}

fn json_content(parts: &Parts) -> Result<(), Problem> {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    Err(Problem::unsupported(format!("the body is `{kind}`; send JSON with the header `Content-Type: application/json`")))
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    whole_body(body, MAX_BODY).await
}

/// A whole body of at most so many bytes, for routes that take more than a command.
///
/// # Errors
/// A problem if it is longer, does not come in time, or breaks off.
pub async fn whole_body(body: Body, most: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_WAIT, collect(body, most)).await {
        Ok(read) => read,
        Err(_late) => {
            Err(Problem::too_slow(format!("the body did not come within {} s; nothing was recorded", BODY_WAIT.as_secs())))
        }
    }
}

async fn collect(mut body: Body, most: usize) -> Result<Bytes, Problem> {
    let (mut kept, mut size) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::malformed(format!("the body could not be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        size += data.len();
        if size <= most {
            kept.extend_from_slice(&data);
        } else if size > most + MAX_SWALLOWED {
            break;
        }
    }
    if size > most {
        let why = if most == MAX_BODY { "no command is that long" } else { "send it in parts" };
        return Err(Problem::too_large(format!("the body has more than {most} bytes; {why}")));
    }
    Ok(kept.into())
}

/// Reads a JSON object as strictly as every body is read.
///
/// # Errors
/// A problem that names the field and the way out.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // Commands without anything to say may be sent without a body.
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(Problem::malformed(format!("the body is not UTF-8: byte {} does not belong there", error.valid_up_to())));
    }
    // Serde would take a list for the fields in their order, and an empty one for a command that says nothing.
    if let Some(first) = bytes.iter().find(|b| !b.is_ascii_whitespace())
        && *first != b'{'
    {
        return Err(Problem::malformed("the body is not a JSON object; write the fields between `{` and `}`"));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let body = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        match error.classify() {
            serde_json::error::Category::Data => {
                let (detail, field) = unfit(&path, &without_place(&error), said(bytes, &path));
                naming(Problem::untrue(detail), field)
            }
            _ => Problem::malformed(format!("the body is not JSON: {error}")),
        }
    })?;
    json.end().map_err(|error| Problem::malformed(format!("the body is not JSON: {error}")))?;
    Ok(body)
}

/// The message without serde's "at line 1 column 50", which says nothing of a body that a program wrote.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message,
    }
}

/// What the body says at a path, in JSON and cut to 80 characters.
fn said(bytes: &[u8], path: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    let mut at = &body;
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        at = match part.parse::<usize>() {
            Ok(index) if at.is_array() => at.get(index)?,
            _ => at.get(part)?,
        };
    }
    let text = match at {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(text.chars().take(80).collect())
}

/// What is wrong with one field, in words of ours where the parser's own leave the way out unsaid; and the field's name.
fn unfit(path: &str, message: &str, said: Option<String>) -> (String, Option<String>) {
    let inside = path.trim_matches('.');
    if let Some(field) = field_named(message) {
        let named = inside.is_empty() || inside.rsplit('.').next() == Some(&field);
        return (message.to_owned(), Some(if named { field } else { format!("{inside}.{field}") }));
    }
    if inside.is_empty() {
        return (message.to_owned(), None);
    }
    let problem = if is_about_time(message) {
        let said = said.map_or_else(|| "this".to_owned(), |said| format!("`{said}`"));
        format!("{said} is not a time with an offset; write it as `2026-03-15T10:00:00+03:00` or `2026-03-15T07:00:00Z`")
    } else {
        message.to_owned()
    };
    (format!("`{inside}`: {problem}"), Some(inside.to_owned()))
}

fn naming(problem: Problem, field: Option<String>) -> Problem {
    match field {
        Some(field) => problem.with("field", field),
        None => problem,
    }
}

/// Whether it is chrono that speaks.
fn is_about_time(message: &str) -> bool {
    const WORDS: [&str; 7] = [
        "input is out of range",
        "no possible date and time matching input",
        "input is not enough for unique date and time",
        "input contains invalid characters",
        "premature end of input",
        "trailing input",
        "RFC 3339",
    ];
    WORDS.iter().any(|words| message.contains(words))
}

/// The field that serde's message names in back quotes, if it names one.
fn field_named(message: &str) -> Option<String> {
    let message = message.strip_prefix("unknown field").or_else(|| message.strip_prefix("missing field"))?;
    message.split('`').nth(1).map(str::to_owned)
}

/// Query parameters, read as strictly as a body: an unknown one is refused by name.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = form_urlencoded::parse(query.as_bytes());
        serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map(Query).map_err(|error| {
            let path = error.path().to_string();
            let message = error.into_inner().to_string();
            let said =
                form_urlencoded::parse(query.as_bytes()).find(|(name, _)| *name == path).map(|(_, value)| value.into_owned());
            // In a query, a plus sign stands for a space.
            let hint =
                if said.as_ref().is_some_and(|said| said.contains(' ')) { "; in a query, `+` is written `%2B`" } else { "" };
            let (detail, field) = unfit(&path, &message, said);
            naming(Problem::malformed(format!("query: {detail}{hint}")), field)
        })
    }
}

/// Parameters of the path; one that cannot be read is named.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(error) => Err(unfit_path(&error)),
        }
    }
}

/// Says which part of a path is not what it must be.
fn unfit_path(error: &PathRejection) -> Problem {
    let PathRejection::FailedToDeserializePathParams(error) = error else {
        return Problem::hidden(error);
    };
    let cut = |said: &str| said.chars().take(80).collect::<String>();
    match error.kind() {
        ErrorKind::DeserializeError { key, value, message } => {
            Problem::malformed(format!("path: `{key}`: `{}` does not fit: {message}", cut(value))).with("field", key.clone())
        }
        ErrorKind::InvalidUtf8InPathParam { key } => {
            Problem::malformed(format!("path: `{key}`: the bytes behind its percent signs are not UTF-8"))
                .with("field", key.clone())
        }
        _ => Problem::malformed(format!("path: {}", cut(&error.body_text()))),
    }
}

/// The position that a read must have come to, from `?at_least=` or the header `Tact-At-Least`.
///
/// # Errors
/// A position that is none.
pub fn at_least(query: Option<&str>, headers: &HeaderMap) -> Result<Option<tact_event_log::Position>, Problem> {
    let header = headers.get("tact-at-least").and_then(|value| value.to_str().ok());
    let Some(text) = query.or(header) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| {
        Problem::malformed(format!("`{text}` is not a position; use the `position` of an answer")).with("field", "at_least")
    })
}

/// Whether a method changes anything.
pub fn writes(method: &Method) -> bool {
    !(method.is_safe())
}
