//! Something about a patient has changed.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::admit::admit;
use tact_domain::patient::events::{Event, ProfileChanged};
use tact_domain::{Branch, Channel};
use tact_personal::Details;
use tact_service::app::database;
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::details::{PersonDetails, language, time_zone};
use crate::register::known;

/// What has changed: what is absent stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// When; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// The branch that looks after the person.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home_branch: Option<Branch>,
    /// The name of the person's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    /// The language to speak, a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// The patient who speaks for this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guardian: Option<Uuid>,
    /// Who the person is. A new number or address makes the channels that use it reachable again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    person: Option<PersonDetails>,
}

/// Change a patient
#[utoipa::path(
    patch, path = "/v1/patients/{patient}", tag = "patient",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Change,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Change>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Register)?;
    let body = &write.body;
    let (survivor, now) = app.known_patient(patient).await?;
    if let Some(branch) = &body.home_branch {
        write.caller.at(branch)?;
        app.branch("home_branch", branch).await?;
    }
    known(&app, "guardian", body.guardian).await?;
    let details = body.person.as_ref().map(|person| person.check(app.clock.now())).transpose()?;
    let event = Event::ProfileChanged(ProfileChanged {
        home_branch: body.home_branch.clone(),
        time_zone: body.time_zone.as_deref().map(time_zone).transpose()?,
        language: body.language.as_deref().map(language).transpose()?,
        guardian: body.guardian,
        channels: details.as_ref().map(new_channels),
    });
    let command = write.command(patient, body.time, None);
    if let Some(details) = details {
        // Asked again later, it must not bring back what was true then.
        if let Some(done) = app.transactor.carried_out(survivor, &command).await? {
            return Ok(receipt(&done));
        }
        let clock = app.clock.now();
        admit(&now.state, &event, body.time.unwrap_or(clock), clock)?;
        // Personal data first: the event says that it is there.
        if !app.personal.change(survivor, details).await.map_err(database)? {
            return Err(Problem::conflict("the patient was erased; nothing personal is kept of them"));
        }
    }
    Ok(receipt(&app.transactor.record(survivor, &command, &event).await?))
}

/// The channels that new details make reachable again.
fn new_channels(details: &Details) -> Vec<Channel> {
    let mut channels = Vec::new();
    if details.phone.is_some() {
        channels.extend([Channel::Phone, Channel::AutoCall, Channel::Sms, Channel::Messenger]);
    }
    if details.email.is_some() {
        channels.push(Channel::Email);
    }
    if details.address.is_some() {
        channels.push(Channel::Letter);
    }
    channels
}
