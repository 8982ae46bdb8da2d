//! Trust stores: where a CA's file goes, and the command that makes the system read it.
//!
//! Used by `trust`. A file's name carries the certificate's fingerprint; only such files are ever removed, and only while
//! they hold just that certificate.

use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_core::encoding::encode_hex_lower;
use countersign_core::keyfile;
use countersign_core::x509::Certificate;

use super::hash::subject_hash;
use crate::exit::{Exit, Failure};
use crate::input;

/// How our files begin.
const PREFIX: &str = "countersign-";
/// Links of one hash; OpenSSL counts them from 0.
const MOST_LINKS: usize = 100;

/// Where systems take CAs of their administrator, the ending that they want, and what reads them in
/// (update-ca-certificates(8), update-ca-trust(8)).
const SYSTEMS: [System; 4] = [
    System {
        folder: "/usr/local/share/ca-certificates",
        ending: "crt",
        links: Some("/etc/ssl/certs"),
        refresh: &["update-ca-certificates"],
    },
    System {
        folder: "/etc/pki/ca-trust/source/anchors",
        ending: "pem",
        links: None,
        refresh: &["update-ca-trust", "extract"],
    },
    System { folder: "/etc/pki/trust/anchors", ending: "pem", links: None, refresh: &["update-ca-certificates"] },
    System {
        folder: "/etc/ca-certificates/trust-source/anchors",
        ending: "crt",
        links: None,
        refresh: &["trust", "extract-compat"],
    },
];

struct System {
    folder: &'static str,
    ending: &'static str,
    /// Where the command makes links that it does not take away by itself. Debian's does with `--fresh`, and then takes
    /// away others' too.
    links: Option<&'static str>,
    refresh: &'static [&'static str],
}

/// A store.
pub struct Store {
    folder: PathBuf,
    ending: &'static str,
    kind: Kind,
}

enum Kind {
    /// A folder that OpenSSL searches by hash, and others read whole.
    Folder,
    /// The system's, with its commands.
    System(&'static System),
}

/// What was done.
pub struct Done {
    /// The folder.
    pub store: PathBuf,
    /// Whether anything was.
    pub changed: bool,
    /// One line for each step.
    pub lines: Vec<String>,
}

impl Store {
    /// The folder that was named, else the system's store.
    pub fn find(folder: Option<&Path>, doing: &str, ca_file: &Path) -> Result<Self, Failure> {
        if let Some(folder) = folder {
            return Ok(Self { folder: folder.to_owned(), ending: "pem", kind: Kind::Folder });
        }
        let file = std::path::absolute(ca_file).unwrap_or_else(|_| ca_file.to_owned());
        let by_hand = |command: String| {
            Failure::new(
                Exit::Unreadable,
                format!("this system's trust store is not written from here; run: {command}"),
            )
        };
        if cfg!(windows) {
            let verb = if doing == "install" { "-addstore Root" } else { "-delstore Root \"Countersign\"" };
            let file = if doing == "install" { format!(" \"{}\"", file.display()) } else { String::new() };
            return Err(by_hand(format!("certutil -user {verb}{file}")));
        }
        if cfg!(target_os = "macos") {
            let verb = if doing == "install" { "add-trusted-cert -r trustRoot" } else { "remove-trusted-cert" };
            return Err(by_hand(format!("security {verb} '{}'", file.display())));
        }
        // The command tells two systems with the same folder apart; it is looked for where administrators' commands are.
        let found = SYSTEMS
            .iter()
            .find(|s| Path::new(s.folder).is_dir() && s.refresh.first().is_some_and(|c| program(c).is_some()));
        match found {
            Some(system) => {
                Ok(Self { folder: system.folder.into(), ending: system.ending, kind: Kind::System(system) })
            }
            None => Err(Failure::new(
                Exit::Unreadable,
                "no trust store is known on this system: neither update-ca-certificates nor update-ca-trust with its folder is \
                 here (package ca-certificates); --store DIR makes one that programs read by SSL_CERT_DIR",
            )),
        }
    }

    /// Puts a CA in; nothing is done when it is there.
    pub fn install(&self, ca: &Certificate) -> Result<Done, Failure> {
        let path = self.path(ca);
        if holds(&path, ca) {
            return Ok(self.done(false, vec![format!("{} is there already", path.display())]));
        }
        if matches!(self.kind, Kind::Folder) {
            std::fs::create_dir_all(&self.folder).map_err(|e| self.denied("install", &self.folder, &e))?;
        }
        let mut lines = Vec::new();
        // An empty try first: the message can name the way out.
        if let Err(cause) = tempfile::tempfile_in(&self.folder) {
            return Err(self.denied("install", &path, &cause));
        }
        input::write_new(&path, super::pem(ca).as_bytes(), false, true)?;
        lines.push(format!("wrote {}", path.display()));
        let finished = match &self.kind {
            Kind::Folder => self.link(ca, &path),
            Kind::System(system) => refresh(system.refresh),
        };
        match finished {
            Ok(line) => {
                lines.extend(line);
                lines.push("whoever has this CA's key can answer in any name to programs that trust it: take it out with `countersign trust uninstall` when it is not needed".to_owned());
                Ok(self.done(true, lines))
            }
            Err(failure) => {
                // All or nothing: a second try must not take the file for done.
                let _ = std::fs::remove_file(&path);
                Err(failure)
            }
        }
    }

    /// Takes a CA out, or all that were put in.
    pub fn uninstall(&self, ca: Option<&Certificate>) -> Result<Done, Failure> {
        let found: Vec<PathBuf> = match ca {
            Some(ca) => Some(self.path(ca)).filter(|p| holds(p, ca)).into_iter().collect(),
            None => self.ours(),
        };
        if found.is_empty() {
            let what =
                ca.map_or_else(|| "no CA of Countersign".to_owned(), |ca| format!("not the CA {}", ca.subject()));
            return Ok(self.done(false, vec![format!("{} holds {what}: nothing to do", self.folder.display())]));
        }
        let mut lines = Vec::new();
        for path in &found {
            self.unlink(path, &mut lines)?;
            std::fs::remove_file(path).map_err(|e| self.denied("uninstall", path, &e))?;
            lines.push(format!("removed {}", path.display()));
        }
        if let Kind::System(system) = &self.kind {
            lines.extend(refresh(system.refresh)?);
        }
        Ok(self.done(true, lines))
    }

    fn done(&self, changed: bool, lines: Vec<String>) -> Done {
        Done { store: self.folder.clone(), changed, lines }
    }

    fn path(&self, ca: &Certificate) -> PathBuf {
        self.folder.join(format!("{PREFIX}{}.{}", encode_hex_lower(ca.sha256()), self.ending))
    }

    /// Files whose names tell what they hold, and hold it.
    fn ours(&self) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let mut out: Vec<PathBuf> = entries
            .filter_map(|e| Some(e.ok()?.path()))
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(PREFIX)))
            .filter(|p| certificate(p).is_some_and(|c| self.path(&c) == *p))
            .collect();
        out.sort();
        out
    }

    /// Links by which OpenSSL finds the file.
    #[cfg(unix)]
    fn link(&self, ca: &Certificate, path: &Path) -> Result<Option<String>, Failure> {
        let (Some(hash), Some(name)) = (subject_hash(ca.subject_der()), path.file_name()) else { return Ok(None) };
        for number in 0..MOST_LINKS {
            let link = self.folder.join(format!("{hash}.{number}"));
            match std::os::unix::fs::symlink(name, &link) {
                Ok(()) => return Ok(Some(format!("linked {}", link.display()))),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(self.denied("install", &link, &e)),
            }
        }
        Err(Failure::new(Exit::Unreadable, format!("{}: no name {hash}.N is free", self.folder.display())))
    }

    /// OpenSSL's way is not known to do on this system; the file is read by those who read folders whole.
    #[cfg(not(unix))]
    fn link(&self, ca: &Certificate, _path: &Path) -> Result<Option<String>, Failure> {
        Ok(subject_hash(ca.subject_der()).map(|hash| format!("not linked as {hash}.0: links are made on Unix only")))
    }

    /// Removes the links to one of our files, and closes the gaps: OpenSSL stops at the first number that is missing.
    fn unlink(&self, path: &Path, lines: &mut Vec<String>) -> Result<(), Failure> {
        let folder = match &self.kind {
            Kind::Folder => self.folder.as_path(),
            Kind::System(System { links: Some(folder), .. }) => Path::new(folder),
            Kind::System(_) => return Ok(()),
        };
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
        // The fingerprint stands in the name, and so do Debian's own links to it.
        let ours = |p: &PathBuf| std::fs::read_link(p).is_ok_and(|to| to.file_stem() == path.file_stem());
        let mut links: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(ours).collect();
        links.sort();
        for link in links {
            let failed = |e| self.denied("uninstall", &link, &e);
            std::fs::remove_file(&link).map_err(failed)?;
            lines.push(format!("removed {}", link.display()));
            let number = |p: &Path| p.extension()?.to_str()?.parse::<usize>().ok();
            let Some(free) = number(&link) else { continue };
            let numbered = |n: usize| link.with_extension(n.to_string());
            let last = (free + 1..MOST_LINKS).take_while(|n| numbered(*n).is_symlink()).last();
            if let Some(last) = last.map(numbered) {
                std::fs::rename(&last, &link).map_err(failed)?;
                lines.push(format!("renamed {} to {}", last.display(), link.display()));
            }
        }
        Ok(())
    }

    fn denied(&self, doing: &str, path: &Path, cause: &std::io::Error) -> Failure {
        let advice = match (&self.kind, cause.kind()) {
            (Kind::System(_), std::io::ErrorKind::PermissionDenied) => {
                format!(
                    "; the system's store is root's: run `sudo countersign trust {doing}` with --ca-file, or use --store DIR"
                )
            }
            _ => String::new(),
        };
        Failure::new(Exit::Unreadable, format!("{}: cannot be written: {cause}{advice}", path.display()))
    }
}

/// Whether a file is there and holds this certificate alone.
fn holds(path: &Path, ca: &Certificate) -> bool {
    certificate(path).is_some_and(|c| c.der() == ca.der())
}

/// The one certificate in a file. A link is nobody's work of ours.
fn certificate(path: &Path) -> Option<Certificate> {
    if !std::fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let found = keyfile::read(&std::fs::read(path).ok()?, None);
    let mut certificates = found.certificates();
    certificates.next().filter(|_| certificates.next().is_none()).cloned()
}

/// A command of the system's, looked for beside PATH too: administrators' folders are often not in it.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|p| p.is_file())
}

/// Has the system read its folder anew.
fn refresh(command: &[&str]) -> Result<Option<String>, Failure> {
    let said = command.join(" ");
    let Some((name, arguments)) = command.split_first() else { return Ok(None) };
    let failed = |why: String| Failure::new(Exit::Unreadable, format!("`{said}` failed: {why}"));
    let program = program(name).ok_or_else(|| failed("it is not installed (package ca-certificates)".to_owned()))?;
    let output = Command::new(program).args(arguments).output().map_err(|e| failed(e.to_string()))?;
    if output.status.success() {
        return Ok(Some(format!("ran {said}")));
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(failed(format!("{}: {}", output.status, crate::output::printable(words.trim()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    static WORKS: System = System { folder: "", ending: "crt", links: None, refresh: &["true"] };
    static FAILS: System = System { folder: "", ending: "crt", links: None, refresh: &["false"] };

    fn ca() -> Certificate {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut out: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        out.sort();
        out
    }

    #[test]
    fn a_system_that_does_not_read_it_keeps_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = |kind| Store { folder: folder.path().to_owned(), ending: "crt", kind: Kind::System(kind) };
        let ca = ca();
        let failure = store(&FAILS).install(&ca).err().unwrap();
        assert!(failure.message.starts_with("`false` failed"), "{}", failure.message);
        assert!(names(folder.path()).is_empty(), "a second try must not take it for done");
        assert!(store(&WORKS).install(&ca).unwrap().changed);
        assert!(!store(&WORKS).install(&ca).unwrap().changed);
        assert_eq!(names(folder.path()), [format!("countersign-{}.crt", encode_hex_lower(ca.sha256()))]);
    }

    #[test]
    fn what_only_looks_like_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store { folder: folder.path().to_owned(), ending: "crt", kind: Kind::System(&WORKS) };
        let (one, other) = (ca(), ca());
        store.install(&one).unwrap();
        // Another certificate under a name of ours, and ours with one more behind it.
        std::fs::write(store.path(&other), super::super::pem(&one)).unwrap();
        let third = ca();
        std::fs::write(store.path(&third), super::super::pem(&third) + &super::super::pem(&one)).unwrap();
        let done = store.uninstall(None).unwrap();
        assert!(done.changed && done.lines.len() == 2, "{:?}", done.lines);
        assert_eq!(names(folder.path()).len(), 2);
        assert!(!store.uninstall(Some(&other)).unwrap().changed && !store.uninstall(Some(&third)).unwrap().changed);
    }
}
