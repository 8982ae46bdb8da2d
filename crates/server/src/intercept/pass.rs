//! The way out of the proxy for hosts that are passed on: straight, or through the proxy that the environment had named.
//!
//! Used by `proxy` only. What is passed on stays as it is: tunnels are copied, plain requests lose what belongs to the hop.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A body that is made here or comes from elsewhere.
pub type Body = BoxBody<Bytes, hyper::Error>;

/// A host must be reached in this time.
const CONNECT: Duration = Duration::from_secs(15);
/// Longest answer of a proxy to CONNECT.
const MAX_HEAD: usize = 16 * 1024;

/// The proxy that was in the environment before `run` put its own there.
#[derive(Clone)]
pub struct Upstream {
    host: String,
    port: u16,
    authorization: Option<HeaderValue>,
    direct: Vec<String>,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why a proxy cannot be used. Never shows a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; http://HOST:PORT is expected")]
pub struct NoUpstream(&'static str);

impl Upstream {
    /// Reads the value of `HTTPS_PROXY`, and the hosts of `NO_PROXY` that are reached without it.
    ///
    /// # Errors
    /// [`NoUpstream`] when it is no proxy that is spoken to over plain HTTP.
    pub fn read(proxy: &str, no_proxy: &str) -> Result<Self, NoUpstream> {
        let rest = match proxy.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(NoUpstream("the proxy is no plain HTTP proxy")),
            None => proxy,
        };
        let rest = rest.split('/').next().unwrap_or_default();
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(u, p)| (Some(u), p));
        let (host, port) = match place.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().map_err(|_| NoUpstream("its port is no number"))?),
            None => (place, 80),
        };
        let host = bare(host);
        if host.is_empty() {
            return Err(NoUpstream("the proxy has no host"));
        }
        let authorization = user.map(|user| {
            // In a URL user and password are percent-encoded (RFC 3986 §3.2.1); a plus is a plus.
            let plain = countersign_core::request::form_decode(&user.replace('+', "%2B"));
            let encoded = base64::engine::general_purpose::STANDARD.encode(plain);
            let mut value = HeaderValue::from_str(&format!("Basic {encoded}"));
            value.iter_mut().for_each(|v| v.set_sensitive(true));
            value
        });
        let authorization =
            authorization.transpose().map_err(|_| NoUpstream("its user and password cannot stand in a header"))?;
        let direct =
            no_proxy.split([',', ' ']).map(|n| n.trim().to_ascii_lowercase()).filter(|n| !n.is_empty()).collect();
        Ok(Self { host: host.to_owned(), port, authorization, direct })
    }

    fn concerns(&self, host: &str) -> bool {
        !excepts(&self.direct, host)
    }
}

/// Whether a list as in `NO_PROXY` names a host: by itself, by a domain above it, or with everything (`*`).
pub fn excepts(list: &[String], host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    list.iter().any(|entry| {
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        entry == "*" || (!domain.is_empty() && (host == domain || host.ends_with(&format!(".{domain}"))))
    })
}

/// A host without the brackets of an IPv6 address.
pub fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

/// A connection to a host, for a tunnel.
///
/// # Errors
/// What the system or the other proxy said.
pub async fn dial(host: &str, port: u16, upstream: Option<&Upstream>) -> io::Result<TcpStream> {
    let Some(upstream) = upstream.filter(|u| u.concerns(host)) else { return connect(host, port).await };
    let mut stream = connect(&upstream.host, upstream.port).await?;
    let name = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut head = format!("CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n").into_bytes();
    if let Some(value) = &upstream.authorization {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    within(async {
        stream.write_all(&head).await?;
        let answer = head_of(&mut stream).await?;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        match status {
            "200" => Ok(()),
            _ => Err(io::Error::other(format!("the proxy {}:{} answered {status}", upstream.host, upstream.port))),
        }
    })
    .await?;
    Ok(stream)
}

/// Reads an answer's head, and not a byte more: what follows belongs to the tunnel.
async fn head_of(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MAX_HEAD {
            return Err(io::Error::other("the proxy's answer is too long"));
        }
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = within(TcpStream::connect((host, port))).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(CONNECT, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Passes a plain HTTP request on.
///
/// # Errors
/// What the system or the other side did wrong.
pub async fn forward(
    mut request: Request<Incoming>,
    host: &str,
    port: u16,
    upstream: Option<&Upstream>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    strip(request.headers_mut());
    let stream = match upstream.filter(|u| u.concerns(host)) {
        Some(upstream) => {
            // Another proxy is asked in absolute form, as we were (RFC 9112 §3.2.2).
            if let Some(value) = &upstream.authorization {
                request.headers_mut().insert(PROXY_AUTHORIZATION, value.clone());
            }
            connect(&upstream.host, upstream.port).await?
        }
        None => {
            *request.uri_mut() = origin_form(request.uri());
            connect(host, port).await?
        }
    };
    ask(stream, request).await
}

/// Asks over a connection that is there.
///
/// # Errors
/// What the other side did wrong.
pub async fn ask<S>(
    stream: S,
    request: Request<Incoming>,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut response = sender.send_request(request).await?;
    strip(response.headers_mut());
    Ok(response.map(|body| body.boxed()))
}

/// Path and query alone.
pub fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().and_then(|p| Uri::try_from(p.as_str()).ok()).unwrap_or_else(|| Uri::from_static("/"))
}

/// Removes what belongs to one hop (RFC 9110 §7.6.1). The framing is hyper's own affair.
fn strip(headers: &mut http::HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, UPGRADE, TE, TRANSFER_ENCODING, PROXY_AUTHORIZATION, PROXY_AUTHENTICATE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection"] {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_as_curl_writes_them() {
        let proxy = Upstream::read("http://us%65r:p%40ss@proxy.example:3128/", ".internal, 10.0.0.1").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        // user:p@ss
        assert_eq!(proxy.authorization.as_ref().unwrap().as_bytes(), b"Basic dXNlcjpwQHNz");
        assert!(!format!("{proxy:?}").contains("ss"), "{proxy:?}");
        assert!(!proxy.concerns("a.internal") && !proxy.concerns("10.0.0.1") && proxy.concerns("internal.example"));
        assert_eq!(Upstream::read("[::1]:8080", "").unwrap().host, "::1");
        assert_eq!(Upstream::read("proxy", "").unwrap().port, 80);
        for odd in ["socks5://proxy:1080", "https://proxy:443", "http://", "http://proxy:port"] {
            assert!(Upstream::read(odd, "").is_err(), "{odd}");
        }
    }

    #[test]
    fn exceptions_are_names_and_domains() {
        let list: Vec<String> = ["microsoftonline.com", "*.azure.com"].map(str::to_owned).to_vec();
        assert!(excepts(&list, "LOGIN.microsoftonline.com") && excepts(&list, "management.azure.com"));
        assert!(!excepts(&list, "notmicrosoftonline.com") && excepts(&["*".to_owned()], "x") && !excepts(&[], "x"));
    }

    #[test]
    fn hops_keep_their_headers_to_themselves() {
        let mut headers = http::HeaderMap::new();
        for (name, value) in
            [("connection", "close, x-hop"), ("x-hop", "1"), ("proxy-authorization", "Basic eA=="), ("accept", "*/*")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        strip(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
        assert_eq!(origin_form(&"http://a.example/b?c=d".parse().unwrap()), "/b?c=d");
    }
}
