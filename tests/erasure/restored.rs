//! A personal data store that was restored from a copy: whoever has been erased since is erased again before the first answer.

use std::path::Path;

use serde_json::json;
use sqlx::Connection;
use tact_testbed::{Nats, Postgres};

use super::found_in;
use crate::processes::{Caller, Cluster, Process, command};

const SECRETS: &[&str] = &["Quirkwood", "905 731-94-62", "9057319462", "Falcon-77", "velvet anvil"];

async fn registered(desk: &Caller) -> String {
    let zinaida = json!({"home_branch": "north", "person": {"name": "Zinaida Quirkwood", "phone": "+7 905 731-94-62"},
        "external_ids": [{"system": "crm", "value": "Falcon-77"}]});
    let patient = desk.post("/v1/patients", zinaida).await.ok()["patient"].as_str().unwrap().to_owned();
    let call = json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached", "note": "velvet anvil"});
    desk.post(&format!("/v1/patients/{patient}/contacts"), call).await.ok();
    patient
}

async fn erase(desk: &Caller, patient: &str) {
    desk.post(&format!("/v1/patients/{patient}/erasure"), json!({"reason": "patient_request"})).await.ok();
}

/// Copies the files of the personal data, and removes those that have no copy.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("personal.db{suffix}");
        let _ = std::fs::remove_file(to.join(&name));
        if from.join(&name).exists() {
            std::fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_files_that_were_restored_hold_nobody_who_was_erased_once_it_answers() {
    let (folder, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let start = async || {
        let mut command = command(&["serve"]).await;
        // Started long enough after the first policy was published.
        command.env("TACT_DATA", folder.path()).env("TACT_LISTEN", "127.0.0.1:0");
        Process::start(command).await
    };
    let mut server = start().await;
    let token = server.first_token().await;
    let desk = Caller::new(&server.url, &token);
    desk.put("/v1/branches/north", json!({"name": "North", "time_zone": "Europe/Moscow"})).await.ok();
    let kept = desk.post("/v1/patients", json!({"home_branch": "north", "person": {"name": "Otto Kept"}})).await.ok();
    let patient = registered(&desk).await;
    server.stop().await;
    copy(folder.path(), backup.path());

    let server = start().await;
    let desk = desk.at(&server);
    erase(&desk, &patient).await;
    assert_eq!(found_in(folder.path(), "personal.db", SECRETS), [], "it is gone");
    // Somebody who came after the copy was made, and has gone since.
    let late = desk.post("/v1/patients", json!({"home_branch": "north", "person": {"name": "Late Whistlethorn"}})).await.ok();
    let late = late["patient"].as_str().unwrap().to_owned();
    erase(&desk, &late).await;
    server.stop().await;

    copy(backup.path(), folder.path());
    assert!(!found_in(folder.path(), "personal.db", SECRETS).is_empty(), "this test can see what it looks for");
    let server = start().await;
    let desk = desk.at(&server);
    // The very first request.
    let shown = desk.get(&format!("/v1/patients/{patient}")).await.ok();
    assert_eq!((&shown["person"], &shown["external_ids"]), (&json!(null), &json!([])), "{shown}");
    assert_eq!(found_in(folder.path(), "personal.db", SECRETS), []);
    assert_eq!(desk.get("/v1/patients?text=Quirkwood").await.ok()["patients"], json!([]));
    assert_eq!(desk.get(&format!("/v1/patients/{late}")).await.ok()["person"], json!(null));
    let stays = desk.get(&format!("/v1/patients/{}", kept["patient"].as_str().unwrap())).await.ok();
    assert_eq!(stays["person"]["name"], "Otto Kept", "nobody else is touched");
    let act = desk.get(&format!("/v1/patients/{patient}/erasure")).await.ok();
    assert!(act["repeated_at"].is_string(), "the act says that it was done again: {act}");
    assert_eq!(act["reason"], "patient_request", "the log knows why, though the copy did not");
    assert!(server.stop().await.contains("is erased again"));

    // The next start finds nothing to do.
    let server = start().await;
    assert_eq!(desk.at(&server).get(&format!("/v1/patients/{patient}/erasure")).await.ok(), act);
    assert!(!server.stop().await.contains("is erased again"));
}

const SAVE: &str = "CREATE SCHEMA saved;
    CREATE TABLE saved.people AS TABLE personal.people; CREATE TABLE saved.notes AS TABLE personal.notes;
    CREATE TABLE saved.external_ids AS TABLE personal.external_ids; CREATE TABLE saved.erasures AS TABLE personal.erasures;
    CREATE TABLE saved.erased_upto AS TABLE personal.erased_upto";
const RESTORE: &str = "TRUNCATE personal.people, personal.notes, personal.external_ids, personal.erasures, personal.erased_upto;
    INSERT INTO personal.people TABLE saved.people; INSERT INTO personal.notes TABLE saved.notes;
    INSERT INTO personal.external_ids TABLE saved.external_ids; INSERT INTO personal.erasures TABLE saved.erasures;
    INSERT INTO personal.erased_upto TABLE saved.erased_upto";
const HELD: &str = "SELECT (SELECT count(*) FROM personal.people WHERE name IS NOT NULL) + (SELECT count(*) FROM personal.notes)
    + (SELECT count(*) FROM personal.external_ids)";

async fn held(cluster: &Cluster) -> i64 {
    let mut connection = sqlx::PgConnection::connect(&cluster.database).await.unwrap();
    sqlx::query_scalar(HELD).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_servers_every_role_erases_again_before_it_answers() {
    let nats = Nats::shared().await.unwrap().url();
    let cluster = Cluster::set_up(&nats, &Postgres::shared().await.unwrap().database().await.unwrap()).await;
    let server = Process::start(cluster.command(&["serve"]).await).await;
    let desk = cluster.manager_at(&server);
    let patient = registered(&desk).await;
    cluster.sql(SAVE).await;
    erase(&desk, &patient).await;
    assert_eq!(held(&cluster).await, 0);
    server.stop().await;

    // A service that follows no log and knows no patients: whoever starts first does it, and this one starts alone.
    cluster.sql(RESTORE).await;
    assert!(held(&cluster).await >= 3, "it is all there again");
    let contact = cluster.serve("contact").await;
    assert_eq!(held(&cluster).await, 0, "gone before it listens");
    assert!(contact.stop().await.contains("is erased again"));

    // All of them at once: one does it, the others wait for it.
    cluster.sql(RESTORE).await;
    let (one, two, three) = tokio::join!(cluster.serve("patient"), cluster.serve("contact,consent"), cluster.serve("directory"));
    assert_eq!(held(&cluster).await, 0);
    let desk = cluster.manager_at(&one);
    assert_eq!(desk.get(&format!("/v1/patients/{patient}")).await.ok()["person"], json!(null));
    let act = desk.get(&format!("/v1/patients/{patient}/erasure")).await.ok();
    assert!(act["repeated_at"].is_string() && act["reason"] == "patient_request", "{act}");
    for server in [one, two, three] {
        server.stop().await;
    }
}
