//! The themes that staff tick for what a patient calls good and what not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tact_service::themes::Named;
use tact_service::{App, Caller, Permission, Problem};
use utoipa::ToSchema;

/// The themes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FeedbackThemes)]
pub(crate) struct List {
    /// In the order in which a page shows them.
    themes: Vec<Named>,
}

/// See the themes of feedback
///
/// Those that feedback may name, as good or as not, with their names in Russian and English.
#[utoipa::path(
    get, path = "/v1/themes", tag = "feedback",
    responses((status = 200, description = "What was asked for", body = List), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<List>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    Ok(Json(List { themes: app.themes.all().to_vec() }))
}
