//! The policy in force and those before it: their texts, what differs between two of them, and written cases held against one.

use askama::Template;
use axum::extract::{Path, Query};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::json;
use tact_words::Word;

use crate::api::query;
use crate::failure::Failure;
use crate::form::{Form, key, said};
use crate::layout::{Layout, Part};
use crate::pages::{rendered, rendered_as};
use crate::person::Person;
use crate::when::Wall;
use crate::words::network::{Net, outcome, policy_key};
use crate::words::{Say, capital};
use crate::wrong::Wrong;

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Wanted {
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Policy {
    version: String,
    sha256: String,
    effective_from: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    in_force: bool,
    text: Option<String>,
}

/// A policy in the table.
struct Line {
    version: String,
    effective: String,
    published: String,
    in_force: bool,
}

/// A key of which two policies say different things.
struct Difference {
    what: String,
    key: String,
    before: Option<String>,
    after: Option<String>,
}

/// How a case came out.
#[derive(Debug, Deserialize)]
struct Case {
    file: String,
    name: Option<String>,
    passed: bool,
    because: Vec<String>,
}

/// Cases that were tried.
#[derive(Default)]
struct Tried {
    version: String,
    text: String,
    outcome: String,
    /// Those that came out otherwise first.
    cases: Vec<Case>,
}

#[derive(Template)]
#[template(path = "network_policies.html")]
struct Page {
    layout: Layout,
    key: String,
    /// The version in force, since when, and its text.
    current: Option<(String, String, String)>,
    lines: Vec<Line>,
    from: String,
    to: String,
    differences: Option<Vec<Difference>>,
    tries: bool,
    tried: Tried,
    wrong: Option<Wrong>,
}

impl Page {
    fn t(&self, what: Net) -> &'static str {
        what.word(self.layout.language)
    }

    fn is_from(&self, version: &str) -> bool {
        self.from == version
    }

    fn is_to(&self, version: &str) -> bool {
        self.to == version
    }

    fn is_tried(&self, line: &Line) -> bool {
        if self.tried.version.is_empty() { line.in_force } else { self.tried.version == line.version }
    }
}

pub(super) async fn page(person: Person, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    shown(&person, wanted, Tried::default(), None).await
}

async fn shown(person: &Person, wanted: Wanted, tried: Tried, wrong: Option<Wrong>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct List {
        policies: Vec<Policy>,
    }
    let language = person.language;
    let layout = Layout::of(person, Part::Network, Net::TabPolicies.word(language)).await?;
    let list: List = person.get("/v1/policies").await?;
    let zone = layout.branches.first().map_or("UTC", |branch| branch.time_zone.as_str());
    let wall = Wall::new(language, zone, DateTime::UNIX_EPOCH);
    let (from, to) = pair(&list.policies, &wanted);
    let mut wrong = wrong;
    let mut differences = None;
    if said(wanted.from.as_deref()).is_some() && said(wanted.to.as_deref()).is_some() {
        match between(person, &from, &to).await {
            Ok(found) => differences = Some(found),
            Err(failure) => wrong = Some(Wrong::of(language, failure)?),
        }
    }
    let current = match list.policies.iter().find(|policy| policy.in_force) {
        Some(policy) => {
            let whole: Policy = person.get(&path(&policy.version)).await?;
            Some((policy.version.clone(), wall.moment(policy.effective_from), whole.text.unwrap_or_default()))
        }
        None => None,
    };
    let lines = list.policies.iter().rev().map(|policy| Line {
        version: policy.version.clone(),
        effective: wall.moment(policy.effective_from),
        published: wall.moment(policy.recorded_at),
        in_force: policy.in_force,
    });
    let lines = lines.collect();
    let status = wrong.as_ref().map(|wrong| wrong.status);
    let tries = person.is(&["network_manager"]);
    let page = Page { layout, key: key(), current, lines, from, to, differences, tries, tried, wrong };
    rendered_as(language, &page, status)
}

/// The path of a version, whatever stands in its name.
fn path(version: &str) -> String {
    let encoded = serde_urlencoded::to_string([("", version)]).unwrap_or_default();
    format!("/v1/policies/{}", encoded.trim_start_matches('=').replace('+', "%20"))
}

/// The two that are compared: those chosen, else the one in force with the one before it.
fn pair(policies: &[Policy], wanted: &Wanted) -> (String, String) {
    let last = policies.iter().rposition(|policy| policy.in_force).unwrap_or(policies.len().saturating_sub(1));
    let version = |at: usize| policies.get(at).map(|policy| policy.version.clone()).unwrap_or_default();
    let chosen = |text: &Option<String>| said(text.as_deref()).map(ToOwned::to_owned);
    let from = chosen(&wanted.from).unwrap_or_else(|| version(last.saturating_sub(1)));
    (from, chosen(&wanted.to).unwrap_or_else(|| version(last)))
}

async fn between(person: &Person, from: &str, to: &str) -> Result<Vec<Difference>, Failure> {
    #[derive(Deserialize)]
    struct List {
        differences: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        path: String,
        from: Option<String>,
        to: Option<String>,
    }
    let list: List = person.get(&query("/v1/policies/diff", &[("from", from), ("to", to)])).await?;
    let told = list.differences.into_iter().map(|one| {
        let (what, key) = policy_key(person.language, &one.path);
        Difference { what: capital(&what), key, before: one.from, after: one.to }
    });
    Ok(told.collect())
}

#[derive(Template)]
#[template(path = "network_policy.html")]
struct Text {
    layout: Layout,
    version: String,
    since: String,
    sha256: String,
    text: String,
}

impl Text {
    fn t(&self, what: Net) -> &'static str {
        what.word(self.layout.language)
    }
}

pub(super) async fn text(person: Person, Path(version): Path<String>) -> Result<Response, Failure> {
    let language = person.language;
    let layout = Layout::of(&person, Part::Network, version.clone()).await?;
    let policy: Policy = person.get(&path(&version)).await?;
    let zone = layout.branches.first().map_or("UTC", |branch| branch.time_zone.as_str());
    let since = Wall::new(language, zone, DateTime::UNIX_EPOCH).moment(policy.effective_from);
    let text = policy.text.unwrap_or_default();
    rendered(language, &Text { layout, version: policy.version, since, sha256: policy.sha256, text })
}

#[derive(Debug, Deserialize)]
pub(super) struct Cases {
    key: String,
    version: String,
    #[serde(default)]
    text: String,
}

/// Cases are told and shown at once: nothing is recorded that a page could be asked for again.
pub(super) async fn cases(person: Person, Form(form): Form<Cases>) -> Result<Response, Failure> {
    #[derive(Deserialize)]
    struct Told {
        passed: u64,
        failed: u64,
        cases: Vec<Case>,
    }
    let body = match said(Some(&form.text)) {
        Some(_) => json!({"cases": [{"file": "own.toml", "text": form.text}]}),
        None => json!({}),
    };
    let mut tried = Tried { version: form.version, text: form.text, ..Tried::default() };
    let told = match person.post(&format!("{}/scenarios", path(&tried.version)), &form.key, &body).await {
        Ok(told) => told,
        Err(failure) => {
            let wrong = Wrong::of(person.language, failure)?;
            return shown(&person, Wanted::default(), tried, Some(wrong)).await;
        }
    };
    let told: Told = serde_json::from_value(told).map_err(|_| Failure::Ours)?;
    tried.outcome = outcome(person.language, told.passed, told.failed);
    tried.cases = told.cases;
    tried.cases.sort_by_key(|case| case.passed);
    shown(&person, Wanted::default(), tried, None).await
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn without_a_choice_the_policy_in_force_is_held_against_the_one_before_it() {
        let of = |in_force: usize, wanted: &str| {
            let policies: Vec<Policy> = (0..3)
                .map(|n| {
                    let time = format!("2026-0{}-01T00:00:00Z", n + 1);
                    serde_json::from_value(
                        json!({"version": format!("v{n}"), "sha256": "", "effective_from": time, "recorded_at": time,
                        "in_force": n == in_force}),
                    )
                    .unwrap()
                })
                .collect();
            pair(&policies, &serde_urlencoded::from_str(wanted).unwrap())
        };
        let two = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        assert_eq!(of(1, ""), two("v0", "v1"));
        assert_eq!(of(0, ""), two("v0", "v0"));
        assert_eq!(of(2, "from=v0&to="), two("v0", "v2"));
        assert_eq!(pair(&[], &Wanted::default()), two("", ""));
    }

    #[test]
    fn a_version_stands_in_a_path_whatever_its_name() {
        assert_eq!(path("2026-03 strict/new"), "/v1/policies/2026-03%20strict%2Fnew");
    }
}
