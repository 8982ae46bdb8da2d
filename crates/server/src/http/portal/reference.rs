//! The error reference: every AADSTS code and every cause, searchable; and the page behind `error_uri`.
//!
//! Public, since a client's log leads here. The words are the doctor's; of a request only digits, or the key of a page,
//! reach it.

use askama::Template;
use countersign_core::entra::KNOWN;
use countersign_doctor::explain;
use http::StatusCode;

use super::Visit;
use super::form::Pairs;
use super::shell::{self, Shell};
use crate::http::respond::Answer;

#[derive(Template)]
#[template(path = "reference.html")]
struct List {
    shell: Shell,
    q: String,
    rows: Vec<Entry>,
    all: usize,
}

struct Entry {
    key: String,
    title: String,
    codes: Vec<u32>,
    href: String,
}

#[derive(Template)]
#[template(path = "explain.html")]
struct One {
    shell: Shell,
    /// HTML of the doctor's own renderer, which escapes everything.
    html: String,
}

fn shell_of(visit: Option<&Visit<'_>>, title: &str) -> Shell {
    visit.map_or_else(|| Shell::public(title, "reference"), |v| Shell::of(v, title, "reference"))
}

/// `GET /error?code=N`
pub(in crate::http) fn error_page(query: &str) -> Answer {
    let code = query.split('&').find_map(|p| p.strip_prefix("code=")).and_then(|c| c.parse::<u32>().ok());
    match code {
        Some(code) => one(None, &format!("AADSTS{code}")),
        None => match query.strip_prefix("page=") {
            Some(key) => one(None, key),
            None => shell::plain(
                StatusCode::NOT_FOUND,
                "Unknown code",
                "This page explains AADSTS codes: /error?code=700027. All of them: /portal/reference",
            ),
        },
    }
}

/// `GET /portal/reference`
pub(super) fn page(visit: Option<&Visit<'_>>, query: &Pairs) -> Answer {
    if let Some(key) = query.get("page") {
        return one(visit, key);
    }
    let q: String = query.get("q").unwrap_or_default().chars().take(100).collect();
    let words: Vec<String> = q.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let all = entries();
    let rows = all
        .iter()
        .filter(|(entry, text)| {
            words.iter().all(|w| text.contains(w) || entry.codes.iter().any(|c| c.to_string() == *w))
        })
        .map(|(e, _)| Entry {
            key: e.key.clone(),
            title: e.title.clone(),
            codes: e.codes.clone(),
            href: e.href.clone(),
        })
        .collect();
    shell::page(StatusCode::OK, &List { shell: shell_of(visit, "Error reference"), q, rows, all: all.len() })
}

/// Every page and every known code without one, with the text that is searched.
fn entries() -> &'static [(Entry, String)] {
    static ENTRIES: std::sync::OnceLock<Vec<(Entry, String)>> = std::sync::OnceLock::new();
    ENTRIES.get_or_init(|| {
        let href = |key: &str| format!("{}reference?page={key}", super::ROOT);
        let mut out: Vec<(Entry, String)> = explain::all()
            .iter()
            .map(|p| {
                let entry = Entry {
                    key: p.key.to_owned(),
                    title: p.title.to_owned(),
                    codes: if p.key.starts_with("AADSTS") { Vec::new() } else { p.aadsts.clone() },
                    href: href(p.key),
                };
                (entry, format!("{} {} {}", p.key, p.title, p.markdown).to_lowercase())
            })
            .collect();
        for known in KNOWN {
            let key = format!("AADSTS{}", known.code);
            if explain::page(&key).is_none() {
                let text = format!("{key} {}", known.meaning).to_lowercase();
                let entry = Entry { href: href(&key), key, title: known.meaning.to_owned(), codes: Vec::new() };
                out.push((entry, text));
            }
        }
        out
    })
}

fn one(visit: Option<&Visit<'_>>, key: &str) -> Answer {
    if let Some(page) = explain::page(key) {
        let html = page.render_html();
        return shell::page(StatusCode::OK, &One { shell: shell_of(visit, page.key), html });
    }
    let code = key.strip_prefix("AADSTS").unwrap_or(key).parse::<u32>().ok();
    match code.and_then(|c| KNOWN.iter().find(|k| k.code == c)) {
        Some(known) => {
            let title = format!("AADSTS{}", known.code);
            let meaning = countersign_doctor::render::html::escape(known.meaning);
            let html = format!("<h1>{title}</h1>\n<p>{meaning}</p>");
            shell::page(StatusCode::OK, &One { shell: shell_of(visit, &title), html })
        }
        None => shell::plain(
            StatusCode::NOT_FOUND,
            "Unknown code",
            "There is no page of that name. All codes and causes: /portal/reference",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_code_has_a_page() {
        for known in KNOWN {
            assert_eq!(error_page(&format!("code={}", known.code)).status(), StatusCode::OK, "{}", known.code);
        }
    }

    #[test]
    fn only_digits_and_keys_reach_the_page() {
        for odd in ["", "code=", "code=<script>", "code=-1", "code=99999999999999", "code=%00", "x=700027", "page=<b>"]
        {
            assert_eq!(error_page(odd).status(), StatusCode::NOT_FOUND, "{odd}");
        }
        assert_eq!(error_page("page=cert-expired").status(), StatusCode::OK);
    }
}
