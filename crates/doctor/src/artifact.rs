//! What a person can hand in, after reading: JWTs, errors, requests, certificates, registrations, settings, messages.
//!
//! Made by [`crate::read`], joined by [`crate::evidence`]. Nothing here judges; secrets stay behind types that do not print.

use std::fmt;

use countersign_core::UnixTime;
use countersign_core::entra::ParsedError;
use countersign_core::jose::claims::UnverifiedClaims;
use countersign_core::jose::header::UnverifiedHeader;
use countersign_core::jose::{JwtError, UnverifiedJwt};
use countersign_core::keyfile::KeyFile;
use countersign_core::registration::{FederatedCredential, Registration};
use countersign_core::request::TokenRequest;
use countersign_core::x509::certificate::Certificate;
use countersign_core::x509::key::PublicKey;
use zeroize::Zeroizing;

use crate::clients::Client;

/// Kinds of artifacts, as the JSON report names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A compact JWT.
    Assertion,
    /// A bare JOSE header.
    JoseHeader,
    /// A bare claims set.
    Claims,
    /// An Entra error, JSON or text.
    Error,
    /// A token request.
    TokenRequest,
    /// One or more certificates.
    Certificate,
    /// A private key.
    PrivateKey,
    /// A PKCS#12 file.
    Pkcs12,
    /// A Microsoft Graph application.
    Application,
    /// Someone's settings, thumbprints included.
    Settings,
    /// What a local tool said.
    ToolMessage,
    /// A token of an external issuer.
    FederatedToken,
    /// A federated identity credential.
    FederatedCredential,
    /// A JWK Set.
    Jwks,
    /// None of these.
    Unknown,
}

impl Kind {
    /// The name in the JSON report (contract, `kind`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::JoseHeader => "jose-header",
            Self::Claims => "claims",
            Self::Error => "error",
            Self::TokenRequest => "token-request",
            Self::Certificate => "certificate",
            Self::PrivateKey => "private-key",
            Self::Pkcs12 => "pkcs12",
            Self::Application => "application",
            Self::Settings => "settings",
            Self::ToolMessage => "tool-message",
            Self::FederatedToken => "federated-token",
            Self::FederatedCredential => "federated-credential",
            Self::Jwks => "jwks",
            Self::Unknown => "unknown",
        }
    }
}

/// One thing found in a file.
#[derive(Debug)]
pub struct Artifact {
    /// Name of the file it stood in.
    pub file: String,
    /// What reading had to mend, in words.
    pub repairs: Vec<String>,
    /// The thing.
    pub content: Content,
}

/// The thing that was found.
#[derive(Debug)]
pub enum Content {
    /// A compact JWT: assertion, federated token or another one.
    Jwt(Box<Jwt>),
    /// A bare JOSE header.
    Header(Box<UnverifiedHeader>),
    /// A bare claims set.
    Claims(Box<UnverifiedClaims>),
    /// An Entra error.
    Error(Box<ErrorText>),
    /// A request to a token endpoint.
    Request(Box<Request>),
    /// A change of an application through Graph.
    Patch(Box<Patch>),
    /// Certificates and keys.
    Keys(Box<Keys>),
    /// An application registration.
    Application(Box<Application>),
    /// An answer that lists service principals, and how many.
    ServicePrincipals(usize),
    /// A federated identity credential.
    Federated(FederatedCredential),
    /// Settings.
    Settings(Vec<Setting>),
    /// What a local tool said, as text.
    Message(String),
    /// A published key set.
    Jwks(Vec<JwksKey>),
    /// Metadata of an authorization server.
    Metadata(Metadata),
    /// A key file in JSON of another provider that names its client (Google's service account file).
    ClientFile {
        /// `client_email` or `client_id`.
        client: String,
    },
    /// A secret of Azure Key Vault with its content type.
    VaultSecret {
        /// `contentType`.
        content_type: String,
    },
    /// Nothing that is known; what it looks like.
    Unknown(&'static str),
}

/// A JWT as found.
pub struct Jwt {
    /// The compact text. Together with the signature it is usable: never printed.
    pub text: Zeroizing<String>,
    /// Taken apart.
    pub parsed: Result<UnverifiedJwt, JwtError>,
    /// Whether the signature is whole; people cut it off before they paste.
    pub signature_whole: bool,
    /// Where it stood.
    pub place: Place,
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("place", &self.place)
            .field("signature_whole", &self.signature_whole)
            .finish_non_exhaustive()
    }
}

/// Where a JWT stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Alone, or in prose.
    Bare,
    /// `client_assertion` of a request.
    ClientAssertion,
    /// `assertion` of a request (authorization grant, RFC 7523 §2.1).
    Grant,
    /// `access_token` of an answer, or behind `Authorization: Bearer`.
    AccessToken,
}

/// An Entra error as found.
#[derive(Debug)]
pub struct ErrorText {
    /// Its facts.
    pub parsed: ParsedError,
    /// The text, cleaned of escapes.
    pub text: String,
    /// `Date` of the HTTP answer it came in.
    pub date: Option<UnixTime>,
    /// A time that stands before it on the log line: the client's clock.
    pub logged: Option<UnixTime>,
    /// The client whose words stand round it.
    pub client: Option<&'static Client>,
}

/// A token request as found.
pub struct Request {
    /// Read as the service reads it.
    pub token: TokenRequest,
    /// `https`, `http`, or nothing when only a body was given.
    pub scheme: Option<String>,
    /// Host and port, in lower case.
    pub host: Option<String>,
    /// Path as sent.
    pub path: String,
    /// The raw body: holds secrets, never printed.
    pub body: Zeroizing<Vec<u8>>,
    /// `Authorization` as sent: a secret.
    pub authorization: Option<Zeroizing<String>>,
    /// Parameters of a JSON body, name and value.
    pub json: Vec<(String, Zeroizing<String>)>,
    /// When the client's clock says it was sent.
    pub client_clock: Option<UnixTime>,
    /// `Date` of the answer.
    pub server_date: Option<UnixTime>,
    /// `x-client-sku`, `User-Agent`: which client made it.
    pub client: Option<String>,
    /// Every byte of the body is there, so that what looks damaged was sent like that.
    pub exact: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("host", &self.host).field("path", &self.path).finish_non_exhaustive()
    }
}

impl Request {
    /// A parameter wherever it stands: body, JSON body, query.
    pub fn anywhere(&self, name: &str) -> Option<&str> {
        let json = || self.json.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let query = || self.token.query.iter().find(|p| p.name == name).map(|p| p.value.as_str());
        self.token.given(name).or_else(json).or_else(query).filter(|v| !v.is_empty())
    }
}

/// A PATCH of an application's `keyCredentials`.
#[derive(Debug)]
pub struct Patch {
    /// Object id in the URL, when there is one.
    pub object_id: Option<String>,
    /// The entries sent.
    pub keys: Application,
}

/// Certificates and keys of one file.
#[derive(Debug)]
pub struct Keys {
    /// As read.
    pub file: KeyFile,
    /// The bytes they were read from: hashed when a thumbprint may be one of the file's text. May hold keys.
    pub raw: Zeroizing<Vec<u8>>,
    /// A password was given for it.
    pub with_password: bool,
}

/// An application registration as found.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// As the rules need it.
    pub registration: Registration,
    /// Key entries with what the rules do not need.
    pub keys: Vec<KeyEntry>,
    /// `keyId` of the secrets.
    pub secret_ids: Vec<String>,
    /// `createdDateTime`.
    pub created: Option<UnixTime>,
    /// `publisherDomain`.
    pub publisher_domain: Option<String>,
    /// `appOwnerOrganizationId`: the tenant, when the object is a service principal.
    pub owner_tenant: Option<String>,
    /// `identifierUris`.
    pub identifier_uris: Vec<String>,
    /// What makes it look public: member names.
    pub public_hints: Vec<&'static str>,
    /// `keyCredentials` stood in it at all.
    pub lists_keys: bool,
    /// It is a service principal, so that one exists.
    pub is_service_principal: bool,
}

/// A `keyCredential` beyond what [`Registration`] keeps.
#[derive(Clone, Debug, Default)]
pub struct KeyEntry {
    /// Byte strings that `customKeyIdentifier` may stand for: decoded base64, hex, the text itself.
    pub custom_readings: Vec<Vec<u8>>,
    /// `key` was PEM text inside base64.
    pub key_is_pem: bool,
    /// `key` holds a private key.
    pub holds_private_key: bool,
    /// `key` was there and could not be read.
    pub unreadable: bool,
}

/// One setting.
#[derive(Clone)]
pub struct Setting {
    /// Its meaning.
    pub meaning: Meaning,
    /// Name as written.
    pub name: String,
    /// Value as written, invisible characters included.
    pub value: Zeroizing<String>,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a setting means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A certificate's thumbprint.
    Thumbprint,
    /// `x5t` as sent.
    X5t,
    /// `x5t#S256` as sent.
    X5tS256,
    /// The client id.
    ClientId,
    /// The tenant.
    Tenant,
    /// A client secret.
    Secret,
    /// Authority or authority host.
    Authority,
    /// Where the key is.
    KeyPath,
    /// Scope or resource.
    Scope,
}

/// A key of a published set.
#[derive(Clone, Debug)]
pub struct JwksKey {
    /// `kid`.
    pub kid: Option<String>,
    /// `x5t`.
    pub x5t: Option<String>,
    /// The key.
    pub key: PublicKey,
    /// First certificate of `x5c`.
    pub certificate: Option<Certificate>,
}

/// Metadata of an authorization server (RFC 8414), as far as it matters.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// `issuer`
    pub issuer: Option<String>,
    /// `token_endpoint`
    pub token_endpoint: Option<String>,
    /// Other endpoints: name and URL.
    pub endpoints: Vec<(String, String)>,
    /// `token_endpoint_auth_signing_alg_values_supported`
    pub algs: Vec<String>,
}

impl Artifact {
    /// The kind for the report.
    pub fn kind(&self) -> Kind {
        match &self.content {
            Content::Jwt(jwt) if jwt.is_foreign() => Kind::FederatedToken,
            Content::Jwt(_) => Kind::Assertion,
            Content::Header(_) => Kind::JoseHeader,
            Content::Claims(_) => Kind::Claims,
            Content::Error(_) => Kind::Error,
            Content::Request(_) => Kind::TokenRequest,
            Content::Patch(_) | Content::Application(_) | Content::ServicePrincipals(_) => Kind::Application,
            Content::Keys(keys) => keys.kind(),
            Content::Federated(_) => Kind::FederatedCredential,
            Content::Settings(_) | Content::Metadata(_) => Kind::Settings,
            Content::Message(_) => Kind::ToolMessage,
            Content::Jwks(_) => Kind::Jwks,
            Content::ClientFile { .. } => Kind::PrivateKey,
            Content::VaultSecret { .. } => Kind::Settings,
            Content::Unknown(_) => Kind::Unknown,
        }
    }
}

impl Jwt {
    /// Whether an external issuer made it: `iss` is a URL, and not Entra's.
    pub fn is_foreign(&self) -> bool {
        let Ok(jwt) = &self.parsed else { return false };
        self.place != Place::AccessToken
            && jwt
                .claims
                .iss
                .text()
                .is_some_and(|iss| iss.starts_with("https://") && !crate::evidence::clouds::is_entra_issuer(iss))
    }
}

impl Keys {
    fn kind(&self) -> Kind {
        if self.file.pkcs12().is_some() {
            Kind::Pkcs12
        } else if self.file.private_key().is_some() || self.file.has_closed_key() {
            Kind::PrivateKey
        } else if self.file.certificates().next().is_some() {
            Kind::Certificate
        } else if self.file.public_keys().next().is_some() {
            Kind::PrivateKey
        } else {
            Kind::Unknown
        }
    }
}
