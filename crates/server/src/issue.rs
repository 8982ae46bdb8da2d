//! One token request from facts to answer: look up, admit, remember, sign. Knows no HTTP type.
//!
//! Called by the token endpoint. State changes only after `admit` said yes; a refused assertion burns nothing.

mod identity;
mod kept;

use std::sync::Arc;

use countersign_core::admit::{Credential, NotAdmitted};
use countersign_core::authority::TenantSegment;
use countersign_core::checks::federation;
use countersign_core::checks::resource::requested;
use countersign_core::facts::{IssuerKey, Lookup, Resource};
use countersign_core::jose::{JwtError, UnverifiedJwt};
use countersign_core::request::TokenRequest;
use countersign_core::time::UnixTime;
use countersign_core::{Facts, Reason, admit, entra};
use zeroize::Zeroizing;

use crate::app::App;
use crate::directory::{Client, ResourceEntry, Tenant};
use crate::store::StoreError;
use crate::store::model::{Accepted, SignInRecord, TokenAlg};
use crate::token::claims::{self, TokenSpec};
use crate::traces::{Trace, stage};

pub use identity::{IdentityAsked, IdentityName, IssuedToIdentity, issue_to_identity};
pub(crate) use kept::encode as form_encode;

/// A secret longer than this is wrong, whatever it is: those made here have 40 characters.
const MAX_SECRET: usize = 1024;
/// Longest part of an assertion that the journal keeps.
const MAX_KEPT: usize = 8 * 1024;
/// Lifetime of a token: random, 60 to 90 minutes, 75 on average (Microsoft's configurable-token-lifetimes).
const SHORTEST_LIFE: i64 = 3_600;
const LIFE_SPREAD: u64 = 1_801;
/// Lifetime of a managed identity's token (`expires_in` 86399 in Microsoft's examples and on record).
const IDENTITY_LIFE: i64 = 86_400;

/// Random bytes of one request, drawn at once.
pub type Random = [u8; 64];

/// A request and when it came.
pub struct Asked<'a> {
    /// The request.
    pub request: &'a TokenRequest,
    /// Base URL of the service, as the client called it.
    pub base: &'a Arc<str>,
    /// Now.
    pub now: UnixTime,
    /// Random bytes for whatever the answer needs.
    pub random: &'a Random,
    /// The request's trace, if it is traced.
    pub trace: Option<&'a Trace>,
}

/// A token.
#[derive(Debug)]
pub struct Issued {
    /// The token.
    pub access_token: Zeroizing<String>,
    /// `expires_in`
    pub expires_in: i64,
    /// `expires_on`
    pub expires_on: i64,
    /// `not_before`
    pub not_before: i64,
    /// The resource, as asked for.
    pub resource: String,
}

/// Why there is none.
#[derive(Debug)]
pub enum NotIssued {
    /// A rule is broken.
    Refused(Box<Reason>),
    /// The service cannot answer at the moment; the cause is for the log.
    Failed(Failure),
}

/// A fault of the service.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A check could not decide, which is a bug here.
    #[error("check '{check}' could not decide: {needed} was missing")]
    Undecided {
        /// The check.
        check: &'static str,
        /// What was missing.
        needed: &'static str,
    },
    /// Nobody could tell for too long whether what this node knows still holds.
    #[error("the directory was not confirmed for too long")]
    Stale,
    /// The client gets tokens more often than it may; seconds until the next one.
    #[error("the client asks too often")]
    TooMany(u32),
    /// No key, or the library failed.
    #[error("the token could not be signed")]
    Sign,
}

impl From<Failure> for NotIssued {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<StoreError> for NotIssued {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Answers a token request. `record` is filled with what becomes known on the way, also when there is no token.
///
/// # Errors
/// [`NotIssued`]
pub async fn issue(app: &App, asked: &Asked<'_>, record: &mut SignInRecord) -> Result<Issued, NotIssued> {
    confirmed(app)?;
    let looking_up = stage(asked.trace, "look-up");
    let known = Known::look_up(app, asked.request).await?;
    known.describe(asked.request, record);
    drop(looking_up);
    let verifying = stage(asked.trace, "verify");
    let judged = known.judge(app, asked, record);
    drop(verifying);
    let admitted = match judged {
        Ok(admitted) => admitted,
        Err(not_issued) => {
            known.keep(asked.request, record);
            return Err(not_issued);
        }
    };
    admitted.describe(record);
    known.remember(asked, record);
    app.load.of_client(&admitted.tenant_id, &admitted.app_id).map_err(Failure::TooMany)?;
    if app.profile.remembers_jti
        && let Some((jti, until)) = known.use_of_assertion(app)
        && !use_once(app, asked, &admitted.app_id, &jti, until).await?
    {
        known.keep(asked.request, record);
        record.accepted = None;
        "replay".clone_into(&mut record.refused_by);
        return Err(NotIssued::Refused(Box::new(Reason::Replayed { jti })));
    }
    let waiting = stage(asked.trace, "queue");
    let _turn = app.load.turn().await;
    drop(waiting);
    sign(app, asked, admitted, None, record)
}

/// Whether the assertion was not used before; from now on it was.
async fn use_once(app: &App, asked: &Asked<'_>, app_id: &str, jti: &str, until: UnixTime) -> Result<bool, StoreError> {
    let _replay = stage(asked.trace, "replay");
    app.store().use_once(app_id, jti, until, asked.now).await
}

/// Signs the token of a client that was admitted. A managed identity's token names its resource id and lives longer.
fn sign(
    app: &App,
    asked: &Asked<'_>,
    admitted: Admitted,
    identity: Option<&str>,
    record: &mut SignInRecord,
) -> Result<Issued, NotIssued> {
    // What was looked up may have waited for the store.
    confirmed(app)?;
    let failed = || NotIssued::Failed(Failure::Sign);
    let key = app.signer.for_tokens(admitted.token_alg, asked.now).ok_or_else(failed)?;
    let spread = u64::from_le_bytes(asked.random[48..56].try_into().unwrap_or_default()) % LIFE_SPREAD;
    let uti = countersign_core::encoding::encode_base64url(&asked.random[16..32]);
    let spec = TokenSpec {
        base: asked.base,
        tenant_id: &admitted.tenant_id,
        app_id: &admitted.app_id,
        app_name: &admitted.app_name,
        object_id: &admitted.object_id,
        by_assertion: !matches!(admitted.credential, Some(Credential::Secret { .. })),
        resource: &admitted.resource,
        now: asked.now,
        // Fits: at most 1,800.
        lifetime: if identity.is_some() { IDENTITY_LIFE } else { SHORTEST_LIFE + spread as i64 },
        uti: &uti,
        aio: &asked.random[32..48],
        identity,
    };
    let _signing = stage(asked.trace, "sign");
    let started = std::time::Instant::now();
    let access_token = Zeroizing::new(claims::sign(&spec, &key).map_err(|_| failed())?);
    app.metrics.sign_duration.observe(started.elapsed());
    let (expires_in, expires_on, not_before) = (spec.lifetime - 1, spec.expires(), spec.not_before());
    record.token_id = uti;
    Ok(Issued { access_token, expires_in, expires_on, not_before, resource: admitted.resource.identifier })
}

/// Whether this node may rely on what it knows, which other nodes may have changed.
fn confirmed(app: &App) -> Result<(), Failure> {
    if app.directory.freshness.holds() { Ok(()) } else { Err(Failure::Stale) }
}

/// What the request names, looked up.
struct Known {
    tenant: Option<Arc<Tenant>>,
    assertion: Option<Result<UnverifiedJwt, JwtError>>,
    client: Option<Arc<Client>>,
    resource: Option<Arc<ResourceEntry>>,
    fetched_keys: Option<Arc<[IssuerKey]>>,
}

impl Known {
    async fn look_up(app: &App, request: &TokenRequest) -> Result<Self, StoreError> {
        let assertion = request.given("client_assertion").map(UnverifiedJwt::read);
        let tenant = match TenantSegment::read(&request.tenant) {
            TenantSegment::Id(segment) | TenantSegment::Domain(segment) => app.directory.tenant(segment).await?,
            TenantSegment::Nil | TenantSegment::Shared(_) | TenantSegment::Malformed(_) => None,
        };
        let mut known = Self { tenant, assertion, client: None, resource: None, fetched_keys: None };
        if let Some(tenant) = &known.tenant {
            if let Some(client_id) = request.client_id() {
                known.client = app.directory.client(tenant, client_id).await?;
            }
            if let Some(identifier) = requested(request).filter(|r| !r.is_empty()) {
                known.resource = app.directory.resource(tenant, app.names.resource(identifier)).await?;
            }
        }
        known.fetched_keys = known.fetch_keys(app).await;
        Ok(known)
    }

    /// Fetches the keys of a federated token's issuer, if a credential of the client matches the token and no seed brought
    /// the keys. Nothing else in a request causes one to another host.
    async fn fetch_keys(&self, app: &App) -> Option<Arc<[IssuerKey]>> {
        let (client, jwt) = (self.client.as_ref()?, self.jwt()?);
        let matched = federation::matching(jwt, &client.registration.federated_credentials).ok()?;
        if client.keys_of_issuer(&matched.issuer).is_some() {
            return None;
        }
        app.issuers.keys(&matched.issuer, jwt.header.kid.text(), app.now()).await
    }

    /// Admits the client. Facts borrow and do not cross an await, hence a function of its own.
    fn judge(&self, app: &App, asked: &Asked<'_>, record: &mut SignInRecord) -> Result<Admitted, NotIssued> {
        let request = asked.request;
        let digests = secret_digests(app, request);
        let resource = match (&self.resource, requested(request)) {
            (Some(entry), Some(identifier)) => Some(self.resource_of(entry, identifier)),
            _ => None,
        };
        let mut facts = Facts::new(app.profile, asked.now, &*app.crypto);
        facts.request = Some(request);
        facts.authority = Some(app.authority());
        facts.tenant = lookup(self.tenant.as_deref().map(|t| &t.names));
        facts.client_id = request.client_id();
        facts.assertion = self.assertion.as_ref().map(Result::as_ref);
        facts.secret_digests = &digests;
        facts.registration = lookup(self.client.as_deref().map(|c| &c.registration));
        facts.resource = lookup(resource.as_ref());
        facts.issuer_keys = lookup(self.issuer_keys());
        let (object_id, credential) = match admit(&facts) {
            Ok(client) => (client.service_principal().object_id.clone(), client.credential().clone()),
            Err(NotAdmitted::Refused { reason, check }) => {
                check.clone_into(&mut record.refused_by);
                return Err(NotIssued::Refused(reason));
            }
            Err(NotAdmitted::Undecided { check, needed }) => {
                return Err(NotIssued::Failed(Failure::Undecided { check, needed: needed.name() }));
            }
        };
        // An admitted client has tenant, registration and resource.
        let missing = |needed| NotIssued::Failed(Failure::Undecided { check: "admitted", needed });
        let tenant = self.tenant.as_ref().ok_or_else(|| missing("tenant"))?;
        let client = self.client.as_ref().ok_or_else(|| missing("application"))?;
        Ok(Admitted {
            tenant_id: tenant.names.id.clone(),
            app_id: client.registration.app_id.clone(),
            app_name: client.registration.display_name.clone(),
            object_id,
            credential: Some(credential),
            resource: resource.ok_or_else(|| missing("resource"))?,
            token_alg: self.token_alg(),
        })
    }

    fn resource_of(&self, entry: &ResourceEntry, identifier: &str) -> Resource {
        Resource {
            app_id: entry.app_id.clone(),
            object_id: entry.object_id.clone(),
            display_name: entry.display_name.clone(),
            identifier: identifier.to_owned(),
            enabled: entry.enabled,
            token_version: entry.token_version,
            assignment_required: entry.assignment_required,
            roles: self.client.as_ref().map(|c| c.roles_at(&entry.object_id)).unwrap_or_default(),
        }
    }

    fn token_alg(&self) -> TokenAlg {
        self.resource.as_ref().map(|r| r.token_alg).unwrap_or_default()
    }

    fn jwt(&self) -> Option<&UnverifiedJwt> {
        self.assertion.as_ref().and_then(|a| a.as_ref().ok())
    }

    fn issuer_keys(&self) -> Option<&[IssuerKey]> {
        let seeded = || self.client.as_ref()?.keys_of_issuer(self.jwt()?.claims.iss.text()?);
        seeded().or(self.fetched_keys.as_deref())
    }

    /// `jti` and how long it has to be remembered: until the assertion has ended, leeway included.
    fn use_of_assertion(&self, app: &App) -> Option<(String, UnixTime)> {
        let claims = &self.jwt()?.claims;
        Some((claims.jti.text()?.to_owned(), claims.exp.time()?.plus_secs(app.profile.leeway + 1)))
    }

    /// Fills the journal row with what the request names.
    fn describe(&self, request: &TokenRequest, record: &mut SignInRecord) {
        let clean = |text: Option<&str>| text.map(entra::text::clean).unwrap_or_default();
        if let Some(tenant) = &self.tenant {
            record.tenant_id.clone_from(&tenant.names.id);
        }
        match &self.client {
            Some(client) => {
                record.app_id.clone_from(&client.registration.app_id);
                record.app_name.clone_from(&client.registration.display_name);
                if let Some(principal) = &client.registration.service_principal {
                    record.service_principal_id.clone_from(&principal.object_id);
                }
            }
            None => record.app_id = clean(request.client_id()),
        }
        record.alg = clean(self.jwt().and_then(|j| j.header.alg.text()));
        record.resource = clean(requested(request));
        if let Some(resource) = &self.resource {
            record.resource_id.clone_from(&resource.object_id);
        }
        record.credential_type = match request.given("client_assertion") {
            Some(_) => "clientAssertion",
            None if request.given("client_secret").is_some() || request.basic.is_some() => "clientSecret",
            None => "none",
        }
        .to_owned();
    }

    /// Remembers what an accepted request said while it is among the newest. The store keeps nothing of it: these are the
    /// many, and there is nothing to explain.
    fn remember(&self, asked: &Asked<'_>, record: &mut SignInRecord) {
        let kept = self.jwt().map(|j| j.compact.without_signature()).filter(|t| t.len() <= MAX_KEPT);
        record.accepted = kept.map(|text| {
            Box::new(Accepted {
                assertion: text.to_owned(),
                base: Arc::clone(asked.base),
                version: asked.request.version,
            })
        });
    }

    /// Keeps what a refused request said, its assertion without the signature, its secrets not at all, so that the refusal
    /// can be explained later, should there be too many of them for a diagnosis at once.
    fn keep(&self, request: &TokenRequest, record: &mut SignInRecord) {
        kept::form(request, record);
        if let Some(text) = self.jwt().map(|j| j.compact.without_signature()).filter(|t| t.len() <= MAX_KEPT) {
            text.clone_into(&mut record.assertion);
        }
    }
}

/// A client that was admitted, and what its token says.
struct Admitted {
    tenant_id: String,
    app_id: String,
    app_name: String,
    object_id: String,
    /// `None` for a managed identity, which has none.
    credential: Option<Credential>,
    resource: Resource,
    token_alg: TokenAlg,
}

impl Admitted {
    fn describe(&self, record: &mut SignInRecord) {
        let kind = match &self.credential {
            None => "managedIdentity",
            Some(Credential::Certificate { key_id, thumbprint }) => {
                record.credential_key_id.clone_from(key_id);
                record.credential_thumbprint.clone_from(thumbprint);
                "certificate"
            }
            Some(Credential::TrustedSubject { thumbprint }) => {
                record.credential_thumbprint.clone_from(thumbprint);
                "certificate"
            }
            Some(Credential::Secret { key_id }) => {
                record.credential_key_id.clone_from(key_id);
                "clientSecret"
            }
            Some(Credential::Federated { id }) => {
                record.federated_credential_id.clone_from(id);
                "federatedIdentityCredential"
            }
        };
        kind.clone_into(&mut record.credential_type);
    }
}

/// Digests of the secret as sent; two when a Basic header can be read in two ways. One that is too long is not hashed and
/// equals none: a digest of zeros is nobody's.
fn secret_digests(app: &App, request: &TokenRequest) -> Vec<[u8; 32]> {
    let digest = |secret: &str| if secret.len() > MAX_SECRET { [0; 32] } else { app.secrets.digest(secret) };
    if let Some(secret) = request.given("client_secret") {
        return vec![digest(secret)];
    }
    match &request.basic {
        Some(Ok(basic)) => basic.secrets.iter().filter(|s| !s.is_empty()).map(|s| digest(s)).collect(),
        Some(Err(_)) | None => Vec::new(),
    }
}

fn lookup<T>(found: Option<T>) -> Lookup<T> {
    found.map_or(Lookup::Absent, Lookup::Found)
}
