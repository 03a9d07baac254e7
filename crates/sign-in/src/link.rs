//! Makes a link by which somebody signs in once. Only the SHA-256 of its secret is kept.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::Branch;
use tact_personal::sign_in::SignInLink;
use tact_service::access::{Role, token_hash};
use tact_service::app::{database, text};
use tact_service::transact::Failure;
use tact_service::{App, Permission, Problem, Write};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::SignIn;

/// For how many hours a link works if nothing else is said.
pub const VALID_HOURS: u32 = 24;
/// For how many hours it works at most.
pub const LONGEST_HOURS: u32 = 168;

/// A link for somebody.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SignInLinkWanted)]
pub(crate) struct Wanted {
    /// What they are in the network; every role but `system`.
    #[schema(example = json!(["administrator"]))]
    roles: Vec<Role>,
    /// The branches that the roles hold for; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>, example = json!(["north"]))]
    branches: Option<Vec<Branch>>,
    /// What people call them.
    #[schema(example = "Anna")]
    label: String,
    /// The person, if they have been here before; somebody new if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a02")]
    actor: Option<Uuid>,
    /// For how many hours it works, 1 to 168; 24 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 24)]
    valid_hours: Option<u32>,
}

/// A link that was made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInLinkMade)]
pub(crate) struct Made {
    /// The whole address. The secret stands behind `#`, where no server logs it.
    #[schema(example = "https://tact.example.org/sign-in#tact_link_5f0b4c399a550f3f5f3b7d116f1c2d9e")]
    url: String,
    /// The person whom it lets in.
    actor: Uuid,
    /// Until when it works.
    expires_at: DateTime<Utc>,
    /// Whether it was there already: the same command, asked again.
    repeated: bool,
}

/// The whole address of a link.
pub fn address(public_url: &str, secret: &str) -> String {
    format!("{public_url}/sign-in#{secret}")
}

/// Make a link to sign in with, once
#[utoipa::path(
    post, path = "/v1/sign-in-links", tag = "sign-in",
    params(("Idempotency-Key" = String, Header)),
    request_body = Wanted,
    responses((status = 201, description = "The link", body = Made), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn make(
    State(app): State<Arc<App>>,
    Extension(sign_in): Extension<Arc<SignIn>>,
    write: Write<Wanted>,
) -> Result<(StatusCode, Json<Made>), Problem> {
    write.caller.may(Permission::ManageAccess)?;
    let Wanted { roles, branches, label, actor, valid_hours } = &write.body;
    text("label", label, 200)?;
    if roles.is_empty() {
        return Err(Problem::field("roles", "is empty; name one role at least"));
    }
    if roles.contains(&Role::System) {
        return Err(Problem::field(
            "roles",
            "`system` is the role of a program, which signs in with a token: `tact token create`",
        ));
    }
    if branches.as_ref().is_some_and(Vec::is_empty) {
        return Err(Problem::field("branches", "is empty; leave it out for all branches"));
    }
    for branch in branches.iter().flatten() {
        app.branch("branches", branch).await?;
        // Nobody gives what they do not have.
        write.caller.at(branch)?;
    }
    if branches.is_none() && !write.caller.covers_all() {
        return Err(Problem::forbidden(
            "this caller acts for some branches only, and can make no link for all of them; name `branches`",
        ));
    }
    let hours = valid_hours.unwrap_or(VALID_HOURS);
    if !(1..=LONGEST_HOURS).contains(&hours) {
        return Err(Problem::field("valid_hours", format!("{hours} is not between 1 and {LONGEST_HOURS}")));
    }
    // Follows from the caller and the key, so that asking again gives the same link and not a second one.
    let secret = format!("tact_link_{}{}", write.id("sign-in link 1").simple(), write.id("sign-in link 2").simple());
    let wanted = SignInLink {
        command: write.fingerprint(),
        actor: actor.unwrap_or_else(|| write.id("sign-in actor")),
        label: label.clone(),
        roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
        branches: branches.as_ref().map(|branches| branches.iter().map(ToString::to_string).collect()),
        ends_at: app.clock.now() + Duration::hours(hours.into()),
        used_at: None,
    };
    let (link, new) = app.personal.add_link(&wanted, &token_hash(&secret)).await.map_err(database)?;
    if link.command != write.fingerprint() {
        return Err(Failure::KeyReused.into());
    }
    let made = Made { url: address(&sign_in.public_url, &secret), actor: link.actor, expires_at: link.ends_at, repeated: !new };
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(made)))
}
