//! Clients that hold a connection without getting on, and how a server that is told to stop gets rid of them.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use serde_json::json;
use tact::listener::{Limits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::network::Network;
use crate::processes::{PATIENCE, Process, command};

/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(3600);

struct Listening {
    address: String,
    stop: watch::Sender<bool>,
    serving: tokio::task::JoinHandle<()>,
}

async fn listening(router: Router, limits: Limits) -> Listening {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = watch::channel(false);
    Listening { address, stop, serving: tokio::spawn(serve(listener, router, limits, stopped)) }
}

fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

async fn connected(address: &str, first: &[u8]) -> TcpStream {
    let mut connection = TcpStream::connect(address).await.unwrap();
    connection.write_all(first).await.unwrap();
    connection
}

/// Reads until the server hangs up.
async fn to_the_end(connection: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A connection that is reset has ended too.
    let _ = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut bytes)).await.expect("the server hangs up");
    String::from_utf8(bytes).unwrap()
}

const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nHost: tact\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_half_a_head_or_nothing_is_cut_off() {
    let limits = Limits { head: Duration::from_millis(50), drain: NEVER };
    let server = listening(hello(), limits).await;
    for first in [&b"GET / HTTP/1.1\r\nHost: ta"[..], b"", b"G"] {
        let mut slow = connected(&server.address, first).await;
        assert!(!to_the_end(&mut slow).await.contains("hello"));
    }
    // Who gets on is answered, and let go when nothing more comes.
    let mut idle = connected(&server.address, WHOLE).await;
    assert!(to_the_end(&mut idle).await.ends_with("hello"));
    server.stop.send_replace(true);
    server.serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_finishes_what_is_under_way_and_waits_for_nobody_else() {
    let (begun, at_work) = oneshot::channel();
    let (finish, finished) = oneshot::channel();
    let held = std::sync::Arc::new(std::sync::Mutex::new(Some((begun, finished))));
    let long = move || {
        let taken = held.lock().unwrap().take();
        async move {
            let (begun, finished) = taken.unwrap();
            begun.send(()).unwrap();
            finished.await.unwrap();
            "done"
        }
    };
    let router = hello().route("/long", get(long));
    let server = listening(router, Limits { head: NEVER, drain: NEVER }).await;
    let mut idle = connected(&server.address, WHOLE).await;
    let mut answer = [0; 512];
    assert!(idle.read(&mut answer).await.unwrap() > 0);
    let mut long = connected(&server.address, b"GET /long HTTP/1.1\r\nHost: tact\r\n\r\n").await;
    at_work.await.unwrap();
    server.stop.send_replace(true);
    // The idle connection ends at once, although the client would keep it.
    assert_eq!(to_the_end(&mut idle).await, "");
    finish.send(()).unwrap();
    assert!(to_the_end(&mut long).await.ends_with("done"));
    server.serving.await.unwrap();
    assert!(TcpStream::connect(&server.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_ends_is_cut_off_when_the_time_to_stop_is_up() {
    let (begun, mut at_work) = tokio::sync::mpsc::channel(1);
    let router = Router::new().route(
        "/",
        get(async move || {
            begun.send(()).await.unwrap();
            std::future::pending::<&str>().await
        }),
    );
    let server = listening(router, Limits { head: NEVER, drain: Duration::from_millis(50) }).await;
    let mut long = connected(&server.address, WHOLE).await;
    let mut half = connected(&server.address, b"GET / HT").await;
    at_work.recv().await.unwrap();
    server.stop.send_replace(true);
    server.serving.await.unwrap();
    assert_eq!(to_the_end(&mut long).await, "");
    to_the_end(&mut half).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let network = Network::start().await;
    let head = format!(
        "POST /v1/patients HTTP/1.1\r\nHost: tact\r\nAuthorization: Bearer {}\r\nIdempotency-Key: slow\r\nContent-Type: application/json\r\n\
         Content-Length: 23\r\n\r\n{{\"home_",
        network.manager
    );
    let mut slow = connected(network.address(), head.as_bytes()).await;
    let answer = to_the_end(&mut slow).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("urn:tact:problem:too_slow"), "{answer}");
    // The key was not used up by it.
    let mut request =
        network.request(&hyper::Method::POST, "/v1/patients", &network.manager, Some(&json!({"home_branch": "north"})));
    request.headers_mut().insert("idempotency-key", "slow".parse().unwrap());
    assert_eq!(network.send(request).await.ok()["repeated"], false);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_stops_with_connections_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&["serve"]).await;
    command.env("TACT_DATA", folder.path()).env("TACT_LISTEN", "127.0.0.1:0");
    let process = Process::start(command).await;
    let address = process.url.strip_prefix("http://").unwrap().to_owned();
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut connection = connected(&address, b"GET /livez HTTP/1.1\r\nHost: tact\r\n\r\n").await;
        let mut answer = [0; 512];
        let read = connection.read(&mut answer).await.unwrap();
        assert!(answer[..read].ends_with(b"ok"));
        idle.push(connection);
    }
    process.stop().await;
    for connection in &mut idle {
        assert_eq!(to_the_end(connection).await, "");
    }
}
