//! What a signature that does not verify really is: another key's, another algorithm's, another form's.
//!
//! Called by the evidence once. Every answer is a verification that succeeded; nothing is guessed from lengths.

use countersign_core::crypto::Provider;
use countersign_core::encoding;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::thumbprint::sha256;
use countersign_core::x509::certificate::Certificate;
use countersign_core::x509::key::{Curve, PublicKey};

/// What the signature turned out to be.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Signature {
    /// There is none, or nothing to verify it with.
    #[default]
    Open,
    /// It verifies with this certificate (index).
    Verifies(usize),
    /// It verifies with this certificate, which is not the one the header names.
    VerifiesWithOther(usize),
    /// The digest was hashed once more.
    DoubleHashed(usize),
    /// ECDSA in ASN.1 instead of `r || s`.
    DerEncoded(usize),
    /// ECDSA with `r` or `s` shorter than the curve's coordinates.
    Unpadded(usize),
    /// Made with another algorithm than `alg` says.
    OtherAlgorithm(usize, Alg),
    /// Made over other bytes than were sent.
    OtherInput(usize, &'static str),
    /// It verifies with none of the keys at hand.
    Nothing,
}

/// Certificates tried beyond the one that the header names: each costs a verification for each variant.
const MAX_OTHERS: usize = 16;

/// Finds out what a signature is. `named` is the certificate that the header names, `candidates` index others to try.
pub fn read(
    jwt: &UnverifiedJwt,
    certificates: &[&Certificate],
    named: Option<usize>,
    others: &[usize],
    crypto: &dyn Provider,
) -> Signature {
    let Some(alg) = jwt.header.alg.text().and_then(Alg::from_name) else { return Signature::Open };
    let input = jwt.compact.signing_input();
    let signature = &jwt.compact.signature.bytes;
    if signature.is_empty() {
        return Signature::Open;
    }
    let verifies = |i: usize, alg: Alg, message: &[u8], signature: &[u8]| {
        certificates
            .get(i)
            .and_then(|c| c.verifier(crypto).ok())
            .is_some_and(|v| v.verify(alg, message, signature).is_ok())
    };
    if let Some(i) = named
        && verifies(i, alg, input, signature)
    {
        return Signature::Verifies(i);
    }
    let others: Vec<usize> = others.iter().copied().filter(|i| Some(*i) != named).take(MAX_OTHERS).collect();
    if let Some(i) = others.iter().find(|i| verifies(**i, alg, input, signature)) {
        return if named.is_none() { Signature::Verifies(*i) } else { Signature::VerifiesWithOther(*i) };
    }
    let usable = |i: &usize| certificates.get(*i).is_some_and(|c| c.verifier(crypto).is_ok());
    let all: Vec<usize> = named.into_iter().chain(others).filter(usable).collect();
    if all.is_empty() {
        return Signature::Open;
    }
    let digest = sha256(input);
    for i in &all {
        if verifies(*i, alg, &digest, signature) {
            return Signature::DoubleHashed(*i);
        }
        if let PublicKey::Ec { curve, .. } = certificates[*i].public_key() {
            if from_der(signature, curve).is_some_and(|raw| verifies(*i, alg, input, &raw)) {
                return Signature::DerEncoded(*i);
            }
            if pads(signature, curve).iter().any(|raw| verifies(*i, alg, input, raw)) {
                return Signature::Unpadded(*i);
            }
        }
        let key = certificates[*i].public_key();
        let mut kin = Alg::ALL.into_iter().filter(|a| *a != alg && key.fits(*a));
        // An algorithm for another kind of key is a fault by itself; that the pair is right is all there is to say.
        if !key.fits(alg) {
            match kin.any(|other| verifies(*i, other, input, signature)) {
                true => return Signature::Verifies(*i),
                false if all.len() == 1 => return Signature::Open,
                false => continue,
            }
        }
        if let Some(other) = kin.find(|other| verifies(*i, *other, input, signature)) {
            return Signature::OtherAlgorithm(*i, other);
        }
        for (message, what) in inputs(jwt) {
            if verifies(*i, alg, &message, signature) {
                return Signature::OtherInput(*i, what);
            }
        }
    }
    Signature::Nothing
}

/// `r || s` of an ASN.1 signature (RFC 3279 §2.2.3 against RFC 7518 §3.4).
fn from_der(signature: &[u8], curve: &Curve) -> Option<Vec<u8>> {
    let n = curve.coordinate_length()?;
    // SEQUENCE { INTEGER r, INTEGER s }; P-521 needs the long form of the length.
    let mut rest = match signature {
        [0x30, 0x81, length, rest @ ..] | [0x30, length, rest @ ..] if rest.len() == usize::from(*length) => rest,
        _ => return None,
    };
    let mut out = Vec::with_capacity(2 * n);
    for _ in 0..2 {
        let [0x02, length, tail @ ..] = rest else { return None };
        let (number, tail) = tail.split_at_checked(usize::from(*length))?;
        let zeros = number.iter().take_while(|b| **b == 0).count();
        let number = &number[zeros..];
        if number.len() > n {
            return None;
        }
        out.resize(out.len() + n - number.len(), 0);
        out.extend_from_slice(number);
        rest = tail;
    }
    if !rest.is_empty() {
        return None;
    }
    Some(out)
}

/// Every way to split a short signature into `r` and `s` and pad both.
fn pads(signature: &[u8], curve: &Curve) -> Vec<Vec<u8>> {
    let Some(n) = curve.coordinate_length() else { return Vec::new() };
    if signature.len() >= 2 * n || signature.len() + 6 < 2 * n {
        return Vec::new();
    }
    (signature.len().saturating_sub(n)..=n.min(signature.len()))
        .map(|cut| {
            let (r, s) = signature.split_at(cut);
            let mut out = vec![0; n - r.len()];
            out.extend_from_slice(r);
            out.resize(2 * n - s.len(), 0);
            out.extend_from_slice(s);
            out
        })
        .collect()
}

/// Other bytes that are signed by mistake.
fn inputs(jwt: &UnverifiedJwt) -> Vec<(Vec<u8>, &'static str)> {
    let (header, claims) = (&jwt.compact.header.bytes, &jwt.compact.payload.bytes);
    let sent = jwt.compact.signing_input();
    let mut out = Vec::new();
    let mut add = |bytes: Vec<u8>, what| {
        if bytes != sent {
            out.push((bytes, what));
        }
    };
    add(
        format!("{}.{}", encoding::encode_base64url(header), encoding::encode_base64url(claims)).into_bytes(),
        "the unpadded base64url of header and claims",
    );
    add(
        format!("{}.{}", encoding::encode_base64(header), encoding::encode_base64(claims)).into_bytes(),
        "the standard base64 of header and claims",
    );
    add([header.as_slice(), b".", claims.as_slice()].concat(), "the JSON of header and claims");
    add(claims.clone(), "the JSON of the claims alone");
    add(encoding::encode_base64url(claims).into_bytes(), "the claims segment alone");
    add([sent, b"\n"].concat(), "the segments with a line feed");
    out
}
