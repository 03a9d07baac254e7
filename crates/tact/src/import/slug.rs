//! A branch's code from its name: small letters, digits and `-`, accents folded. Names that cannot be folded get no code; they are never guessed at.

use tact_domain::Branch;

/// The code for a name such as `JOANA D´ARC`: `joana-d-arc`. `None` if nothing of the name is left, or too much.
pub(super) fn code(name: &str) -> Option<Branch> {
    let mut code = String::with_capacity(name.len());
    for c in name.chars() {
        match fold(c) {
            Some(folded) => code.push_str(folded),
            None if c.is_ascii_alphanumeric() => code.push(c.to_ascii_lowercase()),
            // A letter of a script that is not folded here: leaving it out would make two names one.
            None if c.is_alphanumeric() => return None,
            None if code.is_empty() || code.ends_with('-') => {}
            None => code.push('-'),
        }
    }
    code.trim_end_matches('-').parse().ok()
}

/// The letters of Europe's Latin alphabets, and Cyrillic as passports spell it (ICAO 9303).
fn fold(c: char) -> Option<&'static str> {
    let lower = c.to_lowercase().next().unwrap_or(c);
    Some(match lower {
        'á' | 'à' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ä' | 'æ' => "ae",
        'ç' | 'ć' | 'č' | 'ċ' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'é' | 'è' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' | 'ģ' => "g",
        'í' | 'ì' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ķ' => "k",
        'ł' | 'ļ' | 'ľ' | 'ĺ' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ó' | 'ò' | 'ô' | 'õ' | 'ō' | 'ő' => "o",
        'ö' | 'ø' | 'œ' => "oe",
        'ř' | 'ŕ' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' => "t",
        'þ' => "th",
        'ú' | 'ù' | 'û' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ü' => "ue",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        'а' | 'ә' => "a",
        'б' => "b",
        'в' => "v",
        'г' => "g",
        'д' => "d",
        'е' | 'ё' | 'э' => "e",
        'ж' | 'җ' => "zh",
        'з' => "z",
        'и' | 'і' => "i",
        'й' => "i",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'ң' => "ng",
        'о' | 'ө' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' | 'ү' => "u",
        'ф' => "f",
        'х' => "kh",
        'һ' => "h",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ъ' => "ie",
        'ы' => "y",
        'ь' => "",
        'ю' => "iu",
        'я' => "ia",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::code;

    #[track_caller]
    fn check(name: &str, expected: Option<&str>) {
        assert_eq!(code(name).as_ref().map(|code| code.as_str()), expected, "{name}");
    }

    #[test]
    fn names_become_codes() {
        check("JARDIM DA PENHA", Some("jardim-da-penha"));
        check("JOANA D´ARC", Some("joana-d-arc"));
        check("SÃO CRISTÓVÃO", Some("sao-cristovao"));
        check("  Größe & Söhne (Nord) ", Some("groesse-soehne-nord"));
        check("Центр на Чехова, 12", Some("tsentr-na-chekhova-12"));
        check("e\u{301}clair", Some("e-clair"));
    }

    #[test]
    fn names_without_a_code_get_none() {
        check("", None);
        check("...", None);
        check("東京", None);
        check("Clinic 東京", None);
        check(&"x".repeat(65), None);
    }
}
