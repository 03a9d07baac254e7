//! One number however it is written, and the fingerprints of those who were written before there were any.

use std::path::Path;

use tact_personal::number::Numbering;
use tact_personal::{Details, NewPerson, Personal};
use tact_service::ids::IdKey;
use uuid::Uuid;

use crate::projector::{Engine, WAIT};

pub(crate) fn numbering(region: &str) -> Numbering {
    let key = IdKey::new(&[7; 32]);
    Numbering::new(region, move |form| key.number(form)).unwrap()
}

#[test]
fn every_valid_example_of_every_country_is_one_number_in_three_spellings() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/phone-examples/phone-examples.csv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        println!("not looked at, since {} is not here", file.display());
        return;
    };
    let (mut rows, mut seen) = (0, std::collections::BTreeMap::new());
    for row in csv::Reader::from_reader(text.as_bytes()).records() {
        let row = row.unwrap();
        let [region, _, e164, national, international, expect, _] = [0, 1, 2, 3, 4, 5, 6].map(|at| &row[at]);
        let numbering = numbering(region);
        let one = numbering.fingerprint(e164);
        assert!(one.is_some(), "{e164}");
        if expect == "valid" {
            rows += 1;
            for spelling in [national, international] {
                assert_eq!(numbering.fingerprint(spelling), one, "{region}: {spelling} is {e164}");
            }
            // Another number has another fingerprint.
            assert_eq!(*seen.entry(one).or_insert_with(|| e164.to_owned()), e164);
        }
    }
    assert!(rows > 900, "only {rows} rows were looked at");
}

fn somebody(n: u128, phone: &str) -> NewPerson {
    let details = Details { phone: Some(phone.to_owned()), ..Details::default() };
    NewPerson { patient: Uuid::from_u128(n), command: 1, details }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_were_there_before_get_their_fingerprints_and_all_of_them_anew_in_another_country() {
    for engine in Engine::both().await {
        let before = Personal::open(&engine.target, WAIT).await.unwrap();
        let people: Vec<NewPerson> = (0..2500).map(|n| somebody(n + 10, &format!("8 495 {:07}", n / 2))).collect();
        before.register_new(&people, Vec::new()).await.unwrap();
        assert_eq!(before.who_shares(Uuid::from_u128(10)).await.unwrap(), None, "{}", engine.name);
        let store = before.clone().numbered(numbering("RU"));
        let (one, other) = tokio::join!(store.number_everybody(), store.number_everybody());
        assert_eq!(one.unwrap() + other.unwrap(), 2500, "{}", engine.name);
        let shared = store.who_shares(Uuid::from_u128(11)).await.unwrap().unwrap();
        assert_eq!(shared.patients, [10, 11].map(Uuid::from_u128), "{}", engine.name);
        let form = numbering("RU").fingerprint("+7 495 000 00 00").unwrap();
        assert_eq!(store.by_number(form).await.unwrap(), shared.patients, "{}", engine.name);
        let (own, all) = store.numbers_of(&[Uuid::from_u128(10), Uuid::from_u128(12)]).await.unwrap();
        assert_eq!((own.len(), all.len()), (2, 2), "{}", engine.name);
        // Whoever is written from now on has theirs at once, and keeps it with every change.
        let _ = store.register(&somebody(1, "+7 495 0000000")).await.unwrap();
        assert_eq!(store.by_number(form).await.unwrap().len(), 3, "{}", engine.name);
        // Numbers are compared in one form, for whoever looks for duplicates too, however they are spelled.
        assert_eq!(store.make_likeness_keys().await.unwrap(), 2500, "{}", engine.name);
        let alike = store.alike_to(Uuid::from_u128(1)).await.unwrap();
        let others: Vec<u128> = alike.iter().filter(|pair| pair.by_number).map(|pair| pair.other.as_u128()).collect();
        assert_eq!(others, [10, 11], "{}", engine.name);
        let moved = Details { phone: Some("+7 495 9999999".to_owned()), ..Details::default() };
        assert!(store.change(Uuid::from_u128(1), moved).await.unwrap());
        assert_eq!(store.by_number(form).await.unwrap().len(), 2, "{}", engine.name);
        store.erase(Uuid::from_u128(10)).await.unwrap();
        assert_eq!(store.by_number(form).await.unwrap(), [Uuid::from_u128(11)], "{}", engine.name);
        assert_eq!(store.number_everybody().await.unwrap(), 0, "{}", engine.name);
        // Written in Germany the same digits are another number.
        let abroad = store.numbered(numbering("DE"));
        assert_eq!(abroad.number_everybody().await.unwrap(), 2500, "{}", engine.name);
        assert!(abroad.by_number(form).await.unwrap().is_empty(), "{}", engine.name);
        assert_eq!(abroad.make_likeness_keys().await.unwrap(), 2500, "{}", engine.name);
    }
}
