//! Joins artifacts into [`Evidence`]: picks, compares, fills gaps from other artifacts, and lets core judge.
//!
//! Called by [`Evidence::join`] only. Order of files never matters here; what was assumed is marked as assumed.

use countersign_core::authority::{Authority, AuthorityUrl, Endpoint, Tenant, TenantSegment, is_guid};
use countersign_core::checks::key::read_x5c_entry;
use countersign_core::checks::{Check, Outcome, Stage};
use countersign_core::crypto::Provider;
use countersign_core::encoding::encode_base64url;
use countersign_core::facts::{Facts, IssuerKey, Lookup, Needed};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::claims::Audience;
use countersign_core::jose::header::ThumbprintMember;
use countersign_core::registration::{FederatedCredential, KeyCredential, Registration, ServicePrincipal};
use countersign_core::x509::certificate::Certificate;
use countersign_core::{Reason, evaluate};

use super::federation::{self, Presented};
use super::messages::{self, Message};
use super::signature::{self, Signature};
use super::thumbprint::{self, Candidate};
use super::time::Times;
use super::{At, Evidence, Known, MeantBy, Member, Origin, Parts, Received, TenantFrom, audience, clouds};
use crate::Options;
use crate::artifact::{Application, Artifact, Content, ErrorText, Jwt, Meaning, Place};

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
    // At another kind of server only the host can be compared, when a request shows where it went.
    if ev.other_server
        && let (Some(claims), Some(host)) = (ev.claims, ev.request.and_then(|r| r.it.host.as_deref()))
    {
        ev.audience = audience::of_host(claims.it, host);
    }
    set_registration(&mut ev);
    ev.outcomes = judge(&ev);
    ev
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

fn usable_tenant(segment: &str) -> bool {
    matches!(TenantSegment::read(segment), TenantSegment::Id(_) | TenantSegment::Domain(_))
}

/// Host and first path segment of an `aud`.
fn audience_parts(ev: &Evidence<'_>) -> Option<(String, String)> {
    let aud = match &ev.claims?.it.aud {
        Audience::One(one) => one.clone(),
        Audience::Many(many) => many.first()?.clone(),
        Audience::Absent | Audience::OtherType(_) => return None,
    };
    let host = clouds::host_of(&aud)?;
    let path = aud.split_once("://")?.1.split_once('/').map_or("", |(_, p)| p);
    Some((host, path.split('/').next().unwrap_or_default().to_owned()))
}

fn set_tenant(ev: &mut Evidence<'_>) {
    let clean = |t: &str| t.trim().trim_matches(['"', '\'']).to_owned();
    let argument = ev.options.tenant.as_deref().map(clean).filter(|t| !t.is_empty()).map(|t| (t, TenantFrom::Argument));
    let request =
        ev.request.map(|r| r.it.token.tenant.clone()).filter(|t| usable_tenant(t)).map(|t| (t, TenantFrom::Request));
    let settings = ev
        .settings_of(Meaning::Tenant)
        .map(|s| clean(&s.it.value))
        .find(|t| usable_tenant(t))
        .map(|t| (t, TenantFrom::Settings));
    let audience = audience_parts(ev).map(|(_, t)| t).filter(|t| usable_tenant(t)).map(|t| (t, TenantFrom::Audience));
    ev.tenant = argument.or(request).or(settings).or(audience);
}

fn set_authority(ev: &mut Evidence<'_>) {
    let request = ev.request.and_then(|r| r.it.host.clone());
    let setting = ev.settings_of(Meaning::Authority).find_map(|s| {
        let value = s.it.value.trim();
        clouds::host_of(value).or_else(|| {
            clouds::of_login(value.trim_end_matches('/')).map(|_| value.trim_end_matches('/').to_ascii_lowercase())
        })
    });
    ev.authority_named = request.is_some() || setting.is_some();
    let audience = audience_parts(ev).map(|(host, _)| host);
    let assumed = || match audience {
        Some(host) if host.starts_with("sts.") => clouds::of_login(&host).map(|c| c.login[0].to_owned()),
        Some(host) if clouds::of_login(&host).is_some() => Some(host),
        Some(host) if clouds::of_resource(&format!("https://{host}/")).is_none() && !host.is_empty() => Some(host),
        _ => None,
    };
    ev.authority_host = request.or(setting).or_else(assumed).unwrap_or_else(|| clouds::CLOUDS[0].login[0].to_owned());
}

/// The assertion is for another kind of server than Entra: neither host nor path of request and `aud` are Entra's, and
/// nothing else points to it.
fn other_server(ev: &Evidence<'_>) -> bool {
    let entra_error = ev.errors.iter().any(|e| !e.it.parsed.codes.is_empty());
    if entra_error || ev.options.tenant.is_some() || !ev.apps.is_empty() {
        return false;
    }
    if let Some(r) = ev.request
        && let Some(host) = &r.it.host
    {
        let url = AuthorityUrl::of_path(&r.it.path);
        let tenant = !matches!(TenantSegment::read(url.tenant), TenantSegment::Malformed(_));
        let shaped = tenant && !matches!(url.endpoint, Endpoint::Other);
        return clouds::of_login(host).is_none() && !shaped;
    }
    let aud = match ev.claims.map(|c| &c.it.aud) {
        Some(Audience::One(one)) => one.as_str(),
        Some(Audience::Many(many)) => many.first().map_or("", String::as_str),
        _ => return ev.messages.iter().any(|m| m.it == Message::SnowflakeJwt),
    };
    let Some((host, tenant)) = audience_parts(ev) else {
        // A name without a scheme, as Snowflake's account URL or Apple's: Entra's audiences are URLs.
        return !aud.contains("://")
            && !aud.is_empty()
            && ev.claims.is_some_and(|c| !c.it.iss.text().is_some_and(is_guid));
    };
    let microsoft = clouds::of_login(&host).is_some() || clouds::of_resource(aud).is_some() || clouds::is_graph(aud);
    aud.starts_with("http") && !microsoft && !ev.authority_named && !usable_tenant(&tenant)
}

fn set_client(ev: &mut Evidence<'_>) {
    let iss = ev.claims.and_then(|c| c.it.iss.text()).map(str::to_owned);
    let argument =
        ev.options.client_id.clone().map(|c| c.trim().trim_matches(['"', '\'']).to_owned()).filter(|c| !c.is_empty());
    let request = ev.request.and_then(|r| {
        r.it.anywhere("client_id").map(str::to_owned).or_else(|| r.it.token.client_id().map(str::to_owned))
    });
    let error = ev.error.and_then(|e| e.it.parsed.app_id.clone());
    let setting = ev.settings_of(Meaning::ClientId).map(|s| s.it.value.trim().to_owned()).next();
    ev.client_id_named = argument.is_some() || request.is_some() || error.is_some() || setting.is_some();
    let same = |a: &Application, id: &str| a.registration.app_id.eq_ignore_ascii_case(id);
    let of_iss = iss.clone().filter(|id| ev.apps.iter().any(|a| same(a.it, id)));
    let mut ids: Vec<&str> =
        ev.apps.iter().map(|a| a.it.registration.app_id.as_str()).filter(|id| !id.is_empty()).collect();
    ids.dedup();
    let single = (ids.len() == 1).then(|| ids[0].to_owned());
    ev.client_id = argument.or(request).or(error).or(setting).or(of_iss).or(single).or(iss.filter(|i| is_guid(i)));
    let id = ev.client_id.clone();
    // Two snapshots of one registration: the one with the newest entry is the present state.
    let newest = |a: &At<&Application>| a.it.registration.key_credentials.iter().map(|k| k.start).max();
    let mine = ev.apps.iter().enumerate().filter(|(_, a)| {
        let counts = a.it.lists_keys || !a.it.is_service_principal;
        counts && id.as_deref().is_some_and(|id| same(a.it, id))
    });
    ev.app = mine.max_by_key(|(_, a)| newest(a)).map(|(i, _)| i).or_else(|| {
        let anonymous = ev.apps.iter().position(|a| a.it.registration.app_id.is_empty() && a.it.lists_keys);
        anonymous.filter(|_| ev.apps.len() == 1)
    });
}

fn collect_certificates(ev: &mut Evidence<'_>) {
    for keys in &ev.keys {
        for c in keys.it.file.certificates() {
            ev.certificates.push(Known { certificate: c.clone(), artifact: keys.artifact, origin: Origin::File });
        }
    }
    if let Some(header) = ev.header {
        for (i, entry) in header.it.x5c.iter().flatten().take(16).enumerate() {
            if let Some(certificate) = read_x5c_entry(entry) {
                ev.certificates.push(Known { certificate, artifact: header.artifact, origin: Origin::X5c(i) });
            }
        }
    }
    for (a, app) in ev.apps.iter().enumerate() {
        for (k, key) in app.it.registration.key_credentials.iter().enumerate() {
            if let Some(c) = &key.certificate {
                ev.certificates.push(Known {
                    certificate: c.clone(),
                    artifact: app.artifact,
                    origin: Origin::Registered(a, k),
                });
            }
        }
    }
    for set in &ev.jwks {
        for key in set.it {
            if let Some(c) = &key.certificate {
                ev.certificates.push(Known { certificate: c.clone(), artifact: set.artifact, origin: Origin::Jwks });
            }
        }
    }
}

/// Reads every thumbprint; returns the certificate that the header names, outright or after undoing what was done to it.
fn receive(ev: &mut Evidence<'_>) -> Option<usize> {
    let mut received: Vec<Received> = Vec::new();
    if let Some(header) = ev.header {
        let members =
            [(Member::X5t, "header/x5t", &header.it.x5t), (Member::X5tS256, "header/x5t#S256", &header.it.x5t_s256)];
        for (member, pointer, value) in members {
            if let Some(v) = value {
                received.push(Received {
                    artifact: header.artifact,
                    pointer: pointer.to_owned(),
                    member,
                    text: Some(v.text.clone()),
                    bytes: v.bytes().map(<[u8]>::to_vec),
                    reading: None,
                });
            }
        }
    }
    for error in &ev.errors {
        if let Some(bytes) = &error.it.parsed.thumbprint
            && !received.iter().any(|r| r.bytes.as_ref() == Some(bytes))
        {
            let pointer = "error_description/Thumbprint of key used by client".to_owned();
            received.push(Received {
                artifact: error.artifact,
                pointer,
                member: Member::Echo,
                text: None,
                bytes: Some(bytes.clone()),
                reading: None,
            });
        }
    }
    for setting in &ev.settings {
        let member = match setting.it.meaning {
            Meaning::Thumbprint => Member::Setting,
            Meaning::X5t => Member::X5t,
            Meaning::X5tS256 => Member::X5tS256,
            _ => continue,
        };
        let text = setting.it.value.to_string();
        // In settings the text is hex; its bytes are those of the text, so that what clings to it is seen.
        let bytes = match member {
            Member::Setting => Some(text.as_bytes().to_vec()),
            _ => ThumbprintMember::read(&text).bytes().map(<[u8]>::to_vec),
        };
        let pointer = format!("settings/{}", setting.it.name);
        received.push(Received { artifact: setting.artifact, pointer, member, text: Some(text), bytes, reading: None });
    }
    let candidates: Vec<Candidate<'_>> = ev
        .certificates
        .iter()
        .map(|k| Candidate {
            certificate: &k.certificate,
            file: match (&ev.artifacts[k.artifact].content, k.origin) {
                (Content::Keys(keys), Origin::File) => Some(keys.raw.as_slice()),
                _ => None,
            },
        })
        .collect();
    for r in &mut received {
        let written = if r.member == Member::Setting { None } else { r.text.as_deref() };
        r.reading = match &r.bytes {
            Some(bytes) => thumbprint::explain(bytes, written, &candidates),
            // No base64 at all: perhaps the hex text with colons, or with marks.
            None => r.text.as_deref().and_then(|t| thumbprint::explain(t.as_bytes(), Some(t), &candidates)),
        };
    }
    let named = received
        .iter()
        .filter(|r| matches!(r.member, Member::X5t | Member::X5tS256))
        .find_map(|r| r.reading.as_ref().and_then(|reading| reading.hit).map(|(i, _)| i))
        .or_else(|| by_kid(ev));
    ev.received = received;
    named
}

/// A `kid` that spells a certificate's digest names it, when no thumbprint does.
fn by_kid(ev: &Evidence<'_>) -> Option<usize> {
    let header = ev.header?.it;
    let kid = header.kid.text().filter(|_| header.x5t.is_none() && header.x5t_s256.is_none())?;
    ev.certificates.iter().position(|k| spells(kid, &k.certificate))
}

/// Whether a text spells a certificate's digest, in hex or base64.
pub(super) fn spells(text: &str, certificate: &Certificate) -> bool {
    let bytes = countersign_core::encoding::decode_hex_separated(text)
        .or_else(|| countersign_core::encoding::decode_base64(text).ok().map(|d| d.bytes));
    bytes.is_some_and(|b| b == certificate.sha1() || b == certificate.sha256())
}

fn read_signature(ev: &mut Evidence<'_>, named: Option<usize>) {
    let Some(jwt) = ev.jwt.filter(|_| ev.parts.signature) else { return };
    if ev.is_federated() || ev.is_other_token() {
        return;
    }
    let certificates: Vec<&Certificate> = ev.certificates.iter().map(|k| &k.certificate).collect();
    let app = ev.app;
    // Near ones first: files, x5c, the client's own registration, then those of other applications.
    let distance = |k: &Known| match k.origin {
        Origin::File => 0,
        Origin::X5c(_) => 1,
        Origin::Registered(a, _) if Some(a) == app => 2,
        Origin::Registered(..) => 3,
        Origin::Jwks => 4,
    };
    let mut others: Vec<usize> = (0..ev.certificates.len()).collect();
    if others.len() > 64 {
        others.retain(|i| distance(&ev.certificates[*i]) < 3);
    }
    others.sort_by_key(|i| distance(&ev.certificates[*i]));
    let found = signature::read(jwt.it, &certificates, named, &others, ev.crypto);
    ev.signature = match found {
        // Without a certificate that is named, a failure says only that the right one is not at hand.
        Signature::Nothing if named.is_none() => Signature::Open,
        found => found,
    };
}

fn set_leaf(ev: &mut Evidence<'_>, named: Option<usize>) {
    let keys: Vec<_> = ev.keys.iter().flat_map(|k| k.it.file.private_keys()).collect();
    let is_file = |k: &Known| k.origin == Origin::File;
    let by_key = ev.certificates.iter().position(|k| is_file(k) && keys.iter().any(|key| key.matches(&k.certificate)));
    let by_signature = match ev.signature {
        Signature::Verifies(i)
        | Signature::VerifiesWithOther(i)
        | Signature::DoubleHashed(i)
        | Signature::DerEncoded(i)
        | Signature::Unpadded(i)
        | Signature::OtherAlgorithm(i, _)
        | Signature::OtherInput(i, _) => Some(i),
        Signature::Open | Signature::Nothing => None,
    };
    // The same certificate as a file, when it is at hand both ways.
    let as_file = |i: usize| {
        ev.certificates.iter().position(|k| is_file(k) && k.certificate == ev.certificates[i].certificate).unwrap_or(i)
    };
    let only = || {
        let of_file = ev.keys.iter().find_map(|k| k.it.file.leaf().map(|c| (k.artifact, c.clone())));
        of_file.and_then(|(a, c)| ev.certificates.iter().position(|k| k.artifact == a && k.certificate == c))
    };
    ev.leaf = by_signature
        .map(|i| (as_file(i), MeantBy::Signature))
        .or(by_key.map(|i| (i, MeantBy::PrivateKey)))
        .or(named.filter(|i| !ev.certificates[*i].certificate.is_ca()).map(|i| (as_file(i), MeantBy::Header)))
        .or_else(|| only().map(|i| (i, MeantBy::Only)))
        .or_else(|| {
            ev.certificates
                .iter()
                .position(|k| matches!(k.origin, Origin::X5c(_)) && !k.certificate.is_ca())
                .map(|i| (i, MeantBy::Only))
        });
}

fn set_times(ev: &mut Evidence<'_>) {
    let client_clock = ev.request.and_then(|r| r.it.client_clock).or(ev.error.and_then(|e| e.it.logged));
    if let Some(claims) = ev.claims.filter(|_| ev.parts.claims) {
        ev.times = Some(Times::of_claims(claims.it, ev.now, client_clock, ev.is_federated()));
        return;
    }
    let Some(error) = ev.error_of(&[700_024, 500_133]) else { return };
    let p = &error.it.parsed;
    if p.expiry.is_some() || p.valid_from.is_some() {
        let now = p.current_time.or(p.timestamp).unwrap_or(ev.now);
        ev.times = Some(Times::of_error(now, p.valid_from, p.expiry, client_clock));
    }
}

fn federated_credentials<'e>(ev: &Evidence<'e>) -> Vec<(usize, &'e FederatedCredential)> {
    let mut out: Vec<(usize, &FederatedCredential)> = Vec::new();
    for (i, a) in ev.artifacts.iter().enumerate() {
        if let Content::Federated(f) = &a.content {
            out.push((i, f));
        }
    }
    if let Some(app) = ev.app() {
        out.extend(app.it.registration.federated_credentials.iter().map(|f| (app.artifact, f)));
    }
    out
}

fn compare_federation(ev: &mut Evidence<'_>) {
    let credentials = federated_credentials(ev);
    if credentials.is_empty() {
        return;
    }
    let of_token = ev.claims.filter(|c| c.it.iss.text().is_some_and(|iss| !is_guid(iss))).map(|c| Presented {
        artifact: c.artifact,
        issuer: c.it.iss.text().map(str::to_owned),
        subject: c.it.sub.text().map(str::to_owned),
        audiences: match &c.it.aud {
            Audience::One(one) => vec![one.clone()],
            Audience::Many(many) => many.clone(),
            Audience::Absent | Audience::OtherType(_) => Vec::new(),
        },
    });
    let of_error = || {
        let e = ev.errors.iter().find(|e| e.it.parsed.federated != Default::default())?;
        let f = &e.it.parsed.federated;
        Some(Presented {
            artifact: e.artifact,
            issuer: f.issuer.clone(),
            subject: f.subject.clone(),
            audiences: f.audience.clone().into_iter().collect(),
        })
    };
    ev.federation = of_token.or_else(of_error).and_then(|p| federation::compare(&p, &credentials));
}

fn set_registration(ev: &mut Evidence<'_>) {
    let federated: Vec<FederatedCredential> = federated_credentials(ev).into_iter().map(|(_, f)| f.clone()).collect();
    if let Some(app) = ev.app().filter(|a| a.it.lists_keys || !a.it.registration.federated_credentials.is_empty()) {
        let mut registration = app.it.registration.clone();
        if registration.app_id.is_empty() {
            registration.app_id = ev.client_id.clone().unwrap_or_default();
        }
        registration.federated_credentials = federated;
        registration.is_public = ev.error_of(&[700_025, 90_023]).is_some();
        fill_certificates(ev, &mut registration.key_credentials);
        let anchors = anchors(ev);
        for subject in registration.trusted_subjects.iter_mut().filter(|s| s.anchors.is_empty()) {
            subject.anchors.clone_from(&anchors);
        }
        let no_principal = ev.error_of(&[7_000_229]).is_some()
            || ev.artifacts.iter().any(|a| matches!(a.content, Content::ServicePrincipals(0)));
        if no_principal {
            registration.service_principal = None;
        }
        ev.registration = Some(registration);
        return;
    }
    // A registration that would hold the certificate: whatever is refused then, is refused for another reason.
    let principal = Some(ServicePrincipal { object_id: String::new(), enabled: true });
    let app_id = ev.client_id.clone().unwrap_or_default();
    if !federated.is_empty() && ev.is_federated() {
        ev.registration = Some(Registration {
            app_id,
            enabled: true,
            service_principal: principal,
            federated_credentials: federated,
            ..Registration::default()
        });
        ev.registration_assumed = false;
        return;
    }
    let leaf = ev.leaf().filter(|k| k.origin == Origin::File && ev.own_assertion());
    if let Some(leaf) = leaf
        && ev.apps.iter().all(|a| a.it.registration.app_id.is_empty() || !a.it.lists_keys)
    {
        let credential = KeyCredential {
            key_id: String::new(),
            start: leaf.certificate.not_before(),
            end: leaf.certificate.not_after(),
            certificate: Some(leaf.certificate.clone()),
            custom_key_identifier: None,
            display_name: leaf.certificate.subject().to_owned(),
        };
        ev.registration = Some(Registration {
            app_id,
            enabled: true,
            service_principal: principal,
            key_credentials: vec![credential],
            ..Registration::default()
        });
        ev.registration_assumed = true;
    }
}

/// Entries whose `key` Graph left out get their certificate from what else is at hand: by digest, else by the same
/// validity to the second.
fn fill_certificates(ev: &Evidence<'_>, credentials: &mut [KeyCredential]) {
    let near: Vec<&Known> =
        ev.certificates.iter().filter(|k| matches!(k.origin, Origin::File | Origin::X5c(_))).collect();
    for credential in credentials.iter_mut().filter(|c| c.certificate.is_none()) {
        let digest = credential.custom_digest();
        let found = near.iter().find(|k| match &digest {
            Some(d) => {
                k.certificate.sha1().as_slice() == d.as_slice() || k.certificate.sha256().as_slice() == d.as_slice()
            }
            None => k.certificate.not_before() == credential.start && k.certificate.not_after() == credential.end,
        });
        credential.certificate = found.map(|k| k.certificate.clone());
    }
}

/// Roots for subject-name trust. `authorityId` cannot be resolved here: the top of the chain at hand is taken for it.
fn anchors(ev: &Evidence<'_>) -> Vec<Certificate> {
    let mut out: Vec<Certificate> = Vec::new();
    let chain: Vec<&Known> = ev.certificates.iter().filter(|k| matches!(k.origin, Origin::X5c(_))).collect();
    if let Some(top) = chain.iter().find(|k| k.certificate.self_signed() && k.certificate.is_ca()).or(chain.last()) {
        out.push(top.certificate.clone());
    }
    out.extend(
        ev.certificates
            .iter()
            .filter(|k| k.origin == Origin::File && k.certificate.is_ca())
            .map(|k| k.certificate.clone()),
    );
    out
}

fn ground(ev: &Evidence<'_>) -> (Authority, Option<Tenant>) {
    let mut names = vec![format!("https://{}", ev.authority_host)];
    if ev.request.is_some_and(|r| r.it.scheme.as_deref() == Some("http")) {
        names.push(format!("http://{}", ev.authority_host));
    }
    let audience = audience_parts(ev);
    if let Some((host, _)) = &audience
        && !ev.authority_named
        && !host.starts_with("sts.")
        && clouds::of_login(host)
            .is_some_and(|c| clouds::of_login(&ev.authority_host).is_some_and(|d| c.name == d.name))
    {
        names.push(format!("https://{host}"));
    }
    let tenant = match &ev.tenant {
        Some((tenant, _)) => {
            // A domain name and an id cannot be compared: either may be the other's name.
            let other = audience.map(|(_, t)| t).filter(|t| usable_tenant(t) && is_guid(t) != is_guid(tenant));
            let named = ev
                .request
                .map(|r| r.it.token.tenant.clone())
                .filter(|t| usable_tenant(t) && is_guid(t) != is_guid(tenant));
            let domains = [Some(tenant.clone()), other, named].into_iter().flatten().collect();
            Some(Tenant { id: tenant.clone(), display_name: tenant.clone(), domains })
        }
        // No tenant can be told: `common` and its like are wrong whichever it is.
        None if ev.audience.is_some() => {
            Some(Tenant { id: "{tenant}".to_owned(), display_name: String::new(), domains: Vec::new() })
        }
        None => None,
    };
    (Authority::new(names), tenant)
}

fn judge(ev: &Evidence<'_>) -> Vec<(&'static Check, Outcome)> {
    if ev.jwt.is_none() && ev.unreadable.is_none() && ev.request.is_none() {
        return Vec::new();
    }
    let (authority, tenant) = ground(ev);
    let issuer_keys: Vec<IssuerKey> = ev
        .jwks
        .iter()
        .flat_map(|set| set.it)
        .filter_map(|k| {
            Some(IssuerKey { kid: k.kid.clone(), x5t: k.x5t.clone(), verifier: ev.crypto.verifier(&k.key).ok()? })
        })
        .collect();
    let mut facts = Facts::new(ev.profile, ev.now, ev.crypto);
    facts.request = ev.request.map(|r| &r.it.token);
    facts.authority = Some(&authority);
    facts.tenant = match &tenant {
        _ if ev.error_of(&[90_002]).is_some() => Lookup::Absent,
        Some(tenant) => Lookup::Found(tenant),
        None => Lookup::NotGiven,
    };
    facts.client_id = ev.client_id.as_deref();
    facts.assertion = match (ev.jwt, ev.unreadable) {
        (Some(jwt), _) => Some(Ok(jwt.it)),
        (None, Some(error)) => Some(Err(error.it)),
        (None, None) => None,
    };
    facts.registration = ev.registration.as_ref().map_or(Lookup::NotGiven, Lookup::Found);
    facts.issuer_keys = if issuer_keys.is_empty() { Lookup::NotGiven } else { Lookup::Found(&issuer_keys) };
    let outcomes = evaluate(&facts);
    outcomes.into_iter().filter_map(|(check, outcome)| relevant(ev, check, outcome)).collect()
}

/// Keeps the answers about what is at hand. What nobody gave is not held against it.
fn relevant(ev: &Evidence<'_>, check: &'static Check, outcome: Outcome) -> Option<(&'static Check, Outcome)> {
    const HEADER: [&str; 8] = [
        "header-members",
        "header-typ",
        "algorithm-supported",
        "key-identifier-present",
        "thumbprint-encoding",
        "key-found",
        "key-valid",
        "key-usable",
    ];
    const CLAIMS: [&str; 8] = [
        "claims-present",
        "claims-readable",
        "audience-single",
        "audience",
        "validity",
        "lifetime",
        "client-id-matches",
        "subject-is-issuer",
    ];
    const NEVER: [&str; 3] = ["resource-known", "role-held", "secret"];
    let id = check.id;
    if NEVER.contains(&id) {
        return None;
    }
    if check.stage == Stage::Request && ev.request.is_none() {
        return None;
    }
    let whole = ev.parts.header && ev.parts.claims;
    if ev.jwt.is_some()
        && !whole
        && !(HEADER.contains(&id) && ev.parts.header
            || CLAIMS.contains(&id) && ev.parts.claims
            || check.stage == Stage::Request)
    {
        return None;
    }
    // A body alone names no tenant.
    if id == "tenant-known" && ev.request.is_some_and(|r| r.it.path.is_empty()) {
        return None;
    }
    if matches!(id, "signature") && !ev.parts.signature && ev.jwt.is_some() {
        return Some((check, Outcome::Undecided(Needed::Assertion)));
    }
    // An assertion for another kind of server is judged by what holds everywhere.
    if ev.other_server && !["assertion-readable", "members-once", "segments-encoding", "validity"].contains(&id) {
        return None;
    }
    // Other grants exist at Entra; this service only has one.
    if let ("grant-type", Outcome::Refuse(Reason::GrantTypeUnsupported { received })) = (id, &outcome)
        && (received.starts_with("urn:ietf:params:oauth:grant-type:")
            || ["authorization_code", "refresh_token", "password", "device_code"].contains(&received.as_str()))
    {
        return Some((check, Outcome::NotApplicable));
    }
    if id == "client-id-matches" && outcome == Outcome::Undecided(Needed::TokenRequest) {
        return None;
    }
    Some((check, outcome))
}
