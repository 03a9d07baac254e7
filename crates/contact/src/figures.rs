//! Figures over many patients: contacts, permits and refusals by branch and month, contacts per patient and month, and how many patients wish not to
//! be called or turned to that wish.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use tact_read_models::contacts::{self, ContactCount, PermitCount, RefusalCount};
use tact_read_models::patient_months::{self, NETWORK, PatientMonth};
use tact_read_models::patients::{self, PatientCount};
use tact_read_models::set_aside::{self, SetAsideRow};
use tact_service::app::database;
use tact_service::request::at_least;
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};

/// Which months.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Months {
    /// The first month, `YYYY-MM`, by UTC.
    from: String,
    /// The last month.
    until: String,
    /// A position that the figures must have come to.
    at_least: Option<String>,
}

/// The figures; a caller who acts for some branches sees those only.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// Up to which position of the log they are true.
    position: String,
    /// Contacts by branch, month, purpose, channel, direction and outcome, with the breaches among them.
    #[schema(value_type = Vec<Object>)]
    contacts: Vec<ContactCount>,
    /// Permits granted by branch, month and purpose.
    #[schema(value_type = Vec<Object>)]
    permits: Vec<PermitCount>,
    /// Refusals by branch, month, purpose and reason.
    #[schema(value_type = Vec<Object>)]
    refusals: Vec<RefusalCount>,
    /// Patients by home branch, standing and wish.
    #[schema(value_type = Vec<Object>)]
    patients: Vec<PatientCount>,
    /// Contacts per patient and month, and how many patients turned to "don't call me": of the whole network for callers who act for all of it, and
    /// by branch.
    patient_months: Vec<PatientMonthShown>,
}

/// How a month was for those who were contacted in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PatientMonth)]
pub(crate) struct PatientMonthShown {
    /// Absent: of the whole network. Somebody whom two branches contact is one patient there, so that it is not the sum of the branches.
    #[serde(skip_serializing_if = "Option::is_none")]
    branch: Option<String>,
    /// `YYYY-MM`, by UTC.
    month: String,
    /// Outbound contacts, whatever their outcome.
    #[schema(example = 120)]
    contacts: i64,
    /// With how many patients. Who was contacted under two ids before they were merged is two.
    #[schema(example = 80)]
    patients: i64,
    /// Contacts for each of them, to two decimals; absent where nobody was contacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1.5)]
    contacts_per_patient: Option<f64>,
    /// How many patients turned to "don't call me, I'll call you", by the branch that recorded it; one who turned back and again, twice.
    #[schema(example = 2)]
    turned_to_patient_initiated: i64,
}

impl From<PatientMonth> for PatientMonthShown {
    fn from(PatientMonth { branch, month, contacts, patients, turned }: PatientMonth) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no network has so many contacts in a month")]
        let each = (patients > 0).then(|| (contacts as f64 / patients as f64 * 100.0).round() / 100.0);
        let branch = (branch != NETWORK).then_some(branch);
        Self { branch, month, contacts, patients, contacts_per_patient: each, turned_to_patient_initiated: turned }
    }
}

pub(crate) fn month(field: &'static str, text: &str) -> Result<(), Problem> {
    let whole = format!("{text}-01");
    if text.len() == 7 && chrono::NaiveDate::parse_from_str(&whole, "%Y-%m-%d").is_ok() {
        return Ok(());
    }
    Err(Problem::field(field, "is not a month; write it as `2026-03`"))
}

/// Show figures by branch and month
#[utoipa::path(
    get, path = "/v1/figures", tag = "contact",
    params(Months),
    responses((status = 200, description = "What was asked for", body = Figures), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn figures(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(months): Query<Months>,
    headers: HeaderMap,
) -> Result<Json<Figures>, Problem> {
    caller.may(Permission::SeeFigures)?;
    month("from", &months.from)?;
    month("until", &months.until)?;
    app.caught_up(at_least(months.at_least.as_deref(), &headers)?).await?;
    let db = app.read.db();
    let (from, until) = (months.from.as_str(), months.until.as_str());
    let seen = |branch: &str| caller.covers_all() || branch.parse().is_ok_and(|branch| caller.covers(&branch));
    let checkpoint = app.read.checkpoint().await.map_err(database)?;
    let mut contacts = contacts::counts(&db, from, until).await.map_err(database)?;
    contacts.retain(|row| seen(&row.branch));
    let mut permits = contacts::permits(&db, from, until).await.map_err(database)?;
    permits.retain(|row| seen(&row.branch));
    let mut refusals = contacts::refusals(&db, from, until).await.map_err(database)?;
    refusals.retain(|row| seen(&row.branch));
    let mut patients = patients::counts(&db).await.map_err(database)?;
    patients.retain(|row| seen(row.home_branch.as_deref().unwrap_or_default()));
    let mut months = patient_months::between(&db, from, until).await.map_err(database)?;
    // No branch has the network's code, so that its row is for those who act for all.
    months.retain(|row| seen(&row.branch));
    let patient_months = months.into_iter().map(PatientMonthShown::from).collect();
    Ok(Json(Figures { position: checkpoint.position.to_string(), contacts, permits, refusals, patients, patient_months }))
}

/// From which moment on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    /// A position that the list must have come to.
    at_least: Option<String>,
}

/// What a person must look at.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alarms {
    /// Up to which position of the log it is true.
    position: String,
    /// Streams set aside: one of their events cannot be read. Such a patient gets no permits.
    #[schema(value_type = Vec<Object>)]
    set_aside: Vec<SetAsideRow>,
}

/// Show what an operator must look at
#[utoipa::path(
    get, path = "/v1/alarms", tag = "contact",
    params(Moment),
    responses((status = 200, description = "What was asked for", body = Alarms), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn alarms(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(moment): Query<Moment>,
    headers: HeaderMap,
) -> Result<Json<Alarms>, Problem> {
    caller.may(Permission::Operate)?;
    app.caught_up(at_least(moment.at_least.as_deref(), &headers)?).await?;
    let checkpoint = app.read.checkpoint().await.map_err(database)?;
    let set_aside = set_aside::list(&app.read.db()).await.map_err(database)?;
    Ok(Json(Alarms { position: checkpoint.position.to_string(), set_aside }))
}
