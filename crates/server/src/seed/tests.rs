//! Seeds against a real store: what is created, what is left, and that a fault leaves nothing.

use std::path::PathBuf;

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_testkit::{Identity, Spec};
use serde_json::json;

use super::*;
use crate::store::sqlite::SqliteStore;
use crate::store::{Change, ClientRecord, Store};
use crate::well_known;

const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
const OTHER: &str = "5f2c1a7e-0000-4000-8000-0000000000b2";
const APP: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
const API: &str = "0f4c7a10-9d3b-4a52-8c11-2b6e5d7f9013";
const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

pub(super) struct Bench {
    pub folder: tempfile::TempDir,
    pub directory: Arc<Directory>,
    pub secrets: Secrets,
}

impl Bench {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&folder.path().join("test.db")).await.unwrap());
        let directory = Arc::new(Directory::new(store, Arc::new(AwsLc)));
        Self { folder, directory, secrets: Secrets::from_master(&[7; 32]) }
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    async fn seed(&self, name: &str, text: &str) -> Result<Summary, String> {
        let path = self.write(name, text);
        let fallback = TenantRecord { id: OTHER.into(), display_name: "Fallback".into(), ..TenantRecord::default() };
        apply(&self.directory, &self.secrets, &path, &fallback, NOW).await.map_err(|e| e.to_string())
    }

    async fn client(&self, tenant: &str, app: &str) -> Option<ClientRecord> {
        self.directory.store().client(tenant, app).await.unwrap()
    }
}

fn good() -> String {
    format!("tenants:\n  - tenantId: {TENANT}\n    displayName: Contoso\n")
}

#[tokio::test]
async fn creates_tenants_applications_principals_and_roles() {
    let bench = Bench::new().await;
    let (a, b) = (Identity::rsa(0, &Spec::default()), Identity::rsa(1, &Spec::default()));
    bench.write("a.pem", &a.certificate_pem());
    let text = format!(
        "{}    domains: [Contoso.example]\n    applications:\n      - appId: {APP}\n        displayName: Payroll daemon\n        certificateFiles: [a.pem]\n        keyCredentials:\n          - key: {}\n        passwordCredentials:\n          - {{ displayName: old, secretText: \"q1w2e3\" }}\n        grantedRoles:\n          - {{ resource: \"https://graph.microsoft.com\", role: \"Application.Read.All\" }}\n          - {{ resource: \"api://payroll\", role: \"Run\" }}\n      - appId: {API}\n        displayName: API\n        identifierUris: [\"api://payroll\"]\n        appRoles: [{{ value: Run, displayName: Run }}]\n",
        good(),
        encode_base64(b.certificate.der()),
    );
    let summary = bench.seed("seed.yaml", &text).await.unwrap();
    assert_eq!((summary.tenants, summary.applications, summary.left), (1, 2, 0));
    assert_eq!(bench.directory.store().tenant("contoso.example").await.unwrap().unwrap().id, TENANT);
    let client = bench.client(TENANT, APP).await.unwrap();
    assert_eq!(client.application.key_credentials.len(), 2);
    assert_eq!(client.application.password_credentials[0].digest, Some(bench.secrets.digest("q1w2e3")));
    let mut roles = client.roles.clone();
    roles.sort();
    let api = bench.client(TENANT, API).await.unwrap().service_principal.unwrap().object_id;
    let mut expected =
        vec![(api, "Run".to_owned()), (well_known::GRAPH.object_id(TENANT), "Application.Read.All".to_owned())];
    expected.sort();
    assert_eq!(roles, expected);
    assert_eq!(client.service_principal.unwrap().display_name, "Payroll daemon");
}

#[tokio::test]
async fn what_exists_is_left_and_what_was_deleted_stays_deleted() {
    let bench = Bench::new().await;
    let text =
        format!("{}    applications:\n      - appId: {APP}\n        displayName: One\n      - appId: {API}\n", good());
    bench.seed("seed.yaml", &text).await.unwrap();
    let object_id = bench.client(TENANT, API).await.unwrap().application.object_id;
    let gone = Change::DeleteApplication { tenant_id: TENANT.into(), object_id, time: NOW };
    bench.directory.change([gone]).await.unwrap();
    let changed = text.replace("One", "Two") + "      - appId: 6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11\n";
    let summary = bench.seed("seed.yaml", &changed).await.unwrap();
    assert_eq!((summary.tenants, summary.applications, summary.left), (0, 1, 2));
    assert_eq!(bench.client(TENANT, APP).await.unwrap().application.display_name, "One");
    assert!(bench.client(TENANT, API).await.is_none());
    crate::state::reset(&bench.directory).await.unwrap();
    assert_eq!(bench.seed("seed.yaml", &changed).await.unwrap().applications, 3);
}

#[tokio::test]
async fn faults_name_file_line_and_member_and_leave_nothing() {
    let bench = Bench::new().await;
    let identity = Identity::rsa(0, &Spec::default());
    bench.write("key.pem", &identity.key_pem());
    let app = format!("{}    applications:\n      - appId: {APP}\n", good());
    let cases: Vec<(String, Vec<&str>)> = vec![
        (String::new(), vec!["seed.yaml", "empty"]),
        ("tenants: [".into(), vec!["seed.yaml: line 1, ", "YAML"]),
        ("just words".into(), vec!["seed.yaml: line 1, column 1", "tenants"]),
        (good() + "    colour: red\n", vec!["seed.yaml: line 4, column 5", "colour"]),
        ("tenants:\n  - tenantId: not-a-guid\n".into(), vec!["seed.yaml: line 2, ", "not-a-guid", "tenantId"]),
        ("tenants:\n  - displayName: Nameless\n".into(), vec!["seed.yaml: line 2, ", "tenantId"]),
        (good() + "    applications:\n      - appId: nope\n", vec!["seed.yaml: line 5, ", "nope"]),
        (
            app.clone() + "        certificateFiles: [missing.pem]\n",
            vec!["seed.yaml: line 6, ", "missing.pem", "certificateFiles/0"],
        ),
        (app.clone() + "        certificateFiles: [key.pem]\n", vec!["seed.yaml: line 6, ", "key.pem", "private key"]),
        (
            app.clone() + "        keyCredentials:\n          - key: '!!!'\n",
            vec!["seed.yaml: line 7, ", "keyCredentials/0/key"],
        ),
        (app.clone() + &format!("      - appId: {APP}\n"), vec!["seed.yaml: line 6, ", APP]),
        (good() + good().split_once('\n').unwrap().1, vec!["seed.yaml: line 4, ", TENANT]),
        (
            app.clone() + "        grantedRoles: [{resource: 'api://none', role: x}]\n",
            vec!["seed.yaml: line 6, ", "api://none", "resource"],
        ),
        (app.clone() + "        appId: x\n", vec!["seed.yaml: line 6, "]),
        (
            app.clone()
                + "        identifierUris: ['api://x']\n      - appId: 0f4c7a10-9d3b-4a52-8c11-2b6e5d7f9013\n        identifierUris: ['api://x']\n",
            vec!["seed.yaml: line 8, ", "api://x"],
        ),
        (good() + "    domains: [no-dot]\n", vec!["seed.yaml: line 4, ", "no-dot"]),
        (app + "        passwordCredentials: [{secretText: 5}]\n", vec!["seed.yaml: line 6, ", "secretText", "quotes"]),
    ];
    for (text, words) in cases {
        let message = bench.seed("seed.yaml", &text).await.unwrap_err();
        for word in words {
            assert!(message.contains(word), "{word} is missing in {message}\n{text}");
        }
        assert!(!message.contains(" at line ") && !message.contains("BEGIN"), "{message}");
        assert!(bench.directory.store().tenants().await.unwrap().is_empty(), "{text}");
    }
    let path = bench.folder.path().join("none.yaml");
    let error = apply(&bench.directory, &bench.secrets, &path, &TenantRecord::default(), NOW).await.unwrap_err();
    assert!(error.to_string().contains("none.yaml"));
}

#[tokio::test]
async fn what_graph_and_az_print_is_taken_as_it_comes() {
    let bench = Bench::new().await;
    let shown = json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#applications/$entity", "id": "11111111-1111-4111-8111-111111111111",
        "appId": APP, "deletedDateTime": null, "displayName": "Real", "createdDateTime": "2020-01-02T03:04:05Z",
        "keyCredentials": [{"customKeyIdentifier": "AAAA", "key": null, "keyId": API, "type": "AsymmetricX509Cert", "usage": "Verify",
            "startDateTime": "2020-01-01T00:00:00Z", "endDateTime": "2021-01-01T00:00:00Z"}],
        "passwordCredentials": [{"keyId": API, "hint": "abc", "endDateTime": "2021-01-01T00:00:00Z", "startDateTime": "2020-01-01T00:00:00Z"}],
        "verifiedPublisher": {"displayName": null}, "web": {"redirectUris": []},
    });
    let summary = bench.seed("az.json", &serde_json::to_string_pretty(&shown).unwrap()).await.unwrap();
    assert_eq!((summary.tenants, summary.applications), (1, 1));
    assert_eq!(summary.warnings.len(), 2, "{:?}", summary.warnings);
    let client = bench.client(OTHER, APP).await.unwrap();
    assert_eq!(client.application.object_id, "11111111-1111-4111-8111-111111111111");
    assert_eq!(client.application.key_credentials[0].der, None);
    let list = json!({"value": [{"appId": API}]}).to_string();
    assert_eq!(bench.seed("list.json", &list).await.unwrap().applications, 1);
    assert_eq!(bench.seed("bare.json", &format!("[{{\"appId\":\"{APP}\"}}]")).await.unwrap().left, 1);
}

#[tokio::test]
async fn json_lines_are_read_one_application_a_line() {
    let bench = Bench::new().await;
    let mut text = format!("{{\"tenantId\":\"{TENANT}\",\"displayName\":\"Contoso\"}}\n\n");
    for i in 0..500 {
        text.push_str(&format!("{{\"appId\":\"00000000-0000-4000-8000-{i:012}\",\"displayName\":\"{i}\"}}\n"));
    }
    text.push_str(&format!("{{\"appId\":\"{APP}\",\"deletedDateTime\":\"2026-01-01T00:00:00Z\"}}"));
    let summary = bench.seed("many.jsonl", &text).await.unwrap();
    assert_eq!((summary.tenants, summary.applications), (1, 500));
    assert!(bench.directory.store().was_application(TENANT, APP).await.unwrap());
    let wrong = text.replace("000000000300\"", "000000000300\",\"tags\":5");
    let message = bench.seed("wrong.jsonl", &wrong).await.unwrap_err();
    assert!(message.contains("wrong.jsonl: line 303, ") && message.contains("tags"), "{message}");
    let broken = format!("{text}\n{{\"appId\":");
    let message = bench.seed("broken.jsonl", &broken).await.unwrap_err();
    assert!(message.contains("broken.jsonl: line 504, "), "{message}");
}
