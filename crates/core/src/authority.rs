//! Who the authorization server is: its names, its tenants, and which `aud` values mean its token endpoint.
//!
//! The service builds one from its configuration, the doctor one from the request or the cloud it was sent to.

/// A tenant as the rules need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Tenant id, a GUID in lower case.
    pub id: String,
    /// Display name, as AADSTS700016 prints it.
    pub display_name: String,
    /// Verified domain names, lower case.
    pub domains: Vec<String>,
}

impl Tenant {
    /// Whether a path segment names this tenant: its id or a domain, in any letter case.
    pub fn is_named(&self, segment: &str) -> bool {
        self.id.eq_ignore_ascii_case(segment) || self.domains.iter().any(|d| d.eq_ignore_ascii_case(segment))
    }
}

/// The names under which an authorization server answers: `https://host[:port]`, no path, no final slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    names: Vec<String>,
}

impl Authority {
    /// An authority with these base URLs; a final slash is dropped.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let names = names
            .into_iter()
            .map(|n| {
                let mut n: String = n.into();
                while n.ends_with('/') {
                    n.pop();
                }
                n
            })
            .collect();
        Self { names }
    }

    /// The base URLs, in their order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Host and port of the first name.
    pub fn host(&self) -> Option<&str> {
        self.names.first().and_then(|n| n.split_once("://")).map(|(_, host)| host).filter(|h| !h.is_empty())
    }

    /// Takes an absolute URL apart if it stands under one of the names.
    pub fn split<'a>(&self, url: &'a str) -> Option<AuthorityUrl<'a>> {
        let name = self.names.iter().find(|n| has_base(url, n))?;
        Some(AuthorityUrl::of_path(&url[name.len()..]))
    }
}

/// Whether `url` is `base` or continues it with a slash; scheme and host ignore letter case (RFC 3986 §6.2.2.1).
fn has_base(url: &str, base: &str) -> bool {
    url.as_bytes().get(..base.len()).is_some_and(|start| start.eq_ignore_ascii_case(base.as_bytes()))
        && matches!(url.as_bytes().get(base.len()), None | Some(b'/'))
}

/// The parts of a URL under an authority: the tenant segment and which of its endpoints the rest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityUrl<'a> {
    /// First path segment.
    pub tenant: &'a str,
    /// What the rest of the path names.
    pub endpoint: Endpoint,
}

/// What a path under `/{tenant}` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/oauth2/v2.0/token`
    TokenV2,
    /// `/oauth2/token`
    TokenV1,
    /// `/v2.0`: the v2.0 issuer.
    IssuerV2,
    /// Nothing or a slash: the v1.0 issuer's shape.
    TenantRoot,
    /// Anything else.
    Other,
}

impl<'a> AuthorityUrl<'a> {
    /// Reads `/{tenant}/…`; one slash at the end is ignored.
    pub fn of_path(path: &'a str) -> Self {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (tenant, rest) = path.split_once('/').unwrap_or((path, ""));
        let endpoint = match rest.strip_suffix('/').unwrap_or(rest) {
            "oauth2/v2.0/token" => Endpoint::TokenV2,
            "oauth2/token" => Endpoint::TokenV1,
            "v2.0" => Endpoint::IssuerV2,
            "" => Endpoint::TenantRoot,
            _ => Endpoint::Other,
        };
        Self { tenant, endpoint }
    }
}

/// What a tenant segment of a URL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantSegment<'a> {
    /// A GUID other than nil.
    Id(&'a str),
    /// `00000000-0000-0000-0000-000000000000`
    Nil,
    /// A syntactically right domain name.
    Domain(&'a str),
    /// `common`, `organizations` or `consumers`.
    Shared(&'a str),
    /// None of them.
    Malformed(&'a str),
}

impl<'a> TenantSegment<'a> {
    /// Tells what a segment is. Single words count as malformed, as Entra treats `authorize` or `invalid_tenant`
    /// (AADSTS900023, recorded).
    pub fn read(segment: &'a str) -> Self {
        if ["common", "organizations", "consumers"].iter().any(|s| s.eq_ignore_ascii_case(segment)) {
            return Self::Shared(segment);
        }
        if is_guid(segment) {
            let nil = segment.bytes().all(|b| matches!(b, b'0' | b'-'));
            return if nil { Self::Nil } else { Self::Id(segment) };
        }
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if segment.len() <= 253 && segment.contains('.') && segment.split('.').all(label) {
            Self::Domain(segment)
        } else {
            Self::Malformed(segment)
        }
    }
}

/// Whether the text is a GUID in the form 8-4-4-4-12, any letter case, without braces.
pub fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_urls_under_its_names_only() {
        let authority = Authority::new(["https://localhost:8443/", "https://127.0.0.1:8443"]);
        let at = |url| authority.split(url).map(|u| (u.tenant, u.endpoint));
        assert_eq!(at("https://localhost:8443/t/oauth2/v2.0/token"), Some(("t", Endpoint::TokenV2)));
        assert_eq!(at("HTTPS://LOCALHOST:8443/t/oauth2/v2.0/token/"), Some(("t", Endpoint::TokenV2)));
        assert_eq!(at("https://127.0.0.1:8443/t/v2.0"), Some(("t", Endpoint::IssuerV2)));
        assert_eq!(at("https://127.0.0.1:8443/t/V2.0/token"), Some(("t", Endpoint::Other)));
        assert_eq!(at("https://localhost:84430/t/v2.0"), None);
        assert_eq!(at("https://localhost:8443.evil.example/t/v2.0"), None);
        assert_eq!(at("http://localhost:8443/t/v2.0"), None);
    }

    #[test]
    fn tells_tenant_segments_apart() {
        let guid = "5f2c1a7e-0000-4000-8000-0000000000a1";
        assert_eq!(TenantSegment::read(guid), TenantSegment::Id(guid));
        assert_eq!(TenantSegment::read("00000000-0000-0000-0000-000000000000"), TenantSegment::Nil);
        assert_eq!(TenantSegment::read("contoso.example"), TenantSegment::Domain("contoso.example"));
        assert_eq!(TenantSegment::read("Common"), TenantSegment::Shared("Common"));
        for s in ["authorize", "invalid_tenant", "", "a..b", "-a.example", "a b.example"] {
            assert_eq!(TenantSegment::read(s), TenantSegment::Malformed(s));
        }
    }
}
