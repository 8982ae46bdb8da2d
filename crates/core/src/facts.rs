//! Everything a check may look at. What is costly or needed twice (which key was meant) is worked out once.
//!
//! The service knows all of it; the doctor leaves gaps, and a check that meets one answers *undecided*.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::authority::{Authority, Tenant};
use crate::checks::key;
use crate::crypto::{Provider, Verify};
use crate::jose::{JwtError, UnverifiedJwt};
use crate::profile::{Profile, SentAs};
use crate::reason::{FoundKey, Reason};
use crate::registration::{KeyCredential, Registration};
use crate::request::TokenRequest;
use crate::time::UnixTime;
use crate::x509::certificate::Certificate;

/// The result of looking something up, or the knowledge that nobody could look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<T> {
    /// It is there.
    Found(T),
    /// It is known not to be there.
    Absent,
    /// Nobody handed it in.
    NotGiven,
}

/// What would decide an open check: kinds of artifacts, as the doctor's JSON names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needed {
    /// The client assertion.
    Assertion,
    /// The whole token request.
    TokenRequest,
    /// The certificate, or its file.
    Certificate,
    /// The application registration.
    Application,
    /// The tenant that was meant.
    Tenant,
    /// The federated identity credential.
    FederatedCredential,
    /// The issuer's keys.
    Jwks,
}

impl Needed {
    /// The name in `needed` of the doctor's JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assertion => "assertion",
            Self::TokenRequest => "token-request",
            Self::Certificate => "certificate",
            Self::Application => "application",
            Self::Tenant => "tenant",
            Self::FederatedCredential => "federated-credential",
            Self::Jwks => "jwks",
        }
    }
}

/// How the client authenticates (RFC 6749 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// An assertion signed with a key of its own.
    Assertion,
    /// A token of an issuer that it trusts (workload identity federation).
    Federated,
    /// A secret, in the body or by HTTP Basic.
    Secret,
}

/// A resource (API) in the tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    /// Its application id.
    pub app_id: String,
    /// Object id of its service principal in the tenant.
    pub object_id: String,
    /// Display name.
    pub display_name: String,
    /// The identifier that was asked for, as it goes into a v1.0 token's `aud`.
    pub identifier: String,
    /// `accountEnabled` of its service principal.
    pub enabled: bool,
    /// `requestedAccessTokenVersion`: 1 (also for null) or 2.
    pub token_version: u8,
    /// `appRoleAssignmentRequired`.
    pub assignment_required: bool,
    /// Values of the app roles that the client holds there.
    pub roles: Vec<String>,
}

/// A public key of an external issuer, from its JWK Set.
#[derive(Clone, Debug)]
pub struct IssuerKey {
    /// `kid`
    pub kid: Option<String>,
    /// `x5t`
    pub x5t: Option<String>,
    /// The key, parsed once.
    pub verifier: Arc<dyn Verify>,
}

/// Which key the assertion's header selects.
#[derive(Clone, Debug)]
pub enum Selection<'a> {
    /// A registered certificate.
    Registered {
        /// The credential.
        credential: &'a KeyCredential,
        /// Its certificate.
        certificate: &'a Certificate,
        /// The header's thumbprint; `None` when `kid` selected it.
        thumbprint: Option<&'a [u8]>,
    },
    /// A certificate from `x5c` whose chain and subject the application trusts.
    Chain {
        /// The leaf.
        leaf: Box<Certificate>,
    },
    /// A registered entry whose certificate is not at hand (`key: null`).
    WithoutCertificate {
        /// The credential.
        credential: &'a KeyCredential,
    },
    /// None.
    Refused(Box<Reason>),
    /// Not to be told from what is at hand.
    Open(Needed),
}

impl Selection<'_> {
    /// The selected credential as refusals name it.
    pub fn found_key(&self) -> Option<FoundKey> {
        match self {
            Self::Registered { credential, thumbprint, .. } => Some(FoundKey {
                thumbprint: thumbprint.map(<[u8]>::to_vec),
                key_id: credential.key_id.clone(),
                start: credential.start,
                end: credential.end,
            }),
            Self::Chain { leaf } => Some(FoundKey {
                thumbprint: Some(leaf.sha1().to_vec()),
                key_id: String::new(),
                start: leaf.not_before(),
                end: leaf.not_after(),
            }),
            Self::WithoutCertificate { .. } | Self::Refused(_) | Self::Open(_) => None,
        }
    }
}

/// Everything a check may look at.
pub struct Facts<'a> {
    /// Constants of the kind of server.
    pub profile: &'a Profile,
    /// The time of the judgement.
    pub now: UnixTime,
    /// Cryptography.
    pub crypto: &'a dyn Provider,
    /// The token request; `None` when only an assertion is at hand.
    pub request: Option<&'a TokenRequest>,
    /// Names of the authorization server; `None` when nobody said where the request goes.
    pub authority: Option<&'a Authority>,
    /// The tenant that the request names.
    pub tenant: Lookup<&'a Tenant>,
    /// The client that the request, or the person asking, means.
    pub client_id: Option<&'a str>,
    /// The assertion, or why it cannot be read; `None` when there is none at hand.
    pub assertion: Option<Result<&'a UnverifiedJwt, &'a JwtError>>,
    /// HMACs of the secret as sent (two when Basic can be read in two ways).
    pub secret_digests: &'a [[u8; 32]],
    /// The client's registration.
    pub registration: Lookup<&'a Registration>,
    /// The resource that is asked for.
    pub resource: Lookup<&'a Resource>,
    /// Keys of the federated token's issuer.
    pub issuer_keys: Lookup<&'a [IssuerKey]>,
    selection: OnceCell<Selection<'a>>,
}

impl<'a> Facts<'a> {
    /// Facts with every gap open; fill in what is known.
    pub fn new(profile: &'a Profile, now: UnixTime, crypto: &'a dyn Provider) -> Self {
        Self {
            profile,
            now,
            crypto,
            request: None,
            authority: None,
            tenant: Lookup::NotGiven,
            client_id: None,
            assertion: None,
            secret_digests: &[],
            registration: Lookup::NotGiven,
            resource: Lookup::NotGiven,
            issuer_keys: Lookup::NotGiven,
            selection: OnceCell::new(),
        }
    }

    /// The assertion, when it could be read.
    pub fn jwt(&self) -> Option<&'a UnverifiedJwt> {
        self.assertion.and_then(Result::ok)
    }

    /// The registration, when there is one.
    pub fn client(&self) -> Option<&'a Registration> {
        match self.registration {
            Lookup::Found(r) => Some(r),
            Lookup::Absent | Lookup::NotGiven => None,
        }
    }

    /// How the client authenticates; `None` when it does not, or when that is not known.
    pub fn method(&self) -> Option<Method> {
        let assertion = match self.request {
            Some(r) if self.profile.sent_as == SentAs::ClientAssertion => r.given("client_assertion").is_some(),
            _ => self.assertion.is_some(),
        };
        match assertion {
            true if self.is_federated() => Some(Method::Federated),
            true => Some(Method::Assertion),
            false if !self.secret_digests.is_empty() => Some(Method::Secret),
            false => None,
        }
    }

    /// Whether the assertion is a foreign issuer's token: `iss` is a URL, or a registered issuer, and not the client.
    fn is_federated(&self) -> bool {
        let Some(iss) = self.jwt().and_then(|j| j.claims.iss.text()) else { return false };
        if !self.profile.federates || self.client_id.is_some_and(|id| id.eq_ignore_ascii_case(iss)) {
            return false;
        }
        iss.starts_with("https://")
            || self.client().is_some_and(|r| r.federated_credentials.iter().any(|f| f.issuer == iss))
    }

    /// Which key the header selects; worked out once.
    pub fn selection(&self) -> &Selection<'a> {
        self.selection.get_or_init(|| key::select(self))
    }
}
