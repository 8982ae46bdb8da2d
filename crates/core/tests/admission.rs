//! Whatever the builder makes, `admit` accepts; whatever one mutation spoils, the check it names refuses, with the AADSTS
//! code it names. And what real clients do sloppily is accepted under `entra`.

use countersign_core::admit::NotAdmitted;
use countersign_core::assertion::{AssertionSpec, KeyIdentifier, build};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{encode_base64, encode_base64url, encode_base64url_padded, encode_hex_upper};
use countersign_core::entra::{codes, text::description};
use countersign_core::jose::alg::Alg;
use countersign_core::profile::{ENTRA, STRICT};
use countersign_core::{Reason, UnixTime};
use countersign_testkit::scenario::{AUTHORITY, CLIENT_ID, NOW, TENANT_ID, key_credential, registration, text};
use countersign_testkit::{Identity, MUTATIONS, Scenario, Spec};
use proptest::prelude::*;

fn refusal(result: Result<(), NotAdmitted>) -> (&'static str, Reason) {
    match result {
        Err(NotAdmitted::Refused { check, reason }) => (check, *reason),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn the_right_request_is_admitted_by_every_profile() {
    assert_eq!(Scenario::right().judge(&ENTRA), Ok(()));
    assert_eq!(Scenario::right().judge(&STRICT), Ok(()));
}

#[test]
fn every_mutation_is_refused_by_the_check_it_names() {
    assert!(MUTATIONS.len() >= 40);
    let mut wrong = Vec::new();
    for m in MUTATIONS {
        let mut s = Scenario::right();
        (m.apply)(&mut s);
        match s.judge(&ENTRA) {
            Err(NotAdmitted::Refused { check, reason }) if check == m.check && codes::code(&reason) == m.code => {}
            other => wrong.push(format!("{}: expected {} ({}), got {other:?}", m.name, m.check, m.code)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_mutation_is_refused_by_the_strict_profile_too() {
    // RFC 7515 §4.1.10 lets an application ignore `cty`.
    for m in MUTATIONS.iter().filter(|m| m.name != "cty") {
        let mut s = Scenario::right();
        (m.apply)(&mut s);
        assert!(s.judge(&STRICT).is_err(), "{}", m.name);
    }
}

#[test]
fn what_real_clients_send_is_admitted() {
    type Apply = fn(&mut Scenario);
    let sloppy: &[(&str, Apply)] = &[
        ("MSAL Python: padded base64url", |s| {
            let digest = encode_base64url_padded(s.signer.certificate.sha256());
            s.set_header("x5t#S256", text(&digest));
        }),
        ("MSAL Go: standard base64, padded", |s| {
            let digest = encode_base64(s.signer.certificate.sha256());
            s.set_header("x5t#S256", text(&digest));
        }),
        ("MSAL Java: RS256, no typ, no iat", |s| {
            s.remove_header("typ");
            s.set_header("alg", text("RS256"));
            s.signs_with = Alg::Rs256;
            s.remove_claim("iat");
        }),
        ("Azure SDK for Rust: RS256 with x5t", |s| {
            s.remove_header("x5t#S256");
            s.set_header("x5t", text(&encode_base64(s.signer.certificate.sha1())));
            s.set_header("alg", text("RS256"));
            s.signs_with = Alg::Rs256;
        }),
        ("Microsoft.IdentityModel: x5t and kid", |s| {
            s.set_header("x5t", text(&encode_base64url(s.signer.certificate.sha1())));
            s.set_header("kid", text(&encode_hex_upper(s.signer.certificate.sha1())));
        }),
        ("a good thumbprint beside an unknown kid", |s| s.set_header("kid", text("my key"))),
        ("kid as hex SHA-1 alone", |s| {
            s.remove_header("x5t#S256");
            s.set_header("kid", text(&encode_hex_upper(s.signer.certificate.sha1())));
        }),
        ("x5c as one string", |s| s.set_header("x5c", text(&encode_base64(s.signer.certificate.der())))),
        ("MSAL .NET: times as text", |s| {
            for name in ["nbf", "exp"] {
                let quoted = s.claims.iter().find(|(n, _)| n == name).map(|(_, v)| text(v)).unwrap();
                s.set_claim(name, quoted);
            }
        }),
        ("MSAL Python: fractional times, no nbf", |s| {
            s.remove_claim("nbf");
            s.set_claim("exp", format!("{}.9270434", NOW.secs() + 600));
            s.set_claim("iat", format!("{}.9270434", NOW.secs()));
        }),
        ("nbf 8 s ahead", |s| s.set_claim("nbf", (NOW.secs() + 8).to_string())),
        ("openid-client: aud is the issuer", |s| s.set_claim("aud", text(&format!("{AUTHORITY}/{TENANT_ID}/v2.0")))),
        ("aud by domain", |s| s.set_claim("aud", text(&format!("{AUTHORITY}/contoso.example/oauth2/v2.0/token")))),
        ("aud with a slash behind", |s| {
            s.set_claim("aud", text(&format!("{AUTHORITY}/{TENANT_ID}/oauth2/v2.0/token/")));
        }),
        ("aud with the tenant in capitals", |s| {
            s.set_claim("aud", text(&format!("{AUTHORITY}/{}/oauth2/v2.0/token", TENANT_ID.to_uppercase())));
        }),
        ("tenant and client id in capitals", |s| {
            s.tenant_segment = TENANT_ID.to_uppercase();
            s.set_parameter("client_id", CLIENT_ID.to_uppercase());
        }),
        ("MSAL's extra scopes and parameters", |s| {
            s.set_parameter("scope", "openid https://graph.microsoft.com/.default profile offline_access");
            s.set_parameter("client_info", "1");
            s.set_parameter("x-client-SKU", "msal.js.node");
        }),
        ("an expired certificate beside the right one", |s| {
            let old = Identity::rsa(1, &Spec { not_after: UnixTime::from_secs(1_750_000_000), ..Spec::default() });
            let right = s.signer.certificate.clone();
            s.registration = Some(registration(vec![key_credential(&old.certificate, 1), key_credential(&right, 2)]));
        }),
    ];
    for (name, apply) in sloppy {
        let mut s = Scenario::right();
        apply(&mut s);
        assert_eq!(s.judge(&ENTRA), Ok(()), "{name}");
    }
}

#[test]
fn azure_identity_async_pads_its_segments_and_signs_them_so() {
    let mut s = Scenario::right();
    s.after_signing = |jws| {
        let parts: Vec<&str> = jws.split('.').collect();
        let padded: Vec<String> =
            parts[..2].iter().map(|p| format!("{p}{}", "=".repeat((4 - p.len() % 4) % 4))).collect();
        let input = padded.join(".");
        let signer = AwsLc.signer(&Identity::rsa(0, &Spec::default()).key).unwrap();
        let signature = signer.sign(Alg::Ps256, input.as_bytes()).unwrap();
        format!("{input}.{}", encode_base64url_padded(&signature))
    };
    assert_eq!(s.judge(&ENTRA), Ok(()));
    assert_eq!(refusal(s.judge(&STRICT)).0, "segments-encoding");
}

#[test]
fn the_strict_profile_wants_canonical_thumbprints() {
    let mut s = Scenario::right();
    let digest = encode_base64(s.signer.certificate.sha256());
    s.set_header("x5t#S256", text(&digest));
    assert_eq!(s.judge(&ENTRA), Ok(()));
    let (check, reason) = refusal(s.judge(&STRICT));
    assert_eq!(check, "thumbprint-encoding");
    assert!(!description(&reason).contains("Thumbprint of key"));
}

#[test]
fn the_public_thread_79652135_echoes_its_bytes() {
    let mut s = Scenario::right();
    s.remove_header("x5t#S256");
    s.set_header("x5t", text("REI1RREI1RDM2MTM1MDJFQjBEQTE3NkU2RDc3MkYxMUQ5OTdFQTc5MTlDQgo"));
    let (check, reason) = refusal(s.judge(&ENTRA));
    assert_eq!(check, "key-found");
    // Stack Overflow 79652135: the bytes that the header's text stands for.
    let echoed = "444235451108D510CCD8C4CCD4C0C91508C11104C4DCD914D910DCDCC918C4C510E4E4DD1504DCE4C4E50D0828";
    assert!(description(&reason).contains(&format!("'{echoed}'")), "{}", description(&reason));
}

fn algorithms() -> impl Strategy<Value = Alg> {
    prop::sample::select(ENTRA.algs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_the_builder_makes_is_admitted(
        alg in algorithms(),
        key_identifier in prop::sample::select(&[KeyIdentifier::X5t, KeyIdentifier::X5tS256, KeyIdentifier::Both][..]),
        with_chain in any::<bool>(),
        lifetime in 60_i64..3000,
        clock_off in -250_i64..250,
        jti in "[a-zA-Z0-9\"\\\\ é-]{1,40}",
        key in 0_usize..3,
        audience in prop::sample::select(&["/oauth2/v2.0/token", "/v2.0"][..]),
    ) {
        let identity = Identity::rsa(key, &Spec::default());
        let signer = AwsLc.signer(&identity.key).unwrap();
        let chain = if with_chain { vec![identity.certificate.clone()] } else { Vec::new() };
        let audience = format!("{AUTHORITY}/{TENANT_ID}{audience}");
        let assertion = build(&AssertionSpec {
            alg, key_identifier, chain: &chain, client_id: CLIENT_ID, audience: &audience,
            now: NOW + clock_off, lifetime: lifetime + 300, jti: &jti,
        }, &identity.certificate, signer.as_ref()).unwrap();

        let mut s = Scenario::right();
        s.registration = Some(registration(vec![key_credential(&identity.certificate, 1)]));
        s.set_parameter("client_assertion", assertion);
        prop_assert_eq!(s.judge(&ENTRA), Ok(()));
        if clock_off.abs() < 60 {
            prop_assert_eq!(s.judge(&STRICT), Ok(()));
        }
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,300}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = countersign_core::jose::UnverifiedJwt::read(&text);
        let _ = countersign_core::entra::parse(&format!("AADSTS700027{text}"));
        let _ = countersign_core::json::read(&text);
        let _ = UnixTime::parse(&text);
        let _ = countersign_core::keyfile::read(&bytes, None);
        let _ = countersign_core::request::read_form(&text);
    }
}
