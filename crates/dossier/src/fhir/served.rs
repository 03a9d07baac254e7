//! The same resources one by one, as a FHIR server gives them: with ids under which they can be read again, and references to one another.
//!
//! A visit that took place is an Encounter besides its Appointment, and surgery a Procedure. Of CommunicationRequests only the patient's own are given:
//! what the network decided for itself is told in the history.

use serde_json::{Value, json};
use tact_domain::patient::events::Event;
use tact_domain::patient::state::{Appointment, AppointmentStatus};
use tact_domain::{AppointmentKind, Branch, Time};
use uuid::Uuid;

use super::codes::{Systems, concept, of_kind};
use super::{Bundle, Found, derived, outside};
use crate::Material;
use crate::account::{Account, Accounts};

/// A resource as a server gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// Its type.
    pub kind: &'static str,
    /// Its id on this server.
    pub id: String,
    /// The time by which it is searched.
    pub date: Option<Time>,
    /// The branch that it belongs to, if it belongs to one.
    pub branch: Option<Branch>,
    /// The resource.
    pub resource: Value,
}

/// The types that are served.
pub const SERVED: &[&str] =
    &["Patient", "Appointment", "Encounter", "Procedure", "Consent", "Communication", "CommunicationRequest"];

/// The id on this server of something of a patient's: both ids in one, so that the patient is found by it. 64 characters, as many as R4 allows.
pub fn served_id(patient: Uuid, thing: Uuid) -> String {
    format!("{}{}", patient.simple(), thing.simple())
}

/// The patient by whose id something was named.
pub fn patient_of(id: &str) -> Option<Uuid> {
    match id.len() {
        64 if id.is_ascii() => Uuid::try_parse(&id[..32]).ok(),
        36 => Uuid::try_parse(id).ok(),
        _ => None,
    }
}

/// Everything that is served of a patient.
pub fn served(material: &Material<'_>) -> Vec<Served> {
    let accounts = Accounts::read(material);
    let mut bundle = Bundle { material, accounts: &accounts, found: Found::default() };
    for step in accounts.steps() {
        bundle.found.add(step);
    }
    let mut all = Vec::new();
    let mut add = |kind: &'static str, date: Option<Time>, branch: Option<Branch>, mut resource: Value| {
        let thing = resource["id"].as_str().and_then(|id| id.parse::<Uuid>().ok()).unwrap_or_default();
        let id = if kind == "Patient" { thing.to_string() } else { served_id(material.patient, thing) };
        refer(&mut resource, material.patient);
        resource["id"] = json!(id);
        all.push(Served { kind, id, date, branch, resource });
    };
    for account in &accounts.all {
        add("Patient", None, account.state.home_branch.clone(), bundle.patient(account));
    }
    let mut seen = bundle.found.appointments.clone();
    for account in &accounts.all {
        for appointment in account.state.appointments.iter().filter(|appointment| seen.remove(&appointment.id)) {
            let branch = Some(appointment.branch.clone());
            let mut booked = bundle.appointment(account, appointment);
            if let AppointmentStatus::Completed(at) = appointment.status
                && at > appointment.starts_at
                && let Some(fields) = booked.as_object_mut()
            {
                // What has taken place has an end.
                fields.remove("_end");
                fields.insert("end".into(), bundle.period(account, appointment, at)["end"].clone());
            }
            add("Appointment", Some(appointment.starts_at), branch.clone(), booked);
            if let AppointmentStatus::Completed(at) = appointment.status {
                let (kind, resource) = match appointment.kind {
                    AppointmentKind::Surgery => ("Procedure", bundle.surgery(account, appointment, at)),
                    _ => ("Encounter", bundle.encounter(account, appointment, at)),
                };
                add(kind, Some(at), branch, resource);
            }
        }
    }
    for step in accounts.steps() {
        let (kind, branch) = match &step.recorded.event {
            Event::Made(e) => ("Communication", Some(e.branch.clone())),
            Event::Requested(_) => ("CommunicationRequest", None),
            Event::ConsentGranted(_) | Event::ConsentWithdrawn(_) => ("Consent", None),
            _ => continue,
        };
        if let Some(resource) = bundle.resource(step) {
            add(kind, Some(step.recorded.envelope.time), branch, resource);
        }
    }
    all
}

/// Makes references to what is in the material those of a server.
fn refer(value: &mut Value, patient: Uuid) {
    match value {
        Value::Object(fields) => {
            let named = fields.get("reference").and_then(Value::as_str).and_then(|urn| urn.strip_prefix("urn:uuid:"));
            if let (Some(id), Some(kind)) = (named.and_then(|id| id.parse().ok()), fields.get("type").and_then(Value::as_str)) {
                let id = if kind == "Patient" { Uuid::to_string(&id) } else { served_id(patient, id) };
                let reference = format!("{kind}/{id}");
                fields.insert("reference".into(), json!(reference));
            }
            fields.values_mut().for_each(|inside| refer(inside, patient));
        }
        Value::Array(items) => items.iter_mut().for_each(|inside| refer(inside, patient)),
        _ => {}
    }
}

impl Bundle<'_> {
    fn period(&self, account: &Account<'_>, appointment: &Appointment, ended: Time) -> Value {
        let clock = account.clock(&|branch| self.material.directory.branches.get(branch)?.time_zone.parse().ok());
        json!({"start": clock.machine(appointment.starts_at.min(ended)), "end": clock.machine(ended)})
    }

    fn encounter(&self, account: &Account<'_>, appointment: &Appointment, ended: Time) -> Value {
        json!({
            "resourceType": "Encounter",
            "id": derived(&[b"encounter", appointment.id.as_bytes()]),
            "status": "finished",
            "class": {"system": Systems::ACT, "code": "AMB"},
            "type": [of_kind(self.material.language, appointment.kind)],
            "subject": super::inside("Patient", account.patient),
            "appointment": [super::inside("Appointment", appointment.id)],
            "period": self.period(account, appointment, ended),
            "serviceProvider": self.branch(&appointment.branch),
        })
    }

    fn surgery(&self, account: &Account<'_>, appointment: &Appointment, ended: Time) -> Value {
        let mut procedure = json!({
            "resourceType": "Procedure",
            "id": derived(&[b"procedure", appointment.id.as_bytes()]),
            // R4 has no element for the appointment of a procedure.
            "identifier": [{"system": Systems::APPOINTMENT, "value": served_id(self.material.patient, appointment.id)}],
            "status": "completed",
            "code": concept(Systems::KIND, appointment.kind.as_str(), None),
            "subject": super::inside("Patient", account.patient),
            "performedPeriod": self.period(account, appointment, ended),
            "location": outside("Location", Systems::BRANCH, &appointment.branch),
        });
        if let Some(clinician) = appointment.clinician {
            procedure["performer"] = json!([{"actor": outside("Practitioner", Systems::CLINICIAN, clinician)}]);
        }
        procedure
    }
}
