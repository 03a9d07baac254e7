//! What a run is asked to do, and how much of what may go wrong in it.

use rand::Rng;
use rand::rngs::SmallRng;

/// What every run of a series has in common.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many commands a seed gives.
    pub commands: usize,
    /// Whether every step is written down.
    pub trace: bool,
    /// A defect to build in, to see that it is found.
    pub bug: Option<Bug>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { commands: 1500, trace: false, bug: None }
    }
}

/// A defect that can be built in on purpose: a checker that cannot fail proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The log takes every event, whatever the stream's last one is.
    NoConcurrencyCheck,
    /// The services decide by a policy in which one limit allows one more than the published one.
    LooserLimit,
    /// A projector that starts again misses the next event.
    SkippedEvent,
    /// A projector that starts again counts its last event a second time.
    CountedTwice,
}

/// How likely each fault is, per message, read or step; drawn anew for every seed, so that some seeds see one fault only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    /// A message is turned away: nothing is written, and the sender knows.
    pub(crate) unavailable: f64,
    /// A message is lost, and the sender does not know.
    pub(crate) lost_message: f64,
    /// The event landed, its acknowledgement is lost.
    pub(crate) lost_ack: f64,
    /// The event landed, the answer says "conflict" (as for a message that was delivered twice).
    pub(crate) false_conflict: f64,
    /// A message is delivered and its copy goes on travelling: it is answered twice, and must not be written twice.
    pub(crate) doubled: f64,
    /// The sender gives up while the message is still under way.
    pub(crate) timed_out: f64,
    /// A read fails.
    pub(crate) read_failed: f64,
    /// A read that may lag does.
    pub(crate) stale_read: f64,
    /// How often at most a read lets others go first, before and after.
    pub(crate) slow: u32,
    /// A service dies, with everything it was doing and all that it knew.
    pub(crate) crash: f64,
    /// A caller hangs up: one command is dropped in the middle, the service goes on.
    pub(crate) hang_up: f64,
    /// The reactor dies.
    pub(crate) reactor_crash: f64,
    /// A clock goes wrong.
    pub(crate) clock: f64,
}

impl Rates {
    /// Nothing goes wrong.
    pub(crate) const fn none() -> Self {
        Self {
            unavailable: 0.0,
            lost_message: 0.0,
            lost_ack: 0.0,
            false_conflict: 0.0,
            doubled: 0.0,
            timed_out: 0.0,
            read_failed: 0.0,
            stale_read: 0.0,
            slow: 0,
            crash: 0.0,
            hang_up: 0.0,
            reactor_crash: 0.0,
            clock: 0.0,
        }
    }

    /// What this seed has in store.
    pub(crate) fn draw(rng: &mut SmallRng) -> Self {
        let mut rate = |most: f64| if rng.random_bool(0.25) { 0.0 } else { rng.random_range(0.0..most) };
        Self {
            unavailable: rate(0.05),
            lost_message: rate(0.06),
            lost_ack: rate(0.15),
            false_conflict: rate(0.10),
            doubled: rate(0.08),
            timed_out: rate(0.12),
            read_failed: rate(0.04),
            stale_read: rate(0.4),
            crash: rate(0.004),
            hang_up: rate(0.006),
            reactor_crash: rate(0.01),
            clock: rate(0.012),
            slow: rng.random_range(0..4),
        }
    }
}
