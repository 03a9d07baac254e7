//! What the first start of an embedded network makes, so that there is something to begin with: a token and a policy. It must never make either
//! where there is one.

use anyhow::{Context, Result, bail};
use tact_domain::control::{POLICY_NOTICE, PolicyPublished};
use tact_domain::{Actor, policy};
use tact_personal::access::Token;
use tact_service::App;
use tact_service::access::{Role, new_token, token_hash};
use tact_service::ids::fresh;
use tact_service::transact::{Command, Failure};

/// Makes the administrator's token of a network that has none.
pub(crate) async fn make_first_token(app: &App) -> Result<Option<String>> {
    let token = new_token();
    let now = app.clock.now();
    let entry = Token {
        id: fresh(now),
        actor: fresh(now),
        label: "first administrator".to_owned(),
        roles: vec![Role::NetworkManager.as_str().to_owned(), Role::Administrator.as_str().to_owned()],
        branches: None,
        created_at: now,
        expires_at: None,
        revoked_at: None,
    };
    let made = app.personal.add_first_token(&entry, &token_hash(&token)).await.context("the first token cannot be stored")?;
    Ok(made.then_some(token))
}

/// Publishes the policy that ships with Tact if the network has none yet.
pub(crate) async fn publish_default(app: &App) -> Result<()> {
    if !app.control.policies().all().is_empty() {
        return Ok(());
    }
    let policy = PolicyPublished {
        version: "default".into(),
        text: policy::DEFAULT.to_owned(),
        sha256: hex::encode(tact_domain::envelope::hash(policy::DEFAULT.as_bytes())),
        effective_from: app.clock.now() + POLICY_NOTICE + chrono::Duration::seconds(1),
    };
    let command = Command {
        event: app.keys.derive(&[b"default policy"]),
        fingerprint: None,
        time: None,
        actor: Actor::System("tact".into()),
        branch: None,
        cause: None,
    };
    match app.control.publish(&command, policy).await {
        Ok(_) => Ok(()),
        Err(Failure::Untrue(untrue)) => bail!("the default policy cannot be published: {untrue}"),
        Err(failure) => Err(failure).context("the default policy cannot be published"),
    }
}
