//! `tact policy publish`: a policy goes from a file to a running network. A client of the public API and of nothing else.
//!
//! It must never publish one text twice because somebody ran it twice, or because an answer was lost.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tact_domain::envelope::hash;
use tact_domain::{Time, to_millis};

use crate::client::Server;
use crate::settings::time;

/// What is published, where, and from when on it holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  TACT_TOKEN_FILE=token tact policy publish policies/default.toml
  tact policy publish my-policy.toml --version 2026-03 --effective-from 2026-03-15T00:00:00+03:00

It takes the token of a network manager. Publishing the same text again changes nothing and says from when on it holds.
Exit codes: 0 published, or published before; 1 refused, or the server cannot be reached; 2 the file is not a policy.")]
pub struct Publish {
    /// The policy's text.
    pub file: PathBuf,
    /// The version by which decisions will name it; absent: the next number that is free.
    #[arg(long)]
    pub version: Option<String>,
    /// When it takes effect, at least a minute ahead; absent: in two minutes.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub effective_from: Option<Time>,
    /// Where and by whose right.
    #[command(flatten)]
    pub server: Server,
}

/// Publishes a text that was checked, and says in one line from when on it holds.
///
/// # Errors
/// Why the server could not be asked, or did not take it.
pub async fn publish(arguments: &Publish, text: &str) -> Result<String> {
    let client = arguments.server.client()?;
    let known = client.get("/v1/policies").await?.ok().context("the published policies cannot be read")?;
    let known = known["policies"].as_array().map(Vec::as_slice).unwrap_or_default();
    let sha256 = hex::encode(hash(text.as_bytes()));
    let effective_from = arguments.effective_from.map(to_millis);
    // Only the last one: whoever goes back to an older text publishes it anew.
    let before = match &arguments.version {
        Some(version) => known.iter().find(|policy| policy["version"] == **version),
        None => known.last(),
    };
    if let Some(same) = before.filter(|policy| policy["sha256"] == sha256)
        && effective_from.is_none_or(|from| moment(&same["effective_from"]) == Some(from))
    {
        let standing = if same["in_force"] == true { " and is in force" } else { "" };
        return Ok(format!(
            "This text is published already as policy `{}`: it holds from {} on{standing}.",
            said(&same["version"]),
            said(&same["effective_from"])
        ));
    }
    let version = arguments.version.clone().unwrap_or_else(|| free_number(known));
    let mut body = json!({"version": version, "text": text});
    if let Some(from) = effective_from {
        body["effective_from"] = json!(from);
    }
    // The same whenever the same is asked for, so that asking again after a lost answer publishes nothing twice.
    let key = format!("policy-{}", hex::encode(hash(body.to_string().as_bytes())));
    let published = client.post("/v1/policies", &key, &body).await?.ok().context("the policy is not published")?;
    Ok(format!(
        "Published as policy `{}`: it holds from {} on, for every branch.",
        said(&published["version"]),
        said(&published["effective_from"])
    ))
}

fn free_number(known: &[Value]) -> String {
    let taken = |number: &String| known.iter().any(|policy| policy["version"] == **number);
    (1..).map(|number: u32| number.to_string()).skip(known.len()).find(|number| !taken(number)).unwrap_or_default()
}

fn moment(value: &Value) -> Option<Time> {
    value.as_str()?.parse().ok()
}

fn said(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}
