//! Requests that a machine makes of the OpenAPI document, well formed and not: none makes the server fail, and every answer is as the document
//! describes it. By PyPI's schemathesis; the long form is `TACT_TEST_GENERATED=<examples per operation>`.

use std::process::Stdio;

use tokio::process::Command;

use crate::access::Known;
use crate::network::Network;

/// Examples for each operation, beside those of the document; the long form goes along every edge of what it says, too.
const EXAMPLES: u32 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn no_generated_request_makes_the_server_fail() {
    let packages = tact_testbed::schemathesis().await.unwrap();
    let network = Network::start().await;
    Known::set_up(&network).await;
    let long: Option<u32> = std::env::var("TACT_TEST_GENERATED").ok().and_then(|set| set.parse().ok());
    let (examples, phases) = long.map_or((EXAMPLES, "examples,fuzzing"), |examples| (examples, "examples,coverage,fuzzing"));
    let token = network.token(&["network_manager", "system"], None).await;
    let checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"];
    let report = tempfile::tempdir().unwrap();
    let run = Command::new("python3")
        .args(["-m", "schemathesis.cli", "run", "--no-color", "--checks", &checks.join(",")])
        .args(["--phases", phases, "--max-examples", &examples.to_string(), "--seed", "7"])
        .args(["--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off", "--workers", "1"])
        .args(["--header", &format!("Authorization:Bearer {token}"), "--url", network.url()])
        // What never ends is read by tests of its own.
        .args(["--exclude-path", "/v1/positions", "--exclude-path", "/v1/feed"])
        .arg(format!("{}/openapi.json", network.url()))
        .env("PYTHONPATH", &packages)
        .current_dir(report.path())
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    network.stop().await;
}
