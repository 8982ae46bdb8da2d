//! Which client made a request is told from the recorded requests of real ones, and its own fix is given.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test reads recorded requests where they stand beside the checkout")]

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding;
use countersign_doctor::clients::CLIENTS;
use countersign_doctor::{Input, Options, Report, examine, render};
use serde_json::Value;

const APP: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
const AUD: &str = "https://login.microsoftonline.com/5f2c1a7e-0000-4000-8000-0000000000a1/oauth2/v2.0/token";

fn report(text: &str) -> Report {
    examine(&[Input { name: "a1", bytes: text.as_bytes() }], &Options::new(UnixTime::EPOCH), &AwsLc)
}

fn name(text: &str) -> Option<String> {
    report(text).client.map(|c| c.name)
}

/// An assertion of these two JSON texts; `%a` and `%u` stand for client and audience.
fn assertion(header: &str, claims: &str) -> String {
    let part = |t: &str| encoding::encode_base64url(t.replace("%a", APP).replace("%u", AUD).as_bytes());
    format!("{}.{}.{}", part(header), part(claims), encoding::encode_base64url(&[7; 256]))
}

/// Header and claims of each client, as recorded or as its source writes them.
fn shapes() -> Vec<(&'static str, String)> {
    let x5t = "bfYyhfMbxxftfP5Z8MHEXfKbB4A";
    let s256 = "RitIsD7jovsPD7JDObr0DjkiW0EZT2GbdZaK5TkhKvg";
    let make = |h: &str, c: &str| assertion(&h.replace("%x", x5t).replace("%s", s256), c);
    vec![
        (
            "MSAL Python",
            make(
                r#"{"alg":"PS256","typ":"JWT","x5t#S256":"%s="}"#,
                r#"{"aud":"%u","iss":"%a","sub":"%a","exp":1772446200.92,"iat":1772445600.92,"jti":"j"}"#,
            ),
        ),
        (
            "azure-identity for Python (async)",
            make(
                r#"{"typ": "JWT", "alg": "PS256", "x5t#S256": "%s="}"#,
                r#"{"jti": "j", "aud": "%u", "iss": "%a", "sub": "%a", "nbf": 1772445600, "exp": 1772447400}"#,
            ),
        ),
        (
            "MSAL Node",
            make(
                r#"{"alg":"PS256","typ":"JWT","x5t#S256":"%s"}"#,
                r#"{"aud":"%u","exp":1772446200,"iss":"%a","sub":"%a","nbf":1772445600,"jti":"j","iat":1772445599}"#,
            ),
        ),
        (
            "MSAL .NET",
            make(
                r#"{"alg":"PS256","typ":"JWT","x5t#S256":"%s"}"#,
                r#"{"aud":"%u","iss":"%a","sub":"%a","jti":"j","exp":"1772446200","nbf":"1772445600"}"#,
            ),
        ),
        (
            "MSAL Java",
            make(
                r#"{"x5t#S256":"%s=","alg":"RS256"}"#,
                r#"{"sub":"%a","aud":"%u","nbf":1772445600,"iss":"%a","exp":1772446200,"jti":"j"}"#,
            ),
        ),
        (
            "MSAL Go",
            make(
                r#"{"alg":"PS256","typ":"JWT","x5t#S256":"%s="}"#,
                r#"{"aud":"%u","exp":1772446200,"iss":"%a","jti":"j","nbf":1772445600,"sub":"%a"}"#,
            ),
        ),
        (
            "azure_identity for Rust",
            make(
                r#"{"alg":"RS256","typ":"JWT","x5t":"%x="}"#,
                r#"{"aud":"%u","exp":1772445900,"iss":"%a","jti":"j","nbf":1772445600,"sub":"%a"}"#,
            ),
        ),
        (
            "Terraform",
            make(
                r#"{"alg":"RS256","typ":"JWT","kid":"%x="}"#,
                r#"{"aud":"%u","exp":1772449200,"iss":"%a","jti":"j","nbf":1772445600,"sub":"%a"}"#,
            ),
        ),
        (
            "openid-client",
            make(
                r#"{"alg":"RS256","typ":"JWT","x5t":"%x"}"#,
                r#"{"jti":"j","aud":"%u","exp":1772445660,"iat":1772445600,"nbf":1772445600,"iss":"%a","sub":"%a"}"#,
            ),
        ),
        (
            "openid-client 5",
            make(
                r#"{"alg":"RS256","kid":"%x"}"#,
                r#"{"iat":1772445600,"exp":1772445660,"jti":"j","iss":"%a","sub":"%a","aud":"%u"}"#,
            ),
        ),
        (
            "Authlib",
            make(
                r#"{"typ":"JWT","x5t":"%x","alg":"RS256"}"#,
                r#"{"iss":"%a","aud":"%u","sub":"%a","iat":1772445600,"exp":1772449200,"jti":"j"}"#,
            ),
        ),
        (
            "Python",
            make(
                r#"{"alg": "RS256", "typ": "JWT", "x5t": "%x"}"#,
                r#"{"iss": "%a", "sub": "%a", "aud": "%u", "jti": "j", "nbf": 1772445600, "exp": 1772446200}"#,
            ),
        ),
        (
            "PowerShell",
            make(
                "{\r\n    \"alg\":  \"RS256\",\r\n    \"x5t\":  \"%x\"\r\n}",
                "{\r\n    \"iss\":  \"%a\",\r\n    \"sub\":  \"%a\",\r\n    \"aud\":  \"%u\",\r\n    \"exp\":  1772446200\r\n}",
            ),
        ),
    ]
}

#[test]
fn a_client_is_told_from_the_shape_of_its_assertion() {
    for (client, assertion) in shapes() {
        assert_eq!(name(&assertion).as_deref(), Some(client));
    }
    for shaped in CLIENTS.iter().filter(|c| c.shape.is_some()) {
        assert!(shapes().iter().any(|(name, _)| *name == shaped.name), "{} has no sample", shaped.name);
    }
}

#[test]
fn an_assertion_of_no_particular_shape_is_nobodys() {
    let plain = assertion(
        r#"{"alg":"RS256","typ":"JWT","x5t":"bfYyhfMbxxftfP5Z8MHEXfKbB4A"}"#,
        r#"{"iss":"%a","sub":"%a","aud":"%u","jti":"j","iat":1772445600,"exp":1772446200}"#,
    );
    assert_eq!(name(&plain), None);
    // MSAL Node's claims with another lifetime are somebody else's.
    let other = assertion(
        r#"{"alg":"PS256","typ":"JWT","x5t#S256":"RitIsD7jovsPD7JDObr0DjkiW0EZT2GbdZaK5TkhKvg"}"#,
        r#"{"aud":"%u","exp":1772449200,"iss":"%a","sub":"%a","nbf":1772445600,"jti":"j","iat":1772445599}"#,
    );
    assert_eq!(name(&other), None);
}

#[test]
fn what_a_client_calls_itself_comes_first() {
    let body = "grant_type=client_credentials&client_id=8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef&scope=x%2F.default";
    let http = |headers: &str, more: &str| {
        format!(
            "POST /t/oauth2/v2.0/token HTTP/1.1\r\nHost: login.microsoftonline.com\r\nContent-Type: application/x-www-form-urlencoded\r\n{headers}\r\n\r\n{body}{more}"
        )
    };
    let told = |headers: &str, more: &str| name(&http(headers, more)).unwrap();
    assert_eq!(told("x-client-sku: MSAL.Python\r\nUser-Agent: python-requests/2.34.2", ""), "MSAL Python");
    assert_eq!(
        told("User-Agent: azsdk-python-identity/1.27.0 Python/3.11.7\r\nx-client-sku: MSAL.Python", ""),
        "azure-identity for Python"
    );
    assert_eq!(told("Accept: */*", "&x-client-SKU=msal.js.node&x-client-VER=7.2.3"), "MSAL Node");
    assert_eq!(told("x-client-SKU: MSAL.NetCore", ""), "MSAL .NET");
    assert_eq!(told("User-Agent: Go-http-client/1.1", ""), "Go");
    assert_eq!(told("User-Agent: curl/8.5.0", ""), "curl");
    // MSAL Python hands over what somebody signed with json.dumps.
    let (_, by_hand) = shapes().into_iter().find(|(name, _)| *name == "Python").unwrap();
    let sent = format!(
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={by_hand}"
    );
    assert_eq!(told("x-client-sku: MSAL.Python", &sent), "MSAL Python, with an assertion made by hand");
}

#[test]
fn a_stack_trace_tells_the_client_as_well() {
    let code = "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '6DF63285F31BC717ED7CFE59F0C1C45DF29B0780']";
    for (text, client) in [
        (
            format!(
                "MSAL.NetCore.4.66.0.0.MsalServiceException: ErrorCode: invalid_client\nMicrosoft.Identity.Client.MsalServiceException: A configuration issue is preventing authentication\n{code}"
            ),
            "MSAL .NET",
        ),
        (format!("com.microsoft.aad.msal4j.MsalServiceException: {code}"), "MSAL Java"),
        (
            format!(
                "building account: could not acquire access token to parse claims: clientCredentialsToken: received HTTP status 401 with response: {{\"error\":\"invalid_client\",\"error_description\":\"{code}\"}}"
            ),
            "Terraform",
        ),
    ] {
        assert_eq!(name(&text).as_deref(), Some(client), "{text}");
    }
}

#[test]
fn the_fix_is_the_clients_own_in_every_format() {
    // SHA-256 under `x5t` is what MSAL Python sends when it is given the wrong thumbprint.
    let wrong = assertion(
        r#"{"alg":"RS256","typ":"JWT","x5t":"RitIsD7jovsPD7JDObr0DjkiW0EZT2GbdZaK5TkhKvg="}"#,
        r#"{"aud":"%u","iss":"%a","sub":"%a","exp":1772446200.92,"iat":1772445600.92,"jti":"j"}"#,
    );
    let report = report(&wrong);
    let finding = report.findings.iter().find(|f| f.code == "thumbprint-sha256-in-x5t").unwrap();
    assert_eq!(finding.fixes.len(), 1);
    assert_eq!(finding.fixes[0].client, "MSAL Python");
    let text = render::text::render(&report, 80, false);
    assert!(text.contains("made by MSAL Python") && text.contains("= for MSAL Python:"), "{text}");
    assert!(text.contains("msal.ConfidentialClientApplication"), "{text}");
    assert!(render::html::render(&report).contains("<summary>For MSAL Python</summary>"));
    let json: Value = serde_json::from_str(&render::json::pretty(&report)).unwrap();
    assert_eq!(json["client"]["name"], "MSAL Python");
    let finding =
        json["findings"].as_array().unwrap().iter().find(|f| f["code"] == "thumbprint-sha256-in-x5t").unwrap();
    assert!(finding["fix"].is_string());
    assert_eq!(finding["fixes"][0]["for"], "MSAL Python");
}

#[test]
fn recorded_requests_of_real_clients_are_told() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/captured-requests");
    // Away from the recordings the samples above stand for them.
    let Ok(files) = std::fs::read_dir(&folder) else { return };
    let mut seen = 0;
    for file in files.map(|f| f.unwrap().path()) {
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        let client = match stem.rsplit_once('-').map(|(name, _)| name) {
            Some("python-msal") => "MSAL Python",
            Some("python-azure-identity") => "azure-identity for Python",
            Some("python-azure-identity-aio") => "azure-identity for Python",
            Some("node-azure-msal-node") => "MSAL Node",
            Some("node-azure-identity") => "@azure/identity",
            Some("node-openid-client") => "openid-client",
            Some("rust-azure_identity") => "azure_identity for Rust",
            _ => continue,
        };
        let recorded: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let mut requests = Vec::new();
        collect(&recorded, &mut requests);
        for request in requests {
            let text = http(request);
            let told = report(&text).client.map(|c| c.name).unwrap_or_default();
            assert!(told.starts_with(client), "{stem}: {told}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen}");
}

/// Token requests anywhere in a recording.
fn collect<'a>(value: &'a Value, out: &mut Vec<&'a Value>) {
    match value {
        Value::Object(o) if o.contains_key("headers") && o.contains_key("form") => out.push(value),
        Value::Object(o) => o.values().for_each(|v| collect(v, out)),
        Value::Array(a) => a.iter().for_each(|v| collect(v, out)),
        _ => {}
    }
}

/// A recorded request as raw HTTP again.
fn http(request: &Value) -> String {
    let pairs = |v: &Value| -> Vec<(String, String)> {
        match v {
            Value::Object(o) => o.iter().map(|(n, v)| (n.clone(), v.as_str().unwrap_or_default().to_owned())).collect(),
            Value::Array(a) => a
                .iter()
                .map(|p| (p[0].as_str().unwrap().to_owned(), p[1].as_str().unwrap_or_default().to_owned()))
                .collect(),
            _ => Vec::new(),
        }
    };
    let raw = request["assertion"]["raw"].as_str();
    let mut body: Vec<String> = Vec::new();
    for (name, value) in pairs(&request["form"]) {
        let value = raw.filter(|_| name == "client_assertion").unwrap_or(&value).to_owned();
        let escaped: String = value
            .bytes()
            .map(|b| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("%{b:02X}") })
            .collect();
        body.push(format!("{name}={escaped}"));
    }
    let mut head = String::from("POST /5f2c1a7e-0000-4000-8000-0000000000a1/oauth2/v2.0/token HTTP/1.1\r\n");
    for (name, value) in pairs(&request["headers"]) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    format!("{head}\r\n{}", body.join("&"))
}
