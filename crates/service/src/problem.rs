//! What a caller is told when something does not work: RFC 9457 problem details.
//!
//! Two texts per error: the detail says what the caller may know and can do about it; the chain behind it goes to the operator's log, once.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use tact_domain::patient::Untrue;
use tact_event_log::LogError;

use crate::transact::Failure;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name, the last part of its `type`.
    pub name: &'static str,
    /// The status that it is answered with.
    pub status: StatusCode,
    /// The kind in words.
    pub title: &'static str,
    /// A detail that it may have.
    pub example: &'static str,
}

impl Kind {
    /// Its `type`.
    pub fn urn(&self) -> String {
        format!("urn:tact:problem:{}", self.name)
    }
}

/// A problem as the caller sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    kind: &'static str,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<u32>,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident $kind:literal $title:literal: $example:literal,)+) => {
        impl Problem {
            $($(#[$doc])* pub fn $name(detail: impl Into<String>) -> Self {
                Self { status: StatusCode::$status, kind: $kind, detail: detail.into(), more: Map::new(), retry_after: None }
            })+

            /// Every kind of problem with its status and title.
            pub const KINDS: &'static [Kind] =
                &[$(Kind { name: $kind, status: StatusCode::$status, title: $title, example: $example },)+];
        }
    };
}

problems! {
    /// The request is not of the form that it must have.
    malformed = BAD_REQUEST "malformed" "The request cannot be read":
        "query: unknown field `purpse`, expected `purpose`",
    /// What the request says cannot be true.
    untrue = UNPROCESSABLE_ENTITY "untrue" "What the request says cannot be true":
        "`branch`: no branch has the code `nrth`; did you mean `north`?",
    /// The `Idempotency-Key` was used for another command.
    key_reused = UNPROCESSABLE_ENTITY "key_reused" "The idempotency key was used for another command":
        "this Idempotency-Key was used for another command; use a new key for every command",
    /// No, or no valid, bearer token.
    unauthenticated = UNAUTHORIZED "unauthenticated" "Who is asking is not known":
        "the token is not known, has expired or was revoked",
    /// The token's roles or branches do not reach so far.
    forbidden = FORBIDDEN "forbidden" "The caller may not do this":
        "branch `north` is not in this caller's scope",
    /// There is nothing by this name.
    not_found = NOT_FOUND "not_found" "There is nothing here":
        "no patient has this id",
    /// The route exists, but not with this method.
    method_not_allowed = METHOD_NOT_ALLOWED "method_not_allowed" "The method is not allowed here":
        "the routes and their methods are in /openapi.json",
    /// It contradicts what is there.
    conflict = CONFLICT "conflict" "It contradicts what is there":
        "this id of another system belongs to a patient who is known already",
    /// The body is too large.
    too_large = PAYLOAD_TOO_LARGE "too_large" "The request is too large":
        "the body has more than 262144 bytes; no command is that long",
    /// The body did not come in time.
    too_slow = REQUEST_TIMEOUT "too_slow" "The request did not come in time":
        "the body did not come within 10 s; nothing was recorded",
    /// Too much was asked for from one address.
    too_many = TOO_MANY_REQUESTS "too_many" "Too much was asked for":
        "too many attempts from this address; wait, then try again",
    /// The body is not JSON by its content type.
    unsupported = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type" "The body's type is not supported":
        "the body is `text/plain`; send JSON with the header `Content-Type: application/json`",
    /// An event of the patient cannot be read.
    set_aside = SERVICE_UNAVAILABLE "patient_set_aside" "The patient is set aside":
        "an event of this patient cannot be read; no permits are granted until the operator has looked",
    /// No permit can be decided here and now.
    undecidable = SERVICE_UNAVAILABLE "undecidable" "No permit can be decided here and now":
        "no permit can be decided: no policy is in effect yet",
    /// The read models have not come so far yet.
    not_yet = SERVICE_UNAVAILABLE "not_yet" "The read models have not come so far yet":
        "the read models have come to position 1040, not to 1042 yet; ask again",
    /// The log or a database cannot be reached.
    unavailable = SERVICE_UNAVAILABLE "unavailable" "Something that is needed cannot be reached":
        "the event log cannot be reached; nothing was recorded, ask again",
    /// It is not known whether the command was carried out.
    in_doubt = SERVICE_UNAVAILABLE "in_doubt" "It is not known whether the command was carried out":
        "ask again with the same Idempotency-Key: it is carried out once at most",
    /// There is no room.
    no_room = INSUFFICIENT_STORAGE "no_room" "There is no room":
        "nothing was recorded; the operator must make room, then ask again",
    /// A mistake of ours.
    internal = INTERNAL_SERVER_ERROR "internal" "Something went wrong here":
        "the failure has been logged; asking again with the same Idempotency-Key is safe",
}

impl Problem {
    /// Adds a member of its own to the problem.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Says after how many seconds asking again makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// What is wrong in this case.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// A field that is not what it must be.
    pub fn field(name: &str, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self::untrue(format!("`{name}`: {problem}")).with("field", name)
    }

    /// A mistake of ours or of a database: the caller learns that, the operator learns the rest.
    pub fn hidden(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "request failed");
        Self::internal("the failure has been logged; asking again with the same Idempotency-Key is safe")
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Its kind, the last part of its `type`.
    pub fn kind(&self) -> &'static str {
        self.kind
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = Self::KINDS.iter().find(|kind| kind.name == self.kind).map_or("", |kind| kind.title);
        let mut body = self.more;
        body.insert("type".into(), json!(format!("urn:tact:problem:{}", self.kind)));
        body.insert("title".into(), json!(title));
        body.insert("status".into(), json!(self.status.as_u16()));
        body.insert("detail".into(), json!(self.detail));
        let mut response = (self.status, Value::Object(body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Untrue> for Problem {
    fn from(untrue: Untrue) -> Self {
        let detail = untrue.to_string();
        match untrue {
            Untrue::UnknownPatient => Self::not_found(detail),
            Untrue::AlreadyRegistered | Untrue::Closed(_) => Self::conflict(detail),
            Untrue::MergedInto(into) => Self::conflict(detail).with("merged_into", into.to_string()),
            Untrue::Field { field, .. } => Self::untrue(detail).with("field", field),
        }
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        match &error {
            LogError::TooLarge(_) => Self::too_large(error.to_string()),
            LogError::InDoubt(_) => {
                tracing::warn!(%error, "append in doubt");
                Self::in_doubt("ask again with the same Idempotency-Key: it is carried out once at most").retry_after(1)
            }
            LogError::Full(_) => {
                tracing::error!(%error, "the event log has no room");
                Self::no_room("nothing was recorded; the operator must make room, then ask again")
            }
            LogError::Unavailable(_) | LogError::InUse(_) => {
                tracing::warn!(%error, "the event log cannot be reached");
                Self::unavailable("the event log cannot be reached; nothing was recorded, ask again").retry_after(2)
            }
            LogError::Damaged(_) | LogError::Misfit(_) => Self::hidden(error),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let detail = failure.to_string();
        match failure {
            Failure::Untrue(untrue) => untrue.into(),
            Failure::KeyReused => Self::key_reused("this Idempotency-Key was used for another command; use a new key for every command"),
            Failure::SetAside { patient, reason } => Self::set_aside(format!(
                "an event of this patient cannot be read ({reason}); no permits are granted and only contacts, withdrawals, wishes and deaths \
                 are recorded until the operator has looked"
            ))
            .with("patient", patient.to_string()),
            Failure::ClockBehind { .. } | Failure::NoPolicy(_) => {
                tracing::warn!(%detail, "no permit could be decided");
                Self::undecidable(detail).retry_after(5)
            }
            Failure::Busy => Self::unavailable("others were faster a hundred times in a row; ask again").retry_after(1),
            Failure::Log(error) => error.into(),
            Failure::Database(error) => crate::app::database(error),
        }
    }
}
