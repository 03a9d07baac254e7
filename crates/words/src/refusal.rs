//! A reason for a refusal in a sentence, with the numbers behind it.

use tact_domain::patient::decide::Reason;

use crate::{Clock, Language, Word, limit, purpose};

/// What stood in the way, since when, by which window or limit, what was counted, and until when.
pub fn refusal(language: Language, clock: Clock, reason: &Reason) -> Vec<String> {
    let mut line = reason.code.word(language).to_owned();
    if let Some(text) = &reason.text {
        line += &format!(": {}", language.quoted(text));
    }
    if let Some(words) = &reason.limit {
        line += &format!(": {}", limit(language, words));
    }
    if let (Some(count), Some(max)) = (reason.count, reason.max) {
        line += &match language {
            Language::English => format!("; counted {count}, allowed {max}"),
            Language::Russian => format!("; учтено {count}, допускается {max}"),
        };
    }
    if let Some(since) = reason.since {
        let since = clock.moment(language, since);
        line += &match language {
            Language::English => format!(", since {since}"),
            Language::Russian => format!(", с {since}"),
        };
    }
    if let Some(window) = &reason.window {
        let window = clock.window(language, window);
        line += &match language {
            Language::English => format!("; the time for it: {window}"),
            Language::Russian => format!("; время для этого: {window}"),
        };
    }
    if let Some(next) = reason.next {
        let next = clock.moment(language, next);
        line += &match language {
            Language::English => format!("; passes at {next}"),
            Language::Russian => format!("; пройдёт {next}"),
        };
    }
    let mut lines = vec![line];
    lines.extend(reason.counted.iter().map(|counted| {
        let mut parts = vec![clock.moment(language, counted.time)];
        parts.extend(counted.purpose.as_ref().map(|p| purpose(language, p)));
        parts.extend(counted.channel.map(|channel| channel.word(language).to_owned()));
        parts.extend(counted.branch.as_ref().map(|branch| {
            let word = language.of("branch", "филиал");
            format!("{word} {branch}")
        }));
        let kind = match (counted.contact, counted.permit) {
            (Some(_), _) => language.of("contact", "обращение"),
            (None, Some(_)) => language.of("permit", "разрешение"),
            (None, None) => language.of("feedback", "отзыв"),
        };
        format!("— {kind}: {}", parts.join(", "))
    }));
    lines
}
