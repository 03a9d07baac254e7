//! The decision: may this patient be contacted, for this purpose, on this channel, now?
//!
//! Every reason that stands in the way is found and said, with the numbers behind it. Nothing here looks at a clock, and nothing here
//! may change its meaning: what would make an old decision come out otherwise is a new version of the rules, beside this one.

use chrono::Duration;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::events::{Basis, ConsentUsed, LimitCount, Override, Permitted, Refused};
use super::occasion::{self, Occasion};
use super::quota::{self, Counted, Pending, Scope};
use super::state::{Announcement, Grant, State};
use crate::policy::{self, Limit, Policy, PurposeRule, Rule};
use crate::values::*;
use crate::{Time, Zone};

/// The version of the rules that this build decides by. Old decisions are made again by the version that they name.
///
/// 1: the patient alone. 2: the telephone number has a say as well ([`OnNumber`]).
pub const RULES: u16 = 2;

/// Someone asks for the right to make one contact.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The id that the permit will have.
    pub permit: Uuid,
    /// What for.
    pub purpose: Purpose,
    /// How.
    pub channel: Channel,
    /// Which branch asks.
    pub branch: Branch,
    /// The occasion; absent: the nearest in time that is not over.
    pub about: Option<Uuid>,
    /// The id of the text that says why, for purposes that demand one.
    pub reason: Option<Uuid>,
    /// What the patient's telephone number says to it.
    pub number: OnNumber,
}

/// What a patient's telephone number says to an ask. It is found out outside the patient's stream ([`crate::number`]) and given to the
/// decision, which records it: so the decision can be made again from the patient's stream alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNumber {
    /// Nothing: it was not asked, or no number is known.
    #[default]
    NotAsked,
    /// It is reserved for this ask, by the reservation of this id.
    Reserved(Uuid),
    /// It is not to be rung now.
    Busy {
        /// When it may be, if that comes by itself.
        next: Option<Time>,
    },
}

impl OnNumber {
    /// What the number said, by the reasons of a refusal.
    pub fn of(reasons: &[Reason]) -> Self {
        let busy = reasons.iter().find(|reason| reason.code == Code::NumberBusy);
        busy.map_or(Self::NotAsked, |reason| Self::Busy { next: reason.next })
    }
}

/// The answer, in the form in which it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Yes, until it expires.
    Permitted(Permitted),
    /// No, for every one of these reasons.
    Refused(Refused),
}

impl Decision {
    /// Whether it was a yes.
    pub fn is_permitted(&self) -> bool {
        matches!(self, Self::Permitted(_))
    }

    /// The reasons of a no; empty for a yes.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Permitted(_) => &[],
            Self::Refused(refused) => &refused.reasons,
        }
    }
}

/// One reason of a refusal, with what is behind it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// What stands in the way.
    pub code: Code,
    /// When it no longer does, if that comes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// For limits: the limit in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<SmolStr>,
    /// For limits: the most it allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// For limits: how many were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// For limits and outstanding permits: what was counted, the latest 20 of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// For windows: the window that was missed, or the next one announced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// For consents, wrong numbers and the patient's wish: since when it stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// For forbidden purposes: why, in the policy's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl Reason {
    fn new(code: Code) -> Self {
        Self { code, next: None, limit: None, max: None, count: None, counted: Vec::new(), window: None, since: None, text: None }
    }
}

/// How many counted contacts a reason lists at most.
const LISTED: usize = 20;

/// Decides whether the contact may be made at `now`, by the rules of version [`RULES`].
///
/// `zone` is the patient's time zone (the home branch's, if the patient's is unknown); what the decision used of it becomes part of the answer.
pub fn decide(state: &State, policy: &Policy, ask: &Ask, now: Time, zone: &Zone) -> Decision {
    decided(RULES, state, policy, ask, now, zone)
}

fn decided(rules: u16, state: &State, policy: &Policy, ask: &Ask, now: Time, zone: &Zone) -> Decision {
    let refuse = |about, reasons, next| {
        Decision::Refused(Refused {
            purpose: ask.purpose.clone(),
            channel: ask.channel,
            branch: ask.branch.clone(),
            policy: policy.version.clone(),
            reasons,
            rules,
            zone: zone.used(now),
            about,
            asked_about: ask.about,
            next,
        })
    };
    let rule = match policy.purposes.get(&ask.purpose) {
        None => return refuse(ask.about, vec![Reason::new(Code::PurposeUnknown)], None),
        Some(PurposeRule::Forbidden(why)) => {
            let reason = Reason { text: Some(why.clone()), ..Reason::new(Code::PurposeForbidden) };
            return refuse(ask.about, vec![reason], None);
        }
        Some(PurposeRule::Allowed(_)) if !state.is_open() => {
            return refuse(ask.about, vec![Reason::new(Code::PatientClosed)], None);
        }
        Some(PurposeRule::Allowed(rule)) => rule,
    };
    let look = Look { state, policy, rule, ask, now, zone, ahead: false };
    let (found, reasons) = look.look();
    if !reasons.is_empty() {
        let next = look.next_chance(&reasons);
        return refuse(found.occasion.map(|o| o.about).or(ask.about), reasons, next);
    }
    let expires_at = found.caps.iter().copied().fold(now + rule.permit_valid_for, Time::min);
    Decision::Permitted(Permitted {
        permit: ask.permit,
        purpose: ask.purpose.clone(),
        channel: ask.channel,
        branch: ask.branch.clone(),
        expires_at,
        policy: policy.version.clone(),
        basis: Basis {
            limits: found.limits,
            overrides: rule.lasting_overrides(),
            occasion: found.occasion.as_ref().map(|o| o.used(rule)),
            consent: found.consent,
            announcement: found.announcement,
            quiet_lifted: found.quiet_lifted,
            reservation: match ask.number {
                OnNumber::Reserved(reservation) => Some(reservation),
                _ => None,
            },
        },
        rules,
        zone: zone.used(now),
        about: found.occasion.map(|o| o.about).or(ask.about),
        reason: ask.reason,
    })
}

/// A version of the rules that this build does not know: the decision was made by a newer Tact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("version {0} of the rules of decision is not known to this version of Tact")]
pub struct UnknownRules(pub u16);

/// Decides by the rules of a version, as a recorded decision names it. Each version that was ever in use keeps its own function here, so that what
/// it decided comes out the same for ever.
///
/// # Errors
/// [`UnknownRules`] for a version that is newer than this build.
pub fn decide_by(
    rules: u16,
    state: &State,
    policy: &Policy,
    ask: &Ask,
    now: Time,
    zone: &Zone,
) -> Result<Decision, UnknownRules> {
    match rules {
        // Before numbers had a say.
        1 => Ok(decided(1, state, policy, &Ask { number: OnNumber::NotAsked, ..ask.clone() }, now, zone)),
        2 => Ok(decided(2, state, policy, ask, now, zone)),
        _ => Err(UnknownRules(rules)),
    }
}

/// What a look found that a permit rests on.
#[derive(Default)]
struct Found {
    occasion: Option<Occasion>,
    consent: Option<ConsentUsed>,
    announcement: Option<Window>,
    quiet_lifted: Option<Window>,
    limits: Vec<LimitCount>,
    /// Moments at which something that allows the contact ends.
    caps: Vec<Time>,
}

struct Look<'a> {
    state: &'a State,
    policy: &'a Policy,
    rule: &'a Rule,
    ask: &'a Ask,
    now: Time,
    zone: &'a Zone,
    /// Whether it looks ahead, for the next time at which asking makes sense.
    ahead: bool,
}

impl Look<'_> {
    /// The next time at which asking makes sense: the first at which no reason stands in the way, so far as is known now.
    fn next_chance(&self, reasons: &[Reason]) -> Option<Time> {
        let all_gone = |reasons: &[Reason]| {
            let nexts: Option<Vec<Time>> = reasons.iter().map(|r| r.next).collect();
            nexts?.into_iter().max()
        };
        let mut at = all_gone(reasons)?;
        // Each step leaves a reason behind; quiet hours may come between a few times.
        for _ in 0..8 {
            let (_, reasons) = Look { now: at, ahead: true, ..*self }.look();
            if reasons.is_empty() {
                return Some(at);
            }
            at = all_gone(&reasons).filter(|next| *next > at)?;
        }
        None
    }

    fn look(&self) -> (Found, Vec<Reason>) {
        let mut found = Found::default();
        let mut reasons = Vec::new();
        // An emergency is refused only by a closed patient or its own limit.
        let everything = self.rule.overrides(Override::Everything);
        if !everything {
            self.channel(&mut reasons);
            self.reach(&mut reasons);
            self.consent(&mut found, &mut reasons);
        }
        self.occasion(&mut found, &mut reasons);
        if !self.rule.overrides(Override::QuietHours) || self.rule.quiet_hours_override_for.is_some() {
            self.quiet(&mut found, &mut reasons);
        }
        self.limits(&mut found, &mut reasons);
        if !everything {
            self.outstanding(&found, &mut reasons);
            self.number(&mut reasons);
        }
        (found, reasons)
    }

    fn channel(&self, reasons: &mut Vec<Reason>) {
        let channel = self.ask.channel;
        if !self.rule.channels.contains(&channel) {
            reasons.push(Reason::new(Code::ChannelNotAllowed));
        }
        if let Some(since) = unreachable_since(self.state, channel) {
            reasons.push(Reason { since: Some(since), ..Reason::new(Code::ChannelUnreachable) });
        }
    }

    fn reach(&self, reasons: &mut Vec<Reason>) {
        if let Some((Reach::PatientInitiated, since)) = self.state.preferences.reach
            && !self.rule.overrides(Override::PatientInitiatedOnly)
        {
            reasons.push(Reason { since: Some(since), ..Reason::new(Code::PatientInitiatedOnly) });
        }
    }

    fn consent(&self, found: &mut Found, reasons: &mut Vec<Reason>) {
        if self.rule.basis != policy::Basis::Consent {
            return;
        }
        match consent(self.state, &self.ask.purpose, self.ask.channel, self.now) {
            Consent::Active(grant) => {
                found.consent = Some(ConsentUsed { document: grant.document, granted_at: grant.time });
                found.caps.extend(grant.expires_at);
            }
            Consent::Missing => reasons.push(Reason::new(Code::ConsentMissing)),
            Consent::Withdrawn(since) => {
                // Whoever withdraws what they never gave is told both.
                if grants(self.state, &self.ask.purpose, self.ask.channel).next().is_none() {
                    reasons.push(Reason::new(Code::ConsentMissing));
                }
                reasons.push(Reason { since: Some(since), ..Reason::new(Code::ConsentWithdrawn) });
            }
            Consent::Expired(since) => reasons.push(Reason { since: Some(since), ..Reason::new(Code::ConsentExpired) }),
        }
    }

    fn occasion(&self, found: &mut Found, reasons: &mut Vec<Reason>) {
        let Some(kind) = self.rule.occasion else { return };
        let occasion = occasion::find(self.state, kind, self.ask.about, self.now);
        let ahead = self.rule.unless_booked_ahead && occasion::booked_ahead(self.state, self.now);
        let Some(occasion) = occasion.filter(|_| !ahead) else {
            let next = if ahead { self.state.booked_until() } else { None };
            reasons.push(Reason { next, ..Reason::new(Code::NoOccasion) });
            return;
        };
        found.caps.extend(occasion.ends);
        if let Some(window) = &self.rule.window {
            let window = window.around(occasion.at, self.zone);
            if self.now < window.from {
                let next = Some(window.from);
                reasons.push(Reason { next, window: Some(window), ..Reason::new(Code::TooEarly) });
            } else if self.now >= window.until {
                reasons.push(Reason { window: Some(window), ..Reason::new(Code::TooLate) });
            } else {
                found.caps.push(window.until);
            }
        }
        if self.rule.announced {
            self.announcement(&occasion, found, reasons);
        }
        found.occasion = Some(occasion);
    }

    fn announcement(&self, occasion: &Occasion, found: &mut Found, reasons: &mut Vec<Reason>) {
        let announced = announcements(self.state, &self.ask.purpose, occasion);
        let covering = announced.iter().map(|a| a.window).filter(|w| w.contains(self.now)).max_by_key(|w| w.until);
        if let Some(window) = covering {
            found.caps.push(window.until);
            found.announcement = Some(window);
        } else if announced.is_empty() {
            reasons.push(Reason::new(Code::NotAnnounced));
        } else {
            let window = announced.iter().map(|a| a.window).filter(|w| w.from > self.now).min_by_key(|w| w.from);
            let next = window.map(|w| w.from);
            reasons.push(Reason { next, window, ..Reason::new(Code::OutsideAnnouncedWindow) });
        }
    }

    fn quiet(&self, found: &mut Found, reasons: &mut Vec<Reason>) {
        if !self.ask.channel.uses_number() {
            return;
        }
        let quiet = Quiet::of(self.state, self.policy, self.rule, found.occasion.as_ref(), self.zone);
        found.quiet_lifted = quiet.exempt.iter().copied().find(|w| w.contains(self.now));
        let codes = quiet.codes_at(self.now);
        if codes.is_empty() {
            found.caps.extend(quiet.next_start(self.now, self.now + self.rule.permit_valid_for));
        } else {
            let next = quiet.next_end(self.now);
            reasons.extend(codes.into_iter().map(|code| Reason { next, ..Reason::new(code) }));
        }
    }

    fn limits(&self, found: &mut Found, reasons: &mut Vec<Reason>) {
        let occasion = found.occasion.clone();
        let about = quota::about_of(occasion.as_ref(), self.ask.about.filter(|_| self.rule.occasion.is_some()));
        let pending = if self.rule.overrides(Override::Everything) {
            Pending::All
        } else {
            Pending::Except(&self.ask.purpose, occasion.as_ref().map(|o| (o.about, o.since)))
        };
        let own = Scope::Purpose(&self.ask.purpose, about.as_ref());
        for limit in &self.rule.limits {
            self.limit(limit, own, pending, Code::LimitReached, found, reasons);
        }
        for limit in quota::overall_limits(self.policy, self.rule) {
            self.limit(limit, Scope::Overall, pending, Code::OverallLimitReached, found, reasons);
        }
    }

    fn limit(
        &self,
        limit: &Limit,
        scope: Scope<'_>,
        pending: Pending<'_>,
        code: Code,
        found: &mut Found,
        reasons: &mut Vec<Reason>,
    ) {
        if !limit.holds_for(self.ask.channel) {
            return;
        }
        let counted = quota::counted(self.state, limit, scope, pending, self.now, self.zone);
        let count = u32::try_from(counted.len()).unwrap_or(u32::MAX);
        if count < limit.max {
            found.limits.push(LimitCount { limit: limit.words().clone(), max: limit.max, count });
            return;
        }
        let next = quota::room_at(limit, &counted, self.zone);
        let mut items: Vec<Counted> = counted.into_iter().map(|(item, _)| item).collect();
        items.sort_by_key(|item| item.time);
        let counted = items.split_off(items.len().saturating_sub(LISTED));
        reasons.push(Reason {
            next,
            limit: Some(limit.words().clone()),
            max: Some(limit.max),
            count: Some(count),
            counted,
            ..Reason::new(code)
        });
    }

    /// What it rests on belongs to others as well, so nothing is said of it but when to ask again.
    fn number(&self, reasons: &mut Vec<Reason>) {
        if let OnNumber::Busy { next } = self.ask.number
            && !(self.ahead && next.is_some_and(|next| next <= self.now))
        {
            reasons.push(Reason { next, ..Reason::new(Code::NumberBusy) });
        }
    }

    fn outstanding(&self, found: &Found, reasons: &mut Vec<Reason>) {
        if self.rule.occasion.is_some() && found.occasion.is_none() {
            return;
        }
        let occasion = found.occasion.as_ref().map(|o| (o.about, o.since));
        let held = self.state.permits.iter().filter(|p| {
            p.counts(self.now)
                && p.purpose == self.ask.purpose
                && (self.rule.occasion.is_none() || p.occasion.as_ref().map(|o| (o.about, o.since)) == occasion)
        });
        let held: Vec<_> = held.collect();
        if !held.is_empty() {
            let ends: Option<Vec<Time>> = held.iter().map(|p| p.frees_at()).collect();
            reasons.push(Reason {
                next: ends.and_then(|ends| ends.into_iter().max()),
                counted: held.into_iter().map(Counted::permit).collect(),
                ..Reason::new(Code::PermitOutstanding)
            });
        }
    }
}

/// When a wrong number on this channel made it unreachable, if no new details came since.
pub fn unreachable_since(state: &State, channel: Channel) -> Option<Time> {
    let last = state
        .contacts
        .iter()
        .filter(|c| c.direction == Direction::Outbound && c.channel.shares_details_with(channel))
        // What never left us says nothing about the number.
        .filter(|c| c.outcome != Outcome::Failed)
        .max_by_key(|c| c.time)?;
    let wrong = last.outcome == Outcome::WrongNumber;
    let renewed =
        state.new_details.iter().any(|d| d.time >= last.time && d.channels.iter().any(|c| c.shares_details_with(channel)));
    (wrong && !renewed).then_some(last.time)
}

/// How consent stands for a purpose on a channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Consent<'a> {
    /// Nobody ever said a word about it.
    Missing,
    /// This grant holds.
    Active(&'a Grant),
    /// The latest word is a withdrawal, made then.
    Withdrawn(Time),
    /// The latest word is a grant that ran out then.
    Expired(Time),
}

fn grants<'a>(state: &'a State, purpose: &Purpose, channel: Channel) -> impl Iterator<Item = &'a Grant> {
    state.grants.iter().filter(move |g| g.purpose == *purpose && g.channels.contains(&channel))
}

/// The latest word by its time decides; of two at one moment the withdrawal does (P14).
pub fn consent<'a>(state: &'a State, purpose: &Purpose, channel: Channel, now: Time) -> Consent<'a> {
    latest_word(state, purpose, channel, now, Time::MAX_UTC)
}

/// How consent stood at a moment, by what is known now: no word that came later counts, and every earlier one does, however late it was recorded.
pub fn consent_at<'a>(state: &'a State, purpose: &Purpose, channel: Channel, time: Time) -> Consent<'a> {
    latest_word(state, purpose, channel, time, time)
}

/// As [`consent`], by the words up to a moment.
fn latest_word<'a>(state: &'a State, purpose: &Purpose, channel: Channel, now: Time, up_to: Time) -> Consent<'a> {
    let grant = grants(state, purpose, channel)
        .filter(|g| g.time <= up_to)
        .max_by_key(|g| (g.time, g.expires_at.is_none(), g.expires_at));
    let withdrawn = state
        .withdrawals
        .iter()
        .filter(|w| w.time <= up_to)
        .filter(|w| w.purpose.as_ref().is_none_or(|p| p == purpose) && w.channels.as_ref().is_none_or(|c| c.contains(&channel)))
        .map(|w| w.time)
        .max();
    match (grant, withdrawn) {
        (None, None) => Consent::Missing,
        (None, Some(time)) => Consent::Withdrawn(time),
        (Some(grant), Some(time)) if time >= grant.time => Consent::Withdrawn(time),
        (Some(grant), _) => match grant.expires_at {
            Some(expired) if expired <= now => Consent::Expired(expired),
            _ => Consent::Active(grant),
        },
    }
}

/// The announcements of a purpose and occasion. One that names no occasion holds for any but those that came when its window was over.
pub fn announcements<'a>(state: &'a State, purpose: &Purpose, occasion: &Occasion) -> Vec<&'a Announcement> {
    let of_it = |a: &&Announcement| {
        a.purpose == *purpose && a.about.map_or(a.window.until > occasion.since, |named| named == occasion.about)
    };
    state.announcements.iter().filter(of_it).collect()
}

/// The hours in which a patient is not called: the policy's and the patient's together, holidays, and the spans in which they do not hold.
struct Quiet<'a> {
    hours: Vec<DailyHours>,
    policy: &'a Policy,
    exempt: Vec<Window>,
    zone: &'a Zone,
}

impl<'a> Quiet<'a> {
    fn of(state: &State, policy: &'a Policy, rule: &Rule, occasion: Option<&Occasion>, zone: &'a Zone) -> Self {
        let own = state.preferences.quiet_hours.map(|(hours, _)| hours);
        let absorbed = state.preferences.absorbed_quiet_hours.iter().map(|(hours, _)| *hours);
        let hours = policy.quiet_hours.into_iter().chain(own).chain(absorbed).collect();
        let mut exempt: Vec<Window> = occasion.and_then(|o| o.asked_window).into_iter().collect();
        if let (Some(length), Some(occasion)) = (rule.quiet_hours_override_for, occasion)
            && rule.overrides(Override::QuietHours)
        {
            exempt.push(Window { from: occasion.since, until: occasion.since + length });
        }
        Self { hours, policy, exempt, zone }
    }

    fn codes_at(&self, time: Time) -> Vec<Code> {
        if self.exempt.iter().any(|w| w.contains(time)) {
            return Vec::new();
        }
        let local = self.zone.local(time);
        let quiet = self.hours.iter().any(|h| h.contains(local.time())).then_some(Code::QuietHours);
        let holiday = self.policy.holidays.binary_search(&local.date()).is_ok().then_some(Code::Holiday);
        quiet.into_iter().chain(holiday).collect()
    }

    /// The moments after `now` and up to so many days ahead at which something may change.
    fn edges(&self, now: Time, days: i64) -> Vec<Time> {
        let today = self.zone.local(now).date();
        let mut edges: Vec<Time> = self.exempt.iter().flat_map(|w| [w.from, w.until]).collect();
        for day in 0..=days {
            let date = today + Duration::days(day);
            edges.extend(self.hours.iter().flat_map(|h| [h.from, h.until]).map(|t| self.zone.utc(date.and_time(t))));
            if self.policy.holidays.binary_search(&date).is_ok() {
                edges.push(self.zone.utc(date.and_time(chrono::NaiveTime::MIN)));
                edges.push(self.zone.utc((date + Duration::days(1)).and_time(chrono::NaiveTime::MIN)));
            }
        }
        edges.retain(|&edge| edge > now);
        edges.sort_unstable();
        edges
    }

    /// The first moment behind `now` and before `until` at which quiet begins.
    fn next_start(&self, now: Time, until: Time) -> Option<Time> {
        let days = (until - now).num_days() + 1;
        let edges = self.edges(now, days);
        edges.into_iter().take_while(|&edge| edge < until).find(|&edge| !self.codes_at(edge).is_empty())
    }

    /// The first moment behind `now` at which it is not quiet; within 40 days, since no one is asked to wait longer for quiet to end.
    fn next_end(&self, now: Time) -> Option<Time> {
        let within = |days| self.edges(now, days).into_iter().find(|&edge| self.codes_at(edge).is_empty());
        within(2).or_else(|| within(40))
    }
}
