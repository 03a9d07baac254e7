//! Names of services that people are sent elsewhere for, and how somebody at a desk may type them. The directory's codes are the network's own:
//! what is not listed here is shown and found by its code.

use tact_words::Language;

/// A code, its English and Russian name, and other words for it.
type Known = (&'static str, &'static str, &'static str, &'static [&'static str]);

const KNOWN: &[Known] = &[
    ("x_ray", "X-ray", "Рентген", &["рентгенография", "снимок", "radiography"]),
    ("mri", "MRI", "МРТ", &["магнитно-резонансная томография", "томография"]),
    ("ct", "CT scan", "КТ", &["компьютерная томография", "ct scan"]),
    ("ultrasound", "Ultrasound", "УЗИ", &["ультразвук", "sonography"]),
    ("ecg", "ECG", "ЭКГ", &["кардиограмма", "ekg", "electrocardiogram"]),
    ("echocardiography", "Echocardiography", "Эхокардиография", &["эхокг", "узи сердца"]),
    ("mammography", "Mammography", "Маммография", &[]),
    ("endoscopy", "Endoscopy", "Эндоскопия", &["гастроскопия", "колоноскопия", "gastroscopy", "colonoscopy"]),
    ("laboratory", "Laboratory", "Анализы", &["лаборатория"]),
    ("blood_test", "Blood test", "Анализ крови", &[]),
    ("pharmacy", "Pharmacy", "Аптека", &[]),
    ("dentist", "Dentist", "Стоматолог", &["зубной", "стоматология", "dental"]),
    ("orthodontist", "Orthodontist", "Ортодонт", &["брекеты", "braces"]),
    ("primary_care", "General practitioner", "Терапевт", &["gp", "врач общей практики"]),
    ("pediatrics", "Paediatrician", "Педиатр", &["детский врач", "pediatrician"]),
    ("cardiology", "Cardiologist", "Кардиолог", &["сердце", "cardiologist"]),
    ("neurology", "Neurologist", "Невролог", &["neurologist"]),
    ("ophthalmology", "Eye doctor", "Окулист", &["офтальмолог", "ophthalmologist"]),
    ("dermatology", "Dermatologist", "Дерматолог", &["dermatologist", "кожный"]),
    ("gynecology", "Gynaecologist", "Гинеколог", &["gynecologist"]),
    ("urology", "Urologist", "Уролог", &["urologist"]),
    ("ent", "Ear, nose and throat", "ЛОР", &["отоларинголог", "ухо горло нос", "otolaryngology"]),
    ("traumatology", "Injuries", "Травмпункт", &["травматолог", "перелом", "fracture"]),
    ("surgery", "Surgeon", "Хирург", &["surgeon"]),
    ("oncology", "Oncologist", "Онколог", &["oncologist"]),
    ("audiology", "Hearing", "Слух", &["сурдолог", "audiologist"]),
    ("physiotherapy", "Physiotherapy", "Физиотерапия", &["лфк"]),
    ("psychiatry", "Psychiatrist", "Психиатр", &["psychiatrist"]),
    ("psychology", "Psychologist", "Психолог", &["psychologist"]),
    ("vaccination", "Vaccination", "Прививки", &["прививка", "vaccine"]),
    ("hospital", "Hospital", "Больница", &[]),
];

/// The name of a service. A code without one is shown as its words.
pub(crate) fn service(language: Language, code: &str) -> String {
    match KNOWN.iter().find(|(known, ..)| *known == code) {
        Some((_, english, russian, _)) => language.of(english, russian).to_owned(),
        None => code.replace(['_', '-'], " "),
    }
}

/// The code that somebody means by what they typed: the code itself, a name in either language or another word for it, or the beginning of one
/// among `codes`, those that somebody offers. `None`: it is no code, and nothing is known by it.
pub(crate) fn meant(typed: &str, codes: &[String]) -> Option<String> {
    let typed = plain(typed);
    if typed.is_empty() {
        return None;
    }
    let words = |code: &str| -> Vec<String> {
        let known = KNOWN.iter().find(|(known, ..)| *known == code);
        let names = known.map(|(_, english, russian, others)| [*english, *russian].into_iter().chain(others.iter().copied()));
        names.into_iter().flatten().chain([code]).map(plain).collect()
    };
    let offered = || codes.iter().map(String::as_str);
    let all = || offered().chain(KNOWN.iter().map(|(code, ..)| *code));
    let exact = all().find(|code| words(code).contains(&typed));
    let begun = || offered().find(|code| words(code).iter().any(|word| word.starts_with(&typed)));
    exact.or_else(begun).map(ToOwned::to_owned).or_else(|| {
        let code: String = typed.split_whitespace().collect::<Vec<_>>().join("_");
        let fits = code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        fits.then_some(code)
    })
}

/// In small letters, ё as е, and whatever parts words as one space.
fn plain(text: &str) -> String {
    let small: String = text.chars().flat_map(char::to_lowercase).map(|c| if c == 'ё' { 'е' } else { c }).collect();
    small.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_at_a_desk_is_understood() {
        let offered: Vec<String> = ["x_ray", "mri", "sleep_study"].map(ToOwned::to_owned).into();
        for (typed, code) in [
            ("x_ray", Some("x_ray")),
            ("X-Ray", Some("x_ray")),
            ("рентген", Some("x_ray")),
            ("Рентг", Some("x_ray")),
            ("МРТ", Some("mri")),
            ("sleep", Some("sleep_study")),
            ("УЗИ", Some("ultrasound")),
            ("узи сердца", Some("echocardiography")),
            ("hair transplant", Some("hair_transplant")),
            ("пересадка", None),
            ("  ", None),
        ] {
            assert_eq!(meant(typed, &offered).as_deref(), code, "{typed}");
        }
    }

    #[test]
    fn every_name_is_there_in_both_languages_and_means_its_own_code() {
        for (code, english, russian, _) in KNOWN {
            tact_words::check(code, (english, russian));
            for name in [english, russian] {
                assert_eq!(meant(name, &[]).as_deref(), Some(*code), "{name}");
            }
        }
        assert_eq!(service(Language::Russian, "sleep_study"), "sleep study");
    }
}
