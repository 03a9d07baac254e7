//! From a patient's state to the rows that follow from it: pure, and the same whoever asks and whenever.

use std::collections::BTreeSet;

use chrono_tz::Tz;
use tact_domain::patient::audit::audit;
use tact_domain::patient::events::Override;
use tact_domain::patient::state::{Standing, State};
use tact_domain::patient::{QuotaLine, agenda, occasion, quota};
use tact_domain::policy::{Measure, Per, Policy, PurposeRule};
use tact_domain::{Direction, OccasionKind, Purpose, Time, Zone, to_millis};
use tact_event_log::Position;
use tact_read_models::audit::FindingRow;
use tact_read_models::due::DueRow;
use tact_read_models::forgetting::ForgettingRow;
use tact_read_models::quotas::QuotaRow;
use tact_read_models::referrals::ReferralRow;
use tact_read_models::referrers::ReferrerRow;
use uuid::Uuid;

use crate::cache::Patient;
use crate::network::Network;
use crate::rows::Rows;

/// The rows that follow from a patient's state and the policy. Nothing at all for a patient who is set aside.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Derived {
    pub(crate) due: Vec<DueRow>,
    pub(crate) quotas: Vec<QuotaRow>,
    pub(crate) referrer: Option<ReferrerRow>,
    pub(crate) referrals: Vec<ReferralRow>,
    pub(crate) forgetting: Option<ForgettingRow>,
    /// These alone do not follow from the policy in force, but from those that were.
    pub(crate) findings: Vec<FindingRow>,
}

/// The rows for a patient. Without a policy nothing is owed and nothing limited.
fn derive(patient: Uuid, state: &State, policy: Option<&Policy>, tz: Tz) -> Derived {
    let branch = state.home_branch.as_ref().map_or("", |b| b.as_str());
    let mut derived = Derived {
        forgetting: state.forget_at().map(|at| ForgettingRow { patient, forget_at: to_millis(at) }),
        ..Derived::default()
    };
    let mut ask: Option<(Time, Option<Time>)> = None;
    let mut to_call = BTreeSet::new();
    if let Some(policy) = policy {
        let zone = Zone::new(tz);
        let entries = agenda(state, policy, &zone);
        let to_referrer = entries.iter().filter(|e| e.occasion == OccasionKind::Referrer);
        ask = to_referrer.map(|e| (e.from, e.until)).min();
        to_call.extend(entries.iter().filter(|e| e.occasion == OccasionKind::CareReferral).map(|e| e.about));
        derived.due = entries.iter().map(|entry| DueRow::new(patient, entry)).collect();
        derived.quotas = quota_rows(patient, state, policy, branch, &zone);
        // Two facts recorded under one id would be two rows under one key: the first stands for both.
        keep_first(&mut derived.due, |row| (row.purpose.clone(), row.about));
        keep_first(&mut derived.quotas, |row| (row.purpose.clone(), row.limit_no, row.about));
    }
    derived.referrals = referral_rows(patient, state, branch, &to_call);
    let last = state.recommendations.iter().map(|r| r.time).max();
    derived.referrer = last.map(|last_at| ReferrerRow {
        patient,
        branch: branch.to_owned(),
        recommended: state.recommendations.len().cast_signed() as i64,
        last_at: to_millis(last_at),
        ask_from: ask.map(|(from, _)| to_millis(from)),
        ask_until: ask.and_then(|(_, until)| until.map(to_millis)),
    });
    derived
}

/// The referrals under way. `to_call`: those about which a call is owed.
fn referral_rows(patient: Uuid, state: &State, branch: &str, to_call: &BTreeSet<Uuid>) -> Vec<ReferralRow> {
    if state.standing != Standing::Open {
        return Vec::new();
    }
    let open = state.referrals.iter().filter(|referral| referral.closed_at.is_none());
    let mut rows: Vec<ReferralRow> = open
        .map(|referral| ReferralRow {
            patient,
            referral: referral.id,
            branch: branch.to_owned(),
            need: referral.need.as_str().to_owned(),
            opened_at: to_millis(referral.opened_at),
            provider: referral.arranged.map(|(provider, _)| provider),
            arranged_at: referral.arranged.map(|(_, at)| to_millis(at)),
            to_call: to_call.contains(&referral.id),
        })
        .collect();
    keep_first(&mut rows, |row| row.referral);
    rows
}

/// What was done against the policies of its time. Only those policies count that the log holds before the patient's last event, so that a
/// projector which is behind and has read of later ones comes to the same.
pub(crate) fn findings(id: Uuid, patient: &Patient, network: &Network, tz: Tz) -> Vec<FindingRow> {
    if patient.set_aside {
        return Vec::new();
    }
    let policies = network.published(Position::from_stored(patient.position));
    let found = audit(&patient.state, &patient.trail, policies, &Zone::new(tz));
    let mut rows: Vec<FindingRow> = found.iter().map(|finding| FindingRow::new(id, finding)).collect();
    keep_first(&mut rows, |row| row.finding);
    rows
}

/// Computes what follows from a patient's state, and notes what has changed.
pub(crate) fn renew(rows: &mut Rows, id: Uuid, patient: &mut Patient, policy: Option<&Policy>, network: &Network) {
    let mut new = Derived::default();
    if !patient.set_aside {
        let tz = network.zone(&patient.state);
        new = derive(id, &patient.state, policy, tz);
        new.findings = findings(id, patient, network, tz);
    }
    rows.replace(id, patient.written.as_ref(), &new);
    patient.written = Some(new);
}

fn keep_first<R, K: Ord>(rows: &mut Vec<R>, key: impl Fn(&R) -> K) {
    if rows.len() > 1 {
        let mut seen = BTreeSet::new();
        rows.retain(|row| seen.insert(key(row)));
    }
}

/// The limits that anything has been counted against, as they stood when the last event was recorded. From then on a count only falls while
/// nothing happens, so the moment at which an exhausted limit has room again says all there is to say.
fn quota_rows(patient: Uuid, state: &State, policy: &Policy, branch: &str, zone: &Zone) -> Vec<QuotaRow> {
    let Some(now) = state.last_recorded_at else { return Vec::new() };
    let contacted = state.contacts.iter().filter(|c| c.direction == Direction::Outbound).map(|c| &c.purpose);
    let mut purposes: BTreeSet<&Purpose> = contacted.chain(state.permits.iter().map(|p| &p.purpose)).collect();
    if !state.feedback.is_empty() {
        let limits_feedback = |rule: &PurposeRule| match rule {
            PurposeRule::Allowed(rule) => rule.limits.iter().any(|l| l.measure == Measure::Feedback),
            PurposeRule::Forbidden(_) => false,
        };
        purposes.extend(policy.purposes.iter().filter(|(_, rule)| limits_feedback(rule)).map(|(purpose, _)| purpose));
    }
    if purposes.is_empty() {
        return Vec::new();
    }
    let row = |purpose: &str, limit_no: usize, about: Uuid, line: QuotaLine| QuotaRow {
        patient,
        purpose: purpose.to_owned(),
        limit_no: limit_no.cast_signed() as i64,
        about,
        overall: line.overall,
        words: line.limit.to_string(),
        most: line.max.into(),
        counted: line.used.into(),
        room_at: line.next.map(to_millis),
        never: line.used >= line.max && line.next.is_none(),
        branch: branch.to_owned(),
    };
    let mut rows = Vec::new();
    for purpose in purposes {
        let Some(rule) = policy.rule(purpose) else { continue };
        let is_per_occasion = |line: usize| rule.limits.get(line).is_some_and(|l| l.per == Per::Occasion);
        let mut add = |about: Option<Uuid>, per_occasion: bool| {
            let lines = quota(state, policy, purpose, about, now, zone).into_iter().enumerate();
            let counted = lines.filter(|(no, line)| !line.overall && line.used > 0 && is_per_occasion(*no) == per_occasion);
            rows.extend(counted.map(|(no, line)| row(purpose.as_str(), no, about.unwrap_or_default(), line)));
        };
        if rule.limits.iter().any(|l| l.per != Per::Occasion) {
            add(None, false);
        }
        if let Some(kind) = rule.occasion.filter(|_| rule.limits.iter().any(|l| l.per == Per::Occasion)) {
            for occasion in occasion::occasions(state, kind) {
                add(Some(occasion.about), true);
            }
        }
    }
    // What overrides the overall limits still counts towards them: ask by any purpose that they hold for.
    let held = policy.purposes.iter().find(|(_, rule)| match rule {
        PurposeRule::Allowed(rule) => !rule.overrides(Override::OverallLimits),
        PurposeRule::Forbidden(_) => false,
    });
    if let Some((purpose, _)) = held.filter(|_| !policy.overall.is_empty()) {
        let lines = quota(state, policy, purpose, None, now, zone).into_iter().filter(|line| line.overall);
        rows.extend(lines.enumerate().filter(|(_, line)| line.used > 0).map(|(no, line)| row("", no, Uuid::nil(), line)));
    }
    rows
}
