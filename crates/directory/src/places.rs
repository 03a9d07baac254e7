//! Where somebody is, by a name or a postal code that they say: looked up among the directory's own entries. Nobody outside is asked.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::control::{Directory, Place};
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};

use crate::words::Sought;

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The name of a town, a street, a postal code: beginnings of words of a provider's name or address or a branch's name, in Cyrillic or Latin.
    #[param(example = "Tomsk")]
    q: String,
    /// How many at most, from 1 to 100; absent: 20.
    limit: Option<usize>,
}

/// The places found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PlacesFound)]
pub(crate) struct Found {
    /// Branches first, then providers, by name.
    places: Vec<Spot>,
}

/// A place on the map with what is there.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Spot {
    /// `branch` or `provider`.
    kind: &'static str,
    /// Its name.
    name: String,
    /// A provider's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Degrees north; with `longitude` what `GET /v1/providers` takes.
    latitude: f64,
    /// Degrees east.
    longitude: f64,
}

/// Find a place by its name
///
/// Entries whose place is not known are not among them.
#[utoipa::path(
    get, path = "/v1/places", tag = "directory", params(Wanted),
    responses((status = 200, description = "What was asked for", body = Found), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn places(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<Wanted>,
) -> Result<Json<Found>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    let limit = query.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::malformed(format!("query: `limit`: {limit} is not from 1 to 100")).with("field", "limit"));
    }
    tact_service::app::text("q", &query.q, 100)?;
    let sought = Sought::read(&query.q).ok_or_else(|| Problem::field("q", "holds no word; write a town or a postal code"))?;
    app.control.refresh().await?;
    Ok(Json(Found { places: find(&app.control.directory(), &sought, limit) }))
}

fn find(directory: &Directory, sought: &Sought, limit: usize) -> Vec<Spot> {
    let spot = |kind, name: &str, address: Option<&str>, place: Place| Spot {
        kind,
        name: name.to_owned(),
        address: address.map(str::to_owned),
        latitude: place.latitude,
        longitude: place.longitude,
    };
    let branches = directory.branches.values().filter_map(|b| Some(spot("branch", &b.name, None, b.place?)));
    let providers = directory.providers.values().filter_map(|p| Some(spot("provider", &p.name, p.address.as_deref(), p.place?)));
    let mut found: Vec<Spot> = branches
        .chain(providers)
        .filter(|spot| sought.is_in([spot.name.as_str()].into_iter().chain(spot.address.as_deref())))
        .collect();
    found.sort_by(|a, b| (a.kind, &a.name, &a.address).cmp(&(b.kind, &b.name, &b.address)));
    found.truncate(limit);
    found
}
