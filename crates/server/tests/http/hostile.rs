//! Hundreds of requests that no client should send, put together from parts by a fixed sequence of numbers: each gets one
//! well-formed answer at once, never a 5xx, and the service goes on. A failure prints the request that caused it.

use std::time::{Duration, Instant};

use countersign_core::encoding::encode_base64url;
use countersign_core::profile::ENTRA;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::*;

/// A sequence of numbers that is the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

/// Pieces that break readers, as they stand in a body.
fn pieces() -> Vec<Vec<u8>> {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let mut pieces: Vec<Vec<u8>> = [
        "\0",
        "%00",
        "\r\n\r\n",
        "%0d%0aSet-Cookie:%20a=b",
        "%",
        "%zz",
        "%u0041",
        "&&&&",
        "=",
        "&=&",
        "+",
        ";",
        "<script>alert(1)</script>",
        "%3Cscript%3E",
        "' OR '1'='1",
        "\u{202e}\u{feff}",
        "${jndi:ldap://x.example/a}",
        "{{7*7}}",
        "../../../../etc/passwd",
        "\"\\",
        "eyJhbGciOiJub25lIn0.e30.",
        "client_id=",
        "&client_id=x&client_id=y",
        "&scope=.default",
        "&resource=https%3A%2F%2Fgraph.microsoft.com",
        "&grant_type=password",
        "&client_secret=x",
        "&client_assertion_type=x",
        "-1",
        "1e999",
        "NaN",
        "null",
        "true",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    pieces.extend([vec![0xFF, 0xFE], vec![0xC0, 0x80], vec![0xED, 0xA0, 0x80], vec![0x80; 64], vec![0; 4_096]]);
    pieces.push(deep.into_bytes());
    pieces.push(vec![b'x'; 100_000]);
    pieces
}

/// A right body with one to three faults in it, anywhere.
fn spoiled(dice: &mut Dice, right: &[u8], pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut body = right.to_vec();
    for _ in 0..=dice.roll(3) {
        let at = dice.roll(body.len() + 1);
        match dice.roll(8) {
            0 => body.truncate(at),
            1 => body.reverse(),
            2 if at < body.len() => body[at] = dice.roll(256) as u8,
            3 => drop(body.drain(..at)),
            4 => {
                let from = dice.roll(at + 1);
                let again = body[from..at].to_vec();
                body.extend_from_slice(&again);
            }
            5 => {
                // A value at a boundary of two parameters is replaced, so that the rest stays readable.
                let piece = pieces[dice.roll(pieces.len())].clone();
                let start = body.iter().skip(at).position(|b| *b == b'=').map_or(body.len(), |i| at + i + 1);
                let end = body.iter().skip(start).position(|b| *b == b'&').map_or(body.len(), |i| start + i);
                body.splice(start..end, piece);
            }
            _ => {
                let piece = pieces[dice.roll(pieces.len())].clone();
                body.splice(at..at, piece);
            }
        }
    }
    body.truncate(250_000);
    body
}

const HEADERS: [&str; 16] = [
    "",
    "Content-Type: application/x-www-form-urlencoded\r\n",
    "Content-Type: application/json\r\n",
    "Content-Type: multipart/form-data; boundary=x\r\n",
    "Content-Type: text/xml; charset=utf-7\r\n",
    "Content-Type: ;;;===\r\n",
    "Content-Type: application/x-www-form-urlencoded\r\nContent-Type: application/json\r\n",
    "Content-Encoding: gzip\r\n",
    "Authorization: Basic !!!\r\n",
    "Authorization: Basic Og==\r\n",
    "Authorization: Bearer x\r\nAuthorization: Basic eDp5\r\n",
    "client-request-id: <script>\r\nreturn-client-request-id: maybe\r\n",
    "X-Forwarded-Host: evil.example\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: host=evil.example\r\n",
    "Restrict-Access-To-Tenants: ,,,;;;\r\n",
    "Cookie: a=b; a=c\r\nRange: bytes=0-1\r\nIf-Match: *\r\nUpgrade: h2c\r\n",
    "X-Latin: \u{e9}\u{fc}\r\nAccept-Language: ${jndi:ldap://x}\r\n",
];

/// Sends a request; what comes back is one answer, soon, and none of the inside shows in it.
async fn answered(service: &Service, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
    let began = Instant::now();
    let answer = service.send(method, path, headers, body).await;
    let sent = format!("{method} {path:.200}\n{headers:.400}\n{:.600}", String::from_utf8_lossy(body));
    assert!(began.elapsed() < Duration::from_secs(5), "too slow:\n{sent}");
    assert!(answer.status < 500, "{answer:?} to\n{sent}");
    for inside in ["panicked", ".rs:", "sqlx", "SELECT ", "serde", "line 1 column", "/data/"] {
        assert!(!answer.body.contains(inside), "`{inside}` in {answer:?} to\n{sent}");
    }
    if method != "HEAD" && answer.status >= 400 && path.starts_with('/') && !path.starts_with("/v1.0") {
        // Prints the request with a refusal whose form is wrong.
        let form = std::panic::catch_unwind(|| answer.refusal());
        assert!(form.is_ok(), "{answer:?} to\n{sent}");
    }
    answer
}

#[tokio::test]
async fn generated_requests_to_the_token_endpoints_are_refused_in_form() {
    let service = Service::with_client(&ENTRA).await;
    let right = service.right().body().into_bytes();
    let pieces = pieces();
    let v2 = service.token_path();
    let long = format!("/{}/oauth2/v2.0/token", "a".repeat(5_000));
    let paths = [
        v2.as_str(),
        &v2,
        &v2,
        &format!("/{TENANT_ID}/oauth2/token"),
        &format!("{v2}?client_id=x&client_id=y&%00=%ff"),
        &format!("{v2}?{}", "a&".repeat(3_000)),
        &format!("{v2}/"),
        &format!("/{v2}"),
        "/%00/oauth2/v2.0/token",
        "/%ff%fe/oauth2/token",
        "/..%2f..%2fetc/oauth2/v2.0/token",
        "/%3Cscript%3E/oauth2/v2.0/token",
        "/contoso.example%0d%0aX:%20y/oauth2/v2.0/token",
        "/common/oauth2/v2.0/token",
        "/'--/oauth2/token",
        &long,
    ];
    let methods =
        ["POST", "POST", "POST", "POST", "POST", "POST", "GET", "HEAD", "PUT", "PATCH", "OPTIONS", "BREW", "post"];
    let mut dice = Dice(3);
    let (mut refused, mut granted) = (0, 0);
    for _ in 0..600 {
        let body = spoiled(&mut dice, &right, &pieces);
        let (method, path) = (dice.pick(&methods), dice.pick(&paths));
        let answer = answered(&service, method, path, dice.pick(&HEADERS), &body).await;
        match answer.status {
            // A fault can leave the request right: what is unknown is ignored.
            200 if method == "POST" => {
                assert!(answer.json()["access_token"].is_string(), "{answer:?}");
                granted += 1;
            }
            200 => assert!(method == "OPTIONS", "{method}: {answer:?}"),
            _ => refused += 1,
        }
    }
    assert!(refused > 450 && granted < 60, "{refused} refused, {granted} granted");
    assert_eq!(service.ask(&service.right()).await.status, 200);
    assert_eq!(service.running.app.metrics.failed.value(), 0);
}

#[tokio::test]
async fn assertions_of_any_bytes_are_refused_in_form() {
    let service = Service::with_client(&ENTRA).await;
    let mut dice = Dice(5);
    let deep = format!("{{\"alg\":{}{}}}", "[".repeat(15_000), "]".repeat(15_000));
    let segments: Vec<String> = [
        "",
        ".",
        "e30",
        "null",
        "eyJhbGciOiJSUzI1NiIsIng1dCI6IiJ9",
        "=",
        "%",
        "%2B%2F%3D",
        "\u{e9}",
        "%00",
        "A%0D%0A",
        " ",
    ]
    .iter()
    .map(|s| (*s).to_owned())
    .chain([
        encode_base64url(deep.as_bytes()),
        encode_base64url(&[0xFF; 40]),
        encode_base64url(br#"{"alg":"PS256","alg":"none","x5t":"AA"}"#),
        encode_base64url(br#"{"alg":"PS256","x5t":5,"kid":{},"x5c":[[]],"crit":0}"#),
        encode_base64url(br#"{"iss":[],"sub":{},"aud":1e999,"exp":"-","nbf":1e400,"jti":null}"#),
        encode_base64url(&b"\"".repeat(3_000)),
        encode_base64url("{\"a\":\"\\ud800\"}".as_bytes()),
        "A".repeat(60_000),
    ])
    .collect();
    for _ in 0..250 {
        let count = 1 + dice.roll(5);
        let parts: Vec<&str> = (0..count).map(|_| segments[dice.roll(segments.len())].as_str()).collect();
        let right = service.right().body();
        let start = right.find("client_assertion=").unwrap() + "client_assertion=".len();
        let end = right[start..].find('&').map_or(right.len(), |i| start + i);
        let body = format!("{}{}{}", &right[..start], parts.join("."), &right[end..]);
        let form = "Content-Type: application/x-www-form-urlencoded\r\n";
        let answer = answered(&service, "POST", &service.token_path(), form, body.as_bytes()).await;
        assert!(matches!(answer.status, 400 | 401), "{answer:?}");
    }
    assert_eq!(service.running.app.metrics.failed.value(), 0);
}

#[tokio::test]
async fn generated_requests_to_graph_are_refused_in_its_form() {
    let service = Service::with_client(&ENTRA).await;
    let token = std::fs::read_to_string(&service.running.ready.admin_token_file).unwrap().trim().to_owned();
    let administrator = format!("Authorization: Bearer {token}\r\nx-countersign-tenant: {TENANT_ID}\r\n");
    let pieces = pieces();
    let right = serde_json::json!({
        "displayName": "hostile", "keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify", "key": "AAAA"}],
        "passwordCredentials": [], "api": {"requestedAccessTokenVersion": 2}, "identifierUris": ["api://x"],
    })
    .to_string()
    .into_bytes();
    let paths = [
        "/v1.0/applications",
        "/v1.0/applications?$filter=displayName%20eq%20'a",
        "/v1.0/applications?$filter=((((((((((((((((((((((((((((((a",
        "/v1.0/applications?$filter=%ff%00",
        "/v1.0/applications?$top=-1",
        "/v1.0/applications?$top=99999999999999999999",
        "/v1.0/applications?$skiptoken=%00'--",
        "/v1.0/applications?$skiptoken=by-name-99999999999999999999",
        "/v1.0/applications?$orderby=x%20desc&$select=,,,&$expand=*",
        "/v1.0/applications?$count=maybe&$count=true",
        "/v1.0/applications?$apply=groupby((a))",
        "/v1.0/applications/%00",
        "/v1.0/applications/..%2f..",
        "/v1.0/applications(appId='x",
        "/v1.0/applications(appId='%ff')",
        "/v1.0/applications/00000000-0000-4000-8000-00000000a001/addKey",
        "/v1.0/applications/00000000-0000-4000-8000-00000000a001/addPassword",
        "/v1.0/applications/00000000-0000-4000-8000-00000000a001/removePassword",
        "/v1.0/applications/00000000-0000-4000-8000-00000000a001/federatedIdentityCredentials",
        "/v1.0/applications/00000000-0000-4000-8000-00000000a001/x/y/z",
        "/v1.0/servicePrincipals",
        "/v1.0/servicePrincipals/x/appRoleAssignments",
        "/v1.0/auditLogs/signIns?$filter=createdDateTime%20ge%20yesterday",
        "/v1.0/auditLogs/directoryAudits/'",
        "/v1.0/$batch",
        "/v1.0/$metadata",
        "/v1.0/users",
        "/v1.0//////",
        "/v1.0",
    ];
    let methods = ["GET", "POST", "POST", "POST", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "TRACE"];
    let headers = [
        "Content-Type: application/json\r\n",
        "Content-Type: application/json\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/json\r\nIf-Match: W/\"\"\"\r\n",
        "Content-Type: application/json\r\nConsistencyLevel: eventually\r\nPrefer: a,b;c\r\n",
    ];
    let mut dice = Dice(7);
    let mut refused = 0;
    for round in 0..500 {
        let body = spoiled(&mut dice, &right, &pieces);
        let (method, path) = (dice.pick(&methods), dice.pick(&paths));
        let who = match round % 8 {
            0 => "Authorization: Bearer ....\r\n",
            1 => "",
            2 => "Authorization: Bearer eyJhbGciOiJub25lIn0.e30.\r\n",
            _ => administrator.as_str(),
        };
        let headers = format!("{who}{}", dice.pick(&headers));
        let answer = answered(&service, method, path, &headers, &body).await;
        if answer.status < 400 {
            assert!(method == "OPTIONS" || who == administrator, "{method} {path}: {answer:?}");
            continue;
        }
        refused += 1;
        if method != "HEAD" {
            let error = &answer.json()["error"];
            let texts = [&error["code"], &error["message"], &error["innerError"]["request-id"]];
            assert!(texts.iter().all(|t| t.as_str().is_some_and(|t| !t.is_empty())), "{method} {path}: {answer:?}");
        }
        if answer.status == 401 {
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{answer:?}");
        }
    }
    assert!(refused > 350, "{refused} refused");
    assert_eq!(service.ask(&service.right()).await.status, 200, "the client of the scenarios is as it was");
    assert_eq!(service.running.app.metrics.failed.value(), 0);
}

/// Sends bytes, says that no more will come, and gives what comes back until the other side closes.
async fn cut(service: &Service, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(service.running.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut out = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut out)).await;
    assert!(read.is_ok(), "the connection stayed open after {:?}", String::from_utf8_lossy(bytes));
    out
}

/// At most one answer, and that a refusal.
fn refused_or_closed(bytes: &[u8], sent: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let sent = String::from_utf8_lossy(sent);
    assert!(text.matches("HTTP/1.").count() <= 1, "{text} to\n{sent}");
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 4") || text.starts_with("HTTP/1.0 4"),
        "{text} to\n{sent:.300}"
    );
}

#[tokio::test]
async fn requests_cut_off_anywhere_get_no_token() {
    let service = Service::with_client(&ENTRA).await;
    let body = service.right().body();
    let raw = format!(
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        service.token_path(),
        service.host(),
        body.len()
    );
    for end in (0..raw.len()).step_by(37).chain([raw.len() - 1]) {
        let sent = &raw.as_bytes()[..end];
        refused_or_closed(&cut(&service, sent).await, sent);
    }
    assert!(cut(&service, raw.as_bytes()).await.starts_with(b"HTTP/1.1 200"), "all of it is a right request");
}

#[tokio::test]
async fn bytes_that_are_no_http_are_refused_or_closed() {
    let service = Service::with_client(&ENTRA).await;
    let (path, host) = (service.token_path(), service.host());
    let head = |line: &str, headers: &str| format!("{line}\r\nHost: {host}\r\n{headers}\r\n").into_bytes();
    let post = format!("POST {path} HTTP/1.1");
    let many: String = (0..2_000).map(|i| format!("x-{i}: y\r\n")).collect();
    let frames: Vec<Vec<u8>> = vec![
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"HELO mail.example\r\n".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff".to_vec(),
        vec![b'A'; 200_000],
        head(&format!("POST {path} HTTP/1.1\0"), ""),
        head(&format!("POST {path}\0 HTTP/1.1"), ""),
        head(&format!("POST {path} x HTTP/1.1"), ""),
        head(&format!("POST  {path} HTTP/1.1"), ""),
        head(&post, "x y: z\r\n"),
        head(&post, "x: a\0b\r\n"),
        head(&post, ": empty name\r\n"),
        head(&post, "no colon\r\n"),
        head(&post, "x: folded\r\n line\r\n"),
        head(&post, "Content-Length: -1\r\n"),
        head(&post, "Content-Length: 99999999999999999999999\r\n"),
        head(&post, "Content-Length: 0x10\r\n"),
        head(&post, "Transfer-Encoding: gzip, chunked, identity\r\n"),
        [head(&post, "Transfer-Encoding: chunked\r\n"), b"ffffffffffffffffff\r\nx".to_vec()].concat(),
        [head(&post, "Transfer-Encoding: chunked\r\n"), b"-5\r\nhello\r\n0\r\n\r\n".to_vec()].concat(),
        head(&post, &many),
        head(&format!("POST {}{path} HTTP/1.1", "/a".repeat(50_000)), ""),
        head("CONNECT evil.example:443 HTTP/1.1", ""),
        head("GET http://evil.example/ HTTP/1.1", "Connection: close\r\n"),
        head("OPTIONS\t* HTTP/1.1", ""),
    ];
    for frame in &frames {
        refused_or_closed(&cut(&service, frame).await, frame);
    }
    assert_eq!(service.ask(&service.right()).await.status, 200);
    assert_eq!(service.running.app.metrics.failed.value(), 0);
}

/// Forty peers that send a byte now and then hold up nobody.
#[tokio::test]
async fn slow_senders_disturb_nobody() {
    let service = std::sync::Arc::new(Service::with_client(&ENTRA).await);
    let head =
        format!("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 100\r\n\r\n", service.token_path(), service.host());
    let mut slow = Vec::new();
    for number in 0..40 {
        let (service, head) = (std::sync::Arc::clone(&service), head.clone());
        slow.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(service.running.address).await.unwrap();
            for byte in head.as_bytes().iter().skip(number % 7) {
                if stream.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }));
    }
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(service.ask(&service.right()).await.status, 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for task in slow {
        task.abort();
    }
}
