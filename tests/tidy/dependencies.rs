//! What may depend on what. Arrows point down only, and the domain is the ground floor.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::{files, none, root, text};

/// What a pure domain cannot have: a runtime, SQL, a bus, HTTP, an operating system's clock behind an interface.
const IMPURE: &[&str] = &[
    "tokio",
    "async-trait",
    "async-nats",
    "futures",
    "mio",
    "sqlx",
    "rusqlite",
    "libsqlite3-sys",
    "axum",
    "hyper",
    "tower",
    "tracing",
];

/// The services: each can be started alone, so none may lean on another.
const SERVICES: &[&str] = &[
    "tact-appointment",
    "tact-consent",
    "tact-contact",
    "tact-directory",
    "tact-feed",
    "tact-dispatcher",
    "tact-feedback",
    "tact-fhir-http",
    "tact-notary",
    "tact-patient",
    "tact-referral",
    "tact-sign-in",
];

/// Who may name what in its manifest; whoever is not listed may not. Benchmarks compare us with the bare engines, so they name those too.
const ONLY: &[(&str, &[&str])] = &[
    ("async-nats", &["tact-bench", "tact-event-log"]),
    ("rusqlite", &["tact-bench", "tact-event-log"]),
    ("ed25519-dalek", &["tact-evidence"]),
    ("clap", &["tact", "tact-bench", "tact-simulation"]),
    ("tact", &["tact-bench"]),
    ("tact-scenario", &["tact", "tact-directory"]),
    ("tact-simulation", &[]),
    ("tact-testbed", &["tact-bench"]),
    ("tact-tests", &[]),
];

/// Every package's dependencies, by name and without those of tests: all of them, and the members of the workspace.
struct Graph {
    depends_on: BTreeMap<String, BTreeSet<String>>,
    members: BTreeSet<String>,
}

fn graph() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // One platform: what others drag in is not what we run on.
        let arguments =
            ["metadata", "--format-version", "1", "--offline", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
        let output = Command::new(cargo).args(arguments).current_dir(root()).output().expect("cargo can be started");
        assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let list = |value: &Value| value.as_array().unwrap().clone();
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let names: BTreeMap<String, String> =
            list(&metadata["packages"]).iter().map(|package| (word(&package["id"]), word(&package["name"]))).collect();
        let mut depends_on: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let from = depends_on.entry(names[&word(&node["id"])].clone()).or_default();
            for dependency in list(&node["deps"]) {
                // A kind of null is an ordinary dependency; others are for tests and build scripts.
                if list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null()) {
                    from.insert(names[&word(&dependency["pkg"])].clone());
                }
            }
        }
        let members = list(&metadata["workspace_members"]).iter().map(|id| names[&word(id)].clone()).collect();
        Graph { depends_on, members }
    })
}

impl Graph {
    /// Everything that a package depends on, directly or not.
    fn all_below(&self, package: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open = vec![package];
        while let Some(next) = open.pop() {
            for dependency in self.depends_on.get(next).into_iter().flatten() {
                if seen.insert(dependency.as_str()) {
                    open.push(dependency);
                }
            }
        }
        seen
    }

    fn names(&self, package: &str, dependency: &str) -> bool {
        self.depends_on.get(package).is_some_and(|all| all.contains(dependency))
    }
}

#[test]
fn the_domain_is_pure() {
    let below = graph().all_below("tact-domain");
    assert!(below.contains("chrono"), "the domain's dependencies are read: {below:?}");
    let impure = below.iter().filter(|name| {
        IMPURE.iter().any(|word| *name == word || name.starts_with(&format!("{word}-")) || name.starts_with("tact"))
    });
    none(
        "the domain takes time, ids and randomness as arguments and does no I/O: take these out of what it depends on",
        &impure.map(ToString::to_string).collect::<Vec<_>>(),
    );
}

#[test]
fn what_verifies_needs_nothing() {
    let below = graph().all_below("tact-evidence");
    assert!(below.contains("ed25519-dalek"), "the dependencies are read: {below:?}");
    let needs = below.iter().filter(|name| {
        let ours = name.starts_with("tact-") && **name != "tact-domain";
        ours || IMPURE.iter().any(|word| *name == word || name.starts_with(&format!("{word}-")))
    });
    none(
        "a history is verified without network, server or database: take these out of what tact-evidence depends on",
        &needs.map(ToString::to_string).collect::<Vec<_>>(),
    );
}

#[test]
fn what_keeps_needs_a_file_system_and_nothing_else() {
    let below = graph().all_below("tact-archive");
    assert!(below.contains("tact-evidence"), "the dependencies are read: {below:?}");
    let needs = below.iter().filter(|name| {
        let ours = name.starts_with("tact-") && !["tact-domain", "tact-evidence"].contains(name);
        ours || IMPURE.iter().any(|word| *name == word || name.starts_with(&format!("{word}-")))
    });
    none(
        "a backup is checked without network, server or database: take these out of what tact-archive depends on",
        &needs.map(ToString::to_string).collect::<Vec<_>>(),
    );
}

#[test]
fn what_only_tells_is_pure_too() {
    let below = graph().all_below("tact-dossier");
    assert!(below.contains("tact-domain"), "its dependencies are read: {below:?}");
    let impure = below.iter().filter(|name| IMPURE.iter().any(|word| *name == word || name.starts_with(&format!("{word}-"))));
    none(
        "a history is told from what is given: whoever asks for it does the I/O",
        &impure.map(ToString::to_string).collect::<Vec<_>>(),
    );
}

#[test]
fn what_one_crate_knows_no_other_names() {
    let graph = graph();
    let mut found = Vec::new();
    for (dependency, allowed) in ONLY {
        // The tests may name everything: they look into what others must not.
        for member in graph.members.iter().filter(|member| *member != "tact-tests") {
            if graph.names(member, dependency) && !allowed.contains(&member.as_str()) {
                found.push(format!("{member} names {dependency}, which only {allowed:?} may"));
            }
        }
        for member in allowed.iter().filter(|member| graph.members.contains(**member) && !graph.names(member, dependency)) {
            found.push(format!("{member} no longer names {dependency}: correct the list in {}", file!()));
        }
    }
    none("go through the crate that knows it", &found);
}

#[test]
fn only_the_loop_and_the_streams_beside_the_patients_append() {
    let sources =
        files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs") && file.starts_with("crates"));
    // The log itself, what measures it, and what breaks it on purpose.
    let others =
        sources.filter(|file| !["crates/event-log", "crates/bench", "crates/simulation"].iter().any(|own| file.starts_with(own)));
    let append: Vec<_> =
        others.filter(|file| text(file).contains("Append::Done")).map(|file| file.display().to_string()).collect();
    assert_eq!(
        append,
        ["crates/service/src/control.rs", "crates/service/src/number.rs", "crates/service/src/transact.rs"],
        "there is one loop that decides and appends: use it"
    );
}

/// The words by which a source file shows that it knows of an SQL engine.
const ENGINES: &[&str] = &[
    "PgPool",
    "SqlitePool",
    "sqlx::postgres",
    "sqlx::sqlite",
    "sqlx::Postgres",
    "sqlx::Sqlite",
    "PgConnectOptions",
    "SqliteConnectOptions",
];

#[test]
fn only_one_crate_knows_that_there_are_two_engines() {
    let sources =
        files().into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs") && file.starts_with("crates"));
    let others = sources.filter(|file| !file.starts_with("crates/database") && !file.starts_with("crates/bench"));
    let found = others.filter_map(|file| {
        let text = text(&file);
        let engine = ENGINES.iter().find(|engine| text.contains(**engine))?;
        Some(format!("{}: {engine}", file.display()))
    });
    none("two bodies for two engines drift apart: go through crates/database", &found.collect::<Vec<_>>());
}

#[test]
fn only_services_and_the_binary_know_http() {
    let graph = graph();
    let may =
        |member: &str| SERVICES.contains(&member) || ["tact-console", "tact-service", "tact", "tact-tests"].contains(&member);
    let found = graph.members.iter().filter(|member| !may(member) && graph.names(member, "axum")).cloned();
    none("only the services and the binary speak HTTP", &found.collect::<Vec<_>>());
}

#[test]
fn no_service_leans_on_another() {
    let graph = graph();
    let mut found = Vec::new();
    for service in SERVICES {
        let below = graph.all_below(service);
        assert!(below.contains("tact-service"), "{service} does not stand on the shared loop");
        found.extend(
            SERVICES
                .iter()
                .chain(&["tact", "tact-projector"])
                .filter(|other| below.contains(*other))
                .map(|other| format!("{service} -> {other}")),
        );
    }
    none("each service starts alone: what two need goes into crates/service or crates/domain", &found);
}

#[test]
fn the_pages_know_the_words_and_the_public_api_alone() {
    let below = graph().all_below("tact-console");
    let ours: Vec<_> = below.iter().map(ToString::to_string).filter(|name| name.starts_with("tact")).collect();
    assert_eq!(ours, ["tact-domain", "tact-words"], "whatever a page shows, it asks of the API");
}

#[test]
fn the_log_knows_nothing_of_patients() {
    let below = graph().all_below("tact-event-log");
    let ours = below.iter().filter(|name| name.starts_with("tact")).map(ToString::to_string);
    none("the event log stores opaque bytes", &ours.collect::<Vec<_>>());
}

#[test]
fn the_test_command_needs_nothing() {
    assert_eq!(graph().depends_on["xtask"], BTreeSet::new(), "the test command must be built within a second");
}
