//! What stands around every page: who is signed in, where one can go, the language, and what has just been done.

use serde::Deserialize;
use smol_str::SmolStr;
use tact_words::{Language, Word};

use crate::assets;
use crate::failure::Failure;
use crate::person::Person;
use crate::words::Say;

/// A branch of the network.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Branch {
    pub(crate) branch: SmolStr,
    pub(crate) name: String,
    pub(crate) time_zone: String,
    /// Where it is, if that was said.
    #[serde(default)]
    pub(crate) place: Option<Point>,
    /// What it offers, by code.
    #[serde(default)]
    pub(crate) services: Vec<String>,
}

/// A point on the map, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(crate) struct Point {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

#[derive(Deserialize)]
struct Branches {
    branches: Vec<Branch>,
}

/// A part of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Desk,
    Elsewhere,
    Feedback,
    Network,
    Regulator,
}

/// A way to a part.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) href: String,
    pub(crate) word: &'static str,
    pub(crate) current: bool,
}

/// What stands around a page.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) language: Language,
    pub(crate) title: String,
    /// Who is signed in.
    pub(crate) who: Option<String>,
    pub(crate) ways: Vec<Way>,
    /// Whether people can be looked for.
    pub(crate) finds: bool,
    /// What has just been done.
    pub(crate) done: Option<&'static str>,
    /// The page itself, for whoever changes the language.
    pub(crate) here: String,
    /// All branches of the network.
    pub(crate) all: Vec<Branch>,
    /// The branches whose desk the person may sit at.
    pub(crate) branches: Vec<Branch>,
}

impl Layout {
    /// Around a page of somebody who is signed in, of a part or of none.
    pub(crate) async fn of(person: &Person, part: impl Into<Option<Part>>, title: impl Into<String>) -> Result<Self, Failure> {
        let part = part.into();
        let all = branches(person).await?;
        let mut branches = all.clone();
        if let Some(own) = &person.me.branches {
            branches.retain(|branch| own.contains(&branch.branch));
        }
        let language = person.language;
        let parts = [
            (Part::Desk, "/desk", Say::NavDesk, person.has_desk()),
            (Part::Elsewhere, "/elsewhere", Say::NavElsewhere, person.has_desk()),
            (Part::Feedback, "/feedback", Say::NavFeedback, !person.is(&["system"]) && !person.is(&["clinician"])),
            (Part::Network, "/network", Say::NavNetwork, person.is(&["network_manager", "analyst"])),
            (Part::Regulator, "/regulator", Say::NavRegulator, person.is(&["regulator", "network_manager"])),
        ];
        let ways = parts.into_iter().filter(|(.., may)| *may).map(|(of, href, word, _)| Way {
            href: href.to_owned(),
            word: word.word(language),
            current: part == Some(of),
        });
        Ok(Self {
            language,
            title: title.into(),
            who: Some(person.me.label.clone()),
            ways: ways.collect(),
            finds: person.has_desk(),
            done: done(&person.here).map(|done| done.word(language)),
            here: person.here.clone(),
            all,
            branches,
        })
    }

    /// Around a page for anybody.
    pub(crate) fn open(language: Language, title: impl Into<String>, here: &str) -> Self {
        Self {
            language,
            title: title.into(),
            who: None,
            ways: Vec::new(),
            finds: false,
            done: None,
            here: here.to_owned(),
            all: Vec::new(),
            branches: Vec::new(),
        }
    }

    /// A branch by its code.
    pub(crate) fn branch(&self, code: &str) -> Option<&Branch> {
        self.all.iter().find(|branch| branch.branch == code)
    }

    /// What a branch is called; its code, where there is none.
    pub(crate) fn name_of(&self, code: &str) -> String {
        self.branch(code).map_or_else(|| code.to_owned(), |branch| branch.name.clone())
    }

    pub(crate) fn say(&self, what: Say) -> &'static str {
        what.word(self.language)
    }

    /// A word of a page's own list.
    pub(crate) fn told(&self, what: impl Word) -> &'static str {
        what.word(self.language)
    }

    pub(crate) fn tag(&self) -> &'static str {
        self.language.tag()
    }

    pub(crate) fn other(&self) -> Language {
        match self.language {
            Language::English => Language::Russian,
            Language::Russian => Language::English,
        }
    }

    pub(crate) fn style(&self) -> &'static str {
        assets::style()
    }

    pub(crate) fn script(&self) -> &'static str {
        assets::script()
    }

    pub(crate) fn icon(&self) -> &'static str {
        assets::icon()
    }
}

/// The branches of the network.
pub(crate) async fn branches(person: &Person) -> Result<Vec<Branch>, Failure> {
    Ok(person.get::<Branches>("/v1/branches").await?.branches)
}

/// What has just been done, by the `done` of the page's query.
fn done(here: &str) -> Option<Say> {
    let query = here.split_once('?')?.1;
    let code = query.split('&').find_map(|pair| pair.strip_prefix("done="))?;
    Some(match code {
        "announced" => Say::DoneAnnounced,
        "consent" => Say::DoneConsent,
        "withdrawn" => Say::DoneWithdrawn,
        "left-alone" => Say::DoneLeftAlone,
        "reachable" => Say::DoneReachable,
        "request" => Say::DoneRequest,
        "contact" => Say::DoneContact,
        "released" => Say::DoneReleased,
        "ended-already" => Say::EndedAlready,
        "permitted" => Say::DonePermitted,
        "refused" => Say::DoneRefused,
        "registered" => Say::DoneRegistered,
        "referral" => Say::DoneReferral,
        "arranged" => Say::DoneArranged,
        "closed" => Say::DoneClosed,
        "departed" => Say::DoneDeparted,
        "feedback" => Say::DoneFeedback,
        "completed" => Say::DoneCompleted,
        "missed" => Say::DoneMissed,
        "cancelled" => Say::DoneCancelled,
        "booked" => Say::DoneBooked,
        _ => return None,
    })
}
