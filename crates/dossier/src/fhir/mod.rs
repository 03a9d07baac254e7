//! The history as a FHIR R4 Bundle of type `collection`.
//!
//! | event | resource |
//! |---|---|
//! | `contact.made` | Communication |
//! | `contact.permitted`, `contact.refused`, `contact.requested` | CommunicationRequest |
//! | `consent.granted`, `consent.withdrawn` | Consent |
//! | `appointment.*` | one Appointment for each appointment, as it stands now |
//! | every event, those included | Provenance: who recorded it, when, and the event itself with its hash |
//!
//! R4 has no place for wishes (`consent.preference_set`), announcements, permits given back, contacts begun, care referrals,
//! recommendations, feedback, and merges. Of these there is a Provenance only, whose target is the Patient; a death and a merge also show
//! in the Patient. The data of every event is in its Provenance, in the extension `urn:tact:fhir:event`, as the bytes that were stored: what R4
//! has no element for is there and nowhere else. Not carried at all are policies' texts (decisions name version and SHA-256),
//! the directory, and the statement of proof, which is in the file of Tact's own form.
//!
//! Of an appointment the end is not known; R4 demands one beside a start, so it is there without a value and with the reason `unknown`.
//! Staff, branches and documents are named by identifier, for what is known of them is not part of a patient's history.

mod codes;
mod resources;
mod served;

pub use served::{SERVED, Served, patient_of, served, served_id};

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tact_domain::patient::events::Event;
use tact_domain::{Actor, Branch};
use uuid::Uuid;

use crate::Material;
use crate::account::{Accounts, Step, is_told};
use codes::{Systems, concept};
use tact_words::Word;

/// The largest string that R4 allows, in bytes.
const LONGEST: usize = 1_000_000;

/// The history as a FHIR R4 Bundle.
pub fn fhir(material: &Material<'_>) -> Value {
    let accounts = Accounts::read(material);
    let told: Vec<&Step<'_>> = accounts.steps().filter(|step| is_told(material, step.recorded)).collect();
    let mut bundle = Bundle { material, accounts: &accounts, found: Found::default() };
    for step in &told {
        bundle.found.add(step);
    }
    let mut entries = Vec::new();
    for account in &accounts.all {
        entries.push(bundle.patient(account));
    }
    // Of an appointment that several streams know, the patient's own stream says how it stands.
    let mut appointments = bundle.found.appointments.clone();
    for account in &accounts.all {
        for appointment in account.state.appointments.iter().filter(|appointment| appointments.remove(&appointment.id)) {
            entries.push(bundle.appointment(account, appointment));
        }
    }
    entries.extend(told.iter().filter_map(|step| bundle.resource(step)));
    entries.extend(told.iter().map(|step| bundle.provenance(step)));
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|resource| json!({"fullUrl": format!("urn:uuid:{}", resource["id"].as_str().unwrap_or_default()), "resource": resource}))
        .collect();
    let last = accounts.own().steps.last().map_or(0, |step| step.recorded.envelope.sequence);
    let name = format!("{}/{}/{last}", material.network, material.patient);
    json!({
        "resourceType": "Bundle",
        "id": derived(&[b"bundle", name.as_bytes()]),
        "identifier": {"system": Systems::HISTORY, "value": name},
        "type": "collection",
        "timestamp": material.made_at,
        "entry": entries,
    })
}

/// An id that is always the same for the same: UUID version 8 of a hash.
fn derived(parts: &[&[u8]]) -> Uuid {
    let mut digest = Sha256::new();
    for part in parts {
        // The length keeps ("ab", "c") apart from ("a", "bc").
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// What has a resource of its own in the Bundle, so that a reference to it resolves.
#[derive(Debug, Default)]
struct Found {
    /// The CommunicationRequest of a permit or request.
    requests: BTreeMap<Uuid, Uuid>,
    /// The Consent of a document, by the moment at which it was given.
    consents: BTreeMap<(Uuid, tact_domain::Time), Uuid>,
    /// Appointments.
    appointments: BTreeSet<Uuid>,
}

impl Found {
    fn add(&mut self, step: &Step<'_>) {
        let envelope = &step.recorded.envelope;
        match &step.recorded.event {
            Event::Permitted(e) => {
                self.requests.insert(e.permit, envelope.id);
            }
            Event::Requested(e) => {
                self.requests.insert(e.request, envelope.id);
            }
            Event::ConsentGranted(e) => {
                self.consents.insert((e.evidence.document, envelope.time), envelope.id);
            }
            event => self.appointments.extend(appointment_of(event)),
        }
    }
}

/// The appointment that an event is about, if it is about one.
fn appointment_of(event: &Event) -> Option<Uuid> {
    match event {
        Event::Booked(e) => Some(e.appointment),
        Event::Rescheduled(e) => Some(e.appointment),
        Event::Cancelled(e) => Some(e.appointment),
        Event::Completed(e) | Event::Missed(e) => Some(e.appointment),
        _ => None,
    }
}

struct Bundle<'a> {
    material: &'a Material<'a>,
    accounts: &'a Accounts<'a>,
    found: Found,
}

/// A reference to a resource of this Bundle.
fn inside(kind: &str, id: Uuid) -> Value {
    json!({"reference": format!("urn:uuid:{id}"), "type": kind})
}

/// A reference by identifier, to something that is not in the Bundle.
fn outside(kind: &str, system: &str, value: impl ToString) -> Value {
    json!({"type": kind, "identifier": {"system": system, "value": value.to_string()}})
}

impl Bundle<'_> {
    fn branch(&self, branch: &Branch) -> Value {
        let mut reference = outside("Organization", Systems::BRANCH, branch);
        if let Some(listed) = self.material.directory.branches.get(branch) {
            reference["display"] = json!(listed.name);
        }
        reference
    }

    /// The patient whose stream an event stands in.
    fn subject(&self, step: &Step<'_>) -> Value {
        inside("Patient", self.stream(step))
    }

    fn stream(&self, step: &Step<'_>) -> Uuid {
        step.recorded.envelope.subject.parse().unwrap_or(self.material.patient)
    }

    fn actor(&self, step: &Step<'_>) -> Value {
        match &step.recorded.envelope.actor {
            Actor::Staff(id) => outside("Practitioner", Systems::STAFF, id),
            Actor::System(name) => outside("Device", Systems::PROGRAM, name),
            Actor::Patient => self.subject(step),
        }
    }

    /// What an occasion's id stands for: a resource of the Bundle, or an id that is known to Tact.
    fn about(&self, id: Uuid) -> Value {
        if self.found.appointments.contains(&id) {
            inside("Appointment", id)
        } else if let Some(request) = self.found.requests.get(&id) {
            inside("CommunicationRequest", *request)
        } else {
            json!({"identifier": {"system": Systems::OCCASION, "value": id}})
        }
    }

    /// The resource that an event has for itself, if R4 has one for it; appointments have one for many events.
    fn resource(&self, step: &Step<'_>) -> Option<Value> {
        match &step.recorded.event {
            Event::Made(e) => Some(self.communication(step, e)),
            Event::Permitted(e) => Some(self.permitted(step, e)),
            Event::Refused(e) => Some(self.refused(step, e)),
            Event::Requested(e) => Some(self.requested(step, e)),
            Event::ConsentGranted(e) => Some(self.granted(step, e)),
            Event::ConsentWithdrawn(e) => Some(self.withdrawn(step, e)),
            _ => None,
        }
    }

    fn provenance(&self, step: &Step<'_>) -> Value {
        let envelope = &step.recorded.envelope;
        let event = &step.recorded.event;
        let target = match event {
            Event::Made(_) => inside("Communication", envelope.id),
            Event::Permitted(_) | Event::Refused(_) | Event::Requested(_) => inside("CommunicationRequest", envelope.id),
            Event::ConsentGranted(_) | Event::ConsentWithdrawn(_) => inside("Consent", envelope.id),
            _ => match appointment_of(event).filter(|id| self.knows(*id)) {
                Some(id) => inside("Appointment", id),
                None => self.subject(step),
            },
        };
        let mut agent = json!({
            "type": concept(Systems::PARTICIPANT, "enterer", None),
            "who": self.actor(step),
        });
        if let Some(branch) = &envelope.branch {
            agent["onBehalfOf"] = self.branch(branch);
        }
        let mut entities = vec![json!({
            "role": "source",
            "what": {
                "identifier": {"system": Systems::EVENT_HASH, "value": hex::encode(step.hash)},
                "display": format!("{} {}, {}", envelope.subject, envelope.sequence, envelope.id),
            },
        })];
        entities.extend(self.rests_on(event).into_iter().map(|what| json!({"role": "source", "what": what})));
        if let Some(cause) = envelope.cause {
            entities.push(json!({"role": "derivation", "what": {"identifier": {"system": Systems::EVENT, "value": cause}}}));
        }
        let mut provenance = json!({
            "resourceType": "Provenance",
            "id": derived(&[b"provenance", envelope.subject.as_bytes(), envelope.id.as_bytes()]),
            "target": [target],
            "occurredDateTime": step.clock.machine(envelope.time),
            "recorded": envelope.recorded_at,
            "activity": concept(Systems::EVENT_TYPE, event.kind(), Some(event.word(self.material.language))),
            "agent": [agent],
            "entity": entities,
        });
        if let Ok(stored) = String::from_utf8(envelope.write(event))
            && stored.len() <= LONGEST
        {
            provenance["extension"] = json!([{"url": Systems::EXTENSION_EVENT, "valueString": stored}]);
        }
        provenance
    }

    fn knows(&self, appointment: Uuid) -> bool {
        self.accounts.all.iter().any(|account| account.state.appointment(appointment).is_some())
    }

    /// What a decision rested on, and what a contact was made under.
    fn rests_on(&self, event: &Event) -> Vec<Value> {
        let policy = |version: &str| {
            let mut what = json!({"identifier": {"system": Systems::POLICY, "value": version}});
            if let Some(published) = self.material.policies.version(version) {
                what["display"] = json!(format!("SHA-256 {}", published.event.sha256));
            }
            what
        };
        match event {
            Event::Permitted(e) => {
                let mut all = vec![policy(&e.policy)];
                if let Some(used) = &e.basis.consent {
                    all.push(match self.found.consents.get(&(used.document, used.granted_at)) {
                        Some(consent) => inside("Consent", *consent),
                        None => outside("DocumentReference", Systems::DOCUMENT, used.document),
                    });
                }
                all
            }
            Event::Refused(e) => vec![policy(&e.policy)],
            Event::Made(e) => e.permit.map(|permit| self.permit(permit)).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn permit(&self, permit: Uuid) -> Value {
        match self.found.requests.get(&permit) {
            Some(request) => inside("CommunicationRequest", *request),
            None => outside("CommunicationRequest", Systems::PERMIT, permit),
        }
    }
}
