//! Histories to tell of: the golden stream, which shows every event type, and one that could have happened, with real decisions.

use std::collections::{BTreeMap, HashMap};

use crate::{Language, Material, Proof};
use serde_json::{Value, json};
use tact_domain::control::{Directory, DirectoryEvent, Policies, PolicyPublished};
use tact_domain::disclosure::ExportPurpose;
use tact_domain::envelope::{Hash, hash};
use tact_domain::patient::{Ask, Decision, Event, OnNumber, State, decide, evolve};
use tact_domain::{Actor, Envelope, Recorded, Time, Zone};
use uuid::Uuid;

pub(crate) const PATIENT: Uuid = Uuid::from_u128(0x01908a00_0000_7000_8000_000000000001);

pub(crate) fn at(text: &str) -> Time {
    text.parse().unwrap()
}

pub(crate) fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x01908a00_0000_7000_8000_000000000000 + n)
}

/// The stream of a patient as it grows.
pub(crate) struct Story {
    pub(crate) patient: Uuid,
    pub(crate) events: Vec<Recorded>,
    pub(crate) policies: Policies,
    state: State,
    previous: Hash,
}

impl Story {
    /// Nothing has happened; the policy that ships is in force since 1 January 2026.
    pub(crate) fn new(patient: Uuid) -> Self {
        let policies = published(&[("1", tact_domain::policy::DEFAULT, "2026-01-01T00:00:00Z")]);
        Self { patient, events: Vec::new(), policies, state: State::default(), previous: Hash::default() }
    }

    /// Something happened, and was recorded a quarter of a second later.
    pub(crate) fn event(&mut self, time: &str, kind: &str, data: Value) -> &mut Self {
        self.late(time, at(time) + chrono::Duration::milliseconds(250), kind, data)
    }

    /// Something happened, and was recorded at another time.
    pub(crate) fn late(&mut self, time: &str, recorded_at: Time, kind: &str, data: Value) -> &mut Self {
        let data = serde_json::value::to_raw_value(&data).unwrap();
        let event = Event::read(kind, 1, &data).unwrap_or_else(|error| panic!("{kind}: {error}"));
        self.append(at(time), recorded_at, event)
    }

    fn append(&mut self, time: Time, recorded_at: Time, event: Event) -> &mut Self {
        let sequence = u64::try_from(self.events.len()).unwrap() + 1;
        let envelope = Envelope {
            id: Uuid::from_u128(self.patient.as_u128() + (u128::from(sequence) << 64)),
            network: "clinic".into(),
            subject: self.patient.to_string().into(),
            time,
            recorded_at,
            actor: Actor::Staff(id(0xa1)),
            branch: Some("north".parse().unwrap()),
            sequence,
            cause: None,
            command: None,
            previous: self.previous,
        };
        self.previous = hash(&envelope.write(&event));
        let recorded = Recorded { envelope, event };
        evolve(&mut self.state, &recorded);
        self.events.push(recorded);
        self
    }

    /// A branch asks for a permit, and gets the answer that the policy gives.
    pub(crate) fn ask(&mut self, time: &str, permit: Uuid, purpose: &str, channel: &str) -> bool {
        let now = at(time);
        let policy = self.policies.in_force(now).unwrap().policy.clone();
        let (purpose, channel, branch) = (purpose.parse().unwrap(), channel.parse().unwrap(), "north".parse().unwrap());
        let ask = Ask { permit, purpose, channel, branch, about: None, reason: None, number: OnNumber::NotAsked };
        let zone = Zone::new(self.state.zone().unwrap());
        let (permitted, event) = match decide(&self.state, &policy, &ask, now, &zone) {
            Decision::Permitted(e) => (true, Event::Permitted(e)),
            Decision::Refused(e) => (false, Event::Refused(e)),
        };
        self.append(now, now, event);
        permitted
    }

    /// A contact of ours that reached the patient.
    pub(crate) fn call(&mut self, time: &str, contact: u128, purpose: &str, channel: &str, permit: Option<Uuid>) -> &mut Self {
        let mut data = json!({"contact": id(contact), "direction": "outbound", "purpose": purpose, "channel": channel, "branch": "north",
            "outcome": "reached"});
        if let Some(permit) = permit {
            data["permit"] = json!(permit);
        }
        self.event(time, "contact.made", data)
    }

    pub(crate) fn registered(&mut self, time: &str) -> &mut Self {
        self.event(time, "patient.registered", json!({"home_branch": "north", "time_zone": "Europe/Moscow", "language": "ru"}))
    }

    pub(crate) fn consent(&mut self, time: &str, document: u128) -> &mut Self {
        let evidence = json!({"method": "paper", "document": id(document)});
        let data = json!({"purpose": "promotion", "channels": ["sms", "email"], "evidence": evidence, "expires_at": "2027-03-02T00:00:00Z"});
        self.event(time, "consent.granted", data)
    }
}

/// Published policies: version, text, and from when on.
pub(crate) fn published(texts: &[(&str, &str, &str)]) -> Policies {
    let mut policies = Policies::default();
    for (sequence, (version, text, from)) in (1..).zip(texts) {
        let effective_from = at(from);
        let envelope = Envelope {
            id: id(0xb000 + u128::from(sequence)),
            network: "clinic".into(),
            subject: "policy".into(),
            time: effective_from - chrono::Duration::hours(1),
            recorded_at: effective_from - chrono::Duration::hours(1),
            actor: Actor::System("test".into()),
            branch: None,
            sequence,
            cause: None,
            command: None,
            previous: Hash::default(),
        };
        let sha256 = hex::encode(hash(text.as_bytes()));
        let event = PolicyPublished { version: (*version).into(), text: (*text).to_owned(), sha256, effective_from };
        policies.evolve(Recorded { envelope, event }).unwrap();
    }
    policies
}

/// A life with everything in it that a page must tell well.
pub(crate) fn messy() -> Story {
    let mut story = Story::new(PATIENT);
    let (reminder, promotion, wellbeing) = (id(0x81), id(0x82), id(0x83));
    story.registered("2026-03-02T08:00:00Z").consent("2026-03-02T08:05:00Z", 0x30);
    let booked = json!({"appointment": id(0x20), "branch": "north", "kind": "surgery", "starts_at": "2026-03-06T07:00:00Z", "clinician": id(0x50)});
    story.event("2026-03-02T08:10:00Z", "appointment.booked", booked);
    assert!(story.ask("2026-03-05T08:00:00Z", reminder, "appointment_reminder", "phone"));
    story.event("2026-03-05T08:01:00Z", "contact.started", json!({"permit": reminder, "contact": id(0x91)}));
    story.call("2026-03-05T08:03:00Z", 0x91, "appointment_reminder", "phone", Some(reminder));
    story.event("2026-03-06T09:30:00Z", "appointment.completed", json!({"appointment": id(0x20)}));
    let window = json!({"from": "2026-03-08T07:00:00Z", "until": "2026-03-08T12:00:00Z"});
    story.event(
        "2026-03-06T09:40:00Z",
        "contact.announced",
        json!({"purpose": "wellbeing_check", "window": window, "about": id(0x20)}),
    );
    assert!(story.ask("2026-03-08T08:00:00Z", wellbeing, "wellbeing_check", "phone"));
    story.call("2026-03-08T08:04:00Z", 0x92, "wellbeing_check", "phone", Some(wellbeing));
    assert!(story.ask("2026-03-10T11:00:00Z", promotion, "promotion", "sms"));
    story.call("2026-03-10T11:02:00Z", 0x93, "promotion", "sms", Some(promotion));
    assert!(!story.ask("2026-03-12T18:30:00Z", id(0x84), "promotion", "sms"));
    assert!(!story.ask("2026-03-13T10:00:00Z", id(0x85), "sales_follow_up", "phone"));
    story.call("2026-03-13T10:05:00Z", 0x94, "sales_follow_up", "phone", None);
    story.event(
        "2026-03-13T10:20:00Z",
        "consent.preference_set",
        json!({"reach": "patient_initiated", "quiet_hours": {"from": "18:00", "until": "11:00"}}),
    );
    story.event("2026-03-13T10:21:00Z", "consent.withdrawn", json!({"purpose": "promotion", "channels": ["sms"]}));
    let inbound = json!({"contact": id(0x95), "direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north",
        "outcome": "reached", "note": id(0x99)});
    story.event("2026-03-20T07:00:00Z", "contact.made", inbound);
    story.event(
        "2026-03-20T07:05:00Z",
        "feedback.given",
        json!({"feedback": id(0x98), "branch": "north", "score": 4, "weaknesses": ["too_many_calls"]}),
    );
    story
}

/// The golden stream: every event type, in a form that is as full as can be.
pub(crate) fn golden() -> Vec<Recorded> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/patient");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| Recorded::read(std::fs::read(file).unwrap().trim_ascii_end()).unwrap()).collect()
}

/// What stands around the events.
pub(crate) struct Around {
    pub(crate) policies: Policies,
    pub(crate) directory: Directory,
    pub(crate) personal: BTreeMap<String, String>,
    pub(crate) texts: HashMap<Uuid, String>,
    pub(crate) proof: Proof,
}

impl Around {
    pub(crate) fn new(policies: Policies) -> Self {
        let mut directory = Directory::default();
        let branch = json!({"branch": "north", "name": "Северный", "time_zone": "Europe/Moscow"});
        directory.evolve(DirectoryEvent::BranchListed(serde_json::from_value(branch).unwrap()));
        let personal =
            [("name", "Анна <b>Сафина</b>"), ("phone", "+7 900 000-00-00"), ("birth_date", "1984-05-17"), ("address", "Казань")];
        Self {
            policies,
            directory,
            personal: personal.map(|(field, value)| (field.to_owned(), value.to_owned())).into(),
            texts: HashMap::from([(id(0x99), "Просила больше не звонить <script>alert(1)</script>".to_owned())]),
            proof: Proof {
                checkpoint: 812,
                made_at: at("2026-03-31T21:00:00Z"),
                key: "clinic+4f5d2c1a".to_owned(),
                events: 18,
                command: "tact history verify history.tact --key clinic.pub".to_owned(),
            },
        }
    }

    pub(crate) fn material<'a>(
        &'a self,
        events: &'a [Recorded],
        merged: &'a [(Uuid, Vec<Recorded>)],
        language: Language,
    ) -> Material<'a> {
        Material {
            network: "clinic",
            patient: PATIENT,
            events,
            merged,
            policies: &self.policies,
            directory: &self.directory,
            personal: Some(&self.personal),
            texts: &self.texts,
            made_for: "Роспотребнадзор",
            ground: ExportPurpose::Complaint,
            made_at: at("2026-04-01T09:00:00Z"),
            from: None,
            until: None,
            language,
            proof: Some(&self.proof),
        }
    }
}
