//! The feed over HTTP, as server-sent events (WHATWG HTML, section 9.2): made from the log as it is asked for, from any place or time on.
//!
//! It must never hold more of the feed than one batch for a reader, however slowly they read, and never show a branch to whoever may not see it.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use tact_domain::{Branch, Time};
use tact_event_log::{EventLog, LogError, Position};
use tact_service::{App, Caller, Permission, Problem, Query};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use utoipa::IntoParams;

use crate::schema;
use crate::transform::{FeedEvent, Made, Scope, Transform};

/// How many events are read for a reader at once: a few hundred kilobytes.
const BATCH: usize = 256;
/// How often a reader is told that the connection lives, and is asked for the right to it anew, whether or not there is anything else to say.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How often the log is looked at without a word that it has grown: another process may fill the feed's stream.
const LOOK: Duration = Duration::from_secs(1);
/// How many may read at once.
const PLACES: usize = 200;
/// How far services' clocks may be apart: a time is looked for from so much earlier on. Twice ten minutes.
const APART: chrono::Duration = chrono::Duration::minutes(20);

/// What the readers of a process share.
#[derive(Debug, Clone)]
pub struct Live {
    /// True once the process is to stop.
    pub stop: watch::Receiver<bool>,
    /// How far the log has come, as the role knows it.
    pub head: watch::Receiver<Position>,
    places: Arc<Semaphore>,
}

impl Live {
    /// For the readers of one process.
    pub fn new(stop: watch::Receiver<bool>, head: watch::Receiver<Position>) -> Self {
        Self { stop, head, places: Arc::new(Semaphore::new(PLACES)) }
    }
}

/// Which part of the feed.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    /// Only what stands behind this position: the `id` of the last event that was read. The header `Last-Event-ID` says the same and goes before.
    #[param(example = "1042")]
    after: Option<String>,
    /// Only what was recorded from this time on.
    #[param(value_type = Option<String>, example = "2026-03-01T00:00:00Z")]
    from: Option<DateTime<Utc>>,
    /// Only these types, comma-separated.
    #[serde(rename = "type")]
    #[param(example = "contact.permitted,contact.refused")]
    kind: Option<String>,
    /// Only these areas, comma-separated: what stands before the dot of a type.
    #[param(example = "contact")]
    area: Option<String>,
    /// Only what was recorded at these branches, comma-separated.
    #[param(example = "north")]
    branch: Option<String>,
}

/// What somebody wants to see.
#[derive(Debug, Clone)]
struct Filter {
    from: Option<Time>,
    kinds: Vec<&'static str>,
    areas: Vec<&'static str>,
    branches: Vec<Branch>,
}

impl Filter {
    fn wants(&self, event: &FeedEvent) -> bool {
        self.from.is_none_or(|from| event.recorded_at >= from)
            && (self.kinds.is_empty() || self.kinds.contains(&&*event.kind))
            && (self.areas.is_empty() || self.areas.contains(&event.area()))
            && (self.branches.is_empty() || event.branch.as_ref().is_some_and(|branch| self.branches.contains(branch)))
    }
}

/// The words of a list that must all be known.
fn words(field: &'static str, text: Option<&str>, known: &[&'static str]) -> Result<Vec<&'static str>, Problem> {
    let each = text.into_iter().flat_map(|text| text.split(','));
    each.map(|word| {
        known.iter().copied().find(|known| *known == word).ok_or_else(|| {
            let shown: String = word.chars().take(80).collect();
            let hint = match tact_domain::nearest_word(word, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the feed has {}", known.join(", ")),
            };
            Problem::field(field, format!("`{shown}` is not in the feed; {hint}"))
        })
    })
    .collect()
}

/// Read the feed as server-sent events
#[utoipa::path(
    get, path = "/v1/feed", tag = "feed",
    params(("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was read: what stands behind it follows. \
        Browsers' `EventSource` sends it by itself after an interruption.", example = "1042"), Part),
    responses(
        (status = 200, content_type = "text/event-stream", body = String, description = "Events for ever: `id` is the position in the log, \
            `event` the type, `data` a CloudEvents 1.0 event in JSON, as /asyncapi.json describes it. Every event comes at least once, in order."),
        (status = "4XX", description = "RFC 9457 problem"),
    ),
)]
pub(crate) async fn feed(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(part): Query<Part>,
    Extension(live): Extension<Live>,
    parts: Parts,
) -> Result<Response, Problem> {
    caller.may(Permission::ReadFeed)?;
    let filter = Filter {
        from: part.from,
        kinds: words("type", part.kind.as_deref(), &schema::feed_kinds())?,
        areas: words("area", part.area.as_deref(), &schema::feed_areas())?,
        branches: branches(&app, &caller, part.branch.as_deref()).await?,
    };
    let log = app.transactor.log().clone();
    let after = match position(&parts.headers, part.after.as_deref())? {
        Some(after) => {
            let head = log.head().await?;
            if after > head {
                return Err(Problem::field(
                    "after",
                    format!("{after} lies behind the log's end, {head}: it is another log's position"),
                ));
            }
            after
        }
        None => match part.from {
            Some(from) => before(&*log, from).await?,
            None => Position::START,
        },
    };
    let place = live.places.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable(format!("{PLACES} are reading the feed from this server already; ask again, or read it on NATS"))
            .retry_after(30)
    })?;
    let transform = Transform::new(&app.network, app.keys.clone());
    let reader = Reader {
        app,
        caller,
        parts,
        log,
        transform,
        filter,
        after,
        told: after,
        live,
        ready: VecDeque::new(),
        beat: Instant::now(),
        _place: place,
    };
    let body = futures::stream::try_unfold(reader, Reader::next);
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Otherwise nginx keeps it back until its buffer is full.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

async fn branches(app: &App, caller: &Caller, text: Option<&str>) -> Result<Vec<Branch>, Problem> {
    let mut branches = Vec::new();
    for word in text.into_iter().flat_map(|text| text.split(',')) {
        let branch: Branch = word.parse().map_err(|error: tact_domain::BadCode| Problem::field("branch", error.to_string()))?;
        app.branch("branch", &branch).await?;
        caller.at(&branch)?;
        branches.push(branch);
    }
    Ok(branches)
}

fn position(headers: &HeaderMap, after: Option<&str>) -> Result<Option<Position>, Problem> {
    // A client that has read nothing yet may send it empty.
    let last = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?")).filter(|text| !text.is_empty());
    let Some((name, text)) = last.map(|text| ("Last-Event-ID", text)).or(after.map(|text| ("after", text))) else {
        return Ok(None);
    };
    let shown: String = text.chars().take(80).collect();
    text.parse()
        .map(Some)
        .map_err(|_| Problem::field(name, format!("`{shown}` is not a position; use the `id` of an event of the feed")))
}

/// The latest position that is sure to lie before everything recorded at or after a time, found by halving: the times at which events were
/// recorded grow with the log, but for how far the services' clocks are apart.
async fn before(log: &dyn EventLog, time: Time) -> Result<Position, LogError> {
    let Some(time) = time.checked_sub_signed(APART) else { return Ok(Position::START) };
    let (mut low, mut high) = (0, log.head().await?.to_stored());
    while low < high {
        let middle = low + (high - low) / 2;
        let found = log.read_all(Position::from_stored(middle), 1).await?;
        let recorded = found.first().and_then(|stored| schema::recorded_at(&stored.bytes));
        // One that cannot be read says nothing: what is before it is looked at then.
        if recorded.is_some_and(|recorded| recorded < time) { low = middle + 1 } else { high = middle }
    }
    Ok(Position::from_stored(low))
}

/// One who reads.
struct Reader {
    app: Arc<App>,
    caller: Caller,
    parts: Parts,
    log: Arc<dyn EventLog>,
    transform: Transform,
    filter: Filter,
    /// What has been read from the log.
    after: Position,
    /// The position that the reader was told last.
    told: Position,
    live: Live,
    ready: VecDeque<Bytes>,
    /// When the right to read was last asked for.
    beat: Instant,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// The next piece of the answer; `None` at its end. It is asked for only when the one before has gone out.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, LogError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some((piece, self)));
            }
            if *self.live.stop.borrow() {
                return Ok(None);
            }
            if self.beat.elapsed() >= HEARTBEAT {
                // The token may have been taken back, or run out.
                let known = Caller::from_request_parts(&mut self.parts, &self.app).await;
                match known {
                    Ok(caller) if caller.may(Permission::ReadFeed).is_ok() => self.caller = caller,
                    _ => return Ok(None),
                }
                return Ok(Some((self.heartbeat(), self)));
            }
            let seen = *self.live.head.borrow_and_update();
            let events = self.log.read_all(self.after, BATCH).await?;
            let Some(last) = events.last().map(|stored| stored.position) else {
                let wait = LOOK.min(HEARTBEAT.saturating_sub(self.beat.elapsed()));
                let head = &mut self.live.head;
                let more = async {
                    if head.wait_for(|head| *head > seen).await.is_err() {
                        // The role has ended; the log is looked at all the same until the process does.
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    _ = tokio::time::timeout(wait, more) => {}
                    _ = self.live.stop.wait_for(|stop| *stop) => {}
                }
                continue;
            };
            let (caller, whole) = (self.caller.clone(), self.caller.covers_all());
            let covers = move |branch: &Branch| caller.covers(branch);
            let scope: Option<Scope<'_>> = if whole { None } else { Some(&covers) };
            for stored in &events {
                if let Made::Event(event) = self.transform.make_for(stored, scope)
                    && self.filter.wants(&event)
                {
                    self.told = event.position;
                    self.ready.push_back(piece(&event));
                }
            }
            self.after = last;
        }
    }

    /// A comment, and how far the feed has come although nothing of it was wanted: an `id` alone is remembered by the reader and shown to nobody.
    fn heartbeat(&mut self) -> Bytes {
        self.beat = Instant::now();
        if self.told == self.after {
            return Bytes::from_static(b": heartbeat\n\n");
        }
        self.told = self.after;
        format!(": heartbeat\nid: {}\n\n", self.after).into()
    }
}

fn piece(event: &FeedEvent) -> Bytes {
    let mut text = String::with_capacity(event.bytes.len() + 96);
    // JSON as we write it has no line breaks.
    let _ = write!(text, "id: {}\nevent: {}\ndata: ", event.position, event.kind);
    text.push_str(std::str::from_utf8(&event.bytes).unwrap_or_default());
    text.push_str("\n\n");
    text.into()
}
