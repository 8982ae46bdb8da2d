//! Everything that was handed in, joined: which certificate is meant, which registration, which tenant, what time it is.
//!
//! Made by [`crate::diagnose`] once for each diagnosis; causes read it and prove from it. It builds core's `Facts`, with
//! gaps where nothing was given, and keeps the outcome of every check.

pub mod audience;
pub mod clouds;
pub mod federation;
mod join;
pub mod messages;
pub(crate) mod server;
pub mod signature;
pub mod thumbprint;
pub mod time;

use countersign_core::checks::{Check, Outcome};
use countersign_core::crypto::Provider;
use countersign_core::facts::Needed;
use countersign_core::jose::claims::UnverifiedClaims;
use countersign_core::jose::header::UnverifiedHeader;
use countersign_core::jose::{JwtError, UnverifiedJwt};
use countersign_core::profile::Saying;
use countersign_core::registration::Registration;
use countersign_core::x509::certificate::Certificate;
use countersign_core::{Profile, Reason, UnixTime};

use crate::Options;
use crate::artifact::{Application, Artifact, Content, ErrorText, JwksKey, Jwt, Keys, Meaning, Request, Setting};
use audience::AudienceFault;
use federation::Comparison;
use messages::Message;
use signature::Signature;
use thumbprint::Reading;
use time::Times;

/// Something from an artifact, with the artifact's index.
#[derive(Clone, Copy, Debug)]
pub struct At<T> {
    /// Index into [`Evidence::artifacts`].
    pub artifact: usize,
    /// The thing.
    pub it: T,
}

/// A certificate at hand.
#[derive(Clone, Debug)]
pub struct Known {
    /// The certificate.
    pub certificate: Certificate,
    /// Index of the artifact.
    pub artifact: usize,
    /// Where in it.
    pub origin: Origin,
}

/// Where a certificate stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A certificate or key file.
    File,
    /// Entry of `x5c`.
    X5c(usize),
    /// `key` of a key credential: application, entry.
    Registered(usize, usize),
    /// `x5c` of a published key set.
    Jwks,
}

/// How it is known which certificate the client means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeantBy {
    /// The private key given is its pair.
    PrivateKey,
    /// The signature verifies with it.
    Signature,
    /// The header names it.
    Header,
    /// Nothing else was given.
    Only,
}

/// A thumbprint as it was received somewhere.
#[derive(Clone, Debug)]
pub struct Received {
    /// Index of the artifact.
    pub artifact: usize,
    /// Where in it, as a pointer.
    pub pointer: String,
    /// Where it was meant to go.
    pub member: Member,
    /// As written; `None` for an echo, of which only the bytes are known.
    pub text: Option<String>,
    /// Its bytes; `None` when it cannot be decoded.
    pub bytes: Option<Vec<u8>>,
    /// What it turned out to be, when it is not simply right.
    pub reading: Option<Reading>,
}

/// Where a thumbprint was meant to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// `x5t`
    X5t,
    /// `x5t#S256`
    X5tS256,
    /// Echoed by an error: one of the two.
    Echo,
    /// Someone's settings.
    Setting,
}

impl Member {
    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X5t => "`x5t`",
            Self::X5tS256 => "`x5t#S256`",
            Self::Echo => "the thumbprint that the service received",
            Self::Setting => "the thumbprint in the settings",
        }
    }
}

/// Where the tenant that is meant comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantFrom {
    /// Said by the person asking.
    Argument,
    /// The request's URL.
    Request,
    /// Settings.
    Settings,
    /// The `aud` claim itself: then it cannot be compared with it.
    Audience,
}

/// Which parts of an assertion are at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The header.
    pub header: bool,
    /// The claims.
    pub claims: bool,
    /// A whole signature.
    pub signature: bool,
}

/// Everything joined.
pub struct Evidence<'a> {
    /// The artifacts.
    pub artifacts: &'a [Artifact],
    /// What the person asking said.
    pub options: &'a Options,
    /// The kind of server.
    pub profile: &'static Profile,
    /// Cryptography.
    pub crypto: &'a dyn Provider,
    /// Time of the judgement.
    pub now: UnixTime,
    /// That time was given, by the person or by an artifact, and is not just the clock.
    pub now_given: bool,
    /// Parts of the assertion at hand.
    pub parts: Parts,
    /// The assertion; made up of header and claims when only those were given.
    pub jwt: Option<At<&'a UnverifiedJwt>>,
    /// Why it cannot be read.
    pub unreadable: Option<At<&'a JwtError>>,
    /// The header.
    pub header: Option<At<&'a UnverifiedHeader>>,
    /// The claims.
    pub claims: Option<At<&'a UnverifiedClaims>>,
    /// Every JWT given.
    pub jwts: Vec<At<&'a Jwt>>,
    /// The error that matters most.
    pub error: Option<At<&'a ErrorText>>,
    /// Every error.
    pub errors: Vec<At<&'a ErrorText>>,
    /// The request that carries the assertion, else the first.
    pub request: Option<At<&'a Request>>,
    /// Every request.
    pub requests: Vec<At<&'a Request>>,
    /// Every registration.
    pub apps: Vec<At<&'a Application>>,
    /// Index into [`Self::apps`] of the client's registration.
    pub app: Option<usize>,
    /// The client that is meant.
    pub client_id: Option<String>,
    /// It was named by the person, the request or an error, and not taken from `iss` itself.
    pub client_id_named: bool,
    /// The tenant that is meant.
    pub tenant: Option<(String, TenantFrom)>,
    /// Host of the authority.
    pub authority_host: String,
    /// It was taken from a request or a setting, and not assumed.
    pub authority_named: bool,
    /// Certificates at hand.
    pub certificates: Vec<Known>,
    /// Index of the certificate that the client means.
    pub leaf: Option<(usize, MeantBy)>,
    /// Files with certificates and keys.
    pub keys: Vec<At<&'a Keys>>,
    /// Published keys.
    pub jwks: Vec<At<&'a [JwksKey]>>,
    /// Settings.
    pub settings: Vec<At<&'a Setting>>,
    /// Messages of tools.
    pub messages: Vec<At<Message>>,
    /// What a server of another kind said.
    pub sayings: Vec<At<&'static Saying>>,
    /// Thumbprints received.
    pub received: Vec<Received>,
    /// What the signature is.
    pub signature: Signature,
    /// What the times are.
    pub times: Option<Times>,
    /// What is wrong with `aud`.
    pub audience: Option<AudienceFault>,
    /// The federated token against the credential.
    pub federation: Option<Comparison>,
    /// The assertion is for another kind of server than the profile's.
    pub other_server: bool,
    /// The registration judged by; made up when only a certificate was given.
    pub registration: Option<Registration>,
    /// The registration is made up.
    pub registration_assumed: bool,
    /// Answer of every check that can judge what is at hand.
    pub outcomes: Vec<(&'static Check, Outcome)>,
}

impl<'a> Evidence<'a> {
    /// Joins artifacts.
    pub(crate) fn join(
        artifacts: &'a [Artifact],
        synthetic: Option<&'a UnverifiedJwt>,
        options: &'a Options,
        crypto: &'a dyn Provider,
    ) -> Self {
        join::join(artifacts, synthetic, options, crypto)
    }

    /// The assertion made up of a bare header and bare claims, for [`Self::join`].
    pub(crate) fn synthetic(artifacts: &[Artifact]) -> Option<UnverifiedJwt> {
        join::synthetic(artifacts)
    }

    /// The reason for which a check refuses.
    pub fn refused(&self, check: &str) -> Option<&Reason> {
        self.outcomes.iter().find(|(c, _)| c.id == check).and_then(|(_, o)| match o {
            Outcome::Refuse(reason) => Some(reason),
            _ => None,
        })
    }

    /// Whether a check passed.
    pub fn passed(&self, check: &str) -> bool {
        self.outcomes.iter().any(|(c, o)| c.id == check && *o == Outcome::Pass)
    }

    /// What a check needs.
    pub fn open(&self, check: &str) -> Option<Needed> {
        self.outcomes.iter().find(|(c, _)| c.id == check).and_then(|(_, o)| match o {
            Outcome::Undecided(needed) => Some(*needed),
            _ => None,
        })
    }

    /// The AADSTS number that was answered.
    pub fn code(&self) -> Option<u32> {
        self.error.and_then(|e| e.it.parsed.code())
    }

    /// Whether an error with one of these numbers is at hand, and which.
    pub fn error_of(&self, codes: &[u32]) -> Option<At<&'a ErrorText>> {
        self.errors.iter().find(|e| e.it.parsed.codes.iter().any(|c| codes.contains(c))).copied()
    }

    /// The client's registration, when one was given.
    pub fn app(&self) -> Option<At<&'a Application>> {
        self.app.and_then(|i| self.apps.get(i)).copied()
    }

    /// The certificate that the client means.
    pub fn leaf(&self) -> Option<&Known> {
        self.leaf.and_then(|(i, _)| self.certificates.get(i))
    }

    /// Name of an artifact's file.
    pub fn file(&self, artifact: usize) -> &str {
        self.artifacts.get(artifact).map_or("", |a| a.file.as_str())
    }

    /// An assertion, or a part of one, signed by a key of the client's own is judged.
    pub fn own_assertion(&self) -> bool {
        (self.header.is_some() || self.claims.is_some())
            && !self.is_federated()
            && !self.is_other_token()
            && !self.other_server
    }

    /// The profile is one of another server, whose rules are known.
    pub fn known_server(&self) -> Option<&'static Profile> {
        Some(self.profile).filter(|p| !p.has_tenants())
    }

    /// An assertion that its server's rules judge: as [`Self::own_assertion`], or for another server that is known.
    pub fn judged_assertion(&self) -> bool {
        self.own_assertion() || self.known_server().is_some() && (self.header.is_some() || self.claims.is_some())
    }

    /// What the server said about a check.
    pub fn said_of(&self, check: &str) -> Option<At<&'static Saying>> {
        self.sayings.iter().find(|s| s.it.check == check).copied()
    }

    /// The token is one of an external issuer.
    pub fn is_federated(&self) -> bool {
        let iss = self.claims.and_then(|c| c.it.iss.text()).filter(|_| self.profile.federates);
        iss.is_some_and(|iss| iss.starts_with("https://") && !clouds::is_entra_issuer(iss))
            || self.federation.is_some() && iss.is_some_and(|i| !countersign_core::authority::is_guid(i))
    }

    /// The token is one that Entra issued: an access or ID token, never a client assertion.
    pub fn is_other_token(&self) -> bool {
        self.claims.and_then(|c| c.it.iss.text()).is_some_and(clouds::is_entra_issuer)
    }

    /// Messages of a kind.
    pub fn message(&self, wanted: Message) -> Option<usize> {
        self.messages.iter().find(|m| m.it == wanted).map(|m| m.artifact)
    }

    /// Settings of a meaning.
    pub fn settings_of(&self, meaning: Meaning) -> impl Iterator<Item = At<&'a Setting>> + '_ {
        self.settings.iter().filter(move |s| s.it.meaning == meaning).copied()
    }

    /// Nothing was sent yet, as far as is known: only files, settings and messages of tools are at hand.
    pub fn before_sending(&self) -> bool {
        self.header.is_none()
            && self.claims.is_none()
            && self.unreadable.is_none()
            && self.request.is_none()
            && self.errors.is_empty()
    }

    /// A tool's message is at hand that speaks of a refused file or key.
    pub fn tool_refused(&self) -> bool {
        !self.messages.is_empty()
    }

    /// Received thumbprints that are not simply a digest of a certificate, with what they are.
    pub fn misread(&self) -> impl Iterator<Item = (&Received, &Reading)> + '_ {
        let wrong = |r: &Reading| !r.steps.is_empty() || !matches!(r.hit, Some((_, thumbprint::Source::Der(_))));
        self.received
            .iter()
            .filter(|_| !self.passed("key-found"))
            .filter_map(move |r| Some((r, r.reading.as_ref().filter(|x| wrong(x))?)))
    }

    /// The thumbprint of the header, else of the error, when it is a plain digest: neither text nor of another length.
    pub fn plain_thumbprint(&self) -> Option<&Received> {
        let plain = |r: &&Received| {
            let digest = r.bytes.as_ref().is_some_and(|b| matches!(b.len(), 20 | 32));
            let right = r
                .reading
                .as_ref()
                .is_none_or(|x| x.steps.is_empty() && matches!(x.hit, None | Some((_, thumbprint::Source::Der(_)))));
            r.member != Member::Setting && digest && right
        };
        let mut sent = self.received.iter().filter(|r| r.member != Member::Setting);
        let first = sent.next()?;
        Some(first).filter(plain)
    }

    /// The known certificate whose digest a received thumbprint is.
    pub fn certificate_of(&self, received: &Received) -> Option<&Known> {
        received.reading.as_ref().and_then(|r| r.hit).and_then(|(i, _)| self.certificates.get(i))
    }

    /// Entries of registrations that a digest names: application, entry.
    pub fn holders(&self, digest: &[u8]) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        for (a, app) in self.apps.iter().enumerate() {
            for (k, key) in app.it.registration.key_credentials.iter().enumerate() {
                let named = match &key.certificate {
                    Some(c) => c.sha1() == digest || c.sha256() == digest,
                    None => self.custom_names(key, digest),
                };
                if named {
                    out.push((a, k));
                }
            }
        }
        out
    }

    /// `customKeyIdentifier` is this digest, or the other digest of a certificate at hand that has it.
    fn custom_names(&self, key: &countersign_core::registration::KeyCredential, digest: &[u8]) -> bool {
        let Some(custom) = key.custom_digest() else { return false };
        let both = |c: &Certificate| {
            let has = |d: &[u8]| c.sha1() == d || c.sha256() == d;
            has(digest) && has(&custom)
        };
        custom == digest || self.certificates.iter().any(|k| both(&k.certificate))
    }

    /// An error says that the key was not found, or core says so for a registration that was given.
    pub fn key_not_found(&self) -> bool {
        let said = self.error_of(&[700_027, 50_012, 50_013]).is_some_and(|e| {
            let reason = e.it.parsed.reason.as_deref().unwrap_or_default();
            reason.contains("not found") || e.it.text.contains("is not registered on application")
        });
        said || self.refused("key-found").is_some() || self.refused("keys-registered").is_some()
    }

    /// Whether the assertion verifies with a key.
    pub fn verifies_with(&self, key: &countersign_core::x509::key::PublicKey) -> bool {
        let Some(jwt) = self.jwt.filter(|_| self.parts.signature) else { return false };
        let Some(alg) = jwt.it.header.alg.text().and_then(countersign_core::jose::alg::Alg::from_name) else {
            return false;
        };
        self.crypto
            .verifier(key)
            .is_ok_and(|v| v.verify(alg, jwt.it.compact.signing_input(), &jwt.it.compact.signature.bytes).is_ok())
    }

    /// Texts in which the messages of tools stand: what is left of files beside artifacts, and errors of other servers.
    pub fn texts(&self) -> impl Iterator<Item = (usize, &'a str)> + '_ {
        self.artifacts.iter().enumerate().filter_map(|(i, a)| match &a.content {
            Content::Message(text) => Some((i, text.as_str())),
            Content::Error(e) => Some((i, e.text.as_str())),
            _ => None,
        })
    }
}
