//! What a policy's text means, and every way in which it can be wrong.

use super::*;

const NETWORK: &str = "[network]\npermit_valid_for = \"30 minutes\"\n";

/// A policy with one purpose `x` that has these lines, which begin on line 4.
fn with_rule(lines: &str) -> String {
    format!("{NETWORK}[purpose.x]\n{lines}")
}

fn mistakes(text: &str) -> Vec<String> {
    match parse(text, "v1") {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
    }
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let got = mistakes(text);
    let as_expected = got.len() == expected.len() && expected.iter().all(|expected| got.iter().any(|got| got.contains(expected)));
    assert!(as_expected, "expected\n  {}\ngot\n  {}\nfor\n{text}", expected.join("\n  "), got.join("\n  "));
}

fn default() -> Policy {
    parse(DEFAULT, "default-1").expect("the policy that ships loads")
}

fn rule(name: &str) -> Rule {
    default().rule(&name.parse().unwrap()).expect("allowed").clone()
}

fn per_occasion(measure: Measure, max: u32) -> Limit {
    Limit::new(measure, max, Per::Occasion, None)
}

fn rolling(measure: Measure, max: u32, period: Period) -> Limit {
    Limit::new(measure, max, Per::Rolling(period), None)
}

#[test]
fn the_default_policy_says_what_the_contract_says() {
    let policy = default();
    assert_eq!(policy.version, "default-1");
    let clock = |text| parse_clock_time(text).unwrap();
    assert_eq!(policy.quiet_hours, Some(DailyHours { from: clock("20:00"), until: clock("09:00") }));
    assert!(policy.holidays.is_empty());
    let phone = Some(vec![Channel::Phone]);
    assert_eq!(
        policy.overall,
        [
            Limit::new(Measure::Attempts, 1, Per::Rolling(Period::Hours(24)), phone.clone()),
            Limit::new(Measure::Attempts, 4, Per::Rolling(Period::Days(30)), phone),
            rolling(Measure::Attempts, 8, Period::Days(30)),
        ]
    );
    let names: Vec<&str> = policy.purposes.keys().map(Purpose::as_str).collect();
    assert_eq!(
        names,
        [
            "appointment_reminder",
            "callback",
            "cancellation_notice",
            "care_referral_callback",
            "checkup_invitation",
            "emergency",
            "feedback_request",
            "how_are_you",
            "promotion",
            "sales_follow_up",
            "visit_survey",
            "wellbeing_check",
            "win_back",
        ]
    );
    for name in ["visit_survey", "sales_follow_up", "win_back", "how_are_you"] {
        assert!(matches!(&policy.purposes[&name.parse::<Purpose>().unwrap()], PurposeRule::Forbidden(why) if why.len() > 20));
    }

    let reminder = rule("appointment_reminder");
    assert_eq!(reminder.basis, Basis::Care);
    assert_eq!(reminder.occasion, Some(OccasionKind::UpcomingAppointment));
    let window = RelativeWindow { from: Distance::Before(Period::Hours(24)), until: Distance::Before(Period::Hours(2)) };
    assert_eq!(reminder.window, Some(window));
    assert_eq!(reminder.limits, [per_occasion(Measure::Reached, 1), per_occasion(Measure::Attempts, 2)]);
    assert_eq!(reminder.overrides, [Override::OverallLimits]);
    assert_eq!(reminder.permit_valid_for, Duration::minutes(30));
    assert!(reminder.agenda && !reminder.announced && !reminder.unless_booked_ahead && !reminder.reason_required);

    let wellbeing = rule("wellbeing_check");
    let window = RelativeWindow { from: Distance::After(Period::Days(1)), until: Distance::After(Period::Days(14)) };
    assert_eq!((wellbeing.occasion, wellbeing.window), (Some(OccasionKind::Surgery), Some(window)));
    assert!(wellbeing.announced && wellbeing.overrides.is_empty());

    let checkup = rule("checkup_invitation");
    let window = RelativeWindow { from: Distance::After(Period::Months(6)), until: Distance::After(Period::Months(12)) };
    assert_eq!((checkup.occasion, checkup.window), (Some(OccasionKind::PastVisit), Some(window)));
    assert!(checkup.unless_booked_ahead);

    let promotion = rule("promotion");
    assert_eq!((promotion.basis, promotion.occasion, promotion.agenda), (Basis::Consent, None, false));
    assert_eq!(promotion.limits, [rolling(Measure::Attempts, 1, Period::Days(30))]);
    assert!(!promotion.channels.contains(&Channel::AutoCall));

    let feedback = rule("feedback_request");
    assert_eq!(
        feedback.limits,
        [
            rolling(Measure::Reached, 1, Period::Months(6)),
            rolling(Measure::Attempts, 2, Period::Months(6)),
            rolling(Measure::Feedback, 1, Period::Months(6)),
        ]
    );

    let referral = rule("care_referral_callback");
    assert_eq!(referral.limits, [per_occasion(Measure::Reached, 1), per_occasion(Measure::Attempts, 3)]);
    assert_eq!(referral.overrides, [Override::PatientInitiatedOnly, Override::OverallLimits, Override::QuietHours]);
    assert_eq!(referral.quiet_hours_override_for, Some(Duration::hours(2)));

    let callback = rule("callback");
    assert_eq!((callback.basis, callback.occasion), (Basis::Request, Some(OccasionKind::CallbackRequest)));
    assert_eq!(callback.overrides, [Override::PatientInitiatedOnly, Override::OverallLimits]);

    let notice = rule("cancellation_notice");
    assert_eq!(notice.limits, [per_occasion(Measure::Reached, 1), per_occasion(Measure::Attempts, 4)]);

    let emergency = rule("emergency");
    assert_eq!(emergency.limits, [rolling(Measure::Attempts, 10, Period::Hours(24))]);
    assert_eq!(emergency.overrides, [Override::Everything]);
    assert!(emergency.reason_required && !emergency.agenda);
}

#[test]
fn each_rule_of_the_default_policy_cites_its_principle() {
    let paragraphs = DEFAULT.split("\n\n").filter(|p| p.contains("[purpose."));
    for paragraph in paragraphs {
        assert!(paragraph.contains("P1") || (2..=9).any(|n| paragraph.contains(&format!("P{n}"))), "{paragraph}");
    }
}

#[test]
fn what_is_unknown_is_refused_by_name_with_the_nearest_known_word() {
    check(
        "[netwrok]\n",
        &[
            "line 1, column 1: the policy names no purpose",
            "line 1, column 1: `[network]` is missing",
            "line 1, column 2: unknown field `netwrok`; did you mean `network`?",
        ],
    );
    let rest = "basis = \"care\"\nlimits = [{ attempts = 1, per = \"1 day\" }]\nchannels = [\"sms\"]\n";
    let text = with_rule(&format!("{rest}occassion = \"surgery\"\n"));
    check(&text, &["line 7, column 1: unknown field `occassion`; did you mean `occasion`?"]);
    check(
        &with_rule(&format!("{rest}occasion = \"sugery\"\n")),
        &["line 7, column 12: `occasion`: `sugery` is not an occasion; did you mean `surgery`?"],
    );
    check(
        &with_rule(&format!("{rest}overrides = [\"quiet_hour\"]\n")),
        &["line 7, column 14: `overrides`: `quiet_hour` is not an override; did you mean `quiet_hours`?"],
    );
    check(
        &with_rule("basis = \"cara\"\nlimits = [{ atempts = 1, per = \"1 dy\" }]\nchannels = [\"ssm\"]\n"),
        &[
            "line 4, column 9: `cara` is not a basis; did you mean `care`?",
            "line 5, column 11: the limit does not say what it counts",
            "line 5, column 13: unknown field `atempts`; did you mean `attempts`?",
            "line 5, column 32: `per`: `dy` in `1 dy` is not a unit of time; did you mean `day`?",
            "line 6, column 13: `channels`: `ssm` is not a channel; did you mean `sms`?",
        ],
    );
    check(&with_rule(&format!("{rest}zzzz = 1\n")), &["unknown field `zzzz`; known are `forbidden`, `basis`"]);
    check(&format!("{NETWORK}[purpose.\"Höhe\"]\n{rest}"), &["`Höhe` is not a purpose: 1 to 64 of a-z"]);
}

#[test]
fn columns_count_characters_not_bytes() {
    check(&with_rule("forbidden = \"Überflüssig\" ; \n"), &["line 4, column 27: this is not TOML"]);
}

#[test]
fn a_purpose_without_a_limit_does_not_load() {
    let rest = "basis = \"care\"\nchannels = [\"sms\", \"auto_call\"]\n";
    check(&with_rule(rest), &["line 3, column 10: x: a purpose without a limit does not load"]);
    check(&with_rule(&format!("{rest}limits = []\n")), &["line 6, column 10: x: a purpose without a limit does not load"]);
    check(
        &with_rule(&format!("{rest}limits = [{{ attempts = 1, per = \"1 day\", channels = [\"phone\"] }}]\n")),
        &["line 6, column 10: x: nothing limits contacts by `sms`"],
    );
    check(
        &with_rule(&format!("{rest}limits = [{{ feedback = 1, per = \"1 day\" }}]\n")),
        &["x: nothing limits contacts by `auto_call`", "x: nothing limits contacts by `sms`"],
    );
    check(&with_rule(&format!("{rest}limits = [{{ attempts = 0, per = \"1 day\" }}]\n")), &[]);
}

#[test]
fn what_needs_an_occasion_says_so() {
    let rest = "basis = \"care\"\nchannels = [\"sms\"]\n";
    check(
        &with_rule(&format!(
            "{rest}limits = [{{ attempts = 1, per = \"occasion\" }}]\nwindow = {{ from = \"1 day after\", until = \"2 days after\" }}\nannounced = true\nagenda = true\n"
        )),
        &[
            "line 6, column 11: x: a limit per occasion counts nothing",
            "line 7, column 1: x: a window lies around an occasion",
            "line 8, column 1: x: an announcement is of an occasion",
            "line 9, column 1: x: the worklist shows occasions",
        ],
    );
    check(&with_rule(&format!("{rest}limits = [{{ attempts = 1, per = \"1 day\" }}]\nannounced = false\nagenda = false\n")), &[]);
    check(
        &with_rule("basis = \"request\"\nchannels = [\"sms\"]\nlimits = [{ attempts = 1, per = \"1 day\" }]\n"),
        &["line 4, column 1: x: a patient asks by a callback request"],
    );
    check(
        &with_rule(
            "basis = \"care\"\nchannels = [\"sms\"]\nlimits = [{ attempts = 1, per = \"1 day\" }]\noverrides = [{ quiet_hours = \"2 hours\" }]\n",
        ),
        &["line 7, column 1: x: quiet hours are lifted for a time after an occasion"],
    );
}

#[test]
fn windows_that_never_open_are_mistakes() {
    let window = |occasion: &str, from: &str, until: &str| {
        with_rule(&format!(
            "basis = \"care\"\nchannels = [\"sms\"]\nlimits = [{{ attempts = 1, per = \"occasion\" }}]\noccasion = \"{occasion}\"\nwindow = {{ from = \"{from}\", until = \"{until}\" }}\n"
        ))
    };
    check(&window("upcoming_appointment", "24 hours before", "2 hours before"), &[]);
    check(
        &window("upcoming_appointment", "2 hours before", "24 hours before"),
        &["line 8, column 37: x: the window ends before it begins"],
    );
    check(&window("surgery", "1 day after", "1 day after"), &["the window ends before it begins"]);
    check(&window("surgery", "12 months after", "6 months after"), &["the window ends before it begins"]);
    check(&window("upcoming_appointment", "0 hours after", "2 hours after"), &["an upcoming appointment is over when it starts"]);
    check(&window("surgery", "2 days before", "1 day before"), &["nobody knows of this occasion before it has come"]);
    check(&window("surgery", "0 minutes after", "1 day after"), &[]);
    check(&window("surgery", "1 day afetr", "2 days"), &["did you mean `after`?", "`2 days` does not say where"]);
}

#[test]
fn spans_and_numbers_are_sensible() {
    let limit = |limit: &str| with_rule(&format!("basis = \"care\"\nchannels = [\"sms\"]\nlimits = [{limit}]\n"));
    check(&limit("{ attempts = 1, per = \"0 days\" }"), &["line 6, column 33: `per`: `0 days` is no time at all"]);
    check(&limit("{ attempts = 1, per = \"0 months\" }"), &["is no time at all"]);
    check(&limit("{ attempts = 1, per = \"200 months\" }"), &["is longer than ten years"]);
    check(&limit("{ attempts = 1, per = \"99999999999 days\" }"), &["is longer than ten years"]);
    check(&limit("{ attempts = 1, per = \"-1 days\" }"), &["`-1 days` is not a length of time"]);
    check(&limit("{ attempts = 1, per = \"ocasion\" }"), &["did you mean `occasion`?"]);
    check(&limit("{ attempts = -1, per = \"1 day\" }"), &["`attempts` is -1; it goes from 0 to 1000"]);
    check(&limit("{ attempts = 1001, per = \"1 day\" }"), &["`attempts` is 1001; it goes from 0 to 1000"]);
    check(&limit("{ attempts = \"one\", per = \"1 day\" }"), &["`attempts` is a string; write a whole number"]);
    check(&limit("{ attempts = 1, reached = 1, per = \"1 day\" }"), &["the limit counts several things"]);
    check(&limit("{ attempts = 1 }"), &["`per` is missing"]);
    check(
        &limit("{ feedback = 1, per = \"1 day\", channels = [\"sms\"] }, { attempts = 1, per = \"1 day\" }"),
        &["feedback comes on no channel"],
    );
    check(&limit("{ attempts = 1, per = \"1 day\" }, { attempts = 2, per = \"1 day\" }"), &["two limits count the same"]);
    check(
        "[network]\npermit_valid_for = \"8 days\"\n[purpose.x]\nforbidden = \"Because.\"\n",
        &["line 2, column 20: a permit that lives 8 days"],
    );
    check("[network]\npermit_valid_for = \"1 month\"\n[purpose.x]\nforbidden = \"Because.\"\n", &["a permit that lives 1 month"]);
}

#[test]
fn the_network_says_when_it_is_quiet() {
    let network = |lines: &str| format!("{NETWORK}{lines}\n[purpose.x]\nforbidden = \"Because.\"\n");
    let policy = parse(&network("holidays = [2026-05-01, \"2026-01-01\"]"), "v").unwrap();
    let day = |month| NaiveDate::from_ymd_opt(2026, month, 1).unwrap();
    assert_eq!(policy.holidays, [day(1), day(5)]);
    assert_eq!(policy.quiet_hours, None);
    check(&network("holidays = [2026-01-01, \"2026-01-01\"]"), &["line 3, column 25: the holiday 2026-01-01 is there twice"]);
    check(&network("holidays = [\"1 May\"]"), &["`1 May` is not a day"]);
    check(&network("holidays = [2026-01-01T10:00:00Z]"), &["is not a day"]);
    check(&network("quiet_hours = { from = \"20:00\", until = \"20:00\" }"), &["nobody could ever be called"]);
    check(&network("quiet_hours = { from = \"20:00\", until = \"25:00\" }"), &["`until`: `25:00` is not a time of day"]);
    check(
        &network("overall = [{ attempts = 1, per = \"occasion\" }, { feedback = 1, per = \"1 day\" }]"),
        &["has no occasion", "feedback is no contact"],
    );
}

#[test]
fn a_forbidden_purpose_says_why_and_nothing_else() {
    check(&with_rule("forbidden = \" \"\n"), &["line 4, column 13: x: say in words why it is not done"]);
    check(&with_rule("forbidden = true\n"), &["`forbidden` is a boolean; write text in quotes"]);
    check(&with_rule("forbidden = \"Because.\"\nlimits = []\nagenda = false\n"), &["remove `limits`", "remove `agenda`"]);
}

#[test]
fn contradictions_are_mistakes() {
    let rest = "basis = \"care\"\nchannels = [\"sms\", \"sms\"]\nlimits = [{ attempts = 1, per = \"1 day\" }]\n";
    check(
        &with_rule(&format!(
            "{rest}overrides = [\"everything\", \"quiet_hours\", {{ quiet_hours = \"3 days\" }}]\noccasion = \"surgery\"\n"
        )),
        &[
            "`channels` says this twice",
            "`everything` includes the others",
            "quiet hours are lifted for a day at most",
            "it overrides `quiet_hours` twice",
        ],
    );
    check(
        &with_rule("basis = \"care\"\nchannels = []\nlimits = [{ attempts = 1, per = \"1 day\" }]\n"),
        &["`channels` is empty"],
    );
}

#[test]
fn what_is_not_toml_is_said_with_its_place() {
    check("", &["the policy names no purpose", "`[network]` is missing"]);
    assert!(mistakes("this is not a policy")[0].contains("line 1, column"), "{:?}", mistakes("this is not a policy"));
    assert!(
        mistakes("a = \"\0\"").iter().any(|m| m.contains("line 1, column 6: this is not TOML")),
        "{:?}",
        mistakes("a = \"\0\"")
    );
    check(
        "[network]\n[network]\n",
        &["line 2, column 2: this is not TOML: duplicate key `network`", "`permit_valid_for` is missing"],
    );
    check("purpose = 1\nnetwork = 2\n", &["`purpose` is an integer; write a table", "`network` is an integer; write a table"]);
    let broken = [b"[network]\n# \xC3\xA9\xFF".as_slice(), DEFAULT.as_bytes()].concat();
    let mistakes = parse_bytes(&broken, "v").unwrap_err();
    assert_eq!((mistakes[0].line, mistakes[0].column), (2, 4));
    assert!(mistakes[0].message.contains("0xFF is not UTF-8"));
    assert_eq!(parse_bytes([b"\xEF\xBB\xBF", DEFAULT.as_bytes()].concat().as_slice(), "default-1"), Ok(default()));
}
