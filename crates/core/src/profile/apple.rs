//! Sign in with Apple: the JWT that is its client secret.
//!
//! Used by the doctor only. Source: developer.apple.com, generate_and_validate_tokens ("Creating the client secret"), as
//! quoted in Timothylock/go-signin-with-apple#9 and Accedia/appleauth-net#24, where no other is named.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Sign in with Apple.
pub static APPLE: Profile = Profile {
    name: "apple",
    summary: "Sign in with Apple: ES256, kid, team id as iss, at most six months",
    // `client_secret`.
    sent_as: SentAs::Secret,
    // Timothylock/go-signin-with-apple#9.
    algs: &[Alg::Es256],
    // Timothylock/go-signin-with-apple#9: "invalid_client" without it.
    key_identifier: KeyIdentifierRule::Kid,
    // LoginRadius/apple-client-secret-generator, quoting Apple's sample.
    required_claims: &["iss", "sub", "aud", "iat", "exp"],
    // The team id of ten characters: its letters cannot be told from other text of ten.
    issuer: IssuerRule::Free,
    // The client id.
    subject: SubjectRule::Free,
    audience: AudienceRule::Rows(&[("*", "https://appleid.apple.com")]),
    // Not on record: guess.
    leeway: 300,
    // "The value must not be greater than 15777000 (6 months in seconds)": Accedia/appleauth-net#24. That more is refused:
    // mikebronner/laravel-sign-in-with-apple#9.
    max_lifetime: Some(15_777_000),
    lifetime_from: LifetimeFrom::Now,
    remembers_jti: false,
    marks: Marks { hosts: &["appleid.apple.com"], paths: &[], issuers: &[] },
    // It only ever answers `invalid_client`.
    sayings: &[],
    ..ELSEWHERE
};
