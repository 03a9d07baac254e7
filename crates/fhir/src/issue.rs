//! What is wrong with a resource: where it stands, which element it is, why, and the way out. It never repeats a personal value.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};
use smol_str::SmolStr;

/// Where a resource stood in what was sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The file, if it came in one.
    pub file: Option<Arc<str>>,
    /// The line, from 1, of newline-delimited JSON.
    pub line: Option<u64>,
    /// The entry of a Bundle, from 0 as FHIRPath counts.
    pub entry: Option<u32>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.file.as_ref().map(ToString::to_string));
        parts.extend(self.line.map(|line| format!("line {line}")));
        parts.extend(self.entry.map(|entry| format!("entry[{entry}]")));
        f.write_str(&parts.join(", "))
    }
}

/// How bad it is: whether the resource was refused for it, or went in without this element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The resource was refused.
    Error,
    /// It went in, but for what is said here.
    Warning,
    /// Nothing of it is kept, and nothing is wrong with it.
    Information,
}

/// One thing to be said of one resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Issue {
    /// Where it stood.
    pub place: Place,
    /// Its type, as it says itself; `?` if it does not.
    pub kind: SmolStr,
    /// Its id, if it has one.
    pub id: Option<SmolStr>,
    /// The element, as FHIRPath names it: `Appointment.start`.
    pub path: String,
    /// What is wrong, and the way out.
    pub reason: String,
    /// How bad it is.
    pub severity: Severity,
    /// The issue's type of FHIR: `structure`, `value`, `not-found`, `not-supported`, `business-rule` and so on.
    pub code: &'static str,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place.to_string();
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        if let Some(id) = &self.id {
            write!(f, "{}/{id}: ", self.kind)?;
        }
        write!(f, "`{}`: {}", self.path, self.reason)
    }
}

/// An OperationOutcome of R4 that says all of it. With nothing to say, it says that all is well.
pub fn operation_outcome<'i>(issues: impl IntoIterator<Item = &'i Issue>) -> Value {
    let mut said: Vec<Value> = issues
        .into_iter()
        .map(|issue| {
            let severity = match issue.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Information => "information",
            };
            json!({"severity": severity, "code": issue.code, "diagnostics": issue.to_string(), "expression": [issue.path]})
        })
        .collect();
    if said.is_empty() {
        said.push(json!({"severity": "information", "code": "informational", "diagnostics": "done"}));
    }
    json!({"resourceType": "OperationOutcome", "issue": said})
}
