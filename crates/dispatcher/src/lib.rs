//! Calls and messages out: contacts that are permitted on a machine's channel go to the network's gateway, signed, at most once each, and what
//! the gateway says of them comes back as outcomes. Calls that a telephone exchange has recorded are taken in here too.
//!
//! [`role`] is the part that follows the log and sends, [`settle`] the one that records how a contact ended; what the gateway is told and tells
//! is docs/GATEWAY.md. It must never let anything leave before `contact.started` stands in the log, and never send anything twice.

mod automatic;
mod callbacks;
mod calls;
pub mod gateway;
mod household;
pub mod layout;
mod message;
pub mod points;
mod review;
pub mod role;
pub mod sandbox;
pub mod settle;
pub mod setup;
pub mod signing;
pub mod status;
pub mod store;
pub mod templates;
mod whom;

use std::sync::Arc;

use tact_event_log::Position;
use tact_service::App;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::points::Points;
use crate::setup::Setup;
use crate::store::Store;

/// What the parts of a dispatcher's process share.
#[derive(Debug)]
pub struct Desk {
    /// What every service shares.
    pub app: Arc<App>,
    /// What is kept of each dispatch.
    pub store: Store,
    /// What the network has set; `None`: no gateway, and nothing to do.
    pub setup: Option<Setup>,
    /// Where tests may stop it.
    pub points: Points,
    /// Up to where permits have been taken from the log.
    pub read_up_to: watch::Sender<Position>,
}

impl Desk {
    /// A desk.
    pub fn new(app: Arc<App>, store: Store, setup: Option<Setup>) -> Self {
        Self { app, store, setup, points: Points::default(), read_up_to: watch::Sender::default() }
    }

    /// The contact that a permit leads to: the same whoever asks and however often.
    pub fn contact_of(&self, permit: Uuid) -> Uuid {
        self.app.keys.derive(&[b"dispatcher", b"contact", permit.as_bytes()])
    }
}

/// The routes of the dispatcher. They expect the [`Desk`] of their process among the request's extensions.
pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(callbacks::callback))
        .routes(routes!(review::list))
        .routes(routes!(review::close))
        .routes(routes!(review::figures))
        .routes(routes!(calls::records::take))
        .routes(routes!(calls::review::list))
        .routes(routes!(calls::review::resolve))
        .routes(routes!(calls::review::figures))
}
