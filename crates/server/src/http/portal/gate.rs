//! Which requests are let in: the session's cookie, the origin of a form, where a link came from.
//!
//! Called by [`super::answer`] before anything else. Cookies are not told apart by port, so that theirs carries it.

use http::header::{GetAll, HeaderValue, ORIGIN};
use http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;

/// Name of the session's cookie under a base URL. `__Host-` binds it to the host and to HTTPS.
pub(super) fn cookie_name(base: &str) -> String {
    let secure = base.starts_with("https:");
    let port = base.rsplit_once(':').map_or("", |(_, port)| port);
    let port = if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) { port } else { "std" };
    format!("{}countersign-{port}", if secure { "__Host-" } else { "" })
}

/// `Set-Cookie` of a session. Over plain HTTP, which is possible on loopback alone, browsers take `Secure` cookies too:
/// they treat loopback as trustworthy (W3C Secure Contexts §3.1).
pub(super) fn set_cookie(base: &str, value: &str) -> String {
    let age = if value.is_empty() { "; Max-Age=0" } else { "" };
    format!("{}={value}; Path=/; HttpOnly; Secure; SameSite=Strict{age}", cookie_name(base))
}

/// The value of the session's cookie.
pub(super) fn cookie<'a>(headers: GetAll<'a, HeaderValue>, base: &str) -> Option<&'a str> {
    let name = cookie_name(base);
    headers
        .iter()
        .filter_map(|h| h.to_str().ok())
        .flat_map(|h| h.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(n, value)| *n == name && !value.is_empty() && value.len() <= 64)
        .map(|(_, value)| value)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// Whether a form was sent from a page of ours. Every browser names the origin of a form; what names none is no browser.
pub(super) fn own_origin(headers: &HeaderMap, base: &str) -> bool {
    let site = text(headers, "sec-fetch-site").unwrap_or("same-origin");
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (Some(origin), None) => origin.as_bytes().eq_ignore_ascii_case(base.as_bytes()) && site == "same-origin",
        _ => false,
    }
}

/// Whether something that only our own script asks for comes from it: not from another site, nor from another port.
pub(super) fn own_script(headers: &HeaderMap, base: &str) -> bool {
    let site = text(headers, "sec-fetch-site").is_none_or(|s| s == "same-origin" || s == "none");
    site && headers.get(ORIGIN).is_none_or(|o| o.as_bytes().eq_ignore_ascii_case(base.as_bytes()))
}

/// Whether somebody followed a link on another site: then a cookie with `SameSite=Strict` stayed behind.
pub(super) fn cross_site_link(headers: &HeaderMap) -> bool {
    text(headers, "sec-fetch-mode") == Some("navigate")
        && text(headers, "sec-fetch-site") == Some("cross-site")
        && text(headers, header::COOKIE.as_str()).is_none()
}

/// Compares in constant time; an empty text equals nothing.
pub(super) fn same(given: &str, right: &str) -> bool {
    !given.is_empty() && bool::from(given.as_bytes().ct_eq(right.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_come_from_our_own_pages() {
        let base = "https://localhost:8443";
        let with = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            headers
        };
        assert!(own_origin(&with(&[("origin", base)]), base));
        assert!(own_origin(&with(&[("origin", base), ("sec-fetch-site", "same-origin")]), base));
        for wrong in [
            &[][..],
            &[("origin", "null")],
            &[("origin", "https://localhost:8444")],
            &[("origin", "http://localhost:8443")],
            &[("origin", "https://localhost:8443.evil.example")],
            &[("origin", base), ("origin", base)],
            &[("origin", base), ("sec-fetch-site", "cross-site")],
        ] {
            assert!(!own_origin(&with(wrong), base), "{wrong:?}");
        }
        assert!(own_script(&with(&[("sec-fetch-site", "same-origin")]), base));
        assert!(!own_script(&with(&[("sec-fetch-site", "same-site")]), base));
        assert!(!own_script(&with(&[("origin", "https://evil.example")]), base));
    }

    #[test]
    fn the_cookie_carries_the_port_and_every_guard() {
        assert_eq!(cookie_name("https://localhost:8443"), "__Host-countersign-8443");
        assert_eq!(cookie_name("https://sts.example"), "__Host-countersign-std");
        assert_eq!(cookie_name("http://[::1]:80"), "countersign-80");
        let set = set_cookie("https://localhost:8443", "v");
        assert!(["HttpOnly", "Secure", "SameSite=Strict", "Path=/"].iter().all(|g| set.contains(g)));
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_static("a=b; __Host-countersign-8443=v; c"));
        assert_eq!(cookie(headers.get_all("cookie"), "https://localhost:8443"), Some("v"));
        assert_eq!(cookie(headers.get_all("cookie"), "https://localhost:8444"), None);
        assert!(same("a", "a") && !same("", "") && !same("a", "b"));
    }
}
