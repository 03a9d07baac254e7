//! What is known of a patient after the events so far: everything that a decision needs, and nothing that an event does not say.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use uuid::Uuid;

use super::events::{ConsentUsed, OccasionUsed, Override};
use crate::Time;
use crate::values::*;

/// The state of one patient's stream.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Whether the stream is open.
    pub standing: Standing,
    /// The patient who is being merged into this one, while that is under way: no permits until it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub absorbing: Option<Uuid>,
    /// The branch that looks after the patient.
    pub home_branch: Option<Branch>,
    /// The patient's time zone by name.
    pub time_zone: SmolStr,
    /// The language to speak, a BCP 47 tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<SmolStr>,
    /// The patient who speaks for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardian: Option<Uuid>,
    /// How the patient wishes to be reached.
    pub preferences: Preferences,
    /// Consents given, in the order of recording.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Consents withdrawn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawals: Vec<Withdrawal>,
    /// Every appointment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub appointments: Vec<Appointment>,
    /// Every contact, in both directions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    /// Every permit, dead ones included, since a contact made while one lived may be recorded late.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permits: Vec<Permit>,
    /// When contact details came that were new.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_details: Vec<NewDetails>,
    /// Requests to be called back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Request>,
    /// Announcements.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<Announcement>,
    /// Care referrals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referrals: Vec<Referral>,
    /// Those who came because of this patient.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<Recommendation>,
    /// When feedback was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Time>,
    /// Who has been merged into this one, and which of their facts came along.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absorbed: Vec<AbsorbedPatient>,
    /// Who was merged into this one and taken apart again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parted: Vec<AbsorbedPatient>,
    /// Whom this one was merged into at any time and taken apart from again: what was recorded meanwhile stands in their streams.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub merged_before: Vec<Uuid>,
    /// How many contacts and withdrawals were known when the merge that is under way began.
    #[serde(skip_serializing_if = "is_nothing")]
    pub absorbing_from: (usize, usize),
    /// Whether the person's death is recorded and not corrected, whatever else became of the stream.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deceased: bool,
    /// When they died, if that was recorded here: what is said to have happened before may still be true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub died_at: Option<Time>,
    /// The patient whom this one was merged into before it opened again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parted_from: Option<Uuid>,
    /// When the last event was recorded; a decision is never made before it.
    pub last_recorded_at: Option<Time>,
}

/// Whether a patient's stream is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nobody by this id is known.
    #[default]
    Unknown,
    /// Open.
    Open,
    /// The person has died.
    Died,
    /// Everything personal has been erased.
    Erased,
    /// The person goes on as another patient.
    Merged {
        /// The survivor.
        into: Uuid,
        /// When.
        at: Time,
    },
}

/// How the patient wishes to be reached, each wish with the time it was made: the latest word holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "as in `consent.preference_set`")]
pub struct Preferences {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<(Reach, Time)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<(DailyHours, Time)>,
    /// Quiet hours of a patient merged into this one: whichever is stricter holds, so both do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub absorbed_quiet_hours: Vec<(DailyHours, Time)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_channel: Option<(Channel, Time)>,
}

macro_rules! fact {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        #[expect(missing_docs, reason = "as in the event that states it; `time` and `since` are moments")]
        pub struct $name { $($(#[$fdoc])* pub $field: $ty,)* }
    };
}

fact! {
    /// A consent: one purpose, one document (P8).
    Grant {
        purpose: Purpose,
        channels: Vec<Channel>,
        time: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at: Option<Time>,
        document: Uuid,
    }
}
fact! {
    /// A withdrawal; absent means every.
    Withdrawal {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<Purpose>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channels: Option<Vec<Channel>>,
        time: Time,
    }
}
fact! {
    /// An appointment.
    Appointment {
        id: Uuid,
        branch: Branch,
        kind: AppointmentKind,
        starts_at: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clinician: Option<Uuid>,
        /// Since when it has its present time.
        since: Time,
        status: AppointmentStatus,
        /// The last word that the clinic owes the patient about it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clinic_change: Option<ClinicChange>,
    }
}

/// What has become of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AppointmentStatus {
    /// It is to take place, or its outcome has not been recorded.
    Booked,
    /// It took place, at this time.
    Completed(Time),
    /// The patient did not come.
    Missed(Time),
    /// It will not take place.
    Cancelled(Time),
}

/// The clinic cancelled or moved an upcoming appointment, and the patient has not changed it since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClinicChange {
    /// When.
    pub at: Time,
    /// The later of the old and the new start: until then the patient is owed a word.
    pub owed_until: Time,
}

fact! {
    /// A contact.
    Contact {
        id: Uuid,
        time: Time,
        direction: Direction,
        purpose: Purpose,
        channel: Channel,
        branch: Branch,
        outcome: Outcome,
        /// Its occasion: its own, or that of the permit it was made under.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Uuid>,
        /// The permit that it used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        permit: Option<Uuid>,
        /// A permit that it named and did not use: one unknown here may come later, with a merge.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claimed: Option<Uuid>,
        /// Outbound and not made under a live permit for its purpose, channel and occasion.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        breach: bool,
    }
}
fact! {
    /// A permit.
    Permit {
        id: Uuid,
        purpose: Purpose,
        channel: Channel,
        branch: Branch,
        granted_at: Time,
        expires_at: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        occasion: Option<OccasionUsed>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consent: Option<ConsentUsed>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        overrides: Vec<Override>,
        /// When it was granted inside one: the span in which quiet hours do not hold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quiet_lifted: Option<Window>,
        /// The offset from UTC at its granting, in seconds east: what was local time then.
        offset: i32,
        fate: Fate,
    }
}

/// What has become of a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Not used yet; live until it expires.
    Open,
    /// Given back, or what allowed it was taken away, at this time.
    Ended(Time),
    /// A contact began under it and its outcome is not recorded: it counts as an attempt however long that takes.
    Started {
        /// When.
        at: Time,
        /// The contact.
        contact: Uuid,
        /// When what allowed it was taken away, if it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ended: Option<Time>,
    },
    /// The contact that used it counts in its place.
    Used {
        /// The contact.
        contact: Uuid,
    },
}

impl Permit {
    /// Whether it gives the right to make a contact at this moment.
    pub fn is_live(&self, now: Time) -> bool {
        match self.fate {
            Fate::Open => now < self.expires_at,
            Fate::Started { ended, .. } => ended.is_none(),
            Fate::Ended(_) | Fate::Used { .. } => false,
        }
    }

    /// Whether it counts as an attempt at this moment: live, or started with its outcome unknown.
    pub fn counts(&self, now: Time) -> bool {
        matches!(self.fate, Fate::Started { .. }) || self.is_live(now)
    }

    /// Whether a contact made at `time` was made under it, seen from afterwards.
    pub fn was_live(&self, time: Time) -> bool {
        match self.fate {
            Fate::Open => self.granted_at <= time && time < self.expires_at,
            Fate::Ended(ended) => self.granted_at <= time && time < self.expires_at && time < ended,
            Fate::Started { at, ended, .. } => self.granted_at <= time && ended.is_none_or(|ended| at < ended),
            Fate::Used { .. } => false,
        }
    }

    /// When it stops counting if nothing happens; `None` if only its outcome ends it.
    pub fn frees_at(&self) -> Option<Time> {
        match self.fate {
            Fate::Open => Some(self.expires_at),
            _ => None,
        }
    }

    /// Whether it need not obey this.
    pub fn overrides(&self, what: Override) -> bool {
        self.overrides.contains(&what) || self.overrides.contains(&Override::Everything)
    }
}

fact! {
    /// Contact details for these channels were new.
    NewDetails {
        channels: Vec<Channel>,
        time: Time,
    }
}
fact! {
    /// A request to be called back.
    Request {
        id: Uuid,
        channel: Channel,
        time: Time,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
        /// When it was answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered_at: Option<Time>,
    }
}
fact! {
    /// The patient was told to expect a contact (P9).
    Announcement {
        purpose: Purpose,
        window: Window,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        about: Option<Uuid>,
        time: Time,
    }
}
fact! {
    /// A care referral (P11).
    Referral {
        id: Uuid,
        need: ServiceCode,
        opened_at: Time,
        /// The provider and the time of the arrangement.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        arranged: Option<(Uuid, Time)>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closed_at: Option<Time>,
    }
}
fact! {
    /// Somebody came because of this patient (P5).
    Recommendation {
        recommended: Uuid,
        time: Time,
    }
}
fact! {
    /// A patient who was merged into this one, and what came along and leaves with them again: ids of facts, documents, announcements.
    AbsorbedPatient {
        from: Uuid,
        time: Time,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        facts: Vec<Uuid>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        documents: Vec<Uuid>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        announcements: Vec<Announcement>,
        /// The permits that came along: their outcomes are recorded here only as long as both are one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        permits: Vec<Uuid>,
        /// How many of the first contacts and withdrawals do not concern the other: those from before a merge that began and was never done.
        contacts_before: usize,
        withdrawals_before: usize,
        /// What became of their appointments and referrals while both were one, kept once they are told apart.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        appointments: Vec<Appointment>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        referrals: Vec<Referral>,
        /// Whether a death was recorded when they were told apart: of whom, nobody knows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deceased: bool,
    }
}

fn is_nothing(counts: &(usize, usize)) -> bool {
    *counts == (0, 0)
}

/// How many days a person is kept who is known only through care referrals, unless the network says otherwise.
pub const STRANGERS_KEPT_DAYS: i64 = 30;

impl State {
    /// Whether this patient is the survivor of a merge with `from`, begun or done, that was not undone.
    pub fn holds(&self, from: Uuid) -> bool {
        self.absorbing == Some(from) || self.absorbed.iter().any(|absorbed| absorbed.from == from)
    }

    /// Whether the network may contact this patient at all.
    pub fn is_open(&self) -> bool {
        self.standing == Standing::Open && self.absorbing.is_none()
    }

    /// The patient's time zone, if this build's database knows it. Unknown: the home branch's holds.
    pub fn zone(&self) -> Option<Tz> {
        self.time_zone.parse().ok()
    }

    /// An appointment by id.
    pub fn appointment(&self, id: Uuid) -> Option<&Appointment> {
        self.appointments.iter().find(|a| a.id == id)
    }

    /// A permit by id.
    pub fn permit(&self, id: Uuid) -> Option<&Permit> {
        self.permits.iter().find(|p| p.id == id)
    }

    /// The start of the last appointment that is booked and has no outcome, if there is one: until then something is booked ahead.
    pub fn booked_until(&self) -> Option<Time> {
        self.appointments.iter().filter(|a| a.status == AppointmentStatus::Booked).map(|a| a.starts_at).max()
    }

    /// When a person known only through care referrals is to be forgotten: 30 days after the last one closed, or after it was opened if nothing
    /// else ever happened (P11, "care, then forget"). `None` while one is under way, or when the person is more to us than that. A network that
    /// keeps strangers for another time than [`STRANGERS_KEPT_DAYS`] moves this by the difference.
    pub fn forget_at(&self) -> Option<Time> {
        let only_referred = self.standing == Standing::Open
            && !self.referrals.is_empty()
            && self.appointments.is_empty()
            && self.recommendations.is_empty()
            && self.grants.is_empty()
            && self.feedback.is_empty()
            && self.absorbed.is_empty();
        if !only_referred {
            return None;
        }
        let happened = self.contacts.iter().map(|c| c.time).chain(self.requests.iter().map(|r| r.time));
        let happened =
            happened.chain(self.announcements.iter().map(|a| a.time)).chain(self.permits.iter().map(|p| p.granted_at)).max();
        let done = |referral: &Referral| match (referral.closed_at, referral.arranged) {
            (Some(closed), _) => Some(closed),
            // Nobody took it up, and nobody will come back to it.
            (None, None) if happened.is_none_or(|at| at <= referral.opened_at) => Some(referral.opened_at),
            (None, _) => None,
        };
        let mut last = None;
        for referral in &self.referrals {
            last = last.max(Some(done(referral)?));
        }
        last.map(|done| done + chrono::Duration::days(STRANGERS_KEPT_DAYS))
    }
}
