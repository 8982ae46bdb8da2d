//! Microsoft's clouds: under which host names their sign-in, Microsoft Graph and resource manager are reached.
//!
//! `run` answers for these hosts, and `/metadata/endpoints` names them. Host names as in Microsoft's lists of endpoints for
//! each cloud (<https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud>) and in azure-cli's
//! `cloud.py`; aliases of the sign-in hosts as in instance discovery.

/// One cloud.
#[derive(Debug)]
pub struct Cloud {
    /// Its name in azure-cli.
    pub name: &'static str,
    /// Sign-in; the first is the one in use, the others are its aliases.
    pub login: &'static [&'static str],
    /// Whom tokens of version 1.0 name as their issuer.
    pub issuer_v1: &'static str,
    /// Microsoft Graph.
    pub graph: &'static [&'static str],
    /// Resource manager; the first is the one in use.
    pub resource_manager: &'static [&'static str],
    /// What a token for the resource manager may name as its audience.
    pub audiences: &'static [&'static str],
    /// The portal.
    pub portal: &'static str,
    /// Suffixes of host names: Storage, Key Vault, SQL, Container Registry.
    pub suffixes: [(&'static str, &'static str); 4],
}

/// The public cloud, the national clouds, and the closed German one, whose names programs still carry.
pub static ALL: [Cloud; 4] = [
    Cloud {
        name: "AzureCloud",
        login: &[
            "login.microsoftonline.com",
            "login.windows.net",
            "login.microsoft.com",
            "sts.windows.net",
            "login-us.microsoftonline.com",
        ],
        issuer_v1: "https://sts.windows.net",
        graph: &["graph.microsoft.com"],
        resource_manager: &["management.azure.com", "management.core.windows.net"],
        audiences: &["https://management.core.windows.net/", "https://management.azure.com/"],
        portal: "https://portal.azure.com",
        suffixes: [
            ("storage", "core.windows.net"),
            ("keyVaultDns", "vault.azure.net"),
            ("sqlServerHostname", "database.windows.net"),
            ("acrLoginServer", "azurecr.io"),
        ],
    },
    Cloud {
        name: "AzureChinaCloud",
        login: &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
        issuer_v1: "https://sts.chinacloudapi.cn",
        graph: &["microsoftgraph.chinacloudapi.cn"],
        resource_manager: &["management.chinacloudapi.cn", "management.core.chinacloudapi.cn"],
        audiences: &["https://management.core.chinacloudapi.cn/", "https://management.chinacloudapi.cn/"],
        portal: "https://portal.azure.cn",
        suffixes: [
            ("storage", "core.chinacloudapi.cn"),
            ("keyVaultDns", "vault.azure.cn"),
            ("sqlServerHostname", "database.chinacloudapi.cn"),
            ("acrLoginServer", "azurecr.cn"),
        ],
    },
    Cloud {
        name: "AzureUSGovernment",
        login: &["login.microsoftonline.us", "login.usgovcloudapi.net"],
        // No record at hand; no other host is known of to Azurite, which serves this cloud's programs too.
        issuer_v1: "https://sts.windows.net",
        graph: &["graph.microsoft.us", "dod-graph.microsoft.us"],
        resource_manager: &["management.usgovcloudapi.net", "management.core.usgovcloudapi.net"],
        audiences: &["https://management.core.usgovcloudapi.net/", "https://management.usgovcloudapi.net/"],
        portal: "https://portal.azure.us",
        suffixes: [
            ("storage", "core.usgovcloudapi.net"),
            ("keyVaultDns", "vault.usgovcloudapi.net"),
            ("sqlServerHostname", "database.usgovcloudapi.net"),
            ("acrLoginServer", "azurecr.us"),
        ],
    },
    Cloud {
        name: "AzureGermanCloud",
        login: &["login.microsoftonline.de"],
        issuer_v1: "https://sts.microsoftonline.de",
        graph: &["graph.microsoft.de"],
        resource_manager: &["management.microsoftazure.de", "management.core.cloudapi.de"],
        audiences: &["https://management.core.cloudapi.de/", "https://management.microsoftazure.de/"],
        portal: "https://portal.microsoftazure.de",
        suffixes: [
            ("storage", "core.cloudapi.de"),
            ("keyVaultDns", "vault.microsoftazure.de"),
            ("sqlServerHostname", "database.cloudapi.de"),
            ("acrLoginServer", "azurecr.de"),
        ],
    },
];

impl Cloud {
    /// Every host of this cloud.
    pub fn hosts(&self) -> impl Iterator<Item = &'static str> {
        [self.login, self.graph, self.resource_manager].into_iter().flatten().copied()
    }
}

/// Every host of every cloud.
pub fn hosts() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(Cloud::hosts)
}

/// The cloud that a base URL of ours belongs to, when it is one of Microsoft's names.
pub fn of_base(base: &str) -> Option<&'static Cloud> {
    let host = base.strip_prefix("https://")?;
    ALL.iter().find(|c| c.hosts().any(|h| h == host))
}

/// What the issuer of version 1.0 begins with for a base URL of ours: at Microsoft's names it is another host than the one that
/// is asked (<https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference>, `iss`; the national clouds'
/// as in the list of issuers that Azurite accepts).
pub fn issuer_v1(base: &str) -> &str {
    of_base(base).map_or(base, |cloud| cloud.issuer_v1)
}

/// The id of the one subscription that a tenant has here, the same at every start.
pub fn subscription_id(tenant_id: &str) -> String {
    crate::well_known::guid_of(&format!("subscription {tenant_id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_stands_once_and_leads_to_its_cloud() {
        let mut seen: Vec<&str> = hosts().collect();
        seen.sort_unstable();
        let all = seen.len();
        seen.dedup();
        assert_eq!(seen.len(), all);
        assert_eq!(of_base("https://graph.microsoft.us").unwrap().name, "AzureUSGovernment");
        assert_eq!(issuer_v1("https://login.microsoftonline.com"), "https://sts.windows.net");
        assert_eq!(issuer_v1("https://127.0.0.1:8443"), "https://127.0.0.1:8443");
        assert!(of_base("https://127.0.0.1:8443").is_none() && of_base("http://graph.microsoft.us").is_none());
    }
}
