//! One intention or contact, and what became of it under the other policy.

use serde::Serialize;
use smol_str::SmolStr;
use tact_domain::patient::Decision;
use tact_domain::patient::decide::Reason;
use tact_domain::patient::events::Event;
use tact_domain::{Branch, Channel, Outcome, Purpose, Recorded, Time};
use uuid::Uuid;

/// What became of a recorded intention or contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// Permitted, and would be.
    PermitKept,
    /// Permitted, and would have been refused.
    PermitRefused,
    /// Refused, and would be.
    RefusalKept,
    /// Refused, and would have been permitted; counts as an unanswered attempt.
    RefusalPermitted,
    /// Made under a permit that would have been granted.
    ContactKept,
    /// Made under a permit that would have been refused: it leaves.
    ContactLeftWithPermit,
    /// Made under a permit that would not have been live any more, and permitted if asked for again.
    ContactKeptAnew,
    /// Made under a permit that would not have been live any more, and refused if asked for again: it leaves.
    ContactLeftAnew,
    /// Made without a permit; both policies would have permitted it.
    UnaskedKept,
    /// Made without a permit; the policy of its day would have permitted it, this one would not: it leaves.
    UnaskedLeft,
    /// Made without a permit and against both policies: it stays.
    UnaskedAgainstBoth,
    /// Made without a permit and against the policy of its day; this one would have permitted it: it stays.
    UnaskedNowRight,
}

impl Fate {
    /// Whether the history comes out otherwise by it.
    pub const fn is_change(self) -> bool {
        matches!(self, Self::PermitRefused | Self::RefusalPermitted | Self::UnaskedNowRight) || self.leaves()
    }

    /// Whether a contact leaves the history.
    pub const fn leaves(self) -> bool {
        matches!(self, Self::ContactLeftWithPermit | Self::ContactLeftAnew | Self::UnaskedLeft)
    }

    /// Whether it is of a contact, and not of an intention.
    pub const fn is_contact(self) -> bool {
        !matches!(self, Self::PermitKept | Self::PermitRefused | Self::RefusalKept | Self::RefusalPermitted)
    }

    /// It in words, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::PermitKept => "permitted, as it was",
            Self::PermitRefused => "was permitted, would have been refused",
            Self::RefusalKept => "refused, as it was",
            Self::RefusalPermitted => "was refused, would have been permitted: counts as an unanswered attempt",
            Self::ContactKept => "contact stays",
            Self::ContactLeftWithPermit => "contact leaves with its permit",
            Self::ContactKeptAnew => "contact stays: its permit would have run out, and another been granted",
            Self::ContactLeftAnew => "contact leaves: its permit would have run out, and another been refused",
            Self::UnaskedKept => "contact without a permit stays: both policies would have permitted it",
            Self::UnaskedLeft => "contact without a permit leaves: it would have been permitted then, and refused now",
            Self::UnaskedAgainstBoth => "contact without a permit stays: it was made against both policies",
            Self::UnaskedNowRight => "contact without a permit stays: against the policy of its day, permitted by this one",
        }
    }
}

/// A step of the replay, as it happens.
#[derive(Debug)]
pub struct Step<'a> {
    /// The patient whose stream it stands in.
    pub patient: Uuid,
    /// What was recorded: `contact.permitted`, `contact.refused` or an outbound `contact.made`.
    pub recorded: &'a Recorded,
    /// What became of it.
    pub fate: Fate,
    /// For a contact without a permit: the decision by the policy of its day, if there was one.
    pub then: Option<&'a Decision>,
    /// The decision by the other policy, where one was made at this step.
    pub now: Option<&'a Decision>,
    /// The permit that a contact was made under.
    pub permit: Option<Uuid>,
}

/// A step in the form in which it is listed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The patient whose stream it stands in.
    pub patient: Uuid,
    /// The recorded event.
    pub event: Uuid,
    /// Its place in the patient's stream, from 1.
    pub sequence: u64,
    /// When it happened.
    pub time: Time,
    /// What became of it.
    pub what: Fate,
    /// What for.
    pub purpose: Purpose,
    /// How.
    pub channel: Channel,
    /// Which branch.
    pub branch: Branch,
    /// Its occasion as it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Uuid>,
    /// The permit that was granted, or that the contact was made under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permit: Option<Uuid>,
    /// The contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Uuid>,
    /// How the contact ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The version of the policy that decided, or would have on the day of a contact without a permit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_then: Option<SmolStr>,
    /// Why that policy refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons_then: Vec<Reason>,
    /// Why the other policy refuses. Contacts counted under an id that no contact has are refusals that it permits: theirs is the
    /// id of the refusal's event.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

impl Step<'_> {
    /// The step as it is listed; `None` for an event that is neither an intention nor a contact.
    pub fn change(&self) -> Option<Change> {
        let said = |decision: &Decision| match decision {
            Decision::Permitted(e) => e.policy.clone(),
            Decision::Refused(e) => e.policy.clone(),
        };
        let envelope = &self.recorded.envelope;
        let reasons = |decision: Option<&Decision>| decision.map(|d| d.reasons().to_vec()).unwrap_or_default();
        let change = |purpose: &Purpose, channel, branch: &Branch, about| Change {
            patient: self.patient,
            event: envelope.id,
            sequence: envelope.sequence,
            time: envelope.time,
            what: self.fate,
            purpose: purpose.clone(),
            channel,
            branch: branch.clone(),
            about,
            permit: self.permit,
            contact: None,
            outcome: None,
            policy_then: self.then.map(said),
            reasons_then: reasons(self.then),
            reasons: reasons(self.now),
        };
        match &self.recorded.event {
            Event::Permitted(e) => Some(Change {
                permit: Some(e.permit),
                policy_then: Some(e.policy.clone()),
                ..change(&e.purpose, e.channel, &e.branch, e.about)
            }),
            Event::Refused(e) => Some(Change {
                policy_then: Some(e.policy.clone()),
                reasons_then: e.reasons.clone(),
                ..change(&e.purpose, e.channel, &e.branch, e.about)
            }),
            Event::Made(e) => Some(Change {
                contact: Some(e.contact),
                outcome: Some(e.outcome),
                ..change(&e.purpose, e.channel, &e.branch, e.about)
            }),
            _ => None,
        }
    }
}
