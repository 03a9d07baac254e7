//! What is shown when something does not work: a page in the reader's language that says what happened and what to do, and nothing of what the
//! reader need not know.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use tact_words::Word;

use crate::Console;
use crate::layout::Layout;
use crate::pages::trouble;
use crate::person::{Person, language_of};
use crate::words::Say;

/// Why a page could not be made.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// Nobody is signed in, or the session has ended.
    SignedOut,
    /// The API says why.
    Problem(Problem),
    /// The API cannot be reached, or takes too long.
    Away,
    /// There is no such page.
    NoPage,
    /// A form that no page of ours sends.
    BadForm,
    /// A mistake of ours.
    Ours,
}

/// A problem as the API tells it (RFC 9457).
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Problem {
    #[serde(default)]
    status: u16,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    pub(crate) detail: String,
    /// The field that is not what it must be.
    #[serde(default)]
    pub(crate) field: Option<String>,
}

impl Problem {
    pub(crate) fn read(status: StatusCode, body: &[u8]) -> Self {
        let read: Self = serde_json::from_slice(body).unwrap_or_default();
        Self { status: status.as_u16(), ..read }
    }

    /// A field of a form that says nothing which the API could be asked about.
    pub(crate) fn of_field(name: &str) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY.as_u16();
        Self { status, kind: "untrue".to_owned(), detail: String::new(), field: Some(name.to_owned()) }
    }

    /// A page for other roles, though the API would answer some of what it asks.
    pub(crate) fn forbidden() -> Self {
        Self { status: StatusCode::FORBIDDEN.as_u16(), kind: "forbidden".to_owned(), detail: String::new(), field: None }
    }

    /// Its kind, the last part of its `type`.
    pub(crate) fn kind(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Problem(problem) => problem.status(),
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::BadForm => StatusCode::BAD_REQUEST,
            Self::Ours => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// For [`shown`], which knows the reader's language.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Whether a script asks for a part of a page, and reads the answer itself.
pub(crate) fn is_part(request: &HeaderMap) -> bool {
    request.contains_key("tact-part")
}

/// Makes pages of failures. Whoever is signed out is sent to sign in, and comes back to where they were.
pub(crate) async fn shown(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let language = language_of(request.headers());
    let (part, reads) = (is_part(request.headers()), request.method() == axum::http::Method::GET);
    let here = request.uri().path_and_query().map_or("/", |here| here.as_str()).to_owned();
    let headers = request.headers().clone();
    let response = next.run(request).await;
    let Some(failure) = response.extensions().get::<Arc<Failure>>().cloned() else { return response };
    if matches!(*failure, Failure::SignedOut) && !part {
        let back = if reads { here.as_str() } else { "/" };
        return Redirect::to(&crate::api::query("/sign-in", &[("back", back)])).into_response();
    }
    let layout = if part { None } else { Some(around(&console, &headers, here, &failure).await) };
    let mut page = trouble::page(language, &failure, layout);
    *page.status_mut() = failure.status();
    page.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}

/// What stands around such a page: all of it for whoever is signed in, so that they can go on from there, if the server says who that is.
async fn around(console: &Arc<Console>, headers: &HeaderMap, here: String, failure: &Failure) -> Layout {
    let language = language_of(headers);
    let title = Say::Trouble.word(language);
    let asked = async {
        let person = Person::of(console, headers, here).await?;
        Layout::of(&person, None, title).await
    };
    let known = match failure {
        Failure::Away | Failure::Ours => None,
        _ => asked.await.ok(),
    };
    known.map_or_else(|| Layout::open(language, title, "/"), |layout| Layout { done: None, here: "/".to_owned(), ..layout })
}
