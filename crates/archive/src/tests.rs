//! Archives are written, gone on with and damaged in every way that a disk, a person or a crash can think of.

use std::fs;
use std::path::Path;

use serde_json::json;
use tact_domain::envelope::hash;
use tempfile::TempDir;
use uuid::Uuid;

use crate::verify::{Report, verify};
use crate::{Archive, ArchiveError, Manifest, Walk};

const ID: Uuid = Uuid::from_u128(1);

/// A log: the streams take turns, and each event carries the hash of the one before it in its stream.
fn past(count: u64) -> Vec<(u64, String, Uuid, Vec<u8>)> {
    let mut ends = [(0u64, [0u8; 32]); 3];
    let event = |position: u64| {
        let (stream, end) = (["policy", "one", "two"][(position % 3) as usize], &mut ends[(position % 3) as usize]);
        end.0 += 1;
        let said = json!({"subject": stream, "streamsequence": end.0, "previoushash": hex::encode(end.1), "data": "\n{}\n"});
        let bytes = serde_json::to_vec(&said).unwrap();
        end.1 = hash(&bytes);
        (position, stream.to_owned(), Uuid::from_u128(position.into()), bytes)
    };
    (1..=count).map(event).collect()
}

fn open(folder: &Path) -> Archive {
    Archive::open(folder, "net", ID, "0").unwrap().segments_of(600)
}

fn finish(archive: Archive) -> Manifest {
    let mut rows = archive.begin_rows("personal", 9).unwrap();
    rows.heading(&json!({"table": "people", "columns": [["name", "text"]]})).unwrap();
    rows.row(&[json!("Anna")]).unwrap();
    let (file, end) = (rows.finish().unwrap(), archive.position());
    archive
        .finish(vec![file], "2026-03-02T09:00:00Z".parse().unwrap(), end, "known".to_owned(), &[("id.key", b"secret".to_vec())])
        .unwrap()
}

fn add(archive: &mut Archive, events: &[(u64, String, Uuid, Vec<u8>)]) {
    for (position, stream, id, bytes) in events {
        assert_eq!(archive.add(*position, stream, *id, bytes.clone()).unwrap(), None);
    }
}

/// An archive of 30 events, in two runs.
fn made() -> (TempDir, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    let events = past(30);
    let mut archive = open(folder.path());
    add(&mut archive, &events[..17]);
    finish(archive);
    let mut archive = open(folder.path());
    assert_eq!((archive.position(), archive.last().unwrap().position), (17, 17));
    add(&mut archive, &events[17..]);
    let manifest = finish(archive);
    (folder, manifest)
}

fn verified(folder: &Path) -> Report {
    verify(folder, None).unwrap()
}

/// The files that are named, with the event.
fn named(report: &Report) -> Vec<(&str, Option<u64>)> {
    report.damages.iter().map(|damage| (damage.file.as_str(), damage.position)).collect()
}

#[test]
fn what_goes_in_comes_out() {
    let (folder, manifest) = made();
    assert!(manifest.log.segments.len() > 6, "{:?}", manifest.log.segments);
    let mut walk = Walk::new(folder.path(), &manifest);
    let mut back = Vec::new();
    while let Some((entry, _, flaw)) = walk.step().unwrap() {
        assert_eq!(flaw, None);
        back.push((entry.position, entry.stream, entry.id, entry.bytes));
    }
    assert_eq!(back, past(30));
    let report = verified(folder.path());
    assert!(report.holds(), "{report:?}");
    assert_eq!((report.events, report.last, report.rows, report.strangers.len()), (30, 30, 1, 0));
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("log"), mode("manifest.json"), mode("keys/id.key")), (0o700, 0o700, 0o600, 0o600));
}

#[test]
fn every_changed_byte_of_the_log_is_found_and_its_event_named() {
    let (folder, manifest) = made();
    let segment = &manifest.log.segments[3];
    let path = folder.path().join(&segment.file);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(&path, &changed).unwrap();
        let report = verified(folder.path());
        let (file, position) = named(&report).first().copied().unwrap_or_else(|| panic!("byte {at} can be changed"));
        assert_eq!(file, segment.file, "byte {at}");
        assert!(position.is_none_or(|position| (segment.first..=segment.last).contains(&position)), "byte {at}: {position:?}");
    }
    // In the middle of an event's bytes its position is named.
    let text = String::from_utf8_lossy(&whole).into_owned();
    let second = text.find(&format!("\"position\":{}", segment.first + 1)).unwrap();
    let mut changed = whole.clone();
    changed[text[second..].find("\"data\"").unwrap() + second + 1] = b'D';
    fs::write(&path, &changed).unwrap();
    assert_eq!(named(&verified(folder.path())), [(segment.file.as_str(), Some(segment.first + 1))]);
}

#[test]
fn every_truncated_file_is_found() {
    let (folder, manifest) = made();
    let segment = &manifest.log.segments[2];
    let files = [segment.file.as_str(), &manifest.tables.as_ref().unwrap().files[0].file, "keys/id.key"];
    for file in files {
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let report = verified(folder.path());
            assert!(named(&report).iter().any(|(name, _)| *name == file), "{file} cut to {length}: {report:?}");
        }
        fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
        assert_eq!(named(&verified(folder.path()))[0].0, file, "something behind its end");
        fs::write(&path, &whole).unwrap();
    }
    assert!(verified(folder.path()).holds());
}

#[test]
fn a_missing_file_is_named_and_the_others_are_looked_at() {
    let (folder, manifest) = made();
    let segments = &manifest.log.segments;
    let changed = folder.path().join(&segments[4].file);
    let whole = fs::read(&changed).unwrap();
    fs::write(&changed, &whole[..whole.len() - 10]).unwrap();
    fs::remove_file(folder.path().join(&segments[1].file)).unwrap();
    fs::remove_file(folder.path().join("keys/id.key")).unwrap();
    let report = verified(folder.path());
    let files: Vec<_> = named(&report).into_iter().map(|(file, _)| file).collect();
    assert_eq!(files, ["keys/id.key", &segments[1].file, &segments[4].file]);
    assert_eq!(report.damages[1].position, Some(segments[1].first));
    assert!(report.damages[1].problem.contains(&format!("events {} to {}", segments[1].first, segments[1].last)));
    let tables = manifest.tables.as_ref().unwrap().files[0].file.clone();
    fs::remove_file(folder.path().join(&tables)).unwrap();
    assert_eq!(verified(folder.path()).damages[0].file, tables);
    // Nothing is added to it.
    let error = Archive::open(folder.path(), "net", ID, "0").unwrap_err();
    assert!(matches!(error, ArchiveError::Damaged(_)), "{error}");
}

#[test]
fn a_segment_that_the_manifest_forgets_leaves_a_gap_that_is_named() {
    let (folder, manifest) = made();
    let rewrite = |change: &dyn Fn(&mut Manifest)| {
        let mut changed = manifest.clone();
        change(&mut changed);
        changed.write(folder.path()).unwrap();
        verified(folder.path())
    };
    let gone = &manifest.log.segments[2];
    let report = rewrite(&|manifest| drop(manifest.log.segments.remove(2)));
    assert_eq!(report.damages[0].position, Some(gone.first));
    assert!(report.damages[0].problem.contains(&format!("events {} to {} are missing", gone.first, gone.last)), "{report:?}");
    assert_eq!(report.strangers, std::slice::from_ref(&gone.file));
    // One at the end, with a manifest that still knows how far it should go.
    let report = rewrite(&|manifest| drop(manifest.log.segments.pop()));
    assert_eq!(report.damages[0].file, "manifest.json");
    // Two in the wrong order.
    assert!(!rewrite(&|manifest| manifest.log.segments.swap(1, 2)).is_whole());
    assert!(!rewrite(&|manifest| manifest.tables = None).is_whole());
    assert!(!rewrite(&|manifest| manifest.network = "other".to_owned()).is_whole());
    assert!(rewrite(&|_| ()).holds());
}

#[test]
fn a_log_with_a_hole_is_not_taken_and_one_that_contradicts_itself_is_kept_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = open(folder.path());
    let events = past(9);
    add(&mut archive, &events[..4]);
    let (_, stream, id, bytes) = events[5].clone();
    let error = archive.add(6, &stream, id, bytes).unwrap_err();
    assert!(error.to_string().contains("events 5 to 5 are missing"), "{error}");
    // The event behind it stands where it should, but its stream lacks one: by its own word.
    let (_, stream, id, bytes) = events[7].clone();
    let flaw = archive.add(5, &stream, id, bytes).unwrap().unwrap();
    assert!(flaw.0.contains("says that it is 3"), "{flaw:?}");
    finish(archive);
    let report = verified(folder.path());
    assert!(report.is_whole() && !report.holds());
    assert_eq!((report.contradicting, report.contradictions[0].position), (1, Some(5)));
}

#[test]
fn what_was_interrupted_is_not_believed_and_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let events = past(20);
    let mut archive = open(folder.path());
    add(&mut archive, &events[..8]);
    // Killed: nothing of this value is closed, as a process that ends would leave it.
    let kept = archive.manifest().log.last;
    assert!(kept > 0 && kept < 8, "{kept}");
    drop(archive);
    let report = verified(folder.path());
    assert_eq!(report.damages.len(), 1, "only the tables are missing: {report:?}");
    assert!(report.strangers.iter().any(|file| file.ends_with(".part")), "{:?}", report.strangers);
    // A whole segment under its name which the manifest does not know yet.
    fs::write(folder.path().join(format!("log/{:012}.events", kept + 1)), "half").unwrap();
    let mut archive = open(folder.path());
    assert_eq!(archive.position(), kept);
    add(&mut archive, &events[usize::try_from(kept).unwrap()..]);
    finish(archive);
    let report = verified(folder.path());
    assert!(report.holds() && report.events == 20 && report.strangers.is_empty(), "{report:?}");
}

#[test]
fn a_folder_of_somebody_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), "dear").unwrap();
    let error = Archive::open(folder.path(), "net", ID, "0").unwrap_err();
    assert!(error.to_string().contains("letter.txt"), "{error}");
    let (folder, _) = made();
    let error = Archive::open(folder.path(), "other", ID, "0").unwrap_err();
    assert!(error.to_string().contains("network \"net\""), "{error}");
    let held = open(folder.path());
    assert!(matches!(Archive::open(folder.path(), "net", ID, "0"), Err(ArchiveError::InUse(_))));
    drop(held);
    let text = fs::read_to_string(folder.path().join("manifest.json")).unwrap();
    for (from, to, said) in [("\"format\": 1", "\"format\": 2", "newer"), ("log/0000", "../log/0000", "outside")] {
        fs::write(folder.path().join("manifest.json"), text.replacen(from, to, 1)).unwrap();
        let error = verify(folder.path(), None).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
    assert!(verify(&folder.path().join("nowhere"), None).unwrap_err().to_string().contains("no archive here"));
}
