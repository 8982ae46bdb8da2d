//! Finds compact JWTs in text, also wrapped over lines, cut, or with the signature taken out.
//!
//! Called by [`super`]; what kind of token it is, the evidence decides later.

use std::ops::Range;

use countersign_core::jose::UnverifiedJwt;
use zeroize::Zeroizing;

use crate::artifact::{Content, Jwt, Place};
use crate::words;

/// Shortest header segment that can hold `{"alg":"none"}`.
const MIN_SEGMENT: usize = 12;

/// Reads a text that is meant to be a JWT.
pub fn read(text: &str, place: Place) -> Option<Jwt> {
    let compact: String = text.trim().trim_matches(['"', '\'', '`']).chars().filter(|c| !c.is_whitespace()).collect();
    let mut parts = compact.splitn(3, '.');
    let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next());
    if header.len() < MIN_SEGMENT {
        return None;
    }
    let whole = Zeroizing::new(compact.clone());
    let parsed = UnverifiedJwt::read(&whole);
    if let Ok(jwt) = parsed {
        let signature_whole = is_whole(&jwt);
        return Some(Jwt { text: whole, parsed: Ok(jwt), signature_whole, place });
    }
    // The signature may be replaced by dots, stars or a word; header and claims still speak.
    let without = UnverifiedJwt::read(&format!("{header}.{payload}."));
    match without {
        Ok(jwt) => {
            let genuine = signature.is_some_and(|s| s.contains('.'));
            if genuine {
                // Five parts: an encrypted token.
                return Some(Jwt { text: whole, parsed, signature_whole: true, place });
            }
            Some(Jwt { text: whole, parsed: Ok(jwt), signature_whole: false, place })
        }
        Err(_) => Some(Jwt { text: whole, parsed, signature_whole: true, place }),
    }
}

/// Reads what is known to have been sent, byte for byte: nothing is mended, and what is missing was not there.
pub fn read_as_sent(text: &str, place: Place) -> Jwt {
    Jwt { text: Zeroizing::new(text.to_owned()), parsed: UnverifiedJwt::read(text), signature_whole: true, place }
}

/// A signature has at least the length of the smallest used (32 bytes of HMAC); `alg: none` has none.
fn is_whole(jwt: &UnverifiedJwt) -> bool {
    let none = jwt.header.alg.text().is_some_and(|a| a.eq_ignore_ascii_case("none"));
    none || jwt.compact.signature.bytes.len() >= 32
}

/// Finds the JWTs in a text, with their byte ranges.
pub fn find(text: &str) -> Vec<(Range<usize>, Content)> {
    let mut out: Vec<(Range<usize>, Content)> = Vec::new();
    let mut at = 0;
    while let Some(found) = words::token_start(&text[at..]).map(|i| i + at) {
        let before = text[..found].chars().next_back();
        if before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            at = found + 3;
            continue;
        }
        let end = extent(text, found);
        let token = &text[found..end];
        match jwt_in(token) {
            Some(jwt) => {
                let place = match text[..found].trim_end().to_ascii_lowercase() {
                    before if before.ends_with("bearer") || before.ends_with("access_token=") => Place::AccessToken,
                    _ => Place::Bare,
                };
                out.push((found..end, Content::Jwt(Box::new(Jwt { place, ..jwt }))));
                at = end;
            }
            None => at = found + 3,
        }
        if out.len() >= 64 {
            break;
        }
    }
    out
}

fn jwt_in(token: &str) -> Option<Jwt> {
    if token.matches('.').count() < 1 {
        return None;
    }
    let jwt = read(token, Place::Bare)?;
    let header_reads = countersign_core::encoding::decode_base64(token.split('.').next()?.trim())
        .is_ok_and(|d| countersign_core::jose::header::UnverifiedHeader::read(&d.bytes).is_ok());
    (jwt.parsed.is_ok() || header_reads).then_some(jwt)
}

/// End of the run of JWT characters, going over line breaks while the next line continues it.
fn extent(text: &str, start: usize) -> usize {
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '*' | '…' | '[' | ']');
    let mut end = start;
    let rest = &text[start..];
    let mut dots = 0;
    let mut lines = rest.split_inclusive('\n');
    let Some(first) = lines.next() else { return start };
    let run = |line: &str| line.find(|c| !is_part(c)).unwrap_or(line.len());
    let length = run(first);
    end += length;
    dots += first[..length].matches('.').count();
    // Only a token that fills its line to the end, and long ones, go on in the next line.
    let mut filled = first[length..].trim().is_empty() && length >= 40;
    let mut last = length;
    let mut offset = first.len();
    for line in lines {
        let indent = line.len() - line.trim_start().len();
        let body = line.trim();
        let length = run(body);
        let continues = filled
            && !body.is_empty()
            && length == body.len()
            && words::token_start(body) != Some(0)
            && !body.starts_with("--")
            && (dots < 2 || last >= 40);
        if !continues || start + offset - end > 512 {
            break;
        }
        dots += body.matches('.').count();
        end = start + offset + indent + length;
        filled = length >= 40;
        last = length;
        offset += line.len();
    }
    // A sentence's full stop behind the token is no part of it.
    while text[start..end].ends_with(['.', ']', '[']) && text[start..end].matches('.').count() > 2 {
        end -= 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::encoding::encode_base64url;

    fn token() -> String {
        format!(
            "{}.{}.{}",
            encode_base64url(br#"{"alg":"RS256","typ":"JWT"}"#),
            encode_base64url(br#"{"iss":"a","sub":"a"}"#),
            "A".repeat(342)
        )
    }

    #[test]
    fn finds_tokens_in_prose_and_over_lines() {
        let t = token();
        assert_eq!(find(&format!("here: {t}, see")).len(), 1);
        let wrapped: String =
            t.as_bytes().chunks(64).map(|c| format!("{}\n", std::str::from_utf8(c).unwrap())).collect();
        let found = find(&wrapped);
        assert_eq!(found.len(), 1);
        let Content::Jwt(jwt) = &found[0].1 else { panic!("a JWT") };
        assert_eq!(jwt.text.as_str(), t);
    }

    #[test]
    fn a_token_without_its_signature_still_speaks() {
        let t = token();
        let cut = &t[..t.rfind('.').unwrap()];
        for text in [
            format!("{cut}.***"),
            format!("{cut}.[redacted]"),
            format!("{cut}.<signature>"),
            cut.to_owned(),
            format!("{cut}.AAAA"),
        ] {
            let found = find(&text);
            let Some((_, Content::Jwt(jwt))) = found.first() else { panic!("{text}") };
            assert!(jwt.parsed.is_ok() && !jwt.signature_whole, "{text}");
        }
    }

    #[test]
    fn words_are_no_tokens() {
        assert!(find("eyJust a word. And another. eyJ").is_empty());
        assert!(find("ewok.example.com and framework.example.com").is_empty());
    }

    #[test]
    fn tokens_of_indented_json_are_found() {
        let spaced = |h: &str, c: &str| {
            format!("{}.{}.{}", encode_base64url(h.as_bytes()), encode_base64url(c.as_bytes()), "A".repeat(342))
        };
        for (h, c) in [
            ("{\r\n    \"alg\":  \"RS256\"\r\n}", "{\r\n    \"iss\":  \"a\"\r\n}"),
            ("{\n  \"alg\": \"RS256\"\n}", "{\n  \"iss\": \"a\"\n}"),
            ("{ \"alg\": \"RS256\" }", "{ \"iss\": \"a\" }"),
            ("{\t\"alg\":\"RS256\"}", "{\t\"iss\":\"a\"}"),
        ] {
            let found = find(&format!("token: {}\n", spaced(h, c)));
            let Some((_, Content::Jwt(jwt))) = found.first() else { panic!("{h}") };
            assert!(jwt.parsed.is_ok(), "{h}");
        }
    }
}
