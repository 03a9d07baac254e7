//! What anybody may read, without a token: checkpoints, tiles and public keys. They hold hashes and counts, and name nobody.
//!
//! `/log/<epoch>/<shards>` is a log in the form of C2SP tlog-tiles, so that tools which are not ours can watch it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tact_evidence::checkpoint::LogCheckpoint;
use tact_evidence::note::Note;
use tact_evidence::tile::{TileId, WIDTH};
use tact_ledger::Published;
use tact_service::app::database;
use tact_service::{App, Path, Problem};

/// The routes.
pub fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/checkpoint", get(latest))
        .route("/checkpoint/{number}", get(by_number))
        .route("/keys", get(keys))
        .route("/log/{epoch}/{shards}/checkpoint", get(log))
        .route("/log/{epoch}/{shards}/tile/{*tile}", get(tile))
        .with_state(app)
}

const TEXT: &str = "text/plain; charset=utf-8";

fn with(kind: &'static str, lasting: bool, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    let caching = if lasting { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers: [(HeaderName, &str); 2] = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, caching)];
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn newest(app: &App) -> Result<Published, Problem> {
    let latest = app.ledger.latest().await.map_err(database)?;
    latest.ok_or_else(|| Problem::not_found("nothing has been signed yet"))
}

async fn latest(State(app): State<Arc<App>>) -> Result<Json<Published>, Problem> {
    newest(&app).await.map(Json)
}

async fn by_number(State(app): State<Arc<App>>, Path(number): Path<u64>) -> Result<Json<Published>, Problem> {
    let found = app.ledger.checkpoint(number).await.map_err(database)?;
    found.map(Json).ok_or_else(|| Problem::not_found(format!("checkpoint {number} is not kept; of each hour the first one is")))
}

async fn keys(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let keys = app.ledger.keys().await.map_err(database)?;
    let lines: String = keys.iter().map(|(key, _)| format!("{key}\n")).collect();
    Ok(with(TEXT, false, lines))
}

fn origin(app: &App, epoch: &str, shards: &str) -> String {
    format!("{}/{epoch}/{shards}", tact_evidence::checkpoint::network_origin(&app.network))
}

fn no_log(origin: &str) -> Problem {
    Problem::not_found(format!("there is no log {origin}; /checkpoint has the checkpoints of those that there are"))
}

async fn log(State(app): State<Arc<App>>, Path((epoch, shards)): Path<(String, String)>) -> Result<Response, Problem> {
    let origin = origin(&app, &epoch, &shards);
    let is_it = |note: &String| {
        let stated = Note::parse(note).ok().and_then(|note| LogCheckpoint::read(note.text).ok());
        stated.is_some_and(|stated| stated.log.to_string() == origin)
    };
    let note = newest(&app).await?.logs.into_iter().find(is_it).ok_or_else(|| no_log(&origin))?;
    Ok(with(TEXT, false, note))
}

async fn tile(
    State(app): State<Arc<App>>,
    Path((epoch, shards, path)): Path<(String, String, String)>,
) -> Result<Response, Problem> {
    let Some((tile, width)) = TileId::from_path(&path) else {
        return Err(Problem::not_found(format!(
            "`{path}` is not the path of a tile, such as 0/x001/234 or 0/000.p/17 (C2SP tlog-tiles)"
        )));
    };
    let origin = origin(&app, &epoch, &shards);
    let hashes = app.ledger.tile(&origin, tile).await.map_err(database)?.ok_or_else(|| no_log(&origin))?;
    let wanted = hashes
        .get(..width * 32)
        .ok_or_else(|| Problem::not_found(format!("the tile has {} hashes yet, not {width}", hashes.len() / 32)))?;
    Ok(with("application/octet-stream", width == WIDTH, wanted.to_vec()))
}
