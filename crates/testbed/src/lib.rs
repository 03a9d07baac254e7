//! Real servers for tests: NATS with JetStream, alone or as a cluster, and PostgreSQL.
//!
//! They are found on the machine or fetched once without installing anything, run on free ports of 127.0.0.1 in temporary
//! folders, and end with the process that started them, however that ends. This crate must never be part of the product, and
//! must never touch a server that it did not start.
//!
//! ```no_run
//! # async fn test() -> anyhow::Result<()> {
//! let nats = tact_testbed::Nats::shared().await?;
//! let network = tact_testbed::fresh_name("net");
//! let database = tact_testbed::Postgres::shared().await?.database().await?;
//! println!("{} {network} {database}", nats.url());
//! # Ok(())
//! # }
//! ```

mod apt;
mod nats;
mod postgres;
mod process;
mod tools;

use std::sync::atomic::{AtomicU64, Ordering};

pub use nats::{Nats, NatsCluster};
pub use postgres::Postgres;
pub use tools::{Browser, ClientTools, Go, NodePackages};

/// A name that no other test of this process and no other running process uses: letters, digits and `-`.
pub fn fresh_name(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The `nats-server` that the tests use, 2.14 or newer: on PATH, kept from before, or fetched now.
///
/// # Errors
/// If there is none and it cannot be fetched; the error lists what was tried.
pub async fn nats_server() -> anyhow::Result<std::path::PathBuf> {
    blocking(tools::nats_server).await
}

/// The folder of Python packages in which the public validator of OpenAPI documents is (PyPI's `openapi-spec-validator`), for `PYTHONPATH`:
/// kept from before, or fetched now.
///
/// # Errors
/// If it is not there and cannot be fetched.
pub async fn openapi_validator() -> anyhow::Result<std::path::PathBuf> {
    blocking(tools::openapi_validator).await
}

/// A public validator of FHIR R4 resources (npm's `fhir`): kept from before, or fetched now, with Node.js where the machine has none.
///
/// # Errors
/// If it is not there and cannot be fetched.
pub async fn fhir_validator() -> anyhow::Result<NodePackages> {
    blocking(tools::fhir_validator).await
}

/// Debian's Chromium with npm's `playwright-core` and `axe-core`: kept from before, or fetched now.
///
/// # Errors
/// If something is neither there nor can be fetched.
pub async fn browser() -> anyhow::Result<Browser> {
    blocking(tools::browser).await
}

/// The public parser of AsyncAPI documents (npm's `@asyncapi/parser`): kept from before, or fetched now, with Node.js where the machine has none.
///
/// # Errors
/// If it is not there and cannot be fetched.
pub async fn asyncapi_parser() -> anyhow::Result<NodePackages> {
    blocking(tools::asyncapi_parser).await
}

/// The folder of Python packages in which the public reader of CloudEvents is (PyPI's `cloudevents`), for `PYTHONPATH`: kept from before, or
/// fetched now.
///
/// # Errors
/// If it is not there and cannot be fetched.
pub async fn cloudevents() -> anyhow::Result<std::path::PathBuf> {
    blocking(tools::cloudevents).await
}

/// What this machine lacks of `python3` with pip, `node` and `npm`: kept from before, or fetched now.
///
/// # Errors
/// If something is neither there nor can be fetched.
pub async fn client_tools() -> anyhow::Result<ClientTools> {
    blocking(tools::client_tools).await
}

/// npm's `standardwebhooks`, with Node.js where the machine has none: kept from before, or fetched now.
///
/// # Errors
/// If it is not there and cannot be fetched.
pub async fn standard_webhooks() -> anyhow::Result<NodePackages> {
    blocking(tools::standard_webhooks).await
}

/// A certified identity provider (npm's `oidc-provider`), with Node.js where the machine has none: kept from before, or fetched now.
///
/// # Errors
/// If it is not there and cannot be fetched.
pub async fn oidc_provider() -> anyhow::Result<NodePackages> {
    blocking(tools::oidc_provider).await
}

/// Go, with `golang.org/x/mod/sumdb`: the machine's own, kept from before, or fetched now from Debian.
///
/// # Errors
/// If it is not there and cannot be fetched.
pub async fn go() -> anyhow::Result<Go> {
    blocking(tools::go).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> anyhow::Result<T> + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await?
}
