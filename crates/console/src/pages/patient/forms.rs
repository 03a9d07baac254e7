//! The forms of a patient's page: each becomes one command of the API, under the key that the form was made with.

use axum::extract::Path;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::clock;
use crate::failure::{Failure, Problem};
use crate::form::{Form, said};
use crate::layout::branches;
use crate::pages::{after, back};
use crate::person::Person;

fn done(person: &Person, patient: Uuid, what: &str) -> Response {
    back(&after(person, &format!("/patients/{patient}"), &[], what))
}

/// A problem with a field that the API was not asked about.
fn field(name: &str) -> Failure {
    Failure::Problem(Problem::of_field(name))
}

#[derive(Deserialize)]
pub(super) struct NewPerson {
    key: String,
    name: Option<String>,
    phone: Option<String>,
    birth_date: Option<String>,
    branch: String,
}

pub(super) async fn register(person: Person, Form(new): Form<NewPerson>) -> Result<Response, Failure> {
    let mut details = serde_json::Map::new();
    for (name, value) in [("name", &new.name), ("phone", &new.phone), ("birth_date", &new.birth_date)] {
        if let Some(value) = said(value.as_deref()) {
            details.insert(name.to_owned(), json!(value));
        }
    }
    let body = json!({"home_branch": new.branch, "person": details, "language": person.language.tag()});
    let registered = person.post("/v1/patients", &new.key, &body).await?;
    let id: Uuid = registered["patient"].as_str().and_then(|id| id.parse().ok()).ok_or(Failure::Ours)?;
    Ok(done(&person, id, "registered"))
}

#[derive(Deserialize)]
pub(super) struct Wish {
    key: String,
    reach: String,
}

pub(super) async fn wish(person: Person, Path(id): Path<Uuid>, Form(wish): Form<Wish>) -> Result<Response, Failure> {
    person.post(&format!("/v1/patients/{id}/preferences"), &wish.key, &json!({"reach": wish.reach})).await?;
    Ok(done(&person, id, if wish.reach == "patient_initiated" { "left-alone" } else { "reachable" }))
}

#[derive(Deserialize)]
pub(super) struct Consent {
    key: String,
    purpose: String,
    /// A box for each channel: ticked, if it is there.
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    sms: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    messenger: Option<String>,
    #[serde(default)]
    letter: Option<String>,
    document: String,
}

pub(super) async fn consent(person: Person, Path(id): Path<Uuid>, Form(consent): Form<Consent>) -> Result<Response, Failure> {
    let ticked = [
        ("phone", &consent.phone),
        ("sms", &consent.sms),
        ("email", &consent.email),
        ("messenger", &consent.messenger),
        ("letter", &consent.letter),
    ];
    let channels: Vec<&str> = ticked.iter().filter(|(_, ticked)| ticked.is_some()).map(|(name, _)| *name).collect();
    if channels.is_empty() {
        return Err(field("channel"));
    }
    let document = said(Some(&consent.document)).ok_or_else(|| field("document"))?;
    let body = json!({"purpose": consent.purpose, "channels": channels, "evidence": {"method": "paper", "document": document}});
    person.post(&format!("/v1/patients/{id}/consents"), &consent.key, &body).await?;
    Ok(done(&person, id, "consent"))
}

#[derive(Deserialize)]
pub(super) struct Withdrawal {
    key: String,
    purpose: String,
}

pub(super) async fn withdraw(person: Person, Path(id): Path<Uuid>, Form(form): Form<Withdrawal>) -> Result<Response, Failure> {
    person.post(&format!("/v1/patients/{id}/consent-withdrawals"), &form.key, &json!({"purpose": form.purpose})).await?;
    Ok(done(&person, id, "withdrawn"))
}

#[derive(Deserialize)]
pub(super) struct CallMe {
    key: String,
    channel: String,
}

pub(super) async fn call_me(person: Person, Path(id): Path<Uuid>, Form(form): Form<CallMe>) -> Result<Response, Failure> {
    person.post(&format!("/v1/patients/{id}/requests"), &form.key, &json!({"channel": form.channel})).await?;
    Ok(done(&person, id, "request"))
}

#[derive(Deserialize)]
pub(super) struct Contact {
    key: String,
    branch: String,
    direction: String,
    purpose: String,
    channel: String,
    outcome: String,
    note: Option<String>,
}

pub(super) async fn contact(person: Person, Path(id): Path<Uuid>, Form(form): Form<Contact>) -> Result<Response, Failure> {
    let mut body = json!({"direction": form.direction, "purpose": form.purpose, "channel": form.channel, "branch": form.branch, "outcome": form.outcome});
    if let Some(note) = said(form.note.as_deref()) {
        body["note"] = json!(note);
    }
    person.post(&format!("/v1/patients/{id}/contacts"), &form.key, &body).await?;
    Ok(done(&person, id, "contact"))
}

#[derive(Deserialize)]
pub(super) struct Mention {
    key: String,
    branch: String,
    purpose: String,
    about: Uuid,
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

/// Said to the patient who is here: an announcement of what is to come, or the contact itself, in person.
pub(super) async fn mention(person: Person, Path(id): Path<Uuid>, Form(form): Form<Mention>) -> Result<Response, Failure> {
    let path = format!("/v1/patients/{id}");
    if let (Some(from), Some(until)) = (form.from, form.until) {
        let body = json!({"purpose": form.purpose, "about": form.about, "window": {"from": from, "until": until}});
        person.post(&format!("{path}/announcements"), &form.key, &body).await?;
        return Ok(done(&person, id, "announced"));
    }
    let ask = json!({"purpose": form.purpose, "about": form.about, "channel": "in_person", "branch": form.branch});
    let answer = person.post(&format!("{path}/permits"), &form.key, &ask).await?;
    if answer["decision"] != "permitted" {
        return Ok(done(&person, id, "refused"));
    }
    let made = json!({"direction": "outbound", "purpose": form.purpose, "about": form.about, "channel": "in_person",
        "branch": form.branch, "outcome": "reached", "permit": answer["permit"]});
    person.post(&format!("{path}/contacts"), &format!("{}-made", form.key), &made).await?;
    Ok(done(&person, id, "contact"))
}

#[derive(Deserialize)]
pub(super) struct Booking {
    key: String,
    branch: String,
    kind: String,
    /// By the branch's clock, as a browser's field for date and time gives it.
    starts_at: String,
}

pub(super) async fn book(person: Person, Path(id): Path<Uuid>, Form(form): Form<Booking>) -> Result<Response, Failure> {
    let branches = branches(&person).await?;
    let branch = branches.iter().find(|branch| branch.branch == form.branch).ok_or_else(|| field("branch"))?;
    let starts_at = clock::typed(&form.starts_at, &branch.time_zone).ok_or_else(|| field("starts_at"))?;
    let body = json!({"branch": form.branch, "kind": form.kind, "starts_at": starts_at});
    person.post(&format!("/v1/patients/{id}/appointments"), &form.key, &body).await?;
    Ok(done(&person, id, "booked"))
}

#[derive(Deserialize)]
pub(super) struct AppointmentWas {
    key: String,
    what: String,
}

pub(super) async fn appointment(
    person: Person,
    Path((id, appointment)): Path<(Uuid, Uuid)>,
    Form(form): Form<AppointmentWas>,
) -> Result<Response, Failure> {
    let (way, body, said): (&str, Value, &str) = match form.what.as_str() {
        "completed" => ("completion", json!({}), "completed"),
        "missed" => ("miss", json!({}), "missed"),
        "patient" | "clinic" => ("cancellation", json!({"by": form.what}), "cancelled"),
        _ => return Err(Failure::BadForm),
    };
    person.post(&format!("/v1/patients/{id}/appointments/{appointment}/{way}"), &form.key, &body).await?;
    Ok(done(&person, id, said))
}
