//! The log on JetStream, with one server and with three: its laws, and what servers and their configuration may do to it.

use std::sync::Arc;

use async_trait::async_trait;
use tact_event_log::contract::{self, Candidate};
use tact_event_log::{EventLog, JetStreamConfig, JetStreamLog, open_jetstream};
use tact_testbed::{Nats, NatsCluster, fresh_name};

async fn open(urls: &[String], network: &str, replicas: usize) -> JetStreamLog {
    let mut config = JetStreamConfig::new(network, urls);
    config.replicas = replicas;
    open_jetstream(config).await.unwrap()
}

struct Alone {
    nats: Nats,
}

#[async_trait]
impl Candidate for Alone {
    async fn empty(&self) -> Arc<dyn EventLog> {
        Arc::new(open(&[self.nats.url()], &fresh_name("net"), 1).await)
    }

    async fn reopen(&self, log: Arc<dyn EventLog>) -> Option<Arc<dyn EventLog>> {
        self.nats.kill().unwrap();
        self.nats.restart().await.unwrap();
        // The log itself finds its way back.
        Some(log)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_keeps_the_laws() {
    contract::run(&Alone { nats: Nats::start().await.unwrap() }).await;
}

struct Cluster {
    cluster: NatsCluster,
}

#[async_trait]
impl Candidate for Cluster {
    async fn empty(&self) -> Arc<dyn EventLog> {
        Arc::new(open(&self.cluster.urls(), &fresh_name("net"), 3).await)
    }

    async fn reopen(&self, log: Arc<dyn EventLog>) -> Option<Arc<dyn EventLog>> {
        for node in self.cluster.nodes() {
            node.kill().unwrap();
        }
        for node in self.cluster.nodes() {
            node.restart().await.unwrap();
        }
        Some(log)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_with_three_servers_keeps_the_laws() {
    contract::run(&Cluster { cluster: NatsCluster::start().await.unwrap() }).await;
}
