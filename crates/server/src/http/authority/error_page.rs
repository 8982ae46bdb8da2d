//! The page behind `error_uri`: what an AADSTS code means and what to do, without script or outside resource.

use countersign_core::entra::KNOWN;
use http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use http::{Method, StatusCode};

use crate::http::respond::{Answer, HTML, answer};

/// The page for the `code` of a query.
pub fn page(query: &str) -> Answer {
    // Digits or nothing: whatever else stands there never reaches the page.
    let code = query.split('&').find_map(|p| p.strip_prefix("code=")).and_then(|c| c.parse::<u32>().ok());
    let (status, title, body) = match code.and_then(|c| KNOWN.iter().find(|k| k.code == c)) {
        Some(known) => {
            let mut body = format!("<p>{}</p>", escape(known.meaning));
            if let Some(error) = known.oauth_error {
                body.push_str(&format!("<p>It comes with the OAuth error <code>{}</code>.</p>", escape(error)));
            }
            body.push_str(&format!(
                "<p>More, with the ways to cause it and to mend it: <code>countersign explain {}</code></p>",
                known.code
            ));
            (StatusCode::OK, format!("AADSTS{}", known.code), body)
        }
        None => (
            StatusCode::NOT_FOUND,
            "Unknown code".to_owned(),
            "<p>This page explains AADSTS codes: <code>/error?code=700027</code></p>".to_owned(),
        ),
    };
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>body{{font:16px/1.5 system-ui,sans-serif;\
         max-width:40em;margin:3em auto;padding:0 1em}}</style></head><body><h1>{title}</h1>{body}</body></html>"
    );
    let mut response = answer(status, HTML, html);
    response.headers_mut().insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"),
    );
    response
}

/// Whether the page answers a method.
pub fn takes(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_reach_the_page() {
        assert_eq!(page("code=700027").status(), StatusCode::OK);
        for odd in ["", "code=", "code=<script>", "code=-1", "code=99999999999999", "code=%00", "x=700027"] {
            assert_eq!(page(odd).status(), StatusCode::NOT_FOUND, "{odd}");
        }
    }
}
