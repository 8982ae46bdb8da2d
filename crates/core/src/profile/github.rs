//! GitHub Apps: the JWT by which an app asks for installation tokens.
//!
//! Used by the doctor only. Source: docs.github.com, generating-a-json-web-token-jwt-for-a-github-app, where no other is named.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// GitHub Apps.
pub static GITHUB: Profile = Profile {
    name: "github",
    summary: "GitHub Apps: RS256, app or client id as iss, at most ten minutes from now",
    // `Authorization: Bearer` at api.github.com.
    sent_as: SentAs::Bearer,
    // "This should be RS256".
    algs: &[Alg::Rs256],
    // `iss` selects the key.
    key_identifier: KeyIdentifierRule::Optional,
    required_claims: &["iss", "iat", "exp"],
    // "The client ID or application ID of your GitHub App": text or number.
    issuer: IssuerRule::Free,
    subject: SubjectRule::Free,
    // There is none.
    audience: AudienceRule::Unread,
    // octokit/auth-app.js#698 and Link-/gh-token#17: a second too much is refused.
    leeway: 0,
    // "The time must be no more than 10 minutes into the future".
    max_lifetime: Some(600),
    lifetime_from: LifetimeFrom::Now,
    remembers_jti: false,
    marks: Marks {
        hosts: &["api.github.com"],
        paths: &[
            "/app",
            "/app/installations",
            "/app/installations/*/access_tokens",
            "/api/v3/app/installations/*/access_tokens",
        ],
        issuers: &["Iv1.*", "Iv23*"],
    },
    sayings: &[
        // actions/create-github-app-token#178.
        Saying {
            text: "'Expiration time' claim ('exp') is too far in the future",
            check: "lifetime",
            means: "`exp` lies more than ten minutes ahead by GitHub's clock",
            own: true,
        },
        // sigmavirus24/github3.py#1050.
        Saying {
            text: "'Expiration time' claim ('exp') must be a numeric value",
            check: "validity",
            means: "`exp` is no number, or lies in the past",
            own: true,
        },
        // octokit/auth-app.js, test/index.test.ts, which retries on it with GitHub's clock.
        Saying {
            text: "'Issued at' claim ('iat') must be an Integer",
            check: "validity",
            means: "`iat` is no whole number, or lies ahead of GitHub's clock",
            own: true,
        },
        // octokit/auth-app.js#375, actions/create-github-app-token#153.
        Saying {
            text: "A JSON web token could not be decoded",
            check: "signature",
            means: "the signature does not verify with a key of the app that `iss` names",
            own: true,
        },
        // octokit/authentication-strategies.js#165.
        Saying { text: "Integration not found", check: "client-known", means: "`iss` names no app", own: false },
    ],
    ..ELSEWHERE
};
