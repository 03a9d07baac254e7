//! For whoever runs a network: how often patients were contacted and what came of it, and the policy that decides, with those before it.
//!
//! No figure is a goal: nothing here says how many more there might have been.

mod figures;
mod policies;
mod what_if;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::Console;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/network", get(figures::page))
        .route("/network/policies", get(policies::page))
        .route("/network/policies/{version}", get(policies::text))
        .route("/network/cases", post(policies::cases))
        .route("/network/what-if", get(what_if::page).post(what_if::ask))
}
