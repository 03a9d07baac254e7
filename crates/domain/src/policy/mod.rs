//! The network's contact policy: what the clinic's head decided, in the form in which decisions read it.
//!
//! A policy is published as a text ([`text`]) and never changed afterwards; another text is another version.

pub mod diff;
pub mod text;

use std::collections::BTreeMap;
use std::fmt;

use chrono::{Duration, NaiveDate};
use smol_str::SmolStr;

use crate::patient::events::Override;
use crate::values::*;
use crate::{Time, Zone};

/// The policy that ships with Tact, as text.
pub const DEFAULT: &str = include_str!("../../../../policies/default.toml");

/// A contact policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Its version, by which decisions name it: the name under which it was published.
    pub version: SmolStr,
    /// What it says of each purpose. A purpose that is not here is unknown.
    pub purposes: BTreeMap<Purpose, PurposeRule>,
    /// Limits over all purposes that do not override them.
    pub overall: Vec<Limit>,
    /// The network's quiet hours, in the patient's local time.
    pub quiet_hours: Option<DailyHours>,
    /// Days on which no one is called, by the patient's calendar, in order.
    pub holidays: Vec<NaiveDate>,
}

/// What a policy says of a purpose.
#[derive(Debug, Clone, PartialEq)]
pub enum PurposeRule {
    /// It is not done at all, for this reason.
    Forbidden(String),
    /// It may be done, within this rule.
    Allowed(Rule),
}

/// The rule for a purpose that is not forbidden.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What gives the right.
    pub basis: Basis,
    /// What gives the reason; `None`: nothing needs to have happened.
    pub occasion: Option<OccasionKind>,
    /// Whether there is no occasion while an appointment is booked ahead (P7).
    pub unless_booked_ahead: bool,
    /// When, relative to the occasion, the contact may be made; `None`: as long as the occasion lasts.
    pub window: Option<RelativeWindow>,
    /// Whether an announcement must cover the moment (P9).
    pub announced: bool,
    /// How much of it is allowed. At least one.
    pub limits: Vec<Limit>,
    /// The channels that it may use, in the order of preference.
    pub channels: Vec<Channel>,
    /// How long a permit lives.
    pub permit_valid_for: Duration,
    /// What it need not obey.
    pub overrides: Vec<Override>,
    /// If it overrides quiet hours only for so long after its occasion came to be.
    pub quiet_hours_override_for: Option<Duration>,
    /// Whether it appears on the worklist by itself.
    pub agenda: bool,
    /// Whether whoever asks must say why (emergencies).
    pub reason_required: bool,
}

/// What gives the right to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Care for the patient.
    Care,
    /// An active consent for this purpose and channel (P8).
    Consent,
    /// The patient asked.
    Request,
}

/// A span relative to an occasion's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RelativeWindow {
    /// Where it begins.
    pub from: Distance,
    /// Where it ends.
    pub until: Distance,
}

/// How far from an occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// So long before it.
    Before(Period),
    /// So long after it.
    After(Period),
}

/// A length of time. Days have 24 hours; months are those of the patient's calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So many minutes.
    Minutes(u32),
    /// So many hours.
    Hours(u32),
    /// So many days of 24 hours.
    Days(u32),
    /// So many calendar months.
    Months(u32),
}

impl Period {
    /// The moment so much later.
    pub fn after(self, time: Time, zone: &Zone) -> Time {
        match self.fixed() {
            Some(duration) => time + duration,
            None => zone.add_months(time, self.months()),
        }
    }

    /// The moment so much earlier.
    pub fn before(self, time: Time, zone: &Zone) -> Time {
        match self.fixed() {
            Some(duration) => time - duration,
            None => zone.add_months(time, -self.months()),
        }
    }

    /// Its length, if it has one.
    pub fn fixed(self) -> Option<Duration> {
        match self {
            Self::Minutes(n) => Some(Duration::minutes(n.into())),
            Self::Hours(n) => Some(Duration::hours(n.into())),
            Self::Days(n) => Some(Duration::days(n.into())),
            Self::Months(_) => None,
        }
    }

    fn months(self) -> i32 {
        match self {
            Self::Months(n) => i32::try_from(n).unwrap_or(i32::MAX),
            _ => 0,
        }
    }

    /// Bounds of its length: certainly not shorter, certainly not longer.
    pub fn bounds(self) -> (Duration, Duration) {
        match self {
            Self::Months(n) => (Duration::days(i64::from(n) * 28 - 2), Duration::days(i64::from(n) * 31 + 2)),
            _ => self.fixed().map_or((Duration::zero(), Duration::zero()), |d| (d, d)),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, unit) = match self {
            Self::Minutes(n) => (n, "minute"),
            Self::Hours(n) => (n, "hour"),
            Self::Days(n) => (n, "day"),
            Self::Months(n) => (n, "month"),
        };
        write!(f, "{n} {unit}{}", if *n == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(period) => write!(f, "{period} before"),
            Self::After(period) => write!(f, "{period} after"),
        }
    }
}

impl fmt::Display for RelativeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {} until {}", self.from, self.until)
    }
}

impl Basis {
    /// The word for it in policies.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Care => "care",
            Self::Consent => "consent",
            Self::Request => "request",
        }
    }
}

impl RelativeWindow {
    /// The span around an occasion at this time.
    pub fn around(&self, at: Time, zone: &Zone) -> Window {
        let place = |distance| match distance {
            Distance::Before(period) => period.before(at, zone),
            Distance::After(period) => period.after(at, zone),
        };
        Window { from: place(self.from), until: place(self.until) }
    }
}

/// A limit: at most so many of something, in some span, on some channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What is counted.
    pub measure: Measure,
    /// The most that is allowed. 0: none at all.
    pub max: u32,
    /// Over which span.
    pub per: Per,
    /// Which channels count; `None`: all.
    pub channels: Option<Vec<Channel>>,
    /// The limit in words. Every decision says them, so they are made once.
    words: SmolStr,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Outbound contacts, and live permits.
    Attempts,
    /// Outbound contacts that reached the patient.
    Reached,
    /// Feedback that the patient gave.
    Feedback,
}

/// The span of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// One occasion; another time of the same appointment is another occasion.
    Occasion,
    /// A rolling period.
    Rolling(Period),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl Limit {
    /// A limit, with its words.
    pub fn new(measure: Measure, max: u32, per: Per, channels: Option<Vec<Channel>>) -> Self {
        let what = match measure {
            Measure::Attempts if max == 1 => "attempt",
            Measure::Attempts => "attempts",
            Measure::Reached => "reached",
            Measure::Feedback => "feedback",
        };
        let span = match per {
            Per::Occasion => "occasion".to_owned(),
            Per::Rolling(period) => period.to_string(),
        };
        let by = channels.iter().map(|channels| {
            let words: Vec<_> = channels.iter().map(|c| c.as_str()).collect();
            format!(" by {}", words.join(", "))
        });
        let words = format!("{max} {what} per {span}{}", by.collect::<String>()).into();
        Self { measure, max, per, channels, words }
    }

    /// The limit in words, such as `1 attempt per 24 hours by phone`.
    pub fn words(&self) -> &SmolStr {
        &self.words
    }

    /// Whether it counts contacts on this channel.
    pub fn counts_channel(&self, channel: Channel) -> bool {
        self.channels.as_ref().is_none_or(|channels| channels.iter().any(|c| c.covers(channel)))
    }

    /// Whether it has a say in a contact on this channel. One for some channels says nothing of another; feedback comes on none of ours.
    pub fn holds_for(&self, channel: Channel) -> bool {
        self.measure == Measure::Feedback || self.counts_channel(channel)
    }
}

impl Rule {
    /// Whether it need not obey this.
    pub fn overrides(&self, what: Override) -> bool {
        self.overrides.contains(&what) || self.overrides.contains(&Override::Everything)
    }

    /// What it overrides for as long as the contact lasts: not what it lifts only for a time.
    pub fn lasting_overrides(&self) -> Vec<Override> {
        let for_a_time = |what: Override| what == Override::QuietHours && self.quiet_hours_override_for.is_some();
        self.overrides.iter().copied().filter(|what| !for_a_time(*what)).collect()
    }
}

impl Policy {
    /// The rule for a purpose, if the policy knows and allows it.
    pub fn rule(&self, purpose: &Purpose) -> Option<&Rule> {
        match self.purposes.get(purpose) {
            Some(PurposeRule::Allowed(rule)) => Some(rule),
            _ => None,
        }
    }
}
