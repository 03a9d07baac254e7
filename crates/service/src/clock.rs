//! The clock: the one file that may ask the machine what time it is.
//!
//! Everything else is given a moment. A clock can be set for demonstrations and tests; while it is, every answer says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tact_domain::{Time, to_millis};

/// A source of the present moment, to the millisecond.
#[derive(Debug, Clone)]
pub struct Clock(Option<Arc<Setting>>);

/// A clock that was set: it stands still, or runs with the machine's.
#[derive(Debug)]
struct Setting {
    /// Standing: milliseconds since 1970. Running: milliseconds ahead of the machine's.
    millis: AtomicI64,
    running: AtomicBool,
}

impl Clock {
    /// The machine's clock.
    pub fn machine() -> Self {
        Self(None)
    }

    /// A clock that reads `now` at this moment and runs on from there (`--now`).
    pub fn starting_at(now: Time) -> Self {
        let clock = Self::by_hand(now);
        clock.run();
        clock
    }

    /// A clock that stands still until [`Clock::set`] moves it or [`Clock::run`] lets it go.
    pub fn by_hand(now: Time) -> Self {
        let millis = AtomicI64::new(now.timestamp_millis());
        Self(Some(Arc::new(Setting { millis, running: AtomicBool::new(false) })))
    }

    /// The present moment.
    pub fn now(&self) -> Time {
        let Some(setting) = &self.0 else { return machine() };
        let millis = setting.millis.load(Ordering::Relaxed);
        if setting.running.load(Ordering::Relaxed) {
            return machine() + chrono::Duration::milliseconds(millis);
        }
        Time::from_timestamp_millis(millis).unwrap_or_default()
    }

    /// Whether it shows another time than the machine's.
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Moves a clock that can be moved; the machine's cannot.
    pub fn set(&self, now: Time) {
        let Some(setting) = &self.0 else { return };
        let ahead = if setting.running.load(Ordering::Relaxed) { machine().timestamp_millis() } else { 0 };
        setting.millis.store(now.timestamp_millis() - ahead, Ordering::Relaxed);
    }

    /// Lets a clock that stands still run on from where it stands.
    pub fn run(&self) {
        let Some(setting) = &self.0 else { return };
        if !setting.running.load(Ordering::Relaxed) {
            // Between the two stores it shows a moment near 1970, at which no policy is in force: nothing could be granted.
            setting.millis.fetch_sub(machine().timestamp_millis(), Ordering::Relaxed);
            setting.running.store(true, Ordering::Relaxed);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that asks the machine")]
fn machine() -> Time {
    to_millis(chrono::Utc::now())
}
