//! One token request as a row: what the list, the live stream and the export show of it.
//!
//! Made from a record of the journal; everything in it may come from a stranger and is shown as text.

use askama::Template;
use countersign_core::checks::CHECKS;
use countersign_core::time::UnixTime;

use crate::store::model::SignInRecord;

/// A row.
#[derive(Template)]
#[template(path = "row.html")]
pub(super) struct Row {
    /// Trace id.
    pub id: String,
    /// Address of its page.
    pub href: String,
    /// RFC 3339.
    pub time: String,
    /// To the millisecond, for the eye.
    pub clock: String,
    /// Day, for the eye.
    pub day: String,
    /// Name of the application.
    pub app: String,
    /// Its id as claimed.
    pub app_id: String,
    /// Library.
    pub client: String,
    /// `alg`, or the kind of credential.
    pub alg: String,
    /// `yes`, `no`, or `–`.
    pub matched: &'static str,
    /// Whether it was refused.
    pub refused: bool,
    /// The number.
    pub code: u32,
    /// The words.
    pub reason: String,
    /// Correlation id.
    pub correlation_id: String,
    /// Milliseconds.
    pub took: String,
}

impl Row {
    /// Of a record.
    pub fn of(r: &SignInRecord) -> Self {
        let time = UnixTime::from_micros(r.time);
        let c = time.civil();
        let alg = match (r.alg.is_empty(), r.credential_type.as_str()) {
            (false, _) => r.alg.clone(),
            (true, "clientSecret") => "secret".to_owned(),
            (true, "managedIdentity") => "managed identity".to_owned(),
            (true, _) => "–".to_owned(),
        };
        Self {
            href: format!("{}requests/{}?at={}&tenant={}", super::ROOT, r.id, r.time, r.tenant_id),
            id: r.id.clone(),
            time: time.rfc3339(),
            clock: format!("{:02}:{:02}:{:02}.{:03}", c.hour, c.minute, c.second, c.micros / 1000),
            day: format!("{:04}-{:02}-{:02}", c.year, c.month, c.day),
            app: if r.app_name.is_empty() { "unknown".to_owned() } else { r.app_name.clone() },
            app_id: r.app_id.clone(),
            client: if r.client.is_empty() { "–".to_owned() } else { r.client.clone() },
            alg,
            matched: matched(r),
            refused: r.error_code != 0,
            code: r.error_code,
            reason: r.failure_reason.clone(),
            correlation_id: r.correlation_id.clone(),
            took: format!("{}.{:02}", r.micros / 1000, r.micros % 1000 / 10),
        }
    }
}

/// Whether the thumbprint of the assertion named a registered certificate: the checks come in a fixed order, and the one
/// that refused tells how far it came.
fn matched(r: &SignInRecord) -> &'static str {
    let place = |id: &str| CHECKS.iter().position(|c| c.id == id);
    if r.alg.is_empty() || r.credential_type == "federatedIdentityCredential" {
        return "–";
    }
    if r.error_code == 0 || r.refused_by == "replay" {
        return "yes";
    }
    match (place(&r.refused_by), place("keys-registered"), place("key-found")) {
        (Some(at), _, Some(found)) if at > found => "yes",
        (Some(at), Some(first), Some(_)) if at >= first => "no",
        _ => "–",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_a_request_came_tells_whether_its_thumbprint_matched() {
        let with = |refused_by: &str, error_code| {
            let r = SignInRecord {
                alg: "RS256".into(),
                refused_by: refused_by.into(),
                error_code,
                ..SignInRecord::default()
            };
            matched(&r)
        };
        assert_eq!(with("", 0), "yes");
        assert_eq!(with("key-found", 700_027), "no");
        assert_eq!(with("signature", 700_027), "yes");
        assert_eq!(with("audience", 700_023), "yes");
        assert_eq!(with("client-known", 700_016), "–");
        assert_eq!(with("unheard-of", 1), "–");
    }

    #[test]
    fn what_strangers_sent_is_shown_as_text() {
        let evil = "<script>alert(1)</script>\"'";
        let r = SignInRecord {
            app_name: evil.into(),
            app_id: evil.into(),
            client: evil.into(),
            alg: evil.into(),
            failure_reason: evil.into(),
            correlation_id: evil.into(),
            error_code: 1,
            ..SignInRecord::default()
        };
        let html = Row::of(&r).render().unwrap();
        assert!(!html.contains("<script") && html.contains("&#60;script&#62;"), "{html}");
    }
}
