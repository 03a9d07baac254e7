//! The words that events, policy and decisions share. A value that exists is a valid one.

use std::fmt;
use std::str::FromStr;

use chrono::NaiveTime;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use crate::Time;

/// A word that is not one of those expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{got}` is not {} {what}{}", article(.what), hint(.known, .nearest))]
pub struct UnknownWord {
    /// What kind of word was expected, such as `channel`.
    pub what: &'static str,
    /// The word that was found, cut to 80 characters.
    pub got: String,
    /// All words that would do.
    pub known: &'static [&'static str],
    /// The known word that looks most like it, if one does.
    pub nearest: Option<&'static str>,
}

fn article(what: &str) -> &'static str {
    if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn hint(known: &[&str], nearest: &Option<&'static str>) -> String {
    match nearest {
        Some(word) => format!("; did you mean `{word}`?"),
        None => format!("; known are {}", known.join(", ")),
    }
}

/// The word among `known` that looks most like `got`, if any is near enough to have been meant.
pub fn nearest_word<'a>(got: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = got.chars().count();
    known
        .into_iter()
        // Comparing costs the product of both lengths: what is far too long cannot have been meant.
        .filter(|word| length.abs_diff(word.chars().count()) <= 1 + word.len() / 3)
        .map(|word| (strsim::damerau_levenshtein(got, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 3)
        .min()
        .map(|(_, word)| word)
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every value, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// Every word, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word for it in events, policies and the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "title": $what, "type": "string", "enum": Self::WORDS })
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::values::UnknownWord;
            fn from_str(word: &str) -> Result<Self, $crate::values::UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::values::UnknownWord {
                        what: $what,
                        got: word.chars().take(80).collect(),
                        known: Self::WORDS,
                        nearest: $crate::values::nearest_word(word, Self::WORDS.iter().copied()),
                    }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow::<'de, str> as serde::Deserialize>::deserialize(d)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use words;

words! {
    /// The way in which a patient is reached.
    Channel, "channel" {
        /// A person dials.
        Phone = "phone",
        /// A robot dials. What a limit says of `phone` covers it too.
        AutoCall = "auto_call",
        /// A text message.
        Sms = "sms",
        /// Electronic mail.
        Email = "email",
        /// A messenger that is reached through the phone number.
        Messenger = "messenger",
        /// A letter on paper.
        Letter = "letter",
        /// Face to face.
        InPerson = "in_person",
    }
}

impl Channel {
    /// Whether it is reached through the patient's phone number: these four share one number, and the quiet hours hold for them.
    pub const fn uses_number(self) -> bool {
        matches!(self, Self::Phone | Self::AutoCall | Self::Sms | Self::Messenger)
    }

    /// Whether both are reached through the same contact details.
    pub fn shares_details_with(self, other: Self) -> bool {
        self == other || (self.uses_number() && other.uses_number())
    }

    /// Whether a limit on `self` counts a contact on `other`.
    pub fn covers(self, other: Self) -> bool {
        self == other || (self == Self::Phone && other == Self::AutoCall)
    }
}

words! {
    /// How a contact ended.
    Outcome, "outcome" {
        /// The patient was reached.
        Reached = "reached",
        /// Nobody answered.
        NoAnswer = "no_answer",
        /// A machine answered.
        Voicemail = "voicemail",
        /// The line was busy.
        Busy = "busy",
        /// Somebody else's number.
        WrongNumber = "wrong_number",
        /// The patient asked not to go on.
        Declined = "declined",
        /// It never left us.
        Failed = "failed",
    }
}

impl Outcome {
    /// Whether the contact reached this patient's line at all and so counts as an attempt.
    pub const fn is_attempt(self) -> bool {
        !matches!(self, Self::WrongNumber | Self::Failed)
    }

    /// Whether the patient was reached. `declined` counts as reached.
    pub const fn is_reached(self) -> bool {
        matches!(self, Self::Reached | Self::Declined)
    }
}

words! {
    /// Who reached out to whom.
    Direction, "direction" {
        /// The network to the patient.
        Outbound = "outbound",
        /// The patient to the network. Never counts against a limit.
        Inbound = "inbound",
    }
}

words! {
    /// What an appointment is for.
    AppointmentKind, "kind of appointment" {
        /// A talk with a clinician.
        Consultation = "consultation",
        /// Treatment that is not surgery.
        Procedure = "procedure",
        /// Surgery, after which one may ask how the patient feels (P9).
        Surgery = "surgery",
        /// A preventive check-up (P7).
        Checkup = "checkup",
    }
}

words! {
    /// Who changed an appointment.
    ChangedBy, "side" {
        /// The patient did, and knows.
        Patient = "patient",
        /// The clinic did, and owes the patient a word (P14).
        Clinic = "clinic",
    }
}

words! {
    /// Whether the patient may be called at all.
    Reach, "reach" {
        /// Within the policy.
        Normal = "normal",
        /// "Don't call me, I'll call you" (P4).
        PatientInitiated = "patient_initiated",
    }
}

words! {
    /// What gives a purpose its reason.
    OccasionKind, "occasion" {
        /// A booked appointment that lies ahead.
        UpcomingAppointment = "upcoming_appointment",
        /// A completed surgery.
        Surgery = "surgery",
        /// The latest completed appointment.
        PastVisit = "past_visit",
        /// The latest recommendation that brought somebody.
        Referrer = "referrer",
        /// A care referral, arranged and open.
        CareReferral = "care_referral",
        /// The patient asked to be called back and has not been answered.
        CallbackRequest = "callback_request",
        /// The clinic cancelled or moved an upcoming appointment.
        ClinicCancellation = "clinic_cancellation",
    }
}

words! {
    /// Why a permit was refused.
    Code, "refusal code" {
        /// The policy does not name this purpose.
        PurposeUnknown = "purpose_unknown",
        /// The policy forbids it.
        PurposeForbidden = "purpose_forbidden",
        /// Died, erased, merged, or being merged.
        PatientClosed = "patient_closed",
        /// The purpose does not use this channel.
        ChannelNotAllowed = "channel_not_allowed",
        /// The last outbound contact on it was a wrong number, and no new details came since.
        ChannelUnreachable = "channel_unreachable",
        /// The patient asked that only they call (P4).
        PatientInitiatedOnly = "patient_initiated_only",
        /// There never was a consent for this purpose and channel (P8).
        ConsentMissing = "consent_missing",
        /// The latest word is a withdrawal.
        ConsentWithdrawn = "consent_withdrawn",
        /// The consent ran out.
        ConsentExpired = "consent_expired",
        /// The occasion that the purpose needs does not exist or is done with.
        NoOccasion = "no_occasion",
        /// Before the window around the occasion.
        TooEarly = "too_early",
        /// Behind it.
        TooLate = "too_late",
        /// Nobody told the patient that this contact would come (P9).
        NotAnnounced = "not_announced",
        /// It was announced for another time.
        OutsideAnnouncedWindow = "outside_announced_window",
        /// The policy's quiet hours or the patient's.
        QuietHours = "quiet_hours",
        /// A day on which no one is called.
        Holiday = "holiday",
        /// A limit of the purpose leaves no room.
        LimitReached = "limit_reached",
        /// A limit over all purposes leaves no room.
        OverallLimitReached = "overall_limit_reached",
        /// Someone already holds a live permit for this purpose and occasion.
        PermitOutstanding = "permit_outstanding",
        /// The patient's number has been rung enough, is being rung, or has asked for quiet, and the patient is not the only one who has it.
        NumberBusy = "number_busy",
    }
}

macro_rules! code_text {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// The code as text.
            pub fn as_str(&self) -> &str { &self.0 }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> { stringify!($name).into() }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "title": $what, "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }

        impl FromStr for $name {
            type Err = BadCode;
            fn from_str(text: &str) -> Result<Self, BadCode> {
                let ok = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
                if ok { Ok(Self(SmolStr::new(text))) } else { Err(BadCode { what: $what, got: text.chars().take(80).collect() }) }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A code that is not one: empty, too long, or with characters that have no place in a subject or a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{got}` is not a {what}: 1 to 64 of a-z, 0-9, `_` and `-`")]
pub struct BadCode {
    /// What kind of code was expected.
    pub what: &'static str,
    /// What was found, cut to 80 characters.
    pub got: String,
}

code_text! {
    /// Why a patient is contacted: a name in the policy, such as `appointment_reminder`.
    Purpose, "purpose"
}
code_text! {
    /// The code of a branch of the network, such as `north`.
    Branch, "branch code"
}
code_text! {
    /// The code of a service that a branch or provider offers, such as `x_ray` (P11).
    ServiceCode, "service code"
}
code_text! {
    /// The code of a theme of feedback, such as `waiting_time` (P5).
    Theme, "theme code"
}

/// A span of time: includes its start, excludes its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first moment inside.
    pub from: Time,
    /// The first moment behind it.
    pub until: Time,
}

impl Window {
    /// Whether the moment lies inside.
    pub fn contains(&self, time: Time) -> bool {
        self.from <= time && time < self.until
    }
}

/// Hours of the local day, which may run over midnight: includes its start, excludes its end. Equal ends mean the whole day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DailyHours {
    /// The local time at which they begin.
    pub from: NaiveTime,
    /// The local time at which they end.
    pub until: NaiveTime,
}

impl DailyHours {
    /// Whether a local time of day lies inside.
    pub fn contains(&self, time: NaiveTime) -> bool {
        if self.from < self.until { self.from <= time && time < self.until } else { time >= self.from || time < self.until }
    }
}

mod clock_time {
    //! Local times of day as people write them: `20:00`.
    use chrono::NaiveTime;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &NaiveTime, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&time.format("%H:%M"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<NaiveTime, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        super::parse_clock_time(&text).map_err(serde::de::Error::custom)
    }
}

/// Reads a local time of day, `HH:MM` from `00:00` to `23:59`.
pub fn parse_clock_time(text: &str) -> Result<NaiveTime, String> {
    let well_formed = text.len() == 5 && text.as_bytes()[2] == b':';
    well_formed
        .then(|| NaiveTime::parse_from_str(text, "%H:%M").ok())
        .flatten()
        .ok_or_else(|| format!("`{text}` is not a time of day; write it as `20:00`, from `00:00` to `23:59`"))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DailyHoursText {
    #[serde(with = "clock_time")]
    from: NaiveTime,
    #[serde(with = "clock_time")]
    until: NaiveTime,
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for DailyHours {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DailyHours".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let time = schemars::json_schema!({ "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$" });
        schemars::json_schema!({
            "description": "Hours of the local day, which may run over midnight. Equal ends mean the whole day.",
            "type": "object",
            "properties": { "from": time, "until": time },
            "required": ["from", "until"],
            "additionalProperties": false,
        })
    }
}

impl Serialize for DailyHours {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        DailyHoursText { from: self.from, until: self.until }.serialize(s)
    }
}

impl<'de> Deserialize<'de> for DailyHours {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        DailyHoursText::deserialize(d).map(|text| Self { from: text.from, until: text.until })
    }
}
