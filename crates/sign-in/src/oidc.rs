//! An identity provider, by OpenID Connect: where a browser is sent, and what the code is worth that it comes back with.
//!
//! Authorization code flow with PKCE (S256), state and nonce. These three follow from the browser's secret and the network's key, so that nothing of
//! a pending sign-in has to be stored but a hash. What the provider signs must never go into a log.

mod http;
mod ring_keys;
mod token;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Duration;
use hyper::StatusCode;
use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tact_domain::Time;
use tact_service::ids::IdKey;
use tokio::sync::Mutex;

use http::Http;
pub use token::Untrusted;
use token::{Claims, Expected};

/// A provider, as it is set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its issuer, to the letter.
    pub issuer: String,
    /// By what name it knows us.
    pub client_id: String,
    /// The secret that it shares with us, if it gave us one.
    pub client_secret: Option<Hidden>,
    /// The claim that lists roles.
    pub claim: String,
    /// Whether an issuer on this host needs no TLS.
    pub allow_http: bool,
}

/// A text that is never shown.
#[derive(Clone)]
pub struct Hidden(pub String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Why a provider cannot be used as it is set.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// What it is told and tells could be read on its way.
    #[error("`oidc_issuer`: `{0}` is not an address with TLS; write https, or set `oidc_allow_http` for a provider on this host")]
    Clear(String),
    /// Nobody could tell it from somebody who says that they are it.
    #[error("`oidc_issuer`: this host has no certificates of authorities ({0}); install `ca-certificates`")]
    NoRoots(#[from] std::io::Error),
}

/// Why nobody is signed in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The provider cannot be asked, or is not what its settings say. For the operator.
    #[error("{0}")]
    Away(String),
    /// The provider does not take the code.
    #[error("the identity provider does not accept the code ({0})")]
    Code(String),
    /// What it says is not believed.
    #[error("what the identity provider says of you does not hold: {0}")]
    Untrusted(#[from] Untrusted),
}

/// Somebody, as the provider knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The provider's name for them, the same for ever.
    pub subject: String,
    /// What people call them, if the provider says it.
    pub label: Option<String>,
    /// Their language, a BCP 47 tag, if the provider says it.
    pub language: Option<String>,
    /// The entries of the claim that lists roles.
    pub entries: Vec<String>,
}

/// An identity provider.
#[derive(Debug)]
pub struct Provider {
    config: Config,
    http: Http,
    found: Mutex<Option<Found>>,
}

/// For how long it is believed what a provider has said of itself, its keys included: what it takes back holds no longer than that.
const BELIEVED: Duration = Duration::hours(1);

/// What a provider has said of itself, and when.
#[derive(Debug, Clone)]
struct Found {
    metadata: Arc<Metadata>,
    keys: Arc<JwkSet>,
    at: Time,
}

/// What the provider says of itself.
#[derive(Debug, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What follows from a browser's secret.
struct Pending {
    state: String,
    nonce: String,
    verifier: String,
}

impl Pending {
    fn of(secret: &str, keys: &IdKey) -> Self {
        let word = |what: &[u8]| keys.derive(&[b"sign-in", what, secret.as_bytes()]).simple().to_string();
        Self { state: word(b"state"), nonce: word(b"nonce"), verifier: word(b"verifier 1") + &word(b"verifier 2") }
    }
}

impl Provider {
    /// A provider; nothing is asked of it yet.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn new(config: Config) -> Result<Self, Unusable> {
        if !http::is_safe(&config.issuer, config.allow_http) {
            return Err(Unusable::Clear(config.issuer));
        }
        ring_keys::install();
        let http = Http::new(config.allow_http)?;
        Ok(Self { config, http, found: Mutex::default() })
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// Where to send a browser that has this secret.
    ///
    /// # Errors
    /// [`Failed::Away`].
    pub async fn address(&self, secret: &str, redirect: &str, keys: &IdKey, now: Time) -> Result<String, Failed> {
        let metadata = self.found(now, None).await?.metadata;
        let pending = Pending::of(secret, keys);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(pending.verifier.as_bytes()));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("response_type", "code").append_pair("client_id", &self.config.client_id);
        query.append_pair("redirect_uri", redirect).append_pair("scope", "openid profile email");
        query.append_pair("state", &pending.state).append_pair("nonce", &pending.nonce);
        query.append_pair("code_challenge", &challenge).append_pair("code_challenge_method", "S256");
        let mark = if metadata.authorization_endpoint.contains('?') { '&' } else { '?' };
        Ok(format!("{}{mark}{}", metadata.authorization_endpoint, query.finish()))
    }

    /// Whether a state is that of this secret: else somebody has put their own sign-in into another's browser.
    pub fn is_state_of(&self, secret: &str, state: &str, keys: &IdKey) -> bool {
        Pending::of(secret, keys).state == state
    }

    /// Whom a code is about, that a browser with this secret came back with.
    ///
    /// # Errors
    /// [`Failed`].
    pub async fn person(&self, secret: &str, code: &str, redirect: &str, keys: &IdKey, now: Time) -> Result<Person, Failed> {
        let found = self.found(now, None).await?;
        let pending = Pending::of(secret, keys);
        let token = self.id_token(&found.metadata, code, redirect, &pending.verifier).await?;
        let expected = Expected { issuer: self.issuer(), client: &self.config.client_id, nonce: &pending.nonce, now };
        let claims = match expected.claims(&token, &found.keys) {
            // The provider has new keys. Only who holds a code of the provider's can have them fetched.
            Err(Untrusted::UnknownKey) => expected.claims(&token, &self.found(now, Some(&found)).await?.keys)?,
            read => read?,
        };
        Ok(self.who(claims))
    }

    /// What the provider says of itself: what it said within the last hour, unless that is `outdated`.
    async fn found(&self, now: Time, outdated: Option<&Found>) -> Result<Found, Failed> {
        let mut kept = self.found.lock().await;
        let is_outdated = |found: &Found| outdated.is_some_and(|outdated| Arc::ptr_eq(&outdated.keys, &found.keys));
        if let Some(found) = kept.as_ref().filter(|found| (found.at..found.at + BELIEVED).contains(&now) && !is_outdated(found)) {
            return Ok(found.clone());
        }
        let metadata = Arc::new(self.metadata().await?);
        let keys = Arc::new(self.http.get(&metadata.jwks_uri).await.map_err(Failed::Away)?);
        let found = Found { metadata, keys, at: now };
        *kept = Some(found.clone());
        Ok(found)
    }

    async fn metadata(&self) -> Result<Metadata, Failed> {
        let issuer = &self.config.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = self.http.get(&url).await.map_err(Failed::Away)?;
        if metadata.issuer != *issuer {
            let other = metadata.issuer;
            return Err(Failed::Away(format!(
                "{url} is of the issuer `{other}`, and `oidc_issuer` is `{issuer}`: they must be the same"
            )));
        }
        Ok(metadata)
    }

    /// The form by which a code is exchanged, and the value of `Authorization`, if our secret goes there.
    fn exchange(&self, metadata: &Metadata, code: &str, redirect: &str, verifier: &str) -> (String, Option<String>) {
        let Config { client_id, client_secret, .. } = &self.config;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code").append_pair("code", code).append_pair("redirect_uri", redirect);
        form.append_pair("code_verifier", verifier);
        let methods = &metadata.token_endpoint_auth_methods_supported;
        let basic = methods.is_empty() || methods.iter().any(|method| method == "client_secret_basic");
        let authorization = match client_secret {
            Some(Hidden(secret)) if basic => {
                // RFC 6749, section 2.3.1: both are encoded as in a form first.
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)))))
            }
            Some(Hidden(secret)) => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret);
                None
            }
            None => {
                form.append_pair("client_id", client_id);
                None
            }
        };
        (form.finish(), authorization)
    }

    /// Exchanges a code.
    async fn id_token(&self, metadata: &Metadata, code: &str, redirect: &str, verifier: &str) -> Result<String, Failed> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Answer {
            id_token: Option<String>,
            error: Option<String>,
        }
        let url = &metadata.token_endpoint;
        let (form, authorization) = self.exchange(metadata, code, redirect, verifier);
        let (status, body) = self.http.post(url, form, authorization).await.map_err(Failed::Away)?;
        let answer: Answer = serde_json::from_slice(&body).unwrap_or_default();
        // One of the words of RFC 6749, section 5.2; anything longer is not repeated.
        let word = answer.error.filter(|word| word.len() <= 40 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        match (status, word, answer.id_token) {
            (StatusCode::OK, _, Some(token)) => Ok(token),
            (StatusCode::OK, _, None) => Err(Failed::Away(format!("{url} gives no ID token"))),
            (status, Some(word), _) if status.is_client_error() && word == "invalid_grant" => Err(Failed::Code(word)),
            (status, word, _) => Err(Failed::Away(format!("{url} answers {status} {}", word.unwrap_or_default()))),
        }
    }

    fn who(&self, claims: Claims) -> Person {
        let text = |name: &str| claims.more.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let plain = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
        let is_tag = |tag: &&str| tag.len() <= 35 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let entries = match claims.more.get(&self.config.claim) {
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(all)) => {
                // What is no text is shown as it is, and refused for that.
                all.iter().map(|entry| entry.as_str().map_or_else(|| entry.to_string(), str::to_owned)).collect()
            }
            _ => Vec::new(),
        };
        Person {
            label: ["name", "preferred_username", "email"].into_iter().find_map(text).map(plain),
            language: text("locale").filter(is_tag).map(str::to_owned),
            entries,
            subject: claims.sub,
        }
    }
}
