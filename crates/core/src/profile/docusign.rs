//! DocuSign: the JWT grant.
//!
//! Used by the doctor only. Source: developers.docusign.com, platform/auth/jwt, where no other is named.

use super::{
    AudienceRule, ELSEWHERE, IssuerRule, KeyIdentifierRule, LifetimeFrom, Marks, Profile, Saying, SentAs, SubjectRule,
};
use crate::jose::alg::Alg;

/// DocuSign.
pub static DOCUSIGN: Profile = Profile {
    name: "docusign",
    summary: "DocuSign: account server's bare host as aud, a user as sub, consent",
    // `assertion` of the grant urn:ietf:params:oauth:grant-type:jwt-bearer.
    sent_as: SentAs::Grant,
    algs: &[Alg::Rs256],
    key_identifier: KeyIdentifierRule::Optional,
    required_claims: &["iss", "aud", "exp", "iat"],
    // docusign-esign-php-client#187: the integration key, a GUID; compared with nothing in the request.
    issuer: IssuerRule::Free,
    // The user to impersonate; absent in application tokens (docusign-esign-python-client#57).
    subject: SubjectRule::Free,
    // docusign-esign-java-client#191 ("just the domain name") and docusign-esign-python-client#57: the bare host.
    audience: AudienceRule::Rows(&[
        ("account-d.docusign.com", "account-d.docusign.com"),
        ("account.docusign.com", "account.docusign.com"),
    ]),
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
    ..ELSEWHERE
};
