//! What is missing or wrong with a contact. Each is looked for by itself, so that one does not hide another.

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};
use tact_domain::patient::decide::{Consent, consent};
use tact_domain::patient::events::{Event, Override};
use tact_domain::{Channel, Direction, Reach, Time};
use utoipa::ToSchema;

use super::{AnnouncementFacts, ConsentFacts, Found, Ground, PermitFacts};
use crate::account::Right;
use tact_words::Word;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $grave:literal = $english:literal, $russian:literal;)+) => {
        /// What can be missing or wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingCode { $($(#[$doc])* $name,)+ }

        impl FindingCode {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Whether it puts the contact in the wrong, and not only its record in doubt.
            pub const fn is_grave(self) -> bool {
                match self { $(Self::$name => $grave,)+ }
            }
        }

        impl Word for FindingCode {
            fn both(&self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($english, $russian),)+ }
            }
        }
    };
}

codes! {
    /// Made without a permit.
    NoPermit true = "The contact was made without a permit: this is a breach of the policy.", "Обращение сделано без разрешения: это нарушение правил.";
    /// It named a permit that did not hold for it.
    PermitNotValid true = "The contact names a permit that did not hold for it: it was used, expired or taken away, or was for something else.", "Обращение ссылается на разрешение, которое на него не распространялось: использовано, истекло, прекращено или выдано на другое.";
    /// The permit was refused, and it was made all the same.
    MadeAfterRefusal true = "A permit for this purpose and channel had been refused, and the contact was made all the same.", "В разрешении на эту цель и этот способ связи было отказано, но обращение всё же сделано.";
    /// The policy forbids the purpose.
    PurposeForbidden true = "The policy in force forbade this purpose.", "Действовавшие правила запрещали такую цель.";
    /// The policy does not name the purpose.
    PurposeUnknown true = "The policy in force did not name this purpose.", "Действовавшие правила такой цели не называли.";
    /// It rests on consent, and there was none.
    NoConsent true = "The purpose rests on consent, and no consent for this purpose and channel is recorded as given before the contact.", "Цель требует согласия, а согласия на эту цель и этот способ связи, данного до обращения, в записях нет.";
    /// It rests on consent, and the first one came after it.
    ConsentAfterContact true = "A consent was given only after the contact. It does not cover it.", "Согласие дано уже после обращения и его не покрывает.";
    /// The consent was withdrawn before.
    ConsentWithdrawn true = "The consent had been withdrawn before the contact.", "Согласие было отозвано до обращения.";
    /// The consent ran out before.
    ConsentExpired true = "The consent had run out before the contact.", "Срок согласия истёк до обращения.";
    /// The consent was entered after the contact.
    ConsentRecordedLate false = "The consent is dated before the contact, but was entered into the record only after it.", "Согласие датировано раньше обращения, но внесено в записи только после него.";
    /// A withdrawal that was made before the contact was entered after it.
    WithdrawalRecordedLate false = "The withdrawal was made before the contact, but was entered into the record only after the permit.", "Согласие отозвано до обращения, но отзыв внесён в записи уже после выдачи разрешения.";
    /// Advertising by a machine that dials.
    AutomaticDialling true = "Advertising by a machine that dials is forbidden even with consent (38-FZ, article 18, part 2).", "Реклама автоматическим дозвоном запрещена даже при наличии согласия (38-ФЗ, статья 18, часть 2).";
    /// The policy demands an announcement, and there was none.
    NotAnnounced true = "The policy demands that the patient was told to expect the contact, and no such announcement is recorded.", "Правила требуют предупредить пациента об обращении, а такого предупреждения в записях нет.";
    /// The announcement was entered after the contact.
    AnnouncementRecordedLate false = "The announcement was entered into the record only after the contact.", "Предупреждение внесено в записи только после обращения.";
    /// The patient had asked not to be called.
    AskedNotToBeCalled true = "The patient had asked not to be contacted (“don’t call me, I’ll call you”), and nothing shown here overrides that.", "Пациент просил не обращаться («не звоните мне, я позвоню сам(а)»), и оснований отступить от этого здесь нет.";
    /// It was entered long after it happened.
    ContactRecordedLate false = "The contact was entered into the record more than an hour after it happened; nothing here proves its time but that entry.", "Обращение внесено в записи более чем через час; его время подтверждается только этой записью.";
    /// The decision does not come out the same.
    DecisionDiffers true = "Made again from the record, the decision comes out otherwise.", "При повторном принятии по записям решение получается другим.";
    /// The decision cannot be made again.
    DecisionNotRepeatable false = "The decision cannot be made again here: its policy or the version of its rules is not known.", "Решение нельзя повторить: его правила или версия алгоритма здесь неизвестны.";
    /// The permit's own event is not among the records.
    PermitNotShown true = "The contact counts as made under a permit whose own record is not among those shown.", "Обращение числится сделанным по разрешению, записи о котором здесь нет.";
    /// Made before the network had a policy.
    BeforeTact false = "It was made before the network’s first policy took effect: no decision about it exists.", "Обращение сделано до вступления в силу первых правил сети: решения о нём не существует.";
}

/// One thing that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// What.
    pub code: FindingCode,
    /// Whether it puts the contact in the wrong, and not only its record in doubt.
    pub grave: bool,
    /// The moment that it speaks of, where there is one: of the refusal, the withdrawal, the late entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
}

/// Everything that is missing or wrong.
pub(super) fn all(
    found: &Found<'_>,
    given: Option<&ConsentFacts>,
    announced: Option<&AnnouncementFacts>,
    permit: Option<&PermitFacts>,
) -> Vec<Finding> {
    let mut look = Look { found, findings: Vec::new() };
    let envelope = &found.step.recorded.envelope;
    if envelope.recorded_at - envelope.time > Duration::hours(1) {
        look.add(FindingCode::ContactRecordedLate, Some(envelope.recorded_at));
    }
    // What the patient does needs no right.
    if found.made.direction == Direction::Inbound {
        return look.findings;
    }
    look.permit(permit);
    look.purpose();
    if found.ground == Ground::Consent {
        look.consent(given);
    }
    look.announcement(announced);
    look.wish();
    look.findings
}

struct Look<'a> {
    found: &'a Found<'a>,
    findings: Vec<Finding>,
}

impl Look<'_> {
    fn add(&mut self, code: FindingCode, at: Option<Time>) {
        self.findings.push(Finding { code, grave: code.is_grave(), at });
    }

    fn permit(&mut self, permit: Option<&PermitFacts>) {
        match self.found.step.right {
            Some(Right::BeforeTact) => self.add(FindingCode::BeforeTact, None),
            Some(Right::Breach { named: None }) => self.add(FindingCode::NoPermit, None),
            Some(Right::Breach { named: Some(_) }) => self.add(FindingCode::PermitNotValid, None),
            Some(Right::Permit(_)) if permit.is_none() => self.add(FindingCode::PermitNotShown, None),
            _ => {}
        }
        match permit.map(|permit| permit.again) {
            Some(Some(false)) => self.add(FindingCode::DecisionDiffers, None),
            Some(None) => self.add(FindingCode::DecisionNotRepeatable, None),
            _ => {}
        }
        if let Some(Right::Breach { .. }) = self.found.step.right
            && let Some(at) = self.refused_before()
        {
            self.add(FindingCode::MadeAfterRefusal, Some(at));
        }
    }

    /// When the last answer before the contact, for its purpose and channel and within a day, was a refusal: that moment.
    fn refused_before(&self) -> Option<Time> {
        let (time, made) = (self.found.time(), self.found.made);
        let answers = self.found.accounts.steps().filter_map(|step| {
            let refused = match &step.recorded.event {
                Event::Refused(e) if e.purpose == made.purpose && e.channel == made.channel => true,
                Event::Permitted(e) if e.purpose == made.purpose && e.channel == made.channel => false,
                _ => return None,
            };
            let at = step.recorded.envelope.time;
            (at <= time && time - at <= Duration::days(1)).then_some((at, refused))
        });
        answers.max_by_key(|(at, _)| *at).and_then(|(at, refused)| refused.then_some(at))
    }

    fn purpose(&mut self) {
        match self.found.ground {
            Ground::Forbidden => self.add(FindingCode::PurposeForbidden, None),
            Ground::Unknown => self.add(FindingCode::PurposeUnknown, None),
            Ground::Care | Ground::Consent | Ground::Request | Ground::NoPolicy => {}
        }
    }

    /// How consent stood at the moment of the contact, by everything that is known today.
    fn consent(&mut self, given: Option<&ConsentFacts>) {
        let (time, made) = (self.found.time(), self.found.made);
        if made.channel == Channel::AutoCall {
            self.add(FindingCode::AutomaticDialling, None);
        }
        let mut then = tact_domain::patient::State::default();
        for account in &self.found.accounts.all {
            then.grants.extend(account.state.grants.iter().filter(|grant| grant.time <= time).cloned());
            then.withdrawals.extend(account.state.withdrawals.iter().filter(|w| w.time <= time).cloned());
        }
        match consent(&then, &made.purpose, made.channel, time) {
            Consent::Active(_) => {
                let late = given.map(|given| given.stated.recorded_at).filter(|recorded_at| *recorded_at > time);
                if late.is_some() {
                    self.add(FindingCode::ConsentRecordedLate, late);
                }
            }
            Consent::Withdrawn(at) => {
                self.add(FindingCode::ConsentWithdrawn, Some(at));
                if let Some((decided, _)) = self.found.permit {
                    let known = |recorded: &tact_domain::Recorded| {
                        matches!(recorded.event, Event::ConsentWithdrawn(_))
                            && recorded.envelope.time == at
                            && recorded.envelope.recorded_at <= decided.envelope.recorded_at
                    };
                    if !self.found.accounts.steps().any(|step| known(step.recorded)) {
                        self.add(FindingCode::WithdrawalRecordedLate, Some(at));
                    }
                }
            }
            Consent::Expired(at) => self.add(FindingCode::ConsentExpired, Some(at)),
            Consent::Missing => {
                self.add(FindingCode::NoConsent, None);
                let later = self.found.accounts.all.iter().flat_map(|account| &account.state.grants);
                let later = later.filter(|g| g.purpose == made.purpose && g.channels.contains(&made.channel)).map(|g| g.time);
                if let Some(at) = later.min() {
                    self.add(FindingCode::ConsentAfterContact, Some(at));
                }
            }
        }
    }

    fn announcement(&mut self, announced: Option<&AnnouncementFacts>) {
        let rule = self.found.policy.and_then(|published| published.policy.rule(&self.found.made.purpose));
        if !rule.is_some_and(|rule| rule.announced) {
            return;
        }
        match announced {
            None => self.add(FindingCode::NotAnnounced, None),
            Some(told) if told.stated.recorded_at > self.found.time() => {
                self.add(FindingCode::AnnouncementRecordedLate, Some(told.stated.recorded_at));
            }
            Some(_) => {}
        }
    }

    /// Whether "don't call me" held at the time of the contact, by everything that is known today, and the purpose had to obey it.
    fn wish(&mut self) {
        let time = self.found.time();
        let wishes = self.found.accounts.steps().filter_map(|step| match &step.recorded.event {
            Event::PreferenceSet(e) if step.recorded.envelope.time <= time => Some((step.recorded.envelope.time, e.reach?)),
            _ => None,
        });
        let Some((since, Reach::PatientInitiated)) = wishes.max_by_key(|(at, _)| *at) else { return };
        let rule = self.found.policy.and_then(|published| published.policy.rule(&self.found.made.purpose));
        let overridden = match self.found.permit {
            Some((_, permitted)) => permitted.basis.overrides.iter().any(|what| lifts_wish(*what)),
            None => rule.is_some_and(|rule| rule.overrides(Override::PatientInitiatedOnly)),
        };
        if !overridden {
            self.add(FindingCode::AskedNotToBeCalled, Some(since));
        }
    }
}

fn lifts_wish(what: Override) -> bool {
    matches!(what, Override::PatientInitiatedOnly | Override::Everything)
}
