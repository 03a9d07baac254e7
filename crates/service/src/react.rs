//! What an event sets off on another patient's stream, carried out once however often it is told.

use std::sync::atomic::{AtomicBool, Ordering};

use tact_domain::patient::events::Event;
use tact_domain::patient::reaction::{Outcome, Reaction, pending, reaction};
use tact_domain::patient::state::Standing;
use tact_domain::{Actor, Recorded};
use uuid::Uuid;

use crate::ids::IdKey;
use crate::transact::{Command, Done, Failure, Transactor};

/// How often a step is planned anew because a stream moved on.
const PLANS: usize = 20;

/// Carries out what `recorded`, an event in the stream of `patient`, sets off; `None` if that is nothing, or done, or has become void.
///
/// # Errors
/// [`Failure`]: tell it again later. [`Failure::SetAside`]: a stream that takes part cannot be read; nothing is done until a person has looked.
pub async fn react(transactor: &Transactor, keys: &IdKey, recorded: &Recorded, patient: Uuid) -> Result<Option<Done>, Failure> {
    let own = transactor.patient_now(patient).await?;
    let Some(reaction) = reaction(recorded, patient, &own.state) else { return Ok(None) };
    let cause = recorded.envelope.id;
    match carry_out(transactor, keys, &reaction, cause).await {
        // The event goes to a patient whose merge is undone on the survivor's side only: that is to be brought to its end first, and
        // what would do so in its turn stands behind this event.
        Err(Failure::Busy) => {
            finish_parting(transactor, keys, reaction.target, cause).await?;
            carry_out(transactor, keys, &reaction, cause).await
        }
        done => done,
    }
}

async fn finish_parting(transactor: &Transactor, keys: &IdKey, patient: Uuid, cause: Uuid) -> Result<(), Failure> {
    let mut patient = patient;
    for _ in 0..PLANS {
        let Standing::Merged { into, at } = transactor.patient_now(patient).await?.state.standing else { return Ok(()) };
        if !transactor.patient_now(into).await?.state.holds(patient) {
            carry_out(transactor, keys, &pending(patient, into, at), cause).await?;
        }
        patient = into;
    }
    Ok(())
}

async fn carry_out(transactor: &Transactor, keys: &IdKey, reaction: &Reaction, cause: Uuid) -> Result<Option<Done>, Failure> {
    for _ in 0..PLANS {
        // A stream that cannot be read takes part in nothing; the others go on.
        let source = transactor.patient_now(reaction.source).await?;
        let target = transactor.patient_now(reaction.target).await?;
        for (id, read) in [(reaction.source, &source), (reaction.target, &target)] {
            if let Some(reason) = read.set_aside() {
                return Err(Failure::SetAside { patient: id, reason: reason.clone() });
            }
        }
        let (patient, event, other) = match reaction.outcome(&target.state, &source.state) {
            Outcome::Nothing => return Ok(None),
            Outcome::Append(event) => (reaction.target, event, &source),
            Outcome::AppendToSource(event) => (reaction.source, event, &target),
        };
        let command = command(keys, cause, patient, &event, Some(reaction.time));
        let to_target = patient == reaction.target;
        let moved = AtomicBool::new(false);
        let done = transactor
            .transact(patient, &command, |state, _| {
                // What is to be done follows from the stream as it is at the append, not as it was when it was looked at.
                let (target, source) = if to_target { (state, &other.state) } else { (&other.state, state) };
                let event = match reaction.outcome(target, source) {
                    Outcome::Append(event) if to_target => event,
                    Outcome::AppendToSource(event) if !to_target => event,
                    _ => {
                        moved.store(true, Ordering::Relaxed);
                        return Err(Failure::Busy);
                    }
                };
                tact_domain::patient::admit::admit_reaction(state, &event, reaction.time)?;
                Ok(event)
            })
            .await;
        match done {
            Ok(done) => return Ok(Some(done)),
            Err(_) if moved.into_inner() => {}
            // It has become void since it was looked at: another reaction or a person was faster.
            Err(Failure::Untrue(untrue)) => {
                tracing::info!(%patient, %untrue, "a reaction has become void");
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::Busy)
}

/// The command by which the reactor appends an event: its id follows from what set it off, so that being told twice does nothing twice.
pub fn command(keys: &IdKey, cause: Uuid, patient: Uuid, event: &Event, time: Option<tact_domain::Time>) -> Command {
    let id = keys.derive(&[b"reactor", cause.as_bytes(), patient.as_bytes(), event.kind().as_bytes()]);
    Command { event: id, fingerprint: None, time, actor: Actor::System("reactor".into()), branch: None, cause: Some(cause) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tact_domain::patient::events::{MergeFrom, Registered, Separated};
    use tact_domain::{Time, to_millis};
    use tact_event_log::{EventLog, MemoryLog};

    use super::*;
    use crate::clock::Clock;

    const SURVIVOR: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn now() -> Time {
        to_millis("2026-03-02T09:00:00Z".parse().unwrap())
    }

    fn service(log: &Arc<dyn EventLog>, clock: Time) -> Transactor {
        Transactor::new(log.clone(), "test", Clock::by_hand(clock), 100)
    }

    async fn record(service: &Transactor, patient: Uuid, event: u128, what: Event) -> Recorded {
        let command = Command {
            // The first halves tell commands apart.
            event: Uuid::from_u128(event << 64),
            fingerprint: None,
            time: None,
            actor: Actor::System("test".into()),
            branch: None,
            cause: None,
        };
        service.record(patient, &command, &what).await.unwrap().recorded
    }

    fn registered(recommended_by: Option<Uuid>) -> Event {
        let home_branch = "north".parse().unwrap();
        let time_zone = "Europe/Moscow".into();
        Event::Registered(Registered { home_branch, time_zone, language: None, recommended_by, guardian: None })
    }

    /// A service whose clock is right, and a reactor whose clock is two hours behind.
    fn both() -> (Transactor, Transactor, IdKey) {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let behind = now() - chrono::Duration::hours(2);
        (service(&log, now()), service(&log, behind), IdKey::new(&[7; 32]))
    }

    #[tokio::test]
    async fn a_merge_goes_its_way_though_the_reactors_clock_is_behind() {
        let (service, reactor, keys) = both();
        // The other was registered while the reactor's clock was still right: nothing in that stream is later than it.
        record(&reactor, OTHER, 1, registered(None)).await;
        record(&service, SURVIVOR, 2, registered(None)).await;
        let begun = record(&service, SURVIVOR, 3, Event::Absorbing(MergeFrom { from: OTHER })).await;
        let merged = react(&reactor, &keys, &begun, SURVIVOR).await.unwrap().expect("the other is closed").recorded;
        react(&reactor, &keys, &merged, OTHER).await.unwrap().expect("the survivor takes the facts in");
        let survivor = service.patient_now(SURVIVOR).await.unwrap();
        assert!(survivor.state.is_open(), "the survivor waits for ever: {:?}", survivor.state.absorbing);
        assert!(survivor.state.holds(OTHER));
        assert_eq!(merged.envelope.time, now(), "it carries the time of what set it off");
    }

    #[tokio::test]
    async fn a_recommendation_is_credited_though_the_reactors_clock_is_behind() {
        let (service, reactor, keys) = both();
        record(&reactor, OTHER, 1, registered(None)).await;
        let newcomer = record(&service, SURVIVOR, 2, registered(Some(OTHER))).await;
        react(&reactor, &keys, &newcomer, SURVIVOR).await.unwrap().expect("the recommendation is credited");
        assert_eq!(service.patient_now(OTHER).await.unwrap().state.recommendations.len(), 1);
    }

    const THIRD: Uuid = Uuid::from_u128(3);

    /// Carries out everything in the log, in order, as often as it takes: an event that is behind another must not be needed for it.
    async fn settle(reactor: &Transactor, keys: &IdKey) {
        let mut follow = reactor.log().follow("reactor", tact_event_log::Position::START).await.unwrap();
        loop {
            let batch = follow.next(1, std::time::Duration::ZERO).await.unwrap();
            let Some(stored) = batch.events.first() else { return };
            let tact_event_log::StreamId::Patient(patient) = stored.stream else { continue };
            let recorded = Recorded::read(&stored.bytes).unwrap();
            let done = react(reactor, keys, &recorded, patient).await;
            assert!(done.is_ok(), "{} at {} of {patient} waits for ever: {done:?}", recorded.event.kind(), stored.position);
        }
    }

    async fn three(service: &Transactor) {
        for (event, patient) in [(1, SURVIVOR), (2, OTHER), (3, THIRD)] {
            record(service, patient, event, registered(None)).await;
        }
    }

    fn absorbing(from: Uuid) -> Event {
        Event::Absorbing(MergeFrom { from })
    }

    #[tokio::test]
    async fn a_merge_that_was_undone_and_begun_again_is_a_merge() {
        let (service, _, keys) = both();
        three(&service).await;
        let begun = record(&service, SURVIVOR, 4, absorbing(OTHER)).await;
        react(&service, &keys, &begun, SURVIVOR).await.unwrap().expect("the other is closed");
        // The reactor comes no further before people change their minds, twice, and the survivor is merged in its turn.
        record(&service, SURVIVOR, 5, Event::Separated(Separated { from: OTHER, facts: None })).await;
        record(&service, THIRD, 6, absorbing(SURVIVOR)).await;
        record(&service, SURVIVOR, 7, absorbing(OTHER)).await;
        settle(&service, &keys).await;
        let [survivor, other, third] = [SURVIVOR, OTHER, THIRD].map(|patient| service.patient_now(patient));
        let (survivor, other, third) = (survivor.await.unwrap(), other.await.unwrap(), third.await.unwrap());
        assert!(matches!(other.state.standing, Standing::Merged { into: SURVIVOR, .. }), "{:?}", other.state.standing);
        assert!(survivor.state.holds(OTHER) && survivor.state.absorbing.is_none(), "{:?}", survivor.state.absorbing);
        assert!(matches!(survivor.state.standing, Standing::Merged { into: THIRD, .. }), "{:?}", survivor.state.standing);
        assert!(third.state.is_open() && third.state.holds(SURVIVOR), "{:?}", third.state.absorbing);
    }

    #[tokio::test]
    async fn an_undoing_that_is_told_again_does_not_undo_a_merge_the_other_way_round() {
        let (service, _, keys) = both();
        three(&service).await;
        let begun = record(&service, SURVIVOR, 4, absorbing(OTHER)).await;
        react(&service, &keys, &begun, SURVIVOR).await.unwrap().expect("the other is closed");
        record(&service, SURVIVOR, 5, Event::Separated(Separated { from: OTHER, facts: None })).await;
        settle(&service, &keys).await;
        let begun = record(&service, OTHER, 6, absorbing(SURVIVOR)).await;
        react(&service, &keys, &begun, OTHER).await.unwrap().expect("the first survivor is closed");
        // The reactor dies here, and the next one begins further back: with what opened the other again.
        settle(&service, &keys).await;
        let other = service.patient_now(OTHER).await.unwrap();
        assert!(other.state.is_open() && other.state.holds(SURVIVOR), "{:?}", other.state.absorbing);
    }

    #[tokio::test]
    async fn whoever_opens_again_late_holds_nobody_up() {
        let (service, _, keys) = both();
        three(&service).await;
        record(&service, SURVIVOR, 4, absorbing(OTHER)).await;
        settle(&service, &keys).await;
        record(&service, THIRD, 5, absorbing(SURVIVOR)).await;
        // What a reactor that was slow to die had still under way: the other opens, though the survivor has taken it in since.
        let facts = Some(Box::default());
        record(&service, OTHER, 6, Event::Separated(Separated { from: OTHER, facts })).await;
        settle(&service, &keys).await;
        let third = service.patient_now(THIRD).await.unwrap();
        assert!(third.state.is_open() && third.state.holds(SURVIVOR), "{:?}", third.state.absorbing);
        assert!(service.patient_now(OTHER).await.unwrap().state.is_open());
    }
}
