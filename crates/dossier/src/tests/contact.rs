//! The evidence for one contact: what it rests on, and everything that is missing, by name.

use serde_json::json;
use tact_domain::Recorded;
use uuid::Uuid;

use super::story::*;
use crate::contact::{ContactEvidence, FindingCode, Ground, Records, evidence};
use crate::{Language, contact_page};

fn of(story: &Story, contact: u128) -> ContactEvidence {
    of_merged(story, &[], contact).unwrap()
}

fn of_merged(story: &Story, merged: &[(Uuid, Vec<Recorded>)], contact: u128) -> Option<ContactEvidence> {
    let around = Around::new(story.policies.clone());
    evidence(&Records {
        network: "clinic",
        patient: story.patient,
        events: &story.events,
        merged,
        policies: &story.policies,
        directory: &around.directory,
        contact: id(contact),
    })
}

fn codes(evidence: &ContactEvidence) -> Vec<FindingCode> {
    evidence.findings.iter().map(|finding| finding.code).collect()
}

/// A patient who agreed to promotions by SMS and e-mail.
fn consenting() -> Story {
    let mut story = Story::new(PATIENT);
    story.registered("2026-03-02T08:00:00Z").consent("2026-03-02T08:05:00Z", 0x30);
    story
}

#[test]
fn an_advertisement_with_everything_in_order_shows_all_of_it() {
    let evidence = of(&messy(), 0x93);
    assert!(codes(&evidence).is_empty(), "{:?}", evidence.findings);
    assert_eq!(evidence.ground, Ground::Consent);
    assert!(evidence.advertising_law);
    let consent = evidence.consent.as_ref().unwrap();
    assert_eq!((consent.document, consent.given_at), (id(0x30), at("2026-03-02T08:05:00Z")));
    assert_eq!(consent.withdrawn_at, Some(at("2026-03-13T10:21:00Z")));
    let permit = evidence.permit.as_ref().unwrap();
    assert_eq!((permit.id, permit.again), (id(0x82), Some(true)));
    assert_eq!(evidence.policy.as_ref().unwrap().version, "1");
    let written = serde_json::to_string(&evidence).unwrap();
    assert_eq!(serde_json::from_str::<ContactEvidence>(&written).unwrap(), evidence);
    let page = contact_page(&evidence, Language::Russian).unwrap();
    assert!(page.contains("38-ФЗ") && page.contains("Обращение сделано по действующему разрешению."));
    assert!(contact_page(&evidence, Language::English).unwrap().contains("38-FZ"));
}

#[test]
fn a_call_after_surgery_shows_its_announcement() {
    let evidence = of(&messy(), 0x92);
    assert!(codes(&evidence).is_empty(), "{:?}", evidence.findings);
    assert!(!evidence.advertising_law);
    assert_eq!(evidence.announcement.as_ref().unwrap().told_at, at("2026-03-06T09:40:00Z"));
    assert!(contact_page(&evidence, Language::English).unwrap().contains("does not rest on consent"));
}

#[test]
fn a_call_in_spite_of_a_refusal_is_said_to_be_one() {
    let evidence = of(&messy(), 0x94);
    assert_eq!(codes(&evidence), [FindingCode::NoPermit, FindingCode::MadeAfterRefusal, FindingCode::PurposeForbidden]);
    assert_eq!(evidence.ground, Ground::Forbidden);
    let page = contact_page(&evidence, Language::English).unwrap();
    assert!(page.contains("made without a permit") && !page.contains("made under a valid permit"));
}

#[test]
fn the_patients_own_call_needs_no_right() {
    assert!(codes(&of(&messy(), 0x95)).is_empty());
}

#[test]
fn a_consent_that_came_after_the_contact_does_not_cover_it() {
    let mut story = Story::new(PATIENT);
    story.registered("2026-03-02T08:00:00Z").call("2026-03-03T09:00:00Z", 0xc1, "promotion", "sms", None);
    let never = of(&story, 0xc1);
    assert_eq!(codes(&never), [FindingCode::NoPermit, FindingCode::NoConsent]);
    assert!(never.consent.is_none());
    story.consent("2026-03-03T09:30:00Z", 0x30);
    let later = of(&story, 0xc1);
    assert_eq!(codes(&later), [FindingCode::NoPermit, FindingCode::NoConsent, FindingCode::ConsentAfterContact]);
    assert_eq!(later.findings[2].at, Some(at("2026-03-03T09:30:00Z")));
    assert!(later.consent.is_none(), "it must not stand there as if it covered the contact");
}

#[test]
fn a_consent_that_is_entered_after_the_contact_is_said_to_be_late() {
    let mut story = Story::new(PATIENT);
    story.registered("2026-03-02T08:00:00Z").call("2026-03-03T09:00:00Z", 0xc1, "promotion", "sms", None);
    let evidence_of = json!({"method": "paper", "document": id(0x30)});
    let data = json!({"purpose": "promotion", "channels": ["sms"], "evidence": evidence_of});
    story.late("2026-03-01T09:00:00Z", at("2026-03-04T09:00:00Z"), "consent.granted", data);
    assert_eq!(codes(&of(&story, 0xc1)), [FindingCode::NoPermit, FindingCode::ConsentRecordedLate]);
}

#[test]
fn a_consent_that_had_ended_is_said_to_have() {
    let mut withdrawn = consenting();
    withdrawn.event("2026-03-05T09:00:00Z", "consent.withdrawn", json!({}));
    withdrawn.call("2026-03-06T09:00:00Z", 0xc1, "promotion", "sms", None);
    assert_eq!(codes(&of(&withdrawn, 0xc1)), [FindingCode::NoPermit, FindingCode::ConsentWithdrawn]);
    let mut expired = consenting();
    expired.call("2027-03-06T09:00:00Z", 0xc1, "promotion", "sms", None);
    assert_eq!(codes(&of(&expired, 0xc1)), [FindingCode::NoPermit, FindingCode::ConsentExpired]);
}

#[test]
fn a_withdrawal_that_was_written_down_late_shows_both_times() {
    let mut story = consenting();
    assert!(story.ask("2026-03-10T11:00:00Z", id(0x82), "promotion", "sms"));
    story.call("2026-03-10T11:02:00Z", 0xc1, "promotion", "sms", Some(id(0x82)));
    story.late("2026-03-09T09:00:00Z", at("2026-03-11T09:00:00Z"), "consent.withdrawn", json!({"purpose": "promotion"}));
    assert_eq!(codes(&of(&story, 0xc1)), [FindingCode::ConsentWithdrawn, FindingCode::WithdrawalRecordedLate]);
}

#[test]
fn advertising_by_a_machine_that_dials_is_named_even_with_consent() {
    let mut story = consenting();
    let data = json!({"purpose": "promotion", "channels": ["auto_call"], "evidence": {"method": "paper", "document": id(0x31)}});
    story.event("2026-03-02T08:06:00Z", "consent.granted", data);
    story.call("2026-03-03T09:00:00Z", 0xc1, "promotion", "auto_call", None);
    assert_eq!(codes(&of(&story, 0xc1)), [FindingCode::NoPermit, FindingCode::AutomaticDialling]);
}

#[test]
fn a_letter_is_no_advertising_over_a_telecommunication_network() {
    let mut story = consenting();
    story.call("2026-03-03T09:00:00Z", 0xc1, "promotion", "letter", None);
    let evidence = of(&story, 0xc1);
    assert!(!evidence.advertising_law);
    assert!(codes(&evidence).contains(&FindingCode::NoConsent));
}

#[test]
fn what_the_patient_asked_for_and_was_not_told_is_held_against_the_contact() {
    let mut story = consenting();
    story.event("2026-03-03T08:00:00Z", "consent.preference_set", json!({"reach": "patient_initiated"}));
    story.call("2026-03-03T09:00:00Z", 0xc1, "wellbeing_check", "phone", Some(id(0x77)));
    let found = codes(&of(&story, 0xc1));
    assert_eq!(found, [FindingCode::PermitNotValid, FindingCode::NotAnnounced, FindingCode::AskedNotToBeCalled]);
}

#[test]
fn a_paper_entry_is_said_to_be_late() {
    let mut story = consenting();
    let data = json!({"contact": id(0xc1), "direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
    story.late("2026-03-03T09:00:00Z", at("2026-03-05T12:00:00Z"), "contact.made", data);
    let evidence = of(&story, 0xc1);
    assert_eq!(codes(&evidence), [FindingCode::ContactRecordedLate]);
    assert!(contact_page(&evidence, Language::Russian).unwrap().contains("(+2 дня)"));
}

#[test]
fn a_decision_that_was_tampered_with_does_not_come_out_the_same() {
    let mut story = messy();
    for recorded in &mut story.events {
        if let tact_domain::patient::Event::Permitted(e) = &mut recorded.event
            && e.permit == id(0x82)
        {
            e.basis.limits[0].count = 7;
        }
    }
    assert_eq!(codes(&of(&story, 0x93)), [FindingCode::DecisionDiffers]);
}

#[test]
fn a_contact_of_somebody_who_was_merged_is_found_in_their_own_stream() {
    let story = messy();
    let mut other = Story::new(id(5));
    other.registered("2026-03-01T08:00:00Z").call("2026-03-01T09:00:00Z", 0xc1, "promotion", "sms", None);
    let merged = [(id(5), other.events)];
    let evidence = of_merged(&story, &merged, 0xc1).unwrap();
    assert_eq!(evidence.contact.stated.stream, id(5));
    assert!(of_merged(&story, &[], 0xc1).is_none());
}
