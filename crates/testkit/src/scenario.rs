//! A right token request with everything it is judged by, each part open to be changed.

use countersign_core::admit::{NotAdmitted, admit};
use countersign_core::authority::{Authority, Tenant};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64url;
use countersign_core::facts::{Facts, Lookup, Resource};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::registration::{KeyCredential, Registration, ServicePrincipal};
use countersign_core::request::{EndpointVersion, JWT_BEARER, TokenRequest};
use countersign_core::{Profile, UnixTime};

use crate::identity::{Identity, Spec};

/// The tenant of every scenario.
pub const TENANT_ID: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
/// The client of every scenario.
pub const CLIENT_ID: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
/// The authority of every scenario.
pub const AUTHORITY: &str = "https://login.example:8443";
/// The time of every scenario: 2026-06-09T14:01:21Z.
pub const NOW: UnixTime = UnixTime::from_secs(1_781_013_681);

/// JSON members in order, values as JSON text; a name may stand twice.
pub type Members = Vec<(String, String)>;

/// A token request and what it is judged by.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The protected header.
    pub header: Members,
    /// The claims set.
    pub claims: Members,
    /// The algorithm that really signs.
    pub signs_with: Alg,
    /// The key that really signs.
    pub signer: Identity,
    /// Form parameters; `client_assertion` is put where [`Scenario::ASSERTION`] stands.
    pub parameters: Vec<(String, String)>,
    /// Tenant segment of the path.
    pub tenant_segment: String,
    /// Changes the compact JWS after signing.
    pub after_signing: fn(String) -> String,
    /// Changes the signature's bytes.
    pub signature: fn(Vec<u8>) -> Vec<u8>,
    /// The registration; `None` when the tenant has none with that id.
    pub registration: Option<Registration>,
    /// Whether the tenant exists.
    pub tenant_exists: bool,
    /// The resource; `None` when the tenant has none with that name.
    pub resource: Option<Resource>,
    /// The service's time.
    pub now: UnixTime,
}

/// A JSON string.
pub fn text(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Scenario {
    /// Stands for the assertion among the parameters.
    pub const ASSERTION: &'static str = "\u{1}assertion\u{1}";

    /// A request that every profile admits.
    pub fn right() -> Self {
        let signer = Identity::rsa(0, &Spec::default());
        let certificate = signer.certificate.clone();
        let now = NOW.secs();
        let pairs =
            |list: &[(&str, String)]| list.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect::<Vec<_>>();
        Self {
            header: pairs(&[
                ("alg", text("PS256")),
                ("typ", text("JWT")),
                ("x5t#S256", text(&encode_base64url(certificate.sha256()))),
            ]),
            claims: pairs(&[
                ("aud", text(&format!("{AUTHORITY}/{TENANT_ID}/oauth2/v2.0/token"))),
                ("iss", text(CLIENT_ID)),
                ("sub", text(CLIENT_ID)),
                ("jti", text("6b763c9a-b305-4849-874a-2c9e0fee810c")),
                ("nbf", now.to_string()),
                ("iat", now.to_string()),
                ("exp", (now + 600).to_string()),
            ]),
            signs_with: Alg::Ps256,
            signer,
            parameters: pairs(&[
                ("client_id", CLIENT_ID.to_owned()),
                ("scope", "https://graph.microsoft.com/.default".to_owned()),
                ("client_assertion_type", JWT_BEARER.to_owned()),
                ("client_assertion", Self::ASSERTION.to_owned()),
                ("grant_type", "client_credentials".to_owned()),
            ]),
            tenant_segment: TENANT_ID.to_owned(),
            after_signing: |jws| jws,
            signature: |bytes| bytes,
            registration: Some(registration(vec![key_credential(&certificate, 1)])),
            tenant_exists: true,
            resource: Some(Resource {
                app_id: "00000003-0000-0000-c000-000000000000".to_owned(),
                display_name: "Microsoft Graph".to_owned(),
                identifier: "https://graph.microsoft.com".to_owned(),
                enabled: true,
                token_version: 1,
                ..Resource::default()
            }),
            now: NOW,
        }
    }

    /// Sets a header member to JSON text, in place or at the end.
    pub fn set_header(&mut self, name: &str, json: impl Into<String>) {
        set(&mut self.header, name, json.into());
    }

    /// Sets a claim to JSON text.
    pub fn set_claim(&mut self, name: &str, json: impl Into<String>) {
        set(&mut self.claims, name, json.into());
    }

    /// Sets a form parameter.
    pub fn set_parameter(&mut self, name: &str, value: impl Into<String>) {
        set(&mut self.parameters, name, value.into());
    }

    /// Removes a header member.
    pub fn remove_header(&mut self, name: &str) {
        self.header.retain(|(n, _)| n != name);
    }

    /// Removes a claim.
    pub fn remove_claim(&mut self, name: &str) {
        self.claims.retain(|(n, _)| n != name);
    }

    /// Removes a form parameter.
    pub fn remove_parameter(&mut self, name: &str) {
        self.parameters.retain(|(n, _)| n != name);
    }

    /// The signed assertion.
    pub fn assertion(&self) -> String {
        let object = |members: &Members| {
            let members: Vec<_> = members.iter().map(|(n, v)| format!("{}:{v}", text(n))).collect();
            format!("{{{}}}", members.join(","))
        };
        let input = format!(
            "{}.{}",
            encode_base64url(object(&self.header).as_bytes()),
            encode_base64url(object(&self.claims).as_bytes())
        );
        let signer = AwsLc.signer(&self.signer.key).expect("test key");
        let signature = (self.signature)(signer.sign(self.signs_with, input.as_bytes()).expect("signature"));
        (self.after_signing)(format!("{input}.{}", encode_base64url(&signature)))
    }

    /// The form body.
    pub fn body(&self) -> String {
        let assertion = self.assertion();
        let pairs: Vec<_> = self
            .parameters
            .iter()
            .map(|(n, v)| format!("{}={}", form_encode(n), form_encode(&v.replace(Self::ASSERTION, &assertion))))
            .collect();
        pairs.join("&")
    }

    /// What a service with this profile does with it: the check that refused, or nothing.
    ///
    /// # Errors
    /// As [`admit`].
    pub fn judge(&self, profile: &Profile) -> Result<(), NotAdmitted> {
        let body = self.body();
        let content_type = Some("application/x-www-form-urlencoded");
        let request =
            TokenRequest::read(&self.tenant_segment, EndpointVersion::V2, content_type, body.as_bytes(), "", None);
        let jwt = request.given("client_assertion").map(UnverifiedJwt::read);
        let tenant = tenant();
        let authority = Authority::new([AUTHORITY]);
        let mut facts = Facts::new(profile, self.now, &AwsLc);
        facts.request = Some(&request);
        facts.authority = Some(&authority);
        facts.tenant = if self.tenant_exists { Lookup::Found(&tenant) } else { Lookup::Absent };
        facts.client_id = request.client_id();
        facts.assertion = jwt.as_ref().map(Result::as_ref);
        facts.registration = self.registration.as_ref().map_or(Lookup::Absent, Lookup::Found);
        facts.resource = self.resource.as_ref().map_or(Lookup::Absent, Lookup::Found);
        facts.issuer_keys = Lookup::Absent;
        admit(&facts).map(|_| ())
    }
}

/// The tenant of every scenario.
pub fn tenant() -> Tenant {
    Tenant { id: TENANT_ID.to_owned(), display_name: "Contoso".to_owned(), domains: vec!["contoso.example".to_owned()] }
}

/// A registration of [`CLIENT_ID`] with these keys.
pub fn registration(keys: Vec<KeyCredential>) -> Registration {
    Registration {
        app_id: CLIENT_ID.to_owned(),
        object_id: "b83f012f-51e9-4823-959b-83b9c0778140".to_owned(),
        display_name: "Payroll daemon".to_owned(),
        enabled: true,
        service_principal: Some(ServicePrincipal {
            object_id: "0e9a8f43-1111-4222-8333-444455556666".to_owned(),
            enabled: true,
        }),
        key_credentials: keys,
        ..Registration::default()
    }
}

/// A key credential with this certificate, valid as long as it.
pub fn key_credential(certificate: &countersign_core::x509::certificate::Certificate, number: u32) -> KeyCredential {
    KeyCredential {
        key_id: format!("0000000{number}-aaaa-4bbb-8ccc-dddddddddddd"),
        certificate: Some(certificate.clone()),
        custom_key_identifier: None,
        start: certificate.not_before(),
        end: certificate.not_after(),
        display_name: format!("key {number}"),
    }
}

fn set(members: &mut Members, name: &str, value: String) {
    match members.iter_mut().find(|(n, _)| n == name) {
        Some(member) => member.1 = value,
        None => members.push((name.to_owned(), value)),
    }
}

/// Percent-encodes everything but unreserved characters.
pub fn form_encode(value: &str) -> String {
    value
        .bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (b as char).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}
