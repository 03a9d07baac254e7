//! The program as whoever runs it meets it: what it says of itself, what it does with a folder that holds no network, and how a policy gets to
//! a running network.

use std::path::Path;

use serde_json::json;

use crate::processes::{Caller, Ended, Process, command, ended};

/// Every command that does something, as it is typed.
const COMMANDS: &[&[&str]] = &[
    &["serve"],
    &["demo"],
    &["import", "appointments"],
    &["import", "fhir"],
    &["templates", "check"],
    &["templates", "show"],
    &["gateway", "sandbox"],
    &["policy", "check"],
    &["policy", "show"],
    &["policy", "test"],
    &["policy", "publish"],
    &["history", "export"],
    &["history", "verify"],
    &["keys", "make"],
    &["keys", "list"],
    &["keys", "rotate"],
    &["token", "create"],
    &["token", "list"],
    &["token", "revoke"],
    &["projections", "rebuild"],
    &["backup", "create"],
    &["backup", "verify"],
    &["backup", "restore"],
    &["cluster", "import"],
    &["cluster", "export"],
    &["audit"],
    &["evidence", "contact"],
    &["feed", "export"],
    &["schema", "export"],
    &["schema", "check"],
    &["asyncapi"],
    &["openapi"],
    &["config"],
    &["healthcheck"],
];

#[tokio::test]
async fn every_command_explains_itself_with_an_example() {
    let whole = ended(command(&["--help"]).await).await;
    assert!(whole.stdout.contains("Examples:") && whole.stdout.contains("Exit codes:"), "{}", whole.stdout);
    for (words, short) in COMMANDS.iter().flat_map(|words| [(words, "-h"), (words, "--help")]) {
        let mut asked = words.to_vec();
        asked.push(short);
        let help = ended(command(&asked).await).await;
        assert_eq!(help.code, Some(0), "{asked:?}");
        let example = format!("  tact {}", words.join(" "));
        assert!(help.stdout.contains(&example), "{asked:?} shows no example:\n{}", help.stdout);
        // The settings stand in the long help only, under a heading of their own.
        assert_eq!(help.stdout.contains("\nSettings:\n"), short == "--help", "{asked:?}:\n{}", help.stdout);
    }
}

#[tokio::test]
async fn templates_that_ship_pass_their_own_check_and_others_are_told_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.toml");
    let path = file.to_str().unwrap();
    let shown = ended(command(&["templates", "show"]).await).await;
    assert!(shown.stdout.contains("together = {"), "{}", shown.stdout);
    std::fs::write(&file, &shown.stdout).unwrap();
    let fine = ended(command(&["templates", "check", path]).await).await;
    assert_eq!((fine.code, fine.stderr.as_str()), (Some(0), ""), "{}", fine.stdout);
    assert!(fine.stdout.contains("no mistakes"), "{}", fine.stdout);
    // An advertisement dressed as a reminder, and a text longer than the network pays for.
    std::fs::write(&file, shown.stdout.replace("Напоминаем о записи: {branch}", "Скидка 20%! Напоминаем о записи: {branch}"))
        .unwrap();
    let wrong = ended(command(&["templates", "check", path, "--sms-parts", "1"]).await).await;
    assert_eq!(wrong.code, Some(2));
    for said in ["mine.toml: line ", "appointment_reminder by sms in ru", "“скидк*”", "the most is 1"] {
        assert!(wrong.stderr.contains(said), "{said}: {}", wrong.stderr);
    }
    let none = ended(command(&["templates", "check", "nowhere.toml"]).await).await;
    assert!(none.code == Some(2) && none.stderr.contains("nowhere.toml"), "{}", none.stderr);
}

#[tokio::test]
async fn schemas_are_checked_against_those_that_were_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let exported = ended(command(&["schema", "export", path]).await).await;
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let same = ended(command(&["schema", "check", path]).await).await;
    assert_eq!(same.code, Some(0), "{}", same.stderr);
    // One that demanded less: what is written now would not be read by whoever relies on it.
    let name = std::fs::read_dir(folder.path().join("stored"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_str().unwrap().contains("contact.made"));
    let name = name.expect("there is a schema of contact.made");
    let text = std::fs::read_to_string(&name).unwrap();
    std::fs::write(&name, text.replacen("\"outcome\"", "\"ended\"", 2)).unwrap();
    let broken = ended(command(&["schema", "check", path]).await).await;
    assert_ne!(broken.code, Some(0), "{}", broken.stdout);
    assert!(format!("{}{}", broken.stdout, broken.stderr).contains("contact.made"), "{} {}", broken.stdout, broken.stderr);
}

#[tokio::test]
async fn what_config_shows_is_a_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tact.toml");
    let shown = ended(command(&["config", "--listen", "127.0.0.1:9999", "--network", "clinic"]).await).await;
    assert!(shown.stdout.contains("listen = \"127.0.0.1:9999\"\n"), "{}", shown.stdout);
    std::fs::write(&file, &shown.stdout).unwrap();
    let again = ended(command(&["config", "--config", file.to_str().unwrap()]).await).await;
    assert_eq!((again.code, &again.stdout), (Some(0), &shown.stdout), "{}", again.stderr);
    let servers = ["--log", "jetstream", "--nats-url", "nats://a:4222", "--database-url", "postgres://tact:marzipan@db/tact"];
    let shown = ended(command(&[&["config"], &servers[..]].concat()).await).await;
    assert!(shown.stdout.contains("nats_url = \"nats://a:4222\"") && !shown.stdout.contains("marzipan"), "{}", shown.stdout);
}

#[tokio::test]
async fn a_folder_without_a_network_is_named_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("misspelt");
    for words in [
        &["token", "list"][..],
        &["token", "create", "--label", "desk", "--as", "administrator"],
        &["token", "revoke", "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11"],
        &["projections", "rebuild"],
        &["audit", "--read-log"],
    ] {
        let mut command = command(words).await;
        command.env("TACT_DATA", &data);
        let refused = ended(command).await;
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{words:?}: {}", refused.stderr);
        assert!(refused.said().iter().any(|line| line.contains("misspelt") && line.contains("tact serve")), "{}", refused.stderr);
        assert!(!data.exists(), "{words:?} made something");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_reads_the_data_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("below").join("data");
    let server = serve(&data).await;
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    server.stop().await;
}

async fn serve(data: &Path) -> Process {
    let mut command = command(&["serve"]).await;
    command.env("TACT_DATA", data).env("TACT_LISTEN", "127.0.0.1:0");
    Process::start(command).await
}

/// Runs `tact policy publish` with these arguments as the holder of a token.
async fn publish(url: &str, token: &str, file: &Path, more: &[&str]) -> Ended {
    let mut command = command(&[&["policy", "publish", file.to_str().unwrap()], more].concat()).await;
    command.env("TACT_URL", url).env("TACT_TOKEN", token);
    ended(command).await
}

#[track_caller]
pub(crate) fn says(ended: &Ended, code: i32, words: &[&str]) {
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert_eq!(ended.code, Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_published_once_however_often_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = serve(&folder.path().join("data")).await;
    let token = server.first_token().await;
    let manager = Caller::new(&server.url, &token);
    let versions = async || {
        let all = manager.get("/v1/policies").await.ok();
        all["policies"].as_array().unwrap().iter().map(|one| one["version"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let file = folder.path().join("policy.toml");
    // The text that ships is there from the first start on; a byte order mark is no part of it.
    std::fs::write(&file, format!("\u{feff}{}", tact_domain::policy::DEFAULT)).unwrap();
    says(&publish(&server.url, &token, &file, &[]).await, 0, &["already as policy `default`", "holds from"]);

    std::fs::write(&file, format!("# Ours.\n{}", tact_domain::policy::DEFAULT)).unwrap();
    says(&publish(&server.url, &token, &file, &[]).await, 0, &["Published as policy `2`", "holds from"]);
    says(&publish(&server.url, &token, &file, &[]).await, 0, &["already as policy `2`"]);
    let later = ["--effective-from", "2035-01-01T00:00:00+03:00", "--version", "later"];
    says(&publish(&server.url, &token, &file, &later).await, 0, &["Published as policy `later`", "2034-12-31T21:00:00Z"]);
    says(&publish(&server.url, &token, &file, &later).await, 0, &["already as policy `later`"]);
    assert_eq!(versions().await, ["default", "2", "later"]);

    std::fs::write(&file, format!("# Changed.\n{}", tact_domain::policy::DEFAULT)).unwrap();
    let taken = publish(&server.url, &token, &file, &["--version", "2"]).await;
    says(&taken, 1, &["`version`", "already published"]);
    let past = publish(&server.url, &token, &file, &["--effective-from", "2020-01-01T00:00:00Z"]).await;
    says(&past, 1, &["effective_from", "a minute ahead"]);
    says(&publish(&server.url, &token, &file, &["--effective-from", "tomorrow"]).await, 2, &["2026-03-15T10:00:00+03:00"]);
    says(&publish(&server.url, "tact_unknown", &file, &[]).await, 1, &["401", "not known"]);
    says(&publish(&server.url, "", &file, &[]).await, 2, &["TACT_TOKEN_FILE", "tact token create"]);
    says(&publish("https://127.0.0.1", &token, &file, &[]).await, 2, &["without TLS"]);
    for (text, words) in
        [(&b"this is not TOML"[..], "policy.toml:1:"), (b"\xff", "not UTF-8"), (b"[purpose.x]\nbasis = 3", ":2:")]
    {
        std::fs::write(&file, text).unwrap();
        says(&publish(&server.url, &token, &file, &[]).await, 2, &[words]);
    }
    says(&publish(&server.url, &token, &folder.path().join("none.toml"), &[]).await, 2, &["none.toml"]);
    assert_eq!(versions().await, ["default", "2", "later"], "nothing of that was published");
    let url = server.url.clone();
    server.stop().await;
    std::fs::write(&file, tact_domain::policy::DEFAULT).unwrap();
    says(&publish(&url, &token, &file, &[]).await, 1, &["cannot be reached"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_a_time_takes_effect_when_it_was_first_said_to() {
    let network = crate::network::Network::start().await;
    let ask = |network: &crate::network::Network| {
        let body = json!({"version": "next", "text": tact_domain::policy::DEFAULT});
        let mut request = network.request(&hyper::Method::POST, "/v1/policies", &network.manager, Some(&body));
        request.headers_mut().insert("idempotency-key", "next".parse().unwrap());
        request
    };
    let first = network.send(ask(&network)).await.ok();
    assert_eq!(first["effective_from"], "2026-03-02T09:02:00Z");
    network.set_clock("2026-03-02T09:01:00Z");
    let again = network.send(ask(&network)).await.ok();
    assert_eq!((&again["effective_from"], &again["repeated"]), (&first["effective_from"], &json!(true)));
    network.stop().await;
}
