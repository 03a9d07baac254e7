//! The rows that a batch changes, gathered in memory, and the bulk writes that put them into the database.

use std::collections::{BTreeMap, HashMap, HashSet};

use tact_database::bulk::{self, OnConflict};
use tact_database::{DbError, Tx};
use tact_domain::{Channel, Code, Direction, Outcome};
use tact_read_models::audit::{FindingRow, WishRow};
use tact_read_models::contacts::{self, ContactRow};
use tact_read_models::due::DueRow;
use tact_read_models::feedback::{FeedbackRow, ThemeRow};
use tact_read_models::forgetting::ForgettingRow;
use tact_read_models::history::HistoryRow;
use tact_read_models::patients::PatientRow;
use tact_read_models::quotas::QuotaRow;
use tact_read_models::referrals::ReferralRow;
use tact_read_models::referrers::ReferrerRow;
use tact_read_models::set_aside::SetAsideRow;
use uuid::Uuid;

use crate::derive::Derived;
use crate::fold::{contact_count, patient_month, permit_count, refusal_count};

/// What refusals are counted by: branch, month, purpose and code.
pub(crate) type RefusalKey = (String, String, String, &'static str);

/// What decisions are counted by: branch, month and purpose.
pub(crate) type PermitKey = (String, String, String);

/// What contacts are counted by: branch, month, purpose, channel, direction and outcome.
pub(crate) type ContactKey = (String, String, String, Channel, Direction, Outcome);

/// What months are counted by: branch, or the network, and month.
pub(crate) type MonthKey = (String, String);

/// Everything that a batch writes. Counts are kept in order, so that two writers would take their rows' locks in one order.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub(crate) history: Vec<HistoryRow>,
    pub(crate) patients: Vec<PatientRow>,
    pub(crate) contacts: Vec<ContactRow>,
    pub(crate) feedback: Vec<FeedbackRow>,
    pub(crate) themes: Vec<ThemeRow>,
    pub(crate) set_aside: Vec<SetAsideRow>,
    pub(crate) contact_counts: BTreeMap<ContactKey, [i64; 4]>,
    pub(crate) refusals: BTreeMap<RefusalKey, i64>,
    pub(crate) permits: BTreeMap<PermitKey, [i64; 2]>,
    pub(crate) months: BTreeMap<MonthKey, [i64; 3]>,
    pub(crate) due: Replaced<DueRow>,
    pub(crate) quotas: Replaced<QuotaRow>,
    pub(crate) referrals: Replaced<ReferralRow>,
    pub(crate) referrers: Replaced<ReferrerRow>,
    pub(crate) forgetting: Replaced<ForgettingRow>,
    pub(crate) findings: Changed,
    pub(crate) wishes: Vec<WishRow>,
    /// How contacts ended by what became known later, in the order of the log. The contacts may be older than the batch.
    pub(crate) corrections: Vec<(Uuid, Outcome)>,
}

/// What has changed of patients' findings. A patient may have many, and one more contact changes few of them: only those are written.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    /// The patients whose findings in the database are not known, and all go.
    pub(crate) all_of: Vec<Uuid>,
    /// Findings that go.
    pub(crate) gone: Vec<Uuid>,
    /// Findings that come.
    pub(crate) new: Vec<FindingRow>,
}

impl Changed {
    /// `old`: the findings that are in the database, if that is known.
    fn note(&mut self, patient: Uuid, old: Option<&[FindingRow]>, new: &[FindingRow]) {
        let Some(old) = old else {
            self.all_of.push(patient);
            self.new.extend_from_slice(new);
            return;
        };
        if old == new {
            return;
        }
        let kept: HashMap<Uuid, &FindingRow> = new.iter().map(|row| (row.finding, row)).collect();
        let same: HashSet<Uuid> = old.iter().filter(|row| kept.get(&row.finding) == Some(row)).map(|row| row.finding).collect();
        self.gone.extend(old.iter().map(|row| row.finding).filter(|id| !same.contains(id)));
        self.new.extend(new.iter().filter(|row| !same.contains(&row.finding)).cloned());
    }

    async fn write(self, tx: &mut Tx) -> Result<(), DbError> {
        bulk::delete::<FindingRow>(tx, "patient", &self.all_of).await?;
        bulk::delete::<FindingRow>(tx, "finding", &self.gone).await?;
        bulk::write(tx, self.new, OnConflict::Fail).await
    }
}

/// Rows that take the place of all that these patients had.
#[derive(Debug)]
pub(crate) struct Replaced<R> {
    pub(crate) of: Vec<Uuid>,
    pub(crate) rows: Vec<R>,
}

impl<R> Default for Replaced<R> {
    fn default() -> Self {
        Self { of: Vec::new(), rows: Vec::new() }
    }
}

impl<R: Clone + PartialEq> Replaced<R> {
    /// `old`: the rows that are in the database, if that is known.
    fn note(&mut self, patient: Uuid, old: Option<&[R]>, new: &[R]) {
        if old == Some(new) {
            return;
        }
        if old.is_none_or(|old| !old.is_empty()) {
            self.of.push(patient);
        }
        self.rows.extend_from_slice(new);
    }
}

impl<R: bulk::Record> Replaced<R> {
    async fn write(self, tx: &mut Tx) -> Result<(), DbError> {
        bulk::delete::<R>(tx, "patient", &self.of).await?;
        bulk::write(tx, self.rows, OnConflict::Fail).await
    }
}

impl Rows {
    /// Notes what has changed of the rows that follow from a patient's state.
    pub(crate) fn replace(&mut self, patient: Uuid, old: Option<&Derived>, new: &Derived) {
        self.due.note(patient, old.map(|d| d.due.as_slice()), &new.due);
        self.quotas.note(patient, old.map(|d| d.quotas.as_slice()), &new.quotas);
        self.referrals.note(patient, old.map(|d| d.referrals.as_slice()), &new.referrals);
        self.referrers.note(patient, old.map(|d| d.referrer.as_slice()), new.referrer.as_slice());
        self.findings.note(patient, old.map(|d| d.findings.as_slice()), &new.findings);
        self.forgetting.note(patient, old.map(|d| d.forgetting.as_slice()), new.forgetting.as_slice());
    }

    pub(crate) fn count_contact(&mut self, key: (&str, String, &str, Channel, Direction, Outcome), row: &ContactRow) {
        let (branch, month, purpose, channel, direction, outcome) = key;
        let key = (branch.to_owned(), month, purpose.to_owned(), channel, direction, outcome);
        let counts = self.contact_counts.entry(key).or_default();
        for (count, holds) in counts.iter_mut().zip([true, row.announced, row.breach, row.before_tact]) {
            *count += i64::from(holds);
        }
    }

    pub(crate) fn count_refusal(&mut self, branch: &str, month: String, purpose: &str, code: Code) {
        *self.refusals.entry((branch.to_owned(), month, purpose.to_owned(), code.as_str())).or_default() += 1;
    }

    pub(crate) fn count_permit(&mut self, branch: &str, month: String, purpose: &str, granted: bool) {
        let counts = self.permits.entry((branch.to_owned(), month, purpose.to_owned())).or_default();
        counts[usize::from(!granted)] += 1;
    }

    /// Counts contacts, patients and turnings of one month.
    pub(crate) fn count_month(&mut self, branch: &str, month: &str, more: [i64; 3]) {
        let counts = self.months.entry((branch.to_owned(), month.to_owned())).or_default();
        counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
    }

    /// Writes everything: a statement or a few for each table, none for each row.
    ///
    /// # Errors
    /// Whatever the database says; the transaction is then of no more use.
    pub(crate) async fn write(self, tx: &mut Tx) -> Result<(), DbError> {
        bulk::write(tx, self.history, OnConflict::Fail).await?;
        bulk::write(tx, self.patients, OnConflict::Replace).await?;
        bulk::write(tx, self.contacts, OnConflict::Fail).await?;
        bulk::write(tx, self.feedback, OnConflict::Fail).await?;
        bulk::write(tx, self.themes, OnConflict::Fail).await?;
        bulk::write(tx, self.set_aside, OnConflict::Fail).await?;
        let counts = self.contact_counts.into_iter().map(|(key, counts)| contact_count(key, counts));
        bulk::write(tx, counts.collect(), OnConflict::Add).await?;
        for (contact, outcome) in self.corrections {
            contacts::correct(tx, contact, outcome.as_str()).await?;
        }
        let counts = self.refusals.into_iter().map(|(key, count)| refusal_count(key, count));
        bulk::write(tx, counts.collect(), OnConflict::Add).await?;
        let counts = self.permits.into_iter().map(|(key, counts)| permit_count(key, counts));
        bulk::write(tx, counts.collect(), OnConflict::Add).await?;
        let counts = self.months.into_iter().map(|(key, counts)| patient_month(key, counts));
        bulk::write(tx, counts.collect(), OnConflict::Add).await?;
        self.due.write(tx).await?;
        self.quotas.write(tx).await?;
        self.referrals.write(tx).await?;
        self.referrers.write(tx).await?;
        self.forgetting.write(tx).await?;
        self.findings.write(tx).await?;
        bulk::write(tx, self.wishes, OnConflict::Fail).await
    }
}
