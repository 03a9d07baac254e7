//! The feedback service: what patients say of us, and who recommends us (P5).
//!
//! What referrers say and what others say are two answers of two routes, never one. Nothing here shows who came because of whom.

mod disclosure;
mod figures;
mod given;
mod referrers;
mod themes;

use std::sync::Arc;

use axum::Extension;
use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service's routes.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(given::give))
        .routes(routes!(figures::of_referrers))
        .routes(routes!(figures::of_others))
        .routes(routes!(referrers::page))
        .routes(routes!(themes::list))
        .layer(Extension(figures::Made::default()))
}
