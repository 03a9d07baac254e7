//! Whether a provider can be referred to, as the directory says.

use std::sync::Arc;

use tact_domain::ServiceCode;
use tact_domain::control::{Directory, ProviderListed};
use tact_domain::patient::Untrue;
use tact_service::{App, Problem};
use uuid::Uuid;

/// The directory with this provider in it, read again from the log if it is not known yet; without it, if nobody listed it.
pub(crate) async fn directory_with(app: &App, provider: Uuid) -> Result<Arc<Directory>, Problem> {
    let known = app.control.directory();
    if known.providers.contains_key(&provider) {
        return Ok(known);
    }
    app.control.refresh().await?;
    Ok(app.control.directory())
}

/// Whether the provider is listed and offers what is needed.
///
/// # Errors
/// What is wrong with it, with the providers that would do.
pub(crate) fn fits(directory: &Directory, provider: Uuid, need: &ServiceCode) -> Result<(), Untrue> {
    let problem = match directory.providers.get(&provider) {
        Some(listed) if listed.services.contains(need) => return Ok(()),
        Some(listed) => format!("{provider} (`{}`) does not offer `{need}`", listed.name),
        None => format!("{provider} is not in the directory"),
    };
    let hint = match offering(directory, need).take(3).map(|p| format!("{} (`{}`)", p.provider, p.name)).collect::<Vec<_>>() {
        none if none.is_empty() => format!("; no listed provider offers `{need}`, list one first"),
        some => format!("; `{need}` is offered by {}", some.join(", ")),
    };
    Err(Untrue::Field { field: "provider", problem: problem + &hint })
}

/// The listed providers that offer a service.
pub(crate) fn offering<'a>(directory: &'a Directory, need: &'a ServiceCode) -> impl Iterator<Item = &'a ProviderListed> {
    directory.providers.values().filter(move |provider| provider.services.contains(need))
}
