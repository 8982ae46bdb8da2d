//! Microsoft's clouds: which hosts belong to which, so that an `aud`, a request and a scope can be compared.
//!
//! Data from "National clouds" and instance discovery (seen 2025-02); used by evidence and causes.

/// A cloud of Microsoft's.
#[derive(Debug, PartialEq, Eq)]
pub struct Cloud {
    /// Name for people.
    pub name: &'static str,
    /// Hosts of its authority; the first is the one to use.
    pub login: &'static [&'static str],
    /// Endings of the hosts of its resources.
    pub resources: &'static [&'static str],
    /// Endings of tenant domains.
    pub domains: &'static [&'static str],
    /// Audience of federated tokens.
    pub exchange: &'static str,
}

/// Every cloud; the global one first.
pub static CLOUDS: [Cloud; 4] = [
    Cloud {
        name: "global",
        login: &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
        resources: &[
            "graph.microsoft.com",
            "graph.windows.net",
            "management.azure.com",
            "management.core.windows.net",
            "vault.azure.net",
            "storage.azure.com",
            "database.windows.net",
            "servicebus.windows.net",
            "sharepoint.com",
            "outlook.office365.com",
        ],
        domains: &[".onmicrosoft.com"],
        exchange: "api://AzureADTokenExchange",
    },
    Cloud {
        name: "US Government",
        login: &[
            "login.microsoftonline.us",
            "login.usgovcloudapi.net",
            "sts.microsoftonline.us",
            "login-us.microsoftonline.com",
        ],
        resources: &["graph.microsoft.us", "usgovcloudapi.net", "sharepoint.us", "office365.us"],
        domains: &[".onmicrosoft.us"],
        exchange: "api://AzureADTokenExchangeUSGov",
    },
    Cloud {
        name: "China",
        login: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn", "sts.chinacloudapi.cn"],
        resources: &["microsoftgraph.chinacloudapi.cn", "chinacloudapi.cn", "azure.cn", "sharepoint.cn"],
        domains: &[".onmschina.cn", ".partner.onmschina.cn"],
        exchange: "api://AzureADTokenExchangeChina",
    },
    Cloud {
        name: "Germany (closed in 2021)",
        login: &["login.microsoftonline.de"],
        resources: &["graph.microsoft.de", "graph.cloudapi.de", "microsoftazure.de", "cloudapi.de"],
        domains: &[".onmicrosoft.de"],
        exchange: "api://AzureADTokenExchangeGermany",
    },
];

/// The cloud whose authority has this host.
pub fn of_login(host: &str) -> Option<&'static Cloud> {
    let host = host.split(':').next().unwrap_or(host);
    CLOUDS.iter().find(|c| c.login.iter().any(|l| l.eq_ignore_ascii_case(host)))
}

/// The cloud of a resource URL or scope.
pub fn of_resource(url: &str) -> Option<&'static Cloud> {
    let host = host_of(url)?;
    let ends = |c: &&Cloud| c.resources.iter().any(|r| host == *r || host.ends_with(&format!(".{r}")));
    // The longest ending first: `microsoftgraph.chinacloudapi.cn` belongs to one cloud only.
    CLOUDS.iter().find(ends)
}

/// The cloud of a tenant's domain; only the endings that Microsoft gives are telling.
pub fn of_domain(domain: &str) -> Option<&'static Cloud> {
    CLOUDS.iter().find(|c| c.domains.iter().any(|d| domain.ends_with(d)))
}

/// The host of an absolute URL, lower case, with its port.
pub fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map(|(_, r)| r)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    Some(rest[..end].to_ascii_lowercase()).filter(|h| !h.is_empty())
}

/// Whether an `iss` is Entra's own: then the token is one of Entra's, not an external issuer's.
pub fn is_entra_issuer(iss: &str) -> bool {
    host_of(iss).is_some_and(|h| of_login(&h).is_some())
}

/// Whether an `aud` is Microsoft Graph, by id or by name.
pub fn is_graph(aud: &str) -> bool {
    let host = host_of(aud).unwrap_or_else(|| aud.to_ascii_lowercase());
    aud.eq_ignore_ascii_case("00000003-0000-0000-c000-000000000000")
        || aud.eq_ignore_ascii_case("00000002-0000-0000-c000-000000000000")
        || matches!(
            host.as_str(),
            "graph.microsoft.com"
                | "graph.windows.net"
                | "graph.microsoft.us"
                | "dod-graph.microsoft.us"
                | "microsoftgraph.chinacloudapi.cn"
                | "graph.microsoft.de"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_clouds_apart() {
        assert_eq!(of_login("login.microsoftonline.us").map(|c| c.name), Some("US Government"));
        assert_eq!(of_resource("https://microsoftgraph.chinacloudapi.cn/.default").map(|c| c.name), Some("China"));
        assert_eq!(of_domain("contoso.onmicrosoft.com").map(|c| c.name), Some("global"));
        assert!(
            is_entra_issuer("https://sts.windows.net/x/")
                && !is_entra_issuer("https://token.actions.githubusercontent.com")
        );
    }
}
