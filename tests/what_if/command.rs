//! `tact policy simulate` as a person runs it: the real program on a network that serves, on servers, and on a list of clients.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tact_domain::policy::DEFAULT;
use tact_testbed::{Nats, Postgres};

use crate::network::NOON;
use crate::processes::{Caller, Cluster, Ended, Process, command, ended};

/// The policy that ships, but without a promotion.
fn stricter(folder: &Path) -> String {
    let path = folder.join("stricter.toml");
    std::fs::write(&path, DEFAULT.replace("attempts = 1, per = \"30 days\"", "attempts = 0, per = \"30 days\"")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Somebody with a consent is sent a promotion under a permit; the second one is refused.
async fn promoted(caller: &Caller) -> String {
    let patient = caller.patient("north").await;
    let consent = json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": patient}});
    caller.post(&format!("/v1/patients/{patient}/consents"), consent).await.ok();
    let ask = json!({"purpose": "promotion", "channel": "sms", "branch": "north"});
    let permits = format!("/v1/patients/{patient}/permits");
    let permit = caller.post(&permits, ask.clone()).await.ok()["permit"].as_str().unwrap().to_owned();
    let contact = json!({"direction": "outbound", "purpose": "promotion", "channel": "sms", "branch": "north", "outcome": "reached",
        "permit": permit});
    caller.post(&format!("/v1/patients/{patient}/contacts"), contact).await.ok();
    assert_eq!(caller.post(&permits, ask).await.ok()["decision"], "refused");
    patient
}

#[track_caller]
fn document(ended: &Ended) -> Value {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Every file of a folder with its bytes, those aside that SQLite keeps for those who read.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = files.map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()));
    files.filter(|(name, bytes)| !(name.ends_with("-shm") || name.ends_with("-wal") && bytes.is_empty())).collect()
}

#[tokio::test]
async fn an_embedded_network_is_asked_while_it_serves_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let run = async |arguments: &[&str]| {
        let mut command = command(&[&["policy", "simulate"], arguments].concat()).await;
        command.env("TACT_DATA", &data);
        ended(command).await
    };
    let mut serve = command(&["serve"]).await;
    serve.env("TACT_DATA", &data).env("TACT_LISTEN", "127.0.0.1:0");
    let mut server = Process::start(serve).await;
    let token = server.first_token().await;
    let caller = Caller::new(&server.url, &token);
    caller.put("/v1/branches/north", json!({"name": "North", "time_zone": "Europe/Moscow"})).await.ok();
    let patient = caller.patient("north").await;
    let call =
        json!({"direction": "outbound", "purpose": "win_back", "channel": "phone", "branch": "north", "outcome": "declined"});
    caller.post(&format!("/v1/patients/{patient}/contacts"), call).await.ok();

    let strict = stricter(folder.path());
    let lenient = folder.path().join("lenient.toml");
    let text = "[network]\npermit_valid_for = \"30 minutes\"\n[purpose.promotion]\nbasis = \"care\"\n\
                limits = [{ attempts = 5, per = \"30 days\" }]\nchannels = [\"sms\"]\nagenda = false\n";
    std::fs::write(&lenient, text).unwrap();
    let report = document(&run(&["--policy", &strict, "-o", "json"]).await);
    let total = &report["report"]["total"];
    // The first policy takes effect a minute after the first start: this call may have come before it, and then nothing stood in its way.
    assert_eq!((&total["contacts"], &total["unasked"]), (&json!(1), &json!(1)), "{report}");
    server.stop().await;

    let before = files(&data);
    let outputs = ["table", "json", "jsonl", "csv"];
    for output in outputs {
        let [one, two] = [run(&["--policy", &strict, "-o", output]).await, run(&["--policy", &strict, "-o", output]).await];
        assert_eq!(one.code, Some(0), "{one:?}");
        assert_eq!(one.stdout, two.stdout);
        // No bar where there is no terminal.
        assert_eq!(one.stderr, "", "{output}");
    }
    assert_eq!(files(&data).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    assert!(files(&data) == before, "a file has changed");
    let lines = run(&["--policy", lenient.to_str().unwrap(), "--explain", &patient, "-o", "jsonl"]).await;
    let steps: Vec<Value> = lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((steps.len(), &steps[0]["reasons"][0]["code"]), (1, &json!("purpose_unknown")), "{lines:?}");

    for (arguments, said, code) in [
        (vec!["--policy", &strict, "--branch", "nort"], "the network has no branch `nort`; did you mean `north`?", 2),
        (vec!["--policy", "nowhere.toml"], "nowhere.toml", 2),
        (
            vec!["--policy", &strict, "--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"],
            "nothing lies between them",
            2,
        ),
        (vec!["--policy", &strict, "--network", "other"], "is the log of network", 5),
        (vec!["--policy", &strict, "--data", folder.path().to_str().unwrap()], "there is no network in", 1),
        (
            vec!["--policy", &strict, "--explain", "0197a1c0-5f7e-7cc3-9d2c-0123456789ab"],
            "nothing was ever recorded of patient",
            1,
        ),
    ] {
        let ended = run(&arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert!(ended.said().concat().contains(said), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
}

#[tokio::test]
async fn a_network_on_servers_is_asked_by_the_same_settings() {
    let nats = Nats::shared().await.unwrap();
    let cluster = Cluster::set_up(&nats.url(), &Postgres::shared().await.unwrap().database().await.unwrap()).await;
    let server = cluster.serve("contact,consent,patient,directory,projector").await;
    let patient = promoted(&cluster.manager_at(&server)).await;
    server.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let strict = stricter(folder.path());
    let run = async |arguments: &[&str]| {
        ended(cluster.command(&[&["policy", "simulate", "--policy", &strict], arguments].concat()).await).await
    };
    let report = document(&run(&["-o", "json"]).await);
    let total = &report["report"]["total"];
    assert_eq!(
        [&total["permitted"], &total["now_refused"], &total["refused"], &total["now_permitted"]],
        [&json!(1), &json!(1), &json!(1), &json!(0)],
        "{report}"
    );
    assert_eq!([&total["contacts"], &total["left_out"], &total["left_out_reached"]], [&json!(1), &json!(1), &json!(1)]);
    let row = &report["report"]["rows"][0];
    assert_eq!((&row["branch"], &row["month"], &row["purpose"]), (&json!("north"), &json!(&NOON[..7]), &json!("promotion")));
    assert_eq!(report["report"]["reasons"][0]["limit"], "0 attempts per 30 days");
    assert_eq!(report["report"]["per_patient"]["changes"], json!({"-1": 1}));

    let changes = run(&["-o", "jsonl"]).await;
    let changes: Vec<Value> = changes.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let what: Vec<&str> = changes.iter().map(|change| change["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["permit_refused", "contact_left_with_permit"]);
    assert_eq!(changes[1]["permit"], changes[0]["permit"]);
    assert_eq!((&changes[0]["patient"], &changes[0]["policy_then"]), (&json!(patient), &json!("default")));
    let told = run(&["--explain", &patient]).await;
    for said in
        ["was permitted, would have been refused", "limit_reached", "contact leaves with its permit", "refused, as it was"]
    {
        // A table breaks its lines.
        let words = told.stdout.split_whitespace().filter(|word| !["│", "┆"].contains(word)).collect::<Vec<_>>().join(" ");
        assert!(said.split(' ').all(|word| words.contains(word)), "{said}\n{}", told.stdout);
    }
    let other = ended(cluster.command(&["policy", "simulate", "--policy", &strict, "--network", "nobody"]).await).await;
    assert_eq!(other.code, Some(5), "{other:?}");
    assert!(other.said().concat().contains("nothing was ever recorded for network \"nobody\""), "{other:?}");
}

/// The figures of the bank's calls are those that its SOURCE.md states.
#[tokio::test]
async fn caps_on_the_banks_calls_cost_what_its_source_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let list = root.join("../shared/data/bank-marketing/bank-full.csv.gz");
    if !list.exists() {
        println!("skipped: {} is not there", list.display());
        return;
    }
    let (list, mapping) = (list.to_str().unwrap(), root.join("mappings/bank-marketing.toml"));
    let run = async |more: &[&str]| {
        let arguments = [&["policy", "simulate", "--contacts", list, "--mapping", mapping.to_str().unwrap()], more].concat();
        ended(command(&arguments).await).await
    };
    let report = document(&run(&["--cap", "3,6", "-o", "json"]).await);
    let of = &report["report"];
    assert_eq!((&of["clients"], &of["contacts"], &of["successes"]), (&json!(45_211), &json!(124_956), &json!(5_289)));
    let row = |at: usize| {
        let row = &of["caps"][at];
        ["cap", "spared", "spared_percent", "lost", "lost_percent"].map(|name| row[name].as_f64().unwrap())
    };
    assert_eq!(row(0), [3.0, 36_916.0, 29.5, 709.0, 13.4]);
    assert_eq!(row(1), [6.0, 16_801.0, 13.4, 161.0, 3.0]);
    let per_lost = |at: usize| of["caps"][at]["spared_per_lost"].as_f64().unwrap().round();
    assert_eq!((per_lost(0), per_lost(1), of["contacts_per_success"].as_f64().unwrap().round()), (52.0, 104.0, 24.0));
    // What such a list cannot answer is said, and not answered.
    let table = run(&[]).await;
    for said in ["┆ 29.5 % ┆", "┆ 13.4 % ┆", "What it cannot answer:", "Limits per period", "Quiet hours", "Consents"] {
        assert!(table.stdout.contains(said), "{said}\n{}", table.stdout);
    }
    let with_policy = run(&["--policy", "policies/default.toml"]).await;
    assert_eq!(with_policy.code, Some(2), "a policy's limits are per period or occasion, of which the list knows nothing");
}
