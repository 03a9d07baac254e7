//! What a worklist knows of shared numbers: from the read models and the personal data, without asking a number's own stream for each row.
//!
//! It shows what an ask would meet, and promises nothing: a contact of somebody who no longer has the number is only counted by an ask.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use tact_domain::number::{Answer, Number, Party, Wanted, With, answer, day_of};
use tact_domain::patient::events::Override;
use tact_domain::patient::{Ask, Decision, OnNumber, State, agenda, decide};
use tact_domain::policy::Policy;
use tact_read_models::due::DueRow;
use tact_read_models::patients;
use tact_service::app::database;
use tact_service::{App, Caller, Problem};
use uuid::Uuid;

/// Who has which number, for the rows of one page.
pub(crate) struct Sharing {
    numbers: BTreeMap<Uuid, Uuid>,
    holders: BTreeMap<Uuid, Vec<Uuid>>,
    /// The numbers from which a stop came that may be open.
    stopped: BTreeSet<Uuid>,
}

impl Sharing {
    /// Looks up who shares a number with these patients, and adds what is known of them.
    pub(crate) async fn of(app: &App, ids: &[Uuid], states: &mut HashMap<Uuid, State>) -> Result<Self, Problem> {
        let (numbers, shared) = app.personal.numbers_of(ids).await.map_err(database)?;
        let holders: BTreeMap<Uuid, Vec<Uuid>> =
            shared.into_iter().filter(|s| s.patients.len() > 1).map(|s| (s.number, s.patients)).collect();
        let new: BTreeSet<Uuid> = holders.values().flatten().copied().filter(|id| !states.contains_key(id)).collect();
        let new: Vec<Uuid> = new.into_iter().collect();
        for patient in patients::many(&app.read.db(), &new).await.map_err(database)? {
            states.insert(patient.patient, patient.state().map_err(database)?);
        }
        let mut stopped = BTreeSet::new();
        if !holders.is_empty() {
            for (stop, number) in app.personal.stops(500).await.map_err(database)? {
                if holders.contains_key(&number) {
                    let known = app.numbers.number(number).await?;
                    if known.number.stops.iter().any(|open| open.asked.stop == stop) {
                        stopped.insert(number);
                    }
                }
            }
        }
        Ok(Self { numbers, holders, stopped })
    }

    /// The others who have a patient's number.
    fn others<'s>(&self, states: &'s HashMap<Uuid, State>, patient: Uuid) -> Vec<(Uuid, &'s State)> {
        let holders = self.numbers.get(&patient).and_then(|number| self.holders.get(number));
        let others = holders.into_iter().flatten().filter(|holder| **holder != patient);
        others.filter_map(|holder| states.get(holder).map(|state| (*holder, state))).collect()
    }

    /// What would be answered to an ask now.
    pub(crate) fn decision(
        &self,
        app: &App,
        states: &HashMap<Uuid, State>,
        patient: Uuid,
        policy: &Policy,
        ask: &Ask,
        now: DateTime<Utc>,
    ) -> Decision {
        let nobody = State::default();
        let state = states.get(&patient).unwrap_or(&nobody);
        let zone = || app.control.zone(state);
        let alone = decide(state, policy, ask, now, &zone());
        let (Some(rule), true) = (policy.rule(&ask.purpose), alone.is_permitted() && ask.channel.uses_number()) else {
            return alone;
        };
        let others = self.others(states, patient);
        if others.is_empty() || rule.overrides(Override::Everything) {
            return alone;
        }
        let stopped = self.numbers.get(&patient).is_some_and(|number| self.stopped.contains(number));
        let number = if stopped && !rule.overrides(Override::PatientInitiatedOnly) {
            Answer::Busy { next: None }
        } else {
            let own = Party { person: patient, state, has_it: true };
            let others = others.iter().map(|(person, state)| Party { person: *person, state, has_it: true });
            let parties: Vec<Party<'_>> = std::iter::once(own).chain(others).collect();
            let wanted = Wanted { ask, rule, person: patient, day: None, with: With::Nobody };
            answer(&Number::default(), &parties, &wanted, policy, now, &zone())
        };
        match number {
            Answer::Free { .. } => alone,
            Answer::Busy { next } => decide(state, policy, &Ask { number: OnNumber::Busy { next }, ..ask.clone() }, now, &zone()),
        }
    }

    /// The others who have the number and are owed the same about the same day, as far as the caller may see them.
    pub(crate) fn together(
        &self,
        app: &App,
        states: &HashMap<Uuid, State>,
        caller: &Caller,
        policy: &Policy,
        row: &DueRow,
        now: DateTime<Utc>,
    ) -> Vec<Uuid> {
        let Some(own) = states.get(&row.patient) else { return Vec::new() };
        let day = day_of(row.at, &app.control.zone(own));
        let owed = |state: &State| {
            let zone = app.control.zone(state);
            let entries = agenda(state, policy, &zone);
            entries.iter().any(|e| {
                e.purpose.as_str() == row.purpose && e.is_due(now) && caller.covers(&e.branch) && day_of(e.at, &zone) == day
            })
        };
        let others = self.others(states, row.patient).into_iter().filter(|(_, state)| owed(state));
        others.map(|(other, _)| other).collect()
    }
}
