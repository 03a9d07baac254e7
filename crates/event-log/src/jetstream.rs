//! The event log on NATS JetStream: one stream for the network, one literal subject for each of its streams of events.
//!
//! It must never publish without an expected last sequence of that very subject, never leave an acknowledgement unread,
//! and never need the right to change, purge or delete a stream.
//!
//! Positions are JetStream's stream sequences. Nothing is ever deleted from the stream, so they have no gaps, and a gap that
//! a reader sees means that messages were lost on the way.

mod append;
mod connection;
pub mod feed;
mod follow;
mod provision;
mod read;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Append, EventLog, Follow, Freshness, LogError, NewEvent, Position, Stored, StreamId, check_follow_start, check_reader_name,
    check_size,
};
use connection::Link;

/// Where the log is, whose it is, and how long to wait for it.
#[derive(Clone)]
pub struct JetStreamConfig {
    /// Addresses such as `nats://10.0.0.1:4222`; any one of them leads to the whole cluster. `tls://` demands encryption.
    pub servers: Vec<String>,
    /// The network's name, the first token of every subject: 1 to 32 letters, digits, `-` and `_`.
    pub network: String,
    /// The JetStream stream; `None` derives `tact-<network>`.
    pub stream: Option<String>,
    /// Copies of each event, 1, 3 or 5. A stream with fewer is refused.
    pub replicas: usize,
    /// Stop taking events at this many bytes; `None` for as much as the disk holds. Only used when the stream is created.
    pub max_bytes: Option<u64>,
    /// Whether to make the stream if it is not there. Whoever only reads has nothing to find in a new one.
    pub create: bool,
    /// Who we are to the NATS servers.
    pub login: NatsLogin,
    /// A file of certificates in PEM that sign the servers' certificates; `None` for the machine's own.
    pub root_certificates: Option<PathBuf>,
    /// How long [`open_jetstream`] waits for the servers.
    pub connect_wait: Duration,
    /// How long one request waits for its answer before it is asked again.
    pub answer_wait: Duration,
    /// How long a call goes on asking before it gives up: an append with [`LogError::InDoubt`] or [`LogError::Unavailable`].
    /// Longer than the election of a new leader, some ten seconds.
    pub settle_wait: Duration,
}

/// Who we are to the NATS servers.
#[derive(Clone, Default)]
pub enum NatsLogin {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A user of the servers' configuration.
    Password {
        /// The user's name.
        user: String,
        /// The user's password.
        password: String,
    },
    /// A file that holds a user's JWT and seed.
    Credentials(PathBuf),
}

impl JetStreamConfig {
    /// Anonymous, one replica, and waits that suit a cluster on one continent: 30 s to connect, 5 s for an answer, 20 s in all.
    pub fn new(network: impl Into<String>, servers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            servers: servers.into_iter().map(Into::into).collect(),
            network: network.into(),
            stream: None,
            replicas: 1,
            max_bytes: None,
            create: true,
            login: NatsLogin::Anonymous,
            root_certificates: None,
            connect_wait: Duration::from_secs(30),
            answer_wait: Duration::from_secs(5),
            settle_wait: Duration::from_secs(20),
        }
    }

    /// The JetStream stream's name.
    pub fn stream_name(&self) -> String {
        self.stream.clone().unwrap_or_else(|| format!("tact-{}", self.network))
    }

    fn check(&self) -> Result<(), LogError> {
        let token = |text: &str, most: usize| {
            (1..=most).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if !token(&self.network, 32) {
            return Err(LogError::Misfit(format!(
                "the network's name {:?} is not 1 to 32 letters, digits, - and _",
                self.network
            )));
        }
        if !token(&self.stream_name(), 64) {
            return Err(LogError::Misfit(format!(
                "the stream's name {:?} is not 1 to 64 letters, digits, - and _",
                self.stream_name()
            )));
        }
        if !(1..=5).contains(&self.replicas) {
            return Err(LogError::Misfit(format!("{} replicas are not possible, only 1 to 5", self.replicas)));
        }
        if self.servers.is_empty() {
            return Err(LogError::Misfit("no NATS server is named".into()));
        }
        Ok(())
    }
}

impl fmt::Debug for JetStreamConfig {
    /// Without the login: this ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamConfig")
            .field("network", &self.network)
            .field("stream", &self.stream_name())
            .field("replicas", &self.replicas)
            .finish_non_exhaustive()
    }
}

/// An event log on NATS JetStream. Clones share one connection, which finds its way back by itself after any interruption.
#[derive(Clone)]
pub struct JetStreamLog {
    link: Arc<Link>,
}

impl fmt::Debug for JetStreamLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JetStreamLog").field("config", &self.link.config).finish_non_exhaustive()
    }
}

/// Connects, makes the stream if it is not there and [`JetStreamConfig::create`] says so, and checks it if it is.
///
/// # Errors
/// [`LogError::Unavailable`] if no server answered within [`JetStreamConfig::connect_wait`], or refused us;
/// [`LogError::Misfit`] if the configuration, the server's version or the existing stream would lose events; the message names the
/// field and what it should be.
pub async fn open_jetstream(config: JetStreamConfig) -> Result<JetStreamLog, LogError> {
    config.check()?;
    let deadline = tokio::time::Instant::now() + config.connect_wait;
    let link = Link::connect(config, deadline).await?;
    provision::ensure_stream(&link, deadline).await?;
    Ok(JetStreamLog { link: Arc::new(link) })
}

#[async_trait]
impl EventLog for JetStreamLog {
    async fn append(&self, stream: StreamId, after: Position, event: NewEvent) -> Result<Append, LogError> {
        check_size(&event)?;
        append::append(&self.link, stream, after, event).await
    }

    async fn read_stream(&self, stream: StreamId, after: Position, fresh: Freshness) -> Result<Vec<Stored>, LogError> {
        read::stream(&self.link, stream, after, fresh).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        read::head(&self.link).await
    }

    async fn follow(&self, name: &str, after: Position) -> Result<Box<dyn Follow>, LogError> {
        check_reader_name(name)?;
        check_follow_start(after, read::head(&self.link).await?)?;
        let mut follow = follow::JetStreamFollow::new(self.link.clone(), name, after);
        follow.take_over().await?;
        Ok(Box::new(follow))
    }

    async fn read_all(&self, after: Position, max: usize) -> Result<Vec<Stored>, LogError> {
        read::all(&self.link, after, max).await
    }

    async fn announce(&self, topic: &str, bytes: Bytes) -> Result<(), LogError> {
        let subject = format!("{}.{topic}", self.link.config.network);
        self.link.client.publish(subject, bytes).await.map_err(|error| LogError::Unavailable(error.to_string()))
    }
}
