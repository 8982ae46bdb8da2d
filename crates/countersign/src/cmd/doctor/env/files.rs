//! The files that variables name: keys with their certificates, federated tokens, bundles of CAs.
//!
//! Called by [`super::run`]. Reads files and shows their names, never their contents.

use std::path::Path;

use countersign_core::UnixTime;
use countersign_core::encoding::decode_base64;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::keyfile::{self, load_identity};
use countersign_core::x509::certificate::Certificate;
use countersign_doctor::proof::Level;

use super::{Findings, Read};
use crate::input;
use crate::output::printable;

/// A certificate that ends sooner is worth a warning.
const SOON: i64 = 30 * 86_400;
/// Variables that name certificate bundles, and who reads them.
pub(super) const BUNDLES: [(&str, &str); 4] = [
    ("REQUESTS_CA_BUNDLE", "MSAL and azure-identity for Python"),
    ("CURL_CA_BUNDLE", "MSAL for Python, curl"),
    ("SSL_CERT_FILE", "Go, Rust, .NET, azure-identity for Python (async)"),
    ("NODE_EXTRA_CA_CERTS", "Node, read at its start only"),
];

/// The files that the variables name.
pub(super) fn files(read: Read<'_>, now: UnixTime, found: &mut Findings) {
    if let Some(path) = read("AZURE_CLIENT_CERTIFICATE_PATH") {
        certificate(&AZURE, Path::new(&path), read(AZURE.password).as_deref(), now, found);
    }
    if let Some(path) = read("AZURE_FEDERATED_TOKEN_FILE") {
        federated(Path::new(&path), now, found);
    }
    for (name, readers) in BUNDLES {
        let Some(path) = read(name) else { continue };
        let shown = printable(&path);
        let fix = "name a PEM file with CA certificates, or unset the variable";
        match input::read(Path::new(&path)) {
            Err(failure) => found.add(Level::Error, format!("{name} ({readers}): {}", failure.message), fix),
            Ok(bytes) if !has_certificate(&bytes) => {
                found.add(Level::Error, format!("{name} ({readers}): {shown} holds no certificate in PEM"), fix);
            }
            Ok(_) => {}
        }
    }
}

/// Whether the bundle that a variable names holds this certificate.
pub(super) fn bundle_holds(path: &Path, ca: &Certificate) -> bool {
    let Ok(bytes) = input::read(path) else { return false };
    keyfile::read(&bytes, None).certificates().any(|c| c == ca)
        || String::from_utf8_lossy(&bytes)
            .split("-----BEGIN CERTIFICATE-----")
            .skip(1)
            .filter_map(|block| block.split("-----END").next())
            .filter_map(|body| decode_base64(&body.split_whitespace().collect::<String>()).ok())
            .any(|der| der.bytes == ca.der())
}

/// A bundle may hold more certificates than the reader of key files takes.
fn has_certificate(bytes: &[u8]) -> bool {
    bytes.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----")
        || keyfile::read(bytes, None).certificates().next().is_some()
}

const AZURE: KeyVariables =
    KeyVariables { path: "AZURE_CLIENT_CERTIFICATE_PATH", password: "AZURE_CLIENT_CERTIFICATE_PASSWORD" };

/// The variables that name a key file and its password.
pub(super) struct KeyVariables {
    /// The one with the path.
    pub path: &'static str,
    /// The one with the password.
    pub password: &'static str,
}

/// A key file with its certificate, as a client would read it.
pub(super) fn certificate(
    names: &KeyVariables,
    path: &Path,
    password: Option<&str>,
    now: UnixTime,
    found: &mut Findings,
) {
    let variable = names.path;
    let bytes = match input::read(path) {
        Ok(bytes) => bytes,
        Err(failure) => {
            return found.add(
                Level::Error,
                format!("{variable}: {}", failure.message),
                "name a file that this user can read",
            );
        }
    };
    let name = path.display().to_string();
    let identity = match load_identity(&[(&name, &bytes)], password) {
        Ok(identity) => identity,
        Err(error) => {
            return found.add(
                Level::Error,
                format!("{variable}: {error}"),
                "SDKs need certificate and private key in one file: PEM of both, or a PKCS#12",
            );
        }
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            found.add(
                Level::Warning,
                format!("{variable}: {} has mode {mode:04o}: others can read the private key", printable(&name)),
                format!("chmod 600 {}", printable(&name)),
            );
        }
    }
    let c = &identity.certificate;
    if now > c.not_after() {
        found.add(
            Level::Error,
            format!("{variable}: the certificate {} ended {}", printable(c.subject()), c.not_after().rfc3339()),
            "make a certificate, register it, and use that one",
        );
    } else if now < c.not_before() {
        found.add(
            Level::Error,
            format!(
                "{variable}: the certificate {} is valid from {} only",
                printable(c.subject()),
                c.not_before().rfc3339()
            ),
            "wait, or correct this machine's clock",
        );
    } else if c.not_after().secs_since(now) < SOON {
        found.add(
            Level::Warning,
            format!("{variable}: the certificate {} ends {}", printable(c.subject()), c.not_after().rfc3339()),
            "register the next one before that",
        );
    }
}

fn federated(path: &Path, now: UnixTime, found: &mut Findings) {
    let variable = "AZURE_FEDERATED_TOKEN_FILE";
    let bytes = match input::read(path) {
        Ok(bytes) => bytes,
        Err(failure) => {
            return found.add(
                Level::Error,
                format!("{variable}: {}", failure.message),
                "name the file that the platform writes",
            );
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    match UnverifiedJwt::read(text.trim()) {
        Err(error) => found.add(
            Level::Error,
            format!("{variable}: {} holds no token: {error}", path.display()),
            "the platform must write a compact JWT there",
        ),
        Ok(jwt) => {
            if let Some(exp) = jwt.claims.exp.time().filter(|exp| *exp <= now) {
                found.add(
                    Level::Error,
                    format!("{variable}: the token in {} ended {}", path.display(), exp.rfc3339()),
                    "see why the platform no longer renews it",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_testkit::{Identity, Spec};

    #[test]
    fn the_certificate_file_is_read_as_an_sdk_would() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::rsa(0, &Spec::default());
        let path = folder.path().join("both.pem");
        let check = |text: String, now: UnixTime| {
            input::write_new(&path, text.as_bytes(), true, true).unwrap();
            let mut found = Findings::default();
            certificate(&AZURE, &path, None, now, &mut found);
            found.0
        };
        let both = format!("{}{}", identity.key_pem(), identity.certificate_pem());
        let during = identity.certificate.not_before().plus_secs(86_400);
        assert_eq!(check(both.clone(), during), []);
        assert!(check(both.clone(), identity.certificate.not_after().plus_secs(1))[0].what.contains("ended"));
        assert!(check(both, identity.certificate.not_before().plus_secs(-1))[0].what.contains("valid from"));
        let only = check(identity.certificate_pem(), during);
        assert!(only[0].what.contains("no private key") && only[0].level == Level::Error, "{only:?}");
    }
}
