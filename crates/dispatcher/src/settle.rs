//! What became of a contact is recorded: once, as the word that counts among all that came, and corrected if another word counts later.
//!
//! Whoever is told that something was taken may rely on it: it stands in the log before they are. It must never lose a word, and never record
//! one contact twice.

use tact_database::DbError;
use tact_domain::patient::events::{Corrected, Event, Made};
use tact_domain::patient::state::{Fate, Standing};
use tact_domain::patient::{State, Untrue};
use tact_domain::{Actor, Branch, Direction, Outcome, Time};
use tact_service::App;
use tact_service::transact::{Command, Failure};
use uuid::Uuid;

use crate::Desk;
use crate::message::between;
use crate::points::Point;
use crate::status::{Said, Status, Word};
use crate::store::{Dispatch, New, Stage, covered, say, say_covered};
use crate::whom::{Meant, ask_whose, meant};

/// Why nothing was settled; it may be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Unsettled {
    /// The log could not take it.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The database could not take it.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<tact_event_log::LogError> for Unsettled {
    fn from(error: tact_event_log::LogError) -> Self {
        Self::Failure(error.into())
    }
}

/// What settling came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nobody here has sent such a message.
    NotOurs,
    /// It is kept; the outcome is not known yet.
    Open,
    /// The outcome that is recorded now.
    Outcome(Outcome),
}

/// How often one contact's outcome is looked at anew because somebody was faster.
const ATTEMPTS: usize = 10;
/// How many merges in a row are followed.
const MERGES: usize = 16;

/// Takes in what is said of a contact.
///
/// # Errors
/// [`Unsettled`]: nothing of it may be told to have been taken.
pub async fn settle(desk: &Desk, contact: Uuid, said: Said) -> Result<Settled, Unsettled> {
    let Desk { app, store, points, .. } = desk;
    // One at a time for each contact, in whatever process: what is compared must not move.
    let Some((mut tx, dispatch)) = store.locked(contact).await? else { return Ok(Settled::NotOurs) };
    let counts = dispatch.said.map_or(said, |known| known.or(said));
    let Some(outcome) = counts.outcome() else {
        say(&mut tx, contact, &counts, None, dispatch.stage).await?;
        tx.commit().await?;
        return Ok(Settled::Open);
    };
    if dispatch.outcome != Some(outcome) {
        record(app, &dispatch, contact, outcome, counts.at).await?;
        points.reach(Point::Recorded, dispatch.permit).await;
    }
    // Somebody may have come to be covered after the outcome was recorded of the first.
    for other in covered(&mut tx, contact).await? {
        if other.outcome != Some(outcome) {
            record(app, &other, contact, outcome, counts.at).await?;
            points.reach(Point::RecordedToo, other.permit).await;
        }
    }
    say_covered(&mut tx, contact, outcome).await?;
    // Told again, it has been obeyed: whoever has the number has been asked, and may have answered since.
    let stop = Word::Gateway(Status::OptedOut);
    if said.word == stop && dispatch.said.is_none_or(|known| known.word != stop) {
        obey(app, &dispatch, between(said.at, dispatch.started_at, app.clock.now())).await?;
    }
    say(&mut tx, contact, &counts, Some(outcome), Stage::Done).await?;
    tx.commit().await?;
    Ok(Settled::Outcome(outcome))
}

/// A permit has begun as part of another's contact: how that has ended, if it has, is recorded of this one. False: it is no contact of ours.
pub(crate) async fn cover(desk: &Desk, new: &New, contact: Uuid, started_at: Time) -> Result<bool, Unsettled> {
    let Some((tx, leader)) = desk.store.cover(new, contact, started_at).await? else { return Ok(false) };
    tx.commit().await?;
    if let Some(said) = leader.said.filter(|_| leader.outcome.is_some()) {
        settle(desk, contact, said).await?;
    }
    Ok(true)
}

/// The command by which the dispatcher appends an event: its id follows from what it is about, so that being told twice does nothing twice.
pub(crate) fn command(app: &App, parts: &[&[u8]], branch: &Branch, time: Option<Time>) -> Command {
    let parts: Vec<&[u8]> = std::iter::once(&b"dispatcher"[..]).chain(parts.iter().copied()).collect();
    Command {
        event: app.keys.derive(&parts),
        fingerprint: None,
        time,
        actor: Actor::System("dispatcher".into()),
        branch: Some(branch.clone()),
        cause: None,
    }
}

/// The patient's state, under the id that they go by now. One of whose events one cannot be read is taken as far as they can.
async fn state_of(app: &App, patient: Uuid) -> Result<std::sync::Arc<tact_service::transact::Patient>, Failure> {
    let mut id = patient;
    for _ in 0..MERGES {
        let known = app.transactor.patient_now(id).await?;
        match known.state.standing {
            Standing::Merged { into, .. } => id = into,
            _ => return Ok(known),
        }
    }
    Err(Failure::Busy)
}

/// Records of the patient of one permit how the contact ended, or corrects what is recorded.
async fn record(app: &App, dispatch: &Dispatch, contact: Uuid, outcome: Outcome, at: Time) -> Result<(), Unsettled> {
    let patient = &dispatch.patient;
    // One event in each of the streams of those whom the contact covers.
    let of = if dispatch.contact == contact { contact } else { dispatch.permit };
    for _ in 0..ATTEMPTS {
        let known = state_of(app, *patient).await?;
        let now = app.clock.now();
        let (command, event) = match known.state.contacts.iter().find(|c| c.id == contact) {
            Some(recorded) if recorded.outcome == outcome => return Ok(()),
            Some(recorded) => {
                let time = between(at, Some(recorded.time), now);
                let moment = at.timestamp_millis().to_be_bytes();
                let parts: [&[u8]; 4] = [b"corrected", of.as_bytes(), outcome.as_str().as_bytes(), &moment];
                (command(app, &parts, &dispatch.branch, Some(time)), Event::Corrected(Corrected { contact, outcome }))
            }
            None => {
                let time = between(at, begun(&known.state, dispatch), now);
                (command(app, &[b"made", of.as_bytes()], &dispatch.branch, Some(time)), made(dispatch, contact, outcome))
            }
        };
        match app.transactor.record(*patient, &command, &event).await {
            // Told before, with another outcome: looked at again.
            Ok(done) if done.repeated => {}
            Ok(_) => return Ok(()),
            // Somebody else has recorded it meanwhile.
            Err(Failure::Untrue(Untrue::Field { .. })) => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(Failure::Busy.into())
}

fn made(dispatch: &Dispatch, contact: Uuid, outcome: Outcome) -> Event {
    Event::Made(Made {
        contact,
        direction: Direction::Outbound,
        purpose: dispatch.purpose.clone(),
        channel: dispatch.channel,
        branch: dispatch.branch.clone(),
        outcome,
        permit: Some(dispatch.permit),
        about: None,
        note: None,
    })
}

/// When the contact began. It was not made before.
fn begun(state: &State, dispatch: &Dispatch) -> Option<Time> {
    match state.permit(dispatch.permit)?.fate {
        Fate::Started { at, .. } => Some(at),
        _ => dispatch.started_at,
    }
}

/// The person asked not to be contacted. What rests on consent ends with the consent; of anything else, "don't call me" is the least that they
/// can have meant (P4, P14).
async fn obey(app: &App, dispatch: &Dispatch, at: Time) -> Result<(), Unsettled> {
    let asked = command(app, &[b"stop", dispatch.contact.as_bytes()], &dispatch.branch, Some(at));
    let meant = match meant(app, dispatch).await? {
        Meant::Several(number) => return Ok(ask_whose(app, dispatch, number, &asked).await?),
        Meant::One(people) => people,
    };
    let event = app.meant_by_stop(Some(&dispatch.purpose)).await?;
    for patient in meant {
        let parts: [&[u8]; 3] = [b"opted out", dispatch.contact.as_bytes(), patient.as_bytes()];
        let command = command(app, &parts, &dispatch.branch, Some(at));
        match app.transactor.record(patient, &command, &event).await {
            Ok(_) => {}
            // Somebody who was registered and came to nothing, or is known by the number alone.
            Err(Failure::Untrue(untrue)) => tracing::warn!(%patient, %untrue, "a wish to stop cannot be recorded"),
            Err(failure) => return Err(failure.into()),
        }
    }
    Ok(())
}
