//! One seed's run: services that die and come back, callers who try again, clocks that go wrong, a reactor, and nothing but the seed to
//! say who goes on next.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Duration};
use futures::FutureExt;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tact_domain::control::{BranchListed, DirectoryEvent};
use tact_domain::patient::events::Event;
use tact_domain::{Actor, Branch, Recorded, Time};
use tact_event_log::{EventLog, LogError, Position, Stored, StreamId};
use tact_service::clock::Clock;
use tact_service::control::Control;
use tact_service::ids::IdKey;
use tact_service::number::Numbers;
use tact_service::transact::{Command, Done, Failure, Transactor};
use uuid::Uuid;

use crate::driver::{Driver, Issue, What};
use crate::household::Household;
use crate::network::{Network, Sent, step};
use crate::report::Report;
use crate::settings::{Bug, Rates, Settings};
use crate::tasks::Tasks;

/// The network's code in every run.
pub(crate) const NETWORK: &str = "simulated";

/// The branches with their time zones.
const BRANCHES: [(&str, &str); 3] = [("north", "Europe/Moscow"), ("west", "Europe/Berlin"), ("south", "America/Sao_Paulo")];

/// How far a clock may be off and still count as right: two such differ by less than the 5 s that the contract speaks of.
pub(crate) const RIGHT: i64 = 2_400;

/// What a command was answered.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    /// The event.
    pub(crate) event: Uuid,
    /// Where it is said to stand.
    pub(crate) position: Position,
    /// In which stream.
    pub(crate) stream: StreamId,
    /// As it was handed back, if it was.
    pub(crate) recorded: Option<Recorded>,
}

/// What a run leaves behind to be checked.
#[derive(Debug)]
pub(crate) struct Aftermath {
    /// Every event, in order.
    pub(crate) log: Vec<Stored>,
    /// What was promised.
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// Every id that a command was ever given under.
    pub(crate) given: BTreeSet<Uuid>,
    /// The circumstances in which each event was sent.
    pub(crate) sent: std::collections::BTreeMap<Uuid, Sent>,
}

struct Service {
    clock: Clock,
    skew: i64,
    steady: Arc<AtomicBool>,
    wrong_until: Time,
    transactor: Arc<Transactor>,
    control: Arc<Control>,
    numbers: Arc<Numbers>,
}

#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "few of them live at once, and none for long")]
enum Label {
    Command { service: usize, issue: Issue },
    Reactor,
}

enum Ended {
    Done(Box<Done>),
    Noted(tact_service::control::Noted),
    Failed(Failure),
    Reactor(Result<(), String>),
}

/// A run under way.
pub(crate) struct World {
    settings: Settings,
    rng: SmallRng,
    rates: Rates,
    network: Network,
    driver: Driver,
    services: Vec<Service>,
    tasks: Tasks<Label, Ended>,
    retries: Vec<Issue>,
    now: Time,
    reactor_at: Rc<Cell<Position>>,
    reacted: Rc<Cell<u64>>,
    keys: IdKey,
    household: Household,
    cached: usize,
    issued: usize,
    acknowledged: Vec<Acknowledged>,
    given: BTreeSet<Uuid>,
    patients: BTreeSet<Uuid>,
    report: Report,
}

impl World {
    /// Begins the run of a seed.
    pub(crate) fn new(seed: u64, settings: Settings) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        let start = DateTime::from_timestamp_millis(1_767_225_600_000 + rng.random_range(0..2 * 365 * 86_400_000_i64))
            .unwrap_or_default();
        let rates = Rates::draw(&mut rng);
        let network = Network::new(seed, Rates::none(), settings);
        let branches: Vec<Branch> = BRANCHES.iter().map(|(code, _)| code.parse().expect("a code")).collect();
        let several = settings.bug != Some(Bug::LooserLimit) && rng.random_bool(0.7);
        let patients = rng.random_range(2..=6);
        let mut world = Self {
            settings,
            rates,
            driver: Driver::new(seed, patients, branches, several),
            network,
            services: Vec::new(),
            tasks: Tasks::default(),
            retries: Vec::new(),
            now: start,
            reactor_at: Rc::new(Cell::new(Position::START)),
            reacted: Rc::default(),
            keys: IdKey::new(&[7; 32]),
            household: Household::new(rng.random_range(0..=3)),
            cached: if rng.random_bool(0.3) { 0 } else { 1000 },
            issued: 0,
            acknowledged: Vec::new(),
            given: BTreeSet::new(),
            patients: BTreeSet::new(),
            report: Report::default(),
            rng,
        };
        // The last one is the reactor's.
        for _ in 0..=world.rng.random_range(2..=4) {
            let service = world.service(0, start);
            world.services.push(service);
        }
        world
    }

    fn service(&self, skew: i64, wrong_until: Time) -> Service {
        let clock = Clock::by_hand(self.now + Duration::milliseconds(skew));
        let steady = Arc::new(AtomicBool::new(wrong_until <= self.now));
        let line: Arc<dyn EventLog> = Arc::new(self.network.line(clock.clone(), steady.clone()));
        let transactor = Arc::new(Transactor::new(line.clone(), NETWORK, clock.clone(), self.cached));
        let control = Arc::new(Control::new(line.clone(), NETWORK, clock.clone()));
        let household = Arc::new(self.household.clone());
        let numbers = Arc::new(Numbers::new(line, NETWORK, clock.clone(), self.keys.clone(), household));
        Service { clock, skew, steady, wrong_until, transactor, control, numbers }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.settings.trace {
            let now = self.now;
            self.report.trace.push(format!("{} {}", now.format("%m-%d %H:%M:%S%.3f"), line()));
        }
    }

    /// Runs it to its end.
    pub(crate) fn run(mut self) -> (Report, Aftermath) {
        self.set_up();
        self.network.set_rates(self.rates);
        while self.issued < self.settings.commands || !self.tasks.is_empty() || self.network.in_flight() > 0 {
            self.turn();
        }
        self.settle();
        self.report.faults.add(&self.network.faults());
        self.report.figures.seeds = 1;
        self.report.figures.commands = self.given.len() as u64;
        self.report.figures.acknowledged = self.acknowledged.len() as u64;
        self.report.figures.reactions = self.reacted.get();
        let patients = self.patients.iter().copied().filter(|p| !p.is_nil());
        let mut streams = vec![StreamId::Policy, StreamId::Directory, StreamId::Access];
        streams.extend(patients.map(StreamId::Patient));
        streams.extend(self.household.numbers().map(StreamId::Number));
        let aftermath = Aftermath {
            log: self.network.everything(&streams),
            acknowledged: self.acknowledged,
            given: self.given,
            sent: self.network.sent(),
        };
        (self.report, aftermath)
    }

    /// The branches, the first policy, the first patients: without faults.
    fn set_up(&mut self) {
        for (code, time_zone) in BRANCHES {
            let event = crate::driver::id(&mut self.rng);
            self.given.insert(event);
            let actor = Actor::System("simulation".into());
            let command = Command { event, fingerprint: None, time: None, actor, branch: None, cause: None };
            let branch = BranchListed {
                branch: code.parse().expect("a code"),
                name: code.to_owned(),
                time_zone: time_zone.into(),
                place: None,
                hours: Default::default(),
                services: Vec::new(),
            };
            let control = self.services[0].control.clone();
            let noting = async move { control.note(&command, DirectoryEvent::BranchListed(branch)).await };
            let mut noting = std::pin::pin!(tokio::task::coop::unconstrained(noting));
            while (&mut noting).now_or_never().is_none() {
                self.network.deliver();
            }
        }
        for issue in self.driver.begin(self.now) {
            self.start(0, issue);
            self.drain();
        }
        self.issued = 0;
        self.set_clocks(self.now + Duration::minutes(3));
    }

    fn drain(&mut self) {
        while !self.tasks.is_empty() || self.network.in_flight() > 0 {
            if !self.advance_something() {
                break;
            }
        }
    }

    /// Nothing goes wrong any more, and what was begun is brought to its end.
    fn settle(&mut self) {
        self.network.set_rates(Rates::none());
        self.rates = Rates::none();
        for round in 0.. {
            self.drain();
            let head = self.network.log().head().now_or_never().and_then(Result::ok).unwrap_or_default();
            if self.reactor_at.get() >= head {
                break;
            }
            if round > 200 {
                self.report.find(
                    "reactor",
                    format!("it is at {} and does not come to the end of the log at {head}", self.reactor_at.get()),
                );
                break;
            }
            self.start_reactor();
        }
    }

    /// Lets the seed choose what happens next.
    fn turn(&mut self) {
        let busy = self.issued < self.settings.commands;
        if busy {
            self.mishaps();
        }
        let dice = self.rng.random_range(0..100);
        if busy && self.tasks.len() < 8 && dice < 22 {
            self.command();
        } else if busy && dice < 24 && self.tasks.count(|label| matches!(label, Label::Reactor)) == 0 {
            self.start_reactor();
        } else if !self.advance_something() && busy {
            self.command();
        }
    }

    /// Delivers a message or lets somebody take a step; false if neither can be.
    fn advance_something(&mut self) -> bool {
        if self.network.in_flight() > 0 && (self.rng.random_bool(0.4) || self.tasks.is_empty()) {
            return self.deliver();
        }
        match self.tasks.step(&mut self.rng) {
            Some(Some((label, ended))) => {
                self.ended(label, ended);
                true
            }
            Some(None) => true,
            None if self.network.in_flight() > 0 => self.deliver(),
            None => {
                if !self.tasks.is_empty() {
                    self.report.find("stuck", format!("{} commands wait for what never comes", self.tasks.len()));
                    self.tasks.kill(|_| true);
                }
                false
            }
        }
    }

    fn deliver(&mut self) -> bool {
        let said = self.network.deliver();
        if let Some(said) = said {
            self.tell(|| said);
            return true;
        }
        false
    }

    /// Gives the next commands, after a while.
    fn command(&mut self) {
        let pause = self.driver.pause();
        let mut now = self.now + pause;
        // Most work is done by day.
        let hour = (now + Duration::hours(2)).format("%H").to_string().parse::<i64>().unwrap_or(12);
        if !(9..18).contains(&hour) && self.rng.random_bool(0.3) {
            now += Duration::hours((33 - hour) % 24);
        }
        self.set_clocks(now);
        if !self.retries.is_empty() && self.rng.random_bool(0.3) {
            let at = self.rng.random_range(0..self.retries.len());
            let issue = self.retries.swap_remove(at);
            self.report.figures.retries += 1;
            self.anywhere(issue);
            return;
        }
        for issue in self.driver.next(self.now) {
            if self.rng.random_bool(0.03) {
                // A caller who does not wait gives the same command twice at once.
                self.report.figures.retries += 1;
                self.anywhere(issue.clone());
            }
            self.anywhere(issue);
        }
    }

    fn anywhere(&mut self, issue: Issue) {
        let service = self.rng.random_range(0..self.services.len() - 1);
        self.start(service, issue);
    }

    fn start(&mut self, service: usize, issue: Issue) {
        if self.given.insert(issue.command.event) {
            self.issued += 1;
        }
        self.patients.insert(issue.patient);
        self.tell(|| {
            format!(
                "service {service}: {} {} of {} is given",
                short(issue.command.event),
                words(&issue.what),
                short(issue.patient)
            )
        });
        let transactor = self.services[service].transactor.clone();
        let control = self.services[service].control.clone();
        let numbers = self.services[service].numbers.clone();
        self.household.heard(issue.patient, &issue.what);
        let own = issue.clone();
        let work = async move {
            let Issue { what, patient, command } = own;
            let ended = match &what {
                What::Ask(ask, with) => {
                    tact_service::permit::ask(&transactor, &control, &numbers, patient, &command, ask, *with).await
                }
                What::Record(event) => transactor.record(patient, &command, event).await,
                What::Publish(policy) => {
                    return match control.publish(&command, policy.clone()).await {
                        Ok(noted) => Ended::Noted(noted),
                        Err(failure) => Ended::Failed(failure),
                    };
                }
            };
            match ended {
                Ok(done) => Ended::Done(Box::new(done)),
                Err(failure) => Ended::Failed(failure),
            }
        };
        self.tasks.spawn(Label::Command { service, issue }, work);
    }

    fn start_reactor(&mut self) {
        let service = self.services.last().expect("the reactor has one");
        let (transactor, keys) = (service.transactor.clone(), self.keys.clone());
        let (log, at, reacted) = (self.network.log().clone(), self.reactor_at.clone(), self.reacted.clone());
        let batch = self.rng.random_range(1..=20);
        self.tasks.spawn(Label::Reactor, async move { Ended::Reactor(reactor(transactor, keys, log, at, batch, reacted).await) });
    }

    fn ended(&mut self, label: Label, ended: Ended) {
        match (label, ended) {
            (Label::Command { service, issue }, Ended::Done(done)) => {
                self.tell(|| {
                    let repeated = if done.repeated { ", as before" } else { "" };
                    let kind = done.recorded.event.kind();
                    format!(
                        "service {service}: {} is {kind} at {} of {}{repeated}",
                        short(issue.command.event),
                        done.position,
                        short(done.patient)
                    )
                });
                let Done { patient, recorded, position, .. } = *done;
                if let Event::Permitted(permitted) = &recorded.event {
                    self.driver.granted(patient, permitted, self.now);
                }
                let stream = StreamId::Patient(patient);
                self.acknowledged.push(Acknowledged { event: issue.command.event, position, stream, recorded: Some(recorded) });
                if self.rng.random_bool(0.02) {
                    self.retries.push(issue);
                }
            }
            (Label::Command { service, issue }, Ended::Noted(noted)) => {
                self.tell(|| format!("service {service}: {} is noted at {}", short(issue.command.event), noted.position));
                let (event, position) = (issue.command.event, noted.position);
                self.acknowledged.push(Acknowledged { event, position, stream: StreamId::Policy, recorded: None });
            }
            (Label::Command { service, issue }, Ended::Failed(failure)) => {
                self.tell(|| format!("service {service}: {} failed: {failure}", short(issue.command.event)));
                self.report.faults.clock_behind += u64::from(matches!(failure, Failure::ClockBehind { .. }));
                match failure {
                    Failure::SetAside { .. } | Failure::KeyReused => self.report.find("answer", failure.to_string()),
                    Failure::Log(LogError::Damaged(_) | LogError::Misfit(_)) => self.report.find("answer", failure.to_string()),
                    _ => {}
                }
                let again =
                    matches!(failure, Failure::Log(_) | Failure::Busy | Failure::ClockBehind { .. } | Failure::NoPolicy(_));
                if again && self.rng.random_bool(0.8) {
                    self.retries.push(issue);
                }
            }
            (_, Ended::Reactor(Err(problem))) => self.tell(|| format!("reactor: {problem}")),
            _ => {}
        }
    }

    fn set_clocks(&mut self, now: Time) {
        self.now = now;
        self.network.set_now(now);
        for service in &self.services {
            service.clock.set(now + Duration::milliseconds(service.skew));
            service.steady.store(service.wrong_until <= now, Ordering::Relaxed);
        }
    }

    /// What the seed has in store: crashes, callers who hang up, clocks.
    fn mishaps(&mut self) {
        if self.rng.random_bool(self.rates.crash) {
            let at = self.rng.random_range(0..self.services.len() - 1);
            let (skew, wrong_until) = (self.services[at].skew, self.services[at].wrong_until);
            self.services[at] = self.service(skew, wrong_until);
            let dead = self.tasks.kill(|label| matches!(label, Label::Command { service, .. } if *service == at));
            self.report.faults.crashes += 1;
            self.report.faults.broken_off += dead.len() as u64;
            self.tell(|| format!("service {at} dies with {} commands", dead.len()));
            dead.into_iter().for_each(|label| self.lost(label));
        }
        if self.rng.random_bool(self.rates.hang_up)
            && let Some(label) = self.tasks.kill_one(&mut self.rng)
        {
            self.report.faults.hang_ups += 1;
            self.tell(|| format!("a caller hangs up: {label}"));
            self.lost(label);
        }
        if self.rng.random_bool(self.rates.reactor_crash) {
            let at = self.services.len() - 1;
            let (skew, wrong_until) = (self.services[at].skew, self.services[at].wrong_until);
            self.services[at] = self.service(skew, wrong_until);
            let dead = self.tasks.kill(|label| matches!(label, Label::Reactor));
            self.report.faults.reactor_crashes += 1;
            self.report.faults.broken_off += dead.len() as u64;
            self.tell(|| "the reactor dies".to_owned());
        }
        if self.rng.random_bool(self.rates.clock) {
            self.clock_fault();
        }
        if self.rng.random_bool(0.02) {
            // Time also passes while commands are under way.
            let pause = Duration::milliseconds(self.rng.random_range(0..90_000));
            self.set_clocks(self.now + pause);
        }
    }

    fn clock_fault(&mut self) {
        let at = self.rng.random_range(0..self.services.len());
        let skew = match self.rng.random_range(0..20) {
            0..=7 => self.rng.random_range(-RIGHT..=RIGHT),
            8..=10 => self.rng.random_range(-20_000..=-RIGHT),
            11..=13 => self.rng.random_range(RIGHT..=20_000),
            14..=16 => self.rng.random_range(-7_200_000..=-20_000),
            17 | 18 => self.rng.random_range(20_000..=300_000),
            _ => self.rng.random_range(300_000..=7_200_000),
        };
        let service = &mut self.services[at];
        let wrong = service.skew.abs() > RIGHT || skew.abs() > RIGHT;
        if skew.abs() > RIGHT {
            service.wrong_until = Time::MAX_UTC;
        } else if wrong {
            service.wrong_until = self.now + Duration::minutes(5);
        }
        let jump = skew - std::mem::replace(&mut service.skew, skew);
        self.report.faults.jumps_ahead += u64::from(jump > 0);
        self.report.faults.jumps_back += u64::from(jump < 0);
        self.tell(|| format!("the clock of service {at} is now {skew} ms off"));
        self.set_clocks(self.now);
    }

    /// A command whose caller never heard of it again may be given once more.
    fn lost(&mut self, label: Label) {
        if let Label::Command { issue, .. } = label
            && self.rng.random_bool(0.8)
        {
            self.retries.push(issue);
        }
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Command { service, issue } => write!(f, "{} at service {service}", short(issue.command.event)),
            Self::Reactor => f.write_str("the reactor"),
        }
    }
}

/// Follows the log and carries out what events set off; where it is, it notes behind each batch, as the real one does.
async fn reactor(
    transactor: Arc<Transactor>,
    keys: IdKey,
    log: impl EventLog,
    at: Rc<Cell<Position>>,
    batch: usize,
    reacted: Rc<Cell<u64>>,
) -> Result<(), String> {
    let mut follow = log.follow("reactor", at.get()).await.map_err(|e| e.to_string())?;
    let batch = follow.next(batch, std::time::Duration::ZERO).await.map_err(|e| e.to_string())?;
    for stored in &batch.events {
        step().await;
        let StreamId::Patient(patient) = stored.stream else { continue };
        let recorded = Recorded::<Event>::read(&stored.bytes).map_err(|e| e.to_string())?;
        match tact_service::react::react(&transactor, &keys, &recorded, patient).await {
            Ok(Some(_)) => reacted.set(reacted.get() + 1),
            Ok(None) => {}
            Err(failure) => return Err(format!("{} at {} of {patient}: {failure}", recorded.event.kind(), stored.position)),
        }
    }
    if let Some(last) = batch.events.last() {
        at.set(last.position);
    }
    Ok(())
}

/// The start of an id, to recognise it by.
pub(crate) fn short(id: Uuid) -> String {
    id.simple().to_string()[..8].to_owned()
}

fn words(what: &What) -> String {
    match what {
        What::Ask(ask, _) => {
            let about = ask.about.map(|about| format!(" about {}", short(about))).unwrap_or_default();
            format!("ask for {} by {} at {}{about}", ask.purpose, ask.channel, ask.branch)
        }
        What::Record(event) => format!("{} {}", event.kind(), serde_json::to_string(event).unwrap_or_default()),
        What::Publish(policy) => format!("publish {} from {}", policy.version, policy.effective_from),
    }
}
