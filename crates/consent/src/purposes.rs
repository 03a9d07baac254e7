//! Whether a purpose is one that a published policy names.
//!
//! Not only the policy in force: what the patient said may be entered late, or concern a purpose that has been dropped since.

use tact_domain::Purpose;
use tact_domain::control::Policies;
use tact_service::{App, Problem};

/// # Errors
/// A problem that names the purpose and the nearest one, if no published policy knows it.
pub(crate) async fn published(app: &App, purpose: &Purpose) -> Result<(), Problem> {
    if knows(&app.control.policies(), purpose) {
        return Ok(());
    }
    app.control.refresh().await?;
    let policies = app.control.policies();
    if knows(&policies, purpose) {
        return Ok(());
    }
    let words = policies.all().iter().flat_map(|published| published.policy.purposes.keys()).map(Purpose::as_str);
    let near = tact_domain::nearest_word(purpose.as_str(), words);
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Err(Problem::field("purpose", format!("no published policy knows `{purpose}`{hint}")))
}

fn knows(policies: &Policies, purpose: &Purpose) -> bool {
    policies.all().iter().any(|published| published.policy.purposes.contains_key(purpose))
}
