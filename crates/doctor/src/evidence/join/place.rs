//! Where the request goes: which tenant, which authority, and whether the server is one of Entra's at all.
//!
//! Called by [`super::join`]; a tenant that only `aud` names is marked as such, because it cannot be compared with itself.

use countersign_core::authority::{Authority, AuthorityUrl, Endpoint, Tenant, TenantSegment, is_guid};
use countersign_core::jose::claims::Audience;

use crate::artifact::Meaning;
use crate::evidence::messages::Message;
use crate::evidence::{Evidence, TenantFrom, clouds};

pub(super) fn usable_tenant(segment: &str) -> bool {
    matches!(TenantSegment::read(segment), TenantSegment::Id(_) | TenantSegment::Domain(_))
}

/// Host and first path segment of an `aud`.
pub(super) fn audience_parts(ev: &Evidence<'_>) -> Option<(String, String)> {
    let aud = match &ev.claims?.it.aud {
        Audience::One(one) => one.clone(),
        Audience::Many(many) => many.first()?.clone(),
        Audience::Absent | Audience::OtherType(_) => return None,
    };
    let host = clouds::host_of(&aud)?;
    let path = aud.split_once("://")?.1.split_once('/').map_or("", |(_, p)| p);
    Some((host, path.split('/').next().unwrap_or_default().to_owned()))
}

pub(super) fn set_tenant(ev: &mut Evidence<'_>) {
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

pub(super) fn set_authority(ev: &mut Evidence<'_>) {
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
pub(super) fn other_server(ev: &Evidence<'_>) -> bool {
    if ev.known_server().is_some() {
        return true;
    }
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

pub(super) fn ground(ev: &Evidence<'_>) -> (Authority, Option<Tenant>) {
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
