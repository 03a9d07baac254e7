//! The settings: defaults, then a file, then the environment, then flags; each later one wins. An unknown key in the file is an error that names
//! the nearest one. Secrets come from files and are never shown.

mod names;
mod sign_in;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use tact_domain::Time;
use tact_event_log::FeedLimits;
use tact_service::app::Operator;

pub use names::{KEYS, VARIABLES};
pub use sign_in::{GivenSignIn, Oidc, SignIn};

/// What can be set. Absent: the next source's, in the end the default.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct Given {
    /// A settings file in TOML with the same names, `_` for `-`.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// The network's code: the first token of every subject.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_NETWORK")]
    pub network: Option<String>,
    /// Where the event log is.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_LOG", value_enum)]
    pub log: Option<Log>,
    /// The folder of the embedded log and databases, and of the key for ids.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_DATA", value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// The NATS servers, comma-separated: `nats://10.0.0.1:4222`.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_NATS_URL", value_name = "URLS")]
    pub nats_url: Option<String>,
    /// The NATS user.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_NATS_USER")]
    pub nats_user: Option<String>,
    /// A file with the NATS user's password.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_NATS_PASSWORD_FILE",
        value_name = "FILE"
    )]
    pub nats_password_file: Option<PathBuf>,
    /// Copies of each event on JetStream: 1, 3 or 5.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_REPLICAS")]
    pub replicas: Option<usize>,
    /// The PostgreSQL database: `postgres://user@host/database`.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_DATABASE_URL", value_name = "URL")]
    pub database_url: Option<String>,
    /// A file with the PostgreSQL database's address, password included.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_DATABASE_URL_FILE",
        value_name = "FILE"
    )]
    pub database_url_file: Option<PathBuf>,
    /// A file with the network's secret for ids, 64 hexadecimal digits; the same for every service of a network.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_ID_KEY_FILE", value_name = "FILE")]
    pub id_key_file: Option<PathBuf>,
    /// A file with the key by which the network signs; `tact keys make` makes one. Only the notary needs it.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_SIGNING_KEY_FILE",
        value_name = "FILE"
    )]
    pub signing_key_file: Option<PathBuf>,
    /// A file to which the notary adds a checkpoint every hour, for somebody else to keep.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_CHECKPOINT_FILE",
        value_name = "FILE"
    )]
    pub checkpoint_file: Option<PathBuf>,
    /// The NATS user who fills the feed's stream, where it is another than the log's: on an account of its own.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_FEED_NATS_USER",
        value_name = "USER"
    )]
    pub feed_nats_user: Option<String>,
    /// A file with that user's password.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_FEED_NATS_PASSWORD_FILE",
        value_name = "FILE"
    )]
    pub feed_nats_password_file: Option<PathBuf>,
    /// The most bytes that the feed's stream keeps, the oldest going first; everything if absent. For a new stream.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_FEED_MAX_BYTES",
        value_name = "BYTES"
    )]
    pub feed_max_bytes: Option<u64>,
    /// For how many days the feed's stream keeps an event; for ever if absent. For a new stream.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_FEED_MAX_DAYS",
        value_name = "DAYS"
    )]
    pub feed_max_days: Option<u32>,
    /// The dispatch file: gateways, templates, and what goes out by itself. Only the dispatcher needs it.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_DISPATCH_FILE",
        value_name = "FILE"
    )]
    pub dispatch_file: Option<PathBuf>,
    /// Where to listen.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// How many patients a service keeps in memory.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_CACHED_PATIENTS")]
    pub cached_patients: Option<usize>,
    /// The country by whose ways telephone numbers are read that lack a country's code, two letters.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_DEFAULT_REGION",
        value_name = "COUNTRY"
    )]
    pub default_region: Option<String>,
    /// How long to wait for NATS and PostgreSQL at the start, in seconds.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_WAIT", value_name = "SECONDS")]
    pub wait: Option<u64>,
    /// The name of the organisation whose network it is, for papers.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_OPERATOR_NAME",
        value_name = "NAME"
    )]
    pub operator_name: Option<String>,
    /// Its address, for papers.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_OPERATOR_ADDRESS",
        value_name = "ADDRESS"
    )]
    pub operator_address: Option<String>,
    /// The name of the information system that holds the personal data, for papers.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_OPERATOR_SYSTEM",
        value_name = "NAME"
    )]
    pub operator_system: Option<String>,
    /// The mappings of the systems that send FHIR over HTTP: files, comma-separated.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_FHIR_MAPPINGS",
        value_name = "FILES"
    )]
    pub fhir_mappings: Option<String>,
    /// A list of themes of feedback in place of the one that ships.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_THEMES_FILE", value_name = "FILE")]
    pub themes_file: Option<PathBuf>,
    /// For how many days somebody is kept who is known only through care referrals.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_STRANGERS_KEPT_DAYS",
        value_name = "DAYS"
    )]
    pub strangers_kept_days: Option<u16>,
    /// The addresses of the services that the console is a client of, comma-separated; absent: this process.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_CONSOLE_API_URL",
        value_name = "URLS"
    )]
    pub console_api_url: Option<String>,
    /// How people sign in.
    #[command(flatten)]
    #[serde(flatten)]
    pub sign_in: GivenSignIn,
    /// Set the clock, for demonstrations and tests only: every answer says so. RFC 3339.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_NOW", value_name = "TIME", value_parser = time)]
    #[serde(skip)]
    pub now: Option<Time>,
}

/// Where the event log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Log {
    /// In this process, in the data folder.
    #[default]
    Embedded,
    /// On NATS JetStream, with the databases on PostgreSQL.
    Jetstream,
}

/// The settings as they are in force.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The network's code.
    pub network: String,
    /// The folder of what is embedded.
    pub data: PathBuf,
    /// Where everything is kept.
    pub storage: Storage,
    /// The file with the network's secret for ids; the embedded mode makes its own.
    pub id_key_file: Option<PathBuf>,
    /// The file with the key by which the network signs; the embedded mode makes its own.
    pub signing_key_file: Option<PathBuf>,
    /// A file to which a checkpoint is added every hour.
    pub checkpoint_file: Option<PathBuf>,
    /// The feed for analysts.
    pub feed: Feed,
    /// The dispatch file: gateways, templates, and what goes out by itself.
    pub dispatch_file: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// How many patients a service keeps in memory, about 2 KB each.
    pub cached_patients: usize,
    /// The country by whose ways telephone numbers are read that lack a country's code.
    pub default_region: String,
    /// How long to wait for servers at the start.
    pub wait: std::time::Duration,
    /// Whose network it is, for papers.
    pub operator: Operator,
    /// The mappings of the systems that send FHIR over HTTP.
    pub fhir_mappings: Vec<PathBuf>,
    /// The list of themes of feedback, if it is the network's own.
    pub themes_file: Option<PathBuf>,
    /// For how many days somebody is kept who is known only through care referrals.
    pub strangers_kept_days: u16,
    /// The services that the console is a client of; empty: this process.
    pub console_api_url: Vec<String>,
    /// How people sign in.
    pub sign_in: SignIn,
    /// What the clock is set to, for demonstrations and tests.
    pub now: Option<Time>,
}

impl Settings {
    /// A network with everything else as it is where nobody sets it.
    pub fn new(network: impl Into<String>, data: impl Into<PathBuf>, storage: Storage) -> Self {
        Self {
            network: network.into(),
            data: data.into(),
            storage,
            id_key_file: None,
            signing_key_file: None,
            checkpoint_file: None,
            feed: Feed::default(),
            dispatch_file: None,
            listen: ([127, 0, 0, 1], 8080).into(),
            cached_patients: 50_000,
            default_region: "RU".to_owned(),
            wait: std::time::Duration::from_secs(30),
            operator: Operator::default(),
            fhir_mappings: Vec::new(),
            themes_file: None,
            strangers_kept_days: 30,
            console_api_url: Vec::new(),
            sign_in: SignIn::default(),
            now: None,
        }
    }
}

/// Where the feed for analysts goes on NATS, and how much of it is kept there.
#[derive(Debug, Clone, Default)]
pub struct Feed {
    /// The NATS user who fills its stream, with the file that holds the password; absent: the log's.
    pub login: Option<(String, PathBuf)>,
    /// How much is kept.
    pub limits: FeedLimits,
}

/// Where everything is kept.
#[derive(Debug, Clone)]
pub enum Storage {
    /// In the data folder.
    Embedded,
    /// On servers.
    Servers {
        /// The NATS servers' addresses.
        nats: Vec<String>,
        /// The NATS user, with the file that holds the password.
        login: Option<(String, PathBuf)>,
        /// Copies of each event.
        replicas: usize,
        /// The PostgreSQL database's address.
        database: Secret,
    },
}

/// A text that is never shown.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Files in a list that commas part.
fn paths(list: &str) -> Vec<PathBuf> {
    listed(list).map(PathBuf::from).collect()
}

/// What a list says that commas part.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

impl Given {
    /// The settings in force.
    ///
    /// # Errors
    /// A file that cannot be read, an unknown key, or settings that do not go together.
    pub fn settle(&self) -> Result<Settings> {
        self.known_variables()?;
        let file = match &self.config {
            Some(path) => Self::file(path)?,
            None => Self::default(),
        };
        macro_rules! first {
            ($name:ident) => {
                self.$name.clone().or(file.$name.clone())
            };
        }
        let log = first!(log).unwrap_or_default();
        let data = first!(data).unwrap_or_else(|| PathBuf::from("tact-data"));
        let storage = match log {
            Log::Embedded => {
                for (name, given) in [("nats_url", first!(nats_url)), ("database_url", first!(database_url))] {
                    if given.is_some() {
                        bail!("`{name}` is set, but the log is embedded: set `log` to `jetstream`, or leave `{name}` out");
                    }
                }
                Storage::Embedded
            }
            Log::Jetstream => {
                let nats = first!(nats_url).context("`log` is `jetstream`, so `nats_url` must say where the NATS servers are")?;
                // Either of the two in a later place stands before both in an earlier one.
                let database = match self.database()? {
                    Some(url) => url,
                    None => file
                        .database()?
                        .context("`log` is `jetstream`, so `database_url` or `database_url_file` must say where PostgreSQL is")?,
                };
                let login = match (first!(nats_user), first!(nats_password_file)) {
                    (Some(user), Some(path)) => Some((user, path)),
                    (None, None) => None,
                    _ => bail!("`nats_user` and `nats_password_file` go together: set both or neither"),
                };
                let nats = listed(&nats).map(str::to_owned).collect();
                let replicas = first!(replicas).unwrap_or(3);
                if !matches!(replicas, 1 | 3 | 5) {
                    bail!("`replicas`: {replicas} copies cannot outvote one another; write 1, 3 or 5");
                }
                Storage::Servers { nats, login, replicas, database: Secret(database) }
            }
        };
        let network = first!(network).unwrap_or_else(|| "tact".to_owned());
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
        if !(1..=32).contains(&network.len()) || !network.bytes().all(plain) {
            bail!(
                "`network`: `{network}` is not the code of a network; write 1 to 32 letters of a-z and A-Z, digits, `_` and `-`"
            );
        }
        let feed = Feed {
            login: match (first!(feed_nats_user), first!(feed_nats_password_file)) {
                (Some(user), Some(path)) => Some((user, path)),
                (None, None) => None,
                _ => bail!("`feed_nats_user` and `feed_nats_password_file` go together: set both or neither"),
            },
            limits: FeedLimits {
                max_bytes: first!(feed_max_bytes),
                max_age: first!(feed_max_days).map(|days| std::time::Duration::from_secs(u64::from(days) * 86_400)),
            },
        };
        if feed.limits.max_bytes == Some(0) || feed.limits.max_age.is_some_and(|age| age.is_zero()) {
            bail!("`feed_max_bytes` and `feed_max_days`: 0 would keep nothing; leave them out to keep everything");
        }
        if matches!(storage, Storage::Embedded) && (feed.login.is_some() || feed.limits != FeedLimits::default()) {
            bail!("`feed_...` is for the feed's stream on NATS, but the log is embedded: leave it out");
        }
        let usual = Settings::new(network, data, storage);
        Ok(Settings {
            id_key_file: first!(id_key_file),
            signing_key_file: first!(signing_key_file),
            checkpoint_file: first!(checkpoint_file),
            feed,
            dispatch_file: first!(dispatch_file),
            listen: first!(listen).unwrap_or(usual.listen),
            cached_patients: first!(cached_patients).unwrap_or(usual.cached_patients),
            default_region: first!(default_region).unwrap_or_else(|| usual.default_region.clone()),
            wait: first!(wait).map_or(usual.wait, std::time::Duration::from_secs),
            operator: Operator {
                name: line("operator_name", first!(operator_name))?,
                address: line("operator_address", first!(operator_address))?,
                system: line("operator_system", first!(operator_system))?,
            },
            fhir_mappings: first!(fhir_mappings).map(|files| paths(&files)).unwrap_or_default(),
            themes_file: first!(themes_file),
            strangers_kept_days: first!(strangers_kept_days).unwrap_or(usual.strangers_kept_days),
            console_api_url: first!(console_api_url).map(|urls| listed(&urls).map(str::to_owned).collect()).unwrap_or_default(),
            sign_in: self.sign_in.settle(&file.sign_in)?,
            now: self.now,
            ..usual
        })
    }

    /// The database's address, as one place gives it.
    fn database(&self) -> Result<Option<String>> {
        match (&self.database_url, &self.database_url_file) {
            (Some(url), _) => Ok(Some(url.clone())),
            (None, Some(path)) => read_secret(path).map(Some),
            (None, None) => Ok(None),
        }
    }

    fn file(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("the settings file {} cannot be read", path.display()))?;
        let table: toml::Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
        for key in table.keys() {
            if !KEYS.contains(&key.as_str()) {
                let near = tact_domain::nearest_word(key, KEYS.iter().copied());
                let hint =
                    near.map_or_else(|| format!("; known are {}", KEYS.join(", ")), |near| format!("; did you mean `{near}`?"));
                bail!("{}: `{key}` is not a setting{hint}", path.display());
            }
        }
        toml::from_str(&text).with_context(|| format!("{} does not fit", path.display()))
    }

    fn known_variables(&self) -> Result<()> {
        for (name, _) in std::env::vars_os() {
            let Some(name) = name.to_str().filter(|name| name.starts_with("TACT_")) else { continue };
            if !VARIABLES.contains(&name) && !name.starts_with("TACT_TEST_") && name != "TACT_TOOLS" {
                let near = tact_domain::nearest_word(name, VARIABLES.iter().copied());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                bail!("the environment variable {name} is not a setting of Tact{hint}");
            }
        }
        Ok(())
    }
}

/// The longest line of a paper that a setting may fill, in characters.
const LONGEST_LINE: usize = 500;

/// A text of one line; an empty one is none.
fn line(name: &str, text: Option<String>) -> Result<Option<String>> {
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(text) = &text
        && (text.chars().count() > LONGEST_LINE || text.chars().any(char::is_control))
    {
        bail!("`{name}`: write it on one line, with at most {LONGEST_LINE} characters and no control characters");
    }
    Ok(text)
}

/// A moment on a command line.
///
/// # Errors
/// How to write one.
pub fn time(text: &str) -> Result<Time, String> {
    text.parse().map_err(|_| "write a time with an offset: 2026-03-15T10:00:00+03:00 or 2026-03-15T07:00:00Z".to_owned())
}

/// The one line of a secret's file.
///
/// # Errors
/// A file that cannot be read or is empty.
pub fn read_secret(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("the secret's file {} cannot be read", path.display()))?;
    let text = text.trim().to_owned();
    if text.is_empty() {
        bail!("the secret's file {} is empty", path.display());
    }
    Ok(text)
}

impl Settings {
    /// The settings as a settings file would say them, without secrets.
    pub fn shown(&self) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| quoted(&path.display().to_string());
        let mut lines = vec![format!("network = {}", quoted(&self.network))];
        match &self.storage {
            Storage::Embedded => {
                lines.push("log = \"embedded\"".to_owned());
                lines.push(format!("data = {}", path(&self.data)));
            }
            Storage::Servers { nats, login, replicas, .. } => {
                lines.push("log = \"jetstream\"".to_owned());
                lines.push(format!("nats_url = {}", quoted(&nats.join(","))));
                if let Some((user, file)) = login {
                    lines.push(format!("nats_user = {}\nnats_password_file = {}", quoted(user), path(file)));
                }
                lines.push(format!("replicas = {replicas}\n# The database's address is set, and not shown."));
            }
        }
        lines.extend(self.id_key_file.as_deref().map(|file| format!("id_key_file = {}", path(file))));
        lines.extend(self.signing_key_file.as_deref().map(|file| format!("signing_key_file = {}", path(file))));
        lines.extend(self.checkpoint_file.as_deref().map(|file| format!("checkpoint_file = {}", path(file))));
        if let Some((user, file)) = &self.feed.login {
            lines.push(format!("feed_nats_user = {}\nfeed_nats_password_file = {}", quoted(user), path(file)));
        }
        lines.extend(self.feed.limits.max_bytes.map(|bytes| format!("feed_max_bytes = {bytes}")));
        lines.extend(self.feed.limits.max_age.map(|age| format!("feed_max_days = {}", age.as_secs() / 86_400)));
        lines.extend(self.dispatch_file.as_deref().map(|file| format!("dispatch_file = {}", path(file))));
        lines.push(format!("listen = {}", quoted(&self.listen.to_string())));
        lines.push(format!("cached_patients = {}\nwait = {}", self.cached_patients, self.wait.as_secs()));
        lines.push(format!("default_region = {}", quoted(&self.default_region)));
        let Operator { name, address, system } = &self.operator;
        for (key, value) in [("operator_name", name), ("operator_address", address), ("operator_system", system)] {
            lines.extend(value.as_deref().map(|value| format!("{key} = {}", quoted(value))));
        }
        if !self.fhir_mappings.is_empty() {
            let files: Vec<String> = self.fhir_mappings.iter().map(|file| file.display().to_string()).collect();
            lines.push(format!("fhir_mappings = {}", quoted(&files.join(","))));
        }
        lines.extend(self.themes_file.as_deref().map(|file| format!("themes_file = {}", path(file))));
        lines.push(format!("strangers_kept_days = {}", self.strangers_kept_days));
        if !self.console_api_url.is_empty() {
            lines.push(format!("console_api_url = {}", quoted(&self.console_api_url.join(","))));
        }
        lines.extend(self.sign_in.shown(quoted));
        lines.extend(self.now.map(|now| format!("# The clock is set to {}.", now.to_rfc3339())));
        lines.join("\n")
    }
}
