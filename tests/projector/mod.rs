//! The projector on both engines: exact counts whoever writes and however it is interrupted, rebuilds that come out equal, and what it does with
//! events that cannot be read and with policies that come into force.

pub(crate) mod book;
mod outages;
mod rebuild;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use book::{Book, start};
use tact_database::Target;
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::audit::FindingKind;
use tact_domain::patient::{Event, State, evolve};
use tact_domain::{Direction, Reach, Recorded, Time, policy};
use tact_event_log::{EventLog, MemoryLog, Position, StreamId};
use tact_projector::{Projector, Settings};
use tact_read_models::{ReadDb, contacts, dump, history, patient_months, patients};
use tact_testbed::Postgres;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// A place for read models on one engine; gone when dropped.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    _folder: Option<TempDir>,
}

impl Engine {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { name: "SQLite", target: Target::sqlite(folder.path()), _folder: Some(folder) }
    }

    pub(crate) async fn postgres() -> Self {
        let url = Postgres::shared().await.unwrap().database().await.unwrap();
        Self { name: "PostgreSQL", target: url.parse().unwrap(), _folder: None }
    }

    pub(crate) async fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres().await]
    }

    async fn open(&self) -> ReadDb {
        ReadDb::open(&self.target, WAIT).await.unwrap()
    }
}

/// A clock that the test moves.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn at(time: Time) -> Self {
        Self(Arc::new(AtomicI64::new(time.timestamp_millis())))
    }

    fn set(&self, time: Time) {
        self.0.store(time.timestamp_millis(), Ordering::SeqCst);
    }

    fn now(&self) -> tact_projector::Now {
        let hands = self.0.clone();
        Arc::new(move || Time::from_timestamp_millis(hands.load(Ordering::SeqCst)).unwrap())
    }
}

fn late() -> Time {
    start() + chrono::Duration::days(400)
}

fn settings(batch: usize) -> Settings {
    Settings { name: tact_testbed::fresh_name("reader"), batch, cache: 200, patience: WAIT }
}

fn projector(book: &Book, read: &ReadDb, batch: usize) -> Projector {
    Projector::new(book.log.clone(), read.clone(), Hands::at(late()).now(), settings(batch))
}

/// A log in memory with the default policy and the branches.
async fn opened() -> Book {
    opened_on(Arc::new(MemoryLog::new())).await
}

async fn opened_on(log: Arc<dyn EventLog>) -> Book {
    let book = Book::new(log);
    let before = start() - chrono::Duration::days(1);
    book.publish("1", policy::DEFAULT, before, before + chrono::Duration::hours(1)).await;
    for n in 0..3 {
        book.list(
            book::branch(n),
            ["Europe/Moscow", "Asia/Yekaterinburg", "America/Sao_Paulo"][usize::try_from(n).unwrap()],
            before,
        )
        .await;
    }
    book.refer_a_stranger(before).await;
    book
}

/// Lets so many writers write so many events each, all at once.
async fn write(book: &Book, writers: u64, patients: u64, each: u64) -> i64 {
    // Another seed for each call, so that no two facts have one id.
    let seed = book.log.head().await.unwrap().to_stored() * 1000;
    let writing: Vec<_> = (0..writers)
        .map(|n| {
            let book = book.clone();
            tokio::spawn(async move { book.write(seed + n, patients, each, start()).await })
        })
        .collect();
    let mut last = Position::START;
    for writer in writing {
        last = last.max(writer.await.unwrap());
    }
    stored(last)
}

fn stored(position: Position) -> i64 {
    position.to_stored().cast_signed()
}

type Tables = Vec<(&'static str, Vec<String>)>;

async fn tables(read: &ReadDb) -> Tables {
    dump(&read.db()).await.unwrap()
}

/// The tables of a fresh database that is filled from the whole log at once.
async fn fresh(engine: &Engine, book: &Book, batch: usize) -> Tables {
    let read = engine.open().await;
    projector(book, &read, batch).catch_up().await.unwrap();
    tables(&read).await
}

#[track_caller]
fn assert_same(what: &str, got: &Tables, expected: &Tables) {
    for ((table, got), (_, expected)) in got.iter().zip(expected) {
        let differs = got.iter().zip(expected).find(|(g, e)| g != e);
        assert!(
            got == expected,
            "{what}: {table} has {} rows, expected {}; first difference: {differs:#?}",
            got.len(),
            expected.len()
        );
    }
}

/// Holds the tables against the log itself: each patient's events are there once, and the state is what they lead to.
async fn assert_true_to_log(what: &str, book: &Book, read: &ReadDb) {
    let mut streams: BTreeMap<Uuid, (State, u64, Hash)> = BTreeMap::new();
    let (mut made, mut events) = (0, 0);
    let mut follow = book.log.follow(&tact_testbed::fresh_name("check"), Position::START).await.unwrap();
    let head = book.log.head().await.unwrap();
    let mut at = Position::START;
    while at < head {
        for stored in follow.next(1000, WAIT).await.unwrap().events {
            at = stored.position;
            let StreamId::Patient(id) = stored.stream else { continue };
            let (state, version, last) = streams.entry(id).or_default();
            *version += 1;
            let recorded = Recorded::<Event>::read_at(&stored.bytes, &id.to_string(), *version, last).unwrap();
            *last = hash(&stored.bytes);
            evolve(state, &recorded);
            made += u64::from(matches!(recorded.event, Event::Made(_)));
            events += 1;
        }
    }
    let db = read.db();
    for (id, (state, version, last)) in &streams {
        let row = patients::get(&db, *id).await.unwrap().unwrap_or_else(|| panic!("{what}: {id} is missing"));
        assert_eq!(row.version.cast_unsigned(), *version, "{what}: events of {id}");
        assert_eq!(row.last_hash, last, "{what}: {id}");
        assert_eq!(row.state().unwrap(), *state, "{what}: {id}");
        let history = history::page(&db, *id, 0, 100_000).await.unwrap();
        let sequence: Vec<i64> = history.iter().map(|h| h.sequence).collect();
        assert_eq!(sequence, (1..=version.cast_signed()).collect::<Vec<_>>(), "{what}: history of {id}");
    }
    let all = tables(read).await;
    let rows = |table: &str| all.iter().find(|(name, _)| *name == table).map_or(0, |(_, rows)| rows.len() as u64);
    assert_eq!(rows("history"), events, "{what}");
    assert_eq!(rows("contacts"), made, "{what}");
    let counted = contacts::counts(&db, "0000-00", "9999-99").await.unwrap();
    assert_eq!(counted.iter().map(|c| c.made.cast_unsigned()).sum::<u64>(), made, "{what}");
    for table in [
        "due",
        "quotas",
        "referrers",
        "feedback",
        "feedback_themes",
        "refusal_counts",
        "permit_counts",
        "patient_months",
        "forgetting",
        "findings",
        "wishes",
    ] {
        assert!(rows(table) > 0, "{what}: no story led to a row in {table}");
    }
    assert_eq!(rows("set_aside"), 0, "{what}");
    assert_months(what, &db, &streams).await;
    crate::audit::assert_current(what, read, &*book.log).await;
}

/// Holds the counts of months against the contacts and wishes themselves. No story of this book merges anybody.
async fn assert_months(what: &str, db: &tact_database::Db, streams: &BTreeMap<Uuid, (State, u64, Hash)>) {
    let mut months: BTreeMap<(String, String), (i64, BTreeSet<Uuid>)> = BTreeMap::new();
    for (id, (state, ..)) in streams {
        for contact in state.contacts.iter().filter(|contact| contact.direction == Direction::Outbound) {
            for place in [contact.branch.as_str(), patient_months::NETWORK] {
                let entry = months.entry((place.to_owned(), tact_read_models::month(contact.time))).or_default();
                entry.0 += 1;
                entry.1.insert(*id);
            }
        }
    }
    let rows = patient_months::between(db, "0000-00", "9999-99").await.unwrap();
    for row in &rows {
        let (contacts, patients) = months.remove(&(row.branch.clone(), row.month.clone())).unwrap_or_default();
        assert_eq!((row.contacts, row.patients), (contacts, patients.len().cast_signed() as i64), "{what}: {row:?}");
    }
    assert!(months.is_empty(), "{what}: {months:?}");
    let turned = rows.iter().filter(|row| row.branch == patient_months::NETWORK).map(|row| row.turned).sum::<i64>();
    let wish =
        |(state, ..): &&(State, u64, Hash)| state.preferences.reach.is_some_and(|(reach, _)| reach == Reach::PatientInitiated);
    let wishing = streams.values().filter(wish).count().cast_signed() as i64;
    assert!(wishing > 0 && turned >= wishing, "{what}: {turned} turned to it, and {wishing} wish it");
}

/// Polls a future so many times and drops it: a crash at that point, unless it was done before.
async fn crash_after<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if left == 0 && polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Asks again and again until the answer is yes.
async fn until<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(WAIT, asking).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_are_counted_exactly_live_and_cold() {
    let book = opened().await;
    let engines = Engine::both().await;
    let mut live = Vec::new();
    for (engine, batch) in engines.iter().zip([90, 400]) {
        let read = engine.open().await;
        let projector = projector(&book, &read, batch);
        let running = tokio::spawn(async move { projector.run(std::future::pending()).await });
        live.push((engine.name, read, running));
    }
    let last = write(&book, 64, 400, 60).await;
    let mut seen = Vec::new();
    for (name, read, running) in live {
        assert!(read.wait_for(last, WAIT).await.unwrap().position >= last, "{name} lags");
        until("the policy is applied", async || read.checkpoint().await.unwrap().policy.is_some()).await;
        running.abort();
        assert_true_to_log(name, &book, &read).await;
        seen.push(tables(&read).await);
    }
    let audit = crate::audit::at_once(&*book.log).await;
    let found: BTreeSet<&str> = audit.findings.iter().map(|found| found.kind.as_str()).collect();
    assert_eq!(found, FindingKind::WORDS.iter().copied().collect(), "no story led to each kind of finding");
    assert!(audit.wishes.iter().any(|told| !told.contacts.is_empty()), "nothing led up to a wish");
    assert_same("PostgreSQL beside SQLite, live", &seen[1], &seen[0]);
    for (batch, engine) in
        [(7, Engine::sqlite()), (5000, Engine::sqlite()), (33, Engine::postgres().await), (2000, Engine::postgres().await)]
    {
        let cold = fresh(&engine, &book, batch).await;
        assert_same(&format!("{} cold in batches of {batch}", engine.name), &cold, &seen[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projector_killed_anywhere_goes_on_where_it_was() {
    let book = opened().await;
    let last = write(&book, 4, 60, 400).await;
    let expected = fresh(&Engine::sqlite(), &book, 1000).await;
    for engine in Engine::both().await {
        let mut dice = book::Dice(42);
        let read = engine.open().await;
        let mut crashes = 0;
        while read.checkpoint().await.unwrap().position < last || read.checkpoint().await.unwrap().policy.is_none() {
            let projector = projector(&book, &read, 1 + usize::try_from(dice.below(8)).unwrap());
            let ended = crash_after(1 + dice.below(40), projector.run(std::future::pending())).await;
            assert!(ended.is_none(), "{}: {ended:?}", engine.name);
            crashes += 1;
        }
        assert!(crashes > 20, "{}: only {crashes} crashes", engine.name);
        assert_same(&format!("{} after {crashes} crashes", engine.name), &tables(&read).await, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_projectors_at_once_apply_every_event_once() {
    let book = opened().await;
    for engine in Engine::both().await {
        let read = engine.open().await;
        let other = engine.open().await;
        let running: Vec<_> = [projector(&book, &read, 13), projector(&book, &other, 17)]
            .into_iter()
            .map(|projector| tokio::spawn(async move { projector.run(std::future::pending()).await }))
            .collect();
        let last = write(&book, 8, 50, 60).await;
        assert!(read.wait_for(last, WAIT).await.unwrap().position >= last, "{} lags", engine.name);
        running.iter().for_each(|running| running.abort());
        let expected = fresh(&Engine::sqlite(), &book, 1000).await;
        assert_same(engine.name, &tables(&read).await, &expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_position_ends_when_it_is_there_or_the_time_is_over() {
    let book = opened().await;
    for engine in Engine::both().await {
        let read = engine.open().await;
        let elsewhere = engine.open().await;
        let last = write(&book, 2, 5, 10).await;
        let early = read.wait_for(last, Duration::ZERO).await.unwrap();
        assert_eq!(early.position, 0, "{}", engine.name);
        // One waits in this process, one with a handle of its own as another process would.
        let waiting =
            [read.clone(), elsewhere].map(|read| tokio::spawn(async move { read.wait_for(last, WAIT).await.unwrap().position }));
        projector(&book, &read, 5).catch_up().await.unwrap();
        for waiting in waiting {
            assert!(waiting.await.unwrap() >= last, "{}", engine.name);
        }
        assert!(read.wait_for(1, Duration::ZERO).await.unwrap().position >= last, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_it_behind_a_batch() {
    let book = opened().await;
    let last = write(&book, 2, 10, 50).await;
    for engine in Engine::both().await {
        let read = engine.open().await;
        let projector = projector(&book, &read, 10);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            projector.run(stopped).await
        });
        read.wait_for(last, WAIT).await.unwrap();
        stop.send(()).unwrap();
        running.await.unwrap().unwrap();
        assert_eq!(read.checkpoint().await.unwrap().position, last, "{}", engine.name);
    }
}
