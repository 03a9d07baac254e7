//! The figures of a replay: per branch, month and purpose, per reason, and per patient.

use std::collections::BTreeMap;

use serde::Serialize;
use smol_str::SmolStr;
use tact_domain::patient::events::Event;
use tact_domain::{Branch, Code, Outcome, Purpose, Time};
use uuid::Uuid;

use crate::step::{Fate, Step};

/// How many patients who were set aside are named.
const NAMED: usize = 20;

/// Counts of intentions and contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Intentions that were permitted.
    pub permitted: u64,
    /// Of these, those that would have been refused.
    pub now_refused: u64,
    /// Intentions that were refused.
    pub refused: u64,
    /// Of these, those that would have been permitted; each counts as an unanswered attempt.
    pub now_permitted: u64,
    /// Outbound contacts that were made, whatever their outcome.
    pub contacts: u64,
    /// Of these, those that leave.
    pub left_out: u64,
    /// Of the contacts that leave, those that reached the patient.
    pub left_out_reached: u64,
    /// Of the contacts that were made, those without a permit.
    pub unasked: u64,
    /// Of these, those that leave: the policy of their day would have permitted them, this one not.
    pub unasked_left_out: u64,
    /// Of these, those that were against both policies; they stay.
    pub unasked_against_both: u64,
    /// Of these, those that were against the policy of their day, and not against this one; they stay.
    pub unasked_now_right: u64,
    /// Contacts under the other policy: those that stay, and the unanswered attempts.
    pub contacts_simulated: u64,
}

impl Counts {
    fn add(&mut self, fate: Fate, reached: bool) {
        let counted = |yes: bool| u64::from(yes);
        self.permitted += counted(matches!(fate, Fate::PermitKept | Fate::PermitRefused));
        self.now_refused += counted(fate == Fate::PermitRefused);
        self.refused += counted(matches!(fate, Fate::RefusalKept | Fate::RefusalPermitted));
        self.now_permitted += counted(fate == Fate::RefusalPermitted);
        self.contacts += counted(fate.is_contact());
        self.left_out += counted(fate.leaves());
        self.left_out_reached += counted(fate.leaves() && reached);
        let unasked = matches!(fate, Fate::UnaskedKept | Fate::UnaskedLeft | Fate::UnaskedAgainstBoth | Fate::UnaskedNowRight);
        self.unasked += counted(unasked);
        self.unasked_left_out += counted(fate == Fate::UnaskedLeft);
        self.unasked_against_both += counted(fate == Fate::UnaskedAgainstBoth);
        self.unasked_now_right += counted(fate == Fate::UnaskedNowRight);
        self.contacts_simulated = self.contacts - self.left_out + self.now_permitted;
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            permitted: self.permitted + other.permitted,
            now_refused: self.now_refused + other.now_refused,
            refused: self.refused + other.refused,
            now_permitted: self.now_permitted + other.now_permitted,
            contacts: self.contacts + other.contacts,
            left_out: self.left_out + other.left_out,
            left_out_reached: self.left_out_reached + other.left_out_reached,
            unasked: self.unasked + other.unasked,
            unasked_left_out: self.unasked_left_out + other.unasked_left_out,
            unasked_against_both: self.unasked_against_both + other.unasked_against_both,
            unasked_now_right: self.unasked_now_right + other.unasked_now_right,
            contacts_simulated: self.contacts_simulated + other.contacts_simulated,
        }
    }

    /// Whether nothing comes out otherwise.
    pub fn is_unchanged(&self) -> bool {
        self.now_refused + self.now_permitted + self.left_out + self.unasked_now_right == 0
    }
}

/// The counts of one branch, month and purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The branch that asked, or made the contact.
    pub branch: Branch,
    /// The month, `YYYY-MM`, by UTC as in the figures of `/v1/figures`.
    pub month: String,
    /// What for.
    pub purpose: Purpose,
    /// How many.
    #[serde(flatten)]
    pub counts: Counts,
}

/// How often one reason stood in the way of what was permitted or made. One refusal has a count under each of its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReasonRow {
    /// The branch that asked, or made the contact.
    pub branch: Branch,
    /// The month, `YYYY-MM`, by UTC.
    pub month: String,
    /// What for.
    pub purpose: Purpose,
    /// The reason.
    pub code: Code,
    /// For limits: the limit in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<SmolStr>,
    /// Permits that would have been refused for it.
    pub permits: u64,
    /// Contacts that were decided by themselves and leave for it: without a permit, or with one that would have run out.
    pub contacts: u64,
}

/// How many patients had so many contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Spread {
    /// So many contacts.
    pub contacts: u32,
    /// Patients who had as many.
    pub recorded: u64,
    /// Patients who would have had as many.
    pub simulated: u64,
}

/// Contacts per patient, among patients who had one or would have had one.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct PerPatient {
    /// Those patients. Whoever was merged counts under each of their ids.
    pub patients: u64,
    /// Contacts of a patient on average, as recorded; to three decimals.
    pub mean_recorded: f64,
    /// The same under the other policy.
    pub mean_simulated: f64,
    /// The most contacts that one patient had.
    pub most_recorded: u32,
    /// The same under the other policy.
    pub most_simulated: u32,
    /// How many patients would have had so many contacts more (or fewer, below 0); 0 included.
    pub changes: BTreeMap<i64, u64>,
    /// How many patients had, and would have had, so many contacts.
    pub spread: Vec<Spread>,
}

/// What a replay found.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// Events read, of every kind.
    pub events: u64,
    /// Patients whose streams could not be read through: from there on nothing of them is counted.
    pub set_aside: u64,
    /// The first of these by id, with what is wrong.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set_aside_because: BTreeMap<Uuid, String>,
    /// Everything together.
    pub total: Counts,
    /// By branch, month and purpose, in this order.
    pub rows: Vec<Row>,
    /// Why permits would have been refused and contacts leave, in the same order.
    pub reasons: Vec<ReasonRow>,
    /// Contacts per patient.
    pub per_patient: PerPatient,
}

impl Report {
    /// Whether nothing comes out otherwise.
    pub fn is_unchanged(&self) -> bool {
        self.total.is_unchanged()
    }
}

/// A month, as the count of months since the year 0.
type Month = i32;

fn month(time: Time) -> Month {
    use chrono::Datelike;
    time.year() * 12 + i32::try_from(time.month0()).unwrap_or_default()
}

fn month_text(month: Month) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

type Key = (Branch, Month, Purpose);

/// What has been counted so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events: u64,
    rows: BTreeMap<Key, Counts>,
    reasons: BTreeMap<(Key, Code, Option<SmolStr>), (u64, u64)>,
}

impl Tally {
    pub(crate) fn count(&mut self, step: &Step<'_>) {
        let (branch, purpose, outcome) = match &step.recorded.event {
            Event::Permitted(e) => (&e.branch, &e.purpose, None),
            Event::Refused(e) => (&e.branch, &e.purpose, None),
            Event::Made(e) => (&e.branch, &e.purpose, Some(e.outcome)),
            _ => return,
        };
        let key = (branch.clone(), month(step.recorded.envelope.time), purpose.clone());
        if matches!(step.fate, Fate::PermitRefused) || step.fate.leaves() {
            let mut seen = Vec::new();
            for reason in step.now.map(|decision| decision.reasons()).unwrap_or_default() {
                let key = (key.clone(), reason.code, reason.limit.clone());
                if seen.contains(&key) {
                    continue;
                }
                let (permits, contacts) = self.reasons.entry(key.clone()).or_default();
                if step.fate.is_contact() {
                    *contacts += 1
                } else {
                    *permits += 1
                }
                seen.push(key);
            }
        }
        self.rows.entry(key).or_default().add(step.fate, outcome.is_some_and(Outcome::is_reached));
    }

    pub(crate) fn report(self, patients: impl Iterator<Item = [u32; 3]>, set_aside: BTreeMap<Uuid, String>) -> Report {
        let rows = self.rows.into_iter().map(|((branch, month, purpose), counts)| Row {
            branch,
            month: month_text(month),
            purpose,
            counts,
        });
        let rows: Vec<Row> = rows.collect();
        let reasons = self.reasons.into_iter().map(|(((branch, month, purpose), code, limit), (permits, contacts))| ReasonRow {
            branch,
            month: month_text(month),
            purpose,
            code,
            limit,
            permits,
            contacts,
        });
        Report {
            events: self.events,
            set_aside: set_aside.len() as u64,
            set_aside_because: set_aside.into_iter().take(NAMED).collect(),
            total: rows.iter().fold(Counts::default(), |sum, row| sum.plus(row.counts)),
            rows,
            reasons: reasons.collect(),
            per_patient: per_patient(patients),
        }
    }
}

fn per_patient(patients: impl Iterator<Item = [u32; 3]>) -> PerPatient {
    let mut found = PerPatient::default();
    let mut spread: BTreeMap<u32, Spread> = BTreeMap::new();
    let (mut before, mut after) = (0u64, 0u64);
    for [recorded, left, added] in patients.filter(|[recorded, _, added]| recorded + added > 0) {
        let simulated = recorded - left + added;
        found.patients += 1;
        before += u64::from(recorded);
        after += u64::from(simulated);
        found.most_recorded = found.most_recorded.max(recorded);
        found.most_simulated = found.most_simulated.max(simulated);
        *found.changes.entry(i64::from(simulated) - i64::from(recorded)).or_default() += 1;
        spread.entry(recorded).or_default().recorded += 1;
        spread.entry(simulated).or_default().simulated += 1;
    }
    found.mean_recorded = mean(before, found.patients);
    found.mean_simulated = mean(after, found.patients);
    found.spread = spread.into_iter().map(|(contacts, spread)| Spread { contacts, ..spread }).collect();
    found
}

fn mean(sum: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { (sum as f64 / of as f64 * 1000.0).round() / 1000.0 }
}
