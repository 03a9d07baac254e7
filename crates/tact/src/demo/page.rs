//! The printed page of the sample's morning: what is due, what stands in the way, what was refused lately and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::Result;
use chrono::{DateTime, FixedOffset, Utc};
use chrono_tz::Tz;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

use super::day::Told;
use super::{BRANCHES, morning};
use crate::client::Client;

/// How many lines each list shows, and how many of them for one purpose: the page is to show something of each.
const SHOWN: usize = 10;
const SHOWN_OF_A_PURPOSE: usize = 3;

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic).set_width(120);
    table.set_header(header.iter().copied());
    table
}

fn local(time: &Value, zone: Tz) -> String {
    let time = time.as_str().and_then(|text| DateTime::<FixedOffset>::parse_from_rfc3339(text).ok());
    time.map_or_else(String::new, |time| time.with_timezone(&zone).format("%a %d %b %H:%M").to_string())
}

/// A reason in words, with its numbers.
fn words(reason: &Value) -> String {
    let code = reason["code"].as_str().unwrap_or_default();
    let said = match code {
        "purpose_unknown" => "the policy does not know this purpose",
        "purpose_forbidden" => "forbidden",
        "patient_closed" => "died, erased or merged",
        "channel_not_allowed" => "not on this channel",
        "channel_unreachable" => "a wrong number, no new one since",
        "patient_initiated_only" => "\"don't call me, I'll call you\"",
        "consent_missing" => "no consent",
        "consent_withdrawn" => "consent withdrawn",
        "consent_expired" => "consent expired",
        "no_occasion" => "nothing that gives a reason",
        "too_early" => "too early",
        "too_late" => "too late",
        "not_announced" => "nobody announced it",
        "outside_announced_window" => "announced for another time",
        "quiet_hours" => "quiet hours",
        "holiday" => "a holiday",
        "limit_reached" | "overall_limit_reached" => "limit reached",
        "permit_outstanding" => "someone is on it",
        "number_busy" => "the number has been rung enough",
        other => other,
    };
    match (reason["limit"].as_str(), reason["text"].as_str()) {
        (Some(limit), _) => format!("{said}: {} of {limit}", reason["count"]),
        (_, Some(text)) => format!("{said}: {text}"),
        _ => said.to_owned(),
    }
}

fn reasons(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(words).collect::<Vec<_>>().join("; ")
}

/// Asks the server for everything on the page, as any client would, and lays it out.
pub(super) async fn page(client: &Client, told: &Told) -> Result<String> {
    let mut out = String::new();
    let now = morning();
    writeln!(
        out,
        "\nTact: a sample network on {} in Moscow (the clock is set; nobody here is real)\n",
        now.with_timezone(&Tz::Europe__Moscow).format("%A, %d %B %Y, %H:%M")
    )?;
    writeln!(out, "{} commands made it through the public API. Of the permits that were asked for:", told.commands)?;
    permits(&mut out, told)?;
    for branch in &BRANCHES {
        branch_lists(&mut out, client, branch.code, branch.zone, told.position).await?;
    }
    refusals(&mut out, told)?;
    exhausted(&mut out, client).await?;
    feedback(&mut out, client).await?;
    Ok(out)
}

/// Where the network goes on, and what to try there.
pub(super) fn address(url: &str, token: &str, link: &str) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "The desk, in a browser; the link lets one browser in, once:\n\n  {link}\n")?;
    writeln!(
        out,
        "Listening on {url}, all routes at {url}/openapi.json. The administrator's token, shown this once:\n\n  {token}\n"
    )?;
    writeln!(out, "Try:\n")?;
    writeln!(out, "  T={token}")?;
    writeln!(out, "  curl -H \"Authorization: Bearer $T\" '{url}/v1/branches/north/worklist?callable=true&limit=3'")?;
    writeln!(out, "  curl -H \"Authorization: Bearer $T\" '{url}/v1/figures?from=2026-05&until=2026-07'")?;
    writeln!(out, "  curl -H \"Authorization: Bearer $T\" -G --data-urlencode 'text=Соколов' '{url}/v1/patients'")?;
    writeln!(
        out,
        "  export TACT_TOKEN=$T TACT_URL={url} ID=...   # a patient's, from the answer before\n  tact audit --part wishes"
    )?;
    writeln!(out, "  tact history export --patient $ID --purpose complaint -o history.jsonl")?;
    writeln!(out, "  curl {url}/keys > network.keys && tact history verify history.jsonl --key network.keys")?;
    Ok(out)
}

fn permits(out: &mut String, told: &Told) -> Result<()> {
    let mut purposes: Vec<&String> = told.asked.keys().map(|(purpose, _)| purpose).collect();
    purposes.dedup();
    let mut lines = table(&["asked for", "permitted", "refused, by reason"]);
    for purpose in purposes {
        let permitted = told.asked.get(&(purpose.clone(), "permitted".to_owned())).copied().unwrap_or_default();
        let mut refused: Vec<(usize, &String)> = told
            .asked
            .iter()
            .filter(|((of, code), _)| of == purpose && code != "permitted")
            .map(|((_, code), count)| (*count, code))
            .collect();
        refused.sort_by_key(|(count, code)| (std::cmp::Reverse(*count), *code));
        let refused: Vec<String> = refused.iter().map(|(count, code)| format!("{code} {count}")).collect();
        lines.add_row([purpose.clone(), permitted.to_string(), refused.join(", ")]);
    }
    writeln!(out, "{lines}\n")?;
    Ok(())
}

async fn branch_lists(out: &mut String, client: &Client, code: &str, zone: Tz, position: u64) -> Result<()> {
    let due = client.get(&format!("/v1/branches/{code}/worklist?limit=200&at_least={position}")).await?.ok()?;
    let entries: Vec<&Value> = due["entries"].as_array().into_iter().flatten().collect();
    let (callable, blocked): (Vec<&Value>, Vec<&Value>) = entries.iter().partition(|entry| entry["callable"] == true);
    let more = if due["next"].is_null() { "" } else { " and more" };
    writeln!(
        out,
        "{code}: {} may be contacted now{more}, {} are due but something stands in the way",
        callable.len(),
        blocked.len()
    )?;
    writeln!(out, "  now: {}; in the way: {}", by_purpose(&callable), by_purpose(&blocked))?;
    let mut lines = table(&["whom", "what for", "how", "until", "about"]);
    for entry in most_urgent(&callable) {
        lines.add_row([
            entry["name"].as_str().unwrap_or("(unknown)").to_owned(),
            entry["purpose"].as_str().unwrap_or_default().to_owned(),
            entry["channel"].as_str().unwrap_or_default().to_owned(),
            local(&entry["due_until"], zone),
            format!("{} {}", entry["occasion"].as_str().unwrap_or_default(), local(&entry["at"], zone)),
        ]);
    }
    writeln!(out, "{lines}")?;
    if !blocked.is_empty() {
        let mut lines = table(&["not now", "what for", "what stands in the way", "ask again"]);
        for entry in most_urgent(&blocked) {
            lines.add_row([
                entry["name"].as_str().unwrap_or("(unknown)").to_owned(),
                entry["purpose"].as_str().unwrap_or_default().to_owned(),
                reasons(&entry["reasons"]),
                local(&entry["next"], zone),
            ]);
        }
        writeln!(out, "{lines}")?;
    }
    let announce = client.get(&format!("/v1/branches/{code}/worklist?view=announce&limit=5")).await?.ok()?;
    for entry in announce["entries"].as_array().into_iter().flatten() {
        let name = entry["name"].as_str().unwrap_or("(unknown)");
        writeln!(
            out,
            "  Tell {name} before they leave that a call ({}) will come.",
            entry["purpose"].as_str().unwrap_or_default()
        )?;
    }
    writeln!(out)?;
    Ok(())
}

/// How many entries there are for each purpose, in words.
fn by_purpose(entries: &[&Value]) -> String {
    let mut counts = BTreeMap::<&str, usize>::new();
    for entry in entries {
        *counts.entry(entry["purpose"].as_str().unwrap_or_default()).or_default() += 1;
    }
    let words: Vec<String> = counts.iter().map(|(purpose, count)| format!("{purpose} {count}")).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// The entries whose time runs out first, a few of each purpose.
fn most_urgent<'a>(entries: &[&'a Value]) -> Vec<&'a Value> {
    let mut sorted = entries.to_vec();
    // Times in UTC sort as texts; what has no end comes last.
    sorted.sort_by_key(|entry| (entry["due_until"].is_null(), entry["due_until"].as_str().unwrap_or_default()));
    let mut shown = BTreeMap::<&str, usize>::new();
    sorted.retain(|entry| {
        let count = shown.entry(entry["purpose"].as_str().unwrap_or_default()).or_default();
        *count += 1;
        *count <= SHOWN_OF_A_PURPOSE
    });
    sorted.truncate(SHOWN);
    sorted
}

fn refusals(out: &mut String, told: &Told) -> Result<()> {
    writeln!(out, "Refused lately, and why:")?;
    let mut lines = table(&["when", "branch", "whom", "what for", "why", "ask again"]);
    // One example of each first reason, the latest.
    let mut seen = BTreeSet::new();
    let latest = told.refusals.iter().rev().filter(|r| seen.insert(r.reasons[0]["code"].to_string()));
    for refusal in latest.take(20) {
        let when = |time: DateTime<Utc>| time.with_timezone(&Tz::Europe__Moscow).format("%d %b %H:%M").to_string();
        lines.add_row([
            when(refusal.at),
            refusal.branch.to_owned(),
            refusal.name.clone(),
            format!("{} by {}", refusal.purpose, refusal.channel),
            reasons(&refusal.reasons),
            refusal.next.as_ref().map_or_else(String::new, |next| local(&Value::String(next.clone()), Tz::Europe__Moscow)),
        ]);
    }
    writeln!(out, "{lines}\n")?;
    Ok(())
}

async fn exhausted(out: &mut String, client: &Client) -> Result<()> {
    let mut parts = Vec::new();
    for branch in &BRANCHES {
        let path = format!("/v1/quotas?branch={}&purpose=promotion&limit=500", branch.code);
        let reply = client.get(&path).await?.ok()?;
        parts.push(format!("{} {}", branch.code, reply["quotas"].as_array().map_or(0, Vec::len)));
    }
    writeln!(out, "Patients whose quota for promotions is used up at present: {}.\n", parts.join(", "))?;
    Ok(())
}

async fn feedback(out: &mut String, client: &Client) -> Result<()> {
    let reply = client.get("/v1/feedback?from=2025-01&until=2026-07").await?;
    if reply.status != 200 {
        return Ok(());
    }
    writeln!(out, "What those who recommend us say is at /v1/feedback; that of others is kept apart, at /v1/feedback/others.\n")?;
    Ok(())
}
