//! Opens a session: by a link that works once, or with what an identity provider sent a browser back with.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, Request, State};
use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::{Branch, Time};
use tact_personal::access::Token;
use tact_personal::sign_in::Session;
use tact_service::access::{new_token, token_hash};
use tact_service::app::database;
use tact_service::ids::fresh;
use tact_service::request::{parse, whole_body};
use tact_service::{App, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::grant::Grant;
use crate::oidc::Failed;
use crate::{Created, SignIn, created};

/// The most bytes of a body that nobody has to be known for.
const LONGEST: usize = 16 * 1024;

/// By what somebody signs in: either `link`, or the other three.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SessionOpening)]
pub(crate) struct Opening {
    /// The secret of a link that works once: what stands behind `#` in it.
    #[schema(example = "tact_link_5f0b4c399a550f3f5f3b7d116f1c2d9e5f0b4c399a550f3f5f3b7d116f1c2d9e")]
    link: Option<String>,
    /// The secret that `POST /v1/sign-ins` gave the browser.
    sign_in: Option<String>,
    /// The code that the identity provider sent the browser back with.
    code: Option<String>,
    /// The state that it sent with it.
    state: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionOpened)]
pub(crate) struct Opened {
    /// The bearer token of the session. It is shown this once.
    #[schema(example = "tact_5f0b4c399a550f3f5f3b7d116f1c2d9e5f0b4c399a550f3f5f3b7d116f1c2d9e")]
    token: String,
    /// Who has signed in; as events name them.
    actor: Uuid,
    /// What people call them.
    #[schema(example = "Anna")]
    label: String,
    #[schema(example = json!(["administrator"]))]
    roles: Vec<String>,
    /// The branches that the roles hold for; `null`: all.
    #[schema(example = json!(["north"]))]
    branches: Option<Vec<String>>,
    /// When it ends, however much it is used.
    expires_at: DateTime<Utc>,
    /// After how many minutes without use it ends before that.
    #[schema(example = 60)]
    idle_minutes: u32,
    /// The person's language, if the identity provider says it.
    #[schema(example = "ru")]
    language: Option<String>,
}

/// The address that a request came from, as far as the connection tells.
pub(crate) fn address(request: &Request) -> Option<IpAddr> {
    request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

/// Open a session
///
/// Takes no token, and no `Idempotency-Key`, since a session is handed out once.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "sign-in", security(()),
    request_body = Opening,
    responses((status = 201, description = "The session", body = Opened), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Extension(sign_in): Extension<Arc<SignIn>>,
    request: Request,
) -> Result<Created<Opened>, Problem> {
    let (from, now) = (address(&request), app.clock.now());
    // Counted before it is known how it ends: of many at once, no more are tried than may fail.
    sign_in.failures.count(from, now)?;
    let opening: Opening = parse(&whole_body(request.into_body(), LONGEST).await?)?;
    let opened = match (&opening.link, &opening.sign_in, &opening.code, &opening.state) {
        (Some(link), None, None, None) => by_link(&app, &sign_in, link, now).await,
        (None, Some(secret), Some(code), Some(state)) => by_provider(&app, &sign_in, secret, code, state, now).await,
        _ => return Err(Problem::field("link", "name either `link`, or `sign_in`, `code` and `state`")),
    };
    if !opened.as_ref().is_err_and(|problem| problem.status().is_client_error()) {
        sign_in.failures.take_back(from, now);
    }
    let (secret, token, session) = opened?;
    tracing::info!(actor = %token.actor, roles = ?token.roles, "somebody has signed in");
    Ok(created(Opened {
        token: secret,
        actor: token.actor,
        label: token.label,
        roles: token.roles,
        branches: token.branches,
        expires_at: session.ends_at,
        idle_minutes: session.idle_minutes,
        language: session.language,
    }))
}

impl SignIn {
    /// A session that begins now.
    fn session(
        &self,
        actor: Uuid,
        label: String,
        roles: Vec<String>,
        branches: Option<Vec<String>>,
        now: Time,
    ) -> (Token, Session) {
        let session = Session {
            ends_at: now + Duration::hours(self.session_hours.into()),
            idle_minutes: self.idle_minutes,
            language: None,
        };
        let expires_at = Some(session.unused_from(now));
        (Token { id: fresh(now), actor, label, roles, branches, created_at: now, expires_at, revoked_at: None }, session)
    }
}

type Made = (String, Token, Session);

async fn by_link(app: &App, sign_in: &SignIn, link: &str, now: Time) -> Result<Made, Problem> {
    let secret = new_token();
    let made = |link: tact_personal::sign_in::SignInLink| sign_in.session(link.actor, link.label, link.roles, link.branches, now);
    let used = app.personal.use_link(&token_hash(link.trim()), now, made, &token_hash(&secret)).await.map_err(database)?;
    let Some((token, session)) = used else {
        return Err(Problem::unauthenticated("the link is not known, was used already, or its time is over; ask for a new one"));
    };
    Ok((secret, token, session))
}

async fn by_provider(app: &App, sign_in: &SignIn, secret: &str, code: &str, state: &str, now: Time) -> Result<Made, Problem> {
    let Some(provider) = &sign_in.provider else { return Err(crate::begin::no_provider()) };
    let stale = || {
        Problem::unauthenticated("this sign-in is not known, was finished already, or took longer than ten minutes; begin again")
    };
    if !provider.is_state_of(secret, state, &app.keys) {
        return Err(stale());
    }
    if !app.personal.take_sign_in(&token_hash(secret), now).await.map_err(database)? {
        return Err(stale());
    }
    let person = provider.person(secret, code, &sign_in.redirect_url(), &app.keys, now).await.map_err(failed)?;
    let grant = Grant::read(&person.entries).map_err(|refused| Problem::forbidden(refused.to_string()))?;
    known_branches(app, grant.branches.as_ref()).await?;
    // The same for ever, whatever else changes about the person.
    let actor = app.keys.derive(&[b"oidc subject", provider.issuer().as_bytes(), person.subject.as_bytes()]);
    let label = person.label.unwrap_or_else(|| actor.to_string());
    let (token, session) = sign_in.session(actor, label, grant.role_words(), grant.branch_codes(), now);
    let session = Session { language: person.language, ..session };
    let secret = new_token();
    app.personal.add_session(&token, &session, &token_hash(&secret)).await.map_err(database)?;
    Ok((secret, token, session))
}

async fn known_branches(app: &App, branches: Option<&BTreeSet<Branch>>) -> Result<(), Problem> {
    for branch in branches.into_iter().flatten() {
        if app.control.branch(branch).await?.is_none() {
            return Err(Problem::forbidden(format!(
                "your sign-in gives you a role at `{branch}`, but there is no such branch; ask whoever runs your sign-in to correct it"
            )));
        }
    }
    Ok(())
}

/// What somebody is told whom the provider does not let in; what is wrong with the provider, the operator is told.
pub(crate) fn failed(failed: Failed) -> Problem {
    match failed {
        Failed::Away(why) => {
            tracing::error!(why, "the identity provider cannot be used");
            Problem::unavailable("the identity provider cannot be asked; try again, and tell whoever runs Tact if it stays so")
                .retry_after(5)
        }
        told => {
            tracing::warn!(%told, "nobody was signed in");
            Problem::unauthenticated(format!("{told}; begin again"))
        }
    }
}
