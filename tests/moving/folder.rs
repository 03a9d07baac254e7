//! One machine: a backup that is made while the server writes, is put back equal, and is finished after a kill.

use std::sync::Arc;

use serde_json::json;
use tact_database::Target;
use tact_domain::policy;
use tact_event_log::{EventLog, SqliteLog, SqliteReadLog};

use super::{House, all, events, history_holds, report, rows, run, serving, text};
use crate::processes::{Process, command};
use crate::projector::book::{self, Book};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_while_a_server_writes_is_put_back_equal() {
    let mut house = House::new().await;
    house.start().await;
    // Somebody registers patients all the while.
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let desk = house.desk.clone();
    let writing = tokio::spawn(async move {
        let mut count = 0;
        while !*stopped.borrow() {
            desk.patient("north").await;
            count += 1;
        }
        count
    });
    let first = house.create(&[]).await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    assert!(first.stderr.contains("secrets are not in it"), "{}", first.stderr);
    let between = report(&house.verify(&["-o", "json"]).await);
    let second = house.create(&[]).await;
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    stop.send_replace(true);
    assert!(writing.await.unwrap() > 0);
    let during = report(&house.verify(&["-o", "json"]).await);
    assert!(during["events"].as_u64() > between["events"].as_u64(), "only what is new was added: {during}");
    house.signed().await;
    house.stop().await;
    assert_eq!(house.create(&[]).await.code, Some(0));

    let verified = house.verify(&["--key", text(&house.keys)]).await;
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    assert!(
        verified.stdout.contains("the key that you gave") && verified.stdout.contains("Everything holds."),
        "{}",
        verified.stdout
    );
    let new = house.at("new");
    let restored = house.restore(&new).await;
    assert_eq!(restored.code, Some(0), "{}", restored.stderr);
    let (old_events, new_events) = (events(&house.data()).await, events(&new).await);
    assert_eq!(old_events, new_events, "positions, streams, ids and bytes");
    assert_eq!(report(&house.verify(&["-o", "json"]).await)["last"], old_events.len());
    assert_eq!(rows(&Target::sqlite(house.data())).await, rows(&Target::sqlite(&new)).await);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o700);

    // The old token, the person, the history with the keys of before; and the first thing that is recorded there follows on.
    let server = Process::start(serving(&new).await).await;
    let desk = house.desk.at(&server);
    let shown = desk.get(&format!("/v1/patients/{}", house.patient)).await.ok();
    assert_eq!(
        (&shown["person"]["name"], &shown["external_ids"][0]["value"]),
        (&json!("Zinaida Quirkwood"), &json!("Falcon-77"))
    );
    let figures = desk.get("/v1/patients?text=Quirkwood").await.ok();
    assert_eq!(figures["patients"][0]["patient"], house.patient.as_str(), "{figures}");
    let report = history_holds(&desk, &house.patient, &house.keys, house.folder.path()).await;
    assert_eq!(report["streams"][1]["events"], report["streams"][1]["covered"], "{report}");
    desk.patient("north").await;
    server.stop().await;
    assert_eq!(events(&new).await[..old_events.len()], old_events);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_put_where_something_is_nor_without_the_right_secret() {
    let house = House::new().await;
    let (backup, data, new) = (house.at("backup"), house.data(), house.at("new"));
    let (backup, data) = (text(&backup), text(&data));
    assert_eq!(house.create(&[]).await.code, Some(0));
    let before = events(&house.data()).await;
    let onto = house.restore(&house.data()).await;
    assert_eq!(onto.code, Some(5), "{}", onto.stderr);
    assert!(onto.stderr.contains("is not empty: name another data folder"), "{}", onto.stderr);
    assert_eq!(events(&house.data()).await, before);

    let without = run(&["backup", "restore", backup, "--data", text(&new)]).await;
    assert_eq!(without.code, Some(2), "{}", without.stderr);
    assert!(without.stderr.contains("--id-key-file"), "{}", without.stderr);
    let wrong = house.at("wrong.key");
    std::fs::write(&wrong, "5a".repeat(32)).unwrap();
    let other = run(&["backup", "restore", backup, "--data", text(&house.at("other")), "--id-key-file", text(&wrong)]).await;
    assert_eq!(other.code, Some(2), "{}", other.stderr);
    assert!(other.stderr.contains("is not the one of this network"), "{}", other.stderr);
    let network = run(&["backup", "restore", backup, "--data", text(&new), "--network", "clinic"]).await;
    assert!(network.code == Some(2) && network.stderr.contains("--network tact"), "{}", network.stderr);
    assert!(!new.exists() && !house.at("other").exists(), "no data folder is left half made under its name");
    let none = run(&["backup", "create", "--to", backup, "--data", text(&house.at("nothing"))]).await;
    assert!(none.code == Some(1) && none.stderr.contains("there is no network in"), "{}", none.stderr);
    let nowhere = run(&["backup", "verify", data]).await;
    assert!(nowhere.code == Some(2) && nowhere.stderr.contains("no archive here"), "{}", nowhere.stderr);

    // With the secrets in it, nothing else is needed; a later run without takes them out again.
    assert_eq!(house.create(&["--with-keys"]).await.code, Some(0));
    let whole = run(&["backup", "restore", backup, "--data", text(&new)]).await;
    assert_eq!(whole.code, Some(0), "{}", whole.stderr);
    for name in ["id.key", "signing.key"] {
        assert_eq!(std::fs::read(new.join(name)).unwrap(), std::fs::read(house.data().join(name)).unwrap());
    }
    assert_eq!(house.create(&[]).await.code, Some(0));
    assert!(!house.at("backup/keys/id.key").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_events_or_is_another_is_not_added() {
    let house = House::new().await;
    assert_eq!(house.create(&[]).await.code, Some(0));
    let held = report(&house.verify(&["-o", "json"]).await)["last"].as_u64().unwrap();
    let log = rusqlite::Connection::open(house.data().join("events.db")).unwrap();
    log.execute("UPDATE events SET body = cast('{}' as blob) WHERE position = (SELECT max(position) FROM events)", []).unwrap();
    let changed = house.create(&[]).await;
    assert_eq!(changed.code, Some(5), "{}", changed.stderr);
    assert!(changed.stderr.contains(&format!("event {held} of the log is not the one")), "{}", changed.stderr);
    log.execute("DELETE FROM events WHERE position > 3", []).unwrap();
    drop(log);
    let lost = house.create(&[]).await;
    assert_eq!(lost.code, Some(5), "{}", lost.stderr);
    assert!(lost.stderr.contains(&format!("holds {held} events, and the log ends at 3")), "{}", lost.stderr);
    assert!(house.verify(&[]).await.code == Some(0), "the backup is as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_killed_on_the_way_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (data, backup, new) = (folder.path().join("data"), folder.path().join("backup"), folder.path().join("new"));
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("id.key"), "5a".repeat(32)).unwrap();
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&data.join("events.db"), "tact").unwrap());
    let book = Book::new(log.clone());
    let before = book::start() - chrono::Duration::days(1);
    book.publish("1", policy::DEFAULT, before, before + chrono::Duration::hours(1)).await;
    book.write(7, 200, 4000, book::start()).await;
    let past = all(&*log).await;
    drop((book, log));

    let create = ["backup", "create", "--to", text(&backup), "--data", text(&data)];
    let mut killed = command(&create).await.spawn().unwrap();
    let part = backup.join("log/000000000001.events.part");
    while !part.exists() && killed.try_wait().unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    // It may have come to its end already, which must do no harm either.
    let _ = killed.kill().await;
    let again = run(&create).await;
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    let verified = run(&["backup", "verify", text(&backup)]).await;
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);

    let id = data.join("id.key");
    let restore = ["backup", "restore", text(&backup), "--data", text(&new), "--id-key-file", text(&id)];
    let mut killed = command(&restore).await.spawn().unwrap();
    let half = folder.path().join("new.restoring/events.db");
    loop {
        assert_eq!(killed.try_wait().unwrap(), None, "it was not killed on the way");
        // A file that has just been made is no log yet.
        let Ok(log) = SqliteReadLog::open(&half, "tact") else { continue };
        if log.head().await.is_ok_and(|head| head.to_stored() > 0) {
            break;
        }
    }
    killed.kill().await.unwrap();
    assert!(!new.exists(), "it has no name before it is whole");
    let again = run(&restore).await;
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("were there already"), "{}", again.stderr);
    assert_eq!(events(&new).await, past);
}
