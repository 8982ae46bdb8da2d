//! AD FS 2016 and later: a certificate registered with the application, as at Entra, and the token endpoint as `aud`.
//!
//! Used by the doctor only. Sources: AzureAD/microsoft-authentication-library-for-dotnet#1708 and its fix #1714.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, SentAs, SubjectRule,
    ThumbprintRule,
};
use crate::jose::alg::Alg;

/// AD FS.
pub static ADFS: Profile = Profile {
    name: "adfs",
    summary: "AD FS: certificate by x5t, token endpoint as aud",
    // MSAL .NET#1708: `AcquireTokenForClient` with a certificate.
    sent_as: SentAs::ClientAssertion,
    // RS256 is what MSAL .NET signs with (#1714); RS384 and RS512 are not on record: guess, not refused here.
    algs: &[Alg::Rs256, Alg::Rs384, Alg::Rs512],
    // MSAL .NET#1714: x5t is mandatory for AD FS 2019; which alphabet is not on record, the bytes count.
    thumbprints: ThumbprintRule::BytesCount,
    // MicrosoftDocs/azure-docs#86636: `kid` is optional beside `x5t`.
    kid_selects_certificate: true,
    // MSAL .NET#1714.
    key_identifier: KeyIdentifierRule::CertificateOrKid,
    // RFC 7523 §3.
    required_claims: &["iss", "sub", "aud", "exp"],
    // RFC 7523 §3 item 2B: the client id.
    issuer: IssuerRule::ClientId,
    subject: SubjectRule::IsIssuer,
    // MSAL .NET#1708: "the aud claim should be the token endpoint, but we use the issuer". The metadata writes it with a
    // slash at its end.
    audience: AudienceRule::Rows(&[
        ("*", "https://{host}/adfs/oauth2/token/"),
        ("*", "https://{host}/adfs/oauth2/token"),
    ]),
    // Not on record: guess, the default of Microsoft's own token handlers (`ClockSkew`, five minutes).
    leeway: 300,
    max_lifetime: None,
    lifetime_from: LifetimeFrom::Issue,
    remembers_jti: false,
    marks: Marks { hosts: &[], paths: &["/adfs/oauth2/token", "/adfs", "/adfs/services/trust"], issuers: &[] },
    // None on record with a source that can be cited.
    sayings: &[],
    ..ELSEWHERE
};
