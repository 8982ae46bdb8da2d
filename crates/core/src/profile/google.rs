//! Google: a service account exchanges a JWT for an access token.
//!
//! Used by the doctor only. Source: developers.google.com/identity/protocols/oauth2/service-account, where no other is named.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Google.
pub static GOOGLE: Profile = Profile {
    name: "google",
    summary: "Google service accounts: RS256, the account's e-mail as iss, at most an hour",
    // `assertion` of the grant urn:ietf:params:oauth:grant-type:jwt-bearer.
    sent_as: SentAs::Grant,
    // "Service accounts rely on the RSA SHA-256 algorithm".
    algs: &[Alg::Rs256],
    // `kid` is optional.
    key_identifier: KeyIdentifierRule::Optional,
    // "Required claims".
    required_claims: &["iss", "aud", "exp", "iat"],
    // "The email address of the service account".
    issuer: IssuerRule::Matching {
        patterns: &["*@*.gserviceaccount.com"],
        words: "the service account's e-mail, NAME@PROJECT.iam.gserviceaccount.com",
    },
    // The user to act for, or absent.
    subject: SubjectRule::Free,
    // "This value is always https://oauth2.googleapis.com/token"; the older three are in libraries and reports
    // (jpadilla/pyjwt#212, google-oauth-jwt).
    audience: AudienceRule::Rows(&[
        ("*", "https://oauth2.googleapis.com/token"),
        ("*", "https://www.googleapis.com/oauth2/v4/token"),
        ("*", "https://www.googleapis.com/oauth2/v3/token"),
        ("*", "https://accounts.google.com/o/oauth2/token"),
    ]),
    // Not on record: guess.
    leeway: 300,
    // "A maximum of 1 hour after the issued time".
    max_lifetime: Some(3600),
    lifetime_from: LifetimeFrom::Issue,
    // Nothing on record remembers a `jti`.
    remembers_jti: false,
    marks: Marks {
        hosts: &["oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com"],
        paths: &[],
        issuers: &["*@*.gserviceaccount.com"],
    },
    sayings: &[
        // googleapis/google-api-php-client#1429.
        Saying {
            text: "Invalid JWT: Token must be a short-lived token",
            check: "lifetime",
            means: "`iat` and `exp` are not within an hour of each other and of Google's clock",
            own: true,
        },
        // erebusnz/gapi-google-analytics-php-interface#147: the e-mail did not match the key.
        Saying {
            text: "Invalid JWT Signature",
            check: "signature",
            means: "the key is not, or no longer, one of the account that `iss` names",
            own: true,
        },
        // googleapis/google-cloud-php#3622: the account is disabled or deleted.
        Saying {
            text: "Invalid grant: account not found",
            check: "client-known",
            means: "`iss` names no service account, or one that is disabled or deleted",
            own: true,
        },
        // googleapis/google-api-php-client#783.
        Saying {
            text: "Not a valid email",
            check: "client-id-matches",
            means: "`iss` is not the e-mail of a service account",
            own: false,
        },
    ],
    ..ELSEWHERE
};
