//! The FHIR form of a history: a public validator finds nothing wrong with it, and does find what is.

mod bad_input;
mod files;
mod over_http;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tact_domain::control::{Directory, Policies};
use tact_domain::disclosure::ExportPurpose;
use tact_dossier::{Language, Material, fhir};

use crate::golden;

/// Reads Bundles by name on standard input, and prints what the validator holds to be errors in each, one a line: the name, where, and what.
const VALIDATOR: &str = r#"
const { Fhir } = require('fhir');
const bundles = JSON.parse(require('fs').readFileSync(0, 'utf8'));
for (const [name, bundle] of Object.entries(bundles)) {
  const said = new Fhir().validate(bundle, { errorOnUnexpected: true });
  const errors = said.messages.filter((m) => m.severity === 'error' || m.severity === 'fatal');
  if (said.valid !== (errors.length === 0)) errors.push({ location: 'all of it', message: 'neither valid nor with an error' });
  for (const error of errors) console.log(`${name}: ${error.location}: ${error.message}`);
}
"#;

/// What the validator says of each Bundle, line by line.
pub(crate) async fn errors(bundles: &Value) -> Vec<String> {
    let validator = tact_testbed::fhir_validator().await.unwrap();
    let mut node = Command::new(validator.node);
    node.args(["-e", VALIDATOR]).env("NODE_PATH", validator.packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = node.spawn().unwrap();
    running.stdin.take().unwrap().write_all(bundles.to_string().as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The golden stream, which shows every event type, as a Bundle.
fn bundle(personal: Option<&BTreeMap<String, String>>, language: Language) -> Value {
    let events = golden::patient();
    let subject = &events[0].envelope.subject;
    fhir(&Material {
        network: "clinic",
        patient: subject.parse().unwrap(),
        events: &events,
        merged: &[],
        policies: &Policies::default(),
        directory: &Directory::default(),
        personal,
        texts: &HashMap::new(),
        made_for: "a test",
        ground: ExportPurpose::Inspection,
        made_at: "2026-04-01T09:00:00Z".parse().unwrap(),
        from: None,
        until: None,
        language,
        proof: None,
    })
}

/// The first resource of a type.
fn first<'b>(bundle: &'b mut Value, kind: &str) -> &'b mut serde_json::Map<String, Value> {
    let entries = bundle["entry"].as_array_mut().unwrap();
    let found = entries.iter_mut().map(|entry| &mut entry["resource"]).find(|resource| resource["resourceType"] == kind);
    found.unwrap_or_else(|| panic!("no {kind}")).as_object_mut().unwrap()
}

#[tokio::test]
async fn a_public_validator_finds_nothing_wrong_with_a_bundle_of_every_event_type() {
    let fields =
        [("name", "Anna Safina"), ("phone", "+7 900 000-00-00"), ("birth_date", "1984-05-17"), ("address", "Kazan"), ("x", "y")];
    let personal = fields.map(|(field, value)| (field.to_owned(), value.to_owned())).into();
    let bundles = json!({
        "without personal data": bundle(None, Language::Russian),
        "with personal data": bundle(Some(&personal), Language::English),
    });
    let said = errors(&bundles).await;
    assert!(said.is_empty(), "{said:#?}");
    let listed = bundles["without personal data"]["entry"].as_array().unwrap();
    let kinds: std::collections::BTreeSet<_> =
        listed.iter().map(|entry| entry["resource"]["resourceType"].as_str().unwrap()).collect();
    let all = ["Appointment", "Communication", "CommunicationRequest", "Consent", "Patient", "Provenance"];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

#[tokio::test]
async fn the_same_validator_refuses_a_bundle_with_something_wrong_in_any_resource() {
    type Spoil = fn(&mut serde_json::Map<String, Value>);
    let without: &[(&str, &str, Spoil)] = &[
        ("Communication", "no status", |resource| drop(resource.remove("status"))),
        ("Communication", "an unknown status", |resource| drop(resource.insert("status".into(), json!("called")))),
        ("CommunicationRequest", "no status", |resource| drop(resource.remove("status"))),
        ("Consent", "no scope", |resource| drop(resource.remove("scope"))),
        ("Consent", "no category", |resource| drop(resource.remove("category"))),
        ("Appointment", "nobody takes part", |resource| drop(resource.remove("participant"))),
        ("Provenance", "nobody did it", |resource| drop(resource.remove("agent"))),
        ("Provenance", "of nothing", |resource| drop(resource.remove("target"))),
        ("Patient", "an element that R4 does not know", |resource| drop(resource.insert("wishes".into(), json!("none")))),
    ];
    let mut bundles = serde_json::Map::new();
    for (kind, what, spoil) in without {
        let mut wrong = bundle(None, Language::English);
        spoil(first(&mut wrong, kind));
        bundles.insert(format!("{kind}, {what}"), wrong);
    }
    let said = errors(&Value::Object(bundles.clone())).await;
    for name in bundles.keys() {
        assert!(said.iter().any(|line| line.starts_with(&format!("{name}: "))), "nothing is said of {name}: {said:#?}");
    }
}
