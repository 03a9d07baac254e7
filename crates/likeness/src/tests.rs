//! Who is put before a person and who is not, case by case.

use super::*;

fn known<'t>(name: &'t str, phone: &'t str, born: &'t str) -> Known {
    let field = |text| Some(text).filter(|text: &&str| !text.is_empty());
    Known::new(field(name), field(phone), field(born))
}

type Who = (&'static str, &'static str, &'static str);

fn likeness(one: Who, other: Who) -> Likeness {
    let (a, b) = (known(one.0, one.1, one.2), known(other.0, other.1, other.2));
    let (there, back) = (compare(&a, &b, true, false), compare(&b, &a, true, false));
    assert_eq!(there, back, "{one:?} {other:?}");
    if there.is_likely() {
        // Whoever is likely must be found.
        assert!(keys(&a).iter().any(|key| keys(&b).contains(key)), "no key in common: {one:?} {other:?}");
    }
    there
}

#[track_caller]
fn proposed(one: Who, other: Who) {
    let found = likeness(one, other);
    assert!(found.is_likely(), "{one:?} {other:?}: {found:?}");
}

#[track_caller]
fn left_alone(one: Who, other: Who) {
    let found = likeness(one, other);
    assert!(!found.is_likely(), "{one:?} {other:?}: {found:?}");
}

const PHONE: &str = "+7 912 000-11-22";

#[test]
fn one_person_in_two_records_is_proposed() {
    let julia = ("Иванова Юлия Сергеевна", PHONE, "1984-05-17");
    proposed(julia, ("Yuliya Ivanova", PHONE, ""));
    proposed(julia, ("Julia Ivanova", "", "1984-05-17"));
    proposed(julia, ("ИВАНОВА ЮЛИЯ СЕРГЕЕВНА", "9990001122", "1984-05-17"));
    proposed(julia, ("Иванова Юлия Сергеевна", "", "1984-05-11"));
    proposed(julia, ("Иванова Ю.С.", PHONE, "1984-05-17"));
    proposed(julia, ("Петрова Юлия Сергеевна", PHONE, "1984-05-17"));
    proposed(julia, ("Ивонова Юлия", "", "1984-05-17"));
    proposed(("Кузнецова Анна", "", "1984-05-07"), ("Kuznecova Anna", "", "1984-07-05"));
    proposed(("", PHONE, "1984-05-17"), julia);
    proposed(("Иванова Юлия", PHONE, "1984-05-17"), ("Иванова Юлия", PHONE, "1984-05-18"));
}

#[test]
fn a_family_on_one_telephone_is_left_alone() {
    // Twins.
    left_alone(("Иванова Марина Сергеевна", PHONE, "2015-03-08"), ("Иванова Карина Сергеевна", PHONE, "2015-03-08"));
    left_alone(("Иванов Александр", PHONE, "2015-03-08"), ("Иванова Александра", PHONE, "2015-03-08"));
    left_alone(("Шевченко Валентин", PHONE, "2015-03-08"), ("Шевченко Валентина", PHONE, "2015-03-08"));
    left_alone(("Ахметов Тагир", PHONE, "2015-03-08"), ("Ахметов Закир", PHONE, "2015-03-08"));
    left_alone(("Silva Otacilia", PHONE, "2015-03-08"), ("Silva Odalina", PHONE, "2015-03-08"));
    // Parent and child.
    left_alone(("Иванова Анна Сергеевна", PHONE, "1984-05-17"), ("Иванова Мария Петровна", PHONE, "2012-01-30"));
    left_alone(("Иванова Анна", PHONE, "1984-05-17"), ("Иванова Анна", PHONE, "2012-01-30"));
    left_alone(("Иванов Иван Петрович", PHONE, ""), ("Иванов Иван Иванович", PHONE, ""));
    left_alone(("Иванов Пётр", PHONE, ""), ("Иванов Иван", PHONE, ""));
    // A couple.
    left_alone(("Иванов Сергей", PHONE, ""), ("Иванова Анна", PHONE, ""));
}

#[test]
fn namesakes_and_neighbours_are_left_alone() {
    left_alone(("Иванов Александр Сергеевич", "", ""), ("Иванов Александр Сергеевич", "", ""));
    left_alone(("Иванов Александр Сергеевич", "", "1984-05-17"), ("Иванов Александр Сергеевич", "", "1971-11-02"));
    left_alone(("Иванов Александр", "", "1984-05-17"), ("Петров Сергей", "", "1984-05-17"));
    left_alone(("Иванов Александр", "", "1984-05-17"), ("Иванов Александр", "", "1984-05-19"));
    left_alone(("", PHONE, ""), ("", PHONE, ""));
    left_alone(("", "", "1984-05-17"), ("", "", "1984-05-17"));
    left_alone(("Анна Сергеевна", PHONE, ""), ("Анна Сергеевна Иванова", PHONE, ""));
}

#[test]
fn another_id_in_the_same_system_speaks_against_it() {
    let one = known("Иванова Юлия", "", "1984-05-17");
    assert!(compare(&one, &one, true, false).is_likely());
    assert!(!compare(&one, &one, true, true).is_likely());
    let with_number = known("Иванова Юлия", PHONE, "1984-05-17");
    assert!(compare(&with_number, &with_number, true, true).is_likely());
    assert!(!compare(&with_number, &with_number, false, true).is_likely());
}

#[test]
fn nothing_that_is_printed_holds_anything_personal() {
    assert_eq!(format!("{:?}", known("Иванова Юлия", PHONE, "1984-05-17")), "Known { .. }");
}

#[test]
fn the_points_are_those_of_the_page_that_explains_them() {
    let page = include_str!("../../../docs/DUPLICATES.md");
    for evidence in Evidence::ALL {
        let row = format!("| `{}` | {:+} |", evidence.as_str(), evidence.points()).replace('-', "\u{2212}");
        assert!(page.contains(&row), "docs/DUPLICATES.md has no row {row}");
    }
    assert!(page.contains(&format!("{LIKELY} points")) && page.contains(&format!("{VERY_LIKELY} points")));
}
