//! Who may be one person: the keys by which people are found who are alike, and what a person has said of two of them.
//!
//! Only those who share a key are compared, so that the work grows with the number of people and not with its square. A key that more than
//! [`CROWD`] people share says nothing, and finds nobody: a number that half the town has is the clinic's own.

use std::collections::{BTreeMap, HashMap, HashSet};

use tact_database::{DbError, Time, Tx, all, all_in, bulk, one, one_in, run, run_in, table, to_millis};
use tact_likeness::{KeyKind, Known, Likeness, VERSION, compare, keys};
use uuid::Uuid;

use crate::{Details, ExternalId, Person, Personal, erased, words};

/// The most people who may share a key.
pub const CROWD: i64 = 50;

/// The version of the keys and of the words by which people are searched for, which are made together.
const MADE: i64 = VERSION * 10 + 1;

/// How many people's keys are made in one transaction.
const BATCH: i64 = 1000;

table! {
    /// A key of a person.
    pub(crate) struct KeyRow = "likeness_keys" key(key, patient) {
        /// A part of a hash.
        key: i64,
        /// Who.
        patient: Uuid,
        /// What it was made of.
        kind: String,
    }
}

table! {
    /// A person whose keys are made.
    pub(crate) struct MadeRow = "likeness_made" key(patient) {
        /// Who.
        patient: Uuid,
        /// By which version of the rules.
        version: i64,
    }
}

table! {
    /// Two who are two.
    pub(crate) struct NotDuplicateRow = "not_duplicates" key(one, other) {
        /// The lesser id.
        one: Uuid,
        /// The greater id.
        other: Uuid,
        /// Who said so.
        actor: Uuid,
        /// When.
        dismissed_at: Time,
    }
}

/// Two people who share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidates {
    /// The lesser id.
    pub one: Uuid,
    /// The greater id.
    pub other: Uuid,
    /// Whether they share a number that no crowd shares.
    pub by_number: bool,
}

/// Two people who are likely to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The lesser id.
    pub one: Uuid,
    /// The greater id.
    pub other: Uuid,
    /// How likely, and why.
    pub likeness: Likeness,
}

/// What became of saying that two are two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Dismissed {
    /// It is noted, from now on.
    Now,
    /// It was noted at that time.
    Before(Time),
    /// One of them has been erased, or was never known here.
    Gone,
}

const FIRST_UNMADE: &str = "SELECT p.patient FROM people p LEFT JOIN likeness_made m ON m.patient = p.patient
    WHERE NOT p.erased AND p.patient > $1 AND (m.patient IS NULL OR m.version < $2) ORDER BY p.patient LIMIT $3";
/// As in the store's other file: an erasure waits until this transaction is over.
const HOLD_SPAN: &str = "UPDATE people SET erased = erased WHERE patient >= $1 AND patient <= $2 AND NOT erased";
const UNMADE: &str = "SELECT p.patient, p.name, p.phone, p.email, p.address, p.birth_date FROM people p
    LEFT JOIN likeness_made m ON m.patient = p.patient
    WHERE NOT p.erased AND p.patient >= $1 AND p.patient <= $2 AND (m.patient IS NULL OR m.version < $3)";
/// Before every version: whoever has these is found again by [`Personal::make_likeness_keys`].
const OUTDATE: &str = "UPDATE likeness_made SET version = 0";
const FORGET_KEYS: &str = "DELETE FROM likeness_keys WHERE patient = $1";
const FORGET_MADE: &str = "DELETE FROM likeness_made WHERE patient = $1";
const FORGET_PAIRS: &str = "DELETE FROM not_duplicates WHERE one = $1 OR other = $1";
const NEXT: &str = "SELECT patient FROM likeness_made WHERE patient >= $1 ORDER BY patient LIMIT 1 OFFSET $2";
const SPAN: &str = "SELECT a.patient AS one, b.patient AS other, a.kind AS kind FROM likeness_keys a
    JOIN likeness_keys b ON b.key = a.key AND b.patient > a.patient
    WHERE a.patient >= $1 AND a.patient < $2
    AND NOT EXISTS (SELECT 1 FROM likeness_keys c WHERE c.key = a.key ORDER BY c.patient LIMIT 1 OFFSET $3)";
const OF_ONE: &str = "SELECT a.patient AS one, b.patient AS other, a.kind AS kind FROM likeness_keys a
    JOIN likeness_keys b ON b.key = a.key AND b.patient <> a.patient
    WHERE a.patient = $1
    AND NOT EXISTS (SELECT 1 FROM likeness_keys c WHERE c.key = a.key ORDER BY c.patient LIMIT 1 OFFSET $2)";
const INSERT_PAIR: &str = "INSERT INTO not_duplicates (one, other, actor, dismissed_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (one, other) DO NOTHING";
const PAIR: &str = "SELECT one, other, actor, dismissed_at FROM not_duplicates WHERE one = $1 AND other = $2";
const FORGET_PAIR: &str = "DELETE FROM not_duplicates WHERE one = $1 AND other = $2";
const IS_KNOWN: &str = "SELECT patient FROM people WHERE patient = $1 AND NOT erased";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[
    FIRST_UNMADE,
    HOLD_SPAN,
    UNMADE,
    OUTDATE,
    FORGET_KEYS,
    FORGET_MADE,
    FORGET_PAIRS,
    NEXT,
    SPAN,
    OF_ONE,
    INSERT_PAIR,
    PAIR,
    FORGET_PAIR,
    IS_KNOWN,
];

#[derive(sqlx::FromRow)]
struct Shared {
    one: Uuid,
    other: Uuid,
    kind: String,
}

/// Sees to it that everybody's keys are made anew, since numbers are read otherwise from now on.
pub(crate) async fn outdate(tx: &mut Tx) -> Result<(), DbError> {
    run_in!(tx, OUTDATE)?;
    Ok(())
}

/// Forgets whom a person was like, and whom not.
pub(crate) async fn forget(tx: &mut Tx, patient: Uuid) -> Result<(), DbError> {
    for sql in [FORGET_KEYS, FORGET_MADE, FORGET_PAIRS] {
        run_in!(tx, sql, patient)?;
    }
    Ok(())
}

impl Personal {
    /// A person as they are compared. Numbers are the same here exactly when they are the same for whoever rings them.
    fn known(&self, details: &Details) -> Known {
        let number = self.fingerprint(details.phone.as_deref()).map(|number| number.to_string());
        Known::new(details.name.as_deref(), number.as_deref(), details.birth_date.as_deref())
    }

    /// The rows that say under which keys people are found.
    pub(crate) fn likeness_rows<'p>(&self, people: impl Iterator<Item = (Uuid, &'p Details)>) -> (Vec<KeyRow>, Vec<MadeRow>) {
        let (mut found, mut made) = (Vec::new(), Vec::new());
        for (patient, details) in people {
            let row = |(kind, key): (KeyKind, i64)| KeyRow { key, patient, kind: kind.as_str().to_owned() };
            found.extend(keys(&self.known(details)).into_iter().map(row));
            made.push(MadeRow { patient, version: MADE });
        }
        (found, made)
    }

    /// Makes a person's keys anew, and the words by which they are searched for. Their row in `people` must be held by this transaction.
    pub(crate) async fn make_likeness(&self, tx: &mut Tx, patient: Uuid, details: &Details) -> Result<(), DbError> {
        run_in!(tx, FORGET_KEYS, patient)?;
        let (keys, made) = self.likeness_rows(std::iter::once((patient, details)));
        bulk::write(tx, keys, bulk::OnConflict::Replace).await?;
        bulk::write(tx, made, bulk::OnConflict::Replace).await?;
        words::forget(tx, patient).await?;
        words::make(tx, std::iter::once((patient, details))).await
    }

    /// Makes the keys of everybody whose keys are missing or of an older version, batch by batch: whoever was interrupted goes on, and with
    /// nothing to do it only looks. How many people it was.
    ///
    /// # Errors
    /// Whatever keeps the database from it; the batches before stay.
    pub async fn make_likeness_keys(&self) -> Result<usize, DbError> {
        let (mut done, mut from) = (0, Uuid::nil());
        loop {
            let ahead: Vec<(Uuid,)> = all!(&self.db, FIRST_UNMADE, from, MADE, BATCH)?;
            let (Some((first,)), Some((last,))) = (ahead.first().copied(), ahead.last().copied()) else { return Ok(done) };
            let mut tx = self.db.begin().await?;
            // Of several processes that start together, one does it.
            tx.alone("tact likeness").await?;
            run_in!(&mut tx, HOLD_SPAN, first, last)?;
            let people: Vec<Person> = all_in!(&mut tx, UNMADE, first, last, MADE)?;
            for person in &people {
                run_in!(&mut tx, FORGET_KEYS, person.patient)?;
                words::forget(&mut tx, person.patient).await?;
            }
            words::make(&mut tx, people.iter().map(|person| (person.patient, &person.details))).await?;
            let (keys, made) = self.likeness_rows(people.iter().map(|person| (person.patient, &person.details)));
            bulk::write(&mut tx, keys, bulk::OnConflict::Replace).await?;
            bulk::write(&mut tx, made, bulk::OnConflict::Replace).await?;
            tx.commit().await?;
            done += people.len();
            from = last;
        }
    }

    /// Those who share a key with one of so many people from `from` on, each pair once, under its lesser id; and from whom to go on, `None` at the
    /// end.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn alike(&self, from: Uuid, people: u32) -> Result<(Vec<Candidates>, Option<Uuid>), DbError> {
        let next: Option<(Uuid,)> = one!(&self.db, NEXT, from, i64::from(people))?;
        let next = next.map(|(next,)| next);
        let shared: Vec<Shared> = all!(&self.db, SPAN, from, next.unwrap_or(Uuid::max()), CROWD)?;
        Ok((together(shared), next))
    }

    /// Those who share a key with this person.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn alike_to(&self, patient: Uuid) -> Result<Vec<Candidates>, DbError> {
        let shared: Vec<Shared> = all!(&self.db, OF_ONE, patient, CROWD)?;
        Ok(together(shared))
    }

    /// Those of the pairs who are likely to be one person, by id. Whether anybody has said that they are two is for
    /// [`Personal::dismissed`] to say.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn likely(&self, candidates: &[Candidates]) -> Result<Vec<Pair>, DbError> {
        let mut ids: Vec<Uuid> = candidates.iter().flat_map(|pair| [pair.one, pair.other]).collect();
        ids.sort_unstable();
        ids.dedup();
        let people: HashMap<Uuid, Known> =
            self.people(&ids).await?.iter().map(|person| (person.patient, self.known(&person.details))).collect();
        let mut elsewhere: HashMap<Uuid, Vec<ExternalId>> = HashMap::new();
        for link in self.external_ids_of_patients(&ids).await? {
            elsewhere.entry(link.patient).or_default().push(link);
        }
        let mut pairs = Vec::new();
        for Candidates { one, other, by_number } in candidates {
            let (Some(a), Some(b)) = (people.get(one), people.get(other)) else { continue };
            let ids_differ = elsewhere.get(one).zip(elsewhere.get(other)).is_some_and(|(a, b)| differ(a, b));
            let likeness = compare(a, b, *by_number, ids_differ);
            if likeness.is_likely() {
                pairs.push(Pair { one: *one, other: *other, likeness });
            }
        }
        Ok(pairs)
    }

    /// Notes that two people are two. Said before, it stays as it was.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is noted then.
    pub async fn dismiss(&self, pair: (Uuid, Uuid), actor: Uuid, now: Time) -> Result<Dismissed, DbError> {
        let (one, other) = ordered(pair);
        let mut tx = self.db.begin().await?;
        for patient in [one, other] {
            let held = !erased(&mut tx, patient).await?;
            let known: Option<(Uuid,)> = one_in!(&mut tx, IS_KNOWN, patient)?;
            if !held || known.is_none() {
                return Ok(Dismissed::Gone);
            }
        }
        let added = run_in!(&mut tx, INSERT_PAIR, one, other, actor, to_millis(now))?;
        let noted: Option<NotDuplicateRow> = one_in!(&mut tx, PAIR, one, other)?;
        tx.commit().await?;
        Ok(match noted {
            Some(noted) if added == 0 => Dismissed::Before(noted.dismissed_at),
            _ => Dismissed::Now,
        })
    }

    /// Forgets that somebody has said that two people are two.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn forget_dismissal(&self, pair: (Uuid, Uuid)) -> Result<(), DbError> {
        let (one, other) = ordered(pair);
        run!(&self.db, FORGET_PAIR, one, other)?;
        Ok(())
    }

    /// The pairs of these people of whom somebody has said that they are two, each with the lesser id first.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn dismissed(&self, patients: &[Uuid]) -> Result<HashSet<(Uuid, Uuid)>, DbError> {
        let rows: Vec<NotDuplicateRow> = bulk::read(&self.db, "one", patients).await?;
        Ok(rows.into_iter().map(|row| (row.one, row.other)).collect())
    }
}

/// Two ids, the lesser first.
pub fn ordered((a, b): (Uuid, Uuid)) -> (Uuid, Uuid) {
    if a <= b { (a, b) } else { (b, a) }
}

fn together(shared: Vec<Shared>) -> Vec<Candidates> {
    let mut pairs: BTreeMap<(Uuid, Uuid), bool> = BTreeMap::new();
    for row in shared {
        *pairs.entry(ordered((row.one, row.other))).or_default() |= row.kind == KeyKind::Number.as_str();
    }
    pairs.into_iter().map(|((one, other), by_number)| Candidates { one, other, by_number }).collect()
}

/// Whether both have an id in one system, and none in common there.
fn differ(a: &[ExternalId], b: &[ExternalId]) -> bool {
    a.iter().any(|link| {
        let theirs: Vec<&ExternalId> = b.iter().filter(|other| other.system == link.system).collect();
        !theirs.is_empty() && theirs.iter().all(|other| other.value != link.value)
    })
}
