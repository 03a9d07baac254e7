//! What becomes of a branch's messages, and those of which nobody says how they ended: a person closes them. None is forgotten.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::{Branch, Channel, Outcome, Purpose};
use tact_service::app::database;
use tact_service::{Answer, App, Caller, Path, Permission, Problem, Query, Write};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::Desk;
use crate::settle::{Settled, settle};
use crate::status::{Said, Word};
use crate::store::{Count, Dispatch, Stage};

/// Which of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// `review` (if absent: those that a person is to close), `waiting`, `open`, `covered` by another's contact, `done` or `dropped`.
    #[param(inline)]
    state: Option<InState>,
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// At most so many, 1 to 200; 50 if absent.
    limit: Option<u32>,
}

/// How a message stands.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum InState {
    /// A person is to close it.
    Review,
    /// It is to be begun.
    Waiting,
    /// It has begun, and how it ended is not known.
    Open,
    /// It has begun as part of another's contact, who has the same number.
    Covered,
    /// How it ended is recorded.
    Done,
    /// It never began, and will not.
    Dropped,
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DispatchedMessage)]
pub(crate) struct One {
    /// The contact, which is the message's id too.
    contact: Uuid,
    permit: Uuid,
    patient: Uuid,
    #[schema(value_type = String)]
    purpose: Purpose,
    #[schema(value_type = String, example = "sms")]
    channel: Channel,
    /// Why it was dropped, or is to be closed by a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "no_outcome")]
    reason: Option<String>,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime<Utc>>,
    /// What the gateway has said of it, as far as that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "sent")]
    status: Option<&'static str>,
    /// How it ended, as that is recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    outcome: Option<Outcome>,
}

impl From<Dispatch> for One {
    fn from(dispatch: Dispatch) -> Self {
        let status = dispatch.said.and_then(|said| match said.word {
            Word::Gateway(status) => Some(status.as_str()),
            Word::Own(_) => None,
        });
        Self {
            contact: dispatch.covered_by.unwrap_or(dispatch.contact),
            permit: dispatch.permit,
            patient: dispatch.patient,
            purpose: dispatch.purpose,
            channel: dispatch.channel,
            reason: dispatch.reason.map(Into::into),
            started_at: dispatch.started_at,
            status,
            outcome: dispatch.outcome,
        }
    }
}

/// A page of a branch's messages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Dispatched {
    #[schema(value_type = String)]
    branch: Branch,
    messages: Vec<One>,
    /// The `after` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Uuid>,
}

/// Show a branch's calls and messages out
///
/// Those in `review` have begun, and the gateway does not say how they ended: they count as attempts until a person closes them.
#[utoipa::path(
    get, path = "/v1/branches/{branch}/dispatches", tag = "dispatch",
    params(("branch" = String, Path), Wanted),
    responses((status = 200, description = "What was asked for", body = Dispatched), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Extension(desk): Extension<Arc<Desk>>,
    caller: Caller,
    Path(branch): Path<Branch>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<Dispatched>, Problem> {
    caller.may(Permission::SeeWorklist)?;
    caller.at(&branch)?;
    app.branch("branch", &branch).await?;
    let limit = wanted.limit.unwrap_or(50);
    if !(1..=200).contains(&limit) {
        return Err(Problem::field("limit", format!("{limit} is not between 1 and 200")));
    }
    let stage = match wanted.state.unwrap_or(InState::Review) {
        InState::Review => Stage::Review,
        InState::Waiting => Stage::Waiting,
        InState::Open => Stage::Open,
        InState::Covered => Stage::Covered,
        InState::Done => Stage::Done,
        InState::Dropped => Stage::Dropped,
    };
    let found = desk.store.list(&branch, stage, wanted.after.unwrap_or_default(), limit).await.map_err(database)?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.permit);
    Ok(Json(Dispatched { branch, messages: found.into_iter().map(One::from).collect(), next }))
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closing {
    /// As far as anybody can tell: when unsure, `no_answer`, which counts as an attempt.
    #[schema(value_type = String, example = "no_answer")]
    outcome: Outcome,
}

/// What is recorded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Closed {
    contact: Uuid,
    /// The outcome that is recorded: the gateway's word, if it has said one meanwhile.
    #[schema(value_type = String)]
    outcome: Outcome,
}

/// Say how a message ended of which the gateway does not
///
/// What the gateway says later, if it does, corrects it.
#[utoipa::path(
    post, path = "/v1/branches/{branch}/dispatches/{contact}/outcome", tag = "dispatch",
    params(("branch" = String, Path), ("contact" = Uuid, Path), ("Idempotency-Key" = String, Header)),
    request_body = Closing,
    responses((status = 200, description = "What was asked for", body = Closed), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Extension(desk): Extension<Arc<Desk>>,
    Path((branch, contact)): Path<(Branch, Uuid)>,
    write: Write<Closing>,
) -> Result<Answer<Closed>, Problem> {
    write.caller.may(Permission::Contact)?;
    write.caller.at(&branch)?;
    app.branch("branch", &branch).await?;
    let found = desk.store.of_contact(contact).await.map_err(database)?.filter(|dispatch| dispatch.branch == branch);
    match found.map(|dispatch| dispatch.stage) {
        Some(Stage::Open | Stage::Review | Stage::Done) => {}
        Some(Stage::Waiting | Stage::Dropped | Stage::Covered) => {
            return Err(Problem::conflict("this message has not begun: there is nothing to close"));
        }
        None => return Err(Problem::not_found(format!("branch `{branch}` has sent no message {contact}"))),
    }
    let said = Said { word: Word::Own(write.body.outcome), at: app.clock.now() };
    match settle(&desk, contact, said).await? {
        Settled::Outcome(outcome) => {
            let position = app.transactor.log().head().await?;
            Ok(Answer(Closed { contact, outcome }, position, true))
        }
        Settled::Open | Settled::NotOurs => Err(Problem::hidden(format!("message {contact} cannot be closed"))),
    }
}

/// The counts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DispatchFigures {
    /// How many messages stand alike.
    #[schema(value_type = Vec<Object>)]
    messages: Vec<Count>,
}

/// Count calls and messages out
///
/// By branch, channel, purpose, state, reason and outcome; of the caller's branches.
#[utoipa::path(
    get, path = "/v1/dispatches/figures", tag = "dispatch",
    responses((status = 200, description = "What was asked for", body = DispatchFigures), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn figures(Extension(desk): Extension<Arc<Desk>>, caller: Caller) -> Result<Json<DispatchFigures>, Problem> {
    caller.may(Permission::SeeFigures)?;
    let mut messages = desk.store.counts().await.map_err(database)?;
    messages.retain(|count| count.branch.parse().is_ok_and(|branch| caller.covers(&branch)));
    Ok(Json(DispatchFigures { messages }))
}
