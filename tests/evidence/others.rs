//! What the network signs and proves, checked by programs that are not ours: Go's checksum database has the same notes and trees.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use tact_evidence::tile::TileId;

use super::*;

/// What Go says: every line, and whether it was content.
fn asked(program: &std::path::Path, input: &Value) -> (bool, Vec<String>) {
    let mut running = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    running.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn gos_own_library_checks_notes_proofs_and_tiles() {
    let go = tact_testbed::go().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("check");
    let built = Command::new(go.root.join("bin/go"))
        .args(["build", "-o"])
        .arg(&program)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/evidence/go/check.go"))
        .env("GOROOT", &go.root)
        .env("GOPATH", &go.path)
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOCACHE", folder.path().join("cache"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));

    let (desk, book) = past(3, 400).await;
    desk.notary().catch_up().await.unwrap();
    let (_, older) = desk.bytes("/log/0/0-255/checkpoint").await;
    let older = String::from_utf8(older.to_vec()).unwrap();
    book.write(12, 3, 250, book::start() + chrono::Duration::days(50)).await;
    desk.notary().catch_up().await.unwrap();
    let file = String::from_utf8(desk.history(book::patient(0), json!({"kept": [older]})).await).unwrap();
    let mut input = json!({"Older": older, "Records": []});
    for line in file.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(note) = line["checkpoint"]["note"].as_str() {
            input["Network"] = note.into();
        } else if let Some(note) = line["log"]["note"].as_str() {
            input["Log"] = note.into();
        } else if line["consistency"].is_object() {
            input["Growth"] = line["consistency"]["proof"].clone();
        }
    }
    // The bytes as they stand in the line: what a JSON parser gives back may be spelt otherwise.
    for line in file.lines().filter(|line| line.starts_with("{\"event\":")) {
        let place: Value = serde_json::from_str(line).unwrap();
        let bytes = &line[line.find(",\"event\":").unwrap() + 9..line.len() - 2];
        let place = &place["event"]["place"];
        let record = json!({"Leaf": place["leaf"], "Proof": place["proof"], "Bytes": base64(bytes.as_bytes())});
        input["Records"].as_array_mut().unwrap().push(record);
    }
    let latest = desk.app.ledger.latest().await.unwrap().unwrap();
    let size = latest.logs_stated().unwrap()[0].size;
    let mut tiles = Map::new();
    for level in 0..2u8 {
        for number in 0.. {
            let tile = TileId { level, number };
            if tile.width(size) == 0 {
                break;
            }
            let path = tile.path(tile.width(size));
            let (_, bytes) = desk.bytes(&format!("/log/0/0-255/tile/{path}")).await;
            tiles.insert(path, base64(&bytes).into());
        }
    }
    assert!(tiles.len() > 3, "{:?}", tiles.keys());
    input["Tiles"] = tiles.into();
    let (_, keys) = desk.bytes("/keys").await;
    input["Key"] = String::from_utf8(keys.to_vec()).unwrap().split(' ').next().unwrap().into();

    let (content, said) = asked(&program, &input);
    assert!(content, "{:?}", said.last());
    assert!(said.len() > 100 && said.contains(&"the growth".to_owned()) && said.contains(&"the tiles".to_owned()));

    // And it finds what is wrong: so it was the proofs that convinced it, and not something else.
    type Change = fn(&mut Value);
    let broken: [(&str, Change); 5] = [
        ("leaf", |input| input["Records"][7]["Proof"][0] = input["Records"][8]["Proof"][0].clone()),
        ("leaf", |input| input["Records"][3]["Leaf"] = input["Records"][4]["Leaf"].clone()),
        ("the growth", |input| drop(input["Growth"].as_array_mut().unwrap().pop())),
        ("the log's checkpoint", |input| input["Log"] = input["Log"].as_str().unwrap().replacen("map ", "map 1", 1).into()),
        ("the key", |input| input["Key"] = input["Key"].as_str().unwrap().replacen("tact/net", "tact/nit", 1).into()),
    ];
    for (what, change) in broken {
        let mut input = input.clone();
        change(&mut input);
        let (content, said) = asked(&program, &input);
        assert!(!content && said.last().unwrap().starts_with(&format!("no: {what}")), "{what}: {:?}", said.last());
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
