//! The settings of how people sign in: where their browsers reach the console, how long sessions last, and the identity provider.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde::Deserialize;

use super::Settings;

/// What can be set. Absent: the next source's, in the end the default.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default)]
pub struct GivenSignIn {
    /// Where people's browsers reach the console: `https://tact.example.org`.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,
    /// How long a session lasts at most, in hours, 1 to 168.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_SESSION_HOURS",
        value_name = "HOURS"
    )]
    pub session_hours: Option<u32>,
    /// After how many minutes without use it ends, 5 to 1440.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_SESSION_IDLE_MINUTES",
        value_name = "MINUTES"
    )]
    pub session_idle_minutes: Option<u32>,
    /// For how many days it is kept who looked at whose page.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_LOOKS_KEPT_DAYS",
        value_name = "DAYS"
    )]
    pub looks_kept_days: Option<u32>,
    /// The identity provider's issuer, to the letter: `https://id.example.org/realms/clinic`.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_OIDC_ISSUER", value_name = "URL")]
    pub oidc_issuer: Option<String>,
    /// By what name the identity provider knows this network.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_OIDC_CLIENT_ID",
        value_name = "ID"
    )]
    pub oidc_client_id: Option<String>,
    /// A file with the secret that it has given for that name, if it has.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_OIDC_CLIENT_SECRET_FILE",
        value_name = "FILE"
    )]
    pub oidc_client_secret_file: Option<PathBuf>,
    /// The claim of its ID tokens that lists roles.
    #[arg(long, global = true, hide_short_help = true, help_heading = "Settings", env = "TACT_OIDC_CLAIM", value_name = "NAME")]
    pub oidc_claim: Option<String>,
    /// Whether an identity provider on this host needs no TLS.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "TACT_OIDC_ALLOW_HTTP",
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    pub oidc_allow_http: Option<bool>,
}

/// How people sign in.
#[derive(Debug, Clone)]
pub struct SignIn {
    /// Where people's browsers reach the console; absent: where the server listens.
    pub public_url: Option<String>,
    /// How long a session lasts at most, in hours.
    pub session_hours: u32,
    /// After how many minutes without use it ends.
    pub session_idle_minutes: u32,
    /// For how many days it is kept who looked at whose page.
    pub looks_kept_days: u32,
    /// The identity provider.
    pub oidc: Option<Oidc>,
}

/// The identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Its issuer.
    pub issuer: String,
    /// By what name it knows this network.
    pub client_id: String,
    /// The file with the secret that it has given for that name.
    pub client_secret_file: Option<PathBuf>,
    /// The claim that lists roles.
    pub claim: String,
    /// Whether it needs no TLS, being on this host.
    pub allow_http: bool,
}

impl Default for SignIn {
    /// Twelve hours, an hour without use, three years; no identity provider.
    fn default() -> Self {
        Self { public_url: None, session_hours: 12, session_idle_minutes: 60, looks_kept_days: 1095, oidc: None }
    }
}

impl GivenSignIn {
    /// The settings in force, with those of a file behind these.
    pub(super) fn settle(&self, file: &Self) -> Result<SignIn> {
        macro_rules! first {
            ($name:ident) => {
                self.$name.clone().or(file.$name.clone())
            };
        }
        let default = SignIn::default();
        let within = |key: &str, given: Option<u32>, otherwise: u32, range: std::ops::RangeInclusive<u32>| {
            let value = given.unwrap_or(otherwise);
            if !range.contains(&value) {
                bail!("`{key}`: {value} is not between {} and {}", range.start(), range.end());
            }
            Ok(value)
        };
        let public_url = first!(public_url).map(|url| url.trim_end_matches('/').to_owned());
        if let Some(url) = &public_url
            && !url
                .parse::<hyper::Uri>()
                .is_ok_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.query().is_none())
        {
            bail!("`public_url`: `{url}` is not an address; write one such as `https://tact.example.org`");
        }
        let (secret, claim, allow_http) = (first!(oidc_client_secret_file), first!(oidc_claim), first!(oidc_allow_http));
        let oidc = match (first!(oidc_issuer), first!(oidc_client_id)) {
            (Some(issuer), Some(client_id)) => Some(Oidc {
                issuer,
                client_id,
                client_secret_file: secret,
                claim: claim.unwrap_or_else(|| "tact".to_owned()),
                allow_http: allow_http.unwrap_or(false),
            }),
            (None, None) if secret.is_none() && claim.is_none() => None,
            _ => bail!("`oidc_issuer` and `oidc_client_id` go together: set both, or nothing that begins with `oidc_`"),
        };
        Ok(SignIn {
            public_url,
            session_hours: within("session_hours", first!(session_hours), default.session_hours, 1..=168)?,
            session_idle_minutes: within(
                "session_idle_minutes",
                first!(session_idle_minutes),
                default.session_idle_minutes,
                5..=1440,
            )?,
            looks_kept_days: within("looks_kept_days", first!(looks_kept_days), default.looks_kept_days, 1..=36_500)?,
            oidc,
        })
    }
}

impl SignIn {
    /// As lines of a settings file.
    pub(super) fn shown(&self, quoted: impl Fn(&str) -> String) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.public_url.as_deref().map(|url| format!("public_url = {}", quoted(url))));
        lines.push(format!("session_hours = {}\nsession_idle_minutes = {}", self.session_hours, self.session_idle_minutes));
        lines.push(format!("looks_kept_days = {}", self.looks_kept_days));
        if let Some(Oidc { issuer, client_id, client_secret_file, claim, allow_http }) = &self.oidc {
            lines.push(format!("oidc_issuer = {}\noidc_client_id = {}", quoted(issuer), quoted(client_id)));
            let file = |file: &Path| format!("oidc_client_secret_file = {}", quoted(&file.display().to_string()));
            lines.extend(client_secret_file.as_deref().map(file));
            lines.push(format!("oidc_claim = {}\noidc_allow_http = {allow_http}", quoted(claim)));
        }
        lines
    }
}

impl Settings {
    /// Where people's browsers reach the console of a server that listens there.
    pub fn public_url(&self, listens: SocketAddr) -> String {
        self.sign_in.public_url.clone().unwrap_or_else(|| {
            let mut address = listens;
            // Nobody can be sent to every address at once.
            if address.ip().is_unspecified() {
                address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            format!("http://{address}")
        })
    }
}
