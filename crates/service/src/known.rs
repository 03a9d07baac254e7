//! What a service shows of a patient: as everything acknowledged so far has left them, under the id that they go by now.

use std::sync::Arc;

use tact_domain::patient::Untrue;
use tact_domain::patient::state::Standing;
use tact_event_log::LogError;
use uuid::Uuid;

use crate::app::App;
use crate::problem::Problem;
use crate::transact::{Failure, Patient};

/// How many merges in a row are followed.
const MERGES: usize = 16;

impl App {
    /// The patient with everything that was acknowledged so far; for one who was merged, the survivor. Records nothing.
    ///
    /// # Errors
    /// A problem if nobody by this id is known, an event of theirs cannot be read, or the log cannot be asked.
    pub async fn known_patient(&self, patient: Uuid) -> Result<(Uuid, Arc<Patient>), Problem> {
        let mut id = patient;
        for _ in 0..MERGES {
            let known = self.transactor.patient_now(id).await?;
            if let Some(reason) = known.set_aside() {
                return Err(Failure::SetAside { patient: id, reason: reason.clone() }.into());
            }
            match known.state.standing {
                Standing::Unknown => return Err(Untrue::UnknownPatient.into()),
                Standing::Merged { into, .. } => id = into,
                _ => return Ok((id, known)),
            }
        }
        Err(Problem::hidden(format!("patient {patient} was merged more than {MERGES} times in a row")))
    }

    /// The ids under which a person's details may be kept: the patient's, and those of everybody who was merged into them, near or far.
    ///
    /// # Errors
    /// [`LogError`] if the log cannot be read.
    pub async fn selves(&self, patient: Uuid) -> Result<Vec<Uuid>, LogError> {
        let mut all = vec![patient];
        let mut next = 0;
        while let Some(&id) = all.get(next) {
            next += 1;
            for merged in &self.transactor.patient_now(id).await?.state.absorbed {
                let theirs = self.transactor.patient_now(merged.from).await?.state.standing;
                // Somebody who was told apart again is somebody else.
                if matches!(theirs, Standing::Merged { into, .. } if into == id) && !all.contains(&merged.from) {
                    all.push(merged.from);
                }
            }
        }
        Ok(all)
    }
}
