//! The letters of a book: bytes to text by the encoding that the mapping states, and what gives away that it states the wrong one.
//!
//! It never guesses: a file in another encoding than stated is refused, with the setting that fits.

use std::borrow::Cow;
use std::str::FromStr;

/// An encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// Windows-1251, as older programs for Cyrillic write.
    Windows1251,
}

impl FromStr for Encoding {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" => Ok(Self::Utf8),
            "windows-1251" | "cp1251" => Ok(Self::Windows1251),
            _ => Err(format!("`{word}` is not an encoding; write `utf-8` or `windows-1251`, or save the file as UTF-8")),
        }
    }
}

/// Why bytes are no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// One place is damaged.
    Byte {
        /// Its number, from 1.
        at: usize,
        /// What stands there.
        byte: u8,
    },
    /// The whole file is in another encoding than the mapping says; the way out.
    File(&'static str),
}

const IS_1251: &str =
    "it looks like Windows-1251: write `encoding = \"windows-1251\"` into the mapping, or save the file as UTF-8";
/// What is said of UTF-8 that is called something else.
pub(super) const IS_UTF8: &str = "it is UTF-8, but the mapping says `encoding = \"windows-1251\"`; take that line out";

impl Encoding {
    /// The text of a field.
    ///
    /// # Errors
    /// [`Wrong`]: it is no text in this encoding.
    pub(super) fn text(self, bytes: &[u8]) -> Result<Cow<'_, str>, Wrong> {
        if bytes.is_ascii() {
            return Ok(String::from_utf8_lossy(bytes));
        }
        let utf8 = std::str::from_utf8(bytes);
        match (self, utf8) {
            (Self::Utf8, Ok(text)) => Ok(Cow::Borrowed(text)),
            (Self::Utf8, Err(_)) if is_cyrillic(bytes) => Err(Wrong::File(IS_1251)),
            (Self::Utf8, Err(error)) => {
                let at = error.valid_up_to();
                Err(Wrong::Byte { at: at + 1, byte: bytes.get(at).copied().unwrap_or_default() })
            }
            // One such letter may be chance; two in a row that are all of them whole in UTF-8 are none.
            (Self::Windows1251, Ok(text)) if text.chars().filter(|c| !c.is_ascii()).count() >= 2 => Err(Wrong::File(IS_UTF8)),
            (Self::Windows1251, _) => match bytes.iter().position(|byte| *byte == 0x98) {
                Some(at) => Err(Wrong::Byte { at: at + 1, byte: 0x98 }),
                None => Ok(encoding_rs::WINDOWS_1251.decode_without_bom_handling(bytes).0),
            },
        }
    }

    /// The name by which a message calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Windows1251 => "Windows-1251",
        }
    }
}

/// Whether it reads as Cyrillic in Windows-1251: three of its letters in a row. Fewer are what a damaged byte
/// looks like, or `ÇÃO` in a Western encoding.
fn is_cyrillic(bytes: &[u8]) -> bool {
    let letter = |byte: &u8| *byte >= 0xc0 || matches!(byte, 0xa8 | 0xb8);
    bytes.windows(3).any(|three| three.iter().all(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IVANOVA: &[u8] = b"\xc8\xe2\xe0\xed\xee\xe2\xe0 \xb9 5";

    #[test]
    fn windows_1251_is_read_and_utf_8_that_is_called_so_is_noticed() {
        assert_eq!(Encoding::Windows1251.text(IVANOVA).unwrap(), "Иванова № 5");
        assert_eq!(Encoding::Windows1251.text("Иванова".as_bytes()), Err(Wrong::File(IS_UTF8)));
        assert_eq!(Encoding::Windows1251.text(b"plain").unwrap(), "plain");
        assert_eq!(Encoding::Windows1251.text(b"a\x98"), Err(Wrong::Byte { at: 2, byte: 0x98 }));
        // Two bytes that happen to be one letter in UTF-8.
        assert_eq!(Encoding::Windows1251.text(b"25 \xd0\xb0").unwrap(), "25 Р°");
    }

    #[test]
    fn utf_8_is_read_and_windows_1251_that_is_called_so_is_noticed() {
        assert_eq!(Encoding::Utf8.text("Иванова".as_bytes()).unwrap(), "Иванова");
        assert_eq!(Encoding::Utf8.text(IVANOVA), Err(Wrong::File(IS_1251)));
        assert_eq!(Encoding::Utf8.text(b"SAO JOS\xc9"), Err(Wrong::Byte { at: 8, byte: 0xc9 }));
    }
}
