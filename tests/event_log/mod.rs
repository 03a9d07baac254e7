//! The laws of the event log, checked for every backend against real files and real servers, and what each backend must withstand besides.

mod jetstream;
mod jetstream_faults;
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use tact_event_log::contract::{self, Candidate};
use tact_event_log::{EventLog, MemoryLog};

struct Memory;

#[async_trait]
impl Candidate for Memory {
    async fn empty(&self) -> Arc<dyn EventLog> {
        Arc::new(MemoryLog::new())
    }

    async fn reopen(&self, _log: Arc<dyn EventLog>) -> Option<Arc<dyn EventLog>> {
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_keeps_the_laws() {
    contract::run(&Memory).await;
}
