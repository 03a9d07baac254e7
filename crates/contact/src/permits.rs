//! A branch asks for the right to make one contact. The answer is recorded either way; a refusal is an answer, not an error.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;
use tact_domain::patient::decide::Reason;
use tact_domain::patient::events::{Event, Permitted, Refused};
use tact_domain::patient::{Ask, OnNumber};
use tact_domain::{Branch, Channel, Purpose};
use tact_service::{Answer, App, Caller, Path, Permission, Problem, Receipt, Write};
use utoipa::ToSchema;
use uuid::Uuid;

/// What is asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AskFor {
    /// Why the patient is to be contacted: a purpose of the policy.
    #[schema(value_type = String, example = "appointment_reminder")]
    purpose: Purpose,
    /// How.
    #[schema(value_type = String, example = "phone")]
    channel: Channel,
    /// The branch that will make the contact.
    #[schema(value_type = String, example = "north")]
    branch: Branch,
    /// The occasion: the appointment, request, referral or recommended person. Absent: the nearest in time that is not over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    about: Option<Uuid>,
    /// Why, in words; demanded for emergencies. At most 2,000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// A permit of another patient who has the same number, if one contact is to be made for both: the same purpose and channel, about the
    /// same day, and nobody has begun it. It does not stand in the way then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    with: Option<Uuid>,
}

/// The answer: `permitted` or `refused`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Answered {
    /// `permitted` or `refused`.
    pub(crate) decision: &'static str,
    /// For a yes: the permit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permit: Option<Uuid>,
    /// For a yes: the moment from which it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// The occasion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) about: Option<Uuid>,
    /// For a yes: what allowed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) basis: Option<Value>,
    /// For a no: every reason that holds. Of other branches' contacts it shows purpose, channel and time only.
    #[schema(value_type = Vec<Object>)]
    pub(crate) reasons: Vec<Reason>,
    /// For a no: the next time at which asking makes sense, where one exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<DateTime<Utc>>,
    /// The version of the policy.
    #[schema(value_type = String)]
    pub(crate) policy: SmolStr,
    /// The version of the rules of decision.
    pub(crate) rules: u16,
    /// What was recorded; absent when nothing was.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) receipt: Option<Receipt>,
}

/// Ask for a permit
///
/// Records the decision and answers with it. Use the permit within its life: make the contact, then record it with the permit's id.
#[utoipa::path(
    post, path = "/v1/patients/{patient}/permits", tag = "contact",
    params(("patient" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = AskFor,
    responses((status = 200, description = "What was asked for", body = Answered), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Path(patient): Path<Uuid>,
    write: Write<AskFor>,
) -> Result<Answer<Answered>, Problem> {
    write.caller.may(Permission::Contact)?;
    write.caller.at(&write.body.branch)?;
    app.branch("branch", &write.body.branch).await?;
    let body = &write.body;
    let reason = match &body.reason {
        Some(text) => Some(app.note(write.id("reason"), patient, "reason", text).await?),
        None => None,
    };
    let ask = Ask {
        permit: write.id("permit"),
        purpose: body.purpose.clone(),
        channel: body.channel,
        branch: body.branch.clone(),
        about: body.about,
        reason,
        number: OnNumber::NotAsked,
    };
    let command = write.command(patient, None, Some(&body.branch));
    let done = tact_service::permit::ask(&app.transactor, &app.control, &app.numbers, patient, &command, &ask, body.with).await?;
    let receipt = Some(Receipt::from(&done));
    let answer = match done.recorded.event {
        Event::Permitted(permitted) => Answered::yes(permitted, receipt)?,
        Event::Refused(refused) => Answered::no(refused, receipt, &write.caller),
        other => return Err(Problem::hidden(format!("an ask was recorded as `{}`", other.kind()))),
    };
    Ok(Answer(answer, done.position, true))
}

impl Answered {
    pub(crate) fn yes(permitted: Permitted, receipt: Option<Receipt>) -> Result<Self, Problem> {
        Ok(Self {
            decision: "permitted",
            permit: Some(permitted.permit),
            expires_at: Some(permitted.expires_at),
            about: permitted.about,
            basis: Some(serde_json::to_value(&permitted.basis).map_err(Problem::hidden)?),
            reasons: Vec::new(),
            next: None,
            policy: permitted.policy,
            rules: permitted.rules,
            receipt,
        })
    }

    pub(crate) fn no(refused: Refused, receipt: Option<Receipt>, caller: &Caller) -> Self {
        let mut reasons = refused.reasons;
        reasons.iter_mut().for_each(|reason| shown_to(reason, caller));
        Self {
            decision: "refused",
            permit: None,
            expires_at: None,
            about: refused.about,
            basis: None,
            reasons,
            next: refused.next,
            policy: refused.policy,
            rules: refused.rules,
            receipt,
        }
    }
}

/// Of another branch's contacts a caller sees purpose, channel and time only.
pub(crate) fn shown_to(reason: &mut Reason, caller: &Caller) {
    for item in &mut reason.counted {
        if item.branch.as_ref().is_some_and(|branch| !caller.covers(branch)) {
            item.branch = None;
            item.contact = None;
            item.permit = None;
        }
    }
}
