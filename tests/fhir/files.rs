//! FHIR from files: Synthea's people, every official example, and resources of our own in one version after another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tact::import::{Progress, fhir};
use tact_database::Target;
use tact_domain::patient::State;
use tact_domain::patient::state::AppointmentStatus;
use tact_domain::{AppointmentKind, Time};
use tact_event_log::{EventLog, MemoryLog, Position};
use tact_fhir::{Mapping, Place, Read, Severity, read_document};
use tact_intake::Stores;
use tact_intake::fhir::{Account, Fate};
use tact_personal::Personal;
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::transact::Transactor;

use crate::network::Network;
use crate::tidy::root;

/// What files are imported into.
pub(super) struct Store {
    transactor: Transactor,
    control: Control,
    pub(super) personal: Personal,
    keys: IdKey,
    _folder: tempfile::TempDir,
}

impl Store {
    pub(super) async fn new(now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::by_hand(time(now));
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        Self {
            transactor: Transactor::new(log.clone(), "test", clock.clone(), 10_000),
            control: Control::new(log, "test", clock),
            personal: Personal::open(&Target::sqlite(folder.path()), Duration::from_secs(5)).await.unwrap(),
            keys: IdKey::new(&[7; 32]),
            _folder: folder,
        }
    }

    fn stores(&self) -> Stores<'_> {
        Stores { transactor: &self.transactor, control: &self.control, personal: &self.personal, keys: &self.keys }
    }

    pub(super) async fn take(&self, read: Vec<Read>, mapping: &Mapping) -> Account {
        fhir::write(read, mapping, self.stores(), false, &Progress::hidden()).await.unwrap()
    }

    /// Sends resources of the tests' own sender.
    pub(super) async fn send(&self, resources: &[Value]) -> Account {
        let mapping = his();
        let read = resources.iter().flat_map(|one| read_document(one.to_string().as_bytes(), &Place::default(), &mapping).read);
        self.take(read.collect(), &mapping).await
    }

    async fn events(&self) -> Position {
        self.transactor.log().head().await.unwrap()
    }

    async fn state(&self, system: &str, id: &str) -> State {
        let patient = self.personal.by_external_id(system, id).await.unwrap().unwrap();
        self.transactor.patient_now(patient).await.unwrap().state.clone()
    }
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

pub(super) fn his() -> Mapping {
    tact_fhir::mapping::parse(include_bytes!("his.toml")).unwrap()
}

fn synthea() -> Mapping {
    tact_fhir::mapping::parse(include_bytes!("../../mappings/fhir-synthea.toml")).unwrap()
}

/// A folder of real data, where it is.
fn data(name: &str) -> Option<PathBuf> {
    let path = root().join("../shared/data").join(name);
    let there = path.exists();
    if !there {
        println!("skipped: {} is not there", path.display());
    }
    there.then_some(path)
}

fn named(folder: &Path, prefix: &str, kinds: &[&str]) -> Vec<PathBuf> {
    kinds.iter().map(|kind| folder.join(format!("{prefix}-{kind}.ndjson.gz"))).filter(|path| path.exists()).collect()
}

/// Every resource must have one fate, and say why if nothing of it was taken.
#[track_caller]
fn accounted(account: &Account, resources: usize) {
    assert_eq!(account.outcomes.len(), resources);
    for outcome in &account.outcomes {
        // What names no type is no resource at all.
        let kind = if outcome.kind == "?" { "Resource" } else { outcome.kind.as_str() };
        let said = outcome.issues.iter().any(|issue| issue.path.starts_with(kind) && issue.reason.len() > 10);
        let site = matches!(outcome.kind.as_str(), "Organization" | "Location");
        let taken = matches!(outcome.fate, Fate::Recorded | Fate::There);
        assert!(taken || said || site, "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn syntheas_people_go_in_and_a_second_run_adds_nothing() {
    let Some(folder) = data("fhir-synthea") else { return };
    let mapping = synthea();
    // Of the last of them the record ends on 1 April 2021.
    let place = Store::new("2021-04-02T13:00:00Z").await;
    let files = named(&folder, "ma615", &["Organization", "Encounter", "Procedure", "Patient"]);
    let read = fhir::read_files(&files, &mapping).unwrap();
    let account = place.take(read.clone(), &mapping).await;
    accounted(&account, 102 + 18_098 + 14_081 + 615);
    let counts = account.counts();
    assert_eq!(counts["Patient"][Fate::Recorded as usize], 615);
    // All ambulatory visits but death certifications; of the dead, what is said to have happened after.
    assert_eq!(counts["Encounter"][Fate::Recorded as usize], 16_440);
    assert_eq!(counts["Encounter"][Fate::Nothing as usize], 940 + 621 + 81);
    assert_eq!(counts["Encounter"][Fate::Refused as usize], 16);
    for issue in account.refusals() {
        assert!(issue.reason.starts_with("the patient is recorded as deceased"), "{issue}");
    }
    let events = account.events();
    assert_eq!((events["patient.registered"], events["patient.died"]), (615, 124));
    assert_eq!(events["appointment.completed"], events["appointment.booked"]);
    // What the mapping says of an appendectomy is what it is.
    let mut surgeries = 0;
    let appendectomy = "\"80146002\"";
    let mut text = String::new();
    let packed = std::fs::File::open(folder.join("ma615-Procedure.ndjson.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(packed), &mut text).unwrap();
    for line in text.lines().filter(|line| line.contains(appendectomy)) {
        let procedure: Value = serde_json::from_str(line).unwrap();
        let patient = procedure["subject"]["reference"].as_str().unwrap().strip_prefix("urn:uuid:").unwrap();
        let ended = time(procedure["performedPeriod"]["end"].as_str().unwrap());
        let state = place.state("synthea", patient).await;
        let known = state
            .appointments
            .iter()
            .any(|one| one.kind == AppointmentKind::Surgery && one.status == AppointmentStatus::Completed(ended));
        assert!(known, "{line}");
        surgeries += 1;
    }
    assert_eq!(surgeries, 7);
    let head = place.events().await;
    let again = place.take(read, &mapping).await;
    assert_eq!(again.of(Fate::Recorded), 0, "{:?}", again.counts());
    assert_eq!(place.events().await, head, "a second run has recorded something");
}

#[tokio::test(flavor = "multi_thread")]
async fn syntheas_people_are_on_the_worklist() {
    let Some(folder) = data("fhir-synthea") else { return };
    let mapping = synthea();
    // A spring morning in Massachusetts, with the policy that ships: whoever was here last half a year ago or more is invited.
    let now = "2021-04-02T14:00:00Z";
    let network = Network::start_at(now).await;
    let app = network.app();
    for (code, name) in [("massachusetts", "Massachusetts"), ("peabody", "Peabody")] {
        network.put(&format!("/v1/branches/{code}"), json!({"name": name, "time_zone": "America/New_York"})).await.ok();
    }
    let files = named(&folder, "ma615", &["Organization", "Encounter", "Procedure", "Patient"]);
    let read = fhir::read_files(&files, &mapping).unwrap();
    let stores = Stores { transactor: &app.transactor, control: &app.control, personal: &app.personal, keys: &app.keys };
    let account = fhir::write(read, &mapping, stores, false, &Progress::hidden()).await.unwrap();
    assert_eq!(account.counts()["Patient"][Fate::Recorded as usize], 615);
    let head = app.transactor.log().head().await.unwrap();
    let head = i64::try_from(head.to_stored()).unwrap();
    assert!(app.read.wait_for(head, Duration::from_secs(120)).await.unwrap().position >= head, "it is projected");
    // Whom the log itself owes an invitation at this moment.
    let mut owed = BTreeMap::new();
    let policy = tact_domain::policy::text::parse(tact_domain::policy::DEFAULT, "default").unwrap();
    let at = time(now);
    let people = app.personal.external_ids_of("synthea", "", 1000).await.unwrap();
    assert_eq!(people.len(), 615);
    for patient in people.into_iter().map(|one| one.patient) {
        let known = app.transactor.patient_now(patient).await.unwrap();
        let zone = app.control.zone(&known.state);
        let due = tact_domain::patient::agenda(&known.state, &policy, &zone).into_iter().filter(|entry| entry.is_due(at));
        owed.extend(due.map(|entry| ((patient, entry.about), (entry.purpose.to_string(), entry.branch.to_string()))));
    }
    let mut listed = BTreeMap::new();
    for branch in ["massachusetts", "peabody"] {
        let mut after = String::new();
        loop {
            let path = format!("/v1/branches/{branch}/worklist?limit=200{after}");
            let page = network.get(&path).await.ok();
            for entry in page["entries"].as_array().unwrap() {
                let key = (crate::network::id(&entry["patient"]), crate::network::id(&entry["about"]));
                assert!(entry["name"].is_string(), "{entry}");
                let told = (entry["purpose"].as_str().unwrap().to_owned(), branch.to_owned());
                assert!(listed.insert(key, told).is_none(), "{entry} twice");
            }
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
    }
    assert!(listed.values().filter(|(purpose, _)| purpose == "checkup_invitation").count() > 50, "{}", listed.len());
    assert_eq!(listed, owed, "the worklists and the log owe the same");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bulk_sets_go_in() {
    let Some(folder) = data("fhir-synthea") else { return };
    let mapping = synthea();
    let place = Store::new("2023-04-01T13:00:00Z").await;
    for (prefix, people) in [("bulk10", 13), ("bulk100", 120)] {
        let all = ["Location", "Organization", "Practitioner", "PractitionerRole", "Patient", "Encounter", "Procedure"];
        let files = named(&folder, prefix, &all);
        let read = fhir::read_files(&files, &mapping).unwrap();
        let resources = read.len();
        let account = place.take(read, &mapping).await;
        accounted(&account, resources);
        let counts = account.counts();
        assert_eq!(counts["Patient"].iter().sum::<u64>(), people);
        assert_eq!(counts["Patient"][Fate::Refused as usize], 0);
    }
}

/// A mapping for the examples: whatever they name is of one branch, and only surgery that is listed is some.
fn for_examples() -> Mapping {
    let text = "system = \"hl7\"\ntime_zone = \"Australia/Melbourne\"\n[branches]\n\"*\" = \"north\"\n[procedure]\nsurgery = [\"http://snomed.info/sct|80146002\"]\n";
    tact_fhir::mapping::parse(text.as_bytes()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_official_example_goes_in_or_is_refused_with_its_element() {
    let Some(folder) = data("fhir-r4-examples") else { return };
    let mapping = for_examples();
    let place = Store::new("2026-03-02T09:00:00Z").await;
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    assert_eq!(files.len(), 322);
    let read = fhir::read_files(&files, &mapping).unwrap();
    let resources = read.len();
    let account = place.take(read, &mapping).await;
    accounted(&account, resources);
    let counts = account.counts();
    let count = |kind: &str, fate: Fate| counts[kind][fate as usize];
    assert_eq!(count("Patient", Fate::Refused), 0, "{:#?}", account.refusals().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!((count("Appointment", Fate::Recorded), count("Appointment", Fate::Nothing)), (2, 1));
    // All of them are about data.
    assert_eq!(count("Consent", Fate::Refused), 12);
    assert_eq!(count("CommunicationRequest", Fate::Refused), 2);
    let said: BTreeMap<String, String> = account
        .outcomes
        .iter()
        .flat_map(|outcome| &outcome.issues)
        .filter(|issue| issue.severity != Severity::Warning)
        .map(|issue| (format!("{}/{}", issue.kind, issue.id.as_deref().unwrap_or_default()), issue.path.clone()))
        .collect();
    for (what, path) in [
        ("Consent/consent-example-notOrg", "Consent.provision.purpose"),
        ("Encounter/example", "Encounter.status"),
        ("Encounter/f001", "Encounter.period"),
        ("Encounter/f203", "Encounter.class"),
        ("CommunicationRequest/example", "CommunicationRequest.requester"),
        ("Appointment/examplereq", "Appointment.status"),
        ("Procedure/f001", "Procedure.code"),
    ] {
        assert_eq!(said.get(what).map(String::as_str), Some(path), "{what}");
    }
}

fn patient(more: Value) -> Value {
    let mut patient = json!({"resourceType": "Patient", "id": "p1", "managingOrganization": {"reference": "Organization/1"}});
    patient.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    patient
}

fn appointment(version: u32, status: &str, start: &str) -> Value {
    json!({
        "resourceType": "Appointment", "id": "a1", "status": status, "start": start,
        "meta": {"versionId": version.to_string(), "lastUpdated": format!("2026-02-{:02}T10:00:00Z", version)},
        "participant": [
            {"actor": {"reference": "Patient/p1"}, "status": "accepted"},
            {"actor": {"reference": "Location/9", "display": "The East"}, "status": "accepted"},
        ],
    })
}

#[tokio::test]
async fn each_version_of_a_resource_counts_once_and_older_ones_change_nothing() {
    let place = Store::new("2026-03-02T09:00:00Z").await;
    let (first, moved) =
        (appointment(1, "booked", "2026-03-10T10:00:00+03:00"), appointment(5, "booked", "2026-03-12T10:00:00+03:00"));
    let account = place.send(&[patient(json!({})), first.clone()]).await;
    assert_eq!(account.of(Fate::Recorded), 2, "{account:?}");
    let account = place.send(&[first.clone(), moved.clone()]).await;
    assert_eq!((account.outcomes[0].fate, &account.outcomes[1].events), (Fate::There, &vec!["appointment.rescheduled"]));
    let head = place.events().await;
    // Late, and older than what is known; and one of the same version that was written in another order.
    let late = appointment(3, "cancelled", "2026-03-11T10:00:00+03:00");
    let account = place.send(std::slice::from_ref(&late)).await;
    assert_eq!(account.outcomes[0].fate, Fate::Older);
    assert!(account.outcomes[0].issues[0].to_string().contains("older version"), "{account:?}");
    let mut respelled = moved.clone();
    respelled["comment"] = json!("the same version, said in other words");
    let account = place.send(&[respelled]).await;
    assert_eq!(account.outcomes[0].fate, Fate::There, "{account:?}");
    assert_eq!(place.events().await, head);
    let state = place.state("his", "p1").await;
    let known = &state.appointments[0];
    assert_eq!((known.starts_at, known.status), (time("2026-03-12T07:00:00Z"), AppointmentStatus::Booked));
    assert_eq!((known.branch.as_str(), known.since), ("east", time("2026-02-05T10:00:00Z")));
    // And to its end, in one file with every version, the newest first.
    let done = appointment(9, "fulfilled", "2026-02-08T10:00:00+03:00");
    let account = place.send(&[done, appointment(7, "booked", "2026-02-08T10:00:00+03:00")]).await;
    assert_eq!(account.outcomes[1].events, ["appointment.rescheduled"], "{account:?}");
    assert_eq!(account.outcomes[0].events, ["appointment.completed"], "{account:?}");
}

#[tokio::test]
async fn a_person_who_changes_leads_to_what_is_new_and_a_death_is_recorded_once() {
    let place = Store::new("2026-03-02T09:00:00Z").await;
    let name = json!([{"family": "Safina", "given": ["Anna"]}]);
    let with = |version: u32, more: Value| {
        let mut one = patient(json!({"name": name, "meta": {"versionId": version.to_string()}}));
        one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one
    };
    let phone = |number: &str| json!({"telecom": [{"system": "phone", "value": number}]});
    place.send(&[with(1, phone("+7 900 000-00-01"))]).await;
    let account = place.send(&[with(2, phone("+7 900 000-00-02"))]).await;
    assert_eq!(account.outcomes[0].events, ["patient.profile_changed"]);
    let id = place.personal.by_external_id("his", "p1").await.unwrap().unwrap();
    let details = place.personal.person(id).await.unwrap().unwrap().details;
    assert_eq!((details.name.as_deref(), details.phone.as_deref()), (Some("Anna Safina"), Some("+7 900 000-00-02")));
    let account = place.send(&[with(1, phone("+7 900 000-00-01"))]).await;
    assert_eq!(account.outcomes[0].fate, Fate::Older, "an old number must not come back");
    let account = place
        .send(&[with(
            3,
            json!({"deceasedDateTime": "2026-03-01", "link": [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]}),
        )])
        .await;
    assert_eq!(account.outcomes[0].events, ["patient.died"]);
    assert!(account.outcomes[0].issues.iter().any(|issue| issue.path == "Patient.link[0]"), "a merge is listed, not made");
    assert_eq!(place.send(&[with(4, json!({"deceasedBoolean": true}))]).await.outcomes[0].fate, Fate::There);
    assert_eq!(place.send(&[with(5, json!({"deceasedBoolean": false}))]).await.outcomes[0].events, ["patient.restored"]);
}

#[tokio::test]
async fn what_was_interrupted_goes_on_and_what_is_erased_stays_so() {
    let place = Store::new("2026-03-02T09:00:00Z").await;
    let visit = json!({
        "resourceType": "Encounter", "id": "e1", "status": "finished", "class": {"code": "AMB"}, "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-02-01T10:00:00+03:00", "end": "2026-02-01T10:30:00+03:00"}, "serviceProvider": {"reference": "Organization/1"},
    });
    let all = [patient(json!({})), visit];
    let account = place.send(&all).await;
    assert_eq!(account.of(Fate::Recorded), 2);
    let head = place.events().await;
    let id = place.personal.by_external_id("his", "p1").await.unwrap().unwrap();
    // Nobody has noted the versions: as if the import had died right before.
    let known = place.personal.sources(&[]).await.unwrap();
    assert!(known.is_empty());
    tact_database::run!(place.personal.db(), "DELETE FROM sources").unwrap();
    let account = place.send(&all).await;
    assert_eq!((account.of(Fate::There), place.events().await), (2, head), "{account:?}");
    place.personal.erase(id).await.unwrap();
    let left: Option<(i64,)> = tact_database::one!(place.personal.db(), "SELECT count(*) FROM sources").unwrap();
    assert_eq!(left, Some((0,)), "the versions go with the person");
    let account = place.send(&[patient(json!({"name": [{"text": "Anna Safina"}]}))]).await;
    assert_eq!(account.outcomes[0].fate, Fate::Refused, "{account:?}");
    assert!(account.outcomes[0].issues[0].reason.contains("erased"), "{account:?}");
    assert!(place.personal.person(id).await.unwrap().is_none());
}

#[tokio::test]
async fn consents_and_requests_are_what_they_say() {
    let place = Store::new("2026-03-02T09:00:00Z").await;
    let sms = json!([{"coding": [{"system": "urn:tact:channel", "code": "sms"}]}]);
    let consent = |id: &str, kind: &str, date: &str, more: Value| {
        let mut consent = json!({
            "resourceType": "Consent", "id": id, "status": "active", "patient": {"reference": "https://his.example/fhir/Patient/p1"}, "dateTime": date,
            "sourceReference": {"reference": "DocumentReference/7"},
            "provision": {"type": kind, "purpose": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HMARKT"}], "code": sms},
        });
        consent["provision"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        consent
    };
    let request = |id: &str, more: Value| {
        let mut request = json!({
            "resourceType": "CommunicationRequest", "id": id, "status": "active", "subject": {"reference": "Patient/p1"}, "authoredOn": "2026-03-01T10:00:00+03:00",
            "medium": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", "code": "PHONE"}]}],
        });
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        request
    };
    let period = json!({"start": "2026-03-03T10:00:00+03:00", "end": "2026-03-03T12:00:00+03:00"});
    let told = json!([{"coding": [{"system": "urn:his:codes", "code": "told"}]}]);
    let account = place
        .send(&[
            patient(json!({})),
            consent("c1", "permit", "2026-02-01", json!({"period": {"end": "2026-12-31"}})),
            consent("c2", "permit", "2026-02-01", json!({"actor": [{"role": {"text": "x"}}]})),
            consent("c3", "deny", "2026-02-01", json!({})),
            request("r1", json!({"requester": {"reference": "Patient/p1"}, "occurrencePeriod": period})),
            request("r2", json!({"requester": {"reference": "Practitioner/1"}})),
            request("r3", json!({"category": told, "occurrencePeriod": period})),
            request(
                "r4",
                json!({"identifier": [{"system": "urn:tact:permit", "value": "1"}], "requester": {"reference": "Patient/p1"}}),
            ),
        ])
        .await;
    let fates: Vec<(Fate, Option<&str>)> =
        account.outcomes.iter().map(|outcome| (outcome.fate, outcome.issues.first().map(|issue| issue.path.as_str()))).collect();
    let refused = |path: &'static str| (Fate::Refused, Some(path));
    let recorded = (Fate::Recorded, None);
    assert_eq!(
        fates,
        [
            recorded,
            recorded,
            refused("Consent.provision.actor"),
            recorded,
            recorded,
            refused("CommunicationRequest.requester"),
            recorded,
            refused("CommunicationRequest.identifier"),
        ]
    );
    let state = place.state("his", "p1").await;
    let grant = &state.grants[0];
    assert_eq!(
        (grant.purpose.as_str(), grant.time, grant.expires_at),
        ("promotion", time("2026-01-31T21:00:00Z"), Some(time("2026-12-31T21:00:00Z")))
    );
    // Of one day, the refusal is the later word.
    assert_eq!(state.withdrawals[0].time, time("2026-02-01T20:59:59.999Z"));
    assert_eq!(state.requests[0].window.unwrap().from, time("2026-03-03T07:00:00Z"));
    assert_eq!(state.announcements[0].purpose.as_str(), "wellbeing_check");
}
