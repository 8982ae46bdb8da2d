//! Joins artifacts into [`Evidence`]: picks, compares, fills gaps from other artifacts, and lets core judge.
//!
//! Called by [`Evidence::join`] only. Order of files never matters here; what was assumed is marked as assumed.

mod judge;
mod keys;
mod place;
mod registered;

use countersign_core::crypto::Provider;
use countersign_core::encoding::encode_base64url;
use countersign_core::jose::UnverifiedJwt;

use self::judge::judge;
use self::keys::{collect_certificates, read_signature, receive, set_leaf};
use self::place::{other_server, set_authority, set_tenant};
use self::registered::{compare_federation, set_client, set_registration};
use super::messages;
use super::signature::Signature;
use super::time::Times;
use super::{At, Evidence, Parts, TenantFrom, audience, clouds, server};
use crate::Options;
use crate::artifact::{Artifact, Content, ErrorText, Jwt, Place};

/// Header for claims that came alone; its checks are not reported.
const BARE_HEADER: &[u8] = br#"{"alg":"RS256"}"#;

/// Claims for a header that came alone; their checks are not reported.
const BARE_CLAIMS: &[u8] = br#"{"exp":4102444800}"#;

pub(super) fn join<'a>(
    artifacts: &'a [Artifact],
    synthetic: Option<&'a UnverifiedJwt>,
    options: &'a Options,
    crypto: &'a dyn Provider,
) -> Evidence<'a> {
    let mut ev = gather(artifacts, options, crypto);
    choose_assertion(&mut ev, synthetic);
    choose_error(&mut ev);
    choose_request(&mut ev);
    set_server(&mut ev);
    set_time(&mut ev);
    set_tenant(&mut ev);
    set_authority(&mut ev);
    ev.other_server = other_server(&ev);
    set_client(&mut ev);
    collect_certificates(&mut ev);
    let named = receive(&mut ev);
    read_signature(&mut ev, named);
    set_leaf(&mut ev, named);
    set_times(&mut ev);
    compare_federation(&mut ev);
    if ev.own_assertion()
        && let Some(claims) = ev.claims
    {
        let tenant = ev.tenant.as_ref().filter(|(_, from)| *from != TenantFrom::Audience).map(|(t, _)| t.clone());
        ev.audience = audience::read(claims.it, &ev.authority_host, ev.authority_named, tenant.as_deref(), ev.profile);
    }
    if let (Some(profile), Some(claims)) = (ev.known_server(), ev.claims) {
        let host = ev.request.and_then(|r| r.it.host.as_deref());
        ev.audience = audience::of_profile(claims.it, profile, host);
    }
    // At a server of no known kind only the host can be compared, when a request shows where it went.
    if ev.other_server
        && ev.known_server().is_none()
        && let (Some(claims), Some(host)) = (ev.claims, ev.request.and_then(|r| r.it.host.as_deref()))
    {
        ev.audience = audience::of_host(claims.it, host);
    }
    set_registration(&mut ev);
    ev.outcomes = judge(&ev);
    ev
}

/// Picks the profile, and adds what its server said to the messages.
fn set_server(ev: &mut Evidence<'_>) {
    ev.profile = server::choose(ev);
    ev.sayings = server::said(ev);
    for said in &ev.sayings {
        if let Some(it) = server::message(said.it)
            && !ev.messages.iter().any(|m| m.it == it)
        {
            ev.messages.push(At { artifact: said.artifact, it });
        }
    }
}

fn gather<'a>(artifacts: &'a [Artifact], options: &'a Options, crypto: &'a dyn Provider) -> Evidence<'a> {
    let mut ev = Evidence {
        artifacts,
        options,
        profile: options.profile,
        crypto,
        now: options.now,
        now_given: false,
        parts: Parts::default(),
        jwt: None,
        unreadable: None,
        header: None,
        claims: None,
        jwts: Vec::new(),
        error: None,
        errors: Vec::new(),
        request: None,
        requests: Vec::new(),
        apps: Vec::new(),
        app: None,
        client_id: None,
        client_id_named: false,
        tenant: None,
        authority_host: String::new(),
        authority_named: false,
        certificates: Vec::new(),
        leaf: None,
        keys: Vec::new(),
        jwks: Vec::new(),
        settings: Vec::new(),
        messages: Vec::new(),
        sayings: Vec::new(),
        received: Vec::new(),
        signature: Signature::Open,
        times: None,
        audience: None,
        federation: None,
        other_server: false,
        registration: None,
        registration_assumed: false,
        outcomes: Vec::new(),
    };
    for (artifact, a) in artifacts.iter().enumerate() {
        match &a.content {
            Content::Jwt(it) => ev.jwts.push(At { artifact, it }),
            Content::Error(it) => ev.errors.push(At { artifact, it }),
            Content::Request(it) => ev.requests.push(At { artifact, it }),
            Content::Application(it) => ev.apps.push(At { artifact, it }),
            Content::Keys(it) => ev.keys.push(At { artifact, it }),
            Content::Jwks(it) => ev.jwks.push(At { artifact, it }),
            Content::Settings(list) => ev.settings.extend(list.iter().map(|it| At { artifact, it })),
            _ => {}
        }
    }
    for (artifact, a) in artifacts.iter().enumerate() {
        let text = match &a.content {
            Content::Message(text) => text,
            Content::Error(e) if e.parsed.codes.is_empty() => &e.text,
            _ => continue,
        };
        ev.messages.extend(messages::read(text).into_iter().map(|it| At { artifact, it }));
    }
    ev
}

/// Prefers what was sent as an assertion, then tokens that are not Entra's own.
fn rank(jwt: &Jwt) -> u8 {
    let entra = jwt.parsed.as_ref().is_ok_and(|j| j.claims.iss.text().is_some_and(clouds::is_entra_issuer));
    match jwt.place {
        Place::ClientAssertion => 0,
        Place::Bare if jwt.parsed.is_ok() && !entra => 1,
        Place::Grant => 2,
        Place::Bare if jwt.parsed.is_ok() => 3,
        Place::AccessToken => 4,
        Place::Bare => 5,
    }
}

fn choose_assertion<'a>(ev: &mut Evidence<'a>, synthetic: Option<&'a UnverifiedJwt>) {
    let best = ev.jwts.iter().min_by_key(|j| rank(j.it)).copied();
    if let Some(At { artifact, it }) = best {
        match &it.parsed {
            Ok(jwt) => {
                ev.parts = Parts { header: true, claims: true, signature: it.signature_whole };
                ev.jwt = Some(At { artifact, it: jwt });
                ev.header = Some(At { artifact, it: &jwt.header });
                ev.claims = Some(At { artifact, it: &jwt.claims });
                return;
            }
            Err(error) => ev.unreadable = Some(At { artifact, it: error }),
        }
    }
    let Some(jwt) = synthetic else { return };
    for (artifact, a) in ev.artifacts.iter().enumerate() {
        match &a.content {
            Content::Header(it) if ev.header.is_none() => ev.header = Some(At { artifact, it }),
            Content::Claims(it) if ev.claims.is_none() => ev.claims = Some(At { artifact, it }),
            _ => {}
        }
    }
    ev.parts = Parts { header: ev.header.is_some(), claims: ev.claims.is_some(), signature: false };
    let artifact = ev.header.map(|h| h.artifact).or(ev.claims.map(|c| c.artifact)).unwrap_or_default();
    ev.jwt = Some(At { artifact, it: jwt });
}

pub(super) fn synthetic(artifacts: &[Artifact]) -> Option<UnverifiedJwt> {
    let has_jwt = artifacts.iter().any(|a| matches!(&a.content, Content::Jwt(j) if j.parsed.is_ok()));
    if has_jwt {
        return None;
    }
    let header = artifacts.iter().find_map(|a| match &a.content {
        Content::Header(h) => Some(h),
        _ => None,
    });
    let claims = artifacts.iter().find_map(|a| match &a.content {
        Content::Claims(c) => Some(c),
        _ => None,
    });
    if header.is_none() && claims.is_none() {
        return None;
    }
    let text = format!("{}.{}.", encode_base64url(BARE_HEADER), encode_base64url(BARE_CLAIMS));
    let mut jwt = UnverifiedJwt::read(&text).ok()?;
    if let Some(header) = header {
        jwt.header = (**header).clone();
    }
    if let Some(claims) = claims {
        jwt.claims = (**claims).clone();
    }
    Some(jwt)
}

fn choose_error(ev: &mut Evidence<'_>) {
    let stamp =
        |e: &&At<&ErrorText>| (e.it.parsed.code().is_some(), e.it.parsed.timestamp.or(e.it.parsed.current_time));
    let latest = ev.errors.iter().max_by(|a, b| stamp(a).cmp(&stamp(b)));
    ev.error = latest.filter(|e| e.it.parsed.code().is_some()).copied();
}

fn choose_request(ev: &mut Evidence<'_>) {
    let assertion = ev.jwt.map(|j| j.artifact);
    // A request and the assertion in it are neighbours: the request is read first.
    let carrier = assertion
        .and_then(|i| ev.requests.iter().rev().find(|r| r.artifact < i && ev.file(r.artifact) == ev.file(i)).copied());
    let with_credential = || ev.requests.iter().find(|r| r.it.anywhere("client_assertion").is_some()).copied();
    ev.request = carrier.or_else(with_credential).or_else(|| ev.requests.first().copied());
}

fn set_time(ev: &mut Evidence<'_>) {
    let error = ev.error.or_else(|| ev.errors.first().copied());
    let of_error = error.and_then(|e| e.it.parsed.current_time.or(e.it.parsed.timestamp).or(e.it.date));
    let given = ev.options.at.or(of_error).or(ev.request.and_then(|r| r.it.server_date));
    ev.now_given = given.is_some();
    ev.now = given.unwrap_or(ev.options.now);
}

fn set_times(ev: &mut Evidence<'_>) {
    let client_clock = ev.request.and_then(|r| r.it.client_clock).or(ev.error.and_then(|e| e.it.logged));
    if let Some(claims) = ev.claims.filter(|_| ev.parts.claims) {
        ev.times = Some(Times::of_claims(claims.it, ev.now, client_clock, ev.is_federated(), ev.profile.leeway));
        return;
    }
    let Some(error) = ev.error_of(&[700_024, 500_133]) else { return };
    let p = &error.it.parsed;
    if p.expiry.is_some() || p.valid_from.is_some() {
        let now = p.current_time.or(p.timestamp).unwrap_or(ev.now);
        ev.times = Some(Times::of_error(now, p.valid_from, p.expiry, client_clock, ev.profile.leeway));
    }
}
