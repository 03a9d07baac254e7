//! Whether two records may be of one person: by name in any script, telephone number and date of birth, with the evidence in words that
//! hold nothing personal. Pure: it reads what it is given and knows no database.
//!
//! It must never decide: what comes out is put before a person. The points, the threshold and what each kind of evidence means are
//! written down in docs/DUPLICATES.md; a test holds the two together.

use chrono::{Datelike, NaiveDate};
use sha2::{Digest, Sha256};

mod fold;
mod name;

use name::{Name, Names, is_patronymic};

/// The version of the keys: whatever changes what [`keys`] answers raises it, and keys of older versions are made anew.
pub const VERSION: i64 = 1;

/// How a word sounds, whatever script and rules it was written by: for comparing, never to be shown.
pub fn skeleton(word: &str) -> String {
    fold::fold(word)
}

/// From so many points on, a pair is likely to be one person.
pub const LIKELY: u32 = 60;

/// From so many points on, it is very likely.
pub const VERY_LIKELY: u32 = 90;

/// What is known of a person, as far as it matters here.
#[derive(Clone, Default)]
pub struct Known {
    name: Name,
    number: Option<String>,
    born: Option<NaiveDate>,
}

impl std::fmt::Debug for Known {
    /// Says nothing of what is known: this text may end up in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

impl Known {
    /// From a name and a date of birth (`YYYY-MM-DD`) as they were written down, and a telephone number in a form that is the same for every
    /// spelling, such as its fingerprint. What cannot be read is not known.
    pub fn new(name: Option<&str>, number: Option<&str>, birth_date: Option<&str>) -> Self {
        Self {
            name: name.map(Name::read).unwrap_or_default(),
            number: number.map(str::to_owned),
            born: birth_date.and_then(|day| day.parse().ok()),
        }
    }

    /// Whether the number is known on both sides and the same.
    pub fn shares_number(&self, other: &Self) -> bool {
        self.number.is_some() && self.number == other.number
    }
}

/// What a key was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// The telephone number.
    Number,
    /// The date of birth and one word of the name.
    Birth,
    /// All words of the name.
    Name,
}

impl KeyKind {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Birth => "birth",
            Self::Name => "name",
        }
    }
}

/// Under which keys a person is looked up: only those who share one are compared. A key is a part of a hash and says nothing by itself;
/// whoever holds many can guess what it was made of, so it is kept and erased like the details themselves.
pub fn keys(known: &Known) -> Vec<(KeyKind, i64)> {
    let mut keys = Vec::new();
    let mut add = |kind: KeyKind, parts: &[&str]| {
        let mut hash = Sha256::new_with_prefix(kind.as_str());
        parts.iter().for_each(|part| hash.update([b"\0", part.as_bytes()].concat()));
        let bytes: [u8; 32] = hash.finalize().into();
        let key = (kind, i64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]]));
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    if let Some(number) = &known.number {
        add(KeyKind::Number, &[number]);
    }
    let whole: Vec<&str> = known.name.whole_words().collect();
    if let Some(born) = known.born {
        let day = born.to_string();
        // A father's name beside other words finds nobody whom they do not find.
        let words = whole.iter().filter(|word| whole.len() < 3 || !is_patronymic(word));
        words.for_each(|word| add(KeyKind::Birth, &[&day, word]));
        if whole.len() >= 2 {
            add(KeyKind::Name, &[&whole.join(" ")]);
        }
    }
    keys
}

/// A piece of evidence, for or against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// All words of both names are the same, three or more.
    NameSameInFull,
    /// All words of the shorter name are in the other.
    NameSame,
    /// The same but for one letter or the ending of a surname.
    NameNear,
    /// Initials fit.
    NameInitials,
    /// Another surname, all else the same.
    NameOtherSurname,
    /// Some words are the same, some contradict each other.
    NamePart,
    /// Another name.
    NameDifferent,
    /// The same telephone number.
    NumberSame,
    /// The same date of birth.
    BirthDateSame,
    /// Day and month are exchanged.
    BirthDateSwapped,
    /// One digit of the date of birth differs, or two neighbours are exchanged.
    BirthDateNear,
    /// Another date of birth.
    BirthDateDifferent,
    /// Both have an id in one other system, and not the same.
    ExternalIdsDiffer,
}

impl Evidence {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::NameSameInFull,
        Self::NameSame,
        Self::NameNear,
        Self::NameInitials,
        Self::NameOtherSurname,
        Self::NamePart,
        Self::NameDifferent,
        Self::NumberSame,
        Self::BirthDateSame,
        Self::BirthDateSwapped,
        Self::BirthDateNear,
        Self::BirthDateDifferent,
        Self::ExternalIdsDiffer,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameSameInFull => "name_same_in_full",
            Self::NameSame => "name_same",
            Self::NameNear => "name_near",
            Self::NameInitials => "name_initials",
            Self::NameOtherSurname => "name_other_surname",
            Self::NamePart => "name_part",
            Self::NameDifferent => "name_different",
            Self::NumberSame => "number_same",
            Self::BirthDateSame => "birth_date_same",
            Self::BirthDateSwapped => "birth_date_swapped",
            Self::BirthDateNear => "birth_date_near",
            Self::BirthDateDifferent => "birth_date_different",
            Self::ExternalIdsDiffer => "external_ids_differ",
        }
    }

    /// The points that it adds or takes.
    pub const fn points(self) -> i32 {
        match self {
            Self::NameSameInFull => 45,
            Self::NameSame => 40,
            Self::NameNear => 25,
            Self::NameInitials | Self::NameOtherSurname => 20,
            Self::NamePart => -30,
            Self::NameDifferent | Self::BirthDateDifferent => -60,
            Self::NumberSame => 30,
            Self::BirthDateSame => 35,
            Self::BirthDateSwapped => 20,
            Self::BirthDateNear => 15,
            Self::ExternalIdsDiffer => -40,
        }
    }
}

/// How alike two people are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Likeness {
    /// 0 to 100.
    pub score: u32,
    /// What speaks for it and against it.
    pub evidence: Vec<Evidence>,
}

impl Likeness {
    /// Whether it is to be put before somebody.
    pub fn is_likely(&self) -> bool {
        self.score >= LIKELY
    }
}

/// Compares two people. `number_counts`: whether a number that both have says anything; one that half the town has does not. `ids_differ`:
/// whether both have an id in one other system, and not the same.
pub fn compare(one: &Known, other: &Known, number_counts: bool, ids_differ: bool) -> Likeness {
    let name = match one.name.compare(&other.name) {
        Names::Unknown => None,
        Names::SameInFull => Some(Evidence::NameSameInFull),
        Names::Same => Some(Evidence::NameSame),
        Names::Near => Some(Evidence::NameNear),
        Names::Initials => Some(Evidence::NameInitials),
        Names::OtherSurname => Some(Evidence::NameOtherSurname),
        Names::Part => Some(Evidence::NamePart),
        Names::Different => Some(Evidence::NameDifferent),
    };
    let number = (number_counts && one.shares_number(other)).then_some(Evidence::NumberSame);
    let born = one.born.zip(other.born).map(|(a, b)| born(a, b));
    let ids = ids_differ.then_some(Evidence::ExternalIdsDiffer);
    let evidence: Vec<Evidence> = [name, number, born, ids].into_iter().flatten().collect();
    let score: i32 = evidence.iter().map(|evidence| evidence.points()).sum();
    Likeness { score: score.clamp(0, 100).unsigned_abs(), evidence }
}

fn born(a: NaiveDate, b: NaiveDate) -> Evidence {
    if a == b {
        return Evidence::BirthDateSame;
    }
    if (a.year(), a.month(), a.day()) == (b.year(), b.day(), b.month()) {
        return Evidence::BirthDateSwapped;
    }
    let (a, b) = (a.format("%Y%m%d").to_string(), b.format("%Y%m%d").to_string());
    // Only digits in one place: two exchanged neighbours are one slip as well.
    if strsim::hamming(&a, &b) == Ok(1) || strsim::osa_distance(&a, &b) == 1 {
        return Evidence::BirthDateNear;
    }
    Evidence::BirthDateDifferent
}

#[cfg(test)]
mod tests;
