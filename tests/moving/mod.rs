//! A network that is kept in a folder, checked there, put back, and moved from one machine to servers and back: real files, real servers, the
//! real program, also killed on the way.

mod cluster;
mod damage;
mod erased;
mod folder;
mod tables;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tact_database::Target;
use tact_database::copy::{Kept, Value as Cell, read_rows};
use tact_event_log::{EventLog, Position, SqliteReadLog, Stored};
use tact_ledger::Ledger;

use crate::processes::{Caller, Ended, PATIENCE, Process, command, ended};
use crate::projector::WAIT;

/// The tables that are carried.
static KEPT: [&Kept; 4] =
    [&tact_personal::layout::KEPT, &tact_ledger::layout::KEPT, &tact_dispatcher::layout::KEPT, &tact_patient::reactor::KEPT];

async fn run(arguments: &[&str]) -> Ended {
    ended(command(arguments).await).await
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every event of a log.
async fn all(log: &dyn EventLog) -> Vec<Stored> {
    let mut events: Vec<Stored> = Vec::new();
    loop {
        let after = events.last().map_or(Position::START, |event| event.position);
        let next = log.read_all(after, 5000).await.unwrap();
        if next.is_empty() {
            return events;
        }
        events.extend(next);
    }
}

/// Every event of the log in a data folder.
async fn events(data: &Path) -> Vec<Stored> {
    all(&SqliteReadLog::open(&data.join("events.db"), "tact").unwrap()).await
}

/// Every row of every table that is carried, sorted, each with its table.
async fn rows(target: &Target) -> Vec<String> {
    let mut found = Vec::new();
    for kept in KEPT {
        let Some((db, version)) = target.find(kept.component, WAIT).await.unwrap() else { continue };
        assert_eq!(version, kept.component.version());
        let mut snapshot = db.snapshot().await.unwrap();
        for layout in kept.layouts {
            read_rows(&mut snapshot, layout, |row| {
                let cells: Vec<Value> = row.iter().map(Cell::to_json).collect();
                found.push(format!("{}.{} {}", kept.component.name, layout.table, Value::from(cells)));
                Ok::<_, tact_database::DbError>(())
            })
            .await
            .unwrap();
        }
        drop(snapshot);
        db.close().await;
    }
    // Up to where was looked for whoever was erased: every start looks on.
    found.retain(|row| !row.starts_with("personal.erased_upto"));
    found.sort();
    found
}

/// A network in a data folder, with a server that has run.
struct House {
    folder: tempfile::TempDir,
    server: Option<Process>,
    desk: Caller,
    patient: String,
    keys: PathBuf,
}

impl House {
    /// Some patients, one with personal data of every kind, all of it signed.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Process::start(serving(&folder.path().join("data")).await).await;
        let token = server.first_token().await;
        let desk = Caller::new(&server.url, &token);
        desk.put("/v1/branches/north", json!({"name": "North", "time_zone": "Europe/Moscow"})).await.ok();
        let zinaida = json!({"home_branch": "north", "person": {"name": "Zinaida Quirkwood", "phone": "+7 905 731-94-62",
            "birth_date": "1970-01-31"}, "external_ids": [{"system": "crm", "value": "Falcon-77"}]});
        let patient = desk.post("/v1/patients", zinaida).await.ok()["patient"].as_str().unwrap().to_owned();
        let call = json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached", "note": "velvet anvil"});
        desk.post(&format!("/v1/patients/{patient}/contacts"), call).await.ok();
        for _ in 0..5 {
            desk.patient("north").await;
        }
        let mut house = Self { keys: folder.path().join("network.keys"), folder, server: Some(server), desk, patient };
        house.signed().await;
        let listed = run(&["keys", "list", "--data", text(&house.data())]).await;
        std::fs::write(&house.keys, listed.stdout).unwrap();
        house.stop().await;
        house
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn start(&mut self) {
        let server = Process::start(serving(&self.data()).await).await;
        self.desk = self.desk.at(&server);
        self.server = Some(server);
    }

    async fn stop(&mut self) -> String {
        self.server.take().unwrap().stop().await
    }

    /// Waits until everything that is in the log is signed.
    async fn signed(&self) {
        let head = events(&self.data()).await.last().unwrap().position;
        let ledger = Ledger::open(&Target::sqlite(self.data()), "tact", WAIT).await.unwrap();
        assert!(ledger.wait_for(head, PATIENCE).await.unwrap(), "nothing is signed");
        ledger.db().close().await;
    }

    async fn create(&self, more: &[&str]) -> Ended {
        let (to, data) = (self.at("backup"), self.data());
        run(&[&["backup", "create", "--to", text(&to), "--data", text(&data)], more].concat()).await
    }

    async fn verify(&self, more: &[&str]) -> Ended {
        run(&[&["backup", "verify", text(&self.at("backup"))], more].concat()).await
    }

    /// Puts the backup into a new data folder, with the secrets of the old one.
    async fn restore(&self, to: &Path) -> Ended {
        let (backup, id, signing) = (self.at("backup"), self.data().join("id.key"), self.data().join("signing.key"));
        let keys = ["--id-key-file", text(&id), "--signing-key-file", text(&signing)];
        run(&[&["backup", "restore", text(&backup), "--data", text(to)], &keys[..]].concat()).await
    }
}

/// A command line that serves a data folder.
async fn serving(data: &Path) -> tokio::process::Command {
    let mut command = command(&["serve"]).await;
    command.env("TACT_DATA", data).env("TACT_LISTEN", "127.0.0.1:0");
    command
}

/// Has the history of a patient handed out, and verifies it with keys that were kept from before.
async fn history_holds(desk: &Caller, patient: &str, keys: &Path, folder: &Path) -> Value {
    let file = folder.join(format!("{}.jsonl", crate::processes::new_key()));
    let words = ["history", "export", "--patient", patient, "--purpose", "complaint", "-o", text(&file)];
    let mut export = command(&words).await;
    export.env("TACT_URL", &desk.url).env("TACT_TOKEN", &desk.token);
    let exported = ended(export).await;
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let verified = run(&["history", "verify", text(&file), "--key", text(keys), "-o", "json"]).await;
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    serde_json::from_str(&verified.stdout).unwrap()
}

/// What `tact backup verify -o json` has found.
fn report(verified: &Ended) -> Value {
    serde_json::from_str(&verified.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", verified.stdout, verified.stderr))
}
