//! The FHIR service: R4 resources in, and what is known out again. One file per endpoint.
//!
//! What comes in goes through the same intake as files do, and through the transact loop; what goes out is read from the log. Errors are
//! OperationOutcomes. Nothing here decides anything.

mod batch;
mod capability;
mod create;
mod form;
mod import;
mod read;
mod search;
mod sender;
mod told;
mod update;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use form::outcomes;
pub use sender::Senders;

/// The service's routes. They need [`Senders`] as an extension, and [`outcomes`] around them.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(capability::metadata))
        .routes(routes!(batch::batch))
        .routes(routes!(import::import))
        .routes(routes!(create::create, search::search))
        .routes(routes!(update::update, read::read))
}
