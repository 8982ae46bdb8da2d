//! `assertion make` and `assertion inspect`: sign a client assertion, or take one apart without trusting it.

use std::path::PathBuf;

use clap::ValueEnum;
use countersign_client::{Authority, CertificateCredential, Cloud};
use countersign_core::assertion::KeyIdentifier;
use countersign_core::encoding::Oddities;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::json::Value as JsonValue;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::{clock, input};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Sign an assertion and print it
    Make(MakeArgs),
    /// Show header, claims and oddities of an assertion; its signature is never printed
    Inspect(InspectArgs),
}

/// A certificate credential, as several verbs take it.
#[derive(Debug, clap::Args)]
pub struct CertificateArgs {
    /// File with key and certificate (PEM, DER, PKCS#12), or the certificate beside --key
    #[arg(long, value_name = "FILE", env = "AZURE_CLIENT_CERTIFICATE_PATH", hide_env = true)]
    pub cert: Option<PathBuf>,
    /// File with the private key, where it stands apart
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_KEY", hide_env = true)]
    pub key: Option<PathBuf>,
    /// File with the password of the key or PKCS#12; without it AZURE_CLIENT_CERTIFICATE_PASSWORD is read
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_PASSWORD_FILE", hide_env = true)]
    pub password_file: Option<PathBuf>,
    /// Signature algorithm [default: PS256; ES256 for a P-256 key]
    #[arg(long, env = "COUNTERSIGN_ALG", hide_env = true)]
    pub alg: Option<String>,
    /// Which header member names the certificate
    #[arg(long, value_enum, default_value_t, env = "COUNTERSIGN_KEY_ID", hide_env = true)]
    pub key_id: KeyId,
    /// Send the certificate chain in x5c
    #[arg(long, env = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", hide_env = true, value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true", default_value = "false", action = clap::ArgAction::Set)]
    pub send_chain: bool,
}

/// Header member that names the certificate.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum KeyId {
    /// `x5t#S256`
    #[default]
    X5tS256,
    /// `x5t`
    X5t,
    /// Both
    Both,
}

impl CertificateArgs {
    /// The credential, when one was named.
    pub fn credential(&self) -> Result<Option<CertificateCredential>, Failure> {
        let files: Vec<&std::path::Path> = self.cert.iter().chain(&self.key).map(PathBuf::as_path).collect();
        if files.is_empty() {
            return Ok(None);
        }
        let password = match &self.password_file {
            Some(path) => Some(input::read_secret(path)?),
            None => std::env::var("AZURE_CLIENT_CERTIFICATE_PASSWORD").ok().map(zeroize::Zeroizing::new),
        };
        let unreadable = |e: countersign_client::CredentialError| Failure::new(Exit::Unreadable, e);
        let mut credential =
            CertificateCredential::from_files(&files, password.as_ref().map(|p| p.as_str())).map_err(unreadable)?;
        if let Some(name) = &self.alg {
            let alg = Alg::from_name(name).ok_or_else(|| {
                let names: Vec<_> = Alg::ALL.iter().map(|a| a.name()).collect();
                Failure::new(Exit::Usage, format!("--alg '{name}': expected one of {}", names.join(", ")))
            })?;
            credential = credential.with_alg(alg).map_err(|e| Failure::new(Exit::Usage, e))?;
        }
        let key_identifier = match self.key_id {
            KeyId::X5tS256 => KeyIdentifier::X5tS256,
            KeyId::X5t => KeyIdentifier::X5t,
            KeyId::Both => KeyIdentifier::Both,
        };
        Ok(Some(credential.with_key_identifier(key_identifier).with_chain(self.send_chain)))
    }
}

/// Arguments of `make`.
#[derive(Debug, clap::Args)]
pub struct MakeArgs {
    #[command(flatten)]
    certificate: CertificateArgs,
    /// Application (client) id: iss and sub
    #[arg(long, env = "AZURE_CLIENT_ID", hide_env = true)]
    client_id: String,
    /// Tenant id or domain; with --authority it gives aud
    #[arg(long, env = "AZURE_TENANT_ID", hide_env = true)]
    tenant: Option<String>,
    /// Authority host
    #[arg(long, env = "AZURE_AUTHORITY_HOST", default_value = Cloud::Public.login_host(), hide_env = true)]
    authority: String,
    /// aud as it stands, instead of --tenant and --authority
    #[arg(long, env = "COUNTERSIGN_AUDIENCE", hide_env = true)]
    audience: Option<String>,
    /// Seconds until it ends
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(i64).range(1..=86_400))]
    lifetime: i64,
}

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct InspectArgs {
    /// File with the assertion; stdin without one
    #[arg(default_value = "-")]
    file: PathBuf,
    /// How it is printed
    #[arg(long, value_enum, default_value_t, env = "COUNTERSIGN_FORMAT", hide_env = true)]
    format: Format,
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Make(args) => make(&args),
        Verb::Inspect(args) => inspect(&args),
    }
}

fn make(args: &MakeArgs) -> Result<(), Failure> {
    let Some(credential) = args.certificate.credential()? else {
        return Err(Failure::new(Exit::NoCredential, "no certificate: name its file with --cert (and --key where the key stands apart)"));
    };
    let audience = match (&args.audience, &args.tenant) {
        (Some(audience), _) => audience.clone(),
        (None, Some(tenant)) => {
            let authority = Authority::new(&args.authority, tenant).map_err(|e| Failure::new(Exit::Usage, e))?;
            authority.audience().to_owned()
        }
        (None, None) => {
            return Err(Failure::new(Exit::Usage, "no audience: give --tenant (its token endpoint becomes aud), or --audience"));
        }
    };
    let assertion = credential
        .assertion(&args.client_id, &audience, clock::now(), args.lifetime)
        .map_err(|e| Failure::new(Exit::Unreadable, e))?;
    output::data(&format!("{assertion}\n"))
}

fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let bytes = input::read(&args.file)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    let jwt = UnverifiedJwt::read(text).map_err(|e| {
        Failure::new(Exit::Unreadable, format!("{}: no client assertion: {e}; expected a compact JWT, three segments with dots between", args.file.display()))
    })?;
    match args.format {
        Format::Json => output::json(&json!({
            "verified": false,
            "header": value(&jwt.header.json.value),
            "claims": value(&jwt.claims.json.value),
            "signatureBytes": jwt.compact.signature.bytes.len(),
            "oddities": oddities(&jwt),
        })),
        Format::Human => output::data(&describe(&jwt)),
    }
}

fn describe(jwt: &UnverifiedJwt) -> String {
    let mut out = String::from("nothing here is verified\n\nheader\n");
    members(&mut out, &jwt.header.json.value, jwt);
    out.push_str("\nclaims\n");
    members(&mut out, &jwt.claims.json.value, jwt);
    out.push_str(&format!("\nsignature  {} bytes, not shown\n", jwt.compact.signature.bytes.len()));
    let odd = oddities(jwt);
    if !odd.is_empty() {
        out.push_str("\nunusual\n");
        for line in odd {
            out.push_str(&format!("  {line}\n"));
        }
    }
    out
}

fn members(out: &mut String, object: &JsonValue, jwt: &UnverifiedJwt) {
    let JsonValue::Object(list) = object else { return };
    for member in list {
        let shown = match &member.node.value {
            JsonValue::String(s) if s.len() > 200 => format!("{}… ({} characters)", s.chars().take(60).collect::<String>(), s.len()),
            other => value(other).to_string(),
        };
        let note = match member.name.as_str() {
            "exp" => jwt.claims.exp.time(),
            "nbf" => jwt.claims.nbf.time(),
            "iat" => jwt.claims.iat.time(),
            _ => None,
        };
        let bytes = match member.name.as_str() {
            "x5t" => jwt.header.x5t.as_ref(),
            "x5t#S256" => jwt.header.x5t_s256.as_ref(),
            _ => None,
        };
        let note = match (note, bytes.and_then(|t| t.bytes())) {
            (Some(time), _) => format!("  ({})", time.rfc3339()),
            (None, Some(b)) => format!("  ({} bytes)", b.len()),
            (None, None) => String::new(),
        };
        out.push_str(&format!("  {:<9} {}{note}\n", member.name, printable(&shown)));
    }
}

/// Control characters from a stranger's file do not reach the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn oddities(jwt: &UnverifiedJwt) -> Vec<String> {
    let mut out = Vec::new();
    let mut note = |what: &str, o: Oddities| {
        for (is, text) in [
            (o.padded, "is padded with '='"),
            (o.wrong_padding, "has the wrong number of '='"),
            (o.standard_alphabet, "uses the standard base64 alphabet ('+', '/')"),
            (o.white_space, "has white space inside"),
            (o.trailing_bits, "has unused bits set in its last character"),
        ] {
            if is {
                out.push(format!("{what} {text}"));
            }
        }
    };
    for (name, segment) in jwt.compact.segments() {
        note(&format!("the {} segment", name.name()), segment.oddities);
    }
    for (name, member) in [("x5t", &jwt.header.x5t), ("x5t#S256", &jwt.header.x5t_s256)] {
        if let Some(decoded) = member.as_ref().and_then(|m| m.decoded.as_ref()) {
            note(name, decoded.oddities);
        }
    }
    for (part, json) in [("header", &jwt.header.json), ("claims set", &jwt.claims.json)] {
        for member in json.repeated_members() {
            out.push(format!("'{}' stands more than once in the {part}", printable(&member.name)));
        }
    }
    out
}

fn value(json: &JsonValue) -> Value {
    match json {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(b) => json!(b),
        JsonValue::Number(n) => serde_json::from_str(n).unwrap_or(Value::Null),
        JsonValue::String(s) => json!(s),
        JsonValue::Array(items) => items.iter().map(|i| value(&i.value)).collect(),
        JsonValue::Object(members) => members.iter().map(|m| (m.name.clone(), value(&m.node.value))).collect(),
    }
}
