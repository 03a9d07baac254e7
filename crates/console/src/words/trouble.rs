//! What does not work, in the reader's words: what happened, and the way out.

use tact_words::{Language, Word};

use super::Say;
use crate::failure::Failure;

/// What happened, and what to do.
pub(crate) fn trouble(language: Language, failure: &Failure) -> (String, Say) {
    let (what, way_out) = match failure {
        Failure::SignedOut => (Say::TroubleSignedOut, Say::WaySignIn),
        Failure::Away => (Say::TroubleAway, Say::WayWait),
        Failure::NoPage => (Say::TroubleNoPage, Say::WayStart),
        Failure::BadForm => (Say::TroubleBadForm, Say::WayReload),
        Failure::Ours => (Say::TroubleOurs, Say::WayTold),
        Failure::Problem(problem) => {
            // Whose field is not theirs to mend is told what it is about, not where.
            if let Some(field) = problem.field.as_ref().filter(|_| !matches!(problem.kind(), "forbidden" | "not_found")) {
                let known = field_word(field).map(|say| say.word(language));
                let known = known.or_else(|| super::feedback::field(field).map(|voice| voice.word(language)));
                let known = known.or_else(|| super::elsewhere::field(field).map(|care| care.word(language)));
                let name = known.unwrap_or(field);
                let what = match language {
                    Language::English => format!("“{name}” is not what it must be"),
                    Language::Russian => format!("Проверьте поле «{name}»"),
                };
                return (what, Say::WayField);
            }
            match problem.kind() {
                "forbidden" => (Say::TroubleForbidden, Say::WayForbidden),
                "not_found" => (Say::TroubleNotFound, Say::WayStart),
                "conflict" | "key_reused" => (Say::TroubleConflict, Say::WayReload),
                "malformed" | "untrue" | "unsupported_media_type" => (Say::TroubleUntrue, Say::WayField),
                "too_large" => (Say::TroubleTooLarge, Say::WayField),
                "patient_set_aside" => (Say::TroubleSetAside, Say::WayTold),
                "undecidable" => (Say::TroubleUndecidable, Say::WayWait),
                "not_yet" | "unavailable" | "in_doubt" | "too_slow" => (Say::TroubleAway, Say::WayWait),
                "too_many" | "rate_limited" => (Say::TroubleTooMany, Say::WayWait),
                _ => (Say::TroubleOurs, Say::WayTold),
            }
        }
    };
    (what.word(language).to_owned(), way_out)
}

/// The label of a field, by its name in the API.
fn field_word(field: &str) -> Option<Say> {
    Some(match field {
        "name" | "person.name" => Say::Name,
        "phone" | "person.phone" => Say::Phone,
        "birth_date" | "person.birth_date" => Say::BirthDate,
        "email" | "person.email" => Say::Email,
        "note" | "text" => Say::Note,
        "channel" => Say::Channel,
        "purpose" => Say::Purpose,
        "branch" | "home_branch" => Say::Branch,
        "need" => Say::Need,
        "document" | "evidence.document" => Say::Document,
        "starts_at" => Say::StartsAt,
        "quiet_hours" => Say::QuietHours,
        _ => return None,
    })
}
