//! `tact import appointments` as a person runs it: the real program, its exit codes, and what it says on which output.

use std::io::Write;

use serde_json::json;
use tact_service::app::CLOCK_SET;

use super::{HEADER, small};
use crate::network::time;
use crate::processes::{Caller, Ended, Process, command, ended};

const MAPPING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../mappings/noshow-vitoria.toml");
const MORNING: &str = "2016-05-19T09:30:00-03:00";

struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn run(&self, arguments: &[&str]) -> Ended {
        let mut command = command(arguments).await;
        command.env("TACT_DATA", self.folder.path().join("data")).env("TACT_NOW", MORNING);
        ended(command).await
    }

    async fn import(&self, book: &str, mapping: &str, more: &[&str]) -> Ended {
        self.run(&[&["import", "appointments", book, "--mapping", mapping], more].concat()).await
    }
}

/// The numbers of a line of the account: recorded, there already, later, refused, together.
#[track_caller]
fn numbers(account: &str, name: &str) -> Vec<u64> {
    let line = account.lines().find(|line| line.trim_start().starts_with(&format!("{name} ")));
    let line = line.unwrap_or_else(|| panic!("no line `{name}` in\n{account}"));
    line.trim().strip_prefix(name).unwrap().split_whitespace().map(|number| number.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_book_goes_in_from_the_command_line_and_its_list_is_served_by_the_set_clock() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let bad = "7,b1,2016-05-02,2016-05-03T00:00:00Z,CENTRO,0,No\n8,b2\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(format!("{}{bad}", small()).as_bytes()).unwrap();
    let book = desk.write("book.csv.gz", &packed.finish().unwrap());

    let dry = desk.import(&book, MAPPING, &["--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.stdout.contains("would be recorded") && dry.stdout.contains("This was a dry run: nothing was recorded."));
    let list = desk.folder.path().join("refused.txt");
    let first = desk.import(&book, MAPPING, &["--refused", list.to_str().unwrap()]).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let refused = "line 5, column 3 (`ScheduledDay`): `2016-05-02` is not a time in the form `%Y-%m-%dT%H:%M:%SZ`\n\
                   line 6: it has 2 columns, the first line has 7\n";
    assert!(first.stdout.starts_with(refused), "{}", first.stdout);
    assert_eq!(std::fs::read_to_string(&list).unwrap(), refused);
    for account in [&dry.stdout, &first.stdout] {
        assert_eq!(numbers(account, "rows"), [1, 0, 2, 2, 5]);
        assert_eq!(numbers(account, "patients"), [1, 0, 1, 0, 2]);
        assert_eq!(numbers(account, "contact.made"), [0, 0, 1, 0, 1]);
    }
    let again = desk.import(&book, MAPPING, &[]).await;
    assert_eq!(numbers(&again.stdout, "rows"), [0, 1, 2, 2, 5]);
    // No bar where there is no terminal, and nothing but the program's log.
    assert!(again.stderr.lines().all(|line| line.starts_with('{')), "{}", again.stderr);

    let mut serve = command(&["serve"]).await;
    serve.env("TACT_DATA", desk.folder.path().join("data")).env("TACT_NOW", MORNING).env("TACT_LISTEN", "127.0.0.1:0");
    let mut server = Process::start(serve).await;
    let token = server.first_token().await;
    let caller = Caller::new(&server.url, &token);
    // The policy takes effect a minute after the first start, by this very clock: until then nobody knows what is owed.
    let early = caller.get("/v1/branches/joana-d-arc/worklist").await;
    let clock = time(early.headers[CLOCK_SET].to_str().unwrap());
    assert!(clock >= time(MORNING) && clock < time(MORNING) + chrono::TimeDelta::hours(1), "{clock}");
    let said = early.refused(503, "undecidable");
    assert!(said["detail"].as_str().unwrap().contains("the first takes effect at 2016-05-19 12:31"), "{said}");
    let said = server.stop().await;
    assert!(said.contains("The clock is set to 2016-05-19 12:30"), "{said}");

    let mut serve = command(&["serve"]).await;
    serve.env("TACT_DATA", desk.folder.path().join("data")).env("TACT_LISTEN", "127.0.0.1:0");
    serve.env("TACT_NOW", "2016-05-19T09:40:00-03:00");
    let server = Process::start(serve).await;
    let list =
        caller.at(&server).until("/v1/branches/joana-d-arc/worklist", |reply| reply.json["entries"][0].is_object()).await.ok();
    let entry = &list["entries"][0];
    assert_eq!(entry["external_ids"], json!([{"system": "noshow-vitoria", "value": "9377952927E-5"}]), "{entry}");
    assert_eq!((&entry["purpose"], &entry["callable"]), (&json!("appointment_reminder"), &json!(true)), "{entry}");
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_said_in_one_go_and_nothing_is_made() {
    let desk = Desk { folder: tempfile::tempdir().unwrap() };
    let book = desk.write("book.csv", small().as_bytes());
    let shipped = std::fs::read_to_string(MAPPING).unwrap();
    let wrong = desk.write("wrong.toml", shipped.replace("[branch]", "[brunch]").replace("\"sms\"", "\"fax\"").as_bytes());
    let said = desk.import(&book, &wrong, &[]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert_eq!(said.said(), ["tact: the mapping cannot be used"]);
    let place = |text: &str| format!("{wrong}: {text}");
    let known = "phone, auto_call, sms, email, messenger, letter, in_person";
    for mistake in [
        place("line 1, column 1: `branch` is missing"),
        place("line 29, column 2: unknown field `brunch`; did you mean `branch`?"),
        place(&format!("line 45, column 11: `channel`: `fax` is not a channel; known are {known}")),
    ] {
        assert!(said.stderr.contains(&mistake), "{mistake}\n{}", said.stderr);
    }
    let other = desk.write("other.toml", shipped.replace("SMS_received", "SMS_sent").as_bytes());
    let said = desk.import(&book, &other, &[]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    let expected =
        format!("tact: {book} cannot be imported: it has no column `SMS_sent`; it has {}", HEADER.replace(',', "`, `"));
    assert_eq!(said.said(), [expected.replacen("it has PatientId", "it has `PatientId", 1) + "`"]);
    for arguments in [["missing.csv", MAPPING], [&book, "missing.toml"]] {
        let said = desk.import(arguments[0], arguments[1], &[]).await;
        assert!(said.code == Some(2) && said.said().len() == 1 && said.said()[0].contains("missing."), "{said:?}");
    }
    assert!(!desk.folder.path().join("data").exists(), "an import that read nothing has made something");
}
