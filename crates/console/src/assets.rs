//! Style, script and pictures, in the binary. Their names carry a hash of what is in them, so that a browser keeps them for ever and still never
//! shows yesterday's.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

struct Asset {
    path: String,
    kind: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(name: &str, ending: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let hash = Sha256::digest(bytes);
        let hash: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { path: format!("/assets/{name}-{hash}.{ending}"), kind, bytes }
    }
}

static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("tact", "css", "text/css; charset=utf-8", include_bytes!("../static/tact.css")));
static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("tact", "js", "text/javascript; charset=utf-8", include_bytes!("../static/tact.js")));
static ICON: LazyLock<Asset> = LazyLock::new(|| Asset::new("tact", "svg", "image/svg+xml", include_bytes!("../static/tact.svg")));

/// Where the style is.
pub(crate) fn style() -> &'static str {
    &STYLE.path
}

/// Where the script is.
pub(crate) fn script() -> &'static str {
    &SCRIPT.path
}

/// Where the picture is that stands for a page.
pub(crate) fn icon() -> &'static str {
    &ICON.path
}

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    [&*STYLE, &*SCRIPT, &*ICON]
        .into_iter()
        .fold(Router::new(), |router, asset| router.route(&asset.path, get(async move || served(asset))))
}

fn served(asset: &'static Asset) -> Response {
    let mut response = (StatusCode::OK, asset.bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    response
}
