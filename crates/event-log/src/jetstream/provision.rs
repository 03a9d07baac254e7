//! The JetStream stream itself: made once with everything that keeps events safe, and checked at every start.
//!
//! It must never change an existing stream: that takes a right that our services do not have.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::connection::{ApiError, Backoff, HEADER_ROOM, Link};
use crate::{LogError, MAX_EVENT_BYTES};

/// The format of subjects, headers and messages that this version writes and reads.
const FORMAT: u64 = 1;
/// The stream's metadata that holds it.
const FORMAT_KEY: &str = "tact-format";

const STREAM_NOT_FOUND: u64 = 10059;
const STREAM_NAME_IN_USE: u64 = 10058;

/// Makes the stream, or checks the one that is there.
pub(super) async fn ensure_stream(link: &Link, deadline: Instant) -> Result<(), LogError> {
    let mut backoff = Backoff::until(deadline);
    loop {
        match link.ask_until(&format!("STREAM.INFO.{}", link.stream), &Value::Null, deadline).await {
            Ok(info) => return check(link, &info["config"]),
            Err(ApiError::Refused(refusal)) if refusal.err_code == STREAM_NOT_FOUND && link.config.create => {}
            Err(ApiError::Refused(refusal)) if refusal.err_code == STREAM_NOT_FOUND => {
                let network = &link.config.network;
                return Err(LogError::Misfit(format!(
                    "there is no stream {}: nothing was ever recorded for network {network:?}",
                    link.stream
                )));
            }
            Err(error) => return Err(error.unavailable("JetStream")),
        }
        match link.ask_until(&format!("STREAM.CREATE.{}", link.stream), &wanted(link), deadline).await {
            Ok(info) => return check(link, &info["config"]),
            // Another of us was faster; look at what it made.
            Err(ApiError::Refused(refusal)) if refusal.err_code == STREAM_NAME_IN_USE => {}
            Err(ApiError::Refused(refusal)) => {
                return Err(LogError::Misfit(format!("stream {} cannot be made: {refusal}", link.stream)));
            }
            Err(error) => return Err(error.unavailable("JetStream")),
        }
        if !backoff.pause().await {
            return Err(LogError::Unavailable(format!("stream {} appears and disappears", link.stream)));
        }
    }
}

fn subjects(link: &Link) -> Value {
    json!([format!("{}.evt.>", link.config.network)])
}

fn wanted(link: &Link) -> Value {
    json!({
        "name": link.stream,
        "description": format!("Tact: every event of network {}", link.config.network),
        "subjects": subjects(link),
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "num_replicas": link.config.replicas,
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "max_bytes": link.config.max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        "max_age": 0,
        "max_msg_size": MAX_EVENT_BYTES + HEADER_ROOM,
        "max_consumers": 256,
        "duplicate_window": 120_000_000_000_u64,
        "deny_delete": true,
        "deny_purge": true,
        "allow_direct": true,
        "metadata": { FORMAT_KEY: FORMAT.to_string() },
    })
}

/// Refuses a stream that would lose events, hand out other bytes, or was made for something else.
fn check(link: &Link, found: &Value) -> Result<(), LogError> {
    let wanted = wanted(link);
    // Absent fields are left out of JetStream's answers when they are false, zero or empty.
    let number = |field: &str| found[field].as_i64().unwrap_or(0);
    let set = |field: &str| {
        !matches!(&found[field], Value::Null | Value::Bool(false)) && found[field] != json!(0) && found[field] != json!("")
    };
    let misfit = |field: &str, should: &str| {
        let (stream, is) = (&link.stream, &found[field]);
        Err(LogError::Misfit(format!("stream {stream}: {field} is {is}, but {should}")))
    };
    for field in ["subjects", "retention", "storage", "discard"] {
        if found[field] != wanted[field] {
            return misfit(field, &format!("must be {}", wanted[field]));
        }
    }
    for field in ["deny_delete", "deny_purge", "allow_direct"] {
        if !set(field) {
            return misfit(field, "must be true");
        }
    }
    for field in ["max_msgs", "max_msgs_per_subject", "max_age"] {
        if number(field) > 0 {
            return misfit(field, "a limit would lose events or refuse them too early: remove it");
        }
    }
    let size = number("max_msg_size");
    if size > 0 && usize::try_from(size).is_ok_and(|size| size < MAX_EVENT_BYTES + HEADER_ROOM) {
        return misfit("max_msg_size", &format!("must be at least {} or -1", MAX_EVENT_BYTES + HEADER_ROOM));
    }
    if usize::try_from(number("num_replicas")).is_ok_and(|replicas| replicas < link.config.replicas) {
        return misfit("num_replicas", &format!("must be at least {}, as configured", link.config.replicas));
    }
    // Each of them deletes or alters events, adds some of its own, or acknowledges what is not stored.
    let never = [
        "sealed",
        "no_ack",
        "mirror",
        "sources",
        "subject_transform",
        "allow_rollup_hdrs",
        "allow_msg_ttl",
        "subject_delete_marker_ttl",
        "allow_msg_counter",
        "allow_msg_schedules",
        "discard_new_per_subject",
    ];
    for field in never {
        if set(field) {
            return misfit(field, "must not be set");
        }
    }
    if found["persist_mode"] == json!("async") {
        return misfit("persist_mode", "asynchronous writes lose acknowledged events: it must be \"default\"");
    }
    match found["metadata"][FORMAT_KEY].as_str().unwrap_or("1").parse::<u64>() {
        Ok(format) if format <= FORMAT => Ok(()),
        _ => misfit("metadata", &format!("this version reads {FORMAT_KEY} up to {FORMAT}: use a newer one")),
    }
}
