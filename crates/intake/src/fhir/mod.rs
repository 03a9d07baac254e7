//! FHIR resources, recorded: patient by patient in the order in which things happened, many patients at once.
//!
//! The same version of a resource again adds nothing; a newer one leads to the events that make what is known agree with it; an older one that comes
//! late changes nothing. The version is noted after the events, so that what was interrupted is looked at again.

mod account;
mod patient;
mod steps;
mod version;

use std::collections::{BTreeSet, HashMap, HashSet};

use futures::StreamExt;
use smol_str::{SmolStr, format_smolstr};
use tact_database::DbError;
use tact_domain::control::{BranchListed, DirectoryEvent};
use tact_domain::{Actor, Branch, Purpose, Time, nearest_word, policy};
use tact_fhir::{Index, Issue, Mapping, Read, Resource, Said, Severity, Subject};
use tact_personal::Source;
use tact_service::transact::Command;
use uuid::Uuid;

pub use account::{Account, Fate, Outcome};
use version::{Standing, standing};

use crate::{Ids, Introduced, Stopped, Stores, introduce, links};

/// Patients that are recorded at the same time.
const AT_ONCE: usize = 512;
/// Patients whose links are written in one transaction.
const CHUNK: usize = 4096;

/// How it is to be done.
pub struct Intake<'a> {
    /// Where it goes.
    pub stores: Stores<'a>,
    /// What the sender's codes mean.
    pub mapping: &'a Mapping,
    /// Who does it.
    pub actor: Actor,
    /// Whether branches that the mapping names and the directory does not are listed; else what is said of them is refused.
    pub list_branches: bool,
    /// Whether nothing is to be recorded.
    pub dry_run: bool,
    /// Which branches whoever sends it may speak of.
    pub may: &'a (dyn Fn(&Branch) -> bool + Sync),
    /// Told of every patient that is done with.
    pub done: &'a (dyn Fn(usize, usize) + Sync),
}

impl std::fmt::Debug for Intake<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Intake").field("system", &self.mapping.system).field("dry_run", &self.dry_run).finish_non_exhaustive()
    }
}

/// What is said of one patient.
#[derive(Debug)]
struct Plan {
    patient: Uuid,
    /// The id at the sender; of somebody who was found by an identifier, nothing.
    id: Option<SmolStr>,
    /// Whether the sender's id leads to them already.
    linked: bool,
    /// What is said, by its place in what was sent, in the order in which it is to be taken in.
    said: Vec<usize>,
}

impl Intake<'_> {
    /// Takes in what was sent at once, everything that is not later than the clock.
    ///
    /// # Errors
    /// A database or the log that could not do it. What was recorded until then stays; the same again goes on from there.
    pub async fn take_in(&self, read: Vec<Read>) -> Result<Account, Stopped> {
        let clock = self.stores.transactor.clock().now();
        self.stores.control.refresh().await?;
        let mut index = Index::default();
        for one in &read {
            index.add(one, self.mapping);
        }
        let mut outcomes: Vec<Outcome> = read.iter().map(first_outcome).collect();
        let resources: Vec<Option<Resource>> = read
            .into_iter()
            .map(|one| match one {
                Read::Resource(resource) => Some(*resource),
                Read::Refused(_) => None,
            })
            .collect();
        let ids = Ids { keys: self.stores.keys, system: &self.mapping.system };
        let keys: Vec<Uuid> =
            resources.iter().map(|one| one.as_ref().map_or_else(Uuid::nil, |one| resource_key(&ids, one))).collect();
        let digests: Vec<i64> = resources
            .iter()
            .map(|one| one.as_ref().map_or(0, |one| self.stores.keys.fingerprint(&[b"fhir", &one.digest]).cast_signed()))
            .collect();
        once_each(&resources, &keys, &digests, &mut outcomes);
        let plans = self.plans(&ids, &index, &resources, &keys, &mut outcomes).await?;
        let known = self.known(&plans, &keys).await?;
        let branches = self.branches(&index, &resources, &outcomes).await?;
        let run = Run { intake: self, ids, index, clock, resources, keys, digests, known, branches, purposes: self.purposes() };
        let mut account = Account { dry_run: self.dry_run, outcomes, position: None };
        let (all, mut finished) = (plans.len(), 0);
        for chunk in plans.chunks(CHUNK) {
            let not = if self.dry_run { HashMap::new() } else { run.introduce(chunk).await? };
            let mut sources = Vec::new();
            // Made before they are begun: a closure in the stream would bind it to one lifetime.
            let patients: Vec<_> = chunk.iter().map(|plan| run.patient(plan, not.get(&plan.patient))).collect();
            let mut doing = futures::stream::iter(patients).buffer_unordered(AT_ONCE);
            while let Some(done) = doing.next().await {
                let done = done?;
                account.position = account.position.max(done.position);
                sources.extend(done.sources);
                for (at, outcome) in done.outcomes {
                    account.outcomes[at] = outcome;
                }
                finished += 1;
                (self.done)(finished, all);
            }
            drop(doing);
            if !self.dry_run {
                // Last: whoever dies before looks at the events again, and finds them.
                self.stores.personal.put_sources(sources).await?;
            }
        }
        Ok(account)
    }

    /// Who is meant by what is said, and in which order it is taken in.
    async fn plans(
        &self,
        ids: &Ids<'_>,
        index: &Index,
        resources: &[Option<Resource>],
        keys: &[Uuid],
        outcomes: &mut [Outcome],
    ) -> Result<Vec<Plan>, Stopped> {
        let mut wanted: HashSet<SmolStr> = HashSet::new();
        let mut subjects: Vec<Option<Subject>> = Vec::with_capacity(resources.len());
        for (resource, outcome) in resources.iter().zip(outcomes.iter()) {
            let subject =
                resource.as_ref().filter(|_| outcome.fate == Fate::Recorded).and_then(|resource| match &resource.said {
                    Said::Person(_) => Some(Subject::Id(resource.id.clone())),
                    said => said.subject().map(|(reference, _)| index.subject(reference, self.mapping)),
                });
            if let Some(Subject::Id(id)) = &subject
                && !wanted.contains(id)
            {
                wanted.insert(id.clone());
            }
            subjects.push(subject);
        }
        let linked = links(self.stores.personal, &self.mapping.system, &wanted).await?;
        let mut plans: Vec<Plan> = Vec::new();
        let mut of: HashMap<Uuid, usize> = HashMap::new();
        for (at, (subject, resource)) in subjects.into_iter().zip(resources).enumerate() {
            let (Some(subject), Some(resource)) = (subject, resource) else { continue };
            let path = resource.said.subject().map_or("Patient", |(_, path)| path);
            let found = match subject {
                Subject::Id(id) => match linked.get(&id) {
                    Some(patient) => Ok((*patient, Some(id), true)),
                    None if index.holds_patient(&id) => Ok((ids.patient(&id), Some(id), false)),
                    None => Err(format!(
                        "names Patient/{id}, who was not sent with it (or was refused) and is not known from `{}`; send the Patient first",
                        self.mapping.system
                    )),
                },
                Subject::Identifier { system, value } => match self.stores.personal.by_external_id(&system, &value).await? {
                    Some(patient) => Ok((patient, None, true)),
                    // Whose number it is must not be told from a refusal.
                    None => Err("names an identifier by which nobody is known; send the Patient with it first, and list the identifier's system in the mapping's `identifiers`".to_owned()),
                },
                Subject::Nobody(reason) => Err(reason),
            };
            match found {
                Ok((patient, id, linked)) => {
                    let plan = *of.entry(patient).or_insert_with(|| {
                        plans.push(Plan { patient, id: id.clone(), linked, said: Vec::new() });
                        plans.len() - 1
                    });
                    let plan = &mut plans[plan];
                    plan.id = plan.id.take().or(id);
                    plan.said.push(at);
                }
                Err(reason) => outcomes[at].refuse(resource, path, "not-found", reason),
            }
        }
        for plan in &mut plans {
            in_order(&mut plan.said, resources, keys);
        }
        Ok(plans)
    }

    /// The versions that were taken in before.
    async fn known(&self, plans: &[Plan], keys: &[Uuid]) -> Result<HashMap<Uuid, Source>, DbError> {
        // Of somebody who is new, nothing can have been taken in.
        let of_linked = plans.iter().filter(|plan| plan.linked).flat_map(|plan| &plan.said);
        let wanted: Vec<Uuid> = of_linked.map(|at| keys[*at]).collect::<BTreeSet<_>>().into_iter().collect();
        let found = self.stores.personal.sources(&wanted).await?;
        Ok(found.into_iter().map(|source| (source.resource, source)).collect())
    }

    /// The branches that may be spoken of; those that are missing are listed, where that is wanted.
    async fn branches(
        &self,
        index: &Index,
        resources: &[Option<Resource>],
        outcomes: &[Outcome],
    ) -> Result<HashSet<Branch>, Stopped> {
        let directory = self.stores.control.directory();
        let mut known: HashSet<Branch> = directory.branches.keys().cloned().collect();
        if !self.list_branches {
            return Ok(known);
        }
        let mut missing: BTreeSet<&Branch> = BTreeSet::new();
        for (resource, outcome) in resources.iter().zip(outcomes) {
            if let Some(resource) = resource
                && outcome.fate == Fate::Recorded
                && let Some((places, _)) = resource.said.site()
                && let Some(branch) = index.branch(places, self.mapping)
                && !known.contains(branch)
            {
                missing.insert(branch);
            }
        }
        for branch in missing {
            known.insert(branch.clone());
            if self.dry_run {
                continue;
            }
            let ids = Ids { keys: self.stores.keys, system: &self.mapping.system };
            let listed = BranchListed {
                branch: branch.clone(),
                name: branch.to_string(),
                time_zone: self.mapping.time_zone.name().into(),
                place: None,
                hours: Default::default(),
                services: Vec::new(),
            };
            let now = self.stores.transactor.clock().now();
            let command = self.command(ids.branch(branch.as_str()), now, None);
            self.stores.control.note(&command, DirectoryEvent::BranchListed(listed)).await?;
        }
        Ok(known)
    }

    /// The purposes that a policy has ever known. A network that has no policy yet will begin with the one that ships, for all that is known.
    fn purposes(&self) -> BTreeSet<Purpose> {
        let policies = self.stores.control.policies();
        let published = policies.all().iter().flat_map(|published| published.policy.purposes.keys());
        let mut known: BTreeSet<Purpose> = published.cloned().collect();
        if known.is_empty()
            && let Ok(shipped) = policy::text::parse(policy::DEFAULT, "default")
        {
            known.extend(shipped.purposes.keys().cloned());
        }
        known
    }

    fn command(&self, event: Uuid, time: Time, branch: Option<&Branch>) -> Command {
        Command { event, fingerprint: None, time: Some(time), actor: self.actor.clone(), branch: branch.cloned(), cause: None }
    }
}

/// Everything that is known once it has been read.
struct Run<'a> {
    intake: &'a Intake<'a>,
    ids: Ids<'a>,
    index: Index,
    clock: Time,
    resources: Vec<Option<Resource>>,
    keys: Vec<Uuid>,
    digests: Vec<i64>,
    known: HashMap<Uuid, Source>,
    branches: HashSet<Branch>,
    purposes: BTreeSet<Purpose>,
}

impl Run<'_> {
    async fn introduce(&self, plans: &[Plan]) -> Result<HashMap<Uuid, Introduced>, DbError> {
        let new = plans.iter().filter(|plan| !plan.linked);
        let people: Vec<_> = new.filter_map(|plan| self.newcomer(plan)).collect();
        introduce(self.intake.stores.personal, &people).await
    }

    /// A purpose that no policy knows would hold for nothing.
    fn unknown_purpose(&self, purpose: &Purpose) -> Option<String> {
        if self.purposes.contains(purpose) {
            return None;
        }
        let near = nearest_word(purpose.as_str(), self.purposes.iter().map(Purpose::as_str));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Some(format!("is `{purpose}`, which no published policy knows{hint}"))
    }
}

/// The key under which the version of a resource is noted: keyed, so that it tells nothing.
fn resource_key(ids: &Ids<'_>, resource: &Resource) -> Uuid {
    ids.keys.derive(&[b"fhir resource", ids.system.as_bytes(), resource.kind.as_bytes(), resource.id.as_bytes()])
}

/// What a resource has come to before anything is looked up: `Recorded` stands for what is still to be taken in.
fn first_outcome(read: &Read) -> Outcome {
    let (kind, fate, issues) = match read {
        Read::Refused(issue) => (issue.kind.clone(), Fate::Refused, vec![(**issue).clone()]),
        Read::Resource(resource) => match &resource.said {
            Said::Nothing(issue) => (resource.kind.clone(), Fate::Nothing, vec![(**issue).clone()]),
            Said::Site(_) => (resource.kind.clone(), Fate::Nothing, Vec::new()),
            _ => (resource.kind.clone(), Fate::Recorded, resource.remarks.clone()),
        },
    };
    Outcome { kind, fate, issues, patient: None, thing: None, events: Vec::new() }
}

impl Outcome {
    fn refuse(&mut self, resource: &Resource, path: &str, code: &'static str, reason: impl Into<String>) {
        self.fate = Fate::Refused;
        self.issues.push(Issue {
            place: resource.place.clone(),
            kind: resource.kind.clone(),
            id: Some(resource.id.clone()),
            path: path.to_owned(),
            reason: reason.into(),
            severity: Severity::Error,
            code,
        });
    }

    fn remark(&mut self, resource: &Resource, path: &str, reason: impl Into<String>) {
        self.issues.push(Issue {
            place: resource.place.clone(),
            kind: resource.kind.clone(),
            id: Some(resource.id.clone()),
            path: format!("{}.{path}", resource.kind),
            reason: reason.into(),
            severity: Severity::Warning,
            code: "business-rule",
        });
    }
}

/// Of one resource, each version is taken in once; two that nobody can put in order are one too many.
fn once_each(resources: &[Option<Resource>], keys: &[Uuid], digests: &[i64], outcomes: &mut [Outcome]) {
    let mut first: HashMap<Uuid, usize> = HashMap::new();
    for (at, resource) in resources.iter().enumerate() {
        let Some(resource) = resource.as_ref().filter(|_| outcomes[at].fate == Fate::Recorded) else { continue };
        let Some(before) = first.insert(keys[at], at) else { continue };
        let Some(other) = &resources[before] else { continue };
        let ordered = match (&other.version, &resource.version) {
            (a, b) if a.updated.is_some() && b.updated.is_some() && a.updated != b.updated => true,
            (a, b) => a.id.is_some() && b.id.is_some() && a.id != b.id,
        };
        if digests[before] == digests[at] {
            outcomes[at].fate = Fate::There;
        } else if !ordered {
            let place = match other.place.to_string() {
                place if place.is_empty() => "another resource".to_owned(),
                place => place,
            };
            let path = format!("{}.id", resource.kind);
            outcomes[at].refuse(
                resource,
                &path,
                "duplicate",
                format!("is that of {place} as well, with other content and no version that would say which is newer"),
            );
            first.insert(keys[at], before);
        }
    }
}

/// People first; then what happened, in its order; versions of one resource in theirs.
fn in_order(said: &mut [usize], resources: &[Option<Resource>], keys: &[Uuid]) {
    let of = |at: usize| resources[at].as_ref();
    let mut begins: HashMap<Uuid, Time> = HashMap::new();
    for &at in said.iter() {
        if let Some(time) = of(at).and_then(|resource| resource.said.order()) {
            begins.entry(keys[at]).and_modify(|begins| *begins = (*begins).min(time)).or_insert(time);
        }
    }
    said.sort_by_cached_key(|&at| {
        let resource = of(at);
        let is_person = matches!(resource.map(|resource| &resource.said), Some(Said::Person(_)));
        let version = resource.map(|resource| &resource.version);
        let number = version.and_then(|version| version.id.as_ref()?.parse::<u64>().ok());
        (!is_person, begins.get(&keys[at]).copied(), keys[at], version.and_then(|version| version.updated), number, at)
    });
}

/// What tells versions of one resource apart.
fn edition(resource: &Resource, digest: i64) -> SmolStr {
    match (&resource.version.id, resource.version.updated) {
        (None, None) => format_smolstr!("{digest:x}"),
        (id, updated) => {
            format_smolstr!("{}@{}", id.as_deref().unwrap_or_default(), updated.map_or(0, |time| time.timestamp_millis()))
        }
    }
}
