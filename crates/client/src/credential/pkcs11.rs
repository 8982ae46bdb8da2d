//! Keys in a PKCS#11 token: an HSM, a smart card, SoftHSM. The module is loaded at run time, the key never leaves it.
//!
//! An object is named by a PKCS#11 URI (RFC 7512). The PIN is given apart from it, so that it stands in no command line, and is
//! never printed. Signing waits in a thread of its own.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest;
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::Pkcs11Uri;
use countersign_core::x509::certificate::Certificate;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use secrecy::SecretString;

use super::CredentialError;
use super::certificate::CertificateCredential;
use super::key_vault::hash_of;
use super::signer::{Signer, SignerError, Signing};

/// Certificates looked at in one token.
const MAX_CERTIFICATES: usize = 64;

/// A key in a PKCS#11 token.
#[derive(Clone)]
pub struct Pkcs11Key(Arc<Inner>);

struct Inner {
    context: Pkcs11,
    uri: Pkcs11Uri,
    pin: Option<SecretString>,
    /// One session, used by one thread at a time; opened again when the token was away.
    open: Mutex<Option<(Session, ObjectHandle)>>,
}

impl std::fmt::Debug for Pkcs11Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pkcs11Key").field("uri", &self.0.uri).finish_non_exhaustive()
    }
}

impl Pkcs11Key {
    /// Opens the token and gives a credential for the key. Its certificate is `certificate`, or the one in the token with the
    /// same `CKA_ID` or label.
    ///
    /// # Errors
    /// [`CredentialError::Signer`] naming module, token or key, and what was found instead.
    pub fn credential(
        uri: &Pkcs11Uri,
        pin: Option<SecretString>,
        certificate: Option<Certificate>,
    ) -> Result<CertificateCredential, CredentialError> {
        let module = uri.module.display();
        let context = Pkcs11::new(&uri.module)
            .map_err(|e| SignerError::new(format!("{module}: no PKCS#11 module that can be loaded: {e}")))?;
        match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(e) => return Err(SignerError::new(format!("{module}: cannot be initialised: {e}")).into()),
        }
        let inner = Inner { context, uri: uri.clone(), pin, open: Mutex::new(None) };
        let (session, key) = inner.open()?;
        let certificates =
            certificates(&session, key).map_err(|e| inner.failed("its certificates cannot be read", &e))?;
        let certificate = certificate.or_else(|| certificates.own.clone()).ok_or_else(|| {
            SignerError::new(format!(
                "{}: the token holds no certificate with the key's id or label; give the certificate in a file",
                uri.describe()
            ))
        })?;
        inner.keep(session, key);
        CertificateCredential::with_signer(certificate, &certificates.all, Arc::new(Self(Arc::new(inner))))
    }
}

impl Signer for Pkcs11Key {
    fn sign<'a>(&'a self, alg: Alg, message: &'a [u8]) -> Signing<'a> {
        let (inner, message) = (Arc::clone(&self.0), message.to_vec());
        Box::pin(async move {
            let signed = tokio::task::spawn_blocking(move || inner.sign(alg, &message)).await;
            signed.unwrap_or_else(|_| Err(SignerError::new("signing in the PKCS#11 token was interrupted")))
        })
    }
}

impl Inner {
    fn keep(&self, session: Session, key: ObjectHandle) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some((session, key));
    }

    fn failed(&self, what: &str, error: &Error) -> SignerError {
        SignerError::new(format!("{}: {what}: {error}", self.uri.describe()))
    }

    fn open(&self) -> Result<(Session, ObjectHandle), SignerError> {
        let slots = self.context.get_slots_with_token().map_err(|e| self.failed("no slots", &e))?;
        let mut names = Vec::new();
        let mut found = None;
        for slot in slots {
            let Ok(info) = self.context.get_token_info(slot) else { continue };
            let named = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is.trim_end());
            if !info.token_initialized() {
                continue;
            }
            if named(&self.uri.token, info.label()) && named(&self.uri.serial, info.serial_number()) {
                found = Some((slot, info.login_required()));
                break;
            }
            names.push(format!("'{}'", info.label().trim_end()));
        }
        let (slot, login) = found.ok_or_else(|| {
            let there = if names.is_empty() { "no token at all".to_owned() } else { names.join(", ") };
            SignerError::new(format!("{}: there is no such token; the module has {there}", self.uri.describe()))
                .transient()
        })?;
        let session = self.context.open_ro_session(slot).map_err(|e| self.failed("no session", &e))?;
        if login {
            let pin = self.pin.as_ref().ok_or_else(|| {
                SignerError::new(format!("{}: the token needs a PIN; give it in a file", self.uri.describe()))
            })?;
            match session.login(UserType::User, Some(pin)) {
                Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                // Not tried again: a token locks itself after a few wrong PINs.
                Err(e) => return Err(self.failed("the PIN is not accepted", &e)),
            }
        }
        let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        template.extend(self.uri.object.as_ref().map(|o| Attribute::Label(o.clone().into_bytes())));
        template.extend(self.uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
        let keys = session.find_objects(&template).map_err(|e| self.failed("its keys cannot be listed", &e))?;
        match keys[..] {
            [key] => Ok((session, key)),
            [] => Err(SignerError::new(format!("{}: there is no such private key", self.uri.describe()))),
            _ => Err(SignerError::new(format!(
                "{}: {} private keys have that name; add `id=` to the URI",
                self.uri.describe(),
                keys.len()
            ))),
        }
    }

    fn sign(&self, alg: Alg, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let digest = digest::digest(hash_of(alg), message);
        let (mechanism, data) = prepared(alg, digest.as_ref());
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((session, key)) = &*open {
            match session.sign(&mechanism, *key, &data) {
                Ok(signature) => return Ok(signature),
                // A token that was taken out and put back has no sessions; it is opened once more.
                Err(error) => tracing::debug!(%error, "the PKCS#11 session is opened again"),
            }
        }
        *open = None;
        let (session, key) = self.open()?;
        let signature =
            session.sign(&mechanism, key, &data).map_err(|e| self.failed(&format!("it does not sign {alg}"), &e))?;
        *open = Some((session, key));
        Ok(signature)
    }
}

/// Mechanism and input: the digest is made here, so that every token that has the bare mechanism will do.
fn prepared(alg: Alg, digest: &[u8]) -> (Mechanism<'static>, Vec<u8>) {
    let pss = |hash_alg, mgf, s_len: u64| Mechanism::RsaPkcsPss(PkcsPssParams { hash_alg, mgf, s_len: s_len.into() });
    // DigestInfo up to the digest itself (RFC 8017 §9.2, note 1).
    let wrapped = |hash: u8, length: u8| {
        let mut info =
            vec![0x30, 17 + length, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, hash];
        info.extend([0x05, 0x00, 0x04, length]);
        info.extend(digest);
        info
    };
    match alg {
        Alg::Ps256 => (pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32), digest.to_vec()),
        Alg::Ps384 => (pss(MechanismType::SHA384, PkcsMgfType::MGF1_SHA384, 48), digest.to_vec()),
        Alg::Ps512 => (pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 64), digest.to_vec()),
        Alg::Rs256 => (Mechanism::RsaPkcs, wrapped(1, 32)),
        Alg::Rs384 => (Mechanism::RsaPkcs, wrapped(2, 48)),
        Alg::Rs512 => (Mechanism::RsaPkcs, wrapped(3, 64)),
        // PKCS#11 gives r || s, as JWS wants it.
        Alg::Es256 | Alg::Es384 | Alg::Es512 => (Mechanism::Ecdsa, digest.to_vec()),
    }
}

struct Certificates {
    own: Option<Certificate>,
    all: Vec<Certificate>,
}

/// The token's certificates, and the key's own among them: same `CKA_ID`, else same label.
fn certificates(session: &Session, key: ObjectHandle) -> Result<Certificates, Error> {
    let (mut id, mut label) = (None, None);
    for attribute in session.get_attributes(key, &[AttributeType::Id, AttributeType::Label])? {
        match attribute {
            Attribute::Id(value) if !value.is_empty() => id = Some(value),
            Attribute::Label(value) if !value.is_empty() => label = Some(value),
            _ => {}
        }
    }
    let (mut by_id, mut by_label, mut all) = (None, None, Vec::new());
    let objects = session.find_objects(&[Attribute::Class(ObjectClass::CERTIFICATE)])?;
    for object in objects.into_iter().take(MAX_CERTIFICATES) {
        let (mut certificate, mut its_id, mut its_label) = (None, None, None);
        let wanted = [AttributeType::Value, AttributeType::Id, AttributeType::Label];
        for attribute in session.get_attributes(object, &wanted)? {
            match attribute {
                Attribute::Value(der) => certificate = Certificate::from_der(&der).ok(),
                Attribute::Id(value) => its_id = Some(value),
                Attribute::Label(value) => its_label = Some(value),
                _ => {}
            }
        }
        let Some(certificate) = certificate else { continue };
        if id.is_some() && its_id == id {
            by_id = Some(certificate.clone());
        }
        if label.is_some() && its_label == label {
            by_label = Some(certificate.clone());
        }
        all.push(certificate);
    }
    Ok(Certificates { own: by_id.or(by_label), all })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_none_is_named() {
        let uri = Pkcs11Uri::parse("pkcs11:object=a?module-path=/none/there.so").unwrap();
        let text = Pkcs11Key::credential(&uri, None, None).unwrap_err().to_string();
        assert!(text.contains("/none/there.so"), "{text}");
    }
}
