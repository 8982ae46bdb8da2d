//! The kinds of rules a profile is made of, and the patterns they are written in.
//!
//! Read by the checks and by the doctor. Data and comparison only; which server has which rule stands in its own file.

/// How the segments of a compact JWS may be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentRule {
    /// Canonical base64url without padding (RFC 7515 §2).
    Canonical,
    /// As [`Self::Canonical`], right `=` padding tolerated.
    PaddingTolerated,
}

/// How thumbprints in the header may be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThumbprintRule {
    /// Canonical base64url without padding.
    Canonical,
    /// Either alphabet, padded or not: the bytes count.
    BytesCount,
}

/// Which header members may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberRule {
    /// These and no others.
    Only(&'static [&'static str]),
    /// All but these.
    Except(&'static [&'static str]),
}

impl MemberRule {
    /// Whether the rule admits a member of that name.
    pub fn admits(self, name: &str) -> bool {
        match self {
            Self::Only(names) => names.contains(&name),
            Self::Except(names) => !names.contains(&name),
        }
    }
}

/// How the assertion reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentAs {
    /// `client_assertion` of a token request (RFC 7523 §2.2).
    ClientAssertion,
    /// `assertion` of a token request (RFC 7523 §2.1).
    Grant,
    /// A bearer token of an API request.
    Bearer,
    /// `client_secret` of a token request.
    Secret,
}

/// What must name the key in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyIdentifierRule {
    /// `x5t`, `x5t#S256` or `kid`: the server looks for a certificate.
    CertificateOrKid,
    /// `kid`.
    Kid,
    /// Nothing has to.
    Optional,
}

/// What `iss` must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerRule {
    /// The client id.
    ClientId,
    /// A text of one of these patterns.
    Matching {
        /// Patterns of [`matches()`].
        patterns: &'static [&'static str],
        /// The same in words.
        words: &'static str,
    },
    /// Nothing that can be told from its form; a number may stand there.
    Free,
}

/// What `sub` must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectRule {
    /// The same as `iss`.
    IsIssuer,
    /// `iss` without its final `.SHA256:` and fingerprint.
    BeforeFingerprint,
    /// Another thing than `iss`, or absent.
    Free,
}

/// What `aud` must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudienceRule {
    /// Token endpoint or issuer of a tenant, as Entra has them.
    Tenant,
    /// Rows of a host that the request goes to and an audience taken there, both patterns of [`matches()`]. `{host}` in an
    /// audience is that host, `*` alone as host is every host.
    Rows(&'static [(&'static str, &'static str)]),
    /// It is not read.
    Unread,
}

/// What is wrong with an `aud`, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudienceRefused {
    /// Patterns of the audiences that are taken, most usual first.
    pub accepted: Vec<String>,
}

impl AudienceRule {
    /// Judges an audience; `host` is where the request goes, when that is known.
    ///
    /// # Errors
    /// [`AudienceRefused`] with what is taken there.
    pub fn judge(self, received: &str, host: Option<&str>) -> Result<(), AudienceRefused> {
        let Self::Rows(rows) = self else { return Ok(()) };
        let accepted = accepted(rows, host);
        match accepted.iter().any(|pattern| matches(pattern, received)) {
            true => Ok(()),
            false => Err(AudienceRefused { accepted }),
        }
    }
}

/// The audiences taken at a host: those of the first row that speaks of it, and those of every host.
fn accepted(rows: &[(&str, &str)], host: Option<&str>) -> Vec<String> {
    let host = host.map(str::to_ascii_lowercase);
    let first = host.as_ref().and_then(|h| rows.iter().find(|(on, _)| *on != "*" && matches(on, h)).map(|(on, _)| *on));
    rows.iter()
        .filter(|(on, _)| first.is_none_or(|f| f == *on) || *on == "*")
        .map(|(_, audience)| audience.replace("{host}", host.as_deref().unwrap_or("*")))
        .collect()
}

/// From when a lifetime counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifetimeFrom {
    /// From `iat`, else `nbf`, else now; never less than what is left.
    Issue,
    /// From now: what is left, without leeway. GitHub, Okta and Box refuse a second more than the limit.
    Now,
    /// From now, and only when there is no `iat`.
    NowWithoutIssue,
}

/// What gives a server away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Patterns of hosts in `aud` or in the request's URL.
    pub hosts: &'static [&'static str],
    /// Patterns of paths there; a final `/` is ignored.
    pub paths: &'static [&'static str],
    /// Patterns of `iss`.
    pub issuers: &'static [&'static str],
}

impl Marks {
    /// No marks: such a server has to be named.
    pub const NONE: Self = Self { hosts: &[], paths: &[], issuers: &[] };

    /// Whether an absolute URL, or a bare host, bears a mark.
    pub fn on_url(&self, url: &str) -> bool {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
        let path = format!("/{}", path.split(['?', '#']).next().unwrap_or(path).trim_end_matches('/'));
        self.hosts.iter().any(|p| matches(p, &host)) || self.paths.iter().any(|p| matches(p, &path))
    }

    /// Whether an `iss` bears a mark.
    pub fn on_issuer(&self, iss: &str) -> bool {
        self.issuers.iter().any(|p| matches(p, iss))
    }
}

/// Words of a server's refusal, and which check they speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saying {
    /// As printed; `…` stands for what varies.
    pub text: &'static str,
    /// Id of the check that refused.
    pub check: &'static str,
    /// What it means, one line.
    pub means: &'static str,
    /// No other server says so: the server is known by it.
    pub own: bool,
}

impl Saying {
    /// The pieces that do not vary, for a reader that ignores letter case.
    pub fn pieces(&self) -> impl Iterator<Item = String> {
        self.text.split('…').map(|p| p.trim().to_lowercase()).filter(|p| !p.is_empty())
    }
}

/// Compares a text with a pattern, in which `*` stands for any characters but a slash, or none.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut tail) = text.strip_prefix(head) else { return false };
    loop {
        if matches(rest, tail) {
            return true;
        }
        match tail.chars().next() {
            Some(c) if c != '/' => tail = &tail[c.len_utf8()..],
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stops_at_a_slash() {
        assert!(matches("https://*/realms/*", "https://id.example/realms/shop"));
        assert!(matches("https://*/realms/*", "https://id.example/realms/"));
        assert!(!matches("https://*/realms/*", "https://id.example/auth/realms/shop"));
        assert!(!matches("https://*/realms/*", "https://id.example/realms/shop/protocol"));
        assert!(matches("*.*.SHA256:*", "ACCOUNT.USER.SHA256:abc="));
        assert!(!matches("*@*.gserviceaccount.com", "me@example.com"));
    }

    #[test]
    fn the_host_decides_which_audience() {
        let rule = AudienceRule::Rows(&[
            ("test.example", "https://test.example"),
            ("login.example", "https://login.example"),
            ("*", "https://*.site.example/*"),
        ]);
        assert_eq!(rule.judge("https://test.example", Some("TEST.example")), Ok(()));
        assert_eq!(rule.judge("https://test.example", None), Ok(()));
        assert_eq!(rule.judge("https://a.site.example/b", Some("login.example")), Ok(()));
        let refused = rule.judge("https://test.example", Some("login.example")).unwrap_err();
        assert_eq!(refused.accepted[0], "https://login.example");
        let own = AudienceRule::Rows(&[("*", "https://{host}/token")]);
        assert_eq!(own.judge("https://a.example/token", Some("a.example")), Ok(()));
        assert_eq!(own.judge("https://b.example/token", None), Ok(()));
        assert!(own.judge("https://b.example/token", Some("a.example")).is_err());
    }

    #[test]
    fn marks_read_hosts_paths_and_issuers() {
        let marks = Marks { hosts: &["*.okta.com"], paths: &["/oauth2/*/v1/token"], issuers: &["*.*.SHA256:*"] };
        assert!(marks.on_url("https://dev-1.okta.com"));
        assert!(marks.on_url("https://id.example/oauth2/aus1/v1/token/?x=1"));
        assert!(!marks.on_url("https://okta.com.example/oauth2/v1/token"));
        assert!(marks.on_issuer("A.B.SHA256:x") && !marks.on_issuer("A.B"));
    }
}
