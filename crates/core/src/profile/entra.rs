//! Entra ID as observed and documented until 2026. What nobody knows is marked and read the safe way.

use super::{
    AudienceRule, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, MemberRule, Profile, SegmentRule, SentAs,
    SubjectRule, ThumbprintRule,
};
use crate::jose::alg::Alg;

/// Entra ID.
pub static ENTRA: Profile = Profile {
    name: "entra",
    summary: "Entra ID as observed: lenient where Microsoft's own libraries are sloppy",
    // certificate-credentials: `client_assertion`.
    sent_as: SentAs::ClientAssertion,
    // AADSTS5002738 printed RS256, RS384, RS512 in December 2023; MSAL sends PS256 since. PS384 and PS512: guess, by
    // symmetry with the RS family.
    algs: &[Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512],
    // azure-identity's async client for Python pads its segments and signs them so; accepted.
    segments: SegmentRule::PaddingTolerated,
    // MSAL Go, MSAL Java and the Azure SDK for Rust send standard base64 with padding, MSAL Python padded base64url.
    thumbprints: ThumbprintRule::BytesCount,
    // The list printed by AADSTS5002726, and x5t#S256, which Microsoft's article on certificate credentials names. `enc`
    // is left out: it belongs to encrypted tokens (RFC 7516 §4.1.2), which no client assertion is.
    header_members: MemberRule::Only(&[
        "alg", "typ", "x5t", "x5t#S256", "x5c", "kid", "use", "ctx", "nonce", "rh", "kdf_ver",
    ]),
    // Printed by AADSTS5002727.
    typ: &["JWT", "http://openid.net/specs/jwt/1.0"],
    // Contradictory reports; a digest in kid is the safe case, since the signature is verified all the same.
    kid_selects_certificate: true,
    // AADSTS5002723.
    key_identifier: KeyIdentifierRule::CertificateOrKid,
    // AADSTS90014 is recorded for iss and aud; a record of an expiry in 1970 shows that exp is required in effect.
    required_claims: &["iss", "sub", "aud", "exp"],
    // AADSTS700021.
    issuer: IssuerRule::ClientId,
    // AADSTS50048.
    subject: SubjectRule::IsIssuer,
    federates: true,
    // AADSTS700023.
    audience: AudienceRule::Tenant,
    // Field reports of 2026, and openid-client's default.
    audience_may_be_issuer: true,
    // ADAL sent the v1.0 endpoint to the v1.0 endpoint. Across versions: guess; same server and tenant either way.
    audience_may_be_v1: true,
    // One value alone in an array: not on record. The safe reading is to take only what is known to be taken.
    audience_may_be_array_of_one: false,
    // A convention, not a fact: no number is documented.
    leeway: 300,
    // "Microsoft Entra ID doesn't place restrictions on the exp time currently" (certificate-credentials).
    max_lifetime: None,
    lifetime_from: LifetimeFrom::Issue,
    // MSAL sends one assertion until near its exp; repeated use works.
    remembers_jti: false,
    marks: Marks::NONE,
    sayings: &[],
};
