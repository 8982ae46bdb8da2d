//! The Debian package: the program, its unit, settings, manual pages and completions, put together by `dpkg-deb`.
//!
//! What is fixed stands under `deploy/debian` and `deploy/systemd`; pages and completions come from the program itself, so that
//! they cannot say anything else than `--help`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::elf;
use crate::process;

/// Verbs with a manual page of their own.
const PAGES: [&[&str]; 8] =
    [&[], &["serve"], &["run"], &["doctor"], &["token", "get"], &["app"], &["credential"], &["state"]];
/// Shell, and where Debian keeps its completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/countersign"),
    ("zsh", "usr/share/zsh/vendor-completions/_countersign"),
    ("fish", "usr/share/fish/vendor_completions.d/countersign.fish"),
];

/// Builds the package of this program into a folder.
///
/// # Errors
/// When a file cannot be read or written, the program does not run here, or `dpkg-deb` fails.
pub fn build(program: &Path, into: &Path) -> Result<PathBuf> {
    let root = process::root();
    let tree = into.join("deb");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    let deploy = root.join("deploy");
    let put = |from: &Path, to: &str, mode: u32| -> Result<()> {
        let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        write(&tree.join(to), &bytes, mode)
    };
    put(program, "usr/bin/countersign", 0o755)?;
    put(&deploy.join("systemd/countersign.service"), "usr/lib/systemd/system/countersign.service", 0o644)?;
    put(&deploy.join("debian/countersign.toml"), "etc/countersign/countersign.toml", 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        put(&deploy.join("debian").join(script), &format!("DEBIAN/{script}"), 0o755)?;
    }
    for page in PAGES {
        let name = std::iter::once("countersign").chain(page.iter().copied()).collect::<Vec<_>>().join("-");
        let text = said(program, &[&["man"], page].concat())?;
        write(&tree.join(format!("usr/share/man/man1/{name}.1.gz")), &gzip(&text)?, 0o644)?;
    }
    for (shell, place) in COMPLETIONS {
        write(&tree.join(place), &said(program, &["completion", shell])?, 0o644)?;
    }
    let documents = "usr/share/doc/countersign";
    let changes = fs::read(root.join("CHANGELOG.md")).context("cannot read CHANGELOG.md")?;
    write(&tree.join(documents).join("changelog.gz"), &gzip(&changes)?, 0o644)?;
    write(&tree.join(documents).join("copyright"), copyright(&root)?.as_bytes(), 0o644)?;
    write(&tree.join("DEBIAN/conffiles"), b"/etc/countersign/countersign.toml\n", 0o644)?;
    let version = version(program)?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let glibc = elf::glibc(&fs::read(program).with_context(|| format!("cannot read {}", program.display()))?)?;
    let control = control(&version, architecture, &glibc, size(&tree)?.div_ceil(1024));
    write(&tree.join("DEBIAN/control"), control.as_bytes(), 0o644)?;
    let package = into.join(format!("countersign_{version}_{architecture}.deb"));
    // Everything belongs to root in the package, whoever builds it.
    process::run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&tree).arg(&package))?;
    fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    Ok(package)
}

fn control(version: &str, architecture: &str, glibc: &str, kibibytes: u64) -> String {
    format!(
        "\
Package: countersign
Version: {version}
Architecture: {architecture}
Maintainer: The Countersign authors <countersign@localhost>
Installed-Size: {kibibytes}
Depends: libc6 (>= {glibc}), libgcc-s1, passwd
Recommends: ca-certificates
Section: net
Priority: optional
Description: token service, doctor and client for certificate credentials
 An authorization server that unmodified MSAL and azure-identity clients accept,
 a doctor that tells why a client assertion was refused, and a client for shells
 and services, in one program.
 .
 The package brings a systemd unit, which is neither enabled nor started.
"
    )
}

/// Both licences by reference to what every Debian has, and the text of the other.
fn copyright(root: &Path) -> Result<String> {
    let mit = fs::read_to_string(root.join("LICENSE-MIT")).context("cannot read LICENSE-MIT")?;
    Ok(format!(
        "Countersign is under the Apache License 2.0 (/usr/share/common-licenses/Apache-2.0) or the MIT licence, at your \
         option.\n\n{mit}"
    ))
}

/// `1.2.3` of `countersign 1.2.3`.
fn version(program: &Path) -> Result<String> {
    let text = String::from_utf8_lossy(&said(program, &["--version"])?).into_owned();
    let version = text.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    if !version.starts_with(|c: char| c.is_ascii_digit()) {
        bail!("`countersign --version` says `{}`, where a number was expected", text.trim());
    }
    Ok(version)
}

fn said(program: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let done =
        Command::new(program).args(arguments).output().with_context(|| format!("cannot run {}", program.display()))?;
    if !done.status.success() {
        bail!("`countersign {}` ended with {}", arguments.join(" "), done.status);
    }
    Ok(done.stdout)
}

/// Without name and time, so that the same text gives the same bytes.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    use std::io::Write as _;
    let mut child = Command::new("gzip")
        .args(["-9n"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .context("cannot run gzip")?;
    let mut input = child.stdin.take().context("gzip has no input")?;
    let bytes = bytes.to_vec();
    // gzip writes while it reads: whoever only writes could wait for ever.
    let writing = std::thread::spawn(move || input.write_all(&bytes));
    let done = child.wait_with_output().context("lost gzip")?;
    match writing.join() {
        Ok(written) => written.context("gzip takes no input")?,
        Err(_) => bail!("the thread that feeds gzip panicked"),
    }
    if !done.status.success() {
        bail!("gzip ended with {}", done.status);
    }
    Ok(done.stdout)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(failed)?;
    fs::write(path, bytes).with_context(failed)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(failed)?;
    // dpkg-deb takes the folders' modes as they are; whoever builds may have a narrow umask.
    for folder in path.ancestors().skip(1).take_while(|f| f.file_name().is_some_and(|n| n != "deb")) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).with_context(failed)?;
    }
    Ok(())
}

/// Bytes of all files in a folder.
fn size(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
