//! What another policy would have refused and permitted in what was recorded, as `tact policy simulate` tells it.
//!
//! Nothing is recorded, and nobody is named: patients neither by name nor by id, contacts by id and a few of them only. Bounded: one question at
//! a time in a process, so many days, so many events. Whoever needs more has the command.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::envelope::hash;
use tact_domain::patient::Decision;
use tact_domain::patient::decide::Reason;
use tact_domain::patient::events::Event;
use tact_domain::policy::Policy;
use tact_domain::policy::text::parse;
use tact_domain::{Branch, Code};
use tact_replay::{Broken, Reading, Replayed, Watch, replay};
use tact_service::{App, Permission, Problem, Write};
use tact_what_if::{Counts, Fate, Question, RULES, Step};
use tokio::sync::{Semaphore, SemaphorePermit};
use utoipa::ToSchema;
use uuid::Uuid;

use super::publish::refused;

/// The longest span of a question, in days.
const MOST_DAYS: i64 = 92;
/// The most events of a log that is read for it: every decision rests on what came before, so it is read from its beginning.
const MOST_EVENTS: usize = 300_000;
/// How long it may take, and how long it may wait for its turn: together less than any request may, so that whoever asks is told the way out.
const LONGEST: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_secs(5);
/// How many contacts of either kind are named.
const EXAMPLES: usize = 5;

/// One question at a time: each holds the state of every patient in memory.
static SEAT: Semaphore = Semaphore::const_new(1);

/// Which policy, and when it would have held.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(
    as = PolicyWhatIf,
    example = json!({"version": "default", "from": "2026-01-01T00:00:00+03:00", "until": "2026-03-01T00:00:00+03:00"}),
)]
pub(crate) struct Asked {
    /// The other policy's text, TOML, as it would be published; in place of `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The version of a published policy; in place of `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The first moment at which it would have held, with an offset.
    from: DateTime<Utc>,
    /// The first moment at which it would no longer have held; `to` says the same. At most 92 days after `from`.
    #[serde(alias = "to")]
    until: DateTime<Utc>,
}

/// What would have come out otherwise.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyWhatIfTold)]
pub(crate) struct Told {
    /// The published version that was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// The SHA-256 of the policy's text, in hexadecimal.
    sha256: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
    /// Up to which position of the log it is true.
    position: String,
    /// How many events were read.
    #[schema(example = 1042)]
    events: u64,
    /// Patients whose streams cannot be read through: from there on nothing of them is counted.
    #[schema(example = 0)]
    set_aside: u64,
    /// Everything together.
    total: Figures,
    /// By branch.
    branches: Vec<OfBranch>,
    /// By branch and reason. What has several reasons counts under each of them.
    reasons: Vec<OfReason>,
    /// A few contacts of either kind, the earliest in the log: `GET /v1/contacts/{contact}/evidence` says more of them.
    examples: Vec<Example>,
    /// How it was reckoned, in sentences.
    #[schema(example = json!(["Everything else stays as it was recorded: nobody asks, books, withdraws or answers otherwise than they did."]))]
    rules: Vec<&'static str>,
}

/// How much there was in the span, and how much of it would have come out otherwise.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = PolicyWhatIfFigures)]
pub(crate) struct Figures {
    /// Outbound contacts that were made, whatever their outcome.
    #[schema(example = 120)]
    contacts: u64,
    /// Of these, those that would have been refused: with their permit, or by themselves if they had none.
    #[schema(example = 14)]
    contacts_refused: u64,
    /// Of the contacts that would have been refused, those that reached the patient.
    #[schema(example = 6)]
    contacts_refused_reached: u64,
    /// Contacts without a permit and against the policy of their day that this one would have permitted.
    #[schema(example = 2)]
    contacts_permitted: u64,
    /// Permits that were granted.
    #[schema(example = 118)]
    permits: u64,
    /// Of these, those that would have been refused.
    #[schema(example = 13)]
    permits_refused: u64,
    /// Times that a permit was refused.
    #[schema(example = 31)]
    refusals: u64,
    /// Of these, those that would have been permitted. Whether the patient would have been reached, nobody knows.
    #[schema(example = 0)]
    refusals_permitted: u64,
}

/// The same of one branch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyWhatIfBranch)]
pub(crate) struct OfBranch {
    branch: String,
    #[serde(flatten)]
    figures: Figures,
}

/// How often one reason made the difference at one branch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyWhatIfReason)]
pub(crate) struct OfReason {
    branch: String,
    /// The code of the reason, as refusals have it.
    #[schema(example = "limit_reached")]
    reason: &'static str,
    #[serde(flatten)]
    times: Times,
}

#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = PolicyWhatIfTimes)]
pub(crate) struct Times {
    /// Contacts that would have been refused for it.
    #[schema(example = 14)]
    contacts_refused: u64,
    /// Permits that would have been refused for it.
    #[schema(example = 13)]
    permits_refused: u64,
    /// Contacts against the policy of their day for it, that would have been permitted.
    #[schema(example = 2)]
    contacts_permitted: u64,
    /// Refusals for it that would have been permits.
    #[schema(example = 0)]
    refusals_permitted: u64,
}

/// A contact that would have come out otherwise.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyWhatIfExample)]
pub(crate) struct Example {
    contact: Uuid,
    branch: String,
    /// `refused` or `permitted`: what it would have been.
    #[schema(example = "refused")]
    otherwise: &'static str,
    /// Why it would have been refused; or why it was against the policy of its day.
    #[schema(example = json!(["limit_reached"]))]
    reasons: Vec<&'static str>,
}

/// Say what another policy would have changed
///
/// The recorded decisions and contacts of a span are decided again by the other policy, by the rules of docs/WHATIF.md. Nothing is recorded. At
/// most 92 days, over a log of at most 300,000 events; `tact policy simulate` tells the same of any span of any log, and each single change.
#[utoipa::path(
    post, path = "/v1/policies/what-if", tag = "directory",
    params(("Idempotency-Key" = String, Header)),
    request_body = Asked,
    responses((status = 200, description = "What would have come out otherwise", body = Told), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn tell(State(app): State<Arc<App>>, write: Write<Asked>) -> Result<Json<Told>, Problem> {
    write.caller.may(Permission::PublishPolicy)?;
    if !write.caller.covers_all() {
        return Err(Problem::forbidden(
            "a policy holds for every branch; it takes a network manager of the whole network to ask what one would have changed",
        ));
    }
    let Asked { text, version, from, until } = &write.body;
    span(*from, *until)?;
    let (policy, sha256) = asked_for(&app, text.as_deref(), version.as_deref()).await?;
    let seat = match tokio::time::timeout(TURN, SEAT.acquire()).await {
        Ok(seat) => seat.map_err(Problem::hidden)?,
        Err(_late) => {
            let busy = "others have asked such a question, and they are answered one at a time; ask again";
            return Err(Problem::unavailable(busy).retry_after(5));
        }
    };
    let question = Question { policy, since: Some(*from), until: Some(*until), branch: None };
    let telling = replay(&**app.transactor.log(), Reading::Passing(MOST_EVENTS), question, Telling::new(seat));
    let (replayed, telling) = match tokio::time::timeout(LONGEST, telling).await {
        Ok(told) => told.map_err(broken)?,
        Err(_late) => return Err(too_much(format!("was not read through within {} s", LONGEST.as_secs()))),
    };
    Ok(Json(told(&write.body, sha256, replayed, telling)))
}

fn span(from: DateTime<Utc>, until: DateTime<Utc>) -> Result<(), Problem> {
    if until <= from {
        return Err(Problem::field("until", format!("{until} is not behind `from`, {from}: nothing lies between them")));
    }
    // A day that is begun is a day.
    let days = (until - from - chrono::Duration::nanoseconds(1)).num_days() + 1;
    if days > MOST_DAYS {
        return Err(Problem::field(
            "until",
            format!(
                "is {days} days after `from`, and at most {MOST_DAYS} are told here; ask for less, or run `tact policy simulate --policy FILE \
                 --since FROM --until UNTIL` where the log is"
            ),
        ));
    }
    Ok(())
}

async fn asked_for(app: &App, text: Option<&str>, version: Option<&str>) -> Result<(Policy, String), Problem> {
    match (text, version) {
        (Some(text), None) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let policy = parse(text, "what-if").map_err(|mistakes| refused(&mistakes))?;
            Ok((policy, hex::encode(hash(text.as_bytes()))))
        }
        (None, Some(version)) => {
            app.control.refresh().await?;
            let policies = app.control.policies();
            let published = super::diff::version(&policies, "version", version)?;
            Ok(((*published.policy).clone(), published.event.sha256.clone()))
        }
        _ => Err(Problem::field("text", "name the other policy either by its `text` or by its `version`")),
    }
}

fn broken(broken: Broken) -> Problem {
    match broken {
        Broken::Log(error) => error.into(),
        Broken::TooLong(most) => too_much(format!("holds more than {most} events")),
        Broken::Ended => Problem::hidden(broken),
    }
}

/// No other span helps: what was decided in it rests on everything before.
fn too_much(what: String) -> Problem {
    Problem::field(
        "from",
        format!(
            "for any span the log is read from its beginning, and it {what}; run `tact policy simulate --policy FILE --since FROM --until UNTIL` \
             where the log is"
        ),
    )
}

/// What is counted beside the report.
struct Telling {
    /// Given back when the thread that decides has ended, also if nobody waits for it any more.
    _seat: SemaphorePermit<'static>,
    reasons: BTreeMap<(Branch, Code), Times>,
    /// Why permits would have been refused, for the contacts under them.
    permits: HashMap<Uuid, BTreeSet<Code>>,
    refused: Vec<Example>,
    permitted: Vec<Example>,
}

fn codes(reasons: &[Reason]) -> BTreeSet<Code> {
    reasons.iter().map(|reason| reason.code).collect()
}

impl Telling {
    fn new(seat: SemaphorePermit<'static>) -> Self {
        let (reasons, permits) = (BTreeMap::new(), HashMap::new());
        Self { _seat: seat, reasons, permits, refused: Vec::new(), permitted: Vec::new() }
    }

    fn count(&mut self, branch: &Branch, codes: &BTreeSet<Code>, which: impl Fn(&mut Times) -> &mut u64) {
        for code in codes {
            *which(self.reasons.entry((branch.clone(), *code)).or_default()) += 1;
        }
    }
}

impl Watch for Telling {
    fn sees(&mut self, step: &Step<'_>) {
        let now = || codes(step.now.map(Decision::reasons).unwrap_or_default());
        match (&step.recorded.event, step.fate) {
            (Event::Permitted(e), Fate::PermitRefused) => {
                let codes = now();
                self.count(&e.branch, &codes, |times| &mut times.permits_refused);
                self.permits.insert(e.permit, codes);
            }
            (Event::Refused(e), Fate::RefusalPermitted) => {
                self.count(&e.branch, &codes(&e.reasons), |times| &mut times.refusals_permitted);
            }
            (Event::Made(e), fate) if fate.leaves() => {
                let of_permit = step.permit.filter(|_| fate == Fate::ContactLeftWithPermit);
                let codes = match of_permit {
                    // A permit before the span was granted whatever the other policy says.
                    Some(permit) => self.permits.get(&permit).cloned().unwrap_or_default(),
                    None => now(),
                };
                self.count(&e.branch, &codes, |times| &mut times.contacts_refused);
                example(&mut self.refused, e.contact, &e.branch, "refused", &codes);
            }
            (Event::Made(e), Fate::UnaskedNowRight) => {
                let codes = codes(step.then.map(Decision::reasons).unwrap_or_default());
                self.count(&e.branch, &codes, |times| &mut times.contacts_permitted);
                example(&mut self.permitted, e.contact, &e.branch, "permitted", &codes);
            }
            _ => {}
        }
    }
}

fn example(kept: &mut Vec<Example>, contact: Uuid, branch: &Branch, otherwise: &'static str, codes: &BTreeSet<Code>) {
    if kept.len() < EXAMPLES {
        let reasons = codes.iter().map(|code| code.as_str()).collect();
        kept.push(Example { contact, branch: branch.to_string(), otherwise, reasons });
    }
}

impl From<Counts> for Figures {
    fn from(counts: Counts) -> Self {
        Self {
            contacts: counts.contacts,
            contacts_refused: counts.left_out,
            contacts_refused_reached: counts.left_out_reached,
            contacts_permitted: counts.unasked_now_right,
            permits: counts.permitted,
            permits_refused: counts.now_refused,
            refusals: counts.refused,
            refusals_permitted: counts.now_permitted,
        }
    }
}

fn told(asked: &Asked, sha256: String, replayed: Replayed, telling: Telling) -> Told {
    let report = replayed.report;
    let mut branches: BTreeMap<String, Counts> = BTreeMap::new();
    for row in report.rows {
        let counts = branches.entry(row.branch.to_string()).or_default();
        *counts = counts.plus(row.counts);
    }
    let reason =
        |((branch, code), times): ((Branch, Code), Times)| OfReason { branch: branch.to_string(), reason: code.as_str(), times };
    Told {
        version: asked.version.clone(),
        sha256,
        from: asked.from,
        until: asked.until,
        position: replayed.read_up_to.to_string(),
        events: report.events,
        set_aside: report.set_aside,
        total: report.total.into(),
        branches: branches.into_iter().map(|(branch, counts)| OfBranch { branch, figures: counts.into() }).collect(),
        reasons: telling.reasons.into_iter().map(reason).collect(),
        examples: telling.refused.into_iter().chain(telling.permitted).collect(),
        rules: RULES.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_bounded_to_the_day_and_the_way_out_is_named() {
        let from: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let days = |days: i64| span(from, from + chrono::Duration::days(days));
        days(MOST_DAYS).unwrap();
        span(from, from + chrono::Duration::nanoseconds(1)).unwrap();
        for (refused, said) in [
            (days(0), "nothing lies between them"),
            (days(-1), "nothing lies between them"),
            (days(MOST_DAYS + 1), "is 93 days after `from`"),
            (span(from, from + chrono::Duration::days(MOST_DAYS) + chrono::Duration::seconds(1)), "is 93 days after `from`"),
        ] {
            let problem = refused.unwrap_err();
            assert!(problem.status() == 422 && problem.detail().contains(said), "{}", problem.detail());
        }
        assert!(days(400).unwrap_err().detail().contains("tact policy simulate"));
    }

    #[test]
    fn a_log_that_is_too_long_is_said_with_the_way_out() {
        let problem = broken(Broken::TooLong(3));
        assert_eq!(problem.status(), 422);
        assert!(
            problem.detail().starts_with("`from`") && problem.detail().contains("more than 3 events"),
            "{}",
            problem.detail()
        );
        assert!(problem.detail().contains("tact policy simulate"), "{}", problem.detail());
    }
}
