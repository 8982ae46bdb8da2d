//! The token endpoint, whole: ways to name the tenant and the client, chains, versions, lifetimes, headers, what is ignored.

use countersign_core::encoding::{encode_base64, encode_base64url, encode_hex_upper};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::profile::ENTRA;
use countersign_core::x509::certificate::Certificate;
use countersign_server::store::Change;
use countersign_server::store::model::{ApplicationRecord, PasswordCredentialRecord, TrustedSubjectRecord};
use countersign_testkit::identity::{Identity, rsa_key};
use countersign_testkit::scenario::{Scenario, form_encode, text};
use serde_json::Value;

use crate::support::*;

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// The claims of a token; that they verify is `token.rs`'s to show.
fn claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let body = answer.json();
    let jwt = UnverifiedJwt::read(body["access_token"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&jwt.compact.payload.bytes).unwrap()
}

async fn record(service: &Service) -> ApplicationRecord {
    service.running.app.store().application(TENANT_ID, APPLICATION).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_tenant_is_named_by_id_or_domain_in_any_letter_case() {
    let service = Service::with_client(&ENTRA).await;
    for tenant in ["contoso.example", "CONTOSO.Example", &TENANT_ID.to_uppercase(), "contoso%2Eexample"] {
        for audience in [tenant, TENANT_ID, "contoso.example"] {
            let mut request = service.right();
            let url = format!("{}/{}/oauth2/v2.0/token", service.url(), audience.replace("%2E", "."));
            request.set_claim("aud", text(&url));
            let answer = service.post(&format!("/{tenant}/oauth2/v2.0/token"), &request.body()).await;
            assert_eq!(claims(&answer)["tid"], TENANT_ID, "{tenant} {audience}");
            assert_eq!(claims(&answer)["iss"], format!("{}/{TENANT_ID}/", service.url()));
        }
    }
    for version in ["/v2.0", ""] {
        for (tenant, code) in [
            ("common", 9_001_023),
            ("Common", 9_001_023),
            ("consumers", 9_001_023),
            ("organizations", 50_059),
            ("contoso.test", 90_002),
            ("contoso", 900_023),
            ("{tenant}", 900_023),
            ("00000000-0000-0000-0000-000000000000", 900_021),
        ] {
            let mut request = service.right();
            if version.is_empty() {
                request.remove_parameter("scope");
                request.set_parameter("resource", "https://graph.microsoft.com");
            }
            let answer = service.post(&format!("/{tenant}/oauth2{version}/token"), &request.body()).await;
            assert_eq!(answer.refusal(), code, "{tenant}{version}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_secret_comes_in_the_body_or_by_basic_raw_or_encoded() {
    const ODD: &str = "a+b/c=d%20e:f ~&ü";
    let service = Service::with_client(&ENTRA).await;
    let mut with = record(&service).await;
    with.password_credentials.push(PasswordCredentialRecord {
        key_id: "00000000-0000-4000-8000-00000000c00b".into(),
        digest: Some(service.running.app.secrets.digest(ODD)),
        ..with.password_credentials[0].clone()
    });
    service.change([Change::UpdateApplication(Box::new(with))]).await;
    let grant = "grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
    let basic = async |id: &str, secret: &str, body: &str| {
        let value = encode_base64(format!("{id}:{secret}").as_bytes());
        let headers = format!("{FORM}Authorization: Basic {value}\r\n");
        service.send("POST", &service.token_path(), &headers, body.as_bytes()).await
    };
    // Authlib sends both raw, openid-client encodes them first (RFC 6749 §2.3.1).
    for secret in [ODD.to_owned(), form_encode(ODD), form_encode(ODD).replace("%20", "+")] {
        assert_eq!(claims(&basic(CLIENT_ID, &secret, grant).await)["appidacr"], "1", "{secret}");
    }
    let named = format!("{grant}&client_id={}", CLIENT_ID.to_uppercase());
    assert_eq!(basic(CLIENT_ID, ODD, &named).await.status, 200, "named twice, alike");
    assert_eq!(basic(CLIENT_ID, "wrong", grant).await.refusal(), 7_000_215);
    assert_eq!(basic(CLIENT_ID, "", grant).await.refusal(), 7_000_216);
    assert_eq!(basic("", ODD, grant).await.refusal(), 900_144);
    let twice = format!("{grant}&client_secret={}", form_encode(ODD));
    assert_eq!(basic(CLIENT_ID, ODD, &twice).await.refusal(), 9_002_313, "one way of authentication");
    let body = format!("{grant}&client_id={CLIENT_ID}&client_secret={}", form_encode(ODD));
    assert_eq!(claims(&service.post(&service.token_path(), &body).await)["appidacr"], "1");
    // Without credentials in it another scheme is none of ours.
    let bearer = format!("{FORM}Authorization: Bearer x\r\n");
    assert_eq!(service.send("POST", &service.token_path(), &bearer, body.as_bytes()).await.status, 200);
}

/// Root, intermediate and leaf, the leaf with a key of the test process.
fn chain(leaf_name: &str) -> (Certificate, Certificate, Identity) {
    let params = |name: &str, ca: bool| {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.not_before = rcgen::date_time_ymd(2024, 1, 1);
        params.not_after = rcgen::date_time_ymd(2033, 1, 1);
        if ca {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }
        params
    };
    let read = |der: &[u8]| Certificate::from_der(der).unwrap();
    let (root_key, middle_key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let root = params("Contoso root", true).self_signed(&root_key).unwrap();
    let root_issuer = rcgen::Issuer::new(params("Contoso root", true), &root_key);
    let middle = params("Contoso issuing", true).signed_by(&middle_key, &root_issuer).unwrap();
    let middle_issuer = rcgen::Issuer::new(params("Contoso issuing", true), &middle_key);
    let key = rsa_key(6);
    let leaf_key = rcgen::KeyPair::try_from(key.pkcs8_der()).unwrap();
    let leaf = params(leaf_name, false).signed_by(&leaf_key, &middle_issuer).unwrap();
    (read(root.der()), read(middle.der()), Identity { key, certificate: read(leaf.der()) })
}

#[tokio::test]
async fn a_subject_name_and_issuer_that_are_trusted_admit_a_chain() {
    let service = Service::with_client(&ENTRA).await;
    let (root, middle, leaf) = chain("payroll.contoso.example");
    let authority_id = service.trust(&root).await;
    let request = |x5c: String| {
        let mut request = service.right();
        request.set_header("x5t#S256", text(&encode_base64url(leaf.certificate.sha256())));
        request.set_header("x5c", x5c);
        request.signer = leaf.clone();
        request
    };
    let der = |c: &Certificate| text(&encode_base64(c.der()));
    let (l, m, r) = (der(&leaf.certificate), der(&middle), der(&root));
    let good = request(format!("[{l},{m},{r}]"));
    assert_eq!(service.ask(&good).await.refusal(), 700_027, "not trusted yet");
    let mut trusting = record(&service).await;
    trusting.trusted_subjects = vec![TrustedSubjectRecord {
        subject_name: "payroll.contoso.example".into(),
        authority_id,
        revoked: Vec::new(),
    }];
    service.change([Change::UpdateApplication(Box::new(trusting))]).await;
    let claims = claims(&service.ask(&good).await);
    assert_eq!((&claims["appid"], &claims["appidacr"]), (&CLIENT_ID.into(), &"2".into()));
    assert_eq!(service.ask(&request(format!("[{l},{m}]"))).await.status, 200, "the root is known");
    // The leaf first (AADSTS700030 otherwise), every link there, the key the leaf's.
    assert!(matches!(service.ask(&request(format!("[{m},{l}]"))).await.refusal(), 700_027 | 700_030));
    service.ask(&request(format!("[{l}]"))).await.refusal();
    let mut forged = good;
    forged.signer.key = rsa_key(5);
    service.ask(&forged).await.refusal();
    let (_, stranger_middle, stranger) = chain("payroll.contoso.example");
    let mut other = request(format!("[{},{}]", der(&stranger.certificate), der(&stranger_middle)));
    other.set_header("x5t#S256", text(&encode_base64url(stranger.certificate.sha256())));
    service.ask(&other).await.refusal();
    assert_eq!(service.ask(&service.right()).await.status, 200, "the registered certificate goes on working");
}

/// The resource says which version a token has, not the endpoint.
#[tokio::test]
async fn the_resource_decides_the_version_of_a_token() {
    let service = Service::with_client(&ENTRA).await;
    for (number, wanted) in [(1_u8, "1.0"), (2, "2.0")] {
        let app_id = format!("0f4c7a10-9d3b-4a52-8c11-2b6e5d7f902{number}");
        let mut api = application(&app_id, &format!("00000000-0000-4000-8000-00000000a02{number}"));
        api.identifier_uris.push(format!("api://version{number}"));
        api.token_version = number;
        let service_principal = principal(&app_id, &format!("00000000-0000-4000-8000-00000000b02{number}"));
        service.change([Change::CreateApplication(Box::new(api)), service_principal]).await;
        let uri = format!("api://version{number}");
        let mut v2 = service.right();
        v2.set_parameter("scope", format!("{uri}/.default"));
        let mut v1 = service.right();
        v1.remove_parameter("scope");
        v1.set_parameter("resource", uri.as_str());
        let at_v2 = claims(&service.ask(&v2).await);
        let at_v1 = claims(&service.post(&format!("/{TENANT_ID}/oauth2/token"), &v1.body()).await);
        for token in [&at_v1, &at_v2] {
            assert_eq!(token["ver"], wanted, "{token}");
            let (audience, issuer, client) = match number {
                1 => (uri.as_str(), format!("{}/{TENANT_ID}/", service.url()), &token["appid"]),
                _ => (app_id.as_str(), format!("{}/{TENANT_ID}/v2.0", service.url()), &token["azp"]),
            };
            assert_eq!((&token["aud"], &token["iss"], client), (&audience.into(), &issuer.into(), &CLIENT_ID.into()));
        }
    }
    // A resource whose identifier ends in a slash keeps it with a second one; a GUID does as well as a URI.
    for (scope, audience) in [
        ("https://vault.azure.net/.default", "https://vault.azure.net"),
        ("https://vault.azure.net//.default", "https://vault.azure.net/"),
        ("00000003-0000-0000-c000-000000000000/.default", "00000003-0000-0000-c000-000000000000"),
        ("profile https://graph.microsoft.com/.default openid offline_access", "https://graph.microsoft.com"),
    ] {
        let mut request = service.right();
        request.set_parameter("scope", scope);
        assert_eq!(claims(&service.ask(&request).await)["aud"], audience, "{scope}");
    }
}

#[tokio::test]
async fn lifetimes_are_random_and_unknown_parameters_and_claims_ignored() {
    let service = Service::with_client(&ENTRA).await;
    let mut lifetimes = std::collections::BTreeSet::new();
    for extra in [
        "client_info=1&x-client-SKU=msal.js.node&x-client-VER=5.0.0&x-ms-lib-capability=retry-after%2C%20h429",
        "claims=%7B%22access_token%22%3A%7B%22xms_cc%22%3A%7B%22values%22%3A%5B%22CP1%22%5D%7D%7D%7D",
        "claims=not%20json",
        "claims=",
        "nonsense&=&empty=&%00=%ff",
        "client_info=2&prompt=login&redirect_uri=https%3A%2F%2Fevil.example&response_type=token",
        "x-client-current-telemetry=4%7C730%2C2%7C&x-client-last-telemetry=4%7C0%7C%7C%7C",
        "token_type=pop&req_cnf=eyJ9&fmi_path=a",
    ] {
        let answer = service.post(&service.token_path(), &format!("{}&{extra}", service.right().body())).await;
        assert_eq!(answer.status, 200, "{extra}: {}", answer.body);
        let body = answer.json();
        let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["token_type", "expires_in", "ext_expires_in", "access_token"], "{extra}");
        assert_eq!((&body["token_type"], &body["ext_expires_in"]), (&"Bearer".into(), &body["expires_in"]));
        let lifetime = body["expires_in"].as_i64().unwrap();
        assert!((3_599..5_400).contains(&lifetime), "{lifetime}");
        lifetimes.insert(lifetime);
    }
    assert!(lifetimes.len() > 3, "lifetimes are drawn, not fixed: {lifetimes:?}");
}

#[tokio::test]
async fn answers_carry_the_headers_on_record() {
    let service = Service::with_client(&ENTRA).await;
    let mine = "5f6a9e53-9b61-4f84-a0f5-2b6a3f1cf0aa";
    let right = service.right().body();
    for (headers, path) in [
        (format!("{FORM}client-request-id: {mine}\r\n"), service.token_path()),
        (format!("{FORM}client-request-id: {mine}\r\nreturn-client-request-id: true\r\n"), service.token_path()),
        // Recorded: it comes back even then.
        (format!("{FORM}client-request-id: {mine}\r\nreturn-client-request-id: false\r\n"), service.token_path()),
        // MSAL for Node puts it there.
        (FORM.to_owned(), format!("{}?client-request-id={mine}", service.token_path())),
    ] {
        for (body, status, telemetry) in [(right.as_str(), 200, "1,0,0,,"), ("x=y", 400, "1,900144,0,,")] {
            let answer = service.send("POST", &path, &headers, body.as_bytes()).await;
            assert_eq!(answer.status, status, "{}", answer.body);
            assert_eq!(answer.header("client-request-id"), mine);
            for (name, value) in [
                ("cache-control", "no-store, no-cache"),
                ("pragma", "no-cache"),
                ("expires", "-1"),
                ("content-type", "application/json; charset=utf-8"),
                ("x-content-type-options", "nosniff"),
                ("p3p", "CP=\"DSP CUR OTPi IND OTRi ONL FIN\""),
                ("x-ms-srs", "1.P"),
                ("x-xss-protection", "0"),
                ("x-ms-clitelem", telemetry),
            ] {
                assert_eq!(answer.header(name), value, "{name}");
            }
            let trace = answer.header("x-ms-request-id");
            assert!(trace.len() == 36 && ["00", "01", "02"].contains(&&trace[34..]), "{trace}");
            assert!(answer.header("set-cookie").is_empty() && answer.header("www-authenticate").is_empty());
        }
    }
    let without = service.post(&service.token_path(), &right).await;
    assert!(without.header("client-request-id").is_empty());
}

/// Certificates are found by thumbprint within the client and by nothing else; what real clients send is accepted.
#[tokio::test]
async fn thumbprints_and_key_ids_as_real_clients_send_them() {
    let service = Service::with_client(&ENTRA).await;
    let signer = Scenario::right().signer;
    let (sha1, sha256) = (signer.certificate.sha1(), signer.certificate.sha256());
    let with = |members: &[(&str, String)]| {
        let mut request = service.right();
        request.remove_header("x5t#S256");
        for (name, value) in members {
            request.set_header(name, text(value));
        }
        request
    };
    for members in [
        vec![("x5t", encode_base64url(sha1))],
        vec![("x5t", encode_base64(sha1))],
        vec![("x5t#S256", encode_base64(sha256))],
        vec![("x5t", encode_base64url(sha1)), ("x5t#S256", encode_base64url(sha256))],
        // Microsoft.IdentityModel writes both; with a good thumbprint `kid` is ignored.
        vec![("x5t", encode_base64url(sha1)), ("kid", encode_hex_upper(sha1))],
        vec![("x5t", encode_base64url(sha1)), ("kid", "my key".to_owned())],
        vec![("kid", encode_hex_upper(sha1))],
    ] {
        assert_eq!(service.ask(&with(&members)).await.status, 200, "{members:?}");
    }
    for members in [
        vec![("x5t", encode_base64url(encode_hex_upper(sha1).as_bytes()))],
        vec![("x5t", encode_base64url(sha256))],
        vec![("kid", "00000000-0000-4000-8000-00000000c001".to_owned())],
    ] {
        assert_eq!(service.ask(&with(&members)).await.refusal(), 700_027, "{members:?}");
    }
    assert_eq!(service.ask(&with(&[])).await.refusal(), 5_002_723);
}

/// The clock of the machine may jump an hour either way: times are judged by the new one, and nothing breaks.
#[tokio::test]
async fn the_clock_may_jump_an_hour_either_way() {
    let service = Service::with_client(&ENTRA).await;
    let at = |offset: i64| {
        let mut request = service.right();
        for (claim, seconds) in [("nbf", 0), ("iat", 0), ("exp", 600)] {
            request.set_claim(claim, (NOW.secs() + offset + seconds).to_string());
        }
        request
    };
    for offset in [0, 3_600, -3_600, 0, 7_200, 0] {
        service.clock.set(later(offset));
        for other in [3_600, -3_600] {
            assert_eq!(service.ask(&at(offset + other)).await.refusal(), 700_024);
        }
        let token = claims(&service.ask(&at(offset)).await);
        assert_eq!(token["iat"], NOW.secs() + offset - 300);
        let keys = service.get(&format!("/{TENANT_ID}/discovery/v2.0/keys")).await;
        assert!(!keys.json()["keys"].as_array().unwrap().is_empty(), "{}", keys.body);
        assert_eq!(service.get("/readyz").await.status, 200);
    }
}
