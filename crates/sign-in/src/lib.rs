//! Sign-in for people: links that work once, an identity provider by OpenID Connect, the sessions that both lead to, and who looked at whose page.
//!
//! A session is a bearer token with an end, so that nothing else has to know of sessions. One endpoint per file. No secret is stored or logged, and
//! no answer says more about why a secret does not work than that it does not.

mod begin;
mod end;
pub mod grant;
mod limiter;
pub mod link;
mod looks;
mod me;
pub mod oidc;
mod session;
mod staff;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use limiter::Limiter;
use tact_service::App;
use tact_service::app::database;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// How people sign in here.
#[derive(Debug)]
pub struct SignIn {
    /// Where people's browsers reach the console, without a slash at its end.
    pub public_url: String,
    /// How long a session lasts at most, in hours.
    pub session_hours: u32,
    /// After how many minutes without use it ends.
    pub idle_minutes: u32,
    /// For how many days it is kept who looked at whose page.
    pub looks_kept_days: u32,
    /// The identity provider, if there is one.
    pub provider: Option<oidc::Provider>,
    failures: Limiter,
    begun: Limiter,
}

impl SignIn {
    /// How people sign in, by what is set.
    pub fn new(
        public_url: String,
        session_hours: u32,
        idle_minutes: u32,
        looks_kept_days: u32,
        provider: Option<oidc::Provider>,
    ) -> Self {
        // The secrets cannot be guessed; this keeps whoever tries all the same from keeping the database busy.
        let (failures, begun) = (Limiter::new(20), Limiter::new(120));
        Self { public_url, session_hours, idle_minutes, looks_kept_days, provider, failures, begun }
    }

    /// Where an identity provider sends browsers back to.
    pub fn redirect_url(&self) -> String {
        format!("{}/sign-in/callback", self.public_url)
    }

    /// Deletes what is over: sessions, links, begun sign-ins, and what was noted of looks longer ago than it is kept.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn forget(&self, app: &App) -> Result<(), tact_service::Problem> {
        let now = app.clock.now();
        app.personal.forget_sign_ins(now).await.map_err(database)?;
        let kept = chrono::Duration::days(self.looks_kept_days.into());
        app.personal.forget_looks(now - kept).await.map_err(database)?;
        Ok(())
    }

    /// The same at the start and every hour, until `stop` becomes true.
    pub async fn run(self: Arc<Self>, app: Arc<App>, mut stop: watch::Receiver<bool>) {
        let mut tick = tokio::time::interval(Duration::from_secs(3600));
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // Said in the log by what went wrong; an hour later it is tried again.
            drop(self.forget(&app).await);
        }
    }
}

/// An answer that carries a secret: nothing on its way may keep it.
type Created<T> = (StatusCode, [(HeaderName, &'static str); 1], Json<T>);

fn created<T>(secret: T) -> Created<T> {
    (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(secret))
}

/// The role's routes. They need [`SignIn`] as an extension.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(session::open))
        .routes(routes!(end::end))
        .routes(routes!(me::me))
        .routes(routes!(link::make))
        .routes(routes!(begin::begin))
        .routes(routes!(looks::looks))
        .routes(routes!(staff::staff))
}
