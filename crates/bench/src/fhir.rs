//! FHIR NDJSON: reading and mapping a file against parsing the same lines with serde_json alone; and taking it in, end to end, against appending the
//! same events to the same kind of log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use tact::import::Progress;
use tact::import::fhir::write;
use tact_database::Target;
use tact_event_log::{EventLog, NewEvent, Position, SqliteLog, StreamId};
use tact_fhir::{Mapping, Place, Read, mapping, read_line};
use tact_intake::Stores;
use tact_personal::Personal;
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::transact::Transactor;

use crate::measure::{Sample, report, sample};

/// Streams that are appended to at the same time, as the intake does.
const AT_ONCE: usize = 512;
/// Visits of one patient.
const VISITS: usize = 20;

pub(crate) async fn run(pairs: usize, patients: usize) -> Result<()> {
    let mapping = mapping::parse(include_bytes!("../../../mappings/fhir-synthea.toml"))
        .ok()
        .context("the mapping that ships can be read")?;
    let lines = lines(patients);
    let mut reading = Vec::new();
    for _ in 0..pairs {
        let bare = sample(async { parsed(&lines) }).await?;
        let ours = sample(async { Ok(read(&lines, &mapping).len()) }).await?;
        reading.push((bare, ours));
    }
    report(&format!("FHIR NDJSON read and mapped, {} lines", lines.len()), 0.4, &reading);
    let mut whole = Vec::new();
    for _ in 0..pairs {
        let (ours, events) = taken_in(&lines, &mapping).await?;
        let bare = appended(&events).await?;
        whole.push((bare, ours));
    }
    report("FHIR NDJSON taken in, embedded SQLite, events", 0.7, &whole);
    Ok(())
}

/// Patients with their visits, one resource on each line, as other systems write them.
fn lines(patients: usize) -> Vec<String> {
    let mut lines = Vec::with_capacity(patients * (VISITS + 1));
    for patient in 0..patients {
        lines.push(format!(
            r#"{{"resourceType":"Patient","id":"p{patient}","text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Made for a measurement</div>"}},"identifier":[{{"system":"urn:bench","value":"{patient}"}}],"name":[{{"use":"official","family":"Person","given":["Number {patient}"]}}],"telecom":[{{"system":"phone","value":"+7 900 {patient:07}","use":"mobile"}}],"gender":"female","birthDate":"1956-08-03","address":[{{"line":["313 Some Road"],"city":"Peabody","state":"Massachusetts","postalCode":"01940","country":"US"}}],"communication":[{{"language":{{"coding":[{{"system":"urn:ietf:bcp:47","code":"en-US"}}],"text":"English"}}}}]}}"#
        ));
        for visit in 0..VISITS {
            let (year, month) = (2000 + visit, patient % 12 + 1);
            lines.push(format!(
                r#"{{"resourceType":"Encounter","id":"e{patient}-{visit}","status":"finished","class":{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}},"type":[{{"coding":[{{"system":"http://snomed.info/sct","code":"185345009","display":"Encounter for symptom"}}],"text":"Encounter for symptom"}}],"subject":{{"reference":"Patient/p{patient}"}},"participant":[{{"individual":{{"reference":"Practitioner/1"}}}}],"period":{{"start":"{year}-{month:02}-07T10:37:54+00:00","end":"{year}-{month:02}-07T10:52:54+00:00"}},"serviceProvider":{{"reference":"Organization/1"}}}}"#
            ));
        }
    }
    lines
}

fn parsed(lines: &[String]) -> Result<usize> {
    for line in lines {
        std::hint::black_box(serde_json::from_str::<serde_json::Value>(line)?);
    }
    Ok(lines.len())
}

fn read(lines: &[String], mapping: &Mapping) -> Vec<Read> {
    lines.iter().map(|line| read_line(line.as_bytes(), &Place::default(), mapping)).collect()
}

/// Takes all of it in; and the events that came of it, stream by stream.
async fn taken_in(lines: &[String], mapping: &Mapping) -> Result<(Sample, Vec<(StreamId, Vec<NewEvent>)>)> {
    let folder = tempfile::tempdir()?;
    let clock = Clock::by_hand("2026-03-02T09:00:00Z".parse()?);
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&folder.path().join("events.db"), "bench")?);
    let personal = Personal::open(&Target::sqlite(folder.path()), Duration::from_secs(5)).await?;
    let transactor = Transactor::new(log.clone(), "bench", clock.clone(), 100_000);
    let control = Control::new(log.clone(), "bench", clock);
    let keys = IdKey::new(&[7; 32]);
    let stores = Stores { transactor: &transactor, control: &control, personal: &personal, keys: &keys };
    let took = sample(async {
        let account = write(read(lines, mapping), mapping, stores, false, &Progress::hidden()).await?;
        Ok(account.events().values().sum::<u64>() as usize)
    })
    .await?;
    let mut streams: std::collections::HashMap<StreamId, Vec<NewEvent>> = std::collections::HashMap::new();
    let (head, mut at) = (log.head().await?, Position::START);
    let mut follow = log.follow("bench", Position::START).await?;
    while at < head {
        for stored in follow.next(5000, Duration::from_secs(10)).await?.events {
            at = stored.position;
            if matches!(stored.stream, StreamId::Patient(_)) {
                streams.entry(stored.stream).or_default().push(NewEvent { id: stored.id, bytes: stored.bytes });
            }
        }
    }
    Ok((took, streams.into_iter().collect()))
}

/// Appends the same events, as many streams at once.
async fn appended(streams: &[(StreamId, Vec<NewEvent>)]) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&folder.path().join("events.db"), "bench")?);
    let log = &log;
    sample(async {
        let appending: Vec<_> = streams
            .iter()
            .map(async |(stream, events)| {
                let mut after = Position::START;
                for event in events {
                    let new = NewEvent { id: event.id, bytes: event.bytes.clone() };
                    let tact_event_log::Append::Done(position) = log.append(*stream, after, new).await? else {
                        anyhow::bail!("nobody else appends")
                    };
                    after = position;
                }
                Ok::<_, anyhow::Error>(events.len())
            })
            .collect();
        let mut done = 0;
        let mut appending = futures::stream::iter(appending).buffer_unordered(AT_ONCE);
        while let Some(events) = appending.next().await {
            done += events?;
        }
        Ok(done)
    })
    .await
}
