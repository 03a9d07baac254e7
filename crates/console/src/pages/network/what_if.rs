//! What another policy would have changed in what was recorded: asked of the API, shown, and kept nowhere.
//!
//! It tells what would have been spared and what would have been left undone. Neither is put before the other.

use askama::Template;
use axum::response::Response;
use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use smol_str::SmolStr;
use tact_words::Word;
use uuid::Uuid;

use super::figures::{branch_name, now, reason};
use crate::clock;
use crate::failure::{Failure, Problem};
use crate::form::{Form, key, said};
use crate::layout::{Layout, Part};
use crate::pages::rendered_as;
use crate::person::Person;
use crate::words::Say;
use crate::words::network::{Net, count};
use crate::wrong::Wrong;

/// How many days are asked about if none are chosen.
const RECENT: u64 = 30;

/// What was asked.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    key: String,
    #[serde(default)]
    version: String,
    /// The text of a policy that is not published; it goes before `version`.
    #[serde(default)]
    text: String,
    /// The first day and the last, by the clock of the first branch.
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
}

#[derive(Debug, Deserialize)]
struct Told {
    total: Figures,
    branches: Vec<OfBranch>,
    reasons: Vec<OfReason>,
    examples: Vec<Example>,
    events: i64,
    set_aside: i64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Figures {
    contacts: i64,
    contacts_refused: i64,
    contacts_refused_reached: i64,
    contacts_permitted: i64,
    permits: i64,
    permits_refused: i64,
    refusals: i64,
    refusals_permitted: i64,
}

#[derive(Debug, Deserialize)]
struct OfBranch {
    branch: SmolStr,
    #[serde(flatten)]
    figures: Figures,
}

#[derive(Debug, Deserialize)]
struct OfReason {
    branch: SmolStr,
    reason: String,
    #[serde(flatten)]
    times: Times,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct Times {
    contacts_refused: i64,
    permits_refused: i64,
    contacts_permitted: i64,
    refusals_permitted: i64,
}

#[derive(Debug, Deserialize)]
struct Example {
    contact: Uuid,
    branch: SmolStr,
    otherwise: String,
    reasons: Vec<String>,
}

/// A line of figures.
struct Line {
    name: String,
    /// Contacts, those refused, those of them that reached somebody, those permitted; permits and those refused; refusals and those permitted.
    counts: [String; 8],
}

/// A line of reasons.
struct ReasonLine {
    branch: String,
    reason: String,
    counts: [String; 4],
}

/// A contact that would have come out otherwise.
struct ExampleLine {
    contact: Uuid,
    branch: String,
    refused: bool,
    reasons: String,
}

#[derive(Default)]
struct Shown {
    lines: Vec<Line>,
    reasons: Vec<ReasonLine>,
    examples: Vec<ExampleLine>,
    events: String,
    set_aside: Option<String>,
}

#[derive(Template)]
#[template(path = "network_what_if.html")]
struct Page {
    layout: Layout,
    asked: Asked,
    versions: Vec<String>,
    shown: Option<Shown>,
    wrong: Option<Wrong>,
}

impl Page {
    fn t(&self, what: Net) -> &'static str {
        what.word(self.layout.language)
    }

    fn bad(&self, field: &str) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.is_about(field))
    }

    fn is_asked(&self, version: &str) -> bool {
        self.asked.version == version
    }
}

pub(super) async fn page(person: Person) -> Result<Response, Failure> {
    if !person.is(&["network_manager"]) {
        return Err(Failure::Problem(Problem::forbidden()));
    }
    let layout = Layout::of(&person, Part::Network, Net::WhatIf.word(person.language)).await?;
    let today = now(&person, &layout).await?.date_naive();
    let first = today.checked_sub_days(Days::new(RECENT)).unwrap_or(today);
    let asked = Asked { key: key(), from: first.to_string(), until: today.to_string(), ..Asked::default() };
    made(&person, layout, asked, Ok(None)).await
}

pub(super) async fn ask(person: Person, Form(asked): Form<Asked>) -> Result<Response, Failure> {
    let layout = Layout::of(&person, Part::Network, Net::WhatIf.word(person.language)).await?;
    let zone = layout.branches.first().map_or("UTC", |branch| branch.time_zone.as_str());
    let answer = match body(&asked, zone) {
        Ok(body) => person.post("/v1/policies/what-if", &asked.key, &body).await,
        Err(failure) => Err(failure),
    };
    let told = match answer {
        Ok(told) => Ok(Some(serde_json::from_value(told).map_err(|_| Failure::Ours)?)),
        Err(failure) => Err(Wrong::of(person.language, failure)?).map_err(|wrong: Wrong| match wrong.is_about("text") {
            true => Wrong { what: Net::WhatIfBad.word(person.language).to_owned(), ..wrong },
            false => wrong,
        }),
    };
    made(&person, layout, Asked { key: key(), ..asked }, told).await
}

/// The question as the API takes it: from the beginning of the first day until the end of the last.
fn body(asked: &Asked, zone: &str) -> Result<Value, Failure> {
    let begin = |field: &str, text: &str, later: u64| -> Result<DateTime<Utc>, Failure> {
        let day: Option<NaiveDate> = text.trim().parse().ok().and_then(|day: NaiveDate| day.checked_add_days(Days::new(later)));
        let at = day.and_then(|day| clock::begins(day, zone));
        at.ok_or_else(|| Failure::Problem(Problem::of_field(field)))
    };
    let (from, until) = (begin("from", &asked.from, 0)?, begin("until", &asked.until, 1)?);
    Ok(match said(Some(&asked.text)) {
        Some(_) => json!({"text": asked.text, "from": from, "until": until}),
        None => json!({"version": asked.version, "from": from, "until": until}),
    })
}

async fn made(person: &Person, layout: Layout, asked: Asked, told: Result<Option<Told>, Wrong>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct List {
        policies: Vec<Policy>,
    }
    #[derive(Deserialize)]
    struct Policy {
        version: String,
    }
    let list: List = person.get("/v1/policies").await?;
    let versions = list.policies.into_iter().rev().map(|policy| policy.version).collect();
    let (shown, wrong) = match told {
        Ok(told) => (told.map(|told| lines(&layout, told)), None),
        Err(wrong) => (None, Some(wrong)),
    };
    let status = wrong.as_ref().map(|wrong| wrong.status);
    rendered_as(person.language, &Page { layout, asked, versions, shown, wrong }, status)
}

fn lines(layout: &Layout, told: Told) -> Shown {
    let language = layout.language;
    let n = |n: i64| count(language, n);
    let line = |name: String, of: Figures| {
        let counts = [
            of.contacts,
            of.contacts_refused,
            of.contacts_refused_reached,
            of.contacts_permitted,
            of.permits,
            of.permits_refused,
            of.refusals,
            of.refusals_permitted,
        ];
        Line { name, counts: counts.map(n) }
    };
    let name = |code: &str| branch_name(&layout.branches, code, language);
    let whole = line(Net::Whole.word(language).to_owned(), told.total);
    let branches = told.branches.iter().map(|one| line(name(&one.branch), one.figures));
    let reasons = told.reasons.iter().map(|one| {
        let Times { contacts_refused, permits_refused, contacts_permitted, refusals_permitted } = one.times;
        let counts = [contacts_refused, permits_refused, contacts_permitted, refusals_permitted].map(n);
        ReasonLine { branch: name(&one.branch), reason: reason(language, &one.reason), counts }
    });
    let examples = told.examples.iter().map(|one| ExampleLine {
        contact: one.contact,
        branch: name(&one.branch),
        refused: one.otherwise == "refused",
        reasons: one.reasons.iter().map(|code| reason(language, code)).collect::<Vec<_>>().join("; "),
    });
    Shown {
        lines: [whole].into_iter().chain(branches).collect(),
        reasons: reasons.collect(),
        examples: examples.collect(),
        events: n(told.events),
        set_aside: (told.set_aside > 0).then(|| n(told.set_aside)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_days_of_the_network() {
        let asked = |from: &str, until: &str, text: &str| Asked {
            from: from.to_owned(),
            until: until.to_owned(),
            text: text.to_owned(),
            version: "default".to_owned(),
            ..Asked::default()
        };
        let told = body(&asked("2026-03-01", "2026-03-31", ""), "Europe/Moscow").unwrap();
        assert_eq!(told, json!({"version": "default", "from": "2026-02-28T21:00:00Z", "until": "2026-03-31T21:00:00Z"}));
        let told = body(&asked("2026-03-29", "2026-03-29", "x = 1"), "Europe/Berlin").unwrap();
        assert_eq!(
            told,
            json!({"text": "x = 1", "from": "2026-03-28T23:00:00Z", "until": "2026-03-29T22:00:00Z"}),
            "a day of 23 hours"
        );
        for (from, until, field) in [("", "2026-03-31", "from"), ("2026-03-01", "31.03.2026", "until")] {
            match body(&asked(from, until, ""), "UTC") {
                Err(Failure::Problem(problem)) => assert_eq!(problem.field.as_deref(), Some(field)),
                other => panic!("{other:?}"),
            }
        }
    }
}
