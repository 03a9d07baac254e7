//! The projector on PostgreSQL, against a loop that pulls the same stream and bulk-writes the very same rows with its checkpoint.
//!
//! The bare loop computes nothing: it is given the rows that the projector made, and only has to find them by position and write them. It must
//! leave the same tables behind, which is checked.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail, ensure};
use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Message};
use futures::StreamExt;
use tact_database::bulk::{self, OnConflict, Record};
use tact_database::{Db, Target, Tx};
use tact_event_log::{EventLog, JetStreamConfig, open_jetstream};
use tact_projector::{Projector, Settings};
use tact_read_models::checkpoint::{self, Checkpoint};
use tact_read_models::contacts::{ContactCount, ContactRow, PermitCount, RefusalCount};
use tact_read_models::due::DueRow;
use tact_read_models::history::HistoryRow;
use tact_read_models::patient_months::PatientMonth;
use tact_read_models::patients::PatientRow;
use tact_read_models::quotas::QuotaRow;
use tact_read_models::{ReadDb, dump};
use tact_testbed::{Nats, Postgres, fresh_name};
use uuid::Uuid;

use crate::jetstream::{publish_all, server};
use crate::measure::{Sample, report, sample};
use crate::work::{BEFORE, COMMANDS, NETWORK, Work, noon, prepare};

const WAIT: Duration = Duration::from_secs(60);

/// How many writers put the events into the stream, one patient after another each: no two events of a patient are neighbours.
const WRITERS: usize = 64;

pub(crate) async fn run(work: &Work, pairs: usize) -> Result<()> {
    let work = Arc::new(Work { patients: work.patients.clone(), events: work.events.clone() });
    let nats = server(false).await?;
    let postgres = Postgres::start().await?;
    let log: Arc<dyn EventLog> = Arc::new(open_jetstream(JetStreamConfig::new(NETWORK, [nats.url()])).await?);
    prepare(&log, NETWORK).await?;
    let context = jetstream::new(async_nats::connect(nats.url()).await?);
    let mut heads = vec![0; work.patients.len()];
    publish_all(&work, &context, NETWORK, WRITERS, 0..BEFORE + COMMANDS, &mut heads).await?;

    let batch = Settings::default().batch;
    let (_, db) = ours(&log, &postgres.database().await?).await?;
    let rows = Made::read(&db).await?;
    let tables = dump(&db).await?;
    let mut samples = Vec::new();
    for _ in 0..pairs {
        let (bare, db) = bare(&nats, &postgres.database().await?, &rows, batch).await?;
        ensure!(dump(&db).await? == tables, "the bare loop has left other rows behind");
        let (ours, db) = ours(&log, &postgres.database().await?).await?;
        ensure!(dump(&db).await? == tables, "the projector has left other rows behind than the first time");
        samples.push((bare, ours));
    }
    report(&format!("projector on PostgreSQL, {} events, batches of {batch}", rows.end.position), 0.5, &samples);
    Ok(())
}

async fn open(database: &str) -> Result<ReadDb> {
    let target: Target = database.parse()?;
    Ok(ReadDb::open(&target, WAIT).await?)
}

async fn ours(log: &Arc<dyn EventLog>, database: &str) -> Result<(Sample, Db)> {
    let read = open(database).await?;
    let settings = Settings { name: fresh_name("bench"), ..Settings::default() };
    let projector = Projector::new(log.clone(), read.clone(), Arc::new(noon), settings);
    let measured = sample(async { Ok(usize::try_from(projector.catch_up().await?)?) }).await?;
    Ok((measured, read.db()))
}

/// What the projector made of the stream, by where the bare loop needs it.
struct Made {
    end: Checkpoint,
    history: HashMap<i64, HistoryRow>,
    contacts: HashMap<i64, ContactRow>,
    patients: HashMap<Uuid, PatientRow>,
    due: HashMap<Uuid, Vec<DueRow>>,
    quotas: HashMap<Uuid, Vec<QuotaRow>>,
    contact_counts: Vec<ContactCount>,
    permit_counts: Vec<PermitCount>,
    refusal_counts: Vec<RefusalCount>,
    patient_months: Vec<PatientMonth>,
}

impl Made {
    async fn read(db: &Db) -> Result<Self> {
        Ok(Self {
            end: checkpoint::read(db).await?,
            history: bulk::dump::<HistoryRow>(db).await?.into_iter().map(|row| (row.position, row)).collect(),
            contacts: bulk::dump::<ContactRow>(db).await?.into_iter().map(|row| (row.position, row)).collect(),
            patients: bulk::dump::<PatientRow>(db).await?.into_iter().map(|row| (row.patient, row)).collect(),
            due: by_patient(bulk::dump(db).await?, |row: &DueRow| row.patient),
            quotas: by_patient(bulk::dump(db).await?, |row: &QuotaRow| row.patient),
            contact_counts: bulk::dump(db).await?,
            permit_counts: bulk::dump(db).await?,
            refusal_counts: bulk::dump(db).await?,
            patient_months: bulk::dump(db).await?,
        })
    }
}

fn by_patient<R>(rows: Vec<R>, patient: impl Fn(&R) -> Uuid) -> HashMap<Uuid, Vec<R>> {
    let mut found: HashMap<Uuid, Vec<R>> = HashMap::new();
    for row in rows {
        found.entry(patient(&row)).or_default().push(row);
    }
    found
}

async fn bare(nats: &Nats, database: &str, made: &Made, batch: usize) -> Result<(Sample, Db)> {
    let db = open(database).await?.db();
    let client = async_nats::connect(nats.url()).await?;
    let stream = jetstream::new(client).get_stream(format!("tact-{NETWORK}")).await?;
    let ack_policy = AckPolicy::All;
    let consumer = pull::Config { durable_name: Some(fresh_name("bare")), ack_policy, max_ack_pending: -1, ..Default::default() };
    let consumer = stream.create_consumer(consumer).await?;
    let measured = sample(async {
        let mut messages = consumer.stream().max_messages_per_batch(8192).messages().await?;
        let mut from = checkpoint::read(&db).await?;
        while from.position < made.end.position {
            let mut pulled = Vec::with_capacity(batch);
            let mut position = from.position;
            while pulled.len() < batch && position < made.end.position {
                let message = messages.next().await.context("the stream goes on")??;
                position = message.info().map_err(Error::msg)?.stream_sequence.cast_signed();
                pulled.push((position, message));
            }
            let mut tx = db.begin().await?;
            let policy = made.end.policy.as_deref();
            ensure!(checkpoint::advance(&mut tx, &from, position, policy, noon()).await?, "nobody else writes");
            write(&mut tx, made, &pulled).await?;
            tx.commit().await?;
            from = Checkpoint { position, policy: made.end.policy.clone(), ..from };
            let (_, last) = pulled.last().context("a batch is not empty")?;
            last.ack().await.map_err(Error::msg)?;
        }
        Ok(usize::try_from(from.position)?)
    })
    .await?;
    Ok((measured, db))
}

const HISTORY: &str = "INSERT INTO history (patient, position, sequence, event, kind, time, recorded_at, actor, branch, body)
    SELECT * FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[], $7::timestamptz[],
    $8::text[], $9::text[], $10::text[])";

const PATIENTS: &str = "INSERT INTO patients (patient, home_branch, standing, merged_into, reach, registered_at, version, position,
    last_hash, state, trail)
    SELECT * FROM UNNEST($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[],
    $9::bytea[], $10::text[], $11::text[])
    ON CONFLICT (patient) DO UPDATE SET home_branch = excluded.home_branch, standing = excluded.standing,
    merged_into = excluded.merged_into, reach = excluded.reach, registered_at = excluded.registered_at, version = excluded.version,
    position = excluded.position, last_hash = excluded.last_hash, state = excluded.state, trail = excluded.trail";

/// Writes a batch's rows: those of its events, and for its patients those that they end with.
async fn write(tx: &mut Tx, made: &Made, pulled: &[(i64, Message)]) -> Result<()> {
    let happened = pulled.iter().filter_map(|(position, message)| Some((made.history.get(position)?, message)));
    let (history, messages): (Vec<&HistoryRow>, Vec<&Message>) = happened.unzip();
    let bodies = messages.iter().map(|message| std::str::from_utf8(&message.payload)).collect::<Result<Vec<_>, _>>()?;
    let touched: BTreeSet<Uuid> = history.iter().map(|row| row.patient).collect();
    let patients: Vec<&PatientRow> = touched.iter().filter_map(|id| made.patients.get(id)).collect();
    let Tx::Pg(connection) = tx else { bail!("the database is on PostgreSQL") };
    sqlx::query(HISTORY)
        .bind(column(&history, |row| row.patient))
        .bind(column(&history, |row| row.position))
        .bind(column(&history, |row| row.sequence))
        .bind(column(&history, |row| row.event))
        .bind(column(&history, |row| row.kind.as_deref()))
        .bind(column(&history, |row| row.time))
        .bind(column(&history, |row| row.recorded_at))
        .bind(column(&history, |row| row.actor.as_deref()))
        .bind(column(&history, |row| row.branch.as_deref()))
        .bind(bodies)
        .execute(&mut **connection)
        .await?;
    sqlx::query(PATIENTS)
        .bind(column(&patients, |row| row.patient))
        .bind(column(&patients, |row| row.home_branch.as_deref()))
        .bind(column(&patients, |row| row.standing.as_str()))
        .bind(column(&patients, |row| row.merged_into))
        .bind(column(&patients, |row| row.reach.as_deref()))
        .bind(column(&patients, |row| row.registered_at))
        .bind(column(&patients, |row| row.version))
        .bind(column(&patients, |row| row.position))
        .bind(column(&patients, |row| row.last_hash.as_slice()))
        .bind(column(&patients, |row| row.state.as_str()))
        .bind(column(&patients, |row| row.trail.as_str()))
        .execute(&mut **connection)
        .await?;
    // The smaller tables. What is owed and counted is replaced for those whom a permit or a contact has changed it for.
    let contacts: Vec<ContactRow> = pulled.iter().filter_map(|(position, _)| made.contacts.get(position).cloned()).collect();
    bulk::write(tx, contacts, OnConflict::Fail).await?;
    let counts = |row: &&&HistoryRow| matches!(row.kind.as_deref(), Some("contact.permitted" | "contact.made"));
    let changed: BTreeSet<Uuid> = history.iter().filter(counts).map(|row| row.patient).collect();
    replace(tx, &changed, &made.due).await?;
    replace(tx, &changed, &made.quotas).await?;
    if pulled.last().is_some_and(|(position, _)| *position == made.end.position) {
        bulk::write(tx, made.contact_counts.clone(), OnConflict::Add).await?;
        bulk::write(tx, made.permit_counts.clone(), OnConflict::Add).await?;
        bulk::write(tx, made.refusal_counts.clone(), OnConflict::Add).await?;
        bulk::write(tx, made.patient_months.clone(), OnConflict::Add).await?;
    }
    Ok(())
}

async fn replace<R: Record + Clone>(tx: &mut Tx, of: &BTreeSet<Uuid>, rows: &HashMap<Uuid, Vec<R>>) -> Result<()> {
    let of: Vec<Uuid> = of.iter().copied().filter(|id| rows.contains_key(id)).collect();
    bulk::delete::<R>(tx, "patient", &of).await?;
    bulk::write(tx, of.iter().filter_map(|id| rows.get(id)).flatten().cloned().collect(), OnConflict::Fail).await?;
    Ok(())
}

fn column<'a, R, V>(rows: &[&'a R], value: impl Fn(&'a R) -> V) -> Vec<V> {
    rows.iter().map(|row| value(row)).collect()
}
