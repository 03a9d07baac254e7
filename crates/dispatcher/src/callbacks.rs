//! The gateway tells what became of a message: late, twice, out of order. Its signature says that it is the gateway; no token does.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Request};
use chrono::{DateTime, Utc};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use tact_domain::to_millis;
use tact_service::app::database;
use tact_service::{Answer, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Desk;
use crate::settle::{Settled, Unsettled, settle};
use crate::signing::Unsigned;
use crate::status::{Said, Status, Word};

/// The largest callback, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// What a gateway tells.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    /// The message, by the id under which it was handed over.
    message: Uuid,
    /// What became of it: `accepted`, `sent`, `delivered`, `read`, `answered`, `voicemail`, `busy`, `no_answer`, `wrong_number`,
    /// `undeliverable`, `expired`, `failed` or `opted_out`.
    #[schema(value_type = String, example = "delivered")]
    status: Status,
    /// When that happened, by the gateway's clock, with an offset.
    at: DateTime<Utc>,
}

/// What is recorded of the message now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Heard {
    message: Uuid,
    /// How the contact ended by all that is known; absent: that is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

/// Tell what became of a message
///
/// For gateways. Signed by the Standard Webhooks specification with the secret that gateway and network share, and without a token. It may come
/// late, twice and in any order: the same outcome stands at the end. Send it again until it is answered with 200.
#[utoipa::path(
    post, path = "/v1/gateway/callbacks", tag = "dispatch",
    security(()),
    params(
        ("webhook-id" = String, Header, description = "The callback's id: the same when it is sent again.", example = "cb_7f3a"),
        ("webhook-timestamp" = String, Header, description = "The moment of sending, in seconds since 1970.", example = "1772442000"),
        ("webhook-signature" = String, Header, description = "`v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`; several are separated by blanks.", example = "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="),
    ),
    request_body = Report,
    responses((status = 200, description = "What was asked for", body = Heard), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn callback(Extension(desk): Extension<Arc<Desk>>, request: Request) -> Result<Answer<Heard>, Problem> {
    let (parts, body) = request.into_parts();
    let Some(setup) = &desk.setup else {
        return Err(Problem::not_found("this network has no gateway: set `dispatch_file`"));
    };
    let body = read(body).await?;
    let now = desk.app.clock.now();
    let mut refused = Unsigned::Signature;
    let mut signed = false;
    for gateway in &setup.gateways {
        match gateway.secrets().verify(&parts.headers, &body, now) {
            Ok(_) => signed = true,
            // What is signed and old is told so, whichever gateway's it is.
            Err(error) if refused == Unsigned::Signature => refused = error,
            Err(_) => {}
        }
    }
    if !signed {
        return Err(Problem::unauthenticated(refused.to_string()));
    }
    let report: Report = tact_service::request::parse(&body)?;
    let said = Said { word: Word::Gateway(report.status), at: to_millis(report.at) };
    let settled = settle(&desk, report.message, said).await?;
    let outcome = match settled {
        Settled::NotOurs => {
            return Err(Problem::not_found("no message has this id; it is the `id` under which it was handed over")
                .with("field", "message"));
        }
        Settled::Open => None,
        Settled::Outcome(outcome) => Some(outcome.as_str()),
    };
    let position = desk.app.transactor.log().head().await?;
    Ok(Answer(Heard { message: report.message, outcome }, position, true))
}

async fn read(body: Body) -> Result<bytes::Bytes, Problem> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.downcast_ref::<http_body_util::LengthLimitError>().is_some() => {
            Err(Problem::too_large(format!("the body has more than {MAX_BODY} bytes; no callback is that long")))
        }
        Err(error) => Err(Problem::malformed(format!("the body could not be read: {error}"))),
    }
}

impl From<Unsettled> for Problem {
    fn from(error: Unsettled) -> Self {
        match error {
            Unsettled::Failure(failure) => failure.into(),
            Unsettled::Database(error) => database(error),
        }
    }
}
