//! The database goes away and comes back: what is promised meanwhile, and that nothing has to be restarted.

use countersign_core::profile::{ENTRA, STRICT};
use countersign_testkit::postgres::Cluster;

use crate::node::*;
use crate::support::*;

async fn graph(node: &Service, method: &str, path: &str, body: &str) -> Answer {
    let token = std::fs::read_to_string(&node.running.ready.admin_token_file).unwrap();
    let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", token.trim());
    node.send(method, path, &headers, body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nothing_unconfirmed_is_issued_and_changes_are_refused() {
    let Some(cluster) = Cluster::start("") else { return };
    let url = cluster.database("d");
    let strict = first(&url, &STRICT).await;
    let node = another(&url, &ENTRA).await;
    let patient = Service::with(|c| {
        settings(c, &url);
        c.stale_for.value = Some(3_600);
    })
    .await;
    for node in [&node, &patient] {
        until(node, "a token", |t| t.status == 200).await;
    }
    let answer = strict.ask(&strict.right()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let kept = graph(&node, "POST", "/v1.0/applications", r#"{"displayName":"kept"}"#).await;
    assert_eq!(kept.status, 201, "{}", kept.body);
    // The first news of a node clears what it had read before; what it reads from now on stays.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    until(&patient, "a token", |t| t.status == 200).await;

    cluster.crash();
    assert_away(&until(&node, "refused", |t| t.status != 200).await);
    assert_eq!(node.get("/readyz").await.status, 503);
    assert_eq!(node.get("/livez").await.status, 200);
    // What is in its cache is issued by whoever was told to.
    assert_eq!(by_secret(&patient).await.status, 200);
    // Resource servers go on verifying.
    assert_eq!(node.get("/common/discovery/v2.0/keys").await.status, 200);
    assert_away(&strict.ask(&strict.right()).await);
    let refused = graph(&node, "POST", "/v1.0/applications", r#"{"displayName":"lost"}"#).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    assert!(refused.json()["error"]["code"].is_string() && !refused.body.contains("127.0.0.1"), "{}", refused.body);

    cluster.resume();
    for node in [&node, &patient] {
        until(node, "a token again", |t| t.status == 200).await;
    }
    let again = graph(&node, "POST", "/v1.0/applications", r#"{"displayName":"again"}"#).await;
    assert_eq!(again.status, 201, "{}", again.body);
    let list = graph(&node, "GET", "/v1.0/applications", "").await.body;
    assert!(list.contains("\"kept\"") && list.contains("\"again\"") && !list.contains("\"lost\""), "{list}");
    assert_eq!(node.get("/readyz").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_place_where_uses_are_noted_strict_issues_nothing() {
    let Some(cluster) = Cluster::start("") else { return };
    let url = cluster.database("d");
    let node = Service::with_client_and(&STRICT, |c| {
        settings(c, &url);
        // Cached, and confirmed for long enough: only the note of the use is missing.
        c.stale_for.value = Some(3_600);
    })
    .await;
    assert_eq!(node.ask(&node.right()).await.status, 200);
    cluster.crash();
    let mut assertion = node.right();
    assertion.set_claim("jti", countersign_testkit::scenario::text("another"));
    assert_away(&node.ask(&assertion).await);
    cluster.resume();
    // What was refused was not used up.
    let began = std::time::Instant::now();
    loop {
        let answer = node.ask(&assertion).await;
        if answer.status == 200 {
            break;
        }
        assert_away(&answer);
        assert!(began.elapsed() < SOON, "still {}", answer.body);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_ne!(node.ask(&assertion).await.status, 200);
}

/// A host that is demoted in place goes on answering questions, and is told nothing of what the new primary learns.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_become_read_only_confirms_nothing() {
    let Some(cluster) = Cluster::start("") else { return };
    let url = cluster.database("d");
    let node = first(&url, &ENTRA).await;
    until(&node, "a token", |t| t.status == 200).await;
    cluster.sql("postgres", "ALTER SYSTEM SET default_transaction_read_only = on");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    assert_away(&until(&node, "refused", |t| t.status != 200).await);
    cluster.sql("postgres", "ALTER SYSTEM RESET default_transaction_read_only");
    cluster.sql("postgres", "SELECT pg_reload_conf()");
    until(&node, "a token again", |t| t.status == 200).await;
}
