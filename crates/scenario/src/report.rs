//! What came of a story: nothing to say where all is as expected, else a diff of expected and got.

use std::fmt;

/// How a story went.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The story's name.
    pub name: String,
    /// How many steps it has.
    pub steps: usize,
    /// The steps that did not come out as expected.
    pub failures: Vec<Failure>,
}

/// A step that did not come out as expected.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Which step, from 1.
    pub step: usize,
    /// The line on which it begins, from 1.
    pub line: usize,
    /// What the step does.
    pub what: String,
    /// Expected and got.
    pub diff: Vec<Line>,
}

/// A line of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// As expected.
    Same(String),
    /// Expected, and not so.
    Expected(String),
    /// So, and not expected.
    Got(String),
}

impl Report {
    /// Whether every step came out as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "ok    " } else { "FAILED" };
        let plural = if self.steps == 1 { "" } else { "s" };
        write!(f, "{verdict} {} ({} step{plural})", self.name, self.steps)?;
        for failure in &self.failures {
            write!(f, "\n{failure}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  step {}, line {}: {}", self.step, self.line, self.what)?;
        for line in &self.diff {
            match line {
                Line::Same(text) => write!(f, "\n      {text}")?,
                Line::Expected(text) => write!(f, "\n    - {text}")?,
                Line::Got(text) => write!(f, "\n    + {text}")?,
            }
        }
        Ok(())
    }
}
