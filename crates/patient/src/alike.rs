//! From records that are alike to patients who may be one: whoever was merged stands for the survivor, and what is known of two patients to
//! be two is left out.

use std::collections::{HashMap, HashSet};

use tact_domain::patient::State;
use tact_domain::patient::state::Standing;
use tact_personal::likeness::{Pair, ordered};
use tact_read_models::patients;
use tact_service::app::database;
use tact_service::{App, Problem};
use uuid::Uuid;

/// How many merges in a row are followed.
const MERGES: usize = 16;

/// Patients as the read models know them, with the survivors of those who were merged.
#[derive(Debug, Default)]
pub(crate) struct Known {
    states: HashMap<Uuid, State>,
}

impl Known {
    /// Reads the patients of some records, and the survivors of those who were merged.
    ///
    /// # Errors
    /// A problem if the read models cannot be asked.
    pub(crate) async fn read(app: &App, records: impl Iterator<Item = Uuid>) -> Result<Self, Problem> {
        let mut known = Self::default();
        let mut wanted: HashSet<Uuid> = records.collect();
        for _ in 0..MERGES {
            if wanted.is_empty() {
                break;
            }
            let ids: Vec<Uuid> = wanted.drain().collect();
            for row in patients::many(&app.read.db(), &ids).await.map_err(database)? {
                let state = row.state().map_err(database)?;
                if let Standing::Merged { into, .. } = state.standing
                    && !known.states.contains_key(&into)
                {
                    wanted.insert(into);
                }
                known.states.insert(row.patient, state);
            }
        }
        Ok(known)
    }

    /// Who goes on as whom: the survivor of a record. `None`: not known yet, erased, or merged too often.
    pub(crate) fn survivor(&self, record: Uuid) -> Option<(Uuid, &State)> {
        let mut id = record;
        for _ in 0..MERGES {
            let state = self.states.get(&id)?;
            match state.standing {
                Standing::Merged { into, .. } => id = into,
                Standing::Open | Standing::Died => return Some((id, state)),
                Standing::Unknown | Standing::Erased => return None,
            }
        }
        None
    }

    /// The ids of some pairs' records and of the patients whom they stand for.
    pub(crate) fn all(&self, pairs: &[Pair]) -> Vec<Uuid> {
        let records = pairs.iter().flat_map(|pair| [pair.one, pair.other]);
        let mut all: Vec<Uuid> =
            records.flat_map(|id| [Some(id), self.survivor(id).map(|(survivor, _)| survivor)]).flatten().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The patients whom two records stand for, if these may be one for all that is known of them.
    pub(crate) fn pair(&self, pair: &Pair) -> Option<[(Uuid, &State); 2]> {
        let (one, other) = (self.survivor(pair.one)?, self.survivor(pair.other)?);
        (one.0 != other.0 && !are_two(one, other)).then_some([one, other])
    }
}

/// Whether two patients are known to be two: one speaks for the other or has recommended the network to them, somebody has told them apart
/// after a merge, or is about to make them one.
fn are_two((one, a): (Uuid, &State), (other, b): (Uuid, &State)) -> bool {
    let said = |id: Uuid, of: &State| {
        of.guardian == Some(id)
            || of.recommendations.iter().any(|recommendation| recommendation.recommended == id)
            || of.parted.iter().any(|parted| parted.from == id)
            || of.merged_before.contains(&id)
            || of.absorbing.is_some()
    };
    said(one, b) || said(other, a)
}

/// Whether somebody has said that these two are two, as records or as the patients they stand for.
pub(crate) fn is_dismissed(dismissed: &HashSet<(Uuid, Uuid)>, pair: &Pair, patients: [Uuid; 2]) -> bool {
    dismissed.contains(&(pair.one, pair.other)) || dismissed.contains(&ordered((patients[0], patients[1])))
}
