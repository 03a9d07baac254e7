//! One number, several people: it is rung with respect for all of them, whoever asks first, whatever dies in between, and nothing that one is
//! told or that stands in their stream says anything of the other.

mod count;
mod forms;
mod race;
mod stops;

pub(crate) use forms::numbering;

use serde_json::{Value, json};
use tact_domain::Recorded;
use tact_domain::patient::Event;
use tact_event_log::{Freshness, Position, StreamId};
use uuid::Uuid;

use crate::network::{Network, any_id, id};

/// Registers somebody with this number who agrees to advertising on every channel.
pub(crate) async fn person(network: &Network, phone: &str) -> Uuid {
    let patient = network.patient("north", json!({"person": {"name": "Somebody", "phone": phone}})).await;
    let evidence = json!({"method": "paper", "document": any_id()});
    let consent = json!({"purpose": "promotion", "channels": ["phone", "sms", "email", "messenger"], "evidence": evidence});
    network.post(&format!("/v1/patients/{patient}/consents"), consent).await.ok();
    patient
}

/// Asks for a permit; the answer.
pub(crate) async fn ask(network: &Network, patient: Uuid, purpose: &str, channel: &str, with: Option<Uuid>) -> Value {
    let mut body = json!({"purpose": purpose, "channel": channel, "branch": "north"});
    if let Some(with) = with {
        body["with"] = json!(with);
    }
    network.post(&format!("/v1/patients/{patient}/permits"), body).await.ok()
}

#[track_caller]
pub(crate) fn permitted(answer: &Value) -> Uuid {
    assert_eq!(answer["decision"], "permitted", "{answer}");
    id(&answer["permit"])
}

/// A refusal for the number's sake and no other: when it may be rung.
#[track_caller]
pub(crate) fn busy(answer: &Value) -> Value {
    let codes: Vec<&str> = answer["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect();
    assert_eq!((answer["decision"].as_str(), &codes[..]), (Some("refused"), &["number_busy"][..]), "{answer}");
    answer["next"].clone()
}

/// Records a contact under a permit.
pub(crate) async fn contact(
    network: &Network,
    patient: Uuid,
    purpose: &str,
    channel: &str,
    permit: Uuid,
    outcome: &str,
) -> Value {
    let body = json!({"direction": "outbound", "purpose": purpose, "channel": channel, "branch": "north", "outcome": outcome, "permit": permit});
    network.post(&format!("/v1/patients/{patient}/contacts"), body).await.ok()
}

/// What stands in a patient's stream.
pub(crate) async fn stream(network: &Network, patient: Uuid) -> Vec<Recorded<Event>> {
    let log = network.app().transactor.log();
    let stored = log.read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await.unwrap();
    stored.iter().map(|stored| Recorded::read(&stored.bytes).unwrap()).collect()
}

/// The number of a patient.
pub(crate) async fn number(network: &Network, patient: Uuid) -> Uuid {
    network.app().personal.who_shares(patient).await.unwrap().unwrap().number
}

const PHONE: &str = "+7 (495) 123-45-67";

#[tokio::test(flavor = "multi_thread")]
async fn what_reached_one_counts_for_both_and_says_nothing_of_the_other() {
    Network::on_both(async |network| {
        let (anna, boris) = (person(network, PHONE).await, person(network, "8 495 1234567").await);
        let alone = person(network, "+7 (495) 123-45-68").await;
        assert_eq!(number(network, anna).await, number(network, boris).await);
        let permit = permitted(&ask(network, anna, "promotion", "sms", None).await);
        // While it lives nobody else is rung there; a letter of mail rings nobody, and another number is another.
        assert_eq!(busy(&ask(network, boris, "promotion", "phone", None).await), "2026-03-02T09:30:00Z");
        permitted(&ask(network, alone, "promotion", "phone", None).await);
        let made = contact(network, anna, "promotion", "sms", permit, "reached").await;
        assert_eq!(made["breach"], false, "{made}");
        let refused = ask(network, boris, "promotion", "messenger", None).await;
        assert_eq!(busy(&refused), "2026-04-01T09:00:00Z");
        let preview = format!("/v1/patients/{boris}/permits/preview?purpose=promotion&channel=phone&branch=north");
        assert_eq!(busy(&network.get(&preview).await.ok()), "2026-04-01T09:00:00Z");
        permitted(&ask(network, boris, "promotion", "email", None).await);
        // Nothing of her in what he is told, or in his stream.
        let log = network.app().transactor.log();
        let stored = log.read_stream(StreamId::Patient(boris), Position::START, Freshness::Latest).await.unwrap();
        let his: String = stored.iter().map(|s| String::from_utf8(s.bytes.to_vec()).unwrap()).collect();
        for told in [his, refused.to_string()] {
            for hers in [anna, permit, id(&made["contact"])] {
                assert!(!told.contains(&hers.to_string()), "{told}");
            }
        }
        // And each decision is made again from the patient's own stream.
        let mut state = tact_domain::patient::State::default();
        let (mut seen, policies) = (0, network.app().control.policies());
        for recorded in stream(network, boris).await {
            if let Some(asked) = tact_domain::patient::asked(&recorded.event) {
                let policy = &policies.version(asked.policy).unwrap().policy;
                let again = asked.again(&state, policy, recorded.envelope.recorded_at).unwrap();
                assert_eq!(again, recorded.event);
                seen += 1;
            }
            tact_domain::patient::evolve(&mut state, &recorded);
        }
        assert_eq!(seen, 3);
        network.set_clock("2026-04-01T09:00:00Z");
        permitted(&ask(network, boris, "promotion", "sms", None).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reserved_on_a_number_counts_when_its_patient_has_left_it_or_is_gone() {
    Network::on_both(async |network| {
        let (anna, boris) = (person(network, PHONE).await, person(network, PHONE).await);
        let permit = permitted(&ask(network, anna, "promotion", "sms", None).await);
        contact(network, anna, "promotion", "sms", permit, "no_answer").await;
        let person = json!({"person": {"phone": "+7 (495) 765-43-21"}});
        let request = network.request(&hyper::Method::PATCH, &format!("/v1/patients/{anna}"), &network.manager, Some(&person));
        network.send(request).await.ok();
        assert_ne!(number(network, anna).await, number(network, boris).await);
        assert_eq!(busy(&ask(network, boris, "promotion", "sms", None).await), "2026-04-01T09:00:00Z");
        network.post(&format!("/v1/patients/{anna}/erasure"), json!({"reason": "patient_request"})).await.ok();
        network.until(anna, "patient.erased").await;
        assert_eq!(busy(&ask(network, boris, "promotion", "sms", None).await), "2026-04-01T09:00:00Z");
        // Erased, nobody has a number; the one who has left is not who is asked for.
        network.app().carry_out_erasure(anna, stream(network, anna).await.last().unwrap().envelope.id).await.unwrap();
        assert_eq!(network.app().personal.who_shares(anna).await.unwrap(), None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_number_is_nobodys_attempt_and_stops_only_whom_it_was_for() {
    let network = Network::start().await;
    let (anna, boris) = (person(&network, PHONE).await, person(&network, PHONE).await);
    let permit = permitted(&ask(&network, anna, "promotion", "sms", None).await);
    contact(&network, anna, "promotion", "sms", permit, "wrong_number").await;
    permitted(&ask(&network, boris, "promotion", "sms", None).await);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_are_merged_are_one_person_and_told_apart_again_they_share_the_number() {
    let network = Network::start().await;
    let (anna, same, boris) = (person(&network, PHONE).await, person(&network, PHONE).await, person(&network, PHONE).await);
    let permit = permitted(&ask(&network, same, "promotion", "sms", None).await);
    network.post(&format!("/v1/patients/{same}/permits/{permit}/start"), json!({})).await.ok();
    network.set_clock("2026-03-02T09:01:00Z");
    network.post(&format!("/v1/patients/{anna}/merge"), json!({"from": same})).await.ok();
    network.until(anna, "patient.absorbed").await;
    // Begun, it counts until its outcome is known, which is recorded with the survivor.
    assert_eq!(busy(&ask(&network, boris, "promotion", "sms", None).await), Value::Null);
    contact(&network, same, "promotion", "sms", permit, "failed").await;
    let hers = permitted(&ask(&network, boris, "promotion", "sms", None).await);
    network.post(&format!("/v1/patients/{boris}/permits/{hers}/release"), json!({})).await.ok();
    network.post(&format!("/v1/patients/{anna}/separation"), json!({"from": same})).await.ok();
    network.until(same, "patient.separated").await;
    permitted(&ask(&network, anna, "promotion", "email", None).await);
    permitted(&ask(&network, same, "promotion", "sms", None).await);
    assert_eq!(busy(&ask(&network, boris, "promotion", "sms", None).await), "2026-03-02T09:31:00Z");
    network.stop().await;
}

/// Books a visit on the ninth, and waits until the reminder is due.
async fn visits(network: &Network, patients: &[Uuid]) {
    for patient in patients {
        let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-09T12:00:00+03:00"});
        network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
    }
    network.set_clock("2026-03-08T10:00:00Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_for_two_children_on_one_day_are_one_contact() {
    Network::on_both(async |network| {
        let (elder, younger) = (person(network, PHONE).await, person(network, PHONE).await);
        let third = person(network, PHONE).await;
        visits(network, &[elder, younger]).await;
        let list = "/v1/branches/north/worklist";
        let known = network.until_get(list, |list| list["entries"].as_array().unwrap().len() == 2).await;
        for (entry, other) in known["entries"].as_array().unwrap().iter().map(|e| (e, if e["patient"] == json!(elder) { younger } else { elder })) {
            assert_eq!((&entry["together"], &entry["callable"]), (&json!([other]), &json!(true)), "{entry}");
        }
        let first = permitted(&ask(network, elder, "appointment_reminder", "phone", None).await);
        let blocked = |list: &Value| list["entries"].as_array().unwrap().iter().any(|e| e["reasons"].to_string().contains("number_busy"));
        network.until_get(list, blocked).await;
        let app = network.app();
        // Not by itself: two people at two desks must not both ring.
        busy(&ask(network, younger, "appointment_reminder", "phone", None).await);
        busy(&ask(network, younger, "appointment_reminder", "sms", Some(first)).await);
        busy(&ask(network, third, "promotion", "phone", Some(first)).await);
        let second = permitted(&ask(network, younger, "appointment_reminder", "phone", Some(first)).await);
        let known = app.transactor.patient_now(elder).await.unwrap();
        let sight = app.numbers.look(&app.transactor, elder, known.position).await.unwrap();
        assert_eq!(sight.together(first), [(younger, second)]);
        // One call: one contact, begun and recorded with each, and counted once.
        let mut begun = Vec::new();
        for (patient, permit) in [(younger, second), (elder, first)] {
            let start = format!("/v1/patients/{patient}/permits/{permit}/start");
            begun.push(network.post(&start, json!({})).await.ok()["contact"].clone());
        }
        assert_eq!(begun[0], begun[1]);
        let outcome = |permit: Uuid| {
            json!({"direction": "outbound", "purpose": "appointment_reminder", "channel": "phone", "branch": "north", "outcome": "reached",
                "permit": permit, "contact": begun[0]})
        };
        network.post(&format!("/v1/patients/{elder}/contacts"), outcome(first)).await.ok();
        let body = outcome(second);
        let both = network.post(&format!("/v1/patients/{younger}/contacts"), body).await.ok();
        assert_eq!(both["breach"], false, "{both}");
        assert_eq!(busy(&ask(network, third, "promotion", "phone", None).await), "2026-03-09T10:00:00Z");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contact_that_has_begun_is_joined_by_nobody() {
    let network = Network::start().await;
    let (elder, younger) = (person(&network, PHONE).await, person(&network, PHONE).await);
    visits(&network, &[elder, younger]).await;
    let first = permitted(&ask(&network, elder, "appointment_reminder", "phone", None).await);
    network.post(&format!("/v1/patients/{elder}/permits/{first}/start"), json!({})).await.ok();
    assert_eq!(busy(&ask(&network, younger, "appointment_reminder", "phone", Some(first)).await), Value::Null);
    network.stop().await;
}
