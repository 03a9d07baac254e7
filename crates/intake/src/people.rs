//! Makes people known to the personal data store, many at once, with their links; and looks links up.

use std::collections::{HashMap, HashSet};

use smol_str::{SmolStr, ToSmolStr};
use tact_database::DbError;
use tact_personal::{ExternalId, Link, NewPerson, Personal, Put};
use uuid::Uuid;

/// Links that are read at once.
const LINKS: u32 = 10_000;
/// So many links are looked up one by one; of more, all of the system are read.
const ONE_BY_ONE: usize = 64;

/// Why somebody was not made known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Introduced {
    /// The patient was erased, and stays so.
    Erased,
    /// The id leads to another patient already.
    Taken(Uuid),
}

/// Writes people and their links: all in one transaction if none of them is there, else one by one. Those who could not be written, by patient.
///
/// # Errors
/// Whatever keeps the database from it; the same again goes on from there.
pub async fn introduce(
    personal: &Personal,
    people: &[(NewPerson, Vec<ExternalId>)],
) -> Result<HashMap<Uuid, Introduced>, DbError> {
    if people.is_empty() {
        return Ok(HashMap::new());
    }
    let persons: Vec<NewPerson> = people.iter().map(|(person, _)| person.clone()).collect();
    let links: Vec<ExternalId> = people.iter().flat_map(|(_, links)| links.iter().cloned()).collect();
    let distinct: HashSet<(&str, &str)> = links.iter().map(|link| (link.system.as_str(), link.value.as_str())).collect();
    if distinct.len() == links.len() && personal.register_new(&persons, links.clone()).await.is_ok() {
        return Ok(HashMap::new());
    }
    // Somebody of them is there: erased, or written by another at this moment. One by one it can be told.
    let mut not = HashMap::new();
    for (person, links) in people {
        let patient = person.patient;
        if personal.register(person).await? == Put::Erased {
            not.insert(patient, Introduced::Erased);
            continue;
        }
        for (at, link) in links.iter().enumerate() {
            match personal.link(&link.system, &link.value, link.patient).await? {
                Link::Done => {}
                Link::Erased => {
                    not.insert(patient, Introduced::Erased);
                }
                // The first is the id by which the sender knows them; of the others somebody else may have one.
                Link::Other(other) if at == 0 => {
                    not.insert(patient, Introduced::Taken(other));
                }
                Link::Other(_) => {}
            }
        }
    }
    Ok(not)
}

/// Which patients these ids of a system lead to.
///
/// # Errors
/// Whatever keeps the database from it.
pub async fn links(personal: &Personal, system: &str, ids: &HashSet<SmolStr>) -> Result<HashMap<SmolStr, Uuid>, DbError> {
    let mut found = HashMap::new();
    if ids.len() <= ONE_BY_ONE {
        for id in ids {
            if let Some(patient) = personal.by_external_id(system, id).await? {
                found.insert(id.clone(), patient);
            }
        }
        return Ok(found);
    }
    let mut after = String::new();
    loop {
        let page = personal.external_ids_of(system, &after, LINKS).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = last.value.clone();
        found.extend(
            page.iter().filter(|link| ids.contains(link.value.as_str())).map(|link| (link.value.to_smolstr(), link.patient)),
        );
    }
}
