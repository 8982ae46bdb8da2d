//! What differs between kinds of authorization servers, as data. No check asks for a profile's name.

mod entra;
mod strict;

pub use entra::ENTRA;
pub use strict::STRICT;

use crate::jose::alg::Alg;

/// The constants of one kind of authorization server.
#[derive(Debug)]
pub struct Profile {
    /// `entra`, `strict`, …
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
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
    /// Claims that must be there, in the order in which a missing one is reported.
    pub required_claims: &'static [&'static str],
    /// Whether the issuer URL is accepted as `aud` besides the token endpoint.
    pub audience_may_be_issuer: bool,
    /// Whether a v1.0 token endpoint is accepted as `aud`.
    pub audience_may_be_v1: bool,
    /// Whether one `aud` in an array is accepted.
    pub audience_may_be_array_of_one: bool,
    /// Seconds of leeway when `exp`, `nbf` and `iat` are judged.
    pub leeway: i64,
    /// Longest time from issue (`iat`, else `nbf`, else now) to `exp`, in seconds.
    pub max_lifetime: Option<i64>,
    /// Whether a `jti` is accepted once only.
    pub remembers_jti: bool,
}

/// How the segments of a compact JWS may be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentRule {
    /// Canonical base64url without padding (RFC 7515 §2).
    Canonical,
    /// As [`Self::Canonical`], right `=` padding tolerated.
    PaddingTolerated,
}

/// How thumbprints in the header may be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThumbprintRule {
    /// Canonical base64url without padding.
    Canonical,
    /// Either alphabet, padded or not: the bytes count.
    BytesCount,
}

/// Which header members may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRule {
    /// These and no others.
    Only(&'static [&'static str]),
    /// All but these.
    Except(&'static [&'static str]),
}

impl MemberRule {
    /// Whether the rule admits a member of that name.
    pub fn admits(self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(&name),
            Self::Except(names) => !names.contains(&name),
        }
    }
}

/// The profiles of this service's own token endpoint.
pub static PROFILES: [&Profile; 2] = [&ENTRA, &STRICT];

/// The profile of that name.
pub fn by_name(name: &str) -> Option<&'static Profile> {
    PROFILES.into_iter().find(|p| p.name == name)
}
