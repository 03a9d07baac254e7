//! A client of Tact's own HTTP API, for the commands of the binary that are clients of a server.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::exit::Usage;
use crate::settings::read_secret;

/// Which server a command asks, and by whose right.
#[derive(Debug, Clone, clap::Args)]
pub struct Server {
    /// Where the server is.
    #[arg(long, env = "TACT_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// A file with the token; or the token itself in the variable TACT_TOKEN.
    #[arg(long, env = "TACT_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl Server {
    /// A client of it.
    ///
    /// # Errors
    /// [`Usage`] without a token, or for an address that cannot be asked.
    pub fn client(&self) -> Result<Client> {
        if !self.url.starts_with("http://") {
            let problem = format!(
                "`{}` is no address to ask: this command speaks HTTP without TLS, so run it beside the server, with an address such as \
                 http://127.0.0.1:8087",
                self.url
            );
            return Err(Usage(problem).into());
        }
        let token = match (&self.token_file, std::env::var("TACT_TOKEN")) {
            (Some(file), _) => read_secret(file).map_err(|error| Usage(format!("{error:#}")))?,
            (None, Ok(token)) if !token.trim().is_empty() => token.trim().to_owned(),
            _ => return Err(Usage("set TACT_TOKEN or TACT_TOKEN_FILE; `tact token create` makes a token".to_owned()).into()),
        };
        Ok(Client::new(&self.url, &token))
    }
}

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
        let (status, bytes) = self.fetch(method, path, key, body).await?;
        Ok(Reply { status, json: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    async fn fetch(&self, method: Method, path: &str, key: Option<&str>, body: Option<&Value>) -> Result<(u16, Bytes)> {
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
        Ok((status, bytes))
    }

    /// Has something made, under an idempotency key, that is no JSON: its bytes.
    ///
    /// # Errors
    /// A server that cannot be reached, or the problem's detail.
    pub async fn obtain(&self, path: &str, key: &str, body: &Value) -> Result<Bytes> {
        let (status, bytes) = self.fetch(Method::POST, path, Some(key), Some(body)).await?;
        if (200..300).contains(&status) {
            return Ok(bytes);
        }
        let refused = Reply { status, json: serde_json::from_slice(&bytes).unwrap_or(Value::Null) };
        refused.ok().map(|_| bytes)
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
