//! `tact demo`: an embedded network that has lived for eighteen months, made through the public API from a seed, and a printed page of its
//! morning. It must never be mistaken for a real one: its clock is set, and every answer says so.

mod day;
mod lives;
mod names;
mod page;
mod showcase;

use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::{DateTime, Duration, TimeZone, Utc};
use chrono_tz::Tz;
use clap::{Args, ValueEnum};
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tact_domain::Time;
use tact_service::clock::Clock;

use crate::client::Client;
use crate::roles::{Role, Running, start};
use crate::settings::{Settings, Storage};

/// The demo's settings.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Keep the network in this folder; a temporary one, gone afterwards, if absent.
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The seed that everything follows from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many patients.
    #[arg(long, default_value_t = 2000)]
    pub patients: usize,
    /// Print the page and end, instead of serving on.
    #[arg(long)]
    pub exit: bool,
}

/// A branch of the sample network.
#[derive(Debug)]
pub struct DemoBranch {
    /// Its code.
    pub code: &'static str,
    name: &'static str,
    zone: Tz,
    place: (f64, f64),
}

/// The branches: three, in two time zones.
pub const BRANCHES: [DemoBranch; 3] = [
    DemoBranch {
        code: "north", name: "Северная (Москва, Алтуфьево)", zone: Tz::Europe__Moscow, place: (55.8983, 37.5871)
    },
    DemoBranch {
        code: "center", name: "Центральная (Москва, Покровка)", zone: Tz::Europe__Moscow, place: (55.7592, 37.6462)
    },
    DemoBranch {
        code: "ural", name: "Уральская (Екатеринбург)", zone: Tz::Asia__Yekaterinburg, place: (56.8389, 60.6057)
    },
];

/// The sample network's morning: Monday, 15 June 2026, ten o'clock in Moscow.
pub fn morning() -> Time {
    moscow(2026, 6, 15, 10, 0)
}

/// When the sample network began: eighteen months earlier.
pub fn beginning() -> Time {
    moscow(2024, 12, 16, 9, 0)
}

fn moscow(year: i32, month: u32, day: u32, hour: u32, minute: u32) -> Time {
    let local = Tz::Europe__Moscow.with_ymd_and_hms(year, month, day, hour, minute, 0).earliest();
    local.unwrap_or_else(|| DateTime::<Utc>::default().with_timezone(&Tz::Europe__Moscow)).with_timezone(&Utc)
}

/// A sample network at work.
#[derive(Debug)]
pub struct Demo {
    /// The server.
    pub running: Running,
    /// Its administrator's client.
    pub client: Client,
    /// The administrator's token.
    pub token: String,
    /// The page of its morning, as it is printed.
    pub page: String,
    _folder: Option<tempfile::TempDir>,
}

/// Makes a sample network and leaves it running, its clock at [`morning`].
///
/// # Errors
/// A folder that holds something already, or an answer that was not to be expected.
pub async fn make(args: &DemoArgs, listen: std::net::SocketAddr) -> Result<Demo> {
    let temporary =
        if args.folder.is_none() { Some(tempfile::tempdir().context("no temporary folder can be made")?) } else { None };
    let data = match (&args.folder, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(folder)) => folder.path().to_owned(),
        (None, None) => PathBuf::from("tact-demo"),
    };
    if data.join("events.db").exists() {
        anyhow::bail!("{} holds a network already; name an empty folder", data.display());
    }
    let settings = Settings {
        listen,
        wait: std::time::Duration::from_secs(10),
        now: Some(morning()),
        ..Settings::new("demo", data, Storage::Embedded)
    };
    let clock = Clock::by_hand(beginning() - Duration::hours(1));
    let running = start(&settings, Role::value_variants(), clock.clone()).await?;
    let token = running.first_token.clone().context("the new network made no token")?;
    let client = Client::new(&running.url, &token);
    clock.set(beginning());
    directory(&client).await.context("the sample network's directory")?;
    let bar = ProgressBar::new((morning() - beginning()).num_days().unsigned_abs());
    bar.set_style(ProgressStyle::with_template("{msg} {bar:40} day {pos} of {len}, {eta} left")?);
    bar.set_message("Eighteen months in the life of a network:");
    let told = day::live(&client, &clock, args, &bar).await.context("the sample network's life")?;
    bar.finish_and_clear();
    clock.set(morning());
    let mut page = page::page(&client, &told).await.context("the sample network's page")?;
    if !args.exit {
        let link = link(&client).await.context("the link to the sample network's desk")?;
        page.push_str(&page::address(&running.url, &token, &link)?);
    }
    Ok(Demo { running, client, token, page, _folder: temporary })
}

/// A link to the desk, for whoever runs the network and sits at a desk.
async fn link(client: &Client) -> Result<String> {
    let body = json!({"label": "Анна Демидова", "roles": ["administrator", "network_manager"], "valid_hours": 168});
    let made = client.post("/v1/sign-in-links", "demo-link", &body).await?.ok()?;
    Ok(made["url"].as_str().context("the link has no address")?.to_owned())
}

/// The branches, the providers elsewhere, and a clinician who has left.
async fn directory(client: &Client) -> Result<()> {
    let week = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
    for branch in &BRANCHES {
        let hours: serde_json::Map<String, serde_json::Value> =
            week.iter().map(|day| ((*day).to_owned(), json!({"from": "08:00", "until": "20:00"}))).collect();
        let body = json!({
            "name": branch.name, "time_zone": branch.zone.name(), "hours": hours,
            "place": {"latitude": branch.place.0, "longitude": branch.place.1}, "services": ["dentistry", "surgery", "checkup"],
        });
        client
            .write(Method::PUT, &format!("/v1/branches/{}", branch.code), &format!("branch-{}", branch.code), &body)
            .await?
            .ok()?;
    }
    let moscow = Tz::Europe__Moscow.name();
    let providers = [
        ("Рентген-центр на Таганке", 55.7423, 37.6533, "x_ray", "Таганская площадь, 3", "+7 000 495-10-01", moscow),
        ("Рентген-кабинет в Отрадном", 55.8634, 37.6046, "x_ray", "улица Декабристов, 21", "+7 000 495-10-02", moscow),
        ("Городская больница, кабинет МРТ", 55.8031, 37.5112, "mri", "улица Алабяна, 10", "+7 000 495-10-03", moscow),
        (
            "Уральский диагностический центр",
            56.8450,
            60.6320,
            "x_ray",
            "улица Малышева, 90",
            "+7 000 343-10-04",
            Tz::Asia__Yekaterinburg.name(),
        ),
    ];
    let hours: serde_json::Map<String, serde_json::Value> =
        week.iter().map(|day| ((*day).to_owned(), json!({"from": "09:00", "until": "19:00"}))).collect();
    for (at, (name, latitude, longitude, service, address, phone, zone)) in providers.iter().enumerate() {
        let body = json!({"name": name, "services": [service], "place": {"latitude": latitude, "longitude": longitude},
            "address": address, "phone": phone, "hours": hours, "time_zone": zone});
        client.post("/v1/providers", &format!("provider-{at}"), &body).await?.ok()?;
    }
    let clinician = names::clinician(0);
    let body = json!({"new_clinic": "Клиника на Чистых прудах"});
    client.post(&format!("/v1/clinicians/{clinician}/departure"), "departure-0", &body).await?.ok()?;
    Ok(())
}
