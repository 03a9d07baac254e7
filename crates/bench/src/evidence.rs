//! What the evidence costs: verifying histories against bare SHA-256 and JSON parsing of the same bytes, on one core; and appending with a
//! notary that signs beside it, against appending without one.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::value::RawValue;
use tact_database::Target;
use tact_domain::control::{Policies, PolicyPublished};
use tact_domain::disclosure::ExportPurpose;
use tact_domain::envelope::{Hash, Payload, hash};
use tact_domain::patient::events::{ConsentGranted, Event, Evidence, Made, Registered};
use tact_domain::patient::{Ask, Decision, OnNumber, State, decide, evolve};
use tact_domain::{Actor, Channel, Direction, Envelope, Outcome, Recorded, Time, Zone, policy};
use tact_event_log::{EventLog, MemoryLog, NewEvent, Position, SqliteLog, Stored, StreamId};
use tact_evidence::file::{EventPart, History, Line, SignedNote, StreamPart, VERSION, Writer};
use tact_evidence::note::PrivateKey;
use tact_evidence::trust::{Trust, TrustedKey};
use tact_evidence::verify::{Grounds, verify};
use tact_ledger::{Keeper, Ledger, Step, keys};
use tact_notary::publish::Publisher;
use tact_notary::role::Notary;
use tact_service::clock::Clock;
use uuid::Uuid;

use crate::jetstream::transact_all;
use crate::measure::{Sample, report, sample};
use crate::work::{NETWORK, Work, noon};

/// Events of one history.
const LONG: usize = 1000;
/// Histories in one pair: seven pairs have a million events.
const HISTORIES: usize = 143;

pub(crate) async fn run(work: &Work, pairs: usize) -> Result<()> {
    verifying(pairs).await?;
    appending(work, pairs).await
}

/// Writes streams by the rules, as fast as memory takes them.
struct Stories {
    log: MemoryLog,
    policies: Policies,
}

impl Stories {
    async fn put<E: Payload>(&self, stream: StreamId, tail: &mut (Position, u64, Hash), time: Time, event: &E) -> Result<Stored> {
        let id = Uuid::from_u128(u128::from_be_bytes(hash(format!("{stream} {}", tail.1).as_bytes())[..16].try_into()?));
        let envelope = Envelope {
            id,
            network: NETWORK.into(),
            subject: stream.to_string().into(),
            time,
            recorded_at: time,
            actor: Actor::Staff(Uuid::from_u128(7)),
            branch: Some("north".parse().ok().context("a code")?),
            sequence: tail.1 + 1,
            cause: None,
            command: Some(7),
            previous: tail.2,
        };
        let bytes: bytes::Bytes = envelope.write(event).into();
        let new = NewEvent { id, bytes: bytes.clone() };
        let tact_event_log::Append::Done(position) = self.log.append(stream, tail.0, new).await? else {
            anyhow::bail!("nobody else writes")
        };
        *tail = (position, tail.1 + 1, hash(&bytes));
        Ok(Stored { stream, position, id, bytes })
    }

    async fn begin() -> Result<(Self, Vec<Stored>)> {
        let mut stories = Self { log: MemoryLog::new(), policies: Policies::default() };
        let text = policy::DEFAULT;
        let at = noon() - chrono::Duration::days(4000);
        let published = PolicyPublished {
            version: "default".into(),
            text: text.to_owned(),
            sha256: tact_domain::envelope::hash(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect(),
            effective_from: at + chrono::Duration::hours(1),
        };
        let stored = stories.put(StreamId::Policy, &mut (Position::START, 0, Hash::default()), at, &published).await?;
        let recorded = Recorded::<PolicyPublished>::read(&stored.bytes)?;
        stories.policies.evolve(recorded)?;
        Ok((stories, vec![stored]))
    }

    /// Years of asking, calling and being refused.
    async fn story(&self, patient: Uuid) -> Result<Vec<Stored>> {
        let stream = StreamId::Patient(patient);
        let mut tail = (Position::START, 0, Hash::default());
        let mut state = State::default();
        let mut now = noon() - chrono::Duration::days(3900);
        let mut stored = Vec::with_capacity(LONG);
        let policy = self.policies.in_force(now).context("a policy")?.policy.clone();
        let purpose: tact_domain::Purpose = "promotion".parse().ok().context("a word")?;
        let branch: tact_domain::Branch = "north".parse().ok().context("a code")?;
        let mut permit = None;
        while stored.len() < LONG {
            let number = stored.len();
            let event = match number {
                0 => Event::Registered(Registered {
                    home_branch: branch.clone(),
                    time_zone: "Europe/Moscow".into(),
                    language: None,
                    recommended_by: None,
                    guardian: None,
                }),
                1 => Event::ConsentGranted(ConsentGranted {
                    purpose: purpose.clone(),
                    channels: vec![Channel::Sms],
                    evidence: Evidence { method: "paper".into(), document: Uuid::from_u128(1) },
                    expires_at: None,
                }),
                _ => match permit.take() {
                    Some(used) => Event::Made(Made {
                        contact: Uuid::from_u128(u128::from(hash(&tail.2)[0]) << 64 | number as u128),
                        direction: Direction::Outbound,
                        purpose: purpose.clone(),
                        channel: Channel::Sms,
                        branch: branch.clone(),
                        outcome: Outcome::Reached,
                        permit: Some(used),
                        about: None,
                        note: None,
                    }),
                    None => {
                        now += chrono::Duration::days(7);
                        let id = Uuid::from_u128(number as u128 + 1000);
                        let ask = Ask {
                            permit: id,
                            purpose: purpose.clone(),
                            channel: Channel::Sms,
                            branch: branch.clone(),
                            about: None,
                            reason: None,
                            number: OnNumber::NotAsked,
                        };
                        match decide(&state, &policy, &ask, now, &Zone::new(chrono_tz::Europe::Moscow)) {
                            Decision::Permitted(e) => {
                                permit = Some(id);
                                Event::Permitted(e)
                            }
                            Decision::Refused(e) => Event::Refused(e),
                        }
                    }
                },
            };
            let one = self.put(stream, &mut tail, now, &event).await?;
            evolve(&mut state, &Recorded::<Event>::read(&one.bytes)?);
            stored.push(one);
        }
        Ok(stored)
    }
}

/// Histories as they would be handed out, each with its proofs.
async fn histories(key: &PrivateKey, from: usize) -> Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let ledger = Ledger::open(&Target::sqlite(folder.path()), NETWORK, Duration::from_secs(10)).await?;
    let (stories, policies) = Stories::begin().await?;
    let mut patients = Vec::with_capacity(HISTORIES);
    for n in 0..HISTORIES {
        let patient = Uuid::from_u128((from + n) as u128 + 1);
        patients.push((patient, stories.story(patient).await?));
    }
    let mut keeper = Keeper::open(&ledger, key.clone()).await?;
    let mut published = None;
    for events in std::iter::once(&policies).chain(patients.iter().map(|(_, events)| events)) {
        match keeper.add(events, noon()).await? {
            Step::Signed(signed) => published = Some(signed),
            Step::Moved => anyhow::bail!("nobody else signs"),
        }
    }
    let published = published.context("something was signed")?;
    let mut files = Vec::with_capacity(HISTORIES);
    for (patient, events) in patients {
        let mut writer = Writer::new(Vec::new());
        writer.line(&Line::History(History {
            version: VERSION,
            network: NETWORK.into(),
            patient,
            from: None,
            until: None,
            made_at: noon(),
            made_for: "bench".into(),
            purpose: ExportPurpose::Inspection,
            made_by: "bench".into(),
        }))?;
        writer.line(&Line::Checkpoint(SignedNote { note: published.network.clone() }))?;
        for log in &published.logs {
            writer.line(&Line::Log(SignedNote { note: log.clone() }))?;
        }
        for (name, events) in [("policy".to_owned(), &policies), (patient.to_string(), &events)] {
            let (ends, places) = ledger.prove(&published, &name, events).await?;
            writer.line(&Line::Stream(StreamPart { stream: name, ends }))?;
            for (stored, place) in events.iter().zip(places) {
                let event: &RawValue = serde_json::from_slice(&stored.bytes)?;
                writer.line(&Line::Event(EventPart { place: Some(place), event }))?;
            }
        }
        files.push(writer.end(NETWORK, patient, key)?);
    }
    Ok(files)
}

async fn verifying(pairs: usize) -> Result<()> {
    let key = PrivateKey::new("tact/bench", &[7; 32])?;
    let trust = Trust(vec![TrustedKey { key: key.public(), from: None, until: None }]);
    let grounds = Grounds { trust, kept: Vec::new() };
    let mut samples: Vec<(Sample, Sample)> = Vec::new();
    let (mut bytes, mut decided) = (0, 0);
    for pair in 0..pairs {
        let files = histories(&key, pair * HISTORIES).await?;
        bytes += files.iter().map(Vec::len).sum::<usize>();
        let bare = sample(async {
            let mut lines = 0;
            for file in &files {
                std::hint::black_box(hash(file));
                for line in file.split_inclusive(|byte| *byte == b'\n') {
                    std::hint::black_box(serde_json::from_slice::<serde_json::Value>(line)?);
                    lines += usize::from(line.starts_with(b"{\"event\""));
                }
            }
            Ok(lines)
        })
        .await?;
        let ours = sample(async {
            let mut events = 0;
            for file in &files {
                let report = verify(&file[..], &grounds)?;
                ensure!(report.holds(), "{:?}", report.first_deviation());
                decided += report.decided_again;
                events += report.streams.iter().map(|stream| stream.events as usize).sum::<usize>();
            }
            Ok(events)
        })
        .await?;
        samples.push((bare, ours));
    }
    println!(
        "{pairs} times {HISTORIES} histories of {LONG} events each, {} MB, {decided} decisions made again",
        bytes / 1_000_000
    );
    report("verifying, events, against SHA-256 and JSON parsing of the same bytes, one core", 0.5, &samples);
    Ok(())
}

async fn appending(work: &Work, pairs: usize) -> Result<()> {
    let work = Arc::new(Work { patients: work.patients.clone(), events: work.events.clone() });
    for in_flight in [64, 512] {
        let mut samples = Vec::new();
        for _ in 0..pairs {
            let mut pair = Vec::new();
            for signed in [false, true] {
                let folder = tempfile::tempdir()?;
                let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&folder.path().join("events.db"), NETWORK)?);
                let (stop, stopped) = tokio::sync::watch::channel(false);
                let ledger = Ledger::open(&Target::sqlite(folder.path()), NETWORK, Duration::from_secs(10)).await?;
                let signing = signed.then(|| {
                    let file = folder.path().join("signing.key");
                    let made = keys::make(&file, NETWORK, &[7; 32]);
                    let publisher = Publisher::new(log.clone(), None);
                    let notary = Notary::new(log.clone(), ledger.clone(), Clock::by_hand(noon()), file, publisher);
                    tokio::spawn(async move {
                        made?;
                        notary.run(stopped).await.map_err(anyhow::Error::from)
                    })
                });
                pair.push(transact_all(&work, log.clone(), NETWORK, in_flight).await?);
                if let Some(signing) = signing {
                    let head = log.head().await?;
                    ensure!(ledger.wait_for(head, Duration::from_secs(120)).await?, "the notary has not come so far");
                    stop.send_replace(true);
                    signing.await??;
                }
            }
            samples.push((pair[0], pair[1]));
        }
        report(&format!("transact on embedded SQLite with a notary against without, {in_flight} in flight"), 0.85, &samples);
    }
    Ok(())
}
