//! A place was found for someone, and perhaps a time.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::admit;
use tact_domain::patient::events::{Event, ReferralArranged};
use tact_domain::to_millis;
use tact_service::{Answer, App, Path, Permission, Problem, Receipt, Write, fields, receipt};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::providers::{directory_with, fits};

/// What was arranged.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrangement {
    /// When it was arranged, with an offset; absent: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time: Option<DateTime<Utc>>,
    /// Who will help: a provider of the directory that offers what is needed.
    provider: Uuid,
    /// When, with an offset, if a time was booked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    starts_at: Option<DateTime<Utc>>,
}

/// Arrange a care referral
///
/// From then on the patient may be called back, to say where to go.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/referrals/{referral}/arrangement", tag = "referral",
    params(("patient" = Uuid, Path), ("referral" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Arrangement,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = Receipt), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn arrange(
    State(app): State<Arc<App>>,
    Path((patient, referral)): Path<(Uuid, Uuid)>,
    write: Write<Arrangement>,
) -> Result<Answer<Receipt>, Problem> {
    write.caller.may(Permission::Refer)?;
    let body = &write.body;
    if let Some(starts_at) = body.starts_at {
        fields::plausible("starts_at", starts_at, app.clock.now())?;
    }
    let directory = directory_with(&app, body.provider).await?;
    let event =
        Event::ReferralArranged(ReferralArranged { referral, provider: body.provider, starts_at: body.starts_at.map(to_millis) });
    let command = write.command(patient, body.time, None);
    let done = app
        .transactor
        .transact(patient, &command, |state, moment| {
            admit(state, &event, command.time.unwrap_or(moment.now), moment.now)?;
            if let Some(open) = state.referrals.iter().find(|r| r.id == referral) {
                fits(&directory, body.provider, &open.need)?;
            }
            Ok(event.clone())
        })
        .await?;
    Ok(receipt(&done))
}
