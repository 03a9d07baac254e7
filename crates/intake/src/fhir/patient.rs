//! One patient: who they are, that they are known, and what is said of them, one after the other.

use std::collections::HashMap;
use std::sync::Arc;

use smol_str::SmolStr;
use tact_domain::patient::State;
use tact_domain::patient::events::{Empty, Event, ProfileChanged, Registered};
use tact_domain::patient::state::Standing as Stands;
use tact_domain::{Branch, Channel, Time};
use tact_event_log::Position;
use tact_fhir::{Person, Ref, Resource, Said};
use tact_personal::{Details, ExternalId, Link, NewPerson, Personal, Source};
use tact_service::transact::Patient;
use uuid::Uuid;

use super::steps::{Scene, Step, Steps};
use super::{Fate, Outcome, Plan, Run, Standing, edition, standing};
use crate::{Became, Hand, Introduced, Stopped};

/// The system of the ids that Tact itself gives to clinicians.
const CLINICIAN: &str = "urn:tact:clinician";
/// How many merges in a row are followed.
const MERGES: usize = 16;

/// What has become of what was said of one patient.
pub(super) struct Done {
    pub(super) outcomes: Vec<(usize, Outcome)>,
    pub(super) sources: Vec<Source>,
    pub(super) position: Option<Position>,
}

impl Run<'_> {
    fn resource(&self, at: usize) -> Option<&Resource> {
        self.resources.get(at)?.as_ref()
    }

    /// The newest that is said of who somebody is.
    fn person(&self, plan: &Plan) -> Option<(usize, &Person)> {
        plan.said.iter().rev().find_map(|&at| match &self.resource(at)?.said {
            Said::Person(person) => Some((at, person.as_ref())),
            _ => None,
        })
    }

    /// Somebody who is new, as they are written.
    pub(super) fn newcomer(&self, plan: &Plan) -> Option<(NewPerson, Vec<ExternalId>)> {
        let (_, person) = self.person(plan)?;
        let id = plan.id.as_ref()?;
        let patient = plan.patient;
        let command = self.ids.keys.fingerprint(&[b"import", patient.as_bytes()]);
        let own = (self.ids.system, id.as_str());
        let all = std::iter::once(own).chain(person.identifiers.iter().map(|(system, value)| (system.as_str(), value.as_str())));
        let link = |(system, value): (&str, &str)| ExternalId { system: system.to_owned(), value: value.to_owned(), patient };
        let links = all.map(link).collect();
        Some((NewPerson { patient, command, details: details(person) }, links))
    }

    /// The patient who goes on under this id, as far as is known here.
    async fn survivor(&self, patient: Uuid) -> Result<Arc<Patient>, Stopped> {
        let transactor = self.intake.stores.transactor;
        let mut known = transactor.patient(patient).await?;
        for _ in 0..MERGES {
            let Stands::Merged { into, .. } = known.state.standing else { break };
            known = transactor.patient(into).await?;
        }
        Ok(known)
    }

    /// Takes in what is said of one patient.
    pub(super) async fn patient(&self, plan: &Plan, not: Option<&Introduced>) -> Result<Done, Stopped> {
        let mut one = One {
            run: self,
            plan,
            hand: None,
            known: HashMap::new(),
            done: Done { outcomes: Vec::with_capacity(plan.said.len()), sources: Vec::new(), position: None },
        };
        if let Some(not) = not {
            one.none(match not {
                Introduced::Erased => "the patient was erased, and stays so".to_owned(),
                Introduced::Taken(other) => {
                    format!("this id already leads to patient {other}, who came in at this very moment; send it again")
                }
            });
            return Ok(one.done);
        }
        one.all().await?;
        Ok(one.done)
    }
}

/// What is known of a person, as it is kept.
fn details(person: &Person) -> Details {
    Details {
        name: person.name.clone(),
        phone: person.phone.clone(),
        email: person.email.clone(),
        address: person.address.clone(),
        birth_date: person.birth_date.clone(),
    }
}

/// One patient at work.
struct One<'r> {
    run: &'r Run<'r>,
    plan: &'r Plan,
    hand: Option<Hand<'r>>,
    /// The versions that have been taken in meanwhile.
    known: HashMap<Uuid, Source>,
    done: Done,
}

impl<'r> One<'r> {
    fn outcome(&self, resource: &Resource, fate: Fate) -> Outcome {
        let issues = resource.remarks.clone();
        Outcome { kind: resource.kind.clone(), fate, issues, patient: Some(self.plan.patient), thing: None, events: Vec::new() }
    }

    /// Nothing of it is taken in.
    fn none(&mut self, reason: String) {
        for &at in &self.plan.said {
            if let Some(resource) = self.run.resource(at) {
                let mut outcome = self.outcome(resource, Fate::Refused);
                let path = resource.said.subject().map_or("Patient", |(_, path)| path);
                outcome.refuse(resource, path, "business-rule", reason.clone());
                self.done.outcomes.push((at, outcome));
            }
        }
    }

    async fn all(&mut self) -> Result<(), Stopped> {
        let run = self.run;
        let mut new = Vec::new();
        for &at in &self.plan.said {
            let Some(resource) = run.resource(at) else { continue };
            match standing(run.known.get(&run.keys[at]), &resource.version, run.digests[at]) {
                Standing::New => new.push(at),
                Standing::Same => self.done.outcomes.push((at, self.outcome(resource, Fate::There))),
                Standing::Older => self.done.outcomes.push((at, self.older(resource))),
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let (stores, clock, patient) = (run.intake.stores, run.clock, self.plan.patient);
        let mut state = if self.plan.linked { Some(run.survivor(patient).await?) } else { None };
        let unknown = state.as_ref().is_none_or(|known| known.state.standing == Stands::Unknown && known.set_aside().is_none());
        if state.as_ref().is_some_and(|known| known.state.standing == Stands::Erased) {
            self.none("the patient was erased, and stays so".to_owned());
            return Ok(());
        }
        self.hand = Some(if run.intake.dry_run {
            let state = state.take().map(|known| known.state.clone()).unwrap_or_default();
            Hand::pretending(stores, patient, clock, state)
        } else {
            Hand::new(stores, patient, clock)
        });
        drop(state);
        if unknown && let Err(reason) = self.register(&new).await? {
            self.refuse_all(&new, reason);
            return Ok(());
        }
        let newest = run.person(self.plan).map(|(at, _)| at);
        for at in new {
            let Some(resource) = run.resource(at) else { continue };
            let outcome = match &resource.said {
                Said::Person(_) if newest != Some(at) => self.older(resource),
                Said::Person(person) => self.profile(at, resource, person, unknown).await?,
                _ => self.fact(at, resource).await?,
            };
            self.done.outcomes.push((at, outcome));
        }
        self.done.position = self.hand.as_ref().and_then(|hand| hand.position);
        self.done.sources.extend(std::mem::take(&mut self.known).into_values());
        Ok(())
    }

    fn refuse_all(&mut self, new: &[usize], (path, code, reason): super::steps::Contradiction) {
        for &at in new {
            if let Some(resource) = self.run.resource(at) {
                let mut outcome = self.outcome(resource, Fate::Refused);
                outcome.refuse(resource, path, code, reason.clone());
                self.done.outcomes.push((at, outcome));
            }
        }
    }

    fn older(&self, resource: &Resource) -> Outcome {
        let mut outcome = self.outcome(resource, Fate::Older);
        outcome.issues.clear();
        outcome.remark(resource, "meta", "is of an older version than what was taken in before; it changes nothing");
        outcome
    }

    fn note(&mut self, at: usize, resource: &Resource) {
        let resource_key = self.run.keys[at];
        let source = Source {
            resource: resource_key,
            patient: self.plan.patient,
            version: resource.version.id.as_ref().map(ToString::to_string),
            updated_at: resource.version.updated,
            digest: self.run.digests[at],
        };
        self.known.insert(resource_key, source);
    }

    /// Makes the patient known: by the time of the first that is said of them, at the branch that looks after them or the last one they were at.
    async fn register(&mut self, new: &[usize]) -> Result<Result<(), super::steps::Contradiction>, Stopped> {
        let run = self.run;
        let said = || new.iter().filter_map(|&at| run.resource(at));
        let past = |time: &Time| *time <= run.clock;
        let person = run.person(self.plan).map(|(_, person)| person);
        let died = person.and_then(|person| person.died.flatten()).map(|date| date.first(run.intake.mapping.time_zone));
        let changed = said().filter_map(|resource| resource.version.updated).min();
        let times = said().filter_map(|resource| resource.said.order()).chain(died).filter(past);
        let time = times.min().or(changed.filter(past)).unwrap_or(run.clock);
        let of_person = person.and_then(|person| run.named_branch(&person.site));
        let last =
            said().filter_map(|resource| Some((resource.said.order()?, resource.said.site()?.0))).max_by_key(|(time, _)| *time);
        let home = of_person.or_else(|| run.index.branch(last.map(|(_, places)| places).unwrap_or_default(), run.intake.mapping));
        let Some(home) = home else {
            return Ok(Err((
                "Patient.managingOrganization",
                "not-found",
                "no branch looks after the patient: list the organisation in the mapping's `[branches]`, or `*`".to_owned(),
            )));
        };
        if let Some((code, reason)) = run.unusable(home) {
            return Ok(Err(("Patient.managingOrganization", code, reason)));
        }
        let event = Event::Registered(Registered {
            home_branch: home.clone(),
            time_zone: run.intake.mapping.time_zone.name().into(),
            language: person.and_then(|person| person.language.clone()),
            recommended_by: None,
            guardian: None,
        });
        let id = self.plan.id.clone().unwrap_or_default();
        let step = Step { event_id: run.ids.registration(&id), time, branch: Some(home.clone()), event };
        Ok(match self.take(step).await? {
            Became::Refused(reason) => Err(("Patient", "business-rule", reason)),
            Became::Recorded | Became::There => Ok(()),
        })
    }

    async fn take(&mut self, step: Step) -> Result<Became, Stopped> {
        let command = self.run.intake.command(step.event_id, step.time, step.branch.as_ref());
        match &mut self.hand {
            Some(hand) => Ok(hand.record(&command, step.event).await?),
            None => Ok(Became::There),
        }
    }

    /// What is known of the patient now, looked at.
    async fn look<T>(&self, look: impl FnOnce(&State) -> T) -> Result<T, Stopped> {
        if let Some(state) = self.hand.as_ref().and_then(Hand::pretended) {
            return Ok(look(state));
        }
        // Let go of before the next event: so the state is changed in place and not copied.
        let known = self.run.survivor(self.plan.patient).await?;
        Ok(look(&known.state))
    }

    /// Takes in who somebody is. The change of the profile is recorded before the details are: what was interrupted in between finds the old
    /// details still there, and the same event again.
    async fn profile(&mut self, at: usize, resource: &Resource, person: &Person, registered: bool) -> Result<Outcome, Stopped> {
        let run = self.run;
        let stores = run.intake.stores;
        let mut outcome = self.outcome(resource, Fate::There);
        outcome.thing = Some(self.plan.patient);
        let edition = edition(resource, run.digests[at]);
        let event_id = |what: &[u8]| run.ids.keys.derive(&[b"fhir", self.plan.patient.as_bytes(), what, edition.as_bytes()]);
        let changed_at = resource.version.updated.unwrap_or(run.clock).min(run.clock);
        let mut steps = Vec::new();
        if registered {
            outcome.events.push("patient.registered");
        }
        let mut new = details(person);
        if self.plan.linked {
            let old = stores.personal.person(self.plan.patient).await?.map(|person| person.details).unwrap_or_default();
            let channels = changed_channels(stores.personal, &old, &new);
            keep_changed(&old, &mut new);
            let home = run.named_branch(&person.site).filter(|branch| run.unusable(branch).is_none());
            let (language, home_branch) = self
                .look(|state| {
                    let language = person.language.clone().filter(|language| state.language.as_ref() != Some(language));
                    (language, home.filter(|home| state.home_branch.as_ref() != Some(*home)).cloned())
                })
                .await?;
            let language = language.filter(|_| !registered);
            let home_branch = home_branch.filter(|_| !registered);
            let channels = (!channels.is_empty()).then_some(channels);
            if language.is_some() || home_branch.is_some() || channels.is_some() {
                let event = ProfileChanged { home_branch, time_zone: None, language, guardian: None, channels };
                let branch = event.home_branch.clone();
                steps.push(Step {
                    event_id: event_id(b"profile"),
                    time: changed_at,
                    branch,
                    event: Event::ProfileChanged(event),
                });
            }
        }
        let zone = run.intake.mapping.time_zone;
        let deceased = self.look(|state| state.deceased).await?;
        let mut later = false;
        match person.died {
            Some(date) if !deceased => {
                let time = match date {
                    // Of a day, whatever happened on it may have come before.
                    Some(date) if date.first(zone) > run.clock => None,
                    Some(date) => Some(date.last(zone).min(run.clock)),
                    None => Some(changed_at),
                };
                match time {
                    Some(time) => {
                        steps.push(Step { event_id: event_id(b"died"), time, branch: None, event: Event::Died(Empty {}) });
                    }
                    None => later = true,
                }
            }
            None if person.alive && deceased => {
                steps.push(Step {
                    event_id: event_id(b"restored"),
                    time: changed_at,
                    branch: None,
                    event: Event::Restored(Empty {}),
                });
            }
            _ => {}
        }
        for step in steps {
            let kind = step.event.kind();
            match self.take(step).await? {
                Became::Recorded => outcome.events.push(kind),
                Became::There => {}
                Became::Refused(reason) => {
                    outcome.refuse(resource, "Patient", "business-rule", reason);
                    return Ok(outcome);
                }
            }
        }
        let mut details_changed = false;
        if self.plan.linked && !run.intake.dry_run {
            if new != Details::default() {
                details_changed = true;
                if !stores.personal.change(self.plan.patient, new).await? {
                    outcome.refuse(resource, "Patient", "business-rule", "the patient was erased, and stays so");
                    return Ok(outcome);
                }
            }
            for (number, (system, value)) in person.identifiers.iter().enumerate() {
                if let Link::Other(other) = stores.personal.link(system, value, self.plan.patient).await? {
                    let path = format!("identifier[{number}]");
                    outcome.remark(
                        resource,
                        &path,
                        format!("already leads to patient {other}: perhaps both are one person, which is for a person to say"),
                    );
                }
            }
        } else if self.plan.linked {
            details_changed = new != Details::default();
        }
        if !outcome.events.is_empty() || details_changed {
            outcome.fate = Fate::Recorded;
        } else if later {
            outcome.fate = Fate::Later;
        }
        if !later {
            self.note(at, resource);
        }
        Ok(outcome)
    }

    /// Takes in what has happened, or was agreed to.
    async fn fact(&mut self, at: usize, resource: &Resource) -> Result<Outcome, Stopped> {
        let run = self.run;
        let mut outcome = self.outcome(resource, Fate::There);
        let mapping = run.intake.mapping;
        let branch = match resource.said.site() {
            None => None,
            Some((places, path)) => {
                let found = if places.is_empty() && matches!(resource.said, Said::Operation(_)) {
                    // Nobody says where it was done: where the patient is looked after.
                    self.look(|state| state.home_branch.clone()).await?
                } else {
                    run.index.branch(places, mapping).cloned()
                };
                let Some(branch) = found else {
                    let named: Vec<String> = places.iter().map(|place| format!("`{place}`")).collect();
                    let said = if named.is_empty() { "names no place".to_owned() } else { format!("is {}", named.join(", ")) };
                    outcome.refuse(
                        resource,
                        path,
                        "not-found",
                        format!("{said}, which no branch stands for; list it in the mapping's `[branches]`, or `*`"),
                    );
                    return Ok(outcome);
                };
                if let Some((code, reason)) = run.unusable(&branch) {
                    outcome.refuse(resource, path, code, reason);
                    return Ok(outcome);
                }
                Some(branch)
            }
        };
        let purpose = match &resource.said {
            Said::Granted(said) => Some((&said.purpose, "Consent.provision.purpose")),
            Said::Withdrawn(said) => said.purpose.as_ref().map(|purpose| (purpose, "Consent.provision.purpose")),
            Said::Announced(said) => Some((&said.purpose, "CommunicationRequest.category")),
            _ => None,
        };
        if let Some((purpose, path)) = purpose
            && let Some(reason) = run.unknown_purpose(purpose)
        {
            outcome.refuse(resource, path, "code-invalid", reason);
            return Ok(outcome);
        }
        if let Said::Asked(said) = &resource.said
            && let Some(requester) = &said.requester
            && run.index.subject(requester, mapping) != run.index.subject(&said.subject, mapping)
        {
            outcome.refuse(
                resource,
                "CommunicationRequest.requester",
                "business-rule",
                "is not the patient: only the patient's own wish to be called back is one; list the category in the mapping's `[request]` if somebody writes it down for them",
            );
            return Ok(outcome);
        }
        let edition = edition(resource, run.digests[at]);
        let steps = self.look(|state| run.steps(state, resource, &edition, branch.as_ref())).await?;
        let steps = match steps {
            Ok(steps) => steps,
            Err((path, code, reason)) => {
                outcome.refuse(resource, path, code, reason);
                return Ok(outcome);
            }
        };
        outcome.thing = steps.thing;
        if let Some((path, reason)) = steps.remark {
            outcome.remark(resource, path, reason);
        }
        let mut later = false;
        for step in steps.steps {
            if step.time > run.clock {
                later = true;
                break;
            }
            let kind = step.event.kind();
            match self.take(step).await? {
                Became::Recorded => outcome.events.push(kind),
                Became::There => {}
                Became::Refused(reason) => {
                    outcome.refuse(resource, at_fault(&resource.said, kind), "business-rule", reason);
                    return Ok(outcome);
                }
            }
        }
        if !outcome.events.is_empty() {
            outcome.fate = Fate::Recorded;
        } else if later {
            outcome.fate = Fate::Later;
        }
        if !later {
            self.note(at, resource);
        }
        Ok(outcome)
    }
}

/// The element that says what could not be recorded.
fn at_fault(said: &Said, kind: &str) -> &'static str {
    match (said, kind) {
        (Said::Booking(_), "appointment.booked" | "appointment.rescheduled") => "Appointment.start",
        (Said::Booking(_), _) => "Appointment.status",
        (Said::Visit(_), _) => "Encounter.period",
        (Said::Operation(_), _) => "Procedure.performed",
        (Said::Granted(_) | Said::Withdrawn(_), _) => "Consent.provision",
        (Said::Asked(_) | Said::Announced(_), _) => "CommunicationRequest.occurrence",
        _ => "Patient",
    }
}

impl Run<'_> {
    /// The branch that places name, not just any.
    fn named_branch(&self, places: &[Ref]) -> Option<&Branch> {
        let mapping = self.intake.mapping;
        let any = mapping.branches.get("*");
        self.index.branch(places, mapping).filter(|branch| !places.is_empty() && any != Some(*branch))
    }

    /// Why a branch cannot be spoken of.
    fn unusable(&self, branch: &Branch) -> Option<(&'static str, String)> {
        if !self.branches.contains(branch) {
            return Some((
                "not-found",
                format!("the mapping means branch `{branch}`, which the directory does not list; list it first"),
            ));
        }
        (!(self.intake.may)(branch)).then(|| ("forbidden", format!("branch `{branch}` is not in this caller's scope")))
    }

    fn steps(
        &self,
        state: &State,
        resource: &Resource,
        edition: &SmolStr,
        branch: Option<&Branch>,
    ) -> Result<Steps, super::steps::Contradiction> {
        let mapping = self.intake.mapping;
        let id_of = |kind: &str, reference: Option<&Ref>| reference.and_then(|reference| self.index.id(kind, reference, mapping));
        let clinician = match &resource.said {
            Said::Booking(said) => said.clinician.as_ref(),
            Said::Visit(said) => said.clinician.as_ref(),
            Said::Operation(said) => said.clinician.as_ref(),
            _ => None,
        };
        let clinician = match clinician {
            Some(Ref::Identifier { system, value }) if system == CLINICIAN => value.parse().ok(),
            clinician => id_of("Practitioner", clinician).map(|id| self.ids.derive("practitioner", &id, 0)),
        };
        let scene = Scene {
            ids: self.ids,
            state,
            clock: self.clock,
            resource,
            edition,
            branch,
            clinician,
            zone: mapping.time_zone,
            changed_by: mapping.changed_by,
        };
        Ok(match &resource.said {
            Said::Booking(said) => scene.booking(said)?,
            Said::Visit(said) => scene.visit(said, id_of("Appointment", said.appointment.as_ref()).as_deref()),
            Said::Operation(said) => scene.operation(said),
            Said::Granted(said) => scene.granted(said),
            Said::Withdrawn(said) => scene.withdrawn(said),
            Said::Asked(said) => scene.asked(said, id_of("Appointment", said.about.as_ref()).as_deref()),
            Said::Announced(said) => scene.announced(said, id_of("Appointment", said.about.as_ref()).as_deref()),
            Said::Person(_) | Said::Site(_) | Said::Nothing(_) => Steps::default(),
        })
    }
}

/// The channels whose contact details are new. The same number in another spelling is not: it would make a channel reachable on which it was wrong.
fn changed_channels(personal: &Personal, old: &Details, new: &Details) -> Vec<Channel> {
    let mut channels = Vec::new();
    let number = |details: &Details| personal.fingerprint(details.phone.as_deref());
    if new.phone.is_some() && new.phone != old.phone && (number(new).is_none() || number(new) != number(old)) {
        channels.extend([Channel::Phone, Channel::AutoCall, Channel::Sms, Channel::Messenger]);
    }
    if new.email.is_some() && new.email != old.email {
        channels.push(Channel::Email);
    }
    if new.address.is_some() && new.address != old.address {
        channels.push(Channel::Letter);
    }
    channels
}

/// Leaves only what is another than before.
fn keep_changed(old: &Details, new: &mut Details) {
    let pairs = [
        (&old.name, &mut new.name),
        (&old.phone, &mut new.phone),
        (&old.email, &mut new.email),
        (&old.address, &mut new.address),
        (&old.birth_date, &mut new.birth_date),
    ];
    for (old, new) in pairs {
        if *old == *new {
            *new = None;
        }
    }
}
