//! Who has what somebody needs, the nearest first (P11): our own other branches, and providers outside.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use tact_domain::control::{Directory, Place};
use tact_domain::{ServiceCode, Time};
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};

use crate::branches::list::BranchEntry;
use crate::hours::open;
use crate::place::{self, distance};
use crate::providers::post::ProviderAsItIs;

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The service that is needed; absent: any.
    #[param(value_type = Option<String>)]
    need: Option<ServiceCode>,
    /// Near where, degrees north from -90 to 90; together with `longitude`. Absent: by name.
    latitude: Option<f64>,
    /// Degrees east from -180 to 180.
    longitude: Option<f64>,
    /// Leave out whoever is known to be closed at this moment; with an offset, whose `+` is written `%2B` here.
    open_at: Option<DateTime<Utc>>,
    /// How many at most, from 1 to 100; absent: 20.
    limit: Option<usize>,
}

/// Who has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProvidersFound)]
pub(crate) struct Found {
    /// Providers outside the network.
    providers: Vec<Near<ProviderAsItIs>>,
    /// Branches of the network; only when a need is named.
    branches: Vec<Near<BranchEntry>>,
}

/// One of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Near<T> {
    #[serde(flatten)]
    listed: T,
    /// How far along the great circle, in kilometres; absent when no place is known or none was asked near.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_km: Option<f64>,
    /// Whether it is open at the moment asked for; absent when nobody knows or no moment was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<bool>,
}

/// Find the nearest who offer something
///
/// Those without a known place come last. Then arrange it with `POST /v1/patients/{patient}/referrals/{referral}/arrangement`.
#[utoipa::path(
    get, path = "/v1/providers", tag = "directory", params(Wanted),
    responses((status = 200, description = "What was asked for", body = Found), (status = "4XX", description = "RFC 9457 problem"), (status = 503, description = "RFC 9457 problem")),
)]
pub(crate) async fn nearest(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(query): Query<Wanted>,
) -> Result<Json<Found>, Problem> {
    caller.may(Permission::SeeDirectory)?;
    let near = near(&query)?;
    let limit = query.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::malformed(format!("query: `limit`: {limit} is not from 1 to 100")).with("field", "limit"));
    }
    app.control.refresh().await?;
    Ok(Json(find(&app.control.directory(), query.need.as_ref(), near, query.open_at, limit)))
}

fn near(query: &Wanted) -> Result<Option<Place>, Problem> {
    match (query.latitude, query.longitude) {
        (None, None) => Ok(None),
        (Some(latitude), Some(longitude)) => place::check("", Place { latitude, longitude }).map(Some),
        (Some(_), None) => Err(alone("longitude", "latitude")),
        (None, Some(_)) => Err(alone("latitude", "longitude")),
    }
}

fn alone(missing: &str, given: &str) -> Problem {
    Problem::malformed(format!("query: `{missing}` is missing; name it together with `{given}`, or neither"))
        .with("field", missing)
}

fn find(directory: &Directory, need: Option<&ServiceCode>, near: Option<Place>, at: Option<Time>, limit: usize) -> Found {
    let offers = |services: &[ServiceCode]| need.is_none_or(|need| services.contains(need));
    let away = |place: Option<Place>| Some(distance(near?, place?));
    let providers = directory.providers.values().filter(|p| offers(&p.services)).map(|p| Near {
        distance_km: away(p.place),
        open: at.and_then(|at| open(&p.hours, zone_at(directory, p.place)?, at)),
        listed: ProviderAsItIs::from(p),
    });
    let branches = directory.branches.values().filter(|b| need.is_some() && offers(&b.services)).map(|b| Near {
        distance_km: away(b.place),
        open: at.and_then(|at| open(&b.hours, b.time_zone.parse().ok()?, at)),
        listed: BranchEntry::from(b),
    });
    Found { providers: sorted(providers, limit, |p| &p.name), branches: sorted(branches, limit, |b| &b.listed.name) }
}

fn sorted<T>(all: impl Iterator<Item = Near<T>>, limit: usize, name: impl Fn(&T) -> &str) -> Vec<Near<T>> {
    let mut found: Vec<_> = all.filter(|near| near.open != Some(false)).collect();
    let far = |near: &Near<T>| near.distance_km.unwrap_or(f64::INFINITY);
    found.sort_by(|a, b| far(a).total_cmp(&far(b)).then_with(|| name(&a.listed).cmp(name(&b.listed))));
    found.truncate(limit);
    for near in &mut found {
        // To ten metres: more would claim a precision that a sphere does not have.
        near.distance_km = near.distance_km.map(|km| (km * 100.0).round() / 100.0);
    }
    found
}

/// A provider's entry names no time zone: the nearest branch's is taken, or the network's if it has only one.
fn zone_at(directory: &Directory, place: Option<Place>) -> Option<Tz> {
    let branches = || directory.branches.values();
    let nearest = place.and_then(|here| {
        let placed = branches().filter_map(|b| Some((distance(here, b.place?), b)));
        placed.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, branch)| branch)
    });
    let zone = match nearest {
        Some(branch) => &branch.time_zone,
        None => {
            let first = &branches().next()?.time_zone;
            branches().all(|b| b.time_zone == *first).then_some(first)?
        }
    };
    zone.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tact_domain::control::{BranchListed, DirectoryEvent, ProviderListed};
    use uuid::Uuid;

    fn directory() -> Directory {
        let mut directory = Directory::default();
        let hours = [("monday", "09:00", "18:00")].map(|(day, from, until)| {
            let time = |text| tact_domain::parse_clock_time(text).unwrap();
            (day.into(), tact_domain::DailyHours { from: time(from), until: time(until) })
        });
        for (code, zone, longitude) in [("north", "Europe/Moscow", 37.0), ("east", "Asia/Yekaterinburg", 60.0)] {
            directory.evolve(DirectoryEvent::BranchListed(BranchListed {
                branch: code.parse().unwrap(),
                name: code.to_owned(),
                time_zone: zone.into(),
                place: Some(Place { latitude: 56.0, longitude }),
                hours: hours.clone().into(),
                services: vec!["x_ray".parse().unwrap()],
            }));
        }
        let places = [("far", Some(61.0)), ("close", Some(36.9)), ("somewhere", None)];
        for (number, (name, longitude)) in places.into_iter().enumerate() {
            directory.evolve(DirectoryEvent::ProviderListed(ProviderListed {
                provider: Uuid::from_u128(number as u128 + 1),
                name: name.to_owned(),
                services: vec!["x_ray".parse().unwrap(), "mri".parse().unwrap()],
                place: longitude.map(|longitude| Place { latitude: 56.0, longitude }),
                address: None,
                phone: None,
                website: None,
                hours: hours.clone().into(),
            }));
        }
        directory
    }

    fn names(found: &Found) -> Vec<&str> {
        found.providers.iter().map(|near| near.listed.name.as_str()).collect()
    }

    #[test]
    fn the_nearest_come_first_and_those_of_unknown_place_last() {
        let need: ServiceCode = "x_ray".parse().unwrap();
        let here = Place { latitude: 56.0, longitude: 37.0 };
        let found = find(&directory(), Some(&need), Some(here), None, 20);
        assert_eq!(names(&found), ["close", "far", "somewhere"]);
        assert_eq!(found.branches.iter().map(|near| near.listed.listed.name.as_str()).collect::<Vec<_>>(), ["north", "east"]);
        assert_eq!(names(&find(&directory(), Some(&need), Some(here), None, 1)), ["close"]);
        assert_eq!(names(&find(&directory(), None, None, None, 20)), ["close", "far", "somewhere"], "by name");
        assert!(names(&find(&directory(), Some(&"dentist".parse().unwrap()), None, None, 20)).is_empty());
    }

    #[test]
    fn whoever_is_known_to_be_closed_is_left_out() {
        // Monday, 2026-03-02: 17:00 in Moscow, 19:00 in Yekaterinburg. Nobody knows the zone of `somewhere`.
        let at = "2026-03-02T14:00:00Z".parse().unwrap();
        let found = find(&directory(), None, None, Some(at), 20);
        assert_eq!(names(&found), ["close", "somewhere"]);
        assert_eq!(found.providers.iter().map(|near| near.open).collect::<Vec<_>>(), [Some(true), None]);
    }
}
