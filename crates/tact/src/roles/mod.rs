//! The parts that a process can play, with the routes of each.

mod open;
mod run;

use std::sync::Arc;

use clap::ValueEnum;
use tact_service::App;
use tact_service::document::finished;
use utoipa_axum::router::OpenApiRouter;

pub use open::{actor, databases, id_key, must_exist, open, open_log, open_to_read, signing_key_file};
pub(crate) use open::{jetstream, open_moved, write_private};
pub use run::{Running, projector, start};

/// A part that a process can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum Role {
    /// Permits, contacts, announcements, requests, worklists, quotas, figures.
    Contact,
    /// Consents, withdrawals, preferences.
    Consent,
    /// Appointments.
    Appointment,
    /// Registration, personal data, merges; carries out what events set off.
    Patient,
    /// Care referrals.
    Referral,
    /// Feedback and those who recommend us.
    Feedback,
    /// Branches, providers, clinicians who have left, policies.
    Directory,
    /// FHIR R4, in and out.
    Fhir,
    /// Follows the log and keeps the read models.
    Projector,
    /// Signs what the log has come to, and hands out histories with their proofs.
    Notary,
    /// Fills the feed for analysts, and serves it.
    Feed,
    /// Has a gateway make the calls and send the messages that are permitted, and takes in what became of them.
    Dispatcher,
    /// Lets people in: sessions, links, the identity provider; and shows who looked at whose page.
    SignIn,
    /// The pages for people.
    Console,
}

impl Role {
    fn routes(self) -> OpenApiRouter<Arc<App>> {
        match self {
            Self::Contact => tact_contact::routes(),
            Self::Consent => tact_consent::routes(),
            Self::Appointment => tact_appointment::routes(),
            Self::Patient => tact_patient::routes(),
            Self::Referral => tact_referral::routes(),
            Self::Feedback => tact_feedback::routes(),
            Self::Directory => tact_directory::routes(),
            Self::Fhir => tact_fhir_http::routes(),
            Self::Projector | Self::Console => OpenApiRouter::new(),
            Self::Notary => tact_notary::routes(),
            Self::Feed => tact_feed::routes(),
            Self::Dispatcher => tact_dispatcher::routes(),
            Self::SignIn => tact_sign_in::routes(),
        }
    }
}

/// The routes of some roles, with what the document says about all of them.
pub fn document(routes: impl Iterator<Item = OpenApiRouter<Arc<App>>>) -> OpenApiRouter<Arc<App>> {
    #[derive(utoipa::OpenApi)]
    #[openapi(
        info(title = "Tact", description = "Patient relations that keep to the stated contact policy. Writes take an `Idempotency-Key`; \
            answers name their position in the log, which reads accept as `at_least`. Errors are RFC 9457 problems."),
        security(("bearer" = [])),
        modifiers(&Bearer),
    )]
    struct Document;
    struct Bearer;
    impl utoipa::Modify for Bearer {
        fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
            use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
            let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
            document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
        }
    }
    routes.fold(OpenApiRouter::with_openapi(<Document as utoipa::OpenApi>::openapi()), OpenApiRouter::merge)
}

/// The OpenAPI document of some roles, as a server in these roles gives it.
pub fn openapi(roles: &[Role]) -> serde_json::Value {
    finished(&document(roles.iter().map(|role| role.routes())).split_for_parts().1)
}

/// The OpenAPI document of all roles.
pub fn whole_document() -> serde_json::Value {
    openapi(Role::value_variants())
}
