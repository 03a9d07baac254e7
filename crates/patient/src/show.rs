//! Who a patient is, and how they wish to be reached.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tact_domain::patient::Untrue;
use tact_domain::patient::state::{Preferences, Standing};
use tact_personal::Details;
use tact_service::app::database;
use tact_service::transact::Failure;
use tact_service::{App, Caller, Page, Path, Permission, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// A patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shown {
    patient: Uuid,
    /// `open`, `died`, `erased`, or `merged` with the survivor's id.
    #[schema(value_type = Object)]
    standing: Standing,
    /// The branch that looks after the person.
    #[schema(value_type = Option<String>)]
    home_branch: Option<tact_domain::Branch>,
    time_zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guardian: Option<Uuid>,
    #[schema(value_type = Object)]
    preferences: Preferences,
    /// Who the person is; absent when it was erased or never known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    person: Option<Details>,
    /// The person's ids in other systems.
    external_ids: Vec<crate::details::ExternalId>,
    /// Those who were merged into this patient, with what is known of them. The patient's own number is the one to ring.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    merged: Vec<MergedRecord>,
    /// If an event of this patient cannot be read: what is wrong. No permits are granted until a person has looked.
    #[serde(skip_serializing_if = "Option::is_none")]
    set_aside: Option<String>,
}

/// Somebody who was merged into a patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MergedRecord {
    patient: Uuid,
    /// What is known under that id; it is theirs again if the merge is undone.
    #[schema(value_type = Object)]
    person: Details,
}

/// Show a patient
#[utoipa::path(
    get, path = "/v1/patients/{patient}", tag = "patient",
    params(("patient" = Uuid, Path)),
    responses((status = 200, description = "What was asked for", body = Shown), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn show(State(app): State<Arc<App>>, caller: Caller, Path(patient): Path<Uuid>) -> Result<Json<Shown>, Problem> {
    caller.may(Permission::SeePerson)?;
    let known = app.transactor.patient_now(patient).await?;
    let state = &known.state;
    if state.standing == Standing::Unknown && known.set_aside().is_none() {
        return Err(Untrue::UnknownPatient.into());
    }
    let person = app.personal.person(patient).await.map_err(database)?;
    let selves = if state.absorbed.is_empty() { vec![patient] } else { app.selves(patient).await.map_err(Failure::from)? };
    let merged = app.personal.people(&selves).await.map_err(database)?.into_iter().filter(|one| one.patient != patient);
    let merged = merged.map(|one| MergedRecord { patient: one.patient, person: one.details }).collect();
    let external_ids = app.personal.external_ids(patient).await.map_err(database)?;
    app.looked(&caller, &selves, Page::Person).await?;
    Ok(Json(Shown {
        patient,
        standing: state.standing,
        home_branch: state.home_branch.clone(),
        time_zone: state.time_zone.to_string(),
        language: state.language.as_ref().map(ToString::to_string),
        guardian: state.guardian,
        preferences: state.preferences.clone(),
        person: person.map(|person| person.details),
        external_ids: external_ids
            .into_iter()
            .map(|id| crate::details::ExternalId { system: id.system, value: id.value })
            .collect(),
        merged,
        set_aside: known.set_aside().map(ToString::to_string),
    }))
}
