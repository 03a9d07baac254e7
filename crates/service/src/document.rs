//! The OpenAPI document as callers get it: what the code says of each route, with what holds for all of them said once. Every parameter, body
//! and answer has an example, and every kind of problem.
//!
//! It must never say of a route what the route does not do.

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::problem::Problem;

/// Examples by the name of a parameter or field, for those whose type says too little.
const EXAMPLES: &[(&str, &str)] = &[
    ("Idempotency-Key", "6f1c2d9e-5f0b-4c39-9a55-0f3f5f3b7d11"),
    ("Tact-At-Least", "1042"),
    ("actor", "staff:0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a02"),
    ("address", "Lenin St. 1, Moscow"),
    ("after", "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11"),
    ("at_least", "1042"),
    ("branch", "north"),
    ("channel", "phone"),
    ("channels", "sms"),
    ("code", "north"),
    ("consent", "active"),
    ("decision", "permitted"),
    ("direction", "outbound"),
    ("email", "anna@example.org"),
    ("from", "2026-03"),
    ("home_branch", "north"),
    ("kind", "checkup"),
    ("language", "ru"),
    ("method", "paper"),
    ("month", "2026-03"),
    ("name", "Anna Example"),
    ("need", "x_ray"),
    ("network", "clinic"),
    ("new_clinic", "City hospital 2"),
    ("next", "1042"),
    ("occasion", "upcoming_appointment"),
    ("of", "referrers"),
    ("outcome", "reached"),
    ("overrides", "overall_limits"),
    ("phone", "+74950000000"),
    ("policy", "2026-03"),
    ("position", "1042"),
    ("purpose", "appointment_reminder"),
    ("reach", "normal"),
    ("services", "x_ray"),
    ("sha256", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ("status", "active"),
    ("strengths", "care"),
    ("system", "crm"),
    ("text", "Anna"),
    ("theme", "care"),
    ("time_zone", "Europe/Moscow"),
    ("type", "contact.made"),
    ("until", "2026-04"),
    ("value", "17-204"),
    ("version", "2026-03"),
    ("weaknesses", "noise"),
    ("website", "https://hospital.example"),
];

/// What a parameter that many routes have in common stands for.
const PARAMETERS: &[(&str, &str)] = &[
    (
        "Idempotency-Key",
        "A new one for every command, and the same one whenever it is asked again: it is carried out once. 1 to 200 visible ASCII characters.",
    ),
    ("appointment", "The appointment, as its booking named it."),
    ("branch", "The branch's code."),
    ("clinician", "The clinician."),
    ("contact", "The contact, as the answer named it that recorded it."),
    ("code", "The branch's code: 1 to 64 of a-z, 0-9, `_` and `-`."),
    ("patient", "The patient. One who was merged stands for the survivor."),
    ("permit", "The permit, as the answer named it that granted it."),
    ("referral", "The care referral, as its opening named it."),
    ("stop", "The stop, as the answer named it that said it is open."),
    ("version", "The version under which it was published."),
];

/// An id of each kind, so that examples can be told apart.
const IDS: &[&str] =
    &["patient", "event", "appointment", "permit", "referral", "contact", "about", "provider", "clinician", "feedback"];

/// What the domain's own types look like in answers, which know nothing of documents; and in which field each of them stands.
const SHAPES: &str = include_str!("shapes.json");

/// The document of some routes.
pub fn finished(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    document["components"]["schemas"]["Problem"] = problem();
    shape(&mut document["components"]["schemas"]);
    let schemas = document["components"]["schemas"].clone();
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    complete(operation, method, path, &schemas);
                }
            }
        }
    }
    document["components"]["responses"] = json!({
        "Refused": problems("The caller can mend it: the request, the right to it, or what it contradicts.", 400..500),
        "Failed": problems("The caller cannot mend it. Whether and when to ask again, the answer says.", 500..600),
        "FhirRefused": outcome("The caller can mend it: each issue names the element or parameter, what is wrong with it, and the way out."),
        "FhirFailed": outcome("The caller cannot mend it. Whether and when to ask again, the answer says."),
    });
    document
}

/// Puts the domain's shapes where the code says no more than "an object", and makes one of the parts of a schema that are each strict alone.
fn shape(schemas: &mut Value) {
    let shapes: Value = serde_json::from_str(SHAPES).unwrap_or_default();
    for (field, shape) in shapes["fields"].as_object().into_iter().flatten() {
        let Some((schema, name)) = field.split_once('.') else { continue };
        let reference = json!({"$ref": format!("#/components/schemas/{}", shape.as_str().unwrap_or_default())});
        for fields in schemas.get_mut(schema).map(properties_of).unwrap_or_default() {
            let Some(field) = fields.get_mut(name) else { continue };
            let described = field.get("description").cloned();
            *field = match field["type"].as_str() {
                Some("array") => json!({"type": "array", "items": reference}),
                _ => json!({"allOf": [reference]}),
            };
            if let Some(words) = described {
                field["description"] = words;
            }
        }
    }
    let Some(known) = schemas.as_object_mut() else { return };
    known.extend(shapes["schemas"].as_object().cloned().unwrap_or_default());
    let before = Value::Object(known.clone());
    known.values_mut().for_each(|schema| loosen(schema, &before));
}

/// A part of a whole must not forbid what the other parts add.
fn loosen(value: &mut Value, schemas: &Value) {
    match value {
        Value::Object(fields) => {
            for part in fields.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten() {
                // A part that may be missing altogether leaves the whole an object all the same.
                for choice in part.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
                    if choice["type"] == "null" {
                        *choice = json!({"type": "object", "properties": {"event": false}});
                    }
                }
                let mut whole = resolved(part, schemas).clone();
                if whole["additionalProperties"] == false {
                    whole.as_object_mut().and_then(|fields| fields.remove("additionalProperties"));
                    *part = whole;
                }
            }
            fields.values_mut().for_each(|inside| loosen(inside, schemas));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| loosen(item, schemas)),
        _ => {}
    }
}

/// The properties of a schema and of the parts that it has of its own.
fn properties_of(schema: &mut Value) -> Vec<&mut Map<String, Value>> {
    let Some(schema) = schema.as_object_mut() else { return Vec::new() };
    let (mut own, mut parts) = (None, None);
    for (key, value) in schema {
        match key.as_str() {
            "properties" => own = value.as_object_mut(),
            "allOf" => parts = value.as_array_mut(),
            _ => {}
        }
    }
    let parts = parts.into_iter().flatten().filter_map(|part| part.get_mut("properties")?.as_object_mut());
    own.into_iter().chain(parts).collect()
}

fn complete(operation: &mut Map<String, Value>, method: &str, path: &str, schemas: &Value) {
    // The functions behind several routes are called alike.
    let name = path.trim_start_matches("/v1").replace('-', "_").replace("/{", "_by_").replace('}', "").replace('/', "_");
    operation.insert("operationId".into(), json!(format!("{method}{name}")));
    if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
        if parameters.iter().any(|parameter| parameter["name"] == "at_least") {
            parameters.push(json!({
                "name": "Tact-At-Least", "in": "header", "required": false, "schema": {"type": "string"},
                "description": "The same as `at_least`, which goes before it.",
            }));
        }
        parameters.iter_mut().for_each(|parameter| describe(parameter, schemas));
    }
    if let Some(body) = operation.get_mut("requestBody")
        && let Some(content) = body["content"].get_mut("application/json")
    {
        let example = example(&content["schema"], "", schemas);
        let described = resolved(&content["schema"], schemas)["description"].clone();
        content["example"] = example.unwrap_or_default();
        body["description"] = described;
    }
    let writes = method != "get";
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    responses.retain(|status, _| status.starts_with('2'));
    for response in responses.values_mut() {
        // A file that is handed out has no example: it is described where files are.
        if let Some(content) = response["content"].get_mut("application/json") {
            content["example"] = example(&content["schema"], "", schemas).unwrap_or_default();
        }
        // Sessions are not in the log.
        let logged = !["/fhir/", "/v1/sessions", "/v1/sign-in"].iter().any(|start| path.starts_with(start));
        if writes && logged {
            response["headers"] = json!({"Tact-Position": {
                "description": "Where it stands in the log; a read with it as `at_least` sees what this command did.",
                "schema": {"type": "string"}, "example": "1042",
            }});
        }
    }
    // What is handed out once cannot be there already.
    let once = ["/v1/sessions", "/v1/sign-ins", "/v1/sign-in-links"].contains(&path);
    if let Some(recorded) = responses.get("201").filter(|_| !once).cloned() {
        let mut again = recorded;
        again["description"] = json!("It was there already: the same command, asked again.");
        if again.pointer("/content/application~1json/example/repeated").is_some_and(Value::is_boolean) {
            again["content"]["application/json"]["example"]["repeated"] = json!(true);
        }
        responses.insert("200".into(), again);
        responses["201"]["description"] = json!("Recorded.");
    }
    // On the routes of FHIR, whoever asks gets FHIR's own form.
    let of = if path.starts_with("/fhir/") { "Fhir" } else { "" };
    responses.insert("4XX".into(), json!({"$ref": format!("#/components/responses/{of}Refused")}));
    responses.insert("5XX".into(), json!({"$ref": format!("#/components/responses/{of}Failed")}));
}

/// Says of a parameter what it stands for, if the code does not, and gives an example.
fn describe(parameter: &mut Value, schemas: &Value) {
    let name = parameter["name"].as_str().unwrap_or_default().to_owned();
    if parameter["description"].is_null()
        && let Some((_, words)) = PARAMETERS.iter().find(|(known, _)| *known == name)
    {
        parameter["description"] = json!(words);
    }
    if parameter["example"].is_null()
        && let Some(example) = example(&parameter["schema"], &name, schemas)
    {
        parameter["example"] = example;
    }
}

/// The schema itself, where it stands under a name.
fn resolved<'d>(schema: &'d Value, schemas: &'d Value) -> &'d Value {
    match schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
        Some(name) => &schemas[name],
        None => schema,
    }
}

/// A value that fits a schema; `None` where neither its type nor its name says enough.
fn example(schema: &Value, name: &str, schemas: &Value) -> Option<Value> {
    let schema = resolved(schema, schemas);
    if let Some(given) = schema.get("example").or_else(|| schema["enum"].get(0)).or_else(|| schema["examples"].get(0)) {
        return Some(given.clone());
    }
    if let Some(parts) = schema["allOf"].as_array() {
        if let [only] = &parts[..] {
            return example(only, name, schemas);
        }
        let mut whole = Map::new();
        for part in parts {
            if let Some(Value::Object(fields)) = example(part, name, schemas) {
                whole.extend(fields);
            }
        }
        return Some(Value::Object(whole));
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(choices) = schema[choice].as_array() {
            return choices.iter().filter(|one| one["type"] != "null").find_map(|one| example(one, name, schemas));
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find_map(|kind| kind.as_str().filter(|kind| *kind != "null")),
        kind => kind.as_str(),
    };
    match kind? {
        "object" => {
            let none = Map::new();
            let fields = schema["properties"].as_object().unwrap_or(&none);
            Some(fields.iter().filter_map(|(name, field)| Some((name.clone(), example(field, name, schemas)?))).collect())
        }
        "array" => Some(json!([example(&schema["items"], name, schemas)?])),
        "boolean" => Some(json!(false)),
        "integer" | "number" => Some(schema.get("minimum").cloned().unwrap_or_else(|| json!(1))),
        _ => Some(match schema["format"].as_str() {
            Some("uuid") => {
                let which = IDS.iter().position(|known| *known == name).unwrap_or(IDS.len());
                json!(format!("0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a{:02}", which + 10))
            }
            Some("date-time") => json!("2026-03-02T12:00:00+03:00"),
            Some("date") => json!("1984-05-17"),
            _ => json!(EXAMPLES.iter().find(|(known, _)| *known == name)?.1),
        }),
    }
}

/// What a problem looks like.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "RFC 9457 problem details. Some kinds have further members; each is named in the detail.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "description": "`urn:tact:problem:` and the kind."},
            "title": {"type": "string", "description": "The kind in words."},
            "status": {"type": "integer", "description": "The HTTP status, once more."},
            "detail": {"type": "string", "description": "What is wrong here, and the way out."},
            "field": {"type": "string", "description": "The field, parameter or header that it is about, if it is about one."},
        },
    })
}

/// An answer that is an OperationOutcome of FHIR R4.
fn outcome(description: &str) -> Value {
    json!({
        "description": description,
        "content": {"application/fhir+json": {"schema": {"type": "object"}, "example": {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": "value", "diagnostics": "`Appointment.start`: is missing", "expression": ["Appointment.start"]}],
        }}},
    })
}

/// An answer that is one of the kinds of problem within a range of statuses.
fn problems(description: &str, statuses: std::ops::Range<u16>) -> Value {
    let examples: Map<String, Value> = Problem::KINDS
        .iter()
        .filter(|kind| statuses.contains(&kind.status.as_u16()))
        .map(|kind| {
            let value = json!({
                "type": kind.urn(), "title": kind.title, "status": kind.status.as_u16(), "detail": kind.example,
            });
            (kind.name.to_owned(), json!({"summary": kind.title, "value": value}))
        })
        .collect();
    json!({
        "description": description,
        "headers": {"Retry-After": {
            "description": "After how many seconds asking again makes sense, if it does.", "schema": {"type": "integer"}, "example": 2,
        }},
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    })
}
