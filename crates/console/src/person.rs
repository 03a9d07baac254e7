//! Who looks at a page: by the token in their cookie, with the rights that the API gives them; and the language that they read.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smol_str::SmolStr;
use tact_words::Language;
use uuid::Uuid;

use crate::Console;
use crate::api::{Sent, read, written};
use crate::failure::Failure;

/// The cookie with the session's token.
const SESSION: &str = "tact-session";
/// The cookie with the language that somebody has chosen.
const LANGUAGE: &str = "tact-language";

/// Who is asking, as the API knows them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Me {
    pub(crate) actor: Uuid,
    pub(crate) label: String,
    pub(crate) roles: Vec<SmolStr>,
    /// `None`: all.
    pub(crate) branches: Option<Vec<SmolStr>>,
}

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) console: Arc<Console>,
    pub(crate) token: String,
    pub(crate) me: Me,
    pub(crate) language: Language,
    /// The page that they are on, with its query.
    pub(crate) here: String,
    /// How far the log had come with what they recorded: by the form before this page, or since.
    recorded: Arc<Mutex<Option<String>>>,
}

/// What a page's query calls the position of what was recorded just before.
pub(crate) const RECORDED: &str = "recorded";

impl Person {
    /// Whoever these headers are of, on this page.
    pub(crate) async fn of(console: &Arc<Console>, headers: &HeaderMap, here: String) -> Result<Self, Failure> {
        let token = cookie(headers, SESSION).ok_or(Failure::SignedOut)?.to_owned();
        let me: Me = console.api.get("/v1/me", &token, None).await?;
        let query = here.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let recorded = query.split('&').find_map(|pair| pair.strip_prefix(RECORDED)?.strip_prefix('='));
        let recorded = recorded.filter(|text| text.parse::<u64>().is_ok()).map(ToOwned::to_owned);
        let recorded = Arc::new(Mutex::new(recorded));
        Ok(Self { console: console.clone(), token, me, language: language_of(headers), here, recorded })
    }

    /// The position of what they recorded last.
    pub(crate) fn recorded(&self) -> Option<String> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn has_recorded(&self, position: Option<&str>) {
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = position.map(ToOwned::to_owned);
    }

    /// Whether one of their roles is among these.
    pub(crate) fn is(&self, roles: &[&str]) -> bool {
        self.me.roles.iter().any(|role| roles.contains(&role.as_str()))
    }

    /// Works at the desk of a branch.
    pub(crate) fn has_desk(&self) -> bool {
        self.is(&["administrator", "clinician", "network_manager"])
    }

    /// Asks the API a question. Whoever has just recorded something sees it in the answer, unless the read models are far behind: better an
    /// older page than none.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let recorded = self.recorded();
        match self.console.api.get(path, &self.token, recorded.as_deref()).await {
            Err(Failure::Problem(problem)) if recorded.is_some() && problem.kind() == "not_yet" => {
                self.has_recorded(None);
                self.console.api.get(path, &self.token, None).await
            }
            answer => answer,
        }
    }

    /// Asks a question to which "there is none" is an answer.
    pub(crate) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(Failure::Problem(problem)) if problem.status() == axum::http::StatusCode::NOT_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Gives the API a command, once under this key.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &impl Serialize) -> Result<Value, Failure> {
        self.send(Method::POST, path, key, body).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, key: &str, body: &impl Serialize) -> Result<Value, Failure> {
        let body = written(body)?;
        let answer = self.console.api.ask(method, path, Some(&self.token), Some(Sent { key, body: &body })).await?;
        let answer: Value = if answer.is_empty() { Value::Null } else { read(&answer)? };
        if let Some(position) = answer["position"].as_str() {
            self.has_recorded(Some(position));
        }
        Ok(answer)
    }
}

impl FromRequestParts<Arc<Console>> for Person {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, console: &Arc<Console>) -> Result<Self, Failure> {
        let here = parts.uri.path_and_query().map_or("/", |here| here.as_str()).to_owned();
        Self::of(console, &parts.headers, here).await
    }
}

/// The language of somebody who need not be signed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reads(pub(crate) Language);

impl<S: Sync> FromRequestParts<S> for Reads {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(language_of(&parts.headers)))
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).find_map(|pair| {
        let (known, value) = pair.trim().split_once('=')?;
        (known == name && !value.is_empty()).then_some(value)
    })
}

/// The language that somebody has chosen, else the first of ours that their browser asks for (RFC 9110, section 12.5.4), else English.
pub(crate) fn language_of(headers: &HeaderMap) -> Language {
    if let Some(chosen) = cookie(headers, LANGUAGE).and_then(|tag| tag.parse().ok()) {
        return chosen;
    }
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut best: Option<(f32, Language)> = None;
    for part in wanted.split(',') {
        let (tag, quality) = part.split_once(';').unwrap_or((part, "q=1"));
        let tag = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let quality: f32 = quality.trim().strip_prefix("q=").and_then(|q| q.parse().ok()).unwrap_or(0.0);
        if let Ok(language) = tag.parse::<Language>()
            && quality > best.map_or(0.0, |(best, _)| best)
        {
            best = Some((quality, language));
        }
    }
    best.map_or(Language::English, |(_, language)| language)
}

/// The header that sets the session's cookie, or takes it away.
pub(crate) fn session_cookie(console: &Console, token: Option<&str>) -> HeaderValue {
    set(console, SESSION, token, "Strict")
}

/// The header that keeps the language that somebody has chosen.
pub(crate) fn language_cookie(console: &Console, language: Language) -> HeaderValue {
    set(console, LANGUAGE, Some(language.tag()), "Lax")
}

/// The cookie that a sign-in with a provider leaves until the browser comes back; it comes back from elsewhere, so that `Strict` would lose it.
pub(crate) fn pending_cookie(console: &Console, secret: Option<&str>) -> HeaderValue {
    set(console, PENDING, secret, "Lax")
}

/// The cookie of a sign-in that is under way.
pub(crate) const PENDING: &str = "tact-sign-in";

fn set(console: &Console, name: &str, value: Option<&str>, same_site: &str) -> HeaderValue {
    let secure = if console.secure { "; Secure" } else { "" };
    let (value, age) = match value {
        // Whatever it says, the API ends the session.
        Some(value) => (value, 400 * 24 * 60 * 60),
        None => ("", 0),
    };
    let text = format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite={same_site}{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_readers() {
        let of = |pairs: &[(header::HeaderName, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, HeaderValue::from_static(value));
            }
            language_of(&headers)
        };
        use header::{ACCEPT_LANGUAGE, COOKIE};
        assert_eq!(of(&[]), Language::English);
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "ru-RU,ru;q=0.9,en;q=0.8")]), Language::Russian);
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "de, en;q=0.3, ru;q=0.5")]), Language::Russian);
        assert_eq!(of(&[(ACCEPT_LANGUAGE, "*;q=x,,;")]), Language::English);
        assert_eq!(of(&[(COOKIE, "a=b; tact-language=ru"), (ACCEPT_LANGUAGE, "en")]), Language::Russian);
        assert_eq!(of(&[(COOKIE, "tact-language=xx"), (ACCEPT_LANGUAGE, "en")]), Language::English);
    }
}
