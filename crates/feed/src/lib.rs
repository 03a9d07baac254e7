//! The feed for analysts: what happened, event by event, without anything that leads to a person.
//!
//! [`transform`] makes a feed event of a stored one; it is pure. [`role`] fills the feed's stream on NATS from the log, [`stream`] serves the
//! same events over HTTP, [`schema`] says what stored events and feed events look like, [`compare`] what may change about that, and
//! [`asyncapi`] puts it into a document. It must never let out an event of a stream that is not listed in [`transform`], an id as it
//! is stored, or a hash of anything that somebody could guess.

pub mod asyncapi;
pub mod compare;
mod open;
pub mod role;
pub mod schema;
pub mod stream;
pub mod transform;

use std::sync::Arc;

use tact_service::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use open::routes as open_routes;

/// The routes that take a token.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(stream::feed))
}
