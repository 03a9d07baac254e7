//! The embedded log: its laws, and what its file and its disk may do to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tact_event_log::contract::{self, Candidate, appended, collect, event, patient};
use tact_event_log::{Append, EventLog, Freshness, LogError, NewEvent, Position, SqliteLog, SqliteReadLog};
use tempfile::TempDir;

struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    fn path_of(&self, log: &dyn EventLog) -> PathBuf {
        // The log's debug text names its file, for exactly such occasions.
        let text = format!("{log:?}");
        let name = text.split('"').nth(1).unwrap();
        PathBuf::from(name)
    }
}

#[async_trait]
impl Candidate for Sqlite {
    async fn empty(&self) -> Arc<dyn EventLog> {
        let path = self.folder.path().join(tact_testbed::fresh_name("log"));
        Arc::new(SqliteLog::open(&path, "test").unwrap())
    }

    async fn reopen(&self, log: Arc<dyn EventLog>) -> Option<Arc<dyn EventLog>> {
        let path = self.path_of(&*log);
        // What a crash leaves: the files as they are, never closed. The lock stays with the first log, so it is a copy that opens.
        let copy = self.folder.path().join(tact_testbed::fresh_name("crashed"));
        for end in ["", "-wal"] {
            let name = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
            std::fs::copy(name(&path), name(&copy)).unwrap();
        }
        Some(Arc::new(SqliteLog::open(&copy, "test").unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_laws() {
    contract::run(&Sqlite { folder: tempfile::tempdir().unwrap() }).await;
}

#[tokio::test]
async fn a_closed_log_opens_again_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = SqliteLog::open(&path, "test").unwrap();
    let first = appended(&log, patient(1), Position::START, event(0, 1)).await;
    drop(log);
    let log = SqliteLog::open(&path, "test").unwrap();
    assert_eq!(log.head().await.unwrap(), first);
    assert_eq!(log.append(patient(1), Position::START, event(0, 2)).await.unwrap(), Append::Conflict);
    let second = appended(&log, patient(1), first, event(0, 2)).await;
    assert!(second > first);
}

#[tokio::test]
async fn a_file_that_does_not_fit_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    drop(SqliteLog::open(&path, "first").unwrap());
    let refused = |path: &Path, network: &str| SqliteLog::open(path, network).err().map(|error| error.to_string()).unwrap();
    let text = refused(&path, "second");
    assert!(text.contains("\"first\"") && text.contains("\"second\""), "{text}");
    let opened = SqliteLog::open(&path, "first").unwrap();
    let text = refused(&path, "first");
    assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    drop(opened);

    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("update meta set value = '2' where key = 'format'", []).unwrap();
    drop(connection);
    assert!(matches!(SqliteLog::open(&path, "first"), Err(LogError::Misfit(text)) if text.contains("format 2")));

    let foreign = folder.path().join("foreign");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("create table patients (name text)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(SqliteLog::open(&foreign, "first"), Err(LogError::Misfit(_))));
    assert!(std::fs::read(&foreign).unwrap() == before, "the foreign database was changed");

    let text_file = folder.path().join("text");
    std::fs::write(&text_file, "Dear diary, ".repeat(100)).unwrap();
    assert!(matches!(SqliteLog::open(&text_file, "first"), Err(LogError::Misfit(_))));
    let nowhere = folder.path().join("no/such/folder/log");
    assert!(matches!(SqliteLog::open(&nowhere, "first"), Err(LogError::Unavailable(_))));
}

#[tokio::test]
async fn a_missing_event_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = SqliteLog::open(&path, "test").unwrap();
    let mut last = Position::START;
    for number in 0..10 {
        last = appended(&log, patient(number % 2), last_of(&log, number % 2).await, event(0, number)).await;
    }
    drop(log);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("delete from events where position = 6", []).unwrap();
    drop(connection);
    let log = SqliteLog::open(&path, "test").unwrap();
    assert_eq!(log.head().await.unwrap(), last);
    let mut follow = log.follow("reader", Position::START).await.unwrap();
    collect(&mut *follow, 5, 5).await;
    assert!(matches!(follow.next(5, Duration::ZERO).await, Err(LogError::Damaged(text)) if text.contains("event 6")));
}

async fn last_of(log: &dyn EventLog, number: u64) -> Position {
    let events = log.read_stream(patient(number), Position::START, Freshness::Latest).await.unwrap();
    events.last().map_or(Position::START, |event| event.position)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_log_says_so_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = SqliteLog::open_limited(&path, "test", Some(1024 * 1024)).unwrap();
    let large = |number| NewEvent { id: event(0, number).id, bytes: vec![7; 100 * 1024].into() };
    let mut last = Position::START;
    let mut count = 0;
    let refused = loop {
        match log.append(patient(1), last, large(count)).await {
            Ok(Append::Done(position)) => (last, count) = (position, count + 1),
            other => break other,
        }
    };
    assert!(matches!(refused, Err(LogError::Full(_))), "{refused:?}");
    assert!((5..10).contains(&count), "{count} events of 100 KB went into 1 MB");
    // Nothing was written, what was there is there, and reading works.
    assert_eq!(log.head().await.unwrap(), last);
    assert_eq!(log.read_stream(patient(1), Position::START, Freshness::Latest).await.unwrap().len() as u64, count);
    assert!(matches!(log.append(patient(1), last, large(count)).await, Err(LogError::Full(_))));
    // A small event still fits, and so does the large one when there is more room.
    let small = appended(&log, patient(2), Position::START, event(0, 100)).await;
    drop(log);
    let log = SqliteLog::open(&path, "test").unwrap();
    assert_eq!(log.head().await.unwrap(), small);
    appended(&log, patient(1), last, large(count)).await;
}

#[tokio::test]
async fn a_log_can_be_read_beside_its_writer_and_without_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let refused = |name: &str| SqliteReadLog::open(&path, name).unwrap_err();
    assert!(matches!(refused("test"), LogError::Unavailable(_)), "it is not made");
    assert!(!path.exists());
    let writer = SqliteLog::open(&path, "test").unwrap();
    let first = appended(&writer, patient(1), Position::START, event(0, 1)).await;
    let reader = SqliteReadLog::open(&path, "test").unwrap();
    assert_eq!(reader.head().await.unwrap(), first);
    let mut follow = reader.follow("what-if", Position::START).await.unwrap();
    assert_eq!(collect(&mut *follow, 10, 1).await[0].position, first);
    assert!(follow.next(10, Duration::ZERO).await.unwrap().events.is_empty());
    // What another one appends is seen, and what it may not append is not.
    let second = appended(&writer, patient(1), first, event(0, 2)).await;
    let came = collect(&mut *follow, 10, 1).await;
    assert_eq!((came.len(), came[0].position), (1, second));
    assert_eq!(reader.read_stream(patient(1), first, Freshness::Latest).await.unwrap(), came);
    let error = reader.append(patient(1), second, event(0, 3)).await.unwrap_err();
    assert!(matches!(&error, LogError::Unavailable(text) if text.contains("reading only")), "{error}");
    assert!(matches!(refused("other"), LogError::Misfit(_)));
    drop(writer);
    // It does not stand in a writer's way either.
    let writer = SqliteLog::open(&path, "test").unwrap();
    assert_eq!(writer.head().await.unwrap(), second);
    drop((writer, follow, reader));
    let bytes = std::fs::read(&path).unwrap();
    let reader = SqliteReadLog::open(&path, "test").unwrap();
    assert_eq!(collect(&mut *reader.follow("what-if", Position::START).await.unwrap(), 10, 2).await.len(), 2);
    drop(reader);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    std::fs::write(&path, "not a database at all, and long enough to be looked at").unwrap();
    assert!(matches!(refused("test"), LogError::Misfit(_)));
}
