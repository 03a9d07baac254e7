//! What the files hold after an erasure.

use std::collections::BTreeSet;

use tact_database::{Db, one, run};
use tact_personal::erasure::Found;
use tact_personal::{Details, ExternalId, Link, NewPerson, Personal, Put};
use uuid::Uuid;

use crate::projector::{Engine, WAIT};

/// Numbers that look like chance and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 16
    }

    fn below(&mut self, most: u64) -> usize {
        usize::try_from(self.next() % most).unwrap()
    }

    fn id(&mut self) -> Uuid {
        Uuid::from_u64_pair(self.next() << 20 | self.next() >> 20, self.next() << 20 | self.next() >> 20)
    }
}

/// Everything of person `n` holds this, and nothing of anybody else.
fn mark(n: usize) -> String {
    format!("mark{n:06}end")
}

fn details(numbers: &mut Numbers, n: usize, longest: u64) -> Details {
    let mut text = |what: &str| Some(format!("{what}{}{}", mark(n), "x".repeat(numbers.below(longest))));
    Details { name: text("name-"), phone: None, email: text("mail-"), address: text("street-"), birth_date: None }
}

/// The marks of those numbers that stand in the files.
fn left(folder: &std::path::Path, of: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut left = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for at in bytes.windows(4).enumerate().filter(|(_, window)| *window == b"mark").map(|(at, _)| at) {
            let number = bytes.get(at + 4..at + 10).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
            left.extend(number.filter(|number| of.contains(number)));
        }
    }
    left
}

/// Rows that grow and pages that split leave copies behind where SQLite overwrites nothing: seen with this very population when the file is
/// not written anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_of_the_erased_stays_in_the_files_of_a_store_that_was_lived_in() {
    const PEOPLE: usize = 3000;
    let engine = Engine::sqlite();
    let tact_database::Target::Sqlite(folder) = engine.target.clone() else { unreachable!("it is SQLite") };
    let store = Personal::open(&engine.target, WAIT).await.unwrap();
    let mut numbers = Numbers(7);
    let ids: Vec<Uuid> = (0..PEOPLE).map(|_| numbers.id()).collect();
    for chunk in (0..PEOPLE).collect::<Vec<_>>().chunks(25) {
        let (mut people, mut links) = (Vec::new(), Vec::new());
        for &n in chunk {
            people.push(NewPerson { patient: ids[n], command: n as u64, details: details(&mut numbers, n, 60) });
            let value = format!("{:08x}{}", numbers.next(), mark(n));
            links.push(ExternalId { system: "crm".to_owned(), value, patient: ids[n] });
        }
        store.register_new(&people, links).await.unwrap();
    }
    for _ in 0..3000 {
        let n = numbers.below(PEOPLE as u64);
        let longest = [40, 100, 200, 500][numbers.below(4)];
        assert!(store.change(ids[n], details(&mut numbers, n, longest)).await.unwrap());
        if numbers.below(20) == 0 {
            let words = format!("note-{}{}", mark(n), "z".repeat(numbers.below(5000)));
            assert_eq!(store.put_note(numbers.id(), ids[n], &words).await.unwrap(), Put::Done);
        }
    }
    let gone: BTreeSet<usize> = (0..PEOPLE).filter(|n| n % 4 == 1).collect();
    assert_eq!(left(&folder, &gone).len(), gone.len(), "this test can see what it looks for");
    let erasures: Vec<_> = gone.iter().map(|&n| (Uuid::from_u128(n as u128 + 1), ids[n], vec![ids[n]])).collect();
    assert_eq!(store.repeat(&erasures, 77, "2026-03-02T09:00:00Z".parse().unwrap()).await.unwrap(), gone.len());
    assert_eq!(left(&folder, &gone), BTreeSet::new(), "bytes of those who were erased");
    let kept: BTreeSet<usize> = (0..PEOPLE).filter(|n| n % 4 != 1).collect();
    assert_eq!(left(&folder, &kept).len(), kept.len(), "nobody else has lost anything");
    assert_eq!(store.erased_upto().await.unwrap(), 77);
    assert!(!store.is_unclean().await.unwrap());
    assert_eq!(
        store.repeat(&erasures, 78, "2026-03-03T09:00:00Z".parse().unwrap()).await.unwrap(),
        0,
        "a second time there is nothing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_holds_on_to_what_was_deleted_is_waited_for_and_said() {
    let engine = Engine::sqlite();
    let tact_database::Target::Sqlite(folder) = engine.target.clone() else { unreachable!("it is SQLite") };
    let store = Personal::open(&engine.target, WAIT).await.unwrap();
    let details = Details { name: Some("mark000001end".to_owned()), ..Details::default() };
    assert_eq!(store.register(&NewPerson { patient: Uuid::from_u128(1), command: 1, details }).await.unwrap(), Put::Done);
    let reader = rusqlite::Connection::open(folder.join("personal.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM people").unwrap();
    let now = "2026-03-02T09:00:00Z".parse().unwrap();
    let event = Uuid::from_u128(9);
    let held = store.carry_out(event, Uuid::from_u128(1), &[Uuid::from_u128(1)], now).await;
    assert!(matches!(held, Err(tact_database::DbError::Busy(_))), "{held:?}");
    assert!(store.is_unclean().await.unwrap(), "it is known that bytes are left");
    reader.execute_batch("ROLLBACK").unwrap();
    let done = store.carry_out(event, Uuid::from_u128(1), &[Uuid::from_u128(1)], now).await.unwrap();
    assert_eq!(done.found, Found { names: 1, ..Found::default() }, "counted once");
    assert!(!store.is_unclean().await.unwrap());
    assert_eq!(left(&folder, &BTreeSet::from([1])), BTreeSet::new());
}

/// What docs/OPERATIONS.md says of PostgreSQL: the rows are gone, a full vacuum leaves no byte in the table's file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_a_full_vacuum_leaves_nothing_in_the_tables_files() {
    let engine = Engine::postgres().await;
    let store = Personal::open(&engine.target, WAIT).await.unwrap();
    let patient = Uuid::from_u128(1);
    let details = Details { name: Some("mark000001end".to_owned()), ..Details::default() };
    assert_eq!(store.register(&NewPerson { patient, command: 1, details }).await.unwrap(), Put::Done);
    assert_eq!(store.put_note(Uuid::from_u128(2), patient, "mark000001end").await.unwrap(), Put::Done);
    assert_eq!(store.link("crm", "mark000001end", patient).await.unwrap(), Link::Done);
    let done = store.carry_out(Uuid::from_u128(9), patient, &[patient], "2026-03-02T09:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(done.found, Found { names: 1, texts: 1, external_ids: 1, ..Found::default() });
    let db: &Db = store.db();
    let in_files = async || {
        run!(db, "CHECKPOINT").unwrap();
        let mut found = Vec::new();
        for table in ["people", "notes", "external_ids", "external_ids_pkey"] {
            let held: Option<(bool,)> = one!(
                db,
                "SELECT position('mark000001end'::bytea in pg_read_binary_file(pg_relation_filepath(('personal.' || $1)::regclass))) > 0",
                table
            )
            .unwrap();
            found.extend(held.filter(|(held,)| *held).map(|_| table));
        }
        found
    };
    assert_eq!(in_files().await.len(), 4, "until then the bytes are there, as the documents say");
    for table in ["VACUUM FULL people", "VACUUM FULL notes", "VACUUM FULL external_ids"] {
        run!(db, table).unwrap();
    }
    assert_eq!(in_files().await, Vec::<&str>::new());
}

/// A text that is written while its patient is erased is refused or erased, and never outlives them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_written_while_somebody_is_erased_does_not_outlive_them() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap();
        for round in 0..30_u128 {
            let patient = Uuid::from_u128(1000 + round);
            let details = Details { name: Some("somebody".to_owned()), ..Details::default() };
            let new = NewPerson { patient, command: 1, details };
            assert_eq!(store.register(&new).await.unwrap(), Put::Done);
            let writing: Vec<_> = (0..6_u128)
                .map(|n| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        let id = Uuid::from_u128(round << 64 | n);
                        let note = store.put_note(id, patient, "words").await.unwrap();
                        let link = store.link("crm", &format!("{round}-{n}"), patient).await.unwrap();
                        (note, link)
                    })
                })
                .collect();
            let now = "2026-03-02T09:00:00Z".parse().unwrap();
            // As the service and the reactor do, at the same time.
            let (event, ids) = (Uuid::from_u128(5000 + round), [patient]);
            store.order_erasure(event, patient, "unlawful").await.unwrap();
            let (one, other) =
                tokio::join!(store.carry_out(event, patient, &ids, now), store.carry_out(event, patient, &ids, now));
            assert!(one.is_ok() && other.is_ok(), "{}: {one:?} {other:?}", engine.name);
            let (mut notes, mut links) = (0, 0);
            for written in writing {
                let (note, link) = written.await.unwrap();
                notes += u64::from(note == Put::Done);
                links += u64::from(link == Link::Done);
            }
            let found = Found { names: 1, texts: notes, external_ids: links, ..Found::default() };
            for erased in [one.unwrap(), other.unwrap()] {
                assert_eq!(erased.found, found, "{}: whatever was taken, was erased, and counted once", engine.name);
            }
            assert_eq!(store.notes(patient).await.unwrap(), [], "{}", engine.name);
            assert_eq!(store.external_ids(patient).await.unwrap(), [], "{}", engine.name);
        }
    }
}
