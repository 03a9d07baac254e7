//! Resources of one patient go out, by type and date.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono_tz::Tz;
use serde_json::{Value, json};
use tact_domain::{Time, nearest_word};
use tact_dossier::Served;
use tact_fhir::Date;
use tact_service::app::database;
use tact_service::{App, Caller, Path, Permission, Problem};
use uuid::Uuid;

use crate::form::answer;
use crate::read::{JSON, served_type};
use crate::told::{name_of, told};

/// The most resources on a page, and how many there are unless `_count` says otherwise.
const MOST: usize = 500;
const USUAL: usize = 50;

/// The search parameters of patients, and of everything else.
pub(crate) const OF_PATIENTS: &[&str] = &["_id", "identifier"];
pub(crate) const OF_OTHERS: &[&str] = &["patient", "date"];
/// Those that shape the answer.
pub(crate) const OF_ANSWERS: &[&str] = &["_count", "_cursor", "_format"];

/// Search resources
///
/// Patients by `_id` or `identifier`; everything else by `patient`, and by `date` if wanted. An unknown parameter is refused by name.
#[utoipa::path(
    get, path = "/fhir/R4/{type}", tag = "fhir",
    params(
        ("type" = String, Path, description = "The resources' type", example = "Appointment"),
        ("patient" = Option<String>, Query, description = "Whose: `Patient/` and the id on this server, or the id alone; every search needs it but that of patients", example = "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a10"),
        ("date" = Option<String>, Query, description = "When: with `eq`, `lt`, `le`, `gt` or `ge` before it; may stand there twice", example = "ge2026-03-01"),
        ("_id" = Option<String>, Query, description = "Of patients: the id on this server", example = "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a10"),
        ("identifier" = Option<String>, Query, description = "Of patients: an id in another system, `system|value`", example = "urn:tact:source:his|17-204"),
        ("_count" = Option<u32>, Query, description = "The most resources on a page, 1 to 500", example = 50),
        ("_cursor" = Option<String>, Query, description = "Where the next page begins, as the link `next` says", example = "50"),
        ("_format" = Option<String>, Query, description = "`json`; nothing else is served", example = "json"),
    ),
    responses((status = 200, description = "A Bundle of type searchset", body = Object, content_type = "application/fhir+json"), (status = "4XX", description = "OperationOutcome")),
)]
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(kind): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    caller.may(Permission::SeeHistory)?;
    served_type(&kind)?;
    let mut asked = Asked::read(&kind, request.uri().query().unwrap_or_default())?;
    let patient = asked.patient(&app, &caller).await?;
    asked.forget_identifier(patient);
    let mut found = match patient {
        Some(patient) => match told(&app, &caller, patient).await {
            Ok(all) => all,
            Err(problem) if problem.status() == StatusCode::NOT_FOUND => Vec::new(),
            Err(problem) => return Err(problem),
        },
        None => Vec::new(),
    };
    found.retain(|one| one.kind == kind && asked.dates.iter().all(|bound| bound.holds(one.date)));
    found.sort_by(|a, b| (a.date, &a.id).cmp(&(b.date, &b.id)));
    let address = format!("/fhir/R4/{kind}");
    Ok(answer(StatusCode::OK, &asked.page(&address, &found)))
}

/// One end of a span of time.
#[derive(Debug, Clone, Copy)]
struct Bound {
    /// The first moment that will do, or none.
    from: Option<Time>,
    /// The last moment that will do, or none.
    until: Option<Time>,
}

impl Bound {
    fn read(text: &str) -> Result<Self, Problem> {
        let (prefix, date) = match text.get(..2) {
            Some(prefix) if prefix.bytes().all(|b| b.is_ascii_lowercase()) => (prefix, &text[2..]),
            _ => ("eq", text),
        };
        let said = |what: String| Problem::malformed(format!("query: `date`: {what}")).with("field", "date");
        let date = Date::parse(date).map_err(|reason| said(reason.to_owned()))?;
        let (first, last) = (date.first(Tz::UTC), date.last(Tz::UTC));
        let moment = std::time::Duration::from_millis(1);
        let (from, until) = match prefix {
            "eq" => (Some(first), Some(last)),
            "ge" => (Some(first), None),
            "gt" => (Some(last + moment), None),
            "le" => (None, Some(last)),
            "lt" => (None, Some(first - moment)),
            other => {
                let shown: String = other.chars().take(10).collect();
                return Err(said(format!("the prefix `{shown}` is not served; served are eq, lt, le, gt and ge")));
            }
        };
        Ok(Self { from, until })
    }

    fn holds(self, date: Option<Time>) -> bool {
        date.is_some_and(|date| self.from.is_none_or(|from| from <= date) && self.until.is_none_or(|until| date <= until))
    }
}

/// What is asked for.
#[derive(Debug)]
struct Asked {
    id: Option<String>,
    identifier: Option<String>,
    dates: Vec<Bound>,
    count: usize,
    cursor: usize,
    /// Everything but the cursor, as it was asked.
    query: Vec<(String, String)>,
}

impl Asked {
    fn read(kind: &str, query: &str) -> Result<Self, Problem> {
        let own = if kind == "Patient" { OF_PATIENTS } else { OF_OTHERS };
        let known: Vec<&str> = own.iter().chain(OF_ANSWERS).copied().collect();
        let mut asked = Self { id: None, identifier: None, dates: Vec::new(), count: USUAL, cursor: 0, query: Vec::new() };
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let refused = |what: String| Problem::malformed(format!("query: `{name}`: {what}")).with("field", name.to_string());
            if !known.contains(&&*name) {
                let shown: String = name.chars().take(80).collect();
                let near = nearest_word(&name, known.iter().copied());
                let hint =
                    near.map_or_else(|| format!("known are {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
                return Err(Problem::malformed(format!("query: `{shown}` is no search parameter of {kind} here; {hint}"))
                    .with("field", shown));
            }
            match &*name {
                "_id" | "patient" => asked.id = Some(value.strip_prefix("Patient/").unwrap_or(&value).to_owned()),
                "identifier" => asked.identifier = Some(value.to_string()),
                "date" => asked.dates.push(Bound::read(&value)?),
                "_count" => {
                    let count = value.parse().ok().filter(|count| (1..=MOST).contains(count));
                    asked.count = count.ok_or_else(|| refused(format!("it goes from 1 to {MOST}")))?;
                }
                "_cursor" => {
                    asked.cursor = value.parse().map_err(|_| refused("it is taken from the link `next` as it is".to_owned()))?;
                }
                _ if JSON.contains(&&*value) => {}
                _ => return Err(refused("only `json` is served".to_owned())),
            }
            if name != "_cursor" {
                asked.query.push((name.into_owned(), value.into_owned()));
            }
        }
        if asked.id.is_none() && asked.identifier.is_none() {
            let wanted = if kind == "Patient" { "`_id` or `identifier`" } else { "`patient`" };
            return Err(Problem::malformed(format!("query: say whose with {wanted}; nobody may go through all patients"))
                .with("field", own[0]));
        }
        Ok(asked)
    }

    /// The patient that is asked for; `None`: there is none.
    async fn patient(&self, app: &App, caller: &Caller) -> Result<Option<Uuid>, Problem> {
        let Some(identifier) = &self.identifier else {
            return Ok(self.id.as_deref().and_then(|id| id.parse().ok()));
        };
        // Whose passport it is, only those may find out who may see who somebody is.
        caller.may(Permission::SeePerson)?;
        let Some((system, value)) = identifier.split_once('|') else {
            return Err(Problem::malformed("query: `identifier`: write `system|value`").with("field", "identifier"));
        };
        let found = app.personal.by_external_id(name_of(system), value).await.map_err(database)?;
        Ok(found.filter(|found| self.id.as_ref().is_none_or(|id| *id == found.to_string())))
    }

    /// Leaves an identifier out of the links, which end in logs of others: whom it led to is said by the id on this server.
    fn forget_identifier(&mut self, patient: Option<Uuid>) {
        if self.identifier.is_some() {
            self.query.retain(|(name, _)| name != "identifier" && name != "_id");
            self.query.extend(patient.map(|patient| ("_id".to_owned(), patient.to_string())));
        }
    }

    fn page(&self, address: &str, found: &[Served]) -> Value {
        let link = |relation: &str, cursor: usize| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&self.query);
            if cursor > 0 {
                query.append_pair("_cursor", &cursor.to_string());
            }
            json!({"relation": relation, "url": format!("{address}?{}", query.finish())})
        };
        let shown: Vec<Value> = found
            .iter()
            .skip(self.cursor)
            .take(self.count)
            .map(|one| json!({"fullUrl": format!("/fhir/R4/{}/{}", one.kind, one.id), "resource": one.resource, "search": {"mode": "match"}}))
            .collect();
        let mut links = vec![link("self", self.cursor)];
        let next = self.cursor.saturating_add(self.count);
        if next < found.len() {
            links.push(link("next", next));
        }
        let mut bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": found.len(), "link": links});
        if !shown.is_empty() {
            bundle["entry"] = json!(shown);
        }
        bundle
    }
}
