//! The figures: what is chosen above, what the API answers to it, and the sections that show it.

use askama::Template;
use axum::extract::Query;
use axum::response::Response;
use serde::Deserialize;
use smol_str::SmolStr;
use tact_words::{Language, Word};
use uuid::Uuid;

use super::sections::{Names, Section, sections};
use crate::api::query;
use crate::failure::Failure;
use crate::form::said;
use crate::layout::{Layout, Part};
use crate::pages::rendered_as;
use crate::person::Person;
use crate::words::Say;
use crate::words::feedback::{Voice, why_withheld};
use crate::wrong::Wrong;

/// What is chosen, as it stands in the page's address.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Wanted {
    by: Option<String>,
    per: Option<String>,
    branch: Option<String>,
    clinician: Option<String>,
    from: Option<String>,
    until: Option<String>,
    /// The theme that is followed over time.
    theme: Option<String>,
    /// The period whose themes are shown.
    at: Option<String>,
}

/// The same, without what is empty or goes with something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) by: String,
    pub(super) per: String,
    pub(super) branch: Option<String>,
    pub(super) clinician: Option<String>,
    pub(super) from: Option<String>,
    pub(super) until: Option<String>,
    pub(super) theme: Option<String>,
    pub(super) at: Option<String>,
}

impl From<Wanted> for Choice {
    fn from(wanted: Wanted) -> Self {
        let text = |text: &Option<String>| said(text.as_deref()).map(ToOwned::to_owned);
        let by = text(&wanted.by).unwrap_or_else(|| "branch".to_owned());
        // In a month few have spoken, and most of it is withheld.
        let per = text(&wanted.per).unwrap_or_else(|| "year".to_owned());
        Self {
            branch: text(&wanted.branch).filter(|_| by != "network"),
            clinician: text(&wanted.clinician).filter(|_| by == "clinician"),
            from: text(&wanted.from),
            until: text(&wanted.until),
            theme: text(&wanted.theme),
            at: text(&wanted.at),
            by,
            per,
        }
    }
}

impl Choice {
    /// What the API is asked.
    fn asked(&self) -> Vec<(&str, &str)> {
        let optional = [("branch", &self.branch), ("clinician", &self.clinician), ("from", &self.from), ("until", &self.until)];
        let given = optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        [("by", self.by.as_str()), ("per", self.per.as_str())].into_iter().chain(given).collect()
    }

    /// The page with another theme or another period.
    pub(super) fn href(&self, path: &str, theme: Option<&str>, at: Option<&str>) -> String {
        let mut pairs = self.asked();
        pairs.extend(theme.map(|theme| ("theme", theme)));
        pairs.extend(at.map(|at| ("at", at)));
        query(path, &pairs)
    }
}

/// What the API answers.
#[derive(Debug, Deserialize)]
pub(super) struct Figures {
    pub(super) fewest_people: u64,
    pub(super) cells: Vec<Cell>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Cell {
    pub(super) branch: Option<SmolStr>,
    pub(super) clinician: Option<Uuid>,
    pub(super) period: String,
    pub(super) withheld: bool,
    pub(super) given: Option<u64>,
    pub(super) average: Option<f64>,
    pub(super) strengths: Vec<Named>,
    pub(super) weaknesses: Vec<Named>,
    pub(super) themes_withheld: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Named {
    pub(super) theme: SmolStr,
    pub(super) times: u64,
    pub(super) average: f64,
}

/// A theme and its names.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Theme {
    pub(super) code: SmolStr,
    ru: String,
    en: String,
}

impl Theme {
    pub(super) fn name(&self, language: Language) -> &str {
        language.of(&self.en, &self.ru)
    }
}

/// The themes that answers may name.
pub(super) async fn themes(person: &Person) -> Result<Vec<Theme>, Failure> {
    #[derive(Deserialize)]
    struct List {
        themes: Vec<Theme>,
    }
    Ok(person.get::<List>("/v1/themes").await?.themes)
}

/// The names of clinicians, of those for whom one is kept.
async fn clinicians(person: &Person) -> Result<Vec<(Uuid, String)>, Failure> {
    #[derive(Deserialize)]
    struct List {
        clinicians: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        clinician: Uuid,
        name: Option<String>,
    }
    let list: List = person.get("/v1/clinicians/departed?limit=200").await?;
    Ok(list.clinicians.into_iter().filter_map(|one| Some((one.clinician, one.name?))).collect())
}

#[derive(Template)]
#[template(path = "feedback.html")]
struct Page {
    layout: Layout,
    path: &'static str,
    title: Voice,
    what: Voice,
    choice: Choice,
    /// Whether the whole network's figures may be asked for.
    whole: bool,
    /// The clinicians that there are figures of.
    clinicians: Vec<(String, String)>,
    why: String,
    wrong: Option<Wrong>,
    sections: Vec<Section>,
    more: bool,
    /// The name of the theme that is followed, and the way back to all.
    theme: Option<(String, String)>,
}

impl Page {
    fn t(&self, what: Voice) -> &'static str {
        what.word(self.layout.language)
    }

    fn bad(&self, field: &str) -> bool {
        self.wrong.as_ref().is_some_and(|wrong| wrong.is_about(field))
    }
}

pub(super) async fn of_referrers(person: Person, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    page(&person, wanted.into(), true).await
}

pub(super) async fn of_others(person: Person, Query(wanted): Query<Wanted>) -> Result<Response, Failure> {
    page(&person, wanted.into(), false).await
}

async fn page(person: &Person, choice: Choice, of_referrers: bool) -> Result<Response, Failure> {
    let language = person.language;
    let (path, title, what) = match of_referrers {
        true => ("/feedback", Voice::TitleReferrers, Voice::WhatReferrers),
        false => ("/feedback/others", Voice::TitleOthers, Voice::WhatOthers),
    };
    let layout = Layout::of(person, Part::Feedback, title.word(language)).await?;
    let themes = themes(person).await?;
    let asked = query(&format!("/v1{path}"), &choice.asked());
    let (figures, wrong) = match person.get::<Figures>(&asked).await {
        Ok(figures) => (Some(figures), None),
        Err(failure) => (None, Some(Wrong::of(language, failure)?)),
    };
    let named = if choice.by == "clinician" { clinicians(person).await? } else { Vec::new() };
    let names = Names { language, branches: &layout.branches, clinicians: &named, themes: &themes };
    let cells = figures.as_ref().map_or(&[][..], |figures| &figures.cells);
    let mut of: Vec<(String, String)> = Vec::new();
    for clinician in cells.iter().filter_map(|cell| cell.clinician) {
        let id = clinician.to_string();
        if of.iter().all(|(known, _)| *known != id) {
            of.push((id, names.clinician(clinician)));
        }
    }
    let (sections, more) = sections(&names, path, &choice, cells);
    let why = figures.as_ref().map(|figures| why_withheld(language, figures.fewest_people)).unwrap_or_default();
    let theme = choice.theme.as_deref().map(|code| (names.theme(code), choice.href(path, None, choice.at.as_deref())));
    let whole = person.me.branches.is_none();
    let status = wrong.as_ref().map(|wrong| wrong.status);
    let page = Page { layout, path, title, what, choice, whole, clinicians: of, why, wrong, sections, more, theme };
    rendered_as(language, &page, status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_stays_chosen_and_what_goes_with_nothing_is_left_out() {
        let of = |text: &str| Choice::from(serde_urlencoded::from_str::<Wanted>(text).unwrap());
        assert_eq!(of("").asked(), [("by", "branch"), ("per", "year")]);
        assert_eq!(of("by=network&branch=north&clinician=x&from=").asked(), [("by", "network"), ("per", "year")]);
        let choice = of("by=clinician&per=year&branch=north&from=2026-01&theme=price&at=2026");
        assert_eq!(
            choice.href("/feedback", Some("waiting_time"), None),
            "/feedback?by=clinician&per=year&branch=north&from=2026-01&theme=waiting_time"
        );
        let again: Wanted =
            serde_urlencoded::from_str(choice.href("", choice.theme.as_deref(), choice.at.as_deref()).trim_start_matches('?'))
                .unwrap();
        assert_eq!(Choice::from(again), choice);
    }
}
