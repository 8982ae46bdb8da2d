//! Compact JWS, header, claims: nothing panics, and the segments are those of the text.
#![no_main]

use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::claims::UnverifiedClaims;
use countersign_core::jose::compact::Compact;
use countersign_core::jose::header::{ThumbprintMember, UnverifiedHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = UnverifiedHeader::read(data);
    if let Ok(claims) = UnverifiedClaims::read(data) {
        let _ = (claims.exp.time(), claims.nbf.time(), claims.iat.time(), claims.iss.text());
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = ThumbprintMember::read(text).bytes();
    if let Ok(jws) = Compact::read(text) {
        let parts: Vec<&str> = jws.segments().iter().map(|(name, _)| jws.segment_text(*name)).collect();
        assert_eq!(parts.join("."), text, "the segments are not the text");
        assert_eq!(jws.signing_input(), format!("{}.{}", parts[0], parts[1]).as_bytes());
        assert!(jws.without_signature().starts_with(&format!("{}.{}", parts[0], parts[1])));
        assert!(jws.without_signature().len() <= parts[0].len() + parts[1].len() + 2);
    }
    if let Ok(jwt) = UnverifiedJwt::read(text) {
        let _ = (jwt.header.alg.text(), jwt.header.kid.text(), jwt.claims.exp.time());
    }
});
