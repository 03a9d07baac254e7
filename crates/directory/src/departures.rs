//! A clinician has left, and where to: whoever asks for them is told the new clinic (P13).
//!
//! Never their own number or address: that is their own space. There is no field for it, and the one text there is takes none.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::control::{ClinicianDeparted, DirectoryEvent};
use tact_service::{Answer, App, Caller, Path, Permission, Problem, Write, fields};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::noted::Entry;

/// The most digits in a row, spaces and signs between them aside, that the name of a clinic may have.
const MOST_DIGITS: usize = 5;

/// Where to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Departure {
    /// The name of the clinic where they work now; at most 200 characters, no telephone number, no address for mail.
    #[schema(example = "City hospital 2")]
    new_clinic: String,
}

/// What was noted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DepartureNoted {
    /// Who has left.
    clinician: Uuid,
    #[serde(flatten)]
    entry: Entry,
}

/// Where a clinician works now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Whereabouts {
    clinician: Uuid,
    /// The name of the clinic. Its published number is in the directory of providers, if it is listed there.
    new_clinic: String,
}

/// Say that a clinician has left, and where to
#[utoipa::path(
    post, path = "/v1/clinicians/{clinician}/departure", tag = "directory",
    params(("clinician" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Departure,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = DepartureNoted), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn depart(
    State(app): State<Arc<App>>,
    Path(clinician): Path<Uuid>,
    write: Write<Departure>,
) -> Result<Answer<DepartureNoted>, Problem> {
    write.caller.may(Permission::ManageDirectory)?;
    let new_clinic = &write.body.new_clinic;
    fields::line("new_clinic", new_clinic)?;
    if is_personal(new_clinic) {
        return Err(Problem::field(
            "new_clinic",
            "it holds what looks like a telephone number or an address for mail; write the clinic's name only, a clinician's own number is \
             never given out",
        ));
    }
    let event = DirectoryEvent::ClinicianDeparted(ClinicianDeparted { clinician, new_clinic: new_clinic.trim().to_owned() });
    let noted = app.control.note(&write.control_command(), event).await?;
    Ok(Answer(DepartureNoted { clinician, entry: Entry::new("clinician.departed", &noted) }, noted.position, noted.repeated))
}

/// See where a clinician works now
#[utoipa::path(
    get, path = "/v1/clinicians/{clinician}/departure", tag = "directory",
    params(("clinician" = Uuid, Path)),
    responses((status = 200, description = "What was asked for", body = Whereabouts), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn whereto(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(clinician): Path<Uuid>,
) -> Result<Json<Whereabouts>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    app.control.refresh().await?;
    match app.control.directory().departed.get(&clinician) {
        Some(departed) => Ok(Json(Whereabouts { clinician, new_clinic: departed.new_clinic.clone() })),
        None => Err(Problem::not_found(format!("no departure of the clinician {clinician} is recorded"))),
    }
}

/// Whether a text holds what looks like a telephone number or an address for mail. Wide on purpose: when unsure, it says yes (P14).
fn is_personal(text: &str) -> bool {
    if text.contains('@') {
        return true;
    }
    let mut digits = 0;
    for c in text.chars() {
        if c.is_numeric() {
            digits += 1;
            if digits > MOST_DIGITS {
                return true;
            }
        } else if !(c.is_whitespace() || c.is_ascii_punctuation() || matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')) {
            digits = 0;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_number_is_told_from_a_name() {
        for good in ["City hospital 2", "Clinic on Lenin St., 12-14", "Praxis am Zoo", "Поликлиника № 117", "10115 Berlin Mitte"]
        {
            assert!(!is_personal(good), "{good}");
        }
        for bad in [
            "City hospital, +7 912 345-67-89",
            "call 8 (912) 3456789",
            "912.345.67.89",
            "９１２３４５６７８９",
            "anna@example.org",
            "912\u{2013}345\u{2013}67",
        ] {
            assert!(is_personal(bad), "{bad}");
        }
    }
}
