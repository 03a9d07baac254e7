//! Records a book: patient by patient in the order in which things happened, many patients at once, through the transact loop.
//!
//! Every id comes from the book's own, so that whatever is there already is known again: a run that broke off is taken up where it
//! stopped. The link from the book's id of a patient is written before the patient's first event, so that whoever has none has no events.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use anyhow::{Context, bail};
use futures::StreamExt;
use indicatif::ProgressBar;
use tact_domain::control::{BranchListed, DirectoryEvent};
use tact_domain::patient::Event;
use tact_domain::patient::state::Standing;
use tact_domain::{Actor, Branch, Purpose, Time, nearest_word, policy};
use tact_event_log::{LogError, Position, Stored, StreamId};
use tact_intake::{Became, Hand, Ids, Introduced, Stores, introduce};
use tact_personal::{ExternalId, NewPerson};
use tact_service::transact::{Command, Failure, Patient};
use uuid::Uuid;

use super::account::{Account, Refusal};
use super::book::Book;
use super::facts::{self, Fact, What};
use super::mapping::Mapping;

/// Patients that are recorded at the same time.
const AT_ONCE: usize = 512;
/// Patients whose links are written in one transaction.
const CHUNK: usize = 4096;
/// Links that are read at once.
const LINKS: u32 = 10_000;
/// Reading a patient's stream costs about as much as reading so many events of the whole log in a row, or more.
const EVENTS_FOR_ONE_PATIENT: usize = 32;
/// The name under which the log is read through. The NATS user that imports must be allowed a consumer of this name.
const READER: &str = "import";
/// Events of the whole log that are read at once, and how long to wait for some.
const EVENTS: usize = 5000;
const EVENTS_WAIT: std::time::Duration = std::time::Duration::from_secs(10);

/// Records everything in the book that is not later than the clock, or says what would be recorded.
///
/// # Errors
/// A database or the log that could not do it. What was recorded until then stays; a second run goes on from there.
pub async fn write(
    stores: Stores<'_>,
    book: &Book,
    mapping: &Mapping,
    dry_run: bool,
    progress: &ProgressBar,
) -> anyhow::Result<Account> {
    let clock = stores.transactor.clock().now();
    let ids = Ids { keys: stores.keys, system: &mapping.system };
    let mut run = Run { stores, book, mapping, dry_run, clock, ids, there: HashSet::new() };
    let mut account = Account::new(dry_run, clock, book.read, mapping);
    account.refusals = book.refused.clone();
    run.stores.control.refresh().await.context("the policies and the directory cannot be read")?;
    run.purposes()?;
    run.branches(&mut account).await?;
    let linked = run.linked().await?;
    run.there = run.recorded(&linked).await;
    let run = run;
    let mut plans = run.plans();
    progress.set_length(plans.len() as u64);
    let mut rows = vec![RowFate::default(); book.rows.len()];
    for chunk in plans.chunks_mut(CHUNK) {
        let erased = run.link(chunk, &linked).await?;
        let mut done = futures::stream::iter(chunk.iter())
            .map(|plan| run.patient(plan, linked.contains(&plan.patient), erased.contains(&plan.patient)))
            .buffer_unordered(AT_ONCE);
        while let Some(written) = done.next().await {
            run.enter(written?, &mut account, &mut rows);
            progress.inc(1);
        }
    }
    for (row, fate) in book.rows.iter().zip(rows) {
        let count = &mut account.rows;
        match fate.refused {
            Some((column, reason)) => account.refusals.push(Refusal { line: row.line, column, reason }),
            None if fate.recorded => count.recorded += 1,
            None if fate.there => count.there += 1,
            None => count.later += 1,
        }
        account.unfinished += u64::from(fate.later && (fate.recorded || fate.there));
    }
    account.refusals.sort();
    account.rows.refused = account.refusals.len() as u64;
    progress.finish_and_clear();
    if !account.balances() {
        bail!("the account does not balance: {account:?}");
    }
    Ok(account)
}

/// What has become of a row.
#[derive(Debug, Clone, Default)]
struct RowFate {
    recorded: bool,
    there: bool,
    later: bool,
    refused: Option<(Option<(usize, String)>, String)>,
}

/// What a book says of one patient.
struct Plan {
    /// An index into the book's patients.
    index: usize,
    patient: Uuid,
    /// Everything that is not later than the clock, in time order.
    facts: Vec<Fact>,
    later: Vec<Fact>,
}

/// What has become of a plan.
struct Written<'p> {
    plan: &'p Plan,
    /// `None`: there is nothing to register the patient for yet.
    registration: Option<Became>,
    facts: Vec<Became>,
}

struct Run<'a> {
    stores: Stores<'a>,
    book: &'a Book,
    mapping: &'a Mapping,
    dry_run: bool,
    clock: Time,
    ids: Ids<'a>,
    /// Events that are known to be in the log: not all of them that are.
    there: HashSet<Uuid>,
}

impl Run<'_> {
    /// A contact would be recorded for any purpose, and count for nothing if the word is misspelt: no policy may ever have known it. A network that has
    /// no policy yet will begin with the one that ships, for all that is known.
    fn purposes(&self) -> anyhow::Result<()> {
        let published = self.stores.control.policies();
        let mut known: BTreeSet<&str> =
            published.all().iter().flat_map(|p| p.policy.purposes.keys()).map(Purpose::as_str).collect();
        let shipped = policy::text::parse(policy::DEFAULT, "default").ok();
        if known.is_empty() {
            known.extend(shipped.iter().flat_map(|policy| policy.purposes.keys()).map(Purpose::as_str));
        }
        let contacts = self.mapping.contacts.iter().map(|contact| ("contact", &contact.column, &contact.purpose));
        let consents = self.mapping.consents.iter().map(|consent| ("consent", &consent.column, &consent.purpose));
        for (what, column, purpose) in contacts.chain(consents) {
            let purpose = purpose.as_str();
            if !known.contains(purpose) {
                let near = nearest_word(purpose, known.iter().copied());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                bail!("the mapping's {what} by column `{column}`: no policy knows the purpose `{purpose}`{hint}");
            }
        }
        Ok(())
    }

    /// Lists the branches at which something has happened by now, unless they are listed.
    async fn branches(&self, account: &mut Account) -> anyhow::Result<()> {
        let known = self.stores.control.directory();
        let used: HashSet<u16> = self.book.rows.iter().filter(|row| row.booked_at <= self.clock).map(|row| row.branch).collect();
        for (index, (code, name)) in (0u16..).zip(&self.book.branches) {
            if known.branches.contains_key(code) {
                account.branches.there += 1;
            } else if !used.contains(&index) {
                account.branches.later += 1;
            } else {
                account.branches.recorded += 1;
                if !self.dry_run {
                    self.list(code, name).await?;
                }
            }
        }
        Ok(())
    }

    async fn list(&self, code: &Branch, name: &str) -> anyhow::Result<()> {
        let branch = BranchListed {
            branch: code.clone(),
            name: name.to_owned(),
            time_zone: self.mapping.time_zone.name().into(),
            place: None,
            hours: Default::default(),
            services: Vec::new(),
        };
        let command = self.command(self.ids.branch(code.as_str()), self.clock, None);
        let listed = self.stores.control.note(&command, DirectoryEvent::BranchListed(branch)).await;
        listed.map(|_| ()).with_context(|| format!("branch `{code}` cannot be listed"))
    }

    fn command(&self, event: Uuid, time: Time, branch: Option<&Branch>) -> Command {
        let actor = Actor::System("import".into());
        Command { event, fingerprint: None, time: Some(time), actor, branch: branch.cloned(), cause: None }
    }

    /// The patients whom an earlier run has linked.
    async fn linked(&self) -> anyhow::Result<HashSet<Uuid>> {
        let mut linked = HashSet::new();
        let mut after = String::new();
        loop {
            let page = self.stores.personal.external_ids_of(&self.mapping.system, &after, LINKS).await;
            let page = page.context("the personal data store cannot be read")?;
            let Some(last) = page.last() else { return Ok(linked) };
            after = last.value.clone();
            linked.extend(page.iter().map(|link| link.patient));
        }
    }

    /// Reads through the log for the events of the patients whom an earlier run has linked: so whoever has nothing new need not be read alone. What
    /// is not found here is looked for in the patient's own stream.
    async fn recorded(&self, linked: &HashSet<Uuid>) -> HashSet<Uuid> {
        let mut there = HashSet::new();
        if let Err(error) = self.read_through(linked, &mut there).await {
            tracing::warn!(%error, "the log cannot be read through; what is there already is looked up patient by patient, which takes longer");
        }
        there
    }

    async fn read_through(&self, linked: &HashSet<Uuid>, there: &mut HashSet<Uuid>) -> Result<(), LogError> {
        let log = self.stores.transactor.log();
        let head = log.head().await?;
        let (mut at, mut left) = (Position::START, linked.len() * EVENTS_FOR_ONE_PATIENT);
        if left == 0 || at >= head {
            return Ok(());
        }
        let mut follow = log.follow(READER, at).await?;
        while at < head && left > 0 {
            let batch = follow.next(EVENTS, EVENTS_WAIT).await?;
            let Some(last) = batch.events.last() else {
                return Err(LogError::Unavailable("no events came in time".to_owned()));
            };
            at = last.position;
            left = left.saturating_sub(batch.events.len());
            let of_linked = |stored: &&Stored| matches!(stored.stream, StreamId::Patient(id) if linked.contains(&id));
            there.extend(batch.events.iter().filter(of_linked).map(|stored| stored.id));
        }
        follow.done(at).await
    }

    /// Whether everything that a plan would record now is known to be in the log.
    fn is_there(&self, plan: &Plan) -> bool {
        let registration = self.ids.registration(&self.book.patients[plan.index]);
        let event = |fact: &Fact| self.event_id(*fact);
        self.there.contains(&registration) && plan.facts.iter().all(|fact| self.there.contains(&event(fact)))
    }

    fn event_id(&self, fact: Fact) -> Uuid {
        let row = &self.book.rows[fact.row as usize];
        facts::event_id(&self.ids, row, &self.book.patients[row.patient as usize], fact.what)
    }

    fn plans(&self) -> Vec<Plan> {
        let patients = self.book.patients.iter().enumerate();
        let mut plans: Vec<Plan> = patients
            .map(|(index, id)| Plan { index, patient: self.ids.patient(id), facts: Vec::new(), later: Vec::new() })
            .collect();
        for (index, row) in (0u32..).zip(&self.book.rows) {
            let plan = &mut plans[row.patient as usize];
            for fact in facts::facts(index, row, self.mapping) {
                // An outcome without its booking cannot be: a row whose booking is later waits as a whole.
                let later = fact.time > self.clock || row.booked_at > self.clock;
                if later { plan.later.push(fact) } else { plan.facts.push(fact) }
            }
        }
        plans.iter_mut().for_each(|plan| plan.facts.sort_unstable());
        plans
    }

    /// Links the chunk's patients who are new. Those who have been erased stay so, and are named.
    async fn link(&self, plans: &[Plan], linked: &HashSet<Uuid>) -> anyhow::Result<HashSet<Uuid>> {
        let new: Vec<&Plan> = plans.iter().filter(|plan| !plan.facts.is_empty() && !linked.contains(&plan.patient)).collect();
        if new.is_empty() || self.dry_run {
            return Ok(HashSet::new());
        }
        let link = |plan: &Plan| ExternalId {
            system: self.mapping.system.to_string(),
            value: self.book.patients[plan.index].to_string(),
            patient: plan.patient,
        };
        let people: Vec<_> = new.iter().map(|plan| (self.person(plan), vec![link(plan)])).collect();
        let not = introduce(self.stores.personal, &people).await.context("the personal data store cannot be written")?;
        let mut erased = HashSet::new();
        for (patient, why) in not {
            match why {
                Introduced::Erased => {
                    erased.insert(patient);
                }
                Introduced::Taken(other) => bail!(
                    "an id of `{}` in the book already leads to patient {other}, whom this book did not bring; unlink it, or give the mapping \
                     another `system`",
                    self.mapping.system
                ),
            }
        }
        Ok(erased)
    }

    fn person(&self, plan: &Plan) -> NewPerson {
        let command = self.ids.keys.fingerprint(&[b"import", plan.patient.as_bytes()]);
        NewPerson { patient: plan.patient, command, details: self.book.people[plan.index].0.clone() }
    }

    async fn patient<'p>(&self, plan: &'p Plan, linked: bool, erased: bool) -> anyhow::Result<Written<'p>> {
        let Some(first) = plan.facts.first() else { return Ok(Written { plan, registration: None, facts: Vec::new() }) };
        if linked && self.is_there(plan) {
            let facts = plan.facts.iter().map(|_| Became::There).collect();
            return Ok(Written { plan, registration: Some(Became::There), facts });
        }
        // What is missing here because a replica lags is found when it is recorded: the log refuses it a second time.
        let known = if linked || self.dry_run { self.stores.transactor.patient(plan.patient).await? } else { Arc::default() };
        if erased || known.state.standing == Standing::Erased {
            let refused = || Became::Refused("the patient was erased, and stays so".to_owned());
            return Ok(Written { plan, registration: Some(refused()), facts: plan.facts.iter().map(|_| refused()).collect() });
        }
        let mut hand = match self.dry_run {
            true => Hand::pretending(self.stores, plan.patient, self.clock, known.state.clone()),
            false => Hand::new(self.stores, plan.patient, self.clock),
        };
        let registration = if known.state.standing == Standing::Unknown {
            let id = &self.book.patients[plan.index];
            let row = &self.book.rows[plan.facts.iter().map(|fact| fact.row).min().unwrap_or(first.row) as usize];
            let command =
                self.command(self.ids.registration(id), first.time, Some(&self.book.branches[usize::from(row.branch)].0));
            recorded(&mut hand, &command, facts::registration(row, self.book, self.mapping)).await?
        } else {
            Became::There
        };
        let mut unbooked = HashSet::new();
        let mut became = Vec::with_capacity(plan.facts.len());
        for fact in &plan.facts {
            let one = self.fact(*fact, &known, &mut hand, unbooked.contains(&fact.row)).await?;
            if fact.what == What::Booked && matches!(one, Became::Refused(_)) {
                unbooked.insert(fact.row);
            }
            became.push(one);
        }
        Ok(Written { plan, registration: Some(registration), facts: became })
    }

    async fn fact(&self, fact: Fact, known: &Patient, hand: &mut Hand<'_>, unbooked: bool) -> anyhow::Result<Became> {
        if unbooked && !matches!(fact.what, What::Consent(_)) {
            return Ok(Became::Refused("its booking was refused".to_owned()));
        }
        let row = &self.book.rows[fact.row as usize];
        let id = self.event_id(fact);
        if known.holds(id) {
            return Ok(Became::There);
        }
        let command = self.command(id, fact.time, Some(&self.book.branches[usize::from(row.branch)].0));
        recorded(hand, &command, facts::event(fact, self.book, self.mapping, &self.ids)).await
    }

    fn enter(&self, written: Written<'_>, account: &mut Account, rows: &mut [RowFate]) {
        let plan = written.plan;
        let registered = account.events.entry("patient.registered").or_default();
        let (patients, registered) = (&mut account.patients, registered);
        for count in [patients, registered] {
            match &written.registration {
                None => count.later += 1,
                Some(Became::Recorded) => count.recorded += 1,
                Some(Became::There) => count.there += 1,
                Some(Became::Refused(_)) => count.refused += 1,
            }
        }
        for (fact, became) in plan.facts.iter().zip(written.facts) {
            let count = account.events.entry(fact.what.kind()).or_default();
            let row = &mut rows[fact.row as usize];
            match became {
                Became::Recorded => (count.recorded, row.recorded) = (count.recorded + 1, true),
                Became::There => (count.there, row.there) = (count.there + 1, true),
                Became::Refused(reason) => {
                    count.refused += 1;
                    let column = match fact.what {
                        What::Booked => Some(self.book.booked_column.clone()),
                        What::Completed | What::Missed | What::Cancelled => self.book.outcome_column.clone(),
                        What::Contact(_) | What::Consent(_) => None,
                    };
                    row.refused.get_or_insert((column, reason));
                }
            }
        }
        for fact in &plan.later {
            account.events.entry(fact.what.kind()).or_default().later += 1;
            rows[fact.row as usize].later = true;
        }
    }
}

async fn recorded(hand: &mut Hand<'_>, command: &Command, event: Event) -> anyhow::Result<Became> {
    hand.record(command, event).await.map_err(|failure: Failure| {
        anyhow::Error::new(failure)
            .context("the import has stopped; what was recorded until then stays, and the same command goes on from there")
    })
}
