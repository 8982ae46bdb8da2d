//! The list of hosts that are answered for: Microsoft's, and those that were added.
//!
//! Made once by `run`. Compared exactly, whatever the letter case; no pattern, so that the list can be read.

use std::net::IpAddr;

use crate::clouds;

/// Where a virtual machine asks for the token of its managed identity, over plain HTTP
/// (<https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service>).
pub const METADATA_ADDRESS: &str = "169.254.169.254";

/// The hosts.
#[derive(Clone, Debug)]
pub struct Hosts(Vec<String>);

/// Why a host cannot be answered for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is no host name that can be answered for: a DNS name is expected, such as westeurope.login.microsoft.com, without scheme, port or *"
)]
pub struct NoHost(pub String);

impl Hosts {
    /// The hosts of all of Microsoft's clouds, and more.
    ///
    /// # Errors
    /// [`NoHost`] for what is no DNS name.
    pub fn microsoft_and(more: &[String]) -> Result<Self, NoHost> {
        let mut all: Vec<String> = clouds::hosts().map(str::to_owned).collect();
        for host in more {
            let name = host.to_ascii_lowercase();
            if !is_name(&name) {
                return Err(NoHost(host.clone()));
            }
            if !all.contains(&name) {
                all.push(name);
            }
        }
        Ok(Self(all))
    }

    /// Whether a host is on the list.
    pub fn contains(&self, host: &str) -> bool {
        self.0.iter().any(|h| h.eq_ignore_ascii_case(host))
    }

    /// All of them, in lower case.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

/// A DNS name of at least two labels (RFC 1123 §2.1).
fn is_name(name: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_whole() {
        let hosts = Hosts::microsoft_and(&["WestEurope.login.microsoft.com".to_owned()]).unwrap();
        for ours in [
            "login.microsoftonline.com",
            "LOGIN.microsoftonline.US",
            "westeurope.login.microsoft.com",
            "graph.microsoft.com",
        ] {
            assert!(hosts.contains(ours), "{ours}");
        }
        for other in
            ["evil.login.microsoftonline.com", "login.microsoftonline.com.evil.example", "microsoftonline.com", ""]
        {
            assert!(!hosts.contains(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for odd in [
            "",
            "localhost",
            "*.vault.azure.net",
            "https://x.example",
            "x.example:443",
            "10.0.0.1",
            "a..b",
            "-a.b",
            "a b.c",
        ] {
            assert_eq!(Hosts::microsoft_and(&[odd.to_owned()]).unwrap_err(), NoHost(odd.to_owned()));
        }
    }
}
