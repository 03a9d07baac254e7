//! What a patient is owed: the contacts that appear on the worklist by themselves, each with the window in which it is due.

use smol_str::SmolStr;
use uuid::Uuid;

use super::decide::{Ask, Decision, OnNumber, announcements, decide};
use super::occasion::{Occasion, occasions};
use super::quota::{self, Pending, Scope};
use super::state::State;
use crate::policy::{Policy, PurposeRule, Rule};
use crate::values::*;
use crate::{Time, Zone};

/// A contact that is owed.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// What for.
    pub purpose: Purpose,
    /// Its occasion.
    pub about: Uuid,
    /// The kind of occasion.
    pub occasion: OccasionKind,
    /// The occasion's time.
    pub at: Time,
    /// The first moment at which it is due.
    pub from: Time,
    /// The first moment at which it no longer is; `None`: until the occasion is done with.
    pub until: Option<Time>,
    /// The branch it belongs to: that of its appointment, else the patient's home branch.
    pub branch: Branch,
    /// Whether it needs an announcement that nobody has made: someone should tell the patient before they leave (P9).
    pub to_announce: bool,
    /// The version of the policy by which it is owed.
    pub policy: SmolStr,
}

impl Entry {
    /// Whether it is due at this moment.
    pub fn is_due(&self, now: Time) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}

/// Every contact that the patient is owed now or later if nothing more happens, by purpose, then by time.
/// Done (its own limits leave no room), cancelled and lapsed ones are not among them.
pub fn agenda(state: &State, policy: &Policy, zone: &Zone) -> Vec<Entry> {
    let mut entries = Vec::new();
    let (true, Some(home)) = (state.is_open(), &state.home_branch) else { return entries };
    for (purpose, rule) in &policy.purposes {
        let PurposeRule::Allowed(rule) = rule else { continue };
        let (true, Some(kind)) = (rule.agenda, rule.occasion) else { continue };
        let mut owed: Vec<Entry> = occasions(state, kind)
            .iter()
            .filter_map(|occasion| entry(state, policy, purpose, rule, occasion, home, zone))
            .collect();
        owed.sort_by_key(|e| (e.from, e.about));
        entries.append(&mut owed);
    }
    entries
}

fn entry(
    state: &State,
    policy: &Policy,
    purpose: &Purpose,
    rule: &Rule,
    occasion: &Occasion,
    home: &Branch,
    zone: &Zone,
) -> Option<Entry> {
    let window = rule.window.map(|w| w.around(occasion.at, zone));
    let (mut from, mut until) = match window {
        Some(window) => (window.from, Some(window.until)),
        // As long as the occasion lasts: an appointment from its booking on.
        None if occasion.kind == OccasionKind::UpcomingAppointment => (occasion.since, None),
        None => (occasion.at, None),
    };
    // Booked or moved when the window was already open: the patient was just told.
    if occasion.kind == OccasionKind::UpcomingAppointment && window.is_some_and(|window| window.from <= occasion.since) {
        return None;
    }
    if let Some(ends) = occasion.ends {
        until = Some(until.map_or(ends, |until| until.min(ends)));
    }
    if rule.unless_booked_ahead
        && let Some(booked) = state.booked_until()
    {
        from = from.max(booked);
    }
    from = from.max(room_from(state, purpose, rule, occasion, from, zone)?);
    if until.is_some_and(|until| until <= from) {
        return None;
    }
    Some(Entry {
        purpose: purpose.clone(),
        about: occasion.about,
        occasion: occasion.kind,
        at: occasion.at,
        from,
        until,
        branch: occasion.branch.clone().unwrap_or_else(|| home.clone()),
        to_announce: rule.announced && announcements(state, purpose, occasion).is_empty(),
        policy: policy.version.clone(),
    })
}

/// The moment from which the purpose's own limits leave room on any of its channels, not before `from`; `None` if they never do by themselves.
fn room_from(state: &State, purpose: &Purpose, rule: &Rule, occasion: &Occasion, from: Time, zone: &Zone) -> Option<Time> {
    let by = |&channel| room_by(state, purpose, rule, occasion, channel, from, zone);
    if rule.limits.iter().all(|limit| limit.channels.is_none()) {
        return rule.channels.first().and_then(by);
    }
    rule.channels.iter().filter_map(by).min()
}

fn room_by(
    state: &State,
    purpose: &Purpose,
    rule: &Rule,
    occasion: &Occasion,
    channel: Channel,
    from: Time,
    zone: &Zone,
) -> Option<Time> {
    let about = quota::About::Live(occasion);
    let scope = Scope::Purpose(purpose, Some(&about));
    // Someone at work on an entry does not make it done: a permit for it is an attempt, not yet one that reached the patient.
    let pending = Pending::Except(purpose, Some((occasion.about, occasion.since)));
    let mut room = from;
    for limit in rule.limits.iter().filter(|limit| limit.holds_for(channel)) {
        // Looked at from `from`: what has stopped counting since then gives room at a moment that has passed.
        let counted = quota::counted(state, limit, scope, pending, from, zone);
        if counted.len() >= usize::try_from(limit.max).unwrap_or(usize::MAX) {
            room = room.max(quota::room_at(limit, &counted, zone)?);
        }
    }
    Some(room)
}

/// The channel on which a worklist suggests to make a contact, and what the decision would be now. It is the one by which the patient asked to be
/// called back, or the one that they like best, or the first of the purpose's; it does not change with the hour or with what was tried, since
/// switching channels is how limits are walked around (P3).
pub fn suggest(
    state: &State,
    policy: &Policy,
    purpose: &Purpose,
    about: Uuid,
    branch: &Branch,
    now: Time,
    zone: &Zone,
) -> Option<(Channel, Decision)> {
    let ask = suggested(state, policy, purpose, about, branch)?;
    Some((ask.channel, decide(state, policy, &ask, now, zone)))
}

/// What a worklist suggests to ask for, as in [`suggest`].
pub fn suggested(state: &State, policy: &Policy, purpose: &Purpose, about: Uuid, branch: &Branch) -> Option<Ask> {
    let rule = policy.rule(purpose)?;
    let asked =
        state.requests.iter().find(|r| r.id == about && rule.occasion == Some(OccasionKind::CallbackRequest)).map(|r| r.channel);
    let liked = state.preferences.preferred_channel.map(|(channel, _)| channel);
    let wished = [asked, liked].into_iter().flatten().find(|channel| rule.channels.contains(channel));
    // A channel on which the purpose is limited to none at all is no suggestion.
    let ever = |channel: &&Channel| rule.limits.iter().all(|limit| limit.max > 0 || !limit.holds_for(**channel));
    let channel = wished.or(rule.channels.iter().find(ever).copied()).or(rule.channels.first().copied())?;
    Some(Ask {
        permit: Uuid::nil(),
        purpose: purpose.clone(),
        channel,
        branch: branch.clone(),
        about: Some(about),
        reason: None,
        number: OnNumber::NotAsked,
    })
}
