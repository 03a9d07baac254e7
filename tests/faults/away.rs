//! While serving: NATS or PostgreSQL goes away and comes back. What cannot be done is said at once or within a stated time, what was acknowledged
//! is there afterwards, and the service goes on by itself.

use std::collections::BTreeMap;

use hyper::Method;
use serde_json::{Value, json};
use tact_domain::Recorded;
use tact_domain::patient::Event;
use tact_event_log::{EventLog, Freshness, JetStreamConfig, Position, StreamId, open_jetstream};
use tact_testbed::{Nats, Postgres};

use crate::network::Reply;
use crate::processes::{Caller, Cluster, Process, new_key};

const ALL: &str = "contact,consent,appointment,patient,referral,feedback,directory,projector";

/// One that answers no request and uses up no limit of a callback.
fn contact() -> Value {
    json!({"direction": "outbound", "purpose": "checkup_invitation", "channel": "letter", "branch": "north", "outcome": "no_answer"})
}

fn ask() -> Value {
    json!({"purpose": "callback", "channel": "phone", "branch": "north"})
}

/// An answer that says nothing was done, or that nobody knows, and when to ask again.
#[track_caller]
fn is_503(reply: &Reply) {
    assert_eq!(reply.status.as_u16(), 503, "{}", reply.json);
    let kind = reply.json["type"].as_str().unwrap_or_default();
    assert!(["unavailable", "in_doubt", "undecidable", "not_yet"].iter().any(|known| kind.ends_with(known)), "{}", reply.json);
    assert!(reply.headers.contains_key("retry-after"), "{}", reply.json);
}

struct Under {
    cluster: Cluster,
    server: Process,
    caller: Caller,
    patient: String,
}

impl Under {
    async fn start(nats: &Nats, postgres: &Postgres) -> Self {
        let cluster = Cluster::set_up(&nats.url(), &postgres.database().await.unwrap()).await;
        let server = cluster.serve(ALL).await;
        let caller = cluster.manager_at(&server);
        let patient = caller.patient("north").await;
        caller.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
        Self { cluster, server, caller, patient }
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/patients/{}/{what}", self.patient)
    }

    /// Many contacts, recorded at once; by idempotency key, the event's id of those that were acknowledged.
    async fn record(&self, count: usize) -> BTreeMap<String, Option<String>> {
        let recording = (0..count).map(|_| async {
            let key = new_key();
            let reply = self.caller.try_send(Method::POST, &self.path("contacts"), &key, Some(&contact())).await;
            let event =
                reply.filter(|reply| reply.status.is_success()).map(|reply| reply.json["event"].as_str().unwrap().to_owned());
            (key, event)
        });
        futures::future::join_all(recording).await.into_iter().collect()
    }

    /// Everything that was acknowledged is in the log once, and asking again under each key makes nothing a second time.
    async fn check(&self, recorded: &BTreeMap<String, Option<String>>) {
        for (key, event) in recorded {
            let again = self.caller.post_under(key, &self.path("contacts"), contact()).await.ok();
            if let Some(event) = event {
                assert_eq!(
                    (&again["event"], &again["repeated"]),
                    (&json!(event), &json!(true)),
                    "what was acknowledged is there"
                );
            }
        }
        let log = open_jetstream(JetStreamConfig::new(&self.cluster.network, [&self.cluster.nats])).await.unwrap();
        let stored =
            log.read_stream(StreamId::Patient(self.patient.parse().unwrap()), Position::START, Freshness::Latest).await.unwrap();
        let made =
            stored.iter().filter(|stored| Recorded::<Event>::read(&stored.bytes).unwrap().event.kind() == "contact.made").count();
        assert_eq!(made, recorded.len(), "each command is one event");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_is_killed_and_comes_back() {
    let nats = Nats::start().await.unwrap();
    let under = Under::start(&nats, Postgres::shared().await.unwrap()).await;
    let permits = under.path("permits");
    let quotas = under.path("quotas");
    let caller = &under.caller;
    let mut recorded = under.record(20).await;
    // Killed in the midst of it.
    let (during, ()) = tokio::join!(under.record(40), async { nats.kill().unwrap() });
    recorded.extend(during);

    let (permit, write, read, ready) = tokio::join!(
        caller.post(&permits, ask()),
        caller.post("/v1/patients", json!({"home_branch": "north"})),
        caller.get(&quotas),
        caller.get("/readyz"),
    );
    for reply in [&permit, &write, &read, &ready] {
        is_503(reply);
    }
    assert!(caller.get("/livez").await.status.is_success(), "it lives, it is only not ready");

    nats.restart().await.unwrap();
    caller.until("/readyz", |reply| reply.status.is_success()).await;
    let granted = caller.post(&permits, ask()).await.ok();
    assert_eq!(granted["decision"], "permitted", "{granted}");
    under.check(&recorded).await;
    under.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_freezes_and_thaws() {
    let nats = Nats::start().await.unwrap();
    let under = Under::start(&nats, Postgres::shared().await.unwrap()).await;
    let permits = under.path("permits");
    let mut recorded = under.record(5).await;
    nats.pause().unwrap();
    let (during, permit) = tokio::join!(under.record(5), under.caller.post(&permits, ask()));
    is_503(&permit);
    recorded.extend(during);
    nats.resume().unwrap();
    under.caller.until("/readyz", |reply| reply.status.is_success()).await;
    under.check(&recorded).await;
    under.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_killed_and_comes_back() {
    let postgres = Postgres::start().await.unwrap();
    let under = Under::start(Nats::shared().await.unwrap(), &postgres).await;
    let caller = &under.caller;
    let mut recorded = under.record(5).await;
    postgres.kill().unwrap();

    // What needs the database says so; what needs only the log may go on as long as the token is believed.
    is_503(&caller.post("/v1/patients", json!({"home_branch": "north"})).await);
    is_503(&caller.get("/v1/branches/north/worklist").await);
    is_503(&caller.get("/readyz").await);
    is_503(&Caller::new(&caller.url, "tact_unknown").get("/v1/branches").await);
    recorded.extend(under.record(5).await);

    postgres.restart().await.unwrap();
    caller.until("/readyz", |reply| reply.status.is_success()).await;
    under.check(&recorded).await;
    // The projector goes on by itself, and comes to what was recorded while the database was away.
    let last = caller.post(&under.path("contacts"), contact()).await.ok();
    let position = last["position"].as_str().unwrap();
    caller.until(&format!("/v1/branches/north/worklist?at_least={position}"), |reply| reply.status.is_success()).await;
    under.server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_in_order_while_its_servers_are_away() {
    let nats = Nats::start().await.unwrap();
    let postgres = Postgres::start().await.unwrap();
    let under = Under::start(&nats, &postgres).await;
    nats.kill().unwrap();
    postgres.kill().unwrap();
    is_503(&under.caller.get("/readyz").await);
    under.server.stop().await;
}
