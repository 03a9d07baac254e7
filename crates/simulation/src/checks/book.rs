//! What a careful clerk would know of one patient from the events so far: a second reading of the contract, written from it and not from the
//! domain's code. Of the domain it uses the words (events, channels, policies) and none of the rules.

mod contacts;

use std::collections::BTreeMap;

use chrono::Duration;
use tact_domain::patient::events::{Event, Made, Override, Permitted};
use tact_domain::patient::state as carried;
use tact_domain::policy::Policy;
use tact_domain::*;
use uuid::Uuid;

mod part;

use contacts::use_permit;

/// One contact.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    pub(super) id: Uuid,
    pub(super) time: Time,
    pub(super) outbound: bool,
    pub(super) purpose: Purpose,
    pub(super) channel: Channel,
    pub(super) outcome: Outcome,
    pub(super) about: Option<Uuid>,
    /// The permit that it named.
    pub(super) named: Option<Uuid>,
    /// The permit that it was made under.
    pub(super) under: Option<Uuid>,
    /// Whether it was recorded while that permit was live or started.
    pub(super) on_time: bool,
    /// Whether it was recorded on this very stream.
    pub(super) own: bool,
}

/// One permit.
#[derive(Debug, Clone)]
pub(super) struct Permit {
    pub(super) granted: Permitted,
    pub(super) at: Time,
    pub(super) expires: Time,
    pub(super) overrides: Vec<Override>,
    /// When it was given back or what allowed it was taken away.
    pub(super) ended: Option<Time>,
    pub(super) started: Option<(Time, Uuid)>,
    pub(super) used: bool,
    pub(super) order: u64,
    /// Whether it was granted on this very stream.
    pub(super) own: bool,
    pub(super) zone: chrono_tz::Tz,
}

impl Permit {
    fn overrides(&self, what: Override) -> bool {
        self.overrides.contains(&what) || self.overrides.contains(&Override::Everything)
    }

    /// Unused, and alive at this moment or begun with its outcome unknown.
    pub(super) fn holds_room(&self, now: Time) -> bool {
        !self.used && (self.started.is_some() || (self.ended.is_none() && now < self.expires))
    }

    fn covers(&self, time: Time) -> bool {
        if self.used || time < self.at {
            return false;
        }
        match self.started {
            Some((started, _)) => self.ended.is_none_or(|ended| started < ended),
            None => time < self.expires && self.ended.is_none_or(|ended| time < ended),
        }
    }

    pub(super) fn occasion(&self) -> Option<(Uuid, Time)> {
        self.granted.basis.occasion.as_ref().map(|o| (o.about, o.since))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Booked,
    Completed(Time),
    Missed(Time),
    Cancelled(Time),
}

#[derive(Debug, Clone)]
struct Appointment {
    id: Uuid,
    kind: AppointmentKind,
    branch: Branch,
    clinician: Option<Uuid>,
    starts: Time,
    /// Since when it has its time.
    since: Time,
    visit: Visit,
    /// The clinic's last change that the patient must still be told of, and until when.
    change: Option<(Time, Time)>,
}

/// Something that a contact may be about.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Occasion {
    pub(super) about: Uuid,
    pub(super) at: Time,
    pub(super) since: Time,
    pub(super) ends: Option<Time>,
    pub(super) named_window: Option<Window>,
}

/// What is known of one patient.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    pub(super) dead: bool,
    pub(super) erased: bool,
    pub(super) merged_into: Option<Uuid>,
    pub(super) absorbing: Option<Uuid>,
    pub(super) home: Option<Branch>,
    pub(super) zone: String,
    pub(super) contacts: Vec<Contact>,
    pub(super) permits: Vec<Permit>,
    pub(super) grants: Vec<(carried::Grant, Uuid)>,
    pub(super) withdrawals: Vec<carried::Withdrawal>,
    pub(super) reach: Option<(Reach, Time)>,
    pub(super) quiet: Option<(DailyHours, Time)>,
    pub(super) others_quiet: Vec<(DailyHours, Time)>,
    pub(super) announcements: Vec<(Purpose, Option<Uuid>, Window, Time)>,
    pub(super) feedback: Vec<Time>,
    pub(super) details: Vec<(Vec<Channel>, Time)>,
    appointments: Vec<Appointment>,
    requests: Vec<(Uuid, Time, Option<Window>, bool)>,
    /// Id, opened, arranged, closed.
    referrals: Vec<(Uuid, Time, Option<Time>, bool)>,
    recommendations: Vec<(Uuid, Time)>,
    /// Of those merged into this one: what is theirs, to be taken out again.
    theirs: BTreeMap<Uuid, Vec<Uuid>>,
    #[expect(clippy::type_complexity, reason = "a list of what one look reads together")]
    their_announcements: BTreeMap<Uuid, Vec<(Purpose, Option<Uuid>, Window, Time)>>,
    /// How many contacts were known when a merge began; none is left out once it is done.
    began_with: BTreeMap<Uuid, usize>,
    /// What was recorded here while another was merged into this one, when that was undone.
    pub(super) let_go_of: BTreeMap<Uuid, Vec<Uuid>>,
    /// What those who were told apart again take along.
    parting: BTreeMap<Uuid, part::Parting>,
    order: u64,
}

impl Book {
    pub(super) fn closed(&self) -> bool {
        self.dead || self.erased || self.merged_into.is_some() || self.absorbing.is_some()
    }

    /// Writes down one more event of this patient's stream.
    pub(super) fn write(&mut self, recorded: &Recorded, policy: Option<&Policy>, zone: chrono_tz::Tz) {
        let time = recorded.envelope.time;
        self.order += 1;
        match &recorded.event {
            Event::Registered(e) => {
                self.home = Some(e.home_branch.clone());
                self.zone = e.time_zone.to_string();
            }
            Event::ProfileChanged(e) => {
                self.home = e.home_branch.clone().or(self.home.take());
                if let Some(zone) = &e.time_zone {
                    self.zone = zone.to_string();
                }
                self.details.extend(e.channels.clone().map(|channels| (channels, time)));
            }
            Event::Merged(e) => self.merged_into = Some(e.into),
            Event::Absorbing(e) => {
                self.absorbing = Some(e.from);
                self.began_with.insert(e.from, self.contacts.len());
            }
            Event::Died(_) => self.dead = true,
            Event::Restored(_) => self.dead = false,
            Event::Erased(_) => {
                self.erased = true;
                self.absorbing = None;
            }
            Event::ConsentGranted(e) => {
                let document = e.evidence.document;
                let grant = carried::Grant {
                    purpose: e.purpose.clone(),
                    channels: e.channels.clone(),
                    time,
                    expires_at: e.expires_at,
                    document,
                };
                self.grants.push((grant, document));
            }
            Event::ConsentWithdrawn(e) => {
                let of_it = |p: &Permit| {
                    p.granted.basis.consent.as_ref().is_some_and(|c| c.granted_at <= time)
                        && e.purpose.as_ref().is_none_or(|purpose| *purpose == p.granted.purpose)
                        && e.channels.as_ref().is_none_or(|channels| channels.contains(&p.granted.channel))
                };
                self.take_away(time, of_it);
                self.withdrawals.push(carried::Withdrawal { purpose: e.purpose.clone(), channels: e.channels.clone(), time });
            }
            Event::PreferenceSet(e) => self.prefer(e.reach, e.quiet_hours, time),
            Event::Booked(e) => self.appointments.push(Appointment {
                id: e.appointment,
                kind: e.kind,
                branch: e.branch.clone(),
                clinician: e.clinician,
                starts: e.starts_at,
                since: time,
                visit: Visit::Booked,
                change: None,
            }),
            Event::Rescheduled(e) => {
                let newest = |a: &&mut Appointment| a.since <= time && a.change.is_none_or(|(at, _)| at <= time);
                if let Some(a) = self.appointments.iter_mut().find(|a| a.id == e.appointment).filter(newest) {
                    let old = a.starts;
                    let upcoming = a.visit == Visit::Booked && time < old;
                    let elsewhere =
                        e.branch.as_ref().is_some_and(|b| *b != a.branch) || e.clinician.is_some_and(|c| Some(c) != a.clinician);
                    if e.starts_at != old || a.visit != Visit::Booked {
                        a.since = time;
                    }
                    a.starts = e.starts_at;
                    a.visit = Visit::Booked;
                    a.branch = e.branch.clone().unwrap_or(a.branch.clone());
                    a.clinician = e.clinician.or(a.clinician);
                    if e.by == ChangedBy::Patient {
                        a.change = None;
                    } else if upcoming && (e.starts_at != old || elsewhere) {
                        a.change = Some((time, old.max(e.starts_at)));
                    }
                }
            }
            Event::Cancelled(e) => {
                if let Some(a) = self.appointments.iter_mut().find(|a| a.id == e.appointment) {
                    let told = e.by == ChangedBy::Clinic && a.visit == Visit::Booked && time < a.starts;
                    a.change = told.then_some((time, a.starts));
                    a.visit = Visit::Cancelled(time);
                }
            }
            Event::Completed(e) => {
                if let Some(a) = self.appointments.iter_mut().find(|a| a.id == e.appointment) {
                    a.visit = Visit::Completed(time);
                    a.change = None;
                }
            }
            Event::Missed(e) => {
                // Whoever was not told of a change is still owed a word about it.
                if let Some(a) = self.appointments.iter_mut().find(|a| a.id == e.appointment) {
                    a.visit = Visit::Missed(time);
                }
            }
            Event::Requested(e) => {
                self.requests.push((e.request, time, e.window, false));
                self.answer(&self.contacts.clone(), |request, call| request < call);
            }
            Event::Announced(e) => self.announcements.push((e.purpose.clone(), e.about, e.window, time)),
            Event::Permitted(e) => {
                let rule = policy.and_then(|p| p.rule(&e.purpose));
                let mut overrides = rule.map(|rule| rule.overrides.clone()).unwrap_or_default();
                if rule.is_some_and(|rule| rule.quiet_hours_override_for.is_some()) {
                    overrides.retain(|what| *what != Override::QuietHours);
                }
                self.permits.push(Permit {
                    granted: e.clone(),
                    at: time,
                    expires: e.expires_at,
                    overrides,
                    ended: None,
                    started: None,
                    used: false,
                    order: self.order,
                    own: true,
                    zone,
                });
            }
            Event::Refused(_) => {}
            Event::Released(e) => {
                let untouched =
                    |p: &&mut Permit| p.granted.permit == e.permit && !p.used && p.started.is_none() && p.ended.is_none();
                if let Some(permit) = self.permits.iter_mut().find(untouched) {
                    permit.ended = Some(time);
                }
            }
            Event::Started(e) => {
                let open = |p: &&mut Permit| p.granted.permit == e.permit && !p.used && p.started.is_none() && p.ended.is_none();
                if let Some(permit) = self.permits.iter_mut().find(open) {
                    permit.started = Some((time, e.contact));
                }
            }
            Event::Made(e) => self.contact(e, time, recorded.envelope.recorded_at),
            Event::Corrected(e) => self.correct(e.contact, e.outcome),
            Event::Credited(e) => {
                if self.recommendations.iter().all(|(id, _)| *id != e.recommended) {
                    self.recommendations.push((e.recommended, time));
                }
            }
            Event::ReferralOpened(e) => self.referrals.push((e.referral, time, None, false)),
            Event::ReferralArranged(e) => {
                if let Some(referral) = self.referrals.iter_mut().find(|r| r.0 == e.referral) {
                    referral.2 = Some(time);
                }
            }
            Event::ReferralClosed(e) => {
                if let Some(referral) = self.referrals.iter_mut().find(|r| r.0 == e.referral) {
                    referral.3 = true;
                }
            }
            Event::FeedbackGiven(_) => self.feedback.push(time),
            // The merge's own part needs the other book: see `absorb` and `part`.
            Event::Absorbed(_) | Event::Separated(_) => {}
        }
        if !matches!(recorded.event, Event::Absorbed(_) | Event::Separated(_)) {
            self.lose_occasions(time);
        }
    }

    fn prefer(&mut self, reach: Option<Reach>, quiet: Option<DailyHours>, time: Time) {
        if let Some(reach) = reach {
            if self.reach.is_none_or(|(_, since)| since <= time) {
                self.reach = Some((reach, time));
            }
            let holds = matches!(self.reach, Some((Reach::PatientInitiated, _)));
            if reach == Reach::PatientInitiated && holds {
                self.take_away(time, |p| !p.overrides(Override::PatientInitiatedOnly));
            }
        }
        let Some(hours) = quiet.filter(|_| self.quiet.is_none_or(|(_, since)| since <= time)) else { return };
        self.quiet = Some((hours, time));
        self.others_quiet.retain(|(_, since)| *since > time);
        for permit in &mut self.permits {
            let open = !permit.used && permit.started.is_none() && permit.ended.is_none();
            let since = time.max(permit.at);
            let lifted = permit.granted.basis.quiet_lifted.filter(|w| w.from <= since && since < w.until);
            let since = lifted.map_or(since, |w| w.until);
            if !open || permit.expires <= since || !permit.granted.channel.uses_number() || permit.overrides(Override::QuietHours)
            {
                continue;
            }
            // Local time as the permit's own decision saw it, minute by minute: at the first quiet one it is over.
            let offset = Duration::seconds(permit.granted.zone.offset.into());
            let quiet_at = |moment: Time| hours.contains((moment + offset).time());
            if quiet_at(since) {
                match lifted {
                    Some(_) => permit.expires = since,
                    None => permit.ended = Some(since),
                }
                continue;
            }
            let into_minute = Duration::milliseconds(since.timestamp_millis().rem_euclid(60_000));
            let mut minute = since - into_minute + Duration::minutes(1);
            while minute < permit.expires {
                if quiet_at(minute) {
                    permit.expires = minute;
                    break;
                }
                minute += Duration::minutes(1);
            }
        }
    }

    fn contact(&mut self, e: &Made, time: Time, recorded_at: Time) {
        let begins = |p: &Permit| p.started.is_some_and(|(_, contact)| contact == e.contact);
        let mut contact = Contact {
            id: e.contact,
            time,
            outbound: e.direction == Direction::Outbound,
            purpose: e.purpose.clone(),
            channel: e.channel,
            outcome: e.outcome,
            about: e.about,
            named: e.permit.or_else(|| self.permits.iter().find(|p| !p.used && begins(p)).map(|p| p.granted.permit)),
            under: None,
            on_time: false,
            own: true,
        };
        if contact.outbound {
            use_permit(&mut self.permits, &mut contact, Some(recorded_at));
        }
        self.answer(std::slice::from_ref(&contact), |request, call| request <= call);
        self.contacts.push(contact);
    }

    /// Requests that a call of the patient behind them, or a contact about them that reached the patient, has answered.
    fn answer(&mut self, contacts: &[Contact], behind: impl Fn(Time, Time) -> bool) {
        for request in &mut self.requests {
            request.3 |= contacts.iter().any(|c| {
                matches!(c.outcome, Outcome::Reached | Outcome::Declined)
                    && if c.outbound { c.about == Some(request.0) } else { behind(request.1, c.time) }
            });
        }
    }

    fn take_away(&mut self, time: Time, lost: impl Fn(&Permit) -> bool) {
        for permit in &mut self.permits {
            let open = !permit.used && permit.ended.is_none() && (permit.started.is_some() || time < permit.expires);
            if open && lost(permit) {
                permit.ended = Some(time);
            }
        }
    }

    /// Ends the permits whose occasions are no longer what they were.
    pub(super) fn lose_occasions(&mut self, time: Time) {
        let closed = self.closed();
        let gone: Vec<Uuid> = self
            .permits
            .iter()
            .filter(|p| {
                closed
                    || p.granted.basis.occasion.as_ref().is_some_and(|used| {
                        let there = self
                            .occasions(used.kind)
                            .iter()
                            .any(|o| (o.about, o.since, o.at) == (used.about, used.since, used.at));
                        !there || (used.unless_booked_ahead && self.booked_ahead(time.max(p.at)))
                    })
            })
            .map(|p| p.granted.permit)
            .collect();
        self.take_away(time, |p| gone.contains(&p.granted.permit));
    }

    pub(super) fn booked_ahead(&self, now: Time) -> bool {
        self.appointments.iter().any(|a| a.visit == Visit::Booked && now < a.starts)
    }

    /// The appointments that lay ahead at a moment: start and id.
    pub(super) fn ahead_at(&self, time: Time) -> impl Iterator<Item = (Time, Uuid)> + '_ {
        let gone = move |visit| matches!(visit, Visit::Completed(at) | Visit::Missed(at) | Visit::Cancelled(at) if at <= time);
        let ahead = self.appointments.iter().filter(move |a| !gone(a.visit) && a.since <= time && time < a.starts);
        ahead.map(|a| (a.starts, a.id))
    }

    /// What contacts of this kind may be about, whether its time has come or passed.
    pub(super) fn occasions(&self, kind: OccasionKind) -> Vec<Occasion> {
        let simple = |about, at| Occasion { about, at, since: at, ends: None, named_window: None };
        let completed =
            || self.appointments.iter().filter_map(|a| if let Visit::Completed(at) = a.visit { Some((at, a)) } else { None });
        match kind {
            OccasionKind::UpcomingAppointment => {
                let booked = self.appointments.iter().filter(|a| a.visit == Visit::Booked);
                booked.map(|a| Occasion { since: a.since, ends: Some(a.starts), ..simple(a.id, a.starts) }).collect()
            }
            OccasionKind::Surgery => {
                completed().filter(|(_, a)| a.kind == AppointmentKind::Surgery).map(|(at, a)| simple(a.id, at)).collect()
            }
            OccasionKind::PastVisit => {
                let latest = completed().map(|(at, a)| (at, a.id)).max();
                latest.map(|(at, id)| simple(id, at)).into_iter().collect()
            }
            OccasionKind::Referrer => {
                // Somebody who has turned out to be the same person recommended nothing.
                let others = self.recommendations.iter().filter(|(id, _)| !self.theirs.contains_key(id));
                let latest = others.map(|(id, at)| (*at, *id)).max();
                latest.map(|(at, id)| simple(id, at)).into_iter().collect()
            }
            OccasionKind::CareReferral => {
                let open = self.referrals.iter().filter(|r| !r.3);
                open.filter_map(|r| r.2.map(|at| Occasion { since: r.1, ..simple(r.0, at) })).collect()
            }
            OccasionKind::CallbackRequest => {
                let open = self.requests.iter().filter(|r| !r.3);
                open.map(|r| Occasion { named_window: r.2, ..simple(r.0, r.1) }).collect()
            }
            OccasionKind::ClinicCancellation => {
                let told = self.appointments.iter().filter_map(|a| a.change.map(|change| (a, change)));
                told.map(|(a, (at, until))| Occasion { ends: Some(until), ..simple(a.id, at) }).collect()
            }
        }
    }

    /// The facts of another patient who is one with this one.
    pub(super) fn absorb(&mut self, own: Uuid, from: Uuid, other: &Book) {
        let mut theirs: Vec<Uuid> = other.appointments.iter().map(|a| a.id).collect();
        theirs.extend(other.requests.iter().map(|r| r.0));
        theirs.extend(other.referrals.iter().map(|r| r.0));
        theirs.extend(other.recommendations.iter().map(|r| r.0));
        theirs.extend(other.grants.iter().map(|g| g.1));
        theirs.extend(other.permits.iter().map(|p| p.granted.permit));
        self.theirs.insert(from, theirs);
        self.began_with.insert(from, 0);
        self.their_announcements.insert(from, other.announcements.clone());
        self.absorbing = None;
        let order = self.order;
        let new: Vec<Contact> =
            other.contacts.iter().filter(|c| self.contacts.iter().all(|own| own.id != c.id)).cloned().collect();
        self.contacts.extend(new.into_iter().map(|c| Contact { own: false, ..c }));
        let new = other.permits.iter().filter(|p| self.permits.iter().all(|own| own.granted.permit != p.granted.permit));
        let new: Vec<Permit> = new.map(|p| Permit { order, own: false, ..p.clone() }).collect();
        self.permits.extend(new);
        add(&mut self.grants, &other.grants, |a, b| a.0 == b.0);
        add(&mut self.withdrawals, &other.withdrawals, |a, b| a == b);
        add(&mut self.appointments, &other.appointments, |a, b| a.id == b.id);
        add(&mut self.requests, &other.requests, |a, b| a.0 == b.0);
        add(&mut self.referrals, &other.referrals, |a, b| a.0 == b.0);
        add(&mut self.recommendations, &other.recommendations, |a, b| a.0 == b.0);
        add(&mut self.announcements, &other.announcements, |a, b| a == b);
        add(&mut self.feedback, &other.feedback, |a, b| a == b);
        add(&mut self.details, &other.details, |a, b| a == b);
        self.recommendations.retain(|(id, _)| *id != own);
        self.dead |= other.dead;
        self.stricter(other.reach, other.quiet.into_iter().chain(other.others_quiet.iter().copied()).collect());
        self.meet();
    }

    fn stricter(&mut self, reach: Option<(Reach, Time)>, quiet: Vec<(DailyHours, Time)>) {
        let strict = |reach: Option<(Reach, Time)>| matches!(reach, Some((Reach::PatientInitiated, _)));
        if self.reach.is_none() || (strict(reach) && !strict(self.reach)) {
            self.reach = reach;
        }
        for hours in quiet {
            if self.quiet.is_none() {
                self.quiet = Some(hours);
            } else if self.quiet != Some(hours) && !self.others_quiet.contains(&hours) {
                self.others_quiet.push(hours);
            }
        }
    }

    /// Contacts and permits that came on different ways find each other, and so do requests and their answers.
    fn meet(&mut self) {
        for contact in self.contacts.iter_mut().filter(|c| c.outbound) {
            if contact.under.is_none() {
                use_permit(&mut self.permits, contact, None);
            } else if let Some(permit) = self.permits.iter_mut().find(|p| Some(p.granted.permit) == contact.under) {
                permit.used = true;
            }
        }
        self.answer(&self.contacts.clone(), |request, call| request < call);
    }

    pub(super) fn has_absorbed(&self, from: Uuid) -> bool {
        self.theirs.contains_key(&from)
    }
}

fn add<T: Clone>(own: &mut Vec<T>, new: &[T], same: impl Fn(&T, &T) -> bool) {
    for fact in new {
        if !own.iter().any(|known| same(known, fact)) {
            own.push(fact.clone());
        }
    }
}
