//! A gateway that sends nothing: for demonstrations and tests. It keeps what it is given in memory, shows it on a page, and behaves as the last
//! digit of the number says.
//!
//! It must never be given real patients' numbers: it shows them to whoever opens its page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::{Value, json};
use tact_domain::Time;
use tact_service::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::signing::Secrets;
use crate::status::Status;

/// How long it waits before it tells something again that was not taken.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it tells something before it gives up.
const TRIES: usize = 600;

/// How it behaves beside what the digits say.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// It tells nothing by itself.
    pub quiet: bool,
    /// It tells everything twice.
    pub twice: bool,
    /// It tells what happened last first.
    pub out_of_order: bool,
    /// It waits so long before it tells anything.
    pub late: Duration,
    /// It answers a message only after so long.
    pub slow: Duration,
}

/// What it keeps of a message.
#[derive(Debug, Clone)]
pub struct Held {
    /// As it came.
    pub message: Value,
    /// How often it came.
    pub received: usize,
    /// What has become of it, in order.
    pub happened: Vec<(Status, Time)>,
}

#[derive(Debug, Default)]
struct Kept {
    held: BTreeMap<Uuid, Held>,
    void: BTreeSet<Uuid>,
    /// How often something came that was refused: by id.
    refused: BTreeMap<Uuid, usize>,
    unsigned: usize,
}

#[derive(Debug)]
struct Shared {
    secrets: Secrets,
    clock: Clock,
    options: Options,
    kept: Mutex<Kept>,
    came: Notify,
    client: Client<HttpConnector, Full<Bytes>>,
    telling: Mutex<JoinSet<()>>,
    tell_at: Mutex<Option<String>>,
}

/// A sandbox at work; a clone is the same one.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Shared>);

/// How a message is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Taken,
    Refused,
    Error,
    Broken,
    Hangs,
}

/// What the last digit of a number stands for, as the page and the documents say it.
pub const DIGITS: [(char, &str); 10] = [
    ('0', "arrives: delivered, answered"),
    ('1', "nobody answers"),
    ('2', "busy"),
    ('3', "somebody else's number"),
    ('4', "arrives, and the person asks to be left alone"),
    ('5', "a machine answers; a text cannot be delivered"),
    ('6', "is refused (422)"),
    ('7', "is answered with 200 and an error, and not taken"),
    ('8', "is taken, and answered with 500"),
    ('9', "is taken, and never answered"),
];

#[derive(Debug, Deserialize)]
struct Incoming {
    id: Uuid,
    channel: String,
    to: String,
    valid_until: Time,
    callback_url: String,
}

impl Incoming {
    /// The last digit of a number, or of what stands before the @.
    fn digit(&self) -> char {
        let name = self.to.split('@').next().unwrap_or_default();
        name.chars().last().filter(char::is_ascii_digit).unwrap_or('0')
    }

    fn way(&self) -> Way {
        match self.digit() {
            '6' => Way::Refused,
            '7' => Way::Error,
            '8' => Way::Broken,
            '9' => Way::Hangs,
            _ => Way::Taken,
        }
    }

    fn fate(&self) -> Vec<Status> {
        let call = self.channel == "auto_call";
        match self.digit() {
            '1' if call => vec![Status::Sent, Status::NoAnswer],
            '1' => vec![Status::Sent, Status::Expired],
            '2' if call => vec![Status::Sent, Status::Busy],
            '2' => vec![Status::Sent, Status::Undeliverable],
            '3' => vec![Status::Sent, Status::WrongNumber],
            '4' if call => vec![Status::Sent, Status::Answered, Status::OptedOut],
            '4' => vec![Status::Sent, Status::Delivered, Status::OptedOut],
            '5' if call => vec![Status::Sent, Status::Voicemail],
            '5' => vec![Status::Sent, Status::Undeliverable],
            _ if call => vec![Status::Sent, Status::Answered],
            _ => vec![Status::Sent, Status::Delivered],
        }
    }
}

fn said(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

impl Sandbox {
    /// A sandbox that shares these secrets.
    pub fn new(secrets: Secrets, clock: Clock, options: Options) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (kept, telling, tell_at) = (Mutex::default(), Mutex::new(JoinSet::new()), Mutex::default());
        Self(Arc::new(Shared { secrets, clock, options, kept, came: Notify::new(), client, telling, tell_at }))
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// Whatever keeps it from listening.
    pub async fn serve(&self, listener: TcpListener, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
        let router = Router::new()
            .route("/", get(page))
            .route("/readyz", get(async || "ok"))
            .route("/messages", post(take))
            .route("/messages/{id}", get(status).delete(void))
            .with_state(self.clone());
        // What hangs is not waited for.
        tokio::select! {
            served = async { axum::serve(listener, router).await } => served,
            _ = stop.wait_for(|stop| *stop) => Ok(()),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it keeps of a message.
    pub fn held(&self, id: Uuid) -> Option<Held> {
        self.kept().held.get(&id).cloned()
    }

    /// Everything that it keeps.
    pub fn all(&self) -> Vec<(Uuid, Held)> {
        self.kept().held.iter().map(|(id, held)| (*id, held.clone())).collect()
    }

    /// How often it has refused a message.
    pub fn refused(&self, id: Uuid) -> usize {
        self.kept().refused.get(&id).copied().unwrap_or_default()
    }

    /// Whether it has promised never to take a message.
    pub fn is_void(&self, id: Uuid) -> bool {
        self.kept().void.contains(&id)
    }

    /// How many requests came that were not signed, or with other secrets.
    pub fn unsigned(&self) -> usize {
        self.kept().unsigned
    }

    /// Waits until it keeps so many messages.
    pub async fn until(&self, messages: usize) {
        loop {
            let came = self.0.came.notified();
            if self.kept().held.len() >= messages {
                return;
            }
            came.await;
        }
    }

    /// Has something happen to a message, without telling anybody.
    pub fn happen(&self, id: Uuid, status: Status, at: Time) {
        if let Some(held) = self.kept().held.get_mut(&id) {
            held.happened.push((status, at));
        }
    }

    /// From now on tells everything at this address, whatever a message says.
    pub fn tell_at(&self, url: &str) {
        *self.0.tell_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(url.to_owned());
    }

    /// Tells something of a message to whoever sent it, once: the answer's status, if there is an answer.
    pub async fn tell(&self, id: Uuid, status: Status, at: Time) -> Option<StatusCode> {
        let url = self.held(id)?.message["callback_url"].as_str()?.to_owned();
        self.tell_of(&url, id, status, at).await
    }

    async fn tell_of(&self, url: &str, id: Uuid, status: Status, at: Time) -> Option<StatusCode> {
        let elsewhere = self.0.tell_at.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let url = elsewhere.as_deref().unwrap_or(url);
        let body = json!({"message": id, "status": status, "at": at}).to_string();
        let callback = format!("{id}_{status}");
        let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in self.0.secrets.sign(&callback, self.0.clock.now(), body.as_bytes()) {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(body)).ok()?;
        let answer = self.0.client.request(request).await.ok()?;
        let status = answer.status();
        // Read to its end, so that the connection is used again.
        answer.into_body().collect().await.ok()?;
        Some(status)
    }

    /// Tells what becomes of a message.
    async fn tell_all(self, url: String, id: Uuid, mut happened: Vec<(Status, Time)>) {
        let Options { quiet, twice, out_of_order, late, .. } = self.0.options.clone();
        if quiet {
            return;
        }
        tokio::time::sleep(late).await;
        if out_of_order {
            happened.reverse();
        }
        let times = if twice { 2 } else { 1 };
        for (status, at) in happened {
            for _ in 0..times {
                for _ in 0..TRIES {
                    if self.tell_of(&url, id, status, at).await.is_some_and(|answer| answer.is_success()) {
                        break;
                    }
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// The id of a signed request, or the answer to one that is not.
    fn verified(&self, headers: &HeaderMap, body: &[u8], wanted: Option<String>) -> Result<String, Box<Response>> {
        let verified = self.0.secrets.verify(headers, body, self.0.clock.now());
        let refuse = |error: String| {
            self.kept().unsigned += 1;
            Box::new(said(StatusCode::UNAUTHORIZED, &json!({"error": error})))
        };
        match verified {
            Ok(id) if wanted.as_ref().is_none_or(|wanted| wanted == id) => Ok(id.to_owned()),
            Ok(_) => Err(refuse("`webhook-id` is of another request".to_owned())),
            Err(error) => Err(refuse(error.to_string())),
        }
    }
}

async fn take(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    let signed = match sandbox.verified(&headers, &body, None) {
        Ok(id) => id,
        Err(refused) => return *refused,
    };
    let incoming: Incoming = match serde_json::from_slice(&body) {
        Ok(incoming) => incoming,
        Err(error) => return said(StatusCode::BAD_REQUEST, &json!({"error": error.to_string()})),
    };
    let id = incoming.id;
    if signed != id.to_string() {
        return said(StatusCode::BAD_REQUEST, &json!({"error": "`webhook-id` is not the message's `id`"}));
    }
    let way = incoming.way();
    let happened: Vec<(Status, Time)>;
    {
        let mut kept = sandbox.kept();
        if kept.void.contains(&id) {
            *kept.refused.entry(id).or_default() += 1;
            return said(StatusCode::GONE, &json!({"status": "void"}));
        }
        if let Some(held) = kept.held.get_mut(&id) {
            held.received += 1;
            let status = held.happened.last().map_or(Status::Accepted, |(status, _)| *status);
            return said(StatusCode::OK, &json!({"status": status}));
        }
        let expired = incoming.valid_until <= sandbox.0.clock.now();
        if way == Way::Refused || expired {
            *kept.refused.entry(id).or_default() += 1;
            let reason = if expired { "it is no longer valid" } else { "the number ends in 6" };
            return said(StatusCode::UNPROCESSABLE_ENTITY, &json!({"status": "refused", "reason": reason}));
        }
        if way == Way::Error {
            *kept.refused.entry(id).or_default() += 1;
            return said(StatusCode::OK, &json!({"error": "the number ends in 7"}));
        }
        let message = serde_json::from_slice(&body).unwrap_or_default();
        // What becomes of it is known from the start; when it is told is another question.
        let now = sandbox.0.clock.now();
        let fate = incoming.fate().into_iter().zip(0..);
        happened = fate.map(|(status, at)| (status, now + chrono::Duration::milliseconds(at))).collect();
        kept.held.insert(id, Held { message, received: 1, happened: happened.clone() });
    }
    sandbox.0.came.notify_waiters();
    let telling = sandbox.clone().tell_all(incoming.callback_url, id, happened);
    sandbox.0.telling.lock().unwrap_or_else(PoisonError::into_inner).spawn(telling);
    match way {
        Way::Hangs => std::future::pending().await,
        Way::Broken => said(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": "the number ends in 8"})),
        _ => {
            tokio::time::sleep(sandbox.0.options.slow).await;
            said(StatusCode::ACCEPTED, &json!({"status": "accepted"}))
        }
    }
}

async fn status(State(sandbox): State<Sandbox>, Path(id): Path<Uuid>, headers: HeaderMap) -> Response {
    if let Err(refused) = sandbox.verified(&headers, b"", Some(format!("status_{id}"))) {
        return *refused;
    }
    let kept = sandbox.kept();
    match kept.held.get(&id) {
        Some(held) => match held.happened.last() {
            Some((status, at)) => said(StatusCode::OK, &json!({"status": status, "at": at})),
            None => said(StatusCode::OK, &json!({"status": "accepted"})),
        },
        None if kept.void.contains(&id) => said(StatusCode::GONE, &json!({"status": "void"})),
        None => said(StatusCode::NOT_FOUND, &json!({"status": "unknown"})),
    }
}

async fn void(State(sandbox): State<Sandbox>, Path(id): Path<Uuid>, headers: HeaderMap) -> Response {
    if let Err(refused) = sandbox.verified(&headers, b"", Some(format!("void_{id}"))) {
        return *refused;
    }
    let mut kept = sandbox.kept();
    if let Some(held) = kept.held.get(&id) {
        let (status, at) = held.happened.last().copied().unwrap_or((Status::Accepted, sandbox.0.clock.now()));
        return said(StatusCode::OK, &json!({"status": status, "at": at}));
    }
    kept.void.insert(id);
    said(StatusCode::OK, &json!({"status": "void"}))
}

/// What it has been given, for people.
async fn page(State(sandbox): State<Sandbox>) -> Html<String> {
    let mut html = "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>Sandbox gateway</title>\
        <style>body{font:16px sans-serif;margin:2em}td,th{padding:.3em .6em;text-align:left;vertical-align:top;border-bottom:1px solid #ccc}</style>\
        <h1>Sandbox gateway</h1><p>Nothing is sent. The last digit of the number says what happens:</p><ul>"
        .to_owned();
    for (digit, what) in DIGITS {
        let _ = write!(html, "<li>…{digit}: {}</li>", escaped(what));
    }
    html.push_str("</ul><table><tr><th>Channel</th><th>To</th><th>Text</th><th>Received</th><th>What happened</th></tr>");
    for (_, held) in sandbox.all() {
        let field = |name: &str| escaped(held.message[name].as_str().unwrap_or_default());
        let happened: Vec<&str> = held.happened.iter().map(|(status, _)| status.as_str()).collect();
        let (channel, to, text) = (field("channel"), field("to"), field("text"));
        let (received, happened) = (held.received, happened.join(", "));
        let _ = write!(html, "<tr><td>{channel}</td><td>{to}</td><td>{text}</td><td>{received}</td><td>{happened}</td></tr>");
    }
    html.push_str("</table></html>");
    Html(html)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
