//! Contacts per patient and month, and who turned to "don't call me": over the network, where two branches' calls to one person are two, and by branch.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::Network;

const PATH: &str = "/v1/figures?from=2026-01&until=2026-12";

async fn months(network: &Network, token: &str, position: &str) -> Vec<Value> {
    let figures = network.get_as(token, &format!("{PATH}&at_least={position}")).await.ok();
    figures["patient_months"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_per_patient_and_month_and_who_turned_away() {
    Network::on_both(async |network| {
        let [anna, boris, carl] = [("north"), ("north"), ("east")].map(|branch| network.patient(branch, json!({})));
        let [anna, boris, carl] = [anna.await, boris.await, carl.await];
        let call = async |patient: Uuid, branch: &str, direction: &str, time: &str| {
            let made = json!({"direction": direction, "purpose": "callback", "channel": "phone", "branch": branch, "outcome": "no_answer",
                "time": time});
            network.post(&format!("/v1/patients/{patient}/contacts"), made).await.ok()
        };
        let clock = std::cell::Cell::new(0);
        let wish = async |patient: Uuid, reach: &str| {
            // Each word is later than the one before.
            clock.set(clock.get() + 1);
            network.set_clock(&format!("2026-03-02T09:{:02}:00Z", clock.get()));
            network.post(&format!("/v1/patients/{patient}/preferences"), json!({"reach": reach})).await.ok()
        };
        // Anna is called by both branches in March, Boris by one; what they ring themselves is no call to them.
        for branch in ["north", "north", "east", "north"] {
            call(anna, branch, "outbound", "2026-03-02T10:00:00+03:00").await;
        }
        call(boris, "north", "outbound", "2026-03-02T11:00:00+03:00").await;
        call(boris, "north", "inbound", "2026-03-02T11:30:00+03:00").await;
        // Entered late, and in the month in which it was by UTC.
        call(anna, "north", "outbound", "2026-02-01T01:00:00+03:00").await;
        // Said twice it is one turning; of Carl nobody knows but his home branch.
        wish(boris, "patient_initiated").await;
        wish(boris, "patient_initiated").await;
        wish(carl, "normal").await;
        let last = wish(carl, "patient_initiated").await;
        let position = last["position"].as_str().unwrap();

        let row = |branch: Option<&str>, month: &str, contacts: i64, patients: i64, each: Option<f64>, turned: i64| {
            let mut row = json!({"month": month, "contacts": contacts, "patients": patients, "turned_to_patient_initiated": turned});
            row.as_object_mut().unwrap().extend(branch.map(|branch| ("branch".to_owned(), json!(branch))));
            row.as_object_mut().unwrap().extend(each.map(|each| ("contacts_per_patient".to_owned(), json!(each))));
            row
        };
        let of_north = [row(Some("north"), "2026-01", 1, 1, Some(1.0), 0), row(Some("north"), "2026-03", 4, 2, Some(2.0), 1)];
        let of_network = [row(None, "2026-01", 1, 1, Some(1.0), 0), row(None, "2026-03", 5, 2, Some(2.5), 2)];
        let of_east = [row(Some("east"), "2026-03", 1, 1, Some(1.0), 1)];
        let all = [&of_network[..], &of_east, &of_north].concat();
        assert_eq!(months(network, &network.manager, position).await, all);
        // Whoever acts for one branch sees its own only.
        let analyst = network.token(&["analyst"], Some(&["north"])).await;
        assert_eq!(months(network, &analyst, position).await, of_north);
        let february = network.get("/v1/figures?from=2026-02&until=2026-02").await.ok();
        assert_eq!(february["patient_months"], json!([]));

        // A third call makes it a third: to two decimals.
        let made = call(boris, "east", "outbound", "2026-03-02T11:45:00+03:00").await;
        let another = call(carl, "east", "outbound", "2026-03-02T11:50:00+03:00").await;
        assert_ne!(made["position"], another["position"]);
        let found = months(network, &network.manager, another["position"].as_str().unwrap()).await;
        assert_eq!(found[1], row(None, "2026-03", 7, 3, Some(2.33), 2), "{found:?}");
        // Merged, they are one from then on: what was counted stays as it was counted.
        network.post(&format!("/v1/patients/{anna}/merge"), json!({"from": boris})).await.ok();
        let merged = network.until(anna, "patient.absorbed").await.to_string();
        call(anna, "east", "outbound", "2026-03-02T11:55:00+03:00").await;
        let back = wish(anna, "normal").await;
        assert!(back["position"].as_str().unwrap() != merged);
        let again = wish(anna, "patient_initiated").await;
        let found = months(network, &network.manager, again["position"].as_str().unwrap()).await;
        assert_eq!(found[1], row(None, "2026-03", 8, 3, Some(2.67), 3), "{found:?}");
    })
    .await;
}
