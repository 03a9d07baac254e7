//! The feed's stream on NATS: in order, once, whoever writes and however often they begin anew.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use tact_event_log::contract::{appended, patient};
use tact_event_log::{
    EventLog, FeedLimits, FeedMessage, FeedStream, JetStreamConfig, LogError, NewEvent, Position, Published, Reached, StreamId,
    open_jetstream,
};
use tact_feed::role::Feeder;
use tact_feed::transform::Transform;
use tact_service::clock::Clock;
use tact_service::ids::IdKey;
use tact_testbed::{Nats, NatsCluster, fresh_name};
use tokio::sync::watch;

use super::golden;
use crate::network::time;

/// A network's log with events in it, and what fills its feed.
struct Place {
    config: JetStreamConfig,
    log: Arc<dyn EventLog>,
    network: String,
}

impl Place {
    async fn new(config: JetStreamConfig) -> Self {
        let (log, network) = (Arc::new(open_jetstream(config.clone()).await.unwrap()), config.network.clone());
        Self { config, log, network }
    }

    async fn feeder(&self) -> Feeder {
        let stream = FeedStream::open(self.config.clone(), FeedLimits::default()).await.unwrap();
        let transform = Transform::new(&self.network, IdKey::new(&[0x5a; 32]));
        Feeder::new(self.log.clone(), Some(stream), transform, Clock::by_hand(time(crate::network::NOON)))
    }

    /// Appends recorded events to patients' streams of this network, as many as there are, each under an id of its own.
    async fn fill(&self, patients: std::ops::Range<u32>) {
        for number in patients {
            let stream = patient(number.into());
            let mut last = Position::START;
            for (at, (_, stored)) in golden("patient").into_iter().take(24).enumerate() {
                let StreamId::Patient(id) = stream else { panic!() };
                let own = uuid::Uuid::from_u128(u128::from(number) << 32 | at as u128);
                let text = String::from_utf8(stored.bytes.to_vec()).unwrap();
                let text = text.replace("/tact/clinic", &format!("/tact/{}", self.network));
                let text = text
                    .replace("01908a00-0000-7000-8000-000000000001", &id.to_string())
                    .replace(&stored.id.to_string(), &own.to_string());
                last = appended(&*self.log, stream, last, NewEvent { id: own, bytes: text.into() }).await;
            }
        }
    }

    /// The feed as it lies in its stream: subject, position and event of each message.
    async fn read(&self) -> Vec<(String, u64, Value)> {
        let context = async_nats::jetstream::new(async_nats::connect(self.config.servers[0].as_str()).await.unwrap());
        let stream = context.get_stream(format!("tact-{}-feed", self.network)).await.unwrap();
        let count = stream.cached_info().state.messages;
        let config = async_nats::jetstream::consumer::pull::OrderedConfig::default();
        let consumer = stream.create_consumer(config).await.unwrap();
        let mut messages = consumer.messages().await.unwrap().take(usize::try_from(count).unwrap());
        let mut read = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.unwrap();
            let headers = message.headers.as_ref().unwrap();
            assert_eq!(headers.get("Content-Type").unwrap().as_str(), "application/cloudevents+json; charset=utf-8");
            let event: Value = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(headers.get("Nats-Msg-Id").unwrap().as_str(), event["id"].as_str().unwrap());
            read.push((message.subject.to_string(), headers.get("Tact-Position").unwrap().as_str().parse().unwrap(), event));
        }
        read
    }

    /// Whether everything is there once and in order.
    async fn check(&self, events: usize) {
        let read = self.read().await;
        let positions: Vec<u64> = read.iter().map(|(_, position, _)| *position).collect();
        assert!(positions.is_sorted_by(|a, b| a < b), "out of order, or twice");
        assert_eq!(read.len(), events);
    }
}

async fn alone() -> JetStreamConfig {
    JetStreamConfig::new(fresh_name("net"), [Nats::shared().await.unwrap().url()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_under_its_subject_and_comes_once() {
    let place = Place::new(alone().await).await;
    place.fill(0..2).await;
    place.feeder().await.catch_up().await.unwrap();
    let read = place.read().await;
    assert_eq!(read.len(), 48);
    for (subject, _, event) in &read {
        let branch = event["branch"].as_str().unwrap_or("-");
        assert_eq!(*subject, format!("{}.feed.{}.{branch}", place.network, event["type"].as_str().unwrap()));
    }
    assert!(read.iter().any(|(subject, ..)| subject.ends_with(".feed.contact.permitted.north")));
    // Again from nothing, and after more has come: what is there stays once.
    place.feeder().await.catch_up().await.unwrap();
    place.fill(2..3).await;
    place.feeder().await.catch_up().await.unwrap();
    place.check(72).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_fill_it_at_once_leave_no_event_twice() {
    for config in [alone().await, {
        let cluster = NatsCluster::shared().await.unwrap();
        JetStreamConfig { replicas: 3, ..JetStreamConfig::new(fresh_name("net"), cluster.urls()) }
    }] {
        let place = Place::new(config).await;
        place.fill(0..20).await;
        let streams: Vec<FeedStream> = futures::future::join_all(
            (0..3).map(async |_| FeedStream::open(place.config.clone(), FeedLimits::default()).await.unwrap()),
        )
        .await;
        let stored = place.log.read_all(Position::START, 10_000).await.unwrap();
        let transform = Transform::new(&place.network, IdKey::new(&[0x5a; 32]));
        let messages: Vec<FeedMessage> = stored
            .iter()
            .map(|stored| {
                let tact_feed::transform::Made::Event(event) = transform.make(stored) else { panic!() };
                FeedMessage { id: event.id, position: event.position, topic: event.topic(), bytes: event.bytes.clone() }
            })
            .collect();
        // All of them write the same, each from where it finds the stream; whoever is overtaken looks again.
        let writers = streams.into_iter().map(|mut stream| {
            let messages = messages.clone();
            tokio::spawn(async move {
                let mut overtaken = 0;
                loop {
                    let after = match stream.reached().await.unwrap() {
                        Reached::At(position) => position,
                        Reached::Nothing | Reached::Emptied => Position::START,
                    };
                    let mut rest = messages.iter().filter(|message| message.position > after).cloned();
                    match stream.publish(&mut rest).await {
                        Ok(Published::Done) => return overtaken,
                        Ok(Published::Moved) => overtaken += 1,
                        Err(error) => assert!(matches!(error, LogError::Unavailable(_)), "{error}"),
                    }
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        assert_eq!(messages.len(), 480);
        place.check(480).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_while_it_is_filled_costs_no_event() {
    let nats = Nats::start().await.unwrap();
    let config = JetStreamConfig { answer_wait: Duration::from_secs(2), ..JetStreamConfig::new("net", [nats.url()]) };
    let place = Place::new(config).await;
    place.fill(0..30).await;
    let mut feeder = place.feeder().await;
    let mut head = feeder.head();
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(async move { feeder.run(stopped).await });
    for patients in [30..31, 31..32] {
        // It dies somewhere between two answers.
        nats.kill().unwrap();
        nats.restart().await.unwrap();
        place.fill(patients).await;
    }
    let end = place.log.head().await.unwrap();
    tokio::time::timeout(Duration::from_secs(90), head.wait_for(|head| *head >= end))
        .await
        .expect("the feed does not come to it")
        .unwrap();
    stop.send_replace(true);
    running.await.unwrap().unwrap();
    place.check(32 * 24).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_read_is_left_out_and_counted() {
    let place = Place::new(alone().await).await;
    place.fill(0..1).await;
    let foreign = NewEvent { id: uuid::Uuid::from_u128(u128::MAX), bytes: bytes::Bytes::from_static(b"{\"name\":\"Anna\"}") };
    appended(&*place.log, patient(9), Position::START, foreign).await;
    place.fill(1..2).await;
    let mut feeder = place.feeder().await;
    feeder.catch_up().await.unwrap();
    assert_eq!(feeder.left_out(), 1);
    place.check(48).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_something_else_is_refused() {
    let place = Place::new(alone().await).await;
    let context = async_nats::jetstream::new(async_nats::connect(place.config.servers[0].as_str()).await.unwrap());
    let name = format!("tact-{}-feed", place.network);
    let other = async_nats::jetstream::stream::Config {
        name: name.clone(),
        subjects: vec![format!("{}.other.>", place.network)],
        ..Default::default()
    };
    context.create_stream(other).await.unwrap();
    let refused = FeedStream::open(place.config.clone(), FeedLimits::default()).await.unwrap_err();
    assert!(matches!(&refused, LogError::Misfit(text) if text.contains("subjects")), "{refused}");
    context.delete_stream(&name).await.unwrap();
    // One in which somebody else has written: where it stands cannot be told.
    place.fill(0..1).await;
    place.feeder().await.catch_up().await.unwrap();
    context.publish(format!("{}.feed.x.y.z", place.network), "foreign".into()).await.unwrap().await.unwrap();
    let error = place.feeder().await.catch_up().await.unwrap_err();
    assert!(matches!(&error, LogError::Damaged(text) if text.contains("purge")), "{error}");
}
