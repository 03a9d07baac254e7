//! The JSON Schema (draft 2020-12) of every version of every event, as it is stored and as the feed has it. What events say is made from the
//! types that read them; only the envelopes, which are written by hand in one place each, are described by hand in one place.
//!
//! It must never describe what the feed does not carry: `tests/feed` holds every recorded event against it.

use std::sync::LazyLock;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tact_domain::Time;
use tact_domain::patient::Event;
use tact_domain::schema::{BESIDE, Known};

use crate::transform::{ClinicianDepartedOut, ProviderListedOut};

/// In which form an event is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// As it lies in the log.
    Stored,
    /// As the feed has it.
    Feed,
}

impl Form {
    /// Its folder under `/schemas`.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Feed => "feed",
        }
    }
}

/// The schema of one version of one type of event in one form.
#[derive(Debug, Clone)]
pub struct Described {
    /// The form.
    pub form: Form,
    /// The type.
    pub kind: &'static str,
    /// Its version.
    pub version: u16,
    /// The schema.
    pub schema: Value,
}

impl Described {
    /// Its path under `/schemas`: `<form>/<type>.v<version>.json`.
    pub fn path(&self) -> String {
        format!("{}/{}.v{}.json", self.form.folder(), self.kind, self.version)
    }

    /// The file as it is kept and served.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.schema)
    }
}

/// Types of which the feed has other data than the log.
const OTHERWISE: &[Known] = &[
    Known { kind: "provider.listed", version: 1, data: |generator| generator.root_schema_for::<ProviderListedOut<'static>>() },
    Known { kind: "clinician.departed", version: 1, data: |generator| generator.root_schema_for::<ClinicianDepartedOut>() },
];

/// Types of streams that do not go out.
const KEPT: &[&str] = &["history.exported", "personal.erased"];

/// Every schema, the stored ones first, each in the order of the contract.
pub fn all() -> &'static [Described] {
    static ALL: LazyLock<Vec<Described>> = LazyLock::new(|| {
        let known = || {
            Event::SCHEMAS.iter().map(|known| (known, "patient")).chain(BESIDE.iter().map(|known| (known, stream_of(known.kind))))
        };
        let stored = known().map(|(known, stream)| described(Form::Stored, known, stream));
        let fed = known().filter(|(known, _)| !KEPT.contains(&known.kind)).map(|(known, stream)| {
            let otherwise = OTHERWISE.iter().find(|other| (other.kind, other.version) == (known.kind, known.version));
            described(Form::Feed, otherwise.unwrap_or(known), stream)
        });
        stored.chain(fed).collect()
    });
    &ALL
}

/// The schemas of the feed's events.
pub fn fed() -> impl Iterator<Item = &'static Described> {
    all().iter().filter(|described| described.form == Form::Feed)
}

/// The types in the feed, each once.
pub fn feed_kinds() -> Vec<&'static str> {
    let mut kinds: Vec<_> = fed().map(|described| described.kind).collect();
    kinds.dedup();
    kinds
}

/// The areas of the feed, each once.
pub fn feed_areas() -> Vec<&'static str> {
    let mut areas: Vec<_> = fed().filter_map(|described| Some(described.kind.split_once('.')?.0)).collect();
    areas.sort_unstable();
    areas.dedup();
    areas
}

fn stream_of(kind: &str) -> &'static str {
    match kind {
        "policy.published" => "policy",
        "branch.listed" | "provider.listed" | "clinician.departed" => "directory",
        _ => "access",
    }
}

/// When a stored event was recorded, if it says so.
pub(crate) fn recorded_at(bytes: &[u8]) -> Option<Time> {
    #[derive(Deserialize)]
    struct When {
        recordedat: Time,
    }
    serde_json::from_slice::<When>(bytes).ok().map(|when| when.recordedat)
}

fn described(form: Form, known: &Known, stream: &str) -> Described {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut data = (known.data)(&mut SchemaGenerator::new(settings)).to_value();
    let definitions = data.as_object_mut().and_then(|data| data.remove("$defs"));
    let mut schema = envelope(form, known, stream);
    if let Some(data) = data.as_object_mut() {
        data.remove("$schema");
        data.remove("title");
    }
    schema["properties"]["data"] = data;
    if let Some(definitions) = definitions {
        schema["$defs"] = definitions;
    }
    plain(&mut schema);
    Described { form, kind: known.kind, version: known.version, schema }
}

fn envelope(form: Form, known: &Known, stream: &str) -> Value {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let time = |description: &str| json!({ "type": "string", "format": "date-time", "description": description });
    let id = |description: &str| json!({ "type": "string", "format": "uuid", "description": description });
    let fed = form == Form::Feed;
    let mut properties = Map::new();
    let mut put = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    put("specversion", json!({ "const": "1.0" }));
    put("id", id("The event's id: two with one id are one event."));
    let source = if fed { "^/tact/[A-Za-z0-9_-]{1,32}/feed$" } else { "^/tact/[A-Za-z0-9_-]{1,32}$" };
    put("source", json!({ "type": "string", "pattern": source, "description": "The network." }));
    put("type", json!({ "const": known.kind }));
    put("typeversion", json!({ "const": known.version, "description": "The version of the type." }));
    let subject = match (stream, fed) {
        ("patient", true) => id("The patient's pseudonym, the same in every event."),
        ("patient", false) => id("The patient."),
        (stream, _) => json!({ "const": stream }),
    };
    put("subject", subject);
    put("time", time("When it happened, which may be long before it was recorded."));
    put("datacontenttype", json!({ "const": "application/json" }));
    put("recordedat", time("When it was recorded."));
    let actor = if fed {
        json!({ "type": "string", "enum": ["staff", "system", "patient"], "description": "What kind of actor did it." })
    } else {
        text("Who did it: `staff:<uuid>`, `system:<name>` or `patient`.")
    };
    put("actor", actor);
    put(
        "branch",
        json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$", "description": "The branch at which it was recorded, if at one." }),
    );
    put(
        "streamsequence",
        json!({ "type": "integer", "minimum": 1, "description": "Its place among the events of its subject." }),
    );
    put("cause", id("The event that set it off, if one did."));
    let mut required = vec![
        "specversion",
        "id",
        "source",
        "type",
        "typeversion",
        "subject",
        "time",
        "datacontenttype",
        "recordedat",
        "actor",
        "streamsequence",
    ];
    if !fed {
        put(
            "command",
            json!({ "type": "string", "pattern": "^[0-9a-f]{16}$", "description": "A keyed hash of the command that appended it." }),
        );
        let previous = "The SHA-256 of the stored bytes of the event before it in its stream; zeros for the first.";
        put("previoushash", json!({ "type": "string", "pattern": "^[0-9a-f]{64}$", "description": previous }));
        required.push("previoushash");
    }
    required.push("data");
    let what = if fed { "as the feed has it: every UUID in `data` is a pseudonym" } else { "as it is stored" };
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("urn:tact:schema:{}:{}:{}", form.folder(), known.kind, known.version),
        "title": format!("{}, version {}", known.kind, known.version),
        "description": format!("A CloudEvents 1.0 event in JSON, {what}."),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Takes out what the types say of how they are read and not of what is written: what may be absent is never `null`, and nothing is filled in.
fn plain(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("default");
            if let Some(Value::Array(types)) = fields.get_mut("type") {
                types.retain(|word| word != "null");
                if types.len() == 1 {
                    let only = types.remove(0);
                    fields.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(any)) = fields.get_mut("anyOf") {
                any.retain(|one| *one != json!({ "type": "null" }));
                if any.len() == 1
                    && let Value::Object(only) = any.remove(0)
                {
                    fields.remove("anyOf");
                    fields.extend(only);
                }
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}
