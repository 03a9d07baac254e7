//! Pictures of every page of the sample network, in both languages: those of the docs, when `cargo pictures` makes them anew; else of a smaller
//! one, and thrown away.

use serde_json::{Value, json};
use tact::demo::{DemoArgs, make};

use super::{LANGUAGES, journey};
use crate::processes::{Caller, new_key};
use crate::tidy::root;

/// How many pictures there are in each language.
const PAGES: usize = 11;

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_network_can_be_pictured_page_by_page() {
    let docs = std::env::var_os("TACT_TEST_PICTURES").is_some();
    let args = DemoArgs { folder: None, seed: 1, patients: if docs { 800 } else { 20 }, exit: true };
    let demo = make(&args, ([127, 0, 0, 1], 0).into()).await.unwrap();
    let manager = Caller::new(&demo.running.url, &demo.token);
    let list = async |branch: &str, view: &str| {
        manager.get(&format!("/v1/branches/{branch}/worklist?view={view}&limit=100")).await.ok()["entries"].clone()
    };
    // The branch where there is most to see: somebody to be told before they leave.
    let mut branch = "north";
    for other in ["north", "center", "ural"] {
        if list(other, "announce").await.as_array().unwrap().len() > list(branch, "announce").await.as_array().unwrap().len() {
            branch = other;
        }
    }
    let desk = json!({"entries": list(branch, "due").await});
    // Somebody with a number, and something that stands in the way.
    let entries = desk["entries"].as_array().unwrap();
    let blocked = |entry: &&Value| entry["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty());
    let patient = entries.iter().find(blocked).or(entries.first()).expect("somebody is due");
    let name = patient["name"].as_str().unwrap().split(' ').next().unwrap();
    let found = manager.get("/v1/audit/findings?limit=1").await.ok();
    let case = found["findings"][0]["patient"].clone();
    let temporary = tempfile::tempdir().unwrap();
    let folder = if docs { root().join("docs/pictures") } else { temporary.path().to_owned() };
    std::fs::create_dir_all(&folder).unwrap();
    for language in LANGUAGES {
        let given = json!({
            "language": language, "folder": folder, "branch": branch, "patient": patient["patient"], "name": name, "case": case,
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
    let made = std::fs::read_dir(&folder).unwrap().flatten().filter(|file| file.metadata().is_ok_and(|data| data.len() > 10_000));
    assert!(made.count() >= 2 * PAGES, "a page is missing, or shows nothing");
}
