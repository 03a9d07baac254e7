//! Text before it is a resource: whether it can be read at all, of which type it says that it is, and what is said of what does not fit. What is
//! said never repeats a value, which may be personal.

use serde::Deserialize;
use smol_str::SmolStr;

use crate::model::{Text, only_objects};
use crate::reference::is_id;

/// The most bytes that one resource may have, on a line or in a Bundle: 4 MiB.
pub const LONGEST_LINE: usize = 4 << 20;
/// The most levels of lists and objects inside one another. R4's own examples have fewer than thirty.
pub const MOST_LEVELS: usize = 64;

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Head<'a> {
    #[serde(default)]
    resource_type: Option<Text<'a>>,
}
only_objects!(Head);

/// Text in UTF-8, not too long and not too deep.
pub(crate) fn plain(bytes: &[u8], longest: usize) -> Result<&str, String> {
    if bytes.len() > longest {
        return Err(format!("it has {} bytes; one resource has at most {longest}", bytes.len()));
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("it is text in UTF-16; FHIR is sent in UTF-8".to_owned());
    }
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<') {
        return Err("it is XML; send FHIR as JSON".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        format!("byte {} of it, 0x{byte:02X}, is not UTF-8; FHIR is sent in UTF-8", error.valid_up_to() + 1)
    })?;
    match is_too_deep(bytes) {
        true => Err(format!(
            "lists and objects stand in it more than {MOST_LEVELS} levels inside one another; no resource is that deep"
        )),
        false => Ok(text),
    }
}

/// Whether it opens more levels than any resource has. What is not read is skipped without recursion, so this is no question of safety; but nobody
/// sends such a thing in good faith.
fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut level, mut at) = (0usize, 0usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                // To the quotation mark that ends the string.
                while let Some(byte) = bytes.get(at) {
                    match byte {
                        b'"' => break,
                        b'\\' => at += 2,
                        _ => at += 1,
                    }
                }
            }
            b'{' | b'[' => {
                level += 1;
                if level > MOST_LEVELS {
                    return true;
                }
            }
            b'}' | b']' => level = level.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    false
}

/// What is wrong with a text that does not fit: the element, and why.
pub(crate) struct Unfit {
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// The type, by the resource itself.
pub(crate) fn kind_of(text: &str) -> Result<std::borrow::Cow<'_, str>, Unfit> {
    const FIRST: &str = "{\"resourceType\":\"";
    // As nearly everybody writes it.
    if let Some(rest) = text.strip_prefix(FIRST)
        && let Some((kind, _)) = rest.split_once('"')
        && kind.bytes().all(|byte| byte.is_ascii_alphanumeric())
    {
        return Ok(kind.into());
    }
    let head: Head<'_> = parse(text)?;
    match head.resource_type.filter(|kind| !kind.is_empty()) {
        Some(kind) => Ok(kind.to_string().into()),
        None => Err(Unfit { path: "resourceType".into(), reason: "is missing; every resource of FHIR names its type".into() }),
    }
}

pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Unfit> {
    let error = match serde_json::from_str(text) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    if error.classify() != serde_json::error::Category::Data {
        return Err(Unfit { path: String::new(), reason: format!("it is not JSON: {error}") });
    }
    // Only what does not fit is read a second time, slowly, to name the element.
    let mut json = serde_json::Deserializer::from_str(text);
    let (path, message) = match serde_path_to_error::deserialize::<_, T>(&mut json) {
        Ok(_) => (String::new(), error.to_string()),
        Err(error) => (error.path().to_string(), error.inner().to_string()),
    };
    let path = if path == "." { String::new() } else { path };
    Err(Unfit { path, reason: form(&message) })
}

/// What serde says, without the value, which may be personal.
fn form(message: &str) -> String {
    const KINDS: &[(&str, &str)] = &[
        ("map", "an object"),
        ("sequence", "a list"),
        ("string", "a string"),
        ("integer", "a number"),
        ("floating", "a number"),
        ("boolean", "true or false"),
        ("null", "null"),
    ];
    if let Some(field) = message.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
        return format!("holds `{field}` twice; it can mean one thing");
    }
    let got = message.strip_prefix("invalid type: ").and_then(|rest| KINDS.iter().find(|(word, _)| rest.starts_with(word)));
    let expected = match message.rsplit_once("expected ").map(|(_, rest)| rest.split(" at line").next().unwrap_or(rest)) {
        Some(words) if words.starts_with("an object") => "an object",
        Some(words) if words.starts_with("a sequence") => "a list",
        Some(words) if words.starts_with("a boolean") => "true or false",
        Some(words) if words.starts_with("a string") => "a string",
        Some(words) if words.starts_with('u') => "a whole number",
        _ => "another form",
    };
    match got {
        Some((_, got)) => format!("is {got}; R4 has {expected} here"),
        None => format!("is not of the form that R4 gives it: {expected}"),
    }
}

/// At most forty characters of a text.
pub(crate) fn cut(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The id of something that could not be read as what it is, if that much can be read.
pub(crate) fn loose_id(text: &str) -> Option<SmolStr> {
    #[derive(Deserialize)]
    #[serde(bound(deserialize = "'de: 'a"))]
    struct Id<'a> {
        #[serde(default)]
        id: Option<Text<'a>>,
    }
    let read: Id<'_> = serde_json::from_str(text).ok()?;
    read.id.filter(|id| is_id(id)).map(|id| SmolStr::new(&*id))
}
