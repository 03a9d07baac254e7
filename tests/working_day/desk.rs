//! What the desk does with the entries of its lists: a mix of what comes of calls, dealt out to the patients by their ids. It keeps its own
//! account, for the expectations that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use chrono::{NaiveDateTime, TimeDelta, Timelike};
use serde_json::{Value, json};

use super::place::Place;
use super::truth::utc;

/// What comes of a patient's entries that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// Reached at once.
    Reached,
    /// Reached, and asks not to go on.
    Declined,
    /// Does not answer; reached an hour later.
    SecondTry,
    /// Busy, then a voicemail: that is as often as may be tried.
    TwiceInVain,
    /// The number is somebody else's; reached by email.
    WrongNumber,
    /// The call never leaves us; reached an hour later.
    Failed,
    /// A permit is taken and not used; reached when it has expired.
    Held,
    /// A permit is taken and given back; reached an hour later.
    GivenBack,
    /// Says "don't call me, I'll call you" while somebody holds a permit.
    DoNotCall,
    /// Left until after noon.
    Left,
}

const FATES: [Fate; 16] = [
    Fate::Reached,
    Fate::Left,
    Fate::SecondTry,
    Fate::TwiceInVain,
    Fate::Reached,
    Fate::WrongNumber,
    Fate::Left,
    Fate::Declined,
    Fate::Held,
    Fate::Reached,
    Fate::Failed,
    Fate::Left,
    Fate::DoNotCall,
    Fate::Reached,
    Fate::GivenBack,
    Fate::Reached,
];

/// The desk's account.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub(super) fates: BTreeMap<String, Fate>,
    /// Patients whose reminders are done.
    pub(super) done: BTreeSet<String>,
    /// What stands in the way of a patient's reminder, and until when if that ends by itself.
    blocked: BTreeMap<String, (&'static str, Option<NaiveDateTime>)>,
    /// Contacts made, by channel and outcome.
    pub(super) made: Mutex<BTreeMap<(&'static str, &'static str), i64>>,
    /// Permits granted, by purpose.
    pub(super) granted: Mutex<BTreeMap<String, i64>>,
    /// Refusals, by purpose and reason.
    pub(super) refused: Mutex<BTreeMap<(String, String), i64>>,
    /// How often each patient was asked about in vain.
    pub(super) in_vain: Mutex<BTreeMap<String, usize>>,
}

/// Whether nobody is called at this moment.
pub(super) fn quiet(now: NaiveDateTime) -> bool {
    !(9..20).contains(&now.hour())
}

impl Desk {
    /// Deals out the fates to patients with so many entries each. A wrong number belongs to the patient and not to an entry: whoever has two
    /// entries gets another fate, so that all entries of a patient go the same way.
    pub(super) fn deal<'p>(&mut self, patients: impl Iterator<Item = (&'p str, usize)>) {
        for (number, (patient, entries)) in patients.enumerate() {
            let fate = match FATES[number % FATES.len()] {
                Fate::WrongNumber if entries > 1 => Fate::Reached,
                fate => fate,
            };
            self.fates.insert(patient.to_owned(), fate);
        }
    }

    /// The codes that an entry must show now, and the next time at which asking makes sense.
    pub(super) fn in_the_way(&self, patient: &str, now: NaiveDateTime, closes: NaiveDateTime) -> (Vec<&str>, Option<String>) {
        let blocked = self.blocked.get(patient).filter(|(_, until)| until.is_none_or(|until| now < until));
        let mut codes: Vec<&str> = blocked.iter().map(|(code, _)| *code).collect();
        let mut next = blocked.and_then(|(_, until)| *until);
        if quiet(now) {
            codes.push("quiet_hours");
            let nine = now.date().and_hms_opt(9, 0, 0).unwrap();
            let ends = if now < nine { nine } else { nine + TimeDelta::days(1) };
            next = (blocked.is_none() && ends < closes).then_some(ends);
        }
        (codes, next.map(utc))
    }

    /// Asks for a permit; the answer must be yes, for half an hour.
    pub(super) async fn permit(&self, place: &Place, key: &str, patient: &Value, ask: Value) -> Value {
        let purpose = ask["purpose"].as_str().unwrap().to_owned();
        let path = format!("/v1/patients/{}/permits", patient.as_str().unwrap());
        let answer = place.post(&path, key, ask).await;
        assert_eq!(answer["decision"], "permitted", "{answer}");
        *self.granted.lock().unwrap().entry(purpose).or_default() += 1;
        answer
    }

    /// Asks for a permit; the answer must be no. Every reason in words.
    pub(super) async fn refusal(&self, place: &Place, key: &str, patient: &Value, ask: Value) -> (Vec<String>, Value) {
        let purpose = ask["purpose"].as_str().unwrap().to_owned();
        let path = format!("/v1/patients/{}/permits", patient.as_str().unwrap());
        let answer = place.post(&path, key, ask).await;
        assert_eq!(answer["decision"], "refused", "{answer}");
        *self.in_vain.lock().unwrap().entry(patient.as_str().unwrap().to_owned()).or_default() += 1;
        let mut refused = self.refused.lock().unwrap();
        let mut codes = BTreeSet::new();
        for reason in answer["reasons"].as_array().unwrap() {
            codes.insert(reason["code"].as_str().unwrap().to_owned());
        }
        for code in codes {
            *refused.entry((purpose.clone(), code)).or_default() += 1;
        }
        (answer["reasons"].as_array().unwrap().iter().map(in_words).collect(), answer["next"].clone())
    }

    /// Records what came of a contact made under a permit.
    pub(super) async fn contact(
        &self,
        place: &Place,
        key: &str,
        patient: &Value,
        permit: &Value,
        (channel, branch): (&'static str, &str),
        outcome: &'static str,
    ) {
        let path = format!("/v1/patients/{}/contacts", patient.as_str().unwrap());
        let body = json!({"direction": "outbound", "purpose": "appointment_reminder", "channel": channel, "branch": branch,
            "outcome": outcome, "permit": permit["permit"], "about": permit["about"]});
        let made = place.post(&path, key, body).await;
        assert_eq!(made["breach"], false, "{made}");
        *self.made.lock().unwrap().entry((channel, outcome)).or_default() += 1;
    }

    async fn call(&self, place: &Place, key: &str, entry: &Value, branch: &str, channel: &'static str, outcome: &'static str) {
        let permit = self.permit(place, &format!("ask-{key}"), &entry["patient"], asking(entry, branch, channel)).await;
        assert_eq!(permit["expires_at"], utc(place.now() + TimeDelta::minutes(30)), "{permit}");
        self.contact(place, &format!("made-{key}"), &entry["patient"], &permit, (channel, branch), outcome).await;
    }

    /// Does with one patient's entries what their fate says for this round.
    pub(super) async fn serve(&self, place: &Place, round: u8, patient: &str, branch: &str, entries: &[Value]) {
        let fate = self.fates[patient];
        for entry in entries {
            let key = format!("{round}-{}", entry["about"].as_str().unwrap());
            let call = |channel, outcome| self.call(place, &key, entry, branch, channel, outcome);
            match (round, fate) {
                (1, Fate::Reached) | (3, Fate::Left) => call("phone", "reached").await,
                (2, Fate::SecondTry | Fate::Failed | Fate::Held | Fate::GivenBack) => call("phone", "reached").await,
                (1, Fate::Declined) => call("phone", "declined").await,
                (1, Fate::SecondTry) => call("phone", "no_answer").await,
                (1, Fate::TwiceInVain) => call("phone", "busy").await,
                (2, Fate::TwiceInVain) => call("phone", "voicemail").await,
                (1, Fate::WrongNumber) => call("phone", "wrong_number").await,
                (2, Fate::WrongNumber) => call("email", "reached").await,
                (1, Fate::Failed) => call("phone", "failed").await,
                (1, Fate::Held | Fate::GivenBack | Fate::DoNotCall) => {
                    let ask = asking(entry, branch, "phone");
                    let permit = self.permit(place, &format!("ask-{key}"), &entry["patient"], ask).await;
                    if fate == Fate::GivenBack {
                        let (patient, permit) = (entry["patient"].as_str().unwrap(), permit["permit"].as_str().unwrap());
                        let path = format!("/v1/patients/{patient}/permits/{permit}/release");
                        place.post(&path, &format!("back-{key}"), json!({})).await;
                    }
                }
                (2 | 3, Fate::DoNotCall) | (1 | 2, Fate::Left) => {}
                other => panic!("{patient} is still on a list: {other:?}"),
            }
        }
        if (round, fate) == (1, Fate::DoNotCall) {
            let path = format!("/v1/patients/{}/preferences", entries[0]["patient"].as_str().unwrap());
            place.post(&path, "do-not-call", json!({"reach": "patient_initiated"})).await;
        }
    }

    /// Notes what a round has come to.
    pub(super) fn note<'p>(&mut self, round: u8, patients: impl Iterator<Item = &'p String>, now: NaiveDateTime) {
        for patient in patients {
            match (round, self.fates[patient]) {
                (1, Fate::WrongNumber) => drop(self.blocked.insert(patient.clone(), ("channel_unreachable", None))),
                (1, Fate::DoNotCall) => drop(self.blocked.insert(patient.clone(), ("patient_initiated_only", None))),
                (1, Fate::Held) => {
                    self.blocked.insert(patient.clone(), ("permit_outstanding", Some(now + TimeDelta::minutes(30))));
                }
                (1, Fate::Reached | Fate::Declined) | (3, Fate::Left) => drop(self.done.insert(patient.clone())),
                (2, Fate::SecondTry | Fate::TwiceInVain | Fate::WrongNumber | Fate::Failed | Fate::Held | Fate::GivenBack) => {
                    self.done.insert(patient.clone());
                }
                _ => {}
            }
        }
    }
}

/// What is asked for an entry of a list.
fn asking(entry: &Value, branch: &str, channel: &str) -> Value {
    json!({"purpose": entry["purpose"], "channel": channel, "branch": branch, "about": entry["about"]})
}

/// A reason with the numbers behind it.
pub(super) fn in_words(reason: &Value) -> String {
    let mut words = reason["code"].as_str().unwrap().to_owned();
    if let Some(limit) = reason["limit"].as_str() {
        words.push_str(&format!(" ({limit}): {}/{}", reason["count"], reason["max"]));
        assert_eq!(json!(reason["counted"].as_array().unwrap().len()), reason["count"], "{reason}");
    }
    if let Some(from) = reason["window"]["from"].as_str() {
        words.push_str(&format!(" from {from} until {}", reason["window"]["until"].as_str().unwrap()));
    }
    if let Some(next) = reason["next"].as_str() {
        words.push_str(&format!(" next {next}"));
    }
    words
}
