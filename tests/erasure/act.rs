//! The act of an erasure, over HTTP and on the command line.

use serde_json::{Value, json};
use tact_domain::disclosure::AccessEvent;
use tact_domain::envelope::{Hash, hash};
use tact_domain::{Recorded, Time};
use tact_event_log::{Freshness, Position, StreamId};

use crate::network::{NOON, Network, any_id};
use crate::processes::{Caller, Process, command, ended};

const SECRETS: &[&str] = &["Quirkwood", "905 731-94-62", "zina@", "Marzipan", "1931-07-29", "Falcon", "Cockatoo", "Whistlethorn"];

async fn lived(network: &Network) -> (uuid::Uuid, uuid::Uuid) {
    let zinaida = json!({"person": {"name": "Zinaida Quirkwood", "phone": "+7 905 731-94-62", "email": "zina@example.org", "address": "17 Marzipan St",
        "birth_date": "1931-07-29"}, "external_ids": [{"system": "crm", "value": "Falcon-77"}]});
    let patient = network.patient("north", zinaida).await;
    let other = network.patient("north", json!({"person": {"name": "Otto Whistlethorn"}})).await;
    let emergency = json!({"purpose": "emergency", "channel": "phone", "branch": "north", "reason": "Sapphire Cockatoo"});
    network.post(&format!("/v1/patients/{patient}/permits"), emergency).await.ok();
    network.post(&format!("/v1/patients/{patient}/merge"), json!({"from": other})).await.ok();
    network.until(patient, "patient.absorbed").await;
    (patient, other)
}

/// The entries of the journal are those of the log, byte for byte.
async fn holds_for(network: &Network, act: &Value) {
    let log = network.app().transactor.log();
    for entry in act["journal"].as_array().unwrap() {
        let stream = match entry["stream"].as_str().unwrap() {
            "access" => StreamId::Access,
            patient => StreamId::Patient(patient.parse().unwrap()),
        };
        let events = log.read_stream(stream, Position::START, Freshness::Latest).await.unwrap();
        let stored = events.iter().find(|stored| json!(stored.id) == entry["event"]).expect("it is in the log");
        assert_eq!(entry["position"], stored.position.to_string());
        assert_eq!(entry["sha256"], hex::encode(hash(&stored.bytes)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_act_says_what_was_destroyed_and_nothing_of_what_it_was() {
    Network::on_both(async |network: &Network| {
        let (patient, other) = lived(network).await;
        let path = format!("/v1/patients/{patient}/erasure");
        network.get(&path).await.refused(404, "not_found");
        network.get(&format!("/v1/patients/{}/erasure", any_id())).await.refused(404, "not_found");
        let missing = network.post(&path, json!({})).await.refused(422, "untrue");
        assert_eq!(missing["field"], "reason", "{missing}");
        let unknown = network.post(&path, json!({"reason": "consent_withdrawal"})).await.refused(422, "untrue");
        assert!(unknown["detail"].as_str().unwrap().contains("did you mean `consent_withdrawn`?"), "{unknown}");

        let receipt = network.post(&path, json!({"reason": "consent_withdrawn", "time": "2026-03-02T08:30:00Z"})).await.ok();
        network.post(&path, json!({"reason": "unlawful"})).await.refused(409, "conflict");
        let act = network.get(&path).await.ok();
        assert_eq!(act["reason"], "consent_withdrawn", "{act}");
        assert_eq!((act["patient"].clone(), act["also"].clone()), (json!(patient), json!([other])));
        let counts: Vec<(String, u64)> = act["destroyed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|kind| (kind["category"].as_str().unwrap().to_owned(), kind["count"].as_u64().unwrap()))
            .collect();
        let expected =
            [("name", 2), ("phone", 1), ("email", 1), ("address", 1), ("birth_date", 1), ("text", 1), ("external_id", 1)];
        assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)), "{act}");
        assert_eq!(act["decided_at"], "2026-03-02T08:30:00Z");
        assert_eq!(act["destroyed_at"].as_str().unwrap().parse::<Time>().unwrap(), NOON.parse::<Time>().unwrap());
        assert_eq!(act["keep_until"].as_str().unwrap().parse::<Time>().unwrap(), "2029-03-02T09:00:00Z".parse::<Time>().unwrap());
        assert_eq!(act["repeated_at"], Value::Null, "nothing was restored");
        let kinds: Vec<_> = act["journal"].as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["patient.erased", "personal.erased"]);
        assert_eq!(act["journal"][0]["event"], receipt["event"]);
        holds_for(network, &act).await;
        for secret in SECRETS {
            assert!(!act.to_string().contains(secret), "{secret}: {act}");
        }
        // Whoever was merged leads to the same act.
        assert_eq!(network.get(&format!("/v1/patients/{other}/erasure")).await.ok(), act);
        // A regulator sees it, and the chain of the record of access holds.
        let regulator = network.token(&["regulator"], None).await;
        assert_eq!(network.get_as(&regulator, &path).await.ok(), act);
        let log = network.app().transactor.log();
        let stored = log.read_stream(StreamId::Access, Position::START, Freshness::Latest).await.unwrap();
        let mut previous = Hash::default();
        for (stored, number) in stored.iter().zip(1..) {
            Recorded::<AccessEvent>::read_at(&stored.bytes, "access", number, &previous).unwrap();
            previous = hash(&stored.bytes);
        }
        assert_eq!(stored.len(), 1, "the reactor, which carries it out too, records nothing twice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_act_is_printed_on_screen_and_on_paper() {
    let folder = tempfile::tempdir().unwrap();
    let with = async |arguments: &[&str]| {
        let mut command = command(arguments).await;
        command.env("TACT_DATA", folder.path()).env("TACT_LISTEN", "127.0.0.1:0");
        command.env("TACT_OPERATOR_NAME", "ООО «Клиники»").env("TACT_OPERATOR_ADDRESS", "Москва, ул. Ленина, 1");
        command
    };
    let mut server = Process::start(with(&["serve"]).await).await;
    let token = server.first_token().await;
    let desk = Caller::new(&server.url, &token);
    desk.put("/v1/branches/north", json!({"name": "North", "time_zone": "Europe/Moscow"})).await.ok();
    let body = json!({"home_branch": "north", "person": {"name": "Zinaida Quirkwood"}});
    let patient = desk.post("/v1/patients", body).await.ok()["patient"].as_str().unwrap().to_owned();
    let asked = async |more: &[&str]| {
        let arguments: Vec<&str> = ["patient", "erasure", &patient].into_iter().chain(more.iter().copied()).collect();
        let mut command = command(&arguments).await;
        command.env("TACT_URL", &server.url).env("TACT_TOKEN", &token);
        ended(command).await
    };
    let early = asked(&[]).await;
    assert_eq!(early.code, Some(1), "{}", early.stderr);
    assert!(early.stderr.contains("was not erased"), "{}", early.stderr);
    desk.post(&format!("/v1/patients/{patient}/erasure"), json!({"reason": "patient_request"})).await.ok();

    let table = asked(&[]).await;
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""));
    assert!(table.stdout.contains("ООО «Клиники»") && table.stdout.contains("personal.erased"), "{}", table.stdout);
    let json: Value = serde_json::from_str(&asked(&["-o", "json"]).await.stdout).unwrap();
    assert_eq!(json["patient"], json!(patient));
    assert_eq!(json["carried_out_by"]["label"], "first administrator");
    let html = asked(&["-o", "html", "--language", "ru", "--time-zone", "Europe/Moscow"]).await.stdout;
    assert!(
        html.starts_with("<!DOCTYPE html>") && html.contains("Акт об уничтожении") && html.contains("Москва, ул. Ленина, 1"),
        "{html}"
    );
    let zone = asked(&["--time-zone", "Europe/Moskow"]).await;
    assert_eq!(zone.code, Some(2));
    assert!(zone.stderr.contains("did you mean `Europe/Moscow`?"), "{}", zone.stderr);
    server.stop().await;
}
