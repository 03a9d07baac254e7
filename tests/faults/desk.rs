//! The contact and patient services on a log of the test's choosing, asked in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use hyper::{Method, Request};
use serde_json::{Value, json};
use tact_database::Target;
use tact_domain::Actor;
use tact_domain::control::{BranchListed, DirectoryEvent, PolicyPublished};
use tact_event_log::EventLog;
use tact_personal::Personal;
use tact_personal::access::Token;
use tact_read_models::ReadDb;
use tact_service::App;
use tact_service::access::{Access, new_token, token_hash};
use tact_service::app::serve;
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::transact::{Command, Transactor};
use tower::ServiceExt;
use uuid::Uuid;

use crate::network::{NOON, Reply, any_id, id, time};

/// A branch, the default policy in force, and a manager who asks.
pub(crate) struct Desk {
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
        let control = Control::new(log.clone(), "test", clock.clone());
        let command = || Command {
            event: any_id(),
            fingerprint: None,
            time: None,
            actor: Actor::System("test".into()),
            branch: None,
            cause: None,
        };
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
        let app = App {
            operator: tact_service::app::Operator::default(),
            network: "test".into(),
            clock: clock.clone(),
            keys: IdKey::new(&[7; 32]),
            transactor: Transactor::new(log, "test", clock.clone(), 100),
            control,
            access: Access::new(personal.clone()),
            personal,
            read: ReadDb::open(&target, wait).await.unwrap(),
        };
        clock.set(time(NOON));
        let (router, _) = serve(Arc::new(app), tact_contact::routes().merge(tact_patient::routes()));
        Self { clock, router, token, keys: AtomicU32::new(0), _folder: folder }
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
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, json: serde_json::from_slice(&bytes).unwrap_or_default() }
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
