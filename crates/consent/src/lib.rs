//! The consent service: consents, withdrawals, how the patient wishes to be reached, and whose a stop was that came from a shared number.
//!
//! One file per endpoint. None of them decides anything: they read the request, call the transact loop, and say what came of it.

mod consents;
mod open_stops;
mod overview;
mod preferences;
mod stop_answers;
mod stops;
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
        .routes(routes!(stops::stop, open_stops::open))
        .routes(routes!(stop_answers::answer))
}
