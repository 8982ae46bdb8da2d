//! Reason → OAuth error code (RFC 6749 §5.2) and HTTP status, as Entra pairs them.
//!
//! `invalid_client` came with 401 in every record, all others with 400.

use crate::reason::Reason;

/// The `error` member of an error response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OauthError {
    /// `invalid_request`
    InvalidRequest,
    /// `invalid_client`
    InvalidClient,
    /// `invalid_grant`
    InvalidGrant,
    /// `invalid_scope`
    InvalidScope,
    /// `invalid_resource`: Entra's own.
    InvalidResource,
    /// `unauthorized_client`
    UnauthorizedClient,
    /// `unsupported_grant_type`
    UnsupportedGrantType,
}

impl OauthError {
    /// As it stands in the response.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidResource => "invalid_resource",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
        }
    }

    /// HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidClient => 401,
            _ => 400,
        }
    }
}

/// The OAuth error of a reason. A whole recorded answer shows it for the codes of
/// [`STATUS_SEEN`](crate::entra::refusals::STATUS_SEEN) only; every other pairing is inferred from the code's documentation.
pub fn error(reason: &Reason) -> OauthError {
    use OauthError as E;
    match reason {
        Reason::ParameterMissing { .. }
        | Reason::ParameterRepeated { .. }
        | Reason::TooManyParameters { .. }
        | Reason::ResourceParameterAtV2
        | Reason::TenantMalformed { .. }
        | Reason::TenantNil
        | Reason::TenantUnknown { .. }
        | Reason::TenantShared { .. }
        | Reason::TenantNotNamed
        // Neither `error` nor status of a tenant restriction is on record.
        | Reason::TenantRestricted { .. }
        // Public reports name invalid_request beside the number.
        | Reason::ResourceIsClient { .. }
        | Reason::CredentialTwice
        | Reason::BasicMalformed
        | Reason::BasicOtherClient
        | Reason::AssertionTypeWrong { .. }
        | Reason::NotAJwt(_)
        | Reason::MemberRepeated { .. }
        | Reason::SegmentEncoding { .. }
        | Reason::HeaderMember { .. }
        | Reason::TypWrong { .. }
        | Reason::ClaimMissing { .. }
        | Reason::ClaimUnreadable { .. }
        | Reason::AudienceMany { .. }
        | Reason::KeyUnusable { .. }
        | Reason::FederatedIssuerUnreachable => E::InvalidRequest,
        Reason::GrantTypeUnsupported { .. } => E::UnsupportedGrantType,
        Reason::ScopeNotDefault { .. }
        | Reason::ScopeMalformed { .. }
        | Reason::ScopeNoResource { .. }
        | Reason::ScopeManyResources { .. } => E::InvalidScope,
        Reason::ClientUnknown { .. } | Reason::ClientDisabled { .. } => E::UnauthorizedClient,
        Reason::ResourceUnknown { .. } | Reason::ResourceDisabled { .. } => E::InvalidResource,
        Reason::RoleRequired { .. } => E::InvalidGrant,
        Reason::CredentialMissing
        | Reason::AlgUnsupported { .. }
        | Reason::KeyIdentifierMissing
        | Reason::ThumbprintEncoding { .. }
        | Reason::ServicePrincipalMissing { .. }
        | Reason::ClientIsPublic
        | Reason::NoKeys
        | Reason::KeyNotFound { .. }
        | Reason::KeyExpired { .. }
        | Reason::KeyNotYetValid { .. }
        | Reason::SignatureWrong { .. }
        | Reason::ChainUntrusted { .. }
        | Reason::ChainOutsideValidity
        | Reason::CertificateRevoked
        | Reason::AudienceWrong { .. }
        | Reason::OutsideValidity { .. }
        | Reason::LifetimeTooLong { .. }
        | Reason::ClientMismatch { .. }
        | Reason::IssuerForm { .. }
        | Reason::SubjectMismatch { .. }
        | Reason::Replayed { .. }
        | Reason::SecretWrong { .. }
        | Reason::SecretExpired { .. }
        | Reason::FederationNotConfigured { .. }
        | Reason::FederatedIssuer { .. }
        | Reason::FederatedSubject { .. }
        | Reason::FederatedAudience { .. }
        // `error` of these two is not on record; their neighbours 700211 to 700213 have this one.
        | Reason::FederatedIssuerForbidden { .. }
        | Reason::FederatedUserToken
        | Reason::FederatedKeyNotFound { .. }
        | Reason::FederatedSignatureWrong => E::InvalidClient,
    }
}
