//! Signing in: links, sessions, a real identity provider on this host, and who looked at whose page; embedded and on servers.

mod links;
mod looks;
mod oidc;

use std::collections::BTreeMap;
use std::process::Stdio;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tact::settings::{Oidc, SignIn};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::network::{Network, Reply};
use crate::tidy::root;

/// Where browsers are sent back to. Nobody goes there: what stands in the address is what counts.
pub(crate) const PUBLIC: &str = "https://tact.example.org";

/// What the provider shares with us, with letters that a form must encode.
const SECRET: &str = "sesame & open+it 100%";

/// Without a token.
pub(crate) async fn open(network: &Network, path: &str, body: Value) -> Reply {
    let mut request = network.request(&Method::POST, path, "", Some(&body));
    request.headers_mut().remove("authorization");
    request.headers_mut().remove("idempotency-key");
    network.send(request).await
}

/// Signs in by a link.
pub(crate) async fn by_link(network: &Network, url: &str) -> Reply {
    let secret = url.split_once('#').unwrap().1;
    open(network, "/v1/sessions", json!({"link": secret})).await
}

/// A real provider, which ends with the test.
pub(crate) struct IdentityProvider {
    issuer: String,
    client: Client<HttpConnector, Full<Bytes>>,
    folder: tempfile::TempDir,
    process: Child,
}

impl IdentityProvider {
    async fn start() -> Self {
        Self::start_as("127.0.0.1").await
    }

    /// Starts it under a name of this host.
    pub(crate) async fn start_as(host: &str) -> Self {
        let tools = tact_testbed::oidc_provider().await.unwrap();
        let mut process = Command::new(&tools.node)
            .arg(root().join("tests/sign_in/provider.mjs"))
            .arg(&tools.packages)
            .arg(host)
            .arg(format!("{PUBLIC}/sign-in/callback"))
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines();
        let issuer = loop {
            let line = said.next_line().await.unwrap().expect("the provider starts");
            if let Some(issuer) = line.strip_prefix("ready ") {
                break issuer.to_owned();
            }
        };
        // It goes on saying things, and would end if nobody listened.
        tokio::spawn(async move { while said.next_line().await.is_ok_and(|line| line.is_some()) {} });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        // The provider hangs up on connections that nobody uses; none is used again.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http();
        Self { issuer, client, folder, process }
    }

    /// Ends it, while its settings stay.
    async fn goes_away(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// The settings that lead to it.
    pub(crate) fn settings(&self) -> SignIn {
        let oidc = Oidc {
            issuer: self.issuer.clone(),
            client_id: "tact".to_owned(),
            client_secret_file: Some(self.folder.path().join("secret")),
            claim: "tact".to_owned(),
            allow_http: true,
        };
        SignIn { public_url: Some(PUBLIC.to_owned()), oidc: Some(oidc), ..SignIn::default() }
    }

    /// Says who there is, where browsers are sent back to, that tokens are tampered with, or that there are new keys.
    pub(crate) async fn tell(&self, what: Value) {
        let answer = self.ask(Method::POST, &format!("{}/test", self.issuer), &BTreeMap::new(), what.to_string()).await;
        assert_eq!(answer.status(), 200, "{what}");
    }

    async fn ask(&self, method: Method, url: &str, cookies: &BTreeMap<String, String>, body: String) -> Response<Bytes> {
        let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let uri: Uri = url.parse().unwrap();
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(HOST, uri.authority().unwrap().as_str())
            .header(COOKIE, cookies.join("; "))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(body))
            .unwrap();
        let (parts, body) = self.client.request(request).await.unwrap().into_parts();
        Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
    }

    /// What a person does in a browser: follows the address, says who they are, agrees. What they are sent back with.
    async fn visit(&self, url: &str, login: &str) -> BTreeMap<String, String> {
        let mut cookies: BTreeMap<String, String> = BTreeMap::new();
        let (mut method, mut at, mut body) = (Method::GET, url.to_owned(), String::new());
        for _step in 0..20 {
            let answer = self.ask(method, &at, &cookies, body).await;
            for cookie in answer.headers().get_all(SET_COOKIE) {
                let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
                cookies.insert(name.to_owned(), value.to_owned());
            }
            if let Some(location) = answer.headers().get(LOCATION) {
                let location = location.to_str().unwrap();
                if location.starts_with(PUBLIC) {
                    let query = location.split_once('?').unwrap().1.to_owned();
                    return decoded(&query);
                }
                at = if location.starts_with('/') { format!("{}{location}", self.issuer) } else { location.to_owned() };
                (method, body) = (Method::GET, String::new());
                continue;
            }
            let page = String::from_utf8(answer.body().to_vec()).unwrap();
            assert!(answer.status().is_success() && page.contains("<form"), "{at}: {} {page}", answer.status());
            at = page.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
            method = Method::POST;
            body = if page.contains("value=\"login\"") {
                format!("prompt=login&login={login}&password=x")
            } else {
                "prompt=consent".to_owned()
            };
        }
        panic!("the provider sends a browser round and round");
    }
}

/// A query's parameters.
fn decoded(query: &str) -> BTreeMap<String, String> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&format!("/?{query}").parse().unwrap());
    pairs.unwrap().0.into_iter().collect()
}

/// Signs somebody in with the provider, from beginning to end.
async fn sign_in(network: &Network, provider: &IdentityProvider, login: &str) -> Reply {
    let begun = open(network, "/v1/sign-ins", json!({})).await.ok();
    let back = provider.visit(begun["url"].as_str().unwrap(), login).await;
    finish(network, &begun, &back).await
}

/// What the console does when a browser comes back.
async fn finish(network: &Network, begun: &Value, back: &BTreeMap<String, String>) -> Reply {
    let said = json!({"sign_in": begun["sign_in"], "code": back["code"], "state": back["state"]});
    open(network, "/v1/sessions", said).await
}
