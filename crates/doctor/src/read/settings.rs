//! Finds settings in lines (`NAME=value`, `name: value`, options of a command) and in JSON, and says what they mean.
//!
//! Called by [`super`]. Values keep every character, invisible ones included: those are often the fault.

use countersign_core::json::{Node, Value};
use zeroize::Zeroizing;

use super::text::is_invisible;
use crate::artifact::{Meaning, Setting};

/// The meaning of a name, if it has one here.
pub fn meaning(name: &str) -> Option<Meaning> {
    let flat: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let ends = |list: &[&str]| list.iter().any(|e| flat.ends_with(e));
    if flat == "x5ts256" || flat.ends_with("headerx5ts256") {
        return Some(Meaning::X5tS256);
    }
    if flat == "x5t" {
        return Some(Meaning::X5t);
    }
    if flat.contains("thumbprint")
        || flat.contains("thumb") && flat.contains("print")
        || flat.contains("fingerprint")
        || ends(&["certhash", "certificatehash"])
    {
        return Some(Meaning::Thumbprint);
    }
    if ends(&["clientsecret", "appsecret", "applicationsecret", "secretvalue", "armclientsecret"]) {
        return Some(Meaning::Secret);
    }
    if ends(&[
        "certificatepath",
        "certpath",
        "keyfile",
        "keypath",
        "privatekeypath",
        "pfxpath",
        "certificatefile",
        "pemfile",
        "clientcertificatepath",
    ]) {
        return Some(Meaning::KeyPath);
    }
    if ends(&["clientid", "appid", "applicationid"]) {
        return Some(Meaning::ClientId);
    }
    if ends(&["tenantid", "tenant", "directoryid"]) {
        return Some(Meaning::Tenant);
    }
    if ends(&["authority", "authorityhost", "instance", "tokenendpoint", "tokenurl"]) {
        return Some(Meaning::Authority);
    }
    if ends(&["scope", "scopes", "resource"]) {
        return Some(Meaning::Scope);
    }
    None
}

/// Finds settings in the lines of a text.
pub fn find(text: &str) -> Vec<Setting> {
    let mut out = Vec::new();
    for line in text.lines() {
        if let Some((name, value)) = assignment(line)
            && let Some(meaning) = meaning(name)
            && !value.is_empty()
        {
            out.push(Setting { meaning, name: name.to_owned(), value: Zeroizing::new(value.to_owned()) });
            continue;
        }
        options(line, &mut out);
        xml(line, &mut out);
    }
    out.truncate(256);
    out
}

/// `export NAME=value`, `$env:NAME = "value"`, `name: value`, `- name: value`, `"name": "value",`.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let mut line = line.trim_matches([' ', '\t', '\r', '\n', '\u{feff}']);
    for prefix in ["export ", "set ", "SET ", "$env:", "$Env:", "- ", "-e ", "ENV ", "$", "setx ", "+ "] {
        line = line.strip_prefix(prefix).unwrap_or(line).trim_start_matches([' ', '\t']);
    }
    let line = line.strip_prefix(['"', '\'']).unwrap_or(line);
    let end = line.find(['=', ':'])?;
    let colon_name = line[..end].to_owned();
    // `AzureAd:ClientId=…` and `AzureAd__ClientId`: the name goes on behind the colon.
    let end = if line.as_bytes()[end] == b':' {
        match line[end + 1..].find('=') {
            Some(more)
                if line[end + 1..end + 1 + more]
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '.'))
                    && more > 0 =>
            {
                end + 1 + more
            }
            _ => colon_name.len(),
        }
    } else {
        end
    };
    let name = line[..end].trim().trim_end_matches(['"', '\'']).trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '#' | ' ');
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) || name.split(' ').count() > 4 {
        return None;
    }
    let mut value = line[end + 1..].trim_matches([' ', '\t']);
    value = value.trim_end_matches([',', ';']).trim_end_matches([' ', '\t']);
    Some((name, unquote(value)))
}

/// Takes one pair of quotes off; what is inside stays as it is.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// `--certificate-thumbprint X`, `-CertificateThumbprint "X"`.
fn options(line: &str, out: &mut Vec<Setting>) {
    let mut words = line.split([' ', '\t']).filter(|w| !w.is_empty()).peekable();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix('-') else { continue };
        let name = name.trim_start_matches('-');
        let (name, inline) = name.split_once(['=', ':']).map_or((name, None), |(n, v)| (n, Some(v)));
        let Some(meaning) = meaning(name) else { continue };
        let value = match inline {
            Some(v) => v,
            None => match words.peek() {
                Some(next) if !next.starts_with('-') => {
                    let quote = next.chars().next().filter(|c| matches!(c, '"' | '\''));
                    let Some(start) = line.find(*next) else { continue };
                    match quote {
                        Some(q) => line[start + 1..].split(q).next().unwrap_or(next),
                        None => next,
                    }
                }
                _ => continue,
            },
        };
        let value = unquote(value.trim_end_matches(['`', '\\']));
        if !value.is_empty() {
            out.push(Setting { meaning, name: name.to_owned(), value: Zeroizing::new(value.to_owned()) });
        }
    }
}

/// `<add key="ClientId" value="…"/>`.
fn xml(line: &str, out: &mut Vec<Setting>) {
    let attribute = |name: &str| line.split(&format!("{name}=\"")).nth(1).and_then(|r| r.split('"').next());
    if let (Some(key), Some(value)) = (attribute("key"), attribute("value"))
        && let Some(meaning) = meaning(key)
    {
        out.push(Setting { meaning, name: key.to_owned(), value: Zeroizing::new(value.to_owned()) });
    }
}

/// Finds settings in JSON, at any depth.
pub fn find_json(node: &Node, out: &mut Vec<Setting>) {
    match &node.value {
        Value::Object(members) => {
            let pair = |n: &str| members.iter().find(|m| m.name.eq_ignore_ascii_case(n)).and_then(|m| m.node.as_str());
            // `{"name": "CLIENT_ID", "value": "…"}`: App Service and Kubernetes.
            if let (Some(name), Some(value)) = (pair("name"), pair("value"))
                && let Some(meaning) = meaning(name)
            {
                out.push(Setting { meaning, name: name.to_owned(), value: Zeroizing::new(value.to_owned()) });
            }
            for m in members {
                if let (Some(meaning), Some(value)) = (meaning(&m.name), m.node.as_str())
                    && !value.is_empty()
                {
                    out.push(Setting { meaning, name: m.name.clone(), value: Zeroizing::new(value.to_owned()) });
                }
                find_json(&m.node, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|n| find_json(n, out)),
        _ => {}
    }
}

/// Whether a line by itself is a thumbprint: hex of 20 or 32 bytes with separators, whatever else clings to it.
pub fn is_bare_thumbprint(text: &str) -> bool {
    let core: String =
        text.chars().filter(|c| !is_invisible(*c) && !matches!(c, ':' | ' ' | '-' | '"' | '\'')).collect();
    matches!(core.len(), 40 | 64) && core.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, String)> {
        find(text).into_iter().map(|s| (s.name, s.value.to_string())).collect()
    }

    #[test]
    fn reads_settings_of_many_tools() {
        for (line, value) in [
            ("CERT_THUMBPRINT=\u{200e}AB", "\u{200e}AB"),
            ("export AZURE_CLIENT_ID='x y'", "x y"),
            ("$env:AZURE_TENANT_ID = \"t\"", "t"),
            ("  \"ClientId\": \"c\",", "c"),
            ("  thumbprint: AB:CD", "AB:CD"),
            ("AzureAd:ClientId=c", "c"),
            ("Connect-MgGraph -CertificateThumbprint \"AB CD\" -NoWelcome", "AB CD"),
            ("<add key=\"ida:ClientId\" value=\"c\" />", "c"),
            ("x5t = abc", "abc"),
        ] {
            assert_eq!(names(line).first().map(|n| n.1.clone()), Some(value.to_owned()), "{line}");
        }
        assert!(find("the tenant is wrong").is_empty());
    }

    #[test]
    fn knows_a_thumbprint_by_its_digits() {
        assert!(is_bare_thumbprint("\u{200e}84 e0 5c 1d 98 bc e3 a5 42 1d 22 5b 14 0b 36 e8 6a 3d 55 34"));
        assert!(!is_bare_thumbprint("84e05c1d"));
    }
}
