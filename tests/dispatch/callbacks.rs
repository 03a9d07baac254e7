//! What gateways tell: late, twice, out of order, unsigned. The right outcome stands at the end, whatever the order, and a wish is obeyed.

use hyper::{Method, StatusCode};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tact_dispatcher::sandbox::Options;
use tact_dispatcher::signing::Secrets;
use tact_dispatcher::status::{Said, Status, Word};
use tact_domain::{Outcome, Reach};
use uuid::Uuid;

use super::{Gateway, SECRET, events, how_often, outcome, patient, permit, story};
use crate::network::{NOON, Network, any_id, time};

/// A network whose own dispatcher works, with a gateway that tells only what the test has it tell.
async fn scene() -> (Network, Gateway) {
    let gateway = Gateway::start(Options { quiet: true, ..Options::default() }).await;
    let network = Network::start_with(Some(gateway.file(""))).await;
    gateway.sandbox.tell_at(&format!("{}/v1/gateway/callbacks", network.url()));
    (network, gateway)
}

/// A message that has been taken; its id.
async fn sent(network: &Network, gateway: &Gateway, patient: Uuid, purpose: &str) -> Uuid {
    let before = gateway.sandbox.all().len();
    let permit = permit(network, patient, purpose, "sms").await;
    gateway.sandbox.until(before + 1).await;
    network.desk().contact_of(permit)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_and_proves_the_first_word_wrong_corrects_it() {
    let (network, gateway) = scene().await;
    let told = async |id, status, at: &str| gateway.sandbox.tell(id, status, time(at)).await;
    let patient = patient(&network, "+7 905 731-94-60").await;
    let id = sent(&network, &gateway, patient, "appointment_reminder").await;
    assert_eq!(told(id, Status::Sent, "2026-03-02T09:00:01Z").await, Some(StatusCode::OK));
    assert_eq!(outcome(&network, patient).await, None, "that says nothing final");
    assert_eq!(told(id, Status::Undeliverable, "2026-03-02T09:00:05Z").await, Some(StatusCode::OK));
    assert_eq!(outcome(&network, patient).await, Some(Outcome::NoAnswer));
    // More than a day later: it has arrived after all. And it is told twice.
    network.set_clock("2026-03-03T12:00:00Z");
    gateway.clock.set(time("2026-03-03T12:00:00Z"));
    for _ in 0..2 {
        assert_eq!(told(id, Status::Delivered, "2026-03-03T11:59:00Z").await, Some(StatusCode::OK));
    }
    assert_eq!(outcome(&network, patient).await, Some(Outcome::Reached));
    // Something older comes again: it changes nothing.
    assert_eq!(told(id, Status::Undeliverable, "2026-03-02T09:00:05Z").await, Some(StatusCode::OK));
    let expected = ["contact.permitted", "contact.started", "contact.made", "contact.corrected"];
    assert_eq!(story(&network, patient).await, expected);
    let events = events(&network, patient).await;
    let corrected = events.iter().find(|recorded| recorded.event.kind() == "contact.corrected").unwrap();
    assert_eq!(corrected.envelope.time, time("2026-03-03T11:59:00Z"), "when it happened");
    // The read models and the figures say what is known now.
    let position = network.app().transactor.log().head().await.unwrap();
    let figures = network.get(&format!("/v1/figures?from=2026-03&until=2026-03&at_least={position}")).await.ok();
    let contacts = figures["contacts"].as_array().unwrap();
    let count = |outcome: &str| {
        let of_it = contacts.iter().filter(|count| count["outcome"] == outcome && count["channel"] == "sms");
        of_it.map(|count| count["made"].as_i64().unwrap()).sum::<i64>()
    };
    assert_eq!((count("reached"), count("no_answer")), (1, 0), "{figures}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_whatever_order_they_come_the_same_outcome_stands_at_the_end() {
    let (network, gateway) = scene().await;
    let mut rng = SmallRng::seed_from_u64(20_260_302);
    for round in 0..12 {
        let patient = patient(&network, &format!("+7 905 731-{round:02}-60")).await;
        let id = sent(&network, &gateway, patient, "appointment_reminder").await;
        let mut words = Vec::new();
        for _ in 0..rng.random_range(1..6) {
            // A request to stop is a wish as well, and has a test of its own.
            let status = Status::ALL[rng.random_range(0..Status::ALL.len() - 1)];
            let at = time(NOON) + chrono::Duration::seconds(rng.random_range(-300..300));
            words.extend(std::iter::repeat_n((status, at), rng.random_range(1..3)));
        }
        words.shuffle(&mut rng);
        let said = |(status, at): &(Status, _)| Said { word: Word::Gateway(*status), at: *at };
        let expected = words.iter().map(said).reduce(Said::or).unwrap().outcome();
        // Some at once, some after one another.
        let (first, rest) = words.split_at(words.len() / 2);
        let telling = first.iter().map(|(status, at)| gateway.sandbox.tell(id, *status, *at));
        for answer in futures::future::join_all(telling).await {
            assert_eq!(answer, Some(StatusCode::OK));
        }
        for (status, at) in rest {
            assert_eq!(gateway.sandbox.tell(id, *status, *at).await, Some(StatusCode::OK));
        }
        assert_eq!(outcome(&network, patient).await, expected, "round {round}: {words:?}");
        let made = how_often(&events(&network, patient).await, "contact.made");
        assert_eq!(made, usize::from(expected.is_some()), "round {round}: {words:?}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_to_be_left_alone_is() {
    let (network, gateway) = scene().await;
    let number = "+7 905 731-94-60";
    // Two people with one number, spelled differently.
    let (one, other) = (patient(&network, number).await, patient(&network, "8 (905) 731 94 60").await);
    let consent = json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": any_id()}});
    for patient in [one, other] {
        network.post(&format!("/v1/patients/{patient}/consents"), consent.clone()).await.ok();
    }
    let id = sent(&network, &gateway, one, "promotion").await;
    for _ in 0..2 {
        assert_eq!(gateway.sandbox.tell(id, Status::OptedOut, time(NOON)).await, Some(StatusCode::OK));
    }
    // Nobody knows whose thumb it was: it is asked, once, and until then nobody on the number is written to.
    for patient in [one, other] {
        let known = network.app().transactor.patient_now(patient).await.unwrap();
        assert_eq!((known.state.withdrawals.len(), known.state.preferences.reach), (0, None), "{patient}");
    }
    let open = network.get("/v1/numbers/stops?branch=north").await.ok();
    assert_eq!(open["stops"].as_array().unwrap().len(), 1, "{open}");
    let ask = json!({"purpose": "appointment_reminder", "channel": "sms", "branch": "north"});
    let refused = network.post(&format!("/v1/patients/{other}/permits"), ask.clone()).await.ok();
    assert_eq!(refused["reasons"][0]["code"], "number_busy", "{refused}");
    assert_eq!(outcome(&network, one).await, Some(Outcome::Declined));
    // It was care: then "don't call me" is the least that they can have meant.
    let third = patient(&network, "+7 905 731-94-70").await;
    let id = sent(&network, &gateway, third, "appointment_reminder").await;
    assert_eq!(gateway.sandbox.tell(id, Status::Delivered, time(NOON)).await, Some(StatusCode::OK));
    assert_eq!(gateway.sandbox.tell(id, Status::OptedOut, time(NOON)).await, Some(StatusCode::OK));
    let known = network.app().transactor.patient_now(third).await.unwrap();
    assert_eq!(known.state.preferences.reach.map(|(reach, _)| reach), Some(Reach::PatientInitiated));
    assert_eq!(outcome(&network, third).await, Some(Outcome::Declined));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_gateway_is_believed() {
    let (network, gateway) = scene().await;
    let patient = patient(&network, "+7 905 731-94-60").await;
    let id = sent(&network, &gateway, patient, "appointment_reminder").await;
    let url = "/v1/gateway/callbacks";
    let body = json!({"message": id, "status": "delivered", "at": NOON});
    // A token is not enough, whoever's it is.
    network.post(url, body.clone()).await.refused(401, "unauthenticated");
    let signed = |secret: &str, at: &str, signed: &str, body: &str| {
        let mut request = network.request(&Method::POST, url, "", None);
        request.headers_mut().remove("authorization");
        for (name, value) in Secrets::read(secret).unwrap().sign("cb", time(at), signed.as_bytes()) {
            request.headers_mut().insert(name, value);
        }
        *request.body_mut() = body.to_owned().into();
        request
    };
    let text = body.to_string();
    let stranger = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    network.send(signed(stranger, NOON, &text, &text)).await.refused(401, "unauthenticated");
    network.send(signed(SECRET, NOON, &text, &text.replace("delivered", "busy"))).await.refused(401, "unauthenticated");
    let old = network.send(signed(SECRET, "2026-03-02T08:40:00Z", &text, &text)).await.refused(401, "unauthenticated");
    assert!(old["detail"].as_str().unwrap().contains("1200 s"), "{old}");
    assert_eq!(outcome(&network, patient).await, None, "nothing of it was believed");
    // What is signed and wrong is told what is wrong.
    for (body, status, kind, field) in [
        ("{".to_owned(), 400, "malformed", None),
        (text.replace("delivered", "delivred"), 422, "untrue", Some("status")),
        (text.replace("\"at\"", "\"when\""), 422, "untrue", Some("when")),
        (text.replace(NOON, "yesterday"), 422, "untrue", Some("at")),
        (text.replace(&id.to_string(), &any_id().to_string()), 404, "not_found", Some("message")),
    ] {
        let refused = network.send(signed(SECRET, NOON, &body, &body)).await.refused(status, kind);
        assert_eq!(refused.get("field").and_then(|field| field.as_str()), field, "{refused}");
    }
    let heard = network.send(signed(SECRET, NOON, &text, &text)).await.ok();
    assert_eq!(heard["outcome"], "reached");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_says_is_closed_by_a_person_and_corrected_by_the_gateway() {
    let (network, gateway) = scene().await;
    let patient = patient(&network, "+7 905 731-94-60").await;
    let id = sent(&network, &gateway, patient, "appointment_reminder").await;
    let list = "/v1/branches/north/dispatches";
    assert_eq!(network.get(list).await.ok()["messages"], json!([]));
    // The sandbox has it as delivered from the start, being quiet only: one that forgets everything is another.
    network.until_get(&format!("{list}?state=open"), |answer| answer["messages"][0]["status"] == "accepted").await;
    let close = format!("{list}/{id}/outcome");
    network.post(&close, json!({"outcome": "perhaps"})).await.refused(422, "untrue");
    network
        .post(&format!("/v1/branches/east/dispatches/{id}/outcome"), json!({"outcome": "busy"}))
        .await
        .refused(404, "not_found");
    let closed = network.post(&close, json!({"outcome": "no_answer"})).await.ok();
    assert_eq!(closed["outcome"], "no_answer");
    assert_eq!(outcome(&network, patient).await, Some(Outcome::NoAnswer));
    assert_eq!(gateway.sandbox.tell(id, Status::Delivered, time(NOON)).await, Some(StatusCode::OK));
    assert_eq!(outcome(&network, patient).await, Some(Outcome::Reached));
    // And then nobody's guess goes before it.
    assert_eq!(network.post(&close, json!({"outcome": "busy"})).await.ok()["outcome"], "reached");
    let figures = network.get("/v1/dispatches/figures").await.ok();
    assert_eq!(figures["messages"][0]["outcome"], "reached", "{figures}");
    network.stop().await;
}
