//! Services apart: each in a process of its own, several of a kind, on one JetStream and one PostgreSQL. They must be exactly as safe as one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tact_domain::Recorded;
use tact_domain::patient::Event;
use tact_event_log::{EventLog, Freshness, JetStreamConfig, Position, StreamId, open_jetstream};
use tact_testbed::{Nats, Postgres};

use crate::processes::{Caller, Cluster, Process, new_key};

async fn cluster() -> Cluster {
    let nats = Nats::shared().await.unwrap();
    Cluster::set_up(&nats.url(), &Postgres::shared().await.unwrap().database().await.unwrap()).await
}

/// What stands in a patient's stream, in order.
async fn stream(cluster: &Cluster, patient: &str) -> Vec<Recorded<Event>> {
    let log = open_jetstream(JetStreamConfig::new(&cluster.network, [&cluster.nats])).await.unwrap();
    let id = StreamId::Patient(patient.parse().unwrap());
    let stored = log.read_stream(id, Position::START, Freshness::Latest).await.unwrap();
    stored.iter().map(|stored| Recorded::read(&stored.bytes).unwrap()).collect()
}

fn count(events: &[Recorded<Event>], kind: &str) -> usize {
    events.iter().filter(|recorded| recorded.event.kind() == kind).count()
}

/// The contact, consent, appointment and patient services, the first of them twice.
struct Services {
    contact: [Process; 2],
    consent: Process,
    appointment: Process,
    patient: Process,
}

impl Services {
    async fn start(cluster: &Cluster) -> Self {
        let [one, two, consent, appointment] = futures::future::join_all([
            cluster.serve("contact"),
            cluster.serve("contact"),
            cluster.serve("consent"),
            cluster.serve("appointment"),
        ])
        .await
        .try_into()
        .unwrap();
        Self { contact: [one, two], consent, appointment, patient: cluster.serve("patient,directory,projector").await }
    }

    async fn stop(self) {
        let [one, two] = self.contact;
        for process in [one, two, self.consent, self.appointment, self.patient] {
            process.stop().await;
        }
    }
}

/// Many ask for the same permit at once, half of them at each contact process; the answers.
async fn race(askers: &[Caller], patient: &str, ask: &Value) -> Vec<Value> {
    let path = format!("/v1/patients/{patient}/permits");
    let asking = askers.iter().map(|asker| {
        let (path, ask) = (path.clone(), ask.clone());
        async move { asker.post(&path, ask).await.ok() }
    });
    futures::future::join_all(asking).await
}

fn winners(answers: &[Value]) -> Vec<String> {
    let permitted = answers.iter().filter(|answer| answer["decision"] == "permitted");
    permitted.map(|answer| answer["permit"].as_str().unwrap().to_owned()).collect()
}

fn codes(answer: &Value) -> Vec<&str> {
    answer["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_who_race_for_a_permit_at_two_processes_one_wins() {
    let cluster = cluster().await;
    let services = Services::start(&cluster).await;
    let desk = cluster.manager_at(&services.patient);
    let askers: Vec<Caller> = (0..64).map(|n| cluster.manager_at(&services.contact[n % 2])).collect();
    let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-03T10:00:00+03:00"});
    let ask = json!({"purpose": "appointment_reminder", "channel": "phone", "branch": "north"});
    for _ in 0..3 {
        let patient = desk.patient("north").await;
        let booked =
            desk.at(&services.appointment).post(&format!("/v1/patients/{patient}/appointments"), booking.clone()).await.ok();

        // The limit is two attempts, one of them reached.
        let first = race(&askers, &patient, &ask).await;
        let won = winners(&first);
        assert_eq!(won.len(), 1, "{first:?}");
        for lost in first.iter().filter(|answer| answer["decision"] == "refused") {
            assert!(codes(lost).contains(&"permit_outstanding"), "{lost}");
        }
        let mut call = json!({"direction": "outbound", "purpose": "appointment_reminder", "channel": "phone", "branch": "north",
            "outcome": "no_answer", "permit": won[0], "about": booked["appointment"]});
        let contacts = format!("/v1/patients/{patient}/contacts");
        let made = askers[1].post(&contacts, call.clone()).await.ok();
        assert_eq!(made["breach"], false, "{made}");

        let second = race(&askers[..16], &patient, &ask).await;
        let won = winners(&second);
        assert_eq!(won.len(), 1, "{second:?}");
        call["permit"] = json!(won[0]);
        call["outcome"] = json!("reached");
        assert_eq!(askers[0].post(&contacts, call).await.ok()["breach"], false);

        let third = race(&askers[..16], &patient, &ask).await;
        assert_eq!(winners(&third), Vec::<String>::new());
        for lost in &third {
            assert!(codes(lost).contains(&"limit_reached"), "{lost}");
        }

        // Every question was written down once, and both processes count the same.
        let events = stream(&cluster, &patient).await;
        assert_eq!((count(&events, "contact.permitted"), count(&events, "contact.made")), (2, 2));
        assert_eq!(count(&events, "contact.refused"), 63 + 15 + 16);
        let counted: Vec<BTreeMap<String, (u64, u64)>> =
            futures::future::join_all(askers[..2].iter().map(|asker| used(asker, &patient))).await;
        assert_eq!(counted[0], counted[1]);
        assert_eq!(counted[0].values().copied().collect::<Vec<_>>(), [(1, 0), (2, 0)], "{:?}", counted[0]);
    }
    services.stop().await;
}

/// Used and left of each of the reminder's own limits.
async fn used(asker: &Caller, patient: &str) -> BTreeMap<String, (u64, u64)> {
    let quotas = asker.get(&format!("/v1/patients/{patient}/quotas?purpose=appointment_reminder")).await.ok();
    let lines = quotas["quotas"][0]["limits"].as_array().unwrap().clone();
    lines
        .iter()
        .map(|line| {
            (line["limit"].as_str().unwrap().to_owned(), (line["used"].as_u64().unwrap(), line["left"].as_u64().unwrap()))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_permit_is_granted_after_a_withdrawal_was_acknowledged() {
    let cluster = cluster().await;
    let services = Services::start(&cluster).await;
    let desk = cluster.manager_at(&services.patient);
    let consent = desk.at(&services.consent);
    let askers = [desk.at(&services.contact[0]), desk.at(&services.contact[1])];
    let grant = json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": "4a1c7f0e-0000-4000-8000-000000000001"}});
    let ask = json!({"purpose": "promotion", "channel": "sms", "branch": "north"});
    let (mut before, mut after) = (0, 0);
    for round in 0..12 {
        let patient = desk.patient("north").await;
        consent.post(&format!("/v1/patients/{patient}/consents"), grant.clone()).await.ok();
        let path = format!("/v1/patients/{patient}/permits");
        if round % 2 == 0 {
            // Both processes know the patient, and hold what they know in memory.
            askers[0].get(&format!("{path}/preview?purpose=promotion&channel=sms&branch=north")).await.ok();
            askers[1].get(&format!("{path}/preview?purpose=promotion&channel=sms&branch=north")).await.ok();
        }
        let withdrawal = async {
            consent.post(&format!("/v1/patients/{patient}/consent-withdrawals"), json!({"purpose": "promotion"})).await.ok()
        };
        let ((), answers) = tokio::join!(async { drop(withdrawal.await) }, race(&askers, &patient, &ask));
        // Acknowledged: from here on nobody may be told yes, wherever they ask.
        for answer in race(&askers, &patient, &ask).await {
            assert_eq!(answer["decision"], "refused", "{answer}");
            assert!(codes(&answer).contains(&"consent_withdrawn"), "{answer}");
        }
        assert!(winners(&answers).len() <= 1, "{answers:?}");
        let kinds: Vec<&str> = stream(&cluster, &patient).await.iter().map(|recorded| recorded.event.kind()).collect();
        let withdrawn = kinds.iter().position(|kind| *kind == "consent.withdrawn").unwrap();
        assert!(!kinds[withdrawn..].contains(&"contact.permitted"), "{kinds:?}");
        if winners(&answers).is_empty() { after += 1 } else { before += 1 }
    }
    println!("a permit came before the withdrawal {before} times, and none {after} times");
    services.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_goes_on_at_another_process_when_its_own_is_killed() {
    let cluster = cluster().await;
    let patient_service = cluster.serve("patient").await;
    let desk = cluster.manager_at(&patient_service);
    let survivor = cluster.serve("contact").await;
    let patient = desk.patient("north").await;
    let path = format!("/v1/patients/{patient}/contacts");
    let call =
        json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
    let rounds = 6;
    for round in 0..rounds {
        let mut doomed = cluster.serve("contact").await;
        let at_doomed = desk.at(&doomed);
        let key = new_key();
        let first = if round % 2 == 0 {
            // Killed after it has answered.
            let answer = at_doomed.post_under(&key, &path, call.clone()).await.ok();
            doomed.kill().await;
            Some(answer)
        } else {
            // Killed while it works on it: whether it was recorded, nobody knows.
            let (asked, key, path, call) = (at_doomed.clone(), key.clone(), path.clone(), call.clone());
            let asking = tokio::spawn(async move { asked.try_send(hyper::Method::POST, &path, &key, Some(&call)).await });
            doomed.kill().await;
            asking.await.unwrap().filter(|reply| reply.status.is_success()).map(|reply| reply.json)
        };
        let again = desk.at(&survivor).post_under(&key, &path, call.clone()).await.ok();
        if let Some(first) = first {
            assert_eq!(again["repeated"], true);
            assert_eq!(
                (&again["event"], &again["contact"], &again["position"]),
                (&first["event"], &first["contact"], &first["position"])
            );
        }
        let third = desk.at(&survivor).post_under(&key, &path, call.clone()).await.ok();
        assert_eq!((&third["event"], &third["repeated"]), (&again["event"], &json!(true)));
        let made = count(&stream(&cluster, &patient).await, "contact.made");
        assert_eq!(made, round + 1, "each command is one event");
    }
    survivor.stop().await;
    patient_service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_service_does_the_read_models_of_another_show() {
    let cluster = cluster().await;
    let services = Services::start(&cluster).await;
    let desk = cluster.manager_at(&services.patient);
    let patient = desk.patient("east").await;
    let request = json!({"channel": "phone"});
    let asked = desk.at(&services.contact[0]).post(&format!("/v1/patients/{patient}/requests"), request).await.ok();
    let position = asked["position"].as_str().unwrap();
    let contact = desk.at(&services.contact[1]);
    let list = contact.until(&format!("/v1/branches/east/worklist?at_least={position}"), |reply| reply.status.is_success()).await;
    let entries = list.json["entries"].as_array().unwrap();
    assert!(
        entries.iter().any(|entry| entry["patient"] == patient && entry["purpose"] == "callback" && entry["callable"] == true),
        "{}",
        list.json
    );
    // A route of a service that is not here is not here.
    contact.post("/v1/patients", json!({"home_branch": "east"})).await.refused(404, "not_found");
    for process in &services.contact {
        assert!(!process.stderr().contains("ERROR"), "{}", process.stderr());
    }
    tokio::time::timeout(Duration::from_secs(60), services.stop()).await.expect("five processes stop");
}
