//! The import of an appointment book: on a small one of our own, and on a part of the real one, where it is. Its licence forbids shipping it:
//! without it the tests say that they skipped. All of it goes in on [the working day](crate::working_day).

mod command;
mod people;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};
use tact::import::mapping::{self, Mapping};
use tact::import::{Account, Count, Progress, Stores, read, write};
use tact_database::Target;
use tact_domain::Time;
use tact_domain::patient::state::{AppointmentStatus, Standing};
use tact_event_log::{EventLog, MemoryLog, SqliteLog};
use tact_personal::Personal;
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::transact::Transactor;

/// What a book is imported into.
struct Place {
    clock: Clock,
    transactor: Transactor,
    control: Control,
    personal: Personal,
    keys: IdKey,
    folder: tempfile::TempDir,
}

impl Place {
    async fn new(now: &str, log: impl Fn(&Path) -> Arc<dyn EventLog>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::by_hand(time(now));
        let log = log(folder.path());
        let personal = Personal::open(&Target::sqlite(folder.path()), Duration::from_secs(5)).await.unwrap();
        Self {
            transactor: Transactor::new(log.clone(), "test", clock.clone(), 10_000),
            control: Control::new(log, "test", clock.clone()),
            clock,
            personal,
            keys: IdKey::new(&[7; 32]),
            folder,
        }
    }

    async fn in_memory(now: &str) -> Self {
        Self::new(now, |_| Arc::new(MemoryLog::new())).await
    }

    fn stores(&self) -> Stores<'_> {
        Stores { transactor: &self.transactor, control: &self.control, personal: &self.personal, keys: &self.keys }
    }

    async fn import(&self, file: &Path, mapping: &Mapping, dry_run: bool) -> Account {
        let book = read(file, mapping).unwrap();
        let account = write(self.stores(), &book, mapping, dry_run, &Progress::hidden()).await.unwrap();
        assert!(account.balances(), "{account}");
        account
    }

    async fn state(&self, id: &str) -> tact_domain::patient::State {
        let patient = self.personal.by_external_id("noshow-vitoria", id).await.unwrap().unwrap();
        self.transactor.patient_now(patient).await.unwrap().state.clone()
    }

    fn file(&self, text: &str) -> PathBuf {
        let path = self.folder.path().join("book.csv");
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

fn vitoria() -> Mapping {
    mapping::parse(include_bytes!("../../mappings/noshow-vitoria.toml")).unwrap()
}

/// The real book, where it is.
pub(crate) fn real_book() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/noshow-vitoria/KaggleV2-May-2016.csv.gz");
    let there = path.exists();
    if !there {
        println!("skipped: {} is not there, and its licence forbids shipping it", path.display());
    }
    there.then_some(path)
}

pub(crate) const HEADER: &str = "PatientId,AppointmentID,ScheduledDay,AppointmentDay,Neighbourhood,SMS_received,No-show";

/// Two patients: one comes twice, one of the visits booked after it was missed, and one books for the day itself.
const SMALL: &[&str] = &[
    "9377952927E-5,a1,2016-05-02T07:00:00Z,2016-05-20T00:00:00Z,JOANA D´ARC,1,Yes",
    "9377952927E-5,a2,2016-05-24T09:30:00Z,2016-05-23T00:00:00Z,JOANA D´ARC,0,Yes",
    "42,a3,2016-05-20T10:00:00Z,2016-05-20T00:00:00Z,CENTRO,0,No",
];

fn small() -> String {
    format!("{HEADER}\n{}\n", SMALL.join("\n"))
}

pub(crate) fn count(recorded: u64, there: u64, later: u64, refused: u64) -> Count {
    Count { recorded, there, later, refused }
}

#[tokio::test]
async fn facts_have_the_times_that_the_mapping_states() {
    let place = Place::in_memory("2016-06-10T12:00:00Z").await;
    let account = place.import(&place.file(&small()), &vitoria(), false).await;
    assert_eq!(account.rows, count(3, 0, 0, 0));
    assert_eq!((account.patients, account.branches), (count(2, 0, 0, 0), count(2, 0, 0, 0)));
    assert_eq!(account.recorded(), 2 + 3 + 3 + 1);
    let state = place.state("9377952927E-5").await;
    assert_eq!(state.home_branch.unwrap().as_str(), "joana-d-arc");
    assert_eq!(state.time_zone, "America/Sao_Paulo");
    // Nobody came at eight; what was booked a day after its visit was missed when it was booked.
    let fates: Vec<_> = state.appointments.iter().map(|a| (a.starts_at, a.status)).collect();
    assert_eq!(
        fates,
        [
            (time("2016-05-20T11:00:00Z"), AppointmentStatus::Missed(time("2016-05-20T11:00:00Z"))),
            (time("2016-05-23T11:00:00Z"), AppointmentStatus::Missed(time("2016-05-24T12:30:00Z"))),
        ]
    );
    let reminder = &state.contacts[0];
    assert_eq!((reminder.time, reminder.about), (time("2016-05-19T15:00:00Z"), Some(state.appointments[0].id)));
    let state = place.state("42").await;
    assert_eq!(state.appointments[0].status, AppointmentStatus::Completed(time("2016-05-20T13:00:00Z")));
    let branch = &place.control.directory().branches[&"joana-d-arc".parse().unwrap()];
    assert_eq!((branch.name.as_str(), branch.time_zone.as_str()), ("JOANA D´ARC", "America/Sao_Paulo"));
}

#[tokio::test]
async fn nothing_later_than_the_clock_goes_in_until_a_later_run() {
    let place = Place::in_memory("2016-05-19T15:00:00Z").await;
    let file = place.file(&small());
    let first = place.import(&file, &vitoria(), false).await;
    assert_eq!((first.rows, first.unfinished), (count(1, 0, 2, 0), 1));
    assert_eq!((first.patients, first.branches), (count(1, 0, 1, 0), count(1, 0, 1, 0)));
    assert_eq!(first.events["contact.made"], count(1, 0, 0, 0));
    assert_eq!(first.events["appointment.missed"], count(0, 0, 2, 0));
    place.clock.set(time("2016-05-19T16:00:00Z"));
    assert_eq!(place.import(&file, &vitoria(), false).await.rows, count(0, 1, 2, 0));
    place.clock.set(time("2016-05-23T12:00:00Z"));
    let third = place.import(&file, &vitoria(), false).await;
    assert_eq!((third.rows, third.unfinished), (count(2, 0, 1, 0), 0));
    place.clock.set(time("2016-05-24T12:30:00Z"));
    assert_eq!(place.import(&file, &vitoria(), false).await.rows, count(1, 2, 0, 0));
    let last = place.import(&file, &vitoria(), false).await;
    assert_eq!((last.rows, last.recorded()), (count(0, 3, 0, 0), 0));
    assert_eq!(place.state("9377952927E-5").await.appointments.len(), 2);
}

#[tokio::test]
async fn a_dry_run_says_what_a_run_would_do_and_does_nothing() {
    let place = Place::in_memory("2016-05-21T00:00:00Z").await;
    let file = place.file(&small());
    for _ in 0..2 {
        let dry = place.import(&file, &vitoria(), true).await;
        assert_eq!(place.transactor.log().head().await.unwrap(), tact_event_log::Position::START);
        let place = Place::in_memory("2016-05-21T00:00:00Z").await;
        let wet = place.import(&file, &vitoria(), false).await;
        assert_eq!(Account { dry_run: false, ..dry }, wet);
    }
}

#[tokio::test]
async fn damaged_rows_are_listed_and_the_rest_goes_in() {
    let place = Place::in_memory("2016-06-10T12:00:00Z").await;
    let rows = [
        "7,b1,2016-05-02,2016-05-03T00:00:00Z,CENTRO,0,No",
        "8,b2",
        "9,a3,2016-05-02T07:00:00Z,2016-05-03T00:00:00Z,CENTRO,0,No",
    ];
    let account = place.import(&place.file(&format!("{}{}\n", small(), rows.join("\n"))), &vitoria(), false).await;
    assert_eq!(account.rows, count(3, 0, 0, 3));
    let listed: Vec<String> = account.refusals.iter().map(ToString::to_string).collect();
    assert_eq!(
        listed,
        [
            "line 5, column 3 (`ScheduledDay`): `2016-05-02` is not a time in the form `%Y-%m-%dT%H:%M:%SZ`",
            "line 6: it has 2 columns, the first line has 7",
            "line 7, column 2 (`AppointmentID`): line 4 is about the same appointment",
        ]
    );
}

#[tokio::test]
async fn a_purpose_that_no_policy_knows_is_named_before_anything_is_recorded() {
    let place = Place::in_memory("2016-06-10T12:00:00Z").await;
    let text =
        include_str!("../../mappings/noshow-vitoria.toml").replace("\"appointment_reminder\"", "\"appointment_remainder\"");
    let mapping = mapping::parse(text.as_bytes()).unwrap();
    let book = read(&place.file(&small()), &mapping).unwrap();
    for dry_run in [true, false] {
        let error = write(place.stores(), &book, &mapping, dry_run, &Progress::hidden()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the mapping's contact by column `SMS_received`: no policy knows the purpose `appointment_remainder`; did you mean \
             `appointment_reminder`?"
        );
        assert_eq!(place.transactor.log().head().await.unwrap(), tact_event_log::Position::START);
    }
}

#[tokio::test]
async fn what_contradicts_the_log_is_refused_and_listed() {
    use tact_domain::patient::events::{AppointmentRef, Event};
    let place = Place::in_memory("2016-05-19T15:00:00Z").await;
    let file = place.file(&small());
    place.import(&file, &vitoria(), false).await;
    // The book says that the patient did not come; the desk has seen them.
    place.clock.set(time("2016-06-10T12:00:00Z"));
    let patient = place.personal.by_external_id("noshow-vitoria", "9377952927E-5").await.unwrap().unwrap();
    let appointment = place.state("9377952927E-5").await.appointments[0].id;
    let command = tact_service::transact::Command {
        event: place.keys.derive(&[b"desk"]),
        fingerprint: None,
        time: None,
        actor: tact_domain::Actor::System("test".into()),
        branch: None,
        cause: None,
    };
    place.transactor.record(patient, &command, &Event::Completed(AppointmentRef { appointment })).await.unwrap();
    for dry_run in [true, false] {
        let account = place.import(&file, &vitoria(), dry_run).await;
        assert_eq!(account.rows, count(2, 0, 0, 1));
        let listed: Vec<String> = account.refusals.iter().map(ToString::to_string).collect();
        assert_eq!(
            listed,
            [format!("line 2, column 7 (`No-show`): `appointment`: {appointment} has taken place and cannot be missed")]
        );
    }
}

#[tokio::test]
async fn whoever_was_erased_stays_erased() {
    use tact_domain::patient::events::{Empty, Event};
    let place = Place::in_memory("2016-06-10T12:00:00Z").await;
    let file = place.file(&small());
    place.import(&file, &vitoria(), false).await;
    let patient = place.personal.by_external_id("noshow-vitoria", "42").await.unwrap().unwrap();
    let command = tact_service::transact::Command {
        event: place.keys.derive(&[b"erase"]),
        fingerprint: None,
        time: None,
        actor: tact_domain::Actor::System("test".into()),
        branch: None,
        cause: None,
    };
    place.transactor.record(patient, &command, &Event::Erased(Empty {})).await.unwrap();
    place.personal.erase(patient).await.unwrap();
    for dry_run in [true, false] {
        let account = place.import(&file, &vitoria(), dry_run).await;
        assert_eq!((account.rows, account.recorded()), (count(0, 2, 0, 1), 0));
        assert_eq!(account.refusals[0].reason, "the patient was erased, and stays so");
    }
    assert_eq!(place.personal.by_external_id("noshow-vitoria", "42").await.unwrap(), None);
    assert_eq!(place.transactor.patient_now(patient).await.unwrap().state.standing, Standing::Erased);
}

/// What the real book says, counted without any of the import's code: all its times are written so that they compare as texts.
#[derive(Default)]
pub(crate) struct Expected {
    rows: u64,
    patients: HashSet<String>,
    branches: HashSet<String>,
    booked: u64,
    later: u64,
    reminders: u64,
    completed: u64,
    missed: u64,
}

pub(crate) fn expect(text: &str, clock: &str) -> Expected {
    let mut expected = Expected::default();
    let mut lines = csv::Reader::from_reader(text.as_bytes());
    for line in lines.records() {
        let line = line.unwrap();
        let (booked, day) = (&line[3], &line[4][..10]);
        expected.rows += 1;
        if booked > clock {
            expected.later += 1;
            continue;
        }
        expected.patients.insert(line[0].to_owned());
        expected.branches.insert(line[6].to_owned());
        expected.booked += 1;
        let start = format!("{day}T08:00:00Z");
        if booked.max(&start) <= clock {
            *(if &line[13] == "Yes" { &mut expected.missed } else { &mut expected.completed }) += 1;
        }
        let noon: NaiveDateTime = format!("{day}T12:00:00").parse().unwrap();
        let reminder = (noon - TimeDelta::days(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        expected.reminders += u64::from(&line[12] == "1" && booked.max(&reminder) <= clock);
    }
    expected
}

#[track_caller]
pub(crate) fn check(account: &Account, expected: &Expected) {
    assert_eq!(account.read, expected.rows);
    assert_eq!(
        (account.rows.recorded + account.rows.there, account.rows.later, account.rows.refused),
        (expected.booked, expected.later, 0)
    );
    let patients = expected.patients.len() as u64;
    let all = |count: &Count| count.recorded + count.there;
    assert_eq!((all(&account.patients), all(&account.branches)), (patients, expected.branches.len() as u64));
    let events: HashMap<&str, u64> = account.events.iter().map(|(kind, count)| (*kind, all(count))).collect();
    let wanted = [
        ("patient.registered", patients),
        ("appointment.booked", expected.booked),
        ("contact.made", expected.reminders),
        ("appointment.completed", expected.completed),
        ("appointment.missed", expected.missed),
    ];
    assert_eq!(events, HashMap::from(wanted));
}

pub(crate) fn unpacked(book: &Path) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(book).unwrap()).read_to_string(&mut text).unwrap();
    text
}

/// The rows of the first patients of a book.
fn slice(text: &str, patients: usize) -> String {
    let mut taken = HashSet::new();
    let mut part = String::new();
    for (number, line) in text.lines().enumerate() {
        let patient = line.split(',').next().unwrap();
        if number == 0 || taken.contains(patient) || (taken.len() < patients && taken.insert(patient.to_owned())) {
            part.push_str(line);
            part.push('\n');
        }
    }
    part
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_of_the_real_book_goes_in_as_the_clock_goes_on() {
    let Some(book) = real_book() else { return };
    let part = slice(&unpacked(&book), 3000);
    let place =
        Place::new("2016-05-10T09:00:00-03:00", |folder| Arc::new(SqliteLog::open(&folder.join("log.db"), "test").unwrap()))
            .await;
    let file = place.file(&part);
    for clock in ["2016-05-10T09:00:00", "2016-05-16T08:00:00", "2016-06-10T00:00:00"] {
        place.clock.set(time(&format!("{clock}-03:00")));
        let expected = expect(&part, &format!("{clock}Z"));
        check(&place.import(&file, &vitoria(), true).await, &expected);
        check(&place.import(&file, &vitoria(), false).await, &expected);
        let again = place.import(&file, &vitoria(), false).await;
        check(&again, &expected);
        assert_eq!(again.recorded(), 0);
    }
}
