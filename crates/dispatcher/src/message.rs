//! A message is made, at the last moment: who it goes to, and what it says. Nothing of it is kept here or logged.

use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_database::DbError;
use tact_domain::patient::State;
use tact_domain::{Branch, Channel, Purpose, Time};
use tact_personal::Details;
use tact_service::App;
use uuid::Uuid;

use crate::gateway::Message;
use crate::setup::{Setup, reason};
use crate::templates::{Filling, sms};

/// Why no message can be made, as a code.
pub(crate) type Unmade = SmolStr;

/// What a message is to be about.
#[derive(Debug, Clone)]
pub(crate) struct Wanted<'a> {
    /// The message.
    pub(crate) id: Uuid,
    pub(crate) purpose: &'a Purpose,
    pub(crate) channel: Channel,
    pub(crate) branch: &'a Branch,
    /// The occasion.
    pub(crate) about: Option<Uuid>,
    pub(crate) valid_until: Time,
}

/// Makes a message to a patient, under the id that they go by now.
pub(crate) async fn make(
    app: &App,
    setup: &Setup,
    wanted: &Wanted<'_>,
    patient: Uuid,
    state: &State,
) -> Result<Result<Message, Unmade>, DbError> {
    let mut people = Vec::new();
    // The one named first knows best; who was merged into them may know what they do not.
    let selves = std::iter::once(patient).chain(state.absorbed.iter().map(|absorbed| absorbed.from));
    for id in selves {
        people.extend(app.personal.person(id).await?.map(|person| person.details));
    }
    let of = |field: fn(&Details) -> &Option<String>| people.iter().find_map(|details| field(details).clone());
    let to = match wanted.channel {
        Channel::Email => of(|details| &details.email).filter(|address| is_address(address)),
        _ => of(|details| &details.phone).and_then(|number| app.personal.dialled(&number)),
    };
    let Some(to) = to else { return Ok(Err("no_details".into())) };
    let directory = app.control.directory();
    let zone = zone(state, &directory);
    let appointment = wanted.about.and_then(|about| state.appointment(about));
    let branch = appointment.map_or(wanted.branch, |appointment| &appointment.branch);
    let filling = Filling {
        name: of(|details| &details.name),
        at: appointment.map(|appointment| appointment.starts_at),
        zone,
        branch: directory.branches.get(branch).map(|listed| listed.name.clone()),
        branch_phone: setup.branch_phones.get(branch).cloned(),
    };
    Ok(written(setup, wanted, state.language.as_deref(), to, &filling))
}

fn written(setup: &Setup, wanted: &Wanted<'_>, spoken: Option<&str>, to: String, filling: &Filling) -> Result<Message, Unmade> {
    let chosen = setup.templates.choose(wanted.purpose, wanted.channel, spoken).ok_or("no_template")?;
    let fill = |text: &crate::templates::Text| {
        text.filled(filling, chosen.language).map_err(|place| reason("nothing_for", place.as_str()))
    };
    let template = chosen.template;
    let text = fill(&template.text)?;
    if wanted.channel == Channel::Sms && sms::length(&text).parts > setup.sms_parts {
        return Err("too_long".into());
    }
    Ok(Message {
        id: wanted.id,
        channel: wanted.channel,
        to,
        subject: template.subject.as_ref().map(fill).transpose()?,
        text,
        voicemail: template.voicemail.as_ref().map(fill).transpose()?,
        language: chosen.language.to_string(),
        valid_until: wanted.valid_until,
        callback_url: setup.callback_url.clone(),
    })
}

fn zone(state: &State, directory: &tact_domain::control::Directory) -> Tz {
    let home = || directory.branches.get(state.home_branch.as_ref()?)?.time_zone.parse().ok();
    state.zone().or_else(home).unwrap_or(Tz::UTC)
}

/// Something before and behind an @, and nothing that could make a second address or a header of it.
fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@'))
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, ',' | ';' | '<' | '>'))
}

/// The moment by which something is known to have happened here, whatever another clock says: not before `since`, not after `now`.
pub(crate) fn between(at: Time, since: Option<Time>, now: Time) -> Time {
    let at = since.map_or(at, |since| at.max(since));
    at.min(now)
}
