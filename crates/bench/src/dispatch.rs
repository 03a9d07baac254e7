//! The dispatcher, against a gateway that answers after 50 ms, and a bare client that posts as many bodies of the same form to the same gateway
//! over as many connections.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use tact::settings::{Secret, Settings, Storage};
use tact_dispatcher::Desk;
use tact_dispatcher::gateway::{Gateway, Sent};
use tact_dispatcher::role::Dispatcher;
use tact_dispatcher::sandbox::{Options, Sandbox};
use tact_dispatcher::setup::Setup;
use tact_dispatcher::signing::Secrets;
use tact_dispatcher::store::Store;
use tact_domain::patient::{Ask, OnNumber};
use tact_domain::{Actor, Channel};
use tact_personal::{Details, NewPerson};
use tact_service::clock::Clock;
use tact_service::transact::Command;
use tact_testbed::{Postgres, fresh_name};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::jetstream::server;
use crate::measure::{Sample, report, sample};
use crate::work::{before, noon, prepare};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const CONNECTIONS: usize = 64;

/// A gateway that answers after 50 ms and says nothing by itself.
async fn gateway() -> Result<(Sandbox, String, watch::Sender<bool>)> {
    let options = Options { quiet: true, slow: Duration::from_millis(50), ..Options::default() };
    let sandbox = Sandbox::new(Secrets::read(SECRET)?, Clock::by_hand(noon()), options);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = watch::channel(false);
    let serving = sandbox.clone();
    tokio::spawn(async move { serving.serve(listener, stopped).await });
    Ok((sandbox, url, stop))
}

pub(crate) async fn run(pairs: usize, messages: usize) -> Result<()> {
    let postgres = Postgres::start().await?;
    let mut samples = Vec::new();
    for _ in 0..pairs {
        let (ours, body) = ours(&postgres.database().await?, messages).await?;
        samples.push((bare(&body, messages).await?, ours));
    }
    report(&format!("dispatcher, {CONNECTIONS} connections, 50 ms"), 0.9, &samples);
    Ok(())
}

/// Posts bodies that differ in the id alone.
async fn bare(body: &serde_json::Value, messages: usize) -> Result<Sample> {
    let (sandbox, url, _stop) = gateway().await?;
    let (secrets, wait) = (Secrets::read(SECRET)?, Duration::from_secs(30));
    let client = Arc::new(Gateway::new("bare", &url, false, vec![Channel::Sms], secrets, CONNECTIONS, wait)?);
    let bodies: Vec<(String, Bytes)> = (0..messages)
        .map(|at| {
            let id = Uuid::from_u128(at as u128).to_string();
            let mut body = body.clone();
            body["id"] = id.clone().into();
            (id, body.to_string().into())
        })
        .collect();
    let bodies = Arc::new(bodies);
    let posted = async {
        let mut workers = JoinSet::new();
        for worker in 0..CONNECTIONS {
            let (client, bodies) = (client.clone(), bodies.clone());
            workers.spawn(async move {
                for (id, body) in bodies.iter().skip(worker).step_by(CONNECTIONS) {
                    let sent = client.hand_over(id, body.clone(), noon()).await;
                    anyhow::ensure!(matches!(sent, Sent::Taken(..)), "{sent:?}");
                }
                Ok(())
            });
        }
        while let Some(done) = workers.join_next().await {
            done??;
        }
        Ok(messages)
    };
    let measured = sample(posted).await?;
    anyhow::ensure!(sandbox.all().len() == messages, "some did not arrive");
    Ok(measured)
}

/// The dispatcher on NATS and PostgreSQL: from its start, with every permit in the log, until the gateway has every message.
async fn ours(database: &str, messages: usize) -> Result<(Sample, serde_json::Value)> {
    let (sandbox, url, _stop) = gateway().await?;
    let nats = server(false).await?;
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("id.key"), "11".repeat(32))?;
    std::fs::write(folder.path().join("gateway.secret"), SECRET)?;
    let file = folder.path().join("dispatch.toml");
    let text = format!(
        "callback_url = \"{url}/nowhere\"\nbranch_phones = {{ north = \"+7 495 000-00-00\" }}\n[gateway.bench]\nurl = \"{url}\"\n\
         channels = [\"sms\"]\nsecrets_file = \"gateway.secret\"\nconcurrency = {CONNECTIONS}\n"
    );
    std::fs::write(&file, text)?;
    let settings = Settings {
        id_key_file: Some(folder.path().join("id.key")),
        listen: ([127, 0, 0, 1], 0).into(),
        cached_patients: messages * 2,
        ..Settings::new(
            fresh_name("bench"),
            folder.path(),
            Storage::Servers { nats: vec![nats.url()], login: None, replicas: 1, database: Secret(database.to_owned()) },
        )
    };
    let app = tact::roles::open(&settings, Clock::by_hand(noon())).await?;
    prepare(app.transactor.log(), &settings.network).await?;
    app.control.refresh().await?;
    let store = Store::open(&tact::roles::databases(&settings)?, settings.wait).await?;
    let desk = || Arc::new(Desk::new(app.clone(), store.clone(), Setup::read(&file).ok()));
    // Here once, so that it knows where it begins.
    let (stop, stopped) = watch::channel(true);
    Dispatcher::new(desk(), Uuid::from_u128(1)).run(stopped).await;
    drop(stop);
    let first = desk();
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(Dispatcher::new(first.clone(), Uuid::from_u128(2)).run(stopped));
    let head = app.transactor.log().head().await?;
    first.read_up_to.subscribe().wait_for(|at| *at >= head).await?;
    stop.send_replace(true);
    working.await?;
    let patients: Vec<Uuid> = (0..messages).map(|at| Uuid::from_u128((at as u128 + 1) << 64)).collect();
    for (at, patient) in patients.iter().enumerate() {
        before(&app.transactor, &patients, at).await?;
        let details = Details { phone: Some(format!("+7905{at:06}0")), ..Details::default() };
        let _ = app.personal.register(&NewPerson { patient: *patient, command: 1, details }).await?;
        let id = |what: u128| Uuid::from_u128(((at as u128 + 1) << 68) | what << 64 | what);
        let branch = "north".parse()?;
        let (purpose, number) = ("promotion".parse()?, OnNumber::default());
        let ask = Ask { permit: id(1), purpose, channel: Channel::Sms, branch, about: None, reason: None, number };
        let actor = Actor::System("bench".into());
        let command = Command { event: id(2), fingerprint: None, time: None, actor, branch: None, cause: None };
        tact_service::permit::ask(&app.transactor, &app.control, &app.numbers, *patient, &command, &ask, None).await?;
    }
    let (stop, stopped) = watch::channel(false);
    let mut working = None;
    let measured = sample(async {
        working = Some(tokio::spawn(Dispatcher::new(desk(), Uuid::from_u128(3)).run(stopped)));
        sandbox.until(messages).await;
        Ok(messages)
    })
    .await?;
    stop.send_replace(true);
    if let Some(working) = working {
        working.await?;
    }
    let all = sandbox.all();
    anyhow::ensure!(all.iter().all(|(_, held)| held.received == 1), "something came twice");
    Ok((measured, all[0].1.message.clone()))
}
