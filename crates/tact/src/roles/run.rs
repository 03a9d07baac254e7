//! One process, in some or all of its roles: starts what the roles need, and stops it in order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::routing::get;
use clap::ValueEnum;
use tact_contact::positions::Positions;
use tact_dispatcher::Desk;
use tact_dispatcher::role::Dispatcher;
use tact_event_log::FeedStream;
use tact_feed::role::Feeder;
use tact_feed::stream::Live;
use tact_feed::transform::Transform;
use tact_fhir_http::Senders;
use tact_ledger::keys::{self, KeyError};
use tact_notary::publish::Publisher;
use tact_notary::role::Notary;
use tact_patient::reactor::Reactor;
use tact_projector::Projector;
use tact_service::app::serve;
use tact_service::clock::Clock;
use tact_service::document::finished;
use tact_service::ids::{fresh, random};
use tact_service::{App, Problem};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::open::{databases, jetstream, open, signing_key_file};
use super::{Role, document};
use crate::console;
use crate::exit::Usage;
use crate::first_start::{make_first_token, publish_default};
use crate::identity::{provider, sign_in};
use crate::listener::{self, Limits};
use crate::settings::{Settings, Storage};

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
    let by_provider = provider.is_some();
    let console = console::api(settings, roles)?;
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
    if let Some(console) = console {
        let pages = tact_console::routes(console.setup(&router, settings.public_url(address), by_provider));
        router = tact_console::beside(router, pages);
    }
    // The last one, so that it is stopped last.
    tasks.push(tokio::spawn(listener::serve(listener, router, Limits::default(), stopped)));
    Ok(Running { url, first_token, app, desk, stop, tasks, failed, _failing: failing })
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
