//! A book with people in it, as record systems export one: Windows-1251 with semicolons, names, consents and cancellations; what is refused for
//! its encoding; and that no reason repeats anything personal.

use tact::import::mapping::{self, Mapping};
use tact::import::{read, write};
use tact_domain::patient::state::AppointmentStatus;
use tact_domain::{Channel, Time};
use tact_personal::Details;

use super::{Place, count, time};

const BOOK: &[u8] = include_bytes!("../../mappings/clinic-ru.csv");
const MAPPING: &str = include_str!("../../mappings/clinic-ru.toml");
const HEADER: &str = "КодПациента;Фамилия;Имя;Отчество;ДатаРождения;Телефон;Почта;Язык;НомерЗаписи;ДатаСоздания;ДатаПриема;Филиал;\
                      Состояние;ДатаОтмены;СогласиеНаРассылку;НомерСогласия;ДатаСогласия";
const ROW: &str = "7;Иванова;Юлия;;17.05.1984;8 912 000-11-22;i@example.org;ru;З-1;02.02.2026 10:15:00;10.02.2026 09:30:00;Центр на Чехова;\
                   Прием состоялся;;Да;С-7;02.02.2026";
const NOON: &str = "2026-03-02T09:00:00Z";

fn parsed(text: &str) -> Mapping {
    mapping::parse(text.as_bytes()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn utf8() -> Mapping {
    parsed(&MAPPING.replace("encoding = \"windows-1251\"\n", ""))
}

fn in_1251(text: &str) -> Vec<u8> {
    let (bytes, _, lossy) = encoding_rs::WINDOWS_1251.encode(text);
    assert!(!lossy);
    bytes.into_owned()
}

impl Place {
    fn bytes(&self, bytes: &[u8]) -> std::path::PathBuf {
        let path = self.folder.path().join("book.csv");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn details(&self, id: &str) -> (tact_domain::patient::State, Details) {
        let patient = self.personal.by_external_id("clinic-ru", id).await.unwrap().unwrap();
        let state = self.transactor.patient_now(patient).await.unwrap().state.clone();
        (state, self.personal.person(patient).await.unwrap().unwrap().details)
    }
}

#[tokio::test]
async fn a_book_in_windows_1251_goes_in_with_its_people_consents_and_cancellations() {
    let place = Place::in_memory(NOON).await;
    let (file, mapping) = (place.bytes(BOOK), parsed(MAPPING));
    let dry = place.import(&file, &mapping, true).await;
    let account = place.import(&file, &mapping, false).await;
    assert_eq!((account.rows, account.patients), (count(5, 0, 0, 0), count(4, 0, 0, 0)), "{account}");
    assert_eq!(tact::import::Account { dry_run: false, ..dry }, account);
    assert_eq!(
        (account.events["consent.granted"], account.events["appointment.cancelled"]),
        (count(1, 0, 0, 0), count(2, 0, 0, 0))
    );

    let (state, who) = place.details("00-000017").await;
    let known = |text: &str| Some(text.to_owned());
    assert_eq!(who.name, known("Иванова Юлия Сергеевна"));
    assert_eq!((who.phone, who.email), (known("8 912 000-11-22"), known("ivanova@example.org")));
    assert_eq!(who.birth_date, known("1984-05-17"));
    assert_eq!((state.language.as_deref(), state.home_branch.unwrap().as_str().to_owned()), (Some("ru"), "north".to_owned()));
    let grant = &state.grants[0];
    assert_eq!((grant.channels.as_slice(), grant.time), (&[Channel::Sms, Channel::Email][..], time("2026-02-02T09:00:00Z")));
    // A name that was broken over two lines, without a father's name, and an appointment that the clinic cancelled.
    let (state, who) = place.details("00-000018").await;
    assert_eq!(who.name, known("Соловьёва Седая Анна"));
    assert_eq!(state.appointments[0].status, AppointmentStatus::Cancelled(time("2026-02-20T14:40:00Z")));
    assert!(state.appointments[0].clinic_change.is_some(), "the patient is owed a word");
    // Without a date it was cancelled as soon as it was booked, and the patient knows.
    let (state, _) = place.details("00-000020").await;
    assert_eq!(state.appointments[0].status, AppointmentStatus::Cancelled(time("2026-02-12T06:10:00Z")));
    assert_eq!(state.appointments[0].clinic_change, None);

    let again = place.import(&file, &mapping, false).await;
    assert_eq!((again.rows, again.recorded()), (count(0, 5, 0, 0), 0));
    // Nothing of who they are is in the log.
    let log = place.transactor.log();
    let mut follow = log.follow("text", tact_event_log::Position::START).await.unwrap();
    let head = log.head().await.unwrap();
    let mut come = tact_event_log::Position::START;
    while come < head {
        for stored in follow.next(100, std::time::Duration::from_secs(10)).await.unwrap().events {
            come = stored.position;
            let text = String::from_utf8(stored.bytes.to_vec()).unwrap();
            assert!(!["Иванова", "000-11-22", "example.org", "С-7", "17.05"].iter().any(|word| text.contains(word)), "{text}");
        }
    }
}

#[track_caller]
fn unreadable(place: &Place, bytes: &[u8], mapping: &Mapping, expected: &str) {
    let error = format!("{:#}", read(&place.bytes(bytes), mapping).unwrap_err());
    assert!(error.ends_with(expected), "{error}\n{expected}");
    assert!(!error.contains("Иванова"), "{error}");
}

#[tokio::test]
async fn a_book_in_another_encoding_than_stated_is_refused_with_its_place_and_the_setting() {
    let place = Place::in_memory(NOON).await;
    let text = format!("{HEADER}\r\n{ROW}\r\n");
    let is_1251 = "it looks like Windows-1251: write `encoding = \"windows-1251\"` into the mapping, or save the file as UTF-8";
    let is_utf8 = "it is UTF-8, but the mapping says `encoding = \"windows-1251\"`; take that line out";
    unreadable(&place, &in_1251(&text), &utf8(), &format!("line 1, column 1: {is_1251}"));
    unreadable(&place, text.as_bytes(), &parsed(MAPPING), &format!("line 1, column 1: {is_utf8}"));
    unreadable(&place, format!("\u{feff}{text}").as_bytes(), &parsed(MAPPING), &format!("line 1, column 1: {is_utf8}"));
    // A first line in plain letters tells nothing: the first field that does is named.
    let latin = |mapping: &str| {
        let names = HEADER
            .split(';')
            .zip(0..)
            .fold(mapping.to_owned(), |text, (name, n)| text.replace(&format!("\"{name}\""), &format!("\"c{n}\"")));
        (parsed(&names), (0..17).map(|n| format!("c{n}")).collect::<Vec<_>>().join(";"))
    };
    let (mapping, header) = latin(MAPPING);
    unreadable(&place, format!("{header}\n{ROW}\n").as_bytes(), &mapping, &format!("line 2, column 2 (`c1`): {is_utf8}"));
    let (mapping, header) = latin(&MAPPING.replace("encoding = \"windows-1251\"\n", ""));
    unreadable(&place, &in_1251(&format!("{header}\n{ROW}\n")), &mapping, &format!("line 2, column 2 (`c1`): {is_1251}"));
    // As UTF-8 it goes in, with or without a byte order mark.
    for text in [text.clone(), format!("\u{feff}{text}")] {
        let book = read(&place.bytes(text.as_bytes()), &utf8()).unwrap();
        let account = write(place.stores(), &book, &utf8(), true, &tact::import::Progress::hidden()).await.unwrap();
        assert_eq!(account.rows, count(1, 0, 0, 0), "{account}");
    }
}

#[tokio::test]
async fn a_row_that_is_refused_does_not_say_who_it_was() {
    let place = Place::in_memory(NOON).await;
    let cases = [
        (
            "8 912 000-11-22",
            "спросить маму",
            "column 6 (`Телефон`): is not a telephone number; write 5 to 15 digits, with the country's code: +7 495 000-00-00",
        ),
        (
            "i@example.org",
            "Иванова",
            "column 7 (`Почта`): is not an address for electronic mail; it has the form name@example.org",
        ),
        ("17.05.1984", "17.05.84г", "column 5 (`ДатаРождения`): it is not a day of the calendar in the form `%d.%m.%Y`"),
        ("17.05.1984", "17.05.2984", "column 5 (`ДатаРождения`): it is not between 1880-01-01 and today"),
        (";ru;", ";Иванова;", "column 8 (`Язык`): is not a language tag (BCP 47); write one such as `ru` or `en-GB`"),
        (
            "Да;С-7;",
            "Да;;",
            "column 16 (`НомерСогласия`): without a document there is no consent; write its number, at most 200 bytes",
        ),
        // A column that slipped: what stands in the wrong place may be a name.
        ("02.02.2026 10:15:00", "Иванова", "column 10 (`ДатаСоздания`): it is not a time in the form `%d.%m.%Y %H:%M:%S`"),
        (
            "Прием состоялся",
            "Иванова",
            "column 13 (`Состояние`): it is none of the mapping's words `Прием состоялся`, `Не явился`, `Запланирован`, `Отменен пациентом`, `Отменен клиникой`",
        ),
    ];
    for (good, bad, expected) in cases {
        let text = format!("{HEADER}\n{}\n", ROW.replacen(good, bad, 1));
        let account = place.import(&place.bytes(&in_1251(&text)), &parsed(MAPPING), true).await;
        let listed: Vec<String> = account.refusals.iter().map(ToString::to_string).collect();
        assert_eq!(listed, [format!("line 2, {expected}")]);
        assert_eq!(account.patients.total(), 0);
    }
}

#[tokio::test]
async fn one_consent_in_many_rows_is_one_and_another_document_is_another() {
    let place = Place::in_memory(NOON).await;
    let second = ROW.replacen("З-1", "З-2", 1);
    let third = second.replacen("З-2", "З-3", 1).replacen("С-7;02.02.2026", "С-8;03.02.2026", 1);
    let text = format!("{HEADER}\n{ROW}\n{second}\n{third}\n");
    let account = place.import(&place.bytes(&in_1251(&text)), &parsed(MAPPING), false).await;
    assert_eq!(account.events["consent.granted"], count(2, 0, 0, 0), "{account}");
    let (state, _) = place.details("7").await;
    let times: Vec<Time> = state.grants.iter().map(|grant| grant.time).collect();
    assert_eq!(times, [time("2026-02-02T09:00:00Z"), time("2026-02-03T09:00:00Z")]);
}

#[test]
fn what_is_wrong_with_such_a_mapping_is_named() {
    let mistakes = |good: &str, bad: &str| -> Vec<String> {
        let text = MAPPING.replacen(good, bad, 1);
        mapping::parse(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect()
    };
    for (good, bad, expected) in [
        (
            "windows-1251\"\nd",
            "koi8-r\"\nd",
            "`koi8-r` is not an encoding; write `utf-8` or `windows-1251`, or save the file as UTF-8",
        ),
        ("document = \"НомерСогласия\"\n", "", "`document` is missing"),
        (
            "method = \"paper\"",
            "method = \"На бумаге\"",
            "`method` is `На бумаге`; write one word of a-z, 0-9, `_` and `-`, such as `paper`",
        ),
        ("phone = ", "fone = ", "unknown field `fone`; did you mean `phone`?"),
        ("%d.%m.%Y\", time = \"12:00\"", "%d.%m.%Y\"", "which cannot be read back"),
        (
            "open = [\"Запланирован\"]",
            "open = [\"Не явился\"]",
            "the word `Не явился` stands for two things here; it can mean one",
        ),
    ] {
        let found = mistakes(good, bad);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}\n{found:?}");
    }
}
