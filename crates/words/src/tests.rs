//! That both languages are complete, and each is its own.

use tact_domain::patient::events::Override;
use tact_domain::policy::Basis;

use super::*;

#[test]
fn every_word_is_there_in_both_languages() {
    check_all(Channel::ALL);
    check_all(Outcome::ALL);
    check_all(Direction::ALL);
    check_all(AppointmentKind::ALL);
    check_all(ChangedBy::ALL);
    check_all(Reach::ALL);
    check_all(OccasionKind::ALL);
    check_all(Override::ALL);
    check_all(ExportPurpose::ALL);
    check_all(Code::ALL);
    check_all(&[Basis::Care, Basis::Consent, Basis::Request]);
    for (code, english, russian) in PURPOSES {
        check(code, (english, russian));
    }
}

#[test]
fn the_purposes_of_the_policy_that_ships_have_words() {
    let policy = tact_domain::policy::text::parse(tact_domain::policy::DEFAULT, "1").unwrap();
    for code in policy.purposes.keys() {
        assert_ne!(purpose(Language::Russian, code), code.as_str(), "{code} has no words");
    }
    let own: Purpose = "birthday_wish".parse().unwrap();
    assert_eq!(purpose(Language::Russian, &own), "birthday_wish");
}

#[test]
fn russian_nouns_follow_their_number() {
    let calls = |n| Language::Russian.count(n, ["call", "calls"], ["звонок", "звонка", "звонков"]);
    let said: Vec<_> = [0, 1, 2, 5, 11, 12, 14, 21, 22, 25, 101, 111, 112, 1004].into_iter().map(calls).collect();
    let nouns: Vec<_> = said.iter().filter_map(|text| text.split(' ').next_back()).collect();
    let (one, few, many) = ("звонок", "звонка", "звонков");
    assert_eq!(nouns, [many, one, few, many, many, many, many, one, few, many, one, many, many, few]);
    assert_eq!(Language::English.count(1, ["call", "calls"], ["", "", ""]), "1 call");
    assert_eq!(Language::English.count(0, ["call", "calls"], ["", "", ""]), "0 calls");
}
