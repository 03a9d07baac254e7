//! What the pages of feedback say, in both languages.

use tact_words::Language;

tact_words::labels! {
/// Something that the pages of feedback say.
pub(crate) enum Voice {
    TitleReferrers = "What those who recommend us say", "Что говорят те, кто нас рекомендует";
    TitleOthers = "What everyone else says", "Что говорят остальные";
    TabReferrers = "Those who recommend us", "Кто нас рекомендует";
    TabOthers = "Everyone else", "Остальные";
    Whose = "Whose feedback", "Чьи отзывы";
    WhatReferrers = "They know us best, and they are the only ones whom we ask. Whom they brought is shown nowhere.", "Они знают нас лучше всех, и спрашиваем мы только их. Кого они привели, не показывается нигде.";
    WhatOthers = "Nobody asked them: this is what came by itself. It is never mixed with the rest.", "Их не спрашивали: это сказано по их собственному почину. С остальным не смешивается.";
    Show = "Show", "Показать";
    By = "For what", "По чему";
    ByNetwork = "the whole network", "вся сеть";
    ByBranch = "branches", "филиалы";
    ByClinician = "clinicians", "врачи";
    Per = "Over what", "За какое время";
    PerMonth = "by month", "по месяцам";
    PerYear = "by year", "по годам";
    PerEver = "all time", "за всё время";
    OneBranch = "Branch", "Филиал";
    AllBranches = "all", "все";
    OneClinician = "Clinician", "Врач";
    AllClinicians = "all", "все";
    FromMonth = "From month", "С месяца";
    UntilMonth = "Until month", "По месяц";
    MonthForm = "A month as 2026-03; all of it if left empty.", "Месяц в виде 2026-03; если пусто, то за всё время.";
    Choice = "What to show", "Что показать";
    Withheld = "withheld", "не показано";
    WithheldTitle = "Why something is withheld", "Почему что-то не показано";
    WithheldHow = "The same is withheld from everyone who looks, whatever their role, and no choice above brings it out. A longer time shows more.", "Скрытое скрыто от всех, кто смотрит, при любой роли, и выбором выше его не открыть. За большее время видно больше.";
    ThemesWithheld = "Other themes were named, too; they are withheld, for the same reasons.", "Названы и другие темы; они не показаны по той же причине.";
    ThemesHidden = "Themes were named; none of them may be shown.", "Темы названы, но показать из них ничего нельзя.";
    ThemesNone = "No theme was named.", "Темы не названы.";
    Nothing = "Nobody has said anything here yet.", "Здесь пока никто ничего не сказал.";
    TooMany = "There are more than fits on one page: choose a branch.", "Показано не всё: выберите филиал.";
    LastOnes = "Only the last 24 months are shown here; earlier ones by choosing months above.", "Здесь показаны последние 24 месяца; более ранние — при выборе месяцев выше.";
    ScoreTitle = "Score", "Оценка";
    ScorePlot = "Mean score from 0 to 10", "Средняя оценка от 0 до 10";
    ThemesTitle = "Strengths and weaknesses", "Сильные и слабые стороны";
    ThemesPlot = "How often a theme was named: as a weakness to the left, as a strength to the right", "Как часто названа тема: слева как слабая сторона, справа как сильная";
    ThemePlot = "How often the theme was named: as a strength upwards, as a weakness downwards", "Как часто названа тема: вверх как сильная сторона, вниз как слабая";
    Period = "Time", "Время";
    Answers = "Answers", "Отзывов";
    Mean = "Mean score", "Средняя оценка";
    Theme = "Theme", "Тема";
    Strength = "Strength", "Сильная сторона";
    Weakness = "Weakness", "Слабая сторона";
    Brackets = "In brackets: the mean score of the answers that name it.", "В скобках — средняя оценка тех отзывов, где тема названа.";
    LegendWithheld = "Dashed: withheld.", "Пунктир: не показано.";
    NotNamed = "—", "—";
    AllThemes = "All themes", "Все темы";
    UnknownClinician = "Clinician", "Врач";
    Ever = "all time", "за всё время";

    AnswerTitle = "What was said of us", "Что о нас сказали";
    AnswerWhat = "Write down what this person said. Only those who recommend us are asked; whoever says something unasked is heard, too.", "Запишите, что сказал этот человек. Спрашивают только тех, кто нас рекомендует; но и сказанное без вопроса записывается.";
    AnswerWhose = "It goes to the figures without a name. Nobody is told who recommended us to whom.", "В показатели это попадает без имени. Кто кого к нам привёл, никому не сообщается.";
    AnswerNobody = "Find the person first; the form is on their page.", "Сначала найдите человека: форма открывается с его страницы.";
    Score = "How likely are they to recommend us, from 0 (not at all) to 10?", "Насколько готовы рекомендовать нас, от 0 (нисколько) до 10?";
    About = "About which visit", "О каком визите";
    AboutNone = "none in particular", "ни о каком отдельно";
    AboutBranch = "Branch, if no visit", "Филиал, если визит не выбран";
    Themes = "What was good, and what was not", "Что хорошо, а что нет";
    ThemesWhat = "Tick what they named. The same theme may be both.", "Отметьте названное. Одна тема может быть и тем и другим.";
    Good = "Good", "Хорошо";
    Bad = "Not good", "Плохо";
    Words = "In their own words", "Своими словами";
    WordsHelp = "At most 2,000 characters; kept with the personal data and erased with them.", "Не больше 2000 знаков; хранится с персональными данными и уничтожается вместе с ними.";
    SaidAt = "When, if not now", "Когда, если не сейчас";
    Save = "Write down", "Записать";
    ToPerson = "Back to the person", "К странице человека";
    Feedback = "What they say of us", "Что о нас говорят";
}
}

/// Why cells are withheld, with the fewest people that are shown together.
pub(crate) fn why_withheld(language: Language, fewest: u64) -> String {
    match language {
        Language::English => format!(
            "A figure is shown if at least {fewest} people speak in it, so that nobody can be recognised by what they said. It is also withheld if \
             what fewer people said could be reckoned from it and the figures beside it."
        ),
        Language::Russian => {
            let people = language.count(fewest, ["", ""], ["человек", "человека", "человек"]);
            format!(
                "Показатель виден, если в нём высказались хотя бы {people}: так никого не узнать по его словам. Он скрыт и тогда, когда по нему и \
                 соседним можно было бы вычислить сказанное меньшим числом людей."
            )
        }
    }
}

/// What a plot of scores shows, in a sentence: for whoever does not see it.
pub(crate) fn trend_in_words(language: Language, values: &[(String, f64)], withheld: usize) -> String {
    let extreme = |better: fn(f64, f64) -> bool| {
        values.iter().fold(None::<&(String, f64)>, |best, one| match best {
            Some(best) if !better(one.1, best.1) => Some(best),
            _ => Some(one),
        })
    };
    let hidden = u64::try_from(withheld).unwrap_or(0);
    let number = |value: f64| decimal(language, value);
    let mut said = match (extreme(|a, b| a < b), extreme(|a, b| a > b), language) {
        (Some(low), Some(high), Language::English) if values.len() > 1 => {
            format!("Lowest {} ({}), highest {} ({}).", number(low.1), low.0, number(high.1), high.0)
        }
        (Some(low), Some(high), Language::Russian) if values.len() > 1 => {
            format!("Наименьшая {} ({}), наибольшая {} ({}).", number(low.1), low.0, number(high.1), high.0)
        }
        (Some(one), _, _) => format!("{}: {}.", one.0, number(one.1)),
        (None, _, Language::English) => "Nothing may be shown.".to_owned(),
        (None, _, Language::Russian) => "Показать ничего нельзя.".to_owned(),
    };
    if hidden > 0 {
        said += &match language {
            Language::English => format!(" Withheld: {}.", language.count(hidden, ["value", "values"], [""; 3])),
            Language::Russian => {
                format!(" Не показано: {}.", language.count(hidden, [""; 2], ["значение", "значения", "значений"]))
            }
        };
    }
    said
}

/// What a plot of themes shows, in a sentence.
pub(crate) fn sides_in_words(language: Language, rows: &[(String, Option<u64>, Option<u64>)]) -> String {
    let told = rows.iter().map(|(name, weak, strong)| {
        let count = |n: &Option<u64>| n.map_or_else(|| "—".to_owned(), |n| n.to_string());
        match language {
            Language::English => format!("{name}: weakness {}, strength {}", count(weak), count(strong)),
            Language::Russian => format!("{name}: слабая сторона {}, сильная {}", count(weak), count(strong)),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

/// A number with at most two decimals, as the language writes it.
pub(crate) fn decimal(language: Language, value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    match language {
        Language::English => text.to_owned(),
        Language::Russian => text.replace('.', ","),
    }
}

/// The label of a field of the forms about feedback, by its name in the API.
pub(crate) fn field(name: &str) -> Option<Voice> {
    Some(match name {
        "score" => Voice::Score,
        "strengths" => Voice::Good,
        "weaknesses" => Voice::Bad,
        "from" => Voice::FromMonth,
        "until" => Voice::UntilMonth,
        "clinician" => Voice::OneClinician,
        "time" => Voice::SaidAt,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_in_both_languages() {
        tact_words::check_all(Voice::ALL);
        for fewest in [1, 3, 5] {
            assert!(tact_words::is_russian(&why_withheld(Language::Russian, fewest)));
        }
        assert!(why_withheld(Language::Russian, 3).contains("3 человека"));
    }

    #[test]
    fn numbers_are_written_as_the_language_writes_them() {
        for (value, english, russian) in [(10.0, "10", "10"), (6.67, "6.67", "6,67"), (8.5, "8.5", "8,5"), (0.0, "0", "0")] {
            assert_eq!(
                (decimal(Language::English, value).as_str(), decimal(Language::Russian, value).as_str()),
                (english, russian)
            );
        }
    }

    #[test]
    fn a_plot_is_told_to_whoever_does_not_see_it() {
        let of = |name: &str, value| (name.to_owned(), value);
        let values = [of("March 2026", 7.2), of("April 2026", 9.1), of("May 2026", 8.0)];
        assert_eq!(
            trend_in_words(Language::English, &values, 1),
            "Lowest 7.2 (March 2026), highest 9.1 (April 2026). Withheld: 1 value."
        );
        assert_eq!(trend_in_words(Language::Russian, &values[..1], 2), "March 2026: 7,2. Не показано: 2 значения.");
        assert_eq!(trend_in_words(Language::English, &[], 0), "Nothing may be shown.");
        let rows = [("Waiting".to_owned(), Some(4), None)];
        assert_eq!(sides_in_words(Language::English, &rows), "Waiting: weakness 4, strength —");
    }
}
