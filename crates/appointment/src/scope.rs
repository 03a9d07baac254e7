//! Which branch an appointment belongs to, and whether the caller may touch it.

use tact_service::{App, Caller, Problem};
use uuid::Uuid;

/// Lets a caller through who acts for the branch of the appointment.
///
/// Of an appointment that was never booked it says nothing: the decision on the patient's stream does, with the way out.
///
/// # Errors
/// A problem if the appointment belongs to a branch out of the caller's scope.
pub(crate) async fn in_scope(app: &App, caller: &Caller, patient: Uuid, appointment: Uuid) -> Result<(), Problem> {
    if caller.covers_all() {
        return Ok(());
    }
    let (_, known) = app.known_patient(patient).await?;
    match known.state.appointment(appointment) {
        Some(appointment) => caller.at(&appointment.branch),
        None => Ok(()),
    }
}
