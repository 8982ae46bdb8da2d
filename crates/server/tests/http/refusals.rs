//! Every row of the table of refusals (`docs/refusals.md`), provoked over HTTP: number, words, `error` and status.

use std::collections::BTreeMap;

use countersign_core::UnixTime;
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{encode_base64, encode_base64url, encode_hex_upper};
use countersign_core::entra::refusals::{Row, rows};
use countersign_core::jose::alg::Alg;
use countersign_core::profile::{ENTRA, STRICT};
use countersign_core::x509::key::PublicKey;
use countersign_server::store::Change;
use countersign_server::store::model::{
    ApplicationRecord, FederatedCredentialRecord, KeyCredentialRecord, ServicePrincipalRecord, TrustedSubjectRecord,
};
use countersign_testkit::identity::{Identity, Spec};
use countersign_testkit::scenario::{Scenario, text};

use crate::support::*;

/// Names of the rows that were provoked, each answer compared with its row.
struct Provoked {
    rows: BTreeMap<&'static str, Row>,
    left: Vec<&'static str>,
}

impl Provoked {
    fn new() -> Self {
        let rows: BTreeMap<_, _> = rows().into_iter().map(|row| (row.name, row)).collect();
        Self { left: rows.keys().copied().collect(), rows }
    }

    fn check(&mut self, name: &'static str, answer: &Answer) {
        let row = self.rows.get(name).unwrap_or_else(|| panic!("the table has no row `{name}`"));
        answer.refusal();
        let body = answer.json();
        let found = (answer.status, body["error"].as_str().unwrap(), body["error_codes"][0].as_u64().unwrap());
        assert_eq!(found, (row.status, row.error, u64::from(row.code)), "{name}: {}", answer.body);
        // Between the placeholders the words stand in their order, from the beginning to the ids.
        let description = body["error_description"].as_str().unwrap();
        let words = description.split(" Trace ID: ").next().unwrap();
        assert!(fits(&row.template, words), "{name}:\n{words}\nis not\n{}", row.template);
        self.left.retain(|left| *left != name);
    }
}

/// Whether a text is the template with something in place of each `{…}`.
fn fits(template: &str, mut text: &str) -> bool {
    if !template.contains('{') {
        return template == text;
    }
    let mut fixed =
        template.split('{').enumerate().map(|(i, piece)| if i == 0 { piece } else { piece.split_once('}').unwrap().1 });
    let Some(rest) = fixed.next().and_then(|first| text.strip_prefix(first)) else { return false };
    text = rest;
    let mut last = "";
    for piece in fixed {
        let Some(at) = text.find(piece) else { return false };
        text = &text[at + piece.len()..];
        last = piece;
    }
    text.is_empty() || last.is_empty() || text.ends_with(last)
}

async fn record(service: &Service) -> ApplicationRecord {
    service.running.app.store().application(TENANT_ID, APPLICATION).await.unwrap().unwrap()
}

/// Changes the client's registration, asks, and puts it back.
async fn with_record(service: &Service, change: impl FnOnce(&mut ApplicationRecord), request: &Scenario) -> Answer {
    let before = record(service).await;
    let mut changed = before.clone();
    change(&mut changed);
    service.change([Change::UpdateApplication(Box::new(changed))]).await;
    let answer = service.ask(request).await;
    let version = record(service).await.version;
    service.change([Change::UpdateApplication(Box::new(ApplicationRecord { version, ..before }))]).await;
    answer
}

fn changed(service: &Service, change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut request = service.right();
    change(&mut request);
    request
}

#[tokio::test]
async fn every_row_of_the_table_is_provoked() {
    let service = std::sync::Arc::new(Service::with_client(&ENTRA).await);
    let slow = tokio::spawn({
        let service = std::sync::Arc::clone(&service);
        async move { too_slow(&service).await }
    });
    let mut provoked = Provoked::new();
    requests(&service, &mut provoked).await;
    registrations(&service, &mut provoked).await;
    chains(&service, &mut provoked).await;
    federation(&service, &mut provoked).await;
    resources(&service, &mut provoked).await;
    strict(&mut provoked).await;
    frames(&service, &mut provoked).await;
    provoked.check("TooSlow", &slow.await.unwrap());
    faults(&service, &mut provoked).await;
    assert!(provoked.left.is_empty(), "never provoked: {:?}", provoked.left);
}

async fn requests(service: &Service, provoked: &mut Provoked) {
    let parameter = |name: &'static str, value: &str| changed(service, |s| s.set_parameter(name, value));
    let header = |name: &'static str, json: String| changed(service, |s| s.set_header(name, json));
    let claim = |name: &'static str, json: String| changed(service, |s| s.set_claim(name, json));
    let now = NOW.secs();
    for (row, request) in [
        ("ParameterMissing", changed(service, |s| s.remove_parameter("scope"))),
        ("ParameterRepeated", changed(service, |s| s.parameters.push(("client_id".into(), CLIENT_ID.into())))),
        (
            "TooManyParameters",
            changed(service, |s| s.parameters.extend((0..100).map(|i| (format!("x{i}"), "".into())))),
        ),
        ("GrantTypeUnsupported", parameter("grant_type", "client_credential")),
        ("ResourceParameterAtV2", parameter("resource", "https://graph.microsoft.com")),
        ("ScopeNotDefault", parameter("scope", "https://graph.microsoft.com/User.Read")),
        ("ScopeMalformed", parameter("scope", "/.default")),
        ("ScopeNoResource", parameter("scope", "user.read/.default")),
        (
            "ScopeManyResources",
            parameter("scope", "https://graph.microsoft.com/.default https://vault.azure.net/.default"),
        ),
        ("CredentialMissing", changed(service, |s| s.remove_parameter("client_assertion"))),
        ("CredentialTwice", parameter("client_secret", SECRET)),
        (
            "AssertionTypeWrong",
            parameter("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
        ),
        ("NotAJwt", parameter("client_assertion", TENANT_ID)),
        ("MemberRepeated", changed(service, |s| s.header.push(("alg".into(), text("none"))))),
        ("SegmentEncoding", changed(service, |s| s.after_signing = |jws| jws.replacen('.', "\n.", 1))),
        ("HeaderMember", header("jku", text("https://keys.example/set"))),
        ("TypWrong", header("typ", text("at+jwt"))),
        ("AlgUnsupported", header("alg", text("HS256"))),
        ("KeyIdentifierMissing", changed(service, |s| s.remove_header("x5t#S256"))),
        ("ClaimMissing", changed(service, |s| s.remove_claim("iss"))),
        ("ClaimUnreadable", claim("exp", text("tomorrow"))),
        ("ClientUnknown", parameter("client_id", "90cd9291-901b-444e-aae9-2b8689d0d8c2")),
        ("KeyNotFound", header("x5t#S256", text(&encode_base64url(&[7; 32])))),
        (
            "KeyNotFound, no thumbprint",
            changed(service, |s| {
                s.remove_header("x5t#S256");
                s.set_header("kid", text("my key"));
            }),
        ),
        ("SignatureWrong", changed(service, |s| s.signer = Identity::rsa(1, &Spec::default()))),
        (
            "AudienceWrong",
            claim("aud", text(&format!("https://login.microsoftonline.com/{TENANT_ID}/oauth2/v2.0/token"))),
        ),
        ("AudienceMany", claim("aud", "[\"https://a.example\",\"https://b.example\"]".into())),
        ("OutsideValidity", claim("exp", (now - 600).to_string())),
        ("ClientMismatch", claim("iss", text("90cd9291-901b-444e-aae9-2b8689d0d8c2"))),
        ("SubjectMismatch", claim("sub", text("90cd9291-901b-444e-aae9-2b8689d0d8c2"))),
        (
            "SecretWrong",
            changed(service, |s| {
                s.remove_parameter("client_assertion");
                s.set_parameter("client_secret", "wrong");
            }),
        ),
    ] {
        provoked.check(row, &service.ask(&request).await);
    }
    let body = service.right().body();
    for (row, tenant) in [
        ("TenantMalformed", "authorize"),
        ("TenantNil", "00000000-0000-0000-0000-000000000000"),
        ("TenantUnknown", "nowhere.example"),
        ("TenantShared", "common"),
        ("TenantNotNamed", "organizations"),
    ] {
        provoked.check(row, &service.post(&format!("/{tenant}/oauth2/v2.0/token"), &body).await);
    }
    let with = async |header: &str, body: &str| {
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{header}\r\n");
        service.send("POST", &service.token_path(), &headers, body.as_bytes()).await
    };
    provoked.check("TenantRestricted", &with("Restrict-Access-To-Tenants: other.example, x.example", &body).await);
    for permitted in ["contoso.example", &format!("other.example,{}", TENANT_ID.to_uppercase())] {
        assert_eq!(with(&format!("Restrict-Access-To-Tenants: {permitted}"), &body).await.status, 200);
    }
    provoked.check("BasicMalformed", &with("Authorization: Basic !!!", &body).await);
    let other = encode_base64(b"90cd9291-901b-444e-aae9-2b8689d0d8c2:secret");
    provoked.check("BasicOtherClient", &with(&format!("Authorization: Basic {other}"), &body).await);
}

async fn registrations(service: &Service, provoked: &mut Provoked) {
    let right = service.right();
    provoked.check("ClientDisabled", &with_record(service, |r| r.enabled = false, &right).await);
    provoked.check("ClientIsPublic", &with_record(service, |r| r.is_public = true, &right).await);
    provoked.check("NoKeys", &with_record(service, |r| r.key_credentials.clear(), &right).await);
    let ended = |r: &mut ApplicationRecord| r.key_credentials[0].end = NOW.plus_secs(-1);
    provoked.check("KeyExpired", &with_record(service, ended, &right).await);
    let ahead = |r: &mut ApplicationRecord| r.key_credentials[0].start = NOW.plus_secs(60);
    provoked.check("KeyNotYetValid", &with_record(service, ahead, &right).await);
    let ec = rcgen::generate_simple_self_signed(vec!["ec.example".to_owned()]).unwrap().cert.der().to_vec();
    let request = changed(service, |s| {
        s.set_header("x5t#S256", text(&encode_base64url(&countersign_core::thumbprint::sha256(&ec))));
    });
    let with_ec = |r: &mut ApplicationRecord| {
        r.key_credentials.push(KeyCredentialRecord {
            key_id: "00000000-0000-4000-8000-00000000c00e".into(),
            der: Some(ec),
            ..r.key_credentials[0].clone()
        });
    };
    provoked.check("KeyUnusable", &with_record(service, with_ec, &request).await);
    let secret = changed(service, |s| {
        s.remove_parameter("client_assertion");
        s.set_parameter("client_secret", SECRET);
    });
    let over = |r: &mut ApplicationRecord| r.password_credentials[0].end = NOW.plus_secs(-1);
    provoked.check("SecretExpired", &with_record(service, over, &secret).await);
    assert_eq!(service.ask(&secret).await.status, 200, "everything is as it was");

    let alone = application("90cd9291-901b-444e-aae9-2b8689d0d8c3", "00000000-0000-4000-8000-00000000a003");
    let app_id = alone.app_id.clone();
    let alone = ApplicationRecord { key_credentials: record(service).await.key_credentials, ..alone };
    service.change([Change::CreateApplication(Box::new(alone))]).await;
    let request = changed(service, |s| {
        s.set_parameter("client_id", app_id.as_str());
        s.set_claim("iss", text(&app_id));
        s.set_claim("sub", text(&app_id));
    });
    provoked.check("ServicePrincipalMissing", &service.ask(&request).await);
}

async fn chains(service: &Service, provoked: &mut Provoked) {
    let root = Identity::rsa(5, &Spec { common_name: "Contoso root", ..Spec::default() });
    let authority_id = service.trust(&root.certificate).await;
    let trust = |revoked: Vec<String>| {
        let authority_id = authority_id.clone();
        move |r: &mut ApplicationRecord| {
            r.trusted_subjects =
                vec![TrustedSubjectRecord { subject_name: "payroll-daemon".into(), authority_id, revoked }];
        }
    };
    let sends = |leaf: &Identity| {
        let leaf = leaf.clone();
        changed(service, |s| {
            s.set_header("x5t#S256", text(&encode_base64url(leaf.certificate.sha256())));
            s.set_header("x5c", format!("[{}]", text(&encode_base64(leaf.certificate.der()))));
            s.signer = leaf;
        })
    };
    let leaf = |spec: Spec<'_>| Identity::rsa(6, &spec);
    let unknown = changed(service, |s| s.set_header("x5t#S256", text(&encode_base64url(&[7; 32]))));
    provoked.check("KeyNotFound, subject trust", &with_record(service, trust(Vec::new()), &unknown).await);
    let other = sends(&leaf(Spec { common_name: "another name", ..Spec::default() }));
    provoked.check("ChainUntrusted", &with_record(service, trust(Vec::new()), &other).await);
    let ended = sends(&leaf(Spec { not_after: UnixTime::from_secs(1_750_000_000), ..Spec::default() }));
    provoked.check("ChainOutsideValidity", &with_record(service, trust(Vec::new()), &ended).await);
    let good = leaf(Spec::default());
    let revoked = vec![encode_hex_upper(good.certificate.sha1())];
    provoked.check("CertificateRevoked", &with_record(service, trust(revoked), &sends(&good)).await);
}

async fn federation(service: &Service, provoked: &mut Provoked) {
    const ISSUER: &str = "https://token.example";
    const SUBJECT: &str = "repo:x:ref:main";
    const AUDIENCE: &str = "api://AzureADTokenExchange";
    let signer = Identity::rsa(4, &Spec::default());
    let PublicKey::Rsa(rsa) = signer.key.public_key().clone() else { panic!("RSA") };
    let (n, e) = (encode_base64url(&rsa.n), encode_base64url(&rsa.e));
    let jwks = serde_json::json!({"keys": [{"kty": "RSA", "kid": "k1", "use": "sig", "n": n, "e": e}]});
    let token = |signer: &Identity, kid: &str, iss: &str, sub: &str, aud: &str| {
        let encode = |json: serde_json::Value| encode_base64url(json.to_string().as_bytes());
        let claims = serde_json::json!({"iss": iss, "sub": sub, "aud": aud, "iat": NOW.secs(), "exp": NOW.secs() + 600, "scp": "x"});
        let input =
            format!("{}.{}", encode(serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": kid})), encode(claims));
        let signature = AwsLc.signer(&signer.key).unwrap().sign(Alg::Rs256, input.as_bytes()).unwrap();
        let jws = format!("{input}.{}", encode_base64url(&signature));
        changed(service, |s| s.set_parameter("client_assertion", jws))
    };
    let right = token(&signer, "k1", ISSUER, SUBJECT, AUDIENCE);
    provoked.check("FederationNotConfigured", &service.ask(&right).await);

    let base = &countersign_testkit::scenario::AUTHORITY;
    let own = format!("{base}/{TENANT_ID}/v2.0");
    let other_tenant = format!("{base}/90cd9291-901b-444e-aae9-2b8689d0d8c2/v2.0");
    let other_cloud = "https://login.microsoftonline.us/90cd9291-901b-444e-aae9-2b8689d0d8c2/v2.0";
    let private = "https://127.0.0.1:9";
    let credential = |(i, issuer): (usize, &str)| FederatedCredentialRecord {
        id: format!("f{i}"),
        name: format!("f{i}"),
        issuer: issuer.into(),
        subject: SUBJECT.into(),
        audiences: vec![AUDIENCE.into()],
        description: None,
        jwks: (issuer == ISSUER).then(|| jwks.clone()),
    };
    let mut with = record(service).await;
    with.federated_credentials =
        [ISSUER, &own, &other_tenant, other_cloud, private].into_iter().enumerate().map(credential).collect();
    service.change([Change::UpdateApplication(Box::new(with))]).await;
    assert_eq!(service.ask(&right).await.status, 200);
    for (row, request) in [
        ("FederatedIssuer", token(&signer, "k1", "https://other.example", SUBJECT, AUDIENCE)),
        ("FederatedSubject", token(&signer, "k1", ISSUER, "repo:x:ref:other", AUDIENCE)),
        ("FederatedSubject, letter case", token(&signer, "k1", ISSUER, "repo:X:ref:main", AUDIENCE)),
        ("FederatedAudience", token(&signer, "k1", ISSUER, SUBJECT, "api://other")),
        ("FederatedIssuerForbidden", token(&signer, "k1", &other_tenant, SUBJECT, AUDIENCE)),
        ("FederatedIssuerForbidden, other cloud", token(&signer, "k1", other_cloud, SUBJECT, AUDIENCE)),
        ("FederatedUserToken", token(&signer, "k1", &own, SUBJECT, AUDIENCE)),
        ("FederatedKeyNotFound", token(&signer, "k2", ISSUER, SUBJECT, AUDIENCE)),
        ("FederatedSignatureWrong", token(&Identity::rsa(5, &Spec::default()), "k1", ISSUER, SUBJECT, AUDIENCE)),
        ("FederatedIssuerUnreachable", token(&signer, "k1", private, SUBJECT, AUDIENCE)),
    ] {
        provoked.check(row, &service.ask(&request).await);
    }
}

async fn resources(service: &Service, provoked: &mut Provoked) {
    let scope = |resource: &str| changed(service, |s| s.set_parameter("scope", format!("{resource}/.default")));
    provoked.check("ResourceUnknown", &service.ask(&scope("https://nowhere.example")).await);
    for (row, number, enabled) in [("ResourceDisabled", 4, false), ("RoleRequired", 5, true)] {
        let app_id = format!("0f4c7a10-9d3b-4a52-8c11-2b6e5d7f901{number}");
        let mut api = application(&app_id, &format!("00000000-0000-4000-8000-00000000a00{number}"));
        api.identifier_uris.push(format!("api://api{number}"));
        let principal = ServicePrincipalRecord {
            tenant_id: TENANT_ID.into(),
            app_id,
            object_id: format!("00000000-0000-4000-8000-00000000b00{number}"),
            display_name: "an API".into(),
            enabled,
            assignment_required: true,
            created: NOW,
            ..ServicePrincipalRecord::default()
        };
        let changes = [Change::CreateApplication(Box::new(api)), Change::CreateServicePrincipal(Box::new(principal))];
        service.change(changes).await;
        provoked.check(row, &service.ask(&scope(&format!("api://api{number}"))).await);
    }
    let mut own = record(service).await;
    own.identifier_uris.push("api://payroll-itself".into());
    service.change([Change::UpdateApplication(Box::new(own))]).await;
    let v1 = async |resource: &str| {
        let request = changed(service, |s| {
            s.remove_parameter("scope");
            s.set_parameter("resource", resource);
        });
        service.post(&format!("/{TENANT_ID}/oauth2/token"), &request.body()).await
    };
    provoked.check("ResourceIsClient", &v1("api://payroll-itself").await);
    assert_eq!(v1(CLIENT_ID).await.status, 200, "by GUID it may");
    assert_eq!(service.ask(&scope("api://payroll-itself")).await.status, 200, "and at v2.0");
}

async fn strict(provoked: &mut Provoked) {
    let service = Service::with_client(&STRICT).await;
    let request = service.right();
    assert_eq!(service.ask(&request).await.status, 200);
    provoked.check("Replayed", &service.ask(&request).await);
    let far = changed(&service, |s| s.set_claim("exp", (NOW.secs() + 10 * 86_400).to_string()));
    provoked.check("LifetimeTooLong", &service.ask(&far).await);
    let padded = changed(&service, |s| {
        let sha256 = *Identity::rsa(0, &Spec::default()).certificate.sha256();
        s.set_header("x5t#S256", text(&encode_base64(&sha256)));
    });
    provoked.check("ThumbprintEncoding", &service.ask(&padded).await);
}

async fn frames(service: &Service, provoked: &mut Provoked) {
    let path = service.token_path();
    let raw = async |head: String| parse(&service.raw(head.as_bytes()).await);
    let host = service.host();
    let twice = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    provoked.check("Malformed", &raw(twice).await);
    let large = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000000000\r\n\r\n");
    provoked.check("TooLarge", &raw(large).await);
    provoked.check("NotFound", &service.get("/nothing/here").await);
    provoked.check("Method", &service.get(&path).await);
    provoked.check("DiscoveryMalformed", &service.get("/common/discovery/instance?api-version=1.1").await);
    let stranger =
        "/common/discovery/instance?authorization_endpoint=https%3A%2F%2Fevil.example%2Fcommon%2Foauth2%2Fauthorize";
    provoked.check("InstanceUnknown", &service.get(stranger).await);
}

/// A body that never comes. The limit is real time, so that this goes on beside all others.
async fn too_slow(service: &Service) -> Answer {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(service.running.address).await.unwrap();
    let head =
        format!("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 10\r\n\r\n", service.token_path(), service.host());
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut out = Vec::new();
    let read = tokio::time::timeout(std::time::Duration::from_secs(40), stream.read_to_end(&mut out));
    read.await.expect("an answer within 40 seconds").unwrap();
    parse(&out)
}

/// Faults of the service itself; nothing can be asked of it behind them.
async fn faults(service: &Service, provoked: &mut Provoked) {
    let mut damaged = application("90cd9291-901b-444e-aae9-2b8689d0d8c4", "00000000-0000-4000-8000-00000000a006");
    // Written as a year of six digits, which no reader of RFC 3339 takes.
    damaged.created = UnixTime::from_secs(9_000_000_000_000);
    service.change([Change::CreateApplication(Box::new(damaged))]).await;
    let request = changed(service, |s| s.set_parameter("client_id", "90cd9291-901b-444e-aae9-2b8689d0d8c4"));
    provoked.check("Failed", &service.ask(&request).await);
    service.running.app.store().close().await.unwrap();
    let answer = service.post("/unseen.example/oauth2/v2.0/token", &service.right().body()).await;
    assert_ne!(answer.header("retry-after"), "");
    provoked.check("Unavailable", &answer);
}

#[test]
fn texts_fit_their_templates_only() {
    assert!(fits("Tenant '{tenant}' not found.", "Tenant 'x' not found."));
    assert!(fits("The scope {scope}", "The scope a b"));
    assert!(!fits("Tenant '{tenant}' not found.", "Tenant 'x' not there."));
    assert!(!fits("Tenant '{tenant}' not found.", "A Tenant 'x' not found."));
    assert!(!fits("no names", "no names, but more"));
}
