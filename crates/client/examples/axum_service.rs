//! A web service that calls another API with tokens of its own: one client for the whole process, shared by all requests.
//!
//! ```sh
//! AZURE_TENANT_ID=contoso.onmicrosoft.com AZURE_CLIENT_ID=8b76b6d9-… AZURE_CLIENT_CERTIFICATE_PATH=payroll.pem \
//!     cargo run --features tower --example axum_service
//! ```

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use countersign_client::{
    AssertionStyle, Authority, AuthorizationLayer, Authorized, Credential, RotatingCertificate, TokenClient,
    TransportOptions, http_client,
};
use tower::{Layer as _, Service as _, ServiceExt as _};

type Graph = Authorized<reqwest::Client>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("set {name}"));
    let authority = Authority::public(&setting("AZURE_TENANT_ID")?)?;
    let file = setting("AZURE_CLIENT_CERTIFICATE_PATH")?.into();
    let certificate = RotatingCertificate::files(vec![file], None, AssertionStyle::default())?;
    let tokens = TokenClient::new(authority, setting("AZURE_CLIENT_ID")?, Credential::Rotating(certificate))?;
    let layer = AuthorizationLayer::new(tokens, "https://graph.microsoft.com/.default");
    let graph: Graph = layer.layer(http_client(&TransportOptions::default())?);

    let router = Router::new().route("/applications", get(applications)).with_state(graph);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{}/applications", listener.local_addr()?);
    axum::serve(listener, router).await?;
    Ok(())
}

/// What Graph lists. The layer adds the token, from memory as a rule.
async fn applications(State(mut graph): State<Graph>) -> Result<String, (StatusCode, String)> {
    let failed = |e: tower::BoxError| (StatusCode::BAD_GATEWAY, e.to_string());
    let url = "https://graph.microsoft.com/v1.0/applications?$select=appId,displayName";
    let request = reqwest::Request::new(reqwest::Method::GET, url.parse().map_err(|_| failed("no URL".into()))?);
    let response = graph.ready().await.map_err(failed)?.call(request).await.map_err(failed)?;
    response.text().await.map_err(|e| failed(e.into()))
}
