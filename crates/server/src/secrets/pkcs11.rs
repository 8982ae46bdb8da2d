//! The master key out of a PKCS#11 token: an HMAC that the token computes, by a key that never leaves it.
//!
//! Called by [`super::MasterKey::read`]. The same key in the token gives the same master key on every node and after every
//! start, and nothing of it is kept on a disk. The module is loaded at run time; it is asked once and left alone.

use std::path::Path;

use countersign_core::keyfile::Pkcs11Uri;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{KEY_BYTES, SecretsError};
use crate::files;

/// What the token computes its HMAC-SHA-256 of. Never changes.
const LABEL: &[u8] = b"countersign master key 1";
/// Longest PIN file that is read.
const MAX_PIN: u64 = 4_096;

/// Asks the token.
///
/// # Errors
/// [`SecretsError::Token`] naming module, token, key or PIN file, and what was found instead.
pub(super) fn derive(uri: &Pkcs11Uri, pin_file: Option<&Path>) -> Result<Zeroizing<[u8; KEY_BYTES]>, SecretsError> {
    let module = uri.module.display();
    let context = Pkcs11::new(&uri.module)
        .map_err(|e| SecretsError::Token(format!("{module} is no PKCS#11 module that can be loaded: {e}")))?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(e) => return Err(SecretsError::Token(format!("{module} cannot be initialised: {e}"))),
    }
    let failed = |what: &str, error: &Error| SecretsError::Token(format!("{}: {what}: {error}", uri.describe()));
    let (slot, needs_pin) = slot(&context, uri)?;
    let session = context.open_ro_session(slot).map_err(|e| failed("no session can be opened", &e))?;
    if needs_pin {
        log_in(&session, uri, pin_file.or(uri.pin_file()))?;
    }
    let key = find(&session, uri)?;
    let mac = session
        .sign(&Mechanism::Sha256Hmac, key, LABEL)
        .map(Zeroizing::new)
        .map_err(|e| failed("it computes no HMAC-SHA-256 (CKM_SHA256_HMAC, CKA_SIGN)", &e))?;
    <[u8; KEY_BYTES]>::try_from(mac.as_slice())
        .map(Zeroizing::new)
        .map_err(|_| SecretsError::Token(format!("{}: its HMAC has {} bytes, not 32", uri.describe(), mac.len())))
}

/// The slot with the token, and whether it wants a PIN.
fn slot(context: &Pkcs11, uri: &Pkcs11Uri) -> Result<(Slot, bool), SecretsError> {
    let slots = context
        .get_slots_with_token()
        .map_err(|e| SecretsError::Token(format!("{}: the module lists no slots: {e}", uri.describe())))?;
    let mut names = Vec::new();
    for slot in slots {
        let Ok(info) = context.get_token_info(slot) else { continue };
        let named = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is.trim_end());
        if !info.token_initialized() {
            continue;
        }
        if named(&uri.token, info.label()) && named(&uri.serial, info.serial_number()) {
            return Ok((slot, info.login_required()));
        }
        names.push(format!("'{}'", info.label().trim_end()));
    }
    let there = if names.is_empty() { "no token at all".to_owned() } else { names.join(", ") };
    Err(SecretsError::Token(format!("{}: there is no such token; the module has {there}", uri.describe())))
}

fn log_in(session: &Session, uri: &Pkcs11Uri, pin_file: Option<&Path>) -> Result<(), SecretsError> {
    let path = pin_file.ok_or_else(|| {
        SecretsError::Token(format!(
            "{}: the token wants a PIN: put it into a file and name that with --master-key-pin-file",
            uri.describe()
        ))
    })?;
    match session.login(UserType::User, Some(&pin(path)?)) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        // Not tried again: a token locks itself after a few wrong PINs.
        Err(e) => {
            Err(SecretsError::Token(format!("{}: the PIN in {} is not accepted: {e}", uri.describe(), path.display())))
        }
    }
}

fn pin(path: &Path) -> Result<AuthPin, SecretsError> {
    let unreadable = |cause| SecretsError::File { path: path.to_owned(), doing: "read", cause };
    files::owner_only(path).map_err(|mode| SecretsError::Readable { path: path.to_owned(), mode })?;
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_PIN {
        return Err(SecretsError::Token(format!("{} is too long for a PIN file", path.display())));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(unreadable)?);
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(SecretsError::Token(format!("the PIN file {} is empty", path.display()))),
        pin => Ok(AuthPin::new(pin.into())),
    }
}

/// The one secret key of that name that computes HMACs.
fn find(session: &Session, uri: &Pkcs11Uri) -> Result<ObjectHandle, SecretsError> {
    let wrong = |what: String| SecretsError::Token(format!("{}: {what}", uri.describe()));
    let mut template = vec![Attribute::Class(ObjectClass::SECRET_KEY)];
    template.extend(uri.object.as_ref().map(|o| Attribute::Label(o.clone().into_bytes())));
    template.extend(uri.id.as_ref().map(|id| Attribute::Id(id.clone())));
    let keys = session.find_objects(&template).map_err(|e| wrong(format!("its keys cannot be listed: {e}")))?;
    let key = match keys[..] {
        [key] => key,
        [] => {
            return Err(wrong(
                "there is no such secret key; make one, for example with: pkcs11-tool --keygen --key-type GENERIC:32"
                    .to_owned(),
            ));
        }
        _ => return Err(wrong(format!("{} secret keys have that name; add `id=` to the URI", keys.len()))),
    };
    let attributes = session
        .get_attributes(key, &[AttributeType::KeyType, AttributeType::ValueLen, AttributeType::Extractable])
        .map_err(|e| wrong(format!("its attributes cannot be read: {e}")))?;
    for attribute in attributes {
        match attribute {
            Attribute::KeyType(kind) if kind != KeyType::GENERIC_SECRET && kind != KeyType::SHA256_HMAC => {
                return Err(wrong(format!("it is a key of type {kind}; a generic secret is needed")));
            }
            Attribute::ValueLen(length) if *length < KEY_BYTES as u64 => {
                return Err(wrong(format!("it has {} bytes; 32 are needed", *length)));
            }
            Attribute::Extractable(true) => {
                tracing::warn!(
                    key = uri.describe(),
                    "the master key's token would give the key away (CKA_EXTRACTABLE)"
                );
            }
            _ => {}
        }
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_is_none_is_named() {
        let uri = Pkcs11Uri::parse("pkcs11:object=a?module-path=/none/there.so").unwrap();
        let text = derive(&uri, None).unwrap_err().to_string();
        assert!(text.contains("/none/there.so"), "{text}");
    }
}
