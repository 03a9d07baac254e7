//! What a page of the worklist needs beside the entries: who is at one, how the day goes, and when to look again.

use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};

use crate::network::{Network, id};
use crate::processes::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_somebody_is_at_says_who_and_the_day_is_counted() {
    Network::on_both(async |network| {
        let desk = network.token(&["administrator"], Some(&["north"])).await;
        let other = network.token(&["administrator"], Some(&["east"])).await;
        let mut patients = Vec::new();
        for _ in 0..2 {
            let patient = network.patient("north", json!({})).await;
            network.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
            patients.push(patient);
        }
        let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
        let permit = network.post_as(&desk, &format!("/v1/patients/{}/permits", patients[0]), ask).await.ok();
        let position = permit["position"].as_str().unwrap();
        let list = network.get_as(&desk, &format!("/v1/branches/north/worklist?at_least={position}")).await.ok();
        let of = |list: &Value, patient| {
            let entries = list["entries"].as_array().unwrap();
            entries.iter().find(|entry| id(&entry["patient"]) == patient).cloned().unwrap()
        };
        let taken = &of(&list, patients[0])["taken"];
        assert_eq!((&taken["permit"], &taken["expires_at"]), (&permit["permit"], &permit["expires_at"]), "{list}");
        assert!(taken["actor"].as_str().unwrap().starts_with("staff:"), "{taken}");
        assert_eq!(taken["since"], "2026-03-02T09:00:00Z");
        assert_eq!(of(&list, patients[1]).get("taken"), None);
        let history = network.get(&format!("/v1/patients/{}/history", patients[0])).await.ok().to_string();
        assert!(history.contains(taken["actor"].as_str().unwrap()), "the one who was granted it");

        let day = network.get_as(&desk, "/v1/branches/north/day").await.ok();
        let count = |day: &Value, name: &str| day[name].as_u64().unwrap();
        assert_eq!((count(&day, "callable"), count(&day, "blocked"), count(&day, "taken")), (1, 1, 1), "{day}");
        assert_eq!((&day["from"], &day["until"]), (&json!("2026-03-01T21:00:00Z"), &json!("2026-03-02T21:00:00Z")));
        assert_eq!((count(&day, "done"), day["more"].clone()), (0, json!(false)));
        network.get_as(&other, "/v1/branches/north/day").await.refused(403, "forbidden");

        // Begun, it waits for its outcome; done, it leaves the list and stands among what was done.
        let of_permit = format!("/v1/patients/{}/permits/{}", patients[0], permit["permit"].as_str().unwrap());
        let begun = network.post_as(&desk, &format!("{of_permit}/start"), json!({})).await.ok();
        let position = begun["position"].as_str().unwrap();
        let list = network.get_as(&desk, &format!("/v1/branches/north/worklist?at_least={position}")).await.ok();
        assert_eq!(of(&list, patients[0])["taken"].get("expires_at"), None);
        let call = json!({"contact": begun["contact"], "permit": permit["permit"], "direction": "outbound", "purpose": "callback",
            "channel": "phone", "branch": "north", "outcome": "reached"});
        let made = network.post_as(&desk, &format!("/v1/patients/{}/contacts", patients[0]), call).await.ok();
        let position = made["position"].as_str().unwrap();
        let day = network.get_as(&desk, &format!("/v1/branches/north/day?at_least={position}")).await.ok();
        assert_eq!(
            (count(&day, "callable"), count(&day, "blocked"), count(&day, "taken"), count(&day, "done")),
            (1, 0, 0, 1),
            "{day}"
        );
        let alone = network.get_as(&desk, "/v1/branches/north/day?counts=false").await.ok();
        assert_eq!((alone.get("callable"), alone.get("more"), &alone["contacts"]), (None, None, &day["contacts"]), "{alone}");
        assert_eq!((&day["contacts"][0]["contact"], &day["contacts"][0]["outcome"]), (&made["contact"], &json!("reached")));

        // What is due later today is a view of its own, by the branch's clock: tomorrow's reminder is not there.
        for (starts_at, expected) in [("2026-03-03T18:00:00+03:00", 1), ("2026-03-05T18:00:00+03:00", 1)] {
            let booking = json!({"branch": "north", "kind": "checkup", "starts_at": starts_at});
            let booked = network.post(&format!("/v1/patients/{}/appointments", patients[1]), booking).await.ok();
            let position = booked["position"].as_str().unwrap();
            let today = network.get(&format!("/v1/branches/north/worklist?view=today&at_least={position}")).await.ok();
            assert_eq!(today["entries"].as_array().unwrap().len(), expected, "{today}");
            assert_eq!(count(&network.get("/v1/branches/north/day").await.ok(), "later_today"), expected as u64);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_hears_how_far_the_read_models_have_come_until_the_end() {
    let network = Network::start().await;
    let analyst = network.token(&["analyst"], Some(&["east"])).await;
    let mut heard = Vec::new();
    for _ in 0..3 {
        let answer = network.open(network.request(&Method::GET, "/v1/positions", &analyst, None)).await;
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        heard.push((answer.into_body(), String::new()));
    }
    let patient = network.patient("north", json!({})).await;
    let position = network.until(patient, "patient.registered").await.to_stored();
    for (body, text) in &mut heard {
        let come = |text: &str| {
            text.lines().filter_map(|line| line.strip_prefix("data: ")?.parse::<u64>().ok()).any(|at| at >= position)
        };
        while !come(text) {
            let frame = tokio::time::timeout(PATIENCE, body.frame()).await.expect("nothing comes").unwrap().unwrap();
            text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
        assert!(text.starts_with("event: position\ndata: "), "{text}");
    }
    let (mut body, _) = heard.pop().unwrap();
    let ended = tokio::spawn(async move { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} });
    network.stop().await;
    tokio::time::timeout(PATIENCE, ended).await.expect("it goes on when the process has stopped").unwrap();
}
