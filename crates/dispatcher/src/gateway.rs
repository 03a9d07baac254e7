//! One gateway: what it is asked, what its answers mean, and how much it is asked at once. The protocol is docs/GATEWAY.md.
//!
//! A request to send is made once. Everything about its answer that is not clear is [`Sent::Doubt`], and is settled by asking; it must never be
//! settled by sending again.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::{Deserialize, Serialize};
use tact_domain::{Channel, Time};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use uuid::Uuid;

use crate::signing::Secrets;
use crate::status::Status;

/// The most of an answer that is read, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;

/// How long a gateway is left alone after it said that it has too much to do and not for how long, or that it does not know our signature.
const LEFT_ALONE: Duration = Duration::from_secs(10);
/// The longest that it may ask to be left alone.
const LONGEST_ALONE: Duration = Duration::from_secs(300);

/// What a gateway is to send.
#[derive(Serialize)]
pub struct Message {
    /// The message, which is the contact.
    pub id: Uuid,
    /// How: `auto_call`, `sms`, `email` or `messenger`.
    pub channel: Channel,
    /// The number, `+` and digits; for e-mail the address.
    pub to: String,
    /// For e-mail: the subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What is written, or read out to whoever answers.
    pub text: String,
    /// For calls: what is said to a machine; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voicemail: Option<String>,
    /// The text's language, a BCP 47 tag.
    pub language: String,
    /// The moment from which it must not be sent any more.
    pub valid_until: Time,
    /// Where the gateway tells what became of it.
    pub callback_url: String,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({}, the rest hidden)", self.id)
    }
}

/// What a gateway says of a message, in an answer or in a callback.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Told {
    #[serde(default)]
    pub(crate) status: Option<String>,
    #[serde(default)]
    pub(crate) at: Option<Time>,
    #[serde(default)]
    pub(crate) error: Option<serde_json::Value>,
}

/// What became of a request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The gateway has it, and may say already what became of it.
    Taken(Status, Time),
    /// The gateway refuses it for good: it was not sent, and will not be.
    Refused,
    /// It did not reach the gateway, or was not taken by it: by proof. It may be tried again after so long.
    NotTaken(Duration),
    /// Nobody knows: it must be asked for.
    Doubt,
}

/// What a gateway says when it is asked about a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// It has it.
    Status(Status, Time),
    /// It has never had it.
    Unknown,
    /// It has never had it, and will refuse it from now on.
    Void,
    /// It did not say.
    Silent,
}

/// A gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Its name in the dispatch file.
    pub name: String,
    /// What it serves.
    pub channels: Vec<Channel>,
    /// How many requests it is given at once.
    pub concurrency: usize,
    url: String,
    secrets: Secrets,
    timeout: Duration,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    room: Semaphore,
    alone_until: Mutex<Option<Instant>>,
}

/// Why an address is none for a gateway.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// It is no address.
    #[error("`{0}` is not an address; write one such as `https://gateway.example/tact`")]
    NoUrl(String),
    /// It would send numbers and texts over a network in the clear.
    #[error("`{0}` has no TLS: numbers and texts would be readable on their way; write https, or a gateway on this host")]
    Clear(String),
    /// Nobody could tell the gateway from somebody who says that they are it.
    #[error(
        "`{0}`: this host has no certificates of authorities ({1}); install `ca-certificates`, or name a file in SSL_CERT_FILE"
    )]
    NoRoots(String, String),
}

impl Gateway {
    /// A gateway at an address. Without TLS it must be on this host, unless `clear` allows it.
    ///
    /// # Errors
    /// [`BadUrl`]; or no certificates of authorities can be read on this host.
    pub fn new(
        name: &str,
        url: &str,
        clear: bool,
        channels: Vec<Channel>,
        secrets: Secrets,
        concurrency: usize,
        timeout: Duration,
    ) -> Result<Self, BadUrl> {
        let url = url.trim_end_matches('/').to_owned();
        let parsed: hyper::Uri = url.parse().map_err(|_| BadUrl::NoUrl(url.clone()))?;
        let host = parsed.host().ok_or_else(|| BadUrl::NoUrl(url.clone()))?;
        let here =
            host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        match parsed.scheme_str() {
            Some("https") => {}
            Some("http") if here || clear => {}
            Some("http") => return Err(BadUrl::Clear(url)),
            _ => return Err(BadUrl::NoUrl(url)),
        }
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(timeout));
        let https = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(https) => https,
            Err(error) if parsed.scheme_str() == Some("https") => return Err(BadUrl::NoRoots(url, error.to_string())),
            // What is asked without TLS needs none.
            Err(_) => HttpsConnectorBuilder::new().with_tls_config(without_roots()),
        };
        let connector = https.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(concurrency)
            .build(connector);
        Ok(Self {
            name: name.to_owned(),
            channels,
            concurrency,
            url,
            secrets,
            timeout,
            client,
            room: Semaphore::new(concurrency),
            alone_until: Mutex::new(None),
        })
    }

    /// The secrets shared with it, by which its callbacks are known.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// How long one request may take.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How much more it may be given now: nothing while it wishes to be left alone.
    pub(crate) fn free(&self) -> usize {
        if self.alone_for().is_some() { 0 } else { self.room.available_permits() }
    }

    fn alone_for(&self) -> Option<Duration> {
        let until = (*self.alone_until.lock().unwrap_or_else(PoisonError::into_inner))?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn leave_alone(&self, wait: Duration) {
        *self.alone_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
    }

    async fn room(&self) -> Option<SemaphorePermit<'_>> {
        self.room.acquire().await.ok()
    }

    /// Hands a message over, once. `now` is what the signature says.
    pub async fn send(&self, message: &Message, now: Time) -> Sent {
        let Ok(body) = serde_json::to_vec(message) else { return Sent::Refused };
        self.hand_over(&message.id.to_string(), body.into(), now).await
    }

    /// The same with a body that is written already.
    pub async fn hand_over(&self, id: &str, body: Bytes, now: Time) -> Sent {
        let Some(_room) = self.room().await else { return Sent::NotTaken(LEFT_ALONE) };
        let answer = self.ask(Method::POST, &format!("{}/messages", self.url), id, body, now).await;
        let (status, wait, told) = match answer {
            Ok(answer) => answer,
            Err(Broken::BeforeSending) => return Sent::NotTaken(Duration::from_secs(1)),
            Err(Broken::Somewhere) => return Sent::Doubt,
        };
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                let wait = wait.unwrap_or(LEFT_ALONE).min(LONGEST_ALONE);
                self.leave_alone(wait);
                Sent::NotTaken(wait)
            }
            // It has this id already, or will not have it any more: what became of it, it says when asked.
            StatusCode::CONFLICT | StatusCode::GONE | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Sent::Doubt,
            status if status.is_client_error() => {
                if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                    // Everything else would be refused too.
                    self.leave_alone(LEFT_ALONE);
                }
                tracing::warn!(gateway = %self.name, message = id, %status, "a gateway refuses a message");
                Sent::Refused
            }
            status if status.is_success() => match told {
                Some(Told { status: None, error: None, .. }) => Sent::Taken(Status::Accepted, now),
                Some(Told { status: Some(word), .. }) if word == "refused" => Sent::Refused,
                Some(Told { status: Some(word), error: None, at }) => match word.parse() {
                    Ok(status) => Sent::Taken(status, at.unwrap_or(now)),
                    Err(_) => Sent::Doubt,
                },
                _ => Sent::Doubt,
            },
            _ => Sent::Doubt,
        }
    }

    /// Asks what became of a message.
    pub async fn status(&self, id: Uuid, now: Time) -> Known {
        self.about(Method::GET, "status", id, now).await
    }

    /// Has the gateway promise that it has never had a message and will refuse it if it still comes.
    pub async fn void(&self, id: Uuid, now: Time) -> Known {
        self.about(Method::DELETE, "void", id, now).await
    }

    async fn about(&self, method: Method, what: &str, id: Uuid, now: Time) -> Known {
        let Some(_room) = self.room().await else { return Known::Silent };
        let url = format!("{}/messages/{id}", self.url);
        // The method stands in the signed id, so that a question that is caught cannot be sent again as a voiding.
        let answer = self.ask(method, &url, &format!("{what}_{id}"), Bytes::new(), now).await;
        let Ok((status, _, Some(told))) = answer else { return Known::Silent };
        match (told.status.as_deref(), told.error) {
            (Some("unknown"), None) if status == StatusCode::NOT_FOUND => Known::Unknown,
            (Some("void"), None) if status.is_success() || status == StatusCode::GONE => Known::Void,
            (Some(word), None) if status.is_success() => {
                word.parse().map_or(Known::Silent, |status| Known::Status(status, told.at.unwrap_or(now)))
            }
            _ => Known::Silent,
        }
    }

    async fn ask(
        &self,
        method: Method,
        url: &str,
        id: &str,
        body: Bytes,
        now: Time,
    ) -> Result<(StatusCode, Option<Duration>, Option<Told>), Broken> {
        let mut request = Request::builder().method(method).uri(url).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in self.secrets.sign(id, now, &body) {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(body)).map_err(|_| Broken::BeforeSending)?;
        let asking = async {
            let response = self.client.request(request).await.map_err(|error| {
                // Only what fails before there is a connection has surely not been sent.
                if error.is_connect() { Broken::BeforeSending } else { Broken::Somewhere }
            })?;
            let status = response.status();
            let seconds = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            // Cut off in the middle, an answer says nothing.
            let body =
                Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.map_err(|_| Broken::Somewhere)?.to_bytes();
            Ok((status, seconds.map(Duration::from_secs), told(&body)))
        };
        tokio::time::timeout(self.timeout, asking).await.unwrap_or(Err(Broken::Somewhere))
    }
}

/// Where a request broke off.
enum Broken {
    BeforeSending,
    Somewhere,
}

/// What a body says; one that is empty says nothing, and one that is no JSON object is not understood.
fn told(body: &[u8]) -> Option<Told> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Some(Told { status: None, at: None, error: None });
    }
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// TLS that trusts nobody.
fn without_roots() -> rustls::ClientConfig {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.expect("the provider has what TLS 1.3 needs");
    builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth()
}
