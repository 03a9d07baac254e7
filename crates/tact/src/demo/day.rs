//! Slot by slot: sets the clock, and does what happens then to every patient at once, each through the public API.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use chrono::Duration;
use futures::StreamExt;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tact_domain::control::POLICY_NOTICE;
use tact_domain::{Time, policy};
use tact_service::clock::Clock;
use uuid::Uuid;

use super::lives::{Life, Step, slot};
use super::{BRANCHES, DemoArgs, beginning, lives, names, showcase};
use crate::client::Client;

/// How many patients are attended to at once.
const AT_ONCE: usize = 48;

/// What is worth telling about afterwards.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many commands were sent.
    pub(super) commands: usize,
    /// The position of the last one.
    pub(super) position: u64,
    /// Every permit that was asked for: purpose, and the codes of a refusal.
    pub(super) asked: BTreeMap<(String, String), usize>,
    /// The latest refusals, the newest last.
    pub(super) refusals: Vec<RefusalTold>,
}

/// A refusal, to be told.
#[derive(Debug, Clone)]
pub(super) struct RefusalTold {
    pub(super) at: Time,
    pub(super) branch: &'static str,
    pub(super) name: String,
    pub(super) purpose: String,
    pub(super) channel: String,
    pub(super) reasons: Value,
    pub(super) next: Option<String>,
}

/// What is known of a patient so far.
#[derive(Debug, Clone, Default)]
struct Known {
    id: Option<Uuid>,
    name: String,
    appointments: Vec<Uuid>,
    referral: Option<Uuid>,
    provider: usize,
    steps: usize,
}

/// Lives through all lives.
pub(super) async fn live(client: &Client, clock: &Clock, args: &DemoArgs, bar: &ProgressBar) -> Result<Told> {
    let mut all: Vec<Life> = lives::lives(args);
    all.extend(showcase::lives(all.len()));
    let mut slots: BTreeMap<Time, BTreeMap<usize, Vec<Step>>> = BTreeMap::new();
    for (number, life) in all.iter().enumerate() {
        for timed in &life.steps {
            slots.entry(timed.at).or_default().entry(number).or_default().push(timed.step.clone());
        }
    }
    let mut known = vec![Known::default(); all.len()];
    let mut told = Told::default();
    let second_policy = slot(beginning(), 365, 0);
    let mut published = false;
    for (at, patients) in slots {
        if !published && at >= second_policy {
            clock.set(second_policy - Duration::hours(2));
            publish_holidays(client, second_policy - Duration::hours(1)).await?;
            published = true;
        }
        clock.set(at);
        bar.set_position((at - beginning()).num_days().unsigned_abs());
        let ids: Vec<Option<Uuid>> = known.iter().map(|k| k.id).collect();
        let lives: Vec<_> = patients
            .into_iter()
            .map(|(number, steps)| {
                let slot = Slot { client, number, branch: all[number].branch, at, ids: &ids };
                slot.attend(known[number].clone(), steps)
            })
            .collect();
        let mut attended = futures::stream::iter(lives).buffer_unordered(AT_ONCE);
        let mut done = Vec::new();
        while let Some(result) = attended.next().await {
            done.push(result?);
        }
        drop(attended);
        // In the order of the patients, so that what is told does not hang on who was faster.
        done.sort_by_key(|(number, ..)| *number);
        for (number, now_known, heard) in done {
            known[number] = now_known;
            told.commands += heard.commands;
            told.position = told.position.max(heard.position);
            for (key, count) in heard.asked {
                *told.asked.entry(key).or_default() += count;
            }
            told.refusals.extend(heard.refusals);
        }
        let old = told.refusals.len().saturating_sub(400);
        told.refusals.drain(..old);
    }
    Ok(told)
}

/// The network writes down its holidays: another version of the policy.
async fn publish_holidays(client: &Client, effective_from: Time) -> Result<()> {
    let days =
        ["2026-01-01", "2026-01-02", "2026-01-07", "2026-02-23", "2026-03-08", "2026-05-01", "2026-05-09", showcase::HOLIDAY];
    let quoted: Vec<String> = days.iter().map(|day| format!("\"{day}\"")).collect();
    let text = policy::DEFAULT.replace("holidays = []", &format!("holidays = [{}]", quoted.join(", ")));
    let effective_from = effective_from + POLICY_NOTICE;
    let body = json!({"version": "2026-with-holidays", "text": text, "effective_from": effective_from});
    client.post("/v1/policies", "policy-2026", &body).await?.ok().context("the second policy")?;
    Ok(())
}

/// One patient in one slot.
struct Slot<'a> {
    client: &'a Client,
    number: usize,
    branch: usize,
    at: Time,
    ids: &'a [Option<Uuid>],
}

impl Slot<'_> {
    async fn attend(self, mut known: Known, steps: Vec<Step>) -> Result<(usize, Known, Told)> {
        let mut told = Told::default();
        for step in steps {
            known.steps += 1;
            self.step(&mut known, &mut told, &step)
                .await
                .with_context(|| format!("patient {} on {}: {step:?}", self.number, self.at))?;
        }
        Ok((self.number, known, told))
    }

    fn code(&self) -> &'static str {
        BRANCHES[self.branch].code
    }

    /// Posts below the patient; an answer that says "this cannot be any more" is a part of life.
    async fn post(&self, known: &Known, told: &mut Told, what: &str, path: &str, body: Value) -> Result<Option<Value>> {
        let id = known.id.context("the patient is not registered")?;
        let key = format!("{}-{}-{what}", self.number, known.steps);
        let reply = self.client.post(&format!("/v1/patients/{id}{path}"), &key, &body).await?;
        told.commands += 1;
        match reply.status {
            200..300 => {
                let position = reply.json["position"].as_str().and_then(|p| p.parse().ok()).unwrap_or_default();
                told.position = told.position.max(position);
                Ok(Some(reply.json))
            }
            409 | 422 => Ok(None),
            _ => bail!("{path}: {}: {}", reply.status, reply.json),
        }
    }

    async fn step(&self, known: &mut Known, told: &mut Told, step: &Step) -> Result<()> {
        let branch = self.code();
        match step {
            Step::Register { recommended_by, name, phone } => {
                let recommended_by = recommended_by.and_then(|other| self.ids[other]);
                let mut body = json!({"home_branch": branch, "language": "ru", "person": {"name": name, "phone": phone}});
                if let Some(other) = recommended_by {
                    body["recommended_by"] = json!(other);
                }
                let reply = self.client.post("/v1/patients", &format!("register-{}", self.number), &body).await?.ok()?;
                told.commands += 1;
                known.id = reply["patient"].as_str().and_then(|id| id.parse().ok());
                known.name.clone_from(name);
            }
            Step::Consent { channels, expires } => {
                let document = names::clinician(0x1_0000 + self.number as u128);
                let mut body =
                    json!({"purpose": "promotion", "channels": channels, "evidence": {"method": "paper", "document": document}});
                if let Some(expires) = expires {
                    body["expires_at"] = json!(expires);
                }
                self.post(known, told, "consent", "/consents", body).await?;
            }
            Step::Withdraw => {
                self.post(known, told, "withdraw", "/consent-withdrawals", json!({"purpose": "promotion"})).await?;
            }
            Step::Book { number, kind, starts_at } => {
                let clinician = names::clinician(1 + (self.number % 12) as u128);
                let body = json!({"branch": branch, "kind": kind, "starts_at": starts_at, "clinician": clinician});
                let booked = self.post(known, told, "book", "/appointments", body).await?;
                let id = booked.and_then(|b| b["appointment"].as_str().and_then(|id| id.parse().ok())).unwrap_or_default();
                known.appointments.resize((*number).max(known.appointments.len()), Uuid::nil());
                known.appointments.push(id);
            }
            Step::Move { number, starts_at, by } => {
                self.appointment(known, told, *number, "rescheduling", json!({"starts_at": starts_at, "by": by})).await?;
            }
            Step::Cancel { number, by } => self.appointment(known, told, *number, "cancellation", json!({"by": by})).await?,
            Step::Complete { number } => self.appointment(known, told, *number, "completion", json!({})).await?,
            Step::Miss { number } => self.appointment(known, told, *number, "miss", json!({})).await?,
            Step::Contact { purpose, channel, about, outcome } => {
                let about = about.map(|number| known.appointments.get(number).copied().unwrap_or_default());
                self.contact(known, told, purpose, channel, about, *outcome).await?;
            }
            Step::Unasked { purpose, channel, outcome, days_late } => {
                let time = self.at - Duration::days(*days_late) - Duration::minutes(7);
                let body = json!({"direction": "outbound", "purpose": purpose, "channel": channel, "branch": branch, "outcome": outcome, "time": time});
                self.post(known, told, "unasked", "/contacts", body).await?;
            }
            Step::Announce { number, from, until } => {
                let about = known.appointments.get(*number).copied().unwrap_or_default();
                let body = json!({"purpose": "wellbeing_check", "about": about, "window": {"from": from, "until": until}});
                self.post(known, told, "announce", "/announcements", body).await?;
            }
            Step::DontCall => {
                self.post(known, told, "reach", "/preferences", json!({"reach": "patient_initiated"})).await?;
            }
            Step::CallMe => {
                self.post(known, told, "request", "/requests", json!({"channel": "phone"})).await?;
            }
            Step::Inbound => {
                let body = json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": branch, "outcome": "reached"});
                self.post(known, told, "inbound", "/contacts", body).await?;
            }
            Step::NewPhone(phone) => {
                let id = known.id.context("the patient is not registered")?;
                let key = format!("{}-{}-phone", self.number, known.steps);
                let body = json!({"person": {"phone": phone}});
                self.client.write(hyper::Method::PATCH, &format!("/v1/patients/{id}"), &key, &body).await?.ok()?;
                told.commands += 1;
            }
            Step::Feedback { score, strengths, weaknesses } => {
                let mut body = json!({"branch": branch, "score": score});
                for (list, themes) in [("strengths", strengths), ("weaknesses", weaknesses)] {
                    if !themes.is_empty() {
                        body[list] = json!(themes);
                    }
                }
                self.post(known, told, "feedback", "/feedback", body).await?;
            }
            Step::Refer { need, provider } => {
                let opened = self.post(known, told, "refer", "/referrals", json!({"need": need})).await?;
                known.referral = opened.and_then(|o| o["referral"].as_str().and_then(|id| id.parse().ok()));
                known.provider = *provider;
            }
            Step::Arrange => {
                let providers = self.client.get("/v1/providers?need=x_ray&limit=50").await?.ok()?;
                let others = self.client.get("/v1/providers?need=mri&limit=50").await?.ok()?;
                let list = if known.provider == 0 { providers } else { others };
                let provider = list["providers"][0]["provider"].clone();
                if let Some(referral) = known.referral {
                    let body = json!({"provider": provider});
                    self.post(known, told, "arrange", &format!("/referrals/{referral}/arrangement"), body).await?;
                }
            }
            Step::CloseReferral => {
                if let Some(referral) = known.referral {
                    self.post(known, told, "close", &format!("/referrals/{referral}/closing"), json!({})).await?;
                }
            }
            Step::Die => {
                self.post(known, told, "death", "/death", json!({})).await?;
            }
            Step::Absorb { other } => {
                if let Some(from) = self.ids[*other] {
                    self.post(known, told, "merge", "/merge", json!({"from": from})).await?;
                }
            }
        }
        Ok(())
    }

    async fn appointment(&self, known: &Known, told: &mut Told, number: usize, what: &str, body: Value) -> Result<()> {
        let id = known.appointments.get(number).copied().unwrap_or_default();
        self.post(known, told, what, &format!("/appointments/{id}/{what}"), body).await?;
        Ok(())
    }

    async fn contact(
        &self,
        known: &Known,
        told: &mut Told,
        purpose: &str,
        channel: &str,
        about: Option<Uuid>,
        outcome: Option<&'static str>,
    ) -> Result<()> {
        let branch = self.code();
        let mut body = json!({"purpose": purpose, "channel": channel, "branch": branch});
        if let Some(about) = about {
            body["about"] = json!(about);
        }
        if purpose == "emergency" {
            body["reason"] = json!("Анализ крови требует немедленного осмотра");
        }
        let Some(answer) = self.post(known, told, "ask", "/permits", body).await? else { return Ok(()) };
        if answer["decision"] != "permitted" {
            let codes = answer["reasons"].as_array().into_iter().flatten();
            for code in codes.filter_map(|reason| reason["code"].as_str()) {
                *told.asked.entry((purpose.to_owned(), code.to_owned())).or_default() += 1;
            }
            told.refusals.push(RefusalTold {
                at: self.at,
                branch,
                name: known.name.clone(),
                purpose: purpose.to_owned(),
                channel: channel.to_owned(),
                reasons: answer["reasons"].clone(),
                next: answer["next"].as_str().map(str::to_owned),
            });
            return Ok(());
        }
        *told.asked.entry((purpose.to_owned(), "permitted".to_owned())).or_default() += 1;
        let Some(outcome) = outcome else { return Ok(()) };
        let mut made = json!({
            "direction": "outbound", "purpose": purpose, "channel": channel, "branch": branch, "outcome": outcome, "permit": answer["permit"],
        });
        if !answer["about"].is_null() {
            made["about"] = answer["about"].clone();
        }
        self.post(known, told, "made", "/contacts", made).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::morning;

    #[test]
    fn the_morning_lies_behind_every_step() {
        let args = DemoArgs { folder: None, seed: 1, patients: 200, exit: true };
        let mut lives = lives::lives(&args);
        lives.extend(showcase::lives(lives.len()));
        assert!(lives.iter().flat_map(|life| &life.steps).all(|timed| timed.at < morning() && timed.at >= beginning()));
    }

    #[test]
    fn a_seed_is_one_story() {
        let args = DemoArgs { folder: None, seed: 7, patients: 100, exit: true };
        let tell = || format!("{:?}", lives::lives(&args));
        assert_eq!(tell(), tell());
    }
}
