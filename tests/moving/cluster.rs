//! From one machine to NATS and PostgreSQL and back: equal event for event and row for row, whoever is killed on the way; and nothing that runs
//! is moved.

use serde_json::json;
use tact_database::Target;
use tact_event_log::{EventLog, JetStreamConfig, JetStreamLog, open_jetstream};
use tact_testbed::{Nats, Postgres};
use tokio::process::Command;

use super::{House, all, events, history_holds, rows, run, serving, text};
use crate::processes::{Ended, Process, command, ended};

/// Empty servers, with files for the secrets that are not there yet.
struct Servers {
    nats: Nats,
    database: String,
    folder: tempfile::TempDir,
}

impl Servers {
    async fn new() -> Self {
        let database = Postgres::shared().await.unwrap().database().await.unwrap();
        // Its own, since the network is called `tact` as every other.
        Self { nats: Nats::start().await.unwrap(), database, folder: tempfile::tempdir().unwrap() }
    }

    async fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments).await;
        command
            .env("TACT_LOG", "jetstream")
            .env("TACT_NATS_URL", self.nats.url())
            .env("TACT_DATABASE_URL", &self.database)
            .env("TACT_REPLICAS", "1")
            .env("TACT_ID_KEY_FILE", self.folder.path().join("id.key"))
            .env("TACT_SIGNING_KEY_FILE", self.folder.path().join("signing.key"))
            .env("TACT_LISTEN", "127.0.0.1:0");
        command
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).await).await
    }

    async fn log(&self) -> JetStreamLog {
        open_jetstream(JetStreamConfig::new("tact", [self.nats.url()])).await.unwrap()
    }

    fn target(&self) -> Target {
        self.database.parse().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_moves_to_servers_and_back_and_is_equal() {
    let house = House::new().await;
    let servers = Servers::new().await;
    let (data, archive, back) = (house.data(), house.at("move"), house.at("back"));
    let import = ["cluster", "import", "--from", text(&data), "--archive", text(&archive)];
    let before = events(&data).await;
    let moved = servers.run(&import).await;
    assert_eq!(moved.code, Some(0), "{}", moved.stderr);
    assert!(moved.stderr.contains(&format!("{} events, equal one by one", before.len())), "{}", moved.stderr);
    assert_eq!(all(&servers.log().await).await, before, "positions, streams, ids and bytes");
    assert_eq!(rows(&servers.target()).await, rows(&Target::sqlite(&data)).await);

    // The old token, the person, and a history that verifies with the keys of before; then something new, which is signed there.
    let server = Process::start(servers.command(&["serve"]).await).await;
    let desk = house.desk.at(&server);
    let shown = desk.get(&format!("/v1/patients/{}", house.patient)).await.ok();
    assert_eq!(shown["person"]["name"], "Zinaida Quirkwood", "{shown}");
    history_holds(&desk, &house.patient, &house.keys, house.folder.path()).await;
    let export = ["cluster", "export", "--to", text(&back), "--archive", text(&archive)];
    let running = servers.run(&export).await;
    assert_eq!(running.code, Some(6), "{}", running.stderr);
    assert!(running.stderr.contains("stop every role first"), "{}", running.stderr);
    let call =
        json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
    desk.post(&format!("/v1/patients/{}/contacts", house.patient), call).await.ok();
    server.stop().await;

    // What is there is not put over.
    let again = servers.run(&import).await;
    assert_eq!(again.code, Some(5), "{}", again.stderr);
    let kept = ["backup", "create", "--to", text(&house.at("of-servers"))].map(str::to_owned);
    let kept = servers.run(&kept.each_ref().map(String::as_str)).await;
    assert_eq!(kept.code, Some(0), "{}", kept.stderr);
    let onto = servers.run(&["backup", "restore", text(&house.at("of-servers"))]).await;
    assert_eq!(onto.code, Some(5), "{}", onto.stderr);
    assert!(onto.stderr.contains("is not empty"), "{}", onto.stderr);

    let returned = servers.run(&export).await;
    assert_eq!(returned.code, Some(0), "{}", returned.stderr);
    let there = all(&servers.log().await).await;
    assert!(there.len() > before.len());
    assert_eq!(events(&back).await, there);
    assert_eq!(there[..before.len()], before);
    assert_eq!(rows(&Target::sqlite(&back)).await, rows(&servers.target()).await);
    let server = Process::start(serving(&back).await).await;
    let desk = house.desk.at(&server);
    let report = history_holds(&desk, &house.patient, &house.keys, house.folder.path()).await;
    assert_eq!(report["network"], "tact");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_goes_on_and_nobody_uses_the_half_of_it() {
    let mut house = House::new().await;
    house.start().await;
    let (data, archive) = (house.data(), house.at("move"));
    let servers = Servers::new().await;
    let import = ["cluster", "import", "--from", text(&data), "--archive", text(&archive)];
    let running = servers.run(&import).await;
    assert_eq!(running.code, Some(6), "{}", running.stderr);
    assert!(running.stderr.contains("already open in process"), "{}", running.stderr);
    // Enough for a kill to come before the end.
    let desks = (0..8).map(|_| {
        let desk = house.desk.clone();
        async move {
            for _ in 0..150 {
                desk.patient("north").await;
            }
        }
    });
    futures::future::join_all(desks).await;
    house.stop().await;

    let log = servers.log().await;
    let mut killed = servers.command(&import).await.spawn().unwrap();
    while log.head().await.unwrap().to_stored() < 20 {
        assert_eq!(killed.try_wait().unwrap(), None, "it was not killed on the way");
    }
    killed.kill().await.unwrap();
    let before = events(&data).await;
    let came = log.head().await.unwrap().to_stored();
    assert!(came < before.len() as u64, "all {came} events had come before the kill");
    let serves = servers.run(&["serve", "--role", "contact"]).await;
    assert_eq!(serves.code, Some(5), "{}", serves.stderr);
    assert!(serves.stderr.contains("is being moved in here and is not whole"), "{}", serves.stderr);

    let again = servers.run(&import).await;
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stderr.contains("were there already"), "{}", again.stderr);
    assert_eq!(all(&log).await, before);
    assert_eq!(rows(&servers.target()).await, rows(&Target::sqlite(&data)).await);
    let server = Process::start(servers.command(&["serve", "--role", "patient"]).await).await;
    server.stop().await;
    // One that is whole is not begun anew.
    let third = servers.run(&import).await;
    assert!(third.code == Some(5) && third.stderr.contains("is not empty"), "{}", third.stderr);
    let embedded = run(&import).await;
    assert!(embedded.code == Some(2) && embedded.stderr.contains("name no servers"), "{}", embedded.stderr);
}
