//! What a network stands on, looked at by whoever copies it: the log, the tables that follow from nothing else, the secrets.
//!
//! It must never change anything of it: tables of an older version are refused, not upgraded.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tact_database::copy::Kept;
use tact_database::{Db, DbError, Target};
use tact_event_log::{EventLog, LogError};
use tact_service::ids::IdKey;

use crate::exit::Usage;
use crate::roles::{databases, id_key, must_exist, open_to_read, signing_key_file};
use crate::settings::{Settings, Storage};

/// The tables that are carried. The read models are not among them: they are built from the log.
pub(super) static KEPT: [&Kept; 4] =
    [&tact_personal::layout::KEPT, &tact_ledger::layout::KEPT, &tact_dispatcher::layout::KEPT, &tact_patient::reactor::KEPT];

/// How long the database may take to notice that a server has ended.
const GONE: Duration = Duration::from_secs(5);

/// A network to copy from.
#[derive(Debug)]
pub(super) struct House {
    pub(super) network: String,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) tables: Vec<(&'static Kept, Db)>,
    pub(super) id_key: IdKey,
    /// The files of its secrets, by the names that they have in an archive; those that are there.
    pub(super) secrets: Vec<(&'static str, PathBuf)>,
    pub(super) wait: Duration,
}

impl House {
    /// The network of the settings, also while it runs.
    pub(super) async fn look_into(settings: &Settings) -> Result<Self> {
        must_exist(settings)?;
        let log = open_to_read(settings).await?;
        Self::with_log(settings, log).await
    }

    /// The same, with a log that is open already.
    pub(super) async fn with_log(settings: &Settings, log: Arc<dyn EventLog>) -> Result<Self> {
        let target = databases(settings)?.for_moving();
        let mut tables = Vec::new();
        for kept in KEPT {
            let component = kept.component;
            let found =
                target.find(component, settings.wait).await.with_context(|| format!("the tables of `{}`", component.name))?;
            let Some((db, version)) = found else { continue };
            let (known, component) = (component.version(), component.name);
            if version < known {
                return Err(DbError::Older { component, found: version, known }.into());
            }
            if version > known {
                return Err(DbError::Newer { component, found: version, known }.into());
            }
            tables.push((kept, db));
        }
        let id_file = match (&settings.id_key_file, &settings.storage) {
            (Some(file), _) => Some(file.clone()),
            (None, Storage::Embedded) => Some(settings.data.join("id.key")),
            (None, Storage::Servers { .. }) => None,
        };
        // Looked for before it is asked for: the embedded mode would make one.
        if let Some(file) = id_file.as_deref().filter(|file| !file.exists()) {
            return Err(Usage(format!(
                "the network's secret for ids is not in {}: name its file with `--id-key-file`",
                file.display()
            ))
            .into());
        }
        let secrets = [("id.key", id_file), ("signing.key", signing_key_file(settings))];
        let secrets = secrets.into_iter().filter_map(|(name, file)| Some((name, file.filter(|file| file.exists())?))).collect();
        Ok(Self { network: settings.network.clone(), log, tables, id_key: id_key(settings)?, secrets, wait: settings.wait })
    }

    /// Lets go of the databases.
    pub(super) async fn close(&self) {
        for (_, db) in &self.tables {
            db.close().await;
        }
    }
}

/// By what the secret for ids is known again, by whoever has it; nobody else learns anything from it.
pub(super) fn known_by(key: &IdKey) -> String {
    key.derive(&[b"known by its archive"]).to_string()
}

/// Sees to it that no role of Tact is at work on the database of the settings.
pub(super) async fn nobody_else(settings: &Settings) -> Result<()> {
    let target: Target = databases(settings)?.for_moving();
    // A database that is not there yet is waited for here.
    target.is_moving(settings.wait).await.context("the database cannot be opened")?;
    let deadline = tokio::time::Instant::now() + GONE;
    let mut again = tokio::time::interval(Duration::from_millis(100));
    loop {
        again.tick().await;
        let others = target.others().await.context("the database cannot be asked who is at work on it")?;
        if others == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(LogError::InUse(format!(
                "{others} connections of running servers are open to {target}; stop every role first, and run this again"
            ))
            .into());
        }
    }
}
