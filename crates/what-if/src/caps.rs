//! Caps on the number of contacts, from a list that knows of each client only how many contacts there were and which one succeeded.
//!
//! No order in time, no channel and no consent is known there, so nothing is said that would need them.

use std::collections::BTreeMap;

use serde::Serialize;

/// What such a list leaves unanswered, in sentences to print beside the figures.
pub const UNANSWERED: &[&str] = &[
    "Limits per period (so many in 24 hours, so many in 30 days): the list does not say when each contact was made.",
    "Quiet hours, holidays and windows: the same.",
    "Limits on one channel: the list does not say how each contact was made.",
    "Consents, announcements, occasions and \"don't call me\": the list does not have them.",
    "Whether a client who was called less would have agreed sooner, or later by themselves: the list shows what happened, not why.",
];

/// How caps are held against a list, in sentences to print beside the figures.
pub const READING: &[&str] = &[
    "A cap of n leaves a client's first n contacts and spares the rest.",
    "A client's success is lost where the contact that it came with is spared.",
];

/// Clients by the number of their contacts and the one that succeeded, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Clients {
    by_contacts: BTreeMap<(u32, Option<u32>), u64>,
}

/// What a cap would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapRow {
    /// The most contacts of one client.
    pub cap: u32,
    /// Contacts that would have been spared.
    pub spared: u64,
    /// Their share of all contacts, in percent to one decimal.
    pub spared_percent: f64,
    /// Successes that would have been lost.
    pub lost: u64,
    /// Their share of all successes, in percent to one decimal.
    pub lost_percent: f64,
    /// Spared contacts for each lost success, to one decimal; absent where none is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spared_per_lost: Option<f64>,
    /// Clients who would have had fewer contacts.
    pub clients: u64,
}

/// What caps would have done, and what they are measured against.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CapReport {
    /// Clients.
    pub clients: u64,
    /// Contacts.
    pub contacts: u64,
    /// Clients who succeeded.
    pub successes: u64,
    /// The most contacts that one client had.
    pub most: u32,
    /// Contacts for each success, to one decimal; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contacts_per_success: Option<f64>,
    /// One row for each cap.
    pub caps: Vec<CapRow>,
}

impl Clients {
    /// One more client with so many contacts, of which this one, counted from 1, was the first to succeed.
    pub fn add(&mut self, contacts: u32, success: Option<u32>) {
        *self.by_contacts.entry((contacts, success)).or_default() += 1;
    }

    /// What these caps would have done, in the order given.
    pub fn capped(&self, caps: &[u32]) -> CapReport {
        let sum = |of: &dyn Fn(u32, Option<u32>) -> u64| {
            self.by_contacts.iter().map(|((contacts, success), clients)| of(*contacts, *success) * clients).sum::<u64>()
        };
        let contacts = sum(&|contacts, _| contacts.into());
        let successes = sum(&|_, success| success.is_some().into());
        let row = |&cap: &u32| {
            let spared = sum(&|contacts, _| contacts.saturating_sub(cap).into());
            let lost = sum(&|_, success| success.is_some_and(|at| at > cap).into());
            CapRow {
                cap,
                spared,
                spared_percent: percent(spared, contacts),
                lost,
                lost_percent: percent(lost, successes),
                spared_per_lost: ratio(spared, lost),
                clients: sum(&|contacts, _| (contacts > cap).into()),
            }
        };
        CapReport {
            clients: sum(&|_, _| 1),
            contacts,
            successes,
            most: self.by_contacts.keys().next_back().map(|(contacts, _)| *contacts).unwrap_or_default(),
            contacts_per_success: ratio(contacts, successes),
            caps: caps.iter().map(row).collect(),
        }
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64 * 10.0).round() / 10.0)
}

fn percent(part: u64, whole: u64) -> f64 {
    ratio(part * 100, whole).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_spares_what_lies_beyond_it_and_the_successes_that_came_there() {
        let mut clients = Clients::default();
        for (contacts, success) in [(1, Some(1)), (2, None), (5, Some(5)), (3, Some(3)), (0, None)] {
            clients.add(contacts, success);
        }
        let report = clients.capped(&[0, 2, 3, 5, u32::MAX]);
        assert_eq!((report.clients, report.contacts, report.successes, report.most), (5, 11, 3, 5));
        assert_eq!(report.contacts_per_success, Some(3.7));
        let found: Vec<_> = report.caps.iter().map(|r| (r.cap, r.spared, r.lost, r.clients, r.spared_per_lost)).collect();
        assert_eq!(
            found,
            [
                (0, 11, 3, 4, Some(3.7)),
                (2, 4, 2, 2, Some(2.0)),
                (3, 2, 1, 1, Some(2.0)),
                (5, 0, 0, 0, None),
                (u32::MAX, 0, 0, 0, None)
            ]
        );
        assert_eq!((report.caps[1].spared_percent, report.caps[1].lost_percent), (36.4, 66.7));
    }

    #[test]
    fn a_success_before_the_cap_stays_whatever_came_after_it() {
        let mut clients = Clients::default();
        clients.add(5, Some(2));
        let caps = clients.capped(&[1, 2]).caps;
        assert_eq!([(caps[0].spared, caps[0].lost), (caps[1].spared, caps[1].lost)], [(4, 1), (3, 0)]);
    }

    #[test]
    fn an_empty_list_has_no_shares() {
        let report = Clients::default().capped(&[1]);
        assert_eq!((report.contacts_per_success, report.caps[0].spared_per_lost), (None, None));
        assert_eq!((report.caps[0].spared_percent, report.caps[0].lost_percent), (0.0, 0.0));
    }
}
