//! The decision on a permit, as every service that grants one makes it, and the last look before a machine uses one.
//!
//! It must never grant anything by policies that may be out of date, by a clock that is behind, or on a telephone number that was not asked.

use std::sync::{Mutex, PoisonError};

use tact_domain::number::{Answer, Wanted, With, day_of};
use tact_domain::patient::admit::{admit, admit_ask, admit_reason};
use tact_domain::patient::events::{Event, Override, Started};
use tact_domain::patient::{Ask, Decision, OnNumber, State, Untrue, decide};
use tact_domain::policy::Policy;
use tact_domain::{Code, Time, Zone};
use tact_event_log::Position;
use uuid::Uuid;

use crate::control::{Control, in_force};
use crate::number::{Numbers, Reserve, Sight, contact_of};
use crate::transact::{Command, Done, Failure, Moment, Transactor};

/// How often the policies are read again for one command, because it waited longer than a reading is good for.
const READINGS: usize = 5;

/// How often a number is looked at or reserved for one command, because something was recorded meanwhile.
const LOOKS: usize = 100;

/// What must be done before it can be decided.
#[derive(Debug)]
enum Wants {
    /// Read the policies.
    Policies,
    /// Look at the number of this patient, whose stream ends there.
    Look(Uuid, Position),
    /// Reserve the number.
    Reserve(Reserve),
}

/// Asks for a permit. The decision is recorded, whichever it is: the event is `contact.permitted` or `contact.refused`. With `with`, another
/// patient's permit, one contact is to be made for both, who share a number.
///
/// A number is reserved in its own stream before the permit is recorded in the patient's, so that of two patients with one number only one is
/// rung. Whoever dies in between leaves a reservation that lapses by itself.
///
/// # Errors
/// [`Failure`]: nothing could be decided, and nothing was recorded unless it is in doubt.
pub async fn ask(
    transactor: &Transactor,
    control: &Control,
    numbers: &Numbers,
    patient: Uuid,
    command: &Command,
    ask: &Ask,
    with: Option<Uuid>,
) -> Result<Done, Failure> {
    let (mut readings, mut sight): (usize, Option<Sight>) = (0, None);
    for _ in 0..LOOKS {
        control.ready_to_decide().await?;
        let wants = Mutex::new(None);
        let asking = Asking { control, ask, with, sight: sight.as_ref(), wants: &wants };
        let done = transactor.transact(patient, command, |state, moment| asking.decided(state, moment)).await;
        match wants.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => return done,
            Some(Wants::Policies) => {
                readings += 1;
                if readings == READINGS {
                    return Err(Failure::NoPolicy("the log answers too slowly to know the policies in force".to_owned()));
                }
            }
            Some(Wants::Look(patient, position)) => sight = Some(numbers.look(transactor, patient, position).await?),
            Some(Wants::Reserve(reserve)) => {
                let reserved = match &mut sight {
                    Some(sight) => numbers.reserve(sight, command, reserve).await?,
                    None => false,
                };
                if !reserved {
                    sight = None;
                }
            }
        }
    }
    Err(Failure::Busy)
}

/// Leaves the loop to do something first.
fn first<T>(wants: &Mutex<Option<Wants>>, what: Wants) -> Result<T, Failure> {
    *wants.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    Err(Failure::Busy)
}

struct Asking<'a> {
    control: &'a Control,
    ask: &'a Ask,
    with: Option<Uuid>,
    sight: Option<&'a Sight>,
    wants: &'a Mutex<Option<Wants>>,
}

impl Asking<'_> {
    fn decided(&self, state: &State, moment: Moment) -> Result<Event, Failure> {
        let Self { control, ask, with, .. } = *self;
        admit_ask(state)?;
        moment.fit_for_permits()?;
        let Some(policies) = control.decidable_at(moment.clock) else { return first(self.wants, Wants::Policies) };
        let policy = &in_force(&policies, moment.now)?.policy;
        admit_reason(policy, ask)?;
        let zone = || control.zone(state);
        let alone = decide(state, policy, ask, moment.now, &zone());
        if !asks_number(policy, ask, &alone) {
            return Ok(event(alone));
        }
        let Some(sight) = self.sight.filter(|sight| sight.is_of(moment.patient, moment.position)) else {
            return first(self.wants, Wants::Look(moment.patient, moment.position));
        };
        if !sight.is_any() {
            return Ok(event(alone));
        }
        let number = match said(sight, state, policy, ask, with.into(), &alone, moment.now, &zone) {
            (Answer::Busy { next }, _) => OnNumber::Busy { next },
            (Answer::Free { joins }, day) => match sight.reservation(ask.permit, moment.now) {
                Some(reserved) if reserved.joins == joins => OnNumber::Reserved(reserved.reservation),
                _ => {
                    let Ask { permit, purpose, channel, .. } = ask.clone();
                    return first(self.wants, Wants::Reserve(Reserve { permit, purpose, channel, day, joins }));
                }
            },
        };
        Ok(event(decide(state, policy, &Ask { number, ..ask.clone() }, moment.now, &zone())))
    }
}

fn event(decision: Decision) -> Event {
    match decision {
        Decision::Permitted(permitted) => Event::Permitted(permitted),
        Decision::Refused(refused) => Event::Refused(refused),
    }
}

/// Whether the number has a say: not where the patient alone is refused already, nor in an emergency.
fn asks_number(policy: &Policy, ask: &Ask, alone: &Decision) -> bool {
    let everything = policy.rule(&ask.purpose).is_none_or(|rule| rule.overrides(Override::Everything));
    alone.is_permitted() && ask.channel.uses_number() && !everything
}

/// What the number says, and the day of the occasion. Each look at local time is one of its own, since the decision records those that it made.
#[expect(clippy::too_many_arguments, reason = "all that a decision is made of, and the number beside it")]
fn said(
    sight: &Sight,
    state: &State,
    policy: &Policy,
    ask: &Ask,
    with: With,
    alone: &Decision,
    now: Time,
    zone: &impl Fn() -> Zone,
) -> (Answer, Option<chrono::NaiveDate>) {
    let Some(rule) = policy.rule(&ask.purpose) else { return (Answer::Free { joins: None }, None) };
    let day = match alone {
        Decision::Permitted(permitted) => permitted.basis.occasion.as_ref().map(|o| day_of(o.at, &zone())),
        Decision::Refused(_) => None,
    };
    let wanted = Wanted { ask, rule, person: sight.patient(), day, with };
    (sight.answer(state, &wanted, policy, now, &zone()), day)
}

/// What would be answered at `now`, the number's word included; nothing is recorded or reserved. With `with`, another patient's permit, one
/// contact is to be made for both.
pub fn would_be(
    sight: &Sight,
    state: &State,
    policy: &Policy,
    ask: &Ask,
    with: Option<Uuid>,
    now: Time,
    zone: impl Fn() -> Zone,
) -> Decision {
    let alone = decide(state, policy, ask, now, &zone());
    if !asks_number(policy, ask, &alone) {
        return alone;
    }
    match said(sight, state, policy, ask, with.into(), &alone, now, &zone) {
        (Answer::Busy { next }, _) => {
            decide(state, policy, &Ask { number: OnNumber::Busy { next }, ..ask.clone() }, now, &zone())
        }
        (Answer::Free { .. }, _) => alone,
    }
}

/// What a last look came to.
#[derive(Debug)]
pub enum Begun {
    /// The contact has begun with this very call: whoever gets this may make it, once, and nobody else ever may.
    Now(Done),
    /// It had begun before. Whether it was made, only whoever was to make it can say.
    Before(Done),
    /// The right to it is gone, and why as far as a decision made now would say; nothing was recorded.
    Gone(Vec<Code>),
}

/// Begins a contact under a permit, after a last look at whether it would be granted still: the permit must be live, and a decision made at
/// this moment, by the policy in force and by everything that was recorded, must come out the same, the number's word included: a stop that
/// came from it and is open, or others who have used up what it may be rung, take the right away.
///
/// Of permits that one contact is to cover, the one that was asked for first begins it; the others may only begin as part of the very contact
/// that has begun there, else two would be made. With `joined` it must be such another one.
///
/// `sight` is what was seen of the number just before, if it was looked at: it is good as long as nothing more is recorded of the patient.
///
/// # Errors
/// [`Failure`]: it is not known yet whether it may begin. Nothing was recorded, unless it is in doubt.
#[expect(clippy::too_many_arguments, reason = "all that a permit is decided with, and what is to begin")]
pub async fn begin(
    transactor: &Transactor,
    control: &Control,
    numbers: &Numbers,
    patient: Uuid,
    command: &Command,
    started: &Started,
    joined: bool,
    mut sight: Option<Sight>,
) -> Result<Begun, Failure> {
    let mut readings = 0;
    for _ in 0..LOOKS {
        control.ready_to_decide().await?;
        let (wants, codes) = (Mutex::new(None), Mutex::new(Vec::new()));
        let last = LastLook { control, started, joined, sight: sight.as_ref(), wants: &wants, codes: &codes };
        let done = transactor.transact(patient, command, |state, moment| last.look(state, moment)).await;
        match wants.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Wants::Look(patient, position)) => {
                sight = Some(numbers.look(transactor, patient, position).await?);
                continue;
            }
            Some(Wants::Policies | Wants::Reserve(_)) => {
                readings += 1;
                if readings == READINGS {
                    return Err(Failure::NoPolicy("the log answers too slowly to know the policies in force".to_owned()));
                }
                continue;
            }
            None => {}
        }
        return match done {
            Ok(done) if done.repeated => Ok(Begun::Before(done)),
            Ok(done) => Ok(Begun::Now(done)),
            Err(Failure::Untrue(_)) => Ok(Begun::Gone(codes.into_inner().unwrap_or_else(PoisonError::into_inner))),
            Err(failure) => Err(failure),
        };
    }
    Err(Failure::Busy)
}

struct LastLook<'a> {
    control: &'a Control,
    started: &'a Started,
    joined: bool,
    sight: Option<&'a Sight>,
    wants: &'a Mutex<Option<Wants>>,
    codes: &'a Mutex<Vec<Code>>,
}

impl LastLook<'_> {
    fn look(&self, state: &State, moment: Moment) -> Result<Event, Failure> {
        let Self { control, started, .. } = *self;
        let event = Event::Started(started.clone());
        admit(state, &event, moment.now, moment.now)?;
        moment.fit_for_permits()?;
        let Some(policies) = control.decidable_at(moment.clock) else { return first(self.wants, Wants::Policies) };
        let policy = &in_force(&policies, moment.now)?.policy;
        let Some(permit) = state.permit(started.permit) else { return Ok(event) };
        let ask = Ask {
            permit: permit.id,
            purpose: permit.purpose.clone(),
            channel: permit.channel,
            branch: permit.branch.clone(),
            about: permit.occasion.as_ref().map(|used| used.about),
            reason: None,
            number: OnNumber::default(),
        };
        // As if it had not been granted: else it would stand in its own way.
        let mut without = state.clone();
        without.permits.retain(|other| other.id != started.permit);
        let zone = || control.zone(state);
        let alone = decide(&without, policy, &ask, moment.now, &zone());
        if let Decision::Refused(refused) = &alone {
            return self.gone(refused.reasons.iter().map(|reason| reason.code).collect());
        }
        if !self.joined && !asks_number(policy, &ask, &alone) {
            return Ok(event);
        }
        let Some(sight) = self.sight.filter(|sight| sight.is_of(moment.patient, moment.position)) else {
            return first(self.wants, Wants::Look(moment.patient, moment.position));
        };
        let leads = match sight.leader(started.permit) {
            None => !self.joined,
            Some((_, leader)) => leader.and_then(contact_of) == Some(started.contact),
        };
        if !leads && !sight.is_blind() {
            return self.gone(vec![Code::NumberBusy]);
        }
        if sight.is_blind() {
            return Err(Failure::NoPolicy("a stream that concerns the number cannot be read".to_owned()));
        }
        match said(sight, &without, policy, &ask, With::Granted, &alone, moment.now, &zone).0 {
            Answer::Busy { .. } => self.gone(vec![Code::NumberBusy]),
            Answer::Free { .. } => Ok(event),
        }
    }

    fn gone(&self, codes: Vec<Code>) -> Result<Event, Failure> {
        *self.codes.lock().unwrap_or_else(PoisonError::into_inner) = codes;
        let problem = "it would not be granted any more".to_owned();
        Err(Untrue::Field { field: "permit", problem }.into())
    }
}
