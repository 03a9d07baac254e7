//! Every event of every version as it was first written: read today as it was meant then, and written back byte for byte.
//!
//! Each folder of `golden/` is one stream, a file an event, in order. A file here is never edited: what it shows may stand in somebody's
//! log. A new version of a type is a new file at the end; the old one stays, and stays readable.

use std::collections::BTreeSet;
use std::path::Path;

use tact_domain::control::{DirectoryEvent, PolicyPublished};
use tact_domain::disclosure::AccessEvent;
use tact_domain::envelope::{Hash, Payload, hash};
use tact_domain::number::NumberEvent;
use tact_domain::patient::{Event, State, evolve};
use tact_domain::{Code, Recorded};

struct Golden {
    file: String,
    bytes: Vec<u8>,
}

/// The events of the golden patient's stream, read.
pub(crate) fn patient() -> Vec<Recorded> {
    stream("patient").iter().map(|golden| Recorded::read(&golden.bytes).unwrap()).collect()
}

/// The events of one stream, in order.
fn stream(name: &str) -> Vec<Golden> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let golden = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        // The line's end is the file's, not the event's.
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes).to_vec();
        Golden { file: path.file_name().unwrap().to_str().unwrap().to_owned(), bytes }
    };
    files.into_iter().map(golden).collect()
}

/// Reads a whole stream as the services do, place and hash included, and returns its events with the types and versions that they cover.
fn check<E: Payload>(name: &str, subject: &str) -> (Vec<Recorded<E>>, BTreeSet<(String, u16)>) {
    let (mut read, mut covered) = (Vec::new(), BTreeSet::new());
    let mut previous = Hash::default();
    for (at, Golden { file, bytes }) in stream(name).into_iter().enumerate() {
        let sequence = u64::try_from(at).unwrap() + 1;
        let recorded =
            Recorded::<E>::read_at(&bytes, subject, sequence, &previous).unwrap_or_else(|error| panic!("{file}: {error}"));
        let (kind, version) = (recorded.event.kind(), recorded.event.version());
        let named = format!("{sequence:03}-{kind}.v{version}");
        assert!(file == format!("{named}.json") || file.starts_with(&format!("{named}-")), "{file} holds {named}");
        let written = recorded.envelope.write(&recorded.event);
        assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(bytes.clone()).unwrap(), "{file} comes back changed");
        previous = hash(&bytes);
        covered.insert((kind.to_owned(), version));
        read.push(recorded);
    }
    (read, covered)
}

#[test]
fn patients_events_are_read_and_written_as_ever() {
    let (read, covered) = check::<Event>("patient", "01908a00-0000-7000-8000-000000000001");
    for (kind, version) in Event::KINDS {
        assert!(
            covered.contains(&((*kind).to_owned(), *version)),
            "no file in tests/golden/patient shows {kind}, version {version}"
        );
    }
    // They need not be a story that can happen, but whatever a log holds must lead to a state.
    let mut state = State::default();
    for recorded in &read {
        evolve(&mut state, recorded);
    }
    assert!(state.last_recorded_at.is_some());
}

#[test]
fn events_outside_patients_streams_are_read_and_written_as_ever() {
    let (policies, _) = check::<PolicyPublished>("policy", "policy");
    assert_eq!(policies.len(), stream("policy").len());
    let (_, covered) = check::<DirectoryEvent>("directory", "directory");
    for kind in ["branch.listed", "provider.listed", "clinician.departed"] {
        assert!(covered.contains(&(kind.to_owned(), 1)), "no file in tests/golden/directory shows {kind}");
    }
    let (_, covered) = check::<AccessEvent>("access", "access");
    for kind in AccessEvent::KINDS {
        assert!(covered.contains(&((*kind).to_owned(), 1)), "no file in tests/golden/access shows {kind}");
    }
    let (_, covered) = check::<NumberEvent>("number", "n-5f0c1e00-0000-8000-8000-000000000900");
    for kind in NumberEvent::KINDS {
        assert!(covered.contains(&((*kind).to_owned(), 1)), "no file in tests/golden/number shows {kind}");
    }
}

#[test]
fn every_refusal_code_is_shown() {
    let (read, _) = check::<Event>("patient", "01908a00-0000-7000-8000-000000000001");
    let refusals =
        read.iter().filter_map(|recorded| if let Event::Refused(refused) = &recorded.event { Some(refused) } else { None });
    let shown: BTreeSet<Code> = refusals.flat_map(|refused| refused.reasons.iter().map(|reason| reason.code)).collect();
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !shown.contains(code)).collect();
    assert!(missing.is_empty(), "no contact.refused in tests/golden/patient shows {missing:?}");
}

#[test]
fn an_event_that_was_changed_is_noticed() {
    let mut events = stream("patient");
    let second = events.remove(1);
    let first = events.remove(0);
    let read = |bytes: &[u8]| Recorded::<Event>::read_at(bytes, "01908a00-0000-7000-8000-000000000001", 2, &hash(&first.bytes));
    read(&second.bytes).unwrap();
    let changed = String::from_utf8(first.bytes.clone()).unwrap().replace("north", "south");
    let other = Recorded::<Event>::read_at(&second.bytes, "01908a00-0000-7000-8000-000000000001", 2, &hash(changed.as_bytes()));
    assert!(other.unwrap_err().to_string().contains("hash of the event before it"));
    for (from, to, said) in [
        ("\"typeversion\":1", "\"typeversion\":2", "version 2 of `patient.profile_changed`"),
        ("patient.profile_changed", "patient.profile_improved", "`patient.profile_improved` are not known"),
        ("\"language\":\"en\"", "\"tongue\":\"en\"", "`tongue`"),
        ("\"streamsequence\":2", "\"streamsequence\":3", "says it is 3"),
        ("\"specversion\":\"1.0\"", "\"specversion\":\"2.0\"", "CloudEvents 2.0"),
    ] {
        let text = String::from_utf8(second.bytes.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        let error = read(text.replace(from, to).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
