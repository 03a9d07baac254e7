//! What was said of us, by branch, clinician and month: of those who recommend us, and apart from them of everyone else (P5).
//!
//! It must never name a patient, nor mix the two.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use chrono::{Datelike, Months, NaiveDate};
use serde::{Deserialize, Serialize};
use tact_domain::{Branch, Time};
use tact_read_models::feedback::{self, Scores, ThemeCount};
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The most months that one answer covers: ten years.
const MOST_MONTHS: i32 = 120;

/// What is asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// One branch only; absent: all branches of the caller's.
    #[param(value_type = Option<String>)]
    branch: Option<Branch>,
    /// One clinician only.
    clinician: Option<Uuid>,
    /// The first month, `YYYY-MM` in UTC; absent: eleven months before the last.
    from: Option<String>,
    /// The last month; absent: this one.
    until: Option<String>,
    /// The position that the answer must have come to; also as the header `Tact-At-Least`.
    at_least: Option<String>,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedbackFigures)]
pub(crate) struct Figures {
    /// Whose feedback this is: `referrers` or `others`.
    of: &'static str,
    /// The first month.
    from: String,
    /// The last month.
    until: String,
    /// Over everything below.
    total: Said,
    /// By branch, month and clinician.
    groups: Vec<Group>,
}

/// What was said of one branch, or one clinician there, in one month.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Group {
    branch: String,
    /// Absent: of the branch without naming a clinician.
    #[serde(skip_serializing_if = "Option::is_none")]
    clinician: Option<Uuid>,
    /// `YYYY-MM` in UTC.
    month: String,
    #[serde(flatten)]
    said: Said,
}

/// Scores and themes.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Said {
    /// How many times feedback was given.
    given: i64,
    /// The mean score, from 0 to 10, to two decimals; absent when nothing was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lowest: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    highest: Option<i64>,
    /// What is good, by theme, the most named first.
    strengths: Vec<Named>,
    /// What is not.
    weaknesses: Vec<Named>,
    #[serde(skip)]
    sum: i64,
}

/// How often a theme was named.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Named {
    theme: String,
    times: i64,
}

/// See what those say who recommend us
///
/// Their scores and themes by branch, clinician and month. Nothing tells whom they brought.
#[utoipa::path(
    get, path = "/v1/feedback", tag = "feedback", params(Which),
    responses((status = 200, description = "What was asked for", body = Figures), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_referrers(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Which>,
) -> Result<Json<Figures>, Problem> {
    figures(&app, &caller, &headers, query, true).await
}

/// See what everyone else says
///
/// Kept apart from what those say who recommend us.
#[utoipa::path(
    get, path = "/v1/feedback/others", tag = "feedback", params(Which),
    responses((status = 200, description = "What was asked for", body = Figures), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_others(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Which>,
) -> Result<Json<Figures>, Problem> {
    figures(&app, &caller, &headers, query, false).await
}

async fn figures(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    query: Which,
    of_referrers: bool,
) -> Result<Json<Figures>, Problem> {
    caller.may(Permission::SeeFigures)?;
    if let Some(branch) = &query.branch {
        caller.at(branch)?;
        app.branch("branch", branch).await?;
    }
    let (from, until) = months(query.from.as_deref(), query.until.as_deref(), app.clock.now())?;
    app.caught_up(at_least(query.at_least.as_deref(), headers)?).await?;
    let db = app.read.db();
    let scores = feedback::scores(&db, of_referrers, &from, &until).await.map_err(database)?;
    let themes = feedback::themes(&db, of_referrers, &from, &until).await.map_err(database)?;
    let shown = |branch: &str, clinician: Option<Uuid>| {
        let theirs = branch.parse::<Branch>().is_ok_and(|code| caller.covers(&code));
        theirs
            && query.branch.as_ref().is_none_or(|only| only.as_str() == branch)
            && query.clinician.is_none_or(|only| Some(only) == clinician)
    };
    let scores = scores.into_iter().filter(|s| shown(&s.branch, s.clinician));
    let themes = themes.into_iter().filter(|t| shown(&t.branch, t.clinician));
    let (total, groups) = put_together(scores, themes);
    let of = if of_referrers { "referrers" } else { "others" };
    Ok(Json(Figures { of, from, until, total, groups }))
}

fn put_together(scores: impl Iterator<Item = Scores>, themes: impl Iterator<Item = ThemeCount>) -> (Said, Vec<Group>) {
    let mut total = Said::default();
    let mut groups: BTreeMap<(String, String, Option<Uuid>), Said> = BTreeMap::new();
    for score in scores {
        total.score(&score);
        groups.entry((score.branch.clone(), score.month.clone(), score.clinician)).or_default().score(&score);
    }
    for theme in themes {
        total.theme(&theme);
        groups.entry((theme.branch.clone(), theme.month.clone(), theme.clinician)).or_default().theme(&theme);
    }
    let group = |((branch, month, clinician), said): (_, Said)| Group { branch, clinician, month, said: said.finished() };
    (total.finished(), groups.into_iter().map(group).collect())
}

impl Said {
    fn score(&mut self, score: &Scores) {
        self.given += score.given;
        self.sum += score.score_sum;
        self.lowest = Some(self.lowest.map_or(score.lowest, |lowest| lowest.min(score.lowest)));
        self.highest = self.highest.max(Some(score.highest));
    }

    fn theme(&mut self, theme: &ThemeCount) {
        let list = if theme.strength { &mut self.strengths } else { &mut self.weaknesses };
        match list.iter_mut().find(|named| named.theme == theme.theme) {
            Some(named) => named.times += theme.times,
            None => list.push(Named { theme: theme.theme.clone(), times: theme.times }),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of feedback are far below 2^52")]
    fn finished(mut self) -> Self {
        if self.given > 0 {
            self.average = Some((self.sum as f64 / self.given as f64 * 100.0).round() / 100.0);
        }
        for list in [&mut self.strengths, &mut self.weaknesses] {
            list.sort_by(|a, b| b.times.cmp(&a.times).then_with(|| a.theme.cmp(&b.theme)));
        }
        self
    }
}

/// The first and the last month asked for.
fn months(from: Option<&str>, until: Option<&str>, now: Time) -> Result<(String, String), Problem> {
    let until = match until {
        Some(text) => month("until", text)?,
        None => now.date_naive().with_day(1).unwrap_or_default(),
    };
    let from = match from {
        Some(text) => month("from", text)?,
        None => until - Months::new(11),
    };
    let count = (until.year() - from.year()) * 12 + until.month().cast_signed() - from.month().cast_signed() + 1;
    if count < 1 {
        return Err(bad("from", format!("{} is after `until`, which is {}", text(from), text(until))));
    }
    if count > MOST_MONTHS {
        return Err(bad("from", format!("{} until {} are {count} months, the most is {MOST_MONTHS}", text(from), text(until))));
    }
    Ok((text(from), text(until)))
}

fn month(field: &str, said: &str) -> Result<NaiveDate, Problem> {
    let formed = said.len() == 7 && said.is_ascii();
    let date = formed.then(|| NaiveDate::parse_from_str(&format!("{said}-01"), "%Y-%m-%d").ok()).flatten();
    date.filter(|date| (1900..=2200).contains(&date.year())).ok_or_else(|| {
        let said: String = said.chars().take(40).collect();
        bad(field, format!("`{said}` is not a month; write it as `2026-03`"))
    })
}

fn text(month: NaiveDate) -> String {
    month.format("%Y-%m").to_string()
}

fn bad(field: &str, problem: String) -> Problem {
    Problem::malformed(format!("query: `{field}`: {problem}")).with("field", field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Time {
        "2026-03-15T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_year_until_now_unless_said_otherwise() {
        assert_eq!(months(None, None, now()), Ok(("2025-04".to_owned(), "2026-03".to_owned())));
        assert_eq!(months(None, Some("2025-01"), now()), Ok(("2024-02".to_owned(), "2025-01".to_owned())));
        assert_eq!(months(Some("2026-03"), None, now()), Ok(("2026-03".to_owned(), "2026-03".to_owned())));
    }

    #[test]
    fn months_that_are_none_are_refused() {
        for (from, until) in
            [("2026-04", "2026-03"), ("2026-13", "2026-12"), ("2026-1", "2026-03"), ("march", "2026-03"), ("2000-01", "2026-03")]
        {
            assert!(months(Some(from), Some(until), now()).is_err(), "{from} until {until}");
        }
    }

    #[test]
    fn scores_of_several_groups_are_weighed_by_how_many_gave_them() {
        let score = |branch: &str, given, score_sum, lowest, highest| Scores {
            branch: branch.to_owned(),
            clinician: None,
            month: "2026-03".to_owned(),
            given,
            score_sum,
            lowest,
            highest,
        };
        let theme = |branch: &str, theme: &str, strength, times| ThemeCount {
            branch: branch.to_owned(),
            clinician: None,
            month: "2026-03".to_owned(),
            theme: theme.to_owned(),
            strength,
            times,
        };
        let scores = [score("north", 3, 30, 10, 10), score("south", 1, 5, 5, 5)];
        let themes = [theme("north", "care", true, 1), theme("south", "waiting", true, 2), theme("south", "care", true, 2)];
        let (total, groups) = put_together(scores.into_iter(), themes.into_iter());
        assert_eq!((total.given, total.average, total.lowest, total.highest), (4, Some(8.75), Some(5), Some(10)));
        let named = |theme: &str, times| Named { theme: theme.to_owned(), times };
        assert_eq!(total.strengths, [named("care", 3), named("waiting", 2)]);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[1].said.strengths, [named("care", 2), named("waiting", 2)]);
    }
}
