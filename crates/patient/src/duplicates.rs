//! Patients who are likely to be one person, for somebody to look at. It never merges, and shows evidence by its kind only.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use tact_domain::Branch;
use tact_domain::patient::State as Patient;
use tact_domain::patient::state::Standing;
use tact_personal::likeness::Pair;
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::{App, Caller, Page, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::alike::{Known, is_dismissed};

/// How many records are looked at in one go, and at most for one page.
const RECORDS: u32 = 1000;
const MOST_RECORDS: u32 = 20_000;

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Only pairs of which one has this home branch; absent: those of every branch in the caller's scope.
    #[param(value_type = Option<String>)]
    branch: Option<Branch>,
    /// The page's `next` of the answer before; absent: from the first.
    after: Option<String>,
    /// How many pairs at most, from 1 to 200; absent: 50.
    limit: Option<usize>,
    /// The position that the answer must have come to; also as the header `Tact-At-Least`.
    at_least: Option<String>,
}

/// A page of pairs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Duplicates {
    /// By id, not by how likely they are.
    pairs: Vec<DuplicatePair>,
    /// The `after` of the next page; absent when there is none. A page may have fewer pairs than asked for, or none, and still a next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Two patients who are likely to be one person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DuplicatePair {
    /// Two of them.
    patients: Vec<DuplicatePatient>,
    /// From 60, from which on a pair is likely, to 100.
    #[schema(minimum = 60, maximum = 100, example = 75)]
    score: u32,
    /// `likely`, or `very_likely` from 90 on.
    #[schema(example = "likely")]
    likelihood: &'static str,
    /// What speaks for it and against it.
    reasons: Vec<DuplicateReason>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DuplicatePatient {
    patient: Uuid,
    /// `open` or `died`.
    #[schema(example = "open")]
    standing: &'static str,
    /// The branch that looks after the person.
    #[schema(value_type = Option<String>, example = "north")]
    home_branch: Option<Branch>,
    /// The name, for callers who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Anna Example")]
    name: Option<String>,
    /// Whose details are alike, if not the patient's own: somebody who was merged into this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<Uuid>,
}

/// A piece of evidence.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DuplicateReason {
    /// Which: a name, number or date of birth that is the same, near or different, or ids in one other system that differ.
    #[schema(example = "name_same")]
    evidence: &'static str,
    /// The points that it adds or takes.
    #[schema(minimum = -60, maximum = 45, example = 40)]
    points: i32,
}

/// See who may be one person
#[utoipa::path(
    get, path = "/v1/duplicates", tag = "patient", params(Which),
    responses((status = 200, description = "What was asked for", body = Duplicates), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Which>,
) -> Result<Json<Duplicates>, Problem> {
    caller.may(Permission::Merge)?;
    if let Some(branch) = &query.branch {
        caller.at(branch)?;
        app.branch("branch", branch).await?;
    }
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::malformed(format!("query: `limit`: {limit} is not from 1 to 200")).with("field", "limit"));
    }
    let after = query.after.as_deref().map(read_cursor).transpose()?;
    app.caught_up(at_least(query.at_least.as_deref(), &headers)?).await?;
    let shown = |patient: &Patient| match (&query.branch, &patient.home_branch) {
        (Some(branch), home) => home.as_ref() == Some(branch),
        (None, Some(home)) => caller.covers(home),
        (None, None) => caller.covers_all(),
    };
    let (mut pairs, mut next) = (Vec::new(), None);
    let (mut from, mut looked_at) = (after.map_or(Uuid::nil(), |(one, _)| one), 0);
    'records: loop {
        let (candidates, go_on) = app.personal.alike(from, RECORDS).await.map_err(database)?;
        let likely = app.personal.likely(&candidates).await.map_err(database)?;
        let known = Known::read(&app, likely.iter().flat_map(|pair| [pair.one, pair.other])).await?;
        let all: Vec<Uuid> = known.all(&likely);
        let dismissed = app.personal.dismissed(&all).await.map_err(database)?;
        let mut last = after;
        for pair in likely.iter().filter(|pair| after.is_none_or(|after| (pair.one, pair.other) > after)) {
            let Some(patients) = known.pair(pair) else { continue };
            let ids = patients.map(|(id, _)| id);
            if is_dismissed(&dismissed, pair, ids) || !patients.iter().any(|(_, state)| shown(state)) {
                continue;
            }
            if pairs.len() == limit {
                next = last.map(write_cursor);
                break 'records;
            }
            last = Some((pair.one, pair.other));
            // Found by their own details and by those of somebody merged: one pair all the same.
            if !pairs.iter().any(|(known, _): &([Uuid; 2], DuplicatePair)| *known == ids) {
                pairs.push((ids, seen(pair, patients)));
            }
        }
        looked_at += RECORDS;
        match go_on {
            None => break,
            Some(on) if looked_at >= MOST_RECORDS => {
                // Enough work for one request: the page is short, and goes on where it stopped.
                next = Some(write_cursor((on, Uuid::nil())));
                break;
            }
            Some(on) => from = on,
        }
    }
    let mut pairs: Vec<DuplicatePair> = pairs.into_iter().map(|(_, pair)| pair).collect();
    name(&app, &caller, &mut pairs).await?;
    Ok(Json(Duplicates { pairs, next }))
}

fn seen(pair: &Pair, patients: [(Uuid, &Patient); 2]) -> DuplicatePair {
    let records = [pair.one, pair.other];
    let patient = |((patient, state), record): ((Uuid, &Patient), Uuid)| DuplicatePatient {
        patient,
        standing: if state.standing == Standing::Died { "died" } else { "open" },
        home_branch: state.home_branch.clone(),
        name: None,
        record: (record != patient).then_some(record),
    };
    let reason = |evidence: &tact_likeness::Evidence| DuplicateReason { evidence: evidence.as_str(), points: evidence.points() };
    DuplicatePair {
        patients: patients.into_iter().zip(records).map(patient).collect(),
        score: pair.likeness.score,
        likelihood: if pair.likeness.score >= tact_likeness::VERY_LIKELY { "very_likely" } else { "likely" },
        reasons: pair.likeness.evidence.iter().map(reason).collect(),
    }
}

/// Adds the names, from the personal data.
async fn name(app: &App, caller: &Caller, pairs: &mut [DuplicatePair]) -> Result<(), Problem> {
    if !caller.has(Permission::SeePerson) {
        return Ok(());
    }
    let ids: Vec<Uuid> = pairs.iter().flat_map(|pair| &pair.patients).map(|one| one.record.unwrap_or(one.patient)).collect();
    let people = app.personal.people(&ids).await.map_err(database)?;
    let mut shown: Vec<Uuid> =
        pairs.iter().flat_map(|pair| &pair.patients).map(|one| one.patient).chain(ids.iter().copied()).collect();
    shown.sort_unstable();
    shown.dedup();
    app.looked(caller, &shown, Page::Duplicates).await?;
    for one in pairs.iter_mut().flat_map(|pair| &mut pair.patients) {
        let record = one.record.unwrap_or(one.patient);
        one.name = people.iter().find(|person| person.patient == record).and_then(|person| person.details.name.clone());
    }
    Ok(())
}

fn write_cursor((one, other): (Uuid, Uuid)) -> String {
    format!("{}{}", one.simple(), other.simple())
}

fn read_cursor(text: &str) -> Result<(Uuid, Uuid), Problem> {
    let halves = (text.len() == 64 && text.is_ascii()).then(|| text.split_at(32));
    let read = halves.and_then(|(one, other)| Some((Uuid::try_parse(one).ok()?, Uuid::try_parse(other).ok()?)));
    read.ok_or_else(|| Problem::field("after", "is not the `next` of a page"))
}
