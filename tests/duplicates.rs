//! Duplicates: who is put before a person and who is not, on both engines; from a proposal over a merge to its undoing; and that nothing of it
//! is left of whoever was erased.

use serde_json::{Value, json};
use tact_personal::likeness::{Candidates, Dismissed};
use tact_personal::{Details, NewPerson, Personal, Put};
use uuid::Uuid;

use crate::network::{Network, id, time};
use crate::numbers::numbering;
use crate::projector::{Engine, WAIT};

fn details(name: &str, phone: &str, born: &str) -> Details {
    let field = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Details { name: field(name), phone: field(phone), birth_date: field(born), ..Details::default() }
}

fn person(n: u128, details: Details) -> NewPerson {
    NewPerson { patient: Uuid::from_u128(n), command: 1, details }
}

async fn found(store: &Personal) -> Vec<(u128, u128)> {
    let (mut pairs, mut from) = (Vec::new(), Some(Uuid::nil()));
    while let Some(start) = from {
        let (candidates, next) = store.alike(start, 2).await.unwrap();
        let likely = store.likely(&candidates).await.unwrap();
        pairs.extend(likely.iter().map(|pair| (pair.one.as_u128(), pair.other.as_u128())));
        from = next;
    }
    pairs
}

fn family() -> Vec<NewPerson> {
    vec![
        person(1, details("Иванова Юлия Сергеевна", "+7 912 000-11-22", "1984-05-17")),
        person(2, details("Yuliya Ivanova", "8 (912) 000 11 22", "")),
        person(3, details("Иванова Марина Сергеевна", "+7 912 000-11-22", "2015-03-08")),
        person(4, details("Иванова Карина Сергеевна", "+7 912 000-11-22", "2015-03-08")),
        person(5, details("Julia Ivanova", "", "1984-05-17")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_follow_the_details_and_go_with_the_person() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap().numbered(numbering("RU"));
        let mut people = family();
        let last = people.pop().unwrap();
        store.register_new(&people, Vec::new()).await.unwrap();
        assert_eq!(store.register(&last).await.unwrap(), Put::Done);
        assert_eq!(found(&store).await, [(1, 2), (1, 5)], "{}", engine.name);
        let of_last = store.alike_to(last.patient).await.unwrap();
        assert!(of_last.contains(&Candidates { one: Uuid::from_u128(1), other: last.patient, by_number: false }), "{of_last:?}");
        assert!(store.change(last.patient, details("", "+7 912 000 11 22", "1990-01-01")).await.unwrap());
        assert_eq!(found(&store).await, [(1, 2), (2, 5)], "{}", engine.name);
        store.erase(Uuid::from_u128(2)).await.unwrap();
        assert_eq!(found(&store).await, [], "{}", engine.name);
        // Nothing brings the keys of whoever was erased back, and nothing makes keys twice.
        assert_eq!(store.make_likeness_keys().await.unwrap(), 0, "{}", engine.name);
        assert_eq!(store.alike_to(Uuid::from_u128(2)).await.unwrap(), [], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_from_before_there_were_keys_get_them_and_a_run_that_broke_off_goes_on() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap().numbered(numbering("RU"));
        let all: Vec<NewPerson> = (0..2500)
            .map(|n| person(n + 1, details(&format!("Кузнецова Анна {n}"), "", "1984-05-17")))
            .chain([
                person(9001, details("Иванова Юлия", "", "1984-05-17")),
                person(9002, details("Julia Ivanova", "", "1984-05-17")),
            ])
            .collect();
        store.register_new(&all, Vec::new()).await.unwrap();
        let db = store.db();
        // As they were before: some without any, some of an older version, and some done by a run that broke off.
        for sql in [
            "DELETE FROM likeness_keys",
            "DELETE FROM likeness_made WHERE patient < $1",
            "UPDATE likeness_made SET version = 0 WHERE patient >= $1",
        ] {
            let half = Uuid::from_u128(1500);
            if sql.contains('$') {
                tact_database::run!(db, sql, half).unwrap()
            } else {
                tact_database::run!(db, sql).unwrap()
            };
        }
        assert_eq!(found(&store).await, [], "{}", engine.name);
        let (a, b) = tokio::join!(store.make_likeness_keys(), store.make_likeness_keys());
        assert_eq!(a.unwrap() + b.unwrap(), 2502, "{}", engine.name);
        assert_eq!(found(&store).await, [(9001, 9002)], "{}", engine.name);
        assert_eq!(store.make_likeness_keys().await.unwrap(), 0, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_crowd_shares_finds_nobody() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap().numbered(numbering("RU"));
        // A clinic that writes its own number and the first of January wherever it knows no better.
        let crowd =
            (0..3000).map(|n| person(n + 1, details(&format!("Кузнецова {}", name(n)), "+7 495 000 00 00", "1900-01-01")));
        store.register_new(&crowd.collect::<Vec<_>>(), Vec::new()).await.unwrap();
        let (candidates, next) = store.alike(Uuid::nil(), 100_000).await.unwrap();
        assert!(next.is_none() && candidates.len() < 10, "{}: {} pairs are compared", engine.name, candidates.len());
        // Two of them who are one are found by what is their own, and the number counts for nothing.
        store
            .register_new(&[person(9001, details("Петрова Ольга", "+7 495 000 00 00", "1971-02-03"))], Vec::new())
            .await
            .unwrap();
        store.register_new(&[person(9002, details("Petrova Olga", "+7 495 000 00 00", "1971-02-03"))], Vec::new()).await.unwrap();
        let pair = store.alike_to(Uuid::from_u128(9001)).await.unwrap();
        assert_eq!(
            pair,
            [Candidates { one: Uuid::from_u128(9001), other: Uuid::from_u128(9002), by_number: false }],
            "{}",
            engine.name
        );
        assert_eq!(store.likely(&pair).await.unwrap()[0].likeness.score, 75, "{}", engine.name);
    }
}

/// A word of letters for a number.
fn name(n: u128) -> String {
    let letters = ["ба", "во", "гу", "ди", "зе", "ка", "ло", "му", "ни", "ре"];
    n.to_string().bytes().map(|digit| letters[usize::from(digit - b'0')]).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_of_two_stays_until_one_is_erased() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap().numbered(numbering("RU"));
        store.register_new(&family(), Vec::new()).await.unwrap();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (actor, at) = (Uuid::from_u128(99), time("2026-03-02T09:00:00Z"));
        assert_eq!(store.dismiss((two, one), actor, at).await.unwrap(), Dismissed::Now);
        assert_eq!(store.dismiss((one, two), actor, at + chrono::Duration::hours(1)).await.unwrap(), Dismissed::Before(at));
        assert!(store.dismissed(&[one, two]).await.unwrap().contains(&(one, two)), "{}", engine.name);
        assert_eq!(store.dismiss((one, Uuid::from_u128(77)), actor, at).await.unwrap(), Dismissed::Gone);
        store.erase(two).await.unwrap();
        assert!(store.dismissed(&[one, two]).await.unwrap().is_empty(), "{}", engine.name);
        assert_eq!(store.dismiss((one, two), actor, at).await.unwrap(), Dismissed::Gone, "{}", engine.name);
    }
}

async fn registered(network: &Network, name: &str, phone: Option<&str>, born: Option<&str>, branch: &str) -> Value {
    let person = json!({"name": name, "phone": phone, "birth_date": born});
    network.post("/v1/patients", json!({"home_branch": branch, "person": person})).await.ok()
}

/// The pairs that are proposed behind a position.
async fn proposals(network: &Network, position: &Value) -> Vec<Value> {
    let path = format!("/v1/duplicates?at_least={}", position.as_str().unwrap());
    network.get(&path).await.ok()["pairs"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_proposal_to_a_merge_and_back() {
    Network::on_both(async |network| {
        let first = registered(network, "Иванова Юлия Сергеевна", Some("+7 912 000-11-22"), Some("1984-05-17"), "north").await;
        assert_eq!(first["possible_duplicates"], json!([]), "{first}");
        let (old, number) = (id(&first["patient"]), "8 (912) 000 11 22");
        let second = registered(network, "Yuliya Ivanova", Some(number), None, "east").await;
        let new = id(&second["patient"]);
        assert_eq!(second["possible_duplicates"], json!([old]), "{second}");
        let twin = registered(network, "Иванова Марина Сергеевна", Some(number), Some("2015-03-08"), "north").await;
        assert_eq!(twin["possible_duplicates"], json!([]), "{twin}");

        let pairs = proposals(network, &twin["position"]).await;
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        let said = pairs[0].to_string();
        assert_eq!((&pairs[0]["score"], &pairs[0]["likelihood"]), (&json!(70), &json!("likely")), "{said}");
        assert_eq!(
            pairs[0]["reasons"],
            json!([{"evidence": "name_same", "points": 40}, {"evidence": "number_same", "points": 30}]),
            "{said}"
        );
        assert!(said.contains(&old.to_string()) && said.contains(&new.to_string()) && !said.contains("912"), "{said}");
        // Of the branches of either, and of no other.
        for (branch, many) in [("north", 1), ("east", 1)] {
            let path = format!("/v1/duplicates?branch={branch}&limit=1");
            assert_eq!(network.get(&path).await.ok()["pairs"].as_array().unwrap().len(), many, "{branch}");
        }

        // The older record survives; both numbers lead to it, and its own is rung.
        let call =
            json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "east", "outcome": "reached"});
        network.post(&format!("/v1/patients/{new}/contacts"), call.clone()).await.ok();
        let wish = json!({"reach": "patient_initiated"});
        network.post(&format!("/v1/patients/{new}/preferences"), wish).await.ok();
        let email = json!({"person": {"phone": "+7 999 555-66-77", "email": "julia@example.org"}});
        let changed = network
            .send(network.request(&hyper::Method::PATCH, &format!("/v1/patients/{new}"), &network.manager, Some(&email)))
            .await;
        changed.ok();
        network.post(&format!("/v1/patients/{old}/merge"), json!({"from": new})).await.ok();
        let merged = network.until(old, "patient.absorbed").await;
        assert_eq!(proposals(network, &json!(merged.to_string())).await, Vec::<Value>::new());
        let by_number = network.get("/v1/patients?text=5556677").await.ok();
        assert_eq!(by_number["patients"][0]["patient"], json!(old), "{by_number}");
        let shown = network.get(&format!("/v1/patients/{old}")).await.ok();
        assert_eq!(shown["person"]["phone"], "+7 912 000-11-22", "{shown}");
        assert_eq!(shown["merged"][0]["person"]["phone"], "+7 999 555-66-77", "{shown}");
        let ask = "permits/preview?purpose=checkup_invitation&channel=phone&branch=north";
        let refused = network.get(&format!("/v1/patients/{old}/{ask}")).await.ok().to_string();
        assert!(refused.contains("patient_initiated_only"), "{refused}");

        // Taken apart: each has their own again, refusals stay with both, and nobody proposes it once more.
        network.post(&format!("/v1/patients/{old}/separation"), json!({"from": new})).await.ok();
        let parted = network.until(new, "patient.separated").await;
        for patient in [old, new] {
            let refused = network.get(&format!("/v1/patients/{patient}/{ask}")).await.ok().to_string();
            assert!(refused.contains("patient_initiated_only"), "{refused}");
        }
        assert_eq!(proposals(network, &json!(parted.to_string())).await, Vec::<Value>::new());
        let by_number = network.get("/v1/patients?text=5556677").await.ok();
        assert_eq!(by_number["patients"][0]["patient"], json!(new), "{by_number}");
        let shown = network.get(&format!("/v1/patients/{old}")).await.ok();
        assert_eq!(shown["merged"], Value::Null, "{shown}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_said_to_be_two_is_not_proposed_again() {
    let network = Network::start().await;
    let one = registered(&network, "Кузнецова Анна", None, Some("1984-05-17"), "north").await;
    let two = registered(&network, "Kuznecova Anna", None, Some("1984-05-17"), "north").await;
    let (a, b) = (id(&one["patient"]), id(&two["patient"]));
    assert_eq!(proposals(&network, &two["position"]).await.len(), 1);
    let said = network.post("/v1/duplicates/dismissals", json!({"patients": [b, a]})).await;
    assert_eq!(said.status, 201, "{}", said.json);
    let again = network.post("/v1/duplicates/dismissals", json!({"patients": [a, b]})).await;
    assert_eq!((again.status.as_u16(), &again.json["dismissed_at"]), (200, &said.json["dismissed_at"]), "{}", again.json);
    assert_eq!(proposals(&network, &two["position"]).await.len(), 0);
    for (body, detail) in
        [(json!({"patients": [a]}), "name two patients"), (json!({"patients": [a, a]}), "are one patient already")]
    {
        let refused = network.post("/v1/duplicates/dismissals", body).await.refused(422, "untrue");
        assert!(refused["detail"].as_str().unwrap().contains(detail), "{refused}");
    }
    // A third record of hers is proposed with each of them all the same, page by page.
    let three = registered(&network, "Анна Кузнецова", None, Some("1984-05-17"), "north").await;
    assert_eq!(three["possible_duplicates"].as_array().unwrap().len(), 2, "{three}");
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let page =
            network.get(&format!("/v1/duplicates?limit=1{after}&at_least={}", three["position"].as_str().unwrap())).await.ok();
        seen.extend(page["pairs"].as_array().unwrap().iter().map(|pair| pair["patients"].to_string()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert!(seen.len() == 2 && seen[0] != seen[1], "{seen:?}");
    network.get("/v1/duplicates?after=nonsense").await.refused(422, "untrue");
    // Whoever dies is still proposed: else the other record would go on being called.
    network.post(&format!("/v1/patients/{a}/death"), json!({})).await.ok();
    let erased = network.post(&format!("/v1/patients/{b}/erasure"), json!({"reason": "patient_request"})).await.ok();
    let pairs = proposals(&network, &erased["position"]).await;
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert!(pairs[0]["patients"].to_string().contains("\"died\""), "{pairs:?}");
    let log = network.log_text().await;
    assert!(!log.contains("name_same") && !log.contains("Кузнецова"), "nothing of it is in the log");
    network.stop().await;
}
