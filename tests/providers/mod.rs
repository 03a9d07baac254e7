//! Directories of other institutions go in, dirty as they are, and whoever needs something is told the nearest who has it.
//!
//! sites.csv and services.csv are rows and columns of the tables of the US Department of Veterans Affairs of May 2020, unchanged (vast.csv and
//! clinical-services.csv of department-of-veterans-affairs/lighthouse-facilities, a work of the US government).

use std::path::PathBuf;

use serde_json::Value;
use tact::import::Stores;
use tact::import::providers::{Account, list, read_files, read_mapping};

use crate::network::Network;
use crate::processes::{command, ended};
use crate::tidy::root;

fn files() -> [PathBuf; 2] {
    ["sites.csv", "services.csv"].map(|name| root().join("tests/providers").join(name))
}

async fn import(network: &Network, files: &[PathBuf], dry_run: bool) -> Account {
    let mapping = read_mapping(&root().join("mappings/va-facilities.toml")).unwrap();
    let app = network.app();
    let stores = Stores { transactor: &app.transactor, control: &app.control, personal: &app.personal, keys: &app.keys };
    list(read_files(files, &mapping).unwrap(), &mapping, stores, dry_run).await.unwrap()
}

#[track_caller]
fn remarked(account: &Account, line: u64, part: &str) {
    let found =
        account.remarks.iter().any(|remark| remark.file == "sites.csv" && remark.line == line && remark.reason.contains(part));
    assert!(found, "line {line}: {part} is not in {:#?}", account.remarks);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dirty_directory_goes_in_once_and_nothing_in_it_is_guessed() {
    Network::on_both(async |network| {
        let dry = import(network, &files(), true).await;
        assert_eq!((dry.new, dry.left_out, dry.refused), (13, 2, 0), "{:#?}", dry.remarks);
        let first = import(network, &files(), false).await;
        assert_eq!(Account { dry_run: true, ..first.clone() }, dry);
        assert_eq!((first.services, first.services_of_nobody, first.services_refused), (22, 3, 0));
        assert_eq!((first.without_services, first.without_place), (3, 0));
        // Garbage on one day makes the hours unknown, and so does a slip.
        assert_eq!((first.without_hours, first.without_zone), (3, 1));
        remarked(&first, 8, "`AM-PM` is not hours");
        remarked(&first, 9, "`800-430` is not hours");
        remarked(&first, 11, "`800AM-430AM` ends before it begins");
        remarked(&first, 13, "extension");
        let again = import(network, &files(), false).await;
        assert_eq!((again.new, again.changed, again.there), (0, 0, 13));

        // A changed row is listed anew, and nothing else.
        let folder = tempfile::tempdir().unwrap();
        let changed = folder.path().join("sites.csv");
        let text = std::fs::read_to_string(&files()[0]).unwrap();
        std::fs::write(&changed, text.replace("Togus VA Medical Center", "Togus")).unwrap();
        let third = import(network, &[changed, files()[1].clone()], false).await;
        assert_eq!((third.new, third.changed, third.there), (0, 1, 12));

        let names = |found: &Value| -> Vec<String> {
            found["providers"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect()
        };
        // From Fiji, over the date line. It is Monday, ten o'clock in Pago Pago and eleven in Honolulu, and Tuesday in Manila and on Guam.
        let path = "/v1/providers?need=audiology&latitude=-17.7&longitude=178.0&open_at=2026-03-02T21:00:00Z";
        let found = network.get(path).await.ok();
        assert!(names(&found)[0].starts_with("Faleomavaega"), "{:?}", names(&found));
        assert_eq!(found["providers"][0]["open"], true);
        let far = found["providers"][0]["distance_km"].as_f64().unwrap();
        assert!((1200.0..1300.0).contains(&far), "{far}");
        assert!(names(&found)[1].starts_with("Spark M. Matsunaga"));
        let of = |name: &str| {
            found["providers"].as_array().unwrap().iter().find(|p| p["name"].as_str().unwrap().starts_with(name)).unwrap().clone()
        };
        // Nobody knows by which clock Memphis goes, nor when San Jose is open.
        assert_eq!((of("Memphis").get("open"), of("San Jose").get("open")), (None, None));
        assert_eq!(
            (of("Manila")["open"].clone(), of("Manila")["opens_at"].clone()),
            (false.into(), "2026-03-02T23:30:00Z".into())
        );

        let places = network.get("/v1/places?q=augusta").await.ok();
        assert_eq!(places["places"][0]["name"], "Togus", "{places}");
        assert_eq!(places["places"][0]["latitude"], 44.280_270_1);
        assert_eq!(network.get("/v1/places?q=96910").await.ok()["places"].as_array().map(Vec::len), Some(1));
        network.get("/v1/places?q=,").await.refused(422, "untrue");
    })
    .await;
}

#[tokio::test]
async fn the_program_says_what_would_be_listed_and_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let mut command = command(&[&["import", "providers"], arguments].concat()).await;
        command.env("TACT_DATA", folder.path().join("data"));
        ended(command).await
    };
    let [sites, services] = files().map(|path| path.to_str().unwrap().to_owned());
    let mapping = root().join("mappings/va-facilities.toml").to_str().unwrap().to_owned();
    let dry = run(&[&sites, &services, "--mapping", &mapping, "--dry-run"]).await;
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.stdout.contains("15 sites: 13 would be listed") && dry.stdout.contains("This was a dry run"), "{dry:?}");
    let wrong = run(&[&services, &mapping, "--mapping", &mapping]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    let missing = run(&[&sites, "--mapping", &sites]).await;
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("the mapping cannot be used"), "{missing:?}");
}
