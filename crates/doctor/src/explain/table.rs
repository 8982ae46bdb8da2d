//! The pages, compiled in: causes by key, then AADSTS codes by number. One line a page; `tests/explain.rs` holds it to the
//! folder.

const FIX: &[u8] = b"\n## Fix\n";
const NEXT: &[u8] = b"\n## ";

/// `PAGES`: key and text of every page. `FIXES`: key and what stands under "Fix", cut out while compiling and with no reference
/// to the pages, so that a program which shows no page (the doctor in the browser) carries only these.
macro_rules! pages {
    ($($key:literal,)*) => {
        pub(super) static PAGES: &[(&str, &str)] =
            &[$(($key, include_str!(concat!("../../explain/", $key, ".md")))),*];
        pub(super) static FIXES: &[(&str, &str)] = &[$(($key, {
            const PAGE: &[u8] = include_bytes!(concat!("../../explain/", $key, ".md"));
            const COPY: [u8; fix(PAGE).len()] = copy(fix(PAGE));
            match str::from_utf8(&COPY) {
                Ok(text) => text,
                Err(_) => panic!("a page that is no UTF-8"),
            }
        })),*];
    };
}

/// What stands under "Fix"; empty where a page has none.
const fn fix(page: &[u8]) -> &[u8] {
    let Some(start) = find(page, FIX) else { return b"" };
    let (_, rest) = page.split_at(start + FIX.len());
    match find(rest, NEXT) {
        Some(end) => rest.split_at(end).0,
        None => rest,
    }
}

const fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at + what.len() <= text.len() {
        let mut same = 0;
        while same < what.len() && text[at + same] == what[same] {
            same += 1;
        }
        if same == what.len() {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// A copy of its own: a slice would keep the whole page.
const fn copy<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    let mut at = 0;
    while at < N {
        out[at] = text[at];
        at += 1;
    }
    out
}

pages! {
    "alg-ec-unsupported",
    "alg-key-type-mismatch",
    "alg-not-supported-by-server",
    "assertion-cached-expired",
    "assertion-is-graph-token",
    "assertion-wrong-jwt-kind",
    "aud-common-endpoint",
    "aud-endpoint-not-issuer",
    "aud-host-alias-mismatch",
    "aud-is-array",
    "aud-issuer-not-token-endpoint",
    "aud-letter-case",
    "aud-missing",
    "aud-wrong-cloud",
    "aud-wrong-endpoint",
    "aud-wrong-environment",
    "aud-wrong-path",
    "aud-wrong-tenant",
    "authority-default-common",
    "authority-malformed",
    "basic-credentials-encoding",
    "body-not-form-encoded",
    "cert-expired",
    "cert-not-registered",
    "cert-not-yet-valid",
    "cert-on-other-app",
    "cert-removed-after-rotation",
    "cert-revoked-after-rotation",
    "cert-without-private-key",
    "cert-wrong-store",
    "client-assertion-type-wrong",
    "client-id-is-credential-id",
    "client-id-placeholder",
    "client-id-quoted",
    "client-is-public",
    "clock-skew",
    "consent-missing",
    "credential-not-sent",
    "exp-digits-mangled",
    "exp-in-milliseconds",
    "exp-timezone-shift",
    "exp-too-far",
    "exp-wrong-time",
    "federated-audience-wrong",
    "federated-issuer-trailing-slash",
    "federated-issuer-wrong",
    "federated-subject-case",
    "federated-subject-entity-type",
    "federated-subject-format",
    "federated-subject-other-workload",
    "federated-token-expired",
    "federated-token-file-stale",
    "header-kid-not-thumbprint",
    "header-no-x5t",
    "header-unsupported-parameter",
    "iat-in-future-clock-skew",
    "iat-missing",
    "iss-key-mismatch",
    "iss-missing",
    "iss-not-client-id",
    "iss-object-id-vs-client-id",
    "iss-sub-mismatch",
    "iss-wrong-format",
    "jti-reuse",
    "jwks-url-unreachable",
    "jwt-base64-padding",
    "key-cert-mismatch",
    "key-cng-provider",
    "key-encrypted-no-passphrase",
    "key-file-is-public-part",
    "key-is-not-a-key",
    "key-legacy-csp-no-sha256",
    "key-not-accessible",
    "key-too-small",
    "kid-missing",
    "kid-reused-after-rotation",
    "kms-sign-needs-digest",
    "kv-content-type-pem",
    "library-enforces-iss-eq-sub",
    "missing-service-principal",
    "params-in-query-string",
    "pem-block-order",
    "pem-escaped-newlines",
    "pem-missing-certificate-or-key",
    "pem-newlines-lost",
    "permission-wrong-resource",
    "pfx-still-base64-text",
    "pkcs12-legacy-encryption",
    "pkcs12-modern-encryption",
    "pkcs12-multiple-aliases",
    "pkcs12-password-dropped-by-key-vault",
    "pkcs12-wrong-password",
    "registration-customkeyidentifier-not-thumbprint",
    "registration-keys-overwritten",
    "registration-not-replicated",
    "scope-not-default",
    "secret-id-instead-of-value",
    "secret-placeholder",
    "secret-where-certificate-required",
    "signature-der-not-raw",
    "signature-double-hashed",
    "signature-ec-padding",
    "signature-library-bug",
    "signed-by-other-clients-key",
    "thumbprint-hex-as-x5t",
    "thumbprint-hex-not-decoded",
    "thumbprint-invisible-char",
    "thumbprint-of-chain-cert",
    "thumbprint-of-pem-text",
    "thumbprint-sha1-in-x5t-s256",
    "thumbprint-sha256-in-x5t",
    "thumbprint-standard-base64",
    "value-not-urlencoded",
    "wrong-cloud",
    "wrong-tenant",
    "x5c-missing-sni",
    "x5c-wrong-order",
    "x5t-is-keyid-guid",
    "AADSTS28002",
    "AADSTS28003",
    "AADSTS50000",
    "AADSTS50001",
    "AADSTS50012",
    "AADSTS50013",
    "AADSTS50027",
    "AADSTS50033",
    "AADSTS50048",
    "AADSTS50049",
    "AADSTS50050",
    "AADSTS50059",
    "AADSTS50107",
    "AADSTS50171",
    "AADSTS50194",
    "AADSTS50196",
    "AADSTS51000",
    "AADSTS53003",
    "AADSTS65001",
    "AADSTS70001",
    "AADSTS70002",
    "AADSTS70003",
    "AADSTS70011",
    "AADSTS70021",
    "AADSTS70025",
    "AADSTS90002",
    "AADSTS90006",
    "AADSTS90009",
    "AADSTS90010",
    "AADSTS90011",
    "AADSTS90012",
    "AADSTS90013",
    "AADSTS90014",
    "AADSTS90015",
    "AADSTS90023",
    "AADSTS90024",
    "AADSTS90033",
    "AADSTS90038",
    "AADSTS90055",
    "AADSTS90061",
    "AADSTS90090",
    "AADSTS100007",
    "AADSTS240002",
    "AADSTS392189",
    "AADSTS392200",
    "AADSTS392204",
    "AADSTS500011",
    "AADSTS500014",
    "AADSTS500021",
    "AADSTS500022",
    "AADSTS500113",
    "AADSTS500131",
    "AADSTS500133",
    "AADSTS500181",
    "AADSTS500207",
    "AADSTS501051",
    "AADSTS501661",
    "AADSTS650052",
    "AADSTS650057",
    "AADSTS700003",
    "AADSTS700011",
    "AADSTS700016",
    "AADSTS700021",
    "AADSTS700022",
    "AADSTS700023",
    "AADSTS700024",
    "AADSTS700025",
    "AADSTS700026",
    "AADSTS700027",
    "AADSTS700030",
    "AADSTS700211",
    "AADSTS700212",
    "AADSTS700213",
    "AADSTS700222",
    "AADSTS700229",
    "AADSTS700236",
    "AADSTS700238",
    "AADSTS900021",
    "AADSTS900023",
    "AADSTS900144",
    "AADSTS900382",
    "AADSTS900384",
    "AADSTS900432",
    "AADSTS900439",
    "AADSTS900561",
    "AADSTS901002",
    "AADSTS1000031",
    "AADSTS1000502",
    "AADSTS1000610",
    "AADSTS1000611",
    "AADSTS1000612",
    "AADSTS1000613",
    "AADSTS1000614",
    "AADSTS1000901",
    "AADSTS1002012",
    "AADSTS5002723",
    "AADSTS5002726",
    "AADSTS5002727",
    "AADSTS5002730",
    "AADSTS5002738",
    "AADSTS5002741",
    "AADSTS7000012",
    "AADSTS7000112",
    "AADSTS7000114",
    "AADSTS7000213",
    "AADSTS7000214",
    "AADSTS7000215",
    "AADSTS7000216",
    "AADSTS7000218",
    "AADSTS7000222",
    "AADSTS7000229",
    "AADSTS7000272",
    "AADSTS7000274",
    "AADSTS7000277",
    "AADSTS7002104",
    "AADSTS7002137",
    "AADSTS7002138",
    "AADSTS9001023",
    "AADSTS9002313",
    "AADSTS9002332",
    "AADSTS9002346",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_out_is_the_section_of_the_page() {
        assert_eq!(FIXES.len(), PAGES.len());
        for ((key, page), (same, fix)) in PAGES.iter().zip(FIXES) {
            assert_eq!(key, same);
            let section = page.split("\n## Fix\n").nth(1).map(|rest| rest.split("\n## ").next().unwrap());
            assert_eq!(*fix, section.unwrap_or_default(), "{key}");
        }
        assert!(FIXES.iter().filter(|(_, fix)| fix.contains("```")).count() > 50);
    }
}
