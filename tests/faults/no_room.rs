//! A disk that is full: nothing more is taken, nothing that was taken is lost, and no permit comes out of it.

use std::sync::Arc;

use serde_json::json;
use tact_event_log::{EventLog, Freshness, Position, SqliteLog, StreamId};

use crate::desk::Desk;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_log_takes_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(SqliteLog::open_limited(&folder.path().join("events.db"), "test", Some(256 * 1024)).unwrap());
    let desk = Desk::on(log.clone()).await;
    let patient = desk.patient().await;
    let contacts = format!("/v1/patients/{patient}/contacts");
    let call =
        json!({"direction": "inbound", "purpose": "promotion", "channel": "phone", "branch": "north", "outcome": "reached"});
    let mut acknowledged = Vec::new();
    let full = loop {
        let reply = desk.post(&contacts, call.clone()).await;
        if !reply.status.is_success() {
            break reply;
        }
        acknowledged.push(reply.json["event"].as_str().unwrap().to_owned());
        assert!(acknowledged.len() < 10_000, "it never gets full");
    };
    assert!(acknowledged.len() > 50, "{} before it was full", acknowledged.len());
    full.refused(507, "no_room");
    let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
    desk.post(&format!("/v1/patients/{patient}/permits"), ask).await.refused(507, "no_room");
    desk.get(&format!("/v1/patients/{patient}/history?limit=1000")).await.ok();

    let stored = log.read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await.unwrap();
    let there: Vec<String> = stored.iter().map(|stored| stored.id.to_string()).collect();
    for event in &acknowledged {
        assert!(there.contains(event), "{event} was acknowledged");
    }
    assert_eq!(there.len(), acknowledged.len() + 2, "registered, asked for a call, and those contacts: no more");
}
