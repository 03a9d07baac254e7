//! `POST /v1/policies/what-if`: what the command tells, for whoever has no hands on the log; bounded, and without a patient in it.

use serde_json::{Value, json};
use tact_domain::policy::{self, DEFAULT};
use tact_replay::{Broken, Reading, Watch, replay};
use tact_what_if::{Question, Step};
use uuid::Uuid;

use crate::network::{Network, id};

const PATH: &str = "/v1/policies/what-if";

/// So many promotions within 30 days, in place of one.
fn promotions(attempts: u32) -> String {
    DEFAULT.replace("attempts = 1, per = \"30 days\"", &format!("attempts = {attempts}, per = \"30 days\""))
}

/// Somebody with a consent is sent a promotion under a permit; the second one is refused. Who, and the contact.
async fn promoted(network: &Network) -> (Uuid, Uuid) {
    let patient = network.patient("north", json!({})).await;
    let path = |what: &str| format!("/v1/patients/{patient}/{what}");
    let consent = json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": patient}});
    network.post(&path("consents"), consent).await.ok();
    let ask = json!({"purpose": "promotion", "channel": "sms", "branch": "north"});
    let permit = network.post(&path("permits"), ask.clone()).await.ok()["permit"].clone();
    let sent = json!({"direction": "outbound", "purpose": "promotion", "channel": "sms", "branch": "north", "outcome": "reached",
        "permit": permit});
    let made = network.post(&path("contacts"), sent).await.ok();
    assert_eq!(network.post(&path("permits"), ask).await.ok()["decision"], "refused");
    (patient, id(&made["contact"]))
}

fn asked(policy: Value) -> Value {
    let mut body = json!({"from": "2026-03-01T00:00:00+03:00", "until": "2026-04-01T00:00:00+03:00"});
    body.as_object_mut().unwrap().extend(policy.as_object().unwrap().clone());
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_and_a_looser_policy_are_told_by_branch_and_reason_and_nobody_is_named() {
    Network::on_both(async |network| {
        let (patient, contact) = promoted(network).await;
        // Against the policy of its day, which forbids it.
        let survey = json!({"direction": "outbound", "purpose": "visit_survey", "channel": "email", "branch": "east", "outcome": "reached"});
        let unasked = id(&network.post(&format!("/v1/patients/{patient}/contacts"), survey).await.ok()["contact"]);

        let same = network.post(PATH, asked(json!({"version": "default"}))).await.ok();
        let nothing = json!({"contacts": 2, "contacts_refused": 0, "contacts_refused_reached": 0, "contacts_permitted": 0, "permits": 1,
            "permits_refused": 0, "refusals": 1, "refusals_permitted": 0});
        assert_eq!((&same["total"], &same["version"]), (&nothing, &json!("default")), "{same}");
        assert_eq!((&same["reasons"], &same["examples"], &same["set_aside"]), (&json!([]), &json!([]), &json!(0)));

        let stricter = network.post(PATH, asked(json!({"text": promotions(0)}))).await.ok();
        assert_eq!(
            stricter["branches"],
            json!([
                {"branch": "east", "contacts": 1, "contacts_refused": 0, "contacts_refused_reached": 0, "contacts_permitted": 0, "permits": 0,
                    "permits_refused": 0, "refusals": 0, "refusals_permitted": 0},
                {"branch": "north", "contacts": 1, "contacts_refused": 1, "contacts_refused_reached": 1, "contacts_permitted": 0, "permits": 1,
                    "permits_refused": 1, "refusals": 1, "refusals_permitted": 0},
            ])
        );
        assert_eq!(
            stricter["reasons"],
            json!([{"branch": "north", "reason": "limit_reached", "contacts_refused": 1, "permits_refused": 1, "contacts_permitted": 0,
                "refusals_permitted": 0}])
        );
        assert_eq!(
            stricter["examples"],
            json!([{"contact": contact, "branch": "north", "otherwise": "refused", "reasons": ["limit_reached"]}])
        );

        let lenient = "[network]\npermit_valid_for = \"30 minutes\"\n[purpose.promotion]\nbasis = \"care\"\nchannels = [\"sms\"]\n\
            limits = [{ attempts = 5, per = \"30 days\" }]\nagenda = false\n[purpose.visit_survey]\nbasis = \"care\"\n\
            channels = [\"email\"]\nlimits = [{ attempts = 5, per = \"30 days\" }]\nagenda = false\n";
        let looser = network.post(PATH, asked(json!({"text": lenient}))).await.ok();
        let total = &looser["total"];
        assert_eq!((&total["contacts_permitted"], &total["refusals_permitted"]), (&json!(1), &json!(1)), "{looser}");
        let of = |branch: &str, reason: &str| {
            let rows = looser["reasons"].as_array().unwrap().iter();
            let found = rows.filter(|row| row["branch"] == branch && row["reason"] == reason).cloned().collect::<Vec<_>>();
            assert_eq!(found.len(), 1, "{branch} {reason}: {looser}");
            [found[0]["contacts_permitted"].clone(), found[0]["refusals_permitted"].clone()]
        };
        assert_eq!(of("east", "purpose_forbidden"), [json!(1), json!(0)]);
        assert_eq!(of("north", "limit_reached"), [json!(0), json!(1)]);
        assert_eq!(
            looser["examples"],
            json!([{"contact": unasked, "branch": "east", "otherwise": "permitted", "reasons": ["purpose_forbidden"]}])
        );

        // Outside the span nothing is counted; `to` is another word for its end.
        let before = json!({"text": promotions(0), "from": "2026-01-01T00:00:00Z", "to": "2026-03-01T00:00:00Z"});
        let before = network.post(PATH, before).await.ok();
        assert_eq!((&before["total"]["contacts"], &before["branches"]), (&json!(0), &json!([])));
        for told in [&same, &stricter, &looser, &before] {
            assert!(!told.to_string().contains(&patient.to_string()), "{told}");
            assert!(told["events"].as_u64().unwrap() > 5 && told["rules"].as_array().unwrap().len() > 2, "{told}");
        }
        let events = network.log_text().await;
        network.post(PATH, asked(json!({"text": promotions(0)}))).await.ok();
        assert_eq!(network.log_text().await, events, "nothing is recorded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_or_cannot_be_read_is_refused_with_the_way_out() {
    let network = Network::start().await;
    let span = |from: &str, until: &str| json!({"version": "default", "from": from, "until": until});
    for (body, field, said) in [
        (span("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"), "until", "nothing lies between them"),
        (span("2026-01-01T00:00:00Z", "2026-04-03T00:00:01Z"), "until", "`tact policy simulate"),
        (asked(json!({})), "text", "either by its `text` or by its `version`"),
        (asked(json!({"version": "default", "text": DEFAULT})), "text", "either by its `text` or by its `version`"),
        (asked(json!({"text": "[purpose.x]\nbasis = \"car\""})), "text", "it is not a policy"),
        (
            json!({"version": "default", "from": "yesterday", "until": "2026-03-01T00:00:00Z"}),
            "from",
            "is not a time with an offset",
        ),
    ] {
        let problem = network.post(PATH, body.clone()).await.refused(422, "untrue");
        assert_eq!(problem["field"], field, "{body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(said), "{body}: {problem}");
    }
    let unknown = network.post(PATH, asked(json!({"version": "defualt"}))).await.refused(404, "not_found");
    assert!(unknown["detail"].as_str().unwrap().contains("did you mean `default`?"), "{unknown}");
    // A version by the name of a path could not be asked for.
    for version in ["what-if", "diff", "in-force"] {
        let policy = json!({"version": version, "text": DEFAULT, "effective_from": "2026-03-03T00:00:00Z"});
        assert_eq!(network.post("/v1/policies", policy).await.refused(422, "untrue")["field"], "version");
    }
    network.stop().await;
}

/// Counts what it is shown.
struct Counting(usize);

impl Watch for Counting {
    fn comes(&mut self, _: tact_event_log::Position, _: Option<Uuid>) {
        self.0 += 1;
    }

    fn sees(&mut self, _: &Step<'_>) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_more_events_than_are_to_be_read_is_not_answered_for_in_part() {
    Network::on_both(async |network| {
        promoted(network).await;
        let log = network.app().transactor.log().clone();
        let policy = policy::text::parse(DEFAULT, "default").unwrap();
        let question = || Question { policy: policy.clone(), since: None, until: None, branch: None };
        let broken = replay(&*log, Reading::Passing(3), question(), Counting(0)).await.map(drop).unwrap_err();
        assert!(matches!(broken, Broken::TooLong(3)), "{broken}");
        let (whole, Counting(passing)) = replay(&*log, Reading::Passing(1000), question(), Counting(0)).await.unwrap();
        let (named, Counting(as_reader)) = replay(&*log, Reading::As("counting"), question(), Counting(0)).await.unwrap();
        assert_eq!((whole.report, passing), (named.report, as_reader));
        assert!(passing > 5, "{passing}");
    })
    .await;
}
