//! Holds the archived log against what the network has signed: the newest checkpoint among the archived tables, and the trees under it.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;
use tact_domain::Time;
use tact_domain::envelope::Hash;
use tact_evidence::checkpoint::{LogCheckpoint, LogName, NetworkCheckpoint, root_of_texts, shard};
use tact_evidence::note::Note;
use tact_evidence::tree::leaf_hash;
use tact_evidence::trust::{Trust, TrustedKey};

use crate::{Entry, Frontier, Line, Manifest, RowsReader};

/// What the newest checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signed {
    /// Which of the network's checkpoints it is, from 1.
    pub number: u64,
    /// When it was signed, by its own word.
    pub time: Time,
    /// How many events it covers.
    pub events: u64,
    /// By which key.
    pub key: String,
    /// Whether that key was given by whoever asks, or only stands in the archive itself.
    pub key_given: bool,
}

/// A tree that is built again while the log is read.
#[derive(Debug)]
struct Tree {
    stated: LogCheckpoint,
    /// Its events lie behind this position.
    start: u64,
    /// Leaves that are no events: the checkpoints of the logs before it.
    leading: u64,
    tree: Frontier,
}

/// What the tables say of the ledger.
#[derive(Debug, Default)]
struct Rows {
    /// The name of each log and up to which position it has come.
    logs: Vec<(String, u64)>,
    /// Number, note and the notes of the logs.
    newest: Option<(u64, String, String)>,
    /// Each key with the note by which it followed the one before.
    keys: Vec<(TrustedKey, Option<String>)>,
}

/// The trees under the newest checkpoint, growing.
#[derive(Debug)]
pub(crate) struct Trees {
    signed: Signed,
    trees: Vec<Tree>,
}

impl Trees {
    /// Reads the newest checkpoint and checks who signed it; none if nothing was ever signed.
    pub(crate) fn read(folder: &Path, manifest: &Manifest, given: Option<&Trust>) -> Result<Option<Self>, String> {
        let files = manifest.tables.iter().flat_map(|tables| &tables.files);
        let Some(file) = files.into_iter().find(|file| file.component == "evidence") else { return Ok(None) };
        let mut reader = RowsReader::open(folder, file).map_err(|damage| damage.to_string())?;
        let rows = read_rows(&mut reader)?;
        let Some((number, note, logs)) = &rows.newest else { return Ok(None) };
        let note = Note::parse(note).map_err(|error| format!("checkpoint {number}: {error}"))?;
        let stated = NetworkCheckpoint::read(note.text).map_err(|error| format!("checkpoint {number}: {error}"))?;
        if stated.network != manifest.network || stated.number != *number {
            return Err(format!("checkpoint {number} is not the one of this network with that number"));
        }
        let mut trust = given.cloned().unwrap_or_else(|| Trust(rows.keys.iter().map(|(key, _)| key.clone()).collect()));
        for succession in rows.keys.iter().filter_map(|(_, succession)| succession.as_deref()) {
            // One that is not believed adds no key; then the signature is not trusted either.
            let _ = trust.succeed(succession, &manifest.network);
        }
        let key =
            trust.signer_at(&note, stated.time).map_err(|error| format!("checkpoint {number}: {error}"))?.key.id().to_string();
        let notes: Vec<String> = serde_json::from_str(logs).map_err(|error| format!("checkpoint {number}: {error}"))?;
        let notes =
            notes.iter().map(|note| Note::parse(note)).collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        if (stated.root, stated.logs) != (root_of_texts(notes.iter().map(|note| note.text)), notes.len() as u64) {
            return Err(format!("checkpoint {number} does not stand over the logs beside it"));
        }
        let mut trees: Vec<Tree> = Vec::new();
        for (at, note) in notes.iter().enumerate() {
            trust.signer(note).map_err(|error| format!("checkpoint {number}, log {at}: {error}"))?;
            let log = LogCheckpoint::read(note.text).map_err(|error| format!("checkpoint {number}, log {at}: {error}"))?;
            let name = &log.log;
            let before = |other: &LogName| other.epoch + 1 == name.epoch && (other.holds(name.first) || name.holds(other.first));
            let (mut tree, mut start) = (Frontier::default(), 0);
            for (earlier, earlier_note) in trees.iter().zip(&notes).filter(|(tree, _)| before(&tree.stated.log)) {
                let origin = earlier.stated.log.to_string();
                let row = rows.logs.iter().find(|(known, _)| *known == origin);
                start = row.ok_or_else(|| format!("there is no log {origin} in the tables"))?.1;
                tree.push(leaf_hash(signed_text(logs, earlier_note)?.as_bytes()));
            }
            trees.push(Tree { stated: log, start, leading: tree.size(), tree });
        }
        let events = trees.iter().map(|tree| tree.stated.size.saturating_sub(tree.leading)).sum();
        let signed = Signed { number: *number, time: stated.time, events, key, key_given: given.is_some() };
        Ok(Some(Self { signed, trees }))
    }

    /// An event of the log, by the hash of its leaf.
    pub(crate) fn take(&mut self, entry: &Entry, leaf: Hash) {
        let shard = shard(&entry.stream);
        for tree in &mut self.trees {
            if entry.position > tree.start && tree.tree.size() < tree.stated.size && tree.stated.log.holds(shard) {
                tree.tree.push(leaf);
            }
        }
    }

    /// Whether the log leads to what was signed.
    pub(crate) fn end(self) -> (Signed, Option<String>) {
        let wrong = self.trees.iter().find_map(|tree| {
            let LogCheckpoint { log, size, root, .. } = &tree.stated;
            if tree.tree.size() < *size {
                let problem = format!("{log} was signed with {size} events, and the archive has {} of them", tree.tree.size());
                return Some(problem);
            }
            (tree.tree.root() != *root)
                .then(|| format!("the events of {log} do not lead to the root that was signed over {size} of them"))
        });
        (self.signed, wrong)
    }
}

/// The whole note, signatures included: what the leaf of a later log is made from.
fn signed_text(logs: &str, note: &Note<'_>) -> Result<String, String> {
    let notes: Vec<String> = serde_json::from_str(logs).map_err(|error| error.to_string())?;
    let whole = notes.into_iter().find(|whole| Note::parse(whole).is_ok_and(|parsed| parsed.text == note.text));
    whole.ok_or_else(|| "a log's checkpoint is gone".to_owned())
}

fn read_rows(reader: &mut RowsReader<'_>) -> Result<Rows, String> {
    let mut rows = Rows::default();
    let (mut table, mut columns) = (String::new(), Vec::new());
    while let Some(line) = reader.step().map_err(|damage| damage.to_string())? {
        let cells = match line {
            Line::Heading(heading) => {
                table = heading["table"].as_str().unwrap_or_default().to_owned();
                let named = heading["columns"].as_array().cloned().unwrap_or_default();
                columns = named.iter().map(|column| column[0].as_str().unwrap_or_default().to_owned()).collect();
                continue;
            }
            Line::Row(cells) => cells,
        };
        let cell =
            |name: &str| columns.iter().position(|column| column == name).and_then(|at| cells.get(at)).unwrap_or(&Value::Null);
        let text = |name: &str| cell(name).as_str().map(str::to_owned).ok_or_else(|| format!("table {table}: {name} is no text"));
        let number = |name: &str| cell(name).as_u64().ok_or_else(|| format!("table {table}: {name} is no number"));
        let time = |name: &str| match cell(name) {
            Value::Null => Ok(None),
            value => value
                .as_str()
                .and_then(|text| text.parse().ok())
                .map(Some)
                .ok_or_else(|| format!("table {table}: {name} is no time")),
        };
        match table.as_str() {
            "logs" => rows.logs.push((text("origin")?, number("position")?)),
            "checkpoints" => {
                let this = number("number")?;
                if rows.newest.as_ref().is_none_or(|(newest, ..)| *newest < this) {
                    rows.newest = Some((this, text("note")?, text("logs")?));
                }
            }
            "keys" => {
                let key = text("public_key")?.parse().map_err(|error| format!("a public key: {error}"))?;
                let trusted = TrustedKey { key, from: time("valid_from")?, until: time("valid_until")? };
                rows.keys.push((trusted, cell("succession").as_str().map(str::to_owned)));
            }
            _ => {}
        }
    }
    Ok(rows)
}
