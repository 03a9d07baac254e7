//! Access tokens: who may ask for what, and at which branches. Only the SHA-256 of a token is kept; the token itself is shown once, by
//! whoever made it, and can never be read back.

use serde::Serialize;
use tact_database::{DbError, Time, Tx, all, one, one_in, run_in, to_millis};
use uuid::Uuid;

use crate::Personal;
use crate::sign_in::{NAME, Session};

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its id, by which it is listed and revoked.
    pub id: Uuid,
    /// The person or program that it stands for.
    pub actor: Uuid,
    /// What people call it.
    pub label: String,
    /// The roles' words.
    pub roles: Vec<String>,
    /// The codes of the branches it holds for; `None`: all of them.
    pub branches: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Time,
    /// The first moment at which it no longer holds, if it was given one.
    pub expires_at: Option<Time>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Time>,
}

impl Token {
    /// Whether it holds at this moment.
    pub fn holds(&self, now: Time) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|ends| now < ends)
    }
}

#[derive(sqlx::FromRow)]
struct TokenRow {
    id: Uuid,
    actor: Uuid,
    label: String,
    roles: String,
    branches: Option<String>,
    created_at: Time,
    expires_at: Option<Time>,
    revoked_at: Option<Time>,
}

impl From<TokenRow> for Token {
    fn from(row: TokenRow) -> Self {
        let TokenRow { id, actor, label, roles, branches, created_at, expires_at, revoked_at } = row;
        // What cannot be read allows nothing.
        let roles = serde_json::from_str(&roles).unwrap_or_default();
        let branches = branches.map(|text| serde_json::from_str(&text).unwrap_or_default());
        Self { id, actor, label, roles, branches, created_at, expires_at, revoked_at }
    }
}

/// A token, and what makes it a session if it is one.
#[derive(sqlx::FromRow)]
struct InUseRow {
    #[sqlx(flatten)]
    token: TokenRow,
    ends_at: Option<Time>,
    idle_minutes: Option<i64>,
    language: Option<String>,
}

const INSERT: &str = "INSERT INTO tokens (id, hash, actor, label, roles, branches, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING";
const INSERT_FIRST: &str = "INSERT INTO tokens (id, hash, actor, label, roles, branches, created_at, expires_at)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM tokens) ON CONFLICT (id) DO NOTHING";
const BY_HASH: &str =
    "SELECT id, actor, label, roles, branches, created_at, expires_at, revoked_at, ends_at, idle_minutes, language
    FROM tokens LEFT JOIN sessions ON token = id WHERE hash = $1";
const LIST: &str =
    "SELECT id, actor, label, roles, branches, created_at, expires_at, revoked_at FROM tokens ORDER BY created_at, id";
const REVOKE: &str = "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const KNOWN: &str = "SELECT id FROM tokens WHERE id = $1";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[INSERT, INSERT_FIRST, BY_HASH, LIST, REVOKE, KNOWN];

impl Personal {
    /// Keeps a token by its SHA-256. `false` if there is one by this id already; nothing is changed then.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn add_token(&self, token: &Token, sha256: &[u8; 32]) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        let added = insert_in(&mut tx, token, sha256).await?;
        tx.commit().await?;
        Ok(added)
    }

    /// Keeps a token if there is none at all yet: how a new deployment gets its first administrator. `false` if there was one, also when
    /// several processes try at once.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn add_first_token(&self, token: &Token, sha256: &[u8; 32]) -> Result<bool, DbError> {
        let (hash, roles, branches, created, expires) = parts(token, sha256);
        let mut tx = self.db.begin().await?;
        tx.alone("tokens").await?;
        let added =
            run_in!(&mut tx, INSERT_FIRST, token.id, &hash, token.actor, &token.label, &roles, &branches, created, expires)?;
        if added == 1 {
            run_in!(&mut tx, NAME, token.actor, &token.label)?;
        }
        tx.commit().await?;
        Ok(added == 1)
    }

    /// What the token with this SHA-256 allows, if there is one. Whether it still holds is for [`Token::holds`] to say.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn token(&self, sha256: &[u8; 32]) -> Result<Option<Token>, DbError> {
        Ok(self.token_in_use(sha256).await?.map(|(token, _)| token))
    }

    /// The same, with what makes it a session if it is one.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn token_in_use(&self, sha256: &[u8; 32]) -> Result<Option<(Token, Option<Session>)>, DbError> {
        let row: Option<InUseRow> = one!(&self.db, BY_HASH, sha256.as_slice())?;
        Ok(row.map(|InUseRow { token, ends_at, idle_minutes, language }| {
            let session = ends_at.zip(idle_minutes).map(|(ends_at, minutes)| {
                // One that cannot be read ends at once.
                Session { ends_at, idle_minutes: u32::try_from(minutes).unwrap_or_default(), language }
            });
            (token.into(), session)
        }))
    }

    /// Every token ever made, the oldest first.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn tokens(&self) -> Result<Vec<Token>, DbError> {
        let rows: Vec<TokenRow> = all!(&self.db, LIST)?;
        Ok(rows.into_iter().map(Token::from).collect())
    }

    /// Revokes a token from now on. `false` if there is none by this id; one that was revoked before stays so.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn revoke_token(&self, id: Uuid, now: Time) -> Result<bool, DbError> {
        let mut tx = self.db.begin().await?;
        run_in!(&mut tx, REVOKE, id, to_millis(now))?;
        let known: Option<(Uuid,)> = one_in!(&mut tx, KNOWN, id)?;
        tx.commit().await?;
        Ok(known.is_some())
    }
}

/// Keeps a new token, and what people call whom it stands for, in a transaction of somebody else. `false` if there is one by this id already.
pub(crate) async fn insert_in(tx: &mut Tx, token: &Token, sha256: &[u8; 32]) -> Result<bool, DbError> {
    let (hash, roles, branches, created, expires) = parts(token, sha256);
    let added = run_in!(tx, INSERT, token.id, &hash, token.actor, &token.label, &roles, &branches, created, expires)?;
    if added == 1 {
        run_in!(tx, NAME, token.actor, &token.label)?;
    }
    Ok(added == 1)
}

fn parts(token: &Token, sha256: &[u8; 32]) -> (Vec<u8>, String, Option<String>, Time, Option<Time>) {
    let list = |words: &[String]| serde_json::Value::from(words).to_string();
    (
        sha256.to_vec(),
        list(&token.roles),
        token.branches.as_deref().map(list),
        to_millis(token.created_at),
        token.expires_at.map(to_millis),
    )
}
