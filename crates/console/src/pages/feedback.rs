//! What patients say of us: of those who recommend us, and on a page of its own of everyone else (P5).
//!
//! What the API withholds is shown as withheld, with the reason in words. Nothing is added up here: every figure is one of the API's, and no page
//! tells who came because of whom.

mod answer;
mod figures;
mod sections;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::Console;

pub(crate) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route("/feedback", get(figures::of_referrers))
        .route("/feedback/others", get(figures::of_others))
        .route("/feedback/answer", get(answer::page).post(answer::send))
}
