//! Key and certificate files of any kind, PKCS#12 and mended PEM included: an answer always, and no key in any message.
#![no_main]

use countersign_core::keyfile::{self, load_identity};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for password in [None, Some("correct-horse")] {
        let file = keyfile::read(data, password);
        assert!(file.items.len() <= keyfile::MAX_ITEMS + 1);
        for item in &file.items {
            if let Some(span) = &item.span {
                assert!(span.start <= span.end && span.end <= data.len(), "a part outside of the file");
            }
            let _ = item.kind.describe();
        }
        let _ = (file.leaf(), file.chain(), file.describe(), file.has_closed_key());
        let said = format!("{file:?}");
        for key in file.private_keys() {
            let secret = key.pkcs8_der();
            let hex: String = secret.iter().rev().take(12).rev().map(|b| format!("{b:02x}")).collect();
            let list = format!("{:?}", &secret[secret.len().saturating_sub(12)..]);
            assert!(!said.contains(&hex) && !said.contains(list.trim_matches(['[', ']'])), "a key in Debug");
        }
        match load_identity(&[("a", data)], password) {
            Ok(identity) => assert!(identity.key.matches(&identity.certificate), "a key beside another's certificate"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
});
