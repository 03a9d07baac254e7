//! The consent service: consents, withdrawals, and how the patient wishes to be reached.
//!
//! One file per endpoint. None of them decides anything: they read the request, call the transact loop, and say what came of it.

mod consents;
mod overview;
mod preferences;
mod withdrawals;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service's routes.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(consents::grant, overview::overview))
        .routes(routes!(withdrawals::withdraw))
        .routes(routes!(preferences::set))
}
