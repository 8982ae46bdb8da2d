//! Okta: `private_key_jwt` at the org server and at custom authorization servers.
//!
//! Used by the doctor only. Source: developer.okta.com, guides/build-self-signed-jwt, where no other is named.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// Okta.
pub static OKTA: Profile = Profile {
    name: "okta",
    summary: "Okta: token endpoint as aud, at most an hour, each jti once",
    sent_as: SentAs::ClientAssertion,
    // guides/build-self-signed-jwt and api/openapi/okta-oauth/guides/client-auth: RSA and EC keys.
    algs: &[Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Es256, Alg::Es384, Alg::Es512, Alg::Ps256, Alg::Ps384, Alg::Ps512],
    // `kid` only where the application has several keys.
    key_identifier: KeyIdentifierRule::Optional,
    required_claims: &["iss", "sub", "aud", "exp"],
    // Both are the client id.
    issuer: IssuerRule::ClientId,
    subject: SubjectRule::IsIssuer,
    // facile-it/php-openid-client#25: the token endpoint, not the issuer; org server first, then custom servers.
    audience: AudienceRule::Rows(&[("*", "https://{host}/oauth2/v1/token"), ("*", "https://{host}/oauth2/*/v1/token")]),
    // Not on record: guess.
    leeway: 300,
    // okta-sdk-dotnet#489 and okta-sdk-golang#573: a second more than an hour is refused.
    max_lifetime: Some(3600),
    lifetime_from: LifetimeFrom::Now,
    // okta/terraform-provider-okta#2155: an assertion is not used again.
    remembers_jti: true,
    marks: Marks {
        hosts: &["*.okta.com", "*.oktapreview.com", "*.okta-emea.com"],
        paths: &["/oauth2/v1/token", "/oauth2/*/v1/token"],
        issuers: &[],
    },
    sayings: &[
        // facile-it/php-openid-client#25.
        Saying {
            text: "The audience claim for client_assertion must be the endpoint invoked for the request",
            check: "audience",
            means: "`aud` is not the address that the request was posted to",
            own: true,
        },
        // okta/okta-sdk-python#382.
        Saying {
            text: "The client_assertion token has an expiration too far into the future",
            check: "lifetime",
            means: "`exp` lies more than an hour ahead by Okta's clock",
            own: true,
        },
        // department-of-veterans-affairs/lighthouse-oauth-proxy, clientCredentialsStrategy.test.js.
        Saying {
            text: "The client_assertion token is expired",
            check: "validity",
            means: "`exp` lies behind Okta's clock",
            own: true,
        },
        // Quoted in logs of 2026-09 in public repositories; okta/terraform-provider-okta#2155 avoids it.
        Saying {
            text: "The client_assertion token has already been used",
            check: "validity",
            means: "this `jti` was used before",
            own: true,
        },
    ],
    ..ELSEWHERE
};
