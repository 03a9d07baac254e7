//! The care referrals of a branch that are under way, each with its next step. Looking records nothing.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{DateTime, Datelike, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::Branch;
use tact_read_models::referrals::{self, Cursor, ReferralRow};
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::{App, Caller, Path, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The `next` of the page before.
    after: Option<String>,
    /// At most so many, 1 to 200; 50 if absent.
    limit: Option<u32>,
    /// A position that the list must have come to; also as the header `Tact-At-Least`.
    at_least: Option<String>,
}

/// What is under way.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BranchReferrals)]
pub(crate) struct UnderWay {
    #[schema(value_type = String)]
    branch: Branch,
    /// The moment at which it was looked at.
    now: DateTime<Utc>,
    /// Up to which position of the log it is true.
    position: String,
    /// The oldest first.
    referrals: Vec<Entry>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A care referral that is not closed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BranchReferral)]
pub(crate) struct Entry {
    patient: Uuid,
    /// The person's name, for callers who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The person's number, for callers who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    referral: Uuid,
    /// The service that is needed.
    #[schema(example = "x_ray")]
    need: String,
    #[schema(inline)]
    next_step: Step,
    opened_at: DateTime<Utc>,
    /// Who will help.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arranged_at: Option<DateTime<Utc>>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Find who can help, and arrange it.
    Arrange,
    /// Call back once, to say where to go: it is on the branch's worklist once it is due.
    CallBack,
    /// Close it.
    Close,
}

impl From<&ReferralRow> for Step {
    fn from(row: &ReferralRow) -> Self {
        match (row.provider, row.to_call) {
            (None, _) => Self::Arrange,
            (Some(_), true) => Self::CallBack,
            (Some(_), false) => Self::Close,
        }
    }
}

/// See a branch's care referrals under way
///
/// Of those whose home branch it is.
#[utoipa::path(
    get, path = "/v1/branches/{branch}/referrals", tag = "referral",
    params(("branch" = String, Path), Wanted),
    responses((status = 200, description = "What was asked for", body = UnderWay), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_branch(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(branch): Path<Branch>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Json<UnderWay>, Problem> {
    caller.may(Permission::SeeWorklist)?;
    caller.at(&branch)?;
    app.branch("branch", &branch).await?;
    let limit = wanted.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::malformed(format!("query: `limit`: {limit} is not from 1 to 200")).with("field", "limit"));
    }
    let after = wanted.after.as_deref().map_or(Ok(Cursor::start()), read_cursor)?;
    app.caught_up(at_least(wanted.at_least.as_deref(), &headers)?).await?;
    let position = app.read.checkpoint().await.map_err(database)?.position.to_string();
    // One more than asked for tells whether there is a next page.
    let mut rows = referrals::of_branch(&app.read.db(), &branch, after, limit + 1).await.map_err(database)?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(write_cursor);
    let mut people = HashMap::new();
    if caller.has(Permission::SeePerson) {
        let ids: Vec<Uuid> = rows.iter().map(|row| row.patient).collect();
        let known = app.personal.people(&ids).await.map_err(database)?;
        people.extend(known.into_iter().map(|person| (person.patient, (person.details.name, person.details.phone))));
    }
    let referrals = rows.into_iter().map(|row| {
        let (name, phone) = people.get(&row.patient).cloned().unwrap_or_default();
        let next_step = Step::from(&row);
        let ReferralRow { patient, referral, need, opened_at, provider, arranged_at, .. } = row;
        Entry { patient, name, phone, referral, need, next_step, opened_at, provider, arranged_at }
    });
    let referrals = referrals.collect();
    Ok(Json(UnderWay { branch, now: app.clock.now(), position, referrals, next }))
}

fn write_cursor(row: &ReferralRow) -> String {
    format!("{}.{}.{}", row.opened_at.timestamp_millis(), row.patient.simple(), row.referral.simple())
}

fn read_cursor(text: &str) -> Result<Cursor, Problem> {
    let read = || {
        let mut parts = text.split('.');
        let opened_at = DateTime::from_timestamp_millis(parts.next()?.parse().ok()?)?;
        let (patient, referral) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        // Made by somebody else, it may say what no database can look up.
        let fits = parts.next().is_none() && (1900..2300).contains(&opened_at.year());
        fits.then_some(Cursor { opened_at, patient, referral })
    };
    read().ok_or_else(|| Problem::field("after", "is not the `next` of a page"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_behind_the_last_row_and_nowhere_else() {
        let row = ReferralRow {
            patient: Uuid::from_u128(1),
            referral: Uuid::from_u128(2),
            branch: "north".to_owned(),
            need: "x_ray".to_owned(),
            opened_at: "2026-03-02T09:00:00.123Z".parse().unwrap(),
            provider: None,
            arranged_at: None,
            to_call: false,
        };
        let cursor = Cursor { opened_at: row.opened_at, patient: row.patient, referral: row.referral };
        assert_eq!(read_cursor(&write_cursor(&row)), Ok(cursor));
        for bad in ["", "1", "x.y.z", &format!("{}.more", write_cursor(&row)), "9999999999999999.1.2", "-62135596800000.1.2"] {
            assert!(read_cursor(bad).is_err(), "{bad}");
        }
        assert_eq!(Step::from(&row), Step::Arrange);
        let arranged = ReferralRow { provider: Some(Uuid::from_u128(3)), ..row };
        assert_eq!(Step::from(&arranged), Step::Close);
        assert_eq!(Step::from(&ReferralRow { to_call: true, ..arranged }), Step::CallBack);
    }
}
