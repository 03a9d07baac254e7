//! At the start: what is not there is waited for no longer than the settings say, then there is one clear line and an exit code of its own.

use std::net::TcpListener;

use tact_testbed::{Nats, Postgres};
use tokio::process::Command;

use crate::processes::{Cluster, Ended, Process, command, ended};

/// An address where nobody listens.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// An address where somebody takes connections and never says a word.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

async fn on_servers(nats: &str, database: &str) -> Command {
    let folder = tempfile::tempdir().unwrap().keep();
    let key = folder.join("id.key");
    std::fs::write(&key, "5a".repeat(32)).unwrap();
    let mut command = command(&["serve", "--role", "contact"]).await;
    command
        .env("TACT_LOG", "jetstream")
        .env("TACT_NETWORK", tact_testbed::fresh_name("net"))
        .env("TACT_NATS_URL", nats)
        .env("TACT_REPLICAS", "1")
        .env("TACT_DATABASE_URL", database)
        .env("TACT_ID_KEY_FILE", &key)
        .env("TACT_LISTEN", "127.0.0.1:0")
        .env("TACT_WAIT", "1");
    command
}

/// It ended with this code, and one line says why, with these words in it.
#[track_caller]
fn says(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    let said = ended.said();
    assert_eq!(said.len(), 1, "one line says why: {}", ended.stderr);
    for word in words {
        assert!(said[0].contains(word), "`{word}` is not in: {}", said[0]);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_nats_is_exit_code_3() {
    let address = nobody();
    let gone = ended(on_servers(&format!("nats://{address}"), "postgres://127.0.0.1/none").await).await;
    says(&gone, 3, &["event log", &address]);
    let (_listener, address) = silent();
    let mute = ended(on_servers(&format!("nats://{address}"), "postgres://127.0.0.1/none").await).await;
    says(&mute, 3, &["event log", &address]);
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_while_it_waits_it_does() {
    let nats = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut command = on_servers(&format!("nats://{}", nats.local_addr().unwrap()), "postgres://127.0.0.1/none").await;
    command.env("TACT_WAIT", "3600").stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It waits now for a server that never says a word.
    let _connection = nats.accept().await.unwrap();
    let id = child.id().unwrap().to_string();
    assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().await.unwrap().success());
    let ended = tokio::time::timeout(crate::processes::PATIENCE, child.wait()).await.expect("it stops");
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_postgresql_is_exit_code_4_and_no_password_is_shown() {
    let nats = Nats::shared().await.unwrap().url();
    let (_listener, mute) = silent();
    for address in [nobody(), mute] {
        let gone = ended(on_servers(&nats, &format!("postgres://tact:marzipan@{address}/none")).await).await;
        says(&gone, 4, &["database"]);
        assert!(!gone.stderr.contains("marzipan"), "{}", gone.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nats_that_came_too_late_is_still_found() {
    // Not there for the first moments, and then there: waiting pays.
    let nats = Nats::start().await.unwrap();
    let cluster = Cluster::set_up(&nats.url(), &Postgres::shared().await.unwrap().database().await.unwrap()).await;
    nats.kill().unwrap();
    let command = cluster.command(&["serve", "--role", "contact,directory"]).await;
    let starting = tokio::spawn(Process::start(command));
    nats.restart().await.unwrap();
    let process = starting.await.unwrap();
    cluster.manager_at(&process).get("/v1/branches").await.ok();
    process.stop().await;
}

async fn embedded(folder: &std::path::Path, arguments: &[&str]) -> Command {
    let mut command = command(arguments).await;
    command.env("TACT_DATA", folder).env("TACT_LISTEN", "127.0.0.1:0").env("TACT_WAIT", "1");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Process::start(embedded(folder.path(), &["serve"]).await).await;
    let token = first.first_token().await;
    let second = ended(embedded(folder.path(), &["serve"]).await).await;
    says(&second, 6, &["already open in process"]);
    let rebuild = ended(embedded(folder.path(), &["projections", "rebuild"]).await).await;
    says(&rebuild, 6, &["already open in process"]);
    let caller = crate::processes::Caller::new(&first.url, &token);
    caller.get("/v1/policies").await.ok();
    // Killed, it leaves nothing behind that keeps the next one out.
    first.kill().await;
    let third = Process::start(embedded(folder.path(), &["serve"]).await).await;
    caller.at(&third).get("/v1/policies").await.ok();
    assert_eq!(third.stdout(), "", "the first token is shown once");
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_networks_or_a_newer_versions_data_is_exit_code_5() {
    let folder = tempfile::tempdir().unwrap();
    Process::start(embedded(folder.path(), &["serve"]).await).await.stop().await;
    let other = ended(embedded(folder.path(), &["serve", "--network", "other"]).await).await;
    says(&other, 5, &["\"tact\"", "\"other\""]);

    let sql = |file: &str, text: &str| {
        let connection = rusqlite::Connection::open(folder.path().join(file)).unwrap();
        connection.execute_batch(text).unwrap();
    };
    let known = tact_personal::TABLES.sqlite.len();
    sql("personal.db", "PRAGMA user_version = 99");
    says(&ended(embedded(folder.path(), &["serve"]).await).await, 5, &["personal", "99", "newer"]);
    sql("personal.db", &format!("PRAGMA user_version = {known}"));
    sql("events.db", "update meta set value = '2' where key = 'format'");
    says(&ended(embedded(folder.path(), &["serve"]).await).await, 5, &["format 2", "newer"]);
    sql("events.db", "update meta set value = '1' where key = 'format'");
    Process::start(embedded(folder.path(), &["serve"]).await).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_version_on_postgresql_is_exit_code_5() {
    let nats = Nats::shared().await.unwrap().url();
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let cluster = Cluster::set_up(&nats, &database).await;
    cluster.sql("INSERT INTO personal.schema_version (version) VALUES (99)").await;
    let newer = ended(cluster.command(&["serve", "--role", "contact"]).await).await;
    says(&newer, 5, &["personal", "99", "newer"]);
    cluster.sql("DELETE FROM personal.schema_version WHERE version = 99").await;
    cluster.serve("contact").await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_together_is_refused_before_anything_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let alone = ended(embedded(&data, &["serve", "--role", "contact"]).await).await;
    says(&alone, 2, &["embedded", "--role", "jetstream"]);
    assert!(!data.exists(), "nothing was made");

    let mut misspelt = embedded(&data, &["serve"]).await;
    misspelt.env("TACT_LSTEN", "127.0.0.1:0");
    says(&ended(misspelt).await, 2, &["TACT_LSTEN", "TACT_LISTEN"]);

    let file = folder.path().join("tact.toml");
    std::fs::write(&file, "this is not TOML").unwrap();
    let mut settings = embedded(&data, &["serve"]).await;
    settings.env("TACT_CONFIG", &file);
    says(&ended(settings).await, 2, &["tact.toml", "TOML"]);

    for code in ["", "two words", "клиника", "a.b"] {
        says(&ended(embedded(&data, &["serve", "--network", code]).await).await, 2, &["`network`", "a-z"]);
    }

    let mut both = embedded(&data, &["serve"]).await;
    both.env("TACT_NATS_URL", "nats://127.0.0.1:4222");
    says(&ended(both).await, 2, &["nats_url", "embedded"]);
    assert!(!data.exists(), "nothing was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut command = embedded(folder.path(), &["serve"]).await;
    command.env("TACT_LISTEN", &address);
    says(&ended(command).await, 1, &[&address, "listened"]);
    // The first token is not lost by it.
    let mut second = Process::start(embedded(folder.path(), &["serve"]).await).await;
    assert!(second.first_token().await.starts_with("tact_"));
    second.stop().await;
}
