//! The fix of a cause in code: the blocks under "Fix" of its explanation page, chosen for the client that made the
//! request.
//!
//! Called by [`crate::diagnose`]. The pages are the only place where these blocks stand; tests run them.

use crate::clients::Told;
use crate::explain;
use crate::report::Fix;

/// Longest block that a report carries; longer ones are programs, for which the page is the place.
const MAX_LINES: usize = 12;

/// Pieces that are of use at Entra ID only.
const ENTRA: [&str; 10] =
    ["microsoft", "az ad ", "msal", "Confidential", "AZURE_", "Credential", ".With", "azuread", "azurerm", "-Mg"];

/// One block of a page.
struct Block {
    language: &'static str,
    tags: Vec<&'static str>,
    code: &'static str,
}

/// The blocks for the client that was told; else one for each language of the page. `elsewhere` leaves out what only
/// helps at Entra ID.
pub(crate) fn of(key: &str, told: Option<&Told>, elsewhere: bool) -> Vec<Fix> {
    let Some(section) = explain::fix(key) else { return Vec::new() };
    let blocks: Vec<Block> =
        blocks(section).into_iter().filter(|b| !(elsewhere && ENTRA.iter().any(|e| b.code.contains(e)))).collect();
    let Some(told) = told else { return blocks.iter().map(fix).collect() };
    let best = blocks.iter().filter_map(|b| Some((rank(b, told)?, b))).min_by_key(|(rank, _)| *rank);
    best.into_iter().map(|(_, b)| fix(b)).collect()
}

/// The blocks for a client of which nothing is known, by Entra's rules.
pub fn general_fixes(key: &str) -> Vec<Fix> {
    of(key, None, false)
}

/// How well a block suits a client, best first; nothing when it is for another one.
fn rank(block: &Block, told: &Told) -> Option<usize> {
    let (client, own) = (told.client, |tag: &&str| block.tags.contains(tag));
    if block.language == client.language && !client.tags.is_empty() && !told.by_hand {
        return Some(match client.tags.iter().position(own) {
            Some(i) => i,
            None if block.tags.is_empty() => 10,
            None => 20,
        });
    }
    if block.language == client.language {
        // By hand: what is marked for a library is better than another language.
        return Some(if block.tags.is_empty() { 0 } else { 20 });
    }
    // Files, registrations and settings are mended by the same commands whatever the client is.
    (block.language == "sh" && block.tags.is_empty()).then_some(30)
}

fn fix(block: &Block) -> Fix {
    Fix { client: label(block).to_owned(), language: block.language.to_owned(), code: block.code.to_owned() }
}

/// Whom a block is for, in words.
fn label(block: &Block) -> &'static str {
    explain::audience(block.language, &block.tags, block.code)
}

/// The blocks of code in a section.
fn blocks(section: &'static str) -> Vec<Block> {
    let mut out = Vec::new();
    // Odd pieces stand between two fences.
    for piece in section.split("\n```").skip(1).step_by(2) {
        let Some((info, code)) = piece.split_once('\n') else { continue };
        let mut words = info.split_whitespace();
        let Some(language) = words.next().filter(|l| *l != "text") else { continue };
        if code.lines().count() <= MAX_LINES {
            out.push(Block { language, tags: words.collect(), code });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::CLIENTS;

    fn told(name: &str, by_hand: bool) -> Told {
        let client = CLIENTS.iter().find(|c| c.name == name).unwrap();
        Told { client, by_hand, by: String::new() }
    }

    fn code(key: &str, name: &str, by_hand: bool) -> String {
        let fixes = of(key, Some(&told(name, by_hand)), false);
        assert_eq!(fixes.len(), 1, "{key} for {name}");
        fixes[0].code.clone()
    }

    #[test]
    fn each_client_gets_its_own() {
        let key = "thumbprint-sha256-in-x5t";
        assert!(code(key, "MSAL Python", false).contains("msal.Confidential"));
        assert!(code(key, "MSAL Node", false).contains("thumbprintSha256"));
        assert!(code(key, "Python", true).contains("hashlib"));
        assert!(code(key, "MSAL Python", true).contains("hashlib"), "an assertion made by hand");
        // No block in its language: what anyone can run.
        assert!(code("cert-not-registered", "MSAL Go", false).contains("az ad app credential"));
    }

    #[test]
    fn without_a_client_every_language_is_given() {
        let fixes = of("thumbprint-hex-not-decoded", None, false);
        let names: Vec<&str> = fixes.iter().map(|f| f.client.as_str()).collect();
        for name in ["openssl", "Python", ".NET", "Node", "Java", "Go"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(of("cert-not-registered", None, true).is_empty(), "az is of no use elsewhere");
        assert!(of("no-such-cause", None, false).is_empty());
    }

    #[test]
    fn every_cause_with_blocks_has_one_for_every_client() {
        for cause in crate::causes::all() {
            let all = of(cause.key, None, false);
            for client in CLIENTS {
                let told = Told { client, by_hand: client.tags.is_empty(), by: String::new() };
                let own = of(cause.key, Some(&told), false);
                assert!(own.len() <= 1, "{} for {}", cause.key, client.name);
                let has = all.iter().any(|f| f.language == client.language || f.language == "sh");
                assert!(!has || own.len() == 1, "{} for {}", cause.key, client.name);
            }
        }
    }
}
