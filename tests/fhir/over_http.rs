//! FHIR over HTTP: what goes in comes out the same, what is refused is said as FHIR says it, and the CapabilityStatement is true.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::{Value, json};

use crate::network::{Network, Reply};

/// Sends a body of some type as the manager.
async fn sent(network: &Network, method: &Method, path: &str, kind: &str, body: &str) -> Reply {
    let mut request = network.request(method, path, &network.manager, None);
    request.headers_mut().insert("content-type", kind.parse().unwrap());
    *request.body_mut() = body.to_owned().into();
    network.send(request).await
}

async fn put(network: &Network, resource: &Value) -> Reply {
    let path = format!("/fhir/R4/{}/{}?source=his", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
    sent(network, &Method::PUT, &path, "application/fhir+json; fhirVersion=4.0", &resource.to_string()).await
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "p1", "managingOrganization": {"reference": "Organization/1"},
        "identifier": [{"system": "urn:his:card", "value": "77"}],
        "name": [{"use": "official", "family": "Safina", "given": ["Anna"]}], "birthDate": "1984-05-17",
        "telecom": [{"system": "phone", "value": "+7 900 000-00-01", "use": "mobile"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "ru"}]}}],
    })
}

fn bundle() -> Value {
    let subject = json!({"reference": "urn:uuid:11111111-1111-4111-8111-111111111111"});
    let entries = [
        ("urn:uuid:11111111-1111-4111-8111-111111111111", patient()),
        (
            "urn:uuid:11111111-1111-4111-8111-111111111112",
            json!({
                "resourceType": "Appointment", "id": "a1", "status": "booked", "start": "2026-03-10T10:00:00+03:00", "created": "2026-03-01",
                "appointmentType": {"coding": [{"system": "urn:his:codes", "code": "check"}]},
                "participant": [{"actor": subject, "status": "accepted"}, {"actor": {"reference": "Location/9", "display": "The East"}, "status": "accepted"}],
            }),
        ),
        (
            "urn:uuid:11111111-1111-4111-8111-111111111113",
            json!({
                "resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}, "subject": subject,
                "period": {"start": "2025-08-20T10:00:00+03:00", "end": "2025-08-20T10:30:00+03:00"}, "serviceProvider": {"reference": "Organization/1"},
            }),
        ),
        (
            "urn:uuid:11111111-1111-4111-8111-111111111114",
            json!({
                "resourceType": "Procedure", "id": "s1", "status": "completed", "subject": subject,
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "80146002"}]},
                "performedPeriod": {"start": "2026-02-27T09:00:00+03:00", "end": "2026-02-27T11:00:00+03:00"},
            }),
        ),
        (
            "urn:uuid:11111111-1111-4111-8111-111111111115",
            json!({
                "resourceType": "Consent", "id": "c1", "status": "active", "patient": subject, "dateTime": "2026-02-01T10:00:00+03:00",
                "sourceAttachment": {"title": "paper"},
                "provision": {"type": "permit", "purpose": [{"system": "urn:tact:purpose", "code": "promotion"}], "code": [{"coding": [{"system": "urn:tact:channel", "code": "sms"}]}]},
            }),
        ),
        (
            "urn:uuid:11111111-1111-4111-8111-111111111116",
            json!({
                "resourceType": "CommunicationRequest", "id": "r1", "status": "active", "subject": subject, "requester": subject, "authoredOn": "2026-03-02T11:00:00+03:00",
                "medium": [{"coding": [{"system": "urn:tact:channel", "code": "phone"}]}],
            }),
        ),
        ("urn:uuid:11111111-1111-4111-8111-111111111117", json!({"resourceType": "Observation", "id": "o1", "status": "final"})),
        (
            "urn:uuid:11111111-1111-4111-8111-111111111118",
            json!({
                "resourceType": "Procedure", "id": "s2", "status": "completed", "subject": subject, "performedDateTime": "2026-02-27",
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "1"}]},
            }),
        ),
    ];
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(url, resource)| {
            let url_of = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
            json!({"fullUrl": url, "resource": resource, "request": {"method": "PUT", "url": url_of}})
        })
        .collect();
    json!({"resourceType": "Bundle", "type": "batch", "entry": entries})
}

const TYPES: &[&str] = &["Appointment", "Encounter", "Procedure", "Consent", "Communication", "CommunicationRequest"];

/// Everything that is served of a patient, all pages.
async fn served(network: &Network, patient: &str) -> Vec<Value> {
    let mut all = vec![network.get(&format!("/fhir/R4/Patient/{patient}")).await.ok()];
    for kind in TYPES {
        let mut next = Some(format!("/fhir/R4/{kind}?patient={patient}&_count=1"));
        while let Some(path) = next {
            let page = network.get(&path).await.ok();
            all.extend(page["entry"].as_array().into_iter().flatten().map(|entry| entry["resource"].clone()));
            let links = page["link"].as_array().unwrap();
            next = links.iter().find(|link| link["relation"] == "next").map(|link| link["url"].as_str().unwrap().to_owned());
        }
    }
    all
}

/// What a resource states, without the ids and words that a server has of its own.
fn stated(resource: &Value) -> Value {
    let mut stated = resource.clone();
    let fields = stated.as_object_mut().unwrap();
    for own in ["id", "identifier", "policyRule", "extension", "managingOrganization"] {
        fields.remove(own);
    }
    let mut text = stated.to_string();
    // References name what is elsewhere under another id.
    while let Some(at) = text.find("\"reference\":\"") {
        let from = at + "\"reference\":\"".len();
        let end = from + text[from..].find('"').unwrap();
        let kind = text[from..end].split('/').next().unwrap().to_owned();
        text.replace_range(at..end, &format!("\"to\":\"{kind}"));
    }
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_goes_in_and_comes_out_the_same_and_goes_in_elsewhere() {
    let network = Network::start().await;
    let path = "/fhir/R4?source=his";
    let reply = sent(&network, &Method::POST, path, "application/fhir+json", &bundle().to_string()).await;
    let answer = reply.ok();
    assert_eq!((&answer["resourceType"], &answer["type"]), (&json!("Bundle"), &json!("batch-response")));
    let statuses: Vec<&str> =
        answer["entry"].as_array().unwrap().iter().map(|entry| entry["response"]["status"].as_str().unwrap()).collect();
    let created = "201 Created";
    assert_eq!(
        statuses,
        [created, created, created, created, created, created, "200 OK", "422 Unprocessable Entity"],
        "{answer}"
    );
    let refusal = &answer["entry"][7]["response"]["outcome"]["issue"][0];
    assert_eq!(refusal["expression"], json!(["Procedure.code"]), "{refusal}");
    let at = answer["entry"][0]["response"]["location"].as_str().unwrap();
    let id = at.strip_prefix("Patient/").unwrap();
    // The same again adds nothing.
    let head = network.app().transactor.log().head().await.unwrap();
    let again = sent(&network, &Method::POST, path, "application/json", &bundle().to_string()).await.ok();
    assert!(again["entry"].as_array().unwrap().iter().take(7).all(|entry| entry["response"]["status"] == "200 OK"), "{again}");
    assert_eq!(network.app().transactor.log().head().await.unwrap(), head);

    let out = served(&network, id).await;
    let kinds: Vec<&str> = out.iter().map(|one| one["resourceType"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["Patient", "Appointment", "Appointment", "Appointment", "Encounter", "Procedure", "Consent", "CommunicationRequest"]
    );
    assert_eq!(out[0]["name"], json!([{"text": "Anna Safina"}]));
    let of = |kind: &str, start: &str| {
        out.iter().find(|one| one["resourceType"] == kind && one["start"] == start).unwrap_or_else(|| panic!("{out:#?}"))
    };
    let booked = of("Appointment", "2026-03-10T10:00:00+03:00");
    assert_eq!((&booked["status"], &booked["serviceType"][0]["coding"][0]["code"]), (&json!("booked"), &json!("checkup")));
    assert_eq!(out[4]["period"], json!({"start": "2025-08-20T10:00:00+03:00", "end": "2025-08-20T10:30:00+03:00"}));
    assert_eq!(out[5]["performedPeriod"], json!({"start": "2026-02-27T09:00:00+03:00", "end": "2026-02-27T11:00:00+03:00"}));
    // Each can be read by the id that it came with, and a public validator finds nothing wrong with it.
    let mut bundles = serde_json::Map::new();
    for one in &out {
        let (kind, own) = (one["resourceType"].as_str().unwrap(), one["id"].as_str().unwrap());
        assert_eq!(network.get(&format!("/fhir/R4/{kind}/{own}")).await.ok(), *one);
        bundles.insert(format!("{kind}/{own}"), one.clone());
    }
    bundles.insert("metadata".into(), network.get("/fhir/R4/metadata").await.ok());
    bundles.insert("searchset".into(), network.get(&format!("/fhir/R4/Appointment?patient={id}")).await.ok());
    bundles.insert("answer".into(), answer.clone());
    let said = super::errors(&Value::Object(bundles)).await;
    assert!(said.is_empty(), "{said:#?}");

    // By date, half open as FHIR has it.
    let found =
        async |query: &str| network.get(&format!("/fhir/R4/Appointment?patient={id}&{query}")).await.ok()["total"].clone();
    assert_eq!(found("date=ge2026-03-01&date=lt2026-04-01").await, json!(1));
    assert_eq!(found("date=2026").await, json!(2));
    assert_eq!(found("date=gt2026-03-10").await, json!(0));
    assert_eq!(found("date=le2026-03-10T07:00:00Z").await, json!(3));

    // Another network takes it from this one, and gives out the same.
    let other = Network::start().await;
    let lines: Vec<String> = out.iter().map(Value::to_string).collect();
    let reply = sent(&other, &Method::POST, "/fhir/R4/$import?source=his", "application/fhir+ndjson", &lines.join("\n")).await;
    let told = reply.ok();
    assert!(!told.to_string().contains("\"error\""), "{told}");
    let found = other.get(&format!("/fhir/R4/Patient?identifier=urn:tact:source:his%7C{id}")).await.ok();
    let there = served(&other, found["entry"][0]["resource"]["id"].as_str().unwrap()).await;
    let (ours, theirs): (Vec<Value>, Vec<Value>) = (out.iter().map(stated).collect(), there.iter().map(stated).collect());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
    other.stop().await;
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_came_in_is_on_the_worklist() {
    let network = Network::start().await;
    let answer = sent(&network, &Method::POST, "/fhir/R4?source=his", "application/fhir+json", &bundle().to_string()).await;
    let position = answer.headers["tact-position"].to_str().unwrap().to_owned();
    answer.ok();
    let list = network.get(&format!("/v1/branches/north/worklist?at_least={position}")).await.ok();
    let entries = list["entries"].as_array().unwrap();
    let of =
        |purpose: &str| entries.iter().find(|entry| entry["purpose"] == purpose).unwrap_or_else(|| panic!("{purpose}: {list:#}"));
    // Three days after the operation, of which nobody said that a call would come.
    let check = of("wellbeing_check");
    assert_eq!((&check["callable"], &check["reasons"][0]["code"]), (&json!(false), &json!("not_announced")), "{check}");
    assert_eq!(of("callback")["callable"], json!(true));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_as_fhir_says_it() {
    let network = Network::start().await;
    let fhir = "application/fhir+json";
    let check = |reply: Reply, status: u16, words: &str| {
        assert_eq!(reply.status.as_u16(), status, "{}", reply.json);
        assert_eq!(reply.headers["content-type"], fhir);
        assert_eq!(reply.json["resourceType"], "OperationOutcome");
        let said = reply.json["issue"][0]["diagnostics"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(words), "{said}");
    };
    let post = async |path: &str, kind: &str, body: &str| sent(&network, &Method::POST, path, kind, body).await;
    let small = patient().to_string();
    check(post("/fhir/R4/Patient?source=his", "application/fhir+xml", "<Patient/>").await, 415, "FHIR is taken as JSON only");
    check(post("/fhir/R4/Patient?source=his", "application/fhir+json; fhirVersion=5.0", &small).await, 415, "speaks 4.0 (R4)");
    check(post("/fhir/R4/Patient", fhir, &small).await, 400, "say who sends it: `?source=`");
    check(post("/fhir/R4/Patient?source=hiss", fhir, &small).await, 400, "did you mean `his`?");
    check(post("/fhir/R4/Patient?sauce=his", fhir, &small).await, 400, "unknown parameter `sauce`");
    check(post("/fhir/R4/Observation?source=his", fhir, &small).await, 404, "`Observation` is not taken");
    check(post("/fhir/R4/Encounter?source=his", fhir, &small).await, 400, "the body is of type `Patient`");
    check(sent(&network, &Method::PUT, "/fhir/R4/Patient/p2?source=his", fhir, &small).await, 400, "another than in the address");
    check(post("/fhir/R4/Patient?source=his", fhir, "{\"resourceType\":").await, 400, "it is not JSON");
    check(post("/fhir/R4?source=his", fhir, "{\"resourceType\":\"Bundle\",\"type\":\"history\"}").await, 422, "`Bundle.type`");
    check(post("/fhir/R4?source=his", fhir, &small).await, 400, "a single resource at /fhir/R4/Patient");
    let huge = format!("{{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"x\":\"{}\"}}", "x".repeat(17 << 20));
    check(post("/fhir/R4?source=his", fhir, &huge).await, 413, "the body has more than 16777216 bytes; send it in parts");
    check(network.get("/fhir/R4/Appointment").await, 400, "say whose with `patient`");
    check(network.get("/fhir/R4/Appointment?patient=1&dat=2026").await, 400, "did you mean `date`?");
    check(network.get("/fhir/R4/Appointment?patient=1&date=sa2026").await, 400, "the prefix `sa` is not served");
    check(network.get("/fhir/R4/Appointment?patient=1&_count=0").await, 400, "it goes from 1 to 500");
    check(network.get("/fhir/R4/Observation?patient=1").await, 404, "`Observation` is not served");
    check(network.get("/fhir/R4/Patient/nobody").await, 404, "there is no Patient of this id");
    check(network.get("/fhir/R4/nothing/of/that").await, 404, "no route has this path");
    let mut later = json!({"resourceType": "Encounter", "id": "e9", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/p1"}, "serviceProvider": {"reference": "Organization/1"}});
    later["period"] = json!({"start": "2027-01-01T10:00:00Z"});
    put(&network, &patient()).await.ok();
    check(put(&network, &later).await, 422, "is later than the clock");
    // A line that is wrong keeps no other from going in.
    let lines =
        format!("\u{feff}{small}\n\nnot json\n{}\n", json!({"resourceType": "Appointment", "id": "x", "status": "booked"}));
    let told = post("/fhir/R4/$import?source=his", "application/fhir+ndjson", &lines).await.ok();
    let said: Vec<&str> = told["issue"].as_array().unwrap().iter().map(|issue| issue["diagnostics"].as_str().unwrap()).collect();
    assert!(said.iter().any(|line| line.starts_with("line 3: `Resource`: it is not JSON")), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("line 4: Appointment/x: `Appointment.participant.actor`")), "{said:#?}");
    assert!(said.iter().any(|line| line.starts_with("Patient: 0 recorded, 1 there already")), "{said:#?}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_and_roles_hold_on_the_routes_of_fhir_too() {
    let network = Network::start().await;
    let answer = sent(&network, &Method::POST, "/fhir/R4?source=his", "application/fhir+json", &bundle().to_string()).await.ok();
    let id = answer["entry"][0]["response"]["location"].as_str().unwrap().strip_prefix("Patient/").unwrap().to_owned();
    let east = network.token(&["system"], Some(&["east"])).await;
    let mut visit = bundle()["entry"][2]["resource"].clone();
    visit["id"] = json!("e2");
    visit["subject"] = json!({"reference": "Patient/p1"});
    let mut request = network.request(&Method::POST, "/fhir/R4/Encounter?source=his", &east, Some(&visit));
    request.headers_mut().remove("idempotency-key");
    let refused = network.send(request).await;
    assert_eq!(refused.status.as_u16(), 403, "{}", refused.json);
    assert!(refused.json.to_string().contains("branch `north` is not in this caller's scope"));
    // Of the north's dealings the east sees nothing; who somebody is, a regulator does not see.
    let seen = network.get_as(&east, &format!("/fhir/R4/Appointment?patient={id}")).await.ok();
    assert_eq!(seen["total"], json!(1), "{seen}");
    let regulator = network.token(&["regulator"], None).await;
    let shown = network.get_as(&regulator, &format!("/fhir/R4/Patient/{id}")).await.ok();
    assert!(shown.get("name").is_none() && !shown.to_string().contains("\"77\""), "{shown}");
    network.get_as(&regulator, "/fhir/R4/Patient?identifier=urn:his:card%7C77").await.refused(403, "forbidden");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_capability_statement_is_true() {
    let network = Network::start().await;
    let answer = sent(&network, &Method::POST, "/fhir/R4?source=his", "application/fhir+json", &bundle().to_string()).await.ok();
    let id = answer["entry"][0]["response"]["location"].as_str().unwrap().strip_prefix("Patient/").unwrap().to_owned();
    let statement = network.get("/fhir/R4/metadata").await.ok();
    assert_eq!(statement["fhirVersion"], "4.0.1");
    let resources = statement["rest"][0]["resource"].as_array().unwrap();
    let mut types = BTreeSet::new();
    for resource in resources {
        let kind = resource["type"].as_str().unwrap();
        types.insert(kind);
        let says = |code: &str| resource["interaction"].as_array().unwrap().iter().any(|one| one["code"] == code);
        let status = async |method: Method, path: String| {
            sent(&network, &method, &path, "application/fhir+json", "{}").await.status.as_u16()
        };
        // What is not taken or served is not found; what is, gets as far as what is asked.
        assert_eq!(status(Method::POST, format!("/fhir/R4/{kind}?source=his")).await == 404, !says("create"), "{kind}");
        assert_eq!(status(Method::PUT, format!("/fhir/R4/{kind}/1?source=his")).await == 404, !says("update"), "{kind}");
        let known: Vec<&str> =
            resource["searchParam"].as_array().into_iter().flatten().map(|one| one["name"].as_str().unwrap()).collect();
        let whose = if kind == "Patient" { format!("_id={id}") } else { format!("patient={id}") };
        let plain = network.get(&format!("/fhir/R4/{kind}?{whose}")).await;
        assert_eq!(plain.status == 200, says("search-type"), "{kind}");
        let first = plain.ok()["entry"][0]["resource"]["id"].as_str().map(str::to_owned);
        assert_eq!(first.is_some(), kind != "Communication", "{kind}: nobody was contacted, all the rest is there");
        if let Some(first) = first {
            assert_eq!(network.get(&format!("/fhir/R4/{kind}/{first}")).await.status == 200, says("read"), "{kind}");
        }
        for (name, value) in [
            ("patient", id.as_str()),
            ("date", "2026"),
            ("_id", id.as_str()),
            ("identifier", "urn:his:card%7C77"),
            ("status", "booked"),
        ] {
            let asked = network.get(&format!("/fhir/R4/{kind}?{whose}&{name}={value}")).await.status == 200;
            assert_eq!(asked, known.contains(&name), "{kind}?{name}");
        }
    }
    let all = ["Appointment", "Communication", "CommunicationRequest", "Consent", "Encounter", "Patient", "Procedure"];
    assert_eq!(types.into_iter().collect::<Vec<_>>(), all);
    network.stop().await;
}
