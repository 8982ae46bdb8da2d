//! A foreign issuer's token as client assertion (workload identity federation): issuer, subject and audience must equal
//! those of one federated identity credential, exactly (case-sensitive since February 2025).

use crate::checks::{Outcome, header};
use crate::facts::{Facts, IssuerKey, Lookup, Method, Needed};
use crate::jose::UnverifiedJwt;
use crate::jose::claims::Audience;
use crate::reason::Reason;
use crate::registration::FederatedCredential;

/// A federated credential of the application has the token's issuer, subject and audience.
pub fn credential_matches(facts: &Facts<'_>) -> Outcome {
    let (Some(Method::Federated), Some(jwt)) = (facts.method(), facts.jwt()) else { return Outcome::NotApplicable };
    let Some(client) = facts.client() else { return Outcome::Undecided(Needed::Application) };
    if client.federated_credentials.is_empty() {
        return Outcome::Refuse(Reason::FederationNotConfigured {
            app_id: client.app_id.clone(),
            name: client.display_name.clone(),
        });
    }
    match matching(jwt, &client.federated_credentials) {
        Ok(matched) => match forbidden(facts, jwt, &matched.issuer) {
            Some(reason) => Outcome::Refuse(reason),
            None => Outcome::Pass,
        },
        Err(reason) => Outcome::Refuse(reason),
    }
}

/// Hosts of Entra ID's issuers: its own cloud first, then those that AADSTS700238 was recorded for.
const ENTRA_HOSTS: [&str; 2] = ["https://login.microsoftonline.com/", "https://sts.windows.net/"];
const OTHER_CLOUDS: [&str; 3] =
    ["https://login.microsoftonline.us/", "https://login.partner.microsoftonline.cn/", "https://sts.chinacloudapi.cn/"];

/// What Entra ID adds for tokens of its own: only this tenant's, and only those of applications and managed identities.
fn forbidden(facts: &Facts<'_>, jwt: &UnverifiedJwt, issuer: &str) -> Option<Reason> {
    let received = || issuer.to_owned();
    if OTHER_CLOUDS.iter().any(|host| issuer.starts_with(host)) {
        return Some(Reason::FederatedIssuerForbidden { received: received(), other_cloud: true });
    }
    let ours = facts.authority.and_then(|a| a.split(issuer)).map(|url| url.tenant);
    let entra =
        || ENTRA_HOSTS.iter().find_map(|host| issuer.strip_prefix(host)).and_then(|rest| rest.split('/').next());
    let issuing = ours.or_else(entra)?;
    let Lookup::Found(tenant) = facts.tenant else { return None };
    if !tenant.is_named(issuing) {
        return Some(Reason::FederatedIssuerForbidden { received: received(), other_cloud: false });
    }
    // `scp` is what a user delegated; an app-only token never has it (access token claims reference).
    jwt.claims.has("scp").then_some(Reason::FederatedUserToken)
}

/// The federated credential that a token matches.
///
/// # Errors
/// The [`Reason`] that names the first member that differs.
pub fn matching<'a>(
    jwt: &UnverifiedJwt,
    credentials: &'a [FederatedCredential],
) -> Result<&'a FederatedCredential, Reason> {
    let iss = jwt.claims.iss.text().unwrap_or_default();
    let sub = jwt.claims.sub.text().unwrap_or_default();
    let audiences: &[String] = match &jwt.claims.aud {
        Audience::One(one) => std::slice::from_ref(one),
        Audience::Many(many) => many,
        Audience::Absent | Audience::OtherType(_) => &[],
    };
    let mut of_issuer = credentials.iter().filter(|c| c.issuer == iss).peekable();
    if of_issuer.peek().is_none() {
        return Err(Reason::FederatedIssuer { received: iss.to_owned() });
    }
    let of_issuer: Vec<_> = of_issuer.collect();
    let of_subject: Vec<_> = of_issuer.iter().filter(|c| c.subject == sub).collect();
    if of_subject.is_empty() {
        let case_only = of_issuer.iter().any(|c| c.subject.eq_ignore_ascii_case(sub));
        return Err(Reason::FederatedSubject { received: sub.to_owned(), case_only });
    }
    of_subject
        .into_iter()
        .find(|c| c.audiences.iter().any(|a| audiences.contains(a)))
        .copied()
        .ok_or_else(|| Reason::FederatedAudience { received: audiences.join(" ") })
}

/// The issuer's JWK Set has the token's key, and the signature verifies with it.
pub fn key_found_and_signature(facts: &Facts<'_>) -> Outcome {
    let (Some(Method::Federated), Some(jwt)) = (facts.method(), facts.jwt()) else { return Outcome::NotApplicable };
    let keys = match facts.issuer_keys {
        Lookup::Found(keys) => keys,
        Lookup::Absent => return Outcome::Refuse(Reason::FederatedIssuerUnreachable),
        Lookup::NotGiven => return Outcome::Undecided(Needed::Jwks),
    };
    let Some(alg) = header::algorithm(facts) else { return Outcome::NotApplicable };
    let Some(key) = issuer_key(jwt, keys) else {
        let h = &jwt.header;
        let identifier = h.kid.text().or(h.x5t.as_ref().map(|t| t.text.as_str())).unwrap_or_default().to_owned();
        return Outcome::Refuse(Reason::FederatedKeyNotFound {
            identifier,
            issuer: jwt.claims.iss.text().unwrap_or_default().to_owned(),
        });
    };
    let verified = key.verifier.verify(alg, jwt.compact.signing_input(), &jwt.compact.signature.bytes);
    Outcome::refuse_if(verified.is_err(), || Reason::FederatedSignatureWrong)
}

fn issuer_key<'k>(jwt: &UnverifiedJwt, keys: &'k [IssuerKey]) -> Option<&'k IssuerKey> {
    if let Some(kid) = jwt.header.kid.text() {
        return keys.iter().find(|k| k.kid.as_deref() == Some(kid));
    }
    if let Some(x5t) = &jwt.header.x5t {
        return keys.iter().find(|k| k.x5t.as_deref() == Some(x5t.text.as_str()));
    }
    match keys {
        [only] => Some(only),
        _ => None,
    }
}
