//! DocuSign: the JWT grant.
//!
//! Used by the doctor only. Source: developers.docusign.com, platform/auth/jwt, where no other is named.

use super::{
    AudienceRule, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, MemberRule, Profile, Saying, SegmentRule, SentAs,
    SubjectRule, ThumbprintRule,
};
use crate::jose::alg::Alg;

/// DocuSign.
pub static DOCUSIGN: Profile = Profile {
    name: "docusign",
    summary: "DocuSign: account server's bare host as aud, a user as sub, consent",
    // `assertion` of the grant urn:ietf:params:oauth:grant-type:jwt-bearer.
    sent_as: SentAs::Grant,
    algs: &[Alg::Rs256],
    // No source speaks of padding, and readers differ: guess, the tolerant reading, which blames nobody.
    segments: SegmentRule::PaddingTolerated,
    // No certificates: thumbprints are not looked at.
    thumbprints: ThumbprintRule::BytesCount,
    // RFC 7515 §4.1.11: `crit` names what must be understood. Nothing else is on record.
    header_members: MemberRule::Except(&["crit"]),
    // RFC 7519 §5.1; RFC 7523bis.
    typ: &["JWT", "client-authentication+jwt"],
    // No certificates.
    kid_selects_certificate: false,
    key_identifier: KeyIdentifierRule::Optional,
    required_claims: &["iss", "aud", "exp", "iat"],
    // docusign-esign-php-client#187: the integration key, a GUID; compared with nothing in the request.
    issuer: IssuerRule::Free,
    // The user to impersonate; absent in application tokens (docusign-esign-python-client#57).
    subject: SubjectRule::Free,
    federates: false,
    // docusign-esign-java-client#191 ("just the domain name") and docusign-esign-python-client#57: the bare host.
    audience: AudienceRule::Rows(&[
        ("account-d.docusign.com", "account-d.docusign.com"),
        ("account.docusign.com", "account.docusign.com"),
    ]),
    // Read from `audience` alone.
    audience_may_be_issuer: false,
    audience_may_be_v1: false,
    audience_may_be_array_of_one: true,
    // Not on record: guess.
    leeway: 300,
    // An hour is the limit in docusign-esign-node-client#215; what a longer one gets is not on record.
    max_lifetime: None,
    lifetime_from: LifetimeFrom::Issue,
    remembers_jti: false,
    marks: Marks { hosts: &["account-d.docusign.com", "account.docusign.com"], paths: &[], issuers: &[] },
    sayings: &[
        // docusign-esign-python-client#57; a wrong clock got the same in docusign-esign-csharp-client#323.
        Saying {
            text: "no_valid_keys_or_signatures",
            check: "signature",
            means: "the signature does not verify with a key of the integration; a wrong clock has got this answer too",
            own: true,
        },
        // docusign-esign-php-client#187.
        Saying {
            text: "issuer_not_found",
            check: "client-known",
            means: "`iss` is no integration key of this environment",
            own: true,
        },
    ],
};
