//! Keycloak: `private_key_jwt` ("Signed JWT"), by the default settings of version 26.
//!
//! Used by the doctor only. Source: AbstractBaseJWTValidator.java and JWTClientValidator.java in keycloak/keycloak.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Keycloak.
pub static KEYCLOAK: Profile = Profile {
    name: "keycloak",
    summary: "Keycloak: realm as aud (or its token endpoint), iat or at most a minute, each jti once",
    sent_as: SentAs::ClientAssertion,
    // Any asymmetric algorithm of the realm, unless the client pins one.
    algs: &[Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Es256, Alg::Es384, Alg::Es512, Alg::Ps256, Alg::Ps384, Alg::Ps512],
    // A client with one key needs no `kid`.
    key_identifier: KeyIdentifierRule::Optional,
    // "Token exp claim is required", "Token jti claim is required".
    required_claims: &["iss", "sub", "aud", "exp", "jti"],
    issuer: IssuerRule::ClientId,
    subject: SubjectRule::IsIssuer,
    // keycloak#30599 prints what is taken. Newer versions lean towards the realm alone (keycloak#38754, #41133), which
    // depends on version and client policy, so that the token endpoint passes here.
    audience: AudienceRule::Rows(&[
        ("*", "http*://{host}/realms/*"),
        ("*", "http*://{host}/auth/realms/*"),
        ("*", "http*://{host}/realms/*/protocol/openid-connect/token"),
        ("*", "http*://{host}/auth/realms/*/protocol/openid-connect/token"),
    ]),
    // keycloak#38830: several are refused from 26.2 on by default, fine before; one in an array is not blamed here.
    audience_may_be_array_of_one: true,
    // ALLOWED_CLOCK_SKEW.
    leeway: 15,
    // "Token expiration is too far in the future and iat claim not present in token": the client's "max exp", 60 seconds
    // by default (OIDCAdvancedConfigWrapper.java); HeliosSoftware/hfs#1437 met it with 300.
    max_lifetime: Some(60),
    lifetime_from: LifetimeFrom::NowWithoutIssue,
    remembers_jti: true,
    marks: Marks {
        hosts: &[],
        paths: &[
            "/realms/*",
            "/auth/realms/*",
            "/realms/*/protocol/openid-connect/*",
            "/auth/realms/*/protocol/openid-connect/*",
            "/realms/*/protocol/openid-connect/token/introspect",
            "/auth/realms/*/protocol/openid-connect/token/introspect",
        ],
        issuers: &[],
    },
    sayings: &[
        // keycloak#30599, in the server's log.
        Saying {
            text: "Token audience doesn't match domain",
            check: "audience",
            means: "`aud` is not the realm",
            own: true,
        },
        // AbstractBaseJWTValidator.java.
        Saying {
            text: "Token expiration is too far in the future and iat claim not present in token",
            check: "lifetime",
            means: "without `iat`, `exp` may lie at most a minute ahead, unless the client's \"max exp\" allows more",
            own: true,
        },
        // AbstractBaseJWTValidator.java.
        Saying {
            text: "Token was issued in the future",
            check: "validity",
            means: "`iat` lies ahead of Keycloak's clock",
            own: true,
        },
        // AbstractBaseJWTValidator.java.
        Saying {
            text: "Token was issued too far in the past to be used now",
            check: "validity",
            means: "`iat` is older than the client's \"max exp\"",
            own: true,
        },
        // AbstractBaseJWTValidator.java.
        Saying { text: "Token jti claim is required", check: "claims-present", means: "there is no `jti`", own: true },
        // AbstractBaseJWTValidator.java.
        Saying { text: "Token exp claim is required", check: "claims-present", means: "there is no `exp`", own: true },
        // JWTClientValidator.java.
        Saying { text: "Token reuse detected", check: "validity", means: "this `jti` was used before", own: true },
        // JWTClientAuthenticator.java.
        Saying {
            text: "Signature on JWT token failed validation",
            check: "signature",
            means: "the signature does not verify with the client's key",
            own: true,
        },
    ],
    ..ELSEWHERE
};
