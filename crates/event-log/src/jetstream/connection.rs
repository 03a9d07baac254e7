//! The connection to NATS: connecting with a bounded wait, requests with a bounded wait, and what an answer means.
//!
//! It must never hang: every request ends with an answer or an error after a stated time.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, Request, RequestErrorKind};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{JetStreamConfig, NatsLogin};
use crate::{LogError, MAX_EVENT_BYTES};

/// The oldest server that is safe: older ones let several writers win when there are replicas.
const OLDEST_SERVER: (i64, i64, i64) = (2, 14, 0);
/// Room for the headers beside an event of the largest size.
pub(super) const HEADER_ROOM: usize = 4096;

/// Whether we are connected, and how often we have lost the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    pub(super) up: bool,
    pub(super) losses: u64,
}

/// One connection, and the names of what we use over it.
pub(super) struct Link {
    pub(super) config: JetStreamConfig,
    pub(super) stream: String,
    pub(super) client: Client,
    /// Asks the stream's leader; used for nothing but single messages, since it decodes them.
    pub(super) leader: jetstream::stream::Stream<()>,
    pub(super) health: watch::Receiver<Health>,
}

/// Why a request of JetStream's API was not answered with what was asked.
#[derive(Debug)]
pub(super) enum ApiError {
    /// The server said no.
    Refused(Refusal),
    /// There was no answer, or it made no sense. Perhaps the request took effect.
    Silent(String),
    /// Nobody took the request.
    Absent,
}

impl ApiError {
    /// For the requests that change nothing, or whose repetition changes nothing.
    pub(super) fn unavailable(&self, what: &str) -> LogError {
        LogError::Unavailable(match self {
            Self::Refused(refusal) => format!("{what}: {refusal}"),
            Self::Silent(text) => format!("{what}: {text}"),
            Self::Absent => format!("{what}: JetStream has no leader for it at the moment"),
        })
    }
}

/// An error as JetStream answers it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (JetStream error {})", self.description, self.err_code)
    }
}

impl Link {
    /// Connects to one of the servers, trying until `deadline`.
    pub(super) async fn connect(config: JetStreamConfig, deadline: Instant) -> Result<Self, LogError> {
        let (health_sender, health) = watch::channel(Health { up: true, losses: 0 });
        let health_sender = std::sync::Arc::new(health_sender);
        let mut backoff = Backoff::until(deadline);
        let client = loop {
            let options = options(&config, health_sender.clone()).await?;
            let error = match tokio::time::timeout_at(deadline, options.connect(config.servers.clone())).await {
                Ok(Ok(client)) => break client,
                Ok(Err(error)) => error,
                Err(_elapsed) => return Err(nobody(&config, "no answer")),
            };
            match error.kind() {
                // Waiting does not mend these.
                ConnectErrorKind::ServerParse => return Err(LogError::Misfit(format!("{}: {error}", config.servers.join(", ")))),
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Tls => {
                    return Err(nobody(&config, &error.to_string()));
                }
                _ if backoff.pause().await => {}
                _ => return Err(nobody(&config, &error.to_string())),
            }
        };
        let (major, minor, patch) = OLDEST_SERVER;
        let info = client.server_info();
        if !client.is_server_compatible(major, minor, patch) {
            let found = &info.version;
            return Err(LogError::Misfit(format!(
                "NATS server {found} lets several writers win; {major}.{minor} or newer is needed"
            )));
        }
        if info.max_payload < MAX_EVENT_BYTES + HEADER_ROOM {
            let (found, needed) = (info.max_payload, MAX_EVENT_BYTES + HEADER_ROOM);
            return Err(LogError::Misfit(format!("the NATS server's max_payload is {found}, but must be at least {needed}")));
        }
        let mut context = jetstream::new(client.clone());
        context.set_timeout(config.answer_wait);
        let stream = config.stream_name();
        let leader =
            context.get_stream_no_info(&stream).await.map_err(|error| LogError::Misfit(format!("stream {stream}: {error}")))?;
        Ok(Self { config, stream, client, leader, health })
    }

    /// Asks JetStream's API once.
    pub(super) async fn ask(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let payload = if request.is_null() { Bytes::new() } else { Bytes::from(request.to_string()) };
        let message = self.request(format!("$JS.API.{operation}"), HeaderMap::new(), payload).await?;
        let mut answer: Value = serde_json::from_slice(&message.payload)
            .map_err(|error| ApiError::Silent(format!("an answer that is no JSON: {error}")))?;
        match answer.get_mut("error").map(Value::take) {
            None => Ok(answer),
            Some(error) => Err(ApiError::Refused(
                serde_json::from_value(error)
                    .map_err(|error| ApiError::Silent(format!("an error that cannot be read: {error}")))?,
            )),
        }
    }

    /// Asks JetStream's API until it has an answer or a refusal that time does not change, or `deadline` has passed.
    pub(super) async fn ask_until(&self, operation: &str, request: &Value, deadline: Instant) -> Result<Value, ApiError> {
        let mut backoff = Backoff::until(deadline);
        loop {
            if !self.is_up(deadline).await {
                return Err(ApiError::Silent("not connected".to_owned()));
            }
            match self.ask(operation, request).await {
                Err(ApiError::Refused(refusal)) if !passing(refusal.err_code) => return Err(ApiError::Refused(refusal)),
                Err(error) if !backoff.pause().await => return Err(error),
                Err(_passing) => {}
                Ok(answer) => return Ok(answer),
            }
        }
    }

    /// One request, and one answer within `answer_wait`.
    pub(super) async fn request(&self, subject: String, headers: HeaderMap, payload: Bytes) -> Result<Message, ApiError> {
        let mut request = Request::new().payload(payload).timeout(Some(self.config.answer_wait));
        if !headers.is_empty() {
            request = request.headers(headers);
        }
        self.client.send_request(subject, request).await.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => ApiError::Absent,
            RequestErrorKind::TimedOut => {
                ApiError::Silent(format!("no answer within {} s", self.config.answer_wait.as_secs_f32()))
            }
            _ => ApiError::Silent(error.to_string()),
        })
    }

    /// Waits until the connection is up; false if it is not at `deadline`, or does not come back within `answer_wait`: an election keeps
    /// answers waiting, but a cluster always has a server to connect to.
    pub(super) async fn is_up(&self, deadline: Instant) -> bool {
        if self.health.borrow().up {
            return true;
        }
        let deadline = deadline.min(Instant::now() + self.config.answer_wait);
        let mut health = self.health.clone();
        matches!(tokio::time::timeout_at(deadline, health.wait_for(|health| health.up)).await, Ok(Ok(_)))
    }

    /// When a call that begins now gives up.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.config.settle_wait
    }
}

/// Refusals that pass: no leader yet (10008, 10009), too few servers up (10005, 10074), a name taken by a creation under way (10143),
/// a consumer whose files are just being removed while its namesake is made (10012).
fn passing(err_code: u64) -> bool {
    matches!(err_code, 10005 | 10008 | 10009 | 10012 | 10074 | 10143)
}

fn nobody(config: &JetStreamConfig, why: &str) -> LogError {
    LogError::Unavailable(format!("NATS at {}: {why}", config.servers.join(", ")))
}

async fn options(config: &JetStreamConfig, health: std::sync::Arc<watch::Sender<Health>>) -> Result<ConnectOptions, LogError> {
    let mut options = ConnectOptions::new()
        .name("tact")
        .connection_timeout(config.answer_wait)
        // A server that hangs is given up after two missed answers; the default takes four minutes.
        .ping_interval(Duration::from_secs(2))
        .reconnect_delay_callback(|attempts| Duration::from_millis(50 * u64::try_from(attempts).unwrap_or(20).min(20)))
        .event_callback(move |event| {
            health.send_if_modified(|health| match event {
                Event::Disconnected | Event::Closed => {
                    health.losses += 1;
                    health.up = false;
                    true
                }
                Event::Connected => !std::mem::replace(&mut health.up, true),
                _ => false,
            });
            match event {
                Event::Connected => tracing::info!("connected to NATS"),
                event => tracing::warn!(%event, "NATS"),
            }
            async {}
        });
    options = match &config.login {
        NatsLogin::Anonymous => options,
        NatsLogin::Password { user, password } => options.user_and_password(user.clone(), password.clone()),
        NatsLogin::Credentials(path) => {
            let unreadable = |error| LogError::Misfit(format!("NATS credentials {}: {error}", path.display()));
            options.credentials_file(path).await.map_err(unreadable)?
        }
    };
    if let Some(path) = &config.root_certificates {
        options = options.add_root_certificates(path.clone());
    }
    Ok(options)
}

/// Pauses that grow from 10 ms to half a second, until a deadline.
pub(super) struct Backoff {
    pause: Duration,
    deadline: Instant,
}

impl Backoff {
    pub(super) fn until(deadline: Instant) -> Self {
        Self { pause: Duration::from_millis(10), deadline }
    }

    /// Waits a little; false, and at once, if the time is up.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place of the event log that waits for time to pass: between two attempts to reach NATS"
    )]
    pub(super) async fn pause(&mut self) -> bool {
        let now = Instant::now();
        if now >= self.deadline {
            return false;
        }
        tokio::time::sleep(self.pause.min(self.deadline - now)).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        true
    }
}
