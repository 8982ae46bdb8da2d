//! Where tokens come from: a cloud's login host and a tenant, or the URL of a token endpoint.
//!
//! Refuses what would send a credential in the clear or to another path; it asks no server anything.

use reqwest::Url;

/// A Microsoft cloud (Microsoft's list of national clouds).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// The global cloud.
    Public,
    /// US Government.
    UsGovernment,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    /// Every cloud.
    pub const ALL: [Self; 3] = [Self::Public, Self::UsGovernment, Self::China];

    /// The cloud of a login host, with or without `https://`.
    pub fn of_host(host: &str) -> Option<Self> {
        let bare = |h: &str| h.trim_start_matches("https://").trim_end_matches('/').to_ascii_lowercase();
        Self::ALL.into_iter().find(|cloud| bare(cloud.login_host()) == bare(host))
    }

    /// Its login host.
    pub const fn login_host(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// Its Microsoft Graph.
    pub const fn graph(self) -> &'static str {
        match self {
            Self::Public => "https://graph.microsoft.com",
            Self::UsGovernment => "https://graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }
}

/// A token endpoint, and the audience that an assertion for it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    token_endpoint: Url,
    audience: String,
    is_entra: bool,
}

/// Why an authority cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// Not a URL, or one with a user name.
    #[error("'{0}' is no URL of a server; expected https://HOST or https://HOST:PORT")]
    NotAUrl(String),
    /// Credentials would travel in the clear.
    #[error("'{0}' is not https; plain http is accepted on a loopback address only")]
    Plain(String),
    /// A tenant that would change the URL.
    #[error("'{0}' is no tenant: expected its id or a domain name")]
    Tenant(String),
}

impl Authority {
    /// The tenant at the global cloud.
    ///
    /// # Errors
    /// [`AuthorityError::Tenant`]
    pub fn public(tenant: &str) -> Result<Self, AuthorityError> {
        Self::new(Cloud::Public.login_host(), tenant)
    }

    /// The tenant at this host: `https://login.microsoftonline.us`, `https://localhost:8443`. A bare host name means https, as
    /// in `AZURE_AUTHORITY_HOST`.
    ///
    /// # Errors
    /// [`AuthorityError`]
    pub fn new(host: &str, tenant: &str) -> Result<Self, AuthorityError> {
        let plain_segment = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        if tenant.is_empty() || !tenant.chars().all(plain_segment) {
            return Err(AuthorityError::Tenant(tenant.to_owned()));
        }
        let host = host.trim_end_matches('/');
        if host.is_empty() {
            return Err(AuthorityError::NotAUrl(String::new()));
        }
        let scheme = if host.contains("://") { "" } else { "https://" };
        let url = checked(&format!("{scheme}{host}/{tenant}/oauth2/v2.0/token"))?;
        Ok(Self { audience: url.to_string(), token_endpoint: url, is_entra: true })
    }

    /// A token endpoint of any server (RFC 6749 §3.2); `audience` defaults to its URL.
    ///
    /// # Errors
    /// [`AuthorityError`]
    pub fn token_url(url: &str, audience: Option<&str>) -> Result<Self, AuthorityError> {
        let token_endpoint = checked(url)?;
        let audience = audience.map_or_else(|| url.to_owned(), str::to_owned);
        Ok(Self { token_endpoint, audience, is_entra: false })
    }

    /// The token endpoint.
    pub fn token_endpoint(&self) -> &Url {
        &self.token_endpoint
    }

    /// `aud` of an assertion.
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.token_endpoint)
    }

    /// Whether Entra's conventions hold (`scope` ends in `/.default`, AADSTS codes).
    pub fn is_entra(&self) -> bool {
        self.is_entra
    }
}

/// A server known by its issuer alone: the token endpoint is in its metadata (OpenID Connect Discovery §4, RFC 8414 §3), which the
/// client fetches once a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    issuer: String,
    metadata: Url,
    audience: Option<String>,
}

impl Issuer {
    /// The issuer's URL, as its metadata states it. `audience` is `aud` of an assertion, by default the token endpoint.
    ///
    /// # Errors
    /// [`AuthorityError`]
    pub fn new(issuer: &str, audience: Option<&str>) -> Result<Self, AuthorityError> {
        let bare = issuer.trim_end_matches('/');
        checked(bare)?;
        let metadata = checked(&format!("{bare}/.well-known/openid-configuration"))?;
        Ok(Self { issuer: bare.to_owned(), metadata, audience: audience.map(str::to_owned) })
    }

    /// Where its metadata is.
    pub fn metadata_url(&self) -> &Url {
        &self.metadata
    }

    /// The authority that these metadata describe.
    pub(crate) fn authority(&self, metadata: &serde_json::Value) -> Result<Authority, String> {
        let text = |name: &str| metadata.get(name).and_then(serde_json::Value::as_str);
        let issuer = text("issuer").ok_or("its metadata have no `issuer`")?;
        if issuer.trim_end_matches('/') != self.issuer {
            return Err(format!("its metadata are those of the issuer '{issuer}', expected '{}'", self.issuer));
        }
        let endpoint = text("token_endpoint").ok_or("its metadata have no `token_endpoint`")?;
        Authority::token_url(endpoint, self.audience.as_deref()).map_err(|e| format!("token_endpoint {e}"))
    }
}

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorizationServer {
    /// The token endpoint is known.
    Authority(Authority),
    /// The token endpoint is in the issuer's metadata.
    Issuer(Issuer),
}

impl From<Authority> for AuthorizationServer {
    fn from(authority: Authority) -> Self {
        Self::Authority(authority)
    }
}

impl From<Issuer> for AuthorizationServer {
    fn from(issuer: Issuer) -> Self {
        Self::Issuer(issuer)
    }
}

impl AuthorizationServer {
    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Authority(authority) => authority.is_loopback(),
            Self::Issuer(issuer) => is_loopback(&issuer.metadata),
        }
    }

    /// A URL to name it by.
    pub fn url(&self) -> &Url {
        match self {
            Self::Authority(authority) => authority.token_endpoint(),
            Self::Issuer(issuer) => &issuer.metadata,
        }
    }
}

fn checked(text: &str) -> Result<Url, AuthorityError> {
    let not_a_url = || AuthorityError::NotAUrl(text.to_owned());
    let url = Url::parse(text).map_err(|_| not_a_url())?;
    if url.host_str().is_none_or(str::is_empty) || !url.username().is_empty() || url.password().is_some() {
        return Err(not_a_url());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(AuthorityError::Plain(text.to_owned())),
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let ip: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_the_endpoint_and_its_audience() {
        for host in ["https://localhost:8443/", "https://localhost:8443", "localhost:8443"] {
            let a = Authority::new(host, "contoso.example").unwrap();
            assert_eq!(a.token_endpoint().as_str(), "https://localhost:8443/contoso.example/oauth2/v2.0/token");
            assert_eq!(a.audience(), a.token_endpoint().as_str());
            assert!(a.is_loopback());
        }
        assert!(!Authority::public("contoso.example").unwrap().is_loopback());
    }

    #[test]
    fn metadata_must_be_the_issuers_own() {
        let issuer = Issuer::new("https://id.example/realm/", Some("https://id.example/realm")).unwrap();
        assert_eq!(issuer.metadata_url().as_str(), "https://id.example/realm/.well-known/openid-configuration");
        let read = |json: &str| issuer.authority(&serde_json::from_str(json).unwrap());
        let good =
            read(r#"{"issuer":"https://id.example/realm","token_endpoint":"https://id.example/token"}"#).unwrap();
        assert_eq!(good.token_endpoint().as_str(), "https://id.example/token");
        assert_eq!(good.audience(), "https://id.example/realm");
        let other =
            read(r#"{"issuer":"https://evil.example","token_endpoint":"https://id.example/token"}"#).unwrap_err();
        assert!(other.contains("https://evil.example") && other.contains("https://id.example/realm"), "{other}");
        let plain = read(r#"{"issuer":"https://id.example/realm","token_endpoint":"http://id.example/token"}"#);
        assert!(plain.unwrap_err().contains("not https"));
        assert!(read(r#"{"issuer":"https://id.example/realm"}"#).unwrap_err().contains("token_endpoint"));
        assert!(matches!(Issuer::new("http://id.example", None), Err(AuthorityError::Plain(_))));
    }

    #[test]
    fn refuses_what_would_leak_or_escape() {
        assert!(matches!(Authority::new("http://login.example", "t"), Err(AuthorityError::Plain(_))));
        assert!(matches!(Authority::public("a/b"), Err(AuthorityError::Tenant(_))));
        assert!(matches!(Authority::public(""), Err(AuthorityError::Tenant(_))));
        assert!(matches!(Authority::new("/", "t"), Err(AuthorityError::NotAUrl(_))));
        assert!(matches!(Authority::new("https://me:pw@login.example", "t"), Err(AuthorityError::NotAUrl(_))));
        assert!(matches!(Authority::token_url("not a url", None), Err(AuthorityError::NotAUrl(_))));
        assert!(Authority::new("http://127.0.0.1:1", "t").is_ok());
    }
}
