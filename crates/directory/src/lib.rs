//! The directory: the network's branches, providers outside whom we may refer to, clinicians who have left, and the published policies.
//!
//! One file per thing that is listed. What is said here stands in events for good, so nothing personal may be said here (P13).

mod branches;
mod departures;
mod hours;
mod noted;
mod place;
mod places;
mod policies;
mod providers;
mod words;

pub use providers::post::{check, is_published_number};

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service's routes.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(branches::list::list))
        .routes(routes!(branches::put::put, branches::list::one))
        .routes(routes!(providers::post::post, providers::nearest::nearest))
        .routes(routes!(places::places))
        .routes(routes!(departures::departed))
        .routes(routes!(departures::depart, departures::whereto))
        .routes(routes!(policies::publish::publish, policies::read::all))
        .routes(routes!(policies::diff::between))
        .routes(routes!(policies::scenarios::tell))
        .routes(routes!(policies::what_if::tell))
        .routes(routes!(policies::read::in_force))
        .routes(routes!(policies::read::one))
}
