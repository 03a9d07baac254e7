//! Bytes to resources: what is no JSON, too long, too deep, of another version of FHIR or of the wrong form is refused here, with its place.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use smol_str::{SmolStr, format_smolstr};
use tact_domain::Time;

use crate::date::Date;
use crate::issue::{Issue, Place, Severity};
use crate::mapping::Mapping;
use crate::model::{self, Identifier, Meta, Reference, Text, only_objects};
use crate::reference::{Ref, is_id};
use crate::said::{Resource, Said, SiteSaid, Version};
use crate::text::{LONGEST_LINE, Unfit, cut, kind_of, loose_id, parse, plain};

/// What became of one resource.
#[derive(Debug, Clone)]
pub enum Read {
    /// It says something, or nothing that is kept.
    Resource(Box<Resource>),
    /// It cannot be read.
    Refused(Box<Issue>),
}

/// What was sent at once.
#[derive(Debug, Clone)]
pub struct Entries {
    /// Whether it was a Bundle, and of which type.
    pub bundle: Option<SmolStr>,
    /// Its resources, in their order.
    pub read: Vec<Read>,
}

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Bundle<'a> {
    #[serde(default)]
    r#type: Option<Text<'a>>,
    #[serde(default, borrow)]
    entry: Vec<Entry<'a>>,
}
only_objects!(Bundle);

#[derive(Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", bound(deserialize = "'de: 'a"))]
struct Entry<'a> {
    #[serde(default)]
    full_url: Option<Text<'a>>,
    #[serde(default, borrow)]
    resource: Option<&'a RawValue>,
    #[serde(default)]
    request: Option<Request<'a>>,
    #[serde(default)]
    search: Option<Search<'a>>,
}
only_objects!(Entry);

#[derive(Deserialize)]
#[serde(remote = "Self", bound(deserialize = "'de: 'a"))]
struct Request<'a> {
    #[serde(default)]
    method: Option<Text<'a>>,
}
only_objects!(Request);

#[derive(Deserialize)]
#[serde(remote = "Self", bound(deserialize = "'de: 'a"))]
struct Search<'a> {
    #[serde(default)]
    mode: Option<Text<'a>>,
}
only_objects!(Search);

/// The Bundles whose entries are taken.
const TAKEN: &[&str] = &["transaction", "batch", "collection", "searchset"];

/// Reads a document: one resource, or a Bundle of them.
pub fn read_document(bytes: &[u8], place: &Place, mapping: &Mapping) -> Entries {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let alone = |read: Read| Entries { bundle: None, read: vec![read] };
    let text = match plain(bytes, usize::MAX) {
        Ok(text) => text,
        Err(reason) => return alone(unreadable(place, "?", &reason)),
    };
    match kind_of(text) {
        Ok(kind) if &*kind == "Bundle" => bundle(text, place, mapping),
        _ => alone(read_text(text, place, None, mapping)),
    }
}

/// Reads one line of newline-delimited JSON.
pub fn read_line(bytes: &[u8], place: &Place, mapping: &Mapping) -> Read {
    match plain(bytes, LONGEST_LINE) {
        Ok(text) => read_text(text, place, None, mapping),
        Err(reason) => unreadable(place, "?", &reason),
    }
}

fn unreadable(place: &Place, kind: &str, reason: &str) -> Read {
    Read::Refused(Box::new(Issue {
        place: place.clone(),
        kind: kind.into(),
        id: None,
        path: if kind == "?" { "Resource".to_owned() } else { kind.to_owned() },
        reason: reason.to_owned(),
        severity: Severity::Error,
        code: "structure",
    }))
}

fn bundle(text: &str, place: &Place, mapping: &Mapping) -> Entries {
    let refused = |path: &str, reason: String| {
        let issue = Issue {
            place: place.clone(),
            kind: "Bundle".into(),
            id: None,
            path: path.to_owned(),
            reason,
            severity: Severity::Error,
            code: "not-supported",
        };
        Read::Refused(Box::new(issue))
    };
    let bundle: Bundle<'_> = match parse(text) {
        Ok(bundle) => bundle,
        Err(unfit) => {
            let path = if unfit.path.is_empty() { "Bundle".to_owned() } else { format!("Bundle.{}", unfit.path) };
            return Entries { bundle: Some(SmolStr::default()), read: vec![refused(&path, unfit.reason)] };
        }
    };
    let kind: SmolStr = bundle.r#type.as_deref().unwrap_or_default().into();
    if !TAKEN.contains(&kind.as_str()) {
        let reason = match kind.as_str() {
            "" => format!("is missing; {}", taken()),
            "history" => format!("is `history`, in which resources stand several times and may be deleted; {}", taken()),
            other => format!("is `{}`; {}", cut(other), taken()),
        };
        return Entries { bundle: Some(kind), read: vec![refused("Bundle.type", reason)] };
    }
    let mut read = Vec::with_capacity(bundle.entry.len());
    let mut urls = std::collections::HashMap::new();
    for (at, entry) in (0u32..).zip(&bundle.entry) {
        let place = Place { entry: Some(at), ..place.clone() };
        let url = entry.full_url.as_deref().filter(|url| !url.is_empty());
        let said = |path: &str, code: &'static str, reason: String| {
            let issue = Issue {
                place: place.clone(),
                kind: "Bundle".into(),
                id: None,
                path: format!("Bundle.entry[{at}].{path}"),
                reason,
                severity: Severity::Error,
                code,
            };
            Read::Refused(Box::new(issue))
        };
        if entry.search.as_ref().and_then(|search| search.mode.as_deref()) == Some("outcome") {
            continue;
        }
        if let Some(method) = entry.request.as_ref().and_then(|request| request.method.as_deref())
            && !matches!(method, "POST" | "PUT")
        {
            let reason = format!("is `{}`; facts are sent with POST or PUT, and what has happened is not deleted", cut(method));
            read.push(said("request.method", "not-supported", reason));
            continue;
        }
        if let Some(url) = url
            && let Some(first) = urls.insert(url, at)
        {
            read.push(said("fullUrl", "duplicate", format!("is that of entry[{first}] as well; every entry has one of its own")));
            continue;
        }
        let Some(resource) = entry.resource else {
            read.push(said("resource", "required", "is missing; an entry that states a fact holds a resource".to_owned()));
            continue;
        };
        let resource = resource.get();
        if resource.len() > LONGEST_LINE {
            let reason = format!("has {} bytes; one resource has at most {LONGEST_LINE}", resource.len());
            read.push(said("resource", "too-long", reason));
            continue;
        }
        read.push(match kind_of(resource) {
            Ok(kind) if &*kind == "Bundle" => {
                said("resource", "not-supported", "is a Bundle inside a Bundle; send it by itself".to_owned())
            }
            _ => read_text(resource, &place, url, mapping),
        });
    }
    Entries { bundle: Some(kind), read }
}

fn taken() -> String {
    format!("Bundles are taken of type `{}`", TAKEN.join("`, `"))
}

/// What every mapping of a resource knows and says.
pub(crate) struct Of<'m> {
    pub(crate) mapping: &'m Mapping,
    pub(crate) place: &'m Place,
    pub(crate) kind: &'static str,
    pub(crate) id: SmolStr,
    pub(crate) updated: Option<Time>,
    pub(crate) remarks: Vec<Issue>,
}

/// Why a resource is refused.
pub(crate) type Refusal = Box<Issue>;

impl Of<'_> {
    fn issue(&self, path: &str, severity: Severity, code: &'static str, reason: impl Into<String>) -> Issue {
        Issue {
            place: self.place.clone(),
            kind: self.kind.into(),
            id: Some(self.id.clone()),
            path: format!("{}.{path}", self.kind),
            reason: reason.into(),
            severity,
            code,
        }
    }

    /// The resource is refused.
    pub(crate) fn refuse<T>(&self, path: &str, code: &'static str, reason: impl Into<String>) -> Result<T, Refusal> {
        Err(Box::new(self.issue(path, Severity::Error, code, reason)))
    }

    /// The resource goes in without this.
    pub(crate) fn remark(&mut self, path: &str, reason: impl Into<String>) {
        let issue = self.issue(path, Severity::Warning, "value", reason);
        self.remarks.push(issue);
    }

    /// Nothing of it is kept, and nothing is wrong with it.
    pub(crate) fn nothing(&self, path: &str, reason: impl Into<String>) -> Said {
        Said::Nothing(Box::new(self.issue(path, Severity::Information, "informational", reason)))
    }

    /// An element that must be there.
    pub(crate) fn required<T>(&self, path: &str, value: Option<T>, way_out: &str) -> Result<T, Refusal> {
        match value {
            Some(value) => Ok(value),
            None => self.refuse(path, "required", format!("is missing; {way_out}")),
        }
    }

    /// A status, which every resource has.
    pub(crate) fn status<'s>(&self, status: Option<&'s Text<'_>>) -> Result<&'s str, Refusal> {
        self.required("status", status.map(|status| &**status).filter(|status| !status.is_empty()), "R4 demands it")
    }

    /// A word that R4 does not have.
    pub(crate) fn unknown<T>(&self, path: &str, word: &str, known: &[&str]) -> Result<T, Refusal> {
        let near = tact_domain::nearest_word(word, known.iter().copied());
        let hint = near.map_or_else(|| format!("; R4 has `{}`", known.join("`, `")), |near| format!("; did you mean `{near}`?"));
        self.refuse(path, "code-invalid", format!("is `{}`, which R4 does not have{hint}", cut(word)))
    }

    /// A date that must be one.
    pub(crate) fn date(&self, path: &str, text: Option<&Text<'_>>) -> Result<Option<Date>, Refusal> {
        let Some(text) = text else { return Ok(None) };
        match Date::parse(text) {
            Ok(date) if date.is_recordable(self.mapping.time_zone) => Ok(Some(date)),
            Ok(_) => self.refuse(path, "value", format!("is `{}`, outside the years 1900 to 9999", cut(text))),
            Err(reason) => self.refuse(path, "value", format!("is `{}`; it {reason}", cut(text))),
        }
    }

    /// A moment, where a day would not do.
    pub(crate) fn moment(&self, path: &str, text: Option<&Text<'_>>) -> Result<Option<Time>, Refusal> {
        match self.date(path, text)? {
            None => Ok(None),
            Some(Date::Moment(time)) => Ok(Some(time)),
            Some(_) => {
                let said = cut(text.map(|text| &**text).unwrap_or_default());
                self.refuse(path, "value", format!("is `{said}`, which is less than a moment; write it with its time and offset"))
            }
        }
    }

    /// Somebody or something that must be named in a form that can be looked for.
    pub(crate) fn named(&self, path: &str, reference: Option<&Reference<'_>>, way_out: &str) -> Result<Ref, Refusal> {
        let reference = self.required(path, reference, way_out)?;
        match Ref::read(reference) {
            Ok(Ref::Display(_)) => {
                self.refuse(path, "not-found", "names somebody in words only; write `Patient/` and the id, or an identifier")
            }
            Ok(named) => Ok(named),
            Err(nameless) => self.refuse(path, "value", nameless.reason()),
        }
    }

    /// Places among references, by any form; what names nothing is passed over.
    pub(crate) fn sites<'r>(references: impl IntoIterator<Item = Option<&'r Reference<'r>>>) -> Vec<Ref> {
        let mut sites = Vec::new();
        for reference in references.into_iter().flatten() {
            sites.extend(Ref::read(reference).ok());
            // Beside the reference, a name may be what the mapping knows.
            if reference.reference.is_some()
                && let Some(display) = reference.display.as_deref().filter(|display| !display.is_empty())
            {
                sites.push(Ref::Display(display.into()));
            }
        }
        sites
    }
}

fn read_text(text: &str, place: &Place, url: Option<&str>, mapping: &Mapping) -> Read {
    let refused = |kind: &str, id: Option<SmolStr>, unfit: Unfit| {
        let path = match (unfit.path.as_str(), kind) {
            ("", "?") => "Resource".to_owned(),
            ("", kind) => kind.to_owned(),
            (path, "?") => format!("Resource.{path}"),
            (path, kind) => format!("{kind}.{path}"),
        };
        Read::Refused(Box::new(Issue {
            place: place.clone(),
            kind: kind.into(),
            id,
            reason: unfit.reason + version_of(&path),
            path,
            severity: Severity::Error,
            code: "structure",
        }))
    };
    let kind = match kind_of(text) {
        Ok(kind) => kind,
        Err(unfit) => return refused("?", None, unfit),
    };
    macro_rules! read {
        ($name:ident, $map:path) => {
            match parse::<model::$name<'_>>(text) {
                Ok(read) => {
                    let identifier = read.identifier.iter();
                    let start = Start { place, mapping, kind: stringify!($name), url, text };
                    start.finish(read.id.as_deref(), identifier, read.meta.as_ref(), read.modifier_extension.is_some(), |of| {
                        if let Some((element, why)) = read.foreign() {
                            return of.refuse(element, "structure", format!("is not an element of R4: {why}; send R4 (4.0)"));
                        }
                        $map(of, &read)
                    })
                }
                Err(unfit) => refused(stringify!($name), loose_id(text), unfit),
            }
        };
    }
    match &*kind {
        "Patient" => read!(Patient, crate::person::patient),
        "Appointment" => read!(Appointment, crate::visits::appointment),
        "Encounter" => read!(Encounter, crate::visits::encounter),
        "Procedure" => read!(Procedure, crate::visits::procedure),
        "Consent" => read!(Consent, crate::wishes::consent),
        "CommunicationRequest" => read!(CommunicationRequest, crate::wishes::request),
        "Organization" | "Location" => site(text, place, url, mapping, &kind),
        other => {
            // Whatever it is, it must be a document of its own to be counted.
            if let Err(unfit) = parse::<IgnoredAny>(text) {
                return refused(&cut(other), None, unfit);
            }
            let issue = Issue {
                place: place.clone(),
                kind: cut(other).into(),
                id: loose_id(text),
                path: cut(other),
                reason: "Tact keeps nothing of this type; it takes Patient, Appointment, Encounter, Procedure, Consent and CommunicationRequest"
                    .to_owned(),
                severity: Severity::Information,
                code: "not-supported",
            };
            Read::Resource(Box::new(Resource {
                place: place.clone(),
                kind: issue.kind.clone(),
                id: issue.id.clone().unwrap_or_default(),
                full_url: url.map(SmolStr::new),
                version: Version::default(),
                digest: [0; 32],
                said: Said::Nothing(Box::new(issue)),
                remarks: Vec::new(),
            }))
        }
    }
}

/// Where a form is that of another version, which.
fn version_of(path: &str) -> &'static str {
    match path {
        "Encounter.class" => " (a list is R5's, a word DSTU2's)",
        "Encounter.location" | "Procedure.location" => "",
        "CommunicationRequest.requester" => "",
        _ => "",
    }
}

fn site(text: &str, place: &Place, url: Option<&str>, mapping: &Mapping, kind: &str) -> Read {
    let kind = if kind == "Location" { "Location" } else { "Organization" };
    match parse::<model::Site<'_>>(text) {
        Ok(read) => {
            let start = Start { place, mapping, kind, url, text };
            start.finish(read.id.as_deref(), read.identifier.iter(), None, false, |_| {
                let identifiers = read.identifier.iter().filter_map(|identifier| {
                    let value = identifier.value.as_deref()?;
                    Some(format_smolstr!("{}|{value}", identifier.system.as_deref().unwrap_or_default()))
                });
                Ok(Said::Site(SiteSaid { name: read.name.as_deref().map(SmolStr::new), identifiers: identifiers.collect() }))
            })
        }
        Err(unfit) => unreadable(place, kind, &format!("`{}` {}", unfit.path, unfit.reason)),
    }
}

/// A resource whose form is right, before anything is made of it.
struct Start<'m> {
    place: &'m Place,
    mapping: &'m Mapping,
    kind: &'static str,
    url: Option<&'m str>,
    text: &'m str,
}

impl Start<'_> {
    fn finish<'i>(
        &self,
        id: Option<&str>,
        identifiers: impl Iterator<Item = &'i Identifier<'i>>,
        meta: Option<&Meta<'_>>,
        modified: bool,
        map: impl FnOnce(&mut Of<'_>) -> Result<Said, Refusal>,
    ) -> Read {
        let mut of = Of {
            mapping: self.mapping,
            place: self.place,
            kind: self.kind,
            id: SmolStr::default(),
            updated: None,
            remarks: Vec::new(),
        };
        let said = self.begin(&mut of, id, identifiers, meta, modified).and_then(|version| Ok((version, map(&mut of)?)));
        match said {
            Ok((version, said)) => Read::Resource(Box::new(Resource {
                place: self.place.clone(),
                kind: self.kind.into(),
                id: of.id,
                full_url: self.url.map(SmolStr::new),
                version,
                digest: Sha256::digest(self.text.as_bytes()).into(),
                said,
                remarks: of.remarks,
            })),
            Err(mut issue) => {
                issue.id = issue.id.filter(|id| !id.is_empty());
                Read::Refused(issue)
            }
        }
    }

    fn begin<'i>(
        &self,
        of: &mut Of<'_>,
        id: Option<&str>,
        mut identifiers: impl Iterator<Item = &'i Identifier<'i>>,
        meta: Option<&Meta<'_>>,
        modified: bool,
    ) -> Result<Version, Refusal> {
        match id {
            Some(id) if is_id(id) => of.id = id.into(),
            Some(_) => return of.refuse("id", "value", "is not an id of FHIR: 1 to 64 letters, digits, `-` and `.`"),
            None => {
                let named = identifiers.find_map(|identifier| {
                    let value = identifier.value.as_deref().filter(|value| !value.is_empty() && value.len() <= 100)?;
                    Some(format_smolstr!("{}|{value}", identifier.system.as_deref().filter(|system| system.len() <= 99)?))
                });
                let of_url = || self.url.and_then(|url| url.rsplit(['/', ':']).next()).filter(|id| is_id(id)).map(SmolStr::new);
                let Some(found) = named.or_else(of_url) else {
                    return of.refuse(
                        "id",
                        "required",
                        "is missing, and there is no identifier either; without one the same could not be known again",
                    );
                };
                of.id = found;
            }
        }
        if modified {
            return of.refuse(
                "modifierExtension",
                "extension",
                "changes what the resource means in a way that Tact does not know; send it without",
            );
        }
        let Some(meta) = meta else { return Ok(Version::default()) };
        let updated = of.moment("meta.lastUpdated", meta.last_updated.as_ref())?;
        of.updated = updated;
        Ok(Version { id: meta.version_id.as_deref().map(SmolStr::new), updated })
    }
}
