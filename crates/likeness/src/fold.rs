//! One word of a name as a skeleton that does not depend on the script, nor on who wrote Cyrillic in Latin letters, nor by which rules.
//!
//! The rules that come out alike: ICAO 9303 (passports since 2014), the passports of 1997 and 2010 before it, ГОСТ 7.79 system A (ISO 9)
//! and system B, and what people write every day: Юлия, Yuliya, Iuliia, Ûliâ, Julia and Ioulia are one. What it costs: some letters that
//! differ come out alike too (ш and щ, х and кс, ё and е, doubled ones, й and a soft sign nowhere), so that Мария and Марья are one, as
//! they should be, and Мария and Мара as well. A skeleton is for comparing; it must never be shown or stored as somebody's name.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The sounds that several letters of the Latin alphabet write together, the longest first. Capitals stand for the sound.
const TOGETHER: &[(&str, &str)] = &[
    // The hard sign of the passports since 2010, with the vowel behind it.
    ("ieia", "ia"),
    ("ieiu", "iu"),
    ("iee", "ie"),
    ("shch", "S"),
    ("tsch", "C"),
    ("sch", "S"),
    ("shh", "S"),
    ("tch", "C"),
    ("sh", "S"),
    ("zh", "Z"),
    ("kh", "H"),
    ("ks", "H"),
    ("ch", "C"),
    ("ts", "T"),
    ("tz", "T"),
    ("tc", "T"),
    ("cz", "T"),
    ("ck", "k"),
    ("ct", "kt"),
    ("cl", "kl"),
    ("cr", "kr"),
    ("ph", "f"),
    ("th", "t"),
    ("gh", "g"),
    ("qu", "kv"),
    ("ou", "u"),
    ("q", "k"),
    ("w", "v"),
    ("x", "H"),
    ("h", "H"),
    ("c", "T"),
];

/// The skeleton of a word. Signs that are no letters or digits are left out.
pub(crate) fn fold(word: &str) -> String {
    let mut latin = String::with_capacity(word.len() + 8);
    let mut soft = false;
    for c in word.chars().flat_map(char::to_lowercase) {
        spell(c, &mut latin, &mut soft);
    }
    let sounds = together(&latin);
    let vowels = vowels(&sounds);
    once(&glides(&vowels))
}

/// A letter as passports spell it since 2014, or as it is; with what a mark on it says.
fn spell(c: char, latin: &mut String, soft: &mut bool) {
    let spelt = match c {
        'а' | 'ә' => "a",
        'б' => "b",
        'в' => "v",
        'г' | 'ґ' | 'ғ' => "g",
        'д' => "d",
        'е' | 'э' => "e",
        // Written as `e` nearly everywhere, and as the passports since 2014 have it.
        'ё' => "e",
        'є' => "ie",
        'ж' | 'җ' => "zh",
        'з' => "z",
        'и' | 'і' | 'й' => "i",
        'ї' => "ii",
        'ј' => "i",
        'к' | 'қ' => "k",
        'л' => "l",
        'м' => "m",
        'н' | 'ң' => "n",
        'о' | 'ө' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' | 'ү' | 'ұ' | 'ў' => "u",
        'ф' => "f",
        'х' | 'һ' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ы' => "y",
        'ь' | 'ъ' => "",
        'ю' => "iu",
        'я' => "ia",
        // ISO 9 and ГОСТ 7.79 A.
        'ž' => "zh",
        'č' | 'ć' => "ch",
        'š' => "sh",
        'ŝ' | 'ş' | 'ș' => "sh",
        'û' => "iu",
        'â' => "ia",
        'ß' => "ss",
        'ł' => "l",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ı' => "i",
        'æ' => "ae",
        'œ' => "oe",
        _ => "",
    };
    if matches!(c, '\u{2b0}'..='\u{2ff}') {
        // ʹ and ʺ stand for the soft and the hard sign.
        return;
    }
    if matches!(c, 'ь' | 'ъ') {
        *soft = true;
        return;
    }
    if std::mem::take(soft) && matches!(c, 'о') {
        // Бульон: `bulion`, and not `bulon`.
        latin.push('i');
    }
    if !spelt.is_empty() {
        latin.push_str(spelt);
        return;
    }
    if c.is_ascii_alphanumeric() {
        latin.push(c);
        return;
    }
    for plain in std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c)) {
        if plain.is_alphanumeric() {
            latin.push(plain);
        }
    }
}

fn together(latin: &str) -> String {
    let mut sounds = String::with_capacity(latin.len());
    let mut rest = latin;
    'letters: while let Some(first) = rest.chars().next() {
        // At the beginning, `c` before a dark vowel is a name from elsewhere: Carla, Constantin. Inside it is ц: Kuznecov.
        if first == 'c' && sounds.is_empty() && rest[1..].starts_with(['a', 'o', 'u']) {
            sounds.push('k');
            rest = &rest[1..];
            continue;
        }
        for (letters, sound) in TOGETHER {
            if let Some(behind) = rest.strip_prefix(letters) {
                sounds.push_str(sound);
                rest = behind;
                continue 'letters;
            }
        }
        sounds.push(if matches!(first, 'y' | 'j') { 'i' } else { first });
        rest = &rest[first.len_utf8()..];
    }
    sounds
}

/// ё, which is `yo`, `jo`, `io` or plain `e`, is `e`; at the end of a word an `io` is none: Antonio.
fn vowels(sounds: &str) -> String {
    let all: Vec<char> = sounds.chars().collect();
    let mut folded = String::with_capacity(sounds.len());
    let mut at = 0;
    while let Some(&c) = all.get(at) {
        if c == 'i' && all.get(at + 1) == Some(&'o') && at + 2 < all.len() {
            folded.push('e');
            at += 2;
        } else {
            folded.push(c);
            at += 1;
        }
    }
    folded
}

/// An `i` beside another vowel is a glide that each set of rules writes in its own way, or not at all.
fn glides(sounds: &str) -> String {
    let all: Vec<char> = sounds.chars().collect();
    let full = |at: Option<&char>| at.is_some_and(|c| matches!(c, 'a' | 'e' | 'o' | 'u'));
    let mut kept = String::with_capacity(sounds.len());
    for (at, &c) in all.iter().enumerate() {
        // A run of them stands or falls together.
        let behind = all[at..].iter().find(|c| **c != 'i');
        let before = all[..at].iter().rev().find(|c| **c != 'i');
        if c != 'i' || !(full(behind) || full(before)) {
            kept.push(c);
        }
    }
    // A word of glides alone, such as the initial И.
    if kept.is_empty() { sounds.chars().take(1).collect() } else { kept }
}

fn once(sounds: &str) -> String {
    let mut last = None;
    let mut once = String::with_capacity(sounds.len());
    for c in sounds.chars() {
        if last != Some(c) || c.is_ascii_digit() {
            once.push(c);
        }
        last = Some(c);
    }
    once
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[track_caller]
    fn alike(words: &[&str]) {
        for word in words {
            assert_eq!(fold(word), fold(words[0]), "{word} and {}", words[0]);
        }
    }

    #[track_caller]
    fn apart(one: &str, other: &str) {
        assert_ne!(fold(one), fold(other), "{one} and {other}");
    }

    #[test]
    fn a_name_is_one_by_whatever_rules_it_was_written_in_latin() {
        // In order: ICAO since 2014, 1997 to 2010, ISO 9, ГОСТ 7.79 B, and what people write.
        alike(&["Юлия", "ЮЛИЯ", "Iuliia", "Yuliya", "Ûliâ", "Yuliya", "Julia", "Yulia", "Julija", "Ioulia", "Yuliia"]);
        alike(&["Сергей", "Sergei", "Sergey", "Sergej"]);
        alike(&["Дмитрий", "Dmitrii", "Dmitriy", "Dmitrij", "Dmitry", "Dmitri"]);
        alike(&["Фёдор", "Федор", "Fedor", "Fyodor", "Fëdor", "Fiodor", "Fjodor"]);
        alike(&["Наталья", "Наталия", "Natalia", "Nataliia", "Natalya", "Natal'ya", "Natalʹâ", "Natal`ya"]);
        alike(&["Щербакова", "Shcherbakova", "Ŝerbakova", "Shherbakova", "Scherbakova"]);
        alike(&["Хрущёв", "Хрущев", "Khrushchev", "Hruŝev", "Xrushhev", "Khruschev"]);
        alike(&["Цветкова", "Tsvetkova", "Cvetkova", "Czvetkova", "Tcvetkova"]);
        alike(&["Кузнецов", "Kuznetsov", "Kuznecov", "Kuznetcov"]);
        alike(&["Александр", "Aleksandr", "Alexandr", "ALEXANDR"]);
        alike(&["Ксения", "Kseniia", "Kseniya", "Xenia", "Ksenia"]);
        alike(&["Жукова", "Zhukova", "Žukova"]);
        alike(&["Чайковская", "Chaikovskaia", "Chaykovskaya", "Čajkovskaâ", "Tchaikovskaia", "Tschaikowskaja"]);
        alike(&["Ильинична", "Ilinichna", "Il'inichna", "Ilyinichna", "Ilʹinična"]);
        alike(&["Юрьевич", "Iurevich", "Yuryevich", "Yur'evich", "Ûrʹevič", "Jurjewitsch"]);
        alike(&["Екатерина", "Ekaterina", "Yekaterina", "Jekaterina"]);
        alike(&["Евгений", "Evgenii", "Yevgeniy", "Evgeny", "Jewgeni"]);
        alike(&["Михаил", "Mikhail", "Mihail"]);
        alike(&["Подъячев", "Podieiachev", "Podyachev", "Podʺâčev"]);
        alike(&["Виктория", "Victoria", "Viktoriia", "Viktoriya"]);
        alike(&["Соловьёва", "Соловьева", "Soloveva", "Solovyova", "Solovyeva", "Solovʹëva"]);
        alike(&["Зайцев", "Zaitsev", "Zaytsev", "Zajcev"]);
        alike(&["Анна", "Anna", "АННА", "Ana"]);
        alike(&["JOÃO", "Joao"]);
        alike(&["Müller", "Muller"]);
    }

    #[test]
    fn other_names_stay_others() {
        apart("Мария", "Марина");
        apart("Александр", "Александра");
        apart("Евгений", "Евгения");
        apart("Валерий", "Валерия");
        apart("Иван", "Иванна");
        apart("Олег", "Ольга");
        apart("Жуков", "Зуков");
        apart("Анна", "Инна");
        apart("Mario", "Maria");
        apart("Чернов", "Жернов");
        apart("И", "А");
    }

    #[test]
    fn whatever_is_written_has_an_end() {
        for odd in ["", "-", "'", "ь", "ъъ", "й", "iii", "東京", "e\u{301}", "😀", "c", "ca", "ё"] {
            assert!(fold(odd).len() <= odd.len() * 4, "{odd}");
        }
        assert_eq!(fold("東京"), "東京");
    }
}
