//! Whether a text of the directory has what somebody types: the beginnings of its words, in any case, and in Cyrillic or Latin alike.

/// What was typed, word by word, as it stands and as it sounds.
pub(crate) struct Sought(Vec<(String, String)>);

impl Sought {
    /// `None` if there is no word in it.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let words: Vec<_> =
            split(text).map(|word| (tact_likeness::skeleton(&word), word)).map(|(sound, word)| (word, sound)).collect();
        (!words.is_empty()).then_some(Self(words))
    }

    /// Whether every word of it begins a word of one of the texts.
    pub(crate) fn is_in<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> bool {
        let words: Vec<(String, String)> = texts
            .into_iter()
            .flat_map(split)
            .map(|word| (tact_likeness::skeleton(&word), word))
            .map(|(sound, word)| (word, sound))
            .collect();
        let sounds = |sound: &str, of: &str| sound.chars().count() >= 3 && of.starts_with(sound);
        self.0
            .iter()
            .all(|(word, sound)| words.iter().any(|(of, of_sound)| of.starts_with(word.as_str()) || sounds(sound, of_sound)))
    }
}

/// The words of a text in small letters, ё as е.
fn split(text: &str) -> impl Iterator<Item = String> + use<> {
    let small: String = text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ё' { 'е' } else { c }).collect();
    let words: Vec<String> =
        small.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use super::Sought;

    #[test]
    fn beginnings_of_words_are_found_in_either_script() {
        let texts = ["Городская больница № 2", "634050, Томск, пр. Ленина, 1"];
        let found = |sought: &str| Sought::read(sought).unwrap().is_in(texts);
        for good in ["Томск", "томс", "Tomsk", "TOMSK ленина", "634050", "6340", "больница томск", "Bolnitsa"]
        {
            assert!(found(good), "{good}");
        }
        for other in ["омск", "Omsk", "340", "Томск Мира"] {
            assert!(!found(other), "{other}");
        }
        assert!(Sought::read(" ,. ").is_none());
    }
}
