//! `assertion make` and `assertion inspect`: sign a client assertion, or take one apart without trusting it.
//!
//! `make` prints the compact JWT and nothing else; `inspect` never prints the signature, so that what it shows cannot be used.

use std::path::PathBuf;

use countersign_client::CredentialError;
use countersign_core::encoding::Oddities;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::json::Value as JsonValue;
use serde_json::{Value, json};

use crate::client_args::{AuthorityArgs, CertificateArgs, azure};
use crate::exit::{Exit, Failure};
use crate::output::{self, Format};
use crate::{clock, input};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Sign an assertion and print it
    Make(Box<MakeArgs>),
    /// Show header, claims and oddities of an assertion; its signature is never printed
    Inspect(InspectArgs),
}

/// Arguments of `make`.
#[derive(Debug, clap::Args)]
pub struct MakeArgs {
    /// Application (client) id: iss and sub [or AZURE_CLIENT_ID]
    #[arg(long)]
    client_id: Option<String>,
    #[command(flatten)]
    certificate: CertificateArgs,
    #[command(flatten)]
    authority: AuthorityArgs,
    /// aud as it stands, instead of the token endpoint of --tenant at --authority
    #[arg(long)]
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
    #[arg(long, value_enum, default_value_t)]
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
    let client_id = args.client_id.clone().or_else(|| azure("AZURE_CLIENT_ID")).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "no client id: give --client-id or set AZURE_CLIENT_ID (the application id, not the object id)",
        )
    })?;
    let audience = match &args.audience {
        Some(audience) => audience.clone(),
        None => args.authority.place()?.authority()?.audience().to_owned(),
    };
    let credential = args.certificate.anywhere()?.ok_or_else(|| {
        Failure::new(
            Exit::NoCredential,
            "no certificate: name its file with --cert (and --key where the key stands apart), or set AZURE_CLIENT_CERTIFICATE_PATH",
        )
    })?;
    let (now, lifetime) = (clock::now(), args.lifetime);
    let signed = crate::runtime()?.block_on(async {
        match credential.certificate(now).await? {
            Some(certificate) => certificate.sign_assertion(&client_id, &audience, now, lifetime).await,
            None => Err(CredentialError::Sign),
        }
    });
    let assertion = signed.map_err(|e| Failure::new(Exit::Unreadable, e))?;
    output::data(&format!("{assertion}\n"))
}

fn inspect(args: &InspectArgs) -> Result<(), Failure> {
    let bytes = input::read(&args.file)?;
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim_start_matches('\u{feff}').trim();
    let jwt = UnverifiedJwt::read(text).map_err(|e| {
        Failure::new(
            Exit::Unreadable,
            format!(
                "{}: no client assertion: {e}; expected a compact JWT, three segments with dots between",
                args.file.display()
            ),
        )
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
            JsonValue::String(s) if s.len() > 200 => {
                format!("{}… ({} characters)", s.chars().take(60).collect::<String>(), s.len())
            }
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
