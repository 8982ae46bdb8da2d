//! No secret gets out: every case through the real program, in every format, open and redacted, with the most verbose logging.
//!
//! What is searched for is made from the inputs themselves: private keys in every encoding they could be printed in, passwords,
//! client secrets, and the signatures without which no assertion can be used.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed, and says where")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use countersign_core::encoding::{decode_base64, encode_base64, encode_hex_lower};
use countersign_core::keyfile::{self, ItemKind};
use serde_json::Value;

/// How a report is asked for.
const ASKED: [&[&str]; 7] = [
    &[],
    &["--format", "json"],
    &["--format", "sarif"],
    &["--format", "junit"],
    &["--format", "html"],
    &["--redact"],
    &["--redact", "--format", "html"],
];
/// Other commands that take any file, and refuse most with a message.
const OTHERS: [&[&str]; 4] = [
    &["cert", "show"],
    &["assertion", "inspect"],
    &[
        "assertion",
        "make",
        "--client-id",
        "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef",
        "--tenant",
        "contoso.example",
        "--cert",
    ],
    &["config", "show", "--config"],
];

struct Case {
    folder: PathBuf,
    files: Vec<String>,
    args: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../doctor/tests/cases")];
    let mut out = Vec::new();
    while let Some(folder) = open.pop() {
        if let Ok(about) = std::fs::read(folder.join("case.json")) {
            let about: Value = serde_json::from_slice(&about).unwrap();
            let texts = |name: &str| about[name].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned());
            out.push(Case { files: texts("files").collect(), args: texts("args").collect(), folder });
            continue;
        }
        open.extend(std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()));
    }
    assert!(out.len() > 200, "the cases are there");
    out
}

/// A secret and what it is.
struct Secret {
    what: &'static str,
    text: String,
}

/// Bytes in hex, and in base64 at each of its three alignments, without the characters that neighbours decide.
fn encodings(what: &'static str, bytes: &[u8], out: &mut Vec<Secret>) {
    out.push(Secret { what, text: encode_hex_lower(bytes) });
    for skip in 0..3 {
        let aligned = &bytes[skip..skip + (bytes.len() - skip) / 3 * 3];
        let text = encode_base64(aligned);
        out.push(Secret { what, text: text.replace('+', "-").replace('/', "_") });
        out.push(Secret { what, text });
    }
}

fn secrets_of_key_files(bytes: &[u8], password: Option<&str>, out: &mut Vec<Secret>) {
    for item in &keyfile::read(bytes, password).items {
        let ItemKind::PrivateKey(key) = &item.kind else { continue };
        let der = key.pkcs8_der();
        // From half of it on there are private numbers only; each piece is long enough to be no accident.
        for piece in der[der.len() / 2..].chunks(18).take(8).filter(|piece| piece.len() == 18) {
            encodings("private key", piece, out);
        }
    }
}

fn secrets(case: &Case) -> Vec<Secret> {
    let mut out = Vec::new();
    let passwords: Vec<&str> =
        case.args.windows(2).filter(|pair| pair[0] == "--password").map(|pair| pair[1].as_str()).collect();
    for password in &passwords {
        let bare = password.trim_matches(|c: char| c.is_whitespace() || c == '"');
        if bare.len() >= 6 {
            out.push(Secret { what: "password", text: bare.to_owned() });
        }
    }
    for file in &case.files {
        let bytes = std::fs::read(case.folder.join(file)).unwrap();
        for password in passwords.iter().map(|p| Some(*p)).chain([None]) {
            secrets_of_key_files(&bytes, password, &mut out);
        }
        let text = String::from_utf8_lossy(&bytes);
        // Key files inside other text: the reader of key files by itself takes whole files only.
        for block in text.replace("\\n", "\n").split("-----BEGIN").skip(1) {
            let block = block.split_inclusive("-----").take(3).collect::<String>();
            secrets_of_key_files(format!("-----BEGIN{block}").as_bytes(), None, &mut out);
        }
        let of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        for token in text.split(|c| !of_token(c)).filter(|word| word.starts_with("eyJ")) {
            let Some(signature) = token.split('.').nth(2).filter(|s| s.len() > 60) else { continue };
            out.push(Secret { what: "signature", text: signature[10..50].to_owned() });
            if let Ok(decoded) = decode_base64(signature) {
                out.push(Secret { what: "signature", text: encode_hex_lower(&decoded.bytes[8..32]) });
            }
        }
        for named in ["client_secret=", "\"client_secret\":\"", "\"client_secret\": \"", "AZURE_CLIENT_SECRET="] {
            for rest in text.split(named).skip(1) {
                let value = rest.split(['&', '\n', '\r', '"', '\'', ' ']).find(|s| !s.is_empty()).unwrap_or_default();
                // Short ones are placeholders, GUIDs are ids of secrets and not secrets.
                if value.len() > 20 && !countersign_core::authority::is_guid(value) && !value.contains("secret") {
                    out.push(Secret { what: "client secret", text: value.to_owned() });
                }
            }
        }
    }
    out
}

/// The text as it is, and what is left when line breaks, colours, tags and separators are taken out.
fn shapes(output: &[u8]) -> [String; 3] {
    let text = String::from_utf8_lossy(output).into_owned();
    let dense: String =
        text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_')).collect();
    let hex = text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    [text, dense, hex]
}

fn found<'a>(secrets: &'a [Secret], output: &[u8]) -> Option<&'a str> {
    let shapes = shapes(output);
    secrets.iter().find(|secret| shapes.iter().any(|shape| shape.contains(&secret.text))).map(|secret| secret.what)
}

/// Everything that the program writes for these arguments.
fn run(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars_os() {
        if ["AZURE_", "COUNTERSIGN_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).args(args).env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
    command.envs(environment.iter().copied());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_ne!(output.status.code(), Some(101), "{args:?} panicked: {}", String::from_utf8_lossy(&output.stderr));
    [output.stdout, output.stderr].concat()
}

#[test]
fn what_is_searched_for_would_be_found() {
    let (mut keys, mut signatures, mut passwords, mut client_secrets) = (0, 0, 0, 0);
    for case in cases() {
        for secret in secrets(&case) {
            match secret.what {
                "private key" => keys += 1,
                "signature" => signatures += 1,
                "password" => passwords += 1,
                _ => client_secrets += 1,
            }
        }
    }
    assert!(
        keys > 500 && signatures > 100 && passwords >= 4 && client_secrets > 0,
        "{keys} {signatures} {passwords} {client_secrets}"
    );
    // A key printed in another shape than it came in.
    let pem =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/keyfile/key.pem")).unwrap();
    let mut secrets = Vec::new();
    secrets_of_key_files(&pem, None, &mut secrets);
    assert_eq!(found(&secrets, &pem), Some("private key"));
    let der = keyfile::read(&pem, None).private_key().unwrap().pkcs8_der().to_vec();
    let spaced: Vec<String> = der.iter().map(|b| format!("{b:02X}")).collect();
    assert_eq!(found(&secrets, spaced.join(":").as_bytes()), Some("private key"));
    assert_eq!(found(&secrets, format!("x{}", encode_base64(&der)).as_bytes()), Some("private key"));
    assert_eq!(found(&secrets, b"nothing of the kind"), None);
}

#[test]
fn no_output_of_any_case_holds_a_secret() {
    let cases = cases();
    let queue = Mutex::new(cases.iter());
    let leaks = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(case) = queue.lock().unwrap().next() else { break };
                    check(case, &leaks);
                }
            });
        }
    });
    let leaks = leaks.into_inner().unwrap();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

fn check(case: &Case, leaks: &Mutex<Vec<String>>) {
    let secrets = secrets(case);
    let report = |what: &str, args: &[&str]| {
        leaks.lock().unwrap().push(format!("{}: {what} in the output of {args:?}", case.folder.display()));
    };
    let files = case.files.iter().map(String::as_str);
    let of_case = case.args.iter().map(String::as_str);
    for asked in ASKED {
        let args: Vec<&str> =
            ["doctor"].into_iter().chain(files.clone()).chain(of_case.clone()).chain(asked.iter().copied()).collect();
        let output = run(&case.folder, &args, &[]);
        assert!(output.len() > 40, "{args:?} printed nothing");
        if let Some(what) = found(&secrets, &output) {
            report(what, &args);
        }
    }
    // One file is enough for the commands whose messages are about the file as such.
    if let Some(file) = files.clone().next_back() {
        for other in OTHERS {
            let args: Vec<&str> = other.iter().copied().chain([file]).collect();
            let output = run(&case.folder, &args, &[("AZURE_CLIENT_CERTIFICATE_PASSWORD", "of-the-environment")]);
            // `assertion make` prints an assertion of its own making; what it must not print is the file's key.
            let wrong = found(&secrets, &output).map(str::to_owned);
            let environment =
                String::from_utf8_lossy(&output).contains("of-the-environment").then(|| "password".to_owned());
            if let Some(what) = wrong.or(environment) {
                report(&what, &args);
            }
        }
    }
}

#[test]
fn the_surroundings_are_examined_without_their_secrets() {
    let key = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/keyfile/keysig.pfx");
    for format in ["human", "json"] {
        let output = run(
            Path::new(env!("CARGO_MANIFEST_DIR")),
            &["doctor", "env", "--offline", "--format", format],
            &[
                ("AZURE_CLIENT_SECRET", "\"Quoted~Secret~Of~The~Environment\""),
                ("ARM_CLIENT_SECRET", "Terraform~Secret~Of~The~Environment"),
                ("AZURE_CLIENT_CERTIFICATE_PATH", key.to_str().unwrap()),
                ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "wrong-horse"),
                ("HTTPS_PROXY", "http://somebody:proxy-password@proxy.example:3128"),
                ("AZURE_AUTHORITY_HOST", "https://localhost:8443"),
            ],
        );
        let text = String::from_utf8_lossy(&output);
        assert!(text.contains("AZURE_CLIENT_SECRET"), "{text}");
        for secret in ["Secret~Of", "wrong-horse", "proxy-password"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
