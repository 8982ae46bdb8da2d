//! The Microsoft Graph subset over HTTP, in process: what may be registered, what a refused call changes (nothing), lists,
//! credentials, trusts, roles, logs, and who may do what.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "each test crate uses a part of it")]
mod support;

mod access;
mod applications;
mod credentials;
mod federated;
mod lists;
mod logs;
mod principals;
mod registration;

use countersign_core::encoding::encode_base64;
use countersign_testkit::{Identity, Scenario, Spec};
use serde_json::{Value, json};
use support::{Answer, Service, TENANT_ID};

/// A service and its administrator, who means the tenant of the scenarios.
pub(crate) struct Graph {
    pub service: Service,
    pub token: String,
}

impl Graph {
    pub async fn new() -> Self {
        Self::of(Service::empty(&countersign_core::profile::ENTRA).await)
    }

    pub fn of(service: Service) -> Self {
        let token = std::fs::read_to_string(&service.running.ready.admin_token_file).unwrap().trim().to_owned();
        Self { service, token }
    }

    pub async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let headers = format!("Authorization: Bearer {}\r\nx-countersign-tenant: {TENANT_ID}\r\n{headers}", self.token);
        self.service.send(method, &format!("/v1.0{path}"), &headers, body).await
    }

    pub async fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "Content-Type: application/json\r\n", text.as_bytes()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &Value::Null).await
    }

    /// A GET that must succeed.
    pub async fn read(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.json()
    }

    /// A new application with these certificates.
    pub async fn create(&self, name: &str, identities: &[&Identity]) -> Value {
        let keys: Vec<Value> = identities.iter().map(|i| entry(i)).collect();
        let answer = self.call("POST", "/applications", &json!({"displayName": name, "keyCredentials": keys})).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()
    }

    /// The application's certificates with their `key`.
    pub async fn keys(&self, application: &Value) -> Vec<Value> {
        let read = self.read(&format!("{}?$select=id,keyCredentials", path(application))).await;
        read["keyCredentials"].as_array().unwrap().clone()
    }

    pub async fn patch(&self, application: &Value, body: &Value) -> Answer {
        self.call("PATCH", &path(application), body).await
    }

    /// The first code of a refused token request with this certificate, or 0 for a token.
    pub async fn token_code(&self, application: &Value, identity: &Identity) -> u64 {
        let answer = self.service.ask(&self.scenario(application, identity)).await;
        if answer.status == 200 { 0 } else { answer.refusal() }
    }

    pub fn scenario(&self, application: &Value, identity: &Identity) -> Scenario {
        let app_id = application["appId"].as_str().unwrap();
        let mut scenario = self.service.right();
        scenario.signer = identity.clone();
        let thumbprint = countersign_core::encoding::encode_base64url(identity.certificate.sha256());
        scenario.set_header("x5t#S256", format!("\"{thumbprint}\""));
        for claim in ["iss", "sub"] {
            scenario.set_claim(claim, format!("\"{app_id}\""));
        }
        scenario.set_parameter("client_id", app_id);
        scenario
    }

    /// An access token for Microsoft Graph.
    pub async fn access_token(&self, application: &Value, identity: &Identity) -> String {
        let answer = self.service.ask(&self.scenario(application, identity)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn path(application: &Value) -> String {
    format!("/applications/{}", application["id"].as_str().unwrap())
}

pub(crate) fn identity(number: usize) -> Identity {
    Identity::rsa(number, &Spec::default())
}

pub(crate) fn base64_of(identity: &Identity) -> String {
    encode_base64(identity.certificate.der())
}

/// A certificate as Graph takes it.
pub(crate) fn entry(identity: &Identity) -> Value {
    json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": base64_of(identity)})
}

/// Asserts an error in Graph's form; gives its code.
pub(crate) fn refused(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    let body = answer.json();
    let error = &body["error"];
    assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{body}");
    for name in ["date", "request-id", "client-request-id"] {
        assert!(error["innerError"][name].is_string(), "{body}");
    }
    assert!(!answer.body.contains("PRIVATE KEY"), "{body}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(status != 401 || answer.header("www-authenticate").starts_with("Bearer"));
    error["code"].as_str().unwrap().to_owned()
}
