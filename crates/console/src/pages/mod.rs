//! The pages, one file for each: what is asked of the API for it, how it is laid out, and the forms on it.

mod desk;
mod elsewhere;
mod feedback;
mod find;
mod network;
mod patient;
mod regulator;
mod sign_in;
pub(crate) mod trouble;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use tact_words::Language;

use crate::Console;
use crate::api::query;
use crate::failure::Failure;
use crate::person::{Person, RECORDED};

/// Every page and every form.
pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/", get(home))
        .merge(sign_in::routes())
        .merge(desk::routes())
        .merge(find::routes())
        .merge(patient::routes())
        .merge(regulator::routes())
        .merge(feedback::routes())
        .merge(elsewhere::routes())
        .merge(network::routes())
        .fallback(async || Failure::NoPage)
}

/// Where somebody's day begins.
async fn home(person: Person) -> Redirect {
    let to = if person.has_desk() {
        "/desk"
    } else if person.is(&["regulator"]) {
        "/regulator"
    } else {
        "/network"
    };
    Redirect::to(to)
}

/// A page as it goes out.
pub(crate) fn rendered(language: Language, page: &impl Template) -> Result<Response, Failure> {
    let html = page.render().map_err(|error| {
        tracing::error!(%error, "a page cannot be made");
        Failure::Ours
    })?;
    let mut response = Html(html).into_response();
    response.headers_mut().insert(axum::http::header::CONTENT_LANGUAGE, axum::http::HeaderValue::from_static(language.tag()));
    Ok(response)
}

/// The same under another status: of what is wrong with it, if anything is.
pub(crate) fn rendered_as(language: Language, page: &impl Template, status: Option<StatusCode>) -> Result<Response, Failure> {
    let mut response = rendered(language, page)?;
    if let Some(status) = status {
        *response.status_mut() = status;
    }
    Ok(response)
}

/// A telephone number as a `tel:` address takes it.
pub(crate) fn dial(phone: &str) -> String {
    phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

/// A page of ours after a form: what was done, and how far the log came with it, so that the page shows it.
pub(crate) fn after(person: &Person, path: &str, pairs: &[(&str, &str)], what: &str) -> String {
    let recorded = person.recorded();
    let more = [("done", what)].into_iter().chain(recorded.as_deref().map(|position| (RECORDED, position)));
    query(path, &pairs.iter().copied().chain(more).collect::<Vec<_>>())
}

/// Back to a page of ours, after a form.
pub(crate) fn back(to: &str) -> Response {
    Redirect::to(ours(to)).into_response()
}

/// A path on this host, whatever a form says: never another host.
pub(crate) fn ours(path: &str) -> &str {
    let fine = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']);
    if fine { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::ours;

    #[test]
    fn nobody_is_sent_to_another_host() {
        for (path, expected) in [
            ("/desk/north?a=b", "/desk/north?a=b"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil.example", "/"),
            ("", "/"),
        ] {
            assert_eq!(ours(path), expected, "{path}");
        }
    }
}
