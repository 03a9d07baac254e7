//! What the dispatcher keeps: up to where it has read the log, and for each permit that a gateway is to carry out what has become of it.
//!
//! It must never hold a number, an address or a text: those are looked up when a message is made. What decides whether something may be sent
//! is the log, never these rows: they only say what is to be looked at, and when.

use std::time::Duration;

use smol_str::SmolStr;
use tact_database::bulk::{self, OnConflict};
use tact_database::{Component, Db, DbError, Target, Tx, all, all_in, one, one_in, run, run_in, to_millis};
use tact_domain::{Branch, Channel, Outcome, Purpose, Time};
use tact_event_log::Position;
use uuid::Uuid;

use crate::status::{Said, Status, Word};

/// The tables.
pub static TABLES: Component = Component {
    name: "dispatch",
    postgres: &[
        include_str!("../../../migrations/postgres/dispatch/0001_tables.sql"),
        include_str!("../../../migrations/postgres/dispatch/0002_households.sql"),
    ],
    sqlite: &[
        include_str!("../../../migrations/sqlite/dispatch/0001_tables.sql"),
        include_str!("../../../migrations/sqlite/dispatch/0002_households.sql"),
    ],
    durable: true,
};

macro_rules! columns {
    ($before:expr, $after:literal) => {
        concat!(
            $before,
            " permit, contact, patient, purpose, channel, branch, expires_at, state, reason, started_at, status, status_at,
            gateway_said, outcome, asked, look_at, covered_by ",
            $after
        )
    };
}

const POSITION: &str = "SELECT position FROM reading WHERE name = 'dispatcher'";
const MOVE: &str =
    "INSERT INTO reading (name, position) VALUES ('dispatcher', $1) ON CONFLICT (name) DO UPDATE SET position = $1";
/// Of two that start together, the one that is further back counts.
const BEGIN: &str = "INSERT INTO reading (name, position) VALUES ('dispatcher', $1) ON CONFLICT (name) DO NOTHING";
macro_rules! claim {
    ($channels:literal) => {
        columns!(
            concat!(
                "UPDATE dispatches SET claimed_by = $1, claimed_until = $2
                WHERE permit IN (SELECT permit FROM dispatches WHERE state IN ('waiting', 'open') AND look_at <= $3 AND channel ",
                $channels,
                " ($5, $6, $7, $8) AND (claimed_until IS NULL OR claimed_until <= $3) ORDER BY look_at LIMIT $4)
                AND (claimed_until IS NULL OR claimed_until <= $3) RETURNING"
            ),
            ""
        )
    };
}
const CLAIM: &str = claim!("IN");
/// What no gateway serves any more.
const CLAIM_REST: &str = claim!("NOT IN");
const HOLD: &str = "UPDATE dispatches SET claimed_until = $3 WHERE permit = $1 AND claimed_by = $2 AND claimed_until > $4";
const LATER: &str =
    "UPDATE dispatches SET look_at = $2, asked = asked + 1, claimed_by = NULL, claimed_until = NULL WHERE permit = $1";
const DROP: &str = "UPDATE dispatches SET state = 'dropped', reason = $2, claimed_by = NULL, claimed_until = NULL
    WHERE permit = $1 AND state = 'waiting'";
const OPEN: &str = "UPDATE dispatches SET state = 'open', started_at = $2, look_at = $3, status = coalesce(status, $4),
    status_at = coalesce(status_at, $5), gateway_said = (gateway_said OR $6), claimed_by = NULL, claimed_until = NULL
    WHERE permit = $1 AND state IN ('waiting', 'open')";
/// Whoever is covered by another's contact has begun with it: that stands in the log, so that whoever took it for dropped was too early.
const COVER: &str = "UPDATE dispatches SET state = 'covered', covered_by = $2, started_at = $3, reason = NULL, claimed_by = NULL,
    claimed_until = NULL WHERE permit = $1 AND state IN ('waiting', 'dropped')";
const COVERED: &str = columns!("SELECT", "FROM dispatches WHERE covered_by = $1 ORDER BY permit");
const SAY_COVERED: &str = "UPDATE dispatches SET outcome = $2 WHERE covered_by = $1";
const REVIEW: &str = "UPDATE dispatches SET state = 'review', reason = $2, claimed_by = NULL, claimed_until = NULL
    WHERE permit = $1 AND state = 'open'";
/// Changes nothing, and has whoever settles the same contact wait until this transaction is over.
const LOCK: &str = "UPDATE dispatches SET asked = asked WHERE contact = $1";
const OF_CONTACT: &str = columns!("SELECT", "FROM dispatches WHERE contact = $1");
const SAY: &str = "UPDATE dispatches SET status = $2, status_at = $3, gateway_said = $4, outcome = $5, state = $6, reason = NULL
    WHERE contact = $1";
const LIST: &str =
    columns!("SELECT", "FROM dispatches WHERE branch = $1 AND state = $2 AND permit > $3 ORDER BY permit LIMIT $4");
const COUNTS: &str = "SELECT branch, channel, purpose, state, reason, outcome, count(*) AS number FROM dispatches
    GROUP BY branch, channel, purpose, state, reason, outcome ORDER BY branch, channel, purpose, state, reason, outcome";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[
    POSITION,
    MOVE,
    BEGIN,
    CLAIM,
    CLAIM_REST,
    HOLD,
    LATER,
    DROP,
    OPEN,
    COVER,
    COVERED,
    SAY_COVERED,
    REVIEW,
    LOCK,
    OF_CONTACT,
    SAY,
    LIST,
    COUNTS,
];

/// The store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    db: Db,
}

/// How a permit's dispatch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is to be begun.
    Waiting,
    /// It has begun, and how it ended is not known.
    Open,
    /// It has begun as part of another's contact, which covers both: how that ends is how this ends.
    Covered,
    /// The same as [`Stage::Open`], and nobody can be asked any more: a person is to close it.
    Review,
    /// How it ended is recorded.
    Done,
    /// It never began, and will not.
    Dropped,
}

impl Stage {
    const WORDS: [(&'static str, Self); 6] = [
        ("waiting", Self::Waiting),
        ("open", Self::Open),
        ("covered", Self::Covered),
        ("review", Self::Review),
        ("done", Self::Done),
        ("dropped", Self::Dropped),
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(_, stage)| *stage == self).map_or("", |(word, _)| word)
    }

    fn read(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(known, _)| *known == word).map(|(_, stage)| *stage)
    }
}

/// A permit that a gateway is to carry out, and what has become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// The permit.
    pub permit: Uuid,
    /// The contact, which is the message's id too.
    pub contact: Uuid,
    /// In whose stream the permit was granted.
    pub patient: Uuid,
    /// What for.
    pub purpose: Purpose,
    /// How.
    pub channel: Channel,
    /// Which branch asked for it.
    pub branch: Branch,
    /// When the permit ends by itself, if nothing ends it earlier.
    pub expires_at: Time,
    /// How it stands.
    pub stage: Stage,
    /// Why it was dropped, or is to be looked at.
    pub reason: Option<SmolStr>,
    /// When it began.
    pub started_at: Option<Time>,
    /// What is said of it so far.
    pub said: Option<Said>,
    /// The outcome that is recorded.
    pub outcome: Option<Outcome>,
    /// How often it was looked at in vain.
    pub asked: u32,
    /// The contact of another's permit that covers this one too.
    pub covered_by: Option<Uuid>,
}

tact_database::table! {
    /// A row, but for who has claimed it.
    struct Row = "dispatches" key(permit) {
        permit: Uuid,
        contact: Uuid,
        patient: Uuid,
        purpose: String,
        channel: String,
        branch: String,
        expires_at: Time,
        state: String,
        reason: Option<String>,
        started_at: Option<Time>,
        status: Option<String>,
        status_at: Option<Time>,
        gateway_said: bool,
        outcome: Option<String>,
        asked: i64,
        look_at: Time,
        covered_by: Option<Uuid>,
    }
}

impl Row {
    fn read(self) -> Result<Dispatch, DbError> {
        let permit = self.permit;
        let unreadable = |what: &str| {
            DbError::from(sqlx::Error::Decode(format!("the dispatch of permit {permit} has an unreadable {what}").into()))
        };
        let said = match (&self.status, self.status_at) {
            (Some(word), Some(at)) => {
                let word = match self.gateway_said {
                    true => Word::Gateway(word.parse().map_err(|_| unreadable("status"))?),
                    false => Word::Own(word.parse().map_err(|_| unreadable("status"))?),
                };
                Some(Said { word, at })
            }
            _ => None,
        };
        Ok(Dispatch {
            permit: self.permit,
            contact: self.contact,
            patient: self.patient,
            purpose: self.purpose.parse().map_err(|_| unreadable("purpose"))?,
            channel: self.channel.parse().map_err(|_| unreadable("channel"))?,
            branch: self.branch.parse().map_err(|_| unreadable("branch"))?,
            expires_at: self.expires_at,
            stage: Stage::read(&self.state).ok_or_else(|| unreadable("state"))?,
            reason: self.reason.map(SmolStr::from),
            started_at: self.started_at,
            said,
            outcome: self.outcome.as_deref().map(str::parse).transpose().map_err(|_| unreadable("outcome"))?,
            asked: u32::try_from(self.asked).unwrap_or(u32::MAX),
            covered_by: self.covered_by,
        })
    }
}

/// A permit as the log grants it.
#[derive(Debug, Clone)]
pub struct New {
    /// The permit.
    pub permit: Uuid,
    /// The contact that it leads to, at most one.
    pub contact: Uuid,
    /// In whose stream.
    pub patient: Uuid,
    /// What for.
    pub purpose: Purpose,
    /// How.
    pub channel: Channel,
    /// Which branch.
    pub branch: Branch,
    /// When it ends by itself.
    pub expires_at: Time,
}

impl From<&Dispatch> for New {
    fn from(dispatch: &Dispatch) -> Self {
        let Dispatch { permit, contact, patient, purpose, channel, branch, expires_at, .. } = dispatch.clone();
        Self { permit, contact, patient, purpose, channel, branch, expires_at }
    }
}

/// How many dispatches stand alike.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, sqlx::FromRow)]
pub struct Count {
    /// The branch.
    pub branch: String,
    /// How.
    pub channel: String,
    /// What for.
    pub purpose: String,
    /// How they stand.
    pub state: String,
    /// Why they were dropped, or wait for a person.
    pub reason: Option<String>,
    /// How they ended.
    pub outcome: Option<String>,
    /// How many.
    pub number: i64,
}

impl Store {
    /// Opens the store and makes its tables, waiting at most `wait` for a database that is not there yet.
    ///
    /// # Errors
    /// [`DbError::Unavailable`] when `wait` is over, [`DbError::Newer`] for tables of a newer version.
    pub async fn open(target: &Target, wait: Duration) -> Result<Self, DbError> {
        Ok(Self { db: target.open(&TABLES, wait).await? })
    }

    /// The database, for the test that prepares every statement.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Up to where the log has been read; `head` at the very first time: what was granted before there was a dispatcher is not its business.
    pub(crate) async fn position(&self, head: Position) -> Result<Position, DbError> {
        run!(&self.db, BEGIN, head.to_stored().cast_signed())?;
        let stored: Option<(i64,)> = one!(&self.db, POSITION)?;
        Ok(Position::from_stored(stored.map_or(0, |(at,)| at.cast_unsigned())))
    }

    /// Takes permits in, and moves the position, in one transaction. What has ended already is dropped, and counted so.
    pub(crate) async fn take(&self, new: &[New], position: Position, now: Time) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        add(&mut tx, new, now).await?;
        run_in!(&mut tx, MOVE, position.to_stored().cast_signed())?;
        tx.commit().await
    }

    /// Claims up to so many that are to be looked at, until a moment: nobody else touches them before. `rest`: those on all other channels.
    pub(crate) async fn claim(&self, claim: &Claim<'_>, now: Time, limit: usize, rest: bool) -> Result<Vec<Dispatch>, DbError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let [a, b, c, d] = [0, 1, 2, 3].map(|at| claim.channels.get(at).map_or("", |channel| channel.as_str()));
        let (by, until, now) = (claim.by, to_millis(claim.until), to_millis(now));
        let rows: Vec<Row> = match rest {
            false => all!(&self.db, CLAIM, by, until, now, limit, a, b, c, d)?,
            true => all!(&self.db, CLAIM_REST, by, until, now, limit, a, b, c, d)?,
        };
        rows.into_iter().map(Row::read).collect()
    }

    /// Holds a claim for longer; false if it has run out, and may be somebody else's now.
    pub(crate) async fn hold(&self, permit: Uuid, by: Uuid, until: Time, now: Time) -> Result<bool, DbError> {
        Ok(run!(&self.db, HOLD, permit, by, to_millis(until), to_millis(now))? == 1)
    }

    /// Looks at it again later.
    pub(crate) async fn later(&self, permit: Uuid, at: Time) -> Result<(), DbError> {
        run!(&self.db, LATER, permit, to_millis(at)).map(drop)
    }

    /// It never began, and will not.
    pub(crate) async fn drop(&self, permit: Uuid, reason: &str) -> Result<(), DbError> {
        run!(&self.db, DROP, permit, reason).map(drop)
    }

    /// Notes of many at once that they have begun, when, when to ask about each, and what the gateway said.
    pub(crate) async fn opened(&self, opened: &[Opened]) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        for Opened { permit, started_at, look_at, status } in opened {
            let word = status.map(|(status, _)| status.as_str());
            let at = status.map(|(_, at)| to_millis(at));
            run_in!(&mut tx, OPEN, permit, to_millis(*started_at), to_millis(*look_at), word, at, status.is_some())?;
        }
        tx.commit().await
    }

    /// This permit has begun as part of another's contact. What is recorded of that contact is recorded of this from now on: a transaction in
    /// which nobody settles it, with what is known of the contact. `None`: it is no contact of ours, and nothing was noted.
    pub(crate) async fn cover(&self, new: &New, contact: Uuid, started_at: Time) -> Result<Option<(Tx, Dispatch)>, DbError> {
        let Some((mut tx, leader)) = self.locked(contact).await? else { return Ok(None) };
        // It may come to be covered before it is read from the log.
        add(&mut tx, std::slice::from_ref(new), started_at).await?;
        run_in!(&mut tx, COVER, new.permit, contact, to_millis(started_at))?;
        Ok(Some((tx, leader)))
    }

    /// Nobody can be asked any more.
    pub(crate) async fn review(&self, permit: Uuid, reason: &str) -> Result<(), DbError> {
        run!(&self.db, REVIEW, permit, reason).map(drop)
    }

    /// A contact's dispatch.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn of_contact(&self, contact: Uuid) -> Result<Option<Dispatch>, DbError> {
        let row: Option<Row> = one!(&self.db, OF_CONTACT, contact)?;
        row.map(Row::read).transpose()
    }

    /// The same in a transaction in which nobody else settles it.
    pub(crate) async fn locked(&self, contact: Uuid) -> Result<Option<(Tx, Dispatch)>, DbError> {
        let mut tx = self.db.begin().await?;
        run_in!(&mut tx, LOCK, contact)?;
        let row: Option<Row> = one_in!(&mut tx, OF_CONTACT, contact)?;
        Ok(row.map(Row::read).transpose()?.map(|dispatch| (tx, dispatch)))
    }

    /// A branch's dispatches that stand so, behind a permit, at most `limit` of them by permit.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn list(&self, branch: &Branch, stage: Stage, after: Uuid, limit: u32) -> Result<Vec<Dispatch>, DbError> {
        let rows: Vec<Row> = all!(&self.db, LIST, branch.as_str(), stage.as_str(), after, i64::from(limit))?;
        rows.into_iter().map(Row::read).collect()
    }

    /// How many there are of each kind.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn counts(&self) -> Result<Vec<Count>, DbError> {
        all!(&self.db, COUNTS)
    }
}

/// Adds the rows of new permits, all at once; one that is there already stays as it is.
async fn add(tx: &mut Tx, new: &[New], now: Time) -> Result<(), DbError> {
    let row = |new: &New| {
        let late = new.expires_at <= now;
        let (stage, reason) = if late { (Stage::Dropped, Some("expired")) } else { (Stage::Waiting, None) };
        Row {
            permit: new.permit,
            contact: new.contact,
            patient: new.patient,
            purpose: new.purpose.to_string(),
            channel: new.channel.as_str().to_owned(),
            branch: new.branch.to_string(),
            expires_at: to_millis(new.expires_at),
            state: stage.as_str().to_owned(),
            reason: reason.map(ToOwned::to_owned),
            started_at: None,
            status: None,
            status_at: None,
            gateway_said: false,
            outcome: None,
            asked: 0,
            look_at: to_millis(now),
            covered_by: None,
        }
    };
    bulk::write(tx, new.iter().map(row).collect(), OnConflict::Keep).await
}

/// Who claims, until when, and on which of the machines' four channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim<'a> {
    pub(crate) by: Uuid,
    pub(crate) until: Time,
    pub(crate) channels: &'a [Channel],
}

/// A contact that has begun.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened {
    pub(crate) permit: Uuid,
    pub(crate) started_at: Time,
    /// When the gateway is to be asked about it, unless it says something by itself before.
    pub(crate) look_at: Time,
    pub(crate) status: Option<(Status, Time)>,
}

/// Notes what is said of a contact, and the outcome that is recorded by now.
pub(crate) async fn say(tx: &mut Tx, contact: Uuid, said: &Said, outcome: Option<Outcome>, stage: Stage) -> Result<(), DbError> {
    let (word, by_gateway) = match said.word {
        Word::Gateway(status) => (status.as_str(), true),
        Word::Own(outcome) => (outcome.as_str(), false),
    };
    let outcome = outcome.map(Outcome::as_str);
    run_in!(tx, SAY, contact, word, to_millis(said.at), by_gateway, outcome, stage.as_str()).map(drop)
}

/// Those whom a contact covers beside the one that it is under.
pub(crate) async fn covered(tx: &mut Tx, contact: Uuid) -> Result<Vec<Dispatch>, DbError> {
    let rows: Vec<Row> = all_in!(tx, COVERED, contact)?;
    rows.into_iter().map(Row::read).collect()
}

/// Notes of those whom a contact covers how it ended.
pub(crate) async fn say_covered(tx: &mut Tx, contact: Uuid, outcome: Outcome) -> Result<(), DbError> {
    run_in!(tx, SAY_COVERED, contact, outcome.as_str()).map(drop)
}
