//! Histories as they are handed out and verified: what is true holds, and whatever is changed is found and named.

mod command_line;
mod forms;
mod hostile;
mod keeping;
mod mutants;
mod others;

use std::sync::Arc;

use tact_domain::policy;
use tact_event_log::{EventLog, MemoryLog};
use tact_evidence::trust::Trust;
use tact_evidence::verify::{Check, Grounds, Report, verify};
use uuid::Uuid;

use crate::desk::{Desk, NETWORK};
use crate::projector::book::{self, Book};

/// A desk on a log in which patients have a past: `patients` of them, with so many events in all. Nothing is signed yet.
async fn past(patients: u64, events: u64) -> (Desk, Book) {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let book = Book::new(log.clone());
    let before = book::start() - chrono::Duration::days(1);
    book.publish("1", policy::DEFAULT, before, before + chrono::Duration::hours(1)).await;
    for n in 0..3 {
        book.list(book::branch(n), "Europe/Moscow", before).await;
    }
    book.write(4, patients, events, book::start()).await;
    (Desk::on(log).await, book)
}

/// Whoever trusts the network's keys as they are now.
async fn trusting(desk: &Desk) -> Grounds {
    let (_, keys) = desk.bytes("/keys").await;
    Grounds { trust: String::from_utf8(keys.to_vec()).unwrap().parse::<Trust>().unwrap(), kept: Vec::new() }
}

fn verified(file: &[u8], grounds: &Grounds) -> Report {
    verify(file, grounds).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn assert_holds(report: &Report) {
    assert!(report.holds(), "{:#?}", report.first_deviation());
}

/// The checks that found something.
fn found(report: &Report) -> Vec<Check> {
    report.findings.iter().filter(|finding| finding.holds == Some(false)).map(|finding| finding.check).collect()
}

#[tokio::test]
async fn a_long_history_holds_and_every_decision_is_made_again() {
    let (desk, _) = past(3, 400).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    let mut decided = 0;
    for n in 0..3 {
        let patient = book::patient(n);
        let report = verified(&desk.history(patient, serde_json::json!({})).await, &grounds);
        assert_holds(&report);
        assert_eq!((report.network.as_str(), report.patient), (NETWORK, patient));
        let stream = &report.streams[1];
        assert!(stream.events > 80 && stream.covered == stream.events && stream.not_covered_yet == 0, "{stream:?}");
        assert_eq!(report.finding(Check::Decisions).looked_at, report.decided_again);
        decided += report.decided_again;
    }
    assert!(decided > 50, "{decided} decisions are too few to say anything");
}

#[tokio::test]
async fn what_came_after_the_checkpoint_is_named_as_not_covered() {
    let (desk, book) = past(1, 60).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    book.write(5, 1, 7, book::start() + chrono::Duration::days(20)).await;
    let report = verified(&desk.history(book::patient(0), serde_json::json!({})).await, &grounds);
    assert_holds(&report);
    assert_eq!((report.streams[1].events, report.streams[1].covered, report.streams[1].not_covered_yet), (67, 60, 7));
    desk.notary().catch_up().await.unwrap();
    let report = verified(&desk.history(book::patient(0), serde_json::json!({})).await, &grounds);
    assert_holds(&report);
    assert_eq!((report.streams[1].covered, report.streams[1].not_covered_yet), (67, 0));
}

#[tokio::test]
async fn a_part_says_how_much_it_leaves_out() {
    let (desk, _) = past(1, 80).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    let until = book::start() + chrono::Duration::days(4);
    let file = desk.history(book::patient(0), serde_json::json!({"until": until})).await;
    let report = verified(&file, &grounds);
    assert_holds(&report);
    let stream = &report.streams[1];
    assert!(stream.events > 5 && stream.left_out > 5, "{stream:?}");
    assert_eq!(stream.events + stream.left_out, 80);
    // Whoever only claims to have been asked for a part is caught by the signature at the end, and by nothing else.
    let text = String::from_utf8(file).unwrap();
    let later = text.replacen(&until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true), "2036-01-01T00:00:00Z", 1);
    assert_ne!(later, text);
    assert_eq!(found(&verified(later.as_bytes(), &grounds)), [Check::File]);
}

#[tokio::test]
async fn that_somebody_is_unknown_is_proved() {
    let (desk, _) = past(2, 40).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    let report = verified(&desk.history(Uuid::from_u128(77), serde_json::json!({})).await, &grounds);
    assert_holds(&report);
    assert_eq!((report.streams[1].events, report.streams[1].covered), (0, 0));
    // Somebody who is known cannot be passed off as unknown.
    let known = String::from_utf8(desk.history(book::patient(1), serde_json::json!({})).await).unwrap();
    let stream = format!("{{\"stream\":{{\"stream\":\"{}\"", book::patient(1));
    let from = known.find(&stream).unwrap() + known[known.find(&stream).unwrap()..].find('\n').unwrap() + 1;
    let emptied = format!("{}{}", &known[..from], known[from..].lines().last().unwrap()) + "\n";
    let report = verified(emptied.as_bytes(), &grounds);
    assert_eq!(found(&report), [Check::File, Check::Complete]);
    let first = report.finding(Check::Complete).first.as_ref().unwrap();
    assert!(first.problem.contains("are missing"), "{first}");
}

#[tokio::test]
async fn whoever_was_merged_belongs_to_the_history() {
    let (desk, _) = past(1, 10).await;
    let (one, other) = (desk.patient().await, desk.patient().await);
    desk.post(&format!("/v1/patients/{one}/merge"), serde_json::json!({"from": other})).await.ok();
    desk.react().await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    let file = desk.history(one, serde_json::json!({})).await;
    let report = verified(&file, &grounds);
    assert_holds(&report);
    let streams: Vec<&str> = report.streams.iter().map(|stream| stream.stream.as_str()).collect();
    assert_eq!(streams, ["policy", &one.to_string(), &other.to_string()]);
    // Without it the history is not whole.
    let text = String::from_utf8(file).unwrap();
    let from = text.find(&format!("{{\"stream\":{{\"stream\":\"{other}\"")).unwrap();
    let cut = format!("{}{}\n", &text[..from], text.lines().last().unwrap());
    let report = verified(cut.as_bytes(), &grounds);
    assert!(found(&report).contains(&Check::Complete));
    assert!(report.finding(Check::Complete).first.as_ref().unwrap().problem.contains(&other.to_string()));
}
