//! A story: patients with their streams, told event by event on the domain's functions, as the services would do it.
//!
//! Every event is written to bytes and read back, chained by its hash, so that a story also shows that each event can be stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono_tz::Tz;
use tact_domain::envelope::{self, Hash};
use tact_domain::number::{Answer, Number, NumberReserved, Party, RESERVED_FOR, Wanted, answer, day_of};
use tact_domain::patient::admit;
use tact_domain::patient::agenda::{self, Entry};
use tact_domain::patient::events::*;
use tact_domain::patient::reaction::{self, Outcome as Then};
use tact_domain::patient::state::Standing;
use tact_domain::patient::{self, Ask, Decision, OnNumber, QuotaLine, State, Untrue};
use tact_domain::policy::Policy;
use tact_domain::{Actor, Branch, Channel, Envelope, Purpose, Recorded, Time, Zone, to_millis};
use uuid::Uuid;

use crate::names::derived;

/// What was told cannot have been so.
pub type Unfit = Untrue;

/// Patients and what has happened to them so far.
#[derive(Debug, Clone)]
pub struct Story {
    policy: Arc<Policy>,
    /// Stands in for the home branch's, where a patient's own is unknown.
    time_zone: Tz,
    patients: BTreeMap<Uuid, Stream>,
    /// How many events there are; their ids are derived from it.
    events: u64,
    /// Telephone numbers that several people have, with what was reserved on each.
    numbers: Vec<(Vec<Uuid>, Number)>,
}

#[derive(Debug, Clone, Default)]
struct Stream {
    state: State,
    events: Vec<Recorded>,
    last: Hash,
}

/// A contact that is due at a branch.
#[derive(Debug, Clone, PartialEq)]
pub struct Due {
    /// Who is owed it.
    pub patient: Uuid,
    /// What is owed.
    pub entry: Entry,
    /// The channel on which the worklist would propose it.
    pub channel: Channel,
    /// What would be answered if somebody asked for it now.
    pub decision: Decision,
}

impl Story {
    /// A story without patients, under a policy. `time_zone` holds for patients whose own is unknown.
    pub fn new(policy: Policy, time_zone: Tz) -> Self {
        Self { policy: policy.into(), time_zone, patients: BTreeMap::new(), events: 0, numbers: Vec::new() }
    }

    /// These people have one telephone number.
    pub fn share(&mut self, people: &[Uuid]) {
        self.numbers.push((people.to_vec(), Number::default()));
    }

    /// The policy of the story.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The ids of everybody in it.
    pub fn patients(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.patients.keys().copied()
    }

    /// What is known of a patient; of a stranger, nothing.
    pub fn state(&self, patient: Uuid) -> State {
        self.patients.get(&patient).map(|stream| stream.state.clone()).unwrap_or_default()
    }

    /// Everything that was recorded of a patient, in order.
    pub fn events(&self, patient: Uuid) -> &[Recorded] {
        self.patients.get(&patient).map_or(&[], |stream| &stream.events)
    }

    /// A patient's time zone, with nothing looked up yet.
    pub fn zone(&self, patient: Uuid) -> Zone {
        Zone::new(self.patients.get(&patient).and_then(|s| s.state.zone()).unwrap_or(self.time_zone))
    }

    /// Records that something happened at `time`, and what it sets off. `recorded_at` is when somebody wrote it down. What happened to
    /// a patient who was merged goes to the survivor. Returns whose stream it went to.
    ///
    /// # Errors
    /// [`Untrue`] if it contradicts what is known.
    pub fn apply_event(&mut self, patient: Uuid, event: Event, time: Time, recorded_at: Time) -> Result<Uuid, Unfit> {
        if self.has_followed(patient, &event) {
            return Ok(patient);
        }
        if let Event::Absorbed(told) = &event
            && *told.facts == Carried::default()
            && self.state(told.from).is_open()
        {
            // That the other stream closes goes without saying.
            return self.apply_event(told.from, Event::Merged(Merged { into: patient }), time, recorded_at);
        }
        let (patient, event) = self.placed(patient, self.completed(patient, event)?);
        let now = self.now(patient, recorded_at);
        patient::admit(&self.state(patient), &event, time, now)?;
        if let Event::Merged(merged) = &event {
            self.begin_merge(merged.into, patient, time, recorded_at)?;
        }
        self.append(patient, event, time, now, Actor::System("story".into()), None);
        Ok(patient)
    }

    /// Asks for a permit at `now` and records the answer.
    ///
    /// # Errors
    /// [`Untrue`] if nobody could have asked so.
    pub fn ask(&mut self, patient: Uuid, ask: &Ask, with: Option<Uuid>, now: Time) -> Result<Decision, Unfit> {
        admit::admit_ask(&self.state(patient))?;
        admit::admit_reason(&self.policy, ask)?;
        let now = self.now(patient, now);
        let alone = patient::decide(&self.state(patient), &self.policy, ask, now, &self.zone(patient));
        let mut decision = alone.clone();
        if let Some((at, answer, day)) = self.number_says(patient, ask, with, &alone, now) {
            let number = match answer {
                Answer::Busy { next } => OnNumber::Busy { next },
                Answer::Free { joins } => {
                    let reservation = derived(&format!("reservation\0{}", self.events));
                    self.numbers[at].1.reservations.push(NumberReserved {
                        reservation,
                        patient,
                        permit: ask.permit,
                        purpose: ask.purpose.clone(),
                        channel: ask.channel,
                        lapses_at: now + RESERVED_FOR,
                        day,
                        joins,
                    });
                    OnNumber::Reserved(reservation)
                }
            };
            let ask = Ask { number, ..ask.clone() };
            decision = patient::decide(&self.state(patient), &self.policy, &ask, now, &self.zone(patient));
        }
        let event = match decision.clone() {
            Decision::Permitted(permitted) => Event::Permitted(permitted),
            Decision::Refused(refused) => Event::Refused(refused),
        };
        self.append(patient, event, now, now, Actor::System("story".into()), None);
        Ok(decision)
    }

    /// What would be answered at `now`; nothing is recorded.
    pub fn decide(&self, patient: Uuid, ask: &Ask, now: Time) -> Decision {
        let decide = |ask: &Ask| patient::decide(&self.state(patient), &self.policy, ask, now, &self.zone(patient));
        let alone = decide(ask);
        match self.number_says(patient, ask, None, &alone, now) {
            Some((_, Answer::Busy { next }, _)) => decide(&Ask { number: OnNumber::Busy { next }, ..ask.clone() }),
            _ => alone,
        }
    }

    /// What the number says that a patient shares, and which it is; nothing where it is not asked.
    fn number_says(
        &self,
        patient: Uuid,
        ask: &Ask,
        with: Option<Uuid>,
        alone: &Decision,
        now: Time,
    ) -> Option<(usize, Answer, Option<chrono::NaiveDate>)> {
        let (Decision::Permitted(permitted), true) = (alone, ask.channel.uses_number()) else { return None };
        let rule = self.policy.rule(&ask.purpose).filter(|rule| !rule.overrides(Override::Everything))?;
        let at = self.numbers.iter().position(|(people, _)| people.contains(&patient))?;
        let (people, number) = &self.numbers[at];
        let state = self.state(patient);
        let own = Party { person: patient, state: &state, has_it: true };
        let others: Vec<(Uuid, State)> =
            people.iter().filter(|p| **p != patient).map(|p| (self.survivor(*p), self.state(*p))).collect();
        let others = others.iter().map(|(person, state)| Party { person: *person, state, has_it: true });
        let parties: Vec<Party<'_>> = std::iter::once(own).chain(others).collect();
        let day = permitted.basis.occasion.as_ref().map(|o| day_of(o.at, &self.zone(patient)));
        let wanted = Wanted { ask, rule, person: patient, day, with: with.into() };
        Some((at, answer(number, &parties, &wanted, &self.policy, now, &self.zone(patient)), day))
    }

    /// How the limits of a purpose stand.
    pub fn quota(&self, patient: Uuid, purpose: &Purpose, about: Option<Uuid>, now: Time) -> Vec<QuotaLine> {
        patient::quota(&self.state(patient), &self.policy, purpose, about, self.now(patient, now), &self.zone(patient))
    }

    /// What is due at a branch, over all patients.
    pub fn due(&self, branch: &Branch, now: Time) -> Vec<Due> {
        let mut due = Vec::new();
        for (&patient, stream) in &self.patients {
            let now = self.now(patient, now);
            let entries = patient::agenda(&stream.state, &self.policy, &self.zone(patient));
            for entry in entries.into_iter().filter(|e| e.branch == *branch && e.is_due(now)) {
                let suggested = agenda::suggested(&stream.state, &self.policy, &entry.purpose, entry.about, branch);
                due.extend(suggested.map(|ask| Due {
                    patient,
                    entry,
                    channel: ask.channel,
                    decision: self.decide(patient, &ask, now),
                }));
            }
        }
        due
    }

    /// Decisions are never made before the last recording of their stream.
    fn now(&self, patient: Uuid, now: Time) -> Time {
        let last = self.patients.get(&patient).and_then(|stream| stream.state.last_recorded_at);
        last.map_or(to_millis(now), |last| last.max(to_millis(now)))
    }

    /// Whoever a merged patient goes on as.
    fn survivor(&self, mut patient: Uuid) -> Uuid {
        // A ring of merges cannot come about, since a merged stream absorbs nobody; the bound is for one that is damaged.
        for _ in 0..=self.patients.len() {
            match self.state(patient).standing {
                Standing::Merged { into, .. } => patient = into,
                _ => break,
            }
        }
        patient
    }

    /// Whether a story tells what an earlier event has brought with it already: it is known then, and not recorded twice.
    fn has_followed(&self, patient: Uuid, event: &Event) -> bool {
        let state = self.state(patient);
        match event {
            Event::Credited(_) => {
                self.events(patient).iter().any(|known| known.envelope.cause.is_some() && known.event == *event)
            }
            Event::Absorbing(told) => state.holds(told.from),
            Event::Absorbed(told) => {
                *told.facts == Carried::default() && state.absorbed.iter().any(|absorbed| absorbed.from == told.from)
            }
            Event::Separated(told) => {
                let parted = state.parted.iter().any(|parted| parted.from == told.from) && !state.holds(told.from);
                parted || (state.is_open() && state.parted_from.is_some_and(|other| [other, patient].contains(&told.from)))
            }
            _ => false,
        }
    }

    /// On whose stream an event is recorded: of somebody who was merged, on the survivor's. A merge is undone from there as well.
    fn placed(&self, patient: Uuid, event: Event) -> (Uuid, Event) {
        match (&event, self.state(patient).standing) {
            (Event::Separated(e), Standing::Merged { into, .. }) if e.facts.is_none() => {
                (into, Event::Separated(Separated { from: patient, facts: None }))
            }
            (Event::Separated(_) | Event::Merged(_) | Event::Registered(_), _) => (patient, event),
            _ => (self.survivor(patient), event),
        }
    }

    /// A merge begins on the survivor's stream; a story may leave that out.
    fn begin_merge(&mut self, survivor: Uuid, from: Uuid, time: Time, recorded_at: Time) -> Result<(), Unfit> {
        if survivor == from {
            return Err(Untrue::Field { field: "into", problem: "nobody is merged into themselves".to_owned() });
        }
        if self.state(survivor).absorbing == Some(from) {
            return Ok(());
        }
        let event = Event::Absorbing(MergeFrom { from });
        let now = self.now(survivor, recorded_at);
        patient::admit(&self.state(survivor), &event, time, now)?;
        self.append(survivor, event, time, now, Actor::System("story".into()), None);
        Ok(())
    }

    /// A story need not spell out the facts that a merge carries over.
    fn completed(&self, patient: Uuid, event: Event) -> Result<Event, Unfit> {
        let Event::Absorbed(told) = &event else { return Ok(event) };
        if *told.facts != Carried::default() {
            return Ok(event);
        }
        let merged = self.events(told.from).iter().rfind(|r| matches!(&r.event, Event::Merged(e) if e.into == patient));
        let reaction = merged.and_then(|merged| reaction::reaction(merged, told.from, &self.state(told.from)));
        match reaction.map(|reaction| reaction.outcome(&self.state(patient), &self.state(told.from))) {
            Some(Then::Append(event)) => Ok(event),
            _ => Err(Untrue::Field { field: "from", problem: format!("{} has not been merged into this patient", told.from) }),
        }
    }

    fn append(&mut self, patient: Uuid, event: Event, time: Time, now: Time, actor: Actor, cause: Option<Uuid>) {
        self.events += 1;
        let id = derived(&format!("event\0{}", self.events));
        let stream = self.patients.entry(patient).or_default();
        let envelope = Envelope {
            id,
            network: "story".into(),
            subject: patient.to_string().into(),
            time: to_millis(time),
            recorded_at: now,
            actor,
            branch: None,
            sequence: stream.events.len() as u64 + 1,
            cause,
            command: None,
            previous: stream.last,
        };
        let bytes = envelope.write(&event);
        let stored = Recorded::<Event>::read_at(&bytes, &envelope.subject, envelope.sequence, &envelope.previous);
        let recorded = stored.expect("what this build writes, it reads");
        assert_eq!(recorded, Recorded { envelope, event }, "an event is read as it was written");
        stream.last = envelope::hash(&bytes);
        patient::evolve(&mut stream.state, &recorded);
        stream.events.push(recorded.clone());
        self.react(patient, &recorded);
    }

    /// Carries out what an event sets off, at once. Only a merge that has begun waits for the story to go on with it: how long it takes is told.
    fn react(&mut self, patient: Uuid, recorded: &Recorded) {
        if matches!(recorded.event, Event::Absorbing(_)) {
            return;
        }
        let Some(mut reaction) = reaction::reaction(recorded, patient, &self.state(patient)) else { return };
        while let Some(redirected) = reaction.redirected(&self.state(reaction.target)) {
            reaction = redirected;
        }
        let (stream, event) = match reaction.outcome(&self.state(reaction.target), &self.state(reaction.source)) {
            Then::Append(event) => (reaction.target, event),
            Then::AppendToSource(event) => (reaction.source, event),
            Then::Nothing => return,
        };
        let now = self.now(stream, recorded.envelope.recorded_at);
        self.append(stream, event, reaction.time, now, Actor::System("tact".into()), Some(recorded.envelope.id));
    }
}
