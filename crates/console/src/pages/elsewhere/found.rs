//! Who has what is needed, those who are open first, the nearest before the rest: our own other branches, and providers outside.

use std::collections::HashMap;

use chrono::Datelike;
use tact_words::Language;

use super::*;
use crate::failure::Problem;
use crate::layout::Point;
use crate::pages::dial;
use crate::words::elsewhere::distance;
use crate::words::services::{meant, service};

/// The days as the directory names them.
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// The most that are shown: whoever has that many to choose from is helped.
const MOST: &str = "12";
/// The most that are looked through for one.
const ALL: &str = "100";
/// Other places of the same name to choose from.
const SPOTS: usize = 6;

impl Point {
    /// As it stands in the page's address.
    fn text(self) -> String {
        format!("{},{}", self.latitude, self.longitude)
    }

    fn read(text: &str) -> Option<Self> {
        let (latitude, longitude) = text.split_once(',')?;
        Some(Self { latitude: latitude.trim().parse().ok()?, longitude: longitude.trim().parse().ok()? })
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    providers: Vec<Near>,
    branches: Vec<Near>,
}

/// One who has it, as the API shows them.
#[derive(Debug, Deserialize)]
struct Near {
    provider: Option<Uuid>,
    name: String,
    #[serde(default)]
    services: Vec<String>,
    address: Option<String>,
    phone: Option<String>,
    website: Option<String>,
    #[serde(default)]
    hours: HashMap<SmolStr, Hours>,
    time_zone: Option<String>,
    distance_km: Option<f64>,
    open: Option<bool>,
    opens_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Hours {
    from: String,
    until: String,
}

/// One who has it, as the page shows them.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) distance: Option<String>,
    /// Whether the door is open, and until or from when.
    pub(super) door: String,
    pub(super) is_open: bool,
    pub(super) phone: Option<String>,
    pub(super) dial: String,
    pub(super) address: Option<String>,
    pub(super) website: Option<String>,
    pub(super) time_zone: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The codes of the services that somebody offers.
    pub(super) offered: Vec<String>,
    /// The code of what is needed, if it is understood.
    pub(super) code: Option<String>,
    pub(super) word: String,
    /// The name of the place near which was looked; empty: our branch's.
    pub(super) near: String,
    /// Other places of the name that was typed: the page near each, and what is there.
    pub(super) spots: Vec<(String, String)>,
    pub(super) unknown_place: bool,
    pub(super) no_place: bool,
    pub(super) ours: Vec<Place>,
    pub(super) providers: Vec<Place>,
}

/// Looks for who has what is asked for, and says what is wrong with the question, if anything is.
pub(super) async fn search(
    person: &Person,
    asked: &Asked,
    wall: &Wall,
    ours: &[Branch],
    home: Option<Point>,
) -> Result<(Found, Option<Wrong>), Failure> {
    let language = person.language;
    let listed: Answer = person.get(&query("/v1/providers", &[("limit", ALL)])).await?;
    let services = listed.providers.into_iter().flat_map(|provider| provider.services);
    let mut offered: Vec<String> = services.chain(ours.iter().flat_map(|one| one.services.iter().cloned())).collect();
    offered.sort_unstable();
    offered.dedup();
    let mut found = Found { offered, ..Found::default() };
    let Some(need) = said(asked.need.as_deref()) else { return Ok((found, None)) };
    let Some(code) = meant(need, &found.offered) else {
        let nothing_known = Failure::Problem(Problem::of_field("need"));
        return Ok((found, Some(Wrong::of(language, nothing_known)?)));
    };
    found.word = service(language, &code);
    match whereabouts(person, asked, &mut found).await {
        Ok(()) => {}
        Err(failure) => return Ok((found, Some(Wrong::of(language, failure)?))),
    }
    let chosen = asked.at.as_deref().and_then(Point::read).or_else(|| found.spots.first().and_then(|(at, _)| Point::read(at)));
    let point = chosen.or(home);
    found.no_place = point.is_none();
    found.spots = links(asked, &found.spots, chosen);
    let answer: Answer = match person.get(&asking(&code, point, wall.now, MOST)).await {
        Ok(answer) => answer,
        Err(failure) => return Ok((found, Some(Wrong::of(language, failure)?))),
    };
    found.code = Some(code);
    found.ours = answer.branches.into_iter().map(|near| placed(near, wall)).collect();
    found.providers = answer.providers.into_iter().map(|near| placed(near, wall)).collect();
    Ok((found, None))
}

/// The question for so many of those who have it near a place, at a moment.
fn asking(code: &str, near: Option<Point>, at: DateTime<Utc>, most: &str) -> String {
    let at = at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let point = near.map(|point| (point.latitude.to_string(), point.longitude.to_string()));
    let mut pairs = vec![("need", code), ("open_at", &at), ("limit", most)];
    if let Some((latitude, longitude)) = &point {
        pairs.extend([("latitude", latitude.as_str()), ("longitude", longitude.as_str())]);
    }
    query("/v1/providers", &pairs)
}

/// Where the place is that was typed, by the directory's own entries: nobody outside is asked.
async fn whereabouts(person: &Person, asked: &Asked, found: &mut Found) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct List {
        places: Vec<Spot>,
    }
    #[derive(Deserialize)]
    struct Spot {
        name: String,
        address: Option<String>,
        #[serde(flatten)]
        point: Point,
    }
    let Some(typed) = said(asked.q.as_deref()) else { return Ok(()) };
    let list: List = person.get(&query("/v1/places", &[("q", typed), ("limit", "20")])).await?;
    found.unknown_place = list.places.is_empty();
    let spots = list.places.into_iter().map(|spot| {
        let name = spot.address.map_or_else(|| spot.name.clone(), |address| format!("{}, {address}", spot.name));
        (spot.point.text(), name)
    });
    found.spots = spots.take(SPOTS).collect();
    let at = asked.at.as_deref().and_then(Point::read).map(Point::text);
    let chosen = found.spots.iter().find(|(text, _)| Some(text) == at.as_ref()).or(found.spots.first());
    found.near = chosen.map(|(_, name)| name.clone()).unwrap_or_default();
    Ok(())
}

/// The page near each of the places that are not the chosen one.
fn links(asked: &Asked, spots: &[(String, String)], chosen: Option<Point>) -> Vec<(String, String)> {
    let chosen = chosen.map(Point::text);
    let others = spots.iter().filter(|(at, _)| Some(at) != chosen.as_ref());
    others.map(|(at, name)| (asked.href(asked.patient, Some(at)), name.clone())).collect()
}

fn placed(near: Near, wall: &Wall) -> Place {
    let language = wall.language;
    let zone = near.time_zone.clone().unwrap_or_else(|| wall.zone.name().to_owned());
    let there = Wall::new(language, &zone, wall.now);
    Place {
        id: near.provider.map(|id| id.to_string()).unwrap_or_default(),
        distance: near.distance_km.map(|km| distance(language, km)),
        door: door(&near, &there),
        is_open: near.open == Some(true),
        dial: near.phone.as_deref().map(dial).unwrap_or_default(),
        phone: near.phone,
        address: near.address,
        website: near.website.filter(|site| site.starts_with("https://") || site.starts_with("http://")),
        name: near.name,
        time_zone: zone,
    }
}

/// Whether it is open, and its hours of today; or when it opens.
fn door(near: &Near, there: &Wall) -> String {
    let say = |care: Care| care.word(there.language);
    let day = usize::try_from(there.date(there.now).weekday().num_days_from_monday()).unwrap_or_default();
    let today = near.hours.get(DAYS[day]).map(|hours| match hours.from == hours.until {
        true => say(Care::AllDay).to_owned(),
        false => format!("{}–{}", hours.from, hours.until),
    });
    match (near.open, near.opens_at, today) {
        (Some(true), _, Some(hours)) => format!("{}, {hours}", say(Care::OpenNow)),
        (Some(true), _, None) => say(Care::OpenNow).to_owned(),
        (Some(false), Some(at), _) => format!("{} {}", say(Care::ClosedOpens), there.moment(at)),
        (Some(false), None, _) => say(Care::ClosedNow).to_owned(),
        (None, ..) => say(Care::HoursUnknown).to_owned(),
    }
}

/// A provider by its id, among those who have what is needed.
pub(super) async fn provider(
    person: &Person,
    code: &str,
    id: &str,
    wall: &Wall,
    near: Option<Point>,
) -> Result<Option<Place>, Failure> {
    let answer: Answer = person.get(&asking(code, near, wall.now, ALL)).await?;
    Ok(answer.providers.into_iter().map(|near| placed(near, wall)).find(|place| place.id == id))
}

/// The names of services, to choose among while typing.
pub(super) fn names(language: Language, codes: &[String]) -> Vec<String> {
    codes.iter().map(|code| service(language, code)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_door_says_what_one_must_know_before_going() {
        // A Monday, half past two in the afternoon in Moscow, half past six in the evening in Tomsk.
        let wall = Wall::new(Language::Russian, "Europe/Moscow", "2026-03-02T11:30:00Z".parse().unwrap());
        let of = |more: serde_json::Value| {
            let mut near = json!({"provider": Uuid::from_u128(1), "name": "A"});
            near.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            placed(serde_json::from_value(near).unwrap(), &wall)
        };
        let hours = json!({"monday": {"from": "08:00", "until": "20:00"}});
        for (more, door) in [
            (json!({"open": true, "hours": hours}), "сейчас открыто, 08:00–20:00"),
            (json!({"open": true, "hours": {"monday": {"from": "00:00", "until": "00:00"}}}), "сейчас открыто, круглосуточно"),
            (
                json!({"open": false, "opens_at": "2026-03-03T01:00:00Z", "time_zone": "Asia/Tomsk"}),
                "закрыто; откроется завтра 08:00",
            ),
            (json!({}), "часы работы неизвестны"),
        ] {
            assert_eq!(of(more).door, door);
        }
        let place = of(json!({"phone": "+7 (495) 123-45-67", "distance_km": 2.449, "website": "javascript:alert(1)"}));
        assert_eq!((place.dial.as_str(), place.distance.as_deref(), place.website), ("+74951234567", Some("2,4 км"), None));
    }

    #[test]
    fn a_question_names_the_place_and_the_moment() {
        let at = "2026-03-02T11:30:00Z".parse().unwrap();
        assert_eq!(asking("x_ray", None, at, MOST), "/v1/providers?need=x_ray&open_at=2026-03-02T11%3A30%3A00Z&limit=12");
        let point = Point::read("55.7558, 37.6173").unwrap();
        assert!(asking("x_ray", Some(point), at, MOST).ends_with("&latitude=55.7558&longitude=37.6173"));
        assert_eq!(Point::read(&point.text()), Some(point));
        assert_eq!(Point::read("here"), None);
    }
}
