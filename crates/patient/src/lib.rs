//! The patient service: who the network knows, what happened to them, and that two of them are one.
//!
//! One file per endpoint, and [`reactor`], which carries out what an event sets off on another patient's stream.

mod alike;
mod death;
mod details;
mod dismissals;
mod duplicates;
mod erasure;
mod erasure_act;
mod evidence;
mod history;
mod lookup;
mod merge;
mod profile;
pub mod reactor;
mod register;
mod show;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service's routes.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(register::register, lookup::lookup))
        .routes(routes!(show::show, profile::change))
        .routes(routes!(history::history))
        .routes(routes!(evidence::of_contact))
        .routes(routes!(merge::merge))
        .routes(routes!(merge::separate))
        .routes(routes!(duplicates::list))
        .routes(routes!(dismissals::dismiss))
        .routes(routes!(death::died))
        .routes(routes!(death::restored))
        .routes(routes!(erasure::erase, erasure_act::act))
}
