//! A patient's care referrals. Looking records nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tact_domain::ServiceCode;
use tact_service::{App, Caller, Path, Permission, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// The care referrals of one patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Referrals {
    /// The patient: the survivor, if the one named was merged.
    patient: Uuid,
    /// In the order in which they were opened.
    referrals: Vec<Entry>,
    /// When the person's details are erased, because we know them through care referrals only and all of those are closed, or were opened and
    /// nothing came of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    forgotten_at: Option<DateTime<Utc>>,
}

/// One care referral.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReferralEntry)]
pub(crate) struct Entry {
    referral: Uuid,
    /// The service that is needed.
    #[schema(value_type = String)]
    need: ServiceCode,
    /// `open`, `arranged` or `closed`.
    status: &'static str,
    opened_at: DateTime<Utc>,
    /// Who will help.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arranged_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<DateTime<Utc>>,
}

/// See a patient's care referrals
#[utoipa::path(
    get, path = "/v1/patients/{patient}/referrals", tag = "referral",
    params(("patient" = Uuid, Path)),
    responses((status = 200, description = "What was asked for", body = Referrals), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
) -> Result<Json<Referrals>, Problem> {
    caller.may(Permission::SeeHistory)?;
    let (patient, known) = app.known_patient(patient).await?;
    let mut referrals: Vec<Entry> = known
        .state
        .referrals
        .iter()
        .map(|referral| Entry {
            referral: referral.id,
            need: referral.need.clone(),
            status: match (referral.closed_at, referral.arranged) {
                (Some(_), _) => "closed",
                (None, Some(_)) => "arranged",
                (None, None) => "open",
            },
            opened_at: referral.opened_at,
            provider: referral.arranged.map(|(provider, _)| provider),
            arranged_at: referral.arranged.map(|(_, at)| at),
            closed_at: referral.closed_at,
        })
        .collect();
    referrals.sort_by_key(|r| (r.opened_at, r.referral));
    Ok(Json(Referrals { patient, referrals, forgotten_at: app.forget_at(&known.state) }))
}
