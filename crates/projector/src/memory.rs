//! The read models in memory: the projector's own folding, with maps in place of tables. For simulations, which derive everything again after
//! each of many runs, in batches and through crashes.
//!
//! It must never decide what a row says: that is the business of [`fold`] and [`derive`](crate::derive), here as on a database.

use std::borrow::Borrow;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use serde::Serialize;
use tact_database::bulk::Record;
use tact_domain::{Branch, Time};
use tact_event_log::{Position, Stored, StreamId};
use tact_read_models::audit::{FindingRow, WishRow};
use tact_read_models::contacts::{ContactCount, ContactRow, PermitCount, RefusalCount};
use tact_read_models::due::DueRow;
use tact_read_models::feedback::{FeedbackRow, ThemeRow};
use tact_read_models::forgetting::ForgettingRow;
use tact_read_models::history::HistoryRow;
use tact_read_models::month;
use tact_read_models::patient_months::PatientMonth;
use tact_read_models::patients::PatientRow;
use tact_read_models::quotas::QuotaRow;
use tact_read_models::referrals::ReferralRow;
use tact_read_models::referrers::ReferrerRow;
use tact_read_models::set_aside::SetAsideRow;
use uuid::Uuid;

use crate::cache::{Cache, Patient};
use crate::derive::renew;
use crate::fold::{contact_count, fold, patient_month, patient_row, permit_count, refusal_count};
use crate::network::Network;
use crate::rows::{ContactKey, MonthKey, PermitKey, RefusalKey, Replaced, Rows};

/// What a database would have refused.
#[derive(Debug, thiserror::Error)]
pub enum Clash {
    /// A second row under a key that is taken.
    #[error("a second row of `{table}` under the key {key}")]
    Twice {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
    },
    /// A row that cannot be read again.
    #[error("what was put away cannot be read: {0}")]
    Unreadable(#[from] tact_database::DbError),
}

/// The tables, each by its key.
#[derive(Debug, Default, PartialEq)]
struct Tables {
    history: BTreeMap<i64, HistoryRow>,
    patients: BTreeMap<Uuid, PatientRow>,
    contacts: BTreeMap<i64, ContactRow>,
    feedback: BTreeMap<i64, FeedbackRow>,
    themes: BTreeMap<(i64, String, bool), ThemeRow>,
    set_aside: BTreeMap<String, SetAsideRow>,
    contact_counts: BTreeMap<ContactKey, [i64; 4]>,
    refusals: BTreeMap<RefusalKey, i64>,
    permits: BTreeMap<PermitKey, [i64; 2]>,
    months: BTreeMap<MonthKey, [i64; 3]>,
    due: BTreeMap<(Uuid, String, Uuid), DueRow>,
    quotas: BTreeMap<(Uuid, String, i64, Uuid), QuotaRow>,
    referrals: BTreeMap<(Uuid, Uuid), ReferralRow>,
    referrers: BTreeMap<Uuid, ReferrerRow>,
    forgetting: BTreeMap<Uuid, ForgettingRow>,
    findings: BTreeMap<Uuid, FindingRow>,
    wishes: BTreeMap<i64, WishRow>,
}

fn put<K: Ord + Debug, R>(
    table: &'static str,
    kept: &mut BTreeMap<K, R>,
    rows: Vec<R>,
    key: impl Fn(&R) -> K,
) -> Result<(), Clash> {
    for row in rows {
        let key = key(&row);
        if kept.contains_key(&key) {
            return Err(Clash::Twice { table, key: format!("{key:?}") });
        }
        kept.insert(key, row);
    }
    Ok(())
}

fn replace<K: Ord + Debug, R>(
    table: &'static str,
    kept: &mut BTreeMap<K, R>,
    new: Replaced<R>,
    key: impl Fn(&R) -> K,
    whose: impl Fn(&R) -> Uuid,
) -> Result<(), Clash> {
    kept.retain(|_, row| !new.of.contains(&whose(row)));
    put(table, kept, new.rows, key)
}

impl Tables {
    fn is_set_aside(&self, patient: Uuid) -> bool {
        !self.set_aside.is_empty() && self.set_aside.contains_key(&patient.to_string())
    }

    fn write(&mut self, rows: Rows) -> Result<(), Clash> {
        put("history", &mut self.history, rows.history, |row| row.position)?;
        self.patients.extend(rows.patients.into_iter().map(|row| (row.patient, row)));
        put("contacts", &mut self.contacts, rows.contacts, |row| row.position)?;
        put("feedback", &mut self.feedback, rows.feedback, |row| row.position)?;
        put("feedback_themes", &mut self.themes, rows.themes, |row| (row.position, row.theme.clone(), row.strength))?;
        put("set_aside", &mut self.set_aside, rows.set_aside, |row| row.stream.clone())?;
        for (key, new) in rows.contact_counts {
            let counts = self.contact_counts.entry(key).or_default();
            counts.iter_mut().zip(new).for_each(|(count, new)| *count += new);
        }
        for (contact, outcome) in rows.corrections {
            let Some(row) = self.contacts.values_mut().find(|row| row.contact == contact) else { continue };
            let Ok(before) = row.outcome.parse::<tact_domain::Outcome>() else { continue };
            row.outcome = outcome.as_str().to_owned();
            for (outcome, sign) in [(before, -1), (outcome, 1)] {
                let (Ok(channel), Ok(direction)) = (row.channel.parse(), row.direction.parse()) else { continue };
                let key = (row.branch.clone(), month(row.time), row.purpose.clone(), channel, direction, outcome);
                let counts = self.contact_counts.entry(key).or_default();
                let holds = [true, row.announced, row.breach, row.before_tact];
                counts.iter_mut().zip(holds).for_each(|(count, holds)| *count += sign * i64::from(holds));
            }
        }
        for (key, new) in rows.refusals {
            *self.refusals.entry(key).or_default() += new;
        }
        for (key, new) in rows.permits {
            let counts = self.permits.entry(key).or_default();
            counts.iter_mut().zip(new).for_each(|(count, new)| *count += new);
        }
        for (key, new) in rows.months {
            let counts = self.months.entry(key).or_default();
            counts.iter_mut().zip(new).for_each(|(count, new)| *count += new);
        }
        replace("due", &mut self.due, rows.due, |row| (row.patient, row.purpose.clone(), row.about), |row| row.patient)?;
        let key = |row: &QuotaRow| (row.patient, row.purpose.clone(), row.limit_no, row.about);
        replace("quotas", &mut self.quotas, rows.quotas, key, |row| row.patient)?;
        replace("referrals", &mut self.referrals, rows.referrals, |row| (row.patient, row.referral), |row| row.patient)?;
        replace("referrers", &mut self.referrers, rows.referrers, |row| row.patient, |row| row.patient)?;
        replace("forgetting", &mut self.forgetting, rows.forgetting, |row| row.patient, |row| row.patient)?;
        self.findings.retain(|_, row| !rows.findings.all_of.contains(&row.patient));
        for gone in &rows.findings.gone {
            self.findings.remove(gone);
        }
        put("findings", &mut self.findings, rows.findings.new, |row| row.finding)?;
        put("wishes", &mut self.wishes, rows.wishes, |row| row.position)
    }
}

/// What a projector knows beside the tables, and loses in a crash.
#[derive(Debug)]
struct Working {
    network: Network,
    cache: Cache,
    /// By which policy patients' rows are being computed anew, and behind which patient.
    recompute: Option<(Option<String>, Uuid)>,
}

/// What a batch comes to, before it is written.
#[derive(Debug)]
pub struct Prepared {
    rows: Rows,
    to: Position,
}

/// The read models in memory, with the position up to which they are true.
#[derive(Debug, Default)]
pub struct Memory {
    tables: Tables,
    position: Position,
    policy: Option<String>,
    working: Option<Working>,
}

impl Memory {
    /// The position up to which the tables are true.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        let t = &self.tables;
        let facts = t.history.len() + t.patients.len() + t.contacts.len() + t.feedback.len() + t.themes.len() + t.set_aside.len();
        let counts = t.contact_counts.len() + t.refusals.len() + t.permits.len() + t.months.len();
        let derived = t.due.len() + t.quotas.len() + t.referrals.len() + t.referrers.len() + t.forgetting.len();
        facts + counts + derived + t.findings.len() + t.wishes.len()
    }

    /// Starts a projector on the tables: it knows them, and the log so far. At most `cache` patients stay in its memory, and at least the
    /// last `batch`.
    pub fn start(&mut self, log: &[Stored], cache: usize, batch: usize) {
        let network = Network::of(log.iter(), self.position);
        self.working = Some(Working { network, cache: Cache::new(cache, batch), recompute: None });
    }

    /// Ends the projector in the middle of whatever it does: what it had not written is gone.
    pub fn crash(&mut self) {
        self.working = None;
    }

    /// Whether a projector is at work.
    pub const fn is_at_work(&self) -> bool {
        self.working.is_some()
    }

    /// Folds the next events, which must follow [`position`](Self::position) without a gap; `None` if no projector is at work. What comes of it
    /// is to be written next, or the projector to be ended: it believes that it will be.
    ///
    /// # Errors
    /// [`Clash::Unreadable`] if a patient cannot be taken out of the tables again.
    pub fn prepare(&mut self, events: &[Stored], now: Time) -> Result<Option<Prepared>, Clash> {
        let Some(working) = &mut self.working else { return Ok(None) };
        let mut patients: HashMap<Uuid, Patient> = HashMap::new();
        let mut rows = Rows::default();
        let mut zones = Vec::new();
        for stored in events {
            if let StreamId::Number(_) = stored.stream {
                continue;
            }
            let StreamId::Patient(id) = stored.stream else {
                let effect = working.network.take(stored);
                rows.set_aside.extend(effect.set_aside);
                zones.extend(effect.zone_of);
                continue;
            };
            let patient = match patients.entry(id) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(match (working.cache.take(id), self.tables.patients.get(&id)) {
                    (Some(known), _) => known,
                    (None, Some(row)) => Patient::from_row(row, self.tables.is_set_aside(id))?,
                    (None, None) => Patient::without_rows(),
                }),
            };
            fold(&mut rows, patient, id, stored, &working.network);
        }
        let policy = working.network.in_force(now);
        for (id, patient) in &mut patients {
            rows.patients.push(patient_row(*id, patient));
            renew(&mut rows, *id, patient, policy.as_deref(), &working.network);
        }
        for (id, row) in &self.tables.patients {
            let moved = |branch: &Branch| row.home_branch.as_deref() == Some(branch.as_str());
            if zones.iter().any(moved) && !patients.contains_key(id) {
                let mut patient = Patient::from_row(row, self.tables.is_set_aside(*id))?;
                drop(working.cache.take(*id));
                renew(&mut rows, *id, &mut patient, policy.as_deref(), &working.network);
            }
        }
        for (id, patient) in patients {
            working.cache.put(id, patient);
        }
        let to = events.last().map_or(self.position, |event| event.position);
        Ok(Some(Prepared { rows, to }))
    }

    /// Writes what a batch came to, rows and position together.
    ///
    /// # Errors
    /// [`Clash::Twice`]: two rows under one key.
    pub fn write(&mut self, prepared: Prepared) -> Result<(), Clash> {
        self.tables.write(prepared.rows)?;
        self.position = prepared.to;
        Ok(())
    }

    /// When another policy is in force than the rows were computed by: computes the next `page` patients anew. False if there is nothing to do.
    ///
    /// # Errors
    /// [`Clash`]
    pub fn apply_policy(&mut self, now: Time, page: usize) -> Result<bool, Clash> {
        let Some(working) = &mut self.working else { return Ok(false) };
        let policy = working.network.in_force(now);
        let version = policy.as_ref().map(|policy| policy.version.to_string());
        if working.recompute.is_none() && version == self.policy {
            return Ok(false);
        }
        let begun = working.recompute.take().filter(|(begun, _)| *begun == version);
        let after = begun.map_or(Uuid::nil(), |(_, after)| after);
        let behind = self.tables.patients.range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded));
        let mut rows = Rows::default();
        let mut last = None;
        for (id, row) in behind.take(page) {
            last = Some(*id);
            let known = working.cache.take(*id);
            let was_known = known.is_some();
            let set_aside = self.tables.is_set_aside(*id);
            let mut patient = known.map_or_else(|| Patient::from_row(row, set_aside), Ok)?;
            renew(&mut rows, *id, &mut patient, policy.as_deref(), &working.network);
            if was_known {
                working.cache.put(*id, patient);
            }
        }
        match last {
            Some(last) => working.recompute = Some((version, last)),
            None => self.policy = version,
        }
        self.tables.write(rows)?;
        Ok(true)
    }

    /// Every row of every table as JSON, as [`tact_read_models::dump`] has it of a database; within a table in an order of its own.
    pub fn dump(&self) -> Vec<(&'static str, Vec<String>)> {
        fn lines<R: Record + Serialize>(rows: impl Iterator<Item = impl Borrow<R>>) -> (&'static str, Vec<String>) {
            let text = |row: &R| serde_json::to_string(row).expect("rows are structs of plain values");
            (R::TABLE, rows.map(|row| text(row.borrow())).collect())
        }
        let t = &self.tables;
        let counts = t.contact_counts.iter().map(|(key, counts)| contact_count(key.clone(), *counts));
        let permits = t.permits.iter().map(|(key, counts)| permit_count(key.clone(), *counts));
        let months = t.months.iter().map(|(key, counts)| patient_month(key.clone(), *counts));
        let refusals = t.refusals.iter().map(|(key, count)| refusal_count(key.clone(), *count));
        vec![
            lines::<FindingRow>(t.findings.values()),
            lines::<WishRow>(t.wishes.values()),
            lines::<ContactRow>(t.contacts.values()),
            lines::<ContactCount>(counts),
            lines::<PermitCount>(permits),
            lines::<RefusalCount>(refusals),
            lines::<DueRow>(t.due.values()),
            lines::<FeedbackRow>(t.feedback.values()),
            lines::<ThemeRow>(t.themes.values()),
            lines::<ForgettingRow>(t.forgetting.values()),
            lines::<HistoryRow>(t.history.values()),
            lines::<PatientMonth>(months),
            lines::<PatientRow>(t.patients.values()),
            lines::<QuotaRow>(t.quotas.values()),
            lines::<ReferralRow>(t.referrals.values()),
            lines::<ReferrerRow>(t.referrers.values()),
            lines::<SetAsideRow>(t.set_aside.values()),
        ]
    }

    /// The first row in which another's tables differ from these, if one does.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if self.tables == other.tables {
            return None;
        }
        let both = self.dump().into_iter().zip(other.dump()).find(|(own, other)| own != other);
        let ((table, own), (_, other)) = both?;
        let only = |rows: &[String], others: &[String]| rows.iter().find(|row| !others.contains(row)).cloned();
        Some(format!("`{table}`: {:?} here, {:?} there", only(&own, &other), only(&other, &own)))
    }
}
