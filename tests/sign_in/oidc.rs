//! With a real identity provider: who is let in, as whom, and what is not believed.

use serde_json::{Value, json};

use super::{IdentityProvider, PUBLIC, finish, open, sign_in};
use crate::network::{NOON, Network, time};

fn people() -> Value {
    json!({"people": {
        "anna": {"name": "Анна Северная", "email": "anna@example.org", "locale": "ru", "tact": ["administrator@north"]},
        "boss": {"preferred_username": "boss", "tact": ["network_manager", "administrator@east"]},
        "nobody": {"name": "Nobody"},
        "typo": {"tact": ["administratr@north"]},
        "elsewhere": {"tact": ["clinician@west"]},
        "program": {"tact": ["system"]},
        "both": {"tact": ["administrator@north", "clinician@east"]},
        "number": {"tact": [7]},
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_let_in_as_the_same_for_ever() {
    let provider = IdentityProvider::start().await;
    provider.tell(people()).await;
    for network in Network::both_with(provider.settings()).await {
        let anna = sign_in(&network, &provider, "anna").await.ok();
        assert_eq!((&anna["label"], &anna["language"]), (&json!("Анна Северная"), &json!("ru")));
        assert_eq!((&anna["roles"], &anna["branches"]), (&json!(["administrator"]), &json!(["north"])));
        let token = anna["token"].as_str().unwrap();
        let me = network.get_as(token, "/v1/me").await.ok();
        assert_eq!((&me["actor"], &me["language"]), (&anna["actor"], &json!("ru")));
        network.get_as(token, "/v1/branches/north/worklist").await.ok();
        network.get_as(token, "/v1/branches/east/worklist").await.refused(403, "forbidden");
        let boss = sign_in(&network, &provider, "boss").await.ok();
        assert_eq!((&boss["label"], &boss["branches"]), (&json!("boss"), &Value::Null));
        assert_ne!(boss["actor"], anna["actor"]);
        // Another name, another role: the same person.
        provider.tell(json!({"people": {"anna": {"name": "Анна Восточная", "tact": ["clinician@east"]}}})).await;
        let later = sign_in(&network, &provider, "anna").await.ok();
        assert_eq!((&later["actor"], &later["label"]), (&anna["actor"], &json!("Анна Восточная")));
        assert_eq!((&later["roles"], &later["branches"]), (&json!(["clinician"]), &json!(["east"])));
        // A session that is open keeps what it was given.
        network.get_as(token, "/v1/branches/north/worklist").await.ok();
        provider.tell(people()).await;
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_role_that_there_is_is_told_why() {
    let provider = IdentityProvider::start().await;
    provider.tell(people()).await;
    for network in Network::both_with(provider.settings()).await {
        for (login, said) in [
            ("nobody", "no role in Tact is given to you"),
            ("typo", "did you mean `administrator`?"),
            ("elsewhere", "there is no such branch"),
            ("program", "`system` is the role of a program"),
            ("both", "`administrator` and `clinician` for different branches"),
            ("number", "`7` is not a role"),
        ] {
            let refused = sign_in(&network, &provider, login).await.refused(403, "forbidden");
            assert!(refused["detail"].as_str().unwrap().contains(said), "{login}: {refused}");
        }
        let sessions = network.app().personal.tokens().await.unwrap().len();
        assert_eq!(sessions, 1, "nobody has got a session: only the manager's token is there");
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_finished_once_in_time_by_the_browser_that_began_it() {
    let provider = IdentityProvider::start().await;
    provider.tell(people()).await;
    for network in Network::both_with(provider.settings()).await {
        let begin = async || open(&network, "/v1/sign-ins", json!({})).await.ok();
        let begun = begin().await;
        let url = begun["url"].as_str().unwrap();
        for part in ["code_challenge_method=S256", "nonce=", "state=", "response_type=code", "scope=openid"] {
            assert!(url.contains(part), "{url}");
        }
        assert!(!url.contains(begun["sign_in"].as_str().unwrap()), "{url}");
        let back = provider.visit(url, "anna").await;
        // Another browser's secret, or another state.
        let other = begin().await;
        finish(&network, &other, &back).await.refused(401, "unauthenticated");
        let mut forged = back.clone();
        forged.insert("state".to_owned(), "0".repeat(32));
        finish(&network, &begun, &forged).await.refused(401, "unauthenticated");
        finish(&network, &begun, &back).await.ok();
        finish(&network, &begun, &back).await.refused(401, "unauthenticated");
        // The same code in a sign-in that was begun anew: the provider has seen it, and it was asked for with another challenge.
        let mut replayed = provider.visit(other["url"].as_str().unwrap(), "anna").await;
        replayed.insert("code".to_owned(), back["code"].clone());
        let refused = finish(&network, &other, &replayed).await.refused(401, "unauthenticated");
        assert!(refused["detail"].as_str().unwrap().contains("does not accept the code"), "{refused}");
        // Ten minutes, and not a millisecond more.
        let (in_time, late) = (begin().await, begin().await);
        let came = [
            provider.visit(in_time["url"].as_str().unwrap(), "anna").await,
            provider.visit(late["url"].as_str().unwrap(), "anna").await,
        ];
        network.clock().set(time(NOON) + chrono::Duration::milliseconds(599_999));
        finish(&network, &in_time, &came[0]).await.ok();
        network.clock().set(time(NOON) + chrono::Duration::minutes(10));
        finish(&network, &late, &came[1]).await.refused(401, "unauthenticated");
        network.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_does_not_say_to_us_now_is_not_believed() {
    let provider = IdentityProvider::start().await;
    provider.tell(people()).await;
    let network = Network::start_to_sign_in(provider.settings()).await;
    for (mode, said) in [
        ("audience", "another client"),
        ("second audience", "several clients"),
        ("issuer", "another issuer"),
        ("expired", "its time is over"),
        ("forged", "its signature does not hold"),
        ("unknown key", "a key that the identity provider does not publish"),
        ("not signed", "no signed token"),
        ("shared secret", "in a way that is not accepted"),
    ] {
        provider.tell(json!({"mode": mode})).await;
        let refused = sign_in(&network, &provider, "anna").await.refused(401, "unauthenticated");
        assert!(refused["detail"].as_str().unwrap().contains(said), "{mode}: {refused}");
    }
    // A clock that is a minute off is forgiven.
    for mode in ["just expired", ""] {
        provider.tell(json!({"mode": mode})).await;
        sign_in(&network, &provider, "anna").await.ok();
    }
    // A nonce that is not ours: somebody has changed the address on its way.
    let begun = open(&network, "/v1/sign-ins", json!({})).await.ok();
    let url = begun["url"].as_str().unwrap().replace("&nonce=", "&nonce=x");
    let back = provider.visit(&url, "anna").await;
    let refused = finish(&network, &begun, &back).await.refused(401, "unauthenticated");
    assert!(refused["detail"].as_str().unwrap().contains("another question than ours"), "{refused}");
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_are_fetched_whatever_they_sign_with() {
    let provider = IdentityProvider::start().await;
    provider.tell(people()).await;
    let network = Network::start_to_sign_in(provider.settings()).await;
    sign_in(&network, &provider, "anna").await.ok();
    for algorithm in ["RS256", "ES256", "PS256"] {
        provider.tell(json!({"rotate": algorithm})).await;
        sign_in(&network, &provider, "anna").await.ok();
    }
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_moves_is_found_within_the_hour_and_at_once_if_its_keys_are_new() {
    let provider = IdentityProvider::start().await;
    provider.tell(people()).await;
    let network = Network::start_to_sign_in(provider.settings()).await;
    let sent_to = async || {
        let begun = open(&network, "/v1/sign-ins", json!({})).await;
        assert_eq!(begun.headers["cache-control"], "no-store");
        begun.ok()["url"].as_str().unwrap().split('?').next().unwrap().to_owned()
    };
    assert_eq!(sent_to().await, format!("{}/auth", provider.issuer));
    provider.tell(json!({"routes": {"authorization": "/come-in"}})).await;
    network.set_clock("2026-03-02T09:59:59Z");
    assert_eq!(sent_to().await, format!("{}/auth", provider.issuer));
    network.set_clock("2026-03-02T10:00:00Z");
    assert_eq!(sent_to().await, format!("{}/come-in", provider.issuer));
    // New keys, and at another address.
    sign_in(&network, &provider, "anna").await.ok();
    provider.tell(json!({"routes": {"authorization": "/come-in", "jwks": "/other-keys"}, "rotate": "RS256"})).await;
    sign_in(&network, &provider, "anna").await.ok();
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_secret_needs_none() {
    let provider = IdentityProvider::start().await;
    provider.tell(people()).await;
    let mut settings = provider.settings();
    let oidc = settings.oidc.as_mut().unwrap();
    (oidc.client_id, oidc.client_secret_file) = ("tact-public".to_owned(), None);
    let network = Network::start_to_sign_in(settings).await;
    sign_in(&network, &provider, "anna").await.ok();
    network.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_or_while_it_is_away_the_rest_goes_on() {
    let network = Network::start().await;
    open(&network, "/v1/sign-ins", json!({})).await.refused(404, "not_found");
    let said = json!({"sign_in": "x", "code": "y", "state": "z"});
    open(&network, "/v1/sessions", said).await.refused(404, "not_found");
    network.stop().await;
    let mut provider = IdentityProvider::start().await;
    provider.goes_away().await;
    let network = Network::start_to_sign_in(provider.settings()).await;
    let refused = open(&network, "/v1/sign-ins", json!({})).await;
    assert_eq!(refused.headers["retry-after"], "5");
    refused.refused(503, "unavailable");
    let link = network.post("/v1/sign-in-links", json!({"roles": ["analyst"], "label": "x"})).await.ok();
    assert!(link["url"].as_str().unwrap().starts_with(PUBLIC));
    super::by_link(&network, link["url"].as_str().unwrap()).await.ok();
    network.stop().await;
}
