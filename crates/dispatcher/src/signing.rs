//! Signatures of requests between us and a gateway, by the Standard Webhooks specification 1.0: both ways, with secrets that are changed
//! without a gap.
//!
//! What is signed is `id.timestamp.body`, byte for byte, by HMAC-SHA256 (RFC 2104). It must never take an unsigned request, and a secret must
//! never be shown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Duration;
use hmac::{Hmac, KeyInit, Mac};
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use sha2::Sha256;
use tact_domain::Time;

/// The header with the id of what is sent: the same when it is sent again.
pub const ID: HeaderName = HeaderName::from_static("webhook-id");
/// The header with the moment of sending, in seconds since 1970.
pub const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The header with the signatures, one for each secret.
pub const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// How far a request's timestamp may lie from the clock of whoever takes it: a quarter of an hour. Clocks ten minutes apart lose nothing; what
/// is caught and sent again within it is harmless, since every request of this protocol may come twice.
pub const TOLERANCE: Duration = Duration::minutes(15);

/// The shortest and the longest secret, in bytes, as the specification has it.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// The secrets that we share with a gateway: requests are signed with each of them, and taken if they are signed with any. So both sides can
/// add a new one first and drop the old one later.
#[derive(Clone)]
pub struct Secrets(Vec<Hmac<Sha256>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} hidden)", self.0.len())
    }
}

/// Why a text holds no secrets. The text is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// There is none.
    #[error("there is no secret in it; write one a line, `whsec_` and the base64 of 24 to 64 random bytes")]
    None,
    /// A line is none.
    #[error("line {0} is not a secret: write `whsec_` and the base64 of 24 to 64 random bytes")]
    Line(usize),
}

/// Why a request is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// A header is missing or cannot be read.
    #[error(
        "the header `{0}` is missing or cannot be read; requests are signed by the Standard Webhooks specification: https://www.standardwebhooks.com"
    )]
    Header(&'static str),
    /// The clocks are too far apart, or it is an old request.
    #[error(
        "`webhook-timestamp` lies {seconds} s from this clock, more than the {} s that are taken: set the clock, and sign anew when you send again",
        TOLERANCE.num_seconds()
    )]
    Time {
        /// How far, in seconds.
        seconds: i64,
    },
    /// No signature fits.
    #[error("no signature in `webhook-signature` is of this id, this timestamp and this body under a secret that is known here")]
    Signature,
}

impl Secrets {
    /// Reads secrets, one a line; empty lines and those that begin with `#` aside. The newest may stand anywhere.
    ///
    /// # Errors
    /// [`BadSecret`] names the line.
    pub fn read(text: &str) -> Result<Self, BadSecret> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let mut keys = Vec::new();
        for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
            let bytes = line.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
            let key = bytes.filter(|bytes| LENGTH.contains(&bytes.len())).ok_or(BadSecret::Line(number))?;
            keys.push(Hmac::new_from_slice(&key).map_err(|_| BadSecret::Line(number))?);
        }
        if keys.is_empty() { Err(BadSecret::None) } else { Ok(Self(keys)) }
    }

    fn signed(key: &Hmac<Sha256>, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = key.clone();
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(part);
        }
        mac
    }

    /// The three headers of a request that is sent at `now`. `id`: visible ASCII characters without a full stop.
    pub fn sign(&self, id: &str, now: Time, body: &[u8]) -> [(HeaderName, HeaderValue); 3] {
        let timestamp = now.timestamp().to_string();
        let signature = |key| STANDARD.encode(Self::signed(key, id, &timestamp, body).finalize().into_bytes());
        let signatures: Vec<String> = self.0.iter().map(|key| format!("v1,{}", signature(key))).collect();
        let value = |text: &str| HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
        [(ID, value(id)), (TIMESTAMP, value(&timestamp)), (SIGNATURE, value(&signatures.join(" ")))]
    }

    /// Whether a request is one of the other side's, taken at `now`; its id.
    ///
    /// # Errors
    /// [`Unsigned`]
    pub fn verify<'h>(&self, headers: &'h HeaderMap, body: &[u8], now: Time) -> Result<&'h str, Unsigned> {
        let header = |name: &HeaderName, shown| {
            headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty()).ok_or(Unsigned::Header(shown))
        };
        let id = header(&ID, "webhook-id")?;
        let timestamp = header(&TIMESTAMP, "webhook-timestamp")?;
        let signatures = header(&SIGNATURE, "webhook-signature")?;
        let said: i64 = timestamp.parse().map_err(|_| Unsigned::Header("webhook-timestamp"))?;
        // Whether it is signed is looked at first: to others nothing is said of this clock.
        let given: Vec<Vec<u8>> = signatures
            .split(' ')
            .filter_map(|one| one.strip_prefix("v1,"))
            .filter_map(|text| STANDARD.decode(text).ok())
            .collect();
        // `verify_slice` compares in constant time.
        let fits =
            |key: &Hmac<Sha256>| given.iter().any(|given| Self::signed(key, id, timestamp, body).verify_slice(given).is_ok());
        if !self.0.iter().any(fits) {
            return Err(Unsigned::Signature);
        }
        let seconds = now.timestamp().saturating_sub(said).saturating_abs();
        if seconds > TOLERANCE.num_seconds() {
            return Err(Unsigned::Time { seconds });
        }
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn secrets(text: &str) -> Secrets {
        Secrets::read(text).unwrap()
    }

    fn now() -> Time {
        Time::from_timestamp(1_614_265_330, 0).unwrap()
    }

    fn headers(signed: [(HeaderName, HeaderValue); 3]) -> HeaderMap {
        signed.into_iter().collect()
    }

    #[test]
    fn the_published_example_comes_out() {
        let signed = secrets(SECRET).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", now(), br#"{"test": 2432232314}"#);
        assert_eq!(signed[1].1, "1614265330");
        assert_eq!(signed[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_was_changed_is_refused() {
        let secrets = secrets(SECRET);
        let good = headers(secrets.sign("m1", now(), b"body"));
        assert_eq!(secrets.verify(&good, b"body", now()), Ok("m1"));
        assert_eq!(secrets.verify(&good, b"bodY", now()), Err(Unsigned::Signature));
        for (name, value) in [(ID, "m2"), (TIMESTAMP, "1614265331"), (SIGNATURE, "v1,AAAA"), (SIGNATURE, "v2,x")] {
            let mut changed = good.clone();
            changed.insert(name, value.parse().unwrap());
            assert_eq!(secrets.verify(&changed, b"body", now()), Err(Unsigned::Signature), "{value}");
        }
        for (name, shown) in [(ID, "webhook-id"), (TIMESTAMP, "webhook-timestamp"), (SIGNATURE, "webhook-signature")] {
            let mut without = good.clone();
            without.remove(name);
            assert_eq!(secrets.verify(&without, b"body", now()), Err(Unsigned::Header(shown)));
        }
        let other = super::Secrets::read("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap();
        assert_eq!(other.verify(&good, b"body", now()), Err(Unsigned::Signature));
    }

    #[test]
    fn clocks_may_be_ten_minutes_apart_and_old_requests_are_refused() {
        let secrets = secrets(SECRET);
        let signed = headers(secrets.sign("m1", now(), b""));
        for minutes in [-15, -10, 0, 10, 15] {
            assert_eq!(secrets.verify(&signed, b"", now() + Duration::minutes(minutes)), Ok("m1"), "{minutes}");
        }
        for minutes in [-16, 16, 60 * 24] {
            let refused = secrets.verify(&signed, b"", now() + Duration::minutes(minutes));
            assert!(matches!(refused, Err(Unsigned::Time { .. })), "{minutes}: {refused:?}");
        }
    }

    #[test]
    fn a_secret_is_changed_without_a_gap() {
        let (old, new) = (SECRET, "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        let both = secrets(&format!("# changed on Monday\n{old}\n\n{new}\n"));
        for other in [old, new] {
            let other = secrets(other);
            assert!(other.verify(&headers(both.sign("m1", now(), b"x")), b"x", now()).is_ok());
            assert!(both.verify(&headers(other.sign("m1", now(), b"x")), b"x", now()).is_ok());
        }
    }

    #[test]
    fn what_is_no_secret_is_named_and_not_repeated() {
        assert_eq!(Secrets::read("\n# none\n").unwrap_err(), BadSecret::None);
        for bad in ["hunter2", "whsec_", "whsec_!!!", "whsec_c2hvcnQ="] {
            let error = Secrets::read(&format!("{SECRET}\n{bad}")).unwrap_err();
            assert_eq!(error, BadSecret::Line(2));
            assert!(!error.to_string().contains(bad) || bad == "whsec_");
        }
        assert_eq!(format!("{:?}", secrets(SECRET)), "Secrets(1 hidden)");
    }
}
