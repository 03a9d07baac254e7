//! Written cases held against a published policy, as `tact policy test` holds them.
//!
//! Nothing is recorded, and no patient is looked at: cases are told on the domain alone. Bounded in size, so that no caller can keep a
//! processor for long.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::policy::Policy;
use tact_scenario::{SHIPPED, play, read};
use tact_service::{App, Path, Permission, Problem, Write};
use utoipa::ToSchema;

/// The most cases of a request.
const MOST_CASES: usize = 200;
/// The most steps of a case: its time grows with their square.
const MOST_STEPS: usize = 300;
/// No case begins later than this after the first.
const LONGEST: Duration = Duration::from_secs(10);

/// The cases.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    /// Scenario files; absent: those that ship, which are written for the policy that ships. What a case says of its policy does not matter here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cases: Option<Vec<Case>>,
}

/// A case.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PolicyCase)]
pub(crate) struct Case {
    /// The name of its file.
    #[schema(example = "sms-needs-consent.toml")]
    file: String,
    /// Its text.
    #[schema(example = "name = \"Nothing is due\"\ntime_zone = \"Europe/Moscow\"\npolicy = \"default\"\n")]
    text: String,
}

/// How they came out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyCasesTold)]
pub(crate) struct Told {
    version: String,
    /// How many came out as written.
    passed: usize,
    /// How many did not, or could not be told.
    failed: usize,
    /// In the order of the request, or of the files' names.
    cases: Vec<Outcome>,
}

/// How a case came out.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyCaseTold)]
pub(crate) struct Outcome {
    #[schema(example = "mine.toml")]
    file: String,
    /// What it shows, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    passed: bool,
    /// Why not, step by step with what was expected and what came, or the mistakes in its text.
    #[schema(example = json!(["step 3, line 21: p asks for a permit"]))]
    because: Vec<String>,
}

/// Hold written cases against a policy
///
/// Nothing is recorded. At most 200 cases of 300 steps.
#[utoipa::path(
    post, path = "/v1/policies/{version}/scenarios", tag = "directory",
    params(("version" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = Cases,
    responses((status = 200, description = "How they came out", body = Told), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn tell(
    State(app): State<Arc<App>>,
    Path(version): Path<String>,
    write: Write<Cases>,
) -> Result<Json<Told>, Problem> {
    write.caller.may(Permission::PublishPolicy)?;
    app.control.refresh().await?;
    let policies = app.control.policies();
    let policy = super::diff::version(&policies, "version", &version)?.policy.clone();
    let cases: Vec<(String, String)> = match write.body.cases {
        Some(cases) => cases.into_iter().map(|case| (case.file, case.text)).collect(),
        None => SHIPPED.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect(),
    };
    if !(1..=MOST_CASES).contains(&cases.len()) {
        return Err(Problem::field("cases", format!("has {} cases; send 1 to {MOST_CASES}, or leave it out", cases.len())));
    }
    let clock = tokio::time::Instant::now();
    let told = tokio::task::spawn_blocking(move || {
        let in_time = |_: &_| clock.elapsed() < LONGEST;
        let outcome = |case: (String, String)| if in_time(&case) { told(case, &policy) } else { late(case.0) };
        cases.into_iter().map(outcome).collect::<Vec<_>>()
    });
    let cases = told.await.map_err(Problem::hidden)?;
    let passed = cases.iter().filter(|case| case.passed).count();
    Ok(Json(Told { version, passed, failed: cases.len() - passed, cases }))
}

fn told((file, text): (String, String), policy: &Policy) -> Outcome {
    match read(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
        Ok(scenario) if scenario.steps.len() > MOST_STEPS => {
            let because = vec![format!("it has {} steps, at most {MOST_STEPS} are told here", scenario.steps.len())];
            Outcome { file, name: Some(scenario.name), passed: false, because }
        }
        Ok(scenario) => {
            let (report, _) = play(&scenario, policy.clone());
            let because = report.failures.iter().map(ToString::to_string).collect();
            Outcome { file, passed: report.passed(), name: Some(report.name), because }
        }
        Err(mistakes) => Outcome { file, name: None, passed: false, because: mistakes.iter().map(ToString::to_string).collect() },
    }
}

fn late(file: String) -> Outcome {
    Outcome { file, name: None, passed: false, because: vec!["it was not told: the cases before it took too long".to_owned()] }
}
