//! The lists of a desk, as the API has them, in the words of whoever sits there.

use super::*;

/// The most entries of one list on a page; a page longer than that is read by nobody.
const MOST: usize = 200;

/// The most that is done that is listed.
const MOST_DONE: usize = 60;

/// A worklist, as far as a desk shows it.
#[derive(Debug, Deserialize)]
struct Worklist {
    now: DateTime<Utc>,
    entries: Vec<Owed>,
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Owed {
    patient: Uuid,
    name: Option<String>,
    phone: Option<String>,
    #[serde(default)]
    external_ids: Vec<ExternalId>,
    purpose: SmolStr,
    about: Uuid,
    occasion: SmolStr,
    at: DateTime<Utc>,
    due_from: DateTime<Utc>,
    due_until: Option<DateTime<Utc>>,
    channel: Option<SmolStr>,
    callable: bool,
    #[serde(default)]
    reasons: Vec<Value>,
    next: Option<DateTime<Utc>>,
    #[serde(default)]
    together: Vec<Uuid>,
    taken: Option<Taken>,
}

#[derive(Debug, Deserialize)]
struct ExternalId {
    value: String,
}

#[derive(Debug, Deserialize)]
struct Taken {
    actor: Option<SmolStr>,
    permit: Option<Uuid>,
    since: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Deserialize)]
struct Made {
    contacts: Vec<DoneToday>,
}

#[derive(Debug, Deserialize)]
struct DoneToday {
    patient: Uuid,
    name: Option<String>,
    purpose: SmolStr,
    channel: SmolStr,
    outcome: SmolStr,
    time: DateTime<Utc>,
}

/// The lists.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// The moment at which they were looked at: `14:05`.
    pub(crate) at: String,
    pub(crate) mine: Vec<Listed>,
    pub(crate) announce: Vec<Listed>,
    pub(crate) due: Vec<Listed>,
    pub(crate) later: Vec<Listed>,
    pub(crate) blocked: Vec<Listed>,
    pub(crate) done: Vec<Finished>,
    /// Whether there is more than a page holds.
    pub(crate) more: bool,
    /// How much there is, in words.
    pub(crate) summary: String,
}

/// What is done today.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) at: String,
    pub(crate) patient: Uuid,
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) outcome: &'static str,
}

/// An entry.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) patient: Uuid,
    pub(crate) name: String,
    pub(crate) phone: Option<String>,
    pub(crate) dial: Option<String>,
    pub(crate) purpose: SmolStr,
    pub(crate) purpose_word: String,
    pub(crate) about: Uuid,
    /// Why: the occasion, and when it is.
    pub(crate) why: String,
    pub(crate) channel: SmolStr,
    pub(crate) channel_word: &'static str,
    /// Until when, or from when.
    pub(crate) when: String,
    /// Why not, each in a sentence.
    pub(crate) reasons: Vec<String>,
    pub(crate) next: Option<String>,
    /// Who else is told with it.
    pub(crate) with: Vec<String>,
    pub(crate) together: String,
    pub(crate) also: String,
    pub(crate) permit: Option<Uuid>,
    /// Who has it, or until when it is one's own.
    pub(crate) taken: Option<String>,
    /// For an announcement: the window to name.
    pub(crate) window: Option<(String, String)>,
}

/// Asks for the lists.
pub(crate) async fn of(person: &Person, branch: &Branch) -> Result<Lists, Failure> {
    let path = format!("/v1/branches/{}/worklist", branch.branch);
    let view = |view: &str| query(&path, &[("view", view), ("limit", "200")]);
    let (due, ahead, announce) = (view("due"), view("today"), view("announce"));
    let (due, ahead, announce) =
        futures::try_join!(person.get::<Worklist>(&due), person.get::<Worklist>(&ahead), person.get::<Worklist>(&announce))?;
    let wall = Wall::new(person.language, &branch.time_zone, due.now);
    let who = staff(person, due.entries.iter().filter_map(|owed| owed.taken.as_ref()?.actor.as_deref())).await?;
    let names: std::collections::HashMap<Uuid, String> =
        due.entries.iter().map(|owed| (owed.patient, named(person.language, owed))).collect();
    let own: Vec<(Uuid, SmolStr, Uuid)> = due
        .entries
        .iter()
        .filter(|owed| is_mine(person, owed))
        .filter_map(|owed| Some((owed.patient, owed.purpose.clone(), owed.taken.as_ref()?.permit?)))
        .collect();
    let telling = Telling { person, wall, who: &who, names: &names, own: &own };
    let mut lists = Lists { at: wall.time(due.now), more: due.next.is_some() || announce.next.is_some(), ..Lists::default() };
    for owed in due.entries.into_iter().take(MOST) {
        let (mine, callable) = (is_mine(person, &owed), owed.callable);
        let listed = telling.listed(owed, When::Until);
        match (mine, callable) {
            (true, _) => lists.mine.push(listed),
            (false, true) => lists.due.push(listed),
            (false, false) => lists.blocked.push(listed),
        }
    }
    let today = wall.date(due.now);
    let later = ahead.entries.into_iter().filter(|owed| wall.date(owed.due_from) == today);
    lists.later = later.map(|owed| telling.listed(owed, When::From)).collect();
    lists.announce = announce.entries.into_iter().map(|owed| telling.listed(owed, When::Announce)).collect();
    lists.done = done(person, branch, &wall).await?;
    let count = |n: usize, english, russian| person.language.count(u64::try_from(n).unwrap_or(0), english, russian);
    lists.summary = match person.language {
        Language::English => format!(
            "{} to make now, {} later today, {} to leave alone",
            count(lists.due.len() + lists.mine.len(), ["contact", "contacts"], [""; 3]),
            lists.later.len(),
            lists.blocked.len()
        ),
        Language::Russian => format!(
            "сейчас — {}, позже сегодня — {}, не беспокоить — {}",
            count(lists.due.len() + lists.mine.len(), [""; 2], ["обращение", "обращения", "обращений"]),
            lists.later.len(),
            lists.blocked.len()
        ),
    };
    Ok(lists)
}

fn is_mine(person: &Person, owed: &Owed) -> bool {
    let actor = owed.taken.as_ref().and_then(|taken| taken.actor.as_deref());
    actor.and_then(id_of) == Some(person.me.actor)
}

fn named(language: Language, owed: &Owed) -> String {
    let known = owed.name.clone().or_else(|| owed.external_ids.first().map(|id| id.value.clone()));
    known.unwrap_or_else(|| Say::NoName.word(language).to_owned())
}

/// The names of those who did something, by their ids.
pub(crate) async fn staff(
    person: &Person,
    actors: impl Iterator<Item = &str>,
) -> Result<std::collections::HashMap<String, String>, Failure> {
    #[derive(Deserialize)]
    struct Staff {
        staff: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        actor: Uuid,
        label: String,
    }
    let mut ids: Vec<String> = actors.filter_map(|actor| id_of(actor).map(|id| id.to_string())).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(std::collections::HashMap::new());
    }
    let known: Staff = person.get(&query("/v1/staff", &[("ids", &ids.join(","))])).await?;
    Ok(known.staff.into_iter().map(|one| (one.actor.to_string(), one.label)).collect())
}

/// The id in an actor such as `staff:0198…`.
pub(crate) fn id_of(actor: &str) -> Option<Uuid> {
    actor.rsplit([':', '/']).next()?.parse().ok()
}

async fn done(person: &Person, branch: &Branch, wall: &Wall) -> Result<Vec<Finished>, Failure> {
    let made: Made = person.get(&format!("/v1/branches/{}/day?counts=false", branch.branch)).await?;
    let finished = made.contacts.into_iter().take(MOST_DONE).map(|one| Finished {
        at: wall.time(one.time),
        patient: one.patient,
        name: one.name.unwrap_or_else(|| Say::NoName.word(person.language).to_owned()),
        what: format!("{}, {}", words::purpose(person.language, &one.purpose), words::channel(person.language, &one.channel)),
        outcome: words::outcome(person.language, &one.outcome),
    });
    Ok(finished.collect())
}

#[derive(Clone, Copy)]
enum When {
    Until,
    From,
    Announce,
}

struct Telling<'a> {
    person: &'a Person,
    wall: Wall,
    who: &'a std::collections::HashMap<String, String>,
    names: &'a std::collections::HashMap<Uuid, String>,
    own: &'a [(Uuid, SmolStr, Uuid)],
}

impl Telling<'_> {
    fn listed(&self, owed: Owed, when: When) -> Listed {
        let language = self.person.language;
        let wall = &self.wall;
        let name = named(language, &owed);
        let channel = owed.channel.clone().unwrap_or_else(|| "phone".into());
        let mine = is_mine(self.person, &owed);
        let taken = owed.taken.as_ref().map(|taken| match (mine, taken.expires_at) {
            (true, Some(until)) => format!("{} {}", Say::YoursUntil.word(language), wall.time(until)),
            (true, None) => Say::YoursBegun.word(language).to_owned(),
            (false, _) => {
                let who = taken.actor.as_deref().and_then(id_of).and_then(|id| self.who.get(&id.to_string()).cloned());
                let who = who.unwrap_or_else(|| Say::Somebody.word(language).to_owned());
                format!("{who}: {} {}", Say::HasItSince.word(language), wall.brief(taken.since))
            }
        });
        let until = |owed: &Owed| owed.due_until.map(|until| format!("{} {}", Say::Until.word(language), wall.brief(until)));
        let (when_text, window) = match when {
            When::Until => (until(&owed).unwrap_or_default(), None),
            When::From => (format!("{} {}", Say::From.word(language), wall.brief(owed.due_from)), None),
            When::Announce => {
                // The whole window in which the contact may be made: the patient need only know the day.
                let until = owed.due_until.unwrap_or(owed.due_from + Duration::days(14));
                let text = format!("{} – {}", wall.day(wall.date(owed.due_from)), wall.day(wall.date(until)));
                (text, Some((owed.due_from.to_rfc3339(), until.to_rfc3339())))
            }
        };
        // Who has it is said in its own place.
        let refused = owed.reasons.iter().filter(|reason| owed.taken.is_none() || reason["code"] != "permit_outstanding");
        let with: Vec<Uuid> = owed.together.iter().copied().filter(|other| self.names.contains_key(other)).collect();
        let also = self.own.iter().filter(|(patient, purpose, _)| with.contains(patient) && *purpose == owed.purpose);
        Listed {
            id: format!("{}-{}-{}", owed.patient, owed.purpose, owed.about),
            key: key(),
            patient: owed.patient,
            dial: owed.phone.as_deref().map(dial),
            phone: owed.phone,
            purpose_word: words::purpose(language, &owed.purpose),
            why: words::why(language, &owed.occasion, &wall.moment(owed.at)),
            about: owed.about,
            channel_word: words::channel(language, &channel),
            channel,
            when: when_text,
            reasons: refused.map(|reason| words::refusal(wall, reason)).collect(),
            next: owed.next.filter(|_| owed.taken.is_none()).map(|next| wall.brief(next)),
            together: with.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            with: with.iter().filter_map(|other| self.names.get(other).cloned()).collect(),
            also: also.map(|(patient, _, permit)| format!("{patient}:{permit}")).collect::<Vec<_>>().join(","),
            permit: owed.taken.as_ref().filter(|_| mine).and_then(|taken| taken.permit),
            taken,
            window,
            purpose: owed.purpose,
            name,
        }
    }
}
