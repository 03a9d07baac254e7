//! What stands beside and above the facts: titles, headings, the names of fields.

use super::Word;

macro_rules! labels {
    ($($name:ident = $english:literal, $russian:literal;)+) => {
        /// A title, a heading, the name of a field or a standing sentence of the pages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Label { $($name,)+ }

        impl Label {
            /// Every one.
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)+];
        }

        impl Word for Label {
            fn both(&self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($english, $russian),)+ }
            }
        }
    };
}

labels! {
    // The page of a history.
    HistoryTitle = "History of contacts with a patient", "История обращений к пациенту";
    About = "About this document", "Об этом документе";
    Network = "Network", "Сеть";
    PatientId = "Patient (id)", "Пациент (идентификатор)";
    MadeFor = "Made for", "Подготовлено для";
    Ground = "Ground", "Основание";
    MadeAt = "Made at", "Подготовлено";
    Period = "Period", "Период";
    WholeHistory = "the whole history", "вся история";
    LocalTimes = "Times", "Время";
    LocalTimesAre = "are local times of the patient, with the distance from UTC", "местное время пациента; в скобках разница с UTC";
    NoPersonal = "Names and contact details are not part of this document.", "Имя и контактные данные в этот документ не включены.";
    PersonalData = "Personal data", "Персональные данные";
    Summary = "Summary", "Сводка";
    Contacts = "Contacts by the clinic", "Обращения клиники";
    Inbound = "Contacts by the patient", "Обращения пациента";
    Decisions = "Decisions", "Решения";
    Breaches = "Breaches", "Нарушения";
    NoBreaches = "none: each contact was made under a permit", "нет: каждое обращение сделано по разрешению";
    NoneRecorded = "none recorded", "не записано";
    RefusedFor = "Refused because", "Причины отказов";
    WishNow = "The patient’s wish now", "Пожелание пациента сейчас";
    ConsentsNow = "Consents as they stand now", "Согласия на момент подготовки";
    NoConsents = "No consent was ever recorded.", "Ни одного согласия не записано.";
    Standing = "Standing", "Состояние";
    Policies = "Contact policies", "Правила обращений";
    NoPolicies = "No policy was published.", "Правила не публиковались.";
    PoliciesWhat = "A published policy cannot be changed; its SHA-256 is the fingerprint of its text.", "Опубликованные правила не меняются; SHA-256 — отпечаток их текста.";
    Version = "Version", "Версия";
    InForceFrom = "In force from", "Действует с";
    InForceUntil = "Until", "До";
    Published = "Published", "Опубликовано";
    Now = "in force", "действует";
    NeverInForce = "never in force", "не вступали в силу";
    Timeline = "What happened, in order", "Что происходило, по порядку";
    OfMerged = "History of a record that was joined to this one", "История присоединённой записи";
    Number = "No.", "№";
    When = "When", "Когда";
    What = "What happened", "Что произошло";
    RecordedBy = "Recorded", "Записано";
    Nothing = "Nothing is recorded in this period.", "За этот период записей нет.";
    Proof = "How this can be checked", "Как это проверить";
    ProofWhat = "Each event carries the hash of the one before it, and a signed checkpoint covers them all. This page is for reading; the file in Tact’s own form is what can be checked without the clinic’s server.", "Каждое событие несёт хеш предыдущего, и все они охвачены подписанной контрольной точкой. Эта страница — для чтения; проверяется файл в формате Tact, без сервера клиники.";
    NoProof = "This page comes without a statement of proof. The events carry hashes, shown in the order of the record; ask for the history in Tact’s own form to check them.", "К этой странице не приложено свидетельство. Чтобы проверить хеши событий, запросите историю в формате Tact.";
    Checkpoint = "Checkpoint", "Контрольная точка";
    CheckpointAt = "Checkpoint made", "Время контрольной точки";
    Key = "Key", "Ключ";
    Covered = "Covered events", "Охвачено событий";
    Command = "Command", "Команда";
    // Marks.
    Breach = "BREACH", "НАРУШЕНИЕ";
    Permitted = "permitted", "разрешено";
    Refused = "refused", "отказано";
    BeforeTact = "before the rules", "до введения правил";
    // Fields of events.
    Purpose = "Purpose", "Цель";
    Channel = "Channel", "Способ связи";
    Channels = "Channels", "Способы связи";
    Branch = "Branch", "Филиал";
    HomeBranch = "Home branch", "Основной филиал";
    TimeZone = "Time zone", "Часовой пояс";
    LanguageOf = "Language", "Язык";
    RecommendedBy = "Recommended by", "По рекомендации";
    Guardian = "Spoken for by", "Представитель";
    NewDetails = "New contact details for", "Новые контактные данные";
    OtherRecord = "Other record", "Другая запись";
    BroughtAlong = "What came along", "Что перенесено";
    Document = "Document", "Документ";
    Archived = "the document itself is in the network’s archive; the record holds its id only", "сам документ — в архиве сети; в записях только его идентификатор";
    Method = "Given", "Форма";
    Expires = "Runs out", "Истекает";
    NoExpiry = "does not run out", "без срока";
    Every = "every", "все";
    Wish = "Wish", "Пожелание";
    QuietHours = "Quiet hours", "Часы тишины";
    Preferred = "Preferred channel", "Удобный способ связи";
    Appointment = "Appointment", "Приём";
    Kind = "Kind", "Вид";
    StartsAt = "Time", "Время приёма";
    NewTime = "New time", "Новое время";
    Clinician = "Clinician", "Врач";
    ChangedBy = "By", "По инициативе";
    Window = "Time that was named", "Названное время";
    Occasion = "Occasion", "Повод";
    Permit = "Permit", "Разрешение";
    ValidUntil = "Valid until", "Действительно до";
    Policy = "Policy", "Правила";
    RestsOnConsent = "Consent", "Согласие";
    RestsOnAnnouncement = "Announcement", "Предупреждение";
    Counted = "Limits", "Ограничения";
    Overrides = "Not held to", "Не действует";
    QuietLifted = "Quiet hours lifted", "Часы тишины сняты";
    Reason = "Reason", "Обоснование";
    Reasons = "Why", "Почему";
    NextChance = "Asking makes sense again", "Спросить снова имеет смысл";
    Outcome = "Outcome", "Итог";
    WasPermitted = "Permitted?", "Разрешено?";
    Note = "Note", "Примечание";
    TextKept = "text kept apart, not shown here", "текст хранится отдельно и здесь не показан";
    Recommended = "Who came", "Кто пришёл";
    Need = "Service needed", "Нужная услуга";
    Provider = "Provider", "Учреждение";
    Referral = "Referral", "Направление";
    Score = "Score", "Оценка";
    Strengths = "What is good", "Что хорошо";
    Weaknesses = "What is not", "Что плохо";
    FeedbackText = "In words", "Словами";
    NotNeeded = "not needed by this policy", "по этим правилам не требуется";
    WithoutPermit = "NO. This contact was not made under a valid permit.", "НЕТ. Обращение сделано без действующего разрешения.";
    PermitNotValid = "NO. A permit was named, but it did not hold for this contact.", "НЕТ. Разрешение названо, но на это обращение оно не распространялось.";
    MadeBeforeTact = "It was made before the network’s first policy took effect.", "Обращение сделано до вступления в силу первых правил сети.";
    NoPermitNeeded = "The patient’s own call needs no permit.", "На обращение самого пациента разрешение не нужно.";
    // The page of one contact.
    ContactTitle = "Evidence for one contact", "Доказательства по одному обращению";
    ContactId = "Contact (id)", "Обращение (идентификатор)";
    Verdict = "In short", "Коротко";
    NothingMissing = "Nothing is missing: every question below has an answer in the record.", "Пробелов нет: на каждый вопрос ниже в записях есть ответ.";
    Missing = "What is missing or wrong", "Чего не хватает и что не так";
    ThisContact = "The contact", "Обращение";
    HappenedAt = "When it happened", "Когда произошло";
    RecordedAt = "When it was recorded", "Когда записано";
    Caller = "Who recorded it", "Кто записал";
    Directed = "Direction", "Направление";
    Consent = "Consent", "Согласие";
    TakenBy = "Taken and recorded by", "Кем получено и записано";
    GivenAt = "Given", "Когда дано";
    WithdrawnLater = "Withdrawn", "Отозвано";
    NoConsentShown = "No consent for this purpose and channel is recorded.", "Согласие на эту цель и этот способ связи не записано.";
    ConsentNotNeeded = "By the policy, this purpose does not rest on consent.", "По правилам эта цель не требует согласия.";
    Permission = "Permit and decision", "Разрешение и решение";
    NoPermitShown = "No permit for this contact is recorded.", "Разрешение на это обращение не записано.";
    AskedBy = "Asked for by", "Кто запросил";
    GrantedAt = "Granted", "Выдано";
    DecidedAgain = "Made again from the record", "Повторное принятие решения";
    SameAgain = "comes out the same", "результат тот же";
    NotSameAgain = "DOES NOT come out the same", "результат ДРУГОЙ";
    NotDecidedAgain = "cannot be made again here", "здесь повторить нельзя";
    NoPolicyShown = "No policy was in force.", "Правила не действовали.";
    PolicyBasis = "What gives the right", "Что даёт право";
    Announcement = "Announcement", "Предупреждение";
    ToldAt = "The patient was told", "Когда предупредили";
    NoAnnouncementShown = "No announcement covers this contact.", "Предупреждение об этом обращении не записано.";
    Record = "The record itself", "Сама запись";
    EventOf = "Event", "Событие";
    Hash = "SHA-256 of the stored event", "SHA-256 хранимого события";
    Law = "Russian Federal Law 38-FZ of 13 March 2006 “On Advertising”, article 18, part 1: advertising over telecommunication networks takes the addressee’s prior consent; without proof of it by whoever advertises, it counts as sent without consent. The burden of proof is the clinic’s.", "Статья 18, часть 1 Федерального закона от 13.03.2006 № 38-ФЗ «О рекламе»: для рекламы по сетям электросвязи нужно предварительное согласие адресата; если рекламораспространитель не докажет, что получил его, согласия не было. Доказывать обязана клиника.";
    BasisCare = "care for the patient", "забота о пациенте";
    BasisConsent = "the patient’s consent", "согласие пациента";
    BasisRequest = "the patient’s request", "просьба пациента";
    BasisForbidden = "nothing: the policy forbids this purpose", "ничего: правила запрещают эту цель";
    BasisUnknown = "nothing: the policy does not name this purpose", "ничего: правила не называют эту цель";
    NothingGrave = "The contact was made under a valid permit.", "Обращение сделано по действующему разрешению.";
}
