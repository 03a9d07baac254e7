//! Pages of a process that is not the API: it learns from the services themselves which of them answers to what.

use serde_json::{Value, json};
use tact::roles::{Role, start};
use tact::settings::Settings;
use tact_service::clock::Clock;
use tact_testbed::{Nats, Postgres};

use super::journey;
use crate::network::{NOON, time};
use crate::processes::{Caller, Cluster};

#[tokio::test(flavor = "multi_thread")]
async fn pages_stand_apart_from_the_services_that_they_ask() {
    let (nats, database) = (Nats::shared().await.unwrap(), Postgres::shared().await.unwrap().database().await.unwrap());
    let cluster = Cluster::set_up(&nats.url(), &database).await;
    let clock = Clock::by_hand(time(NOON));
    let (mut services, mut callers) = (Vec::new(), Vec::new());
    for role in [
        Role::Contact,
        Role::Consent,
        Role::Appointment,
        Role::Patient,
        Role::Referral,
        Role::Feedback,
        Role::Directory,
        Role::Notary,
        Role::SignIn,
        Role::Projector,
    ] {
        let running = start(&cluster.settings(), &[role], clock.clone()).await.unwrap();
        callers.push((role, Caller::new(&running.url, &cluster.manager)));
        services.push(running);
    }
    let of = |role: Role| callers.iter().find(|(of, _)| *of == role).map(|(_, caller)| caller).unwrap();
    let person = json!({"home_branch": "north", "person": {"name": "Olga Calls", "phone": "+7 921 555-01-01"}});
    let patient = of(Role::Patient).post("/v1/patients", person).await.ok()["patient"].as_str().unwrap().to_owned();
    let request = of(Role::Contact).post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
    let position = request["position"].as_str().unwrap();
    of(Role::Contact).get(&format!("/v1/branches/north/worklist?at_least={position}")).await.ok();
    let apart = Settings { console_api_url: services.iter().map(|one| one.url.clone()).collect(), ..cluster.settings() };
    let console = start(&apart, &[Role::Console], clock).await.unwrap();
    let on = async |what: &Value| {
        let mut wanted = what.clone();
        assert_eq!(wanted.as_object_mut().unwrap().remove("do").unwrap(), "link");
        let made = of(Role::SignIn).post("/v1/sign-in-links", wanted).await.ok();
        let secret = made["url"].as_str().unwrap().split_once('#').unwrap().1;
        json!({"link": format!("{}/sign-in#{secret}", console.url)})
    };
    journey("two", json!({"language": "ru", "called": "Olga Calls"}), on).await;
    console.stop().await;
    for running in services {
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_an_api_say_what_to_set() {
    let (nats, database) = (Nats::shared().await.unwrap(), Postgres::shared().await.unwrap().database().await.unwrap());
    let cluster = Cluster::set_up(&nats.url(), &database).await;
    for (urls, said) in [
        (Vec::new(), "`console_api_url` must name the addresses"),
        (vec!["contact:8080".to_owned()], "`console_api_url`: `contact:8080` is not an address such as `http://contact:8080`"),
    ] {
        let settings = Settings { console_api_url: urls, ..cluster.settings() };
        let refused = start(&settings, &[Role::Console], Clock::by_hand(time(NOON))).await.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
}
