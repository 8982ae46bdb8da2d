//! What differs between kinds of authorization servers, as data. No check asks for a profile's name.
//!
//! [`PROFILES`] are those of this service's own token endpoint. [`SERVERS`] has the others as well: the doctor judges by
//! them what was sent to somebody else's server. Each rests on the server's documentation and on one public case at least.

mod adfs;
mod apple;
mod auth0;
mod boxed;
mod docusign;
mod elsewhere;
mod entra;
mod github;
mod google;
mod keycloak;
mod okta;
mod rules;
mod salesforce;
mod snowflake;
mod strict;

pub use adfs::ADFS;
pub use apple::APPLE;
pub use auth0::AUTH0;
pub use boxed::BOX;
pub use docusign::DOCUSIGN;
pub use entra::ENTRA;
pub use github::GITHUB;
pub use google::GOOGLE;
pub use keycloak::KEYCLOAK;
pub use okta::OKTA;
pub use rules::{
    AudienceRefused, AudienceRule, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, MemberRule, Saying, SegmentRule,
    SentAs, SubjectRule, ThumbprintRule, matches,
};
pub use salesforce::SALESFORCE;
pub use snowflake::SNOWFLAKE;
pub use strict::STRICT;

use crate::jose::alg::Alg;
use elsewhere::ELSEWHERE;

/// The constants of one kind of authorization server.
#[derive(Debug)]
pub struct Profile {
    /// `entra`, `strict`, …
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// How the assertion reaches the server.
    pub sent_as: SentAs,
    /// Signature algorithms taken for client assertions.
    pub algs: &'static [Alg],
    /// How the three segments may be encoded.
    pub segments: SegmentRule,
    /// How `x5t` and `x5t#S256` may be encoded.
    pub thumbprints: ThumbprintRule,
    /// Which header members may be there.
    pub header_members: MemberRule,
    /// Accepted values of `typ`; a missing `typ` is always accepted (RFC 7519 §5.1).
    pub typ: &'static [&'static str],
    /// Whether a `kid` that spells a registered certificate's digest selects it.
    pub kid_selects_certificate: bool,
    /// What must name the key.
    pub key_identifier: KeyIdentifierRule,
    /// Claims that must be there, in the order in which a missing one is reported.
    pub required_claims: &'static [&'static str],
    /// What `iss` must be.
    pub issuer: IssuerRule,
    /// What `sub` must be.
    pub subject: SubjectRule,
    /// Whether tokens of other issuers are taken as client assertions (workload identity federation).
    pub federates: bool,
    /// What `aud` must be.
    pub audience: AudienceRule,
    /// Whether the issuer URL is accepted as `aud` besides the token endpoint.
    pub audience_may_be_issuer: bool,
    /// Whether a v1.0 token endpoint is accepted as `aud`.
    pub audience_may_be_v1: bool,
    /// Whether one `aud` in an array is accepted.
    pub audience_may_be_array_of_one: bool,
    /// Seconds of leeway when `exp`, `nbf` and `iat` are judged.
    pub leeway: i64,
    /// Longest time to `exp`, in seconds.
    pub max_lifetime: Option<i64>,
    /// From when that time counts.
    pub lifetime_from: LifetimeFrom,
    /// Whether a `jti` is accepted once only.
    pub remembers_jti: bool,
    /// What gives the server away.
    pub marks: Marks,
    /// Words of its refusals, except Entra's, which [`crate::entra::parse()`] reads.
    pub sayings: &'static [Saying],
}

impl Profile {
    /// Whether the server looks for tenants and registered certificates as Entra does.
    pub fn has_tenants(&self) -> bool {
        self.audience == AudienceRule::Tenant
    }
}

/// The profiles of this service's own token endpoint.
pub static PROFILES: [&Profile; 2] = [&ENTRA, &STRICT];

/// The profile of that name.
pub fn by_name(name: &str) -> Option<&'static Profile> {
    PROFILES.into_iter().find(|p| p.name == name)
}

/// Every profile that the doctor judges by.
pub static SERVERS: [&Profile; 13] = [
    &ENTRA,
    &STRICT,
    &ADFS,
    &OKTA,
    &KEYCLOAK,
    &GOOGLE,
    &SALESFORCE,
    &SNOWFLAKE,
    &GITHUB,
    &AUTH0,
    &BOX,
    &DOCUSIGN,
    &APPLE,
];

/// The profile of that name, this service's own or not.
pub fn server_by_name(name: &str) -> Option<&'static Profile> {
    SERVERS.into_iter().find(|p| p.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::CHECKS;

    #[test]
    fn names_are_unique_and_sayings_speak_of_checks() {
        for (i, p) in SERVERS.iter().enumerate() {
            assert!(SERVERS[..i].iter().all(|q| q.name != p.name), "{} twice", p.name);
            for s in p.sayings {
                assert!(CHECKS.iter().any(|c| c.id == s.check), "{}: no check `{}`", p.name, s.check);
                assert!(s.pieces().next().is_some(), "{}: {}", p.name, s.text);
            }
            assert_eq!(p.marks == Marks::NONE, PROFILES.iter().any(|q| q.name == p.name), "{}", p.name);
        }
    }
}
