//! What the projector makes of particular streams: unreadable events, policies that come into force, branches that change their time zone.

use chrono::Duration as Span;
use tact_domain::patient::Event;
use tact_domain::patient::events::*;
use tact_domain::*;
use tact_event_log::MemoryLog;
use tact_read_models::{due, quotas, referrers, set_aside};

use super::book::{envelope, patient, registered, start};
use super::*;

fn north() -> Branch {
    "north".parse().unwrap()
}

fn booked(appointment: u128, starts_at: Time) -> Event {
    let kind = AppointmentKind::Consultation;
    Event::Booked(Booked { appointment: Uuid::from_u128(appointment), branch: north(), kind, starts_at, clinician: None })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_cannot_be_read_sets_its_patient_aside_and_nobody_else() {
    let book = opened().await;
    let (bad, good) = (patient(1), patient(2));
    let at = |hours| start() + Span::hours(hours);
    for id in [bad, good] {
        book.append(StreamId::Patient(id), at(0), at(0), &registered(north(), "Europe/Moscow")).await;
        book.append(StreamId::Patient(id), at(1), at(1), &booked(7, at(100))).await;
    }
    // A later version's type, bytes that are no message, and an event whose hash of the one before is wrong: each on a patient of its own.
    let newer = br#"{"specversion":"1.0","id":"0190c2a4-0000-7000-8000-000000000001","type":"patient.teleported"}"#.to_vec();
    let broken_at = book.append_raw(StreamId::Patient(bad), Uuid::from_u128(1), newer).await;
    let garbage = patient(3);
    book.append_raw(StreamId::Patient(garbage), Uuid::from_u128(2), vec![0xff, 0x00, b'x']).await;
    let unchained = patient(4);
    let stream = StreamId::Patient(unchained);
    let wrong = envelope(stream, at(2), at(2), 1, [9; 32], Uuid::from_u128(3)).write(&registered(north(), "Europe/Moscow"));
    book.append_raw(stream, Uuid::from_u128(3), wrong).await;
    // What comes behind is kept, and concluded from only for those who are not set aside.
    for id in [bad, good] {
        book.append(StreamId::Patient(id), at(3), at(3), &booked(8, at(200))).await;
    }
    let mut seen = Vec::new();
    for (engine, batch) in
        [(Engine::sqlite(), 1), (Engine::sqlite(), 100), (Engine::postgres().await, 2), (Engine::postgres().await, 100)]
    {
        let read = engine.open().await;
        let projector = projector(&book, &read, batch);
        projector.catch_up().await.unwrap();
        let db = read.db();
        let aside = set_aside::list(&db).await.unwrap();
        let streams: Vec<_> = aside.iter().map(|row| (row.stream.clone(), row.sequence)).collect();
        assert_eq!(streams, [(bad.to_string(), 3), (garbage.to_string(), 1), (unchained.to_string(), 1)], "{}", engine.name);
        assert_eq!(aside[0].position, stored(broken_at));
        assert_eq!(aside[0].since, Some(at(1)));
        assert!(aside[2].reason.contains("chain"), "{}", aside[2].reason);
        assert_eq!(due::of_patient(&db, bad).await.unwrap(), []);
        assert_eq!(due::of_patient(&db, good).await.unwrap().len(), 2);
        let kept = history::page(&db, bad, 0, 10).await.unwrap();
        assert_eq!(
            kept.iter().map(|h| (h.sequence, h.kind.is_some())).collect::<Vec<_>>(),
            [(1, true), (2, true), (3, false), (4, true)]
        );
        assert!(kept[2].body.contains("teleported"));
        assert_eq!(history::page(&db, garbage, 0, 10).await.unwrap()[0].body, "\u{fffd}\u{fffd}x");
        let live = tables(&read).await;
        projector.rebuild(|_| ()).await.unwrap();
        assert_same("rebuilt", &tables(&read).await, &live);
        seen.push(live);
    }
    for other in &seen[1..] {
        assert_same("another engine or batch", other, &seen[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_another_policy_comes_into_force_everything_due_is_computed_anew_even_while_idle() {
    let book = opened().await;
    let last = write(&book, 4, 1300, 500).await;
    let effect = start() + Span::days(500);
    let stricter = policy::DEFAULT.replace("\"6 months after\", until = \"12 months", "\"8 months after\", until = \"12 months");
    assert_ne!(stricter, policy::DEFAULT);
    book.publish("2", &stricter, start() + Span::days(450), effect).await;
    for engine in Engine::both().await {
        let hands = Hands::at(late());
        let read = engine.open().await;
        let projector = Projector::new(book.log.clone(), read.clone(), hands.now(), settings(300));
        let running = tokio::spawn(async move { projector.run(std::future::pending()).await });
        read.wait_for(last, WAIT).await.unwrap();
        until("the first policy is applied", async || read.checkpoint().await.unwrap().policy.as_deref() == Some("1")).await;
        let before = tables(&read).await;
        let of = |tables: &Tables, policy: &str| {
            let wanted = format!("\"policy\":\"{policy}\"");
            tables
                .iter()
                .find(|(name, _)| *name == "due")
                .map_or(0, |(_, rows)| rows.iter().filter(|r| r.contains(&wanted)).count())
        };
        assert!(of(&before, "1") > 100 && of(&before, "2") == 0, "{}", engine.name);
        hands.set(effect);
        until("the second policy is applied", async || read.checkpoint().await.unwrap().policy.as_deref() == Some("2")).await;
        running.abort();
        let after = tables(&read).await;
        assert_eq!((of(&after, "1"), of(&after, "2")), (0, of(&before, "1")), "{}", engine.name);
        let due = |tables: &Tables| {
            let (_, rows) = tables.iter().find(|(name, _)| *name == "due").unwrap();
            rows.iter().map(|row| row.replace("\"policy\":\"1\"", "\"policy\":\"2\"")).collect::<Vec<_>>()
        };
        assert_ne!(due(&after), due(&before), "{}: the windows are the new policy's", engine.name);
        let cold = Engine::sqlite();
        let fresh = cold.open().await;
        Projector::new(book.log.clone(), fresh.clone(), hands.now(), settings(800)).catch_up().await.unwrap();
        assert_same(engine.name, &after, &tables(&fresh).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_do_not_depend_on_where_a_batch_ended_when_a_branch_changes_its_time_zone() {
    let book = Book::new(Arc::new(MemoryLog::new()));
    book.publish("1", policy::DEFAULT, start() - Span::days(2), start() - Span::days(1)).await;
    let unknown = patient(1);
    let completed = AppointmentRef { appointment: Uuid::from_u128(9) };
    book.append(StreamId::Patient(unknown), start(), start(), &registered(north(), "Nowhere/Land")).await;
    book.append(StreamId::Patient(unknown), start(), start(), &booked(9, start() + Span::days(1))).await;
    // A month later by the local calendar: on the 31st it matters where "local" is.
    let visit: Time = "2026-08-31T22:00:00Z".parse().unwrap();
    book.append(StreamId::Patient(unknown), visit, visit, &Event::Completed(completed)).await;
    book.list(north(), "Asia/Yekaterinburg", visit).await;
    let mut seen = Vec::new();
    for (engine, batch) in
        [(Engine::sqlite(), 1), (Engine::sqlite(), 100), (Engine::postgres().await, 1), (Engine::postgres().await, 100)]
    {
        let read = engine.open().await;
        projector(&book, &read, batch).catch_up().await.unwrap();
        let due = due::of_patient(&read.db(), unknown).await.unwrap();
        let local = due[0].due_from.with_timezone(&chrono_tz::Asia::Yekaterinburg);
        assert_eq!(local.to_string(), "2027-03-01 03:00:00 +05", "{}", engine.name);
        seen.push(tables(&read).await);
    }
    for other in &seen[1..] {
        assert_same("another engine or batch", other, &seen[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_before_the_first_policy_are_no_breaches_and_quotas_say_when_room_comes_back() {
    let book = opened().await;
    let id = patient(5);
    let stream = StreamId::Patient(id);
    let before = start() - Span::days(30);
    let made = |contact: u128, purpose: &str| {
        Event::Made(Made {
            contact: Uuid::from_u128(contact),
            direction: Direction::Outbound,
            purpose: purpose.parse().unwrap(),
            channel: Channel::Phone,
            branch: north(),
            outcome: Outcome::Reached,
            permit: None,
            about: None,
            note: None,
        })
    };
    book.append(stream, before, before, &registered(north(), "Europe/Moscow")).await;
    book.append(stream, before, start(), &made(1, "promotion")).await;
    let window = Window { from: start(), until: start() + Span::hours(3) };
    let told = Event::Announced(Announced { purpose: "promotion".parse().unwrap(), window, about: None });
    book.append(stream, start(), start(), &told).await;
    let called = start() + Span::hours(1);
    book.append(stream, called, called, &made(2, "promotion")).await;
    book.append(stream, called, called, &Event::Credited(Credited { recommended: patient(6) })).await;
    for engine in Engine::both().await {
        let read = engine.open().await;
        projector(&book, &read, 100).catch_up().await.unwrap();
        let db = read.db();
        let flags: Vec<_> =
            contacts::of_patient(&db, id).await.unwrap().iter().map(|c| (c.before_tact, c.breach, c.announced)).collect();
        assert_eq!(flags, [(true, false, false), (false, true, true)], "{}", engine.name);
        let breaches = contacts::breaches(&db, &north(), before, called + Span::hours(1), 0, 10).await.unwrap();
        assert_eq!(breaches.iter().map(|c| c.contact).collect::<Vec<_>>(), [Uuid::from_u128(2)], "{}", engine.name);
        let promotion = "promotion".parse().unwrap();
        let ask = async |overall, now| {
            let rows = quotas::exhausted(&db, &north(), &promotion, overall, now, Uuid::nil(), 10).await.unwrap();
            rows.into_iter().map(|q| (q.words, q.room_at)).collect::<Vec<_>>()
        };
        let (day, month) = (called + Span::hours(24), called + Span::days(30));
        assert_eq!(ask(false, called).await, [("1 attempt per 30 days".to_owned(), Some(month))], "{}", engine.name);
        let both = ask(true, called).await;
        assert!(
            both.contains(&("1 attempt per 24 hours by phone".to_owned(), Some(day))) && both.len() == 2,
            "{}: {both:?}",
            engine.name
        );
        assert_eq!(ask(true, day).await.len(), 1, "{}", engine.name);
        assert_eq!(ask(true, month).await, [], "{}", engine.name);
        let referrer = referrers::get(&db, id).await.unwrap().unwrap();
        assert_eq!((referrer.recommended, referrer.ask_from), (1, Some(called + Span::days(14))), "{}", engine.name);
        assert_eq!(
            referrers::to_ask(&db, &north(), called + Span::days(15), Uuid::nil(), 9).await.unwrap(),
            [referrer],
            "{}",
            engine.name
        );
        assert_eq!(referrers::to_ask(&db, &north(), called, Uuid::nil(), 9).await.unwrap(), [], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fact_recorded_twice_under_one_id_stops_nobody() {
    let book = opened().await;
    let stream = StreamId::Patient(patient(8));
    book.append(stream, start(), start(), &registered(north(), "Europe/Moscow")).await;
    let later = start() + Span::days(9);
    for _ in 0..2 {
        book.append(stream, start(), start(), &booked(3, later)).await;
    }
    let moved =
        Rescheduled { appointment: Uuid::from_u128(3), starts_at: later, by: ChangedBy::Clinic, branch: None, clinician: None };
    book.append(stream, start(), start(), &Event::Rescheduled(moved)).await;
    for engine in Engine::both().await {
        let read = engine.open().await;
        projector(&book, &read, 2).catch_up().await.unwrap();
        assert_eq!(due::of_patient(&read.db(), patient(8)).await.unwrap().len(), 1, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worklist_pages_by_key_and_filters_by_purpose() {
    let book = opened().await;
    write(&book, 4, 200, 300).await;
    let mut pages = Vec::new();
    for engine in Engine::both().await {
        let read = engine.open().await;
        projector(&book, &read, 500).catch_up().await.unwrap();
        let db = read.db();
        let mut found = Vec::new();
        for days in [1, 20, 40, 60, 90] {
            for purpose in [None, Some("appointment_reminder".parse().unwrap()), Some("callback".parse().unwrap())] {
                let now = start() + Span::days(days);
                let branch = north();
                let mut page =
                    due::Page { branch: &branch, now, purpose: purpose.as_ref(), after: due::Cursor::start(), limit: 7 };
                let mut rows: Vec<due::DueRow> = Vec::new();
                loop {
                    let next = due::worklist(&db, &page).await.unwrap();
                    let Some(last) = next.last() else { break };
                    page.after = last.cursor();
                    rows.extend(next);
                }
                let whole = due::Page { after: due::Cursor::start(), limit: 100_000, ..page };
                assert_eq!(rows, due::worklist(&db, &whole).await.unwrap(), "{}", engine.name);
                let holds = |r: &due::DueRow| {
                    r.branch == "north"
                        && r.due_from <= now
                        && r.due_until.is_none_or(|until| now < until)
                        && purpose.as_ref().is_none_or(|p: &Purpose| p.as_str() == r.purpose)
                };
                let all: Vec<due::DueRow> = tact_database::bulk::dump(&db).await.unwrap();
                assert_eq!(rows.len(), all.iter().filter(|r| holds(r)).count(), "{}", engine.name);
                assert!(rows.iter().all(holds), "{}", engine.name);
                found.extend(rows);
            }
        }
        assert!(found.len() > 20, "{}: {}", engine.name, found.len());
        pages.push(found);
    }
    assert_eq!(pages[0], pages[1]);
}
