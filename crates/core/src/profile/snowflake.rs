//! Snowflake: key-pair authentication of drivers and of the SQL API.
//!
//! Used by the doctor only. Sources: docs.snowflake.com, developer-guide/sql-api/authenticating and key-pair-auth-troubleshooting.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Snowflake.
pub static SNOWFLAKE: Profile = Profile {
    name: "snowflake",
    summary: "Snowflake: ACCOUNT.USER.SHA256:fingerprint as iss, at most an hour",
    // `Authorization: Bearer`.
    sent_as: SentAs::Bearer,
    // sql-api/authenticating: RS256.
    algs: &[Alg::Rs256],
    // The fingerprint in `iss` selects the key.
    key_identifier: KeyIdentifierRule::Optional,
    required_claims: &["iss", "sub", "iat", "exp"],
    // "<account_identifier>.<user>.SHA256:<public_key_fingerprint>".
    issuer: IssuerRule::Matching {
        patterns: &["*.*.SHA256:*", "*.*.SHA256:*/*", "*.*.SHA256:*/*/*", "*.*.SHA256:*/*/*/*"],
        words: "ACCOUNT.USER.SHA256:fingerprint of the public key",
    },
    // "<account_identifier>.<user>".
    subject: SubjectRule::BeforeFingerprint,
    // There is none.
    audience: AudienceRule::Unread,
    // Not on record: guess, a minute.
    leeway: 60,
    // "The JWT is valid for at most one hour after the token is issued, even if you specify a later expiration": longer
    // ones are cut, not refused.
    max_lifetime: None,
    lifetime_from: LifetimeFrom::Issue,
    remembers_jti: false,
    marks: Marks {
        hosts: &["*.snowflakecomputing.com", "*.snowflakecomputing.cn"],
        paths: &[],
        issuers: &["*.SHA256:*", "*.SHA256:*/*", "*.SHA256:*/*/*", "*.SHA256:*/*/*/*"],
    },
    sayings: &[
        // key-pair-auth-troubleshooting; slothflowlabs/duckle#22.
        Saying {
            text: "JWT token is invalid",
            check: "client-id-matches",
            means: "one of: `iss` is put together wrongly, the account of `iss` is not that of the address, the key is not the user's, the times are off; SYSTEM$GET_LOGIN_FAILURE_DETAILS tells which",
            own: true,
        },
        // key-pair-auth-troubleshooting, its list of errors.
        Saying {
            text: "JWT_TOKEN_INVALID_PUBLIC_KEY_FINGERPRINT_MISMATCH",
            check: "key-found",
            means: "the fingerprint in `iss` is not that of the user's public key",
            own: true,
        },
        // key-pair-auth-troubleshooting, its list of errors.
        Saying {
            text: "JWT_TOKEN_INVALID_ISSUE_TIME",
            check: "validity",
            means: "`iat` lies too far from Snowflake's clock",
            own: true,
        },
        // key-pair-auth-troubleshooting, 394307.
        Saying {
            text: "JWT_TOKEN_ACCOUNT_MISMATCH",
            check: "client-id-matches",
            means: "the account in `iss` is not that of the address",
            own: true,
        },
        // key-pair-auth-troubleshooting, its list of errors.
        Saying {
            text: "JWT_TOKEN_INVALID_USER_IN_ISSUER",
            check: "client-known",
            means: "`iss` names no user of the account",
            own: true,
        },
    ],
    ..ELSEWHERE
};
