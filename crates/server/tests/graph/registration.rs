//! Certificates: everything that is refused, with nothing changed by it, and what is taken.

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_core::x509::key::Curve;
use countersign_testkit::{Identity, Spec};
use serde_json::{Value, json};

use super::support::NOW;
use super::{Graph, base64_of, entry, identity, path, refused};

fn changed(identity: &Identity, changes: &Value) -> Value {
    let mut entry = entry(identity);
    for (name, value) in changes.as_object().unwrap() {
        entry[name] = value.clone();
    }
    entry
}

/// Whatever is no certificate to register, as `key`.
fn bad_keys() -> Vec<(&'static str, Vec<u8>)> {
    let good = identity(1);
    let (pem, key) = (good.certificate_pem(), good.key_pem());
    let ended = Identity::rsa(1, &Spec { not_after: NOW.plus_secs(-1), ..Spec::default() });
    let plain = Identity::self_signed(AwsLc.generate_rsa(2048).unwrap(), &Spec::default());
    let curve = Identity::self_signed(AwsLc.generate_ec(&Curve::P256).unwrap(), &Spec::default());
    let mut behind = good.certificate.der().to_vec();
    behind.extend_from_slice(good.key.pkcs8_der());
    let mut garbage = good.certificate.der().to_vec();
    garbage.extend_from_slice(b"garbage");
    vec![
        ("private key, PEM", key.clone().into_bytes()),
        ("private key, DER", good.key.pkcs8_der().to_vec()),
        ("certificate and key", format!("{pem}{key}").into_bytes()),
        ("key and certificate", format!("{key}{pem}").into_bytes()),
        ("DER with a key behind", behind),
        ("PKCS#12", include_bytes!("../../../core/tests/fixtures/keyfile/modern.pfx").to_vec()),
        ("certificate request", include_bytes!("../../../core/tests/fixtures/keyfile/request.pem").to_vec()),
        ("public key", good.certificate.public_key().spki()),
        ("ended", ended.certificate.der().to_vec()),
        ("curve", curve.certificate.der().to_vec()),
        ("exponent 3", with_exponent(&plain, &[3])),
        ("exponent 1", with_exponent(&plain, &[1])),
        ("even exponent", with_exponent(&plain, &[1, 0, 0])),
        ("exponent of 65 bits", with_exponent(&plain, &[1, 0, 0, 0, 0, 0, 0, 0, 1])),
        ("cut short", good.certificate.der()[..good.certificate.der().len() - 10].to_vec()),
        ("garbage behind", garbage),
        ("garbage", [&[0x30, 0x82, 0xff, 0xff][..], &[b'x'; 200]].concat()),
        ("two certificates", format!("{pem}{pem}").into_bytes()),
        ("empty", Vec::new()),
        ("text", b"hello".to_vec()),
    ]
}

/// The certificate with another public exponent: the key's DER is replaced and the lengths around it are mended. Its
/// signature no longer fits, which nobody looks at.
fn with_exponent(identity: &Identity, exponent: &[u8]) -> Vec<u8> {
    use countersign_core::x509::key::PublicKey;
    let PublicKey::Rsa(rsa) = identity.certificate.public_key() else { panic!("not RSA") };
    let old = identity.certificate.public_key().spki();
    let new = PublicKey::rsa(&rsa.n, exponent).spki();
    let der = identity.certificate.der();
    let at = der.windows(old.len()).position(|w| w == old).unwrap();
    let grown = new.len() as i64 - old.len() as i64;
    let mut out = [&der[..at], &new, &der[at + old.len()..]].concat();
    // Both enclosing SEQUENCEs of an RSA-2048 certificate have lengths of two bytes: 30 82 hi lo.
    for header in [0, 4] {
        assert_eq!(out[header..header + 2], [0x30, 0x82]);
        let length = i64::from(u16::from_be_bytes([out[header + 2], out[header + 3]])) + grown;
        out[header + 2..header + 4].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
    }
    out
}

#[tokio::test]
async fn nothing_else_than_a_good_certificate_is_taken_and_a_refused_call_changes_nothing() {
    let graph = Graph::new().await;
    let good = identity(0);
    let application = graph.create("registration", &[&good]).await;
    let before = graph.keys(&application).await;
    for (name, bytes) in bad_keys() {
        let bad = changed(&good, &json!({"key": encode_base64(&bytes)}));
        let kept = json!({"keyId": before[0]["keyId"], "key": null});
        let body = json!({"displayName": "changed", "keyCredentials": [kept, entry(&identity(2)), bad]});
        refused(&graph.patch(&application, &body).await, 400);
        assert_eq!(graph.keys(&application).await, before, "{name}");
        refused(
            &graph.call("POST", "/applications", &json!({"displayName": "never", "keyCredentials": [bad]})).await,
            400,
        );
    }
    assert_eq!(graph.read(&path(&application)).await["displayName"], "registration");
    let never = graph.read("/applications?$filter=displayName%20eq%20'never'").await;
    assert_eq!(never["value"], json!([]));
    assert_eq!(graph.token_code(&application, &identity(2)).await, 700_027);
}

#[tokio::test]
async fn a_pasted_private_key_reaches_no_file() {
    let graph = Graph::new().await;
    let secret = identity(3);
    let key = secret.key_pem();
    let application = graph.create("registration", &[]).await;
    let with = |name: &str| changed(&secret, &json!({ name: key }));
    for body in [
        json!({"notes": key}),
        json!({"displayName": key}),
        json!({"someFutureThing": [{"a": encode_base64(key.as_bytes())}]}),
        json!({"keyCredentials": [with("displayName")]}),
        json!({"keyCredentials": [with("customKeyIdentifier")]}),
        json!({"keyCredentials": [with("keyId")]}),
        json!({"keyCredentials": [with("key")]}),
        json!({"keyCredentials": [with("somethingElse")]}),
    ] {
        refused(&graph.patch(&application, &body).await, 400);
    }
    let raw = secret.key.pkcs8_der();
    let needles = [
        raw[200..260].to_vec(),
        encode_base64(raw).into_bytes()[280..340].to_vec(),
        key.into_bytes()[300..360].to_vec(),
    ];
    for file in std::fs::read_dir(graph.service.folder.path().join("data")).unwrap() {
        let held = std::fs::read(file.unwrap().path()).unwrap_or_default();
        for needle in &needles {
            assert!(!held.windows(needle.len()).any(|w| w == needle));
        }
    }
}

#[tokio::test]
async fn entries_that_break_a_rule_name_it() {
    let graph = Graph::new().await;
    let (good, other) = (identity(0), identity(1));
    let application = graph.create("registration", &[&good]).await;
    let before = graph.keys(&application).await;
    let unknown = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";
    for (changes, word) in [
        (json!({"type": "Symmetric"}), "keyCredentials/1/type"),
        (json!({"type": "X509CertAndPassword"}), "keyCredentials/1/type"),
        (json!({"type": null}), "keyCredentials/1/type"),
        (json!({"usage": "Sign"}), "keyCredentials/1/usage"),
        (json!({"usage": 7}), "keyCredentials/1/usage"),
        (json!({"key": null, "keyId": unknown}), unknown),
        (json!({"key": null}), "keyCredentials/1/key"),
        (json!({"key": 5}), "keyCredentials/1/key"),
        (json!({"key": "***"}), "base64"),
        (json!({"keyId": "no guid"}), "keyCredentials/1/keyId"),
        (json!({"endDateTime": "2199-01-01T00:00:00Z"}), "past the certificate"),
        (json!({"endDateTime": "soon"}), "soon"),
        (json!({"startDateTime": "1999-01-01T00:00:00Z", "endDateTime": "1998-01-01T00:00:00Z"}), "startDateTime"),
    ] {
        let kept = json!({"keyId": before[0]["keyId"], "key": null});
        let answer = graph.patch(&application, &json!({"keyCredentials": [kept, changed(&other, &changes)]})).await;
        refused(&answer, 400);
        assert!(answer.body.contains(word), "{changes}: {}", answer.body);
        assert_eq!(graph.keys(&application).await, before, "{changes}");
    }
    refused(&graph.patch(&application, &json!({"keyCredentials": [entry(&other), entry(&other)]})).await, 400);
    for body in [json!({"keyCredentials": {}}), json!({"keyCredentials": null}), json!({"keyCredentials": ["x"]})] {
        refused(&graph.patch(&application, &body).await, 400);
    }
    assert_eq!(graph.keys(&application).await, before);
}

#[tokio::test]
async fn a_collection_is_replaced_and_takes_effect_on_the_next_request() {
    let graph = Graph::new().await;
    let (a, b) = (identity(0), identity(1));
    let application = graph.create("rotating", &[&a, &b]).await;
    assert_eq!((graph.token_code(&application, &a).await, graph.token_code(&application, &b).await), (0, 0));
    let before = graph.keys(&application).await;
    let kept = json!({"keyId": before[0]["keyId"], "key": null, "type": "AsymmetricX509Cert", "usage": "Verify"});
    assert_eq!(graph.patch(&application, &json!({"keyCredentials": [kept]})).await.status, 204);
    assert_eq!((graph.token_code(&application, &a).await, graph.token_code(&application, &b).await), (0, 700_027));
    // Given again with its `key`, a certificate keeps its entry.
    let again = changed(&a, &json!({"keyId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11", "displayName": "other"}));
    assert_eq!(graph.patch(&application, &json!({"keyCredentials": [again, entry(&b)]})).await.status, 204);
    let after = graph.keys(&application).await;
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    assert_eq!(graph.token_code(&application, &b).await, 0);
    assert_eq!(graph.patch(&application, &json!({"keyCredentials": []})).await.status, 204);
    assert_ne!(graph.token_code(&application, &a).await, 0);
}

#[tokio::test]
async fn the_key_comes_only_when_selected_on_one_object() {
    let graph = Graph::new().await;
    let a = identity(0);
    let application = graph.create("shown", &[&a]).await;
    assert_eq!(application["keyCredentials"][0]["key"], Value::Null);
    let plain = graph.read(&path(&application)).await;
    assert_eq!(plain["keyCredentials"][0]["key"], Value::Null);
    assert_eq!(plain["keyCredentials"][0]["customKeyIdentifier"], encode_base64(a.certificate.sha1()));
    let list = graph.read("/applications?$select=keyCredentials").await;
    assert_eq!(list["value"][0]["keyCredentials"][0]["key"], Value::Null);
    assert_eq!(graph.keys(&application).await[0]["key"], base64_of(&a));
}

#[tokio::test]
async fn windows_of_entry_and_certificate_both_count() {
    let graph = Graph::new().await;
    let ahead = Identity::rsa(1, &Spec { not_before: NOW.plus_secs(3 * 86_400), ..Spec::default() });
    let application = graph.create("ahead", &[&ahead]).await;
    assert_eq!(graph.token_code(&application, &ahead).await, 700_027);
    let end = NOW.plus_secs(30 * 86_400);
    let short = changed(&identity(2), &json!({"endDateTime": end.rfc3339()}));
    assert_eq!(graph.patch(&application, &json!({"keyCredentials": [short]})).await.status, 204);
    assert_eq!(graph.keys(&application).await[0]["endDateTime"], end.rfc3339());
    assert_eq!(graph.token_code(&application, &identity(2)).await, 0);
}

#[tokio::test]
async fn pem_in_base64_is_taken() {
    let graph = Graph::new().await;
    let a = identity(0);
    let pem = changed(&a, &json!({"key": encode_base64(a.certificate_pem().as_bytes())}));
    let answer = graph.call("POST", "/applications", &json!({"displayName": "pem", "keyCredentials": [pem]})).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(graph.token_code(&answer.json(), &a).await, 0);
}
