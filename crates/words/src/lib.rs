//! The words of the domain in both languages, beside each other, so that one cannot be there without the other; and times as people read them.
//!
//! The compiler holds each match against the domain's own lists: an event type, an outcome or a refusal code that is new does not compile
//! without its words. Pure: what is looked up or decided is no business of a word.

mod events;
mod refusal;
mod rules;
#[cfg(test)]
mod tests;
mod when;

pub use refusal::refusal;
pub use rules::limit;
pub use when::{Clock, hours, span};

use serde::{Deserialize, Serialize};
use tact_domain::disclosure::ExportPurpose;
use tact_domain::patient::events::Override;
use tact_domain::{AppointmentKind, ChangedBy, Channel, Code, Direction, OccasionKind, Outcome, Purpose, Reach};

/// The language of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    /// Russian.
    #[serde(rename = "ru")]
    Russian,
    /// English.
    #[serde(rename = "en")]
    English,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Russian, Self::English];

    /// Its BCP 47 tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Russian => "ru",
            Self::English => "en",
        }
    }

    /// Of two texts that say the same, the one in this language.
    pub const fn of<'t>(self, english: &'t str, russian: &'t str) -> &'t str {
        match self {
            Self::English => english,
            Self::Russian => russian,
        }
    }

    /// A number with its noun. English takes the first form for one and the second for the rest; Russian takes its three by the last two
    /// digits.
    pub fn count(self, n: u64, english: [&str; 2], russian: [&str; 3]) -> String {
        let noun = match self {
            Self::English => english[usize::from(n != 1)],
            Self::Russian => russian[russian_form(n)],
        };
        format!("{n} {noun}")
    }

    /// In quotation marks.
    pub fn quoted(self, text: &str) -> String {
        match self {
            Self::English => format!("“{text}”"),
            Self::Russian => format!("«{text}»"),
        }
    }
}

impl std::str::FromStr for Language {
    type Err = String;

    fn from_str(tag: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|language| language.tag() == tag)
            .ok_or_else(|| format!("`{tag}` is not a language of these pages: `ru` or `en`"))
    }
}

/// Which of the three forms a Russian noun takes beside a number: один звонок, два звонка, пять звонков.
fn russian_form(n: u64) -> usize {
    match (n % 10, n % 100) {
        (1, rest) if rest != 11 => 0,
        (2..=4, rest) if !(12..=14).contains(&rest) => 1,
        _ => 2,
    }
}

/// Something of the domain that has a word in both languages.
pub trait Word {
    /// The English word and the Russian one.
    fn both(&self) -> (&'static str, &'static str);

    /// The word in one language.
    fn word(&self, language: Language) -> &'static str {
        let (english, russian) = self.both();
        language.of(english, russian)
    }
}

impl Word for Channel {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Phone => ("phone", "телефон"),
            Self::AutoCall => ("automatic call", "автоматический звонок"),
            Self::Sms => ("SMS", "SMS"),
            Self::Email => ("e-mail", "электронная почта"),
            Self::Messenger => ("messenger", "мессенджер"),
            Self::Letter => ("letter", "письмо"),
            Self::InPerson => ("in person", "лично"),
        }
    }
}

impl Word for Outcome {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Reached => ("the patient was reached", "с пациентом связались"),
            Self::NoAnswer => ("nobody answered", "никто не ответил"),
            Self::Voicemail => ("an answering machine answered", "ответил автоответчик"),
            Self::Busy => ("the line was busy", "линия была занята"),
            Self::WrongNumber => ("somebody else’s number", "номер принадлежит другому человеку"),
            Self::Declined => ("the patient asked not to go on", "пациент попросил не продолжать"),
            Self::Failed => ("it never left the clinic", "не было отправлено: сбой на стороне клиники"),
        }
    }
}

impl Word for Direction {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Outbound => ("from the clinic to the patient", "от клиники к пациенту"),
            Self::Inbound => ("from the patient to the clinic", "от пациента в клинику"),
        }
    }
}

impl Word for AppointmentKind {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Consultation => ("consultation", "консультация"),
            Self::Procedure => ("procedure", "процедура"),
            Self::Surgery => ("surgery", "операция"),
            Self::Checkup => ("preventive check-up", "профилактический осмотр"),
        }
    }
}

impl Word for ChangedBy {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Patient => ("the patient", "пациент"),
            Self::Clinic => ("the clinic", "клиника"),
        }
    }
}

impl Word for Reach {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Normal => ("may be contacted within the policy", "можно обращаться в рамках правил"),
            Self::PatientInitiated => ("“don’t call me, I’ll call you”", "«не звоните мне, я позвоню сам(а)»"),
        }
    }
}

impl Word for OccasionKind {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::UpcomingAppointment => ("upcoming appointment", "предстоящий приём"),
            Self::Surgery => ("surgery", "операция"),
            Self::PastVisit => ("past visit", "прошедший визит"),
            Self::Referrer => ("recommendation", "рекомендация"),
            Self::CareReferral => ("help arranged elsewhere", "помощь в другом учреждении"),
            Self::CallbackRequest => ("the patient’s request", "просьба пациента"),
            Self::ClinicCancellation => ("change made by the clinic", "изменение приёма клиникой"),
        }
    }
}

impl Word for Override {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::PatientInitiatedOnly => ("the wish not to be called", "просьба не звонить"),
            Self::QuietHours => ("quiet hours and holidays", "часы тишины и праздники"),
            Self::OverallLimits => ("the limits over all purposes", "общие ограничения для всех целей"),
            Self::Everything => {
                ("everything but the purpose’s own limits", "все ограничения, кроме собственных ограничений цели")
            }
        }
    }
}

impl Word for ExportPurpose {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::PatientRequest => ("the patient asked for it", "по просьбе пациента"),
            Self::Complaint => ("a complaint", "жалоба"),
            Self::Inspection => ("an inspection by an authority", "проверка контролирующим органом"),
            Self::Court => ("demanded by a court", "требование суда"),
            Self::InternalReview => ("the network’s own review", "внутренняя проверка сети"),
        }
    }
}

impl Word for Code {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::PurposeUnknown => ("the policy does not name this purpose", "правила не знают такой цели"),
            Self::PurposeForbidden => ("the policy forbids this purpose", "правила запрещают такую цель"),
            Self::PatientClosed => (
                "the record is closed: the patient has died, was erased or is joined with another record",
                "запись закрыта: пациент умер, данные уничтожены или запись объединена с другой",
            ),
            Self::ChannelNotAllowed => {
                ("this purpose may not use this channel", "для этой цели такой способ связи не допускается")
            }
            Self::ChannelUnreachable => (
                "the number or address belongs to somebody else, and no new one came since",
                "номер или адрес принадлежит другому человеку, нового с тех пор не сообщали",
            ),
            Self::PatientInitiatedOnly => {
                ("the patient asked not to be called: “I’ll call you”", "пациент просил не звонить: «я позвоню сам(а)»")
            }
            Self::ConsentMissing => {
                ("there never was a consent for this purpose and channel", "согласия на эту цель и этот способ связи не было")
            }
            Self::ConsentWithdrawn => ("the consent was withdrawn", "согласие отозвано"),
            Self::ConsentExpired => ("the consent had run out", "срок согласия истёк"),
            Self::NoOccasion => ("there was no occasion for it, or it was over", "повода не было, или он уже миновал"),
            Self::TooEarly => ("too early", "слишком рано"),
            Self::TooLate => ("too late", "слишком поздно"),
            Self::NotAnnounced => ("the patient had not been told to expect it", "пациента не предупредили об этом обращении"),
            Self::OutsideAnnouncedWindow => {
                ("the patient had been told to expect it at another time", "пациента предупредили о другом времени")
            }
            Self::QuietHours => ("quiet hours", "часы тишины"),
            Self::Holiday => ("a day on which no one is called", "день, в который никому не звонят"),
            Self::LimitReached => ("the limit for this purpose was reached", "ограничение для этой цели исчерпано"),
            Self::OverallLimitReached => {
                ("the limit over all purposes was reached", "общее ограничение для всех целей исчерпано")
            }
            Self::PermitOutstanding => {
                ("somebody already held a permit for this", "на это же обращение уже действует разрешение")
            }
            Self::NumberBusy => {
                ("the telephone number was not to be rung at that time", "на этот номер телефона в это время звонить было нельзя")
            }
        }
    }
}

/// The words for the purposes of the policy that ships; a network's own purposes are shown by their code.
const PURPOSES: &[(&str, &str, &str)] = &[
    ("appointment_reminder", "reminder of an appointment", "напоминание о приёме"),
    ("wellbeing_check", "asking how the patient feels after surgery", "вопрос о самочувствии после операции"),
    ("checkup_invitation", "invitation to a preventive check-up", "приглашение на профилактический осмотр"),
    ("promotion", "advertising", "реклама"),
    ("feedback_request", "asking for feedback", "просьба об отзыве"),
    ("care_referral_callback", "telling where help was found", "сообщение о найденной помощи"),
    ("callback", "calling back at the patient’s request", "обращение по просьбе пациента"),
    ("cancellation_notice", "notice that the clinic changed an appointment", "извещение об отмене или переносе приёма клиникой"),
    ("emergency", "danger to life or health", "угроза жизни или здоровью"),
    ("visit_survey", "survey after a visit", "опрос после визита"),
    ("sales_follow_up", "pressing for a sale", "уговоры купить после консультации"),
    ("win_back", "winning a patient back", "возвращение ушедшего пациента"),
    ("how_are_you", "asking how the patient is, without a reason", "вопрос «как дела» без повода"),
];

/// A purpose in words alone; by its code if it is one of the network's own.
pub fn purpose_alone(language: Language, purpose: &Purpose) -> String {
    let known = PURPOSES.iter().find(|(code, ..)| *code == purpose.as_str());
    known.map_or_else(|| purpose.to_string(), |(_, english, russian)| language.of(english, russian).to_owned())
}

/// A purpose in words, with its code, by which the policy names it.
pub fn purpose(language: Language, purpose: &Purpose) -> String {
    match PURPOSES.iter().find(|(code, ..)| *code == purpose.as_str()) {
        Some((code, english, russian)) => format!("{} ({code})", language.of(english, russian)),
        None => purpose.to_string(),
    }
}

/// Channels in words, in a list.
pub fn channels(language: Language, channels: &[Channel]) -> String {
    channels.iter().map(|channel| channel.word(language)).collect::<Vec<_>>().join(", ")
}

/// Titles, headings, names of fields and standing sentences: an enum of them, each with its English and its Russian.
#[macro_export]
macro_rules! labels {
    ($(#[$doc:meta])* $vis:vis enum $Enum:ident { $($name:ident = $english:literal, $russian:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $Enum { $($name,)+ }

        impl $Enum {
            /// Every one.
            #[allow(dead_code, reason = "for the test that reads all of them")]
            $vis const ALL: &'static [Self] = &[$(Self::$name,)+];
        }

        impl $crate::Word for $Enum {
            fn both(&self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($english, $russian),)+ }
            }
        }
    };
}

/// For tests: that a text is Russian, or has nothing of it.
pub fn is_russian(text: &str) -> bool {
    text.chars().any(|c| ('а'..='я').contains(&c) || ('А'..='Я').contains(&c) || c == 'ё' || c == 'Ё')
}

/// For tests: fails unless both say something, each in its own letters.
///
/// # Panics
/// If they do not.
pub fn check(what: &str, (english, russian): (&str, &str)) {
    assert!(!english.trim().is_empty() && !is_russian(english), "{what}: `{english}` is not English");
    // Short names that Russian writes as they are.
    let same = ["SMS", "№", "Tact", "SHA-256", "English", "—"];
    assert!(is_russian(russian) || same.contains(&russian), "{what}: `{russian}` is not Russian");
}

/// For tests: the same of all of them.
///
/// # Panics
/// If one is not complete.
pub fn check_all<W: Word + std::fmt::Debug>(all: &[W]) {
    assert!(!all.is_empty());
    for word in all {
        check(&format!("{word:?}"), word.both());
    }
}
