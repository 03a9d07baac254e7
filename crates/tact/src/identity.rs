//! How people sign in at a process: from the settings, the identity provider and how long sessions last. The secret shared with the provider is
//! read here and never shown.

use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use tact_sign_in::SignIn;
use tact_sign_in::oidc::{Config, Hidden, Provider};

use crate::exit::Usage;
use crate::settings::{Settings, read_secret};

/// The identity provider, if one is set. Nothing is asked of it yet: it may be away while we start.
pub(crate) fn provider(settings: &Settings) -> Result<Option<Provider>> {
    let Some(oidc) = &settings.sign_in.oidc else { return Ok(None) };
    let config = Config {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret: oidc.client_secret_file.as_deref().map(read_secret).transpose()?.map(Hidden),
        claim: oidc.claim.clone(),
        allow_http: oidc.allow_http,
    };
    Provider::new(config).map(Some).map_err(|unusable| anyhow!(Usage(unusable.to_string())))
}

/// How people sign in at a server that listens there.
pub(crate) fn sign_in(settings: &Settings, listens: SocketAddr, provider: Option<Provider>) -> SignIn {
    let set = &settings.sign_in;
    let public_url = settings.public_url(listens);
    SignIn::new(public_url, set.session_hours, set.session_idle_minutes, set.looks_kept_days, provider)
}
