//! The clock: the one file that may ask the machine what time it is.
//!
//! Everything else is given a moment. A clock can be set for demonstrations and tests; while it is, every answer says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tact_domain::{Time, to_millis};

/// A source of the present moment, to the millisecond.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    Machine,
    /// Runs with the machine's, so many milliseconds apart.
    Shifted(Arc<AtomicI64>),
    /// Stands still until it is moved: milliseconds since 1970.
    Hand(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        Self(Source::Machine)
    }

    /// A clock that reads `now` at this moment and runs on from there (`--now`).
    pub fn starting_at(now: Time) -> Self {
        let shift = now.timestamp_millis() - machine().timestamp_millis();
        Self(Source::Shifted(Arc::new(AtomicI64::new(shift))))
    }

    /// A clock that stands still until [`Clock::set`] moves it.
    pub fn by_hand(now: Time) -> Self {
        Self(Source::Hand(Arc::new(AtomicI64::new(now.timestamp_millis()))))
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        match &self.0 {
            Source::Machine => machine(),
            Source::Shifted(shift) => machine() + chrono::Duration::milliseconds(shift.load(Ordering::Relaxed)),
            Source::Hand(at) => Time::from_timestamp_millis(at.load(Ordering::Relaxed)).unwrap_or_default(),
        }
    }

    /// Whether it shows another time than the machine's.
    pub fn is_set(&self) -> bool {
        !matches!(self.0, Source::Machine)
    }

    /// Moves a clock that can be moved; the machine's cannot.
    pub fn set(&self, now: Time) {
        match &self.0 {
            Source::Machine => {}
            Source::Shifted(shift) => shift.store(now.timestamp_millis() - machine().timestamp_millis(), Ordering::Relaxed),
            Source::Hand(at) => at.store(now.timestamp_millis(), Ordering::Relaxed),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
fn machine() -> Time {
    to_millis(chrono::Utc::now())
}
