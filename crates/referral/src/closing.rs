//! A care referral is done with, and expects nothing in return.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::events::{Event, ReferralRef};
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

/// When it was done with.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closing {
    /// With an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
}

/// Close a care referral
///
/// A person known only through care referrals is forgotten 30 days after the last one closed, or as long after as the network has set.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/referrals/{referral}/closing", tag = "referral",
    params(("patient" = Uuid, Path), ("referral" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Closing,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Path((patient, referral)): Path<(Uuid, Uuid)>,
    write: Write<Closing>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Refer)?;
    let command = write.command(patient, write.body.time, None);
    let done = app.transactor.record(patient, &command, &Event::ReferralClosed(ReferralRef { referral })).await?;
    Ok(receipt(&done))
}
