//! What a merge carries from one patient's stream to another's: everything that still matters. It must never carry less than a decision needs.

use serde::{Deserialize, Serialize};

use crate::Time;

/// Facts of one patient that a merge or its undoing carries to another stream.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each field is the list of facts that its name says")]
pub struct Carried {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<super::state::Contact>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permits: Vec<super::state::Permit>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<super::state::Grant>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawals: Vec<super::state::Withdrawal>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub appointments: Vec<super::state::Appointment>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<super::state::Request>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub announcements: Vec<super::state::Announcement>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referrals: Vec<super::state::Referral>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recommendations: Vec<super::state::Recommendation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Time>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_details: Vec<super::state::NewDetails>,
    pub preferences: super::state::Preferences,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deceased: bool,
}
