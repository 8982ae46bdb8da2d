//! Box: JWT authentication of a custom app.
//!
//! Used by the doctor only. Source: developer.box.com, guides/authentication/jwt/without-sdk, where no other is named;
//! its rule for `jti` is quoted in the community post 360049140434 at support.box.com.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Box.
pub static BOX: Profile = Profile {
    name: "box",
    summary: "Box: token endpoint as aud, at most sixty seconds, jti of 16 to 128 characters",
    // `assertion` of the grant urn:ietf:params:oauth:grant-type:jwt-bearer.
    sent_as: SentAs::Grant,
    // RS256, RS384, RS512.
    algs: &[Alg::Rs256, Alg::Rs384, Alg::Rs512],
    // `kid` names one of several public keys of the app.
    key_identifier: KeyIdentifierRule::Optional,
    // box/box-node-sdk#138: "Please check the 'jti' claim." for an assertion without one.
    required_claims: &["iss", "sub", "aud", "exp", "jti"],
    // The client id, which is not a parameter that Box compares with: no form is documented.
    issuer: IssuerRule::Free,
    // The enterprise's or the user's id.
    subject: SubjectRule::Free,
    audience: AudienceRule::Rows(&[("*", "https://api.box.com/oauth2/token")]),
    // box/box-java-sdk#572: a few seconds are refused.
    leeway: 0,
    // cburnette/boxr#69: "exceeds the maximum value of 60 seconds beyond the issue time".
    max_lifetime: Some(60),
    lifetime_from: LifetimeFrom::Now,
    // box/box-node-sdk#323 and #405: a retry needs another `jti`.
    remembers_jti: true,
    marks: Marks { hosts: &["api.box.com"], paths: &[], issuers: &[] },
    sayings: &[
        // cburnette/boxr#69, box/box-java-sdk#404.
        Saying {
            text: "Please check the 'exp' claim",
            check: "lifetime",
            means: "`exp` lies in the past, or more than sixty seconds ahead, by Box's clock",
            own: true,
        },
        // box/box-node-sdk#138.
        Saying {
            text: "Please check the 'jti' claim",
            check: "claims-present",
            means: "`jti` is missing, too short, or was used before",
            own: true,
        },
        // box/box-java-sdk#380.
        Saying {
            text: "Current date/time MUST be before the expiration date/time listed in the 'exp' claim",
            check: "validity",
            means: "`exp` lies behind Box's clock",
            own: true,
        },
    ],
    ..ELSEWHERE
};
