//! Whoever was erased stays so, also where tables that are older than the log are put back.

use std::fs;

use serde_json::{Value, json};

use super::{House, serving, text};
use crate::processes::Process;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_erased_is_erased_again_when_older_tables_are_put_back() {
    let mut house = House::new().await;
    assert_eq!(house.create(&[]).await.code, Some(0));
    let (backup, manifest) = (house.at("backup"), house.at("backup/manifest.json"));
    let said = |file| serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap();
    let old = said(&manifest)["tables"].clone();
    let kept: Vec<(String, Vec<u8>)> = old["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["file"].as_str().unwrap().to_owned())
        .map(|file| (file.clone(), fs::read(backup.join(file)).unwrap()))
        .collect();
    assert!(kept.iter().any(|(_, bytes)| String::from_utf8_lossy(bytes).contains("Quirkwood")));
    house.start().await;
    house.desk.post(&format!("/v1/patients/{}/erasure", house.patient), json!({"reason": "patient_request"})).await.ok();
    house.stop().await;
    assert_eq!(house.create(&[]).await.code, Some(0));
    let everything = |folder: &std::path::Path| {
        let mut open = vec![folder.to_owned()];
        let mut found = String::new();
        while let Some(folder) = open.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { open.push(path) } else { found += &String::from_utf8_lossy(&fs::read(path).unwrap()) }
            }
        }
        found
    };
    assert!(!everything(&backup).contains("Quirkwood"), "the next run leaves nothing of them in the backup");

    // What a run leaves that was killed when the log was copied and the tables were not: a log that is newer than its tables.
    let mut mixed = said(&manifest);
    mixed["tables"] = old;
    for (file, bytes) in kept {
        fs::create_dir_all(backup.join(&file).parent().unwrap()).unwrap();
        fs::write(backup.join(&file), bytes).unwrap();
    }
    fs::write(&manifest, mixed.to_string()).unwrap();
    assert_eq!(house.verify(&[]).await.code, Some(0));
    let new = house.at("new");
    let restored = house.restore(&new).await;
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    assert!(restored.stderr.contains("is erased again"), "{}", restored.stderr);
    assert!(!everything(&new).contains("Quirkwood"), "not a byte is left before anybody starts it: {}", text(&new));
    let server = Process::start(serving(&new).await).await;
    let shown = house.desk.at(&server).get(&format!("/v1/patients/{}", house.patient)).await.ok();
    assert_eq!((&shown["person"], &shown["external_ids"]), (&json!(null), &json!([])), "{shown}");
    assert!(!server.stop().await.contains("is erased again"), "it is done");
}
