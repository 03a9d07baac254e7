//! The notary: follows the log, signs what it has come to, publishes that where others can keep it, and hands out histories with their
//! proofs.
//!
//! [`role`] is the part that follows and signs, [`publish`] where the checkpoints go, [`open`] what anybody may read of them, and
//! [`export`] what is handed out to those who may ask. It must never sign what it has not seen in the log, and never hand out a
//! history without recording that it did.

mod collect;
mod export;
pub mod open;
pub mod publish;
pub mod role;
mod told;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The routes that take a token.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(export::export))
}
