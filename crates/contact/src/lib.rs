//! The contact service: permits, contacts, announcements, requests to be called back, a branch's worklist, and the audit.
//!
//! One file per endpoint. None of them decides anything: they read the request, call the transact loop, and say what came of it.

mod agenda;
mod announcements;
mod audit;
mod contacts;
mod corrections;
mod day;
mod figures;
mod permits;
pub mod positions;
mod preview;
mod quotas;
mod release;
mod requests;
mod sharing;
mod start;
mod worklist;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service's routes.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(permits::ask))
        .routes(routes!(preview::preview))
        .routes(routes!(agenda::of_patient))
        .routes(routes!(release::release))
        .routes(routes!(start::start))
        .routes(routes!(contacts::record))
        .routes(routes!(corrections::correct))
        .routes(routes!(announcements::announce))
        .routes(routes!(requests::request))
        .routes(routes!(quotas::of_patient))
        .routes(routes!(quotas::exhausted))
        .routes(routes!(worklist::worklist))
        .routes(routes!(day::day))
        .routes(routes!(positions::positions))
        .routes(routes!(figures::figures))
        .routes(routes!(figures::alarms))
        .routes(routes!(audit::findings))
        .routes(routes!(audit::counts))
        .routes(routes!(audit::wishes))
}
