//! Signing in, by a link that was given out or with the network's identity provider; signing out; and the language.
//!
//! The secret of a link stands behind the `#` of its address, which no browser sends: the script puts it into the form.

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use serde_json::json;
use tact_words::{Language, Word};

use crate::Console;
use crate::api::{Sent, read, written};
use crate::failure::Failure;
use crate::form::{Form, key, said};
use crate::layout::Layout;
use crate::pages::{back, ours, rendered, rendered_as};
use crate::person::{PENDING, Person, Reads, cookie, language_cookie, pending_cookie, session_cookie};
use crate::words::Say;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/sign-in", get(page).post(by_link))
        .route("/sign-in/provider", post(to_provider))
        .route("/sign-in/callback", get(from_provider))
        .route("/sign-out", post(out))
        .route("/language", post(language))
}

/// Where a request comes from.
type From = Option<Extension<ConnectInfo<SocketAddr>>>;

#[derive(Deserialize)]
struct Wanted {
    back: Option<String>,
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    layout: Layout,
    back: String,
    provider: bool,
    wrong: bool,
}

async fn page(
    State(console): State<Arc<Console>>,
    Reads(language): Reads,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Failure> {
    let to = ours(wanted.back.as_deref().unwrap_or("/")).to_owned();
    let layout = Layout::open(language, Say::SignIn.word(language), "/sign-in");
    rendered(language, &SignIn { layout, back: to, provider: console.provider, wrong: false })
}

#[derive(Deserialize)]
struct Link {
    link: String,
    back: Option<String>,
}

#[derive(Deserialize)]
struct Session {
    token: String,
}

async fn by_link(
    State(console): State<Arc<Console>>,
    Reads(language): Reads,
    from: From,
    Form(form): Form<Link>,
) -> Result<Response, Failure> {
    // Whoever pastes the whole address means what stands behind its #.
    let secret = form.link.trim().rsplit('#').next().unwrap_or_default();
    let to = form.back.as_deref().unwrap_or("/");
    match session(&console, from, &json!({"link": secret})).await {
        Ok(session) => Ok(signed_in(&console, &session, to)),
        Err(Failure::Problem(problem)) if problem.status().is_client_error() && problem.status() != 429 => {
            let layout = Layout::open(language, Say::SignIn.word(language), "/sign-in");
            let page = SignIn { layout, back: ours(to).to_owned(), provider: console.provider, wrong: true };
            rendered_as(language, &page, Some(problem.status()))
        }
        Err(failure) => Err(failure),
    }
}

async fn session(console: &Console, from: From, body: &serde_json::Value) -> Result<Session, Failure> {
    let from = from.map(|Extension(ConnectInfo(from))| from);
    read(&console.api.let_in(from, &key(), &written(body)?).await?)
}

fn signed_in(console: &Console, session: &Session, to: &str) -> Response {
    let mut response = back(to);
    response.headers_mut().append(header::SET_COOKIE, session_cookie(console, Some(&session.token)));
    response
}

#[derive(Deserialize)]
struct Pending {
    sign_in: String,
    url: String,
}

async fn to_provider(State(console): State<Arc<Console>>, Reads(language): Reads) -> Result<Response, Failure> {
    let answer = console.api.ask(Method::POST, "/v1/sign-ins", None, Some(Sent { key: &key(), body: b"{}" })).await?;
    let pending: Pending = read(&answer)?;
    // A form leads to no other host, not by a redirect either (`form-action`); a page does.
    let mut response = onward(language, Say::ToProvider, pending.url)?;
    response.headers_mut().append(header::SET_COOKIE, pending_cookie(&console, Some(&pending.sign_in)));
    Ok(response)
}

#[derive(Deserialize)]
struct Callback {
    code: Option<String>,
    state: Option<String>,
}

/// A page from which a browser goes on by itself.
#[derive(Template)]
#[template(path = "onward.html")]
struct Onward {
    layout: Layout,
    to: String,
}

fn onward(language: Language, what: Say, to: String) -> Result<Response, Failure> {
    rendered(language, &Onward { layout: Layout::open(language, what.word(language), "/sign-in"), to })
}

async fn from_provider(
    State(console): State<Arc<Console>>,
    Reads(language): Reads,
    headers: HeaderMap,
    from: From,
    Query(callback): Query<Callback>,
) -> Result<Response, Failure> {
    let (Some(code), Some(state), Some(pending)) =
        (said(callback.code.as_deref()), said(callback.state.as_deref()), cookie(&headers, PENDING))
    else {
        return Err(Failure::SignedOut);
    };
    let session = session(&console, from, &json!({"sign_in": pending, "code": code, "state": state})).await?;
    // The browser was sent here from elsewhere, and a redirect would still count as from there: the new cookie, which is `Strict`, would not go
    // along. From a page of ours it does.
    let mut response = onward(language, Say::SignedIn, "/".to_owned())?;
    response.headers_mut().append(header::SET_COOKIE, session_cookie(&console, Some(&session.token)));
    response.headers_mut().append(header::SET_COOKIE, pending_cookie(&console, None));
    Ok(response)
}

async fn out(person: Person) -> Result<Response, Failure> {
    match person.send(Method::DELETE, "/v1/sessions/current", &key(), &json!({})).await {
        Ok(_) | Err(Failure::SignedOut | Failure::Problem(_)) => {}
        Err(failure) => return Err(failure),
    }
    let mut response = back("/sign-in");
    response.headers_mut().append(header::SET_COOKIE, session_cookie(&person.console, None));
    Ok(response)
}

#[derive(Deserialize)]
struct Chosen {
    language: String,
    back: Option<String>,
}

async fn language(State(console): State<Arc<Console>>, Form(chosen): Form<Chosen>) -> Result<Response, Failure> {
    let language = chosen.language.parse().map_err(|_| Failure::BadForm)?;
    let mut response = back(chosen.back.as_deref().unwrap_or("/"));
    response.headers_mut().append(header::SET_COOKIE, language_cookie(&console, language));
    Ok(response)
}
