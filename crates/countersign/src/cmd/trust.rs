//! `trust`: the service's own CA, printed, or put into a trust store and taken out again.
//!
//! It says what it did, line by line, and touches nothing but files that carry the CA's own fingerprint in their names.

mod hash;
mod store;

use std::path::PathBuf;

use countersign_core::encoding::{encode_base64, encode_hex_lower};
use countersign_core::keyfile;
use countersign_core::x509::Certificate;
use serde_json::json;

use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::{self, Format};
use crate::ready::{self, Ready};

use store::Store;

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Print the CA's certificate
    Print(PrintArgs),
    /// Put it into the system's trust store, or into a folder
    Install(StoreArgs),
    /// Take it out again, and nothing else
    Uninstall(UninstallArgs),
}

/// Which CA.
#[derive(Debug, clap::Args)]
struct Which {
    /// File with the CA (PEM or DER) [default: that of ./countersign-data, if it is there]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Ready file of a service, which names its CA
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Arguments of `print`.
#[derive(Debug, clap::Args)]
pub struct PrintArgs {
    #[command(flatten)]
    which: Which,
}

/// Arguments of `install`.
#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    #[command(flatten)]
    which: Which,
    /// A folder that programs read by SSL_CERT_DIR, instead of the system's store
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

/// Arguments of `uninstall`.
#[derive(Debug, clap::Args)]
pub struct UninstallArgs {
    #[command(flatten)]
    to: StoreArgs,
    /// Every CA that `trust install` put there, not that of one service
    #[arg(long, conflicts_with_all = ["ca_file", "ready_file"])]
    all: bool,
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Print(args) => print(&args.which),
        Verb::Install(args) => {
            let (ca, file) = args.which.ca()?;
            let done = Store::find(args.store.as_deref(), "install", &file)?.install(&ca)?;
            report(args.which.format, &done)
        }
        Verb::Uninstall(args) => {
            let done = if args.all {
                Store::find(args.to.store.as_deref(), "uninstall", std::path::Path::new("ca.pem"))?.uninstall(None)?
            } else {
                let (ca, file) = args.to.which.ca().map_err(|e| {
                    let advice = "; --all takes out every CA that `trust install` put there";
                    Failure::new(e.exit, format!("{}{advice}", e.message))
                })?;
                Store::find(args.to.store.as_deref(), "uninstall", &file)?.uninstall(Some(&ca))?
            };
            report(args.to.which.format, &done)
        }
    }
}

impl Which {
    /// The CA, and where it stands.
    fn ca(&self) -> Result<(Certificate, PathBuf), Failure> {
        let named = match (&self.ca_file, &self.ready_file) {
            (Some(file), _) => Some(file.clone()),
            (None, Some(file)) => match Ready::read(file)?.ca_file {
                Some(ca) => Some(ca),
                None => {
                    let message =
                        format!("{}: this service has no CA of its own: its TLS is off, or given", file.display());
                    return Err(Failure::new(Exit::Unreadable, message));
                }
            },
            (None, None) => ready::default_ca(),
        };
        let Some(file) = named else {
            let message = "no CA: name it with --ca-file or --ready-file, or go where countersign-data is";
            return Err(Failure::new(Exit::Unreadable, message));
        };
        let found = keyfile::read(&input::read(&file)?, None);
        let mut certificates = found.certificates();
        let unreadable = |why: &str| Failure::new(Exit::Unreadable, format!("{}: {why}", file.display()));
        let ca =
            certificates.next().ok_or_else(|| unreadable("holds no certificate; the PEM file of a CA is expected"))?;
        if certificates.next().is_some() {
            return Err(unreadable("holds more than one certificate; the file of one CA is expected"));
        }
        if !ca.is_ca() {
            return Err(unreadable(
                "the certificate is no CA (basicConstraints); programs would not trust what it signs",
            ));
        }
        Ok((ca.clone(), file))
    }
}

/// The certificate as PEM (RFC 7468).
fn pem(certificate: &Certificate) -> String {
    let text = encode_base64(certificate.der());
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|l| std::str::from_utf8(l).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn print(which: &Which) -> Result<(), Failure> {
    let (ca, file) = which.ca()?;
    match which.format {
        Format::Human => output::data(&pem(&ca)),
        Format::Json => output::json(&json!({
            "caFile": file,
            "subject": ca.subject(),
            "notAfter": ca.not_after().rfc3339(),
            "sha256": encode_hex_lower(ca.sha256()),
            "pem": pem(&ca),
        })),
    }
}

/// What was done, one line each.
fn report(format: Format, done: &store::Done) -> Result<(), Failure> {
    match format {
        Format::Json => output::json(&json!({ "store": done.store, "changed": done.changed, "done": done.lines })),
        Format::Human => output::data(&done.lines.iter().map(|line| format!("{line}\n")).collect::<String>()),
    }
}
