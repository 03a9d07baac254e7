//! Who sends, and what their codes mean: the mappings that the server was started with, and which of them a request is under.

use std::collections::BTreeMap;

use axum::http::request::Parts;
use smol_str::SmolStr;
use tact_domain::{Actor, Branch, nearest_word};
use tact_fhir::{Mapping, Read};
use tact_intake::fhir::{Account, Intake};
use tact_intake::{Stopped, Stores};
use tact_service::app::database;
use tact_service::{App, Caller, Problem};

/// The senders that are known, by name.
#[derive(Debug, Default)]
pub struct Senders(BTreeMap<SmolStr, Mapping>);

impl Senders {
    /// The senders of these mappings. Of two with one name, the later.
    pub fn new(mappings: Vec<Mapping>) -> Self {
        Self(mappings.into_iter().map(|mapping| (mapping.system.clone(), mapping)).collect())
    }

    /// The mapping that a request is under: that of `?source=`, else that of the name of a program's token.
    pub(crate) fn of(&self, caller: &Caller, parts: &Parts) -> Result<&Mapping, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let mut named = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if name != "source" {
                return Err(Problem::malformed(format!(
                    "query: unknown parameter `{}`, expected `source`",
                    name.chars().take(80).collect::<String>()
                ))
                .with("field", "source"));
            }
            named = Some(SmolStr::new(value));
        }
        let of_token = || match caller.actor() {
            Actor::System(label) => Some(label),
            _ => None,
        };
        let Some(name) = named.or_else(of_token) else {
            return Err(
                Problem::malformed(format!("say who sends it: `?source=` and one of {}", self.names())).with("field", "source")
            );
        };
        self.0.get(&name).ok_or_else(|| {
            let near = nearest_word(&name, self.0.keys().map(SmolStr::as_str));
            let hint = near.map_or_else(|| format!("; known are {}", self.names()), |near| format!("; did you mean `{near}`?"));
            let name: String = name.chars().take(80).collect();
            Problem::malformed(format!("no mapping was given for `{name}`{hint}")).with("field", "source")
        })
    }

    fn names(&self) -> String {
        if self.0.is_empty() {
            return "none: the server was started without `fhir_mappings`".to_owned();
        }
        self.0.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

/// Takes in what a caller sends.
pub(crate) async fn take_in(app: &App, caller: &Caller, mapping: &Mapping, read: Vec<Read>) -> Result<Account, Problem> {
    let may = |branch: &Branch| caller.covers(branch);
    let intake = Intake {
        stores: Stores { transactor: &app.transactor, control: &app.control, personal: &app.personal, keys: &app.keys },
        mapping,
        actor: caller.actor(),
        list_branches: false,
        dry_run: false,
        may: &may,
        done: &|_, _| {},
    };
    intake.take_in(read).await.map_err(|stopped| match stopped {
        Stopped::Record(failure) => failure.into(),
        Stopped::Database(error) => database(error),
    })
}
