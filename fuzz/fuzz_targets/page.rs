//! The browser's door: any text is answered with JSON of the agreed form.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let answer: serde_json::Value = serde_json::from_str(&countersign_wasm::examine(text)).expect("JSON");
    assert_eq!(answer["schema"], 1);
});
