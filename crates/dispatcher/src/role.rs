//! The dispatcher: follows the log for permits on the machines' channels and has a gateway make each of these contacts, at most once.
//!
//! `contact.started` is appended before anything leaves, under an id that follows from the permit. Whoever's append was new may send, and
//! nobody else ever: two dispatchers, or one that comes back, find it there already, and ask the gateway instead. What it has never had, it is
//! made to refuse from then on, so that nobody who slept between beginning and sending can still send it. A message must never be sent a
//! second time because somebody is unsure about the first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tact_domain::patient::events::{Event, PermitRef, Started};
use tact_domain::patient::state::{Fate, Permit, Standing};
use tact_domain::{Channel, Code, Outcome, Recorded, Time};
use tact_event_log::StreamId;
use tact_service::number::{Sight, contact_of};
use tact_service::permit::{Begun, begin};
use tact_service::transact::{Failure, Patient};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Desk;
use crate::gateway::{Gateway, Known, Message, Sent};
use crate::household::{self, Follows};
use crate::message::{Draft, Wanted};
use crate::points::Point;
use crate::settle::{Unsettled, command, cover, settle};
use crate::setup::Setup;
use crate::status::{Said, Word};
use crate::store::{Claim, Dispatch, New, Opened, Stage};

/// How long it waits for the next event, and before it tries again what does not work.
const WAIT: Duration = Duration::from_secs(2);
/// How often it looks for what has become due.
const LOOK: Duration = Duration::from_millis(250);
/// For how long what it works on is its own.
const CLAIMED: chrono::Duration = chrono::Duration::minutes(4);
/// How long before that ends nothing is sent any more: longer than a request may take.
const MARGIN: chrono::Duration = chrono::Duration::seconds(2 * crate::setup::LONGEST_TIMEOUT as i64);
/// The most that is taken from the log, or claimed, at once.
const BATCH: usize = 500;
/// How many merges in a row are followed.
const MERGES: usize = 16;

/// When a gateway is asked again that has a message and has not said how it ended, in seconds.
const WHEN_TAKEN: [i64; 6] = [300, 1_800, 7_200, 21_600, 43_200, 86_400];
/// When a gateway is asked again that did not answer, in seconds.
const WHEN_SILENT: [i64; 6] = [10, 30, 120, 600, 3_600, 21_600];

/// The dispatcher of a process.
#[derive(Debug)]
pub struct Dispatcher {
    desk: Arc<Desk>,
    /// Who claims: another one at each start.
    me: Uuid,
    wake: Notify,
}

/// What the workers of a dispatcher have in common.
struct Workers {
    tasks: JoinSet<Channels>,
    busy: HashMap<Channels, usize>,
    notes: mpsc::UnboundedSender<Opened>,
}

/// A gateway by its place in the setup; `None`: none.
type Channels = Option<usize>;

impl Dispatcher {
    /// A dispatcher that has not begun yet. `me`: an id that nobody else has.
    pub fn new(desk: Arc<Desk>, me: Uuid) -> Self {
        Self { desk, me, wake: Notify::new() }
    }

    /// Runs until told to stop, and then finishes what it has begun. Without gateways it has nothing to do.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let desk = self.desk.clone();
        let Some(setup) = &desk.setup else { return };
        let this = Arc::new(self);
        let reading = this.read(setup, stop.clone());
        let working = this.clone().work(setup, stop.clone());
        let asking = crate::automatic::run(&desk, setup, stop);
        tokio::join!(reading, working, asking);
    }

    /// Takes permits from the log. What cannot be done is tried again, with one line in the log.
    async fn read(&self, setup: &Setup, mut stop: watch::Receiver<bool>) {
        let mut troubled = false;
        while !*stop.borrow() {
            match self.follow(setup, &mut stop, &mut troubled).await {
                Ok(()) => return,
                Err(error) => {
                    if !std::mem::replace(&mut troubled, true) {
                        tracing::warn!(%error, "the dispatcher cannot read on and tries again");
                    }
                    let _ = tokio::time::timeout(WAIT, stop.wait_for(|stop| *stop)).await;
                }
            }
        }
    }

    async fn follow(&self, setup: &Setup, stop: &mut watch::Receiver<bool>, troubled: &mut bool) -> Result<(), Unsettled> {
        let Desk { app, store, points, .. } = &*self.desk;
        let log = app.transactor.log();
        let start = store.position(log.head().await?).await?;
        let mut follow = log.follow("dispatcher", start).await?;
        self.desk.read_up_to.send_replace(start);
        loop {
            let batch = tokio::select! {
                batch = follow.next(BATCH, WAIT) => batch?,
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            };
            let Some(last) = batch.events.last().map(|stored| stored.position) else { continue };
            let new: Vec<New> = batch.events.iter().filter_map(|stored| self.permitted(setup, stored)).collect();
            if !new.is_empty() {
                points.reach(Point::Read, Uuid::nil()).await;
            }
            store.take(&new, last, app.clock.now()).await?;
            if !new.is_empty() {
                points.reach(Point::Taken, Uuid::nil()).await;
                self.wake.notify_one();
            }
            follow.done(last).await?;
            self.desk.read_up_to.send_replace(last);
            if std::mem::take(troubled) {
                tracing::info!("the dispatcher reads on");
            }
        }
    }

    /// The permit that an event grants, if a gateway is to use it.
    fn permitted(&self, setup: &Setup, stored: &tact_event_log::Stored) -> Option<New> {
        const KIND: &[u8] = b"\"contact.permitted\"";
        let StreamId::Patient(patient) = stored.stream else { return None };
        // Most events are something else, and their type stands near the front of their bytes.
        let head = &stored.bytes[..stored.bytes.len().min(512)];
        if !head.windows(KIND.len()).any(|window| window == KIND) {
            return None;
        }
        let Ok(Recorded { event: Event::Permitted(e), .. }) = Recorded::<Event>::read(&stored.bytes) else { return None };
        setup.gateway(e.channel)?;
        Some(New {
            permit: e.permit,
            contact: self.desk.contact_of(e.permit),
            patient,
            purpose: e.purpose,
            channel: e.channel,
            branch: e.branch,
            expires_at: e.expires_at,
        })
    }

    /// Works on what is due, so much at once as the gateways take.
    async fn work(self: Arc<Self>, setup: &Setup, mut stop: watch::Receiver<bool>) {
        let (notes, noted) = mpsc::unbounded_channel();
        let store = self.desk.store.clone();
        let noting = async move { note(store, noted).await };
        let working = async {
            let mut workers = Workers { tasks: JoinSet::new(), busy: HashMap::new(), notes };
            let mut look = tokio::time::interval(LOOK);
            look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            let mut troubled = false;
            loop {
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => break,
                    _ = look.tick() => {}
                    () = self.wake.notified() => {}
                    Some(ended) = workers.tasks.join_next() => workers.ended(ended),
                }
                while let Some(ended) = workers.tasks.try_join_next() {
                    workers.ended(ended);
                }
                match self.claim(setup, &mut workers, &stop).await {
                    Ok(()) => troubled = false,
                    Err(error) => {
                        if !std::mem::replace(&mut troubled, true) {
                            tracing::warn!(%error, "the dispatcher cannot look for what is due and tries again");
                        }
                    }
                }
            }
            // What has begun is finished: every step of it is bounded.
            while workers.tasks.join_next().await.is_some() {}
        };
        tokio::join!(noting, working);
    }

    async fn claim(
        self: &Arc<Self>,
        setup: &Setup,
        workers: &mut Workers,
        stop: &watch::Receiver<bool>,
    ) -> Result<(), Unsettled> {
        let Desk { app, store, .. } = &*self.desk;
        let served: Vec<Channel> = setup.gateways.iter().flat_map(|gateway| gateway.channels.iter().copied()).collect();
        let all = setup.gateways.iter().enumerate().map(|(at, gateway)| (Some(at), Some(gateway)));
        for (at, gateway) in all.chain([(None, None)]) {
            let concurrency = gateway.map_or(8, |gateway| gateway.concurrency);
            let room = concurrency.saturating_sub(workers.busy.get(&at).copied().unwrap_or_default());
            if room == 0 || gateway.is_some_and(|gateway| gateway.free() == 0) {
                continue;
            }
            let now = app.clock.now();
            let channels = gateway.map_or(&served[..], |gateway| &gateway.channels[..]);
            let claim = Claim { by: self.me, until: now + CLAIMED, channels };
            let claimed = store.claim(&claim, now, room.min(BATCH), gateway.is_none()).await?;
            if claimed.len() == room {
                // There may be more.
                self.wake.notify_one();
            }
            for dispatch in claimed {
                *workers.busy.entry(at).or_default() += 1;
                let (this, gateway, notes) = (self.clone(), gateway.cloned(), workers.notes.clone());
                let work = Work { notes, until: claim.until, stop: stop.clone() };
                workers.tasks.spawn(async move {
                    this.one(dispatch, gateway.as_deref(), work).await;
                    at
                });
            }
        }
        Ok(())
    }

    /// One dispatch, as far as it goes now. What fails is looked at again.
    async fn one(&self, dispatch: Dispatch, gateway: Option<&Gateway>, mut work: Work) {
        let permit = dispatch.permit;
        let now = self.desk.app.clock.now();
        self.desk.points.reach(Point::Claimed, permit).await;
        let done = match dispatch.stage {
            Stage::Waiting => self.waiting(&dispatch, gateway, &mut work).await,
            _ => self.ask(&dispatch, gateway).await,
        };
        if let Err(error) = done {
            tracing::warn!(%permit, contact = %dispatch.contact, %error, "a dispatch cannot go on and is looked at again");
            let again = now + chrono::Duration::seconds(WHEN_SILENT[usize::try_from(dispatch.asked).unwrap_or(5).min(2)]);
            if let Err(error) = self.desk.store.later(permit, again).await {
                // Its claim runs out by itself.
                tracing::warn!(%permit, %error, "nor can that be noted");
            }
        }
    }

    /// The patient whom a permit is of, under the id that they go by now, with a state in which the permit can be found.
    async fn patient(&self, dispatch: &Dispatch) -> Result<(Uuid, Arc<Patient>), Failure> {
        let transactor = &self.desk.app.transactor;
        let mut id = dispatch.patient;
        for turn in 0..MERGES {
            // What is kept in memory will do where it says that the permit is live: the append is held against the log.
            let known = if turn == 0 { transactor.patient(id).await? } else { transactor.patient_now(id).await? };
            let now = self.desk.app.clock.now();
            let live = |permit: &Permit| permit.fate == Fate::Open && permit.is_live(now);
            let open = known.state.permit(dispatch.permit).is_some_and(live);
            if open && known.state.is_open() {
                return Ok((id, known));
            }
            let known = if turn == 0 { transactor.patient_now(id).await? } else { known };
            match known.state.standing {
                Standing::Merged { into, .. } => id = into,
                _ => return Ok((id, known)),
            }
        }
        Err(Failure::Busy)
    }

    async fn waiting(&self, dispatch: &Dispatch, gateway: Option<&Gateway>, work: &mut Work) -> Result<(), Unsettled> {
        let Desk { app, store, points, .. } = &*self.desk;
        let (patient, known) = self.patient(dispatch).await?;
        let now = app.clock.now();
        let permit = known.state.permit(dispatch.permit);
        match permit.map(|permit| permit.fate) {
            Some(Fate::Open) if permit.is_some_and(|permit| permit.is_live(now)) => {}
            Some(Fate::Open) => return Ok(store.drop(dispatch.permit, "expired").await?),
            // Somebody had begun it and did not come to note that.
            Some(Fate::Started { contact, at, .. }) if contact == dispatch.contact => {
                return self.ask(&Dispatch { started_at: Some(at), ..dispatch.clone() }, gateway).await;
            }
            Some(Fate::Used { contact }) if contact == dispatch.contact => {
                let recorded = known.state.contacts.iter().find(|c| c.id == contact);
                let Some(recorded) = recorded else { return Ok(store.drop(dispatch.permit, "ended").await?) };
                let said = Said { word: Word::Own(recorded.outcome), at: recorded.time };
                return settle(&self.desk, dispatch.contact, said).await.map(drop);
            }
            // As part of another's contact, or by somebody else.
            Some(Fate::Started { contact, .. } | Fate::Used { contact }) => {
                let covered = cover(&self.desk, &New::from(dispatch), contact, now).await?;
                return if covered { Ok(()) } else { Ok(store.drop(dispatch.permit, "used_elsewhere").await?) };
            }
            Some(Fate::Ended(_)) | None => return Ok(store.drop(dispatch.permit, "ended").await?),
        }
        let given_back = async |reason: &str| give_back(&self.desk, &New::from(dispatch), patient, reason).await;
        let Some((gateway, setup)) = gateway.zip(self.desk.setup.as_ref()) else { return given_back("no_gateway").await };
        let wanted = Wanted {
            id: dispatch.contact,
            purpose: &dispatch.purpose,
            channel: dispatch.channel,
            branch: &dispatch.branch,
            about: permit.and_then(|permit| permit.occasion.as_ref()).map(|used| used.about),
            valid_until: permit.map_or(dispatch.expires_at, |permit| permit.expires_at),
        };
        let mut draft = match Draft::of(app, setup, wanted, patient, &known.state).await? {
            Ok(draft) => draft,
            Err(reason) => return given_back(&reason).await,
        };
        points.reach(Point::Made, dispatch.permit).await;
        // The number is looked at once, at the last moment: whom it concerns, and whether it may be rung.
        let mut sight = None;
        if dispatch.channel.uses_number() {
            let seen = app.numbers.look(&app.transactor, patient, known.position).await?;
            match household::follows(&seen, dispatch.permit, CLAIMED, now) {
                Follows::Nobody => {}
                Follows::Wait => return Ok(store.later(dispatch.permit, now + household::LOOK_AGAIN).await?),
                Follows::Late => return given_back(&refused(&[Code::NumberBusy])).await,
            }
            sight = Some(seen);
        }
        let shared = sight.as_ref().is_some_and(Sight::is_shared);
        // What others may have done meanwhile is looked at again.
        if let Some(seen) = sight.take_if(|seen| seen.is_shared()) {
            household::invite(&self.desk, dispatch, &known, &seen, &draft).await?;
        }
        drop(known);
        let started = Started { permit: dispatch.permit, contact: dispatch.contact };
        let command = command(app, &[b"started", dispatch.permit.as_bytes()], &dispatch.branch, None);
        match begin(&app.transactor, &app.control, &app.numbers, patient, &command, &started, false, sight).await? {
            Begun::Now(done) => {
                points.reach(Point::Begun, dispatch.permit).await;
                let started_at = done.recorded.envelope.time;
                let dispatch = Dispatch { started_at: Some(started_at), ..dispatch.clone() };
                if shared {
                    household::gather(&self.desk, &dispatch, patient, started_at, &mut draft).await;
                }
                match draft.message() {
                    Ok(message) => self.send(&dispatch, gateway, &message, work).await,
                    // It could be made before, and each addition to it: there is no way here.
                    Err(_) => self.ask(&dispatch, Some(gateway)).await,
                }
            }
            Begun::Before(done) => {
                let started_at = Some(done.recorded.envelope.time);
                self.ask(&Dispatch { started_at, ..dispatch.clone() }, Some(gateway)).await
            }
            Begun::Gone(codes) => given_back(&refused(&codes)).await,
        }
    }

    /// Hands the message over. Only whoever has just begun the contact comes here, once; what was surely not taken may be tried again from
    /// here, as long as the claim is held.
    async fn send(&self, dispatch: &Dispatch, gateway: &Gateway, message: &Message, work: &mut Work) -> Result<(), Unsettled> {
        let Desk { app, store, points, .. } = &*self.desk;
        let started_at = dispatch.started_at.unwrap_or_else(|| app.clock.now());
        let mut tries = 0;
        loop {
            let now = app.clock.now();
            if now >= message.valid_until || (tries > 0 && *work.stop.borrow()) {
                // Every try so far has surely not been taken.
                return self.settled(dispatch, Said { word: Word::Own(Outcome::Failed), at: now }).await;
            }
            if now + MARGIN > work.until {
                let until = now + CLAIMED;
                if !store.hold(dispatch.permit, self.me, until, now).await? {
                    // Somebody else asks what became of it.
                    return Ok(());
                }
                work.until = until;
            }
            points.reach(Point::Sending, dispatch.permit).await;
            let sent = gateway.send(message, now).await;
            points.reach(Point::Sent, dispatch.permit).await;
            match sent {
                Sent::Taken(status, at) if status.outcome().is_none() => {
                    let look_at = now + chrono::Duration::seconds(WHEN_TAKEN[0]);
                    let opened = Opened { permit: dispatch.permit, started_at, look_at, status: Some((status, at)) };
                    // Whether it is noted or not: whoever finds it unnoted asks the gateway.
                    let _ = work.notes.send(opened);
                    return Ok(());
                }
                Sent::Taken(status, at) => {
                    return self.settled(dispatch, Said { word: Word::Gateway(status), at }).await;
                }
                Sent::Refused => {
                    return self.settled(dispatch, Said { word: Word::Own(Outcome::Failed), at: now }).await;
                }
                Sent::Doubt => return self.ask(dispatch, Some(gateway)).await,
                Sent::NotTaken(wait) => {
                    let wait = wait.max(Duration::from_secs(1 << tries.min(5)));
                    tries += 1;
                    let _ = tokio::time::timeout(wait, work.stop.wait_for(|stop| *stop)).await;
                }
            }
        }
    }

    /// Asks what became of a contact that has begun. What the gateway never had, it is made to refuse; then it never left us.
    async fn ask(&self, dispatch: &Dispatch, gateway: Option<&Gateway>) -> Result<(), Unsettled> {
        let Desk { app, store, points, setup, .. } = &*self.desk;
        let now = app.clock.now();
        let started_at = dispatch.started_at.unwrap_or(now);
        let look_at = now + chrono::Duration::seconds(WHEN_SILENT[0]);
        if dispatch.stage == Stage::Waiting {
            store.opened(&[Opened { permit: dispatch.permit, started_at, look_at, status: None }]).await?;
        }
        let known = match gateway {
            None => Known::Silent,
            Some(gateway) => {
                points.reach(Point::Asking, dispatch.permit).await;
                match gateway.status(dispatch.contact, now).await {
                    Known::Unknown => {
                        points.reach(Point::Voiding, dispatch.permit).await;
                        gateway.void(dispatch.contact, now).await
                    }
                    known => known,
                }
            }
        };
        let waits = match known {
            Known::Void => {
                return self.settled(dispatch, Said { word: Word::Own(Outcome::Failed), at: now }).await;
            }
            Known::Status(status, at) => {
                self.settled(dispatch, Said { word: Word::Gateway(status), at }).await?;
                if status.outcome().is_some() {
                    return Ok(());
                }
                WHEN_TAKEN
            }
            Known::Unknown | Known::Silent => WHEN_SILENT,
        };
        let review_after = setup.as_ref().map_or(chrono::Duration::hours(72), |setup| setup.review_after);
        if now - started_at >= review_after {
            let reason = if waits == WHEN_TAKEN { "no_outcome" } else { "gateway_silent" };
            tracing::warn!(contact = %dispatch.contact, reason, "nobody says how a contact ended: a person is to close it");
            return Ok(store.review(dispatch.permit, reason).await?);
        }
        let wait = waits[usize::try_from(dispatch.asked).unwrap_or(usize::MAX).min(waits.len() - 1)];
        let at = (now + chrono::Duration::seconds(wait)).min(started_at + review_after).max(look_at);
        Ok(store.later(dispatch.permit, at).await?)
    }

    async fn settled(&self, dispatch: &Dispatch, said: Said) -> Result<(), Unsettled> {
        self.desk.points.reach(Point::Settling, dispatch.permit).await;
        settle(&self.desk, dispatch.contact, said).await.map(drop)
    }
}

/// Why a permit is given back that would not be granted any more.
pub(crate) fn refused(codes: &[Code]) -> String {
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    if codes.is_empty() { "ended".to_owned() } else { format!("refused:{}", codes.join(",")) }
}

/// A permit that is not used is given back, so that it counts no longer and somebody else may do better.
pub(crate) async fn give_back(desk: &Desk, unused: &New, patient: Uuid, reason: &str) -> Result<(), Unsettled> {
    let New { permit, branch, .. } = unused;
    let command = command(&desk.app, &[b"released", permit.as_bytes()], branch, None);
    let released = Event::Released(PermitRef { permit: *permit });
    match desk.app.transactor.record(patient, &command, &released).await {
        Ok(_) => {}
        Err(Failure::Untrue(_)) => {
            let known = desk.app.transactor.patient_now(patient).await?;
            if known.state.permit(*permit).and_then(contact_of).is_some() {
                // It has begun meanwhile: it is looked at again, so that its outcome is not forgotten.
                return Ok(desk.store.later(*permit, desk.app.clock.now() + household::LOOK_AGAIN).await?);
            }
            // What is dead already need not be given back.
        }
        Err(failure) => return Err(failure.into()),
    }
    tracing::info!(%permit, reason, "a permit was given back unused");
    Ok(desk.store.drop(*permit, reason).await?)
}

/// What one worker has.
struct Work {
    notes: mpsc::UnboundedSender<Opened>,
    /// Until when what it works on is its own.
    until: Time,
    stop: watch::Receiver<bool>,
}

impl Workers {
    fn ended(&mut self, ended: Result<Channels, tokio::task::JoinError>) {
        match ended {
            Ok(at) => {
                if let Some(busy) = self.busy.get_mut(&at) {
                    *busy = busy.saturating_sub(1);
                }
            }
            Err(error) => {
                tracing::error!(%error, "a worker of the dispatcher has broken off; its claim runs out");
                // Which of them it was is not known: none is counted for longer than it takes.
                if self.tasks.is_empty() {
                    self.busy.clear();
                }
            }
        }
    }
}

/// Notes what has begun, as much at once as has come.
async fn note(store: crate::store::Store, mut noted: mpsc::UnboundedReceiver<Opened>) {
    let mut batch = Vec::new();
    while noted.recv_many(&mut batch, BATCH).await > 0 {
        if let Err(error) = store.opened(&batch).await {
            // Their claims run out, and then the gateway is asked.
            tracing::warn!(%error, contacts = batch.len(), "it cannot be noted what has begun");
        }
        batch.clear();
    }
}
