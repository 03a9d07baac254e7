//! Reads what is known of a patient from the log, and makes resources of it. Who somebody is, only those see who may.

use std::collections::{BTreeMap, HashMap};

use tact_domain::disclosure::ExportPurpose;
use tact_domain::patient::Event;
use tact_domain::{Recorded, Time};
use tact_dossier::{Language, Material, Served, served};
use tact_event_log::{Freshness, Position, StreamId};
use tact_service::app::database;
use tact_service::transact::Failure;
use tact_service::{App, Caller, Page, Permission, Problem};
use uuid::Uuid;

async fn stream(app: &App, patient: Uuid) -> Result<Vec<Recorded>, Problem> {
    let stored = app.transactor.log().read_stream(StreamId::Patient(patient), Position::START, Freshness::Latest).await?;
    let read = stored.iter().map(|stored| Recorded::<Event>::read(&stored.bytes));
    read.collect::<Result<_, _>>()
        .map_err(|unreadable| Failure::SetAside { patient, reason: unreadable.to_string().into() }.into())
}

/// Everything that this caller may see of a patient; of one who was merged, the survivor's.
pub(crate) async fn told(app: &App, caller: &Caller, patient: Uuid) -> Result<Vec<Served>, Problem> {
    let (survivor, _) = app.known_patient(patient).await?;
    let selves = app.selves(survivor).await?;
    let events = stream(app, survivor).await?;
    let mut merged = Vec::new();
    for other in selves.iter().copied().filter(|other| *other != survivor) {
        merged.push((other, stream(app, other).await?));
    }
    let sees = caller.has(Permission::SeePerson);
    let personal = match sees {
        true => app.personal.person(survivor).await.map_err(database)?,
        false => None,
    };
    let personal: Option<BTreeMap<String, String>> = personal.map(|person| {
        let details = person.details;
        let fields = [
            ("name", details.name),
            ("phone", details.phone),
            ("email", details.email),
            ("address", details.address),
            ("birth_date", details.birth_date),
        ];
        fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()
    });
    let policies = app.control.policies();
    let directory = app.control.directory();
    let now: Time = app.clock.now();
    let mut all = served(&Material {
        network: &app.network,
        patient: survivor,
        events: &events,
        merged: &merged,
        policies: &policies,
        directory: &directory,
        personal: personal.as_ref(),
        texts: &HashMap::new(),
        made_for: "",
        ground: ExportPurpose::Inspection,
        made_at: now,
        from: None,
        until: None,
        language: Language::English,
        proof: None,
    });
    if sees {
        let ids = app.personal.external_ids_of_patients(&selves).await.map_err(database)?;
        for one in all.iter_mut().filter(|one| one.kind == "Patient") {
            let own = ids.iter().filter(|id| id.patient.to_string() == one.id);
            if let Some(identifiers) = one.resource["identifier"].as_array_mut() {
                identifiers.extend(own.map(|id| serde_json::json!({"system": system(&id.system), "value": id.value})));
            }
        }
    }
    // Of other branches' dealings with a patient no more is shown than elsewhere: nothing of who, how and with what outcome.
    app.looked(caller, &selves, Page::Fhir).await?;
    all.retain(|one| one.kind == "Patient" || one.branch.as_ref().is_none_or(|branch| caller.covers(branch)));
    Ok(all)
}

/// The system of an id as FHIR wants it: an address. The name of a mapping is none by itself.
pub(crate) fn system(name: &str) -> String {
    if name.contains(':') { name.to_owned() } else { format!("urn:tact:source:{name}") }
}

/// The name of a system, from what [`system`] made of it.
pub(crate) fn name_of(system: &str) -> &str {
    system.strip_prefix("urn:tact:source:").unwrap_or(system)
}
