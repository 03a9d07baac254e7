//! One process, in some or all of its roles: opens the log and the databases, starts what the roles need, and stops it in order.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use clap::ValueEnum;
use smol_str::SmolStr;
use tact_contact::positions::Positions;
use tact_database::Target;
use tact_dispatcher::Desk;
use tact_dispatcher::role::Dispatcher;
use tact_event_log::{EventLog, FeedStream, JetStreamConfig, NatsLogin, SqliteLog, SqliteReadLog, open_jetstream};
use tact_feed::role::Feeder;
use tact_feed::stream::Live;
use tact_feed::transform::Transform;
use tact_fhir_http::Senders;
use tact_ledger::keys::KeyError;
use tact_ledger::{Ledger, keys};
use tact_notary::publish::Publisher;
use tact_notary::role::Notary;
use tact_patient::reactor::Reactor;
use tact_personal::Personal;
use tact_personal::number::Numbering;
use tact_projector::Projector;
use tact_read_models::ReadDb;
use tact_service::access::Access;
use tact_service::app::serve;
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::document::finished;
use tact_service::ids::{IdKey, fresh, random};
use tact_service::number::Numbers;
use tact_service::themes::Themes;
use tact_service::transact::Transactor;
use tact_service::{App, Problem};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::exit::Usage;
use crate::first_start::{make_first_token, publish_default};
use crate::identity::{provider, sign_in};
use crate::listener::{self, Limits};
use crate::settings::{Settings, Storage, read_secret};

/// A part that a process can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Role {
    /// Permits, contacts, announcements, requests, worklists, quotas, figures.
    Contact,
    /// Consents, withdrawals, preferences.
    Consent,
    /// Appointments.
    Appointment,
    /// Registration, personal data, merges; carries out what events set off.
    Patient,
    /// Care referrals.
    Referral,
    /// Feedback and those who recommend us.
    Feedback,
    /// Branches, providers, clinicians who have left, policies.
    Directory,
    /// FHIR R4, in and out.
    Fhir,
    /// Follows the log and keeps the read models.
    Projector,
    /// Signs what the log has come to, and hands out histories with their proofs.
    Notary,
    /// Fills the feed for analysts, and serves it.
    Feed,
    /// Has a gateway make the calls and send the messages that are permitted, and takes in what became of them.
    Dispatcher,
    /// Lets people in: sessions, links, the identity provider; and shows who looked at whose page.
    SignIn,
    /// The pages for people.
    Console,
}

impl Role {
    fn routes(self) -> OpenApiRouter<Arc<App>> {
        match self {
            Self::Contact => tact_contact::routes(),
            Self::Consent => tact_consent::routes(),
            Self::Appointment => tact_appointment::routes(),
            Self::Patient => tact_patient::routes(),
            Self::Referral => tact_referral::routes(),
            Self::Feedback => tact_feedback::routes(),
            Self::Directory => tact_directory::routes(),
            Self::Fhir => tact_fhir_http::routes(),
            Self::Projector => OpenApiRouter::new(),
            Self::Notary => tact_notary::routes(),
            Self::Feed => tact_feed::routes(),
            Self::Dispatcher => tact_dispatcher::routes(),
            Self::SignIn => tact_sign_in::routes(),
            Self::Console => OpenApiRouter::new(),
        }
    }
}

/// A process at work.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub url: String,
    /// The administrator's token that was made because there was none. It is shown here once and stored nowhere.
    pub first_token: Option<String>,
    /// What its services share.
    pub app: Arc<App>,
    /// What the parts of its dispatcher share, if it plays that role.
    pub desk: Option<Arc<Desk>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    failed: tokio::sync::mpsc::UnboundedReceiver<anyhow::Error>,
    /// Held, so that a process without a projector does not take the silence for a failure.
    _failing: tokio::sync::mpsc::UnboundedSender<anyhow::Error>,
}

impl Running {
    /// Waits until a part has failed for good; without it the process cannot keep what it promises.
    pub async fn failed(&mut self) -> anyhow::Error {
        self.failed.recv().await.unwrap_or_else(|| anyhow::anyhow!("every part has ended"))
    }

    /// Stops: not ready any more, finishes the requests under way, then the rest. Ends within a minute, whatever hangs: what is cut off
    /// then was not acknowledged to anybody.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let deadline = tokio::time::Instant::now() + Limits::default().drain + Duration::from_secs(10);
        for mut task in self.tasks {
            match tokio::time::timeout_at(deadline, &mut task).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a part did not stop in order"),
                Err(_late) => {
                    tracing::warn!("cut off a part that had not stopped in time");
                    task.abort();
                }
            }
        }
    }
}

/// Opens the log and the databases, waiting for servers no longer than the settings say. Whoever has been erased stays so, also in personal data
/// that was restored from a copy.
///
/// # Errors
/// Whatever could not be opened, with the cause that [`crate::exit::code`] knows.
pub async fn open(settings: &Settings, clock: Clock) -> Result<Arc<App>> {
    let (log, target) = storage(settings).await?;
    let key = id_key(settings)?;
    let personal = Personal::open(&target, settings.wait).await.context("the personal data store cannot be opened")?;
    let personal = personal.numbered(numbering(&settings.default_region, &key)?);
    let read = ReadDb::open(&target, settings.wait).await.context("the read models cannot be opened")?;
    let ledger = Ledger::open(&target, &settings.network, settings.wait).await.context("the ledger cannot be opened")?;
    let network = SmolStr::from(&settings.network);
    let control = Control::new(log.clone(), &network, clock.clone());
    control.refresh().await.context("the policies cannot be read")?;
    let numbers = Numbers::new(log.clone(), &network, clock.clone(), key.clone(), Arc::new(personal.clone()));
    let app = App {
        numbers,
        transactor: Transactor::new(log, &network, clock.clone(), settings.cached_patients),
        network,
        clock,
        keys: key,
        control,
        access: Access::new(personal.clone()),
        personal,
        read,
        ledger,
        signing_key_file: signing_key_file(settings),
        operator: settings.operator.clone(),
        themes: Arc::new(Themes::read(settings.themes_file.as_deref()).map_err(Usage)?),
        strangers_kept_days: settings.strangers_kept_days,
    };
    // Before anybody looks into it: the personal data may have been restored from a copy.
    let erased = app.repeat_erasures().await.context("the erasures in the log cannot be repeated")?;
    if erased > 0 {
        tracing::warn!(
            patients = erased,
            "the personal data was older than the log: whoever has been erased since is erased again"
        );
    }
    // Before any permit is asked for: whose number has no fingerprint would be rung as if nobody shared it.
    let numbered = app.personal.number_everybody().await.context("telephone numbers cannot be given their fingerprints")?;
    if numbered > 0 {
        tracing::info!(people = numbered, "telephone numbers were given their fingerprints");
    }
    // People from before there were keys; whoever is left is found by the next start.
    match app.personal.make_likeness_keys().await {
        Ok(0) => {}
        Ok(people) => tracing::info!(people, "duplicates among those who were registered before can be found"),
        Err(error) => tracing::warn!(%error, "not all duplicates can be found until the next start"),
    }
    Ok(Arc::new(app))
}

/// How numbers are read, and their fingerprints.
fn numbering(region: &str, key: &IdKey) -> Result<Numbering> {
    let key = key.clone();
    Numbering::new(region, move |form| key.number(form)).map_err(|unknown| Usage(format!("`default_region`: {unknown}")).into())
}

/// Opens the log alone, for commands that need nothing else.
///
/// # Errors
/// If there is no network, or another process has its embedded log open.
pub async fn open_log(settings: &Settings) -> Result<Arc<dyn EventLog>> {
    must_exist(settings)?;
    Ok(storage(settings).await?.0)
}

async fn storage(settings: &Settings) -> Result<(Arc<dyn EventLog>, Target)> {
    match &settings.storage {
        Storage::Embedded => {
            // Names and numbers will lie in it: it is nobody else's to read.
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&settings.data)
                .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
            let log =
                SqliteLog::open(&settings.data.join("events.db"), &settings.network).context("the event log cannot be opened")?;
            Ok((Arc::new(log), Target::sqlite(&settings.data)))
        }
        Storage::Servers { nats, login, replicas, database } => {
            let log = open_jetstream(jetstream(settings, nats, login.as_ref(), *replicas)?);
            Ok((Arc::new(log.await.context("the event log cannot be opened")?), target(&database.0)?))
        }
    }
}

fn jetstream(
    settings: &Settings,
    servers: &[String],
    login: Option<&(String, PathBuf)>,
    replicas: usize,
) -> Result<JetStreamConfig> {
    let mut config = JetStreamConfig::new(&settings.network, servers.iter().cloned());
    config.replicas = replicas;
    config.connect_wait = settings.wait;
    if let Some((user, file)) = login {
        config.login = NatsLogin::Password { user: user.clone(), password: read_secret(file)? };
    }
    Ok(config)
}

/// Opens the log of a network that is there, for commands that only read it: an embedded one also while a server writes it.
///
/// # Errors
/// There is no such log, or it cannot be opened.
pub async fn open_to_read(settings: &Settings) -> Result<Arc<dyn EventLog>> {
    let log: Arc<dyn EventLog> = match &settings.storage {
        Storage::Embedded => {
            let log = SqliteReadLog::open(&settings.data.join("events.db"), &settings.network);
            Arc::new(log.context("the event log cannot be opened")?)
        }
        Storage::Servers { nats, login, replicas, .. } => {
            let config = JetStreamConfig { create: false, ..jetstream(settings, nats, login.as_ref(), *replicas)? };
            Arc::new(open_jetstream(config).await.context("the event log cannot be opened")?)
        }
    };
    Ok(log)
}

fn target(url: &str) -> Result<Target> {
    url.parse().context("`database_url` is not the address of a PostgreSQL database")
}

/// The databases that settings name, for commands which need no log.
///
/// # Errors
/// An address that is none.
pub fn databases(settings: &Settings) -> Result<Target> {
    match &settings.storage {
        Storage::Embedded => Ok(Target::sqlite(&settings.data)),
        Storage::Servers { database, .. } => target(&database.0),
    }
}

/// Sees to it that settings which name a data folder name one with a network in it, for commands that make none.
///
/// # Errors
/// If there is none: most likely another folder is meant.
pub fn must_exist(settings: &Settings) -> Result<()> {
    if matches!(settings.storage, Storage::Embedded) && !settings.data.join("events.db").exists() {
        bail!(
            "there is no network in {}: name its folder with `--data`, or start one there with `tact serve`",
            settings.data.display()
        );
    }
    Ok(())
}

/// The network's secret for ids. The embedded mode makes one at its first start; services that share a network must share it.
///
/// # Errors
/// A file that is not there or holds no secret.
pub fn id_key(settings: &Settings) -> Result<IdKey> {
    let file = match (&settings.id_key_file, &settings.storage) {
        (Some(file), _) => file.clone(),
        (None, Storage::Embedded) => {
            let file = settings.data.join("id.key");
            if !file.exists() {
                write_private(&file, &hex::encode(random::<32>()))?;
            }
            file
        }
        (None, Storage::Servers { .. }) => {
            return Err(Usage(
                "`id_key_file` must name a file with the network's secret for ids, the same for every service: make one with \
                 `openssl rand -hex 32`"
                    .to_owned(),
            )
            .into());
        }
    };
    let text = read_secret(&file)?;
    let mut key = [0u8; 32];
    hex::decode_to_slice(&text, &mut key)
        .map_err(|_| anyhow::anyhow!("{} does not hold 64 hexadecimal digits", file.display()))?;
    Ok(IdKey::new(&key))
}

/// The file with the key that signs; the embedded mode has one in its folder.
pub fn signing_key_file(settings: &Settings) -> Option<PathBuf> {
    match (&settings.signing_key_file, &settings.storage) {
        (Some(file), _) => Some(file.clone()),
        (None, Storage::Embedded) => Some(settings.data.join("signing.key")),
        (None, Storage::Servers { .. }) => None,
    }
}

/// The notary of a process. The first one of a network makes its key.
async fn notary(settings: &Settings, app: &App) -> Result<Notary> {
    let Some(file) = signing_key_file(settings) else {
        return Err(Usage(
            "`signing_key_file` must name a file for the key by which this network signs; the first notary makes it, and so does \
             `tact keys make`"
                .to_owned(),
        )
        .into());
    };
    if !file.exists() {
        if let Some((current, _)) = app.ledger.keys().await?.last() {
            bail!(
                "there is no {}, but the network signs with {current}: put the file back from the copy that you keep, since nobody can \
                 make it again",
                file.display()
            );
        }
        match keys::make(&file, &settings.network, &random::<32>()) {
            // Another process of this network has been faster.
            Err(KeyError::File { error, .. }) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            made => drop(made?),
        }
    }
    keys::read(&file, &settings.network)?;
    let log = app.transactor.log().clone();
    let publisher = Publisher::new(log.clone(), settings.checkpoint_file.clone());
    Ok(Notary::new(log, app.ledger.clone(), app.clock.clone(), file, publisher))
}

/// The feed of a process. It fills the feed's stream where there is one, and follows the log for those who read it from here.
async fn feeder(settings: &Settings, app: &App) -> Result<Feeder> {
    let stream = match &settings.storage {
        Storage::Embedded => None,
        Storage::Servers { nats, login, replicas, .. } => {
            let login = settings.feed.login.as_ref().or(login.as_ref());
            let config = jetstream(settings, nats, login, *replicas)?;
            Some(FeedStream::open(config, settings.feed.limits).await.context("the feed's stream cannot be opened")?)
        }
    };
    let transform = Transform::new(&app.network, app.keys.clone());
    Ok(Feeder::new(app.transactor.log().clone(), stream, transform, app.clock.clone()))
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("{} cannot be made", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all().with_context(|| format!("{} cannot be written", path.display()))
}

/// Starts the process in its roles and listens.
///
/// # Errors
/// Whatever could not be opened, or an address that is taken.
pub async fn start(settings: &Settings, roles: &[Role], clock: Clock) -> Result<Running> {
    let embedded = matches!(settings.storage, Storage::Embedded);
    if embedded && roles.len() < Role::value_variants().len() {
        return Err(Usage(
            "the embedded log belongs to one process, which plays all roles: leave `--role` out, or keep the log on JetStream \
             (`--log jetstream`)"
                .to_owned(),
        )
        .into());
    }
    let senders = Arc::new(senders(settings)?);
    let provider = provider(settings)?;
    let app = open(settings, clock).await?;
    // Before the first token is made: it is shown once, and must not be lost because a port is taken.
    let listener = tokio::net::TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("{} cannot be listened on", settings.listen))?;
    let mut first_token = None;
    if embedded {
        first_token = make_first_token(&app).await?;
        publish_default(&app).await?;
    }
    let (stop, stopped) = watch::channel(false);
    let (failing, failed) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = vec![tokio::spawn(keep_control_fresh(app.clone(), stopped.clone()))];
    if roles.contains(&Role::Projector) {
        let projector = projector(&app);
        let (mut stopping, failing) = (stopped.clone(), failing.clone());
        tasks.push(tokio::spawn(async move {
            let shutdown = async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            };
            if let Err(error) = projector.run(shutdown).await {
                // Whoever has stopped listening is stopping anyway.
                let _ = failing.send(anyhow::Error::new(error).context("the projector cannot go on"));
            }
        }));
    }
    if roles.contains(&Role::Patient) {
        let reactor =
            Reactor::open(app.clone(), &databases(settings)?, settings.wait).await.context("the reactor cannot be opened")?;
        tasks.push(tokio::spawn(reactor.run(stopped.clone())));
    }
    if roles.contains(&Role::Notary) {
        let notary = notary(settings, &app).await?;
        let (stopped, failing) = (stopped.clone(), failing.clone());
        tasks.push(tokio::spawn(async move {
            if let Err(error) = notary.run(stopped).await {
                let _ = failing.send(anyhow::Error::new(error).context("the notary cannot go on"));
            }
        }));
    }
    let mut live = None;
    if roles.contains(&Role::Feed) {
        let mut feeder = feeder(settings, &app).await?;
        live = Some(Live::new(stopped.clone(), feeder.head()));
        let (stopped, failing) = (stopped.clone(), failing.clone());
        tasks.push(tokio::spawn(async move {
            if let Err(error) = feeder.run(stopped).await {
                let _ = failing.send(anyhow::Error::new(error).context("the feed cannot go on"));
            }
        }));
    }
    let mut desk = None;
    if roles.contains(&Role::Dispatcher) {
        let opened = crate::dispatch::desk(settings, &app, roles == [Role::Dispatcher]).await?;
        tasks.push(tokio::spawn(Dispatcher::new(opened.clone(), fresh(app.clock.now())).run(stopped.clone())));
        desk = Some(opened);
    }
    let address = listener.local_addr()?;
    let url = format!("http://{address}");
    let mut router = router(&app, roles, senders, stopped.clone());
    if roles.contains(&Role::Contact) {
        let positions = Positions::new(stopped.clone());
        router = router.layer(axum::Extension(positions.clone()));
        tasks.push(tokio::spawn(positions.run(app.clone())));
    }
    if let Some(desk) = &desk {
        router = router.layer(axum::Extension(desk.clone()));
    }
    if roles.contains(&Role::SignIn) {
        let sign_in = Arc::new(sign_in(settings, address, provider));
        tasks.push(tokio::spawn(sign_in.clone().run(app.clone(), stopped.clone())));
        router = router.layer(axum::Extension(sign_in));
    }
    if let Some(live) = live {
        router = router.merge(tact_feed::open_routes(app.clone())).layer(axum::Extension(live));
    }
    // The last one, so that it is stopped last.
    tasks.push(tokio::spawn(listener::serve(listener, router, Limits::default(), stopped)));
    Ok(Running { url, first_token, app, desk, stop, tasks, failed, _failing: failing })
}

/// The projector of a process, by the process's own clock.
pub fn projector(app: &App) -> Projector {
    let clock = app.clock.clone();
    Projector::new(
        app.transactor.log().clone(),
        app.read.clone(),
        Arc::new(move || clock.now()),
        tact_projector::Settings::default(),
    )
}

/// The systems whose FHIR is taken over HTTP, by their mappings.
fn senders(settings: &Settings) -> Result<Senders> {
    let mappings = settings.fhir_mappings.iter().map(|path| crate::import::fhir::read_mapping(path));
    let mappings = mappings.collect::<Result<Vec<_>>>().map_err(|error| Usage(format!("{error:#}")))?;
    Ok(Senders::new(mappings))
}

fn router(app: &Arc<App>, roles: &[Role], senders: Arc<Senders>, stopped: watch::Receiver<bool>) -> Router {
    let routes = document(roles.iter().map(|role| role.routes()));
    let (router, document) = serve(app.clone(), routes);
    let document = axum::body::Bytes::from(finished(&document).to_string());
    let open = if roles.contains(&Role::Notary) { tact_notary::open::routes(app.clone()) } else { Router::new() };
    let router = router.layer(axum::Extension(senders)).layer(axum::middleware::from_fn(tact_fhir_http::outcomes));
    let app = app.clone();
    router
        .merge(open)
        .route("/openapi.json", get(async move || ([(axum::http::header::CONTENT_TYPE, "application/json")], document)))
        .route("/livez", get(async || "ok"))
        .route("/startupz", get(async || "ok"))
        .route("/readyz", get(async move || ready(&app, &stopped).await))
}

/// The routes of some roles, with what the document says about all of them.
pub fn document(routes: impl Iterator<Item = OpenApiRouter<Arc<App>>>) -> OpenApiRouter<Arc<App>> {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        info(title = "Tact", description = "Patient relations that keep to the stated contact policy. Writes take an `Idempotency-Key`; \
            answers name their position in the log, which reads accept as `at_least`. Errors are RFC 9457 problems."),
        security(("bearer" = [])),
        modifiers(&Bearer),
    )]
    struct Document;
    struct Bearer;
    impl utoipa::Modify for Bearer {
        fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
            use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
            let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
            document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
        }
    }
    routes.fold(OpenApiRouter::with_openapi(<Document as utoipa::OpenApi>::openapi()), OpenApiRouter::merge)
}

/// The OpenAPI document of some roles, as a server in these roles gives it.
pub fn openapi(roles: &[Role]) -> serde_json::Value {
    finished(&document(roles.iter().map(|role| role.routes())).split_for_parts().1)
}

/// The OpenAPI document of all roles.
pub fn whole_document() -> serde_json::Value {
    openapi(Role::value_variants())
}

/// How long the log and the databases may take to answer together: less than whoever asks is likely to wait.
const READY_WAIT: Duration = Duration::from_secs(4);

async fn ready(app: &App, stopped: &watch::Receiver<bool>) -> Result<&'static str, Problem> {
    if *stopped.borrow() {
        return Err(Problem::unavailable("the server is stopping"));
    }
    let asked = async {
        app.transactor.log().head().await?;
        app.personal.db().ping().await.map_err(tact_service::app::database)?;
        app.read.db().ping().await.map_err(tact_service::app::database)
    };
    let late =
        || Problem::unavailable(format!("the log or a database did not answer within {} s", READY_WAIT.as_secs())).retry_after(2);
    tokio::time::timeout(READY_WAIT, asked).await.map_err(|_| late())??;
    Ok("ok")
}

async fn keep_control_fresh(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    // Well within the lease, so that no request has to wait for the policies.
    let mut tick = tokio::time::interval(Duration::from_secs(10));
    let mut troubled = false;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match app.control.refresh().await {
            Ok(()) => troubled = false,
            Err(error) if !troubled => {
                troubled = true;
                tracing::warn!(%error, "the policies cannot be read; no permits once the last reading is 45 s old");
            }
            Err(_) => {}
        }
    }
}

/// The id of a token's actor, given or new.
pub fn actor(given: Option<Uuid>, clock: &Clock) -> Uuid {
    given.unwrap_or_else(|| fresh(clock.now()))
}
