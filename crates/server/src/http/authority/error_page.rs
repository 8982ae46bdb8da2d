//! The page behind `error_uri`: what an AADSTS code means, how to check it and how to mend it. The words are the doctor's.
//!
//! Without script or outside resource; of the request only digits reach it.

use countersign_core::entra::KNOWN;
use countersign_doctor::explain;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};

use crate::http::respond::{Answer, HTML, answer};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:46em;margin:2.5em auto;padding:0 1em;color:#1b1b1b;\
    background:#fff}pre{overflow-x:auto;background:#f4f4f4;padding:.7em 1em}code{font-family:ui-monospace,monospace}\
    table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:left}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}pre{background:#262626}td,th{border-color:#444}\
    a{color:#8ab4f8}}";

/// The page for the `code` of a query.
pub fn page(query: &str) -> Answer {
    let code = query.split('&').find_map(|p| p.strip_prefix("code=")).and_then(|c| c.parse::<u32>().ok());
    let name = code.map(|c| format!("AADSTS{c}"));
    let written = name.as_deref().and_then(explain::page);
    let known = code.and_then(|c| KNOWN.iter().find(|k| k.code == c));
    let (status, title, body) = match (written, known, name) {
        (Some(page), _, Some(name)) => (StatusCode::OK, name, page.render_html()),
        (None, Some(known), Some(name)) => {
            let body = format!("<h1>{name}</h1><p>{}</p>", escape(known.meaning));
            (StatusCode::OK, name, body)
        }
        _ => {
            let body = "<h1>Unknown code</h1><p>This page explains AADSTS codes: <code>/error?code=700027</code></p>";
            (StatusCode::NOT_FOUND, "Unknown code".to_owned(), body.to_owned())
        }
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>{body}</body></html>"
    );
    let mut response = answer(status, HTML, html);
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
        ),
    );
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_code_has_a_page() {
        for known in KNOWN {
            assert_eq!(page(&format!("code={}", known.code)).status(), StatusCode::OK, "{}", known.code);
        }
    }

    #[test]
    fn only_digits_reach_the_page() {
        for odd in ["", "code=", "code=<script>", "code=-1", "code=99999999999999", "code=%00", "x=700027"] {
            assert_eq!(page(odd).status(), StatusCode::NOT_FOUND, "{odd}");
        }
    }
}
