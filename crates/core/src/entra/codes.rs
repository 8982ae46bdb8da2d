//! Reason → AADSTS code. The wordings are in `text`, the table of every known code in [`super::KNOWN`].

use super::{KNOWN, KnownCode};
use crate::reason::Reason;

/// The AADSTS code of a reason.
pub const fn code(reason: &Reason) -> u32 {
    match reason {
        Reason::ParameterMissing { .. } => 900_144,
        // Not on record for this grant; the wording is the general one for a request that cannot be decoded.
        Reason::ParameterRepeated { .. }
        | Reason::TooManyParameters { .. }
        | Reason::CredentialTwice
        | Reason::BasicMalformed
        | Reason::BasicOtherClient => 9_002_313,
        Reason::GrantTypeUnsupported { .. } => 70_003,
        Reason::ResourceParameterAtV2 => 901_002,
        Reason::ScopeNotDefault { .. } => 1_002_012,
        Reason::ScopeMalformed { .. } | Reason::ScopeNoResource { .. } => 70_011,
        Reason::ScopeManyResources { .. } => 700_022,
        Reason::TenantMalformed { .. } => 900_023,
        Reason::TenantNil => 900_021,
        Reason::TenantUnknown { .. } => 90_002,
        Reason::TenantShared { .. } => 9_001_023,
        Reason::TenantNotNamed => 50_059,
        Reason::TenantRestricted { .. } => 500_021,
        Reason::CredentialMissing => 7_000_216,
        Reason::AssertionTypeWrong { .. } => 90_011,
        Reason::NotAJwt(_)
        | Reason::MemberRepeated { .. }
        | Reason::SegmentEncoding { .. }
        | Reason::ClaimUnreadable { .. } => 50_027,
        Reason::HeaderMember { .. } => 5_002_726,
        Reason::TypWrong { .. } => 5_002_727,
        Reason::AlgUnsupported { .. } => 5_002_738,
        Reason::KeyIdentifierMissing => 5_002_723,
        Reason::ClaimMissing { .. } => 90_014,
        Reason::ClientUnknown { .. } => 700_016,
        Reason::ClientDisabled { .. } => 7_000_112,
        Reason::ServicePrincipalMissing { .. } => 7_000_229,
        Reason::ClientIsPublic => 700_025,
        Reason::NoKeys => 700_026,
        Reason::ThumbprintEncoding { .. }
        | Reason::KeyNotFound { .. }
        | Reason::KeyExpired { .. }
        | Reason::KeyNotYetValid { .. }
        | Reason::SignatureWrong { .. } => 700_027,
        Reason::KeyUnusable { .. } => 5_002_730,
        Reason::ChainUntrusted { .. } => 700_030,
        Reason::ChainOutsideValidity => 1_000_502,
        Reason::CertificateRevoked => 7_000_214,
        Reason::AudienceWrong { .. } => 700_023,
        Reason::AudienceMany { .. } => 5_002_741,
        // A remembered jti and a bounded lifetime are the strict profile's; Entra has neither. The assertion is then
        // not, or no longer, usable at this time, which is what the number says.
        Reason::OutsideValidity { .. } | Reason::LifetimeTooLong { .. } | Reason::Replayed { .. } => 700_024,
        // The form of `iss` is a rule of other servers; the number says what is wrong.
        Reason::ClientMismatch { .. } | Reason::IssuerForm { .. } => 700_021,
        Reason::SubjectMismatch { .. } => 50_048,
        Reason::SecretWrong { .. } => 7_000_215,
        Reason::SecretExpired { .. } => 7_000_222,
        Reason::FederationNotConfigured { .. } => 70_025,
        Reason::FederatedIssuer { .. } => 700_211,
        Reason::FederatedSubject { case_only: true, .. } => 7_002_138,
        Reason::FederatedSubject { case_only: false, .. } => 700_213,
        Reason::FederatedAudience { .. } => 700_212,
        Reason::FederatedIssuerForbidden { other_cloud: false, .. } => 700_236,
        Reason::FederatedIssuerForbidden { other_cloud: true, .. } => 700_238,
        Reason::FederatedUserToken => 700_229,
        Reason::FederatedKeyNotFound { .. } => 7_000_272,
        Reason::FederatedSignatureWrong => 7_000_274,
        Reason::FederatedIssuerUnreachable => 501_661,
        Reason::ResourceUnknown { .. } => 500_011,
        Reason::ResourceDisabled { .. } => 500_014,
        Reason::ResourceIsClient { .. } => 90_009,
        Reason::RoleRequired { .. } => 501_051,
    }
}

/// What is known of a code.
pub fn known(code: u32) -> Option<&'static KnownCode> {
    KNOWN.binary_search_by_key(&code, |k| k.code).ok().map(|i| &KNOWN[i])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_sorted_and_unique() {
        assert!(KNOWN.windows(2).all(|w| w[0].code < w[1].code));
        assert_eq!(known(700_027).map(|k| k.oauth_error), Some(Some("invalid_client")));
        assert!(known(1).is_none());
    }
}
