//! What the desk says that finds help elsewhere, in both languages.

use tact_words::Language;

tact_words::labels! {
/// Something that the desk says that finds help elsewhere.
pub(crate) enum Care {
    Title = "Help elsewhere", "Помощь в другом месте";
    What = "Somebody needs what we do not have: find who has it, book them in, call back once to say where to go, and expect nothing for it.", "Человеку нужно то, чего у нас нет: найдите, у кого есть, договоритесь, один раз перезвоните сказать, куда идти, и ничего за это не ждите.";
    Forgotten = "Whoever we know only from this needs no card. Their name and number are erased by themselves some days after it is closed - 30, unless the network has set another number -, and so they are if nothing came of it.", "Тому, кого мы знаем только по такому делу, карта не нужна. Имя и номер уничтожаются сами через несколько дней после закрытия — через 30, если сеть не установила иначе; так же и тогда, когда дело ничем не кончилось.";

    FindTitle = "What is needed, and where", "Что нужно и где";
    Need = "What is needed", "Что нужно";
    NeedHelp = "A word will do: X-ray, MRI, dentist.", "Достаточно слова: рентген, МРТ, стоматолог.";
    Place = "Near where", "Рядом с чем";
    PlaceHelp = "A town, a street or a postal code. Left empty: near our branch.", "Город, улица или индекс. Если пусто — рядом с нашим филиалом.";
    Branch = "Our branch", "Наш филиал";
    Find = "Find", "Найти";
    NearOther = "Or near:", "Или рядом с:";
    NearBranch = "Near our branch", "Рядом с нашим филиалом";
    PlaceUnknown = "Our directory knows no place by this name. Shown is what is near our branch.", "Такого места в нашем справочнике нет. Показано то, что рядом с нашим филиалом.";
    PlaceNone = "Where our branch is has not been entered, so the order is by name.", "Место филиала не указано, поэтому порядок по названию.";

    OursTitle = "We have it ourselves", "Это есть у нас";
    FoundTitle = "Who has it", "У кого это есть";
    FoundOrder = "Those who are open now come first, the nearest before the rest.", "Сначала те, кто сейчас открыт, ближние раньше.";
    FoundNobody = "Nobody in our directory offers this. Write down the need all the same; whoever runs the network can add who has it.", "В справочнике никого с этим нет. Всё равно запишите, что нужно: тот, кто ведёт сеть, добавит, у кого это есть.";
    OpenNow = "open now", "сейчас открыто";
    ClosedOpens = "closed; opens", "закрыто; откроется";
    ClosedNow = "closed", "закрыто";
    HoursUnknown = "hours not known", "часы работы неизвестны";
    AllDay = "round the clock", "круглосуточно";
    Site = "site", "сайт";

    PersonTitle = "For whom", "Для кого";
    StrangerName = "Name", "Имя";
    StrangerPhone = "Telephone, for one call back", "Телефон, для одного звонка";
    HasCard = "They have a card: find the person", "У человека есть карта: найти";
    Time = "Time there", "Время приёма там";
    TimeHelp = "The time by the clock there; leave it empty if none was booked.", "Время по тамошним часам; если не назначено, оставьте пустым.";
    Arrange = "Arranged", "Договорились";
    OnlyNeed = "Only write down the need", "Только записать, что нужно";
    Provider = "Where to", "Куда";

    OpenTitle = "Under way", "В работе";
    OpenTitleOf = "What is under way for this person", "Что в работе для этого человека";
    OpenNothing = "Nothing is under way.", "Ничего нет в работе.";
    OpenMore = "There are more than are shown here.", "Показано не всё.";
    AllOpen = "All that is under way", "Всё, что в работе";
    Since = "Written down", "Записано";
    StepBook = "Next: find a place and book", "Дальше: найти место и договориться";
    StepCall = "Next: call back once, to say where to go", "Дальше: один раз перезвонить и сказать, куда идти";
    StepCalling = "Call now: the call is yours", "Звоните: звонок ваш";
    StepTaken = "A colleague is calling", "Звонит коллега";
    StepClose = "Next: close it, and expect nothing for it", "Дальше: закрыть и ничего за это не ждать";
    StepClosed = "Closed", "Закрыто";
    DoBook = "Find a place", "Найти место";
    DoCall = "Take the call", "Взять звонок";
    DoClose = "Close", "Закрыть";
    DoCloseTold = "They know already: close without a call", "Уже знает: закрыть без звонка";
    Tell = "Tell them", "Скажите";
    When = "When", "Когда";
    NoNumber = "No number was left; there is nobody to call.", "Номера нет, звонить некуда.";
    ForgottenOn = "Name and number are erased on", "Имя и номер будут уничтожены";
    KeptAsPatient = "This person is our patient and stays known to us.", "Это наш пациент, сведения о нём остаются.";
    Alike = "Perhaps we know this person already:", "Возможно, этот человек нам уже известен:";
    AlikeHelp = "If it is the same person, carry on with that record.", "Если это тот же человек, продолжайте с той записью.";

    LeftTitle = "Clinicians who have left", "Врачи, которые ушли";
    LeftWhat = "Whoever asks for them is told the new clinic. A clinician’s own number is never given out, and there is no place here where it could stand.", "Тому, кто спрашивает, называют новую клинику. Личный номер врача не даётся никому, и записать его здесь негде.";
    LeftFind = "Name of the clinician or of the clinic", "Имя врача или название клиники";
    LeftNobody = "Nobody by this name has left.", "С таким именем никто не уходил.";
    LeftNew = "Now at", "Теперь здесь";
    LeftWho = "Clinician", "Врач";
    LeftNoName = "name not kept", "имя не хранится";
    LeftAdd = "A clinician has left", "Врач ушёл";
    LeftAddName = "Name, by which patients ask", "Имя, по которому спрашивают пациенты";
    LeftAddClinic = "The new clinic", "Новая клиника";
    LeftAddId = "Id in the appointment book, if you know it", "Идентификатор в книге записи, если он известен";
    LeftSave = "Write down", "Записать";
}
}

/// How far it is.
pub(crate) fn distance(language: Language, km: f64) -> String {
    let number = if km < 10.0 { (km * 10.0).round() / 10.0 } else { km.round() };
    let number = super::feedback::decimal(language, number);
    match language {
        Language::English => format!("{number} km"),
        Language::Russian => format!("{number} км"),
    }
}

/// The label of a field of the desk's forms, by its name in the API.
pub(crate) fn field(name: &str) -> Option<Care> {
    Some(match name {
        "q" => Care::Place,
        "provider" => Care::Provider,
        "new_clinic" => Care::LeftAddClinic,
        "clinician" => Care::LeftAddId,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_in_both_languages() {
        tact_words::check_all(Care::ALL);
    }

    #[test]
    fn distances_are_said_as_one_says_them() {
        for (km, english, russian) in
            [(0.04, "0 km", "0 км"), (2.449, "2.4 km", "2,4 км"), (9.96, "10 km", "10 км"), (1416.7, "1417 km", "1417 км")]
        {
            assert_eq!((distance(Language::English, km).as_str(), distance(Language::Russian, km).as_str()), (english, russian));
        }
    }
}
