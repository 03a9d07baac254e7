//! Asking for permits over HTTP, against a loop that only publishes as many events to the same server.
//!
//! The client is a bare loop over a connection, in the same process and on the same cores as the server.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tact::roles::{self, Role};
use tact::settings::{Secret, Settings, Storage};
use tact_service::access::{new_token, token_hash};
use tact_testbed::{Postgres, fresh_name};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::jetstream::{bare, server};
use crate::measure::{Sample, report, sample};
use crate::work::{COMMANDS, Work, before, noon, prepare, share};

pub(crate) async fn run(work: &Work, pairs: usize) -> Result<()> {
    let work = Arc::new(Work { patients: work.patients.clone(), events: work.events.clone() });
    let postgres = Postgres::start().await?;
    for in_flight in [64, 512] {
        let mut samples = Vec::new();
        for _ in 0..pairs {
            let nats = server(false).await?;
            let bare = bare(&work, &nats, in_flight).await?;
            let ours = over_http(&work, &nats.url(), postgres.database().await?, in_flight).await?;
            samples.push((bare, ours));
        }
        report(&format!("permits over HTTP, {in_flight} in flight"), 0.4, &samples);
    }
    Ok(())
}

async fn over_http(work: &Arc<Work>, nats: &str, database: String, in_flight: usize) -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("id.key");
    std::fs::write(&key, "11".repeat(32))?;
    let settings = Settings {
        id_key_file: Some(key),
        signing_key_file: Some(folder.path().join("signing.key")),
        listen: ([127, 0, 0, 1], 0).into(),
        cached_patients: work.patients.len() * 2,
        ..Settings::new(
            fresh_name("bench"),
            folder.path(),
            Storage::Servers { nats: vec![nats.to_owned()], login: None, replicas: 1, database: Secret(database) },
        )
    };
    let clock = tact_service::clock::Clock::by_hand(noon());
    // Only what an answer needs: the projector would share the cores.
    let roles: Vec<Role> =
        Role::value_variants().iter().copied().filter(|role| !matches!(role, Role::Projector | Role::Patient)).collect();
    let running = roles::start(&settings, &roles, clock).await?;
    let app = running.app.clone();
    prepare(app.transactor.log(), &settings.network).await?;
    app.control.refresh().await?;
    let token = new_token();
    let entry = tact_personal::access::Token {
        id: Uuid::from_u128(1),
        actor: Uuid::from_u128(2),
        label: "bench".to_owned(),
        roles: vec!["administrator".to_owned()],
        branches: None,
        created_at: noon(),
        expires_at: None,
        revoked_at: None,
    };
    app.personal.add_token(&entry, &token_hash(&token)).await?;
    for at in 0..work.patients.len() {
        before(&app.transactor, &work.patients, at).await?;
    }
    let address = running.url.trim_start_matches("http://").to_owned();
    let measured = sample(ask_all(work, &address, &token, in_flight)).await?;
    running.stop().await;
    Ok(measured)
}

async fn ask_all(work: &Arc<Work>, address: &str, token: &str, in_flight: usize) -> Result<usize> {
    let mut workers = Vec::new();
    for worker in 0..in_flight {
        let (work, address, token) = (work.clone(), address.to_owned(), token.to_owned());
        workers.push(tokio::spawn(async move {
            let mut connection = TcpStream::connect(&address).await?;
            connection.set_nodelay(true)?;
            let mut buffer = Vec::with_capacity(8192);
            let mut asked = 0;
            for step in 0..COMMANDS {
                for at in share(worker, in_flight, work.patients.len()) {
                    ask(&mut connection, &mut buffer, &token, work.patients[at], at, step).await?;
                    asked += 1;
                }
            }
            Ok::<_, anyhow::Error>(asked)
        }));
    }
    let mut asked = 0;
    for worker in workers {
        asked += worker.await??;
    }
    Ok(asked)
}

async fn ask(connection: &mut TcpStream, buffer: &mut Vec<u8>, token: &str, patient: Uuid, at: usize, step: usize) -> Result<()> {
    const BODY: &str = r#"{"purpose":"promotion","channel":"sms","branch":"north"}"#;
    let request = format!(
        "POST /v1/patients/{patient}/permits HTTP/1.1\r\nHost: tact\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {at}-{step}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    connection.write_all(request.as_bytes()).await?;
    buffer.clear();
    loop {
        if connection.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        let Some(head) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?;
        let length =
            text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().to_owned()));
        let length: usize = length.context("no content-length")?.parse()?;
        if buffer.len() < head + 4 + length {
            continue;
        }
        if !text.starts_with("HTTP/1.1 200") {
            bail!("{text}\n{}", String::from_utf8_lossy(&buffer[head + 4..]));
        }
        return Ok(());
    }
}
