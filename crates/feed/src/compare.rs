//! What may change about a schema that somebody relies on. Two promises: what was valid stays valid, so that old events can be read; and what
//! readers found stays where it was and of the form it had. New types, new versions, new fields that may be absent, and new words in a list of
//! words are no breach of them; everything else is, and needs a new version of the type.
//!
//! It must never take a change for harmless that it does not know.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// What is wrong with a change: where, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The schema's path, and the place in it.
    pub at: String,
    /// What may not be.
    pub what: String,
}

impl std::fmt::Display for Breach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

/// Holds new schemas, by their paths, against those that are out.
pub fn breaches(old: &BTreeMap<String, Value>, new: &BTreeMap<String, Value>) -> Vec<Breach> {
    let mut found = Vec::new();
    for (path, before) in old {
        match new.get(path) {
            None => found.push(Breach { at: path.clone(), what: "it is gone, but events of this form lie in logs".to_owned() }),
            Some(after) => {
                let mut look = Look { old: before, new: after, found: &mut found, open: Vec::new() };
                look.compare(path, before, after);
            }
        }
    }
    found
}

/// Keywords that say nothing about what is valid.
const NOTES: &[&str] = &["$schema", "$id", "$defs", "title", "description", "examples", "$comment"];
/// Keywords that must stay as they are: any change of them narrows, or changes what readers find.
const SAME: &[&str] =
    &["type", "const", "format", "pattern", "minimum", "maximum", "minItems", "maxItems", "uniqueItems", "propertyNames"];

struct Look<'a> {
    old: &'a Value,
    new: &'a Value,
    found: &'a mut Vec<Breach>,
    /// References being compared, so that one that leads to itself comes to an end.
    open: Vec<(String, String)>,
}

impl Look<'_> {
    fn breach(&mut self, at: &str, what: impl Into<String>) {
        self.found.push(Breach { at: at.to_owned(), what: what.into() });
    }

    fn compare(&mut self, at: &str, old: &Value, new: &Value) {
        let names = (reference(old), reference(new));
        if let (Some(before), Some(after)) = names {
            let pair = (before.to_owned(), after.to_owned());
            if self.open.contains(&pair) {
                return;
            }
            self.open.push(pair);
            self.resolved(at, old, new);
            self.open.pop();
        } else {
            self.resolved(at, old, new);
        }
    }

    fn resolved(&mut self, at: &str, old: &Value, new: &Value) {
        if beside(old) != beside(new) {
            self.breach(at, "what stands beside a reference has changed");
        }
        let (Some(old), Some(new)) = (resolve(self.old, old), resolve(self.new, new)) else {
            return self.breach(at, "it refers to what is not there");
        };
        let (old, new) = match (old, new) {
            (Value::Object(old), Value::Object(new)) => (old, new),
            (old, new) if old == new => return,
            (_, new) => return self.breach(at, format!("it is `{new}` now")),
        };
        for keyword in old.keys().chain(new.keys().filter(|keyword| !old.contains_key(*keyword))) {
            self.keyword(at, keyword, old, new);
        }
    }

    fn keyword(&mut self, at: &str, keyword: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let (before, after) = (old.get(keyword), new.get(keyword));
        match keyword {
            _ if NOTES.contains(&keyword) || keyword == "$ref" => {}
            "properties" => self.properties(at, old, new),
            "required" => self.required(at, old, new),
            "enum" => {
                let after = items(after);
                let gone: Vec<_> = items(before).iter().filter(|word| !after.contains(word)).map(Value::to_string).collect();
                if !gone.is_empty() {
                    self.breach(at, format!("{} is no longer among its words", gone.join(", ")));
                } else if before.is_none() {
                    self.breach(at, "only some words are allowed now");
                }
            }
            "items" | "additionalProperties" if before.is_some_and(Value::is_object) && after.is_some_and(Value::is_object) => {
                self.compare(&format!("{at}/{keyword}"), before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
            }
            "prefixItems" | "oneOf" | "anyOf" | "allOf" => self.branches(at, keyword, items(before), items(after)),
            // Only now: what refers to something else may be the same words and mean another thing.
            _ if before == after => {}
            _ if SAME.contains(&keyword) => {
                let shown = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
                self.breach(at, format!("`{keyword}` was {} and is {}", shown(before), shown(after)));
            }
            keyword => self.breach(at, format!("`{keyword}` has changed")),
        }
    }

    fn properties(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let none = Map::new();
        let of =
            |schema: &Map<String, Value>| schema.get("properties").and_then(Value::as_object).cloned().unwrap_or(none.clone());
        let (before, after) = (of(old), of(new));
        for (name, schema) in &before {
            match after.get(name) {
                Some(now) => self.compare(&format!("{at}/{name}"), schema, now),
                None => self.breach(at, format!("the field `{name}` is gone")),
            }
        }
    }

    fn required(&mut self, at: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let (before, after) = (items(old.get("required")), items(new.get("required")));
        for name in after.iter().filter(|name| !before.contains(name)) {
            self.breach(at, format!("the field {name} must be there now, and old events lack it"));
        }
        for name in before.iter().filter(|name| !after.contains(name)) {
            self.breach(at, format!("the field {name} may be absent now, and readers rely on it"));
        }
    }

    /// Alternatives, and the places of a tuple: those that there were must be there, in their order; more alternatives are what new words are.
    fn branches(&mut self, at: &str, keyword: &str, old: &[Value], new: &[Value]) {
        let may_grow = keyword == "oneOf" || keyword == "anyOf";
        if old.is_empty() || new.len() < old.len() || (new.len() > old.len() && !may_grow) {
            return self.breach(at, format!("`{keyword}` had {} and has {}", old.len(), new.len()));
        }
        for (number, (before, after)) in old.iter().zip(new).enumerate() {
            self.compare(&format!("{at}/{keyword}/{number}"), before, after);
        }
    }
}

fn items(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn reference(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str)
}

/// What a reference is narrowed by, if it is.
fn beside(schema: &Value) -> Vec<(&String, &Value)> {
    let fields = schema.as_object().filter(|fields| fields.contains_key("$ref"));
    fields.into_iter().flatten().filter(|(name, _)| *name != "$ref" && !NOTES.contains(&name.as_str())).collect()
}

fn resolve<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match reference(schema) {
        Some(reference) => root.pointer(reference.strip_prefix('#')?),
        None => Some(schema),
    }
}
