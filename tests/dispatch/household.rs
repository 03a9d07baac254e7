//! Two children of one family, one telephone: what both are owed on one day goes out as one message, begun and recorded with each of them, and
//! a crash at any point sends nothing twice and leaves nobody without an outcome.

use std::sync::Arc;

use futures::FutureExt;
use serde_json::json;
use tact_dispatcher::points::{Point, Points};
use tact_dispatcher::sandbox::Options;
use tact_dispatcher::settle::settle;
use tact_dispatcher::status::{Said, Status, Word};
use tact_dispatcher::store::Stage;
use tact_domain::{Outcome, Recorded};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::crash::Stop;
use super::{Gateway, Scene, events, how_often, outcome, permit, story};
use crate::network::{Network, id, time};

/// The last digit says what the gateway does: here, nothing in particular.
const NUMBER: &str = "+7 905 731-94-60";

/// Both are due by now; when they were booked, neither was.
const MORNING: &str = "2026-03-05T09:00:00Z";
/// Behind any claim.
const LATER: &str = "2026-03-05T09:05:00Z";
/// Behind the time for which whoever joined waits for the other.
const EVENING: &str = "2026-03-05T15:00:00Z";

/// A child of the family, with an appointment at this hour of the sixth of March.
async fn child(network: &Network, phone: &str, hour: &str) -> Uuid {
    let patient = network.patient("north", json!({"person": {"name": "Анна", "phone": phone}, "language": "ru"})).await;
    let booking = json!({"branch": "north", "kind": "checkup", "starts_at": format!("2026-03-06T{hour}:00+03:00")});
    network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
    patient
}

/// The contact under which one of them was told, and the permit.
fn told(events: &[Recorded]) -> Option<(Uuid, Uuid)> {
    events.iter().find_map(|recorded| match &recorded.event {
        tact_domain::patient::Event::Made(made) => Some((made.contact, made.permit?)),
        _ => None,
    })
}

/// The permit that one of them was given.
fn granted(events: &[Recorded]) -> Option<Uuid> {
    events.iter().find_map(|recorded| match &recorded.event {
        tact_domain::patient::Event::Permitted(permitted) => Some(permitted.permit),
        _ => None,
    })
}

async fn both_are_told_at_once(network: &Network, gateway: &Gateway) {
    gateway.sandbox.tell_at(&format!("{}/v1/gateway/callbacks", network.url()));
    let (elder, younger) = (child(network, NUMBER, "09:30").await, child(network, NUMBER, "11:00").await);
    // Has the number, and nothing on that day; would rather be written to elsewhere; has another number.
    let idle = network.patient("north", json!({"person": {"phone": NUMBER}})).await;
    let elsewhere = child(network, NUMBER, "10:00").await;
    network.post(&format!("/v1/patients/{elsewhere}/preferences"), json!({"preferred_channel": "email"})).await.ok();
    let stranger = child(network, "+7 905 731-94-61", "10:00").await;
    network.set_clock(MORNING);
    gateway.clock.set(time(MORNING));
    permit(network, elder, "appointment_reminder", "sms").await;
    for patient in [elder, younger] {
        network.until(patient, "contact.made").await;
        assert_eq!(story(network, patient).await, ["contact.permitted", "contact.started", "contact.made"]);
        assert_eq!(outcome(network, patient).await, Some(Outcome::Reached));
    }
    let [first, second] = [told(&events(network, elder).await).unwrap(), told(&events(network, younger).await).unwrap()];
    assert_eq!(first.0, second.0, "one contact");
    assert_ne!(first.1, second.1, "each under a permit of their own");
    let all = gateway.sandbox.all();
    let [(contact, held)] = &all[..] else { panic!("one message: {all:?}") };
    assert_eq!((*contact, held.received), (first.0, 1));
    let said = "Напоминаем о записях: north, 6 марта, 09:30, 11:00. Если не сможете прийти, позвоните: +7 495 000-00-00";
    assert_eq!(held.message["text"], said);
    for (patient, expected) in [(idle, &[][..]), (elsewhere, &["consent.preference_set"]), (stranger, &[])] {
        assert_eq!(story(network, patient).await, expected);
    }
    // Its row is covered by the other's, and is listed so.
    let noted = |list: &serde_json::Value| list["messages"][0]["outcome"] == "reached";
    let covered = network.until_get("/v1/branches/north/dispatches?state=covered", noted).await;
    let row = &covered["messages"][0];
    assert_eq!((&row["permit"], &row["contact"]), (&json!(second.1), &json!(first.0)), "{covered}");
    // Whose wish it is to be left alone, nobody can tell: it is asked once, and neither of them is written to.
    let said = Said { word: Word::Gateway(Status::OptedOut), at: network.app().clock.now() };
    settle(network.desk(), first.0, said).await.unwrap();
    network.until(younger, "contact.corrected").await;
    network.until(elder, "contact.corrected").await;
    let stops = network
        .until_get("/v1/numbers/stops?branch=north", |stops| stops["stops"].as_array().is_some_and(|stops| !stops.is_empty()))
        .await;
    assert_eq!(stops["stops"].as_array().unwrap().len(), 1, "{stops}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reminders_for_two_children_on_one_day_go_out_as_one() {
    for on_servers in [false, true] {
        let gateway = Gateway::start(Options::default()).await;
        let file = Some(gateway.file(""));
        let network = if on_servers { Network::on_servers_with(file).await } else { Network::start_with(file).await };
        both_are_told_at_once(&network, &gateway).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_waits_until_the_second_is_due_if_it_can() {
    let gateway = Gateway::start(Options::default()).await;
    let network = Network::start_with(Some(gateway.file("automatic = [\"appointment_reminder\"]"))).await;
    gateway.sandbox.tell_at(&format!("{}/v1/gateway/callbacks", network.url()));
    let at = async |phone: &str, start: &str| {
        let patient = network.patient("north", json!({"person": {"phone": phone}, "language": "ru"})).await;
        let booking = json!({"branch": "north", "kind": "checkup", "starts_at": start});
        network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
        patient
    };
    let early = at(NUMBER, "2026-03-06T10:00:00+03:00").await;
    let late = at(NUMBER, "2026-03-06T12:00:00+03:00").await;
    // Here the second is due in quiet hours, and the first cannot wait so long.
    let morning = at("+7 905 731-94-70", "2026-03-06T10:00:00+03:00").await;
    let night = at("+7 905 731-94-70", "2026-03-06T20:30:00+03:00").await;
    let clock = |to: &str| {
        network.set_clock(to);
        gateway.clock.set(time(to));
    };
    clock("2026-03-05T07:30:00Z");
    network.until(morning, "contact.made").await;
    assert_eq!(story(&network, early).await, [""; 0], "it waits");
    clock("2026-03-05T09:00:00Z");
    for patient in [early, late] {
        network.until(patient, "contact.made").await;
    }
    assert_eq!(told(&events(&network, early).await).unwrap().0, told(&events(&network, late).await).unwrap().0);
    clock("2026-03-06T06:30:00Z");
    network.until(night, "contact.made").await;
    assert_eq!(gateway.sandbox.all().len(), 3);
    network.stop().await;
}

/// The permit of one who is told with another.
async fn with(network: &Network, patient: Uuid, first: Uuid) -> Uuid {
    let ask = json!({"purpose": "appointment_reminder", "channel": "sms", "branch": "north", "with": first});
    let answer = network.post(&format!("/v1/patients/{patient}/permits"), ask).await.ok();
    assert_eq!(answer["decision"], "permitted", "{answer}");
    id(&answer["permit"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_point_tells_a_household_once_at_most_and_forgets_nobodys_outcome() {
    for point in Point::ALL {
        let phone = match point {
            // A gateway that takes a message and says that it is broken; and one that says so and has not taken it.
            Point::Asking | Point::Settling | Point::Recorded | Point::RecordedToo => "+7 905 731-94-68",
            Point::Voiding => "+7 905 731-94-67",
            _ => NUMBER,
        };
        let scene = Scene::quiet().await;
        let stop = Stop::at(point);
        let first = scene.dispatcher_at(scene.desk(stop.points.clone()).await);
        scene.taken(&first).await;
        let children = [child(&scene.network, phone, "09:30").await, child(&scene.network, phone, "11:00").await];
        scene.set_clock(MORNING);
        let leads = scene.permit(children[0]).await;
        stop.reached().await;
        first.crash().await;
        scene.set_clock(LATER);
        let second = scene.dispatcher().await;
        let done = scene.until(&second, leads, |d| d.outcome.is_some() || d.said.is_some()).await;
        if scene.gateway.sandbox.held(done.contact).is_some() {
            scene.gateway.sandbox.happen(done.contact, Status::Delivered, time(LATER));
        }
        scene.set_clock(EVENING);
        scene.until(&second, leads, |d| d.outcome.is_some()).await;
        let mut told = Vec::new();
        for child in children {
            let granted = granted(&events(&scene.network, child).await);
            let Some(granted) = granted else { continue };
            scene.until(&second, granted, |d| d.stage == Stage::Dropped || d.outcome.is_some()).await;
            let events = events(&scene.network, child).await;
            let begun = how_often(&events, "contact.started");
            assert_eq!((how_often(&events, "contact.permitted"), begun), (1, how_often(&events, "contact.made")), "{point:?}");
            assert_eq!(how_often(&events, "contact.corrected"), 0, "{point:?}");
            told.push((begun == 1).then(|| outcome_of(&events)));
        }
        second.stop().await;
        let received: usize = scene.gateway.sandbox.all().iter().map(|(_, held)| held.received).sum();
        let expected = match point {
            // Nothing had left, so it leaves now, for both.
            Point::Read | Point::Taken | Point::Claimed | Point::Made | Point::Asked => (1, vec![Some(Outcome::Reached); 2]),
            // It began for the one alone, and never left: the other permit is given back.
            Point::Begun => (0, vec![Some(Outcome::Failed), None]),
            Point::Joined | Point::Sending | Point::Voiding => (0, vec![Some(Outcome::Failed); 2]),
            Point::Sent | Point::Asking | Point::Settling | Point::Recorded | Point::RecordedToo => {
                (1, vec![Some(Outcome::Reached); 2])
            }
        };
        assert_eq!((received, told), expected, "{point:?}");
        scene.network.stop().await;
    }
}

fn outcome_of(events: &[Recorded]) -> Outcome {
    let made = events.iter().find_map(|recorded| match &recorded.event {
        tact_domain::patient::Event::Made(made) => Some(made.outcome),
        _ => None,
    });
    made.expect("an outcome is recorded")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_sleeps_while_it_begins_for_both_leaves_nobody_without_an_outcome() {
    let scene = Scene::quiet().await;
    let stop = Stop::at(Point::Begun);
    let sleeper = scene.dispatcher_at(scene.desk(stop.points.clone()).await);
    scene.taken(&sleeper).await;
    let children = [child(&scene.network, NUMBER, "09:30").await, child(&scene.network, NUMBER, "11:00").await];
    scene.set_clock(MORNING);
    let leads = scene.permit(children[0]).await;
    stop.reached().await;
    // Another one finds it begun, and makes the gateway refuse it. Meanwhile the second child's turn has not come.
    scene.set_clock("2026-03-05T09:03:59Z");
    let desk = scene.desk(Points::default()).await;
    let contact = desk.contact_of(leads);
    scene.set_clock("2026-03-05T09:04:01Z");
    let other = scene.dispatcher_at(desk);
    scene.until(&other, leads, |dispatch| dispatch.outcome.is_some()).await;
    other.stop().await;
    // It wakes, begins for the second too, and the gateway takes nothing of it.
    stop.let_go();
    sleeper.stop().await;
    let last = scene.dispatcher().await;
    scene.set_clock(EVENING);
    scene.taken(&last).await;
    let second = granted(&events(&scene.network, children[1]).await);
    scene.until(&last, second.expect("it was asked for"), |d| d.outcome.is_some() || d.stage == Stage::Dropped).await;
    last.stop().await;
    assert!(scene.gateway.sandbox.held(contact).is_none(), "it was sent after all");
    for child in children {
        let events = events(&scene.network, child).await;
        assert_eq!(how_often(&events, "contact.started"), how_often(&events, "contact.made"));
    }
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_that_programs_join_are_told_together_and_given_back_if_the_first_is_gone() {
    let scene = Scene::quiet().await;
    let network = &scene.network;
    // It has been here before, and sleeps.
    let working = scene.dispatcher().await;
    scene.taken(&working).await;
    working.stop().await;
    let children = [child(network, NUMBER, "09:30").await, child(network, NUMBER, "11:00").await];
    let others = [child(network, "+7 905 731-94-70", "09:30").await, child(network, "+7 905 731-94-70", "11:00").await];
    scene.set_clock(MORNING);
    let first = permit(network, children[0], "appointment_reminder", "sms").await;
    let second = with(network, children[1], first).await;
    let given_back = permit(network, others[0], "appointment_reminder", "sms").await;
    let left = with(network, others[1], given_back).await;
    network.post(&format!("/v1/patients/{}/permits/{given_back}/release", others[0]), json!({})).await.ok();
    let working = scene.dispatcher().await;
    let covered = scene.until(&working, second, |dispatch| dispatch.stage == Stage::Covered).await;
    let leader = scene.until(&working, first, |dispatch| dispatch.said.is_some()).await;
    assert_eq!(covered.covered_by, Some(leader.contact));
    let left = scene.until(&working, left, |dispatch| dispatch.stage == Stage::Dropped).await;
    assert_eq!(left.reason.as_deref(), Some("refused:number_busy"));
    // The word comes late, and twice, and another one after it: each of both has it.
    for (status, at, expected) in [
        (Status::NoAnswer, "2026-03-05T09:02:00Z", Outcome::NoAnswer),
        (Status::NoAnswer, "2026-03-05T09:02:00Z", Outcome::NoAnswer),
        (Status::Delivered, "2026-03-05T09:03:00Z", Outcome::Reached),
    ] {
        scene.set_clock("2026-03-05T09:10:00Z");
        let said = Said { word: Word::Gateway(status), at: time(at) };
        settle(&working.desk, leader.contact, said).await.unwrap();
        for child in children {
            assert_eq!(outcome(network, child).await, Some(expected));
        }
    }
    working.stop().await;
    for child in children {
        let all = events(network, child).await;
        assert_eq!((how_often(&all, "contact.made"), how_often(&all, "contact.corrected")), (1, 1));
    }
    assert_eq!(scene.gateway.sandbox.all().len(), 1);
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_taken_for_too_late_while_it_begins_has_its_outcome_all_the_same() {
    let scene = Scene::quiet().await;
    let network = &scene.network;
    let working = scene.dispatcher().await;
    scene.taken(&working).await;
    working.stop().await;
    let children = [child(network, NUMBER, "09:30").await, child(network, NUMBER, "11:00").await];
    scene.set_clock(MORNING);
    let first = permit(network, children[0], "appointment_reminder", "sms").await;
    let second = with(network, children[1], first).await;
    // Each stands still where it comes to, and is let go one by one: the first once it has begun, the second's own turn before it would, and the
    // first again once it has begun the second too.
    let held = [(Point::Begun, first), (Point::Made, second), (Point::Joined, first)];
    let gates: Vec<_> = held.iter().map(|_| (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)))).collect();
    let points = {
        let gates = gates.clone();
        Points::watched(move |point, permit| {
            let gate = held.iter().position(|one| *one == (point, permit)).map(|at| gates[at].clone());
            async move {
                if let Some((there, go)) = gate {
                    there.add_permits(1);
                    go.acquire().await.unwrap().forget();
                }
            }
            .boxed()
        })
    };
    let reached = async |at: usize| {
        tokio::time::timeout(super::PATIENCE, gates[at].0.acquire()).await.expect("it comes to the point").unwrap().forget();
    };
    let go = |at: usize| gates[at].1.add_permits(1);
    let working = scene.dispatcher_at(scene.desk(points).await);
    reached(0).await;
    // At first it waits for the other. The next turn is so late that it takes itself for forgotten.
    reached(1).await;
    go(1);
    scene.until(&working, second, |dispatch| dispatch.asked > 0).await;
    scene.set_clock(LATER);
    reached(1).await;
    go(0);
    reached(2).await;
    go(1);
    scene.until(&working, second, |dispatch| dispatch.stage == Stage::Dropped || dispatch.asked > 1).await;
    go(2);
    scene.set_clock(EVENING);
    let over = scene.until(&working, second, |dispatch| dispatch.outcome.is_some()).await;
    assert_eq!((over.stage, over.reason), (Stage::Covered, None));
    working.stop().await;
    for child in children {
        let events = events(network, child).await;
        assert_eq!((how_often(&events, "contact.started"), how_often(&events, "contact.made")), (1, 1));
    }
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_one_text_is_told_alone() {
    let scene = Scene::quiet().await;
    let network = &scene.network;
    let working = scene.dispatcher().await;
    scene.taken(&working).await;
    // Twenty children, and three parts of a text message.
    let mut children = Vec::new();
    for minute in 0..20 {
        children.push(child(network, NUMBER, &format!("09:{:02}", 3 * minute)).await);
    }
    scene.set_clock(MORNING);
    let first = scene.permit(children[0]).await;
    scene.until(&working, first, |dispatch| dispatch.said.is_some()).await;
    let mut told = 0;
    for child in &children {
        told += how_often(&events(network, *child).await, "contact.started");
    }
    working.stop().await;
    let all = scene.gateway.sandbox.all();
    let text = all[0].1.message["text"].as_str().unwrap();
    assert_eq!(text.matches(':').count() - 2, told, "each of those for whom it began is told: {text}");
    assert!(told > 5 && told < children.len(), "{told}: {text}");
    scene.network.stop().await;
}
