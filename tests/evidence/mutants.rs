//! A long history changed in every way that somebody might think of, by somebody who has the network's key and signs what they changed:
//! each change is found, and named where it is.

use serde_json::{Value, json};
use tact_evidence::file::end_text;
use tact_evidence::note::PrivateKey;
use tact_evidence::verify::{Check, Grounds, Report};

use super::*;
use crate::projector::book::Dice;

/// A history as lines, and somebody who can sign it again.
struct Forger {
    lines: Vec<String>,
    key: PrivateKey,
    grounds: Grounds,
    /// The lines that hold events of the patient.
    events: std::ops::Range<usize>,
}

impl Forger {
    async fn new(events: u64) -> Self {
        let (desk, _) = past(1, events).await;
        // Other patients' events lie between, and the log goes on behind.
        desk.patient().await;
        desk.notary().catch_up().await.unwrap();
        let grounds = trusting(&desk).await;
        let file = desk.history(book::patient(0), json!({})).await;
        assert_holds(&verified(&file, &grounds));
        let lines: Vec<String> = String::from_utf8(file).unwrap().lines().map(str::to_owned).collect();
        let stream = lines.iter().rposition(|line| line.starts_with("{\"stream\":")).unwrap();
        let events = stream + 1..lines.len() - 1;
        Self { lines, key: PrivateKey::new("tact/net", &[5; 32]).unwrap(), grounds, events }
    }

    /// These lines, the last one signed anew for what stands above it.
    fn signed(&self, lines: &[String]) -> Vec<u8> {
        let mut file = lines[..lines.len() - 1].iter().flat_map(|line| [line.as_str(), "\n"]).collect::<String>();
        let end = end_text(NETWORK, book::patient(0), &tact_domain::envelope::hash(file.as_bytes()));
        file.push_str(&json!({"end": {"note": self.key.sign(&end)}}).to_string());
        file.push('\n');
        file.into_bytes()
    }

    /// What verification says of the changed lines: first as they are, and it must say that the file was changed; then signed anew.
    #[track_caller]
    fn judged(&self, what: &str, lines: &[String]) -> Report {
        let file: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        let plain = verified(file.as_bytes(), &self.grounds);
        assert!(found(&plain).contains(&Check::File), "{what}: the file passes for unchanged");
        let report = verified(&self.signed(lines), &self.grounds);
        assert!(!report.holds(), "{what}: it passes");
        report
    }

    fn changed(&self, change: impl FnOnce(&mut Vec<String>)) -> Vec<String> {
        let mut lines = self.lines.clone();
        change(&mut lines);
        lines
    }
}

/// The first event that any check names.
fn first_event(report: &Report) -> Option<u64> {
    report.findings.iter().filter_map(|finding| finding.first.as_ref()?.event).min()
}

#[tokio::test]
async fn every_event_dropped_doubled_swapped_or_put_in_is_found_and_named() {
    let forger = Forger::new(140).await;
    assert!(forger.events.len() == 140);
    let foreign = forger.lines.iter().find(|line| line.contains("policy.published")).unwrap().clone();
    for (line, number) in forger.events.clone().zip(1u64..) {
        let last = line + 1 == forger.events.end;
        let dropped = forger.judged(&format!("event {number} dropped"), &forger.changed(|lines| drop(lines.remove(line))));
        assert_eq!(first_event(&dropped), Some(number), "dropped: {:#?}", dropped.first_deviation());
        assert!(found(&dropped).contains(&Check::Complete), "{number}");
        let doubled = forger.changed(|lines| lines.insert(line, lines[line].clone()));
        let doubled = forger.judged(&format!("event {number} doubled"), &doubled);
        assert_eq!(first_event(&doubled), Some(number + 1), "doubled: {:#?}", doubled.first_deviation());
        if !last {
            let swapped = forger.judged(&format!("event {number} swapped"), &forger.changed(|lines| lines.swap(line, line + 1)));
            assert_eq!(first_event(&swapped), Some(number), "swapped: {:#?}", swapped.first_deviation());
            assert!(found(&swapped).contains(&Check::Chain), "{number}");
        }
        for (what, inserted) in [("a policy", foreign.clone()), ("an invented event", invented(&forger.lines[line]))] {
            let inserted =
                forger.judged(&format!("{what} before event {number}"), &forger.changed(|lines| lines.insert(line, inserted)));
            assert_eq!(first_event(&inserted), Some(number), "{what}: {:#?}", inserted.first_deviation());
        }
    }
}

/// An event that follows the one before it as it should, says something else, and claims the other's place.
fn invented(line: &str) -> String {
    let from = line.find("\"id\":\"").unwrap() + 6;
    let digit = if line[from..].starts_with('0') { "1" } else { "0" };
    format!("{}{digit}{}", &line[..from], &line[from + 1..])
}

#[tokio::test]
async fn bits_flipped_in_every_event_are_found_and_named() {
    let forger = Forger::new(140).await;
    let mut dice = Dice(17);
    let mut read_on = 0;
    for (line, number) in forger.events.clone().zip(1u64..) {
        let original = &forger.lines[line];
        for _ in 0..12 {
            let (at, bit) = (usize::try_from(dice.below(original.len() as u64)).unwrap(), dice.below(8));
            let mut bytes = original.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            // A line that is no longer text, or two lines, is found by the reader: see `hostile`.
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if text.contains('\n') {
                continue;
            }
            let what = format!("bit {bit} of byte {at} of event {number}");
            let report = forger.judged(&what, &forger.changed(|lines| lines[line] = text));
            let first = report.first_deviation().unwrap();
            assert_eq!(first.line, line as u64 + 1, "{what}: {first}");
            if !found(&report).contains(&Check::File) {
                assert_eq!(first.event, Some(number), "{what}: {first}");
                read_on += 1;
            }
        }
    }
    assert!(read_on > 300, "only {read_on} of the flipped bits left lines that can be read");
}

#[tokio::test]
async fn bits_flipped_in_proofs_and_signatures_are_found() {
    let forger = Forger::new(20).await;
    let mut dice = Dice(18);
    for line in 1..forger.lines.len() - 1 {
        for _ in 0..if forger.events.contains(&line) { 4 } else { 250 } {
            let original = &forger.lines[line];
            let (at, bit) = (usize::try_from(dice.below(original.len() as u64)).unwrap(), dice.below(8));
            let mut bytes = original.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if !text.contains('\n') {
                forger
                    .judged(&format!("bit {bit} of byte {at} of line {}", line + 1), &forger.changed(|lines| lines[line] = text));
            }
        }
    }
    // The last line signs all others, and nothing signs it anew.
    let last = forger.lines.last().unwrap().clone().into_bytes();
    let above: String = forger.lines[..forger.lines.len() - 1].iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    for at in 0..last.len() {
        for bit in 0..8 {
            let mut bytes = last.clone();
            bytes[at] ^= 1 << bit;
            let file = [above.as_bytes(), &bytes, b"\n"].concat();
            let report = verified(&file, &forger.grounds);
            assert!(found(&report).contains(&Check::File), "bit {bit} of byte {at} of the last line");
        }
    }
}

#[tokio::test]
async fn every_bit_of_a_short_history_counts() {
    let forger = Forger::new(3).await;
    let file: String = forger.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    // The policy's text alone is most of it; every bit of its line counts in the same way, so every thirteenth is flipped there.
    let policy = file.find("policy.published").unwrap();
    let mut checked = 0u64;
    for at in 0..file.len() {
        let bits = if (policy..policy + 20_000).contains(&at) && at % 13 != 0 { 0..0 } else { 0..8 };
        for bit in bits.filter(|bit| (at + bit) % 2 == 0) {
            let mut bytes = file.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let holds = tact_evidence::verify::verify(&bytes[..], &forger.grounds).is_ok_and(|report| report.holds());
            assert!(!holds, "bit {bit} of byte {at} passes: {:?}", &file[at.saturating_sub(20)..(at + 20).min(file.len())]);
            checked += 1;
        }
    }
    assert!(checked > 5_000, "{checked} bits are too few");
}

#[tokio::test]
async fn a_swapped_policy_or_checkpoint_is_found() {
    let (desk, book) = past(1, 50).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    let old = String::from_utf8(desk.history(book::patient(0), json!({})).await).unwrap();
    let old: Vec<String> = old.lines().map(str::to_owned).collect();
    book.write(6, 1, 10, book::start() + chrono::Duration::days(30)).await;
    desk.notary().catch_up().await.unwrap();
    let file = String::from_utf8(desk.history(book::patient(0), json!({})).await).unwrap();
    let lines: Vec<String> = file.lines().map(str::to_owned).collect();
    let forger = Forger { events: 0..0, key: PrivateKey::new("tact/net", &[5; 32]).unwrap(), grounds, lines };
    let line = |lines: &[String], word: &str| lines.iter().position(|line| line.starts_with(&format!("{{\"{word}\":"))).unwrap();
    let (checkpoint, log) = (line(&forger.lines, "checkpoint"), line(&forger.lines, "log"));
    for (what, swapped, check) in [
        ("the network's checkpoint", vec![checkpoint], Check::Logs),
        ("the log's checkpoint", vec![log], Check::Logs),
        // Both from before: each is signed, and they belong together, but the history is longer than they say.
        ("both checkpoints", vec![checkpoint, log], Check::Complete),
    ] {
        let changed = forger.changed(|lines| swapped.iter().for_each(|at| lines[*at].clone_from(&old[*at])));
        let report = forger.judged(what, &changed);
        assert!(found(&report).contains(&check), "{what}: {:?}", found(&report));
    }
    // The whole history of before is true of its moment; whoever has kept a later checkpoint knows that it is not the newest.
    let report = verified(&forger.signed(&old), &forger.grounds);
    assert_holds(&report);
    let kept = kept_note(&forger.lines[log]);
    let report = verified(&forger.signed(&old), &Grounds { kept: vec![kept], ..forger.grounds.clone() });
    assert_eq!(found(&report), [Check::Kept]);
    // A policy with another limit, published as it should have been: its text has the hash that it names.
    let policy = line(&forger.lines, "event");
    let laxer = forger.changed(|lines| {
        let mut event: Value = serde_json::from_str(&lines[policy]).unwrap();
        let data = &mut event["event"]["event"]["data"];
        let text = data["text"].as_str().unwrap().replace("reached = 1", "reached = 9");
        assert_ne!(data["text"], text.as_str());
        data["sha256"] = hex::encode(tact_domain::envelope::hash(text.as_bytes())).into();
        data["text"] = text.into();
        lines[policy] = event.to_string();
    });
    let report = forger.judged("a laxer policy", &laxer);
    assert!(found(&report).contains(&Check::Inclusion), "{:?}", found(&report));
}

#[tokio::test]
async fn a_policy_that_was_dated_back_is_found() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let book = Book::new(log.clone());
    book.write(4, 1, 60, book::start()).await;
    // Everything was decided by it already; the event says that it was published the day before.
    let before = book::start() - chrono::Duration::days(1);
    book.publish("1", policy::DEFAULT, before, before + chrono::Duration::hours(1)).await;
    let desk = Desk::on(log).await;
    desk.notary().catch_up().await.unwrap();
    let report = verified(&desk.history(book::patient(0), json!({})).await, &trusting(&desk).await);
    assert_eq!(found(&report), [Check::Policies]);
    let first = report.finding(Check::Policies).first.as_ref().unwrap();
    assert!(first.problem.contains("published later"), "{first}");
}

fn kept_note(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    value["log"]["note"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_kept_checkpoint_is_continued_or_it_is_said() {
    let (desk, book) = past(2, 30).await;
    desk.notary().catch_up().await.unwrap();
    let (_, kept) = desk.bytes("/log/0/0-255/checkpoint").await;
    let kept = String::from_utf8(kept.to_vec()).unwrap();
    book.write(7, 2, 200, book::start() + chrono::Duration::days(20)).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = Grounds { kept: vec![kept.clone()], ..trusting(&desk).await };
    let with = desk.history(book::patient(0), json!({"kept": [kept]})).await;
    let report = verified(&with, &grounds);
    assert_holds(&report);
    assert_eq!(report.finding(Check::Kept).looked_at, 1);
    let without = verified(&desk.history(book::patient(0), json!({})).await, &grounds);
    assert_eq!(found(&without), [Check::Kept]);
    assert!(without.first_deviation().unwrap().problem.contains("--kept"), "{:?}", without.first_deviation());
    // A checkpoint that the network signed for somebody else: another root for the same size.
    let key = PrivateKey::new("tact/net", &[5; 32]).unwrap();
    let text = tact_evidence::note::Note::parse(&kept).unwrap().text;
    let mut other = tact_evidence::checkpoint::LogCheckpoint::read(text).unwrap();
    other.root[0] ^= 1;
    let grounds = Grounds { kept: vec![key.sign(&other.to_string())], ..grounds };
    let report = verified(&with, &grounds);
    assert_eq!(found(&report), [Check::Kept]);
    assert!(report.first_deviation().unwrap().problem.contains("has been changed"), "{:?}", report.first_deviation());
}
