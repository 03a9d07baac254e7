//! What every endpoint answers to what it cannot take: which field, what is wrong with it, and the way out. Nothing of it is recorded.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request};
use serde_json::{Value, json};

use crate::network::{Network, Reply};

/// The patient, the appointment, the referral and the provider that the table names.
struct Known {
    patient: String,
    appointment: String,
    referral: String,
    provider: String,
}

impl Known {
    async fn set_up(network: &Network) -> Self {
        let patient = network.patient("north", json!({})).await.to_string();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-09T10:00:00+03:00"});
        let appointment = network.post(&format!("/v1/patients/{patient}/appointments"), booking).await.ok();
        let referral = network.post(&format!("/v1/patients/{patient}/referrals"), json!({"need": "x_ray"})).await.ok();
        let provider = network.post("/v1/providers", json!({"name": "City hospital 2", "services": ["x_ray"]})).await.ok();
        Self {
            patient,
            appointment: text(&appointment["appointment"]),
            referral: text(&referral["referral"]),
            provider: text(&provider["provider"]),
        }
    }

    fn path(&self, path: &str) -> String {
        path.replace("{p}", &self.patient)
            .replace("{a}", &self.appointment)
            .replace("{r}", &self.referral)
            .replace("{c}", "00000000-0000-4000-8000-00000000000c")
    }
}

/// A body that each writing endpoint takes.
fn writes(known: &Known) -> Vec<(Method, &'static str, Value)> {
    let document = "4a1c7f0e-0000-4000-8000-000000000001";
    vec![
        (
            Method::POST,
            "/v1/patients/{p}/consents",
            json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": document}, "expires_at": "2027-01-01T00:00:00Z"}),
        ),
        (Method::POST, "/v1/patients/{p}/consent-withdrawals", json!({"purpose": "promotion", "channels": ["sms"]})),
        (
            Method::POST,
            "/v1/patients/{p}/preferences",
            json!({"reach": "normal", "quiet_hours": {"from": "19:00", "until": "10:00"}, "preferred_channel": "sms"}),
        ),
        (
            Method::POST,
            "/v1/patients/{p}/appointments",
            json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-10T10:00:00+03:00", "clinician": document}),
        ),
        (
            Method::POST,
            "/v1/patients/{p}/appointments/{a}/rescheduling",
            json!({"starts_at": "2026-03-10T10:00:00+03:00", "by": "patient", "branch": "north"}),
        ),
        (Method::POST, "/v1/patients/{p}/appointments/{a}/cancellation", json!({"by": "patient"})),
        (Method::POST, "/v1/patients/{p}/appointments/{a}/completion", json!({"time": "2026-03-02T08:00:00Z"})),
        (Method::POST, "/v1/patients/{p}/appointments/{a}/miss", json!({"time": "2026-03-02T08:00:00Z"})),
        (Method::POST, "/v1/patients/{p}/referrals", json!({"need": "x_ray"})),
        (
            Method::POST,
            "/v1/patients/{p}/referrals/{r}/arrangement",
            json!({"provider": known.provider, "starts_at": "2026-03-03T08:00:00Z"}),
        ),
        (Method::POST, "/v1/patients/{p}/referrals/{r}/closing", json!({})),
        (
            Method::POST,
            "/v1/patients/{p}/feedback",
            json!({"branch": "north", "score": 9, "strengths": ["staff_manner"], "weaknesses": ["premises"], "text": "fine"}),
        ),
        (
            Method::PUT,
            "/v1/branches/north",
            json!({"name": "North", "time_zone": "Europe/Moscow", "place": {"latitude": 1.0, "longitude": 1.0}, "hours": {"monday": {"from": "09:00", "until": "18:00"}}, "services": ["x_ray"]}),
        ),
        (
            Method::POST,
            "/v1/providers",
            json!({"name": "Hospital", "services": ["x_ray"], "phone": "112", "website": "https://a.example", "address": "Lenin St. 1"}),
        ),
        (Method::POST, "/v1/clinicians/{c}/departure", json!({"new_clinic": "City hospital 2"})),
        (
            Method::POST,
            "/v1/policies",
            json!({"version": "v", "text": tact_domain::policy::DEFAULT, "effective_from": "2026-03-03T00:00:00Z"}),
        ),
    ]
}

/// For each endpoint: what is set in the body that it takes, the field that the problem names, and a part of its detail. `null` takes a
/// field out.
fn slips() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let long = "x".repeat(201);
    let longest = "x".repeat(2001);
    let far = "2036-04-01T00:00:00Z";
    vec![
        ("/consents", json!({"purpose": null}), "purpose", "missing field"),
        ("/consents", json!({"purpose": "promotoin"}), "purpose", "did you mean `promotion`"),
        ("/consents", json!({"purpose": "Promotion!"}), "purpose", "a-z"),
        ("/consents", json!({"channels": []}), "channels", "at least one"),
        ("/consents", json!({"channels": ["sms", "sms"]}), "channels", "twice"),
        ("/consents", json!({"channels": ["smms"]}), "channels[0]", "did you mean `sms`"),
        ("/consents", json!({"evidence": null}), "evidence", "missing field"),
        ("/consents", json!({"evidence": {"method": "paper"}}), "evidence.document", "missing field"),
        ("/consents", json!({"evidence": {"method": "paper", "document": "c-1"}}), "evidence.document", "UUID"),
        (
            "/consents",
            json!({"evidence": {"method": "paper", "document": "00000000-0000-0000-0000-000000000000"}}),
            "evidence.document",
            "without a document",
        ),
        (
            "/consents",
            json!({"evidence": {"method": "Anna said so", "document": "4a1c7f0e-0000-4000-8000-000000000001"}}),
            "evidence.method",
            "one word",
        ),
        ("/consents", json!({"expires_at": "2026-03-01T00:00:00Z"}), "expires_at", "not after"),
        ("/consents", json!({"expires_at": "2027-01-01"}), "expires_at", "2026-03-15T10:00:00+03:00"),
        ("/consents", json!({"time": "2026-03-02T09:00:06Z"}), "time", "future"),
        ("/consents", json!({"time": "1899-12-31T00:00:00Z"}), "time", "1900"),
        ("/consent-withdrawals", json!({"channels": []}), "channels", "leave it out"),
        ("/consent-withdrawals", json!({"channels": ["sms", "sms"]}), "channels", "twice"),
        ("/consent-withdrawals", json!({"purpose": "promo"}), "purpose", "promo"),
        ("/preferences", json!({"reach": null, "quiet_hours": null, "preferred_channel": null}), "data", "nothing is set"),
        ("/preferences", json!({"reach": "never"}), "reach", "known are normal, patient_initiated"),
        ("/preferences", json!({"quiet_hours": {"from": "25:00", "until": "09:00"}}), "quiet_hours.from", "20:00"),
        ("/preferences", json!({"quiet_hours": {"from": "20:00"}}), "quiet_hours.until", "missing field"),
        ("/preferences", json!({"preferred_channel": "pigeon"}), "preferred_channel", "known are"),
        (
            "/appointments",
            json!({"starts_at": "2026-03-10T10:00:00"}),
            "starts_at",
            "`2026-03-10T10:00:00` is not a time with an offset",
        ),
        ("/appointments", json!({"starts_at": "tomorrow"}), "starts_at", "2026-03-15T10:00:00+03:00"),
        ("/appointments", json!({"starts_at": 5}), "starts_at", "not a time with an offset"),
        ("/appointments", json!({"starts_at": far}), "starts_at", "ten years"),
        ("/appointments", json!({"starts_at": "1810-01-01T00:00:00Z"}), "starts_at", "1900"),
        ("/appointments", json!({"branch": "nort"}), "branch", "did you mean `north`"),
        ("/appointments", json!({"branch": "North Branch"}), "branch", "a-z"),
        ("/appointments", json!({"kind": "surgey"}), "kind", "did you mean `surgery`"),
        ("/appointments", json!({"clinician": "Dr. No"}), "clinician", "UUID"),
        ("/appointments", json!({"appointment": "17"}), "appointment", "UUID"),
        ("/rescheduling", json!({"starts_at": null}), "starts_at", "missing field"),
        ("/rescheduling", json!({"starts_at": far}), "starts_at", "ten years"),
        ("/rescheduling", json!({"by": "doctor"}), "by", "known are patient, clinic"),
        ("/rescheduling", json!({"branch": "south"}), "branch", "no branch has the code `south`"),
        ("/cancellation", json!({"by": null}), "by", "missing field"),
        ("/completion", json!({"time": "2026-03-03T00:00:00Z"}), "time", "future"),
        ("/completion", json!({"time": "2026-03-02 10:00"}), "time", "2026-03-15T10:00:00+03:00"),
        ("/miss", json!({"time": "2026-03-03T00:00:00Z"}), "time", "future"),
        ("/referrals", json!({"need": null}), "need", "missing field"),
        ("/referrals", json!({"need": "an X-ray"}), "need", "a-z"),
        (
            "/arrangement",
            json!({"provider": "00000000-0000-4000-8000-00000000000f"}),
            "provider",
            "not in the directory; `x_ray` is offered by",
        ),
        ("/arrangement", json!({"starts_at": far}), "starts_at", "ten years"),
        ("/closing", json!({"time": "2026-03-02"}), "time", "2026-03-15T10:00:00+03:00"),
        ("/feedback", json!({"score": 11}), "score", "from 0 to 10"),
        ("/feedback", json!({"score": -1}), "score", "u8"),
        ("/feedback", json!({"score": 9.5}), "score", "u8"),
        ("/feedback", json!({"branch": "west"}), "branch", "did you mean `east`"),
        ("/feedback", json!({"strengths": ["staff_manner", "staff_manner"]}), "strengths", "twice"),
        ("/feedback", json!({"weaknesses": ["Too cold!"]}), "weaknesses[0]", "a-z"),
        ("/feedback", json!({"text": longest}), "text", "2001 characters"),
        ("/feedback", json!({"text": "a\u{0}b"}), "text", "control character"),
        ("/feedback", json!({"text": " "}), "text", "empty"),
        ("/branches/north", json!({"name": ""}), "name", "empty"),
        ("/branches/north", json!({"name": long}), "name", "201 characters"),
        ("/branches/north", json!({"name": "a\nb"}), "name", "one line"),
        ("/branches/north", json!({"time_zone": "Europe/Moskow"}), "time_zone", "did you mean `Europe/Moscow`"),
        ("/branches/north", json!({"time_zone": "+03:00"}), "time_zone", "Europe/Moscow"),
        ("/branches/north", json!({"place": {"latitude": 91, "longitude": 0}}), "place.latitude", "from -90 to 90"),
        ("/branches/north", json!({"place": {"latitude": 0, "longitude": -180.5}}), "place.longitude", "from -180 to 180"),
        ("/branches/north", json!({"place": {"latitude": 0}}), "place.longitude", "missing field"),
        ("/branches/north", json!({"hours": {"mondy": {"from": "09:00", "until": "18:00"}}}), "hours", "did you mean `monday`"),
        ("/branches/north", json!({"hours": {"monday": {"from": "9", "until": "18:00"}}}), "hours.monday.from", "20:00"),
        ("/branches/north", json!({"services": ["x_ray", "x_ray"]}), "services", "twice"),
        ("/providers", json!({"services": []}), "services", "at least one"),
        ("/providers", json!({"name": "a\u{7}b"}), "name", "control character"),
        ("/providers", json!({"phone": "ask Anna"}), "phone", "digits"),
        ("/providers", json!({"website": "near.example"}), "website", "https://"),
        ("/providers", json!({"address": long}), "address", "201 characters"),
        ("/providers", json!({"provider": "00000000-0000-0000-0000-000000000000"}), "provider", "nil"),
        ("/departure", json!({"new_clinic": "City hospital, +7 912 345-67-89"}), "new_clinic", "telephone number"),
        ("/departure", json!({"new_clinic": "\t"}), "new_clinic", "empty"),
        ("/departure", json!({"phone": "+7 912 345-67-89"}), "phone", "unknown field"),
        ("/policies", json!({"version": "in-force"}), "version", "not a version"),
        ("/policies", json!({"version": "default"}), "version", "already published"),
        ("/policies", json!({"text": "purpose = 3"}), "text", "line 1"),
        ("/policies", json!({"text": "[["}), "text", "line 1"),
        (
            "/policies",
            json!({"text": "[network]\npermit_valid_for = \"30 minutes\"\n[purpose.x]\nbasis = \"care\"\nchannels = [\"phone\"]"}),
            "text",
            "limit",
        ),
        ("/policies", json!({"effective_from": "2026-03-02T09:00:59Z"}), "effective_from", "less than a minute ahead"),
        ("/policies", json!({"effective_from": far}), "effective_from", "ten years"),
    ]
}

fn with(body: &Value, changes: &Value) -> Value {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
    body
}

async fn write(network: &Network, method: &Method, path: &str, body: &Value) -> Reply {
    network.send(network.request(method, path, &network.manager, Some(body))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_slip_is_named_with_its_field_and_the_way_out() {
    Network::on_both(async |network| {
        let known = Known::set_up(network).await;
        let writes = writes(&known);
        let before = network.log_text().await;
        let mut wrong = Vec::new();
        for (which, changes, field, said) in slips() {
            let (method, path, body) = writes.iter().find(|(_, path, _)| path.ends_with(which)).unwrap();
            let reply = write(network, method, &known.path(path), &with(body, &changes)).await;
            let detail = reply.json["detail"].as_str().unwrap_or_default();
            if reply.status != 422 || reply.json["field"] != field || !detail.contains(said) {
                wrong
                    .push(format!("{which} {changes}\n  expected `{field}` and `{said}`\n  got {} {}", reply.status, reply.json));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(network.log_text().await, before, "nothing was recorded");
        // Each body that was spoilt is taken when it is not.
        for (method, path, body) in &writes {
            // What would make a later one untrue is left out.
            if !["/cancellation", "/miss"].iter().any(|end| path.ends_with(end)) {
                write(network, method, &known.path(path), body).await.ok();
            }
        }
    })
    .await;
}

/// A cursor of a worklist that no page gave.
fn cursor(due_from: &str, purpose: &str) -> String {
    let nil = uuid::Uuid::nil();
    hex::encode(format!("{{\"due_from\":\"{due_from}\",\"patient\":\"{nil}\",\"purpose\":\"{purpose}\",\"about\":\"{nil}\"}}"))
}

fn with_key(mut request: Request<Full<Bytes>>, key: Option<&str>) -> Request<Full<Bytes>> {
    request.headers_mut().remove("Idempotency-Key");
    if let Some(key) = key {
        request.headers_mut().insert("Idempotency-Key", key.parse().unwrap());
    }
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn no_writing_endpoint_takes_what_is_no_command() {
    Network::on_both(async |network| {
        let known = Known::set_up(network).await;
        let analyst = network.token(&["analyst", "regulator"], None).await;
        let nobody = uuid::Uuid::from_u128(1).to_string();
        let before = network.log_text().await;
        for (method, template, body) in &writes(&known) {
            let path = known.path(template);
            let request = || network.request(method, &path, &network.manager, Some(body));
            network.send(with_key(request(), None)).await.refused(400, "malformed");
            network.send(with_key(request(), Some("two words"))).await.refused(400, "malformed");
            let raw = |bytes: Vec<u8>| {
                let mut raw = request();
                *raw.body_mut() = Full::from(bytes);
                raw
            };
            network.send(raw(b"{".to_vec())).await.refused(400, "malformed");
            network.send(raw(b"{\"a\": \"\xff\"}".to_vec())).await.refused(400, "malformed");
            network.send(raw(format!("{body}{body}").into_bytes())).await.refused(400, "malformed");
            for no_object in ["[]", " [1]", "null", "7", "\"text\""] {
                network.send(raw(no_object.into())).await.refused(400, "malformed");
            }
            network.send(raw(vec![b' '; 1024 * 1024])).await.refused(413, "too_large");
            let unknown = write(network, method, &path, &with(body, &json!({"colour": "red"}))).await.refused(422, "untrue");
            assert_eq!(unknown["field"], "colour", "{path}");
            let mut kind = request();
            kind.headers_mut().insert("Content-Type", "text/plain".parse().unwrap());
            network.send(kind).await.refused(415, "unsupported_media_type");
            let mut stranger = request();
            stranger.headers_mut().insert("Authorization", "Bearer tact_0".parse().unwrap());
            network.send(stranger).await.refused(401, "unauthenticated");
            network.send(network.request(method, &path, &analyst, Some(body))).await.refused(403, "forbidden");
            if template.contains("{p}") {
                let path = path.replace(&known.patient, &nobody);
                write(network, method, &path, body).await.refused(404, "not_found");
                let path = path.replace(&nobody, "17");
                write(network, method, &path, body).await.refused(400, "malformed");
            }
        }
        assert_eq!(network.log_text().await, before, "nothing was recorded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_endpoint_says_what_it_cannot_take() {
    Network::on_both(async |network| {
        let known = Known::set_up(network).await;
        let p = &known.patient;
        let patient = |path: &str| format!("/v1/patients/{p}/{path}");
        for (path, status, said) in [
            (patient("consents").replace(p.as_str(), "17"), 400, "UUID"),
            (patient("consents").replace(p.as_str(), "00000000-0000-4000-8000-000000000001"), 404, "no patient"),
            (patient("appointments").replace(p.as_str(), "00000000-0000-4000-8000-000000000001"), 404, "no patient"),
            (patient("referrals").replace(p.as_str(), "00000000-0000-4000-8000-000000000001"), 404, "no patient"),
            ("/v1/feedback?from=2026-13".to_owned(), 400, "`2026-13` is not a month"),
            ("/v1/feedback?from=2026-03&until=2026-02".to_owned(), 400, "after `until`"),
            ("/v1/feedback?branch=nort".to_owned(), 422, "did you mean `north`"),
            ("/v1/feedback?clinician=no".to_owned(), 400, "`clinician`"),
            ("/v1/feedback?colour=red".to_owned(), 400, "colour"),
            ("/v1/feedback/others?at_least=soon".to_owned(), 400, "not a position"),
            ("/v1/feedback/others?at_least=999999".to_owned(), 422, "no answer has named 999999"),
            ("/v1/referrers".to_owned(), 400, "branch"),
            ("/v1/referrers?branch=north&limit=0".to_owned(), 400, "from 1 to 500"),
            ("/v1/referrers?branch=north&after=x".to_owned(), 400, "`after`"),
            ("/v1/branches/North%20Branch".to_owned(), 400, "a-z"),
            ("/v1/providers?latitude=55".to_owned(), 400, "`longitude` is missing"),
            ("/v1/providers?longitude=55".to_owned(), 400, "`latitude` is missing"),
            ("/v1/providers?latitude=91&longitude=0".to_owned(), 422, "from -90 to 90"),
            ("/v1/providers?latitude=NaN&longitude=0".to_owned(), 422, "from -90 to 90"),
            ("/v1/providers?latitude=x&longitude=0".to_owned(), 400, "`latitude`"),
            ("/v1/providers?limit=101".to_owned(), 400, "from 1 to 100"),
            ("/v1/providers?need=X-Ray".to_owned(), 400, "`need`"),
            ("/v1/providers?open_at=2026-03-02T12:00:00+03:00".to_owned(), 400, "%2B"),
            ("/v1/clinicians/17/departure".to_owned(), 400, "UUID"),
            ("/v1/patients?system=crm&value=a%00b".to_owned(), 422, "control character"),
            ("/v1/patients?text=ab%00c".to_owned(), 422, "control character"),
            ("/v1/patients?system=crm".to_owned(), 422, "name either"),
            ("/v1/figures?from=2026-03&until=2026-04&at_least=18446744073709551615".to_owned(), 422, "no answer has named"),
            ("/v1/alarms?at_least=soon".to_owned(), 400, "not a position"),
            ("/v1/branches/north/worklist?after=7b7d".to_owned(), 422, "not the `next` of a page"),
            (format!("/v1/branches/north/worklist?after={}", cursor("2026-03-02T09:00:00Z", "a\\u0000b")), 422, "not the `next`"),
            (format!("/v1/branches/north/worklist?after={}", cursor("+262000-01-01T00:00:00Z", "")), 422, "not the `next`"),
            ("/v1/policies/none".to_owned(), 404, "no policy of the version"),
        ] {
            let reply = network.get(&path).await;
            assert_eq!(reply.status.as_u16(), status, "{path}: {}", reply.json);
            assert!(reply.json["detail"].as_str().is_some_and(|detail| detail.contains(said)), "{path}: {}", reply.json);
        }
    })
    .await;
}
