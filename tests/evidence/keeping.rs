//! The ledger: what is signed does not depend on how it grew, on which engine, or how many write; and it is never signed twice.

use std::time::Duration;

use serde_json::json;
use tact_event_log::{Position, Stored};
use tact_evidence::checkpoint::NetworkCheckpoint;
use tact_ledger::{Keeper, Ledger, Published, Step, keys};

use super::*;
use crate::projector::{Engine, WAIT};

/// Every event of a log.
async fn all(log: &dyn EventLog) -> Vec<Stored> {
    let mut follow = log.follow("all", Position::START).await.unwrap();
    let mut events = Vec::new();
    loop {
        let batch = follow.next(1000, Duration::ZERO).await.unwrap();
        if batch.events.is_empty() {
            return events;
        }
        events.extend(batch.events);
    }
}

async fn ledger(engine: &Engine) -> Ledger {
    Ledger::open(&engine.target, NETWORK, WAIT).await.unwrap()
}

fn key() -> tact_evidence::note::PrivateKey {
    tact_evidence::note::PrivateKey::new("tact/net", &[5; 32]).unwrap()
}

/// Adds events in batches of such sizes, taken up anew after every third; what was signed last.
async fn grown(ledger: &Ledger, events: &[Stored], sizes: &[usize]) -> Published {
    let mut at = 0;
    let mut keeper = Keeper::open(ledger, key()).await.unwrap();
    for (size, round) in sizes.iter().cycle().zip(1..) {
        let until = (at + size).min(events.len());
        let Step::Signed(published) = keeper.add(&events[at..until], book::start()).await.unwrap() else {
            panic!("nobody else writes")
        };
        at = until;
        if at == events.len() {
            return published;
        }
        if round % 3 == 0 {
            keeper = Keeper::open(ledger, key()).await.unwrap();
        }
    }
    unreachable!("the sizes repeat for ever")
}

#[tokio::test]
async fn what_is_signed_does_not_depend_on_how_it_grew() {
    let (desk, _) = past(40, 900).await;
    let events = all(&**desk.app.transactor.log()).await;
    let mut roots = Vec::new();
    for engine in Engine::both().await {
        for sizes in [&[10_000][..], &[1, 300, 7], &[256, 255, 257]] {
            let engine = if engine.name == "SQLite" { Engine::sqlite() } else { Engine::postgres().await };
            let published = grown(&ledger(&engine).await, &events, sizes).await;
            let logs = published.logs_stated().unwrap();
            assert_eq!(logs[0].size, events.len() as u64);
            roots.push((engine.name, sizes, logs));
        }
    }
    for (engine, sizes, logs) in &roots {
        assert_eq!(logs, &roots[0].2, "{engine} in batches of {sizes:?}");
    }
}

#[tokio::test]
async fn of_two_who_sign_one_wins_and_the_other_goes_on_behind() {
    let (desk, _) = past(5, 200).await;
    let events = all(&**desk.app.transactor.log()).await;
    for engine in Engine::both().await {
        let (one, other) = (ledger(&engine).await, ledger(&engine).await);
        let mut first = Keeper::open(&one, key()).await.unwrap();
        let mut second = Keeper::open(&other, key()).await.unwrap();
        assert!(matches!(first.add(&events[..100], book::start()).await.unwrap(), Step::Signed(_)));
        assert!(matches!(second.add(&events[..50], book::start()).await.unwrap(), Step::Moved), "{}", engine.name);
        let mut second = Keeper::open(&other, key()).await.unwrap();
        assert_eq!(second.position(), events[99].position);
        // A reader who is behind adds nothing twice, not even beside something new.
        assert!(matches!(second.add(&events[90..110], book::start()).await.unwrap(), Step::Moved), "{}", engine.name);
        assert!(matches!(second.add(&events[100..], book::start()).await.unwrap(), Step::Signed(_)));
        assert!(matches!(first.add(&events[100..], book::start()).await.unwrap(), Step::Moved), "{}", engine.name);
        // Each checkpoint carries the hash of the one before it.
        let [a, b] = [1, 2].map(|number| one.checkpoint(number));
        let (a, b): (NetworkCheckpoint, NetworkCheckpoint) =
            (a.await.unwrap().unwrap().stated().unwrap(), b.await.unwrap().unwrap().stated().unwrap());
        assert_eq!((a.number, b.number, b.previous), (1, 2, a.hash()));
        assert_eq!(one.checkpoint(3).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_network_that_is_divided_anew_still_proves_every_history() {
    let (desk, book) = past(12, 150).await;
    desk.notary().catch_up().await.unwrap();
    let (_, before) = desk.bytes("/log/0/0-255/checkpoint").await;
    let keeper = Keeper::open(&desk.app.ledger, key()).await.unwrap();
    let now = desk.clock.now();
    assert!(matches!(keeper.divide(&[(0, 99), (100, 255)], now).await.unwrap(), Step::Signed(_)));
    book.write(8, 14, 150, book::start() + chrono::Duration::days(30)).await;
    desk.notary().catch_up().await.unwrap();
    let logs = desk.app.ledger.latest().await.unwrap().unwrap().logs_stated().unwrap();
    let names: Vec<String> = logs.iter().map(|log| log.log.to_string()).collect();
    assert_eq!(names, ["tact/net/0/0-255", "tact/net/1/0-99", "tact/net/1/100-255"]);
    let grounds = trusting(&desk).await;
    let mut across = 0;
    for n in 0..14 {
        let file = desk.history(book::patient(n), json!({})).await;
        let report = verified(&file, &grounds);
        assert_holds(&report);
        let text = String::from_utf8(file).unwrap();
        let of = |log: &str| text.contains(&format!("{{\"place\":{{\"log\":{log},"));
        across += usize::from(of("0") && (of("1") || of("2")) && n < 12);
        // An event taken out behind the division is missed like any other.
        let mut lines: Vec<&str> = text.lines().collect();
        lines.remove(lines.len() - 2);
        let report = verified((lines.join("\n") + "\n").as_bytes(), &grounds);
        assert!(found(&report).contains(&tact_evidence::verify::Check::Complete), "{n}");
    }
    assert!(across > 6, "{across} histories lie in two logs");
    // The first leaf of each new log is the checkpoint of the old one.
    for log in ["1/0-99", "1/100-255"] {
        let (status, tile) = desk.bytes(&format!("/log/{log}/tile/0/000.p/1")).await;
        assert_eq!(status, 200);
        assert_eq!(tile[..], tact_evidence::tree::leaf_hash(&before));
    }
    assert!(Keeper::open(&desk.app.ledger, key()).await.unwrap().divide(&[(0, 99), (101, 255)], now).await.is_err());
}

#[tokio::test]
async fn keys_follow_one_another_and_histories_hold_across_them() {
    let (desk, book) = past(2, 40).await;
    desk.notary().catch_up().await.unwrap();
    let old = trusting(&desk).await;
    let (ledger, file) = (&desk.app.ledger, desk.app.signing_key_file.clone().unwrap());
    let secret = std::fs::read_to_string(&file).unwrap();
    desk.clock.set(desk.clock.now() + chrono::Duration::hours(1));
    let next = keys::rotate(ledger.db(), &file, NETWORK, &[6; 32], desk.clock.now()).await.unwrap();
    assert_ne!(std::fs::read_to_string(&file).unwrap(), secret);
    // Nothing has been signed with it yet, and a page does not say so.
    let page = String::from_utf8(desk.history(book::patient(0), json!({"format": "html"})).await).unwrap();
    assert!(page.contains(&old.trust.0[0].key.id().to_string()) && !page.contains(&next.id().to_string()));
    desk.clock.set(desk.clock.now() + chrono::Duration::hours(1));
    book.write(9, 2, 20, book::start() + chrono::Duration::days(30)).await;
    desk.notary().catch_up().await.unwrap();
    let history = desk.history(book::patient(0), json!({})).await;
    // Whoever trusts the first key only follows the succession that it has signed.
    let report = verified(&history, &old);
    assert_holds(&report);
    assert_eq!(report.signed_by, Some(next.public().to_string()));
    assert_holds(&verified(&history, &trusting(&desk).await));
    let listed = ledger.keys().await.unwrap();
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].0.until, listed[1].0.from);
    // A process that still has the old key signs nothing.
    std::fs::write(&file, &secret).unwrap();
    book.write(10, 2, 5, book::start() + chrono::Duration::days(50)).await;
    let error = desk.notary().catch_up().await.unwrap_err().to_string();
    assert!(error.contains("the network signs with") && !error.contains(&secret[30..]), "{error}");
}

#[tokio::test]
async fn a_key_that_was_made_by_a_clock_ahead_signs_nothing_from_before_it_held() {
    let (desk, book) = past(1, 20).await;
    desk.notary().catch_up().await.unwrap();
    let old = trusting(&desk).await;
    let file = desk.app.signing_key_file.clone().unwrap();
    // One machine is an hour ahead; another, which rotates the key once more, an hour behind.
    for (secret, hours) in [(6, 1), (7, -1)] {
        let now = desk.clock.now() + chrono::Duration::hours(hours);
        keys::rotate(desk.app.ledger.db(), &file, NETWORK, &[secret; 32], now).await.unwrap();
        book.write(u64::from(secret), 1, 5, book::start() + chrono::Duration::days(20 + i64::from(secret))).await;
        desk.notary().catch_up().await.unwrap();
        let history = desk.history(book::patient(0), json!({})).await;
        assert_holds(&verified(&history, &old));
        assert_holds(&verified(&history, &trusting(&desk).await));
    }
}

#[tokio::test]
async fn a_checkpoint_goes_into_a_file_once_an_hour() {
    let (desk, book) = past(1, 20).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept/checkpoints.jsonl");
    std::fs::create_dir(folder.path().join("kept")).unwrap();
    let log = desk.app.transactor.log().clone();
    let notary = |desk: &Desk| {
        let publisher = tact_notary::publish::Publisher::new(log.clone(), Some(file.clone()));
        let key = desk.app.signing_key_file.clone().unwrap();
        tact_notary::role::Notary::new(log.clone(), desk.app.ledger.clone(), desk.clock.clone(), key, publisher)
    };
    let notary = notary(&desk);
    for (seed, minutes) in [(1, 0), (2, 5), (3, 60), (4, 1)] {
        desk.clock.set(desk.clock.now() + chrono::Duration::minutes(minutes));
        book.write(seed, 1, 3, book::start() + chrono::Duration::days(20 + seed.cast_signed())).await;
        notary.catch_up().await.unwrap();
    }
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<Published> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = kept.iter().map(|one| one.number).collect();
    assert_eq!(numbers, [1, 3], "the first of each hour");
    for one in kept {
        assert_eq!(desk.app.ledger.checkpoint(one.number).await.unwrap(), Some(one));
    }
}

#[tokio::test]
async fn tiles_and_checkpoints_are_open_to_everybody_and_nothing_else_is() {
    let (desk, _) = past(3, 300).await;
    let (status, _) = desk.bytes("/checkpoint").await;
    assert_eq!(status, 404);
    desk.notary().catch_up().await.unwrap();
    let latest = desk.app.ledger.latest().await.unwrap().unwrap();
    let (status, checkpoint) = desk.bytes("/checkpoint").await;
    assert_eq!((status.as_u16(), serde_json::from_slice::<Published>(&checkpoint).unwrap()), (200, latest.clone()));
    let size = latest.logs_stated().unwrap()[0].size;
    let (_, full) = desk.bytes("/log/0/0-255/tile/0/000").await;
    assert_eq!(full.len(), 256 * 32);
    let rest = size - 256;
    let (_, partial) = desk.bytes(&format!("/log/0/0-255/tile/0/001.p/{rest}")).await;
    assert_eq!(partial.len() as u64, rest * 32);
    for path in
        ["/log/0/0-255/tile/0/002", "/log/0/0-255/tile/0/1", "/log/1/0-255/tile/0/000", "/log/0/0-9/checkpoint", "/checkpoint/77"]
    {
        assert_eq!(desk.bytes(path).await.0, 404, "{path}");
    }
    let (_, checkpoints) = desk.bytes("/checkpoint/1").await;
    assert!(!checkpoints.is_empty());
    // A path that is asked for by POST is not one of these.
    assert_eq!(desk.bytes(&format!("/v1/patients/{}/history-exports", book::patient(0))).await.0, 405);
}
