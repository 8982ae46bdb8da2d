//! `cert show`: subject, validity, key, and every written form of both thumbprints, from any input format.
//!
//! A private key in the file is noticed, never shown.

use std::path::PathBuf;

use countersign_core::UnixTime;
use countersign_core::crypto::check_strength;
use countersign_core::encoding::encode_base64;
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile;
use countersign_core::thumbprint::{Forms, custom_key_identifier, forms};
use countersign_core::x509::certificate::Certificate;
use serde_json::{Value, json};

use crate::cmd::credential::no_certificate;
use crate::exit::Failure;
use crate::output::{self, Format};
use crate::{clock, input};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// PEM, DER, PKCS#12, or base64 text of either; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// File with the password of a PKCS#12, - for stdin
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

struct Shown {
    file: String,
    certificate: Certificate,
    has_key: bool,
    repairs: Vec<&'static str>,
}

/// Runs the verb.
pub fn run(args: &Args) -> Result<(), Failure> {
    let password = args.password_file.as_deref().map(input::read_secret).transpose()?;
    let mut shown: Vec<Shown> = Vec::new();
    for path in &args.files {
        let bytes = input::read(path)?;
        let file = keyfile::read(&bytes, password.as_ref().map(|p| p.as_str()));
        let before = shown.len();
        shown.extend(file.certificates().map(|certificate| Shown {
            file: path.display().to_string(),
            certificate: certificate.clone(),
            has_key: file.private_keys().any(|k| k.matches(certificate)),
            repairs: file.repairs.iter().map(|r| r.describe()).collect(),
        }));
        if shown.len() == before {
            return Err(no_certificate(path, &file));
        }
    }
    let now = clock::now();
    match args.format {
        Format::Json => {
            let list: Vec<Value> = shown
                .iter()
                .map(|s| {
                    let mut facts = facts(&s.certificate);
                    facts["file"] = json!(s.file);
                    facts["privateKeyPresent"] = json!(s.has_key);
                    facts["repairs"] = json!(s.repairs);
                    facts
                })
                .collect();
            output::json(&list)
        }
        Format::Human => {
            let texts: Vec<String> = shown
                .iter()
                .map(|s| {
                    let key = if s.has_key { " (its private key is in the file as well)" } else { "" };
                    let mended: String = s.repairs.iter().map(|r| format!("  mended        {r}\n")).collect();
                    format!("{}{key}\n{mended}{}", output::printable(&s.file), describe(&s.certificate, now))
                })
                .collect();
            output::data(&texts.join("\n"))
        }
    }
}

/// For programs.
pub fn facts(c: &Certificate) -> Value {
    let digest = |f: &Forms| json!({"hex": f.hex_upper, "hexColons": f.hex_colons, "base64url": f.x5t, "base64": f.standard_base64});
    let (sha1, sha256) = (forms(c.sha1()), forms(c.sha256()));
    let custom = custom_key_identifier(c.sha1());
    json!({
        "subject": c.subject(),
        "issuer": c.issuer(),
        "serialNumber": c.serial_hex(),
        "notBefore": c.not_before().rfc3339(),
        "notAfter": c.not_after().rfc3339(),
        "key": {"kind": c.public_key().kind(), "bits": c.public_key().bits()},
        "signatureAlgorithm": c.signature_algorithm(),
        "selfSigned": c.self_signed(),
        "isCa": c.is_ca(),
        "sha1": digest(&sha1),
        "sha256": digest(&sha256),
        "x5t": sha1.x5t,
        "x5t#S256": sha256.x5t,
        "customKeyIdentifier": {"graph": custom.graph, "portal": custom.portal},
        "subjectAlternativeNames": c.subject_alternative_names(),
        "oddities": c.oddities().iter().map(|o| o.describe()).collect::<Vec<_>>(),
        "der": encode_base64(c.der()),
    })
}

/// Everything of a certificate that people compare, at most 80 columns wide but for long names.
pub fn describe(c: &Certificate, now: UnixTime) -> String {
    let (sha1, sha256) = (forms(c.sha1()), forms(c.sha256()));
    let day = |time: UnixTime| time.rfc3339();
    let state = if now < c.not_before() {
        "not valid yet".to_owned()
    } else if now > c.not_after() {
        "EXPIRED".to_owned()
    } else {
        format!("{} days left", c.not_after().secs_since(now) / 86_400)
    };
    let bits = c.public_key().bits().map(|b| format!(" {b} bits")).unwrap_or_default();
    let issuer = if c.self_signed() { "itself".to_owned() } else { output::printable(c.issuer()) };
    let mut out = format!(
        "  subject       {}\n  issuer        {issuer}\n  serial        {}\n  valid         {} to {}\n                ({state})\n  key           {}{bits}, signed with {}\n",
        output::printable(c.subject()),
        c.serial_hex(),
        day(c.not_before()),
        day(c.not_after()),
        c.public_key().kind(),
        c.signature_algorithm(),
    );
    for note in notes(c) {
        out.push_str(&format!("  note          {note}\n"));
    }
    // 95 characters are too wide for a line.
    let (first, second) = sha256.hex_colons.split_at(48);
    out.push_str(&format!(
        "\n  SHA-1 over the DER\n\
         \x20   hex         {}  portal, az, kid\n\
         \x20   with colons {}\n\
         \x20   x5t         {}  header, kid of a JWK Set\n\
         \x20   base64      {}  Graph customKeyIdentifier\n\
         \n  SHA-256 over the DER\n\
         \x20   hex         {}\n\
         \x20   with colons {first}\n\
         \x20               {second}\n\
         \x20   x5t#S256    {}  header\n\
         \x20   base64      {}\n",
        sha1.hex_upper,
        sha1.hex_colons,
        sha1.x5t,
        sha1.standard_base64,
        sha256.hex_upper,
        sha256.x5t,
        sha256.standard_base64,
    ));
    out
}

/// What a person should know before using it as a credential.
fn notes(c: &Certificate) -> Vec<String> {
    let mut notes: Vec<String> = c.oddities().iter().map(|o| o.describe().to_owned()).collect();
    match check_strength(c.public_key()) {
        Err(error) => notes.push(error.to_string()),
        Ok(()) if !c.public_key().fits(Alg::Ps256) => notes.push("Entra ID takes RSA keys only".to_owned()),
        Ok(()) => {}
    }
    if c.is_ca() {
        notes.push("it is a CA's certificate, not that of a client".to_owned());
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_testkit::{Identity, Spec};

    #[test]
    fn fits_eighty_columns_and_shows_every_form() {
        let identity = Identity::rsa(0, &Spec::default());
        let c = &identity.certificate;
        let text = describe(c, c.not_after().plus_secs(1));
        assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
        assert!(text.contains("EXPIRED"));
        for digest in [c.sha1().as_slice(), c.sha256().as_slice()] {
            let f = forms(digest);
            for form in [&f.hex_upper, &f.x5t, &f.standard_base64] {
                assert!(text.contains(form.as_str()), "{form}\n{text}");
            }
        }
    }

    #[test]
    fn facts_name_both_headers_and_no_key() {
        let identity = Identity::rsa(0, &Spec::default());
        let facts = facts(&identity.certificate);
        assert_eq!(facts["x5t"], facts["sha1"]["base64url"]);
        assert_eq!(facts["x5t#S256"], facts["sha256"]["base64url"]);
        assert_eq!(facts["customKeyIdentifier"]["portal"], facts["sha1"]["hex"]);
        assert!(!facts.to_string().contains("PRIVATE"));
    }
}
