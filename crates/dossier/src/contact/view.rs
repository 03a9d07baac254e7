//! The evidence for one contact as it will be laid out: a verdict, what is missing, and one section for each question.

use chrono_tz::Tz;
use tact_domain::Direction;
use tact_domain::policy::Basis;

use super::{ContactEvidence, FindingCode, Ground, Stated};
use crate::labels::Label;
use crate::tell::{Row, actor, method};
use tact_words::{Clock, span};
use tact_words::{Language, Word, channels, limit, purpose};

/// Everything that stands on the page, in one language.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) language: Language,
    pub(crate) grave: bool,
    pub(crate) verdict: Vec<String>,
    pub(crate) findings: Vec<String>,
    pub(crate) law: bool,
    pub(crate) sections: Vec<Section>,
}

/// One question and its answer.
#[derive(Debug)]
pub struct Section {
    /// The question.
    pub heading: &'static str,
    /// What the record says.
    pub rows: Vec<Row>,
    /// What is said where there is no answer.
    pub without: Option<&'static str>,
}

/// The page in words alone, for a terminal: first what it comes to and what is missing, then a section for each question.
pub fn told(evidence: &ContactEvidence, language: Language) -> Vec<Section> {
    let view = View::new(evidence, language);
    let mut first = vec![Row { label: Label::ThisContact.word(language), lines: view.verdict }];
    if !view.findings.is_empty() {
        first.push(Row { label: Label::Missing.word(language), lines: view.findings });
    }
    if view.law {
        first.push(Row { label: "38-FZ", lines: vec![Label::Law.word(language).to_owned()] });
    }
    let verdict = Section { heading: Label::Verdict.word(language), rows: first, without: None };
    std::iter::once(verdict).chain(view.sections).collect()
}

struct Writer<'a> {
    evidence: &'a ContactEvidence,
    language: Language,
    clock: Clock,
}

impl View {
    pub(crate) fn new(evidence: &ContactEvidence, language: Language) -> Self {
        let clock = Clock::Zone(evidence.time_zone.parse().unwrap_or(Tz::UTC));
        let writer = Writer { evidence, language, clock };
        Self {
            language,
            grave: evidence.findings.iter().any(|finding| finding.grave),
            verdict: writer.verdict(),
            findings: writer.findings(),
            law: evidence.advertising_law,
            sections: vec![
                writer.contact(),
                writer.consent(),
                writer.permit(),
                writer.announcement(),
                writer.policy(),
                writer.record(),
            ],
        }
    }

    /// A title or heading.
    pub(crate) fn say(&self, label: Label) -> &'static str {
        label.word(self.language)
    }
}

impl Writer<'_> {
    fn row(&self, label: Label, line: impl ToString) -> Row {
        Row { label: label.word(self.language), lines: vec![line.to_string()] }
    }

    fn moment(&self, label: Label, at: tact_domain::Time) -> Row {
        self.row(label, self.clock.moment(self.language, at))
    }

    fn section(&self, heading: Label, rows: Vec<Row>, without: Label) -> Section {
        let without = rows.is_empty().then(|| without.word(self.language));
        Section { heading: heading.word(self.language), rows, without }
    }

    fn by(&self, stated: &Stated) -> Vec<String> {
        let mut lines = vec![actor(self.language, &stated.actor)];
        if let Some(branch) = &stated.branch {
            lines.push(format!("{}: {branch}", Label::Branch.word(self.language)));
        }
        lines
    }

    fn by_row(&self, label: Label, stated: &Stated) -> Row {
        Row { label: label.word(self.language), lines: self.by(stated) }
    }

    fn verdict(&self) -> Vec<String> {
        let evidence = self.evidence;
        let contact = &evidence.contact;
        let mut lines = vec![format!(
            "{}: {}, {}",
            self.clock.moment(self.language, contact.time),
            purpose(self.language, &contact.purpose),
            contact.channel.word(self.language)
        )];
        if contact.direction == Direction::Inbound {
            lines.push(Label::NoPermitNeeded.word(self.language).to_owned());
        } else if evidence.permit.is_some() && !evidence.findings.iter().any(|finding| finding.grave) {
            lines.push(Label::NothingGrave.word(self.language).to_owned());
        }
        if evidence.findings.is_empty() {
            lines.push(Label::NothingMissing.word(self.language).to_owned());
        }
        lines
    }

    fn findings(&self) -> Vec<String> {
        let told = self.evidence.findings.iter().map(|finding| {
            let said = finding.code.word(self.language);
            match finding.at {
                None => said.to_owned(),
                Some(at) => {
                    let late = matches!(finding.code, FindingCode::ContactRecordedLate);
                    let took = late.then(|| format!(" (+{})", span(self.language, at - self.evidence.contact.time)));
                    format!("{said} — {}{}", self.clock.moment(self.language, at), took.unwrap_or_default())
                }
            }
        });
        told.collect()
    }

    fn contact(&self) -> Section {
        let contact = &self.evidence.contact;
        let mut rows = vec![
            self.row(Label::ContactId, contact.id),
            self.row(Label::PatientId, self.evidence.patient),
            self.row(Label::Directed, contact.direction.word(self.language)),
            self.moment(Label::HappenedAt, contact.time),
            self.row(Label::Purpose, purpose(self.language, &contact.purpose)),
            self.row(Label::Channel, contact.channel.word(self.language)),
            self.row(Label::Branch, &contact.branch),
            self.row(Label::Outcome, contact.outcome.word(self.language)),
        ];
        rows.push(self.by_row(Label::Caller, &contact.stated));
        rows.push(self.moment(Label::RecordedAt, contact.stated.recorded_at));
        self.section(Label::ThisContact, rows, Label::Nothing)
    }

    fn consent(&self) -> Section {
        let mut rows = Vec::new();
        if let Some(consent) = &self.evidence.consent {
            rows.push(self.moment(Label::GivenAt, consent.given_at));
            rows.push(self.row(Label::Method, method(self.language, &consent.method)));
            let archived = Label::Archived.word(self.language).to_owned();
            let lines = vec![consent.document.to_string(), archived];
            rows.push(Row { label: Label::Document.word(self.language), lines });
            rows.push(self.row(Label::Purpose, purpose(self.language, &consent.purpose)));
            rows.push(self.row(Label::Channels, channels(self.language, &consent.channels)));
            rows.push(self.by_row(Label::TakenBy, &consent.stated));
            rows.push(self.moment(Label::RecordedAt, consent.stated.recorded_at));
            rows.push(match consent.expires_at {
                Some(at) => self.moment(Label::Expires, at),
                None => self.row(Label::Expires, Label::NoExpiry.word(self.language)),
            });
            rows.extend(consent.withdrawn_at.map(|at| self.moment(Label::WithdrawnLater, at)));
        }
        let without = match self.evidence.ground {
            Ground::Care | Ground::Request => Label::ConsentNotNeeded,
            _ => Label::NoConsentShown,
        };
        self.section(Label::Consent, rows, without)
    }

    fn permit(&self) -> Section {
        let mut rows = Vec::new();
        if let Some(permit) = &self.evidence.permit {
            rows.push(self.row(Label::Permit, permit.id));
            rows.push(self.moment(Label::GrantedAt, permit.granted_at));
            rows.push(self.moment(Label::ValidUntil, permit.expires_at));
            rows.push(self.by_row(Label::AskedBy, &permit.stated));
            if let Some(occasion) = &permit.occasion {
                let at = self.clock.moment(self.language, occasion.at);
                rows.push(self.row(Label::Occasion, format!("{}, {at}", occasion.kind.word(self.language))));
            }
            let counted = permit.limits.iter().map(|counted| match self.language {
                Language::English => format!("{}; counted before: {}", limit(self.language, &counted.limit), counted.count),
                Language::Russian => format!("{}; до этого учтено: {}", limit(self.language, &counted.limit), counted.count),
            });
            let lines: Vec<_> = counted.collect();
            if !lines.is_empty() {
                rows.push(Row { label: Label::Counted.word(self.language), lines });
            }
            if !permit.overrides.is_empty() {
                let words: Vec<_> = permit.overrides.iter().map(|what| what.word(self.language)).collect();
                rows.push(self.row(Label::Overrides, words.join("; ")));
            }
            let again = match permit.again {
                Some(true) => Label::SameAgain,
                Some(false) => Label::NotSameAgain,
                None => Label::NotDecidedAgain,
            };
            rows.push(self.row(Label::DecidedAgain, again.word(self.language)));
        }
        let without = match self.evidence.contact.direction {
            Direction::Inbound => Label::NoPermitNeeded,
            Direction::Outbound => Label::NoPermitShown,
        };
        self.section(Label::Permission, rows, without)
    }

    fn announcement(&self) -> Section {
        let mut rows = Vec::new();
        if let Some(told) = &self.evidence.announcement {
            rows.push(self.moment(Label::ToldAt, told.told_at));
            rows.push(self.row(Label::Window, self.clock.window(self.language, &told.window)));
            rows.push(self.by_row(Label::Caller, &told.stated));
            rows.push(self.moment(Label::RecordedAt, told.stated.recorded_at));
        }
        let needed = self.evidence.findings.iter().any(|finding| finding.code == FindingCode::NotAnnounced);
        let without = if needed || self.evidence.policy.is_none() { Label::NoAnnouncementShown } else { Label::NotNeeded };
        self.section(Label::Announcement, rows, without)
    }

    fn policy(&self) -> Section {
        let mut rows = Vec::new();
        if let Some(policy) = &self.evidence.policy {
            rows.push(self.row(Label::Version, &policy.version));
            rows.push(self.moment(Label::InForceFrom, policy.in_force_from));
            rows.push(self.row(Label::PolicyBasis, self.ground()));
            rows.push(Row { label: "SHA-256", lines: vec![policy.sha256.clone()] });
        }
        self.section(Label::Policy, rows, Label::NoPolicyShown)
    }

    fn ground(&self) -> &'static str {
        let label = match self.evidence.ground {
            Ground::Care => return Basis::Care.word(self.language),
            Ground::Consent => return Basis::Consent.word(self.language),
            Ground::Request => return Basis::Request.word(self.language),
            Ground::Forbidden => Label::BasisForbidden,
            Ground::Unknown => Label::BasisUnknown,
            Ground::NoPolicy => Label::NoPolicyShown,
        };
        label.word(self.language)
    }

    /// Each event by its id, its place and its hash, so that it is found in the history in Tact's own form.
    fn record(&self) -> Section {
        let evidence = self.evidence;
        let events = [
            (Label::ThisContact, Some(&evidence.contact.stated)),
            (Label::Consent, evidence.consent.as_ref().map(|consent| &consent.stated)),
            (Label::Permission, evidence.permit.as_ref().map(|permit| &permit.stated)),
            (Label::Announcement, evidence.announcement.as_ref().map(|told| &told.stated)),
        ];
        let rows = events.into_iter().filter_map(|(label, stated)| {
            let stated = stated?;
            let event = Label::EventOf.word(self.language);
            let lines = vec![
                format!("{event} {} ({} {})", stated.event, Label::Number.word(self.language), stated.sequence),
                format!("{}: {}", Label::Hash.word(self.language), stated.sha256),
            ];
            Some(Row { label: label.word(self.language), lines })
        });
        self.section(Label::Record, rows.collect(), Label::Nothing)
    }
}
