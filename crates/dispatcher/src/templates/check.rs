//! Whether templates keep to what they may say: no promotion dressed as an invitation, nothing on a voicemail that betrays a diagnosis or a
//! specialty, no text message longer than the network pays for, and a text for whatever the policy allows.

use std::fmt;

use tact_domain::policy::{Basis, Policy, PurposeRule, Rule};
use tact_domain::{Channel, OccasionKind, Purpose};

use super::words::Words;
use super::{Key, MACHINE, PROMOTIONAL_TAGS, Place, Template, Templates, Text, Wording, sms};

/// The longest name that a text message is measured with, in characters. One longer still is sent if it fits all the same.
const LONGEST_NAME: usize = 40;

/// By what templates are checked.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The policy whose purposes they are for.
    pub policy: &'a Policy,
    /// The words that give a text away.
    pub words: &'a Words,
    /// The most parts of a text message.
    pub sms_parts: usize,
    /// The names of the branches, where they are known.
    pub branches: &'a [String],
}

/// Something about templates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Line and column of the template; `None`: it is about one that is missing.
    pub at: Option<(usize, usize)>,
    /// What it is about: purpose, channel and language.
    pub of: String,
    /// What is wrong, and the way out.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.at {
            write!(f, "line {line}, column {column}: ")?;
        }
        write!(f, "{}: {}", self.of, self.problem)
    }
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// What must not go out.
    pub mistakes: Vec<Finding>,
    /// What the policy allows and no template says: a permit for it is given back unused.
    pub missing: Vec<Finding>,
}

/// Checks templates.
pub fn check(templates: &Templates, rules: &Rules<'_>) -> Checked {
    let mut checked = Checked::default();
    for (key, template) in templates.all() {
        let mut one = One { key, template, rules, found: &mut checked.mistakes };
        one.check();
    }
    for (purpose, rule) in &rules.policy.purposes {
        let PurposeRule::Allowed(rule) = rule else { continue };
        for channel in rule.channels.iter().filter(|channel| MACHINE.contains(channel)) {
            for language in templates.languages() {
                let key = (purpose.clone(), *channel, language);
                if !templates.all().any(|(known, _)| *known == key) {
                    checked.missing.push(Finding { at: None, of: named(&key), problem: "no template says it".to_owned() });
                }
            }
        }
    }
    checked
}

fn named((purpose, channel, language): &Key) -> String {
    format!("{purpose} by {channel} in {language}")
}

struct One<'a> {
    key: &'a Key,
    template: &'a Template,
    rules: &'a Rules<'a>,
    found: &'a mut Vec<Finding>,
}

impl<'a> One<'a> {
    fn mistake(&mut self, problem: impl Into<String>) {
        self.found.push(Finding { at: Some(self.template.at), of: named(self.key), problem: problem.into() });
    }

    fn check(&mut self) {
        let (purpose, channel, _) = self.key;
        let rules = self.rules;
        let template = self.template;
        match rules.policy.purposes.get(purpose) {
            None => {
                let near = tact_domain::nearest_word(purpose.as_str(), rules.policy.purposes.keys().map(Purpose::as_str));
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                self.mistake(format!("policy {} does not know this purpose{hint}", rules.policy.version));
            }
            Some(PurposeRule::Forbidden(_)) => self.mistake("the policy forbids this purpose; take the template out"),
            Some(PurposeRule::Allowed(rule)) => {
                if !rule.channels.contains(channel) {
                    self.mistake("the policy does not allow this channel for this purpose; take it out");
                }
                self.promotion(rule);
                self.times(rule);
            }
        }
        for wording in self.wordings() {
            if let Some(voicemail) = &wording.voicemail {
                self.voicemail(voicemail);
            }
            if *channel == Channel::Sms {
                let length = sms::length(&self.longest(&wording.text));
                if length.parts > rules.sms_parts {
                    let most = rules.sms_parts;
                    self.mistake(format!(
                        "{length} with the longest names, and the most is {most}; say it shorter, or allow more `sms_parts`"
                    ));
                }
            }
        }
        if let Some(together) = &template.together {
            self.together(together);
        }
    }

    fn wordings(&self) -> impl Iterator<Item = &'a Wording> + use<'a> {
        std::iter::once(&self.template.alone).chain(&self.template.together)
    }

    fn texts(&self) -> impl Iterator<Item = &'a Text> + use<'a> {
        self.wordings().flat_map(Wording::texts)
    }

    /// What is said for several people is about none of them alone.
    fn together(&mut self, together: &Wording) {
        let of_one = |place: &Place| !matches!(place, Place::Appointments | Place::BranchPhone);
        let mut places: Vec<&str> = together.texts().flat_map(Text::places).filter(of_one).map(Place::as_str).collect();
        places.sort_unstable();
        places.dedup();
        if !places.is_empty() {
            self.mistake(format!(
                "`together` says {{{}}}, which is of one patient; write {{appointments}}, or nothing",
                places.join("}, {")
            ));
        }
    }

    /// An advertisement is one whatever it is called (P8).
    fn promotion(&mut self, rule: &Rule) {
        if rule.basis == Basis::Consent {
            return;
        }
        let purpose = &self.key.0;
        let tags: Vec<_> = self.template.tags.iter().filter(|tag| PROMOTIONAL_TAGS.contains(&tag.as_str())).cloned().collect();
        if !tags.is_empty() {
            self.mistake(format!(
                "it is tagged {}, and `{purpose}` does not rest on consent: news of promotions need a purpose that does (P8)",
                tags.join(", ")
            ));
        }
        let words: Vec<&str> = self.texts().flat_map(|text| self.rules.words.promotional(&text.bare())).collect();
        if !words.is_empty() {
            let words = quoted(words);
            self.mistake(format!(
                "it says {words}, and `{purpose}` does not rest on consent: take these words out, or write it for a purpose that does (P8)"
            ));
        }
    }

    fn times(&mut self, rule: &Rule) {
        let timed =
            self.texts().flat_map(Text::places).any(|place| matches!(place, Place::Date | Place::Time | Place::Appointments));
        if timed && rule.occasion != Some(OccasionKind::UpcomingAppointment) {
            self.mistake("only an upcoming appointment has a {date} and a {time}; take them and {appointments} out");
        }
    }

    /// Others may hear it.
    fn voicemail(&mut self, voicemail: &Text) {
        let words = self.rules.words.medical(&voicemail.bare());
        if !words.is_empty() {
            let words = quoted(words);
            self.mistake(format!("the voicemail says {words}, and whoever hears it need not know: take these words out"));
        }
        for place in voicemail.places() {
            match place {
                Place::Name => self.mistake("the voicemail says {name}: others may hear who is a patient; take it out"),
                Place::Branch | Place::Appointments => {
                    let telling = self.rules.branches.iter().filter(|name| !self.rules.words.medical(name).is_empty()).count();
                    if telling > 0 {
                        self.mistake(format!(
                            "the voicemail says {{{}}}, and {telling} branches are named after a specialty; take it out",
                            place.as_str()
                        ));
                    }
                }
                Place::Date | Place::Time | Place::BranchPhone => {}
            }
        }
    }

    /// The text with the longest that may stand in its places; a name in Cyrillic, which takes most room.
    fn longest(&self, text: &Text) -> String {
        let language = self.key.2.as_str();
        let branch = self.rules.branches.iter().max_by_key(|name| sms::length(name).units).cloned();
        let branch = branch.unwrap_or_else(|| "Ж".repeat(LONGEST_NAME));
        let date = if language == "ru" { "30 сентября" } else { "30 September" };
        let filled = text.with(|place| {
            Some(match place {
                Place::Name => "Ж".repeat(LONGEST_NAME),
                Place::Date => date.to_owned(),
                Place::Time => "23:59".to_owned(),
                Place::Branch => branch.clone(),
                Place::BranchPhone => "+7 (495) 000-00-00".to_owned(),
                // Two at one branch. More are told as far as they fit.
                Place::Appointments => format!("{branch}, {date}, 23:58, 23:59"),
            })
        });
        filled.unwrap_or_default()
    }
}

fn quoted(mut words: Vec<&str>) -> String {
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("“{word}”")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use tact_domain::policy;

    use super::*;
    use crate::templates::DEFAULT;

    fn checked(text: &str, branches: &[&str]) -> Checked {
        let templates = Templates::read(text).unwrap();
        let policy = policy::text::parse(policy::DEFAULT, "default").unwrap();
        let branches: Vec<String> = branches.iter().map(|name| (*name).to_owned()).collect();
        check(&templates, &Rules { policy: &policy, words: &Words::shipped(), sms_parts: 3, branches: &branches })
    }

    #[test]
    fn what_ships_keeps_to_the_rules_and_covers_the_default_policy() {
        let checked = checked(DEFAULT, &["North"]);
        assert_eq!(checked.mistakes, [], "{:#?}", checked.mistakes);
        assert_eq!(checked.missing, [], "{:#?}", checked.missing);
    }

    #[test]
    fn what_must_not_go_out_is_named() {
        let one = |purpose: &str, channel: &str, tags: &str, ru: &str| {
            format!(
                "fallback = \"ru\"\n[[template]]\npurpose = \"{purpose}\"\nchannels = [\"{channel}\"]\ntags = [{tags}]\nru = {{ {ru} }}\n"
            )
        };
        let long = format!("text = \"{}\"", "ж".repeat(202));
        for (purpose, channel, tags, ru, said) in [
            ("checkup_invitation", "sms", "", "text = \"Скидка 20% на осмотр\"", "“%”, “скидк*”"),
            ("appointment_reminder", "sms", "\"discount\"", "text = \"Ждём вас\"", "tagged discount"),
            ("appointment_reminder", "messenger", "", "text = \"Only today: a special offer\"", "offer*"),
            ("win_back", "sms", "", "text = \"Вернитесь\"", "forbids"),
            ("appointment_remindr", "sms", "", "text = \"Ждём\"", "did you mean `appointment_reminder`?"),
            ("promotion", "auto_call", "\"promotion\"", "text = \"Новости\"", "does not allow this channel"),
            ("appointment_reminder", "auto_call", "", "text = \"Ждём\", voicemail = \"Запись к онкологу\"", "онко*"),
            ("appointment_reminder", "auto_call", "", "text = \"Ждём\", voicemail = \"{name}, перезвоните\"", "{name}"),
            ("appointment_reminder", "auto_call", "", "text = \"Ждём\", voicemail = \"Это {branch}\"", "1 branches"),
            ("appointment_reminder", "sms", "", long.as_str(), "4 parts"),
            ("checkup_invitation", "sms", "", "text = \"Приходите {date}\"", "upcoming appointment"),
            ("appointment_reminder", "sms", "", "text = \"Ждём\", together = { text = \"{name}, {date}\" }", "{date}, {name}"),
            ("appointment_reminder", "sms", "", "text = \"Ждём\", together = { text = \"Скидка\" }", "“скидк*”"),
            (
                "appointment_reminder",
                "auto_call",
                "",
                "text = \"Ждём\", together = { text = \"Ждём\", voicemail = \"{appointments}\" }",
                "1 branches",
            ),
        ] {
            let mistakes = checked(&one(purpose, channel, tags, ru), &["North", "Психиатрия на Ленина"]).mistakes;
            assert!(mistakes.iter().any(|m| m.problem.contains(said)), "{purpose} {ru}: {mistakes:#?}");
        }
        // With consent the same words are what they are.
        let fine = one("promotion", "sms", "\"promotion\", \"discount\"", "text = \"Скидка 20% на осмотр\"");
        assert_eq!(checked(&fine, &[]).mistakes, []);
        assert!(checked(&fine, &[]).missing.iter().any(|m| m.of == "appointment_reminder by sms in ru"));
    }

    #[test]
    fn a_long_name_in_cyrillic_is_counted_in_an_english_text() {
        let text = |words: &str| {
            format!(
                "fallback = \"en\"\n[[template]]\npurpose = \"appointment_reminder\"\nchannels = [\"sms\"]\nen = {{ text = \"{words}\" }}\n"
            )
        };
        let plain = "a".repeat(300);
        assert_eq!(checked(&text(&plain), &[]).mistakes, [], "two parts of GSM");
        let named = checked(&text(&format!("{{name}} {plain}")), &[]).mistakes;
        assert!(named[0].problem.contains("UCS-2"), "{named:?}");
    }
}
