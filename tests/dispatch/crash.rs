//! A dispatcher that dies between any two of its steps, two of them at once, one that sleeps in the middle: nothing is dialled twice, and no
//! outcome is forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use tact_dispatcher::points::{Point, Points};
use tact_dispatcher::status::Status;
use tact_dispatcher::store::Stage;
use tact_domain::Outcome;
use tokio::sync::{Notify, Semaphore};

use super::{Scene, events, how_often, outcome, story};
use crate::network::time;

/// Stops whoever comes to a point first, until it is let go. Says when somebody stands there.
#[derive(Clone)]
pub(super) struct Stop {
    there: Arc<Notify>,
    go: Arc<Semaphore>,
    pub(super) points: Points,
}

impl Stop {
    pub(super) fn at(wanted: Point) -> Self {
        let (there, go, taken) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(0)), Arc::new(AtomicBool::new(false)));
        let points = {
            let (there, go) = (there.clone(), go.clone());
            Points::watched(move |point, _| {
                let (there, go, taken) = (there.clone(), go.clone(), taken.clone());
                async move {
                    if point == wanted && !taken.swap(true, Ordering::Relaxed) {
                        there.notify_one();
                        let _ = go.acquire().await.unwrap();
                    }
                }
                .boxed()
            })
        };
        Self { there, go, points }
    }

    pub(super) async fn reached(&self) {
        tokio::time::timeout(super::PATIENCE, self.there.notified()).await.expect("it comes to the point");
    }

    pub(super) fn let_go(&self) {
        self.go.add_permits(1);
    }
}

/// Behind any claim.
const LATER: &str = "2026-03-02T09:05:00Z";

/// Where it comes only with a message for several people; tests/dispatch/household.rs goes through all of them.
const FOR_SEVERAL: [Point; 3] = [Point::Asked, Point::Joined, Point::RecordedToo];

/// Comes to a point, dies there, and begins again once its claim has run out. `phone` ends in what the gateway does.
async fn dies_at(point: Point, phone: &str) -> (Scene, uuid::Uuid, uuid::Uuid, Outcome) {
    let scene = Scene::quiet().await;
    let stop = Stop::at(point);
    let first = scene.dispatcher_at(scene.desk(stop.points.clone()).await);
    scene.taken(&first).await;
    let patient = scene.patient(phone).await;
    let permit = scene.permit(patient).await;
    stop.reached().await;
    first.crash().await;
    scene.set_clock(LATER);
    let second = scene.dispatcher().await;
    let done = scene.until(&second, permit, |dispatch| dispatch.outcome.is_some() || dispatch.stage == Stage::Open).await;
    let contact = done.contact;
    if done.outcome.is_none() {
        // The gateway has it, and does not know yet: it tells later.
        scene.until(&second, permit, |dispatch| dispatch.said.is_some()).await;
        scene.gateway.sandbox.happen(contact, Status::Delivered, time(LATER));
        scene.set_clock("2026-03-02T15:00:00Z");
        scene.until(&second, permit, |dispatch| dispatch.outcome.is_some()).await;
    }
    second.stop().await;
    let outcome = outcome(&scene.network, patient).await.expect("an outcome is recorded");
    (scene, patient, contact, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_point_dials_once_at_most_and_forgets_no_outcome() {
    for point in Point::ALL.into_iter().filter(|point| !FOR_SEVERAL.contains(point)) {
        // Where the gateway has to be asked: one that takes a message and says that it is broken.
        let phone = match point {
            Point::Asking | Point::Settling | Point::Recorded => "+7 905 731-94-68",
            // And one that says so and has not taken it.
            Point::Voiding => "+7 905 731-94-67",
            _ => "+7 905 731-94-60",
        };
        let (scene, patient, contact, outcome) = dies_at(point, phone).await;
        let received = scene.gateway.sandbox.held(contact).map_or(0, |held| held.received);
        let expected = match point {
            // Nothing had left, so it leaves now.
            Point::Read | Point::Taken | Point::Claimed | Point::Made => (1, Outcome::Reached),
            // It may have left, and had not: it never will.
            Point::Begun | Point::Sending | Point::Voiding => (0, Outcome::Failed),
            _ => (1, Outcome::Reached),
        };
        assert_eq!((received, outcome), expected, "{point:?}");
        let events = events(&scene.network, patient).await;
        for kind in ["contact.permitted", "contact.started", "contact.made"] {
            assert_eq!(how_often(&events, kind), 1, "{point:?}: {kind}");
        }
        assert_eq!(how_often(&events, "contact.corrected"), 0, "{point:?}");
        scene.network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_sleeps_between_beginning_and_sending_does_not_send_when_it_wakes() {
    for point in [Point::Begun, Point::Sending] {
        let scene = Scene::quiet().await;
        let stop = Stop::at(point);
        let sleeper = scene.dispatcher_at(scene.desk(stop.points.clone()).await);
        scene.taken(&sleeper).await;
        let patient = scene.patient("+7 905 731-94-60").await;
        let permit = scene.permit(patient).await;
        stop.reached().await;
        // Its claim runs out, and another asks: the gateway has never had the message, and promises never to take it.
        scene.set_clock(LATER);
        let other = scene.dispatcher().await;
        let done = scene.until(&other, permit, |dispatch| dispatch.outcome.is_some()).await;
        assert_eq!(done.outcome, Some(Outcome::Failed));
        assert!(scene.gateway.sandbox.is_void(done.contact));
        stop.let_go();
        sleeper.stop().await;
        other.stop().await;
        assert!(scene.gateway.sandbox.held(done.contact).is_none(), "{point:?}: it was sent after all");
        assert_eq!(story(&scene.network, patient).await, ["contact.permitted", "contact.started", "contact.made"], "{point:?}");
        assert_eq!(outcome(&scene.network, patient).await, Some(Outcome::Failed), "{point:?}");
        // It never left us, so it may be tried again, by another permit.
        scene.permit(patient).await;
        scene.network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_send_each_message_once() {
    let scene = Scene::quiet().await;
    let both = [scene.dispatcher().await, scene.dispatcher().await];
    for working in &both {
        scene.taken(working).await;
    }
    let mut permits = Vec::new();
    for number in 0..20 {
        let patient = scene.patient(&format!("+7 905 731-{number:02}-00")).await;
        permits.push((patient, scene.permit(patient).await));
    }
    for (_, permit) in &permits {
        scene.until(&both[0], *permit, |dispatch| dispatch.said.is_some() && dispatch.stage == Stage::Open).await;
    }
    let all = scene.gateway.sandbox.all();
    assert_eq!(all.len(), 20);
    assert!(all.iter().all(|(_, held)| held.received == 1), "{all:?}");
    for (patient, _) in &permits {
        assert_eq!(story(&scene.network, *patient).await, ["contact.permitted", "contact.started"]);
    }
    for working in both {
        working.stop().await;
    }
    scene.network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_away_for_a_week_sends_nothing_stale() {
    let scene = Scene::quiet().await;
    // It has been here once, and so goes on where it was.
    let working = scene.dispatcher().await;
    scene.taken(&working).await;
    working.stop().await;
    let patient = scene.patient("+7 905 731-94-60").await;
    let permit = scene.permit(patient).await;
    scene.set_clock("2026-03-09T09:00:00Z");
    let working = scene.dispatcher().await;
    let dropped = scene.until(&working, permit, |dispatch| dispatch.stage == Stage::Dropped).await;
    assert_eq!(dropped.reason.as_deref(), Some("expired"));
    let counts = working.desk.store.counts().await.unwrap();
    assert!(counts.iter().any(|count| count.reason.as_deref() == Some("expired") && count.number == 1), "{counts:?}");
    working.stop().await;
    assert_eq!(scene.gateway.sandbox.all().len(), 0);
    assert_eq!(story(&scene.network, patient).await, ["contact.permitted"]);
    scene.network.stop().await;
}
