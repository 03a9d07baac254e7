//! What every service shares: the one loop that reads, decides and appends, who is asking, and how answers and problems look.

pub mod clock;
pub mod control;
pub mod ids;
pub mod problem;
pub mod transact;

pub use problem::Problem;
