//! What is under way, each with its next step: find a place, call back once, close. What is closed needs nothing.

use serde_json::Value;

use super::found::{self, Place};
use super::*;
use crate::layout::Point;
use crate::pages::desk::list::{id_of, staff};
use crate::pages::dial;
use crate::words;
use crate::words::services::service;

/// The most closed ones that a person's page still shows.
const CLOSED: usize = 3;

/// The call backs that a branch owes.
#[derive(Debug, Deserialize)]
pub(super) struct Worklist {
    pub(super) now: DateTime<Utc>,
    entries: Vec<Owed>,
}

#[derive(Debug, Deserialize)]
struct Owed {
    patient: Uuid,
    about: Uuid,
    channel: Option<SmolStr>,
    callable: bool,
    #[serde(default)]
    reasons: Vec<Value>,
    next: Option<DateTime<Utc>>,
    taken: Option<Taken>,
}

#[derive(Debug, Deserialize)]
struct Taken {
    actor: Option<String>,
    permit: Option<Uuid>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Find a place, and book.
    Book,
    /// Call back once.
    Call,
    /// The call is one's own.
    Calling,
    /// Somebody else calls.
    Taken,
    /// Close.
    Close,
    /// Nothing.
    Closed,
}

impl Step {
    pub(super) fn word(self) -> Care {
        match self {
            Self::Book => Care::StepBook,
            Self::Call => Care::StepCall,
            Self::Calling => Care::StepCalling,
            Self::Taken => Care::StepTaken,
            Self::Close => Care::StepClose,
            Self::Closed => Care::StepClosed,
        }
    }
}

/// A referral with its next step.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) patient: Uuid,
    pub(super) referral: Uuid,
    pub(super) name: String,
    pub(super) phone: Option<String>,
    pub(super) dial: String,
    /// What is needed.
    pub(super) need: String,
    pub(super) code: String,
    pub(super) since: String,
    pub(super) step: Step,
    /// Whether the call may be made now, and if not why, and when again.
    pub(super) callable: bool,
    pub(super) reasons: Vec<String>,
    pub(super) next: Option<String>,
    pub(super) channel: SmolStr,
    pub(super) permit: Option<Uuid>,
    /// Who calls.
    pub(super) who: String,
    pub(super) place: Option<Place>,
    /// When there.
    pub(super) at: Option<String>,
}

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    pub(super) items: Vec<Item>,
    pub(super) more: bool,
    /// When the person is forgotten.
    pub(super) forgotten: Option<String>,
    /// Whether all is closed and the person stays known.
    pub(super) kept: bool,
}

/// Puts what the worklist says of a call into an item.
fn call(item: &mut Item, person: &Person, wall: &Wall, owed: &Owed, who: &std::collections::HashMap<String, String>) {
    let actor = owed.taken.as_ref().and_then(|taken| taken.actor.as_deref());
    let mine = actor.and_then(id_of) == Some(person.me.actor);
    item.step = match (&owed.taken, mine) {
        (Some(_), true) => Step::Calling,
        (Some(_), false) => Step::Taken,
        (None, _) => Step::Call,
    };
    item.permit = owed.taken.as_ref().filter(|_| mine).and_then(|taken| taken.permit);
    let named = actor.and_then(id_of).and_then(|id| who.get(&id.to_string()).cloned());
    item.who = named.unwrap_or_else(|| Say::Somebody.word(person.language).to_owned());
    item.callable = owed.callable;
    item.reasons = owed.reasons.iter().map(|reason| words::refusal(wall, reason)).collect();
    item.next = owed.next.map(|next| wall.brief(next));
    item.channel = owed.channel.clone().unwrap_or_else(|| "phone".into());
}

/// The referrals of a branch that are under way.
#[derive(Debug, Deserialize)]
struct BranchReferrals {
    referrals: Vec<BranchReferral>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BranchReferral {
    patient: Uuid,
    name: Option<String>,
    phone: Option<String>,
    referral: Uuid,
    need: String,
    next_step: String,
    opened_at: DateTime<Utc>,
}

/// Of a branch: everything that is under way, the oldest first.
pub(super) async fn of_branch(person: &Person, branch: &Branch, wall: &Wall, worklist: Worklist) -> Result<UnderWay, Failure> {
    let path = format!("/v1/branches/{}/referrals", branch.branch);
    let list: BranchReferrals = person.get(&query(&path, &[("limit", "200")])).await?;
    let who = staff(person, worklist.entries.iter().filter_map(|owed| owed.taken.as_ref()?.actor.as_deref())).await?;
    let items = list.referrals.into_iter().map(|one| {
        let mut item = blank(one.patient, one.referral, one.name, one.phone, person);
        item.need = service(person.language, &one.need);
        item.code = one.need;
        item.since = wall.moment(one.opened_at);
        item.step = match one.next_step.as_str() {
            "arrange" => Step::Book,
            "call_back" => Step::Call,
            _ => Step::Close,
        };
        // Whether the call may be made now is for the worklist to say.
        let owed = worklist.entries.iter().find(|owed| owed.patient == one.patient && owed.about == one.referral);
        if let Some(owed) = owed.filter(|_| item.step == Step::Call) {
            call(&mut item, person, wall, owed, &who);
        }
        item
    });
    Ok(UnderWay { items: items.collect(), more: list.next.is_some(), ..UnderWay::default() })
}

fn blank(patient: Uuid, referral: Uuid, name: Option<String>, phone: Option<String>, person: &Person) -> Item {
    Item {
        key: key(),
        patient,
        referral,
        name: name.or_else(|| phone.clone()).unwrap_or_else(|| Say::NoName.word(person.language).to_owned()),
        dial: phone.as_deref().map(dial).unwrap_or_default(),
        phone,
        need: String::new(),
        code: String::new(),
        since: String::new(),
        step: Step::Close,
        callable: false,
        reasons: Vec::new(),
        next: None,
        channel: "phone".into(),
        permit: None,
        who: String::new(),
        place: None,
        at: None,
    }
}

#[derive(Debug, Deserialize)]
struct Referrals {
    referrals: Vec<Referral>,
    forgotten_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Referral {
    referral: Uuid,
    need: String,
    status: String,
    opened_at: DateTime<Utc>,
    provider: Option<Uuid>,
}

#[derive(Debug, Deserialize)]
struct Agenda {
    owed: Vec<OwedLater>,
    now_possible: Vec<MayNow>,
}

#[derive(Debug, Deserialize)]
struct OwedLater {
    about: Uuid,
}

#[derive(Debug, Deserialize)]
struct MayNow {
    purpose: String,
    channel: Option<SmolStr>,
    permitted: bool,
    #[serde(default)]
    reasons: Vec<Value>,
    next: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct History {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
}

/// Of one person: everything that is under way, and what was closed last.
pub(super) async fn of_patient(
    person: &Person,
    known: &Known,
    phone: Option<String>,
    branch: &Branch,
    wall: &Wall,
    worklist: Worklist,
    near: Option<Point>,
) -> Result<UnderWay, Failure> {
    let path = format!("/v1/patients/{}", known.id);
    let list: Referrals = person.get(&format!("{path}/referrals")).await?;
    let arranged = list.referrals.iter().any(|one| one.status == "arranged");
    let agenda: Option<Agenda> = match arranged {
        true => Some(person.get(&query(&format!("{path}/agenda"), &[("branch", &branch.branch)])).await?),
        false => None,
    };
    let history: Option<History> = match arranged {
        true => Some(person.get(&format!("{path}/history?limit=1000")).await?),
        false => None,
    };
    let who = staff(person, worklist.entries.iter().filter_map(|owed| owed.taken.as_ref()?.actor.as_deref())).await?;
    let (open, closed): (Vec<Referral>, Vec<Referral>) = list.referrals.into_iter().partition(|one| one.status != "closed");
    let kept = open.is_empty() && !closed.is_empty() && list.forgotten_at.is_none();
    let mut items = Vec::new();
    for referral in open.into_iter().rev().chain(closed.into_iter().rev().take(CLOSED)) {
        let mut item = blank(known.id, referral.referral, Some(known.name.clone()), phone.clone(), person);
        item.need = service(person.language, &referral.need);
        item.since = wall.moment(referral.opened_at);
        item.step = match referral.status.as_str() {
            "open" => Step::Book,
            "closed" => Step::Closed,
            _ => Step::Close,
        };
        if item.step == Step::Close {
            let owed = worklist.entries.iter().find(|owed| owed.patient == known.id && owed.about == referral.referral);
            match (owed, &agenda) {
                (Some(owed), _) => call(&mut item, person, wall, owed, &who),
                (None, Some(agenda)) => later(&mut item, agenda, wall),
                (None, None) => {}
            }
            let id = referral.provider.map(|id| id.to_string()).unwrap_or_default();
            item.place = found::provider(person, &referral.need, &id, wall, near).await?;
            let zone = item.place.as_ref().map_or(branch.time_zone.as_str(), |place| place.time_zone.as_str());
            let there = Wall::new(wall.language, zone, wall.now);
            item.at = history.as_ref().and_then(|history| time_there(history, referral.referral)).map(|at| there.moment(at));
        }
        item.code = referral.need;
        items.push(item);
    }
    let forgotten = list.forgotten_at.map(|at| wall.day(wall.date(at)));
    Ok(UnderWay { items, more: false, forgotten, kept })
}

/// What is owed on another branch's list.
fn later(item: &mut Item, agenda: &Agenda, wall: &Wall) {
    if agenda.owed.iter().all(|owed| owed.about != item.referral) {
        return;
    }
    item.step = Step::Call;
    if let Some(may) = agenda.now_possible.iter().find(|may| may.purpose == CALL_BACK) {
        item.callable = may.permitted;
        item.reasons = may.reasons.iter().map(|reason| words::refusal(wall, reason)).collect();
        item.next = may.next.map(|next| wall.brief(next));
        item.channel = may.channel.clone().unwrap_or_else(|| "phone".into());
    }
}

/// The time that was booked there: of the latest arrangement.
fn time_there(history: &History, referral: Uuid) -> Option<DateTime<Utc>> {
    let id = referral.to_string();
    let of = |event: &&Event| event.kind == "referral.arranged" && event.data["referral"] == id.as_str();
    history.events.iter().rev().find(of)?.data["starts_at"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_time_there_is_that_of_the_latest_arrangement() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let arranged = |referral: Uuid, at: Option<&str>| json!({"type": "referral.arranged", "data": {"referral": referral, "starts_at": at}});
        let of = |events: Vec<Value>| {
            let history: History = serde_json::from_value(json!({"events": events})).unwrap();
            time_there(&history, one)
        };
        let (first, second) = ("2026-03-03T07:00:00Z", "2026-03-04T07:00:00Z");
        assert_eq!(of(vec![arranged(one, Some(first)), arranged(other, Some(second))]), Some(first.parse().unwrap()));
        assert_eq!(of(vec![arranged(one, Some(first)), arranged(one, Some(second))]), Some(second.parse().unwrap()));
        assert_eq!(of(vec![arranged(one, Some(first)), arranged(one, None)]), None, "arranged again without a time");
    }
}
