//! What ships for production, tried: the secrets' script, the NATS configuration with the real server, and the compose file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use serde_yaml_ng::Value as Yaml;
use tact_event_log::contract::{appended, collect, event, patient};
use tact_event_log::jetstream::NatsLogin;
use tact_event_log::{
    Append, EventLog, FeedLimits, FeedMessage, FeedStream, Freshness, JetStreamConfig, JetStreamLog, Position, Published,
    Reached, StreamId, open_jetstream,
};
use tact_service::clock::Clock;
use tact_testbed::{Nats, Postgres, nats_server};
use tempfile::TempDir;

use crate::tidy::{documents, root, text};

/// The files as the containers see them: the configuration, and the secrets made by the script.
pub(crate) struct Layout {
    folder: TempDir,
}

impl Layout {
    pub(crate) fn new() -> Self {
        let layout = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(layout.path("nats")).unwrap();
        for file in std::fs::read_dir(root().join("deploy/nats")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), layout.path("nats").join(file.file_name())).unwrap();
        }
        assert!(layout.init().status.success());
        layout
    }

    fn init(&self) -> Output {
        Command::new("sh").arg(root().join("deploy/init.sh")).arg(self.path("secrets")).output().unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn secret(&self, name: &str) -> String {
        std::fs::read_to_string(self.path("secrets").join(name)).unwrap().trim().to_owned()
    }

    /// Every secret with its text.
    fn secrets(&self) -> BTreeMap<PathBuf, String> {
        let folders = ["nats", "postgres", "tact"].map(|name| self.path("secrets").join(name));
        let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
        files.map(|file| (file.clone(), std::fs::read_to_string(file).unwrap())).collect()
    }
}

#[test]
fn secrets_are_made_once_and_kept_from_others() {
    use std::os::unix::fs::PermissionsExt;
    let layout = Layout::new();
    let made = layout.secrets();
    assert_eq!(made.len(), 16, "{:?}", made.keys());
    for file in made.keys() {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o400, "{}", file.display());
    }
    let hex: Vec<String> = [
        "tact/nats-services",
        "tact/nats-reactor",
        "tact/nats-projector",
        "tact/nats-notary",
        "tact/nats-feed",
        "tact/nats-feed-writer",
        "tact/nats-dispatcher",
        "nats/operator",
        "nats/maintainer",
        "nats/analyst",
        "nats/witness",
        "postgres/password",
        "tact/id-key",
    ]
    .map(|name| layout.secret(name))
    .to_vec();
    assert!(hex.iter().all(|secret| secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit())), "{hex:?}");
    assert_eq!(hex.iter().collect::<BTreeSet<_>>().len(), hex.len(), "two secrets are the same");
    assert!(layout.init().stdout.is_empty());
    assert_eq!(layout.secrets(), made, "what is there stays");
    // One is lost: it is made anew, and what follows from it too.
    std::fs::remove_file(layout.path("secrets/tact/nats-services")).unwrap();
    assert!(layout.init().status.success());
    let new = layout.secret("tact/nats-services");
    assert!(!hex.contains(&new) && layout.secret("nats/passwords.conf").contains(&new));
    let changed: Vec<_> = layout.secrets().into_iter().filter(|(file, text)| made[file] != *text).collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    let without = Command::new("sh").arg(root().join("deploy/init.sh")).output().unwrap();
    assert!(!without.status.success() && String::from_utf8_lossy(&without.stderr).contains("say which folder"));
}

async fn tried(configuration: &Path) -> (bool, String) {
    let server = nats_server().await.unwrap();
    let output = Command::new(server).arg("-t").arg("--config").arg(configuration).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn every_nats_configuration_is_valid() {
    let layout = Layout::new();
    let mut nodes = 0;
    for file in std::fs::read_dir(layout.path("nats")).unwrap().map(|file| file.unwrap().path()) {
        let (valid, said) = tried(&file).await;
        assert!(valid, "{}: {said}", file.display());
        nodes += usize::from(file.file_name().unwrap().to_str().unwrap().starts_with("nats-"));
    }
    assert_eq!(nodes, 3);
    // No secrets, no server: there is no password that it could fall back to.
    std::fs::remove_file(layout.path("secrets/nats/passwords.conf")).unwrap();
    let (valid, said) = tried(&layout.path("nats/nats-1.conf")).await;
    assert!(!valid && said.contains("passwords.conf"), "{said}");
}

#[test]
fn every_node_writes_to_disk_before_it_answers() {
    let cluster = text("deploy/nats/cluster.conf");
    assert!(cluster.lines().any(|line| line.trim() == "sync_interval: always"));
    for node in ["nats-1", "nats-2", "nats-3"] {
        let own = text(format!("deploy/nats/{node}.conf"));
        let lines: Vec<_> = own.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines, [format!("server_name: {node}").as_str(), "include \"cluster.conf\""]);
        assert!(cluster.contains(&format!("nats-route://{node}:6222")));
    }
}

/// One server with the users of production.
pub(crate) async fn server(layout: &Layout) -> Nats {
    let users = text("deploy/nats/users.conf")
        .replace("include \"../secrets/nats/passwords.conf\"", &layout.secret("nats/passwords.conf"));
    Nats::start_with(&users).await.unwrap()
}

async fn log(nats: &Nats, layout: &Layout, user: &str) -> JetStreamLog {
    let login = NatsLogin::Password { user: user.into(), password: layout.secret(&format!("tact/nats-{user}")) };
    open_jetstream(JetStreamConfig { login, ..JetStreamConfig::new("tact", [nats.url()]) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_nats_users_may_do_their_work() {
    let layout = Layout::new();
    let nats = server(&layout).await;
    let services = log(&nats, &layout, "services").await;
    let mut last = Position::START;
    for number in 0..20 {
        last = appended(&services, patient(1), last, event(1, number)).await;
    }
    assert_eq!(services.append(patient(1), Position::START, event(2, 0)).await.unwrap(), Append::Conflict);
    assert_eq!(
        services.append(patient(1), last, event(1, 19)).await.unwrap(),
        Append::Done(last),
        "a repeated append is recognized"
    );
    for fresh in [Freshness::Any, Freshness::Latest] {
        let read = services.read_stream(patient(1), Position::START, fresh).await.unwrap();
        assert_eq!(read.len(), 20);
    }
    assert_eq!(services.head().await.unwrap(), last);
    for (user, name) in [
        ("projector", "projector"),
        ("projector", "projector-rebuild"),
        ("projector", "what-if"),
        ("projector", "audit"),
        ("reactor", "reactor"),
        ("reactor", "import"),
        ("notary", "notary"),
        ("feed", "feed"),
        ("dispatcher", "dispatcher"),
    ] {
        let log = log(&nats, &layout, user).await;
        let mut follow = log.follow(name, Position::START).await.unwrap();
        assert_eq!(collect(&mut *follow, 7, 20).await.len(), 20);
        // And again as somebody who takes over.
        let mut follow = log.follow(name, Position::START).await.unwrap();
        assert_eq!(collect(&mut *follow, 100, 20).await.len(), 20);
    }
    let reactor = log(&nats, &layout, "reactor").await;
    appended(&reactor, patient(2), Position::START, event(3, 0)).await;
    let dispatcher = log(&nats, &layout, "dispatcher").await;
    appended(&dispatcher, patient(3), Position::START, event(5, 0)).await;
    // The notary records what is handed out, and a witness hears what it signs.
    let notary = log(&nats, &layout, "notary").await;
    let witness = async_nats::ConnectOptions::with_user_and_password("witness".to_owned(), layout.secret("nats/witness"));
    let witness = witness.connect(nats.url()).await.unwrap();
    let mut heard = witness.subscribe("tact.checkpoint").await.unwrap();
    witness.flush().await.unwrap();
    appended(&notary, StreamId::Access, Position::START, event(4, 0)).await;
    notary.announce("checkpoint", bytes::Bytes::from_static(b"signed")).await.unwrap();
    let message = tokio::time::timeout(std::time::Duration::from_secs(30), futures::StreamExt::next(&mut heard)).await;
    assert_eq!(message.unwrap().unwrap().payload[..], b"signed"[..]);
}

/// Asks for something as a user; the server's refusal, if it refuses.
async fn refused(nats: &Nats, user: &str, password: String, subject: &str, payload: Value) -> Option<String> {
    let (sender, mut errors) = tokio::sync::mpsc::unbounded_channel();
    let options = async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password).event_callback(move |event| {
        if let async_nats::Event::ServerError(error) = event {
            let _ = sender.send(error.to_string());
        }
        async {}
    });
    let client = options.connect(nats.url()).await.unwrap();
    // A request that is refused is never answered: whichever comes first, the answer or the refusal.
    let request = client.request(subject.to_owned(), payload.to_string().into());
    tokio::select! {
        _ = request => None,
        error = errors.recv() => error,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_service_can_change_purge_or_delete_the_stream() {
    let layout = Layout::new();
    let nats = server(&layout).await;
    let services = log(&nats, &layout, "services").await;
    let first = appended(&services, patient(1), Position::START, event(1, 1)).await;
    let second = appended(&services, patient(1), first, event(1, 2)).await;
    let smaller = json!({ "name": "tact-tact", "subjects": ["tact.evt.>"], "storage": "file", "max_msgs": 1 });
    let attempts = [
        ("STREAM.UPDATE.tact-tact", smaller),
        ("STREAM.PURGE.tact-tact", json!({})),
        ("STREAM.MSG.DELETE.tact-tact", json!({ "seq": 1 })),
        ("STREAM.DELETE.tact-tact", json!({})),
        ("STREAM.SNAPSHOT.tact-tact", json!({ "deliver_subject": "_INBOX.x" })),
        ("STREAM.CREATE.other", json!({ "name": "other", "subjects": ["other.>"] })),
        ("CONSUMER.CREATE.tact-tact.somebody", json!({ "stream_name": "tact-tact", "config": { "durable_name": "somebody" } })),
    ];
    for user in ["services", "reactor", "projector", "notary", "feed", "dispatcher"] {
        for (operation, payload) in &attempts {
            let subject = format!("$JS.API.{operation}");
            let password = layout.secret(&format!("tact/nats-{user}"));
            let error = refused(&nats, user, password, &subject, payload.clone()).await;
            let error = error.unwrap_or_else(|| panic!("{user} may {operation}"));
            assert!(error.to_lowercase().contains("permissions violation"), "{user} {operation}: {error}");
        }
    }
    let projector = layout.secret("tact/nats-projector");
    let error = refused(&nats, "projector", projector, &patient(1).subject("tact"), json!({})).await;
    assert!(error.is_some(), "the projector may append");
    let notary = layout.secret("tact/nats-notary");
    let error = refused(&nats, "notary", notary, &patient(1).subject("tact"), json!({})).await;
    assert!(error.is_some(), "the notary may append to a patient's stream");
    let feed = layout.secret("tact/nats-feed");
    let error = refused(&nats, "feed", feed, &patient(1).subject("tact"), json!({})).await;
    assert!(error.is_some(), "the feed may append");
    for stream in [StreamId::Policy, StreamId::Directory, StreamId::Access] {
        let dispatcher = layout.secret("tact/nats-dispatcher");
        let error = refused(&nats, "dispatcher", dispatcher, &stream.subject("tact"), json!({})).await;
        assert!(error.is_some(), "the dispatcher may append to {stream}");
    }
    let read = services.read_stream(patient(1), Position::START, Freshness::Latest).await.unwrap();
    assert_eq!(read.iter().map(|stored| stored.position).collect::<Vec<_>>(), [first, second]);
    // The maintainer may: so it was the permissions that refused, and not something else.
    let maintainer = layout.secret("nats/maintainer");
    assert_eq!(
        refused(&nats, "maintainer", maintainer, "$JS.API.STREAM.SNAPSHOT.tact-tact", json!({ "deliver_subject": "_INBOX.x" }))
            .await,
        None
    );
}

/// The feed's stream as production has it, with one message in it.
async fn feed(nats: &Nats, layout: &Layout) -> FeedStream {
    let login = NatsLogin::Password { user: "feed-writer".into(), password: layout.secret("tact/nats-feed-writer") };
    let config = JetStreamConfig { login, ..JetStreamConfig::new("tact", [nats.url()]) };
    let mut feed = FeedStream::open(config, FeedLimits::default()).await.unwrap();
    assert_eq!(feed.reached().await.unwrap(), Reached::Nothing);
    let message = FeedMessage {
        id: uuid::Uuid::from_u128(1),
        position: Position::from_stored(1),
        topic: "contact.made.north".to_owned(),
        bytes: bytes::Bytes::from_static(b"{}"),
    };
    assert_eq!(feed.publish(&mut std::iter::once(message)).await.unwrap(), Published::Done);
    feed
}

async fn client(nats: &Nats, user: &str, password: String) -> async_nats::Client {
    async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password).connect(nats.url()).await.unwrap()
}

/// JetStream's answer to a request.
async fn answer(client: &async_nats::Client, subject: &str, payload: Value) -> Value {
    let payload = if payload.is_null() { String::new() } else { payload.to_string() };
    let answer = client.request(subject.to_owned(), payload.into()).await.unwrap();
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analyst_reads_the_feed_and_reaches_nothing_else() {
    let layout = Layout::new();
    let nats = server(&layout).await;
    let services = log(&nats, &layout, "services").await;
    let first = appended(&services, patient(1), Position::START, event(1, 1)).await;
    let mut feed = feed(&nats, &layout).await;
    let password = || layout.secret("nats/analyst");
    let analyst = client(&nats, "analyst", password()).await;
    // A consumer of one's own, by the JetStream domain `feed`.
    let context = async_nats::jetstream::with_domain(analyst.clone(), "feed");
    let api = "$JS.feed.API";
    let config = json!({ "stream_name": "tact-tact-feed", "config": { "name": "mine", "durable_name": "mine", "ack_policy": "explicit" } });
    let made = answer(&analyst, &format!("{api}.CONSUMER.CREATE.tact-tact-feed.mine"), config).await;
    assert_eq!(made["error"], Value::Null, "{made}");
    let stream = context.get_stream_no_info("tact-tact-feed").await.unwrap();
    let consumer: async_nats::jetstream::consumer::PullConsumer = stream.get_consumer("mine").await.unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let message = futures::StreamExt::next(&mut messages).await.unwrap().unwrap();
    assert_eq!((&message.payload[..], message.subject.as_str()), (&b"{}"[..], "tact.feed.contact.made.north"));
    message.double_ack().await.unwrap();
    // What is not allowed is refused by permission, in the names of the own account and of the domain.
    let attempts = [
        "STREAM.INFO.tact-tact",
        "STREAM.NAMES",
        "STREAM.LIST",
        "STREAM.CREATE.other",
        "STREAM.UPDATE.tact-tact-feed",
        "STREAM.PURGE.tact-tact-feed",
        "STREAM.DELETE.tact-tact-feed",
        "STREAM.MSG.DELETE.tact-tact-feed",
        "STREAM.SNAPSHOT.tact-tact-feed",
        "STREAM.MSG.GET.tact-tact",
        "DIRECT.GET.tact-tact",
        "CONSUMER.CREATE.tact-tact.mine",
        "CONSUMER.MSG.NEXT.tact-tact.projector",
        "CONSUMER.DELETE.tact-tact.projector",
    ];
    let subjects = attempts.iter().flat_map(|attempt| [format!("$JS.API.{attempt}"), format!("{api}.{attempt}")]);
    let own = ["tact.evt.net.policy", "tact.feed.contact.made.north", "tact.checkpoint", "$JS.ACK.tact-tact.projector.1.1.1.1.1"];
    for subject in subjects.chain(own.map(str::to_owned)).chain([patient(1).subject("tact")]) {
        let error = refused(&nats, "analyst", password(), &subject, json!({})).await;
        let error = error.unwrap_or_else(|| panic!("an analyst may {subject}"));
        assert!(error.to_lowercase().contains("permissions violation"), "{subject}: {error}");
    }
    // An answer that is sent to a subject of the log or the feed reaches neither: it stays within the analyst's account.
    for subject in [patient(1).subject("tact"), "tact.feed.contact.made.north".to_owned()] {
        let asked = [format!("{api}.STREAM.INFO.tact-tact-feed"), format!("{api}.CONSUMER.MSG.NEXT.tact-tact-feed.mine")];
        for ask in asked {
            analyst.publish_with_reply(ask, subject.clone(), bytes::Bytes::new()).await.unwrap();
        }
        let config = json!({ "stream_name": "tact-tact-feed", "config": { "name": "push", "deliver_subject": subject, "ack_policy": "none" } });
        answer(&analyst, &format!("{api}.CONSUMER.CREATE.tact-tact-feed.push"), config).await;
    }
    // Whatever of that was to arrive has: the next answer comes behind it.
    analyst.flush().await.unwrap();
    answer(&analyst, &format!("{api}.STREAM.INFO.tact-tact-feed"), Value::Null).await;
    assert_eq!(feed.reached().await.unwrap(), Reached::At(first));
    assert_eq!(services.head().await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_fills_the_feed_can_do_nothing_else_with_it() {
    let layout = Layout::new();
    let nats = server(&layout).await;
    feed(&nats, &layout).await;
    let password = || layout.secret("tact/nats-feed-writer");
    for operation in [
        "STREAM.UPDATE.tact-tact-feed",
        "STREAM.PURGE.tact-tact-feed",
        "STREAM.DELETE.tact-tact-feed",
        "STREAM.MSG.DELETE.tact-tact-feed",
        "STREAM.CREATE.other",
        "STREAM.INFO.tact-tact",
        "CONSUMER.CREATE.tact-tact-feed.mine",
    ] {
        let error = refused(&nats, "feed-writer", password(), &format!("$JS.API.{operation}"), json!({})).await;
        assert!(error.is_some(), "the feed's writer may {operation}");
    }
    let error = refused(&nats, "feed-writer", password(), &patient(1).subject("tact"), json!({})).await;
    assert!(error.is_some(), "the feed's writer may append to the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_sees_how_everything_stands_and_changes_nothing() {
    let layout = Layout::new();
    let nats = server(&layout).await;
    let services = log(&nats, &layout, "services").await;
    let first = appended(&services, patient(1), Position::START, event(1, 1)).await;
    feed(&nats, &layout).await;
    log(&nats, &layout, "projector").await.follow("projector", Position::START).await.unwrap();
    let password = || layout.secret("nats/operator");
    let operator = client(&nats, "operator", password()).await;
    for (subject, inside) in [
        ("$JS.API.INFO", "memory"),
        ("$JS.API.STREAM.LIST", "streams"),
        ("$JS.API.STREAM.INFO.tact-tact", "state"),
        ("$JS.API.CONSUMER.LIST.tact-tact", "consumers"),
        ("$JS.API.CONSUMER.INFO.tact-tact.projector", "num_pending"),
        ("$JS.feed.API.STREAM.INFO.tact-tact-feed", "state"),
        ("$JS.feed.API.CONSUMER.LIST.tact-tact-feed", "consumers"),
    ] {
        let answer = answer(&operator, subject, Value::Null).await;
        assert!(!answer[inside].is_null(), "{subject}: {answer}");
    }
    for operation in [
        "STREAM.UPDATE.tact-tact",
        "STREAM.PURGE.tact-tact",
        "STREAM.DELETE.tact-tact",
        "STREAM.MSG.DELETE.tact-tact",
        "STREAM.MSG.GET.tact-tact",
        "STREAM.SNAPSHOT.tact-tact",
        "STREAM.CREATE.other",
        "DIRECT.GET.tact-tact",
        "CONSUMER.CREATE.tact-tact.mine",
        "CONSUMER.DELETE.tact-tact.projector",
        "CONSUMER.MSG.NEXT.tact-tact.projector",
    ] {
        let error = refused(&nats, "operator", password(), &format!("$JS.API.{operation}"), json!({})).await;
        assert!(error.is_some(), "the operator may {operation}");
    }
    let error = refused(&nats, "operator", password(), &patient(1).subject("tact"), json!({})).await;
    assert!(error.is_some(), "the operator may append");
    assert_eq!(services.head().await.unwrap(), first);
}

/// The compose file with its anchors and merges resolved.
fn compose() -> Yaml {
    let mut compose: Yaml = serde_yaml_ng::from_str(&text("docker-compose.yml")).unwrap();
    compose.apply_merge().unwrap();
    compose
}

fn words(value: &Yaml) -> Vec<&str> {
    value.as_sequence().map(|list| list.iter().filter_map(Yaml::as_str).collect()).unwrap_or_default()
}

fn keys(value: &Yaml) -> Vec<&str> {
    value.as_mapping().map(|map| map.keys().filter_map(Yaml::as_str).collect()).unwrap_or_default()
}

#[test]
fn every_service_is_watched_and_waits_for_what_it_needs() {
    let compose = compose();
    let volumes: BTreeSet<&str> = keys(&compose["volumes"]).into_iter().collect();
    let services = compose["services"].as_mapping().unwrap();
    for (name, service) in services {
        let name = name.as_str().unwrap();
        assert!(service.get("image").is_some(), "{name} has no image");
        for volume in words(&service["volumes"]) {
            let source = volume.split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(root().join(source).exists(), "{name} mounts {source}, which is not there");
            } else {
                assert!(volumes.contains(source), "{name} mounts {source}, which is no volume");
            }
        }
        for needed in keys(&service["depends_on"]) {
            let condition = service["depends_on"][needed]["condition"].as_str();
            let expected = if needed == "init" { "service_completed_successfully" } else { "service_healthy" };
            assert!(services.contains_key(needed) && condition == Some(expected), "{name} depends on {needed}: {condition:?}");
        }
        for variable in keys(&service["environment"]) {
            let secret = ["PASSWORD", "SECRET", "KEY", "TOKEN", "DATABASE_URL"].iter().any(|word| variable.contains(word));
            assert!(!secret || variable.ends_with("_FILE"), "{name} has a secret in its environment: {variable}");
        }
        if name != "init" {
            assert!(service["healthcheck"]["test"].is_sequence(), "{name} has no health check");
            assert_eq!(service["restart"].as_str(), Some("unless-stopped"), "{name}");
            assert!(service["logging"]["options"]["max-size"].is_string(), "{name}: what it says may fill the disk");
        }
    }
}

#[test]
fn every_role_runs_with_settings_that_the_binary_knows() {
    let compose = compose();
    let known = documents::variables();
    let mut roles = BTreeSet::new();
    for (name, service) in compose["services"].as_mapping().unwrap() {
        if service.get("build").is_none() {
            continue;
        }
        let name = name.as_str().unwrap();
        assert_eq!(words(&service["command"]), ["serve", "--role", name], "a service is named after its role");
        assert_eq!(words(&service["healthcheck"]["test"]), ["CMD", "/usr/local/bin/tact", "healthcheck"]);
        for variable in keys(&service["environment"]) {
            assert!(known.contains(variable), "{name}: the binary knows no setting {variable}");
        }
        roles.insert(name.to_owned());
    }
    let operations = text("docs/OPERATIONS.md");
    let table = operations.split("\n## Roles\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let explained = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned);
    assert_eq!(roles, explained.collect::<BTreeSet<_>>(), "the roles of docker-compose.yml and those of docs/OPERATIONS.md");
}

/// The settings of a service of the compose file, with the addresses of the tests' servers in place of the containers'.
fn settings(service: &Yaml, layout: &Layout, nats: &Nats, database: &Path) -> tact::settings::Settings {
    #[derive(clap::Parser)]
    struct Flags {
        #[command(flatten)]
        given: tact::settings::Given,
    }
    let mut flags = vec!["tact".to_owned()];
    for variable in keys(&service["environment"]).into_iter().filter(|name| *name != "TACT_LOG_FORMAT") {
        let value = service["environment"][variable].as_str().unwrap();
        let value = match (variable, value.strip_prefix("/secrets/tact/")) {
            ("TACT_NATS_URL", _) => nats.url(),
            ("TACT_DATABASE_URL_FILE", Some(_)) => database.to_str().unwrap().to_owned(),
            ("TACT_DISPATCH_FILE", _) => {
                let file = layout.path("dispatch.toml");
                let secret = layout.path("secrets/tact/gateway");
                let shipped = text("deploy/dispatch/dispatch.toml");
                std::fs::write(&file, shipped.replace("/secrets/tact/gateway", secret.to_str().unwrap())).unwrap();
                file.to_str().unwrap().to_owned()
            }
            ("TACT_SIGNING_KEY_FILE", _) => layout.path("signing.key").to_str().unwrap().to_owned(),
            ("TACT_LISTEN", _) => value.replace("0.0.0.0:8080", "127.0.0.1:0"),
            // One server stands in for three.
            ("TACT_REPLICAS", _) => value.replace('3', "1"),
            (_, Some(secret)) => layout.path("secrets/tact").join(secret).to_str().unwrap().to_owned(),
            _ => value.to_owned(),
        };
        flags.push(format!("--{}={value}", variable.strip_prefix("TACT_").unwrap().to_lowercase().replace('_', "-")));
    }
    <Flags as clap::Parser>::parse_from(flags).given.settle().unwrap()
}

/// The status of a path of a server.
async fn status(url: &str, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut connection = tokio::net::TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
    connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: tact\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_starts_as_the_compose_file_says() {
    use clap::ValueEnum;
    use tact::roles::{Role, start};
    let compose = compose();
    let layout = Layout::new();
    let nats = server(&layout).await;
    let database = layout.path("database-url");
    std::fs::write(&database, Postgres::shared().await.unwrap().database().await.unwrap()).unwrap();
    let mut running = Vec::new();
    for role in Role::value_variants() {
        let name = role.to_possible_value().unwrap().get_name().to_owned();
        let settings = settings(&compose["services"][&*name], &layout, &nats, &database);
        let server = start(&settings, &[*role], Clock::machine()).await.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(server.first_token, None, "{name}: on servers nobody is given a token unasked");
        running.push((name, server));
    }
    for (name, server) in &running {
        for path in ["/livez", "/startupz", "/readyz", "/openapi.json"] {
            assert_eq!(status(&server.url, path).await, "HTTP/1.1 200 OK", "{name}: {path}");
        }
    }
    let asked = "/v1/patients/01908a00-0000-7000-8000-000000000001/consents";
    for (name, server) in running {
        let expected = if name == "consent" { "HTTP/1.1 401 Unauthorized" } else { "HTTP/1.1 404 Not Found" };
        assert_eq!(status(&server.url, asked).await, expected, "{name}");
        server.stop().await;
    }
}

#[test]
fn three_nats_nodes_are_new_enough_and_apart() {
    let compose = compose();
    let mut stores = BTreeSet::new();
    for node in ["nats-1", "nats-2", "nats-3"] {
        let service = &compose["services"][node];
        let image = service["image"].as_str().unwrap();
        let version: Vec<u32> =
            image.strip_prefix("nats:").unwrap().split(['.', '-']).map_while(|part| part.parse().ok()).collect();
        assert!(version >= vec![2, 14], "{image}: before 2.14 several writers win");
        assert_eq!(words(&service["command"]), ["--config", &format!("/etc/tact/nats/{node}.conf")]);
        let volumes = words(&service["volumes"]);
        assert!(
            volumes.contains(&"./deploy/nats:/etc/tact/nats:ro") && volumes.contains(&"nats-secrets:/etc/tact/secrets/nats:ro")
        );
        let data = volumes.iter().find_map(|volume| volume.strip_suffix(":/data")).unwrap();
        assert!(stores.insert(data.to_owned()), "{node} shares {data}");
        assert!(words(&service["healthcheck"]["test"]).contains(&"http://127.0.0.1:8222/healthz"));
    }
    assert!(text("deploy/nats/cluster.conf").contains("http_port: 8222"));
}

#[test]
fn the_image_is_built_from_what_is_here() {
    let dockerfile = text("Dockerfile");
    let toolchain: toml::Table = text("rust-toolchain.toml").parse().unwrap();
    let channel = toolchain["toolchain"]["channel"].as_str().unwrap();
    let minor = channel.rsplit_once('.').unwrap().0;
    assert!(dockerfile.contains(&format!("FROM rust:{minor}-")), "the image is built with another Rust than {channel}");
    assert!(dockerfile.contains(&format!("\nENV RUSTUP_TOOLCHAIN={channel}\n")), "rustup would fetch another toolchain");
    assert!(dockerfile.contains("--locked --package tact --bin tact") && dockerfile.contains("target/release/tact"));
}
