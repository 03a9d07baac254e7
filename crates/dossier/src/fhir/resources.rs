//! One resource after the other, with what R4 demands of each.

use serde_json::{Value, json};
use tact_domain::patient::decide::{Consent, consent};
use tact_domain::patient::events::{ConsentGranted, ConsentWithdrawn, Made, Permitted, Refused, Requested};
use tact_domain::patient::state::{Appointment, AppointmentStatus, Fate, Standing};
use tact_domain::{ChangedBy, Channel, Direction};

use super::codes::{Systems, concept, of_channel, of_kind, of_purpose, status};
use super::{Bundle, inside, outside};
use crate::account::{Account, Right, Step};
use crate::labels::Label;
use tact_words::{Word, limit, refusal};

impl Bundle<'_> {
    /// The patient: the id, what events say of them as a person, and personal data only if there is any in the material.
    pub(super) fn patient(&self, account: &Account<'_>) -> Value {
        let state = &account.state;
        let mut patient = json!({
            "resourceType": "Patient",
            "id": account.patient,
            "identifier": [{"system": Systems::PATIENT, "value": account.patient}],
            "active": state.is_open(),
        });
        if let Some(at) = state.died_at {
            patient["deceasedDateTime"] = json!(at);
        } else if state.deceased {
            patient["deceasedBoolean"] = json!(true);
        }
        if let Some(language) = &state.language {
            patient["communication"] = json!([{"language": concept(Systems::LANGUAGE, language, None)}]);
        }
        let here = |id: &uuid::Uuid| self.accounts.all.iter().any(|account| account.patient == *id);
        let mut links: Vec<Value> = Vec::new();
        if let Standing::Merged { into, .. } = state.standing
            && here(&into)
        {
            links.push(json!({"other": inside("Patient", into), "type": "replaced-by"}));
        }
        let absorbed = state.absorbed.iter().filter(|absorbed| here(&absorbed.from));
        links.extend(absorbed.map(|absorbed| json!({"other": inside("Patient", absorbed.from), "type": "replaces"})));
        if !links.is_empty() {
            patient["link"] = json!(links);
        }
        if account.patient == self.material.patient {
            self.personal(&mut patient);
        }
        patient
    }

    fn personal(&self, patient: &mut Value) {
        let (mut telecom, mut others) = (Vec::new(), Vec::new());
        for (field, value) in self.material.personal.into_iter().flatten() {
            match field.as_str() {
                "name" => patient["name"] = json!([{"text": value}]),
                "phone" | "email" => telecom.push(json!({"system": field, "value": value})),
                "address" => patient["address"] = json!([{"text": value}]),
                "birth_date" if value.parse::<chrono::NaiveDate>().is_ok() => patient["birthDate"] = json!(value),
                _ => others.push(json!({"url": Systems::EXTENSION_PERSONAL, "valueString": format!("{field}: {value}")})),
            }
        }
        if !telecom.is_empty() {
            patient["telecom"] = json!(telecom);
        }
        if !others.is_empty() {
            patient["extension"] = json!(others);
        }
    }

    pub(super) fn communication(&self, step: &Step<'_>, e: &Made) -> Value {
        let language = self.material.language;
        let outcome = self.accounts.outcome(e);
        let (envelope, patient, branch) = (&step.recorded.envelope, self.subject(step), self.branch(&e.branch));
        let (recipient, sender) = match e.direction {
            Direction::Outbound => (patient.clone(), branch),
            Direction::Inbound => (branch, patient.clone()),
        };
        let mut communication = json!({
            "resourceType": "Communication",
            "id": envelope.id,
            "identifier": [{"system": Systems::CONTACT, "value": e.contact}],
            "status": status(outcome),
            "statusReason": concept(Systems::OUTCOME, outcome.as_str(), Some(outcome.word(language))),
            "category": [concept(Systems::DIRECTION, e.direction.as_str(), Some(e.direction.word(language)))],
            "medium": [of_channel(language, e.channel)],
            "subject": patient,
            "sent": step.clock.machine(envelope.time),
            "recipient": [recipient],
            "sender": sender,
            "reasonCode": [of_purpose(language, &e.purpose)],
        });
        if outcome.is_reached() {
            communication["received"] = communication["sent"].clone();
        }
        if let Some(Right::Permit(permit)) = step.right {
            communication["basedOn"] = json!([self.permit(permit)]);
        }
        if let Some(about) = e.about {
            communication["about"] = json!([self.about(about)]);
        }
        if let Some(text) = e.note.and_then(|note| self.material.texts.get(&note)) {
            communication["note"] = json!([{"text": text}]);
        }
        if let Some(Right::Breach { .. }) = step.right {
            communication["extension"] = json!([{"url": Systems::EXTENSION_BREACH, "valueBoolean": true}]);
        }
        communication
    }

    /// A permit, as it stands when the Bundle is made.
    pub(super) fn permitted(&self, step: &Step<'_>, e: &Permitted) -> Value {
        let language = self.material.language;
        let envelope = &step.recorded.envelope;
        // The patient's own stream knows what became of a permit that came along with a merge.
        let fate = self.accounts.all.iter().find_map(|account| account.state.permit(e.permit)).map(|permit| permit.fate);
        let (status, reason) = match fate {
            Some(Fate::Used { .. }) => ("completed", "used"),
            Some(Fate::Ended(_)) => ("revoked", "ended"),
            Some(Fate::Started { ended: Some(_), .. }) => ("revoked", "ended"),
            Some(Fate::Started { .. }) => ("active", "started"),
            Some(Fate::Open) if self.material.made_at < e.expires_at => ("active", "open"),
            Some(Fate::Open) => ("revoked", "expired"),
            None => ("unknown", "unknown"),
        };
        let mut notes: Vec<Value> = Vec::new();
        let text = e.reason.and_then(|reason| self.material.texts.get(&reason));
        notes.extend(text.map(|text| json!({"text": text})));
        notes.extend(e.basis.limits.iter().map(|counted| {
            let before = language.of("counted before", "до этого учтено");
            json!({"text": format!("{}; {before}: {}", limit(language, &counted.limit), counted.count)})
        }));
        if !e.basis.overrides.is_empty() {
            let words: Vec<_> = e.basis.overrides.iter().map(|what| what.word(language)).collect();
            notes.push(json!({"text": format!("{}: {}", Label::Overrides.word(language), words.join("; "))}));
        }
        if let Some(window) = &e.basis.announcement {
            let told = step.clock.window(language, window);
            notes.push(json!({"text": format!("{}: {told}", Label::RestsOnAnnouncement.word(language))}));
        }
        let mut request = json!({
            "resourceType": "CommunicationRequest",
            "id": envelope.id,
            "identifier": [{"system": Systems::PERMIT, "value": e.permit}],
            "status": status,
            "statusReason": concept(Systems::FATE, reason, None),
            "medium": [of_channel(language, e.channel)],
            "subject": self.subject(step),
            "occurrencePeriod": {"start": step.clock.machine(envelope.time), "end": step.clock.machine(e.expires_at)},
            "authoredOn": step.clock.machine(envelope.time),
            "requester": self.actor(step),
            "recipient": [self.subject(step)],
            "sender": self.branch(&e.branch),
            "reasonCode": [of_purpose(language, &e.purpose)],
        });
        if let Some(about) = e.about {
            request["about"] = json!([self.about(about)]);
        }
        if !notes.is_empty() {
            request["note"] = json!(notes);
        }
        request
    }

    /// A refusal: a request that will not be carried out, with every reason as an extension, since R4 has room for one only.
    pub(super) fn refused(&self, step: &Step<'_>, e: &Refused) -> Value {
        let language = self.material.language;
        let reasons = e.reasons.iter().map(|reason| {
            let text = refusal(language, step.clock, reason).join("\n");
            json!({
                "url": Systems::EXTENSION_REFUSAL,
                "valueCodeableConcept": concept(Systems::REFUSAL, reason.code.as_str(), Some(&text)),
            })
        });
        let mut request = json!({
            "resourceType": "CommunicationRequest",
            "id": step.recorded.envelope.id,
            "extension": reasons.collect::<Vec<_>>(),
            "status": "revoked",
            "statusReason": concept(Systems::FATE, "refused", Some(Label::Refused.word(language))),
            "medium": [of_channel(language, e.channel)],
            "subject": self.subject(step),
            "authoredOn": step.clock.machine(step.recorded.envelope.time),
            "requester": self.actor(step),
            "recipient": [self.subject(step)],
            "sender": self.branch(&e.branch),
            "reasonCode": [of_purpose(language, &e.purpose)],
        });
        if let Some(about) = e.about {
            request["about"] = json!([self.about(about)]);
        }
        request
    }

    /// The patient's own request to be contacted.
    pub(super) fn requested(&self, step: &Step<'_>, e: &Requested) -> Value {
        let language = self.material.language;
        let envelope = &step.recorded.envelope;
        let mut requests = self.accounts.all.iter().flat_map(|account| &account.state.requests);
        let answered = requests.any(|request| request.id == e.request && request.answered_at.is_some());
        let mut request = json!({
            "resourceType": "CommunicationRequest",
            "id": envelope.id,
            "identifier": [{"system": Systems::REQUEST, "value": e.request}],
            "status": if answered { "completed" } else { "active" },
            "medium": [of_channel(language, e.channel)],
            "subject": self.subject(step),
            "authoredOn": step.clock.machine(envelope.time),
            "requester": self.subject(step),
            "recipient": [self.subject(step)],
        });
        if let Some(window) = &e.window {
            request["occurrencePeriod"] =
                json!({"start": step.clock.machine(window.from), "end": step.clock.machine(window.until)});
        }
        if let Some(about) = e.about {
            request["about"] = json!([self.about(about)]);
        }
        request
    }

    /// A consent, as it stands when the Bundle is made: what was withdrawn of it is an exception inside it.
    pub(super) fn granted(&self, step: &Step<'_>, e: &ConsentGranted) -> Value {
        let language = self.material.language;
        let envelope = &step.recorded.envelope;
        let state = &self.accounts.own().state;
        let holds = |channel: &Channel| {
            matches!(consent(state, &e.purpose, *channel, self.material.made_at),
                Consent::Active(grant) if grant.document == e.evidence.document)
        };
        let (holding, gone): (Vec<Channel>, Vec<Channel>) = e.channels.iter().partition(|channel| holds(channel));
        let mut period = json!({"start": step.clock.machine(envelope.time)});
        if let Some(at) = e.expires_at {
            period["end"] = json!(step.clock.machine(at));
        }
        let codes = |channels: &[Channel]| -> Vec<Value> { channels.iter().map(|c| of_channel(language, *c)).collect() };
        let mut provision = json!({
            "type": "permit",
            "period": period,
            "purpose": [{"system": Systems::PURPOSE, "code": e.purpose.as_str()}],
            "code": codes(&e.channels),
        });
        if !holding.is_empty() && !gone.is_empty() {
            provision["provision"] = json!([{"type": "deny", "code": codes(&gone)}]);
        }
        let mut consent = self.consent(step, if holding.is_empty() { "inactive" } else { "active" }, provision);
        consent["sourceReference"] = outside("DocumentReference", Systems::DOCUMENT, e.evidence.document);
        consent["identifier"] = json!([{"system": Systems::METHOD, "value": e.evidence.method}]);
        consent
    }

    pub(super) fn withdrawn(&self, step: &Step<'_>, e: &ConsentWithdrawn) -> Value {
        let language = self.material.language;
        let mut provision = json!({"type": "deny", "period": {"start": step.clock.machine(step.recorded.envelope.time)}});
        if let Some(purpose) = &e.purpose {
            provision["purpose"] = json!([{"system": Systems::PURPOSE, "code": purpose.as_str()}]);
        }
        if let Some(channels) = &e.channels {
            let codes: Vec<Value> = channels.iter().map(|channel| of_channel(language, *channel)).collect();
            provision["code"] = json!(codes);
        }
        self.consent(step, "active", provision)
    }

    /// R4 demands scope, category, and a policy or the rule that it rests on.
    fn consent(&self, step: &Step<'_>, status: &str, provision: Value) -> Value {
        let envelope = &step.recorded.envelope;
        let mut consent = json!({
            "resourceType": "Consent",
            "id": envelope.id,
            "status": status,
            "scope": concept(Systems::CONSENT_SCOPE, "patient-privacy", None),
            // The second tells it from consents about data.
            "category": [concept(Systems::LOINC, "59284-0", None), concept(Systems::CONSENT, "contact", None)],
            "patient": self.subject(step),
            "dateTime": step.clock.machine(envelope.time),
            "provision": provision,
        });
        let in_force = self.material.policies.in_force(envelope.recorded_at);
        consent["policyRule"] = match in_force {
            Some(policy) => concept(Systems::POLICY, &policy.event.version, None),
            None => json!({"text": Label::NoPolicyShown.word(self.material.language)}),
        };
        if let Some(branch) = &envelope.branch {
            consent["organization"] = json!([self.branch(branch)]);
        }
        consent
    }

    /// An appointment as it stands in this account.
    pub(super) fn appointment(&self, account: &Account<'_>, appointment: &Appointment) -> Value {
        let language = self.material.language;
        let clock = account.clock(&|branch| self.material.directory.branches.get(branch)?.time_zone.parse().ok());
        let status = match appointment.status {
            AppointmentStatus::Booked => "booked",
            AppointmentStatus::Completed(_) => "fulfilled",
            AppointmentStatus::Missed(_) => "noshow",
            AppointmentStatus::Cancelled(_) => "cancelled",
        };
        let part = |actor: Value, status: &str| json!({"actor": actor, "status": status});
        let coming = if status == "cancelled" { "declined" } else { "accepted" };
        let mut location = outside("Location", Systems::BRANCH, &appointment.branch);
        if let Some(listed) = self.material.directory.branches.get(&appointment.branch) {
            location["display"] = json!(listed.name);
        }
        let mut participants = vec![part(inside("Patient", account.patient), coming), part(location, "accepted")];
        let clinician = appointment.clinician.map(|id| outside("Practitioner", Systems::CLINICIAN, id));
        participants.extend(clinician.map(|who| part(who, "accepted")));
        let mut resource = json!({
            "resourceType": "Appointment",
            "id": appointment.id,
            "status": status,
            "serviceType": [of_kind(language, appointment.kind)],
            "start": clock.machine(appointment.starts_at),
            "_end": {"extension": [{"url": Systems::ABSENT, "valueCode": "unknown"}]},
            "participant": participants,
        });
        if let AppointmentStatus::Cancelled(at) = appointment.status {
            let by_clinic = appointment.clinic_change.is_some_and(|change| change.at == at);
            let by_clinic = self.cancelled_by(appointment.id).unwrap_or(by_clinic);
            let (code, by) = if by_clinic { ("prov", ChangedBy::Clinic) } else { ("pat", ChangedBy::Patient) };
            resource["cancelationReason"] = concept(Systems::CANCELLATION, code, Some(by.word(language)));
        }
        resource
    }

    /// Whether the clinic was the last to cancel it, by the event that says so.
    fn cancelled_by(&self, id: uuid::Uuid) -> Option<bool> {
        let cancelled = self.accounts.steps().filter_map(|step| match &step.recorded.event {
            tact_domain::patient::Event::Cancelled(e) if e.appointment == id => Some((step.recorded.envelope.time, e.by)),
            _ => None,
        });
        cancelled.max_by_key(|(at, _)| *at).map(|(_, by)| by == ChangedBy::Clinic)
    }
}
