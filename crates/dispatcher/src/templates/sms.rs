//! How long a text message is: in how many parts it is sent and paid, by 3GPP TS 23.038 (the alphabets) and TS 23.040 (the header of a part).
//!
//! It must never say fewer parts than a network sends.

use std::fmt;

/// The characters of the GSM 7-bit default alphabet that take one septet each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those of its extension table: an escape and the character, two septets.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet in which a text goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// Seven bits a character; 160 in one part, 153 in each of several.
    Gsm,
    /// Sixteen bits, as UTF-16 has them; 70 in one part, 67 in each of several. One character outside the GSM alphabet makes it so for all.
    Ucs2,
}

/// A text's length as a network counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// In which alphabet it goes out.
    pub alphabet: Alphabet,
    /// Septets or units of 16 bits.
    pub units: usize,
    /// Messages that it takes; an empty text takes one.
    pub parts: usize,
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alphabet = match self.alphabet {
            Alphabet::Gsm => "GSM",
            Alphabet::Ucs2 => "UCS-2",
        };
        write!(f, "{} {alphabet} characters, {} part{}", self.units, self.parts, if self.parts == 1 { "" } else { "s" })
    }
}

/// Measures a text.
pub fn length(text: &str) -> Length {
    let septets = |c: char| if BASIC.contains(c) { Some(1) } else { EXTENSION.contains(c).then_some(2) };
    let widths: Option<Vec<usize>> = text.chars().map(septets).collect();
    let (alphabet, widths, whole, part) = match widths {
        Some(widths) => (Alphabet::Gsm, widths, 160, 153),
        None => (Alphabet::Ucs2, text.chars().map(char::len_utf16).collect(), 70, 67),
    };
    let units = widths.iter().sum();
    if units <= whole {
        return Length { alphabet, units, parts: 1 };
    }
    // What takes two is never cut in two: it goes into the next part.
    let (mut parts, mut room) = (1, part);
    for width in widths {
        if width > room {
            parts += 1;
            room = part;
        }
        room -= width;
    }
    Length { alphabet, units, parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_as_networks_do() {
        let cases = [
            (String::new(), Alphabet::Gsm, 0, 1),
            ("a".repeat(160), Alphabet::Gsm, 160, 1),
            ("a".repeat(161), Alphabet::Gsm, 161, 2),
            ("a".repeat(306), Alphabet::Gsm, 306, 2),
            ("a".repeat(307), Alphabet::Gsm, 307, 3),
            ("€".repeat(80), Alphabet::Gsm, 160, 1),
            ("€".repeat(81), Alphabet::Gsm, 162, 2),
            // The second half of a € does not fit into the first part, so 76 of them do.
            ("€".repeat(153), Alphabet::Gsm, 306, 3),
            ("ж".repeat(70), Alphabet::Ucs2, 70, 1),
            ("ж".repeat(71), Alphabet::Ucs2, 71, 2),
            ("ж".repeat(134), Alphabet::Ucs2, 134, 2),
            ("ж".repeat(135), Alphabet::Ucs2, 135, 3),
            ("😀".repeat(35), Alphabet::Ucs2, 70, 1),
            // 33 pairs in a part of 67.
            ("😀".repeat(66), Alphabet::Ucs2, 132, 2),
            ("😀".repeat(67), Alphabet::Ucs2, 134, 3),
            // One Cyrillic letter, and the whole is UCS-2.
            (format!("{}ж", "a".repeat(70)), Alphabet::Ucs2, 71, 2),
        ];
        for (text, alphabet, units, parts) in cases {
            let start: String = text.chars().take(3).collect();
            assert_eq!(length(&text), Length { alphabet, units, parts }, "{start}.. of {}", text.chars().count());
        }
        assert_eq!(BASIC.chars().count(), 127, "the alphabet has 128 places, one of them the escape");
    }
}
