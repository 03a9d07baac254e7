//! The two set-ups: everything embedded in one process, and a log on NATS with databases on PostgreSQL. The same secret for ids, the same
//! caller and the same keys, so that whatever they make has the same ids, and whatever they answer must be equal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use chrono::NaiveDateTime;
use hyper::Method;
use serde_json::{Value, json};
use tact::import::{Account, Progress, Stores, mapping, read, write};
use tact::roles::{Role, Running, open, start};
use tact::settings::{Secret, Settings, Storage};
use tact_personal::access::Token;
use tact_service::access::token_hash;
use tact_service::app::{CLOCK_SET, POSITION};
use tact_service::clock::Clock;
use tact_testbed::{Nats, Postgres, fresh_name};
use tempfile::TempDir;
use uuid::Uuid;

use super::truth::utc;
use crate::network::time;
use crate::processes::Caller;

const TOKEN: &str = "tact_the_same_token_on_both_set_ups_of_the_working_day";

/// How long a projector may take for a whole book. Only a failing test ever waits so long.
const PATIENCE: Duration = Duration::from_secs(600);

/// One set-up with its clock and its desk.
pub(super) struct Place {
    pub(super) what: &'static str,
    settings: Settings,
    clock: Clock,
    running: Option<Running>,
    desk: Caller,
    now: Mutex<NaiveDateTime>,
    /// Everything that was answered, by what was asked.
    said: Mutex<BTreeMap<String, Value>>,
    _folder: TempDir,
    _nats: Option<Nats>,
}

fn settings(folder: &TempDir, storage: Storage) -> Settings {
    std::fs::write(folder.path().join("shared.key"), "3d".repeat(32)).unwrap();
    Settings {
        id_key_file: Some(folder.path().join("shared.key")),
        signing_key_file: Some(folder.path().join("signing.key")),
        listen: ([127, 0, 0, 1], 0).into(),
        cached_patients: 80_000,
        ..Settings::new(fresh_name("day"), folder.path().join("data"), storage)
    }
}

impl Place {
    pub(super) async fn embedded(at: NaiveDateTime) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, Storage::Embedded);
        Self::begin("embedded", settings, at, folder, None).await
    }

    pub(super) async fn servers(at: NaiveDateTime) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A server of its own: two hundred megabytes of events are gone when this test is. Nothing here outlives a power failure, so neither it
        // nor PostgreSQL flushes what the test writes; flushing each of 300,000 events alone takes longer than all the rest.
        let nats = Nats::start_with_default_sync().await.unwrap();
        let database = Postgres::shared().await.unwrap().database().await.unwrap();
        let storage = Storage::Servers { nats: vec![nats.url()], login: None, replicas: 1, database: Secret(database) };
        let settings = settings(&folder, storage);
        Self::begin("NATS and PostgreSQL", settings, at, folder, Some(nats)).await
    }

    async fn begin(what: &'static str, settings: Settings, at: NaiveDateTime, folder: TempDir, nats: Option<Nats>) -> Self {
        let clock = Clock::by_hand(time(&utc(at)));
        let running = start(&settings, <Role as clap::ValueEnum>::value_variants(), clock.clone()).await.unwrap();
        let id = Uuid::from_u128(7);
        let entry = Token {
            id,
            actor: id,
            label: "desk".to_owned(),
            roles: vec!["network_manager".to_owned(), "administrator".to_owned()],
            branches: None,
            created_at: clock.now(),
            expires_at: None,
            revoked_at: None,
        };
        assert!(running.app.personal.add_token(&entry, &token_hash(TOKEN)).await.unwrap());
        let desk = Caller::new(&running.url, TOKEN);
        let (now, said) = (Mutex::new(at), Mutex::default());
        Self { what, settings, clock, running: Some(running), desk, now, said, _folder: folder, _nats: nats }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("it runs")
    }

    /// Whether its log belongs to one process.
    pub(super) fn is_embedded(&self) -> bool {
        matches!(self.settings.storage, Storage::Embedded)
    }

    /// Moves the clock.
    pub(super) fn set_clock(&self, now: NaiveDateTime) {
        *self.now.lock().unwrap() = now;
        self.clock.set(time(&utc(now)));
    }

    pub(super) fn now(&self) -> NaiveDateTime {
        *self.now.lock().unwrap()
    }

    /// Imports the book as `tact import appointments` does: on the embedded log while nothing serves, on servers from beside.
    pub(super) async fn import(&mut self, book: &Path) -> Account {
        let began = Instant::now();
        if self.is_embedded() {
            self.running.take().unwrap().stop().await;
        }
        let mapping = mapping::parse(include_bytes!("../../mappings/noshow-vitoria.toml")).unwrap();
        let book = read(book, &mapping).unwrap();
        let app = open(&self.settings, self.clock.clone()).await.unwrap();
        let stores = Stores { transactor: &app.transactor, control: &app.control, personal: &app.personal, keys: &app.keys };
        let account = write(stores, &book, &mapping, false, &Progress::hidden()).await.unwrap();
        assert!(account.balances(), "{account}");
        drop(app);
        let imported = began.elapsed();
        if self.is_embedded() {
            let running = start(&self.settings, <Role as clap::ValueEnum>::value_variants(), self.clock.clone()).await.unwrap();
            self.desk.url.clone_from(&running.url);
            self.running = Some(running);
        }
        self.settle().await;
        let recorded = account.recorded();
        println!(
            "{}: {recorded} events in {imported:.1?}, {:.0}/s; {:.1?} until the read models had them",
            self.what,
            f64::from(u32::try_from(recorded).unwrap()) / imported.as_secs_f64(),
            began.elapsed()
        );
        account
    }

    /// Waits until the read models have come to the end of the log.
    pub(super) async fn settle(&self) {
        let app = &self.running().app;
        let head = app.transactor.log().head().await.unwrap().to_stored().cast_signed();
        let seen = app.read.wait_for(head, PATIENCE).await.unwrap();
        assert!(seen.position >= head, "{}: the projector stands at {} of {head}", self.what, seen.position);
    }

    /// How far the log has come.
    pub(super) async fn head(&self) -> tact_event_log::Position {
        self.running().app.transactor.log().head().await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Value {
        let what = format!("{} {method} {path} {key} {}", self.now(), body.map(Value::to_string).unwrap_or_default());
        let reply = self.desk.try_send(method, path, key, body).await.expect("an answer");
        let clock = reply.headers.get(CLOCK_SET).unwrap_or_else(|| panic!("{path} does not say that the clock is set"));
        assert_eq!(time(clock.to_str().unwrap()), self.clock.now(), "{path}");
        assert!(reply.status.is_success(), "{}: {what}: {}: {}", self.what, reply.status, reply.json);
        assert!(body.is_none() || reply.headers.contains_key(POSITION), "{what} does not say its position");
        let mut json = reply.json;
        without_positions(&mut json);
        let before = self.said.lock().unwrap().insert(what.clone(), json.clone());
        assert!(before.is_none_or(|before| before == json), "{}: {what} was answered in two ways", self.what);
        json
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.send(Method::GET, path, "-", None).await
    }

    /// Under a key of its own.
    pub(super) async fn post(&self, path: &str, key: &str, body: Value) -> Value {
        self.send(Method::POST, path, key, Some(&body)).await
    }

    /// A part of a branch's worklist, page by page to its end.
    pub(super) async fn list(&self, branch: &str, filter: &str, limit: usize) -> Vec<Value> {
        let (mut entries, mut after, mut seen) = (Vec::new(), String::new(), BTreeSet::new());
        loop {
            let page = self.get(&format!("/v1/branches/{branch}/worklist?limit={limit}{filter}{after}")).await;
            assert_eq!(page["now"], json!(utc(self.now())), "{branch}");
            let new = page["entries"].as_array().unwrap();
            assert!(new.len() <= limit, "{} entries on a page of {limit}", new.len());
            for entry in new {
                let key = [&entry["patient"], &entry["purpose"], &entry["about"]].map(ToString::to_string);
                assert!(seen.insert(key), "{branch}: twice on the list: {entry}");
            }
            entries.extend(new.iter().cloned());
            let Some(next) = page["next"].as_str() else { return entries };
            after = format!("&after={next}");
        }
    }

    /// Publishes the default policy where the start has not: with the embedded log it did.
    pub(super) async fn publish_policy(&self, effective_from: &str) {
        if !self.is_embedded() {
            let policy = json!({"version": "default", "text": tact_domain::policy::DEFAULT, "effective_from": effective_from});
            self.desk.post("/v1/policies", policy).await.ok();
        }
        let policies = self.desk.get("/v1/policies").await.ok();
        assert_eq!(policies["policies"].as_array().unwrap().len(), 1, "{policies}");
        assert_eq!(policies["policies"][0]["effective_from"], effective_from, "{policies}");
    }

    /// Everything that was answered; the set-up is stopped.
    pub(super) async fn end(mut self) -> BTreeMap<String, Value> {
        self.running.take().unwrap().stop().await;
        std::mem::take(&mut *self.said.lock().unwrap())
    }
}

/// Takes out what two logs number each in its own way.
fn without_positions(json: &mut Value) {
    match json {
        Value::Array(items) => items.iter_mut().for_each(without_positions),
        Value::Object(fields) => {
            fields.remove("position");
            fields.values_mut().for_each(without_positions);
        }
        _ => {}
    }
}
