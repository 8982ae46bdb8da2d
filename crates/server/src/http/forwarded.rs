//! What a proxy of ours says of a request: `X-Forwarded-For`, `-Host`, `-Proto`, and `Forwarded` (RFC 7239).
//!
//! Read by `context` for requests that come from an address of `--behind-proxy`; from everybody else these headers are the
//! caller's own words and count for nothing. It decides nothing about names: `Names` knows which are ours.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::names::Names;

/// What is known of the client beyond the connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address.
    pub address: IpAddr,
    /// The name that the client called us by, when a proxy said it; perhaps none of ours.
    pub host: Option<String>,
    /// Whether the client came by HTTPS, when a proxy said it.
    pub https: Option<bool>,
}

impl Forwarded {
    /// Reads the headers of a request whose connection comes from `peer`.
    pub fn of(headers: &HeaderMap, peer: IpAddr, names: &Names) -> Self {
        let mut out = Self { address: peer.to_canonical(), host: None, https: None };
        if !names.is_proxy(peer) {
            return out;
        }
        let (x_for, x_host, x_proto) = (
            joined(headers, "x-forwarded-for"),
            joined(headers, "x-forwarded-host"),
            joined(headers, "x-forwarded-proto"),
        );
        let standard = joined(headers, "forwarded");
        let elements: Vec<Element> = standard.as_deref().map(elements).unwrap_or_default();
        let by_x = x_for.as_deref().map(|list| client(list.rsplit(','), peer, names));
        let by_standard = standard.is_some().then(|| {
            // An element without `for` hides who came before it.
            client(elements.iter().rev().map(|e| e.node.as_deref().unwrap_or_default()), peer, names)
        });
        out.address = match (by_x, by_standard) {
            // A proxy that writes one of the two and lets the other through would let every client choose its address.
            (Some(a), Some(b)) if a != b => out.address,
            (Some(address), _) | (None, Some(address)) => address,
            (None, None) => out.address,
        };
        // A proxy that writes X-Forwarded-For lets a client's own `Forwarded` through: that names nothing.
        let naming: &[Element] = if x_for.is_some() { &[] } else { &elements };
        // The first is what the client used; each further proxy adds its own behind.
        let first = |list: &str| list.split(',').next().unwrap_or_default().trim().to_owned();
        out.host = match x_host.as_deref().map(first) {
            Some(host) => Some(host),
            None => naming.iter().find_map(|e| e.host.clone()),
        };
        let proto = match x_proto.as_deref().map(first) {
            Some(proto) => Some(proto),
            None => naming.iter().find_map(|e| e.proto.clone()),
        };
        out.https = proto.and_then(|p| match p.to_ascii_lowercase().as_str() {
            "https" | "wss" => Some(true),
            "http" | "ws" => Some(false),
            _ => None,
        });
        out
    }
}

/// All lines of a header as one list (RFC 9110 §5.3): a proxy may add a line of its own behind one that the client sent.
fn joined<'a>(headers: &'a HeaderMap, name: &str) -> Option<Cow<'a, str>> {
    let mut lines = headers.get_all(name).iter();
    let first = String::from_utf8_lossy(lines.next()?.as_bytes());
    let Some(second) = lines.next() else { return Some(first) };
    let mut all = first.into_owned();
    for line in std::iter::once(second).chain(lines) {
        all.push(',');
        all.push_str(&String::from_utf8_lossy(line.as_bytes()));
    }
    Some(Cow::Owned(all))
}

/// The client among addresses from the nearest to the farthest: the first that is no proxy of ours. What is farther was written by
/// strangers. Where an address cannot be read, the one that reported it stands for it.
fn client<'a>(nearest_first: impl Iterator<Item = &'a str>, peer: IpAddr, names: &Names) -> IpAddr {
    let mut address = peer;
    for text in nearest_first {
        let Some(next) = node(text.trim()) else { break };
        address = next;
        if !names.is_proxy(next) {
            break;
        }
    }
    address.to_canonical()
}

/// An address, perhaps with a port, as proxies write it: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn node(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip());
    }
    // RFC 7239 §6: a port may also be an obfuscated word, which tells nothing.
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().ok().filter(IpAddr::is_ipv6),
        None => text.split_once(':')?.0.parse().ok().filter(IpAddr::is_ipv4),
    }
}

/// One element of `Forwarded`: what one proxy says.
#[derive(Debug, Default)]
struct Element {
    node: Option<String>,
    host: Option<String>,
    proto: Option<String>,
}

/// Takes `Forwarded` apart (RFC 7239 §4). A list that breaks the grammar gives one element without anything more at that place,
/// so that nothing before it is believed.
fn elements(list: &str) -> Vec<Element> {
    let mut out = vec![Element::default()];
    let mut rest = list;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let end = rest.find(['=', ';', ',']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_ascii_lowercase();
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix('=') {
            let Some((value, after)) = value(after) else {
                out.push(Element::default());
                return out;
            };
            rest = after;
            if let Some(element) = out.last_mut() {
                let place = match name.as_str() {
                    "for" => Some(&mut element.node),
                    "host" => Some(&mut element.host),
                    "proto" => Some(&mut element.proto),
                    _ => None,
                };
                if let Some(place) = place {
                    *place = Some(value);
                }
            }
        }
        rest = rest.trim_start_matches([' ', '\t']);
        match rest.as_bytes().first() {
            Some(b',') => out.push(Element::default()),
            Some(b';') => {}
            None => return out,
            Some(_) => {
                out.push(Element::default());
                return out;
            }
        }
        rest = &rest[1..];
    }
}

/// A token or a quoted string, and what follows it; nothing for a string that does not end.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',', ' ', '\t']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut out = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((out, &quoted[at + 1..])),
            '\\' => out.push(characters.next()?.1),
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};

    const PROXY: &str = "10.0.0.1";

    fn read(peer: &str, headers: &[(&'static str, &str)]) -> Forwarded {
        let flags = [("behind-proxy", vec!["10.0.0.0/8".to_owned(), "2001:db8:ff::/48".to_owned()])];
        let flags = flags.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        let (config, _) = Config::load(&Sources { flags, ..Sources::default() }).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Forwarded::of(&map, peer.parse().unwrap(), &Names::new(&config, 8443))
    }

    fn address(headers: &[(&'static str, &str)]) -> String {
        read(PROXY, headers).address.to_string()
    }

    #[test]
    fn strangers_headers_count_for_nothing() {
        let all = [
            ("x-forwarded-for", "198.51.100.7"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "for=198.51.100.7;host=evil.example;proto=http"),
        ];
        for stranger in ["192.0.2.1", "::ffff:192.0.2.1"] {
            let said = read(stranger, &all);
            assert_eq!(said, Forwarded { address: "192.0.2.1".parse().unwrap(), host: None, https: None });
        }
        assert_eq!(read("::ffff:10.0.0.1", &all[..1]).address.to_string(), "198.51.100.7");
    }

    #[test]
    fn the_nearest_address_that_is_no_proxy_is_the_clients() {
        let x = |list| address(&[("x-forwarded-for", list)]);
        // What a client writes itself stands farther away than what our proxy saw.
        assert_eq!(x("203.0.113.66, 192.0.2.9"), "192.0.2.9");
        assert_eq!(x("203.0.113.66, 192.0.2.9, 10.2.2.2,10.3.3.3"), "192.0.2.9");
        assert_eq!(x("192.0.2.9:51324"), "192.0.2.9", "as Azure's gateway writes it");
        assert_eq!(x("2001:db8::7"), "2001:db8::7");
        assert_eq!(x("[2001:db8::7]:443, 2001:db8:ff::1"), "2001:db8::7");
        assert_eq!(x("::ffff:192.0.2.9"), "192.0.2.9");
        assert_eq!(x("10.9.9.9"), "10.9.9.9", "a proxy's own request");
        for unread in ["", " ", "unknown", "192.0.2.9, evil", "192.0.2.9,", "[192.0.2.9]:1x", "192.0.2"] {
            assert_eq!(x(unread), PROXY, "{unread}");
        }
        assert_eq!(x("192.0.2.9, unknown, 10.2.2.2"), "10.2.2.2", "nothing beyond what cannot be read");
    }

    #[test]
    fn lines_are_one_list() {
        let lines = [("x-forwarded-for", "203.0.113.66"), ("x-forwarded-for", "192.0.2.9")];
        assert_eq!(address(&lines), "192.0.2.9", "the proxy's line came behind the client's");
        let lines = [("forwarded", "for=203.0.113.66"), ("forwarded", "for=192.0.2.9")];
        assert_eq!(address(&lines), "192.0.2.9");
    }

    #[test]
    fn forwarded_is_read_as_the_standard_has_it() {
        let standard = |list| address(&[("forwarded", list)]);
        assert_eq!(standard("for=192.0.2.9;proto=https;by=10.0.0.1"), "192.0.2.9");
        assert_eq!(standard("FOR=203.0.113.66, For=\"192.0.2.9:_secret\" ; host=x , for=10.4.4.4"), "192.0.2.9");
        assert_eq!(standard("for=\"[2001:db8::7]:4711\""), "2001:db8::7");
        assert_eq!(standard("for=\"192.0.2.\\9\""), "192.0.2.9");
        for hidden in
            ["for=_hidden", "for=unknown", "for=192.0.2.9, proto=http", "for=192.0.2.9, for=\"10.1", "a b", "="]
        {
            assert_eq!(standard(hidden), PROXY, "{hidden}");
        }
        let said = read(PROXY, &[("forwarded", "for=192.0.2.9;host=\"sts.example:8443\";proto=HTTPS, host=inner")]);
        assert_eq!((said.host.as_deref(), said.https), (Some("sts.example:8443"), Some(true)));
    }

    #[test]
    fn a_clients_own_forwarded_names_nothing_behind_a_proxy_that_writes_the_other_kind() {
        let own = ("forwarded", "for=192.0.2.9;host=evil.example;proto=http");
        let said = read(PROXY, &[("x-forwarded-for", "192.0.2.9"), own]);
        assert_eq!((said.host, said.https), (None, None));
        let said = read(PROXY, &[("x-forwarded-for", "192.0.2.9"), ("x-forwarded-proto", "https"), own]);
        assert_eq!((said.host, said.https), (None, Some(true)));
    }

    #[test]
    fn two_kinds_that_disagree_about_the_client_count_for_nothing() {
        let both = |x, standard| address(&[("x-forwarded-for", x), ("forwarded", standard)]);
        assert_eq!(both("192.0.2.9", "for=192.0.2.9"), "192.0.2.9");
        assert_eq!(both("192.0.2.9", "for=203.0.113.66"), PROXY);
        assert_eq!(both("192.0.2.9", "for=\"broken"), PROXY);
    }

    #[test]
    fn name_and_scheme_are_the_first_of_their_lists() {
        let said = read(PROXY, &[("x-forwarded-host", "sts.example, inner"), ("x-forwarded-proto", "http,https")]);
        assert_eq!((said.host.as_deref(), said.https), (Some("sts.example"), Some(false)));
        let said = read(PROXY, &[("x-forwarded-host", "a"), ("forwarded", "host=b;proto=gopher")]);
        assert_eq!((said.host.as_deref(), said.https), (Some("a"), None));
    }
}
