//! Upgrades: what each release has kept is opened by this one as it is, and answers as it did. The fixtures are made by `record.sh` from the
//! release itself, once, and are never made anew.

use std::path::Path;
use std::process::Command;

use clap::ValueEnum;
use serde_json::{Value, json};
use tact::roles::{Role, start};
use tact::settings::{Settings, Storage};
use tact_service::clock::Clock;

use crate::network::time;
use crate::processes::{Caller, command};
use crate::tidy::root;

/// Everything that an old answer says and a new one does not.
fn lost(at: &str, old: &Value, new: &Value, into: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            // The moment of asking: the release's clock went on.
            let asked = |name: &str| matches!((at.rsplit('/').next(), name), (Some("quotas"), "now") | (Some("consents"), "at"));
            for (name, value) in old.iter().filter(|(name, _)| !asked(name)) {
                lost(&format!("{at}/{name}"), value, new.get(name).unwrap_or(&Value::Null), into);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            old.iter().zip(new).enumerate().for_each(|(n, (old, new))| lost(&format!("{at}/{n}"), old, new, into));
        }
        (old, new) if old == new => {}
        (old, new) => into.push(format!("{at}: {old} has become {new}")),
    }
}

fn unpack(archive: &Path, folder: &Path) {
    let done = Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder).status().unwrap();
    assert!(done.success(), "{}", archive.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_each_release_kept_is_opened_and_answers_as_it_did() {
    let mut releases: Vec<_> =
        std::fs::read_dir(root().join("tests/upgrades")).unwrap().map(|entry| entry.unwrap().path()).collect();
    releases.retain(|path| path.to_str().unwrap().ends_with(".tar.gz"));
    releases.sort();
    assert!(releases.len() >= 3, "{releases:?}");
    for release in releases {
        let folder = tempfile::tempdir().unwrap();
        unpack(&release, folder.path());
        let kept: Value = serde_json::from_slice(&std::fs::read(folder.path().join("answers.json")).unwrap()).unwrap();
        let settings = Settings {
            listen: ([127, 0, 0, 1], 0).into(),
            ..Settings::new("demo", folder.path().join("data"), Storage::Embedded)
        };
        let clock = Clock::by_hand(time(kept["now"].as_str().unwrap()));
        let running = start(&settings, Role::value_variants(), clock).await.unwrap();
        // Whoever was let in is let in still.
        let caller = Caller::new(&running.url, kept["token"].as_str().unwrap());
        let mut missing = Vec::new();
        let answers = kept["answers"].as_object().unwrap();
        assert!(answers.len() > 20, "{}: {} answers", release.display(), answers.len());
        for (path, old) in answers {
            let new = caller.get(path).await.ok();
            lost(path, old, &new, &mut missing);
        }
        assert!(missing.is_empty(), "{}: {:#?}", release.display(), &missing[..missing.len().min(20)]);
        // It goes on from there: a fact is recorded, and shown.
        let patient = answers.keys().find_map(|path| path.strip_prefix("/v1/patients/")?.strip_suffix("/quotas")).unwrap();
        let recorded = caller.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
        assert!(recorded["position"].is_string(), "{recorded}");
        let history = caller.get(&format!("/v1/patients/{patient}/history?limit=1000")).await.ok();
        let last = history["events"].as_array().unwrap().last().unwrap();
        assert_eq!(last["type"], "contact.requested", "{}", release.display());
        running.stop().await;
    }
}

/// Says of a file that a later version has written it.
fn raise(file: &Path) {
    let db = rusqlite::Connection::open(file).unwrap();
    let changed = match db.execute("UPDATE meta SET value = '99' WHERE key = 'format'", []) {
        Ok(changed) => changed == 1,
        Err(_) => db.pragma_update(None, "user_version", 99).is_ok(),
    };
    assert!(changed, "{}", file.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_release_kept_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let made = command(&["demo", "--patients", "40", "--exit", "--folder", data.to_str().unwrap()]).await.output().await.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for file in ["events.db", "personal.db", "evidence.db", "dispatch.db", "reactor.db"] {
        let copy = folder.path().join(file);
        let done = Command::new("cp").arg("-r").arg(&data).arg(&copy).status().unwrap();
        assert!(done.success());
        raise(&copy.join(file));
        let refused = command(&["serve", "--network", "demo", "--listen", "127.0.0.1:0", "--data", copy.to_str().unwrap()]).await;
        let ended = { refused }.output().await.unwrap();
        let stderr = String::from_utf8_lossy(&ended.stderr);
        let said: Vec<&str> = stderr.lines().filter(|line| line.starts_with("tact: ")).collect();
        assert_eq!(ended.status.code(), Some(5), "{file}: {stderr}");
        assert!(said.len() == 1 && said[0].contains("newer"), "{file}: {said:?}");
    }
}
