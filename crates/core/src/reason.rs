//! Every way to be refused, with the values that differ.
//!
//! A check returns a [`Reason`]; `entra` gives it a number and words, `oauth` an error code and a status. The match
//! arms there have no wildcard, so that a variant added here cannot be forgotten.

use crate::encoding::Oddities;
use crate::jose::JwtError;
use crate::time::UnixTime;

/// Which part of an assertion a reason speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The protected header.
    Header,
    /// The claims set.
    Claims,
}

impl Part {
    /// `header` or `claims`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Claims => "claims",
        }
    }
}

/// Why the signature's key could not be used although it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyProblem {
    /// The algorithm needs another kind of key.
    OtherKind,
    /// Too small, too large or with an unsafe exponent.
    Weak,
}

/// The key credential that a header's key identifier selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The header's thumbprint, as bytes; `None` when the key was found by `kid`.
    pub thumbprint: Option<Vec<u8>>,
    /// `keyId` of the credential.
    pub key_id: String,
    /// Start of its validity, as AADSTS700027 prints it.
    pub start: UnixTime,
    /// End of its validity.
    pub end: UnixTime,
}

/// A way to be refused.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    // The request's form.
    /// A parameter that must be there is missing or empty.
    ParameterMissing {
        /// Its name.
        name: &'static str,
    },
    /// A parameter stands in the body more than once (RFC 6749 §3.2).
    ParameterRepeated {
        /// Its name.
        name: String,
    },
    /// More parameters than any client sends.
    TooManyParameters {
        /// How many are allowed.
        limit: usize,
    },
    /// `grant_type` names no grant that this endpoint knows.
    GrantTypeUnsupported {
        /// As received.
        received: String,
    },
    /// `resource` at the v2.0 endpoint.
    ResourceParameterAtV2,
    /// A client-credentials scope that does not end in `/.default`.
    ScopeNotDefault {
        /// As received.
        received: String,
    },
    /// A scope that names no resource.
    ScopeMalformed {
        /// As received.
        received: String,
    },
    /// A scope whose resource is neither a URI nor a GUID, so that it names none.
    ScopeNoResource {
        /// As received.
        received: String,
    },
    /// Scopes of more than one resource.
    ScopeManyResources {
        /// As received.
        received: String,
    },

    // The tenant.
    /// The tenant segment is no GUID, no domain name and no shared name.
    TenantMalformed {
        /// As received.
        received: String,
    },
    /// The tenant segment is the nil GUID.
    TenantNil,
    /// No such tenant here.
    TenantUnknown {
        /// As received.
        received: String,
    },
    /// `common` or `consumers`, which client credentials cannot use.
    TenantShared {
        /// As received.
        received: String,
    },
    /// `organizations`: nothing says which tenant is meant.
    TenantNotNamed,
    /// A proxy on the way says that this tenant must not be used from its network.
    TenantRestricted {
        /// Display name of the tenant.
        tenant: String,
    },

    // The credential.
    /// Neither assertion nor secret.
    CredentialMissing,
    /// More than one way of authentication in one request (RFC 6749 §2.3).
    CredentialTwice,
    /// `Authorization: Basic` that is no base64 of `id:secret`.
    BasicMalformed,
    /// `client_id` in the Basic header and in the body differ.
    BasicOtherClient,
    /// `client_assertion_type` is not the JWT bearer URN.
    AssertionTypeWrong {
        /// As received.
        received: String,
    },

    // The assertion's form.
    /// Not a compact JWT.
    NotAJwt(JwtError),
    /// A member stands twice in the header or the claims set.
    MemberRepeated {
        /// Where.
        part: Part,
        /// Its name.
        name: String,
    },
    /// A segment is not encoded as this profile demands.
    SegmentEncoding {
        /// `header`, `payload` or `signature`.
        segment: &'static str,
        /// What is unusual.
        oddities: Oddities,
    },
    /// A header member that this profile refuses.
    HeaderMember {
        /// Its name.
        name: String,
    },
    /// `typ` names another kind of token.
    TypWrong {
        /// As received.
        received: String,
    },
    /// `alg` is none of the accepted ones.
    AlgUnsupported {
        /// As received; empty when it is missing or no text.
        received: String,
        /// The accepted ones.
        accepted: &'static [crate::jose::alg::Alg],
    },
    /// No `x5t`, no `x5t#S256`, no `kid`.
    KeyIdentifierMissing,
    /// A thumbprint that this profile wants in canonical base64url.
    ThumbprintEncoding {
        /// `x5t` or `x5t#S256`.
        member: &'static str,
        /// The application.
        app_id: String,
        /// What is unusual.
        oddities: Oddities,
    },
    /// A required claim is missing.
    ClaimMissing {
        /// Its name.
        name: &'static str,
    },
    /// A claim has a type or value that cannot be read.
    ClaimUnreadable {
        /// Its name.
        name: &'static str,
        /// As received, or its JSON type.
        received: String,
    },

    // The client.
    /// No such application in the tenant.
    ClientUnknown {
        /// As received.
        client_id: String,
        /// Display name of the tenant.
        tenant: String,
    },
    /// The application or its service principal is disabled.
    ClientDisabled {
        /// The application.
        app_id: String,
        /// Its display name.
        name: String,
    },
    /// The application has no service principal in the tenant.
    ServicePrincipalMissing {
        /// The application.
        app_id: String,
        /// The tenant.
        tenant_id: String,
    },
    /// A public client sent a credential.
    ClientIsPublic,

    // The key.
    /// An assertion for an application without any certificate.
    NoKeys,
    /// No certificate of the application has the header's identifier.
    KeyNotFound {
        /// The application.
        app_id: String,
        /// The header's thumbprint, as bytes; `None` when none could be read.
        thumbprint: Option<Vec<u8>>,
        /// The application trusts subject names, so that a missing `x5c` may be the cause.
        trusts_subjects: bool,
    },
    /// The certificate was found and is no longer valid.
    KeyExpired {
        /// The application.
        app_id: String,
        /// The key.
        key: FoundKey,
        /// When it was judged.
        now: UnixTime,
    },
    /// The certificate was found and is not valid yet.
    KeyNotYetValid {
        /// The application.
        app_id: String,
        /// The key.
        key: FoundKey,
        /// When it was judged.
        now: UnixTime,
    },
    /// The key does not fit the algorithm, or must not be used.
    KeyUnusable {
        /// The algorithm.
        alg: &'static str,
        /// Kind of the registered key.
        key: &'static str,
        /// What is wrong.
        problem: KeyProblem,
    },
    /// The signature does not verify with the certificate found.
    SignatureWrong {
        /// The application.
        app_id: String,
        /// The key.
        key: FoundKey,
    },
    /// The chain in `x5c` is not trusted for this application.
    ChainUntrusted {
        /// Subject names of the leaf, at most ten.
        subjects: Vec<String>,
    },
    /// The certificate in `x5c` is outside its validity.
    ChainOutsideValidity,
    /// The certificate is revoked for this application.
    CertificateRevoked,

    // The claims.
    /// `aud` is not this token endpoint.
    AudienceWrong {
        /// As received.
        received: String,
        /// What would have been right, first form first.
        accepted: Vec<String>,
    },
    /// More than one audience.
    AudienceMany {
        /// How many.
        count: usize,
    },
    /// Now is outside `nbf` … `exp`.
    OutsideValidity {
        /// When it was judged.
        now: UnixTime,
        /// `nbf`, or `iat` where it lies ahead; `None` when there is none.
        from: Option<UnixTime>,
        /// `exp`.
        until: UnixTime,
    },
    /// `exp` lies further ahead than this profile allows.
    LifetimeTooLong {
        /// Seconds from issue to `exp`.
        seconds: i64,
        /// Seconds allowed.
        limit: i64,
        /// When it was judged.
        now: UnixTime,
        /// `exp`.
        until: UnixTime,
    },
    /// `iss` and `sub` are not the `client_id` of the request.
    ClientMismatch {
        /// `iss`
        iss: String,
        /// `sub`
        sub: String,
        /// `client_id`
        client_id: String,
    },
    /// `iss` has not the form that a server demands; Entra's rule is [`Self::ClientMismatch`].
    IssuerForm {
        /// As received.
        received: String,
        /// The form, in words.
        expected: &'static str,
    },
    /// `sub` is not `iss`.
    SubjectMismatch {
        /// `iss`
        iss: String,
        /// `sub`
        sub: String,
    },
    /// The `jti` was used before (profiles that remember it).
    Replayed {
        /// As received.
        jti: String,
    },

    // The secret.
    /// No secret of the application matches.
    SecretWrong {
        /// The application.
        app_id: String,
    },
    /// The secret matches one that has expired, or is not valid yet.
    SecretExpired {
        /// The application.
        app_id: String,
    },

    // Federation.
    /// A foreign token for an application without federated credentials.
    FederationNotConfigured {
        /// The application.
        app_id: String,
        /// Its display name.
        name: String,
    },
    /// No federated credential has the token's issuer.
    FederatedIssuer {
        /// `iss`
        received: String,
    },
    /// One has the issuer, none the subject.
    FederatedSubject {
        /// `sub`
        received: String,
        /// A credential matches when letter case is ignored.
        case_only: bool,
    },
    /// Issuer and subject match, the audience does not.
    FederatedAudience {
        /// `aud`
        received: String,
    },
    /// A federated credential trusts the issuer, which is Entra ID itself, for another tenant or in another cloud.
    FederatedIssuerForbidden {
        /// `iss`
        received: String,
        /// The issuer is of another cloud.
        other_cloud: bool,
    },
    /// Entra ID issued the token, and to a user.
    FederatedUserToken,
    /// The issuer's keys have none with the token's `kid` or `x5t`.
    FederatedKeyNotFound {
        /// The identifier as received.
        identifier: String,
        /// `iss`
        issuer: String,
    },
    /// The issuer's key was found and the signature does not verify.
    FederatedSignatureWrong,
    /// The issuer's metadata or keys cannot be had.
    FederatedIssuerUnreachable,

    // The resource.
    /// No such resource in the tenant.
    ResourceUnknown {
        /// As received.
        received: String,
        /// Display name of the tenant.
        tenant: String,
    },
    /// The resource's service principal is disabled.
    ResourceDisabled {
        /// As received.
        received: String,
    },
    /// At v1.0 the client names itself as the resource, by URI.
    ResourceIsClient {
        /// The client.
        app_id: String,
        /// Its display name.
        name: String,
    },
    /// The resource demands an app role and the client holds none.
    RoleRequired {
        /// The client.
        app_id: String,
        /// Its display name.
        name: String,
        /// The resource.
        resource_id: String,
        /// Its display name.
        resource_name: String,
    },
}
