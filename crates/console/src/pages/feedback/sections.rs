//! A section for the network, each branch or each clinician there: scores over time, and strengths and weaknesses side by side, each as a plot and
//! as a table.

use std::collections::HashMap;

use smol_str::SmolStr;
use tact_words::{Language, Word};
use uuid::Uuid;

use super::figures::{Cell, Choice, Named, Theme};
use crate::layout::Branch;
use crate::plot::{self, Balance, Shown, Sides, Trend};
use crate::when;
use crate::words::capital;
use crate::words::feedback::{Voice, decimal, sides_in_words, trend_in_words};

/// The most sections of a page.
const MOST: usize = 30;
/// The most months that are shown if none are chosen.
const RECENT: usize = 24;
/// The most steps of time on a page whatever is chosen: ten years of months.
const STEPS: usize = 120;
/// The most themes of a plot; the table beside it has all of them.
const PLOTTED: usize = 12;

/// The names of what there are figures of.
pub(super) struct Names<'a> {
    pub(super) language: Language,
    pub(super) branches: &'a [Branch],
    pub(super) clinicians: &'a [(Uuid, String)],
    pub(super) themes: &'a [Theme],
}

impl Names<'_> {
    fn branch(&self, code: &str) -> String {
        self.branches.iter().find(|branch| branch.branch == code).map_or_else(|| code.to_owned(), |branch| branch.name.clone())
    }

    /// A clinician's name, or what is left of the id to tell one from another.
    pub(super) fn clinician(&self, id: Uuid) -> String {
        let known = self.clinicians.iter().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
        known.unwrap_or_else(|| {
            let id = id.simple().to_string();
            format!("{} {}", Voice::UnknownClinician.word(self.language), &id[id.len() - 6..])
        })
    }

    /// A theme's name; a code that the list has dropped stays as it is.
    pub(super) fn theme(&self, code: &str) -> String {
        let known = self.themes.iter().find(|theme| theme.code == code);
        known.map_or_else(|| code.to_owned(), |theme| theme.name(self.language).to_owned())
    }

    fn period(&self, code: &str) -> String {
        match code {
            "ever" => Voice::Ever.word(self.language).to_owned(),
            code => when::month(self.language, code),
        }
    }

    /// `03.26`, for an axis.
    fn short(&self, code: &str) -> String {
        if code.contains('-') { when::short_month(self.language, code) } else { self.period(code) }
    }
}

/// What is said of one of them.
pub(super) struct Section {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) trend: Option<(Trend, String)>,
    pub(super) periods: Vec<PeriodRow>,
    /// Whether earlier periods are left out.
    pub(super) recent: bool,
    /// The period whose themes are shown.
    pub(super) at: Option<String>,
    pub(super) sides: Option<(Sides, String)>,
    pub(super) themes: Vec<ThemeRow>,
    pub(super) themes_withheld: bool,
    /// A theme over time.
    pub(super) followed: Option<Followed>,
}

/// A period in the table of scores.
pub(super) struct PeriodRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) current: bool,
    pub(super) withheld: bool,
    pub(super) given: String,
    pub(super) mean: String,
}

/// A theme in the table of themes.
pub(super) struct ThemeRow {
    pub(super) name: String,
    pub(super) href: String,
    pub(super) strong: Option<(u64, String)>,
    pub(super) weak: Option<(u64, String)>,
}

/// A theme over time.
pub(super) struct Followed {
    pub(super) plot: Balance,
    pub(super) alt: String,
    /// Each period, with how often it was named as a strength and as a weakness.
    pub(super) rows: Vec<(String, String, String)>,
}

/// A branch and a clinician; without a branch the network.
type Subject = (Option<SmolStr>, Option<Uuid>);

/// The sections, and whether there are more than fit.
pub(super) fn sections(names: &Names<'_>, path: &str, choice: &Choice, cells: &[Cell]) -> (Vec<Section>, bool) {
    let mut groups: Vec<(Subject, Vec<&Cell>)> = Vec::new();
    for cell in cells {
        let subject = (cell.branch.clone(), cell.clinician);
        match groups.iter_mut().find(|(known, _)| *known == subject) {
            Some((_, of)) => of.push(cell),
            None => groups.push((subject, vec![cell])),
        }
    }
    let more = groups.len() > MOST;
    let made = groups.into_iter().take(MOST).map(|((branch, clinician), cells)| {
        let title = match (&branch, clinician) {
            (None, _) => capital(Voice::ByNetwork.word(names.language)),
            (Some(branch), None) => names.branch(branch),
            (Some(branch), Some(clinician)) => format!("{} · {}", names.clinician(clinician), names.branch(branch)),
        };
        let id = ["of".to_owned(), branch.map_or_else(|| "all".to_owned(), Into::into)].into_iter();
        let id: Vec<String> = id.chain(clinician.map(|id| id.simple().to_string())).collect();
        section(names, path, choice, id.join("-"), title, &cells)
    });
    (made.collect(), more)
}

fn section(names: &Names<'_>, path: &str, choice: &Choice, id: String, title: String, cells: &[&Cell]) -> Section {
    let language = names.language;
    let by_period: HashMap<&str, &Cell> = cells.iter().map(|cell| (cell.period.as_str(), *cell)).collect();
    let mut steps = steps(cells.iter().map(|cell| cell.period.as_str()));
    let chosen = choice.from.is_some() || choice.until.is_some();
    let kept = if chosen || choice.per != "month" { STEPS } else { RECENT };
    let recent = steps.len() > kept;
    steps.drain(..steps.len().saturating_sub(kept));

    let number = |value: f64| decimal(language, value);
    let scores: Vec<(String, Shown)> = steps
        .iter()
        .map(|step| {
            let shown = match by_period.get(step.as_str()) {
                None => Shown::Nothing,
                Some(cell) => cell.average.map_or(Shown::Withheld, |mean| Shown::Value(mean, number(mean))),
            };
            (names.short(step), shown)
        })
        .collect();
    let means: Vec<(String, f64)> =
        steps.iter().filter_map(|step| Some((names.period(step), by_period.get(step.as_str())?.average?))).collect();
    let withheld = scores.iter().filter(|(_, shown)| *shown == Shown::Withheld).count();
    let trend = (choice.per != "ever").then(|| (plot::trend(10.0, &scores), trend_in_words(language, &means, withheld)));

    // Without a choice: the latest period of which there is something to say about themes, else the latest.
    let tells = |cell: &&Cell| !cell.strengths.is_empty() || !cell.weaknesses.is_empty();
    let of = |step: &String| by_period.get(step.as_str()).copied();
    let at = choice.at.as_deref().and_then(|at| by_period.get(at).copied());
    let at = at.or_else(|| steps.iter().rev().filter_map(of).find(tells)).or_else(|| steps.iter().rev().find_map(of));

    let periods = steps.iter().rev().filter_map(of).map(|cell| PeriodRow {
        name: names.period(&cell.period),
        href: format!("{}#{id}", choice.href(path, choice.theme.as_deref(), Some(&cell.period))),
        current: at.is_some_and(|at| at.period == cell.period),
        withheld: cell.withheld,
        given: cell.given.map(|given| given.to_string()).unwrap_or_default(),
        mean: cell.average.map(number).unwrap_or_default(),
    });
    let periods = periods.collect();

    let themes = at.map(|cell| theme_rows(names, path, choice, &id, cell)).unwrap_or_default();
    let pairs: Vec<(String, Option<u64>, Option<u64>)> = themes
        .iter()
        .take(PLOTTED)
        .map(|row| (row.name.clone(), row.weak.as_ref().map(|(times, _)| *times), row.strong.as_ref().map(|(times, _)| *times)))
        .collect();
    let sides = (!pairs.is_empty()).then(|| (plot::sides(&pairs), sides_in_words(language, &pairs)));
    let followed =
        choice.theme.as_deref().filter(|_| choice.per != "ever").map(|theme| followed(names, theme, &steps, &by_period));
    Section {
        id,
        title,
        trend,
        periods,
        recent,
        at: at.map(|cell| names.period(&cell.period)),
        sides,
        themes,
        themes_withheld: at.is_some_and(|cell| cell.themes_withheld),
        followed,
    }
}

/// The themes of a cell, the most named first.
fn theme_rows(names: &Names<'_>, path: &str, choice: &Choice, id: &str, cell: &Cell) -> Vec<ThemeRow> {
    let mut codes: Vec<&SmolStr> = cell.strengths.iter().chain(&cell.weaknesses).map(|named| &named.theme).collect();
    let find = |list: &[Named], code: &str| {
        let named = list.iter().find(|named| named.theme == code)?;
        Some((named.times, decimal(names.language, named.average)))
    };
    let times = |code: &str| {
        let times = |list| find(list, code).map_or(0, |(times, _)| times);
        times(&cell.strengths) + times(&cell.weaknesses)
    };
    codes.sort_by(|a, b| times(b).cmp(&times(a)).then_with(|| a.cmp(b)));
    codes.dedup();
    let rows = codes.into_iter().map(|code| ThemeRow {
        name: names.theme(code),
        href: format!("{}#{id}", choice.href(path, Some(code), choice.at.as_deref())),
        strong: find(&cell.strengths, code),
        weak: find(&cell.weaknesses, code),
    });
    rows.collect()
}

fn followed(names: &Names<'_>, theme: &str, steps: &[String], by_period: &HashMap<&str, &Cell>) -> Followed {
    let shown = |cell: Option<&&Cell>, strong: bool| {
        let Some(cell) = cell else { return Shown::Nothing };
        let list = if strong { &cell.strengths } else { &cell.weaknesses };
        match list.iter().find(|named| named.theme == theme) {
            Some(named) => Shown::Value(f64::from(u32::try_from(named.times).unwrap_or(u32::MAX)), named.times.to_string()),
            None if cell.withheld || cell.themes_withheld => Shown::Withheld,
            None => Shown::Nothing,
        }
    };
    let text = |shown: &Shown| match shown {
        Shown::Nothing => Voice::NotNamed.word(names.language).to_owned(),
        Shown::Withheld => Voice::Withheld.word(names.language).to_owned(),
        Shown::Value(_, text) => text.clone(),
    };
    let both = |step: &String| {
        let cell = by_period.get(step.as_str());
        (shown(cell, true), shown(cell, false))
    };
    let drawn: Vec<_> = steps.iter().map(|step| (names.short(step), both(step).0, both(step).1)).collect();
    let rows: Vec<_> = steps
        .iter()
        .rev()
        .map(|step| {
            let (strong, weak) = both(step);
            (names.period(step), text(&strong), text(&weak))
        })
        .collect();
    let told = rows.iter().map(|(period, strong, weak)| {
        let (up, down) = (Voice::Strength.word(names.language), Voice::Weakness.word(names.language));
        format!("{period}: {up} {strong}, {down} {weak}")
    });
    Followed { plot: plot::balance(&drawn), alt: told.collect::<Vec<_>>().join("; "), rows }
}

/// All periods from the first to the last of these, those in between that nobody spoke in included.
fn steps<'c>(periods: impl Iterator<Item = &'c str>) -> Vec<String> {
    let mut known: Vec<&str> = periods.collect();
    known.sort_unstable();
    let (Some(first), Some(last)) = (known.first(), known.last()) else { return Vec::new() };
    let months: Vec<String> = when::months(first, last).collect();
    if !months.is_empty() {
        return months;
    }
    if let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) {
        return (first..=last).map(|year| format!("{year:04}")).collect();
    }
    known.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::figures::Wanted;
    use super::*;

    fn cell(period: &str, average: Option<f64>, strong: &[(&str, u64)], weak: &[(&str, u64)], themes_withheld: bool) -> Cell {
        let named = |list: &[(&str, u64)]| -> Vec<_> {
            list.iter().map(|(theme, times)| json!({"theme": theme, "times": times, "average": 8.5})).collect()
        };
        serde_json::from_value(json!({
            "branch": "north", "period": period, "withheld": average.is_none(), "given": average.map(|_| 4), "average": average,
            "strengths": named(strong), "weaknesses": named(weak), "themes_withheld": themes_withheld,
        }))
        .unwrap()
    }

    fn made(address: &str, cells: &[Cell]) -> Vec<Section> {
        let themes: Vec<Theme> = serde_json::from_value(
            json!([{"code": "price", "ru": "Цена", "en": "Price"}, {"code": "pain", "ru": "Боль", "en": "Pain"}]),
        )
        .unwrap();
        let branches: Vec<Branch> =
            serde_json::from_value(json!([{"branch": "north", "name": "На Чехова", "time_zone": "Europe/Moscow"}])).unwrap();
        let names = Names { language: Language::Russian, branches: &branches, clinicians: &[], themes: &themes };
        let choice = Choice::from(serde_urlencoded::from_str::<Wanted>(address).unwrap());
        sections(&names, "/feedback", &choice, cells).0
    }

    #[test]
    fn withheld_months_are_shown_as_withheld_and_silent_ones_as_nothing() {
        let cells = [
            cell("2025-11", Some(9.25), &[("price", 4)], &[], false),
            cell("2026-01", None, &[], &[], false),
            cell("2026-02", Some(7.0), &[], &[], true),
        ];
        let made = made("per=month", &cells);
        assert_eq!((made.len(), made[0].title.as_str(), made[0].id.as_str()), (1, "На Чехова", "of-north"));
        let (trend, alt) = made[0].trend.as_ref().unwrap();
        assert_eq!((trend.bars.len(), trend.withheld.len(), trend.steps.len()), (2, 1, 4), "December is there, and empty");
        assert!(alt.contains("Не показано: 1 значение"), "{alt}");
        let rows: Vec<_> = made[0].periods.iter().map(|row| (row.name.as_str(), row.withheld, row.mean.as_str())).collect();
        assert_eq!(rows, [("февраль 2026", false, "7"), ("январь 2026", true, ""), ("ноябрь 2025", false, "9,25")]);
        // The latest month of which something can be said about themes.
        assert_eq!((made[0].at.as_deref(), made[0].themes.len()), (Some("ноябрь 2025"), 1));
        assert_eq!(made[0].periods[0].href, "/feedback?by=branch&per=month&at=2026-02#of-north");
    }

    #[test]
    fn strengths_and_weaknesses_of_a_theme_stand_in_one_row() {
        let cells = [cell("2026", Some(8.0), &[("price", 3), ("odd", 9)], &[("price", 8), ("pain", 3)], false)];
        let made = made("per=year&theme=price", &cells);
        let rows = made[0]
            .themes
            .iter()
            .map(|row| (row.name.as_str(), row.strong.as_ref().map(|n| n.0), row.weak.as_ref().map(|n| n.0)));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows, [("Цена", Some(3), Some(8)), ("odd", Some(9), None), ("Боль", None, Some(3))]);
        let followed = made[0].followed.as_ref().unwrap();
        assert_eq!(followed.rows, [("2026".to_owned(), "3".to_owned(), "8".to_owned())]);
    }

    #[test]
    fn a_theme_that_may_be_withheld_is_not_said_to_be_absent() {
        let cells = [cell("2026-01", Some(8.0), &[], &[], true), cell("2026-02", Some(8.0), &[], &[], false)];
        let made = made("per=month&theme=price", &cells);
        let rows = &made[0].followed.as_ref().unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.1.as_str()).collect::<Vec<_>>(), ["—", "не показано"]);
    }

    #[test]
    fn many_months_are_cut_to_the_latest_unless_they_are_chosen() {
        let cells: Vec<Cell> = ["2020-01", "2026-02"].map(|period| cell(period, Some(8.0), &[], &[], false)).into();
        assert_eq!(made("per=month", &cells)[0].trend.as_ref().map(|(trend, _)| trend.bars.len()), Some(1));
        assert!(made("per=month", &cells)[0].recent);
        assert_eq!(made("per=month&from=2020-01", &cells)[0].trend.as_ref().map(|(trend, _)| trend.bars.len()), Some(2));
        assert!(made("per=ever", &[cell("ever", Some(8.0), &[], &[], false)])[0].trend.is_none());
    }
}
