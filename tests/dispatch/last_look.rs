//! The right to contact is looked at again at the last moment: what was permitted and is not right any more does not go out, and the permit is
//! given back where it is still alive.

use serde_json::json;
use tact_dispatcher::store::Stage;
use tact_domain::number::{NumberEvent, NumberStopAsked};
use tact_domain::patient::events::Started;
use tact_domain::{Actor, Channel, Code};
use tact_service::permit::{Begun, begin};
use tact_service::transact::Command;
use uuid::Uuid;

use super::{Scene, patient, permit, story};
use crate::network::{Network, any_id, id};

/// What happens to the patient between the permit and its turn; why the message is dropped, and what the log tells.
async fn dropped(scene: &Scene, patient: Uuid, permit: Uuid) -> (String, Vec<&'static str>) {
    let working = scene.dispatcher().await;
    let dropped = scene.until(&working, permit, |dispatch| dispatch.stage == Stage::Dropped).await;
    working.stop().await;
    assert_eq!(scene.gateway.sandbox.all().len(), 0, "nothing leaves");
    let mut story = story(&scene.network, patient).await;
    story.retain(|kind| *kind != "contact.permitted");
    (dropped.reason.unwrap().to_string(), story)
}

async fn scene() -> Scene {
    let scene = Scene::quiet().await;
    // It has been here before, and sleeps.
    let working = scene.dispatcher().await;
    scene.taken(&working).await;
    working.stop().await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_right_any_more_does_not_go_out() {
    let scene = scene().await;
    let network = &scene.network;
    let number = "+7 905 731-94-60";
    let path = |patient: Uuid, what: &str| format!("/v1/patients/{patient}/{what}");

    let cancelled = network.patient("north", json!({"person": {"name": "A", "phone": number}})).await;
    let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-03T09:30:00+03:00"});
    let booked = network.post(&path(cancelled, "appointments"), booking).await.ok();
    let appointment = booked["appointment"].as_str().unwrap();
    let of_cancelled = permit(network, cancelled, "appointment_reminder", "sms").await;
    network.post(&path(cancelled, &format!("appointments/{appointment}/cancellation")), json!({"by": "patient"})).await.ok();
    assert_eq!(dropped(&scene, cancelled, of_cancelled).await, ("ended".to_owned(), vec![]));

    let wishes = patient(network, number).await;
    let of_wishes = permit(network, wishes, "appointment_reminder", "sms").await;
    network.post(&path(wishes, "preferences"), json!({"reach": "patient_initiated"})).await.ok();
    assert_eq!(dropped(&scene, wishes, of_wishes).await, ("ended".to_owned(), vec!["consent.preference_set"]));

    // Somebody has rung them up meanwhile, without asking: one reminder was enough.
    let called = patient(network, number).await;
    let of_called = permit(network, called, "appointment_reminder", "sms").await;
    let call = json!({"direction": "outbound", "purpose": "appointment_reminder", "channel": "phone", "branch": "north", "outcome": "reached"});
    network.post(&path(called, "contacts"), call).await.ok();
    let expected = ("refused:limit_reached".to_owned(), vec!["contact.made", "contact.permit_released"]);
    assert_eq!(dropped(&scene, called, of_called).await, expected);

    let unknown = network.patient("north", json!({})).await;
    let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-03T09:30:00+03:00"});
    network.post(&path(unknown, "appointments"), booking).await.ok();
    let of_unknown = permit(network, unknown, "appointment_reminder", "sms").await;
    assert_eq!(dropped(&scene, unknown, of_unknown).await, ("no_details".to_owned(), vec!["contact.permit_released"]));

    let erased = patient(network, number).await;
    let of_erased = permit(network, erased, "appointment_reminder", "sms").await;
    network.post(&path(erased, "erasure"), json!({"reason": "patient_request"})).await.ok();
    assert_eq!(dropped(&scene, erased, of_erased).await, ("ended".to_owned(), vec![]));

    // Somebody has begun it by hand.
    let begun = patient(network, number).await;
    let of_begun = permit(network, begun, "appointment_reminder", "sms").await;
    network.post(&path(begun, &format!("permits/{of_begun}/start")), json!({})).await.ok();
    assert_eq!(dropped(&scene, begun, of_begun).await, ("used_elsewhere".to_owned(), vec!["contact.started"]));

    scene.network.stop().await;
}

/// Two who share a number, each owed a reminder.
async fn household(network: &Network, number: &str) -> [Uuid; 2] {
    [patient(network, number).await, patient(network, number).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_from_a_shared_number_holds_back_what_has_not_begun_and_lets_be_what_has() {
    let scene = scene().await;
    let network = &scene.network;
    let number = "+7 905 731-94-60";
    let [begun, _] = household(network, number).await;
    let of_begun = permit(network, begun, "appointment_reminder", "sms").await;
    let working = scene.dispatcher().await;
    let open = scene.until(&working, of_begun, |dispatch| dispatch.said.is_some()).await;
    working.stop().await;
    let [waiting, other] = household(network, "+7 905 731-94-70").await;
    let of_waiting = permit(network, waiting, "appointment_reminder", "sms").await;
    for phone in [number, "+7 905 731-94-70"] {
        let heard = network.post("/v1/numbers/stops", json!({"phone": phone, "channel": "sms"})).await.ok();
        assert_eq!(heard["result"], "open", "{heard}");
    }
    let ask = json!({"purpose": "appointment_reminder", "channel": "sms", "branch": "north"});
    let refused = network.post(&format!("/v1/patients/{other}/permits"), ask).await.ok();
    assert_eq!(refused["reasons"][0]["code"], "number_busy", "{refused}");
    let working = scene.dispatcher().await;
    let dropped = scene.until(&working, of_waiting, |dispatch| dispatch.stage == Stage::Dropped).await;
    working.stop().await;
    assert_eq!(dropped.reason.as_deref(), Some("ended"));
    let all: Vec<Uuid> = scene.gateway.sandbox.all().into_iter().map(|(contact, _)| contact).collect();
    assert_eq!(all, [open.contact]);
    assert_eq!(story(network, begun).await, ["contact.permitted", "contact.started"]);
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_look_asks_the_number_too() {
    let scene = scene().await;
    let network = &scene.network;
    let app = network.app();
    let [waiting, other] = household(network, "+7 905 731-94-60").await;
    let of_waiting = permit(network, waiting, "appointment_reminder", "sms").await;
    // A stop that is recorded, by somebody who died before ending the permits.
    let (stop, number) = (any_id(), app.personal.who_shares(other).await.unwrap().unwrap().number);
    let asked = NumberEvent::StopAsked(NumberStopAsked { stop, channel: Channel::Sms, purpose: None });
    let command =
        Command { event: stop, fingerprint: None, time: None, actor: Actor::System("test".into()), branch: None, cause: None };
    app.numbers.record(number, &command, &asked, |_| Ok(())).await.unwrap();
    let expected = ("refused:number_busy".to_owned(), vec!["contact.permit_released"]);
    assert_eq!(dropped(&scene, waiting, of_waiting).await, expected);
    // And what overrides the wish to be left alone overrides this.
    network.post(&format!("/v1/patients/{other}/requests"), json!({"channel": "sms"})).await.ok();
    let of_other = permit(network, other, "callback", "sms").await;
    let started = Started { permit: of_other, contact: any_id() };
    let command = Command { event: any_id(), ..command };
    let begun = begin(&app.transactor, &app.control, &app.numbers, other, &command, &started, false, None).await.unwrap();
    assert!(matches!(begun, Begun::Now(_)), "{begun:?}");
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_that_one_contact_covers_begin_as_one_contact_only() {
    let scene = scene().await;
    let network = &scene.network;
    let app = network.app();
    let [elder, younger] = household(network, "+7 905 731-94-60").await;
    let first = permit(network, elder, "appointment_reminder", "sms").await;
    let ask = json!({"purpose": "appointment_reminder", "channel": "sms", "branch": "north", "with": first});
    let answer = network.post(&format!("/v1/patients/{younger}/permits"), ask).await.ok();
    assert_eq!(answer["decision"], "permitted", "{answer}");
    let second = id(&answer["permit"]);
    let begins = async |patient: Uuid, permit: Uuid, contact: Uuid, joined: bool| {
        let actor = Actor::System("test".into());
        let command = Command { event: any_id(), fingerprint: None, time: None, actor, branch: None, cause: None };
        let started = Started { permit, contact };
        match begin(&app.transactor, &app.control, &app.numbers, patient, &command, &started, joined, None).await.unwrap() {
            Begun::Now(_) => None,
            Begun::Gone(codes) => Some(codes),
            Begun::Before(done) => panic!("{done:?}"),
        }
    };
    let contact = any_id();
    let busy = Some(vec![Code::NumberBusy]);
    // Not before the first, nor as another contact than the first, nor as part of one that it did not join.
    assert_eq!(begins(younger, second, contact, true).await, busy);
    assert_eq!(begins(younger, second, any_id(), false).await, busy);
    assert_eq!(begins(elder, first, contact, true).await, busy);
    assert_eq!(begins(elder, first, contact, false).await, None);
    assert_eq!(begins(younger, second, any_id(), false).await, busy);
    assert_eq!(begins(younger, second, contact, true).await, None);
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_of_somebody_who_was_merged_goes_on_with_the_survivor() {
    let scene = scene().await;
    let network = &scene.network;
    let merged = patient(network, "+7 905 731-94-60").await;
    let survivor = network.patient("north", json!({"language": "en"})).await;
    let granted = permit(network, merged, "appointment_reminder", "sms").await;
    network.post(&format!("/v1/patients/{survivor}/merge"), json!({"from": merged})).await.ok();
    network.until(survivor, "patient.absorbed").await;
    let working = scene.dispatcher().await;
    let settled = scene.until(&working, granted, |d| d.stage == Stage::Dropped || d.said.is_some()).await;
    working.stop().await;
    // A merge closes the stream that the permit was granted in, and so ends it: nobody is written to twice for both of them.
    assert_eq!((settled.stage, settled.reason.as_deref()), (Stage::Dropped, Some("ended")));
    assert_eq!(scene.gateway.sandbox.all().len(), 0);
    scene.network.stop().await;
}
