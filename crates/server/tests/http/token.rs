//! Token endpoints: what is issued, what is refused, what is in force at once.

use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::decode_base64;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::profile::{ENTRA, STRICT};
use countersign_core::x509::key::PublicKey;
use countersign_server::store::model::{FederatedCredentialRecord, RoleAssignmentRecord};
use countersign_server::store::{Change, LogQuery};
use countersign_server::well_known::GRAPH;
use countersign_testkit::identity::{Identity, Spec};
use countersign_testkit::mutation::MUTATIONS;
use countersign_testkit::scenario::{Scenario, text};

use crate::support::*;

/// The claims of a token whose signature verifies with a published key.
async fn verified(service: &Service, answer: &Answer) -> serde_json::Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert!(body.get("client_info").is_none() && body.get("id_token").is_none());
    let token = body["access_token"].as_str().unwrap();
    let jwt = UnverifiedJwt::read(token).unwrap();
    let set = service.get(&format!("/{TENANT_ID}/discovery/v2.0/keys")).await.json();
    let kid = jwt.header.kid.text().unwrap();
    let key = set["keys"].as_array().unwrap().iter().find(|k| k["kid"] == kid).expect("the key is published");
    let bytes = |name: &str| decode_base64(key[name].as_str().unwrap()).unwrap().bytes;
    let verifier = AwsLc.verifier(&PublicKey::rsa(&bytes("n"), &bytes("e"))).unwrap();
    verifier.verify(Alg::Rs256, jwt.compact.signing_input(), &jwt.compact.signature.bytes).expect("signature");
    serde_json::from_slice(&jwt.compact.payload.bytes).unwrap()
}

#[tokio::test]
async fn a_certificate_gets_a_token() {
    let service = Service::with_client(&ENTRA).await;
    let answer = service.ask(&service.right()).await;
    let claims = verified(&service, &answer).await;
    assert_eq!((&claims["appid"], &claims["appidacr"]), (&CLIENT_ID.into(), &"2".into()));
    assert_eq!((&claims["oid"], &claims["sub"]), (&PRINCIPAL.into(), &PRINCIPAL.into()));
    assert_eq!(claims["aud"], "https://graph.microsoft.com");
    assert_eq!(claims["iss"], format!("{}/{TENANT_ID}/", service.url()));
    let expires_in = answer.json()["expires_in"].as_i64().unwrap();
    assert!((3599..=5399).contains(&expires_in));
    assert_eq!(claims["exp"].as_i64().unwrap(), NOW.secs() + expires_in + 1);
    assert_eq!(claims["nbf"].as_i64().unwrap(), NOW.secs() - 300);
    assert!(claims.get("roles").is_none());
    let again = verified(&service, &service.ask(&service.right()).await).await;
    assert_ne!(claims["uti"], again["uti"], "each answer is a token of its own");
}

#[tokio::test]
async fn a_secret_gets_a_token_in_body_and_basic() {
    let service = Service::with_client(&ENTRA).await;
    let scope = ("scope", "openid https://graph.microsoft.com/.default");
    let grant = ("grant_type", "client_credentials");
    let answer =
        service.form(&service.token_path(), &[grant, scope, ("client_id", CLIENT_ID), ("client_secret", SECRET)]).await;
    assert_eq!(verified(&service, &answer).await["appidacr"], "1");
    let basic = countersign_core::encoding::encode_base64(format!("{CLIENT_ID}:{SECRET}").as_bytes());
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\nAuthorization: Basic {basic}\r\n");
    let body = b"grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
    let answer = service.send("POST", &service.token_path(), &headers, body).await;
    assert_eq!(verified(&service, &answer).await["appidacr"], "1");
    for wrong in ["", "wrong", &SECRET[1..], &"x".repeat(3000)] {
        let answer = service
            .form(&service.token_path(), &[grant, scope, ("client_id", CLIENT_ID), ("client_secret", wrong)])
            .await;
        assert_eq!(answer.refusal(), if wrong.is_empty() { 7_000_216 } else { 7_000_215 });
        assert!(wrong.is_empty() || wrong == "wrong" || !answer.body.contains(wrong));
    }
    service.clock.set(later(86_401));
    let answer =
        service.form(&service.token_path(), &[grant, scope, ("client_id", CLIENT_ID), ("client_secret", SECRET)]).await;
    assert_eq!(answer.refusal(), 7_000_222);
}

#[tokio::test]
async fn v1_answers_in_text() {
    let service = Service::with_client(&ENTRA).await;
    let mut request = service.right();
    request.remove_parameter("scope");
    request.set_parameter("resource", "https://vault.azure.net");
    let answer = service.post(&format!("/{TENANT_ID}/oauth2/token"), &request.body()).await;
    assert_eq!(verified(&service, &answer).await["aud"], "https://vault.azure.net");
    let body = answer.json();
    let number = |name: &str| body[name].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(number("expires_on") - number("not_before"), number("expires_in") + 301);
    assert_eq!(body["resource"], "https://vault.azure.net");
    assert_eq!(body["ext_expires_in"], body["expires_in"]);
}

#[tokio::test]
async fn every_single_fault_is_answered_with_its_code() {
    let service = Service::with_client(&ENTRA).await;
    // What a fault changes besides the request (registration, clock, tenant) is core's to test.
    let surroundings =
        |s: &Scenario| format!("{:?} {:?} {:?} {:?}", s.registration, s.resource, s.tenant_exists, s.now);
    let right = surroundings(&Scenario::right());
    let mut sent = 0;
    for mutation in MUTATIONS {
        let mut request = Scenario::right();
        (mutation.apply)(&mut request);
        if surroundings(&request) != right {
            continue;
        }
        let answer = service.post(&format!("/{}/oauth2/v2.0/token", request.tenant_segment), &request.body()).await;
        assert_eq!(answer.refusal(), u64::from(mutation.code), "{}: {}", mutation.name, answer.body);
        sent += 1;
    }
    assert!(sent >= 40, "only {sent} faults were sent");
    assert_eq!(service.ask(&Scenario::right()).await.status, 200);
}

#[tokio::test]
async fn a_removed_key_works_no_more_on_the_next_request() {
    let service = Service::with_client(&ENTRA).await;
    assert_eq!(service.ask(&service.right()).await.status, 200);
    let store = service.running.app.store();
    let mut record = store.application(TENANT_ID, APPLICATION).await.unwrap().unwrap();
    let other = Identity::rsa(3, &Spec::default());
    record.key_credentials = vec![key(&other, "00000000-0000-4000-8000-00000000c009")];
    service.change([Change::UpdateApplication(Box::new(record))]).await;
    let answer = service.ask(&service.right()).await;
    assert_eq!(answer.refusal(), 700_027);
    assert!(answer.body.contains("The key was not found."), "{}", answer.body);
    service.change([Change::DeleteServicePrincipal { tenant_id: TENANT_ID.into(), object_id: PRINCIPAL.into() }]).await;
    let mut request = service.right();
    request.signer = other.clone();
    request.set_header("x5t#S256", text(&countersign_core::encoding::encode_base64url(other.certificate.sha256())));
    assert_eq!(service.ask(&request).await.refusal(), 7_000_229);
    service
        .change([Change::DeleteApplication { tenant_id: TENANT_ID.into(), object_id: APPLICATION.into(), time: NOW }])
        .await;
    assert_eq!(service.ask(&request).await.refusal(), 700_016);
}

#[tokio::test]
async fn roles_and_registered_resources() {
    let service = Service::with_client(&ENTRA).await;
    let mut api = application("0f4c7a10-9d3b-4a52-8c11-2b6e5d7f9013", "00000000-0000-4000-8000-00000000a002");
    api.identifier_uris.push("api://payroll".into());
    api.token_version = 2;
    let api_principal = "00000000-0000-4000-8000-00000000b002";
    let scope = |resource: &str| {
        let mut request = service.right();
        request.set_parameter("scope", format!("{resource}/.default"));
        request
    };
    assert_eq!(service.ask(&scope("api://payroll")).await.refusal(), 500_011, "not there yet");
    let (app_id, uri) = (api.app_id.clone(), "api://payroll");
    service.change([Change::CreateApplication(Box::new(api)), principal(&app_id, api_principal)]).await;
    for resource in [uri, &app_id, &app_id.to_uppercase(), &format!("api://{app_id}")] {
        let claims = verified(&service, &service.ask(&scope(resource)).await).await;
        assert_eq!((&claims["aud"], &claims["ver"]), (&app_id.as_str().into(), &"2.0".into()), "{resource}");
        assert_eq!(claims["azp"], CLIENT_ID);
    }
    let assign = |resource: &str, value: &str| {
        Change::CreateRoleAssignment(RoleAssignmentRecord {
            id: format!("{resource}-{value}"),
            tenant_id: TENANT_ID.into(),
            principal_id: PRINCIPAL.into(),
            resource_id: resource.into(),
            app_role_id: value.into(),
            value: value.into(),
            created: NOW,
        })
    };
    let graph = GRAPH.object_id(TENANT_ID);
    service.change([assign(&graph, "Application.Read.All"), assign(api_principal, "Payroll.Run")]).await;
    assert_eq!(
        verified(&service, &service.ask(&service.right()).await).await["roles"],
        serde_json::json!(["Application.Read.All"])
    );
    assert_eq!(verified(&service, &service.ask(&scope(uri)).await).await["roles"], serde_json::json!(["Payroll.Run"]));
    service
        .change([Change::DeleteRoleAssignment {
            tenant_id: TENANT_ID.into(),
            id: format!("{graph}-Application.Read.All"),
        }])
        .await;
    assert!(verified(&service, &service.ask(&service.right()).await).await.get("roles").is_none());
    service
        .change([Change::DeleteApplication {
            tenant_id: TENANT_ID.into(),
            object_id: "00000000-0000-4000-8000-00000000a002".into(),
            time: NOW,
        }])
        .await;
    assert_eq!(service.ask(&scope(uri)).await.refusal(), 500_011, "gone at once");
}

#[tokio::test]
async fn strict_takes_an_assertion_once() {
    let service = Service::with_client(&STRICT).await;
    let request = service.right().body();
    assert_eq!(service.post(&service.token_path(), &request).await.status, 200);
    let again = service.post(&service.token_path(), &request).await;
    assert_eq!(again.json()["error"], "invalid_client");
    again.refusal();
    let mut other = service.right();
    other.set_claim("jti", text("another"));
    assert_eq!(service.ask(&other).await.status, 200);
    // A refused assertion burns nothing.
    let mut wrong = service.right();
    wrong.set_claim("jti", text("third"));
    wrong.set_parameter("scope", "https://nowhere.example/.default");
    assert_eq!(service.ask(&wrong).await.refusal(), 500_011);
    wrong.set_parameter("scope", "https://graph.microsoft.com/.default");
    assert_eq!(service.ask(&wrong).await.status, 200);
}

#[tokio::test]
async fn the_journal_keeps_every_request_without_secrets() {
    let service = Service::with_client(&ENTRA).await;
    let request = service.right();
    let body = request.body();
    service.post(&service.token_path(), &body).await;
    service.post(&service.token_path(), &body.replace("graph.microsoft.com", "nowhere.example")).await;
    service.form(&service.token_path(), &[("client_id", CLIENT_ID), ("client_secret", SECRET)]).await;
    let app = &service.running.app;
    app.journal.settle().await;
    let query = LogQuery { tenant_id: TENANT_ID.into(), limit: 10, ..LogQuery::default() };
    let rows = app.store().sign_ins(&query).await.unwrap();
    assert_eq!(rows.len(), 3, "{rows:?}");
    let issued = rows.iter().find(|r| r.error_code == 0).unwrap();
    assert_eq!(issued.credential_type, "certificate");
    assert_eq!(issued.credential_key_id, "00000000-0000-4000-8000-00000000c001");
    assert_eq!(issued.credential_thumbprint.len(), 40);
    assert!(issued.assertion.is_empty() && issued.token_id.len() == 22);
    assert_eq!(rows.iter().filter(|r| r.error_code == 900_144).count(), 1);
    let refused = rows.iter().find(|r| r.error_code == 500_011).unwrap();
    assert_eq!(refused.assertion.matches('.').count(), 1, "header and claims, no signature");
    let all = format!("{rows:?}{:?}", app.journal.recent());
    let signature = body
        .split("client_assertion=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .rsplit('.')
        .next()
        .unwrap()
        .to_owned();
    assert!(!all.contains(SECRET) && !all.contains(&signature));
    assert_eq!(app.journal.recent().len(), 3);
}

#[tokio::test]
async fn ids_are_echoed_only_as_guids() {
    let service = Service::with_client(&ENTRA).await;
    let mine = "5f6a9e53-9b61-4f84-a0f5-2b6a3f1cf0aa";
    let send = async |value: &str| {
        service.send("POST", &service.token_path(), &format!("client-request-id: {value}\r\n"), b"x=y").await
    };
    let answer = send(mine).await;
    assert_eq!((answer.json()["correlation_id"].as_str().unwrap(), answer.header("client-request-id")), (mine, mine));
    for odd in ["<b>", "not-a-guid", &"x".repeat(4000)] {
        let answer = send(odd).await;
        answer.refusal();
        assert!(!answer.body.contains(odd) && answer.header("client-request-id").is_empty());
    }
}

/// A token of a foreign issuer, as a federated credential is used with.
fn foreign_token(identity: &Identity, issuer: &str, subject: &str, kid: &str) -> String {
    let encode = |json: serde_json::Value| countersign_core::encoding::encode_base64url(json.to_string().as_bytes());
    let header = encode(serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": kid}));
    let claims = encode(serde_json::json!({
        "iss": issuer, "sub": subject, "aud": "api://AzureADTokenExchange",
        "nbf": NOW.secs(), "iat": NOW.secs(), "exp": NOW.secs() + 600,
    }));
    let input = format!("{header}.{claims}");
    let signature = AwsLc.signer(&identity.key).unwrap().sign(Alg::Rs256, input.as_bytes()).unwrap();
    format!("{input}.{}", countersign_core::encoding::encode_base64url(&signature))
}

#[tokio::test]
async fn a_federated_token_gets_a_token_and_no_header_causes_a_request() {
    let service = Service::with_client(&ENTRA).await;
    let issuer = Identity::rsa(4, &Spec::default());
    let PublicKey::Rsa(rsa) = issuer.key.public_key().clone() else { panic!("RSA") };
    let url = countersign_core::encoding::encode_base64url;
    let jwks =
        serde_json::json!({"keys": [{"kty": "RSA", "kid": "k1", "use": "sig", "n": url(&rsa.n), "e": url(&rsa.e)}]});
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let private = format!("https://{}", listener.local_addr().unwrap());
    let credential = |id: &str, issuer: &str, jwks| FederatedCredentialRecord {
        id: id.into(),
        name: id.into(),
        issuer: issuer.into(),
        subject: "repo:x:ref:main".into(),
        audiences: vec!["api://AzureADTokenExchange".into()],
        description: None,
        jwks,
    };
    let mut record = service.running.app.store().application(TENANT_ID, APPLICATION).await.unwrap().unwrap();
    record.federated_credentials =
        vec![credential("f1", "https://token.example", Some(jwks)), credential("f2", &private, None)];
    service.change([Change::UpdateApplication(Box::new(record))]).await;
    let ask = async |token: String| {
        let mut request = service.right();
        request.set_parameter("client_assertion", token);
        service.ask(&request).await
    };
    let right = ask(foreign_token(&issuer, "https://token.example", "repo:x:ref:main", "k1")).await;
    assert_eq!(verified(&service, &right).await["appidacr"], "2");
    for (token, code) in [
        (foreign_token(&issuer, "https://token.example", "repo:x:ref:other", "k1"), 700_213),
        (foreign_token(&issuer, "https://other.example", "repo:x:ref:main", "k1"), 700_211),
        (
            foreign_token(&Identity::rsa(5, &Spec::default()), "https://token.example", "repo:x:ref:main", "k1"),
            7_000_274,
        ),
        // A private address is not asked unless the operator allows it.
        (foreign_token(&issuer, &private, "repo:x:ref:main", "k1"), 501_661),
    ] {
        let answer = ask(token).await;
        let found = answer.refusal();
        assert!(found == code, "{found} instead of {code}: {}", answer.body);
    }
    let mut request = service.right();
    for member in ["jku", "x5u"] {
        request.set_header(member, text(&private));
    }
    service.ask(&request).await.refusal();
    assert!(listener.accept().is_err(), "somebody connected");
}
