//! The log on JetStream, with one server and with three: its laws, and what it makes of configurations and foreign messages.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tact_event_log::contract::{self, Candidate, appended, collect, event, patient};
use tact_event_log::jetstream::NatsLogin;
use tact_event_log::{Append, EventLog, Freshness, JetStreamConfig, LogError, NewEvent, Position, StreamId, open_jetstream};
use tact_testbed::{Nats, NatsCluster, fresh_name};
use uuid::Uuid;

/// A services' user as production has it: it can neither change nor empty nor remove a stream.
const USERS: &str = r#"
    authorization { users: [{ user: service, password: secret, permissions: { publish: { deny: [
        "$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.DELETE.>", "$JS.API.STREAM.PURGE.>", "$JS.API.STREAM.MSG.DELETE.>",
    ] } } }] }
"#;

fn login() -> NatsLogin {
    NatsLogin::Password { user: "service".into(), password: "secret".into() }
}

struct Alone {
    nats: Nats,
}

#[async_trait]
impl Candidate for Alone {
    async fn empty(&self) -> Arc<dyn EventLog> {
        let config = JetStreamConfig { login: login(), ..JetStreamConfig::new(fresh_name("net"), [self.nats.url()]) };
        Arc::new(open_jetstream(config).await.unwrap())
    }

    async fn reopen(&self, log: Arc<dyn EventLog>) -> Option<Arc<dyn EventLog>> {
        self.nats.kill().unwrap();
        self.nats.restart().await.unwrap();
        // The log itself finds its way back.
        Some(log)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_keeps_the_laws() {
    contract::run(&Alone { nats: Nats::start_with(USERS).await.unwrap() }).await;
}

struct Cluster {
    cluster: NatsCluster,
}

#[async_trait]
impl Candidate for Cluster {
    async fn empty(&self) -> Arc<dyn EventLog> {
        let config = JetStreamConfig { replicas: 3, ..JetStreamConfig::new(fresh_name("net"), self.cluster.urls()) };
        Arc::new(open_jetstream(config).await.unwrap())
    }

    async fn reopen(&self, log: Arc<dyn EventLog>) -> Option<Arc<dyn EventLog>> {
        for node in self.cluster.nodes() {
            node.kill().unwrap();
        }
        for node in self.cluster.nodes() {
            node.restart().await.unwrap();
        }
        Some(log)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_with_three_servers_keeps_the_laws() {
    contract::run(&Cluster { cluster: NatsCluster::start().await.unwrap() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_get_in_is_told() {
    let nats = Nats::start_with(USERS).await.unwrap();
    let nobody = open_jetstream(JetStreamConfig::new("net", [nats.url()])).await;
    assert!(matches!(nobody, Err(LogError::Unavailable(_))), "{nobody:?}");
    let stranger = NatsLogin::Password { user: "service".into(), password: "guess".into() };
    let refused = open_jetstream(JetStreamConfig { login: stranger, ..JetStreamConfig::new("net", [nats.url()]) }).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    for network in ["", "a.b", "a b", "net*"] {
        let refused = open_jetstream(JetStreamConfig::new(network, [nats.url()])).await;
        assert!(matches!(refused, Err(LogError::Misfit(_))), "{network:?}: {refused:?}");
    }
}

async fn api(client: &async_nats::Client, operation: &str, request: &Value) -> Value {
    let answer = client.request(format!("$JS.API.{operation}"), request.to_string().into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_would_lose_events_is_refused_by_field() {
    let nats = Nats::shared().await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    // What we make ourselves is accepted the second time too.
    let network = fresh_name("net");
    for _ in 0..2 {
        open_jetstream(JetStreamConfig::new(&network, [nats.url()])).await.unwrap();
    }
    let made = api(&client, &format!("STREAM.INFO.tact-{network}"), &Value::Null).await["config"].clone();
    assert_eq!(made["duplicate_window"], json!(120_000_000_000_u64));
    let changes = [
        ("retention", json!("interest")),
        ("storage", json!("memory")),
        ("discard", json!("old")),
        ("deny_delete", json!(false)),
        ("deny_purge", json!(false)),
        ("allow_direct", json!(false)),
        ("max_msgs", json!(1_000_000)),
        ("max_msgs_per_subject", json!(1000)),
        ("max_age", json!(3_600_000_000_000_u64)),
        ("max_msg_size", json!(100_000)),
        ("sealed", json!(true)),
        ("no_ack", json!(true)),
        ("allow_msg_ttl", json!(true)),
        ("subject_transform", json!({ "src": ">", "dest": "changed.>" })),
        ("persist_mode", json!("async")),
        ("metadata", json!({ "tact-format": "2" })),
        ("subjects", json!([])),
    ];
    for (field, value) in changes {
        let network = fresh_name("net");
        let mut config = made.clone();
        config["name"] = json!(format!("tact-{network}"));
        config["subjects"] = json!([format!("{network}.evt.>")]);
        config[field] = value.clone();
        if field == "subjects" {
            config[field] = json!([format!("{network}.evt.*.*")]);
        }
        if field == "sealed" {
            // Only an existing stream can be sealed.
            config[field] = json!(false);
            api(&client, &format!("STREAM.CREATE.tact-{network}"), &config).await;
            config[field] = json!(true);
            api(&client, &format!("STREAM.UPDATE.tact-{network}"), &config).await;
        }
        let answer = api(&client, &format!("STREAM.CREATE.tact-{network}"), &config).await;
        assert!(answer.get("error").is_none() || field == "sealed", "{field}: {answer}");
        let refused = open_jetstream(JetStreamConfig::new(&network, [nats.url()])).await;
        match refused {
            Err(LogError::Misfit(text)) => assert!(text.contains(&format!(": {field} is ")), "{field}: {text}"),
            other => panic!("{field} = {value}: {other:?}"),
        }
    }
    let asked = JetStreamConfig { replicas: 3, ..JetStreamConfig::new(&network, [nats.url()]) };
    assert!(matches!(open_jetstream(asked).await, Err(LogError::Misfit(text)) if text.contains("num_replicas")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_stream_says_so_and_takes_nothing() {
    let nats = Nats::shared().await.unwrap();
    let config = JetStreamConfig { max_bytes: Some(1024 * 1024), ..JetStreamConfig::new(fresh_name("net"), [nats.url()]) };
    let log = open_jetstream(config).await.unwrap();
    let large = |number| NewEvent { id: event(0, number).id, bytes: vec![7; 100 * 1024].into() };
    let (mut last, mut count) = (Position::START, 0);
    let refused = loop {
        match log.append(patient(1), last, large(count)).await {
            Ok(Append::Done(position)) => (last, count) = (position, count + 1),
            other => break other,
        }
    };
    assert!(matches!(refused, Err(LogError::Full(_))), "{refused:?}");
    assert_eq!(count, 10, "events of 100 KB in 1 MB");
    assert_eq!(log.head().await.unwrap(), last);
    appended(&log, patient(2), Position::START, event(0, 100)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_messages_do_not_stop_a_reader() {
    let nats = Nats::shared().await.unwrap();
    let network = fresh_name("net");
    let log = open_jetstream(JetStreamConfig::new(&network, [nats.url()])).await.unwrap();
    let first = appended(&log, patient(1), Position::START, event(0, 1)).await;
    let context = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    // One under nobody's subject, and one under a patient's without an id.
    let publish =
        async |subject: String, bytes: &'static str| context.publish(subject, bytes.into()).await.unwrap().await.unwrap();
    publish(format!("{network}.evt.999.nobody"), "junk").await;
    publish(patient(1).subject(&network), "junk").await;
    let events = log.read_stream(patient(1), first, Freshness::Latest).await.unwrap();
    assert_eq!((events.len(), events[0].id, &events[0].bytes[..]), (1, Uuid::nil(), &b"junk"[..]));
    appended(&log, patient(1), events[0].position, event(0, 2)).await;
    let all = collect(&mut *log.follow("reader", Position::START).await.unwrap(), 10, 3).await;
    assert_eq!(all.iter().map(|event| event.id).collect::<Vec<_>>(), [event(0, 1).id, Uuid::nil(), event(0, 2).id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_another_stream_is_an_alarm() {
    let nats = Nats::shared().await.unwrap();
    let log = open_jetstream(JetStreamConfig::new(fresh_name("net"), [nats.url()])).await.unwrap();
    appended(&log, patient(1), Position::START, event(0, 1)).await;
    let refused = log.append(patient(2), Position::START, event(0, 1)).await;
    assert!(matches!(refused, Err(LogError::Damaged(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_cloud_events_under_literal_subjects() {
    let nats = Nats::shared().await.unwrap();
    let network = fresh_name("net");
    let log = open_jetstream(JetStreamConfig::new(&network, [nats.url()])).await.unwrap();
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut seen = client.subscribe(format!("{network}.>")).await.unwrap();
    client.flush().await.unwrap();
    let streams = [patient(1), StreamId::Policy, StreamId::Directory, StreamId::Access];
    for (number, stream) in (0..).zip(streams) {
        appended(&log, stream, Position::START, event(0, number)).await;
        let message = tokio::time::timeout(Duration::from_secs(60), futures::StreamExt::next(&mut seen)).await.unwrap().unwrap();
        let header = |name: &str| message.headers.as_ref().unwrap().get(name).unwrap().as_str().to_owned();
        assert_eq!(StreamId::from_subject(&network, &message.subject), Some(stream));
        assert_eq!(header("Content-Type"), "application/cloudevents+json");
        assert_eq!(header("Nats-Msg-Id"), event(0, number).id.to_string());
        assert_eq!(header("Nats-Expected-Last-Subject-Sequence"), "0");
        assert_eq!(message.payload, event(0, number).bytes);
    }
}
