//! The audit made from the log at once, without a database: the whole log is read through, every patient's contacts are held against the
//! policies of their time, and nothing is written anywhere. What the read models keep current must come to the same.
//!
//! It keeps the state of every patient in memory until the end, about 3 KB each.

use std::collections::HashMap;

use tact_domain::patient::state::{Standing, State};
use tact_event_log::{EventLog, Position, Stored, StreamId};
use tact_read_models::audit::{Found, Told, WishRow};
use uuid::Uuid;

use crate::cache::Patient;
use crate::derive::findings as findings_of;
use crate::fold::fold;
use crate::network::Network;
use crate::rows::Rows;
use crate::{IDLE, Progress, ProjectorError};

/// What an audit of a log came to.
#[derive(Debug, Clone, PartialEq)]
pub struct LogAudit {
    /// The position up to which the log was read.
    pub position: u64,
    /// What was done against the policies, in the order of the contacts' times.
    pub findings: Vec<Found>,
    /// Each "don't call me", in the order of time, with what led up to it.
    pub wishes: Vec<Told>,
}

/// Events that are read at once.
const BATCH: usize = 2000;

/// Reads a log up to its present end and audits it. `progress` is told after each batch.
///
/// # Errors
/// A log that cannot be read.
pub async fn audit_log(log: &dyn EventLog, name: &str, mut progress: impl FnMut(Progress)) -> Result<LogAudit, ProjectorError> {
    let head = log.head().await?;
    let mut network = Network::open(log, Position::START).await?;
    let mut whole = Whole::default();
    let mut at = Position::START;
    let mut follow = log.follow(name, at).await?;
    while at < head {
        for stored in follow.next(BATCH, IDLE).await?.events {
            at = stored.position;
            match stored.stream {
                StreamId::Patient(id) => whole.take(id, &stored, &network),
                StreamId::Policy | StreamId::Directory => drop(network.take(&stored)),
                // What was handed out is no contact, and neither is a place in a number's queue.
                StreamId::Access | StreamId::Number(_) => {}
            }
            if at >= head {
                break;
            }
        }
        progress(Progress { done: at.to_stored(), head: head.to_stored() });
    }
    Ok(whole.audited(at, &network))
}

/// Everything that was read.
#[derive(Default)]
struct Whole {
    patients: HashMap<Uuid, Patient>,
    /// The stream in which each contact was recorded first, and by whom.
    made: HashMap<Uuid, (Uuid, String)>,
    wishes: Vec<WishRow>,
}

impl Whole {
    fn take(&mut self, id: Uuid, stored: &Stored, network: &Network) {
        let mut rows = Rows::default();
        fold(&mut rows, self.patients.entry(id).or_default(), id, stored, network);
        for contact in rows.contacts {
            self.made.entry(contact.contact).or_insert((id, contact.actor));
        }
        self.wishes.append(&mut rows.wishes);
    }

    fn audited(mut self, at: Position, network: &Network) -> LogAudit {
        let mut findings = Vec::new();
        for (id, patient) in &self.patients {
            for row in findings_of(*id, patient, network, network.zone(&patient.state)) {
                let made = self.made.get(&row.contact);
                // Known on several streams, it is told once: of whoever the patient goes on as in whose stream it was recorded.
                if made.is_none_or(|(stream, _)| stream == id || self.goes_on(*stream) == Some(*id)) {
                    findings.push(Found::new(row, made.map(|(_, actor)| actor.clone())));
                }
            }
        }
        findings.sort_unstable_by_key(|found| (found.time, found.finding));
        let mut said = std::mem::take(&mut self.wishes);
        said.sort_unstable_by_key(|wish| (wish.time, wish.position));
        let none = State::default();
        let wishes = said.into_iter().map(|wish| {
            let state = self.goes_on(wish.patient).and_then(|id| self.patients.get(&id)).map_or(&none, |patient| &patient.state);
            Told::new(wish, state, |contact| self.made.get(&contact).map(|(_, actor)| actor.clone()))
        });
        LogAudit { position: at.to_stored(), wishes: wishes.collect(), findings }
    }

    /// Whoever a patient goes on as.
    fn goes_on(&self, patient: Uuid) -> Option<Uuid> {
        let mut id = patient;
        for _ in 0..=64 {
            match self.patients.get(&id)?.state.standing {
                Standing::Merged { into, .. } => id = into,
                _ => return Some(id),
            }
        }
        None
    }
}
