//! By what right one contact was made: the proof that a clinic owes for an advertisement (Russian Federal Law 38-FZ, article 18).
//!
//! Where the contact stands, the read model says; what it rests on is read from the log itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Deserialize;
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::Event;
use tact_domain::{Recorded, Unreadable};
use tact_dossier::contact::{ContactEvidence, Records, evidence};
use tact_event_log::{Freshness, Position, StreamId};
use tact_read_models::contacts;
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::transact::Failure;
use tact_service::{App, Caller, Path, Permission, Problem, Query};
use utoipa::IntoParams;
use uuid::Uuid;

/// How recent the answer must be.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recent {
    /// A position that the list of contacts must have come to.
    at_least: Option<String>,
}

/// Show by what right a contact was made
///
/// The consent with its document, the permit with its decision made again, the announcement, the policy, and everything that is missing. It
/// takes a caller whose scope is the whole network: a contact may rest on what any branch did.
#[utoipa::path(
    get, path = "/v1/contacts/{contact}/evidence", tag = "patient",
    params(("contact" = Uuid, Path), Recent),
    responses((status = 200, description = "What was asked for", body = ContactEvidence), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn of_contact(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(contact): Path<Uuid>,
    Query(recent): Query<Recent>,
    headers: HeaderMap,
) -> Result<Json<ContactEvidence>, Problem> {
    caller.may(Permission::ExportHistory)?;
    if !caller.covers_all() {
        return Err(Problem::forbidden(
            "a contact may rest on what any branch did; its evidence takes a caller whose scope is the whole network",
        ));
    }
    app.caught_up(at_least(recent.at_least.as_deref(), &headers)?).await?;
    let unknown = || {
        Problem::not_found(format!(
            "no contact has the id {contact}; one that was just recorded is found with the position of its answer as `at_least`"
        ))
    };
    let row = contacts::by_id(&app.read.db(), contact).await.map_err(database)?.ok_or_else(unknown)?;
    let (patient, _) = app.known_patient(row.patient).await?;
    let mut all = app.selves(patient).await?;
    if !all.contains(&row.patient) {
        all.push(row.patient);
    }
    let mut streams = Vec::with_capacity(all.len());
    for id in all {
        streams.push((id, stream(&app, id).await?));
    }
    let (patient, events) = streams.remove(0);
    app.control.refresh().await?;
    let policies = app.control.policies();
    let directory = app.control.directory();
    let records = Records {
        network: &app.network,
        patient,
        events: &events,
        merged: &streams,
        policies: &policies,
        directory: &directory,
        contact,
    };
    evidence(&records).map(Json).ok_or_else(unknown)
}

/// A patient's events, each held against its place. What cannot be read is evidence of nothing.
async fn stream(app: &App, patient: Uuid) -> Result<Vec<Recorded>, Problem> {
    let stored = app.transactor.log().read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await?;
    let subject = patient.to_string();
    let mut previous = Hash::default();
    let read = (1..).zip(&stored).map(|(sequence, stored)| {
        let recorded = Recorded::<Event>::read_at(&stored.bytes, &subject, sequence, &previous)?;
        previous = hash(&stored.bytes);
        Ok(recorded)
    });
    read.collect::<Result<_, Unreadable>>()
        .map_err(|error| Failure::SetAside { patient, reason: error.to_string().into() }.into())
}
