//! The written cases: every story in `scenarios/`, and those that are shared with us where they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tact_domain::patient::{self, Ask, Decision, Event, OnNumber, State};
use tact_domain::zone::Zone;
use tact_domain::{Code, Recorded};
use tact_scenario::{Story, open_scenario, play, run_file};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "toml")).collect();
    files.sort();
    files
}

fn all_pass(folder: &Path) {
    let files = files(folder);
    assert!(!files.is_empty(), "{} holds no scenario", folder.display());
    let mut failed = Vec::new();
    for file in files {
        match run_file(&file) {
            Ok(report) if report.passed() => {}
            Ok(report) => failed.push(format!("{}: {report}", file.display())),
            Err(error) => failed.push(error.to_string()),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn our_own_pass() {
    all_pass(&root().join("scenarios"));
}

#[test]
fn the_shared_ones_pass() {
    let folder = root().join("../shared/scenarios");
    if folder.is_dir() {
        all_pass(&folder);
    } else {
        println!("skipped: {} is not there", folder.display());
    }
}

fn told() -> Vec<(PathBuf, Story)> {
    let tell = |file: PathBuf| {
        let (scenario, policy) = open_scenario(&file).unwrap_or_else(|error| panic!("{error}"));
        (file, play(&scenario, policy).1)
    };
    files(&root().join("scenarios")).into_iter().map(tell).collect()
}

fn each_event(stories: &[(PathBuf, Story)], mut see: impl FnMut(&Path, &Story, &State, &Recorded)) {
    for (file, story) in stories {
        for patient in story.patients() {
            let mut state = State::default();
            for recorded in story.events(patient) {
                see(file, story, &state, recorded);
                patient::evolve(&mut state, recorded);
            }
            assert_eq!(state, story.state(patient), "{}: the state is what its events say", file.display());
        }
    }
}

#[test]
fn every_code_and_every_kind_of_event_has_a_story() {
    let (mut codes, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    each_event(&told(), |_, _, _, recorded| {
        kinds.insert(recorded.event.kind());
        if let Event::Refused(refused) = &recorded.event {
            codes.extend(refused.reasons.iter().map(|reason| reason.code));
        }
    });
    let missing: Vec<_> = Code::ALL.iter().filter(|code| !codes.contains(code)).collect();
    assert!(missing.is_empty(), "no story is refused because of {missing:?}");
    let missing: Vec<_> = Event::KINDS.iter().map(|(kind, _)| *kind).filter(|kind| !kinds.contains(kind)).collect();
    assert!(missing.is_empty(), "no story tells of {missing:?}");
}

#[test]
fn every_decision_is_made_again_from_what_it_recorded() {
    let mut decisions = 0;
    each_event(&told(), |file, story, state, recorded| {
        let now = recorded.envelope.time;
        let (ask, used, rules) = match &recorded.event {
            Event::Permitted(e) => {
                let ask = Ask {
                    permit: e.permit,
                    purpose: e.purpose.clone(),
                    channel: e.channel,
                    branch: e.branch.clone(),
                    about: e.about,
                    reason: e.reason,
                    number: e.basis.reservation.map_or(OnNumber::NotAsked, OnNumber::Reserved),
                };
                (ask, &e.zone, e.rules)
            }
            Event::Refused(e) => {
                let ask = Ask {
                    permit: Default::default(),
                    purpose: e.purpose.clone(),
                    channel: e.channel,
                    branch: e.branch.clone(),
                    about: e.asked_about,
                    reason: None,
                    number: OnNumber::of(&e.reasons),
                };
                (ask, &e.zone, e.rules)
            }
            _ => return,
        };
        decisions += 1;
        let again = match patient::decide_by(rules, state, story.policy(), &ask, now, &Zone::recorded(used)).unwrap() {
            Decision::Permitted(permitted) => Event::Permitted(permitted),
            Decision::Refused(refused) => Event::Refused(refused),
        };
        assert_eq!(again, recorded.event, "{}", file.display());
    });
    assert!(decisions > 100, "only {decisions} decisions were looked at");
}
