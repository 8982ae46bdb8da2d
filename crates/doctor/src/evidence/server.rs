//! Which kind of server the assertion was meant for, told from the artifacts, and what that server said.
//!
//! Called by the evidence once. The marks and the words are core's, in its profiles; nothing about a server stands here.

use countersign_core::jose::claims::Audience;
use countersign_core::profile::{ENTRA, Profile, SERVERS, Saying};

use super::clouds::{host_of, of_login};
use super::messages::{self, Message};
use super::{At, Evidence};

/// The profile to judge by: the one that was named, else the one whose server the artifacts point to, else Entra's.
pub(super) fn choose(ev: &Evidence<'_>) -> &'static Profile {
    let named = ev.options.profile;
    let entra_said = ev.errors.iter().any(|e| !e.it.parsed.codes.is_empty());
    if ev.options.profile_named || named.name != ENTRA.name || entra_said || ev.options.tenant.is_some() {
        return named;
    }
    if !ev.apps.is_empty() || ev.request.is_some_and(|r| r.it.host.as_deref().is_some_and(is_login)) {
        return named;
    }
    let others = || SERVERS.into_iter().filter(|p| !p.has_tenants());
    let urls = urls(ev);
    if urls.iter().any(|u| host_of(u).is_some_and(|h| is_login(&h))) {
        return named;
    }
    // What a server says itself outweighs addresses, unless none of those is like its own; an address outweighs the look
    // of `iss`.
    let fits = |p: &Profile| urls.is_empty() || urls.iter().any(|u| p.marks.on_url(u));
    others()
        .find(|p| fits(p) && p.sayings.iter().any(|s| s.own && ev.texts().any(|(_, t)| says(s, t))))
        .or_else(|| others().find(|p| urls.iter().any(|u| p.marks.on_url(u))))
        .or_else(|| others().find(|p| ev.claims.and_then(|c| c.it.iss.text()).is_some_and(|i| p.marks.on_issuer(i))))
        .unwrap_or(named)
}

fn is_login(host: &str) -> bool {
    of_login(host).is_some()
}

/// Addresses that the request went to or that `aud` names.
fn urls(ev: &Evidence<'_>) -> Vec<String> {
    let mut out: Vec<String> =
        ev.request.and_then(|r| Some(format!("https://{}{}", r.it.host.as_deref()?, r.it.path))).into_iter().collect();
    match ev.claims.map(|c| &c.it.aud) {
        Some(Audience::One(one)) => out.push(one.clone()),
        Some(Audience::Many(many)) => out.extend(many.iter().take(4).cloned()),
        _ => {}
    }
    out
}

fn says(saying: &Saying, text: &str) -> bool {
    let pieces: Vec<String> = saying.pieces().collect();
    let words: Vec<&str> = pieces.iter().map(String::as_str).collect();
    messages::near(&text.to_lowercase(), &words)
}

/// What the chosen server said, in the order of its profile.
pub(super) fn said(ev: &Evidence<'_>) -> Vec<At<&'static Saying>> {
    ev.profile
        .sayings
        .iter()
        .filter_map(|it| ev.texts().find(|(_, t)| says(it, t)).map(|(artifact, _)| At { artifact, it }))
        .collect()
}

/// The message that a refusal by a check amounts to, where a cause listens to one.
pub(super) fn message(saying: &Saying) -> Option<Message> {
    match saying.check {
        "lifetime" => Some(Message::ExpTooFar),
        "audience" => Some(Message::AudienceRefused),
        _ => None,
    }
}

/// Whether a text is an error of one of the servers.
pub(crate) fn is_said(text: &str) -> bool {
    SERVERS.into_iter().any(|p| p.sayings.iter().any(|s| s.own && says(s, text)))
}
