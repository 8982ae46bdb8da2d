//! A `tower` layer that adds the Authorization header, for `http::Request` and for `reqwest::Request`.
//!
//! Feature `tower`. A request that already has the header goes as it is. A response with a claims challenge makes the next requests
//! carry a token that satisfies it; the response itself goes to the caller, who knows whether the request may be repeated.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use secrecy::ExposeSecret as _;
use tower::{BoxError, Layer, Service};

use crate::challenge::ClaimsChallenge;
use crate::token_client::TokenClient;

/// Adds `Authorization: Bearer …` with a token for one scope.
///
/// ```no_run
/// use countersign_client::{AuthorizationLayer, TokenClient, TransportOptions, http_client};
/// use tower::{Service as _, ServiceBuilder, ServiceExt as _};
///
/// # async fn example(client: TokenClient) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let layer = AuthorizationLayer::new(client, "https://graph.microsoft.com/.default");
/// let mut graph = ServiceBuilder::new().layer(layer).service(http_client(&TransportOptions::default())?);
/// let request = reqwest::Request::new(reqwest::Method::GET, "https://graph.microsoft.com/v1.0/applications".parse()?);
/// let response = graph.ready().await?.call(request).await?;
/// # let _ = response; Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizationLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: TokenClient,
    scope: String,
    /// Claims of the last challenge.
    claims: Mutex<Option<String>>,
}

impl AuthorizationLayer {
    /// Tokens of this client for this scope.
    pub fn new(client: TokenClient, scope: impl Into<String>) -> Self {
        Self(Arc::new(Shared { client, scope: scope.into(), claims: Mutex::default() }))
    }
}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = Authorized<S>;

    fn layer(&self, inner: S) -> Authorized<S> {
        Authorized { inner, shared: Arc::clone(&self.0) }
    }
}

/// A service whose requests are authorized.
#[derive(Clone, Debug)]
pub struct Authorized<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// A request whose headers can be changed.
pub trait RequestHeaders {
    /// The headers.
    fn headers_mut(&mut self) -> &mut HeaderMap;
}

/// A response whose status and headers can be read.
pub trait ResponseHeaders {
    /// Whether the status is 401.
    fn is_unauthorized(&self) -> bool;
    /// The headers.
    fn headers(&self) -> &HeaderMap;
}

impl<B> RequestHeaders for http::Request<B> {
    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl RequestHeaders for reqwest::Request {
    fn headers_mut(&mut self) -> &mut HeaderMap {
        self.headers_mut()
    }
}

impl<B> ResponseHeaders for http::Response<B> {
    fn is_unauthorized(&self) -> bool {
        self.status() == http::StatusCode::UNAUTHORIZED
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

impl ResponseHeaders for reqwest::Response {
    fn is_unauthorized(&self) -> bool {
        self.status() == http::StatusCode::UNAUTHORIZED
    }

    fn headers(&self) -> &HeaderMap {
        self.headers()
    }
}

impl<S, R> Service<R> for Authorized<S>
where
    R: RequestHeaders + Send + 'static,
    S: Service<R> + Clone + Send + 'static,
    S::Response: ResponseHeaders,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        // The service that was ready is the one that is called; its copy waits for the next request.
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if !request.headers_mut().contains_key(AUTHORIZATION) {
                request.headers_mut().insert(AUTHORIZATION, shared.header().await?);
            }
            let response = inner.call(request).await.map_err(Into::into)?;
            if response.is_unauthorized() {
                shared.challenged(response.headers());
            }
            Ok(response)
        })
    }
}

impl Shared {
    async fn header(&self) -> Result<HeaderValue, BoxError> {
        let claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let token = self.client.token_with_claims(&self.scope, claims.as_deref()).await?;
        let mut value = HeaderValue::from_str(token.authorization().expose_secret())?;
        // So that no layer below prints it.
        value.set_sensitive(true);
        Ok(value)
    }

    fn challenged(&self, headers: &HeaderMap) {
        let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
        if let Some(challenge) = values.filter_map(ClaimsChallenge::parse).next() {
            tracing::info!(scope = self.scope, "the resource asks for a token that satisfies further claims");
            *self.claims.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge.claims);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use secrecy::SecretString;
    use tower::ServiceExt as _;

    use super::*;
    use crate::transport::{Answer, Answering, Form, Transport};
    use crate::{Authority, Credential, Url};

    /// Answers with a token that says which claims it was asked for.
    #[derive(Debug)]
    struct Server;

    impl Transport for Server {
        fn post<'a>(&'a self, _url: &'a Url, form: Form<'a>) -> Answering<'a> {
            let claims = form.parameters.iter().find(|(n, _)| *n == "claims").map_or("none", |(_, v)| *v);
            let token = if claims == "none" { "plain" } else { "challenged" };
            let body = format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600}}"#);
            Box::pin(std::future::ready(Ok(Answer { status: 200, retry_after: None, body: body.into_bytes() })))
        }
    }

    #[tokio::test]
    async fn adds_the_header_and_answers_a_challenge() {
        let authority = Authority::public("contoso.example").unwrap();
        let secret = Credential::Secret(SecretString::from("s"));
        let client = TokenClient::with_transport(authority, "app", secret, Box::new(Server), Duration::from_secs(5));
        let resource = tower::service_fn(|request: http::Request<()>| async move {
            let sent = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
            let mut response = http::Response::new(sent.clone());
            if sent == "Bearer plain" {
                *response.status_mut() = http::StatusCode::UNAUTHORIZED;
                let claims = countersign_core::encoding::encode_base64(br#"{"access_token":{"acrs":{"value":"c1"}}}"#);
                let value = format!(r#"Bearer error="insufficient_claims", claims="{claims}""#);
                response.headers_mut().insert(WWW_AUTHENTICATE, value.parse().unwrap());
            }
            Ok::<_, BoxError>(response)
        });
        let mut service = AuthorizationLayer::new(client, "r/.default").layer(resource);
        let first = service.ready().await.unwrap().call(http::Request::new(())).await.unwrap();
        assert_eq!((first.status().as_u16(), first.body().as_str()), (401, "Bearer plain"));
        let second = service.ready().await.unwrap().call(http::Request::new(())).await.unwrap();
        assert_eq!((second.status().as_u16(), second.body().as_str()), (200, "Bearer challenged"));

        let own = http::Request::builder().header(AUTHORIZATION, "Basic x").body(()).unwrap();
        let third = service.ready().await.unwrap().call(own).await.unwrap();
        assert_eq!(third.body(), "Basic x", "a header of the caller's stays");
    }
}
