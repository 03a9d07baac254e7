//! A patient's page: what may be done now and what not, what to mention while they are here, how often we have been in touch, and everything that
//! happened, in sentences.

mod forms;
mod parts;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use smol_str::SmolStr;
use tact_words::Word;
use uuid::Uuid;

use crate::Console;
use crate::api::query;
use crate::failure::Failure;
use crate::form::key;
use crate::layout::{Branch, Layout, Part};
use crate::pages::desk::list::{id_of, staff};
use crate::pages::{dial, rendered};
use crate::person::Person;
use crate::when::Wall;
use crate::words::elsewhere::Care;
use crate::words::feedback::Voice;
use crate::words::{self, Say, Told};

use parts::{Appointment, ConsentLine, Gauge, Mention, Possible};

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/patients", post(forms::register))
        .route("/patients/{patient}", get(page))
        .route("/patients/{patient}/wishes", post(forms::wish))
        .route("/patients/{patient}/consents", post(forms::consent))
        .route("/patients/{patient}/withdrawals", post(forms::withdraw))
        .route("/patients/{patient}/requests", post(forms::call_me))
        .route("/patients/{patient}/contacts", post(forms::contact))
        .route("/patients/{patient}/mentions", post(forms::mention))
        .route("/patients/{patient}/appointments", post(forms::book))
        .route("/patients/{patient}/appointments/{appointment}", post(forms::appointment))
}

/// Who a patient is.
#[derive(Debug, Deserialize)]
struct Shown {
    standing: Value,
    home_branch: Option<SmolStr>,
    time_zone: String,
    preferences: Value,
    person: Option<Details>,
    #[serde(default)]
    external_ids: Vec<ExternalId>,
    set_aside: Option<String>,
}

#[derive(Debug, Deserialize, Default)]
struct Details {
    name: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    birth_date: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ExternalId {
    system: String,
    value: String,
}

#[derive(Debug, Deserialize)]
struct History {
    events: Vec<Step>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Step {
    #[serde(rename = "type")]
    kind: String,
    time: DateTime<Utc>,
    actor: Option<String>,
    branch: Option<SmolStr>,
    data: Value,
    words: Option<String>,
    breach: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Looks {
    looks: Vec<Look>,
}

#[derive(Debug, Deserialize)]
struct Look {
    label: Option<String>,
    at: DateTime<Utc>,
}

/// An entry of the timeline as it is laid out.
struct Entry {
    when: String,
    machine: String,
    told: Told,
    who: String,
    words: Option<String>,
    breach: bool,
}

#[derive(Template)]
#[template(path = "patient.html")]
struct Page {
    layout: Layout,
    id: Uuid,
    key: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    dial: Option<String>,
    phone: Option<String>,
    notice: Option<String>,
    left_alone: bool,
    their_time: Option<String>,
    branch: Option<Branch>,
    possible: Vec<Possible>,
    impossible: Vec<Possible>,
    mentions: Vec<Mention>,
    gauges: Vec<Gauge>,
    consents: Vec<ConsentLine>,
    purposes: Vec<(String, String)>,
    channels: Vec<(&'static str, &'static str)>,
    appointments: Vec<Appointment>,
    kinds: Vec<(&'static str, &'static str)>,
    entries: Vec<Entry>,
    earlier: bool,
    looks: Vec<(String, String)>,
}

/// The most events that a page tells; the rest are in the export.
const MOST: usize = 1000;

async fn page(person: Person, Path(id): Path<Uuid>) -> Result<Response, Failure> {
    let language = person.language;
    let path = format!("/v1/patients/{id}");
    let layout = Layout::of(&person, Part::Desk, "").await?;
    let named = |code: &str| layout.name_of(code);
    let history: History = person.get(&format!("{path}/history?limit={MOST}")).await?;
    let shown: Option<Shown> = if person.has_desk() { Some(person.get(&path).await?) } else { None };
    let home = shown.as_ref().and_then(|shown| shown.home_branch.clone());
    let branch = layout.branches.iter().find(|b| Some(&b.branch) == home.as_ref()).or(layout.branches.first()).cloned();
    let standing = shown.as_ref().map_or("open", |shown| parts::standing(&shown.standing));
    let open = standing == "open" && shown.as_ref().is_some_and(|shown| shown.set_aside.is_none());
    let desk = branch.clone().filter(|_| open && person.has_desk());
    let parts = parts::of(&person, id, desk.as_ref()).await?;
    let zone = shown.as_ref().map_or("UTC", |shown| shown.time_zone.as_str());
    let now = parts.now.or(history.events.last().map(|step| step.time)).unwrap_or_default();
    let wall = Wall::new(language, zone, now);
    let who = staff(&person, history.events.iter().filter_map(|step| step.actor.as_deref())).await?;
    let mut entries: Vec<Entry> = history
        .events
        .iter()
        .map(|step| {
            let told = words::told(&wall, &step.kind, &step.data, &named);
            let actor = step.actor.as_deref();
            let by = actor.and_then(id_of).and_then(|id| who.get(&id.to_string()).cloned());
            let at = step.branch.as_deref().map(&named);
            Entry {
                when: wall.moment(step.time),
                machine: wall.machine(step.time),
                told,
                who: [by, at].into_iter().flatten().collect::<Vec<_>>().join(", "),
                words: step.words.clone(),
                breach: step.breach == Some(true),
            }
        })
        .collect();
    entries.reverse();
    let details = shown.as_ref().and_then(|shown| shown.person.as_ref());
    let own_id = shown.as_ref().and_then(|shown| shown.external_ids.first()).map(|id| format!("{}: {}", id.system, id.value));
    let name = details.and_then(|details| details.name.clone()).or(own_id);
    let name = name.unwrap_or_else(|| if person.has_desk() { Say::NoName.word(language).to_owned() } else { id.to_string() });
    let phone = details.and_then(|details| details.phone.clone());
    let fact = |label: Say, value: Option<String>| value.map(|value| (label.word(language), value));
    let facts = [
        fact(Say::BirthDate, details.and_then(|d| d.birth_date.clone())),
        fact(Say::Email, details.and_then(|d| d.email.clone())),
        fact(Say::Branch, home.as_deref().map(&named)),
    ];
    let notice = match standing {
        "died" => Some(Say::StandingDied),
        "erased" => Some(Say::StandingErased),
        "merged" => Some(Say::StandingMerged),
        _ if shown.as_ref().is_some_and(|shown| shown.set_aside.is_some()) => Some(Say::SetAside),
        _ => None,
    };
    let looks: Option<Looks> = if person.is(&["network_manager", "regulator"]) {
        person.find(&query(&format!("{path}/looks"), &[("limit", "50")])).await?
    } else {
        None
    };
    let looks = looks.map(|looks| looks.looks).unwrap_or_default().into_iter();
    let looks = looks.map(|look| (wall.moment(look.at), look.label.unwrap_or_default())).collect();
    let left_alone = shown.as_ref().is_some_and(|shown| parts::left_alone(&shown.preferences));
    let elsewhere = branch.as_ref().is_some_and(|branch| branch.time_zone != zone);
    let page = Page {
        layout: Layout { title: name.clone(), ..layout },
        id,
        key: key(),
        facts: facts.into_iter().flatten().collect(),
        dial: phone.as_deref().map(dial),
        phone,
        name,
        notice: notice.map(|say| say.word(language).to_owned()),
        left_alone,
        their_time: elsewhere.then(|| wall.time(now)),
        branch: desk,
        possible: parts.possible,
        impossible: parts.impossible,
        mentions: parts.mentions,
        gauges: parts.gauges,
        consents: parts.consents,
        purposes: parts.consent_purposes,
        channels: parts::channels(language),
        appointments: parts.appointments,
        kinds: parts::kinds(language),
        entries,
        earlier: history.next.is_some(),
        looks,
    };
    rendered(language, &page)
}
