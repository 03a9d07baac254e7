//! What is wrong with what somebody typed, shown beside the form, with everything that they typed still in it.

use axum::http::StatusCode;
use tact_words::Language;

use crate::failure::Failure;
use crate::words::trouble;

/// What is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Wrong {
    /// In the reader's words.
    pub(crate) what: String,
    /// In the API's own, which name the value and the way out.
    pub(crate) detail: String,
    /// The field, by its name in the API.
    pub(crate) field: Option<String>,
    pub(crate) status: StatusCode,
}

impl Wrong {
    /// What the API says of a form.
    ///
    /// # Errors
    /// The failure itself, if it is none of the form's: somebody signed out, a server away, a right that is missing.
    pub(crate) fn of(language: Language, failure: Failure) -> Result<Self, Failure> {
        let Failure::Problem(problem) = &failure else { return Err(failure) };
        let status = problem.status();
        let (detail, field) = (problem.detail.clone(), problem.field.clone());
        match status.as_u16() {
            400 | 409 | 413 | 422 => Ok(Self { what: trouble(language, &failure).0, detail, field, status }),
            _ => Err(failure),
        }
    }

    /// Whether it is about a field.
    pub(crate) fn is_about(&self, field: &str) -> bool {
        self.field.as_deref().is_some_and(|named| named == field || named.rsplit('.').next() == Some(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Problem;

    #[test]
    fn only_what_can_be_mended_in_the_form_is_shown_beside_it() {
        let of = |status: u16, body: &str| {
            let problem = Problem::read(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            Wrong::of(Language::Russian, Failure::Problem(problem))
        };
        let wrong =
            of(422, r#"{"detail": "`person.phone`: too short", "field": "person.phone", "type": "urn:tact:untrue"}"#).unwrap();
        assert!(wrong.is_about("phone") && wrong.is_about("person.phone") && !wrong.is_about("name"));
        assert_eq!((wrong.what.as_str(), wrong.status.as_u16()), ("Проверьте поле «Телефон»", 422));
        for status in [401, 403, 404, 500, 503] {
            assert!(of(status, "{}").is_err(), "{status}");
        }
        assert!(Wrong::of(Language::English, Failure::Away).is_err());
    }
}
