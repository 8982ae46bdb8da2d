//! The rules against whole requests: no input but the right one, or what only differs beside the assertion, is admitted.
//!
//! The input is the body of a token request. The certificate is registered, its key is unknown here, so every admitted body
//! carries the one assertion that was signed with it.
#![no_main]

use std::sync::LazyLock;

use countersign_core::admit::admit;
use countersign_core::authority::{Authority, Tenant};
use countersign_core::crypto::rustcrypto::RustCrypto;
use countersign_core::facts::{Facts, Lookup, Resource};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::profile::{ENTRA, STRICT};
use countersign_core::registration::{KeyCredential, Registration, ServicePrincipal};
use countersign_core::request::{EndpointVersion, TokenRequest};
use countersign_fuzz::NOW;
use libfuzzer_sys::fuzz_target;

const CLIENT: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
/// The body that holds the only assertion this key ever signed.
const RIGHT: &str = include_str!("../seeds/admit/right");

struct World {
    registration: Registration,
    resource: Resource,
    tenant: Tenant,
    authority: Authority,
    assertion: String,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let certificate = countersign_fuzz::certificate();
    let right = read(RIGHT.as_bytes());
    World {
        registration: Registration {
            app_id: CLIENT.to_owned(),
            enabled: true,
            service_principal: Some(ServicePrincipal { object_id: TENANT.to_owned(), enabled: true }),
            key_credentials: vec![KeyCredential {
                key_id: CLIENT.to_owned(),
                start: certificate.not_before(),
                end: certificate.not_after(),
                certificate: Some(certificate),
                custom_key_identifier: None,
                display_name: String::new(),
            }],
            ..Registration::default()
        },
        resource: Resource {
            identifier: "https://graph.microsoft.com".to_owned(),
            enabled: true,
            token_version: 1,
            ..Resource::default()
        },
        tenant: Tenant { id: TENANT.to_owned(), display_name: String::new(), domains: Vec::new() },
        authority: Authority::new(["https://login.microsoftonline.com"]),
        assertion: right.given("client_assertion").expect("the seed has an assertion").to_owned(),
    }
});

fn read(body: &[u8]) -> TokenRequest {
    let form = Some("application/x-www-form-urlencoded");
    TokenRequest::read(TENANT, EndpointVersion::V2, form, body, "", None)
}

fn admitted(body: &[u8]) -> Option<String> {
    let request = read(body);
    let jwt = request.given("client_assertion").map(UnverifiedJwt::read);
    let mut last = None;
    for profile in [&ENTRA, &STRICT] {
        let mut facts = Facts::new(profile, NOW, &RustCrypto);
        facts.request = Some(&request);
        facts.authority = Some(&WORLD.authority);
        facts.tenant = Lookup::Found(&WORLD.tenant);
        facts.client_id = request.client_id();
        facts.assertion = jwt.as_ref().map(Result::as_ref);
        facts.registration = Lookup::Found(&WORLD.registration);
        facts.resource = Lookup::Found(&WORLD.resource);
        facts.issuer_keys = Lookup::Absent;
        if admit(&facts).is_ok() {
            last = Some(request.given("client_assertion").unwrap_or_default().to_owned());
        }
    }
    last
}

fuzz_target!(
    init: {
        assert!(admitted(RIGHT.as_bytes()).is_some(), "the right request must be admitted, or this target shows nothing");
    },
    |data: &[u8]| {
        if let Some(assertion) = admitted(data) {
            assert_eq!(assertion, WORLD.assertion, "an assertion was admitted that nobody signed");
        }
    }
);
