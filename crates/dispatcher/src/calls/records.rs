//! A telephone exchange hands over the calls that it has recorded, as often as it likes: each is taken once.

use std::sync::Arc;

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::{Branch, Direction, Purpose, to_millis};
use tact_personal::calls::Call;
use tact_service::app::database;
use tact_service::{Answer, App, Permission, Problem, Write, fields};
use utoipa::ToSchema;
use uuid::Uuid;

use super::matching::{Disposition, Known, Matched, take as take_call};

/// The most calls at once.
const MOST: usize = 500;
/// The longest call, in seconds: a day.
const LONGEST: u32 = 86_400;

/// Calls.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Records {
    /// 1 to 500 of them.
    calls: Vec<Record>,
}

/// A call as the exchange recorded it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = CallRecord)]
pub(crate) struct Record {
    /// How the exchange calls this record; a record that comes again under it is the same.
    #[schema(example = "cdr-1772442000-17")]
    record: String,
    /// `outbound` or `inbound`.
    #[schema(value_type = String, example = "outbound")]
    direction: Direction,
    /// The other side's number.
    #[schema(example = "+74950000000")]
    number: String,
    /// When it began, with an offset.
    begun_at: DateTime<Utc>,
    /// How long it was talked, in seconds.
    #[schema(example = 95)]
    seconds: u32,
    /// `answered`, `no_answer`, `busy`, `voicemail` or `failed`.
    #[schema(value_type = String, example = "answered")]
    disposition: Disposition,
    /// The branch whose extension it was.
    #[schema(value_type = String, example = "north")]
    branch: Branch,
    /// The permit that it was made under, if the exchange was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    permit: Option<Uuid>,
    /// Who was called or is calling, if the exchange was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    patient: Option<Uuid>,
    /// What for, if the exchange was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "appointment_reminder")]
    purpose: Option<Purpose>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record(hidden)")
    }
}

/// What became of the calls, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Taken {
    calls: Vec<One>,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CallTaken)]
pub(crate) struct One {
    /// Its id here.
    call: Uuid,
    /// How the exchange calls it.
    #[schema(example = "cdr-1772442000-17")]
    record: String,
    /// `matched`, `review` (a person is to look at it) or `closed` (a person has).
    #[schema(example = "matched")]
    state: String,
    /// Why a person is to look at it: `nobody` has the number, or `several` people have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "nobody")]
    reason: Option<String>,
    /// Whose call it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    patient: Option<Uuid>,
    /// The contact that it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    contact: Option<Uuid>,
}

impl From<Call> for One {
    fn from(call: Call) -> Self {
        let Call { id, record, state, reason, patient, contact, .. } = call;
        Self { call: id, record, state, reason, patient, contact }
    }
}

/// Hand over calls that an exchange has recorded
///
/// Matched by permit, else by number and time. A call of ours to somebody who is known, without a permit, is recorded as a breach; what fits nobody
/// or several people waits for a person. Each record is taken once, however often it comes.
#[utoipa::path(
    post, path = "/v1/call-records", tag = "dispatch",
    params(("Idempotency-Key" = String, Header)),
    request_body = Records,
    responses((status = 200, description = "What was asked for", body = Taken), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn take(State(app): State<Arc<App>>, write: Write<Records>) -> Result<Answer<Taken>, Problem> {
    write.caller.may(Permission::Contact)?;
    let calls = &write.body.calls;
    if calls.is_empty() || calls.len() > MOST {
        return Err(Problem::field("calls", format!("it has {} entries; send 1 to {MOST}", calls.len())));
    }
    for (at, call) in calls.iter().enumerate() {
        check(&app, &write, at, call).await?;
    }
    let mut taken = Vec::with_capacity(calls.len());
    for (at, call) in calls.iter().enumerate() {
        taken.push(one(&app, &write, at, call).await?);
    }
    let position = app.transactor.log().head().await?;
    Ok(Answer(Taken { calls: taken }, position, true))
}

/// Everything before anything: of a list that is refused, nothing is recorded.
async fn check(app: &App, write: &Write<Records>, at: usize, call: &Record) -> Result<(), Problem> {
    let field = |name: &str, problem: String| Err(Problem::field(&format!("calls[{at}].{name}"), problem));
    write.caller.at(&call.branch)?;
    app.branch("branch", &call.branch).await?;
    fields::line("record", &call.record)?;
    if app.personal.dialled(&call.number).is_none() {
        return field(
            "number",
            "it is no telephone number; write it with the country's code, such as +7 and ten digits".to_owned(),
        );
    }
    if call.seconds > LONGEST {
        return field("seconds", format!("{} is more than a day", call.seconds));
    }
    if let Err(untrue) = tact_domain::patient::admit::admit_time(to_millis(call.begun_at), app.clock.now()) {
        return field("begun_at", untrue.to_string());
    }
    Ok(())
}

async fn one(app: &App, write: &Write<Records>, at: usize, call: &Record) -> Result<One, Problem> {
    let identity = write.caller.identity();
    let id = app.keys.derive(&[b"call", identity.as_bytes(), call.record.as_bytes()]);
    let whole = serde_json::to_vec(call).map_err(Problem::hidden)?;
    let fingerprint = app.keys.fingerprint(&[b"call", identity.as_bytes(), &whole]);
    if let Some(known) = app.personal.call(id).await.map_err(database)? {
        if known.command != fingerprint.cast_signed() {
            let problem = "another call was handed over under this name; each record needs a name of its own";
            return Err(Problem::field(&format!("calls[{at}].record"), problem));
        }
        return Ok(known.into());
    }
    let known = Known {
        id,
        fingerprint,
        actor: write.caller.actor(),
        branch: &call.branch,
        direction: call.direction,
        number: &call.number,
        begun_at: to_millis(call.begun_at),
        disposition: call.disposition,
        permit: call.permit,
        patient: call.patient,
        purpose: call.purpose.as_ref(),
    };
    let (state, reason, matched) = match take_call(app, &known).await? {
        Matched::Contact(patient, contact) => ("matched", None, Some((patient, contact))),
        Matched::Nobody => ("review", Some("nobody"), None),
        Matched::Several => ("review", Some("several"), None),
    };
    let waits = matched.is_none().then_some(call.number.as_str());
    let kept = Call {
        id,
        command: fingerprint.cast_signed(),
        record: call.record.clone(),
        branch: call.branch.as_str().to_owned(),
        direction: call.direction.as_str().to_owned(),
        begun_at: known.begun_at,
        seconds: i64::from(call.seconds),
        disposition: call.disposition.as_str().to_owned(),
        number: waits.and_then(|number| app.personal.dialled(number)),
        fingerprint: app.personal.fingerprint(waits),
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        patient: matched.map(|(patient, _)| patient),
        contact: matched.map(|(_, contact)| contact),
    };
    app.personal.add_call(&kept).await.map_err(database)?;
    Ok(kept.into())
}
