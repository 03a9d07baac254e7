//! References: what they name, as far as can be told from the reference alone. Whether that is there, the index knows.

use smol_str::SmolStr;

use crate::model::Reference;

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ref {
    /// `Patient/17`, relative to the sender.
    Relative {
        /// The type.
        kind: SmolStr,
        /// The id.
        id: SmolStr,
    },
    /// An address or a URN that must be an entry's `fullUrl`, or the sender's own address: `urn:uuid:..`, `https://host/fhir/Patient/17`.
    Full(SmolStr),
    /// By identifier: a business id, or `Patient?identifier=system|value`.
    Identifier {
        /// The system, which may be empty.
        system: SmolStr,
        /// The id there.
        value: SmolStr,
    },
    /// Words only.
    Display(SmolStr),
}

/// Why a reference names nothing that could be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nameless {
    /// It is empty.
    Empty,
    /// It points into the resource itself.
    Contained,
    /// It is of none of the forms.
    Form,
}

impl Nameless {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Empty => "names nothing; write `Patient/` and the id",
            Self::Contained => {
                "points into the resource itself, where nobody can be told from anybody else; send it as a resource of its own"
            }
            Self::Form => "is not a reference of FHIR; write `Patient/` and the id, or the `fullUrl` of an entry",
        }
    }
}

/// What a FHIR id may be.
pub(crate) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

impl Ref {
    pub(crate) fn read(reference: &Reference<'_>) -> Result<Self, Nameless> {
        if let Some(text) = reference.reference.as_deref().filter(|text| !text.is_empty()) {
            return Self::literal(text);
        }
        if let Some(identifier) = &reference.identifier
            && let Some(value) = identifier.value.as_deref().filter(|value| !value.is_empty())
        {
            return Ok(Self::Identifier { system: identifier.system.as_deref().unwrap_or_default().into(), value: value.into() });
        }
        match reference.display.as_deref().filter(|display| !display.is_empty()) {
            Some(display) => Ok(Self::Display(display.into())),
            None => Err(Nameless::Empty),
        }
    }

    fn literal(text: &str) -> Result<Self, Nameless> {
        if text.starts_with('#') {
            return Err(Nameless::Contained);
        }
        if text.starts_with("urn:") || text.contains("://") {
            // A version at the end names a moment of the same resource.
            let whole = text.split_once("/_history/").map_or(text, |(whole, _)| whole);
            return Ok(Self::Full(whole.into()));
        }
        if let Some((_, query)) = text.split_once("?identifier=") {
            let (system, value) = query.split_once('|').unwrap_or(("", query));
            return Ok(Self::Identifier { system: system.into(), value: value.into() });
        }
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(kind), Some(id), None, ..) | (Some(kind), Some(id), Some("_history"), Some(_), None)
                if is_id(id) && kind.starts_with(|c: char| c.is_ascii_uppercase()) =>
            {
                Ok(Self::Relative { kind: kind.into(), id: id.into() })
            }
            _ => Err(Nameless::Form),
        }
    }
}

impl std::fmt::Display for Ref {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Relative { kind, id } => write!(f, "{kind}/{id}"),
            Self::Full(url) => f.write_str(url),
            Self::Identifier { system, value } => write!(f, "{system}|{value}"),
            Self::Display(_) => f.write_str("words only"),
        }
    }
}
