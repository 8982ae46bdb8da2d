//! Auth0: `private_key_jwt`.
//!
//! Used by the doctor only. Source: auth0.com/docs, authenticate-with-private-key-jwt, where no other is named.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Auth0.
pub static AUTH0: Profile = Profile {
    name: "auth0",
    summary: "Auth0: tenant URL as aud, at most five minutes, each jti once",
    sent_as: SentAs::ClientAssertion,
    // RS256, RS384 and PS256.
    algs: &[Alg::Rs256, Alg::Rs384, Alg::Ps256],
    // "kid: (optional)".
    key_identifier: KeyIdentifierRule::Optional,
    // "All claims are required unless otherwise stated"; `iat` is optional.
    required_claims: &["iss", "sub", "aud", "exp", "jti"],
    issuer: IssuerRule::ClientId,
    subject: SubjectRule::IsIssuer,
    // "https://{yourTenant}.auth0.com/. Include the trailing slash". What a missing slash or the token endpoint gets is
    // not on record: guess, none of them is blamed.
    audience: AudienceRule::Rows(&[
        ("*", "https://{host}/"),
        ("*", "https://{host}"),
        ("*", "https://{host}/oauth/token"),
    ]),
    // Not on record: guess, none beyond the limit.
    leeway: 0,
    // "Auth0 supports a maximum of 5 minutes for the lifetime of a token": the same page, and authlib/authlib#857.
    max_lifetime: Some(300),
    lifetime_from: LifetimeFrom::Issue,
    // "The client assertion is a one-time use token".
    remembers_jti: true,
    marks: Marks { hosts: &["*.auth0.com"], paths: &[], issuers: &[] },
    // None on record with a source that can be cited.
    sayings: &[],
    ..ELSEWHERE
};
