//! `credential list|add|remove|rotate|check-expiry`: certificates and secrets of an application through Microsoft Graph.
//!
//! `add` appends and makes sure that what was there is still there; `remove` leaves no application without a usable credential
//! unless told to. A private key is never sent, a secret is shown once.

mod expiry;
mod rotate;

use std::path::{Path, PathBuf};

use countersign_core::UnixTime;
use countersign_core::encoding::{encode_base64, encode_hex_upper};
use countersign_core::keyfile;
use countersign_core::x509::certificate::Certificate;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::graph::{Entry, Graph, GraphArgs, Kind, object_id, text};
use crate::output::{self, Format, printable};
use crate::{clock, input};

/// A credential that got a token within this time is in use; seconds. An access token lasts about an hour.
const IN_USE: i64 = 3_600;

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List certificates and secrets
    List(Box<ListArgs>),
    /// Add a certificate, or make a secret; never removes anything
    Add(Box<AddArgs>),
    /// Remove one by its key id
    Remove(Box<RemoveArgs>),
    /// Change over to a new certificate, with both registered for a while; may be interrupted and run again
    Rotate(Box<rotate::Args>),
    /// Say what ends soon; status 1 when something does
    CheckExpiry(Box<expiry::Args>),
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Application id, object id or display name
    app: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Arguments of `add`.
#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Application id, object id or display name
    app: String,
    /// File with the certificate (PEM, DER, PKCS#12); a private key beside it stays where it is
    #[arg(long, value_name = "FILE", required_unless_present = "secret", conflicts_with = "secret")]
    certificate: Option<PathBuf>,
    /// File with the password of a PKCS#12
    #[arg(long, value_name = "FILE")]
    certificate_password_file: Option<PathBuf>,
    /// Let the service make a client secret
    #[arg(long)]
    secret: bool,
    /// File for the secret (mode 0600); stdout without one
    #[arg(long, value_name = "FILE", requires = "secret")]
    secret_out: Option<PathBuf>,
    /// Days until the secret ends
    #[arg(long, default_value_t = 180, requires = "secret", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: u32,
    /// Display name of the credential [default: the certificate's common name]
    #[arg(long)]
    name: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Arguments of `remove`.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// Application id, object id or display name
    app: String,
    /// Key id of the credential; see `credential list`
    #[arg(value_name = "KEY_ID")]
    credential: String,
    /// Remove it although it is in use, or the application is left without a usable credential
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    match verb {
        Verb::List(args) => runtime.block_on(list(&args)),
        Verb::Add(args) => runtime.block_on(add(&args)),
        Verb::Remove(args) => runtime.block_on(remove(&args)),
        Verb::Rotate(args) => runtime.block_on(rotate::run(&args)),
        Verb::CheckExpiry(args) => runtime.block_on(expiry::run(&args)),
    }
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let graph = args.graph.connect().await?;
    let app = graph.application(&args.app).await?.object;
    let (entries, now) = (Entry::all(&app), clock::now());
    match args.format {
        Format::Json => output::json(&entries.iter().map(|e| e.json(now)).collect::<Vec<_>>()),
        Format::Human if entries.is_empty() => {
            eprintln!(
                "{} has no credential: it cannot get a token",
                text(&app, "displayName").map(printable).unwrap_or_default()
            );
            Ok(())
        }
        Format::Human => output::data(&rows(&entries, now)),
    }
}

/// A table of credentials, 80 columns wide when names are short.
pub fn rows(entries: &[Entry], now: UnixTime) -> String {
    let rows: Vec<[String; 4]> = entries
        .iter()
        .map(|e| {
            // The first eight digits tell certificates apart; all of them stand in the JSON.
            let short = e.thumbprint.as_deref().map(|t| format!("{}… ", &t[..t.len().min(8)])).unwrap_or_default();
            [e.kind.name().to_owned(), e.key_id.clone(), e.state(now), format!("{short}{}", e.name)]
        })
        .collect();
    output::table(["KIND", "KEY ID", "STATE", "SHA-1, NAME"], &rows)
}

/// The one certificate of a file that is meant; a private key in it is not looked at further.
pub fn read_certificate(path: &Path, password_file: Option<&Path>) -> Result<Certificate, Failure> {
    let password = password_file.map(input::read_secret).transpose()?;
    let bytes = input::read(path)?;
    let file = keyfile::read(&bytes, password.as_ref().map(|p| p.as_str()));
    file.leaf().cloned().ok_or_else(|| no_certificate(path, &file))
}

/// Why a file brings no certificate.
pub fn no_certificate(path: &Path, file: &keyfile::KeyFile) -> Failure {
    let problems: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
    let why = if problems.is_empty() { format!("this is {}", file.describe()) } else { problems.join("; ") };
    let message = format!(
        "{}: no certificate: {why}; expected a certificate (PEM, DER, PKCS#12, or base64 text of either)",
        path.display()
    );
    Failure::new(Exit::Unreadable, message)
}

/// A new entry of `keyCredentials` for this certificate.
pub fn key_credential(certificate: &Certificate, name: &str) -> Value {
    json!({
        "type": "AsymmetricX509Cert",
        "usage": "Verify",
        // Graph's limit for the display name of a credential.
        "displayName": name.chars().take(90).collect::<String>(),
        "key": encode_base64(certificate.der()),
    })
}

async fn add(args: &AddArgs) -> Result<(), Failure> {
    match &args.certificate {
        Some(path) => add_certificate(args, path).await,
        None => add_secret(args).await,
    }
}

async fn add_certificate(args: &AddArgs, path: &Path) -> Result<(), Failure> {
    let certificate = read_certificate(path, args.certificate_password_file.as_deref())?;
    let sha1 = encode_hex_upper(certificate.sha1());
    let name = args.name.as_deref().or(certificate.common_name()).unwrap_or(certificate.subject());
    let graph = args.graph.connect().await?;
    let mut before = Vec::new();
    let after = graph
        .change_keys(&args.app, |app| {
            before = Entry::all(app);
            if let Some(there) = before.iter().find(|e| e.thumbprint.as_deref() == Some(sha1.as_str())) {
                let message =
                    format!("{}: this certificate is registered already, as {}", path.display(), there.key_id);
                return Err(Failure::new(Exit::Usage, message));
            }
            // Existing entries go back as they came, with their key ids: whatever is left out would be removed.
            let mut keys = app.get("keyCredentials").and_then(Value::as_array).cloned().unwrap_or_default();
            keys.push(key_credential(&certificate, name));
            Ok(keys)
        })
        .await?;
    let entries = Entry::all(&after);
    let lost: Vec<&str> =
        before.iter().map(|e| e.key_id.as_str()).filter(|id| !entries.iter().any(|e| e.key_id == *id)).collect();
    if !lost.is_empty() {
        let message = format!(
            "the certificate was added, but these credentials are there no more: {}; put them back",
            lost.join(", ")
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    let added = entries.iter().find(|e| e.thumbprint.as_deref() == Some(sha1.as_str())).ok_or_else(|| {
        Failure::new(
            Exit::Refused,
            "Graph took the certificate, but does not list it yet; see `countersign credential list`",
        )
    })?;
    match args.format {
        Format::Json => output::json(&added.json(clock::now())),
        Format::Human => {
            let registered = match entries.len() {
                1 => "it is the only credential".to_owned(),
                n => format!("{n} credentials are registered"),
            };
            eprintln!("added the certificate {sha1}; {registered}");
            output::data(&format!("{}\n", added.key_id))
        }
    }
}

async fn add_secret(args: &AddArgs) -> Result<(), Failure> {
    if let Some(path) = &args.secret_out
        && path.exists()
    {
        return Err(Failure::new(Exit::Usage, format!("{}: is there already; name another file", path.display())));
    }
    let graph = args.graph.connect().await?;
    let app = graph.application(&args.app).await?.object;
    let end = clock::now().plus_secs(i64::from(args.days) * 86_400).rfc3339();
    let wanted = json!({"displayName": args.name.as_deref().unwrap_or("countersign"), "endDateTime": end});
    let made = graph.add_password(object_id(&app)?, &wanted).await?;
    let secret = text(&made, "secretText")
        .ok_or_else(|| Failure::new(Exit::Unreachable, "Graph answered without a secretText"))?;
    let key_id = text(&made, "keyId").unwrap_or_default();
    if let Some(path) = &args.secret_out {
        input::write_new(path, format!("{secret}\n").as_bytes(), true, false)?;
    }
    eprintln!("made the secret {key_id}, which ends {end}; the service shows it only this once");
    match (&args.format, &args.secret_out) {
        (Format::Json, None) => output::json(&json!({"keyId": key_id, "secretText": secret, "endDateTime": end})),
        (Format::Json, Some(path)) => output::json(&json!({"keyId": key_id, "secretFile": path, "endDateTime": end})),
        (Format::Human, None) => output::data(&format!("{secret}\n")),
        (Format::Human, Some(path)) => output::data(&format!("{}\n", path.display())),
    }
}

async fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let graph = args.graph.connect().await?;
    let app = graph.application(&args.app).await?.object;
    let entry = removable(&app, args)?;
    if !args.force {
        let app_id = text(&app, "appId").unwrap_or_default();
        is_unused(&entry, app_id, args, &graph).await?;
    }
    match entry.kind {
        Kind::Secret => graph.remove_password(object_id(&app)?, &entry.key_id).await?,
        Kind::Certificate => {
            let id = object_id(&app)?.to_owned();
            graph
                .change_keys(&id, |app| {
                    let entry = removable(app, args)?;
                    let keys = app.get("keyCredentials").and_then(Value::as_array).cloned().unwrap_or_default();
                    Ok(keys.into_iter().filter(|k| text(k, "keyId") != Some(entry.key_id.as_str())).collect())
                })
                .await?;
        }
    }
    eprintln!("removed the {} {}; it works no more", entry.kind.name(), entry.key_id);
    Ok(())
}

/// Refuses a credential that is in use: this command's own, and one that got a token within [`IN_USE`], as far as the sign-in log may
/// be read.
async fn is_unused(entry: &Entry, app_id: &str, args: &RemoveArgs, graph: &Graph) -> Result<(), Failure> {
    let refuse = |why: &str| {
        let message = format!("{} {why}: let its programs take another one first, or say --force", entry.key_id);
        Failure::new(Exit::Usage, message)
    };
    if let Some(sha1) = &entry.thumbprint
        && args.graph.own_certificate(app_id).await?.is_some_and(|own| encode_hex_upper(own.sha1()) == *sha1)
    {
        return Err(refuse("is what this command itself proves the application with"));
    }
    let used = graph.used_since(app_id, clock::now().plus_secs(-IN_USE)).await.unwrap_or_default();
    match used.iter().find(|(key_id, _)| key_id.eq_ignore_ascii_case(&entry.key_id)) {
        Some((_, at)) => Err(refuse(&format!("is in use, last for a token at {}", at.rfc3339()))),
        None => Ok(()),
    }
}

/// The entry that is meant, if it may go.
fn removable(app: &Value, args: &RemoveArgs) -> Result<Entry, Failure> {
    let (entries, now) = (Entry::all(app), clock::now());
    let found = entries.iter().find(|e| e.key_id.eq_ignore_ascii_case(&args.credential)).ok_or_else(|| {
        let message =
            format!("there is no credential '{}'; see `countersign credential list`", printable(&args.credential));
        Failure::new(Exit::Usage, message)
    })?;
    let others = entries.iter().filter(|e| e.key_id != found.key_id && e.usable_at(now)).count();
    if others == 0 && found.usable_at(now) && !args.force {
        let message = format!(
            "{} is the last usable credential: without it the application gets no token; add another first, or say --force",
            found.key_id
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(found.clone())
}
