//! `cert new`: an RSA key, a self-signed certificate, and on request a PKCS#12 of both. Nothing that is there is replaced unasked.
//!
//! `demo` makes its certificates here as well. The private key is written with mode 0600 and never printed.

use std::path::{Path, PathBuf};

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::keyfile::PrivateKey;
use countersign_core::x509::certificate::Certificate;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SerialNumber,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use zeroize::Zeroizing;

use super::{form, show};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::{clock, input};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Common name, or a subject such as "CN=payroll, O=Contoso"
    subject: String,
    /// Where to write: PREFIX.key.pem (mode 0600) and PREFIX.cert.pem [default: the common name]
    #[arg(long, value_name = "PREFIX")]
    out: Option<PathBuf>,
    /// Size of the RSA key; 2048 is what Entra ID asks for at least, and the fastest
    #[arg(long, default_value = "2048", value_parser = ["2048", "3072", "4096"])]
    bits: String,
    /// Days until it ends
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Write PREFIX.pfx (PKCS#12) as well, encrypted under the password of --pfx-password-file, else under an empty one
    #[arg(long)]
    pfx: bool,
    /// File with the password of the PKCS#12, - for stdin
    #[arg(long, value_name = "FILE", requires = "pfx")]
    pfx_password_file: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A key and its certificate, in memory.
pub struct Made {
    /// The private key.
    pub key: PrivateKey,
    /// Its PEM (PKCS#8).
    pub key_pem: Zeroizing<String>,
    /// The certificate.
    pub certificate: Certificate,
    /// Its PEM.
    pub certificate_pem: String,
}

/// Makes a key, and a self-signed certificate that is valid from a few minutes ago.
pub fn make(subject: &DistinguishedName, bits: usize, from: UnixTime, days: u32) -> Result<Made, Failure> {
    let failed =
        |e: &dyn std::fmt::Display| Failure::new(Exit::Unreadable, format!("the certificate could not be made: {e}"));
    let key = AwsLc.generate_rsa(bits).map_err(|e| failed(&e))?;
    let pkcs8 = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
    let pair = KeyPair::try_from(&pkcs8).map_err(|e| failed(&e))?;
    let mut params = CertificateParams::default();
    params.distinguished_name = subject.clone();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // RFC 5280 §4.1.2.2: positive, at most 20 bytes.
    let mut serial = uuid::Uuid::new_v4().into_bytes();
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    let date = |time: UnixTime| {
        let c = time.civil();
        let day = rcgen::date_time_ymd(i32::try_from(c.year).unwrap_or(9999), c.month as u8, c.day as u8);
        day + std::time::Duration::from_secs(u64::from(c.hour * 3600 + c.minute * 60 + c.second))
    };
    // Five minutes back, so that a server whose clock is a little behind takes it at once.
    params.not_before = date(from.plus_secs(-300));
    params.not_after = date(from.plus_secs(i64::from(days) * 86_400));
    let certificate = params.self_signed(&pair).map_err(|e| failed(&e))?;
    Ok(Made {
        key_pem: Zeroizing::new(pair.serialize_pem()),
        certificate_pem: certificate.pem(),
        certificate: Certificate::from_der(certificate.der()).map_err(|e| failed(&e))?,
        key,
    })
}

/// Reads `payroll` as a common name, and `CN=payroll, O=Contoso` as a subject; `\,` is a comma (RFC 4514 §2.4).
pub fn subject(text: &str) -> Result<DistinguishedName, String> {
    let mut name = DistinguishedName::new();
    if !text.contains('=') {
        let text = text.trim();
        if text.is_empty() || text.chars().count() > 64 {
            return Err("a common name has 1 to 64 characters (RFC 5280, ub-common-name)".to_owned());
        }
        name.push(DnType::CommonName, text);
        return Ok(name);
    }
    for part in split(text) {
        let (kind, value) = part.split_once('=').ok_or_else(|| format!("'{}' lacks a '='", part.trim()))?;
        let (kind, value) = (kind.trim(), value.trim().replace("\\,", ",").replace("\\\\", "\\"));
        let kind = match kind.to_ascii_uppercase().as_str() {
            "CN" => DnType::CommonName,
            "O" => DnType::OrganizationName,
            "OU" => DnType::OrganizationalUnitName,
            "L" => DnType::LocalityName,
            "ST" => DnType::StateOrProvinceName,
            "C" if value.len() != 2 => return Err(format!("C={value}: a country has two letters")),
            "C" => DnType::CountryName,
            _ => return Err(format!("'{kind}' is not known here; known are CN, O, OU, L, ST, C")),
        };
        if value.is_empty() || value.chars().count() > 64 {
            return Err(format!("'{value}': expected 1 to 64 characters (RFC 5280, appendix A.1)"));
        }
        name.push(kind, value);
    }
    Ok(name)
}

/// Splits at commas that no backslash stands before.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in text.char_indices() {
        if c == ',' && !escaped {
            parts.push(&text[start..i]);
            start = i + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<(), Failure> {
    let subject = subject(&args.subject)
        .map_err(|why| Failure::new(Exit::Usage, format!("subject '{}': {why}", args.subject)))?;
    let prefix = args.out.clone().unwrap_or_else(|| file_name(&args.subject));
    let with = |ending: &str| PathBuf::from(format!("{}{ending}", prefix.display()));
    let (key_file, certificate_file, pfx_file) = (with(".key.pem"), with(".cert.pem"), args.pfx.then(|| with(".pfx")));
    if !args.force {
        let wanted = [Some(&key_file), Some(&certificate_file), pfx_file.as_ref()];
        if let Some(path) = wanted.into_iter().flatten().find(|p| p.exists()) {
            let message = format!(
                "{}: is there already; name other files with --out, or replace them with --force",
                path.display()
            );
            return Err(Failure::new(Exit::Usage, message));
        }
    }
    let password = args.pfx_password_file.as_deref().map(input::read_secret).transpose()?;
    // The list of accepted values admits numbers only.
    let bits = args.bits.parse().map_err(|e| Failure::new(Exit::Usage, format!("--bits: {e}")))?;
    let made = make(&subject, bits, clock::now(), args.days)?;
    let mut files: Vec<(&Path, Zeroizing<Vec<u8>>, bool)> = vec![
        (&key_file, Zeroizing::new(made.key_pem.as_bytes().to_vec()), true),
        (&certificate_file, Zeroizing::new(made.certificate_pem.as_bytes().to_vec()), false),
    ];
    if let Some(path) = &pfx_file {
        files.push((path, form::pkcs12(&made, false, password.as_ref().map_or("", |p| p.as_str()))?, true));
    }
    let mut written: Vec<&Path> = Vec::new();
    for (path, bytes, private) in &files {
        if let Err(failure) = input::write_new(path, bytes, *private, args.force) {
            // All or none: a key without its certificate is of no use to anybody.
            if !args.force {
                written.iter().for_each(|path| drop(std::fs::remove_file(path)));
            }
            return Err(failure);
        }
        written.push(path);
    }
    report(args, &made, &key_file, &certificate_file, pfx_file.as_deref())
}

fn report(
    args: &Args,
    made: &Made,
    key_file: &Path,
    certificate_file: &Path,
    pfx_file: Option<&Path>,
) -> Result<(), Failure> {
    match args.format {
        Format::Json => {
            let mut facts = show::facts(&made.certificate);
            facts["keyFile"] = json!(key_file);
            facts["certificateFile"] = json!(certificate_file);
            facts["pfxFile"] = json!(pfx_file);
            output::json(&facts)
        }
        Format::Human => {
            let pfx = pfx_file.map(|p| {
                let note = if args.pfx_password_file.is_some() {
                    "both, encrypted"
                } else {
                    "both, under an empty password: keep it"
                };
                format!("PKCS#12      {} ({note})\n", p.display())
            });
            output::data(&format!(
                "private key  {} (mode 0600: keep it, register nothing of it)\ncertificate  {} (register this one)\n{}\n{}",
                key_file.display(),
                certificate_file.display(),
                pfx.unwrap_or_default(),
                show::describe(&made.certificate, clock::now())
            ))
        }
    }
}

/// A file name of the common name: what a shell could misread becomes a hyphen.
fn file_name(subject: &str) -> PathBuf {
    let part = split(subject).into_iter().find_map(|p| p.trim().strip_prefix("CN=")).unwrap_or(subject);
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name: String = part.trim().chars().map(|c| if plain(c) { c } else { '-' }).collect();
    // No hidden file, no flag, no parent folder.
    PathBuf::from(name.trim_start_matches(['.', '-'])).file_name().map_or_else(|| "certificate".into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::keyfile::load_identity;

    #[test]
    fn makes_a_certificate_that_its_own_key_opens() {
        let from = UnixTime::parse("2026-11-24T10:00:00Z").unwrap();
        let made = make(&subject("CN=payroll, O=Contoso\\, Ltd, C=DE").unwrap(), 2048, from, 30).unwrap();
        assert_eq!(made.certificate.subject(), "CN=payroll, O=Contoso\\, Ltd, C=DE");
        assert_eq!(made.certificate.not_before(), from.plus_secs(-300));
        assert_eq!(made.certificate.not_after(), from.plus_secs(30 * 86_400));
        assert!(made.certificate.oddities().is_empty() && made.key.matches(&made.certificate));
        for password in ["", "pässword"] {
            let bytes = form::pkcs12(&made, false, password).unwrap();
            let identity = load_identity(&[("x.pfx", &bytes)], Some(password)).unwrap();
            assert_eq!(identity.certificate, made.certificate);
        }
    }

    #[test]
    fn subjects_are_names_or_lists() {
        for wrong in ["", " ", "CN=", "X=1", "C=DEU", &"x".repeat(65), "CN=a, b"] {
            assert!(subject(wrong).is_err(), "{wrong}");
        }
        assert!(subject("payroll daemon").is_ok());
    }

    #[test]
    fn file_names_stay_in_the_folder() {
        for (subject, name) in [
            ("payroll daemon", "payroll-daemon"),
            ("O=Contoso, CN=a/b", "a-b"),
            ("../../etc/passwd", "etc-passwd"),
            ("..", "certificate"),
            ("--force", "force"),
        ] {
            assert!(
                file_name(subject).as_os_str().to_str().unwrap().trim_start_matches('-').ends_with(name),
                "{:?}",
                file_name(subject)
            );
            assert_eq!(file_name(subject).components().count(), 1);
        }
    }
}
