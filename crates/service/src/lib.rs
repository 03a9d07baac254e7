//! What every service shares: the one loop that reads, decides and appends, who is asking, and how answers and problems look.

pub mod access;
pub mod app;
pub mod clock;
pub mod control;
pub mod document;
pub mod erasure;
pub mod fields;
pub mod ids;
pub mod known;
pub mod looks;
pub mod number;
pub mod permit;
pub mod problem;
pub mod react;
pub mod request;
pub mod stop;
pub mod themes;
pub mod transact;

pub use access::{Caller, Permission};
pub use app::{Answer, App, Receipt, receipt};
pub use looks::Page;
pub use problem::Problem;
pub use request::{Path, Query, Write};
