//! What somebody said of us, written down by whoever heard it: a score, themes that they named, their own words.
//!
//! The form shows nothing of whom the person brought, and nothing of what others said.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;
use tact_words::Word;
use uuid::Uuid;

use super::figures::{Theme, themes};
use crate::clock;
use crate::failure::{Failure, Problem};
use crate::form::{Form, key};
use crate::layout::{Branch, Layout, Part};
use crate::pages::{after, back, rendered_as};
use crate::person::Person;
use crate::when::Wall;
use crate::words::feedback::Voice;
use crate::words::{self, Say};
use crate::wrong::Wrong;

/// The most visits to choose from.
const VISITS: usize = 8;

#[derive(Deserialize)]
pub(super) struct Wanted {
    patient: Option<Uuid>,
}

/// What was typed, as it is shown again.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed {
    key: String,
    patient: Option<Uuid>,
    /// The appointment that it is about.
    visit: String,
    branch: String,
    score: String,
    strengths: Vec<String>,
    weaknesses: Vec<String>,
    text: String,
    at: String,
}

impl From<Vec<(String, String)>> for Typed {
    fn from(pairs: Vec<(String, String)>) -> Self {
        let mut typed = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "key" => typed.key = value,
                "patient" => typed.patient = value.parse().ok(),
                "visit" => typed.visit = value,
                "branch" => typed.branch = value,
                "score" => typed.score = value,
                "strengths" => typed.strengths.push(value),
                "weaknesses" => typed.weaknesses.push(value),
                "text" => typed.text = value,
                "at" => typed.at = value,
                _ => {}
            }
        }
        typed
    }
}

/// A visit to choose.
#[derive(Debug, Clone)]
struct Visit {
    id: String,
    branch: SmolStr,
    clinician: Option<Uuid>,
    text: String,
}

#[derive(Template)]
#[template(path = "feedback_answer.html")]
struct Page {
    layout: Layout,
    name: Option<String>,
    typed: Typed,
    visits: Vec<Visit>,
    themes: Vec<Theme>,
    wrong: Option<Wrong>,
}

impl Page {
    fn t(&self, what: Voice) -> &'static str {
        what.word(self.layout.language)
    }

    fn bad(&self, field: &str) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.is_about(field))
    }

    fn name_of<'t>(&self, theme: &'t Theme) -> &'t str {
        theme.name(self.layout.language)
    }

    fn scores(&self) -> impl Iterator<Item = (String, bool)> + '_ {
        (0..=10).map(|score: u8| score.to_string()).map(|score| (score.clone(), score == self.typed.score))
    }

    fn is_ticked(&self, list: &[String], theme: &Theme) -> bool {
        list.iter().any(|code| *code == theme.code)
    }
}

pub(super) async fn page(person: Person, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    shown(&person, Typed { key: key(), patient: wanted.patient, ..Typed::default() }, None).await
}

/// The visits of a patient that somebody may speak of, the latest first.
async fn visits(person: &Person, patient: Uuid, branches: &[Branch]) -> Result<Vec<Visit>, Failure> {
    #[derive(Deserialize)]
    struct List {
        appointments: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        appointment: Uuid,
        branch: SmolStr,
        kind: SmolStr,
        starts_at: DateTime<Utc>,
        clinician: Option<Uuid>,
        status: String,
    }
    let list: List = person.get(&format!("/v1/patients/{patient}/appointments")).await?;
    let mut completed: Vec<One> = list.appointments.into_iter().filter(|one| one.status == "completed").collect();
    completed.sort_by_key(|one| std::cmp::Reverse(one.starts_at));
    let shown = completed.into_iter().filter_map(|one| {
        let branch = branches.iter().find(|branch| branch.branch == one.branch)?;
        let wall = Wall::new(person.language, &branch.time_zone, DateTime::UNIX_EPOCH);
        let day = wall.day(wall.date(one.starts_at));
        let text = format!("{}, {day}, {}", words::capital(words::kind_of(person.language, &one.kind)), branch.name);
        Some(Visit { id: one.appointment.to_string(), branch: one.branch, clinician: one.clinician, text })
    });
    Ok(shown.take(VISITS).collect())
}

async fn shown(person: &Person, mut typed: Typed, wrong: Option<Wrong>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct Shown {
        home_branch: Option<SmolStr>,
        person: Option<Details>,
    }
    #[derive(Deserialize)]
    struct Details {
        name: Option<String>,
    }
    let language = person.language;
    let layout = Layout::of(person, Part::Feedback, Voice::AnswerTitle.word(language)).await?;
    let (mut name, mut visits) = (None, Vec::new());
    if let Some(patient) = typed.patient {
        let known: Shown = person.get(&format!("/v1/patients/{patient}")).await?;
        name = Some(known.person.and_then(|details| details.name).unwrap_or_else(|| Say::NoName.word(language).to_owned()));
        visits = self::visits(person, patient, &layout.branches).await?;
        if typed.branch.is_empty() {
            typed.branch = known.home_branch.unwrap_or_default().into();
        }
    }
    let themes = if name.is_some() { themes(person).await? } else { Vec::new() };
    let status = wrong.as_ref().map(|wrong| wrong.status);
    rendered_as(language, &Page { layout, name, typed, visits, themes, wrong }, status)
}

pub(super) async fn send(person: Person, Form(pairs): Form<Vec<(String, String)>>) -> Result<Response, Failure> {
    let typed = Typed::from(pairs);
    let patient = typed.patient.ok_or(Failure::BadForm)?;
    match record(&person, patient, &typed).await {
        Ok(()) => Ok(back(&after(&person, &format!("/patients/{patient}"), &[], "feedback"))),
        Err(failure) => {
            let wrong = Wrong::of(person.language, failure)?;
            shown(&person, typed, Some(wrong)).await
        }
    }
}

async fn record(person: &Person, patient: Uuid, typed: &Typed) -> Result<(), Failure> {
    let branches = crate::layout::branches(person).await?;
    let visit = visits(person, patient, &branches).await?.into_iter().find(|visit| visit.id == typed.visit);
    let body = body(typed, visit.as_ref(), &branches)?;
    person.post(&format!("/v1/patients/{patient}/feedback"), &typed.key, &body).await?;
    Ok(())
}

/// What the API is told. A visit says the branch and the clinician; without one, the branch is chosen.
fn body(typed: &Typed, visit: Option<&Visit>, branches: &[Branch]) -> Result<Value, Failure> {
    let field = |name| Failure::Problem(Problem::of_field(name));
    let score: u8 = typed.score.parse().map_err(|_| field("score"))?;
    let code = visit.map_or(typed.branch.as_str(), |visit| visit.branch.as_str());
    let branch = branches.iter().find(|branch| branch.branch == code).ok_or_else(|| field("branch"))?;
    let mut body = json!({"branch": code, "score": score});
    if let Some(clinician) = visit.and_then(|visit| visit.clinician) {
        body["clinician"] = json!(clinician);
    }
    for (name, list) in [("strengths", &typed.strengths), ("weaknesses", &typed.weaknesses)] {
        if !list.is_empty() {
            body[name] = json!(list);
        }
    }
    if !typed.text.trim().is_empty() {
        body["text"] = json!(typed.text.trim());
    }
    if !typed.at.trim().is_empty() {
        let at = clock::typed(typed.at.trim(), &branch.time_zone).ok_or_else(|| field("time"))?;
        body["time"] = json!(at);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(form: &str) -> Typed {
        serde_urlencoded::from_str::<Vec<(String, String)>>(form).unwrap().into()
    }

    fn branches() -> Vec<Branch> {
        serde_json::from_value(json!([
            {"branch": "north", "name": "North", "time_zone": "Europe/Moscow"}, {"branch": "tomsk", "name": "Tomsk", "time_zone": "Asia/Tomsk"},
        ]))
        .unwrap()
    }

    #[test]
    fn what_is_ticked_is_what_the_api_is_told() {
        let form = "key=k&branch=tomsk&score=9&strengths=price&strengths=pain&weaknesses=price&text=+Good+&at=2026-03-02T14:05";
        let told = body(&typed(form), None, &branches()).unwrap();
        assert_eq!(
            told,
            json!({"branch": "tomsk", "score": 9, "strengths": ["price", "pain"], "weaknesses": ["price"], "text": "Good",
                "time": "2026-03-02T07:05:00Z"})
        );
        let clinician = Uuid::from_u128(7);
        let visit = Visit { id: "v".to_owned(), branch: "north".into(), clinician: Some(clinician), text: String::new() };
        let told = body(&typed("branch=tomsk&score=10&visit=v"), Some(&visit), &branches()).unwrap();
        assert_eq!(told, json!({"branch": "north", "score": 10, "clinician": clinician}), "a visit says where and by whom");
    }

    #[test]
    fn what_cannot_be_asked_is_named_by_its_field() {
        let field = |form: &str| match body(&typed(form), None, &branches()) {
            Err(Failure::Problem(problem)) => problem.field,
            other => panic!("{other:?}"),
        };
        for (form, name) in [
            ("branch=north", "score"),
            ("branch=north&score=ten", "score"),
            ("branch=south&score=1", "branch"),
            ("branch=north&score=1&at=yesterday", "time"),
        ] {
            assert_eq!(field(form).as_deref(), Some(name), "{form}");
        }
    }
}
