//! The page of a branch's day with 100,000 patients and 10,000 entries that are due, against a static file of the same server: how long the
//! server takes, how much goes over the wire, and how soon an event is on the list.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tact::roles::{self, Role};
use tact::settings::{Settings, Storage};
use tact_service::clock::Clock;

use crate::work::noon;

/// How many patients the network has.
const PATIENTS: usize = 100_000;
/// How many of them ask to be called.
const DUE: usize = 10_000;
/// How many requests are under way while they are made.
const IN_FLIGHT: usize = 64;
/// How often each page is asked for in one sample.
const ASKED: usize = 200;
/// How many events are followed to the list.
const FOLLOWED: usize = 50;

/// Somebody who asks the server.
#[derive(Clone)]
struct Asker {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: String,
}

impl Asker {
    async fn send(&self, method: Method, path: &str, key: &str, body: &Value) -> Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key)
            .body(Full::from(body.to_string()))?;
        let (parts, body) = self.client.request(request).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        ensure!(parts.status.is_success(), "{path}: {} {}", parts.status, String::from_utf8_lossy(&bytes));
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// As a browser asks: with a cookie, and packed. How long it took until all of it was there, and how many bytes that were.
    async fn page(&self, path: &str) -> Result<(Duration, usize, Bytes)> {
        let request = Request::get(format!("{}{path}", self.url))
            .header(header::COOKIE, format!("tact-session={}", self.token))
            .header(header::ACCEPT, "text/html")
            .header(header::ACCEPT_ENCODING, "gzip")
            .body(Full::default())?;
        let begun = Instant::now();
        let (parts, body) = self.client.request(request).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        let took = begun.elapsed();
        ensure!(parts.status.is_success(), "{path}: {}", parts.status);
        Ok((took, bytes.len(), bytes))
    }
}

pub(crate) async fn run(pairs: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = Settings {
        listen: ([127, 0, 0, 1], 0).into(),
        cached_patients: 2 * PATIENTS,
        ..Settings::new("bench", folder.path(), Storage::Embedded)
    };
    let clock = Clock::by_hand(noon() - chrono::Duration::minutes(10));
    let running = roles::start(&settings, Role::value_variants(), clock.clone()).await?;
    let token = running.first_token.clone().context("a new network makes a token")?;
    let asker = Asker { client: Client::builder(TokioExecutor::new()).build_http(), url: running.url.clone(), token };
    let branch = json!({"name": "North", "time_zone": "Europe/Moscow"});
    asker.send(Method::PUT, "/v1/branches/north", "branch", &branch).await?;
    clock.set(noon());
    let people = people(&asker).await?;
    let list = "/v1/branches/north/worklist?view=due&limit=1";
    println!("{PATIENTS} patients, {DUE} of whom have asked to be called");
    let desk = "/desk/north";
    let (_, _, html) = asker.page(desk).await?;
    let size = asker.page(desk).await?.1;
    let html = String::from_utf8_lossy(&gunzip(&html)?).into_owned();
    let assets: Vec<&str> = html.split('"').filter(|part| part.starts_with("/assets/")).collect();
    let style = *assets.iter().find(|path| path.ends_with(".css")).context("the page has a style")?;
    let mut bytes = size;
    for asset in &assets {
        bytes += asker.page(asset).await?.1;
    }
    println!(
        "the page {:.1} kB, with all that it loads {:.1} kB over the wire (target: under 150)",
        size as f64 / 1e3,
        bytes as f64 / 1e3
    );
    let mut ratios = Vec::new();
    let mut rows = Vec::new();
    let mut searches = Vec::new();
    for _ in 0..pairs {
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for at in 0..ASKED {
            bare.push(asker.page(style).await?.0);
            ours.push(asker.page(desk).await?.0);
            // The last digits of a number, as one types them when it rings.
            searches.push(asker.page(&format!("/find?q={:04}", at * 37 % 10_000)).await?.0);
        }
        let (bare, ours) = (p99(bare), p99(ours));
        ratios.push(ours.as_secs_f64() / bare.as_secs_f64());
        rows.push((bare, ours));
    }
    ratios.sort_by(f64::total_cmp);
    let middle = rows[rows.len() / 2];
    println!(
        "p99 of the page over p99 of a static file: {:.1}, {:.1}-{:.1} (target: under 20); such as {:?} and {:?}",
        ratios[ratios.len() / 2],
        ratios[0],
        ratios[ratios.len() - 1],
        middle.1,
        middle.0
    );
    searches.sort();
    let (middle, late) = (searches[searches.len() / 2], p99(searches));
    println!("who rings, by four digits among all patients: {middle:?} in the median, {late:?} at p99");
    followed(&asker, &people, list).await?;
    running.stop().await;
    Ok(())
}

/// Registers everybody; the first of them ask for a call.
async fn people(asker: &Asker) -> Result<Vec<String>> {
    let mut workers = Vec::new();
    for worker in 0..IN_FLIGHT {
        let asker = asker.clone();
        workers.push(tokio::spawn(async move {
            let mut own = Vec::new();
            for at in (worker..PATIENTS).step_by(IN_FLIGHT) {
                let body = json!({"home_branch": "north", "person": {"name": format!("Пациент Номер {at}"),
                    "phone": format!("+7 9{:02} {:03}-{:02}-{:02}", at % 90 + 10, at / 10_000 + 100, at / 100 % 100, at % 100)}});
                let made = asker.send(Method::POST, "/v1/patients", &format!("p{at}"), &body).await?;
                let patient = made["patient"].as_str().context("a patient has an id")?.to_owned();
                if at < DUE {
                    let path = format!("/v1/patients/{patient}/requests");
                    asker.send(Method::POST, &path, &format!("r{at}"), &json!({"channel": "phone"})).await?;
                }
                own.push(patient);
            }
            Ok::<_, anyhow::Error>(own)
        }));
    }
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await??);
    }
    // A last event whose position the list can wait for.
    let path = format!("/v1/patients/{}/preferences", all[0]);
    let last = asker.send(Method::POST, &path, "last", &json!({"reach": "normal"})).await?;
    let position = last["position"].as_str().context("a command has a position")?;
    let began = Instant::now();
    while asker.send(Method::GET, &format!("/v1/branches/north/day?at_least={position}"), "none", &Value::Null).await.is_err() {
        ensure!(began.elapsed() < Duration::from_secs(600), "the projector does not come");
    }
    Ok(all)
}

/// From the answer to a command until a page that is open has been told and shows it.
async fn followed(asker: &Asker, people: &[String], list: &str) -> Result<()> {
    let request = Request::get(format!("{}/live", asker.url))
        .header(header::COOKIE, format!("tact-session={}", asker.token))
        .body(Full::default())?;
    let mut live = asker.client.request(request).await?.into_body();
    let mut took = Vec::new();
    for patient in people.iter().rev().take(FOLLOWED) {
        let path = format!("/v1/patients/{patient}/requests");
        let made = asker.send(Method::POST, &path, &format!("f{patient}"), &json!({"channel": "phone"})).await?;
        let position: u64 = made["position"].as_str().context("a position")?.rsplit('/').next().unwrap_or_default().parse()?;
        let begun = Instant::now();
        loop {
            let frame = live.frame().await.context("the server goes on telling")??;
            let Some(data) = frame.data_ref() else { continue };
            let text = String::from_utf8_lossy(data);
            let told = text.lines().filter_map(|line| line.strip_prefix("data: ")?.parse::<u64>().ok()).max();
            if told.is_some_and(|told| told >= position) {
                break;
            }
        }
        took.push(begun.elapsed());
        asker.send(Method::GET, list, "none", &Value::Null).await?;
    }
    took.sort();
    println!(
        "an event is told to an open page after {:?} in the median, {:?} at most",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    Ok(())
}

fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() * 99 / 100]
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    if bytes.starts_with(b"<") {
        return Ok(bytes.to_vec());
    }
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut out)?;
    Ok(out)
}
