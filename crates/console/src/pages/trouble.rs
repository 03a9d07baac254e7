//! The page for whatever does not work, in the reader's words. What the API says in its own is for those who run it, and folded away.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tact_words::{Language, Word};

use crate::failure::Failure;
use crate::layout::Layout;
use crate::pages::rendered;
use crate::words::{Say, trouble};

#[derive(Template)]
#[template(path = "trouble.html")]
struct Trouble {
    layout: Layout,
    what: String,
    way_out: &'static str,
    detail: String,
}

#[derive(Template)]
#[template(path = "trouble_part.html")]
struct Part {
    what: String,
    way_out: &'static str,
}

/// With what stands around a page; without, the part alone.
pub(crate) fn page(language: Language, failure: &Failure, layout: Option<Layout>) -> Response {
    let (what, way_out) = trouble(language, failure);
    let detail = match failure {
        Failure::Problem(problem) => problem.detail.clone(),
        _ => String::new(),
    };
    let way_out = way_out.word(language);
    let made = match layout {
        Some(layout) => rendered(language, &Trouble { layout, what, way_out, detail }),
        None => rendered(language, &Part { what, way_out }),
    };
    made.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}
