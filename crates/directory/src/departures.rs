//! A clinician has left, and where to: whoever asks for them is told the new clinic (P13).
//!
//! Never their own number or address: that is their own space. There is no field for it, and the one text there is takes none.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::control::{ClinicianDeparted, DirectoryEvent};
use tact_service::app::{database, text};
use tact_service::{Answer, App, Caller, Path, Permission, Problem, Query, Write, fields};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::noted::Entry;
use crate::words::Sought;

/// The most digits in a row, spaces and signs between them aside, that the name of a clinic may have.
const MOST_DIGITS: usize = 5;

/// Where to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Departure {
    /// The name of the clinic where they work now; at most 200 characters, no telephone number, no address for mail.
    #[schema(example = "City hospital 2")]
    new_clinic: String,
    /// The clinician's name, by which patients ask for them; kept with the personal data, never in the event. Absent: as it was; empty: forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Dr Somova")]
    name: Option<String>,
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
    let name = write.body.name.as_deref().map(str::trim);
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        fields::line("name", name)?;
        if name.contains('@') || name.chars().any(char::is_numeric) {
            return Err(Problem::field(
                "name",
                "it holds more than a name; a clinician's own number or address is never kept here",
            ));
        }
    }
    if let Some(name) = name {
        app.personal.name_clinician(clinician, name).await.map_err(database)?;
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

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Beginnings of words of the name or of the new clinic's, in Cyrillic or Latin; absent: everybody.
    #[param(example = "somova")]
    q: Option<String>,
    /// How many at most, from 1 to 200; absent: 50.
    limit: Option<usize>,
}

/// Clinicians who have left.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DepartedClinicians)]
pub(crate) struct Departed {
    /// By name; whoever has none comes last.
    clinicians: Vec<DepartedOne>,
}

/// One of them. There is no field for a number or an address of theirs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DepartedClinician)]
pub(crate) struct DepartedOne {
    clinician: Uuid,
    /// The name, if it is kept, for callers who may see people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The name of the clinic where they work now.
    new_clinic: String,
}

/// Find clinicians who have left
///
/// Tell whoever asks the new clinic, never a number of the clinician's own.
#[utoipa::path(
    get, path = "/v1/clinicians/departed", tag = "directory", params(Wanted),
    responses((status = 200, description = "What was asked for", body = Departed), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn departed(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<Wanted>,
) -> Result<Json<Departed>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    let limit = query.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::malformed(format!("query: `limit`: {limit} is not from 1 to 200")).with("field", "limit"));
    }
    let sought = match &query.q {
        Some(words) => {
            text("q", words, 100)?;
            let sought = Sought::read(words);
            Some(sought.ok_or_else(|| Problem::field("q", "holds no word; write a name, or leave it out"))?)
        }
        None => None,
    };
    let names: BTreeMap<Uuid, String> = match caller.has(Permission::SeePerson) {
        true => app.personal.clinicians().await.map_err(database)?.into_iter().collect(),
        false => BTreeMap::new(),
    };
    app.control.refresh().await?;
    let directory = app.control.directory();
    let all = directory.departed.values().map(|departed| DepartedOne {
        clinician: departed.clinician,
        name: names.get(&departed.clinician).cloned(),
        new_clinic: departed.new_clinic.clone(),
    });
    let fits = |one: &DepartedOne| {
        let texts = [one.new_clinic.as_str()].into_iter().chain(one.name.as_deref());
        sought.as_ref().is_none_or(|sought| sought.is_in(texts))
    };
    let mut clinicians: Vec<DepartedOne> = all.filter(fits).collect();
    clinicians.sort_by(|a, b| (a.name.is_none(), &a.name, a.clinician).cmp(&(b.name.is_none(), &b.name, b.clinician)));
    clinicians.truncate(limit);
    Ok(Json(Departed { clinicians }))
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
