//! Certificates in files or in a folder that a secret store rotates: read again when they change, the newest valid one first.
//!
//! Used by `token_client` through [`Credential::Rotating`](super::Credential). Knows the layouts of Kubernetes secrets
//! (`..data` links), cert-manager (`tls.crt`, `tls.key`) and the Key Vault CSI driver by one rule: links are followed, names do
//! not matter, keys and certificates are paired by their public key. It never writes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use countersign_core::UnixTime;
use countersign_core::keyfile::{self, Identity, IdentityError, PrivateKey, Problem, load_identity};
use countersign_core::x509::certificate::Certificate;
use countersign_core::x509::chain;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::certificate::{AssertionStyle, CertificateCredential};
use super::{CredentialError, read_file};

/// A certificate that the server did not know is tried last for so long. A certificate just registered takes Entra 30 to 90 s
/// to know (user reports).
const KNOWN_AFTER: i64 = 60;
/// Files of a folder that are looked at.
const MAX_FILES: usize = 64;
/// Readings of files that change meanwhile.
const READINGS: u32 = 5;

/// A certificate credential whose files somebody replaces while the program runs.
///
/// Each token request looks whether the files changed. The newest certificate that is valid is tried first; while the server
/// does not know it yet (AADSTS700027), the one that was accepted last still serves, even when its files are gone. What cannot be read, a
/// half-written file for example, is told in the log, and the last good state stays.
#[derive(Clone, Debug)]
pub struct RotatingCertificate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    password: Option<SecretString>,
    style: AssertionStyle,
    state: Mutex<State>,
}

#[derive(Clone, Debug)]
enum Source {
    Folder(PathBuf),
    Files(Vec<PathBuf>),
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Seen>,
    /// Newest first.
    found: Vec<CertificateCredential>,
    accepted: Option<CertificateCredential>,
    unknown: Vec<(Certificate, UnixTime)>,
}

/// What tells that a file changed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    path: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: (u64, i64, i64),
}

impl RotatingCertificate {
    /// Reads every key and certificate in this folder, not in folders below it. Names that begin with a dot are left out.
    ///
    /// # Errors
    /// [`CredentialError`] when no certificate in it has its key beside it.
    pub fn folder(
        path: impl Into<PathBuf>,
        password: Option<SecretString>,
        style: AssertionStyle,
    ) -> Result<Self, CredentialError> {
        Self::new(Source::Folder(path.into()), password, style)
    }

    /// Reads these files (PEM, DER, PKCS#12), and again when one of them changes.
    ///
    /// # Errors
    /// [`CredentialError`] naming the file, what it is instead, and what was expected.
    pub fn files(
        paths: Vec<PathBuf>,
        password: Option<SecretString>,
        style: AssertionStyle,
    ) -> Result<Self, CredentialError> {
        Self::new(Source::Files(paths), password, style)
    }

    fn new(source: Source, password: Option<SecretString>, style: AssertionStyle) -> Result<Self, CredentialError> {
        let (seen, found) = source.read(password.as_ref(), style)?;
        let state = Mutex::new(State { seen, found, ..State::default() });
        Ok(Self(Arc::new(Inner { source, password, style, state })))
    }

    /// The certificate that the next request uses, of those valid at this time.
    ///
    /// # Errors
    /// [`CredentialError::NoneValid`]
    pub async fn current(&self, now: UnixTime) -> Result<CertificateCredential, CredentialError> {
        let first = self.candidates(now).await?.into_iter().next();
        first.ok_or_else(|| self.0.none_valid(&[], now))
    }

    /// What to try, best first; never empty.
    pub(super) async fn candidates(&self, now: UnixTime) -> Result<Vec<CertificateCredential>, CredentialError> {
        let inner = Arc::clone(&self.0);
        // Opening a PKCS#12 takes some hundred milliseconds by design.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let reload = runtime.spawn_blocking(move || inner.reload_if_changed());
                reload.await.map_err(|_| CredentialError::Key("reading its files was interrupted".to_owned()))?;
            }
            Err(_) => inner.reload_if_changed(),
        }
        self.0.ordered(now)
    }

    /// The server took this one.
    pub(super) fn accepted(&self, credential: &CertificateCredential) {
        let mut state = self.0.lock();
        let known = state.accepted.as_ref().map(CertificateCredential::certificate);
        if known != Some(credential.certificate()) {
            tracing::info!(certificate = credential.certificate().subject(), sha1 = %sha1(credential), "the certificate in use");
            state.accepted = Some(credential.clone());
        }
        state.unknown.retain(|(certificate, _)| certificate != credential.certificate());
    }

    /// The server does not know this one yet.
    pub(super) fn unknown(&self, credential: &CertificateCredential, now: UnixTime) {
        let mut state = self.0.lock();
        state.unknown.retain(|(certificate, _)| certificate != credential.certificate());
        state.unknown.push((credential.certificate().clone(), now));
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reload_if_changed(&self) {
        let look = self.source.look();
        if look.as_ref().is_ok_and(|seen| *seen == self.lock().seen) {
            return;
        }
        match self.source.read(self.password.as_ref(), self.style) {
            Ok((seen, found)) => {
                let mut state = self.lock();
                state.seen = seen;
                state.found = found;
                let now: Vec<Certificate> = state.found.iter().map(|c| c.certificate().clone()).collect();
                state.unknown.retain(|(certificate, _)| now.contains(certificate));
                tracing::info!(place = %self.source.place(), certificates = now.len(), "the certificates were read again");
            }
            // Remembered by its look, so that the same half-written file is not told again at each request.
            Err(error) => {
                tracing::warn!(%error, "the changed files cannot be used; the certificates read before still serve");
                if let Ok(seen) = look {
                    self.lock().seen = seen;
                }
            }
        }
    }

    fn ordered(&self, now: UnixTime) -> Result<Vec<CertificateCredential>, CredentialError> {
        let state = self.lock();
        let mut all: Vec<&CertificateCredential> = state.found.iter().collect();
        if let Some(old) = &state.accepted
            && !all.iter().any(|c| c.certificate() == old.certificate())
        {
            all.push(old);
        }
        let valid = |c: &&&CertificateCredential| c.certificate().valid_at(now);
        let not_known = |c: &CertificateCredential| {
            let since = state.unknown.iter().find(|(certificate, _)| certificate == c.certificate());
            since.is_some_and(|(_, at)| now.secs_since(*at) < KNOWN_AFTER)
        };
        let (later, first): (Vec<_>, Vec<_>) = all.iter().filter(valid).copied().partition(|c| not_known(c));
        let list: Vec<CertificateCredential> = first.into_iter().chain(later).cloned().collect();
        if list.is_empty() {
            return Err(self.none_valid(&all, now));
        }
        Ok(list)
    }

    fn none_valid(&self, all: &[&CertificateCredential], now: UnixTime) -> CredentialError {
        let why = |c: &&CertificateCredential| {
            let certificate = c.certificate();
            if certificate.not_before() > now {
                format!("'{}' begins {}", certificate.subject(), certificate.not_before().rfc3339())
            } else {
                format!("'{}' ended {}", certificate.subject(), certificate.not_after().rfc3339())
            }
        };
        let found: Vec<String> = all.iter().map(why).collect();
        CredentialError::NoneValid { place: self.source.place(), found: found.join(", ") }
    }
}

impl Source {
    fn place(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Files(paths) => paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "),
        }
    }

    fn paths(&self) -> Result<Vec<PathBuf>, CredentialError> {
        let folder = match self {
            Self::Files(paths) => return Ok(paths.clone()),
            Self::Folder(path) => path,
        };
        let failed = |cause| CredentialError::File { path: folder.clone(), cause: Arc::new(cause) };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // `..data` and `..2026_11_24` of a Kubernetes volume among them; what they hold is linked beside them.
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            if std::fs::metadata(&path).is_ok_and(|m| m.is_file() && m.len() <= super::MAX_FILE) {
                paths.push(path);
            }
        }
        paths.sort();
        paths.truncate(MAX_FILES);
        Ok(paths)
    }

    fn look(&self) -> Result<Vec<Seen>, CredentialError> {
        self.paths()?
            .into_iter()
            .map(|path| {
                let failed = |cause| CredentialError::File { path: path.clone(), cause: Arc::new(cause) };
                let metadata = std::fs::metadata(&path).map_err(failed)?;
                #[cfg(unix)]
                let inode = {
                    use std::os::unix::fs::MetadataExt as _;
                    (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
                };
                Ok(Seen {
                    length: metadata.len(),
                    modified: metadata.modified().ok(),
                    #[cfg(unix)]
                    inode,
                    path,
                })
            })
            .collect()
    }

    /// Reads all files in a state that did not change meanwhile: key and certificate of one rotation, not of two.
    fn read(
        &self,
        password: Option<&SecretString>,
        style: AssertionStyle,
    ) -> Result<(Vec<Seen>, Vec<CertificateCredential>), CredentialError> {
        let mut last = CredentialError::Unstable { place: self.place() };
        for reading in 0..READINGS {
            if reading > 0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            // A link may be switched between look and reading: a file that is gone is a reason to look again.
            let before = match self.look() {
                Ok(before) => before,
                Err(error) => {
                    last = error;
                    continue;
                }
            };
            let read: Result<Vec<_>, CredentialError> =
                before.iter().map(|seen| Ok((seen.path.clone(), read_file(&seen.path)?))).collect();
            match (read, self.look()) {
                (Ok(files), Ok(after)) if after == before => {
                    let found = self.credentials(&files, password, style)?;
                    return Ok((before, found));
                }
                (Err(error), _) | (_, Err(error)) => last = error,
                (Ok(_), Ok(_)) => last = CredentialError::Unstable { place: self.place() },
            }
        }
        Err(last)
    }

    fn credentials(
        &self,
        files: &[(PathBuf, Zeroizing<Vec<u8>>)],
        password: Option<&SecretString>,
        style: AssertionStyle,
    ) -> Result<Vec<CertificateCredential>, CredentialError> {
        let password = password.map(ExposeSecret::expose_secret);
        let (mut keys, mut certificates): (Vec<PrivateKey>, Vec<Certificate>) = (Vec::new(), Vec::new());
        let mut key_files: Vec<(&Path, &[u8])> = Vec::new();
        for (path, bytes) in files {
            let file = keyfile::read(bytes, password);
            if !file.problems.iter().any(|p| matches!(p, Problem::NotAKeyFile { .. })) {
                key_files.push((path, bytes));
            }
            keys.extend(file.private_keys().cloned());
            certificates.extend(file.certificates().cloned());
        }
        let mut found: Vec<CertificateCredential> = Vec::new();
        let mut failure = None;
        for certificate in &certificates {
            let Some(key) = keys.iter().find(|key| key.matches(certificate)) else { continue };
            if found.iter().any(|c| c.certificate() == certificate) {
                continue;
            }
            let identity = Identity {
                key: key.clone(),
                certificate: certificate.clone(),
                chain: chain::order(certificate, &certificates),
                repairs: Vec::new(),
            };
            match CertificateCredential::from_identity(identity).and_then(|c| c.with_style(style)) {
                Ok(credential) => found.push(credential),
                Err(error) => failure = Some(error),
            }
        }
        if !found.is_empty() {
            // Newest first; of two made at the same time the one that lasts longer.
            found.sort_by_key(|c| std::cmp::Reverse((c.certificate().not_before(), c.certificate().not_after())));
            return Ok(found);
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        // The reader of single files has the words for each way to fail.
        let named: Vec<(String, &[u8])> = match self {
            Self::Folder(_) => key_files.iter().map(|(p, b)| (p.display().to_string(), *b)).collect(),
            Self::Files(_) => files.iter().map(|(p, b)| (p.display().to_string(), b.as_slice())).collect(),
        };
        let named: Vec<(&str, &[u8])> = named.iter().map(|(n, b)| (n.as_str(), *b)).collect();
        match (load_identity(&named, password), self) {
            (Err(IdentityError::NoFiles), Self::Folder(path)) => Err(CredentialError::EmptyFolder(path.clone())),
            (Err(error), _) => Err(error.into()),
            (Ok(identity), _) => Ok(vec![CertificateCredential::from_identity(identity)?.with_style(style)?]),
        }
    }
}

fn sha1(credential: &CertificateCredential) -> String {
    countersign_core::encoding::encode_hex_upper(credential.certificate().sha1())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_testkit::{Identity as TestIdentity, Spec};

    const NOW: UnixTime = UnixTime::from_secs(1_781_013_681);

    /// Validity in days from now; the test certificates begin and end at midnight.
    fn identity(number: usize, from: i64, to: i64) -> TestIdentity {
        let day = |n: i64| NOW.plus_secs(n * 86_400);
        let spec = Spec { not_before: day(from), not_after: day(to), ..Spec::default() };
        TestIdentity::rsa(number, &spec)
    }

    fn folder(path: &Path) -> Result<RotatingCertificate, CredentialError> {
        RotatingCertificate::folder(path, None, AssertionStyle::default())
    }

    async fn names(rotating: &RotatingCertificate) -> Vec<Certificate> {
        rotating.candidates(NOW).await.unwrap().iter().map(|c| c.certificate().clone()).collect()
    }

    #[tokio::test]
    async fn takes_the_newest_valid_certificate_whatever_the_files_are_called() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (identity(0, -9, 9), identity(1, -1, 90));
        let (future, ended) = (identity(2, 2, 90), identity(3, -5, -2));
        for (name, id) in [("z-old", &old), ("a-new", &new), ("future", &future), ("ended", &ended)] {
            std::fs::write(dir.path().join(format!("{name}.key")), id.key_pem()).unwrap();
            std::fs::write(dir.path().join(format!("{name}.crt")), id.certificate_pem()).unwrap();
        }
        std::fs::write(dir.path().join("README"), "rotated by the store\n").unwrap();
        std::fs::write(dir.path().join("stranger.crt"), identity(4, 0, 99).certificate_pem()).unwrap();
        let rotating = folder(dir.path()).unwrap();
        assert_eq!(names(&rotating).await, [new.certificate.clone(), old.certificate.clone()]);
        assert_eq!(*rotating.current(NOW).await.unwrap().certificate(), new.certificate);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn follows_a_kubernetes_volume_and_keeps_the_old_one_until_the_new_one_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let write = |version: &str, id: &TestIdentity| {
            let data = dir.path().join(version);
            std::fs::create_dir(&data).unwrap();
            std::fs::write(data.join("tls.crt"), id.certificate_pem()).unwrap();
            std::fs::write(data.join("tls.key"), id.key_pem()).unwrap();
            std::os::unix::fs::symlink(version, dir.path().join("..data_tmp")).unwrap();
            std::fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        };
        let (old, new) = (identity(0, -9, 9), identity(1, -1, 90));
        write("..2026_01", &old);
        for name in ["tls.crt", "tls.key"] {
            std::os::unix::fs::symlink(format!("..data/{name}"), dir.path().join(name)).unwrap();
        }
        let rotating = folder(dir.path()).unwrap();
        rotating.accepted(&rotating.current(NOW).await.unwrap());
        write("..2026_02", &new);
        std::fs::remove_dir_all(dir.path().join("..2026_01")).unwrap();
        assert_eq!(names(&rotating).await, [new.certificate.clone(), old.certificate.clone()]);

        rotating.unknown(&rotating.current(NOW).await.unwrap(), NOW);
        assert_eq!(
            names(&rotating).await,
            [old.certificate.clone(), new.certificate.clone()],
            "the old one first, for a while"
        );
        let later = rotating.candidates(NOW.plus_secs(KNOWN_AFTER)).await.unwrap();
        assert_eq!(*later[0].certificate(), new.certificate);
        rotating.accepted(&later[0]);
        assert_eq!(names(&rotating).await, std::slice::from_ref(&new.certificate));
    }

    #[tokio::test]
    async fn a_half_written_change_leaves_the_last_good_state() {
        let dir = tempfile::tempdir().unwrap();
        let id = identity(0, -9, 9);
        let file = dir.path().join("both.pem");
        std::fs::write(&file, id.key_pem() + &id.certificate_pem()).unwrap();
        let rotating = RotatingCertificate::files(vec![file.clone()], None, AssertionStyle::default()).unwrap();
        std::fs::write(&file, &id.key_pem()[..500]).unwrap();
        assert_eq!(names(&rotating).await, std::slice::from_ref(&id.certificate));
        let new = identity(1, -1, 90);
        std::fs::write(&file, new.key_pem() + &new.certificate_pem()).unwrap();
        assert_eq!(names(&rotating).await, std::slice::from_ref(&new.certificate));
        std::fs::remove_file(&file).unwrap();
        assert_eq!(names(&rotating).await, std::slice::from_ref(&new.certificate), "a file that is gone for a moment");
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let text = folder(dir.path()).unwrap_err().to_string();
        assert!(text.contains("no key or certificate in this folder"), "{text}");
        let id = identity(0, -9, -2);
        std::fs::write(dir.path().join("a.crt"), id.certificate_pem()).unwrap();
        let text = folder(dir.path()).unwrap_err().to_string();
        assert!(text.contains("a.crt") && text.contains("no private key"), "{text}");
        std::fs::write(dir.path().join("a.key"), id.key_pem()).unwrap();
        let error = folder(dir.path()).unwrap().current(NOW).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("ended") && text.contains("payroll-daemon") && !text.contains("MII"), "{text}");
        let text = folder(&dir.path().join("none")).unwrap_err().to_string();
        assert!(text.contains("cannot be read"), "{text}");
    }
}
