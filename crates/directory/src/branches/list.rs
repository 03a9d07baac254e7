//! The network's branches, as the directory has them now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use tact_domain::Branch;
use tact_domain::control::BranchListed;
use tact_service::{App, Caller, Path, Permission, Problem};
use utoipa::ToSchema;

use crate::branches::put::BranchAsItIs;

/// The branches.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Branches {
    /// By code.
    branches: Vec<BranchEntry>,
}

/// One branch.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BranchEntry {
    /// Its code.
    #[schema(value_type = String)]
    pub(crate) branch: Branch,
    #[serde(flatten)]
    pub(crate) listed: BranchAsItIs,
}

impl From<&BranchListed> for BranchEntry {
    fn from(listed: &BranchListed) -> Self {
        Self { branch: listed.branch.clone(), listed: listed.clone().into() }
    }
}

/// See all branches
#[utoipa::path(
    get, path = "/v1/branches", tag = "directory",
    responses((status = 200, description = "What was asked for", body = Branches), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Branches>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    app.control.refresh().await?;
    Ok(Json(Branches { branches: app.control.directory().branches.values().map(BranchEntry::from).collect() }))
}

/// See a branch
#[utoipa::path(
    get, path = "/v1/branches/{code}", tag = "directory",
    params(("code" = String, Path)),
    responses((status = 200, description = "What was asked for", body = BranchEntry), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(code): Path<Branch>,
) -> Result<Json<BranchEntry>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    app.control.refresh().await?;
    let directory = app.control.directory();
    directory.branches.get(&code).map(|listed| Json(listed.into())).ok_or_else(|| {
        let near = tact_domain::nearest_word(code.as_str(), directory.branches.keys().map(Branch::as_str));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Problem::not_found(format!("no branch has the code `{code}`{hint}"))
    })
}
