//! Tact as it is shipped: the real program, started as separate processes on embedded storage or on real servers, asked over HTTP, stopped and
//! killed by its own process id. What it says on standard output and standard error is kept.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use sqlx::Connection;
use tact::roles::Role;
use tact::settings::{Secret, Settings, Storage};
use tact_domain::Time;
use tact_personal::access::Token;
use tact_service::access::{new_token, token_hash};
use tact_service::clock::Clock;
use tact_testbed::fresh_name;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{OnceCell, watch};

use crate::network::{NOON, Reply, any_id, time};

/// How long anything may take before a test says that it does not come. Only a failing test ever waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// The program, built as the tests were. Built once for all of them; when nothing has changed, that costs a moment.
pub(crate) async fn program() -> &'static Path {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT
        .get_or_init(|| async {
            // target/debug/deps/all-0123456789abcdef
            let this = std::env::current_exe().unwrap();
            let profile = this.ancestors().nth(2).unwrap().to_owned();
            let target = profile.parent().unwrap();
            let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
            build.args(["build", "--quiet", "--package", "tact", "--bin", "tact", "--target-dir"]).arg(target);
            if profile.file_name() == Some(OsStr::new("release")) {
                build.arg("--release");
            }
            let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).output().await.unwrap();
            assert!(built.status.success(), "tact cannot be built: {}", String::from_utf8_lossy(&built.stderr));
            profile.join("tact")
        })
        .await
}

/// A command line of the program that knows nothing of this machine's settings.
pub(crate) async fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program().await);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("TACT_")) {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("RUST_LOG", "info").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// What a program that has ended leaves behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The one line that says why: those of the log aside.
    pub(crate) fn said(&self) -> Vec<&str> {
        self.stderr.lines().filter(|line| line.starts_with("tact: ")).collect()
    }
}

/// Runs it to its end.
pub(crate) async fn ended(mut command: Command) -> Ended {
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the program does not end").unwrap();
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A server process.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stdout: watch::Receiver<String>,
    stderr: watch::Receiver<String>,
    pub(crate) url: String,
}

impl Process {
    /// Starts a server, and waits until it listens.
    pub(crate) async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = collected(child.stdout.take().unwrap());
        let mut stderr = collected(child.stderr.take().unwrap());
        let said = tokio::time::timeout(PATIENCE, stderr.wait_for(|said| said.contains("its routes are at"))).await;
        let up = matches!(said, Ok(Ok(_)));
        drop(said);
        let heard = stderr.borrow().clone();
        assert!(up, "the server does not come up:\n{heard}");
        let url = url_in(&heard);
        Self { child, stdout, stderr, url }
    }

    /// Everything it has said on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.borrow().clone()
    }

    /// Everything it has said on standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.borrow().clone()
    }

    /// Waits until its first line on standard output is there: an administrator's token.
    pub(crate) async fn first_token(&mut self) -> String {
        let said = tokio::time::timeout(PATIENCE, self.stdout.wait_for(|said| said.ends_with('\n'))).await;
        said.expect("no token is printed").unwrap().trim().to_owned()
    }

    /// Kills it at once, as a power failure would.
    pub(crate) async fn kill(&mut self) {
        self.child.start_kill().unwrap();
        self.child.wait().await.unwrap();
    }

    /// Sends a signal by name.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        // A builtin of the shell, since the program `kill` is not on every machine.
        assert!(Command::new("sh").args(["-c", "kill -\"$1\" \"$0\"", &id, name]).status().await.unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not end:\n{}", *self.stderr.borrow())).unwrap()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) -> String {
        self.signal("TERM").await;
        let status = self.ended().await;
        assert_eq!((status.code(), status.signal()), (Some(0), None), "{}", self.stderr());
        self.stderr()
    }
}

fn url_in(said: &str) -> String {
    let after = said.split_once("Tact listens on ").unwrap().1;
    after.split_once(';').unwrap().0.to_owned()
}

/// Reads everything as it comes.
fn collected(stream: impl AsyncRead + Unpin + Send + 'static) -> watch::Receiver<String> {
    let (sender, receiver) = watch::channel(String::new());
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
            sender.send_modify(|all| all.push_str(&String::from_utf8_lossy(&line)));
            line.clear();
        }
    });
    receiver
}

/// Somebody with a token who asks a server.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    client: Client<HttpConnector, Full<Bytes>>,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Caller {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        Self { client: Client::builder(TokioExecutor::new()).build_http(), url: url.to_owned(), token: token.to_owned() }
    }

    /// The same caller at another server.
    pub(crate) fn at(&self, server: &Process) -> Self {
        Self { url: server.url.clone(), ..self.clone() }
    }

    /// Asks; `None` if the connection breaks before the answer is there.
    pub(crate) async fn try_send(&self, method: Method, path: &str, key: &str, body: Option<&Value>) -> Option<Reply> {
        // One resource is one line of those that are sent together.
        let kind = if path.contains("$import") { "application/fhir+ndjson" } else { "application/json" };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, kind)
            .header("Idempotency-Key", key)
            .body(Full::from(body.map(Value::to_string).unwrap_or_default()))
            .unwrap();
        let (parts, body) = self.client.request(request).await.ok()?.into_parts();
        // One that never ends is not read; tests/feed does.
        let endless = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
        let bytes = if endless { Bytes::new() } else { body.collect().await.ok()?.to_bytes() };
        Some(Reply { status: parts.status, headers: parts.headers, json: serde_json::from_slice(&bytes).unwrap_or_default() })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.try_send(Method::GET, path, "none", None).await.expect("an answer")
    }

    /// Under a new key.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        self.post_under(&new_key(), path, body).await
    }

    pub(crate) async fn post_under(&self, key: &str, path: &str, body: Value) -> Reply {
        self.try_send(Method::POST, path, key, Some(&body)).await.expect("an answer")
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Reply {
        self.try_send(Method::PUT, path, &new_key(), Some(&body)).await.expect("an answer")
    }

    /// Asks until the answer is what is waited for, and returns it.
    pub(crate) async fn until(&self, path: &str, come: impl Fn(&Reply) -> bool) -> Reply {
        let asking = async {
            loop {
                let reply = self.get(path).await;
                if come(&reply) {
                    return reply;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{path} does not come to it"))
    }

    /// Registers a patient.
    pub(crate) async fn patient(&self, branch: &str) -> String {
        self.post("/v1/patients", json!({"home_branch": branch})).await.ok()["patient"].as_str().unwrap().to_owned()
    }
}

/// An idempotency key that nobody has used.
pub(crate) fn new_key() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("key-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A network on servers: its own name on NATS, its own database, one secret for ids, a manager's token, two branches and the default policy in
/// force since before [`NOON`].
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) network: String,
    pub(crate) nats: String,
    pub(crate) database: String,
    pub(crate) manager: String,
    folder: tempfile::TempDir,
    began: Instant,
}

impl Cluster {
    /// Sets it up; nothing of it runs yet.
    pub(crate) async fn set_up(nats: &str, database: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("id.key"), "5a".repeat(32)).unwrap();
        let mut cluster = Self {
            network: fresh_name("net"),
            nats: nats.to_owned(),
            database: database.to_owned(),
            manager: new_token(),
            folder,
            began: Instant::now(),
        };
        let clock = Clock::by_hand(time(NOON) - chrono::Duration::hours(1));
        let running = tact::roles::start(&cluster.settings(), &[Role::Directory], clock.clone()).await.unwrap();
        let entry = Token {
            id: any_id(),
            actor: any_id(),
            label: "manager".to_owned(),
            roles: vec!["network_manager".to_owned(), "administrator".to_owned()],
            branches: None,
            created_at: clock.now(),
            expires_at: None,
            revoked_at: None,
        };
        assert!(running.app.personal.add_token(&entry, &token_hash(&cluster.manager)).await.unwrap());
        let manager = Caller::new(&running.url, &cluster.manager);
        for (code, zone) in [("north", "Europe/Moscow"), ("east", "Asia/Yekaterinburg")] {
            manager.put(&format!("/v1/branches/{code}"), json!({"name": code, "time_zone": zone})).await.ok();
        }
        let policy =
            json!({"version": "default", "text": tact_domain::policy::DEFAULT, "effective_from": "2026-03-02T08:30:00Z"});
        manager.post("/v1/policies", policy).await.ok();
        running.stop().await;
        cluster.began = Instant::now();
        cluster
    }

    /// Settings for a part of it in this process.
    pub(crate) fn settings(&self) -> Settings {
        let storage =
            Storage::Servers { nats: vec![self.nats.clone()], login: None, replicas: 1, database: Secret(self.database.clone()) };
        Settings {
            id_key_file: Some(self.folder.path().join("id.key")),
            signing_key_file: Some(self.folder.path().join("signing.key")),
            listen: ([127, 0, 0, 1], 0).into(),
            cached_patients: 1000,
            ..Settings::new(self.network.clone(), self.folder.path(), storage)
        }
    }

    /// The time in the network: [`NOON`] and what has passed since, the same for every process.
    pub(crate) fn now(&self) -> Time {
        time(NOON) + chrono::Duration::from_std(self.began.elapsed()).unwrap()
    }

    /// A command line with its settings.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments).await;
        command
            .env("TACT_NETWORK", &self.network)
            .env("TACT_LOG", "jetstream")
            .env("TACT_NATS_URL", &self.nats)
            .env("TACT_DATABASE_URL", &self.database)
            .env("TACT_REPLICAS", "1")
            .env("TACT_ID_KEY_FILE", self.folder.path().join("id.key"))
            .env("TACT_SIGNING_KEY_FILE", self.folder.path().join("signing.key"))
            .env("TACT_LISTEN", "127.0.0.1:0")
            .env("TACT_NOW", self.now().to_rfc3339());
        command
    }

    /// Starts a process in these roles (comma-separated).
    pub(crate) async fn serve(&self, roles: &str) -> Process {
        Process::start(self.command(&["serve", "--role", roles]).await).await
    }

    /// The manager at a server.
    pub(crate) fn manager_at(&self, server: &Process) -> Caller {
        Caller::new(&server.url, &self.manager)
    }
}

impl Cluster {
    /// Runs a statement in its database.
    pub(crate) async fn sql(&self, statement: &'static str) {
        let mut connection = sqlx::PgConnection::connect(&self.database).await.unwrap();
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
}
