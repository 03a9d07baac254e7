//! Care referrals: only to somebody who is listed and has what is needed (P11, P12).

use serde_json::json;
use uuid::Uuid;

use crate::network::{Network, id};

#[tokio::test(flavor = "multi_thread")]
async fn someone_is_referred_to_who_has_what_is_needed() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let provider = |name: &str, services: &[&str]| json!({"name": name, "services": services});
    let dentist = id(&network.post("/v1/providers", provider("Dental house", &["dentist"])).await.ok()["provider"]);
    let base = format!("/v1/patients/{patient}/referrals");

    let opened = network.post(&base, json!({"need": "x_ray", "time": "2026-03-02T11:00:00+03:00"})).await.ok();
    assert_eq!(opened["offered_by"], 0);
    let referral = id(&opened["referral"]);
    let arrangement = format!("{base}/{referral}/arrangement");
    let unlisted = network.post(&arrangement, json!({"provider": Uuid::from_u128(9)})).await.refused(422, "untrue");
    assert_eq!(unlisted["field"], "provider");
    let detail = unlisted["detail"].as_str().unwrap();
    assert!(detail.contains(&Uuid::from_u128(9).to_string()) && detail.contains("not in the directory"), "{detail}");

    let hospital = id(&network.post("/v1/providers", provider("City hospital 2", &["x_ray", "mri"])).await.ok()["provider"]);
    let unfit = network.post(&arrangement, json!({"provider": dentist})).await.refused(422, "untrue");
    let detail = unfit["detail"].as_str().unwrap();
    assert!(detail.contains("Dental house") && detail.contains("City hospital 2") && detail.contains("x_ray"), "{detail}");

    network.post(&arrangement, json!({"provider": hospital, "starts_at": "2026-03-03T10:00:00+03:00"})).await.ok();
    let list = network.get(&base).await.ok();
    assert_eq!(
        list["referrals"],
        json!([{
            "referral": referral, "need": "x_ray", "status": "arranged", "opened_at": "2026-03-02T08:00:00Z", "provider": hospital,
            "arranged_at": "2026-03-02T09:00:00Z",
        }])
    );
    assert_eq!(list.get("forgotten_at"), None);

    network.post(&format!("{base}/{referral}/closing"), json!({})).await.ok();
    let list = network.get(&base).await.ok();
    assert_eq!(list["referrals"][0]["status"], "closed");
    assert_eq!(list["forgotten_at"], "2026-04-01T09:00:00Z", "care, then forget");
    let closed = network.post(&arrangement, json!({"provider": hospital})).await.refused(422, "untrue");
    assert_eq!(closed["field"], "referral");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_arrangement_asked_again_is_one_even_if_the_provider_has_changed() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let hospital =
        id(&network.post("/v1/providers", json!({"name": "City hospital 2", "services": ["x_ray"]})).await.ok()["provider"]);
    let base = format!("/v1/patients/{patient}/referrals");
    let referral = id(&network.post(&base, json!({"need": "x_ray"})).await.ok()["referral"]);
    let request = || {
        let path = format!("{base}/{referral}/arrangement");
        let mut request = network.request(&hyper::Method::POST, &path, &network.manager, Some(&json!({"provider": hospital})));
        request.headers_mut().insert("Idempotency-Key", "arranged".parse().unwrap());
        request
    };
    let first = network.send(request()).await.ok();
    let changed = json!({"provider": hospital, "name": "City hospital 2", "services": ["mri"]});
    network.post("/v1/providers", changed).await.ok();
    let again = network.send(request()).await.ok();
    assert_eq!(first["event"], again["event"]);
    assert_eq!(again["repeated"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_forgotten_when_the_referral_is_done_with_or_nothing_came_of_it() {
    Network::on_both(async |network| {
        let person = |name: &str| json!({"person": {"name": name, "phone": "+7 900 111-22-33"}});
        let (helped, left, patient) = (
            network.patient("north", person("Helped")).await,
            network.patient("north", person("Left")).await,
            network.patient("north", person("Patient")).await,
        );
        for who in [helped, left, patient] {
            network.post(&format!("/v1/patients/{who}/referrals"), json!({"need": "x_ray"})).await.ok();
        }
        let base = format!("/v1/patients/{helped}/referrals");
        let referral = network.get(&base).await.ok()["referrals"][0]["referral"].as_str().unwrap().to_owned();
        let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-09T10:00:00+03:00"});
        network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
        network.set_clock("2026-03-12T09:00:00Z");
        network.post(&format!("{base}/{referral}/closing"), json!({})).await.ok();
        let forgotten_at =
            async |who: Uuid| network.get(&format!("/v1/patients/{who}/referrals")).await.ok().get("forgotten_at").cloned();
        assert_eq!(forgotten_at(helped).await, Some(json!("2026-04-11T09:00:00Z")));
        assert_eq!(forgotten_at(left).await, Some(json!("2026-04-01T09:00:00Z")), "opened, and nothing else ever happened");
        assert_eq!(forgotten_at(patient).await, None, "whoever is more to us than that is not forgotten");

        network.set_clock("2026-04-01T08:59:59Z");
        network.get(&format!("/v1/patients/{left}")).await.ok();
        network.set_clock("2026-04-01T09:00:00Z");
        network.until(left, "patient.erased").await;
        network.until_get("/v1/patients?q=left", |found| found["patients"] == json!([])).await;
        assert_eq!(network.get("/v1/patients?q=helped").await.ok()["patients"].as_array().map(Vec::len), Some(1));
        network.set_clock("2026-04-11T09:00:00Z");
        network.until(helped, "patient.erased").await;
        network.until_get("/v1/patients?q=helped", |found| found["patients"] == json!([])).await;
        assert_eq!(network.get("/v1/patients?q=patient").await.ok()["patients"].as_array().map(Vec::len), Some(1));
        // The events stay, and say nothing of who it was.
        let history = network.get(&base).await.ok();
        assert_eq!(history["referrals"].as_array().map(Vec::len), Some(1), "{history}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_at_a_branch_has_its_next_step_until_it_is_closed() {
    Network::on_both(async |network| {
        let hospital =
            id(&network.post("/v1/providers", json!({"name": "City hospital 2", "services": ["x_ray"]})).await.ok()["provider"]);
        let list = "/v1/branches/north/referrals";
        let (mut people, mut referrals) = (Vec::new(), Vec::new());
        for (name, branch) in [("Vera", "north"), ("Oleg", "north"), ("Elsa", "east")] {
            let patient = network.patient(branch, json!({"person": {"name": name, "phone": "+7 900 111-22-33"}})).await;
            let opened = network.post(&format!("/v1/patients/{patient}/referrals"), json!({"need": "x_ray"})).await.ok();
            people.push(patient);
            referrals.push(id(&opened["referral"]));
        }
        let of = |answer: &serde_json::Value, who: Uuid| {
            let all = answer["referrals"].as_array().unwrap();
            all.iter().find(|one| one["patient"] == who.to_string()).cloned().unwrap_or_default()
        };
        let both = network.until_get(list, |answer| answer["referrals"].as_array().is_some_and(|all| all.len() == 2)).await;
        let vera = of(&both, people[0]);
        assert_eq!((&vera["name"], &vera["phone"], &vera["need"]), (&json!("Vera"), &json!("+7 900 111-22-33"), &json!("x_ray")));
        assert_eq!((&vera["next_step"], vera.get("provider")), (&json!("arrange"), None));
        assert!(of(&both, people[2]).is_null(), "another branch's");

        let first = network.get(&format!("{list}?limit=1")).await.ok();
        let next = first["next"].as_str().unwrap();
        let second = network.get(&format!("{list}?limit=1&after={next}")).await.ok();
        assert_ne!(first["referrals"][0]["patient"], second["referrals"][0]["patient"]);
        assert_eq!((second["referrals"].as_array().map(Vec::len), second.get("next")), (Some(1), None));
        network.get(&format!("{list}?after=somewhere")).await.refused(422, "untrue");
        network.get(&format!("{list}?limit=0")).await.refused(400, "malformed");
        network.get("/v1/branches/nroth/referrals").await.refused(422, "untrue");

        let base = format!("/v1/patients/{}/referrals/{}", people[0], referrals[0]);
        network.post(&format!("{base}/arrangement"), json!({"provider": hospital})).await.ok();
        let first = people[0];
        let step = |step: &'static str| move |answer: &serde_json::Value| of(answer, first)["next_step"] == step;
        let arranged = network.until_get(list, step("call_back")).await;
        assert_eq!(of(&arranged, people[0])["provider"], hospital.to_string());
        let call = json!({"direction": "outbound", "purpose": "care_referral_callback", "about": referrals[0], "channel": "phone",
            "branch": "north", "outcome": "reached"});
        network.post(&format!("/v1/patients/{}/contacts", people[0]), call).await.ok();
        network.until_get(list, step("close")).await;
        network.post(&format!("{base}/closing"), json!({})).await.ok();
        let rest = network.until_get(list, |answer| answer["referrals"].as_array().is_some_and(|all| all.len() == 1)).await;
        assert_eq!(of(&rest, people[1])["next_step"], "arrange");
        network.post(&format!("/v1/patients/{}/death", people[1]), json!({})).await.ok();
        network.until_get(list, |answer| answer["referrals"] == json!([])).await;
    })
    .await;
}
