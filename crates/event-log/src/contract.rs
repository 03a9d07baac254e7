//! The laws of the event log as checks that every backend passes: memory, SQLite, JetStream with one node and with three.
//!
//! They must never know which backend they check, never sleep and never assert a duration: they wait for events. A broken law panics.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a broken law is reported by panicking, as in every test")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::join_all;
use uuid::Uuid;

use crate::{Append, EventLog, Follow, Freshness, LogError, MAX_EVENT_BYTES, NewEvent, Position, Stored, StreamId};

/// How long a reader waits for events that must come. Never reached where the law holds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A backend under test.
#[async_trait]
pub trait Candidate: Sync {
    /// A log of its own, with nothing in it.
    async fn empty(&self) -> Arc<dyn EventLog>;

    /// Ends what holds this log as hard as the backend survives (its process, its servers) and opens the same log again;
    /// `None` for a backend that keeps nothing.
    async fn reopen(&self, log: Arc<dyn EventLog>) -> Option<Arc<dyn EventLog>>;
}

/// Runs every check, each with a log of its own.
pub async fn run(candidate: &dyn Candidate) {
    an_empty_log_is_empty(candidate).await;
    events_come_back_in_order(candidate).await;
    bytes_come_back_as_they_went_in(candidate).await;
    what_is_too_large_is_refused(candidate).await;
    a_wrong_position_is_a_conflict(candidate).await;
    one_of_many_wins(candidate).await;
    a_repeated_append_writes_nothing_twice(candidate).await;
    control_streams_stand_beside_patients(candidate).await;
    latest_sees_what_was_acknowledged(candidate).await;
    a_long_stream_is_read_whole(candidate).await;
    a_reader_goes_on_from_any_position(candidate).await;
    a_waiting_reader_is_woken(candidate).await;
    a_reader_that_was_given_up_goes_on(candidate).await;
    readers_do_not_disturb_each_other(candidate).await;
    a_reader_takes_over_from_its_former_self(candidate).await;
    a_position_of_another_log_is_refused(candidate).await;
    readers_see_everything_once_while_many_write(candidate).await;
    what_was_acknowledged_outlives_a_crash(candidate).await;
}

/// An event whose id and bytes follow from two numbers.
pub fn event(writer: u64, number: u64) -> NewEvent {
    let id = Uuid::from_u64_pair(0x7ac7_0000_0000_0000 | writer, number);
    NewEvent { id, bytes: Bytes::from(format!("{{\"writer\":{writer},\"number\":{number}}}")) }
}

/// A patient that follows from a number.
pub fn patient(number: u64) -> StreamId {
    StreamId::Patient(Uuid::from_u64_pair(0x0197_0000_0000_7000, 0x8000_0000_0000_0000 | number))
}

/// Appends and expects to be the winner.
pub async fn appended(log: &dyn EventLog, stream: StreamId, after: Position, event: NewEvent) -> Position {
    match log.append(stream, after, event).await.unwrap() {
        Append::Done(position) => position,
        Append::Conflict => panic!("{stream}: a conflict behind {after}, where nobody else writes"),
    }
}

/// Reads on until `count` events have come.
pub async fn collect(follow: &mut dyn Follow, max: usize, count: usize) -> Vec<Stored> {
    let mut all: Vec<Stored> = Vec::new();
    while all.len() < count {
        let batch = follow.next(max, PATIENCE).await.unwrap();
        assert!(!batch.events.is_empty(), "{} events came, {count} were expected", all.len());
        assert!(batch.events.len() <= max, "{} events in a batch of at most {max}", batch.events.len());
        let last = batch.events.last().map(|event| event.position).unwrap();
        assert!(batch.head >= last, "the head {} lies before {last}", batch.head);
        all.extend(batch.events);
        follow.done(last).await.unwrap();
    }
    assert_eq!(all.len(), count, "more events came than were appended");
    assert_order(&all);
    all
}

/// Whether a log may be unavailable for a while. Where nobody breaks anything it may not: a test would wait for ever for a log that never comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outages {
    /// Being unavailable is a failure.
    None,
    /// Being unavailable is asked again.
    Expected,
}

/// Appends again and again until it wins, as a service does.
pub async fn contend(log: &dyn EventLog, stream: StreamId, event: NewEvent, outages: Outages) -> Position {
    let expected = outages == Outages::Expected;
    let mut after = Position::START;
    loop {
        match log.append(stream, after, event.clone()).await {
            Ok(Append::Done(position)) => return position,
            Ok(Append::Conflict) => {
                let news = match log.read_stream(stream, after, Freshness::Latest).await {
                    Ok(news) => news,
                    Err(LogError::Unavailable(_)) if expected => continue,
                    Err(error) => panic!("{stream}: {error}"),
                };
                assert!(!news.is_empty(), "{stream}: a conflict behind {after}, but nothing is there");
                if let Some(own) = news.iter().find(|stored| stored.id == event.id) {
                    return own.position;
                }
                after = news.last().unwrap().position;
            }
            // The same event again: that is what the law allows.
            Err(LogError::InDoubt(_)) => {}
            Err(LogError::Unavailable(_)) if expected => {}
            Err(error) => panic!("{stream}: {error}"),
        }
    }
}

fn assert_order(events: &[Stored]) {
    for pair in events.windows(2) {
        assert!(pair[0].position < pair[1].position, "{} comes before {}", pair[0].position, pair[1].position);
    }
}

fn ids(events: &[Stored]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

async fn an_empty_log_is_empty(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    assert_eq!(log.head().await.unwrap(), Position::START);
    for fresh in [Freshness::Any, Freshness::Latest] {
        assert_eq!(log.read_stream(patient(1), Position::START, fresh).await.unwrap(), []);
    }
    let batch = log.follow("empty", Position::START).await.unwrap().next(10, Duration::ZERO).await.unwrap();
    assert!(batch.events.is_empty() && batch.head == Position::START);
}

async fn events_come_back_in_order(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut last = [Position::START; 3];
    for number in 0..30 {
        let which = usize::try_from(number % 3).unwrap();
        last[which] = appended(&*log, patient(number % 3), last[which], event(0, number)).await;
        assert_eq!(log.head().await.unwrap(), last[which]);
    }
    for (which, last) in (0..).zip(last) {
        let events = log.read_stream(patient(which), Position::START, Freshness::Latest).await.unwrap();
        assert_order(&events);
        assert_eq!(ids(&events), (0..10).map(|turn| event(0, turn * 3 + which).id).collect::<Vec<_>>());
        assert_eq!(events[9].position, last);
        assert!(events.iter().all(|event| event.stream == patient(which)));
        let behind = log.read_stream(patient(which), events[6].position, Freshness::Latest).await.unwrap();
        assert_eq!(behind, events[7..]);
    }
}

async fn bytes_come_back_as_they_went_in(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let large: Vec<u8> = (0..800 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let contents = [
        Vec::new(),
        vec![0],
        b"a\0b\r\n\r\nNATS/1.0\r\n".to_vec(),
        vec![0xff, 0xfe, 0xc3, 0x28],
        (0..=255).collect(),
        large,
        vec![7; MAX_EVENT_BYTES],
    ];
    let mut last = Position::START;
    for (number, content) in (0..).zip(&contents) {
        let event = NewEvent { id: event(1, number).id, bytes: Bytes::from(content.clone()) };
        last = appended(&*log, patient(1), last, event).await;
    }
    let followed = collect(&mut *log.follow("bytes", Position::START).await.unwrap(), 100, contents.len()).await;
    for events in [
        log.read_stream(patient(1), Position::START, Freshness::Any).await.unwrap(),
        log.read_stream(patient(1), Position::START, Freshness::Latest).await.unwrap(),
        followed,
    ] {
        for (stored, content) in events.iter().zip(&contents) {
            assert!(stored.bytes == content, "{} bytes went in, {} other ones came back", content.len(), stored.bytes.len());
        }
    }
}

async fn what_is_too_large_is_refused(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let event = NewEvent { id: event(0, 0).id, bytes: Bytes::from(vec![b' '; MAX_EVENT_BYTES + 1]) };
    let refused = log.append(patient(1), Position::START, event).await;
    assert!(matches!(refused, Err(LogError::TooLarge(bytes)) if bytes == MAX_EVENT_BYTES + 1), "{refused:?}");
    assert_eq!(log.head().await.unwrap(), Position::START);
}

async fn a_wrong_position_is_a_conflict(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let first = appended(&*log, patient(1), Position::START, event(0, 1)).await;
    let other = appended(&*log, patient(2), Position::START, event(0, 2)).await;
    let second = appended(&*log, patient(1), first, event(0, 3)).await;
    let ahead = Position::from_stored(second.to_stored() + 1000);
    for (number, after) in (10..).zip([Position::START, first, other, ahead]) {
        assert_eq!(log.append(patient(1), after, event(0, number)).await.unwrap(), Append::Conflict, "behind {after}");
    }
    assert_eq!(log.append(patient(3), first, event(0, 20)).await.unwrap(), Append::Conflict, "an empty stream behind {first}");
    assert_eq!(log.head().await.unwrap(), second);
}

async fn one_of_many_wins(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut after = Position::START;
    for race in 0..10 {
        let racers = (0..64).map(|racer| {
            let log = log.clone();
            tokio::spawn(async move { log.append(patient(1), after, event(racer, race)).await.unwrap() })
        });
        let answers: Vec<Append> = join_all(racers).await.into_iter().map(Result::unwrap).collect();
        let winners: Vec<_> = (0..).zip(&answers).filter(|(_, answer)| matches!(answer, Append::Done(_))).collect();
        assert_eq!(winners.len(), 1, "race {race}: {winners:?}");
        let events = log.read_stream(patient(1), after, Freshness::Latest).await.unwrap();
        assert_eq!(ids(&events), [event(winners[0].0, race).id], "race {race}");
        assert_eq!(*winners[0].1, Append::Done(events[0].position), "race {race}");
        after = events[0].position;
    }
}

async fn a_repeated_append_writes_nothing_twice(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let first = appended(&*log, patient(1), Position::START, event(0, 1)).await;
    let again = |after, number| {
        let log = log.clone();
        async move { log.append(patient(1), after, event(0, number)).await.unwrap() }
    };
    let repeated = again(Position::START, 1).await;
    assert!(repeated == Append::Conflict || repeated == Append::Done(first), "{repeated:?}");
    let second = appended(&*log, patient(1), first, event(0, 2)).await;
    for (after, number, at) in [(Position::START, 1, first), (first, 2, second)] {
        let repeated = again(after, number).await;
        assert!(repeated == Append::Conflict || repeated == Append::Done(at), "{repeated:?}");
    }
    // All at once: at most one is written.
    join_all((0..16).map(|_| again(second, 3))).await;
    let events = log.read_stream(patient(1), Position::START, Freshness::Latest).await.unwrap();
    assert_eq!(ids(&events), [event(0, 1).id, event(0, 2).id, event(0, 3).id]);
}

async fn control_streams_stand_beside_patients(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let streams = [StreamId::Policy, StreamId::Directory, StreamId::Access, patient(1)];
    let mut last = [Position::START; 4];
    for number in 0..12 {
        let which = usize::try_from(number % 4).unwrap();
        last[which] = appended(&*log, streams[which], last[which], event(0, number)).await;
    }
    for (which, stream) in streams.into_iter().enumerate() {
        let events = log.read_stream(stream, Position::START, Freshness::Latest).await.unwrap();
        assert_eq!(events.len(), 3);
        assert_eq!(events[2].position, last[which]);
    }
    let all = collect(&mut *log.follow("control", Position::START).await.unwrap(), 4, 12).await;
    assert_eq!(all.iter().map(|event| event.stream).collect::<Vec<_>>(), streams.repeat(3));
}

async fn latest_sees_what_was_acknowledged(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let writers = (0..16).map(|number| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut last = Position::START;
            for turn in 0..20 {
                last = appended(&*log, patient(number), last, event(number, turn)).await;
                let events = log.read_stream(patient(number), Position::START, Freshness::Latest).await.unwrap();
                assert_eq!(events.last().map(|event| event.position), Some(last), "turn {turn}");
                assert!(log.head().await.unwrap() >= last);
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
}

async fn a_long_stream_is_read_whole(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut last = Position::START;
    for number in 0..1300 {
        last = appended(&*log, patient(1), last, event(0, number)).await;
    }
    let expected: Vec<Uuid> = (0..1300).map(|number| event(0, number).id).collect();
    let events = log.read_stream(patient(1), Position::START, Freshness::Latest).await.unwrap();
    assert_eq!(ids(&events), expected);
    let lagging = log.read_stream(patient(1), Position::START, Freshness::Any).await.unwrap();
    assert_eq!(lagging, events[..lagging.len()], "what lags is a beginning of what is there");
}

async fn a_reader_goes_on_from_any_position(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut after = Position::START;
    for number in 0..50 {
        after = appended(&*log, patient(1), after, event(0, number)).await;
    }
    let all = collect(&mut *log.follow("whole", Position::START).await.unwrap(), 7, 50).await;
    for from in [0, 1, 24, 48] {
        let rest = collect(&mut *log.follow("resumed", all[from].position).await.unwrap(), 10, 49 - from).await;
        assert_eq!(rest, all[from + 1..]);
    }
    // And so does one whom the log does not know.
    let mut read: Vec<Stored> = Vec::new();
    while read.len() < 50 {
        let more = log.read_all(read.last().map_or(Position::START, |event| event.position), 7).await.unwrap();
        // It may lag, but not for ever.
        assert!(more.len() <= 7, "{} events of at most 7", more.len());
        read.extend(more);
    }
    assert_eq!(read, all);
    assert_eq!(log.read_all(all[49].position, 7).await.unwrap(), []);
    let mut at_end = log.follow("resumed", all[49].position).await.unwrap();
    let batch = at_end.next(10, Duration::ZERO).await.unwrap();
    assert!(batch.events.is_empty() && batch.head == all[49].position, "{batch:?}");
}

async fn a_waiting_reader_is_woken(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut follow = log.follow("waiting", Position::START).await.unwrap();
    let mut last = Position::START;
    for number in 0..5 {
        let (woken, position) = tokio::join!(follow.next(10, PATIENCE), appended(&*log, patient(1), last, event(0, number)));
        let mut events = woken.unwrap().events;
        if events.is_empty() {
            events = follow.next(10, PATIENCE).await.unwrap().events;
        }
        assert_eq!(ids(&events), [event(0, number).id]);
        last = position;
    }
}

async fn a_reader_that_was_given_up_goes_on(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut follow = log.follow("given-up", Position::START).await.unwrap();
    let mut last = Position::START;
    let mut came = Vec::new();
    for number in 0..40 {
        last = appended(&*log, patient(1), last, event(0, number)).await;
        // Given up after it was polled a few times, wherever it was then.
        let next = follow.next(3, PATIENCE);
        tokio::pin!(next);
        for _ in 0..number % 4 {
            if let Some(batch) = futures::FutureExt::now_or_never(&mut next) {
                came.extend(batch.unwrap().events);
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let rest = 40 - came.len();
    came.extend(collect(&mut *follow, 3, rest).await);
    assert_eq!(ids(&came), (0..40).map(|number| event(0, number).id).collect::<Vec<_>>());
}

async fn readers_do_not_disturb_each_other(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut last = Position::START;
    for number in 0..20 {
        last = appended(&*log, patient(1), last, event(0, number)).await;
    }
    let mut first = log.follow("reader-one", Position::START).await.unwrap();
    let mut second = log.follow("reader-two", Position::START).await.unwrap();
    let begun = first.next(5, PATIENCE).await.unwrap().events;
    let other = collect(&mut *second, 3, 20).await;
    let rest = collect(&mut *first, 50, 20 - begun.len()).await;
    assert_eq!([begun, rest].concat(), other);
}

async fn a_reader_takes_over_from_its_former_self(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let mut last = Position::START;
    for number in 0..20 {
        last = appended(&*log, patient(1), last, event(0, number)).await;
    }
    let mut former = log.follow("reader", Position::START).await.unwrap();
    let begun = collect(&mut *former, 5, 5).await;
    // The former one is still there, as after a pause in which everybody took it for dead.
    let mut now = log.follow("reader", begun[4].position).await.unwrap();
    let rest = collect(&mut *now, 4, 15).await;
    assert_eq!(ids(&rest), (5..20).map(|number| event(0, number).id).collect::<Vec<_>>());
    appended(&*log, patient(1), last, event(0, 20)).await;
    assert_eq!(ids(&collect(&mut *now, 4, 1).await), [event(0, 20).id]);
    // It may be refused, but what it gets is right.
    match former.next(100, Duration::ZERO).await {
        Ok(batch) => {
            assert_eq!(ids(&batch.events), (5..21).map(|number| event(0, number).id).take(batch.events.len()).collect::<Vec<_>>())
        }
        Err(error) => assert!(matches!(error, LogError::Unavailable(_)), "{error}"),
    }
}

async fn a_position_of_another_log_is_refused(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let last = appended(&*log, patient(1), Position::START, event(0, 0)).await;
    let behind = Position::from_stored(last.to_stored() + 1);
    assert!(matches!(log.follow("lost", behind).await.err(), Some(LogError::Misfit(_))));
    for name in ["", "two words", "dot.ted", "*"] {
        assert!(matches!(log.follow(name, Position::START).await.err(), Some(LogError::Misfit(_))), "{name:?}");
    }
}

/// 64 writers on 16 streams, so that they conflict; readers with several batch sizes while they write, and afterwards from cold.
async fn readers_see_everything_once_while_many_write(candidate: &dyn Candidate) {
    const WRITERS: u64 = 64;
    const EACH: u64 = 10;
    const STREAMS: u64 = 16;
    const TOTAL: usize = (WRITERS * EACH) as usize;
    let log = candidate.empty().await;
    let live = [1, 7, 1000].map(|max| {
        let log = log.clone();
        tokio::spawn(async move {
            let mut follow = log.follow(&format!("live-{max}"), Position::START).await.unwrap();
            collect(&mut *follow, max, TOTAL).await
        })
    });
    let writers = (0..WRITERS).map(|writer| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0..EACH {
                contend(&*log, patient((writer + number) % STREAMS), event(writer, number), Outages::None).await;
            }
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let mut seen: Vec<Vec<Stored>> = join_all(live).await.into_iter().map(Result::unwrap).collect();
    for max in [3, 64, 5000] {
        seen.push(collect(&mut *log.follow(&format!("cold-{max}"), Position::START).await.unwrap(), max, TOTAL).await);
    }
    let mut counts: HashMap<StreamId, usize> = HashMap::new();
    for event in &seen[0] {
        *counts.entry(event.stream).or_default() += 1;
    }
    for number in 0..STREAMS {
        assert_eq!(counts[&patient(number)], TOTAL / STREAMS as usize, "events of stream {number}");
        let expected: Vec<Stored> = seen[0].iter().filter(|event| event.stream == patient(number)).cloned().collect();
        assert_eq!(log.read_stream(patient(number), Position::START, Freshness::Latest).await.unwrap(), expected);
    }
    let mut once = ids(&seen[0]);
    once.sort();
    let mut all: Vec<Uuid> = (0..WRITERS).flat_map(|writer| (0..EACH).map(move |number| event(writer, number).id)).collect();
    all.sort();
    assert!(once == all, "not every event is there exactly once");
    for other in &seen[1..] {
        assert!(*other == seen[0], "two readers saw different logs");
    }
}

async fn what_was_acknowledged_outlives_a_crash(candidate: &dyn Candidate) {
    let log = candidate.empty().await;
    let writers = (0..32).map(|number| {
        let log = log.clone();
        tokio::spawn(async move {
            let first = appended(&*log, patient(number), Position::START, event(number, 0)).await;
            [first, appended(&*log, patient(number), first, event(number, 1)).await]
        })
    });
    let positions: Vec<[Position; 2]> = join_all(writers).await.into_iter().map(Result::unwrap).collect();
    let begun = collect(&mut *log.follow("survivor", Position::START).await.unwrap(), 10, 64).await;
    let Some(log) = candidate.reopen(log).await else { return };
    for (number, expected) in (0..).zip(&positions) {
        let events = log.read_stream(patient(number), Position::START, Freshness::Latest).await.unwrap();
        assert_eq!(events.iter().map(|event| event.position).collect::<Vec<_>>(), expected);
        assert_eq!(log.append(patient(number), Position::START, event(number, 9)).await.unwrap(), Append::Conflict);
        let third = appended(&*log, patient(number), expected[1], event(number, 2)).await;
        assert!(third > begun[63].position);
    }
    let more = collect(&mut *log.follow("survivor", begun[63].position).await.unwrap(), 10, 32).await;
    assert!(more.iter().all(|stored| (0..32).any(|number| stored.id == event(number, 2).id)));
    assert_eq!(collect(&mut *log.follow("afresh", Position::START).await.unwrap(), 1000, 96).await, [begun, more].concat());
}
