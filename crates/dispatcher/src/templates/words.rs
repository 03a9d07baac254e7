//! Words that give away what a text is: an advertisement, or a diagnosis or specialty. The lists are a file, to which a network adds its own.

use tact_domain::toml_text::{Mistake, Reader};

/// The list that ships.
const SHIPPED: &str = include_str!("../../../../templates/words.toml");

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// As it is written.
    shown: String,
    /// Its words in small letters; of the last, only the beginning counts where `open`.
    words: Vec<String>,
    open: bool,
}

/// The lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    promotional: Vec<Entry>,
    medical: Vec<Entry>,
}

/// The letters of a text as they are compared: small, with ё as е.
fn plain(text: &str) -> String {
    text.to_lowercase().replace('ё', "е")
}

/// The words of a text; a sign such as % is one of its own.
fn words_of(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut inside = false;
    for c in plain(text).chars() {
        if c.is_alphanumeric() {
            match words.last_mut().filter(|_| inside) {
                Some(word) => word.push(c),
                None => words.push(c.to_string()),
            }
            inside = true;
        } else {
            inside = false;
            if matches!(c, '%' | '₽' | '$' | '€' | '£') {
                words.push(c.to_string());
            }
        }
    }
    words
}

impl Entry {
    fn read(text: &str) -> Option<Self> {
        let (stem, open) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
        let words = words_of(stem);
        (!words.is_empty() && !stem.contains('*')).then(|| Self { shown: text.to_owned(), words, open })
    }

    fn is_in(&self, text: &[String]) -> bool {
        let last = self.words.len() - 1;
        text.windows(self.words.len()).any(|window| {
            let same = window[..last] == self.words[..last];
            same && if self.open { window[last].starts_with(&self.words[last]) } else { window[last] == self.words[last] }
        })
    }
}

impl Words {
    /// The lists that ship with Tact.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn shipped() -> Self {
        Self::default().and(SHIPPED).expect("the lists that ship can be read")
    }

    /// These lists and those of a text: `promotional` and `medical`, each a list of words or phrases. `*` at the end stands for any ending.
    ///
    /// # Errors
    /// Every mistake, with its place.
    pub fn and(mut self, text: &str) -> Result<Self, Vec<Mistake>> {
        let (mut reader, document) = Reader::new(text);
        let table = reader.document(&document, &["promotional", "medical"]);
        for (key, list) in [("promotional", &mut self.promotional), ("medical", &mut self.medical)] {
            let Some(value) = table.get(key) else { continue };
            for item in reader.list(value, key).unwrap_or_default() {
                let Some(text) = reader.string(item, key) else { continue };
                match Entry::read(text) {
                    Some(entry) => list.push(entry),
                    None => reader.mistake(
                        item.span().start,
                        format!("`{text}` is no word; write a word or phrase, with `*` at its end for any ending"),
                    ),
                }
            }
        }
        if reader.is_clean() { Ok(self) } else { Err(reader.into_mistakes()) }
    }

    /// The promotional entries that a text holds.
    pub fn promotional(&self, text: &str) -> Vec<&str> {
        found(&self.promotional, text)
    }

    /// The entries about diagnoses and specialties that a text holds.
    pub fn medical(&self, text: &str) -> Vec<&str> {
        found(&self.medical, text)
    }
}

fn found<'w>(list: &'w [Entry], text: &str) -> Vec<&'w str> {
    let words = words_of(text);
    list.iter().filter(|entry| entry.is_in(&words)).map(|entry| entry.shown.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_by_their_beginnings_in_both_languages() {
        let words = Words::shipped();
        for (text, entries) in [
            ("Только сегодня СКИДКА 20%", vec!["%", "скидк*", "только сегодня"]),
            ("Ждём вас в центре на Ленина", vec![]),
            ("Приём по спеццене", vec!["спеццен*"]),
            ("A special offer for you", vec!["offer*"]),
            ("Feel free to call us", vec![]),
            ("The check-up is free of charge", vec!["free of charge"]),
        ] {
            assert_eq!(words.promotional(text), entries, "{text}");
        }
        for text in
            ["онкодиспансер", "Психиатрия", "Вич", "анализ на ВИЧ готов", "oncology unit", "Your HIV test", "к гинекологу"]
        {
            assert!(!words.medical(text).is_empty(), "{text}");
        }
        for text in ["Перезвоните нам, пожалуйста", "Please call us back", "В клинике вас ждут"]
        {
            assert_eq!(words.medical(text), Vec::<&str>::new(), "{text}");
        }
    }

    #[test]
    fn a_network_adds_its_own() {
        let words = Words::shipped().and("medical = [\"белая роза\"]\n").unwrap();
        assert_eq!(words.medical("Отделение «Белая роза» ждёт"), ["белая роза"]);
        let mistakes = Words::default().and("promotional = [\"*\", 7]\nmedicla = []").unwrap_err();
        assert_eq!(mistakes.len(), 3, "{mistakes:?}");
    }
}
