//! A branch's day in figures: what is due, later today, in the way, to be announced, and done.
//!
//! It must never count by another rule than the worklist shows by: each figure is the length of a list that a page can ask for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Days, NaiveTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::policy::Policy;
use tact_domain::zone::local_to_utc;
use tact_domain::{Branch, Time};
use tact_read_models::contacts::{self, ContactRow};
use tact_read_models::due::{self, Cursor, DueRow, Page};
use tact_service::app::database;
use tact_service::control::in_force;
use tact_service::request::at_least;
use tact_service::{App, Caller, Path, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::worklist::{MOST_ROWS, ROWS, looked_up};

/// The most contacts of a day that are listed.
const MOST_DONE: u32 = 500;

/// When.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// `false`: only the contacts. What is owed is not counted, which takes work for each entry. `true` if absent.
    counts: Option<bool>,
    /// A position that the figures must have come to.
    at_least: Option<String>,
}

/// A branch's day, by the branch's own clock. What is owed is absent with `counts=false`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BranchDay)]
pub(crate) struct Day {
    #[schema(value_type = String)]
    branch: Branch,
    /// The moment at which it was looked at.
    now: DateTime<Utc>,
    /// When the day began and ends.
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// Up to which position of the log it is true.
    position: String,
    /// Due now, and may be made now: the worklist with `view=due&callable=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    callable: Option<usize>,
    /// Due now, and something stands in the way: `view=due&callable=false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<usize>,
    /// Of those due now, what somebody holds a permit for.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<usize>,
    /// Due later today: `view=today`.
    #[serde(skip_serializing_if = "Option::is_none")]
    later_today: Option<usize>,
    /// To be announced before the patient leaves: `view=announce`.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_announce: Option<usize>,
    /// Whether there is more of one of these than was counted: each is counted up to some 4,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    /// How many contacts the branch has made or taken today.
    done: usize,
    /// Those, the latest first, at most 500.
    contacts: Vec<Made>,
}

/// How much is owed.
struct Owed {
    callable: usize,
    blocked: usize,
    taken: usize,
    later_today: usize,
    to_announce: usize,
    more: bool,
}

/// A contact of the day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ContactOfDay)]
pub(crate) struct Made {
    contact: Uuid,
    patient: Uuid,
    /// The patient's name, for callers who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    time: DateTime<Utc>,
    direction: String,
    purpose: String,
    channel: String,
    outcome: String,
    /// Who made it.
    actor: String,
    /// Made without a permit for it.
    breach: bool,
}

impl From<ContactRow> for Made {
    fn from(row: ContactRow) -> Self {
        let ContactRow { contact, patient, time, direction, purpose, channel, outcome, actor, breach, .. } = row;
        Self { contact, patient, name: None, time, direction, purpose, channel, outcome, actor, breach }
    }
}

/// Show a branch's day in figures
#[utoipa::path(
    get, path = "/v1/branches/{branch}/day", tag = "contact",
    params(("branch" = String, Path), Wanted),
    responses((status = 200, description = "What was asked for", body = Day), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn day(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(branch): Path<Branch>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Json<Day>, Problem> {
    caller.may(Permission::SeeWorklist)?;
    caller.at(&branch)?;
    let listed = app.branch("branch", &branch).await?;
    app.caught_up(at_least(wanted.at_least.as_deref(), &headers)?).await?;
    let checkpoint = app.read.checkpoint().await.map_err(database)?;
    let policies = app.control.ready_to_decide().await?;
    let now = app.clock.now();
    let policy = &in_force(&policies, now)?.policy;
    let (from, until) = span(&listed.time_zone, now);
    let owed = match wanted.counts {
        Some(false) => None,
        _ => Some(owed(&app, &caller, &branch, policy, now, until).await?),
    };
    let db = app.read.db();
    let done = contacts::count_of_branch(&db, &branch, from, until).await.map_err(database)?;
    let made = contacts::of_branch(&db, &branch, from, until, MOST_DONE).await.map_err(database)?;
    let mut made: Vec<Made> = made.into_iter().map(Made::from).collect();
    if caller.has(Permission::SeePerson) {
        let mut ids: Vec<Uuid> = made.iter().map(|one| one.patient).collect();
        ids.sort_unstable();
        ids.dedup();
        let people = app.personal.people(&ids).await.map_err(database)?;
        let names: std::collections::HashMap<Uuid, Option<String>> =
            people.into_iter().map(|person| (person.patient, person.details.name)).collect();
        made.iter_mut().for_each(|one| one.name = names.get(&one.patient).cloned().flatten());
    }
    Ok(Json(Day {
        now,
        from,
        until,
        position: checkpoint.position.to_string(),
        callable: owed.as_ref().map(|owed| owed.callable),
        blocked: owed.as_ref().map(|owed| owed.blocked),
        taken: owed.as_ref().map(|owed| owed.taken),
        later_today: owed.as_ref().map(|owed| owed.later_today),
        to_announce: owed.as_ref().map(|owed| owed.to_announce),
        more: owed.as_ref().map(|owed| owed.more),
        done,
        contacts: made,
        branch,
    }))
}

async fn owed(app: &App, caller: &Caller, branch: &Branch, policy: &Policy, now: Time, until: Time) -> Result<Owed, Problem> {
    let db = app.read.db();
    let page = |after: &Cursor| Page { branch, now, purpose: None, after: after.clone(), limit: ROWS };
    let (mut callable, mut blocked, mut taken, mut later_today, mut to_announce, mut more) = (0, 0, 0, 0, 0, false);
    let mut after = Cursor::start();
    loop {
        let rows = due::worklist(&db, &page(&after)).await.map_err(database)?;
        let Some(last) = rows.last().map(DueRow::cursor) else { break };
        after = last;
        for (_, entry) in looked_up(app, caller, policy, rows, now).await? {
            *(if entry.callable { &mut callable } else { &mut blocked }) += 1;
            taken += usize::from(entry.taken.is_some());
        }
        if callable + blocked >= MOST_ROWS {
            more = true;
            break;
        }
    }
    let mut after = Cursor::start();
    loop {
        let rows = due::ahead(&db, &page(&after)).await.map_err(database)?;
        let today = rows.iter().filter(|row| row.due_from < until).count();
        later_today += today;
        match rows.last().map(DueRow::cursor) {
            Some(last) if today == rows.len() && later_today < MOST_ROWS => after = last,
            last => {
                more |= last.is_some() && today == rows.len();
                break;
            }
        }
    }
    let mut after = Cursor::start();
    loop {
        let rows = due::to_announce(&db, &page(&after)).await.map_err(database)?;
        to_announce += rows.len();
        match rows.last().map(DueRow::cursor) {
            Some(last) if to_announce < MOST_ROWS => after = last,
            last => {
                more |= last.is_some();
                break;
            }
        }
    }
    Ok(Owed { callable, blocked, taken, later_today, to_announce, more })
}

/// When the day of a moment begins and ends, by a zone's clock.
pub(crate) fn span(zone: &str, now: Time) -> (Time, Time) {
    let zone: chrono_tz::Tz = zone.parse().unwrap_or(chrono_tz::Tz::UTC);
    let today = now.with_timezone(&zone).date_naive();
    let begin = |date: chrono::NaiveDate| local_to_utc(zone, date.and_time(NaiveTime::MIN));
    (begin(today), begin(today.checked_add_days(Days::new(1)).unwrap_or(today)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_as_long_as_the_clocks_make_it() {
        let at = |text: &str| text.parse::<Time>().unwrap();
        assert_eq!(span("Europe/Moscow", at("2026-03-02T21:30:00Z")), (at("2026-03-02T21:00:00Z"), at("2026-03-03T21:00:00Z")));
        let (from, until) = span("Europe/Berlin", at("2026-03-29T12:00:00Z"));
        assert_eq!((until - from).num_hours(), 23, "the clocks went forward");
    }
}
