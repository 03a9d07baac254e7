//! What has been counted against a limit, what is left, and when room comes back.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::occasion::{self, Occasion};
use super::state::{Contact, Permit, State};
use crate::policy::{Limit, Measure, Per, Policy, Rule};
use crate::values::*;
use crate::{Time, Zone};

/// Something that was counted against a limit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Counted {
    /// What it was for; absent for feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// How; absent for feedback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// When it happened, or when the permit was granted.
    pub time: Time,
    /// By which branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<Branch>,
    /// The contact, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Uuid>,
    /// The permit, if it is one that has not been used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<Uuid>,
}

impl Counted {
    pub(super) fn contact(contact: &Contact) -> Self {
        Self {
            purpose: Some(contact.purpose.clone()),
            channel: Some(contact.channel),
            time: contact.time,
            branch: Some(contact.branch.clone()),
            contact: Some(contact.id),
            permit: None,
        }
    }

    pub(super) fn feedback(time: Time) -> Self {
        Self { purpose: None, channel: None, time, branch: None, contact: None, permit: None }
    }

    pub(super) fn permit(permit: &Permit) -> Self {
        Self {
            purpose: Some(permit.purpose.clone()),
            channel: Some(permit.channel),
            time: permit.granted_at,
            branch: Some(permit.branch.clone()),
            contact: None,
            permit: Some(permit.id),
        }
    }
}

/// Whose contacts a limit counts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// One purpose's, and for a limit per occasion those about this one.
    Purpose(&'a Purpose, Option<&'a About<'a>>),
    /// Every purpose's.
    Overall,
}

/// The occasion that a limit per occasion counts for.
#[derive(Debug, Clone, Copy)]
pub(super) enum About<'a> {
    /// One that is there.
    Live(&'a Occasion),
    /// One that was named and is done with.
    Past(Uuid),
}

impl About<'_> {
    fn covers_contact(&self, state: &State, contact: &Contact) -> bool {
        match (self, contact.about) {
            (Self::Live(o), Some(about)) => o.about == about && o.since <= contact.time,
            (Self::Live(o), None) => occasion::was_nearest(state, o, contact.time),
            (Self::Past(id), about) => about == Some(*id),
        }
    }

    fn covers_permit(&self, permit: &Permit) -> bool {
        match (self, &permit.occasion) {
            (Self::Live(o), Some(used)) => o.about == used.about && o.since == used.since,
            (Self::Past(id), Some(used)) => used.about == *id,
            (_, None) => false,
        }
    }
}

/// How live permits count against a limit on contacts that reached the patient. Each might still reach them, so all must count if no
/// run of events may exceed the limit; but where one permit for a purpose and occasion already stands in the way of a second,
/// saying so is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending<'a> {
    /// All count.
    All,
    /// All but those for this purpose and occasion.
    Except(&'a Purpose, Option<(Uuid, Time)>),
}

/// What is counted against a limit, each with the moment at which it stops counting (`None`: never, or not by itself).
pub(super) fn counted(
    state: &State,
    limit: &Limit,
    scope: Scope<'_>,
    pending: Pending<'_>,
    now: Time,
    zone: &Zone,
) -> Vec<(Counted, Option<Frees>)> {
    let mut found = Vec::new();
    let in_scope = |purpose: &Purpose| match scope {
        Scope::Purpose(own, _) => own == purpose,
        Scope::Overall => true,
    };
    let about = match (limit.per, scope) {
        (Per::Occasion, Scope::Purpose(_, about)) => Some(about),
        _ => None,
    };
    if limit.measure == Measure::Feedback {
        for &time in &state.feedback {
            if counts_at(limit, time, now, zone) {
                found.push((Counted::feedback(time), frees(limit, time)));
            }
        }
        return found;
    }
    for contact in &state.contacts {
        let measured = match limit.measure {
            Measure::Attempts => contact.outcome.is_attempt(),
            _ => contact.outcome.is_reached(),
        };
        if contact.direction == Direction::Outbound
            && measured
            && in_scope(&contact.purpose)
            && limit.counts_channel(contact.channel)
            && about.is_none_or(|about| about.is_some_and(|about| about.covers_contact(state, contact)))
            && counts_at(limit, contact.time, now, zone)
        {
            found.push((Counted::contact(contact), frees(limit, contact.time)));
        }
    }
    for permit in &state.permits {
        let excepted = match pending {
            Pending::All => false,
            Pending::Except(purpose, occasion) => {
                limit.measure == Measure::Reached
                    && permit.purpose == *purpose
                    && permit.occasion.as_ref().map(|o| (o.about, o.since)) == occasion
            }
        };
        if permit.counts(now)
            && !excepted
            && in_scope(&permit.purpose)
            && limit.counts_channel(permit.channel)
            && about.is_none_or(|about| about.is_some_and(|about| about.covers_permit(permit)))
        {
            found.push((Counted::permit(permit), permit.frees_at().map(Frees::At)));
        }
    }
    found
}

/// When something stops counting. Kept unevaluated, since a calendar month is only looked up when someone asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frees {
    At(Time),
    After(Time, crate::policy::Period),
}

impl Frees {
    fn at(self, zone: &Zone) -> Time {
        match self {
            Self::At(time) => time,
            Self::After(time, period) => period.after(time, zone),
        }
    }
}

fn frees(limit: &Limit, time: Time) -> Option<Frees> {
    match limit.per {
        Per::Occasion => None,
        Per::Rolling(period) => Some(Frees::After(time, period)),
    }
}

/// A contact counts from its time until its time plus the period, that end excluded. One dated ahead of this decision's clock counts already.
pub(crate) fn counts_at(limit: &Limit, time: Time, now: Time, zone: &Zone) -> bool {
    let Per::Rolling(period) = limit.per else { return true };
    let (shortest, longest) = period.bounds();
    if time + longest <= now {
        false
    } else if time + shortest > now {
        true
    } else {
        period.after(time, zone) > now
    }
}

/// The moment from which the limit has room again if nothing more happens; `None` if that never comes by itself.
pub(super) fn room_at(limit: &Limit, counted: &[(Counted, Option<Frees>)], zone: &Zone) -> Option<Time> {
    let max = usize::try_from(limit.max).unwrap_or(usize::MAX);
    let must_free = counted.len().checked_sub(max)? + 1;
    let mut ends: Vec<Time> = counted.iter().filter_map(|(_, frees)| frees.map(|f| f.at(zone))).collect();
    ends.sort_unstable();
    ends.get(must_free - 1).copied()
}

/// How one limit of a purpose stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QuotaLine {
    /// The limit in words.
    pub limit: SmolStr,
    /// Whether it is one over all purposes.
    pub overall: bool,
    /// The most it allows.
    pub max: u32,
    /// How many count now; a live permit counts as one.
    pub used: u32,
    /// How many are left.
    pub left: u32,
    /// If none is left: when one comes back, if it does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Time>,
    /// What was counted.
    pub counted: Vec<Counted>,
}

/// Used, left and next-allowed time for each limit of a purpose: its own, then the overall ones unless it overrides them.
/// A limit per occasion answers for the occasion named, or for the nearest that is not over.
/// Empty for a purpose that the policy does not know or forbids.
pub fn quota(state: &State, policy: &Policy, purpose: &Purpose, about: Option<Uuid>, now: Time, zone: &Zone) -> Vec<QuotaLine> {
    let Some(rule) = policy.rule(purpose) else { return Vec::new() };
    let occasion = rule.occasion.and_then(|kind| occasion::find(state, kind, about, now));
    let about = about_of(occasion.as_ref(), about);
    let own = rule.limits.iter().map(|l| (l, Scope::Purpose(purpose, about.as_ref()), false));
    let overall = overall_limits(policy, rule).map(|l| (l, Scope::Overall, true));
    own.chain(overall)
        .map(|(limit, scope, overall)| {
            let counted = counted(state, limit, scope, Pending::All, now, zone);
            let used = u32::try_from(counted.len()).unwrap_or(u32::MAX);
            QuotaLine {
                limit: limit.words().clone(),
                overall,
                max: limit.max,
                used,
                left: limit.max.saturating_sub(used),
                next: if used >= limit.max { room_at(limit, &counted, zone) } else { None },
                counted: counted.into_iter().map(|(item, _)| item).collect(),
            }
        })
        .collect()
}

/// The purpose's own tightest limit: the least left; of those the one that frees last.
pub fn tightest(lines: &[QuotaLine]) -> Option<&QuotaLine> {
    lines.iter().filter(|l| !l.overall).min_by_key(|l| {
        let never = l.left == 0 && l.next.is_none();
        (l.left, !never, std::cmp::Reverse(l.next), std::cmp::Reverse(l.used))
    })
}

/// The overall limits that hold for a rule.
pub(crate) fn overall_limits<'a>(policy: &'a Policy, rule: &Rule) -> impl Iterator<Item = &'a Limit> + use<'a> {
    let overridden = rule.overrides(super::events::Override::OverallLimits);
    policy.overall.iter().filter(move |_| !overridden)
}

/// What a limit per occasion counts for.
pub(super) fn about_of(occasion: Option<&Occasion>, named: Option<Uuid>) -> Option<About<'_>> {
    occasion.map(About::Live).or_else(|| named.map(About::Past))
}
