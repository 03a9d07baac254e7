//! The examples, run as their readers run them: by the commands of their pages, in an empty folder, with the users that ship.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tact_event_log::contract::appended;
use tact_event_log::jetstream::NatsLogin;
use tact_event_log::{FeedLimits, FeedStream, JetStreamConfig, NewEvent, Position, open_jetstream};
use tact_feed::role::Feeder;
use tact_feed::transform::Transform;
use tact_service::clock::Clock;
use tact_service::ids::IdKey;
use tact_testbed::Nats;
use tokio::process::Command;

use super::{golden, made};
use crate::deploy::{Layout, server};
use crate::network::Network;
use crate::processes::program;
use crate::tidy::root;

/// The commands of an example's page.
fn commands(example: &str) -> String {
    let page = std::fs::read_to_string(root().join("examples/feed").join(example).join("README.md")).unwrap();
    let block = page.split("```sh\n").nth(1).unwrap_or_else(|| panic!("{example} shows no commands"));
    block.split("```").next().unwrap().to_owned()
}

/// Runs an example by its page in a folder that holds nothing but its files; what it prints.
async fn run(example: &str, settings: &[(&str, String)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(root().join("examples/feed").join(example)).unwrap() {
        let file = file.unwrap();
        // What a run in place has left behind is not part of it.
        if file.file_type().unwrap().is_file() {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
    }
    let tools = tact_testbed::client_tools().await.unwrap();
    let mut command = Command::new("bash");
    command.args(["-e", "-c", &commands(example)]).current_dir(folder.path()).env("PIP_ROOT_USER_ACTION", "ignore");
    let path = std::env::var_os("PATH").unwrap();
    let mut folders: Vec<_> = tools.path.into_iter().collect();
    folders.extend(std::env::split_paths(&path));
    if example == "duckdb" {
        folders.insert(0, program().await.parent().unwrap().to_owned());
    }
    command.env("PATH", std::env::join_paths(folders).unwrap());
    if let Some(packages) = tools.python_path {
        command.env("PYTHONPATH", packages);
    }
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("TACT_"))) {
        command.env_remove(name);
    }
    for (name, value) in settings {
        command.env(name, value);
    }
    let output = command.output().await.unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{example}: {said}{complained}");
    said.into_owned()
}

/// A NATS server with the users that ship, and a feed on it of every recorded event.
async fn filled(layout: &Layout) -> Nats {
    let nats = server(layout).await;
    let login = |user: &str| NatsLogin::Password { user: user.to_owned(), password: layout.secret(&format!("tact/nats-{user}")) };
    let config = |user: &str| JetStreamConfig { login: login(user), ..JetStreamConfig::new("tact", [nats.url()]) };
    let services = open_jetstream(config("services")).await.unwrap();
    let mut last: BTreeMap<String, Position> = BTreeMap::new();
    for (_, stored) in golden("patient") {
        let text = String::from_utf8(stored.bytes.to_vec()).unwrap().replace("/tact/clinic", "/tact/tact");
        let after = last.entry(stored.stream.to_string()).or_default();
        *after = appended(&services, stored.stream, *after, NewEvent { id: stored.id, bytes: text.into() }).await;
    }
    let log = Arc::new(open_jetstream(config("feed")).await.unwrap());
    let stream = FeedStream::open(config("feed-writer"), FeedLimits::default()).await.unwrap();
    let transform = Transform::new("tact", IdKey::new(&[0x5a; 32]));
    let mut feeder = Feeder::new(log, Some(stream), transform, Clock::machine());
    feeder.catch_up().await.unwrap();
    assert_eq!(feeder.left_out(), 0);
    nats
}

fn as_analyst(nats: &Nats, layout: &Layout) -> Vec<(&'static str, String)> {
    vec![("NATS_URL", nats.url()), ("NATS_PASSWORD", layout.secret("nats/analyst"))]
}

/// The recorded events of a type, as the feed has them.
fn fed(kind: &str) -> Vec<Value> {
    let events = golden("patient").into_iter().map(|(_, stored)| made(&stored)).filter(|event| event.kind == kind);
    events.map(|event| serde_json::from_slice(&event.bytes).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_and_javascript_read_the_feed_by_what_their_pages_say() {
    let layout = Layout::new();
    let nats = filled(&layout).await;
    let settings = as_analyst(&nats, &layout);
    let refused = fed("contact.refused");
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    for event in &refused {
        for reason in event["data"]["reasons"].as_array().unwrap() {
            let branch = event["branch"].as_str().unwrap_or("-").to_owned();
            *counts.entry((branch, reason["code"].as_str().unwrap().to_owned())).or_default() += 1;
        }
    }
    let mut expected: String = counts.iter().map(|((branch, code), count)| format!("{branch} {code} {count}\n")).collect();
    expected.push_str(&format!("{} refusals\n", refused.len()));
    assert_eq!(run("python", &settings).await, expected);
    let contacts = fed("contact.made");
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in &contacts {
        let word = |name: &str| event["data"][name].as_str().unwrap().to_owned();
        *counts.entry(format!("{} {}", word("channel"), word("outcome"))).or_default() += 1;
    }
    let mut expected: String = counts.iter().map(|(key, count)| format!("{key} {count}\n")).collect();
    expected.push_str(&format!("{} contacts\n", contacts.len()));
    assert_eq!(run("javascript", &settings).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duckdb_asks_the_exported_file_by_what_its_page_says() {
    let network = Network::start().await;
    let (anna, boris) = (network.patient("north", json!({})).await, network.patient("north", json!({})).await);
    let call = async |patient: uuid::Uuid, time: &str, direction: &str, outcome: &str| {
        let contact = json!({"direction": direction, "purpose": "callback", "channel": "phone", "branch": "north", "outcome": outcome, "time": time});
        network.post(&format!("/v1/patients/{patient}/contacts"), contact).await.ok();
    };
    call(anna, "2026-01-31T23:59:59Z", "outbound", "reached").await;
    call(anna, "2026-02-01T00:00:00Z", "outbound", "no_answer").await;
    call(anna, "2026-02-01T10:00:00Z", "outbound", "reached").await;
    call(anna, "2026-02-02T10:00:00Z", "outbound", "reached").await;
    call(boris, "2026-02-02T10:00:00Z", "outbound", "reached").await;
    call(boris, "2026-02-03T10:00:00Z", "inbound", "reached").await;
    // While the server goes on running on the folder.
    let settings = vec![
        ("TACT_DATA", network.folder().to_str().unwrap().to_owned()),
        ("TACT_NETWORK", "test".to_owned()),
        ("TACT_ID_KEY_FILE", network.folder().join("shared.key").to_str().unwrap().to_owned()),
    ];
    let said = run("duckdb", &settings).await;
    assert_eq!(said, "2026-01 1 1\n2026-02 4 2\n");
    network.stop().await;
}

#[test]
fn every_example_has_a_page_with_commands_and_pins_what_it_fetches() {
    let mut found = BTreeSet::new();
    for example in std::fs::read_dir(root().join("examples/feed")).unwrap() {
        let example = example.unwrap();
        let name = example.file_name().into_string().unwrap();
        assert!(commands(&name).lines().count() > 2, "{name}");
        assert!(pinned(&example.path()), "{name}: a version is not pinned");
        found.insert(name);
    }
    assert_eq!(found, ["duckdb", "javascript", "python"].map(str::to_owned).into());
}

fn pinned(folder: &Path) -> bool {
    if let Ok(text) = std::fs::read_to_string(folder.join("requirements.txt")) {
        return text.lines().all(|line| line.contains("=="));
    }
    let package: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("package.json")).unwrap()).unwrap();
    package["dependencies"].as_object().unwrap().values().all(|version| version.as_str().unwrap().starts_with(char::is_numeric))
}
