//! Every refusal that the service gives, with the input that provokes it; and why it gives none of the other codes.
//!
//! The table in `docs/refusals.md` is made of this, and a test of the service provokes each row over HTTP. Number, words,
//! `error` and status come from the same functions that answer a request.

use super::fault::Fault;
use super::{KNOWN, KnownCode, codes, text};
use crate::encoding::Oddities;
use crate::jose::JwtError;
use crate::jose::compact::CompactError;
use crate::oauth;
use crate::reason::{FoundKey, KeyProblem, Part, Reason};
use crate::time::UnixTime;

/// Codes whose `error` and HTTP status stand in a whole recorded answer. For every other code the pair is inferred:
/// `invalid_client` came with 401 in every record, everything else with 400.
pub const STATUS_SEEN: &[u32] =
    &[50_027, 70_011, 90_002, 700_016, 700_024, 700_213, 900_144, 7_000_215, 7_000_216, 7_000_229, 9_002_313];

/// A row of the table.
pub struct Row {
    /// Its name, for the test that provokes it.
    pub name: &'static str,
    /// What provokes it, in words.
    pub input: &'static str,
    /// The only profile that refuses so; `None`: every one.
    pub profile: Option<&'static str>,
    /// The number.
    pub code: u32,
    /// `error`
    pub error: &'static str,
    /// HTTP status.
    pub status: u16,
    /// `error_description`, with names in braces where values stand.
    pub template: String,
}

/// Every row: broken rules in the order of their reasons, then what belongs to HTTP, metadata and the service itself.
pub fn rows() -> Vec<Row> {
    let of_reasons = SAMPLES.iter().map(|sample| {
        let reason = (sample.reason)();
        let error = oauth::error(&reason);
        Row {
            name: sample.name,
            input: sample.input,
            profile: sample.profile,
            code: codes::code(&reason),
            error: error.name(),
            status: error.status(),
            template: template(&reason),
        }
    });
    let of_faults = Fault::ALL.iter().map(|fault| Row {
        name: match fault {
            Fault::Malformed => "Malformed",
            Fault::NotFound => "NotFound",
            Fault::TooLarge => "TooLarge",
            Fault::TooSlow => "TooSlow",
            Fault::Method => "Method",
            Fault::DiscoveryMalformed => "DiscoveryMalformed",
            Fault::InstanceUnknown => "InstanceUnknown",
            Fault::Failed => "Failed",
            Fault::Unavailable => "Unavailable",
        },
        input: fault.input(),
        profile: None,
        code: fault.code(),
        error: fault.error(),
        status: fault.status(),
        template: fault.template(),
    });
    of_reasons.chain(of_faults).collect()
}

/// Known codes that are explained only, each with the reason.
pub fn explained_only() -> Vec<(&'static KnownCode, String)> {
    let emitted: Vec<u32> = rows().iter().map(|row| row.code).collect();
    let why = |known: &KnownCode| match WHY_NOT.iter().find(|(code, _)| *code == known.code) {
        Some((_, why)) => (*why).to_owned(),
        None => format!("belongs to {}", known.grants.join(", ").replace('_', " ")),
    };
    KNOWN.iter().filter(|k| !emitted.contains(&k.code)).map(|k| (k, why(k))).collect()
}

/// The text of a reason with `{time}` and `{THUMBPRINT}` where the samples' values stand.
fn template(reason: &Reason) -> String {
    text::description(reason)
        .replace(&UnixTime::EPOCH.entra_seven_digits(), "{time}")
        .replace(&UnixTime::EPOCH.entra_found_key(), "{time}")
        .replace(&crate::encoding::encode_hex_upper(&DIGEST), "{THUMBPRINT}")
}

const DIGEST: [u8; 20] = [0xAB; 20];

struct Sample {
    name: &'static str,
    input: &'static str,
    profile: Option<&'static str>,
    reason: fn() -> Reason,
}

const fn row(name: &'static str, input: &'static str, reason: fn() -> Reason) -> Sample {
    Sample { name, input, profile: None, reason }
}

const fn strict(name: &'static str, input: &'static str, reason: fn() -> Reason) -> Sample {
    Sample { name, input, profile: Some("strict"), reason }
}

fn some(name: &str) -> String {
    format!("{{{name}}}")
}

fn found() -> FoundKey {
    FoundKey { thumbprint: Some(DIGEST.to_vec()), key_id: String::new(), start: UnixTime::EPOCH, end: UnixTime::EPOCH }
}

static SAMPLES: &[Sample] = &[
    row(
        "ParameterMissing",
        "`grant_type`, `client_id`, `scope` (v1.0: `resource`) or, beside an assertion, `client_assertion_type` missing or empty; a body that is no form",
        || Reason::ParameterMissing { name: "{name}" },
    ),
    row("ParameterRepeated", "a parameter twice in the body", || Reason::ParameterRepeated { name: some("name") }),
    row("TooManyParameters", "more than 100 parameters", || Reason::TooManyParameters { limit: 100 }),
    row("GrantTypeUnsupported", "another `grant_type` than `client_credentials`", || Reason::GrantTypeUnsupported {
        received: some("grant_type"),
    }),
    row("ResourceParameterAtV2", "`resource` at the v2.0 endpoint", || Reason::ResourceParameterAtV2),
    row("ScopeNotDefault", "a scope that does not end in `/.default`", || Reason::ScopeNotDefault {
        received: some("scope"),
    }),
    row("ScopeMalformed", "a scope without a resource: `/.default`, `openid`", || Reason::ScopeMalformed {
        received: some("scope"),
    }),
    row("ScopeNoResource", "a scope whose resource is neither URI nor GUID: `user.read/.default`", || {
        Reason::ScopeNoResource { received: some("scope") }
    }),
    row("ScopeManyResources", "scopes of two resources", || Reason::ScopeManyResources { received: some("scope") }),
    row("TenantMalformed", "a tenant segment that is neither GUID nor domain name", || Reason::TenantMalformed {
        received: some("tenant"),
    }),
    row("TenantNil", "the nil GUID as tenant", || Reason::TenantNil),
    row("TenantUnknown", "a GUID or domain name of no tenant here", || Reason::TenantUnknown {
        received: some("tenant"),
    }),
    row("TenantShared", "`common` or `consumers` as tenant", || Reason::TenantShared { received: some("tenant") }),
    row("TenantNotNamed", "`organizations` as tenant", || Reason::TenantNotNamed),
    row("TenantRestricted", "a `Restrict-Access-To-Tenants` header that does not list the tenant", || {
        Reason::TenantRestricted { tenant: some("tenant") }
    }),
    row("CredentialMissing", "neither assertion nor secret, or an empty one", || Reason::CredentialMissing),
    row("CredentialTwice", "assertion and secret, or either beside HTTP Basic", || Reason::CredentialTwice),
    row("BasicMalformed", "`Authorization: Basic` that is no base64 of `id:secret`", || Reason::BasicMalformed),
    row("BasicOtherClient", "HTTP Basic of another client than `client_id` in the body", || Reason::BasicOtherClient),
    row("AssertionTypeWrong", "another `client_assertion_type` than the JWT bearer URN", || {
        Reason::AssertionTypeWrong { received: some("type") }
    }),
    row("NotAJwt", "an assertion that is no compact JWT", || {
        Reason::NotAJwt(JwtError::Compact(CompactError::Segments { found: 1 }))
    }),
    row("MemberRepeated", "a member twice in header or claims", || Reason::MemberRepeated {
        part: Part::Header,
        name: some("name"),
    }),
    row("SegmentEncoding", "a segment with another alphabet, white space, wrong padding or stray bits", || {
        Reason::SegmentEncoding { segment: "header", oddities: Oddities::default() }
    }),
    row(
        "HeaderMember",
        "a header member that is none of the admitted ones: `crit`, `b64`, `zip`, `jwk`, `jku`, `x5u`, …",
        || Reason::HeaderMember { name: some("name") },
    ),
    row("TypWrong", "a `typ` that is not `JWT`", || Reason::TypWrong { received: some("typ") }),
    row("AlgUnsupported", "an `alg` outside the list: `none`, `HS256`, `ES256`, `rs256`", || Reason::AlgUnsupported {
        received: some("alg"),
        accepted: crate::profile::ENTRA.algs,
    }),
    row("KeyIdentifierMissing", "a header without `x5t`, `x5t#S256` and `kid`", || Reason::KeyIdentifierMissing),
    strict("ThumbprintEncoding", "a thumbprint in another form than canonical base64url", || {
        Reason::ThumbprintEncoding { member: "x5t", app_id: some("appId"), oddities: Oddities::default() }
    }),
    row("ClaimMissing", "`iss`, `sub`, `aud` or `exp` missing from the assertion", || Reason::ClaimMissing {
        name: "{name}",
    }),
    row("ClaimUnreadable", "a claim of a wrong type: `exp` a word, `nbf` null, `iss` a number", || {
        Reason::ClaimUnreadable { name: "exp", received: String::new() }
    }),
    row("ClientUnknown", "a `client_id` of no application in the tenant", || Reason::ClientUnknown {
        client_id: some("client_id"),
        tenant: some("tenantName"),
    }),
    row("ClientDisabled", "an application or service principal that is disabled", || Reason::ClientDisabled {
        app_id: some("appId"),
        name: some("appName"),
    }),
    row(
        "ServicePrincipalMissing",
        "a right credential of an application without service principal in the tenant",
        || Reason::ServicePrincipalMissing { app_id: some("appId"), tenant_id: some("tenantId") },
    ),
    row("ClientIsPublic", "a credential of an application that is a public client", || Reason::ClientIsPublic),
    row("NoKeys", "an assertion for an application without certificates", || Reason::NoKeys),
    row("KeyNotFound", "a thumbprint that no certificate of the application has", || Reason::KeyNotFound {
        app_id: some("appId"),
        thumbprint: Some(DIGEST.to_vec()),
        trusts_subjects: false,
    }),
    row("KeyNotFound, no thumbprint", "a `kid` alone that is no thumbprint", || Reason::KeyNotFound {
        app_id: some("appId"),
        thumbprint: None,
        trusts_subjects: false,
    }),
    row(
        "KeyNotFound, subject trust",
        "an unknown thumbprint and no `x5c`, for an application that trusts subject names",
        || Reason::KeyNotFound { app_id: some("appId"), thumbprint: Some(DIGEST.to_vec()), trusts_subjects: true },
    ),
    row("KeyExpired", "a certificate, or its entry, that has ended", || Reason::KeyExpired {
        app_id: some("appId"),
        key: found(),
        now: UnixTime::EPOCH,
    }),
    row("KeyNotYetValid", "a certificate, or its entry, that has not begun", || Reason::KeyNotYetValid {
        app_id: some("appId"),
        key: found(),
        now: UnixTime::EPOCH,
    }),
    row("KeyUnusable", "a registered key that does not fit `alg`", || Reason::KeyUnusable {
        alg: "PS256",
        key: "EC P-256",
        problem: KeyProblem::OtherKind,
    }),
    row("SignatureWrong", "a signature that the registered certificate does not verify", || Reason::SignatureWrong {
        app_id: some("appId"),
        key: found(),
    }),
    row("ChainUntrusted", "`x5c` whose leaf has none of the trusted subject names", || Reason::ChainUntrusted {
        subjects: vec![some("names")],
    }),
    row("ChainOutsideValidity", "`x5c` whose leaf has ended or not begun", || Reason::ChainOutsideValidity),
    row("CertificateRevoked", "`x5c` whose leaf stands in `revokedCertificateIdentifiers`", || {
        Reason::CertificateRevoked
    }),
    row(
        "AudienceWrong",
        "an `aud` that is not this token endpoint: another tenant, host, cloud or path, `common`",
        || Reason::AudienceWrong { received: some("aud"), accepted: Vec::new() },
    ),
    row("AudienceMany", "an array of audiences", || Reason::AudienceMany { count: 2 }),
    row("OutsideValidity", "`exp` in the past, or `nbf` or `iat` ahead, by more than five minutes", || {
        Reason::OutsideValidity { now: UnixTime::EPOCH, from: None, until: UnixTime::EPOCH }
    }),
    strict("LifetimeTooLong", "an `exp` further ahead than the profile allows", || Reason::LifetimeTooLong {
        seconds: 0,
        limit: 0,
        now: UnixTime::EPOCH,
        until: UnixTime::EPOCH,
    }),
    row("ClientMismatch", "an `iss` that is not the request's `client_id`", || Reason::ClientMismatch {
        iss: String::new(),
        sub: String::new(),
        client_id: String::new(),
    }),
    row("SubjectMismatch", "a `sub` that is not `iss`", || Reason::SubjectMismatch {
        iss: String::new(),
        sub: String::new(),
    }),
    strict("Replayed", "an assertion that was accepted before", || Reason::Replayed { jti: String::new() }),
    row("SecretWrong", "a secret that is none of the application's", || Reason::SecretWrong { app_id: some("appId") }),
    row("SecretExpired", "a secret that has ended or not begun", || Reason::SecretExpired { app_id: some("appId") }),
    row("FederationNotConfigured", "a foreign issuer's token for an application without federated credentials", || {
        Reason::FederationNotConfigured { app_id: some("appId"), name: some("appName") }
    }),
    row("FederatedIssuer", "a federated token whose `iss` no credential has", || Reason::FederatedIssuer {
        received: some("iss"),
    }),
    row("FederatedSubject", "a federated token whose `sub` no credential of its issuer has", || {
        Reason::FederatedSubject { received: some("sub"), case_only: false }
    }),
    row("FederatedSubject, letter case", "a federated token whose `sub` differs in letter case alone", || {
        Reason::FederatedSubject { received: some("sub"), case_only: true }
    }),
    row("FederatedAudience", "a federated token whose `aud` is not the credential's", || Reason::FederatedAudience {
        received: some("aud"),
    }),
    row("FederatedIssuerForbidden", "a federated credential that trusts another Entra tenant", || {
        Reason::FederatedIssuerForbidden { received: some("iss"), other_cloud: false }
    }),
    row("FederatedIssuerForbidden, other cloud", "a federated credential that trusts Entra in another cloud", || {
        Reason::FederatedIssuerForbidden { received: some("iss"), other_cloud: true }
    }),
    row("FederatedUserToken", "a user's token (it has `scp`) of this tenant as federated token", || {
        Reason::FederatedUserToken
    }),
    row("FederatedKeyNotFound", "a federated token whose `kid` is not among its issuer's keys", || {
        Reason::FederatedKeyNotFound { identifier: some("kid"), issuer: some("iss") }
    }),
    row("FederatedSignatureWrong", "a federated token that its issuer's key does not verify", || {
        Reason::FederatedSignatureWrong
    }),
    row("FederatedIssuerUnreachable", "a federated token whose issuer's keys cannot be fetched, or may not be", || {
        Reason::FederatedIssuerUnreachable
    }),
    row("ResourceUnknown", "a resource of no service principal in the tenant", || Reason::ResourceUnknown {
        received: some("resource"),
        tenant: some("tenantName"),
    }),
    row("ResourceDisabled", "a resource whose service principal is disabled", || Reason::ResourceDisabled {
        received: some("resource"),
    }),
    row("ResourceIsClient", "v1.0: the client's own `api://…` as `resource`", || Reason::ResourceIsClient {
        app_id: some("appId"),
        name: some("appName"),
    }),
    row("RoleRequired", "a resource that requires assignment, and no app role there", || Reason::RoleRequired {
        app_id: some("appId"),
        name: some("appName"),
        resource_id: some("resourceId"),
        resource_name: some("resourceName"),
    }),
];

/// Why codes that could belong to this grant are not emitted.
static WHY_NOT: &[(u32, &str)] = &[
    (50_001, "an older number; an unknown resource is 500011, a disabled one 500014"),
    (50_012, "an older number (until 2018), replaced by 700021, 700023, 700024, 700027 and 7000215"),
    (50_033, "no input provokes it: a fault inside Microsoft's service"),
    (50_194, "documented for sign-ins over `/common`; this grant is recorded with 9001023 there"),
    (53_003, "there is no Conditional Access here"),
    (70_001, "an older number; an unknown client is 700016, a disabled one 7000112"),
    (70_002, "an older number (until 2018), replaced by 7000215 and 7000216"),
    (70_021, "an older number; replaced by 700211, 700212 and 700213, which say what differs"),
    (90_006, "no input provokes it: a fault inside Microsoft's service"),
    (90_010, "an older number; over `/common` it is 9001023 since 2018"),
    (90_012, "no input provokes it: a time-out inside Microsoft's service"),
    (90_013, "documented for user input, which this grant has none of"),
    (90_015, "documented for sign-in pages; parameters in the query of a token request are ignored"),
    (90_023, "documented as general; each malformed request here has a more exact number"),
    (90_024, "no input provokes it: a fault inside Microsoft's service"),
    (90_038, "needs a tenant that is known to live in another cloud; here it is unknown (90002)"),
    (90_055, "there are no blocked or throttled tenants here"),
    (90_061, "an older number; replaced by 501661"),
    (90_090, "no input provokes it: a fault inside Microsoft's service"),
    (100_007, "there are no regional endpoints here"),
    (500_022, "tenant restrictions version 2 name a policy kept at Microsoft; the header alone says nothing"),
    (500_207, "account types other than an organisation's do not exist here"),
    (650_052, "there are no service subscriptions here; the resource is unknown (500011)"),
    (700_011, "documented without input; an unknown client is recorded with 700016"),
    (700_222, "an older number; 700236 and 700238 say it today"),
    (900_382, "there is one cloud here, so that no request crosses clouds"),
    (900_384, "recorded for a mobile client's token in 2019; a wrong signature is 700027 here"),
    (900_432, "there is one cloud here, so that no request crosses clouds"),
    (900_439, "wording not on record, and there is one cloud here"),
    (1_000_031, "documented without input; a disabled application is 7000112"),
    (7_000_213, "its condition is not on record; a chain that is not trusted is 700027 here"),
    (7_000_277, "wording not on record; a revoked certificate is 7000214"),
    (7_002_104, "its text is recorded in part only; service principals take no secrets here"),
    (7_002_137, "its text names a subject that Entra computes in a way not on record; the subject differs (700213)"),
    (9_002_332, "needs the account type of an application; over `/consumers` this grant is recorded with 9001023"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules of profiles that only the doctor judges by: no service answers with them.
    const OF_OTHER_SERVERS: [&str; 1] = ["IssuerForm"];
    const OURS: [&str; 3] = ["client_credentials", "federated_credential", "instance_discovery"];

    /// Names of the variants, read from the source: the language cannot list them.
    fn variants() -> Vec<&'static str> {
        let source = include_str!("../reason.rs").split("pub enum Reason {").nth(1).unwrap();
        let body = source.split("\n}").next().unwrap();
        let names =
            body.lines().filter_map(|line| line.strip_prefix("    ").filter(|l| l.starts_with(char::is_uppercase)));
        names.map(|l| l.split([' ', ',', '(', '{']).next().unwrap()).collect()
    }

    #[test]
    fn every_reason_has_its_row() {
        let variants = variants();
        assert!(variants.len() > 50 && variants.contains(&"NotAJwt"), "{variants:?}");
        for variant in variants.iter().filter(|variant| !OF_OTHER_SERVERS.contains(variant)) {
            assert!(SAMPLES.iter().any(|s| s.name.split(',').next() == Some(variant)), "no row for Reason::{variant}");
        }
        for (i, sample) in SAMPLES.iter().enumerate() {
            let shown = format!("{:?}", (sample.reason)());
            let variant = shown.split([' ', '(', '{']).next().unwrap();
            assert_eq!(sample.name.split(',').next(), Some(variant));
            assert!(SAMPLES[..i].iter().all(|s| s.name != sample.name), "{} twice", sample.name);
            if let Some(profile) = sample.profile {
                assert!(crate::profile::by_name(profile).is_some());
            }
        }
    }

    #[test]
    fn every_known_code_is_emitted_or_says_why_not() {
        let emitted: Vec<u32> = rows().iter().map(|r| r.code).collect();
        for code in &emitted {
            assert!(codes::known(*code).is_some(), "{code} is not among the known codes");
        }
        for known in KNOWN.iter().filter(|k| !emitted.contains(&k.code)) {
            let ours = known.grants.iter().any(|g| OURS.contains(g));
            let why = WHY_NOT.iter().any(|(code, _)| *code == known.code);
            assert!(why || !ours, "{} belongs to this grant and is neither emitted nor said why not", known.code);
        }
        for (code, _) in WHY_NOT {
            assert!(codes::known(*code).is_some() && !emitted.contains(code), "{code} needs no excuse");
        }
        assert!(STATUS_SEEN.iter().all(|code| emitted.contains(code)));
    }

    #[test]
    fn pairs_agree_with_the_records() {
        for row in rows() {
            let known = codes::known(row.code).unwrap();
            // 404, 405, 408 and 413 are HTTP's own; 90002 has another `error` at metadata endpoints.
            let of_http = matches!(row.status, 404 | 405 | 408 | 413);
            assert!(of_http || known.http_status.is_none_or(|s| s == row.status), "{}", row.name);
            // Recorded for an authorization code or refresh token; this grant has no record of the number.
            let other_grant = row.code == 9_002_313;
            assert!(other_grant || known.oauth_error.is_none_or(|e| e == row.error), "{}", row.name);
        }
    }
}
