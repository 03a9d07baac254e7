//! What the pages say, in both languages; the words of the domain are in `tact-words`.

pub(crate) mod elsewhere;
pub(crate) mod feedback;
mod labels;
pub(crate) mod network;
pub(crate) mod services;
mod timeline;
mod trouble;

use serde_json::Value;
use tact_domain::patient::decide::Reason;
use tact_domain::{Channel, Code, OccasionKind, Outcome, Purpose};
use tact_words::{Language, Word};

pub(crate) use labels::Say;
pub(crate) use timeline::{Told, kind_of, told};
pub(crate) use trouble::trouble;

use crate::when::Wall;

/// With a capital letter at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A purpose in words.
pub(crate) fn purpose(language: Language, code: &str) -> String {
    let words = code.parse::<Purpose>().map_or_else(|_| code.to_owned(), |purpose| tact_words::purpose_alone(language, &purpose));
    capital(&words)
}

/// A channel in words.
pub(crate) fn channel(language: Language, code: &str) -> &'static str {
    code.parse::<Channel>().map_or("", |channel| channel.word(language))
}

/// How a contact ended, in a word or two.
pub(crate) fn outcome(language: Language, code: &str) -> &'static str {
    let Ok(outcome) = code.parse::<Outcome>() else { return "" };
    outcome_label(outcome).word(language)
}

/// The label of an outcome's button.
pub(crate) fn outcome_label(outcome: Outcome) -> Say {
    match outcome {
        Outcome::Reached => Say::OutcomeReached,
        Outcome::NoAnswer => Say::OutcomeNoAnswer,
        Outcome::Voicemail => Say::OutcomeVoicemail,
        Outcome::Busy => Say::OutcomeBusy,
        Outcome::WrongNumber => Say::OutcomeWrongNumber,
        Outcome::Declined => Say::OutcomeDeclined,
        Outcome::Failed => Say::OutcomeFailed,
    }
}

/// Why an entry is there.
pub(crate) fn why(language: Language, occasion: &str, at: &str) -> String {
    let Ok(kind) = occasion.parse::<OccasionKind>() else { return at.to_owned() };
    let word = match (kind, language) {
        (OccasionKind::UpcomingAppointment, Language::English) => "Appointment",
        (OccasionKind::UpcomingAppointment, Language::Russian) => "Приём",
        (OccasionKind::Surgery, Language::English) => "Surgery",
        (OccasionKind::Surgery, Language::Russian) => "Операция",
        (OccasionKind::PastVisit, Language::English) => "Last visit",
        (OccasionKind::PastVisit, Language::Russian) => "Последний визит",
        (OccasionKind::Referrer, Language::English) => "Recommended us",
        (OccasionKind::Referrer, Language::Russian) => "Порекомендовал(а) нас",
        (OccasionKind::CareReferral, Language::English) => "Help found elsewhere",
        (OccasionKind::CareReferral, Language::Russian) => "Нашли помощь в другом месте",
        (OccasionKind::CallbackRequest, Language::English) => "Asked to be called",
        (OccasionKind::CallbackRequest, Language::Russian) => "Просил(а) перезвонить",
        (OccasionKind::ClinicCancellation, Language::English) => "We changed the appointment",
        (OccasionKind::ClinicCancellation, Language::Russian) => "Мы изменили запись",
    };
    format!("{word}: {at}")
}

/// A reason for a refusal, in a sentence that somebody at a desk understands at once; the whole of it is on the patient's page.
pub(crate) fn refusal(wall: &Wall, reason: &Value) -> String {
    let language = wall.language;
    let Ok(reason) = serde_json::from_value::<Reason>(reason.clone()) else {
        return reason["code"].as_str().unwrap_or_default().to_owned();
    };
    let say = |english, russian| language.of(english, russian).to_owned();
    let mut line = match reason.code {
        Code::QuietHours => say("Quiet hours at the patient’s place", "У пациента тихие часы"),
        Code::NotAnnounced => say("Nobody told the patient to expect it", "Пациента не предупредили"),
        Code::PatientInitiatedOnly => say("Asked us not to call: “I’ll call you”", "Просил(а) не звонить: «я сам(а) позвоню»"),
        Code::NumberBusy => say(
            "Somebody else is on this number just now, or it was rung enough",
            "Этот номер сейчас занят другим обращением или по нему уже звонили достаточно",
        ),
        Code::PermitOutstanding => say("A colleague has this entry", "Этим уже занимается коллега"),
        code => capital(code.word(language)),
    };
    if let (Some(count), Some(max)) = (reason.count, reason.max) {
        line += &match language {
            Language::English => format!(" ({count} of {max})"),
            Language::Russian => format!(" ({count} из {max})"),
        };
    }
    if let Some(text) = &reason.text {
        line += &format!(": {text}");
    }
    line
}

#[cfg(test)]
mod tests {
    use tact_words::check_all;

    use super::*;

    #[test]
    fn every_word_is_there_in_both_languages() {
        check_all(Say::ALL);
    }
}
