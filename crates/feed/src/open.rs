//! What anybody may read, without a token: the schemas of all events, and the AsyncAPI document. They say what events look like, and nothing that
//! happened.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tact_service::{App, Path, Problem};

use crate::{asyncapi, schema};

/// The routes.
pub fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/asyncapi.json", get(document))
        .route("/schemas", get(index))
        .route("/schemas/{form}/{file}", get(one))
        .with_state(app)
}

async fn document(State(app): State<Arc<App>>) -> Json<Value> {
    Json(asyncapi::document(&app.network))
}

async fn index() -> Json<Value> {
    let paths: Vec<String> = schema::all().iter().map(|described| format!("/schemas/{}", described.path())).collect();
    Json(json!({ "schemas": paths }))
}

async fn one(Path((form, file)): Path<(String, String)>) -> Result<Response, Problem> {
    let path = format!("{form}/{file}");
    let found = schema::all().iter().find(|described| described.path() == path);
    let found = found.ok_or_else(|| Problem::not_found("there is no such schema; /schemas lists them"))?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], Bytes::from(found.text())).into_response())
}
