//! The pages of a process: which API they are a client of, and where browsers reach them.

use anyhow::Result;
use axum::Router;
use tact_console::{Api, Setup};

use crate::exit::Usage;
use crate::roles::Role;
use crate::settings::Settings;

/// What a console asks of the API.
const ASKED: [Role; 9] = [
    Role::Contact,
    Role::Consent,
    Role::Appointment,
    Role::Patient,
    Role::Referral,
    Role::Feedback,
    Role::Directory,
    Role::Notary,
    Role::SignIn,
];

/// The API of a process's pages.
#[derive(Debug)]
pub(crate) enum Source {
    /// This process.
    Here,
    /// Others.
    There(Api),
}

/// Where the pages' API is, if the process has pages.
///
/// # Errors
/// Addresses that are none, or no address where this process is not the whole API.
pub(crate) fn api(settings: &Settings, roles: &[Role]) -> Result<Option<Source>> {
    if !roles.contains(&Role::Console) {
        return Ok(None);
    }
    if settings.console_api_url.is_empty() {
        if ASKED.iter().all(|role| roles.contains(role)) {
            return Ok(Some(Source::Here));
        }
        return Err(Usage(
            "`console_api_url` must name the addresses of the services whose pages these are, comma-separated, since this process does not \
             play all their roles: `http://contact:8080,http://consent:8080,...`"
                .to_owned(),
        )
        .into());
    }
    let api = Api::there(&settings.console_api_url).map_err(|bad| Usage(format!("`console_api_url`: {bad}")))?;
    Ok(Some(Source::There(api)))
}

impl Source {
    /// What the pages are set up with.
    pub(crate) fn setup(self, here: &Router, public_url: String, provider: bool) -> Setup {
        let api = match self {
            Self::Here => Api::here(here.clone()),
            Self::There(api) => api,
        };
        Setup { api, public_url, provider }
    }
}
