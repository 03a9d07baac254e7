//! What a scenario file can get wrong, and how a step that comes out otherwise is shown.

use tact_domain::policy::{self, Policy};

use crate::{play, read};

const HEAD: &str = "name = \"n\"\ntime_zone = \"Europe/Moscow\"\npolicy = \"default\"\n";
const REGISTERED: &str = "[[step]]\nat = \"2026-01-10T10:00:00\"\nevent = \"patient.registered\"\ndata = { home_branch = \"north\", time_zone = \"Europe/Moscow\" }\n";

fn policy() -> Policy {
    policy::text::parse(policy::DEFAULT, "default").unwrap()
}

/// A story whose one step begins on line 4, and what is wrong with it.
#[track_caller]
fn check(step: &str, expected: &[&str]) {
    check_text(&format!("{HEAD}[[step]]\n{step}\n"), expected);
}

#[track_caller]
fn check_text(text: &str, expected: &[&str]) {
    let got: Vec<String> = read(text).err().unwrap_or_default().iter().map(ToString::to_string).collect();
    let as_expected = got.len() == expected.len() && expected.iter().all(|expected| got.iter().any(|got| got.contains(expected)));
    assert!(as_expected, "expected\n  {}\ngot\n  {}\nfor\n{text}", expected.join("\n  "), got.join("\n  "));
}

/// How the story of a registered patient with these further steps goes.
fn told(steps: &str) -> String {
    let scenario = read(&format!("{HEAD}{REGISTERED}{steps}")).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    play(&scenario, policy()).0.to_string()
}

#[test]
fn what_is_unknown_is_named_with_the_nearest_word() {
    check_text(
        "nme = \"n\"\ntime_zone = \"Europe/Mosco\"\npolicy = \"default\"\n[[step]]\nat = \"2026-01-10T10:00:00\"\ndue = { branch = \"north\" }\n",
        &[
            "line 1, column 1: `name` is missing",
            "line 1, column 1: unknown field `nme`; did you mean `name`?",
            "line 2, column 13: `Europe/Mosco` is not a time zone; did you mean `Europe/Moscow`?",
        ],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nevnt = \"patient.died\"",
        &[
            "line 6, column 1: unknown field `evnt`; did you mean `event`?",
            "the step does nothing; a step has one of `event`, `ask`, `quota` and `due`",
        ],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nevent = \"patient.dead\"",
        &["line 6, column 9: `patient.dead` is not an event; did you mean `patient.died`?"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nevent = \"contact.permitted\"",
        &["`contact.permitted` is an answer; write a step with `ask`"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nevent = \"contact.requested\"\ndata = { request = \"b1\", chanel = \"phone\" }",
        &["line 7, column 26: contact.requested: unknown field `chanel`; did you mean `channel`?"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nevent = \"contact.requested\"\ndata = { request = \"b1\", channel = \"fone\" }",
        &["line 7, column 36: contact.requested: `fone` is not a channel; did you mean `phone`?"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nevent = \"contact.requested\"\ndata = { request = \"b1\" }",
        &["contact.requested: missing field `channel`"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nask = { purpose = \"promotion\", channel = \"smss\", branch = \"north\" }\nexpect = { decision = \"refuse\", because = [\"to_early\"] }",
        &["line 6, column 42: `channel`: `smss` is not a channel; did you mean `sms`?"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nask = { purpose = \"promotion\", channel = \"sms\", branch = \"north\" }\nexpect = { decision = \"refuse\", because = [\"to_early\"] }",
        &[
            "line 7, column 23: `refuse` is not a decision: `permitted` or `refused`; did you mean `refused`?",
            "`because`: `to_early` is not a refusal code; did you mean `too_early`?",
        ],
    );
}

#[test]
fn steps_that_make_no_sense_are_mistakes() {
    check(
        "at = \"yesterday\"\ndue = { branch = \"north\" }",
        &["line 5, column 6: `at`: `yesterday` is not a time; write it as `2026-03-02T11:00:00`"],
    );
    check("due = { branch = \"north\" }", &["line 4, column 1: `at` is missing"]);
    check(
        "at = \"2026-01-10T10:00:00\"\nevent = \"patient.died\"\nrecorded_at = \"2026-01-10T09:59:59\"",
        &["nothing is recorded before it happens"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\ndue = { branch = \"north\" }\npermit = \"k1\"",
        &["`permit` belongs to a step with `ask`; this one has `due`"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\ndue = { branch = \"north\" }\nevent = \"patient.died\"",
        &["the step does several things"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\ndue = { branch = \"north\" }\nexpect = { due = [\"a1\"] }",
        &["`a1` is not an entry; write it as `appointment_reminder:a1`"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nask = { purpose = \"promotion\", channel = \"sms\", branch = \"north\" }\nexpect = { decision = \"permitted\", because = [\"holiday\"] }",
        &["a permit has no reasons against it"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\ndue = { branch = \"north\" }\nexpect = { decision = \"permitted\" }",
        &["unknown field `decision`"],
    );
    check(
        "at = \"2026-01-10T10:00:00\"\nevent = \"contact.requested\"\ndata = { request = \"\", channel = \"phone\" }",
        &["`request` is empty"],
    );
    assert!(read("name = ").unwrap_err()[0].message.contains("this is not TOML"));
}

#[test]
fn times_are_local_or_have_an_offset() {
    let text = format!(
        "{HEAD}{REGISTERED}[[step]]\nat = 2026-03-02T11:00:00\ndue = {{ branch = \"north\" }}\n[[step]]\nat = \"2026-03-02T08:00:00Z\"\ndue = {{ branch = \"north\" }}\n[[step]]\nat = \"2026-03-02 11:00\"\ndue = {{ branch = \"north\" }}\n"
    );
    let mistakes = read(&text).unwrap_err();
    assert!(mistakes[0].message.contains("is not a time"), "{mistakes:?}");
    let scenario = read(&text.replace("2026-03-02 11:00", "2026-03-02T11:00")).unwrap();
    assert!(scenario.steps[1..].windows(2).all(|pair| pair[0].at == pair[1].at));
}

#[test]
fn a_step_that_comes_out_otherwise_is_shown_as_a_diff_with_its_numbers() {
    let steps = r#"
[[step]]
at = "2026-03-01T12:00:00"
event = "consent.granted"
data = { purpose = "promotion", channels = ["sms"], evidence = { method = "paper", document = "d" } }

[[step]]
at = "2026-03-01T12:01:00"
event = "contact.made"
data = { contact = "c1", direction = "outbound", purpose = "promotion", channel = "sms", branch = "north", outcome = "reached" }
expect = { breach = false }

[[step]]
at = "2026-03-02T12:00:00"
ask = { purpose = "promotion", channel = "sms", branch = "north" }
expect = { decision = "permitted" }

[[step]]
at = "2026-03-02T12:00:00"
ask = { purpose = "promotion", channel = "sms", branch = "north" }
expect = { decision = "refused", because = ["quiet_hours"], not_because = ["limit_reached"], next = "never" }

[[step]]
at = "2026-03-02T12:00:00"
quota = { purpose = "promotion" }
expect = { used = 0, left = 0 }

[[step]]
at = "2026-03-02T12:00:00"
event = "appointment.completed"
data = { appointment = "a1" }

[[step]]
at = "2026-03-02T12:00:00"
event = "contact.requested"
data = { request = "b1", channel = "phone" }
expect = { refused_input = "request" }

[[step]]
at = "2026-03-02T21:00:00"
due = { branch = "north" }
expect = { due = ["appointment_reminder:a1"], blocked = { "callback:b1" = ["holiday"] } }
"#;
    let expected = r#"FAILED n (9 steps)
  step 3, line 14: contact.made at 2026-03-01T12:01:00
    - breach = false
    + breach = true
  step 4, line 20: ask for promotion by sms at 2026-03-02T12:00:00
    - decision = "permitted"
    + decision = "refused"
    + because limit_reached (limit: 1 attempt per 30 days; counted: 1; next: 2026-03-31T12:01:00)
      next = 2026-03-31T12:01:00
  step 5, line 25: ask for promotion by sms at 2026-03-02T12:00:00
      decision = "refused"
    - because quiet_hours
    + because limit_reached (limit: 1 attempt per 30 days; counted: 1; next: 2026-03-31T12:01:00)
    - next = never
    + next = 2026-03-31T12:01:00
  step 6, line 30: quota of promotion at 2026-03-02T12:00:00
      limit: 1 attempt per 30 days
    - used = 0
    + used = 1
      left = 0
      next = 2026-03-31T12:01:00
  step 7, line 35: appointment.completed at 2026-03-02T12:00:00
    + refused_input = "`appointment`: a1 was never booked for this patient; book it first"
  step 8, line 40: contact.requested at 2026-03-02T12:00:00
    - refused_input = "request"
    + taken as it is
  step 9, line 46: due at north at 2026-03-02T21:00:00
    + due callback:b1 by phone, blocked because quiet_hours (next: 2026-03-03T09:00:00)
    - due appointment_reminder:a1
    - callback:b1 blocked because holiday"#;
    assert_eq!(told(steps), expected);
}

#[test]
fn what_an_event_sets_off_may_be_told_as_well() {
    let steps = r#"
[[step]]
at = "2026-01-11T10:00:00"
patient = "q"
event = "patient.registered"
data = { home_branch = "north", time_zone = "Europe/Moscow", recommended_by = "p" }

[[step]]
at = "2026-01-11T10:00:00"
event = "referral.credited"
data = { recommended = "q" }

[[step]]
at = "2026-01-12T10:00:00"
event = "patient.absorbing"
data = { from = "q" }

[[step]]
at = "2026-01-12T10:00:00"
patient = "q"
event = "patient.merged"
data = { into = "p" }

[[step]]
at = "2026-01-12T10:00:00"
event = "patient.absorbed"
data = { from = "q" }

[[step]]
at = "2026-01-13T10:00:00"
event = "patient.separated"
data = { from = "q" }

[[step]]
at = "2026-01-13T10:00:00"
patient = "q"
event = "patient.separated"
data = { from = "q" }
"#;
    assert_eq!(told(steps), "ok     n (8 steps)");
}

#[test]
fn times_are_taken_as_people_write_them() {
    let steps = r#"
[[step]]
at = 2026-03-02T09:00:00Z
event = "consent.preference_set"
data = { quiet_hours = { from = 14:00:00, until = "15:00" } }

[[step]]
at = "2026-03-02T12:00+03:00"
event = "consent.granted"
data = { purpose = "promotion", channels = ["sms"], evidence = { method = "paper", document = "d" }, expires_at = 2026-03-02T18:00:00 }

[[step]]
at = "2026-03-02T14:00:00"
ask = { purpose = "promotion", channel = "sms", branch = "north" }
expect = { decision = "refused", because = ["quiet_hours"], next = "2026-03-02T15:00:00+03:00" }

[[step]]
at = "2026-03-02T17:45:00"
ask = { purpose = "promotion", channel = "sms", branch = "north" }
expect = { decision = "permitted", expires_at = 2026-03-02T18:00:00+03:00 }
"#;
    assert_eq!(told(steps), "ok     n (5 steps)");
    let text = format!("{HEAD}{REGISTERED}{steps}").replace("14:00:00, until", "14:00:30, until");
    assert!(read(&text).unwrap_err()[0].message.contains("`14:00:30` is not a time of day"));
}

#[test]
fn an_ask_that_is_bad_input_is_refused_where_no_reason_is_expected() {
    let ask =
        "[[step]]\nat = \"2026-03-02T12:00:00\"\nask = { purpose = \"emergency\", channel = \"phone\", branch = \"north\" }\n";
    assert_eq!(told(&format!("{ask}expect = {{ decision = \"refused\" }}\n")), "ok     n (2 steps)");
    for expect in ["{ decision = \"refused\", because = [\"limit_reached\"] }", "{ decision = \"permitted\" }", "{}"] {
        let told = told(&format!("{ask}expect = {expect}\n"));
        assert!(told.contains("+ refused_input = \"`reason`: `emergency` needs a reason"), "{told}");
    }
}

#[test]
fn what_is_left_is_allowed_at_once_and_what_is_clear_is_not_blocked() {
    let steps = r#"
[[step]]
at = "2026-03-01T12:00:00"
event = "contact.requested"
data = { request = "b1", channel = "phone" }

[[step]]
at = "2026-03-02T12:00:00"
quota = { purpose = "promotion" }
expect = { used = 0, left = 1, next = "2026-03-02T12:00:00" }

[[step]]
at = "2026-03-02T12:00:00"
due = { branch = "north" }
expect = { blocked = { "callback:b1" = [] } }

[[step]]
at = "2026-03-02T21:00:00"
due = { branch = "north" }
expect = { blocked = { "callback:b1" = [] } }

[[step]]
at = "2026-03-02T21:00:00"
quota = { purpose = "promotoin" }
"#;
    let expected = r#"FAILED n (6 steps)
  step 5, line 24: due at north at 2026-03-02T21:00:00
    + callback:b1 blocked because quiet_hours (next: 2026-03-03T09:00:00)
  step 6, line 29: quota of promotoin at 2026-03-02T21:00:00
    + the policy does not know `promotoin`, so there is nothing to count"#;
    assert_eq!(told(steps), expected);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = std::env::temp_dir().join(format!("tact-scenario-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("story.toml");
    let error = |text: &[u8]| {
        std::fs::write(&file, text).unwrap();
        crate::run_file(&file).unwrap_err().to_string()
    };
    let at = file.display().to_string();
    assert!(error(b"name = \"n\"\n\xFF").starts_with(&format!("{at}:2:1: the byte 0xFF is not UTF-8")));
    assert!(
        error(b"name = 1\nsteps = 2")
            .lines()
            .any(|line| line == format!("{at}:2:1: unknown field `steps`; did you mean `step`?"))
    );
    std::fs::write(&file, format!("\u{feff}{HEAD}{REGISTERED}")).unwrap();
    assert!(crate::run_file(&file).unwrap().passed(), "a byte order mark is no mistake");
    let story = format!("{HEAD}{REGISTERED}").replace("\"default\"", "\"p.toml\"");
    assert!(error(story.as_bytes()).starts_with(&format!("{}: ", folder.join("p.toml").display())));
    std::fs::write(folder.join("p.toml"), "[network]").unwrap();
    assert!(error(story.as_bytes()).contains("p.toml:1:1: `permit_valid_for` is missing"), "{}", error(story.as_bytes()));
    std::fs::remove_dir_all(&folder).unwrap();
}
