//! A provider is listed, or changed: what is sent is the provider as it is from now on.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tact_domain::ServiceCode;
use tact_domain::control::{DirectoryEvent, Place, ProviderListed};
use tact_service::{Answer, App, Permission, Problem, Write, fields};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::hours::Hours;
use crate::noted::Entry;
use crate::{hours, place};

/// The provider: an institution, not a person.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderAsItIs {
    /// Its id: of one listed before, to change it, or the caller's own for a new one. Absent: a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<Uuid>,
    /// The institution's name; at most 200 characters.
    #[schema(example = "City hospital 2")]
    pub(crate) name: String,
    /// The services that it offers; at least one.
    #[schema(value_type = Vec<String>, example = json!(["x_ray"]))]
    services: Vec<ServiceCode>,
    /// Where it is, WGS 84.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"latitude": 55.76, "longitude": 37.62}))]
    place: Option<Place>,
    /// Its address; at most 200 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// The institution's published telephone number, never a person's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// Its site, from `https://` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    website: Option<String>,
    /// Its working hours by day, `monday` to `sunday`; an absent day is closed, no days at all mean that nobody knows.
    #[serde(default, skip_serializing_if = "Hours::is_empty")]
    #[schema(value_type = Object, example = json!({"monday": {"from": "08:00", "until": "20:00"}}))]
    hours: Hours,
    /// The name of the time zone whose clock the hours show. Absent: that of the network's branches around, if they are of one mind; else whether
    /// it is open is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "Europe/Moscow")]
    time_zone: Option<String>,
}

impl From<&ProviderListed> for ProviderAsItIs {
    fn from(listed: &ProviderListed) -> Self {
        let ProviderListed { provider, name, services, place, address, phone, website, time_zone, hours } = listed.clone();
        let time_zone = time_zone.map(Into::into);
        Self { provider: Some(provider), name, services, place, address, phone, website, hours, time_zone }
    }
}

/// What was noted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProviderNoted {
    /// The provider's id.
    provider: Uuid,
    #[serde(flatten)]
    entry: Entry,
}

/// List a provider, or change it
///
/// What is left out is no longer so.
#[utoipa::path(
    post, path = "/v1/providers", tag = "directory",
    params(("Idempotency-Key" = String, Header)),
    request_body = ProviderAsItIs,
    responses((status = 201, description = "Recorded; 200 if it was there already", body = ProviderNoted), (status = "4XX", description = "RFC 9457 problem")),
)]
pub(crate) async fn post(State(app): State<Arc<App>>, write: Write<ProviderAsItIs>) -> Result<Answer<ProviderNoted>, Problem> {
    write.caller.may(Permission::ManageDirectory)?;
    let body = &write.body;
    fields::some_distinct("services", &body.services)?;
    let time_zone = body.time_zone.as_deref().map(fields::time_zone).transpose()?;
    let provider = body.provider.unwrap_or_else(|| write.id("provider"));
    if provider.is_nil() {
        return Err(Problem::field("provider", "the nil UUID names nothing; leave it out for a new one"));
    }
    let listed = ProviderListed {
        provider,
        name: body.name.trim().to_owned(),
        services: body.services.clone(),
        place: body.place,
        address: body.address.clone(),
        phone: body.phone.clone(),
        website: body.website.clone(),
        time_zone,
        hours: body.hours.clone(),
    };
    check(&listed)?;
    let event = DirectoryEvent::ProviderListed(listed);
    let noted = app.control.note(&write.control_command(), event).await?;
    Ok(Answer(ProviderNoted { provider, entry: Entry::new("provider.listed", &noted) }, noted.position, noted.repeated))
}

/// Whether an entry may stand in the directory; that it offers something is for whoever lists it to see to.
///
/// # Errors
/// A problem that names the field.
pub fn check(listed: &ProviderListed) -> Result<(), Problem> {
    fields::line("name", &listed.name)?;
    fields::distinct("services", &listed.services)?;
    listed.place.map(|at| place::check("place", at)).transpose()?;
    listed.address.as_deref().map(|address| fields::line("address", address)).transpose()?;
    listed.phone.as_deref().map(phone).transpose()?;
    listed.website.as_deref().map(website).transpose()?;
    hours::check(&listed.hours)
}

/// Whether a text is a number as the directory takes it.
pub fn is_published_number(text: &str) -> bool {
    phone(text).is_ok()
}

fn phone(number: &str) -> Result<(), Problem> {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let formed = number
        .bytes()
        .enumerate()
        .all(|(at, b)| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'(' | b')' | b'.' | b'/') || (b == b'+' && at == 0));
    if formed && (3..=15).contains(&digits) && number.len() <= 40 {
        return Ok(());
    }
    Err(Problem::field("phone", "it is not a telephone number; write 3 to 15 digits such as `+7 495 123-45-67`"))
}

fn website(site: &str) -> Result<(), Problem> {
    fields::line("website", site)?;
    let host = site.strip_prefix("https://").or_else(|| site.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !site.contains(char::is_whitespace) => Ok(()),
        _ => Err(Problem::field("website", "it is not an address of a site; write it from `https://` on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephone_numbers_and_sites() {
        for good in ["+7 495 123-45-67", "112", "(030) 123.456/7"] {
            assert!(phone(good).is_ok(), "{good}");
        }
        for bad in ["", "12", "call Anna", "7+495", "+7 495 123-45-67 ext. 5", "1234567890123456"] {
            assert!(phone(bad).is_err(), "{bad}");
        }
        assert!(website("https://clinic.example/x-ray").is_ok());
        for bad in ["clinic.example", "https://", "javascript:alert(1)", "https://a b"] {
            assert!(website(bad).is_err(), "{bad}");
        }
    }
}
