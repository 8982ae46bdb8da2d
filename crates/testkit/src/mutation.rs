//! Single faults: each spoils a right request in one way and names the check that must notice it.

use countersign_core::UnixTime;
use countersign_core::encoding::{encode_base64url, encode_hex_lower, encode_hex_upper};
use countersign_core::jose::alg::Alg;
use countersign_core::registration::ServicePrincipal;

use crate::identity::{Identity, Spec};
use crate::scenario::{AUTHORITY, CLIENT_ID, Scenario, TENANT_ID, key_credential, registration, text};

/// One way to spoil a request.
pub struct Mutation {
    /// Its name.
    pub name: &'static str,
    /// Id of the check that refuses it under the profile `entra`.
    pub check: &'static str,
    /// The AADSTS code of the answer.
    pub code: u32,
    /// Spoils.
    pub apply: fn(&mut Scenario),
}

const fn mutation(name: &'static str, check: &'static str, code: u32, apply: fn(&mut Scenario)) -> Mutation {
    Mutation { name, check, code, apply }
}

const OTHER_CLIENT: &str = "90cd9291-901b-444e-aae9-2b8689d0d8c2";

fn identity() -> Identity {
    Identity::rsa(0, &Spec::default())
}

fn in_seconds(s: &Scenario, seconds: i64) -> String {
    (s.now.secs() + seconds).to_string()
}

/// Registers a certificate with this validity instead, around the same key.
fn register_with_validity(s: &mut Scenario, from: i64, until: i64) {
    let spec = Spec { not_before: UnixTime::from_secs(from), not_after: UnixTime::from_secs(until), ..Spec::default() };
    s.signer = Identity::rsa(0, &spec);
    let certificate = s.signer.certificate.clone();
    s.registration = Some(registration(vec![key_credential(&certificate, 1)]));
    s.set_header("x5t#S256", text(&encode_base64url(certificate.sha256())));
}

fn with_registration(s: &mut Scenario, change: fn(&mut countersign_core::registration::Registration)) {
    if let Some(r) = &mut s.registration {
        change(r);
    }
}

/// Every single fault. None of them is noticed by an earlier check than the one it names.
pub static MUTATIONS: &[Mutation] = &[
    // The request.
    mutation("parameter twice, same value", "parameters-once", 9_002_313, |s| {
        s.parameters.push(("client_id".to_owned(), CLIENT_ID.to_owned()));
    }),
    mutation("101 parameters", "parameters-bounded", 9_002_313, |s| {
        s.parameters.extend((0..100).map(|i| (format!("x{i}"), String::new())));
    }),
    mutation("no grant_type", "grant-type", 900_144, |s| s.remove_parameter("grant_type")),
    mutation("grant_type misspelt", "grant-type", 70_003, |s| s.set_parameter("grant_type", "client_credential")),
    mutation("no client_id", "client-id-present", 900_144, |s| s.remove_parameter("client_id")),
    mutation("no scope", "scope-form", 900_144, |s| s.remove_parameter("scope")),
    mutation("scope without .default", "scope-form", 1_002_012, |s| s.set_parameter("scope", "user.read")),
    mutation("scope without resource", "scope-form", 70_011, |s| s.set_parameter("scope", "/.default")),
    mutation("scope of something that is no resource", "scope-form", 70_011, |s| {
        s.set_parameter("scope", "user.read/.default");
    }),
    mutation("scopes of two resources", "scope-form", 700_022, |s| {
        s.set_parameter("scope", "https://graph.microsoft.com/.default https://vault.azure.net/.default");
    }),
    mutation("resource at v2.0", "scope-form", 901_002, |s| s.set_parameter("resource", "https://graph.microsoft.com")),
    mutation("tenant segment is no tenant", "tenant-known", 900_023, |s| s.tenant_segment = "authorize".to_owned()),
    mutation("tenant is nil", "tenant-known", 900_021, |s| {
        s.tenant_segment = "00000000-0000-0000-0000-000000000000".to_owned();
    }),
    mutation("tenant is common", "tenant-known", 9_001_023, |s| s.tenant_segment = "common".to_owned()),
    mutation("tenant is organizations", "tenant-known", 50_059, |s| s.tenant_segment = "organizations".to_owned()),
    mutation("tenant does not exist", "tenant-known", 90_002, |s| {
        s.tenant_segment = OTHER_CLIENT.to_owned();
        s.tenant_exists = false;
    }),
    // The credential.
    mutation("no assertion", "one-credential", 7_000_216, |s| s.remove_parameter("client_assertion")),
    mutation("assertion and secret", "one-credential", 9_002_313, |s| s.set_parameter("client_secret", "x")),
    mutation("no assertion type", "assertion-type", 900_144, |s| s.remove_parameter("client_assertion_type")),
    mutation("assertion type of SAML", "assertion-type", 90_011, |s| {
        s.set_parameter("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer");
    }),
    // The form of the assertion.
    mutation("not a JWT", "assertion-readable", 50_027, |s| s.after_signing = |_| TENANT_ID.to_owned()),
    mutation("two segments", "assertion-readable", 50_027, |s| {
        s.after_signing = |jws| jws.rsplit_once('.').map(|(head, _)| head.to_owned()).unwrap_or_default();
    }),
    mutation("alg twice", "members-once", 50_027, |s| s.header.push(("alg".to_owned(), text("none")))),
    mutation("aud twice", "members-once", 50_027, |s| s.claims.push(("aud".to_owned(), text(AUTHORITY)))),
    mutation("signature in the standard alphabet", "segments-encoding", 50_027, |s| {
        s.after_signing = |jws| {
            let (head, _) = jws.rsplit_once('.').unwrap_or_default();
            format!("{head}.{}+/", "A".repeat(340))
        };
    }),
    mutation("trailing bit in the signature", "segments-encoding", 50_027, |s| {
        s.after_signing = |mut jws| {
            // 256 bytes end in a character of which four bits are unused.
            let last = jws.pop().unwrap_or('A');
            jws.push(match last {
                'A' => 'B',
                'Q' => 'R',
                'g' => 'h',
                _ => 'x',
            });
            jws
        };
    }),
    mutation("white space in a segment", "segments-encoding", 50_027, |s| {
        s.after_signing = |jws| jws.replacen('.', "\n.", 1);
    }),
    mutation("crit", "header-members", 5_002_726, |s| s.set_header("crit", "[\"exp\"]")),
    mutation("b64 false", "header-members", 5_002_726, |s| s.set_header("b64", "false")),
    mutation("zip", "header-members", 5_002_726, |s| s.set_header("zip", text("DEF"))),
    mutation("enc", "header-members", 5_002_726, |s| s.set_header("enc", text("A128GCM"))),
    mutation("jwk", "header-members", 5_002_726, |s| s.set_header("jwk", "{\"kty\":\"RSA\"}")),
    mutation("jku", "header-members", 5_002_726, |s| s.set_header("jku", text("https://evil.example/keys"))),
    mutation("cty", "header-members", 5_002_726, |s| s.set_header("cty", text("JWT"))),
    mutation("typ at+jwt", "header-typ", 5_002_727, |s| s.set_header("typ", text("at+jwt"))),
    mutation("alg none", "algorithm-supported", 5_002_738, |s| {
        s.set_header("alg", text("none"));
        s.signature = |_| Vec::new();
    }),
    mutation("alg noNE", "algorithm-supported", 5_002_738, |s| s.set_header("alg", text("noNE"))),
    mutation("alg HS256", "algorithm-supported", 5_002_738, |s| s.set_header("alg", text("HS256"))),
    mutation("alg ES256", "algorithm-supported", 5_002_738, |s| s.set_header("alg", text("ES256"))),
    mutation("alg rs256", "algorithm-supported", 5_002_738, |s| s.set_header("alg", text("rs256"))),
    mutation("no alg", "algorithm-supported", 5_002_738, |s| s.remove_header("alg")),
    mutation("no key identifier", "key-identifier-present", 5_002_723, |s| s.remove_header("x5t#S256")),
    mutation("no iss", "claims-present", 90_014, |s| s.remove_claim("iss")),
    mutation("no sub", "claims-present", 90_014, |s| s.remove_claim("sub")),
    mutation("no aud", "claims-present", 90_014, |s| s.remove_claim("aud")),
    mutation("no exp", "claims-present", 90_014, |s| s.remove_claim("exp")),
    mutation("exp is a word", "claims-readable", 50_027, |s| s.set_claim("exp", text("tomorrow"))),
    mutation("nbf is null", "claims-readable", 50_027, |s| s.set_claim("nbf", "null")),
    mutation("iss is a number", "claims-readable", 50_027, |s| s.set_claim("iss", "5")),
    mutation("aud is an object", "claims-readable", 50_027, |s| s.set_claim("aud", "{}")),
    // The client.
    mutation("client unknown", "client-known", 700_016, |s| s.registration = None),
    mutation("client disabled", "client-enabled", 7_000_112, |s| with_registration(s, |r| r.enabled = false)),
    mutation("service principal disabled", "client-enabled", 7_000_112, |s| {
        with_registration(s, |r| {
            r.service_principal = Some(ServicePrincipal { object_id: String::new(), enabled: false });
        });
    }),
    mutation("client public", "client-confidential", 700_025, |s| with_registration(s, |r| r.is_public = true)),
    mutation("no service principal", "service-principal", 7_000_229, |s| {
        with_registration(s, |r| r.service_principal = None);
    }),
    // The key.
    mutation("no keys at all", "keys-registered", 700_026, |s| with_registration(s, |r| r.key_credentials.clear())),
    mutation("certificate not registered", "key-found", 700_027, |s| {
        let other = Identity::rsa(1, &Spec::default());
        with_registration(s, |r| r.key_credentials.clear());
        if let Some(r) = &mut s.registration {
            r.key_credentials.push(key_credential(&other.certificate, 2));
        }
    }),
    mutation("same key, other certificate registered", "key-found", 700_027, |s| {
        let again = Identity::rsa(0, &Spec { common_name: "renewed", ..Spec::default() });
        if let Some(r) = &mut s.registration {
            r.key_credentials = vec![key_credential(&again.certificate, 2)];
        }
    }),
    mutation("x5t#S256 is hex text", "key-found", 700_027, |s| {
        s.set_header("x5t#S256", text(&encode_hex_lower(identity().certificate.sha256())));
    }),
    mutation("x5t#S256 is base64url of hex text", "key-found", 700_027, |s| {
        let hex = encode_hex_upper(identity().certificate.sha256());
        s.set_header("x5t#S256", text(&encode_base64url(hex.as_bytes())));
    }),
    mutation("SHA-1 in x5t#S256", "key-found", 700_027, |s| {
        s.set_header("x5t#S256", text(&encode_base64url(identity().certificate.sha1())));
    }),
    mutation("SHA-256 in x5t", "key-found", 700_027, |s| {
        s.remove_header("x5t#S256");
        s.set_header("x5t", text(&encode_base64url(identity().certificate.sha256())));
    }),
    mutation("x5t of another certificate beside a good x5t#S256", "key-found", 700_027, |s| {
        s.set_header("x5t", text(&encode_base64url(Identity::rsa(1, &Spec::default()).certificate.sha1())));
    }),
    mutation("x5t#S256 empty", "key-found", 700_027, |s| s.set_header("x5t#S256", text(""))),
    mutation("only an unknown kid", "key-found", 700_027, |s| {
        s.remove_header("x5t#S256");
        s.set_header("kid", text("' OR '1'='1"));
    }),
    mutation("certificate expired", "key-valid", 700_027, |s| register_with_validity(s, 1_600_000_000, 1_700_000_000)),
    mutation("certificate not yet valid", "key-valid", 700_027, |s| {
        register_with_validity(s, 1_900_000_000, 2_000_000_000);
    }),
    mutation("entry ended before its certificate", "key-valid", 700_027, |s| {
        with_registration(s, |r| r.key_credentials[0].end = UnixTime::from_secs(1_750_000_000));
    }),
    mutation("signed with another key", "signature", 700_027, |s| s.signer = Identity::rsa(1, &Spec::default())),
    mutation("signed with RS256, header says PS256", "signature", 700_027, |s| s.signs_with = Alg::Rs256),
    mutation("one bit of the signature", "signature", 700_027, |s| {
        s.signature = |mut bytes| {
            bytes[17] ^= 1;
            bytes
        };
    }),
    mutation("signature cut", "signature", 700_027, |s| s.signature = |bytes| bytes[..255].to_vec()),
    mutation("no signature", "signature", 700_027, |s| s.signature = |_| Vec::new()),
    // The claims.
    mutation("two audiences", "audience-single", 5_002_741, |s| {
        s.set_claim("aud", format!("[{},{}]", text(AUTHORITY), text("https://evil.example")));
    }),
    mutation("aud of another tenant", "audience", 700_023, |s| {
        s.set_claim("aud", text(&format!("{AUTHORITY}/{OTHER_CLIENT}/oauth2/v2.0/token")));
    }),
    mutation("aud of another host", "audience", 700_023, |s| {
        s.set_claim("aud", text(&format!("https://login.microsoftonline.com/{TENANT_ID}/oauth2/v2.0/token")));
    }),
    mutation("aud of common", "audience", 700_023, |s| {
        s.set_claim("aud", text(&format!("{AUTHORITY}/common/oauth2/v2.0/token")));
    }),
    mutation("aud with a wrong path", "audience", 700_023, |s| {
        s.set_claim("aud", text(&format!("{AUTHORITY}/{TENANT_ID}/v2.0/token")));
    }),
    mutation("aud is the bare authority", "audience", 700_023, |s| s.set_claim("aud", text(AUTHORITY))),
    mutation("aud with our name in front of another host", "audience", 700_023, |s| {
        s.set_claim("aud", text(&format!("{AUTHORITY}.evil.example/{TENANT_ID}/oauth2/v2.0/token")));
    }),
    mutation("expired", "validity", 700_024, |s| {
        let (issued, until) = (in_seconds(s, -7200), in_seconds(s, -6600));
        s.set_claim("nbf", issued.clone());
        s.set_claim("iat", issued);
        s.set_claim("exp", until);
    }),
    mutation("exp in the year 1970", "validity", 700_024, |s| s.set_claim("exp", "0")),
    mutation("nbf tomorrow, as text", "validity", 700_024, |s| {
        let tomorrow = text(&in_seconds(s, 86_400));
        s.set_claim("nbf", tomorrow);
    }),
    mutation("nbf in milliseconds", "validity", 700_024, |s| {
        let millis = format!("{}000", s.now.secs());
        s.set_claim("nbf", millis);
    }),
    mutation("iat an hour ahead", "validity", 700_024, |s| {
        let ahead = in_seconds(s, 3600);
        s.set_claim("iat", ahead);
    }),
    mutation("iss and sub of another client", "client-id-matches", 700_021, |s| {
        s.set_claim("iss", text(OTHER_CLIENT));
        s.set_claim("sub", text(OTHER_CLIENT));
    }),
    mutation("iss of another client", "client-id-matches", 700_021, |s| s.set_claim("iss", text(OTHER_CLIENT))),
    mutation("sub of another client", "subject-is-issuer", 50_048, |s| s.set_claim("sub", text(OTHER_CLIENT))),
    mutation("a foreign issuer's token", "federated-credential", 70_025, |s| {
        s.set_claim("iss", text("https://token.actions.githubusercontent.com"));
    }),
    // The resource.
    mutation("resource unknown", "resource-known", 500_011, |s| s.resource = None),
    mutation("resource disabled", "resource-known", 500_014, |s| {
        if let Some(r) = &mut s.resource {
            r.enabled = false;
        }
    }),
    mutation("no role where one is required", "role-held", 501_051, |s| {
        if let Some(r) = &mut s.resource {
            r.assignment_required = true;
        }
    }),
];
