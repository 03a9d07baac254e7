//! Who looked at whose page: noted before it is shown, told to those who watch, kept for as long as is set.

use std::sync::Arc;

use serde_json::{Value, json};
use tact::settings::SignIn;
use tact_database::run;

use crate::network::{Network, time};

fn told(looks: &Value) -> Vec<(String, String)> {
    let looks = looks["looks"].as_array().unwrap();
    looks.iter().map(|look| (look["label"].as_str().unwrap().to_owned(), look["what"].as_str().unwrap().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_is_noted_once_a_minute_and_programs_are_not() {
    for network in Network::both_with(SignIn::default()).await {
        let patient = network.patient("north", json!({"person": {"name": "Zoe Lookedat"}})).await;
        let clinician = network.token(&["clinician"], None).await;
        let regulator = network.token(&["regulator"], None).await;
        let system = network.token(&["system"], None).await;
        let page = format!("/v1/patients/{patient}");
        let looks = format!("{page}/looks");
        assert_eq!(network.get(&looks).await.ok(), json!({"patient": patient, "looks": []}));
        for _ in 0..3 {
            network.get_as(&clinician, &page).await.ok();
        }
        for token in [&system, &regulator] {
            network.get_as(token, &format!("{page}/history")).await.ok();
        }
        network.get_as(&system, &page).await.ok();
        network.set_clock("2026-03-02T09:01:00Z");
        network.get_as(&clinician, &page).await.ok();
        network.set_clock("2026-03-02T09:02:30Z");
        network.get_as(&clinician, "/v1/patients?text=Lookedat").await.ok();
        network.get_as(&clinician, &format!("/fhir/R4/Patient/{patient}")).await.ok();
        // Whoever is refused, and whoever asks for nobody, has seen nothing.
        network.get_as(&regulator, &page).await.refused(403, "forbidden");
        network.get_as(&clinician, "/v1/patients/00000000-0000-4000-8000-000000000001").await.refused(404, "not_found");

        let seen = network.get_as(&regulator, &looks).await.ok();
        let mut found = told(&seen);
        found[..2].sort();
        let expected = [
            ("clinician", "fhir"),
            ("clinician", "search"),
            ("clinician", "person"),
            ("clinician", "person"),
            ("regulator", "history"),
        ];
        let mut all = found.clone();
        all[3..].sort();
        assert_eq!(all, expected.map(|(who, what)| (who.to_owned(), what.to_owned())), "{seen}");
        assert_eq!(time(seen["looks"][0]["at"].as_str().unwrap()), time("2026-03-02T09:02:00Z"), "to the minute");
        assert!(!seen.to_string().contains("Zoe"), "{seen}");
        // Page by page it is the same.
        let (mut paged, mut after) = (Vec::new(), String::new());
        loop {
            let part = network.get(&format!("{looks}?limit=2{after}")).await.ok();
            paged.extend(part["looks"].as_array().unwrap().clone());
            let Some(next) = part["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(json!(paged), seen["looks"]);
        network.get(&format!("{looks}?after=x")).await.refused(422, "untrue");
        network.get_as(&clinician, &looks).await.refused(403, "forbidden");
        // People of any branch may have looked.
        let north = network.token(&["network_manager"], Some(&["north"])).await;
        network.get_as(&north, &looks).await.refused(403, "forbidden");
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sees_somebody_who_was_merged_is_noted_for_both_and_told_once() {
    for network in Network::both_with(SignIn::default()).await {
        let one = network.patient("north", json!({"person": {"name": "Zoe Lookedat"}})).await;
        let other = network.patient("east", json!({"person": {"name": "Zoya Lookedat"}})).await;
        let clinician = network.token(&["clinician"], None).await;
        let before = network.token(&["administrator"], None).await;
        network.get_as(&before, &format!("/v1/patients/{other}")).await.ok();
        network.post(&format!("/v1/patients/{one}/merge"), json!({"from": other})).await.ok();
        network.until(one, "patient.absorbed").await;
        network.set_clock("2026-03-02T09:01:00Z");
        let shown = network.get_as(&clinician, &format!("/v1/patients/{one}")).await.ok();
        assert!(shown.to_string().contains("Zoya"), "{shown}");
        for path in
            [format!("/v1/patients/{one}/history"), format!("/fhir/R4/Patient/{one}"), "/v1/patients?text=Zoya".to_owned()]
        {
            network.get_as(&clinician, &path).await.ok();
        }
        // Told of both together, each once; and of the other alone, whose details they were.
        let pages = ["fhir", "history", "person", "search"].map(|what| ("clinician".to_owned(), what.to_owned()));
        for patient in [one, other] {
            let mut seen = told(&network.get(&format!("/v1/patients/{patient}/looks")).await.ok());
            seen.sort();
            let mut expected = pages.to_vec();
            expected.insert(0, ("administrator".to_owned(), "person".to_owned()));
            assert_eq!(seen, expected, "{patient}");
        }
        // Page by page it is the same.
        let page = async |after: &str| network.get(&format!("/v1/patients/{one}/looks?limit=3{after}")).await.ok();
        let first = page("").await;
        let rest = page(&format!("&after={}", first["next"].as_str().unwrap())).await;
        let all = network.get(&format!("/v1/patients/{one}/looks")).await.ok();
        assert_eq!([told(&first), told(&rest)].concat(), told(&all));
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_noted_is_not_shown() {
    for network in Network::both_with(SignIn::default()).await {
        let patient = network.patient("north", json!({"person": {"name": "Zoe Lookedat"}})).await;
        let page = format!("/v1/patients/{patient}");
        network.get(&page).await.ok();
        run!(network.app().personal.db(), "ALTER TABLE looks RENAME TO looks_away").unwrap();
        network.set_clock("2026-03-02T09:05:00Z");
        for path in [
            page.clone(),
            format!("{page}/history"),
            format!("/fhir/R4/Patient/{patient}"),
            "/v1/patients?text=Lookedat".to_owned(),
        ] {
            let reply = network.get(&path).await;
            assert_eq!(reply.status, 503, "{path}: {}", reply.json);
            assert!(!reply.json.to_string().contains("Zoe"), "{path}: {}", reply.json);
        }
        run!(network.app().personal.db(), "ALTER TABLE looks_away RENAME TO looks").unwrap();
        network.get(&page).await.ok();
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn looks_are_kept_for_as_long_as_is_set_and_outlive_an_erasure() {
    for network in Network::both_with(SignIn::default()).await {
        let patient = network.patient("north", json!({"person": {"name": "Zoe Lookedat"}})).await;
        let looks = format!("/v1/patients/{patient}/looks");
        network.get(&format!("/v1/patients/{patient}")).await.ok();
        network.post(&format!("/v1/patients/{patient}/erasure"), json!({"reason": "patient_request"})).await.ok();
        assert_eq!(network.get(&looks).await.ok()["looks"].as_array().unwrap().len(), 1);
        let sign_in = Arc::new(tact_sign_in::SignIn::new(String::new(), 12, 60, 30, None));
        network.set_clock("2026-04-01T09:00:00Z");
        sign_in.forget(network.app()).await.unwrap();
        assert_eq!(network.get(&looks).await.ok()["looks"].as_array().unwrap().len(), 1);
        network.set_clock("2026-04-01T09:00:01Z");
        sign_in.forget(network.app()).await.unwrap();
        assert_eq!(network.get(&looks).await.ok()["looks"], json!([]));
        network.stop().await;
    }
}
