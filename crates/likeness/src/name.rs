//! Whole names: their words, whatever their order, and how two of them go together.
//!
//! Diminutives are no evidence at all: Саша is both Александр and Александра, and documents, from which names are taken, have none.

use std::collections::HashSet;
use std::sync::OnceLock;

use crate::fold::fold;

/// The most words of a name that are looked at.
const MOST_WORDS: usize = 8;

/// How long a word must be for one wrong letter in it to be taken for a slip of the pen.
const LONG: usize = 5;

/// How two names go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// One of them is not known, or is one word that the other has as well.
    Unknown,
    /// Every word of the shorter one is in the other, a father's name among them.
    SameInFull,
    /// Every word of the shorter one is in the other, at least two.
    Same,
    /// The same but for one letter, or for the ending of a surname in a language that does not change it.
    Near,
    /// Initials stand for words of the other.
    Initials,
    /// The given name and everything else are the same, and the surname is another: as after a marriage.
    OtherSurname,
    /// Some words are the same and some contradict each other.
    Part,
    /// Another given name, another father's name, or nothing in common.
    Different,
}

/// A name as its words, each a skeleton.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Name {
    /// Sorted, each once.
    pub(crate) words: Vec<String>,
}

impl Name {
    pub(crate) fn read(text: &str) -> Self {
        let parts = text.split(|c: char| !(c.is_alphanumeric() || is_sign(c)));
        let mut words: Vec<String> = parts.map(fold).filter(|word| !word.is_empty()).take(MOST_WORDS).collect();
        words.sort_unstable();
        words.dedup();
        Self { words }
    }

    /// The words that say something by themselves: no initials.
    pub(crate) fn whole_words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(String::as_str).filter(|word| word.chars().count() > 1)
    }

    /// How it goes together with another one.
    pub(crate) fn compare(&self, other: &Self) -> Names {
        if self.words.is_empty() || other.words.is_empty() {
            return Names::Unknown;
        }
        let same: Vec<&str> = self.words.iter().filter(|word| other.words.contains(word)).map(String::as_str).collect();
        let own: Vec<&str> = self.words.iter().map(String::as_str).filter(|word| !same.contains(word)).collect();
        let theirs: Vec<&str> = other.words.iter().map(String::as_str).filter(|word| !same.contains(word)).collect();
        if own.is_empty() || theirs.is_empty() {
            return match same.iter().filter(|word| word.chars().count() > 1).count() {
                0 => Names::Different,
                1 => Names::Unknown,
                // A given name and a father's name alone are those of half a town.
                2 if same.iter().any(|word| is_patronymic(word)) => Names::Unknown,
                2 => Names::Same,
                _ => Names::SameInFull,
            };
        }
        left_over(&same, own, theirs)
    }
}

/// Both have words that the other has not.
fn left_over(same: &[&str], mut own: Vec<&str>, mut theirs: Vec<&str>) -> Names {
    let given = |word: &&str| given_names().contains(*word);
    let of_father = |word: &&str| is_patronymic(word);
    let initials = pair_off(&mut own, &mut theirs, is_initial);
    let slips = pair_off(&mut own, &mut theirs, is_slip);
    let endings = pair_off(&mut own, &mut theirs, is_surname_in_two_forms);
    let matched = same.len() + slips + endings;
    if own.is_empty() || theirs.is_empty() {
        // More than one word that is not quite the same is another name.
        return match (matched, initials, slips + endings) {
            (1.., 0, 1) if matched > 1 => Names::Near,
            (1.., 1.., 0..=1) => Names::Initials,
            _ => Names::Different,
        };
    }
    if own.iter().any(given) && theirs.iter().any(given) || own.iter().any(of_father) && theirs.iter().any(of_father) {
        return Names::Different;
    }
    if initials > 0 || same.is_empty() {
        return if same.is_empty() { Names::Different } else { Names::Part };
    }
    let surname_only =
        own.len() == 1 && theirs.len() == 1 && ![own[0], theirs[0]].iter().any(|word| given(word) || of_father(word));
    if same.iter().any(given) && surname_only { Names::OtherSurname } else { Names::Part }
}

/// Takes out pairs of words that belong together, each word once. How many.
fn pair_off(own: &mut Vec<&str>, theirs: &mut Vec<&str>, belong: impl Fn(&str, &str) -> bool) -> usize {
    let before = own.len();
    own.retain(|word| match theirs.iter().position(|other| belong(word, other)) {
        Some(at) => {
            theirs.remove(at);
            false
        }
        None => true,
    });
    before - own.len()
}

fn is_initial(a: &str, b: &str) -> bool {
    let one = |word: &str| word.chars().count() == 1;
    one(a) != one(b) && a.chars().next() == b.chars().next()
}

/// One letter wrong, missing, too much or in the wrong place. Not the last one, which tells a man from a woman; and two given names that
/// differ in one letter are two names: Марина and Карина.
fn is_slip(a: &str, b: &str) -> bool {
    let long = a.chars().count().min(b.chars().count()) >= LONG;
    let known = given_names();
    long && a.chars().last() == b.chars().last() && !(known.contains(a) && known.contains(b)) && strsim::osa_distance(a, b) == 1
}

/// Иванова and Ivanov, Чайковская and Tchaikovski: a surname as it is for a woman, and as other languages leave it.
fn is_surname_in_two_forms(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    let known = given_names();
    if known.contains(short) || known.contains(long) {
        return false;
    }
    let added = ["ov", "ev", "in"].iter().any(|end| short.ends_with(end)) && long.strip_suffix('a') == Some(short);
    let changed = short.strip_suffix("ski").is_some_and(|stem| long.strip_suffix("ska") == Some(stem))
        || long.strip_suffix("ski").is_some_and(|stem| short.strip_suffix("ska") == Some(stem));
    added || changed
}

/// A father's name by its ending. Some surnames have it too: Абрамович.
pub(crate) fn is_patronymic(word: &str) -> bool {
    word.chars().count() > LONG
        && ["oviC", "eviC", "ovna", "evna", "iCna", "iniC", "ogli", "kizi"].iter().any(|end| word.ends_with(end))
}

/// An apostrophe, or the sign for a soft or hard sign, stands inside a word.
fn is_sign(c: char) -> bool {
    matches!(c, '\'' | '`' | '’' | '‘' | 'ʼ' | '´' | '\u{300}'..='\u{36f}' | '\u{2b0}'..='\u{2ff}')
}

/// Given names, as skeletons: what tells twins from a slip of the pen, and a marriage from a brother. A name that is not here is only
/// looked at with more doubt.
fn given_names() -> &'static HashSet<String> {
    static NAMES: OnceLock<HashSet<String>> = OnceLock::new();
    NAMES.get_or_init(|| GIVEN.split_whitespace().map(fold).collect())
}

const GIVEN: &str = "
    Август Августин Адам Аделина Азамат Азат Аида Айгуль Айдар Айнур Аким Аксинья Алан Алевтина Александр Александра Алексей Алена Али
    Алина Алиса Алия Алла Алсу Альбина Альберт Альфия Амина Амир Амира Анастасия Анатолий Ангелина Анвар Андрей Анжела Анжелика Анна
    Антон Антонина Ариадна Арина Аркадий Арман Арсен Арсений Артем Артур Аслан Асия Ася Богдан Борис Вадим Валентин Валентина Валерий
    Валерия Варвара Василий Василиса Вениамин Вера Вероника Виктор Виктория Виолетта Виталий Виталина Влада Владимир Владислав Владислава
    Всеволод Вячеслав Галина Гульнара Гузель Геннадий Георгий Герман Глеб Григорий Давид Дамир Дана Даниил Данила Дарина Дария Дарья
    Демид Денис Джамиля Диана Дилара Дилана Дина Динара Дмитрий Добрыня Ева Евгений Евгения Евдокия Егор Екатерина Елена Елизавета
    Елисей Ефим Жанна Захар Зарина Земфира Зинаида Злата Зоя Иван Игнат Игорь Изабелла Илья Ильдар Илона Инга Инна Ирина Ия Камила
    Камиль Карина Карим Каролина Катарина Кира Кирилл Клавдия Константин Кристина Ксения Лада Лариса Лев Леонид Леонора Лидия Лиана
    Лилия Лина Лия Луиза Любовь Людмила Мадина Майя Макар Максим Марат Маргарита Марина Мария Мариам Марк Марсель Марта Матвей Мелания
    Мила Милана Милена Мирон Мирослава Михаил Мурат Надежда Назар Наина Наталия Наталья Нелли Никита Николай Нина Ника Нонна Оксана
    Олег Олеся Ольга Остап Павел Петр Платон Полина Прохор Равиль Радик Раиса Рамиль Рамазан Регина Ренат Ринат Рита Римма Роберт
    Родион Роза Роман Ростислав Руслан Руслана Рустам Савелий Савва Салават Самира Самуил Сания Светлана Святослав Севастьян Семен
    Серафим Серафима Сергей Снежана Софья София Станислав Станислава Степан Стефания Таисия Тамара Тамила Тарас Татьяна Тимофей Тимур
    Тихон Ульяна Фаина Фарида Федор Феликс Филипп Фрол Хава Харитон Цецилия Эвелина Эдгар Эдуард Элина Элла Эльвира Эльдар Эльмира
    Эмилия Эмиль Эмма Эрика Эрик Юлиана Юлий Юлия Юрий Яков Ян Яна Ярослав Ярослава
    Adriana Adriano Amanda Ana Andre Andrea Beatriz Bianca Bruna Bruno Camila Carla Carlos Carolina Clara Claudia Daniel Daniela Diego
    Eduardo Eduarda Elena Fabiana Fabio Felipe Fernanda Fernando Flavia Francisco Gabriel Gabriela Giovanna Gustavo Helena Henrique
    Isabela Isabel Joana Joao Jorge Jose Juliana Julio Larissa Laura Leandro Leonardo Leticia Lorena Lucas Luciana Luis Luisa Luiza
    Marcela Marcelo Marcia Marcio Marco Marcos Maria Mariana Marina Mario Mateus Miguel Natalia Paula Paulo Pedro Rafael Rafaela Raquel
    Renata Renato Ricardo Roberta Roberto Rodrigo Sandra Sandro Sergio Sofia Tatiana Thiago Vanessa Vinicius Vitor Vitoria";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, expected: Names) {
        let (one, other) = (Name::read(a), Name::read(b));
        assert_eq!(one.compare(&other), expected, "{a} and {b}");
        assert_eq!(other.compare(&one), expected, "{b} and {a}");
    }

    #[test]
    fn order_script_and_missing_parts_do_not_matter() {
        check("Иванова Юлия Сергеевна", "Yuliya Ivanova", Names::Same);
        check("Иванова Юлия Сергеевна", "JULIA SERGEEVNA IVANOVA", Names::SameInFull);
        check("Иванова Юлия Сергеевна", "Иванова, Юлия", Names::Same);
        check("Соловьёва-Седая Анна", "Анна Соловьева", Names::Same);
        check("Соловьёва-Седая Анна", "Anna Solovyeva Sedaya", Names::SameInFull);
        check("Мария Иванова", "Марья Иванова", Names::Same);
        check("O'Connor Anna", "Anna OConnor", Names::Same);
    }

    #[test]
    fn a_slip_of_the_pen_is_near_and_another_given_name_is_another_person() {
        check("Кузнецова Анна", "Кузнецовва Анна", Names::Same);
        check("Кузнецова Анна", "Кузнецоав Анна", Names::OtherSurname);
        check("Кузнецова Анна", "Кузнкцова Анна", Names::Near);
        check("Иванова Марина", "Иванова Карина", Names::Different);
        check("Иванов Александр", "Иванова Александра", Names::Different);
        check("Шевченко Александр", "Шевченко Александра", Names::Different);
        check("Шевченко Валентин", "Шевченко Валентина", Names::Different);
        check("Шевченко Евгений", "Шевченко Евгения", Names::Different);
        check("Иванов Пётр Сергеевич", "Иванов Пётр Андреевич", Names::Different);
        check("Петров Иван", "Петров Павел", Names::Different);
    }

    #[test]
    fn initials_marriages_and_foreign_endings() {
        check("Иванова А. С.", "Иванова Анна Сергеевна", Names::Initials);
        check("Иванова А.С.", "Иванова Инна Сергеевна", Names::Different);
        check("Иванова Анна", "Ivanov Anna", Names::Near);
        check("Чайковская Анна", "Anna Tchaikovski", Names::Near);
        check("Иванова Анна Сергеевна", "Петрова Анна Сергеевна", Names::OtherSurname);
        check("Иванова Анна", "Петрова Анна", Names::OtherSurname);
        check("Иванова Анна", "Иванова", Names::Unknown);
        check("Анна Сергеевна", "Анна Сергеевна Иванова", Names::Unknown);
        check("", "Иванова", Names::Unknown);
        check("Иванова", "Петрова", Names::Different);
        // A diminutive is no evidence: it may be a sister.
        check("Маша Иванова", "Мария Иванова", Names::Part);
    }
}
