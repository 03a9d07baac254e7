//! The SQL databases beside the event log: PostgreSQL in production, SQLite embedded. One SQL text runs on both.
//!
//! This crate is the only place that knows that there are two engines. Whoever uses it writes one SQL constant with `$1` parameters
//! in the common subset of both, and calls it through [`all!`], [`one!`] and [`run!`] (or [`all_in!`], [`one_in!`], [`run_in!`] inside a
//! transaction). It must never know what the tables mean: no event, no patient, no policy.
//!
//! Times are cut to the millisecond on their way in, so that both engines hold and compare the same value.

pub mod bulk;
pub mod copy;
mod db;
mod error;
mod migrate;
mod moving;
mod swap;
mod target;

pub use db::{Db, Tx};
pub use error::DbError;
pub use migrate::Component;
pub use swap::{Next, Swap, Swappable};
pub use target::Target;

#[doc(hidden)]
pub use sqlx as __sqlx;

/// A moment in UTC.
pub type Time = chrono::DateTime<chrono::Utc>;

/// Cuts a moment to the millisecond. PostgreSQL would keep microseconds and SQLite nanoseconds, and then the two would differ.
pub fn to_millis(time: Time) -> Time {
    use chrono::SubsecRound;
    time.trunc_subsecs(3)
}
