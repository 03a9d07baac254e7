//! The evidence for one contact: by what right it was made, what that right rested on, and what is missing. It must never flatter: what the
//! record does not show is said not to be there.

mod findings;
mod view;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use tact_domain::control::{Directory, Policies, Published};
use tact_domain::patient::events::{Event, LimitCount, Made, OccasionUsed, Override, Permitted};
use tact_domain::patient::{State, asked, evolve};
use tact_domain::policy::PurposeRule;
use tact_domain::{Actor, Branch, Channel, Direction, Outcome, Purpose, Recorded, Time, Window};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::account::{Accounts, Right, Step};

pub use findings::{Finding, FindingCode};
pub(crate) use view::View;
pub use view::{Section, told};

/// What there is to gather from.
#[derive(Debug, Clone, Copy)]
pub struct Records<'a> {
    /// The network's code.
    pub network: &'a str,
    /// The patient in whose stream the contact stands, or into whom that one was merged.
    pub patient: Uuid,
    /// The patient's events from the first one on, in order.
    pub events: &'a [Recorded],
    /// The streams of patients who were merged into this one.
    pub merged: &'a [(Uuid, Vec<Recorded>)],
    /// The published policies.
    pub policies: &'a Policies,
    /// The branches, for their time zones.
    pub directory: &'a Directory,
    /// The contact.
    pub contact: Uuid,
}

/// The evidence for one contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContactEvidence {
    /// The network's code.
    pub network: String,
    /// With whom, by id.
    pub patient: Uuid,
    /// The patient's time zone, by which a page shows times.
    #[schema(value_type = String)]
    pub time_zone: SmolStr,
    /// Which contact.
    pub contact: ContactFacts,
    /// What gives the right to this purpose, by the policy that was in force.
    pub ground: Ground,
    /// Whether Russian advertising law (38-FZ, article 18) puts the proof of consent on the network: it rests on consent, and went over
    /// a telecommunication network.
    pub advertising_law: bool,
    /// The policy by which it was permitted; without a permit, the one that was in force when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyFacts>,
    /// The permit under which it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permit: Option<PermitFacts>,
    /// The consent that it rested on, or that held when it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentFacts>,
    /// The announcement that it rested on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub announcement: Option<AnnouncementFacts>,
    /// What is missing or wrong, the grave before the rest; empty if nothing is.
    pub findings: Vec<Finding>,
}

/// The contact itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in `contact.made`")]
pub struct ContactFacts {
    pub id: Uuid,
    /// When it happened.
    pub time: DateTime<Utc>,
    #[schema(value_type = String)]
    pub direction: Direction,
    #[schema(value_type = String)]
    pub purpose: Purpose,
    #[schema(value_type = String)]
    pub channel: Channel,
    #[schema(value_type = String)]
    pub branch: Branch,
    #[schema(value_type = String)]
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<Uuid>,
    /// The event that states it.
    pub stated: Stated,
}

/// The event that states a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stated {
    /// Its id.
    pub event: Uuid,
    /// Whose stream it stands in.
    pub stream: Uuid,
    /// Its place there, from 1.
    pub sequence: u64,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// By whom.
    #[schema(value_type = String)]
    pub actor: Actor,
    /// At which branch, if at one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub branch: Option<Branch>,
    /// The SHA-256 of its stored bytes, in hexadecimal.
    pub sha256: String,
}

/// What gives the right to a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// Care for the patient.
    Care,
    /// A consent for this purpose and channel.
    Consent,
    /// The patient asked.
    Request,
    /// Nothing: the policy forbids it.
    Forbidden,
    /// Nothing: the policy does not name it.
    Unknown,
    /// There was no policy.
    NoPolicy,
}

/// A policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PolicyFacts {
    /// Its version.
    #[schema(value_type = String)]
    pub version: SmolStr,
    /// When it took effect.
    pub in_force_from: DateTime<Utc>,
    /// The SHA-256 of its text, in hexadecimal.
    pub sha256: String,
}

/// A permit and its decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in `contact.permitted`")]
pub struct PermitFacts {
    pub id: Uuid,
    pub granted_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    #[schema(value_type = String)]
    pub branch: Branch,
    #[schema(value_type = String)]
    pub policy: SmolStr,
    pub rules: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub occasion: Option<OccasionUsed>,
    #[schema(value_type = Vec<Object>)]
    pub limits: Vec<LimitCount>,
    #[schema(value_type = Vec<String>)]
    pub overrides: Vec<Override>,
    /// Made again from the events before it: whether it comes out the same; nothing if it cannot be made again, since the policy or the
    /// rules of that version are not known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<bool>,
    /// The event that states it.
    pub stated: Stated,
}

/// A consent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "as in `consent.granted`")]
pub struct ConsentFacts {
    /// When it was given.
    pub given_at: DateTime<Utc>,
    #[schema(value_type = String)]
    pub purpose: Purpose,
    #[schema(value_type = Vec<String>)]
    pub channels: Vec<Channel>,
    #[schema(value_type = String)]
    pub method: SmolStr,
    pub document: Uuid,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was next withdrawn for this channel, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// The event that states it: who took it.
    pub stated: Stated,
}

/// An announcement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnnouncementFacts {
    /// When the patient was told.
    pub told_at: DateTime<Utc>,
    /// When to expect it.
    #[schema(value_type = Object)]
    pub window: Window,
    /// The event that states it.
    pub stated: Stated,
}

/// What was found of a contact, before it is judged.
struct Found<'a> {
    records: &'a Records<'a>,
    accounts: &'a Accounts<'a>,
    step: &'a Step<'a>,
    made: &'a Made,
    permit: Option<(&'a Recorded, &'a Permitted)>,
    policy: Option<&'a Published>,
    ground: Ground,
}

/// Gathers the evidence for a contact; nothing if no event of these streams states it.
pub fn evidence(records: &Records<'_>) -> Option<ContactEvidence> {
    let zone_of = |branch: &Branch| -> Option<Tz> { records.directory.branches.get(branch)?.time_zone.parse().ok() };
    let accounts = Accounts::of(records.patient, records.events, records.merged, records.policies, &zone_of);
    let (step, made) = accounts.steps().find_map(|step| match &step.recorded.event {
        Event::Made(made) if made.contact == records.contact => Some((step, made)),
        _ => None,
    })?;
    let permit = match step.right {
        Some(Right::Permit(id)) => accounts.permit(id),
        _ => None,
    };
    let time = step.recorded.envelope.time;
    let policy = match permit {
        Some((_, permitted)) => records.policies.version(&permitted.policy),
        None => records.policies.in_force(time),
    };
    let ground = match policy.map(|published| published.policy.purposes.get(&made.purpose)) {
        None => Ground::NoPolicy,
        Some(None) => Ground::Unknown,
        Some(Some(PurposeRule::Forbidden(_))) => Ground::Forbidden,
        Some(Some(PurposeRule::Allowed(rule))) => match rule.basis {
            tact_domain::policy::Basis::Care => Ground::Care,
            tact_domain::policy::Basis::Consent => Ground::Consent,
            tact_domain::policy::Basis::Request => Ground::Request,
        },
    };
    let found = Found { records, accounts: &accounts, step, made, permit, policy, ground };
    let consent = found.consent();
    let announcement = found.announcement();
    let permit_facts = found.permit_facts();
    let mut findings = findings::all(&found, consent.as_ref(), announcement.as_ref(), permit_facts.as_ref());
    findings.sort_by_key(|finding| !finding.grave);
    // The branch's own zone, if the patient's is not known.
    let state = &accounts.own().state;
    let home = || state.home_branch.as_ref().and_then(zone_of);
    let zone = state.zone().or_else(home).unwrap_or(Tz::UTC);
    Some(ContactEvidence {
        network: records.network.to_owned(),
        patient: records.patient,
        time_zone: zone.name().into(),
        contact: ContactFacts {
            id: made.contact,
            time,
            direction: made.direction,
            purpose: made.purpose.clone(),
            channel: made.channel,
            branch: made.branch.clone(),
            outcome: accounts.outcome(made),
            about: made.about.or(permit.and_then(|(_, permitted)| permitted.about)),
            stated: found.stated(step.recorded),
        },
        ground,
        advertising_law: found.advertising_law(),
        policy: policy.map(|published| PolicyFacts {
            version: published.event.version.clone(),
            in_force_from: published.effective_from(),
            sha256: published.event.sha256.clone(),
        }),
        permit: permit_facts,
        consent,
        announcement,
        findings,
    })
}

impl Found<'_> {
    fn time(&self) -> Time {
        self.step.recorded.envelope.time
    }

    /// Advertising by letter or face to face goes over no telecommunication network.
    fn advertising_law(&self) -> bool {
        let over_a_network = match self.made.channel {
            Channel::Phone | Channel::AutoCall | Channel::Sms | Channel::Email | Channel::Messenger => true,
            Channel::Letter | Channel::InPerson => false,
        };
        self.ground == Ground::Consent && over_a_network && self.made.direction == Direction::Outbound
    }

    fn stated(&self, recorded: &Recorded) -> Stated {
        let envelope = &recorded.envelope;
        let step = self.accounts.steps().find(|step| step.recorded.envelope.id == envelope.id);
        Stated {
            event: envelope.id,
            stream: envelope.subject.parse().unwrap_or(self.records.patient),
            sequence: envelope.sequence,
            recorded_at: envelope.recorded_at,
            actor: envelope.actor.clone(),
            branch: envelope.branch.clone(),
            sha256: step.map(|step| hex::encode(step.hash)).unwrap_or_default(),
        }
    }

    fn permit_facts(&self) -> Option<PermitFacts> {
        let (recorded, permitted) = self.permit?;
        Some(PermitFacts {
            id: permitted.permit,
            granted_at: recorded.envelope.time,
            expires_at: permitted.expires_at,
            branch: permitted.branch.clone(),
            policy: permitted.policy.clone(),
            rules: permitted.rules,
            occasion: permitted.basis.occasion.clone(),
            limits: permitted.basis.limits.clone(),
            overrides: permitted.basis.overrides.clone(),
            again: self.again(recorded),
            stated: self.stated(recorded),
        })
    }

    /// Whether the decision comes out the same when it is made again from the events before it in its stream.
    fn again(&self, decided: &Recorded) -> Option<bool> {
        let account =
            self.accounts.all.iter().find(|account| account.patient.to_string() == decided.envelope.subject.as_str())?;
        let asked = asked(&decided.event)?;
        let policy = &self.records.policies.version(asked.policy)?.policy;
        let mut state = State::default();
        for step in &account.steps {
            if step.recorded.envelope.id == decided.envelope.id {
                let again = asked.again(&state, policy, decided.envelope.recorded_at).ok()?;
                return Some(again == decided.event);
            }
            evolve(&mut state, step.recorded);
        }
        None
    }

    /// The consent that the permit names; without a permit, the latest for this purpose and channel that was given by then, whatever has
    /// become of it.
    fn consent(&self) -> Option<ConsentFacts> {
        let named = self.permit.and_then(|(_, permitted)| self.accounts.consent(permitted.basis.consent.as_ref()?));
        let latest = || {
            let fits = self.accounts.steps().filter_map(|step| match &step.recorded.event {
                Event::ConsentGranted(e) if e.purpose == self.made.purpose && e.channels.contains(&self.made.channel) => {
                    Some((step.recorded, e))
                }
                _ => None,
            });
            fits.filter(|(recorded, _)| recorded.envelope.time <= self.time()).max_by_key(|(recorded, _)| recorded.envelope.time)
        };
        let (recorded, granted) = named.or_else(latest)?;
        let given_at = recorded.envelope.time;
        let withdrawals = self.accounts.all.iter().flat_map(|account| &account.state.withdrawals);
        let withdrawn_at = withdrawals
            .filter(|w| w.time >= given_at)
            .filter(|w| w.purpose.as_ref().is_none_or(|of| *of == granted.purpose))
            .filter(|w| w.channels.as_ref().is_none_or(|channels| channels.contains(&self.made.channel)))
            .map(|w| w.time)
            .min();
        Some(ConsentFacts {
            given_at,
            purpose: granted.purpose.clone(),
            channels: granted.channels.clone(),
            method: granted.evidence.method.clone(),
            document: granted.evidence.document,
            expires_at: granted.expires_at,
            withdrawn_at,
            stated: self.stated(recorded),
        })
    }

    /// The announcement that the permit names; without a permit, one of this purpose whose window the contact fell into, told before it.
    fn announcement(&self) -> Option<AnnouncementFacts> {
        let named = self.permit.and_then(|(recorded, permitted)| self.accounts.announcement(recorded, permitted));
        let covering = || {
            self.accounts.steps().map(|step| step.recorded).find(|recorded| match &recorded.event {
                Event::Announced(e) => {
                    e.purpose == self.made.purpose
                        && e.window.contains(self.time())
                        && recorded.envelope.time <= self.time()
                        && e.about.is_none_or(|about| self.made.about.is_none_or(|of| of == about))
                }
                _ => false,
            })
        };
        let recorded = match self.permit {
            Some(_) => named,
            None => covering(),
        }?;
        let Event::Announced(e) = &recorded.event else { return None };
        Some(AnnouncementFacts { told_at: recorded.envelope.time, window: e.window, stated: self.stated(recorded) })
    }
}
