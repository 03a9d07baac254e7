//! Limits in words. A decision records them in English; the policy knows what they mean, and so does whoever reads Russian.

use tact_domain::Channel;
use tact_domain::policy::{Basis, Limit, Measure, Per, Period};

use crate::{Language, Word, channels};

impl Word for Basis {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Care => ("care for the patient", "забота о пациенте"),
            Self::Consent => ("the patient’s consent", "согласие пациента"),
            Self::Request => ("the patient’s request", "просьба пациента"),
        }
    }
}

/// A limit as a decision names it, in this language; in the decision's own words, if they are not those of a limit that this version knows.
pub fn limit(language: Language, words: &str) -> String {
    read(words).filter(|limit| limit.words() == words).map_or_else(|| language.quoted(words), |limit| sentence(language, &limit))
}

/// Reads a limit from its words, such as `2 attempts per 24 hours by phone, sms`.
fn read(words: &str) -> Option<Limit> {
    let (max, rest) = words.split_once(' ')?;
    let (what, rest) = rest.split_once(" per ")?;
    let (span, by) = match rest.split_once(" by ") {
        Some((span, by)) => (span, Some(by)),
        None => (rest, None),
    };
    let measure = match what {
        "attempt" | "attempts" => Measure::Attempts,
        "reached" => Measure::Reached,
        "feedback" => Measure::Feedback,
        _ => return None,
    };
    let per = match span.split_once(' ') {
        None if span == "occasion" => Per::Occasion,
        None => return None,
        Some((n, unit)) => {
            let n = n.parse().ok()?;
            Per::Rolling(match unit.trim_end_matches('s') {
                "minute" => Period::Minutes(n),
                "hour" => Period::Hours(n),
                "day" => Period::Days(n),
                "month" => Period::Months(n),
                _ => return None,
            })
        }
    };
    let channels = by.map(|by| by.split(", ").map(str::parse).collect::<Result<Vec<Channel>, _>>()).transpose().ok()?;
    Some(Limit::new(measure, max.parse().ok()?, per, channels))
}

fn sentence(language: Language, limit: &Limit) -> String {
    let n = u64::from(limit.max);
    let what = match limit.measure {
        Measure::Attempts => language.count(n, ["attempt", "attempts"], ["попытки", "попыток", "попыток"]),
        Measure::Reached => language.count(
            n,
            ["time reached", "times reached"],
            ["состоявшегося обращения", "состоявшихся обращений", "состоявшихся обращений"],
        ),
        Measure::Feedback => language.count(n, ["feedback", "feedbacks"], ["отзыва", "отзывов", "отзывов"]),
    };
    let span = match limit.per {
        Per::Occasion => language.of("per occasion", "на один повод").to_owned(),
        Per::Rolling(period) => match language {
            Language::English => format!("in {}", length(language, period)),
            Language::Russian => format!("за {}", length(language, period)),
        },
    };
    let by = limit.channels.as_deref().map(|by: &[Channel]| format!(" ({})", channels(language, by))).unwrap_or_default();
    match language {
        Language::English => format!("at most {what} {span}{by}"),
        Language::Russian => format!("не более {what} {span}{by}"),
    }
}

fn length(language: Language, period: Period) -> String {
    match period {
        Period::Minutes(n) => language.count(n.into(), ["minute", "minutes"], ["минуту", "минуты", "минут"]),
        Period::Hours(n) => language.count(n.into(), ["hour", "hours"], ["час", "часа", "часов"]),
        Period::Days(n) => language.count(n.into(), ["day", "days"], ["день", "дня", "дней"]),
        Period::Months(n) => language.count(n.into(), ["month", "months"], ["месяц", "месяца", "месяцев"]),
    }
}

#[cfg(test)]
mod tests {
    use tact_domain::policy::PurposeRule;
    use tact_domain::policy::text::parse;

    use super::*;

    #[test]
    fn limits_are_said_in_either_language() {
        let policy = parse(tact_domain::policy::DEFAULT, "1").unwrap();
        let said: Vec<_> = policy.overall.iter().map(|of| limit(Language::Russian, of.words())).collect();
        assert_eq!(
            said,
            [
                "не более 1 попытки за 24 часа (телефон)",
                "не более 4 попыток за 30 дней (телефон)",
                "не более 8 попыток за 30 дней"
            ]
        );
        assert_eq!(limit(Language::English, policy.overall[0].words()), "at most 1 attempt in 24 hours (phone)");
        assert_eq!(
            limit(Language::English, "0 attempts per occasion by phone, sms"),
            "at most 0 attempts per occasion (phone, SMS)"
        );
        for strange in
            ["", "1 attempt per 3 years", "many attempts per occasion", "1 attempt per 30 days by pigeon", "1 attempts per 1 day"]
        {
            assert_eq!(limit(Language::Russian, strange), format!("«{strange}»"));
        }
    }

    #[test]
    fn every_limit_of_the_policy_that_ships_is_understood() {
        let policy = parse(tact_domain::policy::DEFAULT, "1").unwrap();
        let of_rules = policy.purposes.values().flat_map(|rule| match rule {
            PurposeRule::Allowed(rule) => rule.limits.as_slice(),
            PurposeRule::Forbidden(_) => &[],
        });
        for of in policy.overall.iter().chain(of_rules) {
            assert!(limit(Language::Russian, of.words()).starts_with("не более"), "{}", of.words());
        }
    }
}
