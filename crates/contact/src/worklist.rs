//! The worklist of a branch: who is owed which contact, from when until when, why, on which channel, whether it may be made now, and if not
//! what stands in the way.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract;
use axum::http::HeaderMap;
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::agenda::suggested;
use tact_domain::patient::decide::Reason;
use tact_domain::patient::state::{Permit, State};
use tact_domain::policy::Policy;
use tact_domain::{Branch, Channel, Purpose};
use tact_read_models::due::{self, Cursor, DueRow, Page};
use tact_read_models::history;
use tact_read_models::patients;
use tact_service::app::database;
use tact_service::control::in_force;
use tact_service::request::at_least;
use tact_service::{App, Caller, Path, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::day::span;
use crate::permits::shown_to;
use crate::sharing::Sharing;

/// How many rows are looked through at once.
pub(crate) const ROWS: u32 = 200;

/// How many rows are looked through at most for one page of those that may be called now.
pub(crate) const MOST_ROWS: usize = 4000;

/// Which part of the worklist.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// `due` (now; if absent), `ahead` (later), `today` (later today, by the branch's clock), or `announce` (to be told before the patient leaves).
    #[param(inline)]
    view: Option<View>,
    /// Only this purpose.
    #[param(value_type = Option<String>)]
    purpose: Option<Purpose>,
    /// `true`: only what may be called now; `false`: only what may not.
    callable: Option<bool>,
    /// The `next` of the page before.
    after: Option<String>,
    /// At most so many entries, 1 to 200; 50 if absent.
    limit: Option<usize>,
    /// A position that the list must have come to.
    at_least: Option<String>,
}

/// Which entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum View {
    /// Due now.
    Due,
    /// Due later.
    Ahead,
    /// Due later today.
    Today,
    /// To be announced before the patient leaves.
    Announce,
}

/// A contact that is owed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorklistEntry)]
pub(crate) struct Entry {
    patient: Uuid,
    /// The patient's name, for callers who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The patient's number, for callers who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// The patient's ids in other systems, for callers who may see who it is: all that is known of whoever came in with an imported book.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_ids: Vec<ExternalId>,
    purpose: String,
    /// Its occasion, and of which kind it is.
    about: Uuid,
    occasion: String,
    /// The occasion's time.
    at: DateTime<Utc>,
    due_from: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_until: Option<DateTime<Utc>>,
    /// Whether it needs an announcement that nobody has made.
    to_announce: bool,
    /// The channel to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    channel: Option<Channel>,
    /// Whether a permit would be granted now.
    pub(crate) callable: bool,
    /// If not: everything that stands in the way.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Reason>,
    /// If not: the next time at which asking makes sense, where one exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<DateTime<Utc>>,
    /// Who is at it: somebody holds a permit for it that is live, or that has been begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) taken: Option<Taken>,
    /// Patients of branches in the caller's scope who have the same number and are owed the same about the same day: one contact will do. Ask
    /// for their permits with this one's as `with`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    together: Vec<Uuid>,
    /// Those who were merged into the patient: what is not known of the patient's own may be known of them.
    #[serde(skip)]
    merged: Vec<Uuid>,
}

/// A permit that somebody holds. Of another branch's, only the times are shown to whoever does not act for that.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WorklistTaken)]
pub(crate) struct Taken {
    /// Who has it: `staff:<id>` or `system:<name>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permit: Option<Uuid>,
    /// Since when.
    since: DateTime<Utc>,
    /// When it runs out; absent once the contact has been begun, which waits for its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
}

/// The id of a patient in another system.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WorklistExternalId)]
pub(crate) struct ExternalId {
    /// The other system's name.
    system: String,
    /// The id there; any text.
    value: String,
}

/// A page of a branch's worklist.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Worklist {
    #[schema(value_type = String)]
    branch: Branch,
    /// The moment at which it was looked at.
    now: DateTime<Utc>,
    /// Up to which position of the log it is true.
    position: String,
    entries: Vec<Entry>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Show a branch's worklist
#[utoipa::path(
    get, path = "/v1/branches/{branch}/worklist", tag = "contact",
    params(("branch" = String, Path), Wanted),
    responses((status = 200, description = "What was asked for", body = Worklist), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn worklist(
    extract::State(app): extract::State<Arc<App>>,
    caller: Caller,
    Path(branch): Path<Branch>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Json<Worklist>, Problem> {
    caller.may(Permission::SeeWorklist)?;
    caller.at(&branch)?;
    let listed = app.branch("branch", &branch).await?;
    let limit = wanted.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not between 1 and 200")));
    }
    let mut after = wanted.after.as_deref().map_or(Ok(Cursor::start()), read_cursor)?;
    app.caught_up(at_least(wanted.at_least.as_deref(), &headers)?).await?;
    let checkpoint = app.read.checkpoint().await.map_err(database)?;
    let policies = app.control.ready_to_decide().await?;
    let now = app.clock.now();
    let policy = &in_force(&policies, now)?.policy;
    let view = wanted.view.unwrap_or(View::Due);
    let (_, midnight) = span(&listed.time_zone, now);
    let (mut entries, mut next, mut looked_at) = (Vec::new(), None, 0);
    'pages: loop {
        let page = Page { branch: &branch, now, purpose: wanted.purpose.as_ref(), after: after.clone(), limit: ROWS };
        let db = app.read.db();
        let rows = match view {
            View::Due => due::worklist(&db, &page).await,
            View::Ahead | View::Today => due::ahead(&db, &page).await,
            View::Announce => due::to_announce(&db, &page).await,
        }
        .map_err(database)?;
        let rows: Vec<DueRow> = rows.into_iter().take_while(|row| view != View::Today || row.due_from < midnight).collect();
        let whole = rows.len() < ROWS as usize;
        for (row, entry) in looked_up(&app, &caller, policy, rows, now).await? {
            if entries.len() == limit {
                next = Some(write_cursor(&after)?);
                break 'pages;
            }
            after = row.cursor();
            looked_at += 1;
            if wanted.callable.is_none_or(|callable| callable == entry.callable) {
                entries.push(entry);
            }
        }
        if whole {
            break;
        }
        if looked_at >= MOST_ROWS {
            // Enough work for one request: the page is short, and goes on where it stopped.
            next = Some(write_cursor(&after)?);
            break;
        }
    }
    name(&app, &caller, &mut entries).await?;
    Ok(Json(Worklist { branch, now, position: checkpoint.position.to_string(), entries, next }))
}

/// Holds each row against the patient's state: on which channel, and may it be made now?
pub(crate) async fn looked_up(
    app: &App,
    caller: &Caller,
    policy: &Policy,
    rows: Vec<DueRow>,
    now: DateTime<Utc>,
) -> Result<Vec<(DueRow, Entry)>, Problem> {
    let mut ids: Vec<Uuid> = rows.iter().map(|row| row.patient).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut states = HashMap::with_capacity(ids.len());
    for patient in patients::many(&app.read.db(), &ids).await.map_err(database)? {
        states.insert(patient.patient, patient.state().map_err(database)?);
    }
    let sharing = Sharing::of(app, &ids, &mut states).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        // A row without its patient is one that a rebuild has just replaced: the next look shows it.
        let Some(state) = states.get(&row.patient) else { continue };
        let purpose: Purpose = row.purpose.parse().map_err(Problem::hidden)?;
        let branch: Branch = row.branch.parse().map_err(Problem::hidden)?;
        let ask = suggested(state, policy, &purpose, row.about, &branch);
        let decision = ask.as_ref().map(|ask| sharing.decision(app, &states, row.patient, policy, ask, now));
        let channel = ask.map(|ask| ask.channel);
        let (reasons, next) = match decision {
            Some(tact_domain::patient::Decision::Refused(refused)) => (refused.reasons, refused.next),
            _ => (Vec::new(), None),
        };
        let mut reasons = reasons;
        reasons.iter_mut().for_each(|reason| shown_to(reason, caller));
        let entry = Entry {
            patient: row.patient,
            name: None,
            phone: None,
            external_ids: Vec::new(),
            purpose: row.purpose.clone(),
            about: row.about,
            occasion: row.occasion.clone(),
            at: row.at,
            due_from: row.due_from,
            due_until: row.due_until,
            to_announce: row.to_announce,
            channel,
            callable: channel.is_some() && reasons.is_empty(),
            reasons,
            next,
            taken: taken(app, caller, state, row.patient, &purpose, row.about, now).await?,
            together: sharing.together(app, &states, caller, policy, &row, now),
            merged: state.absorbed.iter().map(|absorbed| absorbed.from).collect(),
        };
        found.push((row, entry));
    }
    Ok(found)
}

/// Who holds a permit for an entry. The state knows the permit; who was granted it stands in the history.
async fn taken(
    app: &App,
    caller: &Caller,
    state: &State,
    patient: Uuid,
    purpose: &Purpose,
    about: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<Taken>, Problem> {
    let is_it = |permit: &&Permit| {
        permit.purpose == *purpose && permit.occasion.as_ref().is_some_and(|used| used.about == about) && permit.counts(now)
    };
    let Some(permit) = state.permits.iter().rev().find(is_it) else { return Ok(None) };
    let mut taken = Taken { actor: None, permit: None, since: permit.granted_at, expires_at: permit.frees_at() };
    if !caller.covers(&permit.branch) {
        return Ok(Some(taken));
    }
    taken.permit = Some(permit.id);
    let id = permit.id.to_string();
    // One that came with a merge stands in the other's stream.
    for stream in std::iter::once(patient).chain(state.absorbed.iter().map(|absorbed| absorbed.from)) {
        let granted = history::permitted(&app.read.db(), stream, permit.granted_at).await.map_err(database)?;
        if let Some((actor, _)) = granted.into_iter().find(|(_, body)| body.contains(&id)) {
            taken.actor = actor;
            break;
        }
    }
    Ok(Some(taken))
}

/// Adds who the patients are, from the personal data.
async fn name(app: &App, caller: &Caller, entries: &mut [Entry]) -> Result<(), Problem> {
    if !caller.has(Permission::SeePerson) || entries.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<Uuid> = entries.iter().flat_map(|entry| [&[entry.patient][..], &entry.merged].concat()).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut elsewhere: HashMap<Uuid, Vec<ExternalId>> = HashMap::new();
    for link in app.personal.external_ids_of_patients(&ids).await.map_err(database)? {
        elsewhere.entry(link.patient).or_default().push(ExternalId { system: link.system, value: link.value });
    }
    let people = app.personal.people(&ids).await.map_err(database)?;
    let people: HashMap<Uuid, _> = people.into_iter().map(|person| (person.patient, person.details)).collect();
    for entry in entries {
        // A patient may stand on the list more than once.
        for details in std::iter::once(&entry.patient).chain(&entry.merged).filter_map(|id| people.get(id)) {
            entry.name = entry.name.take().or_else(|| details.name.clone());
            entry.phone = entry.phone.take().or_else(|| details.phone.clone());
        }
        if let Some(links) = elsewhere.get(&entry.patient) {
            entry.external_ids.clone_from(links);
        }
    }
    Ok(())
}

fn write_cursor(cursor: &Cursor) -> Result<String, Problem> {
    serde_json::to_vec(cursor).map(hex::encode).map_err(Problem::hidden)
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let read = hex::decode(text).ok().and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
    // Made by somebody else, it may say what no database can look up.
    let fits = |cursor: &Cursor| {
        (cursor.purpose.is_empty() || cursor.purpose.parse::<Purpose>().is_ok()) && (1900..2300).contains(&cursor.due_from.year())
    };
    read.filter(fits).ok_or_else(|| Problem::field("after", "is not the `next` of a page"))
}
