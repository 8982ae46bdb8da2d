//! Sign-ins and audits: what happened stands there, with nothing that should not.

use serde_json::json;

use super::{Graph, identity, path};

#[tokio::test]
async fn every_token_request_stands_in_the_log() {
    let graph = Graph::new().await;
    let (a, stranger) = (identity(0), identity(1));
    let made = graph.create("logged", &[&a]).await;
    assert_eq!(graph.token_code(&made, &a).await, 0);
    assert_eq!(graph.token_code(&made, &stranger).await, 700_027);
    let app_id = made["appId"].as_str().unwrap();
    let filter = |rest: &str| format!("/auditLogs/signIns?$filter=appId%20eq%20'{app_id}'{rest}");
    let rows = graph.read(&filter("")).await["value"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let granted = rows.iter().find(|r| r["status"]["errorCode"] == 0).unwrap();
    let keys = graph.keys(&made).await;
    assert_eq!(granted["servicePrincipalCredentialKeyId"], keys[0]["keyId"]);
    let thumbprint = granted["servicePrincipalCredentialThumbprint"].as_str().unwrap();
    assert!(
        thumbprint.eq_ignore_ascii_case(&countersign_core::encoding::encode_hex_upper(a.certificate.sha1())),
        "{granted}"
    );
    assert_eq!(granted["servicePrincipalName"], "logged");
    let resource = (&granted["resourceDisplayName"], &granted["resourceId"]);
    assert_eq!(resource, (&json!("Microsoft Graph"), &json!("00000003-0000-0000-c000-000000000000")));
    assert_eq!(granted["signInEventTypes"], json!(["servicePrincipal"]));
    assert!(granted["uniqueTokenIdentifier"].is_string());
    let refused = graph.read(&filter("%20and%20status/errorCode%20eq%20700027")).await;
    assert_eq!(refused["value"].as_array().unwrap().len(), 1);
    let by_type = graph.read(&filter("%20and%20signInEventTypes/any(t:t%20eq%20'servicePrincipal')&$top=1")).await;
    let next = by_type["@odata.nextLink"].as_str().unwrap().split_once("/v1.0").unwrap().1.to_owned();
    let second = graph.read(&next).await;
    assert_ne!(second["value"][0]["id"], by_type["value"][0]["id"]);
    assert!(second.get("@odata.nextLink").is_none(), "{second}");
    let one = granted["id"].as_str().unwrap();
    assert_eq!(graph.read(&format!("/auditLogs/signIns/{one}")).await["id"], one);
    let none = graph.read(&filter("%20and%20createdDateTime%20ge%202099-01-01T00:00:00Z")).await;
    assert_eq!(none["value"], json!([]));
}

#[tokio::test]
async fn every_change_stands_in_the_audit_log_without_secrets() {
    let graph = Graph::new().await;
    let a = identity(0);
    let made = graph.create("audited", &[]).await;
    let id = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";
    let headers = format!("Content-Type: application/json\r\nclient-request-id: {id}\r\n");
    let body = json!({"keyCredentials": [super::entry(&a)]}).to_string();
    assert_eq!(graph.send("PATCH", &path(&made), &headers, body.as_bytes()).await.status, 204);
    let secret = graph.call("POST", &format!("{}/addPassword", path(&made)), &json!({})).await.json();
    assert_eq!(graph.call("DELETE", &path(&made), &serde_json::Value::Null).await.status, 204);
    let answer = graph.get("/auditLogs/directoryAudits").await;
    assert!(!answer.body.contains(secret["secretText"].as_str().unwrap()));
    let body = answer.json();
    let names: Vec<&str> =
        body["value"].as_array().unwrap().iter().map(|r| r["activityDisplayName"].as_str().unwrap()).collect();
    let credentials = "Update application – Certificates and secrets management";
    assert_eq!(names, ["Delete application", credentials, credentials, "Add service principal", "Add application"]);
    let by_id = graph.read(&format!("/auditLogs/directoryAudits?$filter=correlationId%20eq%20'{id}'")).await;
    let row = &by_id["value"][0];
    assert_eq!(
        (by_id["value"].as_array().unwrap().len(), &row["targetResources"][0]["displayName"]),
        (1, &json!("audited"))
    );
    let modified = row["targetResources"][0]["modifiedProperties"].to_string();
    assert!(modified.contains("KeyDescription") && !modified.contains(&super::base64_of(&a)[..40]), "{modified}");
    assert_eq!(
        graph.read(&format!("/auditLogs/directoryAudits/{}", row["id"].as_str().unwrap())).await["correlationId"],
        id
    );
    // A refused call leaves no row.
    let before = body["value"].as_array().unwrap().len();
    graph.call("POST", "/applications", &json!({"displayName": 5})).await;
    assert_eq!(graph.read("/auditLogs/directoryAudits").await["value"].as_array().unwrap().len(), before);
}
