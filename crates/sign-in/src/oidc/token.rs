//! What an ID token says, once it is sure that the provider says it, to us, now, and in answer to our question.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{DecodingKey, Header, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use serde_json::{Map, Value};
use tact_domain::Time;

use super::ring_keys::ALLOWED;

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY: f64 = 60.0;

/// Why an ID token does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// None of the keys is the one that it names: they may have been changed since they were read.
    #[error("it is signed with a key that the identity provider does not publish")]
    UnknownKey,
    /// Something else does not hold.
    #[error("{0}")]
    Because(&'static str),
}

/// What is believed.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Claims {
    pub(super) sub: String,
    exp: f64,
    aud: Audience,
    azp: Option<String>,
    nonce: Option<String>,
    #[serde(flatten)]
    pub(super) more: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// What is expected of a token.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client: &'a str,
    pub(super) nonce: &'a str,
    pub(super) now: Time,
}

impl Expected<'_> {
    /// Reads a token that was signed with one of these keys.
    pub(super) fn claims(&self, token: &str, keys: &JwkSet) -> Result<Claims, Untrusted> {
        let header = decode_header(token).map_err(|_| Untrusted::Because("it is no signed token"))?;
        if !ALLOWED.contains(&header.alg) {
            return Err(Untrusted::Because("it is signed in a way that is not accepted"));
        }
        let key = key(&header, keys)?;
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[self.client]);
        validation.set_issuer(&[self.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // By the clock of the service, below.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &key, &validation).map_err(|error| {
            Untrusted::Because(match error.kind() {
                ErrorKind::InvalidSignature => "its signature does not hold",
                ErrorKind::InvalidAudience => "it is meant for another client than this one",
                ErrorKind::InvalidIssuer => "it is from another issuer",
                _ => "it cannot be read",
            })
        })?;
        let claims = claims.claims;
        if let Audience::Many(all) = &claims.aud
            && all.len() > 1
            && claims.azp.is_none()
        {
            return Err(Untrusted::Because("it is meant for several clients and does not say for whom"));
        }
        let fits = |azp: &String| azp == self.client;
        if !claims.azp.as_ref().is_none_or(fits) || matches!(&claims.aud, Audience::One(one) if one != self.client) {
            return Err(Untrusted::Because("it is meant for another client than this one"));
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        let now = self.now.timestamp() as f64;
        if now >= claims.exp + LEEWAY {
            return Err(Untrusted::Because("its time is over"));
        }
        if claims.nonce.as_deref() != Some(self.nonce) {
            return Err(Untrusted::Because("it answers another question than ours"));
        }
        if claims.sub.is_empty() {
            return Err(Untrusted::Because("it does not say who it is about"));
        }
        Ok(claims)
    }
}

/// The key that a token names; where it names none, the only one that there is.
fn key(header: &Header, keys: &JwkSet) -> Result<DecodingKey, Untrusted> {
    let family = header.alg.family();
    let signs = |key: &&Jwk| key.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let named = |key: &&Jwk| header.kid.is_none() || key.common.key_id == header.kid;
    let read = keys.keys.iter().filter(signs).filter(named).filter_map(|key| DecodingKey::from_jwk(key).ok());
    let mut fitting = read.filter(|key| key.family() == family);
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(Untrusted::Because("it does not say which key it is signed with")),
        (None, _) => Err(Untrusted::UnknownKey),
    }
}
