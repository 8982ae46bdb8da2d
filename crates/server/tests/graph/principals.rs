//! Service principals and app role assignments, and what they do to tokens.

use serde_json::{Value, json};

use super::support::TENANT_ID;
use super::{Graph, identity, path, refused};

async fn principal_of(graph: &Graph, application: &Value) -> Value {
    graph.read(&format!("/servicePrincipals(appId='{}')", application["appId"].as_str().unwrap())).await
}

fn principal_path(principal: &Value) -> String {
    format!("/servicePrincipals/{}", principal["id"].as_str().unwrap())
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&countersign_core::encoding::decode_base64(payload).unwrap().bytes).unwrap()
}

#[tokio::test]
async fn a_principal_is_made_with_its_application_and_can_be_switched_off_deleted_and_made_again() {
    let graph = Graph::new().await;
    let a = identity(0);
    let application = graph.create("principal", &[&a]).await;
    let principal = principal_of(&graph, &application).await;
    assert_eq!((&principal["displayName"], &principal["accountEnabled"]), (&json!("principal"), &json!(true)));
    assert_eq!(graph.token_code(&application, &a).await, 0);
    let off = graph.call("PATCH", &principal_path(&principal), &json!({"accountEnabled": false})).await;
    assert_eq!(off.status, 204, "{}", off.body);
    assert_ne!(graph.token_code(&application, &a).await, 0);
    assert_eq!(graph.call("PATCH", &principal_path(&principal), &json!({"accountEnabled": true})).await.status, 204);
    assert_eq!(graph.token_code(&application, &a).await, 0);
    assert_eq!(graph.call("DELETE", &principal_path(&principal), &Value::Null).await.status, 204);
    assert_eq!(graph.token_code(&application, &a).await, 7_000_229);
    assert_eq!(graph.read(&path(&application)).await["displayName"], "principal");
    let again = graph.call("POST", "/servicePrincipals", &json!({"appId": application["appId"]})).await;
    assert_eq!(again.status, 201, "{}", again.body);
    assert_eq!(graph.token_code(&application, &a).await, 0);
    // Programs written for Entra make it after the application; it is there, and that is the answer.
    let there = graph.call("POST", "/servicePrincipals", &json!({"appId": application["appId"]})).await;
    assert_eq!((there.status, &there.json()["id"]), (201, &again.json()["id"]));
    refused(
        &graph.call("POST", "/servicePrincipals", &json!({"appId": "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11"})).await,
        400,
    );
    refused(&graph.call("POST", "/servicePrincipals", &json!({})).await, 400);
    refused(&graph.call("POST", &format!("{}/addPassword", principal_path(&again.json())), &json!({})).await, 400);
}

#[tokio::test]
async fn lists_hold_built_in_resources_and_stored_principals_once() {
    let graph = Graph::new().await;
    for n in 0..5 {
        let made = graph.create(&format!("sp {n}"), &[]).await;
        assert_eq!(graph.patch(&made, &json!({"identifierUris": [format!("api://sp-{n}")]})).await.status, 204);
    }
    let graph_principal = graph.read("/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')").await;
    assert_eq!(graph.read(&principal_path(&graph_principal)).await["displayName"], "Microsoft Graph");
    assert_eq!(
        graph.call("PATCH", &principal_path(&graph_principal), &json!({"notes": "stored now"})).await.status,
        204
    );
    for top in [1, 2, 3, 4, 5, 100] {
        let (mut next, mut seen) = (format!("/servicePrincipals?$top={top}"), Vec::new());
        loop {
            let body = graph.read(&next).await;
            let page = body["value"].as_array().unwrap();
            assert!(page.len() <= top);
            seen.extend(page.iter().map(|v| v["displayName"].as_str().unwrap().to_owned()));
            match body["@odata.nextLink"].as_str() {
                Some(link) => next = link.split_once("/v1.0").unwrap().1.to_owned(),
                None => break,
            }
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 9, "{top}: {seen:?}");
    }
    assert_eq!(graph.get("/servicePrincipals/$count").await.body, "9");
    for filter in ["servicePrincipalNames/any(c:c%20eq%20'api://sp-3')", "displayName%20eq%20'sp%203'"] {
        let found = graph.read(&format!("/servicePrincipals?$filter={filter}")).await;
        assert_eq!(found["value"].as_array().unwrap().len(), 1, "{filter}");
    }
    let graph_by_name = graph
        .read("/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'https://graph.microsoft.com')")
        .await;
    assert_eq!(graph_by_name["value"][0]["appId"], "00000003-0000-0000-c000-000000000000");
    refused(&graph.call("DELETE", &principal_path(&graph_principal), &Value::Null).await, 400);
}

#[tokio::test]
async fn roles_stand_in_the_next_token() {
    let graph = Graph::new().await;
    let a = identity(0);
    let client = graph.create("client", &[&a]).await;
    let api = graph.create("api", &[]).await;
    let role = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";
    let off = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c12";
    let roles = json!({"identifierUris": ["api://payroll"], "appRoles": [
        {"id": role, "value": "Run", "displayName": "Run", "description": "Run", "allowedMemberTypes": ["Application"], "isEnabled": true},
        {"id": off, "value": "Off", "displayName": "Off", "description": "Off", "allowedMemberTypes": ["Application"], "isEnabled": false},
    ]});
    assert_eq!(graph.patch(&api, &roles).await.status, 204);
    let (principal, resource) = (principal_of(&graph, &client).await, principal_of(&graph, &api).await);
    let list = format!("{}/appRoleAssignments", principal_path(&principal));
    let body = |role: &str| json!({"principalId": principal["id"], "resourceId": resource["id"], "appRoleId": role});
    let mut scenario = graph.scenario(&client, &a);
    scenario.set_parameter("scope", "api://payroll/.default");
    let token = graph.service.ask(&scenario).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token).get("roles"), None);

    let given = graph.call("POST", &list, &body(role)).await;
    assert_eq!(given.status, 201, "{}", given.body);
    let token = graph.service.ask(&scenario).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token)["roles"], json!(["Run"]));
    refused(&graph.call("POST", &list, &body(role)).await, 400);
    refused(&graph.call("POST", &list, &body(off)).await, 400);
    refused(&graph.call("POST", &list, &body("6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c13")).await, 400);
    let other = json!({"principalId": resource["id"], "resourceId": resource["id"], "appRoleId": role});
    refused(&graph.call("POST", &list, &other).await, 400);
    let assigned = graph.read(&format!("{}/appRoleAssignedTo", principal_path(&resource))).await;
    assert_eq!(assigned["value"][0]["principalDisplayName"], "client");
    let id = given.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(graph.read(&format!("{list}/{id}")).await["resourceDisplayName"], "api");
    assert_eq!(graph.call("DELETE", &format!("{list}/{id}"), &Value::Null).await.status, 204);
    let token = graph.service.ask(&scenario).await.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token).get("roles"), None);
    refused(&graph.call("DELETE", &format!("{list}/{id}"), &Value::Null).await, 404);
    assert_eq!(claims(&token)["tid"], TENANT_ID);
}
