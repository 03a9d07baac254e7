//! A client of Tact's own HTTP API, for the commands of the binary that are clients of a server.

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// A client with a token. Cheap to clone; connections are kept and shared.
#[derive(Debug, Clone)]
pub struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    url: String,
    token: String,
}

/// An answer: its status and its JSON.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body; `null` if it is no JSON.
    pub json: Value,
}

impl Reply {
    /// The JSON of an answer that worked.
    ///
    /// # Errors
    /// The problem's detail otherwise.
    pub fn ok(self) -> Result<Value> {
        if (200..300).contains(&self.status) {
            return Ok(self.json);
        }
        bail!("{}: {}", self.status, self.json["detail"].as_str().unwrap_or("no detail"))
    }
}

impl Client {
    /// A client of the server at this address.
    pub fn new(url: &str, token: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Self { pool, url: url.trim_end_matches('/').to_owned(), token: token.to_owned() }
    }

    async fn send(&self, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Result<Reply> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key).header(CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(bytes))).with_context(|| format!("{path} is not a path"))?;
        let response = self.pool.request(request).await.with_context(|| format!("{} cannot be reached", self.url))?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.context("the answer broke off")?.to_bytes();
        Ok(Reply { status, json: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    /// Looks.
    ///
    /// # Errors
    /// A server that cannot be reached.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.send(Method::GET, path, None, None).await
    }

    /// Does, under an idempotency key.
    ///
    /// # Errors
    /// A server that cannot be reached.
    pub async fn write(&self, method: Method, path: &str, key: &str, body: &Value) -> Result<Reply> {
        self.send(method, path, Some(key), Some(body)).await
    }

    /// Posts, under an idempotency key.
    ///
    /// # Errors
    /// A server that cannot be reached.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Reply> {
        self.write(Method::POST, path, key, body).await
    }
}
