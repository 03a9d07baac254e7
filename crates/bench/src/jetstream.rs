//! Decide and append on JetStream, against a loop that only publishes the same events with the same expectations to the same server.

use std::sync::Arc;

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream;
use tact_event_log::{EventLog, JetStreamConfig, StreamId, open_jetstream};
use tact_service::transact::Transactor;
use tact_testbed::{Nats, fresh_name};

use crate::measure::{report, sample};
use crate::work::{BEFORE, COMMANDS, Work, before, prepare, share, step};

pub(crate) async fn run(work: &Work, pairs: usize, always: bool) -> Result<()> {
    let work = Arc::new(Work { patients: work.patients.clone(), events: work.events.clone() });
    for in_flight in [64, 512] {
        let mut samples = Vec::new();
        for _ in 0..pairs {
            // A server for each pair: streams of earlier pairs would weigh on later ones.
            let nats = server(always).await?;
            let bare = bare(&work, &nats, in_flight).await?;
            let ours = ours(&work, &nats, in_flight).await?;
            samples.push((bare, ours));
        }
        let sync = if always { ", sync always" } else { "" };
        report(&format!("transact on JetStream, {in_flight} in flight{sync}"), 0.8, &samples);
    }
    Ok(())
}

pub(crate) async fn server(always: bool) -> Result<Nats> {
    if always { Nats::start().await } else { Nats::start_with_default_sync().await }
}

/// Opens the log's stream on a fresh network, so that both loops write into a stream of the same configuration.
pub(crate) async fn network(nats: &Nats) -> Result<(String, Arc<dyn EventLog>)> {
    let network = fresh_name("bench");
    let log = open_jetstream(JetStreamConfig::new(&network, [nats.url()])).await?;
    Ok((network, Arc::new(log)))
}

/// Publishes the events of every patient in order, `in_flight` patients at a time, each with its expectation, and awaits every ack.
pub(crate) async fn bare(work: &Arc<Work>, nats: &Nats, in_flight: usize) -> Result<crate::measure::Sample> {
    let (network, _log) = network(nats).await?;
    let context = jetstream::new(async_nats::connect(nats.url()).await?);
    let mut heads = vec![0u64; work.patients.len()];
    publish_all(work, &context, &network, in_flight, 0..BEFORE, &mut heads).await?;
    sample(publish_all(work, &context, &network, in_flight, BEFORE..BEFORE + COMMANDS, &mut heads)).await
}

pub(crate) async fn publish_all(
    work: &Arc<Work>,
    context: &jetstream::Context,
    network: &str,
    in_flight: usize,
    steps: std::ops::Range<usize>,
    heads: &mut [u64],
) -> Result<usize> {
    let mut workers = Vec::new();
    for worker in 0..in_flight {
        let (work, context, network, steps) = (work.clone(), context.clone(), network.to_owned(), steps.clone());
        let mut mine: Vec<(usize, u64)> = share(worker, in_flight, work.patients.len()).map(|at| (at, heads[at])).collect();
        workers.push(tokio::spawn(async move {
            for step in steps {
                for (at, head) in &mut mine {
                    let (id, bytes) = &work.events[*at][step];
                    let mut headers = HeaderMap::new();
                    headers.insert("Nats-Expected-Last-Subject-Sequence", head.to_string());
                    headers.insert("Nats-Msg-Id", id.to_string());
                    headers.insert("Content-Type", "application/cloudevents+json");
                    let subject = StreamId::Patient(work.patients[*at]).subject(&network);
                    let ack = context.publish_with_headers(subject, headers, bytes.clone()).await?.await?;
                    *head = ack.sequence;
                }
            }
            Ok::<_, anyhow::Error>(mine)
        }));
    }
    let mut published = 0;
    for worker in workers {
        for (at, head) in worker.await.context("a worker has ended")?? {
            heads[at] = head;
            published += steps.len();
        }
    }
    Ok(published)
}

async fn ours(work: &Arc<Work>, nats: &Nats, in_flight: usize) -> Result<crate::measure::Sample> {
    let (network, log) = network(nats).await?;
    transact_all(work, log, &network, in_flight).await
}

/// Runs the same commands through the transact loop, state cached.
pub(crate) async fn transact_all(
    work: &Arc<Work>,
    log: Arc<dyn EventLog>,
    network: &str,
    in_flight: usize,
) -> Result<crate::measure::Sample> {
    let (control, clock) = prepare(&log, network).await?;
    let shared = Arc::new((Transactor::new(log, network, clock, work.patients.len() * 2), control));
    let all = async |steps: std::ops::Range<usize>| {
        let mut workers = Vec::new();
        for worker in 0..in_flight {
            let (work, shared, steps) = (work.clone(), shared.clone(), steps.clone());
            workers.push(tokio::spawn(async move {
                let (transactor, control) = &*shared;
                let mut done = 0;
                if steps.is_empty() {
                    for at in share(worker, in_flight, work.patients.len()) {
                        before(transactor, &work.patients, at).await?;
                    }
                }
                for k in steps {
                    for at in share(worker, in_flight, work.patients.len()) {
                        step(transactor, control, &work.patients, at, k).await?;
                        done += 1;
                    }
                }
                Ok::<_, anyhow::Error>(done)
            }));
        }
        let mut done = 0;
        for worker in workers {
            done += worker.await.context("a worker has ended")??;
        }
        Ok(done)
    };
    all(0..0).await?;
    sample(all(0..COMMANDS)).await
}
