//! Takes connections and hands their requests to the routes, and lets nobody hold a connection for longer than [`Limits`] say: a client that
//! sends half a head, one that sends nothing, one that never hangs up when the process is to stop.
//!
//! It must never cut off a request whose answer is still being made before the time for it is up.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// For how long a client may hold a connection without getting on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the head of a request, counted from the end of the one before: so also how long a connection may be idle.
    pub head: Duration,
    /// For everything to end after the process is told to stop. What is left then is cut off.
    pub drain: Duration,
}

impl Default for Limits {
    /// Half a minute for a head; five seconds more than a request may take to stop.
    fn default() -> Self {
        Self { head: Duration::from_secs(30), drain: tact_service::app::REQUEST_WAIT + Duration::from_secs(5) }
    }
}

/// Serves until `stop` becomes true; returns when every connection has ended.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_ended) = connections.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((stream, client)) => {
                connections.spawn(connection(stream, client, router.clone(), limits, stop.clone()));
            }
            Err(error) => {
                // Most often too many open files: those under way will close some.
                tracing::warn!(%error, "a connection cannot be taken");
                let _ = tokio::time::timeout(Duration::from_millis(100), stop.wait_for(|stop| *stop)).await;
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "cut off what had not ended in time");
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, client: SocketAddr, router: Router, limits: Limits, mut stop: watch::Receiver<bool>) {
    // Answers are small and waited for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection cannot be set up");
    }
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(client));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {})) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(TokioIo::new(stream), service);
    let mut serving = std::pin::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => Some(ended),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
