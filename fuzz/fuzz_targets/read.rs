//! The doctor's reader: any bytes become artifacts, and no artifact's Debug form gives a password away.
#![no_main]

use countersign_doctor::read::read;
use libfuzzer_sys::fuzz_target;
use zeroize::Zeroizing;

fuzz_target!(|data: &[u8]| {
    let passwords = [Zeroizing::new("correct-horse".to_owned())];
    for file in countersign_fuzz::files(data) {
        let artifacts = read("a", file, &passwords);
        assert!(!artifacts.is_empty() || file.iter().all(u8::is_ascii_whitespace) || file.len() < 64);
    }
});
