//! Applications: create, read, change, delete; bodies that are wrong; ETags.

use serde_json::{Value, json};

use super::support::TENANT_ID;
use super::{Graph, identity, path, refused};

#[tokio::test]
async fn ids_and_secrets_of_the_caller_never_take_effect() {
    let graph = Graph::new().await;
    let wanted = "99999999-9999-4999-8999-999999999999";
    let body = json!({"displayName": "ids", "id": wanted, "appId": wanted, "passwordCredentials": [{"displayName": "mine", "secretText": "chosen-by-me-0123456789"}]});
    let answer = graph.call("POST", "/applications", &body).await;
    assert_eq!(answer.status, 201);
    let made = answer.json();
    assert!(made["id"] != wanted && made["appId"] != wanted);
    let secret = made["passwordCredentials"][0]["secretText"].as_str().unwrap();
    assert!(secret.len() > 40 && made["passwordCredentials"][0]["hint"] == secret[..3]);
    let ask = |secret: &str| {
        let client = made["appId"].as_str().unwrap().to_owned();
        let secret = secret.to_owned();
        let service = &graph.service;
        async move {
            let scope = "https://graph.microsoft.com/.default";
            let pairs = [
                ("grant_type", "client_credentials"),
                ("client_id", &client),
                ("client_secret", &secret),
                ("scope", scope),
            ];
            service.form(&service.token_path(), &pairs).await
        }
    };
    assert_eq!(ask("chosen-by-me-0123456789").await.refusal(), 7_000_215);
    assert_eq!(ask(secret).await.status, 200);
    assert_eq!(graph.patch(&made, &json!({"appId": wanted, "id": wanted})).await.status, 204);
    assert_eq!(graph.read(&path(&made)).await["appId"], made["appId"]);
    assert_eq!(graph.read(&path(&made)).await["passwordCredentials"][0]["secretText"], Value::Null);
}

#[tokio::test]
async fn one_object_by_either_id_in_either_version() {
    let graph = Graph::new().await;
    let made = graph.create("found", &[]).await;
    let (id, app_id) = (made["id"].as_str().unwrap(), made["appId"].as_str().unwrap());
    for path in [
        format!("/applications/{id}"),
        format!("/applications(appId='{}')", app_id.to_uppercase()),
        format!("/applications('{id}')"),
    ] {
        assert_eq!(graph.read(&path).await["appId"], app_id, "{path}");
    }
    let headers = format!("Authorization: Bearer {}\r\nx-countersign-tenant: contoso.example\r\n", graph.token);
    let beta = graph.service.send("GET", &format!("/beta/applications/{id}"), &headers, b"").await;
    // The default tenant and the scenarios' one may share no domain: whichever owns it, the header chose it.
    assert!(matches!(beta.status, 200 | 404), "{}", beta.body);
    let headers = format!("Authorization: Bearer {}\r\nx-countersign-tenant: {TENANT_ID}\r\n", graph.token);
    let beta = graph.service.send("GET", &format!("/beta/applications/{id}"), &headers, b"").await;
    assert!(beta.json()["@odata.context"].as_str().unwrap().contains("/beta/$metadata#applications"));
    for path in [
        "/applications/6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11",
        "/applications/not-a-guid",
        "/applications(appId='x')",
        "/nowhere",
        "/applications/x/y",
        "",
    ] {
        refused(&graph.get(path).await, 404);
    }
    refused(&graph.call("PUT", &path(&made), &json!({})).await, 405);
    refused(&graph.call("DELETE", "/applications", &Value::Null).await, 405);
}

#[tokio::test]
async fn members_merge_and_unknown_ones_come_back() {
    let graph = Graph::new().await;
    let made = graph.create("members", &[]).await;
    let body = json!({"api": {"requestedAccessTokenVersion": 2}, "tags": ["a"], "somethingNew": {"x": 1}, "identifierUris": ["api://members"]});
    assert_eq!(graph.patch(&made, &body).await.status, 204);
    assert_eq!(graph.patch(&made, &json!({"api": {"acceptMappedClaims": true}, "tags": []})).await.status, 204);
    let read = graph.read(&path(&made)).await;
    assert_eq!(read["api"]["requestedAccessTokenVersion"], 2);
    assert_eq!(
        (&read["api"]["acceptMappedClaims"], &read["tags"], &read["somethingNew"]),
        (&json!(true), &json!([]), &json!({"x": 1}))
    );
    let other = graph.create("other", &[]).await;
    assert_eq!(
        refused(&graph.patch(&other, &json!({"identifierUris": ["api://members"]})).await, 409),
        "Request_MultipleObjectsWithSameKeyValue"
    );
    let selected = graph.read(&format!("{}?$select=displayName,tags", path(&made))).await;
    let names: Vec<&String> = selected.as_object().unwrap().keys().collect();
    assert_eq!(names, ["@odata.context", "displayName", "tags"]);
}

#[tokio::test]
async fn bodies_that_are_wrong_are_refused() {
    let graph = Graph::new().await;
    let made = graph.create("bodies", &[]).await;
    let deep = "[".repeat(50_000);
    let bodies: [&[u8]; 10] = [
        b"",
        b"null",
        b"[]",
        b"{",
        b"{\"displayName\":",
        b"{\"displayName\":5}",
        b"{\"displayName\":\"a\",\"displayName\":\"b\"}",
        deep.as_bytes(),
        b"\xff",
        b"{\"keyCredentials\":{}}",
    ];
    for body in bodies {
        for (method, path) in [("POST", "/applications".to_owned()), ("PATCH", path(&made))] {
            refused(&graph.send(method, &path, "Content-Type: application/json\r\n", body).await, 400);
        }
    }
    refused(&graph.send("POST", "/applications", "Content-Type: text/plain\r\n", b"{}").await, 415);
    let large = format!("{{\"displayName\":\"{}\"}}", "x".repeat(300 * 1024));
    refused(&graph.send("POST", "/applications", "Content-Type: application/json\r\n", large.as_bytes()).await, 413);
    assert_eq!(graph.read(&path(&made)).await["displayName"], "bodies");
}

#[tokio::test]
async fn an_etag_guards_a_change() {
    let graph = Graph::new().await;
    let made = graph.create("guarded", &[]).await;
    let etag = graph.get(&path(&made)).await.header("etag").to_owned();
    let send = |etag: &str, method: &'static str, body: &'static [u8]| {
        let headers = format!("Content-Type: application/json\r\nIf-Match: {etag}\r\n");
        let (graph, path) = (&graph, path(&made));
        async move { graph.send(method, &path, &headers, body).await }
    };
    assert_eq!(send(&etag, "PATCH", b"{\"notes\":\"1\"}").await.status, 204);
    refused(&send(&etag, "PATCH", b"{\"notes\":\"2\"}").await, 412);
    refused(&send(&etag, "DELETE", b"").await, 412);
    refused(&send("\"nonsense\"", "PATCH", b"{}").await, 412);
    assert_eq!(graph.read(&path(&made)).await["notes"], "1");
    assert_eq!(send("*", "DELETE", b"").await.status, 204);
}

#[tokio::test]
async fn a_deleted_application_is_gone_at_once() {
    let graph = Graph::new().await;
    let a = identity(0);
    let made = graph.create("short-lived", &[&a]).await;
    assert_eq!(graph.token_code(&made, &a).await, 0);
    assert_eq!(graph.call("DELETE", &path(&made), &Value::Null).await.status, 204);
    assert_eq!(graph.token_code(&made, &a).await, 700_016);
    refused(&graph.call("DELETE", &path(&made), &Value::Null).await, 404);
    let principals =
        graph.read(&format!("/servicePrincipals?$filter=appId%20eq%20'{}'", made["appId"].as_str().unwrap())).await;
    assert_eq!(principals["value"], json!([]));
}

#[tokio::test]
async fn changes_at_the_same_time_all_take_effect() {
    let graph = Graph::new().await;
    let made = graph.create("busy", &[]).await;
    let add = |n: usize| {
        let (graph, path) = (&graph, format!("{}/addPassword", path(&made)));
        async move { graph.call("POST", &path, &json!({"passwordCredential": {"displayName": n.to_string()}})).await.status }
    };
    let (a, b, c, d, e) = tokio::join!(add(1), add(2), add(3), add(4), add(5));
    assert_eq!([a, b, c, d, e], [200; 5]);
    assert_eq!(graph.read(&path(&made)).await["passwordCredentials"].as_array().unwrap().len(), 5);
}
