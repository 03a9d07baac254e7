//! A life with conspicuous names, numbers, addresses and words goes through every route that writes. Then they are searched for: in every byte of the
//! event log, in the read models, in what the process logged, in what others are answered. Only the personal data store may hold them, and after the
//! erasure nobody does.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use async_nats::jetstream;
use hyper::Method;
use serde_json::{Value, json};
use sqlx::{Connection, Row};
use tact_testbed::{Nats, Postgres};

use crate::network::Reply;
use crate::processes::{Caller, Cluster, PATIENCE, Process, command, ended, new_key};

/// What no one but the personal data store may hold, in lower case.
const SECRETS: &[&str] = &[
    // The person, and the one merged into her.
    "зинаида",
    "quirkwood",
    "905 731-94-62",
    "9057319462",
    "zina.quirk",
    "marzipan embankment",
    "1931-07-29",
    "crm-falcon-77",
    "ottokar",
    "whistlethorn",
    "906 842-05-73",
    "9068420573",
    "otto.whistle",
    "nougat alley",
    "1933-08-17",
    "crm-heron-88",
    // Her new number, and what was said and written.
    "907 953-16-84",
    "9079531684",
    "sapphire cockatoo",
    "velvet anvil",
    "copper meringue",
    // What was refused where it has no place.
    "paper mache dragon",
    "obsidian kazoo",
    "turquoise walrus",
    // What another system sent of her, and what it should not have.
    "falafel parapet",
    "lilac bassoon",
];

/// The mapping of a system that sends FHIR.
const HIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fhir/his.toml");

/// Those of [`SECRETS`] in a text, whatever their case.
fn secrets_in(bytes: &[u8]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    SECRETS.iter().copied().filter(|secret| text.contains(secret)).collect()
}

#[track_caller]
fn holds_none(what: &str, bytes: &[u8]) {
    let found = secrets_in(bytes);
    assert!(found.is_empty(), "{what} holds {found:?}");
}

/// The life, and which routes it went through.
struct Life {
    desk: Caller,
    used: Mutex<BTreeSet<(String, String)>>,
    /// She.
    patient: String,
    /// The one who was merged into her.
    merged: String,
}

impl Life {
    async fn send(&self, method: Method, route: &str, ids: &[(&str, &str)], body: Value) -> Reply {
        self.used.lock().unwrap().insert((method.to_string(), route.to_owned()));
        let mut path = route.replace("{patient}", &self.patient);
        for (name, id) in ids {
            path = path.replace(&format!("{{{name}}}"), id);
        }
        assert!(!path.contains('{'), "{path}");
        if route.starts_with("/fhir/") {
            path.push_str("?source=his");
        }
        self.desk.try_send(method, &path, &new_key(), Some(&body)).await.expect("an answer")
    }

    async fn post(&self, route: &str, ids: &[(&str, &str)], body: Value) -> Value {
        self.send(Method::POST, route, ids, body).await.ok()
    }

    async fn lived(desk: Caller) -> Self {
        let mut life = Self { desk, used: Mutex::default(), patient: String::new(), merged: String::new() };
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let zinaida = json!({"home_branch": "north", "language": "ru",
            "person": {"name": "Зинаида Quirkwood", "phone": "+7 905 731-94-62", "email": "Zina.Quirk@example.org", "address": "17 Marzipan Embankment",
                "birth_date": "1931-07-29"},
            "external_ids": [{"system": "crm", "value": "CRM-Falcon-77"}, {"system": "his", "value": "z1"}]});
        life.patient = text(&life.post("/v1/patients", &[], zinaida).await["patient"]);
        let ottokar = json!({"home_branch": "north", "recommended_by": life.patient,
            "person": {"name": "Ottokar Whistlethorn", "phone": "+7 906 842-05-73", "email": "otto.whistle@example.org", "address": "3 Nougat Alley",
                "birth_date": "1933-08-17"},
            "external_ids": [{"system": "crm", "value": "CRM-Heron-88"}]});
        life.merged = text(&life.post("/v1/patients", &[], ottokar).await["patient"]);
        life.says().await;
        life.is_treated().await;
        life.is_sent().await;
        life.is_refused().await;
        life.signs_in().await;
        life.is_merged().await;
        life
    }

    /// Calls, wishes, feedback: everything that carries words.
    async fn says(&self) {
        self.post("/v1/patients/{patient}/requests", &[], json!({"channel": "phone"})).await;
        let emergency = json!({"purpose": "emergency", "channel": "phone", "branch": "north", "reason": "Sapphire Cockatoo"});
        self.post("/v1/patients/{patient}/permits", &[], emergency).await;
        let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
        let permit = self.post("/v1/patients/{patient}/permits", &[], ask.clone()).await["permit"].as_str().unwrap().to_owned();
        self.post("/v1/patients/{patient}/permits/{permit}/release", &[("permit", &permit)], json!({})).await;
        let permit = self.post("/v1/patients/{patient}/permits", &[], ask).await["permit"].as_str().unwrap().to_owned();
        let begun = self.post("/v1/patients/{patient}/permits/{permit}/start", &[("permit", &permit)], json!({})).await;
        let call = json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached",
            "permit": permit, "contact": begun["contact"], "note": "Velvet Anvil"});
        self.post("/v1/patients/{patient}/contacts", &[], call).await;
        let correction = "/v1/patients/{patient}/contacts/{contact}/correction";
        let contact = begun["contact"].as_str().unwrap();
        self.post(correction, &[("contact", contact)], json!({"outcome": "declined"})).await;
        self.is_recorded().await;
        let told =
            json!({"purpose": "wellbeing_check", "window": {"from": "2026-03-03T09:00:00Z", "until": "2026-03-03T12:00:00Z"}});
        self.post("/v1/patients/{patient}/announcements", &[], told).await;
        let consent = json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": "4a1c7f0e-0000-4000-8000-000000000001"}});
        self.post("/v1/patients/{patient}/consents", &[], consent).await;
        self.post("/v1/patients/{patient}/consent-withdrawals", &[], json!({"purpose": "promotion"})).await;
        self.post("/v1/patients/{patient}/preferences", &[], json!({"quiet_hours": {"from": "19:00", "until": "10:00"}})).await;
        for _ in 0..2 {
            self.post("/v1/patients", &[], json!({"home_branch": "north", "person": {"phone": "+7 900 000-00-09"}})).await;
        }
        let stop =
            self.post("/v1/numbers/stops", &[], json!({"phone": "+7 900 000-00-09", "channel": "sms"})).await["stop"].clone();
        let open = self.desk.get("/v1/numbers/stops?branch=north").await.ok();
        let whose = json!({"patients": open["stops"][0]["patients"]});
        self.post("/v1/numbers/stops/{stop}/answer", &[("stop", stop.as_str().unwrap())], whose).await;
        let feedback = json!({"branch": "north", "score": 9, "strengths": ["staff_manner"], "text": "Copper Meringue"});
        self.post("/v1/patients/{patient}/feedback", &[], feedback).await;
        let change = json!({"language": "en", "person": {"phone": "+7 907 953-16-84"}});
        self.send(Method::PATCH, "/v1/patients/{patient}", &[], change).await.ok();
    }

    /// What machines tell: the exchange, with her number and one that is nobody's, and a gateway that there is none of.
    async fn is_recorded(&self) {
        let call = |record: &str, number: &str| {
            json!({"record": record, "direction": "inbound", "number": number, "begun_at": "2026-03-02T08:00:00Z", "seconds": 5,
                "disposition": "answered", "branch": "north"})
        };
        let calls = json!({"calls": [call("hers", "8 905 731-94-62"), call("nobodys", "+7 909 000-00-00")]});
        let taken = self.post("/v1/call-records", &[], calls).await;
        assert_eq!(taken["calls"][0]["state"], "matched", "{taken}");
        let nobodys = taken["calls"][1]["call"].as_str().unwrap();
        let resolution = "/v1/call-records/{branch}/{call}/resolution";
        self.post(resolution, &[("branch", "north"), ("call", nobodys)], json!({})).await;
        let told = json!({"message": nobodys, "status": "delivered", "at": "2026-03-02T08:00:00Z"});
        self.send(Method::POST, "/v1/gateway/callbacks", &[], told).await.refused(404, "not_found");
        let outcome = "/v1/branches/{branch}/dispatches/{contact}/outcome";
        let nothing = [("branch", "north"), ("contact", nobodys)];
        self.send(Method::POST, outcome, &nothing, json!({"outcome": "busy"})).await.refused(404, "not_found");
    }

    /// Appointments, referrals, the directory.
    async fn is_treated(&self) {
        let route = "/v1/patients/{patient}/appointments";
        let mut booked = Vec::new();
        for _ in 0..3 {
            let booking = json!({"branch": "north", "kind": "surgery", "starts_at": "2026-03-05T10:00:00+03:00"});
            booked.push(self.post(route, &[], booking).await["appointment"].as_str().unwrap().to_owned());
        }
        let moved = json!({"starts_at": "2026-03-06T10:00:00+03:00", "by": "clinic"});
        self.post(&format!("{route}/{{appointment}}/rescheduling"), &[("appointment", &booked[0])], moved).await;
        for (what, appointment, body) in [
            ("completion", &booked[0], json!({})),
            ("cancellation", &booked[1], json!({"by": "patient"})),
            ("miss", &booked[2], json!({})),
        ] {
            self.post(&format!("{route}/{{appointment}}/{what}"), &[("appointment", appointment)], body).await;
        }
        let hospital = json!({"name": "City hospital 2", "services": ["x_ray"]});
        let provider = self.post("/v1/providers", &[], hospital).await["provider"].as_str().unwrap().to_owned();
        let route = "/v1/patients/{patient}/referrals";
        let referral = self.post(route, &[], json!({"need": "x_ray"})).await["referral"].as_str().unwrap().to_owned();
        let ids = [("referral", referral.as_str())];
        self.post(&format!("{route}/{{referral}}/arrangement"), &ids, json!({"provider": provider})).await;
        self.post(&format!("{route}/{{referral}}/closing"), &ids, json!({})).await;
        let clinician = [("clinician", "00000000-0000-4000-8000-00000000000c")];
        self.post("/v1/clinicians/{clinician}/departure", &clinician, json!({"new_clinic": "City hospital 2"})).await;
        let case = json!({"cases": [{"file": "mine.toml", "text": "name = 3"}]});
        self.post("/v1/policies/{version}/scenarios", &[("version", "default")], case).await;
        let branch = json!({"name": "North", "time_zone": "Europe/Moscow"});
        self.send(Method::PUT, "/v1/branches/{code}", &[("code", "north")], branch).await.ok();
        let policy = json!({"version": "next", "text": tact_domain::policy::DEFAULT, "effective_from": "2026-05-03T00:00:00Z"});
        self.post("/v1/policies", &[], policy).await;
        let span = json!({"version": "default", "from": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"});
        self.post("/v1/policies/what-if", &[], span).await;
    }

    /// What another system sends of her as FHIR: who she is, and what it has noted beside it.
    async fn is_sent(&self) {
        let patient = json!({"resourceType": "Patient", "id": "z1", "text": {"status": "generated", "div": "<div>Falafel Parapet</div>"},
            "name": [{"family": "Quirkwood", "given": ["Зинаида"]}], "birthDate": "1931-07-29",
            "telecom": [{"system": "phone", "value": "+7 907 953-16-84"}, {"system": "email", "value": "Zina.Quirk@example.org"}]});
        let visit = json!({"resourceType": "Encounter", "id": "v1", "status": "finished", "class": {"code": "AMB", "display": "Falafel Parapet"},
            "subject": {"reference": "Patient/z1", "display": "Зинаида Quirkwood"}, "reasonCode": [{"text": "Falafel Parapet"}],
            "period": {"start": "2026-02-01T10:00:00+03:00"}, "serviceProvider": {"reference": "Organization/1"}});
        let entry = |resource: &Value| json!({"resource": resource});
        let unfit =
            json!({"resourceType": "Patient", "id": "z2", "name": {"text": "Lilac Bassoon"}, "birthDate": "Lilac Bassoon"});
        let nobody = json!({"resourceType": "Encounter", "id": "v2", "status": "finished", "class": {"code": "AMB"}, "subject": {"display": "Lilac Bassoon"},
            "period": {"start": "2026-02-01T10:00:00+03:00"}, "serviceProvider": {"reference": "Organization/1"}});
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry(&patient), entry(&visit), entry(&unfit), entry(&nobody)]});
        let said = self.post("/fhir/R4", &[], bundle).await;
        let statuses: Vec<&Value> = said["entry"].as_array().unwrap().iter().map(|entry| &entry["response"]["status"]).collect();
        assert_eq!(statuses, ["200 OK", "201 Created", "400 Bad Request", "422 Unprocessable Entity"], "{said}");
        holds_none("what is said of a Bundle", said.to_string().as_bytes());
        self.post("/fhir/R4/$import", &[], patient.clone()).await;
        self.post("/fhir/R4/{type}", &[("type", "Patient")], patient.clone()).await;
        let ids = [("type", "Patient"), ("id", "z2")];
        let said = self.send(Method::PUT, "/fhir/R4/{type}/{id}", &ids, unfit).await;
        assert!(said.status.is_client_error(), "{} {}", said.status, said.json);
        holds_none("a refused Patient", said.json.to_string().as_bytes());
    }

    /// Somebody else signs in, looks at her, and leaves. There is no identity provider to sign in with.
    async fn signs_in(&self) {
        let wanted = json!({"roles": ["administrator"], "branches": ["north"], "label": "Desk"});
        let link = self.post("/v1/sign-in-links", &[], wanted).await;
        let secret = link["url"].as_str().unwrap().split_once('#').unwrap().1;
        let session = self.post("/v1/sessions", &[], json!({"link": secret})).await;
        let desk = Caller::new(&self.desk.url, session["token"].as_str().unwrap());
        desk.get(&format!("/v1/patients/{}", self.patient)).await.ok();
        let looks = self.desk.get(&format!("/v1/patients/{}/looks", self.patient)).await.ok();
        assert!(looks["looks"].as_array().unwrap().iter().any(|look| look["label"] == "Desk"), "{looks}");
        self.used.lock().unwrap().insert(("DELETE".to_owned(), "/v1/sessions/current".to_owned()));
        desk.try_send(Method::DELETE, "/v1/sessions/current", "none", None).await.unwrap().ok();
        self.send(Method::POST, "/v1/sign-ins", &[], json!({})).await.refused(404, "not_found");
    }

    /// Words where no words belong: none of these may get into an event, or into a log by way of its refusal.
    async fn is_refused(&self) {
        let consent = json!({"purpose": "promotion", "channels": ["sms"],
            "evidence": {"method": "Paper Mache Dragon", "document": "4a1c7f0e-0000-4000-8000-000000000001"}});
        let need = json!({"need": "Obsidian Kazoo"});
        let person = json!({"home_branch": "north", "language": "Turquoise Walrus", "person": {"phone": "Turquoise Walrus"}});
        let taken = json!({"home_branch": "north", "person": {"name": "Turquoise Walrus"}, "external_ids": [{"system": "crm", "value": "CRM-Falcon-77"}]});
        let born = |day: &str| json!({"home_branch": "north", "person": {"name": "Turquoise Walrus", "birth_date": day}});
        let mail = json!({"home_branch": "north", "person": {"email": "Turquoise Walrus"}});
        for (route, body) in [
            ("/v1/patients/{patient}/consents", consent),
            ("/v1/patients/{patient}/referrals", need),
            ("/v1/patients", person),
            ("/v1/patients", taken),
            ("/v1/patients", mail),
            ("/v1/patients", born("1731-07-29")),
            ("/v1/patients", born("1931-07-29T00:00:00Z")),
        ] {
            let reply = self.send(Method::POST, route, &[], body).await;
            assert!(reply.status.is_client_error(), "{route}: {} {}", reply.status, reply.json);
            if route == "/v1/patients" {
                // What is personal is not repeated even to whoever sent it: answers end in logs of others.
                holds_none("a refused registration", reply.json.to_string().as_bytes());
                assert!(!reply.json.to_string().contains("1731"), "{}", reply.json);
            }
        }
        // Found by what she is called: a question is not written down either.
        let found = self.desk.get("/v1/patients?q=quirk").await.ok();
        assert_eq!(found, self.desk.get("/v1/patients?text=Quirkwood").await.ok());
        assert_eq!(found["patients"].as_array().map(Vec::len), Some(1), "{found}");
        self.desk.get("/v1/patients?system=crm&value=CRM-Falcon-77").await.ok();
        self.desk.get("/v1/patients/Turquoise%20Walrus").await.refused(400, "malformed");
        self.desk.get("/v1/branches/north/worklist?purpose=Turquoise%20Walrus").await;
    }

    async fn is_merged(&self) {
        self.post("/v1/duplicates/dismissals", &[], json!({"patients": [self.patient, self.merged]})).await;
        let merge = "/v1/patients/{patient}/merge";
        self.post(merge, &[], json!({"from": self.merged})).await;
        self.until_merged(true).await;
        self.post("/v1/patients/{patient}/separation", &[], json!({"from": self.merged})).await;
        self.until_merged(false).await;
        self.post(merge, &[], json!({"from": self.merged})).await;
        self.until_merged(true).await;
        // What is said of the one now is said of the other.
        let note = json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached", "note": "Velvet Anvil"});
        let path = format!("/v1/patients/{}/contacts", self.merged);
        assert_eq!(self.desk.post(&path, note).await.ok()["patient"], json!(self.patient));
        self.post("/v1/patients/{patient}/history-exports", &[], json!({"purpose": "inspection"})).await;
        self.post("/v1/patients/{patient}/death", &[], json!({})).await;
        self.post("/v1/patients/{patient}/restoration", &[], json!({})).await;
    }

    async fn until_merged(&self, merged: bool) {
        let path = format!("/v1/patients/{}", self.merged);
        self.desk.until(&path, |reply| reply.json["standing"].to_string().contains(&self.patient) == merged).await;
    }

    /// The personal data store has it all, and those who may see it do.
    async fn is_known(&self) {
        let shown = self.desk.get(&format!("/v1/patients/{}", self.patient)).await.ok().to_string();
        assert!(
            ["Зинаида Quirkwood", "+7 907 953-16-84", "17 Marzipan Embankment", "1931-07-29", "CRM-Falcon-77"]
                .iter()
                .all(|secret| shown.contains(secret)),
            "{shown}"
        );
        // And what was noted about her is told to those who may know who she is.
        let history = self.desk.get(&format!("/v1/patients/{}/history", self.patient)).await.ok().to_string();
        for words in ["Sapphire Cockatoo", "Velvet Anvil", "Copper Meringue"] {
            assert!(history.contains(words), "{words}: {history}");
        }
    }

    /// What a caller is answered on every route that reads.
    async fn holds_none_for(&self, what: &str, caller: &Caller) {
        for route in routes("get") {
            let path = route
                .replace("{patient}", &self.patient)
                .replace("{branch}", "north")
                .replace("{code}", "north")
                .replace("{type}", "Patient")
                .replace("{id}", &self.patient)
                .replace("{version}", "default");
            let path = path.replace("{clinician}", "00000000-0000-4000-8000-00000000000c");
            for query in [
                "",
                "?text=Quirkwood",
                "?from=2026-03&until=2026-04",
                "?branch=north&purpose=callback&channel=phone",
                "?system=crm&value=CRM-Falcon-77",
                "?identifier=crm%7CCRM-Falcon-77",
                &format!("?_id={}", self.patient),
                &format!("?patient={}", self.patient),
            ] {
                let reply = caller.get(&format!("{path}{query}")).await;
                let asked = query.contains("Quirkwood") || query.contains("Falcon");
                if !asked || reply.status.is_success() {
                    holds_none(&format!("the answer to {what} at {path}{query}"), reply.json.to_string().as_bytes());
                }
            }
        }
    }

    async fn is_erased(&self) {
        self.post("/v1/patients/{patient}/erasure", &[], json!({"reason": "patient_request"})).await;
        let expected: BTreeSet<(String, String)> = ["post", "put", "patch", "delete"]
            .iter()
            .flat_map(|method| routes(method).into_iter().map(|route| (method.to_uppercase(), route)))
            .collect();
        let used = self.used.lock().unwrap().clone();
        let left: Vec<_> = expected.difference(&used).collect();
        assert!(left.is_empty(), "routes that write and that this life did not go through: {left:?}");
        self.desk.get(&format!("/v1/patients/{}", self.patient)).await.ok();
        for caller in [&self.desk] {
            self.holds_none_for("whoever may see everything", caller).await;
        }
        // The reactor erases as well; what it has done shows in the position that the read models have come to.
        let last = self.desk.post("/v1/patients", json!({"home_branch": "north"})).await.ok();
        let position = last["position"].as_str().unwrap();
        self.desk.until(&format!("/v1/branches/north/worklist?at_least={position}"), |reply| reply.status.is_success()).await;
    }
}

/// The routes with a method.
fn routes(method: &str) -> Vec<String> {
    let document = tact::roles::whole_document();
    let paths = document["paths"].as_object().unwrap();
    paths.iter().filter(|(_, item)| item.get(method).is_some()).map(|(path, _)| path.clone()).collect()
}

/// Every file in a folder with its bytes.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect()
}

/// Tokens made by the program itself, for those who may not see who a patient is.
async fn outsiders(make: impl AsyncFn(&[&str]) -> String, url: &str) -> Vec<Caller> {
    let mut callers = Vec::new();
    for role in ["analyst", "regulator"] {
        let token = make(&["token", "create", "--label", role, "--as", role]).await;
        callers.push(Caller::new(url, token.trim()));
    }
    callers.push(Caller::new(url, "tact_unknown"));
    callers
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_only_the_personal_store_holds_what_is_personal() {
    let folder = tempfile::tempdir().unwrap();
    let with = async |arguments: &[&str], now: &str| {
        let mut command = command(arguments).await;
        command.env("TACT_DATA", folder.path()).env("TACT_LISTEN", "127.0.0.1:0").env("TACT_NOW", now).env("RUST_LOG", "debug");
        command.env("TACT_FHIR_MAPPINGS", HIS);
        command
    };
    // The default policy takes effect a minute after the first start.
    let mut first = Process::start(with(&["serve"], "2026-03-02T08:50:00Z").await).await;
    let token = first.first_token().await;
    let north = json!({"name": "North", "time_zone": "Europe/Moscow"});
    Caller::new(&first.url, &token).put("/v1/branches/north", north).await.ok();
    first.stop().await;
    let server = Process::start(with(&["serve"], "2026-03-02T09:00:00Z").await).await;
    let life = Life::lived(Caller::new(&server.url, &token)).await;
    life.is_known().await;

    for (name, bytes) in files(folder.path()) {
        if !name.starts_with("personal.db") {
            holds_none(&name, &bytes);
        }
    }
    let personal: Vec<u8> = files(folder.path())
        .into_iter()
        .filter(|(name, _)| name.starts_with("personal.db"))
        .flat_map(|(_, bytes)| bytes)
        .collect();
    let kept = secrets_in(&personal);
    assert!(
        kept.contains(&"quirkwood") && kept.contains(&"whistlethorn") && kept.contains(&"velvet anvil"),
        "this test can see what it looks for: {kept:?}"
    );
    let make = async |arguments: &[&str]| ended(with(arguments, "2026-03-02T09:00:00Z").await).await.stdout;
    for caller in outsiders(make, &server.url).await {
        life.holds_none_for("an outsider", &caller).await;
    }

    life.is_erased().await;
    let said = server.stop().await;
    assert!(said.contains("Tact listens on") && said.contains("stopping: finishing"), "this test can see what is logged: {said}");
    holds_none("the log", said.as_bytes());
    for (name, bytes) in files(folder.path()) {
        holds_none(&format!("after the erasure, {name}"), &bytes);
    }
}

/// Every row of every table of a database, by schema.
async fn rows(database: &str) -> Vec<(String, String)> {
    let mut connection = sqlx::PgConnection::connect(database).await.unwrap();
    let tables = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let mut rows = Vec::new();
    for table in sqlx::query(tables).fetch_all(&mut connection).await.unwrap() {
        let (schema, table): (String, String) = (table.get(0), table.get(1));
        let all = format!("SELECT t::text FROM {schema}.{table} t");
        for row in sqlx::query(sqlx::AssertSqlSafe(all)).fetch_all(&mut connection).await.unwrap() {
            rows.push((schema.clone(), row.get(0)));
        }
    }
    rows
}

/// Every message of the network's stream: subject, headers, bytes.
async fn messages(cluster: &Cluster) -> Vec<u8> {
    let bus = jetstream::new(async_nats::connect(&cluster.nats).await.unwrap());
    let stream = bus.get_stream(format!("tact-{}", cluster.network)).await.unwrap();
    let last = stream.get_info().await.unwrap().state.last_sequence;
    let mut all = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        all.extend_from_slice(format!("{} {:?} ", message.subject, message.headers).as_bytes());
        all.extend_from_slice(&message.payload);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn on_servers_only_the_personal_schema_holds_what_is_personal() {
    let nats = Nats::shared().await.unwrap();
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let cluster = Cluster::set_up(&nats.url(), &database).await;
    let mut command = cluster.command(&["serve"]).await;
    command.env("RUST_LOG", "debug").env("TACT_FHIR_MAPPINGS", HIS);
    let server = Process::start(command).await;
    let life = Life::lived(cluster.manager_at(&server)).await;
    life.is_known().await;

    let all = rows(&database).await;
    for (schema, row) in all.iter().filter(|(schema, _)| schema != "personal") {
        holds_none(&format!("a row of {schema}"), row.as_bytes());
    }
    let personal: String = all.iter().filter(|(schema, _)| schema == "personal").map(|(_, row)| row.as_str()).collect();
    assert!(secrets_in(personal.as_bytes()).contains(&"quirkwood"), "this test can see what it looks for");
    let bus = messages(&cluster).await;
    assert!(String::from_utf8_lossy(&bus).contains(&life.patient), "this test can see what is on the bus");
    holds_none("the bus", &bus);
    let make = async |arguments: &[&str]| ended(cluster.command(arguments).await).await.stdout;
    for caller in outsiders(make, &server.url).await {
        life.holds_none_for("an outsider", &caller).await;
    }

    life.is_erased().await;
    for (schema, row) in rows(&database).await {
        holds_none(&format!("after the erasure, a row of {schema}"), row.as_bytes());
    }
    holds_none("the bus", &messages(&cluster).await);
    let said = tokio::time::timeout(PATIENCE, server.stop()).await.unwrap();
    assert!(said.contains("Tact listens on") && said.contains("stopping: finishing"), "this test can see what is logged: {said}");
    holds_none("the log", said.as_bytes());
}
