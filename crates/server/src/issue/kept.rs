//! What the journal keeps of a refused request besides its assertion: path and form, bounded, without anything secret.
//!
//! Called by `issue`; read by the portal's diagnosis, which makes a request of it again.

use countersign_core::request::{EndpointVersion, TokenRequest};

use crate::store::model::SignInRecord;

/// Longest form that is kept.
const MAX_FORM: usize = 2 * 1024;
/// Longest value of a parameter.
const MAX_VALUE: usize = 512;
/// Parameters that prove something, or could be made to; all others are names, ids and wishes.
const OPEN: [&str; 14] = [
    "grant_type",
    "client_id",
    "scope",
    "resource",
    "client_assertion_type",
    "claims",
    "x-client-sku",
    "x-client-ver",
    "x-client-os",
    "x-client-cpu",
    "x-client-current-telemetry",
    "x-client-last-telemetry",
    "x-ms-lib-capability",
    "requested_token_use",
];

/// Keeps path and form.
pub(super) fn form(request: &TokenRequest, record: &mut SignInRecord) {
    let version = match request.version {
        EndpointVersion::V1 => "oauth2/token",
        EndpointVersion::V2 => "oauth2/v2.0/token",
    };
    let tenant: String = request.tenant.chars().take(MAX_VALUE).collect();
    record.path = format!("/{}/{version}", encode(&tenant));
    let mut form = String::new();
    for parameter in &request.parameters {
        if !OPEN.contains(&parameter.name.to_ascii_lowercase().as_str()) || parameter.value.len() > MAX_VALUE {
            continue;
        }
        let pair = format!("{}={}", encode(&parameter.name), encode(&parameter.value));
        if form.len() + pair.len() > MAX_FORM {
            break;
        }
        if !form.is_empty() {
            form.push('&');
        }
        form.push_str(&pair);
    }
    record.form = form;
}

/// Form-encodes a text.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}
