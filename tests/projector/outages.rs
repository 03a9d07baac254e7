//! The database goes away and comes back, another log is put under the tables, and the log is a real JetStream.

use tact_event_log::{JetStreamConfig, SqliteLog, open_jetstream};
use tact_projector::ProjectorError;
use tact_testbed::Nats;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_killed_and_comes_back_costs_no_event() {
    let postgres = Postgres::start().await.unwrap();
    let target: Target = postgres.database().await.unwrap().parse().unwrap();
    let book = opened().await;
    let read = ReadDb::open(&target, WAIT).await.unwrap();
    let projector = projector(&book, &read, 20);
    let running = tokio::spawn(async move { projector.run(std::future::pending()).await });
    let mut last = 0;
    for round in 0..3 {
        let first = write(&book, 2, 50, 10).await;
        read.wait_for(first, WAIT).await.unwrap();
        postgres.kill().unwrap();
        last = write(&book, 3, 50, 100).await;
        assert!(read.checkpoint().await.is_err(), "round {round}");
        postgres.restart().await.unwrap();
        let there = async || read.checkpoint().await.is_ok_and(|c| c.position >= last);
        until("the rows are true again", there).await;
    }
    assert!(last > 0);
    running.abort();
    assert_same("after three kills", &tables(&read).await, &fresh(&Engine::sqlite(), &book, 500).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stays_away_ends_the_projector_with_one_clear_error() {
    let postgres = Postgres::start().await.unwrap();
    let target: Target = postgres.database().await.unwrap().parse().unwrap();
    let book = opened().await;
    let read = ReadDb::open(&target, WAIT).await.unwrap();
    postgres.kill().unwrap();
    let settings = Settings { patience: Duration::from_millis(300), ..settings(10) };
    let projector = Projector::new(book.log.clone(), read, Hands::at(late()).now(), settings);
    let error = projector.run(std::future::pending()).await.unwrap_err();
    assert!(matches!(&error, ProjectorError::Database(tact_database::DbError::Unavailable(_))), "{error}");
    let error = ReadDb::open(&target, Duration::from_millis(600)).await.unwrap_err();
    assert!(matches!(&error, tact_database::DbError::Unavailable(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_know_more_than_the_log_belong_to_another_one() {
    let book = opened().await;
    write(&book, 2, 5, 20).await;
    let engine = Engine::sqlite();
    let read = engine.open().await;
    projector(&book, &read, 100).catch_up().await.unwrap();
    let other = opened().await;
    let end = other.log.head().await.unwrap().to_stored();
    let error = projector(&other, &read, 100).run(std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ProjectorError::AheadOfLog { head, .. } if head == end), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_are_the_same_on_the_logs_that_production_uses() {
    let folder = tempfile::tempdir().unwrap();
    let nats = Nats::shared().await.unwrap();
    let config = JetStreamConfig::new(tact_testbed::fresh_name("net"), [nats.url()]);
    let logs: [Arc<dyn EventLog>; 2] = [
        Arc::new(SqliteLog::open(&folder.path().join("log.db"), "net").unwrap()),
        Arc::new(open_jetstream(config).await.unwrap()),
    ];
    for log in logs {
        let book = opened_on(log).await;
        let engine = Engine::postgres().await;
        let read = engine.open().await;
        let live = projector(&book, &read, 200);
        let running = tokio::spawn({
            let live = live.clone();
            async move { live.run(std::future::pending()).await }
        });
        let last = write(&book, 16, 300, 60).await;
        assert!(read.wait_for(last, WAIT).await.unwrap().position >= last, "{:?} lags", book.log);
        live.rebuild(|_| ()).await.unwrap();
        running.abort();
        assert_true_to_log("rebuilt", &book, &read).await;
        assert_same("cold", &fresh(&Engine::sqlite(), &book, 1000).await, &tables(&read).await);
    }
}
