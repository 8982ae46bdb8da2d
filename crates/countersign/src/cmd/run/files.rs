//! The files of one run: what its programs must trust, and the script that Node loads first.
//!
//! Written into the run's folder by `run`, which removes the folder again. No key is among them.

use std::fs::File;
use std::path::{Path, PathBuf};

use countersign_server::intercept::Hosts;
use countersign_server::intercept::hosts::METADATA_ADDRESS;
use serde_json::json;
use tempfile::TempDir;

use super::place::Started;

use crate::exit::{Exit, Failure};

/// Where systems keep their roots, one file with all of them: Debian, Fedora, SUSE, Alpine and BSD.
pub const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// How the folders of runs are called.
pub const PREFIX: &str = "countersign-run-";
/// Whoever uses a folder holds a shared lock on this file in it.
const LOCK: &str = "lock";

/// The folder of a run. It goes when it is dropped.
pub struct Folder {
    // Closed before the folder goes: fields are dropped in order.
    _held: Option<File>,
    folder: TempDir,
}

impl Folder {
    /// Makes one, for this user alone.
    pub fn make() -> Result<Self, Failure> {
        let failed = |e| Failure::new(Exit::Unreadable, format!("a temporary folder cannot be made: {e}"));
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            // Programs run what is in it, so nobody else may write there, whatever the umask.
            builder.permissions(std::fs::Permissions::from_mode(0o700));
        }
        let folder = builder.tempdir().map_err(failed)?;
        // Locked before it gets its name, so that nobody takes it for abandoned.
        let early = folder.path().join("lock.early");
        let held = File::create_new(&early).map_err(failed)?;
        let locked = held.lock_shared().and_then(|()| std::fs::rename(&early, folder.path().join(LOCK)));
        // Where files cannot be locked, nothing abandoned is ever removed.
        Ok(Self { _held: locked.is_ok().then_some(held), folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Takes part in holding a folder, as long as the answer lives.
pub fn hold(folder: &Path) -> Option<File> {
    let held = File::open(folder.join(LOCK)).ok()?;
    held.lock_shared().ok()?;
    Some(held)
}

/// Removes folders beside this one, of the same user's runs, all of whose processes were killed at once, so that nobody could
/// clean up.
pub fn remove_abandoned(beside: &Path) {
    let Some(entries) = beside.parent().and_then(|p| std::fs::read_dir(p).ok()) else { return };
    for entry in entries.filter_map(Result::ok) {
        let named = entry.file_name().to_str().is_some_and(|n| n.starts_with(PREFIX));
        // A link is no folder here. What belongs to somebody else may hold anything, and is none of our business.
        if !named || !entry.file_type().is_ok_and(|t| t.is_dir()) || !same_owner(&entry.path(), beside) {
            continue;
        }
        let Ok(lock) = File::open(entry.path().join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(unix)]
fn same_owner(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let owner = |path: &Path| std::fs::symlink_metadata(path).map(|m| m.uid()).ok();
    owner(a).is_some() && owner(a) == owner(b)
}

/// Elsewhere each user has a temporary folder of their own.
#[cfg(not(unix))]
fn same_owner(_a: &Path, _b: &Path) -> bool {
    true
}

/// Writes a file of the run.
pub fn write(folder: &Path, name: &str, contents: &[u8]) -> Result<PathBuf, Failure> {
    let path = folder.join(name);
    match std::fs::write(&path, contents) {
        Ok(()) => Ok(path),
        Err(cause) => Err(Failure::new(Exit::Unreadable, format!("{}: cannot be written: {cause}", path.display()))),
    }
}

/// Our CAs, and the roots that programs would have used: those of the variables that are there, else the system's.
pub fn bundle(ours: &[&str], there: impl Fn(&str) -> Option<String>) -> String {
    let mut out = joined(ours);
    let mut named: Vec<String> =
        ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].into_iter().filter_map(there).collect();
    named.dedup();
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let mut roots: Vec<String> = named.iter().filter_map(|p| read(p)).collect();
    if roots.is_empty() {
        roots.extend(SYSTEM_ROOTS.iter().find_map(|p| read(p)));
    }
    roots.dedup();
    roots.iter().for_each(|text| push(&mut out, text));
    out
}

/// Our CAs, and what NODE_EXTRA_CA_CERTS names already.
pub fn extra(ours: &[&str], there: impl Fn(&str) -> Option<String>) -> String {
    let mut out = joined(ours);
    if let Some(text) = there("NODE_EXTRA_CA_CERTS").and_then(|p| std::fs::read_to_string(p).ok()) {
        push(&mut out, &text);
    }
    out
}

fn joined(ours: &[&str]) -> String {
    let mut out = String::new();
    ours.iter().for_each(|text| push(&mut out, text));
    out
}

fn push(out: &mut String, text: &str) {
    out.push_str(text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
}

/// The script that Node loads first.
pub fn preload(hosts: &Hosts, started: &Started, refuse: bool) -> String {
    script(hosts, started.direct, started.plain, refuse.then(|| started.host()))
}

/// `service` takes TLS, `proxy` plain HTTP. With `only`, no other host is reached but that one and this machine.
fn script(hosts: &Hosts, service: u16, proxy: u16, only: Option<&str>) -> String {
    let settings = json!({
        "hosts": hosts.names(),
        "service": service,
        "proxy": proxy,
        "metadata": METADATA_ADDRESS,
        "only": only,
    });
    format!("const SETTINGS = {settings};\n{}", include_str!("preload.cjs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_keep_what_programs_trusted_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("roots.pem");
        std::fs::write(&file, "OTHER").unwrap();
        let there = |name: &str| (name != "NODE_EXTRA_CA_CERTS").then(|| file.display().to_string());
        assert_eq!(bundle(&["OURS\n", "MORE"], there), "OURS\nMORE\nOTHER\n");
        assert_eq!(extra(&["OURS"], there), "OURS\n");
        assert_eq!(extra(&["OURS"], |_| Some(file.display().to_string())), "OURS\nOTHER\n");
    }

    #[test]
    fn a_folder_is_abandoned_when_nobody_holds_it() {
        let folder = Folder::make().unwrap();
        let path = folder.path().to_owned();
        let held = hold(&path).unwrap();
        let other = Folder::make().unwrap();
        remove_abandoned(other.path());
        assert!(path.is_dir());
        drop(held);
        // As if its process had been killed: the folder stays, the lock does not.
        let Folder { _held, folder } = folder;
        let kept = folder.keep();
        drop(_held);
        remove_abandoned(other.path());
        assert!(!kept.exists() && other.path().is_dir());
    }

    #[test]
    fn the_script_names_hosts_and_ports_as_json() {
        let script = script(&Hosts::microsoft_and(&[]).unwrap(), 1, 2, Some("sts.example"));
        let first = script.lines().next().unwrap();
        let settings = first.strip_prefix("const SETTINGS = ").and_then(|s| s.strip_suffix(';')).unwrap();
        let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
        assert_eq!(
            (&settings["service"], &settings["proxy"], &settings["only"]),
            (&1.into(), &2.into(), &"sts.example".into())
        );
        assert!(settings["hosts"].as_array().unwrap().contains(&"login.microsoftonline.com".into()));
    }
}
