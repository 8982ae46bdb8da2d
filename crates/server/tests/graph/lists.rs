//! Lists: filters, pages, counts, selection.

use serde_json::{Value, json};

use super::{Graph, refused};

fn query(text: &str) -> String {
    text.replace(' ', "%20")
}

async fn names(graph: &Graph, path: &str) -> Vec<String> {
    let body = graph.read(&query(path)).await;
    let mut names: Vec<String> =
        body["value"].as_array().unwrap().iter().map(|v| v["displayName"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let graph = Graph::new().await;
    let one = graph.create("Payroll one", &[]).await;
    let two = graph.create("Payroll two", &[]).await;
    graph.create("O'Hara", &[]).await;
    assert_eq!(graph.patch(&one, &json!({"identifierUris": ["api://one"], "tags": ["x"]})).await.status, 204);
    let (app, id) = (one["appId"].as_str().unwrap(), two["id"].as_str().unwrap());
    for (filter, expected) in [
        (format!("appId eq '{app}'"), vec!["Payroll one"]),
        (format!("id eq '{id}'"), vec!["Payroll two"]),
        ("displayName eq 'Payroll one'".to_owned(), vec!["Payroll one"]),
        ("displayName eq 'O''Hara'".to_owned(), vec!["O'Hara"]),
        ("startswith(displayName,'Payroll')".to_owned(), vec!["Payroll one", "Payroll two"]),
        ("identifierUris/any(u:u eq 'api://one')".to_owned(), vec!["Payroll one"]),
        ("startswith(displayName,'Payroll') and tags/any(t:t eq 'x')".to_owned(), vec!["Payroll one"]),
        (format!("appId in ('{app}')"), vec!["Payroll one"]),
        (format!("appId eq '{app}' or id eq '{id}'"), vec!["Payroll one", "Payroll two"]),
        ("not startswith(displayName,'Payroll')".to_owned(), vec!["O'Hara"]),
        ("displayName eq 'nobody'".to_owned(), vec![]),
    ] {
        assert_eq!(names(&graph, &format!("/applications?$filter={filter}")).await, expected, "{filter}");
    }
    for wrong in [
        "$filter=appId",
        "$filter=appId eq x",
        "$top=0",
        "$top=abc",
        "$search=\"displayName:x\"",
        "$orderby=displayName",
        "$count=maybe",
        "$expand=everything",
        "$top=1&$top=2",
    ] {
        refused(&graph.get(&query(&format!("/applications?{}", wrong.replace('"', "%22")))).await, 400);
    }
}

#[tokio::test]
async fn pages_hold_everything_once() {
    let graph = Graph::new().await;
    for n in 0..7 {
        graph.create(&format!("page {n}"), &[]).await;
    }
    for start in ["/applications?$top=3&$count=true", "/applications?$top=3&$filter=startswith(displayName,'page')"] {
        let (mut next, mut seen) = (start.to_owned(), Vec::new());
        loop {
            let body = graph.read(&next).await;
            if start.contains("$count") {
                assert_eq!(body["@odata.count"], 7);
            }
            let page = body["value"].as_array().unwrap();
            assert!(page.len() <= 3);
            seen.extend(page.iter().map(|v| v["displayName"].as_str().unwrap().to_owned()));
            match body["@odata.nextLink"].as_str() {
                Some(link) => next = link.split_once("/v1.0").unwrap().1.to_owned(),
                None => break,
            }
        }
        seen.sort();
        assert_eq!(seen, (0..7).map(|n| format!("page {n}")).collect::<Vec<_>>(), "{start}");
    }
    assert_eq!(graph.get("/applications/$count").await.body, "7");
}

#[tokio::test]
async fn conditions_without_an_index_page_too() {
    let graph = Graph::new().await;
    for n in 0..5 {
        graph.create(&format!("{n} tail"), &[]).await;
    }
    let mut next = "/applications?$top=2&$filter=endswith(displayName,'tail')".to_owned();
    let mut seen = 0;
    loop {
        let body = graph.read(&next).await;
        seen += body["value"].as_array().unwrap().len();
        match body["@odata.nextLink"].as_str() {
            Some(link) => next = link.split_once("/v1.0").unwrap().1.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, 5);
}

#[tokio::test]
async fn selection_leaves_the_rest_out() {
    let graph = Graph::new().await;
    graph.create("selected", &[]).await;
    let body = graph.read("/applications?$select=appId,displayName").await;
    let first: &Value = &body["value"][0];
    assert_eq!(first.as_object().unwrap().len(), 2, "{first}");
}
