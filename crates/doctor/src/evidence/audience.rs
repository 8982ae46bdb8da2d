//! What is wrong with an `aud`: which part of it differs from the audiences that the server takes.
//!
//! Called by the evidence once. It classifies; causes name and word.

use countersign_core::Profile;
use countersign_core::authority::{Endpoint, TenantSegment, is_guid};
use countersign_core::jose::claims::{Audience, UnverifiedClaims};
use countersign_core::profile::AudienceRule;

use super::clouds;

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudienceFault {
    /// There is none.
    Missing,
    /// More than one, or one in an array where none is taken.
    Array(usize),
    /// The tenant segment is `common`, `organizations` or `consumers`.
    Shared {
        /// As received.
        received: String,
        /// The segment.
        segment: String,
    },
    /// Another cloud of Microsoft's.
    OtherCloud {
        /// As received.
        received: String,
        /// Names of the two clouds.
        clouds: (&'static str, &'static str),
    },
    /// Another name of the same cloud.
    HostAlias {
        /// As received.
        received: String,
        /// The host of the authority.
        host: String,
    },
    /// A host that is not the server's.
    OtherHost {
        /// As received.
        received: String,
        /// The host of the authority.
        host: String,
    },
    /// Another tenant.
    OtherTenant {
        /// As received.
        received: String,
        /// The tenant that is meant.
        tenant: String,
    },
    /// Only letter case differs from an audience that is taken.
    LetterCase {
        /// As received.
        received: String,
        /// What it should be.
        expected: String,
    },
    /// The path is that of another endpoint of the server.
    OtherEndpoint {
        /// As received.
        received: String,
        /// What it should be.
        expected: String,
    },
    /// The path is that of no endpoint.
    Path {
        /// As received.
        received: String,
        /// What it should be.
        expected: String,
    },
    /// The issuer, and the server wants its token endpoint.
    IssuerNotEndpoint {
        /// As received.
        received: String,
        /// What it should be.
        expected: String,
    },
    /// An endpoint, and the server wants its issuer.
    EndpointNotIssuer {
        /// As received.
        received: String,
        /// What it should be.
        expected: String,
    },
    /// A name that is no URL of the server at all: a resource, a client id.
    NotTheServer {
        /// As received.
        received: String,
        /// What it should be.
        expected: String,
    },
}

/// Compares an `aud` with the authority and the tenant.
pub fn read(
    claims: &UnverifiedClaims,
    host: &str,
    host_named: bool,
    tenant: Option<&str>,
    profile: &Profile,
) -> Option<AudienceFault> {
    let received = match &claims.aud {
        Audience::Absent => return Some(AudienceFault::Missing),
        Audience::One(one) if one.trim().is_empty() => return Some(AudienceFault::Missing),
        Audience::Many(many) if many.is_empty() => return Some(AudienceFault::Missing),
        Audience::Many(many) if many.len() == 1 && profile.audience_may_be_array_of_one => many[0].as_str(),
        Audience::Many(many) => return Some(AudienceFault::Array(many.len())),
        Audience::OtherType(_) => return Some(AudienceFault::Array(1)),
        Audience::One(one) => one.as_str(),
    };
    one(received, host, host_named, tenant, profile)
}

/// At a server of another kind: whether `aud` is on another host than the request went to.
pub fn of_host(claims: &UnverifiedClaims, host: &str) -> Option<AudienceFault> {
    let received = match &claims.aud {
        Audience::One(one) => one,
        Audience::Many(many) if many.len() == 1 => &many[0],
        _ => return None,
    };
    let found = clouds::host_of(received)?;
    (!found.eq_ignore_ascii_case(host))
        .then(|| AudienceFault::OtherHost { received: received.clone(), host: host.to_owned() })
}

/// At a server of another kind whose audiences are known.
pub fn of_profile(claims: &UnverifiedClaims, profile: &Profile, host: Option<&str>) -> Option<AudienceFault> {
    if profile.audience == AudienceRule::Unread {
        return None;
    }
    let received = match &claims.aud {
        Audience::Absent => return Some(AudienceFault::Missing),
        Audience::One(one) if one.trim().is_empty() => return Some(AudienceFault::Missing),
        Audience::One(one) => one,
        Audience::Many(many) if many.is_empty() => return Some(AudienceFault::Missing),
        Audience::Many(many) if many.len() == 1 && profile.audience_may_be_array_of_one => &many[0],
        Audience::Many(many) => return Some(AudienceFault::Array(many.len())),
        Audience::OtherType(_) => return Some(AudienceFault::Array(1)),
    };
    // Without a request, `aud` itself says which host is meant.
    let own = clouds::host_of(received);
    let Err(refused) = profile.audience.judge(received, host) else { return None };
    let expected =
        refused.accepted.first().map(|p| p.replace("http*:", "https:").replace('*', "…")).unwrap_or_default();
    let received = received.clone();
    let wanted_host = clouds::host_of(&expected).unwrap_or_else(|| expected.clone());
    let lower = received.to_ascii_lowercase();
    if refused.accepted.iter().any(|p| countersign_core::profile::matches(&p.to_ascii_lowercase(), &lower)) {
        return Some(AudienceFault::LetterCase { received, expected });
    }
    // The same audience of another site, such as a sandbox: right in itself, wrong for this request.
    if host.is_some() && profile.audience.judge(&received, None).is_ok() {
        return Some(AudienceFault::OtherHost { received, host: wanted_host });
    }
    let path = |url: &str| {
        url.split_once("://")
            .map_or(url, |(_, r)| r)
            .split_once('/')
            .map_or("", |(_, p)| p)
            .trim_end_matches('/')
            .to_owned()
    };
    let (is, wanted) = (path(&received), path(&expected));
    let same_host = own.as_deref().is_some_and(|h| host.is_none_or(|w| w.eq_ignore_ascii_case(h)));
    Some(match (same_host, wanted.ends_with("token"), is.ends_with("token")) {
        _ if !received.contains("://") => AudienceFault::NotTheServer { received, expected },
        (true, true, false)
            if ["authorize", "introspect", "revoke", "par", "keys", "logout"].iter().any(|e| is.ends_with(e)) =>
        {
            AudienceFault::OtherEndpoint { received, expected }
        }
        (true, true, false) => AudienceFault::IssuerNotEndpoint { received, expected },
        (true, false, true) => AudienceFault::EndpointNotIssuer { received, expected },
        (true, ..) => AudienceFault::OtherEndpoint { received, expected },
        (false, ..) if own.is_some() && host.is_some() => AudienceFault::OtherHost { received, host: wanted_host },
        (false, ..) => AudienceFault::NotTheServer { received, expected },
    })
}

fn one(received: &str, host: &str, host_named: bool, tenant: Option<&str>, profile: &Profile) -> Option<AudienceFault> {
    let owned = || received.to_owned();
    let segment_wanted = tenant.unwrap_or("{tenant}");
    let expected = format!("https://{host}/{segment_wanted}/oauth2/v2.0/token");
    let Some(found) = clouds::host_of(received) else {
        return Some(AudienceFault::NotTheServer { received: owned(), expected });
    };
    if !received.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http")) {
        return Some(AudienceFault::NotTheServer { received: owned(), expected });
    }
    let path = received.split_once("://").map_or("", |(_, r)| r.find('/').map_or("", |i| &r[i..]));
    let mut segments = path.trim_start_matches('/').splitn(2, '/');
    let (segment, rest) =
        (segments.next().unwrap_or_default(), segments.next().unwrap_or_default().trim_end_matches('/'));
    let shared = matches!(TenantSegment::read(segment), TenantSegment::Shared(_));
    if !found.eq_ignore_ascii_case(host) {
        match (clouds::of_login(&found), clouds::of_login(host)) {
            (Some(theirs), Some(ours)) if theirs.name != ours.name => {
                return Some(AudienceFault::OtherCloud { received: owned(), clouds: (theirs.name, ours.name) });
            }
            (Some(_), Some(_)) if host_named || found == "sts.windows.net" => {
                return Some(AudienceFault::HostAlias { received: owned(), host: host.to_owned() });
            }
            (Some(_), Some(_)) => {}
            (None, Some(_)) if clouds::of_resource(received).is_some() || clouds::is_graph(received) => {
                return Some(AudienceFault::NotTheServer { received: owned(), expected });
            }
            _ => return Some(AudienceFault::OtherHost { received: owned(), host: host.to_owned() }),
        }
    }
    if shared {
        return Some(AudienceFault::Shared { received: owned(), segment: segment.to_owned() });
    }
    if let Some(tenant) = tenant
        && !tenant.eq_ignore_ascii_case(segment)
        // A domain name and an id cannot be compared.
        && is_guid(tenant) == is_guid(segment)
        && !matches!(TenantSegment::read(segment), TenantSegment::Malformed(_))
    {
        return Some(AudienceFault::OtherTenant { received: owned(), tenant: tenant.to_owned() });
    }
    let base = format!("https://{found}/{segment}");
    let expected = format!("{base}/oauth2/v2.0/token");
    if !received.get(..8).is_some_and(|s| s.eq_ignore_ascii_case("https://")) {
        return Some(AudienceFault::Path { received: owned(), expected });
    }
    let endpoint = match rest {
        "oauth2/v2.0/token" => Endpoint::TokenV2,
        "oauth2/token" => Endpoint::TokenV1,
        "v2.0" => Endpoint::IssuerV2,
        "" => Endpoint::TenantRoot,
        _ => Endpoint::Other,
    };
    match endpoint {
        Endpoint::TokenV2 => None,
        Endpoint::TokenV1 if profile.audience_may_be_v1 => None,
        Endpoint::IssuerV2 if profile.audience_may_be_issuer => None,
        Endpoint::IssuerV2 => Some(AudienceFault::IssuerNotEndpoint { received: owned(), expected }),
        Endpoint::TokenV1 => Some(AudienceFault::OtherEndpoint { received: owned(), expected }),
        Endpoint::TenantRoot | Endpoint::Other => {
            let lower = rest.to_ascii_lowercase();
            for right in ["oauth2/v2.0/token", "oauth2/token", "v2.0"] {
                if lower == right {
                    return Some(AudienceFault::LetterCase { received: owned(), expected: format!("{base}/{right}") });
                }
            }
            let other = [
                "authorize",
                "introspect",
                "introspection",
                "devicecode",
                "logout",
                "keys",
                "openid-configuration",
                "userinfo",
                "revoke",
                "par",
                "saml2",
                "wsfed",
            ];
            let last = lower.rsplit('/').next().unwrap_or_default();
            if other.contains(&last) {
                return Some(AudienceFault::OtherEndpoint { received: owned(), expected });
            }
            Some(AudienceFault::Path { received: owned(), expected })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::profile::ENTRA;

    const T: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";

    fn fault(aud: &str) -> Option<AudienceFault> {
        one(aud, "login.microsoftonline.com", true, Some(T), &ENTRA)
    }

    #[test]
    fn tells_what_differs() {
        assert_eq!(fault(&format!("https://login.microsoftonline.com/{T}/oauth2/v2.0/token")), None);
        assert_eq!(fault(&format!("https://login.microsoftonline.com/{T}/v2.0")), None);
        assert_eq!(fault("https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"), None);
        assert!(matches!(
            fault("https://login.microsoftonline.com/common/oauth2/v2.0/token"),
            Some(AudienceFault::Shared { .. })
        ));
        assert!(matches!(
            fault(&format!("https://login.microsoftonline.us/{T}/oauth2/v2.0/token")),
            Some(AudienceFault::OtherCloud { .. })
        ));
        assert!(matches!(fault(&format!("https://sts.windows.net/{T}/")), Some(AudienceFault::HostAlias { .. })));
        assert!(matches!(
            fault(&format!("https://login.microsoftonline.com/{T}/V2.0/token")),
            Some(AudienceFault::Path { .. })
        ));
        assert!(matches!(
            fault(&format!("https://login.microsoftonline.com/{T}/OAuth2/v2.0/token")),
            Some(AudienceFault::LetterCase { .. })
        ));
        assert!(matches!(
            fault("https://login.microsoftonline.com/11111111-2222-4333-8444-555555555555/v2.0"),
            Some(AudienceFault::OtherTenant { .. })
        ));
        assert!(matches!(
            fault("api://AzureADTokenExchange"),
            Some(AudienceFault::OtherHost { .. } | AudienceFault::NotTheServer { .. })
        ));
        assert!(matches!(
            fault(&format!("https://login.microsoftonline.com/{T}/oauth2/v2.0/authorize")),
            Some(AudienceFault::OtherEndpoint { .. })
        ));
    }
}
