//! What the store keeps, as plain records: the directory's objects, keys, audit and sign-in rows.
//!
//! The Graph layer fills and reads them, the backends write them whole. They hold no rule and no secret in the clear:
//! secrets are digests, private keys are encrypted before they come here.

use std::sync::Arc;

use countersign_core::jose::alg::Alg;
use countersign_core::request::EndpointVersion;
use countersign_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::diagnosis::Diagnosis;

/// A tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// Tenant id, a GUID in lower case.
    pub id: String,
    /// Display name, as AADSTS700016 prints it.
    pub display_name: String,
    /// Verified domain names, lower case; each belongs to one tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// Roots for subject-name/issuer trust.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificate_authorities: Vec<CertificateAuthorityRecord>,
}

/// A root certificate that trusted subjects may refer to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateAuthorityRecord {
    /// What `authorityId` of a trusted subject names: a GUID, or the SHA-1 thumbprint in upper-case hex.
    pub id: String,
    /// DER of the certificate.
    #[serde(with = "base64_bytes")]
    pub der: Vec<u8>,
}

/// An application registration: what the rules need as fields, the rest of the Graph resource in `document`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ApplicationRecord {
    /// The tenant it is registered in.
    pub tenant_id: String,
    /// Object id (`id` in Graph), a GUID in lower case, given by the service.
    pub object_id: String,
    /// Application (client) id, a GUID in lower case; once per tenant.
    pub app_id: String,
    /// `displayName`
    pub display_name: String,
    /// `createdDateTime`
    #[serde(with = "time_text")]
    pub created: UnixTime,
    /// Counts the changes of this object; the store sets it and refuses an update that carries another (`ETag`).
    #[serde(default)]
    pub version: u64,
    /// `false` when the application itself is disabled.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// A public client (`isFallbackPublicClient`): any credential is refused (AADSTS700025).
    #[serde(default)]
    pub is_public: bool,
    /// `api.requestedAccessTokenVersion`: 1 (also for null) or 2.
    #[serde(default = "one")]
    pub token_version: u8,
    /// `api.requestedAccessTokenSigningAlgorithm`, which Microsoft's Graph does not have.
    #[serde(default, skip_serializing_if = "TokenAlg::is_default")]
    pub token_alg: TokenAlg,
    /// `identifierUris`; each once per tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identifier_uris: Vec<String>,
    /// `keyCredentials`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_credentials: Vec<KeyCredentialRecord>,
    /// `passwordCredentials`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub password_credentials: Vec<PasswordCredentialRecord>,
    /// `federatedIdentityCredentials`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub federated_credentials: Vec<FederatedCredentialRecord>,
    /// `trustedCertificateSubjects`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_subjects: Vec<TrustedSubjectRecord>,
    /// `appRoles`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub app_roles: Vec<AppRoleRecord>,
    /// All other members of the Graph resource, as received.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub document: Map<String, Value>,
}

/// How access tokens for a resource are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenAlg {
    /// As Entra does it.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// For resources that want many tokens: signing costs a tenth.
    #[serde(rename = "ES256")]
    Es256,
}

impl TokenAlg {
    /// The algorithm.
    pub const fn alg(self) -> Alg {
        match self {
            Self::Rs256 => Alg::Rs256,
            Self::Es256 => Alg::Es256,
        }
    }

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A certificate entry (Graph `keyCredential`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCredentialRecord {
    /// `keyId`, a GUID in lower case.
    pub key_id: String,
    /// `type`; only `AsymmetricX509Cert` authenticates.
    pub kind: String,
    /// `usage`; only `Verify` authenticates.
    pub usage: String,
    /// `displayName`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// `customKeyIdentifier`, as Graph's JSON shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_key_identifier: Option<String>,
    /// `startDateTime`
    #[serde(with = "time_text")]
    pub start: UnixTime,
    /// `endDateTime`
    #[serde(with = "time_text")]
    pub end: UnixTime,
    /// DER of the certificate in `key`; `None` where an import came with `key: null`: such an entry admits nobody.
    #[serde(default, with = "base64_option", skip_serializing_if = "Option::is_none")]
    pub der: Option<Vec<u8>>,
}

/// A secret (Graph `passwordCredential`), as its digest.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordCredentialRecord {
    /// `keyId`, a GUID in lower case.
    pub key_id: String,
    /// `displayName`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// First three characters (Graph `hint`).
    #[serde(default)]
    pub hint: String,
    /// `startDateTime`
    #[serde(with = "time_text")]
    pub start: UnixTime,
    /// `endDateTime`
    #[serde(with = "time_text")]
    pub end: UnixTime,
    /// HMAC-SHA-256 of the secret under the server's key ([`crate::secrets::Secrets::digest`]); `None` where an import
    /// came without it: such an entry admits nobody.
    #[serde(default, with = "digest_option", skip_serializing_if = "Option::is_none")]
    pub digest: Option<[u8; 32]>,
}

impl std::fmt::Debug for PasswordCredentialRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordCredentialRecord")
            .field("key_id", &self.key_id)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// A federated identity credential, with the issuer's keys where they were handed in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FederatedCredentialRecord {
    /// `id`, a GUID in lower case.
    pub id: String,
    /// `name`
    pub name: String,
    /// `issuer`, compared exactly.
    pub issuer: String,
    /// `subject`, compared exactly.
    pub subject: String,
    /// `audiences`, exactly one.
    pub audiences: Vec<String>,
    /// `description`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JWK Set of the issuer (the seed's convenience `jwks`); `None`: it has to be fetched from the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
}

/// A subject name trusted through an authority (Graph `trustedCertificateSubject`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedSubjectRecord {
    /// `subjectName`
    pub subject_name: String,
    /// `authorityId`: [`CertificateAuthorityRecord::id`] of the tenant.
    pub authority_id: String,
    /// `revokedCertificateIdentifiers`
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<String>,
}

/// A role that an application offers (Graph `appRole`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRoleRecord {
    /// `id`, a GUID in lower case.
    pub id: String,
    /// `value`: what stands in `roles` of a token.
    pub value: String,
    /// `displayName`
    #[serde(default)]
    pub display_name: String,
    /// `description`
    #[serde(default)]
    pub description: String,
    /// `isEnabled`
    #[serde(default = "yes")]
    pub enabled: bool,
    /// `allowedMemberTypes`
    #[serde(default)]
    pub allowed_member_types: Vec<String>,
}

/// A service principal: an application's presence in a tenant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServicePrincipalRecord {
    /// The tenant.
    pub tenant_id: String,
    /// Object id: `oid` and `sub` of its tokens.
    pub object_id: String,
    /// `appId`; once per tenant.
    pub app_id: String,
    /// `displayName`
    pub display_name: String,
    /// `accountEnabled`
    #[serde(default = "yes")]
    pub enabled: bool,
    /// `appRoleAssignmentRequired`
    #[serde(default)]
    pub assignment_required: bool,
    /// `createdDateTime`
    #[serde(with = "time_text")]
    pub created: UnixTime,
    /// Counts the changes of this object, as [`ApplicationRecord::version`].
    #[serde(default)]
    pub version: u64,
    /// All other members of the Graph resource.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub document: Map<String, Value>,
}

/// An app role that a service principal holds (Graph `appRoleAssignment`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAssignmentRecord {
    /// `id`, given by the service.
    pub id: String,
    /// The tenant.
    pub tenant_id: String,
    /// `principalId`: object id of the service principal that holds the role.
    pub principal_id: String,
    /// `resourceId`: object id of the resource's service principal; see [`crate::well_known`] for the built-in ones.
    pub resource_id: String,
    /// `appRoleId`
    pub app_role_id: String,
    /// `value` of the role at the time of the assignment; what stands in `roles`. Empty for the default role.
    #[serde(default)]
    pub value: String,
    /// `createdDateTime`
    #[serde(with = "time_text")]
    pub created: UnixTime,
}

/// A change of the directory, with who did what to which object (Graph `directoryAudit`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// `id`, a GUID.
    pub id: String,
    /// The tenant.
    pub tenant_id: String,
    /// `activityDateTime`
    #[serde(with = "time_text")]
    pub time: UnixTime,
    /// `correlationId`
    pub correlation_id: String,
    /// `activityDisplayName`, for example "Add application".
    pub activity: String,
    /// `category`, for example "ApplicationManagement".
    pub category: String,
    /// Who: "admin token", "seed", or the app id of the caller.
    pub actor: String,
    /// Object id of the target.
    pub target_id: String,
    /// Display name of the target.
    pub target_name: String,
    /// `modifiedProperties` and whatever else Graph shows; never a secret or a key.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub details: Value,
}

/// One token request in the sign-in log (Graph `signIn`, service principal).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInRecord {
    /// `id`: the trace id.
    pub id: String,
    /// The tenant; empty when the request named none that exists.
    pub tenant_id: String,
    /// `createdDateTime`, in microseconds since the epoch.
    pub time: i64,
    /// `correlationId`
    pub correlation_id: String,
    /// `appId`, as the request claimed it, cleaned.
    pub app_id: String,
    /// `appDisplayName`
    pub app_name: String,
    /// `servicePrincipalId`
    pub service_principal_id: String,
    /// `servicePrincipalCredentialKeyId`
    pub credential_key_id: String,
    /// `servicePrincipalCredentialThumbprint`
    pub credential_thumbprint: String,
    /// `federatedCredentialId`
    pub federated_credential_id: String,
    /// `clientCredentialType`: `certificate`, `clientSecret`, `federatedIdentityCredential`, `clientAssertion`, `none`.
    pub credential_type: String,
    /// Resource as asked for, cleaned.
    pub resource: String,
    /// `resourceServicePrincipalId`
    pub resource_id: String,
    /// `status.errorCode`: the AADSTS number, 0 when a token was issued.
    pub error_code: u32,
    /// `status.failureReason`: the description without ids.
    pub failure_reason: String,
    /// `uniqueTokenIdentifier`: `uti` of the token.
    pub token_id: String,
    /// `ipAddress`
    pub ip_address: String,
    /// Header and claims of a refused assertion, `header.claims` without the signature; empty when there was none.
    pub assertion: String,
    /// The client's library and version, as it says itself; cleaned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// `alg` of the assertion's header, cleaned.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub alg: String,
    /// Id of the check that refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub refused_by: String,
    /// Time to answer, in microseconds.
    #[serde(default)]
    pub micros: u32,
    /// What else a refused request said: path, and its form without secrets and assertion. For its diagnosis.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// See [`Self::path`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// The doctor's word on a refused request, made while it was whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<Box<Diagnosis>>,
    /// What an accepted request said, in memory only: these are the many.
    #[serde(skip)]
    pub accepted: Option<Box<Accepted>>,
}

/// What is remembered of an accepted request while it is among the newest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Header and claims of its assertion, without the signature.
    pub assertion: String,
    /// Base URL as the client called it.
    pub base: Arc<str>,
    /// The version of the endpoint.
    pub version: EndpointVersion,
}

/// A key that signs access tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// `kid` = `x5t` of its certificate.
    pub kid: String,
    /// `RS256`
    pub alg: String,
    /// DER of its self-signed certificate.
    pub certificate: Vec<u8>,
    /// PKCS#8, encrypted ([`crate::secrets::Secrets::seal`]).
    pub sealed_key: Vec<u8>,
    /// When it was made.
    pub created: UnixTime,
    /// From when on it signs; published before.
    pub signs_from: UnixTime,
    /// Until when it is published; `None` while it has no successor.
    pub published_until: Option<UnixTime>,
}

impl std::fmt::Debug for SigningKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKeyRecord")
            .field("kid", &self.kid)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}

const fn yes() -> bool {
    true
}

const fn one() -> u8 {
    1
}

/// Times as RFC 3339 text.
mod time_text {
    use super::UnixTime;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &UnixTime, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&time.rfc3339())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<UnixTime, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        UnixTime::parse(&text).ok_or_else(|| D::Error::custom(format!("'{text}' is no RFC 3339 date and time")))
    }
}

/// Bytes as base64 text.
mod base64_bytes {
    use countersign_core::encoding::{decode_base64, encode_base64};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encode_base64(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        decode_base64(&text).map(|d| d.bytes).map_err(|_| D::Error::custom("no base64"))
    }
}

/// Bytes that may be missing, as base64 text.
mod base64_option {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, to: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => super::base64_bytes::serialize(bytes, to),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<u8>>, D::Error> {
        #[derive(Deserialize)]
        struct Inner(#[serde(with = "super::base64_bytes")] Vec<u8>);
        Ok(Option::<Inner>::deserialize(from)?.map(|i| i.0))
    }
}

/// A digest that may be missing, as base64 text.
mod digest_option {
    use serde::{Deserializer, Serializer, de::Error};

    #[expect(clippy::ref_option, reason = "the signature serde asks for")]
    pub fn serialize<S: Serializer>(digest: &Option<[u8; 32]>, to: S) -> Result<S::Ok, S::Error> {
        match digest {
            Some(digest) => super::base64_bytes::serialize(digest, to),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<[u8; 32]>, D::Error> {
        super::base64_option::deserialize(from)?
            .map(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| D::Error::custom("a digest has 32 bytes")))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_round_trips_and_leaves_empty_members_out() {
        let mut record = ApplicationRecord {
            app_id: "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef".into(),
            created: UnixTime::from_secs(1_700_000_000),
            token_version: 2,
            ..ApplicationRecord::default()
        };
        assert!(!serde_json::to_string(&record).unwrap().contains("key_credentials"));
        record.key_credentials.push(KeyCredentialRecord { der: Some(vec![1, 2, 3]), ..KeyCredentialRecord::default() });
        record.key_credentials.push(KeyCredentialRecord::default());
        record.password_credentials.push(PasswordCredentialRecord { digest: Some([7; 32]), ..Default::default() });
        record.document.insert("tags".into(), serde_json::json!(["a"]));
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<ApplicationRecord>(&text).unwrap(), record);
    }
}
