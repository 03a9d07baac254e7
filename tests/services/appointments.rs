//! Appointments: what can become of them, and whose they are.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::{Network, id};

async fn book(network: &Network, patient: Uuid, branch: &str, starts_at: &str) -> Uuid {
    let body = json!({"branch": branch, "kind": "consultation", "starts_at": starts_at});
    id(&network.post(&format!("/v1/patients/{patient}/appointments"), body).await.ok()["appointment"])
}

async fn entry(network: &Network, patient: Uuid, appointment: Uuid) -> Value {
    let list = network.get(&format!("/v1/patients/{patient}/appointments")).await.ok();
    let list = list["appointments"].as_array().unwrap().clone();
    list.into_iter().find(|a| a["appointment"] == appointment.to_string()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appointment_is_booked_moved_and_completed() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let own: Uuid = "6d2f0000-0000-4000-8000-000000000001".parse().unwrap();
    let clinician = "6d2f0000-0000-4000-8000-000000000002";
    let body = json!({"appointment": own, "branch": "north", "kind": "surgery", "starts_at": "2026-03-05T10:00:00+03:00", "clinician": clinician});
    let booked = network.post(&format!("/v1/patients/{patient}/appointments"), body.clone()).await.ok();
    assert_eq!(id(&booked["appointment"]), own, "a caller's own id is kept");
    let twice = network.post(&format!("/v1/patients/{patient}/appointments"), body).await.refused(422, "untrue");
    assert_eq!(twice["field"], "appointment");
    let path = format!("/v1/patients/{patient}/appointments/{own}");

    network
        .post(
            &format!("{path}/rescheduling"),
            json!({"starts_at": "2026-03-06T12:00:00+05:00", "by": "clinic", "branch": "east"}),
        )
        .await
        .ok();
    let moved = entry(&network, patient, own).await;
    assert_eq!(
        moved,
        json!({
            "appointment": own, "branch": "east", "kind": "surgery", "starts_at": "2026-03-06T07:00:00Z", "clinician": clinician,
            "status": "booked", "since": "2026-03-02T09:00:00Z", "notice_owed_until": "2026-03-06T07:00:00Z",
        })
    );

    network.set_clock("2026-03-06T09:00:00Z");
    network.post(&format!("{path}/completion"), json!({"time": "2026-03-06T13:30:00+05:00"})).await.ok();
    let done = entry(&network, patient, own).await;
    assert_eq!((&done["status"], &done["since"]), (&json!("completed"), &json!("2026-03-06T08:30:00Z")));
    for again in ["completion", "miss"] {
        let problem = network.post(&format!("{path}/{again}"), json!({})).await.refused(422, "untrue");
        assert_eq!(problem["field"], "appointment", "{again}");
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appointment_is_missed_or_cancelled() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let missed = book(&network, patient, "north", "2026-03-02T10:00:00+03:00").await;
    let cancelled = book(&network, patient, "north", "2026-03-04T10:00:00+03:00").await;
    let path = |appointment: Uuid, what: &str| format!("/v1/patients/{patient}/appointments/{appointment}/{what}");
    network.post(&path(missed, "miss"), json!({})).await.ok();
    assert_eq!(entry(&network, patient, missed).await["status"], "missed");
    network.post(&path(cancelled, "cancellation"), json!({"by": "clinic"})).await.ok();
    let entry = entry(&network, patient, cancelled).await;
    assert_eq!(entry["status"], "cancelled");
    assert_eq!(entry["notice_owed_until"], "2026-03-04T07:00:00Z");
    for what in ["cancellation", "rescheduling"] {
        let body = json!({"by": "patient", "starts_at": "2026-03-05T10:00:00+03:00"});
        let body = if what == "cancellation" { json!({"by": "patient"}) } else { body };
        network.post(&path(cancelled, what), body).await.refused(422, "untrue");
    }
    let never = Uuid::from_u128(7);
    let problem = network.post(&path(never, "completion"), json!({})).await.refused(422, "untrue");
    assert!(problem["detail"].as_str().unwrap().contains("never booked"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_touches_and_sees_its_own_appointments_only() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let ours = book(&network, patient, "north", "2026-03-05T10:00:00+03:00").await;
    let theirs = book(&network, patient, "east", "2026-03-06T10:00:00+05:00").await;
    let north = network.token(&["administrator"], Some(&["north"])).await;
    let list = network.get_as(&north, &format!("/v1/patients/{patient}/appointments")).await.ok();
    assert_eq!(list["elsewhere"], 1);
    assert_eq!(list["appointments"].as_array().unwrap().len(), 1);
    assert_eq!(id(&list["appointments"][0]["appointment"]), ours);

    let path = |appointment: Uuid, what: &str| format!("/v1/patients/{patient}/appointments/{appointment}/{what}");
    let moving = json!({"by": "clinic", "starts_at": "2026-03-07T10:00:00+03:00"});
    network.post_as(&north, &path(theirs, "completion"), json!({})).await.refused(403, "forbidden");
    network.post_as(&north, &path(theirs, "miss"), json!({})).await.refused(403, "forbidden");
    network.post_as(&north, &path(theirs, "cancellation"), json!({"by": "clinic"})).await.refused(403, "forbidden");
    network.post_as(&north, &path(theirs, "rescheduling"), moving.clone()).await.refused(403, "forbidden");
    let mut away = moving.clone();
    away["branch"] = json!("east");
    network.post_as(&north, &path(ours, "rescheduling"), away).await.refused(403, "forbidden");
    let elsewhere = json!({"branch": "east", "kind": "checkup", "starts_at": "2026-03-07T10:00:00+03:00"});
    network.post_as(&north, &format!("/v1/patients/{patient}/appointments"), elsewhere).await.refused(403, "forbidden");
    network.post_as(&north, &path(ours, "rescheduling"), moving).await.ok();
}
