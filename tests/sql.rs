//! The databases themselves: every SQL text is one that both engines take, and tables are made once and never by an older version.

use std::time::Duration;

use tact_database::{Component, Db, DbError, Target, bulk, one, run};
use tact_ledger::{Ledger, store};
use tact_personal::{Personal, access, erasure, likeness, number};
use tact_read_models::{ReadDb, statements};

use crate::projector::{Engine, WAIT};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_is_one_that_both_engines_take() {
    for engine in Engine::both().await {
        let read = ReadDb::open(&engine.target, WAIT).await.unwrap();
        let personal = Personal::open(&engine.target, WAIT).await.unwrap();
        let dispatches = tact_dispatcher::store::Store::open(&engine.target, WAIT).await.unwrap();
        let of_dispatcher: Vec<String> = tact_dispatcher::store::SQL.iter().map(|sql| (*sql).to_owned()).collect();
        let of_read = statements(&read.db());
        let of_personal: Vec<String> = tact_personal::SQL
            .iter()
            .chain(access::SQL)
            .chain(erasure::SQL)
            .chain(number::SQL)
            .chain(tact_personal::calls::SQL)
            .chain(likeness::SQL)
            .chain(tact_personal::words::SQL)
            .chain(tact_personal::clinicians::SQL)
            .chain(tact_personal::looks::SQL)
            .chain(tact_personal::sign_in::SQL)
            .map(|sql| (*sql).to_owned())
            .chain(bulk::statements::<tact_personal::sign_in::Named>(personal.db(), "actor"))
            .collect();
        assert!(of_read.len() > 80 && of_personal.len() > 20, "{} and {}", of_read.len(), of_personal.len());
        let ledger = Ledger::open(&engine.target, "net", WAIT).await.unwrap();
        let of_ledger = store::SQL.iter().map(|sql| (*sql).to_owned()).chain(store::statements(ledger.db())).collect();
        let texts: [(_, Vec<String>); 4] = [
            (read.db(), of_read),
            (personal.db().clone(), of_personal),
            (ledger.db().clone(), of_ledger),
            (dispatches.db().clone(), of_dispatcher),
        ];
        for (db, texts) in texts {
            for sql in texts {
                db.prepare(&sql).await.unwrap_or_else(|error| panic!("{}: {error}\n{sql}", engine.name));
            }
        }
        let error = read.db().prepare("SELECT position FROM nowhere").await.unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{}: {error}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_that_start_together_make_the_tables_once() {
    for engine in Engine::both().await {
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let target = engine.target.clone();
                tokio::spawn(async move {
                    let read = ReadDb::open(&target, WAIT).await?;
                    Personal::open(&target, WAIT).await?;
                    read.checkpoint().await
                })
            })
            .collect();
        for opened in opening {
            assert_eq!(opened.await.unwrap().unwrap().position, 0, "{}", engine.name);
        }
        let read = ReadDb::open(&engine.target, WAIT).await.unwrap();
        assert_eq!(read.checkpoint().await.unwrap().generation, 1, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_a_newer_version_are_left_alone() {
    for engine in Engine::both().await {
        let read = ReadDb::open(&engine.target, WAIT).await.unwrap();
        match &read.db() {
            db @ Db::Pg(_) => run!(db, "INSERT INTO schema_version (version) VALUES (99)").unwrap(),
            db @ Db::Sqlite(_) => run!(db, "PRAGMA user_version = 99").unwrap(),
        };
        let error = ReadDb::open(&engine.target, WAIT).await.unwrap_err();
        assert!(matches!(error, DbError::Newer { component: "read", found: 99, known: 3 }), "{}: {error}", engine.name);
        let said = error.to_string();
        assert!(said.contains("`read`") && said.contains("99") && said.contains("newer version"), "{said}");
    }
}

/// The read models as they were before months were counted.
static BEFORE_MONTHS: Component = Component {
    name: "read",
    postgres: &[
        include_str!("../migrations/postgres/read/0001_tables.sql"),
        include_str!("../migrations/postgres/read/0002_contacts_by_branch.sql"),
    ],
    sqlite: &[
        include_str!("../migrations/sqlite/read/0001_tables.sql"),
        include_str!("../migrations/sqlite/read/0002_contacts_by_branch.sql"),
    ],
    durable: false,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_models_of_before_are_emptied_and_begin_at_the_log_s_beginning() {
    for engine in Engine::both().await {
        let old = engine.target.open(&BEFORE_MONTHS, WAIT).await.unwrap();
        run!(&old, "UPDATE checkpoint SET position = 7, policy = 'default'").unwrap();
        run!(
            &old,
            "INSERT INTO permit_counts (branch, month, purpose, granted, refused) VALUES ('north', '2026-03', 'callback', 1, 0)"
        )
        .unwrap();
        let read = ReadDb::open(&engine.target, WAIT).await.unwrap();
        let checkpoint = read.checkpoint().await.unwrap();
        assert_eq!((checkpoint.position, checkpoint.policy, checkpoint.generation), (0, None, 1), "{}", engine.name);
        let left: Vec<_> =
            tact_read_models::dump(&read.db()).await.unwrap().into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
        assert!(left.is_empty(), "{}: rows that were left would be counted twice: {left:?}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_on_sqlite_that_reads_first_never_fails_for_another() {
    for engine in Engine::both().await {
        let read = ReadDb::open(&engine.target, WAIT).await.unwrap();
        let adding: Vec<_> = (0..4)
            .map(|_| {
                let db = read.db();
                tokio::spawn(async move {
                    for _ in 0..50 {
                        let mut tx = db.begin().await?;
                        tx.alone("test").await?;
                        let (at,): (i64,) =
                            tact_database::one_in!(&mut tx, "SELECT position FROM checkpoint")?.unwrap_or_default();
                        tact_database::run_in!(&mut tx, "UPDATE checkpoint SET position = $1", at + 1)?;
                        tx.commit().await?;
                    }
                    Ok::<_, DbError>(())
                })
            })
            .collect();
        for added in adding {
            added.await.unwrap().unwrap();
        }
        let counted: Option<(i64,)> = one!(&read.db(), "SELECT position FROM checkpoint").unwrap();
        assert_eq!(counted, Some((200,)), "{}", engine.name);
    }
}

#[test]
fn an_address_that_cannot_be_read_is_not_repeated() {
    for bad in ["mysql://user:secret@host/db", "postgres://user:secret@host:notaport/db", "secret"] {
        let error = bad.parse::<Target>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let good: Target = "postgres://user:secret@db.example:5433/tact".parse().unwrap();
    assert_eq!(good.to_string(), "postgres://db.example:5433/tact");
    assert_eq!(format!("{good:?}"), "postgres://db.example:5433/tact");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = ReadDb::open(&Target::sqlite(file.join("below")), Duration::from_secs(1)).await.unwrap_err();
    assert!(matches!(&error, DbError::File { .. }) && error.to_string().contains("file/below"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_writes_take_any_number_of_rows_and_keep_times_to_the_millisecond() {
    use tact_read_models::forgetting::{self, ForgettingRow};
    for engine in Engine::both().await {
        let read = ReadDb::open(&engine.target, WAIT).await.unwrap();
        let db = read.db();
        let at: tact_read_models::Time = "2026-03-01T10:00:00.123456789Z".parse().unwrap();
        let row = |n: u128| ForgettingRow { patient: uuid::Uuid::from_u128(n), forget_at: at };
        let mut tx = db.begin().await.unwrap();
        bulk::write(&mut tx, (0..1003).map(row).collect(), bulk::OnConflict::Fail).await.unwrap();
        bulk::write(&mut tx, (1000..1040).map(row).collect(), bulk::OnConflict::Replace).await.unwrap();
        bulk::write(&mut tx, Vec::<ForgettingRow>::new(), bulk::OnConflict::Fail).await.unwrap();
        let gone: Vec<_> = (0..37).map(uuid::Uuid::from_u128).collect();
        bulk::delete::<ForgettingRow>(&mut tx, "patient", &gone).await.unwrap();
        tx.commit().await.unwrap();
        let rows: Vec<ForgettingRow> = bulk::dump(&db).await.unwrap();
        assert_eq!(rows.len(), 1003, "{}", engine.name);
        assert!(rows.iter().all(|r| r.forget_at == tact_database::to_millis(at)), "{}: {:?}", engine.name, rows[0]);
        assert_eq!(rows[0].patient.as_u128(), 37, "{}", engine.name);
        let found: Vec<ForgettingRow> =
            bulk::read(&db, "patient", &[uuid::Uuid::from_u128(5), uuid::Uuid::from_u128(50)]).await.unwrap();
        assert_eq!(found.len(), 1, "{}", engine.name);
        let overdue = forgetting::overdue(&db, at, 2).await.unwrap();
        assert_eq!(overdue.iter().map(|r| r.patient.as_u128()).collect::<Vec<_>>(), [37, 38], "{}", engine.name);
        assert_eq!(forgetting::overdue(&db, at - chrono::Duration::milliseconds(1), 2).await.unwrap(), [], "{}", engine.name);
        let mut tx = db.begin().await.unwrap();
        assert!(bulk::write(&mut tx, vec![row(500)], bulk::OnConflict::Fail).await.is_err(), "{}", engine.name);
    }
}
