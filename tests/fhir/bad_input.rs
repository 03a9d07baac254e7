//! What must not go in: each is refused with its place, its element and the way out, and what stands beside it goes in.

use serde_json::{Value, json};
use tact_domain::Time;
use tact_fhir::{LONGEST_LINE, Place, Read, Said, read_document, read_line};
use tact_intake::fhir::Fate;

use super::files::{Store, his};

/// What is said of a document that must be refused.
#[track_caller]
fn refused(bytes: &[u8]) -> String {
    let read = read_document(bytes, &Place { file: Some("x.json".into()), ..Place::default() }, &his()).read;
    match &read[..] {
        [Read::Refused(issue)] => issue.to_string(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(resource: &Value, path: &str, words: &str) {
    let said = refused(resource.to_string().as_bytes());
    assert!(said.contains(&format!("`{path}`: ")) && said.contains(words), "{said}");
}

fn encounter(more: Value) -> Value {
    let mut encounter = json!({
        "resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-02-01T10:00:00+03:00"}, "serviceProvider": {"reference": "Organization/1"},
    });
    encounter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    encounter
}

fn appointment(more: Value) -> Value {
    let mut appointment = json!({
        "resourceType": "Appointment", "id": "a1", "status": "booked", "start": "2026-03-10T10:00:00+03:00",
        "participant": [{"actor": {"reference": "Patient/p1"}, "status": "accepted"}, {"actor": {"display": "The East", "reference": "Location/9"}, "status": "accepted"}],
    });
    appointment.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    appointment
}

#[test]
fn what_is_no_resource_is_refused_where_it_stands() {
    for (bytes, words) in [
        (&b""[..], "it is not JSON: EOF"),
        (b"{\"resourceType\":\"Patient\",", "it is not JSON: EOF"),
        (b"{\"resourceType\":\"Patient\",\"id\":\"1\"}}", "it is not JSON: trailing characters"),
        (b"[]", "is a list; R4 has an object here"),
        (b"{\"id\":\"1\"}", "`Resource.resourceType`: is missing"),
        (b"<Patient xmlns=\"http://hl7.org/fhir\"/>", "it is XML; send FHIR as JSON"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (b"{\"resourceType\":\"Patient\",\"id\":\"\xe9\"}", "byte 33 of it, 0xE9, is not UTF-8"),
        (b"{\"resourceType\":\"Patient\",\"id\":\"1\",\"id\":\"2\"}", "holds `id` twice"),
    ] {
        let said = refused(bytes);
        assert!(said.starts_with("x.json: ") && said.contains(words), "{said}");
    }
    // A byte order mark is none of the text.
    let marked = [b"\xef\xbb\xbf".as_slice(), br#"{"resourceType":"Patient","id":"1"}"#].concat();
    assert!(matches!(&read_document(&marked, &Place::default(), &his()).read[..], [Read::Resource(_)]));
}

#[test]
fn what_is_too_long_or_too_deep_is_refused_and_nothing_overflows() {
    let long = format!("{{\"resourceType\":\"Patient\",\"id\":\"1\",\"photo\":\"{}\"}}", "x".repeat(LONGEST_LINE));
    let Read::Refused(issue) = read_line(long.as_bytes(), &Place { line: Some(7), ..Place::default() }, &his()) else { panic!() };
    assert!(
        issue.to_string().starts_with(&format!("line 7: `Resource`: it has {} bytes; one resource has at most", long.len())),
        "{issue}"
    );
    for (open, close) in [("[", "]"), ("{\"extension\":", "}")] {
        let deep = |levels: usize| {
            format!("{{\"resourceType\":\"Patient\",\"id\":\"1\",\"x\":{}1{}}}", open.repeat(levels), close.repeat(levels))
        };
        let said = refused(deep(1_000_000).as_bytes());
        assert!(said.contains("more than 64 levels"), "{said}");
        assert!(said.len() < 300);
        assert!(matches!(&read_document(deep(60).as_bytes(), &Place::default(), &his()).read[..], [Read::Resource(_)]));
    }
}

#[test]
fn what_is_of_another_version_is_refused_by_the_element_that_shows_it() {
    check(
        &encounter(json!({"class": "outpatient"})),
        "Encounter.class",
        "is a string; R4 has an object here (a list is R5's, a word DSTU2's)",
    );
    check(&encounter(json!({"class": [{"coding": []}]})), "Encounter.class", "is a list; R4 has an object here");
    check(&encounter(json!({"actualPeriod": {"start": "2026"}})), "Encounter.actualPeriod", "R5 has it; R4 has `period`");
    check(&encounter(json!({"patient": {"reference": "Patient/1"}})), "Encounter.patient", "DSTU2 has it; R4 has `subject`");
    check(
        &appointment(json!({"indication": [{"reference": "Condition/1"}]})),
        "Appointment.indication",
        "STU3 has it; R4 has `reasonReference`",
    );
    check(&appointment(json!({"reason": {"text": "x"}})), "Appointment.reason", "R4 has `reasonCode`");
    check(&appointment(json!({"subject": {"reference": "Patient/1"}})), "Appointment.subject", "R5 has it");
    check(
        &json!({"resourceType": "Procedure", "id": "1", "status": "completed", "notPerformed": true}),
        "Procedure.notPerformed",
        "DSTU2",
    );
    check(
        &json!({"resourceType": "Procedure", "id": "1", "status": "completed", "occurrencePeriod": {}}),
        "Procedure.occurrencePeriod",
        "R5",
    );
    check(&json!({"resourceType": "Consent", "id": "1", "status": "active", "decision": "permit"}), "Consent.decision", "R5");
    check(
        &json!({"resourceType": "CommunicationRequest", "id": "1", "status": "active", "requestedOn": "2026"}),
        "CommunicationRequest.requestedOn",
        "DSTU2",
    );
    check(&json!({"resourceType": "Patient", "id": "1", "animal": {}}), "Patient.animal", "STU3");
    check(
        &encounter(json!({"modifierExtension": [{"url": "x", "valueBoolean": true}]})),
        "Encounter.modifierExtension",
        "changes what the resource means",
    );
}

#[test]
fn wrong_types_and_words_are_named_and_personal_values_never_repeated() {
    let secret = "13 March 1984";
    for (more, path) in [
        (json!({"birthDate": 19_840_313}), "Patient.birthDate"),
        (json!({"name": {"text": secret}}), "Patient.name"),
        (json!({"name": [{"given": "Anna"}]}), "Patient.name[0].given"),
        (json!({"telecom": [{"value": 79_000_000_000_u64}]}), "Patient.telecom[0].value"),
        (json!({"deceasedDateTime": secret}), "Patient.deceasedDateTime"),
        (json!({"id": secret}), "Patient.id"),
        (json!({"deceasedBoolean": true, "deceasedDateTime": "2026"}), "Patient.deceased"),
    ] {
        let mut patient = json!({"resourceType": "Patient", "id": "1"});
        patient.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let said = refused(patient.to_string().as_bytes());
        assert!(said.contains(&format!("`{path}`: ")), "{said}");
        for personal in [secret, "19840313", "79000000000", "Anna"] {
            assert!(!said.contains(personal), "{said}");
        }
    }
    check(&appointment(json!({"status": "boked"})), "Appointment.status", "did you mean `booked`?");
    check(&encounter(json!({"status": "done"})), "Encounter.status", "which R4 does not have");
    check(&encounter(json!({"id": null, "identifier": []})), "Encounter.id", "could not be known again");
    check(
        &json!({"resourceType": "Procedure", "id": "1", "status": "completed", "code": {"text": "Appendix out"}}),
        "Procedure.code",
        "has no code, only words",
    );
}

#[test]
fn dates_are_as_precise_as_they_are_and_no_more() {
    for (start, words) in [
        ("2026", "less than a moment"),
        ("2026-03", "less than a moment"),
        ("2026-03-10", "less than a moment"),
        ("2026-03-10T10:00:00", "with seconds and an offset"),
        ("2026-02-30T10:00:00Z", "the calendar does not have"),
        ("2026-03-10T10:00:00+25:00", "an offset from UTC that no place on earth has"),
        ("1812-03-10T10:00:00Z", "outside the years 1900 to 9999"),
    ] {
        check(&appointment(json!({"start": start})), "Appointment.start", words);
    }
    check(&encounter(json!({"period": {"start": "2015"}})), "Encounter.period.start", "names no day");
    check(&encounter(json!({"period": {"start": "2015-02"}})), "Encounter.period.start", "names no day");
    check(&encounter(json!({"period": {"end": "2015-02-01"}})), "Encounter.period.start", "is missing");
    check(
        &encounter(json!({"period": {"start": "2015-02-02", "end": "2015-02-01"}})),
        "Encounter.period.end",
        "is before the start",
    );
    let starts = |start: &str| {
        let read =
            read_document(encounter(json!({"period": {"start": start}})).to_string().as_bytes(), &Place::default(), &his()).read;
        match &read[..] {
            [Read::Resource(resource)] => match &resource.said {
                Said::Visit(visit) => visit.starts_at,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    };
    let time = |text: &str| text.parse::<Time>().unwrap();
    assert_eq!(starts("2015-02-03"), time("2015-02-02T21:00:00Z"), "a day begins where the mapping says");
    assert_eq!(starts("2016-12-31T23:59:60Z"), time("2017-01-01T00:00:00Z"), "a leap second is the second behind it");
    assert_eq!(starts("2015-02-03T10:00:00-05:30"), time("2015-02-03T15:30:00Z"));
}

#[tokio::test]
async fn what_refers_to_nothing_is_refused_and_the_rest_of_the_bundle_goes_in() {
    let place = Store::new("2026-03-02T09:00:00Z").await;
    let entry = |url: &str, resource: Value| json!({"fullUrl": url, "resource": resource});
    let with = |id: &str, subject: Value| encounter(json!({"id": id, "subject": subject}));
    let patient = json!({"resourceType": "Patient", "id": "p1", "identifier": [{"system": "urn:his:card", "value": "77"}], "managingOrganization": {"reference": "Organization/1"}});
    let mut other = patient.clone();
    other["gender"] = json!("female");
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        entry("urn:uuid:0001", patient),
        entry("urn:uuid:0002", with("v1", json!({"reference": "urn:uuid:0001"}))),
        entry("urn:uuid:0003", with("v2", json!({"reference": "Patient/p2"}))),
        entry("urn:uuid:0004", with("v3", json!({"reference": "#p"}))),
        entry("urn:uuid:0005", with("v4", json!({"display": "Anna"}))),
        entry("urn:uuid:0006", with("v5", json!({"identifier": {"system": "urn:his:card", "value": "77"}}))),
        entry("urn:uuid:0007", with("v6", json!({"identifier": {"system": "urn:his:card", "value": "78"}}))),
        entry("urn:uuid:0008", with("v7", json!({"reference": "https://elsewhere.example/Patient/p1"}))),
        entry("urn:uuid:0009", with("v8", json!({"reference": "https://his.example/fhir/Patient/p1/_history/3"}))),
        entry("urn:uuid:0002", with("v9", json!({"reference": "urn:uuid:0001"}))),
        entry("urn:uuid:0011", json!({"resourceType": "Bundle", "type": "batch", "entry": []})),
        json!({"fullUrl": "urn:uuid:0012", "request": {"method": "DELETE", "url": "Encounter/v1"}}),
        json!({"fullUrl": "urn:uuid:0013"}),
        entry("urn:uuid:0014", other),
        entry("urn:uuid:0015", with("v10", json!({"reference": "urn:uuid:0002"}))),
        entry("urn:uuid:0016", with("v11", json!({"reference": "Patient"}))),
        entry("urn:uuid:0017", encounter(json!({"id": "v12", "serviceProvider": {"reference": "Organization/2", "display": "The West"}, "partOf": {"reference": "Encounter/v12"}}))),
    ]});
    let account = place.send(&[bundle]).await;
    let fates: Vec<String> = account
        .outcomes
        .iter()
        .map(|outcome| match outcome.fate {
            Fate::Recorded => "in".to_owned(),
            Fate::Refused => outcome.issues[0].path.clone(),
            other => format!("{other:?}"),
        })
        .collect();
    let subject = "Encounter.subject";
    assert_eq!(
        fates,
        [
            "in",
            "in",
            subject,
            subject,
            subject,
            "in",
            subject,
            subject,
            "in",
            "Bundle.entry[9].fullUrl",
            "Bundle.entry[10].resource",
            "Bundle.entry[11].request.method",
            "Bundle.entry[12].resource",
            "Patient.id",
            subject,
            subject,
            "Encounter.serviceProvider",
        ]
    );
    for issue in account.refusals() {
        assert!(issue.place.entry.is_some() && issue.to_string().starts_with("entry["), "{issue}");
        assert!(!issue.to_string().contains("Anna") && !issue.to_string().contains("78"), "{issue}");
    }
    for kind in ["history", "document", "batch-response", ""] {
        check(&json!({"resourceType": "Bundle", "type": kind}), "Bundle.type", "Bundles are taken of type `transaction`");
    }
}
