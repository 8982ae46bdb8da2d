//! Token requests: form body, query and Basic header as a service gets them; URLs of an authority.
//!
//! The input's first line is the query, the second the `Authorization` header, the third Content-Type, the rest the body.
#![no_main]

use countersign_core::authority::{Authority, AuthorityUrl, TenantSegment};
use countersign_core::request::{EndpointVersion, TokenRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(4, |b| *b == b'\n');
    let mut line = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (query, authorization, content_type, body) = (line(), line(), line(), line());
    let content_type = match content_type.as_str() {
        "" => Some("application/x-www-form-urlencoded"),
        other => Some(other),
    };
    let request =
        TokenRequest::read(&query, EndpointVersion::V2, content_type, body.as_bytes(), &query, Some(&authorization));
    let _ = (request.repeated(), request.client_id());
    for parameter in &request.parameters {
        assert!(request.parameter(&parameter.name).is_some());
    }
    let _ = format!("{:?}", TenantSegment::read(&query));
    let url = AuthorityUrl::of_path(&query);
    assert!(query.contains(url.tenant));
    let _ = Authority::new(["https://login.microsoftonline.com"]).split(&query).is_some();
});
