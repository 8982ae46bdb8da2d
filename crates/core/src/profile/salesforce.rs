//! Salesforce: the JWT bearer flow of a connected app.
//!
//! Used by the doctor only. Source: help.salesforce.com, remoteaccess_oauth_jwt_flow, where no other is named.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Salesforce.
pub static SALESFORCE: Profile = Profile {
    name: "salesforce",
    summary: "Salesforce: RS256, login or test as aud, a user as sub, three minutes",
    // `assertion` of the grant urn:ietf:params:oauth:grant-type:jwt-bearer.
    sent_as: SentAs::Grant,
    // "The only supported algorithm is RSA SHA256".
    algs: &[Alg::Rs256],
    // Header example: {"alg":"RS256"}.
    key_identifier: KeyIdentifierRule::Optional,
    // `prn` stands for `sub` in old clients: whether one of them is there is not judged.
    required_claims: &["iss", "aud", "exp"],
    // The consumer key, which has no form that is documented.
    issuer: IssuerRule::Free,
    // The user's name.
    subject: SubjectRule::Free,
    // Sandboxes: Talend/components#1423 and forcedotcom/cli#3325 ("audience is invalid"); production with My Domain is
    // reported with either value (restforce/restforce#674, #886), so both pass there. The org's own My Domain was refused
    // in 2022 (omniphx/forrest#302) and is right in 2026 (simstudioai/sim#6508): not blamed. Sites: arthurimirzian's
    // salesforce-jwt-bearer-token-flow#1, quoting Salesforce.
    audience: AudienceRule::Rows(&[
        ("login.salesforce.com", "https://login.salesforce.com"),
        ("test.salesforce.com", "https://test.salesforce.com"),
        ("*.sandbox.my.salesforce.com", "https://test.salesforce.com"),
        ("*--*.my.salesforce.com", "https://test.salesforce.com"),
        ("*.my.salesforce.com", "https://login.salesforce.com"),
        ("*.my.salesforce.com", "https://test.salesforce.com"),
        ("*", "https://*.my.salesforce.com"),
        ("*", "https://*.force.com/*"),
        ("*", "https://*.my.site.com"),
        ("*", "https://*.my.site.com/*"),
    ]),
    // "Salesforce allows a 3-minute buffer for clock skew".
    leeway: 180,
    // "The validity must be the expiration time of the assertion within 3 minutes"; reports of longer ones being taken
    // exist, so that no limit is enforced here.
    max_lifetime: None,
    lifetime_from: LifetimeFrom::Now,
    remembers_jti: false,
    marks: Marks {
        hosts: &["login.salesforce.com", "test.salesforce.com", "*.my.salesforce.com", "*.force.com", "*.my.site.com"],
        paths: &["/services/oauth2/token"],
        issuers: &["3MVG*"],
    },
    sayings: &[
        // omniphx/forrest#278.
        Saying {
            text: "user hasn't approved this consumer",
            check: "role-held",
            means: "the user, or an administrator for the user's profile, has not authorised the connected app; or the request went to the wrong environment",
            own: true,
        },
        // Talend/components#1423.
        Saying {
            text: "audience is invalid",
            check: "audience",
            means: "`aud` is not the environment that the request went to",
            own: false,
        },
        // frankkessler/salesforce-laravel-oauth2-rest#68.
        Saying {
            text: "invalid_grant… invalid assertion",
            check: "signature",
            means: "the assertion cannot be read, or not verified with the connected app's certificate",
            own: false,
        },
    ],
    ..ELSEWHERE
};
