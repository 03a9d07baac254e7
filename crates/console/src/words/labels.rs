//! Titles, headings, names of fields and buttons, standing sentences.

tact_words::labels! {
/// Something that the pages say.
pub(crate) enum Say {
    // Around every page.
    SkipToMain = "To the content", "К содержанию";
    Navigation = "Parts of Tact", "Разделы";
    NavDesk = "Desk", "Рабочий стол";
    NavElsewhere = "Help elsewhere", "Где помогут";
    NavFeedback = "Feedback", "Отзывы";
    NavNetwork = "Network", "Сеть";
    NavRegulator = "For the regulator", "Проверяющему";
    FindPerson = "Name or number", "Имя или номер";
    ThisLanguage = "English", "Русский";
    SignIn = "Sign in", "Войти";
    SignOut = "Sign out", "Выйти";
    AwayNotice = "The server does not answer. What you type stays here; this page goes on by itself.", "Сервер не отвечает. Введённое останется на странице, она продолжит работу сама.";
    BackNotice = "The server answers again.", "Сервер снова отвечает.";

    // Signing in.
    SignInProvider = "Sign in with your organisation", "Войти через организацию";
    SignedIn = "You are signed in", "Вы вошли";
    ToProvider = "To your organisation’s sign-in", "К входу вашей организации";
    GoOn = "Continue", "Продолжить";
    SignInOr = "or with a link that you were given", "или по выданной ссылке";
    SignInLink = "Your link", "Ваша ссылка";
    SignInLinkHelp = "It works once. Whoever runs the network gives out a new one.", "Ссылка действует один раз. Новую выдаёт тот, кто ведёт систему.";
    LinkWrong = "This link has been used, has run out, or is not one of ours.", "Ссылка уже использована, истекла или выдана не здесь.";

    // What does not work.
    Trouble = "That did not work", "Не получилось";
    TroubleSignedOut = "Your session has ended", "Сеанс завершён";
    TroubleAway = "The server cannot be reached just now", "Сервер сейчас недоступен";
    TroubleNoPage = "There is no such page", "Такой страницы нет";
    TroubleNotFound = "There is nothing here by this name", "Здесь такого нет";
    TroubleBadForm = "This form is not one of ours", "Эта форма отправлена не с нашей страницы";
    TroubleOurs = "Something went wrong here, and we have written it down", "Что-то сломалось у нас, и мы это записали";
    TroubleForbidden = "Your role does not allow this", "Ваша роль этого не позволяет";
    TroubleConflict = "It has changed meanwhile", "За это время всё изменилось";
    TroubleUntrue = "Something that was typed cannot be", "Введённое не может быть верным";
    TroubleTooLarge = "That is more text than fits", "Слишком длинный текст";
    TroubleSetAside = "An entry of this patient cannot be read, so nothing is permitted", "Одна из записей пациента не читается, поэтому ничего не разрешается";
    TroubleUndecidable = "It cannot be checked just now whether a contact is right, so it is not permitted", "Сейчас нельзя проверить, уместно ли обращение, поэтому оно не разрешено";
    TroubleTooMany = "Too many attempts", "Слишком много попыток";
    WaySignIn = "Sign in again; you come back to where you were.", "Войдите снова — вернётесь туда же.";
    WayWait = "Nothing was lost. Try again in a moment.", "Ничего не потеряно. Попробуйте через минуту.";
    WayStart = "Go back to the start, or look for the person by name or number.", "Вернитесь к началу или найдите человека по имени или номеру.";
    WayReload = "Go back and open the page again.", "Вернитесь и откройте страницу заново.";
    WayTold = "Whoever runs the system sees it in the log.", "Тот, кто ведёт систему, увидит это в журнале.";
    WayField = "Go back, mend it and send it again: what you typed is still there.", "Вернитесь, исправьте и отправьте снова: введённое сохранилось.";
    WayForbidden = "If you need it for your work, ask whoever runs the network.", "Если это нужно для работы, обратитесь к руководителю сети.";
    ToStart = "To the start", "К началу";
    ForSupport = "For whoever runs the system", "Для того, кто ведёт систему";

    // The desk.
    DeskTitle = "Desk", "Рабочий стол";
    NoBranchTitle = "No branch", "Нет филиала";
    NoBranchWhat = "There is no branch whose desk you may sit at. Whoever runs the network lists branches and gives access.", "Нет филиала, в котором вы работаете. Филиалы и доступ заводит тот, кто ведёт сеть.";
    OtherBranch = "Branch", "Филиал";
    AsOf = "as of", "на";
    MineTitle = "Yours now", "У вас в работе";
    AnnounceTitle = "Tell them before they leave", "Предупредить, пока не ушли";
    AnnounceWhat = "We will ask how they feel after surgery. They are to know that we will call.", "После операции мы спросим о самочувствии. Пациент должен знать, что мы позвоним.";
    DueTitle = "To make now", "Сейчас";
    LaterTitle = "Later today", "Позже сегодня";
    BlockedTitle = "Leave alone", "Не беспокоить";
    BlockedWhat = "They are owed it, but not now, and here is why.", "Повод есть, но не сейчас, и вот почему.";
    DoneTitle = "Done today", "Сделано сегодня";
    NothingDue = "Nobody is to be contacted now. That is as it should be.", "Сейчас обращаться не к кому. Так и должно быть.";
    NothingBlocked = "Nobody.", "Никого.";
    NothingDone = "Nothing yet.", "Пока ничего.";
    More = "There is more than fits on one page; what is due first is shown.", "Показано не всё: сначала то, чему раньше срок.";
    NoName = "No name on record", "Имя не записано";
    Take = "Take", "Взять";
    TakeFor = "Take for all", "Взять для всех";
    GiveBack = "Give back", "Вернуть";
    Until = "until", "до";
    From = "from", "с";
    YoursUntil = "yours until", "ваше до";
    YoursBegun = "yours, begun", "ваше, начато";
    HasItSince = "has it since", "занимается с";
    Somebody = "A colleague", "Коллега";
    AskAgain = "Makes sense again:", "Можно вернуться:";
    TogetherWith = "One contact also for", "Одним обращением также для";
    WasTold = "Was told", "Предупредил(а)";
    TellThem = "“We will call you about how you feel”", "«Мы позвоним узнать, как вы себя чувствуете»";
    Outcome = "How did it end?", "Чем закончилось?";
    OutcomeReached = "Reached", "Поговорили";
    OutcomeNoAnswer = "No answer", "Не ответили";
    OutcomeVoicemail = "Machine", "Автоответчик";
    OutcomeBusy = "Busy", "Занято";
    OutcomeWrongNumber = "Wrong number", "Чужой номер";
    OutcomeDeclined = "Did not want it", "Не захотели";
    OutcomeFailed = "Was not sent", "Не ушло";
    Note = "Note", "Заметка";
    NoteOptional = "Note, if there is one", "Заметка, если нужна";
    Keys = "Keys: ↑ ↓ move, T take, 1–6 outcome, Enter open, / find", "Клавиши: ↑ ↓ — по списку, T — взять, 1–6 — итог, Enter — открыть, / — найти";

    // What has just been done.
    DoneAnnounced = "Written down: the patient was told.", "Записано: пациент предупреждён.";
    DoneConsent = "The consent is recorded.", "Согласие записано.";
    DoneWithdrawn = "The consent is withdrawn.", "Согласие отозвано.";
    DoneLeftAlone = "Recorded: from now on only the patient calls.", "Записано: теперь звонит только сам пациент.";
    DoneReachable = "Recorded: the patient may be contacted again.", "Записано: пациенту снова можно звонить.";
    DoneRequest = "The request is on the worklist.", "Просьба добавлена в список.";
    DoneContact = "The contact is recorded.", "Обращение записано.";
    DoneReleased = "Given back: it counts no longer.", "Возвращено: больше не учитывается.";
    EndedAlready = "That was over already: this is how it stands now", "Это уже закончилось: вот как всё обстоит сейчас";
    DonePermitted = "It is yours. Make the contact, then say how it ended.", "Ваше. Свяжитесь, затем отметьте итог.";
    DoneRefused = "Not now: the reasons are with the entry.", "Сейчас нельзя: причины указаны.";
    DoneRegistered = "The person is registered.", "Человек записан.";
    DoneReferral = "Written down what is needed.", "Записано, что нужно.";
    DoneArranged = "Arranged. The one call back is on the worklist.", "Договорились. Единственный звонок добавлен в список.";
    DoneClosed = "Closed.", "Закрыто.";
    DoneDeparted = "Written down: whoever asks is told the new clinic.", "Записано: тем, кто спросит, назовут новую клинику.";
    DoneFeedback = "Thank you: the feedback is recorded.", "Спасибо: отзыв записан.";
    DoneCompleted = "The appointment took place.", "Приём состоялся.";
    DoneMissed = "Recorded that the patient did not come.", "Записано: пациент не пришёл.";
    DoneCancelled = "The appointment is cancelled.", "Запись отменена.";
    DoneBooked = "The appointment is booked.", "Запись сделана.";

    // Finding.
    FindTitle = "Find", "Поиск";
    FindHelp = "Three letters of the name, or three digits of the number.", "Три буквы имени или три цифры номера.";
    FindNothing = "Nobody is known by this.", "По этому запросу никого нет.";
    NewPerson = "Register somebody new", "Записать нового человека";
    Register = "Register", "Записать";
    FindMore = "There are more: type a little more.", "Есть ещё: уточните запрос.";

    // A person.
    Name = "Name", "Имя";
    Phone = "Telephone", "Телефон";
    Email = "E-mail", "Эл. почта";
    BirthDate = "Date of birth", "Дата рождения";
    Branch = "Branch", "Филиал";
    Channel = "Channel", "Способ связи";
    Purpose = "Purpose", "Цель";
    Need = "What is needed", "Что нужно";
    Document = "Document", "Документ";
    StartsAt = "Starts at", "Начало";
    QuietHours = "Quiet hours", "Тихие часы";
    TheirTime = "At the patient’s place it is", "У пациента сейчас";
    MentionTitle = "Mention at this visit", "Сказать на этом визите";
    MentionWhat = "Said now, it saves a call later.", "Сказанное сейчас избавит от звонка потом.";
    SaidIt = "Said it", "Сказал(а)";
    MentionNothing = "Nothing: there is no call that could be spared.", "Ничего: звонков впереди нет.";
    NowTitle = "What may be done now", "Что можно сейчас";
    NotNowTitle = "What not, and why", "Чего нельзя, и почему";
    NothingNow = "There is no reason to contact this person now.", "Сейчас нет повода обращаться к этому человеку.";
    QuotaTitle = "How often we have been in touch", "Как часто мы обращались";
    QuotaFull = "used up", "исчерпано";
    QuotaFrees = "frees", "освободится";
    StoryTitle = "What happened", "Что было";
    WishesTitle = "Wishes and consents", "Пожелания и согласия";
    LeaveAlone = "“Don’t call me, I’ll call you”", "«Не звоните мне, я сам(а) позвоню»";
    LeaveAloneNow = "This person asked us not to call. We don’t.", "Человек просил не звонить. Мы не звоним.";
    MayCallAgain = "They say we may call again", "Говорит, что снова можно звонить";
    Consents = "Consents", "Согласия";
    ConsentNone = "None on record.", "Не записано.";
    TakeConsent = "Take a consent", "Взять согласие";
    ConsentDocument = "Number of the signed document", "Номер подписанного документа";
    ConsentWithdraw = "Withdraw", "Отозвать";
    ConsentActive = "given", "дано";
    ConsentWithdrawn = "withdrawn", "отозвано";
    ConsentExpired = "run out", "истекло";
    AppointmentsTitle = "Appointments", "Приёмы";
    AppointmentNone = "Nothing is booked.", "Записей нет.";
    CallMeTitle = "Asks to be called back", "Просит перезвонить";
    CallMe = "Put on the worklist", "Добавить в список";
    RecordTitle = "A contact that has happened", "Состоявшееся обращение";
    RecordWhat = "Also one that nobody asked a permit for: what happened is written down.", "И то, на которое не брали разрешения: что было, то записывается.";
    RecordInbound = "The patient called us", "Пациент обратился к нам";
    RecordOutbound = "We called the patient", "Мы обратились к пациенту";
    Record = "Write down", "Записать";
    Breach = "without a permit", "без разрешения";
    StandingDied = "This person has died. Nobody calls.", "Человек умер. Никто не звонит.";
    StandingErased = "The personal data of this person was erased.", "Персональные данные уничтожены.";
    StandingMerged = "This record was joined to another.", "Запись объединена с другой.";
    SetAside = "An entry of this record cannot be read; nothing is permitted until it has been looked at.", "Одна из записей не читается; пока не разберутся, ничего не разрешается.";
    LooksTitle = "Who looked at this page", "Кто смотрел эту страницу";
    Completed = "Took place", "Состоялся";
    Missed = "Did not come", "Не пришёл";
    Cancelled = "Cancelled", "Отменён";
    CancelByPatient = "Patient cancels", "Отменяет пациент";
    CancelByClinic = "We cancel", "Отменяем мы";
    BookTitle = "Book an appointment", "Записать на приём";
    Book = "Book", "Записать на приём";
    Kind = "Kind", "Вид";
    Optional = "optional", "необязательно";
    Earlier = "Earlier", "Раньше";

    // For the regulator.
    CaseTitle = "Case", "Дело";
    CaseFind = "Find a case", "Найти дело";
    CaseId = "Id of the patient or of the contact", "Идентификатор пациента или обращения";
    CaseHelp = "The id of a patient, or of one contact, as a complaint or an earlier file names it.", "Идентификатор пациента или одного обращения: он указан в жалобе или в прежнем файле.";
    CaseUnknown = "Nobody has this id here. A file can prove that too: ask for it with the command line.", "Такого идентификатора здесь нет. Это тоже можно доказать файлом: запросите его командой.";
    CaseOpen = "Open", "Открыть";
    CaseTake = "Take the file with its proofs", "Получить файл с доказательствами";
    CaseTakeWhat = "That it was handed out, to whom and on what ground, is recorded before the first byte goes out.", "Кому и на каком основании выдан файл, записывается до выдачи первого байта.";
    CaseMore = "The file holds more than is shown here.", "В файле больше, чем показано здесь.";
    Ground = "On what ground", "Основание";
    Form = "Form", "Вид";
    FormTact = "file that can be verified", "файл для проверки";
    FormPage = "page for reading", "страница для чтения";
    FormFhir = "FHIR R4 Bundle", "FHIR R4 Bundle (для систем)";
    Download = "Download", "Скачать";
    VerifyTitle = "Verify it without trusting us", "Проверить, не доверяя нам";
    VerifyWhat = "On any computer, without a network and without this server:", "На любом компьютере, без сети и без этого сервера:";
    VerifyKeys = "The network’s public keys, better kept from before:", "Открытые ключи сети, лучше сохранённые заранее:";
    PolicyVersion = "policy", "правила";
    When = "When", "Когда";
    FoundTitle = "What was done against the policy", "Что сделано против правил";
    FoundWhat = "Each contact is held against the policy of its time, by all that is known today.", "Каждое обращение сверено с правилами своего времени по всему, что известно сегодня.";
    FoundNothing = "Nothing was found.", "Ничего не найдено.";
    FoundColumn = "Finding", "Нарушение";
    ContactColumn = "Contact", "Обращение";
    FoundNoPermit = "Without a permit", "Без разрешения";
    FoundForbidden = "The policy forbids this purpose", "Цель запрещена правилами";
    FoundLimit = "Above the limit for the purpose", "Сверх ограничения для цели";
    FoundOverallLimit = "Above the limit over all purposes", "Сверх общего ограничения";
    FoundNoConsent = "Without consent", "Без согласия";
    FoundAnnouncement = "Not announced", "Без предупреждения";
    FoundOther = "Other", "Другое";
}
}
