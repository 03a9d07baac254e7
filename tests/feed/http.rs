//! The feed over HTTP: everything from any place or time on, filtered, for those who may, ended in order.

use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::Method;
use hyper::body::{Bytes, Incoming};
use serde_json::{Value, json};

use crate::network::{NOON, Network};
use crate::processes::PATIENCE;

/// An answer that is read as it comes.
struct Events {
    body: Incoming,
    text: String,
}

/// One server-sent event: id, type, data.
type Event = (String, String, Value);

impl Events {
    async fn open(network: &Network, token: &str, query: &str, last: Option<&str>) -> Self {
        let mut request = network.request(&Method::GET, &format!("/v1/feed{query}"), token, None);
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().unwrap());
        }
        let answer = network.open(request).await;
        assert_eq!(answer.status(), 200, "{query}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next event; `None` once the answer has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let event = field("data: ")
                    .map(|data| (field("id: ").unwrap(), field("event: ").unwrap(), serde_json::from_str(&data).unwrap()));
                self.text = rest.to_owned();
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame()).await.expect("nothing comes")?;
            self.text.push_str(std::str::from_utf8(frame.unwrap().data_ref().unwrap()).unwrap());
        }
    }

    /// Events up to the first of this type.
    async fn until(&mut self, kind: &str) -> Vec<Event> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await {
            let found = event.1 == kind;
            all.push(event);
            if found {
                return all;
            }
        }
        panic!("no {kind} came: {all:?}");
    }
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|(_, kind, _)| kind.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_comes_from_any_place_on_and_goes_on() {
    Network::on_both(async |network| {
        let analyst = network.token(&["analyst"], None).await;
        let patient = network.patient("north", json!({"person": {"name": "Anna Safina"}})).await;
        let mut events = Events::open(network, &analyst, "", None).await;
        let first = events.until("patient.registered").await;
        assert_eq!(kinds(&first), ["policy.published", "branch.listed", "branch.listed", "patient.registered"]);
        let (_, _, registered) = first.last().unwrap();
        assert_eq!((&registered["specversion"], &registered["actor"]), (&json!("1.0"), &json!("staff")));
        assert!(!first.iter().any(|(.., event)| event.to_string().contains(&patient.to_string())));
        // What happens now comes without asking again.
        let path = format!("/v1/patients/{patient}/requests");
        network.post(&path, json!({"channel": "phone"})).await.ok();
        let more = events.until("contact.requested").await;
        assert_eq!((more.len(), &more[0].2["subject"]), (1, &registered["subject"]), "one patient has one pseudonym");
        // From where somebody was, by header and by parameter; the header goes before.
        let second = &first[1].0;
        for (query, last) in [(format!("?after={second}"), None), ("?after=1".to_owned(), Some(second.as_str()))] {
            let rest = Events::open(network, &analyst, &query, last).await.until("contact.requested").await;
            assert_eq!(rest[..2], first[2..]);
            assert_eq!(rest[2..], more[..]);
        }
        // From a time on: what was set up before noon is left out.
        network.set_clock("2026-03-02T10:00:00Z");
        network.post(&path, json!({"channel": "sms"})).await.ok();
        let query = format!("?from={NOON}");
        let rest = Events::open(network, &analyst, &query, None).await.until("contact.requested").await;
        assert_eq!(kinds(&rest), ["patient.registered", "contact.requested"]);
        let mut late = Events::open(network, &analyst, "?from=2026-03-02T09:30:00Z", None).await;
        assert_eq!(late.next().await.unwrap().2["data"]["channel"], "sms");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_and_branches_hold() {
    let network = Network::start().await;
    let (north, east) = (network.patient("north", json!({})).await, network.patient("east", json!({})).await);
    let made = |branch: &str| json!({"direction": "outbound", "purpose": "promotion", "channel": "sms", "branch": branch, "outcome": "reached"});
    network.post(&format!("/v1/patients/{north}/contacts"), made("north")).await.ok();
    network.post(&format!("/v1/patients/{east}/contacts"), made("east")).await.ok();
    network
        .post(&format!("/v1/patients/{north}/permits"), json!({"purpose": "promotion", "channel": "sms", "branch": "north"}))
        .await
        .ok();
    let analyst = network.token(&["analyst"], None).await;
    let first = |token: String, query: &'static str, until: &'static str| {
        let network = &network;
        async move { Events::open(network, &token, query, None).await.until(until).await }
    };
    let found = first(analyst.clone(), "?type=contact.made,contact.refused", "contact.refused").await;
    assert_eq!(kinds(&found), ["contact.made", "contact.made", "contact.refused"]);
    let found = first(analyst.clone(), "?area=contact&branch=north", "contact.refused").await;
    assert_eq!(kinds(&found), ["contact.made", "contact.refused"]);
    // Somebody of one branch sees that branch's, and what is everybody's.
    let scoped = network.token(&["analyst"], Some(&["north"])).await;
    let found = first(scoped.clone(), "", "contact.refused").await;
    let made: Vec<_> = found.iter().filter(|(_, kind, _)| kind == "contact.made").collect();
    assert!(made.len() == 1 && made[0].2["branch"] == "north" && found[0].1 == "policy.published", "{found:?}");
    for (query, field, said) in [
        ("?type=contact.mode", "type", "did you mean `contact.made`?"),
        ("?area=contacts", "area", "did you mean `contact`?"),
        ("?branch=nrth", "branch", "did you mean `north`?"),
        ("?after=x", "after", "is not a position"),
        ("?after=99999", "after", "another log's position"),
    ] {
        let problem = network.get_as(&analyst, &format!("/v1/feed{query}")).await.refused(422, "untrue");
        assert_eq!(problem["field"], field);
        assert!(problem["detail"].as_str().unwrap().contains(said), "{problem}");
    }
    network.get_as(&analyst, "/v1/feed?since=1").await.refused(400, "malformed");
    network.get_as(&analyst, "/v1/feed?from=yesterday").await.refused(400, "malformed");
    network.get_as(&scoped, "/v1/feed?branch=east").await.refused(403, "forbidden");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_costs_nobody_anything_and_stopping_ends_them_all() {
    let network = Arc::new(Network::start().await);
    let patient = network.patient("north", json!({})).await;
    let analyst = network.token(&["analyst"], None).await;
    // One who never reads: the server has no more of the feed for them than it takes to fill the connection.
    let idle = Events::open(&network, &analyst, "", None).await;
    for _ in 0..40 {
        network.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
    }
    let mut events = Events::open(&network, &analyst, "?type=contact.requested", None).await;
    for _ in 0..40 {
        events.next().await.unwrap();
    }
    // It ends with the process and in order, well before requests are cut off: the answer is whole.
    let ending = tokio::spawn(async move {
        let end = events.next().await;
        assert_eq!(end, None);
    });
    Arc::into_inner(network).unwrap().stop().await;
    tokio::time::timeout(PATIENCE, ending).await.expect("the feed does not end").unwrap();
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_and_the_document_are_served_to_anybody() {
    let network = Network::start().await;
    let get = async |path: &str| {
        let request = hyper::Request::get(format!("{}{path}", network.url())).body(Full::new(Bytes::new())).unwrap();
        let answer = network.open(request).await;
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let status = answer.status().as_u16();
        (status, kind, answer.into_body().collect().await.unwrap().to_bytes())
    };
    let (_, _, index) = get("/schemas").await;
    let index: Value = serde_json::from_slice(&index).unwrap();
    assert_eq!(index["schemas"].as_array().unwrap().len(), tact_feed::schema::all().len());
    for path in index["schemas"].as_array().unwrap() {
        let path = path.as_str().unwrap();
        let (status, kind, text) = get(path).await;
        assert_eq!((status, kind.as_str()), (200, "application/schema+json"), "{path}");
        assert_eq!(text, std::fs::read(crate::tidy::root().join(&path[1..])).unwrap(), "{path} is the file that ships");
    }
    let (status, kind, document) = get("/asyncapi.json").await;
    assert_eq!((status, kind.as_str()), (200, "application/json"));
    assert_eq!(serde_json::from_slice::<Value>(&document).unwrap(), tact_feed::asyncapi::document("test"));
    assert_eq!(get("/schemas/feed/personal.erased.v1.json").await.0, 404);
    network.stop().await;
}
