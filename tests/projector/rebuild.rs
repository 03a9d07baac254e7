//! Rebuilds: equal row for row, beside reads, writes and a live projector, and harmless wherever they are interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tact_database::DbError;
use tact_projector::ProjectorError;
use tact_read_models::{contacts, due, patients};

use super::book::{branch, patient, start};
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_comes_out_equal_while_events_are_written_and_rows_are_read() {
    let book = opened().await;
    write(&book, 8, 100, 60).await;
    for engine in Engine::both().await {
        let read = engine.open().await;
        let live = projector(&book, &read, 50);
        live.catch_up().await.unwrap();
        let running = tokio::spawn({
            let live = live.clone();
            async move { live.run(std::future::pending()).await }
        });
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicU64::new(0));
        // One handle shares this process's swap, the other learns of it as another process would.
        let readers: Vec<_> = [read.clone(), engine.open().await]
            .into_iter()
            .map(|read| {
                let (stop, asked, name) = (stop.clone(), asked.clone(), engine.name);
                tokio::spawn(async move {
                    let mut position = 0;
                    while !stop.load(Ordering::SeqCst) {
                        let now = read.checkpoint().await.unwrap_or_else(|error| panic!("{name}: {error}"));
                        assert!(now.position >= position, "{name}: the rows went back from {position} to {}", now.position);
                        position = now.position;
                        let db = read.db();
                        let someone = patients::get(&db, patient(3)).await.unwrap();
                        assert!(someone.is_some(), "{name}: a known patient was gone");
                        let north = branch(0);
                        let page =
                            due::Page { branch: &north, now: start(), purpose: None, after: due::Cursor::start(), limit: 50 };
                        due::worklist(&db, &page).await.unwrap();
                        assert!(!contacts::counts(&db, "0000-00", "9999-99").await.unwrap().is_empty(), "{name}");
                        asked.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let writing = tokio::spawn({
            let book = book.clone();
            async move { write(&book, 6, 100, 100).await }
        });
        for round in 0..3 {
            let before = asked.load(Ordering::SeqCst);
            let mut told = 0;
            let done = live.rebuild(|progress| told = progress.done.max(told)).await.unwrap();
            assert!(told > 0 && done.done >= told, "{}, round {round}: {told}, {done:?}", engine.name);
            until("somebody has read since", async || asked.load(Ordering::SeqCst) > before).await;
        }
        let last = writing.await.unwrap();
        assert!(read.wait_for(last, WAIT).await.unwrap().position >= last, "{} lags", engine.name);
        live.rebuild(|_| ()).await.unwrap();
        stop.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.unwrap();
        }
        running.abort();
        assert_true_to_log(engine.name, &book, &read).await;
        assert_same(engine.name, &tables(&read).await, &fresh(&Engine::sqlite(), &book, 700).await);
        let checkpoint = read.checkpoint().await.unwrap();
        assert_eq!(checkpoint.generation, 5, "{}", engine.name);
        // And the live projector goes on on the new tables.
        let last = write(&book, 1, 100, 40).await;
        projector(&book, &read, 9).catch_up().await.unwrap();
        assert!(read.checkpoint().await.unwrap().position >= last, "{}", engine.name);
        assert_same(engine.name, &tables(&read).await, &fresh(&Engine::sqlite(), &book, 700).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_interrupted_anywhere_leaves_the_live_tables_as_they_were() {
    let book = opened().await;
    write(&book, 4, 40, 50).await;
    let expected = fresh(&Engine::sqlite(), &book, 1000).await;
    for engine in Engine::both().await {
        let read = engine.open().await;
        let live = projector(&book, &read, 40);
        live.catch_up().await.unwrap();
        let mut dice = book::Dice(7);
        let (mut crashed, mut finished) = (0, 0);
        while crashed < 10 || finished < 2 {
            let polls = if crashed < 10 { 1 + dice.below(150) } else { u64::MAX };
            match crash_after(polls, live.rebuild(|_| ())).await {
                None => crashed += 1,
                Some(Ok(_)) => finished += 1,
                // What the crashed one held is let go a moment later.
                Some(Err(ProjectorError::Database(DbError::RebuildRunning(_)))) => tokio::task::yield_now().await,
                Some(Err(error)) => panic!("{}: {error}", engine.name),
            }
            assert_same(&format!("{} after {crashed} crashes", engine.name), &tables(&read).await, &expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_one_rebuild_runs_at_a_time() {
    for engine in Engine::both().await {
        let read = engine.open().await;
        let elsewhere = engine.open().await;
        let first = read.begin_next().await.unwrap();
        assert!(matches!(elsewhere.begin_next().await, Err(DbError::RebuildRunning("read"))), "{}", engine.name);
        drop(first);
        until("the lock is let go", async || elsewhere.begin_next().await.is_ok()).await;
    }
}
