//! The pages: complete, in both languages, and safe to open.

use super::story::*;
use crate::{Language, page};
use tact_words::Word;

/// What a reader sees, without tags; enough to look for words in.
fn read(html: &str) -> String {
    let body = html.split_once("</style>").unwrap().1;
    let mut text = String::new();
    for part in body.split('<') {
        text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_event_of_the_golden_stream_is_told_in_both_languages() {
    let events = golden();
    let around = Around::new(messy().policies);
    for language in Language::ALL {
        let html = page(&around.material(&events, &[], language)).unwrap();
        assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())));
        let text = read(&html);
        for recorded in &events {
            let heading = recorded.event.word(language);
            assert!(text.contains(heading), "`{heading}` is not told");
        }
        for code in tact_domain::Code::ALL {
            assert!(text.contains(code.word(language)), "{code} is not told");
        }
        assert_eq!(html.matches("<time datetime=").count(), events.len());
    }
}

#[test]
fn the_page_says_by_what_right_each_contact_was_made() {
    let story = messy();
    let around = Around::new(story.policies.clone());
    let text = read(&page(&around.material(&story.events, &[], Language::Russian)).unwrap());
    for said in [
        "4 обращения, с 5 марта 2026 г. по 13 марта 2026 г.",
        "разрешено: 3; отказано: 2",
        "1 обращение без действующего разрешения",
        "Клиника обратилась к пациенту НАРУШЕНИЕ",
        "НЕТ. Обращение сделано без действующего разрешения.",
        "дано 2 марта 2026 г., 11:05 (UTC+3), документ 01908a00-0000-7000-8000-000000000030",
        "предупредили 6 марта 2026 г., 12:40 (UTC+3); ждать: 8 марта 2026 г., 10:00–15:00 (UTC+3)",
        "ограничение для этой цели исчерпано: не более 1 попытки за 30 дней; учтено 1, допускается 1",
        "действует: дано 2 марта 2026 г., 11:05 (UTC+3), истекает 2 марта 2027 г., 03:00 (UTC+3)",
        "отозвано 13 марта 2026 г., 13:21 (UTC+3)",
        "«не звоните мне, я позвоню сам(а)» (с 13 марта 2026 г., 13:20 (UTC+3))",
        "версия 1, действует с 1 января 2026 г., 03:00 (UTC+3)",
        "tact history verify history.tact --key clinic.pub",
    ] {
        assert!(text.contains(said), "`{said}` is not on the page:\n{text}");
    }
    let sha256 = &story.policies.all()[0].event.sha256;
    assert!(text.contains(sha256.as_str()));
}

#[test]
fn nothing_of_what_people_wrote_becomes_markup_and_nothing_is_fetched() {
    let story = messy();
    let around = Around::new(story.policies.clone());
    let html = page(&around.material(&story.events, &[], Language::English)).unwrap();
    assert!(html.contains("&#60;script&#62;alert(1)") && !html.contains("<script"));
    assert!(!html.contains("<b>"));
    for fetched in ["http:", "https:", "src=", "href=", "url(", "@import"] {
        assert!(!html.contains(fetched), "{fetched}");
    }
}

#[test]
fn personal_data_and_texts_are_there_only_if_they_were_given() {
    let story = messy();
    let mut around = Around::new(story.policies.clone());
    around.texts.clear();
    let mut material = around.material(&story.events, &[], Language::English);
    material.personal = None;
    let text = read(&page(&material).unwrap());
    assert!(!text.contains("900 000") && !text.contains("alert"));
    assert!(text.contains("Names and contact details are not part of this document.") && text.contains("text kept apart"));
}

#[test]
fn a_part_of_a_history_is_named_as_one() {
    let story = messy();
    let around = Around::new(story.policies.clone());
    let mut material = around.material(&story.events, &[], Language::English);
    material.from = Some(at("2026-03-10T00:00:00Z"));
    let html = page(&material).unwrap();
    assert!(read(&html).contains("recorded from 10 March 2026, 03:00 (UTC+3)"));
    let told = story.events.iter().filter(|recorded| recorded.envelope.recorded_at >= at("2026-03-10T00:00:00Z")).count();
    assert!(told < story.events.len());
    assert_eq!(html.matches("<time datetime=").count(), told);
}

#[test]
fn contacts_before_the_first_policy_are_no_breaches_and_not_said_to_be_permitted() {
    let mut story = Story::new(PATIENT);
    story.registered("2025-11-01T08:00:00Z").call("2025-12-01T09:00:00Z", 0xc1, "promotion", "sms", None);
    let around = Around::new(story.policies.clone());
    let text = read(&page(&around.material(&story.events, &[], Language::English)).unwrap());
    assert!(text.contains("It was made before the network’s first policy took effect."));
    assert!(!text.contains("each contact was made under a permit") && !text.contains("BREACH"));
}
