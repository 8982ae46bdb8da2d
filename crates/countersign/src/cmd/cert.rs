//! `cert new` and `cert show`: a key with a certificate, and every written form of a certificate's identifiers.

use std::path::PathBuf;

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{encode_base64, encode_hex_upper};
use countersign_core::keyfile;
use countersign_core::thumbprint::{Forms, custom_key_identifier, forms};
use countersign_core::x509::certificate::Certificate;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SerialNumber};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::{clock, input};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make an RSA key and a self-signed certificate for it
    New(NewArgs),
    /// Show every identifier of the certificates in a file, whatever its format
    Show(ShowArgs),
}

/// Arguments of `new`.
#[derive(Debug, clap::Args)]
pub struct NewArgs {
    /// Common name of the certificate
    name: String,
    /// Where to write; NAME.key.pem (mode 0600) and NAME.cert.pem [default: the common name]
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,
    /// Size of the RSA key
    #[arg(long, default_value_t = 2048, value_parser = clap::builder::PossibleValuesParser::new(["2048", "3072", "4096"]).map(|s| s.parse::<usize>().unwrap_or(2048)))]
    bits: usize,
    /// Days until it ends
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t, env = "COUNTERSIGN_FORMAT", hide_env = true)]
    format: Format,
}

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// PEM, DER, PKCS#12, or base64 text of either; `-` for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// File with the password of a PKCS#12
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_PASSWORD_FILE", hide_env = true)]
    password_file: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, env = "COUNTERSIGN_FORMAT", hide_env = true)]
    format: Format,
}

use clap::builder::TypedValueParser as _;

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::New(args) => new(&args),
        Verb::Show(args) => show(&args),
    }
}

/// A key, and a self-signed certificate that ends after so many days.
pub struct Made {
    /// PEM of the private key (PKCS#8).
    pub key_pem: Zeroizing<String>,
    /// PEM of the certificate.
    pub certificate_pem: String,
    /// The certificate.
    pub certificate: Certificate,
}

/// Makes a key and its certificate in memory.
pub fn make(common_name: &str, bits: usize, days: u32) -> Result<Made, Failure> {
    let failed = |e: &dyn std::fmt::Display| Failure::new(Exit::Unreadable, format!("the certificate could not be made: {e}"));
    let key = AwsLc.generate_rsa(bits).map_err(|e| failed(&e))?;
    let pkcs8 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
    let pair = KeyPair::try_from(&pkcs8).map_err(|e| failed(&e))?;
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // RFC 5280 §4.1.2.2: positive, at most 20 bytes.
    let mut serial = uuid::Uuid::new_v4().into_bytes();
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let date = |time: countersign_core::UnixTime| {
        let c = time.civil();
        let date = rcgen::date_time_ymd(i32::try_from(c.year).unwrap_or(9999), c.month as u8, c.day as u8);
        date + std::time::Duration::from_secs(u64::from(c.hour * 3600 + c.minute * 60 + c.second))
    };
    let now = clock::now();
    // Five minutes back, so that a server whose clock is a little behind takes it at once.
    params.not_before = date(now - 300);
    params.not_after = date(now + i64::from(days) * 86_400);
    let certificate = params.self_signed(&pair).map_err(|e| failed(&e))?;
    Ok(Made {
        key_pem: Zeroizing::new(pair.serialize_pem()),
        certificate_pem: certificate.pem(),
        certificate: Certificate::from_der(certificate.der()).map_err(|e| failed(&e))?,
    })
}

fn new(args: &NewArgs) -> Result<(), Failure> {
    if args.name.trim().is_empty() || args.name.chars().count() > 64 {
        return Err(Failure::new(Exit::Usage, "the common name has 1 to 64 characters (RFC 5280, ub-common-name)"));
    }
    let prefix = args.out.clone().unwrap_or_else(|| {
        PathBuf::from(args.name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '-' }).collect::<String>())
    });
    let with = |ending: &str| PathBuf::from(format!("{}{ending}", prefix.display()));
    let (key_file, certificate_file) = (with(".key.pem"), with(".cert.pem"));
    if !args.force && certificate_file.exists() {
        return Err(Failure::new(
            Exit::Usage,
            format!("{}: is there already; name another file with --out, or replace it with --force", certificate_file.display()),
        ));
    }
    let made = make(&args.name, args.bits, args.days)?;
    input::write_new(&key_file, made.key_pem.as_bytes(), true, args.force)?;
    input::write_new(&certificate_file, made.certificate_pem.as_bytes(), false, args.force)?;
    match args.format {
        Format::Json => {
            let mut facts = facts(&made.certificate);
            if let Some(object) = facts.as_object_mut() {
                object.insert("keyFile".to_owned(), json!(key_file));
                object.insert("certificateFile".to_owned(), json!(certificate_file));
            }
            output::json(&facts)
        }
        Format::Human => {
            let text = format!(
                "private key  {} (mode 0600: keep it, register nothing of it)\ncertificate  {} (register this one)\n\n{}",
                key_file.display(),
                certificate_file.display(),
                describe(&made.certificate)
            );
            output::data(&text)
        }
    }
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let password = args.password_file.as_deref().map(input::read_secret).transpose()?;
    let mut shown: Vec<(String, Certificate, bool)> = Vec::new();
    for path in &args.files {
        let bytes = input::read(path)?;
        let file = keyfile::read(&bytes, password.as_ref().map(|p| p.as_str()));
        let before = shown.len();
        for certificate in file.certificates() {
            let has_key = file.private_keys().any(|k| k.matches(certificate));
            shown.push((path.display().to_string(), certificate.clone(), has_key));
        }
        if shown.len() == before {
            let problems: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
            let why = if problems.is_empty() { file.describe() } else { problems.join("; ") };
            return Err(Failure::new(
                Exit::Unreadable,
                format!("{}: no certificate: {why}; expected PEM, DER or PKCS#12 with a certificate", path.display()),
            ));
        }
    }
    match args.format {
        Format::Json => {
            let list: Vec<Value> = shown
                .iter()
                .map(|(file, certificate, has_key)| {
                    let mut facts = facts(certificate);
                    if let Some(object) = facts.as_object_mut() {
                        object.insert("file".to_owned(), json!(file));
                        object.insert("privateKeyPresent".to_owned(), json!(has_key));
                    }
                    facts
                })
                .collect();
            output::json(&list)
        }
        Format::Human => {
            let texts: Vec<String> = shown
                .iter()
                .map(|(file, certificate, has_key)| {
                    let key = if *has_key { " (its private key is in the file as well)" } else { "" };
                    format!("{file}{key}\n{}", describe(certificate))
                })
                .collect();
            output::data(&texts.join("\n"))
        }
    }
}

fn facts(c: &Certificate) -> Value {
    let digest = |f: &Forms| {
        json!({"hex": f.hex_upper, "hexColons": f.hex_colons, "base64url": f.x5t, "base64": f.standard_base64})
    };
    let (sha1, sha256) = (forms(c.sha1()), forms(c.sha256()));
    let custom = custom_key_identifier(c.sha1());
    json!({
        "subject": c.subject(),
        "issuer": c.issuer(),
        "serialNumber": c.serial_hex(),
        "notBefore": c.not_before().rfc3339(),
        "notAfter": c.not_after().rfc3339(),
        "key": {"kind": c.public_key().kind(), "bits": c.public_key().bits()},
        "sha1": digest(&sha1),
        "sha256": digest(&sha256),
        "x5t": sha1.x5t,
        "x5t#S256": sha256.x5t,
        "customKeyIdentifier": {"graph": custom.graph, "portal": custom.portal},
        "subjectAlternativeNames": c.subject_alternative_names(),
        "der": encode_base64(c.der()),
    })
}

/// Everything of a certificate that people compare, at most 80 columns wide but for the subject.
pub fn describe(c: &Certificate) -> String {
    let (sha1, sha256) = (forms(c.sha1()), forms(c.sha256()));
    let custom = custom_key_identifier(c.sha1());
    let now = clock::now();
    let state = if now < c.not_before() {
        "not valid yet".to_owned()
    } else if now > c.not_after() {
        "EXPIRED".to_owned()
    } else {
        format!("{} days left", c.not_after().secs_since(now) / 86_400)
    };
    let bits = c.public_key().bits().map(|b| format!(" {b} bits")).unwrap_or_default();
    let halves = |text: &str| -> (String, String) {
        let (a, b) = text.split_at(text.len() / 2);
        (a.trim_end_matches(':').to_owned(), b.trim_start_matches(':').to_owned())
    };
    let (first, second) = halves(&sha256.hex_upper);
    format!(
        "  subject              {}\n  issuer               {}\n  serial number        {}\n  valid                {} to {} ({state})\n  key                  {}{bits}\n\n\
         \x20 header x5t           {}\n  header x5t#S256      {}\n  thumbprint (portal)  {}\n  customKeyIdentifier  {} (Graph)\n  SHA-1, colons        {}\n  SHA-256              {first}\n                       {second}\n",
        c.subject(),
        c.issuer(),
        c.serial_hex(),
        c.not_before().rfc3339(),
        c.not_after().rfc3339(),
        c.public_key().kind(),
        sha1.x5t,
        sha256.x5t,
        encode_hex_upper(c.sha1()),
        custom.graph,
        sha1.hex_colons,
    )
}
