//! What is taken to hold of every server that is not this service, until its own profile says otherwise.
//!
//! Each value is the reading that blames nobody: no source shows such a server refusing what is taken here.

use super::{
    AudienceRule, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, MemberRule, Profile, SegmentRule, SentAs,
    SubjectRule, ThumbprintRule,
};

/// The start of a profile: `..ELSEWHERE` behind what is known of the server.
pub(super) const ELSEWHERE: Profile = Profile {
    name: "",
    summary: "",
    sent_as: SentAs::ClientAssertion,
    algs: &[],
    // No source speaks of padding, and readers differ: guess.
    segments: SegmentRule::PaddingTolerated,
    // Most know no certificates and do not look at thumbprints; which alphabet the others take is not on record.
    thumbprints: ThumbprintRule::BytesCount,
    // RFC 7515 §4.1.11: `crit` names what must be understood. Nothing else is on record.
    header_members: MemberRule::Except(&["crit"]),
    // RFC 7519 §5.1; RFC 7523bis.
    typ: &["JWT", "client-authentication+jwt"],
    // A `kid` is a name that the client was given.
    kid_selects_certificate: false,
    key_identifier: KeyIdentifierRule::Optional,
    required_claims: &[],
    issuer: IssuerRule::ClientId,
    subject: SubjectRule::IsIssuer,
    federates: false,
    audience: AudienceRule::Rows(&[]),
    // Entra's exceptions; the others are read from `audience` alone.
    audience_may_be_issuer: false,
    audience_may_be_v1: false,
    // RFC 7519 §4.1.3 allows it; not on record: guess.
    audience_may_be_array_of_one: true,
    // Not on record: guess.
    leeway: 300,
    max_lifetime: None,
    lifetime_from: LifetimeFrom::Issue,
    remembers_jti: false,
    marks: Marks::NONE,
    // None on record with a source that can be cited.
    sayings: &[],
};
