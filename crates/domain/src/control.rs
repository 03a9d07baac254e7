//! The events outside patients' streams: published policies, and the directory of branches, providers and clinicians who have left.
//! What was handed out is in [`crate::disclosure`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use uuid::Uuid;

use crate::Time;
use crate::envelope::{Payload, Recorded, Unreadable};
use crate::values::*;

/// The least time between a policy's publication and its effect: one minute. Whoever read the policies within it knows every one in force.
pub const POLICY_NOTICE: chrono::Duration = chrono::Duration::seconds(60);

/// The data of `policy.published`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyPublished {
    /// The version by which decisions name it.
    pub version: SmolStr,
    /// The text, as it was published.
    pub text: String,
    /// The SHA-256 of the text, in hexadecimal.
    pub sha256: String,
    /// When it takes effect; at least [`POLICY_NOTICE`] after it was recorded.
    pub effective_from: Time,
}

impl Payload for PolicyPublished {
    fn kind(&self) -> &'static str {
        "policy.published"
    }
    fn version(&self) -> u16 {
        1
    }
    fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable> {
        match (kind, version) {
            ("policy.published", 1) => read(kind, data),
            _ => unknown(kind, version, &["policy.published"]),
        }
    }
}

pub(crate) fn read<T: serde::de::DeserializeOwned>(kind: &str, data: &RawValue) -> Result<T, Unreadable> {
    serde_json::from_str(data.get()).map_err(|e| Unreadable::Data { kind: kind.to_owned(), error: e.to_string() })
}

pub(crate) fn unknown<T>(kind: &str, version: u16, known: &[&str]) -> Result<T, Unreadable> {
    Err(if known.contains(&kind) {
        Unreadable::Version { kind: kind.to_owned(), version }
    } else {
        Unreadable::Kind(kind.chars().take(80).collect())
    })
}

/// An event of the directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum DirectoryEvent {
    /// A branch of the network, new or changed.
    BranchListed(BranchListed),
    /// Somebody outside who offers services (P11, P12), new or changed.
    ProviderListed(ProviderListed),
    /// A clinician has left, and where to (P13). There is no field for a personal number.
    ClinicianDeparted(ClinicianDeparted),
}

/// A place on the map, WGS 84.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

/// The data of `branch.listed`: a branch as it is from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BranchListed {
    /// Its code.
    pub branch: Branch,
    /// Its name, for people.
    pub name: String,
    /// The name of its time zone.
    pub time_zone: SmolStr,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Its working hours: for a day from `monday` to `sunday`, from when until when; an absent day is closed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hours: BTreeMap<SmolStr, DailyHours>,
    /// The services that it offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceCode>,
}

/// The data of `provider.listed`: a provider as it is from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ProviderListed {
    /// Its id.
    pub provider: Uuid,
    /// Its name, for people: an institution's, not a person's.
    pub name: String,
    /// The services that it offers.
    pub services: Vec<ServiceCode>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The institution's published telephone number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Its site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// The name of the time zone whose clock its working hours show; absent: nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<SmolStr>,
    /// Its working hours, as for a branch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hours: BTreeMap<SmolStr, DailyHours>,
}

/// The data of `clinician.departed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClinicianDeparted {
    /// Who has left.
    pub clinician: Uuid,
    /// The name of the clinic where they work now.
    pub new_clinic: String,
}

impl Payload for DirectoryEvent {
    fn kind(&self) -> &'static str {
        match self {
            Self::BranchListed(_) => "branch.listed",
            Self::ProviderListed(_) => "provider.listed",
            Self::ClinicianDeparted(_) => "clinician.departed",
        }
    }
    fn version(&self) -> u16 {
        1
    }
    fn read(kind: &str, version: u16, data: &RawValue) -> Result<Self, Unreadable> {
        match (kind, version) {
            ("branch.listed", 1) => read(kind, data).map(Self::BranchListed),
            ("provider.listed", 1) => read(kind, data).map(Self::ProviderListed),
            ("clinician.departed", 1) => read(kind, data).map(Self::ClinicianDeparted),
            _ => unknown(kind, version, &["branch.listed", "provider.listed", "clinician.departed"]),
        }
    }
}

/// What the directory says after the events so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Directory {
    /// The network's branches.
    pub branches: BTreeMap<Branch, BranchListed>,
    /// Providers outside.
    pub providers: BTreeMap<Uuid, ProviderListed>,
    /// Clinicians who have left, and where to.
    pub departed: BTreeMap<Uuid, ClinicianDeparted>,
}

impl Directory {
    /// The directory after one more event.
    pub fn evolve(&mut self, event: DirectoryEvent) {
        match event {
            DirectoryEvent::BranchListed(e) => {
                self.branches.insert(e.branch.clone(), e);
            }
            DirectoryEvent::ProviderListed(e) => {
                self.providers.insert(e.provider, e);
            }
            DirectoryEvent::ClinicianDeparted(e) => {
                self.departed.insert(e.clinician, e);
            }
        }
    }
}

/// A published policy with its text read.
#[derive(Debug, Clone)]
pub struct Published {
    /// As it was published.
    pub event: PolicyPublished,
    /// When its publication was recorded.
    pub recorded_at: Time,
    /// What it says.
    pub policy: std::sync::Arc<crate::policy::Policy>,
}

/// The network's policies, in the order of publication.
#[derive(Debug, Clone, Default)]
pub struct Policies {
    published: Vec<Published>,
}

impl Policies {
    /// The policies after one more publication.
    ///
    /// # Errors
    /// [`Unreadable`] if the text is not a policy that this version of Tact can read, or not the text whose hash was published: nothing may then be decided.
    pub fn evolve(&mut self, recorded: Recorded<PolicyPublished>) -> Result<(), Unreadable> {
        let damaged = |error: String| Unreadable::Data { kind: "policy.published".to_owned(), error };
        let event = recorded.event;
        if hex::encode(crate::envelope::hash(event.text.as_bytes())) != event.sha256 {
            return Err(damaged(format!("the text of policy {} does not have the hash that was published", event.version)));
        }
        let policy = crate::policy::text::parse(&event.text, &event.version).map_err(|mistakes| {
            damaged(format!("policy {}: {}", event.version, mistakes.first().map(ToString::to_string).unwrap_or_default()))
        })?;
        self.published.push(Published { event, recorded_at: recorded.envelope.recorded_at, policy: policy.into() });
        Ok(())
    }

    /// The policy in force at a moment: of those in effect, the one that took effect last; of several at once, the last published.
    pub fn in_force(&self, now: Time) -> Option<&Published> {
        in_force(&self.published, now)
    }

    /// A policy by its version.
    pub fn version(&self, version: &str) -> Option<&Published> {
        self.published.iter().find(|p| p.event.version == version)
    }

    /// When the first policy took effect: contacts before that moment were made before Tact, and are no breaches of it.
    pub fn first_effect(&self) -> Option<Time> {
        self.published.iter().map(Published::effective_from).min()
    }

    /// Every policy, in the order of publication.
    pub fn all(&self) -> &[Published] {
        &self.published
    }
}

/// The policy among these, in the order of publication, that is in force at a moment; see [`Policies::in_force`].
pub fn in_force(published: &[Published], now: Time) -> Option<&Published> {
    let in_effect = published.iter().enumerate().filter(|(_, p)| p.effective_from() <= now);
    in_effect.max_by_key(|(at, p)| (p.effective_from(), *at)).map(|(_, p)| p)
}

impl Published {
    /// When it takes effect: as published, and never with less notice than it must have, whatever clock published it.
    pub fn effective_from(&self) -> Time {
        self.event.effective_from.max(self.recorded_at + POLICY_NOTICE)
    }
}
