//! What happened, in one line: the heading of each event.

use tact_domain::Direction;
use tact_domain::patient::events::Event;

use crate::Word;

impl Word for Event {
    fn both(&self) -> (&'static str, &'static str) {
        match self {
            Self::Registered(_) => ("The patient became known to the network", "Пациент внесён в базу сети"),
            Self::ProfileChanged(_) => ("The patient’s details changed", "Изменены сведения о пациенте"),
            Self::Merged(_) => ("This record was joined to another and closed", "Запись присоединена к другой и закрыта"),
            Self::Absorbing(_) => ("The joining of another record began", "Начато присоединение другой записи"),
            Self::Absorbed(_) => ("Another record was joined to this one", "К этой записи присоединена другая"),
            Self::Separated(_) => ("The joining of two records was undone", "Объединение двух записей отменено"),
            Self::Died(_) => ("The patient’s death was recorded", "Записано, что пациент умер"),
            Self::Restored(_) => ("The record of death was corrected", "Запись о смерти исправлена: пациент жив"),
            Self::Erased(_) => ("Personal data was erased", "Персональные данные уничтожены"),
            Self::ConsentGranted(_) => ("Consent given", "Дано согласие"),
            Self::ConsentWithdrawn(_) => ("Consent withdrawn", "Согласие отозвано"),
            Self::PreferenceSet(_) => ("The patient’s wishes", "Пожелания пациента"),
            Self::Booked(_) => ("Appointment booked", "Назначен приём"),
            Self::Rescheduled(_) => ("Appointment moved", "Приём перенесён"),
            Self::Cancelled(_) => ("Appointment cancelled", "Приём отменён"),
            Self::Completed(_) => ("Appointment took place", "Приём состоялся"),
            Self::Missed(_) => ("The patient did not come", "Пациент не пришёл на приём"),
            Self::Requested(_) => ("The patient asked to be contacted", "Пациент попросил с ним связаться"),
            Self::Announced(_) => ("The patient was told to expect a contact", "Пациента предупредили об обращении"),
            Self::Permitted(_) => ("Contact permitted", "Обращение разрешено"),
            Self::Refused(_) => ("Contact refused", "В обращении отказано"),
            Self::Released(_) => ("Permit given back unused", "Разрешение возвращено неиспользованным"),
            Self::Started(_) => ("Contact begun", "Обращение начато"),
            Self::Made(made) => match made.direction {
                Direction::Outbound => ("The clinic contacted the patient", "Клиника обратилась к пациенту"),
                Direction::Inbound => ("The patient contacted the clinic", "Пациент обратился в клинику"),
            },
            Self::Corrected(_) => ("It became known how a contact ended", "Уточнено, чем закончилось обращение"),
            Self::Credited(_) => {
                ("Somebody came on this patient’s recommendation", "По рекомендации пациента пришёл другой человек")
            }
            Self::ReferralOpened(_) => ("Help elsewhere is sought", "Начат поиск помощи в другом учреждении"),
            Self::ReferralArranged(_) => ("Help elsewhere was found", "Помощь в другом учреждении найдена"),
            Self::ReferralClosed(_) => ("Help elsewhere: closed", "Поиск помощи завершён"),
            Self::FeedbackGiven(_) => ("The patient gave feedback", "Пациент дал отзыв"),
        }
    }
}
