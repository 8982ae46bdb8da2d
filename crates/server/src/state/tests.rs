//! What is exported comes back the same, keys only under their passphrase, and a wrong file changes nothing.

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_testkit::{Identity, Spec};

use super::*;
use crate::secrets::MasterKey;
use crate::store::model::SigningKeyRecord;
use crate::store::sqlite::SqliteStore;

const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
const APP: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
const API: &str = "0f4c7a10-9d3b-4a52-8c11-2b6e5d7f9013";
const GONE: &str = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";
const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

struct Place {
    folder: tempfile::TempDir,
    directory: Arc<Directory>,
    secrets: Secrets,
}

impl Place {
    async fn new(keys: Option<&Keys>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("test.db")).await.unwrap();
        Self::over(Arc::new(store), folder, keys)
    }

    fn over(store: Arc<dyn Store>, folder: tempfile::TempDir, keys: Option<&Keys>) -> Self {
        if let Some(keys) = keys {
            keys.install_master(&MasterKey::Folder, folder.path()).unwrap();
        }
        let secrets = Secrets::open(&MasterKey::Folder, folder.path(), true).unwrap();
        Self { folder, directory: Arc::new(Directory::new(store, Arc::new(AwsLc))), secrets }
    }

    async fn filled() -> Self {
        let place = Self::new(None).await;
        let identity = Identity::rsa(0, &Spec::default());
        let seed = json!({"tenants": [
            {
                "tenantId": TENANT, "displayName": "Contoso", "domains": ["contoso.example"],
                "certificateAuthorities": [encode_base64(identity.certificate.der())],
                "servicePrincipals": [{"appId": "00000003-0000-0000-c000-000000000000", "accountEnabled": false}],
                "applications": [
                    {
                        "appId": APP, "displayName": "Payroll", "tags": ["x"], "someFutureThing": {"a": 1},
                        "keyCredentials": [{"key": encode_base64(identity.certificate.der())}],
                        "passwordCredentials": [{"displayName": "s", "secretText": "q1w2e3r4"}],
                        "federatedIdentityCredentials": [{"name": "git", "issuer": "https://i.example", "subject": "s", "audiences": ["a"],
                            "jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}]}}],
                        "trustedCertificateSubjects": [{"authorityId": countersign_core::encoding::encode_hex_upper(identity.certificate.sha1()), "subjectName": "a.example"}],
                        "servicePrincipal": {"accountEnabled": false, "notes": "n"},
                        "grantedRoles": [
                            {"resource": "https://graph.microsoft.com", "role": "Some.New.Role"},
                            {"resource": API, "role": "Run"},
                        ],
                    },
                    {"appId": API, "appRoles": [{"value": "Run"}], "identifierUris": ["api://payroll"]},
                    {"appId": GONE, "deletedDateTime": "2026-01-01T00:00:00Z"},
                ],
            },
            {"tenantId": "5f2c1a7e-0000-4000-8000-0000000000b2", "applications": [{"appId": APP, "servicePrincipal": null}]},
        ]});
        let path = place.folder.path().join("seed.json");
        std::fs::write(&path, seed.to_string()).unwrap();
        let fallback = default_tenant();
        crate::seed::apply(&place.directory, &place.secrets, &path, &fallback, NOW).await.unwrap();
        let key = SigningKeyRecord {
            kid: "kid".into(),
            alg: "RS256".into(),
            certificate: vec![1, 2, 3],
            sealed_key: place.secrets.seal("kid", b"private").unwrap(),
            created: NOW,
            signs_from: NOW,
            published_until: None,
        };
        place.directory.store().put_signing_key(&key).await.unwrap();
        place
    }

    async fn export(&self, form: Form, keys: Option<&Json>) -> (String, Exported) {
        let mut out = Vec::new();
        let done = export(self.directory.store(), &mut out, form, keys, NOW).await.unwrap();
        (String::from_utf8(out).unwrap(), done)
    }

    async fn import(&self, text: &str, keys: Option<&Keys>, replace: bool) -> Result<Summary, StateError> {
        let path = self.folder.path().join("state.json");
        std::fs::write(&path, text).unwrap();
        import(&self.directory, &self.secrets, &path, keys, replace, NOW).await
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_service_moves_to_postgresql_and_back_without_loss() {
    use crate::store::postgres::{PostgresStore, PostgresUrl};
    let Some(cluster) = countersign_testkit::postgres::Cluster::start("fsync = off") else { return };
    let url = PostgresUrl::parse(&cluster.database("d")).unwrap();
    let from = Place::filled().await;
    let keys = Keys::of(&MasterKey::Folder, from.folder.path(), from.directory.store(), &from.secrets).await.unwrap();
    let sealed = keys.seal("a long passphrase").unwrap();
    let (text, done) = from.export(Form::Json, Some(&sealed)).await;
    assert_eq!((done.applications, done.secrets_left_out), (3, 0));
    let store = Arc::new(PostgresStore::open(&url, None, 4).await.unwrap());
    let there = Place::over(store, tempfile::tempdir().unwrap(), Some(&keys));
    there.import(&text, Some(&keys), false).await.unwrap();
    let (moved, _) = there.export(Form::Json, Some(&sealed)).await;
    assert_eq!(moved, text);
    let back = Place::new(Some(&keys)).await;
    back.import(&moved, Some(&keys), false).await.unwrap();
    assert_eq!(back.export(Form::Json, Some(&sealed)).await.0, text);
    for place in [&there, &back] {
        let key = place.directory.store().signing_keys().await.unwrap().remove(0);
        assert_eq!(place.secrets.unseal(&key.kid, &key.sealed_key).unwrap().as_slice(), b"private");
    }
}

#[tokio::test]
async fn an_export_comes_back_the_same_in_either_form() {
    let from = Place::filled().await;
    for form in [Form::Json, Form::JsonLines] {
        let (text, done) = from.export(form, None).await;
        assert_eq!(done, Exported { tenants: 2, applications: 3, secrets_left_out: 1 });
        let to = Place::new(None).await;
        let summary = to.import(&text, None, false).await.unwrap();
        assert_eq!((summary.tenants, summary.applications), (2, 3));
        assert_eq!(to.export(form, None).await.0, text, "{form:?}");
        assert!(to.directory.store().was_application(TENANT, GONE).await.unwrap());
        let client = to.directory.store().client(TENANT, APP).await.unwrap().unwrap();
        assert_eq!(client.roles.len(), 2);
        assert_eq!(client.application.password_credentials[0].digest, None);
    }
}

#[tokio::test]
async fn keys_travel_only_when_asked_for_and_open_only_with_their_passphrase() {
    let from = Place::filled().await;
    let (bare, _) = from.export(Form::Json, None).await;
    assert!(!bare.contains("\"kdf\"") && !bare.contains("digest"));
    let keys = Keys::of(&MasterKey::Folder, from.folder.path(), from.directory.store(), &from.secrets).await.unwrap();
    assert!(matches!(keys.seal("short"), Err(KeysError::ShortPassphrase)));
    let sealed = keys.seal("correct horse battery").unwrap();
    for form in [Form::Json, Form::JsonLines] {
        let (text, done) = from.export(form, Some(&sealed)).await;
        assert_eq!(done.secrets_left_out, 0);
        assert!(!text.contains(&encode_base64(b"private")));
        let path = from.folder.path().join("with-keys");
        std::fs::write(&path, &text).unwrap();
        assert!(matches!(Keys::open(&path, "wrong horse battery"), Err(KeysError::WrongPassphrase)));
        let opened = Keys::open(&path, "correct horse battery").unwrap();
        let to = Place::new(Some(&opened)).await;
        to.import(&text, Some(&opened), false).await.unwrap();
        let client = to.directory.store().client(TENANT, APP).await.unwrap().unwrap();
        assert_eq!(client.application.password_credentials[0].digest, Some(to.secrets.digest("q1w2e3r4")));
        let signing = to.directory.store().signing_keys().await.unwrap();
        assert_eq!(&**to.secrets.unseal("kid", &signing[0].sealed_key).unwrap(), b"private");
        assert!(matches!(
            opened.install_master(&MasterKey::Folder, Place::new(None).await.folder.path()),
            Err(KeysError::OtherMaster(_))
        ));
    }
    let path = from.folder.path().join("bare");
    std::fs::write(&path, &bare).unwrap();
    assert!(matches!(Keys::open(&path, "correct horse battery"), Err(KeysError::None)));
}

#[tokio::test]
async fn an_import_is_whole_or_not_at_all() {
    let place = Place::filled().await;
    let (before, _) = place.export(Form::Json, None).await;
    assert!(matches!(place.import(&before, None, false).await, Err(StateError::NotEmpty)));
    let wrong = before.replace("\"Payroll\"", "5");
    assert!(matches!(place.import(&wrong, None, true).await, Err(StateError::File(_))));
    assert_eq!(place.export(Form::Json, None).await.0, before);
    place.import(&before, None, true).await.unwrap();
    let (after, _) = place.export(Form::Json, None).await;
    assert_eq!(after, before);
    reset(&place.directory).await.unwrap();
    assert!(place.directory.store().tenants().await.unwrap().is_empty());
}
