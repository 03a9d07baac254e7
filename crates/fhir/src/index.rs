//! What was sent together, looked up: who is meant by a reference, and which branch by a place. What is not here may still be known from before;
//! that is for whoever keeps the ids to say.

use std::collections::{HashMap, HashSet};

use smol_str::{SmolStr, ToSmolStr, format_smolstr};
use tact_domain::Branch;

use crate::mapping::Mapping;
use crate::read::Read;
use crate::reference::Ref;
use crate::said::Said;

/// How a place may be called beside its reference.
#[derive(Debug, Clone, Default)]
struct SiteNames {
    /// As a mapping writes them, the surest first.
    names: Vec<SmolStr>,
}

/// What was sent together.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// The type and id behind each entry's address.
    urls: HashMap<SmolStr, (SmolStr, SmolStr)>,
    /// The ids of the patients that were sent.
    patients: HashSet<SmolStr>,
    /// The patients behind identifiers.
    identifiers: HashMap<(SmolStr, SmolStr), SmolStr>,
    /// Names of organisations and locations by type and id, and by address.
    sites: HashMap<SmolStr, SiteNames>,
}

/// Whom a reference to a patient means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The sender's patient of this id, who may or may not be known.
    Id(SmolStr),
    /// Whoever has this identifier: nobody of those who were sent with it.
    Identifier {
        /// The system.
        system: SmolStr,
        /// The id there.
        value: SmolStr,
    },
    /// Nobody; why.
    Nobody(String),
}

impl Index {
    /// Adds what was read.
    pub fn add(&mut self, read: &Read, mapping: &Mapping) {
        let Read::Resource(resource) = read else { return };
        if let Some(url) = &resource.full_url {
            self.urls.insert(url.clone(), (resource.kind.clone(), resource.id.clone()));
        }
        match &resource.said {
            Said::Person(person) => {
                self.patients.insert(resource.id.clone());
                for (system, value) in &person.identifiers {
                    self.identifiers.insert((system.clone(), value.clone()), resource.id.clone());
                }
            }
            Said::Site(site) => {
                let mut names = vec![format_smolstr!("{}/{}", resource.kind, resource.id)];
                names.extend(site.identifiers.iter().cloned());
                names.extend(site.name.clone());
                names.retain(|name| mapping.branches.contains_key(name.as_str()));
                let names = SiteNames { names };
                if let Some(url) = &resource.full_url {
                    self.sites.insert(url.clone(), names.clone());
                }
                for identifier in &site.identifiers {
                    self.sites.insert(identifier.clone(), names.clone());
                }
                // Bulk files point to one another by URNs of the bare ids.
                self.sites.insert(format_smolstr!("urn:uuid:{}", resource.id), names.clone());
                self.sites.insert(format_smolstr!("{}/{}", resource.kind, resource.id), names);
            }
            _ => {}
        }
    }

    /// The type and id of what an address means: an entry's, or one of the sender's own.
    fn of_url(&self, url: &str, mapping: &Mapping) -> Option<(SmolStr, SmolStr)> {
        if let Some(found) = self.urls.get(url) {
            return Some(found.clone());
        }
        let path = mapping.bases.iter().find_map(|base| url.strip_prefix(base.as_str())?.strip_prefix('/'))?;
        let (kind, id) = path.split_once('/')?;
        Some((kind.to_smolstr(), id.to_smolstr()))
    }

    /// Whether a patient of this id was sent.
    pub fn holds_patient(&self, id: &str) -> bool {
        self.patients.contains(id)
    }

    /// Whom a reference means.
    pub fn subject(&self, reference: &Ref, mapping: &Mapping) -> Subject {
        match reference {
            Ref::Relative { kind, id } if kind == "Patient" => Subject::Id(id.clone()),
            Ref::Relative { kind, .. } => Subject::Nobody(format!("is a {kind} and not a Patient")),
            Ref::Full(url) => match self.of_url(url, mapping) {
                Some((kind, id)) if kind == "Patient" => Subject::Id(id),
                Some((kind, _)) => Subject::Nobody(format!("is a {kind} and not a Patient")),
                // Bulk files point to one another by URNs of the bare ids, and have no entries with addresses.
                None => match url.strip_prefix("urn:uuid:") {
                    Some(id) => Subject::Id(id.into()),
                    None => Subject::Nobody(format!(
                        "is `{}`, which is neither the `fullUrl` of an entry nor under one of the mapping's `bases`; send the Patient with it, or name the \
                         address in `bases`",
                        crate::text::cut(url)
                    )),
                },
            },
            Ref::Identifier { system, value } => match self.identifiers.get(&(system.clone(), value.clone())) {
                Some(id) => Subject::Id(id.clone()),
                None => Subject::Identifier { system: system.clone(), value: value.clone() },
            },
            Ref::Display(_) => Subject::Nobody("names somebody in words only; write `Patient/` and the id".to_owned()),
        }
    }

    /// The id at the sender of another resource of this type, such as an Appointment.
    pub fn id(&self, kind: &str, reference: &Ref, mapping: &Mapping) -> Option<SmolStr> {
        match reference {
            Ref::Relative { kind: named, id } => (named == kind).then(|| id.clone()),
            Ref::Full(url) => match self.of_url(url, mapping) {
                Some((named, id)) => (named == kind).then_some(id),
                None => url.strip_prefix("urn:uuid:").map(SmolStr::new),
            },
            // An id that a resource without one of its own is known by.
            Ref::Identifier { system, value } => Some(format_smolstr!("{system}|{value}")),
            Ref::Display(_) => None,
        }
    }

    /// The branch that places mean, the likeliest first; what none of them names is the mapping's `*`.
    pub fn branch<'m>(&self, places: &[Ref], mapping: &'m Mapping) -> Option<&'m Branch> {
        let known = |name: &str| mapping.branches.get(name);
        for place in places {
            let found = match place {
                Ref::Relative { kind, id } => {
                    let name = format_smolstr!("{kind}/{id}");
                    known(&name).or_else(|| self.named(&name, mapping))
                }
                Ref::Full(url) => known(url).or_else(|| self.named(url, mapping)).or_else(|| {
                    let (kind, id) = self.of_url(url, mapping)?;
                    let name = format_smolstr!("{kind}/{id}");
                    known(&name).or_else(|| self.named(&name, mapping))
                }),
                Ref::Identifier { system, value } => {
                    let name = format_smolstr!("{system}|{value}");
                    known(&name).or_else(|| self.named(&name, mapping))
                }
                Ref::Display(name) => known(name),
            };
            if found.is_some() {
                return found;
            }
        }
        known("*")
    }

    fn named<'m>(&self, key: &str, mapping: &'m Mapping) -> Option<&'m Branch> {
        let names = self.sites.get(key)?;
        names.names.iter().find_map(|name| mapping.branches.get(name.as_str()))
    }
}
