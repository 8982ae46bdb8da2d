//! The key: which registered certificate the header means, and whether it is valid at this moment.
//!
//! A key is found by the thumbprints computed from its certificate, within this application, and nowhere else: another
//! certificate around the same key pair is not found (Entra, public report).

use crate::checks::{Outcome, assertion_form};
use crate::encoding;
use crate::facts::{Facts, Needed, Selection};
use crate::jose::header::{ThumbprintMember, UnverifiedHeader};
use crate::profile::{Profile, ThumbprintRule};
use crate::reason::Reason;
use crate::registration::{KeyCredential, Registration};
use crate::x509::certificate::Certificate;
use crate::x509::chain;

/// The application has certificates at all (AADSTS700026), or trusts subject names.
pub fn keys_registered(facts: &Facts<'_>) -> Outcome {
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    let Some(client) = facts.client() else { return Outcome::Undecided(Needed::Application) };
    Outcome::refuse_if(client.key_credentials.is_empty() && client.trusted_subjects.is_empty(), || Reason::NoKeys)
}

/// Thumbprints are encoded as the profile demands.
pub fn thumbprint_encoding(facts: &Facts<'_>) -> Outcome {
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    let Some(jwt) = facts.jwt() else { return Outcome::NotApplicable };
    if facts.profile.thumbprints == ThumbprintRule::BytesCount {
        return Outcome::Pass;
    }
    for (member, value) in [("x5t#S256", &jwt.header.x5t_s256), ("x5t", &jwt.header.x5t)] {
        if let Some(decoded) = value.as_ref().and_then(|v| v.decoded.as_ref())
            && !decoded.oddities.is_canonical()
        {
            return Outcome::Refuse(Reason::ThumbprintEncoding {
                member,
                app_id: facts.client_id.unwrap_or_default().to_owned(),
                oddities: decoded.oddities,
            });
        }
    }
    Outcome::Pass
}

/// A registered certificate has the header's identifier (AADSTS700027, "The key was not found.").
pub fn found(facts: &Facts<'_>) -> Outcome {
    if !assertion_form::is_own_assertion(facts) || facts.jwt().is_none() {
        return Outcome::NotApplicable;
    }
    match facts.selection() {
        Selection::Registered { .. } | Selection::Chain { .. } | Selection::WithoutCertificate { .. } => Outcome::Pass,
        Selection::Refused(reason) => Outcome::Refuse((**reason).clone()),
        Selection::Open(needed) => Outcome::Undecided(*needed),
    }
}

/// The certificate found is valid now; no leeway, as no record shows any.
pub fn valid(facts: &Facts<'_>) -> Outcome {
    if !assertion_form::is_own_assertion(facts) || facts.jwt().is_none() {
        return Outcome::NotApplicable;
    }
    let app_id = || facts.client().map(|c| c.app_id.clone()).unwrap_or_default();
    let selection = facts.selection();
    let credential = match selection {
        Selection::Registered { credential, .. } | Selection::WithoutCertificate { credential } => *credential,
        Selection::Chain { leaf } => {
            return Outcome::refuse_if(!leaf.valid_at(facts.now), || Reason::ChainOutsideValidity);
        }
        Selection::Refused(_) => return Outcome::NotApplicable,
        Selection::Open(needed) => return Outcome::Undecided(*needed),
    };
    let key = || {
        selection.found_key().unwrap_or_else(|| crate::reason::FoundKey {
            thumbprint: credential.custom_digest(),
            key_id: credential.key_id.clone(),
            start: credential.start,
            end: credential.end,
        })
    };
    if facts.now < credential.usable_from() {
        Outcome::Refuse(Reason::KeyNotYetValid { app_id: app_id(), key: key(), now: facts.now })
    } else if facts.now > credential.usable_until() {
        Outcome::Refuse(Reason::KeyExpired { app_id: app_id(), key: key(), now: facts.now })
    } else {
        Outcome::Pass
    }
}

/// Finds the key that the header means. Called once through [`Facts::selection`].
pub(crate) fn select<'a>(facts: &Facts<'a>) -> Selection<'a> {
    let Some(jwt) = facts.jwt() else { return Selection::Open(Needed::Assertion) };
    let Some(client) = facts.client() else { return Selection::Open(Needed::Application) };
    let wanted = Wanted::of(&jwt.header, facts.profile);
    let now = facts.now;
    let mut best: Option<&KeyCredential> = None;
    let mut open = false;
    for credential in &client.key_credentials {
        match wanted.judge(credential) {
            Match::Yes => {
                // The same certificate may stand in several entries: the one that is valid now counts.
                let better = best.is_none_or(|b| !usable(b, now) && usable(credential, now));
                if better {
                    best = Some(credential);
                }
            }
            Match::No => {}
            Match::Unknown => open = true,
        }
    }
    if let Some(credential) = best {
        return match &credential.certificate {
            Some(certificate) => Selection::Registered { credential, certificate, thumbprint: wanted.shown },
            None => Selection::WithoutCertificate { credential },
        };
    }
    if !client.trusted_subjects.is_empty()
        && let Some(x5c) = &jwt.header.x5c
    {
        return select_chain(facts, client, &wanted, x5c);
    }
    if open {
        return Selection::Open(Needed::Certificate);
    }
    Selection::Refused(Box::new(not_found(client, &wanted)))
}

fn usable(credential: &KeyCredential, now: crate::time::UnixTime) -> bool {
    credential.usable_from() <= now && now <= credential.usable_until()
}

fn not_found(client: &Registration, wanted: &Wanted<'_>) -> Reason {
    Reason::KeyNotFound {
        app_id: client.app_id.clone(),
        thumbprint: wanted.shown.map(<[u8]>::to_vec),
        trusts_subjects: !client.trusted_subjects.is_empty(),
    }
}

/// Subject-name/issuer trust: the chain in `x5c` leads to the registered authority and the leaf has the subject name.
fn select_chain<'a>(facts: &Facts<'a>, client: &Registration, wanted: &Wanted<'a>, x5c: &[String]) -> Selection<'a> {
    let refused = |reason| Selection::Refused(Box::new(reason));
    let certificates: Option<Vec<Certificate>> = x5c.iter().map(|entry| read_x5c_entry(entry)).collect();
    let Some(certificates) = certificates.filter(|c| !c.is_empty() && c.len() <= 10) else {
        return refused(not_found(client, wanted));
    };
    let (leaf, intermediates) = (&certificates[0], &certificates[1..]);
    if !wanted.names(leaf) {
        return refused(not_found(client, wanted));
    }
    let names = || {
        let mut names: Vec<String> = leaf.common_name().map(str::to_owned).into_iter().collect();
        names.extend(leaf.subject_alternative_names().iter().take(9).cloned());
        names
    };
    let has_name = |wanted: &str| {
        leaf.common_name().is_some_and(|n| n.eq_ignore_ascii_case(wanted))
            || leaf.subject_alternative_names().iter().any(|n| n.eq_ignore_ascii_case(wanted))
    };
    let Some(trusted) = client.trusted_subjects.iter().find(|t| has_name(&t.subject_name)) else {
        return refused(Reason::ChainUntrusted { subjects: names() });
    };
    let revoked = |id: &String| {
        id.eq_ignore_ascii_case(&encoding::encode_hex_upper(leaf.sha1())) || id.eq_ignore_ascii_case(leaf.serial_hex())
    };
    if trusted.revoked.iter().any(revoked) {
        return refused(Reason::CertificateRevoked);
    }
    if !leaf.valid_at(facts.now) {
        return refused(Reason::ChainOutsideValidity);
    }
    match chain::verify_to_anchor(leaf, intermediates, &trusted.anchors, facts.now) {
        Ok(_) => Selection::Chain { leaf: Box::new(leaf.clone()) },
        Err(_) => refused(not_found(client, wanted)),
    }
}

/// Reads one `x5c` entry: base64 of the DER (RFC 7515 §4.1.6), with line breaks (MSAL Python), or base64 of a whole
/// PEM (Azure SDK for Rust).
pub fn read_x5c_entry(entry: &str) -> Option<Certificate> {
    let bytes = encoding::decode_base64(entry).ok()?.bytes;
    if let Ok(certificate) = Certificate::from_der(&bytes) {
        return Some(certificate);
    }
    let text = std::str::from_utf8(&bytes).ok()?;
    let body = text.split("-----BEGIN CERTIFICATE-----").nth(1)?.split("-----END").next()?;
    Certificate::from_der(&encoding::decode_base64(body).ok()?.bytes).ok()
}

/// The identifiers of a header.
struct Wanted<'a> {
    x5t: Option<Option<&'a [u8]>>,
    x5t_s256: Option<Option<&'a [u8]>>,
    kid: Option<&'a str>,
    /// The thumbprint that refusals print: `x5t`, else `x5t#S256`.
    shown: Option<&'a [u8]>,
}

enum Match {
    Yes,
    No,
    Unknown,
}

impl<'a> Wanted<'a> {
    fn of(header: &'a UnverifiedHeader, profile: &Profile) -> Self {
        let x5t = header.x5t.as_ref().map(ThumbprintMember::bytes);
        let x5t_s256 = header.x5t_s256.as_ref().map(ThumbprintMember::bytes);
        Self {
            // With a thumbprint at hand kid is ignored ("Azure ignores the kid", Keycloak).
            kid: header.kid.text().filter(|_| profile.kid_selects_certificate && x5t.is_none() && x5t_s256.is_none()),
            shown: x5t.flatten().or(x5t_s256.flatten()),
            x5t,
            x5t_s256,
        }
    }

    /// Whether the header names this certificate. Every thumbprint that is there must agree.
    fn names(&self, certificate: &Certificate) -> bool {
        let agrees = |member: Option<Option<&[u8]>>, digest: &[u8]| member.is_none_or(|m| m == Some(digest));
        if self.x5t.is_some() || self.x5t_s256.is_some() {
            return agrees(self.x5t, certificate.sha1()) && agrees(self.x5t_s256, certificate.sha256());
        }
        self.kid.is_some_and(|kid| kid_spells(kid, certificate.sha1()) || kid_spells(kid, certificate.sha256()))
    }

    fn judge(&self, credential: &KeyCredential) -> Match {
        if let Some(certificate) = &credential.certificate {
            return if self.names(certificate) { Match::Yes } else { Match::No };
        }
        // Without the certificate only customKeyIdentifier speaks, and only for a digest of the same length.
        let Some(digest) = credential.custom_digest() else { return Match::Unknown };
        let comparable = |m: Option<Option<&'a [u8]>>| m.flatten().filter(|b| b.len() == digest.len());
        match (comparable(self.x5t).or(comparable(self.x5t_s256)), self.kid) {
            (Some(bytes), _) if bytes == digest => Match::Yes,
            (Some(_), _) => Match::No,
            (None, Some(kid)) if kid_spells(kid, &digest) => Match::Yes,
            // An identifier of another length can still be right: x5t#S256 against a SHA-1 in customKeyIdentifier.
            (None, None) if self.x5t.flatten().is_none_or(|b| b.len() != 20) && self.x5t_s256.is_none() => Match::No,
            (None, _) => Match::Unknown,
        }
    }
}

/// Whether a `kid` is the digest in hex of either case, or in base64 of either alphabet.
fn kid_spells(kid: &str, digest: &[u8]) -> bool {
    encoding::decode_hex(kid).is_some_and(|b| b == digest)
        || encoding::decode_base64(kid).is_ok_and(|d| d.bytes == digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kid_is_read_in_every_spelling_of_a_digest() {
        let digest = encoding::decode_hex("84E05C1D98BCE3A5421D225B140B36E86A3D5534").unwrap();
        for kid in [
            "84E05C1D98BCE3A5421D225B140B36E86A3D5534",
            "84e05c1d98bce3a5421d225b140b36e86a3d5534",
            "hOBcHZi846VCHSJbFAs26Go9VTQ",
            "hOBcHZi846VCHSJbFAs26Go9VTQ=",
        ] {
            assert!(kid_spells(kid, &digest), "{kid}");
        }
        assert!(!kid_spells("my-key-1", &digest));
    }
}
