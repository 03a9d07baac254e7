//! The personal data store on both engines: what is written once stays as it was, what is erased is gone, and tokens are never readable.

use chrono::Duration;
use tact_personal::access::Token;
use tact_personal::words::Sought;
use tact_personal::{Details, ExternalId, Link, NewPerson, Personal, Put};
use uuid::Uuid;

use crate::projector::{Engine, WAIT};

fn ivanova() -> Details {
    Details {
        name: Some("Анна Иванова".to_owned()),
        phone: Some("+7 (912) 000-11-22".to_owned()),
        email: Some("Anna@Example.org".to_owned()),
        address: Some("ул. Ленина, 1".to_owned()),
        birth_date: Some("1980-02-29".to_owned()),
    }
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_written_once_for_one_command() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap();
        let person = NewPerson { patient: id(1), command: u64::MAX - 5, details: ivanova() };
        // The same command from several processes at once, and then another one under the same id.
        let (a, b) = tokio::join!(store.register(&person), store.register(&person));
        assert_eq!((a.unwrap(), b.unwrap()), (Put::Done, Put::Done), "{}", engine.name);
        let other = NewPerson { command: 6, details: Details::default(), ..person.clone() };
        assert_eq!(store.register(&other).await.unwrap(), Put::Other, "{}", engine.name);
        assert_eq!(store.person(id(1)).await.unwrap().unwrap().details, ivanova(), "{}", engine.name);
        assert_eq!(store.person(id(2)).await.unwrap(), None, "{}", engine.name);
        let new = Details { phone: Some("+7 999 1".to_owned()), ..Details::default() };
        assert!(store.change(id(1), new.clone()).await.unwrap(), "{}", engine.name);
        assert!(!store.change(id(2), new).await.unwrap(), "{}", engine.name);
        let changed = store.people(&[id(1), id(2)]).await.unwrap();
        assert_eq!(changed[0].details, Details { phone: Some("+7 999 1".to_owned()), ..ivanova() }, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_found_by_any_part_of_name_number_or_address() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap();
        let people = [
            NewPerson { patient: id(1), command: 1, details: ivanova() },
            NewPerson {
                patient: id(2),
                command: 2,
                details: Details { name: Some("100% Иван_ов".to_owned()), ..Details::default() },
            },
        ];
        let link = |value: &str, n| ExternalId { system: "book".to_owned(), value: value.to_owned(), patient: id(n) };
        store.register_new(&people, vec![link("9377952927E-5", 1), link("77", 2)]).await.unwrap();
        assert!(store.register_new(&people[..1], Vec::new()).await.is_err(), "{}", engine.name);
        let found = async |text: &str| {
            let found = store.search(text, Uuid::nil(), 10).await.unwrap();
            found.iter().map(|p| p.patient.as_u128()).collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("ИВАН", vec![1, 2]),
            ("иванова", vec![1]),
            ("912 000", vec![1]),
            ("+7912", vec![1]),
            ("anna@", vec![1]),
            ("%", vec![2]),
            ("n_o", vec![]),
            ("н_о", vec![2]),
            ("!", vec![]),
        ] {
            assert_eq!(found(text).await, expected, "{}: {text}", engine.name);
        }
        assert_eq!(store.search("иван", id(1), 10).await.unwrap().len(), 1, "{}", engine.name);
        assert_eq!(store.by_external_id("book", "9377952927E-5").await.unwrap(), Some(id(1)), "{}", engine.name);
        assert_eq!(store.by_external_id("book", "93779.52927").await.unwrap(), None, "{}", engine.name);
        let page = store.external_ids_of("book", "", 1).await.unwrap();
        assert_eq!(page, [link("77", 2)], "{}", engine.name);
        assert_eq!(store.external_ids_of("book", "77", 10).await.unwrap(), [link("9377952927E-5", 1)], "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_found_by_the_beginnings_of_words_until_they_are_erased_or_called_otherwise() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap();
        let details = |name: &str, phone: &str| Details {
            name: Some(name.to_owned()),
            phone: Some(phone.to_owned()),
            ..Details::default()
        };
        let one = NewPerson { patient: id(1), command: 1, details: details("Ёлкина Анна", "+7 912 000-45-67") };
        assert_eq!(store.register(&one).await.unwrap(), Put::Done);
        let many = [(2, "Anna Smirnova", "8 (912) 000-45-68"), (3, "Елкин Пётр", "+7 495 111-22-33"), (4, "100% Zed", "")];
        let many = many.map(|(n, name, phone)| NewPerson { patient: id(n), command: n as u64, details: details(name, phone) });
        store.register_new(&many, Vec::new()).await.unwrap();
        let found = async |text: &str| {
            let Some(sought) = Sought::read(text) else { return Vec::new() };
            let found = store.find(&sought, Uuid::nil(), 10).await.unwrap();
            found.iter().map(|p| p.patient.as_u128()).collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("елк", vec![1, 3]),
            ("ЁЛК", vec![1, 3]),
            ("Анна", vec![1]),
            ("anna", vec![2]),
            ("елк анна", vec![1]),
            ("елк пет", vec![3]),
            ("лкина", vec![]),
            ("4567", vec![1]),
            ("00045", vec![1, 2]),
            ("+7 912 000-45-68", vec![2]),
            ("zed", vec![4]),
            ("%%%", vec![]),
            ("an", vec![]),
        ] {
            assert_eq!(found(text).await, expected, "{}: {text}", engine.name);
        }
        let sought = Sought::read("елк").unwrap();
        assert_eq!(store.find(&sought, Uuid::nil(), 1).await.unwrap().len(), 1, "{}", engine.name);
        assert_eq!(store.find(&sought, id(1), 10).await.unwrap()[0].patient, id(3), "{}", engine.name);
        assert!(store.change(id(1), Details { name: Some("Берёзкина".to_owned()), ..Details::default() }).await.unwrap());
        assert_eq!(
            (found("елкина").await, found("березк").await, found("4567").await),
            (vec![], vec![1], vec![1]),
            "{}",
            engine.name
        );
        store.erase(id(1)).await.unwrap();
        assert_eq!((found("березк").await, found("4567").await), (vec![], vec![]), "{}", engine.name);
        let left: Option<(i64,)> =
            tact_database::one!(store.db(), "SELECT count(*) FROM search_words WHERE patient = $1", id(1)).unwrap();
        assert_eq!(left, Some((0,)), "{}", engine.name);
        // Whoever was there before there were words gets theirs at a start.
        tact_database::run!(store.db(), "DELETE FROM search_words").unwrap();
        tact_database::run!(store.db(), "UPDATE likeness_made SET version = 1").unwrap();
        assert_eq!(found("zed").await, Vec::<u128>::new());
        store.make_likeness_keys().await.unwrap();
        assert_eq!((found("zed").await, found("елк").await), (vec![4], vec![3]), "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notes_and_links_are_written_once_and_say_when_they_differ() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap();
        assert_eq!(store.put_note(id(10), id(1), "плачет, нужен рентген").await.unwrap(), Put::Done);
        assert_eq!(store.put_note(id(10), id(1), "плачет, нужен рентген").await.unwrap(), Put::Done);
        assert_eq!(store.put_note(id(10), id(1), "other").await.unwrap(), Put::Other, "{}", engine.name);
        assert_eq!(store.put_note(id(10), id(2), "плачет, нужен рентген").await.unwrap(), Put::Other, "{}", engine.name);
        assert_eq!(store.notes(id(1)).await.unwrap(), [(id(10), "плачет, нужен рентген".to_owned())], "{}", engine.name);
        assert_eq!(store.link("crm", "a", id(1)).await.unwrap(), Link::Done);
        assert_eq!(store.link("crm", "a", id(1)).await.unwrap(), Link::Done);
        assert_eq!(store.link("crm", "a", id(2)).await.unwrap(), Link::Other(id(1)), "{}", engine.name);
        assert_eq!(store.link("lab", "a", id(2)).await.unwrap(), Link::Done, "{}", engine.name);
        assert_eq!(store.external_ids(id(1)).await.unwrap().len(), 1, "{}", engine.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_is_gone_for_good_from_the_files_too() {
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap();
        let person = NewPerson { patient: id(1), command: 1, details: ivanova() };
        assert_eq!(store.register(&person).await.unwrap(), Put::Done);
        assert_eq!(store.put_note(id(10), id(1), "a-note-to-be-forgotten").await.unwrap(), Put::Done);
        assert_eq!(store.link("crm", "crm-id-to-be-forgotten", id(1)).await.unwrap(), Link::Done);
        store.erase(id(1)).await.unwrap();
        store.erase(id(1)).await.unwrap();
        store.erase(id(77)).await.unwrap();
        assert_eq!(store.person(id(1)).await.unwrap(), None, "{}", engine.name);
        assert_eq!(store.people(&[id(1)]).await.unwrap(), [], "{}", engine.name);
        assert_eq!(store.notes(id(1)).await.unwrap(), [], "{}", engine.name);
        assert_eq!(store.by_external_id("crm", "crm-id-to-be-forgotten").await.unwrap(), None, "{}", engine.name);
        assert_eq!(store.search("анна", Uuid::nil(), 10).await.unwrap(), [], "{}", engine.name);
        // A retry that comes too late brings nothing back.
        assert_eq!(store.register(&person).await.unwrap(), Put::Erased, "{}", engine.name);
        assert_eq!(store.put_note(id(11), id(1), "late").await.unwrap(), Put::Erased, "{}", engine.name);
        assert_eq!(store.link("crm", "b", id(1)).await.unwrap(), Link::Erased, "{}", engine.name);
        assert!(!store.change(id(1), ivanova()).await.unwrap(), "{}", engine.name);
        if let tact_database::Target::Sqlite(folder) = &engine.target {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                let bytes = std::fs::read(&path).unwrap();
                for secret in ["Иванова", "иванова", "000-11-22", "79120001122", "to-be-forgotten"] {
                    let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                    assert!(!found, "{secret} is still in {}", path.display());
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_line_shows_nothing_of_a_person() {
    let person = NewPerson { patient: id(1), command: 1, details: ivanova() };
    let text = format!("{person:?}");
    for secret in ["Анна", "912", "Example", "Ленина", "1980"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains("name: \"known\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_kept_by_their_hash_and_the_first_is_made_once() {
    let now: tact_database::Time = "2026-05-01T09:00:00.5Z".parse().unwrap();
    for engine in Engine::both().await {
        let store = Personal::open(&engine.target, WAIT).await.unwrap();
        let token = |n: u128| Token {
            id: id(n),
            actor: id(100 + n),
            label: format!("desk {n}"),
            roles: vec!["administrator".to_owned(), "clinician".to_owned()],
            branches: (n != 1).then(|| vec!["north".to_owned()]),
            created_at: now,
            expires_at: (n == 2).then(|| now + Duration::days(1)),
            revoked_at: None,
        };
        let first: Vec<_> = (1..9)
            .map(|n| {
                let (store, token) = (store.clone(), Token { id: id(1000 + n), ..token(1) });
                tokio::spawn(async move { store.add_first_token(&token, &[u8::try_from(n).unwrap(); 32]).await.unwrap() })
            })
            .collect();
        let mut added = 0;
        for first in first {
            added += u32::from(first.await.unwrap());
        }
        assert_eq!(added, 1, "{}", engine.name);
        assert!(store.add_token(&token(2), &[42; 32]).await.unwrap(), "{}", engine.name);
        assert!(!store.add_token(&token(2), &[43; 32]).await.unwrap(), "{}", engine.name);
        let found = store.token(&[42; 32]).await.unwrap().unwrap();
        assert_eq!(found, token(2), "{}", engine.name);
        assert!(found.holds(now) && !found.holds(now + Duration::days(1)), "{}", engine.name);
        assert_eq!(store.token(&[43; 32]).await.unwrap(), None, "{}", engine.name);
        assert!(
            store.revoke_token(id(2), now).await.unwrap() && store.revoke_token(id(2), now + Duration::days(9)).await.unwrap()
        );
        assert!(!store.revoke_token(id(3), now).await.unwrap(), "{}", engine.name);
        let revoked = store.token(&[42; 32]).await.unwrap().unwrap();
        assert_eq!((revoked.revoked_at, revoked.holds(now)), (Some(now), false), "{}", engine.name);
        assert_eq!(store.tokens().await.unwrap().len(), 2, "{}", engine.name);
    }
}
