//! Resources that exist in every tenant without being registered: Microsoft Graph, Azure Resource Manager, Storage, Key
//! Vault, with their well-known app ids.
//!
//! Used when a token is asked for, when roles are given, and by Graph's servicePrincipals. The object id of their service
//! principal differs from tenant to tenant (as in Entra) and is computed, so that nothing has to be stored.

use countersign_core::encoding::encode_hex_lower;
use countersign_core::thumbprint::sha256;

/// A built-in resource.
#[derive(Debug)]
pub struct WellKnown {
    /// Its app id, the same in every tenant.
    pub app_id: &'static str,
    /// Display name.
    pub display_name: &'static str,
    /// URIs that name it in `scope` and `resource`, without a final slash.
    pub uris: &'static [&'static str],
    /// Version of its access tokens.
    pub token_version: u8,
    /// Its app roles: id and value.
    pub roles: &'static [(&'static str, &'static str)],
}

/// Microsoft Graph. App id and role ids as in Microsoft's permissions reference
/// (<https://learn.microsoft.com/graph/permissions-reference>).
pub static GRAPH: WellKnown = WellKnown {
    app_id: "00000003-0000-0000-c000-000000000000",
    display_name: "Microsoft Graph",
    uris: &[
        "https://graph.microsoft.com",
        "https://graph.microsoft.us",
        "https://dod-graph.microsoft.us",
        "https://microsoftgraph.chinacloudapi.cn",
    ],
    token_version: 1,
    roles: &[
        ("9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30", "Application.Read.All"),
        ("1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9", "Application.ReadWrite.All"),
        ("18a4783c-866b-4cc7-a460-3d5e5662c884", "Application.ReadWrite.OwnedBy"),
        ("06b708a9-e830-4db3-a914-8e69da51d44f", "AppRoleAssignment.ReadWrite.All"),
        ("b0afded3-3588-46d8-8b3d-9842eff778da", "AuditLog.Read.All"),
        ("7ab1d382-f21e-4acd-a863-ba3e13f7da61", "Directory.Read.All"),
        ("19dbc75e-c2e2-444c-a770-ec69d8559fc7", "Directory.ReadWrite.All"),
        ("5b567255-7703-4780-807c-7be8301ae99b", "Group.Read.All"),
        ("62a82d76-70ea-41e2-9197-370581804d09", "Group.ReadWrite.All"),
        ("810c84a8-4a9e-49e6-bf7d-12d183f40d01", "Mail.Read"),
        ("b633e1c5-b582-4048-a93e-9f11b44c7e96", "Mail.Send"),
        ("498476ce-e0fe-48b0-b801-37ba7e2685c6", "Organization.Read.All"),
        ("246dd0d5-5bd0-4def-940b-0421030a5b68", "Policy.Read.All"),
        ("332a536c-c7ef-4017-ab91-336970924f0d", "Sites.Read.All"),
        ("df021288-bdef-4463-88db-98f22de89214", "User.Read.All"),
        ("741f803b-c850-494e-b5df-cde7c675a1ca", "User.ReadWrite.All"),
    ],
};

/// Azure Resource Manager ("Windows Azure Service Management API").
pub static RESOURCE_MANAGER: WellKnown = WellKnown {
    app_id: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    display_name: "Windows Azure Service Management API",
    uris: &[
        "https://management.azure.com",
        "https://management.core.windows.net",
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net",
        "https://management.chinacloudapi.cn",
        "https://management.core.chinacloudapi.cn",
    ],
    token_version: 1,
    roles: &[],
};

/// Azure Storage.
pub static STORAGE: WellKnown = WellKnown {
    app_id: "e406a681-f3d4-42a8-90b6-c2b029497af1",
    display_name: "Azure Storage",
    uris: &["https://storage.azure.com"],
    token_version: 1,
    roles: &[],
};

/// Azure Key Vault.
pub static KEY_VAULT: WellKnown = WellKnown {
    app_id: "cfa8b339-82a2-471a-a3c9-0fc0be7a4093",
    display_name: "Azure Key Vault",
    uris: &["https://vault.azure.net", "https://vault.usgovcloudapi.net", "https://vault.azure.cn"],
    token_version: 1,
    roles: &[],
};

/// All of them.
pub static ALL: [&WellKnown; 4] = [&GRAPH, &RESOURCE_MANAGER, &STORAGE, &KEY_VAULT];

/// The resource that an identifier names: its app id, or one of its URIs with or without one final slash.
pub fn by_identifier(identifier: &str) -> Option<&'static WellKnown> {
    let without_slash = identifier.strip_suffix('/').unwrap_or(identifier);
    ALL.into_iter().find(|w| {
        w.app_id.eq_ignore_ascii_case(identifier) || w.uris.iter().any(|u| u.eq_ignore_ascii_case(without_slash))
    })
}

/// The resource with this service principal in a tenant.
pub fn by_object_id(tenant_id: &str, object_id: &str) -> Option<&'static WellKnown> {
    ALL.into_iter().find(|w| w.object_id(tenant_id) == object_id)
}

impl WellKnown {
    /// Object id of its service principal in a tenant, the same at every start.
    pub fn object_id(&self, tenant_id: &str) -> String {
        guid_of(&format!("service principal {} {}", tenant_id, self.app_id))
    }

    /// Id of the app role with this value; a value that is not listed gets a computed id, so that any role of Microsoft
    /// Graph can be given.
    pub fn role_id(&self, value: &str) -> String {
        match self.roles.iter().find(|(_, v)| *v == value) {
            Some((id, _)) => (*id).to_owned(),
            None => guid_of(&format!("app role {} {value}", self.app_id)),
        }
    }

    /// Value of the app role with this id, if it is listed.
    pub fn role_value(&self, id: &str) -> Option<&'static str> {
        self.roles.iter().find(|(i, _)| i.eq_ignore_ascii_case(id)).map(|(_, v)| *v)
    }
}

/// A GUID computed from a text (the layout of RFC 9562 §5.8, version 8).
pub fn guid_of(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    let mut bytes = [0u8; 16];
    bytes.copy_from_slice(&digest[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = encode_hex_lower(&bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_lead_to_one_resource() {
        assert_eq!(by_identifier("https://graph.microsoft.com/").unwrap().app_id, GRAPH.app_id);
        assert_eq!(by_identifier("00000003-0000-0000-C000-000000000000").unwrap().app_id, GRAPH.app_id);
        assert!(by_identifier("https://graph.microsoft.com//").is_none());
        assert!(by_identifier("https://graph.microsoft.com.evil.example").is_none());
    }

    #[test]
    fn object_ids_differ_by_tenant_and_are_guids() {
        let (a, b) = (GRAPH.object_id("t1"), GRAPH.object_id("t2"));
        assert_ne!(a, b);
        assert!(countersign_core::authority::is_guid(&a));
        assert_eq!(by_object_id("t1", &a).unwrap().app_id, GRAPH.app_id);
        assert!(by_object_id("t2", &a).is_none());
    }
}
