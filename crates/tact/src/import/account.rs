//! The account of an import: every row and every fact in exactly one place, so that the sums must match.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{Cell, CellAlignment, Table};
use tact_domain::Time;

use super::facts::What;
use super::mapping::Mapping;

/// A row that was not taken, or not whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// The line on which the row begins, from 1.
    pub line: u64,
    /// The number, from 1, and the name of the column at fault, if it is one.
    pub column: Option<(usize, String)>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some((number, name)) = &self.column {
            write!(f, ", column {number} (`{name}`)")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// How many of something, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Recorded by this run.
    pub recorded: u64,
    /// Recorded before.
    pub there: u64,
    /// Later than the clock; a later run adds them.
    pub later: u64,
    /// Refused.
    pub refused: u64,
}

impl Count {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.recorded + self.there + self.later + self.refused
    }
}

/// What became of a whole book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whether nothing was recorded: what it says would happen.
    pub dry_run: bool,
    /// The time up to which facts were taken.
    pub clock: Time,
    /// How many rows the book has.
    pub read: u64,
    /// Rows: taken if any fact of theirs was recorded by this run, refused if any was refused, later if not even their booking has happened.
    pub rows: Count,
    /// Rows taken or there of which something is later than the clock.
    pub unfinished: u64,
    /// Patients of the rows that could be read.
    pub patients: Count,
    /// Branches of the rows that could be read.
    pub branches: Count,
    /// Events by type. Those of rows that could not be read are unknown, and not among them.
    pub events: BTreeMap<&'static str, Count>,
    /// The rows that were refused, in the order of the book.
    pub refusals: Vec<Refusal>,
}

impl Account {
    pub(super) fn new(dry_run: bool, clock: Time, read: u64, mapping: &Mapping) -> Self {
        let events = What::kinds(mapping).into_iter().map(|kind| (kind, Count::default())).collect();
        Self {
            dry_run,
            clock,
            read,
            rows: Count::default(),
            unfinished: 0,
            patients: Count::default(),
            branches: Count::default(),
            events,
            refusals: Vec::new(),
        }
    }

    /// Whether every row is in exactly one place.
    pub fn balances(&self) -> bool {
        self.rows.total() == self.read && self.rows.refused == u64::try_from(self.refusals.len()).unwrap_or(u64::MAX)
    }

    /// How many events this run has recorded.
    pub fn recorded(&self) -> u64 {
        self.events.values().map(|count| count.recorded).sum()
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::NOTHING);
        let first = if self.dry_run { "would be recorded" } else { "recorded" };
        table.set_header(["", first, "there already", "later than the clock", "refused", "together"]);
        let mut line = |name: &str, count: &Count| {
            let numbers = [count.recorded, count.there, count.later, count.refused, count.total()];
            let cells = numbers.map(|number| Cell::new(number).set_alignment(CellAlignment::Right));
            table.add_row(std::iter::once(Cell::new(name)).chain(cells));
        };
        line("rows", &self.rows);
        line("patients", &self.patients);
        line("branches", &self.branches);
        self.events.iter().for_each(|(kind, count)| line(kind, count));
        writeln!(f, "{table}")?;
        if self.unfinished > 0 {
            writeln!(f, "Of {} rows a part is later than the clock ({}); a later run adds it.", self.unfinished, self.clock)?;
        }
        if self.dry_run {
            writeln!(f, "This was a dry run: nothing was recorded.")?;
        }
        Ok(())
    }
}
