//! What an application may be, from requests and from files.

use countersign_core::UnixTime;
use countersign_core::encoding::encode_base64;
use countersign_testkit::{Identity, Spec};

use super::super::tests_means::Counting;
use super::*;

const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);
const APP: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";

fn tenant() -> TenantRecord {
    TenantRecord {
        id: "5f2c1a7e-0000-4000-8000-0000000000a1".into(),
        domains: vec!["contoso.example".into()],
        ..TenantRecord::default()
    }
}

fn made(body: &Json) -> Result<ApplicationRecord, Fault> {
    create(&Node::from_json(body), &tenant(), &mut Reading::new(Origin::Graph, NOW, &mut Counting::default()))
}

fn patched(old: &ApplicationRecord, body: &Json) -> Result<ApplicationRecord, Fault> {
    update(
        old,
        &Node::from_json(body),
        &[],
        &mut Reading::new(Origin::Graph, NOW, &mut Counting { given: 50, ..Counting::default() }),
    )
}

fn filed(body: &Json, means: &mut Counting) -> Result<(FromFile, Vec<Fault>), Fault> {
    let mut reading = Reading::new(Origin::File, NOW, means);
    let read = from_file(&Node::from_json(body), &Path::root(), &tenant(), &mut reading)?;
    Ok((read, reading.warnings))
}

#[test]
fn ids_of_the_caller_never_take_effect() {
    let body = json!({"displayName": "a", "id": APP, "appId": APP, "createdDateTime": "2001-01-01T00:00:00Z"});
    let record = made(&body).unwrap();
    assert!(record.app_id != APP && record.object_id != APP && record.created == NOW);
    let patched = patched(&record, &body).unwrap();
    assert_eq!(patched, record);
}

#[test]
fn unknown_members_come_back_and_null_removes() {
    let record = made(&json!({"displayName": "a", "someFutureThing": {"x": [1]}, "api": {"requestedAccessTokenVersion": 2}, "@odata.type": "x"})).unwrap();
    assert_eq!(record.token_version, 2);
    let shown = show(&record, &tenant(), false);
    assert_eq!(shown["someFutureThing"], json!({"x": [1]}));
    assert_eq!(shown["api"]["requestedAccessTokenVersion"], 2);
    assert_eq!(shown["api"]["knownClientApplications"], json!([]));
    assert_eq!(shown["publisherDomain"], "contoso.example");
    let merged = patched(&record, &json!({"api": {"acceptMappedClaims": true}, "someFutureThing": null})).unwrap();
    assert_eq!(
        merged.document.get("api"),
        Some(&json!({"requestedAccessTokenVersion": 2, "acceptMappedClaims": true}))
    );
    assert_eq!((merged.token_version, merged.document.get("someFutureThing")), (2, None));
    assert_eq!(patched(&merged, &json!({"api": {"requestedAccessTokenVersion": null}})).unwrap().token_version, 1);
}

#[test]
fn every_rule_names_its_member() {
    let old = made(&json!({"displayName": "a"})).unwrap();
    for (body, path) in [
        (json!({"displayName": null}), "displayName"),
        (json!({"displayName": 5}), "displayName"),
        (json!({"displayName": " "}), "displayName"),
        (json!({"displayName": "a\nb"}), "displayName"),
        (json!({"displayName": "x".repeat(257)}), "displayName"),
        (json!({"keyCredentials": {}}), "keyCredentials"),
        (json!({"keyCredentials": null}), "keyCredentials"),
        (json!({"identifierUris": ["payroll"]}), "identifierUris/0"),
        (json!({"identifierUris": ["api://a", "api://a"]}), "identifierUris/1"),
        (json!({"identifierUris": ["https://graph.microsoft.com/"]}), "identifierUris/0"),
        (json!({"identifierUris": ["api://a b"]}), "identifierUris/0"),
        (json!({"api": {"requestedAccessTokenVersion": 3}}), "api/requestedAccessTokenVersion"),
        (json!({"api": 5}), "api"),
        (json!({"tags": "a"}), "tags"),
        (json!({"signInAudience": "Everybody"}), "signInAudience"),
        (json!({"isFallbackPublicClient": "yes"}), "isFallbackPublicClient"),
        (json!({"certificateFiles": ["a.pem"]}), "certificateFiles"),
        (json!({"federatedIdentityCredentials": []}), "federatedIdentityCredentials"),
        (
            json!({"trustedCertificateSubjects": [{"authorityId": "x", "subjectName": "y"}]}),
            "trustedCertificateSubjects/0/authorityId",
        ),
        (json!({"passwordCredentials": [{"displayName": "x"}]}), "passwordCredentials/0/keyId"),
    ] {
        assert_eq!(patched(&old, &body).unwrap_err().path, path, "{body}");
    }
    for body in [json!([]), json!(null), json!({}), json!({"displayName": ""})] {
        assert!(made(&body).is_err(), "{body}");
    }
}

#[test]
fn private_keys_are_refused_wherever_they_stand() {
    let identity = Identity::rsa(0, &Spec::default());
    let key = identity.key_pem();
    let entry = |name: &str| {
        let mut entry =
            json!({"type": "AsymmetricX509Cert", "usage": "Verify", "key": encode_base64(identity.certificate.der())});
        entry[name] = key.clone().into();
        json!({"displayName": "a", "keyCredentials": [entry]})
    };
    for body in [
        json!({"displayName": key}),
        json!({"displayName": "a", "notes": key}),
        json!({"displayName": "a", "anything": {"deep": [key]}}),
        entry("displayName"),
        entry("customKeyIdentifier"),
        entry("keyId"),
        entry("key"),
    ] {
        let fault = made(&body).unwrap_err();
        assert!(!fault.to_string().contains("BEGIN"), "{fault}");
    }
    let pasted = json!({"displayName": "a", "keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify", "key": encode_base64(key.as_bytes())}]});
    let fault = made(&pasted).unwrap_err();
    assert_eq!(fault.path, "keyCredentials/0/key");
    assert!(fault.message.contains("private key"));
}

#[test]
fn what_graph_shows_is_taken_from_a_file_unchanged() {
    let identity = Identity::rsa(0, &Spec::default());
    let mut record = made(&json!({
        "displayName": "a", "identifierUris": ["api://a"], "tags": ["x"],
        "keyCredentials": [{"type": "AsymmetricX509Cert", "usage": "Verify", "key": encode_base64(identity.certificate.der())}],
        "passwordCredentials": [{"displayName": "s"}],
        "appRoles": [{"id": APP, "value": "Run", "displayName": "Run", "description": "Run", "allowedMemberTypes": ["Application"]}],
    }))
    .unwrap();
    let shown = Json::Object(show(&record, &tenant(), false));
    let (read, warnings) = filed(&shown, &mut Counting::default()).unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!((&read.application.app_id, &read.application.object_id), (&record.app_id, &record.object_id));
    assert_eq!(read.application.key_credentials[0].der, None);
    assert!(read.principal.is_some());

    let exported = Json::Object(export(&record, true));
    let (read, warnings) = filed(&exported, &mut Counting::default()).unwrap();
    record.created = UnixTime::from_secs(record.created.secs());
    assert_eq!((read.application, warnings), (record, vec![]));
}

#[test]
fn files_need_an_app_id_and_bring_certificates_beside_them() {
    let identity = Identity::rsa(0, &Spec::default());
    let mut means = Counting::default();
    means.files.push(("a.pem".into(), format!("{}{}", identity.key_pem(), identity.certificate_pem()).into_bytes()));
    means.files.push(("key.pem".into(), identity.key_pem().into_bytes()));
    means.files.push(("seed.yaml".into(), b"tenants: []".to_vec()));
    let (read, warnings) =
        filed(&json!({"appId": APP.to_uppercase(), "certificateFiles": ["a.pem"]}), &mut means).unwrap();
    assert_eq!((read.application.app_id.as_str(), read.application.display_name.as_str()), (APP, APP));
    assert_eq!(read.application.key_credentials[0].der.as_deref(), Some(identity.certificate.der()));
    assert!(warnings[0].message.contains("private key"));
    for (body, path, word) in [
        (json!({"displayName": "x"}), "appId", "missing"),
        (json!({"appId": "nope"}), "appId", "nope"),
        (json!({"appId": "00000003-0000-0000-c000-000000000000"}), "appId", "every tenant"),
        (json!({"appId": APP, "certificateFiles": ["none.pem"]}), "certificateFiles/0", "none.pem"),
        (json!({"appId": APP, "certificateFiles": ["key.pem"]}), "certificateFiles/0", "private key"),
        (json!({"appId": APP, "certificateFiles": ["seed.yaml"]}), "certificateFiles/0", "certificate"),
        (json!({"appId": APP, "certificateFiles": ["a.pem", "a.pem"]}), "certificateFiles/1", "already"),
        (
            json!({"appId": APP, "servicePrincipal": null, "grantedRoles": [{"resource": "a", "role": "b"}]}),
            "grantedRoles/0/role",
            "service principal",
        ),
    ] {
        let fault = filed(&body, &mut means).unwrap_err();
        assert_eq!(fault.path, path);
        assert!(fault.message.contains(word) && !fault.message.contains("BEGIN"), "{fault}");
    }
}

#[test]
fn a_slip_of_the_pen_in_a_file_is_noticed_and_kept() {
    let body = json!({"appId": APP, "certificateFile": "a.pem", "logo": null, "onPremisesPublishing": {}});
    let (read, warnings) = filed(&body, &mut Counting::default()).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0].path, "certificateFile");
    assert!(read.application.document.contains_key("certificateFile"));
}
