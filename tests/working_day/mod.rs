//! The working day of 30 May 2016 in the clinics of the real book, walked over HTTP on both set-ups: the lists of that day are worked
//! through from before dawn until the quiet hours, and whatever the two set-ups answer must be equal. What is expected was worked out from
//! the file alone ([`truth`]). Without the book, which its licence forbids shipping, the test says that it skipped.

mod desk;
mod place;
mod refusals;
mod truth;

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDateTime;
use futures::StreamExt;
use serde_json::{Value, json};

use desk::Desk;
use place::Place;
use truth::{Truth, half_a_year_after, local, utc};

use crate::book::{check, count, expect, real_book, unpacked};

/// Branches whose lists are asked for at the same time.
const AT_ONCE: usize = 8;

/// When the policy takes effect: a minute and a second after the start.
const POLICY: &str = "2016-05-30T04:51:01";

/// A step of the day: its clock, and up to when the book is in.
struct Walk<'t> {
    place: Place,
    truth: &'t Truth,
    /// The codes of the branches by their names.
    branches: BTreeMap<String, String>,
    known: NaiveDateTime,
    desk: Desk,
}

/// One line for each entry, so that a difference can be read.
fn line(entry: &Value) -> String {
    let codes: Vec<&str> = entry["reasons"].as_array().unwrap().iter().map(|r| r["code"].as_str().unwrap()).collect();
    let text = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
    assert_eq!(entry["callable"], codes.is_empty(), "{entry}");
    assert_eq!(entry["to_announce"], false, "{entry}");
    format!(
        "{} {} {} at {} from {} until {} by {}: {codes:?} next {}",
        who(entry),
        text("purpose"),
        text("occasion"),
        text("at"),
        text("due_from"),
        text("due_until"),
        text("channel"),
        text("next")
    )
}

/// The patient's id in the book.
fn who(entry: &Value) -> String {
    let ids = entry["external_ids"].as_array().unwrap_or_else(|| panic!("nobody can tell who this is: {entry}"));
    assert_eq!((ids.len(), &ids[0]["system"]), (1, &json!("noshow-vitoria")), "{entry}");
    ids[0]["value"].as_str().unwrap().to_owned()
}

#[track_caller]
fn same(what: &str, got: &[String], expected: &[String]) {
    let missing: Vec<_> = expected.iter().filter(|line| !got.contains(line)).take(3).collect();
    let extra: Vec<_> = got.iter().filter(|line| !expected.contains(line)).take(3).collect();
    assert!(
        got == expected,
        "{what}: {} lines, expected {}; missing {missing:#?}, not expected {extra:#?}",
        got.len(),
        expected.len()
    );
}

impl<'t> Walk<'t> {
    async fn import(&mut self, book: &Path, text: &str) {
        let account = self.place.import(book).await;
        self.known = self.place.now();
        check(&account, &expect(text, &format!("{}Z", self.known.format("%Y-%m-%dT%H:%M:%S"))));
        let listed = self.place.get("/v1/branches").await;
        let listed = listed["branches"].as_array().unwrap().iter();
        let text = |json: &Value| json.as_str().unwrap().to_owned();
        self.branches = listed.map(|branch| (text(&branch["name"]), text(&branch["branch"]))).collect();
    }

    /// What the list of each branch must hold now, by the book and by what the desk has done.
    fn expected(&self) -> BTreeMap<&str, Vec<String>> {
        let now = self.place.now();
        let mut lists: BTreeMap<&str, Vec<String>> = self.branches.keys().map(|name| (name.as_str(), Vec::new())).collect();
        for visit in &self.truth.visits {
            let (opens, closes) = visit.window();
            if !visit.owed(self.known) || now < opens || closes <= now || self.desk.done.contains(&visit.patient) {
                continue;
            }
            let (codes, next) = self.desk.in_the_way(&visit.patient, now, closes);
            lists.get_mut(visit.branch.as_str()).unwrap().push(format!(
                "{} appointment_reminder upcoming_appointment at {} from {} until {} by phone: {codes:?} next {}",
                visit.patient,
                utc(visit.starts),
                utc(opens),
                utc(closes),
                next.unwrap_or_else(|| "-".to_owned())
            ));
        }
        lists.values_mut().for_each(|list| list.sort());
        lists
    }

    /// Reads the list of every branch through all its pages, in three ways, and holds it against what it must be. The number of entries, and of
    /// those that may be called now.
    async fn look(&self) -> (usize, usize) {
        let expected = self.expected();
        let head = self.place.head().await;
        let lists: Vec<(&str, Vec<Value>)> = self.lists("&purpose=appointment_reminder", 23).await;
        let (mut all, mut callable) = (0, 0);
        for (name, list) in lists {
            let order: Vec<_> = list.iter().map(|e| (e["due_from"].as_str(), e["patient"].as_str())).collect();
            assert!(order.is_sorted(), "{name}: not in the order of the moments at which it became due");
            let mut lines: Vec<String> = list.iter().map(line).collect();
            lines.sort();
            let what = format!("{}: {name} at {}", self.place.what, self.place.now());
            same(&what, &lines, &expected[name]);
            all += lines.len();
            callable += list.iter().filter(|entry| entry["callable"] == true).count();
        }
        let free = self.lists("&callable=true", 50).await;
        let all_free = free.iter().flat_map(|(_, list)| list).all(|entry| entry["callable"] == true);
        assert!(all_free && free.iter().map(|(_, list)| list.len()).sum::<usize>() == callable, "{}", self.place.now());
        let blocked = self.lists("&callable=false", 200).await;
        assert_eq!(blocked.iter().map(|(_, list)| list.len()).sum::<usize>(), all - callable, "{}", self.place.now());
        assert_eq!(self.place.head().await, head, "looking has recorded something");
        println!("{} {}: {all} due, {callable} of them may be called now", self.place.what, self.place.now());
        (all, callable)
    }

    async fn lists(&self, filter: &str, limit: usize) -> Vec<(&str, Vec<Value>)> {
        futures::stream::iter(&self.branches)
            .map(async |(name, code)| (name.as_str(), self.place.list(code, filter, limit).await))
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    /// What lies ahead at some branches: the reminders of the days to come, and an invitation half a year after each patient's last visit.
    async fn look_ahead(&self) {
        let now = self.place.now();
        for (name, code) in self.branches.iter().step_by(20) {
            let mut expected = Vec::new();
            for visits in self.truth.by_patient().values().filter(|visits| visits[0].branch == *name) {
                let known = || visits.iter().filter(|visit| visit.booked <= self.known);
                for visit in known().filter(|visit| visit.owed(self.known) && now < visit.window().0) {
                    let (opens, closes) = visit.window();
                    expected.push(format!(
                        "{} appointment_reminder at {} from {} until {}",
                        visit.patient,
                        utc(visit.starts),
                        utc(opens),
                        utc(closes)
                    ));
                }
                if let Some(came) = known().filter(|v| v.ended() <= self.known && !v.missed).max_by_key(|v| v.ended()) {
                    expected.push(format!(
                        "{} checkup_invitation at {} from {}",
                        came.patient,
                        utc(came.ended()),
                        half_a_year_after(came.ended())
                    ));
                }
            }
            let got = self.place.list(code, "&view=ahead", 200).await;
            let mut got: Vec<String> = got
                .iter()
                .map(|entry| {
                    assert_eq!(entry["callable"], false, "{entry}");
                    let text = |field: &str| entry[field].as_str().unwrap();
                    let until = match text("purpose") {
                        "appointment_reminder" => format!(" until {}", text("due_until")),
                        _ => String::new(),
                    };
                    format!("{} {} at {} from {}{until}", who(entry), text("purpose"), text("at"), text("due_from"))
                })
                .collect();
            got.sort();
            expected.sort();
            same(&format!("{}: ahead at {name}", self.place.what), &got, &expected);
            assert!(!got.is_empty(), "{name}");
        }
    }

    /// Moves the clock on.
    async fn at(&self, clock: &str) {
        self.place.settle().await;
        self.place.set_clock(local(clock));
    }

    /// Works through the list of every branch once: what is done with an entry, the patient's fate says.
    async fn work(&mut self, round: u8) {
        let lists = self.lists("", 200).await;
        let mut patients: BTreeMap<String, (String, Vec<Value>)> = BTreeMap::new();
        for (name, list) in lists {
            for entry in list {
                patients.entry(who(&entry)).or_insert_with(|| (self.branches[name].clone(), Vec::new())).1.push(entry);
            }
        }
        if round == 1 {
            self.desk.deal(patients.iter().map(|(patient, (_, entries))| (patient.as_str(), entries.len())));
        }
        let (place, desk) = (&self.place, &self.desk);
        futures::stream::iter(&patients)
            .for_each_concurrent(2 * AT_ONCE, async |(patient, (branch, entries))| {
                desk.serve(place, round, patient, branch, entries).await;
            })
            .await;
        self.desk.note(round, patients.keys(), self.place.now());
    }
}

async fn walk(place: Place, book: &Path, text: &str, truth: &Truth) -> BTreeMap<String, Value> {
    place.publish_policy(&utc(local(POLICY))).await;
    place.set_clock(local("2016-05-30T05:30:00"));
    let known = place.now();
    let mut walk = Walk { place, truth, branches: BTreeMap::new(), known, desk: Desk::default() };
    walk.import(book, text).await;

    // Before dawn: this morning's visits, of those whom no SMS has reached. It is too early to call anybody.
    let (all, callable) = walk.look().await;
    assert!(all > 400 && callable == 0);

    // At seven it is too late for them, and too early for tomorrow's.
    walk.at("2016-05-30T07:00:00").await;
    assert_eq!(walk.look().await, (0, 0));
    walk.look_ahead().await;
    walk.refusals_before_the_day_begins().await;

    // At eight the window of tomorrow's visits opens; the quiet hours end at nine.
    walk.at("2016-05-30T08:00:00").await;
    let (all, callable) = walk.look().await;
    assert!(all > 2500 && callable == 0);

    walk.at("2016-05-30T09:00:00").await;
    walk.import(book, text).await;
    let (all, callable) = walk.look().await;
    assert!(all > 2600 && callable == all);
    walk.at("2016-05-30T09:05:00").await;
    walk.work(1).await;
    walk.at("2016-05-30T09:10:00").await;
    walk.look().await;
    // The permits that nobody has used have expired by now.
    walk.at("2016-05-30T10:00:00").await;
    walk.look().await;
    walk.at("2016-05-30T10:01:00").await;
    walk.work(2).await;
    walk.at("2016-05-30T10:06:00").await;
    walk.look().await;

    // At noon another system has texted whom it texts: the book says so, and whom it has reached leaves the list.
    walk.at("2016-05-30T12:00:00").await;
    let (before, _) = walk.look().await;
    walk.at("2016-05-30T12:01:00").await;
    walk.import(book, text).await;
    let (after, _) = walk.look().await;
    assert!(after > 0 && after < before);
    walk.at("2016-05-30T12:05:00").await;
    walk.work(3).await;
    walk.at("2016-05-30T12:10:00").await;
    let (all, callable) = walk.look().await;
    assert!(callable == 0 && all > 0, "all that is left are those who asked not to be called");
    let probes = walk.refusals_after_the_work().await;
    walk.quotas_and_history(&probes).await;

    walk.late_bookings_and_the_evening().await;

    // When the clock has come to the end of the book, all of it is in, and no reminder is owed to anybody.
    walk.at("2016-06-10T00:00:00").await;
    let account = walk.place.import(book).await;
    check(&account, &expect(text, "2016-06-10T00:00:00Z"));
    assert_eq!((account.read, account.rows.later, account.rows.refused, account.unfinished), (110_527, 0, 0, 0));
    let total = |kind: &str| account.events[kind].recorded + account.events[kind].there;
    assert_eq!((account.patients.total(), account.branches.total(), total("appointment.booked")), (62_299, 81, 110_527));
    assert_eq!((total("appointment.completed"), total("appointment.missed"), total("contact.made")), (88_208, 22_319, 35_482));
    // Ids are text.
    for odd in ["9377952927E-5", "53761528476E-5", "14172416655E-5", "3921784439E-5", "4374175652E-5"] {
        let found = walk.place.get(&format!("/v1/patients?system=noshow-vitoria&value={odd}")).await;
        assert_eq!(found["patients"].as_array().unwrap().len(), 1, "{odd}: {found}");
    }
    let again = walk.place.import(book).await;
    assert_eq!((again.rows, again.recorded()), (count(0, 110_527, 0, 0), 0));
    walk.known = walk.place.now();
    walk.place.set_clock(local("2016-06-10T00:01:00"));
    assert_eq!(walk.look().await, (0, 0));
    walk.look_ahead().await;
    walk.figures().await;
    walk.place.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_thirtieth_of_may_2016_is_the_same_day_on_both_set_ups() {
    let Some(book) = real_book() else { return };
    let text = unpacked(&book);
    let truth = Truth::read(&text);
    let dawn = local("2016-05-30T04:50:00");
    let mut days = Vec::new();
    for place in [Place::embedded(dawn).await, Place::servers(dawn).await] {
        days.push(walk(place, &book, &text, &truth).await);
    }
    let [embedded, servers] = &days[..] else { unreachable!("two set-ups") };
    assert_eq!(embedded.len(), servers.len());
    for ((asked, one), (also_asked, other)) in embedded.iter().zip(servers) {
        assert_eq!(asked, also_asked);
        assert_eq!(one, other, "{asked}");
    }
}
