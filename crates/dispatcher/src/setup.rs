//! What a network sets for calls and messages out: one TOML file, the dispatch file, with what is secret in files of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use smol_str::SmolStr;
use tact_domain::toml_text::{Mistake, Reader, Table, Value};
use tact_domain::{Branch, Channel, Purpose};

use crate::gateway::{BadUrl, Gateway};
use crate::signing::{BadSecret, Secrets};
use crate::templates::words::Words;
use crate::templates::{DEFAULT, MACHINE, Templates};

/// How long one request to a gateway may take, if nothing else is set.
const TIMEOUT: u32 = 30;
/// The longest that it may be set to, in seconds: well within the time for which a dispatcher claims what it works on.
pub const LONGEST_TIMEOUT: u32 = 60;

/// What is set.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Where gateways tell what became of messages.
    pub callback_url: String,
    /// The gateways; no channel is served by two.
    pub gateways: Vec<Arc<Gateway>>,
    /// What is said.
    pub templates: Arc<Templates>,
    /// What must not be said.
    pub words: Arc<Words>,
    /// The most parts of a text message.
    pub sms_parts: usize,
    /// The branches' telephone numbers, as patients are told them.
    pub branch_phones: BTreeMap<Branch, String>,
    /// The purposes for which permits are asked for when they are due, without a program asking.
    pub automatic: Vec<Purpose>,
    /// For how long a gateway is asked what became of a message before a person is to say it.
    pub review_after: chrono::Duration,
}

/// Why a dispatch file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// A file does not say what it must.
    #[error("{}", list(path, mistakes))]
    Text {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        mistakes: Vec<Mistake>,
    },
}

fn list(path: &Path, mistakes: &[Mistake]) -> String {
    mistakes.iter().map(|mistake| format!("{}: {mistake}", path.display())).collect::<Vec<_>>().join("\n")
}

fn open(path: &Path) -> Result<String, SetupError> {
    let bytes = std::fs::read(path).map_err(|error| SetupError::File { path: path.to_owned(), error })?;
    let text = tact_domain::toml_text::utf8(&bytes);
    let text = text.map_err(|mistake| SetupError::Text { path: path.to_owned(), mistakes: vec![mistake] })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
}

/// Reads a file of templates.
///
/// # Errors
/// [`SetupError`]
pub fn read_templates(path: &Path) -> Result<Templates, SetupError> {
    Templates::read(&open(path)?).map_err(|mistakes| SetupError::Text { path: path.to_owned(), mistakes })
}

/// The lists of words that ship, with those of a network's own file.
///
/// # Errors
/// [`SetupError`]
pub fn read_words(path: Option<&Path>) -> Result<Words, SetupError> {
    let Some(path) = path else { return Ok(Words::shipped()) };
    Words::shipped().and(&open(path)?).map_err(|mistakes| SetupError::Text { path: path.to_owned(), mistakes })
}

const KEYS: &[&str] =
    &["callback_url", "templates", "words", "sms_parts", "branch_phones", "automatic", "review_after_hours", "gateway"];
const GATEWAY_KEYS: &[&str] = &["url", "channels", "secrets_file", "concurrency", "timeout_seconds", "allow_http"];

impl Setup {
    /// Reads a dispatch file. What it names is looked for from its own folder.
    ///
    /// # Errors
    /// [`SetupError`]: every mistake with its place.
    pub fn read(path: &Path) -> Result<Self, SetupError> {
        let text = open(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let (mut reader, document) = Reader::new(&text);
        let table = reader.document(&document, KEYS);
        let callback_url = table.required(&mut reader, "callback_url").and_then(|value| url(&mut reader, value, "callback_url"));
        let sms_parts = table.get("sms_parts").map_or(Some(3), |value| reader.number(value, "sms_parts", 1..=10)).unwrap_or(3);
        let hours = table.get("review_after_hours").map_or(Some(72), |value| reader.number(value, "review_after_hours", 1..=720));
        let automatic = table.get("automatic").map_or(Some(Vec::new()), |value| purposes(&mut reader, value)).unwrap_or_default();
        let branch_phones = table.get("branch_phones").map(|value| phones(&mut reader, value)).unwrap_or_default();
        let templates = table.get("templates").and_then(|value| reader.string(value, "templates")).map(|name| folder.join(name));
        let words = table.get("words").and_then(|value| reader.string(value, "words")).map(|name| folder.join(name));
        let gateways = gateways(&mut reader, table, folder)?;
        if !reader.is_clean() {
            return Err(SetupError::Text { path: path.to_owned(), mistakes: reader.into_mistakes() });
        }
        let templates = match templates {
            Some(path) => read_templates(&path)?,
            None => Templates::read(DEFAULT)
                .map_err(|mistakes| SetupError::Text { path: "templates/default.toml".into(), mistakes })?,
        };
        Ok(Self {
            callback_url: callback_url.unwrap_or_default(),
            gateways,
            templates: Arc::new(templates),
            words: Arc::new(read_words(words.as_deref())?),
            sms_parts: usize::try_from(sms_parts).unwrap_or(3),
            branch_phones,
            automatic,
            review_after: chrono::Duration::hours(i64::from(hours.unwrap_or(72))),
        })
    }

    /// The gateway that serves a channel.
    pub fn gateway(&self, channel: Channel) -> Option<&Arc<Gateway>> {
        self.gateways.iter().find(|gateway| gateway.channels.contains(&channel))
    }
}

fn gateways<'t>(reader: &mut Reader<'t>, table: Table<'_, 't>, folder: &Path) -> Result<Vec<Arc<Gateway>>, SetupError> {
    let mut gateways: Vec<Arc<Gateway>> = Vec::new();
    let Some(value) = table.get("gateway") else {
        reader.mistake(table.at, "`gateway` is missing; write a table such as `[gateway.sms]`");
        return Ok(gateways);
    };
    let Some(all) = reader.any_table(value, "gateway") else { return Ok(gateways) };
    for (name, at, value) in all.iter() {
        let Some(one) = reader.table(value, name, GATEWAY_KEYS) else { continue };
        let one = one.named_at(at);
        let url = one.required(reader, "url").and_then(|value| reader.string(value, "url"));
        let channels: Vec<Channel> =
            one.required(reader, "channels").and_then(|value| reader.words(value, "channels")).unwrap_or_default();
        let file = one.required(reader, "secrets_file").and_then(|value| reader.string(value, "secrets_file"));
        let concurrency = one.get("concurrency").map_or(Some(64), |value| reader.number(value, "concurrency", 1..=1024));
        let longest = 1..=LONGEST_TIMEOUT;
        let timeout = one.get("timeout_seconds").map_or(Some(TIMEOUT), |value| reader.number(value, "timeout_seconds", longest));
        let clear = one.get("allow_http").is_some_and(|value| reader.boolean(value, "allow_http") == Some(true));
        for channel in &channels {
            if !MACHINE.contains(channel) {
                let known = MACHINE.map(Channel::as_str).join(", ");
                reader.mistake(one.key_at("channels"), format!("`{channel}` is made by people; gateways serve {known}"));
            }
            if let Some(other) = gateways.iter().find(|other| other.channels.contains(channel)) {
                let problem = format!("`{channel}` is served by gateway `{}` already", other.name);
                reader.mistake(one.key_at("channels"), problem);
            }
        }
        let secrets = match file.map(|file| folder.join(file)) {
            Some(file) => match Secrets::read(&open(&file)?) {
                Ok(secrets) => Some(secrets),
                Err(error @ (BadSecret::None | BadSecret::Line(_))) => {
                    reader.mistake(one.key_at("secrets_file"), format!("{}: {error}", file.display()));
                    None
                }
            },
            None => None,
        };
        let (Some(url), Some(secrets), Some(concurrency), Some(timeout)) = (url, secrets, concurrency, timeout) else { continue };
        let concurrency = usize::try_from(concurrency).unwrap_or(1);
        let timeout = Duration::from_secs(u64::from(timeout));
        match Gateway::new(name, url, clear, channels, secrets, concurrency, timeout) {
            Ok(gateway) => gateways.push(Arc::new(gateway)),
            Err(error @ BadUrl::Clear(_)) => {
                reader.mistake(
                    one.key_at("url"),
                    format!("`url`: {error}, or `allow_http = true` on a network that nobody listens to"),
                );
            }
            Err(error) => reader.mistake(one.key_at("url"), format!("`url`: {error}")),
        }
    }
    Ok(gateways)
}

fn url<'t>(reader: &mut Reader<'t>, value: &Value<'t>, name: &str) -> Option<String> {
    let text = reader.string(value, name)?;
    let parsed: Option<hyper::Uri> = text.parse().ok();
    if parsed.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()) {
        return Some(text.to_owned());
    }
    reader.mistake(
        value.span().start,
        format!("`{name}`: `{text}` is not an address; write one such as `https://tact.example/v1/gateway/callbacks`"),
    );
    None
}

fn purposes<'t>(reader: &mut Reader<'t>, value: &Value<'t>) -> Option<Vec<Purpose>> {
    let items = reader.list(value, "automatic")?;
    Some(items.iter().filter_map(|item| reader.parsed(item, "automatic")).collect())
}

fn phones<'t>(reader: &mut Reader<'t>, value: &Value<'t>) -> BTreeMap<Branch, String> {
    let Some(table) = reader.any_table(value, "branch_phones") else { return BTreeMap::new() };
    let mut phones = BTreeMap::new();
    for (code, at, value) in table.iter() {
        let Some(number) = reader.string(value, "branch_phones") else { continue };
        match code.parse() {
            Ok(branch) => {
                phones.insert(branch, number.to_owned());
            }
            Err(error) => reader.mistake(at, format!("`branch_phones`: {error}")),
        }
    }
    phones
}

/// What keeps a message from being made, as a dispatch is dropped for it.
pub(crate) fn reason(word: &str, what: &str) -> SmolStr {
    SmolStr::from(format!("{word}:{what}"))
}
