//! The pictures of the docs: every page of the sample network, in both languages, as `cargo pictures` makes them anew.

use serde_json::{Value, json};
use tact::demo::{DemoArgs, make};

use super::{LANGUAGES, journey};
use crate::processes::{Caller, new_key};
use crate::tidy::root;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "makes the pictures of the docs: `cargo pictures`"]
async fn of_every_page() {
    let args = DemoArgs { folder: None, seed: 1, patients: 600, exit: true };
    let demo = make(&args, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let manager = Caller::new(&demo.running.url, &demo.token);
    let desk = manager.get("/v1/branches/north/worklist?view=due&limit=100").await.ok();
    // Somebody with a number, and something that stands in the way.
    let entries = desk["entries"].as_array().unwrap();
    let patient = entries.iter().find(|entry| !entry["reasons"].as_array().unwrap().is_empty()).unwrap_or(&entries[0]);
    let name = patient["name"].as_str().unwrap().split(' ').next().unwrap();
    let found = manager.get("/v1/audit/findings?limit=1").await.ok();
    let case = found["findings"][0]["patient"].clone();
    let folder = root().join("docs/pictures");
    std::fs::create_dir_all(&folder).unwrap();
    for language in LANGUAGES {
        let given = json!({
            "language": language, "folder": folder, "patient": patient["patient"], "name": name, "case": case,
            "need": if language == "ru" { "рентген" } else { "X-ray" },
        });
        let on = async |what: &Value| {
            let mut wanted = what.clone();
            assert_eq!(wanted.as_object_mut().unwrap().remove("do").unwrap(), "link");
            let made = manager.post_under(&new_key(), "/v1/sign-in-links", wanted).await.ok();
            json!({"link": made["url"]})
        };
        journey("pictures", given, on).await;
    }
    demo.running.stop().await;
}
