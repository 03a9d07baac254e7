//! Every kind of damage to a backup, by the program as people use it: found, named, and not put back.

use std::fs;
use std::path::Path;

use super::{House, report, run, text};

/// The first file of a kind.
fn first(backup: &Path, folder: &str, end: &str) -> std::path::PathBuf {
    let mut open = vec![backup.join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry)
            } else if text(&entry).ends_with(end) {
                found.push(entry)
            }
        }
    }
    found.sort();
    found.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_damage_is_found_named_and_not_put_back() {
    let mut house = House::new().await;
    assert_eq!(house.create(&["--with-keys"]).await.code, Some(0));
    house.start().await;
    house.desk.patient("north").await;
    house.signed().await;
    house.stop().await;
    assert_eq!(house.create(&["--with-keys"]).await.code, Some(0));
    let backup = house.at("backup");
    let segment = first(&backup, "log", "000000000001.events");
    let cut = |file: &Path| fs::write(file, &fs::read(file).unwrap()[..100]).unwrap();
    let change = |file: &Path, from: &str, to: &str| {
        let whole = fs::read_to_string(file).unwrap();
        assert!(whole.contains(from), "{} has no {from}", file.display());
        fs::write(file, whole.replacen(from, to, 1)).unwrap();
    };
    let remove = |file: &Path| fs::remove_file(file).unwrap();
    type Harm<'a> = Box<dyn Fn(&Path) + 'a>;
    let harms: [(&str, std::path::PathBuf, Harm<'_>, &str, Option<u64>); 8] = [
        (
            "changed bytes",
            segment.clone(),
            Box::new(|file| change(file, "patient.registered", "patient.registerer")),
            "hash is another",
            Some(3),
        ),
        (
            "a changed place",
            segment.clone(),
            Box::new(|file| change(file, "\"position\":2,", "\"position\":3,")),
            "hash is another",
            Some(2),
        ),
        ("a segment cut short", segment.clone(), Box::new(cut), "ends before its last line", None),
        ("a segment gone", segment.clone(), Box::new(remove), "it is missing, with events 1 to", Some(1)),
        (
            "a person changed",
            first(&backup, "tables", "personal.rows"),
            Box::new(|file| change(file, "Quirkwood", "Quirkwool")),
            "hash is another",
            None,
        ),
        ("tables cut short", first(&backup, "tables", "evidence.rows"), Box::new(cut), "before its last line", None),
        ("tables gone", first(&backup, "tables", "reactor.rows"), Box::new(remove), "it is missing", None),
        (
            "a secret changed",
            backup.join("keys/id.key"),
            Box::new(|file| fs::write(file, "5a".repeat(32)).unwrap()),
            "hash is another",
            None,
        ),
    ];
    for (what, file, harm, problem, position) in &harms {
        let whole = fs::read(file).unwrap();
        harm(file);
        let verified = house.verify(&["-o", "json"]).await;
        assert_eq!(verified.code, Some(7), "{what}: {}", verified.stderr);
        let found = report(&verified);
        let damage = &found["damages"][0];
        let name = file.strip_prefix(&backup).unwrap();
        assert_eq!(damage["file"], text(name), "{what}: {found}");
        assert!(damage["problem"].as_str().unwrap().contains(problem), "{what}: {damage}");
        assert_eq!(damage["position"].as_u64(), *position, "{what}: {damage}");
        let told = house.verify(&[]).await;
        assert!(
            told.code == Some(7) && told.stdout.contains("DOES NOT HOLD") && told.stdout.contains(text(name)),
            "{}",
            told.stdout
        );
        let back = run(&["backup", "restore", text(&backup), "--data", text(&house.at("new"))]).await;
        assert_eq!(back.code, Some(7), "{what}: {}", back.stderr);
        assert!(!house.at("new").exists(), "{what}");
        fs::write(file, whole).unwrap();
    }
    // Whoever has changed all of it, manifest and hashes included, is found out by what was signed: a backup that ends before that.
    let manifest = backup.join("manifest.json");
    let whole = fs::read_to_string(&manifest).unwrap();
    let mut said: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let segments = said["log"]["segments"].as_array_mut().unwrap();
    let gone = segments.pop().unwrap();
    let end = segments.last().unwrap()["last"].clone();
    let kept = fs::read_to_string(backup.join(segments.last().unwrap()["file"].as_str().unwrap())).unwrap();
    let root = serde_json::from_str::<serde_json::Value>(kept.lines().last().unwrap()).unwrap()["end"]["root"].clone();
    said["log"]["last"] = end.clone();
    said["log"]["root"] = root;
    said["tables"]["log_end"] = end;
    fs::write(&manifest, said.to_string()).unwrap();
    let found = report(&house.verify(&["-o", "json"]).await);
    assert_eq!(found["damages"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["damages"][0]["file"], "the signed checkpoint", "{found}");
    assert_eq!(found["strangers"][0], gone["file"], "{found}");
    fs::write(&manifest, whole).unwrap();
    // And a key that is not the network's is not believed.
    let other = "tact/tact+8a6b0c1d+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let distrusted = house.verify(&["--key", other]).await;
    assert!(distrusted.code == Some(7) || distrusted.code == Some(2), "{}", distrusted.stdout);
    assert_eq!(house.verify(&["--key", text(&house.keys)]).await.code, Some(0));
}
