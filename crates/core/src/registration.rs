//! What the authorization server knows of a client: Microsoft Graph's `application` as the rules need it.
//!
//! The service fills it from its store, the doctor from the JSON a person hands in (where `key` is often null).

use crate::encoding;
use crate::time::UnixTime;
use crate::x509::certificate::Certificate;

/// An application registration with its service principal.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// Application (client) id, a GUID in lower case.
    pub app_id: String,
    /// Object id of the application; never a client id.
    pub object_id: String,
    /// Display name.
    pub display_name: String,
    /// Whether the application itself may be used (`disabledByMicrosoftStatus`, `accountEnabled`).
    pub enabled: bool,
    /// A public client: any credential is refused (AADSTS700025).
    pub is_public: bool,
    /// Its service principal in the tenant, if there is one.
    pub service_principal: Option<ServicePrincipal>,
    /// Certificates.
    pub key_credentials: Vec<KeyCredential>,
    /// Secrets, as digests.
    pub password_credentials: Vec<PasswordCredential>,
    /// External issuers trusted instead of a key.
    pub federated_credentials: Vec<FederatedCredential>,
    /// Subject names trusted when a chain to their authority travels in `x5c`.
    pub trusted_subjects: Vec<TrustedSubject>,
}

/// The service principal of an application in one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePrincipal {
    /// Object id of the service principal: `oid` and `sub` of its tokens.
    pub object_id: String,
    /// `accountEnabled`.
    pub enabled: bool,
}

/// A certificate entry of an application (Graph `keyCredential`).
#[derive(Clone, Debug)]
pub struct KeyCredential {
    /// `keyId`, a GUID.
    pub key_id: String,
    /// The certificate in `key`; `None` when Graph did not return it (`key: null`).
    pub certificate: Option<Certificate>,
    /// `customKeyIdentifier` as written; free text, never trusted where `key` is at hand.
    pub custom_key_identifier: Option<String>,
    /// `startDateTime`.
    pub start: UnixTime,
    /// `endDateTime`.
    pub end: UnixTime,
    /// `displayName`.
    pub display_name: String,
}

impl KeyCredential {
    /// Start of the window in which this key may be used: the entry's and the certificate's, whichever is later.
    pub fn usable_from(&self) -> UnixTime {
        self.certificate.as_ref().map_or(self.start, |c| self.start.max(c.not_before()))
    }

    /// End of that window: the entry's and the certificate's, whichever is earlier.
    pub fn usable_until(&self) -> UnixTime {
        self.certificate.as_ref().map_or(self.end, |c| self.end.min(c.not_after()))
    }

    /// The digest that `customKeyIdentifier` spells, if it spells one of 20 or 32 bytes (hex, or base64 of the bytes,
    /// or base64 of hex text: all three occur).
    pub fn custom_digest(&self) -> Option<Vec<u8>> {
        let text = self.custom_key_identifier.as_deref()?;
        let digest = |bytes: Vec<u8>| matches!(bytes.len(), 20 | 32).then_some(bytes);
        if let Some(bytes) = encoding::decode_hex_separated(text).and_then(digest) {
            return Some(bytes);
        }
        let bytes = encoding::decode_base64(text).ok()?.bytes;
        match std::str::from_utf8(&bytes).ok().and_then(encoding::decode_hex_separated).and_then(digest) {
            Some(inner) => Some(inner),
            None => digest(bytes),
        }
    }
}

/// A secret of an application (Graph `passwordCredential`), as the service keeps it.
#[derive(Clone)]
pub struct PasswordCredential {
    /// `keyId`, a GUID.
    pub key_id: String,
    /// HMAC-SHA-256 of the secret under the server's key.
    pub digest: [u8; 32],
    /// `startDateTime`.
    pub start: UnixTime,
    /// `endDateTime`.
    pub end: UnixTime,
    /// `displayName`.
    pub display_name: String,
    /// First characters, shown to tell secrets apart (Graph `hint`).
    pub hint: String,
}

impl std::fmt::Debug for PasswordCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordCredential")
            .field("key_id", &self.key_id)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// A federated identity credential (Graph `federatedIdentityCredential`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FederatedCredential {
    /// `id`
    pub id: String,
    /// `name`
    pub name: String,
    /// `issuer`, compared exactly.
    pub issuer: String,
    /// `subject`, compared exactly.
    pub subject: String,
    /// `audiences`, exactly one.
    pub audiences: Vec<String>,
}

/// A subject name trusted through an authority (Graph `trustedCertificateSubject`).
#[derive(Clone, Debug)]
pub struct TrustedSubject {
    /// `subjectName`: common name or DNS name of the leaf.
    pub subject_name: String,
    /// Roots of the authority that `authorityId` names.
    pub anchors: Vec<Certificate>,
    /// `revokedCertificateIdentifiers`
    pub revoked: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_digest_in_custom_key_identifier() {
        let key = |text: &str| KeyCredential {
            key_id: String::new(),
            certificate: None,
            custom_key_identifier: Some(text.to_owned()),
            start: UnixTime::EPOCH,
            end: UnixTime::EPOCH,
            display_name: String::new(),
        };
        let hex = "84E05C1D98BCE3A5421D225B140B36E86A3D5534";
        let bytes = encoding::decode_hex(hex);
        assert_eq!(key(hex).custom_digest(), bytes);
        assert_eq!(key("hOBcHZi846VCHSJbFAs26Go9VTQ=").custom_digest(), bytes);
        assert_eq!(key(&encoding::encode_base64(hex.as_bytes())).custom_digest(), bytes);
        assert_eq!(key("Y2VydA==").custom_digest(), None);
    }
}
