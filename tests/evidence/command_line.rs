//! A history from the server's hands to a regulator's laptop, with the program as people use it.

use serde_json::{Value, json};

use crate::network::Network;
use crate::processes::{Ended, command, ended};

async fn run(arguments: &[&str]) -> Ended {
    ended(command(arguments).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_is_handed_out_and_verified_with_nothing_but_the_binary() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({"person": {"name": "Anna Handed"}})).await;
    network.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
    let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
    network.post(&format!("/v1/patients/{patient}/permits"), ask).await.ok();
    network.signed().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (file, keys) = (path("history.jsonl"), path("network.keys"));
    std::fs::write(&keys, network.keys().await).unwrap();
    let patient = patient.to_string();
    let words = ["history", "export", "--patient", &patient, "--purpose", "complaint", "-o", &file];
    let export = async |more: &[&str]| {
        let mut command = command(&[&words[..], more].concat()).await;
        command.env("TACT_URL", network.url()).env("TACT_TOKEN", &network.manager);
        ended(command).await
    };
    let exported = export(&[]).await;
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let again = export(&[]).await;
    assert_eq!(again.code, Some(2), "a file that is there is not overwritten: {}", again.stderr);

    let verified = run(&["history", "verify", &file, "--key", &keys]).await;
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    assert!(verified.stdout.contains("Everything holds.") && verified.stdout.contains(&patient), "{}", verified.stdout);
    let key = std::fs::read_to_string(&keys).unwrap().split(' ').next().unwrap().to_owned();
    let told = run(&["history", "verify", &file, "--key", &key, "-o", "json"]).await;
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((told.code, report["decided_again"].as_u64()), (Some(0), Some(1)), "{report}");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("Handed"), "nobody asked for personal data");

    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(path("changed.jsonl"), text.replacen("contact.permitted", "contact.permittee", 1)).unwrap();
    let changed = run(&["history", "verify", &path("changed.jsonl"), "--key", &keys]).await;
    assert_eq!(changed.code, Some(7), "{}", changed.stdout);
    assert!(changed.stdout.contains("DOES NOT HOLD") && changed.stdout.contains("event 3"), "{}", changed.stdout);

    std::fs::write(path("foreign.json"), "{\"resourceType\":\"Bundle\"}\n").unwrap();
    std::fs::write(path("no.keys"), "nothing\n").unwrap();
    for (words, part) in [
        (&["history", "verify", &path("foreign.json"), "--key", &keys][..], "does not begin as a history"),
        (&["history", "verify", &path("absent"), "--key", &keys], "cannot be read"),
        (&["history", "verify", &file, "--key", "nonsense"], "neither a file nor a key"),
        (&["history", "verify", &file, "--key", &path("no.keys")], "line 1: not a key"),
        (&["history", "verify", &file, "--key", &keys, "--kept", &path("absent")], "cannot be read"),
    ] {
        let refused = run(words).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""), "{words:?}");
        assert!(refused.stderr.contains(part), "{words:?}: {}", refused.stderr);
    }
    network.stop().await;
}

#[tokio::test]
async fn a_key_is_made_once_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys/signing.key");
    let words = ["keys", "make", "--network", "clinic", "--signing-key-file", file.to_str().unwrap()];
    let made = run(&words).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    assert!(made.stdout.starts_with("tact/clinic+"), "{}", made.stdout);
    let secret = std::fs::read_to_string(&file).unwrap();
    // PRIVATE+KEY+name+hash+base64, of which the last may hold a `+` too.
    let hidden = secret.trim().splitn(5, '+').last().unwrap().to_owned();
    assert_eq!(hidden.len(), 44, "a byte of kind and 32 of key");
    let again = run(&words).await;
    assert_eq!((again.code, again.stdout.as_str()), (Some(1), ""), "{}", again.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), secret);
    for shown in [&made, &again] {
        assert!(!shown.stdout.contains(&hidden) && !shown.stderr.contains(&hidden), "the private key is shown");
    }
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}
