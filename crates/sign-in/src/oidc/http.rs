//! Requests to the identity provider: few, small, and never without TLS but on this host.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

/// How long one request may take. Five of them must fit into the time of ours.
const WAIT: Duration = Duration::from_secs(5);

/// The most of an answer that is read, in bytes.
const LONGEST_ANSWER: usize = 256 * 1024;

/// The client of the identity provider.
#[derive(Debug)]
pub(super) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// Whether addresses on this host need no TLS.
    allow_http: bool,
}

/// Whether an address has TLS, or needs none.
pub(super) fn is_safe(url: &str, allow_http: bool) -> bool {
    let Ok(url) = url.parse::<hyper::Uri>() else { return false };
    let Some(host) = url.host() else { return false };
    let here = host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    match url.scheme_str() {
        Some("https") => true,
        Some("http") => allow_http && here,
        _ => false,
    }
}

impl Http {
    /// A client that believes this host's certificates of authorities.
    ///
    /// # Errors
    /// There are none, and TLS is needed.
    pub(super) fn new(allow_http: bool) -> Result<Self, std::io::Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(WAIT));
        let https = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(https) => https,
            // What is asked without TLS needs none.
            Err(_) if allow_http => HttpsConnectorBuilder::new().with_tls_config(without_roots()),
            Err(error) => return Err(error),
        };
        let connector = https.https_or_http().enable_http1().wrap_connector(http);
        Ok(Self { client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector), allow_http })
    }

    /// Reads a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, String> {
        let request = Request::builder().method(Method::GET).uri(url).header(header::ACCEPT, "application/json");
        let (status, body) = self.ask(url, request.body(Full::default())).await?;
        if status != StatusCode::OK {
            return Err(format!("{url} answers {status}"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{url} answers what cannot be read: {error}"))
    }

    /// Sends a form, with the value of `Authorization` if there is one.
    pub(super) async fn post(
        &self,
        url: &str,
        form: String,
        authorization: Option<String>,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::builder().method(Method::POST).uri(url).header(header::ACCEPT, "application/json");
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.ask(url, request.body(Full::from(form))).await
    }

    async fn ask(&self, url: &str, request: hyper::http::Result<Request<Full<Bytes>>>) -> Result<(StatusCode, Bytes), String> {
        if !is_safe(url, self.allow_http) {
            return Err(format!("{url} is not an address with TLS"));
        }
        let request = request.map_err(|error| format!("{url} cannot be asked: {error}"))?;
        let asking = async {
            let response = self.client.request(request).await.map_err(|error| format!("{url} cannot be reached: {error}"))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await;
            Ok((status, body.map_err(|error| format!("{url} breaks off: {error}"))?.to_bytes()))
        };
        tokio::time::timeout(WAIT, asking)
            .await
            .unwrap_or_else(|_| Err(format!("{url} does not answer within {} s", WAIT.as_secs())))
    }
}

fn without_roots() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.expect("the provider has what TLS 1.3 needs");
    builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}
