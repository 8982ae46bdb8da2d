//! A [`TokenClient`] as the credential of the Azure SDK for Rust.
//!
//! Feature `azure_core`. Clients of the SDK take `Arc<dyn TokenCredential>`; what they get comes from this crate's cache.

use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::time::OffsetDateTime;
use secrecy::ExposeSecret as _;

use crate::token_client::TokenClient;

/// ```no_run
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use countersign_client::{AssertionStyle, Authority, Credential, RotatingCertificate, TokenClient};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let folder = RotatingCertificate::folder("/var/run/secrets/payroll", None, AssertionStyle::default())?;
/// let authority = Authority::public("contoso.onmicrosoft.com")?;
/// let client = TokenClient::new(authority, "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", Credential::Rotating(folder))?;
/// let credential: Arc<dyn TokenCredential> = Arc::new(client);
/// # let _ = credential; Ok(())
/// # }
/// ```
#[async_trait::async_trait]
impl TokenCredential for TokenClient {
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::with_error(ErrorKind::Credential, error, "countersign-client got no token")
        };
        if scopes.is_empty() {
            return Err(Error::with_message(ErrorKind::Credential, "no scope: the caller names none"));
        }
        let token = self.token(&scopes.join(" ")).await.map_err(|e| failed(e.into()))?;
        let expires_on = OffsetDateTime::from_unix_timestamp(token.expires_on.secs()).map_err(|e| failed(e.into()))?;
        Ok(AccessToken::new(Secret::new(token.access_token.expose_secret().to_owned()), expires_on))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use azure_core::credentials::TokenCredential;
    use secrecy::SecretString;

    use crate::transport::{Answer, Answering, Form, Transport};
    use crate::{Authority, Credential, TokenClient, Url};

    /// Answers with a token for what was asked, or refuses.
    #[derive(Debug)]
    struct Server;

    impl Transport for Server {
        fn post<'a>(&'a self, _url: &'a Url, form: Form<'a>) -> Answering<'a> {
            let scope = form.parameters.iter().find(|(n, _)| *n == "scope").map_or("", |(_, v)| *v);
            let (status, body) = if scope.contains("forbidden") {
                (
                    400,
                    r#"{"error":"invalid_scope","error_description":"AADSTS70011: x","error_codes":[70011]}"#
                        .to_owned(),
                )
            } else {
                (200, format!(r#"{{"access_token":"for {scope}","token_type":"Bearer","expires_in":3600}}"#))
            };
            Box::pin(std::future::ready(Ok(Answer { status, retry_after: None, body: body.into_bytes() })))
        }
    }

    #[tokio::test]
    async fn the_sdk_gets_tokens_and_reasons() {
        let authority = Authority::public("contoso.example").unwrap();
        let secret = Credential::Secret(SecretString::from("s3cret"));
        let client = TokenClient::with_transport(authority, "app", secret, Box::new(Server), Duration::from_secs(5));
        let credential: Arc<dyn TokenCredential> = Arc::new(client);
        let token = credential.get_token(&["https://vault.azure.net/.default"], None).await.unwrap();
        assert_eq!(token.token.secret(), "for https://vault.azure.net/.default");
        let left = token.expires_on.unix_timestamp() - crate::token_client::now().secs();
        assert!((3_590..=3_600).contains(&left), "{left}");

        let error = credential.get_token(&["forbidden"], None).await.unwrap_err();
        let text = format!("{error:?}");
        assert!(text.contains("AADSTS70011") && !text.contains("s3cret"), "{text}");
        assert!(credential.get_token(&[], None).await.is_err());
    }
}
