//! Reads what a token endpoint answers: a token (RFC 6749 §5.1) or a refusal (§5.2, with Entra's members).
//!
//! Called by `token_client`. Tolerant of what servers are known to vary; it never guesses a token that is not there.

use std::time::Duration;

use countersign_core::{UnixTime, entra};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::error::{Refusal, Sent};

/// A token is asked for anew this long before it ends, as Microsoft's libraries do.
const AHEAD: i64 = 300;
/// A token is not handed out in its last seconds: the request it is for must still arrive.
const MARGIN: i64 = 30;
/// Longest lifetime believed.
const LONGEST: i64 = 366 * 86_400;

/// An access token.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token.
    pub access_token: SecretString,
    /// `token_type`, `Bearer` as a rule.
    pub token_type: String,
    /// When it was asked for.
    pub issued_on: UnixTime,
    /// When it ends.
    pub expires_on: UnixTime,
    /// From when on a fresh one is asked for: `refresh_in`, else five minutes before it ends (a quarter of a short life).
    pub refresh_on: UnixTime,
    /// `scope`, where the server names it.
    pub scope: Option<String>,
}

impl Token {
    /// Reads a body that came with status 200. `asked` is when the request was sent, so that a token is never believed to live
    /// longer than it does.
    pub(crate) fn read(body: &[u8], asked: UnixTime) -> Result<Self, &'static str> {
        let json: Value = serde_json::from_slice(body).map_err(|_| "the body is no JSON")?;
        let access_token = text(&json, "access_token").filter(|t| !t.is_empty()).ok_or("there is no access_token")?;
        // RFC 6749 §5.1 only recommends expires_in; without it the token is used once.
        let lifetime = seconds(&json, "expires_in").unwrap_or(0);
        let expires_on = asked.plus_secs(lifetime);
        let refresh = seconds(&json, "refresh_in").filter(|r| *r < lifetime);
        let ahead = AHEAD.min(lifetime / 4);
        Ok(Self {
            access_token: SecretString::from(access_token),
            token_type: text(&json, "token_type").unwrap_or_else(|| "Bearer".to_owned()),
            issued_on: asked,
            expires_on,
            refresh_on: refresh.map_or_else(|| expires_on.plus_secs(-ahead), |r| asked.plus_secs(r)),
            scope: text(&json, "scope"),
        })
    }

    /// A token that somebody else got; when it ends is not known here.
    pub(crate) fn given(access_token: SecretString) -> Self {
        let far = UnixTime::from_secs(i64::from(u32::MAX));
        Self {
            access_token,
            token_type: "Bearer".to_owned(),
            issued_on: UnixTime::EPOCH,
            expires_on: far,
            refresh_on: far,
            scope: None,
        }
    }

    /// Whether it can be used for a request that is made now: not in its last 30 seconds, or tenth of a short life.
    pub fn is_good(&self, now: UnixTime) -> bool {
        let margin = MARGIN.min(self.expires_on.secs_since(self.issued_on) / 10);
        now < self.expires_on.plus_secs(-margin)
    }

    /// The value of an `Authorization` header.
    pub fn authorization(&self) -> SecretString {
        SecretString::from(format!("{} {}", self.token_type, self.access_token.expose_secret()))
    }
}

impl Refusal {
    /// Reads a body that came with another status; `None` when it is no JSON with an `error`.
    pub(crate) fn read(body: &[u8], status: u16, retry_after: Option<Duration>, sent: Sent) -> Option<Self> {
        let json: Value = serde_json::from_slice(body).ok()?;
        let description = text(&json, "error_description").unwrap_or_default();
        let listed = json.get("error_codes").and_then(Value::as_array);
        let mut codes: Vec<u32> =
            listed.into_iter().flatten().filter_map(|c| u32::try_from(c.as_u64()?).ok()).collect();
        if codes.is_empty() {
            codes = entra::parse::parse(&description).map(|e| e.codes).unwrap_or_default();
        }
        Some(Self {
            status,
            error: text(&json, "error")?,
            description,
            codes,
            trace_id: text(&json, "trace_id"),
            correlation_id: text(&json, "correlation_id"),
            claims: text(&json, "claims"),
            retry_after,
            body: String::from_utf8_lossy(body).into_owned(),
            sent,
        })
    }
}

fn text(json: &Value, name: &str) -> Option<String> {
    json.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// A number of seconds: an integer, a fraction, or text as the v1.0 endpoint writes it.
fn seconds(json: &Value, name: &str) -> Option<i64> {
    let value = match json.get(name)? {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().map(|f| f as i64))?,
        Value::String(s) => s.trim().parse().ok()?,
        _ => return None,
    };
    Some(value.clamp(0, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_kinds_of_expires_in() {
        let at = UnixTime::from_secs(1_000);
        for body in [
            &br#"{"access_token":"t","token_type":"Bearer","expires_in":3599}"#[..],
            br#"{"access_token":"t","expires_in":"3599"}"#,
            br#"{"access_token":"t","expires_in":3599.9}"#,
        ] {
            let token = Token::read(body, at).unwrap();
            assert_eq!(token.expires_on, at.plus_secs(3_599));
            assert_eq!(token.refresh_on, at.plus_secs(3_299));
            assert_eq!(token.token_type, "Bearer");
            assert!(token.is_good(at.plus_secs(3_568)) && !token.is_good(at.plus_secs(3_569)));
        }
        let short = Token::read(br#"{"access_token":"t","expires_in":20}"#, at).unwrap();
        assert_eq!(short.refresh_on, at.plus_secs(15));
        assert!(short.is_good(at.plus_secs(17)) && !short.is_good(at.plus_secs(18)));
        let early = Token::read(br#"{"access_token":"t","expires_in":86399,"refresh_in":43199}"#, at).unwrap();
        assert_eq!(early.refresh_on, at.plus_secs(43_199));
    }

    #[test]
    fn no_token_is_no_token() {
        let at = UnixTime::EPOCH;
        assert_eq!(Token::read(br#"{"token_type":"Bearer"}"#, at).err(), Some("there is no access_token"));
        assert_eq!(Token::read(br#"{"access_token":""}"#, at).err(), Some("there is no access_token"));
        assert_eq!(Token::read(b"<html>", at).err(), Some("the body is no JSON"));
        assert_eq!(Token::read(br#"{"access_token":"t"}"#, at).unwrap().expires_on, at, "used once");
    }

    #[test]
    fn reads_a_refusal_with_and_without_error_codes() {
        let read = |body: &[u8]| Refusal::read(body, 401, None, Sent::default());
        let r = read(br#"{"error":"invalid_client","error_description":"AADSTS700027: x","error_codes":[700027],"trace_id":"t"}"#);
        let r = r.unwrap();
        assert_eq!((r.codes, r.trace_id.as_deref(), r.status), (vec![700_027], Some("t"), 401));
        let r =
            read(br#"{"error":"invalid_client","error_description":"AADSTS700016: Application with identifier 'x'"}"#)
                .unwrap();
        assert_eq!(r.codes, [700_016]);
        assert!(read(b"<html>").is_none() && read(br#"{"message":"no"}"#).is_none());
    }
}
