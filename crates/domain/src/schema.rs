//! The JSON Schemas of what events say, made from the types that read them: so they cannot say anything else.
//!
//! It must never hold a schema that was written by hand where a type could make it.

use schemars::{Schema, SchemaGenerator};

use crate::control::{BranchListed, ClinicianDeparted, PolicyPublished, ProviderListed};
use crate::disclosure::{HistoryExported, PersonalErased};
use crate::patient::Event;
use crate::patient::events::Score;

/// One version of a type of event, and how to make the schema of its data.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// The type.
    pub kind: &'static str,
    /// Its version.
    pub version: u16,
    /// Makes the schema of its data.
    pub data: fn(&mut SchemaGenerator) -> Schema,
}

/// Every version of every type of event outside patients' streams.
pub const BESIDE: &[Known] = &[
    Known { kind: "policy.published", version: 1, data: |generator| generator.root_schema_for::<PolicyPublished>() },
    Known { kind: "branch.listed", version: 1, data: |generator| generator.root_schema_for::<BranchListed>() },
    Known { kind: "provider.listed", version: 1, data: |generator| generator.root_schema_for::<ProviderListed>() },
    Known { kind: "clinician.departed", version: 1, data: |generator| generator.root_schema_for::<ClinicianDeparted>() },
    Known { kind: "history.exported", version: 1, data: |generator| generator.root_schema_for::<HistoryExported>() },
    Known { kind: "personal.erased", version: 1, data: |generator| generator.root_schema_for::<PersonalErased>() },
];

/// Every version of every type of event.
pub fn all() -> impl Iterator<Item = &'static Known> {
    Event::SCHEMAS.iter().chain(BESIDE)
}

impl schemars::JsonSchema for Score {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Score".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({ "type": "integer", "minimum": 0, "maximum": 10 })
    }
}
