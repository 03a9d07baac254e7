//! Branches, providers, clinicians who have left, and policies.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::{Network, id};

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_is_as_it_was_last_listed() {
    let network = Network::start().await;
    let branch = json!({
        "name": "North", "time_zone": "Europe/Moscow", "place": {"latitude": 55.75, "longitude": 37.61},
        "hours": {"monday": {"from": "09:00", "until": "18:00"}, "friday": {"from": "20:00", "until": "02:00"}}, "services": ["x_ray"],
    });
    network.put("/v1/branches/north", branch.clone()).await.ok();
    let mut expected = branch;
    expected["branch"] = json!("north");
    assert_eq!(network.get("/v1/branches/north").await.ok(), expected);
    network.put("/v1/branches/north", json!({"name": "North", "time_zone": "Europe/Moscow"})).await.ok();
    assert_eq!(
        network.get("/v1/branches/north").await.ok(),
        json!({"branch": "north", "name": "North", "time_zone": "Europe/Moscow"})
    );
    let all = network.get("/v1/branches").await.ok();
    let codes: Vec<_> = all["branches"].as_array().unwrap().iter().map(|b| b["branch"].as_str().unwrap()).collect();
    assert_eq!(codes, ["east", "north"]);
    let problem = network.get("/v1/branches/nort").await.refused(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("did you mean `north`"), "{problem}");
    let administrator = network.token(&["administrator"], Some(&["north"])).await;
    network.get_as(&administrator, "/v1/branches").await.ok();
    let refused =
        network.put_as(&administrator, "/v1/branches/north", json!({"name": "Mine", "time_zone": "Europe/Moscow"})).await;
    refused.refused(403, "forbidden");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_who_have_it_are_found() {
    let network = Network::start().await;
    let place = |latitude: f64, longitude: f64| json!({"latitude": latitude, "longitude": longitude});
    network
        .put(
            "/v1/branches/north",
            json!({"name": "North", "time_zone": "Europe/Moscow", "place": place(55.75, 37.61), "services": ["x_ray"]}),
        )
        .await
        .ok();
    let weekdays: Value =
        ["monday", "tuesday"].into_iter().map(|day| (day.to_owned(), json!({"from": "08:00", "until": "11:30"}))).collect();
    let mut ids = Vec::new();
    for body in [
        json!({"name": "Far", "services": ["x_ray"], "place": place(59.93, 30.34), "phone": "+7 812 000-00-00"}),
        json!({"name": "Near", "services": ["x_ray", "mri"], "place": place(55.80, 37.60), "hours": weekdays, "website": "https://near.example"}),
        json!({"name": "Other", "services": ["dentist"], "place": place(55.75, 37.61)}),
    ] {
        ids.push(id(&network.post("/v1/providers", body).await.ok()["provider"]));
    }
    let names = |found: &Value| {
        found["providers"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let near = "latitude=55.75&longitude=37.61";
    let found = network.get(&format!("/v1/providers?need=x_ray&{near}")).await.ok();
    assert_eq!(names(&found), ["Near", "Far"]);
    assert_eq!(found["providers"][0]["distance_km"], 5.59);
    assert_eq!(found["providers"][0]["website"], "https://near.example");
    assert_eq!(found["branches"][0]["branch"], "north");
    // The nearest branch keeps Moscow's time: noon there is behind Near's hours, and of Far's nobody knows.
    let open = |at: &str| format!("/v1/providers?need=x_ray&{near}&open_at={at}");
    let noon = network.get(&open("2026-03-02T12:00:00%2B03:00")).await.ok();
    assert_eq!(names(&noon), ["Far", "Near"]);
    assert_eq!(
        (&noon["providers"][1]["open"], &noon["providers"][1]["opens_at"]),
        (&json!(false), &json!("2026-03-03T05:00:00Z"))
    );
    assert_eq!(names(&network.get(&open("2026-03-02T08:00:00Z")).await.ok()), ["Near", "Far"]);
    assert_eq!(names(&network.get("/v1/providers?need=x_ray&limit=1").await.ok()), ["Far"], "by name when no place is named");

    let changed = network.post("/v1/providers", json!({"provider": ids[1], "name": "Near", "services": ["mri"]})).await.ok();
    assert_eq!(id(&changed["provider"]), ids[1]);
    assert_eq!(names(&network.get(&format!("/v1/providers?need=x_ray&{near}")).await.ok()), ["Far"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_departed_clinician_is_found_at_the_new_clinic() {
    let network = Network::start().await;
    let path = format!("/v1/clinicians/{}/departure", Uuid::from_u128(5));
    network.get(&path).await.refused(404, "not_found");
    network.post(&path, json!({"new_clinic": "City hospital 2, Lenin St. 12"})).await.ok();
    let found = network.get(&path).await.ok();
    assert_eq!(found, json!({"clinician": Uuid::from_u128(5), "new_clinic": "City hospital 2, Lenin St. 12"}));
    network.post(&path, json!({"new_clinic": "Clinic on the hill"})).await.ok();
    assert_eq!(network.get(&path).await.ok()["new_clinic"], "Clinic on the hill");
    // The doctor's own number is the doctor's own space (P13): it is not taken, and the log does not hold it.
    let with_number = json!({"new_clinic": "City hospital 2, +7 912 345-67-89"});
    network.post(&path, with_number).await.refused(422, "untrue");
    for name in ["Dr Somova, 912 345-67-89", "somova@example.org"] {
        network.post(&path, json!({"new_clinic": "Clinic on the hill", "name": name})).await.refused(422, "untrue");
    }
    // Found by name in either script; the name is with the personal data, and no field could hold a number.
    network.post(&path, json!({"new_clinic": "Clinic on the hill", "name": "Анна Сомова"})).await.ok();
    let whole = json!([{"clinician": Uuid::from_u128(5), "name": "Анна Сомова", "new_clinic": "Clinic on the hill"}]);
    for words in ["%D1%81%D0%BE%D0%BC", "Somova", "hill"] {
        assert_eq!(network.get(&format!("/v1/clinicians/departed?q={words}")).await.ok()["clinicians"], whole, "{words}");
    }
    assert_eq!(network.get("/v1/clinicians/departed?q=nobody").await.ok()["clinicians"], json!([]));
    let analyst = network.token(&["analyst"], None).await;
    let unnamed = json!([{"clinician": Uuid::from_u128(5), "new_clinic": "Clinic on the hill"}]);
    assert_eq!(network.get_as(&analyst, "/v1/clinicians/departed").await.ok()["clinicians"], unnamed);
    network.post(&path, json!({"new_clinic": "Clinic on the hill", "name": ""})).await.ok();
    assert_eq!(network.get("/v1/clinicians/departed").await.ok()["clinicians"], unnamed, "forgotten");
    let log = network.log_text().await;
    assert!(!log.contains("345-67-89") && !log.contains("Сомова"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_published_once_and_takes_effect_when_it_says() {
    let network = Network::start().await;
    assert_eq!(network.get("/v1/policies/in-force").await.ok()["version"], "default");
    let text = "[network]\npermit_valid_for = \"30 minutes\"\n[purpose.emergency]\nbasis = \"care\"\nlimits = [{ attempts = 3, per = \"24 hours\" }]\nchannels = [\"phone\"]\n";
    let policy = json!({"version": "2026-03", "text": text, "effective_from": "2026-03-02T12:01:00+03:00"});
    let published = network.post("/v1/policies", policy.clone()).await.ok();
    assert_eq!(published["sha256"], "8fe7b8929d8b21be2e20a57e144714c5eb73c3d1d32c2c505babc313266adacd");
    assert_eq!(network.get("/v1/policies/in-force").await.ok()["version"], "default");
    network.post("/v1/policies", policy).await.refused(422, "untrue");
    network.set_clock("2026-03-02T09:01:00Z");
    let current = network.get("/v1/policies/in-force").await.ok();
    assert_eq!(current["version"], "2026-03");
    assert_eq!(current["text"], text);
    let all = network.get("/v1/policies").await.ok();
    let list: Vec<_> =
        all["policies"].as_array().unwrap().iter().map(|p| (p["version"].as_str().unwrap(), p["in_force"] == true)).collect();
    assert_eq!(list, [("default", false), ("2026-03", true)]);
    assert_eq!(all["policies"][0].get("text"), None);
    assert_eq!(network.get("/v1/policies/default").await.ok()["text"], tact_domain::policy::DEFAULT);
    let differs = network.get("/v1/policies/diff?from=default&to=2026-03").await.ok();
    let of = |path: &str| differs["differences"].as_array().unwrap().iter().find(|one| one["path"] == path).cloned();
    assert_eq!(of("purpose.emergency.limits").unwrap()["to"], "3 attempts per 24 hours", "{differs}");
    assert_eq!(of("purpose.promotion.basis"), Some(json!({"path": "purpose.promotion.basis", "from": "consent"})));
    assert_eq!(network.get("/v1/policies/diff?from=2026-03&to=2026-03").await.ok()["differences"], json!([]));
    // The cases that ship hold for the policy that ships, and say of this one what it lacks.
    let told = network.post("/v1/policies/default/scenarios", json!({})).await.ok();
    assert_eq!((told["failed"].as_u64(), told["passed"].as_u64().unwrap() > 90), (Some(0), true), "{told}");
    let told = network.post("/v1/policies/2026-03/scenarios", json!({})).await.ok();
    let failed = told["cases"].as_array().unwrap().iter().find(|case| case["passed"] == false).unwrap();
    assert!(failed["because"][0].as_str().unwrap().contains("step "), "{failed}");
    let own = json!({"cases": [{"file": "mine.toml", "text": "name = 3"}]});
    let told = network.post("/v1/policies/default/scenarios", own).await.ok();
    assert!(told["cases"][0]["because"][0].as_str().unwrap().starts_with("line 1"), "{told}");
    network.post("/v1/policies/default/scenarios", json!({"cases": []})).await.refused(422, "untrue");
    network.get("/v1/policies/diff?from=default&to=2026-3").await.refused(404, "not_found");
    let problem = network.get("/v1/policies/2026-3").await.refused(404, "not_found");
    assert!(problem["detail"].as_str().unwrap().contains("did you mean `2026-03`"), "{problem}");

    let wrong = "[network]\npermit_valid_for = \"30 minutes\"\n[purpose.emergency]\nbasis = \"care\"\nlimits = [{ attempts = 3, per = \"24 hours\" }]\nchannels = [\"fone\"]\nlimit = 3\n";
    let policy = json!({"version": "2026-04", "text": wrong, "effective_from": "2026-03-03T12:00:00+03:00"});
    let problem = network.post("/v1/policies", policy).await.refused(422, "untrue");
    assert_eq!(problem["field"], "text");
    let mistakes = problem["mistakes"].as_array().unwrap();
    assert_eq!((&mistakes[0]["line"], &mistakes[0]["column"]), (&json!(6), &json!(13)), "{problem}");
    assert!(mistakes[0]["message"].as_str().unwrap().contains("did you mean `phone`"), "{problem}");

    let northern = network.token(&["network_manager"], Some(&["north"])).await;
    let policy = json!({"version": "north", "text": text, "effective_from": "2026-03-03T12:00:00+03:00"});
    network.post_as(&northern, "/v1/policies", policy.clone()).await.refused(403, "forbidden");
    let administrator = network.token(&["administrator"], None).await;
    network.post_as(&administrator, "/v1/policies", policy).await.refused(403, "forbidden");
    network.stop().await;
}
