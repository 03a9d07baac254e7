//! The network's signing keys: the private one in a file that nobody else may read, the public ones in the tables, each with the time for
//! which it holds. A private key is never printed, logged or stored anywhere but in its file.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tact_database::{Db, DbError, Time, to_millis};
use tact_evidence::checkpoint::{Succession, network_origin};
use tact_evidence::note::PrivateKey;
use tact_evidence::trust::TrustedKey;

use crate::store::{self, KeyRow};

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("the signing key {}: {error}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What went wrong.
        #[source]
        error: std::io::Error,
    },
    /// The file holds something else.
    #[error("the signing key {}: {problem}", file.display())]
    Damaged {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it, without a word of it.
        problem: String,
    },
    /// The file holds another key than the one that the network signs with.
    #[error("the signing key {} is {here}, but the network signs with {current} since {since}: give the process that key, or let `tact keys rotate` make a new one", file.display())]
    Other {
        /// Which file.
        file: PathBuf,
        /// The key in it.
        here: String,
        /// The network's.
        current: String,
        /// Since when.
        since: Time,
    },
    /// The tables of public keys could not do what was asked.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// Makes a new key from 32 random bytes and keeps it in a new file, mode 600. Never overwrites one.
///
/// # Errors
/// [`KeyError::File`], also if there is one already.
pub fn make(file: &Path, network: &str, secret: &[u8; 32]) -> Result<PrivateKey, KeyError> {
    let key = PrivateKey::new(&network_origin(network), secret)
        .map_err(|error| KeyError::Damaged { file: file.to_owned(), problem: error.to_string() })?;
    write(file, &key).map_err(|error| KeyError::File { file: file.to_owned(), error })?;
    Ok(key)
}

/// Whole or not at all, and never over one that is there.
fn write(path: &Path, key: &PrivateKey) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file
        .write_all(format!("{}\n", key.secret_text()).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| std::fs::hard_link(&draft, path));
    std::fs::remove_file(&draft)?;
    written
}

/// Reads a key from its file.
///
/// # Errors
/// [`KeyError`], also if others may read the file.
pub fn read(file: &Path, network: &str) -> Result<PrivateKey, KeyError> {
    let failed = |error| KeyError::File { file: file.to_owned(), error };
    let damaged = |problem: String| KeyError::Damaged { file: file.to_owned(), problem };
    let mode = std::fs::metadata(file).map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(damaged(format!("anybody may read it (mode {:o}); make it private with `chmod 600`", mode & 0o777)));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let key: PrivateKey = text.trim().parse().map_err(|error| damaged(format!("{error}")))?;
    let name = network_origin(network);
    if key.id().name != name {
        return Err(damaged(format!("it is the key of {}, not of {name}", key.id().name)));
    }
    Ok(key)
}

/// The network's public keys, in the order in which they followed one another, each with the note by which it did.
///
/// # Errors
/// Whatever keeps the database from it; a key that cannot be read.
pub async fn list(db: &Db) -> Result<Vec<(TrustedKey, Option<String>)>, DbError> {
    let rows = store::keys(db).await?;
    rows.into_iter()
        .map(|row| {
            let key = row.public_key.parse().map_err(|error: tact_evidence::note::NoteError| {
                DbError::Refused(sqlx::Error::Decode(format!("the public key {}: {error}", row.number).into()))
            })?;
            Ok((TrustedKey { key, from: Some(row.valid_from), until: row.valid_until }, row.succession))
        })
        .collect()
}

/// Sees to it that the key is the one that the network signs with; the first one becomes it.
///
/// # Errors
/// [`KeyError::Other`] if it is not.
pub async fn establish(db: &Db, file: &Path, key: &PrivateKey, now: Time) -> Result<(), KeyError> {
    let public_key = key.public().to_string();
    let mut rows = store::keys(db).await?;
    if rows.is_empty() {
        let mut tx = db.begin().await?;
        let first =
            KeyRow { number: 1, public_key: public_key.clone(), valid_from: to_millis(now), valid_until: None, succession: None };
        store::add_key(&mut tx, &first).await?;
        tx.commit().await?;
        rows = store::keys(db).await?;
    }
    match rows.last() {
        Some(current) if current.public_key == public_key => Ok(()),
        Some(current) => Err(KeyError::Other {
            file: file.to_owned(),
            here: key.id().to_string(),
            current: current.public_key.rsplit_once('+').map_or("", |(id, _)| id).to_owned(),
            since: current.valid_from,
        }),
        None => Ok(()),
    }
}

/// Puts a new key in the place of the one in the file: says so under both keys, keeps what was said, and replaces the file. A crash in
/// between leaves the new key beside the old one, and asking again finishes it.
///
/// # Errors
/// [`KeyError`], if the file does not hold the network's key or cannot be replaced.
pub async fn rotate(db: &Db, file: &Path, network: &str, secret: &[u8; 32], now: Time) -> Result<PrivateKey, KeyError> {
    let next_file = file.with_extension("next");
    let failed = |error| KeyError::File { file: next_file.clone(), error };
    let next = if next_file.exists() { read(&next_file, network)? } else { make(&next_file, network, secret)? };
    let public_key = next.public().to_string();
    let rows = store::keys(db).await?;
    let is_current = rows.last().is_some_and(|row| row.public_key == public_key);
    if !is_current {
        let current = read(file, network)?;
        establish(db, file, &current, now).await?;
        let number = store::keys(db).await?.last().map_or(1, |row| row.number);
        // Later than everything that the old key has signed, whatever the clock says.
        let signed = store::last_checkpoint(db).await?.map(|row| row.made_at + chrono::Duration::milliseconds(1));
        let from = signed.max(Some(to_millis(now))).unwrap_or(now);
        let said = Succession { network: network.to_owned(), next: public_key.clone(), from }.to_string();
        let damaged =
            |error: tact_evidence::note::NoteError| KeyError::Damaged { file: file.to_owned(), problem: error.to_string() };
        let succession = next.sign_too(&current.sign(&said)).map_err(damaged)?;
        let mut tx = db.begin().await?;
        tx.alone("tact keys").await?;
        store::end_key(&mut tx, number, from).await?;
        let row = KeyRow { number: number + 1, public_key, valid_from: from, valid_until: None, succession: Some(succession) };
        if !store::add_key(&mut tx, &row).await? {
            let problem = "somebody else has changed the network's key at the same time; look at `tact keys list`".to_owned();
            return Err(KeyError::Damaged { file: file.to_owned(), problem });
        }
        tx.commit().await?;
    }
    std::fs::rename(&next_file, file).map_err(failed)?;
    Ok(next)
}
