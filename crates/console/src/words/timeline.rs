//! What happened to a patient, an entry in a sentence: for people at a desk. The whole of every event is in the export for a regulator.

use serde_json::Value;
use tact_words::{Language, Word};

use super::{channel, outcome, purpose, refusal, why};
use crate::when::Wall;

/// An entry of the timeline.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// What happened.
    pub(crate) what: String,
    /// What there is to say about it, line by line.
    pub(crate) more: Vec<String>,
    /// For the eye: `contact`, `inbound`, `refused`, `permit`, `visit`, `wish`, `care`, `record`.
    pub(crate) kind: &'static str,
}

/// Tells an event: its type and what it says, as the API shows it. `branch` names a branch.
pub(crate) fn told(wall: &Wall, event: &str, data: &Value, branch: &dyn Fn(&str) -> String) -> Told {
    let language = wall.language;
    let say = |english: &'static str, russian: &'static str| language.of(english, russian).to_owned();
    let text = |name: &str| data[name].as_str().unwrap_or_default();
    let at =
        |name: &str| data[name].as_str().and_then(|time| time.parse().ok()).map(|time| wall.moment(time)).unwrap_or_default();
    let purpose_and_channel = || format!("{}, {}", purpose(language, text("purpose")), channel(language, text("channel")));
    let mut more = Vec::new();
    let (kind, what) = match event {
        "patient.registered" => {
            if data["recommended_by"].is_string() {
                more.push(say("on somebody’s recommendation", "по рекомендации"));
            }
            ("record", format!("{} {}", language.of("Registered at", "Первая запись:"), branch(text("home_branch"))))
        }
        "patient.profile_changed" => ("record", say("Details changed", "Изменены сведения")),
        "patient.merged" => ("record", say("Joined to another record", "Запись объединена с другой")),
        "patient.absorbing" | "patient.absorbed" => {
            ("record", say("Another record was joined to this one", "К записи присоединена другая"))
        }
        "patient.separated" => ("record", say("The joining was undone", "Объединение отменено")),
        "patient.died" => ("record", say("Died", "Умер(ла)")),
        "patient.restored" => ("record", say("The record of death was a mistake", "Запись о смерти была ошибкой")),
        "patient.erased" => ("record", say("Personal data erased", "Персональные данные уничтожены")),
        "consent.granted" => {
            more.push(list(language, &data["channels"]));
            let document = data["evidence"]["document"].as_str().unwrap_or_default();
            if !document.is_empty() {
                more.push(format!("{} {document}", language.of("document", "документ")));
            }
            ("wish", format!("{}: {}", language.of("Consent given", "Дано согласие"), purpose(language, text("purpose"))))
        }
        "consent.withdrawn" => {
            let named = data["purpose"].as_str().map(|code| purpose(language, code));
            let named = named.unwrap_or_else(|| say("for everything", "на всё"));
            ("wish", format!("{}: {named}", language.of("Consent withdrawn", "Согласие отозвано")))
        }
        "consent.preference_set" => {
            if let Some(hours) = data["quiet_hours"].as_object() {
                let (from, until) = (hours["from"].as_str().unwrap_or_default(), hours["until"].as_str().unwrap_or_default());
                more.push(format!("{}: {from}–{until}", language.of("quiet hours", "тихие часы")));
            }
            if let Some(code) = data["preferred_channel"].as_str() {
                more.push(format!("{}: {}", language.of("prefers", "предпочитает"), channel(language, code)));
            }
            let what = match text("reach") {
                "patient_initiated" => say("“Don’t call me, I’ll call you”", "«Не звоните мне, я сам(а) позвоню»"),
                "normal" => say("May be called again", "Снова можно звонить"),
                _ => say("Wishes", "Пожелания"),
            };
            ("wish", what)
        }
        "appointment.booked" => {
            more.push(branch(text("branch")));
            let kind = kind_of(language, text("kind"));
            ("visit", format!("{}: {kind}, {}", language.of("Booked", "Запись"), at("starts_at")))
        }
        "appointment.rescheduled" => {
            more.push(by(language, text("by")));
            ("visit", format!("{} {}", language.of("Moved to", "Перенос на"), at("starts_at")))
        }
        "appointment.cancelled" => {
            more.push(by(language, text("by")));
            ("visit", say("Appointment cancelled", "Запись отменена"))
        }
        "appointment.completed" => ("visit", say("Came to the appointment", "Приём состоялся")),
        "appointment.missed" => ("visit", say("Did not come", "Не пришёл на приём")),
        "contact.requested" => (
            "wish",
            format!(
                "{} ({})",
                language.of("Asked to be called back", "Просил(а) перезвонить"),
                channel(language, text("channel"))
            ),
        ),
        "contact.announced" => {
            let window = &data["window"];
            let time = |name: &str| window[name].as_str().and_then(|time| time.parse().ok()).map(|time| wall.moment(time));
            if let (Some(from), Some(until)) = (time("from"), time("until")) {
                more.push(format!("{from} – {until}"));
            }
            ("care", format!("{}: {}", language.of("Was told to expect", "Предупредили"), purpose(language, text("purpose"))))
        }
        "contact.permitted" => {
            if data["expires_at"].is_string() {
                more.push(format!("{} {}", language.of("until", "до"), at("expires_at")));
            }
            if let Some(occasion) = data["basis"]["occasion"].as_object() {
                let when = occasion["at"].as_str().and_then(|time| time.parse().ok()).map(|time| wall.moment(time));
                more.push(why(language, occasion["kind"].as_str().unwrap_or_default(), &when.unwrap_or_default()));
            }
            ("permit", format!("{}: {}", language.of("Permitted", "Разрешено"), purpose_and_channel()))
        }
        "contact.refused" => {
            more.extend(data["reasons"].as_array().into_iter().flatten().map(|reason| refusal(wall, reason)));
            ("refused", format!("{}: {}", language.of("Not permitted", "Не разрешено"), purpose_and_channel()))
        }
        "contact.permit_released" => ("permit", say("Permit given back unused", "Разрешение возвращено")),
        "contact.started" => ("permit", say("Contact begun", "Обращение начато")),
        "contact.made" => {
            let (kind, who) = match text("direction") {
                "inbound" => ("inbound", say("The patient contacted us", "Пациент обратился к нам")),
                _ => ("contact", say("We contacted the patient", "Мы обратились к пациенту")),
            };
            more.push(purpose_and_channel());
            (kind, format!("{who}: {}", outcome(language, text("outcome")).to_lowercase()))
        }
        "contact.corrected" => {
            let ended = outcome(language, text("outcome")).to_lowercase();
            ("contact", format!("{}: {ended}", language.of("It became known how it ended", "Уточнён итог обращения")))
        }
        "referral.credited" => ("care", say("Recommended us to somebody, who came", "По рекомендации к нам пришли")),
        "referral.opened" => (
            "care",
            format!(
                "{}: {}",
                language.of("Needs something we do not have", "Нужно то, чего у нас нет"),
                super::services::service(language, text("need"))
            ),
        ),
        "referral.arranged" => ("care", say("Help was found elsewhere", "Нашли помощь в другом месте")),
        "referral.closed" => ("care", say("Help elsewhere: closed", "Помощь в другом месте: закрыто")),
        "feedback.given" => {
            let score = data["score"].as_u64().unwrap_or_default();
            ("care", format!("{}: {score} {} 10", language.of("Feedback", "Отзыв"), language.of("of", "из")))
        }
        other => ("record", other.to_owned()),
    };
    more.retain(|line| !line.is_empty());
    Told { what, more, kind }
}

fn list(language: Language, channels: &Value) -> String {
    let words = channels.as_array().into_iter().flatten().filter_map(Value::as_str).map(|code| channel(language, code));
    words.collect::<Vec<_>>().join(", ")
}

fn by(language: Language, who: &str) -> String {
    match who {
        "clinic" => language.of("by us", "по нашей вине").to_owned(),
        "patient" => language.of("by the patient", "по просьбе пациента").to_owned(),
        _ => String::new(),
    }
}

/// A kind of appointment in words.
pub(crate) fn kind_of(language: Language, code: &str) -> &'static str {
    code.parse::<tact_domain::AppointmentKind>().map_or("", |kind| kind.word(language))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tact_domain::patient::Event;

    use super::*;

    /// What a golden event says must have words of its own in both languages.
    #[test]
    fn every_event_has_a_sentence() {
        let now = "2026-03-02T09:00:00Z".parse().unwrap();
        for (kind, _) in Event::KINDS {
            for language in Language::ALL {
                let wall = Wall::new(language, "Europe/Moscow", now);
                let told = told(
                    &wall,
                    kind,
                    &json!({"direction": "outbound", "quiet_hours": {"from": "19:00", "until": "10:00"}}),
                    &|code| code.to_owned(),
                );
                assert_ne!(told.what, *kind, "no words for it");
                assert_eq!(tact_words::is_russian(&told.what), language == Language::Russian, "{kind}: {}", told.what);
            }
        }
    }
}
