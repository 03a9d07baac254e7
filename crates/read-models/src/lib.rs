//! The read models: tables that are derived from the event log, and the questions that are asked of them. One file per model.
//!
//! Everything here can be thrown away and built again, and comes out the same row for row. So no row may depend on a clock, on how the events
//! were cut into batches, or on anything that is not in the log; only the checkpoint's bookkeeping may. No personal data is ever stored here.

use tact_database::{Component, Db, DbError, bulk};

pub mod audit;
pub mod checkpoint;
pub mod contacts;
pub mod due;
pub mod feedback;
pub mod forgetting;
pub mod history;
pub mod patient_months;
pub mod patients;
pub mod quotas;
mod read_db;
pub mod referrals;
pub mod referrers;
pub mod set_aside;

pub use read_db::ReadDb;
pub use tact_database::Time;

/// The tables of the read models.
pub static TABLES: Component = Component {
    name: "read",
    postgres: &[
        include_str!("../../../migrations/postgres/read/0001_tables.sql"),
        include_str!("../../../migrations/postgres/read/0002_contacts_by_branch.sql"),
        include_str!("../../../migrations/postgres/read/0003_referrals_and_patient_months.sql"),
    ],
    sqlite: &[
        include_str!("../../../migrations/sqlite/read/0001_tables.sql"),
        include_str!("../../../migrations/sqlite/read/0002_contacts_by_branch.sql"),
        include_str!("../../../migrations/sqlite/read/0003_referrals_and_patient_months.sql"),
    ],
    durable: false,
};

/// The UTC month of a moment, `YYYY-MM`, by which figures are kept.
pub fn month(time: Time) -> String {
    time.format("%Y-%m").to_string()
}

/// Calls a macro with every row type of the read models; the checkpoint, which is bookkeeping, is not among them.
macro_rules! every_table {
    ($call:ident) => {
        $call!(
            audit::FindingRow,
            audit::WishRow,
            contacts::ContactRow,
            contacts::ContactCount,
            contacts::PermitCount,
            contacts::RefusalCount,
            due::DueRow,
            feedback::FeedbackRow,
            feedback::ThemeRow,
            forgetting::ForgettingRow,
            history::HistoryRow,
            patient_months::PatientMonth,
            patients::PatientRow,
            quotas::QuotaRow,
            referrals::ReferralRow,
            referrers::ReferrerRow,
            set_aside::SetAsideRow,
        )
    };
}

/// Every row of every table as JSON, table by table in one canonical order: two databases are equal if this is.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn dump(db: &Db) -> Result<Vec<(&'static str, Vec<String>)>, DbError> {
    let mut tables = Vec::new();
    macro_rules! add {
        ($($row:ty,)+) => { $({
            let rows: Vec<$row> = bulk::dump(db).await?;
            let text = |row| serde_json::to_string(row).expect("rows are structs of plain values");
            tables.push((<$row as bulk::Record>::TABLE, rows.iter().map(text).collect()));
        })+ };
    }
    every_table!(add);
    Ok(tables)
}

/// Every SQL text of this crate as the engine of `db` gets it, for the test that prepares them.
pub fn statements(db: &Db) -> Vec<String> {
    let own = [
        audit::SQL,
        checkpoint::SQL,
        contacts::SQL,
        due::SQL,
        feedback::SQL,
        forgetting::SQL,
        history::SQL,
        patient_months::SQL,
        patients::SQL,
        quotas::SQL,
        referrals::SQL,
        referrers::SQL,
        set_aside::SQL,
    ];
    let mut texts: Vec<String> = own.into_iter().flatten().map(|sql| (*sql).to_owned()).collect();
    macro_rules! add {
        ($($row:ty,)+) => { $({
            let columns = <$row as bulk::Record>::COLUMNS;
            let by = if columns.iter().any(|(name, _)| *name == "patient") { "patient" } else { columns[0].0 };
            texts.extend(bulk::statements::<$row>(db, by));
        })+ };
    }
    every_table!(add);
    texts
}
