//! The audit as it stands: what was done against the policy, and each "don't call me". A finding belongs to the stream whose contacts it was
//! counted in; who made the contact, and who the patient goes on as after a merge, is looked up when the question is asked, since no one
//! stream knows it.

use std::collections::{BTreeMap, HashMap, HashSet};

use tact_database::{Db, DbError, Time, all, bulk, table, to_millis};
use tact_domain::Branch;
use tact_domain::envelope::hash;
use tact_domain::patient::State;
use tact_domain::patient::audit::{self, Detail, Finding, FindingKind};
use uuid::Uuid;

use crate::contacts::ContactRow;
use crate::patients::{self, PatientRow};

table! {
    /// One contact that was made against the policy of its time, and one reason.
    pub struct FindingRow = "findings" key(finding) {
        /// Its id, which follows from what it says of whom.
        finding: Uuid,
        /// The patient among whose contacts it was counted.
        patient: Uuid,
        /// The contact.
        contact: Uuid,
        /// What is wrong with it.
        kind: String,
        /// When the contact was made.
        time: Time,
        /// The month of that by the patient's calendar, `YYYY-MM`.
        month: String,
        /// The branch that made it.
        branch: String,
        /// What for.
        purpose: String,
        /// How.
        channel: String,
        /// How it ended.
        outcome: String,
        /// The version of the policy that was in force then.
        policy: String,
        /// The numbers behind it, as JSON.
        detail: String,
    }
}

table! {
    /// One time that a patient said "don't call me, I'll call you" (P4).
    pub struct WishRow = "wishes" key(position) {
        /// The position of its event.
        position: i64,
        /// The event's id.
        wish: Uuid,
        /// Who said so.
        patient: Uuid,
        /// When.
        time: Time,
        /// When it was recorded.
        recorded_at: Time,
        /// The month of its time by the patient's calendar as it was known then, `YYYY-MM`.
        month: String,
        /// The branch at which it was recorded, else the patient's home branch; empty if neither is known.
        branch: String,
        /// Who recorded it.
        actor: String,
    }
}

impl FindingRow {
    /// The row of a finding among a patient's contacts.
    pub fn new(patient: Uuid, finding: &Finding) -> Self {
        let limit = finding.detail.limit.as_deref().unwrap_or_default();
        let whose = [*patient.as_bytes(), *finding.contact.as_bytes()].concat();
        let said = hash(&[&whose, finding.kind.as_str().as_bytes(), b":", limit.as_bytes()].concat());
        // Those of one contact begin alike, and so lie together in the order of time.
        let mut id = [0; 16];
        id[..6].copy_from_slice(&hash(finding.contact.as_bytes())[..6]);
        id[6..].copy_from_slice(&said[..10]);
        Self {
            finding: uuid::Builder::from_custom_bytes(id).into_uuid(),
            patient,
            contact: finding.contact,
            kind: finding.kind.as_str().to_owned(),
            time: to_millis(finding.time),
            month: finding.month.to_string(),
            branch: finding.branch.as_str().to_owned(),
            purpose: finding.purpose.as_str().to_owned(),
            channel: finding.channel.as_str().to_owned(),
            outcome: finding.outcome.as_str().to_owned(),
            policy: finding.policy.to_string(),
            detail: serde_json::to_string(&finding.detail).expect("the numbers behind a finding are plain values"),
        }
    }
}

/// A finding as it is shown: its row, and who made the contact.
#[derive(Debug, Clone, PartialEq, serde::Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "as in `FindingRow`")]
pub struct Found {
    pub finding: Uuid,
    pub patient: Uuid,
    pub contact: Uuid,
    pub kind: String,
    pub time: Time,
    pub month: String,
    pub branch: String,
    /// Who recorded the contact; absent only if the event that did cannot be read.
    pub actor: Option<String>,
    pub purpose: String,
    pub channel: String,
    pub outcome: String,
    pub policy: String,
    /// JSON in JSON when it is written.
    #[serde(serialize_with = "as_it_is")]
    pub detail: String,
}

fn as_it_is<S: serde::Serializer>(text: &str, s: S) -> Result<S::Ok, S::Error> {
    use serde::Serialize;
    let raw: &serde_json::value::RawValue = serde_json::from_str(text).map_err(serde::ser::Error::custom)?;
    raw.serialize(s)
}

/// A contact among those that led up to a wish.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[expect(missing_docs, reason = "as in `contact.made`")]
pub struct LedUp {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Uuid>,
    pub time: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Who recorded it, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    pub purpose: String,
    pub channel: String,
    pub outcome: String,
    /// The permit that it used; absent if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<Uuid>,
}

/// A wish as it is shown: with what led up to it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Told {
    /// The wish.
    #[serde(flatten)]
    pub wish: WishRow,
    /// The outbound contacts of the 90 days before it, whoever made them; those of a patient who was merged are the survivor's.
    pub contacts: Vec<LedUp>,
}

impl Told {
    /// A wish with what led up to it. `state` is that of whoever the patient goes on as; `actor` knows who recorded a contact.
    pub fn new(wish: WishRow, state: &State, actor: impl Fn(Uuid) -> Option<String>) -> Self {
        let contacts = audit::led_up(state, wish.time).into_iter().map(|contact| LedUp {
            contact: Some(contact.id),
            time: contact.time,
            branch: Some(contact.branch.to_string()),
            actor: actor(contact.id),
            purpose: contact.purpose.to_string(),
            channel: contact.channel.to_string(),
            outcome: contact.outcome.to_string(),
            permit: contact.permit,
        });
        Self { contacts: contacts.collect(), wish }
    }
}

impl Found {
    /// A finding's row with who made the contact.
    pub fn new(row: FindingRow, actor: Option<String>) -> Self {
        let FindingRow { finding, patient, contact, kind, time, month, branch, purpose, channel, outcome, policy, detail } = row;
        Self { finding, patient, contact, kind, time, month, branch, actor, purpose, channel, outcome, policy, detail }
    }

    /// The numbers behind it.
    ///
    /// # Errors
    /// [`DbError::Refused`] if the row does not hold them.
    pub fn detail(&self) -> Result<Detail, DbError> {
        serde_json::from_str(&self.detail).map_err(|e| DbError::Refused(sqlx::Error::Decode(Box::new(e))))
    }
}

/// How many findings there are of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, sqlx::FromRow)]
pub struct FindingCount {
    /// The branch that made the contacts.
    pub branch: String,
    /// The month of the contacts by their patients' calendars.
    pub month: String,
    /// Who made them.
    pub actor: Option<String>,
    /// What is wrong with them.
    pub kind: String,
    /// How many findings.
    pub findings: i64,
    /// How many contacts: one that exceeds two limits over all purposes is two findings of one contact.
    pub contacts: i64,
    /// How many patients.
    pub patients: i64,
}

/// Which findings or wishes; what is absent, any.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Of this branch.
    pub branch: Option<Branch>,
    /// From this month on, `YYYY-MM`.
    pub from: Option<String>,
    /// Until this month, which is included.
    pub until: Option<String>,
    /// By this actor, as events name them.
    pub actor: Option<String>,
    /// Of this kind; wishes have none.
    pub kind: Option<FindingKind>,
}

impl Wanted {
    /// Whether a finding is among those.
    pub fn holds_for(&self, found: &Found) -> bool {
        self.holds(&found.branch, &found.month, found.actor.as_deref())
            && self.kind.is_none_or(|kind| kind.as_str() == found.kind)
    }

    /// Whether a wish is.
    pub fn holds_for_wish(&self, wish: &WishRow) -> bool {
        self.holds(&wish.branch, &wish.month, Some(&wish.actor))
    }

    fn holds(&self, branch: &str, month: &str, actor: Option<&str>) -> bool {
        self.branch.as_ref().is_none_or(|wanted| wanted.as_str() == branch)
            && self.from.as_deref().is_none_or(|from| from <= month)
            && self.until.as_deref().is_none_or(|until| month <= until)
            && self.actor.as_deref().is_none_or(|wanted| actor == Some(wanted))
    }
}

/// A place in the order of time: a page holds what lies behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor<I> {
    /// The time of the last one.
    pub time: Time,
    /// Its id.
    pub id: I,
}

impl Cursor<Uuid> {
    /// Before every finding.
    pub fn start() -> Self {
        Self { time: before_all(), id: Uuid::nil() }
    }
}

impl Cursor<i64> {
    /// Before every wish.
    pub fn start() -> Self {
        Self { time: before_all(), id: 0 }
    }
}

/// Nothing is recorded of a time before 1900.
fn before_all() -> Time {
    chrono::DateTime::from_timestamp_millis(-2_208_988_800_000).unwrap_or_default()
}

/// The findings with the event that recorded the contact. A contact that is known on several streams, as after a merge that was undone, is a
/// finding of whoever the patient goes on as in whose stream it was recorded, so that none is told twice.
macro_rules! of_findings {
    ($what:literal, $more:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM findings f LEFT JOIN contacts c
             ON c.position = (SELECT min(x.position) FROM contacts x WHERE x.contact = f.contact)
             WHERE (CAST($1 AS TEXT) IS NULL OR f.branch = $1) AND (CAST($2 AS TEXT) IS NULL OR f.month >= $2)
             AND (CAST($3 AS TEXT) IS NULL OR f.month <= $3) AND (CAST($4 AS TEXT) IS NULL OR c.actor = $4)
             AND (CAST($5 AS TEXT) IS NULL OR f.kind = $5)
             AND (c.patient IS NULL OR c.patient = f.patient OR f.patient = (
                WITH RECURSIVE goes_on (patient, merged_into, steps) AS (
                    SELECT p.patient, p.merged_into, 0 FROM patients p WHERE p.patient = c.patient
                    UNION ALL
                    SELECT p.patient, p.merged_into, g.steps + 1 FROM patients p JOIN goes_on g ON p.patient = g.merged_into
                    WHERE g.steps < 64
                ) SELECT g.patient FROM goes_on g WHERE g.merged_into IS NULL)) ",
            $more
        )
    };
}

const FINDINGS: &str = of_findings!(
    "f.finding, f.patient, f.contact, f.kind, f.time, f.month, f.branch, c.actor, f.purpose, f.channel, f.outcome, f.policy, f.detail",
    "AND (f.time, f.finding) > ($6, $7) ORDER BY f.time, f.finding LIMIT $8"
);
const COUNTS: &str = of_findings!(
    "f.branch, f.month, c.actor, f.kind, count(*) AS findings, count(DISTINCT f.contact) AS contacts, count(DISTINCT f.patient) AS patients",
    "GROUP BY f.branch, f.month, c.actor, f.kind"
);
const WISHES: &str = "SELECT position, wish, patient, time, recorded_at, month, branch, actor FROM wishes
    WHERE (CAST($1 AS TEXT) IS NULL OR branch = $1) AND (CAST($2 AS TEXT) IS NULL OR month >= $2)
    AND (CAST($3 AS TEXT) IS NULL OR month <= $3) AND (CAST($4 AS TEXT) IS NULL OR actor = $4)
    AND (time, position) > ($5, $6) ORDER BY time, position LIMIT $7";

pub(crate) const SQL: &[&str] = &[FINDINGS, COUNTS, WISHES];

/// The findings behind a place, at most `limit` of them, in the order of the contacts' times.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn findings(db: &Db, wanted: &Wanted, after: Cursor<Uuid>, limit: u32) -> Result<Vec<Found>, DbError> {
    let Wanted { branch, from, until, actor, kind } = wanted;
    let (branch, kind) = (branch.as_ref().map(Branch::as_str), kind.map(FindingKind::as_str));
    let (from, until, actor) = (from.as_deref(), until.as_deref(), actor.as_deref());
    all!(db, FINDINGS, branch, from, until, actor, kind, to_millis(after.time), after.id, i64::from(limit))
}

/// How many findings there are, by branch, month, actor and kind.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn counts(db: &Db, wanted: &Wanted) -> Result<Vec<FindingCount>, DbError> {
    let Wanted { branch, from, until, actor, kind } = wanted;
    let (branch, kind) = (branch.as_ref().map(Branch::as_str), kind.map(FindingKind::as_str));
    let (from, until, actor) = (from.as_deref(), until.as_deref(), actor.as_deref());
    let mut counts: Vec<FindingCount> = all!(db, COUNTS, branch, from, until, actor, kind)?;
    counts.sort_unstable();
    Ok(counts)
}

/// The same for findings that are at hand.
pub fn count<'a>(findings: impl Iterator<Item = &'a Found>) -> Vec<FindingCount> {
    type Key<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);
    let mut by: BTreeMap<Key<'a>, (i64, HashSet<Uuid>, HashSet<Uuid>)> = BTreeMap::new();
    for found in findings {
        let key = (found.branch.as_str(), found.month.as_str(), found.actor.as_deref(), found.kind.as_str());
        let (findings, contacts, patients) = by.entry(key).or_default();
        *findings += 1;
        contacts.insert(found.contact);
        patients.insert(found.patient);
    }
    let counted = by.into_iter().map(|((branch, month, actor, kind), (findings, contacts, patients))| FindingCount {
        branch: branch.to_owned(),
        month: month.to_owned(),
        actor: actor.map(str::to_owned),
        kind: kind.to_owned(),
        findings,
        contacts: contacts.len().cast_signed() as i64,
        patients: patients.len().cast_signed() as i64,
    });
    counted.collect()
}

/// The wishes behind a place, at most `limit` of them, in the order of time.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn wishes(db: &Db, wanted: &Wanted, after: Cursor<i64>, limit: u32) -> Result<Vec<WishRow>, DbError> {
    let Wanted { branch, from, until, actor, kind: _ } = wanted;
    let branch = branch.as_ref().map(Branch::as_str);
    let (from, until, actor) = (from.as_deref(), until.as_deref(), actor.as_deref());
    all!(db, WISHES, branch, from, until, actor, to_millis(after.time), after.id, i64::from(limit))
}

/// Whoever a patient goes on as: the survivor of the last merge, or the patient.
///
/// # Errors
/// Whatever keeps the database from it.
async fn goes_on(db: &Db, patient: Uuid) -> Result<Option<PatientRow>, DbError> {
    let mut row = patients::get(db, patient).await?;
    for _ in 0..64 {
        let Some(into) = row.as_ref().and_then(|row| row.merged_into) else { break };
        row = patients::get(db, into).await?;
    }
    Ok(row)
}

/// Each wish with the contacts that led up to it.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn told(db: &Db, wishes: Vec<WishRow>) -> Result<Vec<Told>, DbError> {
    let mut told = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let state = goes_on(db, wish.patient).await?.map_or_else(|| Ok(State::default()), |row| row.state())?;
        let contacts: Vec<Uuid> = audit::led_up(&state, wish.time).into_iter().map(|contact| contact.id).collect();
        let actors = actors(db, &contacts).await?;
        told.push(Told::new(wish, &state, |contact| actors.get(&contact).cloned()));
    }
    Ok(told)
}

/// Who recorded these contacts, as far as their events can be read.
///
/// # Errors
/// Whatever keeps the database from it.
async fn actors(db: &Db, contacts: &[Uuid]) -> Result<HashMap<Uuid, String>, DbError> {
    let mut rows: Vec<ContactRow> = bulk::read(db, "contact", contacts).await?;
    rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.position));
    Ok(rows.into_iter().map(|row| (row.contact, row.actor)).collect())
}
