//! Asks the API, in this process or in another: with the token of whoever looks, and never with more rights than theirs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::HeaderValue;
use hyper::{Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use crate::failure::{Failure, Problem};
use crate::services::{BadApi, Services};

/// The most of an answer that is read, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The API.
#[derive(Debug, Clone)]
pub struct Api(Way);

#[derive(Debug, Clone)]
enum Way {
    Here(Router),
    There(Arc<Services>),
}

impl Api {
    /// The routes of this process, asked without a network between.
    pub fn here(router: Router) -> Self {
        Self(Way::Here(router))
    }

    /// The services at some addresses, which together are the API.
    ///
    /// # Errors
    /// [`BadApi`] if one is no address, or no certificates of authorities can be read.
    pub fn there(urls: &[String]) -> Result<Self, BadApi> {
        Services::new(urls).map(|services| Self(Way::There(Arc::new(services))))
    }

    /// The answer as it comes, its body not read yet: for streams.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Body>, Failure> {
        match &self.0 {
            Way::Here(router) => {
                let answer = router.clone().oneshot(request.map(Body::new)).await;
                Ok(answer.unwrap_or_else(|never| match never {}))
            }
            Way::There(services) => services.send(request).await,
        }
    }

    /// Asks, and reads the whole answer.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        sent: Option<Sent<'_>>,
    ) -> Result<Bytes, Failure> {
        self.answer(request(method, path, token, sent)?, token.is_some()).await
    }

    /// Lets somebody in who comes from there, so that the API can see who tries too often.
    pub(crate) async fn let_in(&self, from: Option<SocketAddr>, key: &str, body: &[u8]) -> Result<Bytes, Failure> {
        let mut request = request(Method::POST, "/v1/sessions", None, Some(Sent { key, body }))?;
        if let Some(from) = from {
            request.extensions_mut().insert(ConnectInfo(from));
        }
        self.answer(request, false).await
    }

    async fn answer(&self, request: Request<Full<Bytes>>, signed_in: bool) -> Result<Bytes, Failure> {
        let asking = async {
            let (parts, body) = self.send(request).await?.into_parts();
            let body = Limited::new(body, LONGEST).collect().await.map_err(|_| Failure::Away)?.to_bytes();
            Ok((parts.status, body))
        };
        let (status, body) = tokio::time::timeout(PATIENCE, asking).await.unwrap_or(Err(Failure::Away))?;
        match status {
            status if status.is_success() => Ok(body),
            StatusCode::UNAUTHORIZED if signed_in => Err(Failure::SignedOut),
            status => Err(Failure::Problem(Problem::read(status, &body))),
        }
    }

    /// Asks a question; of read models that have come to a position, if one is named.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, token: &str, at_least: Option<&str>) -> Result<T, Failure> {
        let mut request = request(Method::GET, path, Some(token), None)?;
        if let Some(position) = at_least.and_then(|position| HeaderValue::from_str(position).ok()) {
            request.headers_mut().insert("tact-at-least", position);
        }
        read(&self.answer(request, true).await?)
    }
}

/// What a command says, and the key under which it is done once however often it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent<'a> {
    pub(crate) key: &'a str,
    pub(crate) body: &'a [u8],
}

pub(crate) fn request(
    method: Method,
    path: &str,
    token: Option<&str>,
    sent: Option<Sent<'_>>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = match sent {
        Some(Sent { key, body }) => {
            request = request.header("idempotency-key", key).header(header::CONTENT_TYPE, "application/json");
            Bytes::copy_from_slice(body)
        }
        None => Bytes::new(),
    };
    // A key that no page of ours has made: it cannot even be sent.
    request.body(Full::new(body)).map_err(|error| {
        tracing::debug!(%error, "a request cannot be made of a form");
        Failure::BadForm
    })
}

pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        tracing::error!(%error, "an answer of the API is not understood");
        Failure::Ours
    })
}

/// The bytes of a command.
pub(crate) fn written(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|error| {
        tracing::error!(%error, "a command cannot be written");
        Failure::Ours
    })
}

/// A path with what stands in it and behind it, encoded.
pub(crate) fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    match serde_urlencoded::to_string(pairs) {
        Ok(encoded) if !encoded.is_empty() => format!("{path}?{encoded}"),
        _ => path.to_owned(),
    }
}
