//! Three nodes of the service as processes of their own on one PostgreSQL with a synchronous standby, under load, while things
//! break: a key is rolled, a secret removed, a node killed, the database's primary lost.
//!
//! Where PostgreSQL is not installed there is nothing to try.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![cfg(unix)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::decode_base64;
use countersign_core::jose::alg::Alg;
use countersign_core::x509::key::PublicKey;
use countersign_testkit::postgres::{Cluster, ROLE};
use serde_json::{Value, json};

const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
/// The application that asks all the time.
const STEADY: &str = "8b76b6d9-4732-4558-a4b5-000000000001";
/// The application whose secret is removed.
const REMOVED: &str = "8b76b6d9-4732-4558-a4b5-000000000002";
const SECRET: &str = "test~only.Q1w2E3r4T5y6U7i8O9p0aSdFgHjKlZx";
const ADMIN: &str = "test-only-admin-token-0123456789abcdef0123456789";
/// Longest time for anything to happen on a machine that does other things, too.
const PATIENCE: Duration = Duration::from_secs(90);
/// For so long what a node knows counts as confirmed; with `--stale-for 0` nothing else is relied on.
const CONFIRMED: Duration = Duration::from_secs(1);

struct Node {
    child: Child,
    address: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    fn start(folder: &Path, number: usize, database: &str) -> Self {
        let ready = folder.join(format!("ready-{number}.json"));
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::create(folder.join(format!("log-{number}"))).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .current_dir(folder)
            .args(["serve", "--listen", "127.0.0.1:0", "--tls", "off", "--stale-for", "0", "--seed", "seed.yaml"])
            .args(["--master-key-file", "master", "--admin-token-file", "admin", "--data", &format!("data-{number}")])
            .arg("--ready-file")
            .arg(&ready)
            .env("COUNTERSIGN_DATABASE", database)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let began = Instant::now();
        let address = loop {
            if let Ok(text) = std::fs::read_to_string(&ready)
                && let Ok(facts) = serde_json::from_str::<Value>(&text)
            {
                break facts["url"].as_str().unwrap().trim_start_matches("http://").to_owned();
            }
            let log = std::fs::read_to_string(folder.join(format!("log-{number}"))).unwrap_or_default();
            assert!(began.elapsed() < PATIENCE, "node {number} does not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        };
        Self { child, address }
    }
}

/// Sends a request; `None` when there is no whole answer.
fn send(address: &str, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, String, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(40))).ok()?;
    let length = body.len();
    let host = address;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, head.to_ascii_lowercase(), body.to_owned()))
}

fn graph(address: &str, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
    let headers = format!("Authorization: Bearer {ADMIN}\r\nContent-Type: application/json\r\n");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, _, text) = send(address, method, path, &headers, &body)?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

fn token(address: &str, client: &str) -> Option<(u16, String, String)> {
    let body = format!(
        "grant_type=client_credentials&client_id={client}&client_secret={SECRET}&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
    );
    let headers = "Content-Type: application/x-www-form-urlencoded\r\n";
    send(address, "POST", &format!("/{TENANT}/oauth2/v2.0/token"), headers, &body)
}

/// One answer.
struct Seen {
    node: usize,
    client: &'static str,
    asked: Instant,
    answered: Instant,
    /// 0: none.
    status: u16,
    /// The token, or what a refusal is wrong in.
    text: String,
}

/// What goes on all the time: each node is asked for tokens by two clients, and for a change now and then.
struct World {
    addresses: Mutex<Vec<String>>,
    seen: Mutex<Vec<Seen>>,
    issued: Vec<AtomicUsize>,
    acknowledged: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl World {
    fn address(&self, node: usize) -> String {
        self.addresses.lock().unwrap()[node].clone()
    }

    fn ask(&self, node: usize, client: &'static str) {
        while !self.stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let (status, text) = match token(&self.address(node), client) {
                None => (0, String::new()),
                Some((200, _, body)) => {
                    let body: Value = serde_json::from_str(&body).unwrap();
                    if client == STEADY {
                        self.issued[node].fetch_add(1, Ordering::Relaxed);
                    }
                    (200, body["access_token"].as_str().unwrap().to_owned())
                }
                Some((status, head, body)) => (status, wrong(status, &head, &body)),
            };
            let answered = Instant::now();
            self.seen.lock().unwrap().push(Seen { node, client, asked, answered, status, text });
            std::thread::sleep(Duration::from_millis(if status == 200 { 5 } else { 25 }));
        }
    }

    fn change(&self, node: usize) {
        let mut number = 0;
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let name = format!("made-{node}-{number}");
            let answer = graph(&self.address(node), "POST", "/v1.0/applications", &json!({"displayName": name}));
            match answer {
                Some((201, made)) => {
                    assert_eq!(made["displayName"], name.as_str());
                    self.acknowledged.lock().unwrap().push(name);
                }
                Some((status, body)) => assert_eq!(status, 503, "{body}"),
                None => {}
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until each of these nodes has issued so many more tokens.
    fn until_issued(&self, nodes: &[usize], more: usize, what: &str) {
        let began = Instant::now();
        let goals: Vec<usize> = nodes.iter().map(|n| self.issued[*n].load(Ordering::Relaxed) + more).collect();
        while nodes.iter().zip(&goals).any(|(n, goal)| self.issued[*n].load(Ordering::Relaxed) < *goal) {
            assert!(began.elapsed() < PATIENCE, "{what}: no tokens any more");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// What a refusal is not as promised in; empty when it is.
fn wrong(status: u16, head: &str, body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return format!("no JSON: {body}") };
    let code = value["error_codes"][0].as_u64().unwrap_or_default();
    let description = value["error_description"].as_str().unwrap_or_default();
    if !description.starts_with(&format!("AADSTS{code}: ")) {
        return format!("not Entra's shape: {body}");
    }
    match status {
        503 if !head.contains("retry-after: ") => format!("503 without Retry-After: {head}"),
        503 | 401 => String::new(),
        _ => format!("{status}: {body}"),
    }
}

/// The key id of a token that verifies against this JWK Set.
fn verified(token: &str, set: &Value) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let header: Value = serde_json::from_slice(&decode_base64(input.split('.').next()?).ok()?.bytes).ok()?;
    let key = set["keys"].as_array()?.iter().find(|k| k["kid"] == header["kid"])?;
    let number = |name: &str| Some(decode_base64(key[name].as_str()?).ok()?.bytes);
    let key = AwsLc.verifier(&PublicKey::rsa(&number("n")?, &number("e")?)).ok()?;
    key.verify(Alg::Rs256, input.as_bytes(), &decode_base64(signature).ok()?.bytes).ok()?;
    header["kid"].as_str().map(str::to_owned)
}

fn keys(address: &str) -> Value {
    let (_, _, body) = send(address, "GET", "/common/discovery/v2.0/keys", "", "").unwrap();
    serde_json::from_str(&body).unwrap()
}

fn private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, whose parts follow from each other")]
fn three_nodes_keep_their_promises_while_things_break() {
    let Some(primary) = Cluster::start("") else { return };
    primary.database("d");
    let standby = Cluster::standby_of(&primary, "").unwrap();
    primary.sql("d", "ALTER SYSTEM SET synchronous_standby_names = 'standby'");
    primary.sql("d", "SELECT pg_reload_conf()");
    let folder = tempfile::tempdir().unwrap();
    private(&folder.path().join("master"), &format!("{}\n", "5a".repeat(32)));
    private(&folder.path().join("admin"), ADMIN);
    let application = |id: &str| {
        format!(
            "      - appId: {id}\n        displayName: {id}\n        passwordCredentials: [{{ displayName: s, secretText: \"{SECRET}\" }}]\n"
        )
    };
    let seed = format!(
        "tenants:\n  - tenantId: {TENANT}\n    displayName: Contoso\n    applications:\n{}{}",
        application(STEADY),
        application(REMOVED)
    );
    std::fs::write(folder.path().join("seed.yaml"), seed).unwrap();
    let database = format!("postgres://{ROLE}@127.0.0.1:{},127.0.0.1:{}/d", primary.port, standby.port);
    let start = |number| Node::start(folder.path(), number, &database);
    // At once, on an empty database.
    let mut nodes: Vec<Node> = std::thread::scope(|scope| {
        let starting: Vec<_> = (0..3).map(|n| scope.spawn(move || start(n))).collect();
        starting.into_iter().map(|s| s.join().unwrap()).collect()
    });
    let world = Arc::new(World {
        addresses: Mutex::new(nodes.iter().map(|n| n.address.clone()).collect()),
        seen: Mutex::new(Vec::new()),
        issued: (0..3).map(|_| AtomicUsize::new(0)).collect(),
        acknowledged: Mutex::new(Vec::new()),
        stop: AtomicBool::new(false),
    });
    let mut threads = Vec::new();
    for node in 0..3 {
        for client in [STEADY, REMOVED] {
            let world = Arc::clone(&world);
            threads.push(std::thread::spawn(move || world.ask(node, client)));
        }
        let world = Arc::clone(&world);
        threads.push(std::thread::spawn(move || world.change(node)));
    }
    let all = [0, 1, 2];
    world.until_issued(&all, 20, "at the beginning");

    // A signing key is rolled: the next one may have to be made and published first.
    let (status, rolled) =
        graph(&world.address(0), "POST", "/v1.0/countersign/signingKeys/roll", &Value::Null).unwrap();
    assert_eq!(status, 200, "{rolled}");
    world.until_issued(&all, 20, "after a roll");

    // A secret is removed on one node.
    let filter = format!("/v1.0/applications?$filter=appId%20eq%20'{REMOVED}'");
    let (_, list) = graph(&world.address(1), "GET", &filter, &Value::Null).unwrap();
    let object = list["value"][0]["id"].as_str().unwrap().to_owned();
    let key_id = list["value"][0]["passwordCredentials"][0]["keyId"].clone();
    let path = format!("/v1.0/applications/{object}/removePassword");
    let removing = Instant::now();
    let (status, body) = graph(&world.address(1), "POST", &path, &json!({"keyId": key_id})).unwrap();
    assert_eq!(status, 204, "{body}");
    let removed = Instant::now();
    world.until_issued(&all, 20, "after a removal");

    // A node is killed, and another one takes its place.
    let killed = Instant::now();
    nodes[2].child.kill().unwrap();
    nodes[2].child.wait().unwrap();
    world.until_issued(&[0, 1], 20, "after a node was killed");
    nodes[2] = start(2);
    world.addresses.lock().unwrap()[2].clone_from(&nodes[2].address);
    world.until_issued(&all, 20, "with the node in its place");
    let replaced = Instant::now();

    // The primary is lost, and the standby takes over.
    let lost = Instant::now();
    primary.crash();
    std::thread::sleep(Duration::from_millis(1_500));
    standby.sql("d", "ALTER SYSTEM RESET synchronous_standby_names");
    standby.promote();
    standby.sql("d", "SELECT pg_reload_conf()");
    world.until_issued(&all, 50, "after the primary was lost");
    let found = Instant::now();
    world.until_issued(&all, 20, "at the end");
    world.stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }

    let sets: Vec<Value> = nodes.iter().map(|n| keys(&n.address)).collect();
    // The issuer in each follows the name by which its node was asked.
    let kids = |set: &Value| set["keys"].as_array().unwrap().iter().map(|k| k["kid"].clone()).collect::<Vec<_>>();
    assert!(sets.iter().all(|s| kids(s) == kids(&sets[0])), "{:?}", sets.iter().map(kids).collect::<Vec<_>>());
    let mut signers = std::collections::BTreeSet::new();
    let seen = world.seen.lock().unwrap();
    let mut refused_while_away = 0;
    for s in seen.iter() {
        let after = |t: Instant| s.asked.saturating_duration_since(t);
        let node_down = s.node == 2 && s.answered >= killed && s.asked <= replaced;
        let database_down = s.answered >= lost && s.asked <= found;
        match s.status {
            200 => {
                // Every token verifies on every node.
                for set in &sets {
                    signers.insert(verified(&s.text, set).unwrap());
                }
                let gone = s.client == REMOVED && s.asked > removed;
                assert!(!gone || after(removed) <= CONFIRMED, "a token {:?} after the removal", after(removed));
            }
            0 => assert!(node_down, "no answer from node {} while it was up", s.node),
            401 => assert!(s.client == REMOVED && s.answered >= removing && s.text.is_empty(), "{}", s.text),
            503 => {
                assert!(s.text.is_empty(), "{}", s.text);
                assert!(database_down, "503 from node {} while everything was up", s.node);
                refused_while_away += 1;
            }
            status => panic!("{status}: {}", s.text),
        }
    }
    assert!(refused_while_away > 0, "nobody noticed that the database was away");
    assert!(signers.contains(rolled["id"].as_str().unwrap()) && signers.len() == 2, "{signers:?}");

    let acknowledged = world.acknowledged.lock().unwrap();
    for node in &nodes {
        let mut there = std::collections::BTreeSet::new();
        let mut next = Some("/v1.0/applications?$top=999".to_owned());
        while let Some(path) = next {
            let (status, page) = graph(&node.address, "GET", &path, &Value::Null).unwrap();
            assert_eq!(status, 200, "{page}");
            there.extend(
                page["value"].as_array().unwrap().iter().map(|a| a["displayName"].as_str().unwrap().to_owned()),
            );
            let link = page["@odata.nextLink"].as_str();
            next = link.map(|l| l[l.find("/v1.0").unwrap()..].to_owned());
        }
        let missing: Vec<_> = acknowledged.iter().filter(|name| !there.contains(*name)).collect();
        assert!(missing.is_empty(), "acknowledged and lost: {missing:?}");
    }
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
}
