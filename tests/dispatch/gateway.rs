//! Gateways as they are: one that refuses, answers 200 with an error, breaks, hangs, answers nonsense, is away, has too much to do. And the
//! signatures, held against a library that is not ours.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde_json::json;
use tact_dispatcher::points::Points;
use tact_dispatcher::signing::Secrets;
use tact_dispatcher::status::Status;
use tact_dispatcher::store::Stage;
use tact_domain::Outcome;
use tokio::net::TcpListener;

use super::{SECRET, Scene, outcome, story};
use crate::network::{NOON, time};

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_a_gateway_ends_as_what_it_proves() {
    let scene = Scene::quiet().await;
    let working = scene.dispatcher().await;
    scene.taken(&working).await;
    // The last digit says what the gateway does; whether it has the message; and what is recorded once it has been asked.
    for (digit, received, known) in [
        // Refused with 4xx: it never left us.
        (6, 0, Some(Outcome::Failed)),
        // 200 with an error: nobody knows, so it is asked; it has never had it, and never will.
        (7, 0, Some(Outcome::Failed)),
        // 500, and it has it all the same.
        (8, 1, Some(Outcome::Reached)),
        // It takes it and never answers.
        (9, 1, Some(Outcome::Reached)),
        // 202, and it tells later: nothing is known yet.
        (0, 1, None),
    ] {
        let patient = scene.patient(&format!("+7 905 731-94-6{digit}")).await;
        let permit = scene.permit(patient).await;
        let done = scene.until(&working, permit, |d| d.outcome.is_some() || (d.stage == Stage::Open && d.said.is_some())).await;
        assert_eq!(scene.gateway.sandbox.held(done.contact).map_or(0, |held| held.received), received, "{digit}");
        let recorded = match known {
            None => None,
            Some(_) => scene.until(&working, permit, |dispatch| dispatch.outcome.is_some()).await.outcome,
        };
        assert_eq!(recorded, known, "{digit}");
        assert_eq!(outcome(&scene.network, patient).await, known, "{digit}");
    }
    working.stop().await;
    scene.network.stop().await;
}

/// A gateway that answers everything alike.
async fn stubborn(status: StatusCode, body: &'static str) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let (came, coming) = tokio::sync::mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(async move |method: axum::http::Method| {
        let _ = came.send(method.to_string());
        (status, body)
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, coming)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_is_never_sent_again_and_ends_with_a_person() {
    for (status, body) in [
        (StatusCode::OK, "<html>please log in</html>"),
        (StatusCode::OK, "{\"error\": \"queue full\", \"status\": \"accepted\"}"),
        (StatusCode::OK, "{\"status\": \"perhaps\"}"),
        (StatusCode::BAD_GATEWAY, ""),
        (StatusCode::CONFLICT, "{}"),
    ] {
        let scene = Scene::quiet().await;
        let (url, mut coming) = stubborn(status, body).await;
        let working = scene.dispatcher_at(scene.desk_to(&url, Points::default()).await);
        scene.taken(&working).await;
        let patient = scene.patient("+7 905 731-94-60").await;
        let permit = scene.permit(patient).await;
        assert_eq!(coming.recv().await.as_deref(), Some("POST"), "{body}");
        assert_eq!(coming.recv().await.as_deref(), Some("GET"), "{body}");
        scene.until(&working, permit, |dispatch| dispatch.asked > 0).await;
        // Asked again and again, for three days; then a person is to say it.
        let mut asked = 0;
        for step in 0..20 {
            let at = time(NOON) + chrono::Duration::hours(7 * step);
            scene.network.clock().set(at);
            let seen = scene.until(&working, permit, |d| d.asked > asked || d.stage == Stage::Review).await;
            asked = seen.asked;
            if seen.stage == Stage::Review {
                break;
            }
        }
        let closed = scene.until(&working, permit, |dispatch| dispatch.stage == Stage::Review).await;
        assert_eq!(closed.reason.as_deref(), Some("gateway_silent"), "{body}");
        while let Ok(method) = coming.try_recv() {
            assert_eq!(method, "GET", "{body}: it was sent a second time");
        }
        assert_eq!(story(&scene.network, patient).await, ["contact.permitted", "contact.started"], "{body}");
        working.stop().await;
        scene.network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_away_is_tried_again_and_what_has_run_out_by_then_never_left_us() {
    let scene = Scene::quiet().await;
    // Nobody listens there: the connection is refused, which proves that nothing was taken.
    let away = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", away.local_addr().unwrap());
    drop(away);
    let working = scene.dispatcher_at(scene.desk_to(&url, Points::default()).await);
    scene.taken(&working).await;
    let patient = scene.patient("+7 905 731-94-60").await;
    let permit = scene.permit(patient).await;
    scene.network.until(patient, "contact.started").await;
    // Half an hour later the permit would have run out.
    scene.set_clock("2026-03-02T09:31:00Z");
    let done = scene.until(&working, permit, |dispatch| dispatch.outcome.is_some()).await;
    assert_eq!(done.outcome, Some(Outcome::Failed));
    working.stop().await;
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_has_too_much_to_do_is_left_alone_and_then_asked_once() {
    let scene = Scene::quiet().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (came, mut coming) = tokio::sync::mpsc::unbounded_channel();
    let answers = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let router = axum::Router::new().fallback(async move |headers: HeaderMap| {
        let _ = came.send(headers["webhook-id"].to_str().unwrap().to_owned());
        match answers.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], ""),
            _ => (StatusCode::ACCEPTED, [("retry-after", "1")], ""),
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let working = scene.dispatcher_at(scene.desk_to(&url, Points::default()).await);
    scene.taken(&working).await;
    let patient = scene.patient("+7 905 731-94-60").await;
    let permit = scene.permit(patient).await;
    let open = scene.until(&working, permit, |dispatch| dispatch.said.is_some()).await;
    let id = open.contact.to_string();
    assert_eq!([coming.recv().await, coming.recv().await], [Some(id.clone()), Some(id)], "both under the same id");
    working.stop().await;
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_ten_minutes_apart_lose_nothing_either_way() {
    for minutes in [-10, 10] {
        let scene = Scene::quiet().await;
        scene.gateway.clock.set(time(NOON) + chrono::Duration::minutes(minutes));
        let working = scene.dispatcher().await;
        scene.taken(&working).await;
        let patient = scene.patient("+7 905 731-94-68").await;
        let permit = scene.permit(patient).await;
        scene.until(&working, permit, |dispatch| dispatch.outcome.is_some()).await;
        assert_eq!(outcome(&scene.network, patient).await, Some(Outcome::Reached), "{minutes}");
        assert_eq!(scene.gateway.sandbox.unsigned(), 0, "{minutes}");
        working.stop().await;
        scene.network.stop().await;
    }
}

/// Runs a script of Node.js with npm's `standardwebhooks` at hand, and gives it something on standard input.
async fn node(script: &str, input: &str) -> String {
    let tools = tact_testbed::standard_webhooks().await.unwrap();
    let mut child = Command::new(&tools.node)
        .args(["-e", script])
        .current_dir(tools.packages.parent().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

/// What a receiver that is not ours makes of a request: `ok`, or its refusal.
const VERIFY: &str = "const { Webhook } = require('standardwebhooks'); const r = JSON.parse(require('fs').readFileSync(0));
    try { new Webhook(r.secret).verify(r.body, r.headers); process.stdout.write('ok'); } catch (e) { process.stdout.write(e.message); }";
const SIGN: &str = "const { Webhook } = require('standardwebhooks'); const r = JSON.parse(require('fs').readFileSync(0));
    process.stdout.write(new Webhook(r.secret).sign(r.id, new Date(r.seconds * 1000), r.body));";

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_those_of_the_standard() {
    // The library goes by the machine's clock.
    let now = tact_service::clock::Clock::machine().now();
    let new = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let both = Secrets::read(&format!("{SECRET}\n{new}")).unwrap();
    let body = "{\"id\":\"m1\",\"text\":\"Напоминаем\"}";
    let request = |at: tact_domain::Time, body: &str, secret: &str, signed: &str| {
        let headers: serde_json::Map<String, serde_json::Value> = both
            .sign("m1", at, signed.as_bytes())
            .into_iter()
            .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
            .collect();
        json!({"secret": secret, "body": body, "headers": headers}).to_string()
    };
    for secret in [SECRET, new] {
        assert_eq!(node(VERIFY, &request(now, body, secret, body)).await, "ok", "rotated");
    }
    for (refused, request) in [
        ("No matching signature found", request(now, &body.replace("m1", "m2"), SECRET, body)),
        ("No matching signature found", request(now, body, "whsec_c3Vydml2ZXNvZmFub3RoZXJnYXRld2F5", body)),
        ("Message timestamp too old", request(now - chrono::Duration::minutes(6), body, SECRET, body)),
    ] {
        assert_eq!(node(VERIFY, &request).await, refused);
    }
    // And the other way round: what it signs is taken, unless it was changed.
    let signature =
        node(SIGN, &json!({"secret": SECRET, "id": "cb1", "seconds": now.timestamp(), "body": body}).to_string()).await;
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", "cb1".parse().unwrap());
    headers.insert("webhook-timestamp", now.timestamp().to_string().parse().unwrap());
    headers.insert("webhook-signature", signature.parse().unwrap());
    assert_eq!(both.verify(&headers, body.as_bytes(), now), Ok("cb1"));
    assert!(both.verify(&headers, b"{}", now).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_what_the_sandbox_was_given() {
    let scene = Scene::quiet().await;
    let working = scene.dispatcher().await;
    scene.taken(&working).await;
    let patient = scene.patient("+7 905 731-94-60").await;
    let permit = scene.permit(patient).await;
    let open = scene.until(&working, permit, |dispatch| dispatch.said.is_some()).await;
    scene.gateway.sandbox.happen(open.contact, Status::Read, time(NOON));
    let request = hyper::Request::get(&scene.gateway.url).body(http_body_util::Full::default()).unwrap();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http::<http_body_util::Full<bytes::Bytes>>();
    let answer = tokio::time::timeout(Duration::from_secs(30), client.request(request)).await.unwrap().unwrap();
    let page = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    let page = String::from_utf8(page.to_vec()).unwrap();
    for said in ["+79057319460", "Напоминаем о записи", "delivered, read", "…9: is taken, and never answered"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    working.stop().await;
    scene.network.stop().await;
}
