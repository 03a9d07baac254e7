//! How a patient's consents and wishes stand now. Looking records nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use tact_domain::patient::State as Patient;
use tact_domain::patient::decide::{Consent, consent};
use tact_domain::policy::{Basis, Policy, PurposeRule};
use tact_domain::{Channel, DailyHours, Purpose, Reach, Time};
use tact_service::{App, Caller, Path, Permission, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// Consents and wishes of one patient.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Overview {
    /// The patient: the survivor, if the one named was merged.
    patient: Uuid,
    /// The moment for which this holds.
    at: DateTime<Utc>,
    /// For each purpose and channel on which there was ever a word, and those that the policy in force allows with consent only.
    consents: Vec<Standing>,
    /// How the patient wishes to be reached.
    preferences: Wishes,
}

/// How consent stands for one purpose on one channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Standing {
    #[schema(value_type = String)]
    purpose: Purpose,
    #[schema(value_type = String)]
    channel: Channel,
    /// `missing`, `active`, `withdrawn` or `expired`.
    status: &'static str,
    /// Since when; absent for `missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    /// For `active`: the document behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Uuid>,
    /// For `active`: when it runs out, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
}

/// The patient's wishes, each with the time at which it was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Wishes {
    /// `normal` unless the patient said otherwise.
    #[schema(value_type = String)]
    reach: Reach,
    #[serde(skip_serializing_if = "Option::is_none")]
    reach_since: Option<DateTime<Utc>>,
    /// The patient's quiet hours; several, if patients with different ones were merged: all of them hold.
    #[schema(value_type = Vec<Object>)]
    quiet_hours: Vec<DailyHours>,
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_channel: Option<Channel>,
}

/// See a patient's consents and wishes
#[utoipa::path(
    get, path = "/v1/patients/{patient}/consents", tag = "consent",
    params(("patient" = Uuid, Path)),
    responses((status = 200, description = "What was asked for", body = Overview), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn overview(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
) -> Result<Json<Overview>, Problem> {
    caller.may(Permission::SeeHistory)?;
    let (patient, known) = app.known_patient(patient).await?;
    let at = app.clock.now();
    let policies = app.control.policies();
    let policy = policies.in_force(at).map(|published| published.policy.as_ref());
    Ok(Json(Overview { patient, at, consents: consents(&known.state, policy, at), preferences: wishes(&known.state) }))
}

fn consents(patient: &Patient, policy: Option<&Policy>, at: Time) -> Vec<Standing> {
    let needed = needed(policy);
    let pairs: BTreeSet<(Purpose, Channel)> = needed.into_iter().chain(words(patient)).collect();
    pairs.into_iter().map(|(purpose, channel)| standing(patient, purpose, channel, at)).collect()
}

/// What the policy allows with consent only.
fn needed(policy: Option<&Policy>) -> Vec<(Purpose, Channel)> {
    let rules = policy.into_iter().flat_map(|policy| &policy.purposes);
    rules
        .filter_map(|(purpose, rule)| match rule {
            PurposeRule::Allowed(rule) if rule.basis == Basis::Consent => Some((purpose, rule)),
            _ => None,
        })
        .flat_map(|(purpose, rule)| rule.channels.iter().map(|channel| (purpose.clone(), *channel)))
        .collect()
}

/// Every purpose and channel of which the patient ever spoke. A withdrawal of everything speaks of what was ever granted.
fn words(patient: &Patient) -> Vec<(Purpose, Channel)> {
    let granted = patient.grants.iter().flat_map(|g| g.channels.iter().map(|channel| (g.purpose.clone(), *channel)));
    let withdrawn = patient.withdrawals.iter().flat_map(|w| {
        let channels = w.channels.as_deref().unwrap_or(Channel::ALL);
        w.purpose.iter().flat_map(move |purpose| channels.iter().map(|channel| (purpose.clone(), *channel)))
    });
    granted.chain(withdrawn).collect()
}

fn standing(patient: &Patient, purpose: Purpose, channel: Channel, at: Time) -> Standing {
    let (status, since, document, expires_at) = match consent(patient, &purpose, channel, at) {
        Consent::Missing => ("missing", None, None, None),
        Consent::Active(grant) => ("active", Some(grant.time), Some(grant.document), grant.expires_at),
        Consent::Withdrawn(since) => ("withdrawn", Some(since), None, None),
        Consent::Expired(since) => ("expired", Some(since), None, None),
    };
    Standing { purpose, channel, status, since, document, expires_at }
}

fn wishes(patient: &Patient) -> Wishes {
    let wishes = &patient.preferences;
    let own = wishes.quiet_hours.iter().chain(&wishes.absorbed_quiet_hours);
    Wishes {
        reach: wishes.reach.map_or(Reach::Normal, |(reach, _)| reach),
        reach_since: wishes.reach.map(|(_, since)| since),
        quiet_hours: own.map(|(hours, _)| *hours).collect(),
        preferred_channel: wishes.preferred_channel.map(|(channel, _)| channel),
    }
}
