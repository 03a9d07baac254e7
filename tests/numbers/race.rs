//! Many ask for one number at once, at two services; some of them die between the reservation and the permit.

use std::sync::Arc;

use serde_json::json;
use tact_domain::number::{NumberEvent, RESERVED_FOR};
use tact_domain::patient::events::Event;
use tact_domain::patient::{Ask, OnNumber};
use tact_domain::{Actor, Channel, Recorded};
use tact_event_log::{EventLog, Freshness, Position, StreamId};
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::number::{Numbers, Reserve};
use tact_service::transact::{Command, Transactor};
use uuid::Uuid;

use super::{PHONE, busy, number, permitted, person, stream};
use crate::network::{Network, any_id};

/// A service of its own, with nothing in memory that another has.
struct Service {
    transactor: Transactor,
    control: Control,
    numbers: Numbers,
}

impl Service {
    fn of(network: &Network) -> Self {
        let app = network.app();
        let log: Arc<dyn EventLog> = app.transactor.log().clone();
        let (clock, keys) = (app.clock.clone(), IdKey::new(&[0x5a; 32]));
        Self {
            transactor: Transactor::new(log.clone(), &app.network, clock.clone(), 100),
            control: Control::new(log.clone(), &app.network, clock.clone()),
            numbers: Numbers::new(log, &app.network, clock, keys, Arc::new(app.personal.clone())),
        }
    }

    async fn ask(&self, patient: Uuid, channel: Channel) -> bool {
        let command = command();
        let (purpose, branch) = ("promotion".parse().unwrap(), "north".parse().unwrap());
        let ask = Ask { permit: any_id(), purpose, channel, branch, about: None, reason: None, number: OnNumber::NotAsked };
        let done = tact_service::permit::ask(&self.transactor, &self.control, &self.numbers, patient, &command, &ask, None).await;
        matches!(done.unwrap().recorded.event, Event::Permitted(_))
    }
}

fn command() -> Command {
    let actor = Actor::System("test".into());
    Command { event: any_id(), fingerprint: Some(1), time: None, actor, branch: None, cause: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_ask_at_once_one_rings() {
    Network::on_both(async |network| {
        for round in 0..6 {
            let phone = format!("+7 495 200 00 0{round}");
            let people = [person(network, &phone).await, person(network, &phone).await, person(network, &phone).await];
            let services = [Service::of(network), Service::of(network)];
            let channels = [Channel::Phone, Channel::Sms, Channel::Messenger];
            let asking = (0..12).map(|n| services[n % 2].ask(people[n % 3], channels[n / 2 % 3]));
            let granted = futures::future::join_all(asking).await.into_iter().filter(|granted| *granted).count();
            assert_eq!(granted, 1, "round {round}");
            // Whoever was granted it had it reserved; whoever was refused is told of the number, or of their own permit.
            let mut permits = 0;
            for patient in people {
                for recorded in stream(network, patient).await {
                    if let Event::Permitted(e) = recorded.event {
                        permits += 1;
                        assert!(e.basis.reservation.is_some());
                    }
                }
            }
            assert_eq!(permits, 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reservation_whose_maker_died_lapses_by_itself() {
    Network::on_both(async |network| {
        let (anna, boris) = (person(network, PHONE).await, person(network, PHONE).await);
        let service = Service::of(network);
        let known = service.transactor.patient_now(anna).await.unwrap();
        let mut sight = service.numbers.look(&service.transactor, anna, known.position).await.unwrap();
        let purpose = "promotion".parse().unwrap();
        let reserve = Reserve { permit: any_id(), purpose, channel: Channel::Sms, day: None, joins: None };
        assert!(service.numbers.reserve(&mut sight, &command(), reserve).await.unwrap());
        // It dies here. Until then its permit may still come.
        let lapses = network.app().clock.now() + RESERVED_FOR + chrono::Duration::seconds(5);
        let next = busy(&super::ask(network, boris, "promotion", "sms", None).await);
        assert_eq!(next.as_str().unwrap().parse::<tact_domain::Time>().unwrap(), lapses);
        network.set_clock(&lapses.to_rfc3339());
        permitted(&super::ask(network, boris, "promotion", "sms", None).await);
        let log = network.app().transactor.log();
        let stored =
            log.read_stream(StreamId::Number(number(network, anna).await), Position::START, Freshness::Latest).await.unwrap();
        let patients = stored.iter().map(|stored| match Recorded::<NumberEvent>::read(&stored.bytes).unwrap().event {
            NumberEvent::Reserved(reserved) => reserved.patient,
            other => panic!("{other:?}"),
        });
        assert_eq!(patients.collect::<Vec<_>>(), [anna, boris]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_given_again_reserves_and_grants_once() {
    let network = Network::start().await;
    let anna = person(&network, PHONE).await;
    let path = format!("/v1/patients/{anna}/permits");
    let body = json!({"purpose": "promotion", "channel": "sms", "branch": "north"});
    let request = || {
        let mut request = network.request(&hyper::Method::POST, &path, &network.manager, Some(&body));
        request.headers_mut().insert("Idempotency-Key", "once".parse().unwrap());
        request
    };
    let first = permitted(&network.send(request()).await.ok());
    assert_eq!(permitted(&network.send(request()).await.ok()), first);
    let log = network.app().transactor.log();
    let of_number = StreamId::Number(number(&network, anna).await);
    assert_eq!(log.read_stream(of_number, Position::START, Freshness::Latest).await.unwrap().len(), 1);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_checked_is_not_permitted() {
    let network = Network::start().await;
    let (anna, boris) = (person(&network, PHONE).await, person(&network, PHONE).await);
    let log = network.app().transactor.log();
    let stored = log.read_stream(StreamId::Patient(anna), Position::START, Freshness::Latest).await.unwrap();
    let strange = tact_event_log::NewEvent { id: any_id(), bytes: bytes::Bytes::from_static(b"{}") };
    let appended = log.append(StreamId::Patient(anna), stored.last().unwrap().position, strange).await.unwrap();
    assert!(matches!(appended, tact_event_log::Append::Done(_)));
    assert_eq!(busy(&super::ask(&network, boris, "promotion", "sms", None).await), serde_json::Value::Null);
    permitted(&super::ask(&network, boris, "promotion", "email", None).await);
    network.stop().await;
}
