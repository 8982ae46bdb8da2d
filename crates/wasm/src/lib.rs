//! The doctor for browsers and Node: one function, JSON in, JSON out; see `page/` for the page around it.
//!
//! Called through [`abi`] by `page/engine.js`, which the page and the tests share. It has no network, no clock and no
//! randomness to reach for: the time is an argument, and the module imports nothing from its host.

pub mod abi;
mod request;

use countersign_core::crypto::rustcrypto::RustCrypto;
use countersign_doctor::{Report, render};
use serde::Serialize;

use request::{Format, Request, RequestError};

/// The version of the request and of the answer.
pub const SCHEMA: u32 = 1;

/// Columns of the text: what every terminal and a quoted mail have.
const TEXT_WIDTH: usize = 80;

/// Examines what `request` holds.
///
/// The request, in JSON:
/// ```json
/// {"files": [{"name": "error.txt", "text": "…"}, {"name": "key.pfx", "base64": "…"}],
///  "options": {"now": "2026-08-20T10:00:00Z", "at": null, "tenant": null, "client_id": null,
///              "passwords": [], "profile": null, "redact": false},
///  "formats": ["json", "text", "html"]}
/// ```
/// Only `files` and `options.now` must be there; `formats` is `["json"]` when absent. The answer:
/// `{"schema": 1, "exit_code": 1, "report": {…}, "text": "…", "html": "…"}`, where `report` is what `doctor --format
/// json` prints and `exit_code` what it ends with, or `{"schema": 1, "error": {"code": "…", "message": "…"}}`.
pub fn examine(request: &str) -> String {
    let answer = match Request::read(request) {
        Ok(request) => answer(&request),
        Err(error) => Answer::refused(&error),
    };
    // Maps with text keys, numbers and text: nothing that JSON could not hold.
    serde_json::to_string(&answer).unwrap_or_else(|_| {
        r#"{"schema":1,"error":{"code":"internal","message":"the report could not be written as JSON"}}"#.to_owned()
    })
}

fn answer(request: &Request) -> Answer {
    let report = countersign_doctor::examine(&request.inputs(), &request.options, &RustCrypto);
    let wants = |format| request.formats.contains(&format);
    Answer {
        schema: SCHEMA,
        exit_code: Some(report.exit_code()),
        text: wants(Format::Text).then(|| render::text::render(&report, TEXT_WIDTH, false)),
        html: wants(Format::Html).then(|| render::html::render(&report)),
        report: wants(Format::Json).then_some(report),
        error: None,
    }
}

#[derive(Serialize)]
struct Answer {
    schema: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
}

impl Answer {
    fn refused(error: &RequestError) -> Self {
        let fault = Fault { code: error.code(), message: error.to_string() };
        Self { schema: SCHEMA, exit_code: None, report: None, text: None, html: None, error: Some(fault) }
    }
}

#[derive(Serialize)]
struct Fault {
    code: &'static str,
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(files: &serde_json::Value, formats: &serde_json::Value) -> serde_json::Value {
        let request = serde_json::json!({
            "files": files, "options": {"now": "2026-08-20T10:00:00Z"}, "formats": formats,
        });
        serde_json::from_str(&examine(&request.to_string())).unwrap()
    }

    #[test]
    fn the_answer_holds_the_formats_asked_for() {
        let file = serde_json::json!([{"name": "error.txt", "text": "AADSTS700016: Application with identifier 'a' was not found"}]);
        let members = |formats| {
            let answer = ask(&file, &formats);
            ["report", "text", "html"].map(|member| answer.get(member).is_some())
        };
        assert_eq!(members(serde_json::json!(["json"])), [true, false, false]);
        assert_eq!(members(serde_json::json!(["text", "html"])), [false, true, true]);
        let answer = ask(&file, &serde_json::json!(["json"]));
        assert_eq!(answer["schema"], SCHEMA);
        assert_eq!(answer["report"]["verdict"], "refused");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let answer: serde_json::Value = serde_json::from_str(&examine(&text)).unwrap();
            prop_assert_eq!(&answer["schema"], &serde_json::json!(SCHEMA));
        }

        #[test]
        fn any_file_is_examined(text in any::<String>()) {
            let answer = ask(&serde_json::json!([{"name": "a", "text": text}]), &serde_json::json!(["json", "text", "html"]));
            prop_assert!(answer.get("error").is_none());
        }
    }
}
