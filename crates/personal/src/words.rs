//! People found by the beginning of any word of their name or mail address, or by any run of digits of their number, by an index and not by
//! reading everybody.
//!
//! The words are personal data themselves: they go with the person (`erasure.rs`) and never leave this store.

use std::collections::BTreeSet;

use tact_database::{DbError, Tx, all, bulk, run_in, table};
use uuid::Uuid;

use crate::{Details, Person, Personal};

/// The fewest letters or digits by which anybody is looked for: fewer would find half the town.
pub const FEWEST: usize = 3;

/// The longest part of a word that counts, in characters.
const LONGEST: usize = 64;

/// A national number has so many digits where prefixes of countries differ in writing: 8 and +7 are one.
const NATIONAL: usize = 10;

table! {
    /// A word by which a person is found.
    pub(crate) struct WordRow = "search_words" key(word, patient) {
        /// In small letters, without marks that people leave out.
        word: String,
        /// Who.
        patient: Uuid,
    }
}

const FORGET: &str = "DELETE FROM search_words WHERE patient = $1";
const FIND: &str = "SELECT DISTINCT a.patient FROM search_words a WHERE a.word >= $1 AND a.word < $2 AND a.patient > $7
    AND EXISTS (SELECT 1 FROM search_words b WHERE b.patient = a.patient AND b.word >= $3 AND b.word < $4)
    AND EXISTS (SELECT 1 FROM search_words c WHERE c.patient = a.patient AND c.word >= $5 AND c.word < $6)
    ORDER BY a.patient LIMIT $8";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[FORGET, FIND];

/// Forgets by which words a person is found.
pub(crate) async fn forget(tx: &mut Tx, patient: Uuid) -> Result<(), DbError> {
    run_in!(tx, FORGET, patient)?;
    Ok(())
}

/// Makes the words of people whose old ones are forgotten. Their rows in `people` must be held by this transaction.
pub(crate) async fn make<'p>(tx: &mut Tx, people: impl Iterator<Item = (Uuid, &'p Details)>) -> Result<(), DbError> {
    let rows = people.flat_map(|(patient, details)| words(details).into_iter().map(move |word| WordRow { word, patient }));
    bulk::write(tx, rows.collect(), bulk::OnConflict::Fail).await
}

/// What a search for people asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought([String; 3]);

impl Sought {
    /// Reads what was typed; `None` if none of it is a word of at least [`FEWEST`] letters or digits. Of more than three words the longest count.
    pub fn read(text: &str) -> Option<Self> {
        let is_number = text.chars().all(|c| c.is_ascii_digit() || c.is_whitespace() || "+-().".contains(c));
        let mut sought: Vec<String> = if is_number { vec![national(&digits(text)).to_owned()] } else { split(text).collect() };
        sought.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
        let last = sought.iter().take(3).next_back()?.clone();
        if sought[0].chars().count() < FEWEST {
            return None;
        }
        sought.resize(3, last);
        let [one, two, three] = <[String; 3]>::try_from(sought).ok()?;
        Some(Self([one, two, three]))
    }
}

impl Personal {
    /// People with words that begin as all of what is sought does, those behind `after`, at most `limit` of them, by id.
    ///
    /// # Errors
    /// Whatever keeps the database from it.
    pub async fn find(&self, sought: &Sought, after: Uuid, limit: u32) -> Result<Vec<Person>, DbError> {
        let Sought([one, two, three]) = sought;
        let behind = |word: &str| format!("{word}{}", char::MAX);
        let (one_end, two_end, three_end) = (behind(one), behind(two), behind(three));
        let found: Vec<(Uuid,)> = all!(&self.db, FIND, one, &one_end, two, &two_end, three, &three_end, after, i64::from(limit))?;
        let ids: Vec<Uuid> = found.into_iter().map(|(patient,)| patient).collect();
        let mut people = self.people(&ids).await?;
        people.sort_unstable_by_key(|person| person.patient);
        Ok(people)
    }
}

/// The words by which somebody is found.
fn words(details: &Details) -> BTreeSet<String> {
    let texts = details.name.iter().chain(&details.email);
    let number = digits(details.phone.as_deref().unwrap_or_default());
    let runs = (0..number.len().saturating_sub(FEWEST - 1)).map(|from| number[from..].to_owned());
    texts.flat_map(|text| split(text)).chain(runs).map(|word| word.chars().take(LONGEST).collect()).collect()
}

/// The words of a text in one form: small letters, ё as е.
fn split(text: &str) -> impl Iterator<Item = String> + use<> {
    let small: String = text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ё' { 'е' } else { c }).collect();
    let words: Vec<String> =
        small.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.into_iter()
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A whole number without its country's code.
fn national(digits: &str) -> &str {
    if digits.len() > NATIONAL { &digits[digits.len() - NATIONAL..] } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(name: &str, phone: &str) -> Details {
        Details { name: Some(name.to_owned()), phone: Some(phone.to_owned()), ..Details::default() }
    }

    #[test]
    fn whoever_is_known_is_found_by_every_beginning_and_every_run() {
        let known = words(&details("Ёлкина-Смирнова Анна", "+7 (912) 000-45-67"));
        for sought in
            ["елк", "ЁЛКИНА", "смир", "анна Елк", "Анна", "912", "4567", "000 45", "+7 912 000-45-67", "8 912 000 45 67"]
        {
            let Sought(all) = Sought::read(sought).unwrap();
            for word in all {
                assert!(known.iter().any(|known| known.starts_with(&word)), "{sought}: {word}");
            }
        }
        let Sought(other) = Sought::read("нна").unwrap();
        assert!(!known.iter().any(|known| known.starts_with(&other[0])), "the middle of a word is none of its beginnings");
    }

    #[test]
    fn too_little_finds_nobody() {
        for little in ["", "  ", "ан", "12", "+7", "а б в", "--"] {
            assert_eq!(Sought::read(little), None, "{little}");
        }
        assert_eq!(Sought::read("Анна Б"), Some(Sought(["анна".to_owned(), "б".to_owned(), "б".to_owned()])));
    }
}
