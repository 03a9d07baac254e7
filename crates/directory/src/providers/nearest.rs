//! Who has what somebody needs, the nearest first (P11): our own other branches, and providers outside.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use tact_domain::control::{Directory, Place, ProviderListed};
use tact_domain::{ServiceCode, Time};
use tact_service::{App, Caller, Permission, Problem, Query};
use utoipa::{IntoParams, ToSchema};

use crate::branches::list::BranchEntry;
use crate::hours::{Hours, open, opens};
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
    /// Those first who are open at this moment, then those of whom nobody knows, then those who are closed, with when they open next. With an
    /// offset, whose `+` is written `%2B` here.
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
    /// When it is closed then: from when on it is open next.
    #[serde(skip_serializing_if = "Option::is_none")]
    opens_at: Option<DateTime<Utc>>,
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
    let providers = directory.providers.values().filter(|p| offers(&p.services)).map(|p| {
        let known = at.and_then(|at| Some((at, zone_of(directory, p)?)));
        let (open, opens_at) = door(&p.hours, known);
        Near { distance_km: away(p.place), open, opens_at, listed: p }
    });
    let branches = directory.branches.values().filter(|b| need.is_some() && offers(&b.services)).map(|b| {
        let (open, opens_at) = door(&b.hours, at.zip(b.time_zone.parse().ok()));
        Near { distance_km: away(b.place), open, opens_at, listed: b }
    });
    Found { providers: sorted(providers, limit, |p| &p.name), branches: sorted(branches, limit, |b| &b.name) }
}

/// Whether it is open at a moment, and if not, when it is next.
fn door(hours: &Hours, at: Option<(Time, Tz)>) -> (Option<bool>, Option<Time>) {
    at.map_or((None, None), |(at, zone)| (open(hours, zone, at), opens(hours, zone, at)))
}

/// The first of them, as they are shown.
fn sorted<'a, L: 'a, T: From<&'a L>>(
    all: impl Iterator<Item = Near<&'a L>>,
    limit: usize,
    name: impl Fn(&'a L) -> &'a str,
) -> Vec<Near<T>> {
    let mut found: Vec<_> = all.collect();
    let rank = |near: &Near<&L>| match near.open {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    };
    let far = |near: &Near<&L>| near.distance_km.unwrap_or(f64::INFINITY);
    found.sort_by(|a, b| {
        let by_distance = far(a).total_cmp(&far(b));
        rank(a).cmp(&rank(b)).then(by_distance).then_with(|| name(a.listed).cmp(name(b.listed)))
    });
    found.truncate(limit);
    let shown = |near: Near<&'a L>| Near {
        listed: T::from(near.listed),
        // To ten metres: more would claim a precision that a sphere does not have.
        distance_km: near.distance_km.map(|km| (km * 100.0).round() / 100.0),
        open: near.open,
        opens_at: near.opens_at,
    };
    found.into_iter().map(shown).collect()
}

/// How far around a provider the network's branches are asked for their time zone, in kilometres.
const NEIGHBOURHOOD: f64 = 100.0;

/// The time zone of a provider's hours: its own, if its entry names one. Else that of the branches around it, if there are some and all of them
/// keep one; a network's only zone says nothing about places far away. Hours without a zone are of no known moment.
fn zone_of(directory: &Directory, provider: &ProviderListed) -> Option<Tz> {
    if let Some(zone) = &provider.time_zone {
        return zone.parse().ok();
    }
    let here = provider.place?;
    let around = |place: Option<Place>| place.is_some_and(|there| distance(here, there) <= NEIGHBOURHOOD);
    let mut zones = directory.branches.values().filter(|branch| around(branch.place)).map(|branch| &branch.time_zone);
    let zone = zones.next()?;
    zones.all(|other| other == zone).then(|| zone.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use tact_domain::control::{BranchListed, DirectoryEvent};
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
                time_zone: None,
                hours: hours.clone().into(),
            }));
        }
        directory
    }

    fn names(found: &Found) -> Vec<String> {
        found.providers.iter().map(|near| near.listed.name.clone()).collect()
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
    fn whoever_is_open_comes_before_whoever_opens_next() {
        // Monday, 2026-03-02: 17:00 in Moscow, 19:00 in Yekaterinburg. Nobody knows the zone of `somewhere`.
        let at = "2026-03-02T14:00:00Z".parse().unwrap();
        let here = Place { latitude: 56.0, longitude: 61.0 };
        let found = find(&directory(), None, Some(here), Some(at), 20);
        assert_eq!(names(&found), ["close", "somewhere", "far"]);
        assert_eq!(found.providers.iter().map(|near| near.open).collect::<Vec<_>>(), [Some(true), None, Some(false)]);
        assert_eq!(found.providers[2].opens_at, Some("2026-03-09T04:00:00Z".parse().unwrap()));
    }

    #[test]
    fn a_zone_is_taken_from_an_entry_or_from_neighbours_of_one_mind_and_else_not_known() {
        let mut directory = directory();
        let entry = |latitude, longitude, zone: Option<&str>| {
            let mut entry = directory.providers.values().next().unwrap().clone();
            entry.place = Some(Place { latitude, longitude });
            entry.time_zone = zone.map(Into::into);
            zone_of(&directory, &entry)
        };
        assert_eq!(entry(56.0, 37.5, None), Some(Tz::Europe__Moscow));
        assert_eq!(entry(56.0, 48.0, None), None, "far from every branch");
        assert_eq!(entry(56.0, 37.5, Some("Asia/Tomsk")), Some(Tz::Asia__Tomsk), "its own goes before");
        let border = directory.branches.values().next().unwrap().clone();
        let place = Some(Place { latitude: 56.0, longitude: 38.0 });
        let other = BranchListed { branch: "border".parse().unwrap(), time_zone: "Europe/Samara".into(), place, ..border };
        directory.evolve(DirectoryEvent::BranchListed(other));
        let mut entry = directory.providers.values().next().unwrap().clone();
        entry.place = Some(Place { latitude: 56.0, longitude: 37.5 });
        assert_eq!(zone_of(&directory, &entry), None, "two zones are near");
    }

    #[test]
    fn the_date_line_and_the_poles_are_no_edges() {
        let mut directory = Directory::default();
        let places =
            [("fiji", (-17.7, 178.0)), ("samoa", (-13.8, -171.8)), ("apia_west", (-13.9, 179.9)), ("hawaii", (21.3, -157.9))];
        for (number, (name, (latitude, longitude))) in (1..).zip(places) {
            directory.evolve(DirectoryEvent::ProviderListed(ProviderListed {
                provider: Uuid::from_u128(number),
                name: name.to_owned(),
                services: vec!["x_ray".parse().unwrap()],
                place: Some(Place { latitude, longitude }),
                address: None,
                phone: None,
                website: None,
                time_zone: None,
                hours: Hours::new(),
            }));
        }
        let from = |latitude, longitude| names(&find(&directory, None, Some(Place { latitude, longitude }), None, 20)).join(" ");
        assert_eq!(from(-14.0, -179.9), "apia_west fiji samoa hawaii");
        assert_eq!(from(-14.0, 180.0), from(-14.0, -180.0));
        // At a pole every longitude is the same place.
        assert_eq!(from(90.0, 0.0), from(90.0, 123.0));
        assert_eq!(from(90.0, 0.0), "hawaii samoa apia_west fiji");
    }
}
