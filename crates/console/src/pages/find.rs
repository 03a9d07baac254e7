//! A telephone rings: three letters or digits find the person. Whoever is not known is registered from here, with as little as there is.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;
use tact_words::Word;
use uuid::Uuid;

use crate::Console;
use crate::api::query;
use crate::failure::{Failure, is_part};
use crate::form::{key, said};
use crate::layout::{Layout, Part};
use crate::pages::rendered;
use crate::person::Person;
use crate::words::Say;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new().route("/find", get(page))
}

#[derive(Deserialize)]
struct Wanted {
    q: Option<String>,
}

#[derive(Deserialize)]
struct Found {
    patients: Vec<One>,
    next: Option<Uuid>,
}

#[derive(Deserialize)]
pub(crate) struct One {
    pub(crate) patient: Uuid,
    name: Option<String>,
    phone: Option<String>,
    birth_date: Option<String>,
}

impl One {
    fn name(&self) -> &str {
        self.name.as_deref().or(self.phone.as_deref()).unwrap_or("—")
    }
}

#[derive(Template)]
#[template(path = "find.html")]
struct Page {
    layout: Layout,
    q: String,
    found: Vec<One>,
    more: bool,
    searched: bool,
    digits: bool,
    key: String,
}

#[derive(Template)]
#[template(path = "find_part.html")]
struct Hits {
    layout: Layout,
    found: Vec<One>,
    more: bool,
    searched: bool,
}

/// Who is found by a text, and whether there are more.
pub(crate) async fn people(person: &Person, text: &str) -> Result<(Vec<One>, bool), Failure> {
    let found: Found = person.get(&query("/v1/patients", &[("q", text), ("limit", "20")])).await?;
    Ok((found.patients, found.next.is_some()))
}

async fn page(person: Person, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Result<Response, Failure> {
    let q = said(wanted.q.as_deref()).unwrap_or_default().to_owned();
    let searched = q.chars().filter(|c| c.is_alphanumeric()).count() >= 3;
    let (found, more) = if searched { people(&person, &q).await? } else { (Vec::new(), false) };
    let part = is_part(&headers);
    // Who is found alone is meant, once the search is sent and not only typed.
    if let ([one], false, false) = (&found[..], more, part) {
        return Ok(Redirect::to(&format!("/patients/{}", one.patient)).into_response());
    }
    let layout = Layout::of(&person, Part::Desk, Say::FindTitle.word(person.language)).await?;
    if part {
        return rendered(person.language, &Hits { layout, found, more, searched });
    }
    let digits = q.chars().any(|c| c.is_ascii_digit());
    rendered(person.language, &Page { layout, q, found, more, searched, digits, key: key() })
}
