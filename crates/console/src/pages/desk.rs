//! The morning of an administrator: the worklist of a branch. Who is to be told before they leave, whom to call now, whom later today, whom not
//! to call and why not, and what is done.
//!
//! Nothing on it asks to call more: it shows what is owed, and a call that need not be made is gone from it.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;
use tact_words::{Language, Word};
use uuid::Uuid;

use crate::Console;
use crate::api::query;
use crate::failure::{Failure, is_part};
use crate::form::{Form, key, said};
use crate::layout::{Branch, Layout, Part};
use crate::pages::{after, back, dial, ours, rendered};
use crate::person::Person;
use crate::when::Wall;
use crate::words::{self, Say};

pub(crate) mod list;

use list::Lists;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/desk", get(own))
        .route("/desk/{branch}", get(page))
        .route("/desk/{branch}/permits", post(take))
        .route("/desk/{branch}/outcomes", post(outcome))
        .route("/desk/{branch}/releases", post(release))
        .route("/desk/{branch}/announcements", post(announce))
        .route("/live", get(crate::pages::desk::live::follow))
}

pub(crate) mod live;

/// The desk of somebody's own branch: the first that they may sit at.
async fn own(person: Person) -> Result<Response, Failure> {
    let layout = Layout::of(&person, Part::Desk, "").await?;
    match layout.branches.first() {
        Some(branch) => Ok(Redirect::to(&format!("/desk/{}", branch.branch)).into_response()),
        None => {
            let layout = Layout { title: Say::NavDesk.word(person.language).to_owned(), ..layout };
            rendered(person.language, &NoBranch { layout })
        }
    }
}

#[derive(Template)]
#[template(path = "no_branch.html")]
struct NoBranch {
    layout: Layout,
}

#[derive(Template)]
#[template(path = "desk.html")]
struct Desk {
    layout: Layout,
    branch: Branch,
    lists: Lists,
}

/// The lists alone, for the script that keeps a page true.
#[derive(Template)]
#[template(path = "desk_lists.html")]
struct DeskLists {
    layout: Layout,
    branch: Branch,
    lists: Lists,
}

async fn page(person: Person, Path(code): Path<SmolStr>, headers: HeaderMap) -> Result<Response, Failure> {
    shown(&person, &code, is_part(&headers)).await
}

async fn shown(person: &Person, code: &str, part: bool) -> Result<Response, Failure> {
    let mut layout = Layout::of(person, Part::Desk, "").await?;
    let branch = layout.branch(code).cloned().ok_or(Failure::NoPage)?;
    layout.title = format!("{}: {}", Say::DeskTitle.word(person.language), branch.name);
    let lists = list::of(person, &branch).await?;
    if part {
        return rendered(person.language, &DeskLists { layout, branch, lists });
    }
    rendered(person.language, &Desk { layout, branch, lists })
}

/// What every form of an entry names.
#[derive(Debug, Deserialize)]
struct Entry {
    key: String,
    patient: Uuid,
    purpose: String,
    about: Option<Uuid>,
    channel: String,
    /// Others whom one contact covers too, with commas between.
    #[serde(default)]
    together: String,
    /// Where to go afterwards.
    back: Option<String>,
}

#[derive(Deserialize)]
struct Answered {
    decision: String,
    permit: Option<Uuid>,
}

fn others(list: &str) -> impl Iterator<Item = Uuid> + '_ {
    list.split(',').filter_map(|id| id.trim().parse().ok())
}

/// After a form: the page again, and where on it.
fn done(person: &Person, back_to: Option<&str>, branch: &str, what: &str, patient: Uuid) -> Response {
    let path = back_to.map(ours).map_or_else(|| format!("/desk/{branch}"), ToOwned::to_owned);
    let path = path.split(['?', '#']).next().unwrap_or("/");
    back(&format!("{}#p-{patient}", after(person, path, &[], what)))
}

async fn take(person: Person, Path(code): Path<SmolStr>, Form(entry): Form<Entry>) -> Result<Response, Failure> {
    let mut ask = json!({"purpose": entry.purpose, "channel": entry.channel, "branch": code});
    if let Some(about) = entry.about {
        ask["about"] = json!(about);
    }
    let answer = person.post(&format!("/v1/patients/{}/permits", entry.patient), &entry.key, &ask).await?;
    let answered: Answered = serde_json::from_value(answer).map_err(|_| Failure::Ours)?;
    let Some(permit) = answered.permit.filter(|_| answered.decision == "permitted") else {
        return Ok(done(&person, entry.back.as_deref(), &code, "refused", entry.patient));
    };
    // One call for all of one family: whoever else is owed the same today. Who is refused is simply not among them.
    for other in others(&entry.together) {
        let ask = json!({"purpose": entry.purpose, "channel": entry.channel, "branch": code, "with": permit});
        match person.post(&format!("/v1/patients/{other}/permits"), &format!("{}-{other}", entry.key), &ask).await {
            Ok(_) | Err(Failure::Problem(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(done(&person, entry.back.as_deref(), &code, "permitted", entry.patient))
}

#[derive(Debug, Deserialize)]
struct Ended {
    #[serde(flatten)]
    entry: Entry,
    permit: Option<Uuid>,
    outcome: String,
    #[serde(default)]
    note: String,
    /// Permits of others that the same call used: patient and permit, a colon between, with commas.
    #[serde(default)]
    also: String,
}

async fn outcome(person: Person, Path(code): Path<SmolStr>, Form(ended): Form<Ended>) -> Result<Response, Failure> {
    let Ended { entry, .. } = &ended;
    let contact = |permit: Option<Uuid>, about: Option<Uuid>, contact: Option<&Value>, note: Option<&str>| {
        let mut body = json!({"direction": "outbound", "purpose": entry.purpose, "channel": entry.channel, "branch": code, "outcome": ended.outcome});
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[name] = value;
            }
        };
        put("permit", permit.map(|id| json!(id)));
        put("about", about.map(|id| json!(id)));
        put("contact", contact.cloned());
        put("note", note.map(|note| json!(note)));
        body
    };
    let first = contact(ended.permit, entry.about, None, said(Some(&ended.note)));
    let made = person.post(&format!("/v1/patients/{}/contacts", entry.patient), &entry.key, &first).await?;
    for (other, permit) in ended.also.split(',').filter_map(|pair| pair.split_once(':')) {
        let (Ok(other), Ok(permit)) = (other.parse::<Uuid>(), permit.parse::<Uuid>()) else { continue };
        let same = contact(Some(permit), None, made.get("contact"), None);
        person.post(&format!("/v1/patients/{other}/contacts"), &format!("{}-{other}", entry.key), &same).await?;
    }
    Ok(done(&person, entry.back.as_deref(), &code, "contact", entry.patient))
}

#[derive(Debug, Deserialize)]
struct Unused {
    key: String,
    patient: Uuid,
    permit: Uuid,
    back: Option<String>,
}

async fn release(person: Person, Path(code): Path<SmolStr>, Form(unused): Form<Unused>) -> Result<Response, Failure> {
    let what = given_back(&person, &unused.key, unused.patient, unused.permit).await?;
    Ok(done(&person, unused.back.as_deref(), &code, what, unused.patient))
}

/// Gives a permit back, and says what the page then says. One that has expired, or under which a contact has begun, is not given back: that is
/// said, and it is no failure.
pub(crate) async fn given_back(person: &Person, key: &str, patient: Uuid, permit: Uuid) -> Result<&'static str, Failure> {
    match person.post(&format!("/v1/patients/{patient}/permits/{permit}/release"), key, &json!({})).await {
        Ok(_) => Ok("released"),
        Err(Failure::Problem(problem)) if problem.kind() == "untrue" && problem.field.as_deref() == Some("permit") => {
            Ok("ended-already")
        }
        Err(failure) => Err(failure),
    }
}

#[derive(Debug, Deserialize)]
struct Announced {
    key: String,
    patient: Uuid,
    purpose: String,
    about: Option<Uuid>,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    back: Option<String>,
}

async fn announce(person: Person, Path(code): Path<SmolStr>, Form(told): Form<Announced>) -> Result<Response, Failure> {
    let mut body = json!({"purpose": told.purpose, "window": {"from": told.from, "until": told.until}});
    if let Some(about) = told.about {
        body["about"] = json!(about);
    }
    person.post(&format!("/v1/patients/{}/announcements", told.patient), &told.key, &body).await?;
    Ok(done(&person, told.back.as_deref(), &code, "announced", told.patient))
}
