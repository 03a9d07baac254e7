//! The parts of a patient's page that the API answers one by one.

use tact_domain::{AppointmentKind, Channel};
use tact_words::Language;

use super::*;

#[derive(Debug, Deserialize)]
struct Agenda {
    now: DateTime<Utc>,
    owed: Vec<Owed>,
    now_possible: Vec<MayNow>,
}

#[derive(Debug, Deserialize)]
struct Owed {
    purpose: SmolStr,
    about: Uuid,
    occasion: SmolStr,
    at: DateTime<Utc>,
    due_from: DateTime<Utc>,
    due_until: Option<DateTime<Utc>>,
    to_announce: bool,
}

#[derive(Debug, Deserialize)]
struct MayNow {
    purpose: SmolStr,
    channel: Option<SmolStr>,
    about: Option<Uuid>,
    permitted: bool,
    reasons: Vec<Value>,
    next: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Quotas {
    quotas: Vec<PurposeQuota>,
}

#[derive(Debug, Deserialize)]
struct PurposeQuota {
    purpose: SmolStr,
    limits: Vec<QuotaLine>,
}

#[derive(Debug, Deserialize)]
struct QuotaLine {
    limit: String,
    max: u64,
    used: u64,
    left: u64,
    overall: bool,
    next: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Consents {
    consents: Vec<Standing>,
}

#[derive(Debug, Deserialize)]
struct Standing {
    purpose: SmolStr,
    channel: SmolStr,
    status: String,
    since: Option<DateTime<Utc>>,
    document: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Appointments {
    appointments: Vec<OneAppointment>,
}

#[derive(Debug, Deserialize)]
struct OneAppointment {
    appointment: Uuid,
    kind: SmolStr,
    starts_at: DateTime<Utc>,
    status: String,
}

/// What may be done, or not.
pub(super) struct Possible {
    pub(super) key: String,
    pub(super) purpose: SmolStr,
    pub(super) purpose_word: String,
    pub(super) channel: SmolStr,
    pub(super) channel_word: &'static str,
    pub(super) about: Option<Uuid>,
    pub(super) reasons: Vec<String>,
    pub(super) next: Option<String>,
}

/// What to say while the patient is here.
pub(super) struct Mention {
    pub(super) key: String,
    pub(super) purpose: SmolStr,
    pub(super) about: Uuid,
    pub(super) text: String,
    pub(super) when: String,
    /// For what is to be announced: from when until when.
    pub(super) window: Option<(String, String)>,
    /// Whether saying it now does away with the contact.
    pub(super) spares: bool,
}

/// A quota.
pub(super) struct Gauge {
    pub(super) of: String,
    pub(super) limit: String,
    pub(super) used: u64,
    pub(super) max: u64,
    pub(super) full: bool,
    pub(super) frees: Option<String>,
}

/// How a consent stands.
pub(super) struct ConsentLine {
    pub(super) purpose: String,
    pub(super) code: SmolStr,
    pub(super) channels: String,
    pub(super) standing: String,
    pub(super) active: bool,
}

/// An appointment.
pub(super) struct Appointment {
    pub(super) id: Uuid,
    pub(super) key: String,
    pub(super) what: String,
    pub(super) booked: bool,
    pub(super) status: &'static str,
}

/// All of them.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) now: Option<DateTime<Utc>>,
    pub(super) possible: Vec<Possible>,
    pub(super) impossible: Vec<Possible>,
    pub(super) mentions: Vec<Mention>,
    pub(super) gauges: Vec<Gauge>,
    pub(super) consents: Vec<ConsentLine>,
    pub(super) consent_purposes: Vec<(String, String)>,
    pub(super) appointments: Vec<Appointment>,
}

/// The word for a standing, whichever form it has.
pub(super) fn standing(value: &Value) -> &str {
    value.as_str().or_else(|| value.as_object()?.keys().next().map(String::as_str)).unwrap_or("unknown")
}

/// Whether only the patient calls.
pub(super) fn left_alone(preferences: &Value) -> bool {
    let reach = &preferences["reach"];
    reach == "patient_initiated" || reach.as_array().is_some_and(|pair| pair.first() == Some(&Value::from("patient_initiated")))
}

/// Channels for a list to choose from.
pub(super) fn channels(language: Language) -> Vec<(&'static str, &'static str)> {
    Channel::ALL.iter().map(|channel| (channel.as_str(), channel.word(language))).collect()
}

/// Kinds of appointments for a list to choose from.
pub(super) fn kinds(language: Language) -> Vec<(&'static str, &'static str)> {
    AppointmentKind::ALL.iter().map(|kind| (kind.as_str(), kind.word(language))).collect()
}

/// Asks for the parts. What may be done is asked for a branch's desk; nothing of it for whoever has none.
pub(super) async fn of(person: &Person, id: Uuid, desk: Option<&Branch>) -> Result<Parts, Failure> {
    let language = person.language;
    let path = format!("/v1/patients/{id}");
    let Some(desk) = desk else {
        return Ok(Parts::default());
    };
    let agenda = query(&format!("{path}/agenda"), &[("branch", &desk.branch)]);
    let (quotas, consents, appointments) = (format!("{path}/quotas"), format!("{path}/consents"), format!("{path}/appointments"));
    let (agenda, quotas, consents, appointments): (Agenda, Quotas, Consents, Appointments) =
        futures::try_join!(person.get(&agenda), person.get(&quotas), person.get(&consents), person.get(&appointments))?;
    let wall = Wall::new(language, &desk.time_zone, agenda.now);
    let (mut possible, mut impossible) = (Vec::new(), Vec::new());
    for may in &agenda.now_possible {
        let channel = may.channel.clone().unwrap_or_else(|| "phone".into());
        let one = Possible {
            key: key(),
            purpose_word: words::purpose(language, &may.purpose),
            purpose: may.purpose.clone(),
            channel_word: if may.channel.is_some() { words::channel(language, &channel) } else { "" },
            channel,
            about: may.about,
            reasons: may.reasons.iter().map(|reason| words::refusal(&wall, reason)).collect(),
            next: may.next.map(|next| wall.brief(next)),
        };
        // In danger to life or health one does not look at a list; what needs an occasion that is not there is no news.
        let routine = may.purpose != "emergency";
        match may.permitted {
            true if routine => possible.push(one),
            true => {}
            false => impossible.push(one),
        }
    }
    // What nobody would call about any more need not be said either.
    let ahead = agenda.owed.iter().filter(|owed| owed.due_until.is_none_or(|until| agenda.now < until));
    let mentions = ahead.map(|owed| Mention {
        key: key(),
        purpose: owed.purpose.clone(),
        about: owed.about,
        text: format!(
            "{} — {}",
            words::purpose(language, &owed.purpose),
            words::why(language, &owed.occasion, &wall.moment(owed.at))
        ),
        when: format!("{} {}", Say::From.word(language), wall.moment(owed.due_from)),
        window: owed.to_announce.then(|| {
            let until = owed.due_until.unwrap_or(owed.due_from + chrono::Duration::days(14));
            (owed.due_from.to_rfc3339(), until.to_rfc3339())
        }),
        spares: owed.due_from <= agenda.now && !owed.to_announce,
    });
    let mentions = mentions.collect();
    let mut gauges: Vec<Gauge> = Vec::new();
    for quota in quotas.quotas {
        for line in quota.limits {
            // Limits over all purposes are told once, those that nothing has used are no news.
            let of = if line.overall { String::new() } else { words::purpose(language, &quota.purpose) };
            let limit = words::capital(&tact_words::limit(language, &line.limit));
            if line.used == 0 && !line.overall || gauges.iter().any(|known| known.limit == limit && known.of == of) {
                continue;
            }
            gauges.push(Gauge {
                of,
                limit,
                used: line.used,
                max: line.max,
                full: line.left == 0,
                frees: line.next.map(|next| wall.brief(next)),
            });
        }
    }
    gauges.sort_by_key(|gauge| !gauge.of.is_empty());
    let mut lines: Vec<ConsentLine> = Vec::new();
    for standing in consents.consents {
        let (word, active) = match standing.status.as_str() {
            "active" | "granted" | "given" => (Say::ConsentActive, true),
            "withdrawn" => (Say::ConsentWithdrawn, false),
            "expired" => (Say::ConsentExpired, false),
            _ => continue,
        };
        let purpose = words::purpose(language, &standing.purpose);
        let since = standing.since.map(|since| format!(" {}", wall.moment(since))).unwrap_or_default();
        let document = standing.document.map(|document| format!(", {document}")).unwrap_or_default();
        let text = format!("{}{since}{document}", word.word(language));
        let channel = words::channel(language, &standing.channel);
        match lines.iter_mut().find(|line| line.code == standing.purpose && line.standing == text) {
            Some(line) => line.channels = format!("{}, {channel}", line.channels),
            None => {
                lines.push(ConsentLine { purpose, code: standing.purpose, channels: channel.to_owned(), standing: text, active })
            }
        }
    }
    let purposes = agenda.now_possible.iter().filter(|may| may.channel.is_some() && may.purpose != "emergency");
    let consent_purposes = purposes.map(|may| (may.purpose.to_string(), words::purpose(language, &may.purpose))).collect();
    let mut booked: Vec<OneAppointment> = appointments.appointments;
    booked.sort_by_key(|one| std::cmp::Reverse(one.starts_at));
    let appointments = booked.into_iter().take(12).map(|one| Appointment {
        id: one.appointment,
        key: key(),
        what: format!("{}, {}", words::kind_of(language, &one.kind), wall.moment(one.starts_at)),
        booked: one.status == "booked",
        status: match one.status.as_str() {
            "completed" => Say::Completed.word(language),
            "missed" => Say::Missed.word(language),
            "cancelled" => Say::Cancelled.word(language),
            _ => "",
        },
    });
    let appointments = appointments.collect();
    Ok(Parts { now: Some(agenda.now), possible, impossible, mentions, gauges, consents: lines, consent_purposes, appointments })
}
