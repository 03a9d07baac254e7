//! A branch of the network is listed, or changed: what is sent is the branch as it is from now on.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::control::{BranchListed, DirectoryEvent, Place};
use tact_domain::{Branch, ServiceCode};
use tact_service::{Answer, App, Path, Permission, Problem, Write, fields};
use utoipa::ToSchema;

use crate::hours::Hours;
use crate::noted::Entry;
use crate::{hours, place};

/// The branch.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BranchAsItIs {
    /// Its name, for people; at most 200 characters.
    #[schema(example = "North")]
    pub(crate) name: String,
    /// The name of its time zone.
    #[schema(example = "Europe/Moscow")]
    time_zone: String,
    /// Where it is, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"latitude": 55.7558, "longitude": 37.6173}))]
    place: Option<Place>,
    /// Its working hours by day, `monday` to `sunday`; an absent day is closed.
    #[serde(default, skip_serializing_if = "Hours::is_empty")]
    #[schema(value_type = Object, example = json!({"monday": {"from": "09:00", "until": "18:00"}}))]
    hours: Hours,
    /// The services that it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, example = json!(["x_ray"]))]
    services: Vec<ServiceCode>,
}

impl From<BranchListed> for BranchAsItIs {
    fn from(listed: BranchListed) -> Self {
        let BranchListed { branch: _, name, time_zone, place, hours, services } = listed;
        Self { name, time_zone: time_zone.into(), place, hours, services }
    }
}

/// What was noted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BranchNoted {
    #[schema(value_type = String)]
    branch: Branch,
    #[serde(flatten)]
    entry: Entry,
}

/// List a branch, or change it
///
/// What is left out is no longer so.
#[utoipa::path(
    put, path = "/v1/branches/{code}", tag = "directory",
    params(("code" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = BranchAsItIs,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = BranchNoted), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Path(branch): Path<Branch>,
    write: Write<BranchAsItIs>,
) -> Result<Answer<BranchNoted>, Problem> {
    write.caller.may(Permission::ManageDirectory)?;
    write.caller.at(&branch)?;
    let body = &write.body;
    fields::line("name", &body.name)?;
    let time_zone = fields::time_zone(&body.time_zone)?;
    body.place.map(|at| place::check("place", at)).transpose()?;
    hours::check(&body.hours)?;
    fields::distinct("services", &body.services)?;
    let event = DirectoryEvent::BranchListed(BranchListed {
        branch: branch.clone(),
        name: body.name.trim().to_owned(),
        time_zone,
        place: body.place,
        hours: body.hours.clone(),
        services: body.services.clone(),
    });
    let noted = app.control.note(&write.control_command(), event).await?;
    Ok(Answer(BranchNoted { branch, entry: Entry::new("branch.listed", &noted) }, noted.position, noted.repeated))
}
