//! A merge that is undone, read a second time: what each of the two goes on with. Shares no rule with the domain.

use tact_domain::Direction;
use tact_domain::patient::events::Carried;
use uuid::Uuid;

use super::{Appointment, Book, Contact, add};

/// What somebody takes along who is told apart again.
#[derive(Debug, Clone, Default)]
pub(super) struct Parting {
    appointments: Vec<Appointment>,
    referrals: Vec<(Uuid, tact_domain::Time, Option<tact_domain::Time>, bool)>,
    dead: bool,
}

impl Book {
    /// A merge is undone, seen from the survivor.
    pub(in crate::checks) fn let_go(&mut self, from: Uuid) {
        if let Some(began) = self.began_with.remove(&from) {
            let shared = self.contacts.get(began..).unwrap_or_default().iter().map(|c| c.id).collect();
            self.let_go_of.insert(from, shared);
        }
        if self.absorbing == Some(from) {
            self.absorbing = None;
        }
        let dead = self.dead;
        let Some(theirs) = self.theirs.remove(&from) else {
            self.parting.insert(from, Parting { dead, ..Parting::default() });
            return;
        };
        let appointments = self.appointments.iter().filter(|a| theirs.contains(&a.id)).cloned().collect();
        let referrals = self.referrals.iter().filter(|r| theirs.contains(&r.0)).cloned().collect();
        self.parting.insert(from, Parting { appointments, referrals, dead });
        self.appointments.retain(|a| !theirs.contains(&a.id));
        self.requests.retain(|r| !theirs.contains(&r.0));
        self.referrals.retain(|r| !theirs.contains(&r.0));
        self.recommendations.retain(|r| !theirs.contains(&r.0));
        self.grants.retain(|g| !theirs.contains(&g.1));
        self.permits.retain(|p| p.used || !theirs.contains(&p.granted.permit));
        let told = self.their_announcements.remove(&from).unwrap_or_default();
        self.announcements.retain(|a| !told.contains(a));
    }

    /// A merge is undone, seen from the one that opens again, with what has happened to both meanwhile.
    pub(in crate::checks) fn part(&mut self, facts: &Carried, survivor: Option<&Self>, own: Uuid) {
        self.merged_into = None;
        // The last word about what is their own was said over there, and so was that somebody had died.
        if let Some(Parting { appointments, referrals, dead }) = survivor.and_then(|survivor| survivor.parting.get(&own)) {
            for known in &mut self.appointments {
                if let Some(later) = appointments.iter().find(|a| a.id == known.id) {
                    known.clone_from(later);
                }
            }
            for known in &mut self.referrals {
                if let Some(later) = referrals.iter().find(|r| r.0 == known.0) {
                    known.clone_from(later);
                }
            }
            self.dead |= dead;
        }
        for c in &facts.contacts {
            if self.contacts.iter().all(|own| own.id != c.id) {
                self.contacts.push(Contact {
                    id: c.id,
                    time: c.time,
                    outbound: c.direction == Direction::Outbound,
                    purpose: c.purpose.clone(),
                    channel: c.channel,
                    outcome: c.outcome,
                    about: c.about,
                    named: c.permit.or(c.claimed),
                    under: c.permit,
                    on_time: false,
                    own: false,
                });
            }
        }
        add(&mut self.withdrawals, &facts.withdrawals, |a, b| a == b);
        let preferences = &facts.preferences;
        self.stricter(
            preferences.reach,
            preferences.quiet_hours.into_iter().chain(preferences.absorbed_quiet_hours.iter().copied()).collect(),
        );
        self.meet();
    }
}
