//! `cargo xtask package`: what is handed to others: a static program for images and a Debian package, with their checksums.
//!
//! Called by people, by the image's build and by `test`, which then installs and runs both. Everything comes to
//! `target/package`; nothing is published.

mod deb;
mod elf;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use countersign_core::encoding::encode_hex_lower;
use countersign_core::thumbprint::{Hash, digest};

use crate::{needs, process, test};

/// The second keeps random numbers a system call: in a static program the library's function is not found, and the fallback is
/// a device, which an empty root has not.
const STATIC_GLIBC: &str = "-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\"";

/// Builds what the arguments name, all without arguments.
///
/// # Errors
/// When a tool is missing, a build fails, or what was built is not what it should be.
pub fn run(arguments: &[String]) -> Result<()> {
    let wanted: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let made = match wanted.as_slice() {
        [] => {
            release()?;
            vec![static_program()?, debian_package()?]
        }
        ["static"] => vec![static_program()?],
        ["deb"] => {
            release()?;
            vec![debian_package()?]
        }
        _ => bail!("package takes `static` or `deb`, or nothing for both"),
    };
    let mut sums = String::new();
    for path in made {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        println!("{}: {} bytes", path.display(), bytes.len());
        // Writing to a String cannot fail.
        let _ = writeln!(sums, "{}  {name}", encode_hex_lower(&digest(Hash::Sha256, &bytes)));
    }
    let place = folder()?.join("SHA256SUMS");
    fs::write(&place, sums).with_context(|| format!("cannot write {}", place.display()))
}

/// The folder of what is made.
fn folder() -> Result<PathBuf> {
    let folder = process::target().join("package");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

fn release() -> Result<()> {
    process::run(process::cargo().args(["build", "--release", "--locked", "--package", "countersign"]))
}

/// The Debian package of the released program, which has to be built.
///
/// # Errors
/// When the program is not there, or `dpkg-deb` fails.
pub fn debian_package() -> Result<PathBuf> {
    needs::debian_packages(&needs::absent(&[("dpkg-deb", "dpkg"), ("gzip", "gzip")]))?;
    deb::build(&test::binary(), &folder()?)
}

/// A program that needs nothing of the system it runs on. Built against musl, whose name resolution works in a static program;
/// where there is no such target, against glibc, whose does not without the libraries it was built with.
///
/// # Errors
/// When the build fails, or what it gives still asks for a loader.
pub fn static_program() -> Result<PathBuf> {
    let architecture = std::env::consts::ARCH;
    let musl = format!("{architecture}-unknown-linux-musl");
    let mut command = process::cargo();
    command.args(["build", "--release", "--locked", "--package", "countersign", "--target"]);
    let triple = if has_target(&musl) {
        needs::debian_packages(&needs::absent(&[("musl-gcc", "musl-tools")]))?;
        command.arg(&musl);
        musl
    } else {
        let glibc = format!("{architecture}-unknown-linux-gnu");
        eprintln!("note: no target {musl} is to be had; linking glibc statically instead");
        command.arg(&glibc).env("RUSTFLAGS", STATIC_GLIBC);
        glibc
    };
    process::heading(&format!("static program for {triple}"));
    process::run(&mut command)?;
    let built = process::target().join(&triple).join("release/countersign");
    let program = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    if let Some(loader) = elf::loader(&program)? {
        bail!("{} is not static: it asks for {loader}", built.display());
    }
    let place = folder()?.join("countersign");
    copy(&built, &place)?;
    Ok(place)
}

/// Whether the toolchain has a target, after asking rustup for it.
fn has_target(triple: &str) -> bool {
    let there = || {
        process::output("rustc", &["--print", "target-libdir", "--target", triple])
            .is_some_and(|folder| Path::new(&folder).is_dir())
    };
    there() || (process::output("rustup", &["target", "add", triple]).is_some() && there())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    // What runs from there must not be written over.
    let _ = fs::remove_file(to);
    fs::copy(from, to).map(drop).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}
