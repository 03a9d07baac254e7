//! The audit: that the read models say what an audit made from the whole log at once says, on both engines, live and rebuilt; who may ask and
//! what they are told; and the command, with a server and without one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};
use tact_domain::control::Policies;
use tact_domain::patient::Event;
use tact_domain::patient::audit::FindingKind;
use tact_domain::patient::events::{Made, Override};
use tact_domain::policy::{Basis, Measure, Per};
use tact_domain::{Channel, Direction, Outcome, Purpose, Recorded, Time};
use tact_event_log::{Append, EventLog, MemoryLog, NewEvent, Position, StreamId};
use tact_projector::{LogAudit, audit_log};
use tact_read_models::ReadDb;
use tact_read_models::audit::{self, Cursor, Found, Wanted, count};
use uuid::Uuid;

use crate::command_line::says;
use crate::network::{Network, id};
use crate::processes::{Caller, Ended, Process, command, ended};

/// The audit made from a log at once.
pub(crate) async fn at_once(log: &dyn EventLog) -> LogAudit {
    audit_log(log, &tact_testbed::fresh_name("audit"), |_| ()).await.unwrap()
}

/// Holds the read models against the audit made at once, page by page and count by count. Returns that audit.
pub(crate) async fn assert_current(what: &str, read: &ReadDb, log: &dyn EventLog) -> LogAudit {
    let whole = at_once(log).await;
    let db = read.db();
    let all = Wanted::default();
    let mut findings: Vec<Found> = Vec::new();
    let mut after = Cursor::<Uuid>::start();
    loop {
        let page = audit::findings(&db, &all, after, 17).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Cursor { time: last.time, id: last.finding };
        findings.extend(page);
    }
    let differs = findings.iter().zip(&whole.findings).find(|(kept, made)| kept != made);
    assert!(
        findings == whole.findings,
        "{what}: {} findings are kept, {} are there; {differs:#?}",
        findings.len(),
        whole.findings.len()
    );
    let told: HashSet<_> = findings.iter().map(|found| (found.contact, &found.kind, limit(found))).collect();
    assert_eq!(told.len(), findings.len(), "{what}: a finding is told twice");
    let mut wishes = Vec::new();
    let mut after = Cursor::<i64>::start();
    loop {
        let page = audit::wishes(&db, &all, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Cursor { time: last.time, id: last.position };
        wishes.extend(page);
    }
    assert_eq!(audit::told(&db, wishes).await.unwrap(), whole.wishes, "{what}");
    // Each filter alone, and all of them.
    let mut filters = vec![all];
    if let Some(found) = whole.findings.get(whole.findings.len() / 2) {
        let branch = found.branch.parse().ok();
        let month = Some(found.month.clone());
        let kind: Option<FindingKind> = found.kind.parse().ok();
        filters.push(Wanted { branch: branch.clone(), ..Wanted::default() });
        filters.push(Wanted { from: month.clone(), ..Wanted::default() });
        filters.push(Wanted { until: month.clone(), ..Wanted::default() });
        filters.push(Wanted { actor: found.actor.clone(), ..Wanted::default() });
        filters.push(Wanted { kind, ..Wanted::default() });
        filters.push(Wanted { branch, from: month.clone(), until: month, actor: found.actor.clone(), kind });
    }
    for wanted in filters {
        let held = || whole.findings.iter().filter(|found| wanted.holds_for(found));
        assert_eq!(audit::counts(&db, &wanted).await.unwrap(), count(held()), "{what}: {wanted:?}");
        let kept = audit::findings(&db, &wanted, Cursor::<Uuid>::start(), 100_000).await.unwrap();
        assert!(kept.iter().eq(held()), "{what}: {wanted:?}");
        let kept = audit::wishes(&db, &wanted, Cursor::<i64>::start(), 100_000).await.unwrap();
        assert!(kept.iter().eq(whole.wishes.iter().map(|told| &told.wish).filter(|wish| wanted.holds_for_wish(wish))), "{what}");
    }
    whole
}

fn limit(found: &Found) -> Option<String> {
    found.detail().unwrap().limit.map(|limit| limit.to_string())
}

/// The kinds of findings about a patient, in order.
fn kinds(findings: &Value, patient: Uuid) -> Vec<String> {
    let findings = findings["findings"].as_array().unwrap().iter();
    let of_them = findings.filter(|found| found["patient"] == patient.to_string());
    let mut kinds: Vec<String> = of_them.map(|found| found["kind"].as_str().unwrap().to_owned()).collect();
    kinds.sort_unstable();
    kinds
}

fn call(branch: &str, purpose: &str, time: &str) -> Value {
    json!({"direction": "outbound", "purpose": purpose, "channel": "phone", "branch": branch, "outcome": "reached", "time": time})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_entry_makes_a_finding_of_a_call_that_was_fine() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({})).await;
        let path = |what: &str| format!("/v1/patients/{patient}/{what}");
        let evidence = json!({"method": "paper", "document": "0190b6a2-7f1e-7c31-9d6e-2f4f0f6b8a11"});
        let consent = json!({"purpose": "promotion", "channels": ["phone"], "evidence": evidence});
        network.post(&path("consents"), consent).await.ok();
        let ask = json!({"purpose": "promotion", "channel": "phone", "branch": "north"});
        let permit = network.post(&path("permits"), ask).await.ok()["permit"].clone();
        let mut fine = call("north", "promotion", "2026-03-02T09:00:00Z");
        fine["permit"] = permit.clone();
        let done = network.post(&path("contacts"), fine).await.ok();
        let fine = done["contact"].clone();
        let at = async |position: &Value, query: &str| {
            network.get(&format!("/v1/audit/findings?at_least={}{query}", position.as_str().unwrap())).await.ok()
        };
        assert_eq!(kinds(&at(&done["position"], "").await, patient), Vec::<String>::new());

        // The paper log of the other branch comes: it had called two hours earlier, after Tact had begun.
        network.set_clock("2026-03-03T09:00:00Z");
        let actor = network.token(&["administrator"], Some(&["east"])).await;
        let late = call("east", "win_back", "2026-03-02T08:59:00Z");
        let done = network.post_as(&actor, &path("contacts"), late).await.ok();
        let found = at(&done["position"], "").await;
        assert_eq!(kinds(&found, patient), ["no_permit", "overall_limit_exceeded", "purpose_forbidden"]);
        let over = found["findings"].as_array().unwrap().iter().find(|found| found["kind"] == "overall_limit_exceeded").unwrap();
        assert_eq!((&over["contact"], &over["branch"], &over["month"]), (&fine, &json!("north"), &json!("2026-03")));
        assert_eq!(
            (&over["detail"]["max"], &over["detail"]["count"], &over["detail"]["permit"]),
            (&json!(1), &json!(2), &permit)
        );
        let counted: Vec<_> = over["detail"]["counted"].as_array().unwrap().iter().map(|item| item["contact"].clone()).collect();
        assert_eq!(counted, [done["contact"].clone(), fine]);

        // By branch, kind, month and actor; and who is who.
        let wrong = found["findings"].as_array().unwrap().iter().find(|found| found["kind"] == "no_permit").unwrap();
        let of_actor = format!("&actor={}", wrong["actor"].as_str().unwrap());
        for (query, expected) in [
            ("&branch=east", 2),
            ("&branch=north", 1),
            ("&kind=no_permit", 1),
            ("&from=2026-04", 0),
            ("&until=2026-02", 0),
            ("&from=2026-03&until=2026-03", 3),
            (of_actor.as_str(), 2),
        ] {
            assert_eq!(kinds(&at(&done["position"], query).await, patient).len(), expected, "{query}");
        }
        // Page by page.
        let mut next = String::new();
        let mut seen = Vec::new();
        loop {
            let page = at(&done["position"], &format!("&limit=1{next}")).await;
            seen.extend(page["findings"].as_array().unwrap().clone());
            let Some(after) = page["next"].as_str() else { break };
            next = format!("&after={after}");
        }
        assert_eq!(json!(seen), found["findings"]);

        // She has had enough, which is a finding of nobody, and what led up to it is both calls.
        let wish = network.post(&path("preferences"), json!({"reach": "patient_initiated"})).await.ok();
        let wishes = network.get(&format!("/v1/audit/wishes?at_least={}", wish["position"].as_str().unwrap())).await.ok();
        let said = &wishes["wishes"][0];
        assert_eq!((&said["wish"], id(&said["patient"])), (&wish["event"], patient));
        let led_up: Vec<_> =
            said["contacts"].as_array().unwrap().iter().map(|c| (c["branch"].clone(), c["purpose"].clone())).collect();
        assert_eq!(led_up, [(json!("east"), json!("win_back")), (json!("north"), json!("promotion"))]);

        // The head of one branch sees that another's call counted, and not what it was.
        let head = network.token(&["network_manager"], Some(&["north"])).await;
        let own = network.get_as(&head, "/v1/audit/findings?branch=north").await.ok();
        let counted = &own["findings"][0]["detail"]["counted"];
        assert_eq!((&counted[0]["contact"], &counted[0]["branch"]), (&Value::Null, &Value::Null), "{counted}");
        assert!(counted[1]["contact"].is_string(), "{counted}");
        let own = network.get_as(&head, "/v1/audit/wishes?branch=north").await.ok();
        let led_up = &own["wishes"][0]["contacts"];
        assert_eq!((&led_up[0]["actor"], &led_up[0]["branch"]), (&Value::Null, &Value::Null), "{led_up}");
        assert!(led_up[1]["contact"].is_string(), "{led_up}");
        network.get_as(&head, "/v1/audit/findings").await.refused(403, "forbidden");
        network.get_as(&head, "/v1/audit/counts?branch=east").await.refused(403, "forbidden");

        for (query, field) in [
            ("branch=nrth", "branch"),
            ("from=2026-3", "from"),
            ("until=yesterday", "until"),
            ("actor=anna", "actor"),
            ("limit=0", "limit"),
            ("limit=501", "limit"),
            ("after=00", "after"),
        ] {
            let problem = network.get(&format!("/v1/audit/findings?{query}")).await.refused(422, "untrue");
            assert_eq!(problem["field"], field, "{problem}");
        }
        let problem = network.get("/v1/audit/findings?kind=no_permt").await.refused(400, "malformed");
        assert!(problem["detail"].as_str().unwrap().contains("did you mean `no_permit`?"), "{problem}");

        assert_current("served", &network.app().read, &**network.app().transactor.log()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_turn_out_to_be_one_are_held_to_one_limit_and_told_of_once() {
    Network::on_both(async |network| {
        let (one, two) = (network.patient("north", json!({})).await, network.patient("east", json!({})).await);
        network.set_clock("2026-03-02T10:00:00Z");
        for (patient, branch, time) in [(one, "north", "2026-03-02T09:10:00Z"), (two, "east", "2026-03-02T09:20:00Z")] {
            network.post(&format!("/v1/patients/{patient}/contacts"), call(branch, "win_back", time)).await.ok();
        }
        network.post(&format!("/v1/patients/{two}/preferences"), json!({"reach": "patient_initiated"})).await.ok();
        network.post(&format!("/v1/patients/{one}/merge"), json!({"from": two})).await.ok();
        let absorbed = network.until(one, "patient.absorbed").await;
        let found = network.get(&format!("/v1/audit/findings?at_least={absorbed}")).await.ok();
        let mine = kinds(&found, one);
        assert_eq!(mine.iter().filter(|kind| *kind == "overall_limit_exceeded").count(), 1, "{found:#}");
        assert_eq!(mine.iter().filter(|kind| *kind == "no_permit").count(), 2, "{found:#}");
        assert_eq!(kinds(&found, two), Vec::<String>::new());
        // Whoever was called under the other name was called all the same.
        let wishes = network.get("/v1/audit/wishes").await.ok();
        assert_eq!(wishes["wishes"][0]["contacts"].as_array().map(Vec::len), Some(2), "{wishes:#}");
        assert_current("merged", &network.app().read, &**network.app().transactor.log()).await;

        network.post(&format!("/v1/patients/{one}/separation"), json!({"from": two})).await.ok();
        let parted = network.until(two, "patient.separated").await;
        let found = network.get(&format!("/v1/audit/findings?at_least={parted}")).await.ok();
        assert_eq!(kinds(&found, one), ["no_permit", "purpose_forbidden"]);
        assert_eq!(kinds(&found, two), ["no_permit", "overall_limit_exceeded", "purpose_forbidden"]);
        assert_current("parted", &network.app().read, &**network.app().transactor.log()).await;
    })
    .await;
}

async fn serve(data: &Path, now: &str) -> Process {
    let mut command = command(&["serve"]).await;
    command.env("TACT_DATA", data).env("TACT_LISTEN", "127.0.0.1:0").env("TACT_NOW", now);
    Process::start(command).await
}

/// Runs `tact audit` on a data folder or against a server.
async fn audited(data: &Path, url: &str, token: &str, more: &[&str]) -> Ended {
    let mut command = command(&[&["audit"], more].concat()).await;
    command.env("TACT_URL", url).env("TACT_TOKEN", token).env("TACT_DATA", data);
    ended(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_the_same_of_a_server_and_of_the_log_that_it_left() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // The policy that ships holds from a minute after the first start on; before, nothing is a breach of it.
    let mut server = serve(&data, "2026-03-02T08:00:00Z").await;
    let token = server.first_token().await;
    server.stop().await;
    let server = serve(&data, "2026-03-02T09:00:00Z").await;
    let manager = Caller::new(&server.url, &token);
    manager.put("/v1/branches/north", json!({"name": "North", "time_zone": "Europe/Moscow"})).await.ok();
    let patient = manager.patient("north").await;
    let mut made =
        json!({"direction": "outbound", "purpose": "win_back", "channel": "phone", "branch": "north", "outcome": "declined"});
    for _ in 0..2 {
        manager.post(&format!("/v1/patients/{patient}/contacts"), made.clone()).await.ok();
    }
    made["purpose"] = json!("promotion");
    manager.post(&format!("/v1/patients/{patient}/contacts"), made).await.ok();
    let last = manager.post(&format!("/v1/patients/{patient}/preferences"), json!({"reach": "patient_initiated"})).await.ok();
    manager.get(&format!("/v1/audit/counts?at_least={}", last["position"].as_str().unwrap())).await.ok();
    let url = server.url.clone();
    let run = async |more: &[&str]| audited(&data, &url, &token, more).await;

    // While the server runs, the log is its own.
    says(&run(&["--read-log"]).await, 6, &["leave `--read-log` out", "in use"]);
    let forms: &[&[&str]] = &[
        &[],
        &["--part", "counts,findings,wishes"],
        &["-o", "json"],
        &["-o", "jsonl"],
        &["-o", "csv"],
        &["-o", "csv", "--part", "counts"],
        &["-o", "csv", "--part", "wishes"],
        &["-o", "json", "--branch", "north", "--kind", "no_permit"],
        &["-o", "json", "--until", "2001-01"],
    ];
    let mut asked = Vec::new();
    for form in forms {
        let answer = run(form).await;
        says(&answer, 0, &[]);
        asked.push(answer.stdout);
    }
    let analyst = {
        let mut create = command(&["token", "create", "--label", "figures", "--as", "analyst"]).await;
        create.env("TACT_DATA", &data);
        ended(create).await.stdout.trim().to_owned()
    };
    says(&audited(&data, &url, &analyst, &[]).await, 1, &["403", "network_manager, regulator"]);
    says(&run(&["--branch", "nrth"]).await, 1, &["`branch`", "did you mean `north`?"]);
    for (wrong, words) in [
        (&["--kind", "no_permt"][..], "did you mean `no_permit`?"),
        (&["--from", "2026-3"], "write a month as 2026-03"),
        (&["--actor", "anna"], "staff:<uuid>"),
        (&["-o", "csv", "--part", "counts,wishes"], "name one part"),
        (&["--branch", "North!"], "not a branch code"),
    ] {
        says(&run(wrong).await, 2, &[words]);
    }
    server.stop().await;

    // Without it, the log says the same.
    for (form, asked) in forms.iter().zip(&asked) {
        let answer = run(&[&["--read-log"], *form].concat()).await;
        says(&answer, 0, &[]);
        assert_eq!(answer.stdout, *asked, "{form:?}");
    }
    says(&run(&[]).await, 1, &["cannot be reached"]);

    let whole: Value = serde_json::from_str(&asked[2]).unwrap();
    let found: Vec<_> = whole["findings"].as_array().unwrap().iter().map(|found| found["kind"].as_str().unwrap()).collect();
    let how_many = |kind: &str| found.iter().filter(|found| **found == kind).count();
    assert_eq!(["no_permit", "purpose_forbidden", "no_consent"].map(how_many), [3, 2, 1], "{found:?}");
    assert_eq!(how_many("overall_limit_exceeded"), 2, "one call in 24 hours, and there were three: {found:?}");
    let lines: Vec<Value> = asked[3].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let records = |record: &str| lines.iter().filter(|line| line["record"] == record).count();
    assert_eq!((records("finding"), records("wish")), (found.len(), 1));
    assert!(records("count") >= 4, "{lines:?}");
    let rows = |text: &str| -> Vec<csv::StringRecord> {
        csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap).collect()
    };
    assert_eq!((rows(&asked[4]).len(), rows(&asked[5]).len(), rows(&asked[6]).len()), (found.len(), records("count"), 3));
    let only: Value = serde_json::from_str(&asked[7]).unwrap();
    assert_eq!(only["findings"].as_array().map(Vec::len), Some(3));
    let none: Value = serde_json::from_str(&asked[8]).unwrap();
    assert_eq!((none["findings"].as_array().map(Vec::len), none["counts"].as_array().map(Vec::len)), (Some(0), Some(0)));
    for words in
        ["Done against the policy: 8", "overall_limit_exceeded", "\"Don't call me, I'll call you\": 1", "after 3 contacts"]
    {
        assert!(asked[0].contains(words), "`{words}` is not in\n{}", asked[0]);
    }
    assert!(asked[1].contains("allowed: 1 attempt per 24 hours by phone"), "{}", asked[1]);
}

/// What a plain second count needs of a patient: nothing but the events, in the order of recording.
#[derive(Default)]
struct Plain {
    events: Vec<Recorded>,
}

fn corrected(event: &Event) -> Option<(Uuid, Outcome)> {
    match event {
        Event::Corrected(corrected) => Some((corrected.contact, corrected.outcome)),
        _ => None,
    }
}

impl Plain {
    /// Whether the stream is one that a plain count can follow: no merge, and nothing that began and never ended.
    fn is_plain(&self) -> bool {
        let made: HashSet<Uuid> = self.made().map(|(_, made)| made.contact).collect();
        self.events.iter().all(|recorded| match &recorded.event {
            Event::Merged(_) | Event::Absorbing(_) | Event::Absorbed(_) | Event::Separated(_) => false,
            Event::Started(started) => made.contains(&started.contact),
            _ => true,
        })
    }

    /// Every outbound contact, with the last outcome that was said of it.
    fn made(&self) -> impl Iterator<Item = (Time, Made)> {
        let corrected: HashMap<Uuid, Outcome> = self.events.iter().filter_map(|recorded| corrected(&recorded.event)).collect();
        self.events.iter().filter_map(move |recorded| match &recorded.event {
            Event::Made(made) if made.direction == Direction::Outbound => {
                let outcome = corrected.get(&made.contact).copied().unwrap_or(made.outcome);
                Some((recorded.envelope.time, Made { outcome, ..made.clone() }))
            }
            _ => None,
        })
    }

    /// Whether the words up to a moment amount to a consent then.
    fn agreed(&self, purpose: &Purpose, channel: Channel, time: Time) -> bool {
        let mut words = Vec::new();
        for recorded in self.events.iter().filter(|recorded| recorded.envelope.time <= time) {
            let said = recorded.envelope.time;
            match &recorded.event {
                Event::ConsentGranted(e) if e.purpose == *purpose && e.channels.contains(&channel) => {
                    words.push((said, 0, e.expires_at.unwrap_or(Time::MAX_UTC)));
                }
                Event::ConsentWithdrawn(e)
                    if e.purpose.as_ref().is_none_or(|own| own == purpose)
                        && e.channels.as_ref().is_none_or(|own| own.contains(&channel)) =>
                {
                    words.push((said, 1, Time::MIN_UTC));
                }
                _ => {}
            }
        }
        words.into_iter().max().is_some_and(|(_, _, until)| time < until)
    }

    /// Everything that a plain count finds: the contact, and the limit that it exceeds; or no limit, if consent is missing.
    fn recounted(&self, policies: &Policies) -> (BTreeSet<(Uuid, String)>, BTreeSet<Uuid>) {
        let (mut over, mut without) = (BTreeSet::new(), BTreeSet::new());
        let contacts: Vec<(Time, Made)> = self.made().collect();
        for (number, (time, made)) in contacts.iter().enumerate() {
            let Some(published) = policies.in_force(*time) else { continue };
            let rule = published.policy.rule(&made.purpose);
            if rule.is_some_and(|rule| rule.basis == Basis::Consent)
                && made.outcome != Outcome::Failed
                && !self.agreed(&made.purpose, made.channel, *time)
            {
                without.insert(made.contact);
            }
            let held = rule.is_none_or(|rule| !rule.overrides(Override::OverallLimits));
            let overall = published.policy.overall.iter().filter(|_| held).map(|limit| (limit, true));
            let own = rule.into_iter().flat_map(|rule| &rule.limits).map(|limit| (limit, false));
            for (limit, overall) in own.chain(overall) {
                let Per::Rolling(period) = limit.per else { continue };
                let Some(length) = period.fixed() else { continue };
                let counts = |(other, (at, one)): &(usize, &(Time, Made))| {
                    let before = *at < *time || (*at == *time && *other <= number);
                    let measured =
                        if limit.measure == Measure::Reached { one.outcome.is_reached() } else { one.outcome.is_attempt() };
                    before
                        && measured
                        && *at + length > *time
                        && limit.counts_channel(one.channel)
                        && (overall || one.purpose == made.purpose)
                };
                let all: Vec<usize> = contacts.iter().enumerate().filter(counts).map(|(other, _)| other).collect();
                if limit.measure != Measure::Feedback && all.contains(&number) && all.len() > limit.max as usize {
                    over.insert((made.contact, limit.to_string()));
                }
            }
        }
        (over, without)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_second_count_of_simulated_lives_comes_to_the_same() {
    let settings = tact_simulation::Settings { commands: 250, ..tact_simulation::Settings::default() };
    let (mut patients, mut exceeded, mut missing) = (0, 0, 0);
    for seed in 1..=60 {
        let log = MemoryLog::new();
        let mut last: HashMap<StreamId, Position> = HashMap::new();
        let mut streams: HashMap<Uuid, Plain> = HashMap::new();
        let mut policies = Policies::default();
        for stored in tact_simulation::log_of(seed, settings) {
            match stored.stream {
                StreamId::Patient(id) => streams.entry(id).or_default().events.push(Recorded::read(&stored.bytes).unwrap()),
                StreamId::Policy => policies.evolve(Recorded::read(&stored.bytes).unwrap()).unwrap(),
                StreamId::Directory | StreamId::Access | StreamId::Number(_) => {}
            }
            let after = last.get(&stored.stream).copied().unwrap_or_default();
            let new = NewEvent { id: stored.id, bytes: stored.bytes };
            let Append::Done(position) = log.append(stored.stream, after, new).await.unwrap() else {
                panic!("nobody else appends")
            };
            last.insert(stored.stream, position);
        }
        let audit = at_once(&log).await;
        for (id, plain) in streams.iter().filter(|(_, plain)| plain.is_plain()) {
            let of = |kinds: &[&str]| {
                audit
                    .findings
                    .iter()
                    .filter(|found| found.patient == *id && kinds.contains(&found.kind.as_str()))
                    .collect::<Vec<_>>()
            };
            let fixed = |limit: &String| !limit.contains("occasion") && !limit.contains("month") && !limit.contains("feedback");
            let over = of(&["limit_exceeded", "overall_limit_exceeded"]).into_iter();
            let over: BTreeSet<(Uuid, String)> =
                over.filter_map(|found| limit(found).filter(fixed).map(|limit| (found.contact, limit))).collect();
            let without: BTreeSet<Uuid> = of(&["no_consent"]).into_iter().map(|found| found.contact).collect();
            patients += 1;
            exceeded += over.len();
            missing += without.len();
            assert_eq!((over, without), plain.recounted(&policies), "seed {seed}, patient {id}");
        }
    }
    assert!(patients > 200 && exceeded > 50 && missing > 50, "{patients} patients, {exceeded} and {missing} findings are few");
}
