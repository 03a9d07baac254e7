//! Begins to sign somebody in with the identity provider: a secret for the browser to keep, and where to send it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use chrono::{DateTime, Duration, Utc};
use serde::Serialize;
use tact_service::access::token_hash;
use tact_service::app::database;
use tact_service::ids::random;
use tact_service::{App, Problem};
use utoipa::ToSchema;

use crate::session::{address, failed};
use crate::{Created, SignIn, created};

/// How long somebody may take at the identity provider.
const PENDING: Duration = Duration::minutes(10);

/// A sign-in that has begun.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignInBegun)]
pub(crate) struct Begun {
    /// A secret for the browser that began, and for nobody else: it goes back with the code and the state.
    #[schema(example = "tact_sign_in_5f0b4c399a550f3f5f3b7d116f1c2d9e5f0b4c399a550f3f5f3b7d116f1c2d9e")]
    sign_in: String,
    /// Where to send the browser.
    #[schema(example = "https://id.example.org/authorize?response_type=code&client_id=tact")]
    url: String,
    /// Until when it can be finished.
    expires_at: DateTime<Utc>,
}

pub(crate) fn no_provider() -> Problem {
    Problem::not_found("no identity provider is set up here; sign in with a link, which `tact token link` makes")
}

/// Begin to sign in with the identity provider
///
/// Takes no token, no body and no `Idempotency-Key`.
#[utoipa::path(
    post, path = "/v1/sign-ins", tag = "sign-in", security(()),
    responses((status = 201, description = "Where to go", body = Begun), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    Extension(sign_in): Extension<Arc<SignIn>>,
    request: Request,
) -> Result<Created<Begun>, Problem> {
    let (from, now) = (address(&request), app.clock.now());
    let Some(provider) = &sign_in.provider else { return Err(no_provider()) };
    sign_in.begun.count(from, now)?;
    let secret = format!("tact_sign_in_{}", hex::encode(random::<32>()));
    let url = provider.address(&secret, &sign_in.redirect_url(), &app.keys, now).await.map_err(failed)?;
    let expires_at = now + PENDING;
    app.personal.begin_sign_in(&token_hash(&secret), expires_at).await.map_err(database)?;
    Ok(created(Begun { sign_in: secret, url, expires_at }))
}
