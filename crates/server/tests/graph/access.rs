//! Who may call: the admin token, applications with a role, and nobody else.

use serde_json::{Value, json};

use super::support::{Answer, Service, TENANT_ID};
use super::{Graph, identity, path, refused};

async fn with(service: &Service, authorization: &str, method: &str, path: &str, body: &Value) -> Answer {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let headers = format!("{authorization}Content-Type: application/json\r\n");
    service.send(method, &format!("/v1.0{path}"), &headers, text.as_bytes()).await
}

/// Where to give an application a role of Microsoft Graph, and the body that does it.
async fn role_of(graph: &Graph, application: &Value, role: &str) -> (String, Value) {
    let principal =
        graph.read(&format!("/servicePrincipals(appId='{}')", application["appId"].as_str().unwrap())).await;
    let resource = graph.read("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')").await;
    let give = json!({"principalId": principal["id"], "resourceId": resource["id"], "appRoleId": role});
    (format!("/servicePrincipals/{}/appRoleAssignments", principal["id"].as_str().unwrap()), give)
}

#[tokio::test]
async fn without_a_right_token_nothing_is_shown() {
    let graph = Graph::new().await;
    let longer = format!("Authorization: Bearer {}x\r\n", graph.token);
    let basic = format!("Authorization: Basic {}\r\n", graph.token);
    for authorization in [
        "",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Bearer a.b.c\r\n",
        &longer,
        &basic,
    ] {
        for path in ["/applications", "/nowhere", "/auditLogs/signIns"] {
            let answer = with(&graph.service, authorization, "GET", path, &Value::Null).await;
            assert_eq!(refused(&answer, 401), "InvalidAuthenticationToken", "{authorization}");
            assert!(!answer.body.contains(&graph.token));
        }
    }
}

#[tokio::test]
async fn an_application_may_do_what_its_roles_say_and_no_more() {
    let graph = Graph::new().await;
    let a = identity(0);
    let made = graph.create("worker", &[&a]).await;
    let other = graph.create("other", &[]).await;
    let token = graph.access_token(&made, &a).await;
    let plain = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(
        refused(&with(&graph.service, &plain, "GET", "/applications", &Value::Null).await, 403),
        "Authorization_RequestDenied"
    );
    refused(&with(&graph.service, &plain, "GET", &path(&other), &Value::Null).await, 403);
    refused(&with(&graph.service, &plain, "PATCH", &path(&made), &json!({"notes": "x"})).await, 403);
    refused(&with(&graph.service, &plain, "POST", "/applications", &json!({"displayName": "x"})).await, 403);
    refused(&with(&graph.service, &plain, "GET", "/auditLogs/signIns", &Value::Null).await, 403);
    refused(&with(&graph.service, &plain, "GET", &path(&made), &Value::Null).await, 403);

    let (list, give) = role_of(&graph, &made, "1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9").await;
    assert_eq!(graph.call("POST", &list, &give).await.status, 201);
    let token = graph.access_token(&made, &a).await;
    let strong = format!("Authorization: Bearer {token}\r\n");
    assert_eq!(with(&graph.service, &strong, "GET", "/applications", &Value::Null).await.status, 200);
    let created =
        with(&graph.service, &strong, "POST", "/applications", &json!({"displayName": "by an application"})).await;
    assert_eq!(created.status, 201, "{}", created.body);
    refused(&with(&graph.service, &strong, "POST", &list, &give).await, 403);
    let audits =
        graph.read("/auditLogs/directoryAudits?$filter=activityDisplayName%20eq%20'Add%20application'&$top=1").await;
    assert_eq!(audits["value"][0]["initiatedBy"]["app"]["appId"], made["appId"]);

    // A token for another resource opens nothing here.
    let mut scenario = graph.scenario(&made, &a);
    scenario.set_parameter("scope", "https://vault.azure.net/.default");
    let vault = graph.service.ask(&scenario).await.json()["access_token"].as_str().unwrap().to_owned();
    refused(
        &with(&graph.service, &format!("Authorization: Bearer {vault}\r\n"), "GET", "/applications", &Value::Null)
            .await,
        401,
    );
    // What was deleted works no more, though its token has not ended.
    assert_eq!(graph.call("DELETE", &path(&made), &Value::Null).await.status, 204);
    refused(&with(&graph.service, &strong, "GET", "/applications", &Value::Null).await, 401);
}

#[tokio::test]
async fn the_administrator_chooses_the_tenant_and_an_application_cannot() {
    let graph = Graph::new().await;
    let a = identity(0);
    let made = graph.create("here", &[&a]).await;
    let admin = format!("Authorization: Bearer {}\r\n", graph.token);
    let first =
        with(&graph.service, &admin, "GET", "/organization", &Value::Null).await.json()["value"][0]["id"].clone();
    assert_ne!(first, TENANT_ID);
    refused(&with(&graph.service, &admin, "GET", &path(&made), &Value::Null).await, 404);
    let unknown = format!("{admin}x-countersign-tenant: nowhere.example\r\n");
    refused(&with(&graph.service, &unknown, "GET", "/applications", &Value::Null).await, 404);
    let (list, give) = role_of(&graph, &made, "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30").await;
    assert_eq!(graph.call("POST", &list, &give).await.status, 201);
    let token = graph.access_token(&made, &a).await;
    let stray = format!("Authorization: Bearer {token}\r\nx-countersign-tenant: {}\r\n", first.as_str().unwrap());
    assert_eq!(with(&graph.service, &stray, "GET", &path(&made), &Value::Null).await.status, 200);
}
