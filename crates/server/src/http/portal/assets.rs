//! Style, script and icon of the portal, compiled in; their addresses carry a digest, so that browsers may keep them.
//!
//! Public: they say nothing of this service.

use std::sync::LazyLock;

use countersign_core::encoding::encode_hex_lower;
use countersign_core::thumbprint::sha256;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, StatusCode};

use super::{refuse, shell};
use crate::http::respond::Answer;

/// The style sheet.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of("portal", "css", "text/css; charset=utf-8", include_bytes!("../../../assets/portal.css"))
});
/// The script: live rows, copy buttons, dropped files.
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::of("portal", "js", "text/javascript; charset=utf-8", include_bytes!("../../../assets/portal.js"))
});
/// The icon.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::of("icon", "svg", "image/svg+xml", include_bytes!("../../../assets/icon.svg")));

/// A file.
pub(super) struct Asset {
    name: String,
    /// Its address.
    pub path: String,
    kind: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn of(stem: &str, extension: &str, kind: &'static str, bytes: &'static [u8]) -> Self {
        let name = format!("{stem}-{}.{extension}", &encode_hex_lower(&sha256(bytes))[..12]);
        Self { path: format!("{}assets/{name}", super::ROOT), name, kind, bytes }
    }
}

/// Answers with the file of that name.
pub(super) fn answer(name: &str) -> Answer {
    let Some(asset) = [&*STYLE, &*SCRIPT, &*ICON].into_iter().find(|a| a.name == name) else {
        return refuse(StatusCode::NOT_FOUND);
    };
    let mut response = shell::respond(StatusCode::OK, HeaderValue::from_static(asset.kind), asset.bytes);
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(CACHE_CONTROL, forever);
    response
}
