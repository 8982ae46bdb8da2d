//! A credential of an application as people see it: what it is, which certificate, until when.
//!
//! Read from `keyCredentials` and `passwordCredentials` of a Graph `application`, tolerantly: what a server leaves out is shown as
//! unknown.

use countersign_core::UnixTime;
use countersign_core::encoding::{decode_base64, decode_hex, encode_hex_upper};
use countersign_core::thumbprint::sha1;
use serde_json::{Value, json};

use super::text;

/// What a credential is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A certificate.
    Certificate,
    /// A client secret.
    Secret,
}

impl Kind {
    /// `certificate` or `secret`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Secret => "secret",
        }
    }
}

/// One credential.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// `keyId`
    pub key_id: String,
    /// `displayName`
    pub name: String,
    /// SHA-1 of the certificate in hex: computed from `key`, else read from `customKeyIdentifier`.
    pub thumbprint: Option<String>,
    /// `startDateTime`
    pub start: Option<UnixTime>,
    /// `endDateTime`
    pub end: Option<UnixTime>,
}

impl Entry {
    /// Every credential of an application, certificates first, in the server's order.
    pub fn all(application: &Value) -> Vec<Self> {
        let list = |name: &str| application.get(name).and_then(Value::as_array).into_iter().flatten();
        list("keyCredentials")
            .map(|v| Self::read(v, Kind::Certificate))
            .chain(list("passwordCredentials").map(|v| Self::read(v, Kind::Secret)))
            .collect()
    }

    fn read(value: &Value, kind: Kind) -> Self {
        let time = |name: &str| text(value, name).and_then(UnixTime::parse);
        let thumbprint = match kind {
            Kind::Certificate => text(value, "key")
                .and_then(|key| decode_base64(key).ok())
                .map(|der| encode_hex_upper(&sha1(&der.bytes)))
                .or_else(|| text(value, "customKeyIdentifier").and_then(custom_key_identifier)),
            Kind::Secret => None,
        };
        Self {
            kind,
            key_id: text(value, "keyId").unwrap_or_default().to_owned(),
            name: text(value, "displayName").unwrap_or_default().to_owned(),
            thumbprint,
            start: time("startDateTime"),
            end: time("endDateTime"),
        }
    }

    /// Whether it proves the application at this moment.
    pub fn usable_at(&self, now: UnixTime) -> bool {
        self.start.is_none_or(|start| start <= now) && self.end.is_none_or(|end| now <= end)
    }

    /// Its state in words.
    pub fn state(&self, now: UnixTime) -> String {
        match (self.start, self.end) {
            (Some(start), _) if now < start => "not valid yet".to_owned(),
            (_, Some(end)) if end < now => "expired".to_owned(),
            (_, Some(end)) => {
                let days = end.secs_since(now) / 86_400;
                if days == 1 { "1 day left".to_owned() } else { format!("{days} days left") }
            }
            (_, None) => "no end known".to_owned(),
        }
    }

    /// For programs.
    pub fn json(&self, now: UnixTime) -> Value {
        json!({
            "kind": self.kind.name(),
            "keyId": self.key_id,
            "displayName": self.name,
            "thumbprint": self.thumbprint,
            "startDateTime": self.start.map(UnixTime::rfc3339),
            "endDateTime": self.end.map(UnixTime::rfc3339),
            "usable": self.usable_at(now),
        })
    }
}

/// The SHA-1 that a `customKeyIdentifier` shows: base64 of the 20 bytes, or their 40 hex digits (portal, Azure CLI). Anything
/// else is free data.
fn custom_key_identifier(value: &str) -> Option<String> {
    if value.len() == 40 && decode_hex(value).is_some() {
        return Some(value.to_ascii_uppercase());
    }
    decode_base64(value).ok().filter(|d| d.bytes.len() == 20).map(|d| encode_hex_upper(&d.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_spellings_of_custom_key_identifier() {
        let hex = "AB".repeat(20);
        assert_eq!(custom_key_identifier(&hex.to_lowercase()), Some(hex.clone()));
        assert_eq!(custom_key_identifier("q6urq6urq6urq6urq6urq6urq6s="), Some(hex));
        assert_eq!(custom_key_identifier("my label"), None);
    }

    #[test]
    fn tells_the_state_and_what_is_usable() {
        let now = UnixTime::parse("2026-11-24T00:00:00Z").unwrap();
        let entries = Entry::all(&json!({
            "keyCredentials": [
                {"keyId": "a", "startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2026-11-26T00:00:00Z"},
                {"keyId": "b", "endDateTime": "2026-11-23T00:00:00Z"},
                {"keyId": "c", "startDateTime": "2027-01-01T00:00:00Z"}],
            "passwordCredentials": [{"keyId": "d"}]}));
        let states: Vec<_> = entries.iter().map(|e| (e.state(now), e.usable_at(now))).collect();
        let wanted = [("2 days left", true), ("expired", false), ("not valid yet", false), ("no end known", true)];
        assert_eq!(states, wanted.map(|(s, u)| (s.to_owned(), u)));
        assert_eq!(entries[3].kind, Kind::Secret);
    }
}
