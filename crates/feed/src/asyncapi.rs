//! The AsyncAPI 3 document of the feed, made from the same list of schemas: what is sent, where, and how it looks.
//!
//! It must never name a type that the feed does not carry.

use serde_json::{Map, Value, json};

use crate::schema;

/// The document for a network.
pub fn document(network: &str) -> Value {
    let (mut messages, mut schemas, mut refs) = (Map::new(), Map::new(), Map::new());
    for described in schema::fed() {
        let name = format!("{}.v{}", described.kind, described.version);
        let mut payload = described.schema.clone();
        // Inside one document, a reference goes from the document's root.
        let own = format!("#/components/schemas/{name}/$defs/");
        rebase(&mut payload, &own);
        if let Some(payload) = payload.as_object_mut() {
            payload.remove("$schema");
            payload.remove("$id");
        }
        let message = json!({
            "name": described.kind,
            "title": described.schema["title"],
            "contentType": "application/cloudevents+json; charset=utf-8",
            "payload": { "$ref": format!("#/components/schemas/{name}") },
        });
        schemas.insert(name.clone(), payload);
        messages.insert(name.clone(), message);
        refs.insert(name.clone(), json!({ "$ref": format!("#/components/messages/{name}") }));
    }
    let listed = |channel: &str| -> Vec<Value> {
        refs.keys().map(|name| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") })).collect()
    };
    let parameter = |description: &str, words: Vec<&str>| json!({ "description": description, "enum": words });
    let events: Vec<&str> = {
        let mut events: Vec<_> = schema::fed().filter_map(|described| Some(described.kind.split_once('.')?.1)).collect();
        events.sort_unstable();
        events.dedup();
        events
    };
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Tact: the feed for analysts",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What happened in the network, event by event, without personal data: patients and everything else that has an id are \
                named by keyed pseudonyms. Every event comes at least once, in the order of the log; two with one `id` are one event.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": "application/cloudevents+json; charset=utf-8",
        "servers": {
            "nats": { "host": "nats-1:4222", "protocol": "nats", "description": format!("JetStream: the stream `tact-{network}-feed`.") },
            "http": { "host": "localhost:8080", "protocol": "http", "description": "Server-sent events; a bearer token of an analyst." },
        },
        "channels": {
            "feed": {
                "address": format!("{network}.feed.{{area}}.{{event}}.{{branch}}"),
                "description": "A consumer of the stream that takes only some subjects gets only those: `*` stands for one token.",
                "servers": [{ "$ref": "#/servers/nats" }],
                "parameters": {
                    "area": parameter("What stands before the dot of the type.", schema::feed_areas()),
                    "event": parameter("What stands behind it.", events),
                    "branch": { "description": "The code of the branch at which it was recorded, `-` for none." },
                },
                "messages": refs,
            },
            "events": {
                "address": "/v1/feed",
                "description": "`id` is the position in the log; the header `Last-Event-ID`, or `after`, goes on behind it, `from` at a time. \
                    `type`, `area` and `branch` filter.",
                "servers": [{ "$ref": "#/servers/http" }],
                "messages": refs,
            },
        },
        "operations": {
            "sendFeed": { "action": "send", "channel": { "$ref": "#/channels/feed" }, "summary": "Every event, on NATS JetStream.",
                "messages": listed("feed") },
            "sendEvents": { "action": "send", "channel": { "$ref": "#/channels/events" }, "summary": "Every event, over HTTP.",
                "messages": listed("events") },
        },
        "components": { "messages": messages, "schemas": schemas },
    })
}

fn rebase(schema: &mut Value, own: &str) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix("#/$defs/")
            {
                *reference = format!("{own}{name}");
            }
            fields.values_mut().for_each(|inside| rebase(inside, own));
        }
        Value::Array(items) => items.iter_mut().for_each(|inside| rebase(inside, own)),
        _ => {}
    }
}
