//! Secrets made and removed, keys rolled with a proof of possession.

use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{encode_base64url, encode_base64url_padded};
use countersign_core::jose::alg::Alg;
use countersign_testkit::Identity;
use serde_json::{Value, json};

use super::support::NOW;
use super::{Graph, entry, identity, path, refused};

fn proof_of(identity: &Identity, claims: &Value, padded: bool) -> String {
    let encode = if padded { encode_base64url_padded } else { encode_base64url };
    let input = format!("{}.{}", encode(br#"{"alg":"RS256","typ":"JWT"}"#), encode(claims.to_string().as_bytes()));
    let signature = AwsLc.signer(&identity.key).unwrap().sign(Alg::Rs256, input.as_bytes()).unwrap();
    format!("{input}.{}", encode_base64url(&signature))
}

fn proof(identity: &Identity, application: &Value) -> String {
    let claims = json!({"aud": "00000002-0000-0000-c000-000000000000", "iss": application["id"], "nbf": NOW.secs(), "exp": NOW.secs() + 600});
    proof_of(identity, &claims, false)
}

async fn ask(graph: &Graph, application: &Value, secret: &str) -> u64 {
    let client = application["appId"].as_str().unwrap();
    let scope = "https://graph.microsoft.com/.default";
    let pairs =
        [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret), ("scope", scope)];
    let answer = graph.service.form(&graph.service.token_path(), &pairs).await;
    if answer.status == 200 { 0 } else { answer.refusal() }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_gone_when_removed() {
    let graph = Graph::new().await;
    let made = graph.create("secrets", &[]).await;
    let answer = graph
        .call("POST", &format!("{}/addPassword", path(&made)), &json!({"passwordCredential": {"displayName": "one"}}))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let entry = answer.json();
    let secret = entry["secretText"].as_str().unwrap().to_owned();
    assert_eq!(entry["displayName"], "one");
    assert_eq!(entry["endDateTime"], NOW.plus_secs(2 * 365 * 86_400).rfc3339());
    assert_eq!(ask(&graph, &made, &secret).await, 0);
    let read = graph.get(&path(&made)).await;
    assert!(!read.body.contains(&secret) && read.body.contains("\"hint\""));
    let remove = format!("{}/removePassword", path(&made));
    refused(&graph.call("POST", &remove, &json!({"keyId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11"})).await, 400);
    refused(&graph.call("POST", &remove, &json!({})).await, 400);
    assert_eq!(graph.call("POST", &remove, &json!({"keyId": entry["keyId"]})).await.status, 204);
    assert_ne!(ask(&graph, &made, &secret).await, 0);
    for file in std::fs::read_dir(graph.service.folder.path().join("data")).unwrap() {
        let held = std::fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!held.windows(secret.len()).any(|w| w == secret.as_bytes()));
    }
    let bare = graph.call("POST", &format!("{}/microsoft.graph.addPassword", path(&made)), &Value::Null).await;
    assert_eq!(bare.status, 200, "{}", bare.body);
    let past = json!({"passwordCredential": {"endDateTime": "2020-01-01T00:00:00Z"}});
    refused(&graph.call("POST", &format!("{}/addPassword", path(&made)), &past).await, 400);
}

#[tokio::test]
async fn patch_keeps_and_removes_secrets_but_makes_none() {
    let graph = Graph::new().await;
    let made = graph.create("secrets", &[]).await;
    let add = format!("{}/addPassword", path(&made));
    let one = graph.call("POST", &add, &json!({})).await.json();
    let two = graph.call("POST", &add, &json!({})).await.json();
    refused(
        &graph.patch(&made, &json!({"passwordCredentials": [{"displayName": "new", "secretText": "mine"}]})).await,
        400,
    );
    assert_eq!(graph.patch(&made, &json!({"passwordCredentials": [{"keyId": two["keyId"]}]})).await.status, 204);
    assert_ne!(ask(&graph, &made, one["secretText"].as_str().unwrap()).await, 0);
    assert_eq!(ask(&graph, &made, two["secretText"].as_str().unwrap()).await, 0);
}

#[tokio::test]
async fn keys_are_rolled_by_whoever_holds_one() {
    let graph = Graph::new().await;
    let (a, b, stranger) = (identity(0), identity(1), identity(2));
    let made = graph.create("rolled", &[&a]).await;
    let add = format!("{}/addKey", path(&made));
    let body = |proof: String| json!({"keyCredential": entry(&b), "passwordCredential": null, "proof": proof});
    let claims = |changes: Value| {
        let mut claims = json!({"aud": "00000002-0000-0000-c000-000000000000", "iss": made["id"], "nbf": NOW.secs(), "exp": NOW.secs() + 600});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    };
    for (changes, signer) in [
        (json!({}), &stranger),
        (json!({}), &b),
        (json!({"iss": made["appId"]}), &a),
        (json!({"aud": "https://graph.microsoft.com"}), &a),
        (json!({"exp": NOW.secs() + 3_600}), &a),
        (json!({"nbf": NOW.secs() - 2_000, "exp": NOW.secs() - 1_400}), &a),
    ] {
        refused(&graph.call("POST", &add, &body(proof_of(signer, &claims(changes.clone()), false))).await, 400);
    }
    for malformed in [proof_of(&a, &claims(json!({"x": "12"})), true), "nonsense".to_owned()] {
        let answer = graph.call("POST", &add, &body(malformed)).await;
        assert_eq!(refused(&answer, 401), "Authentication_MissingOrMalformed");
    }
    refused(&graph.call("POST", &add, &json!({"keyCredential": entry(&b)})).await, 400);
    refused(&graph.call("POST", &add, &json!({"keyCredential": entry(&a), "proof": proof(&a, &made)})).await, 400);
    assert_eq!(graph.keys(&made).await.len(), 1);

    let answer = graph.call("POST", &add, &body(proof(&a, &made))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(graph.token_code(&made, &b).await, 0);
    let old = graph.keys(&made).await[0]["keyId"].clone();
    let remove = format!("{}/removeKey", path(&made));
    refused(&graph.call("POST", &remove, &json!({"keyId": old, "proof": proof(&stranger, &made)})).await, 400);
    refused(
        &graph
            .call("POST", &remove, &json!({"keyId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11", "proof": proof(&b, &made)}))
            .await,
        400,
    );
    assert_eq!(graph.call("POST", &remove, &json!({"keyId": old, "proof": proof(&b, &made)})).await.status, 204);
    assert_eq!((graph.token_code(&made, &a).await, graph.token_code(&made, &b).await), (700_027, 0));
    refused(&graph.call("POST", &add, &json!({"keyCredential": entry(&a), "proof": proof(&a, &made)})).await, 400);
}

#[tokio::test]
async fn an_application_rolls_its_own_keys_without_a_role_and_nobody_elses() {
    let graph = Graph::new().await;
    let (a, b) = (identity(0), identity(1));
    let (own, other) = (graph.create("own", &[&a]).await, graph.create("other", &[&a]).await);
    let token = graph.access_token(&own, &a).await;
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let send = |application: &Value| {
        let body = json!({"keyCredential": entry(&b), "passwordCredential": null, "proof": proof(&a, application)})
            .to_string();
        let (graph, headers, path) = (&graph, &headers, format!("/v1.0{}/addKey", path(application)));
        async move { graph.service.send("POST", &path, headers, body.as_bytes()).await }
    };
    refused(&send(&other).await, 403);
    let answer = send(&own).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!((graph.token_code(&own, &b).await, graph.token_code(&other, &b).await), (0, 700_027));
}
