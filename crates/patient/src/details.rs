//! Personal data as callers send it, and what is wrong with it.

use chrono::NaiveDate;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use smol_str::SmolStr;
use tact_domain::Time;
use tact_personal::Details;
use tact_service::Problem;
use tact_service::app::text;
use tact_service::fields;
pub(crate) use tact_service::fields::time_zone;
use utoipa::ToSchema;

/// What is known of a person beside what events say. It is kept in a store of its own and never stands in an event.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PersonDetails {
    /// The full name, at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The telephone number, with the country's code: `+74950000000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    /// The address for electronic mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// The postal address, at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    /// The date of birth.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "day")]
    #[schema(value_type = Option<String>, format = Date)]
    pub(crate) birth_date: Option<NaiveDate>,
}

/// A day. What was sent in its place is not repeated: it is personal.
fn day<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NaiveDate>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| D::Error::custom("it is not a day of the calendar; write it as `1984-05-17`"))
}

/// An id that the patient has in another system.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExternalId {
    /// The other system's name, at most 100 characters.
    pub(crate) system: String,
    /// The id there, at most 200 characters; any text, never read as a number.
    pub(crate) value: String,
}

impl ExternalId {
    pub(crate) fn check(&self) -> Result<(), Problem> {
        text("external_ids.system", &self.system, 100)?;
        text("external_ids.value", &self.value, 200)
    }
}

impl PersonDetails {
    pub(crate) fn check(&self, now: Time) -> Result<Details, Problem> {
        let bounded =
            [("person.name", &self.name, 200), ("person.email", &self.email, 254), ("person.address", &self.address, 500)];
        for (field, value, longest) in bounded {
            if let Some(value) = value {
                text(field, value, longest)?;
            }
        }
        if let Some(phone) = &self.phone {
            fields::telephone(phone).map_err(|wrong| Problem::field("person.phone", wrong))?;
        }
        if let Some(email) = &self.email {
            fields::mail(email).map_err(|wrong| Problem::field("person.email", wrong))?;
        }
        if let Some(born) = self.birth_date {
            fields::birth_date(born, now.date_naive()).map_err(|wrong| Problem::field("person.birth_date", wrong))?;
        }
        Ok(Details {
            name: self.name.clone(),
            phone: self.phone.clone(),
            email: self.email.clone(),
            address: self.address.clone(),
            birth_date: self.birth_date.map(|born| born.to_string()),
        })
    }
}

/// A language tag, BCP 47: letters, digits and hyphens.
pub(crate) fn language(tag: &str) -> Result<SmolStr, Problem> {
    fields::language(tag).map_err(|wrong| Problem::field("language", wrong))?;
    Ok(tag.into())
}
