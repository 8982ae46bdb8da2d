//! RFC 7515, 7519, 7523 to the letter: for finding out whether a client would pass at a stricter server than Entra.

use super::{
    AudienceRule, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, MemberRule, Profile, SegmentRule, SentAs,
    SubjectRule, ThumbprintRule,
};
use crate::jose::alg::Alg;

/// The RFCs to the letter.
pub static STRICT: Profile = Profile {
    name: "strict",
    summary: "the RFCs to the letter: canonical base64url, token endpoint as aud, bounded lifetime",
    // RFC 7523 §2.2.
    sent_as: SentAs::ClientAssertion,
    algs: &[Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512],
    // RFC 7515 §2: base64url with all trailing '=' characters omitted.
    segments: SegmentRule::Canonical,
    // RFC 7515 §4.1.7, §4.1.8: base64url-encoded.
    thumbprints: ThumbprintRule::Canonical,
    // RFC 7515 §4.1: others must be ignored; crit, b64 and zip change how the JWS is read, the rest would bring a key.
    header_members: MemberRule::Except(&["crit", "b64", "zip", "enc", "jwk", "jku", "x5u"]),
    // RFC 7519 §5.1 and RFC 7523bis (draft-ietf-oauth-rfc7523bis).
    typ: &["JWT", "client-authentication+jwt"],
    // RFC 7515 §4.1.4: the structure of kid is unspecified.
    kid_selects_certificate: false,
    // Keys are registered as certificates here too.
    key_identifier: KeyIdentifierRule::CertificateOrKid,
    // RFC 7523 §3 items 1 to 4; jti so that a replay can be told.
    required_claims: &["iss", "sub", "aud", "exp", "jti"],
    // RFC 7523 §3 items 1 and 2B.
    issuer: IssuerRule::ClientId,
    subject: SubjectRule::IsIssuer,
    federates: true,
    audience: AudienceRule::Tenant,
    // RFC 7523 §3 item 3 allows either; rfc7523bis wants the issuer, Entra the endpoint. Both are ours.
    audience_may_be_issuer: true,
    audience_may_be_v1: false,
    // RFC 7519 §4.1.3 allows an array; rfc7523bis wants one value.
    audience_may_be_array_of_one: true,
    // RFC 7519 §4.1.4: "usually no more than a few minutes".
    leeway: 60,
    // Ours: Authlib's default of an hour still passes.
    max_lifetime: Some(3600),
    lifetime_from: LifetimeFrom::Issue,
    remembers_jti: true,
    marks: Marks::NONE,
    sayings: &[],
};
