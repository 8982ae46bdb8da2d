//! Federated identity credentials: rules, uniqueness, upsert by name.

use serde_json::{Value, json};

use super::{Graph, path, refused};

fn good() -> Value {
    json!({"name": "github", "issuer": "https://issuer.example", "subject": "repo:a/b", "audiences": ["api://AzureADTokenExchange"]})
}

fn with(changes: &Value) -> Value {
    let mut value = good();
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

#[tokio::test]
async fn credentials_come_and_go_by_id_and_name() {
    let graph = Graph::new().await;
    let made = graph.create("federated", &[]).await;
    let list = format!("{}/federatedIdentityCredentials", path(&made));
    let answer = graph.call("POST", &list, &good()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(graph.read(&list).await["value"][0]["subject"], "repo:a/b");
    assert_eq!(graph.read(&format!("{list}/{id}")).await["name"], "github");
    assert_eq!(graph.read(&format!("{list}/github")).await["id"], id.as_str());
    assert_eq!(graph.read(&format!("{list}(name='github')")).await["id"], id.as_str());
    assert_eq!(graph.call("PATCH", &format!("{list}/{id}"), &json!({"subject": "repo:c/d"})).await.status, 204);
    refused(&graph.call("PATCH", &format!("{list}/{id}"), &json!({"name": "other"})).await, 400);
    assert_eq!(graph.read(&format!("{list}/{id}")).await["subject"], "repo:c/d");
    let upsert = graph
        .call(
            "PATCH",
            &format!("{list}(name='second')"),
            &json!({"issuer": "https://i.example", "subject": "s", "audiences": ["a"]}),
        )
        .await;
    assert_eq!(upsert.status, 201, "{}", upsert.body);
    assert_eq!(graph.read(&list).await["value"].as_array().unwrap().len(), 2);
    assert_eq!(graph.call("DELETE", &format!("{list}/{id}"), &Value::Null).await.status, 204);
    refused(&graph.get(&format!("{list}/{id}")).await, 404);
    let expanded = graph.read(&format!("{}?$expand=federatedIdentityCredentials&$select=id", path(&made))).await;
    assert_eq!(expanded["federatedIdentityCredentials"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn every_rule_is_kept() {
    let graph = Graph::new().await;
    let made = graph.create("federated", &[]).await;
    let list = format!("{}/federatedIdentityCredentials", path(&made));
    for changes in [
        json!({"name": "ab"}),
        json!({"name": "a".repeat(121)}),
        json!({"name": "a b c"}),
        json!({"issuer": null}),
        json!({"subject": ""}),
        json!({"subject": "s".repeat(601)}),
        json!({"audiences": []}),
        json!({"audiences": ["a", "b"]}),
        json!({"audiences": "a"}),
    ] {
        refused(&graph.call("POST", &list, &with(&changes)).await, 400);
    }
    assert_eq!(graph.read(&list).await["value"], json!([]));
    for n in 0..20 {
        let body = with(&json!({"name": format!("name-{n}"), "subject": format!("subject {n}")}));
        assert_eq!(graph.call("POST", &list, &body).await.status, 201);
        if n == 0 {
            let same = with(&json!({"name": "another", "subject": "subject 0"}));
            assert_eq!(
                refused(&graph.call("POST", &list, &same).await, 409),
                "Request_MultipleObjectsWithSameKeyValue"
            );
            refused(&graph.call("POST", &list, &with(&json!({"name": "name-0"}))).await, 409);
        }
    }
    assert_eq!(refused(&graph.call("POST", &list, &good()).await, 403), "Directory_QuotaExceeded");
}
