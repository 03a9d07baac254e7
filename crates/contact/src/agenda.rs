//! What one patient is owed, now and later, and what may be done with them now: for each purpose of the policy on the channel that is suggested.
//!
//! Looking records nothing and promises nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::agenda::suggested;
use tact_domain::patient::decide::Reason;
use tact_domain::patient::{self, Ask, Decision, OnNumber, agenda};
use tact_domain::policy::PurposeRule;
use tact_domain::{Branch, Channel, Purpose};
use tact_service::control::in_force;
use tact_service::number::Sight;
use tact_service::permit::would_be;
use tact_service::transact::Failure;
use tact_service::{App, Caller, Path, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::permits::shown_to;

/// From where one looks.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct From {
    /// The branch that would make the contacts.
    #[param(value_type = String)]
    branch: Branch,
}

/// A contact that the patient is owed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AgendaEntry)]
pub(crate) struct Owed {
    #[schema(value_type = String)]
    purpose: Purpose,
    /// Its occasion, and of which kind it is.
    about: Uuid,
    #[schema(value_type = String, example = "upcoming_appointment")]
    occasion: tact_domain::OccasionKind,
    /// The occasion's time.
    at: DateTime<Utc>,
    due_from: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_until: Option<DateTime<Utc>>,
    /// The branch on whose worklist it is.
    #[schema(value_type = String)]
    branch: Branch,
    /// Whether it needs an announcement that nobody has made.
    to_announce: bool,
}

/// What a decision on a purpose would be now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MayNow {
    #[schema(value_type = String)]
    purpose: Purpose,
    /// The channel that is suggested; absent where the policy forbids the purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    channel: Option<Channel>,
    /// The occasion, if it is permitted and has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<Uuid>,
    permitted: bool,
    /// If not: everything that stands in the way.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Reason>,
    /// If not: the next time at which asking makes sense, where one exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<DateTime<Utc>>,
}

/// What a patient is owed, and what may be done now.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Agenda {
    patient: Uuid,
    /// The moment at which it was looked at.
    now: DateTime<Utc>,
    /// The version of the policy.
    policy: String,
    /// By purpose, then by time.
    owed: Vec<Owed>,
    /// Every purpose that the policy names.
    now_possible: Vec<MayNow>,
}

/// Show what a patient is owed, and what may be done now
#[utoipa::path(
    get, path = "/v1/patients/{patient}/agenda", tag = "contact",
    params(("patient" = Uuid, Path), From),
    responses((status = 200, description = "What was asked for", body = Agenda), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_patient(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
    Query(from): Query<From>,
) -> Result<Json<Agenda>, Problem> {
    caller.may(Permission::Contact)?;
    caller.at(&from.branch)?;
    app.branch("branch", &from.branch).await?;
    let policies = app.control.ready_to_decide().await?;
    let known = app.transactor.patient_now(patient).await?;
    if let Some(reason) = known.set_aside() {
        return Err(Failure::SetAside { patient, reason: reason.clone() }.into());
    }
    patient::admit::admit_ask(&known.state)?;
    let clock = app.clock.now();
    let now = known.state.last_recorded_at.map_or(clock, |last| last.max(clock));
    let policy = &in_force(&policies, now)?.policy;
    let sight = app.numbers.look(&app.transactor, patient, known.position).await?;
    let state = &known.state;
    let owed = agenda(state, policy, &app.control.zone(state));
    let possible = policy.purposes.iter().map(|(purpose, rule)| {
        let about = owed.iter().find(|entry| entry.purpose == *purpose && entry.is_due(now)).map(|entry| entry.about);
        let ask = match rule {
            PurposeRule::Allowed(_) => suggested(state, policy, purpose, about.unwrap_or_default(), &from.branch),
            PurposeRule::Forbidden(_) => None,
        };
        possible(&app, &caller, &sight, policy, state, purpose, ask.map(|ask| Ask { about, ..ask }), &from.branch, now)
    });
    let now_possible = possible.collect();
    let owed = owed.into_iter().map(|entry| Owed {
        purpose: entry.purpose,
        about: entry.about,
        occasion: entry.occasion,
        at: entry.at,
        due_from: entry.from,
        due_until: entry.until,
        branch: entry.branch,
        to_announce: entry.to_announce,
    });
    Ok(Json(Agenda { patient, now, policy: policy.version.to_string(), owed: owed.collect(), now_possible }))
}

#[expect(clippy::too_many_arguments, reason = "all that a decision is made of, and who looks at it")]
fn possible(
    app: &App,
    caller: &Caller,
    sight: &Sight,
    policy: &tact_domain::policy::Policy,
    state: &tact_domain::patient::State,
    purpose: &Purpose,
    ask: Option<Ask>,
    branch: &Branch,
    now: DateTime<Utc>,
) -> MayNow {
    let channel = ask.as_ref().map(|ask| ask.channel);
    let ask = ask.unwrap_or_else(|| Ask {
        permit: Uuid::nil(),
        purpose: purpose.clone(),
        channel: Channel::Phone,
        branch: branch.clone(),
        about: None,
        reason: None,
        number: OnNumber::NotAsked,
    });
    let purpose = purpose.clone();
    match would_be(sight, state, policy, &ask, None, now, || app.control.zone(state)) {
        Decision::Permitted(permitted) => {
            MayNow { purpose, channel, about: permitted.about, permitted: true, reasons: Vec::new(), next: None }
        }
        Decision::Refused(refused) => {
            let mut reasons = refused.reasons;
            reasons.iter_mut().for_each(|reason| shown_to(reason, caller));
            MayNow { purpose, channel, about: None, permitted: false, reasons, next: refused.next }
        }
    }
}
