//! Calls that an exchange has recorded: each is somebody's contact, or waits for a person, and none is taken twice.

use serde_json::{Value, json};
use tact_domain::{Direction, Outcome};

use super::{patient, permit, story};
use crate::network::{Network, id};

fn call(record: &str, direction: &str, number: &str, at: &str) -> Value {
    json!({"record": record, "direction": direction, "number": number, "begun_at": at, "seconds": 40, "disposition": "answered", "branch": "north"})
}

async fn post(network: &Network, calls: &[Value]) -> Vec<Value> {
    network.post("/v1/call-records", json!({"calls": calls})).await.ok()["calls"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_is_somebodys_contact_or_waits_for_a_person() {
    Network::on_both(async |network| {
        let known = async |patient| network.app().transactor.patient_now(patient).await.unwrap().state.clone();
        let permitted = patient(network, "+7 905 731-94-60").await;
        let granted = permit(network, permitted, "appointment_reminder", "phone").await;
        let uncalled = patient(network, "+7 905 731-94-61").await;
        let written = patient(network, "+7 905 731-94-62").await;
        let by_hand = json!({"direction": "outbound", "purpose": "appointment_reminder", "channel": "phone", "branch": "north", "outcome": "voicemail"});
        let by_hand = network.post(&format!("/v1/patients/{written}/contacts"), by_hand).await.ok();
        for _ in 0..2 {
            patient(network, "+7 905 731-94-63").await;
        }
        network.set_clock("2026-03-02T09:10:00Z");
        let calls = [
            call("r1", "outbound", "89057319460", "2026-03-02T12:01:00+03:00"),
            call("r2", "outbound", "+79057319461", "2026-03-02T12:02:00+03:00"),
            call("r3", "outbound", "9057319462", "2026-03-02T12:03:00+03:00"),
            call("r4", "inbound", "+79057319460", "2026-03-02T12:04:00+03:00"),
            call("r5", "outbound", "+79057319463", "2026-03-02T12:05:00+03:00"),
            call("r6", "inbound", "+79057319499", "2026-03-02T12:06:00+03:00"),
        ];
        let taken = post(network, &calls).await;
        let states: Vec<(&str, &str)> =
            taken.iter().map(|one| (one["state"].as_str().unwrap(), one["reason"].as_str().unwrap_or_default())).collect();
        let (matched, several, nobody) = (("matched", ""), ("review", "several"), ("review", "nobody"));
        assert_eq!(states, [matched, matched, matched, matched, several, nobody]);
        // Handed over again, nothing happens twice.
        assert_eq!(post(network, &calls).await, taken);

        // By the permit that was good at that moment.
        let state = known(permitted).await;
        let outbound: Vec<_> = state.contacts.iter().filter(|c| c.direction == Direction::Outbound).collect();
        assert_eq!((outbound.len(), outbound[0].permit, outbound[0].breach), (1, Some(granted), false));
        assert_eq!(outbound[0].purpose.as_str(), "appointment_reminder");
        assert_eq!(state.contacts.len(), 2, "and the patient's own call");
        // Without one: a breach, and not lost.
        let state = known(uncalled).await;
        assert_eq!((state.contacts.len(), state.contacts[0].breach, state.contacts[0].outcome), (1, true, Outcome::Reached));
        // What the desk has written down is the same call.
        assert_eq!(taken[2]["contact"], by_hand["contact"]);
        assert_eq!(story(network, written).await, ["contact.made"]);

        // A person says whose the others were, and the numbers go.
        let list = network.get("/v1/call-records/review?branch=north").await.ok();
        let mut waiting = list["calls"].as_array().unwrap().clone();
        waiting.sort_by_key(|call| call["record"].to_string());
        assert_eq!((&waiting[0]["number"], &waiting[1]["number"]), (&json!("+79057319463"), &json!("+79057319499")));
        let figures = network.get("/v1/call-records/figures").await.ok();
        let in_review = figures["calls"].as_array().unwrap().iter().filter(|count| count["state"] == "review");
        assert_eq!(in_review.map(|count| count["number"].as_i64().unwrap()).sum::<i64>(), 2);
        let path = |call: &Value| format!("/v1/call-records/north/{}/resolution", id(&call["call"]));
        let resolved = network.post(&path(&waiting[0]), json!({"patient": uncalled})).await.ok();
        assert_eq!(resolved["state"], "matched");
        assert_eq!(network.post(&path(&waiting[1]), json!({})).await.ok()["state"], "closed");
        network.post(&path(&waiting[1]), json!({"patient": uncalled})).await.refused(409, "conflict");
        assert_eq!(network.get("/v1/call-records/review?branch=north").await.ok()["calls"], json!([]));
        assert_eq!(known(uncalled).await.contacts.len(), 2);
        let kept = network.app().personal.call(id(&waiting[0]["call"])).await.unwrap().unwrap();
        assert_eq!(kept.number, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_record_is_named_and_nothing_of_the_list_is_taken() {
    let network = Network::start().await;
    let good = call("r1", "inbound", "+79057319460", "2026-03-02T11:00:00+03:00");
    let with = |field: &str, value: Value| {
        let mut call = call("r2", "inbound", "+79057319461", "2026-03-02T11:00:00+03:00");
        call[field] = value;
        call
    };
    for (bad, field) in [
        (with("number", json!("ask Anna")), "calls[1].number"),
        (with("begun_at", json!("2026-03-02T13:00:00+03:00")), "calls[1].begun_at"),
        (with("seconds", json!(100_000)), "calls[1].seconds"),
        (with("disposition", json!("answred")), "calls[1].disposition"),
        (with("colour", json!("red")), "calls[1].colour"),
    ] {
        let refused = network.post("/v1/call-records", json!({"calls": [good, bad]})).await.refused(422, "untrue");
        let named = refused["field"].as_str().unwrap();
        assert!(field.ends_with(named), "{field}: {refused}");
        assert!(!refused["detail"].as_str().unwrap().contains("Anna"), "a number is not repeated: {refused}");
    }
    network.post("/v1/call-records", json!({"calls": []})).await.refused(422, "untrue");
    assert_eq!(network.get("/v1/call-records/review?branch=north").await.ok()["calls"], json!([]));
    post(&network, std::slice::from_ref(&good)).await;
    let other = call("r1", "inbound", "+79057319469", "2026-03-02T11:00:00+03:00");
    let refused = network.post("/v1/call-records", json!({"calls": [other]})).await.refused(422, "untrue");
    assert_eq!(refused["field"], "calls[0].record");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_contact_ended_is_corrected_by_people_too() {
    let network = Network::start().await;
    let patient = patient(&network, "+7 905 731-94-60").await;
    let path = format!("/v1/patients/{patient}/contacts");
    let made =
        json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
    let contact = id(&network.post(&path, made).await.ok()["contact"]);
    let correct = format!("{path}/{contact}/correction");
    network.post(&correct, json!({"outcome": "reached"})).await.refused(422, "untrue");
    let done = network.post(&correct, json!({"outcome": "wrong_number"})).await.ok();
    assert_eq!(done["type"], "contact.corrected");
    let refused = network.post(&format!("{path}/{}/correction", crate::network::any_id()), json!({"outcome": "busy"})).await;
    assert_eq!(refused.refused(422, "untrue")["field"], "contact");
    let ask = json!({"purpose": "appointment_reminder", "channel": "sms", "branch": "north"});
    let answer = network.post(&format!("/v1/patients/{patient}/permits"), ask).await.ok();
    assert_eq!(answer["reasons"][0]["code"], "channel_unreachable", "{answer}");
    let east = network.token(&["administrator"], Some(&["east"])).await;
    network.post_as(&east, &correct, json!({"outcome": "busy"})).await.refused(403, "forbidden");
    network.stop().await;
}
