//! The referral service: someone needs what we do not have, so we find who has it, book them in, call back once, and forget (P11, P12).
//!
//! One file per endpoint. None of them decides anything but whether the directory's word fits the request.

mod arrangement;
mod branch;
mod closing;
mod list;
mod opening;
mod providers;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The service's routes.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(opening::open, list::list))
        .routes(routes!(arrangement::arrange))
        .routes(routes!(closing::close))
        .routes(routes!(branch::of_branch))
}
