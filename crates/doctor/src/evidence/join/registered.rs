//! Which registration is the client's, and what it is judged by when Graph left something out or nobody gave one.
//!
//! Called by [`super::join`]. A registration that is made up is marked as assumed.

use countersign_core::authority::is_guid;
use countersign_core::jose::claims::Audience;
use countersign_core::registration::{FederatedCredential, KeyCredential, Registration, ServicePrincipal};
use countersign_core::x509::certificate::Certificate;

use crate::artifact::{Application, Content, Meaning};
use crate::evidence::federation::{self, Presented};
use crate::evidence::{At, Evidence, Known, Origin};

pub(super) fn set_client(ev: &mut Evidence<'_>) {
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

pub(super) fn compare_federation(ev: &mut Evidence<'_>) {
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

pub(super) fn set_registration(ev: &mut Evidence<'_>) {
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
