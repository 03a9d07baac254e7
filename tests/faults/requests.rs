//! Requests that cannot be taken: too large, not UTF-8, too deep, said twice, badly addressed. Nothing of them is recorded.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::HeaderValue;
use hyper::{Method, Request};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::network::{Network, Reply, any_id, id};

/// A registration with these bytes for a body.
fn registration(network: &Network, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    network.request(&Method::POST, "/v1/patients", &network.manager, None).map(|_| Full::new(body.into()))
}

/// Sends a registration as so many pieces of 64 KB without saying how many will come, and reads the answer.
async fn in_pieces(network: &Network, pieces: usize) -> String {
    let mut connection = TcpStream::connect(network.address()).await.unwrap();
    let head = format!(
        "POST /v1/patients HTTP/1.1\r\nHost: tact\r\nAuthorization: Bearer {}\r\nIdempotency-Key: pieces\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        network.manager
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let piece = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    for _ in 0..pieces {
        connection.write_all(&piece).await.unwrap();
    }
    connection.write_all(b"0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The problem's detail holds these words.
#[track_caller]
fn says(problem: &Value, words: &str) {
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "`{words}`: {problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_no_commands_are_refused_and_nothing_is_recorded() {
    Network::on_both(async |network| {
        let before = network.log_text().await;
        let person = |name: &str| format!("{{\"home_branch\":\"north\",\"person\":{{\"name\":\"{name}\"}}}}");
        let deep = format!("{{\"home_branch\":\"north\",\"person\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let wide = format!(
            "{{\"home_branch\":\"north\",\"external_ids\":[{}]}}",
            vec!["{\"system\":\"a\",\"value\":\"b\"}"; 2000].join(",")
        );
        let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
            ("invalid UTF-8", b"{\"home_branch\":\"north\",\"language\":\"\xff\"}".to_vec(), 400, "not UTF-8: byte 35"),
            ("half a surrogate", b"{\"home_branch\":\"north\",\"language\":\"\\ud800\"}".to_vec(), 400, "not JSON"),
            ("a NUL in a name", person("Anna\\u0000B").into_bytes(), 422, "control character"),
            ("a raw NUL", person("Anna\0B").into_bytes(), 400, "not JSON"),
            ("too deep", deep.into_bytes(), 422, "person"),
            ("too many", wide.into_bytes(), 422, "external_ids"),
            (
                "a field twice",
                b"{\"home_branch\":\"north\",\"home_branch\":\"east\"}".to_vec(),
                422,
                "duplicate field `home_branch`",
            ),
            (
                "a field twice inside",
                b"{\"home_branch\":\"north\",\"person\":{\"name\":\"A\",\"name\":\"B\"}}".to_vec(),
                422,
                "duplicate field `name`",
            ),
            ("an unknown field", b"{\"home_branch\":\"north\",\"homebranch\":1}".to_vec(), 422, "unknown field `homebranch`"),
            ("two commands", b"{\"home_branch\":\"north\"}{\"home_branch\":\"east\"}".to_vec(), 400, "not JSON"),
            ("a list", b"[]".to_vec(), 400, "not a JSON object"),
            ("half of one", b"{\"home_branch\":".to_vec(), 400, "not JSON"),
            ("nothing", Vec::new(), 422, "home_branch"),
            ("an unknown branch", b"{\"home_branch\":\"nrth\"}".to_vec(), 422, "did you mean `north`"),
            (
                "an unknown referrer",
                format!("{{\"home_branch\":\"north\",\"recommended_by\":\"{}\"}}", any_id()).into_bytes(),
                422,
                "no patient has the id",
            ),
            ("a malformed UUID", b"{\"home_branch\":\"north\",\"recommended_by\":\"17\"}".to_vec(), 422, "recommended_by"),
            ("a time without a zone", b"{\"home_branch\":\"north\",\"time\":\"2026-03-02T10:00:00\"}".to_vec(), 422, "offset"),
            (
                "no such day",
                b"{\"home_branch\":\"north\",\"person\":{\"birth_date\":\"1984-13-01\"}}".to_vec(),
                422,
                "not a day of the calendar; write it as `1984-05-17`",
            ),
            ("the far future", b"{\"home_branch\":\"north\",\"time\":\"2226-03-02T10:00:00Z\"}".to_vec(), 422, "future"),
            ("beyond the calendar", b"{\"home_branch\":\"north\",\"time\":\"+999999-01-01T00:00:00Z\"}".to_vec(), 422, "time"),
            ("the far past", b"{\"home_branch\":\"north\",\"time\":\"1776-07-04T10:00:00Z\"}".to_vec(), 422, "before 1900"),
            ("300 KB", person(&"x".repeat(300_000)).into_bytes(), 413, "262144 bytes"),
            ("10 MB", person(&"x".repeat(10_000_000)).into_bytes(), 413, "262144 bytes"),
        ];
        for (what, body, status, words) in cases {
            let reply = network.send(registration(network, body)).await;
            assert_eq!(reply.status.as_u16(), status, "{what}: {}", reply.json);
            assert_eq!(reply.headers["content-type"], "application/problem+json", "{what}");
            assert!(reply.json["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{what}: {}", reply.json);
            assert!(reply.json.to_string().len() < 1000, "{what}: a problem does not repeat the whole request");
        }
        // A body of 10 MB without a length, in pieces.
        let answer = in_pieces(network, 160).await;
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("too_large"), "{answer}");
        assert_eq!(network.log_text().await, before, "nothing of it is recorded");
        network.patient("north", json!({})).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_addresses_are_read_as_strictly() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({})).await;
        let body = json!({"home_branch": "north"});
        for (key, words) in [
            (None, "missing"),
            (Some(&b""[..]), "1 to 200"),
            (Some(&b"with space"[..]), "visible ASCII"),
            (Some(&b"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"[..]), "visible ASCII"),
            (Some(&[b'x'; 201][..]), "1 to 200"),
        ] {
            let mut request = network.request(&Method::POST, "/v1/patients", &network.manager, Some(&body));
            request.headers_mut().remove("idempotency-key");
            if let Some(key) = key {
                request.headers_mut().insert("idempotency-key", HeaderValue::from_bytes(key).unwrap());
            }
            let problem = network.send(request).await.refused(400, "malformed");
            assert_eq!(problem["field"], "Idempotency-Key");
            says(&problem, words);
        }
        let mut typed = network.request(&Method::POST, "/v1/patients", &network.manager, Some(&body));
        typed.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
        network.send(typed).await.refused(415, "unsupported_media_type");

        let appointment = format!("/v1/patients/{patient}/appointments");
        let cases = [
            (Method::GET, "/v1/patients/17".to_owned(), 400, "`patient`: `17`"),
            (Method::GET, "/v1/patients/%ff%fe".to_owned(), 400, "`patient`"),
            (Method::GET, format!("/v1/patients/{}", "9".repeat(5000)), 400, "`patient`"),
            (Method::POST, format!("{appointment}/17/miss"), 400, "`appointment`: `17`"),
            (Method::GET, "/v1/branches/North/worklist".to_owned(), 400, "a-z"),
            (Method::GET, "/v1/branches/nrth/worklist".to_owned(), 422, "did you mean `north`"),
            (Method::GET, format!("/v1/patients/{patient}/quotas?purpse=callback"), 400, "unknown field `purpse`"),
            (
                Method::GET,
                format!("/v1/patients/{patient}/quotas?purpose=callback&purpose=promotion"),
                400,
                "duplicate field `purpose`",
            ),
            (Method::GET, format!("/v1/patients/{patient}/quotas?purpose=calback"), 422, "did you mean `callback`"),
            (Method::GET, format!("/v1/patients/{patient}/history?after=%ff"), 422, "after"),
            (Method::GET, "/v1/branches/north/worklist?at_least=soon".to_owned(), 400, "`soon` is not a position"),
            (Method::GET, "/v1/branches/north/worklist?limit=-1".to_owned(), 400, "limit"),
            (Method::GET, format!("/v1/patients/{}", any_id()), 404, "no patient has this id"),
            (Method::GET, "/v2/patients".to_owned(), 404, "/openapi.json"),
            (Method::DELETE, format!("/v1/patients/{patient}"), 405, "/openapi.json"),
        ];
        for (method, path, status, words) in cases {
            let reply: Reply = network.send(network.request(&method, &path, &network.manager, None)).await;
            assert_eq!(reply.status.as_u16(), status, "{method} {path}: {}", reply.json);
            says(&reply.json, words);
            assert!(reply.json.to_string().len() < 1000, "a problem does not repeat the whole request");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_one_command() {
    Network::on_both(async |network| {
        let under = |key: &'static str, path: &str, body: Value| {
            let mut request = network.request(&Method::POST, path, &network.manager, Some(&body));
            request.headers_mut().insert("idempotency-key", HeaderValue::from_static(key));
            network.send(request)
        };
        let person = |name: &str| json!({"home_branch": "north", "person": {"name": name}});
        let first = under("one", "/v1/patients", person("Anna")).await.ok();
        let again = under("one", "/v1/patients", person("Anna")).await.ok();
        assert_eq!((&again["patient"], &again["event"], &again["repeated"]), (&first["patient"], &first["event"], &json!(true)));
        under("one", "/v1/patients", person("Boris")).await.refused(422, "key_reused");
        let patient: Uuid = id(&first["patient"]);
        assert_eq!(network.get(&format!("/v1/patients/{patient}")).await.ok()["person"]["name"], "Anna");

        // On one patient a key stands for one command, whatever the route.
        let contacts = format!("/v1/patients/{patient}/contacts");
        let call =
            json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
        under("two", &contacts, call.clone()).await.ok();
        let mut other = call.clone();
        other["outcome"] = json!("busy");
        under("two", &contacts, other).await.refused(422, "key_reused");
        under("two", &format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.refused(422, "key_reused");
        // Another caller's key of the same name is another key.
        let clinician = network.token(&["clinician"], None).await;
        let mut theirs = network.request(&Method::POST, &contacts, &clinician, Some(&call));
        theirs.headers_mut().insert("idempotency-key", HeaderValue::from_static("two"));
        assert_eq!(network.send(theirs).await.ok()["repeated"], false);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_asked_again_late_does_not_bring_back_what_was() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({"person": {"phone": "+7 900 000-00-01"}})).await;
        let path = format!("/v1/patients/{patient}");
        let change = |key: &'static str, body: Value| {
            let mut request = network.request(&Method::PATCH, &path, &network.manager, Some(&body));
            request.headers_mut().insert("idempotency-key", HeaderValue::from_static(key));
            network.send(request)
        };
        let phone = |number: &str| json!({"person": {"phone": number}});
        change("first", phone("+7 900 000-00-02")).await.ok();
        change("second", phone("+7 900 000-00-03")).await.ok();
        assert_eq!(change("first", phone("+7 900 000-00-02")).await.ok()["repeated"], true);
        change("first", phone("+7 900 000-00-04")).await.refused(422, "key_reused");
        let mut tomorrow = phone("+7 900 000-00-05");
        tomorrow["time"] = json!("2026-03-03T09:00:00Z");
        change("third", tomorrow).await.refused(422, "untrue");
        assert_eq!(network.get(&path).await.ok()["person"]["phone"], "+7 900 000-00-03", "only what was recorded is kept");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn appointments_that_were_never_booked_or_are_over_are_refused_by_name() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({})).await;
        let path = |what: &str| format!("/v1/patients/{patient}/appointments{what}");
        let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-02T10:00:00Z"});
        let appointment = id(&network.post(&path(""), booking).await.ok()["appointment"]);
        network.post(&path(&format!("/{appointment}/completion")), json!({})).await.ok();
        for what in ["completion", "miss"] {
            let twice = network.post(&path(&format!("/{appointment}/{what}")), json!({})).await.refused(422, "untrue");
            says(&twice, "has taken place");
            let never = network.post(&path(&format!("/{}/{what}", any_id())), json!({})).await.refused(422, "untrue");
            says(&never, "was never booked");
            let nobody = network.post(&format!("/v1/patients/{}/appointments/{appointment}/{what}", any_id()), json!({})).await;
            nobody.refused(404, "not_found");
        }
        let far = json!({"branch": "north", "kind": "checkup", "starts_at": "2126-03-02T10:00:00Z"});
        assert_eq!(network.post(&path(""), far).await.refused(422, "untrue")["field"], "starts_at");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_text_is_kept_of_somebody_whom_nobody_knows() {
    Network::on_both(async |network| {
        let nobody = any_id();
        let call = json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached",
            "note": "kept by mistake"});
        network.post(&format!("/v1/patients/{nobody}/contacts"), call).await.refused(404, "not_found");
        let feedback = json!({"branch": "north", "score": 3, "text": "kept by mistake"});
        network.post(&format!("/v1/patients/{nobody}/feedback"), feedback).await.refused(404, "not_found");
        let ask = json!({"purpose": "emergency", "channel": "phone", "branch": "north", "reason": "kept by mistake"});
        network.post(&format!("/v1/patients/{nobody}/permits"), ask).await.refused(404, "not_found");
        assert_eq!(network.app().personal.notes(nobody).await.unwrap(), []);
    })
    .await;
}
