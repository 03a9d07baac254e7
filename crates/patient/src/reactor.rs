//! Follows the log and carries out what an event sets off on another patient's stream: a recommendation is credited, a merge goes its
//! way, an erased person's details go, and a person known only through a care referral is forgotten in time (P11).
//!
//! Ids of what it appends are derived from the event that set it off: told twice, it does nothing twice. Its own position is only where it
//! goes on; losing it costs time and nothing else.

use std::sync::Arc;
use std::time::Duration;

use tact_database::bulk::Kind;
use tact_database::copy::{Kept, Layout};
use tact_database::{Component, Db, DbError, Target, one, run};
use tact_domain::Recorded;
use tact_domain::disclosure::ErasureReason;
use tact_domain::patient::events::{Empty, Event};
use tact_event_log::{LogError, Position, Stored, StreamId};
use tact_service::App;
use tact_service::erasure::Unfinished;
use tact_service::react::{command, react};
use tact_service::transact::Failure;
use tokio::sync::watch;

static TABLES: Component = Component {
    name: "reactor",
    postgres: &[include_str!("../../../migrations/postgres/reactor/0001_position.sql")],
    sqlite: &[include_str!("../../../migrations/sqlite/reactor/0001_position.sql")],
    durable: true,
};

/// What they look like, for whoever carries them whole from one database to another.
pub static KEPT: Kept = Kept {
    component: &TABLES,
    layouts: &[Layout { table: "reactor_position", columns: &[("name", Kind::Text), ("position", Kind::Int)] }],
};

const POSITION: &str = "SELECT position FROM reactor_position WHERE name = 'reactor'";
const MOVE: &str =
    "INSERT INTO reactor_position (name, position) VALUES ('reactor', $1) ON CONFLICT (name) DO UPDATE SET position = $1";

/// Every SQL text of this file, for the test that prepares them on both engines.
pub const SQL: &[&str] = &[POSITION, MOVE];

/// How long it waits for the next event, and at most for the next look at whom to forget.
const WAIT: Duration = Duration::from_secs(2);

/// Why the reactor stopped for a while.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Database(#[from] DbError),
    #[error(transparent)]
    Erasure(#[from] Unfinished),
}

/// The reactor.
#[derive(Debug)]
pub struct Reactor {
    app: Arc<App>,
    db: Db,
    done: watch::Sender<Position>,
}

impl Reactor {
    /// Opens the place where it keeps its position, waiting at most `wait` for the database.
    ///
    /// # Errors
    /// [`DbError`] if the database cannot be opened in time.
    pub async fn open(app: Arc<App>, target: &Target, wait: Duration) -> Result<Self, DbError> {
        let db = target.open(&TABLES, wait).await?;
        Ok(Self { app, db, done: watch::Sender::default() })
    }

    /// Up to where everything has been carried out.
    pub fn done(&self) -> watch::Receiver<Position> {
        self.done.subscribe()
    }

    /// Runs until told to stop. What cannot be done is tried again, with one line in the log.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut troubled = false;
        while !*stop.borrow() {
            match self.follow(&mut stop, &mut troubled).await {
                Ok(()) => return,
                Err(stopped) => {
                    if !troubled {
                        tracing::warn!(%stopped, "the reactor cannot go on and tries again");
                    }
                    troubled = true;
                    let _ = tokio::time::timeout(WAIT, stop.wait_for(|stop| *stop)).await;
                }
            }
        }
    }

    async fn follow(&self, stop: &mut watch::Receiver<bool>, troubled: &mut bool) -> Result<(), Stopped> {
        let stored: Option<(i64,)> = one!(&self.db, POSITION)?;
        let start = Position::from_stored(stored.map_or(0, |(at,)| at.cast_unsigned()));
        self.done.send_replace(start);
        let mut follow = self.app.transactor.log().follow("reactor", start).await?;
        loop {
            let batch = tokio::select! {
                batch = follow.next(500, WAIT) => batch?,
                _ = stop.wait_for(|stop| *stop) => return Ok(()),
            };
            for stored in &batch.events {
                self.react(stored).await?;
            }
            if let Some(last) = batch.events.last() {
                run!(&self.db, MOVE, last.position.to_stored().cast_signed())?;
                follow.done(last.position).await?;
                self.done.send_replace(last.position);
                if std::mem::take(troubled) {
                    tracing::info!("the reactor goes on");
                }
            } else {
                self.forget().await?;
            }
        }
    }

    /// Carries out what one event sets off. An event that cannot be read sets off nothing: its patient is set aside.
    async fn react(&self, stored: &Stored) -> Result<(), Stopped> {
        let StreamId::Patient(patient) = stored.stream else { return Ok(()) };
        // Most events set off nothing, and their type stands near the front of their bytes.
        if !may_set_off(&stored.bytes) {
            return Ok(());
        }
        let Ok(recorded) = Recorded::<Event>::read(&stored.bytes) else { return Ok(()) };
        if let Event::Erased(_) = recorded.event {
            return Ok(self.app.carry_out_erasure(patient, recorded.envelope.id).await?);
        }
        match react(&self.app.transactor, &self.app.keys, &recorded, patient).await {
            Ok(_) => Ok(()),
            Err(Failure::SetAside { patient, reason }) => {
                tracing::error!(%patient, %reason, event = %recorded.envelope.id, "a reaction waits: a patient is set aside");
                Ok(())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// Erases those who are known only through a care referral that was done with 30 days ago, or as long as the network says (P11).
    async fn forget(&self) -> Result<(), Stopped> {
        let now = self.app.clock.now();
        // The rows hold the usual time: every projector of a network must write the same.
        let by_rows = now - self.app.beyond_usual();
        for row in tact_read_models::forgetting::overdue(&self.app.read.db(), by_rows, 100).await? {
            let patient = row.patient;
            let known = self.app.transactor.patient_now(patient).await?;
            if self.app.forget_at(&known.state).is_none_or(|at| now < at) || known.set_aside().is_some() {
                continue;
            }
            let event = Event::Erased(Empty {});
            let command = command(&self.app.keys, patient, patient, &event, None);
            // What it was kept for is done, and no consent keeps it longer.
            self.app.personal.order_erasure(command.event, patient, ErasureReason::PurposeAchieved.as_str()).await?;
            match self.app.transactor.record(patient, &command, &event).await {
                Ok(done) => self.app.carry_out_erasure(done.patient, done.recorded.envelope.id).await?,
                // Somebody was faster: what they recorded comes by.
                Err(Failure::Untrue(_)) => self.app.personal.withdraw_order(command.event).await?,
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }
}

fn may_set_off(bytes: &[u8]) -> bool {
    const KINDS: [&[u8]; 5] = [
        b"\"patient.registered\"",
        b"\"patient.absorbing\"",
        b"\"patient.merged\"",
        b"\"patient.separated\"",
        b"\"patient.erased\"",
    ];
    let head = &bytes[..bytes.len().min(512)];
    KINDS.iter().any(|kind| head.windows(kind.len()).any(|window| window == *kind))
}
