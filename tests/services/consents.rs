//! Consents, withdrawals and wishes.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::{Network, id};

/// How consent for promotions stands on a channel.
async fn standing(network: &Network, patient: Uuid, channel: &str) -> Value {
    let overview = network.get(&format!("/v1/patients/{patient}/consents")).await.ok();
    let consents = overview["consents"].as_array().unwrap().clone();
    consents.into_iter().find(|c| c["purpose"] == "promotion" && c["channel"] == channel).unwrap_or_default()
}

fn consent(channels: Value) -> Value {
    json!({"purpose": "promotion", "channels": channels, "evidence": {"method": "paper", "document": "4a1c7f0e-0000-4000-8000-000000000001"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_missing_active_expired_and_withdrawn() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let consents = format!("/v1/patients/{patient}/consents");
    assert_eq!(standing(&network, patient, "sms").await, json!({"purpose": "promotion", "channel": "sms", "status": "missing"}));

    let mut body = consent(json!(["sms", "email"]));
    body["expires_at"] = json!("2026-04-01T00:00:00+03:00");
    let receipt = network.post(&consents, body).await.ok();
    assert_eq!(receipt["type"], "consent.granted");
    let active = standing(&network, patient, "sms").await;
    assert_eq!(active["status"], "active");
    assert_eq!(active["document"], "4a1c7f0e-0000-4000-8000-000000000001");
    assert_eq!(active["since"], "2026-03-02T09:00:00Z");
    assert_eq!(active["expires_at"], "2026-03-31T21:00:00Z");
    assert_eq!(standing(&network, patient, "phone").await["status"], "missing");

    network.set_clock("2026-03-31T21:00:00Z");
    assert_eq!(standing(&network, patient, "sms").await["status"], "expired");
    network.post(&consents, consent(json!(["sms"]))).await.ok();
    assert_eq!(standing(&network, patient, "sms").await["status"], "active");
    assert_eq!(standing(&network, patient, "email").await["status"], "expired");

    network.set_clock("2026-04-02T09:00:00Z");
    let withdrawals = format!("/v1/patients/{patient}/consent-withdrawals");
    network.post(&withdrawals, json!({"channels": ["sms"]})).await.ok();
    let withdrawn = standing(&network, patient, "sms").await;
    assert_eq!((&withdrawn["status"], &withdrawn["since"]), (&json!("withdrawn"), &json!("2026-04-02T09:00:00Z")));
    network.post(&withdrawals, json!({})).await.ok();
    assert_eq!(standing(&network, patient, "email").await["status"], "withdrawn");
    assert_eq!(
        standing(&network, patient, "phone").await["status"],
        "withdrawn",
        "a withdrawal of everything speaks of phones too"
    );
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_hold_and_what_is_left_out_stays() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let wishes = format!("/v1/patients/{patient}/preferences");
    network.post(&wishes, json!({"quiet_hours": {"from": "19:00", "until": "10:30"}, "preferred_channel": "email"})).await.ok();
    network.post(&wishes, json!({"reach": "patient_initiated"})).await.ok();
    let overview = network.get(&format!("/v1/patients/{patient}/consents")).await.ok();
    assert_eq!(
        overview["preferences"],
        json!({
            "reach": "patient_initiated", "reach_since": "2026-03-02T09:00:00Z",
            "quiet_hours": [{"from": "19:00", "until": "10:30"}], "preferred_channel": "email",
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_again_under_one_key_records_once() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let path = format!("/v1/patients/{patient}/consents");
    let request = |body: &Value| {
        let mut request = network.request(&hyper::Method::POST, &path, &network.manager, Some(body));
        request.headers_mut().insert("Idempotency-Key", "the-same".parse().unwrap());
        request
    };
    let first = network.send(request(&consent(json!(["sms"])))).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.headers["tact-position"].to_str().unwrap(), first.json["position"]);
    let again = network.send(request(&consent(json!(["sms"])))).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json["repeated"], true);
    for same in ["event", "position", "time", "recorded_at"] {
        assert_eq!(first.json[same], again.json[same], "{same}");
    }
    network.send(request(&consent(json!(["email"])))).await.refused(422, "key_reused");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_merged_patient_the_survivor_is_shown() {
    let network = Network::start().await;
    let (old, survivor) = (network.patient("north", json!({})).await, network.patient("east", json!({})).await);
    network.post(&format!("/v1/patients/{old}/consents"), consent(json!(["sms"]))).await.ok();
    network.post(&format!("/v1/patients/{survivor}/merge"), json!({"from": old})).await.ok();
    network.until(survivor, "patient.absorbed").await;
    let overview = network.get(&format!("/v1/patients/{old}/consents")).await.ok();
    assert_eq!(id(&overview["patient"]), survivor);
    assert_eq!(standing(&network, old, "sms").await["status"], "active");
    let receipt = network.post(&format!("/v1/patients/{old}/consent-withdrawals"), json!({})).await.ok();
    assert_eq!(id(&receipt["patient"]), survivor);
    assert_eq!(standing(&network, survivor, "sms").await["status"], "withdrawn");
}
