//! An event that cannot be read: a newer version's type, a damaged message, a broken chain. Its patient is set aside with an alarm and gets no
//! permits, contacts are still recorded, and everybody else goes on.

use std::time::Duration;

use serde_json::{Value, json};
use tact_event_log::{Append, EventLog, Freshness, NewEvent, Position, StreamId};
use tact_testbed::{Nats, Postgres};
use uuid::Uuid;

use crate::network::{Network, any_id};
use crate::processes::{Cluster, ended};

/// Puts these bytes behind a patient's last event.
async fn append(log: &dyn EventLog, patient: Uuid, bytes: Vec<u8>) {
    let stream = StreamId::Patient(patient);
    let last = log.read_stream(stream, Position::START, Freshness::Latest).await.unwrap().last().unwrap().position;
    let done = log.append(stream, last, NewEvent { id: any_id(), bytes: bytes.into() }).await.unwrap();
    assert!(matches!(done, Append::Done(_)));
}

/// A patient's last event, with some of its members changed: as another version of Tact may write it.
async fn changed(log: &dyn EventLog, patient: Uuid, members: Value) -> Vec<u8> {
    let events = log.read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await.unwrap();
    let last = events.last().unwrap();
    let mut event: Value = serde_json::from_slice(&last.bytes).unwrap();
    event["id"] = json!(any_id());
    event["streamsequence"] = json!(events.len() + 1);
    event["previoushash"] = json!(hex::encode(tact_domain::envelope::hash(&last.bytes)));
    event.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    event.to_string().into_bytes()
}

fn ask() -> Value {
    json!({"purpose": "callback", "channel": "phone", "branch": "north"})
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unreadable_event_sets_one_patient_aside() {
    Network::on_both(async |network| {
    let log = network.app().transactor.log().clone();
    let mut patients = Vec::new();
    for _ in 0..6 {
        let patient = network.patient("north", json!({})).await;
        network.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
        let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-03T10:00:00+03:00"});
        network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
        patients.push(patient);
    }
    let well = patients.pop().unwrap();
    append(&*log, patients[0], changed(&*log, patients[0], json!({"type": "contact.dreamt"})).await).await;
    append(&*log, patients[1], changed(&*log, patients[1], json!({"typeversion": 99})).await).await;
    append(&*log, patients[2], b"\xff\xfe\0 not an event".to_vec()).await;
    append(&*log, patients[3], changed(&*log, patients[3], json!({"previoushash": "00".repeat(32)})).await).await;
    append(&*log, patients[4], changed(&*log, patients[4], json!({"data": {"surprise": 1}})).await).await;

    for (patient, why) in patients.iter().zip(["contact.dreamt", "99", "not an event of ours", "chain", "damaged"]) {
        let path = |what: &str| format!("/v1/patients/{patient}/{what}");
        for problem in [
            network.post(&path("permits"), ask()).await.refused(503, "patient_set_aside"),
            network
                .get(&path("permits/preview?purpose=callback&channel=phone&branch=north"))
                .await
                .refused(503, "patient_set_aside"),
            network.get(&path("quotas")).await.refused(503, "patient_set_aside"),
            network.post(&path("requests"), json!({"channel": "phone"})).await.refused(503, "patient_set_aside"),
        ] {
            assert_eq!(problem["patient"], patient.to_string());
            assert!(problem["detail"].as_str().unwrap().contains(why), "`{why}`: {problem}");
        }
        // What has happened is recorded all the same, but not with a date that cannot be.
        let mut call =
            json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
        assert_eq!(network.post(&path("contacts"), call.clone()).await.status.as_u16(), 201);
        call["time"] = json!("2126-03-02T09:00:00Z");
        assert_eq!(network.post(&path("contacts"), call).await.refused(422, "untrue")["field"], "time");
        network.post(&path("consent-withdrawals"), json!({})).await.ok();
        network.post(&path("preferences"), json!({"reach": "patient_initiated"})).await.ok();
        let shown = network.get(&format!("/v1/patients/{patient}")).await.ok();
        assert!(shown["set_aside"].as_str().is_some_and(|reason| reason.contains(why)), "{shown}");
        let history = network.get(&path("history")).await.ok();
        assert!(history["unreadable"].as_str().is_some_and(|reason| reason.contains(why)), "{history}");
        // What was recorded blindly does not bring the patient back.
        network.post(&path("permits"), ask()).await.refused(503, "patient_set_aside");
    }

    let granted = network.post(&format!("/v1/patients/{well}/permits"), ask()).await.ok();
    assert_eq!(granted["decision"], "permitted", "all others go on");
    let position = granted["position"].as_str().unwrap();
    let list = network.get(&format!("/v1/branches/north/worklist?at_least={position}")).await.ok();
    let listed: Vec<&str> = list["entries"].as_array().unwrap().iter().map(|entry| entry["patient"].as_str().unwrap()).collect();
    assert!(listed.iter().all(|patient| *patient == well.to_string()) && !listed.is_empty(), "{list}");
    let alarms = network.get("/v1/alarms").await.ok();
    let mut alarmed: Vec<String> =
        alarms["set_aside"].as_array().unwrap().iter().map(|row| row["stream"].as_str().unwrap().to_owned()).collect();
    let mut expected: Vec<String> = patients.iter().map(Uuid::to_string).collect();
    alarmed.sort();
    expected.sort();
    assert_eq!(alarmed, expected, "{alarms}");
    }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_others_left_on_the_bus_harm_nobody_else() {
    let nats = Nats::shared().await.unwrap();
    let cluster = Cluster::set_up(&nats.url(), &Postgres::shared().await.unwrap().database().await.unwrap()).await;
    let server = cluster.serve("contact,consent,appointment,patient,directory,projector").await;
    let caller = cluster.manager_at(&server);
    let (hurt, well) = (caller.patient("north").await, caller.patient("north").await);
    for patient in [&hurt, &well] {
        caller.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
    }
    // One in a patient's own subject, one under a subject that is nobody's, neither with an id.
    let bus = async_nats::connect(&cluster.nats).await.unwrap();
    let stream = async_nats::jetstream::new(bus);
    let own = StreamId::Patient(hurt.parse().unwrap()).subject(&cluster.network);
    for subject in [own, format!("{}.evt.nobodys.own", cluster.network)] {
        stream.publish(subject, "who reads this".into()).await.unwrap().await.unwrap();
    }
    caller.post(&format!("/v1/patients/{hurt}/permits"), ask()).await.refused(503, "patient_set_aside");
    let call =
        json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
    caller.post(&format!("/v1/patients/{hurt}/contacts"), call).await.ok();
    assert_eq!(caller.post(&format!("/v1/patients/{well}/permits"), ask()).await.ok()["decision"], "permitted");
    let alarms =
        caller.until("/v1/alarms", |reply| reply.json["set_aside"].as_array().is_some_and(|rows| !rows.is_empty())).await;
    assert_eq!(alarms.json["set_aside"][0]["stream"], json!(hurt), "{}", alarms.json);
    assert_eq!(alarms.json["set_aside"].as_array().unwrap().len(), 1);
    // The very last message of the log is nobody's: a rebuild ends all the same, and shows the same alarm.
    let again = async_nats::jetstream::new(async_nats::connect(&cluster.nats).await.unwrap());
    again.publish(format!("{}.evt.nobodys.last", cluster.network), "nor this".into()).await.unwrap().await.unwrap();
    let rebuilt = tokio::time::timeout(Duration::from_secs(60), ended(cluster.command(&["projections", "rebuild"]).await)).await;
    assert_eq!(rebuilt.expect("a rebuild ends").code, Some(0));
    let after = caller.get("/v1/alarms").await.ok();
    assert_eq!(after["set_aside"][0]["stream"], json!(hurt), "{after}");
    server.stop().await;
}
