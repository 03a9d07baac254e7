//! What differs between two published policies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::control::{Policies, Published};
use tact_domain::policy::diff::{Difference, diff};
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};

/// Which two.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The version to begin with.
    #[param(example = "default")]
    from: String,
    /// The version to hold against it.
    #[param(example = "default")]
    to: String,
}

/// What differs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDifferences)]
pub(crate) struct Differences {
    #[schema(example = "default")]
    from: String,
    #[schema(example = "default")]
    to: String,
    /// By key of the policy's text. None: they decide alike.
    differences: Vec<One>,
}

/// A key of which they say different things.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyDifference)]
pub(crate) struct One {
    /// The key, such as `purpose.promotion.limits`.
    #[schema(example = "purpose.promotion.limits")]
    path: String,
    /// What the first says; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// What the second says; absent: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
}

impl From<Difference> for One {
    fn from(Difference { path, from, to }: Difference) -> Self {
        Self { path, from, to }
    }
}

/// See what differs between two policies
///
/// By what they mean: comments and the order of their purposes are no difference.
#[utoipa::path(
    get, path = "/v1/policies/diff", tag = "directory", params(Which),
    responses((status = 200, description = "What was asked for", body = Differences), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn between(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(which): Query<Which>,
) -> Result<Json<Differences>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    app.control.refresh().await?;
    let policies = app.control.policies();
    let (from, to) = (version(&policies, "from", &which.from)?, version(&policies, "to", &which.to)?);
    let differences = diff(&from.policy, &to.policy).into_iter().map(One::from).collect();
    Ok(Json(Differences { from: which.from, to: which.to, differences }))
}

pub(super) fn version<'p>(policies: &'p Policies, field: &str, version: &str) -> Result<&'p Published, Problem> {
    policies.version(version).ok_or_else(|| {
        let near = tact_domain::nearest_word(version, policies.all().iter().map(|published| published.event.version.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        let version: String = version.chars().take(80).collect();
        Problem::not_found(format!("`{field}`: no policy `{version}` was published{hint}"))
    })
}
