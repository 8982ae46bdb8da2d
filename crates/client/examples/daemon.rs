//! A daemon that needs a token all the time: certificates from a folder that a secret store rotates, a token for each round.
//!
//! ```sh
//! AZURE_TENANT_ID=contoso.onmicrosoft.com AZURE_CLIENT_ID=8b76b6d9-… CERTIFICATES=/var/run/secrets/payroll \
//!     cargo run --example daemon
//! ```
//!
//! The client refreshes in the background and takes a rotated certificate by itself; the loop does its work and nothing else.

use std::time::Duration;

use countersign_client::{
    AssertionStyle, Authority, ClientError, Credential, ExposeSecret as _, RotatingCertificate, TokenClient,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("set {name}"));
    let host = std::env::var("AZURE_AUTHORITY_HOST");
    let host = host.unwrap_or_else(|_| "https://login.microsoftonline.com".to_owned());
    let authority = Authority::new(&host, &setting("AZURE_TENANT_ID")?)?;
    let certificates = RotatingCertificate::folder(setting("CERTIFICATES")?, None, AssertionStyle::default())?;
    let client = TokenClient::new(authority, setting("AZURE_CLIENT_ID")?, Credential::Rotating(certificates))?;
    loop {
        match client.token("https://graph.microsoft.com/.default").await {
            Ok(token) => work(token.access_token.expose_secret()).await,
            // Worth another round: the client has already tried several times and keeps the pauses.
            Err(error) if error.is_transient() => eprintln!("no token yet: {error}"),
            Err(ClientError::Refused(refusal)) => {
                return Err(
                    format!("refused with AADSTS{}: {}", refusal.code().unwrap_or(0), refusal.description).into()
                );
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// The daemon's own work, with a token that is good for at least half a minute.
async fn work(access_token: &str) {
    println!("working with a token of {} characters", access_token.len());
}
