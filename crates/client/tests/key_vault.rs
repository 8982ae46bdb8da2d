//! Azure Key Vault's sign call against a small server that answers as documented (`key_vault/*.json`: the shapes of Microsoft
//! Learn's REST reference, "Get Certificate" and "Sign", API version 7.4) and checks what it is asked.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed, and says where")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{Digest, SHA256};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::RSA_PSS_SHA256;
use countersign_client::{
    Authority, Credential, GivenToken, KeyVaultSigner, SecretString, TransportOptions, UnixTime, VaultCertificate,
};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{decode_base64, encode_base64, encode_base64url};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_testkit::{Identity, Spec};
use serde_json::Value;

/// A vault with one certificate. It signs whatever digest it is given, as the real one does.
struct Vault {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
    forbids: Arc<AtomicBool>,
    identity: Identity,
}

impl Vault {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let vault =
            Self { url, seen: Arc::default(), forbids: Arc::default(), identity: Identity::rsa(0, &Spec::default()) };
        let (url, seen, forbids, identity) =
            (vault.url.clone(), Arc::clone(&vault.seen), Arc::clone(&vault.forbids), vault.identity.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &url, &seen, &forbids, &identity);
            }
        });
        vault
    }

    fn place(&self) -> VaultCertificate {
        VaultCertificate::parse(&format!("{}/certificates/selfSignedCert01", self.url)).unwrap()
    }
}

fn answer(stream: TcpStream, url: &str, seen: &Mutex<Vec<String>>, forbids: &AtomicBool, identity: &Identity) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request = head.lines().next().unwrap().to_owned();
    let allowed = head.to_ascii_lowercase().contains("authorization: bearer vault-token");
    let (status, text) = if !allowed {
        (
            "401 Unauthorized",
            String::from(
                r#"{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}"#,
            ),
        )
    } else if forbids.load(Ordering::SeqCst) {
        ("403 Forbidden", include_str!("key_vault/forbidden.json").to_owned())
    } else if request.starts_with("GET /certificates/selfSignedCert01?api-version=7.4 ") {
        let cer = encode_base64(identity.certificate.der());
        ("200 OK", include_str!("key_vault/certificate.json").replace("{VAULT}", url).replace("{CER}", &cer))
    } else {
        assert!(
            request.starts_with("POST /keys/selfSignedCert01/012c6e2a5a1d4a4ab9b0b7bbb6a8f4c1/sign?api-version=7.4 "),
            "{request}"
        );
        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["alg"], "PS256");
        let digest = decode_base64(json["value"].as_str().unwrap()).unwrap().bytes;
        assert_eq!(digest.len(), 32, "a digest, not the message");
        let value = encode_base64url(&sign_digest(identity, &digest));
        ("200 OK", include_str!("key_vault/sign.json").replace("{VAULT}", url).replace("{VALUE}", &value))
    };
    seen.lock().unwrap().push(request);
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    reader.into_inner().write_all(answer.as_bytes()).unwrap();
}

/// PS256 over a digest that somebody else made.
fn sign_digest(identity: &Identity, bytes: &[u8]) -> Vec<u8> {
    let key = RsaKeyPair::from_pkcs8(identity.key.pkcs8_der()).unwrap();
    let digest = Digest::import_less_safe(bytes, &SHA256).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign_digest(&RSA_PSS_SHA256, &digest, &mut signature).unwrap();
    signature
}

fn tokens(text: &str) -> Arc<GivenToken> {
    Arc::new(GivenToken::new(SecretString::from(text)))
}

#[tokio::test]
async fn an_assertion_signed_in_the_vault_verifies() {
    let vault = Vault::start();
    let options = TransportOptions::default();
    let credential = KeyVaultSigner::credential(&vault.place(), tokens("vault-token"), &options).await.unwrap();
    assert_eq!(*credential.certificate(), vault.identity.certificate);
    let now = UnixTime::from_secs(1_781_013_681);
    let text = credential.sign_assertion("app", "https://login.example/t/oauth2/v2.0/token", now, 600).await.unwrap();
    let jwt = UnverifiedJwt::read(&text).unwrap();
    let verifier = AwsLc.verifier(vault.identity.key.public_key()).unwrap();
    verifier.verify(Alg::Ps256, jwt.compact.signing_input(), &jwt.compact.signature.bytes).unwrap();
    assert_eq!(vault.seen.lock().unwrap().len(), 2, "the certificate once, then one signature each");
    // It is a credential like any other.
    let authority = Authority::new("https://login.example", "t").unwrap();
    countersign_client::TokenClient::new(authority, "app", Credential::Certificate(credential)).unwrap();
}

#[tokio::test]
async fn a_refusal_of_the_vault_names_its_code_and_the_fix() {
    let vault = Vault::start();
    let options = TransportOptions::default();
    let credential = KeyVaultSigner::credential(&vault.place(), tokens("vault-token"), &options).await.unwrap();
    vault.forbids.store(true, Ordering::SeqCst);
    let error = credential.sign_assertion("app", "aud", UnixTime::EPOCH, 600).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("403") && text.contains("ForbiddenByRbac") && text.contains("keys/sign"), "{text}");
    assert!(!error.is_transient());

    let error =
        KeyVaultSigner::credential(&vault.place(), tokens("a-wrong-one"), &options).await.unwrap_err().to_string();
    assert!(error.contains("401") && error.contains("AKV10000") && !error.contains("a-wrong-one"), "{error}");
}
