//! What each route allows to whom, row by row; and the routes that take no token.

/// Those who work with patients.
pub(super) const DESK: &[&str] = &["administrator", "clinician", "network_manager", "system"];
/// Those who say who a patient is.
pub(super) const REGISTRY: &[&str] = &["administrator", "network_manager", "system"];
/// Those who may see what happened to a patient.
pub(super) const WITNESSES: &[&str] = &["administrator", "clinician", "network_manager", "regulator", "system"];
/// Those who may see figures.
pub(super) const COUNTERS: &[&str] = &["administrator", "analyst", "network_manager", "regulator"];
/// Those who may see what was destroyed.
pub(super) const INSPECTORS: &[&str] = &["network_manager", "regulator", "system"];
/// Those who run the network.
pub(super) const OPERATORS: &[&str] = &["network_manager", "system"];
/// Those who join two patients.
pub(super) const MERGERS: &[&str] = &["administrator", "network_manager"];
/// Those who watch over the policy.
pub(super) const AUDITORS: &[&str] = &["network_manager", "regulator"];
pub(super) const MANAGER: &[&str] = &["network_manager"];
pub(super) const EVERYONE: &[&str] = &["administrator", "analyst", "clinician", "network_manager", "regulator", "system"];

/// What a caller's branches have to do with a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// It names `north`, or something that belongs to it: a caller of other branches is refused.
    Named,
    /// It names no branch: any branch may ask about any patient, and lists show a caller's own branches only.
    Open,
    /// It is the whole network's.
    Whole,
}
use Scope::{Named, Open, Whole};

/// Who may use a route, and where.
pub(crate) type Row = (&'static str, &'static str, &'static [&'static str], Scope);

/// The routes that take no token, on purpose: what a load balancer asks, what the routes are, and what the network has signed.
pub(super) const OPEN_ROUTES: &[&str] = &[
    "/livez",
    "/readyz",
    "/startupz",
    "/openapi.json",
    // Hashes and counts, for whoever keeps watch over the log.
    "/checkpoint",
    "/checkpoint/1",
    "/keys",
    "/log/0/0-255/checkpoint",
    // What events look like.
    "/asyncapi.json",
    "/schemas",
    "/schemas/feed/contact.made.v1.json",
    "/log/0/0-255/tile/0/000.p/1",
];

/// The routes that a signature opens instead of a token: tests/dispatch/callbacks.rs tries them without one.
pub(crate) const SIGNED_ROUTES: &[&str] = &["/v1/gateway/callbacks"];

/// The routes that a secret in the body opens instead of a token, or that begin to get one: tests/sign_in tries them without a token.
pub(crate) const SIGN_IN_ROUTES: &[&str] = &["/v1/sessions", "/v1/sign-ins"];

#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    // contact
    ("POST",  "/v1/patients/{patient}/permits", DESK, Named),
    ("GET",   "/v1/patients/{patient}/permits/preview", DESK, Named),
    ("GET",   "/v1/patients/{patient}/agenda", DESK, Named),
    ("POST",  "/v1/patients/{patient}/permits/{permit}/start", DESK, Named),
    ("POST",  "/v1/patients/{patient}/permits/{permit}/release", DESK, Named),
    ("POST",  "/v1/patients/{patient}/contacts", DESK, Named),
    ("POST",  "/v1/patients/{patient}/contacts/{contact}/correction", DESK, Open),
    ("POST",  "/v1/patients/{patient}/announcements", DESK, Open),
    ("POST",  "/v1/patients/{patient}/requests", DESK, Open),
    ("GET",   "/v1/patients/{patient}/quotas", WITNESSES, Open),
    ("GET",   "/v1/quotas", DESK, Named),
    ("GET",   "/v1/branches/{branch}/worklist", DESK, Named),
    ("GET",   "/v1/branches/{branch}/day", DESK, Named),
    ("GET",   "/v1/positions", EVERYONE, Open),
    ("GET",   "/v1/figures", COUNTERS, Open),
    ("GET",   "/v1/alarms", OPERATORS, Open),
    ("GET",   "/v1/audit/findings", AUDITORS, Named),
    ("GET",   "/v1/audit/counts", AUDITORS, Named),
    ("GET",   "/v1/audit/wishes", AUDITORS, Named),
    // consent
    ("POST",  "/v1/patients/{patient}/consents", DESK, Open),
    ("GET",   "/v1/patients/{patient}/consents", WITNESSES, Open),
    ("POST",  "/v1/patients/{patient}/consent-withdrawals", DESK, Open),
    ("POST",  "/v1/patients/{patient}/preferences", DESK, Open),
    ("POST",  "/v1/numbers/stops", DESK, Open),
    ("GET",   "/v1/numbers/stops", DESK, Named),
    ("POST",  "/v1/numbers/stops/{stop}/answer", DESK, Open),
    // appointment
    ("POST",  "/v1/patients/{patient}/appointments", DESK, Named),
    ("GET",   "/v1/patients/{patient}/appointments", WITNESSES, Open),
    ("POST",  "/v1/patients/{patient}/appointments/{appointment}/rescheduling", DESK, Named),
    ("POST",  "/v1/patients/{patient}/appointments/{appointment}/cancellation", DESK, Named),
    ("POST",  "/v1/patients/{patient}/appointments/{appointment}/completion", DESK, Named),
    ("POST",  "/v1/patients/{patient}/appointments/{appointment}/miss", DESK, Named),
    // patient
    ("POST",  "/v1/patients", REGISTRY, Named),
    ("GET",   "/v1/patients", DESK, Open),
    ("GET",   "/v1/patients/{patient}", DESK, Open),
    ("PATCH", "/v1/patients/{patient}", REGISTRY, Named),
    ("GET",   "/v1/patients/{patient}/history", WITNESSES, Open),
    ("GET",   "/v1/contacts/{contact}/evidence", AUDITORS, Whole),
    ("POST",  "/v1/patients/{patient}/merge", MERGERS, Open),
    ("POST",  "/v1/patients/{patient}/separation", MERGERS, Open),
    ("GET",   "/v1/duplicates", MERGERS, Named),
    ("POST",  "/v1/duplicates/dismissals", MERGERS, Open),
    ("POST",  "/v1/patients/{patient}/death", REGISTRY, Open),
    ("POST",  "/v1/patients/{patient}/restoration", REGISTRY, Open),
    ("POST",  "/v1/patients/{patient}/erasure", OPERATORS, Open),
    ("GET",   "/v1/patients/{patient}/erasure", INSPECTORS, Open),
    // notary
    ("POST",  "/v1/patients/{patient}/history-exports", &["network_manager", "regulator"], Whole),
    // feed
    ("GET",   "/v1/feed", &["analyst", "network_manager", "system"], Open),
    // dispatcher
    ("GET",   "/v1/branches/{branch}/dispatches", DESK, Named),
    ("POST",  "/v1/branches/{branch}/dispatches/{contact}/outcome", DESK, Named),
    ("GET",   "/v1/dispatches/figures", COUNTERS, Open),
    ("POST",  "/v1/call-records", DESK, Named),
    ("GET",   "/v1/call-records/review", DESK, Named),
    ("POST",  "/v1/call-records/{branch}/{call}/resolution", DESK, Named),
    ("GET",   "/v1/call-records/figures", COUNTERS, Open),
    // sign-in
    ("DELETE", "/v1/sessions/current", EVERYONE, Open),
    ("GET",   "/v1/me", EVERYONE, Open),
    ("POST",  "/v1/sign-in-links", MANAGER, Named),
    ("GET",   "/v1/patients/{patient}/looks", AUDITORS, Whole),
    ("GET",   "/v1/staff", WITNESSES, Open),
    // referral
    ("POST",  "/v1/patients/{patient}/referrals", DESK, Open),
    ("GET",   "/v1/patients/{patient}/referrals", WITNESSES, Open),
    ("POST",  "/v1/patients/{patient}/referrals/{referral}/arrangement", DESK, Open),
    ("POST",  "/v1/patients/{patient}/referrals/{referral}/closing", DESK, Open),
    ("GET",   "/v1/branches/{branch}/referrals", DESK, Named),
    // feedback
    ("POST",  "/v1/patients/{patient}/feedback", DESK, Named),
    ("GET",   "/v1/feedback", COUNTERS, Named),
    ("GET",   "/v1/feedback/others", COUNTERS, Named),
    ("GET",   "/v1/themes", EVERYONE, Open),
    ("GET",   "/v1/referrers", DESK, Named),
    // fhir
    ("GET",   "/fhir/R4/metadata", EVERYONE, Open),
    ("POST",  "/fhir/R4", REGISTRY, Open),
    ("POST",  "/fhir/R4/$import", REGISTRY, Open),
    ("POST",  "/fhir/R4/{type}", REGISTRY, Open),
    ("PUT",   "/fhir/R4/{type}/{id}", REGISTRY, Open),
    ("GET",   "/fhir/R4/{type}", WITNESSES, Open),
    ("GET",   "/fhir/R4/{type}/{id}", WITNESSES, Open),
    // directory
    ("PUT",   "/v1/branches/{code}", OPERATORS, Named),
    ("GET",   "/v1/branches", EVERYONE, Open),
    ("GET",   "/v1/branches/{code}", EVERYONE, Open),
    ("POST",  "/v1/providers", OPERATORS, Open),
    ("GET",   "/v1/providers", EVERYONE, Open),
    ("GET",   "/v1/places", EVERYONE, Open),
    ("GET",   "/v1/clinicians/departed", EVERYONE, Open),
    ("POST",  "/v1/clinicians/{clinician}/departure", OPERATORS, Open),
    ("GET",   "/v1/clinicians/{clinician}/departure", EVERYONE, Open),
    ("POST",  "/v1/policies", MANAGER, Whole),
    ("GET",   "/v1/policies", EVERYONE, Open),
    ("GET",   "/v1/policies/in-force", EVERYONE, Open),
    ("GET",   "/v1/policies/diff", EVERYONE, Open),
    ("GET",   "/v1/policies/{version}", EVERYONE, Open),
    ("POST",  "/v1/policies/{version}/scenarios", MANAGER, Open),
    ("POST",  "/v1/policies/what-if", MANAGER, Whole),
];
