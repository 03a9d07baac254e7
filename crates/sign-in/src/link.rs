//! Makes a link by which somebody signs in once. Only the SHA-256 of its secret is kept.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::Branch;
use tact_personal::sign_in::{LinkPut, SignInLink};
use tact_service::access::{Role, token_hash};
use tact_service::app::{database, text};
use tact_service::ids::random;
use tact_service::transact::Failure;
use tact_service::{App, Caller, Permission, Problem, Write};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{Created, SignIn, created};

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
}

/// The whole address of a link.
pub fn address(public_url: &str, secret: &str) -> String {
    format!("{public_url}/sign-in#{secret}")
}

/// Make a link to sign in with, once
///
/// It is shown once: the same `Idempotency-Key` again makes no second link, and is answered 409.
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
) -> Result<Created<Made>, Problem> {
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
    }
    covers(&write.caller, branches.as_deref(), *actor)?;
    let hours = valid_hours.unwrap_or(VALID_HOURS);
    if !(1..=LONGEST_HOURS).contains(&hours) {
        return Err(Problem::field("valid_hours", format!("{hours} is not between 1 and {LONGEST_HOURS}")));
    }
    // Of the key nothing follows: whoever has it, and whoever asks again, gets no link that works a second time.
    let secret = format!("tact_link_{}", hex::encode(random::<32>()));
    let link = SignInLink {
        id: write.id("sign-in link"),
        command: write.fingerprint(),
        actor: actor.unwrap_or_else(|| write.id("sign-in actor")),
        label: label.clone(),
        roles: roles.iter().map(|role| role.as_str().to_owned()).collect(),
        branches: branches.as_ref().map(|branches| branches.iter().map(ToString::to_string).collect()),
        ends_at: app.clock.now() + Duration::hours(hours.into()),
        used_at: None,
    };
    match app.personal.add_link(&link, &token_hash(&secret)).await.map_err(database)? {
        LinkPut::Made => {
            let made = Made { url: address(&sign_in.public_url, &secret), actor: link.actor, expires_at: link.ends_at };
            Ok(created(made))
        }
        LinkPut::Before => Err(Problem::conflict(
            "a link was made with this Idempotency-Key, and it is shown once; if it did not arrive, make another one with a new key",
        )),
        LinkPut::Other => Err(Failure::KeyReused.into()),
    }
}

/// Nobody gives what they do not have: other branches than theirs, or the name of somebody who may have acted at any branch.
fn covers(maker: &Caller, branches: Option<&[Branch]>, actor: Option<Uuid>) -> Result<(), Problem> {
    if maker.covers_all() {
        return Ok(());
    }
    let refused = |field: &str, why: String| Err(Problem::forbidden(format!("`{field}`: {why}")).with("field", field));
    let Some(branches) = branches else {
        return refused(
            "branches",
            "this caller acts for some branches only, and can make no link for all of them; name some".to_owned(),
        );
    };
    if let Some(branch) = branches.iter().find(|branch| !maker.covers(branch)) {
        return refused("branches", format!("branch `{branch}` is not in this caller's scope"));
    }
    if actor.is_some() {
        let why = "a link under somebody's id takes a caller whose scope is the whole network; leave it out for somebody new";
        return refused("actor", why.to_owned());
    }
    Ok(())
}
