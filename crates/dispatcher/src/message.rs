//! A message is made, at the last moment: who it goes to, and what it says. Nothing of it is kept here or logged.

use chrono_tz::Tz;
use smol_str::SmolStr;
use tact_database::DbError;
use tact_domain::control::Directory;
use tact_domain::patient::State;
use tact_domain::{Branch, Channel, Purpose, Time};
use tact_personal::Details;
use tact_service::App;
use uuid::Uuid;

use crate::gateway::Message;
use crate::setup::{Setup, reason};
use crate::templates::{Chosen, Filling, Told, sms};

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

/// A message that is being made: to a patient, and to whoever shares their number as far as one text can say it to all of them.
#[derive(Clone)]
pub(crate) struct Draft<'a> {
    setup: &'a Setup,
    wanted: Wanted<'a>,
    to: String,
    spoken: Option<SmolStr>,
    filling: Filling,
    /// How many others it is for.
    others: usize,
}

impl<'a> Draft<'a> {
    /// A message to a patient alone, under the id that they go by now. It can be made, or it is said why not.
    pub(crate) async fn of(
        app: &App,
        setup: &'a Setup,
        wanted: Wanted<'a>,
        patient: Uuid,
        state: &State,
    ) -> Result<Result<Self, Unmade>, DbError> {
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
        let appointment = wanted.about.and_then(|about| state.appointment(about));
        let branch = appointment.map_or(wanted.branch, |appointment| &appointment.branch);
        let filling = Filling {
            name: of(|details| &details.name),
            branch: directory.branches.get(branch).map(|listed| listed.name.clone()),
            branch_phone: setup.branch_phones.get(branch).cloned(),
            appointments: told(state, wanted.about, &directory).into_iter().collect(),
        };
        let draft = Self { setup, wanted, to, spoken: state.language.clone(), filling, others: 0 };
        Ok(draft.message().map(|_| draft))
    }

    /// Whether one text can say it to several people.
    pub(crate) fn may_be_shared(&self) -> bool {
        self.chosen().is_some_and(|chosen| chosen.template.together.is_some())
    }

    /// Says it to somebody else too, about an occasion of theirs; or says why one text cannot, and stays as it was.
    pub(crate) fn tell(&mut self, app: &App, state: &State, about: Option<Uuid>) -> Result<(), Unmade> {
        let mut more = self.clone();
        more.filling.appointments.extend(told(state, about, &app.control.directory()));
        more.others += 1;
        more.message()?;
        *self = more;
        Ok(())
    }

    fn chosen(&self) -> Option<Chosen<'a>> {
        self.setup.templates.choose(self.wanted.purpose, self.wanted.channel, self.spoken.as_deref())
    }

    /// The message as it is now.
    pub(crate) fn message(&self) -> Result<Message, Unmade> {
        let Self { setup, wanted, filling, .. } = self;
        let chosen = self.chosen().ok_or("no_template")?;
        let fill = |text: &crate::templates::Text| {
            text.filled(filling, chosen.language).map_err(|place| reason("nothing_for", place.as_str()))
        };
        let template = chosen.template;
        let wording = if self.others == 0 { Some(&template.alone) } else { template.together.as_ref() };
        let wording = wording.ok_or("no_template")?;
        let text = fill(&wording.text)?;
        if wanted.channel == Channel::Sms && sms::length(&text).parts > setup.sms_parts {
            return Err("too_long".into());
        }
        Ok(Message {
            id: wanted.id,
            channel: wanted.channel,
            to: self.to.clone(),
            subject: wording.subject.as_ref().map(fill).transpose()?,
            text,
            voicemail: wording.voicemail.as_ref().map(fill).transpose()?,
            language: chosen.language.to_string(),
            valid_until: wanted.valid_until,
            callback_url: setup.callback_url.clone(),
        })
    }
}

/// An appointment as it is told, if the occasion is one.
fn told(state: &State, about: Option<Uuid>, directory: &Directory) -> Option<Told> {
    let appointment = state.appointment(about?)?;
    let branch = directory.branches.get(&appointment.branch).map(|listed| listed.name.clone());
    Some(Told { at: appointment.starts_at, zone: zone(state, directory), branch })
}

fn zone(state: &State, directory: &Directory) -> Tz {
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
