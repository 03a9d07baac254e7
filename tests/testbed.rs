//! The servers of the tests: that they start, survive a restart with what they stored, and end with us.

use std::process::{Command, Stdio};

use tact_testbed::{Nats, Postgres};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_survives_a_kill_with_its_databases() {
    let postgres = Postgres::start().await.unwrap();
    let first = postgres.database().await.unwrap();
    let second = postgres.database().await.unwrap();
    assert_ne!(first, second);
    postgres.kill().unwrap();
    assert!(postgres.database().await.is_err());
    postgres.restart().await.unwrap();
    let third = postgres.database().await.unwrap();
    assert!(third != first && third.starts_with("postgres://tact@127.0.0.1:"), "{third}");
    postgres.stop().await.unwrap();
    postgres.restart().await.unwrap();
    postgres.database().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shared_is_started_once() {
    let (first, second) = tokio::join!(Nats::shared(), Nats::shared());
    assert_eq!(first.unwrap().url(), second.unwrap().url());
    let (first, second) = tokio::join!(Postgres::shared(), Postgres::shared());
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.url("x"), second.url("x"));
    assert_ne!(first.database().await.unwrap(), second.database().await.unwrap());
}

#[tokio::test]
async fn a_configuration_that_nats_does_not_take_is_said() {
    let error = Nats::start_with("no_such_option: 7").await.unwrap_err().to_string();
    assert!(error.contains("no_such_option"), "{error}");
}

/// Run in a process of its own by the test below.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "part of servers_end_with_a_killed_process, which starts it"]
async fn starts_a_server_and_waits() {
    let nats = Nats::start().await.unwrap();
    println!("server at {}", nats.url());
    std::future::pending::<()>().await;
}

#[test]
fn servers_end_with_a_killed_process() {
    use std::io::{BufRead, BufReader};
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "testbed::starts_a_server_and_waits", "--ignored", "--nocapture"];
    let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("server at nats://")).unwrap();
    let address = line.split("nats://").nth(1).unwrap().trim().to_owned();
    std::net::TcpStream::connect(&address).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // A condition that comes true by itself, or the test never ends.
    while std::net::TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
}
