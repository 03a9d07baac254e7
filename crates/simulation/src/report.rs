//! What a run has done, for the figures, and what it found wrong.

use std::collections::BTreeMap;
use std::fmt;

macro_rules! counts {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident = $words:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$fdoc])* pub $field: u64,)+ }

        impl $name {
            /// Each count with its words.
            pub fn each(&self) -> Vec<(&'static str, u64)> {
                vec![$(($words, self.$field),)+]
            }

            /// Adds another's.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)+
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.each().into_iter().try_for_each(|(words, count)| writeln!(f, "  {count:>12}  {words}"))
            }
        }
    };
}

counts! {
    /// What went wrong on purpose, by kind.
    Faults {
        /// See [`crate::settings::Rates::unavailable`].
        unavailable = "messages turned away",
        /// See [`crate::settings::Rates::lost_message`].
        lost_messages = "messages lost",
        /// See [`crate::settings::Rates::lost_ack`].
        lost_acks = "acknowledgements lost",
        /// See [`crate::settings::Rates::false_conflict`].
        false_conflicts = "conflicts answered for an event that landed",
        /// See [`crate::settings::Rates::doubled`].
        doubled = "messages delivered twice",
        /// Messages that landed or were turned away before one that had been sent earlier.
        overtaken = "messages that overtook an earlier one",
        /// See [`crate::settings::Rates::slow`].
        delays = "reads that waited while others went on",
        /// See [`crate::settings::Rates::timed_out`].
        timed_out = "senders gave up on a message under way",
        /// Events that landed when nobody waited any more.
        landed_unheard = "events landed after their sender was gone",
        /// See [`crate::settings::Rates::read_failed`].
        failed_reads = "reads failed",
        /// See [`crate::settings::Rates::stale_read`].
        stale_reads = "reads were behind",
        /// Real conflicts: not a fault, but what the faults are to bring about.
        conflicts = "conflicts",
        /// See [`crate::settings::Rates::crash`].
        crashes = "services crashed",
        /// See [`crate::settings::Rates::hang_up`].
        hang_ups = "callers hung up",
        /// See [`crate::settings::Rates::reactor_crash`].
        reactor_crashes = "reactor crashes",
        /// Commands that a crash broke off between two steps.
        broken_off = "commands broken off by a crash",
        /// Projectors that died before or behind a write.
        projector_crashes = "projectors crashed",
        /// Clocks that jumped ahead, by a millisecond up to hours.
        jumps_ahead = "clocks that jumped ahead",
        /// Clocks that jumped back.
        jumps_back = "clocks that jumped back",
        /// Events sent by a clock that was further off than clocks may be.
        skewed = "events by a clock that was too far off",
        /// Permits that a service would not decide, because its clock was behind the patient's last event.
        clock_behind = "permits not decided by a clock that was behind",
    }
}

counts! {
    /// What was done and checked.
    Figures {
        /// Seeds.
        seeds = "seeds",
        /// Commands given, repetitions not counted.
        commands = "commands",
        /// Repetitions of a command under its id.
        retries = "repetitions",
        /// Commands that were answered with an event.
        acknowledged = "commands acknowledged",
        /// Events in the log.
        events = "events in the log",
        /// Permits granted.
        permits = "permits granted",
        /// Permits refused.
        refusals = "permits refused",
        /// Contacts made under a permit and recorded while it was live or started.
        under_permit = "contacts under a permit",
        /// Contacts made under a permit and recorded later.
        late = "contacts under a permit, recorded after its life",
        /// Contacts without one.
        breaches = "contacts without a live permit",
        /// Events appended by the reactor.
        reactions = "reactions carried out",
        /// Policies published.
        policies = "policies published",
        /// Decisions made again from the events before them.
        decided_again = "decisions made again",
        /// Decisions held against the independent reading of the contract.
        judged = "decisions judged independently",
        /// Permits on a telephone number that was reserved for them.
        reserved = "permits on a reserved number",
        /// Of these, permits for a contact that covers somebody else's as well.
        joined = "permits that joined another's contact",
        /// Refusals because of the number.
        number_busy = "refusals because the number was busy",
        /// Batches by which read models grew.
        batches = "batches folded into read models",
        /// Rows of read models that grew in batches and were held against those built anew.
        rows = "rows of read models compared",
    }
}

/// What a run found wrong.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Which check.
    pub check: &'static str,
    /// What.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.check, self.what)
    }
}

/// What a run, or many, came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// What was done.
    pub figures: Figures,
    /// What went wrong on purpose.
    pub faults: Faults,
    /// How often each refusal code was recorded.
    pub codes: BTreeMap<String, u64>,
    /// How often each type of event was recorded.
    pub kinds: BTreeMap<String, u64>,
    /// What must not be.
    pub findings: Vec<Finding>,
    /// Every step, if it was asked for.
    pub trace: Vec<String>,
}

impl Report {
    /// Adds another run's, but not its trace.
    pub fn add(&mut self, other: Self) {
        self.figures.add(&other.figures);
        self.faults.add(&other.faults);
        for (code, count) in other.codes {
            *self.codes.entry(code).or_default() += count;
        }
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.findings.extend(other.findings);
    }

    /// Notes something that must not be.
    pub fn find(&mut self, check: &'static str, what: impl Into<String>) {
        self.findings.push(Finding { check, what: what.into() });
    }
}
