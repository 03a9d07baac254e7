//! What was said of us, by branch, clinician, theme and month: of those who recommend us, and apart from them of everyone else (P5).
//!
//! It must never name a patient, nor mix the two, nor add up what [`disclosure`](crate::disclosure) has not: every figure here is of a cell that
//! is released there, whoever asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use tact_domain::Branch;
use tact_read_models::feedback::{self, Given};
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::disclosure::{About, Cells, LEAST, Period, Said, Subject, released};

/// What is asked for. It picks among cells that are the same for everybody; no figure is made of a choice.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Of what: `network` (for callers who act for all branches), `branch` (if absent), or `clinician`, at each branch.
    #[param(inline)]
    by: Option<By>,
    /// Over what: `month` (if absent), `year`, or `ever`.
    #[param(inline)]
    per: Option<Per>,
    /// One branch only; absent: all branches of the caller's.
    #[param(value_type = Option<String>)]
    branch: Option<Branch>,
    /// One clinician only; with `by=clinician`.
    clinician: Option<Uuid>,
    /// The first month, `YYYY-MM` in UTC; absent: from the first on. A year counts if any of its months does.
    from: Option<String>,
    /// The last month; absent: until the last.
    until: Option<String>,
    /// The position that the answer must have come to; also as the header `Tact-At-Least`.
    at_least: Option<String>,
}

/// Whose figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    /// The whole network's.
    Network,
    /// A branch's.
    Branch,
    /// A clinician's at a branch.
    Clinician,
}

/// Over which span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Per {
    /// A month.
    Month,
    /// A calendar year.
    Year,
    /// All that was ever said.
    Ever,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedbackFigures)]
pub(crate) struct Figures {
    /// Whose feedback this is: `referrers` or `others`.
    of: &'static str,
    /// Up to which position of the log it is true.
    position: String,
    #[schema(inline)]
    by: By,
    #[schema(inline)]
    per: Per,
    /// The fewest people whose feedback is shown together: 3.
    fewest_people: usize,
    /// By branch, clinician and period. Cells in which nobody has spoken are absent.
    cells: Vec<Cell>,
}

/// What was said of the network, one branch, or one clinician there, in one period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedbackCell)]
pub(crate) struct Cell {
    /// Absent: of the network.
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    /// Absent: of all, whether they name a clinician or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    clinician: Option<Uuid>,
    /// `YYYY-MM` in UTC, `YYYY`, or `ever`.
    #[schema(example = "2026-03")]
    period: String,
    /// Whether nothing of it is shown: fewer than three people speak in it, or it would tell of fewer beside other cells.
    withheld: bool,
    /// How many times feedback was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    given: Option<usize>,
    /// The mean score, from 0 to 10, to two decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    average: Option<f64>,
    /// What is good, by theme, the most named first.
    strengths: Vec<Named>,
    /// What is not.
    weaknesses: Vec<Named>,
    /// Whether themes were named that are not shown, for the same reasons.
    themes_withheld: bool,
}

/// How often a theme was named, and what those who name it think of us.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Named {
    theme: String,
    times: usize,
    /// The mean score of the feedback that names it, to two decimals.
    average: f64,
}

/// The cells of either kind as they were last made, with the generation and position of the read models that they were made of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Made(Arc<Mutex<[Option<Last>; 2]>>);

type Last = ((i64, i64), Arc<Cells>);

/// See what those say who recommend us
///
/// Scores, strengths and weaknesses by branch, clinician, theme and period. Nothing tells whom they brought. What fewer than three people say is
/// withheld, and whatever would tell of it beside the rest; the cells are the same for everybody, so that no two answers tell more than one.
#[utoipa::path(
    get, path = "/v1/feedback", tag = "feedback", params(Which),
    responses((status = 200, description = "What was asked for", body = Figures), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_referrers(
    State(app): State<Arc<App>>,
    Extension(made): Extension<Made>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Which>,
) -> Result<Json<Figures>, Problem> {
    figures(&app, &made, &caller, &headers, query, true).await
}

/// See what everyone else says
///
/// Kept apart from what those say who recommend us; withheld by the same rules.
#[utoipa::path(
    get, path = "/v1/feedback/others", tag = "feedback", params(Which),
    responses((status = 200, description = "What was asked for", body = Figures), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_others(
    State(app): State<Arc<App>>,
    Extension(made): Extension<Made>,
    caller: Caller,
    headers: HeaderMap,
    Query(query): Query<Which>,
) -> Result<Json<Figures>, Problem> {
    figures(&app, &made, &caller, &headers, query, false).await
}

async fn figures(
    app: &App,
    made: &Made,
    caller: &Caller,
    headers: &HeaderMap,
    query: Which,
    of_referrers: bool,
) -> Result<Json<Figures>, Problem> {
    caller.may(Permission::SeeFigures)?;
    let (by, per) = (query.by.unwrap_or(By::Branch), query.per.unwrap_or(Per::Month));
    if let Some(branch) = &query.branch {
        caller.at(branch)?;
        app.branch("branch", branch).await?;
    }
    if by == By::Network && !caller.covers_all() {
        return Err(Problem::forbidden("the whole network's figures are for callers who act for all branches; ask `by=branch`"));
    }
    if by == By::Network && query.branch.is_some() {
        return Err(bad("branch", "the network's figures are not those of a branch; leave one of them out".to_owned()));
    }
    if by != By::Clinician && query.clinician.is_some() {
        return Err(bad("clinician", "it goes with `by=clinician`".to_owned()));
    }
    let span = months(query.from.as_deref(), query.until.as_deref())?;
    app.caught_up(at_least(query.at_least.as_deref(), headers)?).await?;
    let (position, cells) = made.cells(app, of_referrers).await?;
    let shown = |branch: &str, clinician: Option<Uuid>| {
        branch.parse::<Branch>().is_ok_and(|code| caller.covers(&code))
            && query.branch.as_ref().is_none_or(|only| only.as_str() == branch)
            && query.clinician.is_none_or(|only| Some(only) == clinician)
    };
    let picked = |subject: &Subject| match (by, subject) {
        (By::Network, Subject::Network) => true,
        (By::Branch, Subject::Branch(branch)) => shown(branch, None),
        (By::Clinician, Subject::Clinician(branch, clinician)) => shown(branch, Some(*clinician)),
        _ => false,
    };
    let of = if of_referrers { "referrers" } else { "others" };
    let cells = listed(&cells, picked, |period| in_span(per, &span, period));
    Ok(Json(Figures { of, position: position.to_string(), by, per, fewest_people: LEAST, cells }))
}

impl Made {
    /// The cells as the read models have them now.
    async fn cells(&self, app: &App, of_referrers: bool) -> Result<(i64, Arc<Cells>), Problem> {
        let checkpoint = app.read.checkpoint().await.map_err(database)?;
        let at = (checkpoint.generation, checkpoint.position);
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(of_referrers)].clone();
        if let Some((of, cells)) = last.filter(|(of, _)| *of == at) {
            return Ok((of.1, cells));
        }
        let db = app.read.db();
        let given = feedback::given(&db, of_referrers).await.map_err(database)?;
        let survivors = feedback::survivors(&db, of_referrers).await.map_err(database)?;
        let said = given.into_iter().map(|given| said(given, &survivors)).collect::<Result<Vec<Said>, Problem>>()?;
        // It takes a while when there is much of it, and nobody else shall wait.
        let cells = tokio::task::spawn_blocking(move || Arc::new(released(&said))).await.map_err(Problem::hidden)?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[usize::from(of_referrers)] = Some((at, cells.clone()));
        Ok((at.1, cells))
    }
}

fn said(given: Given, survivors: &BTreeMap<Uuid, Uuid>) -> Result<Said, Problem> {
    let mut person = given.patient;
    // No longer than the chain can be, should a row ever lead back.
    for _ in 0..=survivors.len() {
        let Some(into) = survivors.get(&person) else { break };
        person = *into;
    }
    let themes = |text: &str| serde_json::from_str(text).map_err(Problem::hidden);
    let (strengths, weaknesses) = (themes(&given.strengths)?, themes(&given.weaknesses)?);
    Ok(Said {
        person,
        branch: given.branch,
        clinician: given.clinician,
        month: given.month,
        score: given.score,
        strengths,
        weaknesses,
    })
}

/// The cells that were picked, each with its themes beside it.
fn listed(cells: &Cells, picked: impl Fn(&Subject) -> bool, within: impl Fn(&Period) -> bool) -> Vec<Cell> {
    let mut found: Vec<Cell> = Vec::new();
    // In their order the cell of all feedback stands before those of its themes.
    for (key, figures) in cells.iter().filter(|(key, _)| picked(&key.subject) && within(&key.period)) {
        let average = figures.map(|of| mean(of.sum, of.given));
        let theme = match &key.about {
            About::All => {
                let (branch, clinician) = match &key.subject {
                    Subject::Network => (None, None),
                    Subject::Branch(branch) => (Some(branch.clone()), None),
                    Subject::Clinician(branch, clinician) => (Some(branch.clone()), Some(*clinician)),
                };
                let period = match &key.period {
                    Period::Ever => "ever".to_owned(),
                    Period::Year(text) | Period::Month(text) => text.clone(),
                };
                let (withheld, given) = (figures.is_none(), figures.map(|of| of.given));
                let (strengths, weaknesses) = (Vec::new(), Vec::new());
                found.push(Cell {
                    branch,
                    clinician,
                    period,
                    withheld,
                    given,
                    average,
                    strengths,
                    weaknesses,
                    themes_withheld: false,
                });
                continue;
            }
            About::Strength(theme) | About::Weakness(theme) => theme,
        };
        let Some(cell) = found.last_mut() else { continue };
        let (Some(of), Some(average)) = (figures, average) else {
            cell.themes_withheld = true;
            continue;
        };
        let list = if matches!(key.about, About::Strength(_)) { &mut cell.strengths } else { &mut cell.weaknesses };
        list.push(Named { theme: theme.clone(), times: of.given, average });
    }
    for list in found.iter_mut().flat_map(|cell| [&mut cell.strengths, &mut cell.weaknesses]) {
        list.sort_by(|a, b| b.times.cmp(&a.times).then_with(|| a.theme.cmp(&b.theme)));
    }
    found
}

#[expect(clippy::cast_precision_loss, reason = "counts of feedback are far below 2^52")]
fn mean(sum: i64, given: usize) -> f64 {
    (sum as f64 / given as f64 * 100.0).round() / 100.0
}

fn in_span(per: Per, (from, until): &(Option<String>, Option<String>), period: &Period) -> bool {
    let within = |text: &str| {
        from.as_deref().is_none_or(|from| text >= &from[..text.len()])
            && until.as_deref().is_none_or(|until| text <= &until[..text.len()])
    };
    match (per, period) {
        (Per::Ever, Period::Ever) => true,
        (Per::Year, Period::Year(text)) | (Per::Month, Period::Month(text)) => within(text),
        _ => false,
    }
}

/// The first and the last month asked for.
fn months(from: Option<&str>, until: Option<&str>) -> Result<(Option<String>, Option<String>), Problem> {
    let from = from.map(|text| month("from", text)).transpose()?;
    let until = until.map(|text| month("until", text)).transpose()?;
    if let (Some(from), Some(until)) = (&from, &until)
        && from > until
    {
        return Err(bad("from", format!("{from} is after `until`, which is {until}")));
    }
    Ok((from, until))
}

fn month(field: &str, said: &str) -> Result<String, Problem> {
    let formed = said.len() == 7 && said.is_ascii();
    let date = formed.then(|| NaiveDate::parse_from_str(&format!("{said}-01"), "%Y-%m-%d").ok()).flatten();
    date.filter(|date| (1900..=2200).contains(&date.year())).map(|_| said.to_owned()).ok_or_else(|| {
        let said: String = said.chars().take(40).collect();
        bad(field, format!("`{said}` is not a month; write it as `2026-03`"))
    })
}

fn bad(field: &str, problem: String) -> Problem {
    Problem::malformed(format!("query: `{field}`: {problem}")).with("field", field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_that_are_none_are_refused() {
        assert_eq!(months(Some("2026-03"), None), Ok((Some("2026-03".to_owned()), None)));
        for (from, until) in [("2026-04", "2026-03"), ("2026-13", "2026-12"), ("2026-1", "2026-03"), ("march", "2026-03")] {
            assert!(months(Some(from), Some(until)).is_err(), "{from} until {until}");
        }
    }

    #[test]
    fn a_year_counts_if_any_of_its_months_does() {
        let span = (Some("2025-11".to_owned()), Some("2026-02".to_owned()));
        let year = |text: &str| in_span(Per::Year, &span, &Period::Year(text.to_owned()));
        assert!(year("2025") && year("2026") && !year("2024") && !year("2027"));
        let month = |text: &str| in_span(Per::Month, &span, &Period::Month(text.to_owned()));
        assert!(month("2025-11") && month("2026-02") && !month("2025-10") && !month("2026-03"));
    }

    #[test]
    fn themes_stand_beside_the_cell_that_they_are_of() {
        let one = |person: u128, good: &[&str], score| Said {
            person: Uuid::from_u128(person),
            branch: "north".to_owned(),
            clinician: None,
            month: "2026-03".to_owned(),
            score,
            strengths: good.iter().map(|theme| (*theme).to_owned()).collect(),
            weaknesses: Vec::new(),
        };
        let many = (0..3).map(|n| one(n, &["care"], 10)).chain((3..6).map(|n| one(n, &["time", "rare"], 7)));
        let said: Vec<Said> = many.chain([one(6, &["once"], 7), one(7, &[], 1), one(8, &[], 1)]).collect();
        let cells = listed(&released(&said), |subject| *subject == Subject::Network, |period| *period == Period::Ever);
        assert_eq!(cells.len(), 1);
        assert_eq!((cells[0].given, cells[0].average, cells[0].themes_withheld), (Some(9), Some(6.67), true));
        let named = |theme: &str, average| Named { theme: theme.to_owned(), times: 3, average };
        assert_eq!(cells[0].strengths, [named("care", 10.0), named("rare", 7.0), named("time", 7.0)]);
    }
}
