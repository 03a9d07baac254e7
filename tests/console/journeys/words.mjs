// The visible names that journeys look for, in both languages.
export const words = {
  en: {
    mine: 'Yours now', due: 'To make now', blocked: 'Leave alone', announce: 'Tell them before they leave', done: 'Done today', later: 'Later today',
    take: 'Take', giveBack: 'Give back', reached: 'Reached', noAnswer: 'No answer', note: 'Note', told: 'Was told', notAnnounced: 'Nobody told the patient to expect it',
    find: 'Name or number', leaveAlone: '“Don’t call me, I’ll call you”', leftAlone: 'This person asked us not to call. We don’t.',
    signIn: 'Sign in', signOut: 'Sign out', forbidden: 'Your role does not allow this', away: 'The server does not answer', back: 'The server answers again',
    register: 'Register', name: 'Name', phone: 'Telephone', story: 'What happened', mention: 'Mention at this visit',
    elsewhere: 'Help elsewhere', need: 'What is needed', xRay: 'X-ray', callBack: 'Telephone, for one call back', arranged: 'Arranged',
    takeCall: 'Take the call', close: 'Close', noPage: 'There is no such page', left: 'A clinician has left', leftName: 'Name, by which patients ask', leftClinic: 'The new clinic', save: 'Write down', provider: 'Sign in with your organisation',
    takeConsent: 'Take a consent', document: 'Number of the signed document', has: 'has it since', surgery: 'Asking how the patient feels after surgery',
  },
  ru: {
    mine: 'У вас в работе', due: 'Сейчас', blocked: 'Не беспокоить', announce: 'Предупредить, пока не ушли', done: 'Сделано сегодня', later: 'Позже сегодня',
    take: 'Взять', giveBack: 'Вернуть', reached: 'Поговорили', noAnswer: 'Не ответили', note: 'Заметка', told: 'Предупредил(а)', notAnnounced: 'Пациента не предупредили',
    find: 'Имя или номер', leaveAlone: '«Не звоните мне, я сам(а) позвоню»', leftAlone: 'Человек просил не звонить. Мы не звоним.',
    signIn: 'Войти', signOut: 'Выйти', forbidden: 'Ваша роль этого не позволяет', away: 'Сервер не отвечает', back: 'Сервер снова отвечает',
    register: 'Записать', name: 'Имя', phone: 'Телефон', story: 'Что было', mention: 'Сказать на этом визите',
    elsewhere: 'Где помогут', need: 'Что нужно', xRay: 'рентген', callBack: 'Телефон, для одного звонка', arranged: 'Договорились',
    takeCall: 'Взять звонок', close: 'Закрыть', noPage: 'Такой страницы нет', left: 'Врач ушёл', leftName: 'Имя, по которому спрашивают пациенты', leftClinic: 'Новая клиника', save: 'Записать', provider: 'Войти через организацию',
    takeConsent: 'Взять согласие', document: 'Номер подписанного документа', has: 'занимается с', surgery: 'Вопрос о самочувствии после операции',
  },
};
