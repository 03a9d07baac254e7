//! Who is asking, and what they may do: bearer tokens with roles and a branch scope.
//!
//! Every route asks for one [`Permission`]; a test walks all routes with every role. There is no default secret.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use chrono::Duration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smol_str::ToSmolStr;
use tact_domain::{Actor, Branch, Time};
use tact_personal::Personal;
use tact_personal::access::Token;
use tact_personal::sign_in::Session;

use crate::app::App;
use crate::problem::Problem;

/// What a caller is in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the desk of a branch.
    Administrator,
    /// Treats patients.
    Clinician,
    /// Answers for the network.
    NetworkManager,
    /// Looks at figures, never at people.
    Analyst,
    /// Looks at how patients were contacted, never at who they are.
    Regulator,
    /// A program.
    System,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Administrator, Self::Clinician, Self::NetworkManager, Self::Analyst, Self::Regulator, Self::System];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Clinician => "clinician",
            Self::NetworkManager => "network_manager",
            Self::Analyst => "analyst",
            Self::Regulator => "regulator",
            Self::System => "system",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let words = Self::ALL.map(Self::as_str);
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or_else(|| {
            let hint = tact_domain::nearest_word(word, words).map(|near| format!("; did you mean `{near}`?"));
            format!("`{word}` is not a role{}", hint.unwrap_or_else(|| format!("; known are {}", words.join(", "))))
        })
    }
}

/// Something that a route allows to some roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Ask for permits, record contacts, announcements and requests.
    Contact,
    /// Record consents, withdrawals and preferences.
    Consent,
    /// Book, move, cancel, complete appointments.
    Appointment,
    /// Register patients and change who they are.
    Register,
    /// Say that two patients are one, or are not.
    Merge,
    /// Erase a patient.
    Erase,
    /// See the act of an erasure, which names nobody but who ordered it.
    SeeErasure,
    /// See who a patient is.
    SeePerson,
    /// See what happened to a patient, without who they are.
    SeeHistory,
    /// Have a patient's history handed out, with its proofs.
    ExportHistory,
    /// See a branch's worklist.
    SeeWorklist,
    /// Open, arrange and close care referrals.
    Refer,
    /// Record feedback.
    Feedback,
    /// See figures over many patients.
    SeeFigures,
    /// See what was done against the policy, by whom, without who the patients are.
    Audit,
    /// See who looked at whose page.
    SeeLooks,
    /// Read the feed for analysts, which names nobody.
    ReadFeed,
    /// See the directory and the policies.
    SeeDirectory,
    /// Change the directory.
    ManageDirectory,
    /// Publish a policy.
    PublishPolicy,
    /// Give and revoke access.
    ManageAccess,
    /// See alarms and rebuild projections.
    Operate,
}

impl Permission {
    /// The roles that have it.
    pub const fn roles(self) -> &'static [Role] {
        use Role::{Administrator, Analyst, Clinician, NetworkManager, Regulator, System};
        match self {
            Self::Contact
            | Self::Consent
            | Self::Appointment
            | Self::SeePerson
            | Self::SeeWorklist
            | Self::Refer
            | Self::Feedback => &[Administrator, Clinician, NetworkManager, System],
            Self::Register => &[Administrator, NetworkManager, System],
            Self::Merge => &[Administrator, NetworkManager],
            Self::Erase | Self::ManageDirectory | Self::Operate => &[NetworkManager, System],
            Self::SeeErasure => &[NetworkManager, Regulator, System],
            Self::SeeHistory => &[Administrator, Clinician, NetworkManager, Regulator, System],
            Self::SeeFigures => &[Administrator, NetworkManager, Analyst, Regulator],
            Self::ReadFeed => &[NetworkManager, Analyst, System],
            Self::ExportHistory => &[NetworkManager, Regulator],
            Self::Audit | Self::SeeLooks => &[NetworkManager, Regulator],
            Self::SeeDirectory => &Role::ALL,
            Self::PublishPolicy | Self::ManageAccess => &[NetworkManager],
        }
    }
}

/// Who is asking.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Known>);

#[derive(Debug)]
struct Known {
    token: Token,
    session: Option<Session>,
    roles: Vec<Role>,
    branches: Option<BTreeSet<Branch>>,
}

impl Caller {
    /// By what name ids are derived: one caller's idempotency keys are apart from another's.
    pub fn identity(&self) -> String {
        self.0.token.actor.to_string()
    }

    /// Who the token stands for.
    pub fn actor_id(&self) -> uuid::Uuid {
        self.0.token.actor
    }

    /// As events record who did it.
    pub fn actor(&self) -> Actor {
        if self.0.roles == [Role::System] {
            // A label is for people and may name one: only a plain word of it may stand in an event.
            let Token { label, actor, .. } = &self.0.token;
            Actor::System(crate::fields::word("label", label).unwrap_or_else(|_| actor.to_smolstr()))
        } else {
            Actor::Staff(self.0.token.actor)
        }
    }

    /// The token by which the caller came in; without its secret part, which nobody keeps.
    pub fn token(&self) -> &Token {
        &self.0.token
    }

    /// What makes the caller's token a session, if it is one.
    pub fn session(&self) -> Option<&Session> {
        self.0.session.as_ref()
    }

    /// The caller's roles.
    pub fn roles(&self) -> &[Role] {
        &self.0.roles
    }

    /// Whether it is a person who asks, and not a program.
    pub fn is_person(&self) -> bool {
        self.0.roles != [Role::System]
    }

    /// Whether one of the caller's roles has a permission.
    pub fn has(&self, permission: Permission) -> bool {
        self.0.roles.iter().any(|role| permission.roles().contains(role))
    }

    /// # Errors
    /// A problem that names the roles which have the permission, if none of the caller's does.
    pub fn may(&self, permission: Permission) -> Result<(), Problem> {
        if self.has(permission) {
            return Ok(());
        }
        let roles: Vec<_> = permission.roles().iter().map(|role| role.as_str()).collect();
        Err(Problem::forbidden(format!("this takes one of the roles {}", roles.join(", "))))
    }

    /// Whether the branch is in the caller's scope.
    pub fn covers(&self, branch: &Branch) -> bool {
        self.0.branches.as_ref().is_none_or(|branches| branches.contains(branch))
    }

    /// Whether the caller acts for the whole network.
    pub fn covers_all(&self) -> bool {
        self.0.branches.is_none()
    }

    /// # Errors
    /// A problem that names the branch, if it is not in the caller's scope.
    pub fn at(&self, branch: &Branch) -> Result<(), Problem> {
        if self.covers(branch) {
            return Ok(());
        }
        Err(Problem::forbidden(format!("branch `{branch}` is not in this caller's scope")).with("field", "branch"))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let Some((_, token)) = token else {
            return Err(Problem::unauthenticated(
                "send the header `Authorization: Bearer <token>`; `tact token create` makes one",
            ));
        };
        app.access.caller(token.trim(), app.clock.now()).await
    }
}

/// The secret part of a token as it is stored: its SHA-256. The token itself has 256 random bits, so that no slow hash is needed.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A new token: `tact_` and 64 hexadecimal digits.
pub fn new_token() -> String {
    format!("tact_{}", hex::encode(crate::ids::random::<32>()))
}

/// How long a token is believed without looking it up again: a revocation takes effect within this.
const BELIEVED: Duration = Duration::seconds(30);

/// How often it is written down that a session is in use, at most: it ends up to so much earlier than its idle time says.
const NOTED: Duration = Duration::minutes(1);

/// The tokens that this service has looked up.
#[derive(Debug)]
pub struct Access {
    store: Personal,
    cache: Cache,
}

/// What has been looked up, each with the moment at which it was.
///
/// It must never keep an answer that was read before it was last told to forget: a token taken back meanwhile would be believed again.
#[derive(Debug, Default)]
struct Cache(Mutex<Cached>);

#[derive(Debug, Default)]
struct Cached {
    /// How often everything was forgotten.
    generation: u64,
    tokens: HashMap<[u8; 32], (Caller, Time)>,
}

impl Cache {
    fn cached(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a token, and the generation in which that was read; to keep something else of it, name that generation.
    fn read(&self, hash: &[u8; 32]) -> (u64, Option<(Caller, Time)>) {
        let cached = self.cached();
        (cached.generation, cached.tokens.get(hash).cloned())
    }

    fn keep(&self, generation: u64, hash: [u8; 32], caller: Caller, looked_up: Time) {
        let mut cached = self.cached();
        if cached.generation != generation {
            return;
        }
        if cached.tokens.len() >= 10_000 {
            cached.tokens.clear();
        }
        cached.tokens.insert(hash, (caller, looked_up));
    }

    fn remove(&self, hash: &[u8; 32]) {
        self.cached().tokens.remove(hash);
    }

    fn forget(&self) {
        let mut cached = self.cached();
        cached.generation += 1;
        cached.tokens.clear();
    }
}

impl Access {
    /// Looks tokens up in this store.
    pub fn new(store: Personal) -> Self {
        Self { store, cache: Cache::default() }
    }

    async fn caller(&self, token: &str, now: Time) -> Result<Caller, Problem> {
        let hash = token_hash(token);
        let (generation, known) = self.cache.read(&hash);
        if let Some((caller, looked_up)) = known
            && (looked_up..looked_up + BELIEVED).contains(&now)
            && caller.0.token.holds(now)
        {
            return Ok(self.in_use(generation, hash, caller, looked_up, now).await);
        }
        let found = self.store.token_in_use(&hash).await.map_err(|error| {
            tracing::warn!(%error, "access tokens cannot be looked up");
            Problem::unavailable("access tokens cannot be looked up; ask again").retry_after(2)
        })?;
        let valid = found.filter(|(token, _)| token.holds(now));
        let Some((token, session)) = valid else {
            self.cache.remove(&hash);
            return Err(Problem::unauthenticated("the token is not known, has expired or was revoked"));
        };
        let roles = token.roles.iter().map(|word| word.parse()).collect::<Result<Vec<Role>, _>>().map_err(Problem::hidden)?;
        let branches = match &token.branches {
            None => None,
            Some(codes) => Some(codes.iter().map(|code| code.parse()).collect::<Result<_, _>>().map_err(Problem::hidden)?),
        };
        let caller = Caller(Arc::new(Known { token, session, roles, branches }));
        self.cache.keep(generation, hash, caller.clone(), now);
        Ok(self.in_use(generation, hash, caller, now, now).await)
    }

    /// Writes down that a session is in use, if that was not done within the last minute. Whoever asks is answered even if it cannot be: the
    /// session then ends earlier.
    async fn in_use(&self, generation: u64, hash: [u8; 32], caller: Caller, looked_up: Time, now: Time) -> Caller {
        let (token, Some(session)) = (&caller.0.token, &caller.0.session) else { return caller };
        let until = session.unused_from(now);
        if token.expires_at.is_none_or(|ends| until < ends + NOTED) {
            return caller;
        }
        if let Err(error) = self.store.keep_alive(token.id, until).await {
            tracing::warn!(%error, "it cannot be written down that a session is in use");
            return caller;
        }
        let token = Token { expires_at: Some(until), ..token.clone() };
        let Known { session, roles, branches, .. } = &*caller.0;
        let known = Known { token, session: session.clone(), roles: roles.clone(), branches: branches.clone() };
        let caller = Caller(Arc::new(known));
        // As it was looked up: a revocation since then is seen as early as without this.
        self.cache.keep(generation, hash, caller.clone(), looked_up);
        caller
    }

    /// Forgets what has been looked up, so that a change takes effect at once in this process.
    pub fn forget(&self) {
        self.cache.forget();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(now: Time) -> Caller {
        let (id, actor) = (uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
        let (label, roles) = ("Anna".to_owned(), vec!["administrator".to_owned()]);
        let token = Token { id, actor, label, roles, branches: None, created_at: now, expires_at: None, revoked_at: None };
        Caller(Arc::new(Known { token, session: None, roles: vec![Role::Administrator], branches: None }))
    }

    #[test]
    fn what_was_read_before_a_sign_out_is_not_believed_after_it() {
        let (cache, hash, now) = (Cache::default(), token_hash("tact_1"), Time::from_timestamp(1_772_000_000, 0).unwrap());
        let (before, known) = cache.read(&hash);
        assert!(known.is_none());
        // A request is on its way with what it has read, while another one signs out.
        cache.forget();
        cache.keep(before, hash, caller(now), now);
        assert!(cache.read(&hash).1.is_none(), "a token that was taken back is in the cache again");
        let (after, _) = cache.read(&hash);
        cache.keep(after, hash, caller(now), now);
        assert!(cache.read(&hash).1.is_some(), "what is read after it is kept");
    }
}
