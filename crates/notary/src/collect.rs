//! Everything that a history holds, read from the log and the ledger: against one checkpoint, or again from the beginning if the logs have
//! grown meanwhile.

use std::collections::BTreeSet;

use serde_json::value::RawValue;
use tact_domain::Time;
use tact_domain::envelope::Recorded;
use tact_domain::patient::Event;
use tact_event_log::{Freshness, Position, Stored, StreamId};
use tact_evidence::file::{Consistency, EventPart, History, Line, Place, SignedNote, StreamEnd, StreamPart, Writer};
use tact_evidence::note::PrivateKey;
use tact_ledger::{ProofError, Published};
use tact_service::app::database;
use tact_service::{App, Problem};
use uuid::Uuid;

/// How long the newest events may wait to be covered by a checkpoint.
const COVERED: std::time::Duration = std::time::Duration::from_secs(5);
/// How often it begins again while the logs grow.
const TRIES: usize = 20;

/// One stream with its proofs.
pub(crate) struct StreamWith {
    pub(crate) name: String,
    pub(crate) events: Vec<Stored>,
    ends: Vec<StreamEnd>,
    places: Vec<Place>,
}

impl StreamWith {
    /// How many of its events the checkpoint covers.
    pub(crate) fn covered(&self) -> u64 {
        self.places.len() as u64
    }
}

/// What a history holds.
pub(crate) struct Collected {
    pub(crate) published: Published,
    successions: Vec<String>,
    consistency: Vec<Consistency>,
    /// The policies first, then the patient, then those who were merged into them.
    pub(crate) streams: Vec<StreamWith>,
}

async fn stream(app: &App, id: StreamId) -> Result<Vec<Stored>, Problem> {
    Ok(app.transactor.log().read_stream(id, Position::START, Freshness::Latest).await?)
}

/// Only what was recorded before a moment: events are recorded in order.
fn before(mut events: Vec<Stored>, until: Option<Time>) -> Vec<Stored> {
    if let Some(until) = until {
        let recorded_at =
            |stored: &Stored| Recorded::<Event>::read(&stored.bytes).map(|recorded| recorded.envelope.recorded_at).ok();
        let kept = events.iter().take_while(|stored| recorded_at(stored).is_none_or(|at| at < until)).count();
        events.truncate(kept);
    }
    events
}

/// Reads the streams that belong to a patient's history.
async fn streams(app: &App, patient: Uuid, until: Option<Time>) -> Result<Vec<(String, Vec<Stored>)>, Problem> {
    let mut found = vec![("policy".to_owned(), stream(app, StreamId::Policy).await?)];
    let (mut seen, mut next) = (BTreeSet::from([patient]), vec![patient]);
    while let Some(id) = next.pop() {
        let events = before(stream(app, StreamId::Patient(id)).await?, until);
        for stored in &events {
            if let Ok(Recorded { event: Event::Absorbed(e), .. }) = Recorded::<Event>::read(&stored.bytes)
                && seen.insert(e.from)
            {
                next.push(e.from);
            }
        }
        found.push((id.to_string(), events));
    }
    Ok(found)
}

/// Collects a history. `kept` are sizes of logs, by their names, whose continuation is to be proved.
///
/// # Errors
/// A problem, also while nothing has been signed yet.
pub(crate) async fn collect(app: &App, patient: Uuid, until: Option<Time>, kept: &[(String, u64)]) -> Result<Collected, Problem> {
    let streams = streams(app, patient, until).await?;
    let last = streams.iter().flat_map(|(_, events)| events.last()).map(|stored| stored.position).max().unwrap_or_default();
    // What is not covered in time is named as not covered: a history is not withheld for it.
    app.ledger.wait_for(last, COVERED).await.map_err(database)?;
    for _ in 0..TRIES {
        let Some(published) = app.ledger.latest().await.map_err(database)? else {
            return Err(Problem::unavailable("nothing has been signed yet; ask again in a moment").retry_after(2));
        };
        match against(app, &published, &streams, kept).await {
            Ok(collected) => return Ok(collected),
            Err(ProofError::Grown) => tokio::task::yield_now().await,
            Err(ProofError::Database(error)) => return Err(database(error)),
            Err(error @ ProofError::Damaged(_)) => return Err(Problem::hidden(error)),
        }
    }
    Err(Problem::unavailable("the log grows too fast for a history to be proved right now; ask again").retry_after(5))
}

async fn against(
    app: &App,
    published: &Published,
    streams: &[(String, Vec<Stored>)],
    kept: &[(String, u64)],
) -> Result<Collected, ProofError> {
    let mut with = Vec::with_capacity(streams.len());
    for (name, events) in streams {
        let (ends, places) = app.ledger.prove(published, name, events).await?;
        with.push(StreamWith { name: name.clone(), events: events.clone(), ends, places });
    }
    let mut consistency = Vec::new();
    for (log, stated) in published.logs_stated()?.into_iter().enumerate() {
        let name = stated.log.to_string();
        for (_, size) in kept.iter().filter(|(kept, size)| *kept == name && *size <= stated.size) {
            let proof = app.ledger.prove_consistency(published, log, *size).await?;
            consistency.push(Consistency { log, size: *size, proof });
        }
    }
    let successions = app.ledger.keys().await?.into_iter().filter_map(|(_, succession)| succession).collect();
    Ok(Collected { published: published.clone(), successions, consistency, streams: with })
}

impl Collected {
    /// How many events of the patient, and of those who were merged into them, it holds.
    pub(crate) fn events(&self) -> u64 {
        self.streams.iter().skip(1).map(|stream| stream.events.len() as u64).sum()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// Whatever cannot be written; bytes of an event that are no JSON.
    pub(crate) fn write(
        &self,
        history: History,
        person: Option<serde_json::Map<String, serde_json::Value>>,
        key: &PrivateKey,
    ) -> std::io::Result<Vec<u8>> {
        let (network, patient) = (history.network.clone(), history.patient);
        let mut writer = Writer::new(Vec::new());
        writer.line(&Line::History(history))?;
        let note = |note: &String| SignedNote { note: note.clone() };
        for succession in &self.successions {
            writer.line(&Line::Succession(note(succession)))?;
        }
        writer.line(&Line::Checkpoint(note(&self.published.network)))?;
        for log in &self.published.logs {
            writer.line(&Line::Log(note(log)))?;
        }
        for consistency in &self.consistency {
            writer.line(&Line::Consistency(consistency.clone()))?;
        }
        for stream in &self.streams {
            writer.line(&Line::Stream(StreamPart { stream: stream.name.clone(), ends: stream.ends.clone() }))?;
            let mut places = stream.places.iter();
            for stored in &stream.events {
                let event: &RawValue = serde_json::from_slice(&stored.bytes)?;
                // Space around it would be lost, and with it the hash.
                if event.get().len() != stored.bytes.len() {
                    return Err(std::io::Error::other("an event is not written as events are"));
                }
                writer.line(&Line::Event(EventPart { place: places.next().cloned(), event }))?;
            }
        }
        if let Some(person) = person {
            writer.line(&Line::Person(person))?;
        }
        writer.end(&network, patient, key)
    }
}
