//! The receipt for what was noted outside the patients' streams.

use serde::Serialize;
use tact_service::control::Noted;
use utoipa::ToSchema;
use uuid::Uuid;

/// What was noted, and where.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NotedEntry)]
pub(crate) struct Entry {
    /// The event's id.
    event: Uuid,
    /// The event's type.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Where it stands in the log; opaque.
    position: String,
    /// Whether it was there already: the same command, asked again.
    repeated: bool,
}

impl Entry {
    pub(crate) fn new(kind: &'static str, noted: &Noted) -> Self {
        Self { event: noted.event, kind, position: noted.position.to_string(), repeated: noted.repeated }
    }
}
