//! What is said of the tables that are carried is what the databases have: no table and no column is forgotten.

use std::collections::BTreeSet;

use tact_database::{Db, DbError, all};

use super::KEPT;
use crate::projector::{Engine, WAIT};

const PG: &str =
    "SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema()";
const SQLITE: &str = "SELECT m.name, c.name FROM sqlite_schema AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_and_no_column_is_forgotten() {
    for engine in Engine::both().await {
        for kept in KEPT {
            assert!(engine.target.find(kept.component, WAIT).await.unwrap().is_none(), "looking makes nothing");
            let db = engine.target.open(kept.component, WAIT).await.unwrap();
            let found: Result<Vec<(String, String)>, DbError> = match &db {
                Db::Pg(_) => all!(&db, PG),
                Db::Sqlite(_) => all!(&db, SQLITE),
            };
            let there: BTreeSet<_> = found.unwrap().into_iter().filter(|(table, _)| table != "schema_version").collect();
            let columns = |layout: &tact_database::copy::Layout| {
                layout.columns.iter().map(|(column, _)| (layout.table.to_owned(), (*column).to_owned())).collect::<Vec<_>>()
            };
            let said: BTreeSet<_> = kept.layouts.iter().flat_map(columns).collect();
            assert_eq!(said, there, "{} on {}", kept.component.name, engine.name);
            let (_, version) = engine.target.find(kept.component, WAIT).await.unwrap().unwrap();
            assert_eq!(version, kept.component.version());
        }
    }
}
