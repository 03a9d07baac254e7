//! The page of a history as it will be laid out: the summary, the consents, the policies, and the timeline.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use tact_domain::patient::decide::{Consent, consent};
use tact_domain::patient::events::Event;
use tact_domain::{Branch, Channel, Code, Direction, Purpose, Reach};

use crate::Material;
use crate::account::{Account, Accounts, Right, Step, in_force_until, is_told};
use crate::labels::Label;
use crate::tell::{Row, Teller};
use tact_words::{Clock, hours};
use tact_words::{Language, Word, purpose};

/// Everything that stands on the page, in one language.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) language: Language,
    pub(crate) about: Vec<Row>,
    pub(crate) personal: Vec<Row>,
    pub(crate) summary: Vec<Row>,
    pub(crate) consents: Vec<ConsentLine>,
    pub(crate) policies: Vec<PolicyLine>,
    pub(crate) streams: Vec<Stream>,
    pub(crate) proof: Vec<Row>,
}

/// How a consent stands.
#[derive(Debug)]
pub(crate) struct ConsentLine {
    pub(crate) purpose: String,
    pub(crate) channel: &'static str,
    pub(crate) standing: String,
    pub(crate) document: String,
}

/// A published policy.
#[derive(Debug)]
pub(crate) struct PolicyLine {
    pub(crate) version: String,
    pub(crate) published: String,
    pub(crate) from: String,
    pub(crate) until: String,
    pub(crate) sha256: String,
}

/// One stream's timeline.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The id of the patient who was merged; nothing for the patient's own.
    pub(crate) merged: Option<String>,
    pub(crate) entries: Vec<Entry>,
}

/// One event of the timeline.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) machine: String,
    pub(crate) date: String,
    pub(crate) time: String,
    pub(crate) heading: &'static str,
    pub(crate) mark: Option<Mark>,
    pub(crate) rows: Vec<Row>,
    pub(crate) recorded: String,
    pub(crate) hash: String,
}

/// A word that stands out, and how.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
}

impl View {
    pub(crate) fn new(material: &Material<'_>) -> Self {
        let accounts = Accounts::read(material);
        let teller = Teller { material, accounts: &accounts, language: material.language };
        let zone_of = |branch: &Branch| -> Option<Tz> { material.directory.branches.get(branch)?.time_zone.parse().ok() };
        let clock = accounts.own().clock(&zone_of);
        let streams = accounts.all.iter().enumerate().map(|(at, account)| Stream {
            merged: (at > 0).then(|| account.patient.to_string()),
            entries: told(material, account).map(|step| entry(&teller, step)).collect(),
        });
        Self {
            language: material.language,
            about: about(&teller, clock),
            personal: personal(material),
            summary: summary(&teller, clock),
            consents: consents(&teller, clock),
            policies: policies(&teller, clock),
            streams: streams.collect(),
            proof: proof(&teller, clock),
        }
    }

    /// A title or heading.
    pub(crate) fn say(&self, label: Label) -> &'static str {
        label.word(self.language)
    }
}

fn told<'a, 's>(material: &'s Material<'a>, account: &'s Account<'a>) -> impl Iterator<Item = &'s Step<'a>> {
    account.steps.iter().filter(move |step| is_told(material, step.recorded))
}

fn row(language: Language, label: Label, lines: Vec<String>) -> Row {
    Row { label: label.word(language), lines }
}

fn about(teller: &Teller<'_>, clock: Clock) -> Vec<Row> {
    let (material, language) = (teller.material, teller.language);
    let period = match (material.from, material.until) {
        (None, None) => Label::WholeHistory.word(language).to_owned(),
        (from, until) => {
            let from = from.map(|at| (language.of("recorded from", "записано с"), at));
            let until = until.map(|at| (language.of("before", "до"), at));
            let parts = from.into_iter().chain(until).map(|(word, at)| format!("{word} {}", clock.moment(language, at)));
            parts.collect::<Vec<_>>().join(" ")
        }
    };
    let mut rows = vec![
        row(language, Label::Network, vec![material.network.to_owned()]),
        row(language, Label::PatientId, vec![material.patient.to_string()]),
        row(language, Label::MadeFor, vec![material.made_for.to_owned()]),
        row(language, Label::Ground, vec![material.ground.word(language).to_owned()]),
        row(language, Label::MadeAt, vec![clock.moment(language, material.made_at)]),
        row(language, Label::Period, vec![period]),
        row(language, Label::LocalTimes, vec![format!("{} ({})", Label::LocalTimesAre.word(language), clock.name())]),
    ];
    if material.personal.is_none() {
        let said = Label::NoPersonal.word(language).to_owned();
        rows.push(row(language, Label::PersonalData, vec![said]));
    }
    rows
}

/// The names of the fields of personal data that are known, in both languages.
const FIELDS: &[(&str, &str, &str)] = &[
    ("name", "Name", "Имя"),
    ("phone", "Telephone", "Телефон"),
    ("email", "E-mail", "Электронная почта"),
    ("address", "Address", "Адрес"),
    ("birth_date", "Date of birth", "Дата рождения"),
];

fn personal(material: &Material<'_>) -> Vec<Row> {
    // A field's own name is the caller's, and not for ever in the binary: it stands in the line.
    let fields = material.personal.into_iter().flatten();
    let rows = fields.map(|(field, value)| match FIELDS.iter().find(|(name, ..)| name == field) {
        Some((_, english, russian)) => Row { label: material.language.of(english, russian), lines: vec![value.clone()] },
        None => Row { label: "", lines: vec![format!("{field}: {value}")] },
    });
    rows.collect()
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn summary(teller: &Teller<'_>, clock: Clock) -> Vec<Row> {
    let (material, language) = (teller.material, teller.language);
    let steps: Vec<&Step<'_>> = teller.accounts.all.iter().flat_map(|account| told(material, account)).collect();
    let calls = |n: usize| language.count(number(n), ["contact", "contacts"], ["обращение", "обращения", "обращений"]);
    let (mut outbound, mut inbound, mut breaches, mut granted) = (Vec::new(), 0, Vec::new(), 0);
    let (mut purposes, mut codes): (BTreeMap<&Purpose, usize>, BTreeMap<Code, usize>) = Default::default();
    let mut refusals = 0;
    for step in &steps {
        match &step.recorded.event {
            Event::Made(e) if e.direction == Direction::Inbound => inbound += 1,
            Event::Made(e) => {
                outbound.push(step.recorded.envelope.time);
                *purposes.entry(&e.purpose).or_default() += 1;
                if matches!(step.right, Some(Right::Breach { .. })) {
                    breaches.push((step.recorded.envelope.time, &e.purpose));
                }
            }
            Event::Permitted(_) => granted += 1,
            Event::Refused(e) => {
                refusals += 1;
                let mut own: Vec<_> = e.reasons.iter().map(|reason| reason.code).collect();
                own.dedup();
                own.into_iter().for_each(|code| *codes.entry(code).or_default() += 1);
            }
            _ => {}
        }
    }
    let mut contacts = vec![calls(outbound.len())];
    if let (Some(first), Some(last)) = (outbound.iter().min(), outbound.iter().max()) {
        let (first, last) = (clock.date(language, *first), clock.date(language, *last));
        contacts[0] += &match language {
            Language::English if first == last => format!(", on {first}"),
            Language::English => format!(", from {first} to {last}"),
            Language::Russian if first == last => format!(", {first}"),
            Language::Russian => format!(", с {first} по {last}"),
        };
    }
    contacts.extend(purposes.into_iter().map(|(of, n)| format!("— {}: {n}", purpose(language, of))));
    let decisions = match language {
        Language::English => format!("permitted: {granted}; refused: {refusals}"),
        Language::Russian => format!("разрешено: {granted}; отказано: {refusals}"),
    };
    let mut rows = vec![
        row(language, Label::Contacts, contacts),
        row(language, Label::Inbound, vec![calls(inbound)]),
        row(language, Label::Decisions, vec![decisions]),
    ];
    if !codes.is_empty() {
        let lines = codes.into_iter().map(|(code, n)| format!("— {}: {n}", code.word(language)));
        rows.push(row(language, Label::RefusedFor, lines.collect()));
    }
    let broken = if breaches.is_empty() {
        let word = if outbound.is_empty() { Label::NoneRecorded } else { Label::NoBreaches };
        // What was made before the first policy had no permit either, and is no breach: it is not said that each had one.
        let before = steps.iter().any(|step| step.right == Some(Right::BeforeTact));
        vec![if before { Label::NoneRecorded } else { word }.word(language).to_owned()]
    } else {
        let mut lines = vec![language.count(
            number(breaches.len()),
            ["contact without a valid permit", "contacts without a valid permit"],
            [
                "обращение без действующего разрешения",
                "обращения без действующего разрешения",
                "обращений без действующего разрешения",
            ],
        )];
        lines.extend(breaches.into_iter().map(|(at, of)| format!("— {}: {}", clock.moment(language, at), purpose(language, of))));
        lines
    };
    rows.push(row(language, Label::Breaches, broken));
    let wishes = &teller.accounts.own().state.preferences;
    let reach = wishes.reach.map_or(Reach::Normal, |(reach, _)| reach);
    let mut wish = vec![reach.word(language).to_owned()];
    if let Some((_, since)) = wishes.reach {
        wish[0] += &format!(" ({} {})", language.of("since", "с"), clock.moment(language, since));
    }
    let quiet = wishes.quiet_hours.iter().chain(&wishes.absorbed_quiet_hours);
    wish.extend(quiet.map(|(of_day, _)| format!("{}: {}", Label::QuietHours.word(language), hours(language, of_day))));
    rows.push(row(language, Label::WishNow, wish));
    rows
}

/// How each consent that was ever given stands when the page is made.
fn consents(teller: &Teller<'_>, clock: Clock) -> Vec<ConsentLine> {
    let (language, state, now) = (teller.language, &teller.accounts.own().state, teller.material.made_at);
    let ever: BTreeSet<(&Purpose, Channel)> =
        state.grants.iter().flat_map(|grant| grant.channels.iter().map(|channel| (&grant.purpose, *channel))).collect();
    let line = |(of, channel): (&Purpose, Channel)| {
        let given = state.grants.iter().filter(|g| g.purpose == *of && g.channels.contains(&channel)).max_by_key(|g| g.time);
        let standing = match consent(state, of, channel, now) {
            Consent::Active(grant) => {
                let (from, until) = (clock.moment(language, grant.time), grant.expires_at.map(|at| clock.moment(language, at)));
                match (language, until) {
                    (Language::English, Some(until)) => format!("holds: given {from}, runs out {until}"),
                    (Language::English, None) => format!("holds: given {from}"),
                    (Language::Russian, Some(until)) => format!("действует: дано {from}, истекает {until}"),
                    (Language::Russian, None) => format!("действует: дано {from}"),
                }
            }
            Consent::Withdrawn(at) => format!("{} {}", language.of("withdrawn", "отозвано"), clock.moment(language, at)),
            Consent::Expired(at) => format!("{} {}", language.of("ran out", "истекло"), clock.moment(language, at)),
            Consent::Missing => language.of("never given", "не давалось").to_owned(),
        };
        ConsentLine {
            purpose: purpose(language, of),
            channel: channel.word(language),
            standing,
            document: given.map(|grant| grant.document.to_string()).unwrap_or_default(),
        }
    };
    ever.into_iter().map(line).collect()
}

fn policies(teller: &Teller<'_>, clock: Clock) -> Vec<PolicyLine> {
    let (language, policies) = (teller.language, teller.material.policies);
    let line = |published: &tact_domain::control::Published| {
        let from = published.effective_from();
        let ever = policies.in_force(from).is_some_and(|p| p.event.version == published.event.version);
        let until = match in_force_until(policies, published) {
            _ if !ever => Label::NeverInForce.word(language).to_owned(),
            Some(until) => clock.moment(language, until),
            None if from > teller.material.made_at => "—".to_owned(),
            None => Label::Now.word(language).to_owned(),
        };
        PolicyLine {
            version: published.event.version.to_string(),
            published: clock.moment(language, published.recorded_at),
            from: clock.moment(language, from),
            until,
            sha256: published.event.sha256.clone(),
        }
    };
    policies.all().iter().map(line).collect()
}

fn proof(teller: &Teller<'_>, clock: Clock) -> Vec<Row> {
    let language = teller.language;
    let Some(proof) = teller.material.proof else { return Vec::new() };
    let known = teller.accounts.own().steps.len();
    let of = language.of("of", "из");
    vec![
        row(language, Label::Checkpoint, vec![proof.checkpoint.to_string()]),
        row(language, Label::CheckpointAt, vec![clock.moment(language, proof.made_at)]),
        row(language, Label::Key, vec![proof.key.clone()]),
        row(language, Label::Covered, vec![format!("{} {of} {known}", proof.events)]),
        row(language, Label::Command, vec![proof.command.clone()]),
    ]
}

fn entry(teller: &Teller<'_>, step: &Step<'_>) -> Entry {
    let language = teller.language;
    let envelope = &step.recorded.envelope;
    let mark = match (&step.recorded.event, step.right) {
        (_, Some(Right::Breach { .. })) => Some(("breach", Label::Breach)),
        (_, Some(Right::BeforeTact)) => Some(("plain", Label::BeforeTact)),
        (_, Some(Right::Permit(_))) => Some(("permitted", Label::Permitted)),
        (Event::Refused(_), _) => Some(("refused", Label::Refused)),
        _ => None,
    };
    let mut recorded = vec![step.clock.moment(language, envelope.recorded_at), teller.actor(&envelope.actor)];
    recorded.extend(envelope.branch.as_ref().map(|branch| teller.branch(branch)));
    Entry {
        number: envelope.sequence,
        machine: step.clock.machine(envelope.time),
        date: step.clock.date(language, envelope.time),
        time: step.clock.time_of_day(envelope.time),
        heading: step.recorded.event.word(language),
        mark: mark.map(|(class, label)| Mark { class, word: label.word(language) }),
        rows: teller.rows(step),
        recorded: recorded.join("; "),
        hash: hex::encode(step.hash),
    }
}
