//! PKCS#11 URIs (RFC 7512): which object of which token, by which module.
//!
//! Read by the client, whose keys may lie in a token, and by the service, whose master key may. Opens nothing.

use std::path::{Path, PathBuf};

/// `pkcs11:token=NAME;object=LABEL?module-path=/usr/lib/…/libsofthsm2.so`.
///
/// ```
/// use countersign_core::keyfile::Pkcs11Uri;
///
/// let uri = Pkcs11Uri::parse("pkcs11:token=payroll;object=daemon;id=%01?module-path=/usr/lib/softhsm/libsofthsm2.so")?;
/// assert_eq!(uri.object.as_deref(), Some("daemon"));
/// # Ok::<(), countersign_core::keyfile::Pkcs11UriError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkcs11Uri {
    /// Label of the token.
    pub token: Option<String>,
    /// Serial number of the token.
    pub serial: Option<String>,
    /// Label of the object (`CKA_LABEL`).
    pub object: Option<String>,
    /// `CKA_ID` of the object.
    pub id: Option<Vec<u8>>,
    /// The vendor's library.
    pub module: PathBuf,
    /// The file that holds the PIN (`pin-source`).
    pub pin_file: Option<PathBuf>,
}

/// A PKCS#11 URI that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{uri}' is no PKCS#11 URI that can be used: {why} (RFC 7512)")]
pub struct Pkcs11UriError {
    /// As given, without a PIN.
    pub uri: String,
    /// The rule it breaks.
    pub why: String,
}

impl Pkcs11Uri {
    /// Reads a PKCS#11 URI. `pin-value` is refused: a PIN in a URI ends up in logs.
    ///
    /// # Errors
    /// [`Pkcs11UriError`]
    pub fn parse(text: &str) -> Result<Self, Pkcs11UriError> {
        let shown = text.split_once("pin-value=").map_or_else(|| text.to_owned(), |(before, _)| format!("{before}…"));
        let wrong = |why: &str| Pkcs11UriError { uri: shown.clone(), why: why.to_owned() };
        let rest = text.strip_prefix("pkcs11:").ok_or_else(|| wrong("it does not begin with `pkcs11:`"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut token, mut serial, mut object, mut id) = (None, None, None, None);
        for (name, value) in attributes(path, ';') {
            let bytes = unescape(value).ok_or_else(|| wrong("a % is not followed by two hexadecimal digits"))?;
            let as_text = || String::from_utf8(bytes.clone()).map_err(|_| wrong("a name is no UTF-8"));
            match name {
                "token" => token = Some(as_text()?),
                "serial" => serial = Some(as_text()?),
                "object" => object = Some(as_text()?),
                "id" => id = Some(bytes),
                "type" if value == "private" || value == "secret-key" => {}
                "type" => {
                    return Err(wrong(
                        "`type` is neither `private` nor `secret-key`; leave it out, the certificate of a key is found by itself",
                    ));
                }
                "manufacturer" | "model" | "library-manufacturer" | "library-description" | "library-version" => {}
                "slot-id" | "slot-description" | "slot-manufacturer" => {
                    return Err(wrong("slots change their numbers; name the token by `token=` or `serial=`"));
                }
                _ => return Err(wrong(&format!("`{name}` is no attribute of RFC 7512 §2.3"))),
            }
        }
        let (mut module, mut pin_file) = (None, None);
        for (name, value) in attributes(query, '&') {
            let as_path = || unescape(value).and_then(|b| String::from_utf8(b).ok());
            match name {
                "module-path" => module = as_path().map(PathBuf::from),
                "pin-source" => {
                    let path = as_path().ok_or_else(|| wrong("`pin-source` is no path"))?;
                    pin_file = Some(PathBuf::from(path.strip_prefix("file:").unwrap_or(&path)));
                }
                "pin-value" => {
                    return Err(wrong("`pin-value` would stand in logs and process lists; give the PIN in a file"));
                }
                // RFC 7512 §2.3: unknown query attributes are vendor-specific and may be ignored.
                _ => {}
            }
        }
        if object.is_none() && id.is_none() {
            return Err(wrong("it names no key; give `object=LABEL` or `id=%01`"));
        }
        let module = module
            .ok_or_else(|| wrong("it names no module; append `?module-path=/path/of/the/vendor's/library.so`"))?;
        Ok(Self { token, serial, object, id, module, pin_file })
    }

    /// The file that holds the PIN, where the URI names one (`pin-source`).
    pub fn pin_file(&self) -> Option<&Path> {
        self.pin_file.as_deref()
    }

    /// Key and token in words.
    pub fn describe(&self) -> String {
        let token = self.token.as_deref().or(self.serial.as_deref()).unwrap_or("(any)");
        let key = self.object.clone().unwrap_or_else(|| format!("{:02x?}", self.id.as_deref().unwrap_or_default()));
        format!("key '{key}' in token '{token}'")
    }
}

fn attributes(text: &str, separator: char) -> impl Iterator<Item = (&str, &str)> {
    text.split(separator).filter(|part| !part.is_empty()).map(|part| part.split_once('=').unwrap_or((part, "")))
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b != b'%' {
            out.push(b);
            continue;
        }
        let digit = |b: Option<u8>| char::from(b?).to_digit(16);
        let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
        out.push(u8::try_from(high * 16 + low).ok()?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "?module-path=/usr/lib/softhsm/libsofthsm2.so";

    #[test]
    fn reads_uris_and_says_what_is_wrong_with_others() {
        let uri = Pkcs11Uri::parse(&format!(
            "pkcs11:token=My%20HSM;object=daemon;id=%01%0a;type=private{MODULE}&pin-source=file:/run/pin"
        ));
        let uri = uri.unwrap();
        assert_eq!((uri.token.as_deref(), uri.object.as_deref()), (Some("My HSM"), Some("daemon")));
        assert_eq!(uri.id.as_deref(), Some(&[1, 10][..]));
        assert_eq!(uri.pin_file(), Some(Path::new("/run/pin")));
        for (wrong, why) in [
            ("token=a", "`pkcs11:`"),
            ("pkcs11:token=a", "object=LABEL"),
            ("pkcs11:object=a", "module-path"),
            ("pkcs11:object=%zz?module-path=/m", "hexadecimal"),
            ("pkcs11:slot-id=1;object=a?module-path=/m", "token="),
            ("pkcs11:object=a;type=cert?module-path=/m", "secret-key"),
            ("pkcs11:objekt=a?module-path=/m", "objekt"),
        ] {
            let text = Pkcs11Uri::parse(wrong).unwrap_err().to_string();
            assert!(text.contains(why) && text.contains("RFC 7512"), "{text}");
        }
        let text = Pkcs11Uri::parse("pkcs11:object=a?module-path=/m&pin-value=1234").unwrap_err().to_string();
        assert!(text.contains("in a file") && !text.contains("1234"), "{text}");
    }
}
