//! Pages about the service itself: settings with their origin, and the keys that sign access tokens.

use askama::Template;
use countersign_core::x509::certificate::Certificate;
use http::StatusCode;

use super::shell::{self, Shell};
use super::{Outcome, ROOT, Trouble, Visit, redirect};
use crate::config;
use crate::sessions::Notice;
use crate::token::rollover::{self, By};
use crate::token::signer::SignerError;

#[derive(Template)]
#[template(path = "settings.html")]
struct Settings {
    shell: Shell,
    rows: Vec<(&'static str, String, String)>,
}

/// `GET /portal/settings`: the operator's alone, since it names files.
pub(super) fn settings(visit: &Visit<'_>) -> Outcome {
    if !visit.is_operator() {
        return Err(Trouble::Denied("Settings are shown to whoever holds the admin token.".to_owned()));
    }
    let rows = visit.app.config.rows();
    Ok(shell::page(StatusCode::OK, &Settings { shell: Shell::of(visit, "Settings", "settings"), rows }))
}

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    shell: Shell,
    rows: Vec<Key>,
    jwks: String,
    may_roll: bool,
    max_age: String,
}

struct Key {
    kid: String,
    alg: String,
    created: String,
    signs_from: String,
    published_until: String,
    state: &'static str,
    sha256: String,
}

/// `GET /portal/keys`: what is published anyway, and when; never a private part.
pub(super) async fn keys(visit: &Visit<'_>) -> Outcome {
    let active = visit.app.signer.signing_now(visit.now);
    let rows = visit.app.store().signing_keys().await?.into_iter().map(|k| {
        let ended = k.published_until.is_some_and(|u| u <= visit.now);
        let state = if active.contains(&k.kid) {
            "signs"
        } else if ended {
            "ended"
        } else if k.signs_from > visit.now {
            "next"
        } else {
            "last"
        };
        let signs_from = if k.signs_from > visit.now.plus_secs(100 * 366 * 86_400) {
            "by command".to_owned()
        } else {
            k.signs_from.rfc3339()
        };
        let sha256 = Certificate::from_der(&k.certificate)
            .map(|c| countersign_core::encoding::encode_hex_upper(c.sha256()))
            .unwrap_or_default();
        Key {
            kid: k.kid,
            alg: k.alg,
            created: k.created.rfc3339(),
            signs_from,
            published_until: k.published_until.map_or_else(|| "–".to_owned(), |t| t.rfc3339()),
            state,
            sha256,
        }
    });
    let page = Keys {
        rows: rows.collect(),
        shell: Shell::of(visit, "Signing keys", "keys"),
        may_roll: visit.is_operator(),
        max_age: visit.app.config.signing_key_max_age.value.map_or_else(|| "never".to_owned(), config::show_age),
        jwks: format!("{}/{}/discovery/v2.0/keys", visit.context.base, visit.tenant.id),
    };
    Ok(shell::page(StatusCode::OK, &page))
}

/// `POST /portal/keys/roll`: the operator's alone, as keys belong to every tenant.
pub(super) async fn roll(visit: &Visit<'_>) -> Outcome {
    if !visit.is_operator() {
        return Err(Trouble::Denied("Signing keys are rolled by whoever holds the admin token.".to_owned()));
    }
    let by = By {
        actor: visit.session.caller.name(),
        tenant_id: &visit.tenant.id,
        correlation_id: &visit.context.correlation_id,
    };
    match rollover::roll(visit.app, by).await {
        Ok(rolled) => {
            let each = rolled.iter().map(|r| format!("The key {} signs from {}.", r.kid, r.signs_from.rfc3339()));
            visit.app.sessions.tell(&visit.session.id, Notice::Done(each.collect::<Vec<_>>().join(" ")));
            Ok(redirect(&format!("{ROOT}keys")))
        }
        Err(SignerError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::error!(%error, "the signing key was not rolled");
            let text = "The key could not be rolled; the reason is in the service's log.".to_owned();
            Err(Trouble::Refused(StatusCode::INTERNAL_SERVER_ERROR, text))
        }
    }
}
