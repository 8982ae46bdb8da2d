//! A client as a token request needs it: records of the store turned into the rules' registration, once per change.
//!
//! Called by the directory's cache on a miss. It decides nothing; what cannot be read admits nobody.

use std::sync::Arc;

use countersign_core::crypto::{Provider, Verify};
use countersign_core::facts::IssuerKey;
use countersign_core::keyfile;
use countersign_core::registration::{
    FederatedCredential, KeyCredential, PasswordCredential, Registration, ServicePrincipal, TrustedSubject,
};
use countersign_core::x509::certificate::Certificate;
use serde_json::Value;

use super::Tenant;
use crate::published;
use crate::store::ClientRecord;
use crate::store::model::{FederatedCredentialRecord, KeyCredentialRecord};

/// A client.
#[derive(Debug)]
pub struct Client {
    /// What the rules look at.
    pub registration: Registration,
    /// Roles it holds: object id of the resource's service principal, and value.
    pub roles: Vec<(String, String)>,
    /// Keys of the issuers that its federated credentials trust, where a seed brought them.
    pub issuer_keys: Vec<(String, Vec<IssuerKey>)>,
}

impl Client {
    /// Reads the records.
    pub fn of(record: ClientRecord, tenant: &Tenant, crypto: &dyn Provider) -> Self {
        let application = record.application;
        let registration = Registration {
            app_id: application.app_id,
            object_id: application.object_id,
            display_name: application.display_name,
            enabled: application.enabled,
            is_public: application.is_public,
            service_principal: record
                .service_principal
                .map(|s| ServicePrincipal { object_id: s.object_id, enabled: s.enabled }),
            key_credentials: application
                .key_credentials
                .into_iter()
                .filter_map(|k| key_credential(k, crypto))
                .collect(),
            password_credentials: application
                .password_credentials
                .into_iter()
                .filter_map(|p| {
                    Some(PasswordCredential {
                        digest: p.digest?,
                        key_id: p.key_id,
                        start: p.start,
                        end: p.end,
                        display_name: p.display_name.unwrap_or_default(),
                        hint: p.hint,
                    })
                })
                .collect(),
            federated_credentials: application
                .federated_credentials
                .iter()
                .map(|f| FederatedCredential {
                    id: f.id.clone(),
                    name: f.name.clone(),
                    issuer: f.issuer.clone(),
                    subject: f.subject.clone(),
                    audiences: f.audiences.clone(),
                })
                .collect(),
            trusted_subjects: application
                .trusted_subjects
                .into_iter()
                .map(|t| TrustedSubject {
                    anchors: tenant
                        .authorities
                        .iter()
                        .filter(|(id, _)| id.eq_ignore_ascii_case(&t.authority_id))
                        .map(|(_, certificate)| certificate.clone())
                        .collect(),
                    subject_name: t.subject_name,
                    revoked: t.revoked,
                })
                .collect(),
        };
        Self { registration, roles: record.roles, issuer_keys: issuer_keys(&application.federated_credentials, crypto) }
    }

    /// Leaves out certificates whose private key everybody has.
    pub fn leave_out_published(&mut self) {
        let app_id = &self.registration.app_id;
        self.registration.key_credentials.retain(|k| {
            let place = k.certificate.as_ref().and_then(|c| published::key(c.public_key()));
            if let Some(place) = place {
                tracing::warn!(app_id, key_id = k.key_id, place, "a key that everybody has admits nobody");
            }
            place.is_none()
        });
    }

    /// The roles held at a resource, by the object id of its service principal.
    pub fn roles_at(&self, resource_object_id: &str) -> Vec<String> {
        let mut roles: Vec<String> = self
            .roles
            .iter()
            .filter(|(id, value)| id == resource_object_id && !value.is_empty())
            .map(|(_, v)| v.clone())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }

    /// The keys of an issuer, where a seed brought them.
    pub fn keys_of_issuer(&self, issuer: &str) -> Option<&[IssuerKey]> {
        self.issuer_keys.iter().find(|(i, _)| i == issuer).map(|(_, keys)| keys.as_slice())
    }
}

/// A key credential that can admit somebody: a certificate for verifying. Entries of other types, and entries whose `key`
/// an import did not bring, are kept by the store and are no keys here.
fn key_credential(record: KeyCredentialRecord, crypto: &dyn Provider) -> Option<KeyCredential> {
    if record.kind != "AsymmetricX509Cert" || record.usage != "Verify" {
        return None;
    }
    let certificate = Certificate::from_der(&record.der?).ok()?;
    // Parsed at once, so that the first signature costs no more than the next one. A key that cannot be used is refused
    // by the check of that name.
    let _ = certificate.verifier(crypto);
    Some(KeyCredential {
        key_id: record.key_id,
        certificate: Some(certificate),
        custom_key_identifier: record.custom_key_identifier,
        start: record.start,
        end: record.end,
        display_name: record.display_name.unwrap_or_default(),
    })
}

pub fn issuer_keys(credentials: &[FederatedCredentialRecord], crypto: &dyn Provider) -> Vec<(String, Vec<IssuerKey>)> {
    let mut out: Vec<(String, Vec<IssuerKey>)> = Vec::new();
    for credential in credentials {
        let Some(jwks) = &credential.jwks else { continue };
        let keys =
            jwks.get("keys").and_then(Value::as_array).into_iter().flatten().filter_map(|k| issuer_key(k, crypto));
        match out.iter_mut().find(|(issuer, _)| *issuer == credential.issuer) {
            Some((_, known)) => known.extend(keys),
            None => out.push((credential.issuer.clone(), keys.collect())),
        }
    }
    out
}

/// One key of a JWK Set (RFC 7517 §4), if it is a public key for signatures that can be used here.
pub fn issuer_key(jwk: &Value, crypto: &dyn Provider) -> Option<IssuerKey> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str).map(str::to_owned);
    if text("use").is_some_and(|u| u != "sig") || jwk.get("d").is_some() {
        return None;
    }
    let file = keyfile::read(jwk.to_string().as_bytes(), None);
    let verifier: Arc<dyn Verify> = crypto.verifier(file.public_keys().next()?).ok()?;
    Some(IssuerKey { kid: text("kid"), x5t: text("x5t"), verifier })
}
