//! The audit: what was done against the policy of its time, by branch, actor and month, and what led up to each "don't call me" (P2, P3, P4).
//! For whoever answers for the network and whoever watches it; neither learns here who a patient is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::audit::FindingKind;
use tact_domain::{Actor, Branch};
use tact_read_models::audit::{self, Cursor, FindingCount, Found, Told, Wanted};
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::figures::month;

/// Which findings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Of contacts that this branch made; whoever acts for some branches must name one.
    #[param(value_type = Option<String>)]
    branch: Option<Branch>,
    /// The first month of the contacts, `YYYY-MM`, by the patients' own calendars.
    from: Option<String>,
    /// The last month, which is included.
    until: Option<String>,
    /// Of contacts that this actor recorded: `staff:<uuid>`, `system:<name>` or `patient`.
    actor: Option<String>,
    /// Of this kind.
    #[param(value_type = Option<String>, example = "no_permit")]
    kind: Option<FindingKind>,
    /// A position that the list must have come to.
    at_least: Option<String>,
}

/// Which page of the findings.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Paged {
    /// Of contacts that this branch made; whoever acts for some branches must name one.
    #[param(value_type = Option<String>)]
    branch: Option<Branch>,
    /// The first month of the contacts, `YYYY-MM`, by the patients' own calendars.
    from: Option<String>,
    /// The last month, which is included.
    until: Option<String>,
    /// Of contacts that this actor recorded: `staff:<uuid>`, `system:<name>` or `patient`.
    actor: Option<String>,
    /// Of this kind.
    #[param(value_type = Option<String>, example = "no_permit")]
    kind: Option<FindingKind>,
    /// The `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 500; 100 if absent.
    limit: Option<u32>,
    /// A position that the list must have come to.
    at_least: Option<String>,
}

/// Which page of the wishes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct PagedWishes {
    /// Recorded at this branch; whoever acts for some branches must name one.
    #[param(value_type = Option<String>)]
    branch: Option<Branch>,
    /// The first month, `YYYY-MM`, by the patients' own calendars.
    from: Option<String>,
    /// The last month, which is included.
    until: Option<String>,
    /// Recorded by this actor: `staff:<uuid>`, `system:<name>` or `patient`.
    actor: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 100; 50 if absent.
    limit: Option<u32>,
    /// A position that the list must have come to.
    at_least: Option<String>,
}

/// A page of findings, in the order of the contacts' times.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditFindings {
    /// Up to which position of the log they are true.
    position: String,
    /// What was done against the policy.
    #[schema(value_type = Vec<Object>)]
    findings: Vec<Found>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// How many findings there are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditCounts {
    /// Up to which position of the log they are true.
    position: String,
    /// By branch, month, actor and kind.
    #[schema(value_type = Vec<Object>)]
    counts: Vec<FindingCount>,
}

/// A page of wishes, in the order of time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditWishes {
    /// Up to which position of the log they are true.
    position: String,
    /// Each "don't call me", with the contacts of the 90 days before it.
    #[schema(value_type = Vec<Object>)]
    wishes: Vec<Told>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Show what was done against the policy
#[utoipa::path(
    get, path = "/v1/audit/findings", tag = "contact",
    params(Paged),
    responses((status = 200, description = "What was asked for", body = AuditFindings), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn findings(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paged): Query<Paged>,
    headers: HeaderMap,
) -> Result<Json<AuditFindings>, Problem> {
    let Paged { branch, from, until, actor, kind, after, limit, at_least } = paged;
    let wanted = Wanted { branch, from, until, actor, kind };
    let limit = page_size(limit, 100, 500)?;
    let after = after.as_deref().map_or(Ok(Cursor::<Uuid>::start()), read_cursor)?;
    let position = begin(&app, &caller, &wanted, at_least.as_deref(), &headers).await?;
    let mut findings = audit::findings(&app.read.db(), &wanted, after, limit + 1).await.map_err(database)?;
    let next = cut(&mut findings, limit).map(|last| write_cursor(last.time, last.finding));
    for found in &mut findings {
        shown_to(found, &caller)?;
    }
    Ok(Json(AuditFindings { position, findings, next }))
}

/// Count what was done against the policy
#[utoipa::path(
    get, path = "/v1/audit/counts", tag = "contact",
    params(Filter),
    responses((status = 200, description = "What was asked for", body = AuditCounts), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn counts(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(filter): Query<Filter>,
    headers: HeaderMap,
) -> Result<Json<AuditCounts>, Problem> {
    let Filter { branch, from, until, actor, kind, at_least } = filter;
    let wanted = Wanted { branch, from, until, actor, kind };
    let position = begin(&app, &caller, &wanted, at_least.as_deref(), &headers).await?;
    let counts = audit::counts(&app.read.db(), &wanted).await.map_err(database)?;
    Ok(Json(AuditCounts { position, counts }))
}

/// Show what led up to each "don't call me"
#[utoipa::path(
    get, path = "/v1/audit/wishes", tag = "contact",
    params(PagedWishes),
    responses((status = 200, description = "What was asked for", body = AuditWishes), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn wishes(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paged): Query<PagedWishes>,
    headers: HeaderMap,
) -> Result<Json<AuditWishes>, Problem> {
    let PagedWishes { branch, from, until, actor, after, limit, at_least } = paged;
    let wanted = Wanted { branch, from, until, actor, kind: None };
    let limit = page_size(limit, 50, 100)?;
    let after = after.as_deref().map_or(Ok(Cursor::<i64>::start()), read_cursor)?;
    let position = begin(&app, &caller, &wanted, at_least.as_deref(), &headers).await?;
    let db = app.read.db();
    let mut rows = audit::wishes(&db, &wanted, after, limit + 1).await.map_err(database)?;
    let next = cut(&mut rows, limit).map(|last| write_cursor(last.time, last.position));
    let mut wishes = audit::told(&db, rows).await.map_err(database)?;
    for contact in wishes.iter_mut().flat_map(|told| &mut told.contacts) {
        let covered = contact.branch.as_ref().and_then(|code| code.parse().ok()).is_some_and(|branch| caller.covers(&branch));
        if !covered {
            (contact.contact, contact.branch, contact.actor, contact.permit) = (None, None, None, None);
        }
    }
    Ok(Json(AuditWishes { position, wishes, next }))
}

/// What every question of the audit begins with; up to which position the answer is true.
async fn begin(
    app: &App,
    caller: &Caller,
    wanted: &Wanted,
    wait_for: Option<&str>,
    headers: &HeaderMap,
) -> Result<String, Problem> {
    caller.may(Permission::Audit)?;
    match &wanted.branch {
        Some(branch) => {
            caller.at(branch)?;
            app.branch("branch", branch).await?;
        }
        None if caller.covers_all() => {}
        None => return Err(Problem::forbidden("name a `branch` of this caller's scope").with("field", "branch")),
    }
    for (field, text) in [("from", &wanted.from), ("until", &wanted.until)] {
        text.as_deref().map_or(Ok(()), |text| month(field, text))?;
    }
    if let Some(actor) = &wanted.actor {
        actor.parse::<Actor>().map_err(|problem| Problem::field("actor", problem))?;
    }
    app.caught_up(at_least(wait_for, headers)?).await?;
    Ok(app.read.checkpoint().await.map_err(database)?.position.to_string())
}

fn page_size(given: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    let limit = given.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::field("limit", format!("{limit} is not between 1 and {most}")))
}

/// Takes off what is more than a page; the last row of the page if there is more.
fn cut<R>(rows: &mut Vec<R>, limit: u32) -> Option<&R> {
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    rows.last().filter(|_| more)
}

/// Of what other branches did, a caller of some branches sees that it counted, and not what it was.
fn shown_to(found: &mut Found, caller: &Caller) -> Result<(), Problem> {
    if caller.covers_all() {
        return Ok(());
    }
    let mut detail = found.detail().map_err(database)?;
    for item in &mut detail.counted {
        if item.branch.as_ref().is_some_and(|branch| !caller.covers(branch)) {
            (item.branch, item.contact, item.permit) = (None, None, None);
        }
    }
    found.detail = serde_json::to_string(&detail).map_err(Problem::hidden)?;
    Ok(())
}

fn write_cursor(time: DateTime<Utc>, id: impl std::fmt::Display) -> String {
    hex::encode(format!("{} {id}", time.timestamp_millis()))
}

fn read_cursor<I: std::str::FromStr>(text: &str) -> Result<Cursor<I>, Problem> {
    let read = || {
        let text = String::from_utf8(hex::decode(text).ok()?).ok()?;
        let (time, id) = text.split_once(' ')?;
        let time = DateTime::from_timestamp_millis(time.parse().ok()?)?;
        // Made by somebody else, it may say what no database can look up.
        (1900..2300).contains(&time.year()).then_some(Cursor { time, id: id.parse().ok()? })
    };
    read().ok_or_else(|| Problem::field("after", "is not the `next` of a page"))
}
