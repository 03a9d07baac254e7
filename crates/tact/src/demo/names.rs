//! Invented people. The numbers lie in a range that is given to nobody.

use rand::Rng;
use rand::rngs::SmallRng;
use uuid::Uuid;

const WOMEN: [&str; 12] =
    ["Анна", "Мария", "Елена", "Ольга", "Наталья", "Татьяна", "Ирина", "Светлана", "Гузель", "Алсу", "Вера", "Лилия"];
const MEN: [&str; 12] =
    ["Алексей", "Дмитрий", "Сергей", "Иван", "Андрей", "Михаил", "Тимур", "Ринат", "Павел", "Егор", "Марат", "Олег"];
const FAMILIES: [&str; 20] = [
    "Соколов",
    "Лебедев",
    "Козлов",
    "Новиков",
    "Морозов",
    "Волков",
    "Зайцев",
    "Павлов",
    "Голубев",
    "Виноградов",
    "Беляев",
    "Тарасов",
    "Хабиров",
    "Галимов",
    "Сафин",
    "Юсупов",
    "Комаров",
    "Орлов",
    "Киселев",
    "Макаров",
];

/// A name.
pub(super) fn name(rng: &mut SmallRng) -> String {
    let family = FAMILIES[rng.random_range(0..FAMILIES.len())];
    if rng.random_bool(0.58) {
        format!("{family}а {}", WOMEN[rng.random_range(0..WOMEN.len())])
    } else {
        format!("{family} {}", MEN[rng.random_range(0..MEN.len())])
    }
}

/// A telephone number that nobody has.
pub(super) fn phone(rng: &mut SmallRng) -> String {
    format!("+7 000 {:03}-{:02}-{:02}", rng.random_range(0..1000), rng.random_range(0..100), rng.random_range(0..100))
}

/// One of the clinicians; they have no names here.
pub(super) fn clinician(number: u128) -> Uuid {
    uuid::Builder::from_custom_bytes((0x7AC7_0000_0000_0000_0000_0000_0000_0000_u128 | number).to_be_bytes()).into_uuid()
}
