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
