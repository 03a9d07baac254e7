//! The contact and patient services and the notary on a log of the test's choosing, asked in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tact_database::Target;
use tact_domain::control::{BranchListed, DirectoryEvent, PolicyPublished};
use tact_domain::{Actor, Recorded};
use tact_event_log::{EventLog, Position, StreamId};
use tact_ledger::{Ledger, keys};
use tact_notary::publish::Publisher;
use tact_notary::role::Notary;
use tact_personal::Personal;
use tact_personal::access::Token;
use tact_read_models::ReadDb;
use tact_service::App;
use tact_service::access::{Access, new_token, token_hash};
use tact_service::app::serve;
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::number::Numbers;
use tact_service::transact::{Command, Transactor};
use tower::ServiceExt;
use uuid::Uuid;

use crate::network::{NOON, Reply, any_id, id, time};

/// The network's code.
pub(crate) const NETWORK: &str = "net";

/// A branch, the default policy in force, and a manager who asks.
pub(crate) struct Desk {
    pub(crate) app: Arc<App>,
    pub(crate) clock: Clock,
    router: Router,
    token: String,
    keys: AtomicU32,
    _folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) async fn on(log: Arc<dyn EventLog>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::sqlite(folder.path());
        let clock = Clock::by_hand(time(NOON) - chrono::Duration::minutes(10));
        let wait = Duration::from_secs(10);
        let personal = Personal::open(&target, wait).await.unwrap();
        let control = Control::new(log.clone(), NETWORK, clock.clone());
        let command = || Command {
            event: any_id(),
            fingerprint: None,
            time: None,
            actor: Actor::System("test".into()),
            branch: None,
            cause: None,
        };
        let key_file = folder.path().join("signing.key");
        keys::make(&key_file, NETWORK, &[5; 32]).unwrap();
        let text = tact_domain::policy::DEFAULT;
        let policy = PolicyPublished {
            version: "default".into(),
            text: text.to_owned(),
            sha256: hex::encode(tact_domain::envelope::hash(text.as_bytes())),
            effective_from: clock.now() + chrono::Duration::minutes(2),
        };
        control.publish(&command(), policy).await.unwrap();
        let branch: BranchListed =
            serde_json::from_value(json!({"branch": "north", "name": "North", "time_zone": "Europe/Moscow", "services": []}))
                .unwrap();
        control.note(&command(), DirectoryEvent::BranchListed(branch)).await.unwrap();
        let token = new_token();
        let entry = Token {
            id: any_id(),
            actor: any_id(),
            label: "manager".to_owned(),
            roles: vec!["network_manager".to_owned()],
            branches: None,
            created_at: clock.now(),
            expires_at: None,
            revoked_at: None,
        };
        assert!(personal.add_token(&entry, &token_hash(&token)).await.unwrap());
        let keys = IdKey::new(&[7; 32]);
        let numbers = Numbers::new(log.clone(), NETWORK, clock.clone(), keys.clone(), Arc::new(personal.clone()));
        let app = App {
            numbers,
            network: NETWORK.into(),
            operator: tact_service::app::Operator::default(),
            themes: Arc::new(tact_service::themes::Themes::shipped()),
            strangers_kept_days: 30,
            clock: clock.clone(),
            keys,
            transactor: Transactor::new(log, NETWORK, clock.clone(), 100),
            control,
            access: Access::new(personal.clone()),
            personal,
            read: ReadDb::open(&target, wait).await.unwrap(),
            ledger: Ledger::open(&target, NETWORK, wait).await.unwrap(),
            signing_key_file: Some(key_file),
        };
        clock.set(time(NOON));
        let app = Arc::new(app);
        let routes = tact_contact::routes().merge(tact_patient::routes()).merge(tact_notary::routes());
        let router = serve(app.clone(), routes).0.merge(tact_notary::open::routes(app.clone()));
        Self { app, clock, router, token, keys: AtomicU32::new(0), _folder: folder }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("idempotency-key", format!("key-{key}"))
            .body(Body::from(body.map(|body| body.to_string()).unwrap_or_default()))
            .unwrap();
        let (parts, bytes) = self.answer(request).await;
        Reply { status: parts.status, headers: parts.headers, json: serde_json::from_slice(&bytes).unwrap_or_default() }
    }

    async fn answer(&self, request: Request<Body>) -> (hyper::http::response::Parts, axum::body::Bytes) {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        (parts, to_bytes(body, usize::MAX).await.unwrap())
    }

    /// What somebody without a token gets.
    pub(crate) async fn bytes(&self, path: &str) -> (StatusCode, axum::body::Bytes) {
        let (parts, bytes) = self.answer(Request::builder().uri(path).body(Body::empty()).unwrap()).await;
        (parts.status, bytes)
    }

    /// A notary of this network, which signs when it is told to.
    pub(crate) fn notary(&self) -> Notary {
        let log = self.app.transactor.log().clone();
        let file = self.app.signing_key_file.clone().unwrap();
        Notary::new(log.clone(), self.app.ledger.clone(), self.clock.clone(), file, Publisher::new(log, None))
    }

    /// Carries out everything that what happened so far sets off.
    pub(crate) async fn react(&self) {
        let (transactor, keys) = (&self.app.transactor, &self.app.keys);
        let mut follow = transactor.log().follow("reactions", Position::START).await.unwrap();
        loop {
            let batch = follow.next(1000, Duration::ZERO).await.unwrap();
            if batch.events.is_empty() {
                return;
            }
            for stored in batch.events {
                let StreamId::Patient(patient) = stored.stream else { continue };
                let recorded = Recorded::read(&stored.bytes).unwrap();
                tact_service::react::react(transactor, keys, &recorded, patient).await.unwrap();
            }
        }
    }

    /// The history of a patient, handed out.
    pub(crate) async fn history(&self, patient: Uuid, more: Value) -> Vec<u8> {
        let mut body = json!({"purpose": "complaint"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        let key = self.keys.fetch_add(1, Ordering::Relaxed);
        let request = Request::post(format!("/v1/patients/{patient}/history-exports"))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("idempotency-key", format!("key-{key}"))
            .body(Body::from(body.to_string()))
            .unwrap();
        let (parts, bytes) = self.answer(request).await;
        assert_eq!(parts.status, StatusCode::OK, "{}", String::from_utf8_lossy(&bytes));
        bytes.to_vec()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// A patient who wants to be called back.
    pub(crate) async fn patient(&self) -> Uuid {
        let patient = id(&self.post("/v1/patients", json!({"home_branch": "north"})).await.ok()["patient"]);
        self.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
        patient
    }
}
