//! A history in its other forms, as the server hands them out.

use serde_json::{Value, json};
use tact_domain::disclosure::AccessEvent;
use tact_domain::envelope::Recorded;
use tact_event_log::{Freshness, Position, StreamId};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_and_a_page_come_from_the_same_history() {
    let (desk, _) = past(1, 90).await;
    desk.notary().catch_up().await.unwrap();
    let patient = book::patient(0);
    let bundle: Value = serde_json::from_slice(&desk.history(patient, json!({"format": "fhir"})).await).unwrap();
    let said = crate::fhir::errors(&json!({"handed out": bundle})).await;
    assert!(said.is_empty(), "{said:?}");
    let count = |kind: &str| {
        let entries = bundle["entry"].as_array().unwrap();
        entries.iter().filter(|entry| entry["resource"]["resourceType"] == kind).count()
    };
    assert_eq!((count("Patient"), count("Provenance")), (1, 90));
    assert!(count("Communication") > 3 && count("CommunicationRequest") > 3 && count("Appointment") > 3);
    for (language, words) in [("en", "lang=\"en\""), ("ru", "lang=\"ru\"")] {
        let page = desk.history(patient, json!({"format": "html", "language": language})).await;
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains(words) && page.contains("tact history verify"), "{language}");
    }
    // Each of them is on record, with its form and ground.
    let log = desk.app.transactor.log();
    let stored = log.read_stream(StreamId::Access, Position::START, Freshness::Latest).await.unwrap();
    let forms: Vec<String> = stored
        .iter()
        .filter_map(|stored| match Recorded::<AccessEvent>::read(&stored.bytes).unwrap().event {
            AccessEvent::HistoryExported(e) => Some(format!("{} {} {} {}", e.format, e.purpose, e.events, e.personal)),
            _ => None,
        })
        .collect();
    assert_eq!(forms, ["fhir complaint 90 false", "html complaint 90 false", "html complaint 90 false"]);
}
