//! A stop that comes from a shared number: nobody is rung there until somebody has said whose it was, however the asks race.

use std::sync::Arc;

use serde_json::{Value, json};
use tact_domain::patient::events::Event;
use tact_domain::{Channel, Reach};
use uuid::Uuid;

use super::{PHONE, ask, busy, permitted, person, stream};
use crate::network::{Network, id};

async fn stop(network: &Network, purpose: Option<&str>) -> Value {
    let mut body = json!({"phone": "8 (495) 123-45-67", "channel": "sms"});
    if let Some(purpose) = purpose {
        body["purpose"] = json!(purpose);
    }
    network.post("/v1/numbers/stops", body).await.ok()
}

fn withdrawn(events: &[tact_domain::Recorded<Event>]) -> bool {
    events
        .iter()
        .any(|r| matches!(&r.event, Event::ConsentWithdrawn(e) if e.purpose.as_ref().is_some_and(|p| p.as_str() == "promotion")))
}

fn wished(events: &[tact_domain::Recorded<Event>]) -> bool {
    events.iter().any(|r| matches!(&r.event, Event::PreferenceSet(e) if e.reach == Some(Reach::PatientInitiated)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_of_one_who_has_the_number_alone_is_theirs() {
    let network = Network::start().await;
    let anna = person(&network, PHONE).await;
    let heard = stop(&network, Some("promotion")).await;
    assert_eq!((&heard["result"], id(&heard["patient"])), (&json!("recorded"), anna), "{heard}");
    let events = stream(&network, anna).await;
    assert!(withdrawn(&events) && !wished(&events));
    // Of what needs no consent, and of nothing in particular: she calls, not we.
    stop(&network, None).await;
    assert!(wished(&stream(&network, anna).await));
    let nobody = json!({"phone": "+7 495 000 00 01", "channel": "sms"});
    network.post("/v1/numbers/stops", nobody).await.refused(404, "not_found");
    for (body, field) in [
        (json!({"phone": "none", "channel": "sms"}), "phone"),
        (json!({"phone": PHONE, "channel": "email"}), "channel"),
        (json!({"phone": PHONE, "channel": "sms", "purpose": "promotions"}), "purpose"),
        (json!({"phone": PHONE, "channel": "sms", "time": "2030-01-01T00:00:00Z"}), "time"),
    ] {
        let problem = network.post("/v1/numbers/stops", body).await;
        let problem = problem.refused(422, "untrue");
        assert_eq!(problem["field"], field, "{problem}");
        assert!(!problem.to_string().contains("123-45-67"), "{problem}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_open_whose_stop_it_was_nobody_is_rung() {
    Network::on_both(async |network| {
        let people = [person(network, PHONE).await, person(network, PHONE).await, person(network, PHONE).await];
        let [anna, boris, clara] = people;
        let permit = permitted(&ask(network, anna, "promotion", "sms", None).await);
        let heard = stop(network, Some("promotion")).await;
        assert_eq!(heard["result"], "open", "{heard}");
        let question = id(&heard["stop"]);
        // Her permit ended with it.
        let made = super::contact(network, anna, "promotion", "sms", permit, "reached").await;
        assert_eq!(made["breach"], true, "{made}");
        for (patient, channel) in [(anna, "phone"), (boris, "sms"), (clara, "messenger")] {
            let answer = ask(network, patient, "promotion", channel, None).await;
            let codes = answer["reasons"].to_string();
            assert!(codes.contains("number_busy") || patient == anna, "{answer}");
            assert_eq!(answer["decision"], "refused");
        }
        let mail = permitted(&ask(network, boris, "promotion", "email", None).await);
        network.post(&format!("/v1/patients/{boris}/permits/{mail}/release"), json!({})).await.ok();
        network.post(&format!("/v1/patients/{boris}/requests"), json!({"channel": "phone"})).await.ok();
        permitted(&ask(network, boris, "callback", "phone", None).await);
        let open = network.get("/v1/numbers/stops?branch=north").await.ok();
        let mut sorted = people;
        sorted.sort();
        assert_eq!(open["stops"][0]["stop"], json!(question), "{open}");
        assert_eq!((&open["stops"][0]["patients"], &open["stops"][0]["elsewhere"]), (&json!(sorted), &json!(false)));
        assert_eq!(network.get("/v1/numbers/stops?branch=east").await.ok(), json!({"stops": []}));
        // Whoever knows nothing of it but the log knows it as well, and an erasure does not answer it.
        network.post(&format!("/v1/patients/{clara}/erasure"), json!({"reason": "patient_request"})).await.ok();
        network.app().carry_out_erasure(clara, stream(network, clara).await.last().unwrap().envelope.id).await.unwrap();
        let path = format!("/v1/numbers/stops/{question}/answer");
        let gone = network.post(&path, json!({"patients": [clara]})).await.refused(422, "untrue");
        assert_eq!(gone["field"], "patients", "{gone}");
        network
            .post(&format!("/v1/numbers/stops/{}/answer", Uuid::from_u128(5)), json!({"patients": [anna]}))
            .await
            .refused(404, "not_found");
        network.post(&path, json!({"patients": [anna]})).await.ok();
        assert!(withdrawn(&stream(network, anna).await) && !withdrawn(&stream(network, boris).await));
        assert_eq!(network.get("/v1/numbers/stops?branch=north").await.ok(), json!({"stops": []}));
        network.post(&path, json!({"patients": [boris]})).await.refused(404, "not_found");
        // What she was sent against the stop counts for all who share the number.
        assert_eq!(busy(&ask(network, boris, "promotion", "sms", None).await), "2026-04-01T09:00:00Z");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_permit_outlives_a_stop_that_was_acknowledged() {
    Network::on_both(async |network| {
        for round in 0..8 {
            let phone = format!("+7 495 300 00 0{round}");
            let people = [person(network, &phone).await, person(network, &phone).await];
            let asking = people.map(|patient| ask(network, patient, "promotion", "sms", None));
            let stopping = network.post("/v1/numbers/stops", json!({"phone": phone, "channel": Channel::Sms}));
            let (_, heard) = tokio::join!(futures::future::join_all(asking), stopping);
            assert_eq!(heard.ok()["result"], "open");
            let app: &Arc<tact_service::App> = network.app();
            let now = app.clock.now();
            for patient in people {
                let known = app.transactor.patient_now(patient).await.unwrap();
                assert!(known.state.permits.iter().all(|permit| !permit.is_live(now)), "round {round}");
            }
        }
    })
    .await;
}
