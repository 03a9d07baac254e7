//! The act of an erasure: what was destroyed, why, when and by whom, with the entries of the journal that say so. It holds nothing of what it
//! was, and follows from the log; the store adds only whether it had to be done again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Months, Utc};
use serde::Serialize;
use tact_domain::disclosure::{AccessEvent, DataCategory, ErasureReason, PersonalErased};
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::Event;
use tact_domain::patient::state::Standing;
use tact_domain::{Actor, Envelope, Recorded};
use tact_event_log::{Freshness, Position, StreamId};
use tact_service::app::{Operator, database};
use tact_service::{App, Caller, Path, Permission, Problem};
use utoipa::ToSchema;
use uuid::Uuid;

/// How long the act and the extract of the journal are to be kept, in years: Roskomnadzor's order 179 of 28 October 2022, point 8.
const KEPT_YEARS: u32 = 3;

/// An erasure, as its act states it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErasureAct {
    /// The patient. The act names them by this id only: what else there was to name them by is gone.
    patient: Uuid,
    /// The ids of those who had been merged into the patient.
    also: Vec<Uuid>,
    /// Who kept the data.
    operator: Operator,
    /// The network's code.
    #[schema(example = "tact")]
    network: String,
    /// The kinds of data that were destroyed.
    destroyed: Vec<DestroyedKind>,
    /// How: `rows_deleted_and_files_rewritten`, or `rows_deleted`: the database reuses their place.
    #[schema(example = "rows_deleted_and_files_rewritten")]
    method: &'static str,
    /// Why; absent if it was not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "patient_request")]
    reason: Option<ErasureReason>,
    /// When it was decided.
    decided_at: DateTime<Utc>,
    /// When it was gone.
    destroyed_at: DateTime<Utc>,
    /// When it was destroyed again, because the store had been restored from a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated_at: Option<DateTime<Utc>>,
    /// Who ordered it.
    carried_out_by: CarriedOutBy,
    /// Until when the act and the extract are to be kept.
    keep_until: DateTime<Utc>,
    /// The extract of the event journal.
    journal: Vec<JournalEntry>,
}

/// How much of a kind was destroyed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DestroyedKind {
    /// `name`, `phone`, `email`, `address`, `birth_date`, `text` or `external_id`.
    #[schema(value_type = String, example = "phone")]
    category: DataCategory,
    /// How many of them.
    count: u64,
}

/// Who ordered an erasure.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CarriedOutBy {
    /// As events name them.
    #[schema(value_type = String)]
    actor: Actor,
    /// What their access token is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Head office")]
    label: Option<String>,
}

/// An entry of the event journal.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JournalEntry {
    /// Where it stands in the log; opaque.
    position: String,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "patient.erased")]
    kind: &'static str,
    /// Its id.
    event: Uuid,
    /// In which stream it stands: the patient's id, or `access`.
    #[schema(example = "access")]
    stream: String,
    /// Its number there.
    sequence: u64,
    /// When it was recorded.
    recorded_at: DateTime<Utc>,
    /// Who recorded it.
    #[schema(value_type = String)]
    actor: Actor,
    /// The SHA-256 of its stored bytes, in hexadecimal.
    sha256: String,
}

/// See the act of an erasure
///
/// Everything that Roskomnadzor's order 179 asks of the act and of the extract of the event journal, but names and signatures.
#[utoipa::path(
    get, path = "/v1/patients/{patient}/erasure", tag = "patient",
    params(("patient" = Uuid, Path)),
    responses((status = 200, description = "What was asked for", body = ErasureAct), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn act(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(patient): Path<Uuid>,
) -> Result<Json<ErasureAct>, Problem> {
    caller.may(Permission::SeeErasure)?;
    let (patient, known) = app.known_patient(patient).await?;
    if known.state.standing != Standing::Erased {
        return Err(Problem::not_found(format!("patient {patient} was not erased")));
    }
    let stream = app.transactor.log().read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await?;
    let said = stream.iter().filter_map(|stored| {
        let recorded = Recorded::<Event>::read(&stored.bytes).ok()?;
        matches!(recorded.event, Event::Erased(_)).then(|| (stored, recorded))
    });
    let Some((stored, said)) = said.last() else {
        return Err(Problem::hidden(format!("patient {patient} stands as erased, and no event says so")));
    };
    let Some((done, position)) = app.control.erasure(said.envelope.id).await? else {
        let problem = format!("the erasure of patient {patient} is recorded, and not carried out yet; ask again");
        return Err(Problem::unavailable(problem).retry_after(2));
    };
    let kept = app.personal.erasure(said.envelope.id).await.map_err(database)?;
    let label = match &said.envelope.actor {
        Actor::Staff(actor) => {
            let tokens = app.personal.tokens().await.map_err(database)?;
            tokens.into_iter().rfind(|token| token.actor == *actor).map(|token| token.label)
        }
        Actor::System(_) | Actor::Patient => None,
    };
    let access = StreamId::Access.to_string();
    let bytes = done.envelope.write(&AccessEvent::PersonalErased(done.event.clone()));
    let PersonalErased { also, reason, destroyed, destroyed_at, rewritten, .. } = done.event.clone();
    Ok(Json(ErasureAct {
        patient,
        also,
        operator: app.operator.clone(),
        network: app.network.to_string(),
        destroyed: destroyed.into_iter().map(|(category, count)| DestroyedKind { category, count }).collect(),
        method: if rewritten { "rows_deleted_and_files_rewritten" } else { "rows_deleted" },
        reason,
        decided_at: said.envelope.time,
        destroyed_at,
        repeated_at: kept.and_then(|kept| kept.repeated_at),
        carried_out_by: CarriedOutBy { actor: said.envelope.actor.clone(), label },
        keep_until: destroyed_at + Months::new(12 * KEPT_YEARS),
        journal: vec![
            entry(&said.envelope, said.event.kind(), stored.stream.to_string(), stored.position, hash(&stored.bytes)),
            entry(&done.envelope, "personal.erased", access, position, hash(&bytes)),
        ],
    }))
}

fn entry(envelope: &Envelope, kind: &'static str, stream: String, position: Position, hash: Hash) -> JournalEntry {
    JournalEntry {
        position: position.to_string(),
        kind,
        event: envelope.id,
        stream,
        sequence: envelope.sequence,
        recorded_at: envelope.recorded_at,
        actor: envelope.actor.clone(),
        sha256: hex::encode(hash),
    }
}
