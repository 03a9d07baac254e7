//! A server that goes away while somebody works, as the real program on a real port.

use serde_json::{Value, json};

use super::{LANGUAGES, journey};
use crate::network::NOON;
use crate::processes::{Caller, Process, command};

/// The program on its folder and port, by a clock that is set.
async fn serve(folder: &str, listen: &str, now: &str) -> Process {
    Process::start(command(&["serve", "--data", folder, "--listen", listen, "--now", now]).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_outlives_the_server() {
    for language in LANGUAGES {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        // The policy that ships takes force a while after the first start.
        let mut first = serve(data, "127.0.0.1:0", "2026-03-02T08:00:00Z").await;
        let token = first.first_token().await;
        let manager = Caller::new(&first.url, &token);
        manager.put("/v1/branches/north", json!({"name": "north", "time_zone": "Europe/Moscow"})).await.ok();
        let listen = first.url.strip_prefix("http://").unwrap().to_owned();
        first.stop().await;
        let mut server = Some(serve(data, &listen, NOON).await);
        let person = json!({"home_branch": "north", "person": {"name": "Olga Calls", "phone": "+7 921 555-01-01"}});
        let patient = manager.post("/v1/patients", person).await.ok()["patient"].as_str().unwrap().to_owned();
        manager.post(&format!("/v1/patients/{patient}/requests"), json!({"channel": "phone"})).await.ok();
        let on = async |what: &Value| match what["do"].as_str().unwrap() {
            "link" => {
                let mut wanted = what.clone();
                wanted.as_object_mut().unwrap().remove("do");
                json!({"link": manager.post("/v1/sign-in-links", wanted).await.ok()["url"]})
            }
            "away" => {
                server.take().unwrap().kill().await;
                json!({})
            }
            "back" => {
                server = Some(serve(data, &listen, "2026-03-02T09:03:00Z").await);
                json!({})
            }
            "contacts" => {
                let history = manager.get(&format!("/v1/patients/{patient}/history")).await.ok();
                let notes = history["events"].as_array().unwrap().iter().filter(|event| event["type"] == "contact.made");
                notes.map(|event| event["words"].clone()).collect()
            }
            other => panic!("nobody knows how to {other}"),
        };
        journey("away", json!({"language": language, "called": "Olga Calls"}), on).await;
        server.take().unwrap().stop().await;
    }
}
