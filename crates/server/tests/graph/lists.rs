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
        ("displayName eq 'pAyroll ONE'".to_owned(), vec!["Payroll one"]),
        ("startswith(displayName,'PAYROLL t')".to_owned(), vec!["Payroll two"]),
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
        "$orderby=appId",
        "$count=maybe",
        "$expand=everything",
        "$top=1&$top=2",
    ] {
        refused(&graph.get(&query(&format!("/applications?{}", wrong.replace('"', "%22")))).await, 400);
    }
}

#[tokio::test]
async fn lists_are_searched_sorted_and_counted() {
    let graph = Graph::new().await;
    for name in ["beta daemon", "Alpha daemon", "gamma"] {
        graph.create(name, &[]).await;
    }
    let shown = async |path: &str| -> (Vec<String>, Value) {
        let answer = graph.send("GET", &query(path).replace('"', "%22"), "ConsistencyLevel: eventual\r\n", b"").await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let body = answer.json();
        let name = |v: &Value| v["displayName"].as_str().unwrap().to_owned();
        (body["value"].as_array().unwrap().iter().map(name).collect(), body)
    };
    for set in ["applications", "servicePrincipals"] {
        let path = format!("/{set}?$search=\"displayName:DAEMON\"&$orderby=displayName&$count=true");
        let (names, body) = shown(&path).await;
        assert_eq!(
            (names, &body["@odata.count"]),
            (vec!["Alpha daemon".into(), "beta daemon".into()], &json!(2)),
            "{set}"
        );
        let (names, _) =
            shown(&format!("/{set}?$search=\"displayName:daemon\"&$orderby=displayName desc&$top=1")).await;
        assert_eq!(names, ["beta daemon"]);
        let (names, _) = shown(&format!(
            "/{set}?$search=\"displayName:daemon\" OR \"displayName:gam\"&$filter=not startswith(displayName,'beta')&$orderby=displayName"
        ))
        .await;
        assert_eq!(names, ["Alpha daemon", "gamma"]);
        let count = format!("/{set}/$count?$search=%22displayName:daemon%22");
        assert_eq!(graph.send("GET", &count, "ConsistencyLevel: eventual\r\n", b"").await.body, "2");
    }
    let (first, body) = shown("/applications?$orderby=displayName&$top=2").await;
    let next = body["@odata.nextLink"].as_str().unwrap().split_once("/v1.0").unwrap().1.to_owned();
    let (second, body) = shown(&next).await;
    assert_eq!((first.len(), second.as_slice()), (2, &["gamma".to_owned()][..]));
    assert!(body.get("@odata.nextLink").is_none());
    let without = graph.get("/applications?$search=%22displayName:daemon%22").await;
    assert!(refused(&without, 400).contains("Unsupported"), "{}", without.body);
    refused(
        &graph.send("GET", "/auditLogs/signIns?$search=%22appId:x%22", "ConsistencyLevel: eventual\r\n", b"").await,
        400,
    );
    refused(&graph.get("/applications?$orderby=displayName&$skiptoken=x").await, 400);
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
