//! The variables of azure-identity by themselves: contradictions, and values that no SDK takes.
//!
//! Called by [`super::run`]. Values that may be secret are never shown.

use countersign_client::Authority;
use countersign_core::authority::{TenantSegment, is_guid};
use countersign_doctor::proof::Level;

use super::{Findings, LOGIN, Read};
use crate::output::printable;

/// Variables of azure-identity that this looks at, and whether a value may be shown.
pub(super) const VARIABLES: [(&str, bool); 8] = [
    ("AZURE_TENANT_ID", true),
    ("AZURE_CLIENT_ID", true),
    ("AZURE_CLIENT_SECRET", false),
    ("AZURE_CLIENT_CERTIFICATE_PATH", true),
    ("AZURE_CLIENT_CERTIFICATE_PASSWORD", false),
    ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", true),
    ("AZURE_FEDERATED_TOKEN_FILE", true),
    ("AZURE_AUTHORITY_HOST", true),
];
/// The variables by themselves.
pub(super) fn variables(read: Read<'_>, found: &mut Findings) {
    for (name, shown) in VARIABLES {
        let Some(value) = read(name) else { continue };
        let quoted = value.len() > 1 && ["\"", "'"].iter().any(|q| value.starts_with(q) && value.ends_with(q));
        if value.trim() != value || quoted {
            let value = if shown { format!(" ('{}')", printable(&value)) } else { String::new() };
            found.add(
                Level::Error,
                format!(
                    "{name}{value} has {} round its value, which SDKs take as part of it",
                    if quoted { "quotes" } else { "white space" }
                ),
                "set it without them; env files and YAML often keep quotes that a shell removes",
            );
        }
    }
    let credentials: Vec<&str> = ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"]
        .into_iter()
        .filter(|name| read(name).is_some())
        .collect();
    if credentials.len() > 1 {
        found.add(
            Level::Warning,
            format!(
                "{} are set together; azure-identity takes the secret first, then the certificate",
                credentials.join(" and ")
            ),
            "leave only the one that is meant",
        );
    }
    match (read("AZURE_CLIENT_ID"), read("AZURE_TENANT_ID")) {
        (None, _) if !credentials.is_empty() => found.add(
            Level::Error,
            format!("{} is set, AZURE_CLIENT_ID is not", credentials[0]),
            "set AZURE_CLIENT_ID to the application (client) id",
        ),
        (Some(_), None) => found.add(
            Level::Error,
            "AZURE_CLIENT_ID is set, AZURE_TENANT_ID is not",
            "set AZURE_TENANT_ID to the tenant's id or a domain of it",
        ),
        (Some(_), Some(_)) if credentials.is_empty() => found.add(
            Level::Warning,
            "AZURE_CLIENT_ID and AZURE_TENANT_ID are set, and no credential",
            "set AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE, unless a managed identity is meant",
        ),
        _ => {}
    }
    if let Some(id) = read("AZURE_CLIENT_ID").filter(|id| !is_guid(id.trim())) {
        found.add(
            Level::Error,
            format!("AZURE_CLIENT_ID '{}' is no GUID", printable(&id)),
            "take the application (client) id from the registration, not its name",
        );
    }
    if let Some(tenant) = read("AZURE_TENANT_ID") {
        match TenantSegment::read(tenant.trim()) {
            TenantSegment::Id(_) | TenantSegment::Domain(_) => {}
            TenantSegment::Shared(name) => found.add(
                Level::Error,
                format!("AZURE_TENANT_ID is '{name}', under which an application cannot sign in by itself (AADSTS9001023, 50059)"),
                "name the tenant itself: its id or a domain of it",
            ),
            TenantSegment::Nil | TenantSegment::Malformed(_) => found.add(
                Level::Error,
                format!("AZURE_TENANT_ID '{}' is neither a GUID nor a domain name", printable(&tenant)),
                "take the directory (tenant) id from the registration",
            ),
        }
    }
    if let Some(host) = read("AZURE_AUTHORITY_HOST") {
        if host.trim().to_ascii_lowercase().starts_with("http://") {
            found.add(
                Level::Error,
                format!("AZURE_AUTHORITY_HOST '{}' is http; every SDK of Microsoft's refuses it", printable(&host)),
                "use https; `countersign serve` has a CA of its own for it",
            );
        } else if Authority::new(host.trim(), "common").is_err() {
            found.add(
                Level::Error,
                format!("AZURE_AUTHORITY_HOST '{}' is no URL of a server", printable(&host)),
                format!("set it to a host, for example {LOGIN}, or leave it unset"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ID, levels};
    use super::*;

    #[test]
    fn a_complete_set_has_no_finding() {
        let set = [("AZURE_CLIENT_ID", ID), ("AZURE_TENANT_ID", "contoso.example"), ("AZURE_CLIENT_SECRET", "x")];
        assert_eq!(levels(&set, variables), []);
        assert_eq!(levels(&[], variables), []);
    }

    #[test]
    fn contradictions_are_named_without_secrets() {
        for (set, level, words) in [
            (&[("AZURE_CLIENT_SECRET", "\"s3cret\"")][..], Level::Error, "quotes"),
            (&[("AZURE_CLIENT_SECRET", "s3cret")], Level::Error, "AZURE_CLIENT_ID is not"),
            (&[("AZURE_CLIENT_ID", ID)], Level::Error, "AZURE_TENANT_ID is not"),
            (&[("AZURE_CLIENT_ID", "payroll"), ("AZURE_TENANT_ID", ID)], Level::Error, "no GUID"),
            (&[("AZURE_TENANT_ID", "common")], Level::Error, "common"),
            (&[("AZURE_TENANT_ID", "my tenant")], Level::Error, "neither"),
            (&[("AZURE_AUTHORITY_HOST", "http://localhost:8443")], Level::Error, "http"),
            (
                &[
                    ("AZURE_CLIENT_SECRET", "s3cret"),
                    ("AZURE_CLIENT_CERTIFICATE_PATH", "x"),
                    ("AZURE_CLIENT_ID", ID),
                    ("AZURE_TENANT_ID", ID),
                ],
                Level::Warning,
                "together",
            ),
        ] {
            let found = levels(set, variables);
            assert!(found.iter().any(|(l, w)| *l == level && w.contains(words)), "{set:?}: {found:?}");
            assert!(found.iter().all(|(_, w)| !w.contains("s3cret")), "{found:?}");
        }
    }
}
