//! The events of a patient's stream: what may stand in it, type by type and version by version.
//!
//! No event carries a name, a phone number, an address, a birth date or free text; those live in a separate store that can be
//! erased, and events refer to them by id. A stored event stays readable for ever: a change that an older reader would
//! misread is a new version of its type, and the old one keeps its place here.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::Time;
use crate::envelope::Unreadable;
pub use crate::patient::carried::Carried;
use crate::patient::decide::Reason;
use crate::values::*;
use crate::zone::ZoneUsed;

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident($payload:ty) = $name:literal v $version:literal,)+) => {
        /// One event of a patient's stream.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        pub enum Event { $($(#[$doc])* $variant($payload),)+ }

        impl Event {
            /// Every type with its current version, in the order of the contract.
            pub const KINDS: &'static [(&'static str, u16)] = &[$(($name, $version),)+];

            /// The JSON Schema of the data of every type and version.
            #[cfg(feature = "schema")]
            pub const SCHEMAS: &'static [crate::schema::Known] = &[$(crate::schema::Known {
                kind: $name,
                version: $version,
                data: |generator| generator.root_schema_for::<$payload>(),
            },)+];

            /// The type's name, such as `contact.permitted`.
            pub const fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// The version of the type in which this build writes it.
            pub const fn version(&self) -> u16 {
                match self { $(Self::$variant(_) => $version,)+ }
            }

            /// Reads the data of an event of a given type and version.
            ///
            /// # Errors
            /// [`Unreadable`] if the type or its version is not known here or the data is not of its form.
            pub fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable> {
                match (kind, version) {
                    $(($name, $version) => serde_json::from_str(data.get()).map(Self::$variant).map_err(|e| Unreadable::Data {
                        kind: kind.to_owned(), error: e.to_string(),
                    }),)+
                    _ if Self::KINDS.iter().any(|(known, _)| *known == kind) => {
                        Err(Unreadable::Version { kind: kind.to_owned(), version })
                    }
                    _ => Err(Unreadable::Kind(kind.chars().take(80).collect())),
                }
            }
        }
    };
}

events! {
    /// A person becomes known to the network.
    Registered(Registered) = "patient.registered" v 1,
    /// Something about the person has changed.
    ProfileChanged(ProfileChanged) = "patient.profile_changed" v 1,
    /// This person is the same as another; closes this stream.
    Merged(Merged) = "patient.merged" v 1,
    /// A merge has begun; no permits until it is done.
    Absorbing(MergeFrom) = "patient.absorbing" v 1,
    /// A merge is done: everything of the other that still matters.
    Absorbed(Absorbed) = "patient.absorbed" v 1,
    /// A merge is undone, on both streams.
    Separated(Separated) = "patient.separated" v 1,
    /// The person has died.
    Died(Empty) = "patient.died" v 1,
    /// They have not.
    Restored(Empty) = "patient.restored" v 1,
    /// Everything personal has been erased.
    Erased(Empty) = "patient.erased" v 1,
    /// The person agrees to one purpose, on paper or otherwise (P8).
    ConsentGranted(ConsentGranted) = "consent.granted" v 1,
    /// The person withdraws an agreement.
    ConsentWithdrawn(ConsentWithdrawn) = "consent.withdrawn" v 1,
    /// The person says how they wish to be reached (P4).
    PreferenceSet(PreferenceSet) = "consent.preference_set" v 1,
    /// An appointment is booked.
    Booked(Booked) = "appointment.booked" v 1,
    /// An appointment gets another time, branch or clinician.
    Rescheduled(Rescheduled) = "appointment.rescheduled" v 1,
    /// An appointment will not take place.
    Cancelled(Cancelled) = "appointment.cancelled" v 1,
    /// An appointment took place.
    Completed(AppointmentRef) = "appointment.completed" v 1,
    /// The person did not come.
    Missed(AppointmentRef) = "appointment.missed" v 1,
    /// The person asks to be called back.
    Requested(Requested) = "contact.requested" v 1,
    /// The person was told to expect a contact (P9).
    Announced(Announced) = "contact.announced" v 1,
    /// A permit is granted.
    Permitted(Permitted) = "contact.permitted" v 1,
    /// A permit is refused.
    Refused(Refused) = "contact.refused" v 1,
    /// A permit is given back.
    Released(PermitRef) = "contact.permit_released" v 1,
    /// A contact is about to leave us.
    Started(Started) = "contact.started" v 1,
    /// A contact was made.
    Made(Made) = "contact.made" v 1,
    /// A contact ended otherwise than was recorded.
    Corrected(Corrected) = "contact.corrected" v 1,
    /// Somebody came because of this person (P5).
    Credited(Credited) = "referral.credited" v 1,
    /// The person needs something that the network does not have (P11).
    ReferralOpened(ReferralOpened) = "referral.opened" v 1,
    /// A place elsewhere is found.
    ReferralArranged(ReferralArranged) = "referral.arranged" v 1,
    /// The referral is done with.
    ReferralClosed(ReferralRef) = "referral.closed" v 1,
    /// The person says what they think of us (P5).
    FeedbackGiven(FeedbackGiven) = "feedback.given" v 1,
}

impl Event {
    /// Whether it is recorded whatever is known of the patient: a contact and how it ended, a withdrawal, a wish or a death that happened is
    /// never refused.
    pub const fn is_always_recorded(&self) -> bool {
        matches!(self, Self::Made(_) | Self::Corrected(_) | Self::ConsentWithdrawn(_) | Self::Died(_) | Self::PreferenceSet(_))
    }
}

macro_rules! payload {
    ($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident : $ty:ty,)* $(; $($(#[$odoc:meta])* $opt:ident ? : $oty:ty,)+)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $ty,)*
            $($($(#[$odoc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $opt: Option<$oty>,)+)?
        }
    };
}

payload! {
    /// The data of an event that says everything with its type.
    Empty {}
}
payload! {
    /// The data of `patient.registered`.
    Registered {
        /// The branch that looks after the person.
        home_branch: Branch,
        /// The name of the person's time zone, such as `Europe/Moscow`.
        time_zone: SmolStr,
        ;
        /// The language to speak, a BCP 47 tag.
        language?: SmolStr,
        /// The patient who recommended the network (P5).
        recommended_by?: Uuid,
        /// The patient who speaks for this one, such as a parent.
        guardian?: Uuid,
    }
}
payload! {
    /// The data of `patient.profile_changed`: what is absent stays.
    ProfileChanged {
        ;
        /// The branch that looks after the person.
        home_branch?: Branch,
        /// The name of the person's time zone.
        time_zone?: SmolStr,
        /// The language to speak, a BCP 47 tag.
        language?: SmolStr,
        /// The patient who speaks for this one.
        guardian?: Uuid,
        /// The channels whose contact details are new.
        channels?: Vec<Channel>,
    }
}
payload! {
    /// The data of `patient.merged`.
    Merged {
        /// The surviving patient.
        into: Uuid,
    }
}
payload! {
    /// The data of `patient.absorbing`.
    MergeFrom {
        /// The patient who is merged into this one.
        from: Uuid,
    }
}
payload! {
    /// The data of `patient.absorbed`.
    Absorbed {
        /// The patient who has been merged into this one.
        from: Uuid,
        /// Everything of theirs that still matters.
        facts: Box<Carried>,
    }
}
payload! {
    /// The data of `patient.separated`, the same on both streams.
    Separated {
        /// The patient who had been merged, and is again a patient of their own.
        from: Uuid,
        ;
        /// On the stream that opens again: what the survivor has lived through since, so that counts and refusals stay with both.
        facts?: Box<Carried>,
    }
}
payload! {
    /// The paper (or its like) behind a consent. Without a document there is no consent.
    Evidence {
        /// How it was given, such as `paper` or `web_form`.
        method: SmolStr,
        /// The id of the document in the network's archive.
        document: Uuid,
    }
}
payload! {
    /// The data of `consent.granted`: one purpose, one document.
    ConsentGranted {
        /// What the person agrees to.
        purpose: Purpose,
        /// On which channels.
        channels: Vec<Channel>,
        /// What proves it.
        evidence: Evidence,
        ;
        /// When it runs out; from that moment on it no longer holds.
        expires_at?: Time,
    }
}
payload! {
    /// The data of `consent.withdrawn`.
    ConsentWithdrawn {
        ;
        /// Absent: every purpose.
        purpose?: Purpose,
        /// Absent: every channel.
        channels?: Vec<Channel>,
    }
}
payload! {
    /// The data of `consent.preference_set`: what is absent stays.
    PreferenceSet {
        ;
        /// Whether the person may be called at all (P4).
        reach?: Reach,
        /// The person's own quiet hours, in local time.
        quiet_hours?: DailyHours,
        /// The channel that the person likes best.
        preferred_channel?: Channel,
    }
}
payload! {
    /// The data of `appointment.booked`.
    Booked {
        /// The appointment.
        appointment: Uuid,
        /// Where.
        branch: Branch,
        /// What for.
        kind: AppointmentKind,
        /// When.
        starts_at: Time,
        ;
        /// With whom.
        clinician?: Uuid,
    }
}
payload! {
    /// The data of `appointment.rescheduled`: what is absent stays.
    Rescheduled {
        /// The appointment.
        appointment: Uuid,
        /// When it takes place now.
        starts_at: Time,
        /// Who moved it.
        by: ChangedBy,
        ;
        /// Where it takes place now.
        branch?: Branch,
        /// With whom.
        clinician?: Uuid,
    }
}
payload! {
    /// The data of `appointment.cancelled`.
    Cancelled {
        /// The appointment.
        appointment: Uuid,
        /// Who cancelled it.
        by: ChangedBy,
    }
}
payload! {
    /// The data of `appointment.completed` and `appointment.missed`.
    AppointmentRef {
        /// The appointment.
        appointment: Uuid,
    }
}
payload! {
    /// The data of `contact.requested`.
    Requested {
        /// The request.
        request: Uuid,
        /// How the person wishes to be reached.
        channel: Channel,
        ;
        /// What it is about, if it is about something.
        about?: Uuid,
        /// When the person wishes to be called; inside it, quiet hours do not hold.
        window?: Window,
    }
}
payload! {
    /// The data of `contact.announced`.
    Announced {
        /// What the contact will be for.
        purpose: Purpose,
        /// When the person was told to expect it.
        window: Window,
        ;
        /// Its occasion; absent: any of this purpose.
        about?: Uuid,
    }
}
payload! {
    /// The data of `contact.permitted`.
    Permitted {
        /// The permit.
        permit: Uuid,
        /// What for.
        purpose: Purpose,
        /// How.
        channel: Channel,
        /// Which branch may use it.
        branch: Branch,
        /// The moment from which it is dead.
        expires_at: Time,
        /// The version of the policy.
        policy: SmolStr,
        /// What allowed it.
        basis: Basis,
        /// The version of the rules of decision.
        rules: u16,
        /// The time zone as the decision used it.
        zone: ZoneUsed,
        ;
        /// Its occasion.
        about?: Uuid,
        /// The id of the text that says why, where the purpose demands one.
        reason?: Uuid,
    }
}
payload! {
    /// What allowed a permit.
    Basis {
        /// Each limit that was looked at, with its count.
        limits: Vec<LimitCount>,
        /// What the purpose overrides without limit of time.
        overrides: Vec<Override>,
        ;
        /// The occasion.
        occasion?: OccasionUsed,
        /// The consent.
        consent?: ConsentUsed,
        /// The announcement's window.
        announcement?: Window,
        /// The span in which quiet hours do not hold, if it was granted inside one: the patient asked for it, or the purpose lifts them for a time.
        quiet_lifted?: Window,
        /// The reservation of the patient's telephone number, in the number's own stream.
        reservation?: Uuid,
    }
}
payload! {
    /// The occasion that a permit rests on.
    OccasionUsed {
        /// Its kind.
        kind: OccasionKind,
        /// Its id.
        about: Uuid,
        /// Its time.
        at: Time,
        /// When it came to be as it is: another time of the same appointment is another occasion.
        since: Time,
        /// Whether it ends when something is booked ahead.
        unless_booked_ahead: bool,
    }
}
payload! {
    /// The consent that a permit rests on.
    ConsentUsed {
        /// Its document.
        document: Uuid,
        /// When it was given.
        granted_at: Time,
    }
}
payload! {
    /// A limit as a decision counted it.
    LimitCount {
        /// The limit in words, such as `2 attempts per occasion`.
        limit: SmolStr,
        /// The most it allows.
        max: u32,
        /// What was counted.
        count: u32,
    }
}
words! {
    /// What a purpose's contacts need not obey.
    Override, "override" {
        /// "Don't call me, I'll call you".
        PatientInitiatedOnly = "patient_initiated_only",
        /// Quiet hours and holidays.
        QuietHours = "quiet_hours",
        /// The limits over all purposes.
        OverallLimits = "overall_limits",
        /// Everything but a closed patient and the purpose's own limits.
        Everything = "everything",
    }
}
payload! {
    /// The data of `contact.refused`.
    Refused {
        /// What for.
        purpose: Purpose,
        /// How.
        channel: Channel,
        /// Who asked.
        branch: Branch,
        /// The version of the policy.
        policy: SmolStr,
        /// Every reason that holds.
        reasons: Vec<Reason>,
        /// The version of the rules of decision.
        rules: u16,
        /// The time zone as the decision used it.
        zone: ZoneUsed,
        ;
        /// The occasion that was asked for, or the nearest one.
        about?: Uuid,
        /// The occasion as it was asked for, where one was named.
        asked_about?: Uuid,
        /// The next time at which asking makes sense, where one exists.
        next?: Time,
    }
}
payload! {
    /// The data of `contact.permit_released`.
    PermitRef {
        /// The permit.
        permit: Uuid,
    }
}
payload! {
    /// The data of `contact.started`.
    Started {
        /// The permit it is made under.
        permit: Uuid,
        /// The contact that begins.
        contact: Uuid,
    }
}
payload! {
    /// The data of `contact.made`.
    Made {
        /// The contact.
        contact: Uuid,
        /// Who reached out.
        direction: Direction,
        /// What for.
        purpose: Purpose,
        /// How.
        channel: Channel,
        /// Which branch.
        branch: Branch,
        /// How it ended.
        outcome: Outcome,
        ;
        /// The permit it was made under. A contact without one is a fact all the same, and a breach.
        permit?: Uuid,
        /// Its occasion.
        about?: Uuid,
        /// The id of the text about it.
        note?: Uuid,
    }
}
payload! {
    /// The data of `contact.corrected`: what is known now of a contact that was recorded.
    Corrected {
        /// The contact.
        contact: Uuid,
        /// How it ended, by all that is known now.
        outcome: Outcome,
    }
}
payload! {
    /// The data of `referral.credited`.
    Credited {
        /// The patient who came because of this one.
        recommended: Uuid,
    }
}
payload! {
    /// The data of `referral.opened`.
    ReferralOpened {
        /// The referral.
        referral: Uuid,
        /// The service that the person needs.
        need: ServiceCode,
    }
}
payload! {
    /// The data of `referral.arranged`.
    ReferralArranged {
        /// The referral.
        referral: Uuid,
        /// Who will help.
        provider: Uuid,
        ;
        /// When, if a time was booked.
        starts_at?: Time,
    }
}
payload! {
    /// The data of `referral.closed`.
    ReferralRef {
        /// The referral.
        referral: Uuid,
    }
}
payload! {
    /// The data of `feedback.given`.
    FeedbackGiven {
        /// The feedback.
        feedback: Uuid,
        /// The branch it is about.
        branch: Branch,
        /// From 0 to 10.
        score: Score,
        ;
        /// The clinician it is about.
        clinician?: Uuid,
        /// What is good.
        strengths?: Vec<Theme>,
        /// What is not.
        weaknesses?: Vec<Theme>,
        /// The id of the text.
        text?: Uuid,
    }
}

/// How likely the person is to recommend us, from 0 to 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Score(u8);

impl TryFrom<u8> for Score {
    type Error = String;
    fn try_from(value: u8) -> Result<Self, String> {
        if value <= 10 { Ok(Self(value)) } else { Err(format!("{value} is not a score: it goes from 0 to 10")) }
    }
}

impl From<Score> for u8 {
    fn from(score: Score) -> u8 {
        score.0
    }
}
