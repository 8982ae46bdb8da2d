//! `cargo xtask wasm`: the doctor as a WebAssembly module, and the page round it as one file that needs no server.
//!
//! Called by people and by a release. The standard library is built too, for size: from the toolchain's own `rust-src` where
//! rustup has added it, else with Debian's `rustc-web` from `rust-web-src`. With `--test` the module is then put beside the
//! native program under Node, over every case there is, and files are dropped on the page in Chromium.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use countersign_core::encoding::encode_base64;
use countersign_core::thumbprint::{Hash, digest};

use crate::{needs, process};

const TARGET: &str = "wasm32-unknown-unknown";
/// The largest module, as it is and under gzip.
const MAX_BYTES: u64 = 1536 << 10;
const MAX_GZIP_BYTES: u64 = 500 << 10;

/// A panic traps at once: no message, no place, none of the code that formats them. The doctor answers with errors; a panic is a
/// fault of ours that the native program reports with its place.
/// Readers of key files link a random generator that is never called; without a source named, it refuses to build.
const RUSTFLAGS: &str =
    "--cfg getrandom_backend=\"unsupported\" -Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none";

/// A compiler and what it has to be told.
struct Toolchain {
    /// `None`: the one cargo takes anyway.
    rustc: Option<PathBuf>,
    /// `None`: the compiler brings its own.
    linker: Option<PathBuf>,
}

/// Builds the module and the page; `--test` compares the module with the native program.
///
/// # Errors
/// When there is no toolchain for wasm32, a build or a comparison fails, or the module is too large.
pub fn run(arguments: &[String]) -> Result<()> {
    let test = match arguments {
        [] => false,
        [flag] if flag == "--test" => true,
        _ => bail!("wasm takes `--test`, nothing else"),
    };
    needs::programs(&[("wasm-opt", "binaryen"), ("zopfli", "zopfli")])?;
    let module = shrink(&build(&toolchain(false)?)?)?;
    let packed = gzip(&module)?;
    let (size, packed_size) = (fs::metadata(&module)?.len(), fs::metadata(&packed)?.len());
    println!("{}: {size} bytes, {packed_size} under gzip", module.display());
    if size > MAX_BYTES || packed_size > MAX_GZIP_BYTES {
        bail!("the module is too large: at most {MAX_BYTES} bytes, {MAX_GZIP_BYTES} under gzip");
    }
    let page = page(&packed)?;
    println!("{}", page.display());
    if test { compare(&module, &page) } else { Ok(()) }
}

/// `asked`: Debian's packages were installed, and are not asked for again.
fn toolchain(asked: bool) -> Result<Toolchain> {
    let own = process::output("rustc", &["--print", "sysroot"]);
    if own.is_some_and(|folder| Path::new(&folder).join("lib/rustlib/src/rust/library/std").is_dir()) {
        return Ok(Toolchain { rustc: None, linker: None });
    }
    // Debian's build of rustc for browsers is not on the path of rustup, and its std comes as source only.
    let debian = Path::new("/usr/bin/rustc");
    let source = Path::new("/usr/lib/rustlib/src/rust/library/std");
    if debian.is_file() && source.is_dir() {
        return Ok(Toolchain { rustc: Some(debian.to_owned()), linker: Some(linker()?) });
    }
    if !asked && needs::may_install() {
        needs::debian_packages(&["rustc-web", "rust-web-src"])?;
        return toolchain(true);
    }
    bail!(
        "no standard library's source for {TARGET}: run `rustup component add rust-src`, or, where rustup cannot fetch it, on \
         Debian as root `apt-get install --no-install-recommends rustc-web rust-web-src`"
    )
}

/// LLVM's linker: rustup ships it beside its own compiler, Debian in the package `lld`.
fn linker() -> Result<PathBuf> {
    let beside = process::output("rustc", &["--print", "target-libdir"])
        .map(|folder| Path::new(&folder).with_file_name("bin").join("rust-lld"));
    beside
        .into_iter()
        .chain([PathBuf::from("/usr/bin/wasm-ld")])
        .find(|linker| linker.is_file())
        .context("no rust-lld beside rustc and no wasm-ld: install Debian's package `lld`")
}

fn build(toolchain: &Toolchain) -> Result<PathBuf> {
    let mut cargo = process::cargo();
    // `cdylib` alone: link-time optimisation is for final artifacts, and the crate is a library for its tests as well.
    cargo.args(["rustc", "--locked", "--package", "countersign-wasm", "--lib", "--crate-type", "cdylib"]);
    cargo.args(["--profile", "wasm", "--target", TARGET]);
    cargo.arg("-Zbuild-std=std,panic_abort").arg("-Zbuild-std-features=optimize_for_size");
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", RUSTFLAGS);
    if let Some(rustc) = &toolchain.rustc {
        cargo.env("RUSTC", rustc);
    }
    if let Some(linker) = &toolchain.linker {
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    }
    // Apart from the native build: another compiler would make cargo build that anew.
    let folder = process::target().join("wasm");
    process::run(cargo.env("CARGO_TARGET_DIR", &folder))?;
    Ok(folder.join(TARGET).join("wasm/countersign_wasm.wasm"))
}

/// Binaryen's optimiser, over what the compiler's has left.
fn shrink(module: &Path) -> Result<PathBuf> {
    let small = module.with_extension("small.wasm");
    // The features that the compiler's target has; without them the module is refused.
    let features = ["--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext"];
    let more = ["--enable-mutable-globals", "--enable-multivalue", "--enable-reference-types"];
    process::run(Command::new("wasm-opt").arg("-Oz").args(features).args(more).arg(module).arg("-o").arg(&small))?;
    fs::rename(&small, module).with_context(|| format!("cannot replace {}", module.display()))?;
    Ok(module.to_owned())
}

/// Without name and time: the same module packs to the same bytes.
fn gzip(module: &Path) -> Result<PathBuf> {
    process::run(Command::new("zopfli").arg("--i5").arg(module))?;
    Ok(module.with_extension("wasm.gz"))
}

/// Puts scripts and module into the page, and the scripts' hashes into its Content-Security-Policy.
fn page(packed: &Path) -> Result<PathBuf> {
    let folder = process::root().join("crates/wasm/page");
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let scripts = format!("{}\n{}", read("engine.js")?, read("page.js")?);
    let module = fs::read(packed).with_context(|| format!("cannot read {}", packed.display()))?;
    let html = assemble(&read("index.html")?, &scripts, &module)?;
    let page = process::target().join("wasm/countersign-doctor.html");
    fs::write(&page, html).with_context(|| format!("cannot write {}", page.display()))?;
    Ok(page)
}

fn assemble(template: &str, scripts: &str, module: &[u8]) -> Result<String> {
    if scripts.contains("</script") || scripts.contains("<!--") {
        bail!("a script of the page holds `</script` or `<!--`, which ends it early in HTML");
    }
    let hash = format!("'sha256-{}'", encode_base64(&digest(Hash::Sha256, scripts.as_bytes())));
    let mut html = template.to_owned();
    for (mark, value) in
        [("{{hashes}}", hash.as_str()), ("{{module}}", &encode_base64(module)), ("{{scripts}}", scripts)]
    {
        if html.matches(mark).count() != 1 {
            bail!("crates/wasm/page/index.html must hold `{mark}` exactly once");
        }
        html = html.replace(mark, value);
    }
    Ok(html)
}

fn compare(module: &Path, page: &Path) -> Result<()> {
    process::run(process::cargo().args(["build", "--locked", "--package", "countersign"]))?;
    let browser = needs::browser()?;
    process::run(
        Command::new(needs::node()?)
            .args([
                "--test",
                "--test-reporter=spec",
                "crates/wasm/tests/module.test.mjs",
                "crates/wasm/tests/page.test.mjs",
            ])
            .current_dir(process::root())
            .env("COUNTERSIGN_MODULES", browser)
            .env("COUNTERSIGN_WASM", module)
            .env("COUNTERSIGN_PAGE", page)
            .env("COUNTERSIGN_BIN", process::target().join("debug/countersign")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "<p content=\"script-src {{hashes}}\"><b>{{module}}</b><script>{{scripts}}</script>";

    #[test]
    fn the_policy_names_the_hash_of_exactly_what_the_page_runs() {
        let html = assemble(TEMPLATE, "alert(1)", b"module").unwrap();
        // `printf 'alert(1)' | openssl dgst -sha256 -binary | base64`
        let hash = "'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='";
        assert_eq!(html, format!("<p content=\"script-src {hash}\"><b>bW9kdWxl</b><script>alert(1)</script>"));
    }

    #[test]
    fn a_page_that_would_break_is_not_made() {
        assert!(assemble("{{hashes}}{{module}}", "", b"").is_err());
        assert!(assemble(&TEMPLATE.repeat(2), "", b"").is_err());
        assert!(assemble(TEMPLATE, "const a = '</script>';", b"").is_err());
    }

    #[test]
    fn the_template_of_the_checkout_has_every_mark() {
        let template = fs::read_to_string(process::root().join("crates/wasm/page/index.html")).unwrap();
        let html = assemble(&template, "let harmless;", b"module").unwrap();
        assert!(!html.contains("{{"), "a mark was left");
        assert!(html.contains("content=\"default-src 'none'; script-src 'sha256-"), "the policy is not the strict one");
    }
}
