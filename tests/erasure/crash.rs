//! Whoever dies in the middle of an erasure leaves nothing half done: the next one finishes it.

use std::collections::BTreeSet;

use serde_json::json;
use tact::roles;
use tact_domain::Actor;
use tact_domain::patient::events::{Empty, Event};
use tact_service::clock::Clock;
use tact_service::transact::Command;
use tact_testbed::{Nats, Postgres};
use uuid::Uuid;

use super::found_in;
use crate::processes::{Caller, Cluster, Process, command, new_key};

/// How far an erasure had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Died {
    WithTheReason,
    AfterTheEvent,
    HavingErased,
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_stopped_anywhere_is_finished_by_the_next_process() {
    let nats = Nats::shared().await.unwrap().url();
    let cluster = Cluster::set_up(&nats, &Postgres::shared().await.unwrap().database().await.unwrap()).await;
    let server = cluster.serve("patient").await;
    let mut patients = Vec::new();
    for died in [Died::WithTheReason, Died::AfterTheEvent, Died::HavingErased] {
        let body = json!({"home_branch": "north", "person": {"name": format!("{died:?}")}});
        let patient = cluster.manager_at(&server).post("/v1/patients", body).await.ok()["patient"].as_str().unwrap().to_owned();
        patients.push((died, patient));
    }
    server.stop().await;

    // A process that does so much of each, and is not there any more.
    let app = roles::open(&cluster.settings(), Clock::by_hand(cluster.now())).await.unwrap();
    for ((died, patient), number) in patients.iter().zip(1_u128..) {
        let patient: Uuid = patient.parse().unwrap();
        let event = Uuid::from_u128(number << 64);
        app.personal.order_erasure(event, patient, "unlawful").await.unwrap();
        if *died == Died::WithTheReason {
            continue;
        }
        let actor = Actor::System("test".into());
        let command = Command { event, fingerprint: None, time: None, actor, branch: None, cause: None };
        app.transactor.record(patient, &command, &Event::Erased(Empty {})).await.unwrap();
        if *died == Died::HavingErased {
            app.personal.carry_out(event, patient, &[patient], cluster.now()).await.unwrap();
        }
    }
    drop(app);

    let server = cluster.serve("patient").await;
    let desk = cluster.manager_at(&server);
    for (died, patient) in &patients {
        let (shown, act) = (format!("/v1/patients/{patient}"), format!("/v1/patients/{patient}/erasure"));
        if *died == Died::WithTheReason {
            // Nothing was recorded, so nothing was erased; and whoever asks now gives a reason of their own.
            assert_eq!(desk.get(&shown).await.ok()["person"]["name"], format!("{died:?}"));
            desk.get(&act).await.refused(404, "not_found");
            desk.post(&act, json!({"reason": "retention_over"})).await.ok();
            assert_eq!(desk.get(&act).await.ok()["reason"], "retention_over");
            continue;
        }
        let act = desk.until(&act, |reply| reply.status.is_success()).await.ok();
        assert_eq!(desk.get(&shown).await.ok()["person"], json!(null), "{died:?}");
        assert_eq!(act["reason"], "unlawful", "{died:?}: {act}");
        assert_eq!(act["destroyed"], json!([{"category": "name", "count": 1}]), "{died:?}: {act}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_while_it_erases_erases_all_that_it_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let mut command = command(&["serve"]).await;
        command.env("TACT_DATA", folder.path()).env("TACT_LISTEN", "127.0.0.1:0");
        Process::start(command).await
    };
    let mut server = start().await;
    let token = server.first_token().await;
    let desk = Caller::new(&server.url, &token);
    desk.put("/v1/branches/north", json!({"name": "North", "time_zone": "Europe/Moscow"})).await.ok();
    let mut patients = Vec::new();
    for number in 0..24 {
        let body = json!({"home_branch": "north", "person": {"name": format!("mark{number:03}end")}});
        patients.push(desk.post("/v1/patients", body).await.ok()["patient"].as_str().unwrap().to_owned());
    }
    let mut answered = BTreeSet::new();
    // Killed while others are under way, a little later each time.
    for (round, patients) in patients.chunks(8).enumerate() {
        let desk = desk.at(&server);
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        for patient in patients.iter().cloned() {
            let (desk, said) = (desk.clone(), said.clone());
            tokio::spawn(async move {
                let (path, body) = (format!("/v1/patients/{patient}/erasure"), json!({"reason": "patient_request"}));
                let reply = desk.try_send(hyper::Method::POST, &path, &new_key(), Some(&body)).await;
                let _ = said.send(reply.filter(|reply| reply.status.is_success()).map(|_| patient));
            });
        }
        drop(said);
        for _ in 0..=round {
            answered.extend(heard.recv().await.flatten());
        }
        server.kill().await;
        while let Some(reply) = heard.recv().await {
            answered.extend(reply);
        }
        server = start().await;
    }
    let desk = desk.at(&server);
    let mut gone = Vec::new();
    for (number, patient) in patients.iter().enumerate() {
        let shown = desk.get(&format!("/v1/patients/{patient}")).await.ok();
        if shown["standing"] == "erased" {
            let act = desk.until(&format!("/v1/patients/{patient}/erasure"), |reply| reply.status.is_success()).await.ok();
            assert_eq!(act["destroyed"], json!([{"category": "name", "count": 1}]), "{act}");
            assert_eq!(act["reason"], "patient_request");
            gone.push(format!("mark{number:03}end"));
        } else {
            assert!(!answered.contains(patient), "an erasure was answered and is not in the log");
            assert_eq!(shown["person"]["name"], format!("mark{number:03}end"), "not recorded, not erased");
        }
    }
    assert!(gone.len() >= 6, "{} erasures were recorded", gone.len());
    let gone: Vec<&str> = gone.iter().map(String::as_str).collect();
    assert_eq!(found_in(folder.path(), "", &gone), []);
    server.stop().await;
}
