//! The replay: folds each patient's recorded history and, from the first difference on, the history that the other policy would have led to.
//!
//! Events come in the order of the log. It must never look ahead, and never keep anything of an event that is not in a state.

use std::collections::{BTreeMap, HashMap};

use chrono::Offset;
use chrono_tz::Tz;
use tact_domain::control::{Directory, DirectoryEvent, Policies, PolicyPublished};
use tact_domain::patient::events::{Absorbed, Carried, Event, Made, Permitted, Refused, Separated};
use tact_domain::patient::state::{Fate as PermitFate, Permit, Standing};
use tact_domain::patient::{Ask, Decision, OnNumber, State, decide, evolve};
use tact_domain::policy::Policy;
use tact_domain::zone::DATABASE;
use tact_domain::{Branch, Direction, Outcome, Recorded, Time, Unreadable, Zone, ZoneUsed};
use uuid::Uuid;

use crate::merge;
use crate::past::as_of;
use crate::report::{Report, Tally};
use crate::step::{Fate, Step};

/// What is asked: which policy instead, in which span, and whose intentions are counted.
#[derive(Debug, Clone)]
pub struct Question {
    /// The other policy.
    pub policy: Policy,
    /// The first moment at which it holds; `None`: from the beginning.
    pub since: Option<Time>,
    /// The first moment at which it no longer does; `None`: to the end.
    pub until: Option<Time>,
    /// The branch whose intentions and contacts the report counts; every branch's are replayed all the same, since limits count them all.
    pub branch: Option<Branch>,
}

impl Question {
    fn holds_at(&self, time: Time) -> bool {
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
    }

    fn counts(&self, branch: &Branch) -> bool {
        self.branch.as_ref().is_none_or(|wanted| wanted == branch)
    }
}

/// A patient as far as the log has been read.
#[derive(Debug, Default)]
struct Patient {
    recorded: State,
    /// The state under the other policy, where it differs.
    other: Option<Box<State>>,
    sequence: u64,
    /// Contacts that count: recorded, left, added.
    contacts: [u32; 3],
    set_aside: bool,
}

impl Patient {
    fn simulated(&self) -> &State {
        self.other.as_deref().unwrap_or(&self.recorded)
    }

    /// The state under the other policy, apart from the recorded one from now on.
    fn differing(&mut self) -> &mut State {
        self.other.get_or_insert_with(|| Box::new(self.recorded.clone()))
    }

    /// Whether the other policy would have left this patient without the permit at this moment.
    fn lacks_live(&self, permit: Uuid, time: Time) -> bool {
        self.other.as_ref().is_some_and(|other| other.permit(permit).is_none_or(|p| !p.is_live(time)))
    }

    /// Both states after one more event.
    fn evolve(&mut self, recorded: &Recorded) {
        if let Some(other) = &mut self.other {
            evolve(other, recorded);
        }
        evolve(&mut self.recorded, recorded);
    }

    /// Both states after an event that the other policy would have made another one, or none.
    fn evolve_apart<'a>(&mut self, recorded: &Recorded, instead: impl IntoIterator<Item = &'a Recorded>) {
        let other = self.differing();
        instead.into_iter().for_each(|event| evolve(other, event));
        evolve(&mut self.recorded, recorded);
    }
}

/// A replay under way.
#[derive(Debug)]
pub struct Replay {
    question: Question,
    policies: Policies,
    directory: Directory,
    patients: HashMap<Uuid, Patient>,
    set_aside: BTreeMap<Uuid, String>,
    tally: Tally,
}

/// What every step is told to.
type See<'s> = &'s mut dyn FnMut(&Step<'_>);

impl Replay {
    /// Has read nothing yet.
    pub fn new(question: Question) -> Self {
        Self {
            question,
            policies: Policies::default(),
            directory: Directory::default(),
            patients: HashMap::new(),
            set_aside: BTreeMap::new(),
            tally: Tally::default(),
        }
    }

    /// A policy was published.
    ///
    /// # Errors
    /// [`Unreadable`]: nobody can say by it what was permitted in its days.
    pub fn policy(&mut self, published: Recorded<PolicyPublished>) -> Result<(), Unreadable> {
        self.tally.events += 1;
        self.policies.evolve(published)
    }

    /// Something was noted in the directory.
    pub fn directory(&mut self, noted: Recorded<DirectoryEvent>) {
        self.tally.events += 1;
        self.directory.evolve(noted.event);
    }

    /// The branches that the directory has listed so far.
    pub fn branches(&self) -> impl Iterator<Item = &Branch> {
        self.directory.branches.keys()
    }

    /// The policies that were published so far.
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// An event of a patient's stream cannot be read: what follows in it says nothing any more, and none of it is counted.
    pub fn unreadable(&mut self, patient: Uuid, why: impl ToString) {
        self.tally.events += 1;
        self.put_aside(patient, why.to_string());
    }

    fn put_aside(&mut self, patient: Uuid, why: String) {
        // Only what was counted so far stays counted.
        self.patients.entry(patient).or_default().set_aside = true;
        self.set_aside.entry(patient).or_insert(why);
    }

    /// The next event of a patient's stream. Every intention and outbound contact inside the span is shown to `see`, with what became of it.
    pub fn patient(&mut self, patient: Uuid, recorded: &Recorded, see: See<'_>) {
        self.tally.events += 1;
        let instead = match &recorded.event {
            Event::Absorbed(e) => self.absorbed(e),
            Event::Separated(e) => self.separated(patient, e),
            _ => Ok(None),
        };
        let entry = self.patients.entry(patient).or_default();
        if entry.set_aside {
            return;
        }
        entry.sequence += 1;
        let instead = match instead {
            Ok(_) if recorded.envelope.sequence != entry.sequence => {
                let why = format!("event {} stands where {} should", recorded.envelope.sequence, entry.sequence);
                return self.put_aside(patient, why);
            }
            Ok(instead) => instead,
            Err(other) => return self.put_aside(patient, format!("holds facts of {other}, who was set aside")),
        };
        let mut scene = Scene {
            question: &self.question,
            policies: &self.policies,
            directory: &self.directory,
            tally: &mut self.tally,
            patient,
            see,
        };
        match &recorded.event {
            Event::Permitted(e) if scene.question.holds_at(recorded.envelope.recorded_at) => scene.permitted(entry, recorded, e),
            Event::Refused(e) if scene.question.holds_at(recorded.envelope.recorded_at) => scene.refused(entry, recorded, e),
            Event::Made(e) if e.direction == Direction::Outbound => scene.made(entry, recorded, e),
            // Nothing begins on a permit that was never granted or has run out.
            Event::Started(e) if entry.lacks_live(e.permit, recorded.envelope.time) => entry.evolve_apart(recorded, []),
            _ => match instead {
                Some(event) => {
                    let instead = Recorded { envelope: recorded.envelope.clone(), event };
                    entry.evolve_apart(recorded, [&instead]);
                }
                None => entry.evolve(recorded),
            },
        }
    }

    /// The facts that a merge brings, as the other policy would have left them; `None`: as they were recorded.
    fn absorbed(&self, e: &Absorbed) -> Result<Option<Event>, Uuid> {
        let Some(from) = self.patients.get(&e.from) else { return Ok(None) };
        if from.set_aside {
            return Err(e.from);
        }
        let Some(other) = &from.other else { return Ok(None) };
        let attempts = Carried { contacts: other.contacts.clone(), permits: other.permits.clone(), ..Carried::default() };
        let facts = merge::carried(&e.facts, &from.recorded, other, &attempts);
        Ok(Some(Event::Absorbed(Absorbed { from: e.from, facts: Box::new(facts) })))
    }

    /// The facts that an undone merge leaves with the patient who opens again, as the other policy would have left them.
    fn separated(&self, patient: Uuid, e: &Separated) -> Result<Option<Event>, Uuid> {
        let (Some(facts), Some(own)) = (&e.facts, self.patients.get(&patient)) else { return Ok(None) };
        let Standing::Merged { into, .. } = own.recorded.standing else { return Ok(None) };
        let Some(survivor) = self.patients.get(&into) else { return Ok(None) };
        if survivor.set_aside {
            return Err(into);
        }
        let Some(other) = &survivor.other else { return Ok(None) };
        let facts = merge::carried(facts, &survivor.recorded, other, &other.parted_facts(patient));
        Ok(Some(Event::Separated(Separated { from: e.from, facts: Some(Box::new(facts)) })))
    }

    /// The report on everything that was read.
    pub fn finish(self) -> Report {
        let patients = self.patients.into_values().map(|patient| patient.contacts);
        self.tally.report(patients, self.set_aside)
    }
}

/// One event's surroundings.
struct Scene<'r, 's> {
    question: &'r Question,
    policies: &'r Policies,
    directory: &'r Directory,
    tally: &'r mut Tally,
    patient: Uuid,
    see: See<'s>,
}

impl Scene<'_, '_> {
    fn permitted(&mut self, entry: &mut Patient, recorded: &Recorded, e: &Permitted) {
        let now = recorded.envelope.recorded_at;
        let (purpose, branch) = (e.purpose.clone(), e.branch.clone());
        // What the number said then rests on others' streams: it is taken as it was recorded.
        let number = e.basis.reservation.map_or(OnNumber::NotAsked, OnNumber::Reserved);
        let ask = Ask { permit: e.permit, purpose, channel: e.channel, branch, about: e.about, reason: e.reason, number };
        let decision = decide(entry.simulated(), &self.question.policy, &ask, now, &zone_as_used(&e.zone, now));
        let fate = if decision.is_permitted() { Fate::PermitKept } else { Fate::PermitRefused };
        self.tell(entry, recorded, fate, None, Some(&decision), None);
        let event = match decision {
            Decision::Permitted(simulated) if entry.other.is_none() && same_permit(&simulated, e) => {
                return entry.evolve(recorded);
            }
            Decision::Permitted(simulated) => Event::Permitted(simulated),
            Decision::Refused(simulated) => Event::Refused(simulated),
        };
        entry.evolve_apart(recorded, [&Recorded { envelope: recorded.envelope.clone(), event }]);
    }

    fn refused(&mut self, entry: &mut Patient, recorded: &Recorded, e: &Refused) {
        let now = recorded.envelope.recorded_at;
        // A permit that never was, and the attempt under it, have the id of the refusal.
        let id = recorded.envelope.id;
        let (purpose, branch) = (e.purpose.clone(), e.branch.clone());
        let number = OnNumber::of(&e.reasons);
        let ask = Ask { permit: id, purpose, channel: e.channel, branch, about: e.asked_about, reason: None, number };
        let decision = decide(entry.simulated(), &self.question.policy, &ask, now, &zone_as_used(&e.zone, now));
        let fate = if decision.is_permitted() { Fate::RefusalPermitted } else { Fate::RefusalKept };
        self.tell(entry, recorded, fate, None, Some(&decision), None);
        let Decision::Permitted(simulated) = decision else { return entry.evolve(recorded) };
        let attempt = Made {
            contact: id,
            direction: Direction::Outbound,
            purpose: e.purpose.clone(),
            channel: e.channel,
            branch: e.branch.clone(),
            outcome: Outcome::NoAnswer,
            permit: Some(id),
            about: simulated.about,
            note: None,
        };
        let with = |event| Recorded { envelope: recorded.envelope.clone(), event };
        entry.evolve_apart(recorded, [&with(Event::Permitted(simulated)), &with(Event::Made(attempt))]);
    }

    fn made(&mut self, entry: &mut Patient, recorded: &Recorded, e: &Made) {
        let time = recorded.envelope.time;
        if let Some(permit) = entry.recorded.permit_for(e, time).map(|p| p.id) {
            return self.made_under(entry, recorded, e, permit);
        }
        if !self.question.holds_at(time) {
            return entry.evolve(recorded);
        }
        let simulated = self.unasked(entry.simulated(), &self.question.policy, e, &recorded.envelope, None);
        let policy = self.policies.in_force(time).map(|p| &p.policy);
        let then = policy.map(|policy| self.unasked(&entry.recorded, policy, e, &recorded.envelope, None));
        // Before the first policy nothing stood in the way.
        let fate = match (then.as_ref().is_none_or(Decision::is_permitted), simulated.is_permitted()) {
            (true, true) => Fate::UnaskedKept,
            (true, false) => Fate::UnaskedLeft,
            (false, true) => Fate::UnaskedNowRight,
            (false, false) => Fate::UnaskedAgainstBoth,
        };
        self.tell(entry, recorded, fate, then.as_ref(), Some(&simulated), None);
        if fate.leaves() { entry.evolve_apart(recorded, []) } else { entry.evolve(recorded) }
    }

    /// A contact goes the way of its permit. It counts where its own time lies inside the span, and leaves wherever that lies.
    fn made_under(&mut self, entry: &mut Patient, recorded: &Recorded, e: &Made, permit: Uuid) {
        let Some(other) = &entry.other else {
            self.tell(entry, recorded, Fate::ContactKept, None, None, Some(permit));
            return entry.evolve(recorded);
        };
        if other.permit_for(e, recorded.envelope.time).is_some_and(|p| p.id == permit) {
            self.tell(entry, recorded, Fate::ContactKept, None, None, Some(permit));
            return entry.evolve(recorded);
        }
        if other.permit(permit).is_none() {
            self.tell(entry, recorded, Fate::ContactLeftWithPermit, None, None, Some(permit));
            return entry.evolve_apart(recorded, []);
        }
        let decision = self.unasked(other, &self.question.policy, e, &recorded.envelope, Some(permit));
        let fate = if decision.is_permitted() { Fate::ContactKeptAnew } else { Fate::ContactLeftAnew };
        self.tell(entry, recorded, fate, None, Some(&decision), Some(permit));
        // Whoever asks again has no more use for the first permit.
        for held in entry.differing().permits.iter_mut().filter(|p| p.id == permit) {
            give_back(held, recorded.envelope.time);
        }
        if fate.leaves() { entry.evolve_apart(recorded, []) } else { entry.evolve(recorded) }
    }

    /// How a contact would have been decided on if it had been asked for when it was made, by what was known when it was written down
    /// and is not dated later.
    fn unasked(
        &self,
        state: &State,
        policy: &Policy,
        e: &Made,
        envelope: &tact_domain::Envelope,
        without: Option<Uuid>,
    ) -> Decision {
        let ask = Ask {
            permit: e.contact,
            purpose: e.purpose.clone(),
            channel: e.channel,
            branch: e.branch.clone(),
            about: e.about,
            reason: e.note,
            number: OnNumber::NotAsked,
        };
        let zone = Zone::new(zone_of(state, self.directory));
        let late = state.last_recorded_at.is_some_and(|last| last > envelope.time);
        if !late && without.is_none() {
            return decide(state, policy, &ask, envelope.time, &zone);
        }
        let mut past = if late { as_of(state, envelope.time) } else { state.clone() };
        past.permits.retain(|p| Some(p.id) != without);
        decide(&past, policy, &ask, envelope.time, &zone)
    }

    fn tell(
        &mut self,
        entry: &mut Patient,
        recorded: &Recorded,
        fate: Fate,
        then: Option<&Decision>,
        now: Option<&Decision>,
        permit: Option<Uuid>,
    ) {
        let step = Step { patient: self.patient, recorded, fate, then, now, permit };
        let branch = match &recorded.event {
            Event::Permitted(e) => &e.branch,
            Event::Refused(e) => &e.branch,
            Event::Made(e) => &e.branch,
            _ => return,
        };
        if !self.question.holds_at(recorded.envelope.time) || !self.question.counts(branch) {
            return;
        }
        entry.contacts[0] += u32::from(fate.is_contact());
        entry.contacts[1] += u32::from(fate.leaves());
        entry.contacts[2] += u32::from(fate == Fate::RefusalPermitted);
        self.tally.count(&step);
        (self.see)(&step);
    }
}

fn give_back(permit: &mut Permit, time: Time) {
    if matches!(permit.fate, PermitFate::Open | PermitFate::Started { .. }) {
        permit.fate = PermitFate::Ended(time);
    }
}

/// Whether two permits lead to the same state.
fn same_permit(a: &Permitted, b: &Permitted) -> bool {
    a.expires_at == b.expires_at
        && a.basis.occasion == b.basis.occasion
        && a.basis.consent == b.basis.consent
        && a.basis.overrides == b.basis.overrides
        && a.basis.quiet_lifted == b.basis.quiet_lifted
        && a.zone.offset == b.zone.offset
}

/// The zone that a recorded decision used. Another policy may look at other moments than that decision did, so the database answers, unless
/// it has come to say otherwise of this zone since.
fn zone_as_used(used: &ZoneUsed, now: Time) -> Zone {
    let Ok(tz) = used.name.parse::<Tz>() else { return Zone::recorded(used) };
    let says_the_same = || {
        let offset = now.with_timezone(&tz).offset().fix().local_minus_utc();
        let to_local = used.to_local.iter().all(|l| l.utc.with_timezone(&tz).naive_local() == l.local);
        let to_utc = used.to_utc.iter().all(|l| tact_domain::zone::local_to_utc(tz, l.local) == l.utc);
        offset == used.offset && to_local && to_utc
    };
    if used.tzdb == DATABASE || says_the_same() { Zone::new(tz) } else { Zone::recorded(used) }
}

/// The zone to decide by: the patient's, else the home branch's, else UTC; as the services do.
fn zone_of(state: &State, directory: &Directory) -> Tz {
    let home = || directory.branches.get(state.home_branch.as_ref()?)?.time_zone.parse().ok();
    state.zone().or_else(home).unwrap_or(Tz::UTC)
}
