//! What one patient is owed, now and later, and what may be done with them now.

use serde_json::{Value, json};

use crate::network::Network;

fn of<'a>(answer: &'a Value, purpose: &str) -> &'a Value {
    let all = answer["now_possible"].as_array().unwrap();
    all.iter().find(|one| one["purpose"] == purpose).unwrap_or_else(|| panic!("{purpose} is not in {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_and_what_is_possible_is_what_a_permit_would_say() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({})).await;
        let path = format!("/v1/patients/{patient}");
        network.post(&format!("{path}/requests"), json!({"channel": "phone"})).await.ok();
        let surgery = json!({"branch": "north", "kind": "surgery", "starts_at": "2026-03-02T09:30:00+03:00"});
        let surgery = network.post(&format!("{path}/appointments"), surgery).await.ok()["appointment"].clone();
        let done = format!("{path}/appointments/{}/completion", surgery.as_str().unwrap());
        network.post(&done, json!({})).await.ok();
        let agenda = network.get(&format!("{path}/agenda?branch=north")).await.ok();
        let owed = agenda["owed"].as_array().unwrap();
        let wellbeing = owed.iter().find(|entry| entry["purpose"] == "wellbeing_check").unwrap();
        assert_eq!((&wellbeing["about"], &wellbeing["to_announce"]), (&surgery, &json!(true)), "{agenda}");
        assert!(owed.iter().any(|entry| entry["purpose"] == "callback" && entry["to_announce"] == false), "{agenda}");
        let callback = of(&agenda, "callback");
        assert_eq!((&callback["permitted"], &callback["channel"]), (&json!(true), &json!("phone")), "{agenda}");
        // What the policy forbids is refused with the policy's reason, and on no channel.
        let survey = of(&agenda, "visit_survey");
        assert_eq!((&survey["permitted"], survey.get("channel")), (&json!(false), None));
        assert!(survey["reasons"].to_string().contains("purpose_forbidden"), "{survey}");

        // A permit says the same; then nothing is possible until it is used.
        let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north", "about": callback["about"]});
        let permit = network.post(&format!("{path}/permits"), ask.clone()).await.ok();
        assert_eq!(permit["decision"], "permitted");
        let agenda = network.get(&format!("{path}/agenda?branch=north")).await.ok();
        let reasons = of(&agenda, "callback")["reasons"].to_string();
        assert!(reasons.contains("permit_outstanding"), "{agenda}");
        let refused = network.post(&format!("{path}/permits"), ask).await.ok();
        assert_eq!(refused["decision"], "refused");
        let same = |reason: &Value| reason["code"].clone();
        let codes = |reasons: &Value| reasons.as_array().unwrap().iter().map(same).collect::<Vec<_>>();
        assert_eq!(codes(&of(&agenda, "callback")["reasons"]), codes(&refused["reasons"]), "{refused}");

        // Looking records nothing.
        let before = network.app().transactor.log().head().await.unwrap();
        network.get(&format!("{path}/agenda?branch=north")).await.ok();
        assert_eq!(network.app().transactor.log().head().await.unwrap(), before);
        network.get(&format!("{path}/agenda?branch=nowhere")).await.refused(422, "untrue");
        network.get(&format!("{path}/agenda")).await.refused(400, "malformed");
    })
    .await;
}
