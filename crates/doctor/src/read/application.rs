//! Reads Microsoft Graph's `application` and `servicePrincipal`, the old manifest, and lists of them, as they come.
//!
//! Called by [`super::json`]. `key` may be base64 of DER, of PEM text, or null; `customKeyIdentifier` anything.

use countersign_core::encoding;
use countersign_core::json::{Node, Value};
use countersign_core::keyfile;
use countersign_core::registration::{
    FederatedCredential, KeyCredential, Registration, ServicePrincipal, TrustedSubject,
};
use countersign_core::time::UnixTime;

use crate::artifact::{Application, KeyEntry};

/// The first member of one of these names, whatever the letter case: Azure CLI and old PowerShell write `AppId`, `keyID`.
pub fn member<'a>(node: &'a Node, names: &[&str]) -> Option<&'a Node> {
    let members = node.members()?;
    names.iter().find_map(|n| members.iter().find(|m| m.name.eq_ignore_ascii_case(n))).map(|m| &m.node)
}

/// The text of a member that is a string and not empty.
pub fn text<'a>(node: &'a Node, names: &[&str]) -> Option<&'a str> {
    member(node, names).and_then(Node::as_str).filter(|t| !t.is_empty())
}

/// The elements of a member that is an array.
pub fn items<'a>(node: &'a Node, names: &[&str]) -> &'a [Node] {
    match member(node, names).map(|n| &n.value) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn strings(node: &Node, names: &[&str]) -> Vec<String> {
    items(node, names).iter().filter_map(|n| n.as_str().map(str::to_owned)).collect()
}

fn is_true(node: &Node, names: &[&str]) -> bool {
    member(node, names).is_some_and(|n| n.value == Value::Bool(true))
}

fn is_false(node: &Node, names: &[&str]) -> bool {
    member(node, names).is_some_and(|n| n.value == Value::Bool(false))
}

fn time(node: &Node, names: &[&str]) -> Option<UnixTime> {
    text(node, names).and_then(|t| UnixTime::parse(t).or_else(|| microsoft_json_date(t)))
}

/// `/Date(1690000000000)/`, as Windows PowerShell's ConvertTo-Json writes dates.
fn microsoft_json_date(text: &str) -> Option<UnixTime> {
    let millis: i64 = text.strip_prefix("/Date(")?.strip_suffix(")/")?.parse().ok()?;
    Some(UnixTime::from_micros(millis.checked_mul(1000)?))
}

/// Whether an object is an application or service principal.
pub fn is_application(node: &Node) -> bool {
    let names_app = text(node, &["appId", "applicationId"]).is_some();
    let has = |n: &str| member(node, &[n]).is_some();
    (names_app
        && (has("keyCredentials")
            || has("displayName")
            || has("passwordCredentials")
            || has("identifierUris")
            || has("signInAudience")))
        || (has("keyCredentials") && (has("passwordCredentials") || has("trustedCertificateSubjects") || has("id")))
}

/// Whether an object is a key credential by itself (`az ad app credential list --cert`).
pub fn is_key_credential(node: &Node) -> bool {
    member(node, &["keyId"]).is_some()
        && member(node, &["customKeyIdentifier"]).is_some()
        && member(node, &["hint", "secretText"]).is_none()
}

/// An application of which only some members are known.
pub fn nameless() -> Application {
    let principal = ServicePrincipal { object_id: String::new(), enabled: true };
    let registration = Registration { enabled: true, service_principal: Some(principal), ..Registration::default() };
    Application { lists_keys: true, registration, ..Application::default() }
}

/// Reads an application.
pub fn read(node: &Node) -> Application {
    let lower = |t: &str| t.trim().to_ascii_lowercase();
    let resource = text(node, &["@odata.type", "odata.type", "objectType", "@odata.context"]).unwrap_or_default();
    let is_service_principal =
        resource.to_ascii_lowercase().contains("serviceprincipal") || member(node, &["servicePrincipalType"]).is_some();
    let mut app = Application {
        registration: Registration {
            app_id: text(node, &["appId", "applicationId"]).map(lower).unwrap_or_default(),
            object_id: text(node, &["id", "objectId"]).map(lower).unwrap_or_default(),
            display_name: text(node, &["displayName", "name"]).unwrap_or_default().to_owned(),
            enabled: !is_false(node, &["accountEnabled"]) && text(node, &["disabledByMicrosoftStatus"]).is_none(),
            is_public: false,
            service_principal: Some(ServicePrincipal {
                object_id: if is_service_principal {
                    text(node, &["id", "objectId"]).map(lower).unwrap_or_default()
                } else {
                    String::new()
                },
                enabled: true,
            }),
            ..Registration::default()
        },
        created: time(node, &["createdDateTime"]),
        publisher_domain: text(node, &["publisherDomain"]).map(lower),
        owner_tenant: text(node, &["appOwnerOrganizationId", "appOwnerTenantId"]).map(lower),
        identifier_uris: strings(node, &["identifierUris"]),
        lists_keys: member(node, &["keyCredentials"]).is_some(),
        is_service_principal,
        ..Application::default()
    };
    if is_true(node, &["isFallbackPublicClient"]) {
        app.public_hints.push("isFallbackPublicClient");
    }
    if is_true(node, &["allowPublicClient", "publicClient"]) {
        app.public_hints.push("allowPublicClient");
    }
    for (platform, hint) in [("spa", "spa.redirectUris"), ("publicClient", "publicClient.redirectUris")] {
        if member(node, &[platform]).is_some_and(|p| !items(p, &["redirectUris"]).is_empty()) {
            app.public_hints.push(hint);
        }
    }
    add_keys(&mut app, items(node, &["keyCredentials"]));
    app.secret_ids =
        items(node, &["passwordCredentials"]).iter().filter_map(|p| text(p, &["keyId"]).map(lower)).collect();
    app.registration.federated_credentials =
        items(node, &["federatedIdentityCredentials"]).iter().filter_map(federated).collect();
    app.registration.trusted_subjects = items(node, &["trustedCertificateSubjects"])
        .iter()
        .map(|s| TrustedSubject {
            subject_name: text(s, &["subjectName"]).unwrap_or_default().to_owned(),
            anchors: Vec::new(),
            revoked: strings(s, &["revokedCertificateIdentifiers"]),
        })
        .collect();
    app
}

/// Adds key credentials to an application.
pub fn add_keys(app: &mut Application, entries: &[Node]) {
    for entry in entries {
        let (credential, extra) = key(entry);
        app.registration.key_credentials.push(credential);
        app.keys.push(extra);
    }
}

fn key(node: &Node) -> (KeyCredential, KeyEntry) {
    let mut extra = KeyEntry::default();
    let mut certificate = None;
    if let Some(value) = text(node, &["key", "value"]) {
        match read_key(value) {
            Some((file, is_pem)) => {
                extra.key_is_pem = is_pem;
                extra.holds_private_key = file.private_key().is_some() || file.has_closed_key();
                certificate = file.leaf().cloned();
                extra.unreadable = certificate.is_none();
            }
            None => extra.unreadable = true,
        }
    }
    let custom = text(node, &["customKeyIdentifier"]);
    if let Some(custom) = custom {
        let mut add = |bytes: Vec<u8>| {
            if !bytes.is_empty() && !extra.custom_readings.contains(&bytes) {
                extra.custom_readings.push(bytes);
            }
        };
        if let Ok(decoded) = encoding::decode_base64(custom) {
            add(decoded.bytes);
        }
        add(custom.as_bytes().to_vec());
        if let Some(hex) = encoding::decode_hex_separated(custom) {
            add(hex);
        }
    }
    let start = time(node, &["startDateTime", "startDate"]);
    let end = time(node, &["endDateTime", "endDate"]);
    let credential = KeyCredential {
        key_id: text(node, &["keyId"]).unwrap_or_default().to_ascii_lowercase(),
        start: start.unwrap_or(UnixTime::from_secs(i64::MIN / 2_000_000)),
        end: end.unwrap_or(UnixTime::from_secs(i64::MAX / 2_000_000)),
        certificate,
        custom_key_identifier: custom.map(str::to_owned),
        display_name: text(node, &["displayName"]).unwrap_or_default().to_owned(),
    };
    (credential, extra)
}

/// base64 of DER, base64 of PEM text, or PEM text itself.
fn read_key(value: &str) -> Option<(keyfile::KeyFile, bool)> {
    let bytes = match encoding::decode_base64(value) {
        Ok(decoded) => decoded.bytes,
        Err(_) => value.as_bytes().to_vec(),
    };
    // What is registered is never encrypted: no round of key derivation is spent on it.
    let file = keyfile::read_within(&bytes, None, 0, &mut 0);
    let is_pem = bytes.starts_with(b"-----BEGIN");
    (file.certificates().next().is_some() || file.private_key().is_some()).then_some((file, is_pem))
}

/// Reads a federated identity credential; `None` when the object is none.
pub fn federated(node: &Node) -> Option<FederatedCredential> {
    let issuer = text(node, &["issuer"])?;
    let subject = text(node, &["subject"])?;
    Some(FederatedCredential {
        id: text(node, &["id"]).unwrap_or_default().to_owned(),
        name: text(node, &["name"]).unwrap_or_default().to_owned(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        audiences: strings(node, &["audiences"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::json;

    #[test]
    fn reads_an_application_of_graph() {
        let node = json::read(
            r#"{"id":"AA","appId":"BB","keyCredentials":[{"customKeyIdentifier":"Y2VydA==","keyId":"K","key":null,
            "startDateTime":"2024-01-01T00:00:00Z","endDateTime":"2025-01-01T00:00:00Z"}],"isFallbackPublicClient":null}"#,
        )
        .unwrap();
        assert!(is_application(&node));
        let app = read(&node);
        assert_eq!((app.registration.app_id.as_str(), app.registration.object_id.as_str()), ("bb", "aa"));
        assert!(app.keys[0].custom_readings.contains(&b"cert".to_vec()));
        assert!(app.registration.key_credentials[0].certificate.is_none());
        assert!(app.public_hints.is_empty());
    }

    #[test]
    fn reads_dates_of_windows_powershell() {
        assert_eq!(microsoft_json_date("/Date(1690000000000)/"), Some(UnixTime::from_secs(1_690_000_000)));
    }
}
