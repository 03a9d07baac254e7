//! One patient's history from cold against the bare read, the size of a cached patient, and the size of an idle server.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::ValueEnum;
use futures::StreamExt;
use tact::roles::{self, Role};
use tact::settings::{Settings, Storage};
use tact_event_log::{EventLog, MemoryLog, StreamId};
use tact_service::clock::Clock;
use tact_service::transact::Transactor;

use crate::jetstream::{network, server};
use crate::measure::{report, sample};
use crate::work::{BEFORE, COMMANDS, Work, before, prepare, step};

/// How often one patient is read in one sample.
const READS: usize = 2000;

/// How many events that patient has.
const EVENTS: usize = 20;

pub(crate) async fn run(work: &Work, pairs: usize) -> Result<()> {
    history(work, pairs).await?;
    cached(work).await?;
    idle().await
}

async fn history(work: &Work, pairs: usize) -> Result<()> {
    let nats = server(false).await?;
    let (name, log) = network(&nats).await?;
    let (control, clock) = prepare(&log, &name).await?;
    let writer = Transactor::new(log.clone(), &name, clock.clone(), 10);
    let patient = work.patients[0];
    before(&writer, &work.patients, 0).await?;
    for k in 0..EVENTS - BEFORE {
        let at = if k < COMMANDS { k } else { k + 10 };
        step(&writer, &control, &work.patients, 0, at).await?;
    }
    let client = async_nats::connect(nats.url()).await?;
    let subject = StreamId::Patient(patient).subject(&name);
    let mut samples = Vec::new();
    for _ in 0..pairs {
        let bare = sample(async {
            for _ in 0..READS {
                let events = batch(&client, &format!("tact-{name}"), &subject).await?;
                ensure!(events.len() == EVENTS, "{} events", events.len());
            }
            Ok(READS)
        });
        let bare = bare.await?;
        let reader = Transactor::new(log.clone(), &name, clock.clone(), 10);
        let ours = sample(async {
            for _ in 0..READS {
                reader.forget(patient);
                reader.patient(patient).await?;
            }
            Ok(READS)
        });
        samples.push((bare, ours.await?));
    }
    report(&format!("one patient's {EVENTS} events from cold, JetStream"), 0.5, &samples);
    Ok(())
}

/// The bare read: one batched direct get, its answers as they come.
async fn batch(client: &async_nats::Client, stream: &str, subject: &str) -> Result<Vec<Bytes>> {
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await?;
    let request = format!(r#"{{"seq":1,"next_by_subj":"{subject}","batch":512}}"#);
    client.publish_with_reply(format!("$JS.API.DIRECT.GET.{stream}"), inbox, request.into()).await?;
    let mut events = Vec::new();
    loop {
        let answer = answers.next().await.context("the connection stays")?;
        if answer.status.is_some() {
            return Ok(events);
        }
        events.push(answer.payload);
    }
}

fn resident() -> Result<usize> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = statm.split_whitespace().nth(1).context("statm has a second field")?.parse()?;
    Ok(pages * 4096)
}

/// The memory of this process before and after the patients are cached, by the operating system's count.
async fn cached(work: &Work) -> Result<()> {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let (control, clock) = prepare(&log, "bench").await?;
    let writer = Transactor::new(log.clone(), "bench", clock.clone(), 16);
    for at in 0..work.patients.len() {
        before(&writer, &work.patients, at).await?;
        for k in 0..COMMANDS {
            step(&writer, &control, &work.patients, at, k).await?;
        }
    }
    let empty = resident()?;
    let reader = Transactor::new(log.clone(), "bench", clock, work.patients.len() * 2);
    for patient in &work.patients {
        reader.patient(*patient).await?;
    }
    let full = resident()?;
    let each = full.saturating_sub(empty) / work.patients.len();
    println!("a cached patient with {} events: {each} bytes (target: at most 2048)", COMMANDS + BEFORE);
    Ok(())
}

/// The memory of an embedded server that has just started and does nothing, as a process of its own.
async fn idle() -> Result<()> {
    if std::env::var_os("TACT_TEST_IDLE").is_some() {
        let folder = tempfile::tempdir()?;
        let settings = Settings {
            signing_key_file: Some(folder.path().join("signing.key")),
            listen: ([127, 0, 0, 1], 0).into(),
            ..Settings::new("bench", folder.path(), Storage::Embedded)
        };
        let running = roles::start(&settings, Role::value_variants(), Clock::machine()).await?;
        println!("embedded and idle: {:.1} MB resident (target: under 60)", resident()? as f64 / 1e6);
        running.stop().await;
        return Ok(());
    }
    let program = std::env::current_exe()?;
    let status = tokio::process::Command::new(program).args(["idle"]).env("TACT_TEST_IDLE", "1").status().await?;
    ensure!(status.success(), "the idle server ended with {status}");
    Ok(())
}

/// What the child process of [`idle`] does.
pub(crate) async fn idle_child() -> Result<()> {
    idle().await
}
