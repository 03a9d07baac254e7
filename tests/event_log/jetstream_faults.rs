//! The log on JetStream while servers are killed, frozen and started again: nothing acknowledged is lost, nothing is there twice,
//! nothing waits for ever.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tact_event_log::contract::{Outages, appended, collect, contend, event, patient};
use tact_event_log::{Append, EventLog, Freshness, JetStreamConfig, LogError, Position, open_jetstream};
use tact_testbed::{Nats, NatsCluster};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_said_within_the_wait() {
    let nats = Nats::start().await.unwrap();
    let config = JetStreamConfig { connect_wait: Duration::from_millis(300), ..JetStreamConfig::new("net", [nats.url()]) };
    nats.kill().unwrap();
    let refused = open_jetstream(config).await;
    assert!(matches!(&refused, Err(LogError::Unavailable(text)) if text.contains(&nats.url())), "{refused:?}");
    // Whoever waits longer gets in when it comes.
    let waiting = tokio::spawn(open_jetstream(JetStreamConfig::new("net", [nats.url()])));
    nats.restart().await.unwrap();
    waiting.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_every_call_ends_and_with_it_every_call_works() {
    let nats = Nats::start().await.unwrap();
    let config = JetStreamConfig {
        answer_wait: Duration::from_millis(200),
        settle_wait: Duration::from_millis(400),
        ..JetStreamConfig::new("net", [nats.url()])
    };
    let log = open_jetstream(config).await.unwrap();
    let first = appended(&log, patient(1), Position::START, event(0, 1)).await;
    let mut follow = log.follow("reader", Position::START).await.unwrap();
    collect(&mut *follow, 10, 1).await;
    nats.kill().unwrap();
    // The first ones may still have gone into a connection that nobody reads any more.
    loop {
        match log.append(patient(1), first, event(0, 2)).await {
            Err(LogError::InDoubt(_)) => {}
            Err(LogError::Unavailable(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(log.head().await, Err(LogError::Unavailable(_))));
    for fresh in [Freshness::Any, Freshness::Latest] {
        assert!(matches!(log.read_stream(patient(1), Position::START, fresh).await, Err(LogError::Unavailable(_))));
    }
    assert!(matches!(follow.next(10, Duration::from_millis(10)).await, Err(LogError::Unavailable(_))));
    assert!(matches!(log.follow("other", Position::START).await.err(), Some(LogError::Unavailable(_))));
    nats.restart().await.unwrap();
    // With the same id: nothing of what was tried above may be there a second time.
    let second = loop {
        match log.append(patient(1), first, event(0, 2)).await {
            Ok(Append::Done(position)) => break position,
            Err(LogError::InDoubt(_) | LogError::Unavailable(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    let seen = loop {
        match follow.next(10, Duration::from_secs(60)).await {
            Ok(batch) => break batch.events,
            Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(seen.iter().map(|event| (event.position, event.id)).collect::<Vec<_>>(), [(second, event(0, 2).id)]);
    assert_eq!(log.read_stream(patient(1), first, Freshness::Any).await.unwrap(), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_to_a_frozen_server_is_in_doubt_and_its_repetition_is_not_a_second_one() {
    let nats = Nats::start().await.unwrap();
    let config = JetStreamConfig {
        answer_wait: Duration::from_millis(100),
        settle_wait: Duration::from_millis(300),
        ..JetStreamConfig::new("net", [nats.url()])
    };
    let log = open_jetstream(config).await.unwrap();
    let mut last = Position::START;
    for number in 0..3 {
        nats.pause().unwrap();
        let doubt = log.append(patient(1), last, event(0, number)).await;
        assert!(matches!(doubt, Err(LogError::InDoubt(_))), "{doubt:?}");
        nats.resume().unwrap();
        last = loop {
            match log.append(patient(1), last, event(0, number)).await {
                Ok(Append::Done(position)) => break position,
                Err(LogError::InDoubt(_) | LogError::Unavailable(_)) => {}
                // The log finds its own event behind a conflict.
                other => panic!("{other:?}"),
            }
        };
    }
    let events = log.read_stream(patient(1), Position::START, Freshness::Latest).await.unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [event(0, 0).id, event(0, 1).id, event(0, 2).id]);
    assert_eq!(log.head().await.unwrap(), last);
}

const WRITERS: u64 = 16;
const EACH: u64 = 40;
const STREAMS: u64 = 8;

/// Writers that contend and a reader, while `disturb` does its worst; then everything is there exactly once.
async fn exactly_once_while(log: Arc<dyn EventLog>, disturb: impl Future<Output = ()>) {
    let total = usize::try_from(WRITERS * EACH).unwrap();
    let reader = tokio::spawn({
        let log = log.clone();
        async move {
            let mut follow = log.follow("reader", Position::START).await.unwrap();
            let mut all = Vec::new();
            while all.len() < total {
                match follow.next(50, Duration::from_secs(60)).await {
                    Ok(batch) => all.extend(batch.events),
                    Err(LogError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            all
        }
    });
    let writers = (0..WRITERS).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                contend(&*log, patient((writer + number) % STREAMS), event(writer, number), Outages::Expected).await;
            }
        })
    });
    let (written, ()) = tokio::join!(join_all(writers), disturb);
    written.into_iter().for_each(Result::unwrap);
    let seen = reader.await.unwrap();
    let cold = collect(&mut *log.follow("cold", Position::START).await.unwrap(), 1000, total).await;
    assert!(seen == cold, "two readers saw different logs");
    let mut counts: HashMap<_, u32> = HashMap::new();
    for stored in &cold {
        *counts.entry(stored.id).or_default() += 1;
    }
    for writer in 0..WRITERS {
        for number in 0..EACH {
            assert_eq!(counts.get(&event(writer, number).id), Some(&1), "event {number} of writer {writer}");
        }
    }
}

async fn until_written(log: &dyn EventLog, count: u64) {
    loop {
        match log.head().await {
            Ok(head) if head >= Position::from_stored(count) => return,
            // No server to ask is what these tests bring about.
            Ok(_) | Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_killed_while_many_write_and_one_reads() {
    let nats = Nats::start().await.unwrap();
    let log = Arc::new(open_jetstream(JetStreamConfig::new("net", [nats.url()])).await.unwrap());
    exactly_once_while(log.clone(), async {
        for round in 1..=3 {
            until_written(&*log, round * 150).await;
            nats.kill().unwrap();
            nats.restart().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaders_are_killed_and_frozen_while_many_write_and_one_reads() {
    let cluster = NatsCluster::start().await.unwrap();
    let config = JetStreamConfig {
        replicas: 3,
        // Elections take their time on a loaded machine.
        answer_wait: Duration::from_secs(2),
        settle_wait: Duration::from_secs(60),
        ..JetStreamConfig::new("net", cluster.urls())
    };
    let name = config.stream_name();
    let log = Arc::new(open_jetstream(config).await.unwrap());
    exactly_once_while(log.clone(), async {
        until_written(&*log, 100).await;
        let leader = leader(&cluster, &name).await;
        leader.kill().unwrap();
        until_written(&*log, 250).await;
        leader.restart().await.unwrap();
        until_written(&*log, 400).await;
        let leader = self::leader(&cluster, &name).await;
        leader.pause().unwrap();
        until_written(&*log, 500).await;
        leader.resume().unwrap();
    })
    .await;
}

async fn leader<'a>(cluster: &'a NatsCluster, stream: &str) -> &'a Nats {
    loop {
        if let Some(leader) = cluster.leader_of(stream).await {
            return leader;
        }
    }
}
