//! `demo`: the whole story in a few seconds, on this machine alone. A certificate gets a token; wrong assertions are refused, and
//! each refusal is explained with proof.
//!
//! Everything shown was done and checked: the token is verified against the served keys, each refusal must have the expected
//! code, and the doctor must name the cause that was planted. Anything else ends the demo with status 1.

mod show;
mod verify;
mod wrong;

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_client::{
    Authority, CertificateCredential, Credential, Https, TokenClient, TokenClientOptions, TransportOptions, http_client,
};
use countersign_core::encoding::encode_hex_upper;
use countersign_server::config::Config;
use countersign_server::start::{Running, Server};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use crate::cmd::cert::{self, Made};
use crate::cmd::credential::key_credential;
use crate::cmd::serve;
use crate::exit::{Exit, Failure};
use crate::graph::{Graph, text};
use crate::output::{Color, Format};
use crate::{clock, input};
use show::Show;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the service running until Ctrl-C, to go on by hand
    #[arg(long)]
    keep: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What the certificate's application asks a token for.
const SCOPE: &str = "https://graph.microsoft.com/.default";
/// Longest time for one call; the service is on this machine.
const LIMIT: Duration = Duration::from_secs(10);

/// What the wrong assertions are made from.
struct Scene {
    authority: Authority,
    tenant: String,
    client_id: String,
    /// The application as the Graph subset shows it.
    application: Value,
    registered: Made,
    /// A certificate that nobody registered.
    stranger: Made,
    transport: Https,
}

/// Runs the verb.
pub fn run(args: &Args, color: Color) -> Result<(), Failure> {
    let mut show = Show::new(args.format == Format::Human, color.on_stdout());
    crate::runtime()?.block_on(async {
        let folder = tempfile::Builder::new()
            .prefix("countersign-demo-")
            .tempdir()
            .map_err(|e| Failure::new(Exit::Unreadable, format!("no temporary folder can be made: {e}")))?;
        let began = Instant::now();
        show.title()?;
        let running = start(folder.path()).await?;
        let told = tell(&running, folder.path(), &mut show).await;
        let outcome = match told {
            Ok(()) => show.end(began.elapsed()),
            Err(failure) => {
                show.failed();
                Err(failure)
            }
        };
        if args.keep && outcome.is_ok() {
            eprint!("{}", serve::banner(&running.ready, running.app.profile.name));
            eprintln!(
                "\nthe key and certificate of the demo are in {}\nCtrl-C ends the service and removes the folder",
                folder.path().display()
            );
            told_to_end().await;
        }
        running.shutdown().await;
        outcome
    })
}

async fn start(folder: &Path) -> Result<Running, Failure> {
    let mut config = Config::new(folder.join("data"));
    config.listen.value.port = 0;
    Server::start(config).await.map_err(serve::failure)
}

/// Every step in its order.
async fn tell(running: &Running, folder: &Path, show: &mut Show) -> Result<(), Failure> {
    let ready = &running.ready;
    show.step("service", &format!("{} with its own CA, in a temporary folder", ready.url), json!(ready.url))?;

    let subject = cert::subject("payroll-daemon").map_err(broken)?;
    let now = clock::now();
    let registered = cert::make(&subject, 2048, now, 365)?;
    let stranger = cert::make(&subject, 2048, now, 365)?;
    let (key_file, certificate_file) = (folder.join("payroll.key.pem"), folder.join("payroll.cert.pem"));
    input::write_new(&key_file, registered.key_pem.as_bytes(), true, false)?;
    input::write_new(&certificate_file, registered.certificate_pem.as_bytes(), false, false)?;
    let sha1 = encode_hex_upper(registered.certificate.sha1());
    show.step("certificate", &format!("CN=payroll-daemon, RSA 2048, SHA-1 {}…", &sha1[..16]), json!(sha1))?;

    let transport = TransportOptions {
        ca_files: ready.ca_file.iter().cloned().collect(),
        direct: true,
        ..TransportOptions::default()
    };
    let admin = SecretString::from(input::read_secret(&ready.admin_token_file)?.as_str());
    let http = http_client(&transport).map_err(|e| Failure::new(Exit::Unreadable, e))?;
    let graph = Graph::new(http.clone(), &ready.graph, admin, LIMIT)?;
    let application = register(&graph, &registered).await?;
    let client_id = text(&application, "appId").unwrap_or_default().to_owned();
    show.step("registered", &format!("application {client_id}, through Graph"), json!(client_id))?;

    let credential = CertificateCredential::from_files(&[&certificate_file, &key_file], None).map_err(broken)?;
    let authority = Authority::new(&ready.url, &ready.tenant).map_err(broken)?;
    let options = TokenClientOptions { transport: transport.clone(), deadline: LIMIT, ..TokenClientOptions::default() };
    let client =
        TokenClient::with_options(authority.clone(), &client_id, Credential::Certificate(credential), &options)?;
    let token = client.token(SCOPE).await?;
    let minutes = token.expires_on.secs_since(clock::now()) / 60;
    show.step(
        "token",
        &format!("for {}, good for {minutes} minutes", SCOPE.trim_end_matches("/.default")),
        json!(token.expires_on.rfc3339()),
    )?;

    let verified = verify::verify(
        &http,
        token.access_token.expose_secret(),
        &ready.authority,
        &client_id,
        &ready.tenant,
        clock::now(),
    )
    .await?;
    show.step("verified", &verified.words(), verified.json())?;

    let transport = Https::new(&transport).map_err(|e| Failure::new(Exit::Unreadable, e))?;
    let scene =
        Scene { authority, tenant: ready.tenant.clone(), client_id, application, registered, stranger, transport };
    show.wrong_ones(wrong::CASES.len())?;
    for case in wrong::CASES {
        let told = wrong::replay(case, &scene).await?;
        show.case(case, &told)?;
    }
    Ok(())
}

/// Creates the application, adds the certificate, and checks that Graph lists it under its thumbprint.
async fn register(graph: &Graph, made: &Made) -> Result<Value, Failure> {
    let created = graph.create_application(&json!({"displayName": "Payroll daemon"})).await?;
    let id = text(&created, "id").unwrap_or_default();
    let application = graph.change_keys(id, |_| Ok(vec![key_credential(&made.certificate, "payroll-daemon")])).await?;
    let listed = crate::graph::Entry::all(&application);
    let sha1 = encode_hex_upper(made.certificate.sha1());
    match listed.as_slice() {
        [one] if one.thumbprint.as_deref() == Some(sha1.as_str()) => Ok(application),
        _ => Err(broken(format!(
            "the registration should list the certificate {sha1} and nothing else; it lists {}",
            listed.len()
        ))),
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn told_to_end() {
    #[cfg(unix)]
    if let Ok(mut term) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = term.recv() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// A step that did not turn out as it must.
fn broken(what: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Refused, format!("the demo went wrong: {what}"))
}
