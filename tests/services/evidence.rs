//! The evidence for one contact: over HTTP, on both set-ups, and as the command shows it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::{Network, any_id, id};
use crate::processes::{Ended, command, ended};

const DOCUMENT: &str = "4a1c7f0e-0000-4000-8000-000000000001";

async fn consent(network: &Network, patient: Uuid) {
    let consent = json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": DOCUMENT}});
    network.post(&format!("/v1/patients/{patient}/consents"), consent).await.ok();
}

/// An advertisement by SMS, under a permit or without one; its id.
async fn advertise(network: &Network, patient: Uuid, permitted: bool) -> (Uuid, String) {
    let path = |what: &str| format!("/v1/patients/{patient}/{what}");
    let mut sent =
        json!({"direction": "outbound", "purpose": "promotion", "channel": "sms", "branch": "north", "outcome": "reached"});
    let ask = json!({"purpose": "promotion", "channel": "sms", "branch": "north"});
    let answer = network.post(&path("permits"), ask).await.ok();
    assert_eq!(answer["decision"] == "permitted", permitted, "{answer}");
    if permitted {
        sent["permit"] = answer["permit"].clone();
    }
    let made = network.post(&path("contacts"), sent).await.ok();
    (id(&made["contact"]), made["position"].as_str().unwrap().to_owned())
}

async fn evidence(network: &Network, (contact, position): &(Uuid, String)) -> Value {
    network.get(&format!("/v1/contacts/{contact}/evidence?at_least={position}")).await.ok()
}

fn codes(evidence: &Value) -> Vec<&str> {
    evidence["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advertisement_shows_its_consent_and_one_without_says_so() {
    Network::on_both(async |network| {
        let patient = network.patient("north", json!({})).await;
        let without = advertise(network, patient, false).await;
        let shown = evidence(network, &without).await;
        assert_eq!(codes(&shown), ["no_permit", "made_after_refusal", "no_consent"]);
        assert_eq!(shown["advertising_law"], true);
        assert!(shown.get("consent").is_none() && shown.get("permit").is_none(), "{shown}");

        let other = network.patient("north", json!({})).await;
        consent(network, other).await;
        let with = advertise(network, other, true).await;
        let shown = evidence(network, &with).await;
        assert_eq!(codes(&shown), [""; 0], "{shown}");
        assert_eq!((&shown["patient"], &shown["consent"]["document"]), (&json!(other), &json!(DOCUMENT)));
        assert_eq!(shown["permit"]["again"], true, "the decision comes out the same");
        assert_eq!(shown["contact"]["stated"]["sha256"].as_str().unwrap().len(), 64);
        network.set_clock("2026-03-02T10:00:00Z");
        // What was given later does not mend what was done before.
        consent(network, patient).await;
        assert_eq!(
            codes(&evidence(network, &without).await),
            ["no_permit", "made_after_refusal", "no_consent", "consent_after_contact"]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_merge_a_contact_is_found_with_what_it_rested_on() {
    let network = Network::start().await;
    let (survivor, merged) = (network.patient("north", json!({})).await, network.patient("north", json!({})).await);
    consent(&network, merged).await;
    let contact = advertise(&network, merged, true).await;
    network.post(&format!("/v1/patients/{survivor}/merge"), json!({"from": merged})).await.ok();
    network.until(survivor, "patient.absorbed").await;
    network.until(merged, "patient.merged").await;
    let shown = evidence(&network, &contact).await;
    assert_eq!((&shown["patient"], &shown["contact"]["stated"]["stream"]), (&json!(survivor), &json!(merged)));
    assert_eq!(codes(&shown), [""; 0], "{shown}");
    assert_eq!(shown["consent"]["document"], DOCUMENT);
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said() {
    let network = Network::start().await;
    let nobody = network.get(&format!("/v1/contacts/{}/evidence", any_id())).await.refused(404, "not_found");
    assert!(nobody["detail"].as_str().unwrap().contains("at_least"));
    network.get("/v1/contacts/7/evidence").await.refused(400, "malformed");
    let north = network.token(&["regulator"], Some(&["north"])).await;
    let refused = network.get_as(&north, &format!("/v1/contacts/{}/evidence", any_id())).await.refused(403, "forbidden");
    assert!(refused["detail"].as_str().unwrap().contains("whole network"));
    network.stop().await;
}

/// Runs `tact evidence contact` with these arguments.
async fn show(network: &Network, token: &str, arguments: &[&str]) -> Ended {
    let mut command = command(&[&["evidence", "contact"], arguments].concat()).await;
    command.env("TACT_URL", format!("http://{}", network.address())).env("TACT_TOKEN", token);
    ended(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_shows_a_table_json_and_a_page() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let contact = advertise(&network, patient, false).await;
    let served = evidence(&network, &contact).await;
    let regulator = network.token(&["regulator"], None).await;
    let contact = contact.0.to_string();

    let table = show(&network, &regulator, &[&contact]).await;
    assert_eq!(table.code, Some(0), "{}", table.stderr);
    assert!(table.stdout.contains("without a permit") && table.stdout.contains("38-FZ"), "{}", table.stdout);
    let json = show(&network, &regulator, &[&contact, "-o", "json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&json.stdout).unwrap(), served);
    let page = show(&network, &regulator, &[&contact, "-o", "html", "--language", "ru"]).await;
    assert!(page.stdout.starts_with("<!DOCTYPE html>"), "{}", page.stdout);
    assert!(page.stdout.contains("38-ФЗ") && page.stdout.contains("Обращение сделано без разрешения"));

    let nobody = show(&network, &regulator, &[&any_id().to_string()]).await;
    assert_eq!(nobody.code, Some(1));
    assert!(nobody.stderr.contains("404") && nobody.stderr.contains("no contact has the id"), "{}", nobody.stderr);
    let wrong = show(&network, &regulator, &[&contact, "--language", "fr"]).await;
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("`ru` or `en`"), "{}", wrong.stderr);
    let analyst = network.token(&["analyst"], None).await;
    let refused = show(&network, &analyst, &[&contact]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("regulator"), "{}", refused.stderr);
    network.stop().await;
}
