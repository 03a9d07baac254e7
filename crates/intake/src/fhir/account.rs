//! What has become of every resource: each is in exactly one place.

use std::collections::BTreeMap;

use smol_str::SmolStr;
use tact_event_log::Position;
use tact_fhir::{Issue, Severity};
use uuid::Uuid;

/// What has become of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Something of it was recorded now.
    Recorded,
    /// All of it was there before.
    There,
    /// It is an older version of what is known, and changes nothing.
    Older,
    /// It, or the rest of it, is later than the clock; a later run adds it.
    Later,
    /// Nothing of it is kept: its type, or what it says, is of no concern here.
    Nothing,
    /// It was refused.
    Refused,
}

impl Fate {
    /// Every fate, in the order of an account.
    pub const ALL: [Self; 6] = [Self::Recorded, Self::There, Self::Older, Self::Later, Self::Nothing, Self::Refused];
}

/// What has become of a resource, and what is to be said of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its type.
    pub kind: SmolStr,
    /// What has become of it.
    pub fate: Fate,
    /// What is to be said: the refusal, and what was left out.
    pub issues: Vec<Issue>,
    /// Whose it is, if that is known.
    pub patient: Option<Uuid>,
    /// What it is in Tact: the patient, appointment, or the event.
    pub thing: Option<Uuid>,
    /// How many events it has led to now, by type.
    pub events: Vec<&'static str>,
}

/// What has become of everything that was sent at once.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// Whether nothing was recorded: what it says would happen.
    pub dry_run: bool,
    /// In the order in which it was sent.
    pub outcomes: Vec<Outcome>,
    /// Where the last event stands.
    pub position: Option<Position>,
}

impl Account {
    /// How many resources of each type have which fate, in the order of [`Fate::ALL`].
    pub fn counts(&self) -> BTreeMap<&str, [u64; 6]> {
        let mut counts: BTreeMap<&str, [u64; 6]> = BTreeMap::new();
        for outcome in &self.outcomes {
            counts.entry(outcome.kind.as_str()).or_default()[outcome.fate as usize] += 1;
        }
        counts
    }

    /// How many events of each type were recorded.
    pub fn events(&self) -> BTreeMap<&'static str, u64> {
        let mut events = BTreeMap::new();
        for kind in self.outcomes.iter().flat_map(|outcome| &outcome.events) {
            *events.entry(*kind).or_default() += 1;
        }
        events
    }

    /// Everything that was refused, and all that was left out.
    pub fn refusals(&self) -> impl Iterator<Item = &Issue> {
        self.outcomes.iter().flat_map(|outcome| &outcome.issues).filter(|issue| issue.severity != Severity::Information)
    }

    /// How many resources have this fate.
    pub fn of(&self, fate: Fate) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.fate == fate).count()
    }
}
