//! One message for several people who share a number and are owed the same on one day.
//!
//! The permit that was asked for first leads: its stream is where the contact begins. Then it begins in the streams of the others too, under the
//! same id, and the message tells of those for whom it has begun. Whoever cannot be told in the same text is not asked for. Nobody must be told
//! of who has not a permit of their own, and two messages must never go out for those who were joined.

use chrono::Duration;
use tact_domain::number::day_of;
use tact_domain::patient::events::Started;
use tact_domain::patient::state::{Fate, Permit};
use tact_domain::patient::{Ask, Decision, Entry, OnNumber, State};
use tact_domain::policy::Policy;
use tact_domain::{Channel, Time};
use tact_service::App;
use tact_service::control::in_force;
use tact_service::number::Sight;
use tact_service::permit::{Begun, begin, would_be};
use tact_service::transact::{Failure, Patient};
use uuid::Uuid;

use crate::Desk;
use crate::message::Draft;
use crate::points::Point;
use crate::role::{give_back, refused};
use crate::settle::{Unsettled, command, cover};
use crate::store::{Dispatch, New};

/// When it is looked again whether the one with whom a permit is joined has begun.
pub(crate) const LOOK_AGAIN: Duration = Duration::seconds(5);
/// How long an occasion's window must stay open behind the moment until which it waits for that of another.
const SPARE: Duration = Duration::hours(1);

/// What a permit that joined another one is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// It joined none, and goes first.
    Nobody,
    /// The other one has not begun, or is just beginning this one with it.
    Wait,
    /// The other one has begun or ended without it.
    Late,
}

/// Whether a permit waits for the one that it joined, by what is seen of the number. `claimed`: for how long somebody may still be at work on that.
pub(crate) fn follows(sight: &Sight, permit: Uuid, claimed: Duration, now: Time) -> Follows {
    match sight.leader(permit) {
        None => Follows::Nobody,
        Some((_, Some(leader))) => match leader.fate {
            Fate::Open if leader.is_live(now) => Follows::Wait,
            Fate::Started { at, .. } if now < at + claimed => Follows::Wait,
            _ => Follows::Late,
        },
        Some((_, None)) => Follows::Late,
    }
}

/// Asks for the permits of those who share a patient's number and are owed the same on the same day, as far as one text can tell them all.
pub(crate) async fn invite(
    desk: &Desk,
    dispatch: &Dispatch,
    known: &Patient,
    sight: &Sight,
    draft: &Draft<'_>,
) -> Result<(), Failure> {
    let app = &desk.app;
    let occasion = known.state.permit(dispatch.permit).and_then(|permit| permit.occasion.as_ref());
    let Some(occasion) = occasion.filter(|_| draft.may_be_shared()) else { return Ok(()) };
    let day = day_of(occasion.at, &app.control.zone(&known.state));
    let policies = app.control.ready_to_decide().await?;
    let policy = &in_force(&policies, app.clock.now())?.policy;
    let mut all = draft.clone();
    for (_, permit) in sight.together(dispatch.permit) {
        if let Some((state, permit)) = sight.others().find_map(|(_, state)| Some((state, state.permit(permit)?))) {
            // One that does not fit in is given back when its turn comes.
            let _ = all.tell(app, state, about(permit));
        }
    }
    for (other, entry) in sight.owed(&app.control, policy, &dispatch.purpose, day) {
        let now = app.clock.now();
        let theirs = app.transactor.patient_now(other).await?;
        if !entry.is_due(now) || !likes(&theirs.state, dispatch.channel) {
            continue;
        }
        let mut more = all.clone();
        if more.tell(app, &theirs.state, Some(entry.about)).is_err() {
            continue;
        }
        let joined: [&[u8]; 3] = [b"joined", dispatch.permit.as_bytes(), other.as_bytes()];
        let ask = Ask {
            permit: app.keys.derive(&[b"dispatcher", b"joined permit", dispatch.permit.as_bytes(), other.as_bytes()]),
            purpose: dispatch.purpose.clone(),
            channel: dispatch.channel,
            branch: dispatch.branch.clone(),
            about: Some(entry.about),
            reason: None,
            number: OnNumber::default(),
        };
        let with = Some(dispatch.permit);
        let theirs_now = app.numbers.look(&app.transactor, other, theirs.position).await?;
        let zone = || app.control.zone(&theirs.state);
        if matches!(would_be(&theirs_now, &theirs.state, policy, &ask, with, now, zone), Decision::Refused(_)) {
            continue;
        }
        let command = command(app, &joined, &dispatch.branch, None);
        match tact_service::permit::ask(&app.transactor, &app.control, &app.numbers, other, &command, &ask, with).await {
            Ok(_) => {}
            Err(Failure::Untrue(_)) => continue,
            Err(failure) => return Err(failure),
        }
        desk.points.reach(Point::Asked, dispatch.permit).await;
        all = more;
    }
    Ok(())
}

fn about(permit: &Permit) -> Option<Uuid> {
    permit.occasion.as_ref().map(|used| used.about)
}

/// Whether a patient named this channel as the best one, or none.
fn likes(state: &State, channel: Channel) -> bool {
    state.preferences.preferred_channel.is_none_or(|(preferred, _)| preferred == channel)
}

/// A contact has begun: it begins for those who were joined with it too, and the message tells them. What cannot be begun now is given back.
/// Nobody joins a contact that has begun, so that all whom it is for are known here.
pub(crate) async fn gather(desk: &Desk, dispatch: &Dispatch, patient: Uuid, started_at: Time, draft: &mut Draft<'_>) {
    let app = &desk.app;
    let joined = async {
        let known = app.transactor.patient_now(patient).await?;
        Ok::<_, Failure>(app.numbers.look(&app.transactor, patient, known.position).await?.together(dispatch.permit))
    };
    let joined = joined.await.unwrap_or_else(|error| {
        tracing::warn!(contact = %dispatch.contact, %error, "it cannot be looked up whom else a message is for: it goes to one");
        Vec::new()
    });
    for (other, permit) in joined {
        if let Err(error) = join(desk, dispatch, (other, permit), started_at, draft).await {
            tracing::warn!(%permit, contact = %dispatch.contact, %error, "a message goes out without somebody whom it was for too");
        }
    }
}

async fn join(
    desk: &Desk,
    dispatch: &Dispatch,
    (other, permit): (Uuid, Uuid),
    started_at: Time,
    draft: &mut Draft<'_>,
) -> Result<(), Unsettled> {
    let Desk { app, points, .. } = desk;
    let known = app.transactor.patient_now(other).await?;
    let open = |permit: &&Permit| permit.fate == Fate::Open && permit.is_live(app.clock.now());
    let Some(theirs) = known.state.permit(permit).filter(open) else { return Ok(()) };
    let new = New {
        permit,
        contact: desk.contact_of(permit),
        patient: other,
        purpose: theirs.purpose.clone(),
        channel: theirs.channel,
        branch: theirs.branch.clone(),
        expires_at: theirs.expires_at,
    };
    let mut with = draft.clone();
    if let Err(reason) = with.tell(app, &known.state, about(theirs)) {
        return give_back(desk, &new, other, &reason).await;
    }
    let started = Started { permit, contact: dispatch.contact };
    let command = command(app, &[b"started", permit.as_bytes()], &dispatch.branch, None);
    match begin(&app.transactor, &app.control, &app.numbers, other, &command, &started, true, None).await? {
        Begun::Now(_) | Begun::Before(_) => {
            points.reach(Point::Joined, dispatch.permit).await;
            *draft = with;
            cover(desk, &new, dispatch.contact, started_at).await.map(drop)
        }
        Begun::Gone(codes) => give_back(desk, &new, other, &refused(&codes)).await,
    }
}

/// Whether an entry that is due waits, so that somebody who shares the number and is owed the same on that day can be told with it: only if both
/// would be permitted then, by all that is known now, with time to spare.
pub(crate) fn waits(app: &App, sight: &Sight, state: &State, policy: &Policy, ask: &Ask, at: Time, now: Time) -> bool {
    if !ask.channel.uses_number() {
        return false;
    }
    let day = day_of(at, &app.control.zone(state));
    let fits = |then: Time| {
        let would = |at: Time| would_be(sight, state, policy, ask, None, at, || app.control.zone(state)).is_permitted();
        would(then) && would(then + SPARE)
    };
    let theirs = |other: Uuid, entry: &Entry| {
        let ask = Ask { about: Some(entry.about), ..ask.clone() };
        let state = sight.others().find(|(id, _)| *id == other).map(|(_, state)| state);
        state.is_some_and(|state| {
            let zone = app.control.zone(state);
            likes(state, ask.channel) && tact_domain::patient::decide(state, policy, &ask, entry.from, &zone).is_permitted()
        })
    };
    let mut owed = sight.owed(&app.control, policy, &ask.purpose, day).into_iter().filter(|(_, entry)| entry.from > now);
    owed.any(|(other, entry)| theirs(other, &entry) && fits(entry.from))
}
