//! Who looks at whose page is noted before the page is shown: what cannot be noted is not shown.
//!
//! Programs are not noted: what a system reads, it reads for somebody whom only the system knows.

use uuid::Uuid;

use crate::access::Caller;
use crate::app::App;
use crate::problem::Problem;

/// A kind of page that shows a person, or what happened to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PageSeen)]
pub enum Page {
    /// Who the patient is.
    Person,
    /// What happened to the patient.
    History,
    /// Among those whom a search found.
    Search,
    /// As a resource of FHIR.
    Fhir,
    /// Beside somebody who may be the same.
    Duplicates,
}

impl Page {
    /// The word for it, as it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::History => "history",
            Self::Search => "search",
            Self::Fhir => "fhir",
            Self::Duplicates => "duplicates",
        }
    }
}

impl App {
    /// Notes that a person is about to be shown something of these patients.
    ///
    /// # Errors
    /// A problem if it cannot be noted: nothing may be shown then.
    pub async fn looked(&self, caller: &Caller, patients: &[Uuid], page: Page) -> Result<(), Problem> {
        if !caller.is_person() {
            return Ok(());
        }
        let noted = self.personal.note_looks(caller.actor_id(), patients, page.as_str(), self.clock.now()).await;
        noted.map_err(|error| {
            tracing::error!(%error, "it cannot be noted who looks at a patient's page");
            Problem::unavailable("it cannot be noted who looks at this page, so it is not shown; ask again").retry_after(2)
        })
    }
}
