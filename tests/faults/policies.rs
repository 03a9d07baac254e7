//! Policies that cannot be read, or not in time: then nothing is granted. What has happened is recorded all the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use tact_event_log::{Append, EventLog, Follow, Freshness, LogError, MemoryLog, NewEvent, Position, Stored, StreamId};
use uuid::Uuid;

use crate::desk::Desk;
use crate::network::{Network, any_id, time};

/// A log whose policies can be put out of reach.
#[derive(Debug)]
struct Reach {
    log: MemoryLog,
    policies_away: AtomicBool,
}

#[async_trait]
impl EventLog for Reach {
    async fn append(&self, stream: StreamId, after: Position, event: NewEvent) -> Result<Append, LogError> {
        self.log.append(stream, after, event).await
    }

    async fn read_stream(&self, stream: StreamId, after: Position, fresh: Freshness) -> Result<Vec<Stored>, LogError> {
        if stream == StreamId::Policy && self.policies_away.load(Ordering::SeqCst) {
            return Err(LogError::Unavailable("out of reach for this test".into()));
        }
        self.log.read_stream(stream, after, fresh).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.log.head().await
    }

    async fn follow(&self, name: &str, after: Position) -> Result<Box<dyn Follow>, LogError> {
        self.log.follow(name, after).await
    }
}

fn ask() -> Value {
    json!({"purpose": "callback", "channel": "phone", "branch": "north"})
}

fn call(purpose: &str) -> Value {
    json!({"direction": "outbound", "purpose": purpose, "channel": "phone", "branch": "north", "outcome": "reached"})
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_read_the_policies_for_a_minute_grants_nothing() {
    let log = Arc::new(Reach { log: MemoryLog::new(), policies_away: AtomicBool::new(false) });
    let desk = Desk::on(log.clone()).await;
    let patients: [Uuid; 3] = [desk.patient().await, desk.patient().await, desk.patient().await];
    let permits = |patient: Uuid| format!("/v1/patients/{patient}/permits");
    assert_eq!(desk.post(&permits(patients[0]), ask()).await.ok()["decision"], "permitted");
    log.policies_away.store(true, Ordering::SeqCst);

    // Within the minute that every policy is announced ahead, what was read is good enough.
    desk.clock.set(time("2026-03-02T09:00:20Z"));
    assert_eq!(desk.post(&permits(patients[1]), ask()).await.ok()["decision"], "permitted");

    desk.clock.set(time("2026-03-02T09:01:00Z"));
    let problem = desk.post(&permits(patients[2]), ask()).await.refused(503, "undecidable");
    assert!(problem["detail"].as_str().unwrap().contains("policies cannot be read"), "{problem}");
    let path = |what: &str| format!("/v1/patients/{}/{what}", patients[2]);
    desk.get(&path("permits/preview?purpose=callback&channel=phone&branch=north")).await.refused(503, "undecidable");
    desk.get(&path("quotas")).await.refused(503, "undecidable");
    assert_eq!(desk.post(&path("contacts"), call("promotion")).await.status.as_u16(), 201, "what happened is recorded");
    let told = json!({"purpose": "wellbeing_check", "window": {"from": "2026-03-03T09:00:00Z", "until": "2026-03-03T12:00:00Z"}});
    assert_eq!(desk.post(&path("announcements"), told).await.status.as_u16(), 201, "and what the patient was told");

    // A clock that is set back makes what was read no fresher.
    desk.clock.set(time("2026-03-02T08:59:00Z"));
    desk.post(&permits(patients[2]), ask()).await.refused(503, "undecidable");

    desk.clock.set(time("2026-03-02T09:01:00Z"));
    log.policies_away.store(false, Ordering::SeqCst);
    assert_eq!(desk.post(&permits(patients[2]), ask()).await.ok()["decision"], "permitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_takes_effect_at_least_a_minute_ahead() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({})).await;
        let policy =
            |version: &str, from: &str| json!({"version": version, "text": tact_domain::policy::DEFAULT, "effective_from": from});
        for soon in [
            "2026-03-02T09:00:59Z",
            "2026-03-02T09:00:00Z",
            "2026-01-01T00:00:00Z",
            "1816-01-01T00:00:00Z",
            "2126-01-01T00:00:00Z",
        ] {
            assert_eq!(
                network.post("/v1/policies", policy("soon", soon)).await.refused(422, "untrue")["field"],
                "effective_from",
                "{soon}"
            );
        }
        network.post("/v1/policies", policy("next", "2026-03-02T09:01:00Z")).await.ok();
        let preview = format!("/v1/patients/{patient}/permits/preview?purpose=callback&channel=phone&branch=north");
        network.set_clock("2026-03-02T09:00:59Z");
        assert_eq!(network.get(&preview).await.ok()["policy"], "default");
        network.set_clock("2026-03-02T09:01:00Z");
        assert_eq!(network.get(&preview).await.ok()["policy"], "next");
        network.post("/v1/policies", policy("next", "2026-03-03T00:00:00Z")).await.refused(422, "untrue");
        let mistaken = json!({"version": "bad", "text": "purpose = [", "effective_from": "2026-03-03T00:00:00Z"});
        assert_eq!(network.post("/v1/policies", mistaken).await.refused(422, "untrue")["field"], "text");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_permits_at_all_under_a_policy_that_cannot_be_read() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({})).await;
        let path = |what: &str| format!("/v1/patients/{patient}/{what}");
        network.post(&path("requests"), json!({"channel": "phone"})).await.ok();
        let log = network.app().transactor.log().clone();
        let last = log.read_stream(StreamId::Policy, Position::START, Freshness::Latest).await.unwrap().last().unwrap().position;
        let damaged = NewEvent { id: any_id(), bytes: b"{\"type\":\"policy.dreamt\"}".to_vec().into() };
        assert!(matches!(log.append(StreamId::Policy, last, damaged).await.unwrap(), Append::Done(_)));
        network.set_clock("2026-03-02T09:01:00Z");

        let problem = network.post(&path("permits"), ask()).await.refused(503, "undecidable");
        assert!(problem["detail"].as_str().unwrap().contains("cannot be read"), "{problem}");
        network.get(&path("permits/preview?purpose=callback&channel=phone&branch=north")).await.refused(503, "undecidable");
        let next = json!({"version": "next", "text": tact_domain::policy::DEFAULT, "effective_from": "2026-03-03T00:00:00Z"});
        network.post("/v1/policies", next).await.refused(503, "undecidable");
        assert_eq!(network.post(&path("contacts"), call("callback")).await.status.as_u16(), 201, "what happened is recorded");
        network.post(&path("consent-withdrawals"), json!({})).await.ok();
        network.post(&path("preferences"), json!({"reach": "patient_initiated"})).await.ok();
        let alarms = network.until_get("/v1/alarms", |alarms| alarms.to_string().contains("\"policy\"")).await;
        assert!(alarms["set_aside"][0]["reason"].is_string(), "{alarms}");
    })
    .await;
}
