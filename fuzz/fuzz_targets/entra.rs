//! Error texts and times: nothing panics, and what is read from an error stands in it.
#![no_main]

use countersign_core::UnixTime;
use countersign_core::entra;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Some(time) = UnixTime::parse(&text) {
        let again = UnixTime::parse(&time.rfc3339()).expect("our own form");
        assert_eq!(again.secs(), time.secs());
    }
    let _ = UnixTime::parse_found_key(&text);
    if let Some(error) = entra::parse(&text) {
        for code in &error.codes {
            assert!(text.contains(&code.to_string()), "a number that does not stand there");
        }
        assert!(error.code().is_none_or(|code| error.codes.contains(&code)));
    }
    let clean = entra::text::clean(&text);
    assert!(!clean.contains(['<', '>', '"', '\\']) && !clean.chars().any(char::is_control), "{clean:?}");
    let _ = countersign_doctor::explain::page(&text);
    assert!(countersign_doctor::explain::suggest(&text).len() <= 5);
});
