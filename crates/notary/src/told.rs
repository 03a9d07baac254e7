//! A history for people and for other systems: as a page, and as a FHIR Bundle. Both say how the file that can be verified is had.

use std::collections::{BTreeMap, HashMap};

use tact_domain::Recorded;
use tact_dossier::{Language, Material, Proof};
use tact_evidence::file::History;
use tact_evidence::note::Note;
use tact_service::app::database;
use tact_service::{App, Problem};
use uuid::Uuid;

use crate::collect::{Collected, StreamWith};

/// What a form is made of, beside the history itself.
pub(crate) struct Told {
    patient: Vec<Recorded>,
    merged: Vec<(Uuid, Vec<Recorded>)>,
    personal: Option<BTreeMap<String, String>>,
    texts: HashMap<Uuid, String>,
    proof: Proof,
}

fn read(stream: &StreamWith) -> Result<Vec<Recorded>, Problem> {
    let read = |(stored, number): (&tact_event_log::Stored, u64)| {
        Recorded::read(&stored.bytes).map_err(|error| {
            let problem = format!(
                "event {number} of {} cannot be told by this version of Tact: {error}; the form `tact` holds it all the same",
                stream.name
            );
            Problem::conflict(problem).with("field", "format")
        })
    };
    stream.events.iter().zip(1..).map(read).collect()
}

/// Reads what was collected, and what else the asker may see.
///
/// # Errors
/// A problem, if an event cannot be read or the personal data cannot be asked.
pub(crate) async fn told(
    app: &App,
    collected: &Collected,
    patient: Uuid,
    person: Option<&serde_json::Map<String, serde_json::Value>>,
) -> Result<Told, Problem> {
    let mut streams = collected.streams.iter().skip(1);
    let own = streams.next().map(read).transpose()?.unwrap_or_default();
    let mut merged = Vec::new();
    for stream in streams {
        merged.push((stream.name.parse().map_err(Problem::hidden)?, read(stream)?));
    }
    let mut texts = HashMap::new();
    if person.is_some() {
        for id in std::iter::once(patient).chain(merged.iter().map(|(id, _)| *id)) {
            texts.extend(app.personal.notes(id).await.map_err(database)?);
        }
    }
    let personal = person.map(|fields| {
        let told = |(name, value): (&String, &serde_json::Value)| Some((name.clone(), value.as_str()?.to_owned()));
        fields.iter().filter_map(told).collect()
    });
    let stated = collected.published.stated().map_err(database)?;
    // The one that signed this checkpoint: another may have followed it since.
    let note = Note::parse(&collected.published.network).map_err(Problem::hidden)?;
    let key = note.signers().next().map(ToString::to_string).unwrap_or_default();
    let proof = Proof {
        checkpoint: stated.number,
        made_at: stated.time,
        key,
        events: collected.streams.get(1).map_or(0, StreamWith::covered),
        command: "tact history verify FILE --key KEY".to_owned(),
    };
    Ok(Told { patient: own, merged, personal, texts, proof })
}

impl Told {
    fn with<T>(&self, app: &App, history: &History, language: Language, make: impl FnOnce(&Material<'_>) -> T) -> T {
        let (policies, directory) = (app.control.policies(), app.control.directory());
        make(&Material {
            network: &history.network,
            patient: history.patient,
            events: &self.patient,
            merged: &self.merged,
            policies: &policies,
            directory: &directory,
            personal: self.personal.as_ref(),
            texts: &self.texts,
            made_for: &history.made_for,
            ground: history.purpose,
            made_at: history.made_at,
            from: history.from,
            until: history.until,
            language,
            proof: Some(&self.proof),
        })
    }

    /// As a FHIR R4 Bundle.
    pub(crate) fn fhir(&self, app: &App, history: &History, language: Language) -> serde_json::Value {
        self.with(app, history, language, tact_dossier::fhir)
    }

    /// As a page.
    ///
    /// # Errors
    /// If it cannot be rendered.
    pub(crate) fn page(&self, app: &App, history: &History, language: Language) -> Result<String, Problem> {
        self.with(app, history, language, tact_dossier::page).map_err(Problem::hidden)
    }
}
