//! Who is asking.

use axum::Json;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tact_service::access::Role;
use tact_service::{Caller, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Me {
    /// As events name them.
    actor: Uuid,
    /// What people call them.
    #[schema(example = "Anna")]
    label: String,
    roles: Vec<Role>,
    /// The branches that the roles hold for; `null`: all.
    #[schema(example = json!(["north"]))]
    branches: Option<Vec<String>>,
    /// When the token ends, however much it is used; `null`: never.
    expires_at: Option<DateTime<Utc>>,
    /// For a session: when it ends if it is not used from now on. It is reckoned to the minute.
    ends_unused_at: Option<DateTime<Utc>>,
    /// The person's language, if the identity provider says it.
    #[schema(example = "ru")]
    language: Option<String>,
}

/// Say who is asking
#[utoipa::path(
    get, path = "/v1/me", tag = "sign-in",
    responses((status = 200, description = "Who is asking", body = Me), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn me(caller: Caller) -> Result<Json<Me>, Problem> {
    let (token, session) = (caller.token(), caller.session());
    Ok(Json(Me {
        actor: token.actor,
        label: token.label.clone(),
        roles: caller.roles().to_vec(),
        branches: token.branches.clone(),
        expires_at: session.map(|session| session.ends_at).or(token.expires_at),
        ends_unused_at: session.and(token.expires_at),
        language: session.and_then(|session| session.language.clone()),
    }))
}
