//! A network at work, for tests that speak to it as its branches do: every role in this process, embedded in a temporary folder, over real
//! HTTP, with a clock that stands still until the test moves it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tact::roles::{Role, Running, start};
use tact::settings::{Secret, Settings, SignIn, Storage};
use tact_database::Target;
use tact_domain::Recorded;
use tact_domain::Time;
use tact_domain::patient::Event;
use tact_event_log::{Position, StreamId};
use tact_personal::access::Token;
use tact_service::App;
use tact_service::access::{new_token, token_hash};
use tact_service::clock::Clock;
use tact_service::ids::fresh;
use tact_testbed::{Nats, Postgres, fresh_name};
use uuid::Uuid;

/// Monday, noon in Moscow and two in the afternoon in Yekaterinburg.
pub(crate) const NOON: &str = "2026-03-02T09:00:00Z";

/// The network: two branches, `north` in Europe/Moscow and `east` in Asia/Yekaterinburg, and the default policy in force.
pub(crate) struct Network {
    running: Running,
    clock: Clock,
    /// The token of a network manager who is an administrator too.
    pub(crate) manager: String,
    client: Client<HttpConnector, Full<Bytes>>,
    keys: AtomicU32,
    target: Target,
    /// Goes with everything in it when the test ends.
    folder: tempfile::TempDir,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The body; `null` if it is no JSON.
    pub(crate) json: Value,
}

impl Reply {
    /// The answer to something that must have worked.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.json);
        self.json
    }

    /// A refusal of this status and kind.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, kind: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.json);
        if self.headers[CONTENT_TYPE] == "application/fhir+json" {
            // On the routes of FHIR a problem is an OperationOutcome.
            assert_eq!(self.json["issue"][0]["details"]["coding"][0]["code"], kind, "{}", self.json);
            return self.json;
        }
        assert_eq!(self.json["type"], format!("urn:tact:problem:{kind}"), "{}", self.json);
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        self.json
    }
}

pub(crate) fn time(text: &str) -> Time {
    text.parse().unwrap()
}

/// An id that nobody else has.
pub(crate) fn any_id() -> Uuid {
    Uuid::from_u128(u128::from_be_bytes(tact_service::ids::random()))
}

/// A field that must be an id.
#[track_caller]
pub(crate) fn id(value: &Value) -> Uuid {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no id"))
}

impl Network {
    /// Starts it at [`NOON`], embedded.
    pub(crate) async fn start() -> Self {
        Self::start_with(None).await
    }

    /// The same with a dispatch file.
    pub(crate) async fn start_with(dispatch_file: Option<PathBuf>) -> Self {
        let network = Self::with(Storage::Embedded, "test".to_owned(), dispatch_file, SignIn::default(), NOON).await;
        network.begin(NOON).await
    }

    /// Starts it at another moment, embedded.
    pub(crate) async fn start_at(now: &str) -> Self {
        Self::with(Storage::Embedded, "test".to_owned(), None, SignIn::default(), now).await.begin(now).await
    }

    /// Starts it at [`NOON`] in both set-ups, with these ways to sign in.
    pub(crate) async fn both_with(sign_in: SignIn) -> [Self; 2] {
        [Self::start_to_sign_in(sign_in.clone()).await, Self::on_servers_as(None, sign_in).await]
    }

    /// Starts it at [`NOON`], embedded, with these ways to sign in.
    pub(crate) async fn start_to_sign_in(sign_in: SignIn) -> Self {
        Self::with(Storage::Embedded, "test".to_owned(), None, sign_in, NOON).await.begin(NOON).await
    }

    /// Starts it at [`NOON`] on NATS JetStream and PostgreSQL.
    pub(crate) async fn on_servers() -> Self {
        Self::on_servers_with(None).await
    }

    /// The same with a dispatch file.
    pub(crate) async fn on_servers_with(dispatch_file: Option<PathBuf>) -> Self {
        Self::on_servers_as(dispatch_file, SignIn::default()).await
    }

    async fn on_servers_as(dispatch_file: Option<PathBuf>, sign_in: SignIn) -> Self {
        let storage = Storage::Servers {
            nats: vec![Nats::shared().await.unwrap().url()],
            login: None,
            replicas: 1,
            database: Secret(Postgres::shared().await.unwrap().database().await.unwrap()),
        };
        let mut network = Self::with(storage, fresh_name("net"), dispatch_file, sign_in, NOON).await;
        network.manager = network.token(&["network_manager", "administrator"], None).await;
        let policy = json!({"version": "default", "text": tact_domain::policy::DEFAULT});
        network.post("/v1/policies", policy).await.ok();
        network.begin(NOON).await
    }

    /// The same on both set-ups, one after the other.
    pub(crate) async fn on_both(test: impl AsyncFn(&Self)) {
        for network in [Self::start().await, Self::on_servers().await] {
            test(&network).await;
            network.stop().await;
        }
    }

    async fn with(storage: Storage, network: String, dispatch_file: Option<PathBuf>, sign_in: SignIn, now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::by_hand(time(now) - chrono::Duration::minutes(10));
        let key = folder.path().join("shared.key");
        std::fs::write(&key, "5a".repeat(32)).unwrap();
        let settings = Settings {
            id_key_file: Some(key),
            signing_key_file: Some(folder.path().join("signing.key")),
            dispatch_file,
            listen: ([127, 0, 0, 1], 0).into(),
            cached_patients: 1000,
            fhir_mappings: vec![crate::tidy::root().join("tests/fhir/his.toml")],
            sign_in,
            ..Settings::new(network, folder.path(), storage)
        };
        let target = tact::roles::databases(&settings).unwrap();
        let every = <Role as clap::ValueEnum>::value_variants();
        let running = start(&settings, every, clock.clone()).await.unwrap();
        // On servers nobody is given one unasked.
        let manager = running.first_token.clone().unwrap_or_default();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { running, clock, manager, client, keys: AtomicU32::new(0), target, folder }
    }

    async fn begin(self, now: &str) -> Self {
        let network = self;
        for (code, zone) in [("north", "Europe/Moscow"), ("east", "Asia/Yekaterinburg")] {
            network.put(&format!("/v1/branches/{code}"), json!({"name": code, "time_zone": zone})).await.ok();
        }
        network.clock.set(time(now));
        network
    }

    /// Waits until everything that has happened is signed.
    pub(crate) async fn signed(&self) {
        let app = &self.running.app;
        let head = app.transactor.log().head().await.unwrap();
        assert!(app.ledger.wait_for(head, Duration::from_secs(30)).await.unwrap(), "the notary has not signed up to {head}");
    }

    /// Where its databases are.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// The clock that it goes by.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What the parts of its dispatcher share.
    pub(crate) fn desk(&self) -> &Arc<tact_dispatcher::Desk> {
        self.running.desk.as_ref().expect("it plays every role")
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.running.url
    }

    /// The folder of what is embedded.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The network's public keys, as anybody gets them.
    pub(crate) async fn keys(&self) -> String {
        let keys = self.running.app.ledger.keys().await.unwrap();
        keys.iter().map(|(key, _)| format!("{key}\n")).collect()
    }

    /// Sets the clock.
    pub(crate) fn set_clock(&self, to: &str) {
        self.clock.set(time(to));
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        self.running.url.strip_prefix("http://").unwrap()
    }

    /// A token with these roles, at these branches or at all.
    pub(crate) async fn token(&self, roles: &[&str], branches: Option<&[&str]>) -> String {
        self.new_token(roles, branches, None).await.0
    }

    /// A token of the whole network that expires.
    pub(crate) async fn token_until(&self, roles: &[&str], expires: &str) -> String {
        self.new_token(roles, None, Some(time(expires))).await.0
    }

    /// A token of the whole network, and the id to revoke it by.
    pub(crate) async fn token_with_id(&self, roles: &[&str]) -> (String, Uuid) {
        self.new_token(roles, None, None).await
    }

    async fn new_token(&self, roles: &[&str], branches: Option<&[&str]>, expires_at: Option<Time>) -> (String, Uuid) {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let token = new_token();
        let entry = Token {
            id: any_id(),
            actor: any_id(),
            label: roles.join("-"),
            roles: words(roles),
            branches: branches.map(words),
            created_at: self.clock.now(),
            expires_at,
            revoked_at: None,
        };
        assert!(self.running.app.personal.add_token(&entry, &token_hash(&token)).await.unwrap());
        (token, entry.id)
    }

    /// Takes a token back.
    pub(crate) async fn revoke(&self, token: Uuid) {
        assert!(self.running.app.personal.revoke_token(token, self.clock.now()).await.unwrap());
    }

    /// What the services of the process share.
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.running.app
    }

    /// Sends a request and gives the answer's body to be read as it comes.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> hyper::Response<hyper::body::Incoming> {
        self.client.request(request).await.unwrap()
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        let answer = self.client.request(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        // One that never ends is not read; tests/feed does.
        let endless = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let bytes = if endless { Bytes::new() } else { body.collect().await.unwrap().to_bytes() };
        Reply { status: parts.status, headers: parts.headers, json: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    /// A request with a token and JSON, under a new idempotency key; to be changed before it is sent.
    pub(crate) fn request(&self, method: &Method, path: &str, token: &str, body: Option<&Value>) -> Request<Full<Bytes>> {
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let body = body.map(Value::to_string).unwrap_or_default();
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.running.url))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", format!("key-{key}"))
            .body(Full::from(body))
            .unwrap()
    }

    pub(crate) async fn get_as(&self, token: &str, path: &str) -> Reply {
        self.send(self.request(&Method::GET, path, token, None)).await
    }

    pub(crate) async fn post_as(&self, token: &str, path: &str, body: Value) -> Reply {
        self.send(self.request(&Method::POST, path, token, Some(&body))).await
    }

    pub(crate) async fn put_as(&self, token: &str, path: &str, body: Value) -> Reply {
        self.send(self.request(&Method::PUT, path, token, Some(&body))).await
    }

    /// As the manager.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.get_as(&self.manager, path).await
    }

    /// As the manager.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.post_as(&self.manager, path, body).await
    }

    /// As the manager.
    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.put_as(&self.manager, path, body).await
    }

    /// Asks as the manager until the answer is what is waited for.
    pub(crate) async fn until_get(&self, path: &str, come: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let answer = self.get(path).await.ok();
                if come(&answer) {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), asking).await.unwrap_or_else(|_| panic!("{path} does not come to it"))
    }

    /// Registers a patient of a branch; `more` is added to the request.
    pub(crate) async fn patient(&self, branch: &str, more: Value) -> Uuid {
        let mut body = json!({"home_branch": branch});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        id(&self.post("/v1/patients", body).await.ok()["patient"])
    }

    /// Follows the log until a patient's stream holds an event of this type, and answers with its position.
    pub(crate) async fn until(&self, patient: Uuid, kind: &str) -> Position {
        self.until_times(patient, kind, 1).await
    }

    /// Follows the log until a patient's stream holds so many of them, and answers with the last one's position.
    pub(crate) async fn until_times(&self, patient: Uuid, kind: &str, mut times: usize) -> Position {
        let reader = format!("until-{}", fresh(self.clock.now()));
        let mut follow = self.running.app.transactor.log().follow(&reader, Position::START).await.unwrap();
        loop {
            let batch = follow.next(100, Duration::from_secs(30)).await.unwrap();
            assert!(!batch.events.is_empty(), "no `{kind}` came within 30 s");
            for stored in batch.events.iter().filter(|stored| stored.stream == StreamId::Patient(patient)) {
                if Recorded::<Event>::read(&stored.bytes).unwrap().event.kind() == kind {
                    times -= 1;
                    if times == 0 {
                        return stored.position;
                    }
                }
            }
        }
    }

    /// Every event of the log, as it is stored.
    pub(crate) async fn log_text(&self) -> String {
        let log = self.running.app.transactor.log();
        let head = log.head().await.unwrap();
        let reader = format!("text-{}", fresh(self.clock.now()));
        let mut follow = log.follow(&reader, Position::START).await.unwrap();
        let mut text = String::new();
        let mut come = Position::START;
        while come < head {
            for stored in follow.next(1000, Duration::from_secs(30)).await.unwrap().events {
                come = stored.position;
                text.push_str(std::str::from_utf8(&stored.bytes).unwrap());
            }
        }
        text
    }

    /// Stops it in order.
    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}
