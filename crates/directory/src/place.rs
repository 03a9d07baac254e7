//! Places on the map and how far they are from each other.

use tact_domain::control::Place;
use tact_service::Problem;

/// The mean radius of the Earth, in kilometres (IUGG).
const RADIUS: f64 = 6371.0088;

/// # Errors
/// A problem that names the coordinate that does not exist.
pub(crate) fn check(field: &str, place: Place) -> Result<Place, Problem> {
    for (name, value, most) in [("latitude", place.latitude, 90.0), ("longitude", place.longitude, 180.0)] {
        // Not a number lies in no range.
        if !(-most..=most).contains(&value) {
            let field = if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
            return Err(Problem::field(&field, format!("{value} is not from -{most} to {most} degrees")));
        }
    }
    Ok(place)
}

/// The distance along the great circle, in kilometres; right to half a percent, since the Earth is not quite a sphere.
pub(crate) fn distance(from: Place, to: Place) -> f64 {
    let (from_lat, to_lat) = (from.latitude.to_radians(), to.latitude.to_radians());
    let half_lat = (to_lat - from_lat) / 2.0;
    let half_lon = (to.longitude - from.longitude).to_radians() / 2.0;
    let h = half_lat.sin().powi(2) + from_lat.cos() * to_lat.cos() * half_lon.sin().powi(2);
    2.0 * RADIUS * h.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(latitude: f64, longitude: f64) -> Place {
        Place { latitude, longitude }
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        // A degree of latitude, a pole from the equator, across the antimeridian, and to the other side of the world.
        for (from, to, expected) in [
            (at(0.0, 0.0), at(1.0, 0.0), 111.195),
            (at(0.0, 30.0), at(90.0, 0.0), 10_007.557),
            (at(0.0, 179.5), at(0.0, -179.5), 111.195),
            (at(55.7558, 37.6173), at(59.9343, 30.3351), 633.0),
            (at(10.0, 20.0), at(-10.0, -160.0), 20_015.1),
            (at(5.0, 5.0), at(5.0, 5.0), 0.0),
        ] {
            let found = distance(from, to);
            assert!((found - expected).abs() < 1.0, "{from:?} to {to:?}: {found}, not {expected}");
        }
    }

    #[test]
    fn a_coordinate_off_the_map_is_named() {
        assert!(check("place", at(90.0, -180.0)).is_ok());
        for place in [at(90.1, 0.0), at(0.0, 180.1), at(f64::NAN, 0.0), at(0.0, f64::INFINITY)] {
            assert!(check("place", place).is_err(), "{place:?}");
        }
    }
}
