//! Azure Key Vault's `sign`: a certificate whose key never leaves the vault.
//!
//! Contract: Key Vault REST API 7.4, "Get Certificate" and "Sign" (Microsoft Learn, rest/api/keyvault). The access token for the
//! vault comes from a [`TokenSource`]; it is sent to the vault's own origin and nowhere else.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use countersign_core::encoding::{decode_base64, encode_base64url};
use countersign_core::jose::alg::Alg;
use countersign_core::x509::certificate::Certificate;
use reqwest::{StatusCode, Url};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::CredentialError;
use super::certificate::{AssertionStyle, CertificateCredential};
use super::signer::{Signer, SignerError, Signing};
use tokio::time::Instant;

use crate::token_source::TokenSource;
use crate::transport::{TransportOptions, http_client, unreachable};

/// Version of the REST API.
const API_VERSION: &str = "7.4";
/// Longest answer that is read.
const MAX_ANSWER: usize = 256 * 1024;

/// Where a certificate lies in a vault: `https://NAME.vault.azure.net/certificates/CERTIFICATE[/VERSION]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultCertificate(Url);

impl VaultCertificate {
    /// Reads such a URL.
    ///
    /// # Errors
    /// [`SignerError`] naming the form.
    pub fn parse(text: &str) -> Result<Self, SignerError> {
        let wrong = || {
            SignerError::new(format!(
                "'{text}' names no certificate in a vault; expected https://NAME.vault.azure.net/certificates/CERTIFICATE[/VERSION]"
            ))
        };
        let url = Url::parse(text).map_err(|_| wrong())?;
        let segments: Vec<&str> = url.path().trim_matches('/').split('/').collect();
        let named = matches!(segments[..], ["certificates", name] | ["certificates", name, _] if !name.is_empty());
        let plain = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
        if named && plain && is_safe(&url) { Ok(Self(url)) } else { Err(wrong()) }
    }

    /// The scope of a token for this vault.
    pub fn scope(&self) -> String {
        // The DNS suffixes of vaults in each cloud (Microsoft's list of national clouds).
        let host = self.0.host_str().unwrap_or_default();
        let resource = ["vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn", "managedhsm.azure.net"]
            .into_iter()
            .find(|suffix| host.ends_with(&format!(".{suffix}")))
            .unwrap_or("vault.azure.net");
        format!("https://{resource}/.default")
    }
}

/// https, or http on this machine.
fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]")),
        _ => false,
    }
}

/// A certificate in a vault, fetched when it is first needed and again after an hour, so that a version made meanwhile comes into use.
#[derive(Clone, Debug)]
pub struct KeyVaultCredential(Arc<Vault>);

#[derive(Debug)]
struct Vault {
    place: VaultCertificate,
    tokens: Arc<dyn TokenSource>,
    transport: TransportOptions,
    style: AssertionStyle,
    state: tokio::sync::Mutex<Fetched>,
}

#[derive(Debug, Default)]
struct Fetched {
    at: Option<Instant>,
    /// Newest first: the server may not know the newest yet.
    versions: Vec<CertificateCredential>,
}

/// How long a fetched certificate counts as the newest.
const FETCHED_LIFE: Duration = Duration::from_secs(3_600);

impl KeyVaultCredential {
    /// The certificate at this place; `tokens` open the vault.
    pub fn new(
        place: VaultCertificate,
        tokens: Arc<dyn TokenSource>,
        transport: TransportOptions,
        style: AssertionStyle,
    ) -> Self {
        Self(Arc::new(Vault { place, tokens, transport, style, state: tokio::sync::Mutex::default() }))
    }

    /// What to try, newest first.
    pub(super) async fn candidates(&self) -> Result<Vec<CertificateCredential>, CredentialError> {
        let vault = &self.0;
        let mut state = vault.state.lock().await;
        if state.at.is_some_and(|at| at.elapsed() < FETCHED_LIFE) {
            return Ok(state.versions.clone());
        }
        let fetched = KeyVaultSigner::credential(&vault.place, Arc::clone(&vault.tokens), &vault.transport).await;
        match fetched.and_then(|c| c.with_style(vault.style)) {
            Ok(newest) => {
                state.versions.retain(|c| c.certificate() != newest.certificate());
                state.versions.insert(0, newest);
                state.versions.truncate(2);
                state.at = Some(Instant::now());
            }
            Err(error) if state.versions.is_empty() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the vault's certificate could not be fetched again; the old one serves")
            }
        }
        Ok(state.versions.clone())
    }

    /// The certificate as the vault has it.
    ///
    /// # Errors
    /// [`CredentialError::Signer`] with the vault's own error code.
    pub async fn current(&self) -> Result<CertificateCredential, CredentialError> {
        let first = self.candidates().await?.into_iter().next();
        first.ok_or_else(|| SignerError::new("the vault gave no certificate").into())
    }
}

/// A key in Azure Key Vault.
#[derive(Debug)]
pub struct KeyVaultSigner {
    http: reqwest::Client,
    tokens: Arc<dyn TokenSource>,
    scope: String,
    key: Url,
}

impl KeyVaultSigner {
    /// Reads the certificate from its vault and gives a credential that signs with the certificate's key there. A version that
    /// the vault makes later is used once this is called again.
    ///
    /// # Errors
    /// [`CredentialError::Signer`] with the vault's own error code.
    pub async fn credential(
        place: &VaultCertificate,
        tokens: Arc<dyn TokenSource>,
        transport: &TransportOptions,
    ) -> Result<CertificateCredential, CredentialError> {
        let mut transport = transport.clone();
        transport.direct |= place.0.scheme() == "http";
        let http = http_client(&transport).map_err(|e| SignerError::new(e.to_string()))?;
        let scope = place.scope();
        let answer = send(http.get(versioned(&place.0)), &*tokens, &scope).await?;
        let member = |name: &str| {
            let text = answer.get(name).and_then(Value::as_str);
            text.ok_or_else(|| SignerError::new(format!("the vault's certificate has no `{name}`")))
        };
        let der = decode_base64(member("cer")?).map(|d| d.bytes);
        let certificate = der.ok().and_then(|der| Certificate::from_der(&der).ok());
        let certificate = certificate.ok_or_else(|| SignerError::new("the vault's `cer` is no certificate in DER"))?;
        let kid = member("kid")?;
        // The token goes where the person pointed, not where an answer points.
        let key =
            Url::parse(kid).ok().filter(|key| key.origin() == place.0.origin() && key.path().starts_with("/keys/"));
        let key =
            key.ok_or_else(|| SignerError::new(format!("the vault's `kid` '{kid}' is no key of the same vault")))?;
        CertificateCredential::with_signer(certificate, &[], Arc::new(Self { http, tokens, scope, key }))
    }

    async fn sign_there(&self, alg: Alg, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let digest = digest::digest(hash_of(alg), message);
        let mut url = self.key.clone();
        url.path_segments_mut()
            .map_err(|()| SignerError::new("the key's URL has no path"))?
            .pop_if_empty()
            .push("sign");
        let body = json!({ "alg": alg.name(), "value": encode_base64url(digest.as_ref()) }).to_string();
        let request = self.http.post(versioned(&url)).header("content-type", "application/json").body(body);
        let answer = send(request, &*self.tokens, &self.scope).await?;
        let value = answer.get("value").and_then(Value::as_str);
        let signature = value.and_then(|v| decode_base64(v).ok()).map(|d| d.bytes);
        signature.ok_or_else(|| SignerError::new("the vault answered a signature request without `value`"))
    }
}

impl Signer for KeyVaultSigner {
    fn sign<'a>(&'a self, alg: Alg, message: &'a [u8]) -> Signing<'a> {
        Box::pin(self.sign_there(alg, message))
    }
}

pub(super) fn hash_of(alg: Alg) -> &'static digest::Algorithm {
    match alg {
        Alg::Rs256 | Alg::Ps256 | Alg::Es256 => &digest::SHA256,
        Alg::Rs384 | Alg::Ps384 | Alg::Es384 => &digest::SHA384,
        Alg::Rs512 | Alg::Ps512 | Alg::Es512 => &digest::SHA512,
    }
}

fn versioned(url: &Url) -> Url {
    let mut url = url.clone();
    url.query_pairs_mut().append_pair("api-version", API_VERSION);
    url
}

/// Sends with a token, and reads JSON or the vault's error.
async fn send(request: reqwest::RequestBuilder, tokens: &dyn TokenSource, scope: &str) -> Result<Value, SignerError> {
    let token = tokens.token(scope).await.map_err(|e| {
        let error = SignerError::new(format!("no token for the key vault: {e}"));
        if e.is_transient() { error.transient() } else { error }
    })?;
    let request = request.bearer_auth(token.access_token.expose_secret()).header("accept", "application/json");
    let failed = |e: reqwest::Error| {
        let url = e.url().map(|u| u.origin().ascii_serialization()).unwrap_or_default();
        SignerError::new(unreachable(&url, &e).to_string()).transient()
    };
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(SignerError::new("the vault answered with more than 256 KiB"));
        }
        body.extend_from_slice(&chunk);
    }
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    if status.is_success() {
        return Ok(json);
    }
    // {"error":{"code":"Forbidden","message":"…","innererror":{"code":"ForbiddenByRbac"}}}
    let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let code = [text("/error/innererror/code"), text("/error/code")].into_iter().find(|t| !t.is_empty());
    let message = text("/error/message").lines().next().unwrap_or_default().trim_end_matches('.');
    let hint = match status {
        StatusCode::FORBIDDEN => {
            "; the identity needs `certificates/get` and `keys/sign` (role Key Vault Crypto User and Key Vault Certificate User)"
        }
        StatusCode::UNAUTHORIZED => "; the token is for another tenant or resource than the vault's",
        StatusCode::NOT_FOUND => "; name an existing certificate of this vault",
        _ => "",
    };
    let error =
        SignerError::new(format!("the key vault refused ({status}, {}): {message}{hint}", code.unwrap_or("no code")));
    Err(if status.as_u16() == 429 || status.is_server_error() { error.transient() } else { error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_certificate_of_a_vault() {
        let place = VaultCertificate::parse("https://payroll.vault.azure.net/certificates/daemon").unwrap();
        assert_eq!(place.scope(), "https://vault.azure.net/.default");
        let gov = VaultCertificate::parse("https://p.vault.usgovcloudapi.net/certificates/d/0123abcd").unwrap();
        assert_eq!(gov.scope(), "https://vault.usgovcloudapi.net/.default");
        for wrong in [
            "payroll",
            "http://payroll.vault.azure.net/certificates/daemon",
            "https://payroll.vault.azure.net/keys/daemon",
            "https://payroll.vault.azure.net/certificates/",
            "https://payroll.vault.azure.net/certificates/a/b/c",
            "https://me@payroll.vault.azure.net/certificates/a",
            "https://payroll.vault.azure.net/certificates/a?x=1",
        ] {
            let text = VaultCertificate::parse(wrong).unwrap_err().to_string();
            assert!(text.contains(wrong) && text.contains("/certificates/CERTIFICATE"), "{text}");
        }
    }
}
