//! Drives the `azure_identity` crate: one order per line on stdin, one answer per line on stdout, as `drivers/loop.py` has it.
//!
//! Started by the matrix of clients. It must change nothing about the crate but what its public options change.

use std::error::Error;
use std::io::{BufRead as _, Write as _};
use std::sync::Arc;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::{Secret, SecretBytes, TokenCredential};
use azure_core::http::ClientOptions;
use azure_identity::{
    ClientAssertionCredentialOptions, ClientCertificateCredential, ClientCertificateCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use serde_json::{Value, json};

type Made = Arc<dyn TokenCredential>;
type Outcome<T> = Result<T, Box<dyn Error>>;

/// The only way to have the chain sent is this variable, which is read when a credential is made.
const SEND_CHAIN: &str = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN";

fn text<'a>(order: &'a Value, name: &str) -> &'a str {
    order[name].as_str().unwrap_or_default()
}

fn options() -> ClientOptions {
    let authority_host = std::env::var("E2E_AUTHORITY").unwrap_or_default();
    let mut options = ClientOptions::default();
    if !authority_host.is_empty() {
        let mut custom = CustomConfiguration::default();
        custom.authority_host = authority_host;
        options.cloud = Some(Arc::new(CloudConfiguration::Custom(custom)));
    }
    options
}

fn make(order: &Value) -> Outcome<Made> {
    let (tenant, client) = (text(order, "tenant").to_owned(), text(order, "client").to_owned());
    Ok(match text(order, "credential") {
        "secret" => {
            let secret = Secret::new(text(order, "secret").to_owned());
            let options = ClientSecretCredentialOptions { client_options: options() };
            ClientSecretCredential::new(&tenant, client, secret, Some(options))?
        }
        "federated" => WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions { client_options: options() },
            client_id: Some(client),
            tenant_id: Some(tenant),
            token_file_path: Some(text(order, "federated").into()),
        }))?,
        kind => {
            // SAFETY: this program has one thread, and nothing reads the environment meanwhile.
            unsafe { std::env::set_var(SEND_CHAIN, if kind == "chain" { "true" } else { "false" }) };
            let certificate = SecretBytes::new(std::fs::read(text(order, "pfx"))?);
            let password = Some(Secret::new(text(order, "passphrase").to_owned()));
            let options = ClientCertificateCredentialOptions { client_options: options(), password };
            ClientCertificateCredential::new(tenant, client, certificate, Some(options))?
        }
    })
}

async fn token(made: &Made, scope: &str) -> Outcome<String> {
    Ok(made.get_token(&[scope], None).await?.token.secret().to_owned())
}

fn texts(error: &dyn Error) -> String {
    let mut found = format!("{error} {error:?}");
    let mut next = error.source();
    while let Some(cause) = next {
        found.push_str(&format!("\n{cause}"));
        next = cause.source();
    }
    found
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", json!({ "ready": true }))?;
    let mut made: Option<Made> = None;
    for line in std::io::stdin().lock().lines() {
        let order: Value = serde_json::from_str(&line?)?;
        if order["same"] != true {
            made = None;
        }
        let outcome = async {
            if made.is_none() {
                made = Some(make(&order)?);
            }
            match &made {
                Some(credential) => token(credential, text(&order, "scope")).await,
                None => Err("no credential".into()),
            }
        };
        let answer = match outcome.await {
            Ok(token) => json!({ "token": token }),
            Err(error) => json!({ "error": texts(error.as_ref()) }),
        };
        writeln!(stdout, "{answer}")?;
        stdout.flush()?;
    }
    Ok(())
}
