//! How people sign in: links that work once, sign-ins that wait for an identity provider, and the sessions that either leads to.
//!
//! Of a secret only the SHA-256 is here. What works once is taken by one statement, so that of two who try at once one wins.

use tact_database::{DbError, Time, Tx, bulk, one_in, run, run_in, table, to_millis};
use uuid::Uuid;

use crate::Personal;
use crate::access::Token;

/// What makes a token a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The first moment at which it does not hold any more, however much it is used.
    pub ends_at: Time,
    /// After how many minutes without use it ends.
    pub idle_minutes: u32,
    /// The person's language, a BCP 47 tag, if the identity provider has said it.
    pub language: Option<String>,
}

impl Session {
    /// Until when it holds if it is used at this moment and not again.
    pub fn unused_from(&self, now: Time) -> Time {
        self.ends_at.min(now + chrono::Duration::minutes(self.idle_minutes.into()))
    }
}

/// A link by which somebody signs in once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInLink {
    /// Its id: the same command, asked again, gives the same.
    pub id: Uuid,
    /// A fingerprint of the command that made it; 0 if no command did.
    pub command: u64,
    /// The person whom it lets in.
    pub actor: Uuid,
    /// What people call them.
    pub label: String,
    /// The roles' words.
    pub roles: Vec<String>,
    /// The codes of the branches; `None`: all of them.
    pub branches: Option<Vec<String>>,
    /// The first moment at which it does not work any more.
    pub ends_at: Time,
    /// When it was used, if it was.
    pub used_at: Option<Time>,
}

table! {
    /// What people call somebody who does something.
    pub struct Named = "staff" key(actor) {
        /// Who.
        actor: Uuid,
        /// What people call them.
        label: String,
    }
}

/// What became of making a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum LinkPut {
    /// It is there from now on.
    Made,
    /// This very command has made a link before; its secret was shown then, and is known to nobody here.
    Before,
    /// Another command has made a link by this id.
    Other,
}

/// For how long it is known of a link which command made it, after its time is over.
const LINKS_KNOWN: chrono::Duration = chrono::Duration::days(30);

#[derive(sqlx::FromRow)]
struct LinkRow {
    id: Uuid,
    command: i64,
    actor: Uuid,
    label: String,
    roles: String,
    branches: Option<String>,
    ends_at: Time,
    used_at: Option<Time>,
}

impl From<LinkRow> for SignInLink {
    fn from(row: LinkRow) -> Self {
        let LinkRow { id, command, actor, label, roles, branches, ends_at, used_at } = row;
        // What cannot be read allows nothing.
        let roles = serde_json::from_str(&roles).unwrap_or_default();
        let branches = branches.map(|text| serde_json::from_str(&text).unwrap_or_default());
        Self { id, command: command.cast_unsigned(), actor, label, roles, branches, ends_at, used_at }
    }
}

const ADD_LINK: &str = "INSERT INTO sign_in_links (id, hash, command, actor, label, roles, branches, ends_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
const LINK_COMMAND: &str = "SELECT command FROM sign_in_links WHERE id = $1";
const LINK: &str = "SELECT id, command, actor, label, roles, branches, ends_at, used_at FROM sign_in_links WHERE hash = $1";
const USE_LINK: &str = "UPDATE sign_in_links SET used_at = $2 WHERE hash = $1 AND used_at IS NULL AND ends_at > $2";
const FORGET_LINKS: &str = "DELETE FROM sign_in_links WHERE ends_at <= $1";
const BEGIN: &str = "INSERT INTO sign_ins (hash, ends_at) VALUES ($1, $2)";
const TAKE: &str = "DELETE FROM sign_ins WHERE hash = $1 AND ends_at > $2";
const FORGET_SIGN_INS: &str = "DELETE FROM sign_ins WHERE ends_at <= $1";
const ADD_SESSION: &str = "INSERT INTO sessions (token, ends_at, idle_minutes, language) VALUES ($1, $2, $3, $4)";
/// The sessions that are over. What people call those who had them stays.
const FORGET_SESSIONS: &str =
    "DELETE FROM tokens WHERE id IN (SELECT token FROM sessions) AND (expires_at <= $1 OR revoked_at IS NOT NULL)";
const FORGET_PLAIN: &str = "DELETE FROM sessions WHERE token NOT IN (SELECT id FROM tokens)";
/// Only ever later: another process may have seen a later use.
const KEEP_ALIVE: &str = "UPDATE tokens SET expires_at = $2 WHERE id = $1 AND revoked_at IS NULL AND expires_at < $2";
/// The latest label counts.
pub(crate) const NAME: &str =
    "INSERT INTO staff (actor, label) VALUES ($1, $2) ON CONFLICT (actor) DO UPDATE SET label = excluded.label";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[
    ADD_LINK,
    LINK_COMMAND,
    LINK,
    USE_LINK,
    FORGET_LINKS,
    BEGIN,
    TAKE,
    FORGET_SIGN_INS,
    ADD_SESSION,
    FORGET_SESSIONS,
    FORGET_PLAIN,
    KEEP_ALIVE,
    NAME,
];

impl Personal {
    /// Keeps a link by the SHA-256 of its secret, if there is none by its id yet: neither one that works nor one that was used or is over.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn add_link(&self, link: &SignInLink, sha256: &[u8; 32]) -> Result<LinkPut, DbError> {
        let list = |words: &[String]| serde_json::Value::from(words).to_string();
        let (roles, branches) = (list(&link.roles), link.branches.as_deref().map(list));
        let hash = sha256.as_slice();
        let command = link.command.cast_signed();
        let mut tx = self.db.begin().await?;
        let ends_at = to_millis(link.ends_at);
        let added = run_in!(&mut tx, ADD_LINK, link.id, hash, command, link.actor, &link.label, &roles, &branches, ends_at)?;
        let known: Option<(i64,)> = one_in!(&mut tx, LINK_COMMAND, link.id)?;
        tx.commit().await?;
        Ok(match known {
            _ if added == 1 => LinkPut::Made,
            Some((known,)) if known == command => LinkPut::Before,
            _ => LinkPut::Other,
        })
    }

    /// Uses a link up, and makes the session that `session` says of it. `None` if nobody knows it, it was used, or its time is over; then nothing
    /// is changed.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is changed then.
    pub async fn use_link(
        &self,
        sha256: &[u8; 32],
        now: Time,
        session: impl FnOnce(SignInLink) -> (Token, Session) + Send,
        token_sha256: &[u8; 32],
    ) -> Result<Option<(Token, Session)>, DbError> {
        let mut tx = self.db.begin().await?;
        if run_in!(&mut tx, USE_LINK, sha256.as_slice(), to_millis(now))? == 0 {
            return Ok(None);
        }
        let row: Option<LinkRow> = one_in!(&mut tx, LINK, sha256.as_slice())?;
        let Some(link) = row.map(SignInLink::from) else { return Ok(None) };
        let (token, session) = session(link);
        add_session(&mut tx, &token, &session, token_sha256).await?;
        tx.commit().await?;
        Ok(Some((token, session)))
    }

    /// Makes a session.
    ///
    /// # Errors
    /// Whatever keeps the database from it; nothing is changed then.
    pub async fn add_session(&self, token: &Token, session: &Session, sha256: &[u8; 32]) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        add_session(&mut tx, token, session, sha256).await?;
        tx.commit().await
    }

    /// Keeps that somebody begins to sign in, by the SHA-256 of their secret.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn begin_sign_in(&self, sha256: &[u8; 32], ends_at: Time) -> Result<(), DbError> {
        run!(&self.db, BEGIN, sha256.as_slice(), to_millis(ends_at)).map(drop)
    }

    /// Takes up what was begun, once. `false` if nobody knows it, it was taken up before, or its time is over.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn take_sign_in(&self, sha256: &[u8; 32], now: Time) -> Result<bool, DbError> {
        Ok(run!(&self.db, TAKE, sha256.as_slice(), to_millis(now))? == 1)
    }

    /// Deletes begun sign-ins whose time is over, sessions that have ended, and links 30 days after their time.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn forget_sign_ins(&self, now: Time) -> Result<(), DbError> {
        run!(&self.db, FORGET_LINKS, to_millis(now - LINKS_KNOWN))?;
        run!(&self.db, FORGET_SIGN_INS, to_millis(now))?;
        let mut tx = self.db.begin().await?;
        run_in!(&mut tx, FORGET_SESSIONS, to_millis(now))?;
        run_in!(&mut tx, FORGET_PLAIN)?;
        tx.commit().await
    }

    /// Moves the end of a session that is in use; never back, and never that of one that was ended.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn keep_alive(&self, token: Uuid, expires_at: Time) -> Result<(), DbError> {
        run!(&self.db, KEEP_ALIVE, token, to_millis(expires_at)).map(drop)
    }

    /// What people call those of the actors who are known, in no particular order: the label of the token that was made last for each.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn labels(&self, actors: &[Uuid]) -> Result<Vec<Named>, DbError> {
        bulk::read(&self.db, "actor", actors).await
    }
}

async fn add_session(tx: &mut Tx, token: &Token, session: &Session, sha256: &[u8; 32]) -> Result<(), DbError> {
    crate::access::insert_in(tx, token, sha256).await?;
    let idle = i64::from(session.idle_minutes);
    run_in!(tx, ADD_SESSION, token.id, to_millis(session.ends_at), idle, &session.language).map(drop)
}
