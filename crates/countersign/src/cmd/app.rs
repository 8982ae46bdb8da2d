//! `app list|show|create|delete`: application registrations through Microsoft Graph, real or local.
//!
//! What a registration may be is Graph's to decide; this verb shows its answers and never keeps a secret.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::clock;
use crate::cmd::credential::{key_credential, read_certificate, rows};
use crate::exit::{Exit, Failure};
use crate::graph::{Entry, GraphArgs, object_id, text};
use crate::output::{self, Format, printable};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List applications
    List(Box<ListArgs>),
    /// Show an application and its credentials
    Show(Box<ShowArgs>),
    /// Create an application and its service principal
    Create(Box<CreateArgs>),
    /// Delete an application
    Delete(Box<DeleteArgs>),
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only those whose display name begins so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Application id, object id or display name
    app: String,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Arguments of `create`.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Display name
    name: String,
    /// File with a certificate to register (PEM, DER, PKCS#12); a private key beside it stays where it is
    #[arg(long, value_name = "FILE")]
    certificate: Vec<PathBuf>,
    /// File with the password of a PKCS#12
    #[arg(long, value_name = "FILE")]
    certificate_password_file: Option<PathBuf>,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Arguments of `delete`.
#[derive(Debug, clap::Args)]
pub struct DeleteArgs {
    /// Application id, object id or display name
    app: String,
    /// Say that it is to go
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    match verb {
        Verb::List(args) => runtime.block_on(list(&args)),
        Verb::Show(args) => runtime.block_on(show(&args)),
        Verb::Create(args) => runtime.block_on(create(&args)),
        Verb::Delete(args) => runtime.block_on(delete(&args)),
    }
}

async fn list(args: &ListArgs) -> Result<(), Failure> {
    let graph = args.graph.connect().await?;
    let now = clock::now();
    let mut path = "applications?$top=100&$select=id,appId,displayName,keyCredentials,passwordCredentials".to_owned();
    if let Some(prefix) = &args.prefix {
        let quoted = prefix.replace('\'', "''");
        let escaped: String = quoted.bytes().map(|b| format!("%{b:02X}")).collect();
        path.push_str(&format!("&$filter=startswith(displayName,'{escaped}')"));
    }
    let (mut objects, mut table) = (Vec::new(), Vec::new());
    graph
        .each(&path, |app| {
            let entries = Entry::all(app);
            let next = entries.iter().filter(|e| e.usable_at(now)).filter_map(|e| e.end).min();
            let usable = entries.iter().filter(|e| e.usable_at(now)).count();
            table.push([
                text(app, "appId").unwrap_or_default().to_owned(),
                format!("{usable}/{}", entries.len()),
                next.map_or_else(|| "-".to_owned(), |t| t.rfc3339()[..10].to_owned()),
                text(app, "displayName").unwrap_or_default().to_owned(),
            ]);
            objects.push(json!({
                "id": app.get("id"),
                "appId": app.get("appId"),
                "displayName": app.get("displayName"),
                "credentials": entries.iter().map(|e| e.json(now)).collect::<Vec<_>>(),
            }));
            Ok(())
        })
        .await?;
    match args.format {
        Format::Json => output::json(&objects),
        Format::Human if table.is_empty() => {
            eprintln!("there is no application");
            Ok(())
        }
        Format::Human => output::data(&output::table(["APPLICATION ID", "USABLE", "NEXT END", "NAME"], &table)),
    }
}

async fn show(args: &ShowArgs) -> Result<(), Failure> {
    let graph = args.graph.connect().await?;
    let app = graph.application(&args.app).await?.object;
    match args.format {
        Format::Json => output::json(&app),
        Format::Human => output::data(&describe(&app)),
    }
}

fn describe(app: &Value) -> String {
    let member = |name: &str| text(app, name).map_or_else(|| "-".to_owned(), printable);
    let entries = Entry::all(app);
    let mut out = format!(
        "name            {}\napplication id  {}\nobject id       {}\n",
        member("displayName"),
        member("appId"),
        member("id")
    );
    if entries.is_empty() {
        out.push_str("credentials     none: it cannot get a token\n");
    } else {
        out.push('\n');
        out.push_str(&rows(&entries, clock::now()));
    }
    out
}

async fn create(args: &CreateArgs) -> Result<(), Failure> {
    if args.name.trim().is_empty() {
        return Err(Failure::new(Exit::Usage, "the display name is empty; Graph wants 1 to 256 characters"));
    }
    let mut keys = Vec::new();
    for path in &args.certificate {
        let certificate = read_certificate(path, args.certificate_password_file.as_deref())?;
        keys.push(key_credential(&certificate, certificate.common_name().unwrap_or(certificate.subject())));
    }
    let graph = args.graph.connect().await?;
    let mut body = json!({"displayName": args.name});
    if !keys.is_empty() {
        body["keyCredentials"] = keys.into();
    }
    let app = graph.create_application(&body).await?;
    match args.format {
        Format::Json => output::json(&app),
        Format::Human => output::data(&format!(
            "{}\n",
            text(&app, "appId").ok_or_else(|| Failure::new(Exit::Unreachable, "Graph answered without an appId"))?
        )),
    }
}

async fn delete(args: &DeleteArgs) -> Result<(), Failure> {
    if !args.yes {
        let message = format!("'{}' and its credentials would be deleted; say --yes to do it", printable(&args.app));
        return Err(Failure::new(Exit::Usage, message));
    }
    let graph = args.graph.connect().await?;
    let app = graph.application(&args.app).await?.object;
    graph.delete_application(object_id(&app)?).await?;
    eprintln!(
        "deleted {} ({})",
        text(&app, "displayName").map(printable).unwrap_or_default(),
        text(&app, "appId").unwrap_or("-")
    );
    Ok(())
}
