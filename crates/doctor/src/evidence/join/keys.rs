//! Which certificates are at hand, what the thumbprints received say of them, and which one the client means.
//!
//! Called by [`super::join`]. Nothing is taken for the client's certificate without the way it was told ([`MeantBy`]).

use countersign_core::checks::key::read_x5c_entry;
use countersign_core::jose::header::ThumbprintMember;
use countersign_core::x509::certificate::Certificate;

use crate::artifact::{Content, Meaning};
use crate::evidence::signature::{self, Signature};
use crate::evidence::thumbprint::{self, Candidate};
use crate::evidence::{Evidence, Known, MeantBy, Member, Origin, Received};

pub(super) fn collect_certificates(ev: &mut Evidence<'_>) {
    for keys in &ev.keys {
        for c in keys.it.file.certificates() {
            ev.certificates.push(Known { certificate: c.clone(), artifact: keys.artifact, origin: Origin::File });
        }
    }
    if let Some(header) = ev.header {
        for (i, entry) in header.it.x5c.iter().flatten().take(16).enumerate() {
            if let Some(certificate) = read_x5c_entry(entry) {
                ev.certificates.push(Known { certificate, artifact: header.artifact, origin: Origin::X5c(i) });
            }
        }
    }
    for (a, app) in ev.apps.iter().enumerate() {
        for (k, key) in app.it.registration.key_credentials.iter().enumerate() {
            if let Some(c) = &key.certificate {
                ev.certificates.push(Known {
                    certificate: c.clone(),
                    artifact: app.artifact,
                    origin: Origin::Registered(a, k),
                });
            }
        }
    }
    for set in &ev.jwks {
        for key in set.it {
            if let Some(c) = &key.certificate {
                ev.certificates.push(Known { certificate: c.clone(), artifact: set.artifact, origin: Origin::Jwks });
            }
        }
    }
}

/// Reads every thumbprint; returns the certificate that the header names, outright or after undoing what was done to it.
pub(super) fn receive(ev: &mut Evidence<'_>) -> Option<usize> {
    let mut received: Vec<Received> = Vec::new();
    if let Some(header) = ev.header {
        let members =
            [(Member::X5t, "header/x5t", &header.it.x5t), (Member::X5tS256, "header/x5t#S256", &header.it.x5t_s256)];
        for (member, pointer, value) in members {
            if let Some(v) = value {
                received.push(Received {
                    artifact: header.artifact,
                    pointer: pointer.to_owned(),
                    member,
                    text: Some(v.text.clone()),
                    bytes: v.bytes().map(<[u8]>::to_vec),
                    reading: None,
                });
            }
        }
    }
    for error in &ev.errors {
        if let Some(bytes) = &error.it.parsed.thumbprint
            && !received.iter().any(|r| r.bytes.as_ref() == Some(bytes))
        {
            let pointer = "error_description/Thumbprint of key used by client".to_owned();
            received.push(Received {
                artifact: error.artifact,
                pointer,
                member: Member::Echo,
                text: None,
                bytes: Some(bytes.clone()),
                reading: None,
            });
        }
    }
    for setting in &ev.settings {
        let member = match setting.it.meaning {
            Meaning::Thumbprint => Member::Setting,
            Meaning::X5t => Member::X5t,
            Meaning::X5tS256 => Member::X5tS256,
            _ => continue,
        };
        let text = setting.it.value.to_string();
        // In settings the text is hex; its bytes are those of the text, so that what clings to it is seen.
        let bytes = match member {
            Member::Setting => Some(text.as_bytes().to_vec()),
            _ => ThumbprintMember::read(&text).bytes().map(<[u8]>::to_vec),
        };
        let pointer = format!("settings/{}", setting.it.name);
        received.push(Received { artifact: setting.artifact, pointer, member, text: Some(text), bytes, reading: None });
    }
    let candidates: Vec<Candidate<'_>> = ev
        .certificates
        .iter()
        .map(|k| Candidate {
            certificate: &k.certificate,
            file: match (&ev.artifacts[k.artifact].content, k.origin) {
                (Content::Keys(keys), Origin::File) => Some(keys.raw.as_slice()),
                _ => None,
            },
        })
        .collect();
    for r in &mut received {
        let written = if r.member == Member::Setting { None } else { r.text.as_deref() };
        r.reading = match &r.bytes {
            Some(bytes) => thumbprint::explain(bytes, written, &candidates),
            // No base64 at all: perhaps the hex text with colons, or with marks.
            None => r.text.as_deref().and_then(|t| thumbprint::explain(t.as_bytes(), Some(t), &candidates)),
        };
    }
    let named = received
        .iter()
        .filter(|r| matches!(r.member, Member::X5t | Member::X5tS256))
        .find_map(|r| r.reading.as_ref().and_then(|reading| reading.hit).map(|(i, _)| i))
        .or_else(|| by_kid(ev));
    ev.received = received;
    named
}

/// A `kid` that spells a certificate's digest names it, when no thumbprint does.
fn by_kid(ev: &Evidence<'_>) -> Option<usize> {
    let header = ev.header?.it;
    let kid = header.kid.text().filter(|_| header.x5t.is_none() && header.x5t_s256.is_none())?;
    ev.certificates.iter().position(|k| spells(kid, &k.certificate))
}

/// Whether a text spells a certificate's digest, in hex or base64.
fn spells(text: &str, certificate: &Certificate) -> bool {
    let bytes = countersign_core::encoding::decode_hex_separated(text)
        .or_else(|| countersign_core::encoding::decode_base64(text).ok().map(|d| d.bytes));
    bytes.is_some_and(|b| b == certificate.sha1() || b == certificate.sha256())
}

pub(super) fn read_signature(ev: &mut Evidence<'_>, named: Option<usize>) {
    let Some(jwt) = ev.jwt.filter(|_| ev.parts.signature) else { return };
    if ev.is_federated() || ev.is_other_token() {
        return;
    }
    let certificates: Vec<&Certificate> = ev.certificates.iter().map(|k| &k.certificate).collect();
    let app = ev.app;
    // Near ones first: files, x5c, the client's own registration, then those of other applications.
    let distance = |k: &Known| match k.origin {
        Origin::File => 0,
        Origin::X5c(_) => 1,
        Origin::Registered(a, _) if Some(a) == app => 2,
        Origin::Registered(..) => 3,
        Origin::Jwks => 4,
    };
    let mut others: Vec<usize> = (0..ev.certificates.len()).collect();
    if others.len() > 64 {
        others.retain(|i| distance(&ev.certificates[*i]) < 3);
    }
    others.sort_by_key(|i| distance(&ev.certificates[*i]));
    let found = signature::read(jwt.it, &certificates, named, &others, ev.crypto);
    ev.signature = match found {
        // Without a certificate that is named, a failure says only that the right one is not at hand.
        Signature::Nothing if named.is_none() => Signature::Open,
        found => found,
    };
}

pub(super) fn set_leaf(ev: &mut Evidence<'_>, named: Option<usize>) {
    let keys: Vec<_> = ev.keys.iter().flat_map(|k| k.it.file.private_keys()).collect();
    let is_file = |k: &Known| k.origin == Origin::File;
    let by_key = ev.certificates.iter().position(|k| is_file(k) && keys.iter().any(|key| key.matches(&k.certificate)));
    let by_signature = match ev.signature {
        Signature::Verifies(i)
        | Signature::VerifiesWithOther(i)
        | Signature::DoubleHashed(i)
        | Signature::DerEncoded(i)
        | Signature::Unpadded(i)
        | Signature::OtherAlgorithm(i, _)
        | Signature::OtherInput(i, _) => Some(i),
        Signature::Open | Signature::Nothing => None,
    };
    // The same certificate as a file, when it is at hand both ways.
    let as_file = |i: usize| {
        ev.certificates.iter().position(|k| is_file(k) && k.certificate == ev.certificates[i].certificate).unwrap_or(i)
    };
    let only = || {
        let of_file = ev.keys.iter().find_map(|k| k.it.file.leaf().map(|c| (k.artifact, c.clone())));
        of_file.and_then(|(a, c)| ev.certificates.iter().position(|k| k.artifact == a && k.certificate == c))
    };
    ev.leaf = by_signature
        .map(|i| (as_file(i), MeantBy::Signature))
        .or(by_key.map(|i| (i, MeantBy::PrivateKey)))
        .or(named.filter(|i| !ev.certificates[*i].certificate.is_ca()).map(|i| (as_file(i), MeantBy::Header)))
        .or_else(|| only().map(|i| (i, MeantBy::Only)))
        .or_else(|| {
            ev.certificates
                .iter()
                .position(|k| matches!(k.origin, Origin::X5c(_)) && !k.certificate.is_ca())
                .map(|i| (i, MeantBy::Only))
        });
}
