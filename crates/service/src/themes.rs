//! The themes of feedback that staff tick, with their names: the list that ships, or a network's own.
//!
//! Codes stand in events for good. A code that a list drops stays readable there, and is only no longer taken.

use std::path::Path;

use serde::Serialize;
use tact_domain::toml_text::{self, Mistake, Reader};
use tact_domain::{Theme, nearest_word};
use utoipa::ToSchema;

use crate::problem::Problem;

/// The list that ships.
const SHIPPED: &str = include_str!("../../../themes/default.toml");

/// The most themes that a list may have: nobody ticks among more.
const MOST: usize = 100;

/// A theme.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = FeedbackTheme)]
pub struct Named {
    /// Its code, as feedback names it.
    #[schema(value_type = String, example = "explanations")]
    pub code: Theme,
    /// Its name in Russian.
    #[schema(example = "Объяснения")]
    pub ru: String,
    /// Its name in English.
    #[schema(example = "Explanations")]
    pub en: String,
}

/// The themes, in the order of their list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Themes(Vec<Named>);

impl Themes {
    /// The list that ships.
    ///
    /// # Panics
    /// If it is not one, which a test would have told.
    pub fn shipped() -> Self {
        Self::parse(SHIPPED.as_bytes()).unwrap_or_else(|mistakes| panic!("themes/default.toml: {mistakes:?}"))
    }

    /// A network's own list, or the one that ships.
    ///
    /// # Errors
    /// A file that cannot be read, or every mistake in it.
    pub fn read(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else { return Ok(Self::shipped()) };
        let bytes = std::fs::read(path).map_err(|error| format!("`themes_file`: {} cannot be read: {error}", path.display()))?;
        Self::parse(&bytes).map_err(|mistakes| {
            let mistakes: Vec<String> = mistakes.iter().map(|mistake| format!("{}: {mistake}", path.display())).collect();
            format!("the list of themes cannot be used\n{}", mistakes.join("\n"))
        })
    }

    /// Reads a list.
    ///
    /// # Errors
    /// Every mistake found, in the order of the text.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<Mistake>> {
        let text = toml_text::utf8(bytes).map_err(|mistake| vec![mistake])?;
        let (mut reader, document) = Reader::new(text.strip_prefix('\u{feff}').unwrap_or(text));
        let root = reader.document(&document, &["theme"]);
        let mut themes: Vec<Named> = Vec::new();
        let list = root.required(&mut reader, "theme").and_then(|value| reader.list(value, "theme")).unwrap_or_default();
        for item in list {
            let Some(table) = reader.table(item, "theme", &["code", "names"]) else { continue };
            let code: Option<Theme> = table.required(&mut reader, "code").and_then(|value| reader.parsed(value, "code"));
            let names = table.required(&mut reader, "names").and_then(|value| reader.table(value, "names", &["ru", "en"]));
            let mut name = |language: &str| {
                let value = names?.required(&mut reader, language)?;
                let name = reader.string(value, language)?.trim();
                if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
                    reader.mistake(value.span().start, format!("`{language}` has 1 to 100 characters on one line"));
                    return None;
                }
                Some(name.to_owned())
            };
            let (ru, en) = (name("ru"), name("en"));
            let (Some(code), Some(ru), Some(en)) = (code, ru, en) else { continue };
            if themes.iter().any(|theme| theme.code == code) {
                reader.mistake(table.key_at("code"), format!("`{code}` stands here twice"));
            }
            themes.push(Named { code, ru, en });
        }
        if reader.is_clean() && !(1..=MOST).contains(&themes.len()) {
            reader.mistake(0, format!("it has {} themes; write 1 to {MOST}", themes.len()));
        }
        if reader.is_clean() { Ok(Self(themes)) } else { Err(reader.into_mistakes()) }
    }

    /// All of them.
    pub fn all(&self) -> &[Named] {
        &self.0
    }

    /// Whether these are themes of the list.
    ///
    /// # Errors
    /// A problem that names the field, the first that is not, and the nearest.
    pub fn known(&self, field: &'static str, themes: &[Theme]) -> Result<(), Problem> {
        let Some(other) = themes.iter().find(|theme| self.0.iter().all(|known| known.code != **theme)) else { return Ok(()) };
        let near = nearest_word(other.as_str(), self.0.iter().map(|known| known.code.as_str()));
        let hint =
            near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_else(|| "; GET /v1/themes lists them".to_owned());
        Err(Problem::field(field, format!("`{other}` is not a theme of this network{hint}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_that_ships_is_one() {
        let themes = Themes::shipped();
        assert!(themes.all().len() >= 20);
        assert!(themes.known("strengths", &["explanations".parse().unwrap(), "waiting_time".parse().unwrap()]).is_ok());
        let refused = themes.known("weaknesses", &["waiting_tine".parse().unwrap()]).unwrap_err();
        assert_eq!(refused.status(), 422);
    }

    #[test]
    fn every_mistake_in_a_list_is_named() {
        let text = "[[theme]]\ncode = \"a\"\nnames = { ru = \"А\", en = \"A\" }\n[[theme]]\ncode = \"a\"\nnames = { ru = \" \", en = \"B\" }\n\
            [[theme]]\ncode = \"a\"\nnames = { ru = \"А\", en = \"A\" }\n[[theme]]\ncod = \"c\"\n";
        let mistakes: Vec<String> = Themes::parse(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(mistakes.iter().any(|m| m.starts_with("line 6") && m.contains("`ru`")), "{mistakes:?}");
        assert!(mistakes.iter().any(|m| m.starts_with("line 8") && m.contains("twice")), "{mistakes:?}");
        assert!(mistakes.iter().any(|m| m.contains("did you mean `code`")), "{mistakes:?}");
        assert!(Themes::parse(b"").is_err() && Themes::parse(b"theme = []").is_err());
    }
}
