//! What the services of one process share, and what every answer carries.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::{DateTime, Utc};
use serde::Serialize;
use smol_str::SmolStr;
use tact_database::DbError;
use tact_domain::control::{BranchListed, Policies};
use tact_domain::patient::Untrue;
use tact_domain::patient::state::{STRANGERS_KEPT_DAYS, Standing, State};
use tact_domain::{Branch, Purpose, Recorded, Time};
use tact_event_log::Position;
use tact_ledger::Ledger;
use tact_personal::{Personal, Put};
use tact_read_models::ReadDb;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use crate::access::{Access, Caller};
use crate::clock::Clock;
use crate::control::{Control, in_force};
use crate::ids::IdKey;
use crate::number::Numbers;
use crate::problem::Problem;
use crate::request::writes;
use crate::themes::Themes;
use crate::transact::{Done, Failure, Patient, Transactor};

/// What the services of one process share.
#[derive(Debug)]
pub struct App {
    /// The network's code.
    pub network: SmolStr,
    /// The clock.
    pub clock: Clock,
    /// Makes ids.
    pub keys: IdKey,
    /// Reads, decides, appends.
    pub transactor: Transactor,
    /// Policies and the directory.
    pub control: Control,
    /// Who is asking.
    pub access: Access,
    /// Telephone numbers.
    pub numbers: Numbers,
    /// Personal data.
    pub personal: Personal,
    /// The read models.
    pub read: ReadDb,
    /// What has been signed of the log.
    pub ledger: Ledger,
    /// The file with the key that signs, in a process that does.
    pub signing_key_file: Option<PathBuf>,
    /// Whose network it is, as it stands on papers.
    pub operator: Operator,
    /// The themes of feedback.
    pub themes: Arc<Themes>,
    /// For how many days a person is kept who is known only through care referrals.
    pub strangers_kept_days: u16,
}

/// Who keeps the personal data, as an act of its destruction must name them. What is not set is left blank on paper, to be filled in by hand.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Operator {
    /// The name of the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Example Clinics LLC")]
    pub name: Option<String>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Lenin St. 1, Moscow")]
    pub address: Option<String>,
    /// The name of the information system that holds the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Patient relations")]
    pub system: Option<String>,
}

/// Where an answer says how far the log has come: a read with it as `Tact-At-Least` sees what this command did.
pub const POSITION: HeaderName = HeaderName::from_static("tact-position");

/// Present while the clock is set, with the time that it shows.
pub const CLOCK_SET: HeaderName = HeaderName::from_static("tact-clock-set");

impl App {
    /// A branch of the network.
    ///
    /// # Errors
    /// A problem that names the field, the branch and the nearest one that is known.
    pub async fn branch(&self, field: &'static str, code: &Branch) -> Result<BranchListed, Problem> {
        if let Some(branch) = self.control.branch(code).await? {
            return Ok(branch);
        }
        let directory = self.control.directory();
        let near = tact_domain::nearest_word(code.as_str(), directory.branches.keys().map(Branch::as_str));
        let hint =
            near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_else(|| "; list it in the directory first".to_owned());
        Err(Problem::field(field, format!("no branch has the code `{code}`{hint}")))
    }

    /// Waits until the read models have come so far, for a few seconds at most.
    ///
    /// # Errors
    /// [`Problem::not_yet`] if they have not; a problem with the field, if the log itself has not.
    pub async fn caught_up(&self, position: Option<Position>) -> Result<(), Problem> {
        let Some(position) = position else { return Ok(()) };
        // Beyond what a database can hold lies no position that ever comes.
        let wanted = i64::try_from(position.to_stored()).unwrap_or(i64::MAX);
        let seen = self.read.wait_for(wanted, std::time::Duration::from_secs(5)).await.map_err(database)?;
        if seen.position >= wanted {
            return Ok(());
        }
        // Whoever names a position that no answer has ever named waits in vain.
        if let Ok(head) = self.transactor.log().head().await
            && position > head
        {
            let problem =
                format!("the log has come to {head}, and no answer has named {position}; use the `position` of an answer");
            return Err(Problem::field("at_least", problem));
        }
        let come = seen.position;
        Err(Problem::not_yet(format!("the read models have come to position {come}, not to {position} yet; ask again"))
            .retry_after(1))
    }
}

impl App {
    /// When a person known only through care referrals is to be forgotten here: see [`State::forget_at`].
    pub fn forget_at(&self, state: &State) -> Option<Time> {
        state.forget_at().map(|at| at + self.beyond_usual())
    }

    /// How much longer than usual strangers are kept here; negative: how much shorter.
    pub fn beyond_usual(&self) -> chrono::Duration {
        chrono::Duration::days(i64::from(self.strangers_kept_days) - STRANGERS_KEPT_DAYS)
    }

    /// Keeps a text with the personal data and gives the id by which an event refers to it.
    ///
    /// # Errors
    /// A problem that names the field, if the text is empty, too long or holds characters that no text has; or if nobody knows the patient.
    pub async fn note(&self, id: Uuid, patient: Uuid, field: &'static str, words: &str) -> Result<Uuid, Problem> {
        text(field, words, MAX_NOTE)?;
        // Nobody would ever erase what is kept of somebody who does not exist.
        let unknown = |patient: &Patient| patient.state.standing == Standing::Unknown && patient.set_aside().is_none();
        if unknown(&*self.transactor.patient(patient).await?) && unknown(&*self.transactor.patient_now(patient).await?) {
            return Err(Untrue::UnknownPatient.into());
        }
        match self.personal.put_note(id, patient, words).await.map_err(database)? {
            Put::Done => Ok(id),
            Put::Other => Err(Failure::KeyReused.into()),
            Put::Erased => Err(Problem::conflict("the patient was erased; no text about them is kept").with("field", field)),
        }
    }

    /// # Errors
    /// A problem that names the purpose and the nearest one, if the policy in force does not know it.
    pub async fn known_purpose(&self, purpose: &Purpose) -> Result<(), Problem> {
        let policies = self.control.ready_to_decide().await?;
        let policy = &in_force(&policies, self.clock.now())?.policy;
        if policy.purposes.contains_key(purpose) {
            return Ok(());
        }
        let near = tact_domain::nearest_word(purpose.as_str(), policy.purposes.keys().map(Purpose::as_str));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(Problem::field("purpose", format!("policy {} does not know `{purpose}`{hint}", policy.version)))
    }

    /// Whether a purpose is one that a published policy names, in force or not: what a patient said or was told may be entered late, or
    /// concern a purpose that has been dropped since.
    ///
    /// # Errors
    /// A problem that names the purpose and the nearest one, if no published policy knows it.
    pub async fn published_purpose(&self, purpose: &Purpose) -> Result<(), Problem> {
        let knows = |policies: &Policies| policies.all().iter().any(|one| one.policy.purposes.contains_key(purpose));
        if knows(&self.control.policies()) {
            return Ok(());
        }
        self.control.refresh().await?;
        let policies = self.control.policies();
        if knows(&policies) {
            return Ok(());
        }
        let words = policies.all().iter().flat_map(|published| published.policy.purposes.keys()).map(Purpose::as_str);
        let near = tact_domain::nearest_word(purpose.as_str(), words);
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Err(Problem::field("purpose", format!("no published policy knows `{purpose}`{hint}")))
    }

    /// # Errors
    /// A problem if the permit is not one of the patient, or not of a branch in the caller's scope.
    pub async fn holds_permit(&self, caller: &Caller, patient: Uuid, permit: Uuid) -> Result<(), Problem> {
        if caller.covers_all() {
            return Ok(());
        }
        let (_, known) = self.known_patient(patient).await?;
        match known.state.permit(permit) {
            Some(permit) => caller.at(&permit.branch),
            None => Err(Problem::not_found(format!("{permit} is not a permit of this patient"))),
        }
    }
}

/// The longest text of a note, in characters.
pub const MAX_NOTE: usize = 2000;

/// Whether a text is one: not empty, not longer than so many characters, without NUL or other control characters but line breaks and tabs.
///
/// # Errors
/// A problem that names the field.
pub fn text(field: &'static str, words: &str, longest: usize) -> Result<(), Problem> {
    if words.trim().is_empty() {
        return Err(Problem::field(field, "is empty; leave it out if there is nothing to say"));
    }
    let length = words.chars().count();
    if length > longest {
        return Err(Problem::field(field, format!("has {length} characters, at most {longest} are kept")));
    }
    if let Some(at) = words.chars().position(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(Problem::field(field, format!("holds a control character at place {}; remove it", at + 1)));
    }
    Ok(())
}

/// A database that could not do what was asked.
pub fn database(error: DbError) -> Problem {
    match error {
        DbError::Full(_) => {
            tracing::error!(%error, "a database has no room");
            Problem::no_room("a database has no room; the operator must make some, then ask again with the same Idempotency-Key")
        }
        error if error.is_passing() => {
            tracing::error!(%error, "a database cannot be asked");
            Problem::unavailable("a database cannot be asked; nothing was recorded, ask again").retry_after(2)
        }
        error => Problem::hidden(error),
    }
}

/// The answer to a command: what was recorded, where, and what it created.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct Receipt {
    /// The patient in whose stream it stands: the survivor, if the one named was merged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patient: Option<Uuid>,
    /// The event's id.
    pub event: Uuid,
    /// The event's type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Where it stands in the log; opaque.
    pub position: String,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Whether it was there already: the same command, asked again.
    pub repeated: bool,
}

impl From<&Done> for Receipt {
    fn from(done: &Done) -> Self {
        let Recorded { envelope, event } = &done.recorded;
        Self {
            patient: Some(done.patient),
            event: envelope.id,
            kind: event.kind(),
            position: done.position.to_string(),
            time: envelope.time,
            recorded_at: envelope.recorded_at,
            repeated: done.repeated,
        }
    }
}

/// An answer to a command, with its position in a header as well; 201 when it was recorded now, 200 when it was there already.
pub struct Answer<T>(pub T, pub Position, pub bool);

impl<T: Serialize> axum::response::IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let Self(body, position, repeated) = self;
        let status = if repeated { axum::http::StatusCode::OK } else { axum::http::StatusCode::CREATED };
        let mut response = (status, Json(body)).into_response();
        if let Ok(value) = HeaderValue::from_str(&position.to_string()) {
            response.headers_mut().insert(POSITION, value);
        }
        response
    }
}

/// A plain receipt for a command.
pub fn receipt(done: &Done) -> Answer<Receipt> {
    Answer(done.into(), done.position, done.repeated)
}

/// Puts routes together with what every answer carries, and problems where no route is.
pub fn serve(app: Arc<App>, routes: OpenApiRouter<Arc<App>>) -> (Router, utoipa::openapi::OpenApi) {
    let (router, document) = routes.split_for_parts();
    let router = router
        .fallback(async || Problem::not_found("no route has this path; the routes are in /openapi.json"))
        .method_not_allowed_fallback(async || Problem::method_not_allowed("the routes and their methods are in /openapi.json"))
        .layer(axum::middleware::from_fn_with_state(app.clone(), every_answer))
        .with_state(app);
    (router, document)
}

/// How long a request may take, its body included. Longer than anything that it may have to wait for: so nobody waits in vain for what hangs.
pub const REQUEST_WAIT: std::time::Duration = std::time::Duration::from_secs(30);

async fn every_answer(axum::extract::State(app): axum::extract::State<Arc<App>>, request: Request, next: Next) -> Response {
    let writes = writes(request.method());
    let mut response = match tokio::time::timeout(REQUEST_WAIT, next.run(request)).await {
        Ok(response) => response,
        Err(_late) => {
            tracing::warn!(writes, "a request was given up after {} s", REQUEST_WAIT.as_secs());
            // What a write has set going may still take effect.
            let problem = if writes {
                Problem::in_doubt("it took too long; ask again with the same Idempotency-Key: it is carried out once at most")
            } else {
                Problem::unavailable("it took too long; ask again")
            };
            problem.retry_after(5).into_response()
        }
    };
    if app.clock.is_set()
        && let Ok(value) = HeaderValue::from_str(&app.clock.now().to_rfc3339())
    {
        response.headers_mut().insert(CLOCK_SET, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_without_room_is_said_and_one_that_is_away_is_something_else() {
        let kinds = [
            (DbError::Full("disk full".to_owned()), 507, "no_room"),
            (DbError::Unavailable("refused".to_owned()), 503, "unavailable"),
            (DbError::Busy("locked".to_owned()), 503, "unavailable"),
            (DbError::RebuildRunning("read"), 500, "internal"),
        ];
        for (error, status, kind) in kinds {
            let problem = database(error);
            assert_eq!((problem.status().as_u16(), problem.kind()), (status, kind));
        }
    }
}
