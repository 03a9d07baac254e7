//! The console in a real browser: Debian's Chromium, driven by npm's playwright-core through journeys that find everything by role and visible
//! name, in both languages.
//!
//! A journey asks for what a person at the desk cannot do - make a link, move the clock, take the server away - in a line of JSON each, and
//! waits for the answer.

mod apart;
mod away;
mod pictures;

use std::process::Stdio;

use serde_json::{Value, json};
use tact::settings::SignIn;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use uuid::Uuid;

use crate::network::{Network, id};
use crate::sign_in::IdentityProvider;
use crate::tidy::root;

/// Both languages.
const LANGUAGES: [&str; 2] = ["en", "ru"];

/// Runs a journey to its end, doing what it asks for.
async fn journey(name: &str, given: Value, mut on: impl AsyncFnMut(&Value) -> Value) {
    let browser = tact_testbed::browser().await.unwrap();
    let mut command = Command::new(&browser.driver.node);
    command
        .arg(root().join(format!("tests/console/journeys/{name}.mjs")))
        .arg(given.to_string())
        .env("TACT_TEST_PACKAGES", &browser.driver.packages)
        .env("TACT_TEST_BROWSER", &browser.program)
        .env("FONTCONFIG_FILE", &browser.fonts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(libraries) = &browser.libraries {
        command.env("LD_LIBRARY_PATH", libraries);
    }
    let mut process = command.spawn().unwrap();
    let mut answers = process.stdin.take().unwrap();
    let mut asked = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut said = BufReader::new(process.stderr.take().unwrap());
    let complained = tokio::spawn(async move {
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut said, &mut text).await.map(|_| text).unwrap_or_default()
    });
    while let Some(line) = asked.next_line().await.unwrap() {
        let what: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{name} says {line}"));
        let answer = on(&what).await;
        answers.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
    let status = process.wait().await.unwrap();
    assert!(status.success(), "{name} {given}:\n{}", complained.await.unwrap());
}

/// What every journey may ask of a network.
async fn answer(network: &Network, what: &Value) -> Value {
    match what["do"].as_str().unwrap() {
        "link" => {
            let mut wanted = what.clone();
            wanted.as_object_mut().unwrap().remove("do");
            json!({"link": network.post("/v1/sign-in-links", wanted).await.ok()["url"]})
        }
        "clock" => {
            network.set_clock(what["to"].as_str().unwrap());
            json!({})
        }
        "wish" => {
            let patient = named(network, what["of"].as_str().unwrap()).await;
            let shown = network.get(&format!("/v1/patients/{patient}")).await.ok();
            json!({"reach": shown["preferences"]["reach"]})
        }
        "history" => {
            let patient = named(network, what["of"].as_str().unwrap()).await;
            let history = network.get(&format!("/v1/patients/{patient}/history")).await.ok();
            history["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect()
        }
        other => panic!("nobody knows how to {other}"),
    }
}

async fn named(network: &Network, name: &str) -> Uuid {
    let found = network.get(&format!("/v1/patients?text={}", name.split(' ').next().unwrap())).await.ok();
    let found = found["patients"].as_array().unwrap().iter().find(|one| one["name"] == name).cloned();
    id(&found.unwrap_or_else(|| panic!("nobody is called {name}"))["patient"])
}

/// Somebody who has asked to be called back.
async fn asks_for_a_call(network: &Network, name: &str, phone: &str) -> Uuid {
    let patient = network.patient("north", json!({"person": {"name": name, "phone": phone}})).await;
    network.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
    patient
}

/// Somebody who was operated on this morning.
async fn operated(network: &Network, name: &str, phone: &str) -> Uuid {
    let patient = network.patient("north", json!({"person": {"name": name, "phone": phone}})).await;
    let booking = json!({"branch": "north", "kind": "surgery", "starts_at": "2026-03-02T09:30:00+03:00"});
    let booked = network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
    let appointment = booked["appointment"].as_str().unwrap();
    network.post(&format!("/v1/patients/{patient}/appointments/{appointment}/completion"), json!({})).await.ok();
    patient
}

#[tokio::test(flavor = "multi_thread")]
async fn the_morning_of_an_administrator_needs_no_mouse() {
    for language in LANGUAGES {
        let network = Network::start().await;
        asks_for_a_call(&network, "Olga Calls", "+7 921 555-01-01").await;
        asks_for_a_call(&network, "Boris Silent", "+7 921 555-01-02").await;
        operated(&network, "Vera Operated", "+7 921 555-01-03").await;
        network.patient("north", json!({"person": {"name": "Timur Tired", "phone": "+7 921 777-01-04"}})).await;
        let given = json!({"language": language, "called": "Olga Calls", "silent": "Boris Silent", "operated": "Vera Operated",
            "tired": "Timur Tired", "digits": "777"});
        journey("morning", given, async |what| answer(&network, what).await).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_take_one_entry_the_second_sees_who_has_it() {
    for (language, network) in LANGUAGES.into_iter().zip([Network::start().await, Network::on_servers().await]) {
        asks_for_a_call(&network, "Olga Calls", "+7 921 555-01-01").await;
        journey("two", json!({"language": language, "called": "Olga Calls"}), async |what| answer(&network, what).await).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_was_told_is_called_after_surgery() {
    for language in LANGUAGES {
        let network = Network::start().await;
        operated(&network, "Vera Told", "+7 921 555-01-03").await;
        operated(&network, "Igor Untold", "+7 921 555-01-04").await;
        let given = json!({"language": language, "told": "Vera Told", "untold": "Igor Untold", "later": "2026-03-04T09:00:00Z"});
        journey("surgery", given, async |what| answer(&network, what).await).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_needs_an_x_ray_is_placed_elsewhere() {
    for language in LANGUAGES {
        let network = Network::start().await;
        let north = json!({"name": "north", "time_zone": "Europe/Moscow", "place": {"latitude": 55.90, "longitude": 37.59}});
        network.put("/v1/branches/north", north).await.ok();
        for (name, latitude) in [("Far Away Imaging", 57.0), ("Round The Corner Imaging", 55.91), ("Only Laboratory", 55.90)] {
            let service = if name.starts_with("Only") { "laboratory" } else { "x_ray" };
            let provider = json!({"name": name, "services": [service], "place": {"latitude": latitude, "longitude": 37.6}});
            network.post("/v1/providers", provider).await.ok();
        }
        let given = json!({"language": language, "nearest": "Round The Corner Imaging", "stranger": "Passing Stranger"});
        journey("elsewhere", given, async |what| answer(&network, what).await).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_clinician_went_is_noted_without_an_id() {
    for language in LANGUAGES {
        let network = Network::start().await;
        journey("left", json!({"language": language}), async |what| answer(&network, what).await).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_again_is_back_where_they_were() {
    for language in LANGUAGES {
        let network = Network::start().await;
        asks_for_a_call(&network, "Olga Calls", "+7 921 555-01-01").await;
        network.patient("north", json!({"person": {"name": "Olga Other"}})).await;
        let given = json!({"language": language, "called": "Olga Calls", "later": "2026-03-03T09:00:00Z"});
        journey("session", given, async |what| answer(&network, what).await).await;
        network.stop().await;
    }
}

/// The provider is on another site than the pages, as it is in life: what a browser sends along differs then.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_back_from_the_identity_provider_is_in() {
    let provider = IdentityProvider::start_as("localhost").await;
    let network = Network::start_to_sign_in(SignIn { public_url: None, ..provider.settings() }).await;
    provider.tell(json!({"redirect": format!("{}/sign-in/callback", network.url())})).await;
    provider.tell(json!({"people": {"anna": {"name": "Анна Северная", "tact": ["administrator@north"]}}})).await;
    for language in LANGUAGES {
        let given = json!({"language": language, "url": network.url(), "login": "anna", "name": "Анна Северная"});
        journey("provider", given, async |what| answer(&network, what).await).await;
    }
    network.stop().await;
}

/// A network with something on every page.
async fn lived_in() -> (Network, Uuid) {
    let network = Network::start().await;
    let patient = asks_for_a_call(&network, "Ольга Звонкова", "+7 921 555-01-01").await;
    operated(&network, "Вера Хирургова", "+7 921 555-01-03").await;
    let call = json!({"direction": "outbound", "purpose": "visit_survey", "channel": "phone", "branch": "north", "outcome": "reached",
        "note": "said that all is well"});
    network.post(&format!("/v1/patients/{patient}/contacts"), call).await.ok();
    let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-03T18:00:00+03:00"});
    let booked = network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
    let position = booked["position"].as_str().unwrap().to_owned();
    network.get(&format!("/v1/branches/north/worklist?at_least={position}")).await.ok();
    (network, patient)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_for_its_roles_fits_a_telephone_and_can_be_heard() {
    let (network, patient) = lived_in().await;
    let page = |path: &str| path.replace("{patient}", &patient.to_string());
    const PAGES: [&str; 12] = [
        "/desk/north",
        "/find?q=zvo",
        "/patients/{patient}",
        "/elsewhere",
        "/feedback",
        "/feedback/others",
        "/network",
        "/network/policies",
        "/network/what-if",
        "/regulator",
        "/regulator/cases/{patient}",
        "/desk/east",
    ];
    type Row<'r> = (&'r str, Option<[&'r str; 1]>, [bool; 12]);
    let rows: [Row; 5] = [
        ("administrator", Some(["north"]), [true, true, true, true, true, true, true, true, false, false, false, false]),
        ("clinician", None, [true, true, true, true, false, false, false, true, false, false, false, true]),
        ("network_manager", None, [true, true, true, true, true, true, true, true, true, true, true, true]),
        ("analyst", None, [false, false, false, false, true, true, true, true, false, false, false, false]),
        ("regulator", None, [false, false, true, false, true, true, true, true, false, true, true, false]),
    ];
    let mut roles = serde_json::Map::new();
    let mut limited = serde_json::Map::new();
    for (role, branches, may) in rows {
        let pages: serde_json::Map<String, Value> = PAGES.iter().zip(may).map(|(path, may)| (page(path), json!(may))).collect();
        roles.insert(role.to_owned(), Value::Object(pages));
        if let Some(branches) = branches {
            limited.insert(role.to_owned(), json!(branches));
        }
    }
    for turn in [0, 1] {
        let given = json!({"roles": roles, "limited": limited, "turn": turn});
        journey("pages", given, async |what| answer(&network, what).await).await;
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_in_every_field_is_told_in_words_and_does_nothing() {
    let (network, patient) = lived_in().await;
    let paths = [
        "/desk/north",
        "/find?q=zvo",
        "/elsewhere",
        "/feedback",
        "/network",
        "/network/policies",
        "/network/what-if",
        "/regulator",
    ];
    let paths = paths.map(str::to_owned);
    let paths: Vec<String> = paths.into_iter().chain([format!("/patients/{patient}")]).collect();
    journey("hostile", json!({"paths": paths}), async |what| answer(&network, what).await).await;
    network.stop().await;
}
