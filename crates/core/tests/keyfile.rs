//! The key file reader against files that openssl and Java's keytool made (see `fixtures/keyfile/README.md`).
//!
//! What reading has to mend in text is tested beside the PEM scanner; here is what needs real files.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be had is a failure")]

use std::path::{Path, PathBuf};

use countersign_core::crypto::Provider;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding;
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::{
    self, Format, IdentityError, ItemKind, KeyFile, LooksLike, Problem, Repair, Variant, load_identity,
};

const PASSWORD: &str = "correct-horse";

#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keyfile").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

fn read(name: &str, password: Option<&str>) -> KeyFile {
    keyfile::read(&fixture(name), password)
}

/// The key of every fixture is the same.
fn assert_the_key(file: &KeyFile, name: &str) {
    let expected = read("key.pem", None);
    assert_eq!(file.private_key(), expected.private_key(), "{name}");
    assert!(file.private_key().is_some(), "{name}: {file:?}");
}

fn assert_the_pair(file: &KeyFile, name: &str) {
    assert_the_key(file, name);
    let leaf = file.leaf().unwrap_or_else(|| panic!("{name}: {file:?}"));
    assert_eq!(leaf.der(), fixture("cert.der"), "{name}");
    assert!(file.problems.is_empty(), "{name}: {:?}", file.problems);
}

#[test]
fn every_form_of_a_private_key_is_the_same_key() {
    for name in ["key.pem", "key.pkcs1.pem", "key.pkcs8.der"] {
        let file = read(name, None);
        assert_the_key(&file, name);
        assert!(file.problems.is_empty() && file.repairs.is_empty(), "{name}: {file:?}");
        assert!(!file.items[0].was_encrypted);
    }
    assert_eq!(read("key.pkcs8.der", None).format, Format::Der);
    let ec = read("ec.sec1.pem", None);
    let certificate = read("ec.cert.pem", None);
    assert!(ec.private_key().unwrap().matches(certificate.leaf().unwrap()));
}

#[test]
fn encrypted_keys_open_with_the_password_and_ask_for_it_without() {
    for name in [
        "key.pbes2-aes.pem",
        "key.pbes2-des3.pem",
        "key.scrypt.pem",
        "key.pbes1-3des.pem",
        "key.traditional-aes256.pem",
        "key.traditional-des3.pem",
    ] {
        let file = read(name, Some(PASSWORD));
        assert_the_key(&file, name);
        assert!(file.problems.is_empty(), "{name}: {:?}", file.problems);
        assert!(file.items[0].was_encrypted);

        let closed = read(name, None);
        assert!(closed.private_key().is_none() && closed.has_closed_key(), "{name}");
        let label = closed.items[0].label.clone();
        assert_eq!(closed.problems, [Problem::EncryptedWithoutPassword { label: label.clone() }]);
        let traditional = matches!(closed.items[0].kind, ItemKind::EncryptedKey { traditional: true, .. });
        assert_eq!(traditional, name.contains("traditional"), "{name}");

        let wrong = read(name, Some("battery-staple"));
        assert!(wrong.private_key().is_none(), "{name}");
        assert_eq!(wrong.problems, [Problem::WrongPassword { label, works_with: None }], "{name}");
    }
}

#[test]
fn encryption_that_is_not_supported_is_named() {
    let file = read("key.pbes1-des.pem", Some(PASSWORD));
    assert_eq!(file.problems, [Problem::UnsupportedEncryption { scheme: "DES with MD5".into() }]);
    assert!(file.has_closed_key());
}

#[test]
fn every_pkcs12_opens() {
    for name in ["modern.pfx", "legacy.pfx", "3des.pfx", "keysig.pfx", "nomac.pfx", "sha512.pfx", "chain.pfx"] {
        let file = read(name, Some(PASSWORD));
        assert_the_pair(&file, name);
        assert_eq!(file.format, Format::Pkcs12);
        let about = file.pkcs12().unwrap();
        assert!(about.opened && !about.empty_password_works && !about.ber, "{name}");
        assert_eq!(about.keys, 1, "{name}");
        assert_eq!(about.aliases, ["payroll"], "{name}");
    }
    for name in ["empty.pfx", "empty-legacy.pfx", "plain.pfx"] {
        for password in [None, Some("")] {
            let file = read(name, password);
            assert_the_pair(&file, name);
            assert!(file.pkcs12().unwrap().empty_password_works);
        }
    }
    let chain = read("chain.pfx", Some(PASSWORD)).chain();
    let names: Vec<_> = chain.iter().map(|c| c.common_name().unwrap()).collect();
    assert_eq!(names, ["payroll", "Test CA"]);
    let nokey = read("nokey.pfx", Some(PASSWORD));
    assert!(nokey.private_key().is_none() && nokey.certificates().count() == 1);
    assert_eq!(nokey.describe(), "a PKCS#12 (PFX) file with a certificate");
}

#[test]
fn pkcs12_tells_its_encryption_without_the_password() {
    for (name, legacy, modern, mac, schemes) in [
        ("modern.pfx", false, true, Some("SHA-256"), &["PBES2 (PBKDF2-HMAC-SHA256, AES-256-CBC)"][..]),
        ("legacy.pfx", true, false, Some("SHA-1"), &["40-bit RC2 with SHA-1", "3DES with SHA-1"]),
        ("3des.pfx", true, false, Some("SHA-1"), &["3DES with SHA-1"]),
        ("nomac.pfx", false, true, None, &["PBES2 (PBKDF2-HMAC-SHA256, AES-256-CBC)"]),
        ("plain.pfx", false, false, None, &[]),
    ] {
        let file = read(name, Some("battery-staple"));
        let about = file.pkcs12().unwrap();
        assert_eq!((about.is_legacy(), about.is_modern()), (legacy, modern), "{name}");
        assert_eq!(about.mac.as_ref().map(|m| m.digest.as_str()), mac, "{name}");
        assert_eq!(about.encryption.iter().map(|e| e.name.as_str()).collect::<Vec<_>>(), schemes, "{name}");
        assert_eq!(about.keys, 1, "{name}");
    }
}

#[test]
fn a_wrong_password_is_told_and_its_variants_are_tried() {
    let wrong = |name: &str, password: &str| {
        let file = read(name, Some(password));
        match file.problems.as_slice() {
            [Problem::WrongPassword { works_with, label }] => {
                assert!(!format!("{label}{}", file.problems[0]).contains(PASSWORD));
                assert_eq!(file.private_key().is_some(), works_with.is_some(), "{name}");
                *works_with
            }
            other => panic!("{name} {password:?}: {other:?}"),
        }
    };
    for name in ["modern.pfx", "legacy.pfx", "nomac.pfx", "key.pbes2-aes.pem", "key.traditional-des3.pem"] {
        assert_eq!(wrong(name, "battery-staple"), None, "{name}");
        assert_eq!(wrong(name, "\"correct-horse\""), Some(Variant::Unquoted), "{name}");
        assert_eq!(wrong(name, "'correct-horse'\n"), Some(Variant::Unquoted), "{name}");
        assert_eq!(wrong(name, "correct-horse\r\n"), Some(Variant::Trimmed), "{name}");
        assert_eq!(wrong(name, " correct-horse "), Some(Variant::Trimmed), "{name}");
    }
    assert_eq!(wrong("empty.pfx", PASSWORD), Some(Variant::Empty));
    assert_eq!(wrong("modern.pfx", ""), None);
    let closed = read("modern.pfx", None);
    assert_eq!(closed.problems, [Problem::EncryptedWithoutPassword { label: "PKCS#12".into() }]);
    assert!(!closed.pkcs12().unwrap().opened && closed.has_closed_key());
    // Beyond the characters that can be tried.
    let horse = read("modern.pfx", Some("\u{1F40E}")).problems;
    assert!(matches!(horse[..], [Problem::UnsupportedEncryption { .. }]), "{horse:?}");
}

#[test]
fn a_pkcs12_that_would_cost_too_much_is_refused_unopened() {
    let file = read("costly.pfx", Some(PASSWORD));
    assert_eq!(file.problems, [Problem::TooManyIterations { found: 1_500_000, limit: 1_000_000 }]);
}

#[test]
fn rounds_are_counted_over_all_files_and_the_rest_stays_closed() {
    let bytes = fixture("modern.pfx");
    let mut rounds = 100_000;
    let opened = keyfile::read_within(&bytes, Some(PASSWORD), keyfile::MAX_VARIANTS, &mut rounds);
    assert_eq!(opened.private_keys().count(), 1);
    let cost = 100_000 - rounds;
    assert!(cost > 2_048 * 2, "{cost}");
    let mut left = cost - 1;
    let closed = keyfile::read_within(&bytes, Some(PASSWORD), keyfile::MAX_VARIANTS, &mut left);
    assert_eq!(closed.problems, [Problem::TooManyIterations { found: cost, limit: cost - 1 }]);
    assert_eq!(left, cost - 1, "nothing was spent on what stayed closed");
    // A wrong password and its variants: as often as the rounds suffice, and no round more.
    let mut left = cost * 3 + 1;
    let guessed = keyfile::read_within(&bytes, Some("wrong"), keyfile::MAX_VARIANTS, &mut left);
    assert!(
        matches!(guessed.problems[..], [Problem::WrongPassword { works_with: None, .. }]),
        "{:?}",
        guessed.problems
    );
    assert_eq!(left, 1);
    // Rounds enough: then the number of variants is the bound.
    for (password, variants) in [("wrong", 4), (" \"wrong\"\n", 3), ("wrong", 1)] {
        let mut left = cost * 100;
        let _ = keyfile::read_within(&bytes, Some(password), variants, &mut left);
        assert_eq!((cost * 100 - left) / cost, variants as u64, "{password:?}");
    }
    let mut left = cost * 100;
    let _ = keyfile::read_within(&bytes, Some(" \"wrong\"\n"), keyfile::MAX_VARIANTS, &mut left);
    assert!((cost * 100 - left) / cost <= keyfile::MAX_VARIANTS as u64);
}

#[test]
fn two_entries_of_a_java_keystore_are_counted() {
    let file = read("two.pfx", Some(PASSWORD));
    let about = file.pkcs12().unwrap();
    assert_eq!((about.keys, about.certificates), (2, 2));
    assert_eq!(about.aliases, ["first", "second"]);
    assert_eq!(file.private_keys().count(), 2);
    assert!(file.private_keys().all(|k| file.certificates().any(|c| k.matches(c))));
    let jks = read("keystore.jks", Some(PASSWORD));
    assert_eq!(jks.problems, [Problem::NotAKeyFile { looks_like: LooksLike::JavaKeystore }]);
}

#[test]
fn certificates_come_from_every_container() {
    let der = fixture("cert.der");
    for name in ["cert.pem", "cert.der", "cert.trusted.pem"] {
        let file = read(name, None);
        assert_eq!(file.leaf().map(|c| c.der()), Some(&der[..]), "{name}");
        assert!(file.problems.is_empty() && file.repairs.is_empty(), "{name}: {file:?}");
    }
    let p7b = read("chain.p7b", None);
    assert_eq!(p7b.certificates().count(), 2);
    assert_eq!(p7b.leaf().map(|c| c.der()), Some(&der[..]));
    // DER one after the other, as some proxies write chains.
    let both = [der.clone(), read("ca.pem", None).leaf().unwrap().der().to_vec()].concat();
    assert_eq!(keyfile::read(&both, None).chain().len(), 2);
    // Any order, prose between.
    let mixed = format!(
        "{}\nBag Attributes\n    friendlyName: caf\u{e9}\n{}{}",
        text("ca.pem"),
        text("key.pem"),
        text("cert.pem")
    );
    let file = keyfile::read(mixed.as_bytes(), None);
    assert_the_pair(&file, "mixed");
    assert_eq!(file.chain().len(), 2);
    let item = &file.items[1];
    assert_eq!(&mixed[item.span.clone().unwrap()], text("key.pem").trim_end());
    // Latin-1 prose is no reason to miss a block.
    let latin: Vec<u8> = mixed.chars().map(|c| c as u8).collect();
    assert_the_pair(&keyfile::read(&latin, None), "latin-1");
}

#[test]
fn other_parts_are_named_for_what_they_are() {
    let request = read("request.pem", None);
    assert_eq!(request.items[0].kind, ItemKind::CertificateRequest);
    let key = read("key.pem", None);
    for name in ["public.pem", "public.pkcs1.pem"] {
        let file = read(name, None);
        assert_eq!(file.public_keys().next(), Some(key.private_key().unwrap().public_key()), "{name}");
    }
    let both = format!("{}{}", text("key.pem"), text("ec.cert.pem"));
    assert_eq!(keyfile::read(both.as_bytes(), None).problems, [Problem::KeyCertMismatch]);
    let relabelled = text("key.pem").replace("PRIVATE KEY", "RSA PRIVATE KEY");
    let file = keyfile::read(relabelled.as_bytes(), None);
    assert_the_key(&file, "relabelled");
    assert_eq!(file.repairs, [Repair::LabelDisagrees]);
}

#[test]
fn base64_and_hex_text_of_files_is_seen_through() {
    let pfx = fixture("modern.pfx");
    let base64 = encoding::encode_base64(&pfx);
    let wrapped: String =
        base64.as_bytes().chunks(76).map(|c| format!("{}\r\n", std::str::from_utf8(c).unwrap())).collect();
    let uri = format!("data:application/x-pkcs12;base64,{base64}");
    for input in [&base64, &wrapped, &format!("\"{base64}\"\n"), &uri, &format!("CERT_PFX={base64}")] {
        let file = keyfile::read(input.as_bytes(), Some(PASSWORD));
        assert_the_pair(&file, input);
        assert_eq!((file.format, file.repairs.as_slice()), (Format::Base64OfPkcs12, &[Repair::Base64OfPkcs12][..]));
    }
    let der = keyfile::read(encoding::encode_base64(&fixture("cert.der")).as_bytes(), None);
    assert_eq!((der.format, der.certificates().count()), (Format::Base64OfDer, 1));
    let pem = encoding::encode_base64(&[fixture("key.pem"), fixture("cert.pem")].concat());
    let file = keyfile::read(pem.as_bytes(), None);
    assert_the_pair(&file, "base64 of PEM");
    assert_eq!(file.format, Format::Base64OfPem);
    assert_eq!(file.items[0].span, Some(0..pem.len()));
    let twice = keyfile::read(encoding::encode_base64(pem.as_bytes()).as_bytes(), None);
    assert_the_pair(&twice, "base64 of base64 of PEM");
    let hex = keyfile::read(encoding::encode_hex_upper(&fixture("cert.der")).as_bytes(), None);
    assert_eq!((hex.format, hex.certificates().count()), (Format::HexOfDer, 1));
}

#[test]
fn text_encodings_and_escapes_are_undone() {
    let pem = text("key.pem");
    let utf16: Vec<u8> = format!("\u{feff}{pem}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let percent: String = pem.replace('+', "%2B").replace('\n', "%0A").replace(' ', "%20");
    let form = pem.replace('+', "%2B").replace('/', "%2F").replace('\n', "%0A").replace(' ', "+");
    for (input, repair) in [
        (utf16, Repair::Utf16),
        (format!("\u{feff}{pem}").into_bytes(), Repair::Bom),
        (pem.replace('+', "&#43;").into_bytes(), Repair::HtmlEscaped),
        (percent.into_bytes(), Repair::PercentEncoded),
        (form.into_bytes(), Repair::PercentEncoded),
        (pem.replace('\n', "\\n").into_bytes(), Repair::EscapedNewlines),
        (pem.replace('\n', " ").into_bytes(), Repair::LineBreaksLost),
        (pem.replace('\n', "\r\n").into_bytes(), Repair::CrLf),
    ] {
        let file = keyfile::read(&input, None);
        assert_the_key(&file, repair.describe());
        assert_eq!(file.repairs, [repair]);
    }
}

#[test]
fn damage_is_located() {
    let pem = text("key.pem");
    let cut = &pem[..900];
    let problems = keyfile::read(cut.as_bytes(), None).problems;
    assert!(problems.contains(&Problem::MissingEnd { label: "PRIVATE KEY".into() }), "{problems:?}");
    assert!(problems.iter().any(|p| matches!(p, Problem::Truncated { .. })), "{problems:?}");
    let at = 500;
    let mut bad = pem.into_bytes();
    bad[at] = b'*';
    assert_eq!(keyfile::read(&bad, None).problems, [Problem::BadBase64 { label: "PRIVATE KEY".into(), offset: at }]);
    let pfx = fixture("modern.pfx");
    let received = pfx.len() - 100;
    assert_eq!(
        keyfile::read(&pfx[..received], Some(PASSWORD)).problems,
        [Problem::Truncated { label: "the file".into(), expected: Some(pfx.len()), received }]
    );
    assert!(matches!(keyfile::read(&vec![b'a'; 1 << 21], None).problems[..], [Problem::TooLarge { .. }]));
    assert_eq!(keyfile::read(b"", None).problems, [Problem::NotAKeyFile { looks_like: LooksLike::Empty }]);
}

#[test]
fn no_cut_and_no_flipped_byte_makes_it_panic_or_leak() {
    for name in ["legacy.pfx", "two.pfx", "cert.der", "chain.p7b", "key.pkcs8.der", "key.traditional-des3.pem"] {
        let whole = fixture(name);
        for i in (0..whole.len()).step_by(7) {
            keyfile::read(&whole[..i], Some(PASSWORD));
            let mut flipped = whole.clone();
            flipped[i] ^= 0x41;
            let file = keyfile::read(&flipped, Some(PASSWORD));
            assert!(!format!("{file:?}").contains(PASSWORD));
            assert!(!(file.items.is_empty() && file.problems.is_empty()), "{name} at {i}");
        }
    }
}

#[test]
fn debug_output_of_a_key_file_holds_no_key() {
    let file = read("modern.pfx", Some(PASSWORD));
    let debug = format!("{file:?}");
    let secret = file.private_key().unwrap().pkcs8_der();
    assert!(!debug.contains(&encoding::encode_base64(&secret[40..80])) && debug.len() < 4000, "{debug}");
}

#[test]
fn jwks_are_keys_too() {
    // RFC 7517 §A.2, first key, without `kid`, `use`.
    let ec = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}"#;
    let file = keyfile::read(ec.as_bytes(), None);
    assert_eq!(file.format, Format::Jwk);
    let signer = AwsLc.signer(file.private_key().unwrap()).unwrap();
    let signature = signer.sign(Alg::Es256, b"message").unwrap();
    let public = keyfile::read(ec.replace(",\"d\":", ",\"ignored\":").as_bytes(), None);
    let key = public.public_keys().next().unwrap();
    assert_eq!(AwsLc.verifier(key).unwrap().verify(Alg::Es256, b"message", &signature), Ok(()));
    let incomplete = r#"{"keys":[{"kty":"RSA","n":"0vx7","e":"AQAB","d":"X4cT"}]}"#;
    assert_eq!(keyfile::read(incomplete.as_bytes(), None).problems, [Problem::JwkIncomplete { missing: "p" }]);
}

#[test]
fn an_identity_needs_the_key_and_its_certificate() {
    let (key, cert, ca) = (fixture("key.pem"), fixture("cert.pem"), fixture("ca.pem"));
    for files in [
        vec![("key.pem", &key[..]), ("cert.pem", &cert[..])],
        vec![("cert.pem", &cert[..]), ("key.pem", &key[..]), ("ca.pem", &ca[..])],
        vec![("ca.pem", &ca[..]), ("cert.pem", &cert[..]), ("key.pem", &key[..])],
    ] {
        let identity = load_identity(&files, None).unwrap();
        assert_eq!(identity.certificate.der(), fixture("cert.der"));
        assert_eq!(identity.chain.len(), files.len() - 1);
    }
    let pfx = load_identity(&[("app.pfx", &fixture("legacy.pfx"))], Some(PASSWORD)).unwrap();
    assert!(pfx.key.matches(&pfx.certificate));
}

#[test]
fn a_refused_identity_names_file_finding_expectation_and_fix() {
    let load = |files: &[(&str, Vec<u8>)], password: Option<&str>| {
        let files: Vec<(&str, &[u8])> = files.iter().map(|(n, b)| (*n, b.as_slice())).collect();
        load_identity(&files, password).unwrap_err()
    };
    let base64 = |name: &str| encoding::encode_base64(&fixture(name)).into_bytes();
    for (files, password, expected) in [
        (
            vec![("a.pem", fixture("cert.pem"))],
            None,
            "a.pem: no private key; the file holds a PEM file with a certificate",
        ),
        (
            vec![("a.pem", fixture("key.pem"))],
            None,
            "a.pem: no certificate; the file holds a PEM file with a private key",
        ),
        (
            vec![("a.pem", fixture("public.pem"))],
            None,
            "a.pem: no private key; the file holds a PEM file with a public key",
        ),
        (
            vec![("a.pem", fixture("key.pbes2-aes.pem"))],
            None,
            "a.pem: ENCRYPTED PRIVATE KEY is encrypted; give its password",
        ),
        (vec![("a.pfx", fixture("modern.pfx"))], None, "a.pfx: PKCS#12 is encrypted; give its password"),
        (vec![("a.pfx", fixture("modern.pfx"))], Some("x"), "a.pfx: the password does not open PKCS#12"),
        (vec![("a.pfx", fixture("modern.pfx"))], Some("'correct-horse'"), "it works without the quotes round it"),
        (
            vec![("a.pfx", base64("modern.pfx"))],
            Some(PASSWORD),
            "a.pfx: this is base64 text of a PKCS#12 (PFX) file; expected the file itself",
        ),
        (
            vec![("a.txt", b"SHA256:oZhdSviOyWTDiomlsJNwrdHyYHtK+/Ef1oOrMpQHO2U=".to_vec())],
            None,
            "a.txt: this is a fingerprint",
        ),
        (
            vec![("k.pem", fixture("key.pem")), ("c.pem", fixture("ec.cert.pem"))],
            None,
            "k.pem: the private key is not that of the certificate CN=ec",
        ),
        (
            vec![("a.pem", fixture("key.pem")[..900].to_vec())],
            None,
            "a.pem: the line -----END PRIVATE KEY----- is missing",
        ),
    ] {
        let message = load(&files, password).to_string();
        assert!(message.contains(expected), "{message}\n!= {expected}");
        assert!(!message.contains(PASSWORD), "{message}");
    }
    assert_eq!(load(&[], None), IdentityError::NoFiles);
}

/// The worked cases of key and certificate files, where they lie beside the repository: each file must be read for
/// what it is.
#[test]
#[expect(clippy::disallowed_methods, reason = "tests read cases from files")]
fn worked_cases_are_read_for_what_they_are() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases/doctor");
    if !cases.is_dir() {
        return;
    }
    let file = |case: &str, name: &str, password: Option<&str>| {
        let path: PathBuf = cases.join(case).join(name);
        keyfile::read(&std::fs::read(&path).unwrap(), password)
    };
    let nokey = file("d129", "a1", Some("Hafen4870!"));
    assert!(nokey.format == Format::Pkcs12 && nokey.private_key().is_none() && nokey.leaf().is_some());
    assert!(file("d011", "a1", None).leaf().is_some());
    let (cert, key) = (file("d024", "a1", None), file("d024", "a2", None));
    assert!(!key.private_key().unwrap().matches(cert.leaf().unwrap()));
    assert!(matches!(file("d099", "a2", None).problems[..], [Problem::EncryptedWithoutPassword { .. }]));
    assert!(file("d020", "a1", None).public_keys().next().is_some());
    assert_eq!(file("d036", "a1", None).problems, [Problem::NotAKeyFile { looks_like: LooksLike::Fingerprint }]);
    for (case, repair) in [("d120", Repair::EscapedNewlines), ("d056", Repair::LineBreaksLost)] {
        let (key, cert) = (file(case, "a1", None), file(case, "a2", None));
        assert_eq!(key.repairs, [repair], "{case}");
        assert!(key.private_key().unwrap().matches(cert.leaf().unwrap()), "{case}");
    }
    let lonely = file("d059", "a1", None);
    assert!(lonely.private_key().is_some() && lonely.leaf().is_none());
    let text = file("d078", "a1", Some("Hafen8881-x"));
    assert!(text.format == Format::Base64OfPkcs12 && text.private_key().is_some() && text.problems.is_empty());
    assert!(file("d021", "a2", Some("Blue7063-x")).pkcs12().unwrap().is_modern());
    let aliases = file("d113", "a1", Some("Kobalt1241$"));
    assert_eq!(aliases.pkcs12().unwrap().entries(), 3, "{aliases:?}");
    for (case, password, variant) in
        [("d034", "Blue2092-x", Variant::Empty), ("d131", "\"Traffic4354$\"", Variant::Unquoted)]
    {
        let found = file(case, "a1", Some(password));
        let label = "PKCS#12".to_owned();
        assert_eq!(found.problems, [Problem::WrongPassword { label, works_with: Some(variant) }], "{case}");
        assert!(found.private_key().is_some());
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(0_u8.., 0..600), password in ".{0,9}") {
        let file = keyfile::read(&bytes, Some(&password));
        proptest::prop_assert!(!(file.items.is_empty() && file.problems.is_empty()));
    }

    #[test]
    fn no_pem_like_text_makes_it_panic(
        text in "(-{0,6}(BEGIN|END)[ A-Z]{0,9}-{0,6}|\\\\[nru\\\\]|[A-Za-z0-9+/=%&#;:,\u{200b}—\n ]{0,20}){0,30}"
    ) {
        let file = keyfile::read(text.as_bytes(), None);
        proptest::prop_assert!(!(file.items.is_empty() && file.problems.is_empty()));
        for span in file.items.iter().filter_map(|i| i.span.clone()) {
            proptest::prop_assert!(span.start <= span.end && span.end <= text.len());
        }
    }
}
