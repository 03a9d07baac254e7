//! How far the read models have come, told whenever that moves: a page knows then that it may look again.
//!
//! One look at the database serves all who listen in a process, and nobody listening means no looks. Nothing but positions goes out.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tact_service::{App, Caller, Permission, Problem};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// How often the read models are looked at while anybody listens: as often as listeners are told at most.
const LOOK: Duration = Duration::from_millis(300);
/// How often a listener is told that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many may listen at once.
const PLACES: usize = 1000;

/// What the listeners of a process share.
#[derive(Debug, Clone)]
pub struct Positions {
    stop: watch::Receiver<bool>,
    moved: Arc<watch::Sender<i64>>,
    places: Arc<Semaphore>,
}

impl Positions {
    /// For the listeners of one process, and what looks for them until it is told to stop.
    pub fn new(stop: watch::Receiver<bool>) -> Self {
        Self { stop, moved: Arc::new(watch::Sender::new(0)), places: Arc::new(Semaphore::new(PLACES)) }
    }

    /// Looks at the read models while anybody listens, until the process stops.
    pub async fn run(self, app: Arc<App>) {
        let mut stop = self.stop.clone();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            if self.moved.receiver_count() == 0 {
                continue;
            }
            // A database that is away is somebody else's alarm: listeners hear nothing new meanwhile.
            if let Ok(checkpoint) = app.read.checkpoint().await {
                self.moved.send_if_modified(|known| std::mem::replace(known, checkpoint.position) != checkpoint.position);
            }
        }
    }
}

/// One who listens.
struct Listener {
    stop: watch::Receiver<bool>,
    moved: watch::Receiver<i64>,
    told: Option<i64>,
    _place: OwnedSemaphorePermit,
}

/// Hear how far the read models have come
///
/// Server-sent events: `data` is a position, which answers and `at_least` speak of too; the first comes at once. An answer that is asked for
/// afterwards knows at least as much.
#[utoipa::path(
    get, path = "/v1/positions", tag = "contact",
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "Positions whenever they move, a few times a second at most, until the process stops."),
        (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem"),
    ),
)]
pub(crate) async fn positions(
    State(app): State<Arc<App>>,
    Extension(positions): Extension<Positions>,
    caller: Caller,
) -> Result<Response, Problem> {
    caller.may(Permission::SeeDirectory)?;
    let place =
        positions.places.clone().try_acquire_owned().map_err(|_| {
            Problem::unavailable(format!("{PLACES} are listening to this server already; ask again")).retry_after(30)
        })?;
    let moved = positions.moved.subscribe();
    // What was looked at last may be from when somebody listened before.
    let now = app.read.checkpoint().await.map_err(tact_service::app::database)?.position;
    let listener = Listener { stop: positions.stop.clone(), moved, told: None, _place: place };
    let body = futures::stream::unfold((listener, now), |(listener, at_first)| listener.next(at_first));
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Otherwise nginx keeps it back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

type Piece = Result<Bytes, std::convert::Infallible>;

impl Listener {
    /// The next piece of the answer; `None` at its end.
    async fn next(mut self, at_first: i64) -> Option<(Piece, (Self, i64))> {
        let Some(told) = self.told else { return Some(self.tell(at_first)) };
        let beat = tokio::time::sleep(HEARTBEAT);
        tokio::pin!(beat);
        loop {
            let at = *self.moved.borrow_and_update();
            // What was looked at before this listener came says nothing new.
            if at > told {
                return Some(self.tell(at));
            }
            let quiet = tokio::select! {
                changed = self.moved.changed() => changed.map(|()| false).ok()?,
                () = &mut beat => true,
                _ = self.stop.wait_for(|stop| *stop) => return None,
            };
            if quiet {
                return Some((Ok(Bytes::from_static(b": heartbeat\n\n")), (self, at_first)));
            }
        }
    }

    fn tell(mut self, at: i64) -> (Piece, (Self, i64)) {
        self.told = Some(at);
        (Ok(format!("event: position\ndata: {at}\n\n").into()), (self, at))
    }
}
