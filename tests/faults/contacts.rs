//! Contacts that contradict what is known. They happened, so they are recorded; whoever records one is told what is wrong with it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::{Network, any_id, id};

fn call(permit: Option<Uuid>) -> Value {
    let mut call =
        json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "no_answer"});
    if let Some(permit) = permit {
        call["permit"] = json!(permit);
    }
    call
}

async fn permitted(network: &Network, patient: Uuid) -> Uuid {
    let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
    let answer = network.post(&format!("/v1/patients/{patient}/permits"), ask).await.ok();
    assert_eq!(answer["decision"], "permitted", "{answer}");
    id(&answer["permit"])
}

async fn who_wants_a_call(network: &Network) -> Uuid {
    let patient = network.patient("north", json!({})).await;
    network.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
    patient
}

/// The contact is recorded as a breach, and the answer says why.
async fn breach(network: &Network, patient: Uuid, call: Value, why: &str) -> Value {
    let reply = network.post(&format!("/v1/patients/{patient}/contacts"), call).await;
    assert_eq!(reply.status.as_u16(), 201, "{}", reply.json);
    assert_eq!(reply.json["breach"], true, "{}", reply.json);
    assert!(reply.json["because"].as_str().is_some_and(|because| because.contains(why)), "`{why}`: {}", reply.json);
    reply.json
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_does_not_cover_a_contact_makes_it_a_breach() {
    Network::on_both(async |network| {
        let (patient, other) = (who_wants_a_call(network).await, who_wants_a_call(network).await);
        breach(network, patient, call(None), "no permit was named").await;
        let theirs = permitted(network, other).await;
        breach(network, patient, call(Some(theirs)), "is not a permit of this patient").await;
        breach(network, patient, call(Some(any_id())), "is not a permit of this patient").await;

        // The other patient's permit was not used up by it.
        let path = format!("/v1/patients/{other}/contacts");
        let good = network.post(&path, call(Some(theirs))).await.ok();
        assert_eq!(good["breach"], false, "{good}");
        breach(network, other, call(Some(theirs)), "was used by contact").await;

        let wrong_channel = permitted(network, other).await;
        let mut by_sms = call(Some(wrong_channel));
        by_sms["channel"] = json!("sms");
        breach(network, other, by_sms, "is for `callback` by `phone`").await;
        network.post(&format!("/v1/patients/{other}/permits/{wrong_channel}/release"), json!({})).await.ok();
        breach(network, other, call(Some(wrong_channel)), "ended at").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permit_that_ran_out_covers_nothing() {
    Network::on_both(async |network| {
        let patient = who_wants_a_call(network).await;
        let permit = permitted(network, patient).await;
        network.set_clock("2026-03-02T09:30:00Z");
        breach(network, patient, call(Some(permit)), "was live from").await;
        // Entered late, but made in time: a fact is held against what was then.
        let mut late = call(Some(permit));
        late["time"] = json!("2026-03-02T09:29:59Z");
        let recorded = network.post(&format!("/v1/patients/{patient}/contacts"), late).await.ok();
        assert_eq!(recorded["breach"], false, "{recorded}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_true_is_refused_by_name_and_what_happened_never_is() {
    Network::on_both(async |network| {
        let patient = who_wants_a_call(network).await;
        let path = |what: &str| format!("/v1/patients/{patient}/{what}");
        let permit = permitted(network, patient).await;
        let begun = network.post(&path(&format!("permits/{permit}/start")), json!({})).await.ok();
        for (what, field) in
            [(path(&format!("permits/{permit}/start")), "permit"), (path(&format!("permits/{permit}/release")), "permit")]
        {
            let problem = network.post(&what, json!({})).await.refused(422, "untrue");
            assert_eq!(problem["field"], field, "{problem}");
        }
        let strange = network.post(&path(&format!("permits/{}/start", any_id())), json!({})).await.refused(422, "untrue");
        assert_eq!(strange["field"], "permit");
        let mut made = call(Some(permit));
        made["contact"] = begun["contact"].clone();
        network.post(&path("contacts"), made.clone()).await.ok();
        let twice = network.post(&path("contacts"), made).await.refused(422, "untrue");
        assert_eq!(twice["field"], "contact");

        // A contact with somebody who has died is a fact all the same.
        network.post(&path("death"), json!({})).await.ok();
        breach(network, patient, call(None), "no permit").await;
        let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
        let refused = network.post(&path("permits"), ask).await.ok();
        assert_eq!((&refused["decision"], &refused["reasons"][0]["code"]), (&json!("refused"), &json!("patient_closed")));
    })
    .await;
}
