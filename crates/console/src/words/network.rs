//! What the pages of a network's head say, in both languages.

use tact_words::Language;

tact_words::labels! {
/// Something that the pages of a network's head say.
pub(crate) enum Net {
    Title = "Network", "Сеть";
    TabFigures = "Figures", "Показатели";
    TabPolicies = "Policies", "Правила";
    Parts = "Parts of this page", "Разделы страницы";

    FiguresWhat = "How often patients were contacted, and what came of it. Fewer is better: no figure here is a goal to be raised.", "Как часто обращались к пациентам и что из этого вышло. Чем меньше, тем лучше: ни один показатель здесь не план, который надо увеличивать.";
    From = "From month", "С месяца";
    Until = "Until month", "По месяц";
    Branch = "Branch", "Филиал";
    AllBranches = "all", "все";
    Show = "Show", "Показать";
    Choice = "What to show", "Что показать";
    MonthForm = "A month as 2026-03, by UTC.", "Месяц в виде 2026-03, по UTC.";
    Nothing = "Nobody was contacted in these months.", "За эти месяцы ни к кому не обращались.";

    Attempts = "Contacts that we made", "Обращений с нашей стороны";
    AttemptsShort = "Contacts", "Обращений";
    PerPatient = "To one patient a year", "К одному пациенту за год";
    Announced = "Announced beforehand", "С предупреждением";
    Declined = "Patients did not want them", "Пациенты не захотели";
    Breaches = "Against the policy", "Против правил";
    LeftAlone = "“Don’t call me, I’ll call you”", "«Не звоните мне, я сам(а) позвоню»";
    Refused = "Permits refused", "Отказов в разрешении";
    Granted = "Permits given", "Разрешений дано";
    Inbound = "Patients turned to us", "Пациенты обратились сами";
    ByMonth = "By month", "По месяцам";
    ByBranch = "By branch", "По филиалам";
    ByPurpose = "By purpose", "По целям";
    ByReason = "Why permits were refused", "Почему отказано в разрешении";
    ReasonWhat = "A refusal with several reasons counts under each.", "Отказ с несколькими причинами учтён под каждой.";
    Month = "Month", "Месяц";
    Purpose = "Purpose", "Цель";
    Reason = "Reason", "Причина";
    Times = "Times", "Раз";
    Whole = "The whole network", "Вся сеть";
    AttemptsPlot = "Contacts that we made, by month", "Обращений с нашей стороны, по месяцам";
    FailedNot = "Wrong numbers and what never left us are not counted.", "Чужие номера и то, что не ушло от нас, не считаются.";
    NoBranch = "no branch", "без филиала";

    PerContacted = "Contacts for each patient contacted", "Обращений на одного, к кому обращались";
    Turned = "Asked not to be called", "Попросили не звонить";

    WhatIf = "What if", "Что, если бы";
    WhatIfWhat = "What another policy would have refused and permitted in what has been recorded. Nothing is recorded, and nobody is named.", "Что другие правила запретили бы и разрешили в том, что записано. Ничего не записывается, и никто не назван.";
    WhatIfText = "The text of a policy that is not published (TOML)", "Текст неопубликованных правил (TOML)";
    WhatIfHelp = "Left empty: the version chosen above. At most 92 days at once; the command tact policy simulate tells of more.", "Если пусто — версия, выбранная выше. Не больше 92 дней сразу; о большем расскажет команда tact policy simulate.";
    WhatIfBad = "This text is not a policy", "Этот текст — не правила";
    WhatIfAsk = "Tell", "Рассказать";
    FromDay = "From day", "С дня";
    UntilDay = "Until day, that day included", "По день, включительно";
    WhatIfTold = "What would have come out otherwise", "Что вышло бы иначе";
    WhatIfWhy = "Why", "Почему";
    WhatIfExamples = "A few of these contacts", "Некоторые из этих обращений";
    WouldRefuse = "would have been refused", "были бы запрещены";
    WouldRefuseReached = "of these, reached somebody", "из них дошли до человека";
    WouldPermit = "would have been permitted", "были бы разрешены";
    ContactsRefused = "Contacts refused", "Обращений запрещено";
    PermitsRefused = "Permits refused", "Разрешений не дано";
    ContactsPermitted = "Contacts permitted", "Обращений разрешено";
    RefusalsPermitted = "Refusals permitted", "Отказов не было бы";
    ContactId = "Contact", "Обращение";
    Otherwise = "Otherwise", "Иначе";
    EventsRead = "Events read", "Прочитано событий";
    SetAside = "Patients whose records cannot be read through", "Пациентов, записи которых не читаются до конца";
    HowTitle = "How it is reckoned", "Как это считается";
    HowRefused = "What the policy would have refused did not happen: later decisions do not see it.", "Запрещённого этими правилами не было: более поздние решения его не видят.";
    HowPermitted = "What it would have permitted counts as one attempt that nobody answered; whether the patient would have been reached, nobody knows.", "Разрешённое ими считается одной попыткой без ответа: состоялся бы разговор, никто не знает.";
    HowUnasked = "A contact that nobody asked a permit for is spared only if the policy of its day would have permitted it and this one would not: who disregarded one would have disregarded the other.", "Обращения без разрешения не было бы, только если правила того дня его допускали, а эти нет: кто не посмотрел в одни, не посмотрел бы и в другие.";
    HowRest = "Everything else stays as it was: nobody asks, books or answers otherwise than they did.", "Всё остальное остаётся как было: никто не спрашивает, не записывается и не отвечает иначе.";

    PoliciesWhat = "The contact policy that decides, those before it, and what changed between them.", "Правила обращений, которые действуют, прежние, и что между ними изменилось.";
    InForce = "In force", "Действуют";
    InForceSince = "since", "с";
    NoneInForce = "No policy is in force: nothing is permitted.", "Ни одни правила не действуют: ничего не разрешается.";
    History = "All policies", "Все правила";
    Version = "Version", "Версия";
    EffectiveFrom = "Takes effect", "Вступают в силу";
    Published = "Published", "Опубликованы";
    Checksum = "SHA-256", "SHA-256";
    TextTitle = "Its text", "Текст";
    TextHelp = "Made to be read aloud. A new one is published with the command line: tact policy publish.", "Написаны так, чтобы их можно было прочитать вслух. Новые публикуются командой tact policy publish.";
    DiffTitle = "What differs", "Что отличается";
    DiffFrom = "From", "От";
    DiffTo = "To", "К";
    DiffShow = "Compare", "Сравнить";
    DiffNone = "They decide alike: what differs, if anything, are comments and order.", "Решают они одинаково: отличаться могут только пояснения и порядок.";
    DiffKey = "What it is about", "О чём";
    DiffBefore = "Before", "Было";
    DiffAfter = "After", "Стало";
    DiffAbsent = "nothing", "ничего";
    CasesTitle = "Written cases", "Проверка на примерах";
    CasesWhat = "Cases are stories with an expected end: may this call be made, and if not, why. They touch no patient, and nothing is recorded.", "Примеры — это истории с ожидаемым концом: можно ли позвонить, и если нет, почему. Пациентов они не касаются, и ничего не записывается.";
    CasesPolicy = "Policy", "Правила";
    CasesOwn = "A case of your own (TOML)", "Свой пример (TOML)";
    CasesOwnHelp = "Left empty: all cases that ship with Tact. They are written for the policy that ships; for another, some fail by design.", "Если пусто — все примеры, что поставляются с Tact. Они написаны для поставляемых правил; для других часть из них не сойдётся, и это не ошибка.";
    CasesRun = "Try", "Проверить";
    CasesPassed = "as expected", "сошлось";
    CasesFailed = "otherwise", "не сошлось";
    CasesName = "Case", "Пример";
    CasesOutcome = "Came out", "Итог";
    OnlyManager = "Only whoever runs the network tries cases.", "Примеры проверяет только тот, кто ведёт сеть.";
}
}

/// A count, its thousands apart.
pub(crate) fn count(language: Language, n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push_str(language.of(",", "\u{a0}"));
        }
        text.push(digit);
    }
    if n < 0 { format!("−{text}") } else { text }
}

/// A share, in percent.
pub(crate) fn share(language: Language, part: i64, whole: i64) -> String {
    if whole <= 0 {
        return "—".to_owned();
    }
    let percent = rate(part, whole) * 100.0;
    let rounded = if percent < 10.0 { (percent * 10.0).round() / 10.0 } else { percent.round() };
    let number = super::feedback::decimal(language, rounded);
    match language {
        Language::English => format!("{number}%"),
        Language::Russian => format!("{number}\u{a0}%"),
    }
}

/// How much of one thing there is to one of another.
pub(crate) fn rate(part: i64, whole: i64) -> f64 {
    let number = |n: i64| f64::from(i32::try_from(n).unwrap_or(i32::MAX));
    if whole <= 0 { 0.0 } else { number(part) / number(whole) }
}

/// How many cases came out as written, in words.
pub(crate) fn outcome(language: Language, passed: u64, failed: u64) -> String {
    match language {
        Language::English => format!("{} as expected, {failed} otherwise.", language.count(passed, ["case", "cases"], [""; 3])),
        Language::Russian => {
            format!("Сошлось: {}. Не сошлось: {failed}.", language.count(passed, [""; 2], ["пример", "примера", "примеров"]))
        }
    }
}

/// What a key of a policy is about: the purpose or the network, and which rule of it.
pub(crate) fn policy_key(language: Language, path: &str) -> (String, String) {
    let rule = |key: &str| {
        let (english, russian) = match key {
            "forbidden" => ("forbidden, because", "запрещено, потому что"),
            "basis" => ("what allows it", "на чём основано"),
            "occasion" => ("occasion", "повод"),
            "unless_booked_ahead" => ("not while something is booked", "не при записи впереди"),
            "window" => ("when", "когда"),
            "announced" => ("must be announced", "нужно предупредить"),
            "limits" => ("limits", "ограничения"),
            "channels" => ("channels", "способы связи"),
            "permit_valid_for" => ("how long a permit lives", "сколько действует разрешение"),
            "overrides" => ("what it sets aside", "что отменяет"),
            "quiet_hours_override_for" => ("how long quiet hours are set aside", "сколько не действуют часы тишины"),
            "agenda" => ("on the worklist by itself", "само в списке дел"),
            "reason_required" => ("a reason must be given", "нужна причина"),
            "quiet_hours" => ("quiet hours", "часы тишины"),
            "holidays" => ("days without calls", "дни без звонков"),
            other => return other.to_owned(),
        };
        language.of(english, russian).to_owned()
    };
    let mut parts = path.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("purpose"), Some(purpose), Some(key)) => (super::purpose(language, purpose), rule(key)),
        (Some("network"), Some(key), None) => (language.of("The whole network", "Вся сеть").to_owned(), rule(key)),
        (Some("overall"), Some(key), None) => (language.of("Over all purposes", "Для всех целей вместе").to_owned(), rule(key)),
        _ => (path.to_owned(), String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_in_both_languages() {
        tact_words::check_all(Net::ALL);
    }

    #[test]
    fn counts_and_shares_are_written_as_the_language_writes_them() {
        for (n, english, russian) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1000, "1,000", "1\u{a0}000"),
            (1_234_567, "1,234,567", "1\u{a0}234\u{a0}567"),
            (-1200, "−1,200", "−1\u{a0}200"),
        ] {
            assert_eq!((count(Language::English, n).as_str(), count(Language::Russian, n).as_str()), (english, russian));
        }
        assert_eq!(share(Language::English, 1, 3), "33%");
        assert_eq!(share(Language::Russian, 1, 80), "1,3\u{a0}%");
        assert_eq!(share(Language::English, 0, 0), "—", "nothing of nothing is no share");
        assert_eq!(outcome(Language::Russian, 21, 2), "Сошлось: 21 пример. Не сошлось: 2.");
    }

    /// Every key that the policy which ships has is said in words.
    #[test]
    fn keys_of_a_policy_are_said_in_words() {
        for (path, english) in [
            ("purpose.promotion.limits", ("Advertising", "limits")),
            ("network.quiet_hours", ("The whole network", "quiet hours")),
            ("overall.limits", ("Over all purposes", "limits")),
            ("odd", ("odd", "")),
        ] {
            let (what, key) = policy_key(Language::English, path);
            assert_eq!((what.as_str(), key.as_str()), english);
        }
        let text = include_str!("../../../../policies/default.toml");
        let policy = tact_domain::policy::text::parse(text, "default").expect("the policy that ships is one");
        for path in tact_domain::policy::diff::terms(&policy).keys() {
            let (what, key) = policy_key(Language::Russian, path);
            assert!(tact_words::is_russian(&what) && tact_words::is_russian(&key), "{path}: {what}, {key}");
        }
    }
}
