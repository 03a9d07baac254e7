//! The OpenAPI document of all roles: that it is one, that every operation says what a caller needs, and that nothing in it leads nowhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::access::{Known, Row, SIGN_IN_ROUTES, SIGNED_ROUTES, TABLE};
use crate::network::{Network, Reply};

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
        let signed = SIGNED_ROUTES.contains(&path.as_str());
        let bearer = says.get("security").map_or(for_all, |own| own.to_string().contains("bearer"));
        let signs_in = SIGN_IN_ROUTES.contains(&path.as_str());
        must(bearer != (signed || signs_in), "a bearer token, a signature, or a secret");
        // What is about sessions is not in the log.
        let logged = !["/v1/sessions", "/v1/sign-in"].iter().any(|start| path.starts_with(start));
        // A session is handed out once and ends once: no key could do it again.
        let keyed = logged || path == "/v1/sign-in-links";
        must(parameters(says, "header").contains_key("webhook-signature") == signed, "where it is signed, how");
        // FHIR has its own media type, its own errors, and ids by which the same is known again in place of a key.
        let fhir = path.starts_with("/fhir/");
        let responses = says["responses"].as_object().cloned().unwrap_or_default();
        must(responses.keys().any(|status| status.starts_with('2')), "what it answers when it works");
        for (status, response) in &responses {
            let response = resolved(&document, response);
            must(response["description"].is_string(), &format!("a description of {status}"));
            if status.starts_with('2') {
                let contents = response["content"].as_object().cloned().unwrap_or_default();
                must(!contents.is_empty(), &format!("what {status} holds"));
                for (kind, content) in &contents {
                    must(content["schema"].is_object(), &format!("a schema of {status} as {kind}"));
                    // What is handed out as a file is described where the file is.
                    let said = content["example"].as_object().is_some_and(|fields| !fields.is_empty());
                    must(said || kind != "application/json", &format!("an example of {status}"));
                }
                let position = &response["headers"]["Tact-Position"];
                must(
                    position.is_object() == (method != "get" && !fhir && logged),
                    &format!("the position in a header of {status}, where it writes"),
                );
            } else if fhir {
                let example = &response["content"]["application/fhir+json"]["example"];
                must(example["resourceType"] == "OperationOutcome", &format!("{status} is an OperationOutcome"));
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
            parameters(says, "header").get("Idempotency-Key") == (write && !signed && !fhir && keyed).then_some(&true),
            "an Idempotency-Key exactly where it writes",
        );
        let body =
            says["requestBody"]["content"].as_object().and_then(|kinds| kinds.values().next()).cloned().unwrap_or_default();
        // Two say all that they say by what they are called.
        let write = write && !["/v1/sign-ins", "/v1/sessions/current"].contains(&path.as_str());
        must(!write || body["schema"].is_object(), "the body of a write");
        must(write || says.get("requestBody").is_none(), "no body of a read");
        must(!write || says["requestBody"]["description"].is_string(), "what its body is");
        must(!write || fhir || body["example"].is_object(), "an example of its body");
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

/// Reads documents by name, and answers of the routes of the first, on standard input. Prints what a public validator finds wrong with each
/// document, which examples do not fit their schemas, and which answers do not, or hold what no document speaks of.
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

def found(reference, document):
    for part in reference.split("/")[1:]:
        document = document[part]
    return document

def inlined(schema, document, whole=True):
    "The schema without references; nothing may stand in a whole object that it does not name."
    if isinstance(schema, list):
        return [inlined(inside, document, whole) for inside in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return inlined(found(schema["$ref"], document), document, whole)
    made = {}
    for key, inside in schema.items():
        if key == "properties":
            made[key] = {name: inlined(field, document) for name, field in inside.items()}
        else:
            made[key] = inlined(inside, document, whole and key != "allOf" and "allOf" not in schema)
    if whole and "additionalProperties" not in made and ("properties" in made or "allOf" in made):
        made["unevaluatedProperties"] = False
    return made

def problems(value, schema, document):
    return Draft202012Validator(inlined(schema, document), format_checker=FormatChecker()).iter_errors(value)

given = json.load(sys.stdin)
count = 0
for name, document in given["documents"].items():
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        print(f"{name}: {error.message} at {list(error.absolute_path)}")
    for path, schema, example in examples(document):
        count += 1
        for error in problems(example, schema, document):
            print(f"{name}: the example at {list(path)}: {error.message}")
document = given["documents"].get("all roles")
for route, method, status, body in given["answers"]:
    responses = document["paths"][route][method]["responses"]
    if str(status) not in responses:
        print(f"{method} {route}: {status} is not described")
        continue
    count += 1
    content = responses[str(status)]["content"]
    if "application/json" not in content:
        continue
    for error in problems(body, content["application/json"]["schema"], document):
        print(f"{method} {route}: {error.message[:300]} at {list(error.absolute_path)}")
print(count)
"#;

/// What a public validator says, line by line, and how many examples and answers it has looked at.
async fn validated(documents: Map<String, Value>, answers: Vec<Value>) -> (Vec<String>, usize) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let packages = tact_testbed::openapi_validator().await.unwrap();
    let mut python = Command::new("python3");
    python.args(["-c", VALIDATOR]).env("PYTHONPATH", packages).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = python.spawn().unwrap();
    let given = json!({"documents": documents, "answers": answers});
    running.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success());
    let mut said: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    let count = said.pop().unwrap().parse().unwrap();
    (said, count)
}

#[tokio::test]
async fn a_public_validator_finds_nothing_wrong_with_the_document_of_any_role() {
    use clap::ValueEnum;
    use tact::roles::Role;
    let mut documents = Map::new();
    documents.insert("all roles".to_owned(), document());
    for role in Role::value_variants() {
        documents.insert(format!("{role:?}"), tact::roles::openapi(&[*role]));
    }
    // And one that is wrong, so that this test knows that it would be told.
    let mut wrong = document();
    wrong["info"].as_object_mut().unwrap().remove("title");
    documents.insert("the wrong one".to_owned(), wrong);
    let (said, count) = validated(documents, Vec::new()).await;
    let (told, found): (Vec<_>, Vec<_>) = said.iter().partition(|line| line.starts_with("the wrong one: "));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(found.is_empty(), "{found:#?}");
    assert!(count > 300, "{count} examples are not all");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_as_the_document_describes_it() {
    let network = Network::start().await;
    let known = Known::set_up(&network).await;
    let patient = network.patient("north", json!({"person": {"name": "Anna", "birth_date": "1984-05-17"}})).await;
    let path = |what: &str| format!("/v1/patients/{patient}/{what}");
    // What fills the lists: a breach with a note, which uses up limits; a refusal; a wish; a consent and its end.
    let call = json!({"direction": "outbound", "purpose": "promotion", "channel": "phone", "branch": "north", "outcome": "reached", "note": "x"});
    network.post(&path("contacts"), call).await.ok();
    let ask = json!({"purpose": "promotion", "channel": "phone", "branch": "north"});
    network.post(&path("permits"), ask).await.ok();
    network.post(&path("preferences"), json!({"quiet_hours": {"from": "19:00", "until": "10:00"}})).await.ok();
    network.post(&path("preferences"), json!({"reach": "patient_initiated"})).await.ok();
    let last = network.post(&path("consent-withdrawals"), json!({})).await.ok();
    let mut answers = Vec::new();
    let mut keep = |method: &str, route: &str, reply: Reply| {
        assert!(reply.status.is_success(), "{method} {route}: {} {}", reply.status, reply.json);
        answers.push(json!([route, method.to_lowercase(), reply.status.as_u16(), reply.json]));
    };
    network.get(&format!("/v1/branches/north/worklist?at_least={}", last["position"].as_str().unwrap())).await.ok();
    for (method, route) in [
        ("GET", format!("/v1/patients/{patient}")),
        ("GET", path("history")),
        ("GET", path("quotas")),
        ("GET", path("consents")),
        ("GET", path("permits/preview?purpose=promotion&channel=phone&branch=north")),
        ("GET", "/v1/patients?text=anna".to_owned()),
        ("GET", "/v1/patients?q=anna".to_owned()),
        ("GET", "/v1/quotas?branch=north&purpose=promotion".to_owned()),
        ("GET", "/v1/providers?need=x_ray".to_owned()),
    ] {
        let reply = network.get(&route).await;
        keep(method, &route.split('?').next().unwrap().replace(&patient.to_string(), "{patient}"), reply);
    }
    // In an order in which each of them can be carried out.
    // Some need what others have used up, or a gateway: tests of their own go through them.
    let never = [
        "/miss",
        "/rescheduling",
        "/cancellation",
        "/separation",
        "/outcome",
        "/resolution",
        "/correction",
        "/$import",
        "/current",
    ];
    let closing = ["/merge", "/death", "/restoration", "/erasure"];
    let ends = |route: &str, with: &[&str]| with.iter().any(|end| route.ends_with(end));
    let rows = TABLE.iter().filter(|(_, route, ..)| !ends(route, &never));
    let (last, first): (Vec<&Row>, Vec<&Row>) = rows.partition(|(_, route, ..)| ends(route, &closing));
    for (method, route, ..) in first.into_iter().chain(last) {
        let (path, body) = known.request(method, route);
        let mut reply = network.send(network.request(&method.parse().unwrap(), &path, &network.manager, body.as_ref())).await;
        if reply.status == 422 && (route.ends_with("/release") || route.ends_with("/start")) {
            // A permit is begun or given back once; the one that is left holds for the other.
            reply = afresh(&network, route).await;
        }
        keep(method, route, reply);
    }
    let (said, count) = validated(Map::from_iter([("all roles".to_owned(), document())]), answers).await;
    assert!(said.is_empty(), "{said:#?}");
    assert!(count > 340, "{count} answers and examples are not all");
    network.stop().await;
}

/// Begins, or gives back, a permit of its own.
async fn afresh(network: &Network, route: &str) -> Reply {
    let patient = network.patient("north", json!({})).await;
    network.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
    let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
    let permit = network.post(&format!("/v1/patients/{patient}/permits"), ask).await.ok();
    let path = route.replace("{patient}", &patient.to_string()).replace("{permit}", permit["permit"].as_str().unwrap());
    network.post(&path, json!({})).await
}
