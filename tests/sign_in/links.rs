//! Links that work once, and the sessions that they lead to: how they end, and that they give what was stated and no more.

use hyper::Method;
use serde_json::{Value, json};
use tact::settings::SignIn;

use super::{PUBLIC, by_link, open};
use crate::network::{NOON, Network, Reply, time};
use crate::processes::{Caller, Process, command, ended};

fn settings() -> SignIn {
    SignIn { public_url: Some(PUBLIC.to_owned()), ..SignIn::default() }
}

async fn link(network: &Network, more: Value) -> Value {
    let mut body = json!({"roles": ["administrator"], "branches": ["north"], "label": "Анна"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    network.post("/v1/sign-in-links", body).await.ok()
}

async fn end(network: &Network, token: &str) -> Reply {
    network.send(network.request(&Method::DELETE, "/v1/sessions/current", token, None)).await
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_one_in_once_with_what_was_stated() {
    for network in Network::both_with(settings()).await {
        let made = link(&network, json!({})).await;
        let url = text(&made["url"]);
        assert!(url.starts_with(&format!("{PUBLIC}/sign-in#tact_link_")), "{url}");
        let opened = by_link(&network, url).await.ok();
        assert_eq!((&opened["label"], &opened["actor"]), (&json!("Анна"), &made["actor"]));
        assert_eq!((&opened["roles"], &opened["branches"]), (&json!(["administrator"]), &json!(["north"])));
        assert_eq!(time(text(&opened["expires_at"])), time(NOON) + chrono::Duration::hours(12));
        let token = text(&opened["token"]);
        let me = network.get_as(token, "/v1/me").await.ok();
        assert_eq!(me["actor"], made["actor"]);
        assert_eq!((&me["label"], &me["roles"], &me["branches"]), (&json!("Анна"), &json!(["administrator"]), &json!(["north"])));
        assert_eq!(time(text(&me["expires_at"])), time(text(&opened["expires_at"])));
        // It may what a desk of that branch may, and nothing else.
        network.get_as(token, "/v1/branches/north/worklist").await.ok();
        network.get_as(token, "/v1/branches/east/worklist").await.refused(403, "forbidden");
        network
            .post_as(token, "/v1/sign-in-links", json!({"roles": ["administrator"], "label": "x"}))
            .await
            .refused(403, "forbidden");

        by_link(&network, url).await.refused(401, "unauthenticated");
        open(&network, "/v1/sessions", json!({"link": "tact_link_0"})).await.refused(401, "unauthenticated");
        for body in [json!({}), json!({"link": "x", "code": "y"}), json!({"sign_in": "x", "code": "y"})] {
            assert_eq!(open(&network, "/v1/sessions", body).await.refused(422, "untrue")["field"], "link");
        }
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_use_a_link_at_once_one_is_let_in() {
    for network in Network::both_with(settings()).await {
        let made = link(&network, json!({})).await;
        let trying = (0..12).map(|_| by_link(&network, text(&made["url"])));
        let replies = futures::future::join_all(trying).await;
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 11, "{statuses:?}");
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_ends_by_itself_and_is_made_once_for_one_key() {
    for network in Network::both_with(settings()).await {
        let short = link(&network, json!({"valid_hours": 1})).await;
        let body = json!({"roles": ["regulator"], "label": "Inspector"});
        let ask = async |body: &Value| ask_at(&network, body).await;
        let one = ask(&body).await;
        assert_eq!((one.status.as_u16(), &one.headers["cache-control"]), (201, &"no-store".parse().unwrap()));
        // It is shown once: what was lost on its way is made anew, under another key.
        let again = ask(&body).await.refused(409, "conflict");
        assert!(again["detail"].as_str().unwrap().contains("with a new key"), "{again}");
        ask(&json!({"roles": ["analyst"], "label": "Inspector"})).await.refused(422, "key_reused");
        let unfit = [
            ("roles", json!({"roles": []})),
            ("roles", json!({"roles": ["system"]})),
            ("branches", json!({"branches": []})),
            ("branches", json!({"branches": ["nrth"]})),
            ("label", json!({"label": " "})),
            ("valid_hours", json!({"valid_hours": 0})),
            ("valid_hours", json!({"valid_hours": 169})),
        ];
        for (field, more) in unfit {
            let mut body = json!({"roles": ["administrator"], "label": "Анна"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert_eq!(network.post("/v1/sign-in-links", body).await.refused(422, "untrue")["field"], field);
        }
        network.set_clock("2026-03-02T10:00:00Z");
        by_link(&network, text(&short["url"])).await.refused(401, "unauthenticated");
        // The other one is for a day, and lets in for the whole network.
        assert_eq!(by_link(&network, text(&one.json["url"])).await.ok()["branches"], Value::Null);
        // Used and over, it does not come alive again, neither while its command is remembered nor when it is not.
        for (at, status) in [("2026-03-03T10:00:00Z", 409), ("2026-04-02T09:00:00Z", 201)] {
            network.set_clock(at);
            forgetting().forget(network.app()).await.unwrap();
            let asked = ask_at(&network, &body).await;
            assert_eq!(asked.status, status, "{at}: {}", asked.json);
            by_link(&network, text(&one.json["url"])).await.refused(401, "unauthenticated");
        }
        network.stop().await;
    }
}

/// What a process does every hour.
fn forgetting() -> tact_sign_in::SignIn {
    tact_sign_in::SignIn::new(String::new(), 12, 60, 30, None)
}

/// Asks for a link under the key `the-same`, as the network's manager.
async fn ask_at(network: &Network, body: &Value) -> Reply {
    let mut request = network.request(&Method::POST, "/v1/sign-in-links", &network.manager, Some(body));
    request.headers_mut().insert("idempotency-key", "the-same".parse().unwrap());
    network.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_makes_a_link_gives_nothing_that_they_do_not_have() {
    for network in Network::both_with(settings()).await {
        let manager = network.token(&["network_manager"], Some(&["north"])).await;
        let somebody = link(&network, json!({})).await["actor"].clone();
        let ask = async |more: Value| {
            let mut body = json!({"roles": ["administrator"], "branches": ["north"], "label": "Анна"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            network.post_as(&manager, "/v1/sign-in-links", body).await
        };
        let refused = [
            ("actor", json!({"actor": somebody})),
            ("actor", json!({"actor": "00000000-0000-4000-8000-000000000001"})),
            ("branches", json!({"branches": ["east"]})),
            ("branches", json!({"branches": ["north", "east"]})),
            ("branches", json!({"branches": null})),
        ];
        for (field, more) in refused {
            let problem = ask(more.clone()).await.refused(403, "forbidden");
            assert_eq!(problem["field"], field, "{more}: {problem}");
        }
        let made = ask(json!({})).await.ok();
        assert_ne!(made["actor"], somebody);
        // Whoever acts for all may name anybody.
        assert_eq!(link(&network, json!({"actor": somebody})).await["actor"], somebody);
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_ended_when_nobody_uses_it_and_after_half_a_day() {
    for network in Network::both_with(settings()).await {
        let session = async || {
            let made = link(&network, json!({"roles": ["clinician"]})).await;
            text(&by_link(&network, text(&made["url"])).await.ok()["token"]).to_owned()
        };
        let [ended, unused, used] = [session().await, session().await, session().await];
        for token in [&ended, &unused, &used] {
            network.get_as(token, "/v1/me").await.ok();
        }
        end(&network, &ended).await.ok();
        network.get_as(&ended, "/v1/me").await.refused(401, "unauthenticated");
        // Every half hour, for half a day.
        for minutes in (30..720).step_by(30) {
            network.clock().set(time(NOON) + chrono::Duration::minutes(minutes));
            let me = network.get_as(&used, "/v1/me").await.ok();
            let until = time(text(&me["ends_unused_at"])) - time(NOON);
            assert_eq!(until.num_minutes(), (minutes + 60).min(720), "after {minutes} minutes");
            if minutes == 60 {
                network.get_as(&unused, "/v1/me").await.refused(401, "unauthenticated");
            }
        }
        network.clock().set(time(NOON) + chrono::Duration::hours(12));
        network.get_as(&used, "/v1/me").await.refused(401, "unauthenticated");
        end(&network, &used).await.refused(401, "unauthenticated");
        // What is no session is not ended so.
        end(&network, &network.manager).await.refused(409, "conflict");
        network.get("/v1/me").await.ok();
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_taken_back_is_not_kept_alive_by_its_use() {
    for network in Network::both_with(settings()).await {
        let made = link(&network, json!({})).await;
        let token = text(&by_link(&network, text(&made["url"])).await.ok()["token"]).to_owned();
        network.get_as(&token, "/v1/me").await.ok();
        let personal = &network.app().personal;
        let known = personal.token(&tact_service::access::token_hash(&token)).await.unwrap().unwrap();
        network.revoke(known.id).await;
        // As another process would, which has not seen it yet.
        personal.keep_alive(known.id, time("2026-03-03T00:00:00Z")).await.unwrap();
        let after = personal.token(&tact_service::access::token_hash(&token)).await.unwrap().unwrap();
        assert_eq!(after.expires_at, known.expires_at);
        network.set_clock("2026-03-02T09:00:31Z");
        network.get_as(&token, "/v1/me").await.refused(401, "unauthenticated");
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_sessions_that_are_over_none_stays_behind_and_what_people_are_called_does() {
    for network in Network::both_with(settings()).await {
        let made = link(&network, json!({})).await;
        let again = link(&network, json!({"actor": made["actor"], "label": "Анна Б.", "valid_hours": 100})).await;
        by_link(&network, text(&made["url"])).await.ok();
        let left = by_link(&network, text(&link(&network, json!({"label": "Борис"})).await["url"])).await.ok();
        end(&network, text(&left["token"])).await.ok();
        network.set_clock("2026-03-03T10:00:00Z");
        by_link(&network, text(&again["url"])).await.ok();
        forgetting().forget(network.app()).await.unwrap();
        let tokens = network.app().personal.tokens().await.unwrap();
        let of = |actor: &Value| -> Vec<&str> {
            tokens.iter().filter(|token| json!(token.actor) == *actor).map(|token| token.label.as_str()).collect()
        };
        assert_eq!((of(&made["actor"]), of(&left["actor"])), (vec!["Анна Б."], vec![]), "also of one who never came back");
        assert!(tokens.len() > 1, "the manager's token is no session");
        let left = json!({"actor": left["actor"], "label": "Борис"});
        assert_eq!(network.get(&format!("/v1/staff?ids={}", text(&left["actor"]))).await.ok(), json!({"staff": [left]}));
        let nobody = "00000000-0000-4000-8000-000000000001";
        let staff = network.get(&format!("/v1/staff?ids={},{nobody},{}", text(&made["actor"]), text(&made["actor"]))).await.ok();
        assert_eq!(staff, json!({"staff": [{"actor": made["actor"], "label": "Анна Б."}]}));
        for (ids, status) in [("", 422), ("x", 422), (&vec![nobody; 101].join(",") as &str, 200)] {
            assert_eq!(network.get(&format!("/v1/staff?ids={ids}")).await.status, status, "{ids}");
        }
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_too_often_has_to_wait() {
    let network = Network::start().await;
    let made = link(&network, json!({})).await;
    for _ in 0..20 {
        open(&network, "/v1/sessions", json!({"link": "tact_link_guess"})).await.refused(401, "unauthenticated");
    }
    let refused = by_link(&network, text(&made["url"])).await;
    assert_eq!(refused.headers["retry-after"], "60");
    refused.refused(429, "too_many");
    network.set_clock("2026-03-02T09:01:00Z");
    // However many come at once; and who has a link that works uses nothing up.
    let opened = by_link(&network, text(&made["url"])).await;
    assert_eq!(opened.headers["cache-control"], "no-store");
    opened.ok();
    let guessing = (0..60).map(|_| open(&network, "/v1/sessions", json!({"link": "tact_link_guess"})));
    let replies = futures::future::join_all(guessing).await;
    let tried = replies.iter().filter(|reply| reply.status == 401).count();
    assert!(tried == 20 && replies.iter().filter(|reply| reply.status == 429).count() == 40, "{tried} of 60 were tried");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_an_address_that_lets_in_and_nobody_writes_it_down() {
    let folder = tempfile::tempdir().unwrap();
    let with = async |arguments: &[&str]| {
        let mut command = command(arguments).await;
        command
            .env("TACT_DATA", folder.path())
            .env("TACT_LISTEN", "127.0.0.1:0")
            .env("TACT_PUBLIC_URL", PUBLIC)
            .env("RUST_LOG", "debug");
        command
    };
    let server = Process::start(with(&["serve"]).await).await;
    let wanted = ["token", "link", "--label", "Анна", "--role", "administrator", "--branch", "north"];
    let made = ended(with(&wanted).await).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let secret = made.stdout.trim().strip_prefix(&format!("{PUBLIC}/sign-in#")).unwrap().to_owned();
    let opened = Caller::new(&server.url, "").post("/v1/sessions", json!({"link": secret})).await.ok();
    assert_eq!((&opened["label"], &opened["branches"]), (&json!("Анна"), &json!(["north"])));
    let token = text(&opened["token"]).to_owned();
    Caller::new(&server.url, &token).get("/v1/me").await.ok();
    for (argument, value, said) in [("--role", "system", "is the role of a program"), ("--valid-hours", "169", "169 is not in")] {
        let mut refused = vec!["token", "link", "--label", "x", argument, value];
        refused.extend(if argument == "--role" { &[][..] } else { &["--role", "analyst"] });
        let ended = ended(with(&refused).await).await;
        assert!(ended.code != Some(0) && ended.stderr.contains(said), "{}", ended.stderr);
    }
    let said = server.stop().await;
    assert!(said.contains("somebody has signed in"), "this test can see what is logged: {said}");
    assert!(!said.contains(&secret) && !said.contains(&token) && !said.contains("Анна"), "{said}");
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap().path();
        let bytes = std::fs::read(&file).unwrap_or_default();
        let held = [&secret, &token].iter().any(|secret| bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
        assert!(!held, "{} holds a secret", file.display());
    }
}
