//! A person becomes known to the network.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::Branch;
use tact_domain::patient::admit::admit_time;
use tact_domain::patient::events::{Event, Registered};
use tact_domain::patient::state::Standing;
use tact_personal::{Link, NewPerson, Put};
use tact_service::app::database;
use tact_service::fields::MAX_LIST;
use tact_service::transact::Failure;
use tact_service::{Answer, App, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::details::{ExternalId, PersonDetails, language, time_zone};

/// The person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPatient {
    /// When they became known; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// The branch that looks after the person.
    #[schema(value_type = String, example = "north")]
    home_branch: Branch,
    /// The name of the person's time zone; absent: the branch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// The language to speak, a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// The patient who recommended the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recommended_by: Option<Uuid>,
    /// The patient who speaks for this one, such as a parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guardian: Option<Uuid>,
    /// Who the person is.
    #[serde(default)]
    person: PersonDetails,
    /// The person's ids in other systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    external_ids: Vec<ExternalId>,
}

/// The most possible duplicates that are named.
const MOST_DUPLICATES: usize = 10;

/// What was recorded, and who may be the same person.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Registration {
    #[serde(flatten)]
    receipt: Receipt,
    /// Patients who are likely to be the same person, the likeliest first, at most 10: look at them before you go on. Absent for callers who may
    /// not see people, and if it could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    possible_duplicates: Option<Vec<Uuid>>,
}

/// Register a patient
///
/// The answer's `patient` is the new id. Asked again under the same key it is the same patient. Whoever is alike is named and refuses nothing.
#[utoipa::path(
    post, path = "/v1/patients", tag = "patient",
    params(("Idempotency-Key" = String, Header)),
    request_body = NewPatient,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Registration), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn register(State(app): State<Arc<App>>, write: Write<NewPatient>) -> Result<Answer<Registration>, Problem> {
    write.caller.may(Permission::Register)?;
    write.caller.at(&write.body.home_branch)?;
    let body = &write.body;
    let branch = app.branch("home_branch", &body.home_branch).await?;
    let clock = app.clock.now();
    let details = body.person.check(clock)?;
    admit_time(body.time.unwrap_or(clock), clock)?;
    if body.external_ids.len() > MAX_LIST {
        return Err(Problem::field(
            "external_ids",
            format!("it has {} entries, the most is {MAX_LIST}", body.external_ids.len()),
        ));
    }
    for id in &body.external_ids {
        id.check()?;
    }
    for (field, other) in [("recommended_by", body.recommended_by), ("guardian", body.guardian)] {
        known(&app, field, other).await?;
    }
    let patient = write.id("patient");
    let event = Event::Registered(Registered {
        home_branch: body.home_branch.clone(),
        time_zone: body.time_zone.as_deref().map(time_zone).transpose()?.unwrap_or(branch.time_zone),
        language: body.language.as_deref().map(language).transpose()?,
        recommended_by: body.recommended_by,
        guardian: body.guardian,
    });
    // Before anything is kept: what is refused must leave nothing personal behind.
    for id in &body.external_ids {
        match app.personal.by_external_id(&id.system, &id.value).await.map_err(database)? {
            Some(other) if other != patient => return Err(taken(other)),
            _ => {}
        }
    }
    // Personal data first: if the process dies in between, the same command finds its own data there and goes on.
    let person = NewPerson { patient, command: write.fingerprint(), details };
    match app.personal.register(&person).await.map_err(database)? {
        Put::Done => {}
        Put::Other => return Err(Failure::KeyReused.into()),
        Put::Erased => return Err(Problem::conflict("the patient whom this command registered was erased")),
    }
    for id in &body.external_ids {
        match app.personal.link(&id.system, &id.value, patient).await.map_err(database)? {
            Link::Done => {}
            Link::Erased => return Err(Problem::conflict("the patient whom this command registered was erased")),
            Link::Other(other) => {
                // Somebody was faster by a moment. Nobody will ever be known by this id, so nothing is kept under it.
                app.personal.erase(patient).await.map_err(database)?;
                return Err(taken(other));
            }
        }
    }
    let command = write.command(patient, body.time, Some(&body.home_branch));
    let done = app.transactor.record(patient, &command, &event).await?;
    let possible_duplicates = if write.caller.has(Permission::SeePerson) { duplicates(&app, patient, body).await } else { None };
    Ok(Answer(Registration { receipt: (&done).into(), possible_duplicates }, done.position, done.repeated))
}

/// Who is likely to be the same person. The patient is registered by now, so nothing that fails here may refuse them.
async fn duplicates(app: &App, patient: Uuid, body: &NewPatient) -> Option<Vec<Uuid>> {
    let found = async {
        let candidates = app.personal.alike_to(patient).await.map_err(database)?;
        let mut likely = app.personal.likely(&candidates).await.map_err(database)?;
        likely.sort_by_key(|pair| std::cmp::Reverse(pair.likeness.score));
        let mut ids = Vec::new();
        for pair in likely.iter().take(4 * MOST_DUPLICATES) {
            let record = if pair.one == patient { pair.other } else { pair.one };
            // Somebody whom no event has registered yet is no patient.
            let Ok((survivor, known)) = app.known_patient(record).await else { continue };
            let two = [body.guardian, body.recommended_by].contains(&Some(survivor)) || survivor == patient;
            let open = matches!(known.state.standing, Standing::Open | Standing::Died);
            if open && !two && !ids.contains(&survivor) && ids.len() < MOST_DUPLICATES {
                ids.push(survivor);
            }
        }
        Ok::<_, Problem>(ids)
    };
    match found.await {
        Ok(ids) => Some(ids),
        Err(_problem) => {
            tracing::warn!(%patient, "it could not be found out whether somebody like this patient is known");
            None
        }
    }
}

fn taken(by: Uuid) -> Problem {
    Problem::conflict("this id of another system belongs to a patient who is known already")
        .with("field", "external_ids")
        .with("patient", by.to_string())
}

/// # Errors
/// A problem that names the field, if it names a patient whom nobody knows.
pub(crate) async fn known(app: &App, field: &'static str, patient: Option<Uuid>) -> Result<(), Problem> {
    let Some(patient) = patient else { return Ok(()) };
    let found = app.transactor.patient_now(patient).await?;
    if found.state.standing == Standing::Unknown && found.set_aside().is_none() {
        return Err(Problem::field(field, format!("no patient has the id {patient}")));
    }
    Ok(())
}
