//! An event in words: what is told of it on a page, field by field.

use tact_domain::patient::decide::Reason;
use tact_domain::patient::events::*;
use tact_domain::{Actor, Branch, Channel, Purpose, Window};
use uuid::Uuid;

use crate::Material;
use crate::account::{Accounts, Right, Step};
use crate::labels::Label;
use tact_words::{Clock, hours};
use tact_words::{Language, Word, channels, limit, purpose, refusal};

/// A field and what stands in it, line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The field's name.
    pub label: &'static str,
    /// Its lines.
    pub lines: Vec<String>,
}

/// Tells in one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Teller<'a> {
    pub(crate) material: &'a Material<'a>,
    pub(crate) accounts: &'a Accounts<'a>,
    pub(crate) language: Language,
}

/// The rows of one event, as they come.
struct Rows<'a> {
    teller: Teller<'a>,
    clock: Clock,
    rows: Vec<Row>,
}

impl<'a> Teller<'a> {
    /// The fields of an event.
    pub(crate) fn rows(&self, step: &Step<'_>) -> Vec<Row> {
        let mut rows = Rows { teller: *self, clock: step.clock, rows: Vec::new() };
        rows.event(step);
        rows.rows
    }

    /// A branch by its name and code.
    pub(crate) fn branch(&self, branch: &Branch) -> String {
        match self.material.directory.branches.get(branch) {
            Some(listed) => format!("{} ({branch})", listed.name),
            None => branch.to_string(),
        }
    }

    /// Who did it.
    pub(crate) fn actor(&self, actor: &Actor) -> String {
        self::actor(self.language, actor)
    }

    /// A policy by its version, with the moment from which it was in force.
    pub(crate) fn policy(&self, clock: Clock, version: &str) -> String {
        match self.material.policies.version(version) {
            Some(published) => {
                let from = clock.moment(self.language, published.effective_from());
                match self.language {
                    Language::English => format!("version {version}, in force from {from}"),
                    Language::Russian => format!("версия {version}, действует с {from}"),
                }
            }
            None => match self.language {
                Language::English => format!("version {version}, whose text is not known here"),
                Language::Russian => format!("версия {version}, текст которой здесь неизвестен"),
            },
        }
    }
}

/// Who did it.
pub(crate) fn actor(language: Language, actor: &Actor) -> String {
    match (actor, language) {
        (Actor::Staff(id), Language::English) => format!("staff member {id}"),
        (Actor::Staff(id), Language::Russian) => format!("сотрудник {id}"),
        (Actor::System(name), Language::English) => format!("program “{name}”"),
        (Actor::System(name), Language::Russian) => format!("программа «{name}»"),
        (Actor::Patient, language) => language.of("the patient", "пациент").to_owned(),
    }
}

/// What allowed a permit, by the decision's own words.
fn limits(language: Language, permitted: &Permitted) -> Vec<String> {
    let one = |counted: &LimitCount| {
        let words = limit(language, &counted.limit);
        match language {
            Language::English => format!("{words}; counted before: {}", counted.count),
            Language::Russian => format!("{words}; до этого учтено: {}", counted.count),
        }
    };
    permitted.basis.limits.iter().map(one).collect()
}

impl Rows<'_> {
    fn word(&self, word: &impl Word) -> &'static str {
        word.word(self.teller.language)
    }

    fn lines(&mut self, label: Label, lines: Vec<String>) {
        if !lines.is_empty() {
            self.rows.push(Row { label: label.word(self.teller.language), lines });
        }
    }

    fn text(&mut self, label: Label, text: impl ToString) {
        self.lines(label, vec![text.to_string()]);
    }

    fn optional(&mut self, label: Label, text: Option<impl ToString>) {
        if let Some(text) = text {
            self.text(label, text);
        }
    }

    fn moment(&mut self, label: Label, time: tact_domain::Time) {
        let told = self.clock.moment(self.teller.language, time);
        self.text(label, told);
    }

    fn window(&mut self, label: Label, window: Option<&Window>) {
        let told = window.map(|window| self.clock.window(self.teller.language, window));
        self.optional(label, told);
    }

    fn branch(&mut self, label: Label, branch: &Branch) {
        let told = self.teller.branch(branch);
        self.text(label, told);
    }

    fn purpose_and_channel(&mut self, of: &Purpose, channel: Channel) {
        let told = purpose(self.teller.language, of);
        self.text(Label::Purpose, told);
        self.text(Label::Channel, channel.word(self.teller.language));
    }

    fn channels(&mut self, label: Label, list: Option<&[Channel]>) {
        let told = match list {
            Some(list) => channels(self.teller.language, list),
            None => self.word(&Label::Every).to_owned(),
        };
        self.text(label, told);
    }

    /// A text by its id, where the reader may see it; else that there is one.
    fn kept_text(&mut self, label: Label, id: Option<Uuid>) {
        let told = id.map(|id| match self.teller.material.texts.get(&id) {
            Some(text) => text.clone(),
            None => self.word(&Label::TextKept).to_owned(),
        });
        self.optional(label, told);
    }

    /// What an id among the facts stands for, in words.
    fn occasion(&self, id: Uuid) -> String {
        let accounts = &self.teller.accounts.all;
        let language = self.teller.language;
        let appointment = accounts.iter().find_map(|account| account.state.appointment(id));
        if let Some(appointment) = appointment {
            let kind = appointment.kind.word(language);
            let at = self.clock.moment(language, appointment.starts_at);
            return format!("{kind}, {at}");
        }
        let mut states = accounts.iter().map(|account| &account.state);
        let asked = |state: &tact_domain::patient::State| state.requests.iter().any(|request| request.id == id);
        let referred = |state: &tact_domain::patient::State| state.referrals.iter().any(|referral| referral.id == id);
        let word = if states.clone().any(asked) {
            tact_domain::OccasionKind::CallbackRequest.word(language)
        } else if states.any(referred) {
            tact_domain::OccasionKind::CareReferral.word(language)
        } else {
            return id.to_string();
        };
        format!("{word} ({id})")
    }

    fn about(&mut self, about: Option<Uuid>) {
        let told = about.map(|about| self.occasion(about));
        self.optional(Label::Occasion, told);
    }

    fn event(&mut self, step: &Step<'_>) {
        match &step.recorded.event {
            Event::Registered(e) => {
                self.branch(Label::HomeBranch, &e.home_branch);
                self.text(Label::TimeZone, &e.time_zone);
                self.optional(Label::LanguageOf, e.language.as_ref());
                self.optional(Label::RecommendedBy, e.recommended_by);
                self.optional(Label::Guardian, e.guardian);
            }
            Event::ProfileChanged(e) => {
                if let Some(branch) = &e.home_branch {
                    self.branch(Label::HomeBranch, branch);
                }
                self.optional(Label::TimeZone, e.time_zone.as_ref());
                self.optional(Label::LanguageOf, e.language.as_ref());
                self.optional(Label::Guardian, e.guardian);
                if let Some(new) = &e.channels {
                    self.channels(Label::NewDetails, Some(new));
                }
            }
            Event::Merged(e) => self.text(Label::OtherRecord, e.into),
            Event::Absorbing(e) => self.text(Label::OtherRecord, e.from),
            Event::Absorbed(e) => {
                self.text(Label::OtherRecord, e.from);
                self.carried(&e.facts);
            }
            Event::Separated(e) => {
                self.text(Label::OtherRecord, e.from);
                if let Some(facts) = &e.facts {
                    self.carried(facts);
                }
            }
            Event::Died(_) | Event::Restored(_) | Event::Erased(_) => {}
            Event::ConsentGranted(e) => {
                let told = purpose(self.teller.language, &e.purpose);
                self.text(Label::Purpose, told);
                self.channels(Label::Channels, Some(&e.channels));
                self.text(Label::Method, method(self.teller.language, &e.evidence.method));
                self.text(Label::Document, e.evidence.document);
                match e.expires_at {
                    Some(at) => self.moment(Label::Expires, at),
                    None => self.text(Label::Expires, self.word(&Label::NoExpiry)),
                }
            }
            Event::ConsentWithdrawn(e) => {
                let every = self.word(&Label::Every);
                let told = e.purpose.as_ref().map_or(every.to_owned(), |of| purpose(self.teller.language, of));
                self.text(Label::Purpose, told);
                self.channels(Label::Channels, e.channels.as_deref());
            }
            Event::PreferenceSet(e) => {
                self.optional(Label::Wish, e.reach.map(|reach| reach.word(self.teller.language)));
                self.optional(Label::QuietHours, e.quiet_hours.map(|of_day| hours(self.teller.language, &of_day)));
                self.optional(Label::Preferred, e.preferred_channel.map(|channel| channel.word(self.teller.language)));
            }
            Event::Booked(e) => {
                self.text(Label::Kind, e.kind.word(self.teller.language));
                self.moment(Label::StartsAt, e.starts_at);
                self.branch(Label::Branch, &e.branch);
                self.optional(Label::Clinician, e.clinician);
            }
            Event::Rescheduled(e) => {
                self.appointment(e.appointment);
                self.moment(Label::NewTime, e.starts_at);
                self.text(Label::ChangedBy, e.by.word(self.teller.language));
                if let Some(branch) = &e.branch {
                    self.branch(Label::Branch, branch);
                }
                self.optional(Label::Clinician, e.clinician);
            }
            Event::Cancelled(e) => {
                self.appointment(e.appointment);
                self.text(Label::ChangedBy, e.by.word(self.teller.language));
            }
            Event::Completed(e) | Event::Missed(e) => self.appointment(e.appointment),
            Event::Requested(e) => {
                self.text(Label::Channel, e.channel.word(self.teller.language));
                self.about(e.about);
                self.window(Label::Window, e.window.as_ref());
            }
            Event::Announced(e) => {
                let told = purpose(self.teller.language, &e.purpose);
                self.text(Label::Purpose, told);
                self.about(e.about);
                self.window(Label::Window, Some(&e.window));
            }
            Event::Permitted(e) => self.permitted(step, e),
            Event::Refused(e) => {
                self.purpose_and_channel(&e.purpose, e.channel);
                self.branch(Label::Branch, &e.branch);
                self.about(e.about);
                self.reasons(&e.reasons);
                if let Some(next) = e.next {
                    self.moment(Label::NextChance, next);
                }
                let policy = self.teller.policy(self.clock, &e.policy);
                self.text(Label::Policy, policy);
            }
            Event::Released(e) => self.permit_of(e.permit),
            Event::Started(e) => self.permit_of(e.permit),
            Event::Made(e) => self.made(step, e),
            Event::Corrected(e) => {
                self.text(Label::ContactId, e.contact);
                self.text(Label::Outcome, e.outcome.word(self.teller.language));
            }
            Event::Credited(e) => self.text(Label::Recommended, e.recommended),
            Event::ReferralOpened(e) => self.text(Label::Need, &e.need),
            Event::ReferralArranged(e) => {
                let providers = &self.teller.material.directory.providers;
                let named = providers.get(&e.provider).map_or_else(|| e.provider.to_string(), |listed| listed.name.clone());
                self.text(Label::Provider, named);
                if let Some(at) = e.starts_at {
                    self.moment(Label::StartsAt, at);
                }
            }
            Event::ReferralClosed(e) => self.text(Label::Referral, e.referral),
            Event::FeedbackGiven(e) => {
                let of = self.teller.language.of("of", "из");
                self.text(Label::Score, format!("{} {of} 10", u8::from(e.score)));
                self.branch(Label::Branch, &e.branch);
                self.optional(Label::Clinician, e.clinician);
                let list = |themes: &[tact_domain::Theme]| themes.iter().map(|t| t.as_str()).collect::<Vec<_>>().join(", ");
                self.optional(Label::Strengths, e.strengths.as_deref().map(list));
                self.optional(Label::Weaknesses, e.weaknesses.as_deref().map(list));
                self.kept_text(Label::FeedbackText, e.text);
            }
        }
    }

    fn appointment(&mut self, id: Uuid) {
        let told = self.occasion(id);
        self.text(Label::Appointment, told);
    }

    fn reasons(&mut self, reasons: &[Reason]) {
        let of = |reason| refusal(self.teller.language, self.clock, reason);
        self.lines(Label::Reasons, reasons.iter().flat_map(of).collect());
    }

    fn permitted(&mut self, step: &Step<'_>, e: &Permitted) {
        self.purpose_and_channel(&e.purpose, e.channel);
        self.branch(Label::Branch, &e.branch);
        match &e.basis.occasion {
            Some(occasion) => {
                let (kind, at) = (occasion.kind.word(self.teller.language), occasion.at);
                self.text(Label::Occasion, format!("{kind}, {}", self.clock.moment(self.teller.language, at)));
            }
            None => self.about(e.about),
        }
        self.rests_on(step.recorded, e);
        self.lines(Label::Counted, limits(self.teller.language, e));
        let overrides = e.basis.overrides.iter().map(|what| what.word(self.teller.language)).collect::<Vec<_>>();
        self.optional(Label::Overrides, (!overrides.is_empty()).then(|| overrides.join("; ")));
        self.window(Label::QuietLifted, e.basis.quiet_lifted.as_ref());
        self.kept_text(Label::Reason, e.reason);
        self.moment(Label::ValidUntil, e.expires_at);
        let policy = self.teller.policy(self.clock, &e.policy);
        self.text(Label::Policy, policy);
    }

    /// The consent and the announcement that a decision rested on.
    fn rests_on(&mut self, decided: &tact_domain::Recorded, e: &Permitted) {
        let language = self.teller.language;
        if let Some(used) = &e.basis.consent {
            let given = self.clock.moment(language, used.granted_at);
            let mut lines = vec![match language {
                Language::English => format!("given {given}, document {}", used.document),
                Language::Russian => format!("дано {given}, документ {}", used.document),
            }];
            if self.teller.accounts.consent(used).is_none() {
                lines.push(language.of("its event is not among those shown", "его события среди показанных нет").to_owned());
            }
            self.lines(Label::RestsOnConsent, lines);
        }
        if let Some(window) = &e.basis.announcement {
            let expected = self.clock.window(language, window);
            let told = self.teller.accounts.announcement(decided, e).map(|told| self.clock.moment(language, told.envelope.time));
            let line = match (language, told) {
                (Language::English, Some(told)) => format!("told {told} to expect it {expected}"),
                (Language::English, None) => format!("told to expect it {expected}"),
                (Language::Russian, Some(told)) => format!("предупредили {told}; ждать: {expected}"),
                (Language::Russian, None) => format!("предупредили; ждать: {expected}"),
            };
            self.text(Label::RestsOnAnnouncement, line);
        }
    }

    fn permit_of(&mut self, id: Uuid) {
        match self.teller.accounts.permit(id) {
            Some((recorded, e)) => {
                self.purpose_and_channel(&e.purpose, e.channel);
                let granted = self.granted(recorded, id);
                self.text(Label::Permit, granted);
            }
            None => self.text(Label::Permit, id),
        }
    }

    fn granted(&self, recorded: &tact_domain::Recorded, id: Uuid) -> String {
        let at = self.clock.moment(self.teller.language, recorded.envelope.time);
        match self.teller.language {
            Language::English => format!("granted {at} ({id})"),
            Language::Russian => format!("выдано {at} ({id})"),
        }
    }

    fn made(&mut self, step: &Step<'_>, e: &Made) {
        self.purpose_and_channel(&e.purpose, e.channel);
        self.branch(Label::Branch, &e.branch);
        self.text(Label::Outcome, e.outcome.word(self.teller.language));
        self.about(e.about);
        match step.right {
            Some(Right::Permit(id)) => match self.teller.accounts.permit(id) {
                Some((recorded, permitted)) => {
                    let yes = self.teller.language.of("yes", "да");
                    let granted = self.granted(recorded, id);
                    self.text(Label::WasPermitted, format!("{yes}, {granted}"));
                    let policy = self.teller.policy(self.clock, &permitted.policy);
                    self.text(Label::Policy, policy);
                    self.rests_on(recorded, permitted);
                }
                None => {
                    let yes = self.teller.language.of("yes, by permit", "да, разрешение");
                    self.text(Label::WasPermitted, format!("{yes} {id}"));
                }
            },
            Some(Right::Breach { named: None }) => self.text(Label::WasPermitted, self.word(&Label::WithoutPermit)),
            Some(Right::Breach { named: Some(id) }) => {
                let said = self.word(&Label::PermitNotValid);
                self.text(Label::WasPermitted, format!("{said} ({id})"));
            }
            Some(Right::BeforeTact) => self.text(Label::WasPermitted, self.word(&Label::MadeBeforeTact)),
            Some(Right::Inbound) => self.text(Label::WasPermitted, self.word(&Label::NoPermitNeeded)),
            None => {}
        }
        self.kept_text(Label::Note, e.note);
    }

    /// What came from another stream, by count; the facts themselves stand in that stream.
    fn carried(&mut self, facts: &Carried) {
        let language = self.teller.language;
        let counts = [
            (facts.contacts.len(), ["contact", "contacts"], ["обращение", "обращения", "обращений"]),
            (facts.permits.len(), ["permit", "permits"], ["разрешение", "разрешения", "разрешений"]),
            (facts.grants.len(), ["consent", "consents"], ["согласие", "согласия", "согласий"]),
            (facts.withdrawals.len(), ["withdrawal", "withdrawals"], ["отзыв согласия", "отзыва согласия", "отзывов согласия"]),
            (facts.appointments.len(), ["appointment", "appointments"], ["приём", "приёма", "приёмов"]),
            (facts.requests.len(), ["request", "requests"], ["просьба", "просьбы", "просьб"]),
            (
                facts.announcements.len(),
                ["announcement", "announcements"],
                ["предупреждение", "предупреждения", "предупреждений"],
            ),
            (facts.referrals.len(), ["referral elsewhere", "referrals elsewhere"], ["направление", "направления", "направлений"]),
            (
                facts.recommendations.len(),
                ["recommendation", "recommendations"],
                ["рекомендация", "рекомендации", "рекомендаций"],
            ),
            (facts.feedback.len(), ["feedback", "feedbacks"], ["отзыв о клинике", "отзыва о клинике", "отзывов о клинике"]),
            (
                facts.new_details.len(),
                ["change of contact details", "changes of contact details"],
                ["смена контактных данных", "смены контактных данных", "смен контактных данных"],
            ),
        ];
        let counted = counts.into_iter().filter(|(n, ..)| *n > 0);
        let mut told: Vec<_> =
            counted.map(|(n, english, russian)| language.count(u64::try_from(n).unwrap_or(u64::MAX), english, russian)).collect();
        let wishes = &facts.preferences;
        if let Some((reach, _)) = wishes.reach {
            told.push(reach.word(language).to_owned());
        }
        let quiet = wishes.quiet_hours.iter().chain(&wishes.absorbed_quiet_hours);
        told.extend(quiet.map(|(of_day, _)| format!("{} {}", Label::QuietHours.word(language), hours(language, of_day))));
        if let Some((channel, _)) = wishes.preferred_channel {
            told.push(format!("{}: {}", Label::Preferred.word(language), channel.word(language)));
        }
        if facts.deceased {
            told.push(language.of("the record of death", "запись о смерти").to_owned());
        }
        self.optional(Label::BroughtAlong, (!told.is_empty()).then(|| told.join("; ")));
    }
}

/// How a consent was given, in words where they are known; the code otherwise.
pub(crate) fn method(language: Language, code: &str) -> String {
    let known = match code {
        "paper" => Some(("on paper", "на бумаге")),
        "web_form" => Some(("in a form on the web", "через форму на сайте")),
        "sms" => Some(("by SMS", "по SMS")),
        "signature" => Some(("with an electronic signature", "с электронной подписью")),
        _ => None,
    };
    known.map_or_else(|| code.to_owned(), |(english, russian)| format!("{} ({code})", language.of(english, russian)))
}
