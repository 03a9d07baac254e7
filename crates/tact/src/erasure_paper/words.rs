//! What the act of an erasure says, in each language. A word that is not known here is shown as it is.

use super::Language;

/// The words of one language.
pub(super) struct Words {
    pub(super) tag: &'static str,
    pub(super) act: &'static str,
    pub(super) number: &'static str,
    pub(super) extract: &'static str,
    pub(super) operator: &'static str,
    pub(super) address: &'static str,
    pub(super) processor: &'static str,
    pub(super) subject: &'static str,
    pub(super) patient: &'static str,
    pub(super) also: &'static str,
    pub(super) only_the_id: &'static str,
    pub(super) categories: &'static str,
    pub(super) nothing: &'static str,
    pub(super) carrier: &'static str,
    pub(super) no_carrier: &'static str,
    pub(super) system: &'static str,
    pub(super) system_of: &'static str,
    pub(super) way: &'static str,
    pub(super) why: &'static str,
    pub(super) decided: &'static str,
    pub(super) when: &'static str,
    pub(super) repeated: &'static str,
    pub(super) ordered_by: &'static str,
    pub(super) signed_by: &'static str,
    pub(super) signature_columns: [&'static str; 4],
    pub(super) kept: fn(&str) -> String,
    pub(super) by_hand: &'static str,
    pub(super) journal_columns: [&'static str; 6],
    pub(super) journal_note: &'static str,
    /// Codes and what they mean.
    codes: &'static [(&'static str, &'static str)],
}

impl Words {
    pub(super) fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::Ru => &RU,
        }
    }

    fn meaning<'a>(&'a self, code: &'a str) -> &'a str {
        self.codes.iter().find(|(known, _)| *known == code).map_or(code, |(_, meaning)| meaning)
    }

    pub(super) fn reason<'a>(&'a self, code: &'a str) -> &'a str {
        self.meaning(code)
    }

    pub(super) fn category<'a>(&'a self, code: &'a str) -> &'a str {
        self.meaning(code)
    }

    pub(super) fn method<'a>(&'a self, code: &'a str) -> &'a str {
        self.meaning(code)
    }
}

static EN: Words = Words {
    tag: "en",
    act: "Act of destruction of personal data",
    number: "No. ________ of ______________ 20____",
    extract: "Extract of the event journal of the personal data information system",
    operator: "Operator",
    address: "Operator's address",
    processor: "Whoever processed the data on the operator's behalf, and their address (if anybody did)",
    subject: "Data subject",
    patient: "patient",
    also: "and, merged into the patient,",
    only_the_id: "The name is among what was destroyed; the id is other information that relates to this person (point 3 (c) of the Requirements)",
    categories: "Categories of personal data destroyed, and how many entries of each",
    nothing: "nothing was kept any more",
    carrier: "Material carriers, and sheets of each",
    no_carrier: "none: the data was processed by automated means; papers need an act of their own",
    system: "Information system that the data was destroyed in",
    system_of: "Tact, network",
    way: "Way of destruction",
    why: "Reason",
    decided: "Decided",
    when: "Date of destruction",
    repeated: "Destroyed again, after the data was restored from a copy",
    ordered_by: "Ordered in the information system by",
    signed_by: "Destroyed by",
    signature_columns: ["Full name", "Post", "Signature", "Date"],
    kept: |day| {
        format!(
            "Drawn up in accordance with order 179 of Roskomnadzor of 28 October 2022. This act and the extract are to be kept until {day}."
        )
    },
    by_hand: "(to be filled in by hand)",
    journal_columns: ["Position", "Event", "Stream", "Recorded", "By", "SHA-256"],
    journal_note: "Each entry carries the hash of the one before it in its stream; the SHA-256 is that of its stored bytes.",
    codes: &[
        ("patient_request", "the data subject's demand (Federal Law 152-FZ, article 14, part 1)"),
        ("consent_withdrawn", "the data subject's withdrawal of consent (Federal Law 152-FZ, article 21, part 5)"),
        ("purpose_achieved", "the purpose of processing is achieved (Federal Law 152-FZ, article 21, part 4)"),
        ("retention_over", "the period of storage is over (Federal Law 152-FZ, article 5, part 7)"),
        ("unlawful", "unlawful processing (Federal Law 152-FZ, article 21, part 3)"),
        ("authority_order", "the demand of the competent authority (Federal Law 152-FZ, article 23, part 3)"),
        ("name", "full names"),
        ("phone", "telephone numbers"),
        ("email", "addresses for electronic mail"),
        ("address", "postal addresses"),
        ("birth_date", "dates of birth"),
        ("text", "texts of notes, reasons and feedback"),
        ("external_id", "ids in other information systems"),
        ("rows_deleted_and_files_rewritten", "deleted from the database, and the database's files written anew without it"),
        ("rows_deleted", "deleted from the database; its place is overwritten by the database's own maintenance"),
    ],
};

static RU: Words = Words {
    tag: "ru",
    act: "Акт об уничтожении персональных данных",
    number: "№ ________ от «____» ______________ 20____ г.",
    extract: "Выгрузка из журнала регистрации событий в информационной системе персональных данных",
    operator: "Оператор",
    address: "Адрес оператора",
    processor: "Лицо, обрабатывавшее персональные данные по поручению оператора, и его адрес (если обработка поручалась)",
    subject: "Субъект персональных данных",
    patient: "пациент",
    also: "а также объединённые с ним записи",
    only_the_id: "Имя входит в состав уничтоженного; идентификатор — иная информация, относящаяся к этому лицу (подпункт «в» пункта 3 Требований)",
    categories: "Перечень категорий уничтоженных персональных данных и число записей каждой",
    nothing: "данных уже не было",
    carrier: "Материальные носители и число листов каждого",
    no_carrier: "нет: обработка велась с использованием средств автоматизации; на бумажные документы составляется отдельный акт",
    system: "Информационная система, из которой уничтожены персональные данные",
    system_of: "Tact, сеть",
    way: "Способ уничтожения",
    why: "Причина уничтожения",
    decided: "Решение принято",
    when: "Дата уничтожения",
    repeated: "Уничтожено повторно после восстановления из резервной копии",
    ordered_by: "Распоряжение в информационной системе отдал(а)",
    signed_by: "Персональные данные уничтожили",
    signature_columns: ["Фамилия, имя, отчество", "Должность", "Подпись", "Дата"],
    kept: |day| format!("Составлено по приказу Роскомнадзора от 28.10.2022 № 179. Акт и выгрузка хранятся до {day}."),
    by_hand: "(вписать от руки)",
    journal_columns: ["Позиция", "Событие", "Поток", "Записано", "Кем", "SHA-256"],
    journal_note: "Каждая запись содержит хеш предыдущей записи своего потока; SHA-256 вычислен по хранимым байтам записи.",
    codes: &[
        ("patient_request", "требование субъекта персональных данных (ч. 1 ст. 14 Федерального закона № 152-ФЗ)"),
        ("consent_withdrawn", "отзыв согласия субъектом персональных данных (ч. 5 ст. 21 Федерального закона № 152-ФЗ)"),
        ("purpose_achieved", "достижение цели обработки (ч. 4 ст. 21 Федерального закона № 152-ФЗ)"),
        ("retention_over", "истечение срока хранения (ч. 7 ст. 5 Федерального закона № 152-ФЗ)"),
        ("unlawful", "неправомерная обработка (ч. 3 ст. 21 Федерального закона № 152-ФЗ)"),
        ("authority_order", "требование уполномоченного органа (ч. 3 ст. 23 Федерального закона № 152-ФЗ)"),
        ("name", "фамилии, имена, отчества"),
        ("phone", "номера телефонов"),
        ("email", "адреса электронной почты"),
        ("address", "почтовые адреса"),
        ("birth_date", "даты рождения"),
        ("text", "тексты заметок, обоснований и отзывов"),
        ("external_id", "идентификаторы в других информационных системах"),
        ("rows_deleted_and_files_rewritten", "удаление из базы данных с перезаписью её файлов"),
        ("rows_deleted", "удаление из базы данных; освободившееся место перезаписывает сама база данных"),
    ],
};
