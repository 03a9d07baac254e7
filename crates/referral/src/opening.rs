//! Someone needs what we do not have.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::ServiceCode;
use tact_domain::patient::events::{Event, ReferralOpened};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::providers::offering;

/// What is needed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Need {
    /// When the person asked, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// The code of the service that the person needs.
    #[schema(value_type = String, example = "x_ray")]
    need: ServiceCode,
}

/// What was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReferralOpenedHere {
    /// The referral's id.
    referral: Uuid,
    /// How many providers in the directory offer what is needed. None: the need may be misspelt, or a provider has yet to be listed.
    offered_by: usize,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Open a care referral
///
/// Then find who can help with `GET /v1/providers?need=…`, arrange it, and call back once.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/referrals", tag = "referral",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Need,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = ReferralOpenedHere), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn open(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<Need>,
) -> Result<Answer<ReferralOpenedHere>, Problem> {
    write.caller.may(Permission::Refer)?;
    let body = &write.body;
    let referral = write.id("referral");
    let event = Event::ReferralOpened(ReferralOpened { referral, need: body.need.clone() });
    let command = write.command(patient, body.time, None);
    let done = app.transactor.record(patient, &command, &event).await?;
    let offered_by = offering(&app.control.directory(), &body.need).count();
    Ok(Answer(ReferralOpenedHere { referral, offered_by, receipt: (&done).into() }, done.position, done.repeated))
}
