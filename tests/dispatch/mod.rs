//! Calls and messages out, against a gateway that is really asked over HTTP: what leaves, how often, and what comes back.

mod callbacks;
mod calls;
mod crash;
mod gateway;
mod household;
mod last_look;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tact_dispatcher::Desk;
use tact_dispatcher::points::Points;
use tact_dispatcher::role::Dispatcher;
use tact_dispatcher::sandbox::{Options, Sandbox};
use tact_dispatcher::setup::Setup;
use tact_dispatcher::signing::Secrets;
use tact_dispatcher::store::{Dispatch, Store};
use tact_domain::patient::Event;
use tact_domain::{Outcome, Recorded};
use tact_event_log::{Freshness, Position, StreamId};
use tact_service::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::network::{NOON, Network, any_id, id, time};

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How long anything may take before a test says that it does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway that is at work, and the dispatch file that leads to it.
pub(crate) struct Gateway {
    pub(crate) sandbox: Sandbox,
    /// By its own clock, which need not be the network's.
    pub(crate) clock: Clock,
    pub(crate) url: String,
    folder: tempfile::TempDir,
    _stop: watch::Sender<bool>,
}

impl Gateway {
    pub(crate) async fn start(options: Options) -> Self {
        let clock = Clock::by_hand(time(NOON));
        let sandbox = Sandbox::new(Secrets::read(SECRET).unwrap(), clock.clone(), options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = watch::channel(false);
        let serving = sandbox.clone();
        tokio::spawn(async move { serving.serve(listener, stopped).await.unwrap() });
        let gateway = Self { sandbox, clock, url, folder: tempfile::tempdir().unwrap(), _stop: stop };
        std::fs::write(gateway.folder.path().join("gateway.secret"), SECRET).unwrap();
        gateway
    }

    /// The dispatch file, with more lines at its head.
    pub(crate) fn file(&self, more: &str) -> PathBuf {
        self.file_to(&self.url, more)
    }

    /// The same with a gateway at another address.
    pub(crate) fn file_to(&self, url: &str, more: &str) -> PathBuf {
        let text = format!(
            "callback_url = \"http://127.0.0.1:9/v1/gateway/callbacks\"\n{more}\n[branch_phones]\nnorth = \"+7 495 000-00-00\"\neast = \"+7 343 000-00-00\"\n\
             [gateway.sandbox]\nurl = \"{url}\"\nchannels = [\"sms\", \"auto_call\", \"email\", \"messenger\"]\nsecrets_file = \"gateway.secret\"\n\
             timeout_seconds = 2\n"
        );
        let path = self.folder.path().join(format!("dispatch-{}.toml", any_id()));
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// A network with a gateway, whose dispatcher the test starts, stops and breaks itself.
pub(crate) struct Scene {
    pub(crate) network: Network,
    pub(crate) gateway: Gateway,
}

/// A dispatcher at work.
pub(crate) struct Working {
    pub(crate) desk: Arc<Desk>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Working {
    /// Ends it as a power failure would.
    pub(crate) async fn crash(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        tokio::time::timeout(PATIENCE, self.task).await.expect("the dispatcher stops").unwrap();
    }
}

impl Scene {
    /// A gateway that says nothing by itself.
    pub(crate) async fn quiet() -> Self {
        Self { network: Network::start().await, gateway: Gateway::start(Options { quiet: true, ..Options::default() }).await }
    }

    /// A desk of its own.
    pub(crate) async fn desk(&self, points: Points) -> Arc<Desk> {
        self.desk_to(&self.gateway.url, points).await
    }

    pub(crate) async fn desk_to(&self, url: &str, points: Points) -> Arc<Desk> {
        let setup = Setup::read(&self.gateway.file_to(url, "")).unwrap();
        let store = Store::open(self.network.target(), Duration::from_secs(30)).await.unwrap();
        Arc::new(Desk { points, ..Desk::new(self.network.app().clone(), store, Some(setup)) })
    }

    pub(crate) async fn dispatcher(&self) -> Working {
        self.dispatcher_at(self.desk(Points::default()).await)
    }

    pub(crate) fn dispatcher_at(&self, desk: Arc<Desk>) -> Working {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(Dispatcher::new(desk.clone(), any_id()).run(stopped));
        Working { desk, stop, task }
    }

    /// Waits until a dispatcher has taken everything that the log holds now.
    pub(crate) async fn taken(&self, working: &Working) {
        let head = self.network.app().transactor.log().head().await.unwrap();
        let mut read = working.desk.read_up_to.subscribe();
        let _come = tokio::time::timeout(PATIENCE, read.wait_for(|at| *at >= head)).await.expect("it reads on").unwrap();
    }

    /// A patient with this number and an appointment tomorrow morning.
    pub(crate) async fn patient(&self, phone: &str) -> Uuid {
        patient(&self.network, phone).await
    }

    pub(crate) async fn permit(&self, patient: Uuid) -> Uuid {
        permit(&self.network, patient, "appointment_reminder", "sms").await
    }

    /// Moves both clocks.
    pub(crate) fn set_clock(&self, to: &str) {
        self.network.set_clock(to);
        self.gateway.clock.set(time(to));
    }

    /// Waits until a dispatch stands so.
    pub(crate) async fn until(&self, working: &Working, permit: Uuid, come: impl Fn(&Dispatch) -> bool) -> Dispatch {
        let contact = working.desk.contact_of(permit);
        let looking = async {
            loop {
                let found = working.desk.store.of_contact(contact).await.unwrap();
                if let Some(found) = found.filter(|found| come(found)) {
                    return found;
                }
                tokio::task::yield_now().await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(found) => found,
            Err(_) => panic!("it does not come to it: {:?}", working.desk.store.of_contact(contact).await.unwrap()),
        }
    }
}

pub(crate) async fn patient(network: &Network, phone: &str) -> Uuid {
    let person = json!({"person": {"name": "Анна Образцова", "phone": phone, "email": "anna0@example.org"}, "language": "ru"});
    let patient = network.patient("north", person).await;
    let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-03T09:30:00+03:00"});
    network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
    patient
}

pub(crate) async fn permit(network: &Network, patient: Uuid, purpose: &str, channel: &str) -> Uuid {
    let ask = json!({"purpose": purpose, "channel": channel, "branch": "north"});
    let answer = network.post(&format!("/v1/patients/{patient}/permits"), ask).await.ok();
    assert_eq!(answer["decision"], "permitted", "{answer}");
    id(&answer["permit"])
}

/// The events of a patient's stream.
pub(crate) async fn events(network: &Network, patient: Uuid) -> Vec<Recorded> {
    let log = network.app().transactor.log();
    let stored = log.read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await.unwrap();
    stored.iter().map(|stored| Recorded::read(&stored.bytes).unwrap()).collect()
}

/// The types of the events about contacts.
pub(crate) async fn story(network: &Network, patient: Uuid) -> Vec<&'static str> {
    let kinds = events(network, patient).await.into_iter().map(|recorded| recorded.event.kind());
    kinds.filter(|kind| kind.starts_with("contact.") || kind.starts_with("consent.")).collect()
}

/// How the patient's only contact ended, as the state has it.
pub(crate) async fn outcome(network: &Network, patient: Uuid) -> Option<Outcome> {
    let known = network.app().transactor.patient_now(patient).await.unwrap();
    assert!(known.state.contacts.len() <= 1, "{:?}", known.state.contacts);
    let contact = known.state.contacts.first()?;
    assert!(!contact.breach, "it was made under its permit");
    Some(contact.outcome)
}

fn how_often(events: &[Recorded], wanted: &str) -> usize {
    events.iter().filter(|recorded| recorded.event.kind() == wanted).count()
}

/// The whole way, on both set-ups.
async fn there_and_back(network: &Network, gateway: &Gateway) {
    gateway.sandbox.tell_at(&format!("{}/v1/gateway/callbacks", network.url()));
    let patient = patient(network, "8 (905) 731-94-60").await;
    let permit = permit(network, patient, "appointment_reminder", "sms").await;
    network.until(patient, "contact.made").await;
    let contact = network.desk().contact_of(permit);
    let held = gateway.sandbox.held(contact).expect("the gateway has it");
    assert_eq!(held.received, 1);
    let message: &Value = &held.message;
    assert_eq!(message["to"], "+79057319460");
    assert_eq!(
        message["text"],
        "Напоминаем о записи: north, 3 марта в 09:30. Если не сможете прийти, позвоните: +7 495 000-00-00"
    );
    assert_eq!((&message["language"], &message["channel"]), (&json!("ru"), &json!("sms")));
    assert_eq!(story(network, patient).await, ["contact.permitted", "contact.started", "contact.made"]);
    assert_eq!(outcome(network, patient).await, Some(Outcome::Reached));
    let events = events(network, patient).await;
    let Some(Event::Started(started)) = events.iter().map(|r| &r.event).find(|event| event.kind() == "contact.started") else {
        panic!("it began")
    };
    assert_eq!(started.contact, contact);
    // And nothing of the number or the text stands in the log.
    let log = network.log_text().await;
    assert!(!log.contains("9057319460") && !log.contains("Напоминаем"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permitted_reminder_goes_out_and_comes_back_as_an_outcome() {
    for on_servers in [false, true] {
        let gateway = Gateway::start(Options::default()).await;
        let file = Some(gateway.file(""));
        let network = if on_servers { Network::on_servers_with(file).await } else { Network::start_with(file).await };
        there_and_back(&network, &gateway).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_that_is_switched_on_goes_out_by_itself_once() {
    let gateway = Gateway::start(Options::default()).await;
    let network = Network::start_with(Some(gateway.file("automatic = [\"appointment_reminder\"]"))).await;
    gateway.sandbox.tell_at(&format!("{}/v1/gateway/callbacks", network.url()));
    // Booked so early that its reminder is on the worklist.
    let patient = patient(&network, "+7 905 731-94-61").await;
    let prefers_people = patient_for_later(&network, "+7 905 731-94-62").await;
    let later = patient_for_later(&network, "+7 905 731-94-60").await;
    let path = format!("/v1/patients/{prefers_people}/preferences");
    network.post(&path, json!({"preferred_channel": "phone"})).await.ok();
    for to in ["2026-03-05T09:00:00Z", "2026-03-05T10:00:00Z"] {
        network.set_clock(to);
        gateway.clock.set(time(to));
        network.until(later, "contact.made").await;
    }
    assert_eq!(outcome(&network, later).await, Some(Outcome::Reached));
    assert_eq!(story(&network, prefers_people).await, ["consent.preference_set"], "they are left to people");
    // The window of the first had opened when it was booked: they were just told.
    assert_eq!(story(&network, patient).await, [""; 0]);
    assert_eq!(gateway.sandbox.all().len(), 1);
    network.stop().await;
}

async fn patient_for_later(network: &Network, phone: &str) -> Uuid {
    let patient = network.patient("north", json!({"person": {"name": "Пётр", "phone": phone}})).await;
    let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-06T11:00:00+03:00"});
    network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
    patient
}
