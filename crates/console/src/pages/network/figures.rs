//! Contacts, permits and refusals by month, branch and purpose, as the API counts them; here they are only added up and put side by side.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use chrono::{DateTime, Datelike, Months, Utc};
use serde::Deserialize;
use smol_str::SmolStr;
use tact_domain::Code;
use tact_words::{Language, Word};

use crate::api::query;
use crate::clock;
use crate::failure::Failure;
use crate::form::said;
use crate::layout::{Branch, Layout, Part};
use crate::pages::rendered_as;
use crate::person::Person;
use crate::plot::{self, Shown, Trend};
use crate::when;
use crate::words::feedback::decimal;
use crate::words::network::{Net, count, rate, share};
use crate::words::{self, Say, capital};
use crate::wrong::Wrong;

/// How many months are shown if none are chosen, the present one included.
const RECENT: u32 = 12;
/// The most months that are counted.
const MOST_MONTHS: usize = 120;

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Wanted {
    from: Option<String>,
    until: Option<String>,
    branch: Option<String>,
}

/// What the API counts.
#[derive(Debug, Default, Deserialize)]
struct Figures {
    contacts: Vec<Contacts>,
    permits: Vec<Permits>,
    refusals: Vec<Refusals>,
    patients: Vec<Patients>,
    #[serde(default)]
    patient_months: Vec<PatientMonth>,
}

#[derive(Debug, Deserialize)]
struct Contacts {
    branch: SmolStr,
    month: String,
    purpose: SmolStr,
    direction: String,
    outcome: String,
    made: i64,
    announced: i64,
    breaches: i64,
}

#[derive(Debug, Deserialize)]
struct Permits {
    branch: SmolStr,
    month: String,
    purpose: SmolStr,
    granted: i64,
    refused: i64,
}

#[derive(Debug, Deserialize)]
struct Refusals {
    branch: SmolStr,
    code: String,
    refused: i64,
}

#[derive(Debug, Deserialize)]
struct Patients {
    home_branch: Option<SmolStr>,
    standing: String,
    reach: String,
    patients: i64,
}

/// How a month was for those who were contacted in it.
#[derive(Debug, Deserialize)]
struct PatientMonth {
    /// Absent: of the whole network.
    branch: Option<SmolStr>,
    month: String,
    contacts_per_patient: Option<f64>,
    turned_to_patient_initiated: i64,
}

/// Some of it, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sums {
    /// Contacts that we made and that count as attempts.
    attempts: i64,
    announced: i64,
    declined: i64,
    breaches: i64,
    inbound: i64,
    granted: i64,
    refused: i64,
    /// Patients whose records are open.
    patients: i64,
    left_alone: i64,
}

impl Sums {
    fn contact(&mut self, row: &Contacts) {
        if row.direction == "inbound" {
            self.inbound += row.made;
            return;
        }
        self.breaches += row.breaches;
        // What reached somebody else, or nobody at all, was no attempt to reach this patient.
        if row.outcome == "wrong_number" || row.outcome == "failed" {
            return;
        }
        self.attempts += row.made;
        self.announced += row.announced;
        if row.outcome == "declined" {
            self.declined += row.made;
        }
    }

    fn permit(&mut self, row: &Permits) {
        self.granted += row.granted;
        self.refused += row.refused;
    }

    fn patient(&mut self, row: &Patients) {
        if row.standing == "open" {
            self.patients += row.patients;
            if row.reach == "patient_initiated" {
                self.left_alone += row.patients;
            }
        }
    }
}

/// A line of a table.
pub(super) struct Line {
    name: String,
    attempts: String,
    per_patient: String,
    announced: String,
    declined: String,
    breaches: String,
    left_alone: String,
    inbound: String,
    granted: String,
    refused: String,
    has_breaches: bool,
    /// Of a month: contacts for each patient who was contacted, and how many turned to "don't call me".
    per_contacted: String,
    turned: String,
}

fn line(language: Language, name: String, sums: &Sums, months: u32) -> Line {
    let n = |n| count(language, n);
    let a_year = rate(sums.attempts, sums.patients) * 12.0 / f64::from(months.max(1));
    Line {
        name,
        attempts: n(sums.attempts),
        per_patient: if sums.patients > 0 { decimal(language, a_year) } else { "—".to_owned() },
        announced: share(language, sums.announced, sums.attempts),
        declined: share(language, sums.declined, sums.attempts),
        breaches: n(sums.breaches),
        left_alone: n(sums.left_alone),
        inbound: n(sums.inbound),
        granted: n(sums.granted),
        refused: n(sums.refused),
        has_breaches: sums.breaches > 0,
        per_contacted: "—".to_owned(),
        turned: "—".to_owned(),
    }
}

#[derive(Template)]
#[template(path = "network.html")]
struct Page {
    layout: Layout,
    from: String,
    until: String,
    branch: String,
    wrong: Option<Wrong>,
    whole: Option<Line>,
    plot: Option<(Trend, String)>,
    months: Vec<Line>,
    branches: Vec<Line>,
    purposes: Vec<Line>,
    reasons: Vec<(String, String)>,
    /// Whether the person may ask what another policy would have changed.
    tries: bool,
}

impl Page {
    fn t(&self, what: Net) -> &'static str {
        what.word(self.layout.language)
    }

    fn bad(&self, field: &str) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.is_about(field))
    }
}

pub(super) async fn page(person: Person, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    let language = person.language;
    let layout = Layout::of(&person, Part::Network, Net::Title.word(language)).await?;
    let (first, last) = recent(now(&person, &layout).await?);
    let text = |text: &Option<String>, otherwise: String| said(text.as_deref()).map_or(otherwise, ToOwned::to_owned);
    let (from, until) = (text(&wanted.from, first), text(&wanted.until, last));
    let branch = text(&wanted.branch, String::new());
    let asked = query("/v1/figures", &[("from", &from), ("until", &until)]);
    let (figures, wrong) = match person.get::<Figures>(&asked).await {
        Ok(figures) => (Some(figures), None),
        Err(failure) => (None, Some(Wrong::of(language, failure)?)),
    };
    let status = wrong.as_ref().map(|wrong| wrong.status);
    let mut page = Page {
        layout,
        from,
        until,
        branch,
        wrong,
        whole: None,
        plot: None,
        months: Vec::new(),
        branches: Vec::new(),
        purposes: Vec::new(),
        reasons: Vec::new(),
        tries: person.is(&["network_manager"]),
    };
    if let Some(figures) = figures {
        fill(&mut page, language, &figures);
    }
    rendered_as(language, &page, status)
}

/// What is now by the service's clock, for those who may ask it; the months that a page begins with depend on nothing else.
pub(super) async fn now(person: &Person, layout: &Layout) -> Result<DateTime<Utc>, Failure> {
    #[derive(Deserialize)]
    struct Worklist {
        now: DateTime<Utc>,
    }
    match layout.branches.first().filter(|_| person.has_desk()) {
        Some(branch) => Ok(person.get::<Worklist>(&format!("/v1/branches/{}/worklist?limit=1", branch.branch)).await?.now),
        None => Ok(clock::now()),
    }
}

/// The months up to a moment, by UTC.
fn recent(now: DateTime<Utc>) -> (String, String) {
    let month = |date: chrono::NaiveDate| format!("{:04}-{:02}", date.year(), date.month());
    let today = now.date_naive();
    let first = today.checked_sub_months(Months::new(RECENT - 1)).unwrap_or(today);
    (month(first), month(today))
}

/// The months from one to another, at most ten years of them.
fn months(from: &str, until: &str) -> Vec<String> {
    when::months(from, until).take(MOST_MONTHS).collect()
}

fn fill(page: &mut Page, language: Language, figures: &Figures) {
    let months = months(&page.from, &page.until);
    let span = u32::try_from(months.len()).unwrap_or(1);
    let only = page.branch.clone();
    let of = |branch: &str| only.is_empty() || branch == only;
    let mut whole = Sums::default();
    let mut by_month: BTreeMap<&str, Sums> = months.iter().map(|month| (month.as_str(), Sums::default())).collect();
    let mut by_branch: BTreeMap<&str, Sums> = BTreeMap::new();
    let mut by_purpose: BTreeMap<&str, Sums> = BTreeMap::new();
    for row in figures.contacts.iter().filter(|row| of(&row.branch)) {
        let sums = [by_month.entry(&row.month), by_branch.entry(&row.branch), by_purpose.entry(&row.purpose)];
        sums.into_iter().for_each(|sums| sums.or_default().contact(row));
        whole.contact(row);
    }
    for row in figures.permits.iter().filter(|row| of(&row.branch)) {
        let sums = [by_month.entry(&row.month), by_branch.entry(&row.branch), by_purpose.entry(&row.purpose)];
        sums.into_iter().for_each(|sums| sums.or_default().permit(row));
        whole.permit(row);
    }
    for row in figures.patients.iter().filter(|row| of(row.home_branch.as_deref().unwrap_or_default())) {
        by_branch.entry(row.home_branch.as_deref().unwrap_or_default()).or_default().patient(row);
        whole.patient(row);
    }
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for row in figures.refusals.iter().filter(|row| of(&row.branch)) {
        *reasons.entry(&row.code).or_default() += row.refused;
    }
    let mut reasons: Vec<(&str, i64)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    page.reasons = reasons.into_iter().map(|(code, times)| (reason(language, code), count(language, times))).collect();
    page.plot = plotted(language, &by_month);
    let lived = |month: &str| {
        let of = |one: &&PatientMonth| one.month == month && one.branch.as_deref().unwrap_or_default() == only;
        figures.patient_months.iter().find(of)
    };
    let lines = by_month.iter().rev().map(|(month, sums)| {
        let line = line(language, when::month(language, month), sums, 1);
        match lived(month) {
            Some(lived) => Line {
                per_contacted: lived.contacts_per_patient.map_or(line.per_contacted, |each| decimal(language, each)),
                turned: count(language, lived.turned_to_patient_initiated),
                ..line
            },
            None => line,
        }
    });
    page.months = lines.collect();
    let named =
        by_branch.iter().map(|(code, sums)| line(language, branch_name(&page.layout.branches, code, language), sums, span));
    page.branches = named.collect();
    let mut purposes: Vec<(&str, Sums)> = by_purpose.into_iter().collect();
    purposes.sort_by_key(|(_, sums)| std::cmp::Reverse(sums.attempts));
    let purposes = purposes.iter().map(|(purpose, sums)| line(language, words::purpose(language, purpose), sums, span));
    page.purposes = purposes.collect();
    page.whole = Some(line(language, Net::Whole.word(language).to_owned(), &whole, span));
}

pub(super) fn reason(language: Language, code: &str) -> String {
    code.parse::<Code>().map_or_else(|_| code.to_owned(), |code| capital(code.word(language)))
}

pub(super) fn branch_name(branches: &[Branch], code: &str, language: Language) -> String {
    if code.is_empty() {
        return capital(Net::NoBranch.word(language));
    }
    branches.iter().find(|branch| branch.branch == code).map_or_else(|| code.to_owned(), |branch| branch.name.clone())
}

/// Attempts by month, against the highest of them.
fn plotted(language: Language, by_month: &BTreeMap<&str, Sums>) -> Option<(Trend, String)> {
    let number = |n: i64| f64::from(i32::try_from(n).unwrap_or(i32::MAX));
    let most = by_month.values().map(|sums| sums.attempts).max().filter(|most| *most > 0)?;
    let steps: Vec<(String, Shown)> = by_month
        .iter()
        .map(|(month, sums)| {
            let name = when::short_month(language, month);
            (name, Shown::Value(number(sums.attempts), count(language, sums.attempts)))
        })
        .collect();
    let told =
        by_month.iter().map(|(month, sums)| format!("{}: {}", when::month(language, month), count(language, sums.attempts)));
    Some((plot::trend(round(number(most)), &steps), told.collect::<Vec<_>>().join("; ")))
}

/// The next number above, of those that halve well: 2, 4, 10, 20, 40, 100 and so on.
fn round(most: f64) -> f64 {
    let power = 10_f64.powf(most.max(1.0).log10().floor());
    [1.0, 2.0, 4.0, 10.0].iter().map(|step| step * power).find(|step| *step >= most && *step >= 2.0).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_reached_nobody_is_no_attempt_and_the_patients_own_calls_never_count() {
        let row = |direction: &str, outcome: &str, breaches: i64| -> Contacts {
            serde_json::from_value(json!({"branch": "north", "month": "2026-03", "purpose": "promotion", "direction": direction,
                "outcome": outcome, "made": 4, "announced": 1, "breaches": breaches}))
            .unwrap()
        };
        let mut sums = Sums::default();
        for (direction, outcome, breaches) in [
            ("outbound", "reached", 2),
            ("outbound", "declined", 0),
            ("outbound", "failed", 1),
            ("outbound", "wrong_number", 0),
            ("inbound", "reached", 0),
        ] {
            sums.contact(&row(direction, outcome, breaches));
        }
        assert_eq!(sums, Sums { attempts: 8, announced: 2, declined: 4, breaches: 3, inbound: 4, ..Sums::default() });
        sums.patients = 16;
        let line = line(Language::English, String::new(), &sums, 6);
        assert_eq!((line.per_patient.as_str(), line.announced.as_str(), line.declined.as_str()), ("1", "25%", "50%"));
    }

    #[test]
    fn months_are_those_chosen_and_else_the_last_twelve() {
        assert_eq!(recent("2026-02-28T23:00:00Z".parse().unwrap()), ("2025-03".to_owned(), "2026-02".to_owned()));
        assert_eq!(months("2025-11", "2026-02"), ["2025-11", "2025-12", "2026-01", "2026-02"]);
        assert_eq!(months("2026-02", "2025-11"), [""; 0]);
        assert_eq!(months("1900-01", "2200-01").len(), 120);
    }

    #[test]
    fn a_scale_ends_above_the_highest_bar_and_halves_well() {
        for (most, end) in
            [(1.0, 2.0), (2.0, 2.0), (3.0, 4.0), (7.0, 10.0), (10.0, 10.0), (11.0, 20.0), (399.0, 400.0), (4001.0, 10000.0)]
        {
            assert_eq!(round(most), end, "{most}");
        }
    }
}
