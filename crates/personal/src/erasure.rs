//! Erasure: what is held of a person goes for good, and what stays is that it was done, when, why, and how much of which kind there was.
//!
//! Each erasure stands in the event log first, and is named here by its event. Every step may be taken again: whoever was interrupted begins
//! anew, and nothing is erased or counted twice.

use serde::{Deserialize, Serialize};
use tact_database::{DbError, Time, Tx, one, one_in, run, run_in, to_millis};
use uuid::Uuid;

use crate::{Details, Person, Personal, likeness, words};

/// How much of each kind was held: how many persons' names, numbers and so on, and how many texts and ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Found {
    /// Full names.
    pub names: u64,
    /// Telephone numbers.
    pub phones: u64,
    /// Addresses for electronic mail.
    pub emails: u64,
    /// Postal addresses.
    pub addresses: u64,
    /// Dates of birth.
    pub birth_dates: u64,
    /// Texts: notes, reasons, what feedback says in words.
    pub texts: u64,
    /// Ids in other systems.
    pub external_ids: u64,
}

impl Found {
    fn person(d: &Details) -> Self {
        let one = |field: &Option<String>| u64::from(field.is_some());
        Self {
            names: one(&d.name),
            phones: one(&d.phone),
            emails: one(&d.email),
            addresses: one(&d.address),
            birth_dates: one(&d.birth_date),
            ..Self::default()
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            names: self.names + other.names,
            phones: self.phones + other.phones,
            emails: self.emails + other.emails,
            addresses: self.addresses + other.addresses,
            birth_dates: self.birth_dates + other.birth_dates,
            texts: self.texts + other.texts,
            external_ids: self.external_ids + other.external_ids,
        }
    }
}

/// What is known of an erasure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erasure {
    /// The event that says it in the log.
    pub event: Uuid,
    /// In whose stream.
    pub patient: Uuid,
    /// The reason's code, if one was stated before this store was last restored.
    pub reason: Option<String>,
    /// How much was erased from this store.
    pub found: Found,
    /// When it was first erased from this store; `None`: not yet.
    pub erased_at: Option<Time>,
    /// When it was erased from this store again because the store had been restored from a copy that still held it.
    pub repeated_at: Option<Time>,
}

#[derive(sqlx::FromRow)]
struct ErasureRow {
    event: Uuid,
    patient: Uuid,
    reason: Option<String>,
    found: Option<String>,
    erased_at: Option<Time>,
    cleaned: bool,
    repeated_at: Option<Time>,
}

impl From<ErasureRow> for Erasure {
    fn from(row: ErasureRow) -> Self {
        let found = row.found.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let ErasureRow { event, patient, reason, erased_at, repeated_at, .. } = row;
        Self { event, patient, reason, found, erased_at, repeated_at }
    }
}

const ORDER: &str =
    "INSERT INTO erasures (event, patient, reason, cleaned) VALUES ($1, $2, $3, FALSE) ON CONFLICT (event) DO NOTHING";
/// Whoever carries out the same erasure at this moment is waited for: else the later one would count what the first has left, which is nothing.
const HOLD: &str =
    "INSERT INTO erasures (event, patient, cleaned) VALUES ($1, $2, FALSE) ON CONFLICT (event) DO UPDATE SET patient = $2";
const WITHDRAW: &str = "DELETE FROM erasures WHERE event = $1 AND erased_at IS NULL";
const ERASURE: &str = "SELECT event, patient, reason, found, erased_at, cleaned, repeated_at FROM erasures WHERE event = $1";
const DONE: &str = "UPDATE erasures SET found = $2, erased_at = $3, repeated_at = $4, cleaned = FALSE WHERE event = $1";
const CLEANED: &str = "UPDATE erasures SET cleaned = TRUE WHERE event = $1";
const NOT_CLEANED: &str = "SELECT COUNT(*) FROM erasures WHERE erased_at IS NOT NULL AND NOT cleaned";
const ALL_CLEANED: &str = "UPDATE erasures SET cleaned = TRUE WHERE erased_at IS NOT NULL AND NOT cleaned";
const ROW: &str = "SELECT patient, erased, number, name, phone, email, address, birth_date FROM people WHERE patient = $1";
const COUNT_NOTES: &str = "SELECT COUNT(*) FROM notes WHERE patient = $1";
const COUNT_LINKS: &str = "SELECT COUNT(*) FROM external_ids WHERE patient = $1";
const ERASE: &str = "INSERT INTO people (patient, command, search, erased) VALUES ($1, 0, '', TRUE)
    ON CONFLICT (patient) DO UPDATE SET command = 0, name = NULL, phone = NULL, email = NULL, address = NULL, birth_date = NULL,
    search = '', erased = TRUE, number = NULL";
const ERASE_NOTES: &str = "DELETE FROM notes WHERE patient = $1";
const ERASE_LINKS: &str = "DELETE FROM external_ids WHERE patient = $1";
const ERASE_SOURCES: &str = "DELETE FROM sources WHERE patient = $1";
const UPTO: &str = "SELECT position FROM erased_upto WHERE name = 'access'";
const MOVE: &str =
    "INSERT INTO erased_upto (name, position) VALUES ('access', $1) ON CONFLICT (name) DO UPDATE SET position = $1";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[
    ORDER,
    HOLD,
    WITHDRAW,
    ERASURE,
    DONE,
    CLEANED,
    NOT_CLEANED,
    ALL_CLEANED,
    ROW,
    COUNT_NOTES,
    COUNT_LINKS,
    ERASE,
    ERASE_NOTES,
    ERASE_LINKS,
    ERASE_SOURCES,
    UPTO,
    MOVE,
];

impl Personal {
    /// Erases all that is held under an id that no event names: what a registration leaves behind that came to nothing. What is written under
    /// it later is refused.
    ///
    /// # Errors
    /// Whatever keeps the database from it; asking again finishes it.
    pub async fn erase(&self, patient: Uuid) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        erase(&mut tx, patient).await?;
        tx.commit().await?;
        self.db.forget_old_pages().await
    }

    /// Keeps the reason of an erasure that is about to be recorded in the log as `event`. What is known of this event already stays.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is kept then.
    pub async fn order_erasure(&self, event: Uuid, patient: Uuid, reason: &str) -> Result<(), DbError> {
        run!(&self.db, ORDER, event, patient, Some(reason))?;
        Ok(())
    }

    /// Forgets the reason of an erasure that the log did not take.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn withdraw_order(&self, event: Uuid) -> Result<(), DbError> {
        run!(&self.db, WITHDRAW, event)?;
        Ok(())
    }

    /// Erases all that is held under these ids of one patient, for good, because of an event in the log: what is written under them later is
    /// refused. Done before, it only looks for what is left.
    ///
    /// # Errors
    /// Whatever keeps the database from it; asking again finishes it.
    pub async fn carry_out(&self, event: Uuid, patient: Uuid, ids: &[Uuid], now: Time) -> Result<Erasure, DbError> {
        let mut tx = self.db.begin().await?;
        let (before, _) = self.in_one(&mut tx, event, patient, ids, now, false).await?;
        let row: Option<ErasureRow> = one_in!(&mut tx, ERASURE, event)?;
        tx.commit().await?;
        let cleaned = row.as_ref().is_some_and(|row| row.cleaned);
        if !cleaned {
            self.db.forget_old_pages().await?;
            run!(&self.db, CLEANED, event)?;
        }
        Ok(row.map_or(before, Erasure::from))
    }

    /// Erases again whatever this store still holds of these patients, each with the event of the erasure and all their ids, and notes that it
    /// has come to `position` in the log: all or nothing of it. How many patients were still there.
    ///
    /// # Errors
    /// Whatever keeps the database from it; asking again finishes it.
    pub async fn repeat(&self, erasures: &[(Uuid, Uuid, Vec<Uuid>)], position: i64, now: Time) -> Result<usize, DbError> {
        let mut tx = self.db.begin().await?;
        // Of several processes that start together, one does it.
        tx.alone("tact erasures").await?;
        let mut held = 0;
        for (event, patient, ids) in erasures {
            let (_, was_held) = self.in_one(&mut tx, *event, *patient, ids, now, true).await?;
            held += usize::from(was_held);
        }
        run_in!(&mut tx, MOVE, position)?;
        let left: Option<(i64,)> = one_in!(&mut tx, NOT_CLEANED)?;
        tx.commit().await?;
        if left.is_some_and(|(left,)| left > 0) {
            self.db.forget_old_pages().await?;
            run!(&self.db, ALL_CLEANED)?;
        }
        Ok(held)
    }

    /// The position in the log up to which this store is known to hold nothing of those who were erased; 0: none.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn erased_upto(&self) -> Result<i64, DbError> {
        let found: Option<(i64,)> = one!(&self.db, UPTO)?;
        Ok(found.map_or(0, |(position,)| position))
    }

    /// Whether bytes that were erased are still to be removed from the files, because whoever erased them died.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn is_unclean(&self) -> Result<bool, DbError> {
        let left: Option<(i64,)> = one!(&self.db, NOT_CLEANED)?;
        Ok(left.is_some_and(|(left,)| left > 0))
    }

    /// What is known of an erasure, by its event.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn erasure(&self, event: Uuid) -> Result<Option<Erasure>, DbError> {
        let row: Option<ErasureRow> = one!(&self.db, ERASURE, event)?;
        Ok(row.map(Erasure::from))
    }

    /// What is known of the erasure before, and whether anything was still held.
    async fn in_one(
        &self,
        tx: &mut Tx,
        event: Uuid,
        patient: Uuid,
        ids: &[Uuid],
        now: Time,
        again: bool,
    ) -> Result<(Erasure, bool), DbError> {
        run_in!(tx, HOLD, event, patient)?;
        let row: Option<ErasureRow> = one_in!(tx, ERASURE, event)?;
        let Some(before) = row.map(Erasure::from) else {
            return Err(DbError::Busy("an erasure was withdrawn while it was carried out".to_owned()));
        };
        let (mut found, mut held) = (Found::default(), false);
        for id in ids {
            let (more, was_held) = erase(tx, *id).await?;
            found = found.and(more);
            held |= was_held;
        }
        let first = before.erased_at.is_none();
        if first || found != Found::default() {
            let found = serde_json::to_string(&before.found.and(found)).unwrap_or_default();
            let erased_at = before.erased_at.unwrap_or_else(|| to_millis(now));
            let repeated_at = if again && held { Some(to_millis(now)) } else { before.repeated_at };
            run_in!(tx, DONE, event, found, erased_at, repeated_at)?;
        }
        Ok((before, held))
    }
}

#[derive(sqlx::FromRow)]
struct Held {
    erased: bool,
    number: Option<Uuid>,
    #[sqlx(flatten)]
    person: Person,
}

/// Erases what is held under one id: how much it was, and whether there was anything that was not erased before.
async fn erase(tx: &mut Tx, patient: Uuid) -> Result<(Found, bool), DbError> {
    let held: Option<Held> = one_in!(tx, ROW, patient)?;
    // The row before what hangs on it: whoever adds a text or an id holds the row, so this sees it, or they see that nothing is kept any more.
    run_in!(tx, ERASE, patient)?;
    let (texts, links): (Option<(i64,)>, Option<(i64,)>) =
        (one_in!(tx, COUNT_NOTES, patient)?, one_in!(tx, COUNT_LINKS, patient)?);
    run_in!(tx, ERASE_NOTES, patient)?;
    run_in!(tx, ERASE_LINKS, patient)?;
    run_in!(tx, ERASE_SOURCES, patient)?;
    if let Some(number) = held.as_ref().and_then(|held| held.number) {
        crate::calls::forget(tx, number).await?;
    }
    likeness::forget(tx, patient).await?;
    words::forget(tx, patient).await?;
    let open = held.filter(|held| !held.erased);
    let count = |counted: Option<(i64,)>| counted.map_or(0, |(n,)| n.unsigned_abs());
    let person = open.as_ref().map(|held| Found::person(&held.person.details)).unwrap_or_default();
    let found = Found { texts: count(texts), external_ids: count(links), ..person };
    Ok((found, open.is_some() || found != Found::default()))
}
