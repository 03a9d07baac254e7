//! The personal data store: names, phone numbers, addresses, birth dates, free text and ids in other systems, and beside them the
//! access tokens. What a rebuild of the read models must never touch.
//!
//! It must never be copied into an event, a subject, a log line or a metric label, and no error of this crate repeats a value of it.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use tact_database::{Component, Db, DbError, Target, Tx, all, bulk, one, one_in, run_in, table};
use uuid::Uuid;

pub mod access;
pub mod calls;
pub mod clinicians;
pub mod erasure;
pub mod layout;
pub mod likeness;
pub mod looks;
pub mod number;
pub mod sign_in;
mod sources;
pub mod words;

pub use sources::Source;

/// The tables of this store.
pub static TABLES: Component = Component {
    name: "personal",
    postgres: &[
        include_str!("../../../migrations/postgres/personal/0001_tables.sql"),
        include_str!("../../../migrations/postgres/personal/0002_erasures.sql"),
        include_str!("../../../migrations/postgres/personal/0003_numbers.sql"),
        include_str!("../../../migrations/postgres/personal/0004_sources.sql"),
        include_str!("../../../migrations/postgres/personal/0005_calls.sql"),
        include_str!("../../../migrations/postgres/personal/0006_likeness.sql"),
        include_str!("../../../migrations/postgres/personal/0007_call_numbers.sql"),
        include_str!("../../../migrations/postgres/personal/0008_search_words.sql"),
        include_str!("../../../migrations/postgres/personal/0009_sign_in.sql"),
    ],
    sqlite: &[
        include_str!("../../../migrations/sqlite/personal/0001_tables.sql"),
        include_str!("../../../migrations/sqlite/personal/0002_erasures.sql"),
        include_str!("../../../migrations/sqlite/personal/0003_numbers.sql"),
        include_str!("../../../migrations/sqlite/personal/0004_sources.sql"),
        include_str!("../../../migrations/sqlite/personal/0005_calls.sql"),
        include_str!("../../../migrations/sqlite/personal/0006_likeness.sql"),
        include_str!("../../../migrations/sqlite/personal/0007_call_numbers.sql"),
        include_str!("../../../migrations/sqlite/personal/0008_search_words.sql"),
        include_str!("../../../migrations/sqlite/personal/0009_sign_in.sql"),
    ],
    durable: true,
};

/// The store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Personal {
    pub(crate) db: Db,
    pub(crate) numbering: Option<number::Numbering>,
}

/// What is known of a person beside what events say. All of it may be unknown.
#[derive(Clone, PartialEq, Eq, Default, Serialize, sqlx::FromRow)]
pub struct Details {
    /// The full name.
    pub name: Option<String>,
    /// The telephone number.
    pub phone: Option<String>,
    /// The address for electronic mail.
    pub email: Option<String>,
    /// The postal address.
    pub address: Option<String>,
    /// The date of birth, `YYYY-MM-DD`.
    pub birth_date: Option<String>,
}

impl fmt::Debug for Details {
    /// Says what is known, never what it is: this text may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |field: &Option<String>| if field.is_some() { "known" } else { "unknown" };
        f.debug_struct("Details")
            .field("name", &known(&self.name))
            .field("phone", &known(&self.phone))
            .field("email", &known(&self.email))
            .field("address", &known(&self.address))
            .field("birth_date", &known(&self.birth_date))
            .finish()
    }
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Person {
    /// Who.
    pub patient: Uuid,
    /// What is known.
    #[serde(flatten)]
    #[sqlx(flatten)]
    pub details: Details,
}

/// A person to be written, with the keyed hash of the command that registers them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPerson {
    /// Who.
    pub patient: Uuid,
    /// The keyed hash of the command, body included.
    pub command: u64,
    /// What is known.
    pub details: Details,
}

/// What became of something that may have been written before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Put {
    /// It is there, from now on or from before.
    Done,
    /// Something else is there under this id: the idempotency key has been used for another body.
    Other,
    /// The patient has been erased, and stays so.
    Erased,
}

/// What became of linking an id of another system to a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Link {
    /// It leads to this patient, from now on or from before.
    Done,
    /// It leads to another patient already.
    Other(Uuid),
    /// The patient has been erased, and stays so.
    Erased,
}

table! {
    /// An id that a patient has in another system.
    pub struct ExternalId = "external_ids" key(system, value) {
        /// The other system's name.
        system: String,
        /// The id there; any text, never read as a number.
        value: String,
        /// The patient.
        patient: Uuid,
    }
}

table! {
    /// A person's row as many are written at once.
    pub(crate) struct PersonRow = "people" key(patient) {
        /// Who.
        patient: Uuid,
        /// The keyed hash of the registering command, as stored.
        command: i64,
        /// The full name.
        name: Option<String>,
        /// The telephone number.
        phone: Option<String>,
        /// The address for electronic mail.
        email: Option<String>,
        /// The postal address.
        address: Option<String>,
        /// The date of birth.
        birth_date: Option<String>,
        /// What [`Personal::search`] looks into.
        search: String,
        /// Whether all this has been erased; then every other column but the id is empty.
        erased: bool,
        /// The fingerprint of the telephone number.
        number: Option<Uuid>,
    }
}

const PERSON: &str = "SELECT patient, name, phone, email, address, birth_date FROM people WHERE patient = $1 AND NOT erased";
const INSERT_PERSON: &str =
    "INSERT INTO people (patient, command, name, phone, email, address, birth_date, search, erased, number)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, FALSE, $9) ON CONFLICT (patient) DO NOTHING";
const COMMAND: &str = "SELECT command, erased FROM people WHERE patient = $1";
const CHANGE: &str =
    "UPDATE people SET name = $2, phone = $3, email = $4, address = $5, birth_date = $6, search = $7, number = $8
    WHERE patient = $1 AND NOT erased";
const SEARCH: &str = "SELECT patient, name, phone, email, address, birth_date FROM people
    WHERE search LIKE $1 ESCAPE '!' AND NOT erased AND patient > $2 ORDER BY patient LIMIT $3";
const INSERT_NOTE: &str = "INSERT INTO notes (id, patient, words) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING";
const SAME_NOTE: &str = "SELECT patient, words FROM notes WHERE id = $1";
const NOTES: &str = "SELECT id, words FROM notes WHERE patient = $1 ORDER BY id";
const INSERT_LINK: &str =
    "INSERT INTO external_ids (system, value, patient) VALUES ($1, $2, $3) ON CONFLICT (system, value) DO NOTHING";
const LINKED: &str = "SELECT system, value, patient FROM external_ids WHERE system = $1 AND value = $2";
const LINKS: &str = "SELECT system, value, patient FROM external_ids WHERE patient = $1 ORDER BY system, value";
const LINKS_OF_SYSTEM: &str =
    "SELECT system, value, patient FROM external_ids WHERE system = $1 AND value > $2 ORDER BY value LIMIT $3";
const IS_ERASED: &str = "SELECT erased FROM people WHERE patient = $1";
/// Changes nothing, and keeps an erasure waiting until this transaction is over: else what it adds could outlive the erasure.
const HOLD: &str = "UPDATE people SET erased = erased WHERE patient = $1 AND NOT erased";
/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[
    PERSON,
    INSERT_PERSON,
    COMMAND,
    CHANGE,
    SEARCH,
    INSERT_NOTE,
    SAME_NOTE,
    NOTES,
    INSERT_LINK,
    LINKED,
    LINKS,
    LINKS_OF_SYSTEM,
    IS_ERASED,
    HOLD,
];

impl Personal {
    /// Opens the store and makes or upgrades its tables, waiting at most `wait` for a database that is not there yet.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over, [`DbError::Newer`] for tables of a newer version.
    pub async fn open(target: &Target, wait: Duration) -> Result<Self, DbError> {
        Ok(Self { db: target.open(&TABLES, wait).await?, numbering: None })
    }

    /// The database, for whoever must know whether it answers.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Writes a person once. The same command again changes nothing; another one for the same patient is [`Put::Other`].
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is written then.
    pub async fn register(&self, person: &NewPerson) -> Result<Put, DbError> {
        let (patient, d) = (person.patient, &person.details);
        let command = person.command.cast_signed();
        let (search, number) = (searched(d), self.fingerprint(d.phone.as_deref()));
        let Details { name, phone, email, address, birth_date } = d;
        let mut tx = self.db.begin().await?;
        let written =
            run_in!(&mut tx, INSERT_PERSON, patient, command, name, phone, email, address, birth_date, &search, number)?;
        if written == 1 {
            self.make_likeness(&mut tx, patient, d).await?;
            tx.commit().await?;
            return Ok(Put::Done);
        }
        let known: Option<(i64, bool)> = one_in!(&mut tx, COMMAND, patient)?;
        Ok(match known {
            Some((_, true)) => Put::Erased,
            Some((known, _)) if known == command => Put::Done,
            _ => Put::Other,
        })
    }

    /// Writes many persons at once, those that are new: none of the patients may be there already.
    ///
    /// # Errors
    /// Whatever keeps the database from it, one that is there already included; nothing is written then.
    pub async fn register_new(&self, people: &[NewPerson], links: Vec<ExternalId>) -> Result<(), DbError> {
        let (keys, made) = self.likeness_rows(people.iter().map(|person| (person.patient, &person.details)));
        let known = people.iter().map(|person| (person.patient, &person.details));
        let rows = people.iter().map(|person| {
            let d = person.details.clone();
            let (search, number) = (searched(&d), self.fingerprint(d.phone.as_deref()));
            let command = person.command.cast_signed();
            let Details { name, phone, email, address, birth_date } = d;
            PersonRow { patient: person.patient, command, name, phone, email, address, birth_date, search, erased: false, number }
        });
        let mut tx = self.db.begin().await?;
        bulk::write(&mut tx, rows.collect(), bulk::OnConflict::Fail).await?;
        bulk::write(&mut tx, links, bulk::OnConflict::Fail).await?;
        bulk::write(&mut tx, keys, bulk::OnConflict::Replace).await?;
        bulk::write(&mut tx, made, bulk::OnConflict::Replace).await?;
        words::make(&mut tx, known).await?;
        tx.commit().await
    }

    /// A person, if they are known and not erased.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn person(&self, patient: Uuid) -> Result<Option<Person>, DbError> {
        one!(&self.db, PERSON, patient)
    }

    /// Those of the patients who are known and not erased, in no particular order.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn people(&self, patients: &[Uuid]) -> Result<Vec<Person>, DbError> {
        let rows: Vec<PersonRow> = bulk::read(&self.db, "patient", patients).await?;
        let person = |r: PersonRow| Person {
            patient: r.patient,
            details: Details { name: r.name, phone: r.phone, email: r.email, address: r.address, birth_date: r.birth_date },
        };
        Ok(rows.into_iter().filter(|r| !r.erased).map(person).collect())
    }

    /// Changes a person's details: what is `Some` takes the place of what was known. `false` if nobody by this id is known.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is changed then.
    pub async fn change(&self, patient: Uuid, new: Details) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        let Some(Person { details: old, .. }) = one_in!(&mut tx, PERSON, patient)? else { return Ok(false) };
        let d = Details {
            name: new.name.or(old.name),
            phone: new.phone.or(old.phone),
            email: new.email.or(old.email),
            address: new.address.or(old.address),
            birth_date: new.birth_date.or(old.birth_date),
        };
        let (search, number) = (searched(&d), self.fingerprint(d.phone.as_deref()));
        if run_in!(&mut tx, CHANGE, patient, &d.name, &d.phone, &d.email, &d.address, &d.birth_date, &search, number)? == 0 {
            return Ok(false);
        }
        self.make_likeness(&mut tx, patient, &d).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// People whose name, number or mail address holds this text, whatever its case; numbers are compared by their digits. Those behind
    /// `after`, at most `limit` of them, by id.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn search(&self, text: &str, after: Uuid, limit: u32) -> Result<Vec<Person>, DbError> {
        let wanted = normal(text);
        let mut pattern = String::with_capacity(wanted.len() + 2);
        pattern.push('%');
        for c in wanted.chars() {
            if matches!(c, '%' | '_' | '!') {
                pattern.push('!');
            }
            pattern.push(c);
        }
        pattern.push('%');
        all!(&self.db, SEARCH, &pattern, after, i64::from(limit))
    }

    /// Writes a text once under its id. Another text under the same id is [`Put::Other`].
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is written then.
    pub async fn put_note(&self, id: Uuid, patient: Uuid, text: &str) -> Result<Put, DbError> {
        let mut tx = self.db.begin().await?;
        if erased(&mut tx, patient).await? {
            return Ok(Put::Erased);
        }
        if run_in!(&mut tx, INSERT_NOTE, id, patient, text)? == 0 {
            let known: Option<(Uuid, String)> = one_in!(&mut tx, SAME_NOTE, id)?;
            return Ok(if known.is_some_and(|(of, words)| of == patient && words == text) { Put::Done } else { Put::Other });
        }
        tx.commit().await?;
        Ok(Put::Done)
    }

    /// A patient's texts by id; an erased patient has none.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn notes(&self, patient: Uuid) -> Result<Vec<(Uuid, String)>, DbError> {
        all!(&self.db, NOTES, patient)
    }

    /// Links an id of another system to a patient.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is written then.
    pub async fn link(&self, system: &str, value: &str, patient: Uuid) -> Result<Link, DbError> {
        let mut tx = self.db.begin().await?;
        if erased(&mut tx, patient).await? {
            return Ok(Link::Erased);
        }
        if run_in!(&mut tx, INSERT_LINK, system, value, patient)? == 0 {
            let known: Option<ExternalId> = one_in!(&mut tx, LINKED, system, value)?;
            return Ok(known.filter(|k| k.patient != patient).map_or(Link::Done, |k| Link::Other(k.patient)));
        }
        tx.commit().await?;
        Ok(Link::Done)
    }

    /// The patient who has this id in another system.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn by_external_id(&self, system: &str, value: &str) -> Result<Option<Uuid>, DbError> {
        let found: Option<ExternalId> = one!(&self.db, LINKED, system, value)?;
        Ok(found.map(|f| f.patient))
    }

    /// A patient's ids in other systems.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn external_ids(&self, patient: Uuid) -> Result<Vec<ExternalId>, DbError> {
        all!(&self.db, LINKS, patient)
    }

    /// The ids that these patients have in other systems, by patient, system and id.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn external_ids_of_patients(&self, patients: &[Uuid]) -> Result<Vec<ExternalId>, DbError> {
        let mut found: Vec<ExternalId> = bulk::read(&self.db, "patient", patients).await?;
        found.sort_unstable_by(|a, b| (a.patient, &a.system, &a.value).cmp(&(b.patient, &b.system, &b.value)));
        Ok(found)
    }

    /// The links of another system behind the id `after`, at most `limit` of them, by id there: how an import reads all it knows.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn external_ids_of(&self, system: &str, after: &str, limit: u32) -> Result<Vec<ExternalId>, DbError> {
        all!(&self.db, LINKS_OF_SYSTEM, system, after, i64::from(limit))
    }
}

/// Whether the patient has been erased. If not, they will not be before this transaction is over.
async fn erased(tx: &mut Tx, patient: Uuid) -> Result<bool, DbError> {
    if run_in!(tx, HOLD, patient)? > 0 {
        return Ok(false);
    }
    let found: Option<(bool,)> = one_in!(tx, IS_ERASED, patient)?;
    Ok(found.is_some_and(|(erased,)| erased))
}

/// What a search looks into: the name and the mail address in small letters, and the number's digits.
fn searched(details: &Details) -> String {
    let digits: String = details.phone.iter().flat_map(|p| p.chars()).filter(char::is_ascii_digit).collect();
    let texts = [details.name.as_deref(), details.email.as_deref(), Some(digits.as_str())];
    texts.into_iter().flatten().filter(|t| !t.is_empty()).map(str::to_lowercase).collect::<Vec<_>>().join("\n")
}

/// What is searched for, in the form of [`searched`]: something that looks like a number is reduced to its digits.
fn normal(text: &str) -> String {
    let number = text.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c)) && text.chars().any(|c| c.is_ascii_digit());
    if number { text.chars().filter(char::is_ascii_digit).collect() } else { text.trim().to_lowercase() }
}
