//! The Bundle: every event is in it, ids are its own, references resolve. That it is R4, a public validator says: `tests/fhir.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::story::*;
use crate::{Language, Material, fhir};

fn entries(bundle: &Value) -> Vec<&Value> {
    bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]).collect()
}

fn of<'b>(bundle: &'b Value, kind: &str) -> Vec<&'b Value> {
    entries(bundle).into_iter().filter(|resource| resource["resourceType"] == kind).collect()
}

/// Every `reference` that leads into the Bundle.
fn references<'b>(value: &'b Value, found: &mut Vec<&'b str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("reference").and_then(Value::as_str));
            fields.values().for_each(|inside| references(inside, found));
        }
        Value::Array(items) => items.iter().for_each(|inside| references(inside, found)),
        _ => {}
    }
}

fn check(material: &Material<'_>) -> Value {
    let bundle = fhir(material);
    assert_eq!(bundle, fhir(material), "the same material gives the same Bundle");
    let listed = bundle["entry"].as_array().unwrap();
    let urls: Vec<&str> = listed.iter().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
    assert_eq!(urls.iter().collect::<BTreeSet<_>>().len(), urls.len(), "each fullUrl once");
    for entry in listed {
        assert_eq!(entry["fullUrl"], format!("urn:uuid:{}", entry["resource"]["id"].as_str().unwrap()));
    }
    let mut found = Vec::new();
    references(&bundle, &mut found);
    assert!(found.len() >= listed.len(), "{} references are not all", found.len());
    let lost: Vec<_> = found.into_iter().filter(|reference| !urls.contains(reference)).collect();
    assert!(lost.is_empty(), "{lost:?} lead nowhere");
    bundle
}

#[test]
fn every_event_is_there_with_its_hash_and_as_it_was_stored() {
    let events = golden();
    let around = Around::new(messy().policies);
    let bundle = check(&around.material(&events, &[], Language::English));
    let provenances = of(&bundle, "Provenance");
    assert_eq!(provenances.len(), events.len());
    for (provenance, recorded) in provenances.iter().zip(&events) {
        let stored = provenance["extension"][0]["valueString"].as_str().unwrap();
        assert_eq!(stored.as_bytes(), recorded.envelope.write(&recorded.event));
        let hash = hex::encode(tact_domain::envelope::hash(stored.as_bytes()));
        assert_eq!(provenance["entity"][0]["what"]["identifier"]["value"], hash);
        assert_eq!(provenance["activity"]["coding"][0]["code"], recorded.event.kind());
    }
}

#[test]
fn contacts_permits_consents_and_appointments_stand_as_they_are_now() {
    let story = messy();
    let around = Around::new(story.policies.clone());
    let bundle = check(&around.material(&story.events, &[], Language::Russian));
    let contacts = of(&bundle, "Communication");
    assert_eq!(contacts.len(), 5);
    let breaches: Vec<_> = contacts.iter().filter(|contact| contact["extension"][0]["valueBoolean"] == true).collect();
    assert_eq!(breaches.len(), 1);
    assert_eq!(breaches[0]["reasonCode"][0]["coding"][0]["code"], "sales_follow_up");
    assert!(breaches[0].get("basedOn").is_none());
    let promotion = contacts.iter().find(|c| c["reasonCode"][0]["coding"][0]["code"] == "promotion").unwrap();
    assert!(promotion["basedOn"][0]["reference"].is_string());
    let requests = of(&bundle, "CommunicationRequest");
    let statuses: Vec<_> = requests.iter().map(|request| request["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["completed", "completed", "completed", "revoked", "revoked"]);
    let refusal = &requests[3]["extension"];
    let codes: Vec<_> =
        refusal.as_array().unwrap().iter().map(|reason| &reason["valueCodeableConcept"]["coding"][0]["code"]).collect();
    assert_eq!(codes, ["quiet_hours", "limit_reached"]);
    let [consent, withdrawal] = of(&bundle, "Consent")[..] else { panic!("a consent and its withdrawal") };
    // For SMS it was withdrawn, for e-mail it holds.
    assert_eq!(consent["status"], "active");
    assert_eq!(consent["provision"]["provision"][0]["type"], "deny");
    assert_eq!(consent["provision"]["provision"][0]["code"][0]["coding"][1]["code"], "sms");
    assert_eq!(withdrawal["provision"]["type"], "deny");
    let [appointment] = of(&bundle, "Appointment")[..] else { panic!("one appointment") };
    assert_eq!(appointment["status"], "fulfilled");
    assert_eq!(appointment["start"], "2026-03-06T10:00:00+03:00");
}

#[test]
fn personal_data_is_there_only_if_it_was_given() {
    let story = messy();
    let around = Around::new(story.policies.clone());
    let mut material = around.material(&story.events, &[], Language::English);
    assert!(fhir(&material).to_string().contains("Сафина"));
    material.personal = None;
    let bundle = check(&material);
    let text = bundle.to_string();
    assert!(!text.contains("Сафина") && !text.contains("+7 900") && !text.contains("1984"));
    let patient = of(&bundle, "Patient")[0];
    assert!(patient.get("name").is_none() && patient.get("birthDate").is_none());
}

#[test]
fn a_part_of_the_history_still_resolves() {
    let story = messy();
    let around = Around::new(story.policies.clone());
    let mut material = around.material(&story.events, &[], Language::English);
    // The contact is told of, its permit and consent are not.
    material.from = Some(at("2026-03-10T11:01:00Z"));
    material.until = Some(at("2026-03-11T00:00:00Z"));
    let bundle = check(&material);
    let [contact] = of(&bundle, "Communication")[..] else { panic!("one contact") };
    assert_eq!(contact["basedOn"][0]["identifier"]["value"], id(0x82).to_string());
    assert_eq!(of(&bundle, "Provenance").len(), 1);
}

#[test]
fn those_who_were_merged_are_there_and_linked() {
    let mut story = messy();
    let other = id(5);
    let mut merged = Story::new(other);
    merged.registered("2026-03-01T08:00:00Z").call("2026-03-01T09:00:00Z", 0xc1, "promotion", "sms", None);
    merged.event("2026-03-30T08:00:00Z", "patient.merged", serde_json::json!({"into": PATIENT}));
    story.event("2026-03-30T08:00:00Z", "patient.absorbing", serde_json::json!({"from": other}));
    story.event("2026-03-30T08:00:01Z", "patient.absorbed", serde_json::json!({"from": other, "facts": {"preferences": {}}}));
    let around = Around::new(story.policies.clone());
    let merged = [(other, merged.events)];
    let bundle = check(&around.material(&story.events, &merged, Language::English));
    let links: Vec<_> = of(&bundle, "Patient").iter().map(|patient| patient["link"][0]["type"].clone()).collect();
    assert_eq!(links, ["replaces", "replaced-by"]);
    assert_eq!(of(&bundle, "Communication").len(), 6);
}
