//! Opens what a process stands on: the log, the databases, the network's secrets. Nothing is asked of it before it is whole again: whoever has
//! been erased stays so, and every number has its fingerprint.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use smol_str::SmolStr;
use tact_database::Target;
use tact_event_log::{EventLog, JetStreamConfig, LogError, NatsLogin, SqliteLog, SqliteReadLog, open_jetstream};
use tact_ledger::Ledger;
use tact_personal::Personal;
use tact_personal::number::Numbering;
use tact_read_models::ReadDb;
use tact_service::App;
use tact_service::access::Access;
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::ids::{IdKey, fresh, random};
use tact_service::number::Numbers;
use tact_service::themes::Themes;
use tact_service::transact::Transactor;
use uuid::Uuid;

use crate::exit::Usage;
use crate::settings::{Settings, Storage, read_secret};

/// Opens the log and the databases, waiting for servers no longer than the settings say. Whoever has been erased stays so, also in personal data
/// that was restored from a copy.
///
/// # Errors
/// Whatever could not be opened, with the cause that [`crate::exit::code`] knows.
pub async fn open(settings: &Settings, clock: Clock) -> Result<Arc<App>> {
    opened(settings, clock, false).await
}

/// The same, for whoever moves a network in and opens it as the last step of that.
pub(crate) async fn open_moved(settings: &Settings, clock: Clock) -> Result<Arc<App>> {
    opened(settings, clock, true).await
}

async fn opened(settings: &Settings, clock: Clock, moves: bool) -> Result<Arc<App>> {
    let (log, target) = storage(settings).await?;
    if !moves && target.is_moving(settings.wait).await.context("the databases cannot be opened")? {
        return Err(LogError::Misfit(
            "a network is being moved in here and is not whole: run the same `tact backup restore` or `tact cluster import` again to finish \
             it, or throw away the NATS stream and the database's schemas"
                .to_owned(),
        )
        .into());
    }
    let key = id_key(settings)?;
    let personal = Personal::open(&target, settings.wait).await.context("the personal data store cannot be opened")?;
    let personal = personal.numbered(numbering(&settings.default_region, &key)?);
    let read = ReadDb::open(&target, settings.wait).await.context("the read models cannot be opened")?;
    let ledger = Ledger::open(&target, &settings.network, settings.wait).await.context("the ledger cannot be opened")?;
    let network = SmolStr::from(&settings.network);
    let control = Control::new(log.clone(), &network, clock.clone());
    control.refresh().await.context("the policies cannot be read")?;
    let numbers = Numbers::new(log.clone(), &network, clock.clone(), key.clone(), Arc::new(personal.clone()));
    let app = App {
        numbers,
        transactor: Transactor::new(log, &network, clock.clone(), settings.cached_patients),
        network,
        clock,
        keys: key,
        control,
        access: Access::new(personal.clone()),
        personal,
        read,
        ledger,
        signing_key_file: signing_key_file(settings),
        operator: settings.operator.clone(),
        themes: Arc::new(Themes::read(settings.themes_file.as_deref()).map_err(Usage)?),
        strangers_kept_days: settings.strangers_kept_days,
    };
    // Before anybody looks into it: the personal data may have been restored from a copy.
    let erased = app.repeat_erasures().await.context("the erasures in the log cannot be repeated")?;
    if erased > 0 {
        tracing::warn!(
            patients = erased,
            "the personal data was older than the log: whoever has been erased since is erased again"
        );
    }
    // Before any permit is asked for: whose number has no fingerprint would be rung as if nobody shared it.
    let numbered = app.personal.number_everybody().await.context("telephone numbers cannot be given their fingerprints")?;
    if numbered > 0 {
        tracing::info!(people = numbered, "telephone numbers were given their fingerprints");
    }
    // People from before there were keys; whoever is left is found by the next start.
    match app.personal.make_likeness_keys().await {
        Ok(0) => {}
        Ok(people) => tracing::info!(people, "duplicates among those who were registered before can be found"),
        Err(error) => tracing::warn!(%error, "not all duplicates can be found until the next start"),
    }
    Ok(Arc::new(app))
}

/// How numbers are read, and their fingerprints.
fn numbering(region: &str, key: &IdKey) -> Result<Numbering> {
    let key = key.clone();
    Numbering::new(region, move |form| key.number(form)).map_err(|unknown| Usage(format!("`default_region`: {unknown}")).into())
}

/// Opens the log alone, for commands that need nothing else.
///
/// # Errors
/// If there is no network, or another process has its embedded log open.
pub async fn open_log(settings: &Settings) -> Result<Arc<dyn EventLog>> {
    must_exist(settings)?;
    Ok(storage(settings).await?.0)
}

async fn storage(settings: &Settings) -> Result<(Arc<dyn EventLog>, Target)> {
    match &settings.storage {
        Storage::Embedded => {
            // Names and numbers will lie in it: it is nobody else's to read.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&settings.data)
                .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
            let log =
                SqliteLog::open(&settings.data.join("events.db"), &settings.network).context("the event log cannot be opened")?;
            Ok((Arc::new(log), Target::sqlite(&settings.data)))
        }
        Storage::Servers { nats, login, replicas, database } => {
            let log = open_jetstream(jetstream(settings, nats, login.as_ref(), *replicas)?);
            Ok((Arc::new(log.await.context("the event log cannot be opened")?), target(&database.0)?))
        }
    }
}

pub(crate) fn jetstream(
    settings: &Settings,
    servers: &[String],
    login: Option<&(String, PathBuf)>,
    replicas: usize,
) -> Result<JetStreamConfig> {
    let mut config = JetStreamConfig::new(&settings.network, servers.iter().cloned());
    config.replicas = replicas;
    config.connect_wait = settings.wait;
    if let Some((user, file)) = login {
        config.login = NatsLogin::Password { user: user.clone(), password: read_secret(file)? };
    }
    Ok(config)
}

/// Opens the log of a network that is there, for commands that only read it: an embedded one also while a server writes it.
///
/// # Errors
/// There is no such log, or it cannot be opened.
pub async fn open_to_read(settings: &Settings) -> Result<Arc<dyn EventLog>> {
    let log: Arc<dyn EventLog> = match &settings.storage {
        Storage::Embedded => {
            let log = SqliteReadLog::open(&settings.data.join("events.db"), &settings.network);
            Arc::new(log.context("the event log cannot be opened")?)
        }
        Storage::Servers { nats, login, replicas, .. } => {
            let config = JetStreamConfig { create: false, ..jetstream(settings, nats, login.as_ref(), *replicas)? };
            Arc::new(open_jetstream(config).await.context("the event log cannot be opened")?)
        }
    };
    Ok(log)
}

fn target(url: &str) -> Result<Target> {
    url.parse().context("`database_url` is not the address of a PostgreSQL database")
}

/// The databases that settings name, for commands which need no log.
///
/// # Errors
/// An address that is none.
pub fn databases(settings: &Settings) -> Result<Target> {
    match &settings.storage {
        Storage::Embedded => Ok(Target::sqlite(&settings.data)),
        Storage::Servers { database, .. } => target(&database.0),
    }
}

/// Sees to it that settings which name a data folder name one with a network in it, for commands that make none.
///
/// # Errors
/// If there is none: most likely another folder is meant.
pub fn must_exist(settings: &Settings) -> Result<()> {
    if matches!(settings.storage, Storage::Embedded) && !settings.data.join("events.db").exists() {
        bail!(
            "there is no network in {}: name its folder with `--data`, or start one there with `tact serve`",
            settings.data.display()
        );
    }
    Ok(())
}

/// The network's secret for ids. The embedded mode makes one at its first start; services that share a network must share it.
///
/// # Errors
/// A file that is not there or holds no secret.
pub fn id_key(settings: &Settings) -> Result<IdKey> {
    let file = match (&settings.id_key_file, &settings.storage) {
        (Some(file), _) => file.clone(),
        (None, Storage::Embedded) => {
            let file = settings.data.join("id.key");
            if !file.exists() {
                write_private(&file, &hex::encode(random::<32>()))?;
            }
            file
        }
        (None, Storage::Servers { .. }) => {
            return Err(Usage(
                "`id_key_file` must name a file with the network's secret for ids, the same for every service: make one with \
                 `openssl rand -hex 32`"
                    .to_owned(),
            )
            .into());
        }
    };
    let text = read_secret(&file)?;
    let mut key = [0u8; 32];
    hex::decode_to_slice(&text, &mut key)
        .map_err(|_| anyhow::anyhow!("{} does not hold 64 hexadecimal digits", file.display()))?;
    Ok(IdKey::new(&key))
}

/// The file with the key that signs; the embedded mode has one in its folder.
pub fn signing_key_file(settings: &Settings) -> Option<PathBuf> {
    match (&settings.signing_key_file, &settings.storage) {
        (Some(file), _) => Some(file.clone()),
        (None, Storage::Embedded) => Some(settings.data.join("signing.key")),
        (None, Storage::Servers { .. }) => None,
    }
}

pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all().with_context(|| format!("{} cannot be written", path.display()))
}

/// The id of a token's actor, given or new.
pub fn actor(given: Option<Uuid>, clock: &Clock) -> Uuid {
    given.unwrap_or_else(|| fresh(clock.now()))
}
