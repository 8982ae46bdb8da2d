//! Where the certificate and key lie that are rotated: one file, or a folder that a rotating client reads.
//!
//! Used by the steps of `rotate`. The change is one rename, so that a reader sees the old pair or the new one and never a part.
//! What it keeps beside them has mode 0600 and a name with a dot in front, which folder readers leave out. Knows no Graph.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use countersign_core::UnixTime;
use countersign_core::encoding::encode_hex_lower;
use countersign_core::keyfile::{self, Identity, KeyFile, PrivateKey, load_identity};
use countersign_core::x509::certificate::Certificate;
use zeroize::Zeroizing;

use crate::cmd::cert::Form;
use crate::exit::{Exit, Failure};

/// Files of a folder that are looked at, as many as the client looks at.
const MAX_FILES: usize = 64;

/// The file or folder. It holds a password, so it does not print.
pub struct Place {
    path: PathBuf,
    is_folder: bool,
    password: Option<Zeroizing<String>>,
}

/// A certificate with its key, and where they lie.
#[derive(Clone, Debug)]
pub struct Held {
    /// The private key.
    pub key: PrivateKey,
    /// Its certificate.
    pub certificate: Certificate,
    /// The form of the file with the key; `None` where no such file can be written.
    pub form: Option<Form>,
    /// The file with the key.
    pub file: PathBuf,
}

impl Held {
    /// As a credential takes it.
    pub fn identity(&self) -> Identity {
        let (key, certificate) = (self.key.clone(), self.certificate.clone());
        Identity { key, chain: vec![certificate.clone()], certificate, repairs: Vec::new() }
    }
}

/// A lock that is held while this value lives.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock ends when the file is closed")] File);

impl Place {
    /// The place that this path names; links are followed, so that a rename replaces the file and not a link to it.
    pub fn open(named: &Path, password: Option<Zeroizing<String>>) -> Result<Self, Failure> {
        let path = fs::canonicalize(named).map_err(|e| unreadable(named, &e))?;
        let place = Self { is_folder: path.is_dir(), path, password };
        let volume = place.path.iter().any(|part| part.to_string_lossy().starts_with(".."));
        if volume || place.is_folder && place.path.join("..data").exists() {
            let message = format!(
                "{}: is a volume that Kubernetes writes; rotate where its secret is kept, and replace the secret",
                named.display()
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(place)
    }

    /// The file or folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The password of its key, if one was given.
    pub fn password(&self) -> Option<&str> {
        self.password.as_ref().map(|p| p.as_str())
    }

    fn folder(&self) -> &Path {
        if self.is_folder { &self.path } else { self.path.parent().unwrap_or(Path::new("/")) }
    }

    /// A name beside the file, or in the folder, that no reader looks at.
    pub fn beside(&self, what: &str) -> PathBuf {
        let name = match self.path.file_name() {
            Some(name) if !self.is_folder => name.to_string_lossy().into_owned(),
            _ => "countersign".to_owned(),
        };
        self.folder().join(format!(".{name}.{what}"))
    }

    fn next(&self) -> PathBuf {
        self.beside("next")
    }

    fn previous(&self) -> PathBuf {
        self.beside("previous")
    }

    /// Keeps other rotations of this place out. The file of the lock stays: removing it would let two in.
    pub fn lock(&self) -> Result<Lock, Failure> {
        let path = self.beside("rotation.lock");
        let mut options = File::options();
        options.create(true).truncate(false).write(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let file = options.open(&path).map_err(|e| unwritable(&path, &e))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => {
                let message =
                    format!("{}: another rotation of it is running; wait until it has ended", self.path.display());
                Err(Failure::new(Exit::Usage, message))
            }
            Err(TryLockError::Error(e)) => Err(unwritable(&path, &e)),
        }
    }

    /// The certificate that a client uses now: of a folder's the newest valid one with its key.
    pub fn current(&self, now: UnixTime) -> Result<Held, Failure> {
        if !self.is_folder {
            return self.one(&self.path);
        }
        let files = self.files()?;
        let keys = || files.iter().flat_map(|(path, file)| file.private_keys().map(move |k| (path, file, k)));
        let certificates = files.iter().flat_map(|(_, file)| file.certificates());
        let pairs = certificates.filter_map(|certificate| {
            let (path, file, key) = keys().find(|(_, _, key)| key.matches(certificate))?;
            let (key, certificate, form) = (key.clone(), certificate.clone(), Form::of(file));
            Some(Held { key, certificate, form, file: path.clone() })
        });
        let best = pairs.max_by_key(|h| {
            let c = &h.certificate;
            (c.valid_at(now), c.not_before(), c.not_after())
        });
        best.ok_or_else(|| {
            let closed = files.iter().any(|(_, file)| file.has_closed_key());
            let hint = if closed { "; a key in it is encrypted: give --certificate-password-file" } else { "" };
            let message = format!("{}: no certificate with its key in this folder{hint}", self.path.display());
            Failure::new(Exit::Unreadable, message)
        })
    }

    fn one(&self, path: &Path) -> Result<Held, Failure> {
        let bytes = read(path)?;
        let name = path.display().to_string();
        let identity = load_identity(&[(&name, &bytes)], self.password()).map_err(|e| {
            let hint = match e {
                keyfile::IdentityError::NoKey { .. } | keyfile::IdentityError::NoCertificate { .. } => {
                    "; rotate needs both in one file, or a folder with both, since two files cannot be changed at one moment"
                }
                _ => "",
            };
            Failure::new(Exit::Unreadable, format!("{e}{hint}"))
        })?;
        let file = keyfile::read(&bytes, self.password());
        if file.private_keys().count() > 1 {
            let message = format!(
                "{name}: holds several private keys, of which one would replace all; give each a file of its own, or a folder"
            );
            return Err(Failure::new(Exit::Usage, message));
        }
        let form = Form::of(&file);
        Ok(Held { key: identity.key, certificate: identity.certificate, form, file: path.to_path_buf() })
    }

    /// Every key and certificate file of the folder.
    fn files(&self) -> Result<Vec<(PathBuf, KeyFile)>, Failure> {
        let mut paths: Vec<PathBuf> = fs::read_dir(&self.path)
            .map_err(|e| unreadable(&self.path, &e))?
            .filter_map(Result::ok)
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .map(|entry| entry.path())
            .filter(|path| fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= keyfile::MAX_BYTES as u64))
            .collect();
        paths.sort();
        paths.truncate(MAX_FILES);
        paths.into_iter().map(|path| Ok((keyfile::read(&read(&path)?, self.password()), path))).map(swap).collect()
    }

    /// Refuses what a rotation could not put back as it was.
    pub fn check(&self, held: &Held) -> Result<(), Failure> {
        if held.form.is_none() {
            let message = format!("{}: rotate writes PEM and PKCS#12; convert the file first", held.file.display());
            return Err(Failure::new(Exit::Usage, message));
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&held.file).map_err(|e| unreadable(&held.file, &e))?.permissions().mode();
            if mode & 0o007 != 0 {
                let message = format!(
                    "{name}: everybody on this machine may use this private key (mode {:03o}); give it to its program's user or \
                     group and run `chmod 640 {name}`",
                    mode & 0o777,
                    name = held.file.display()
                );
                return Err(Failure::new(Exit::Unreadable, message));
            }
        }
        Ok(())
    }

    /// Writes the new pair beside the old one, for the same user and group.
    pub fn write_next(&self, bytes: &[u8], like: &Held) -> Result<(), Failure> {
        let next = self.next();
        self.write(&next, bytes, Some(&like.file))
    }

    /// The new pair, while it lies beside the old one.
    pub fn read_next(&self) -> Result<Option<Held>, Failure> {
        let next = self.next();
        if next.exists() { self.one(&next).map(Some) } else { Ok(None) }
    }

    /// Lets clients see the new pair: one rename. The old file stays beside it; in a folder the old files stay as they are.
    pub fn switch(&self, next: &Held) -> Result<PathBuf, Failure> {
        let target = if self.is_folder {
            let sha1 = encode_hex_lower(next.certificate.sha1());
            let ending = next.form.map_or("pem", Form::ending);
            self.path.join(format!("countersign-{}.{ending}", &sha1[..12]))
        } else {
            self.keep_previous()?;
            self.path.clone()
        };
        fs::rename(self.next(), &target).map_err(|e| unwritable(&target, &e))?;
        self.sync()?;
        Ok(target)
    }

    fn keep_previous(&self) -> Result<(), Failure> {
        let previous = self.previous();
        match fs::remove_file(&previous) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(unwritable(&previous, &e)),
            _ => {}
        }
        if fs::hard_link(&self.path, &previous).is_ok() {
            return self.sync();
        }
        // No links here (FAT, some network file systems): a copy.
        let bytes = read(&self.path)?;
        self.write(&previous, &bytes, Some(&self.path))
    }

    /// Forgets the old pair: the file kept beside the new one; of a folder those files that hold nothing else.
    pub fn forget(&self, old: [u8; 20]) -> Result<Vec<PathBuf>, Failure> {
        let mut gone = Vec::new();
        if self.is_folder {
            let files = self.files()?;
            let found = files.iter().find_map(|(_, file)| file.certificates().find(|c| *c.sha1() == old).cloned());
            let Some(certificate) = found else { return Ok(gone) };
            let mut found = Vec::new();
            for (path, file) in files {
                let of_old = file.certificates().any(|c| *c == certificate)
                    || file.private_keys().any(|key| key.matches(&certificate));
                let only = file.private_keys().all(|key| key.matches(&certificate))
                    && file.certificates().all(|c| *c == certificate || c.is_ca());
                if of_old && only {
                    found.push((file.certificates().next().is_some(), path));
                }
            }
            // Keys first: by the certificate the next run finds what an interruption left.
            found.sort();
            gone.extend(found.into_iter().map(|(_, path)| path));
        } else {
            gone.push(self.previous());
        }
        gone.retain(|path| path.exists());
        for path in &gone {
            fs::remove_file(path).map_err(|e| unwritable(path, &e))?;
        }
        self.sync()?;
        Ok(gone)
    }

    /// Writes a file beside the others: whole or not at all, mode 0600, and readable for the group where the other's is.
    pub fn write(&self, path: &Path, bytes: &[u8], like: Option<&Path>) -> Result<(), Failure> {
        let failed = |e: &std::io::Error| unwritable(path, e);
        // Mode 0600 by tempfile's own rule.
        let mut file =
            tempfile::Builder::new().prefix(".countersign-").tempfile_in(self.folder()).map_err(|e| failed(&e))?;
        file.write_all(bytes).map_err(|e| failed(&e))?;
        #[cfg(unix)]
        if let Some(like) = like {
            use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
            let wanted = fs::metadata(like).map_err(|e| unreadable(like, &e))?;
            let own = file.as_file().metadata().map_err(|e| failed(&e))?;
            if (own.uid(), own.gid()) != (wanted.uid(), wanted.gid()) {
                fchown(file.as_file(), Some(wanted.uid()), Some(wanted.gid())).map_err(|e| {
                    let message = format!(
                        "{}: belongs to user {} and group {}, to whom a file cannot be given here: {e}; run as that user",
                        like.display(),
                        wanted.uid(),
                        wanted.gid()
                    );
                    Failure::new(Exit::Unreadable, message)
                })?;
            }
            let mode = 0o600 | wanted.permissions().mode() & 0o040;
            file.as_file().set_permissions(fs::Permissions::from_mode(mode)).map_err(|e| failed(&e))?;
        }
        #[cfg(not(unix))]
        let _ = like;
        file.as_file().sync_all().map_err(|e| failed(&e))?;
        file.persist(path).map_err(|e| failed(&e.error))?;
        self.sync()
    }

    /// Makes renames last through a power failure.
    fn sync(&self) -> Result<(), Failure> {
        #[cfg(unix)]
        {
            let folder = self.folder();
            File::open(folder).and_then(|f| f.sync_all()).map_err(|e| unwritable(folder, &e))?;
        }
        Ok(())
    }
}

fn swap<A, B, E>(pair: Result<(A, B), E>) -> Result<(B, A), E> {
    pair.map(|(a, b)| (b, a))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    crate::input::read(path).map(Zeroizing::new)
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Failure {
    Failure::new(Exit::Unreadable, format!("{}: cannot be read: {cause}", path.display()))
}

fn unwritable(path: &Path, cause: &std::io::Error) -> Failure {
    Failure::new(Exit::Unreadable, format!("{}: cannot be written: {cause}", path.display()))
}
