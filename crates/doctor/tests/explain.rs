//! The explanation pages are whole: headings in order, keys unique, links that lead somewhere, nothing wider than asked.
#![expect(clippy::disallowed_methods, reason = "a test reads the folder of pages")]

use std::collections::BTreeSet;

use countersign_doctor::explain::{Kind, all, page, suggest};

const HEADINGS: [&str; 7] =
    ["What it means", "How it looks", "Why it happens", "Check it yourself", "Fix", "Exceptions", "References"];

#[test]
fn every_page_of_the_folder_is_compiled_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/explain");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().file_name().to_string_lossy().trim_end_matches(".md").to_owned())
        .collect();
    let pages: BTreeSet<String> = all().iter().map(|p| p.key.to_owned()).collect();
    assert_eq!(files, pages);
    assert_eq!(pages.len(), all().len());
}

#[test]
fn every_page_has_the_headings_in_order() {
    for page in all() {
        let headings: Vec<_> = page.sections().iter().map(|(h, _)| *h).collect();
        assert_eq!(headings, HEADINGS, "{}", page.key);
        assert!(page.markdown.starts_with(&format!("# {}: ", page.key)), "{}", page.key);
    }
}

#[test]
fn every_known_code_has_a_page_and_every_cause_names_its_layer() {
    for known in countersign_core::entra::KNOWN {
        assert!(page(&known.code.to_string()).is_some(), "{}", known.code);
    }
    for cause in all().iter().filter(|p| p.kind == Kind::Cause) {
        assert!(cause.fact("layer").is_some() && cause.fact("aadsts").is_some(), "{}", cause.key);
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for page in all() {
        for piece in page.markdown.split("](").skip(1) {
            let target = piece.split(')').next().unwrap();
            if let Some(key) = target.strip_suffix(".md") {
                assert!(super_page(key), "{} links to {target}", page.key);
            }
        }
    }
}

fn super_page(key: &str) -> bool {
    page(key).is_some()
}

#[test]
fn keys_are_found_as_people_write_them() {
    for key in ["700027", "AADSTS700027", "aadsts700027", " 700027 "] {
        assert_eq!(page(key).unwrap().key, "AADSTS700027");
    }
    assert_eq!(page("Thumbprint-Hex-Not-Decoded").unwrap().key, "thumbprint-hex-not-decoded");
    assert!(page("1").is_none() && page("").is_none());
    assert!(suggest("thumbprint-hex-not-decode").contains(&"thumbprint-hex-not-decoded"));
    assert!(suggest("AADSTS70027").contains(&"AADSTS700027"));
}

#[test]
fn text_keeps_to_the_width() {
    for page in all() {
        for line in page.render_text(80, false).lines() {
            let unbreakable = line.split_whitespace().any(|w| w.chars().count() > 60);
            assert!(line.chars().count() <= 80 || unbreakable, "{}: {line}", page.key);
        }
        assert!(!page.render_text(80, false).contains('\x1b'));
    }
}

#[test]
fn html_is_escaped_and_balanced() {
    for page in all() {
        let html = page.render_html();
        assert!(!html.contains("<script"), "{}", page.key);
        for tag in ["p", "ul", "li", "pre", "code", "h2", "a"] {
            let open = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(open, html.matches(&format!("</{tag}>")).count(), "{} {tag}", page.key);
        }
    }
}

#[test]
fn samples_are_marked_right_or_wrong() {
    let samples: usize = all().iter().map(|p| p.samples().len()).sum();
    assert!(samples >= 40, "{samples}");
    let page = page("thumbprint-hex-not-decoded").unwrap();
    assert!(page.samples().iter().any(|s| s.wrong) && page.samples().iter().any(|s| !s.wrong));
}
