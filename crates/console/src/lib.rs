//! The desk in a browser: pages made on the server, a little script, and nothing from anywhere else.
//!
//! The console is a client of the public API and of nothing else: whatever it shows, and whatever it does, anybody with the same rights can have
//! from there. It decides nothing, keeps nothing but a cookie in the browser, and must never show what the API would not.

mod api;
mod assets;
mod clock;
mod failure;
mod form;
mod guard;
mod layout;
mod pages;
mod person;
mod plot;
mod services;
mod when;
mod words;
mod wrong;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use tower::ServiceExt;
use tower_http::compression::CompressionLayer;

pub use api::Api;
pub use services::BadApi;

/// What every page is made with.
#[derive(Debug, Clone)]
pub(crate) struct Console {
    pub(crate) api: Api,
    /// Whether browsers reach it with TLS, so that its cookie is for that alone.
    pub(crate) secure: bool,
    /// Whether people sign in with an identity provider.
    pub(crate) provider: bool,
}

/// What is set of the console.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The API that it is a client of.
    pub api: Api,
    /// Where browsers reach it.
    pub public_url: String,
    /// Whether people can sign in with an identity provider.
    pub provider: bool,
}

/// The pages.
pub fn routes(setup: Setup) -> Router {
    let secure = setup.public_url.starts_with("https://");
    let console = Arc::new(Console { api: setup.api, secure, provider: setup.provider });
    pages::routes()
        .layer(from_fn_with_state(console.clone(), failure::shown))
        .layer(from_fn(guard::same_origin))
        .merge(assets::routes())
        .layer(from_fn(guard::headers))
        // Nothing on a page is a secret of the server's that somebody else's words beside it could lay open.
        .layer(CompressionLayer::new())
        .with_state(console)
}

/// The first parts of the paths of pages.
const PAGES: [&str; 13] = [
    "",
    "assets",
    "desk",
    "elsewhere",
    "feedback",
    "find",
    "language",
    "live",
    "network",
    "patients",
    "regulator",
    "sign-in",
    "sign-out",
];

/// Pages and API in one process: the pages' own paths go to them, all else to the API. A browser that asks the API for a page which is not
/// there is told so by a page.
pub fn beside(api: Router, pages: Router) -> Router {
    Router::new().fallback(async move |request: Request| {
        let first = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
        if PAGES.contains(&first) {
            return pages.oneshot(request).await;
        }
        let lost = wants_page(&request).then(|| head(&request));
        let answer = api.oneshot(request).await?;
        match lost {
            Some(request) if answer.status() == StatusCode::NOT_FOUND => pages.oneshot(request).await,
            _ => Ok(answer),
        }
    })
}

/// Whether a browser goes there, and not a program.
fn wants_page(request: &Request) -> bool {
    let path = request.uri().path();
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepts.contains("text/html") && !path.starts_with("/v1/") && !path.starts_with("/fhir/")
}

/// The same request without its body.
fn head(request: &Request) -> Request {
    let mut head = Request::default();
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    head
}
