//! The OpenAPI document of all roles: that it is one, that every operation says what a caller needs, and that nothing in it leads nowhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

fn document() -> Value {
    tact::roles::whole_document()
}

/// The answer itself, where the operation only says under which name it stands.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
        None => value,
    }
}

struct Operation {
    method: String,
    path: String,
    says: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, says) in item.as_object().unwrap() {
            let known = ["get", "put", "post", "delete", "patch", "head", "options", "trace"].contains(&method.as_str());
            assert!(known, "{path}: `{method}` is no method");
            operations.push(Operation { method: method.clone(), path: path.clone(), says: says.clone() });
        }
    }
    operations
}

/// The parameters of one place, by name, with whether they are demanded.
fn parameters(says: &Value, place: &str) -> BTreeMap<String, bool> {
    let list = says["parameters"].as_array().cloned().unwrap_or_default();
    let named = list.into_iter().filter(|p| p["in"] == place);
    named.map(|p| (p["name"].as_str().unwrap().to_owned(), p["required"].as_bool().unwrap_or(false))).collect()
}

/// What stands in braces in a path.
fn holes(path: &str) -> BTreeSet<String> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).map(str::to_owned).collect()
}

/// Every `$ref` in it.
fn refs(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| refs(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| refs(item, found)),
        _ => {}
    }
}

#[test]
fn it_is_openapi_3_1_with_what_such_a_document_must_have() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."), "{}", document["openapi"]);
    assert_eq!(document["info"]["title"], "Tact");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
    let allowed = [
        "openapi",
        "info",
        "servers",
        "paths",
        "components",
        "security",
        "tags",
        "externalDocs",
        "webhooks",
        "jsonSchemaDialect",
    ];
    for key in document.as_object().unwrap().keys() {
        assert!(allowed.contains(&key.as_str()), "`{key}` has no place in an OpenAPI document");
    }
}

#[test]
fn every_operation_says_what_a_caller_needs() {
    let document = document();
    let for_all = document["security"].as_array().is_some_and(|list| list.iter().any(|one| one.get("bearer").is_some()));
    let mut wrong = Vec::new();
    let mut ids = BTreeMap::new();
    let operations = operations(&document);
    assert!(operations.len() > 40, "{} operations are not all", operations.len());
    for Operation { method, path, says } in &operations {
        let mut must = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("{} {path}: {what}", method.to_uppercase()));
            }
        };
        let summary = says["summary"].as_str().unwrap_or_default();
        must(summary.len() > 5 && !summary.ends_with('.'), "a summary, one line");
        must(says["tags"].as_array().is_some_and(|tags| tags.len() == 1), "one tag");
        must(says.get("security").map_or(for_all, |own| own.to_string().contains("bearer")), "a bearer token");
        let responses = says["responses"].as_object().cloned().unwrap_or_default();
        must(responses.keys().any(|status| status.starts_with('2')), "what it answers when it works");
        for (status, response) in &responses {
            let response = resolved(&document, response);
            must(response["description"].is_string(), &format!("a description of {status}"));
            if status.starts_with('2') {
                let schema = &response["content"]["application/json"]["schema"];
                must(schema.is_object(), &format!("a schema of {status}"));
                let example = &response["content"]["application/json"]["example"];
                must(example.as_object().is_some_and(|fields| !fields.is_empty()), &format!("an example of {status}"));
                let position = &response["headers"]["Tact-Position"];
                must(
                    position.is_object() == (method != "get"),
                    &format!("the position in a header of {status}, where it writes"),
                );
            } else {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                must(schema == "#/components/schemas/Problem", &format!("{status} is a problem"));
                let examples = response["content"]["application/problem+json"]["examples"].as_object();
                must(examples.is_some_and(|kinds| kinds.len() > 3), &format!("an example of each kind of {status}"));
            }
        }
        for status in ["4XX", "5XX"] {
            must(responses.contains_key(status), &format!("what a problem ({status}) looks like"));
        }
        let write = method != "get";
        must(
            parameters(says, "header").get("Idempotency-Key") == write.then_some(&true),
            "an Idempotency-Key exactly where it writes",
        );
        must(!write || says["requestBody"]["content"]["application/json"]["schema"].is_object(), "the body of a write");
        must(write || says.get("requestBody").is_none(), "no body of a read");
        must(!write || says["requestBody"]["description"].is_string(), "what its body is");
        must(!write || says["requestBody"]["content"]["application/json"]["example"].is_object(), "an example of its body");
        for parameter in says["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            must(parameter["description"].as_str().is_some_and(|words| words.len() > 3), &format!("what `{name}` is"));
            must(!parameter["example"].is_null(), &format!("an example of `{name}`"));
        }
        must(
            parameters(says, "query").contains_key("at_least") == parameters(says, "header").contains_key("Tact-At-Least"),
            "a position to wait for as a parameter and as a header",
        );
        let in_path = parameters(says, "path");
        must(in_path.keys().cloned().collect::<BTreeSet<_>>() == holes(path), "the parameters of its path");
        must(in_path.values().all(|required| *required), "a parameter of a path is always there");
        let id = says["operationId"].as_str().unwrap_or_default().to_owned();
        must(!id.is_empty(), "an operationId");
        if let Some(other) = ids.insert(id.clone(), path.clone()) {
            must(false, &format!("operationId `{id}` is {other}'s as well"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_reference_leads_nowhere() {
    let document = document();
    let mut found = BTreeSet::new();
    refs(&document, &mut found);
    assert!(!found.is_empty());
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads out of the document"));
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

/// Reads named documents on standard input; prints what a public validator finds wrong with each, and which examples do not fit their schemas.
const VALIDATOR: &str = r#"
import json, sys
from openapi_spec_validator import OpenAPIV31SpecValidator
from jsonschema import Draft202012Validator, FormatChecker

def examples(value, path=()):
    if isinstance(value, dict):
        schema = value.get("schema")
        if isinstance(schema, dict):
            if "example" in value:
                yield path, schema, value["example"]
            for name, example in value.get("examples", {}).items():
                yield path + (name,), schema, example["value"]
        for key, inside in value.items():
            if key not in ("example", "examples"):
                yield from examples(inside, path + (key,))
    elif isinstance(value, list):
        for at, inside in enumerate(value):
            yield from examples(inside, path + (at,))

def inlined(schema, document):
    if isinstance(schema, dict):
        if "$ref" in schema:
            at = document
            for part in schema["$ref"].split("/")[1:]:
                at = at[part]
            return inlined(at, document)
        return {key: inlined(inside, document) for key, inside in schema.items()}
    if isinstance(schema, list):
        return [inlined(inside, document) for inside in schema]
    return schema

count = 0
for name, document in json.load(sys.stdin).items():
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        print(f"{name}: {error.message} at {list(error.absolute_path)}")
    for path, schema, example in examples(document):
        count += 1
        validator = Draft202012Validator(inlined(schema, document), format_checker=FormatChecker())
        for error in validator.iter_errors(example):
            print(f"{name}: the example at {list(path)}: {error.message}")
print(f"{count} examples")
"#;

#[tokio::test]
async fn a_public_validator_finds_nothing_wrong_with_the_document_of_any_role() {
    use clap::ValueEnum;
    use std::io::Write;
    use std::process::{Command, Stdio};
    use tact::roles::Role;
    let mut documents = serde_json::Map::new();
    documents.insert("all roles".to_owned(), document());
    for role in Role::value_variants() {
        documents.insert(format!("{role:?}"), tact::roles::openapi(&[*role]));
    }
    // And one that is wrong, so that this test knows that it would be told.
    let mut wrong = document();
    wrong["info"].as_object_mut().unwrap().remove("title");
    documents.insert("the wrong one".to_owned(), wrong);
    let packages = tact_testbed::openapi_validator().await.unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", VALIDATOR]).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = python.spawn().unwrap();
    running.stdin.take().unwrap().write_all(Value::Object(documents).to_string().as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let (told, found): (Vec<_>, Vec<_>) = said.lines().partition(|line| line.starts_with("the wrong one: "));
    assert_eq!(told.len(), 1, "{told:?}");
    let (counted, problems) = found.split_last().unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let count: usize = counted.strip_suffix(" examples").unwrap().parse().unwrap();
    assert!(count > 300, "{count} examples are not all");
}
