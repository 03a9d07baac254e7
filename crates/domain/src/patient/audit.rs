//! The audit: what was done against the policy, seen from afterwards and by everything that is known now.
//!
//! A decision knows only what was recorded before it; an audit knows what was entered late as well. So a contact that was fine when it was
//! recorded may be found here: a paper entry that comes a week later pushes it over a limit, or shows that the consent had been withdrawn.
//! Each contact is held against the policy that was in force at its own time, and against no later one. What was made before the network's
//! first policy took effect is no breach of any.
//!
//! It must never look at a clock, and never accuse where the events leave it open: a contact for which no occasion can be named is found
//! without a permit, and not over a limit per occasion as well.

use std::collections::{HashMap, VecDeque};

use chrono::Duration;
use serde::{Deserialize, Serialize};
use smol_str::{SmolStr, format_smolstr};
use uuid::Uuid;

use super::decide::{self, Consent};
use super::events::{Event, Override};
use super::evolve;
use super::quota::{Counted, counts_at};
use super::state::{Announcement, Appointment, AppointmentStatus, Contact, Fate, Permit, Standing, State};
use crate::control::{Published, in_force};
use crate::envelope::Recorded;
use crate::policy::{Basis, Limit, Measure, Per, Period, Policy, PurposeRule, Rule};
use crate::values::*;
use crate::{Time, Zone};

/// How long before "don't call me" a contact belongs to what led up to it.
pub const LED_UP: Duration = Duration::days(90);

/// How many counted contacts a finding lists at most: the latest.
const LISTED: usize = 20;

words! {
    /// What an audit finds.
    FindingKind, "kind of finding" {
        /// It was not made under a live permit for its purpose, channel and occasion.
        NoPermit = "no_permit",
        /// The policy of its time forbids its purpose altogether.
        PurposeForbidden = "purpose_forbidden",
        /// With it, more was done than a limit of its purpose allows.
        LimitExceeded = "limit_exceeded",
        /// With it, more was done than a limit over all purposes allows.
        OverallLimitExceeded = "overall_limit_exceeded",
        /// Its purpose rests on consent, and there was none at its time.
        NoConsent = "no_consent",
        /// Its purpose must be announced, and no announcement covered its time.
        OutsideAnnouncement = "outside_announcement",
    }
}

/// Something that was done against the policy: one contact, one reason. Two limits that one contact exceeds are two findings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as in `contact.made`")]
pub struct Finding {
    /// What is wrong with it.
    pub kind: FindingKind,
    pub contact: Uuid,
    pub time: Time,
    /// The month of its time by the patient's own calendar, `YYYY-MM`: the one by which limits count months and quiet hours hold.
    pub month: SmolStr,
    pub purpose: Purpose,
    pub channel: Channel,
    pub branch: Branch,
    pub outcome: Outcome,
    /// The version of the policy that was in force at its time.
    pub policy: SmolStr,
    /// The numbers behind it.
    pub detail: Detail,
}

/// The numbers behind a finding.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// The refusal that would have said it, for consents and announcements: missing, withdrawn or expired; not made, or for another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// For limits: the limit in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<SmolStr>,
    /// For limits: the most it allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// For limits: how many there were at its time, this one included if it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// For limits: what was counted, in the order of time, the latest 20 of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// For announcements: the announced window nearest to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// For consents: since when it was withdrawn or had run out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// The permit that it used; for a contact without a permit, the one that it named in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<Uuid>,
    /// For forbidden purposes: why, in the policy's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What an audit must know of a patient and the state forgets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Trail {
    /// Announcements that were written down later than they were made, each with the moment at which they were: such a one does not make a
    /// call right that came before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    late: Vec<(Announcement, Time)>,
    /// Appointments at times, and changes by the clinic, that are no more: contacts were made about them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    past: Vec<Past>,
}

/// An occasion that is no longer what it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Past {
    kind: OccasionKind,
    about: Uuid,
    at: Time,
    since: Time,
    /// The first moment at which it was no more.
    until: Time,
}

impl Trail {
    /// State and trail after one more event.
    pub fn evolve(&mut self, state: &mut State, recorded: &Recorded) {
        let changed = match &recorded.event {
            Event::Rescheduled(e) => Some(e.appointment),
            Event::Cancelled(e) => Some(e.appointment),
            Event::Completed(e) => Some(e.appointment),
            _ => None,
        };
        let before = changed.and_then(|id| state.appointment(id).cloned());
        evolve(state, recorded);
        let time = recorded.envelope.time;
        if let Some(before) = before
            && let Some(now) = state.appointment(before.id)
        {
            self.note(&before, now, time);
        }
        if let Event::Announced(e) = &recorded.event
            && recorded.envelope.recorded_at > time
        {
            let announcement = Announcement { purpose: e.purpose.clone(), window: e.window, about: e.about, time };
            self.late.push((announcement, recorded.envelope.recorded_at));
        }
    }

    fn note(&mut self, before: &Appointment, now: &Appointment, time: Time) {
        if (before.since, before.starts_at) != (now.since, now.starts_at) {
            let (at, since) = (before.starts_at, before.since);
            let until = ended(before).map_or(time, |ended| ended.min(time)).min(at);
            self.past.push(Past { kind: OccasionKind::UpcomingAppointment, about: before.id, at, since, until });
        }
        if let Some(change) = before.clinic_change
            && now.clinic_change != before.clinic_change
        {
            let (at, until) = (change.at, time.min(change.owed_until));
            self.past.push(Past { kind: OccasionKind::ClinicCancellation, about: before.id, at, since: at, until });
        }
    }

    /// When an announcement was written down, as far as that is known: of one that came with a merge, its own time is.
    fn written(&self, announcement: &Announcement) -> Time {
        let late = self.late.iter().filter(|(known, _)| known == announcement).map(|(_, written)| *written).min();
        late.unwrap_or(announcement.time)
    }
}

/// Everything that was done against the policies of its time: one finding for each outbound contact and each reason, in the order of the
/// contacts' times. Of a patient who was merged the survivor's audit says it, and this one nothing.
///
/// `policies` are those that count, in the order of publication. The work grows with the number of contacts, not with its square, however
/// many of them lie close together.
pub fn audit(state: &State, trail: &Trail, policies: &[Published], zone: &Zone) -> Vec<Finding> {
    if state.contacts.is_empty() || matches!(state.standing, Standing::Merged { .. }) {
        return Vec::new();
    }
    let mut look = Look {
        state,
        trail,
        policies,
        zone,
        items: Vec::new(),
        by_occasion: HashMap::new(),
        tallies: HashMap::new(),
        findings: Vec::new(),
    };
    look.items = look.items();
    for at in 0..look.items.len() {
        let item = &look.items[at];
        let key = item.occasion.map(|occasion| (item.purpose, occasion));
        if let Some(key) = key {
            look.by_occasion.entry(key).or_default().push(at);
        }
        look.one(at);
    }
    look.findings
}

/// The outbound contacts that led up to a moment at which a patient said "don't call me" (P4): those of the [`LED_UP`] before it and of the
/// moment itself, in the order of time, whoever made them.
pub fn led_up(state: &State, said: Time) -> Vec<&Contact> {
    let within = |c: &&Contact| c.direction == Direction::Outbound && said - LED_UP <= c.time && c.time <= said;
    let mut contacts: Vec<&Contact> = state.contacts.iter().filter(within).collect();
    contacts.sort_by_key(|c| c.time);
    contacts
}

/// An occasion as a contact knew it; without a beginning where the contact names one that had not begun.
type Occasion = (Uuid, Option<Time>);

/// Something on the line of time that counts against limits.
struct Item<'a> {
    time: Time,
    purpose: &'a Purpose,
    channel: Channel,
    what: What<'a>,
    occasion: Option<Occasion>,
}

enum What<'a> {
    Contact(&'a Contact),
    /// A contact that began and whose outcome nobody has recorded: an attempt, as far as is known.
    Begun(&'a Permit),
}

impl Item<'_> {
    /// Whether a limit counts it, wherever it lies.
    fn counts(&self, limit: &Limit) -> bool {
        let measured = match (&self.what, limit.measure) {
            (What::Contact(contact), Measure::Attempts) => contact.outcome.is_attempt(),
            (What::Contact(contact), Measure::Reached) => contact.outcome.is_reached(),
            (What::Begun(_), Measure::Attempts) => true,
            (What::Begun(_), Measure::Reached) | (_, Measure::Feedback) => false,
        };
        measured && limit.counts_channel(self.channel)
    }

    fn counted(&self) -> Counted {
        match self.what {
            What::Contact(contact) => Counted::contact(contact),
            What::Begun(permit) => Counted { time: self.time, ..Counted::permit(permit) },
        }
    }
}

struct Look<'a> {
    state: &'a State,
    trail: &'a Trail,
    policies: &'a [Published],
    zone: &'a Zone,
    /// In the order of time; of one moment, in the order of recording.
    items: Vec<Item<'a>>,
    /// The items so far, by purpose and occasion.
    by_occasion: HashMap<(&'a Purpose, Occasion), Vec<usize>>,
    /// What each limit has counted so far.
    tallies: HashMap<(*const Limit, Option<Occasion>), Tally>,
    findings: Vec<Finding>,
}

/// What a limit counts, from item to item: no item is looked at again for each that follows.
#[derive(Default)]
struct Tally {
    /// How many of those that may count were looked at.
    seen: usize,
    counted: VecDeque<usize>,
}

impl<'a> Look<'a> {
    fn items(&self) -> Vec<Item<'a>> {
        let outbound = self.state.contacts.iter().filter(|c| c.direction == Direction::Outbound);
        let contacts = outbound.map(|contact| Item {
            time: contact.time,
            purpose: &contact.purpose,
            channel: contact.channel,
            what: What::Contact(contact),
            occasion: self.occasion(contact),
        });
        let begun = self.state.permits.iter().filter_map(|permit| match permit.fate {
            Fate::Started { at, .. } => Some(Item {
                time: at,
                purpose: &permit.purpose,
                channel: permit.channel,
                what: What::Begun(permit),
                occasion: permit.occasion.as_ref().map(|used| (used.about, Some(used.since))),
            }),
            _ => None,
        });
        let mut items: Vec<Item<'a>> = contacts.chain(begun).collect();
        items.sort_by_key(|item| item.time);
        items
    }

    /// What a contact was about: what its permit says, else what it names, else the nearest that was there.
    fn occasion(&self, contact: &Contact) -> Option<Occasion> {
        let permit = contact.permit.and_then(|id| self.state.permit(id));
        if let Some(used) = permit.and_then(|permit| permit.occasion.as_ref()) {
            return Some((used.about, Some(used.since)));
        }
        let rule = in_force(self.policies, contact.time)?.policy.rule(&contact.purpose)?;
        let known = self.known(rule.occasion?);
        match contact.about {
            Some(about) => {
                let begun = known.filter(|o| o.about == about && o.since <= contact.time).map(|o| o.since).max();
                Some((about, begun))
            }
            None => known
                .filter(|o| o.since <= contact.time && o.until.is_none_or(|until| contact.time < until))
                .min_by_key(|o| ((o.at - contact.time).abs(), o.about))
                .map(|o| (o.about, Some(o.since))),
        }
    }

    /// Every occasion of a kind that there ever was.
    fn known(&self, kind: OccasionKind) -> impl Iterator<Item = Known> + use<'a> {
        let state = self.state;
        let past = self.trail.past.iter().filter(move |past| past.kind == kind);
        let past = past.map(|p| Known { about: p.about, at: p.at, since: p.since, until: Some(p.until) });
        let moment = |about, at| Known { about, at, since: at, until: None };
        let now: Vec<Known> = match kind {
            OccasionKind::UpcomingAppointment => {
                let upcoming = |a: &Appointment| Known {
                    about: a.id,
                    at: a.starts_at,
                    since: a.since,
                    until: Some(ended(a).map_or(a.starts_at, |ended| ended.min(a.starts_at))),
                };
                state.appointments.iter().map(upcoming).collect()
            }
            OccasionKind::Surgery | OccasionKind::PastVisit => state
                .appointments
                .iter()
                .filter(|a| kind == OccasionKind::PastVisit || a.kind == AppointmentKind::Surgery)
                .filter_map(|a| match a.status {
                    AppointmentStatus::Completed(at) => Some(moment(a.id, at)),
                    _ => None,
                })
                .collect(),
            OccasionKind::Referrer => state.recommendations.iter().map(|r| moment(r.recommended, r.time)).collect(),
            OccasionKind::CareReferral => state
                .referrals
                .iter()
                .filter_map(|r| {
                    let (_, at) = r.arranged?;
                    Some(Known { about: r.id, at, since: r.opened_at, until: r.closed_at.map(behind) })
                })
                .collect(),
            OccasionKind::CallbackRequest => {
                let request = |r: &super::state::Request| Known { until: r.answered_at.map(behind), ..moment(r.id, r.time) };
                state.requests.iter().map(request).collect()
            }
            OccasionKind::ClinicCancellation => state
                .appointments
                .iter()
                .filter_map(|a| a.clinic_change.map(|c| Known { until: Some(c.owed_until), ..moment(a.id, c.at) }))
                .collect(),
        };
        now.into_iter().chain(past)
    }

    /// Looks at one item; what only began cannot be judged yet.
    fn one(&mut self, at: usize) {
        let What::Contact(contact) = self.items[at].what else { return };
        let Some(published) = in_force(self.policies, contact.time) else { return };
        let policy: &Policy = &published.policy;
        let used = contact.permit;
        if contact.breach {
            self.find(FindingKind::NoPermit, contact, policy, Detail { permit: contact.claimed, ..Detail::default() });
        }
        let rule = match policy.purposes.get(&contact.purpose) {
            Some(PurposeRule::Forbidden(why)) => {
                let detail = Detail { text: Some(why.clone()), ..Detail::default() };
                self.find(FindingKind::PurposeForbidden, contact, policy, detail);
                None
            }
            Some(PurposeRule::Allowed(rule)) => Some(rule),
            None => None,
        };
        for limit in rule.iter().flat_map(|rule| &rule.limits) {
            self.limit(at, contact, limit, false, policy);
        }
        // What no rule lets off is held to what holds for all.
        if !rule.is_some_and(|rule| rule.overrides(Override::OverallLimits)) {
            for limit in &policy.overall {
                self.limit(at, contact, limit, true, policy);
            }
        }
        // What never left us needed no right to arrive.
        let Some(rule) = rule.filter(|_| contact.outcome != Outcome::Failed) else { return };
        if let Some(detail) = self.without_consent(contact, rule) {
            self.find(FindingKind::NoConsent, contact, policy, Detail { permit: used, ..detail });
        }
        if let Some(detail) = self.unannounced(at, contact, rule) {
            self.find(FindingKind::OutsideAnnouncement, contact, policy, Detail { permit: used, ..detail });
        }
    }

    fn find(&mut self, kind: FindingKind, contact: &Contact, policy: &Policy, detail: Detail) {
        self.findings.push(Finding {
            kind,
            contact: contact.id,
            time: contact.time,
            month: format_smolstr!("{}", self.zone.local(contact.time).format("%Y-%m")),
            purpose: contact.purpose.clone(),
            channel: contact.channel,
            branch: contact.branch.clone(),
            outcome: contact.outcome,
            policy: policy.version.clone(),
            detail,
        });
    }

    fn limit(&mut self, at: usize, contact: &Contact, limit: &Limit, overall: bool, policy: &Policy) {
        if limit.measure == Measure::Feedback {
            return self.feedback(contact, limit, policy);
        }
        let item = &self.items[at];
        let occasion = if limit.per == Per::Occasion { item.occasion } else { None };
        if !item.counts(limit) || (limit.per == Per::Occasion && occasion.is_none()) {
            return;
        }
        // Taken out while it is brought up to this item.
        let key = (std::ptr::from_ref(limit), occasion);
        let mut tally = self.tallies.remove(&key).unwrap_or_default();
        self.bring_up(&mut tally, at, limit, overall);
        let out = match limit.per {
            Per::Occasion => Vec::new(),
            Per::Rolling(period) => self.no_more(&tally, item.time, limit, period),
        };
        let count = u32::try_from(tally.counted.len() - out.len()).unwrap_or(u32::MAX);
        if count > limit.max {
            let still = tally.counted.iter().rev().filter(|other| !out.contains(other));
            let mut listed: Vec<Counted> = still.take(LISTED).map(|&other| self.items[other].counted()).collect();
            listed.reverse();
            let kind = if overall { FindingKind::OverallLimitExceeded } else { FindingKind::LimitExceeded };
            self.find(kind, contact, policy, exceeded(limit, count, listed, contact));
        }
        self.tallies.insert(key, tally);
    }

    /// Adds to a tally what a limit counts up to an item, that item included, and takes off what certainly counts no more.
    fn bring_up(&self, tally: &mut Tally, at: usize, limit: &Limit, overall: bool) {
        let item = &self.items[at];
        match limit.per {
            Per::Occasion => {
                let key = item.occasion.map(|occasion| (item.purpose, occasion));
                let same = key.and_then(|key| self.by_occasion.get(&key)).map(Vec::as_slice).unwrap_or_default();
                let new = same.iter().copied().skip(tally.seen).filter(|&other| self.items[other].counts(limit));
                tally.counted.extend(new);
                tally.seen = same.len();
            }
            Per::Rolling(period) => {
                let new = (tally.seen..=at).filter(|&other| {
                    let other = &self.items[other];
                    (overall || other.purpose == item.purpose) && other.counts(limit)
                });
                tally.counted.extend(new);
                tally.seen = at + 1;
                let (_, longest) = period.bounds();
                while tally.counted.front().is_some_and(|&first| self.items[first].time + longest <= item.time) {
                    tally.counted.pop_front();
                }
            }
        }
    }

    /// What of a tally counts no more at a moment: only where a period has calendar months is that not known already.
    fn no_more(&self, tally: &Tally, time: Time, limit: &Limit, period: Period) -> Vec<usize> {
        let (shortest, _) = period.bounds();
        let unsure = tally.counted.iter().copied().take_while(|&other| self.items[other].time + shortest <= time);
        unsure.filter(|&other| !counts_at(limit, self.items[other].time, time, self.zone)).collect()
    }

    /// "Not while feedback was given": the contact is not what is counted, so the limit must have had room before it.
    fn feedback(&mut self, contact: &Contact, limit: &Limit, policy: &Policy) {
        if !contact.outcome.is_attempt() {
            return;
        }
        let given = self.state.feedback.iter().copied().filter(|&time| time <= contact.time);
        let mut given: Vec<Time> = given.filter(|&time| counts_at(limit, time, contact.time, self.zone)).collect();
        given.sort_unstable();
        let count = u32::try_from(given.len()).unwrap_or(u32::MAX);
        if count >= limit.max {
            let listed = given.into_iter().map(Counted::feedback).collect();
            self.find(FindingKind::LimitExceeded, contact, policy, exceeded(limit, count, listed, contact));
        }
    }

    fn without_consent(&self, contact: &Contact, rule: &Rule) -> Option<Detail> {
        if rule.basis != Basis::Consent {
            return None;
        }
        let (code, since) = match decide::consent_at(self.state, &contact.purpose, contact.channel, contact.time) {
            Consent::Active(_) => return None,
            Consent::Missing => (Code::ConsentMissing, None),
            Consent::Withdrawn(since) => (Code::ConsentWithdrawn, Some(since)),
            Consent::Expired(since) => (Code::ConsentExpired, Some(since)),
        };
        Some(Detail { code: Some(code), since, ..Detail::default() })
    }

    fn unannounced(&self, at: usize, contact: &Contact, rule: &Rule) -> Option<Detail> {
        if !rule.announced {
            return None;
        }
        let occasion = self.items[at].occasion;
        let of_it = |a: &&Announcement| {
            a.purpose == contact.purpose
                && self.trail.written(a) <= contact.time
                && occasion.is_none_or(|(about, since)| match a.about {
                    Some(named) => named == about,
                    None => since.is_none_or(|since| a.window.until > since),
                })
        };
        let windows: Vec<Window> = self.state.announcements.iter().filter(of_it).map(|a| a.window).collect();
        if windows.iter().any(|window| window.contains(contact.time)) {
            return None;
        }
        let distance = |w: &Window| (w.from - contact.time).max(contact.time - w.until);
        let window = windows.into_iter().min_by_key(distance);
        let code = if window.is_some() { Code::OutsideAnnouncedWindow } else { Code::NotAnnounced };
        Some(Detail { code: Some(code), window, ..Detail::default() })
    }
}

/// An occasion that there was.
struct Known {
    about: Uuid,
    at: Time,
    since: Time,
    /// The first moment at which it was no more.
    until: Option<Time>,
}

/// The first moment behind one: what answers a request or closes a referral was still about it.
fn behind(time: Time) -> Time {
    time + Duration::milliseconds(1)
}

/// When an appointment came to its end, if it has.
fn ended(appointment: &Appointment) -> Option<Time> {
    match appointment.status {
        AppointmentStatus::Booked => None,
        AppointmentStatus::Completed(at) | AppointmentStatus::Missed(at) | AppointmentStatus::Cancelled(at) => Some(at),
    }
}

fn exceeded(limit: &Limit, count: u32, counted: Vec<Counted>, contact: &Contact) -> Detail {
    Detail {
        limit: Some(limit.words().clone()),
        max: Some(limit.max),
        count: Some(count),
        counted,
        permit: contact.permit,
        ..Detail::default()
    }
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
