//! Patients found by who they are: an id in another system, or a part of the name or number.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_personal::Person;
use tact_personal::words::Sought;
use tact_service::app::{database, text};
use tact_service::{App, Caller, Page, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::alike::Known;

/// Whom to look for: an id in another system, words, or a text.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// Another system's name, with `value`.
    system: Option<String>,
    /// The id there.
    value: Option<String>,
    /// Beginnings of words of the name or mail address, in any case and with е for ё, or a run of digits of the number, its end as a rule: at
    /// least three letters or digits. Several words must all be found. Quick however many patients there are.
    #[param(example = "anna 4567")]
    q: Option<String>,
    /// A part of the name, the number or the mail address; at least three characters.
    text: Option<String>,
    /// Only those behind this patient, for the next page.
    after: Option<Uuid>,
    /// At most so many, 1 to 100; 20 if absent.
    limit: Option<u32>,
}

/// Those who were found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PatientsFound)]
pub(crate) struct Found {
    #[schema(value_type = Vec<Object>)]
    patients: Vec<Person>,
    /// The `after` of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Uuid>,
}

/// Find patients
///
/// Whoever was merged is found by what was known of them, and shown under the survivor's id.
#[utoipa::path(
    get, path = "/v1/patients", tag = "patient",
    params(Wanted),
    responses((status = 200, description = "What was asked for", body = Found), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn lookup(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Found>, Problem> {
    caller.may(Permission::SeePerson)?;
    let limit = wanted.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not between 1 and 100")));
    }
    let (patients, whole) = match (&wanted.system, &wanted.value, &wanted.text, &wanted.q) {
        (Some(system), Some(value), None, None) => {
            text("system", system, 100)?;
            text("value", value, 200)?;
            let found = app.personal.by_external_id(system, value).await.map_err(database)?;
            let person = match found {
                Some(patient) => app.personal.person(patient).await.map_err(database)?,
                None => None,
            };
            (person.into_iter().collect(), true)
        }
        (None, None, None, Some(words)) => {
            text("q", words, 100)?;
            let Some(sought) = Sought::read(words) else {
                return Err(Problem::field("q", "holds no word of three letters or digits, too little to find one person by"));
            };
            let found = app.personal.find(&sought, wanted.after.unwrap_or(Uuid::nil()), limit).await.map_err(database)?;
            let whole = found.len() < limit as usize;
            (found, whole)
        }
        (None, None, Some(words), None) => {
            text("text", words, 100)?;
            if words.trim().chars().count() < 3 {
                return Err(Problem::field("text", "has fewer than three characters, too little to find one person by"));
            }
            let found = app.personal.search(words, wanted.after.unwrap_or(Uuid::nil()), limit).await.map_err(database)?;
            let whole = found.len() < limit as usize;
            (found, whole)
        }
        _ => return Err(Problem::field("text", "name either `system` and `value`, or `q`, or `text`")),
    };
    let next = if whole { None } else { patients.last().map(|p: &Person| p.patient) };
    let known = Known::read(&app, patients.iter().map(|person| person.patient)).await?;
    // Also the records of those who go by another id now: what is shown may be theirs.
    let mut shown: Vec<Uuid> = patients.iter().map(|person| person.patient).collect();
    let patients = survivors(patients, &known);
    shown.extend(patients.iter().map(|person| person.patient));
    app.looked(&caller, &shown, Page::Search).await?;
    Ok(Json(Found { patients, next }))
}

/// Whoever was merged is found by what was known of them, under the id that they go by now; each once, by their own details if those were found.
fn survivors(found: Vec<Person>, known: &Known) -> Vec<Person> {
    let mut patients: Vec<Person> = Vec::with_capacity(found.len());
    let (own, merged): (Vec<Person>, Vec<Person>) =
        found.into_iter().partition(|person| known.survivor(person.patient).is_none_or(|(id, _)| id == person.patient));
    patients.extend(own);
    for person in merged {
        let Some((survivor, _)) = known.survivor(person.patient) else { continue };
        if patients.iter().all(|other| other.patient != survivor) {
            patients.push(Person { patient: survivor, ..person });
        }
    }
    patients
}
