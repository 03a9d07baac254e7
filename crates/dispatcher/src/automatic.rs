//! Reminders that go out without a program asking: for the purposes that the network has switched on, a permit is asked for when an entry of a
//! worklist is due, on the patient's preferred channel if a gateway serves it.
//!
//! Each entry is tried once; only what never left us is tried again, twice at most. It must never ask where it knows the answer to be no: a
//! refusal is recorded, and a worklist would fill the log with them.

use std::time::Duration;

use tact_database::DbError;
use tact_domain::patient::{Ask, Decision, OnNumber, State};
use tact_domain::policy::{Policy, PurposeRule};
use tact_domain::{Actor, Branch, Channel, Direction, Outcome, Purpose};
use tact_event_log::LogError;
use tact_read_models::due::{self, Cursor, DueRow, Page};
use tact_service::control::in_force;
use tact_service::permit::would_be;
use tact_service::transact::{Command, Failure};
use tokio::sync::watch;

use crate::Desk;
use crate::household::waits;
use crate::message::{Draft, Wanted};
use crate::setup::Setup;

/// How often the worklists are gone through.
const EVERY: Duration = Duration::from_secs(1);
/// How many entries are read at once.
const ROWS: u32 = 200;
/// How often an entry is tried whose contact never left us.
const FAILED: usize = 2;

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Failure(#[from] Failure),
}

/// Goes through the worklists until told to stop.
pub(crate) async fn run(desk: &Desk, setup: &Setup, mut stop: watch::Receiver<bool>) {
    if setup.automatic.is_empty() {
        return;
    }
    let mut troubled = false;
    while !*stop.borrow() {
        let walked = tokio::select! {
            walked = walk(desk, setup) => walked,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match walked {
            Ok(()) => troubled = false,
            Err(error) => {
                if !std::mem::replace(&mut troubled, true) {
                    tracing::warn!(%error, "the worklists cannot be gone through; trying again");
                }
            }
        }
        let _ = tokio::time::timeout(EVERY, stop.wait_for(|stop| *stop)).await;
    }
}

async fn walk(desk: &Desk, setup: &Setup) -> Result<(), Stopped> {
    let directory = desk.app.control.directory();
    for branch in directory.branches.keys() {
        for purpose in &setup.automatic {
            let mut after = Cursor::start();
            loop {
                let now = desk.app.clock.now();
                let page = Page { branch, now, purpose: Some(purpose), after: after.clone(), limit: ROWS };
                let rows = due::worklist(&desk.app.read.db(), &page).await?;
                for row in &rows {
                    entry(desk, setup, branch, purpose, row).await?;
                }
                match rows.last() {
                    Some(last) if rows.len() == ROWS as usize => after = last.cursor(),
                    _ => break,
                }
            }
        }
    }
    Ok(())
}

async fn entry(desk: &Desk, setup: &Setup, branch: &Branch, purpose: &Purpose, row: &DueRow) -> Result<(), Stopped> {
    let app = &desk.app;
    let known = app.transactor.patient_now(row.patient).await?;
    if known.set_aside().is_some() || !known.state.is_open() {
        return Ok(());
    }
    let state = &known.state;
    // The same occasion at another time is another entry.
    let of_it = |c: &&tact_domain::patient::state::Contact| {
        c.direction == Direction::Outbound && c.purpose == *purpose && c.about == Some(row.about) && c.time >= row.due_from
    };
    let tried: Vec<Outcome> = state.contacts.iter().filter(of_it).map(|c| c.outcome).collect();
    if tried.iter().any(|outcome| *outcome != Outcome::Failed) || tried.len() > FAILED {
        return Ok(());
    }
    let policies = app.control.ready_to_decide().await?;
    let now = app.clock.now();
    let policy = &in_force(&policies, now)?.policy;
    let Some(channel) = channel(setup, state, policy, purpose) else { return Ok(()) };
    // What is asked for follows from the entry, and the hour: so a no that came in between is not for good.
    let hour = (now.timestamp() / 3600).to_be_bytes();
    let id = |what: &str| {
        let at = row.at.timestamp_millis().to_be_bytes();
        let parts: [&[u8]; 8] = [
            b"automatic",
            what.as_bytes(),
            row.patient.as_bytes(),
            purpose.as_str().as_bytes(),
            row.about.as_bytes(),
            &at,
            &tried.len().to_be_bytes(),
            &hour,
        ];
        app.keys.derive(&parts)
    };
    let ask = Ask {
        permit: id("permit"),
        purpose: purpose.clone(),
        channel,
        branch: branch.clone(),
        about: Some(row.about),
        reason: None,
        number: OnNumber::default(),
    };
    let sight = app.numbers.look(&app.transactor, row.patient, known.position).await?;
    if matches!(would_be(&sight, state, policy, &ask, None, now, || app.control.zone(state)), Decision::Refused(_)) {
        return Ok(());
    }
    let wanted = Wanted { id: ask.permit, purpose, channel, branch, about: Some(row.about), valid_until: now };
    let Ok(draft) = Draft::of(app, setup, wanted, row.patient, state).await? else { return Ok(()) };
    // Two children's reminders go out as one: the first waits for the second to be due.
    if draft.may_be_shared() && waits(app, &sight, state, policy, &ask, row.at, now) {
        return Ok(());
    }
    let command = Command {
        event: id("event"),
        fingerprint: None,
        time: None,
        actor: Actor::System("dispatcher".into()),
        branch: Some(branch.clone()),
        cause: None,
    };
    match tact_service::permit::ask(&app.transactor, &app.control, &app.numbers, row.patient, &command, &ask, None).await {
        Ok(_) | Err(Failure::Untrue(_)) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// The channel that the patient likes best, if a gateway serves it; whoever named none is written to on the first of the policy's that one
/// does. Whoever likes to be called by people is left to them.
fn channel(setup: &Setup, state: &State, policy: &Policy, purpose: &Purpose) -> Option<Channel> {
    let Some(PurposeRule::Allowed(rule)) = policy.purposes.get(purpose) else { return None };
    let served = |channel: &Channel| rule.channels.contains(channel) && setup.gateway(*channel).is_some();
    let preferred = state.preferences.preferred_channel.map(|(channel, _)| channel);
    match preferred {
        Some(channel) => Some(channel).filter(served),
        None => rule.channels.iter().copied().find(served),
    }
}
