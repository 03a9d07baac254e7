//! The schemas: every recorded event of every version is as they say, others read them, and nothing in them changes that somebody relies on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tact_feed::compare::breaches;
use tact_feed::schema::{self, Form};

use super::{golden, made};
use crate::tidy::{root, text};

/// Reads pairs of a name, a schema and an event; prints what the public validator finds.
const VALIDATOR: &str = r#"
import json, sys
from jsonschema import Draft202012Validator, FormatChecker
count = 0
for name, schema, event in json.load(sys.stdin):
    Draft202012Validator.check_schema(schema)
    count += 1
    for error in Draft202012Validator(schema, format_checker=FormatChecker(["uuid", "date-time"])).iter_errors(event):
        print(f"{name}: {error.message[:300]} at {list(error.absolute_path)}")
print(count)
"#;

/// Reads a list of events as the CloudEvents SDK does; prints id, type, subject, branch and actor of each.
const READER: &str = r#"
import json, sys
from cloudevents.core.formats.json import JSONFormat
for event in json.load(sys.stdin):
    read = JSONFormat().read(None, event)
    print(json.dumps([read.get_id(), read.get_type(), read.get_subject(), read.get_extension("actor"), read.get_extension("typeversion"),
        read.get_source(), read.get_time().isoformat(), read.get_data()]))
"#;

fn python(program: &str, packages: &std::path::Path, given: &Value) -> Vec<String> {
    let mut python = Command::new("python3");
    python.args(["-c", program]).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = python.spawn().unwrap();
    running.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn schema_of(form: Form, event: &Value) -> &'static Value {
    let version = event["typeversion"].as_u64().unwrap();
    let found =
        schema::all().iter().find(|one| one.form == form && one.kind == event["type"] && u64::from(one.version) == version);
    &found.unwrap_or_else(|| panic!("no schema of {}", event["type"])).schema
}

/// Every recorded event in both forms: name, form, event.
fn recorded() -> Vec<(String, Form, Value)> {
    let mut all = Vec::new();
    for stream in ["patient", "policy", "directory", "access"] {
        for (file, stored) in golden(stream) {
            all.push((file.clone(), Form::Stored, serde_json::from_slice(&stored.bytes).unwrap()));
            if stream != "access" {
                all.push((format!("feed of {file}"), Form::Feed, serde_json::from_slice(&made(&stored).bytes).unwrap()));
            }
        }
    }
    all
}

#[tokio::test]
async fn every_recorded_event_is_as_its_schema_says_and_a_spoiled_one_is_not() {
    let packages = tact_testbed::openapi_validator().await.unwrap();
    let recorded = recorded();
    let shown: BTreeSet<(Form, String)> =
        recorded.iter().map(|(_, form, event)| (*form, event["type"].as_str().unwrap().to_owned())).collect();
    let described: BTreeSet<(Form, String)> = schema::all().iter().map(|one| (one.form, one.kind.to_owned())).collect();
    assert_eq!(shown, described);
    let pairs: Vec<Value> = recorded.iter().map(|(name, form, event)| json!([name, schema_of(*form, event), event])).collect();
    let mut said = python(VALIDATOR, &packages, &json!(pairs));
    assert_eq!(said.pop().unwrap(), recorded.len().to_string());
    assert!(said.is_empty(), "{said:#?}");
    // Each of them spoiled in each of these ways: all are found.
    type Spoil = fn(&mut Value);
    let ways: [(&str, Spoil); 5] = [
        ("with one more field", |event| event["data"]["surname"] = json!("x")),
        ("without its time", |event| drop(event.as_object_mut().unwrap().remove("time"))),
        ("of another version", |event| event["typeversion"] = json!(99)),
        ("with a subject that is none", |event| event["subject"] = json!("somebody")),
        ("with another kind of actor", |event| event["actor"] = json!(7)),
    ];
    let mut spoiled = Vec::new();
    for (name, form, event) in &recorded {
        for (way, spoil) in &ways {
            let mut other = event.clone();
            spoil(&mut other);
            spoiled.push(json!([format!("{name} {way}"), schema_of(*form, event), other]));
        }
    }
    let said = python(VALIDATOR, &packages, &json!(spoiled));
    let missed: Vec<_> = spoiled
        .iter()
        .map(|one| one[0].as_str().unwrap())
        .filter(|name| !said.iter().any(|line| line.starts_with(&format!("{name}: "))))
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[tokio::test]
async fn others_read_the_feeds_events_as_cloudevents() {
    let packages = tact_testbed::cloudevents().await.unwrap();
    let events: Vec<Value> = recorded().into_iter().filter(|(_, form, _)| *form == Form::Feed).map(|(.., event)| event).collect();
    let given: Vec<String> = events.iter().map(Value::to_string).collect();
    let read = python(READER, &packages, &json!(given));
    assert_eq!(read.len(), events.len());
    for (line, event) in read.iter().zip(&events) {
        let line: Value = serde_json::from_str(line).unwrap();
        for (at, name) in ["id", "type", "subject", "actor", "typeversion", "source"].iter().enumerate() {
            assert_eq!(line[at], event[*name], "{name}");
        }
        let (theirs, ours): (tact_domain::Time, tact_domain::Time) =
            (line[6].as_str().unwrap().parse().unwrap(), event["time"].as_str().unwrap().parse().unwrap());
        assert_eq!((theirs, &line[7]), (ours, &event["data"]));
    }
}

#[test]
fn the_schemas_that_ship_are_those_of_the_types() {
    let mut shipped = BTreeSet::new();
    for form in [Form::Stored, Form::Feed] {
        for file in std::fs::read_dir(root().join("schemas").join(form.folder())).unwrap() {
            shipped.insert(format!("{}/{}", form.folder(), file.unwrap().file_name().to_str().unwrap()));
        }
    }
    assert_eq!(shipped, schema::all().iter().map(schema::Described::path).collect());
    for one in schema::all() {
        let kept = text(format!("schemas/{}", one.path()));
        assert_eq!(kept, one.text(), "{}: `tact schema export schemas` writes it anew, unless that breaks a promise", one.path());
    }
}

/// A change of one schema, and the words by which it is refused; none if it may be.
fn check(change: fn(&mut Value), refused: Option<&str>) {
    let old: BTreeMap<String, Value> = schema::all().iter().map(|one| (one.path(), one.schema.clone())).collect();
    let mut new = old.clone();
    change(new.get_mut("feed/contact.made.v1.json").unwrap());
    assert_ne!(old, new);
    let found: Vec<String> = breaches(&old, &new).iter().map(ToString::to_string).collect();
    match refused {
        Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}"),
        None => assert!(found.is_empty(), "{found:?}"),
    }
}

#[test]
fn what_breaks_a_promise_is_refused() {
    check(
        |s| drop(s["properties"]["data"]["properties"].as_object_mut().unwrap().remove("note")),
        Some("the field `note` is gone"),
    );
    check(
        |s| {
            let fields = s["properties"]["data"]["properties"].as_object_mut().unwrap();
            let note = fields.remove("note").unwrap();
            fields.insert("text".to_owned(), note);
        },
        Some("the field `note` is gone"),
    );
    check(|s| s["properties"]["data"]["required"].as_array_mut().unwrap().push(json!("note")), Some("must be there now"));
    check(|s| drop(s["properties"]["data"]["required"].as_array_mut().unwrap().remove(0)), Some("may be absent now"));
    check(
        |s| s["properties"]["data"]["properties"]["note"]["type"] = json!("integer"),
        Some("`type` was \"string\" and is \"integer\""),
    );
    check(|s| s["properties"]["data"]["properties"]["note"]["type"] = json!(["string", "null"]), Some("`type` was"));
    check(
        |s| drop(s["properties"]["data"]["properties"]["note"].as_object_mut().unwrap().remove("format")),
        Some("`format` was"),
    );
    check(|s| drop(s["$defs"]["Outcome"]["enum"].as_array_mut().unwrap().remove(0)), Some("is no longer among its words"));
    check(|s| s["$defs"]["Purpose"]["pattern"] = json!("^[a-z]+$"), Some("`pattern` was"));
    check(|s| s["$defs"]["Branch"]["enum"] = json!(["north"]), Some("only some words"));
    check(|s| s["properties"]["data"]["properties"]["note"]["not"] = json!({}), Some("`not` has changed"));
    check(|s| s["properties"]["typeversion"]["const"] = json!(2), Some("`const` was 1 and is 2"));
    check(
        |s| s["properties"]["data"]["properties"]["channel"]["$ref"] = json!("#/$defs/Nothing"),
        Some("refers to what is not there"),
    );
    check(|s| s["properties"]["data"]["properties"]["note"] = json!(false), Some("is `false` now"));
    let old: BTreeMap<String, Value> = schema::all().iter().map(|one| (one.path(), one.schema.clone())).collect();
    let mut less = old.clone();
    less.remove("stored/contact.made.v1.json");
    assert!(breaches(&old, &less)[0].to_string().contains("stored/contact.made.v1.json: it is gone"));
}

#[test]
fn what_breaks_none_is_taken() {
    check(|s| s["properties"]["data"]["properties"]["mood"] = json!({ "type": "string" }), None);
    check(|s| s["$defs"]["Outcome"]["enum"].as_array_mut().unwrap().push(json!("hung_up")), None);
    check(|s| s["properties"]["data"]["description"] = json!("Otherwise described."), None);
    check(
        |s| {
            let outcome = s["$defs"].as_object_mut().unwrap().remove("Outcome").unwrap();
            s["$defs"]["Result"] = outcome;
            s["properties"]["data"]["properties"]["outcome"]["$ref"] = json!("#/$defs/Result");
        },
        None,
    );
    let old: BTreeMap<String, Value> = schema::all().iter().map(|one| (one.path(), one.schema.clone())).collect();
    let mut more = old.clone();
    more.insert("feed/contact.made.v2.json".to_owned(), json!({}));
    assert_eq!(breaches(&old, &more), []);
}

const PARSER: &str = r#"
const { Parser } = require('@asyncapi/parser');
const documents = JSON.parse(require('fs').readFileSync(0, 'utf8'));
(async () => {
  for (const [name, document] of Object.entries(documents)) {
    const said = await new Parser().parse(JSON.stringify(document));
    const errors = said.diagnostics.filter((found) => found.severity === 0);
    for (const error of errors) console.log(`${name}: ${error.path.join('/')}: ${error.message}`);
    if (said.document) console.log(`${name}: ${said.document.channels().length} channels, ${said.document.allMessages().length} messages`);
  }
})();
"#;

#[tokio::test]
async fn a_public_parser_finds_nothing_wrong_with_the_asyncapi_document() {
    let parser = tact_testbed::asyncapi_parser().await.unwrap();
    let right = tact_feed::asyncapi::document("clinic");
    let mut wrong = right.clone();
    wrong["info"].as_object_mut().unwrap().remove("title");
    let mut lost = right.clone();
    lost["components"]["messages"].as_object_mut().unwrap().remove("contact.made.v1");
    let mut node = Command::new(parser.node);
    node.args(["-e", PARSER]).env("NODE_PATH", parser.packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = node.spawn().unwrap();
    running
        .stdin
        .take()
        .unwrap()
        .write_all(json!({"right": right, "wrong": wrong, "lost": lost}).to_string().as_bytes())
        .unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    let said: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let of = |name: &str| said.iter().filter(|line| line.starts_with(&format!("{name}: "))).collect::<Vec<_>>();
    assert_eq!(of("right"), [&format!("right: 2 channels, {} messages", schema::fed().count())], "{said:#?}");
    assert!(of("wrong").iter().any(|line| line.contains("title")), "{said:#?}");
    assert!(!of("lost").is_empty() && !of("lost").iter().any(|line| line.contains("channels,")), "{said:#?}");
}
