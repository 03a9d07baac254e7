//! Files that are no histories, or wish to do harm: a clear message, within bounded memory.

use std::io::Read;

use serde_json::json;
use tact_evidence::file::{FileError, MAX_LINE_BYTES};
use tact_evidence::note::PrivateKey;
use tact_evidence::verify::{Check, Grounds, verify};

use super::*;

fn refused(file: &[u8]) -> String {
    match verify(file, &Grounds::default()) {
        Err(error @ FileError::Malformed { .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_history_is_said() {
    let deep = format!("{{\"history\":{}", "[".repeat(100_000));
    for (file, part) in [
        (&b""[..], "the file is empty"),
        (b"\n", "does not begin as a history"),
        (b"%PDF-1.7\n%\xE2\xE3\n", "does not begin as a history"),
        (b"\x1F\x8B\x08\x00\xFF\n", "not UTF-8"),
        (b"{\"resourceType\":\"Bundle\"}\n", "does not begin as a history"),
        (b"\xFF\xFE{\0\"\0h\0", "truncated"),
        ("\u{feff}{\"history\":{}}\n".as_bytes(), "does not begin as a history"),
        (b"{\"history\":{}}\n", "missing field"),
        (b"{\"history\":{\"version\":1,", "truncated"),
        (b"{\"history\":{\"version\":99999999999999999999}}\n", "line 1"),
        (format!("{deep}\n").as_bytes(), "line 1"),
    ] {
        let said = refused(file);
        assert!(said.contains(part), "{said}");
    }
}

/// Bytes without an end, of which it counts how many were taken.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.fill(b'[');
        self.0 += buffer.len() as u64;
        Ok(buffer.len())
    }
}

#[test]
fn a_line_without_end_is_not_read_to_its_end() {
    let mut endless = Endless(0);
    let start = b"{\"history\":".chain(&mut endless);
    let error = verify(std::io::BufReader::new(start), &Grounds::default()).unwrap_err();
    assert!(error.to_string().contains("longer than 2 MiB"), "{error}");
    assert!(endless.0 < 2 * MAX_LINE_BYTES as u64, "{} bytes were read", endless.0);
}

#[tokio::test]
async fn a_history_that_was_cut_or_encoded_anew_is_found() {
    let (desk, _) = past(1, 12).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    let file = desk.history(book::patient(0), json!({})).await;
    let first_line = file.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in (first_line..file.len()).step_by(97) {
        let report = verified(&file[..cut], &grounds);
        assert!(found(&report).contains(&Check::File), "cut at {cut}");
        let last = report.finding(Check::File).first.as_ref().unwrap();
        assert!(last.problem.contains("truncated"), "{last}");
    }
    let text = String::from_utf8(file).unwrap();
    for (what, changed) in [
        ("other ends of lines", text.replace('\n', "\r\n")),
        ("spaces", text.replace("\":", "\": ")),
        ("an empty line", text.replacen('\n', "\n\n", 2)),
        ("escapes", text.replacen("patient.", "pati\\u0065nt.", 1)),
        ("something behind the end", format!("{text}{{\"history\":{{}}}}\n")),
        ("the end twice", format!("{text}{}\n", text.lines().last().unwrap())),
    ] {
        match verify(changed.as_bytes(), &grounds) {
            Ok(report) => assert!(found(&report).contains(&Check::File), "{what}: {:?}", found(&report)),
            Err(error) => panic!("{what}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_key_an_expired_one_and_another_network_are_said_by_name() {
    let (desk, _) = past(1, 12).await;
    desk.notary().catch_up().await.unwrap();
    let grounds = trusting(&desk).await;
    let file = desk.history(book::patient(0), json!({})).await;
    let right = grounds.trust.0[0].key.clone();
    let wrong = PrivateKey::new("tact/net", &[6; 32]).unwrap().public();
    let said = |grounds: &Grounds, check: Check| {
        let report = verified(&file, grounds);
        report.finding(check).first.as_ref().map(|first| first.problem.clone()).unwrap_or_default()
    };
    let trusting = |line: String| Grounds { trust: line.parse().unwrap(), kept: Vec::new() };
    let problem = said(&trusting(wrong.to_string()), Check::Checkpoint);
    assert!(problem.contains(&format!("not signed by {}, but by {}", wrong.id(), right.id())), "{problem}");
    let problem = said(&trusting(format!("{right} until 2026-01-01T00:00:00Z")), Check::Keys);
    assert!(problem.contains("holds only until 2026-01-01"), "{problem}");
    let problem = said(&trusting(format!("{right} from 2036-01-01T00:00:00Z")), Check::Keys);
    assert!(problem.contains("holds only from 2036-01-01"), "{problem}");
    // The same file with the name of another network in its first line.
    let renamed = String::from_utf8(file.clone()).unwrap().replacen("\"network\":\"net\"", "\"network\":\"other\"", 1);
    let report = verified(renamed.as_bytes(), &grounds);
    let problem = &report.finding(Check::Checkpoint).first.as_ref().unwrap().problem;
    assert!(problem.contains("of the network `net`, the history of `other`"), "{problem}");
}
