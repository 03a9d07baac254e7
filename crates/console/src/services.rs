//! The services of a network that together are its API. Which of them answers to a path, each says itself in its OpenAPI document; nothing is
//! set twice. A service that is away is asked again when somebody needs it, and others are not held up by it.

use std::collections::{BTreeMap, HashMap};
use std::sync::RwLock;
use std::time::{Duration, Instant};

use axum::body::Body;
use bytes::Bytes;
use futures::future::join_all;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::Mutex;

use crate::failure::Failure;

/// The most of a document that is read, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;
/// How long a document may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The network's public keys, and a path of whoever has them.
const KEYS: &str = "/keys";
const HANDS_OUT: &str = "/v1/patients/{patient}/history-exports";
/// For how long nobody asks again for the documents.
const REST: Duration = Duration::from_secs(2);

/// Why an address is none for the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadApi(String);

impl std::fmt::Display for BadApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadApi {}

/// The services.
pub(crate) struct Services {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    bases: Vec<String>,
    /// To which of them a path belongs.
    paths: RwLock<matchit::Router<usize>>,
    asked: Mutex<Asked>,
}

/// What the services have said.
#[derive(Debug, Default)]
struct Asked {
    /// When they were last asked.
    at: Option<Instant>,
    /// The paths of each, by its address; what one has said holds while it is away.
    paths: HashMap<String, Vec<String>>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("bases", &self.bases).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Document {
    paths: BTreeMap<String, IgnoredAny>,
}

impl Services {
    /// The services at these addresses; none is asked yet.
    pub(crate) fn new(urls: &[String]) -> Result<Self, BadApi> {
        let bases = urls.iter().map(|url| base(url)).collect::<Result<Vec<_>, _>>()?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(Duration::from_secs(5)));
        let https = HttpsConnectorBuilder::new().with_native_roots();
        let https = https.map_err(|error| BadApi(format!("certificates of authorities cannot be read: {error}")))?;
        let connector = https.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, bases, paths: RwLock::default(), asked: Mutex::default() })
    }

    /// Has the service answer whose path it is.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Body>, Failure> {
        let base = self.of(request.uri().path()).await?;
        self.to(base, request).await
    }

    async fn to(&self, base: &str, request: Request<Full<Bytes>>) -> Result<Response<Body>, Failure> {
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("{base}{}", parts.uri).parse().map_err(|_| Failure::Away)?;
        let answer = self.client.request(Request::from_parts(parts, body)).await.map_err(|error| {
            tracing::warn!(%error, base, "a service cannot be reached");
            Failure::Away
        })?;
        Ok(answer.map(Body::new))
    }

    async fn of(&self, path: &str) -> Result<&str, Failure> {
        if let [only] = &self.bases[..] {
            return Ok(only);
        }
        if let Some(base) = self.known(path) {
            return Ok(base);
        }
        self.ask().await;
        self.known(path).ok_or_else(|| {
            tracing::warn!(path, "no service that could be reached has this path");
            Failure::Away
        })
    }

    fn known(&self, path: &str) -> Option<&str> {
        // What anybody may read stands in no document.
        let path = if path == KEYS { HANDS_OUT } else { path };
        let paths = self.paths.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let at = *paths.at(path).ok()?.value;
        self.bases.get(at).map(String::as_str)
    }

    /// Asks all services what they answer to.
    async fn ask(&self) {
        // One at a time; who waited finds what the one before has learnt.
        let mut asked = self.asked.lock().await;
        if asked.at.is_some_and(|at| at.elapsed() < REST) {
            return;
        }
        let documents = join_all(self.bases.iter().map(|base| self.document(base))).await;
        for (base, document) in self.bases.iter().zip(documents) {
            if let Some(document) = document {
                asked.paths.insert(base.clone(), document.paths.into_keys().collect());
            }
        }
        let mut paths = matchit::Router::new();
        for (at, base) in self.bases.iter().enumerate() {
            for path in asked.paths.get(base).into_iter().flatten() {
                // The first who answers to a path has it: two processes in one role are the same to us.
                let _ = paths.insert(path.clone(), at);
            }
        }
        *self.paths.write().unwrap_or_else(std::sync::PoisonError::into_inner) = paths;
        asked.at = Some(Instant::now());
    }

    async fn document(&self, base: &str) -> Option<Document> {
        let asking = async {
            let request = Request::get("/openapi.json").body(Full::default()).map_err(|_| Failure::Ours)?;
            let body = self.to(base, request).await?.into_body();
            Limited::new(body, LONGEST).collect().await.map(|body| body.to_bytes()).map_err(|_| Failure::Away)
        };
        let body = tokio::time::timeout(PATIENCE, asking).await.ok()?.ok()?;
        serde_json::from_slice(&body)
            .inspect_err(|error| tracing::warn!(%error, base, "a service's OpenAPI document is not understood"))
            .ok()
    }
}

fn base(url: &str) -> Result<String, BadApi> {
    let base = url.trim_end_matches('/').to_owned();
    let parsed: Uri = base.parse().map_err(|_| BadApi(format!("`{url}` is not an address")))?;
    if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none() {
        return Err(BadApi(format!("`{url}` is not an address such as `http://contact:8080`")));
    }
    Ok(base)
}
