//! A policy is published, to take effect at least a minute later, when every service knows it.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tact_domain::control::{PolicyPublished, Published};
use tact_domain::envelope::hash;
use tact_domain::policy::text::{Mistake, parse};
use tact_domain::to_millis;
use tact_service::{Answer, App, Permission, Problem, Write, fields};
use utoipa::ToSchema;

use crate::noted::Entry;

/// When a policy takes effect whose publisher says nothing of it: [`tact_domain::control::POLICY_NOTICE`] and a minute to be sure of it.
const SOON: Duration = Duration::seconds(120);

/// The policy.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPolicy {
    /// The version by which decisions will name it: 1 to 64 of letters, digits, `.`, `_` and `-`.
    #[schema(example = "2026-03")]
    version: String,
    /// The text, TOML; `tact policy check FILE` explains mistakes before anything is published.
    text: String,
    /// When it takes effect, with an offset; at least a minute ahead. Absent: two minutes from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effective_from: Option<DateTime<Utc>>,
}

/// What was published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyNoted {
    /// The version by which decisions will name it.
    version: String,
    /// The SHA-256 of the text, in hexadecimal.
    sha256: String,
    /// When it takes effect.
    effective_from: DateTime<Utc>,
    #[serde(flatten)]
    entry: Entry,
}

/// Publish a policy
///
/// It is checked first; each mistake is listed with its line and column. What is published is never changed: publish another version.
#[utoipa::path(
    post, path = "/v1/policies", tag = "directory",
    params(("Idempotency-Key" = String, Header)),
    request_body = NewPolicy,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = PolicyNoted), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn publish(State(app): State<Arc<App>>, write: Write<NewPolicy>) -> Result<Answer<PolicyNoted>, Problem> {
    write.caller.may(Permission::PublishPolicy)?;
    if !write.caller.covers_all() {
        return Err(Problem::forbidden(
            "a policy holds for every branch; it takes a network manager of the whole network to publish one",
        ));
    }
    let NewPolicy { version, text, effective_from } = &write.body;
    check_version(version)?;
    let now = app.clock.now();
    let effective_from = effective_from.unwrap_or(now + SOON);
    fields::plausible("effective_from", effective_from, now)?;
    // Some editors begin a file with a byte order mark; TOML knows none.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    parse(text, version).map_err(|mistakes| refused(&mistakes))?;
    let sha256 = hex::encode(hash(text.as_bytes()));
    let effective_from = to_millis(effective_from);
    let policy = PolicyPublished { version: version.into(), text: text.to_owned(), sha256: sha256.clone(), effective_from };
    let noted = app.control.publish(&write.control_command(), policy).await?;
    // Asked again, it takes effect when it was first said to.
    let effective_from = app.control.policies().version(version).map_or(effective_from, Published::effective_from);
    let entry = Entry::new("policy.published", &noted);
    Ok(Answer(PolicyNoted { version: version.clone(), sha256, effective_from, entry }, noted.position, noted.repeated))
}

fn check_version(version: &str) -> Result<(), Problem> {
    // These are paths of their own.
    let formed = (1..=64).contains(&version.len())
        && version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        && version.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !["in-force", "diff", "what-if"].contains(&version);
    if formed {
        return Ok(());
    }
    Err(Problem::field("version", "it is not a version; write 1 to 64 letters, digits, `.`, `_` and `-`, such as `2026-03`"))
}

pub(super) fn refused(mistakes: &[Mistake]) -> Problem {
    let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
    let more = match mistakes.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let listed: Vec<_> = mistakes.iter().map(|m| json!({"line": m.line, "column": m.column, "message": m.message})).collect();
    Problem::field("text", format!("it is not a policy: {first}{more}")).with("mistakes", listed)
}
