//! Filling the feed's stream, against a loop that copies the same messages unchanged into another stream of the same server: pulled through the
//! same window, published through the same window, every acknowledgement awaited.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::consumer::{AckPolicy, pull};
use futures::StreamExt;
use tact_event_log::{EventLog, FeedLimits, FeedStream, JetStreamConfig, open_jetstream};
use tact_feed::role::Feeder;
use tact_feed::transform::Transform;
use tact_service::ids::IdKey;
use tact_testbed::fresh_name;

use crate::jetstream::{publish_all, server};
use crate::measure::{Sample, report, sample};
use crate::work::{BEFORE, COMMANDS, NETWORK, Work};

/// Messages on their way without an answer, as the feed has them.
const WINDOW: usize = 512;

pub(crate) async fn run(work: &Work, pairs: usize) -> Result<()> {
    let work = Arc::new(Work { patients: work.patients.clone(), events: work.events.clone() });
    let events = work.patients.len() * (BEFORE + COMMANDS);
    let mut samples = Vec::new();
    for _ in 0..pairs {
        let nats = server(false).await?;
        let config = JetStreamConfig::new(fresh_name("bench"), [nats.url()]);
        let log: Arc<dyn EventLog> = Arc::new(open_jetstream(config.clone()).await?);
        let context = jetstream::new(async_nats::connect(nats.url()).await?);
        let mut heads = vec![0u64; work.patients.len()];
        publish_all(&work, &context, &config.network, 512, 0..BEFORE + COMMANDS, &mut heads).await?;
        let bare = copied(&context, &config.network, events).await?;
        let ours = fed(log, config, events).await?;
        samples.push((bare, ours));
    }
    report(&format!("the feed of {events} events, {WINDOW} in flight"), 0.6, &samples);
    Ok(())
}

async fn copied(context: &jetstream::Context, network: &str, events: usize) -> Result<Sample> {
    let config = jetstream::stream::Config {
        name: format!("copy-{network}"),
        subjects: vec![format!("{network}.copy.>")],
        allow_direct: true,
        ..Default::default()
    };
    context.create_stream(config).await?;
    let source = context.get_stream(format!("tact-{network}")).await?;
    let consumer = pull::Config { durable_name: Some("copy".to_owned()), ack_policy: AckPolicy::None, ..Default::default() };
    let consumer = source.create_consumer(consumer).await?;
    let copying = async {
        let mut messages = consumer.stream().max_messages_per_batch(8192).messages().await?;
        let mut waiting = VecDeque::with_capacity(WINDOW);
        for number in 0..events {
            let message = messages.next().await.context("the source has ended")??;
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Expected-Last-Sequence", number.to_string());
            if let Some(id) = message.headers.as_ref().and_then(|headers| headers.get("Nats-Msg-Id")) {
                headers.insert("Nats-Msg-Id", id.as_str());
            }
            headers.insert("Content-Type", "application/cloudevents+json");
            let subject = message.subject.replacen(".evt.", ".copy.", 1);
            if waiting.len() == WINDOW
                && let Some(ack) = waiting.pop_front()
            {
                wait_for(ack).await?;
            }
            waiting.push_back(context.publish_with_headers(subject, headers, message.payload.clone()).await?);
        }
        for ack in waiting {
            wait_for(ack).await?;
        }
        Ok(events)
    };
    sample(copying).await
}

async fn wait_for(ack: jetstream::context::PublishAckFuture) -> Result<()> {
    ack.await?;
    Ok(())
}

async fn fed(log: Arc<dyn EventLog>, config: JetStreamConfig, events: usize) -> Result<Sample> {
    let stream = FeedStream::open(config, FeedLimits::default()).await?;
    let transform = Transform::new(NETWORK, IdKey::new(&[7; 32]));
    let clock = tact_service::clock::Clock::by_hand(crate::work::noon());
    let mut feeder = Feeder::new(log, Some(stream), transform, clock);
    let sample = sample(async {
        feeder.catch_up().await?;
        Ok(events)
    })
    .await?;
    anyhow::ensure!(feeder.left_out() == 0, "events were left out");
    Ok(sample)
}
