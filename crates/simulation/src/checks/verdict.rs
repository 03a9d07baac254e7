//! What the contract says to an ask, by a clerk's book: every reason that holds, and every count. Written from the contract and not from the
//! domain's code; where both disagree, one of them is wrong.

use chrono::{Duration, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use tact_domain::patient::Ask;
use tact_domain::patient::events::Override;
use tact_domain::policy::{Basis, Limit, Measure, Per, Period, Policy, PurposeRule, Rule};
use tact_domain::*;
use uuid::Uuid;

use super::book::{Book, Contact, Occasion};

/// The clerk's answer.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Every reason that holds, sorted.
    pub(super) codes: Vec<Code>,
    /// Each limit that was looked at, with its count.
    pub(super) counts: Vec<(String, u32)>,
    /// The moment at which what allows the contact ends at the latest.
    pub(super) until: Option<Time>,
}

/// Months by the local calendar; a day that a month lacks is its last; skipped times move forward, repeated ones are the earlier.
pub(super) fn after(period: Period, time: Time, zone: Tz, forward: bool) -> Time {
    let span = match period {
        Period::Minutes(n) => Duration::minutes(n.into()),
        Period::Hours(n) => Duration::hours(n.into()),
        Period::Days(n) => Duration::hours(24 * i64::from(n)),
        Period::Months(n) => {
            let local = time.with_timezone(&zone).naive_local();
            let months = chrono::Months::new(n);
            let moved = if forward { local.checked_add_months(months) } else { local.checked_sub_months(months) };
            return moment(moved.unwrap_or(local), zone);
        }
    };
    if forward { time + span } else { time - span }
}

fn moment(local: NaiveDateTime, zone: Tz) -> Time {
    let mut at = local;
    loop {
        if let Some(found) = zone.from_local_datetime(&at).earliest() {
            return found.to_utc();
        }
        at = at.with_second(0).and_then(|at| at.with_nanosecond(0)).unwrap_or(at) + Duration::minutes(1);
    }
}

/// Whether something of this time still counts.
pub(super) fn counts(limit: &Limit, time: Time, now: Time, zone: Tz) -> bool {
    match limit.per {
        Per::Occasion => true,
        Per::Rolling(period) => now < after(period, time, zone, true),
    }
}

pub(super) fn of_channel(limit: &Limit, channel: Channel) -> bool {
    limit.channels.as_ref().is_none_or(|channels| {
        channels.contains(&channel) || (channel == Channel::AutoCall && channels.contains(&Channel::Phone))
    })
}

pub(super) fn measured(limit: &Limit, outcome: Outcome) -> bool {
    use Outcome::*;
    match limit.measure {
        Measure::Attempts => matches!(outcome, Reached | NoAnswer | Voicemail | Busy | Declined),
        _ => matches!(outcome, Reached | Declined),
    }
}

/// Whether it overrides this.
pub(super) fn overrides(rule: &Rule, what: Override) -> bool {
    rule.overrides.contains(&what) || rule.overrides.contains(&Override::Everything)
}

struct Clerk<'a> {
    book: &'a Book,
    policy: &'a Policy,
    rule: &'a Rule,
    ask: &'a Ask,
    now: Time,
    zone: Tz,
    verdict: Verdict,
}

/// The clerk's answer to an ask.
pub(super) fn verdict(book: &Book, policy: &Policy, ask: &Ask, now: Time, zone: Tz) -> Verdict {
    let only = |code| Verdict { codes: vec![code], ..Verdict::default() };
    let rule = match policy.purposes.get(&ask.purpose) {
        None => return only(Code::PurposeUnknown),
        Some(PurposeRule::Forbidden(_)) => return only(Code::PurposeForbidden),
        Some(PurposeRule::Allowed(_)) if book.closed() => return only(Code::PatientClosed),
        Some(PurposeRule::Allowed(rule)) => rule,
    };
    let mut clerk = Clerk { book, policy, rule, ask, now, zone, verdict: Verdict::default() };
    clerk.look();
    clerk.verdict.codes.sort_unstable();
    clerk.verdict
}

impl Clerk<'_> {
    fn say(&mut self, code: Code) {
        self.verdict.codes.push(code);
    }

    fn ends(&mut self, at: Time) {
        self.verdict.until = Some(self.verdict.until.map_or(at, |until| until.min(at)));
    }

    fn look(&mut self) {
        let (book, rule, now) = (self.book, self.rule, self.now);
        let emergency = rule.overrides.contains(&Override::Everything);
        self.ends(now + rule.permit_valid_for);
        if !emergency {
            self.way();
            if rule.basis == Basis::Consent {
                self.consent();
            }
        }
        let occasion = rule.occasion.map(|kind| nearest(book, kind, self.ask.about, now));
        let occasion = match occasion {
            None => None,
            Some(found) => {
                let found = found.filter(|_| !(rule.unless_booked_ahead && book.booked_ahead(now)));
                match &found {
                    None => self.say(Code::NoOccasion),
                    Some(occasion) => self.window(occasion),
                }
                found
            }
        };
        self.quiet(occasion.as_ref());
        self.limits(occasion.as_ref(), emergency);
        if !emergency && (rule.occasion.is_none() || occasion.is_some()) {
            let this = occasion.as_ref().map(|o| (o.about, o.since));
            let mut held = book.permits.iter().filter(|p| p.holds_room(now) && p.granted.purpose == self.ask.purpose);
            if held.any(|p| rule.occasion.is_none() || p.occasion() == this) {
                self.say(Code::PermitOutstanding);
            }
        }
    }

    /// The channel, and the patient's wish.
    fn way(&mut self) {
        let (book, channel) = (self.book, self.ask.channel);
        if !self.rule.channels.contains(&channel) {
            self.say(Code::ChannelNotAllowed);
        }
        let same = |other: Channel| other == channel || (other.uses_number() && channel.uses_number());
        let said = book.contacts.iter().filter(|c| c.outbound && same(c.channel) && c.outcome != Outcome::Failed);
        if let Some(last) = said.max_by_key(|c| c.time)
            && last.outcome == Outcome::WrongNumber
            && !book.details.iter().any(|(channels, time)| *time >= last.time && channels.iter().any(|c| same(*c)))
        {
            self.say(Code::ChannelUnreachable);
        }
        let strict = matches!(book.reach, Some((Reach::PatientInitiated, _)));
        if strict && !overrides(self.rule, Override::PatientInitiatedOnly) {
            self.say(Code::PatientInitiatedOnly);
        }
    }

    /// The latest word by time; of two at one moment the withdrawal.
    fn consent(&mut self) {
        let (purpose, channel) = (&self.ask.purpose, self.ask.channel);
        let mut words: Vec<(Time, bool, Option<Time>)> = Vec::new();
        for (grant, _) in &self.book.grants {
            if grant.purpose == *purpose && grant.channels.contains(&channel) {
                words.push((grant.time, false, grant.expires_at));
            }
        }
        for w in &self.book.withdrawals {
            if w.purpose.as_ref().is_none_or(|p| p == purpose) && w.channels.as_ref().is_none_or(|c| c.contains(&channel)) {
                words.push((w.time, true, None));
            }
        }
        let latest = words.iter().map(|w| w.0).max();
        let last: Vec<_> = words.iter().filter(|w| Some(w.0) == latest).collect();
        if words.iter().all(|w| w.1) {
            self.say(Code::ConsentMissing);
        }
        if last.iter().any(|w| w.1) {
            self.say(Code::ConsentWithdrawn);
        } else if last.is_empty() {
            // Said above.
        } else if last.iter().all(|w| w.2.is_some_and(|expires| expires <= self.now)) {
            self.say(Code::ConsentExpired);
        } else if last.iter().all(|w| w.2.is_some()) {
            let longest = last.iter().filter_map(|w| w.2).max();
            longest.into_iter().for_each(|at| self.ends(at));
        }
    }

    fn window(&mut self, occasion: &Occasion) {
        let (now, zone) = (self.now, self.zone);
        occasion.ends.into_iter().for_each(|at| self.ends(at));
        if let Some(window) = &self.rule.window {
            let place = |distance| match distance {
                policy::Distance::Before(period) => after(period, occasion.at, zone, false),
                policy::Distance::After(period) => after(period, occasion.at, zone, true),
            };
            let (from, until) = (place(window.from), place(window.until));
            if now < from {
                self.say(Code::TooEarly);
            } else if now >= until {
                self.say(Code::TooLate);
            } else {
                self.ends(until);
            }
        }
        if self.rule.announced {
            let told: Vec<Window> = self
                .book
                .announcements
                .iter()
                .filter(|(purpose, about, window, _)| {
                    // Told of none in particular: of any but those that came when its window was over.
                    let of_it = about.map_or(occasion.since < window.until, |about| about == occasion.about);
                    *purpose == self.ask.purpose && of_it
                })
                .map(|(_, _, window, _)| *window)
                .collect();
            match told.iter().filter(|w| w.from <= now && now < w.until).map(|w| w.until).max() {
                Some(until) => self.ends(until),
                None if told.is_empty() => self.say(Code::NotAnnounced),
                None => self.say(Code::OutsideAnnouncedWindow),
            }
        }
    }

    /// Why nobody may be called at this moment.
    fn quiet_at(&self, moment: Time, occasion: Option<&Occasion>) -> Vec<Code> {
        let mut lifted: Vec<Window> = occasion.and_then(|o| o.named_window).into_iter().collect();
        if let (Some(length), Some(o)) = (self.rule.quiet_hours_override_for, occasion)
            && overrides(self.rule, Override::QuietHours)
        {
            lifted.push(Window { from: o.since, until: o.since + length });
        }
        if lifted.iter().any(|w| w.from <= moment && moment < w.until) {
            return Vec::new();
        }
        let local = moment.with_timezone(&self.zone).naive_local();
        let time = local.time();
        let own = self.book.quiet.iter().chain(&self.book.others_quiet).map(|(hours, _)| hours);
        let mut codes = Vec::new();
        let within =
            |h: &DailyHours| if h.from < h.until { h.from <= time && time < h.until } else { h.from <= time || time < h.until };
        if self.policy.quiet_hours.iter().chain(own).any(within) {
            codes.push(Code::QuietHours);
        }
        if self.policy.holidays.contains(&local.date()) {
            codes.push(Code::Holiday);
        }
        codes
    }

    fn quiet(&mut self, occasion: Option<&Occasion>) {
        let always = overrides(self.rule, Override::QuietHours) && self.rule.quiet_hours_override_for.is_none();
        if always || !self.ask.channel.uses_number() {
            return;
        }
        let codes = self.quiet_at(self.now, occasion);
        if !codes.is_empty() {
            codes.into_iter().for_each(|code| self.say(code));
            return;
        }
        // Whole minutes are where hours and days begin; what a request or a referral lifts ends anywhere.
        let until = self.verdict.until.unwrap_or(self.now);
        let into_minute = Duration::milliseconds(self.now.timestamp_millis().rem_euclid(60_000));
        let mut moments: Vec<Time> = occasion.and_then(|o| o.named_window).map(|w| w.until).into_iter().collect();
        moments.extend(occasion.zip(self.rule.quiet_hours_override_for).map(|(o, length)| o.since + length));
        let mut minute = self.now - into_minute + Duration::minutes(1);
        while minute < until {
            moments.push(minute);
            minute += Duration::minutes(1);
        }
        moments.retain(|m| *m > self.now);
        moments.sort_unstable();
        if let Some(first) = moments.into_iter().find(|m| *m < until && !self.quiet_at(*m, occasion).is_empty()) {
            self.ends(first);
        }
    }

    fn limits(&mut self, occasion: Option<&Occasion>, emergency: bool) {
        let (rule, policy) = (self.rule, self.policy);
        for limit in &rule.limits {
            self.limit(limit, false, occasion, emergency);
        }
        if !overrides(rule, Override::OverallLimits) {
            for limit in &policy.overall {
                self.limit(limit, true, occasion, emergency);
            }
        }
    }

    fn limit(&mut self, limit: &Limit, overall: bool, occasion: Option<&Occasion>, emergency: bool) {
        if limit.measure != Measure::Feedback && !of_channel(limit, self.ask.channel) {
            return;
        }
        let count = self.count(limit, overall, occasion, emergency);
        self.verdict.counts.push((limit.to_string(), count));
        if count >= limit.max {
            self.say(if overall { Code::OverallLimitReached } else { Code::LimitReached });
        }
    }

    fn count(&self, limit: &Limit, overall: bool, occasion: Option<&Occasion>, emergency: bool) -> u32 {
        let (book, now, zone) = (self.book, self.now, self.zone);
        if limit.measure == Measure::Feedback {
            return sum(book.feedback.iter().filter(|time| counts(limit, **time, now, zone)).count());
        }
        let ours = |purpose: &Purpose| overall || *purpose == self.ask.purpose;
        let contacts = book.contacts.iter().filter(|c| {
            c.outbound
                && measured(limit, c.outcome)
                && ours(&c.purpose)
                && of_channel(limit, c.channel)
                && counts(limit, c.time, now, zone)
                && (limit.per != Per::Occasion || self.contact_about(c, occasion))
        });
        let this = occasion.map(|o| (o.about, o.since));
        let permits = book.permits.iter().filter(|p| {
            // A second permit for the same would be refused as outstanding, which says more than "reached".
            let said_otherwise =
                !emergency && limit.measure == Measure::Reached && p.granted.purpose == self.ask.purpose && p.occasion() == this;
            let about = match (occasion, p.occasion()) {
                (Some(o), Some(used)) => used == (o.about, o.since),
                (None, Some((about, _))) => self.rule.occasion.is_some() && self.ask.about == Some(about),
                (_, None) => false,
            };
            p.holds_room(now)
                && !said_otherwise
                && ours(&p.granted.purpose)
                && of_channel(limit, p.granted.channel)
                && (limit.per != Per::Occasion || about)
        });
        sum(contacts.count() + permits.count())
    }

    /// What a contact that names nothing was about: the nearest that was there when it was made.
    fn nearest_then(&self, kind: OccasionKind, time: Time) -> Option<Uuid> {
        let there: Vec<(Time, Uuid)> = if kind == OccasionKind::UpcomingAppointment {
            self.book.ahead_at(time).collect()
        } else {
            let there = self.book.occasions(kind).into_iter();
            there.filter(|o| o.since <= time && o.ends.is_none_or(|e| time < e)).map(|o| (o.at, o.about)).collect()
        };
        there.into_iter().min_by_key(|(at, about)| ((*at - time).abs(), *about)).map(|(_, about)| about)
    }

    fn contact_about(&self, contact: &Contact, occasion: Option<&Occasion>) -> bool {
        let Some(kind) = self.rule.occasion else { return false };
        match (occasion, contact.about) {
            (Some(o), Some(about)) => about == o.about && o.since <= contact.time,
            (Some(o), None) => self.nearest_then(kind, contact.time) == Some(o.about),
            (None, about) => self.ask.about.is_some() && about == self.ask.about,
        }
    }
}

fn sum(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The occasion that was named, or the nearest in time that is not over.
fn nearest(book: &Book, kind: OccasionKind, about: Option<Uuid>, now: Time) -> Option<Occasion> {
    let there = book.occasions(kind).into_iter().filter(|o| o.ends.is_none_or(|ends| now < ends));
    there.filter(|o| about.is_none_or(|about| about == o.about)).min_by_key(|o| ((o.at - now).abs(), o.about))
}
