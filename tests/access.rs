//! Every route with every role, in its branches, out of them, and for the whole network: what each may do stands written here, route by route,
//! and is held against what the server does. A route that is neither here nor open on purpose fails, and so does a row without a route.

use std::collections::BTreeSet;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::network::{Network, Reply, id};

pub(crate) mod table;

use table::Scope::{Named, Open, Whole};
use table::{EVERYONE, OPEN_ROUTES};
pub(crate) use table::{Row, SIGN_IN_ROUTES, SIGNED_ROUTES, TABLE};

/// What the rows' paths name.
pub(crate) struct Known {
    patient: Uuid,
    /// Somebody whom it does not matter to bury, merge and erase.
    other: Uuid,
    appointment: Uuid,
    permit: Uuid,
    referral: Uuid,
    provider: Uuid,
    /// A stop that is open, and one of those whose it may have been.
    stop: (Uuid, Uuid),
    /// A contact with everything in order, and the position at which it is known.
    contact: (Uuid, String),
}

const CLINICIAN: &str = "00000000-0000-4000-8000-00000000000c";

impl Known {
    pub(crate) async fn set_up(network: &Network) -> Self {
        let patient = network.patient("north", json!({})).await;
        let other = network.patient("north", json!({})).await;
        let path = |what: &str| format!("/v1/patients/{patient}/{what}");
        let booking = json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-09T10:00:00+03:00"});
        let appointment = id(&network.post(&path("appointments"), booking).await.ok()["appointment"]);
        network.post(&path("requests"), json!({"channel": "phone"})).await.ok();
        let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
        let permit = id(&network.post(&path("permits"), ask).await.ok()["permit"]);
        let referral = id(&network.post(&path("referrals"), json!({"need": "x_ray"})).await.ok()["referral"]);
        let provider =
            id(&network.post("/v1/providers", json!({"name": "City hospital 2", "services": ["x_ray"]})).await.ok()["provider"]);
        network.post(&format!("/v1/clinicians/{CLINICIAN}/departure"), json!({"new_clinic": "City hospital 2"})).await.ok();
        let contact = advertised(network).await;
        let shared = json!({"person": {"phone": "+7 900 000-00-09"}});
        let sharing = network.patient("north", shared.clone()).await;
        network.patient("north", shared).await;
        let open = network.post("/v1/numbers/stops", json!({"phone": "+7 900 000-00-09", "channel": "sms"})).await.ok();
        let stop = (id(&open["stop"]), sharing);
        Self { patient, other, appointment, permit, referral, provider, stop, contact }
    }

    /// A request to a route that every caller with the right to it may make, as far as its form goes.
    pub(crate) fn request(&self, method: &str, route: &str) -> (String, Option<Value>) {
        let closing = ["/merge", "/separation", "/death", "/restoration", "/erasure"].iter().any(|end| route.ends_with(end));
        let patient = if closing { self.other } else { self.patient };
        let path = route
            .replace("{patient}", &patient.to_string())
            .replace("{permit}", &self.permit.to_string())
            .replace("{appointment}", &self.appointment.to_string())
            .replace("{referral}", &self.referral.to_string())
            .replace("{call}", CLINICIAN)
            .replace("{contact}", &self.contact.0.to_string())
            .replace("{clinician}", CLINICIAN)
            .replace("{stop}", &self.stop.0.to_string())
            .replace("{branch}", "north")
            .replace("{type}", "Patient")
            .replace("{id}", &if method == "GET" { self.patient.to_string() } else { "17".to_owned() })
            .replace("{code}", "north")
            .replace("{version}", "default");
        assert!(!path.contains('{'), "{path}: this test does not know what to put there");
        let query = match (method, route) {
            ("GET", "/v1/patients/{patient}/permits/preview") => "?purpose=callback&channel=phone&branch=north",
            ("GET", "/v1/staff") => "?ids=00000000-0000-4000-8000-00000000000c",
            ("GET", "/v1/numbers/stops") => "?branch=north",
            ("GET", "/v1/quotas") => "?branch=north&purpose=callback",
            ("GET", "/v1/patients/{patient}/agenda") => "?branch=north",
            ("GET", "/v1/places") => "?q=tomsk",
            ("GET", "/v1/policies/diff") => "?from=default&to=default",
            ("GET", "/v1/figures") => "?from=2026-03&until=2026-04",
            ("GET", "/v1/patients") => "?text=nobody",
            ("GET", "/v1/call-records/review") => "?branch=north",
            ("GET", "/v1/feedback" | "/v1/feedback/others" | "/v1/referrers" | "/v1/duplicates")
            | ("GET", "/v1/audit/findings" | "/v1/audit/counts" | "/v1/audit/wishes") => "?branch=north",
            _ => "",
        };
        let query = match route {
            "/fhir/R4/{type}" if method == "GET" => format!("?_id={}", self.patient),
            path if path.starts_with("/fhir/") && method != "GET" => "?source=his".to_owned(),
            "/v1/contacts/{contact}/evidence" => format!("?at_least={}", self.contact.1),
            _ => query.to_owned(),
        };
        (path + &query, (method != "GET").then(|| self.body(method, route)))
    }

    fn body(&self, method: &str, route: &str) -> Value {
        if route == "/fhir/R4" {
            return json!({"resourceType": "Bundle", "type": "batch"});
        }
        if route.starts_with("/fhir/") {
            return json!({"resourceType": "Patient", "id": "17", "managingOrganization": {"reference": "Organization/1"}});
        }
        let end = route.rsplit('/').next().unwrap();
        match (method, end) {
            ("POST", "permits") => json!({"purpose": "callback", "channel": "phone", "branch": "north"}),
            ("POST", "contacts") => {
                json!({"direction": "inbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"})
            }
            ("POST", "announcements") => {
                json!({"purpose": "wellbeing_check", "window": {"from": "2026-03-03T09:00:00Z", "until": "2026-03-03T10:00:00Z"}})
            }
            ("POST", "requests") => json!({"channel": "phone"}),
            ("POST", "sign-in-links") => json!({"roles": ["administrator"], "branches": ["north"], "label": "Anna"}),
            ("POST", "consents") => {
                json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": CLINICIAN}})
            }
            ("POST", "preferences") => json!({"preferred_channel": "sms"}),
            ("POST", "appointments") => json!({"branch": "north", "kind": "checkup", "starts_at": "2026-03-09T10:00:00+03:00"}),
            ("POST", "rescheduling") => json!({"starts_at": "2026-03-10T10:00:00+03:00", "by": "patient"}),
            ("POST", "cancellation") => json!({"by": "patient"}),
            ("POST", "patients") => json!({"home_branch": "north"}),
            ("PATCH", "{patient}") => json!({"home_branch": "north", "language": "ru"}),
            ("POST", "stops") => json!({"phone": "+7 900 000-00-09", "channel": "sms"}),
            ("POST", "answer") => json!({"patients": [self.stop.1]}),
            ("POST", "dismissals") => json!({"patients": [self.patient, self.other]}),
            ("POST", "merge" | "separation") => json!({"from": self.patient}),
            ("POST", "history-exports") => json!({"purpose": "inspection"}),
            ("POST", "erasure") => json!({"reason": "patient_request"}),
            ("POST", "referrals") => json!({"need": "x_ray"}),
            ("POST", "correction") => json!({"outcome": "wrong_number"}),
            ("POST", "call-records") => json!({"calls": [{"record": "r1", "direction": "inbound", "number": "+74950000000",
                "begun_at": "2026-03-02T11:00:00+03:00", "seconds": 7, "disposition": "answered", "branch": "north"}]}),
            ("POST", "outcome") => json!({"outcome": "no_answer"}),
            ("POST", "arrangement") => json!({"provider": self.provider}),
            ("POST", "feedback") => json!({"branch": "north", "score": 9}),
            ("PUT", "{code}") => json!({"name": "North", "time_zone": "Europe/Moscow"}),
            ("POST", "providers") => json!({"name": "City hospital 3", "services": ["x_ray"]}),
            ("POST", "departure") => json!({"new_clinic": "City hospital 2"}),
            ("POST", "what-if") => {
                json!({"version": "default", "from": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"})
            }
            ("POST", "policies") => {
                json!({"version": "next", "text": tact_domain::policy::DEFAULT, "effective_from": "2026-03-03T00:00:00Z"})
            }
            _ => json!({}),
        }
    }
}

/// Sends an advertisement by SMS to somebody who agreed to it; the contact, and the position at which it is known.
async fn advertised(network: &Network) -> (Uuid, String) {
    let patient = network.patient("north", json!({})).await;
    let path = |what: &str| format!("/v1/patients/{patient}/{what}");
    let consent = json!({"purpose": "promotion", "channels": ["sms"], "evidence": {"method": "paper", "document": CLINICIAN}});
    network.post(&path("consents"), consent).await.ok();
    let ask = json!({"purpose": "promotion", "channel": "sms", "branch": "north"});
    let permit = network.post(&path("permits"), ask).await.ok()["permit"].clone();
    let sent = json!({"direction": "outbound", "purpose": "promotion", "channel": "sms", "branch": "north", "outcome": "reached", "permit": permit});
    let made = network.post(&path("contacts"), sent).await.ok();
    (id(&made["contact"]), made["position"].as_str().unwrap().to_owned())
}

/// A caller, and how far their branches reach.
struct Asking {
    role: &'static str,
    reach: Reach,
    token: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    North,
    East,
    All,
}

async fn callers(network: &Network) -> Vec<Asking> {
    let mut callers = Vec::new();
    for role in tact_service::access::Role::ALL {
        let role = role.as_str();
        for (reach, branches) in [(Reach::North, Some(&["north"][..])), (Reach::East, Some(&["east"][..])), (Reach::All, None)] {
            callers.push(Asking { role, reach, token: network.token(&[role], branches).await });
        }
    }
    callers
}

/// What one caller must be told.
fn check(row: &Row, caller: &Asking, reply: &Reply) -> Result<(), String> {
    let (method, route, roles, scope) = row;
    let refused = reply.status == StatusCode::FORBIDDEN;
    // On the routes of FHIR a problem is an OperationOutcome.
    let detail = reply.json["detail"].as_str().or(reply.json["issue"][0]["diagnostics"].as_str()).unwrap_or_default();
    let wrong = |what: &str| {
        Err(format!("{method} {route} as {} of {:?}: {what}: {} {}", caller.role, caller.reach, reply.status, reply.json))
    };
    if !roles.contains(&caller.role) {
        let named: BTreeSet<&str> = EVERYONE.iter().copied().filter(|role| detail.contains(role)).collect();
        return match refused {
            true if named == roles.iter().copied().collect() => Ok(()),
            true => wrong("the refusal must name the roles that may"),
            false => wrong("the role must be refused"),
        };
    }
    // A link opens the branches that it names.
    let named = if *route == "/v1/sign-in-links" { "branches" } else { "branch" };
    let within = match scope {
        Open => true,
        Named => caller.reach != Reach::East,
        Whole => caller.reach == Reach::All,
    };
    match (within, refused) {
        (true, false) if reply.status != StatusCode::UNAUTHORIZED && !reply.status.is_server_error() => Ok(()),
        (true, _) => wrong("the caller may do this"),
        (false, true) if *scope == Named && (reply.json["field"] != named || !detail.contains("`north`")) => {
            wrong("the branch must be named")
        }
        (false, true) => Ok(()),
        (false, false) => wrong("this is out of the caller's branches"),
    }
}

fn routes_of_the_document() -> BTreeSet<(String, String)> {
    let document = tact::roles::whole_document();
    let paths = document["paths"].as_object().unwrap();
    let routes = paths.iter().flat_map(|(path, item)| {
        let methods = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| !["parameters", "summary", "description", "servers"].contains(&key.as_str()));
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    routes.collect()
}

#[test]
fn every_route_stands_in_the_table_and_every_row_is_a_route() {
    let mut served = routes_of_the_document();
    served.retain(|(_, path)| {
        let path = path.as_str();
        !OPEN_ROUTES.contains(&path) && !SIGNED_ROUTES.contains(&path) && !SIGN_IN_ROUTES.contains(&path)
    });
    let listed: BTreeSet<(String, String)> =
        TABLE.iter().map(|(method, route, ..)| ((*method).to_owned(), (*route).to_owned())).collect();
    assert_eq!(listed.len(), TABLE.len(), "a route stands in the table twice");
    let missing: Vec<_> = served.difference(&listed).collect();
    let left_over: Vec<_> = listed.difference(&served).collect();
    assert!(missing.is_empty(), "routes without a row: say who may use them: {missing:?}");
    assert!(left_over.is_empty(), "rows without a route: {left_over:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_does_what_the_table_says_and_nothing_else() {
    let network = Network::start().await;
    let known = Known::set_up(&network).await;
    let callers = callers(&network).await;
    let mut wrong = Vec::new();
    for row in TABLE {
        let (path, body) = known.request(row.0, row.1);
        let method: Method = row.0.parse().unwrap();
        for caller in &callers {
            let reply = network.send(network.request(&method, &path, &caller.token, body.as_ref())).await;
            wrong.extend(check(row, caller, &reply).err());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_comes_in_without_a_valid_token() {
    let network = Network::start().await;
    let known = Known::set_up(&network).await;
    let expired = network.token_until(&["network_manager"], "2026-03-02T08:59:59Z").await;
    let (revoked, revoked_id) = network.token_with_id(&["network_manager"]).await;
    network.revoke(revoked_id).await;
    let unknown = format!("tact_{}", "0".repeat(64));
    let long = format!("Bearer {}", "x".repeat(4000));
    let headers = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(network.manager.clone()),
        Some(format!("Basic {}", network.manager)),
        Some(format!("Bearer {} {}", network.manager, network.manager)),
        Some(format!("Bearer {}", network.manager.to_uppercase())),
        Some(format!("Bearer {expired}")),
        Some(format!("Bearer {revoked}")),
        Some(format!("Bearer {unknown}")),
        Some("Bearer \u{e9}".to_owned()),
        Some(long),
    ];
    for (method, route, ..) in TABLE {
        let (path, body) = known.request(method, route);
        // Every way of having no token on one route, and on the others the two that matter most.
        let tried = if *route == "/v1/patients/{patient}" { &headers[..] } else { &headers[..2] };
        for header in tried {
            let mut request = network.request(&method.parse().unwrap(), &path, "", body.as_ref());
            request.headers_mut().remove("authorization");
            if let Some(header) = header {
                let value = hyper::header::HeaderValue::from_bytes(header.as_bytes()).unwrap();
                request.headers_mut().insert("authorization", value);
            }
            let reply = network.send(request).await;
            assert_eq!(
                reply.headers.get("www-authenticate").map(|value| value.to_str().unwrap()),
                Some("Bearer"),
                "{method} {path} {header:?}"
            );
            let problem = reply.refused(401, "unauthenticated");
            assert!(!problem.to_string().contains(&network.manager), "a token is never repeated: {problem}");
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_or_expires_ends_within_half_a_minute() {
    let network = Network::start().await;
    let (token, token_id) = network.token_with_id(&["analyst"]).await;
    let short = network.token_until(&["analyst"], "2026-03-02T09:00:10Z").await;
    network.get_as(&token, "/v1/branches").await.ok();
    network.get_as(&short, "/v1/branches").await.ok();
    network.set_clock("2026-03-02T09:00:10Z");
    network.get_as(&short, "/v1/branches").await.refused(401, "unauthenticated");
    network.revoke(token_id).await;
    network.set_clock("2026-03-02T09:00:31Z");
    network.get_as(&token, "/v1/branches").await.refused(401, "unauthenticated");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_routes_need_no_token_and_tell_nothing_about_anyone() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({"person": {"name": "Anna Open"}})).await;
    network.signed().await;
    for path in OPEN_ROUTES {
        let mut request = network.request(&Method::GET, path, "", None);
        request.headers_mut().remove("authorization");
        let reply = network.send(request).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        let text = reply.json.to_string();
        assert!(!text.contains(&patient.to_string()) && !text.contains("Anna Open"), "{path}");
    }
    network.stop().await;
}

/// Every key and value of a JSON tree.
fn words(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            found.push(key.clone());
            words(value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| words(item, found)),
        Value::String(text) => found.push(text.clone()),
        other => found.push(other.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_other_branches_contacts_only_purpose_channel_and_time_are_shown() {
    let network = Network::start().await;
    let patient = network.patient("east", json!({})).await;
    let path = |what: &str| format!("/v1/patients/{patient}/{what}");
    let north = network.token(&["administrator"], Some(&["north"])).await;
    let east = network.token(&["administrator"], Some(&["east"])).await;

    // North calls twice, once with a permit, is refused once, and holds a permit.
    network.post_as(&north, &path("requests"), json!({"channel": "phone"})).await.ok();
    let ask = json!({"purpose": "callback", "channel": "phone", "branch": "north"});
    let used = id(&network.post_as(&north, &path("permits"), ask.clone()).await.ok()["permit"]);
    let call = json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "voicemail", "permit": used});
    let contact = id(&network.post_as(&north, &path("contacts"), call).await.ok()["contact"]);
    let note = "a note of the north";
    let mut breach = json!({"direction": "outbound", "purpose": "checkup_invitation", "channel": "phone", "branch": "north", "outcome": "voicemail"});
    breach["note"] = json!(note);
    let second = id(&network.post_as(&north, &path("contacts"), breach).await.ok()["contact"]);
    let live = id(&network.post_as(&north, &path("permits"), ask.clone()).await.ok()["permit"]);
    let started = id(&network.post_as(&north, &path(&format!("permits/{live}/start")), json!({})).await.ok()["contact"]);

    // East asks, and is told why not; East's refusal is in the history, and what it counted.
    let mut asked = ask;
    asked["branch"] = json!("east");
    let refusal = network.post_as(&east, &path("permits"), asked).await.ok();
    assert_eq!(refusal["decision"], "refused", "{refusal}");
    let wellbeing = json!({"purpose": "wellbeing_check", "channel": "phone", "branch": "east"});
    let second_refusal = network.post_as(&east, &path("permits"), wellbeing).await.ok();
    assert_eq!(second_refusal["decision"], "refused");
    let codes = second_refusal["reasons"].to_string();
    assert!(codes.contains("overall_limit_reached"), "{codes}");

    let hidden = [used, contact, second, live, started].map(|id| id.to_string());
    let preview = network.get_as(&east, &path("permits/preview?purpose=callback&channel=phone&branch=east")).await.ok();
    let quotas = network.get_as(&east, &path("quotas")).await.ok();
    let history = network.get_as(&east, &path("history")).await.ok();
    let counted = quotas["quotas"].to_string();
    assert!(
        counted.contains("checkup_invitation") && counted.contains("2026-03-02T09:00:00Z"),
        "purpose and time are shown: {counted}"
    );
    let made: Vec<&Value> = history["events"].as_array().unwrap().iter().filter(|e| e["type"] == "contact.made").collect();
    assert_eq!(made.len(), 2, "{history}");
    assert_eq!(made[1]["data"], json!({"purpose": "checkup_invitation", "channel": "phone"}));
    for (what, shown) in
        [("refusal", &refusal), ("second", &second_refusal), ("preview", &preview), ("quotas", &quotas), ("history", &history)]
    {
        let mut found = Vec::new();
        words(shown, &mut found);
        for word in &found {
            assert!(!hidden.contains(word), "{what} shows {word} of another branch: {shown}");
            assert!(word != "north" && word != "voicemail" && word != note, "{what} shows `{word}` of another branch: {shown}");
        }
    }
    let staff = network.app().personal.token(&tact_service::access::token_hash(&north)).await.unwrap().unwrap().actor.to_string();
    assert!(!history.to_string().contains(&staff), "who called for another branch is not shown: {history}");

    // North sees its own; so does whoever acts for all.
    for token in [&north, &network.manager] {
        let own = network.get_as(token, &path("history")).await.ok().to_string();
        assert!(own.contains(note), "{own}");
        for id in &hidden {
            assert!(own.contains(id), "{own}");
        }
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_a_callers_own_branches() {
    let network = Network::start().await;
    let patient = network.patient("north", json!({})).await;
    let call =
        json!({"direction": "outbound", "purpose": "callback", "channel": "phone", "branch": "north", "outcome": "reached"});
    network.post(&format!("/v1/patients/{patient}/contacts"), call).await.ok();
    let feedback = network.post(&format!("/v1/patients/{patient}/feedback"), json!({"branch": "north", "score": 3})).await.ok();
    let position = feedback["position"].as_str().unwrap();
    // The feedback's figures wait for the position; the others are read behind them.
    let paths = [format!("/v1/feedback/others?at_least={position}"), "/v1/figures?from=2026-03&until=2026-04".to_owned()];
    for path in &paths {
        let whole = network.get(path).await.ok().to_string();
        assert!(whole.contains("\"north\""), "{path}: {whole}");
        let east = network.token(&["analyst"], Some(&["east"])).await;
        let theirs = network.get_as(&east, path).await.ok().to_string();
        assert!(!theirs.contains("north"), "{path}: {theirs}");
    }
    network.stop().await;
}
