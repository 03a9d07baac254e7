//! The appointment service: booked, moved, cancelled, completed, missed.
//!
//! One file per endpoint. None of them decides anything: they read the request, call the transact loop, and say what came of it.

mod booking;
mod cancellation;
mod list;
mod outcome;
mod rescheduling;
mod scope;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service's routes.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(booking::book, list::list))
        .routes(routes!(rescheduling::reschedule))
        .routes(routes!(cancellation::cancel))
        .routes(routes!(outcome::complete))
        .routes(routes!(outcome::miss))
}
