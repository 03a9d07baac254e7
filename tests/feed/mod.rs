//! The feed for analysts: what goes out and what does not, on NATS and over HTTP, what it looks like, and whether others can read it.

mod examples;
mod http;
mod nats;
mod schemas;

use std::collections::BTreeSet;

use serde_json::Value;
use tact_event_log::{Position, Stored, StreamId};
use tact_feed::transform::{FeedEvent, Made, Transform};
use tact_service::ids::IdKey;
use uuid::Uuid;

use crate::tidy::root;

/// The recorded events of a stream, each as the log would hold it.
fn golden(name: &str) -> Vec<(String, Stored)> {
    let patient: Uuid = "01908a00-0000-7000-8000-000000000001".parse().unwrap();
    let stream = match name {
        "patient" => StreamId::Patient(patient),
        "policy" => StreamId::Policy,
        "directory" => StreamId::Directory,
        _ => StreamId::Access,
    };
    let mut files: Vec<_> =
        std::fs::read_dir(root().join("tests/golden").join(name)).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let stored = files.into_iter().enumerate().map(|(at, file)| {
        let bytes = std::fs::read(&file).unwrap();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes).to_vec();
        let id = serde_json::from_slice::<Value>(&bytes).unwrap()["id"].as_str().unwrap().parse().unwrap();
        let position = Position::from_stored(u64::try_from(at).unwrap() + 1);
        (file.file_name().unwrap().to_str().unwrap().to_owned(), Stored { stream, position, id, bytes: bytes.into() })
    });
    stored.collect()
}

fn transform() -> Transform {
    Transform::new("clinic", IdKey::new(&[0x5a; 32]))
}

#[track_caller]
fn made(stored: &Stored) -> FeedEvent {
    match transform().make(stored) {
        Made::Event(event) => *event,
        other => panic!("{other:?}"),
    }
}

/// Every UUID in a text.
fn uuids(text: &str) -> BTreeSet<String> {
    let is = |part: &&[u8]| Uuid::try_parse_ascii(part).is_ok();
    text.as_bytes().windows(36).filter(is).map(|part| String::from_utf8(part.to_vec()).unwrap()).collect()
}

#[test]
fn nothing_goes_out_that_leads_to_a_person() {
    let mut seen = 0;
    for (file, stored) in ["patient", "policy", "directory"].into_iter().flat_map(golden) {
        let event = made(&stored);
        let text = std::str::from_utf8(&event.bytes).unwrap();
        let before: Value = serde_json::from_slice(&stored.bytes).unwrap();
        let after: Value = serde_json::from_slice(&event.bytes).unwrap();
        for name in ["id", "time", "type", "typeversion", "recordedat", "branch", "streamsequence", "cause"] {
            assert_eq!(before.get(name), after.get(name), "{file}: {name}");
        }
        for name in ["previoushash", "command"] {
            assert_eq!(after.get(name), None, "{file}");
        }
        assert_eq!(after["source"], "/tact/clinic/feed");
        assert!(["staff", "system", "patient"].contains(&after["actor"].as_str().unwrap()), "{file}");
        // Of the ids that were stored, only the event's own and its cause's are left.
        let may: BTreeSet<String> = ["id", "cause"].iter().filter_map(|name| before[name].as_str()).map(str::to_owned).collect();
        let kept: BTreeSet<String> =
            uuids(std::str::from_utf8(&stored.bytes).unwrap()).intersection(&uuids(text)).cloned().collect();
        assert!(kept.is_subset(&may), "{file}: {kept:?}");
        let ids = uuids(&before["data"].to_string()).len();
        let reduced = ["provider.listed", "clinician.departed"].contains(&&*event.kind);
        assert!(reduced || uuids(event.data()).len() == ids, "{file}: two ids have one pseudonym");
        let between: Value = serde_json::from_str(event.data()).unwrap();
        assert_eq!(between, after["data"], "{file}: the data is what stands between");
        seen += ids;
    }
    assert!(seen > 80, "{seen} ids are not those of all events");
}

#[test]
fn one_id_has_one_pseudonym_wherever_it_stands() {
    let (_, merged) = golden("patient").into_iter().find(|(file, _)| file.contains("patient.merged.v1")).unwrap();
    // The same event, with the patient's own id in its data.
    let text = String::from_utf8(merged.bytes.to_vec()).unwrap();
    let into = serde_json::from_str::<Value>(&text).unwrap()["data"]["into"].as_str().unwrap().to_owned();
    let own = Stored { bytes: text.replace(&into, "01908A00-0000-7000-8000-000000000001").into(), ..merged.clone() };
    let event = made(&own);
    let after: Value = serde_json::from_slice(&event.bytes).unwrap();
    assert_eq!(after["data"]["into"], after["subject"], "written in other letters it is the same id");
    assert_eq!(event.subject, after["subject"].as_str().unwrap());
    // Another network's secret makes others of them.
    let Made::Event(other) = Transform::new("clinic", IdKey::new(&[1; 32])).make(&own) else { panic!() };
    assert_ne!(other.subject, event.subject);
    // And no other id of the network is made like these.
    let keys = IdKey::new(&[0x5a; 32]);
    let patient: Uuid = "01908a00-0000-7000-8000-000000000001".parse().unwrap();
    assert_ne!(keys.derive(&[patient.as_bytes()]), keys.pseudonym(patient));
    assert_eq!(keys.pseudonym(patient).to_string(), event.subject.as_str());
}

#[test]
fn the_record_of_access_and_what_cannot_be_read_stay_inside() {
    for (file, stored) in golden("access") {
        assert_eq!(transform().make(&stored), Made::NotForThem, "{file}");
    }
    let (_, first) = golden("patient").remove(0);
    let text = String::from_utf8(first.bytes.to_vec()).unwrap();
    let changed = [
        ("\"typeversion\":1", "\"typeversion\":2"),
        ("patient.registered", "patient.recorded"),
        ("\"home_branch\"", "\"name\":\"Anna\",\"home_branch\""),
        ("000000000001\",\"time\"", "000000000002\",\"time\""),
        ("/tact/clinic\"", "/tact/other\""),
        ("\"data\":{", "\"data\":\n{"),
    ];
    for (from, to) in changed {
        assert!(text.contains(from), "{from}");
        let stored = Stored { bytes: text.replacen(from, to, 1).into(), ..first.clone() };
        assert!(matches!(transform().make(&stored), Made::Unreadable(_)), "{to}");
    }
}

#[test]
fn a_caller_of_some_branches_sees_no_others() {
    let only_north = |branch: &tact_domain::Branch| branch.as_str() == "north";
    let only_west = |branch: &tact_domain::Branch| branch.as_str() == "west";
    let mut shown = 0;
    for (file, stored) in golden("patient") {
        let scoped = transform().make_for(&stored, Some(&only_north));
        if let Made::Event(event) = &scoped {
            shown += 1;
            let facts = !["patient.absorbed", "patient.separated"].contains(&&*event.kind);
            assert!(facts && !event.data().contains("south"), "{file}: {}", event.data());
        }
        let none = transform().make_for(&stored, Some(&only_west));
        assert_eq!(none, Made::NotForThem, "{file}");
    }
    assert!(shown > 20, "{shown}");
    for (file, stored) in golden("policy") {
        assert!(matches!(transform().make_for(&stored, Some(&only_west)), Made::Event(_)), "{file}: policies hold everywhere");
    }
}
