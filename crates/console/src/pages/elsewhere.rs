//! Somebody needs what the network does not have: find who has it, book them in, call back once to say where to go, and expect nothing for it
//! (P11, P12). And whoever asks for a clinician who has left is told the new clinic, never a number of the clinician's own (P13).
//!
//! One page: what is needed, who has it, for whom, and what is under way with its next step. A stranger needs no card, and is forgotten.

mod found;
mod open;
mod steps;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use smol_str::SmolStr;
use tact_words::Word;
use uuid::Uuid;

use crate::Console;
use crate::api::query;
use crate::failure::Failure;
use crate::form::{key, said};
use crate::layout::{Branch, Layout, Part};
use crate::pages::rendered_as;
use crate::person::Person;
use crate::when::Wall;
use crate::words::Say;
use crate::words::elsewhere::Care;
use crate::words::feedback::Voice;
use crate::wrong::Wrong;

use found::Found;
use open::{Item, Step, Worklist};

/// What the network calls the one call back.
const CALL_BACK: &str = "care_referral_callback";
/// The most people who are shown as perhaps known already.
const ALIKE: usize = 3;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/elsewhere", get(page).post(steps::place))
        .route("/elsewhere/calls", post(steps::call))
        .route("/elsewhere/outcomes", post(steps::outcome))
        .route("/elsewhere/releases", post(steps::release))
        .route("/elsewhere/closings", post(steps::close))
        .route("/elsewhere/departures", post(steps::departed))
}

/// What the page is asked for: what stands in its address, or in a form that came back.
#[derive(Debug, Clone, Default, Deserialize)]
struct Asked {
    need: Option<String>,
    /// A place by its name.
    q: Option<String>,
    /// A place by its coordinates, a comma between, when one of several was chosen.
    at: Option<String>,
    branch: Option<String>,
    patient: Option<Uuid>,
    /// The referral that is to be arranged, if it is open already.
    referral: Option<Uuid>,
    clinician: Option<String>,
    /// People who are perhaps the same, with commas between.
    alike: Option<String>,
}

impl Asked {
    /// The page again, with some of it different.
    fn href(&self, patient: Option<Uuid>, at: Option<&str>) -> String {
        let (patient, referral) = (patient.map(|id| id.to_string()), self.referral.map(|id| id.to_string()));
        let all = [
            ("need", said(self.need.as_deref())),
            ("q", said(self.q.as_deref())),
            ("at", at),
            ("branch", said(self.branch.as_deref())),
            ("patient", patient.as_deref()),
            ("referral", referral.as_deref().filter(|_| patient.is_some())),
        ];
        let given: Vec<(&str, &str)> = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        query("/elsewhere", &given)
    }
}

/// What was typed of the person and the arrangement.
#[derive(Debug, Clone, Default)]
struct Typed {
    key: String,
    name: String,
    phone: String,
    provider: String,
    starts_at: String,
    /// Of the form for a clinician who has left.
    left_name: String,
    new_clinic: String,
    clinician: String,
}

/// Whom it is for, if we know them.
struct Known {
    id: Uuid,
    name: String,
}

/// A clinician who has left.
#[derive(Debug, Deserialize)]
struct Left {
    name: Option<String>,
    new_clinic: String,
}

#[derive(Template)]
#[template(path = "elsewhere.html")]
struct Page {
    layout: Layout,
    asked: Asked,
    typed: Typed,
    branch: Branch,
    known: Option<Known>,
    alike: Vec<(String, String)>,
    found: Found,
    /// What can be chosen among, by name.
    services: Vec<String>,
    items: Vec<Item>,
    more: bool,
    forgotten: Option<String>,
    kept: bool,
    left: Option<Vec<Left>>,
    /// Whether the person may enter a clinician who has left.
    manages: bool,
    wrong: Option<Wrong>,
}

impl Page {
    fn t(&self, what: Care) -> &'static str {
        what.word(self.layout.language)
    }

    fn bad(&self, field: &str) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.is_about(field))
    }

    /// Whether what is wrong is of the form for a clinician who has left.
    fn wrong_below(&self) -> bool {
        self.wrong.is_some() && !self.typed.new_clinic.is_empty()
    }

    fn is_chosen(&self, provider: &str, first: bool) -> bool {
        if self.typed.provider.is_empty() { first } else { self.typed.provider == provider }
    }
}

async fn page(person: Person, Query(asked): Query<Asked>) -> Result<Response, Failure> {
    shown(&person, asked, Typed { key: key(), ..Typed::default() }, None).await
}

/// Who a patient is, as far as this page needs it.
#[derive(Debug, Deserialize)]
struct Shown {
    home_branch: Option<SmolStr>,
    person: Option<Details>,
}

#[derive(Debug, Deserialize)]
struct Details {
    name: Option<String>,
    phone: Option<String>,
}

impl Shown {
    fn name(&self, person: &Person) -> String {
        let details = self.person.as_ref();
        let named = details.and_then(|details| details.name.clone().or_else(|| details.phone.clone()));
        named.unwrap_or_else(|| Say::NoName.word(person.language).to_owned())
    }
}

/// The branch from whose desk one looks: the one asked for, else the patient's own, else the first that the person may sit at.
fn desk(layout: &Layout, asked: Option<&str>, home: Option<&str>) -> Option<Branch> {
    let of = |code: Option<&str>| layout.branches.iter().find(|branch| Some(branch.branch.as_str()) == code);
    of(said(asked)).or_else(|| of(home)).or_else(|| layout.branches.first()).cloned()
}

async fn shown(person: &Person, asked: Asked, typed: Typed, wrong: Option<Wrong>) -> Result<Response, Failure> {
    let language = person.language;
    let layout = Layout::of(person, Part::Elsewhere, Care::Title.word(language)).await?;
    let patient: Option<Shown> = match asked.patient {
        Some(id) => Some(person.get(&format!("/v1/patients/{id}")).await?),
        None => None,
    };
    let home = patient.as_ref().and_then(|shown| shown.home_branch.as_deref());
    let Some(branch) = desk(&layout, asked.branch.as_deref(), home) else {
        return Ok(Redirect::to("/desk").into_response());
    };
    let list = query(&format!("/v1/branches/{}/worklist", branch.branch), &[("purpose", CALL_BACK), ("limit", "200")]);
    let worklist: Worklist = person.get(&list).await?;
    let wall = Wall::new(language, &branch.time_zone, worklist.now);
    let place = branch.place;
    let (found, mistaken) = found::search(person, &asked, &wall, &layout.all, place).await?;
    let wrong = wrong.or(mistaken);
    let known = patient.as_ref().zip(asked.patient).map(|(shown, id)| Known { id, name: shown.name(person) });
    let under_way = match (&known, &patient) {
        (Some(known), Some(shown)) => {
            let phone = shown.person.as_ref().and_then(|details| details.phone.clone());
            open::of_patient(person, known, phone, &branch, &wall, worklist, place).await?
        }
        _ => open::of_branch(person, &branch, &wall, worklist).await?,
    };
    let left = match said(asked.clinician.as_deref()) {
        Some(sought) => Some(departed(person, sought).await?),
        None => None,
    };
    let page = Page {
        services: found::names(language, &found.offered),
        alike: alike(person, &asked).await?,
        layout,
        asked,
        typed,
        branch,
        known,
        found,
        items: under_way.items,
        more: under_way.more,
        forgotten: under_way.forgotten,
        kept: under_way.kept,
        left,
        manages: person.is(&["network_manager"]),
        wrong,
    };
    rendered_as(language, &page, page.wrong.as_ref().map(|wrong| wrong.status))
}

/// Clinicians who have left, by name.
async fn departed(person: &Person, sought: &str) -> Result<Vec<Left>, Failure> {
    #[derive(Deserialize)]
    struct List {
        clinicians: Vec<Left>,
    }
    // What holds no word finds nobody.
    if !sought.chars().any(char::is_alphanumeric) {
        return Ok(Vec::new());
    }
    let sought: String = sought.chars().take(100).collect();
    Ok(person.get::<List>(&query("/v1/clinicians/departed", &[("q", &sought), ("limit", "20")])).await?.clinicians)
}

/// People who are perhaps the same as somebody who has just been written down: a link to carry on with each, and the name.
async fn alike(person: &Person, asked: &Asked) -> Result<Vec<(String, String)>, Failure> {
    let ids = asked.alike.as_deref().unwrap_or_default().split(',').filter_map(|id| id.parse::<Uuid>().ok());
    let mut known = Vec::new();
    for id in ids.take(ALIKE) {
        if let Some(shown) = person.find::<Shown>(&format!("/v1/patients/{id}")).await? {
            let again = Asked { referral: None, ..asked.clone() };
            known.push((again.href(Some(id), None), shown.name(person)));
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_what_it_was_asked_for() {
        let asked: Asked =
            serde_urlencoded::from_str("need=%D1%80%D0%B5%D0%BD%D1%82%D0%B3%D0%B5%D0%BD&q=&branch=north&at=1,2").unwrap();
        assert_eq!(asked.href(None, None), "/elsewhere?need=%D1%80%D0%B5%D0%BD%D1%82%D0%B3%D0%B5%D0%BD&branch=north");
        let (patient, referral) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let asked = Asked { referral: Some(referral), ..Asked::default() };
        assert_eq!(asked.href(None, None), "/elsewhere", "a referral is somebody's");
        assert_eq!(
            asked.href(Some(patient), Some("55.75,37.6")),
            format!("/elsewhere?at=55.75%2C37.6&patient={patient}&referral={referral}")
        );
    }
}
